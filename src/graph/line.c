#include "graph/line.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/status.h"
#include "graph/guard.h"

typedef struct work {
  const igraph_t *graph;
  igraph_t line;
} work;

static heed_status make_line(void *context) {
  work *w = context;
  return heed__igraph_status(igraph_linegraph(w->graph, &w->line), HEED_NOMEM, "line graph");
}

/* More than this many pairs would not do; igraph would try. */
static heed_status check_size(int64_t n_nodes, const int64_t *edges, int64_t n_edges) {
  int32_t *degree = heed__alloc_zero((size_t)n_nodes, sizeof *degree);
  if (degree == NULL) return HEED_NOMEM;
  double pairs = 0;
  for (int64_t i = 0; i < 2 * n_edges; i++) pairs += degree[edges[i]]++;
  heed__free(degree);
  if (pairs <= INT32_MAX) return HEED_OK;
  return heed__fail(HEED_OVERFLOW, "a line graph of %.0f edges; %d is the most", pairs, INT32_MAX);
}

static int compare_pairs(const void *a, const void *b) {
  const int64_t *x = a, *y = b;
  if (x[1] != y[1]) return x[1] < y[1] ? -1 : 1;
  return x[0] < y[0] ? -1 : x[0] > y[0];
}

heed_status heed__graph_line(int64_t n_nodes, const int64_t *edges, int64_t n_edges,
                             int64_t **pairs, int64_t *n_pairs) {
  igraph_t graph;
  *pairs = NULL;
  *n_pairs = 0;
  HEED__TRY(heed_graph_from_edges(&graph, n_nodes, edges, n_edges, false));
  work w = {.graph = &graph};
  heed_status status = check_size(n_nodes, edges, n_edges);
  if (status == HEED_OK) status = heed__igraph_call(make_line, &w, 0);
  heed_graph_destroy(&graph);
  HEED__TRY(status);
  int64_t n = igraph_ecount(&w.line), kept = 0;
  int64_t *made = heed__alloc((size_t)n, 2 * sizeof *made);
  for (int64_t e = 0; e < n && made != NULL; e++) {
    int64_t a, b;
    heed__edge_ends(&w.line, false, e, &a, &b);
    made[2 * e] = a < b ? a : b;
    made[2 * e + 1] = a < b ? b : a;
  }
  heed_graph_destroy(&w.line);
  if (made == NULL) return HEED_NOMEM;
  qsort(made, (size_t)n, 2 * sizeof *made, compare_pairs);
  /* Edges that share both ends, and self-loops, meet more than once. */
  for (int64_t e = 0; e < n; e++) {
    const int64_t *pair = made + 2 * e;
    if (pair[0] == pair[1] || (kept > 0 && compare_pairs(made + 2 * (kept - 1), pair) == 0))
      continue;
    made[2 * kept] = pair[0];
    made[2 * kept + 1] = pair[1];
    kept++;
  }
  *pairs = made;
  *n_pairs = kept;
  return HEED_OK;
}
