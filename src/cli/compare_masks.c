/* What `heed compare` tells of masks: their weights, and the outputs under each. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/compare.h"

static int64_t block_degree(const heed_mask *block, int64_t i) {
  return block->indptr == NULL ? block->n_keys : block->indptr[i + 1] - block->indptr[i];
}

static int64_t block_start(const heed_mask *block, int64_t i) {
  return block->indptr == NULL ? i * block->n_keys : block->indptr[i];
}

static double row_entropy(const float *weights, int64_t degree, int64_t heads) {
  double sum = 0;
  for (int64_t p = 0; p < degree * heads; p++) {
    if (weights[p] > 0) sum -= (double)weights[p] * logf(weights[p]);
  }
  return sum / (double)heads;
}

/* The weight that `count` heads of query i, from `first` on, give to the keys of `mask`, as a part of what all heads
 * have to give; `weights` is its row under the full mask. */
static double row_share(const heed_mask *mask, int64_t i, const float *weights, int64_t heads,
                        int64_t first, int64_t count) {
  if (mask->indptr == NULL) return (double)count / (double)heads;
  double sum = 0;
  for (int64_t p = mask->indptr[i]; p < mask->indptr[i + 1]; p++) {
    int64_t j = mask->starts != NULL ? mask->starts[i] + p - mask->indptr[i] : mask->indices[p];
    const float *w = weights + j * heads;
    for (int64_t h = first; h < first + count; h++) sum += w[h];
  }
  return sum / (double)heads;
}

/* That of heads which see different masks. */
static double row_shares(const cli_masks *masks, int64_t i, const float *weights, int64_t heads) {
  double sum = 0;
  for (int64_t g = 0, first = 0; g < masks->n; first += masks->heads[g++]) {
    sum += row_share(&masks->at[g], i, weights, heads, first, masks->heads[g]);
  }
  return sum;
}

static void visit_rows(void *context, int64_t first, const heed_mask *block,
                       const float *weights) {
  compare_sums *sums = context;
#ifdef _OPENMP
#pragma omp parallel for schedule(dynamic, 16) num_threads(heed_threads())
#endif
  for (int64_t i = 0; i < block->n_queries; i++) {
    const float *w = weights + block_start(block, i) * sums->heads;
    sums->row_entropy[i] = row_entropy(w, block_degree(block, i), sums->heads);
  }
  for (int64_t i = 0; i < block->n_queries; i++) {
    int64_t degree = block_degree(block, i);
    if (degree > 1) {
      double heads = (double)sums->heads;
      sums->rows += heads;
      sums->entropy += heads * sums->row_entropy[i];
      sums->log_degree += heads * log((double)degree);
      sums->ratio += heads * sums->row_entropy[i] / log((double)degree);
    }
    if (sums->run == NULL) continue;
    const float *w = weights + i * block->n_keys * sums->heads;
    sums->share_edges += row_share(&sums->run->edges, first + i, w, sums->heads, 0, sums->heads);
    for (int m = 0; m < sums->run->options->masks.n; m++) {
      sums->share[m] += row_shares(&sums->run->masks[m], first + i, w, sums->heads);
    }
  }
}

/* Whether the budget allows weights to be computed once, and by which kernel. */
static bool affordable(const compare *run, const heed_attention_cost *cost, heed_kernel *kernel) {
  *kernel = HEED_KERNEL_SPARSE;
  if (cost->sparse_seconds <= run->options->budget) return true;
  *kernel = HEED_KERNEL_DENSE;
  return cost->dense_seconds <= run->options->budget;
}

/* Walks the weights of each group of heads under its mask. Leaves NAN where there is nothing to tell. */
static int sum_weights(const compare *run, const cli_masks *masks, heed_kernel kernel, bool full,
                       compare_sums *sums) {
  int64_t n = run->n_nodes;
  int failed = CLI_OK;
  *sums = (compare_sums){.run = full ? run : NULL};
  sums->row_entropy = malloc(((size_t)n + 1) * sizeof(double));
  if (sums->row_entropy == NULL) return cli_fail("out of memory for %lld rows", (long long)n);
  for (int32_t g = 0, first = 0; g < masks->n && !failed; first += masks->heads[g++]) {
    heed_attention_spec spec = run->spec;
    cli_inputs own;
    failed = cli_inputs_of_heads(&own, &run->inputs.in, &run->spec, n, n, first, masks->heads[g]);
    spec.kernel = kernel;
    sums->heads = spec.heads = masks->heads[g];
    if (!failed) failed = cli_walk_weights(&spec, &masks->at[g], &own.in, visit_rows, sums);
    cli_inputs_free(&own);
  }
  free(sums->row_entropy);
  sums->entropy = sums->rows > 0 ? sums->entropy / sums->rows : NAN;
  sums->log_degree = sums->rows > 0 ? sums->log_degree / sums->rows : NAN;
  sums->ratio = sums->rows > 0 ? sums->ratio / sums->rows : NAN;
  sums->share_edges = full && n > 0 ? sums->share_edges / (double)n : NAN;
  for (int m = 0; m < CLI_MOST_MASKS; m++) {
    sums->share[m] = full && n > 0 ? sums->share[m] / (double)n : NAN;
  }
  return failed;
}

/* Mean cosine of the angle between the outputs of a node; nodes whose output is zero in either
 * do not count. */
static double mean_cosine(const float *x, const float *y, int64_t n, int64_t width) {
  double sum = 0;
  int64_t count = 0;
  for (int64_t i = 0; i < n; i++, x += width, y += width) {
    double xy = 0, xx = 0, yy = 0;
    for (int64_t c = 0; c < width; c++) {
      xy += (double)x[c] * y[c];
      xx += (double)x[c] * x[c];
      yy += (double)y[c] * y[c];
    }
    if (xx == 0 || yy == 0) continue;
    sum += xy / sqrt(xx * yy);
    count++;
  }
  return count ? sum / (double)count : NAN;
}

int compare_walk_full(const compare *run, compare_sums *sums, bool *walked) {
  heed_mask full;
  heed_kernel kernel;
  *walked = affordable(run, &run->full, &kernel);
  *sums = (compare_sums){.entropy = NAN, .log_degree = NAN, .ratio = NAN, .share_edges = NAN};
  for (int m = 0; m < CLI_MOST_MASKS; m++) sums->share[m] = NAN;
  if (!*walked) return CLI_OK;
  if (cli_check(heed_mask_full(&full, run->n_nodes, run->n_nodes), NULL)) return CLI_FAILED;
  cli_masks masks;
  cli_masks_take(&masks, &full, run->spec.heads);
  int failed = sum_weights(run, &masks, kernel, true, sums);
  cli_masks_free(&masks);
  return failed;
}

int compare_mask(compare *run, heed_report *report, int m, const compare_sums *full) {
  const char *name = run->options->masks.at[m].name;
  const cli_masks *masks = &run->masks[m];
  heed_attention_cost cost;
  heed_kernel kernels[CLI_MOST_GROUPS];
  char names[CLI_KERNEL_NAMES];
  compare_sums sums = {.entropy = NAN, .log_degree = NAN, .ratio = NAN};
  double agreement = NAN, n = (double)run->n_nodes;
  heed_kernel kernel;
  bool ran;
  if (cli_masks_predict(masks, &run->spec, &cost, kernels)) return CLI_FAILED;
  if (compare_kernels(run, report, name, masks, &cost, &ran)) return CLI_FAILED;
  if (ran && m == 0) {
    memcpy(run->first, run->out, (size_t)compare_out_size(run) * sizeof(float));
    run->first_there = true;
  }
  if (ran && run->first_there) {
    agreement = mean_cosine(run->first, run->out, run->n_nodes,
                            (int64_t)run->spec.heads * run->spec.value_dim);
  }
  if (masks->n == 1 && heed_mask_is_full(&masks->at[0])) {
    sums = *full;
  } else if (affordable(run, &cost, &kernel)) {
    if (sum_weights(run, masks, kernel, false, &sums)) return CLI_FAILED;
  }
  heed_report *row = heed_report_row(report, "masks", "weights and outputs");
  heed_report_text(row, "mask", "mask", name);
  double pairs = cli_masks_mean_pairs(masks);
  heed_report_integer(row, "pairs", "pairs", cli_masks_pairs(masks));
  heed_report_number(row, "mean_degree", "mean degree", n > 0 ? pairs / n : NAN, 4);
  heed_report_number(row, "entropy", "entropy", sums.entropy, 4);
  heed_report_number(row, "log_degree", "log(degree)", sums.log_degree, 4);
  heed_report_number(row, "entropy_ratio", "ratio", sums.ratio, 4);
  heed_report_number(row, "full_share", "share of full", full->share[m], 4);
  heed_report_number(row, "uniform_share", "if uniform",
                     n > 0 ? pairs / (n * n) : NAN, 4);
  heed_report_number(row, "agreement", "agreement", agreement, 4);
  heed_report_text(row, "auto", "auto", cli_kernel_names(names, sizeof names, kernels, masks->n));
  return CLI_OK;
}

void compare_report_full(heed_report *report, const compare *run, const compare_sums *full,
                         bool walked) {
  double n = (double)run->n_nodes;
  heed_report_number(report, "full_share_on_edges", "full attention's weight on edges",
                     full->share_edges, 4);
  heed_report_number(report, "uniform_share_on_edges", "the same if it were uniform",
                     n > 0 ? (double)run->edges.n_pairs / (n * n) : NAN, 4);
  if (!walked) {
    char note[96];
    snprintf(note, sizeof note, "full attention would take %.3g s, the budget is %.3g s",
             fmin(run->full.sparse_seconds, run->full.dense_seconds), run->options->budget);
    heed_report_text(report, "full_note", "not computed", note);
  }
}
