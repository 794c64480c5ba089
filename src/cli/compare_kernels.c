/* What `heed compare` tells of kernels: time, memory and how far their results differ. */
#include <math.h>
#include <stdio.h>

#include "cli/compare.h"

enum { SMALL_WORK = 20000000 };

int64_t compare_out_size(const compare *run) {
  return run->n_nodes * run->spec.heads * run->spec.value_dim;
}

/* What a kernel should take a run; NAN where nothing is predicted. */
static double predicted(const heed_attention_cost *cost, heed_kernel kernel) {
  if (kernel == HEED_KERNEL_SPARSE) return cost->sparse_seconds;
  return kernel == HEED_KERNEL_DENSE ? cost->dense_seconds : NAN;
}

/* How many repeats the budget allows beside the warm-up; 0 for none. Where not even two runs fit,
 * `why` says so. */
static int allowed_repeats(const compare *run, double seconds, char *why, size_t size) {
  double budget = run->options->budget;
  why[0] = '\0';
  if (!(seconds * (1.0 + run->options->repeat) > budget)) return run->options->repeat;
  if (seconds * 2 <= budget) return (int)(budget / seconds) - 1;
  snprintf(why, size, "skipped: two runs would take %.3g s, the budget is %.3g s", 2 * seconds,
           budget);
  return 0;
}

static double largest(const float *x, int64_t n) {
  double most = 0;
  for (int64_t i = 0; i < n; i++) most = fmax(most, fabs((double)x[i]));
  return most;
}

static double largest_difference(const float *x, const float *y, int64_t n) {
  double most = 0;
  for (int64_t i = 0; i < n; i++) most = fmax(most, fabs((double)x[i] - (double)y[i]));
  return most;
}

static bool wanted(const compare *run, heed_kernel kernel, const cli_masks *masks) {
  if (kernel != HEED_KERNEL_REFERENCE || run->options->kernels_given) return true;
  double work = (double)cli_masks_weights(masks);
  return work * (run->spec.key_dim + run->spec.value_dim) <= SMALL_WORK;
}

int compare_kernels(compare *run, heed_report *report, const char *name, const cli_masks *masks,
                    const heed_attention_cost *cost, bool *ran) {
  const compare_input *options = run->options;
  heed_kernel baseline = HEED_KERNEL_AUTO;
  const cli_reorder as_it_is = {.order = HEED_ORDER_NONE};
  cli_reorder reorder;
  heed_order asked = masks->n > 1 ? HEED_ORDER_NONE : options->reorder; /* of one mask alone */
  *ran = false;
  if (cli_reorder_make(&reorder, asked, &masks->at[0], cli_row_bytes(&run->spec),
                       1.0 + options->repeat)) {
    return CLI_FAILED;
  }
  for (int k = 0; k < options->n_kernels; k++) {
    heed_attention_spec spec = run->spec;
    heed_attention_outputs outputs = {.out = *ran ? run->other : run->out};
    cli_times times = {.median = NAN, .least = NAN};
    double difference = NAN, relative = NAN;
    char note[96];
    spec.kernel = options->kernels[k];
    if (!wanted(run, spec.kernel, masks)) continue;
    int repeats = allowed_repeats(run, predicted(cost, spec.kernel), note, sizeof note);
    if (repeats > 0) {
      if (cli_run_reordered(&times, spec.kernel == HEED_KERNEL_SPARSE ? &reorder : &as_it_is, &spec,
                            masks, &run->inputs.in, &outputs, repeats)) {
        cli_reorder_free(&reorder);
        return CLI_FAILED;
      }
      if (*ran) {
        double scale = largest(run->out, compare_out_size(run));
        difference = largest_difference(run->out, run->other, compare_out_size(run));
        relative = difference == 0 ? 0 : difference / scale;
      } else {
        baseline = spec.kernel;
        *ran = true;
      }
    }
    heed_report *row = heed_report_row(report, "runs", "kernels");
    heed_report_text(row, "mask", "mask", name);
    heed_report_text(row, "kernel", "kernel", heed_kernel_name(spec.kernel));
    heed_report_integer(row, "pairs", "pairs", cli_masks_pairs(masks));
    heed_report_integer(row, "repeats", "repeats", repeats);
    heed_report_seconds(row, "seconds_median", "time, median", times.median);
    heed_report_seconds(row, "seconds_min", "time, least", times.least);
    if (repeats > 0) {
      heed_report_bytes(row, "peak_extra_bytes", "extra memory", times.peak_extra);
    } else {
      heed_report_number(row, "peak_extra_bytes", "extra memory", NAN, 1);
    }
    heed_report_number(row, "largest_difference", "difference", difference, 2);
    heed_report_number(row, "largest_relative", "relative", relative, 2);
    heed_report_text(row, "difference_from", NULL,
                     *ran && spec.kernel != baseline ? heed_kernel_name(baseline) : "");
    heed_report_text(row, "order", NULL,
                     heed_order_name(spec.kernel == HEED_KERNEL_SPARSE ? reorder.order
                                                                       : HEED_ORDER_NONE));
    heed_report_text(row, "note", "note", note);
  }
  cli_reorder_free(&reorder);
  return CLI_OK;
}
