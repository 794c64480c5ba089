/* Line graphs. */
#ifndef HEED_SRC_GRAPH_LINE_H
#define HEED_SRC_GRAPH_LINE_H

#include <heed/base.h>

/* The pairs of the edges[n_edges][2] between n_nodes nodes that share an end: pairs[n_pairs][2],
 * the larger number last, sorted by the larger one, then the smaller, each once. heed__free() ends
 * `pairs`.
 * @return HEED_RANGE, HEED_OVERFLOW for more than 2^31 - 1 pairs, HEED_NOMEM, HEED_LIBRARY */
heed_status heed__graph_line(int64_t n_nodes, const int64_t *edges, int64_t n_edges,
                             int64_t **pairs, int64_t *n_pairs);

#endif
