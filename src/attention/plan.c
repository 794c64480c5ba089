#include "attention/plan.h"

#include <math.h>

#include "attention/edges.h"
#include "attention/linear.h"
#include "base/alloc.h"
#include "base/status.h"

/* Most heads and dimensions: any row of logits, queries or values then fits in an int. */
enum { MOST_HEADS = 1 << 16, MOST_DIM = 1 << 20 };

static heed_status check_spec(const heed_attention_spec *spec) {
  if ((unsigned)spec->score > HEED_SCORE_ADDITIVE) {
    return heed__fail(HEED_ARGUMENT, "score function %d: there is none", (int)spec->score);
  }
  if ((unsigned)spec->kernel > HEED_KERNEL_REFERENCE) {
    return heed__fail(HEED_ARGUMENT, "kernel %d: there is none", (int)spec->kernel);
  }
  if ((unsigned)spec->normalizer > HEED_NORMALIZER_LINEAR) {
    return heed__fail(HEED_ARGUMENT, "normalizer %d: there is none", (int)spec->normalizer);
  }
  if (spec->heads < 1 || spec->heads > MOST_HEADS) {
    return heed__fail(HEED_RANGE, "%d heads: not between 1 and %d", spec->heads, MOST_HEADS);
  }
  if (spec->key_dim < 1 || spec->key_dim > MOST_DIM || spec->value_dim < 1 ||
      spec->value_dim > MOST_DIM) {
    return heed__fail(HEED_RANGE, "key size %d, value size %d: not between 1 and %d",
                      spec->key_dim, spec->value_dim, MOST_DIM);
  }
  if ((int64_t)spec->heads * spec->key_dim > INT32_MAX / 64 ||
      (int64_t)spec->heads * spec->value_dim > INT32_MAX / 64) {
    return heed__fail(HEED_OVERFLOW, "%d heads of %d and %d numbers: more than a row may hold",
                      spec->heads, spec->key_dim, spec->value_dim);
  }
  if (!(spec->dropout >= 0 && spec->dropout < 1)) {
    return heed__fail(HEED_RANGE, "dropout %g: not at least 0 and below 1", (double)spec->dropout);
  }
  if ((unsigned)spec->storage > HEED_STORAGE_BFLOAT16) {
    return heed__fail(HEED_ARGUMENT, "storage %d: there is none", (int)spec->storage);
  }
  if (spec->storage == HEED_STORAGE_BFLOAT16 && spec->kernel != HEED_KERNEL_AUTO &&
      spec->kernel != HEED_KERNEL_SPARSE) {
    return heed__fail(HEED_ARGUMENT, "storage bfloat16: only the sparse kernel has it, not %s",
                      heed_kernel_name(spec->kernel));
  }
  if (spec->storage == HEED_STORAGE_BFLOAT16 && spec->normalizer != HEED_NORMALIZER_SOFTMAX) {
    return heed__fail(HEED_ARGUMENT, "storage bfloat16: only softmax has it, not the normalizer %s",
                      heed_normalizer_name(spec->normalizer));
  }
  if (!isfinite(spec->scale) || !isfinite(spec->slope)) {
    return heed__fail(HEED_VALUE, "scale %g, slope %g: not finite", (double)spec->scale,
                      (double)spec->slope);
  }
  return HEED_OK;
}

static heed_status check_mask(const heed_mask *mask) {
  if (mask->n_queries < 0 || mask->n_keys < 0 || mask->n_keys > INT32_MAX || mask->n_pairs < 0) {
    return heed__fail(HEED_RANGE, "a mask of %lld queries, %lld keys, %lld pairs",
                      (long long)mask->n_queries, (long long)mask->n_keys,
                      (long long)mask->n_pairs);
  }
  if (mask->starts != NULL && (mask->indptr == NULL || mask->indices != NULL)) {
    return heed__fail(HEED_ARGUMENT, "a mask of runs %s", mask->indptr == NULL
                                         ? "without row pointers"
                                         : "that has indices as well");
  }
  for (int64_t i = 0; mask->starts != NULL && i < mask->n_queries; i++) {
    int64_t start = mask->starts[i], count = mask->indptr[i + 1] - mask->indptr[i];
    if (start < 0 || count < 0 || start + count > mask->n_keys) {
      return heed__fail(HEED_RANGE, "row %lld of a mask of runs has %lld keys from %lld on of %lld",
                        (long long)i, (long long)count, (long long)start,
                        (long long)mask->n_keys);
    }
  }
  int64_t pairs;
  if (mask->indptr != NULL) {
    pairs = mask->indptr[mask->n_queries];
  } else if (__builtin_mul_overflow(mask->n_queries, mask->n_keys, &pairs)) {
    return heed__fail(HEED_OVERFLOW, "%lld queries and %lld keys: their pairs do not fit",
                      (long long)mask->n_queries, (long long)mask->n_keys);
  }
  if (pairs != mask->n_pairs) {
    return heed__fail(HEED_SHAPE, "the rows of the mask hold %lld pairs, it says %lld",
                      (long long)pairs, (long long)mask->n_pairs);
  }
  return HEED_OK;
}

heed_status heed__plan_check(const heed_attention_spec *spec, const heed_mask *mask) {
  HEED__TRY(check_spec(spec));
  HEED__TRY(check_mask(mask));
  return heed__edges_check(spec, mask);
}

/* Heads in the flat logits: a power of two below the vector, or a multiple of it. */
static int32_t padded_heads(int32_t heads, int32_t lanes) {
  if (heads >= lanes) return (heads + lanes - 1) / lanes * lanes;
  int32_t padded = 1;
  while (padded < heads) padded *= 2;
  return padded;
}

size_t heed__padded_most(int32_t heads) { return (size_t)padded_heads(heads, WIDEST); }

/* Floats after which the flat logits come back to the first head. */
static int32_t period_of(int32_t padded, int32_t lanes) { return padded < lanes ? lanes : padded; }

static int64_t longest_row(const heed_mask *mask) {
  if (mask->indptr == NULL) return mask->n_keys;
  int64_t longest = 0;
  for (int64_t i = 0; i < mask->n_queries; i++) {
    int64_t count = mask->indptr[i + 1] - mask->indptr[i];
    if (count > longest) longest = count;
  }
  return longest;
}

/* Floats (of four bytes) in each array of a thread's scratch, in the order of the structure. */
enum { ARRAYS = 21 };

static void scratch_sizes(const heed_attention_spec *spec, const heed_mask *mask,
                          heed_kernel kernel, size_t sizes[ARRAYS]) {
  size_t padded = (size_t)padded_heads(spec->heads, WIDEST);
  size_t heads = (size_t)spec->heads;
  bool dense = kernel == HEED_KERNEL_DENSE, plain = kernel == HEED_KERNEL_REFERENCE;
  size_t key_row = (size_t)heed__padded_row(spec->key_dim);
  size_t value_row = (size_t)heed__padded_row(spec->value_dim);
  size_t queries = (size_t)heed__tile_queries(mask);
  bool narrow = heed__stores_narrow(spec, kernel);
  bool shared = !plain; /* GAT's node scores need these in both kernels */
  size_t all[ARRAYS] = {
      shared ? BLOCK_PAIRS * padded + 5 * WIDEST : 0,
      shared ? padded + WIDEST : 0,
      shared ? padded + WIDEST : 0,
      shared ? padded + 2 * WIDEST : 0,
      shared ? heads * (size_t)spec->key_dim + WIDEST : 0,
      shared ? heads * (size_t)spec->value_dim + WIDEST : 0,
      shared ? BLOCK_PAIRS * heads + 8 + 2 * WIDEST : 0,
      shared ? BLOCK_PAIRS + WIDEST : 0,
      shared ? BLOCK_PAIRS * padded + 3 * WIDEST : 0,
      dense ? STEP_QUERIES * TILE_KEYS : 0,
      dense ? TILE_KEYS + WIDEST : 0,
      dense ? (size_t)spec->key_dim * TILE_KEYS : 0,
      dense ? queries * key_row : 0,
      dense ? TILE_KEYS * value_row : 0,
      dense ? queries * value_row : 0,
      dense ? queries : 0,
      dense ? queries * WIDEST : 0,
      dense ? queries * 2 : 0,
      dense ? queries * 2 : plain ? 2 * (size_t)longest_row(mask) : 0,
      narrow ? (size_t)heed__wide_keys(spec) + BLOCK_PAIRS * heads * (size_t)spec->value_dim + WIDEST
             : 0,
      shared ? BLOCK_PAIRS * padded + 5 * WIDEST : 0,
  };
  for (int i = 0; i < ARRAYS; i++) sizes[i] = (all[i] + WIDEST - 1) / WIDEST * WIDEST;
}

static size_t scratch_floats(const size_t sizes[ARRAYS]) {
  size_t total = 0;
  for (int i = 0; i < ARRAYS; i++) total += sizes[i];
  return total;
}

static heed__scratch scratch_at(float *memory, const size_t sizes[ARRAYS], heed_kernel kernel) {
  float *at[ARRAYS];
  for (int i = 0; i < ARRAYS; i++) {
    at[i] = memory;
    memory += sizes[i];
  }
  void *last = at[18];
  return (heed__scratch){
      .logits = at[0],
      .maximum = at[1],
      .sum = at[2],
      .factor = at[3],
      .query = at[4],
      .accumulator = at[5],
      .random = (uint32_t *)(void *)at[6],
      .columns = (int32_t *)(void *)at[7],
      .keep = at[8],
      .tile = at[9],
      .compact = at[10],
      .packed = at[11],
      .queries = at[12],
      .values = at[13],
      .result = at[14],
      .row_maximum = at[15],
      .row_sum = at[16],
      .cursor = (int64_t *)(void *)at[17],
      .cursor_end = kernel == HEED_KERNEL_DENSE ? last : NULL,
      .plain = kernel == HEED_KERNEL_REFERENCE ? last : NULL,
      .wide = at[19],
      .added = at[20],
  };
}

static int64_t floats_of_partial(const heed_attention_spec *spec, int lanes) {
  int64_t period = period_of(padded_heads(spec->heads, lanes), lanes);
  int64_t values = (int64_t)spec->heads * spec->value_dim;
  return 2 * period + (values + lanes - 1) / lanes * lanes;
}

/* GAT's scores of the nodes, all that grows with their number in the sparse and dense kernels. */
static heed_status node_score_floats(const heed_attention_spec *spec, const heed_mask *mask,
                                     size_t *floats) {
  *floats = 0;
  if (spec->score != HEED_SCORE_GAT || spec->kernel == HEED_KERNEL_REFERENCE) return HEED_OK;
  size_t padded = (size_t)padded_heads(spec->heads, WIDEST);
  size_t nodes = (size_t)mask->n_queries + (size_t)mask->n_keys;
  if (!heed__multiply(nodes, padded, floats)) {
    return heed__fail(HEED_OVERFLOW, "scores of %zu nodes and %zu heads do not fit", nodes, padded);
  }
  return HEED_OK;
}

/* The dense kernel has no use for keys pair by pair, but features of pairs have. */
static bool needs_all_keys(const heed_attention_spec *spec, heed_kernel kernel,
                           const heed_mask *mask) {
  return mask->indices == NULL && (kernel != HEED_KERNEL_DENSE || spec->edge_dim > 0);
}

heed_status heed__plan_bytes(const heed_attention_spec *spec, const heed_mask *mask,
                             heed_kernel kernel, int threads, size_t *bytes) {
  heed_attention_spec with = *spec;
  with.kernel = kernel;
  size_t sizes[ARRAYS], scores;
  scratch_sizes(spec, mask, kernel, sizes);
  HEED__TRY(node_score_floats(&with, mask, &scores));
  int lanes = heed__kernels_chosen()->lanes;
  size_t vectors = (size_t)(((int64_t)spec->heads * spec->value_dim + lanes - 1) / lanes);
  *bytes = sizeof(heed_attention) + (size_t)threads * sizeof(heed__scratch) +
           4 * (size_t)threads * scratch_floats(sizes) + 4 * scores +
           4 * vectors * (size_t)(lanes + 1);
  if (kernel == HEED_KERNEL_SPARSE) {
    heed__counts d = heed__divide_count(mask);
    *bytes += (size_t)d.tasks * sizeof(heed__task) + (size_t)d.cuts * sizeof(heed__cut) +
              4 * (size_t)d.segments * (size_t)floats_of_partial(spec, lanes);
  }
  if (heed__stores_narrow(spec, kernel)) {
    size_t numbers;
    HEED__TRY(heed__table_numbers(spec, mask, &numbers));
    *bytes += 2 * numbers;
  }
  if (kernel == HEED_KERNEL_DENSE) {
    *bytes += (size_t)(heed__diagonals_most(mask) + 1) * sizeof(heed__diagonal);
  }
  *bytes += heed__linear_bytes(spec, kernel, threads);
  if (needs_all_keys(spec, kernel, mask)) *bytes += 4 * (size_t)mask->n_keys;
  size_t edge_bytes;
  HEED__TRY(heed__edges_bytes(&with, mask, threads, &edge_bytes));
  *bytes += edge_bytes;
  return HEED_OK;
}

int64_t heed__spread_new(int32_t heads, int32_t dim, int lanes, int32_t **head_of,
                         int32_t **spread) {
  int64_t numbers = (int64_t)heads * dim, vectors = (numbers + lanes - 1) / lanes;
  *head_of = heed__alloc((size_t)vectors, sizeof **head_of);
  *spread = heed__alloc_zero((size_t)(vectors * lanes), sizeof **spread);
  if (*head_of == NULL || *spread == NULL) return -1;
  for (int64_t c = 0; c < vectors; c++) {
    (*head_of)[c] = (int32_t)(c * lanes / dim);
    for (int64_t x = c * lanes; x < (c + 1) * lanes && x < numbers; x++) {
      (*spread)[x] = (int32_t)(x / dim) - (*head_of)[c];
    }
  }
  return vectors;
}

/* Which head each number of a row of values belongs to. */
static bool plan_spread(heed_attention *plan) {
  const heed_attention_spec *spec = &plan->problem.spec;
  int64_t vectors = heed__spread_new(spec->heads, spec->value_dim, plan->kernels->lanes,
                                     &plan->head_of, &plan->spread);
  plan->problem.value_vectors = (int32_t)vectors;
  plan->problem.head_of = plan->head_of;
  plan->problem.spread = plan->spread;
  return vectors >= 0;
}

static heed_status plan_tasks(heed_attention *plan) {
  const heed_mask *mask = plan->problem.mask;
  heed__division *division = &plan->division;
  HEED__TRY(plan->reserved ? heed__divide_most(division, mask, plan->whole_rows, &plan->most)
                           : heed__divide(division, mask));
  plan->partial_floats = floats_of_partial(&plan->problem.spec, plan->kernels->lanes);
  size_t floats;
  if (!heed__multiply((size_t)division->n_segments, (size_t)plan->partial_floats, &floats)) {
    return heed__fail(HEED_OVERFLOW, "%lld segments do not fit", (long long)division->n_segments);
  }
  plan->partials = heed__alloc(floats, sizeof *plan->partials);
  return plan->partials == NULL ? HEED_NOMEM : HEED_OK;
}

static bool plan_all_keys(heed_attention *plan) {
  int64_t n = plan->problem.mask->n_keys;
  plan->all_keys = heed__alloc((size_t)n, sizeof *plan->all_keys);
  if (plan->all_keys == NULL) return false;
  for (int64_t j = 0; j < n; j++) plan->all_keys[j] = (int32_t)j;
  plan->problem.all_keys = plan->all_keys;
  return true;
}

static bool plan_scratch(heed_attention *plan) {
  heed_kernel kernel = plan->problem.spec.kernel;
  size_t sizes[ARRAYS];
  scratch_sizes(&plan->problem.spec, plan->problem.mask, kernel, sizes);
  size_t floats = scratch_floats(sizes);
  plan->scratch = heed__alloc((size_t)plan->threads, sizeof *plan->scratch);
  /* Zeroed, for vectors reach beyond the numbers that count. */
  plan->memory = heed__alloc_zero((size_t)plan->threads, floats * sizeof(float));
  if (plan->scratch == NULL || plan->memory == NULL) return false;
  for (int t = 0; t < plan->threads; t++) {
    plan->scratch[t] = scratch_at((float *)plan->memory + (size_t)t * floats, sizes, kernel);
  }
  return true;
}

static heed_status plan_node_scores(heed_attention *plan) {
  size_t floats;
  HEED__TRY(node_score_floats(&plan->problem.spec, plan->problem.mask, &floats));
  if (floats == 0) return HEED_OK;
  float *scores = heed__alloc(floats, sizeof *scores);
  if (scores == NULL) return HEED_NOMEM;
  plan->problem.query_scores = scores;
  plan->problem.key_scores =
      scores + (size_t)plan->problem.mask->n_queries * (size_t)plan->problem.padded;
  return HEED_OK;
}

/* From this many bytes of keys and values on, rows are worth asking for ahead of time: less stays in
 * the L2 cache, from which asking costs more than it brings. */
enum { PREFETCH_FROM = 1 << 20, PREFETCH_BYTES = 16 << 10 };

static void plan_prefetch(heed__problem *problem) {
  bool gat = problem->spec.score == HEED_SCORE_GAT; /* reads one number a head, not keys */
  int64_t row = 4 * ((gat ? problem->padded : problem->key_stride) + problem->value_stride);
  if (problem->table != NULL) row = 2 * problem->table_stride + (gat ? 4 * problem->padded : 0);
  int64_t ahead = PREFETCH_BYTES / row;
  problem->prefetch =
      problem->mask->indices != NULL && problem->mask->n_keys * row >= PREFETCH_FROM;
  problem->ahead = (int32_t)(ahead < 2 ? 2 : ahead > BLOCK_PAIRS ? BLOCK_PAIRS : ahead);
}

static heed_status plan_fill(heed_attention *plan) {
  heed__problem *problem = &plan->problem;
  heed_kernel kernel = problem->spec.kernel;
  if (!plan_spread(plan) || !plan_scratch(plan)) return HEED_NOMEM;
  if (kernel == HEED_KERNEL_SPARSE) HEED__TRY(plan_tasks(plan));
  if (needs_all_keys(&problem->spec, kernel, problem->mask) && !plan_all_keys(plan)) {
    return HEED_NOMEM;
  }
  if (kernel == HEED_KERNEL_DENSE) {
    int64_t most = plan->reserved ? problem->mask->n_queries : heed__diagonals_most(problem->mask);
    plan->diagonals = heed__alloc((size_t)most + 1, sizeof *plan->diagonals);
    if (plan->diagonals == NULL) return HEED_NOMEM;
    problem->diagonals = plan->diagonals;
    if (!plan->reserved) {
      problem->n_diagonals = heed__cut_diagonals(problem->mask, plan->diagonals);
    }
  }
  HEED__TRY(plan_node_scores(plan));
  HEED__TRY(heed__linear_new(plan));
  HEED__TRY(heed__edges_new(plan));
  HEED__TRY(heed__table_new(plan));
  plan_prefetch(problem);
  return HEED_OK;
}

static void plan_dropout(heed__problem *problem, float dropout, uint64_t seed) {
  problem->spec.dropout = dropout;
  problem->spec.seed = seed;
  problem->drop_below = (uint32_t)((double)dropout * 0x1p32);
  problem->keep_scale = 1 / (1 - dropout);
}

heed_status heed_attention_set_dropout(heed_attention *plan, float dropout, uint64_t seed) {
  if (!(dropout >= 0 && dropout < 1)) {
    return heed__fail(HEED_ARGUMENT, "dropout %g: not at least 0 and below 1", (double)dropout);
  }
  plan_dropout(&plan->problem, dropout, seed);
  return HEED_OK;
}

static heed_status plan_new(heed_attention **result, const heed_attention_spec *spec,
                            const heed_mask *mask, int threads, bool reserved, bool whole_rows) {
  *result = NULL;
  heed_attention *plan = heed__alloc_zero(1, sizeof *plan);
  if (plan == NULL) return HEED_NOMEM;
  plan->reserved = reserved;
  plan->whole_rows = whole_rows;
  plan->kernels = heed__kernels_chosen();
  plan->threads = threads;
  heed__problem *problem = &plan->problem;
  problem->spec = *spec;
  if (spec->scale == 0) problem->spec.scale = 1 / sqrtf((float)spec->key_dim);
  problem->mask = mask;
  problem->padded = padded_heads(spec->heads, plan->kernels->lanes);
  problem->period = period_of(problem->padded, plan->kernels->lanes);
  problem->key_stride = (int64_t)spec->heads * spec->key_dim;
  problem->value_stride = (int64_t)spec->heads * spec->value_dim;
  plan_dropout(problem, spec->dropout, spec->seed);
  plan->cost.kernel = spec->kernel;
  heed_status status = HEED_OK;
  if (!reserved) {
    status = heed__plan_bytes(spec, mask, spec->kernel, threads, &plan->cost.bytes);
  }
  if (status == HEED_OK) status = plan_fill(plan);
  if (status != HEED_OK) {
    heed_attention_free(plan);
    return status;
  }
  *result = plan;
  return HEED_OK;
}

heed_status heed__plan_new(heed_attention **plan, const heed_attention_spec *spec,
                           const heed_mask *mask, int threads) {
  return plan_new(plan, spec, mask, threads, false, false);
}

heed_status heed__plan_reserve(heed_attention **plan, const heed_attention_spec *spec,
                               const heed_mask *mask, bool whole_rows) {
  *plan = NULL;
  HEED__TRY(check_spec(spec));
  return plan_new(plan, spec, mask, heed_threads(), true, whole_rows);
}

heed_status heed__plan_rebind(heed_attention *plan, const heed_mask *transposed,
                              const int64_t *pairs) {
  const heed_mask *mask = plan->problem.mask;
  if (plan->problem.spec.kernel == HEED_KERNEL_SPARSE) {
    HEED__TRY(heed__divide_again(&plan->division, mask, plan->whole_rows, &plan->most));
  }
  if (plan->diagonals != NULL) {
    plan->problem.n_diagonals = heed__cut_diagonals(mask, plan->diagonals);
  }
  plan_prefetch(&plan->problem);
  return plan->reserve == NULL ? HEED_OK : heed__reserve_rebind(plan, transposed, pairs);
}

void heed__reserve_free(heed_attention *plan) {
  heed__reserve *reserve = plan->reserve;
  heed__edges_release(plan);
  if (reserve == NULL) return;
  heed_mask_free(&reserve->transposed);
  heed__free(reserve->pairs);
  heed__free(reserve->all);
  for (int pass = 0; pass < 2; pass++) heed__division_free(reserve->divisions + pass);
  heed__free(reserve->a_sums);
  heed__free(reserve->plain);
  heed__free(reserve->edges);
  heed__free(reserve->nodes);
  heed__free(reserve->memory);
  heed__free(reserve->partials);
  heed__free(reserve->head_of);
  heed__free(reserve->spread);
  heed__free(reserve);
  plan->reserve = NULL;
}

void heed_attention_free(heed_attention *plan) {
  if (plan == NULL) return;
  heed__reserve_free(plan);
  heed__edges_free(plan);
  heed__linear_free(plan);
  heed__free(plan->scratch);
  heed__free(plan->memory);
  heed__free(plan->all_keys);
  heed__free(plan->diagonals);
  heed__free(plan->head_of);
  heed__free(plan->spread);
  heed__division_free(&plan->division);
  heed__free(plan->partials);
  heed__free(plan->problem.query_scores);
  heed__free(plan->problem.table);
  heed__free(plan);
}

/* Pairs times numbers in a row below which a second thread costs more than it brings. */
static const double worth_a_thread = 1 << 16;

int heed__threads_worth(const heed_attention_spec *spec, const heed_mask *mask, int64_t most) {
  double work = ((double)mask->n_pairs + (double)mask->n_queries) * (double)spec->heads *
                ((double)spec->key_dim + (double)spec->value_dim);
  if ((double)most > work / worth_a_thread) most = (int64_t)(work / worth_a_thread);
  return most < 1 ? 1 : (int)most;
}
