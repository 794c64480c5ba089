/* bfloat16 storage: the table that a plan rounds keys and values into before pairs gather them. */
#include "attention/plan.h"
#include "base/alloc.h"
#include "base/status.h"

/* Rows of one call into the table; GAT's scores of nodes take as many at a time. */
enum { ROWS = 256 };

bool heed__stores_narrow(const heed_attention_spec *spec, heed_kernel kernel) {
  return spec->storage == HEED_STORAGE_BFLOAT16 && kernel == HEED_KERNEL_SPARSE;
}

/* The table of a call: `shared` says that the keys are the values. */
static void lay_out(heed__problem *problem, bool shared) {
  const heed_attention_spec *spec = &problem->spec;
  int64_t keys = (int64_t)spec->heads * spec->key_dim, values = (int64_t)spec->heads * spec->value_dim;
  bool gat = spec->score == HEED_SCORE_GAT;
  problem->table_value = gat || shared ? 0 : heed__table_part(keys);
  problem->table_row =
      gat ? values : shared ? keys : problem->table_value + heed__table_part(values);
  problem->table_stride = heed__table_stride(problem->table_row);
}

/* Numbers of the largest table there may be, and what vectors read beyond its last row. */
heed_status heed__table_numbers(const heed_attention_spec *spec, const heed_mask *mask,
                                size_t *numbers) {
  heed__problem problem = {.spec = *spec};
  lay_out(&problem, false);
  if (!heed__multiply((size_t)mask->n_keys, (size_t)problem.table_stride, numbers) ||
      *numbers > SIZE_MAX - WIDEST) {
    return heed__fail(HEED_OVERFLOW, "%lld rows of %lld numbers do not fit",
                      (long long)mask->n_keys, (long long)problem.table_stride);
  }
  *numbers += WIDEST;
  return HEED_OK;
}

heed_status heed__table_new(heed_attention *plan) {
  heed__problem *problem = &plan->problem;
  size_t numbers;
  if (!heed__stores_narrow(&problem->spec, problem->spec.kernel)) return HEED_OK;
  HEED__TRY(heed__table_numbers(&problem->spec, problem->mask, &numbers));
  problem->table = heed__alloc(numbers, sizeof *problem->table);
  if (problem->table == NULL) return HEED_NOMEM;
  lay_out(problem, false);
  return HEED_OK;
}

void heed__table_fill(heed_attention *plan) {
  heed__problem *problem = &plan->problem;
  bool alike = problem->spec.key_dim == problem->spec.value_dim;
  lay_out(problem, alike && problem->in.value == problem->in.key);
  if (problem->spec.score == HEED_SCORE_GAT) return; /* heed__node_scores() does it on its way */
  int64_t n = problem->mask->n_keys, blocks = (n + ROWS - 1) / ROWS;
#pragma omp parallel for schedule(static) num_threads(heed__threads_for_tasks(plan, blocks))
  for (int64_t block = 0; block < blocks; block++) {
    int64_t end = n - block * ROWS < ROWS ? n : (block + 1) * ROWS;
    plan->kernels->store_rows(problem, block * ROWS, end);
  }
}
