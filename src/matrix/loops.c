#include "matrix/loops.h"

#include <math.h>
#include <string.h>

#include "base/status.h"
#include "matrix/loops_table.h"
#include "matrix/product.h"
#ifdef _OPENMP
#include <omp.h>
#endif

/* Numbers in a block of work, the most partial sums of columns, and the work a thread is worth. */
enum { BLOCK = 32768, MOST_PARTS = 64, THREAD_WORK = 200000 };

const heed__loop_table *heed__loops_chosen(void) { return &heed__loops_portable; }

int heed__threads_for(double work) {
#ifdef _OPENMP
  if (work < 2.0 * THREAD_WORK || omp_in_parallel()) return 1;
  double most = work / THREAD_WORK;
  int threads = heed_threads();
  return most < threads ? (int)most : threads;
#else
  (void)work;
  return 1;
#endif
}

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t parts_of(int64_t n, int64_t size) { return n / size + (n % size != 0); }

/* Rows in a block of work. */
static int64_t rows_of(int64_t cols) { return cols >= BLOCK ? 1 : BLOCK / (cols > 0 ? cols : 1); }

/* Rows in a part of a sum over rows. */
static int64_t part_rows(int64_t rows, int64_t cols) {
  int64_t few = parts_of(rows, MOST_PARTS), size = rows_of(cols);
  return few > size ? few : size;
}

void heed__add_bias(int64_t rows, int64_t cols, const float *x, const float *b, float *y) {
  const heed__loop_table *loops = heed__loops_chosen();
  int64_t size = rows_of(cols);
  int threads = heed__threads_for((double)rows * (double)cols);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
  for (int64_t i = 0; i < rows; i += size) {
    loops->add_bias(smaller(rows - i, size), cols, x + i * cols, b, y + i * cols);
  }
}

int64_t heed__column_room(int64_t rows, int64_t cols) {
  return parts_of(rows, part_rows(rows, cols)) * cols;
}

/* sums = the parts in `room`, joined in order. */
static void join(int64_t parts, int64_t cols, const float *room, float *sums) {
  const heed__loop_table *loops = heed__loops_chosen();
  if (parts == 0) {
    memset(sums, 0, (size_t)cols * sizeof *sums);
  } else if (cols > 0) {
    memcpy(sums, room, (size_t)cols * sizeof *sums);
  }
  for (int64_t part = 1; part < parts; part++) loops->accumulate(cols, room + part * cols, sums);
}

void heed__sum_columns(int64_t rows, int64_t cols, const float *dy, float *db, float *room) {
  const heed__loop_table *loops = heed__loops_chosen();
  int64_t size = part_rows(rows, cols), parts = parts_of(rows, size);
  int threads = heed__threads_for((double)rows * (double)cols);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
  for (int64_t part = 0; part < parts; part++) {
    int64_t i = part * size;
    loops->columns(smaller(rows - i, size), cols, dy + i * cols, room + part * cols);
  }
  join(parts, cols, room, db);
}

void heed__accumulate(int64_t n, const float *x, float *y) {
  const heed__loop_table *loops = heed__loops_chosen();
  int threads = heed__threads_for((double)n);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
  for (int64_t i = 0; i < n; i += BLOCK) loops->accumulate(smaller(n - i, BLOCK), x + i, y + i);
}

void heed__sum(int64_t n, const float *x, const float *z, float *y) {
  const heed__loop_table *loops = heed__loops_chosen();
  int threads = heed__threads_for((double)n);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
  for (int64_t i = 0; i < n; i += BLOCK) loops->sum(smaller(n - i, BLOCK), x + i, z + i, y + i);
}

void heed__activate(heed_activation f, int64_t n, const float *x, float *y) {
  const heed__loop_table *loops = heed__loops_chosen();
  int threads = heed__threads_for((double)n);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
  for (int64_t i = 0; i < n; i += BLOCK) loops->activate(f, smaller(n - i, BLOCK), x + i, y + i);
}

void heed__activate_backward(heed_activation f, int64_t n, const float *x, const float *dy, float *dx,
                             bool adds) {
  const heed__loop_table *loops = heed__loops_chosen();
  int threads = heed__threads_for((double)n);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
  for (int64_t i = 0; i < n; i += BLOCK) {
    loops->activate_backward(f, smaller(n - i, BLOCK), x + i, dy + i, dx + i, adds);
  }
}

/* x NULL: all ones. */
static void drop(uint64_t seed, uint64_t stream, float p, int64_t n, const float *x, float *y,
                 bool adds) {
  const heed__loop_table *loops = heed__loops_chosen();
  double share = (double)p; /* below 1: less than 2^32 of the random numbers are below the limit */
  uint32_t limit = (uint32_t)(share * 0x1p32);
  float factor = (float)(1 / (1 - share));
  int threads = heed__threads_for(2 * (double)n);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
  for (int64_t i = 0; i < n; i += BLOCK) {
    loops->dropout(seed, stream, (uint64_t)i / 4, limit, factor, smaller(n - i, BLOCK),
                   x == NULL ? NULL : x + i, y + i, adds);
  }
}

void heed__dropout(uint64_t seed, uint64_t stream, float p, int64_t n, const float *x, float *y,
                   bool adds) {
  if (p > 0) {
    drop(seed, stream, p, n, x, y, adds);
  } else if (adds) {
    heed__accumulate(n, x, y);
  } else {
    heed__activate(HEED_ACTIVATION_NONE, n, x, y);
  }
}

void heed__csr_dropout(const heed_csr *a, uint64_t seed, uint64_t stream, float p, float *values) {
  int64_t n = a->indptr[a->rows];
  if (p > 0 || a->values == NULL) {
    drop(seed, stream, p, n, a->values, values, false);
  } else {
    heed__activate(HEED_ACTIVATION_NONE, n, a->values, values);
  }
}

void heed__head_mean(int64_t rows, int32_t heads, int64_t dim, const float *x, float *y) {
  const heed__loop_table *loops = heed__loops_chosen();
  int64_t wide = heads * dim, size = rows_of(wide);
  int threads = heed__threads_for((double)rows * (double)wide);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
  for (int64_t i = 0; i < rows; i += size) {
    loops->head_mean(smaller(rows - i, size), heads, dim, x + i * wide, y + i * dim);
  }
}

void heed__head_mean_backward(int64_t rows, int32_t heads, int64_t dim, const float *dy, float *dx,
                              bool adds) {
  const heed__loop_table *loops = heed__loops_chosen();
  int64_t wide = heads * dim, size = rows_of(wide);
  int threads = heed__threads_for((double)rows * (double)wide);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
  for (int64_t i = 0; i < rows; i += size) {
    loops->head_mean_backward(smaller(rows - i, size), heads, dim, dy + i * dim, dx + i * wide,
                              adds);
  }
}

void heed__layer_norm(int64_t rows, int64_t cols, const float *x, const float *gain,
                      const float *shift, float *y, float *stats) {
  const heed__loop_table *loops = heed__loops_chosen();
  int64_t size = rows_of(cols);
  int threads = heed__threads_for(2 * (double)rows * (double)cols);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
  for (int64_t i = 0; i < rows; i += size) {
    loops->layer_norm(smaller(rows - i, size), cols, x + i * cols, gain, shift, y + i * cols,
                      stats + 2 * i);
  }
}

void heed__layer_norm_backward(int64_t rows, int64_t cols, const float *x, const float *gain,
                               const float *stats, const float *dy, float *dx, bool adds,
                               float *dgain, float *dshift, float *room) {
  const heed__loop_table *loops = heed__loops_chosen();
  int64_t size = part_rows(rows, cols), parts = parts_of(rows, size);
  float *second = room + parts * cols;
  int threads = heed__threads_for(4 * (double)rows * (double)cols);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
  for (int64_t part = 0; part < parts; part++) {
    int64_t i = part * size;
    loops->layer_norm_backward(smaller(rows - i, size), cols, x + i * cols, gain, stats + 2 * i,
                               dy + i * cols, dx + i * cols, adds, room + part * cols,
                               second + part * cols);
  }
  join(parts, cols, room, dgain);
  join(parts, cols, second, dshift);
}

/* The columns' means and variances out of x, into stats. */
static void moments(int64_t rows, int64_t cols, const float *x, float *stats, float *room) {
  const heed__loop_table *loops = heed__loops_chosen();
  float *mean = stats, *variance = stats + cols;
  heed__sum_columns(rows, cols, x, mean, room);
  for (int64_t j = 0; j < cols; j++) mean[j] /= (float)rows;
  int64_t size = part_rows(rows, cols), parts = parts_of(rows, size);
  int threads = heed__threads_for((double)rows * (double)cols);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
  for (int64_t part = 0; part < parts; part++) {
    int64_t i = part * size;
    loops->squares(smaller(rows - i, size), cols, x + i * cols, mean, room + part * cols);
  }
  join(parts, cols, room, variance);
  for (int64_t j = 0; j < cols; j++) variance[j] /= (float)rows;
}

void heed__batch_norm(int64_t rows, int64_t cols, const float *x, const float *gain,
                      const float *shift, bool training, float momentum, float *running_mean,
                      float *running_var, float *y, float *stats, float *room) {
  const heed__loop_table *loops = heed__loops_chosen();
  float *mean = stats, *scale = stats + cols;
  if (training && rows > 0) {
    moments(rows, cols, x, stats, room);
    float unbiased = rows > 1 ? (float)rows / (float)(rows - 1) : 1;
    for (int64_t j = 0; j < cols; j++) {
      running_mean[j] += momentum * (mean[j] - running_mean[j]);
      running_var[j] += momentum * (unbiased * scale[j] - running_var[j]);
    }
  } else if (cols > 0) {
    memcpy(mean, running_mean, (size_t)cols * sizeof *mean);
    memcpy(scale, running_var, (size_t)cols * sizeof *scale);
  }
  for (int64_t j = 0; j < cols; j++) scale[j] = 1 / sqrtf(scale[j] + HEED__NORM_EPSILON);
  int64_t size = rows_of(cols);
  int threads = heed__threads_for((double)rows * (double)cols);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
  for (int64_t i = 0; i < rows; i += size) {
    loops->normalise(smaller(rows - i, size), cols, x + i * cols, mean, scale, gain, shift,
                     y + i * cols);
  }
}

void heed__batch_norm_backward(int64_t rows, int64_t cols, const float *x, const float *gain,
                               const float *stats, const float *dy, float *dx, bool adds,
                               float *dgain, float *dshift, float *room) {
  const heed__loop_table *loops = heed__loops_chosen();
  int64_t size = part_rows(rows, cols), parts = parts_of(rows, size);
  float *second = room + parts * cols;
  int threads = heed__threads_for(2 * (double)rows * (double)cols);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
  for (int64_t part = 0; part < parts; part++) {
    int64_t i = part * size;
    loops->batch_sums(smaller(rows - i, size), cols, x + i * cols, stats, dy + i * cols,
                      room + part * cols, second + part * cols);
  }
  join(parts, cols, room, dgain);
  join(parts, cols, second, dshift);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
  for (int64_t part = 0; part < parts; part++) {
    int64_t i = part * size;
    loops->batch_backward(smaller(rows - i, size), rows, cols, x + i * cols, gain, stats,
                          dy + i * cols, dgain, dshift, dx + i * cols, adds);
  }
}
