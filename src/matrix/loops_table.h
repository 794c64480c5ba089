/* The loops over the numbers of one block, by one thread, compiled once an instruction set. */
#ifndef HEED_SRC_MATRIX_LOOPS_TABLE_H
#define HEED_SRC_MATRIX_LOOPS_TABLE_H

#include <heed/matrix.h>
#include <stdbool.h>

typedef struct heed__loop_table {
  void (*add_bias)(int64_t rows, int64_t cols, const float *x, const float *b, float *y);
  /* sums = the sums of the columns; `squares`: of (x - mean)^2. */
  void (*columns)(int64_t rows, int64_t cols, const float *x, float *sums);
  void (*squares)(int64_t rows, int64_t cols, const float *x, const float *mean, float *sums);
  void (*accumulate)(int64_t n, const float *x, float *y);
  void (*sum)(int64_t n, const float *x, const float *z, float *y);
  /* y = exp(x), x at most 0; below -87 it is exp(-87). */
  void (*exp_below)(int64_t n, const float *x, float *y);
  void (*activate)(heed_activation f, int64_t n, const float *x, float *y);
  void (*activate_backward)(heed_activation f, int64_t n, const float *x, const float *dy,
                            float *dx, bool adds);
  /* y = x times `factor` where the bit of a number is set, else 0. */
  void (*keep)(const uint32_t *kept, float factor, int64_t n, const float *x, float *y, bool adds);
  void (*layer_norm)(int64_t rows, int64_t cols, const float *x, const float *gain,
                     const float *shift, float epsilon, float *y, float *stats);
  /* dgain, dshift: of these rows. */
  void (*layer_norm_backward)(int64_t rows, int64_t cols, const float *x, const float *gain,
                              const float *stats, const float *dy, float *dx, bool adds,
                              float *dgain, float *dshift);
  /* y = (x - mean) scale gain + shift, all but x by columns. */
  void (*normalise)(int64_t rows, int64_t cols, const float *x, const float *mean,
                    const float *scale, const float *gain, const float *shift, float *y);
  /* dgain, dshift: of these rows. */
  void (*batch_sums)(int64_t rows, int64_t cols, const float *x, const float *stats,
                     const float *dy, float *dgain, float *dshift);
  /* dgain, dshift: of all `total` rows. */
  void (*batch_backward)(int64_t rows, int64_t total, int64_t cols, const float *x,
                         const float *gain, const float *stats, const float *dy, const float *dgain,
                         const float *dshift, float *dx, bool adds);
  void (*head_mean)(int64_t rows, int32_t heads, int64_t dim, const float *x, float *y);
  void (*head_mean_backward)(int64_t rows, int32_t heads, int64_t dim, const float *dy, float *dx,
                             bool adds);
  /* Rows first .. end of a sparse product, of the numbers whose bit is set, times `factor`; `kept`
   * NULL: of all. */
  void (*csr_rows)(const heed_csr *a, int64_t first, int64_t end, const uint32_t *kept,
                   float factor, int64_t n, const float *b, const float *bias, float *c);
  /* c[m, n] = op(a)[m, k] op(b)[k, n] + beta c, lda, ldb, ldc numbers from one row of the stored array
   * to the next. The bits of a number of c depend on its row of op(a), its column of op(b) and beta
   * alone. With beta 0, c need not be initialised. */
  void (*product)(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k,
                  const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c,
                  int64_t ldc);
} heed__loop_table;

extern const heed__loop_table heed__loops_portable, heed__loops_avx2, heed__loops_avx512;

/* What is in use. */
const heed__loop_table *heed__loops_chosen(void);

#endif
