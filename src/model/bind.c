/* Passes made and ended: inputs checked, layers that run, masks and attention. */
#include <string.h>

#include "attention/plan.h"
#include "base/alloc.h"
#include "base/status.h"
#include "mask/mask.h"
#include "model/plan.h"

/* Of the nodes (`of` "") or of the context (" of the context"). */
static heed_status check_features(const char *of, const heed_matrix *dense, const heed_csr *sparse,
                                  int64_t n_nodes, int64_t width) {
  if ((dense != NULL) == (sparse != NULL)) {
    return heed__fail(HEED_ARGUMENT, "pass: features%s must be dense or sparse, one of them", of);
  }
  int64_t rows = dense != NULL ? dense->rows : sparse->rows;
  int64_t cols = dense != NULL ? dense->cols : sparse->cols;
  if (n_nodes < 0 || n_nodes > INT32_MAX) {
    return heed__fail(HEED_RANGE, "pass: %lld nodes%s, not between 0 and %d", (long long)n_nodes, of,
                      INT32_MAX);
  }
  if (rows != n_nodes || cols != width) {
    return heed__fail(HEED_SHAPE,
                      "pass: features%s [%lld, %lld], but %lld nodes and a model of %lld features",
                      of, (long long)rows, (long long)cols, (long long)n_nodes, (long long)width);
  }
  if (sparse != NULL) return heed_csr_check(sparse);
  if (dense->stride < cols || (dense->data == NULL && rows > 0)) {
    return heed__fail(HEED_SHAPE, "pass: features%s of %lld columns with stride %lld", of,
                      (long long)cols, (long long)dense->stride);
  }
  return HEED_OK;
}

static heed_status check_graphs(const char *of, const char *name, int64_t n_graphs,
                                const int64_t *graph_ptr, int64_t n_nodes) {
  if (n_graphs == 0) return HEED_OK;
  if (n_graphs < 0 || n_graphs > INT32_MAX || graph_ptr == NULL) {
    return heed__fail(HEED_ARGUMENT, "pass: %lld graphs%s%s", (long long)n_graphs,
                      graph_ptr == NULL ? " without " : "", graph_ptr == NULL ? name : "");
  }
  for (int64_t g = 0; g < n_graphs; g++) {
    if (graph_ptr[g + 1] < graph_ptr[g]) {
      return heed__fail(HEED_RANGE, "pass: graph %lld%s ends at node %lld, before its start %lld",
                        (long long)g, of, (long long)graph_ptr[g + 1], (long long)graph_ptr[g]);
    }
  }
  if (graph_ptr[0] != 0 || graph_ptr[n_graphs] != n_nodes) {
    return heed__fail(HEED_SHAPE, "pass: the graphs%s have the nodes %lld to %lld, not 0 to %lld", of,
                      (long long)graph_ptr[0], (long long)graph_ptr[n_graphs], (long long)n_nodes);
  }
  return HEED_OK;
}

static heed_status check_mask(const char *which, const heed_mask *mask, int64_t n_queries,
                              int64_t n_keys) {
  if (mask == NULL || (mask->n_queries == n_queries && mask->n_keys == n_keys)) return HEED_OK;
  return heed__fail(HEED_SHAPE, "pass: %s of %lld queries and %lld keys for %lld and %lld nodes",
                    which, (long long)mask->n_queries, (long long)mask->n_keys,
                    (long long)n_queries, (long long)n_keys);
}

static heed_status check_context(const heed_model *model, const heed_model_inputs *in) {
  static const char *const of = " of the context";
  if (model->context < 0) {
    bool none = in->n_context == 0 && in->context == NULL && in->context_sparse == NULL &&
                in->cross_mask == NULL && in->context_mask == NULL;
    if (none) return HEED_OK;
    return heed__fail(HEED_ARGUMENT, "pass: a context of %lld nodes for a model without one",
                      (long long)in->n_context);
  }
  HEED__TRY(check_features(of, in->context, in->context_sparse, in->n_context,
                           model->values[model->context].width));
  HEED__TRY(check_graphs(of, "context_ptr", in->n_graphs, in->context_ptr, in->n_context));
  HEED__TRY(check_mask("a cross mask", in->cross_mask, in->n_nodes, in->n_context));
  return check_mask("a context mask", in->context_mask, in->n_context, in->n_context);
}

heed_status heed__pass_check(const heed_model *model, const heed_model_inputs *in) {
  if (!model->finished) return heed__fail(HEED_ARGUMENT, "pass: the model is not finished");
  HEED__TRY(check_features("", in->dense, in->sparse, in->n_nodes, heed_model_feature_count(model)));
  HEED__TRY(check_graphs("", "graph_ptr", in->n_graphs, in->graph_ptr, in->n_nodes));
  HEED__TRY(check_context(model, in));
  if (in->mask != NULL && (in->mask->n_queries != in->n_nodes || in->mask->n_keys != in->n_nodes)) {
    return heed__fail(HEED_SHAPE, "pass: a mask of %lld queries and %lld keys for %lld nodes",
                      (long long)in->mask->n_queries, (long long)in->mask->n_keys,
                      (long long)in->n_nodes);
  }
  if (in->n_wanted < 0 || in->n_wanted > in->n_nodes || (in->n_wanted > 0 && in->wanted != NULL)) {
    return heed__fail(in->wanted != NULL ? HEED_ARGUMENT : HEED_RANGE,
                      "pass: the first %lld of %lld nodes are wanted%s", (long long)in->n_wanted,
                      (long long)in->n_nodes, in->wanted != NULL ? ", and marked ones too" : "");
  }
  return HEED_OK;
}

static void find_live(heed__plan *p) {
  const heed_model *model = p->model;
  heed_pass *pass = p->pass;
  pass->steps[model->values[model->output].layer].live = true;
  for (int l = model->n_layers - 1; l >= 0; l--) {
    const heed__layer *layer = model->layers + l;
    pass->steps[l].in_place = -1;
    if (!pass->steps[l].live) continue;
    for (int i = 0; i < layer->n_inputs; i++) {
      pass->steps[model->values[layer->inputs[i]].layer].live = true;
      p->uses[layer->inputs[i]]++;
    }
  }
}

static void find_gradients(heed__plan *p) {
  const heed_model *model = p->model;
  heed_pass *pass = p->pass;
  for (int l = 0; l < model->n_layers; l++) {
    const heed__layer *layer = model->layers + l;
    heed__step *step = pass->steps + l;
    if (!step->live || !pass->training) continue;
    bool needs = layer->tensors[0] >= 0 || layer->edge_tensors[0] >= 0 || layer->relative >= 0;
    for (int i = 0; i < layer->n_inputs; i++) {
      needs = needs || pass->slots[layer->inputs[i]].needs_gradient;
    }
    step->backward = needs;
    pass->slots[layer->output].needs_gradient = needs;
  }
}

/* Rows of a value that has so many a graph, 0: one a node. */
static int64_t rows_of(const heed_pass *pass, int32_t per_graph) {
  if (per_graph == HEED__CONTEXT) return pass->context.n_nodes;
  return per_graph == 0 ? pass->n_nodes : per_graph * pass->n_graphs;
}

/* Rows of each value, and how those of a sparse pass are kept. */
static void find_forms(heed__plan *p) {
  const heed_model *model = p->model;
  heed_pass *pass = p->pass;
  for (int v = 0; v < model->n_values; v++) {
    const heed__layer *layer = model->layers + model->values[v].layer;
    heed__slot *slot = pass->slots + v;
    slot->rows = rows_of(pass, model->values[v].per_graph);
    slot->sparse = pass->most_values[heed__set_of(pass, v)] >= 0 &&
                   (layer->kind == HEED__FEATURES ||
                    (layer->kind == HEED__DROPOUT && pass->slots[layer->inputs[0]].sparse));
    slot->dense = !slot->sparse || v == model->output;
  }
  for (int l = 0; l < model->n_layers; l++) {
    const heed__layer *layer = model->layers + l;
    if (!pass->steps[l].live || layer->kind == HEED__LINEAR || layer->kind == HEED__DROPOUT) {
      continue;
    }
    for (int i = 0; i < layer->n_inputs; i++) pass->slots[layer->inputs[i]].dense = true;
  }
}

static int64_t graph_start(const heed_pass *pass, int32_t per_graph, int64_t graph) {
  if (per_graph == HEED__CONTEXT) return pass->context.graph_ptr[graph];
  return per_graph == 0 ? pass->graph_ptr[graph] : per_graph * graph;
}

/* Every row that a graph has among the queries sees every one that it has among the keys. */
static heed_status count_pairs(const heed_pass *pass, int32_t per_query, int32_t per_key,
                               int64_t *pairs) {
  *pairs = 0;
  for (int64_t g = 0; g < pass->n_graphs; g++) {
    int64_t n = graph_start(pass, per_query, g + 1) - graph_start(pass, per_query, g), both;
    int64_t m = graph_start(pass, per_key, g + 1) - graph_start(pass, per_key, g);
    if (__builtin_mul_overflow(n, m, &both) || __builtin_add_overflow(*pairs, both, pairs)) {
      return heed__fail(HEED_OVERFLOW,
                        "pass: full attention in graph %lld of %lld nodes: its pairs "
                        "do not fit",
                        (long long)g, (long long)n);
    }
  }
  return HEED_OK;
}

/* These pairs as runs. */
static heed_mask write_runs(const heed_pass *pass, int32_t per_query, int32_t per_key,
                            int64_t *indptr, int32_t *starts) {
  int64_t pairs = 0;
  indptr[0] = 0;
  for (int64_t g = 0; g < pass->n_graphs; g++) {
    int64_t first = graph_start(pass, per_query, g), end = graph_start(pass, per_query, g + 1);
    int64_t key = graph_start(pass, per_key, g), keys = graph_start(pass, per_key, g + 1) - key;
    for (int64_t i = first; i < end; i++) {
      starts[i] = (int32_t)(keys > 0 ? key : 0);
      indptr[i + 1] = pairs += keys;
    }
  }
  return (heed_mask){.n_queries = graph_start(pass, per_query, pass->n_graphs),
                     .n_keys = graph_start(pass, per_key, pass->n_graphs),
                     .n_pairs = pairs,
                     .indptr = indptr,
                     .starts = starts};
}

static heed_status block_mask(heed_pass *pass, const heed__view *view, heed_mask *mask) {
  int64_t pairs, *indptr;
  int32_t *starts, per_query = view->per_graph[0], per_key = view->per_graph[1];
  HEED__TRY(count_pairs(pass, per_query, per_key, &pairs));
  HEED__TRY(heed__mask_new_runs(mask, graph_start(pass, per_query, pass->n_graphs),
                                graph_start(pass, per_key, pass->n_graphs), pairs, &indptr,
                                &starts));
  (void)write_runs(pass, per_query, per_key, indptr, starts);
  return HEED_OK;
}

static heed_status transpose(heed_pass *pass, heed__view *view) {
  if (!pass->training || heed_mask_is_full(&view->mask)) return HEED_OK;
  if (heed__mask_is_runs(&view->mask)) { /* the numbers of its pairs are plain */
    return heed_mask_transpose(&view->transposed, &view->mask, NULL);
  }
  view->pairs = heed__alloc((size_t)view->mask.n_pairs, sizeof *view->pairs);
  if (view->pairs == NULL) return HEED_NOMEM;
  return heed_mask_transpose(&view->transposed, &view->mask, view->pairs);
}

static heed_status take_edges(heed_pass *pass, const heed_model_inputs *in) {
  const char *name = NULL;
  for (int l = 0; l < pass->model->n_layers; l++) {
    const heed__layer *layer = pass->model->layers + l;
    if (pass->steps[l].live && layer->edges != HEED_EDGES_NONE) name = layer->name;
  }
  pass->edges = NULL;
  if (name == NULL) return HEED_OK;
  const heed_matrix *edges = in->edges;
  if (edges == NULL || heed_mask_is_full(in->mask)) {
    return heed__fail(HEED_ARGUMENT, "pass: layer %s takes the features of pairs: %s", name,
                      edges == NULL ? "edges are not there" : "a full mask has none");
  }
  if (edges->rows != in->mask->n_pairs || edges->cols != pass->model->edge_features ||
      (edges->stride != edges->cols && edges->rows > 1) ||
      (edges->data == NULL && edges->rows > 0)) {
    return heed__fail(HEED_SHAPE,
                      "pass: edges [%lld, %lld] with stride %lld, but %lld pairs and a model of %lld "
                      "features a pair",
                      (long long)edges->rows, (long long)edges->cols, (long long)edges->stride,
                      (long long)in->mask->n_pairs, (long long)pass->model->edge_features);
  }
  pass->edges = edges->data;
  return HEED_OK;
}

/* The pairs of a mask alone. */
static heed_mask pairs_of(const heed_mask *mask) {
  heed_mask pairs = {0};
  if (mask == NULL) return pairs;
  pairs = *mask;
  pairs.edge_ptr = pairs.edge_ids = NULL;
  pairs.origins = NULL;
  pairs.owned = NULL;
  return pairs;
}

heed_status heed__pass_take_mask(heed_pass *pass, const heed_model_inputs *in) {
  for (int l = 0; l < pass->model->n_layers; l++) {
    const heed__layer *layer = pass->model->layers + l;
    if (pass->steps[l].live && layer->kind == HEED__ATTENTION &&
        layer->scope == HEED_SCOPE_MASKED && in->mask == NULL &&
        pass->model->values[layer->inputs[0]].per_graph == 0 &&
        pass->model->values[layer->inputs[1]].per_graph == 0) {
      return heed__fail(HEED_ARGUMENT, "pass: layer %s is masked, but there is no mask",
                        layer->name);
    }
  }
  HEED__TRY(take_edges(pass, in));
  HEED__TRY(heed__classes_take(pass, in));
  pass->mask = pairs_of(in->mask);
  pass->context.cross = pairs_of(in->cross_mask);
  pass->context.own = pairs_of(in->context_mask);
  return HEED_OK;
}

/* The mask of masked attention from rows of one kind to rows of another; without indptr: full within each
 * graph. */
static const heed_mask *mask_between(const heed_pass *pass, int32_t per_query, int32_t per_key) {
  if (per_key != HEED__CONTEXT) return &pass->mask;
  return per_query == HEED__CONTEXT ? &pass->context.own : &pass->context.cross;
}

static void take_sets(heed_pass *pass, const heed_model_inputs *in) {
  heed__context *context = &pass->context;
  pass->dense = in->dense;
  pass->sparse = in->sparse;
  pass->n_nodes = in->n_nodes;
  pass->whole[1] = in->n_nodes;
  pass->n_graphs = in->n_graphs == 0 ? 1 : in->n_graphs;
  pass->graph_ptr = in->n_graphs == 0 ? pass->whole : in->graph_ptr;
  context->dense = in->context;
  context->sparse = in->context_sparse;
  context->n_nodes = in->n_context;
  context->whole[1] = in->n_context;
  context->graph_ptr = in->n_graphs == 0 ? context->whole : in->context_ptr;
}

/* The mask of a layer: queries are the first rows that its output needs, keys those of its values.
 */
static heed_status make_view(heed_pass *pass, heed__view *view, int64_t n_queries,
                             int64_t n_keys) {
  if (view->full && pass->n_graphs == 1) {
    HEED__TRY(heed_mask_full(&view->mask, n_queries, n_keys));
  } else if (view->full) {
    HEED__TRY(block_mask(pass, view, &view->mask));
  } else {
    view->mask = *mask_between(pass, view->per_graph[0], view->per_graph[1]);
    view->mask.n_queries = n_queries;
    view->mask.n_keys = n_keys;
    view->mask.n_pairs = view->mask.indptr[n_queries];
  }
  return transpose(pass, view);
}

/* Rows that a layer sees: both inputs have all that are needed here, either may have more for another layer. */
static int64_t keys_of(const heed_pass *pass, heed_value key, heed_value value) {
  int64_t keys = pass->slots[key].rows, values = pass->slots[value].rows;
  return keys < values ? keys : values;
}

/* The view of a layer, or a new one that has no mask yet. In a reserved pass rows that are as many here may be
 * more than others of other inputs. */
static heed__view *view_of(heed_pass *pass, const heed__layer *layer, bool full, int64_t n_queries,
                           int64_t n_keys) {
  const heed__value *values = pass->model->values;
  const heed__slot *slots = pass->slots;
  heed_value key = layer->inputs[1], value = layer->inputs[2];
  int by = slots[key].hops < slots[value].hops ? slots[key].hops : slots[value].hops;
  int hops[2] = {pass->reserved ? slots[layer->output].hops : 0, pass->reserved ? by : 0};
  int32_t per_query = values[layer->output].per_graph;
  int32_t per_key = values[layer->inputs[1]].per_graph;
  for (int i = 0; i < pass->n_views; i++) {
    heed__view *view = pass->views + i;
    if (view->full == full && view->per_graph[0] == per_query && view->per_graph[1] == per_key &&
        view->mask.n_queries == n_queries && view->mask.n_keys == n_keys &&
        view->hops[0] == hops[0] && view->hops[1] == hops[1]) {
      return view;
    }
  }
  heed__view *view = pass->views + pass->n_views++;
  *view = (heed__view){.full = full,
                       .values = {layer->output, key, value},
                       .hops = {hops[0], hops[1]},
                       .per_graph = {per_query, per_key},
                       .fresh = true};
  return view;
}

static heed_status find_view(heed_pass *pass, const heed__layer *layer, heed__view **found) {
  const heed__value *of = pass->model->values;
  bool full = layer->scope == HEED_SCOPE_FULL ||
              mask_between(pass, of[layer->output].per_graph, of[layer->inputs[1]].per_graph)
                      ->indptr == NULL;
  int64_t n_queries = pass->slots[layer->output].rows;
  int64_t n_keys = keys_of(pass, layer->inputs[1], layer->inputs[2]);
  heed__view *view = *found = view_of(pass, layer, full, n_queries, n_keys);
  if (!view->fresh) return HEED_OK;
  view->fresh = false;
  return make_view(pass, view, n_queries, n_keys);
}

/* The view of a layer in a reserved pass. */
static heed_status reserve_view(heed_pass *pass, const heed__layer *layer, heed__view **found) {
  const heed__value *values = pass->model->values;
  int64_t n_queries = pass->slots[layer->output].rows;
  int64_t n_keys = keys_of(pass, layer->inputs[1], layer->inputs[2]);
  const heed_mask *mask =
      mask_between(pass, values[layer->output].per_graph, values[layer->inputs[1]].per_graph);
  int64_t n_pairs = mask == &pass->mask            ? pass->capacity.n_pairs
                    : mask == &pass->context.cross ? pass->capacity.n_cross_pairs
                                                   : pass->capacity.n_context_pairs;
  bool full = layer->scope == HEED_SCOPE_FULL || (mask != &pass->mask && n_pairs == 0);
  heed__view *view = *found = view_of(pass, layer, full, n_queries, n_keys);
  if (!view->fresh) return HEED_OK;
  view->fresh = false;
  if (full && __builtin_mul_overflow(n_queries, n_keys, &n_pairs)) n_pairs = INT64_MAX;
  view->mask = (heed_mask){.n_queries = n_queries, .n_keys = n_keys, .n_pairs = n_pairs};
  view->arrays[0] = heed__alloc((size_t)n_queries + 1, sizeof(int64_t));
  view->arrays[1] = heed__alloc((size_t)n_queries, sizeof(int32_t));
  if (view->arrays[0] == NULL || view->arrays[1] == NULL) return HEED_NOMEM;
  if (!pass->training) return HEED_OK;
  int64_t columns = full || n_pairs < n_keys ? n_keys : n_pairs; /* or starts, of the transpose */
  view->arrays[2] = heed__alloc((size_t)n_keys + 1, sizeof(int64_t));
  view->arrays[3] = heed__alloc((size_t)columns, sizeof(int32_t));
  if (view->arrays[2] == NULL || view->arrays[3] == NULL) return HEED_NOMEM;
  if (full) return HEED_OK;
  view->arrays[4] = heed__alloc((size_t)n_pairs, sizeof(int64_t));
  return view->arrays[4] == NULL ? HEED_NOMEM : HEED_OK;
}

/* The transpose of a mask of runs, its columns listed: each key's queries ascend. */
static void transpose_runs(const heed_mask *mask, int64_t *indptr, int32_t *indices) {
  int64_t *next = indptr + 1, before = 0;
  memset(indptr, 0, ((size_t)mask->n_keys + 1) * sizeof *indptr);
  for (int64_t i = 0; i < mask->n_queries; i++) {
    int64_t count = mask->indptr[i + 1] - mask->indptr[i];
    for (int64_t k = 0; k < count; k++) next[mask->starts[i] + k]++;
  }
  for (int64_t j = 0; j < mask->n_keys; j++) {
    int64_t count = next[j];
    next[j] = before;
    before += count;
  }
  for (int64_t i = 0; i < mask->n_queries; i++) {
    int64_t count = mask->indptr[i + 1] - mask->indptr[i];
    for (int64_t k = 0; k < count; k++) indices[next[mask->starts[i] + k]++] = (int32_t)i;
  }
}

/* n_queries rows that each see n_keys, of one graph. */
static heed_mask write_full(int64_t n_queries, int64_t n_keys, int64_t *indptr, int32_t *starts) {
  indptr[0] = 0;
  for (int64_t i = 0; i < n_queries; i++) {
    starts[i] = 0;
    indptr[i + 1] = indptr[i] + n_keys;
  }
  return (heed_mask){.n_queries = n_queries,
                     .n_keys = n_keys,
                     .n_pairs = n_queries * n_keys,
                     .indptr = indptr,
                     .starts = starts};
}

/* Where the first nodes are wanted: the first rows of either. */
static void bind_first(heed_pass *pass, heed__view *view, bool blocks) {
  int64_t n_queries = pass->slots[view->values[0]].rows;
  int64_t n_keys = keys_of(pass, view->values[1], view->values[2]);
  if (blocks) {
    view->mask = write_full(n_queries, n_keys, view->arrays[0], view->arrays[1]);
    if (pass->training) {
      view->transposed = write_full(n_keys, n_queries, view->arrays[2], view->arrays[3]);
    }
    return;
  }
  view->mask = pass->mask;
  view->mask.n_queries = n_queries;
  view->mask.n_keys = n_keys;
  view->mask.n_pairs = view->mask.indptr[n_queries];
}

static heed_status bind_view(heed_pass *pass, heed__view *view) {
  int32_t per_query = view->per_graph[0], per_key = view->per_graph[1];
  const heed_mask *own = mask_between(pass, per_query, per_key);
  bool blocks = view->full || own->indptr == NULL;
  int64_t pairs;
  view->pairs = NULL;
  if (pass->capacity.hops > 0) {
    bind_first(pass, view, blocks);
    if (blocks) return HEED_OK;
  } else if (blocks) {
    HEED__TRY(count_pairs(pass, per_query, per_key, &pairs));
    view->mask = write_runs(pass, per_query, per_key, view->arrays[0], view->arrays[1]);
  } else {
    view->mask = *own;
  }
  if (!pass->training) return HEED_OK;
  const heed_mask *mask = &view->mask;
  if (blocks) {
    view->transposed = write_runs(pass, per_key, per_query, view->arrays[2], view->arrays[3]);
    return HEED_OK;
  }
  view->transposed = (heed_mask){.n_queries = mask->n_keys,
                                 .n_keys = mask->n_queries,
                                 .n_pairs = mask->n_pairs,
                                 .indptr = view->arrays[2],
                                 .indices = view->arrays[3]};
  if (heed__mask_is_runs(mask)) {
    transpose_runs(mask, view->arrays[2], view->arrays[3]);
    return HEED_OK;
  }
  heed_csr rows = {.rows = mask->n_queries,
                   .cols = mask->n_keys,
                   .indptr = mask->indptr,
                   .indices = mask->indices};
  HEED__TRY(heed_csr_transpose(&rows, view->arrays[2], view->arrays[3], view->arrays[4]));
  view->pairs = view->arrays[4];
  return HEED_OK;
}

heed_status heed__pass_ones(heed_pass *pass) {
  int64_t ones = 0;
  for (int l = 0; l < pass->model->n_layers; l++) {
    const heed__layer *layer = pass->model->layers + l;
    if (!pass->steps[l].live || layer->kind != HEED__ATTENTION) continue;
    int64_t width = (int64_t)layer->spec.heads * layer->spec.key_dim;
    if (layer->tensors[0] < 0 && layer->spec.score != HEED_SCORE_DOT && width > ones) ones = width;
  }
  if (ones == 0) return HEED_OK;
  pass->ones = heed__alloc((size_t)ones, sizeof *pass->ones);
  if (pass->ones == NULL) return HEED_NOMEM;
  for (int64_t i = 0; i < ones; i++) pass->ones[i] = 1;
  return HEED_OK;
}

static heed_status reserve_attentions(heed_pass *pass) {
  for (int l = 0; l < pass->model->n_layers; l++) {
    const heed__layer *layer = pass->model->layers + l;
    heed__step *step = pass->steps + l;
    if (!step->live || layer->kind != HEED__ATTENTION) continue;
    heed__view *view;
    HEED__TRY(reserve_view(pass, layer, &view));
    step->mask = &view->mask;
    step->view = view;
    step->spec = layer->spec;
    /* Whatever graphs there will be: a graph has the same bits in every batch. */
    if (step->spec.kernel == HEED_KERNEL_AUTO) step->spec.kernel = HEED_KERNEL_SPARSE;
    HEED__TRY(heed__plan_reserve(&step->plan, &step->spec, step->mask, view->full));
    if (step->backward) HEED__TRY(heed_attention_prepare_backward(step->plan, NULL, NULL));
  }
  return heed__pass_ones(pass);
}

static heed_status make_attentions(heed__plan *p) {
  heed_pass *pass = p->pass;
  for (int l = 0; l < p->model->n_layers; l++) {
    const heed__layer *layer = p->model->layers + l;
    heed__step *step = pass->steps + l;
    if (!step->live || layer->kind != HEED__ATTENTION) continue;
    heed__view *view;
    HEED__TRY(find_view(pass, layer, &view));
    step->mask = &view->mask;
    step->spec = layer->spec;
    if (step->spec.kernel == HEED_KERNEL_AUTO) { /* never measured: the same bits in every run */
      step->spec.kernel = heed_mask_is_full(step->mask) ? HEED_KERNEL_DENSE : HEED_KERNEL_SPARSE;
    }
    HEED__TRY(heed_attention_new(&step->plan, &step->spec, step->mask));
    if (step->backward) {
      HEED__TRY(heed_attention_prepare_backward(
          step->plan, view->transposed.indptr == NULL ? NULL : &view->transposed, view->pairs));
    }
  }
  return heed__pass_ones(pass);
}

/* Whether the backward pass needs the transpose of sparse features: of the nodes, of the context. */
static void find_turned(const heed_pass *pass, bool wanted[2]) {
  const heed_model *model = pass->model;
  wanted[0] = wanted[1] = false;
  for (int l = 0; l < model->n_layers; l++) {
    const heed__layer *layer = model->layers + l;
    if (pass->steps[l].backward && layer->kind == HEED__LINEAR &&
        pass->slots[layer->inputs[0]].sparse) {
      wanted[heed__set_of(pass, layer->inputs[0])] = true;
    }
  }
}

/* Room for the transpose of at most `n` numbers in `cols` columns. */
static heed_status reserve_turned(heed__turned *turned, int64_t cols, int64_t n, bool values) {
  if (n > UINT32_MAX) {
    return heed__fail(HEED_OVERFLOW, "pass: %lld non-zeros of features, of which %lld can be named",
                      (long long)n, (long long)UINT32_MAX);
  }
  turned->arrays[0] = heed__alloc((size_t)cols + 1, sizeof(int64_t));
  turned->arrays[1] = heed__alloc((size_t)n, sizeof(int32_t));
  turned->arrays[2] = heed__alloc((size_t)n, sizeof(uint32_t));
  turned->arrays[3] = values ? heed__alloc((size_t)n, sizeof(float)) : NULL;
  turned->arrays[4] = heed__alloc((size_t)n, sizeof(int64_t));
  for (int i = 0; i < 5; i++) {
    if (turned->arrays[i] == NULL && (i != 3 || values)) return HEED_NOMEM;
  }
  return HEED_OK;
}

static heed_status turn(heed__turned *turned, const heed_csr *a) {
  int64_t *indptr = turned->arrays[0], *wide = turned->arrays[4], n = a->indptr[a->rows];
  int32_t *indices = turned->arrays[1];
  uint32_t *places = turned->arrays[2];
  float *values = a->values == NULL ? NULL : turned->arrays[3];
  HEED__TRY(heed_csr_transpose(a, indptr, indices, wide));
  for (int64_t i = 0; i < n; i++) {
    places[i] = (uint32_t)wide[i];
    if (values != NULL) values[i] = a->values[wide[i]];
  }
  turned->places = places;
  turned->features = (heed_csr){
      .rows = a->cols, .cols = a->rows, .indptr = indptr, .indices = indices, .values = values};
  return HEED_OK;
}

static heed_status transpose_features(heed_pass *pass) {
  const heed_csr *features[2] = {pass->sparse, pass->context.sparse};
  bool wanted[2];
  find_turned(pass, wanted);
  for (int set = 0; set < 2; set++) {
    const heed_csr *a = features[set];
    heed__turned *turned = pass->turned + set;
    if (!wanted[set]) continue;
    HEED__TRY(reserve_turned(turned, a->cols, a->indptr[a->rows], a->values != NULL));
    HEED__TRY(turn(turned, a));
    heed__free(turned->arrays[4]);
    turned->arrays[4] = NULL;
  }
  return HEED_OK;
}

heed_status heed__pass_prepare(heed__plan *p) {
  heed_pass *pass = p->pass;
  size_t n = (size_t)p->model->n_values;
  pass->slots = heed__alloc_zero(n, sizeof *pass->slots);
  pass->steps = heed__alloc_zero((size_t)p->model->n_layers, sizeof *pass->steps);
  pass->views = heed__alloc_zero((size_t)p->model->n_layers, sizeof *pass->views);
  p->uses = heed__alloc_zero(n * 5, sizeof *p->uses);
  p->passed_on = heed__alloc_zero(n * 2, sizeof *p->passed_on);
  if (pass->slots == NULL || pass->steps == NULL || pass->views == NULL || p->uses == NULL ||
      p->passed_on == NULL) {
    return HEED_NOMEM;
  }
  p->stays = p->passed_on + n;
  p->last = p->uses + n;
  p->writer = p->last + n;
  p->root = p->writer + n;
  p->last_gradient = p->root + n;
  find_live(p);
  find_gradients(p);
  find_forms(p);
  return heed__positions_reserve(pass);
}

static heed_status bind_once(heed__plan *p, const heed_model_inputs *in) {
  heed_pass *pass = p->pass;
  take_sets(pass, in);
  pass->most_values[0] = in->sparse == NULL ? -1 : in->sparse->indptr[in->sparse->rows];
  pass->most_values[1] =
      in->context_sparse == NULL ? -1 : in->context_sparse->indptr[in->context_sparse->rows];
  HEED__TRY(heed__pass_prepare(p));
  HEED__TRY(heed__pass_take_mask(pass, in));
  if (in->wanted != NULL) HEED__TRY(heed__field_order(pass, in->mask, in->wanted));
  if (in->n_wanted > 0) HEED__TRY(heed__field_first(pass, in->mask, in->n_wanted));
  HEED__TRY(heed__positions_take(pass, in));
  HEED__TRY(heed__flip_reserve(pass));
  heed__flip_take(pass);
  HEED__TRY(make_attentions(p));
  HEED__TRY(transpose_features(pass));
  HEED__TRY(heed__plan_buffers(p));
  pass->bound = true;
  return HEED_OK;
}

static heed_status reserve(heed__plan *p, const heed_model_capacity *capacity) {
  heed_pass *pass = p->pass;
  pass->reserved = true;
  pass->capacity = *capacity;
  pass->n_nodes = capacity->n_nodes;
  pass->n_graphs = capacity->n_graphs > 0 ? capacity->n_graphs : 1; /* one of all nodes */
  pass->context.n_nodes = capacity->n_context;
  pass->most_values[0] = capacity->n_values > 0 ? capacity->n_values : -1;
  pass->most_values[1] = capacity->n_context_values > 0 ? capacity->n_context_values : -1;
  HEED__TRY(heed__pass_prepare(p));
  if (capacity->hops > 0) HEED__TRY(heed__field_reserve(pass));
  HEED__TRY(heed__flip_reserve(pass));
  HEED__TRY(reserve_attentions(pass));
  bool wanted[2];
  find_turned(pass, wanted);
  for (int set = 0; set < 2; set++) {
    heed_value features = set == 0 ? 0 : p->model->context;
    if (!wanted[set]) continue;
    HEED__TRY(reserve_turned(pass->turned + set, p->model->values[features].width,
                             pass->most_values[set], true));
  }
  HEED__TRY(heed__plan_buffers(p));
  for (int v = 0; v < p->model->n_values; v++) pass->slots[v].rows = 0;
  return HEED_OK;
}

/* A pass from inputs or, where these are NULL, from a capacity. */
static heed_status new_pass(heed_pass **result, heed_model *model, const heed_model_inputs *inputs,
                            const heed_model_capacity *capacity, bool training, bool stepwise) {
  int64_t before = heed__alloc_held_here();
  heed_pass *pass = heed__alloc_zero(1, sizeof *pass);
  if (pass == NULL) return HEED_NOMEM;
  pass->model = model;
  pass->training = training;
  pass->stepwise = stepwise;
  pass->capture = -1;
  heed__plan p = {.pass = pass, .model = model};
  heed_status status = inputs != NULL ? bind_once(&p, inputs) : reserve(&p, capacity);
  heed__free(p.uses);
  heed__free(p.passed_on);
  heed__free(p.items);
  heed__free(p.order);
  if (status != HEED_OK) {
    heed_pass_free(pass);
    return status;
  }
  pass->bytes = (size_t)(heed__alloc_held_here() - before);
  *result = pass;
  return HEED_OK;
}

heed_status heed_pass_new(heed_pass **pass, heed_model *model, const heed_model_inputs *inputs,
                          bool training) {
  *pass = NULL;
  HEED__TRY(heed__pass_check(model, inputs));
  return new_pass(pass, model, inputs, NULL, training, false);
}

static heed_status reserve_pass(heed_pass **pass, heed_model *model,
                                const heed_model_capacity *capacity, bool training,
                                bool stepwise) {
  *pass = NULL;
  if (!model->finished) return heed__fail(HEED_ARGUMENT, "pass: the model is not finished");
  if (capacity->n_nodes < 0 || capacity->n_nodes > INT32_MAX || capacity->n_graphs < 0 ||
      capacity->n_graphs > INT32_MAX || capacity->n_pairs < 0 || capacity->n_values < 0 ||
      capacity->n_context < 0 || capacity->n_context > INT32_MAX ||
      capacity->n_context_values < 0 || capacity->n_cross_pairs < 0 ||
      capacity->n_context_pairs < 0) {
    return heed__fail(HEED_RANGE,
                      "pass: a capacity of %lld nodes, %lld pairs, %lld graphs, %lld nodes of context, "
                      "not between 0 and %d",
                      (long long)capacity->n_nodes, (long long)capacity->n_pairs,
                      (long long)capacity->n_graphs, (long long)capacity->n_context, INT32_MAX);
  }
  if (capacity->hops < 0 || capacity->hops > HEED_MAX_HOPS) {
    return heed__fail(HEED_RANGE, "pass: a capacity of %d hops, not 0 to %d", capacity->hops,
                      HEED_MAX_HOPS);
  }
  for (int h = 0; capacity->hops > 0 && h <= capacity->hops; h++) {
    int64_t least = h == 0 ? 0 : capacity->ends[h - 1];
    if (capacity->ends[h] >= least && capacity->ends[h] <= capacity->n_nodes) continue;
    return heed__fail(HEED_RANGE, "pass: a capacity of %lld nodes within %d steps, not %lld to %lld",
                      (long long)capacity->ends[h], h, (long long)least,
                      (long long)capacity->n_nodes);
  }
  return new_pass(pass, model, NULL, capacity, training, stepwise);
}

heed_status heed_pass_reserve(heed_pass **pass, heed_model *model,
                              const heed_model_capacity *capacity, bool training) {
  return reserve_pass(pass, model, capacity, training, false);
}

heed_status heed__pass_reserve_steps(heed_pass **pass, heed_model *model,
                                     const heed_model_capacity *capacity) {
  return reserve_pass(pass, model, capacity, false, true);
}

static heed_status check_form(const char *of, const heed_csr *sparse, int64_t most) {
  if ((sparse == NULL) != (most < 0)) {
    return heed__fail(HEED_ARGUMENT, "pass: features%s are %s, but it is reserved for %s", of,
                      sparse == NULL ? "dense" : "sparse", most < 0 ? "dense" : "sparse");
  }
  if (sparse == NULL || sparse->indptr[sparse->rows] <= most) return HEED_OK;
  return heed__fail(HEED_SHAPE, "pass: features%s of %lld numbers, but it is reserved for %lld", of,
                    (long long)sparse->indptr[sparse->rows], (long long)most);
}

static heed_status check_pairs(const char *which, const heed_mask *mask, int64_t most) {
  if (mask == NULL || (mask->n_pairs <= most && most > 0)) return HEED_OK;
  return heed__fail(HEED_SHAPE, "pass: a %s mask of %lld pairs, but it is reserved for %lld", which,
                    (long long)mask->n_pairs, (long long)most);
}

static heed_status check_capacity(const heed_pass *pass, const heed_model_inputs *in) {
  const heed_model_capacity *most = &pass->capacity;
  HEED__TRY(check_form("", in->sparse, pass->most_values[0]));
  if (pass->model->context >= 0) {
    HEED__TRY(check_form(" of the context", in->context_sparse, pass->most_values[1]));
  }
  if (in->wanted != NULL || (in->n_wanted > 0 && most->hops == 0)) {
    return heed__fail(HEED_ARGUMENT, "pass: in a reserved pass all nodes are wanted, or first ones where "
                      "it is reserved for hops");
  }
  HEED__TRY(check_pairs("cross", in->cross_mask, most->n_cross_pairs));
  HEED__TRY(check_pairs("context", in->context_mask, most->n_context_pairs));
  if (in->n_context > most->n_context) {
    return heed__fail(HEED_SHAPE, "pass: %lld nodes of context, but it is reserved for %lld",
                      (long long)in->n_context, (long long)most->n_context);
  }
  if (in->n_nodes > most->n_nodes) {
    return heed__fail(HEED_SHAPE, "pass: %lld nodes, but it is reserved for %lld",
                      (long long)in->n_nodes, (long long)most->n_nodes);
  }
  if (in->n_graphs > most->n_graphs && in->n_graphs > 1) {
    return heed__fail(HEED_SHAPE, "pass: %lld graphs, but it is reserved for %lld",
                      (long long)in->n_graphs, (long long)most->n_graphs);
  }
  if (in->mask != NULL && in->mask->n_pairs > most->n_pairs) {
    return heed__fail(HEED_SHAPE, "pass: a mask of %lld pairs, but it is reserved for %lld",
                      (long long)in->mask->n_pairs, (long long)most->n_pairs);
  }
  return HEED_OK;
}

heed_status heed_pass_bind(heed_pass *pass, const heed_model_inputs *in) {
  if (!pass->reserved) {
    return heed__fail(HEED_ARGUMENT, "pass: it was not reserved to be bound again");
  }
  const heed_model *model = pass->model;
  HEED__TRY(heed__pass_check(model, in));
  HEED__TRY(check_capacity(pass, in));
  pass->bound = false;
  pass->trained = false;
  take_sets(pass, in);
  for (int v = 0; v < model->n_values; v++) {
    pass->slots[v].rows = rows_of(pass, model->values[v].per_graph);
  }
  HEED__TRY(heed__pass_take_mask(pass, in));
  if (pass->capacity.hops > 0) {
    HEED__TRY(heed__field_bind(pass, in->mask, in->n_wanted > 0 ? in->n_wanted : in->n_nodes));
  }
  HEED__TRY(heed__positions_take(pass, in));
  heed__flip_take(pass);
  const heed_csr *features[2] = {pass->sparse, pass->context.sparse};
  for (int set = 0; set < 2; set++) {
    if (pass->turned[set].arrays[0] != NULL) HEED__TRY(turn(pass->turned + set, features[set]));
  }
  for (int i = 0; i < pass->n_views; i++) HEED__TRY(bind_view(pass, pass->views + i));
  for (int l = 0; l < model->n_layers; l++) {
    const heed__step *step = pass->steps + l;
    if (step->plan == NULL) continue;
    const heed__view *view = step->view;
    HEED__TRY(heed__plan_rebind(step->plan, &view->transposed, view->pairs));
  }
  pass->bound = true;
  return HEED_OK;
}

void heed_pass_free(heed_pass *pass) {
  if (pass == NULL) return;
  for (int l = 0; pass->steps != NULL && l < pass->model->n_layers; l++) {
    heed_attention_free(pass->steps[l].plan);
  }
  for (int i = 0; i < pass->n_views; i++) {
    heed_mask_free(&pass->views[i].mask);
    heed_mask_free(&pass->views[i].transposed);
    if (!pass->reserved) heed__free(pass->views[i].pairs);
    for (int a = 0; a < 5; a++) heed__free(pass->views[i].arrays[a]);
  }
  heed__free(pass->views);
  heed__free(pass->nodes);
  heed__free(pass->place);
  for (int i = 0; i < 3; i++) heed__free(pass->feature_arrays[i]);
  for (int i = 0; i < 2; i++) heed__free(pass->mask_arrays[i]);
  for (int i = 0; i < 2; i++) heed__free(pass->pair_arrays[i]);
  heed__positions_free(pass);
  heed__free(pass->signs);
  heed__free(pass->flip_values);
  for (int i = 0; i < 10; i++) heed__free(pass->turned[i / 5].arrays[i % 5]);
  heed__free(pass->slots);
  heed__free(pass->steps);
  heed__free(pass->arena);
  heed__free(pass->room);
  heed__free(pass->ones);
  heed__free(pass->gradients);
  heed__free(pass);
}
