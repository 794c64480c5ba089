/* Losses against their formulas in double precision, gradients against central differences of
 * those. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/train_test.h"

enum { ROWS = 150, MOST_COLS = 6 };

typedef struct sample {
  float x[ROWS * (MOST_COLS + 2)];
  float values[ROWS * MOST_COLS];
  int32_t labels[ROWS];
  uint8_t rows[ROWS];
  heed_matrix output; /* with a stride of its own */
  heed_targets targets;
} sample;

static void make(sample *s, int64_t cols, uint64_t seed) {
  heed_random_normal(seed, 0, s->x, ROWS * (MOST_COLS + 2), 0, 3);
  heed_random_uniform(seed, 1, s->values, ROWS * MOST_COLS, 0, 1);
  for (int i = 0; i < ROWS; i++) {
    s->labels[i] = i % 7 == 3 ? -1 : (int32_t)((i * 5 + i / 3) % (cols > 1 ? cols : 2));
    s->rows[i] = i % 3 != 0;
  }
  for (int i = 0; i < ROWS * cols; i += 11) s->values[i] = (float)NAN;
  s->output = (heed_matrix){s->x, ROWS, cols, cols + 2};
  s->targets = (heed_targets){s->labels, s->values};
}

/* The loss as its formula says, nothing else. */
static double oracle(heed_loss loss, const sample *s, bool by_label, const double *x) {
  int64_t cols = s->output.cols;
  double sum = 0;
  int64_t n = 0;
  for (int i = 0; i < ROWS; i++) {
    if (s->rows[i] == 0 || (by_label && s->labels[i] < 0)) continue;
    if (loss == HEED_LOSS_CROSS_ENTROPY) {
      double below = 0;
      for (int64_t j = 0; j < cols; j++) below += exp(x[i * cols + j]);
      sum -= log(exp(x[i * cols + s->labels[i]]) / below);
      n++;
      continue;
    }
    for (int64_t j = 0; j < cols; j++) {
      double t = by_label ? (double)s->labels[i] : (double)s->values[i * cols + j];
      if (isnan(t)) continue;
      double y = x[i * cols + j], p = 1 / (1 + exp(-y));
      if (loss == HEED_LOSS_BINARY_CROSS_ENTROPY) sum -= t * log(p) + (1 - t) * log(1 - p);
      if (loss == HEED_LOSS_SQUARED) sum += (y - t) * (y - t);
      if (loss == HEED_LOSS_ABSOLUTE) sum += fabs(y - t);
      n++;
    }
  }
  return sum / (double)n;
}

static void check_loss(heed_loss loss, int64_t cols, bool by_label) {
  static sample s;
  make(&s, cols, (uint64_t)cols + 10 * (uint64_t)loss);
  if (!by_label) s.targets.labels = NULL;
  static double x[ROWS * MOST_COLS];
  for (int i = 0; i < ROWS; i++) {
    for (int64_t j = 0; j < cols; j++) {
      x[i * cols + j] = (double)s.x[i * s.output.stride + j];
    }
  }
  static float gradient[ROWS * MOST_COLS];
  for (int i = 0; i < ROWS * MOST_COLS; i++) gradient[i] = 7;
  double value, again;
  ok(heed_loss_compute(loss, &s.output, &s.targets, s.rows, gradient, &value));
  ok(heed_loss_compute(loss, &s.output, &s.targets, s.rows, NULL, &again));
  ck_assert_double_eq(value, again);
  ck_assert_double_eq_tol(value, oracle(loss, &s, by_label, x), 1e-6);
  int nonzero = 0;
  for (int64_t i = 0; i < ROWS * cols; i++) {
    double keep = x[i], h = 1e-5;
    x[i] = keep + h;
    double above = oracle(loss, &s, by_label, x);
    x[i] = keep - h;
    double difference = (above - oracle(loss, &s, by_label, x)) / (2 * h);
    x[i] = keep;
    ck_assert_double_eq_tol((double)gradient[i], difference, 1e-7);
    nonzero += gradient[i] != 0;
    if (s.rows[i / cols] == 0) ck_assert(gradient[i] == 0);
  }
  ck_assert_int_gt(nonzero, ROWS / 4);
}

START_TEST(losses_are_their_formulas) {
  check_loss(HEED_LOSS_CROSS_ENTROPY, 2, true);
  check_loss(HEED_LOSS_CROSS_ENTROPY, 6, true);
  check_loss(HEED_LOSS_BINARY_CROSS_ENTROPY, 1, true);
  check_loss(HEED_LOSS_BINARY_CROSS_ENTROPY, 1, false);
  check_loss(HEED_LOSS_BINARY_CROSS_ENTROPY, 4, false);
  check_loss(HEED_LOSS_SQUARED, 1, false);
  check_loss(HEED_LOSS_SQUARED, 3, false);
  check_loss(HEED_LOSS_ABSOLUTE, 1, false);
  check_loss(HEED_LOSS_ABSOLUTE, 3, false);
}
END_TEST

START_TEST(large_logits_do_not_overflow) {
  float x[] = {10000, -10000, 0, 500, 500, 500}, gradient[6];
  int32_t labels[] = {1, 2};
  heed_matrix output = heed_matrix_view(x, 2, 3);
  heed_targets targets = {labels, NULL};
  double value;
  ok(heed_loss_compute(HEED_LOSS_CROSS_ENTROPY, &output, &targets, NULL, gradient, &value));
  ck_assert_double_eq_tol(value, (20000 + log(3.0)) / 2, 1e-9);
  ck_assert_float_eq_tol(gradient[0], 0.5F, 1e-7F);
  ck_assert_float_eq_tol(gradient[1], -0.5F, 1e-7F);
  ck_assert_float_eq_tol(gradient[5], -1.0F / 3, 1e-7F);
  float z[] = {10000, -10000};
  float t[] = {0, 1};
  output = heed_matrix_view(z, 2, 1);
  targets = (heed_targets){NULL, t};
  ok(heed_loss_compute(HEED_LOSS_BINARY_CROSS_ENTROPY, &output, &targets, NULL, gradient, &value));
  ck_assert_double_eq(value, 10000);
  ck_assert(gradient[0] == 0.5F && gradient[1] == -0.5F);
  /* What is nearly certain keeps its digits. */
  float sure[] = {20, 0};
  int32_t first[] = {0};
  output = heed_matrix_view(sure, 1, 2);
  targets = (heed_targets){first, NULL};
  ok(heed_loss_compute(HEED_LOSS_CROSS_ENTROPY, &output, &targets, NULL, gradient, &value));
  ck_assert_double_eq_tol(value / log1p(exp(-20)), 1, 1e-6);
  ck_assert_double_eq_tol((double)gradient[0] / (-1 / (1 + exp(20))), 1, 1e-6);
}
END_TEST

START_TEST(loss_refuses_what_makes_no_sense) {
  float x[] = {1, 2, 3, 4}, t[] = {0, 2, (float)NAN, 1}, gradient[4];
  int32_t labels[] = {0, 2};
  uint8_t none[] = {0, 0}, first[] = {1, 0};
  heed_matrix output = heed_matrix_view(x, 2, 2);
  heed_targets targets = {labels, t};
  double value;
  fails(heed_loss_compute(HEED_LOSS_CROSS_ENTROPY, &output, &targets, NULL, gradient, &value),
        HEED_RANGE, "row 1: class 2, but the output has 2 columns");
  ok(heed_loss_compute(HEED_LOSS_CROSS_ENTROPY, &output, &targets, first, gradient, &value));
  fails(heed_loss_compute(HEED_LOSS_CROSS_ENTROPY, &output, &targets, none, gradient, &value),
        HEED_ARGUMENT, "none of 2 rows");
  fails(heed_loss_compute(HEED_LOSS_BINARY_CROSS_ENTROPY, &output, &targets, NULL, NULL, &value),
        HEED_RANGE, "row 0");
  heed_targets nothing = {NULL, NULL};
  fails(heed_loss_compute(HEED_LOSS_CROSS_ENTROPY, &output, &nothing, NULL, NULL, &value),
        HEED_ARGUMENT, "labels");
  fails(heed_loss_compute(HEED_LOSS_SQUARED, &output, &nothing, NULL, NULL, &value), HEED_ARGUMENT,
        "target values");
  fails(heed_loss_compute((heed_loss)9, &output, &targets, NULL, NULL, &value), HEED_ARGUMENT,
        "loss 9");
  x[3] = (float)INFINITY;
  fails(heed_loss_compute(HEED_LOSS_SQUARED, &output, &targets, NULL, gradient, &value), HEED_VALUE,
        "row 1");
  labels[1] = 0;
  fails(heed_loss_compute(HEED_LOSS_CROSS_ENTROPY, &output, &targets, NULL, gradient, &value),
        HEED_VALUE, "row 1");
  x[3] = (float)NAN;
  fails(heed_loss_compute(HEED_LOSS_CROSS_ENTROPY, &output, &targets, NULL, gradient, &value),
        HEED_VALUE, "row 1");
}
END_TEST

/* Enough rows for several threads to be worth it. */
START_TEST(loss_does_not_depend_on_threads) {
  enum { MANY = 60000, COLS = 10 };
  float *x = malloc(sizeof *x * MANY * COLS), *g1 = malloc(sizeof *g1 * MANY * COLS),
        *g2 = malloc(sizeof *g2 * MANY * COLS);
  int32_t *labels = malloc(sizeof *labels * MANY);
  heed_random_normal(1, 2, x, MANY * COLS, 0, 1);
  for (int i = 0; i < MANY; i++) labels[i] = i % COLS;
  heed_matrix output = heed_matrix_view(x, MANY, COLS);
  heed_targets targets = {labels, x};
  for (int loss = 0; loss < 4; loss++) {
    if (loss == HEED_LOSS_BINARY_CROSS_ENTROPY) continue; /* its targets are not in x */
    double one, two;
    ok(heed_set_threads(1));
    ok(heed_loss_compute((heed_loss)loss, &output, &targets, NULL, g1, &one));
    ok(heed_set_threads(3));
    ok(heed_loss_compute((heed_loss)loss, &output, &targets, NULL, g2, &two));
    ck_assert_double_eq(one, two);
    ck_assert_mem_eq(g1, g2, sizeof *g1 * MANY * COLS);
  }
  free(x);
  free(g1);
  free(g2);
  free(labels);
}
END_TEST

START_TEST(names_of_losses) {
  for (int i = 0; i < 4; i++) {
    heed_loss loss = (heed_loss)-1;
    ok(heed_loss_from_name(heed_loss_name((heed_loss)i), &loss));
    ck_assert_int_eq(loss, i);
  }
  heed_loss loss;
  fails(heed_loss_from_name("hinge", &loss), HEED_ARGUMENT, "hinge");
  ck_assert_str_eq(heed_loss_name((heed_loss)4), "?");
}
END_TEST

TCase *loss_tests(void) {
  TCase *tests = tcase_create("loss");
  tcase_set_timeout(tests, 60);
  tcase_add_test(tests, losses_are_their_formulas);
  tcase_add_test(tests, large_logits_do_not_overflow);
  tcase_add_test(tests, loss_refuses_what_makes_no_sense);
  tcase_add_test(tests, loss_does_not_depend_on_threads);
  tcase_add_test(tests, names_of_losses);
  return tests;
}
