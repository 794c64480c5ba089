#include <heed/matrix.h>
#include <math.h>

#include "base/status.h"
#include "matrix/product.h"

heed_matrix heed_matrix_view(float *data, int64_t rows, int64_t cols) {
  return (heed_matrix){.data = data, .rows = rows, .cols = cols, .stride = cols};
}

heed_status heed_check_finite(const float *x, int64_t n, const char *name) {
  for (int64_t i = 0; i < n; i++) {
    if (!isfinite(x[i])) {
      return heed__fail(HEED_VALUE, "%s: number %lld is %g, not finite", name, (long long)i,
                        (double)x[i]);
    }
  }
  return HEED_OK;
}

heed_status heed__matrix_check(const heed_matrix *x, const char *name) {
  if (x->rows < 0 || x->cols < 0 || x->stride < x->cols) {
    return heed__fail(HEED_SHAPE, "matrix %s: %lld rows, %lld columns, stride %lld", name,
                      (long long)x->rows, (long long)x->cols, (long long)x->stride);
  }
  return HEED_OK;
}

/* Rows of c in one block: fixed, so that the bits do not depend on the number of threads. */
enum { BLOCK_ROWS = 128 };

heed_status heed_matmul(bool transpose_a, bool transpose_b, float alpha, const heed_matrix *a,
                        const heed_matrix *b, float beta, heed_matrix *c) {
  HEED__TRY(heed__matrix_check(a, "a"));
  HEED__TRY(heed__matrix_check(b, "b"));
  HEED__TRY(heed__matrix_check(c, "c"));
  int64_t m = transpose_a ? a->cols : a->rows;
  int64_t k = transpose_a ? a->rows : a->cols;
  int64_t k_of_b = transpose_b ? b->cols : b->rows;
  int64_t n = transpose_b ? b->rows : b->cols;
  if (k != k_of_b || m != c->rows || n != c->cols) {
    return heed__fail(HEED_SHAPE, "product of [%lld, %lld] and [%lld, %lld] into [%lld, %lld]",
                      (long long)m, (long long)k, (long long)k_of_b, (long long)n,
                      (long long)c->rows, (long long)c->cols);
  }
  int64_t blocks = (m + BLOCK_ROWS - 1) / BLOCK_ROWS;
  heed_status result = HEED_OK;
#pragma omp parallel for schedule(dynamic, 1) num_threads(heed_threads())
  for (int64_t block = 0; block < blocks; block++) {
    int64_t first = block * BLOCK_ROWS;
    int64_t rows = m - first < BLOCK_ROWS ? m - first : BLOCK_ROWS;
    const float *from = a->data + (transpose_a ? first : first * a->stride);
    heed_status status =
        heed__product(transpose_a, transpose_b, rows, n, k, alpha, from, a->stride, b->data,
                      b->stride, beta, c->data + first * c->stride, c->stride);
    if (status != HEED_OK) {
#pragma omp atomic write
      result = status;
    }
  }
  if (result != HEED_OK) {
    return heed__fail(result, "the matrix library failed in a product of %lld x %lld x %lld",
                      (long long)m, (long long)n, (long long)k);
  }
  return HEED_OK;
}
