/* What this machine can do: loops of the kernel table that do one thing alone, by the clock. */
#include <heed/attention.h>
#include <stdio.h>
#include <unistd.h>

#include "attention/cost.h"
#include "attention/problem.h"
#include "base/alloc.h"
#include "base/random.h"
#include "base/status.h"
#include "matrix/product.h"

/* Every figure is the best of at least three runs after one that warms up. */
enum { LEAST_RUNS = 4, MOST_RUNS = 1000 };

static bool again(int run, double start, double seconds) {
  return run < LEAST_RUNS || (run < MOST_RUNS && heed_seconds() - start < seconds);
}

static heed_status check_seconds(double seconds) {
  if (seconds >= 0 && seconds < 1e9) return HEED_OK;
  return heed__fail(HEED_ARGUMENT, "measuring for %g seconds: not 0 or more", seconds);
}

/* --- Arithmetic ---------------------------------------------------------------------------- */

typedef double arithmetic(int64_t steps, float *sink);

/* Some tenths of a millisecond, so that starting the threads hardly counts. */
enum { VECTOR_STEPS = 1 << 18, EXPONENTIAL_STEPS = 1 << 14 };

/* Every thread at once, in billions a second. */
static double measure_arithmetic(arithmetic *loop, int64_t steps, double seconds) {
  double best = 0, start = heed_seconds();
  for (int run = 0; again(run, start, seconds); run++) {
    double operations = 0, before = heed_seconds();
#pragma omp parallel num_threads(heed_threads()) reduction(+ : operations)
    {
      float sink;
      operations += loop(steps, &sink);
    }
    double rate = operations / (heed_seconds() - before) * 1e-9;
    if (rate > best) best = rate;
  }
  return best;
}

/* Every thread at once, a block of rows each by one matrix. */
static heed_status measure_product(double seconds, double *gflops) {
  enum { N = 512, BLOCK = 128 };
  const int threads = heed_threads();
  size_t rows = (size_t)threads * BLOCK, floats = (2 * rows + N) * N;
  float *numbers = heed__alloc(floats, sizeof *numbers);
  if (numbers == NULL) return HEED_NOMEM;
  float *a = numbers, *b = a + rows * N, *c = b + (size_t)N * N;
  heed_random_uniform(0, 0, numbers, (int64_t)floats, -1, 1);
  int failed = 0;
  double best = 1e30, start = heed_seconds();
  for (int run = 0; again(run, start, seconds); run++) {
    double before = heed_seconds();
#pragma omp parallel for schedule(static) num_threads(threads) reduction(+ : failed)
    for (int block = 0; block < threads; block++) {
      size_t first = (size_t)block * BLOCK * N;
      failed += heed__product(false, false, BLOCK, N, N, 1, a + first, N, b, N, 0, c + first, N) !=
                HEED_OK;
    }
    double passed = heed_seconds() - before;
    if (passed < best) best = passed;
  }
  heed__free(numbers);
  if (failed != 0) return heed__fail(HEED_LIBRARY, "the matrix library failed");
  *gflops = 2.0 * (double)rows * N * N / best * 1e-9;
  return HEED_OK;
}

/* --- Memory -------------------------------------------------------------------------------- */

/* Rows a task takes at most, bytes that a run reads at least, and bytes asked for ahead of time. */
enum { TASK_ROWS = 4096, LEAST_BYTES = 32 << 20, BYTES_AHEAD = 8 << 10 };

typedef struct table {
  const float *numbers;
  int64_t stride;       /* floats from one row to the next */
  int64_t width;        /* floats of a row that are read */
  const int32_t *order; /* rows in the order in which they are read; NULL: as they lie */
  int64_t n;            /* how many */
} table;

/* One run, `passes` times the whole order; returns its seconds. */
static double read_rows(const table *t, int64_t passes, int64_t ahead) {
  const heed__kernels *kernels = heed__kernels_chosen();
  int64_t task = t->n / (4 * (int64_t)heed_threads()) + 1;
  if (task > TASK_ROWS) task = TASK_ROWS;
  int64_t tasks = (t->n + task - 1) / task;
  float total = 0;
  double start = heed_seconds();
#pragma omp parallel for schedule(static) num_threads(heed_threads()) reduction(+ : total)
  for (int64_t k = 0; k < tasks * passes; k++) {
    int64_t first = k % tasks * task, end = first + task < t->n ? first + task : t->n;
    int64_t reach = t->n - end < ahead ? 0 : ahead; /* the last of them are not asked for */
    const float *numbers = t->order == NULL ? t->numbers + first * t->stride : t->numbers;
    const int32_t *order = t->order == NULL ? NULL : t->order + first;
    total += kernels->gather_rows(numbers, t->stride, t->width, order, end - first, reach);
  }
  double seconds = heed_seconds() - start;
  /* The tables hold zeros; using the sum keeps the reads from being left out. */
  return seconds + (double)total;
}

/* The best rate in GB/s, with and without asking ahead. */
static double measure_reading(const table *t, double seconds) {
  double bytes = 4.0 * (double)t->n * (double)t->width;
  int64_t passes = (int64_t)(LEAST_BYTES / bytes) + 1;
  int64_t ahead = BYTES_AHEAD / (4 * t->width);
  ahead = ahead < 2 ? 2 : ahead > 64 ? 64 : ahead;
  double best = 1e30, start = heed_seconds();
  for (int run = 0; again(run, start, seconds); run++) {
    double passed = read_rows(t, passes, t->order != NULL && run % 2 == 1 ? ahead : 0);
    if (passed < best) best = passed;
  }
  return bytes * (double)passes / best * 1e-9;
}

/* Rows start on lines of the cache, or do not cross them. */
static int64_t stride_of(int64_t width) {
  int64_t stride = 1;
  if (width > WIDEST) return (width + WIDEST - 1) / WIDEST * WIDEST;
  while (stride < width) stride *= 2;
  return stride;
}

/* All zero, written by the threads that read it. */
static float *table_new(int64_t rows, int64_t stride) {
  size_t floats;
  if (!heed__multiply((size_t)rows, (size_t)stride, &floats)) floats = SIZE_MAX;
  float *numbers = heed__alloc(floats, sizeof *numbers);
  if (numbers == NULL) return NULL;
#pragma omp parallel for schedule(static) num_threads(heed_threads())
  for (int64_t i = 0; i < rows * stride; i++) numbers[i] = 0;
  return numbers;
}

heed_status heed_measure_gather(const heed_mask *mask, int64_t row_bytes, double seconds,
                                double *gbytes) {
  HEED__TRY(check_seconds(seconds));
  if (row_bytes < 4 || row_bytes % 4 != 0 || row_bytes > INT32_MAX) {
    return heed__fail(HEED_ARGUMENT, "rows of %lld bytes: not a multiple of 4 above 0",
                      (long long)row_bytes);
  }
  int64_t width = row_bytes / 4, rows = mask->n_keys > 0 ? mask->n_keys : 1;
  bool named = mask->indices != NULL && mask->n_pairs > 0;
  float *numbers = table_new(rows, stride_of(width));
  if (numbers == NULL) return HEED_NOMEM;
  const table t = {.numbers = numbers,
                   .stride = stride_of(width),
                   .width = width,
                   .order = named ? mask->indices : NULL,
                   .n = named ? mask->n_pairs : rows};
  *gbytes = measure_reading(&t, seconds);
  heed__free(numbers);
  return HEED_OK;
}

/* Floats that a streamed table is read in rows of. */
enum { STREAM_WIDTH = 512 };

heed_status heed_measure_stream(int64_t bytes, double seconds, double *gbytes) {
  HEED__TRY(check_seconds(seconds));
  if (bytes < 0 || bytes > INT64_MAX / 2) {
    return heed__fail(HEED_ARGUMENT, "a table of %lld bytes: there is none", (long long)bytes);
  }
  int64_t rows = bytes / (4 * STREAM_WIDTH) + 1;
  float *numbers = table_new(rows, STREAM_WIDTH);
  if (numbers == NULL) return HEED_NOMEM;
  const table t = {
      .numbers = numbers, .stride = STREAM_WIDTH, .width = STREAM_WIDTH, .n = rows};
  *gbytes = measure_reading(&t, seconds);
  heed__free(numbers);
  return HEED_OK;
}

/* --- The machine --------------------------------------------------------------------------- */

static const int row_bytes[HEED_MACHINE_ROWS] = {32, 256, 512, 2048};

int heed_machine_row_bytes(int index) {
  return index < 0 || index >= HEED_MACHINE_ROWS ? 0 : row_bytes[index];
}

const char *heed_level_name(heed_level level) {
  static const char *const names[HEED_LEVELS] = {"L2", "L3", "memory"};
  return (unsigned)level < HEED_LEVELS ? names[level] : "?";
}

/* What Linux says of the cache that a core reaches; -1: nothing. */
static long cache_of_core(int level) {
  char path[64], unit = 0;
  long size = -1;
  snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/size", level);
  FILE *file = fopen(path, "r");
  if (file == NULL) return -1;
  int read = fscanf(file, "%ld%c", &size, &unit);
  (void)fclose(file);
  if (read < 1 || size <= 0 || size > 1 << 30) return -1;
  return unit == 'K' ? size << 10 : unit == 'M' ? size << 20 : size;
}

/* What the system says of a cache, or what is common. sysconf() adds up the third-level caches of some processors
 * that have many. */
static int64_t cache_bytes(int level) {
  long bytes = cache_of_core(level);
  if (bytes > 0) return bytes;
#if defined _SC_LEVEL2_CACHE_SIZE && defined _SC_LEVEL3_CACHE_SIZE
  bytes = sysconf(level == 2 ? _SC_LEVEL2_CACHE_SIZE : _SC_LEVEL3_CACHE_SIZE);
#endif
  if (bytes > 0) return bytes;
  return level == 2 ? 1 << 20 : 32 << 20;
}

static int64_t table_bytes(heed_level level) {
  enum { LEAST = 256 << 20, MOST = 1 << 30 };
  if (level == HEED_LEVEL_L2) return cache_bytes(2) / 2;
  if (level == HEED_LEVEL_L3) return cache_bytes(3) / 4;
  int64_t bytes = 7 * cache_bytes(3);
  return bytes < LEAST ? LEAST : bytes > MOST ? MOST : bytes;
}

/* So many that what is read is the whole table, and not its rows that are in the cache already. */
enum { MOST_LISTED = 1 << 22 };

static int64_t rows_listed(int64_t rows) { return rows < MOST_LISTED ? rows : MOST_LISTED; }

static void draw_order(int32_t *order, int64_t n, int64_t rows) {
  uint32_t random[4];
  for (int64_t i = 0; i < n; i++) {
    if (i % 4 == 0) heed__random4(0, 0, (uint64_t)i, random);
    order[i] = (int32_t)(((uint64_t)random[i % 4] * (uint64_t)rows) >> 32);
  }
}

/* Rows of `width` numbers at random out of a table of so many; `order` has room for all that are listed. */
static double measure_random(const float *numbers, int64_t floats, int64_t width, int32_t *order,
                             double seconds) {
  int64_t rows = floats / width;
  const table t = {.numbers = numbers,
                   .stride = width,
                   .width = width,
                   .order = order,
                   .n = rows_listed(rows)};
  draw_order(order, t.n, rows);
  return measure_reading(&t, seconds);
}

heed_status heed__measure_random_rows(int64_t bytes, int64_t row, double *gbytes) {
  float *numbers = table_new(bytes / row, row / 4);
  int32_t *order = heed__alloc((size_t)rows_listed(bytes / row), sizeof *order);
  heed_status status = numbers == NULL || order == NULL ? HEED_NOMEM : HEED_OK;
  if (status == HEED_OK) *gbytes = measure_random(numbers, bytes / 4, row / 4, order, 0);
  heed__free(numbers);
  heed__free(order);
  return status;
}

static heed_status measure_level(heed_level level, double seconds, heed_bandwidth *result) {
  result->bytes = table_bytes(level);
  int64_t stream_rows = result->bytes / (4 * STREAM_WIDTH);
  int64_t most = rows_listed(result->bytes / row_bytes[0]);
  float *numbers = table_new(stream_rows, STREAM_WIDTH);
  int32_t *order = heed__alloc((size_t)most, sizeof *order);
  heed_status status = numbers == NULL || order == NULL ? HEED_NOMEM : HEED_OK;
  if (status == HEED_OK) {
    const table t = {
        .numbers = numbers, .stride = STREAM_WIDTH, .width = STREAM_WIDTH, .n = stream_rows};
    result->stream_gbytes = measure_reading(&t, seconds);
    for (int i = 0; i < HEED_MACHINE_ROWS; i++) {
      result->gather_gbytes[i] = measure_random(numbers, stream_rows * STREAM_WIDTH,
                                                row_bytes[i] / 4, order, seconds);
    }
  }
  heed__free(numbers);
  heed__free(order);
  return status;
}

heed_status heed_measure_arithmetic(heed_machine *machine, double seconds) {
  HEED__TRY(check_seconds(seconds));
  const heed__kernels *kernels = heed__kernels_chosen();
  *machine = (heed_machine){.threads = heed_threads()};
  machine->vector_gflops = measure_arithmetic(kernels->multiply_adds, VECTOR_STEPS, seconds / 3);
  machine->exponentials = measure_arithmetic(kernels->exponentials, EXPONENTIAL_STEPS, seconds / 3);
  return measure_product(seconds / 3, &machine->product_gflops);
}

heed_status heed_machine_measure(heed_machine *machine, double seconds) {
  const double share = 1.0 / (3 + HEED_LEVELS * (1 + HEED_MACHINE_ROWS));
  HEED__TRY(heed_measure_arithmetic(machine, seconds * 3 * share));
  for (int level = 0; level < HEED_LEVELS; level++) {
    HEED__TRY(measure_level((heed_level)level, seconds * share, machine->levels + level));
  }
  return HEED_OK;
}
