#include "graph/guard.h"

#include "base/status.h"

typedef struct edges_work {
  igraph_t *graph;
  igraph_vector_int_t ends;
  bool has_ends;
  int64_t n_nodes;
  const int64_t *edges;
  int64_t n_edges;
  bool directed;
} edges_work;

static heed_status create(void *context) {
  edges_work *work = context;
  HEED__TRY(heed__igraph_status(igraph_vector_int_init(&work->ends, (heed__int)(2 * work->n_edges)),
                                HEED_LIBRARY, "graph from edges"));
  work->has_ends = true;
  for (int64_t i = 0; i < 2 * work->n_edges; i++) {
    VECTOR(work->ends)[i] = (heed__int)work->edges[i];
  }
  return heed__igraph_status(igraph_create(work->graph, &work->ends, (heed__int)work->n_nodes,
                                           work->directed),
                             HEED_LIBRARY, "graph from edges");
}

heed_status heed_graph_from_edges(igraph_t *graph, int64_t n_nodes, const int64_t *edges,
                                  int64_t n_edges, bool directed) {
  if (n_nodes < 0 || n_nodes >= HEED__INT_MAX) {
    return heed__fail(HEED_RANGE, "%lld nodes: not between 0 and %lld", (long long)n_nodes,
                      (long long)HEED__INT_MAX - 1);
  }
  if (n_edges < 0 || n_edges > HEED__INT_MAX / 2) {
    return heed__fail(HEED_RANGE, "%lld edges: not between 0 and %lld", (long long)n_edges,
                      (long long)HEED__INT_MAX / 2);
  }
  for (int64_t i = 0; i < 2 * n_edges; i++) {
    if (edges[i] >= 0 && edges[i] < n_nodes) continue;
    return heed__fail(HEED_RANGE, "edge %lld: node %lld is not one of %lld", (long long)(i / 2),
                      (long long)edges[i], (long long)n_nodes);
  }
  edges_work work = {.graph = graph,
                     .n_nodes = n_nodes,
                     .edges = edges,
                     .n_edges = n_edges,
                     .directed = directed};
  heed_status status = heed__igraph_call(create, &work, 0);
  if (work.has_ends) igraph_vector_int_destroy(&work.ends);
  return status;
}

void heed_graph_destroy(igraph_t *graph) { igraph_destroy(graph); }

const char *heed_graph_library(void) {
  const char *version;
  igraph_version(&version, NULL, NULL, NULL);
  return version;
}
