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
  if (!transpose_a) return 1; /* a row's bits do not depend on the rows beside it */
  if (m == 0 || n == 0 || m > PART_SIZE / n) return 1;
  int64_t longest = m > n ? m : n, parts = k / PART_K;
  if (k / 4 < longest || parts < 2) return 1;
  return parts < MOST_PARTS ? parts : MOST_PARTS;
}

/* A row of this many numbers or more, alone: matrix libraries have a way of their own for it (oneDNN 2.6:
 * above 384). It is computed beside a copy of itself, so that its bits are those it has among others. */
enum { LONG_ROW = 256 };

int64_t heed__product_room(bool transpose_a, int64_t m, int64_t n, int64_t k) {
  int64_t parts = parts_of_k(transpose_a, m, n, k);
  if (!transpose_a && k >= LONG_ROW) return 2 * (k + n);
  return parts > 1 ? parts * m * n : 0;
}

/* Rows of c in a block, for up to some 64 threads; what is cut finer packs b more often. */
static int64_t product_rows(int64_t m) {
  int64_t rows = (m / 64 + 15) / 16 * 16;
  return rows < BLOCK_ROWS ? BLOCK_ROWS : rows > 1024 ? 1024 : rows;
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

static heed_status row_product(int64_t n, int64_t k, const float *a,
                               const float *b, int64_t ldb, float beta, float *c, float *room) {
  float *both = room + 2 * k;
  for (int64_t i = 0; i < 2; i++) {
    memcpy(room + i * k, a, (size_t)k * sizeof *a);
    if (beta != 0) memcpy(both + i * n, c, (size_t)n * sizeof *c);
  }
  HEED__TRY(heed__product(false, false, 2, n, k, 1, room, k, b, ldb, beta, both, n));
  memcpy(c, both, (size_t)n * sizeof *c);
  return HEED_OK;
}

/* One part of one block of heed__dense_product(). */
static heed_status part_product(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k,
                                const float *a, int64_t lda, const float *b, int64_t ldb,
                                float beta, float *c, int64_t ldc, float *room) {
  const heed__loop_table *loops = heed__loops_chosen();
  if (!transpose_b && n <= HEED__NARROW && k > 0) {
    loops->narrow(transpose_a, m, n, k, a, lda, b, ldb, beta, c, ldc);
    return HEED_OK;
  }
  if (transpose_b && !transpose_a && k <= HEED__NARROW) {
    loops->shallow(m, n, k, a, lda, b, ldb, beta, c, ldc);
    return HEED_OK;
  }
  if (m == 1 && !transpose_a && !transpose_b && k >= LONG_ROW) {
    return row_product(n, k, a, b, ldb, beta, c, room);
  }
  return heed__product(transpose_a, transpose_b, m, n, k, 1, a, lda, b, ldb, beta, c, ldc);
}

heed_status heed__dense_product(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k,
                                const float *a, const float *b, float beta, float *c, float *room) {
  int64_t lda = transpose_a ? m : k, ldb = transpose_b ? k : n;
  int64_t parts = parts_of_k(transpose_a, m, n, k), rows = parts > 1 ? m : product_rows(m);
  double work = (double)m * (double)n * (double)k;
  heed_status result = HEED_OK;
  HEED__BLOCKS(dynamic, heed__parts(m, rows > 0 ? rows : 1) * parts, 1, work, {
    (void)count;
    int64_t i = first / parts * rows, part = first % parts;
    int64_t from = k / parts * part, to = part + 1 == parts ? k : from + k / parts;
    const float *left = a + (transpose_a ? from * lda + i : i * lda + from);
    const float *right = b + (transpose_b ? from : from * ldb);
    heed_status status = part_product(transpose_a, transpose_b, heed__smaller(m - i, rows), n,
                                      to - from, left, lda, right, ldb, parts > 1 ? 0 : beta,
                                      parts > 1 ? room + part * m * n : c + i * n, n, room);
    if (status != HEED_OK) {
      HEED__PRAGMA(omp atomic write)
      result = status;
    }
  });
  if (result != HEED_OK) {
    return heed__fail(result, "the matrix library failed in a product of %lld x %lld x %lld",
                      (long long)m, (long long)n, (long long)k);
  }
  if (parts == 1) return HEED_OK;
  HEED__BLOCKS(static, m * n, HEED__BLOCK, work,
               { join(parts, m * n, room + first, beta, count, c + first); });
  return HEED_OK;
}
