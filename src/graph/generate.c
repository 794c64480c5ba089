#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "graph/guard.h"

/* More edges than this are taken for a slip of the pen. */
static const double MOST_EDGES = 2147483647.0;
enum { MOST_BLOCKS = 4096, MOST_SIDES = 8, MOST_PARTS = 4 };

/* One `name=value` of a recipe. */
typedef struct part {
  const char *name;  /* what the recipe may say */
  bool integer;
  double low, high;
  bool given;
  double value;
} part;

typedef struct generate_work {
  igraph_t *graph;
  const char *recipe;
  const char *arguments; /* what follows the colon */
  igraph_matrix_t probabilities;
  igraph_vector_int_t sizes;
  igraph_vector_t block;
  bool has_probabilities, has_sizes, has_block, has_graph;
} generate_work;

static heed_status from_igraph(const generate_work *work, igraph_error_t error) {
  return heed__igraph_status(error, HEED_LIBRARY, work->recipe);
}

/* The number that is the whole of text[0 .. length). */
static bool parse_number(const char *text, size_t length, bool integer, double *value) {
  char copy[64], *end;
  if (length == 0 || length >= sizeof copy) return false;
  memcpy(copy, text, length);
  copy[length] = '\0';
  if (strspn(copy, integer ? "0123456789" : "0123456789.eE+-") != length) return false;
  errno = 0;
  *value = integer ? (double)strtoll(copy, &end, 10) : strtod(copy, &end);
  return *end == '\0' && (errno == 0 || !integer);
}

static heed_status check_part(const generate_work *work, const part *what) {
  if (what->value >= what->low && what->value <= what->high) return HEED_OK;
  return heed__fail(HEED_ARGUMENT, "%s: %s=%.15g is not between %.15g and %.15g", work->recipe,
                    what->name, what->value, what->low, what->high);
}

static heed_status parse_part(const generate_work *work, const char *text, size_t length,
                              part *parts, int n_parts) {
  const char *equals = memchr(text, '=', length);
  if (equals == NULL) {
    return heed__fail(HEED_ARGUMENT, "%s: \"%.*s\" is not of the form name=value", work->recipe,
                      (int)length, text);
  }
  size_t name = (size_t)(equals - text);
  for (int i = 0; i < n_parts; i++) {
    part *what = &parts[i];
    if (strlen(what->name) != name || memcmp(what->name, text, name) != 0) continue;
    if (what->given) {
      return heed__fail(HEED_ARGUMENT, "%s: %s is given twice", work->recipe, what->name);
    }
    what->given = true;
    if (!parse_number(equals + 1, length - name - 1, what->integer, &what->value)) {
      return heed__fail(HEED_ARGUMENT, "%s: \"%.*s\" is not %s", work->recipe, (int)length, text,
                        what->integer ? "a whole number" : "a number");
    }
    return check_part(work, what);
  }
  return heed__fail(HEED_ARGUMENT, "%s: there is no \"%.*s\" in this recipe", work->recipe,
                    (int)name, text);
}

/* All parts, each at most once; the first n_needed must be there. */
static heed_status parse_parts(const generate_work *work, part *parts, int n_parts, int n_needed) {
  const char *text = work->arguments;
  for (;;) {
    size_t length = strcspn(text, ",");
    HEED__TRY(parse_part(work, text, length, parts, n_parts));
    if (text[length] == '\0') break;
    text += length + 1;
  }
  for (int i = 0; i < n_needed; i++) {
    if (!parts[i].given) {
      return heed__fail(HEED_ARGUMENT, "%s: %s is missing", work->recipe, parts[i].name);
    }
  }
  return HEED_OK;
}

static heed_status check_edges(const generate_work *work, double edges) {
  if (edges <= MOST_EDGES) return HEED_OK;
  return heed__fail(HEED_ARGUMENT, "%s: about %.3g edges, more than %.0f", work->recipe, edges,
                    MOST_EDGES);
}

/* n nodes in `blocks` blocks; where it does not divide, the first blocks have one node more. */
static heed_status make_blocks(generate_work *work, int64_t n, int64_t blocks, double in,
                               double out) {
  HEED__TRY(from_igraph(work, igraph_matrix_init(&work->probabilities, (heed__int)blocks,
                                                 (heed__int)blocks)));
  work->has_probabilities = true;
  HEED__TRY(from_igraph(work, igraph_vector_int_init(&work->sizes, (heed__int)blocks)));
  work->has_sizes = true;
  HEED__TRY(from_igraph(work, igraph_vector_init(&work->block, (heed__int)n)));
  work->has_block = true;
  int64_t node = 0;
  for (int64_t i = 0; i < blocks; i++) {
    int64_t size = n / blocks + (i < n % blocks);
    VECTOR(work->sizes)[i] = (heed__int)size;
    for (int64_t j = 0; j < blocks; j++) MATRIX(work->probabilities, i, j) = i == j ? in : out;
    for (int64_t j = 0; j < size; j++) VECTOR(work->block)[node++] = (double)i;
  }
  return HEED_OK;
}

static heed_status generate_sbm(generate_work *work) {
  part parts[MOST_PARTS] = {{"n", true, 1, INT32_MAX, false, 0},
                            {"blocks", true, 1, MOST_BLOCKS, false, 0},
                            {"in", false, 0, 1, false, 0},
                            {"out", false, 0, 1, false, 0}};
  HEED__TRY(parse_parts(work, parts, 4, 4));
  double n = parts[0].value, blocks = parts[1].value, in = parts[2].value, out = parts[3].value;
  if (blocks > n) {
    return heed__fail(HEED_ARGUMENT, "%s: %.0f blocks, but only %.0f nodes", work->recipe, blocks,
                      n);
  }
  HEED__TRY(check_edges(work, n * n / 2 / blocks * (in + (blocks - 1) * out)));
  HEED__TRY(make_blocks(work, (int64_t)n, (int64_t)blocks, in, out));
  HEED__TRY(from_igraph(work, heed__igraph_sbm(work->graph, (heed__int)n, &work->probabilities,
                                               &work->sizes)));
  work->has_graph = true;
  HEED__TRY(heed__igraph_attributes(work->graph));
  return from_igraph(work, igraph_cattribute_VAN_setv(work->graph, "block", &work->block));
}

static heed_status generate_ba(generate_work *work) {
  part parts[MOST_PARTS] = {{"n", true, 1, INT32_MAX, false, 0},
                            {"m", true, 1, INT32_MAX, false, 0}};
  HEED__TRY(parse_parts(work, parts, 2, 2));
  double n = parts[0].value, m = parts[1].value;
  if (m >= n && n > 1) {
    return heed__fail(HEED_ARGUMENT, "%s: %.0f edges a node, but only %.0f nodes", work->recipe, m,
                      n);
  }
  HEED__TRY(check_edges(work, n * m));
  return from_igraph(work, igraph_barabasi_game(work->graph, (heed__int)n, 1, (heed__int)m, NULL,
                                                true, 1, IGRAPH_UNDIRECTED,
                                                IGRAPH_BARABASI_PSUMTREE, NULL));
}

static heed_status generate_er(generate_work *work) {
  part parts[MOST_PARTS] = {{"n", true, 1, INT32_MAX, false, 0},
                            {"p", false, 0, 1, false, 0},
                            {"m", true, 0, 9e15, false, 0}};
  HEED__TRY(parse_parts(work, parts, 3, 1));
  double n = parts[0].value, possible = n * (n - 1) / 2;
  if (parts[1].given == parts[2].given) {
    return heed__fail(HEED_ARGUMENT, "%s: either p or m is needed", work->recipe);
  }
  if (parts[1].given) {
    HEED__TRY(check_edges(work, parts[1].value * possible));
    return from_igraph(work, heed__igraph_gnp(work->graph, (heed__int)n, parts[1].value));
  }
  if (parts[2].value > possible) {
    return heed__fail(HEED_ARGUMENT, "%s: m=%.0f, but %.0f nodes have only %.0f edges",
                      work->recipe, parts[2].value, n, possible);
  }
  HEED__TRY(check_edges(work, parts[2].value));
  return from_igraph(work, heed__igraph_gnm(work->graph, (heed__int)n, (heed__int)parts[2].value));
}

static heed_status generate_grid(generate_work *work) {
  HEED__TRY(from_igraph(work, igraph_vector_int_init(&work->sizes, 0)));
  work->has_sizes = true;
  double nodes = 1;
  const char *text = work->arguments;
  for (int side = 0;; side++) {
    size_t length = strcspn(text, "x");
    double value;
    if (!parse_number(text, length, true, &value) || value < 1 || value > INT32_MAX) {
      return heed__fail(HEED_ARGUMENT, "%s: \"%.*s\" is not a length", work->recipe, (int)length,
                        text);
    }
    if (side == MOST_SIDES) {
      return heed__fail(HEED_ARGUMENT, "%s: more than %d lengths", work->recipe, MOST_SIDES);
    }
    nodes *= value;
    HEED__TRY(from_igraph(work, igraph_vector_int_push_back(&work->sizes, (heed__int)value)));
    HEED__TRY(check_edges(work, nodes * (side + 1)));
    if (text[length] == '\0') break;
    text += length + 1;
  }
  return from_igraph(work, igraph_square_lattice(work->graph, &work->sizes, 1, IGRAPH_UNDIRECTED,
                                                 false, NULL));
}

/* The one number of star, ring and full. */
static heed_status parse_nodes(const generate_work *work, double low, double *nodes) {
  part what = {"n", true, low, INT32_MAX, true, 0};
  if (!parse_number(work->arguments, strlen(work->arguments), true, &what.value)) {
    return heed__fail(HEED_ARGUMENT, "%s: \"%s\" is not a number of nodes", work->recipe,
                      work->arguments);
  }
  *nodes = what.value;
  return check_part(work, &what);
}

static heed_status generate_star(generate_work *work) {
  double n = 0;
  HEED__TRY(parse_nodes(work, 1, &n));
  return from_igraph(work, igraph_star(work->graph, (heed__int)n, IGRAPH_STAR_UNDIRECTED, 0));
}

/* Below three nodes a ring would have loops or multi-edges. */
static heed_status generate_ring(generate_work *work) {
  double n = 0;
  HEED__TRY(parse_nodes(work, 3, &n));
  return from_igraph(work,
                     igraph_ring(work->graph, (heed__int)n, IGRAPH_UNDIRECTED, false, true));
}

static heed_status generate_full(generate_work *work) {
  double n = 0;
  HEED__TRY(parse_nodes(work, 1, &n));
  HEED__TRY(check_edges(work, n * (n - 1) / 2));
  return from_igraph(work, igraph_full(work->graph, (heed__int)n, IGRAPH_UNDIRECTED, false));
}

static const struct {
  const char *name;
  heed_status (*generate)(generate_work *work);
} recipes[] = {{"sbm", generate_sbm},   {"ba", generate_ba},     {"er", generate_er},
               {"grid", generate_grid}, {"star", generate_star}, {"ring", generate_ring},
               {"full", generate_full}};

static heed_status generate(void *context) {
  generate_work *work = context;
  size_t length = strcspn(work->recipe, ":");
  if (work->recipe[length] == ':') {
    work->arguments = work->recipe + length + 1;
    for (size_t i = 0; i < sizeof recipes / sizeof *recipes; i++) {
      if (strlen(recipes[i].name) == length && memcmp(recipes[i].name, work->recipe, length) == 0) {
        return recipes[i].generate(work);
      }
    }
  }
  return heed__fail(HEED_ARGUMENT,
                    "%s: \"%.*s\" is no recipe; there are sbm:, ba:, er:, grid:, star:, ring:, "
                    "full:",
                    work->recipe, (int)length, work->recipe);
}

heed_status heed_graph_generate(igraph_t *graph, const char *recipe, uint64_t seed) {
  generate_work work;
  memset(&work, 0, sizeof work);
  work.graph = graph;
  work.recipe = recipe;
  heed_status status = heed__igraph_call(generate, &work, seed);
  if (status != HEED_OK && work.has_graph) igraph_destroy(graph);
  if (work.has_block) igraph_vector_destroy(&work.block);
  if (work.has_sizes) igraph_vector_int_destroy(&work.sizes);
  if (work.has_probabilities) igraph_matrix_destroy(&work.probabilities);
  return status;
}
