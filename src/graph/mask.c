#include "mask/mask.h"

#include <limits.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "graph/guard.h"

/* What edges give, sorted by key: those of key k are [start[k], start[k + 1]), in the order of
 * their edges. */
typedef struct entries {
  int64_t *start; /* [n + 2] */
  int32_t *query;
  int64_t *edge;  /* 4 * edge + origin */
} entries;

/* One thing that an edge says: `query` attends to `key`. */
typedef void visitor(entries *all, int64_t query, int64_t key, int64_t edge, heed_origin origin);

static inline void count(entries *all, int64_t query, int64_t key, int64_t edge,
                         heed_origin origin) {
  (void)query, (void)edge, (void)origin;
  all->start[key + 2]++;
}

/* start[key + 1] is where the next one goes: at the end, where those of the next key begin. */
static inline void place(entries *all, int64_t query, int64_t key, int64_t edge,
                         heed_origin origin) {
  int64_t at = all->start[key + 1]++;
  all->query[at] = (int32_t)query;
  all->edge[at] = 4 * edge + (int64_t)origin;
}

static inline __attribute__((always_inline)) void visit(entries *all, const igraph_t *graph,
                                                        heed_direction direction, bool drop,
                                                        visitor *each) {
  bool directed = igraph_is_directed(graph);
  bool forward = !directed || direction != HEED_DIRECTION_OUT;
  bool backward = !directed || direction != HEED_DIRECTION_IN;
  int64_t n_edges = igraph_ecount(graph);
  for (int64_t e = 0; e < n_edges; e++) {
    int64_t from, to;
    heed__edge_ends(graph, directed, e, &from, &to);
    if (from == to) {
      if (!drop) each(all, from, from, e, HEED_ORIGIN_LOOP);
    } else {
      if (forward) each(all, to, from, e, HEED_ORIGIN_FORWARD);
      if (backward) each(all, from, to, e, HEED_ORIGIN_BACKWARD);
    }
  }
}

/* The mask, row by row at once: keys come in ascending order, so that each row grows at its end. */
static heed_status write_mask(heed_mask *mask, const entries *all, int64_t n, bool add,
                              int64_t *next_pair, int64_t *next_edge, int32_t *last) {
  /* How many pairs a row has: entries of one query and key follow each other but for others. */
  int64_t n_pairs = 0, n_edges = 0;
  memset(next_pair, 0, (size_t)(n + 1) * sizeof *next_pair);
  memset(next_edge, 0, (size_t)(n + 1) * sizeof *next_edge);
  for (int64_t i = 0; i < n; i++) last[i] = -1;
  for (int64_t key = 0; key < n; key++) {
    for (int64_t at = all->start[key]; at < all->start[key + 1]; at++) {
      int32_t query = all->query[at];
      next_edge[query + 1]++;
      if (last[query] == key) continue;
      last[query] = (int32_t)key;
      next_pair[query + 1]++;
    }
    if (add && last[key] != key) {
      next_edge[key + 1]++;
      next_pair[key + 1]++;
    }
  }
  for (int64_t i = 0; i < n; i++) {
    n_pairs += next_pair[i + 1];
    n_edges += next_edge[i + 1];
    next_pair[i + 1] = n_pairs;
    next_edge[i + 1] = n_edges;
  }
  int64_t *indptr, *edge_ptr, *edge_ids;
  int32_t *indices;
  uint8_t *origins;
  bool many = n_edges > n_pairs;
  HEED__TRY(heed__mask_new(mask, n, n, n_pairs, n_edges, many, &indptr, &indices, &edge_ptr,
                           &edge_ids, &origins));
  memcpy(indptr, next_pair, (size_t)(n + 1) * sizeof *indptr);
  if (many) edge_ptr[n_pairs] = n_edges;
  for (int64_t i = 0; i < n; i++) last[i] = -1;
  for (int64_t key = 0; key < n; key++) {
    for (int64_t at = all->start[key]; at < all->start[key + 1]; at++) {
      int32_t query = all->query[at];
      int64_t edge = next_edge[query]++;
      if (last[query] != key) {
        last[query] = (int32_t)key;
        int64_t pair = next_pair[query]++;
        indices[pair] = (int32_t)key;
        if (many) edge_ptr[pair] = edge;
      }
      edge_ids[edge] = all->edge[at] / 4;
      origins[edge] = (uint8_t)(all->edge[at] % 4);
    }
    if (add && last[key] != key) {
      int64_t pair = next_pair[key]++, edge = next_edge[key]++;
      indices[pair] = (int32_t)key;
      if (many) edge_ptr[pair] = edge;
      edge_ids[edge] = -1;
      origins[edge] = HEED_ORIGIN_SELF;
    }
  }
  return HEED_OK;
}

static heed_status sort_entries(entries *all, const igraph_t *graph, heed_direction direction,
                                bool drop, int64_t n) {
  all->start = heed__alloc_zero((size_t)n + 2, sizeof *all->start);
  if (all->start == NULL) return HEED_NOMEM;
  visit(all, graph, direction, drop, count);
  for (int64_t i = 0; i < n; i++) all->start[i + 2] += all->start[i + 1];
  int64_t total = all->start[n + 1];
  all->query = heed__alloc((size_t)total, sizeof *all->query);
  all->edge = heed__alloc((size_t)total, sizeof *all->edge);
  if (all->query == NULL || all->edge == NULL) return HEED_NOMEM;
  visit(all, graph, direction, drop, place);
  return HEED_OK;
}

heed_status heed_mask_from_graph(heed_mask *mask, const igraph_t *graph, heed_direction direction,
                                 heed_loops loops) {
  memset(mask, 0, sizeof *mask);
  if ((int)direction < HEED_DIRECTION_IN || direction > HEED_DIRECTION_ALL) {
    return heed__fail(HEED_ARGUMENT, "direction %d: there is none such", (int)direction);
  }
  if ((int)loops < HEED_LOOPS_KEEP || loops > HEED_LOOPS_DROP) {
    return heed__fail(HEED_ARGUMENT, "loops %d: there is no such choice", (int)loops);
  }
  int64_t n = igraph_vcount(graph);
  if (n > INT32_MAX) {
    return heed__fail(HEED_RANGE, "the graph has %lld nodes, a mask at most %d", (long long)n,
                      INT32_MAX);
  }
  entries all = {NULL, NULL, NULL};
  heed_status status = sort_entries(&all, graph, direction, loops == HEED_LOOPS_DROP, n);
  int64_t *next_pair = NULL, *next_edge = NULL;
  int32_t *last = NULL;
  if (status == HEED_OK) {
    next_pair = heed__alloc((size_t)n + 1, sizeof *next_pair);
    next_edge = heed__alloc((size_t)n + 1, sizeof *next_edge);
    last = heed__alloc((size_t)n, sizeof *last);
    status = next_pair == NULL || next_edge == NULL || last == NULL
                 ? HEED_NOMEM
                 : write_mask(mask, &all, n, loops == HEED_LOOPS_ADD, next_pair, next_edge, last);
  }
  heed__free(last);
  heed__free(next_edge);
  heed__free(next_pair);
  heed__free(all.edge);
  heed__free(all.query);
  heed__free(all.start);
  return status;
}
