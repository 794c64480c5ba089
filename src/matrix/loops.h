/* Loops over rows and numbers, forward and backward, for the layers of a model.
 *
 * Matrices are contiguous: x [rows, cols]. Every loop is cut into fixed blocks, so that the bits do
 * not depend on the number of threads; sums over rows go block by block, blocks joined in order.
 * Small work stays on the calling thread. dx and dy are gradients with respect to x and y; where a
 * comment says "adds", dx += ..., else dx = .... Nothing here allocates unless it takes room. */
#ifndef HEED_SRC_MATRIX_LOOPS_H
#define HEED_SRC_MATRIX_LOOPS_H

#include <heed/matrix.h>
#include <stdbool.h>

/* How many threads `work` (multiply-adds or numbers touched) is worth, of heed_threads(). */
int heed__threads_for(double work);

/* y = x + b, row by row; x may be y. */
void heed__add_bias(int64_t rows, int64_t cols, const float *x, const float *b, float *y);

/* db[cols] = sums of the columns of dy. `room` has heed__column_room(rows, cols) floats. */
int64_t heed__column_room(int64_t rows, int64_t cols);
void heed__sum_columns(int64_t rows, int64_t cols, const float *dy, float *db, float *room);

/* y += x, y = x + z, over n numbers. */
void heed__accumulate(int64_t n, const float *x, float *y);
void heed__sum(int64_t n, const float *x, const float *z, float *y);

/* y = exp(x) for x at most 0, off by at most 2e-7 of itself down to -87, and no less than exp(-87); x
 * may be y. By the calling thread alone. */
void heed__exp_below(int64_t n, const float *x, float *y);

/* y = f(x); x may be y. ELU and tanh are off by at most 4e-7 of themselves, and so is GELU above -1; below,
 * the error grows as x^2 does, to 1e-6 (1 + x^2 / 8) of itself. Slopes are off by at most 5e-7.
 * Backward from x: dx = dy f'(x), or dx += where `adds`; dx may be dy. */
void heed__activate(heed_activation f, int64_t n, const float *x, float *y);
void heed__activate_backward(heed_activation f, int64_t n, const float *x, const float *dy,
                             float *dx, bool adds);

/* y[i] = 0 with probability p, else x[i] / (1 - p), by 16 bits out of (seed, stream) for each i:
 * p is taken to the nearest 1 / 65536. It is its own backward pass; x may be y; `adds`: y += . p
 * = 0 copies; p is below 1. */
void heed__dropout(uint64_t seed, uint64_t stream, float p, int64_t n, const float *x, float *y,
                   bool adds);

/* The two halves of it: which of n numbers are kept, in bits, see heed__random_keep(); what becomes of
 * numbers by these bits, which serve forward and backward; and 1 / (1 - p). `kept` has
 * heed__keep_words(n) words, the last one of which is read but does not matter. */
static inline int64_t heed__keep_words(int64_t n) { return n / 32 + 2; }
void heed__keep(uint64_t seed, uint64_t stream, float p, int64_t n, uint32_t *kept);
void heed__keep_apply(const uint32_t *kept, float p, int64_t n, const float *x, float *y,
                      bool adds);
float heed__keep_factor(float p);

/* Normalisation of rows, with `epsilon` added to the variance: keeps mean and 1 / deviation of each
 * row in stats [rows, 2]. */
void heed__layer_norm(int64_t rows, int64_t cols, const float *x, const float *gain,
                      const float *shift, float epsilon, float *y, float *stats);
/* dgain, dshift [cols] are overwritten. `room`: 2 * heed__column_room(). */
void heed__layer_norm_backward(int64_t rows, int64_t cols, const float *x, const float *gain,
                               const float *stats, const float *dy, float *dx, bool adds,
                               float *dgain, float *dshift, float *room);

/* Normalisation of columns, with epsilon alike. Training: from the columns of x, which it keeps
 * in stats [2, cols] as mean and 1 / deviation, and moves running_mean and running_var
 * (unbiased) by `momentum`. Evaluation: from the running ones, which go into stats alike.
 * `room`: 2 * heed__column_room(). The backward pass is that of training. */
void heed__batch_norm(int64_t rows, int64_t cols, const float *x, const float *gain,
                      const float *shift, float epsilon, bool training, float momentum,
                      float *running_mean, float *running_var, float *y, float *stats,
                      float *room);
void heed__batch_norm_backward(int64_t rows, int64_t cols, const float *x, const float *gain,
                               const float *stats, const float *dy, float *dx, bool adds,
                               float *dgain, float *dshift, float *room);

/* y[rows, dim] = mean over heads of x[rows, heads, dim], and back. */
void heed__head_mean(int64_t rows, int32_t heads, int64_t dim, const float *x, float *y);
void heed__head_mean_backward(int64_t rows, int32_t heads, int64_t dim, const float *dy, float *dx,
                              bool adds);

/* Pooling of the rows ptr[g] .. ptr[g + 1) into row g of y [groups, cols]; a group without rows
 * gives 0. Maximum keeps the row it took, -1 for none, in which [groups, cols]. */
typedef enum heed__pool { HEED__POOL_MEAN, HEED__POOL_SUM, HEED__POOL_MAX } heed__pool;
void heed__pool_rows(heed__pool kind, int64_t groups, const int64_t *ptr, int64_t cols,
                     const float *x, float *y, int64_t *which);
void heed__pool_rows_backward(heed__pool kind, int64_t groups, const int64_t *ptr, int64_t cols,
                              const float *dy, const int64_t *which, float *dx, bool adds);

/* c [rows, n] = a b, plus the bias where there is one. With `kept`, as heed__keep() gave it for the
 * numbers of a, a is what dropout made of it: only those numbers, times `factor`. b [cols, n]. The
 * gradient of b is the same product of a's transpose, with `kept` in its order, and that of c. */
void heed__csr_product(const heed_csr *a, const uint32_t *kept, float factor, int64_t n,
                       const float *b, const float *bias, float *c);

/* c = op(a) op(b) + beta c, contiguous, over heed__threads_for() threads, by loops of our own that
 * cannot fail. c [m, n], inner size k. A number of c is summed in an order that k alone decides: a
 * row of c has the same bits whatever rows are beside it, how many, and wherever it stands. But the
 * long k of a gradient of weights, `transpose_a` with small m and n, is cut into parts by m, n and
 * k, joined in order, in `room` of heed__product_room(transpose_a, m, n, k) floats, which does not
 * fall with m or k; without `transpose_a` it is 0. With beta 0, c need not be initialised. */
int64_t heed__product_room(bool transpose_a, int64_t m, int64_t n, int64_t k);
heed_status heed__dense_product(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k,
                                const float *a, const float *b, float beta, float *c, float *room);

#endif
