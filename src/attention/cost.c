/* The cost model: both kernels are measured on small problems with the same score and sizes, once a
 * process: the sparse one for what a pair and a row cost, the dense one for a cell, a tile and a pair that lies
 * among others that are not there, and both on a window, where pairs are near one another and rows see parts of
 * tiles. One thread does it, for what it finds must not depend on how many there are, nor on how soon the system
 * gives them cores. Rows gathered from a table beyond the caches cost their bytes at the
 * measured gather rate at least. */
#include "attention/cost.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

#include "attention/linear.h"
#include "attention/plan.h"
#include "base/alloc.h"
#include "base/random.h"
#include "base/status.h"

/* The small problems: two sparse ones, a full one of two tiles a head, one with every second of its pairs, a tiny
 * one and a window. */
enum {
  SPARSE_NODES = 512,
  DEGREE = 16,
  LOW_DEGREE = 2,
  DENSE_NODES = 384,
  HALF_DEGREE = DENSE_NODES / 2,
  TINY_NODES = 16,
  WINDOW = 33
};

/* Below this density the sparse kernel, above the other size under a full mask the dense one, wins by
 * a wide margin on every machine: no need to measure. */
static const double plainly_sparse = 1.0 / 256;
enum { PLAINLY_DENSE = 256 };

/* Bytes of keys and values above which they are taken to come from memory. */
static const double beyond_cache = 16 << 20;

typedef struct fit {
  heed_score score;
  heed_normalizer normalizer;
  int32_t heads, key_dim, value_dim;
  heed_storage storage; /* of the sparse kernel */
  const char *isa;
  double pair; /* seconds, sparse */
  double row;
  double near; /* a pair under a mask of runs, whose keys are in the cache */
  double cell; /* seconds, dense: a query and a key */
  double tile; /* a tile of a head, whatever its size */
  double scattered; /* a pair of a mask that lists its keys */
  double part; /* a row's part in a tile under a mask of runs */
} fit;

enum { FITS = 32 };

static struct {
  pthread_mutex_t lock;
  fit fits[FITS];
  int n_fits;
  int next;
  double gather_gbytes; /* 0: not measured yet */
} known = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Enough calls to find a quiet moment on a busy machine. */
enum { LEAST_REPEATS = 7, MOST_REPEATS = 100 };
static const double measuring_seconds = 2e-3;

/* The fastest of some calls, in seconds. */
static heed_status time_kernel(const heed_attention_spec *spec, heed_kernel kernel,
                               const heed_mask *mask, const heed_attention_inputs *inputs,
                               float *out, double *seconds) {
  heed_attention_spec with = *spec;
  with.kernel = kernel;
  with.dropout = 0;
  with.edge_dim = 0;
  if (kernel != HEED_KERNEL_SPARSE) with.storage = HEED_STORAGE_FLOAT;
  heed_attention *plan;
  HEED__TRY(heed__plan_new(&plan, &with, mask, 1));
  const heed_attention_outputs outputs = {.out = out};
  heed_status status = HEED_OK;
  *seconds = 1e30;
  double total = 0;
  for (int r = 0; r <= MOST_REPEATS && status == HEED_OK; r++) {
    if (r > LEAST_REPEATS && total > measuring_seconds) break;
    double start = heed_seconds();
    status = heed_attention_forward(plan, inputs, &outputs);
    double passed = heed_seconds() - start;
    total += passed;
    if (r > 0 && passed < *seconds) *seconds = passed; /* the first one warms up */
  }
  heed_attention_free(plan);
  return status;
}

/* A random mask of `degree` keys a query, spread evenly so that they ascend. */
static heed_mask random_mask(int nodes, int degree, int64_t *indptr, int32_t *indices) {
  int step = nodes / degree;
  for (int64_t i = 0; i <= nodes; i++) indptr[i] = i * degree;
  for (int64_t p = 0; p < nodes * degree; p++) {
    uint32_t random[4];
    heed__random4(0, 0, (uint64_t)p, random);
    indices[p] = (int32_t)(p % degree * step + random[0] % (uint32_t)step);
  }
  return (heed_mask){.n_queries = nodes,
                     .n_keys = nodes,
                     .n_pairs = nodes * degree,
                     .indptr = indptr,
                     .indices = indices};
}

static heed_mask full_mask(int64_t nodes) {
  return (heed_mask){.n_queries = nodes, .n_keys = nodes, .n_pairs = nodes * nodes};
}

/* Each node sees those around it. */
static heed_mask window_mask(int64_t *indptr, int32_t *starts) {
  indptr[0] = 0;
  for (int i = 0; i < DENSE_NODES; i++) {
    int end = i + WINDOW / 2 + 1;
    starts[i] = i < WINDOW / 2 ? 0 : i - WINDOW / 2;
    indptr[i + 1] = indptr[i] + (end < DENSE_NODES ? end : DENSE_NODES) - starts[i];
  }
  return (heed_mask){.n_queries = DENSE_NODES,
                     .n_keys = DENSE_NODES,
                     .n_pairs = indptr[DENSE_NODES],
                     .indptr = indptr,
                     .starts = starts};
}

static double tiles(double queries, double keys) {
  return ceil(queries / TILE_QUERIES) * ceil(keys / TILE_KEYS);
}

/* Cells of a full mask, or what is as much work. */
static double full_cells(const heed_attention_spec *spec, double queries, double keys) {
  bool linear = heed__linear_spec(spec, HEED_KERNEL_DENSE);
  return linear ? heed__linear_cells(spec, queries, keys) : queries * keys;
}

/* Solves a x + b y = s, c x + d y = t for x and y not below 0, roughly where noise has its say. */
static void solve(double a, double b, double s, double c, double d, double t, double *x,
                  double *y) {
  double determinant = a * d - b * c;
  *x = (s * d - b * t) / determinant;
  *y = (a * t - s * c) / determinant;
  if (*y < 0) *x = s / a, *y = 0;
  if (*x < 0) *x = s / a;
}

/* What the dense kernel computes under a mask of runs: strips of rows with all the keys that one of them
 * sees. */
typedef struct runs {
  double cells;
  double tiles; /* of a head */
  double parts; /* of rows in tiles */
} runs;

/* Keys that the rows [first, end) see: from `*low` on up to the one returned; 0: none. */
static int64_t keys_seen(const heed_mask *mask, int64_t first, int64_t end, int64_t *low) {
  int64_t high = 0;
  *low = mask->n_keys;
  for (int64_t i = first; i < end; i++) {
    int64_t start = mask->starts[i], count = mask->indptr[i + 1] - mask->indptr[i];
    if (count == 0) continue;
    if (start < *low) *low = start;
    if (start + count > high) high = start + count;
  }
  return high;
}

static double tiles_between(int64_t low, int64_t high) {
  return high > low ? (double)((high - 1) / TILE_KEYS - low / TILE_KEYS + 1) : 0;
}

static runs count_runs(const heed_mask *mask) {
  runs r = {0, 0, 0};
  int64_t low, high;
  for (int64_t i = 0; i < mask->n_queries; i += TILE_QUERIES) {
    int64_t end = mask->n_queries - i < TILE_QUERIES ? mask->n_queries : i + TILE_QUERIES;
    high = keys_seen(mask, i, end, &low);
    r.tiles += tiles_between(low, high);
  }
  for (int64_t i = 0, n; i < mask->n_queries; i += n) {
    n = mask->n_queries - i < STRIP_QUERIES ? mask->n_queries - i : STRIP_QUERIES;
    double pairs = (double)(mask->indptr[i + n] - mask->indptr[i]);
    high = keys_seen(mask, i, i + n, &low);
    if (n > LEAST_STRIP && (double)((high - low) * n) > pairs * 17 / 16) {
      n = LEAST_STRIP; /* as the kernel has it */
      high = keys_seen(mask, i, i + n, &low);
    }
    if (high <= low) continue;
    r.cells += (double)(n * (high - low));
    r.parts += (double)n * tiles_between(low, high);
  }
  return r;
}

/* Linear attention has cells of its own. */
static runs runs_of(const heed_attention_spec *spec, const heed_mask *mask) {
  runs r = count_runs(mask);
  if (heed__linear_spec(spec, HEED_KERNEL_DENSE)) r.cells = heed__linear_mask_cells(spec, mask);
  return r;
}

static heed_status measure(const heed_attention_spec *spec, fit *result) {
  int64_t rows = SPARSE_NODES > DENSE_NODES ? SPARSE_NODES : DENSE_NODES;
  int64_t keys = (int64_t)spec->heads * spec->key_dim, values = (int64_t)spec->heads * spec->value_dim;
  float *numbers = heed__alloc((size_t)(rows * (2 * keys + 2 * values) + 2 * keys), sizeof *numbers);
  int64_t *indptr = heed__alloc(SPARSE_NODES + 1, sizeof *indptr);
  int32_t *indices = heed__alloc(SPARSE_NODES * DEGREE, sizeof *indices);
  int32_t *half_indices = heed__alloc(DENSE_NODES * HALF_DEGREE, sizeof *half_indices);
  int64_t low_indptr[SPARSE_NODES + 1];
  int32_t low_indices[SPARSE_NODES * LOW_DEGREE];
  int64_t half_indptr[DENSE_NODES + 1], window_indptr[DENSE_NODES + 1];
  int32_t window_starts[DENSE_NODES];
  heed_status status = HEED_NOMEM;
  if (numbers != NULL && indptr != NULL && indices != NULL && half_indices != NULL) {
    float *a = numbers, *query = a + 2 * keys, *key = query + rows * keys;
    float *value = key + rows * keys, *out = value + rows * values;
    heed_random_uniform(0, 0, numbers, rows * (2 * keys + values) + 2 * keys, -1, 1);
    bool gat = spec->score == HEED_SCORE_GAT, dot = spec->score == HEED_SCORE_DOT;
    const heed_attention_inputs inputs = {
        .query = query,
        .key = key,
        .value = value,
        .a_query = gat ? a : NULL,
        .a_key = gat ? a + keys : NULL,
        .a = gat || dot ? NULL : a,
    };
    const struct {
      heed_kernel kernel;
      heed_mask mask;
    } problems[] = {
        {HEED_KERNEL_SPARSE, random_mask(SPARSE_NODES, LOW_DEGREE, low_indptr, low_indices)},
        {HEED_KERNEL_SPARSE, random_mask(SPARSE_NODES, DEGREE, indptr, indices)},
        {HEED_KERNEL_DENSE, full_mask(TINY_NODES)},
        {HEED_KERNEL_DENSE, full_mask(DENSE_NODES)},
        {HEED_KERNEL_DENSE, window_mask(window_indptr, window_starts)},
        {HEED_KERNEL_SPARSE, window_mask(window_indptr, window_starts)},
        {HEED_KERNEL_DENSE, random_mask(DENSE_NODES, HALF_DEGREE, half_indptr, half_indices)},
    };
    enum { PROBLEMS = sizeof problems / sizeof *problems };
    double seconds[PROBLEMS] = {0};
    status = HEED_OK;
    for (int p = 0; p < PROBLEMS && status == HEED_OK; p++) {
      status = time_kernel(spec, problems[p].kernel, &problems[p].mask, &inputs, out, seconds + p);
    }
    solve(SPARSE_NODES * DEGREE, SPARSE_NODES, seconds[1], SPARSE_NODES * LOW_DEGREE, SPARSE_NODES,
          seconds[0], &result->pair, &result->row);
    solve(full_cells(spec, DENSE_NODES, DENSE_NODES), tiles(DENSE_NODES, DENSE_NODES), seconds[3],
          full_cells(spec, TINY_NODES, TINY_NODES), 1, seconds[2], &result->cell, &result->tile);
    runs r = runs_of(spec, &problems[4].mask);
    double rest = seconds[4] - result->cell * r.cells - result->tile * r.tiles;
    result->part = rest > 0 ? rest / r.parts : 0;
    rest = seconds[5] - result->row * DENSE_NODES;
    result->near = rest > 0 ? rest / (double)problems[5].mask.n_pairs : result->pair;
    rest = seconds[6] - seconds[3];
    result->scattered = rest > 0 ? rest / (double)problems[6].mask.n_pairs : 0;
  }
  heed__free(numbers);
  heed__free(indptr);
  heed__free(indices);
  heed__free(half_indices);
  return status;
}

static bool same_sizes(const fit *f, const heed_attention_spec *spec) {
  return f->score == spec->score && f->normalizer == spec->normalizer && f->heads == spec->heads && f->key_dim == spec->key_dim &&
         f->value_dim == spec->value_dim && f->storage == spec->storage && strcmp(f->isa, heed_isa()) == 0;
}

/* The fit for these sizes, measured if need be. The lock is held while measuring, so that nobody
 * else's measurement disturbs it. */
static heed_status fit_for(const heed_attention_spec *spec, fit *result) {
  heed_status status = HEED_OK;
  pthread_mutex_lock(&known.lock);
  int i = 0;
  while (i < known.n_fits && !same_sizes(known.fits + i, spec)) i++;
  if (i < known.n_fits) {
    *result = known.fits[i];
  } else {
    *result = (fit){.score = spec->score,
                    .normalizer = spec->normalizer,
                    .heads = spec->heads,
                    .key_dim = spec->key_dim,
                    .value_dim = spec->value_dim,
                    .storage = spec->storage,
                    .isa = heed_isa()};
    status = measure(spec, result);
    if (status == HEED_OK) {
      known.fits[known.next] = *result;
      known.next = (known.next + 1) % FITS;
      if (known.n_fits < FITS) known.n_fits++;
    }
  }
  pthread_mutex_unlock(&known.lock);
  return status;
}

/* Random rows of 256 bytes out of 64 MiB. */
enum { ROW_BYTES = 256, TABLE_BYTES = 64 << 20 };

static heed_status gather_rate(double *gbytes) {
  heed_status status = HEED_OK;
  pthread_mutex_lock(&known.lock);
  if (known.gather_gbytes == 0) {
    status = heed__measure_random_rows(TABLE_BYTES, ROW_BYTES, &known.gather_gbytes);
  }
  *gbytes = known.gather_gbytes;
  pthread_mutex_unlock(&known.lock);
  return status;
}

heed_status heed__predict(const heed_attention_spec *spec, const heed_mask *mask,
                          double *sparse_seconds, double *dense_seconds) {
  fit f;
  HEED__TRY(fit_for(spec, &f));
  double cells = full_cells(spec, (double)mask->n_queries, (double)mask->n_keys);
  *sparse_seconds = f.pair * (double)mask->n_pairs + f.row * (double)mask->n_queries;
  *dense_seconds =
      f.cell * cells + f.tile * tiles((double)mask->n_queries, (double)mask->n_keys);
  if (mask->indices != NULL) *dense_seconds += f.scattered * (double)mask->n_pairs;
  if (mask->starts != NULL) {
    runs r = runs_of(spec, mask);
    *dense_seconds = f.cell * r.cells + f.tile * r.tiles + f.part * r.parts;
    *sparse_seconds = f.near * (double)mask->n_pairs + f.row * (double)mask->n_queries;
  }
  bool gat = spec->score == HEED_SCORE_GAT;
  int threads = heed__threads_worth(spec, mask, heed_threads());
  *sparse_seconds /= threads;
  *dense_seconds /= threads;
  double row = spec->heads * (gat ? spec->value_dim : spec->key_dim + spec->value_dim);
  row = row * heed__number_bytes(spec) + (gat ? 4.0 * spec->heads : 0);
  if (mask->indices != NULL && row * (double)mask->n_keys > beyond_cache) {
    double gbytes;
    HEED__TRY(gather_rate(&gbytes));
    double gathering = row * (double)mask->n_pairs / (1e9 * gbytes);
    if (gathering > *sparse_seconds) *sparse_seconds = gathering;
  }
  return HEED_OK;
}

heed_status heed__choose(const heed_attention_spec *spec, const heed_mask *mask,
                         heed_kernel *kernel) {
  if (spec->storage != HEED_STORAGE_FLOAT) {
    *kernel = HEED_KERNEL_SPARSE; /* the dense one has no other */
    return HEED_OK;
  }
  double cells = (double)mask->n_queries * (double)mask->n_keys;
  if (mask->starts == NULL && (double)mask->n_pairs <= plainly_sparse * cells) {
    *kernel = HEED_KERNEL_SPARSE;
    return HEED_OK;
  }
  if (mask->indptr == NULL && mask->n_keys >= PLAINLY_DENSE && mask->n_queries >= PLAINLY_DENSE) {
    *kernel = HEED_KERNEL_DENSE;
    return HEED_OK;
  }
  double sparse_seconds, dense_seconds;
  HEED__TRY(heed__predict(spec, mask, &sparse_seconds, &dense_seconds));
  *kernel = dense_seconds < sparse_seconds ? HEED_KERNEL_DENSE : HEED_KERNEL_SPARSE;
  return HEED_OK;
}
