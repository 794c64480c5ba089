/* Losses and their gradients. Rows are cut into fixed blocks, whose sums are kept in double and
 * joined in order, so that the bits do not depend on the number of threads. */
#include "train/loss.h"

#include <math.h>
#include <string.h>

#include "base/status.h"
#include "matrix/blocks.h"
#include "matrix/loops.h"

/* Blocks at most, and rows of a block at least. */
enum { BLOCKS = 64, LEAST = 64 };

/* What an exponential costs in the currency of heed__threads_for(). */
enum { EXP_WORK = 8 };

typedef struct problem {
  heed_loss loss;
  const heed_matrix *output;
  const int32_t *labels; /* one of labels and values is NULL */
  const float *values;
  const uint8_t *rows;
  float *gradient;
  double scale; /* 1 / how many count */
} problem;

typedef struct partial {
  double sum;
  int64_t count;
  int64_t bad; /* the first row that is wrong; -1: none */
} partial;

typedef void block_function(const problem *p, int64_t begin, int64_t end, partial *result);

static bool counts(const problem *p, int64_t i) {
  return (p->rows == NULL || p->rows[i] != 0) && (p->labels == NULL || p->labels[i] >= 0);
}

/* Classes that labels may be of. */
static int64_t classes_of(heed_loss loss, int64_t cols) {
  return cols == 1 && loss != HEED_LOSS_CROSS_ENTROPY ? 2 : cols;
}

/* Rows or entries that count, and the first whose target makes no sense. */
static void count_block(const problem *p, int64_t begin, int64_t end, partial *result) {
  int64_t cols = p->output->cols;
  int64_t classes = classes_of(p->loss, cols);
  for (int64_t i = begin; i < end; i++) {
    if (!counts(p, i)) continue;
    bool good = true;
    if (p->labels != NULL) {
      good = p->labels[i] < classes;
      result->count++;
    } else {
      const float *target = p->values + i * cols;
      for (int64_t j = 0; j < cols; j++) {
        if (isnan(target[j])) continue;
        result->count++;
        if (p->loss == HEED_LOSS_BINARY_CROSS_ENTROPY) good &= target[j] >= 0 && target[j] <= 1;
      }
    }
    if (!good && result->bad < 0) result->bad = i;
  }
}

/* -log softmax(x)[label] and its gradient; the largest number is taken off first, so that no
 * exponential overflows. */
static double cross_entropy(const float *x, int64_t cols, int32_t label, double scale, float *g) {
  float most = x[0];
  for (int64_t j = 1; j < cols; j++) most = x[j] > most ? x[j] : most;
  double sum = 0;
  if (g == NULL) {
    for (int64_t j = 0; j < cols; j++) sum += (double)expf(x[j] - most);
  } else {
    double others = 0; /* keeps the digits of 1 - softmax(x)[label] */
    for (int64_t j = 0; j < cols; j++) {
      g[j] = expf(x[j] - most);
      sum += (double)g[j];
      if (j != label) others += (double)g[j];
    }
    double factor = scale / sum;
    for (int64_t j = 0; j < cols; j++) g[j] = (float)(factor * (double)g[j]);
    g[label] = (float)(-factor * others);
  }
  return log(sum) - ((double)x[label] - (double)most);
}

/* Narrow rows are taken some at a time, so that their exponentials fill vectors and their logarithms are
 * one. */
enum { NARROW = 64, ROWS = 8 };

/* The loss of `count` narrow rows, all of which count, into result, and their gradients. */
static void narrow_rows(const problem *p, const int64_t *rows, int count, partial *result) {
  int64_t cols = p->output->cols;
  float e[ROWS * NARROW], of_label[ROWS];
  double product = 1;
  e[0] = 0; /* compilers do not know that there is a row and a column */
  for (int r = 0; r < count; r++) {
    const float *x = p->output->data + rows[r] * p->output->stride;
    float most = x[0];
    for (int64_t j = 1; j < cols; j++) most = x[j] > most ? x[j] : most;
    for (int64_t j = 0; j < cols; j++) e[r * cols + j] = x[j] - most;
    of_label[r] = x[p->labels[rows[r]]] - most;
  }
  heed__exp_below(count * cols, e, e);
  for (int r = 0; r < count; r++) {
    const float *row = e + r * cols;
    int32_t label = p->labels[rows[r]];
    double others = 0;
    for (int64_t j = 0; j < cols; j++) others += j != label ? (double)row[j] : 0;
    double sum = others + (double)row[label];
    if (!(isfinite(sum) && isfinite(of_label[r])) && result->bad < 0) result->bad = rows[r];
    product *= sum; /* none is below 1 or above NARROW */
    result->sum -= (double)of_label[r];
    if (p->gradient == NULL) continue;
    float *g = p->gradient + rows[r] * cols;
    double factor = p->scale / sum;
    for (int64_t j = 0; j < cols; j++) g[j] = (float)(factor * (double)row[j]);
    g[label] = (float)(-factor * others);
  }
  result->sum += log(product);
}

/* Loss of one entry and its derivative. */
static double entry(heed_loss loss, float x, float target, double *derivative) {
  double error = (double)x - (double)target;
  switch (loss) {
    case HEED_LOSS_SQUARED:
      *derivative = 2 * error;
      return error * error;
    case HEED_LOSS_ABSOLUTE:
      *derivative = error > 0 ? 1 : error < 0 ? -1 : 0;
      return fabs(error);
    default: { /* -t log s(x) - (1 - t) log(1 - s(x)), of which no part overflows */
      double e = (double)expf(-fabsf(x));
      *derivative = (x >= 0 ? 1 : e) / (1 + e) - (double)target;
      return (x > 0 ? (double)x : 0) - (double)x * (double)target + (double)log1pf((float)e);
    }
  }
}

static double entries(const problem *p, int64_t i, const float *x, float *g) {
  int64_t cols = p->output->cols;
  double sum = 0;
  for (int64_t j = 0; j < cols; j++) {
    float target = p->labels != NULL ? (float)p->labels[i] : p->values[i * cols + j];
    double derivative = 0;
    if (!isnan(target)) sum += entry(p->loss, x[j], target, &derivative);
    if (g != NULL) g[j] = (float)(p->scale * derivative);
  }
  return sum;
}

static void loss_block(const problem *p, int64_t begin, int64_t end, partial *result) {
  int64_t cols = p->output->cols, rows[ROWS];
  bool narrow = p->loss == HEED_LOSS_CROSS_ENTROPY && cols <= NARROW;
  int n = 0;
  for (int64_t i = begin; i < end; i++) {
    float *g = p->gradient != NULL ? p->gradient + i * cols : NULL;
    if (!counts(p, i)) {
      if (g != NULL) memset(g, 0, (size_t)cols * sizeof *g);
      continue;
    }
    if (narrow) {
      rows[n++] = i;
      if (n == ROWS) narrow_rows(p, rows, n, result);
      n %= ROWS;
      continue;
    }
    const float *x = p->output->data + i * p->output->stride;
    double value = p->loss == HEED_LOSS_CROSS_ENTROPY
                       ? cross_entropy(x, cols, p->labels[i], p->scale, g)
                       : entries(p, i, x, g);
    if (!isfinite(value) && result->bad < 0) result->bad = i;
    result->sum += value;
  }
  if (n > 0) narrow_rows(p, rows, n, result);
}

/* All blocks, joined in order. */
static partial over_blocks(const problem *p, block_function *function, double work) {
  partial parts[BLOCKS];
  int64_t rows = p->output->rows;
  int64_t step = (rows + BLOCKS - 1) / BLOCKS > LEAST ? (rows + BLOCKS - 1) / BLOCKS : LEAST;
  HEED__BLOCKS(dynamic, rows, step, work, {
    partial *part = parts + first / step;
    *part = (partial){0, 0, -1};
    function(p, first, first + count, part);
  });
  partial all = {0, 0, -1};
  for (int64_t b = 0; b < heed__parts(rows, step); b++) {
    all.sum += parts[b].sum;
    all.count += parts[b].count;
    if (all.bad < 0) all.bad = parts[b].bad;
  }
  return all;
}

bool heed__loss_by_label(heed_loss loss, const heed_targets *targets, int64_t cols) {
  return loss == HEED_LOSS_CROSS_ENTROPY ||
         (loss == HEED_LOSS_BINARY_CROSS_ENTROPY && targets->labels != NULL && cols == 1);
}

heed_status heed__loss_check_targets(heed_loss loss, const heed_targets *targets, int64_t cols) {
  bool by_label = heed__loss_by_label(loss, targets, cols);
  if (by_label ? targets->labels != NULL : targets->values != NULL) return HEED_OK;
  return heed__fail(HEED_ARGUMENT, "%s: there are no %s", heed_loss_name(loss),
                    by_label ? "labels" : "target values");
}

int64_t heed__loss_known(heed_loss loss, const heed_targets *targets, int64_t cols, int64_t row) {
  if (heed__loss_by_label(loss, targets, cols)) return targets->labels[row] >= 0;
  int64_t count = 0;
  for (int64_t c = 0; c < cols; c++) count += !isnan(targets->values[row * cols + c]);
  return count;
}

static heed_status check_target(heed_loss loss, const heed_targets *targets, int64_t cols,
                                int64_t row, const char *thing) {
  if (heed__loss_by_label(loss, targets, cols)) {
    if (targets->labels[row] < classes_of(loss, cols)) return HEED_OK;
    return heed__fail(HEED_RANGE, "labels, %s %lld: class %d, but the output has %lld column%s",
                      thing, (long long)row, (int)targets->labels[row], (long long)cols,
                      cols == 1 ? "" : "s");
  }
  bool binary = loss == HEED_LOSS_BINARY_CROSS_ENTROPY;
  for (int64_t c = 0; c < cols; c++) {
    float value = targets->values[row * cols + c];
    if (isinf(value) || (binary && (value < 0 || value > 1))) {
      return heed__fail(HEED_RANGE, "targets, %s %lld, column %lld: %g is not %s", thing,
                        (long long)row, (long long)c, (double)value,
                        binary ? "between 0 and 1" : "finite");
    }
  }
  return HEED_OK;
}

heed_status heed__loss_check_rows(heed_loss loss, const heed_targets *targets, int64_t cols,
                                  const uint8_t *marks, int64_t n, const char *part,
                                  const char *thing, int64_t *count) {
  int64_t marked = 0;
  *count = 0;
  HEED__TRY(heed__loss_check_targets(loss, targets, cols));
  for (int64_t i = 0; i < n; i++) {
    if (marks[i] == 0) continue;
    marked++;
    *count += heed__loss_known(loss, targets, cols, i) > 0;
    HEED__TRY(check_target(loss, targets, cols, i, thing));
  }
  if (*count > 0) return HEED_OK;
  return heed__fail(HEED_ARGUMENT, "%s: none of %lld %ss%s", part,
                    (long long)(marked == 0 ? n : marked), thing,
                    marked == 0 ? "" : " has a known target");
}

heed_status heed_loss_compute(heed_loss loss, const heed_matrix *output,
                              const heed_targets *targets, const uint8_t *rows, float *gradient,
                              double *value) {
  problem p = {loss, output, targets->labels, targets->values, rows, gradient, 0};
  if ((unsigned)loss > HEED_LOSS_ABSOLUTE) {
    return heed__fail(HEED_ARGUMENT, "loss %d: there is none", (int)loss);
  }
  if (output->rows < 0 || output->cols < 1 || output->stride < output->cols) {
    return heed__fail(HEED_SHAPE, "output: %lld rows of %lld columns, stride %lld",
                      (long long)output->rows, (long long)output->cols, (long long)output->stride);
  }
  HEED__TRY(heed__loss_check_targets(loss, targets, output->cols));
  bool by_label = heed__loss_by_label(loss, targets, output->cols);
  if (by_label) {
    p.values = NULL;
  } else {
    p.labels = NULL;
  }
  partial count =
      over_blocks(&p, count_block, (double)output->rows * (by_label ? 1 : (double)output->cols));
  if (count.bad >= 0) {
    return check_target(loss, &(heed_targets){p.labels, p.values}, output->cols, count.bad, "row");
  }
  if (count.count == 0) {
    return heed__fail(HEED_ARGUMENT, "%s: none of %lld rows counts", heed_loss_name(loss),
                      (long long)output->rows);
  }
  p.scale = 1 / (double)count.count;
  double exponentials = (double)count.count * (by_label ? (double)output->cols : 1);
  partial sum = over_blocks(&p, loss_block, exponentials * EXP_WORK);
  if (sum.bad >= 0 || !isfinite(sum.sum)) {
    return heed__fail(HEED_VALUE, "%s: not finite in row %lld", heed_loss_name(loss),
                      (long long)sum.bad);
  }
  *value = sum.sum / (double)count.count;
  return HEED_OK;
}
