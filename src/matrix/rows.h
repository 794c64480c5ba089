/* Some rows of a matrix, as nodes number them. */
#ifndef HEED_SRC_MATRIX_ROWS_H
#define HEED_SRC_MATRIX_ROWS_H

#include <heed/matrix.h>

/* to[n, cols] = the rows nodes[n] of x. */
void heed__dense_rows(const heed_matrix *x, const int32_t *nodes, int64_t n, float *to);

/* How many numbers the rows nodes[n] of x hold. */
int64_t heed__csr_count(const heed_csr *x, const int32_t *nodes, int64_t n);

/* indptr[n + 1], indices and values [count]: these rows. `values` is not touched where x has none. */
void heed__csr_rows(const heed_csr *x, const int32_t *nodes, int64_t n, int64_t *indptr,
                    int32_t *indices, float *values);

#endif
