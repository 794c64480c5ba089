/* Pooling of rows by groups. A block of columns of a group has one owner. */
#include <string.h>

#include "matrix/loops.h"

/* Columns in a block. */
enum { WIDE = 256 };

typedef struct span {
  int64_t first, end; /* columns */
  int64_t top, bottom; /* rows */
  int64_t cols;
} span;

static void add_rows(const span *s, const float *x, float factor, float *restrict y) {
  for (int64_t i = s->top; i < s->bottom; i++) {
    const float *from = x + i * s->cols;
#pragma omp simd
    for (int64_t j = s->first; j < s->end; j++) y[j] += from[j];
  }
  if (factor == 1) return;
#pragma omp simd
  for (int64_t j = s->first; j < s->end; j++) y[j] *= factor;
}

static void largest(const span *s, const float *x, float *restrict y, int64_t *restrict which) {
  for (int64_t j = s->first; j < s->end; j++) which[j] = -1;
  for (int64_t i = s->top; i < s->bottom; i++) {
    const float *from = x + i * s->cols;
    for (int64_t j = s->first; j < s->end; j++) {
      bool more = which[j] < 0 || from[j] > y[j];
      y[j] = more ? from[j] : y[j];
      which[j] = more ? i : which[j];
    }
  }
}

void heed__pool_rows(heed__pool kind, int64_t groups, const int64_t *ptr, int64_t cols,
                     const float *x, float *y, int64_t *which) {
  int64_t blocks = cols / WIDE + (cols % WIDE != 0);
  double work = groups > 0 ? (double)(ptr[groups] - ptr[0] + groups) * (double)cols : 0;
  int threads = heed__threads_for(work);
#pragma omp parallel for schedule(dynamic, 16) num_threads(threads) if (threads > 1)
  for (int64_t task = 0; task < groups * blocks; task++) {
    int64_t g = task / blocks, first = task % blocks * WIDE;
    span s = {.first = first,
              .end = cols - first < WIDE ? cols : first + WIDE,
              .top = ptr[g],
              .bottom = ptr[g + 1],
              .cols = cols};
    float *to = y + g * cols;
    memset(to + s.first, 0, (size_t)(s.end - s.first) * sizeof *to);
    if (kind == HEED__POOL_MAX) {
      largest(&s, x, to, which + g * cols);
    } else {
      bool mean = kind == HEED__POOL_MEAN && s.bottom > s.top;
      add_rows(&s, x, mean ? 1 / (float)(s.bottom - s.top) : 1, to);
    }
  }
}

void heed__pool_rows_backward(heed__pool kind, int64_t groups, const int64_t *ptr, int64_t cols,
                              const float *dy, const int64_t *which, float *dx, bool adds) {
  double work = groups > 0 ? (double)(ptr[groups] - ptr[0] + groups) * (double)cols : 0;
  int threads = heed__threads_for(work);
#pragma omp parallel for schedule(dynamic, 16) num_threads(threads) if (threads > 1)
  for (int64_t g = 0; g < groups; g++) {
    const float *from = dy + g * cols;
    int64_t rows = ptr[g + 1] - ptr[g];
    float factor = kind == HEED__POOL_MEAN ? 1 / (float)(rows > 0 ? rows : 1) : 1;
    if (!adds && rows > 0) memset(dx + ptr[g] * cols, 0, (size_t)(rows * cols) * sizeof *dx);
    if (kind == HEED__POOL_MAX) {
      for (int64_t j = 0; j < cols; j++) {
        int64_t i = which[g * cols + j];
        if (i >= 0) dx[i * cols + j] += from[j];
      }
      continue;
    }
    for (int64_t i = ptr[g]; i < ptr[g + 1]; i++) {
      float *restrict to = dx + i * cols;
#pragma omp simd
      for (int64_t j = 0; j < cols; j++) to[j] += factor * from[j];
    }
  }
}
