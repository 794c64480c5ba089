/* Runs by the clock, and weights a few rows at a time. */
#include <stdlib.h>

#include "cli/cli.h"

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

void cli_sort_times(double *seconds, int n, double *median) {
  qsort(seconds, (size_t)n, sizeof *seconds, ascending);
  *median = 0.5 * (seconds[(n - 1) / 2] + seconds[n / 2]);
}

int cli_run(cli_times *times, const heed_attention_spec *spec, const cli_masks *masks,
            const heed_attention_inputs *in, const heed_attention_outputs *out, int repeat) {
  *times = (cli_times){0};
  double *seconds = malloc((size_t)repeat * sizeof *seconds);
  if (seconds == NULL) return cli_fail("out of memory for %d repeats", repeat);
  heed_heads *plan = NULL;
  const heed_mask *of[CLI_MOST_GROUPS];
  int failed = CLI_OK;
  for (int g = 0; g < masks->n; g++) of[g] = &masks->at[g];
  if (spec->kernel == HEED_KERNEL_AUTO) {
    /* Before the run: measuring the machine needs memory of its own, once. */
    failed = cli_masks_predict(masks, spec, &times->cost, times->kernels);
  }
  size_t held = heed_memory_held();
  heed_memory_peak_reset();
  if (!failed) failed = cli_check(heed_heads_new(&plan, spec, masks->n, of, masks->heads), NULL);
  if (!failed) failed = cli_check(heed_heads_forward(plan, in, out), NULL);
  for (int r = 0; r < repeat && !failed; r++) {
    double start = heed_seconds();
    failed = cli_check(heed_heads_forward(plan, in, out), NULL);
    seconds[r] = heed_seconds() - start;
  }
  if (!failed) {
    size_t peak = heed_memory_peak();
    times->peak_extra = peak > held ? (int64_t)(peak - held) : 0;
    for (int g = 0; g < masks->n; g++) times->kernels[g] = heed_heads_plan_cost(plan, g).kernel;
    cli_sort_times(seconds, repeat, &times->median);
    times->least = seconds[0];
  }
  heed_heads_free(plan);
  free(seconds);
  return failed;
}

enum { WALK_FLOATS = 1 << 22 };

/* How many rows from `first` on have weights and outputs that fit in a buffer; at least one. */
static int64_t rows_that_fit(const heed_mask *mask, int64_t first, int64_t heads,
                             int64_t value_dim) {
  int64_t rows = 0, floats = 0;
  while (first + rows < mask->n_queries) {
    int64_t degree = mask->n_keys;
    if (mask->indptr != NULL) {
      degree = mask->indptr[first + rows + 1] - mask->indptr[first + rows];
    }
    floats += heads * (degree + value_dim);
    if (rows > 0 && floats > WALK_FLOATS) break;
    rows++;
  }
  return rows;
}

/* Rows [first, first + rows) of a mask; `indptr` [rows + 1] is scratch that the block views. */
static int block_of(heed_mask *block, const heed_mask *mask, int64_t first, int64_t rows,
                            int64_t *indptr) {
  if (mask->indptr == NULL) return cli_check(heed_mask_full(block, rows, mask->n_keys), NULL);
  for (int64_t i = 0; i <= rows; i++) indptr[i] = mask->indptr[first + i] - mask->indptr[first];
  if (mask->starts != NULL) {
    int32_t *counts = malloc(((size_t)rows + 1) * sizeof *counts);
    if (counts == NULL) return cli_fail("out of memory for %lld rows", (long long)rows);
    for (int64_t i = 0; i < rows; i++) counts[i] = (int32_t)(indptr[i + 1] - indptr[i]);
    heed_status status = heed_mask_runs(block, rows, mask->n_keys, mask->starts + first, counts);
    free(counts);
    return cli_check(status, NULL);
  }
  const int32_t *indices = mask->indices + mask->indptr[first];
  return cli_check(heed_mask_view(block, rows, mask->n_keys, indptr, indices), NULL);
}

int cli_walk_weights(const heed_attention_spec *spec, const heed_mask *mask,
                     const heed_attention_inputs *in, cli_visit_rows *visit, void *context) {
  int64_t heads = spec->heads;
  heed_attention_inputs part = *in;
  int64_t *indptr = malloc((size_t)(mask->n_queries + 1) * sizeof *indptr);
  if (indptr == NULL) return cli_fail("out of memory for %lld rows", (long long)mask->n_queries);
  int failed = CLI_OK;
  for (int64_t first = 0; first < mask->n_queries && !failed;) {
    int64_t rows = rows_that_fit(mask, first, heads, spec->value_dim);
    int64_t pair = mask->indptr != NULL ? mask->indptr[first] : first * mask->n_keys;
    heed_mask block;
    failed = block_of(&block, mask, first, rows, indptr);
    if (failed) break;
    float *weights = cli_floats(block.n_pairs, heads, 1);
    float *out = cli_floats(rows, heads, spec->value_dim);
    part.query = in->query + first * heads * spec->key_dim;
    if (in->bias != NULL) part.bias = in->bias + pair * in->bias_heads;
    heed_attention_outputs outputs = {.out = out, .weights = weights};
    failed = weights == NULL || out == NULL;
    if (!failed) failed = cli_check(heed_attend(spec, &block, &part, &outputs), NULL);
    if (!failed) visit(context, first, &block, weights);
    free(weights);
    free(out);
    heed_mask_free(&block);
    first += rows;
  }
  free(indptr);
  return failed;
}
