/* The receptive field: what of the nodes has to be computed where only some rows of the output are
 * wanted. Nodes are put in the order in which the wanted ones come to need them: first the wanted,
 * then what they attend to, then what those attend to. Every value then needs a number of first
 * rows, masks are the first rows of one mask, and no loop has to know of it. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "mask/mask.h"
#include "matrix/rows.h"
#include "model/plan.h"

static int at_most_all(int hops) { return hops < HEED__ALL ? hops : HEED__ALL; }

static void raise_hops(heed_pass *pass, heed_value x, int hops) {
  if (pass->slots[x].hops < hops) pass->slots[x].hops = hops;
}

/* How many steps of attention lie between each value and the output. */
static void count_hops(heed_pass *pass, bool masked_is_full) {
  const heed_model *model = pass->model;
  for (int l = model->n_layers - 1; l >= 0; l--) {
    const heed__layer *layer = model->layers + l;
    if (!pass->steps[l].live) continue;
    heed__slot *y = pass->slots + layer->output;
    bool over_all = layer->kind == HEED__NORMALIZE && layer->norm == HEED_NORM_BATCH;
    if (over_all && pass->training) y->hops = HEED__ALL; /* else it goes by running numbers */
    for (int i = 0; i < layer->n_inputs; i++) {
      bool seen = layer->kind == HEED__ATTENTION && i > 0;
      bool by_all = seen && (layer->scope == HEED_SCOPE_FULL || masked_is_full);
      raise_hops(pass, layer->inputs[i], by_all ? HEED__ALL : at_most_all(y->hops + seen));
    }
  }
  /* The transposed features know the rows of one product alone. */
  for (int l = 0; l < model->n_layers; l++) {
    const heed__layer *layer = model->layers + l;
    if (layer->kind == HEED__LINEAR && pass->slots[layer->inputs[0]].sparse) {
      raise_hops(pass, layer->output, pass->slots[layer->inputs[0]].hops);
    }
  }
}

heed_status heed__model_hops(const heed_model *model, int *hops) {
  int *to = heed__alloc_zero((size_t)model->n_values, sizeof *to);
  if (to == NULL) return HEED_NOMEM;
  for (int l = 0; l < model->n_layers; l++) {
    const heed__layer *layer = model->layers + l;
    bool masked = layer->kind == HEED__ATTENTION && layer->scope == HEED_SCOPE_MASKED;
    for (int i = 0; i < layer->n_inputs; i++) {
      int more = to[layer->inputs[i]] + masked;
      if (more > to[layer->output]) to[layer->output] = more;
    }
  }
  *hops = to[model->output];
  heed__free(to);
  return HEED_OK;
}

/* The nodes that `hops` steps reach, ends[h] being how many are reached by h of them. */
static void reach(heed_pass *pass, const heed_mask *mask, const uint8_t *wanted, int hops, bool all,
                  int64_t *ends) {
  int32_t *nodes = pass->nodes, *place = pass->place;
  int64_t n = 0;
  for (int64_t i = 0; i < pass->n_nodes; i++) {
    place[i] = -1;
    if (!wanted[i]) continue;
    place[i] = 0;
    nodes[n++] = (int32_t)i;
  }
  ends[0] = n;
  for (int h = 1; h <= hops; h++) {
    int64_t begin = h == 1 ? 0 : ends[h - 2];
    for (int64_t r = begin; r < ends[h - 1]; r++) {
      int64_t first, n_keys = heed__mask_row(mask, nodes[r], &first);
      for (int64_t a = 0; a < n_keys; a++) {
        int32_t key = heed__mask_key(mask, nodes[r], a);
        if (place[key] < 0) place[key] = h;
      }
    }
    for (int64_t i = 0; i < pass->n_nodes; i++) { /* ascending: neighbours in memory stay so */
      if (place[i] == h) nodes[n++] = (int32_t)i;
    }
    ends[h] = n;
  }
  for (int64_t i = 0; all && i < pass->n_nodes; i++) {
    if (place[i] < 0) nodes[n++] = (int32_t)i;
  }
  pass->n_nodes = n;
  for (int64_t r = 0; r < n; r++) place[nodes[r]] = (int32_t)r;
}

static int ascending(const void *a, const void *b) {
  int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
  return (x > y) - (x < y);
}

static int by_key(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

/* What belongs to pairs, in the order of the new mask: sorts each row once more, with the place that its pairs
 * come from. */
static heed_status order_pairs(heed_pass *pass, const heed_mask *mask, const heed_mask *ordered) {
  int64_t pairs = ordered->n_pairs, width = pass->model->edge_features, numbers;
  if (pass->edges == NULL && pass->pair_classes == NULL) return HEED_OK;
  if (__builtin_mul_overflow(pairs, width, &numbers)) {
    return heed__fail(HEED_OVERFLOW, "pass: %lld features of %lld pairs do not fit", (long long)width,
                      (long long)pairs);
  }
  int32_t *classes = NULL;
  float *edges = NULL;
  if (pass->pair_classes != NULL) {
    pass->pair_arrays[0] = classes = heed__alloc((size_t)pairs, sizeof *classes);
    if (classes == NULL) return HEED_NOMEM;
  }
  if (pass->edges != NULL) {
    pass->pair_arrays[1] = edges = heed__alloc((size_t)numbers, sizeof *edges);
    if (edges == NULL) return HEED_NOMEM;
  }
  uint64_t *keys = heed__alloc((size_t)pairs, sizeof *keys); /* the key's row, the pair's place in its row */
  if (keys == NULL) return HEED_NOMEM;
  for (int64_t r = 0; r < ordered->n_queries; r++) {
    int64_t from = mask->indptr[pass->nodes[r]], to = ordered->indptr[r];
    int64_t n = ordered->indptr[r + 1] - to;
    for (int64_t a = 0; a < n; a++) {
      keys[to + a] = (uint64_t)pass->place[heed__mask_key(mask, pass->nodes[r], a)] << 32 | (uint64_t)a;
    }
    qsort(keys + to, (size_t)n, sizeof *keys, by_key);
    for (int64_t a = 0; a < n; a++) {
      int64_t p = from + (int64_t)(keys[to + a] & UINT32_MAX);
      if (classes != NULL) classes[to + a] = pass->pair_classes[p];
      if (edges == NULL) continue;
      memcpy(edges + (to + a) * width, pass->edges + p * width, (size_t)width * sizeof *edges);
    }
  }
  heed__free(keys);
  if (classes != NULL) pass->pair_classes = classes;
  if (edges != NULL) pass->edges = edges;
  return HEED_OK;
}

/* The first `rows` rows of the mask in the new order. */
static heed_status order_mask(heed_pass *pass, const heed_mask *mask, int64_t rows) {
  int64_t pairs = 0;
  for (int64_t r = 0; r < rows; r++) {
    pairs += mask->indptr[pass->nodes[r] + 1] - mask->indptr[pass->nodes[r]];
  }
  int64_t *indptr = heed__alloc((size_t)(rows + 1), sizeof *indptr);
  int32_t *indices = heed__alloc((size_t)pairs, sizeof *indices);
  pass->mask_arrays[0] = indptr;
  pass->mask_arrays[1] = indices;
  if (indptr == NULL || indices == NULL) return HEED_NOMEM;
  indptr[0] = 0;
  for (int64_t r = 0; r < rows; r++) {
    int64_t from = mask->indptr[pass->nodes[r]], end = mask->indptr[pass->nodes[r] + 1];
    int32_t *row = indices + indptr[r];
    for (int64_t a = 0; a < end - from; a++) row[a] = pass->place[heed__mask_key(mask, pass->nodes[r], a)];
    qsort(row, (size_t)(end - from), sizeof *row, ascending);
    indptr[r + 1] = indptr[r] + (end - from);
  }
  pass->groups->mask = (heed_mask){.n_queries = rows,
                           .n_keys = pass->n_nodes,
                           .n_pairs = pairs,
                           .indptr = indptr,
                           .indices = indices};
  return order_pairs(pass, mask, &pass->groups->mask);
}

static heed_status order_dense(heed_pass *pass, int64_t rows) {
  const heed_matrix *x = pass->dense;
  int64_t numbers;
  if (__builtin_mul_overflow(rows, x->cols, &numbers)) {
    return heed__fail(HEED_OVERFLOW, "pass: %lld rows of %lld features do not fit", (long long)rows,
                      (long long)x->cols);
  }
  float *data = heed__alloc((size_t)numbers, sizeof *data);
  pass->feature_arrays[0] = data;
  if (data == NULL) return HEED_NOMEM;
  heed__dense_rows(x, pass->nodes, rows, data);
  pass->ordered_dense = heed_matrix_view(data, rows, x->cols);
  pass->dense = &pass->ordered_dense;
  return HEED_OK;
}

static heed_status order_sparse(heed_pass *pass, int64_t rows) {
  const heed_csr *x = pass->sparse;
  int64_t n = heed__csr_count(x, pass->nodes, rows);
  int64_t *indptr = heed__alloc((size_t)(rows + 1), sizeof *indptr);
  int32_t *indices = heed__alloc((size_t)n, sizeof *indices);
  float *values = x->values == NULL ? NULL : heed__alloc((size_t)n, sizeof *values);
  pass->feature_arrays[0] = indptr;
  pass->feature_arrays[1] = indices;
  pass->feature_arrays[2] = values;
  if (indptr == NULL || indices == NULL || (values == NULL && x->values != NULL)) {
    return HEED_NOMEM;
  }
  heed__csr_rows(x, pass->nodes, rows, indptr, indices, values);
  pass->ordered_sparse = (heed_csr){
      .rows = rows, .cols = x->cols, .indptr = indptr, .indices = indices, .values = values};
  pass->sparse = &pass->ordered_sparse;
  return HEED_OK;
}

/* Most steps that count; whoever is further away needs everything. */
enum { MOST_HOPS = HEED_MAX_HOPS };

/* Graphs are pooled whole, and so is a context. */
static bool pools(const heed_pass *pass) {
  for (int l = 0; l < pass->model->n_layers; l++) {
    heed_value out = pass->model->layers[l].output;
    if (pass->steps[l].live && pass->model->values[out].per_graph != 0) return true;
  }
  return false;
}

/* The most steps that any value is away, of those that count; the others are needed whole. */
static int most_hops(heed_pass *pass, bool *all) {
  int hops = 0;
  *all = false;
  for (int v = 0; v < pass->model->n_values; v++) {
    int of = pass->slots[v].hops;
    if (of > MOST_HOPS) {
      *all = true;
      pass->slots[v].hops = HEED__ALL;
    } else if (of > hops) {
      hops = of;
    }
  }
  return hops;
}

/* How many first nodes are within each number of steps of the first n_wanted, whichever heads see them. */
static void reach_first(const heed_pass *pass, int64_t n_wanted, int hops, int64_t *ends) {
  ends[0] = n_wanted;
  for (int h = 1; h <= hops; h++) {
    int64_t end = ends[h - 1], begin = h == 1 ? 0 : ends[h - 2];
    for (int g = 0; g < pass->n_groups; g++) {
      const heed_mask *mask = &pass->groups[g].mask;
      if (pass->groups[g].full_nodes > 0) end = pass->n_nodes;
      for (int64_t r = begin; mask->indptr != NULL && r < ends[h - 1]; r++) {
        if (mask->indptr[r] == mask->indptr[r + 1]) continue;
        int64_t last = heed__mask_key(mask, r, mask->indptr[r + 1] - mask->indptr[r] - 1) + 1;
        end = last > end ? last : end;
      }
    }
    ends[h] = end;
  }
}

/* Whether some masked layer's heads see all nodes. */
static bool some_full(const heed_pass *pass) {
  for (int g = 0; g < pass->n_groups; g++) {
    if (pass->groups[g].full_nodes > 0) return true;
  }
  return false;
}

static void take_rows(heed_pass *pass, const int64_t *ends, int known) {
  for (int v = 0; v < pass->model->n_values; v++) {
    heed__slot *slot = pass->slots + v;
    slot->rows = slot->hops > known ? pass->n_nodes : ends[slot->hops];
  }
}

/* Features of as many first nodes as are needed. */
static void take_features(heed_pass *pass) {
  if (pass->sparse != NULL) {
    pass->ordered_sparse = *pass->sparse;
    pass->ordered_sparse.rows = pass->slots[0].rows;
    pass->sparse = &pass->ordered_sparse;
  } else {
    pass->ordered_dense = *pass->dense;
    pass->ordered_dense.rows = pass->slots[0].rows;
    pass->dense = &pass->ordered_dense;
  }
}

static heed_status check_first(const heed_pass *pass) {
  if (pass->n_graphs == 1 && !pools(pass)) return HEED_OK;
  return heed__fail(HEED_ARGUMENT, "pass: first nodes are wanted of %lld graphs%s",
                    (long long)pass->n_graphs, pools(pass) ? ", which the model pools" : "");
}

heed_status heed__field_first(heed_pass *pass, int64_t n_wanted) {
  int64_t ends[MOST_HOPS + 1];
  bool all;
  HEED__TRY(check_first(pass));
  count_hops(pass, pass->groups->mask.indptr == NULL || some_full(pass));
  int hops = most_hops(pass, &all);
  reach_first(pass, n_wanted, hops, ends);
  take_rows(pass, ends, hops);
  take_features(pass);
  return HEED_OK;
}

heed_status heed__field_reserve(heed_pass *pass) {
  const heed_model_capacity *most = &pass->capacity;
  bool all;
  HEED__TRY(check_first(pass));
  count_hops(pass, false);
  (void)most_hops(pass, &all);
  take_rows(pass, most->ends, most->hops);
  return HEED_OK;
}

heed_status heed__field_bind(heed_pass *pass, int64_t n_wanted) {
  const heed_model_capacity *most = &pass->capacity;
  int64_t ends[MOST_HOPS + 1];
  bool all;
  if (pass->n_graphs != 1) return check_first(pass);
  int hops = most_hops(pass, &all);
  if (hops > 0 && some_full(pass)) {
    return heed__fail(HEED_ARGUMENT, "pass: first nodes are wanted under a full mask");
  }
  reach_first(pass, n_wanted, hops, ends);
  for (int h = 0; h <= hops && h <= most->hops; h++) {
    if (ends[h] <= most->ends[h]) continue;
    return heed__fail(HEED_SHAPE, "pass: %lld nodes within %d steps, but it is reserved for %lld",
                      (long long)ends[h], h, (long long)most->ends[h]);
  }
  take_rows(pass, ends, hops);
  take_features(pass);
  return HEED_OK;
}

heed_status heed__field_order(heed_pass *pass, const heed_mask *mask, const uint8_t *wanted) {
  const heed_model *model = pass->model;
  bool all;
  if (pools(pass) || pass->n_graphs != 1) return HEED_OK; /* graphs are pooled whole */
  count_hops(pass, mask == NULL || heed_mask_is_full(mask));
  int hops = most_hops(pass, &all);
  pass->nodes = heed__alloc((size_t)pass->n_nodes, sizeof *pass->nodes);
  pass->place = heed__alloc((size_t)pass->n_nodes, sizeof *pass->place);
  if (pass->nodes == NULL || pass->place == NULL) return HEED_NOMEM;
  int64_t ends[MOST_HOPS + 1], queries = 0;
  reach(pass, mask, wanted, hops, all, ends);
  for (int v = 0; v < model->n_values; v++) {
    heed__slot *slot = pass->slots + v;
    slot->rows = slot->hops == HEED__ALL ? pass->n_nodes : ends[slot->hops];
  }
  bool masked = false;
  for (int l = 0; l < model->n_layers; l++) {
    const heed__layer *layer = model->layers + l;
    if (!pass->steps[l].live || layer->kind != HEED__ATTENTION ||
        layer->scope != HEED_SCOPE_MASKED) {
      continue;
    }
    masked = true;
    int64_t rows = pass->slots[layer->output].rows;
    queries = rows > queries ? rows : queries;
  }
  if (masked && !heed_mask_is_full(mask)) HEED__TRY(order_mask(pass, mask, queries));
  int64_t rows = pass->slots[0].rows;
  return pass->sparse != NULL ? order_sparse(pass, rows) : order_dense(pass, rows);
}
