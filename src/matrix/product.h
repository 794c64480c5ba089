/* Single-threaded products for kernels that divide the work themselves. */
#ifndef HEED_SRC_MATRIX_PRODUCT_H
#define HEED_SRC_MATRIX_PRODUCT_H

#include <heed/base.h>
#include <stdbool.h>

/* c[m, n] = alpha op(a)[m, k] op(b)[k, n] + beta c, row-major, lda, ldb, ldc numbers from one row
 * of the stored array to the next. Called inside a parallel region it uses the calling thread
 * alone; the same call gives the same bits. With beta 0, c need not be initialised. */
heed_status heed__product(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k,
                          float alpha, const float *a, int64_t lda, const float *b, int64_t ldb,
                          float beta, float *c, int64_t ldc);

/* The same, plainly: always built, and what a build without a matrix library uses. */
heed_status heed__product_reference(bool transpose_a, bool transpose_b, int64_t m, int64_t n,
                                    int64_t k, float alpha, const float *a, int64_t lda,
                                    const float *b, int64_t ldb, float beta, float *c,
                                    int64_t ldc);

#endif
