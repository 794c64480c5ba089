/* What `heed draw` shows of a model: the weights of a layer on edges and nodes. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/draw.h"

/* --- The model ------------------------------------------------------------------------------ */

/* What the command line left open is as it was in training. */
static int take_over(draw *run) {
  draw_input *options = run->options;
  cli_graph *graph = &options->graph;
  if (cli_as_trained(run->file, options->model, graph, &options->mask, options->mask_given)) {
    return CLI_FAILED;
  }
  cli_seed_as_trained(run->file, options->global, graph);
  if (!graph->collection.edge_set) return CLI_OK;
  return cli_fail("%s: its nodes are the edges, which no drawing shows", options->model);
}

int draw_open_model(draw *run) {
  const char *path = run->options->model;
  if (path == NULL) return CLI_OK;
  if (cli_check(heed_safetensors_open(&run->file, path), NULL) ||
      cli_check(heed_model_load(&run->model, path), NULL)) {
    return CLI_FAILED;
  }
  run->spec = heed_model_get_spec(run->model);
  if (run->spec == NULL) return cli_fail("%s: does not say what model it is", path);
  return take_over(run);
}

/* The layer asked for, or the last masked one, or the last; before pooling. -1: none. */
static int choose_layer(const draw *run) {
  const heed_model_spec *spec = run->spec;
  int n = cli_layers(run->pass), chosen = run->options->layer;
  if (spec->kind == HEED_MODEL_TRANSFORMER) {
    const char *pooled = strchr(spec->blocks, 'P');
    int before = pooled != NULL ? (int)(pooled - spec->blocks) : (int)strlen(spec->blocks);
    n = before < n ? before : n;
    for (int i = 0; run->options->layer == DRAW_LAST && i < n; i++) {
      if (spec->blocks[i] == 'M') chosen = i;
    }
  }
  if (chosen == DRAW_LAST) return n - 1;
  return chosen < n ? chosen : -1;
}

int draw_make_pass(draw *run) {
  const draw_input *options = run->options;
  const heed_collection *collection = run->task.collection;
  cli_recipe recipe = {.model = *run->spec, .mask = options->mask, .edges = (int)run->spec->edges};
  if (cli_encode_as_trained(&run->task, &recipe, run->file, options->model)) return CLI_FAILED;
  int64_t there = collection != NULL ? heed_collection_features(collection) : recipe.model.features;
  recipe.model = *run->spec;
  if (there != run->spec->features) {
    return cli_fail("%s: %lld features a node, but %s takes %lld", options->graph.source,
                    (long long)there, options->model, (long long)run->spec->features);
  }
  bool quadratic = heed_encodings_pair_features(&recipe.encodings) > 0;
  there = quadratic ? heed_encodings_pair_features(&recipe.encodings)
                    : collection != NULL ? heed_collection_edge_features(collection) : 0;
  if (run->spec->edges != HEED_EDGES_NONE && there != run->spec->edge_features) {
    return cli_fail("%s: %lld features an edge, but %s takes %lld", options->graph.source,
                    (long long)there, options->model, (long long)run->spec->edge_features);
  }
  if (quadratic) recipe.edges = HEED_EDGES_NONE; /* those of the edges */
  if (cli_recipe_mask(&run->mask, &recipe, &options->graph, &run->task) ||
      cli_encode_pairs(&run->task, &recipe, &run->mask)) {
    return CLI_FAILED;
  }
  bool by_edges = run->spec->edges != HEED_EDGES_NONE && !quadratic;
  if (by_edges && cli_task_know_edges(&run->task, &run->mask)) return CLI_FAILED;
  heed_model_inputs whole = cli_task_inputs(&run->task, &run->mask), *inputs = &whole;
  if (collection != NULL) {
    if (cli_check(heed_batch_new(&run->batch, collection, &whole, 1), NULL) ||
        cli_check(heed_batch_take(run->batch, &run->graph, 1), NULL)) {
      return CLI_FAILED;
    }
    whole = *heed_batch_inputs(run->batch);
  }
  return cli_check(heed_pass_new(&run->pass, run->model, inputs, false), options->model);
}

/* --- Weights --------------------------------------------------------------------------------- */

/* The attention of one layer by pair: of one head, or the mean. For free(); `pairs` for
 * heed_mask_free(). */
static int weights_of(const draw *run, int number, int head, heed_mask *pairs, double **result,
                      int32_t *n_heads) {
  cli_layer layer;
  int failed = cli_layer_take(&layer, run->pass, number);
  int32_t heads = *n_heads = layer.spec.heads;
  if (!failed && head >= heads) {
    failed = cli_fail("%s: head %d of layer %d, which has %d", run->options->model, head, number,
                      (int)heads);
  }
  *result = failed ? NULL : calloc((size_t)layer.mask->n_pairs + 1, sizeof **result);
  if (!failed && *result == NULL) failed = draw_no_memory(run);
  if (!failed) failed = cli_check(heed_mask_explicit(pairs, layer.mask), NULL);
  for (int64_t p = 0; !failed && p < layer.mask->n_pairs; p++) {
    for (int32_t h = 0; h < heads; h++) {
      if (head == DRAW_MEAN || head == h) (*result)[p] += layer.weights[p * heads + h];
    }
    if (head == DRAW_MEAN) (*result)[p] /= heads;
  }
  cli_layer_free(&layer);
  return failed;
}

/* Adds the weight of pair (i, j), where there is one, to a mean. */
static void add_weight(const heed_mask *pairs, const double *weights, int64_t i, int64_t j,
                       double *sum, int *n) {
  for (int64_t p = pairs->indptr[i]; p < pairs->indptr[i + 1]; p++) {
    if (pairs->indices[p] != j) continue;
    *sum += weights[p];
    (*n)++;
  }
}

/* To 0 at `low` and 1 at the largest, which it tells. */
static double stretch(double *x, int64_t n, double low) {
  double high = low;
  for (int64_t i = 0; i < n; i++) high = x[i] > high ? x[i] : high;
  for (int64_t i = 0; i < n; i++) x[i] = high > low ? (x[i] - low) / (high - low) : 0;
  return high;
}

/* An edge's weight is the mean of the pairs that it makes: two, or one. */
static void show_edges(draw *run, const heed_mask *pairs, const double *weights) {
  for (int64_t e = 0; e < run->n_edges; e++) {
    int64_t i = run->edges[2 * e], j = run->edges[2 * e + 1];
    double sum = 0;
    int n = 0;
    add_weight(pairs, weights, i, j, &sum, &n);
    if (i != j) add_weight(pairs, weights, j, i, &sum, &n);
    run->edge_weight[e] = n > 0 ? sum / n : 0;
  }
  double high = stretch(run->edge_weight, run->n_edges, 0);
  char heads[40];
  if (run->options->head != DRAW_MEAN) {
    snprintf(heads, sizeof heads, "head %d", run->options->head);
  } else {
    snprintf(heads, sizeof heads, "mean of %d head%s", run->heads, run->heads == 1 ? "" : "s");
  }
  snprintf(run->edge_legend, sizeof run->edge_legend, "attention of layer %d, %s: 0 to %.2g",
           run->layer, heads, high);
}

/* What each node weighs: the sum over the queries, divided by `queries`. */
static void show_nodes(draw *run, const heed_mask *pairs, const double *weights, double queries,
                       const char *what) {
  for (int64_t p = 0; p < pairs->n_pairs; p++) {
    run->node_weight[pairs->indices[p]] += weights[p] / queries;
  }
  double low = run->n_nodes > 0 ? run->node_weight[0] : 0;
  for (int64_t i = 0; i < run->n_nodes; i++) low = fmin(low, run->node_weight[i]);
  double high = stretch(run->node_weight, run->n_nodes, low);
  snprintf(run->node_legend, sizeof run->node_legend, "%s: %.2g to %.2g", what, low, high);
}

/* The colours are the pooling's, or else those of the layer. */
int draw_take_weights(draw *run) {
  const heed_model_spec *spec = run->spec;
  const char *pooled = spec->kind == HEED_MODEL_TRANSFORMER ? strchr(spec->blocks, 'P') : NULL;
  heed_mask pairs = {0};
  double *weights = NULL;
  run->edge_weight = calloc((size_t)run->n_edges + 1, sizeof *run->edge_weight);
  run->node_weight = calloc((size_t)run->n_nodes + 1, sizeof *run->node_weight);
  if (run->edge_weight == NULL || run->node_weight == NULL) return draw_no_memory(run);
  run->layer = choose_layer(run);
  if (run->layer < 0 && (pooled == NULL || run->options->layer != DRAW_LAST)) {
    return cli_fail(run->options->layer == DRAW_LAST ? "%s: has no attention to show"
                                                : "%s: has no layer %d to show",
                    run->options->model, run->options->layer);
  }
  int failed = CLI_OK;
  if (run->layer >= 0) {
    failed = weights_of(run, run->layer, run->options->head, &pairs, &weights, &run->heads);
    if (!failed) show_edges(run, &pairs, weights);
    if (!failed && pooled == NULL) show_nodes(run, &pairs, weights, 1, "attention received");
  }
  if (!failed && pooled != NULL) {
    heed_mask_free(&pairs);
    free(weights);
    weights = NULL;
    int32_t heads;
    failed = weights_of(run, (int)(pooled - spec->blocks), DRAW_MEAN, &pairs, &weights, &heads);
    if (!failed) {
      show_nodes(run, &pairs, weights, (double)pairs.n_queries, "weight in the pooling");
    }
  }
  heed_mask_free(&pairs);
  free(weights);
  return failed;
}
