#include <heed/matrix.h>
#include <string.h>

#include "base/status.h"
#include "matrix/product.h"

heed_status heed_csr_check(const heed_csr *a) {
  if (a->rows < 0 || a->cols < 0) {
    return heed__fail(HEED_RANGE, "sparse matrix: %lld rows, %lld columns", (long long)a->rows,
                      (long long)a->cols);
  }
  if (a->indptr == NULL) return heed__fail(HEED_ARGUMENT, "sparse matrix: no row pointers");
  if (a->indptr[0] != 0) {
    return heed__fail(HEED_ARGUMENT, "sparse matrix: row 0 starts at %lld, not at 0",
                      (long long)a->indptr[0]);
  }
  for (int64_t i = 0; i < a->rows; i++) {
    if (a->indptr[i + 1] < a->indptr[i]) {
      return heed__fail(HEED_RANGE, "sparse matrix: row %lld ends at %lld, before its start %lld",
                        (long long)i, (long long)a->indptr[i + 1], (long long)a->indptr[i]);
    }
    if (a->indptr[i + 1] - a->indptr[i] > a->cols) { /* before any of them is read */
      return heed__fail(HEED_RANGE, "sparse matrix: row %lld has %lld numbers in %lld columns",
                        (long long)i, (long long)(a->indptr[i + 1] - a->indptr[i]),
                        (long long)a->cols);
    }
  }
  if (a->indices == NULL && a->indptr[a->rows] > 0) {
    return heed__fail(HEED_ARGUMENT, "sparse matrix: %lld numbers, but no column indices",
                      (long long)a->indptr[a->rows]);
  }
  for (int64_t i = 0; i < a->rows; i++) {
    int64_t last = -1;
    for (int64_t p = a->indptr[i]; p < a->indptr[i + 1]; p++) {
      int32_t j = a->indices[p];
      if (j < 0 || j >= a->cols) {
        return heed__fail(HEED_RANGE, "sparse matrix: row %lld has column %d of %lld", (long long)i,
                          j, (long long)a->cols);
      }
      if (j <= last) {
        return heed__fail(HEED_ARGUMENT, "sparse matrix: row %lld has column %d after %lld",
                          (long long)i, j, (long long)last);
      }
      last = j;
    }
  }
  return HEED_OK;
}

heed_status heed_csr_matmul(const heed_csr *a, const heed_matrix *b, heed_matrix *c) {
  HEED__TRY(heed__matrix_check(b, "b"));
  HEED__TRY(heed__matrix_check(c, "c"));
  if (a->cols != b->rows || a->rows != c->rows || b->cols != c->cols) {
    return heed__fail(HEED_SHAPE, "product of sparse [%lld, %lld] and [%lld, %lld] into [%lld, %lld]",
                      (long long)a->rows, (long long)a->cols, (long long)b->rows,
                      (long long)b->cols, (long long)c->rows, (long long)c->cols);
  }
  int64_t n = b->cols;
  if (n == 0) return HEED_OK;
#pragma omp parallel for schedule(dynamic, 64) num_threads(heed_threads())
  for (int64_t i = 0; i < a->rows; i++) {
    float *restrict row = c->data + i * c->stride;
    memset(row, 0, (size_t)n * sizeof *row);
    for (int64_t p = a->indptr[i]; p < a->indptr[i + 1]; p++) {
      const float *restrict from = b->data + (int64_t)a->indices[p] * b->stride;
      float value = a->values == NULL ? 1 : a->values[p];
#pragma omp simd
      for (int64_t j = 0; j < n; j++) row[j] += value * from[j];
    }
  }
  return HEED_OK;
}

heed_status heed_csr_transpose(const heed_csr *a, int64_t *indptr, int32_t *indices,
                               int64_t *places) {
  if (a->rows > (int64_t)INT32_MAX + 1) {
    return heed__fail(HEED_OVERFLOW, "transpose: %lld rows, of which %lld can be named",
                      (long long)a->rows, (long long)INT32_MAX + 1);
  }
  int64_t *next = indptr + 1; /* where row j of t goes on; in the end it is where row j ends */
  memset(indptr, 0, ((size_t)a->cols + 1) * sizeof *indptr);
  for (int64_t p = 0; p < a->indptr[a->rows]; p++) next[a->indices[p]]++;
  int64_t before = 0;
  for (int64_t j = 0; j < a->cols; j++) {
    int64_t count = next[j];
    next[j] = before;
    before += count;
  }
  for (int64_t i = 0; i < a->rows; i++) {
    for (int64_t p = a->indptr[i]; p < a->indptr[i + 1]; p++) {
      int64_t place = next[a->indices[p]]++;
      indices[place] = (int32_t)i;
      places[place] = p;
    }
  }
  return HEED_OK;
}
