/* The backward call: two passes, one by queries over the mask and one by keys over its transpose, so
 * that every gradient has one owner. */
#include <string.h>

#include "attention/edges.h"
#include "attention/linear.h"
#include "base/status.h"
#include "base/threads.h"

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
    double *room = reserve->plain + heed__thread() * 2 * heed__largest_dim(&plan->problem.spec);
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
                          plan->reserve->edges + (size_t)head * heed__edge_numbers(&plan->problem.spec));
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

/* Rows that were cut: their segments' sums become gradients. Where put_node() adds to those of the vectors, one thread
 * goes through them in their order. */
static void join_cuts(heed_attention *plan, const heed__backward *back, int pass, int threads) {
  heed__reserve *reserve = plan->reserve;
  const heed__division *division = reserve->divisions + pass;
  int64_t stride = reserve->partial_floats;
  bool joined = pass == 1 && back->joined;
  if (joined) clear_a_sums(plan, plan->scratch);
  (void)threads; /* without OpenMP */
#pragma omp parallel for schedule(dynamic, 1) num_threads(joined ? 1 : threads)
  for (int64_t c = 0; c < division->n_cuts; c++) {
    const heed__cut *cut = division->cuts + c;
    const float *parts = reserve->partials + division->tasks[cut->first_task].partial * stride;
    plan->kernels->backward_join(&plan->problem, back, reserve->sides + pass, cut->row, parts, cut->n_tasks,
                                 stride, plan->scratch + heed__thread());
  }
  if (joined) flush_a_sums(plan, plan->scratch, 2, reserve->a_sums);
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
  if (heed__in_tiles(problem)) {
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
