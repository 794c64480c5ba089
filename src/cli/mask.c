/* Masks as options name them: expressions of the library, over the graph or the collection at hand. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/learn.h"

/* --- Names --------------------------------------------------------------------------------- */

/* Groups of heads: an expression, * and how many heads; / between groups. */
static bool read_groups(cli_mask *mask) {
  for (const char *part = mask->name;; part++) {
    size_t n = strcspn(part, "/"), expression = strcspn(part, "*/");
    char text[sizeof mask->name], *end = text;
    heed_mask_needs needs;
    long heads = 0;
    if (mask->n_groups == CLI_MOST_GROUPS) {
      snprintf(mask->why, sizeof mask->why, "mask '%s': at most %d groups of heads", mask->name,
               CLI_MOST_GROUPS);
      return false;
    }
    if (part[expression] == '*' && isdigit((unsigned char)part[expression + 1])) {
      heads = strtol(part + expression + 1, &end, 10);
    }
    if (end != part + n || heads < 1 || heads > 65536) {
      snprintf(mask->why, sizeof mask->why,
               "mask '%s': group %d is '%.*s', not a mask, * and its heads, as in graph*4/full*4",
               mask->name, mask->n_groups, (int)n, part);
      return false;
    }
    snprintf(text, sizeof text, "%.*s", (int)expression, part);
    if (heed_mask_expression_check(text, &needs) != HEED_OK) {
      snprintf(mask->why, sizeof mask->why, "%s", heed_message());
      return false;
    }
    mask->needs.graph = mask->needs.graph || needs.graph;
    mask->needs.features = mask->needs.features || needs.features;
    mask->needs.grid = mask->needs.grid || needs.grid;
    mask->needs.random = mask->needs.random || needs.random;
    mask->needs.edges = (mask->n_groups == 0 || mask->needs.edges) && needs.edges; /* of every group */
    mask->at[mask->n_groups] = (int)(part - mask->name);
    mask->length[mask->n_groups] = (int)expression;
    mask->heads[mask->n_groups++] = (int32_t)heads;
    part += n;
    if (*part == '\0') return true;
  }
}

bool cli_read_mask(const char *text, size_t n, cli_mask *mask) {
  *mask = (cli_mask){0};
  if (n >= sizeof mask->name) {
    memcpy(mask->name, text, sizeof mask->name - 1);
    snprintf(mask->why, sizeof mask->why, "a mask of %zu characters, but %zu is the most", n,
             sizeof mask->name - 1);
    return false;
  }
  memcpy(mask->name, text, n);
  if (strpbrk(mask->name, "*/") != NULL) return read_groups(mask);
  if (heed_mask_expression_check(mask->name, &mask->needs) == HEED_OK) return true;
  snprintf(mask->why, sizeof mask->why, "%s", heed_message());
  return false;
}

cli_mask cli_mask_of_group(const cli_mask *mask, int g) {
  cli_mask one;
  (void)cli_read_mask(mask->name + mask->at[g], (size_t)mask->length[g], &one);
  return one;
}

void cli_mask_group_name(char name[256], const cli_mask *mask, int g) {
  const char *from = mask->name + (mask->n_groups > 0 ? mask->at[g] : 0);
  snprintf(name, 256, "%.*s", (int)strcspn(from, mask->n_groups > 0 ? "/" : ""), from);
}

cli_mask cli_mask_named(const char *name) {
  cli_mask mask;
  (void)cli_read_mask(name, strlen(name), &mask);
  return mask;
}

void cli_parse_mask(const struct argp_state *state, const char *option, const char *text,
                    cli_mask *mask) {
  if (!cli_read_mask(text, strlen(text), mask)) argp_error(state, "%s: %s", option, mask->why);
}

/* The length of the first mask of a list: up to a comma that no number follows. */
static size_t first_of(const char *text) {
  size_t n = 0;
  for (;; n++) {
    n += strcspn(text + n, ",");
    if (text[n] == '\0') return n;
    const char *next = text + n + 1;
    if (!isdigit((unsigned char)*next) && *next != '-') return n;
  }
}

void cli_parse_masks(const struct argp_state *state, const char *option, const char *text,
                     cli_mask_list *masks) {
  masks->n = 0;
  for (const char *part = text;; part++) {
    size_t n = first_of(part);
    if (masks->n == CLI_MOST_MASKS) {
      argp_error(state, "%s takes at most %d masks", option, CLI_MOST_MASKS);
    }
    cli_mask *mask = &masks->at[masks->n++];
    if (!cli_read_mask(part, n, mask)) argp_error(state, "%s: %s", option, mask->why);
    part += n;
    if (*part == '\0') return;
  }
}

/* --- What they are about ------------------------------------------------------------------- */

/* A source that is a recipe of a grid, such as grid:20x30, has one. The recipe's first side runs fastest. */
static void find_grid(heed_mask_context *context, const char *source) {
  long long sides[3];
  int end[3] = {0};
  if (source == NULL) return;
  int axes = sscanf(source, "grid:%9lld%nx%9lld%nx%9lld%n", &sides[0], &end[0], &sides[1], &end[1],
                    &sides[2], &end[2]);
  if (axes < 1 || source[end[axes - 1]] != '\0') return;
  context->grid_axes = axes;
  for (int a = 0; a < axes; a++) context->grid[a] = sides[axes - 1 - a];
}

static heed_mask_context context_of(const cli_graph *graph, int64_t n_queries, int64_t n_keys) {
  heed_mask_context context = {
      .n_queries = n_queries,
      .n_keys = n_keys,
      .drop_loops = graph->loops == HEED_LOOPS_DROP,
      .seed = graph->mask_seed_given ? graph->mask_seed : graph->options.seed};
  find_grid(&context, graph->source);
  return context;
}

/* The features as one array: they themselves, or written out into *made. */
static int dense_features(const heed_data *data, heed_matrix *features, float **made) {
  const heed_matrix *dense = heed_data_dense_features(data);
  const heed_csr *sparse = heed_data_sparse_features(data);
  *made = NULL;
  if (dense != NULL) {
    *features = *dense;
    return CLI_OK;
  }
  if (sparse == NULL) return cli_fail("there are no features for the nearest nodes of knn");
  *made = cli_floats(sparse->rows, sparse->cols, 1);
  if (*made == NULL) return CLI_FAILED;
  *features = heed_matrix_view(*made, sparse->rows, sparse->cols);
  memset(*made, 0, (size_t)(sparse->rows * sparse->cols) * sizeof **made);
  for (int64_t i = 0; i < sparse->rows; i++) {
    for (int64_t p = sparse->indptr[i]; p < sparse->indptr[i + 1]; p++) {
      (*made)[i * sparse->cols + sparse->indices[p]] = sparse->values == NULL ? 1 : sparse->values[p];
    }
  }
  return CLI_OK;
}

int cli_mask_make(heed_mask *mask, const cli_mask *which, const cli_graph *graph,
                  const heed_data *data) {
  int64_t n = heed_data_nodes(data);
  heed_mask_context context = context_of(graph, n, n);
  heed_mask edges = {0};
  heed_matrix features;
  float *made = NULL;
  int failed = CLI_OK;
  *mask = (heed_mask){0};
  if (which->needs.graph) {
    heed_status status =
        heed_mask_from_graph(&edges, heed_data_graph(data), graph->direction, graph->loops);
    failed = cli_check(status, graph->source);
    context.graph = &edges;
  }
  if (!failed && which->needs.features) {
    failed = dense_features(data, &features, &made);
    context.features = &features;
  }
  if (!failed) {
    failed = cli_check(heed_mask_from_expression(mask, which->name, &context), graph->source);
  }
  heed_mask_free(&edges);
  free(made);
  return failed;
}

int cli_mask_alone(heed_mask *mask, const cli_mask *which, const cli_graph *graph,
                   int64_t n_queries, int64_t n_keys) {
  heed_mask_context context = context_of(graph, n_queries, n_keys);
  return cli_check(heed_mask_from_expression(mask, which->name, &context), NULL);
}

int cli_collection_mask_make(heed_mask *mask, const cli_mask *which, const cli_graph *graph,
                             const heed_collection *collection) {
  int64_t n = heed_collection_nodes(collection);
  heed_mask_context context = context_of(graph, n, n);
  heed_mask edges = {0}, bare;
  heed_status status = HEED_OK;
  *mask = (heed_mask){0};
  context.n_sets = heed_collection_graphs(collection);
  context.set_ptr = heed_collection_graph_ptr(collection);
  context.features = heed_collection_node_matrix(collection);
  if (which->needs.graph) {
    status = heed_collection_mask(collection, &bare);
    if (status == HEED_OK) {
      status = heed_mask_self_loops(&edges, &bare, graph->loops);
      heed_mask_free(&bare);
    }
    context.graph = &edges;
  }
  if (status == HEED_OK) status = heed_mask_from_expression(mask, which->name, &context);
  heed_mask_free(&edges);
  return cli_check(status, graph->source);
}

int cli_mask_know_edges(heed_mask *mask) {
  static const int64_t no_ids[1];
  static const uint8_t no_origins[1];
  heed_mask before = *mask, none;
  if (mask->n_queries == 0 || mask->edge_ids != NULL) return CLI_OK;
  int64_t *indptr = calloc((size_t)mask->n_queries + 1, sizeof *indptr);
  if (indptr == NULL) return cli_fail("out of memory for %lld rows", (long long)mask->n_queries);
  /* A mask of no pairs that knows all their edges: in a union it makes the other's known. */
  heed_status status = heed_mask_view(&none, mask->n_queries, mask->n_keys, indptr, NULL);
  none.edge_ids = no_ids;
  none.origins = no_origins;
  if (status == HEED_OK) status = heed_mask_union(mask, &before, &none);
  heed_mask_free(&before);
  free(indptr);
  return cli_check(status, NULL);
}
