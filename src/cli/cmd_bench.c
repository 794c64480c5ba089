/* heed bench: attention by the clock, against what this machine could do at most. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench.h"
#include "cli/learn.h"

enum { MOST_GRAPHS = 32, MOST_LISTED = 32, MOST_POINTS = 16, MOST_CASES = 4096 };

/* Numbers of an option, separated by commas. */
typedef struct list {
  int n;
  int at[MOST_LISTED];
} list;

typedef enum curve_kind {
  CURVE_NONE,
  CURVE_NODES,
  CURVE_DEGREE,
  CURVE_SIZE,
  CURVE_HEADS,
  CURVE_DENSITY,
  N_CURVES
} curve_kind;

typedef struct bench_input {
  cli_global *global;
  list scores, passes, kernels, storages, heads, sizes, threads;
  char *graphs[MOST_GRAPHS];
  int n_graphs;
  bench_limits limits;
  double most_pairs;
  bool budget_given;
  bool machine;
  curve_kind curve;
  const char *figure;
} bench_input;

/* --- Options ------------------------------------------------------------------------------- */

enum {
  KEY_SCORE = 0x300,
  KEY_HEADS,
  KEY_SIZE,
  KEY_GRAPH,
  KEY_PASS,
  KEY_KERNEL,
  KEY_STORAGE,
  KEY_REPEAT,
  KEY_BUDGET,
  KEY_MACHINE,
  KEY_CURVE,
  KEY_MOST_PAIRS,
  KEY_FIGURE,
  KEY_THREADS = 't'
};

static const struct argp_option option_table[] = {
    {"graph", KEY_GRAPH, "LIST", 0,
     "Graphs, separated by commas: files, recipes, names, and random:n=N,degree=K, "
     "power:n=N,pairs=E, window:n=N,width=W or full:N (default: one for each level of memory, and a "
     "full mask)", 0},
    {"score", KEY_SCORE, "LIST", 0, "Scores (default dot,gat,gatv2,additive; of curves dot,gat, or dot over density)", 0},
    {"heads", KEY_HEADS, "LIST", 0, "Heads (default 8)", 0},
    {"size", KEY_SIZE, "LIST", 0, "Sizes of a head (default 8)", 0},
    {"pass", KEY_PASS, "LIST", 0,
     "forward, backward or both, one after the other (default forward,both)", 0},
    {"kernel", KEY_KERNEL, "LIST", 0, "auto, sparse, dense or reference (default auto)", 0},
    {"storage", KEY_STORAGE, "LIST", 0,
     "float or bfloat16: how keys and values are kept, the latter forward by the sparse kernel (default "
     "float)", 0},
    {"threads", KEY_THREADS, "LIST", 0, "Threads (default: OMP_NUM_THREADS, else all cores)", 0},
    {"repeat", KEY_REPEAT, "R", 0,
     "Run each case R times, in turns (default: as often as the budget allows, from 3 to 15)", 0},
    {"budget", KEY_BUDGET, "SECONDS", 0, "Time for the repeats of all cases (default 8)", 0},
    {"machine", KEY_MACHINE, NULL, 0, "Measure this machine instead: what bounds attention", 0},
    {"curve", KEY_CURVE, "KIND", 0,
     "Measure cost as work grows instead: nodes, degree, size, heads or density", 0},
    {"most-pairs", KEY_MOST_PAIRS, "E", 0,
     "With --curve: leave out what has more pairs (default 10000000)", 0},
    {"figure", KEY_FIGURE, "FILE", 0,
     "Draw an SVG: the cases under the roofs of the machine, or the curve", 0},
    {0}};

/* Calls `read` with each part of a list; it returns the number, or -1 after argp_error(). */
static void parse_list(struct argp_state *state, const char *text, list *into,
                       int (*read)(struct argp_state *state, const char *part)) {
  char part[32];
  into->n = 0;
  for (const char *at = text;; at++) {
    size_t n = strcspn(at, ",");
    if (n >= sizeof part) argp_error(state, "'%.*s' is no part of a list", (int)n, at);
    snprintf(part, sizeof part, "%.*s", (int)n, at);
    if (into->n == MOST_LISTED) argp_error(state, "a list has at most %d parts", MOST_LISTED);
    int number = read(state, part);
    for (int i = 0; i < into->n; i++) {
      if (into->at[i] == number) argp_error(state, "'%s' is there twice in '%s'", part, text);
    }
    into->at[into->n++] = number;
    at += n;
    if (*at == '\0') return;
  }
}

static int read_score(struct argp_state *state, const char *part) {
  return (int)cli_parse_score(state, part);
}

static int read_kernel(struct argp_state *state, const char *part) {
  return (int)cli_parse_kernel(state, "--kernel", part);
}

static int read_storage(struct argp_state *state, const char *part) {
  return (int)cli_parse_storage(state, part);
}

static int read_pass(struct argp_state *state, const char *part) {
  for (int pass = BENCH_FORWARD; pass <= BENCH_BOTH; pass++) {
    if (strcmp(part, bench_pass_name((bench_pass)pass)) == 0) return pass;
  }
  argp_error(state, "--pass takes forward, backward or both, not '%s'", part);
  return -1;
}

static int read_heads(struct argp_state *state, const char *part) {
  return (int)cli_integer(state, "--heads", part, 1, 4096);
}

static int read_size(struct argp_state *state, const char *part) {
  return (int)cli_integer(state, "--size", part, 1, 4096);
}

static int read_threads(struct argp_state *state, const char *part) {
  return (int)cli_integer(state, "--threads", part, 1, 1024);
}

/* Adds the graphs of a list; recipes have commas of their own: a part like "m=3" goes with the one
 * before it. */
static void parse_graphs(struct argp_state *state, const char *text, bench_input *input) {
  for (const char *at = text;; at++) {
    const char *end = at + strcspn(at, ",");
    while (*end == ',' && strcspn(end + 1, "=") < strcspn(end + 1, ",:/")) {
      end += 1 + strcspn(end + 1, ",");
    }
    if (end == at) argp_error(state, "--graph has an empty part in '%s'", text);
    if (input->n_graphs == MOST_GRAPHS) {
      argp_error(state, "--graph takes at most %d graphs", MOST_GRAPHS);
    }
    input->graphs[input->n_graphs++] = strndup(at, (size_t)(end - at));
    at = end;
    if (*at == '\0') return;
  }
}

static const char *const curve_names[N_CURVES] = {"", "nodes", "degree", "size", "heads", "density"};

static curve_kind parse_curve(struct argp_state *state, const char *text) {
  for (int kind = CURVE_NODES; kind < N_CURVES; kind++) {
    if (strcmp(text, curve_names[kind]) == 0) return (curve_kind)kind;
  }
  argp_error(state, "--curve takes nodes, degree, size, heads or density, not '%s'", text);
  return CURVE_NONE;
}

static bool has(const list *numbers, int number) {
  for (int i = 0; i < numbers->n; i++) {
    if (numbers->at[i] == number) return true;
  }
  return false;
}

static void check_storage(struct argp_state *state, const bench_input *input) {
  const char *name = heed_storage_name(HEED_STORAGE_BFLOAT16);
  if (!has(&input->storages, HEED_STORAGE_BFLOAT16)) return;
  for (int i = 0; i < input->passes.n; i++) {
    if (input->passes.at[i] == BENCH_FORWARD) continue;
    argp_error(state, "--storage %s has no place beside --pass %s", name,
               bench_pass_name((bench_pass)input->passes.at[i]));
  }
  for (int i = 0; i < input->kernels.n; i++) {
    heed_kernel kernel = (heed_kernel)input->kernels.at[i];
    if (kernel == HEED_KERNEL_AUTO || kernel == HEED_KERNEL_SPARSE) continue;
    argp_error(state, "--storage %s has no place beside --kernel %s", name,
               heed_kernel_name(kernel));
  }
  if (input->curve == CURVE_DENSITY) {
    argp_error(state, "--storage %s has no place beside --curve density", name);
  }
}

static void check_usage(struct argp_state *state, const bench_input *input) {
  check_storage(state, input);
  bool shaped = input->scores.n || input->passes.n || input->kernels.n ||
                input->storages.n || input->heads.n ||
                input->sizes.n || input->n_graphs;
  if (input->machine && (shaped || input->curve != CURVE_NONE || input->limits.repeat)) {
    argp_error(state, "--machine takes --threads, --budget, --json and --figure alone");
  }
  if (input->curve == CURVE_NONE) {
    if (input->most_pairs != 0) argp_error(state, "--most-pairs has no place without --curve");
    return;
  }
  if (input->n_graphs) argp_error(state, "--graph has no place beside --curve");
  if (input->curve == CURVE_SIZE && input->sizes.n) {
    argp_error(state, "--size has no place beside --curve size");
  }
  if (input->curve == CURVE_HEADS && input->heads.n) {
    argp_error(state, "--heads has no place beside --curve heads");
  }
  if (input->curve == CURVE_DENSITY && input->kernels.n) {
    argp_error(state, "--kernel has no place beside --curve density, which compares them");
  }
}

static error_t parse(int key, char *text, struct argp_state *state) {
  bench_input *input = state->input;
  switch (key) {
    case ARGP_KEY_INIT:
      state->child_inputs[0] = input->global;
      return 0;
    case KEY_GRAPH:
      parse_graphs(state, text, input);
      return 0;
    case KEY_SCORE:
      parse_list(state, text, &input->scores, read_score);
      return 0;
    case KEY_HEADS:
      parse_list(state, text, &input->heads, read_heads);
      return 0;
    case KEY_SIZE:
      parse_list(state, text, &input->sizes, read_size);
      return 0;
    case KEY_PASS:
      parse_list(state, text, &input->passes, read_pass);
      return 0;
    case KEY_KERNEL:
      parse_list(state, text, &input->kernels, read_kernel);
      return 0;
    case KEY_STORAGE:
      parse_list(state, text, &input->storages, read_storage);
      return 0;
    case KEY_THREADS:
      parse_list(state, text, &input->threads, read_threads);
      return 0;
    case KEY_REPEAT:
      input->limits.repeat = (int)cli_integer(state, "--repeat", text, 1, 100000);
      return 0;
    case KEY_BUDGET:
      input->limits.budget = cli_number(state, "--budget", text);
      if (input->limits.budget < 0) {
        argp_error(state, "--budget takes seconds, 0 or more, not '%s'", text);
      }
      input->budget_given = true;
      return 0;
    case KEY_MACHINE:
      input->machine = true;
      return 0;
    case KEY_CURVE:
      input->curve = parse_curve(state, text);
      return 0;
    case KEY_MOST_PAIRS:
      input->most_pairs = (double)cli_integer(state, "--most-pairs", text, 1, (int64_t)1 << 31);
      return 0;
    case KEY_FIGURE:
      input->figure = text;
      return 0;
    case ARGP_KEY_ARG:
      argp_error(state, "no arguments are taken, and not '%s': graphs go to --graph", text);
      return 0;
    case ARGP_KEY_END:
      check_usage(state, input);
      return 0;
    default:
      return ARGP_ERR_UNKNOWN;
  }
}

/* The global options but --threads, which is a list here. */
static const struct argp_option global_options[] = {
    {"seed", 's', "N", 0, "Seed of all random numbers (default 0)", 0},
    {"json", 'j', "FILE", 0,
     "Write the results as JSON; '-' is standard output, in place of the text", 0},
    {0}};

static error_t parse_global(int key, char *text, struct argp_state *state) {
  return cli_global_argp.parser(key, text, state);
}

static const struct argp global_argp = {.options = global_options, .parser = parse_global};

static const struct argp_child children[] = {{&global_argp, 0, "Global options:", 4}, {0}};

static const struct argp argp = {
    .options = option_table,
    .parser = parse,
    .doc = "Measures attention, every case beside its floor: the least time that this machine's "
           "memory and arithmetic, measured too, allow.",
    .children = children};

static void fill_list(list *into, int n, const int *numbers) {
  if (into->n > 0) return;
  into->n = n;
  memcpy(into->at, numbers, (size_t)n * sizeof *numbers);
}

/* What was not said. */
static void fill_in(bench_input *input) {
  static const int scores[] = {HEED_SCORE_DOT, HEED_SCORE_GAT, HEED_SCORE_GATV2,
                               HEED_SCORE_ADDITIVE};
  static const int passes[] = {BENCH_FORWARD, BENCH_BOTH};
  static const int automatic[] = {HEED_KERNEL_AUTO}, sparse[] = {HEED_KERNEL_SPARSE};
  static const int both[] = {HEED_KERNEL_SPARSE, HEED_KERNEL_DENSE};
  static const int floats[] = {HEED_STORAGE_FLOAT};
  static const int eight[] = {8};
  const int threads[] = {heed_threads()};
  bool density = input->curve == CURVE_DENSITY;
  fill_list(&input->scores, input->curve == CURVE_NONE ? 4 : density ? 1 : 2, scores);
  fill_list(&input->passes, has(&input->storages, HEED_STORAGE_BFLOAT16) ? 1 : 2, passes);
  if (density) {
    fill_list(&input->kernels, 2, both);
  } else {
    fill_list(&input->kernels, 1, input->curve == CURVE_NONE ? automatic : sparse);
  }
  fill_list(&input->storages, 1, floats);
  fill_list(&input->heads, 1, eight);
  fill_list(&input->sizes, 1, eight);
  fill_list(&input->threads, 1, threads);
  if (!input->budget_given) input->limits.budget = 8;
  input->limits.probe = fmin(0.02, input->limits.budget / 100);
  if (input->most_pairs == 0) input->most_pairs = 1e7;
}

/* --- Reports ------------------------------------------------------------------------------- */

static double bytes_of(const bench_case *c) { return c->gathered + c->streamed; }

static double ns_a_pair(const bench_case *c) {
  int64_t pairs = c->graph->mask.n_pairs;
  return pairs > 0 ? 1e9 * c->median / (double)pairs : NAN;
}

static double gflops(const bench_case *c) { return 1e-9 * c->operations / c->median; }

static double intensity(const bench_case *c) { return c->operations / bytes_of(c); }

static void report_case(heed_report *report, const bench_case *c, const char *curve,
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

static void report_machine(heed_report *report, const heed_machine *machine) {
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
  bool drawn;
  heed_figure figure = {.title = title,
                        .x_label = x,
                        .y_label = y,
                        .log_x = true,
                        .log_y = true,
                        .series = d->series,
                        .n_series = d->n};
  return cli_draw(&figure, path, &drawn);
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

static int draw_roofline(const bench_input *input, const heed_machine *machine,
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

static const char *curve_label(curve_kind curve) {
  static const char *const labels[N_CURVES] = {"",      "nodes", "keys a query", "size of a head",
                                               "heads", "density"};
  return labels[curve];
}

static int draw_curve(const bench_input *input, const bench_case *cases, int n) {
  drawing d = {.room = n > 0 ? n : 1};
  int failed = CLI_OK;
  for (int i = 0; i < n && !failed; i++) {
    const bench_case *c = cases + i;
    char label[LABEL], more[LABEL] = "";
    int end = 0;
    if (input->kernels.n > 1) end = snprintf(more, sizeof more, ", %s", heed_kernel_name(c->kernel));
    if (input->storages.n > 1) {
      end += snprintf(more + end, sizeof more - (size_t)end, ", %s", heed_storage_name(c->storage));
    }
    if (input->threads.n > 1) {
      end += snprintf(more + end, sizeof more - (size_t)end, ", %d threads", c->threads);
    }
    if (input->heads.n > 1 && input->curve != CURVE_HEADS) {
      end += snprintf(more + end, sizeof more - (size_t)end, ", %d heads", c->heads);
    }
    if (input->sizes.n > 1 && input->curve != CURVE_SIZE) {
      snprintf(more + end, sizeof more - (size_t)end, ", size %d", c->dim);
    }
    snprintf(label, sizeof label, "%s, %s%.40s", heed_score_name(c->score),
             bench_pass_name(c->pass), more);
    failed = add_point(&d, label, false, c->at, ns_a_pair(c));
  }
  if (!failed) {
    failed = draw(&d, input->figure, "Cost as work grows", curve_label(input->curve), "ns a pair");
  }
  drawing_free(&d);
  return failed;
}

/* --- Lists of cases ------------------------------------------------------------------------ */

/* Every combination on one graph, into cases[]; returns how many there are then. */
static int add_cases(const bench_input *input, const bench_graph *graph, double at,
                     bench_case *cases, int n) {
  for (int h = 0; h < input->heads.n; h++)
    for (int d = 0; d < input->sizes.n; d++)
      for (int s = 0; s < input->scores.n; s++)
        for (int p = 0; p < input->passes.n; p++)
          for (int k = 0; k < input->kernels.n; k++)
            for (int b = 0; b < input->storages.n; b++)
              for (int t = 0; t < input->threads.n; t++) {
                if (n == MOST_CASES) return n + 1;
                cases[n++] = (bench_case){.graph = graph,
                                          .score = (heed_score)input->scores.at[s],
                                          .heads = input->heads.at[h],
                                          .dim = input->sizes.at[d],
                                          .pass = (bench_pass)input->passes.at[p],
                                          .kernel = (heed_kernel)input->kernels.at[k],
                                          .storage = (heed_storage)input->storages.at[b],
                                          .threads = input->threads.at[t],
                                          .at = at};
              }
  return n;
}

static const char *const default_graphs[] = {"random:n=1000,degree=8", "power:n=20000,pairs=400000",
                                             "power:n=200000,pairs=1000000", "full:1024"};
enum { DEFAULT_GRAPHS = sizeof default_graphs / sizeof *default_graphs };

static int most_of(const list *numbers) {
  int most = numbers->at[0];
  for (int i = 1; i < numbers->n; i++) most = numbers->at[i] > most ? numbers->at[i] : most;
  return most;
}

/* The machine as the roofs of a figure want it, with the most threads of the cases. */
static int measure_machine(int threads, double seconds, heed_machine *machine) {
  int before = heed_threads();
  if (cli_check(heed_set_threads(threads), NULL)) return CLI_FAILED;
  int failed = cli_check(heed_machine_measure(machine, seconds), "measuring the machine");
  if (cli_check(heed_set_threads(before), NULL)) return CLI_FAILED;
  return failed;
}

static int run_list(bench_input *input, heed_report *report, bench_case *cases) {
  bench_graph graphs[MOST_GRAPHS] = {{0}};
  bool storages = has(&input->storages, HEED_STORAGE_BFLOAT16);
  int n_graphs = input->n_graphs > 0 ? input->n_graphs : DEFAULT_GRAPHS;
  int n = 0, opened = 0, failed = CLI_OK;
  for (; opened < n_graphs && !failed; opened++) {
    const char *name = input->n_graphs > 0 ? input->graphs[opened] : default_graphs[opened];
    failed = bench_graph_open(graphs + opened, name, input->global->seed);
    if (!failed) n = add_cases(input, graphs + opened, 0, cases, n);
  }
  if (!failed && n > MOST_CASES) failed = cli_fail("more than %d cases", MOST_CASES);
  if (!failed) failed = bench_run(cases, n, &input->limits);
  for (int i = 0; i < n && !failed; i++) report_case(report, cases + i, NULL, storages);
  if (!failed && input->figure != NULL) {
    heed_machine machine;
    failed = measure_machine(most_of(&input->threads), input->limits.budget / 8, &machine);
    if (!failed) report_machine(report, &machine);
    if (!failed) failed = draw_roofline(input, &machine, cases, n);
  }
  for (int i = 0; i < opened; i++) bench_graph_free(graphs + i);
  return failed;
}

static int run_machine(bench_input *input, heed_report *report, bool threads_given) {
  if (!threads_given && input->threads.at[0] > 1) {
    input->threads = (list){.n = 2, .at = {1, input->threads.at[0]}};
  }
  int failed = CLI_OK;
  heed_machine machine;
  for (int t = 0; t < input->threads.n && !failed; t++) {
    failed = measure_machine(input->threads.at[t], input->limits.budget / 4, &machine);
    if (!failed) report_machine(report, &machine);
  }
  if (!failed && input->figure != NULL) failed = draw_roofline(input, &machine, NULL, 0);
  return failed;
}

/* --- Curves -------------------------------------------------------------------------------- */

/* Where each kind of curve is measured; ends at 0. */
static const int points_of[N_CURVES][MOST_POINTS] = {
    [CURVE_NODES] = {1000, 4000, 16000, 64000, 250000, 1000000},
    [CURVE_DEGREE] = {2, 4, 8, 16, 32, 64, 128, 256, 512, 1000},
    [CURVE_SIZE] = {4, 8, 16, 32, 64, 128, 256},
    [CURVE_HEADS] = {1, 2, 3, 4, 6, 8, 12, 16, 32, 64},
    [CURVE_DENSITY] = {4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048},
};
enum { NODES_DEGREE = 4, SHAPE_DEGREE = 16, DEGREE_NODES = 2048, DENSITY_NODES = 2048 };

/* The graph of a point. */
static void name_point(curve_kind curve, int at, char *name, size_t size) {
  int nodes = curve == CURVE_NODES     ? at
              : curve == CURVE_DENSITY ? DENSITY_NODES
                                       : DEGREE_NODES;
  int degree = curve == CURVE_NODES                            ? NODES_DEGREE
               : curve == CURVE_SIZE || curve == CURVE_HEADS ? SHAPE_DEGREE
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

/* What AUTO takes where both kernels have been measured, and what that loses; `a` is the sparse one,
 * `b` the dense one. Returns the loss. */
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
    if (input->curve == CURVE_DENSITY) at /= DENSITY_NODES;
    double pairs = input->curve == CURVE_NODES     ? (double)points[i] * NODES_DEGREE
                   : input->curve == CURVE_DEGREE  ? (double)points[i] * DEGREE_NODES
                   : input->curve == CURVE_DENSITY ? (double)points[i] * DENSITY_NODES
                                                   : (double)SHAPE_DEGREE * DEGREE_NODES;
    if (pairs > input->most_pairs) continue;
    if (input->curve == CURVE_SIZE) input->sizes = (list){.n = 1, .at = {points[i]}};
    if (input->curve == CURVE_HEADS) input->heads = (list){.n = 1, .at = {points[i]}};
    if (bench_graph_open(graphs + i, name, input->global->seed)) return CLI_FAILED;
    int first = *n;
    *n = add_cases(input, graphs + i, at, cases, *n);
    if (*n > MOST_CASES) return cli_fail("more than %d cases", MOST_CASES);
    if (bench_run(cases + first, *n - first, &limits)) return CLI_FAILED;
  }
  return *n > 0 ? CLI_OK : cli_fail("--most-pairs leaves no point of the curve");
}

static int run_curve(bench_input *input, heed_report *report, bench_case *cases) {
  bench_graph graphs[MOST_POINTS] = {{0}};
  bool storages = has(&input->storages, HEED_STORAGE_BFLOAT16);
  int n = 0;
  heed_report_text(report, "curve", "cost over", curve_names[input->curve]);
  int failed = run_points(input, graphs, cases, &n);
  for (int i = 0; i < n && !failed; i++) {
    report_case(report, cases + i, curve_label(input->curve), storages);
  }
  if (!failed && input->curve == CURVE_DENSITY) failed = report_density(report, cases, n);
  if (!failed && input->figure != NULL) failed = draw_curve(input, cases, n);
  for (int i = 0; i < MOST_POINTS; i++) bench_graph_free(graphs + i);
  return failed;
}

int cmd_bench(cli_global *global, int argc, char **argv) {
  bench_input input = {.global = global};
  if (cli_parse(&argp, argc, argv, &input)) return CLI_FAILED;
  bool threads_given = input.threads.n > 0;
  fill_in(&input);
  heed_report *report = NULL;
  bench_case *cases = calloc(MOST_CASES, sizeof *cases);
  int failed = cases == NULL ? cli_fail("out of memory for %d cases", MOST_CASES)
                             : cli_check(heed_report_new(&report), NULL);
  if (!failed) {
    failed = input.machine               ? run_machine(&input, report, threads_given)
             : input.curve != CURVE_NONE ? run_curve(&input, report, cases)
                                         : run_list(&input, report, cases);
  }
  if (!failed) {
    cli_report_machine(report);
    failed = cli_report(report, global, input.figure);
  }
  for (int i = 0; i < input.n_graphs; i++) free(input.graphs[i]);
  free(cases);
  heed_report_free(report);
  return failed;
}
