/* The pairs of a mask of any form, row by row. */
#ifndef HEED_SRC_ENCODING_PAIRS_H
#define HEED_SRC_ENCODING_PAIRS_H

#include <heed/mask.h>

/* The numbers of the pairs of row i: from *first on; how many. */
static inline int64_t heed__row(const heed_mask *mask, int64_t i, int64_t *first) {
  *first = mask->indptr == NULL ? i * mask->n_keys : mask->indptr[i];
  return mask->indptr == NULL ? mask->n_keys : mask->indptr[i + 1] - *first;
}

/* The key of pair p, number `a` of row i. */
static inline int64_t heed__key(const heed_mask *mask, int64_t i, int64_t p, int64_t a) {
  if (mask->indptr == NULL) return a;
  return mask->starts != NULL ? mask->starts[i] + a : mask->indices[p];
}

#endif
