#include <ctype.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/status.h"
#include "graph/guard.h"
#include "graph/recipe.h"

typedef struct famous_work {
  igraph_t *graph;
  const char *name;
  bool has_graph;
} famous_work;

/* Whom each member followed when the club split: Mr. Hi, the instructor (1), or the officers (2)
 * (Zachary 1977). */
static const char factions[] = "1111111112111122112121222222222222";

static heed_status put_factions(famous_work *work) {
  /* A program with an attribute table of its own gets the graph without them. */
  if (heed__igraph_attributes(work->graph) != HEED_OK) return HEED_OK;
  for (int i = 0; factions[i] != '\0'; i++) {
    HEED__TRY(
        heed__igraph_status(igraph_cattribute_VAS_set(work->graph, "club", i,
                                                      factions[i] == '1' ? "Mr. Hi" : "Officer"),
                            HEED_LIBRARY, work->name));
  }
  return HEED_OK;
}

static heed_status make_famous(void *context) {
  famous_work *work = context;
  bool karate = heed__is_karate(work->name);
  const char *name = karate ? "Zachary" : work->name;
  HEED__TRY(heed__igraph_status(igraph_famous(work->graph, name), HEED_ARGUMENT, work->name));
  work->has_graph = true;
  return karate ? put_factions(work) : HEED_OK;
}

bool heed__is_karate(const char *name) {
  return strcasecmp(name, "karate") == 0 || strcasecmp(name, "Zachary") == 0;
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
  famous_work work = {graph, source, false};
  heed_status status = heed__igraph_call(make_famous, &work, seed);
  if (status != HEED_OK && work.has_graph) igraph_destroy(graph);
  if (status != HEED_ARGUMENT) return status;
  return heed__fail(HEED_ARGUMENT,
                    "%s: neither a file, nor a recipe such as er:n=10,p=0.5, nor the name of a "
                    "graph that igraph has",
                    source);
}
