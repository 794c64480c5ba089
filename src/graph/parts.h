/* The connected components of a square mask, whatever the direction of its pairs. */
#ifndef HEED_SRC_GRAPH_PARTS_H
#define HEED_SRC_GRAPH_PARTS_H

#include <heed/mask.h>
#include <stdbool.h>

/* Components, numbered by their first nodes: nodes of part c, ascending, are nodes[start[c] .. start[c + 1]). */
typedef struct heed__parts {
  int64_t count;
  int32_t *part;  /* [n] of each node */
  int32_t *nodes; /* [n] */
  int64_t *start; /* [count + 1] */
} heed__parts;

/* Of a mask whose pairs are listed. heed__parts_free() ends it, also after failure. */
heed_status heed__parts_find(heed__parts *parts, const heed_mask *mask);
void heed__parts_free(heed__parts *parts);

/* Whether every pair is there in both directions; the mask's pairs are listed. */
heed_status heed__mask_is_symmetric(const heed_mask *mask, bool *symmetric);

/* A square mask of listed pairs in both directions and without edges: itself, without a copy, or `room`,
 * which is to be freed either way. */
heed_status heed__mask_both(const heed_mask *mask, heed_mask *room, heed_mask *both);

#endif
