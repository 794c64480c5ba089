/* Metrics, with the conventions of scikit-learn where it has them. By labels, the prediction of a
 * row is its largest column, the first of several; with one column the classes 0 and 1 are its
 * sign. By target values, every column is a question of its own: its sign answers, a target of at
 * least one half is a yes. */
#include "train/metric.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"

/* What is counted for a class or a column. */
typedef struct tally {
  int64_t both;      /* it is the label and the prediction */
  int64_t predicted; /* it is the prediction */
  int64_t labelled;  /* it is the label */
} tally;

typedef struct counts {
  tally *of;
  int64_t n;     /* classes, or columns */
  int64_t total; /* rows, or entries */
  int64_t right;
  bool by_column;
} counts;

static bool by_values(const heed_targets *targets) { return targets->labels == NULL; }

/* Classes that a label may name. */
static int64_t classes_of(const heed_matrix *output) { return output->cols > 1 ? output->cols : 2; }

static heed_status check_label(int64_t row, int32_t label, const heed_matrix *output) {
  if (label < classes_of(output)) return HEED_OK;
  return heed__fail(HEED_RANGE, "labels, row %lld: class %d, but the output has %lld column%s",
                    (long long)row, label, (long long)output->cols, output->cols == 1 ? "" : "s");
}

static heed_status nothing_counts(heed_metric metric, const heed_matrix *output) {
  return heed__fail(HEED_ARGUMENT, "%s: none of %lld rows counts", heed_metric_name(metric),
                    (long long)output->rows);
}

static int64_t predicted_class(const float *x, int64_t cols) {
  if (cols == 1) return x[0] > 0;
  int64_t largest = 0;
  float most = x[0];
  for (int64_t j = 1; j < cols; j++) {
    largest = x[j] > most ? j : largest;
    most = x[j] > most ? x[j] : most;
  }
  return largest;
}

static void count_pair(counts *c, int64_t label, int64_t prediction) {
  c->of[label].labelled++;
  c->of[prediction].predicted++;
  if (label == prediction) {
    c->of[label].both++;
    c->right++;
  }
  c->total++;
}

static heed_status count_classes(const heed_matrix *output, const heed_targets *targets,
                                 const uint8_t *rows, counts *c) {
  c->n = classes_of(output);
  c->by_column = by_values(targets) && output->cols > 1;
  memset(c->of, 0, (size_t)c->n * sizeof *c->of);
  for (int64_t i = 0; i < output->rows; i++) {
    if (rows != NULL && rows[i] == 0) continue;
    const float *x = output->data + i * output->stride;
    if (!by_values(targets)) {
      if (targets->labels[i] < 0) continue;
      HEED__TRY(check_label(i, targets->labels[i], output));
      count_pair(c, targets->labels[i], predicted_class(x, output->cols));
      continue;
    }
    const float *target = targets->values + i * output->cols;
    for (int64_t j = 0; j < output->cols; j++) {
      if (isnan(target[j])) continue;
      int64_t yes = target[j] >= 0.5F, said = x[j] > 0;
      if (!c->by_column) {
        count_pair(c, yes, said);
        continue;
      }
      c->of[j].labelled += yes;
      c->of[j].predicted += said;
      c->of[j].both += yes & said;
      c->right += yes == said;
      c->total++;
    }
  }
  return HEED_OK;
}

/* F1 of one class: 2 TP / (2 TP + FP + FN). */
static double f1(int64_t both, int64_t predicted, int64_t labelled) {
  return 2 * (double)both / ((double)predicted + (double)labelled);
}

/* sklearn.metrics.f1_score, average "macro": over the classes that occur; 0 where none does. */
static double macro_f1(const counts *c) {
  double sum = 0;
  int64_t occur = 0;
  for (int64_t k = 0; k < c->n; k++) {
    if (c->of[k].predicted + c->of[k].labelled == 0) continue;
    sum += f1(c->of[k].both, c->of[k].predicted, c->of[k].labelled);
    occur++;
  }
  return occur > 0 ? sum / (double)occur : 0;
}

/* The same with average "micro": with one label a row it is the accuracy. */
static double micro_f1(const counts *c) {
  tally all = {0, 0, 0};
  for (int64_t k = 0; k < c->n; k++) {
    all.both += c->of[k].both;
    all.predicted += c->of[k].predicted;
    all.labelled += c->of[k].labelled;
  }
  return all.predicted + all.labelled > 0 ? f1(all.both, all.predicted, all.labelled) : 0;
}

/* R_K of Gorodkin 2004, equation 8, from the margins of the confusion matrix, as
 * sklearn.metrics.matthews_corrcoef has it: 0 where all labels or all predictions are one class.
 * For columns it is that of yes and no over all entries. */
static double mcc(const counts *c) {
  double total = (double)c->total, right = (double)c->right;
  double product = 0, predicted = 0, labelled = 0;
  if (c->by_column) {
    tally all = {0, 0, 0};
    for (int64_t k = 0; k < c->n; k++) {
      all.predicted += c->of[k].predicted;
      all.labelled += c->of[k].labelled;
    }
    double p = (double)all.predicted, l = (double)all.labelled;
    product = p * l + (total - p) * (total - l);
    predicted = p * p + (total - p) * (total - p);
    labelled = l * l + (total - l) * (total - l);
  } else {
    for (int64_t k = 0; k < c->n; k++) {
      double p = (double)c->of[k].predicted, l = (double)c->of[k].labelled;
      product += p * l;
      predicted += p * p;
      labelled += l * l;
    }
  }
  double below = (total * total - predicted) * (total * total - labelled);
  return below > 0 ? (right * total - product) / sqrt(below) : 0;
}

/* Root of the mean square, or mean absolute error, over all entries that count. */
static heed_status regression(heed_metric metric, const heed_matrix *output,
                              const heed_targets *targets, const uint8_t *rows, double *value) {
  if (targets->values == NULL) {
    return heed__fail(HEED_ARGUMENT, "%s: there are no target values", heed_metric_name(metric));
  }
  double sum = 0;
  int64_t n = 0;
  for (int64_t i = 0; i < output->rows; i++) {
    if (rows != NULL && rows[i] == 0) continue;
    for (int64_t j = 0; j < output->cols; j++) {
      double target = (double)targets->values[i * output->cols + j];
      if (isnan(target)) continue;
      double error = (double)output->data[i * output->stride + j] - target;
      sum += metric == HEED_METRIC_RMSE ? error * error : fabs(error);
      n++;
    }
  }
  if (n == 0) return nothing_counts(metric, output);
  *value = metric == HEED_METRIC_RMSE ? sqrt(sum / (double)n) : sum / (double)n;
  return HEED_OK;
}

/* A number as an integer that sorts like it; the two zeros are one. The last bit says whether the
 * row is of the class. */
static uint64_t rank_key(float score, bool positive) {
  uint32_t bits;
  score += 0.0F;
  memcpy(&bits, &score, sizeof bits);
  bits = bits >> 31 != 0 ? ~bits : bits | 0x80000000U;
  return (uint64_t)bits << 1 | positive;
}

/* Sorts by the 32 bits of the number, 11 at a time; the result is in one of the two arrays. */
static uint64_t *sort_keys(uint64_t *keys, uint64_t *other, int64_t n) {
  enum { DIGIT = 11, DIGITS = 1 << DIGIT };
  for (int shift = 1; shift < 33; shift += DIGIT) {
    int64_t place[DIGITS] = {0};
    for (int64_t i = 0; i < n; i++) place[keys[i] >> shift & (DIGITS - 1)]++;
    int64_t before = 0;
    for (int d = 0; d < DIGITS; d++) {
      int64_t many = place[d];
      place[d] = before;
      before += many;
    }
    for (int64_t i = 0; i < n; i++) other[place[keys[i] >> shift & (DIGITS - 1)]++] = keys[i];
    uint64_t *swap = keys;
    keys = other;
    other = swap;
  }
  return keys;
}

/* (S - n1 (n1 + 1) / 2) / (n0 n1), S the sum of the ranks of the n1 positive rows, equal numbers
 * sharing their mean rank (Hand and Till 2001, equation 3). NaN with one class. */
static double area(uint64_t *keys, uint64_t *other, int64_t n) {
  const uint64_t *sorted = sort_keys(keys, other, n);
  double ranks = 0, positive = 0;
  for (int64_t i = 0; i < n;) {
    int64_t end = i, of_class = 0;
    for (; end < n && sorted[end] >> 1 == sorted[i] >> 1; end++) of_class += sorted[end] & 1;
    ranks += (double)of_class * 0.5 * (double)(i + 1 + end); /* ranks i + 1 to end */
    positive += (double)of_class;
    i = end;
  }
  double negative = (double)n - positive;
  if (positive == 0 || negative == 0) return (double)NAN;
  return (ranks - positive * (positive + 1) / 2) / (positive * negative);
}

/* log softmax(x)[column], but for rounding; of two columns their difference, which sorts alike. */
static float class_score(const float *x, int64_t cols, int64_t column) {
  if (cols == 1) return x[0];
  if (cols == 2) return x[column] - x[1 - column];
  float most = x[0];
  for (int64_t j = 1; j < cols; j++) most = x[j] > most ? x[j] : most;
  double sum = 0;
  for (int64_t j = 0; j < cols; j++) sum += (double)expf(x[j] - most);
  return (float)((double)x[column] - (double)most - log(sum));
}

/* One class against the rest, as sklearn.metrics.roc_auc_score with "ovr", or column by column; a
 * column that has one class only among these rows does not count. */
static heed_status roc_auc(const heed_matrix *output, const heed_targets *targets,
                           const uint8_t *rows, uint64_t *keys, double *value) {
  int64_t cols = output->cols;
  uint64_t *other = keys + output->rows;
  bool two_classes = !by_values(targets) && cols <= 2;
  double sum = 0;
  int64_t areas = 0, any = 0;
  for (int64_t c = two_classes ? classes_of(output) - 1 : 0; c < classes_of(output); c++) {
    if (by_values(targets) && c >= cols) break;
    int64_t n = 0;
    for (int64_t i = 0; i < output->rows; i++) {
      if (rows != NULL && rows[i] == 0) continue;
      const float *x = output->data + i * output->stride;
      float score;
      bool positive;
      if (by_values(targets)) {
        float target = targets->values[i * cols + c];
        if (isnan(target)) continue;
        score = x[c];
        positive = target >= 0.5F;
      } else {
        if (targets->labels[i] < 0) continue;
        HEED__TRY(check_label(i, targets->labels[i], output));
        score = class_score(x, cols, c);
        positive = targets->labels[i] == c;
      }
      if (isnan(score)) {
        return heed__fail(HEED_VALUE, "roc-auc: output, row %lld: not a number", (long long)i);
      }
      keys[n++] = rank_key(score, positive);
    }
    double one = area(keys, other, n);
    any += n;
    if (isnan(one)) continue;
    sum += one;
    areas++;
  }
  if (any == 0) return nothing_counts(HEED_METRIC_ROC_AUC, output);
  if (areas == 0) {
    return heed__fail(HEED_ARGUMENT, "roc-auc: the rows that count are all of one class");
  }
  *value = sum / (double)areas;
  return HEED_OK;
}

size_t heed__metric_room(heed_metric metric, int64_t rows, int64_t cols) {
  size_t bytes = 0;
  bool fits = rows >= 0 && cols >= 1 && rows <= INT64_MAX / 2;
  if (metric == HEED_METRIC_ROC_AUC) {
    fits = fits && heed__multiply(2 * (size_t)rows, sizeof(uint64_t), &bytes);
  } else if (metric != HEED_METRIC_RMSE && metric != HEED_METRIC_MAE) {
    fits = fits && heed__multiply(cols > 1 ? (size_t)cols : 2, sizeof(tally), &bytes);
  }
  if ((unsigned)metric > HEED_METRIC_MAE || !fits) return 0;
  return bytes > 0 ? bytes : 1;
}

heed_status heed__metric_measure(heed_metric metric, const heed_matrix *output,
                                 const heed_targets *targets, const uint8_t *rows, void *room,
                                 double *value) {
  if (metric == HEED_METRIC_RMSE || metric == HEED_METRIC_MAE) {
    return regression(metric, output, targets, rows, value);
  }
  if (targets->labels == NULL && targets->values == NULL) {
    return heed__fail(HEED_ARGUMENT, "%s: there are neither labels nor target values",
                      heed_metric_name(metric));
  }
  if (metric == HEED_METRIC_ROC_AUC) return roc_auc(output, targets, rows, room, value);
  counts c = {.of = room};
  HEED__TRY(count_classes(output, targets, rows, &c));
  if (c.total == 0) return nothing_counts(metric, output);
  switch (metric) {
    case HEED_METRIC_MACRO_F1:
      *value = macro_f1(&c);
      break;
    case HEED_METRIC_MICRO_F1:
      *value = micro_f1(&c);
      break;
    case HEED_METRIC_MCC:
      *value = mcc(&c);
      break;
    default:
      *value = (double)c.right / (double)c.total;
  }
  return HEED_OK;
}

heed_status heed_metric_compute(heed_metric metric, const heed_matrix *output,
                                const heed_targets *targets, const uint8_t *rows, double *value) {
  if ((unsigned)metric > HEED_METRIC_MAE) {
    return heed__fail(HEED_ARGUMENT, "metric %d: there is none", (int)metric);
  }
  if (output->rows < 0 || output->cols < 1 || output->stride < output->cols) {
    return heed__fail(HEED_SHAPE, "output: %lld rows of %lld columns, stride %lld",
                      (long long)output->rows, (long long)output->cols, (long long)output->stride);
  }
  size_t bytes = heed__metric_room(metric, output->rows, output->cols);
  if (bytes == 0) {
    return heed__fail(HEED_NOMEM, "%s: %lld rows of %lld columns do not fit in memory",
                      heed_metric_name(metric), (long long)output->rows, (long long)output->cols);
  }
  void *room = heed__alloc(bytes, 1);
  if (room == NULL) return HEED_NOMEM;
  heed_status status = heed__metric_measure(metric, output, targets, rows, room, value);
  heed__free(room);
  return status;
}
