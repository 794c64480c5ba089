/* What backward calls need, reserved before them. */
#include <float.h>

#include "attention/edges.h"
#include "base/alloc.h"
#include "base/status.h"

static heed_status check_transposed(const heed_mask *mask, const heed_mask *transposed,
                                    const int64_t *pairs) {
  if (transposed == NULL && pairs == NULL) return HEED_OK;
  bool numbered = mask->indptr == NULL || mask->starts != NULL; /* without `pairs` */
  if (transposed == NULL || (pairs == NULL && !numbered)) {
    return heed__fail(HEED_ARGUMENT, "a transposed mask and its pair numbers go together");
  }
  if (transposed->n_queries != mask->n_keys || transposed->n_keys != mask->n_queries ||
      transposed->n_pairs != mask->n_pairs ||
      (transposed->indptr == NULL) != (mask->indptr == NULL)) {
    return heed__fail(HEED_SHAPE,
                      "%lld queries, %lld keys, %lld pairs: not the transpose of a mask of %lld "
                      "queries, %lld keys, %lld pairs",
                      (long long)transposed->n_queries, (long long)transposed->n_keys,
                      (long long)transposed->n_pairs, (long long)mask->n_queries,
                      (long long)mask->n_keys, (long long)mask->n_pairs);
  }
  return HEED_OK;
}

static void set_sides(heed__reserve *reserve, const heed_mask *mask, const heed_mask *transposed,
                      const int64_t *pairs) {
  reserve->sides[0] = (heed__side){.mask = mask, .all = reserve->all};
  reserve->sides[1] = (heed__side){.by_keys = true,
                                   .mask = transposed,
                                   .all = reserve->all,
                                   .pairs = pairs,
                                   .numbers = mask};
}

/* The rows and columns of both passes. */
static heed_status reserve_sides(heed__reserve *reserve, const heed_mask *mask,
                                 const heed_mask *transposed, const int64_t *pairs) {
  bool full = mask->indptr == NULL;
  if (full) {
    HEED__TRY(heed_mask_full(&reserve->transposed, mask->n_keys, mask->n_queries));
    transposed = &reserve->transposed;
    pairs = NULL;
  } else if (transposed == NULL && mask->starts != NULL) {
    HEED__TRY(heed_mask_transpose(&reserve->transposed, mask, NULL));
    transposed = &reserve->transposed;
  } else if (transposed == NULL) {
    heed_mask bare = *mask; /* its edges stay behind */
    bare.edge_ptr = bare.edge_ids = NULL;
    bare.origins = NULL;
    reserve->pairs = heed__alloc((size_t)mask->n_pairs, sizeof *reserve->pairs);
    if (reserve->pairs == NULL) return HEED_NOMEM;
    HEED__TRY(heed_mask_transpose(&reserve->transposed, &bare, reserve->pairs));
    transposed = &reserve->transposed;
    pairs = reserve->pairs;
  }
  if (mask->indices == NULL || transposed->indices == NULL) {
    int64_t n = mask->n_keys > mask->n_queries ? mask->n_keys : mask->n_queries;
    reserve->all = heed__alloc((size_t)n, sizeof *reserve->all);
    if (reserve->all == NULL) return HEED_NOMEM;
    for (int64_t i = 0; i < n; i++) reserve->all[i] = (int32_t)i;
  }
  set_sides(reserve, mask, transposed, pairs);
  for (int pass = 0; pass < 2; pass++) {
    HEED__TRY(heed__divide(reserve->divisions + pass, reserve->sides[pass].mask));
  }
  return HEED_OK;
}

/* The same for a plan that is bound later: its masks are at most this one's sizes. */
static heed_status reserve_divisions(heed_attention *plan) {
  heed__reserve *reserve = plan->reserve;
  heed_mask sizes = *plan->problem.mask;
  HEED__TRY(
      heed__divide_most(reserve->divisions, &sizes, plan->whole_rows, reserve->most));
  sizes.n_queries = plan->problem.mask->n_keys;
  sizes.n_keys = plan->problem.mask->n_queries;
  int64_t n = sizes.n_keys > sizes.n_queries ? sizes.n_keys : sizes.n_queries;
  reserve->all = heed__alloc((size_t)n, sizeof *reserve->all);
  if (reserve->all == NULL) return HEED_NOMEM;
  for (int64_t i = 0; i < n; i++) reserve->all[i] = (int32_t)i;
  return heed__divide_most(reserve->divisions + 1, &sizes, plan->whole_rows, reserve->most + 1);
}

static int64_t groups_for(const heed_mask *mask) {
  int64_t rows = mask->n_queries > mask->n_keys ? mask->n_queries : mask->n_keys;
  return rows / ROWS_OF_GROUP + 1 < GROUPS ? rows / ROWS_OF_GROUP + 1 : GROUPS;
}

heed_status heed__reserve_rebind(heed_attention *plan, const heed_mask *transposed,
                                 const int64_t *pairs) {
  heed__reserve *reserve = plan->reserve;
  const heed_mask *mask = plan->problem.mask;
  reserve->groups = groups_for(mask);
  heed__edges_rebind(plan);
  reserve->back.prefetch = plan->problem.prefetch;
  if (heed__in_tiles(&plan->problem)) return HEED_OK;
  HEED__TRY(check_transposed(mask, transposed, pairs));
  set_sides(reserve, mask, transposed, pairs);
  for (int pass = 0; pass < 2; pass++) {
    HEED__TRY(heed__divide_again(reserve->divisions + pass, reserve->sides[pass].mask,
                                 plan->whole_rows, reserve->most + pass));
  }
  return HEED_OK;
}

/* Floats in a thread's scratch beyond the forward call's, in the order of the structure. */
enum { MORE = 19 };

static heed_status reserve_scratch(heed_attention *plan) {
  const heed__problem *problem = &plan->problem;
  size_t flat = BLOCK_PAIRS * heed__padded_most(problem->spec.heads) + 2 * WIDEST;
  size_t row = (size_t)problem->key_stride + 2 * WIDEST + (size_t)problem->period;
  row = (row + WIDEST - 1) / WIDEST * WIDEST;
  size_t values = (size_t)heed__padded_row(problem->value_stride);
  size_t quads = BLOCK_PAIRS * ((size_t)problem->spec.heads / 4 + 2) + WIDEST;
  size_t keys = heed__in_tiles(problem) ? TILE_KEYS : 0;
  size_t queries = heed__in_tiles(problem) ? (size_t)heed__tile_queries(problem->mask) : 0;
  size_t of_tile = keys > 0 ? TILE_KEYS + WIDEST : 0, floats = 0;
  size_t key_row = (size_t)heed__padded_row(problem->spec.key_dim);
  size_t value_row = (size_t)heed__padded_row(problem->spec.value_dim);
  size_t sizes[MORE] = {2 * quads, 4 * quads, flat, flat, flat, flat, row, 2 * row, flat, values,
                        STEP_QUERIES * keys, of_tile, of_tile,
                        keys * value_row, keys * key_row, queries * value_row, queries * key_row,
                        keys * key_row, keys * value_row};
  for (int i = 0; i < MORE; i++) floats += sizes[i];
  float *at = heed__alloc_zero((size_t)plan->threads, floats * sizeof(float));
  plan->reserve->memory = at;
  if (at == NULL) return HEED_NOMEM;
  for (int t = 0; t < plan->threads; t++) {
    heed__scratch *s = plan->scratch + t;
    float *arrays[MORE];
    for (int i = 0; i < MORE; i++) {
      arrays[i] = at;
      at += sizes[i];
    }
    s->counters = (uint64_t *)(void *)arrays[0];
    s->scattered = (uint32_t *)(void *)arrays[1];
    s->gradients = arrays[2];
    s->raw = arrays[3];
    s->log_sums = arrays[4];
    s->deltas = arrays[5];
    s->key_sums = arrays[6];
    s->a_sums = arrays[7];
    s->products = arrays[8];
    s->steep_sums = arrays[9];
    s->tile_gradients = arrays[10];
    s->tile_compact = arrays[11];
    s->tile_keep = arrays[12];
    s->packed_values = arrays[13];
    s->keys = arrays[14];
    s->d_out = arrays[15];
    s->d_queries = arrays[16];
    s->d_keys = arrays[17];
    s->d_values = arrays[18];
  }
  return HEED_OK;
}

/* What grows with the number of nodes. */
static heed_status reserve_nodes(heed_attention *plan) {
  const heed__problem *problem = &plan->problem;
  heed__reserve *reserve = plan->reserve;
  heed__backward *back = &reserve->back;
  int64_t heads = problem->spec.heads, padded = problem->padded;
  int64_t n_queries = problem->mask->n_queries, n_keys = problem->mask->n_keys;
  bool gat = problem->spec.score == HEED_SCORE_GAT;
  size_t rows = 2 * (size_t)n_queries + (gat ? (size_t)n_queries + (size_t)n_keys : 0), floats;
  if (!heed__multiply(rows, (size_t)padded, &floats)) {
    return heed__fail(HEED_OVERFLOW, "statistics of %lld queries and %lld heads do not fit",
                      (long long)n_queries, (long long)heads);
  }
  /* Vectors are loaded from the last one's heads on. */
  reserve->nodes = heed__alloc_zero(floats + 2 * WIDEST, sizeof(float));
  if (reserve->nodes == NULL) return HEED_NOMEM;
  back->statistics = reserve->nodes;
  if (gat) back->query_sums = back->statistics + 2 * n_queries * padded;
  if (gat) back->key_sums = back->query_sums + n_queries * padded;
  for (int64_t i = 0; i < n_queries; i++) {
    for (int64_t h = heads; h < padded; h++) back->statistics[i * 2 * padded + h] = FLT_MAX;
  }
  return HEED_OK;
}

/* What the sparse kernel's passes need, which the dense one takes as well. */
static heed_status reserve_sparse(heed_attention *plan) {
  const heed__problem *problem = &plan->problem;
  heed__reserve *reserve = plan->reserve;
  int lanes = plan->kernels->lanes;
  int64_t vectors = heed__spread_new(problem->spec.heads, problem->spec.key_dim, lanes,
                                     &reserve->head_of, &reserve->spread);
  if (vectors < 0) return HEED_NOMEM;
  reserve->back.key_vectors = vectors;
  reserve->back.key_head_of = reserve->head_of;
  reserve->back.key_spread = reserve->spread;
  reserve->back.prefetch = problem->prefetch;
  int64_t sums = vectors * lanes > problem->period ? vectors * lanes : problem->period;
  reserve->partial_floats = sums + (int64_t)problem->value_vectors * lanes;
  int64_t segments = reserve->divisions[0].n_segments > reserve->divisions[1].n_segments
                         ? reserve->divisions[0].n_segments
                         : reserve->divisions[1].n_segments;
  size_t floats;
  if (!heed__multiply((size_t)segments, (size_t)reserve->partial_floats, &floats)) {
    return heed__fail(HEED_OVERFLOW, "%lld segments do not fit", (long long)segments);
  }
  reserve->partials = heed__alloc(floats, sizeof(float));
  if (reserve->partials == NULL) return HEED_NOMEM;
  HEED__TRY(reserve_scratch(plan));
  return reserve_nodes(plan);
}

static heed_status reserve_reference_edges(heed_attention *plan) {
  const heed_attention_spec *spec = &plan->problem.spec;
  if (spec->edge_dim == 0) return HEED_OK;
  plan->reserve->edges =
      heed__alloc((size_t)spec->heads, heed__edge_numbers(spec) * sizeof *plan->reserve->edges);
  return plan->reserve->edges == NULL ? HEED_NOMEM : HEED_OK;
}

static heed_status reserve_fill(heed_attention *plan, const heed_mask *transposed,
                                const int64_t *pairs) {
  const heed__problem *problem = &plan->problem;
  heed__reserve *reserve = plan->reserve;
  if (!heed__in_tiles(problem)) {
    HEED__TRY(plan->reserved ? reserve_divisions(plan)
                             : reserve_sides(reserve, problem->mask, transposed, pairs));
  }
  reserve->groups = groups_for(problem->mask);
  size_t sums = (size_t)(reserve->groups * 2 * problem->key_stride);
  reserve->a_sums = heed__alloc(sums, sizeof(double));
  if (reserve->a_sums == NULL) return HEED_NOMEM;
  HEED__TRY(heed__edges_reserve(plan));
  if (problem->spec.kernel != HEED_KERNEL_REFERENCE) return reserve_sparse(plan);
  HEED__TRY(reserve_reference_edges(plan));
  reserve->plain = heed__alloc((size_t)(plan->threads * 2 * heed__largest_dim(&problem->spec)),
                               sizeof *reserve->plain);
  return reserve->plain == NULL ? HEED_NOMEM : HEED_OK;
}

heed_status heed_attention_prepare_backward(heed_attention *plan, const heed_mask *transposed,
                                            const int64_t *pairs) {
  if (plan->problem.spec.storage != HEED_STORAGE_FLOAT) {
    return heed__fail(HEED_ARGUMENT, "storage %s: forward calls alone have it",
                      heed_storage_name(plan->problem.spec.storage));
  }
  HEED__TRY(check_transposed(plan->problem.mask, transposed, pairs));
  heed__reserve_free(plan);
  plan->reserve = heed__alloc_zero(1, sizeof *plan->reserve);
  if (plan->reserve == NULL) return HEED_NOMEM;
  heed_status status = reserve_fill(plan, transposed, pairs);
  if (status != HEED_OK) heed__reserve_free(plan);
  return status;
}
