/* Single-threaded products for kernels that divide the work themselves. */
#ifndef HEED_SRC_MATRIX_PRODUCT_H
#define HEED_SRC_MATRIX_PRODUCT_H

#include <heed/matrix.h>
#include <stdbool.h>

/* HEED_SHAPE, naming the matrix, unless its sizes and its stride make sense. */
heed_status heed__matrix_check(const heed_matrix *x, const char *name);

/* c[m, n] = alpha op(a)[m, k] op(b)[k, n] + beta c, row-major, lda, ldb, ldc numbers from one row
 * of the stored array to the next. It uses the calling thread alone, inside of a parallel
 * region and outside; the same call gives the same bits. With beta 0, c need not be initialised. */
heed_status heed__product(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k,
                          float alpha, const float *a, int64_t lda, const float *b, int64_t ldb,
                          float beta, float *c, int64_t ldc);

/* The same, plainly: always built, and what a build without a matrix library uses. */
heed_status heed__product_reference(bool transpose_a, bool transpose_b, int64_t m, int64_t n,
                                    int64_t k, float alpha, const float *a, int64_t lda,
                                    const float *b, int64_t ldb, float beta, float *c,
                                    int64_t ldc);

#endif
