#include <ctype.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/status.h"
#include "graph/guard.h"

typedef struct famous_work {
  igraph_t *graph;
  const char *name;
} famous_work;

static heed_status make_famous(void *context) {
  famous_work *work = context;
  const char *name = strcasecmp(work->name, "karate") == 0 ? "Zachary" : work->name;
  return heed__igraph_status(igraph_famous(work->graph, name), HEED_ARGUMENT, work->name);
}

/* A word and a colon; a path may have a colon too, but then has other things before it. */
static bool is_recipe(const char *source) {
  size_t i = 0;
  while (isalpha((unsigned char)source[i])) i++;
  return i > 0 && source[i] == ':';
}

heed_status heed_graph_open(igraph_t *graph, const char *source, uint64_t seed) {
  struct stat about;
  if (source[0] != '\0' && stat(source, &about) == 0) {
    return heed_graph_read(graph, source, NULL, false);
  }
  if (is_recipe(source)) return heed_graph_generate(graph, source, seed);
  if (strpbrk(source, "/.") != NULL) return heed_graph_read(graph, source, NULL, false);
  famous_work work = {graph, source};
  heed_status status = heed__igraph_call(make_famous, &work, seed);
  if (status != HEED_ARGUMENT) return status;
  return heed__fail(HEED_ARGUMENT,
                    "%s: neither a file, nor a recipe such as er:n=10,p=0.5, nor the name of a "
                    "graph that igraph has",
                    source);
}
