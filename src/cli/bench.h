/* What the files of `heed bench` share: graphs by name, cases, and what running them came to. */
#ifndef HEED_SRC_CLI_BENCH_H
#define HEED_SRC_CLI_BENCH_H

#include "cli/cli.h"

/* --- Graphs (bench_graph.c) ---------------------------------------------------------------- */

/* A mask by what names it. */
typedef struct bench_graph {
  char *name;
  heed_mask mask;
  cli_inputs held; /* arrays of an archive that the mask stands on */
} bench_graph;

/* Opens what `name` says: an .npz with indptr and indices, which are the mask; one of the recipes
 *   random:n=N,degree=K         every query sees K keys, spread evenly
 *   power:n=N,pairs=E           about E pairs, degrees falling as a power law of exponent 2.5
 *   window:n=N,width=W          query i sees the keys less than W / 2 away, W of them
 *   full:N                      every query sees every key
 * or whatever else heed_data_open() takes, with self-loops added. `graph` may be ended after failure. */
int bench_graph_open(bench_graph *graph, const char *name, uint64_t seed);
void bench_graph_free(bench_graph *graph);

/* --- Cases (bench_run.c) ------------------------------------------------------------------- */

typedef enum bench_pass { BENCH_FORWARD, BENCH_BACKWARD, BENCH_BOTH } bench_pass;

/* "forward", "backward", "both". */
const char *bench_pass_name(bench_pass pass);

/* What is run... */
typedef struct bench_case {
  const bench_graph *graph;
  heed_score score;
  int32_t heads;
  int32_t dim;
  bench_pass pass;
  heed_kernel kernel;
  int threads;
  double at; /* where on a curve */
  /* ...and what it came to. */
  heed_kernel ran; /* the kernel, never AUTO */
  int repeats;
  double median, least, most; /* seconds */
  int64_t extra;              /* most bytes held beyond inputs and outputs */
  double operations, exponentials, gathered, streamed;
  heed_floor floor;
} bench_case;

/* How long and how often. */
typedef struct bench_limits {
  int repeat;     /* rounds; 0: as many as the budget allows, from 3 to 15 */
  double budget;  /* seconds for the rounds */
  double probe;   /* seconds for each rate that a floor needs */
} bench_limits;

/* Runs cases, in turns, a repeat of each a round, and fills them in. Their inputs are all held at
 * once. Leaves heed_threads() as it was. */
int bench_run(bench_case *cases, int n, const bench_limits *limits);

/* --- The command (cmd_bench.c) -------------------------------------------------------------- */

enum { BENCH_MOST_GRAPHS = 32, BENCH_MOST_LISTED = 32, BENCH_MOST_CASES = 4096 };

/* Numbers of an option, separated by commas. */
typedef struct bench_list {
  int n;
  int at[BENCH_MOST_LISTED];
} bench_list;

typedef enum bench_curve {
  BENCH_CURVE_NONE,
  BENCH_CURVE_NODES,
  BENCH_CURVE_DEGREE,
  BENCH_CURVE_SIZE,
  BENCH_CURVE_HEADS,
  BENCH_CURVE_DENSITY,
  BENCH_CURVES
} bench_curve;

typedef struct bench_input {
  cli_global *global;
  bench_list scores, passes, kernels, heads, sizes, threads;
  char *graphs[BENCH_MOST_GRAPHS];
  int n_graphs;
  bench_limits limits;
  double most_pairs;
  bool budget_given;
  bool machine;
  bench_curve curve;
  const char *figure;
} bench_input;

/* Every combination on one graph, into cases[]; returns how many there are then. */
int bench_add_cases(const bench_input *input, const bench_graph *graph, double at,
                    bench_case *cases, int n);

/* --- Reports and figures (bench_report.c) ---------------------------------------------------- */

/* A row of the table; `curve` is what its points are called, NULL without a curve. */
void bench_report_case(heed_report *report, const bench_case *c, const char *curve);
void bench_report_machine(heed_report *report, const heed_machine *machine);

int bench_draw_roofline(const bench_input *input, const heed_machine *machine,
                        const bench_case *cases, int n);
int bench_draw_curve(const bench_input *input, const bench_case *cases, int n);

/* --- Curves (bench_curve.c) ------------------------------------------------------------------ */

/* As --curve takes them, and as a figure calls what grows. */
const char *bench_curve_name(bench_curve curve);
const char *bench_curve_label(bench_curve curve);

int bench_run_curve(bench_input *input, heed_report *report, bench_case *cases);

#endif
