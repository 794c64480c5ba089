/* Some graphs of a collection side by side, as a model takes them. */
#include <heed/data.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"

struct heed_batch {
  const heed_collection *collection;
  heed_mask all; /* of the whole collection, the caller's arrays; n_queries 0: none */
  bool runs;     /* the masks of batches are of runs: `all` is, or it is full */
  int64_t most;
  heed_model_capacity room;
  float *x;
  float *edge_x; /* NULL: pairs have no features */
  int64_t *graph_ptr;
  int64_t *indptr;
  int32_t *keys; /* indices, or starts */
  heed_matrix x_view, edge_view;
  heed_mask mask;
  heed_model_inputs inputs;
};

/* Where the pairs of row i begin. */
static inline int64_t first_pair(const heed_mask *mask, int64_t i) {
  return mask->indptr != NULL ? mask->indptr[i] : i * mask->n_keys;
}

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
      int64_t n = first_pair(mask, i + 1) - first_pair(mask, i);
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

/* How many nodes and pairs the largest graphs have together. */
static heed_status measure(heed_batch *batch, const heed_mask *mask) {
  const int64_t *ptr = heed_collection_graph_ptr(batch->collection);
  int64_t graphs = heed_collection_graphs(batch->collection);
  int64_t *sorted = heed__alloc((size_t)batch->most, sizeof *sorted);
  if (sorted == NULL) return HEED_NOMEM;
  batch->room.n_graphs = batch->most;
  batch->room.n_nodes = sum_of_largest(ptr, graphs, batch->most, sorted);
  heed_status status = HEED_OK;
  if (mask != NULL) {
    int64_t *pairs = heed__alloc((size_t)graphs + 1, sizeof *pairs);
    if (pairs == NULL) status = HEED_NOMEM;
    if (status == HEED_OK) {
      for (int64_t g = 0; g <= graphs; g++) pairs[g] = first_pair(mask, ptr[g]);
      batch->room.n_pairs = sum_of_largest(pairs, graphs, batch->most, sorted);
    }
    heed__free(pairs);
  }
  heed__free(sorted);
  return status;
}

static heed_status reserve(heed_batch *batch) {
  size_t nodes = (size_t)batch->room.n_nodes, pairs = (size_t)batch->room.n_pairs;
  int64_t features = heed_collection_features(batch->collection);
  int64_t edge_features = heed_collection_edge_features(batch->collection);
  size_t n;
  if (!heed__multiply(nodes, (size_t)features, &n)) n = SIZE_MAX;
  batch->x = heed__alloc(n, sizeof *batch->x);
  batch->graph_ptr = heed__alloc((size_t)batch->most + 1, sizeof *batch->graph_ptr);
  if (batch->x == NULL || batch->graph_ptr == NULL) return HEED_NOMEM;
  batch->x_view = heed_matrix_view(batch->x, 0, features);
  batch->inputs.dense = features > 0 ? &batch->x_view : NULL;
  batch->inputs.graph_ptr = batch->graph_ptr;
  batch->graph_ptr[0] = 0;
  if (batch->all.n_queries == 0) return HEED_OK;
  batch->indptr = heed__alloc(nodes + 1, sizeof *batch->indptr);
  batch->keys = heed__alloc(batch->runs ? nodes : pairs, sizeof *batch->keys);
  if (batch->indptr == NULL || batch->keys == NULL) return HEED_NOMEM;
  batch->indptr[0] = 0;
  batch->mask.indptr = batch->indptr;
  if (batch->runs) {
    batch->mask.starts = batch->keys;
  } else {
    batch->mask.indices = batch->keys;
  }
  batch->inputs.mask = &batch->mask;
  if (batch->all.edge_ids == NULL || edge_features == 0) return HEED_OK;
  if (!heed__multiply(pairs, (size_t)edge_features, &n)) n = SIZE_MAX;
  batch->edge_x = heed__alloc(n, sizeof *batch->edge_x);
  if (batch->edge_x == NULL) return HEED_NOMEM;
  batch->edge_view = heed_matrix_view(batch->edge_x, 0, edge_features);
  batch->inputs.edges = &batch->edge_view;
  return HEED_OK;
}

heed_status heed_batch_new(heed_batch **batch, const heed_collection *collection,
                           const heed_mask *mask, int64_t most) {
  *batch = NULL;
  int64_t graphs = heed_collection_graphs(collection);
  if (most < 1) return heed__fail(HEED_RANGE, "a batch of %lld graphs", (long long)most);
  if (most > graphs) most = graphs;
  if (mask != NULL) HEED__TRY(check_mask(collection, mask));
  heed_batch *made = heed__alloc_zero(1, sizeof *made);
  if (made == NULL) return HEED_NOMEM;
  made->collection = collection;
  made->most = most;
  if (mask != NULL) {
    made->all = *mask;
    made->runs = mask->indptr == NULL || mask->starts != NULL;
  }
  heed_status status = measure(made, mask);
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
  heed__free(batch->x);
  heed__free(batch->edge_x);
  heed__free(batch->graph_ptr);
  heed__free(batch->indptr);
  heed__free(batch->keys);
  heed__free(batch);
}

heed_model_capacity heed_batch_capacity(const heed_batch *batch) { return batch->room; }

/* Features of the pairs [first, end) of the whole mask, to pair `to` of the batch on. */
static void take_edges(const heed_batch *batch, int64_t first, int64_t end, int64_t to) {
  const heed_matrix *from = heed_collection_edge_matrix(batch->collection);
  const int64_t *edge_ptr = batch->all.edge_ptr, *ids = batch->all.edge_ids;
  int64_t cols = from->cols;
  float *out = batch->edge_x + to * cols;
  for (int64_t p = first; p < end; p++, out += cols) {
    int64_t edge = ids[edge_ptr == NULL ? p : edge_ptr[p]];
    if (edge < 0) {
      memset(out, 0, (size_t)cols * sizeof *out);
      continue;
    }
    const float *row = from->data + edge * from->stride;
    for (int64_t c = 0; c < cols; c++) out[c] = row[c];
  }
}

/* Pairs of the nodes [first, end) of the collection, which are nodes `node` on of the batch.
 * Returns how many pairs the batch has then. */
static int64_t take_pairs(heed_batch *batch, int64_t first, int64_t end, int64_t node,
                          int64_t pairs) {
  const heed_mask *all = &batch->all;
  int64_t from = first_pair(all, first), stop = first_pair(all, end);
  int32_t shift = (int32_t)(node - first);
  if (batch->edge_x != NULL) take_edges(batch, from, stop, pairs);
  int64_t *indptr = batch->indptr + node + 1;
  for (int64_t i = first; i < end; i++) *indptr++ = pairs + first_pair(all, i + 1) - from;
  if (all->indptr == NULL) {
    for (int64_t i = 0; i < end - first; i++) batch->keys[node + i] = shift;
  } else if (batch->runs) {
    for (int64_t i = 0; i < end - first; i++) {
      /* A row that sees nothing may begin anywhere. */
      bool none = all->indptr[first + i] == all->indptr[first + i + 1];
      batch->keys[node + i] = none ? 0 : all->starts[first + i] + shift;
    }
  } else {
    const int32_t *keys = all->indices + from;
    int32_t *out = batch->keys + pairs;
    for (int64_t p = 0; p < stop - from; p++) out[p] = keys[p] + shift;
  }
  return pairs + stop - from;
}

heed_status heed_batch_take(heed_batch *batch, const int64_t *graphs, int64_t n) {
  const heed_collection *c = batch->collection;
  const int64_t *ptr = heed_collection_graph_ptr(c);
  bool masked = batch->inputs.mask != NULL;
  int64_t nodes = 0, pairs = 0;
  if (n < 0 || n > batch->most) {
    return heed__fail(HEED_RANGE, "%lld graphs in a batch of %lld at most", (long long)n,
                      (long long)batch->most);
  }
  for (int64_t i = 0; i < n; i++) {
    if (graphs[i] < 0 || graphs[i] >= heed_collection_graphs(c)) {
      return heed__fail(HEED_RANGE, "graph %lld of %lld", (long long)graphs[i],
                        (long long)heed_collection_graphs(c));
    }
    int64_t first = ptr[graphs[i]], end = ptr[graphs[i] + 1];
    nodes += end - first;
    if (masked) pairs += first_pair(&batch->all, end) - first_pair(&batch->all, first);
  }
  /* Graphs that are all another have room; the same one twice may not. */
  if (nodes > batch->room.n_nodes || pairs > batch->room.n_pairs) {
    return heed__fail(HEED_RANGE, "%lld nodes and %lld pairs in a batch of %lld and %lld at most",
                      (long long)nodes, (long long)pairs, (long long)batch->room.n_nodes,
                      (long long)batch->room.n_pairs);
  }
  const heed_matrix *x = heed_collection_node_matrix(c);
  nodes = pairs = 0;
  for (int64_t i = 0; i < n; i++) {
    int64_t first = ptr[graphs[i]], end = ptr[graphs[i] + 1];
    memcpy(batch->x + nodes * x->cols, x->data + first * x->cols,
           (size_t)((end - first) * x->cols) * sizeof *batch->x);
    if (masked) pairs = take_pairs(batch, first, end, nodes, pairs);
    nodes += end - first;
    batch->graph_ptr[i + 1] = nodes;
  }
  batch->x_view.rows = nodes;
  batch->edge_view.rows = pairs;
  batch->mask.n_queries = batch->mask.n_keys = nodes;
  batch->mask.n_pairs = pairs;
  batch->inputs.n_nodes = nodes;
  batch->inputs.n_graphs = n;
  return HEED_OK;
}

const heed_model_inputs *heed_batch_inputs(const heed_batch *batch) { return &batch->inputs; }
