/* Metrics against numbers worked out by hand and against slow, independent versions. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "train/train_test.h"

/* Seven rows and three classes; predictions 0 0 1 1 2 0 0, labels 0 1 1 1 2 2 0, and one without.
 */
static float logits[] = {3, 1, 2, 5, 4, 0, 0, 2, 1, -3, -1, -2, 0, 0, 1, 9, 1, 8, 2, 2, 2, 0, 1, 0};
static int32_t labels[] = {0, 1, 1, 1, 2, 2, 0, -1};
static const heed_targets targets = {labels, NULL};

static double measure(heed_metric metric, const heed_matrix *x, const heed_targets *t,
                      const uint8_t *rows) {
  double value = -7;
  ok(heed_metric_compute(metric, x, t, rows, &value));
  return value;
}

/* Confusion (label, prediction): 00: 2, 10: 1, 11: 2, 22: 1, 20: 1. F1: 4/6, 4/5, 2/3. */
START_TEST(class_metrics_by_hand) {
  heed_matrix x = heed_matrix_view(logits, 8, 3);
  ck_assert_double_eq_tol(measure(HEED_METRIC_ACCURACY, &x, &targets, NULL), 5.0 / 7, 1e-15);
  ck_assert_double_eq_tol(measure(HEED_METRIC_MICRO_F1, &x, &targets, NULL), 5.0 / 7, 1e-15);
  ck_assert_double_eq_tol(measure(HEED_METRIC_MACRO_F1, &x, &targets, NULL),
                          (4.0 / 6 + 4.0 / 5 + 2.0 / 3) / 3, 1e-15);
  /* c s - sum p t = 5 * 7 - (4 * 2 + 2 * 3 + 1 * 2) = 19; s^2 - sum p^2 = 28; s^2 - sum t^2 = 32 */
  ck_assert_double_eq_tol(measure(HEED_METRIC_MCC, &x, &targets, NULL), 19 / sqrt(28.0 * 32),
                          1e-15);
  /* Rows 0 and 6: class 0 alone occurs, so it alone makes the mean; MCC has no answer and gives 0.
   */
  const uint8_t some[] = {1, 0, 0, 0, 0, 0, 1, 1};
  ck_assert_double_eq(measure(HEED_METRIC_MACRO_F1, &x, &targets, some), 1);
  ck_assert_double_eq(measure(HEED_METRIC_MCC, &x, &targets, some), 0);
  /* Rows 1 and 5: 1 said to be 0, 2 said to be 0. */
  const uint8_t wrong[] = {0, 1, 0, 0, 0, 1, 0, 0};
  ck_assert_double_eq(measure(HEED_METRIC_MACRO_F1, &x, &targets, wrong), 0);
  ck_assert_double_eq(measure(HEED_METRIC_ACCURACY, &x, &targets, wrong), 0);
}
END_TEST

/* TP 2, FP 1, FN 1, TN 2. */
START_TEST(one_column_is_told_by_its_sign) {
  float x[] = {1, 0.5F, -1, 2, -3, 0};
  int32_t yes[] = {1, 1, 1, 0, 0, 0};
  float values[] = {1, 0.9F, 1, 0, 0.1F, 0};
  heed_matrix output = heed_matrix_view(x, 6, 1);
  heed_targets by_label = {yes, NULL}, by_value = {NULL, values};
  for (int i = 0; i < 2; i++) {
    const heed_targets *t = i == 0 ? &by_label : &by_value;
    ck_assert_double_eq_tol(measure(HEED_METRIC_ACCURACY, &output, t, NULL), 4.0 / 6, 1e-15);
    ck_assert_double_eq_tol(measure(HEED_METRIC_MACRO_F1, &output, t, NULL), 2.0 / 3, 1e-15);
    ck_assert_double_eq_tol(measure(HEED_METRIC_MCC, &output, t, NULL), 1.0 / 3, 1e-15);
    /* positives 1, 0.5, -1 against 2, -3, 0: above 1, 0; 1, 0; 1 of nine... */
    ck_assert_double_eq_tol(measure(HEED_METRIC_ROC_AUC, &output, t, NULL), 5.0 / 9, 1e-15);
  }
}
END_TEST

/* Two questions a row; columns of (TP, FP, FN, TN) = (1, 1, 0, 1) and (1, 0, 1, 0), one entry
 * unknown. */
START_TEST(columns_are_questions_of_their_own) {
  float x[] = {1, 1, 2, -1, -1, 5};
  float values[] = {1, 1, 0, 1, 0, (float)NAN};
  heed_matrix output = heed_matrix_view(x, 3, 2);
  heed_targets t = {NULL, values};
  ck_assert_double_eq_tol(measure(HEED_METRIC_ACCURACY, &output, &t, NULL), 3.0 / 5, 1e-15);
  ck_assert_double_eq_tol(measure(HEED_METRIC_MICRO_F1, &output, &t, NULL), 4.0 / 6, 1e-15);
  ck_assert_double_eq_tol(measure(HEED_METRIC_MACRO_F1, &output, &t, NULL), 2.0 / 3, 1e-15);
  /* All entries: TP 2, FP 1, FN 1, TN 1. */
  ck_assert_double_eq_tol(measure(HEED_METRIC_MCC, &output, &t, NULL), 1 / sqrt(3.0 * 3 * 2 * 2),
                          1e-15);
  /* The second column has one class only and does not count. */
  ck_assert_double_eq_tol(measure(HEED_METRIC_ROC_AUC, &output, &t, NULL), 0.5, 1e-15);
}
END_TEST

START_TEST(errors_of_regression) {
  float x[] = {1, 2, 3, 4}, values[] = {2, (float)NAN, 3, 7};
  heed_matrix output = heed_matrix_view(x, 2, 2);
  heed_targets t = {NULL, values};
  ck_assert_double_eq_tol(measure(HEED_METRIC_RMSE, &output, &t, NULL), sqrt(10.0 / 3), 1e-15);
  ck_assert_double_eq_tol(measure(HEED_METRIC_MAE, &output, &t, NULL), 4.0 / 3, 1e-15);
  ck_assert(!heed_metric_larger_is_better(HEED_METRIC_RMSE));
  ck_assert(!heed_metric_larger_is_better(HEED_METRIC_MAE));
  ck_assert(heed_metric_larger_is_better(HEED_METRIC_ROC_AUC));
}
END_TEST

/* The share of pairs (positive, negative) in the right order, ties half. */
static double slow_area(const double *score, const uint8_t *positive, int n) {
  double right = 0, pairs = 0;
  for (int i = 0; i < n; i++) {
    for (int j = 0; j < n; j++) {
      if (positive[i] == 0 || positive[j] != 0) continue;
      pairs++;
      right += score[i] > score[j] ? 1 : score[i] == score[j] ? 0.5 : 0;
    }
  }
  return right / pairs;
}

START_TEST(area_is_the_share_of_pairs_in_order) {
  enum { N = 400, CLASSES = 4 };
  static float x[N * CLASSES];
  static int32_t label[N];
  static double score[N];
  static uint8_t positive[N], rows[N];
  heed_random_normal(3, 4, x, N * CLASSES, 0, 1);
  for (int i = 0; i < N * CLASSES; i++) x[i] = rintf(x[i] * 4) / 4; /* many ties, both zeros */
  heed_matrix output = heed_matrix_view(x, N, 1);
  heed_targets t = {label, NULL};
  for (int i = 0; i < N; i++) {
    label[i] = i % 5 < 2;
    rows[i] = 1;
    score[i] = (double)x[i];
    positive[i] = (uint8_t)label[i];
  }
  ck_assert_double_eq_tol(measure(HEED_METRIC_ROC_AUC, &output, &t, NULL),
                          slow_area(score, positive, N), 1e-13);
  /* Two columns: by their difference, so by the probability of class 1. */
  output = heed_matrix_view(x, N, 2);
  for (int i = 0; i < N; i++) score[i] = (double)x[2 * i + 1] - (double)x[2 * i];
  ck_assert_double_eq_tol(measure(HEED_METRIC_ROC_AUC, &output, &t, rows),
                          slow_area(score, positive, N), 1e-13);
  /* Four classes: the mean over classes against the rest, by probabilities. */
  output = heed_matrix_view(x, N, CLASSES);
  for (int i = 0; i < N; i++) label[i] = (i * 7 + i / 3) % CLASSES;
  double mean = 0;
  for (int c = 0; c < CLASSES; c++) {
    for (int i = 0; i < N; i++) {
      double sum = 0;
      for (int j = 0; j < CLASSES; j++) sum += exp((double)x[CLASSES * i + j]);
      score[i] = (double)(float)((double)x[CLASSES * i + c] - log(sum));
      positive[i] = label[i] == c;
    }
    mean += slow_area(score, positive, N) / CLASSES;
  }
  ck_assert_double_eq_tol(measure(HEED_METRIC_ROC_AUC, &output, &t, NULL), mean, 1e-5);
}
END_TEST

START_TEST(infinite_scores_sort_too) {
  float x[] = {-(float)INFINITY, -1e30F, -0.0F, 0.0F, 1e-40F, (float)INFINITY};
  int32_t label[] = {0, 0, 0, 1, 1, 1};
  heed_matrix output = heed_matrix_view(x, 6, 1);
  heed_targets t = {label, NULL};
  ck_assert_double_eq_tol(measure(HEED_METRIC_ROC_AUC, &output, &t, NULL), 8.5 / 9, 1e-15);
  double value;
  x[2] = (float)NAN;
  fails(heed_metric_compute(HEED_METRIC_ROC_AUC, &output, &t, NULL, &value), HEED_VALUE, "row 2");
}
END_TEST

START_TEST(metric_refuses_what_makes_no_sense) {
  heed_matrix x = heed_matrix_view(logits, 8, 3);
  const uint8_t none[8] = {0}, unlabelled[8] = {[7] = 1};
  const heed_targets nothing = {NULL, NULL};
  double value;
  for (int m = 0; m <= HEED_METRIC_MAE; m++) {
    bool regression = m == HEED_METRIC_RMSE || m == HEED_METRIC_MAE;
    fails(heed_metric_compute((heed_metric)m, &x, &nothing, NULL, &value), HEED_ARGUMENT,
          heed_metric_name((heed_metric)m));
    const heed_targets values = {regression ? NULL : labels, logits};
    fails(heed_metric_compute((heed_metric)m, &x, &values, none, &value), HEED_ARGUMENT,
          "none of 8 rows");
    if (regression) continue;
    fails(heed_metric_compute((heed_metric)m, &x, &targets, unlabelled, &value), HEED_ARGUMENT,
          "none of 8 rows");
    heed_matrix narrow = {logits, 8, 2, 3};
    fails(heed_metric_compute((heed_metric)m, &narrow, &targets, NULL, &value), HEED_RANGE,
          "row 4: class 2, but the output has 2 columns");
    heed__alloc_fail_after(0);
    fails(heed_metric_compute((heed_metric)m, &x, &targets, NULL, &value), HEED_NOMEM, "memory");
    heed__alloc_fail_after(-1);
  }
  const uint8_t one_class[8] = {[0] = 1, [6] = 1};
  fails(heed_metric_compute(HEED_METRIC_ROC_AUC, &x, &targets, one_class, &value), HEED_ARGUMENT,
        "one class");
  fails(heed_metric_compute((heed_metric)7, &x, &targets, NULL, &value), HEED_ARGUMENT, "metric 7");
}
END_TEST

START_TEST(names_of_metrics) {
  for (int i = 0; i <= HEED_METRIC_MAE; i++) {
    heed_metric metric = (heed_metric)-1;
    ok(heed_metric_from_name(heed_metric_name((heed_metric)i), &metric));
    ck_assert_int_eq(metric, i);
  }
  ck_assert_str_eq(heed_metric_name(HEED_METRIC_ACCURACY), "accuracy");
  ck_assert_str_eq(heed_metric_name(HEED_METRIC_MACRO_F1), "macro-f1");
  heed_metric metric;
  fails(heed_metric_from_name("recall", &metric), HEED_ARGUMENT, "recall");
  ck_assert_str_eq(heed_metric_name((heed_metric)7), "?");
}
END_TEST

TCase *metric_tests(void) {
  TCase *tests = tcase_create("metric");
  tcase_set_timeout(tests, 60);
  tcase_add_test(tests, class_metrics_by_hand);
  tcase_add_test(tests, one_column_is_told_by_its_sign);
  tcase_add_test(tests, columns_are_questions_of_their_own);
  tcase_add_test(tests, errors_of_regression);
  tcase_add_test(tests, area_is_the_share_of_pairs_in_order);
  tcase_add_test(tests, infinite_scores_sort_too);
  tcase_add_test(tests, metric_refuses_what_makes_no_sense);
  tcase_add_test(tests, names_of_metrics);
  return tests;
}
