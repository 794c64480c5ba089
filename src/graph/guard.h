/* Calling igraph without letting it print or abort. */
#ifndef HEED_SRC_GRAPH_GUARD_H
#define HEED_SRC_GRAPH_GUARD_H

#include <heed/graph.h>

#include "graph/igraph_compat.h"

typedef heed_status heed__igraph_work(void *context);

/* Runs work(context) with Heed's error, warning and fatal handlers, a fresh default generator made
 * from `seed`, and the C locale; puts all back. igraph's C attribute table is set, for good, if
 * there is none. What igraph calls fatal ends `work` at once and comes back as HEED_LIBRARY, so
 * whatever `work` allocates must hang on `context`, for the caller to free. */
heed_status heed__igraph_call(heed__igraph_work *work, void *context, uint64_t seed);

/* Only inside `work`: the status of a call to igraph. If it failed, `otherwise` (or HEED_NOMEM),
 * with a message of `what` and igraph's reason. */
heed_status heed__igraph_status(igraph_error_t error, heed_status otherwise, const char *what);

/* Whether the C attribute functions understand this graph; else HEED_UNSUPPORTED. */
heed_status heed__igraph_attributes(const igraph_t *graph);

/* The ends of edge e: as igraph_edge() has them. */
static inline void heed__edge_ends(const igraph_t *graph, bool directed, int64_t e, int64_t *from,
                                   int64_t *to) {
  int64_t first = IGRAPH_FROM(graph, e), second = IGRAPH_TO(graph, e);
  *from = directed ? first : second; /* igraph keeps the larger end of an undirected edge first */
  *to = directed ? second : first;
}

#endif
