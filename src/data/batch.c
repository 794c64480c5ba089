/* Some graphs of a collection side by side, as a model takes them. */
#include <heed/data.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "mask/mask.h"

/* A mask: the one of all heads, or that of a group of them. */
typedef struct part {
  heed_mask all;      /* of the whole collection, the caller's arrays */
  int64_t first_pair; /* of the caller's features and classes of pairs, which lie mask after mask */
  int64_t most_pairs; /* of a batch */
  bool runs;          /* the masks of batches are of runs: `all` is, or it is full */
  int64_t *indptr;    /* of the batch at hand, as the next two */
  int32_t *keys;      /* indices, or starts */
  heed_mask mask;
} part;

struct heed_batch {
  const heed_collection *collection;
  int64_t most;
  part *parts; /* [n_parts] */
  int n_parts;
  bool by_heads;
  const heed_mask **masks; /* [n_parts] of the batch at hand, */
  int32_t *heads;          /* and the heads that see it */
  heed_model_capacity room;
  int64_t room_pairs;      /* of all masks */
  heed_matrix edges;       /* of all pairs, the caller's; data NULL: those of the collection's edges, if any */
  const int32_t *all_classes; /* likewise; NULL: none */
  float *x;
  float *edge_x; /* NULL: pairs have no features */
  int32_t *classes;
  int64_t *graph_ptr;
  heed_matrix x_view, edge_view;
  heed_model_inputs inputs;
};

/* Every pair within a graph. */
static heed_status check_mask(const heed_collection *c, const heed_mask *mask) {
  int64_t nodes = heed_collection_nodes(c), graphs = heed_collection_graphs(c);
  const int64_t *ptr = heed_collection_graph_ptr(c);
  if (mask->n_queries != nodes || mask->n_keys != nodes) {
    return heed__fail(HEED_SHAPE,
                      "a mask of %lld queries and %lld keys for a collection of %lld nodes",
                      (long long)mask->n_queries, (long long)mask->n_keys, (long long)nodes);
  }
  for (int64_t g = 0; g < graphs; g++) {
    for (int64_t i = ptr[g]; i < ptr[g + 1]; i++) {
      int64_t n = heed__mask_first_pair(mask, i + 1) - heed__mask_first_pair(mask, i);
      if (n == 0) continue;
      int64_t first = mask->indptr == NULL   ? 0
                      : mask->starts != NULL ? mask->starts[i]
                                             : mask->indices[mask->indptr[i]];
      int64_t last = mask->indptr == NULL || mask->starts != NULL
                         ? first + n - 1
                         : mask->indices[mask->indptr[i] + n - 1];
      if (first >= ptr[g] && last < ptr[g + 1]) continue;
      return heed__fail(HEED_SHAPE,
                        "node %lld sees node %lld, but its graph %lld has the nodes %lld to %lld",
                        (long long)i, (long long)(first < ptr[g] ? first : last), (long long)g,
                        (long long)ptr[g], (long long)ptr[g + 1] - 1);
    }
  }
  if (mask->edge_ids == NULL || heed_collection_edge_features(c) == 0) return HEED_OK;
  int64_t edges = heed_collection_edge_count(c);
  for (int64_t p = 0; p < mask->n_pairs; p++) {
    int64_t edge = mask->edge_ids[mask->edge_ptr == NULL ? p : mask->edge_ptr[p]];
    if (edge < edges) continue;
    return heed__fail(HEED_RANGE, "pair %lld of the mask is of edge %lld, but the collection has %lld",
                      (long long)p, (long long)edge, (long long)edges);
  }
  return HEED_OK;
}

/* The sum of the k largest of the n sizes between the n + 1 numbers `sizes`; `sorted` [k] is for it
 * to use. */
static int64_t sum_of_largest(const int64_t *sizes, int64_t n, int64_t k, int64_t *sorted) {
  /* Heap of the k largest: the smallest of them on top. */
  int64_t held = 0, sum = 0;
  for (int64_t i = 0; i < n; i++) {
    int64_t size = sizes[i + 1] - sizes[i], at;
    if (held < k) {
      for (at = held++; at > 0 && sorted[(at - 1) / 2] > size; at = (at - 1) / 2) {
        sorted[at] = sorted[(at - 1) / 2];
      }
    } else if (size <= sorted[0]) {
      continue;
    } else {
      sum -= sorted[0];
      at = 0;
      for (int64_t child; (child = 2 * at + 1) < held; at = child) {
        if (child + 1 < held && sorted[child + 1] < sorted[child]) child++;
        if (sorted[child] >= size) break;
        sorted[at] = sorted[child];
      }
    }
    sorted[at] = size;
    sum += size;
  }
  return sum;
}

/* How many nodes the largest graphs have together, and pairs in each mask. */
static heed_status measure(heed_batch *batch) {
  const int64_t *ptr = heed_collection_graph_ptr(batch->collection);
  int64_t graphs = heed_collection_graphs(batch->collection);
  int64_t *sorted = heed__alloc((size_t)batch->most, sizeof *sorted);
  int64_t *pairs = heed__alloc((size_t)graphs + 1, sizeof *pairs);
  heed_status status = sorted == NULL || pairs == NULL ? HEED_NOMEM : HEED_OK;
  if (status == HEED_OK) {
    batch->room.n_graphs = batch->most;
    batch->room.n_nodes = sum_of_largest(ptr, graphs, batch->most, sorted);
    batch->room.n_head_masks = batch->by_heads ? batch->n_parts : 0;
  }
  for (int k = 0; status == HEED_OK && k < batch->n_parts; k++) {
    part *one = batch->parts + k;
    for (int64_t g = 0; g <= graphs; g++) pairs[g] = heed__mask_first_pair(&one->all, ptr[g]);
    one->most_pairs = sum_of_largest(pairs, graphs, batch->most, sorted);
    batch->room_pairs += one->most_pairs;
    if (batch->by_heads) {
      batch->room.mask_heads[k] = batch->heads[k];
      batch->room.head_pairs[k] = one->most_pairs;
    } else {
      batch->room.n_pairs = one->most_pairs;
    }
  }
  heed__free(pairs);
  heed__free(sorted);
  return status;
}

static heed_status reserve_part(part *one, size_t nodes) {
  one->indptr = heed__alloc(nodes + 1, sizeof *one->indptr);
  one->keys = heed__alloc(one->runs ? nodes : (size_t)one->most_pairs, sizeof *one->keys);
  if (one->indptr == NULL || one->keys == NULL) return HEED_NOMEM;
  one->indptr[0] = 0;
  one->mask.indptr = one->indptr;
  if (one->runs) {
    one->mask.starts = one->keys;
  } else {
    one->mask.indices = one->keys;
  }
  return HEED_OK;
}

/* Features of a pair: the caller's, or those of its edge where every mask knows of edges. */
static int64_t features_of_pairs(const heed_batch *batch) {
  bool known = true;
  if (batch->edges.data != NULL) return batch->edges.cols;
  for (int k = 0; k < batch->n_parts; k++) known = known && batch->parts[k].all.edge_ids != NULL;
  return known ? heed_collection_edge_features(batch->collection) : 0;
}

static heed_status reserve(heed_batch *batch) {
  size_t nodes = (size_t)batch->room.n_nodes, pairs = (size_t)batch->room_pairs;
  int64_t features = heed_collection_features(batch->collection);
  int64_t edge_features = features_of_pairs(batch);
  heed_model_inputs *inputs = &batch->inputs;
  size_t n;
  if (!heed__multiply(nodes, (size_t)features, &n)) n = SIZE_MAX;
  batch->x = heed__alloc(n, sizeof *batch->x);
  batch->graph_ptr = heed__alloc((size_t)batch->most + 1, sizeof *batch->graph_ptr);
  if (batch->x == NULL || batch->graph_ptr == NULL) return HEED_NOMEM;
  batch->x_view = heed_matrix_view(batch->x, 0, features);
  inputs->dense = features > 0 ? &batch->x_view : NULL;
  inputs->graph_ptr = batch->graph_ptr;
  batch->graph_ptr[0] = 0;
  if (batch->n_parts == 0) return HEED_OK;
  for (int k = 0; k < batch->n_parts; k++) {
    HEED__TRY(reserve_part(batch->parts + k, nodes));
    batch->masks[k] = &batch->parts[k].mask;
  }
  if (batch->by_heads) {
    inputs->n_head_masks = batch->n_parts;
    inputs->head_masks = batch->masks;
    inputs->mask_heads = batch->heads;
  } else {
    inputs->mask = batch->masks[0];
  }
  if (batch->all_classes != NULL) {
    inputs->pair_classes = batch->classes = heed__alloc(pairs, sizeof *batch->classes);
    if (batch->classes == NULL) return HEED_NOMEM;
  }
  if (edge_features == 0) return HEED_OK;
  if (!heed__multiply(pairs, (size_t)edge_features, &n)) n = SIZE_MAX;
  batch->edge_x = heed__alloc(n, sizeof *batch->edge_x);
  if (batch->edge_x == NULL) return HEED_NOMEM;
  batch->edge_view = heed_matrix_view(batch->edge_x, 0, edge_features);
  inputs->edges = &batch->edge_view;
  return HEED_OK;
}

/* The masks of `pairs`, checked: how many pairs they have goes to *n. */
static heed_status take_masks(heed_batch *batch, const heed_model_inputs *pairs, int64_t *n) {
  *n = 0;
  for (int k = 0; k < batch->n_parts; k++) {
    const heed_mask *mask = batch->by_heads ? pairs->head_masks[k] : pairs->mask;
    part *one = batch->parts + k;
    if (mask == NULL) return heed__fail(HEED_ARGUMENT, "a batch: group %d of heads has no mask", k);
    if (batch->by_heads && pairs->mask_heads[k] < 1) {
      return heed__fail(HEED_RANGE, "a batch: group %d has %d heads, at least 1", k,
                        (int)pairs->mask_heads[k]);
    }
    HEED__TRY(check_mask(batch->collection, mask));
    *one = (part){.all = *mask,
                  .first_pair = *n,
                  .runs = mask->indptr == NULL || mask->starts != NULL};
    batch->heads[k] = batch->by_heads ? pairs->mask_heads[k] : 0;
    if (__builtin_add_overflow(*n, mask->n_pairs, n)) {
      return heed__fail(HEED_OVERFLOW, "a batch: the masks of heads have more than 2^63 - 1 pairs");
    }
  }
  return HEED_OK;
}

static heed_status take_pairs_of(heed_batch *batch, const heed_model_inputs *pairs) {
  int64_t n;
  if (pairs == NULL) return HEED_OK;
  batch->by_heads = pairs->n_head_masks != 0;
  batch->n_parts = batch->by_heads ? pairs->n_head_masks : pairs->mask != NULL;
  if (batch->n_parts < 0 || batch->n_parts > HEED_MAX_HEAD_MASKS) {
    int given = batch->n_parts;
    batch->n_parts = 0;
    return heed__fail(HEED_RANGE, "a batch: %d masks of heads, not 0 to %d", given, HEED_MAX_HEAD_MASKS);
  }
  if (batch->by_heads && (pairs->mask != NULL || pairs->head_masks == NULL || pairs->mask_heads == NULL)) {
    return heed__fail(HEED_ARGUMENT, "a batch: %d masks of heads %s", batch->n_parts,
                      pairs->mask != NULL ? "beside a mask of all heads" : "without the masks or the heads");
  }
  size_t parts = (size_t)batch->n_parts;
  batch->parts = heed__alloc_zero(parts, sizeof *batch->parts);
  batch->masks = heed__alloc(parts, sizeof *batch->masks);
  batch->heads = heed__alloc(parts, sizeof *batch->heads);
  if (batch->parts == NULL || batch->masks == NULL || batch->heads == NULL) return HEED_NOMEM;
  HEED__TRY(take_masks(batch, pairs, &n));
  batch->all_classes = pairs->pair_classes;
  if (pairs->edges == NULL) return HEED_OK;
  batch->edges = *pairs->edges;
  if (batch->edges.rows == n && (batch->edges.data != NULL || n == 0)) return HEED_OK;
  return heed__fail(HEED_SHAPE, "a batch: features of %lld pairs, but the mask has %lld",
                    (long long)batch->edges.rows, (long long)n);
}

heed_status heed_batch_new(heed_batch **batch, const heed_collection *collection,
                           const heed_model_inputs *pairs, int64_t most) {
  *batch = NULL;
  int64_t graphs = heed_collection_graphs(collection);
  if (most < 1) return heed__fail(HEED_RANGE, "a batch of %lld graphs", (long long)most);
  if (most > graphs) most = graphs;
  heed_batch *made = heed__alloc_zero(1, sizeof *made);
  if (made == NULL) return HEED_NOMEM;
  made->collection = collection;
  made->most = most;
  heed_status status = take_pairs_of(made, pairs);
  if (status == HEED_OK) status = measure(made);
  if (status == HEED_OK) status = reserve(made);
  if (status != HEED_OK) {
    heed_batch_free(made);
    return status;
  }
  *batch = made;
  return HEED_OK;
}

void heed_batch_free(heed_batch *batch) {
  if (batch == NULL) return;
  for (int k = 0; batch->parts != NULL && k < batch->n_parts; k++) {
    heed__free(batch->parts[k].indptr);
    heed__free(batch->parts[k].keys);
  }
  heed__free(batch->parts);
  heed__free(batch->masks);
  heed__free(batch->heads);
  heed__free(batch->x);
  heed__free(batch->edge_x);
  heed__free(batch->classes);
  heed__free(batch->graph_ptr);
  heed__free(batch);
}

heed_model_capacity heed_batch_capacity(const heed_batch *batch) { return batch->room; }

/* Features of the pairs [first, end) of a whole mask, to pair `to` of the batch on. */
static void take_edges(const heed_batch *batch, const part *one, int64_t first, int64_t end,
                       int64_t to) {
  const heed_matrix *from = batch->edges.data != NULL
                                ? &batch->edges
                                : heed_collection_edge_matrix(batch->collection);
  const int64_t *edge_ptr = one->all.edge_ptr, *ids = one->all.edge_ids;
  int64_t cols = from->cols;
  float *out = batch->edge_x + to * cols;
  for (int64_t p = first; p < end; p++, out += cols) {
    int64_t row = batch->edges.data != NULL ? one->first_pair + p : ids[edge_ptr == NULL ? p : edge_ptr[p]];
    if (row < 0) { /* a pair without an edge */
      memset(out, 0, (size_t)cols * sizeof *out);
      continue;
    }
    const float *x = from->data + row * from->stride;
    for (int64_t c = 0; c < cols; c++) out[c] = x[c];
  }
}

/* Pairs of the nodes [first, end) of the collection, which are nodes `node` on of the batch; its masks before have
 * `before` pairs. Returns how many pairs this one has then. */
static int64_t take_pairs(heed_batch *batch, part *one, int64_t first, int64_t end, int64_t node,
                          int64_t before, int64_t pairs) {
  const heed_mask *all = &one->all;
  int64_t from = heed__mask_first_pair(all, first), stop = heed__mask_first_pair(all, end);
  int32_t shift = (int32_t)(node - first);
  if (batch->edge_x != NULL) take_edges(batch, one, from, stop, before + pairs);
  if (batch->classes != NULL) {
    memcpy(batch->classes + before + pairs, batch->all_classes + one->first_pair + from,
           (size_t)(stop - from) * sizeof *batch->classes);
  }
  int64_t *indptr = one->indptr + node + 1;
  for (int64_t i = first; i < end; i++) *indptr++ = pairs + heed__mask_first_pair(all, i + 1) - from;
  if (all->indptr == NULL) {
    for (int64_t i = 0; i < end - first; i++) one->keys[node + i] = shift;
  } else if (one->runs) {
    for (int64_t i = 0; i < end - first; i++) {
      /* A row that sees nothing may begin anywhere. */
      bool none = all->indptr[first + i] == all->indptr[first + i + 1];
      one->keys[node + i] = none ? 0 : all->starts[first + i] + shift;
    }
  } else {
    const int32_t *keys = all->indices + from;
    int32_t *out = one->keys + pairs;
    for (int64_t p = 0; p < stop - from; p++) out[p] = keys[p] + shift;
  }
  return pairs + stop - from;
}

/* Whether there is room for the graphs: graphs that are all another have it, the same one twice may not. */
static heed_status check_taken(const heed_batch *batch, const int64_t *graphs, int64_t n) {
  const heed_collection *c = batch->collection;
  const int64_t *ptr = heed_collection_graph_ptr(c);
  int64_t nodes = 0;
  if (n < 0 || n > batch->most) {
    return heed__fail(HEED_RANGE, "%lld graphs in a batch of %lld at most", (long long)n,
                      (long long)batch->most);
  }
  for (int64_t i = 0; i < n; i++) {
    if (graphs[i] < 0 || graphs[i] >= heed_collection_graphs(c)) {
      return heed__fail(HEED_RANGE, "graph %lld of %lld", (long long)graphs[i],
                        (long long)heed_collection_graphs(c));
    }
    nodes += ptr[graphs[i] + 1] - ptr[graphs[i]];
  }
  for (int k = 0; k < (batch->n_parts > 0 ? batch->n_parts : 1); k++) {
    int64_t pairs = 0, most = batch->n_parts > 0 ? batch->parts[k].most_pairs : 0;
    for (int64_t i = 0; i < n && batch->n_parts > 0; i++) {
      const heed_mask *all = &batch->parts[k].all;
      pairs += heed__mask_first_pair(all, ptr[graphs[i] + 1]) - heed__mask_first_pair(all, ptr[graphs[i]]);
    }
    if (nodes <= batch->room.n_nodes && pairs <= most) continue;
    return heed__fail(HEED_RANGE, "%lld nodes and %lld pairs in a batch of %lld and %lld at most",
                      (long long)nodes, (long long)pairs, (long long)batch->room.n_nodes,
                      (long long)most);
  }
  return HEED_OK;
}

heed_status heed_batch_take(heed_batch *batch, const int64_t *graphs, int64_t n) {
  const heed_collection *c = batch->collection;
  const int64_t *ptr = heed_collection_graph_ptr(c);
  const heed_matrix *x = heed_collection_node_matrix(c);
  int64_t nodes = 0, before = 0;
  HEED__TRY(check_taken(batch, graphs, n));
  for (int64_t i = 0; i < n; i++) {
    int64_t first = ptr[graphs[i]], end = ptr[graphs[i] + 1];
    memcpy(batch->x + nodes * x->cols, x->data + first * x->cols,
           (size_t)((end - first) * x->cols) * sizeof *batch->x);
    nodes += end - first;
    batch->graph_ptr[i + 1] = nodes;
  }
  for (int k = 0; k < batch->n_parts; k++) {
    part *one = batch->parts + k;
    int64_t pairs = 0;
    for (int64_t i = 0; i < n; i++) {
      pairs = take_pairs(batch, one, ptr[graphs[i]], ptr[graphs[i] + 1], batch->graph_ptr[i], before,
                         pairs);
    }
    one->mask.n_queries = one->mask.n_keys = nodes;
    one->mask.n_pairs = pairs;
    before += pairs;
  }
  batch->x_view.rows = nodes;
  batch->edge_view.rows = before;
  batch->inputs.n_nodes = nodes;
  batch->inputs.n_graphs = n;
  return HEED_OK;
}

const heed_model_inputs *heed_batch_inputs(const heed_batch *batch) { return &batch->inputs; }
