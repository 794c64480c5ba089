/* Products with a sparse matrix, for layers. A row of the result has one owner. */
#include "matrix/blocks.h"
#include "matrix/loops_table.h"

/* Rows in a block. */
enum { ROWS = 32 };

void heed__csr_product(const heed_csr *a, const uint32_t *kept, float factor, int64_t n,
                       const float *b, const float *bias, float *c) {
  const heed__loop_table *loops = heed__loops_chosen();
  if (n == 0) return;
  double work = (double)(a->indptr[a->rows] + a->rows) * (double)n;
  HEED__BLOCKS(dynamic, a->rows, ROWS, work,
               { loops->csr_rows(a, first, first + count, kept, factor, n, b, bias, c); });
}
