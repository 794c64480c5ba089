/* The masks of attention layers: which rows see which, transposed where a pass goes backward; layers that see the
 * same share a view. */
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "mask/mask.h"
#include "model/plan.h"

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

/* The mask of masked attention from rows of one kind to rows of another; without indptr: full within each
 * graph. */
static const heed_mask *mask_between(const heed_pass *pass, int32_t per_query, int32_t per_key,
                                     int group) {
  if (per_key != HEED__CONTEXT) return &pass->groups[group < 0 ? 0 : group].mask;
  return per_query == HEED__CONTEXT ? &pass->context.own : &pass->context.cross;
}

static const heed_mask *mask_of(const heed_pass *pass, const heed__view *view) {
  return mask_between(pass, view->per_graph[0], view->per_graph[1], view->group);
}

/* Masked, among the nodes. */
static bool looks_at_groups(const heed_pass *pass, const heed__layer *layer) {
  const heed__value *values = pass->model->values;
  return layer->scope == HEED_SCOPE_MASKED && values[layer->inputs[0]].per_graph == 0 &&
         values[layer->inputs[1]].per_graph == 0;
}

int heed__groups_of(const heed_pass *pass, const heed__layer *layer) {
  return looks_at_groups(pass, layer) ? pass->n_groups : 1;
}

int32_t heed__heads_of(const heed_pass *pass, const heed__layer *layer, int group) {
  int32_t heads = looks_at_groups(pass, layer) ? pass->groups[group].heads : 0;
  return heads > 0 ? heads : layer->spec.heads;
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
    view->mask = *mask_of(pass, view);
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

/* The view of a layer, or of a group of its heads (else -1); or a new one that has no mask yet. In a reserved pass
 * rows that are as many here may be more than others of other inputs. */
static heed__view *view_of(heed_pass *pass, const heed__layer *layer, bool full, int group,
                           int64_t n_queries, int64_t n_keys) {
  const heed__value *values = pass->model->values;
  const heed__slot *slots = pass->slots;
  heed_value key = layer->inputs[1], value = layer->inputs[2];
  int by = slots[key].hops < slots[value].hops ? slots[key].hops : slots[value].hops;
  int hops[2] = {pass->reserved ? slots[layer->output].hops : 0, pass->reserved ? by : 0};
  int32_t per_query = values[layer->output].per_graph;
  int32_t per_key = values[layer->inputs[1]].per_graph;
  for (int i = 0; i < pass->n_views; i++) {
    heed__view *view = pass->views + i;
    if (view->full == full && view->group == group && view->per_graph[0] == per_query &&
        view->per_graph[1] == per_key && view->mask.n_queries == n_queries && view->mask.n_keys == n_keys &&
        view->hops[0] == hops[0] && view->hops[1] == hops[1]) {
      return view;
    }
  }
  heed__view *view = pass->views + pass->n_views++;
  *view = (heed__view){.full = full,
                       .values = {layer->output, key, value},
                       .hops = {hops[0], hops[1]},
                       .group = group,
                       .per_graph = {per_query, per_key},
                       .fresh = true};
  return view;
}

/* The views of all groups of a layer's heads; those of one layer follow each other, for layers that share one
 * share all. */
static heed_status each_group(heed_pass *pass, const heed__layer *layer, heed__view **found,
                              heed_status (*one)(heed_pass *, const heed__layer *, int, heed__view **)) {
  int n = heed__groups_of(pass, layer);
  for (int g = 0; g < n; g++) {
    heed__view *view;
    HEED__TRY(one(pass, layer, n > 1 ? g : -1, &view));
    if (g == 0) *found = view;
  }
  return HEED_OK;
}

static heed_status find_view(heed_pass *pass, const heed__layer *layer, int group,
                             heed__view **found) {
  const heed__value *of = pass->model->values;
  bool full = layer->scope == HEED_SCOPE_FULL ||
              mask_between(pass, of[layer->output].per_graph, of[layer->inputs[1]].per_graph, group)
                      ->indptr == NULL;
  int64_t n_queries = pass->slots[layer->output].rows;
  int64_t n_keys = keys_of(pass, layer->inputs[1], layer->inputs[2]);
  heed__view *view = *found = view_of(pass, layer, full, group, n_queries, n_keys);
  if (!view->fresh) return HEED_OK;
  view->fresh = false;
  return make_view(pass, view, n_queries, n_keys);
}

heed_status heed__views_find(heed_pass *pass, const heed__layer *layer, heed__view **found) {
  return each_group(pass, layer, found, find_view);
}

static heed_status reserve_view(heed_pass *pass, const heed__layer *layer, int group,
                                heed__view **found) {
  const heed__value *values = pass->model->values;
  const heed_model_capacity *most = &pass->capacity;
  int64_t n_queries = pass->slots[layer->output].rows;
  int64_t n_keys = keys_of(pass, layer->inputs[1], layer->inputs[2]);
  int32_t per_query = values[layer->output].per_graph;
  int32_t per_key = values[layer->inputs[1]].per_graph;
  bool among_nodes = per_key != HEED__CONTEXT;
  int64_t n_pairs = !among_nodes               ? per_query == HEED__CONTEXT ? most->n_context_pairs
                                                                            : most->n_cross_pairs
                    : most->n_head_masks > 0   ? most->head_pairs[group < 0 ? 0 : group]
                                               : most->n_pairs;
  bool full = layer->scope == HEED_SCOPE_FULL || (!among_nodes && n_pairs == 0);
  heed__view *view = *found = view_of(pass, layer, full, group, n_queries, n_keys);
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

heed_status heed__views_reserve(heed_pass *pass, const heed__layer *layer, heed__view **found) {
  return each_group(pass, layer, found, reserve_view);
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
  view->mask = *mask_of(pass, view);
  view->mask.n_queries = n_queries;
  view->mask.n_keys = n_keys;
  view->mask.n_pairs = view->mask.indptr[n_queries];
}

heed_status heed__view_bind(heed_pass *pass, heed__view *view) {
  int32_t per_query = view->per_graph[0], per_key = view->per_graph[1];
  const heed_mask *own = mask_of(pass, view);
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
