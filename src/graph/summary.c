#include <heed/graph.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "graph/guard.h"
#include "graph/parts.h"

static int by_value(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

/* Edges beyond the first between the same ends: what merging takes away; and components. */
static heed_status count_pairs(const igraph_t *graph, heed_graph_summary *summary) {
  heed_mask mask;
  HEED__TRY(heed_mask_from_graph(&mask, graph, HEED_DIRECTION_OUT, HEED_LOOPS_KEEP));
  int64_t loops = 0; /* merged */
  for (int64_t i = 0; i < mask.n_queries; i++) {
    for (int64_t p = mask.indptr[i]; p < mask.indptr[i + 1]; p++) loops += mask.indices[p] == i;
  }
  int64_t distinct = summary->directed ? mask.n_pairs : (mask.n_pairs - loops) / 2 + loops;
  summary->multi_edges = summary->edges - distinct;
  heed__parts parts;
  heed_status status = heed__parts_find(&parts, &mask);
  if (status == HEED_OK) summary->components = parts.count;
  heed__parts_free(&parts);
  heed_mask_free(&mask);
  return status;
}

static void describe(const igraph_t *graph, heed_graph_summary *summary, int64_t *degree) {
  int64_t n = summary->nodes;
  for (int64_t e = 0; e < summary->edges; e++) {
    int64_t from, to;
    heed__edge_ends(graph, summary->directed, e, &from, &to);
    degree[from]++;
    degree[to]++;
    summary->loops += from == to;
  }
  if (n == 0) return;
  qsort(degree, (size_t)n, sizeof *degree, by_value);
  summary->min_degree = degree[0];
  summary->max_degree = degree[n - 1];
  summary->median_degree = ((double)degree[(n - 1) / 2] + (double)degree[n / 2]) / 2;
  summary->mean_degree = 2 * (double)summary->edges / (double)n;
  while (summary->isolated < n && degree[summary->isolated] == 0) summary->isolated++;
  if (n < 2) return;
  double possible = (double)n * (double)(n - 1) / (summary->directed ? 1 : 2);
  summary->density = (double)summary->edges / possible;
}

heed_status heed_graph_summarise(const igraph_t *graph, heed_graph_summary *summary) {
  memset(summary, 0, sizeof *summary);
  summary->nodes = igraph_vcount(graph);
  summary->edges = igraph_ecount(graph);
  summary->directed = igraph_is_directed(graph);
  HEED__TRY(count_pairs(graph, summary));
  int64_t *degree = heed__alloc_zero((size_t)summary->nodes, sizeof *degree);
  if (degree == NULL) return HEED_NOMEM;
  describe(graph, summary, degree);
  heed__free(degree);
  return HEED_OK;
}

heed_status heed_graph_homophily(const igraph_t *graph, const int32_t *labels, double *homophily) {
  bool directed = igraph_is_directed(graph);
  int64_t n_edges = igraph_ecount(graph), counted = 0, same = 0;
  for (int64_t e = 0; e < n_edges; e++) {
    int64_t from, to;
    heed__edge_ends(graph, directed, e, &from, &to);
    if (from == to || labels[from] < 0 || labels[to] < 0) continue;
    counted++;
    same += labels[from] == labels[to];
  }
  *homophily = counted > 0 ? (double)same / (double)counted : (double)NAN;
  return HEED_OK;
}
