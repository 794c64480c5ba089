/* heed bench --curve: cost as work grows. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench.h"
#include "cli/learn.h"

enum { MOST_POINTS = 16 };

const char *bench_curve_name(bench_curve curve) {
  static const char *const names[BENCH_CURVES] = {"",     "nodes", "degree",
                                                  "size", "heads", "density"};
  return names[curve];
}

const char *bench_curve_label(bench_curve curve) {
  static const char *const labels[BENCH_CURVES] = {
      "", "nodes", "keys a query", "size of a head", "heads", "density"};
  return labels[curve];
}

/* Where each kind of curve is measured; ends at 0. */
static const int points_of[BENCH_CURVES][MOST_POINTS] = {
    [BENCH_CURVE_NODES] = {1000, 4000, 16000, 64000, 250000, 1000000},
    [BENCH_CURVE_DEGREE] = {2, 4, 8, 16, 32, 64, 128, 256, 512, 1000},
    [BENCH_CURVE_SIZE] = {4, 8, 16, 32, 64, 128, 256},
    [BENCH_CURVE_HEADS] = {1, 2, 3, 4, 6, 8, 12, 16, 32, 64},
    [BENCH_CURVE_DENSITY] = {4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048},
};
enum { NODES_DEGREE = 4, SHAPE_DEGREE = 16, DEGREE_NODES = 2048, DENSITY_NODES = 2048 };

/* The graph of a point. */
static void name_point(bench_curve curve, int at, char *name, size_t size) {
  int nodes = curve == BENCH_CURVE_NODES     ? at
              : curve == BENCH_CURVE_DENSITY ? DENSITY_NODES
                                             : DEGREE_NODES;
  int degree = curve == BENCH_CURVE_NODES                                ? NODES_DEGREE
               : curve == BENCH_CURVE_SIZE || curve == BENCH_CURVE_HEADS ? SHAPE_DEGREE
                                                                         : at;
  if (degree == nodes) {
    snprintf(name, size, "full:%d", nodes);
  } else {
    snprintf(name, size, "random:n=%d,degree=%d", nodes, degree);
  }
}

static bool same_line(const bench_case *a, const bench_case *b) {
  return a->score == b->score && a->heads == b->heads && a->dim == b->dim && a->pass == b->pass &&
         a->threads == b->threads;
}

/* What AUTO takes where both kernels have been measured, and what that loses; `a` is the sparse
 * one, `b` the dense one. Returns the loss. */
static int report_choice(heed_report *report, const bench_case *a, const bench_case *b,
                         double *worst) {
  heed_attention_spec spec = heed_attention_spec_default(a->heads, a->dim);
  heed_attention_cost cost;
  int threads = heed_threads();
  spec.score = a->score;
  if (cli_check(heed_set_threads(a->threads), NULL)) return CLI_FAILED;
  int failed = cli_check(heed_attention_predict(&spec, &a->graph->mask, &cost), a->graph->name);
  if (cli_check(heed_set_threads(threads), NULL) || failed) return CLI_FAILED;
  double taken = cost.kernel == HEED_KERNEL_SPARSE ? a->median : b->median;
  double loss = taken / fmin(a->median, b->median) - 1;
  *worst = fmax(*worst, loss);
  heed_report *row = heed_report_row(report, "auto", "what auto takes");
  heed_report_number(row, "density", "density", a->at, 3);
  heed_report_text(row, "score", "score", heed_score_name(a->score));
  heed_report_integer(row, "heads", "heads", a->heads);
  heed_report_integer(row, "size", "size", a->dim);
  heed_report_text(row, "pass", "pass", bench_pass_name(a->pass));
  heed_report_integer(row, "threads", "threads", a->threads);
  heed_report_number(row, "sparse_ms", "sparse, ms", 1e3 * a->median, 4);
  heed_report_number(row, "dense_ms", "dense, ms", 1e3 * b->median, 4);
  heed_report_text(row, "auto", "auto", heed_kernel_name(cost.kernel));
  heed_report_number(row, "loss_percent", "loses, %", 100 * loss, 2);
  return CLI_OK;
}

/* Where sparse and dense take equally long, between two points on logarithmic axes; NAN if one of
 * them is faster everywhere. `ratio` is sparse over dense at density `at`. */
static double crossing(double at, double ratio, double before, double ratio_before) {
  double step = log(ratio) - log(ratio_before);
  return step == 0 ? at : before * pow(at / before, -log(ratio_before) / step);
}

static void report_crossings(heed_report *report, const bench_case *cases, int n) {
  for (int i = 0; i < n; i++) {
    const bench_case *first = cases + i;
    bool seen = first->kernel != HEED_KERNEL_SPARSE;
    for (int j = 0; j < i; j++) seen |= same_line(cases + j, first);
    if (seen) continue;
    double crossover = NAN, before = 0, ratio_before = 0;
    for (int j = i; j + 1 < n; j++) {
      const bench_case *a = cases + j;
      if (a->kernel != HEED_KERNEL_SPARSE || !same_line(a, first)) continue;
      const bench_case *b = a;
      while (b < cases + n && (b->kernel != HEED_KERNEL_DENSE || !same_line(a, b))) b++;
      if (b == cases + n) break;
      double ratio = a->median / b->median;
      if (before > 0 && ratio_before < 1 && ratio >= 1) {
        crossover = crossing(a->at, ratio, before, ratio_before);
      }
      before = a->at;
      ratio_before = ratio;
    }
    heed_report *row = heed_report_row(report, "crossover", "sparse and dense take as long");
    heed_report_text(row, "score", "score", heed_score_name(first->score));
    heed_report_integer(row, "heads", "heads", first->heads);
    heed_report_integer(row, "size", "size", first->dim);
    heed_report_text(row, "pass", "pass", bench_pass_name(first->pass));
    heed_report_integer(row, "threads", "threads", first->threads);
    heed_report_number(row, "density", "at density", crossover, 3);
  }
}

static int report_density(heed_report *report, const bench_case *cases, int n) {
  double worst = 0;
  for (int i = 0; i < n; i++) {
    if (cases[i].kernel != HEED_KERNEL_SPARSE) continue;
    for (int j = 0; j < n; j++) {
      const bench_case *a = cases + i, *b = cases + j;
      if (b->kernel != HEED_KERNEL_DENSE || b->at != a->at || !same_line(a, b)) continue;
      if (report_choice(report, a, b, &worst)) return CLI_FAILED;
    }
  }
  report_crossings(report, cases, n);
  heed_report_number(report, "worst_loss_percent", "auto loses at most, %", 100 * worst, 2);
  return CLI_OK;
}

/* One point after the other, so that only one graph's arrays are held at a time. */
static int run_points(bench_input *input, bench_graph *graphs, bench_case *cases, int *n) {
  const int *points = points_of[input->curve];
  int n_points = 0;
  while (n_points < MOST_POINTS && points[n_points] != 0) n_points++;
  bench_limits limits = input->limits;
  limits.budget /= n_points;
  for (int i = 0; i < n_points; i++) {
    char name[64];
    double at = points[i];
    name_point(input->curve, points[i], name, sizeof name);
    if (input->curve == BENCH_CURVE_DENSITY) at /= DENSITY_NODES;
    double pairs = input->curve == BENCH_CURVE_NODES     ? (double)points[i] * NODES_DEGREE
                   : input->curve == BENCH_CURVE_DEGREE  ? (double)points[i] * DEGREE_NODES
                   : input->curve == BENCH_CURVE_DENSITY ? (double)points[i] * DENSITY_NODES
                                                         : (double)SHAPE_DEGREE * DEGREE_NODES;
    if (pairs > input->most_pairs) continue;
    if (input->curve == BENCH_CURVE_SIZE) input->sizes = (bench_list){.n = 1, .at = {points[i]}};
    if (input->curve == BENCH_CURVE_HEADS) input->heads = (bench_list){.n = 1, .at = {points[i]}};
    if (bench_graph_open(graphs + i, name, input->global->seed)) return CLI_FAILED;
    int first = *n;
    *n = bench_add_cases(input, graphs + i, at, cases, *n);
    if (*n > BENCH_MOST_CASES) return cli_fail("more than %d cases", BENCH_MOST_CASES);
    if (bench_run(cases + first, *n - first, &limits)) return CLI_FAILED;
  }
  return *n > 0 ? CLI_OK : cli_fail("--most-pairs leaves no point of the curve");
}

int bench_run_curve(bench_input *input, heed_report *report, bench_case *cases) {
  bench_graph graphs[MOST_POINTS] = {{0}};
  int n = 0;
  heed_report_text(report, "curve", "cost over", bench_curve_name(input->curve));
  int failed = run_points(input, graphs, cases, &n);
  for (int i = 0; i < n && !failed; i++) {
    bench_report_case(report, cases + i, bench_curve_label(input->curve));
  }
  if (!failed && input->curve == BENCH_CURVE_DENSITY) failed = report_density(report, cases, n);
  if (!failed && input->figure != NULL) failed = bench_draw_curve(input, cases, n);
  for (int i = 0; i < MOST_POINTS; i++) bench_graph_free(graphs + i);
  return failed;
}
