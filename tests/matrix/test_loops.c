/* Room matrix: the loops of layers against double precision, gradients against central
 * differences of it. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/isa.h"
#include "base/random.h"
#include "expect.h"
#include "matrix/loops.h"
#ifdef _OPENMP
#include <omp.h>
#endif

/* Check writes a note for each of its assertions, which takes longer than what is asserted here. */
#define require(condition, ...)                  \
  do {                                           \
    if (!(condition)) ck_abort_msg(__VA_ARGS__); \
  } while (0)
#define check(condition) require(condition, "not so: %s", #condition)

static void succeeds(heed_status status) {
  require(status == HEED_OK, "%s: %s", heed_status_name(status), heed_message());
}

/* n floats in [-1, 1) times `size`; a block of its own for each, so that reads beyond it are
 * seen. */
static float *numbers(uint64_t seed, int64_t n, float size) {
  float *x = malloc(n > 0 ? (size_t)n * sizeof *x : 1);
  ck_assert_ptr_nonnull(x);
  heed_random_uniform(seed, 77, x, n, -size, size);
  return x;
}

static float *copy_of(const float *x, int64_t n) {
  float *copy = malloc(n > 0 ? (size_t)n * sizeof *copy : 1);
  ck_assert_ptr_nonnull(copy);
  if (n > 0) memcpy(copy, x, (size_t)n * sizeof *copy);
  return copy;
}

static float *empty(int64_t n) {
  float *x = malloc(n > 0 ? (size_t)n * sizeof *x : 1);
  ck_assert_ptr_nonnull(x);
  for (int64_t i = 0; i < n; i++) x[i] = NAN;
  return x;
}

static void near(const float *found, const double *expected, int64_t n, double tolerance,
                 const char *what) {
  for (int64_t i = 0; i < n; i++) {
    double bound = tolerance * (1 + fabs(expected[i]));
    require(fabs((double)found[i] - expected[i]) <= bound, "%s %d of %d: %.9g, not %.9g", what,
            (int)i, (int)n, (double)found[i], expected[i]);
  }
}

static void same(const float *found, const float *expected, int64_t n, const char *what) {
  if (n == 0) return;
  require(memcmp(found, expected, (size_t)n * sizeof *found) == 0, "%s: other bits", what);
}

/* dx from a call that overwrites, and what one that adds made of `before`. */
static void adds_up(const float *dx, const float *before, const float *added, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    double expected = (double)dx[i] + (double)before[i];
    require(fabs((double)added[i] - expected) <= 1e-6 * (1 + fabs(expected)),
            "number %d: %g + %g gave %g", (int)i, (double)before[i], (double)dx[i],
            (double)added[i]);
  }
}

/* Rows and columns that no width of a vector divides, none, and several blocks of work. */
static const int64_t shapes[][2] = {{0, 0},   {0, 5},     {5, 0},     {1, 1},
                                    {3, 7},   {17, 33},   {64, 64},   {130, 65},
                                    {2, 300}, {1000, 70}, {3, 33000}, {9000, 9}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

START_TEST(kept_by_the_same_random_numbers) {
  static const int64_t lengths[] = {0, 1, 5, 31, 32, 33, 63, 64, 65, 127, 128, 130, 1001};
  static const uint64_t counters[] = {0, 1, 0xfffffff0u, 0xffffffffffffffF8u};
  static const uint64_t seeds[][2] = {{0, 0}, {0xfedcba9876543210u, 0x0123456789abcdefu}, {42, 3}};
  static const uint32_t limits[] = {0, 1, 20000, 65535, 65536};
  for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
    for (size_t c = 0; c < sizeof counters / sizeof *counters; c++) {
      for (size_t s = 0; s < 3 * sizeof limits / sizeof *limits; s++) {
        const uint64_t *seed = seeds[s % 3];
        uint32_t limit = limits[s / 3];
        int64_t n = lengths[l];
        uint32_t *kept = malloc((size_t)(n / 32 + 1) * sizeof *kept);
        heed__random_keep(seed[0], seed[1], counters[c], n, limit, kept);
        for (int64_t i = 0; i < n; i++) {
          uint32_t four[4];
          int64_t number = i / 32 * 16 + i % 16;
          heed__random4(seed[0], seed[1], counters[c] + (uint64_t)(number / 4), four);
          uint32_t half = four[number % 4] >> (i % 32 < 16 ? 0 : 16) & 0xffff;
          require((kept[i / 32] >> i % 32 & 1) == (half >= limit), "thing %d of %d", (int)i, (int)n);
        }
        free(kept);
      }
    }
  }
}
END_TEST

START_TEST(small_work_stays_on_one_thread) {
  succeeds(heed_set_threads(7));
  ck_assert_int_eq(heed__threads_for(0), 1);
  ck_assert_int_eq(heed__threads_for(100000), 1);
#ifdef _OPENMP
  ck_assert_int_eq(heed__threads_for(1e12), 7);
  succeeds(heed_set_threads(2));
  ck_assert_int_eq(heed__threads_for(1e12), 2);
  int inside = 0;
#pragma omp parallel num_threads(2) reduction(max : inside)
  inside = heed__threads_for(1e12);
  ck_assert_int_eq(inside, 1);
#endif
}
END_TEST

START_TEST(bias_and_sums) {
  for (int s = 0; s < SHAPES; s++) {
    int64_t rows = shapes[s][0], cols = shapes[s][1], n = rows * cols;
    float *x = numbers(1, n, 1), *b = numbers(2, cols, 1), *z = numbers(3, n, 1), *y = empty(n);
    float *db = empty(cols), *room = empty(heed__column_room(rows, cols));
    double *expected = calloc((size_t)(n + cols) + 1, sizeof *expected), *sums = expected + n;
    for (int64_t i = 0; i < n; i++) {
      expected[i] = (double)x[i] + (double)b[i % cols];
      sums[i % cols] += (double)x[i];
    }
    heed__add_bias(rows, cols, x, b, y);
    near(y, expected, n, 1e-7, "bias");
    float *w = copy_of(x, n);
    heed__add_bias(rows, cols, w, b, w);
    same(w, y, n, "bias in place");
    heed__sum_columns(rows, cols, x, db, room);
    near(db, sums, cols, 2e-5, "column");

    for (int64_t i = 0; i < n; i++) expected[i] = (double)x[i] + (double)z[i];
    heed__sum(n, x, z, y);
    near(y, expected, n, 1e-7, "sum");
    memcpy(w, x, (size_t)n * sizeof *w);
    heed__accumulate(n, z, w);
    same(w, y, n, "sum in place");
    free(x);
    free(b);
    free(z);
    free(y);
    free(w);
    free(db);
    free(room);
    free(expected);
  }
}
END_TEST

static double function(heed_activation f, double x) {
  switch (f) {
    case HEED_ACTIVATION_NONE:
      return x;
    case HEED_ACTIVATION_RELU:
      return x > 0 ? x : 0;
    case HEED_ACTIVATION_LEAKY_RELU:
      return x > 0 ? x : (double)0.01f * x;
    case HEED_ACTIVATION_ELU:
      return x > 0 ? x : expm1(x);
    case HEED_ACTIVATION_GELU:
      return x * 0.5 * erfc(-x / sqrt(2));
    case HEED_ACTIVATION_TANH:
      return tanh(x);
  }
  return NAN;
}

static double slope(heed_activation f, double x) {
  switch (f) {
    case HEED_ACTIVATION_NONE:
      return 1;
    case HEED_ACTIVATION_RELU:
      return x > 0 ? 1 : 0;
    case HEED_ACTIVATION_LEAKY_RELU:
      return x > 0 ? 1 : (double)0.01f;
    case HEED_ACTIVATION_ELU:
      return x > 0 ? 1 : exp(x);
    case HEED_ACTIVATION_GELU:
      return 0.5 * erfc(-x / sqrt(2)) + x * exp(-x * x / 2) / sqrt(2 * acos(-1));
    case HEED_ACTIVATION_TANH:
      return 1 / (cosh(x) * cosh(x));
  }
  return NAN;
}

/* Relative to the function and, for slopes, to the greater of what is added up: as loops.h
 * promises. */
START_TEST(activations_are_as_exact_as_promised) {
  heed_activation f = (heed_activation)_i;
  enum { N = 60001 };
  float *x = malloc(N * sizeof *x), *y = empty(N), *dx = empty(N), *dy = numbers(5, N, 1);
  for (int64_t i = 0; i < N; i++) {
    float step = (float)(i - N / 2) / (N / 2);
    x[i] = i % 3 == 0 ? step * 1e-4f : i % 3 == 1 ? step * 6 : step * 30;
  }
  x[0] = -1e30f;
  x[1] = 1e30f;
  x[2] = 0;
  x[3] = -0.0f;
  x[4] = 1e-38f;
  x[5] = -1e-38f;
  heed__activate(f, N, x, y);
  heed__activate_backward(f, N, x, dy, dx, false);
  double worst = 0, worst_slope = 0;
  for (int64_t i = 0; i < N; i++) {
    double at = (double)x[i], value = function(f, at);
    double error = fabs((double)y[i] - value);
    double bound = f == HEED_ACTIVATION_GELU && at < -1 ? 1e-6 * fabs(value) * (1 + at * at / 8)
                                                        : 4e-7 * fabs(value);
    if (fabs(value) > 0) worst = fmax(worst, error / fabs(value));
    require(error <= bound + 1e-37, "%s(%.9g) = %.9g, not %.9g", heed_activation_name(f), at,
            (double)y[i], value);
    double expected = slope(f, at) * (double)dy[i];
    error = fabs((double)dx[i] - expected);
    worst_slope = fmax(worst_slope, error);
    require(error <= 5e-7 * fabs((double)dy[i]), "%s'(%.9g): %.9g, not %.9g",
            heed_activation_name(f), at, (double)dx[i], expected);
    if (fabs(at) > 1e-3 && fabs(at) < 30) { /* the slope is that of the function */
      double h = 1e-5, difference = (function(f, at + h) - function(f, at - h)) / (2 * h);
      require(fabs(difference - slope(f, at)) < 1e-6, "%s' at %g", heed_activation_name(f), at);
    }
  }
  float *added = copy_of(dy, N), *place = copy_of(dy, N), *z = copy_of(x, N);
  heed__activate_backward(f, N, x, dy, added, true);
  adds_up(dx, dy, added, N);
  heed__activate_backward(f, N, x, place, place, false);
  same(place, dx, N, "dx over dy");
  heed__activate(f, N, z, z);
  same(z, y, N, "y over x");
  float nan[5] = {NAN, 1, NAN, -1, NAN}, out[5];
  heed__activate(f, 5, nan, out);
  check(isnan(out[0]) && isnan(out[2]) && isnan(out[4]) && out[1] > 0 && !isnan(out[3]));
  heed__activate(f, 0, NULL, NULL);
  free(x);
  free(y);
  free(dx);
  free(dy);
  free(added);
  free(place);
  free(z);
}
END_TEST

START_TEST(activations_have_names) {
  static const char *const names[] = {"none", "relu", "leaky-relu", "elu", "gelu", "tanh"};
  for (int f = 0; f < 6; f++) {
    ck_assert_str_eq(heed_activation_name((heed_activation)f), names[f]);
    heed_activation found = (heed_activation)((f + 1) % 6);
    succeeds(heed_activation_from_name(names[f], &found));
    ck_assert_int_eq(found, f);
  }
  ck_assert_str_eq(heed_activation_name((heed_activation)6), "?");
  heed_activation kept = HEED_ACTIVATION_ELU;
  ck_assert_int_eq(heed_activation_from_name("swish", &kept), HEED_ARGUMENT);
  ck_assert_str_eq(heed_message(), "no activation 'swish': none, relu, leaky-relu, elu, gelu or tanh");
  ck_assert_int_eq(kept, HEED_ACTIVATION_ELU);
}
END_TEST

START_TEST(dropout_is_by_number) {
  static const int64_t lengths[] = {0, 1, 3, 4, 15, 16, 17, 31, 32, 33, 1023, 2049, 32768, 100003};
  const float p = 0.6f;
  for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
    int64_t n = lengths[l];
    float *x = numbers(1, n, 1), *y = empty(n), *z = copy_of(x, n);
    heed__dropout(7, 9, p, n, x, y, false);
    for (int64_t i = 0; i < n; i++) {
      uint32_t four[4];
      int64_t word = i / 32 * 16 + i % 16; /* 16 numbers take the lower halves, 16 the upper ones */
      heed__random4(7, 9, (uint64_t)(word / 4), four);
      uint32_t half = i % 32 < 16 ? four[word % 4] & 0xffff : four[word % 4] >> 16;
      double expected = half < 39322 ? 0 : (double)x[i] * 65536 / (65536 - 39322); /* of p = 0.6 */
      require(fabs((double)y[i] - expected) <= 2e-7 * fabs(expected), "number %d: %g", (int)i,
              (double)y[i]);
    }
    heed__dropout(7, 9, p, n, z, z, false);
    same(z, y, n, "in place");
    float *added = copy_of(x, n);
    heed__dropout(7, 9, p, n, x, added, true);
    adds_up(y, x, added, n);
    heed__dropout(7, 9, 0, n, x, z, false);
    same(z, x, n, "p = 0");
    heed__dropout(7, 9, 0, n, x, z, true);
    for (int64_t i = 0; i < n; i++) check(z[i] == 2 * x[i]);
    free(x);
    free(y);
    free(z);
    free(added);
  }
}
END_TEST

START_TEST(dropout_keeps_the_mean) {
  enum { N = 1000000 };
  static const float shares[] = {0.1f, 0.5f, 0.6f, 0.99999f};
  float *x = malloc(N * sizeof *x), *y = empty(N);
  for (int64_t i = 0; i < N; i++) x[i] = 1;
  for (int s = 0; s < 4; s++) {
    heed__dropout(3, 4, shares[s], N, x, y, false);
    double sum = 0, zeros = 0, p = (double)shares[s];
    for (int64_t i = 0; i < N; i++) {
      sum += (double)y[i];
      zeros += y[i] == 0;
    }
    p = floor(p * 65536 + 0.5) / 65536;
    double deviation = sqrt(p / (1 - p) / N); /* of the mean */
    require(fabs(sum / N - 1) < 5 * deviation, "p %g: mean %g", p, sum / N);
    require(fabs(zeros / N - p) < 5 * sqrt(p * (1 - p) / N), "p %g: %g zeros", p, zeros);
    heed__dropout(3, 5, shares[s], N, x, x, false); /* another stream: another choice */
    check(memcmp(x, y, N * sizeof *x) != 0);
    for (int64_t i = 0; i < N; i++) x[i] = 1;
  }
  heed__dropout(3, 4, 0.999999f, N, x, y, false); /* nearest to 1: nothing is kept, nor infinite */
  for (int64_t i = 0; i < N; i++) check(y[i] == 0);
  free(x);
  free(y);
}
END_TEST

/* A layer in double precision: parameters are x, gain and shift one after another. */
typedef struct layer {
  int kind; /* 0: norm of rows, 1: norm of columns, 2: mean of heads, 3..: pooling */
  int64_t rows, cols;
  int32_t heads;
  int64_t groups;
  const int64_t *ptr;
  const float *dy;
} layer;

static double scale_of(const double *x, int64_t n, int64_t step, double *mean) {
  double sum = 0, spread = 0;
  for (int64_t i = 0; i < n; i++) sum += x[i * step];
  *mean = sum / (double)n;
  for (int64_t i = 0; i < n; i++) spread += pow(x[i * step] - *mean, 2);
  return 1 / sqrt(spread / (double)n + 1e-5);
}

static int64_t layer_outputs(const layer *l) {
  if (l->kind < 2) return l->rows * l->cols;
  return l->kind == 2 ? l->rows * l->cols / l->heads : l->groups * l->cols;
}

static void layer_forward(const layer *l, const double *x, double *y) {
  const double *gain = x + l->rows * l->cols, *shift = gain + l->cols;
  int64_t cols = l->cols;
  double mean = 0;
  memset(y, 0, (size_t)layer_outputs(l) * sizeof *y);
  if (l->kind == 0) {
    for (int64_t i = 0; i < l->rows; i++) {
      double scale = scale_of(x + i * cols, cols, 1, &mean);
      for (int64_t j = 0; j < cols; j++) {
        y[i * cols + j] = (x[i * cols + j] - mean) * scale * gain[j] + shift[j];
      }
    }
  } else if (l->kind == 1) {
    for (int64_t j = 0; j < cols; j++) {
      double scale = scale_of(x + j, l->rows, cols, &mean);
      for (int64_t i = 0; i < l->rows; i++) {
        y[i * cols + j] = (x[i * cols + j] - mean) * scale * gain[j] + shift[j];
      }
    }
  } else if (l->kind == 2) {
    int64_t dim = cols / l->heads;
    for (int64_t i = 0; i < l->rows * cols; i++) {
      y[i / cols * dim + i % dim] += x[i] / l->heads;
    }
  } else {
    for (int64_t g = 0; g < l->groups; g++) {
      for (int64_t j = 0; j < cols && l->ptr[g] < l->ptr[g + 1]; j++) {
        double sum = 0, most = -INFINITY;
        for (int64_t i = l->ptr[g]; i < l->ptr[g + 1]; i++) {
          sum += x[i * cols + j];
          most = fmax(most, x[i * cols + j]);
        }
        y[g * cols + j] = l->kind == 5   ? most
                          : l->kind == 4 ? sum
                                         : sum / (double)(l->ptr[g + 1] - l->ptr[g]);
      }
    }
  }
}

static double layer_loss(const layer *l, const double *x, double *y) {
  layer_forward(l, x, y);
  double sum = 0;
  for (int64_t i = 0; i < layer_outputs(l); i++) sum += y[i] * (double)l->dy[i];
  return sum;
}

/* Gradients of the first `some` numbers of every `step`th of x (and of all parameters behind
 * it). */
static void layer_gradient(const layer *l, double *x, int64_t from, int64_t n, const float *found,
                           double tolerance, const char *what) {
  double *y = malloc(((size_t)layer_outputs(l) + 1) * sizeof *y);
  int64_t step = n > 60000 ? n / 5 : n > 200 ? n / 47 : 1;
  for (int64_t i = 0; i < n; i += step) {
    double h = 1e-5, old = x[from + i];
    x[from + i] = old + h;
    double up = layer_loss(l, x, y);
    x[from + i] = old - h;
    double down = layer_loss(l, x, y);
    x[from + i] = old;
    double expected = (up - down) / (2 * h);
    require(fabs((double)found[i] - expected) <= tolerance * (1 + fabs(expected)),
            "%s %d of %d: %.9g, not %.9g", what, (int)i, (int)n, (double)found[i], expected);
  }
  free(y);
}

static double *parameters(const float *x, const float *gain, const float *shift, int64_t n,
                          int64_t cols) {
  double *all = malloc((size_t)(n + 2 * cols + 1) * sizeof *all);
  for (int64_t i = 0; i < n; i++) all[i] = (double)x[i];
  for (int64_t j = 0; j < cols; j++) {
    all[n + j] = (double)gain[j];
    all[n + cols + j] = (double)shift[j];
  }
  return all;
}

START_TEST(norms_and_their_gradients) {
  int kind = _i;
  for (int s = 0; s < SHAPES; s++) {
    int64_t rows = shapes[s][0], cols = shapes[s][1], n = rows * cols;
    if (kind == 1 && rows < 3) rows += 3, n = rows * cols; /* of one row it is all shift */
    if (kind == 0 && cols == 1) continue;
    float *x = numbers(1, n, 1), *gain = numbers(2, cols, 2), *shift = numbers(3, cols, 1);
    float *dy = numbers(4, n, 1), *y = empty(n), *dx = empty(n), *stats = empty(2 * (rows + cols));
    float *dgain = empty(cols), *dshift = empty(cols), *before = numbers(5, n, 1);
    float *room = empty(2 * heed__column_room(rows, cols));
    float *running = malloc(((size_t)cols * 2 + 1) * sizeof *running);
    for (int64_t j = 0; j < 2 * cols; j++) running[j] = j < cols ? 0.5f : 2;
    for (int64_t i = 0; i < n; i++) x[i] += 3; /* a mean that is not small */
    layer l = {.kind = kind, .rows = rows, .cols = cols, .dy = dy};
    double *all = parameters(x, gain, shift, n, cols);
    double *expected = malloc(((size_t)n + 1) * sizeof *expected);
    layer_forward(&l, all, expected);
    if (kind == 0) {
      heed__layer_norm(rows, cols, x, gain, shift, 1e-5f, y, stats);
      heed__layer_norm_backward(rows, cols, x, gain, stats, dy, dx, false, dgain, dshift, room);
    } else {
      heed__batch_norm(rows, cols, x, gain, shift, 1e-5f, true, 0.1f, running, running + cols, y, stats,
                       room);
      heed__batch_norm_backward(rows, cols, x, gain, stats, dy, dx, false, dgain, dshift, room);
      for (int64_t j = 0; j < cols; j++) {
        double mean, scale = scale_of(all + j, rows, cols, &mean);
        double variance = (1 / (scale * scale) - 1e-5) * (double)rows / (double)(rows - 1);
        double moved[2] = {0.9 * 0.5 + 0.1 * mean, 0.9 * 2 + 0.1 * variance};
        near(running + j, moved, 1, 1e-5, "running mean");
        near(running + cols + j, moved + 1, 1, 1e-5, "running variance");
        near(stats + j, &mean, 1, 1e-5, "mean");
        near(stats + cols + j, &scale, 1, 1e-5, "scale");
      }
    }
    near(y, expected, n, 1e-4, "norm");
    if (n <= 5000 || cols > 1000) {
      layer_gradient(&l, all, 0, n, dx, 2e-4, "dx");
      layer_gradient(&l, all, n, cols, dgain, 2e-4, "dgain");
      layer_gradient(&l, all, n + cols, cols, dshift, 2e-4, "dshift");
    }
    float *added = copy_of(before, n);
    if (kind == 0) {
      heed__layer_norm_backward(rows, cols, x, gain, stats, dy, added, true, dgain, dshift, room);
    } else {
      heed__batch_norm_backward(rows, cols, x, gain, stats, dy, added, true, dgain, dshift, room);
      heed__batch_norm(rows, cols, x, gain, shift, 1e-5f, false, 0.1f, running, running + cols, y, stats,
                       room);
      for (int64_t i = 0; i < n; i++) {
        int64_t j = i % cols;
        expected[i] = ((double)x[i] - (double)running[j]) / sqrt((double)running[cols + j] + 1e-5) *
                          (double)gain[j] +
                      (double)shift[j];
      }
      near(y, expected, n, 1e-5, "norm by the running moments");
    }
    adds_up(dx, before, added, n);
    free(x);
    free(gain);
    free(shift);
    free(dy);
    free(y);
    free(dx);
    free(stats);
    free(dgain);
    free(dshift);
    free(before);
    free(room);
    free(running);
    free(all);
    free(expected);
    free(added);
  }
}
END_TEST

START_TEST(batch_norm_of_one_row) {
  float x[2] = {3, -4}, gain[2] = {2, 2}, shift[2] = {1, 5}, mean[2] = {0, 0}, var[2] = {1, 1};
  float y[2], stats[4], room[4], dgain[2], dshift[2], dx[2];
  heed__batch_norm(1, 2, x, gain, shift, 1e-5f, true, 0.5f, mean, var, y, stats, room);
  check(y[0] == 1 && y[1] == 5 && mean[0] == 1.5f && mean[1] == -2 && var[0] == 0.5f);
  heed__batch_norm_backward(1, 2, x, gain, stats, gain, dx, false, dgain, dshift, room);
  check(dx[0] == 0 && dx[1] == 0 && dgain[0] == 0 && dshift[1] == 2);
  heed__batch_norm(0, 2, NULL, gain, shift, 1e-5f, true, 0.5f, mean, var, NULL, stats, room);
  check(mean[0] == 1.5f && var[0] == 0.5f);
}
END_TEST

START_TEST(head_mean_and_back) {
  for (int s = 0; s < SHAPES; s++) {
    for (int32_t heads = 1; heads <= 8; heads = heads * 2 + 1) {
      int64_t rows = shapes[s][0], dim = shapes[s][1], n = rows * dim * heads;
      float *x = numbers(1, n, 1), *dy = numbers(2, rows * dim, 1), *y = empty(rows * dim);
      float *dx = empty(n), *before = numbers(3, n, 1);
      layer l = {.kind = 2, .rows = rows, .cols = dim * heads, .heads = heads, .dy = dy};
      double *all = parameters(x, x, x, n, 0);
      double *expected = malloc(((size_t)(rows * dim) + 1) * sizeof *expected);
      layer_forward(&l, all, expected);
      heed__head_mean(rows, heads, dim, x, y);
      near(y, expected, rows * dim, 1e-6, "mean of heads");
      heed__head_mean_backward(rows, heads, dim, dy, dx, false);
      if (n < 20000) layer_gradient(&l, all, 0, n, dx, 1e-5, "dx");
      float *added = copy_of(before, n);
      heed__head_mean_backward(rows, heads, dim, dy, added, true);
      adds_up(dx, before, added, n);
      free(x);
      free(dy);
      free(y);
      free(dx);
      free(before);
      free(all);
      free(expected);
      free(added);
    }
  }
}
END_TEST

START_TEST(pooling_and_back) {
  static const int64_t ptr[] = {0, 0, 1, 8, 8, 41, 42, 42};
  enum { GROUPS = 7 };
  static const int64_t columns[] = {0, 1, 5, 64, 257, 600};
  heed__pool kind = (heed__pool)_i;
  int oracle = kind == HEED__POOL_MEAN ? 3 : kind == HEED__POOL_SUM ? 4 : 5;
  for (int c = 0; c < 6; c++) {
    int64_t cols = columns[c], n = ptr[GROUPS] * cols, out = GROUPS * cols;
    float *x = numbers(1, n, 1), *dy = numbers(2, out, 1), *y = empty(out), *dx = empty(n);
    float *before = numbers(3, n, 1);
    int64_t *which = malloc(((size_t)out + 1) * sizeof *which);
    layer l = {
        .kind = oracle, .rows = ptr[GROUPS], .cols = cols, .groups = GROUPS, .ptr = ptr, .dy = dy};
    double *all = parameters(x, x, x, n, 0);
    double *expected = malloc(((size_t)out + 1) * sizeof *expected);
    layer_forward(&l, all, expected);
    heed__pool_rows(kind, GROUPS, ptr, cols, x, y, which);
    near(y, expected, out, 1e-5, "pool");
    for (int64_t i = 0; kind == HEED__POOL_MAX && i < out; i++) {
      int64_t g = i / cols;
      if (ptr[g] == ptr[g + 1]) {
        ck_assert_int_eq(which[i], -1);
      } else {
        check(which[i] >= ptr[g] && which[i] < ptr[g + 1]);
        check(x[which[i] * cols + i % cols] == y[i]);
      }
    }
    heed__pool_rows_backward(kind, GROUPS, ptr, cols, dy, which, dx, false);
    layer_gradient(&l, all, 0, n, dx, 1e-5, "dx");
    float *added = copy_of(before, n);
    heed__pool_rows_backward(kind, GROUPS, ptr, cols, dy, which, added, true);
    adds_up(dx, before, added, n);
    free(x);
    free(dy);
    free(y);
    free(dx);
    free(before);
    free(which);
    free(all);
    free(expected);
    free(added);
  }
  heed__pool_rows(kind, 0, ptr, 3, NULL, NULL, NULL);
  heed__pool_rows_backward(kind, 0, ptr, 3, NULL, NULL, NULL, false);
}
END_TEST

/* A sparse matrix in which about one number of `every` is there. */
static heed_csr sparse(uint64_t seed, int64_t rows, int64_t cols, int every, bool ones) {
  int64_t *indptr = malloc(((size_t)rows + 1) * sizeof *indptr);
  int32_t *indices = malloc((size_t)(rows * cols) * sizeof *indices + 1);
  int64_t p = 0;
  indptr[0] = 0;
  for (int64_t i = 0; i < rows; i++) {
    for (int64_t j = 0; j < cols; j++) {
      uint32_t four[4];
      heed__random4(seed, 0, (uint64_t)(i * cols + j), four);
      if (i % 5 != 3 && four[0] % (uint32_t)every == 0) indices[p++] = (int32_t)j;
    }
    indptr[i + 1] = p;
  }
  return (heed_csr){rows, cols, indptr, indices, ones ? NULL : numbers(seed + 1, p, 1)};
}

static void release(heed_csr *a) {
  free((void *)a->indptr);
  free((void *)a->indices);
  free((void *)a->values);
}

static heed_csr transpose_of(const heed_csr *a, int64_t **places) {
  int64_t n = a->indptr[a->rows];
  int64_t *indptr = malloc(((size_t)a->cols + 1) * sizeof *indptr);
  int32_t *indices = malloc((size_t)n * sizeof *indices + 1);
  *places = malloc((size_t)n * sizeof **places + 1);
  succeeds(heed_csr_transpose(a, indptr, indices, *places));
  float *values = a->values == NULL ? NULL : malloc((size_t)n * sizeof *values + 1);
  for (int64_t p = 0; values != NULL && p < n; p++) values[p] = a->values[(*places)[p]];
  return (heed_csr){a->cols, a->rows, indptr, indices, values};
}

static const int64_t sparse_sizes[][4] = {
    {0, 0, 0, 1},   {0, 5, 3, 1},    {5, 0, 3, 1},     {1, 1, 1, 1},    {7, 9, 0, 2},
    {33, 20, 5, 3}, {40, 61, 64, 4}, {70, 30, 130, 2}, {9, 1100, 7, 2}, {9, 600, 64, 1}};
enum { SPARSE_SIZES = sizeof sparse_sizes / sizeof *sparse_sizes };

START_TEST(transpose_of_a_sparse_matrix) {
  for (int s = 0; s < SPARSE_SIZES; s++) {
    heed_csr a = sparse(9, sparse_sizes[s][0], sparse_sizes[s][1], (int)sparse_sizes[s][3], true);
    int64_t *places;
    heed_csr t = transpose_of(&a, &places);
    succeeds(heed_csr_check(&t)); /* ascending, distinct */
    ck_assert_int_eq(t.indptr[t.rows], a.indptr[a.rows]);
    for (int64_t j = 0; j < t.rows; j++) {
      for (int64_t p = t.indptr[j]; p < t.indptr[j + 1]; p++) {
        int64_t i = t.indices[p];
        ck_assert_int_eq(a.indices[places[p]], j);
        check(places[p] >= a.indptr[i] && places[p] < a.indptr[i + 1]);
      }
    }
    release(&a);
    release(&t);
    free(places);
  }
  heed_csr tall = {(int64_t)INT32_MAX + 2, 0, NULL, NULL, NULL};
  ck_assert_int_eq(heed_csr_transpose(&tall, NULL, NULL, NULL), HEED_OVERFLOW);
  ck_assert_ptr_nonnull(strstr(heed_message(), "2147483649 rows, of which 2147483648"));
}
END_TEST

/* With the matrix's own values, all ones, and other ones of which some are dropped. */
START_TEST(sparse_products) {
  bool ones = _i & 1, dropped = _i >> 1 & 1, biased = _i >> 2;
  for (int s = 0; s < SPARSE_SIZES; s++) {
    int64_t rows = sparse_sizes[s][0], cols = sparse_sizes[s][1], n = sparse_sizes[s][2];
    heed_csr a = sparse(9, rows, cols, (int)sparse_sizes[s][3], ones);
    int64_t count = a.indptr[rows], *places;
    heed_csr t = transpose_of(&a, &places);
    float *b = numbers(1, cols * n, 1), *bias = numbers(2, n, 1), *c = empty(rows * n);
    float *dc = numbers(3, rows * n, 1), *db = empty(cols * n), *values = empty(count);
    float *ones_or_own = empty(count), *again = empty(count);
    for (int64_t p = 0; p < count; p++) ones_or_own[p] = a.values == NULL ? 1 : a.values[p];
    size_t words = (size_t)heed__keep_words(count);
    uint32_t *kept = malloc(words * sizeof *kept), *transposed = malloc(words * sizeof *kept);
    uint32_t *few_places = malloc(((size_t)count + 1) * sizeof *few_places);
    memset(kept, 0x5a, words * sizeof *kept); /* what lies past the last bit is ignored */
    memset(transposed, 0x5a, words * sizeof *kept);
    for (int64_t p = 0; p < count; p++) few_places[p] = (uint32_t)places[p];
    heed__keep(5, 6, 0.6f, count, kept);
    heed__bits_gather(kept, few_places, count, transposed);
    heed__dropout(5, 6, 0.6f, count, ones_or_own, values, false);
    heed__keep_apply(kept, 0.6f, count, ones_or_own, again, false);
    same(again, values, count, "dropout of non-zeros");
    for (int64_t p = 0; p < count; p++) {
      uint32_t there = transposed[p / 32] >> p % 32 & 1;
      ck_assert_int_eq(there, kept[places[p] / 32] >> places[p] % 32 & 1);
    }
    float factor = heed__keep_factor(0.6f);

    const float *used = dropped ? values : ones_or_own;
    double *forward = calloc((size_t)(rows * n) + 1, sizeof *forward);
    double *backward = calloc((size_t)(cols * n) + 1, sizeof *backward);
    for (int64_t i = 0; i < rows; i++) {
      for (int64_t l = 0; biased && l < n; l++) forward[i * n + l] = (double)bias[l];
      for (int64_t p = a.indptr[i]; p < a.indptr[i + 1]; p++) {
        int64_t j = a.indices[p];
        for (int64_t l = 0; l < n; l++) {
          forward[i * n + l] += (double)used[p] * (double)b[j * n + l];
          backward[j * n + l] += (double)used[p] * (double)dc[i * n + l];
        }
      }
    }
    heed__csr_product(&a, dropped ? kept : NULL, factor, n, b, biased ? bias : NULL, c);
    near(c, forward, rows * n, 2e-5, "product");
    heed__csr_product(&t, dropped ? transposed : NULL, factor, n, dc, NULL, db);
    near(db, backward, cols * n, 2e-5, "gradient");
    release(&a);
    release(&t);
    free(places);
    free(b);
    free(bias);
    free(c);
    free(dc);
    free(db);
    free(values);
    free(ones_or_own);
    free(again);
    free(kept);
    free(transposed);
    free(few_places);
    free(forward);
    free(backward);
  }
}
END_TEST

/* m, n, k: none, cut by k and by rows, and around the edges of tiles, vectors and copies. */
static const int64_t products[][3] = {
    {0, 3, 2},      {3, 0, 2},       {3, 2, 0},     {1, 1, 1},     {5, 7, 3},      {300, 9, 31},
    {64, 7, 2708},  {7, 5, 4097},    {33, 20, 12345}, {700, 40, 10}, {9, 16, 257},   {30, 17, 16},
    {21, 130, 7},   {8, 64, 16},     {1, 33, 300},  {1, 200, 40},  {2, 65, 513},   {3, 31, 256},
    {4, 32, 255},   {6, 15, 257},    {7, 24, 64},   {11, 25, 65},  {12, 41, 66},   {13, 3, 512},
    {79, 70, 300},  {80, 70, 300},   {97, 33, 511}, {385, 49, 258}, {100, 2, 700}, {90, 1, 90}};
enum { PRODUCTS = sizeof products / sizeof *products };

/* A row of a product has the same bits alone and among others, wherever it stands, and for any number of
 * threads, whatever the matrix library; so also where it is added to what is there. */
START_TEST(rows_of_products) {
  static const int64_t widths[][2] = {{1, 40},    {5, 7},     {7, 300},   {9, 20},   {16, 40},
                                      {17, 257},  {24, 60},   {32, 32},   {33, 100}, {47, 50},
                                      {64, 256},  {75, 513},  {100, 384}, {128, 512}, {200, 1433}};
  enum { ROWS = 330 };
  bool transpose_b = _i & 1;
  float beta = _i >> 1 ? -0.5f : 0;
  for (size_t s = 0; s < sizeof widths / sizeof *widths; s++) {
    int64_t n = widths[s][0], k = widths[s][1];
    float *a = numbers(1, ROWS * k, 1), *b = numbers(2, k * n, 1), *old = numbers(3, ROWS * n, 1);
    float *all = beta == 0 ? empty(ROWS * n) : copy_of(old, ROWS * n);
    succeeds(heed_set_threads(1));
    succeeds(heed__dense_product(false, transpose_b, ROWS, n, k, a, b, beta, all, NULL));
    succeeds(heed_set_threads(3));
    for (int64_t m = 1; m <= ROWS; m += m < 30 ? 1 : m < 110 ? 7 : 44) {
      int64_t first = (m * 7) % (ROWS - m + 1);
      float *some = beta == 0 ? empty(m * n) : copy_of(old + first * n, m * n);
      succeeds(
          heed__dense_product(false, transpose_b, m, n, k, a + first * k, b, beta, some, NULL));
      require(memcmp(some, all + first * n, (size_t)(m * n) * sizeof *some) == 0,
              "%d rows of %d numbers by %d", (int)m, (int)k, (int)n);
      free(some);
    }
    free(a);
    free(b);
    free(old);
    free(all);
  }
}
END_TEST

/* The same of rows of a transpose: where none are cut by k, they are those of the plain product. */
START_TEST(rows_of_transposes) {
  for (int s = 0; s < PRODUCTS; s++) {
    int64_t m = products[s][0], n = products[s][1], k = products[s][2];
    if (heed__product_room(true, m, n, k) > 0) continue;
    float *a = numbers(1, m * k, 1), *b = numbers(2, k * n, 1), *t = empty(m * k), *u = empty(k * n);
    float *plain = empty(m * n), *c = empty(m * n);
    for (int64_t i = 0; i < m * k; i++) t[i % k * m + i / k] = a[i];
    for (int64_t i = 0; i < k * n; i++) u[i % n * k + i / n] = b[i];
    succeeds(heed__dense_product(false, false, m, n, k, a, b, 0, plain, NULL));
    for (int way = 1; way < 4; way++) {
      bool ta = way & 1, tb = way >> 1;
      succeeds(heed__dense_product(ta, tb, m, n, k, ta ? t : a, tb ? u : b, 0, c, NULL));
      same(c, plain, m * n, "product of transposes");
    }
    free(a);
    free(b);
    free(t);
    free(u);
    free(plain);
    free(c);
  }
}
END_TEST

START_TEST(dense_products) {
  bool ta = _i & 1, tb = _i >> 1 & 1;
  static const float betas[] = {0, 1, -0.5f};
  for (int s = 0; s < PRODUCTS; s++) {
    int64_t m = products[s][0], n = products[s][1], k = products[s][2];
    float *a = numbers(1, m * k, 1), *b = numbers(2, k * n, 1), *old = numbers(3, m * n, 1);
    float *room = empty(heed__product_room(ta, m, n, k));
    double *sums = calloc((size_t)(m * n) + 1, sizeof *sums);
    double *expected = malloc(((size_t)(m * n) + 1) * sizeof *expected);
    for (int64_t i = 0; i < m * n; i++) {
      for (int64_t l = 0; l < k; l++) {
        sums[i] += (double)a[ta ? l * m + i / n : i / n * k + l] *
                   (double)b[tb ? i % n * k + l : l * n + i % n];
      }
    }
    for (int z = 0; z < 3; z++) {
      float *c = betas[z] == 0 ? empty(m * n) : copy_of(old, m * n);
      succeeds(heed__dense_product(ta, tb, m, n, k, a, b, betas[z], c, room));
      for (int64_t i = 0; i < m * n; i++) {
        expected[i] = sums[i] + (betas[z] == 0 ? 0 : (double)betas[z] * (double)old[i]);
      }
      near(c, expected, m * n, 1e-7 * (double)(k + 4), "product");
      free(c);
    }
    free(a);
    free(b);
    free(old);
    free(room);
    free(sums);
    free(expected);
  }
  check(heed__product_room(true, 33, 20, 12345) > 0 && heed__product_room(true, 300, 9, 31) == 0);
}
END_TEST

/* Every loop once, with more work than one thread is given; of each result a hash. */
enum { ROWS = 6002, COLS = 70, RESULTS = 20, WHOLE = ROWS * COLS };

static uint64_t hash(const float *x, int64_t n) {
  uint64_t h = 14695981039346656037u; /* FNV-1a, by numbers */
  for (int64_t i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, x + i, sizeof bits);
    h = (h ^ bits) * 1099511628211u;
  }
  return h;
}

static void everything(uint64_t *found) {
  float *x = numbers(1, WHOLE, 1), *b = numbers(2, COLS, 1), *dy = numbers(3, WHOLE, 1);
  float *room = empty(2 * heed__column_room(ROWS, COLS)), *stats = empty(2 * (ROWS + COLS));
  float *running = numbers(4, 2 * COLS, 1), *y = copy_of(x, WHOLE), *sums = empty(2 * COLS);
  int64_t *which = malloc(100 * COLS * sizeof *which), ptr[101], *places;
  int o = 0;
  heed__add_bias(ROWS, COLS, x, b, y);
  found[o++] = hash(y, WHOLE);
  heed__sum_columns(ROWS, COLS, x, y, room);
  found[o++] = hash(y, COLS);
  heed__accumulate(WHOLE, x, y);
  found[o++] = hash(y, WHOLE);
  heed__sum(WHOLE, x, dy, y);
  found[o++] = hash(y, WHOLE);
  heed__activate(HEED_ACTIVATION_GELU, WHOLE, x, y);
  found[o++] = hash(y, WHOLE);
  heed__activate_backward(HEED_ACTIVATION_ELU, WHOLE, x, dy, y, false);
  found[o++] = hash(y, WHOLE);
  heed__dropout(1, 2, 0.3f, WHOLE, x, y, false);
  found[o++] = hash(y, WHOLE);
  heed__layer_norm(ROWS, COLS, x, b, b, 1e-5f, y, stats);
  found[o++] = hash(y, WHOLE);
  heed__layer_norm_backward(ROWS, COLS, x, b, stats, dy, y, false, sums, sums + COLS, room);
  found[o++] = hash(y, WHOLE);
  found[o++] = hash(sums, 2 * COLS);
  heed__batch_norm(ROWS, COLS, x, b, b, 1e-5f, true, 0.1f, running, running + COLS, y, stats, room);
  found[o++] = hash(y, WHOLE);
  heed__batch_norm_backward(ROWS, COLS, x, b, stats, dy, y, false, sums, sums + COLS, room);
  found[o++] = hash(y, WHOLE);
  found[o++] = hash(sums, 2 * COLS);
  heed__head_mean(ROWS / 2, 2, COLS, x, y);
  found[o++] = hash(y, WHOLE);
  heed__head_mean_backward(ROWS / 2, 2, COLS, dy, y, false);
  found[o++] = hash(y, WHOLE);
  for (int64_t g = 0; g <= 100; g++) ptr[g] = g * g * ROWS / 10000;
  heed__pool_rows(HEED__POOL_MAX, 100, ptr, COLS, x, y, which);
  found[o] = hash(y, WHOLE);
  heed__pool_rows_backward(HEED__POOL_MAX, 100, ptr, COLS, dy, which, y, false);
  found[o++] ^= hash(y, WHOLE);
  heed_csr a = sparse(5, 400, 300, 8, false);
  heed_csr t = transpose_of(&a, &places);
  heed__csr_product(&a, NULL, 1, 70, x, b, y);
  found[o++] = hash(y, WHOLE);
  heed__csr_product(&t, NULL, 1, 70, dy, NULL, y);
  found[o++] = hash(y, WHOLE);
  float *more = empty(heed__product_room(true, COLS, 60, ROWS));
  check(heed__product_room(true, COLS, 60, ROWS) > 0);
  succeeds(heed__dense_product(true, false, COLS, 60, ROWS, x, dy, 0, y, more));
  found[o++] = hash(y, COLS * 60);
  succeeds(heed__dense_product(false, false, ROWS, 60, COLS, x, dy, 0, y, NULL));
  found[o++] = hash(y, ROWS * 60);
  ck_assert_int_eq(o, RESULTS);
  release(&a);
  release(&t);
  free(places);
  free(which);
  free(more);
  free(x);
  free(b);
  free(y);
  free(dy);
  free(sums);
  free(room);
  free(stats);
  free(running);
}

START_TEST(bits_do_not_depend_on_threads) {
  static const int threads[] = {2, 7};
  uint64_t first[RESULTS], other[RESULTS];
  succeeds(heed_set_threads(1));
  everything(first);
  for (int i = 0; i < 2; i++) {
    succeeds(heed_set_threads(threads[i]));
    everything(other);
    for (int o = 0; o < RESULTS; o++) {
      require(first[o] == other[o], "%d threads: result %d has other bits", threads[i], o);
    }
  }
}
END_TEST

/* Many threads, each with loops of its own. */
START_TEST(loops_inside_of_a_parallel_region) {
  enum { CALLS = 3 };
  uint64_t alone[RESULTS], found[CALLS][RESULTS];
  everything(alone);
#pragma omp parallel for num_threads(CALLS) schedule(static, 1)
  for (int call = 0; call < CALLS; call++) everything(found[call]);
  for (int call = 0; call < CALLS; call++) {
    for (int o = 0; o < RESULTS; o++) {
      require(found[call][o] == alone[o], "call %d, result %d", call, o);
    }
  }
}
END_TEST

static void use_portable(void) { heed__isa_override(HEED__PORTABLE); }
static void use_avx2(void) { heed__isa_override(HEED__AVX2); }
static void use_avx512(void) { heed__isa_override(HEED__AVX512); }

/* All of it, once an instruction set. */
static TCase *loops_of(heed__isa isa) {
  static void (*const use[])(void) = {use_portable, use_avx2, use_avx512};
  TCase *tests = tcase_create(heed__isa_name(isa));
  tcase_add_checked_fixture(tests, use[isa], NULL);
  tcase_set_timeout(tests, 120);
  tcase_add_test(tests, kept_by_the_same_random_numbers);
  tcase_add_test(tests, small_work_stays_on_one_thread);
  tcase_add_test(tests, bias_and_sums);
  tcase_add_loop_test(tests, activations_are_as_exact_as_promised, 0, 6);
  tcase_add_test(tests, activations_have_names);
  tcase_add_test(tests, dropout_is_by_number);
  tcase_add_test(tests, dropout_keeps_the_mean);
  tcase_add_loop_test(tests, norms_and_their_gradients, 0, 2);
  tcase_add_test(tests, batch_norm_of_one_row);
  tcase_add_test(tests, head_mean_and_back);
  tcase_add_loop_test(tests, pooling_and_back, 0, 3);
  tcase_add_test(tests, transpose_of_a_sparse_matrix);
  tcase_add_loop_test(tests, sparse_products, 0, 8);
  tcase_add_loop_test(tests, dense_products, 0, 4);
  tcase_add_loop_test(tests, rows_of_products, 0, 4);
  tcase_add_test(tests, rows_of_transposes);
  tcase_add_test(tests, bits_do_not_depend_on_threads);
  tcase_add_test(tests, loops_inside_of_a_parallel_region);
  return tests;
}

int main(void) {
  Suite *suite = suite_create("loops");
  for (int isa = 0; isa < HEED__ISAS; isa++) {
    if (heed__isa_there((heed__isa)isa)) suite_add_tcase(suite, loops_of((heed__isa)isa));
  }
  return run_suite(suite);
}
