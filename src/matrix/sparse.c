/* Products with a sparse matrix, for layers. A row of the result has one owner. */
#include "matrix/loops.h"
#include "matrix/loops_table.h"

/* Rows in a block. */
enum { ROWS = 32 };

static void product(const heed_csr *a, const int64_t *places, const float *values, int64_t n,
                    const float *b, const float *bias, float *c) {
  const heed__loop_table *loops = heed__loops_chosen();
  if (n == 0) return;
  int threads = heed__threads_for((double)(a->indptr[a->rows] + a->rows) * (double)n);
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads) if (threads > 1)
  for (int64_t i = 0; i < a->rows; i += ROWS) {
    int64_t end = a->rows - i < ROWS ? a->rows : i + ROWS;
    loops->csr_rows(a, i, end, places, values, n, b, bias, c);
  }
}

void heed__csr_product(const heed_csr *a, const float *values, int64_t n, const float *b,
                       const float *bias, float *c) {
  product(a, NULL, values != NULL ? values : a->values, n, b, bias, c);
}

void heed__csr_product_backward(const heed_csr *a, const heed_csr *t, const int64_t *places,
                                const float *values, int64_t n, const float *dc, float *db) {
  product(t, places, values != NULL ? values : a->values, n, dc, NULL, db);
}
