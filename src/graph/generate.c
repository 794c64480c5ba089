#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/random.h"
#include "base/status.h"
#include "graph/guard.h"
#include "graph/recipe.h"

/* More edges than this are taken for a slip of the pen. */
static const double MOST_EDGES = 2147483647.0;
enum {
  MOST_BLOCKS = 4096,
  MOST_SIDES = 8,
  MOST_PARTS = 6,
  MOST_FEATURES = 1024,
  MOST_KEYS = 256,
  MOST_GRAPHS = 10000000
};

/* Streams of random numbers that are not igraph's: the means of the blocks, the noise around them
 * (one for each feature, from this on), and the permutations. */
enum { STREAM_MEANS = 1 << 20, STREAM_PERMUTATIONS, STREAM_NOISE };

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
  uint64_t seed;
  igraph_matrix_t probabilities;
  igraph_vector_int_t sizes; /* of the blocks; the edges of a dictionary */
  igraph_vector_t block;
  igraph_vector_t column; /* one vertex attribute after the other */
  bool has_probabilities, has_sizes, has_block, has_column, has_graph;
  float *means, *noise;  /* [blocks, features], [n] */
  int32_t *permutations; /* [graphs, k]: what each key's value is */
  int32_t *seen;         /* [places]: graphs by the hash of their permutation, -1: none */
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

/* The attributes x0, x1, ...: a Gaussian mean for every block, and Gaussian noise around it. */
static heed_status put_features(generate_work *work, int64_t n, int64_t blocks, int64_t features,
                                double noise) {
  work->means = heed__alloc((size_t)(blocks * features), sizeof *work->means);
  work->noise = heed__alloc((size_t)n, sizeof *work->noise);
  if (work->means == NULL || work->noise == NULL) return HEED_NOMEM;
  heed_random_normal(work->seed, STREAM_MEANS, work->means, blocks * features, 0, 1);
  HEED__TRY(from_igraph(work, igraph_vector_init(&work->column, (heed__int)n)));
  work->has_column = true;
  for (int64_t f = 0; f < features; f++) {
    heed_random_normal(work->seed, STREAM_NOISE + (uint64_t)f, work->noise, n, 0, (float)noise);
    for (int64_t i = 0; i < n; i++) {
      int64_t block = (int64_t)VECTOR(work->block)[i];
      VECTOR(work->column)[i] = (double)(work->means[block * features + f] + work->noise[i]);
    }
    char name[24];
    snprintf(name, sizeof name, "x%lld", (long long)f);
    HEED__TRY(from_igraph(work, igraph_cattribute_VAN_setv(work->graph, name, &work->column)));
  }
  return HEED_OK;
}

static heed_status generate_sbm(generate_work *work) {
  part parts[MOST_PARTS] = {{"n", true, 1, INT32_MAX, false, 0},
                            {"blocks", true, 1, MOST_BLOCKS, false, 0},
                            {"in", false, 0, 1, false, 0},
                            {"out", false, 0, 1, false, 0},
                            {"features", true, 1, MOST_FEATURES, false, 0},
                            {"noise", false, 0, 1e6, false, 1}};
  HEED__TRY(parse_parts(work, parts, 6, 4));
  if (parts[5].given && !parts[4].given) {
    return heed__fail(HEED_ARGUMENT, "%s: noise, but no features", work->recipe);
  }
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
  HEED__TRY(from_igraph(work, igraph_cattribute_VAN_setv(work->graph, "block", &work->block)));
  if (!parts[4].given) return HEED_OK;
  return put_features(work, (int64_t)n, (int64_t)blocks, (int64_t)parts[4].value, parts[5].value);
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

/* Number `attempt` of all permutations of 0 .. k - 1 that the seed gives. */
static void draw_permutation(uint64_t seed, uint64_t attempt, int64_t k, int32_t *permutation) {
  for (int64_t i = 0; i < k; i++) permutation[i] = (int32_t)i;
  heed__shuffle(seed, STREAM_PERMUTATIONS, attempt * (uint64_t)(k / 4 + 1), permutation, k);
}

/* Notes graph g's permutation in the table; false if an earlier graph has the same. */
static bool is_new(generate_work *work, int64_t g, int64_t k, uint64_t places) {
  const int32_t *mine = work->permutations + g * k;
  uint64_t hash = 14695981039346656037U; /* FNV-1a */
  for (int64_t i = 0; i < k; i++) hash = (hash ^ (uint64_t)mine[i]) * 1099511628211U;
  uint64_t place = (hash ^ hash >> 32) % places;
  for (; work->seen[place] >= 0; place = (place + 1) % places) {
    const int32_t *other = work->permutations + work->seen[place] * k;
    if (memcmp(mine, other, (size_t)k * sizeof *mine) == 0) return false;
  }
  work->seen[place] = (int32_t)g;
  return true;
}

static heed_status draw_permutations(generate_work *work, int64_t graphs, int64_t k) {
  uint64_t places = 2 * (uint64_t)graphs + 1;
  work->permutations = heed__alloc((size_t)(graphs * k), sizeof *work->permutations);
  work->seen = heed__alloc((size_t)places, sizeof *work->seen);
  if (work->permutations == NULL || work->seen == NULL) return HEED_NOMEM;
  for (uint64_t i = 0; i < places; i++) work->seen[i] = -1;
  uint64_t attempt = 0;
  for (int64_t g = 0; g < graphs; g++) {
    do {
      draw_permutation(work->seed, attempt++, k, work->permutations + g * k);
    } while (!is_new(work, g, k, places));
  }
  return HEED_OK;
}

/* What is told of each node of a dictionary: in every graph come the keys and then the queries,
 * both by attribute. */
static const char *const told[] = {"graph", "attribute", "value", "label"};

static double tell(int what, const int32_t *values, int64_t k, int64_t g, int64_t node) {
  bool key = node < k;
  switch (what) {
    case 0:
      return (double)g;
    case 1:
      return (double)(node % k);
    case 2:
      return key ? values[node] : -1;
    default:
      return key ? (double)NAN : values[node - k];
  }
}

static heed_status put_dictionary(generate_work *work, int64_t graphs, int64_t k) {
  HEED__TRY(heed__igraph_attributes(work->graph));
  HEED__TRY(from_igraph(work, igraph_vector_init(&work->column, (heed__int)(2 * k * graphs))));
  work->has_column = true;
  for (int what = 0; what < (int)(sizeof told / sizeof *told); what++) {
    for (int64_t at = 0; at < 2 * k * graphs; at++) {
      int64_t g = at / (2 * k);
      VECTOR(work->column)[at] = tell(what, work->permutations + g * k, k, g, at % (2 * k));
    }
    HEED__TRY(
        from_igraph(work, igraph_cattribute_VAN_setv(work->graph, told[what], &work->column)));
  }
  return HEED_OK;
}

/* Dictionary lookup (Brody et al. 2022, section 4.1): in every graph each of k queries sees all of
 * k keys, and is to find the value of the one that has its attribute. */
static heed_status generate_dictionary(generate_work *work) {
  part parts[MOST_PARTS] = {{"k", true, 1, MOST_KEYS, false, 0},
                            {"graphs", true, 1, MOST_GRAPHS, false, 0}};
  HEED__TRY(parse_parts(work, parts, 2, 2));
  int64_t k = (int64_t)parts[0].value, graphs = (int64_t)parts[1].value;
  double permutations = 1;
  for (int64_t i = 2; i <= k && permutations < (double)graphs; i++) permutations *= (double)i;
  if ((double)graphs > permutations) {
    return heed__fail(HEED_ARGUMENT, "%s: %lld different graphs, but k=%lld gives only %.0f",
                      work->recipe, (long long)graphs, (long long)k, permutations);
  }
  HEED__TRY(check_edges(work, (double)graphs * (double)k * (double)k));
  HEED__TRY(draw_permutations(work, graphs, k));
  HEED__TRY(
      from_igraph(work, igraph_vector_int_init(&work->sizes, (heed__int)(2 * graphs * k * k))));
  work->has_sizes = true;
  int64_t at = 0;
  for (int64_t g = 0; g < graphs; g++) {
    for (int64_t query = 0; query < k; query++) {
      for (int64_t key = 0; key < k; key++) {
        VECTOR(work->sizes)[at++] = (heed__int)(2 * g * k + key);
        VECTOR(work->sizes)[at++] = (heed__int)(2 * g * k + k + query);
      }
    }
  }
  HEED__TRY(from_igraph(work, igraph_create(work->graph, &work->sizes, (heed__int)(2 * graphs * k),
                                            IGRAPH_DIRECTED)));
  work->has_graph = true;
  return put_dictionary(work, graphs, k);
}

static const struct {
  const char *name;
  heed_status (*generate)(generate_work *work);
} recipes[] = {{"sbm", generate_sbm},   {"ba", generate_ba},
               {"er", generate_er},     {"grid", generate_grid},
               {"star", generate_star}, {"ring", generate_ring},
               {"full", generate_full}, {"dictionary", generate_dictionary}};

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
                    "full:, dictionary:",
                    work->recipe, (int)length, work->recipe);
}

heed_status heed_graph_generate(igraph_t *graph, const char *recipe, uint64_t seed) {
  generate_work work;
  memset(&work, 0, sizeof work);
  work.graph = graph;
  work.recipe = recipe;
  work.seed = seed;
  heed_status status = heed__igraph_call(generate, &work, seed);
  if (status != HEED_OK && work.has_graph) igraph_destroy(graph);
  if (work.has_block) igraph_vector_destroy(&work.block);
  if (work.has_column) igraph_vector_destroy(&work.column);
  if (work.has_sizes) igraph_vector_int_destroy(&work.sizes);
  if (work.has_probabilities) igraph_matrix_destroy(&work.probabilities);
  heed__free(work.means);
  heed__free(work.noise);
  heed__free(work.permutations);
  heed__free(work.seen);
  return status;
}

bool heed__recipe_is(const char *recipe, const char *name) {
  size_t length = strlen(name);
  return strncmp(recipe, name, length) == 0 && recipe[length] == ':';
}

int64_t heed__recipe_number(const char *recipe, const char *name) {
  size_t length = strlen(name);
  for (const char *text = strpbrk(recipe, ":,"); text != NULL; text = strpbrk(text + 1, ",")) {
    if (strncmp(text + 1, name, length) == 0 && text[1 + length] == '=') {
      return strtoll(text + length + 2, NULL, 10);
    }
  }
  return 0;
}
