#include "matrix/loops.h"

#include <math.h>
#include <string.h>

#include "base/isa.h"
#include "base/random.h"
#include "config.h"
#include "matrix/blocks.h"
#include "matrix/loops_table.h"
#ifdef _OPENMP
#include <omp.h>
#endif

/* The most partial sums of columns, and the work that a thread is worth. */
enum { MOST_PARTS = 64, THREAD_WORK = 200000 };

static const heed__loop_table *const tables[HEED__ISAS] = {
    [HEED__PORTABLE] = &heed__loops_portable,
#ifdef HEED_HAVE_AVX2
    [HEED__AVX2] = &heed__loops_avx2,
#endif
#ifdef HEED_HAVE_AVX512
    [HEED__AVX512] = &heed__loops_avx512,
#endif
};

const heed__loop_table *heed__loops_chosen(void) { return tables[heed__isa_chosen()]; }

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

/* Rows in a part of a sum over rows. */
static int64_t part_rows(int64_t rows, int64_t cols) {
  int64_t few = heed__parts(rows, MOST_PARTS), size = heed__block_rows(cols);
  return few > size ? few : size;
}

void heed__add_bias(int64_t rows, int64_t cols, const float *x, const float *b, float *y) {
  const heed__loop_table *loops = heed__loops_chosen();
  int64_t size = heed__block_rows(cols);
  HEED__BLOCKS(static, rows, size, (double)rows * (double)cols,
               { loops->add_bias(count, cols, x + first * cols, b, y + first * cols); });
}

int64_t heed__column_room(int64_t rows, int64_t cols) {
  int64_t parts = heed__parts(rows, heed__block_rows(cols));
  return (parts < MOST_PARTS ? parts : MOST_PARTS) * cols; /* does not fall with the rows */
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
  int64_t size = part_rows(rows, cols), parts = heed__parts(rows, size);
  HEED__BLOCKS(static, rows, size, (double)rows * (double)cols,
               { loops->columns(count, cols, dy + first * cols, room + first / size * cols); });
  join(parts, cols, room, db);
}

void heed__accumulate(int64_t n, const float *x, float *y) {
  const heed__loop_table *loops = heed__loops_chosen();
  HEED__BLOCKS(static, n, HEED__BLOCK, (double)n,
               { loops->accumulate(count, x + first, y + first); });
}

void heed__sum(int64_t n, const float *x, const float *z, float *y) {
  const heed__loop_table *loops = heed__loops_chosen();
  HEED__BLOCKS(static, n, HEED__BLOCK, (double)n,
               { loops->sum(count, x + first, z + first, y + first); });
}

void heed__exp_below(int64_t n, const float *x, float *y) {
  heed__loops_chosen()->exp_below(n, x, y);
}

void heed__activate(heed_activation f, int64_t n, const float *x, float *y) {
  const heed__loop_table *loops = heed__loops_chosen();
  HEED__BLOCKS(static, n, HEED__BLOCK, (double)n,
               { loops->activate(f, count, x + first, y + first); });
}

void heed__activate_backward(heed_activation f, int64_t n, const float *x, const float *dy,
                             float *dx, bool adds) {
  const heed__loop_table *loops = heed__loops_chosen();
  HEED__BLOCKS(static, n, HEED__BLOCK, (double)n,
               { loops->activate_backward(f, count, x + first, dy + first, dx + first, adds); });
}

/* Of 65536 random numbers those below are dropped. */
static uint32_t limit_of(float p) { return (uint32_t)((double)p * 0x1p16 + 0.5); }

float heed__keep_factor(float p) {
  uint32_t limit = limit_of(p);
  return limit < 0x10000 ? (float)(0x1p16 / (0x1p16 - (double)limit)) : 0;
}

void heed__keep(uint64_t seed, uint64_t stream, float p, int64_t n, uint32_t *kept) {
  uint32_t limit = limit_of(p);
  HEED__BLOCKS(static, n, HEED__BLOCK, (double)n, {
    heed__random_keep(seed, stream, (uint64_t)first / 8, count, limit, kept + first / 32);
  });
}

void heed__keep_apply(const uint32_t *kept, float p, int64_t n, const float *x, float *y,
                      bool adds) {
  const heed__loop_table *loops = heed__loops_chosen();
  float factor = heed__keep_factor(p);
  HEED__BLOCKS(static, n, HEED__BLOCK, (double)n, {
    loops->keep(kept + first / 32, factor, count, x + first, y + first, adds);
  });
}

void heed__dropout(uint64_t seed, uint64_t stream, float p, int64_t n, const float *x, float *y,
                   bool adds) {
  const heed__loop_table *loops = heed__loops_chosen();
  uint32_t limit = limit_of(p);
  float factor = heed__keep_factor(p);
  HEED__BLOCKS(static, n, HEED__BLOCK, 2 * (double)n, {
    uint32_t kept[HEED__BLOCK / 32];
    heed__random_keep(seed, stream, (uint64_t)first / 8, count, limit, kept);
    loops->keep(kept, factor, count, x + first, y + first, adds);
  });
}

void heed__head_mean(int64_t rows, int32_t heads, int64_t dim, const float *x, float *y) {
  const heed__loop_table *loops = heed__loops_chosen();
  int64_t wide = heads * dim, size = heed__block_rows(wide);
  HEED__BLOCKS(static, rows, size, (double)rows * (double)wide,
               { loops->head_mean(count, heads, dim, x + first * wide, y + first * dim); });
}

void heed__head_mean_backward(int64_t rows, int32_t heads, int64_t dim, const float *dy, float *dx,
                              bool adds) {
  const heed__loop_table *loops = heed__loops_chosen();
  int64_t wide = heads * dim, size = heed__block_rows(wide);
  HEED__BLOCKS(static, rows, size, (double)rows * (double)wide, {
    loops->head_mean_backward(count, heads, dim, dy + first * dim, dx + first * wide, adds);
  });
}

void heed__layer_norm(int64_t rows, int64_t cols, const float *x, const float *gain,
                      const float *shift, float epsilon, float *y, float *stats) {
  const heed__loop_table *loops = heed__loops_chosen();
  int64_t size = heed__block_rows(cols);
  HEED__BLOCKS(static, rows, size, 2 * (double)rows * (double)cols, {
    loops->layer_norm(count, cols, x + first * cols, gain, shift, epsilon, y + first * cols,
                      stats + 2 * first);
  });
}

void heed__layer_norm_backward(int64_t rows, int64_t cols, const float *x, const float *gain,
                               const float *stats, const float *dy, float *dx, bool adds,
                               float *dgain, float *dshift, float *room) {
  const heed__loop_table *loops = heed__loops_chosen();
  int64_t size = part_rows(rows, cols), parts = heed__parts(rows, size);
  float *second = room + parts * cols;
  HEED__BLOCKS(static, rows, size, 4 * (double)rows * (double)cols, {
    loops->layer_norm_backward(count, cols, x + first * cols, gain, stats + 2 * first,
                               dy + first * cols, dx + first * cols, adds,
                               room + first / size * cols, second + first / size * cols);
  });
  join(parts, cols, room, dgain);
  join(parts, cols, second, dshift);
}

/* The columns' means and variances out of x, into stats. */
static void moments(int64_t rows, int64_t cols, const float *x, float *stats, float *room) {
  const heed__loop_table *loops = heed__loops_chosen();
  float *mean = stats, *variance = stats + cols;
  heed__sum_columns(rows, cols, x, mean, room);
  for (int64_t j = 0; j < cols; j++) mean[j] /= (float)rows;
  int64_t size = part_rows(rows, cols), parts = heed__parts(rows, size);
  HEED__BLOCKS(static, rows, size, (double)rows * (double)cols, {
    loops->squares(count, cols, x + first * cols, mean, room + first / size * cols);
  });
  join(parts, cols, room, variance);
  for (int64_t j = 0; j < cols; j++) variance[j] /= (float)rows;
}

void heed__batch_norm(int64_t rows, int64_t cols, const float *x, const float *gain,
                      const float *shift, float epsilon, bool training, float momentum,
                      float *running_mean, float *running_var, float *y, float *stats,
                      float *room) {
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
  for (int64_t j = 0; j < cols; j++) scale[j] = 1 / sqrtf(scale[j] + epsilon);
  int64_t size = heed__block_rows(cols);
  HEED__BLOCKS(static, rows, size, (double)rows * (double)cols, {
    loops->normalise(count, cols, x + first * cols, mean, scale, gain, shift, y + first * cols);
  });
}

void heed__batch_norm_backward(int64_t rows, int64_t cols, const float *x, const float *gain,
                               const float *stats, const float *dy, float *dx, bool adds,
                               float *dgain, float *dshift, float *room) {
  const heed__loop_table *loops = heed__loops_chosen();
  int64_t size = part_rows(rows, cols), parts = heed__parts(rows, size);
  float *second = room + parts * cols;
  HEED__BLOCKS(static, rows, size, 2 * (double)rows * (double)cols, {
    loops->batch_sums(count, cols, x + first * cols, stats, dy + first * cols,
                      room + first / size * cols, second + first / size * cols);
  });
  join(parts, cols, room, dgain);
  join(parts, cols, second, dshift);
  HEED__BLOCKS(static, rows, size, 2 * (double)rows * (double)cols, {
    loops->batch_backward(count, rows, cols, x + first * cols, gain, stats, dy + first * cols,
                          dgain, dshift, dx + first * cols, adds);
  });
}
