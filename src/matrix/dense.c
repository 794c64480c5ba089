#include <heed/matrix.h>
#include <math.h>
#include <string.h>

#include "base/status.h"
#include "matrix/blocks.h"
#include "matrix/loops_table.h"
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

/* A long sum, of a gradient of weights, is cut into parts of k: there are few rows to share out. */
enum { PART_K = 2048, MOST_PARTS = 16, PART_SIZE = 1 << 20 };

static int64_t parts_of_k(bool transpose_a, int64_t m, int64_t n, int64_t k) {
  if (!transpose_a) return 1; /* a row's bits do not depend on how many rows there are */
  if (m == 0 || n == 0 || m > PART_SIZE / n) return 1;
  int64_t longest = m > n ? m : n, parts = k / PART_K;
  if (k / 4 < longest || parts < 2) return 1;
  return parts < MOST_PARTS ? parts : MOST_PARTS;
}

int64_t heed__product_room(bool transpose_a, int64_t m, int64_t n, int64_t k) {
  int64_t parts = parts_of_k(transpose_a, m, n, k);
  return parts > 1 ? parts * m * n : 0;
}

/* Rows of c in a block of a product that is not cut by k. Each block copies b, so it has FEWEST_ROWS
 * where there are enough; what it reads of a again and again, MOST_ROWS high, fits into the second
 * cache. The number of threads may count here: any cut gives the same bits. Rows of a transpose lie
 * across lines of memory that two threads would both read: few of them are left to one. */
enum { FEWEST_ROWS = 96, MOST_ROWS = 384, TILE_ROWS = 12 };

static int64_t product_rows(bool transpose_a, int64_t m, double work) {
  int64_t threads = heed__threads_for(work), rows = m;
  if (threads > 1) {
    rows = heed__parts(m, 4 * threads);
    int64_t share = transpose_a ? m : heed__parts(m, threads);
    if (rows < FEWEST_ROWS) rows = heed__smaller(share, FEWEST_ROWS);
  }
  return heed__parts(heed__smaller(rows, MOST_ROWS), TILE_ROWS) * TILE_ROWS;
}

/* c = beta c + n numbers of each part, `step` apart, in order. */
static void join(int64_t parts, int64_t step, const float *from, float beta, int64_t n, float *c) {
  for (int64_t i = 0; i < n; i++) c[i] = (beta == 0 ? 0 : beta * c[i]) + from[i];
  for (int64_t part = 1; part < parts; part++) {
    const float *more = from + part * step;
#pragma omp simd
    for (int64_t i = 0; i < n; i++) c[i] += more[i];
  }
}

heed_status heed__dense_product(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k,
                                const float *a, const float *b, float beta, float *c, float *room) {
  const heed__loop_table *loops = heed__loops_chosen();
  int64_t lda = transpose_a ? m : k, ldb = transpose_b ? k : n;
  double work = (double)m * (double)n * (double)k;
  int64_t parts = parts_of_k(transpose_a, m, n, k);
  int64_t rows = parts > 1 ? m : product_rows(transpose_a, m, work);
  HEED__BLOCKS(dynamic, heed__parts(m, rows > 0 ? rows : 1) * parts, 1, work, {
    (void)count;
    int64_t i = first / parts * rows, part = first % parts;
    int64_t from = k / parts * part, to = part + 1 == parts ? k : from + k / parts;
    const float *left = a + (transpose_a ? from * lda + i : i * lda + from);
    const float *right = b + (transpose_b ? from : from * ldb);
    loops->product(transpose_a, transpose_b, heed__smaller(m - i, rows), n, to - from, left, lda,
                   right, ldb, parts > 1 ? 0 : beta, parts > 1 ? room + part * m * n : c + i * n,
                   n);
  });
  if (parts == 1) return HEED_OK;
  HEED__BLOCKS(static, m * n, HEED__BLOCK, work,
               { join(parts, m * n, room + first, beta, count, c + first); });
  return HEED_OK;
}
