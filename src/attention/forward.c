/* The forward call: a plan's tasks handed to the kernels. */
#include <math.h>
#include <string.h>

#include "attention/edges.h"
#include "attention/linear.h"
#include "base/status.h"
#include "base/threads.h"

static heed_status check_array(const float *array, bool wanted, const char *name,
                               heed_score score) {
  if ((array != NULL) != wanted) {
    return heed__fail(HEED_ARGUMENT, "score %s %s the array %s", heed_score_name(score),
                      wanted ? "needs" : "does not take", name);
  }
  return HEED_OK;
}

heed_status heed__check_inputs(const heed__problem *problem, const heed_attention_inputs *in) {
  const heed_attention_spec *spec = &problem->spec;
  const heed_mask *mask = problem->mask;
  bool gat = spec->score == HEED_SCORE_GAT;
  bool with_a = spec->score == HEED_SCORE_GATV2 || spec->score == HEED_SCORE_ADDITIVE;
  if (mask->n_queries > 0) HEED__TRY(check_array(in->query, true, "query", spec->score));
  if (mask->n_keys > 0) HEED__TRY(check_array(in->key, true, "key", spec->score));
  HEED__TRY(check_array(in->a_query, gat, "a_query", spec->score));
  HEED__TRY(check_array(in->a_key, gat, "a_key", spec->score));
  HEED__TRY(check_array(in->a, with_a, "a", spec->score));
  if (in->value == NULL && spec->value_dim != spec->key_dim) {
    return heed__fail(HEED_SHAPE, "keys of %d numbers cannot be values of %d", spec->key_dim,
                      spec->value_dim);
  }
  if (in->bias != NULL && in->bias_heads != 1 && in->bias_heads != spec->heads) {
    return heed__fail(HEED_SHAPE, "a bias of %d heads for %d heads", in->bias_heads, spec->heads);
  }
  return heed__edges_check_inputs(problem, in);
}

int heed__threads_for_tasks(const heed_attention *plan, int64_t tasks) {
  int64_t most = heed_threads(); /* read once: another thread may set it */
  if (most > plan->threads) most = plan->threads;
  return heed__threads_worth(&plan->problem.spec, plan->problem.mask, most < tasks ? most : tasks);
}

void heed__node_scores(heed_attention *plan) {
  heed__problem *problem = &plan->problem;
  const struct {
    const float *rows, *a;
    float *scores;
    int64_t n;
  } sides[2] = {
      {problem->in.query, problem->in.a_query, problem->query_scores, problem->mask->n_queries},
      {problem->in.key, problem->in.a_key, problem->key_scores, problem->mask->n_keys},
  };
  enum { ROWS = 256 };
  for (int side = 0; side < 2; side++) {
    int64_t n = sides[side].n, blocks = (n + ROWS - 1) / ROWS;
#pragma omp parallel for schedule(static) num_threads(heed__threads_for_tasks(plan, blocks))
    for (int64_t block = 0; block < blocks; block++) {
      int64_t end = n - block * ROWS < ROWS ? n : (block + 1) * ROWS;
      plan->kernels->node_scores(problem, sides[side].rows, sides[side].a, block * ROWS, end,
                                 sides[side].scores, plan->scratch + heed__thread());
      if (side == 1 && problem->table != NULL) {
        plan->kernels->store_rows(problem, block * ROWS, end); /* while they are in the cache */
      }
    }
  }
}

/* Where a segment leaves its maximum, sum and accumulator; NULL for whole rows. */
static float *part_of(const heed_attention *plan, const heed__task *task) {
  return task->partial < 0 ? NULL : plan->partials + task->partial * plan->partial_floats;
}

/* Brings the segments of a long row together, in their order. The first one's part becomes the
 * row's maximum and sum. */
static void join(const heed_attention *plan, const heed__cut *cut) {
  const heed__problem *problem = &plan->problem;
  int64_t period = problem->period;
  int32_t heads = problem->spec.heads, value_dim = problem->spec.value_dim;
  float *out = problem->to.out + cut->row * problem->value_stride;
  float *part = part_of(plan, plan->division.tasks + cut->first_task);
  for (int32_t h = 0; h < heads; h++) {
    float maximum = part[h];
    for (int64_t t = 1; t < cut->n_tasks; t++) {
      const float *other = part + t * plan->partial_floats;
      if (!(other[h] <= maximum)) maximum = other[h];
    }
    float sum = 0;
    memset(out + (int64_t)h * value_dim, 0, (size_t)value_dim * sizeof *out);
    for (int64_t t = 0; t < cut->n_tasks; t++) {
      const float *other = part + t * plan->partial_floats;
      float factor = expf(other[h] - maximum);
      sum += other[period + h] * factor;
      const float *values = other + 2 * period + (int64_t)h * value_dim;
      for (int32_t d = 0; d < value_dim; d++) out[(int64_t)h * value_dim + d] += factor * values[d];
    }
    float inverse = sum > 0 ? 1 / sum : 0 * sum;
    for (int32_t d = 0; d < value_dim; d++) out[(int64_t)h * value_dim + d] *= inverse;
    if (problem->to.log_sum_exp != NULL) {
      problem->to.log_sum_exp[cut->row * heads + h] = maximum + logf(sum);
    }
    part[h] = maximum;
    part[period + h] = sum;
  }
}

/* The same with another normaliser than softmax: the segments' parts add up. */
static void join_sums(const heed_attention *plan, const heed__cut *cut) {
  const heed__problem *problem = &plan->problem;
  float *out = problem->to.out + cut->row * problem->value_stride;
  const float *values = part_of(plan, plan->division.tasks + cut->first_task) + 2 * problem->period;
  memcpy(out, values, (size_t)problem->value_stride * sizeof *out);
  for (int64_t t = 1; t < cut->n_tasks; t++) {
    values += plan->partial_floats;
    for (int64_t d = 0; d < problem->value_stride; d++) out[d] += values[d];
  }
  if (problem->to.log_sum_exp == NULL) return;
  heed__keep_length(problem, cut->row, heed__length(problem, cut->row));
}

static void forward_sparse(heed_attention *plan) {
  const heed__problem *problem = &plan->problem;
  const heed__division *division = &plan->division;
  int threads = heed__threads_for_tasks(plan, division->n_tasks);
  (void)threads; /* without OpenMP */
  void (*const sparse)(const heed__problem *, const heed__task *, float *, const heed__scratch *) =
      problem->table != NULL       ? plan->kernels->sparse_narrow
      : heed__is_softmax(problem) ? plan->kernels->sparse
                                  : plan->kernels->sparse_weights;
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
  for (int64_t t = 0; t < division->n_tasks; t++) {
    const heed__task *task = division->tasks + t;
    sparse(problem, task, part_of(plan, task), plan->scratch + heed__thread());
  }
  if (division->n_cuts == 0) return;
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
  for (int64_t c = 0; c < division->n_cuts; c++) {
    (heed__is_softmax(problem) ? join : join_sums)(plan, division->cuts + c);
    if (problem->to.steep != NULL) heed__clear_steep(problem, division->cuts[c].row);
  }
  if (problem->to.weights == NULL || !heed__is_softmax(problem)) return;
  for (int64_t c = 0; c < division->n_cuts; c++) {
    const heed__cut *cut = division->cuts + c;
    const float *maximum = part_of(plan, division->tasks + cut->first_task);
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
    for (int64_t t = cut->first_task; t < cut->first_task + cut->n_tasks; t++) {
      const heed__task *task = division->tasks + t;
      plan->kernels->weights(problem, task->first_pair, task->end_pair, maximum,
                             maximum + problem->period);
    }
  }
}

/* Queries of a task: many, for each task copies the keys and values that it sees, but so that there are
 * some tasks for each thread. A row's bits do not depend on the rows beside it. */
static int64_t queries_of_task(int64_t queries, int64_t heads) {
  enum { TASKS_A_THREAD = 4, LEAST_QUERIES = 2 * STRIP_QUERIES };
  int64_t tasks = (queries + TILE_QUERIES - 1) / TILE_QUERIES, most = queries / LEAST_QUERIES;
  int64_t wanted = (TASKS_A_THREAD * heed_threads() + heads - 1) / heads;
  if (wanted > most) wanted = most;
  if (tasks < wanted) tasks = wanted;
  if (tasks == 0) return STRIP_QUERIES;
  int64_t each = (queries + tasks - 1) / tasks;
  return (each + STRIP_QUERIES - 1) / STRIP_QUERIES * STRIP_QUERIES;
}

/* One diagonal, by heads and stretches of queries. */
static void forward_diagonal(heed_attention *plan, const heed__diagonal *diagonal) {
  const heed__problem *problem = &plan->problem;
  int64_t n = diagonal[1].first_row - diagonal->first_row, heads = problem->spec.heads;
  int64_t each = queries_of_task(n, heads), tasks = (n + each - 1) / each;
  /* A head's tasks follow one another, so that its keys and values stay in the cache. */
#pragma omp parallel for schedule(dynamic, 1) \
    num_threads(heed__threads_for_tasks(plan, tasks *heads))
  for (int64_t t = 0; t < tasks * heads; t++) {
    int64_t first = t % tasks * each, end = n - first < each ? n : first + each;
    plan->kernels->dense(problem, diagonal, (int32_t)(t / tasks), diagonal->first_row + first,
                         diagonal->first_row + end, plan->scratch + heed__thread());
  }
}

static void forward_dense(heed_attention *plan) {
  const heed__problem *problem = &plan->problem;
  enum { AT_ONCE = 8 };
  int64_t n = problem->n_diagonals, blocks = n > 1 ? (n + AT_ONCE - 1) / AT_ONCE : 0;
  bool linear = heed__linear_call(plan, NULL);
#pragma omp parallel for schedule(dynamic, 1) num_threads(heed__threads_for_tasks(plan, blocks))
  for (int64_t block = 0; block < blocks; block++) {
    for (int64_t d = block * AT_ONCE; d < n && d < (block + 1) * AT_ONCE; d++) {
      if (!heed__is_small(problem, d)) continue;
      const heed__diagonal *diagonal = problem->diagonals + d;
      if (linear && heed__linear_diagonal(problem, diagonal)) {
        heed__linear_forward(plan, diagonal, true);
        continue;
      }
      for (int32_t head = 0; head < problem->spec.heads; head++) {
        for (int64_t i = diagonal->first_row; i < diagonal[1].first_row; i += TILE_QUERIES) {
          int64_t left = diagonal[1].first_row - i;
          plan->kernels->dense(problem, diagonal, head, i,
                               i + (left < TILE_QUERIES ? left : TILE_QUERIES),
                               plan->scratch + heed__thread());
        }
      }
    }
  }
  for (int64_t d = 0; d < n; d++) {
    if (heed__is_small(problem, d)) continue;
    if (linear && heed__linear_diagonal(problem, problem->diagonals + d)) {
      heed__linear_forward(plan, problem->diagonals + d, false);
    } else {
      forward_diagonal(plan, problem->diagonals + d);
    }
  }
}

static void forward_reference(heed_attention *plan) {
  int64_t n = plan->problem.mask->n_queries;
#pragma omp parallel for schedule(dynamic, 16) num_threads(heed__threads_for_tasks(plan, n))
  for (int64_t i = 0; i < n; i++) {
    heed__reference_rows(&plan->problem, i, i + 1, plan->scratch + heed__thread());
  }
}

heed_status heed_attention_forward(heed_attention *plan, const heed_attention_inputs *inputs,
                                   const heed_attention_outputs *outputs) {
  heed__problem *problem = &plan->problem;
  HEED__TRY(heed__check_inputs(problem, inputs));
  if (problem->mask->n_queries > 0) {
    HEED__TRY(check_array(outputs->out, true, "out", problem->spec.score));
  }
  if (outputs->steep != NULL && (problem->spec.score != HEED_SCORE_GAT || plan->reserve == NULL)) {
    return heed__fail(HEED_ARGUMENT, "steep: only with GAT, and a plan prepared for backward calls");
  }
  problem->in = *inputs;
  problem->to = *outputs;
  if (problem->in.value == NULL) problem->in.value = problem->in.key;
  if (problem->mask->n_queries == 0) return HEED_OK;
  heed_kernel kernel = problem->spec.kernel;
  if (kernel == HEED_KERNEL_REFERENCE) {
    forward_reference(plan);
    return HEED_OK;
  }
  heed__edges_before_forward(plan);
  if (problem->table != NULL) heed__table_fill(plan);
  if (problem->spec.score == HEED_SCORE_GAT) heed__node_scores(plan);
  if (!plan->kernels->leaves_steep(problem)) problem->to.steep = NULL;
  if (kernel == HEED_KERNEL_DENSE) {
    forward_dense(plan);
  } else {
    forward_sparse(plan);
  }
  heed__edges_after_forward(plan);
  return HEED_OK;
}
