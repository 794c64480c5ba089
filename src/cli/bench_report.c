/* What `heed bench` says and draws. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench.h"
#include "cli/learn.h"

/* --- Reports ------------------------------------------------------------------------------- */

static double bytes_of(const bench_case *c) { return c->gathered + c->streamed; }

static double ns_a_pair(const bench_case *c) {
  int64_t pairs = c->graph->mask.n_pairs;
  return pairs > 0 ? 1e9 * c->median / (double)pairs : NAN;
}

static double gflops(const bench_case *c) { return 1e-9 * c->operations / c->median; }

static double intensity(const bench_case *c) { return c->operations / bytes_of(c); }

void bench_report_case(heed_report *report, const bench_case *c, const char *curve,
                       bool storages) {
  const heed_mask *mask = &c->graph->mask;
  char text[64];
  heed_report *row = heed_report_row(report, "cases", "cases");
  if (curve != NULL && c->at < 1) heed_report_number(row, "at", curve, c->at, 4);
  if (curve != NULL && c->at >= 1) heed_report_integer(row, "at", curve, (int64_t)c->at);
  heed_report_text(row, "graph", curve == NULL ? "graph" : NULL, c->graph->name);
  heed_report_integer(row, "nodes", NULL, mask->n_queries);
  heed_report_integer(row, "pairs", "pairs", mask->n_pairs);
  heed_report_text(row, "score", "score", heed_score_name(c->score));
  heed_report_integer(row, "heads", "heads", c->heads);
  heed_report_integer(row, "size", "size", c->dim);
  heed_report_text(row, "pass", "pass", bench_pass_name(c->pass));
  heed_report_text(row, "kernel", "kernel", heed_kernel_name(c->ran));
  heed_report_text(row, "asked", NULL, heed_kernel_name(c->kernel));
  heed_report_text(row, "storage", storages ? "storage" : NULL, heed_storage_name(c->storage));
  heed_report_integer(row, "threads", "threads", c->threads);
  heed_report_integer(row, "repeats", NULL, c->repeats);
  heed_report_number(row, "ms", "ms", 1e3 * c->median, 4);
  snprintf(text, sizeof text, "%.3g..%.3g", 1e3 * c->least, 1e3 * c->most);
  heed_report_text(row, "spread", "least..most", text);
  heed_report_seconds(row, "seconds_median", NULL, c->median);
  heed_report_seconds(row, "seconds_min", NULL, c->least);
  heed_report_seconds(row, "seconds_max", NULL, c->most);
  heed_report_number(row, "ns_per_pair", "ns a pair", ns_a_pair(c), 3);
  heed_report_number(row, "gflops", "GFLOP/s", gflops(c), 3);
  heed_report_number(row, "gbytes", "GB/s", 1e-9 * bytes_of(c) / c->median, 3);
  heed_report_number(row, "floor_ms", "floor, ms", 1e3 * c->floor.seconds, 3);
  heed_report_text(row, "bound", "bound by",
                   c->floor.memory >= c->floor.arithmetic ? "memory" : "arithmetic");
  heed_report_number(row, "floor_fraction", "of the floor", c->floor.seconds / c->median, 2);
  heed_report_bytes(row, "peak_extra_bytes", "extra memory", c->extra);
  heed_report_number(row, "operations", NULL, c->operations, 4);
  heed_report_number(row, "exponentials", NULL, c->exponentials, 4);
  heed_report_number(row, "gathered_bytes", NULL, c->gathered, 4);
  heed_report_number(row, "streamed_bytes", NULL, c->streamed, 4);
  heed_report_seconds(row, "floor_memory_seconds", NULL, c->floor.memory);
  heed_report_seconds(row, "floor_arithmetic_seconds", NULL, c->floor.arithmetic);
}

void bench_report_machine(heed_report *report, const heed_machine *machine) {
  heed_report *row = heed_report_row(report, "arithmetic", "arithmetic");
  heed_report_integer(row, "threads", "threads", machine->threads);
  heed_report_number(row, "vector_gflops", "vector units (GFLOP/s)", machine->vector_gflops, 3);
  heed_report_number(row, "product_gflops", "matrix products (GFLOP/s)", machine->product_gflops,
                     3);
  heed_report_number(row, "exponentials", "exponentials (10^9/s)", machine->exponentials, 3);
  for (int level = 0; level < HEED_LEVELS; level++) {
    const heed_bandwidth *bandwidth = machine->levels + level;
    row = heed_report_row(report, "memory", "memory (GB/s)");
    heed_report_integer(row, "threads", "threads", machine->threads);
    heed_report_text(row, "level", "level", heed_level_name((heed_level)level));
    heed_report_bytes(row, "bytes", "table", bandwidth->bytes);
    heed_report_number(row, "stream_gbytes", "streamed", bandwidth->stream_gbytes, 3);
    for (int i = 0; i < HEED_MACHINE_ROWS; i++) {
      char key[48], label[48];
      snprintf(key, sizeof key, "gather_gbytes_%d", heed_machine_row_bytes(i));
      snprintf(label, sizeof label, "rows of %d B", heed_machine_row_bytes(i));
      heed_report_number(row, key, label, bandwidth->gather_gbytes[i], 3);
    }
  }
}

/* --- Figures ------------------------------------------------------------------------------- */

enum { LABEL = 64, MOST_SERIES = 24, ROOF_POINTS = 64 };

/* Series under construction. */
typedef struct drawing {
  heed_series series[MOST_SERIES];
  char labels[MOST_SERIES][LABEL];
  double *numbers[MOST_SERIES]; /* x, then y, of at most `room` points each */
  int n, room;
} drawing;

static void drawing_free(drawing *d) {
  for (int s = 0; s < d->n; s++) free(d->numbers[s]);
}

/* Adds a point to the series of that label; what is beyond MOST_SERIES of them is left out. */
static int add_point(drawing *d, const char *label, bool points, double x, double y) {
  int s = 0;
  while (s < d->n && strcmp(d->labels[s], label) != 0) s++;
  if (s == MOST_SERIES) return CLI_OK;
  heed_series *series = d->series + s;
  if (s == d->n) {
    double *numbers = malloc(2 * (size_t)d->room * sizeof *numbers);
    if (numbers == NULL) return cli_fail("out of memory for a figure");
    snprintf(d->labels[s], LABEL, "%s", label);
    d->numbers[d->n++] = numbers;
    *series = (heed_series){
        .label = d->labels[s], .x = numbers, .y = numbers + d->room, .points = points};
  }
  if (series->n == d->room) return CLI_OK;
  d->numbers[s][series->n] = x;
  d->numbers[s][d->room + series->n++] = y;
  return CLI_OK;
}

static int draw(drawing *d, const char *path, const char *title, const char *x, const char *y) {
  heed_figure figure = {.title = title,
                        .x_label = x,
                        .y_label = y,
                        .log_x = true,
                        .log_y = true,
                        .series = d->series,
                        .n_series = d->n};
  return cli_draw(&figure, path);
}

/* The roofs: at an intensity no more operations than the bytes bring, nor than there are units. */
static int add_roofs(drawing *d, const heed_machine *machine, double low, double high) {
  for (int level = 0; level < HEED_LEVELS; level++) {
    char label[LABEL];
    double gbytes = machine->levels[level].stream_gbytes;
    snprintf(label, sizeof label, "%s, %.3g GB/s", heed_level_name((heed_level)level), gbytes);
    double ridge = machine->vector_gflops / gbytes;
    const double x[] = {low, fmin(fmax(ridge, low), high), high};
    for (int i = 0; i < 3; i++) {
      if (add_point(d, label, false, x[i], fmin(x[i] * gbytes, machine->vector_gflops))) {
        return CLI_FAILED;
      }
    }
  }
  return CLI_OK;
}

int bench_draw_roofline(const bench_input *input, const heed_machine *machine,
                        const bench_case *cases, int n) {
  double low = 0.1, high = 100;
  for (int i = 0; i < n; i++) {
    low = fmin(low, 0.5 * intensity(cases + i));
    high = fmax(high, 2 * intensity(cases + i));
  }
  drawing d = {.room = n + ROOF_POINTS};
  int failed = add_roofs(&d, machine, low, high);
  for (int i = 0; i < n && !failed; i++) {
    char label[LABEL];
    snprintf(label, sizeof label, "%s, %s", heed_score_name(cases[i].score),
             bench_pass_name(cases[i].pass));
    failed = add_point(&d, label, true, intensity(cases + i), gflops(cases + i));
  }
  if (!failed) {
    failed = draw(&d, input->figure, "Attention under the roofs of this machine",
                  "operations a byte", "GFLOP/s");
  }
  drawing_free(&d);
  return failed;
}

int bench_draw_curve(const bench_input *input, const bench_case *cases, int n) {
  drawing d = {.room = n > 0 ? n : 1};
  int failed = CLI_OK;
  for (int i = 0; i < n && !failed; i++) {
    const bench_case *c = cases + i;
    char label[LABEL], more[LABEL] = "";
    int end = 0;
    if (input->kernels.n > 1)
      end = snprintf(more, sizeof more, ", %s", heed_kernel_name(c->kernel));
    if (input->storages.n > 1) {
      end += snprintf(more + end, sizeof more - (size_t)end, ", %s", heed_storage_name(c->storage));
    }
    if (input->threads.n > 1) {
      end += snprintf(more + end, sizeof more - (size_t)end, ", %d threads", c->threads);
    }
    if (input->heads.n > 1 && input->curve != BENCH_CURVE_HEADS) {
      end += snprintf(more + end, sizeof more - (size_t)end, ", %d heads", c->heads);
    }
    if (input->sizes.n > 1 && input->curve != BENCH_CURVE_SIZE) {
      snprintf(more + end, sizeof more - (size_t)end, ", size %d", c->dim);
    }
    snprintf(label, sizeof label, "%s, %s%.40s", heed_score_name(c->score),
             bench_pass_name(c->pass), more);
    failed = add_point(&d, label, false, c->at, ns_a_pair(c));
  }
  if (!failed) {
    failed =
        draw(&d, input->figure, "Cost as work grows", bench_curve_label(input->curve), "ns a pair");
  }
  drawing_free(&d);
  return failed;
}
