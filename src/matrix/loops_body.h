/* The loops of loops_table.h in plain C that compilers vectorise. Whoever includes this says
 * LOOPS, the name of the table, and LANES, the floats of a vector. */
#include <math.h>
#include <string.h>

#include "matrix/loops_table.h"
#include "matrix/products_body.h"

static inline uint32_t bits_of(float x) {
  union {
    float number;
    uint32_t bits;
  } both = {.number = x};
  return both.bits;
}

static inline float number_of(uint32_t bits) {
  union {
    uint32_t bits;
    float number;
  } both = {.bits = bits};
  return both.number;
}

/* exp(x) for x <= 0 as scale (1 + rest): x = n log(2) + r, |r| <= log(2) / 2, scale = 2^n and rest
 * a polynomial for exp(r) - 1. Below -87 it is exp(-87). */
static inline void exp_parts(float x, float *scale, float *rest) {
  const float round = 12582912.0f; /* 1.5 * 2^23: what is added to it loses its fraction */
  float clamped = x < -87.0f ? -87.0f : x;
  float shifted = clamped * 1.44269504f + round;
  float n = shifted - round;
  float r = clamped - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  float p = 1.3933643e-3f;
  p = p * r + 8.3631752e-3f;
  p = p * r + 4.16664667e-2f;
  p = p * r + 0.166665763f;
  p = p * r + 0.5f;
  *rest = p * r * r + r;
  *scale = number_of((bits_of(shifted) + 127) << 23);
}

static void add_bias(int64_t rows, int64_t cols, const float *x, const float *b, float *y) {
  for (int64_t i = 0; i < rows; i++) {
    const float *from = x + i * cols;
    float *to = y + i * cols;
#pragma omp simd
    for (int64_t j = 0; j < cols; j++) to[j] = from[j] + b[j];
  }
}

static void columns(int64_t rows, int64_t cols, const float *x, float *restrict sums) {
  memset(sums, 0, (size_t)cols * sizeof *sums);
  int64_t i = 0;
  for (; i + 4 <= rows; i += 4) {
    const float *row = x + i * cols;
#pragma omp simd
    for (int64_t j = 0; j < cols; j++) {
      sums[j] += (row[j] + row[cols + j]) + (row[2 * cols + j] + row[3 * cols + j]);
    }
  }
  for (; i < rows; i++) {
#pragma omp simd
    for (int64_t j = 0; j < cols; j++) sums[j] += x[i * cols + j];
  }
}

static void squares(int64_t rows, int64_t cols, const float *x, const float *mean,
                    float *restrict sums) {
  memset(sums, 0, (size_t)cols * sizeof *sums);
  for (int64_t i = 0; i < rows; i++) {
    const float *row = x + i * cols;
#pragma omp simd
    for (int64_t j = 0; j < cols; j++) sums[j] += (row[j] - mean[j]) * (row[j] - mean[j]);
  }
}

static void accumulate(int64_t n, const float *x, float *y) {
#pragma omp simd
  for (int64_t i = 0; i < n; i++) y[i] += x[i];
}

static void sum(int64_t n, const float *x, const float *z, float *y) {
#pragma omp simd
  for (int64_t i = 0; i < n; i++) y[i] = x[i] + z[i];
}

static void exp_below(int64_t n, const float *x, float *y) {
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    float scale, rest;
    exp_parts(x[i], &scale, &rest);
    y[i] = scale * rest + scale;
  }
}

static inline float elu(float x) {
  float scale, rest;
  exp_parts(x < 0 ? x : x * 0, &scale, &rest);
  float below = scale * rest + (scale - 1);
  return x > 0 ? x : below;
}

static inline float elu_slope(float x) {
  float scale, rest;
  exp_parts(x < 0 ? x : x * 0, &scale, &rest);
  float below = scale * rest + scale;
  return x > 0 ? 1 : below;
}

/* 1 - Phi(|x|) = exp(-x^2 / 2) t poly(t), t = 1 / (1 + 0.35 |x|), coefficients fitted for the least
 * relative error, 3.2e-8; `density` is exp(-x^2 / 2) / sqrt(2 pi). */
static inline float normal_tail(float x, float *density) {
  float size = x < 0 ? -x : x, scale, rest;
  exp_parts(size * size * -0.5f, &scale, &rest);
  float e = scale * rest + scale;
  float t = 1 / (1 + 0.35f * size);
  float p = -0.029146136716008186f;
  p = p * t + 0.14397269487380981f;
  p = p * t - 0.2557162940502167f;
  p = p * t + 0.15917645394802094f;
  p = p * t - 0.023111388087272644f;
  p = p * t + 0.10550864785909653f;
  p = p * t + 0.11983270943164825f;
  p = p * t + 0.13986189663410187f;
  p = p * t + 0.13962140679359436f;
  *density = 0.398942280401432678f * e;
  return p * t * e;
}

static inline float gelu(float x) {
  float density, tail = normal_tail(x, &density);
  return x < 0 ? x * tail : x - x * tail;
}

static inline float gelu_slope(float x) {
  float density, tail = normal_tail(x, &density);
  return (x < 0 ? tail : 1 - tail) + x * density;
}

/* From exp(-2 |x|) - 1, which keeps what is near 0 exact. */
static inline float hyperbolic(float x) {
  float size = x < 0 ? -x : x, scale, rest;
  exp_parts(-2 * size, &scale, &rest);
  float below = scale * rest + (scale - 1);
  float t = -below / (2 + below);
  return x < 0 ? -t : t;
}

static inline float hyperbolic_slope(float x) {
  float t = hyperbolic(x);
  return (1 - t) * (1 + t);
}

static void activate(heed_activation f, int64_t n, const float *x, float *y) {
  switch (f) {
    case HEED_ACTIVATION_NONE:
      if (x != y) memcpy(y, x, (size_t)n * sizeof *y);
      return;
    case HEED_ACTIVATION_RELU: /* what is not a number stays so */
#pragma omp simd
      for (int64_t i = 0; i < n; i++) y[i] = x[i] < 0 ? 0 : x[i];
      return;
    case HEED_ACTIVATION_LEAKY_RELU:
#pragma omp simd
      for (int64_t i = 0; i < n; i++) y[i] = x[i] < 0 ? 0.01f * x[i] : x[i];
      return;
    case HEED_ACTIVATION_ELU:
#pragma omp simd
      for (int64_t i = 0; i < n; i++) y[i] = elu(x[i]);
      return;
    case HEED_ACTIVATION_GELU:
#pragma omp simd
      for (int64_t i = 0; i < n; i++) y[i] = gelu(x[i]);
      return;
    case HEED_ACTIVATION_TANH:
#pragma omp simd
      for (int64_t i = 0; i < n; i++) y[i] = hyperbolic(x[i]);
      return;
  }
}

static inline float relu_slope(float x) { return x > 0 ? 1 : 0; }
static inline float leaky_slope(float x) { return x > 0 ? 1 : 0.01f; }

#define BACKWARD(slope)                                                                 \
  do {                                                                                  \
    if (adds) {                                                                         \
      _Pragma("omp simd") for (int64_t i = 0; i < n; i++) dx[i] += dy[i] * slope(x[i]); \
    } else {                                                                            \
      _Pragma("omp simd") for (int64_t i = 0; i < n; i++) dx[i] = dy[i] * slope(x[i]);  \
    }                                                                                   \
  } while (0)

static void activate_backward(heed_activation f, int64_t n, const float *x, const float *dy,
                              float *dx, bool adds) {
  switch (f) {
    case HEED_ACTIVATION_NONE:
      if (adds) {
        accumulate(n, dy, dx);
      } else if (dx != dy) {
        memcpy(dx, dy, (size_t)n * sizeof *dx);
      }
      return;
    case HEED_ACTIVATION_RELU:
      BACKWARD(relu_slope);
      return;
    case HEED_ACTIVATION_LEAKY_RELU:
      BACKWARD(leaky_slope);
      return;
    case HEED_ACTIVATION_ELU:
      BACKWARD(elu_slope);
      return;
    case HEED_ACTIVATION_GELU:
      BACKWARD(gelu_slope);
      return;
    case HEED_ACTIVATION_TANH:
      BACKWARD(hyperbolic_slope);
      return;
  }
}
#undef BACKWARD

/* By 16 bits at a time, whose numbers fill whole vectors. */
static inline __attribute__((always_inline)) void keep_all(const uint32_t *kept, float factor,
                                                           int64_t n, const float *x, float *y,
                                                           const bool adds) {
  enum { HALF = 16 };
  for (int64_t first = 0; first < n; first += HALF) {
    uint32_t bits = kept[first / 32] >> first % 32;
    const float *from = x + first;
    float *to = y + first;
    int count = n - first < HALF ? (int)(n - first) : HALF;
#define KEEP(count)                                                                     \
  do {                                                                                  \
    _Pragma("omp simd") for (int i = 0; i < (count); i++) {                             \
      uint32_t mask = (bits & 1u << i) != 0 ? 0xffffffffu : 0; /* no choice of floats */ \
      float number = number_of(bits_of(factor * from[i]) & mask);                       \
      to[i] = adds ? to[i] + number : number;                                           \
    }                                                                                   \
  } while (0)
    if (count == HALF) {
      KEEP(HALF);
    } else {
      KEEP(count);
    }
#undef KEEP
  }
}

static void keep(const uint32_t *kept, float factor, int64_t n, const float *x, float *y,
                 bool adds) {
  if (adds) {
    keep_all(kept, factor, n, x, y, true);
  } else {
    keep_all(kept, factor, n, x, y, false);
  }
}

static void layer_norm(int64_t rows, int64_t cols, const float *x, const float *gain,
                       const float *shift, float epsilon, float *y, float *stats) {
  for (int64_t i = 0; i < rows; i++) {
    const float *from = x + i * cols;
    float *to = y + i * cols, total = 0, spread = 0;
#pragma omp simd reduction(+ : total)
    for (int64_t j = 0; j < cols; j++) total += from[j];
    float mean = total / (float)cols;
#pragma omp simd reduction(+ : spread)
    for (int64_t j = 0; j < cols; j++) spread += (from[j] - mean) * (from[j] - mean);
    float scale = 1 / sqrtf(spread / (float)cols + epsilon);
#pragma omp simd
    for (int64_t j = 0; j < cols; j++) to[j] = (from[j] - mean) * scale * gain[j] + shift[j];
    stats[2 * i] = mean;
    stats[2 * i + 1] = scale;
  }
}

static void layer_norm_backward(int64_t rows, int64_t cols, const float *x, const float *gain,
                                const float *stats, const float *dy, float *dx, bool adds,
                                float *restrict dgain, float *restrict dshift) {
  memset(dgain, 0, (size_t)cols * sizeof *dgain);
  memset(dshift, 0, (size_t)cols * sizeof *dshift);
  for (int64_t i = 0; i < rows; i++) {
    const float *from = x + i * cols, *up = dy + i * cols;
    float *to = dx + i * cols, mean = stats[2 * i], scale = stats[2 * i + 1];
    float total = 0, along = 0;
#pragma omp simd reduction(+ : total, along)
    for (int64_t j = 0; j < cols; j++) {
      float unit = (from[j] - mean) * scale, d = up[j] * gain[j];
      dgain[j] += up[j] * unit;
      dshift[j] += up[j];
      total += d;
      along += d * unit;
    }
    total /= (float)cols;
    along /= (float)cols;
    if (adds) {
#pragma omp simd
      for (int64_t j = 0; j < cols; j++) {
        to[j] += scale * (up[j] * gain[j] - total - (from[j] - mean) * scale * along);
      }
    } else {
#pragma omp simd
      for (int64_t j = 0; j < cols; j++) {
        to[j] = scale * (up[j] * gain[j] - total - (from[j] - mean) * scale * along);
      }
    }
  }
}

static void normalise(int64_t rows, int64_t cols, const float *x, const float *mean,
                      const float *scale, const float *gain, const float *shift, float *y) {
  for (int64_t i = 0; i < rows; i++) {
    const float *from = x + i * cols;
    float *to = y + i * cols;
#pragma omp simd
    for (int64_t j = 0; j < cols; j++) {
      to[j] = (from[j] - mean[j]) * (scale[j] * gain[j]) + shift[j];
    }
  }
}

static void batch_sums(int64_t rows, int64_t cols, const float *x, const float *stats,
                       const float *dy, float *restrict dgain, float *restrict dshift) {
  const float *mean = stats, *scale = stats + cols;
  memset(dgain, 0, (size_t)cols * sizeof *dgain);
  memset(dshift, 0, (size_t)cols * sizeof *dshift);
  for (int64_t i = 0; i < rows; i++) {
    const float *from = x + i * cols, *up = dy + i * cols;
#pragma omp simd
    for (int64_t j = 0; j < cols; j++) {
      dgain[j] += up[j] * ((from[j] - mean[j]) * scale[j]);
      dshift[j] += up[j];
    }
  }
}

static void batch_backward(int64_t rows, int64_t total, int64_t cols, const float *x,
                           const float *gain, const float *stats, const float *dy,
                           const float *dgain, const float *dshift, float *dx, bool adds) {
  const float *mean = stats, *scale = stats + cols;
  float share = 1 / (float)total;
  for (int64_t i = 0; i < rows; i++) {
    const float *from = x + i * cols, *up = dy + i * cols;
    float *to = dx + i * cols;
    if (adds) {
#pragma omp simd
      for (int64_t j = 0; j < cols; j++) {
        float unit = (from[j] - mean[j]) * scale[j];
        to[j] += gain[j] * scale[j] * (up[j] - share * (dshift[j] + unit * dgain[j]));
      }
    } else {
#pragma omp simd
      for (int64_t j = 0; j < cols; j++) {
        float unit = (from[j] - mean[j]) * scale[j];
        to[j] = gain[j] * scale[j] * (up[j] - share * (dshift[j] + unit * dgain[j]));
      }
    }
  }
}

static void head_mean(int64_t rows, int32_t heads, int64_t dim, const float *x, float *y) {
  float share = 1 / (float)heads;
  for (int64_t i = 0; i < rows; i++) {
    const float *from = x + i * heads * dim;
    float *restrict to = y + i * dim;
    memcpy(to, from, (size_t)dim * sizeof *to);
    for (int32_t h = 1; h < heads; h++) {
#pragma omp simd
      for (int64_t j = 0; j < dim; j++) to[j] += from[h * dim + j];
    }
#pragma omp simd
    for (int64_t j = 0; j < dim; j++) to[j] *= share;
  }
}

static void head_mean_backward(int64_t rows, int32_t heads, int64_t dim, const float *dy, float *dx,
                               bool adds) {
  float share = 1 / (float)heads;
  for (int64_t i = 0; i < rows; i++) {
    const float *from = dy + i * dim;
    for (int32_t h = 0; h < heads; h++) {
      float *restrict to = dx + (i * heads + h) * dim;
      if (adds) {
#pragma omp simd
        for (int64_t j = 0; j < dim; j++) to[j] += share * from[j];
      } else {
#pragma omp simd
        for (int64_t j = 0; j < dim; j++) to[j] = share * from[j];
      }
    }
  }
}

/* Numbers p .. last of a sparse matrix in one row, as many vectors of columns of b as `width`. */
typedef struct stretch {
  const int32_t *indices;
  const float *values; /* NULL: ones */
  const uint32_t *kept; /* NULL: all are kept */
  float factor;
  int64_t p, last;
} stretch;

/* 32 bits from number p on, those past the last number 0. */
static inline uint32_t bits_from(const uint32_t *kept, int64_t p, int64_t last) {
  uint64_t two = kept[p / 32] | (uint64_t)kept[p / 32 + 1] << 32;
  uint32_t bits = (uint32_t)(two >> p % 32);
  return last - p >= 32 ? bits : bits & ((1u << (last - p)) - 1);
}

/* c = start (NULL: 0; may be c) + the sum over a stretch, for `width` vectors of columns, whose sums
 * stay in registers. It goes from one kept number to the next: which ones were dropped is not to be
 * guessed. */
static inline __attribute__((always_inline)) void gather_vectors(const int width, const stretch *s,
                                                                 const int64_t n, const float *b,
                                                                 const float *start, float *c) {
  vec sums[8]; /* of which no more than `width` are touched, to keep them out of memory */
  for (int v = 0; v < width; v++) {
    sums[v] = start == NULL ? (vec){0} : *(const vec *)(start + v * LANES);
  }
  if (s->kept == NULL) {
    for (int64_t p = s->p; p < s->last; p++) {
      const float *from = b + s->indices[p] * n;
      float value = s->values == NULL ? 1 : s->values[p];
      for (int v = 0; v < width; v++) sums[v] += value * *(const vec *)(from + v * LANES);
    }
  } else {
    for (int64_t p = s->p; p < s->last; p += 32) {
      for (uint32_t bits = bits_from(s->kept, p, s->last); bits != 0; bits &= bits - 1) {
        int64_t at = p + __builtin_ctz(bits);
        const float *from = b + s->indices[at] * n;
        float value = s->values == NULL ? s->factor : s->factor * s->values[at];
        for (int v = 0; v < width; v++) sums[v] += value * *(const vec *)(from + v * LANES);
      }
    }
  }
  for (int v = 0; v < width; v++) *(vec *)(c + v * LANES) = sums[v];
}

/* The columns from `first` on that fill no vector. */
static void gather_rest(const stretch *s, int64_t first, int64_t n, const float *b,
                        const float *start, float *c) {
  for (int64_t l = first; l < n; l++) c[l] = start == NULL ? 0 : start[l];
  for (int64_t p = s->p; p < s->last; p++) {
    if (s->kept != NULL && (s->kept[p / 32] >> p % 32 & 1) == 0) continue;
    float value = (s->kept == NULL ? 1 : s->factor) * (s->values == NULL ? 1 : s->values[p]);
    const float *from = b + s->indices[p] * n;
    for (int64_t l = first; l < n; l++) c[l] += value * from[l];
  }
}

static inline __attribute__((always_inline)) void csr_rows_of(const heed_csr *a, int64_t first,
                                                              int64_t end, const uint32_t *kept,
                                                              float factor, const int64_t n,
                                                              const float *b, const float *bias,
                                                              float *c) {
  stretch s = {.indices = a->indices, .values = a->values, .kept = kept, .factor = factor};
  for (int64_t i = first; i < end; i++) {
    float *to = c + i * n;
    int64_t j = 0;
    s.p = a->indptr[i];
    s.last = a->indptr[i + 1];
#define GATHER(width)                                \
  for (; j + width * LANES <= n; j += width * LANES) \
  gather_vectors(width, &s, n, b + j, bias == NULL ? NULL : bias + j, to + j)
    GATHER(8);
    GATHER(4);
    GATHER(2);
    GATHER(1);
#undef GATHER
    if (j < n) gather_rest(&s, j, n, b, bias, to);
  }
}

static void csr_rows(const heed_csr *a, int64_t first, int64_t end, const uint32_t *kept,
                     float factor, int64_t n, const float *b, const float *bias, float *c) {
  if (n == 64) { /* the usual width */
    csr_rows_of(a, first, end, kept, factor, 64, b, bias, c);
  } else {
    csr_rows_of(a, first, end, kept, factor, n, b, bias, c);
  }
}

const heed__loop_table LOOPS = {
    .add_bias = add_bias,
    .columns = columns,
    .squares = squares,
    .accumulate = accumulate,
    .sum = sum,
    .exp_below = exp_below,
    .activate = activate,
    .activate_backward = activate_backward,
    .keep = keep,
    .layer_norm = layer_norm,
    .layer_norm_backward = layer_norm_backward,
    .normalise = normalise,
    .batch_sums = batch_sums,
    .batch_backward = batch_backward,
    .head_mean = head_mean,
    .head_mean_backward = head_mean_backward,
    .csr_rows = csr_rows,
    .product = product,
};
