/* Room matrix: products against double precision, checks of sparse matrices. */
#define _XOPEN_SOURCE 700
#include <check.h>
#include <heed/matrix.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "expect.h"
#include "matrix/product.h"

/* A matrix whose rows lie `extra` numbers further apart than they must; what lies between is NaN. */
static heed_matrix random_matrix(uint64_t seed, int64_t rows, int64_t cols, int64_t extra) {
  int64_t stride = cols + extra, n = rows * stride;
  float *x = malloc(((size_t)n + 1) * sizeof *x);
  heed_random_uniform(seed, 0, x, n, -1, 1);
  for (int64_t i = 0; i < rows; i++) {
    for (int64_t j = cols; j < stride; j++) x[i * stride + j] = NAN;
  }
  return (heed_matrix){.data = x, .rows = rows, .cols = cols, .stride = stride};
}

static double at(const heed_matrix *x, bool transpose, int64_t i, int64_t j) {
  return transpose ? x->data[j * x->stride + i] : x->data[i * x->stride + j];
}

/* Compares c with the product in double precision; c_old is c before. The bound is that of k
 * rounded sums of numbers below 1. */
static void compare(bool ta, bool tb, float alpha, const heed_matrix *a, const heed_matrix *b,
                    float beta, const heed_matrix *c_old, const heed_matrix *c, int64_t k) {
  for (int64_t i = 0; i < c->rows; i++) {
    for (int64_t j = 0; j < c->cols; j++) {
      double sum = 0;
      for (int64_t l = 0; l < k; l++) sum += at(a, ta, i, l) * at(b, tb, l, j);
      double expected = alpha * sum + (beta == 0 ? 0 : beta * at(c_old, false, i, j));
      double found = at(c, false, i, j);
      ck_assert_msg(fabs(found - expected) <= 1e-7 * (double)(k + 4) * (1 + fabs(alpha)),
                    "(%d, %d): %g, not %g", (int)i, (int)j, found, expected);
    }
    for (int64_t j = c->cols; j < c->stride; j++) ck_assert(isnan(c->data[i * c->stride + j]));
  }
}

static const int64_t sizes[][3] = {{1, 1, 1},   {0, 3, 2},  {3, 0, 2},   {3, 2, 0},    {0, 0, 0},
                                   {5, 7, 3},   {1, 9, 17}, {128, 1, 8}, {129, 16, 5}, {300, 33, 40},
                                   {17, 64, 64}};
enum { SIZES = sizeof sizes / sizeof *sizes };
static const float factors[][2] = {{1, 0}, {-2.5f, 0}, {1, 1}, {0.5f, -0.75f}, {0, 0.5f}};

START_TEST(matmul_is_the_product) {
  bool ta = _i & 1, tb = _i >> 1 & 1, reference = _i >> 2;
  for (int s = 0; s < SIZES; s++) {
    int64_t m = sizes[s][0], n = sizes[s][1], k = sizes[s][2];
    for (int f = 0; f < 5; f++) {
      for (int64_t extra = 0; extra <= 3; extra += 3) {
        float alpha = factors[f][0], beta = factors[f][1];
        heed_matrix a = random_matrix(1, ta ? k : m, ta ? m : k, extra);
        heed_matrix b = random_matrix(2, tb ? n : k, tb ? k : n, 2 * extra);
        heed_matrix old = random_matrix(3, m, n, extra), c = random_matrix(3, m, n, extra);
        for (int64_t i = 0; beta == 0 && i < m * c.stride; i++) c.data[i] = NAN;
        if (reference) {
          ok(heed__product_reference(ta, tb, m, n, k, alpha, a.data, a.stride, b.data, b.stride,
                                     beta, c.data, c.stride));
        } else {
          ok(heed_matmul(ta, tb, alpha, &a, &b, beta, &c));
        }
        compare(ta, tb, alpha, &a, &b, beta, &old, &c, k);
        free(a.data);
        free(b.data);
        free(c.data);
        free(old.data);
      }
    }
  }
}
END_TEST

START_TEST(matmul_bits_do_not_depend_on_threads) {
  static const int threads[] = {1, 2, 7};
  static const int64_t shapes[][3] = {{700, 65, 300}, {64, 64, 5000}, {128, 300, 2000}};
  for (int s = 0; s < 3; s++) {
    int64_t m = shapes[s][0], n = shapes[s][1], k = shapes[s][2];
    for (int ta = 0; ta < 2; ta++) {
      heed_matrix a = random_matrix(1, ta ? k : m, ta ? m : k, 0), b = random_matrix(2, k, n, 0);
      heed_matrix first = random_matrix(3, m, n, 0), c = random_matrix(4, m, n, 0);
      for (int t = 0; t < 3; t++) {
        ok(heed_set_threads(threads[t]));
        ok(heed_matmul(ta, false, 1, &a, &b, 0, t == 0 ? &first : &c));
        int threads_after = heed_threads();
        ck_assert(threads_after == threads[t] || threads_after == 1);
        size_t bytes = (size_t)(m * n) * sizeof *c.data;
        if (t > 0) ck_assert_int_eq(memcmp(first.data, c.data, bytes), 0);
      }
      free(a.data);
      free(b.data);
      free(c.data);
      free(first.data);
    }
  }
  ok(heed_set_threads(0));
  int before = heed_threads();
  heed_matrix a = random_matrix(1, 3, 3, 0), c = random_matrix(2, 3, 3, 0);
  ok(heed__product(false, false, 3, 3, 3, 1, a.data, 3, a.data, 3, 0, c.data, 3));
  ck_assert_int_eq(heed_threads(), before); /* what the product changes it puts back */
  free(a.data);
  free(c.data);
}
END_TEST

START_TEST(matmul_refuses_sizes_that_disagree) {
  float x[64] = {0};
  heed_matrix a = heed_matrix_view(x, 2, 3), b = heed_matrix_view(x, 4, 2);
  heed_matrix c = heed_matrix_view(x, 2, 2);
  ck_assert_int_eq(a.stride, 3);
  ck_assert_int_eq(heed_matmul(false, false, 1, &a, &b, 0, &c), HEED_SHAPE);
  ck_assert_ptr_nonnull(strstr(heed_message(), "[2, 3] and [4, 2] into [2, 2]"));
  b.rows = 3, c.cols = 1;
  ck_assert_int_eq(heed_matmul(false, false, 1, &a, &b, 0, &c), HEED_SHAPE);
  c.cols = 2, c.rows = 3;
  ck_assert_int_eq(heed_matmul(false, false, 1, &a, &b, 0, &c), HEED_SHAPE);
  c.rows = 2, a.stride = 2;
  ck_assert_int_eq(heed_matmul(false, false, 1, &a, &b, 0, &c), HEED_SHAPE);
  ck_assert_ptr_nonnull(strstr(heed_message(), "matrix a: 2 rows, 3 columns, stride 2"));
  a.stride = 3, b.rows = -3;
  ck_assert_int_eq(heed_matmul(false, false, 1, &a, &b, 0, &c), HEED_SHAPE);
  b.rows = 3;
  ok(heed_matmul(false, false, 1, &a, &b, 0, &c));
  ck_assert_int_gt(strlen(heed_matrix_library()), 0);
}
END_TEST

enum { ROWS = 150, COLS = 90 };

START_TEST(csr_matmul_is_the_product) {
  static int64_t indptr[ROWS + 1];
  static int32_t indices[ROWS * COLS];
  static float values[ROWS * COLS], dense[ROWS * COLS];
  static const int64_t widths[] = {0, 1, 7, 64};
  for (int _values = 0; _values < 2; _values++) {
    float draw[ROWS * 2];
    int64_t p = 0;
    memset(dense, 0, sizeof dense);
    heed_random_uniform(9, 9, values, ROWS * COLS, -1, 1);
    heed_random_uniform(9, 8, draw, ROWS * 2, 0, 1);
    for (int i = 0; i < ROWS; i++) {
      int step = 1 + (int)(draw[i] * 20);
      for (int j = i % 3 == 0 ? COLS : (int)(draw[ROWS + i] * 10); j < COLS; j += step) {
        indices[p] = j;
        dense[i * COLS + j] = _values ? values[p] : 1;
        p++;
      }
      indptr[i + 1] = p;
    }
    heed_csr a = {ROWS, COLS, indptr, indices, _values ? values : NULL};
    ok(heed_csr_check(&a));
    heed_matrix full = heed_matrix_view(dense, ROWS, COLS);
    for (int w = 0; w < 4; w++) {
      heed_matrix b = random_matrix(4, COLS, widths[w], 2), first = random_matrix(5, ROWS, widths[w], 3);
      heed_matrix c = random_matrix(5, ROWS, widths[w], 3);
      ok(heed_set_threads(1));
      ok(heed_csr_matmul(&a, &b, &first));
      compare(false, false, 1, &full, &b, 0, &first, &first, COLS);
      ok(heed_set_threads(7));
      ok(heed_csr_matmul(&a, &b, &c));
      for (int64_t i = 0; i < ROWS; i++) {
        ck_assert_int_eq(memcmp(c.data + i * c.stride, first.data + i * c.stride,
                                (size_t)widths[w] * sizeof(float)), 0);
      }
      c.rows--;
      ck_assert_int_eq(heed_csr_matmul(&a, &b, &c), HEED_SHAPE);
      c.rows++, b.rows--;
      ck_assert_int_eq(heed_csr_matmul(&a, &b, &c), HEED_SHAPE);
      b.rows++, c.stride = c.cols - 1;
      ck_assert_int_eq(heed_csr_matmul(&a, &b, &c), HEED_SHAPE);
      free(b.data);
      free(c.data);
      free(first.data);
    }
  }
  ok(heed_set_threads(0));
}
END_TEST

static void refuse(heed_status expected, heed_csr a, const char *words) {
  heed_status status = heed_csr_check(&a);
  ck_assert_str_eq(heed_status_name(status), heed_status_name(expected));
  ck_assert_msg(strstr(heed_message(), words) != NULL, "'%s' not in '%s'", words, heed_message());
}

START_TEST(csr_check_refuses_bad_rows) {
  const int64_t good[] = {0, 2, 3};
  const int32_t col[] = {0, 1, 2};
  heed_csr a = {2, 3, good, col, NULL};
  ok(heed_csr_check(&a));
  heed_csr empty = {0, 0, good, NULL, NULL};
  ok(heed_csr_check(&empty));
  refuse(HEED_RANGE, (heed_csr){-1, 3, good, col, NULL}, "-1 rows, 3 columns");
  refuse(HEED_RANGE, (heed_csr){2, -3, good, col, NULL}, "2 rows, -3 columns");
  refuse(HEED_ARGUMENT, (heed_csr){2, 3, NULL, col, NULL}, "no row pointers");
  refuse(HEED_ARGUMENT, (heed_csr){2, 3, good, NULL, NULL}, "3 numbers, but no column");
  refuse(HEED_ARGUMENT, (heed_csr){2, 3, (const int64_t[]){2, 2, 3}, col, NULL}, "starts at 2");
  refuse(HEED_RANGE, (heed_csr){2, 3, (const int64_t[]){0, 2, 1}, col, NULL},
         "row 1 ends at 1, before its start 2");
  refuse(HEED_RANGE, (heed_csr){2, 3, (const int64_t[]){0, 1, INT64_MAX}, col, NULL},
         "row 1 has 9223372036854775806 numbers in 3 columns");
  refuse(HEED_RANGE, (heed_csr){2, 3, good, (const int32_t[]){0, 1, 3}, NULL}, "column 3 of 3");
  refuse(HEED_RANGE, (heed_csr){2, 3, good, (const int32_t[]){-5, 1, 2}, NULL}, "row 0 has column -5");
  refuse(HEED_ARGUMENT, (heed_csr){2, 3, good, (const int32_t[]){1, 1, 2}, NULL}, "column 1 after 1");
  refuse(HEED_ARGUMENT, (heed_csr){2, 3, good, (const int32_t[]){2, 0, 2}, NULL}, "column 0 after 2");
}
END_TEST

START_TEST(check_finite_names_the_place) {
  float x[] = {0, -1e38f, 3, 4};
  ok(heed_check_finite(x, 4, "x"));
  ok(heed_check_finite(NULL, 0, "x"));
  x[2] = NAN;
  ck_assert_int_eq(heed_check_finite(x, 4, "features"), HEED_VALUE);
  ck_assert_ptr_nonnull(strstr(heed_message(), "features: number 2 is"));
  ok(heed_check_finite(x, 2, "x"));
  x[0] = -INFINITY;
  ck_assert_int_eq(heed_check_finite(x, 4, "x"), HEED_VALUE);
  ck_assert_ptr_nonnull(strstr(heed_message(), "number 0 is -inf"));
}
END_TEST

static volatile sig_atomic_t ticks;

static void tick(int number) {
  (void)number;
  ticks = ticks + 1;
}

/* A program's signals do no harm to a product that they interrupt. */
START_TEST(products_bear_signals) {
  enum { M = 128, K = 512, N = 32, TIMES = 20000 };
  float *a = malloc(M * K * sizeof *a), *b = malloc(K * N * sizeof *b);
  float *c = malloc(M * N * sizeof *c), *expected = malloc(M * N * sizeof *expected);
  heed_random_uniform(1, 1, a, M * K, -1, 1);
  heed_random_uniform(1, 2, b, K * N, -1, 1);
  ck_assert_int_eq(heed__product(false, false, M, N, K, 1, a, K, b, N, 0, expected, N), HEED_OK);
  struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART};
  ck_assert_int_eq(sigaction(SIGPROF, &action, NULL), 0);
  struct itimerval often = {.it_interval = {0, 500}, .it_value = {0, 500}}, never = {{0, 0}, {0, 0}};
  ck_assert_int_eq(setitimer(ITIMER_PROF, &often, NULL), 0);
  int wrong = 0;
  /* A build without a matrix library is slow: some ticks are enough. */
  for (int i = 0; i < TIMES && ticks < 500; i++) {
    ck_assert_int_eq(heed__product(false, false, M, N, K, 1, a, K, b, N, 0, c, N), HEED_OK);
    wrong += memcmp(c, expected, M * N * sizeof *c) != 0;
  }
  ck_assert_int_eq(setitimer(ITIMER_PROF, &never, NULL), 0);
  ck_assert_int_gt(ticks, 0);
  ck_assert_int_eq(wrong, 0);
  free(a);
  free(b);
  free(c);
  free(expected);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("matrix");
  TCase *tests = tcase_create("matrix");
  tcase_set_timeout(tests, 120);
  tcase_add_loop_test(tests, matmul_is_the_product, 0, 8);
  tcase_add_test(tests, matmul_bits_do_not_depend_on_threads);
  tcase_add_test(tests, matmul_refuses_sizes_that_disagree);
  tcase_add_test(tests, csr_matmul_is_the_product);
  tcase_add_test(tests, csr_check_refuses_bad_rows);
  tcase_add_test(tests, check_finite_names_the_place);
  tcase_add_test(tests, products_bear_signals);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
