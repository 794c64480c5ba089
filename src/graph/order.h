/* Orders of nodes: what the methods share. */
#ifndef HEED_SRC_GRAPH_ORDER_H
#define HEED_SRC_GRAPH_ORDER_H

#include <heed/graph.h>

/* Each writes an order of the nodes of a square mask that is symmetric and knows nothing of edges;
 * pairs (i, i) are passed over. */
heed_status heed__order_rcm(const heed_mask *mask, int64_t *nodes);
heed_status heed__order_metis(const heed_mask *mask, int64_t *nodes);
heed_status heed__order_community(const heed_mask *mask, int64_t *nodes);

/* The parts of such a mask, 2 or more, by METIS: part[n_queries]. */
heed_status heed__partition_metis(const heed_mask *mask, int32_t parts, uint64_t seed,
                                  int32_t *part);

/* Nodes by number of keys they see, ascending or descending; equal ones as they were. */
heed_status heed__order_by_row(const heed_mask *mask, bool descending, int64_t *nodes);

#endif
