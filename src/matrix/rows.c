/* Rows in another order, there and back, and some of them. */
#include "matrix/rows.h"

#include <string.h>

#include "matrix/blocks.h"

/* Rows of a sparse matrix in a block. */
enum { ROWS = 32 };

/* What copying bytes is worth among numbers that are computed. */
static double work_of(int64_t n, size_t size) { return (double)n * (double)size / sizeof(float); }

/* The usual sizes are copied by the compiler's own instructions. */
static inline void copy_row(char *to, const char *from, size_t size) {
  switch (size) {
    case 1:
      *to = *from;
      return;
    case 4:
      memcpy(to, from, 4);
      return;
    case 8:
      memcpy(to, from, 8);
      return;
    case 32:
      memcpy(to, from, 32);
      return;
    default:
      memcpy(to, from, size);
  }
}

void heed_rows_gather(void *to, const void *from, const int64_t *order, int64_t n, size_t size) {
  HEED__BLOCKS(static, n, heed__block_rows((int64_t)size), work_of(n, size), {
    for (int64_t i = first; i < first + count; i++) {
      copy_row((char *)to + (size_t)i * size, (const char *)from + (size_t)order[i] * size, size);
    }
  });
}

void heed_rows_scatter(void *to, const void *from, const int64_t *order, int64_t n, size_t size) {
  HEED__BLOCKS(static, n, heed__block_rows((int64_t)size), work_of(n, size), {
    for (int64_t i = first; i < first + count; i++) {
      copy_row((char *)to + (size_t)order[i] * size, (const char *)from + (size_t)i * size, size);
    }
  });
}

/* A row of `a`, behind others. */
static inline void copy_numbers(const heed_csr *a, int64_t row, int64_t at, int32_t *indices,
                                float *values) {
  int64_t from = a->indptr[row];
  size_t n = (size_t)(a->indptr[row + 1] - from);
  if (n == 0) return;
  memcpy(indices + at, a->indices + from, n * sizeof *indices);
  if (a->values != NULL) memcpy(values + at, a->values + from, n * sizeof *values);
}

void heed_csr_gather(const heed_csr *a, const int64_t *order, int64_t *indptr, int32_t *indices,
                     float *values) {
  indptr[0] = 0;
  for (int64_t i = 0; i < a->rows; i++) {
    indptr[i + 1] = indptr[i] + a->indptr[order[i] + 1] - a->indptr[order[i]];
  }
  HEED__BLOCKS(static, a->rows, ROWS, (double)indptr[a->rows], {
    for (int64_t i = first; i < first + count; i++) {
      copy_numbers(a, order[i], indptr[i], indices, values);
    }
  });
}

void heed__dense_rows(const heed_matrix *x, const int32_t *nodes, int64_t n, float *to) {
  size_t size = (size_t)x->cols * sizeof *to;
  HEED__BLOCKS(static, n, heed__block_rows((int64_t)size), work_of(n, size), {
    for (int64_t i = first; i < first + count; i++) {
      memcpy(to + i * x->cols, x->data + nodes[i] * x->stride, size);
    }
  });
}

int64_t heed__csr_count(const heed_csr *x, const int32_t *nodes, int64_t n) {
  int64_t count = 0;
  for (int64_t i = 0; i < n; i++) count += x->indptr[nodes[i] + 1] - x->indptr[nodes[i]];
  return count;
}

void heed__csr_rows(const heed_csr *x, const int32_t *nodes, int64_t n, int64_t *indptr,
                    int32_t *indices, float *values) {
  indptr[0] = 0;
  for (int64_t i = 0; i < n; i++) {
    indptr[i + 1] = indptr[i] + x->indptr[nodes[i] + 1] - x->indptr[nodes[i]];
  }
  HEED__BLOCKS(static, n, ROWS, (double)indptr[n], {
    for (int64_t i = first; i < first + count; i++) {
      copy_numbers(x, nodes[i], indptr[i], indices, values);
    }
  });
}
