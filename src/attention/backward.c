/* The backward call: two passes, one by queries over the mask and one by keys over its transpose, so
 * that every gradient has one owner. */
#include <float.h>
#include <string.h>

#include "attention/edges.h"
#include "attention/linear.h"
#include "base/alloc.h"
#include "base/status.h"
#include "base/threads.h"

static int64_t largest_dim(const heed_attention_spec *spec) {
  return spec->key_dim > spec->value_dim ? spec->key_dim : spec->value_dim;
}

/* Whether the dense kernel does it; it leaves the other scores to the sparse one. */
static bool in_tiles(const heed__problem *problem) {
  return problem->spec.kernel == HEED_KERNEL_DENSE && problem->spec.score == HEED_SCORE_DOT;
}

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
  if (in_tiles(&plan->problem)) return HEED_OK;
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
  size_t keys = in_tiles(problem) ? TILE_KEYS : 0;
  size_t queries = in_tiles(problem) ? (size_t)heed__tile_queries(problem->mask) : 0;
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

/* Numbers of a head in what edge features give the gradients of their weights. */
static size_t edge_numbers(const heed_attention_spec *spec) {
  return (size_t)spec->edge_dim * (1 + (size_t)spec->key_dim + (size_t)spec->value_dim);
}

static heed_status reserve_reference_edges(heed_attention *plan) {
  const heed_attention_spec *spec = &plan->problem.spec;
  if (spec->edge_dim == 0) return HEED_OK;
  plan->reserve->edges =
      heed__alloc((size_t)spec->heads, edge_numbers(spec) * sizeof *plan->reserve->edges);
  return plan->reserve->edges == NULL ? HEED_NOMEM : HEED_OK;
}

static heed_status reserve_fill(heed_attention *plan, const heed_mask *transposed,
                                const int64_t *pairs) {
  const heed__problem *problem = &plan->problem;
  heed__reserve *reserve = plan->reserve;
  if (!in_tiles(problem)) {
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
  reserve->plain = heed__alloc((size_t)(plan->threads * 2 * largest_dim(&problem->spec)),
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

static heed_status check_gradient(const float *gradient, const float *input, const char *name) {
  if (gradient != NULL && input == NULL) {
    return heed__fail(HEED_ARGUMENT, "a gradient of %s, which is not among the inputs", name);
  }
  return HEED_OK;
}

static heed_status check_shared(const float *x, const float *y, bool inputs_shared,
                                const char *names) {
  if (x != NULL && x == y && !inputs_shared) {
    return heed__fail(HEED_ARGUMENT, "one array for the gradients of %s, which are two arrays",
                      names);
  }
  return HEED_OK;
}

static heed_status check_gradients(const heed__problem *problem, const heed_attention_inputs *in,
                                   const heed_attention_gradients *to) {
  const heed_mask *mask = problem->mask;
  bool softmax = heed__is_softmax(problem);
  bool no_out = softmax && to->out == NULL, no_log_sum = softmax && to->log_sum_exp == NULL;
  if (mask->n_queries > 0 && (no_out || no_log_sum || to->d_out == NULL)) {
    return heed__fail(HEED_ARGUMENT, "the backward call needs the array %s",
                      no_out ? "out" : no_log_sum ? "log_sum_exp" : "d_out");
  }
  if (mask->n_queries > 0) HEED__TRY(check_gradient(to->query, in->query, "query"));
  if (mask->n_keys > 0) {
    HEED__TRY(check_gradient(to->key, in->key, "key"));
    HEED__TRY(check_gradient(to->value, in->value, "value"));
  }
  HEED__TRY(check_gradient(to->a_query, in->a_query, "a_query"));
  HEED__TRY(check_gradient(to->a_key, in->a_key, "a_key"));
  HEED__TRY(check_gradient(to->a, in->a, "a"));
  HEED__TRY(check_gradient(to->bias, in->bias, "bias"));
  HEED__TRY(check_gradient(to->edge_bias, in->edge_bias, "edge_bias"));
  HEED__TRY(check_gradient(to->edge_key, in->edge_key, "edge_key"));
  HEED__TRY(check_gradient(to->edge_value, in->edge_value, "edge_value"));
  HEED__TRY(check_shared(to->query, to->key, in->query == in->key, "query and key"));
  HEED__TRY(check_shared(to->query, to->value, in->query == in->value, "query and value"));
  HEED__TRY(check_shared(to->key, to->value, in->key == in->value, "key and value"));
  const heed_attention_spec *spec = &problem->spec;
  bool alike = spec->key_dim == spec->value_dim, shared = to->value == to->query || to->value == to->key;
  if (to->value != NULL && shared && !alike) {
    return heed__fail(HEED_SHAPE,
                      "one array for the gradients of values of %d numbers and of queries or keys of %d",
                      spec->value_dim, spec->key_dim);
  }
  return check_shared(to->a_query, to->a_key, in->a_query == in->a_key, "a_query and a_key");
}

static heed__backward backward_of(const heed_attention *plan, const heed_attention_inputs *in,
                                  const heed_attention_gradients *to) {
  heed__backward back = plan->reserve->back;
  int64_t n_queries = plan->problem.mask->n_queries, n_keys = plan->problem.mask->n_keys;
  back.to = *to;
  if (in->value == NULL) back.to.value = to->key;
  const float *query = to->query, *key = to->key, *value = back.to.value;
  if (value != NULL && value == query) back.add_value_below = n_queries;
  if (key != NULL && key == query) back.add_key_below = n_queries;
  if (key != NULL && key == value) back.add_key_below = n_keys;
  return back;
}

static void reference_pass(heed_attention *plan, const heed__backward *back, int pass) {
  heed__reserve *reserve = plan->reserve;
  const heed__division *division = reserve->divisions + pass;
  int64_t width = 2 * plan->problem.key_stride;
  int threads = heed__threads_for_tasks(plan, reserve->groups);
  (void)threads; /* without OpenMP */
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
  for (int64_t group = 0; group < reserve->groups; group++) {
    double *a_sums = reserve->a_sums + group * width;
    double *room = reserve->plain + heed__thread() * 2 * largest_dim(&plan->problem.spec);
    for (int64_t t = division->n_tasks * group / reserve->groups;
         t < division->n_tasks * (group + 1) / reserve->groups; t++) {
      heed__reference_backward(&plan->problem, back, reserve->sides + pass, division->tasks + t,
                               a_sums, room);
    }
  }
}

static void reference_edges(heed_attention *plan, const heed__backward *back) {
  const heed_attention_gradients *to = &back->to;
  int32_t heads = plan->problem.spec.heads;
  if (to->edge_bias == NULL && to->edge_key == NULL && to->edge_value == NULL) return;
#pragma omp parallel for schedule(dynamic, 1) num_threads(heed__threads_for_tasks(plan, heads))
  for (int32_t head = 0; head < heads; head++) {
    heed__reference_edges(&plan->problem, back, head,
                          plan->reserve->edges + (size_t)head * edge_numbers(&plan->problem.spec));
  }
}

/* Takes a thread's sums over to its group's: of one vector, or of a_query and a_key. */
static void flush_a_sums(const heed_attention *plan, const heed__scratch *s, int vectors, double *group) {
  int64_t n = plan->problem.key_stride, step = plan->reserve->back.key_vectors * plan->kernels->lanes;
  for (int v = 0; v < vectors; v++) {
    for (int64_t d = 0; d < n; d++) group[v * n + d] += (double)s->a_sums[v * step + d];
  }
}

static void clear_a_sums(const heed_attention *plan, const heed__scratch *s) {
  size_t floats = 2 * (size_t)(plan->reserve->back.key_vectors * plan->kernels->lanes);
  memset(s->a_sums, 0, floats * sizeof(float));
}

static void row_statistics(heed_attention *plan, const heed__backward *back) {
  enum { ROWS = 256 };
  int64_t n = plan->problem.mask->n_queries, blocks = (n + ROWS - 1) / ROWS;
  if (!heed__is_softmax(&plan->problem)) {
    heed__length_statistics(&plan->problem, back);
    return;
  }
#pragma omp parallel for schedule(static) num_threads(heed__threads_for_tasks(plan, blocks))
  for (int64_t block = 0; block < blocks; block++) {
    int64_t end = n - block * ROWS < ROWS ? n : (block + 1) * ROWS;
    plan->kernels->row_statistics(&plan->problem, back, block * ROWS, end,
                                  plan->scratch + heed__thread());
  }
}

/* Rows that were cut: their segments' sums become gradients, and what put_node() would have given a is made up for. */
static void join_cuts(heed_attention *plan, const heed__backward *back, int pass, int threads) {
  const heed__problem *problem = &plan->problem;
  heed__reserve *reserve = plan->reserve;
  const heed__division *division = reserve->divisions + pass;
  int64_t stride = reserve->partial_floats;
  (void)threads; /* without OpenMP */
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
  for (int64_t c = 0; c < division->n_cuts; c++) {
    const heed__cut *cut = division->cuts + c;
    const float *parts = reserve->partials + division->tasks[cut->first_task].partial * stride;
    plan->kernels->backward_join(problem, back, reserve->sides + pass, cut->row, parts, cut->n_tasks,
                                 stride, plan->scratch + heed__thread());
  }
  for (int by_keys = 0; by_keys < 2 && pass == 1 && back->joined; by_keys++) {
    int64_t nodes = by_keys ? problem->mask->n_keys : problem->mask->n_queries;
    clear_a_sums(plan, plan->scratch);
    for (int64_t c = 0; c < division->n_cuts; c++) {
      int64_t row = division->cuts[c].row;
      if (row >= nodes) continue;
      plan->kernels->node_gradients(problem, back, by_keys, row, row + 1, plan->scratch);
    }
    flush_a_sums(plan, plan->scratch, 1, reserve->a_sums + by_keys * problem->key_stride);
  }
}

/* One pass: every group has one owner, who goes through its tasks in their order. With `of_cuts` only rows that were
 * cut are gone through. */
static void sparse_pass(heed_attention *plan, const heed__backward *back, int pass, bool of_cuts) {
  const heed__problem *problem = &plan->problem;
  heed__reserve *reserve = plan->reserve;
  const heed__side *side = reserve->sides + pass;
  const heed__division *division = reserve->divisions + pass;
  int64_t width = 2 * problem->key_stride, stride = reserve->partial_floats;
  bool joined = pass == 1 && back->joined, of_a = joined || (pass == 0 && back->to.a != NULL);
  bool featured = pass == 0 && problem->features != NULL;
  int64_t groups = featured ? plan->edges->groups : reserve->groups;
  int threads = heed__threads_for_tasks(plan, groups);
  (void)threads; /* without OpenMP */
  if (of_cuts && division->n_cuts == 0) return;
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
  for (int64_t group = 0; group < groups; group++) {
    const heed__scratch *s = plan->scratch + heed__thread();
    if (featured) heed__edges_begin_group(plan, group);
    for (int64_t t = division->n_tasks * group / groups; t < division->n_tasks * (group + 1) / groups;
         t++) {
      const heed__task *task = division->tasks + t;
      float *partial = task->partial < 0 ? NULL : reserve->partials + task->partial * stride;
      if (of_cuts && partial == NULL) continue;
      if (of_a) clear_a_sums(plan, s);
      plan->kernels->backward(problem, back, side, task, partial, s);
      if (of_a) flush_a_sums(plan, s, joined ? 2 : 1, reserve->a_sums + group * width);
      if (featured) heed__edges_end_task(plan, group);
    }
  }
  if (division->n_cuts > 0) join_cuts(plan, back, pass, threads);
}

/* GAT: from the gradients of the nodes' scores to those of their rows and of a. */
static void node_gradients(heed_attention *plan, const heed__backward *back, bool by_keys) {
  const heed__problem *problem = &plan->problem;
  int64_t n = by_keys ? problem->mask->n_keys : problem->mask->n_queries;
  int64_t width = problem->key_stride;
  int64_t groups = plan->reserve->groups;
#pragma omp parallel for schedule(static) num_threads(heed__threads_for_tasks(plan, groups))
  for (int64_t group = 0; group < groups; group++) {
    const heed__scratch *s = plan->scratch + heed__thread();
    clear_a_sums(plan, s);
    plan->kernels->node_gradients(problem, back, by_keys, n * group / groups,
                                  n * (group + 1) / groups, s);
    flush_a_sums(plan, s, 1, plan->reserve->a_sums + (2 * group + by_keys) * width);
  }
}

/* GAT: what the forward call has left spares the first pass. */
static void steep_gradients(heed_attention *plan, const heed__backward *back) {
  int64_t n = plan->problem.mask->n_queries, groups = plan->reserve->groups;
#pragma omp parallel for schedule(static) num_threads(heed__threads_for_tasks(plan, groups))
  for (int64_t group = 0; group < groups; group++) {
    plan->kernels->steep_gradients(&plan->problem, back, n * group / groups, n * (group + 1) / groups,
                                   plan->scratch + heed__thread());
  }
}

static void backward_sparse(heed_attention *plan, heed__backward *back) {
  const heed__problem *problem = &plan->problem;
  const heed_attention_gradients *to = &back->to;
  bool gat = problem->spec.score == HEED_SCORE_GAT;
  back->by_sums = gat && to->bias == NULL && problem->features == NULL && back->products == NULL &&
                  back->weights == NULL && back->d_logits == NULL;
  bool spared = back->by_sums && to->steep != NULL && plan->kernels->leaves_steep(problem);
  back->joined = gat && to->query != NULL && to->query == to->key && to->key == to->value &&
                 problem->key_stride == problem->value_stride &&
                 problem->mask->n_queries <= problem->mask->n_keys;
  bool apart = gat && !back->joined;
  row_statistics(plan, back);
  if (gat) heed__node_scores(plan);
  if (to->query != NULL || to->a_query != NULL || to->a != NULL || to->bias != NULL ||
      back->weights != NULL || back->d_logits != NULL) {
    if (spared) steep_gradients(plan, back);
    sparse_pass(plan, back, 0, spared);
  }
  if (apart && (to->query != NULL || to->a_query != NULL)) node_gradients(plan, back, false);
  if (to->key != NULL || to->a_key != NULL || to->value != NULL) sparse_pass(plan, back, 1, false);
  if (apart && (to->key != NULL || to->a_key != NULL)) node_gradients(plan, back, true);
}

/* What a thread of the dense kernel owns: the tiles of a head, of a stretch of queries or of keys. */
typedef enum ownership { OWN_HEAD, OWN_QUERIES, OWN_KEYS } ownership;

static void dense_pass(heed_attention *plan, const heed__backward *back,
                       const heed__diagonal *diagonal, ownership what) {
  const heed__problem *problem = &plan->problem;
  int64_t heads = problem->spec.heads, tile = what == OWN_QUERIES ? 4 * STEP_QUERIES : TILE_KEYS;
  int64_t i0 = diagonal->first_row, i_end = diagonal[1].first_row;
  int64_t j0 = diagonal->first_key, j_end = diagonal->end_key;
  int64_t n = what == OWN_QUERIES ? i_end - i0 : j_end - j0;
  int64_t tiles = what == OWN_HEAD ? 1 : (n + tile - 1) / tile;
  /* All heads of a pair add to a bias they share: they then have one owner, in their order. */
  bool heads_share = what == OWN_QUERIES && back->to.bias != NULL && problem->in.bias_heads == 1;
  int64_t owners = heads_share ? tiles : tiles * heads;
#pragma omp parallel for schedule(dynamic, 1) num_threads(heed__threads_for_tasks(plan, owners))
  for (int64_t owner = 0; owner < owners; owner++) {
    int64_t head = heads_share ? 0 : owner / tiles, end = heads_share ? heads : head + 1;
    int64_t own = owner % tiles * tile, own_end = n - own < tile ? n : own + tile;
    bool queries = what == OWN_QUERIES, keys = what == OWN_KEYS;
    for (; head < end; head++) {
      plan->kernels->dense_backward(problem, back, (int32_t)head, queries ? i0 + own : i0,
                                    queries ? i0 + own_end : i_end, keys ? j0 + own : j0,
                                    keys ? j0 + own_end : j_end, !keys, !queries,
                                    plan->scratch + heed__thread());
    }
  }
}

/* Diagonals that are small have one owner each. */
static void dense_small(heed_attention *plan, const heed__backward *back, bool by_queries,
                        bool by_keys) {
  const heed__problem *problem = &plan->problem;
  enum { AT_ONCE = 8 };
  int64_t n = problem->n_diagonals, blocks = n > 1 ? (n + AT_ONCE - 1) / AT_ONCE : 0;
  bool linear = heed__linear_call(plan, back);
#pragma omp parallel for schedule(dynamic, 1) num_threads(heed__threads_for_tasks(plan, blocks))
  for (int64_t block = 0; block < blocks; block++) {
    for (int64_t d = block * AT_ONCE; d < n && d < (block + 1) * AT_ONCE; d++) {
      if (!heed__is_small(problem, d)) continue;
      const heed__diagonal *diagonal = problem->diagonals + d;
      if (linear && heed__linear_diagonal(problem, diagonal)) {
        heed__linear_backward(plan, back, diagonal, by_queries, by_keys, true);
        continue;
      }
      for (int32_t head = 0; head < problem->spec.heads; head++) {
        plan->kernels->dense_backward(problem, back, head, diagonal->first_row,
                                      diagonal[1].first_row, diagonal->first_key,
                                      diagonal->end_key, by_queries, by_keys,
                                      plan->scratch + heed__thread());
      }
    }
  }
}

/* Where heads, or small diagonals, can be the owners, every tile is made once. Otherwise one pass owns queries
 * and a second one keys, each tile is made twice, and the sums and their order are the same. */
static void backward_dense(heed_attention *plan, const heed__backward *back) {
  const heed__problem *problem = &plan->problem;
  const heed_attention_gradients *to = &back->to;
  size_t n_queries = (size_t)problem->mask->n_queries, n_keys = (size_t)problem->mask->n_keys;
  size_t row = (size_t)problem->key_stride * sizeof(float);
  if (to->query != NULL) memset(to->query, 0, n_queries * row);
  if (to->key != NULL) memset(to->key, 0, n_keys * row);
  if (to->value != NULL) {
    memset(to->value, 0, n_keys * (size_t)problem->value_stride * sizeof(float));
  }
  row_statistics(plan, back);
  bool by_queries = to->query != NULL || to->bias != NULL || back->weights != NULL;
  bool by_keys = to->key != NULL || to->value != NULL;
  bool shared = back->add_key_below > 0 || back->add_value_below > 0;
  bool heads_share = to->bias != NULL && problem->in.bias_heads == 1;
  int threads = heed__threads_for_tasks(plan, INT32_MAX);
  bool linear = heed__linear_call(plan, back);
  bool once = by_queries && by_keys && !shared;
  if (once) {
    dense_small(plan, back, true, true);
  } else {
    if (by_queries) dense_small(plan, back, true, false);
    if (by_keys) dense_small(plan, back, false, true);
  }
  for (int64_t d = 0; d < problem->n_diagonals; d++) {
    if (heed__is_small(problem, d)) continue;
    const heed__diagonal *diagonal = problem->diagonals + d;
    if (linear && heed__linear_diagonal(problem, diagonal)) {
      heed__linear_backward(plan, back, diagonal, by_queries, by_keys, false);
      continue;
    }
    if (once && !heads_share && problem->spec.heads >= threads) {
      dense_pass(plan, back, diagonal, OWN_HEAD);
      continue;
    }
    if (by_queries) dense_pass(plan, back, diagonal, OWN_QUERIES);
    if (by_keys) dense_pass(plan, back, diagonal, OWN_KEYS);
  }
}

/* The gradients of a_query, a_key and a: the groups' parts in their order. */
static void sum_groups(const heed_attention *plan, const heed_attention_gradients *to) {
  const heed__reserve *reserve = plan->reserve;
  const double *sums = reserve->a_sums;
  int64_t n = plan->problem.key_stride;
  float *first = to->a != NULL ? to->a : to->a_query;
  for (int64_t d = 0; d < 2 * n; d++) {
    float *gradient = d < n ? first : to->a_key;
    if (gradient == NULL) continue;
    double x = 0;
    for (int64_t group = 0; group < reserve->groups; group++) x += sums[group * 2 * n + d];
    bool adds = d >= n && to->a_key == to->a_query;
    gradient[d % n] = (float)(adds ? (double)gradient[d % n] + x : x);
  }
}

heed_status heed_attention_backward(heed_attention *plan, const heed_attention_inputs *inputs,
                                    const heed_attention_gradients *gradients) {
  heed__problem *problem = &plan->problem;
  if (plan->reserve == NULL) {
    return heed__fail(HEED_ARGUMENT, "the plan is not prepared for backward calls");
  }
  HEED__TRY(heed__check_inputs(problem, inputs));
  HEED__TRY(check_gradients(problem, inputs, gradients));
  problem->in = *inputs;
  if (problem->in.value == NULL) problem->in.value = problem->in.key;
  heed__backward back = backward_of(plan, inputs, gradients);
  memset(plan->reserve->a_sums, 0,
         (size_t)(plan->reserve->groups * 2 * problem->key_stride) * sizeof(double));
  if (problem->spec.kernel == HEED_KERNEL_REFERENCE) {
    reference_pass(plan, &back, 0);
    reference_pass(plan, &back, 1);
    reference_edges(plan, &back);
    sum_groups(plan, &back.to);
    return HEED_OK;
  }
  heed__edges_before_backward(plan, &back);
  if (in_tiles(problem)) {
    backward_dense(plan, &back);
  } else {
    backward_sparse(plan, &back);
  }
  if (heed__edges_after_backward(plan, &back)) {
    if (back.to.query != NULL || back.to.a_query != NULL) node_gradients(plan, &back, false);
    if (back.to.key != NULL || back.to.a_key != NULL) node_gradients(plan, &back, true);
  }
  sum_groups(plan, &back.to);
  return HEED_OK;
}
