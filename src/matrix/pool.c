/* Pooling of rows by groups. A block of columns of a group has one owner. */
#include <string.h>

#include "matrix/blocks.h"

/* Columns in a block, and blocks or groups that one thread takes at a time. */
enum { WIDE = 256, TASKS = 16 };

typedef struct span {
  int64_t left, right; /* columns */
  int64_t top, bottom; /* rows */
  int64_t cols;
} span;

static void add_rows(const span *s, const float *x, float factor, float *restrict y) {
  for (int64_t i = s->top; i < s->bottom; i++) {
    const float *from = x + i * s->cols;
#pragma omp simd
    for (int64_t j = s->left; j < s->right; j++) y[j] += from[j];
  }
  if (factor == 1) return;
#pragma omp simd
  for (int64_t j = s->left; j < s->right; j++) y[j] *= factor;
}

static void largest(const span *s, const float *x, float *restrict y, int64_t *restrict which) {
  for (int64_t j = s->left; j < s->right; j++) which[j] = -1;
  for (int64_t i = s->top; i < s->bottom; i++) {
    const float *from = x + i * s->cols;
    for (int64_t j = s->left; j < s->right; j++) {
      bool more = which[j] < 0 || from[j] > y[j];
      y[j] = more ? from[j] : y[j];
      which[j] = more ? i : which[j];
    }
  }
}

static void pool(heed__pool kind, const span *s, const float *x, float *y, int64_t *which) {
  memset(y + s->left, 0, (size_t)(s->right - s->left) * sizeof *y);
  if (kind == HEED__POOL_MAX) {
    largest(s, x, y, which);
  } else {
    bool mean = kind == HEED__POOL_MEAN && s->bottom > s->top;
    add_rows(s, x, mean ? 1 / (float)(s->bottom - s->top) : 1, y);
  }
}

void heed__pool_rows(heed__pool kind, int64_t groups, const int64_t *ptr, int64_t cols,
                     const float *x, float *y, int64_t *which) {
  int64_t blocks = cols / WIDE + (cols % WIDE != 0);
  double work = groups > 0 ? (double)(ptr[groups] - ptr[0] + groups) * (double)cols : 0;
  HEED__BLOCKS(dynamic, groups * blocks, TASKS, work, {
    for (int64_t task = first; task < first + count; task++) {
      int64_t g = task / blocks, left = task % blocks * WIDE;
      span s = {left, heed__smaller(cols, left + WIDE), ptr[g], ptr[g + 1], cols};
      pool(kind, &s, x, y + g * cols, kind == HEED__POOL_MAX ? which + g * cols : NULL);
    }
  });
}

static void pool_backward(heed__pool kind, int64_t top, int64_t bottom, int64_t cols,
                          const float *dy, const int64_t *which, float *dx, bool adds) {
  float factor = kind == HEED__POOL_MEAN ? 1 / (float)(bottom - top) : 1;
  if (!adds && cols > 0) memset(dx + top * cols, 0, (size_t)((bottom - top) * cols) * sizeof *dx);
  if (kind == HEED__POOL_MAX) {
    for (int64_t j = 0; j < cols; j++) dx[which[j] * cols + j] += dy[j];
    return;
  }
  for (int64_t i = top; i < bottom; i++) {
    float *restrict to = dx + i * cols;
#pragma omp simd
    for (int64_t j = 0; j < cols; j++) to[j] += factor * dy[j];
  }
}

void heed__pool_rows_backward(heed__pool kind, int64_t groups, const int64_t *ptr, int64_t cols,
                              const float *dy, const int64_t *which, float *dx, bool adds) {
  double work = groups > 0 ? (double)(ptr[groups] - ptr[0] + groups) * (double)cols : 0;
  HEED__BLOCKS(dynamic, groups, TASKS, work, {
    for (int64_t g = first; g < first + count; g++) {
      if (ptr[g] == ptr[g + 1]) continue;
      pool_backward(kind, ptr[g], ptr[g + 1], cols, dy + g * cols,
                    kind == HEED__POOL_MAX ? which + g * cols : NULL, dx, adds);
    }
  });
}
