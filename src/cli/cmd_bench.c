/* heed bench: attention by the clock, against what this machine could do at most. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench.h"
#include "cli/learn.h"

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
     "float or bfloat16: how keys and values are kept, the latter forward by the sparse kernel "
     "(default float)", 0},
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
static void parse_list(struct argp_state *state, const char *text, bench_list *into,
                       int (*read)(struct argp_state *state, const char *part)) {
  char part[32];
  into->n = 0;
  for (const char *at = text;; at++) {
    size_t n = strcspn(at, ",");
    if (n >= sizeof part) argp_error(state, "'%.*s' is no part of a list", (int)n, at);
    snprintf(part, sizeof part, "%.*s", (int)n, at);
    if (into->n == BENCH_MOST_LISTED) argp_error(state, "a list has at most %d parts", BENCH_MOST_LISTED);
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
    if (input->n_graphs == BENCH_MOST_GRAPHS) {
      argp_error(state, "--graph takes at most %d graphs", BENCH_MOST_GRAPHS);
    }
    input->graphs[input->n_graphs] = strndup(at, (size_t)(end - at));
    if (input->graphs[input->n_graphs++] == NULL) {
      argp_failure(state, CLI_FAILED, 0, "out of memory for --graph");
    }
    at = end;
    if (*at == '\0') return;
  }
}

static bench_curve parse_curve(struct argp_state *state, const char *text) {
  for (int kind = BENCH_CURVE_NODES; kind < BENCH_CURVES; kind++) {
    if (strcmp(text, bench_curve_name((bench_curve)kind)) == 0) return (bench_curve)kind;
  }
  argp_error(state, "--curve takes nodes, degree, size, heads or density, not '%s'", text);
  return BENCH_CURVE_NONE;
}

bool bench_has(const bench_list *numbers, int number) {
  for (int i = 0; i < numbers->n; i++) {
    if (numbers->at[i] == number) return true;
  }
  return false;
}

static void check_storage(struct argp_state *state, const bench_input *input) {
  const char *name = heed_storage_name(HEED_STORAGE_BFLOAT16);
  if (!bench_has(&input->storages, HEED_STORAGE_BFLOAT16)) return;
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
  if (input->curve == BENCH_CURVE_DENSITY) {
    argp_error(state, "--storage %s has no place beside --curve density", name);
  }
}

static void check_usage(struct argp_state *state, const bench_input *input) {
  check_storage(state, input);
  bool shaped = input->scores.n || input->passes.n || input->kernels.n ||
                input->storages.n || input->heads.n ||
                input->sizes.n || input->n_graphs;
  if (input->machine && (shaped || input->curve != BENCH_CURVE_NONE || input->limits.repeat)) {
    argp_error(state, "--machine takes --threads, --budget, --json and --figure alone");
  }
  if (input->curve == BENCH_CURVE_NONE) {
    if (input->most_pairs != 0) argp_error(state, "--most-pairs has no place without --curve");
    return;
  }
  if (input->n_graphs) argp_error(state, "--graph has no place beside --curve");
  if (input->curve == BENCH_CURVE_SIZE && input->sizes.n) {
    argp_error(state, "--size has no place beside --curve size");
  }
  if (input->curve == BENCH_CURVE_HEADS && input->heads.n) {
    argp_error(state, "--heads has no place beside --curve heads");
  }
  if (input->curve == BENCH_CURVE_DENSITY && input->kernels.n) {
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

static void fill_list(bench_list *into, int n, const int *numbers) {
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
  bool density = input->curve == BENCH_CURVE_DENSITY;
  fill_list(&input->scores, input->curve == BENCH_CURVE_NONE ? 4 : density ? 1 : 2, scores);
  fill_list(&input->passes, bench_has(&input->storages, HEED_STORAGE_BFLOAT16) ? 1 : 2, passes);
  if (density) {
    fill_list(&input->kernels, 2, both);
  } else {
    fill_list(&input->kernels, 1, input->curve == BENCH_CURVE_NONE ? automatic : sparse);
  }
  fill_list(&input->storages, 1, floats);
  fill_list(&input->heads, 1, eight);
  fill_list(&input->sizes, 1, eight);
  fill_list(&input->threads, 1, threads);
  if (!input->budget_given) input->limits.budget = 8;
  input->limits.probe = fmin(0.02, input->limits.budget / 100);
  if (input->most_pairs == 0) input->most_pairs = 1e7;
}

/* --- Lists of cases ------------------------------------------------------------------------ */

int bench_add_cases(const bench_input *input, const bench_graph *graph, double at,
                     bench_case *cases, int n) {
  for (int h = 0; h < input->heads.n; h++)
    for (int d = 0; d < input->sizes.n; d++)
      for (int s = 0; s < input->scores.n; s++)
        for (int p = 0; p < input->passes.n; p++)
          for (int k = 0; k < input->kernels.n; k++)
            for (int b = 0; b < input->storages.n; b++)
              for (int t = 0; t < input->threads.n; t++) {
                if (n >= BENCH_MOST_CASES) return BENCH_MOST_CASES + 1;
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

static int most_of(const bench_list *numbers) {
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
  bench_graph graphs[BENCH_MOST_GRAPHS] = {{0}};
  bool storages = bench_has(&input->storages, HEED_STORAGE_BFLOAT16);
  int n_graphs = input->n_graphs > 0 ? input->n_graphs : DEFAULT_GRAPHS;
  int n = 0, opened = 0, failed = CLI_OK;
  for (; opened < n_graphs && !failed; opened++) {
    const char *name = input->n_graphs > 0 ? input->graphs[opened] : default_graphs[opened];
    failed = bench_graph_open(graphs + opened, name, input->global->seed);
    if (!failed) n = bench_add_cases(input, graphs + opened, 0, cases, n);
    if (n > BENCH_MOST_CASES) failed = cli_fail("more than %d cases", BENCH_MOST_CASES);
  }
  if (!failed) failed = bench_run(cases, n, &input->limits);
  for (int i = 0; i < n && !failed; i++) bench_report_case(report, cases + i, NULL, storages);
  if (!failed && input->figure != NULL) {
    heed_machine machine;
    failed = measure_machine(most_of(&input->threads), input->limits.budget / 8, &machine);
    if (!failed) bench_report_machine(report, &machine);
    if (!failed) failed = bench_draw_roofline(input, &machine, cases, n);
  }
  for (int i = 0; i < opened; i++) bench_graph_free(graphs + i);
  return failed;
}

static int run_machine(bench_input *input, heed_report *report, bool threads_given) {
  if (!threads_given && input->threads.at[0] > 1) {
    input->threads = (bench_list){.n = 2, .at = {1, input->threads.at[0]}};
  }
  int failed = CLI_OK;
  heed_machine machine;
  for (int t = 0; t < input->threads.n && !failed; t++) {
    failed = measure_machine(input->threads.at[t], input->limits.budget / 4, &machine);
    if (!failed) bench_report_machine(report, &machine);
  }
  if (!failed && input->figure != NULL) failed = bench_draw_roofline(input, &machine, NULL, 0);
  return failed;
}

int cmd_bench(cli_global *global, int argc, char **argv) {
  bench_input input = {.global = global};
  if (cli_parse(&argp, argc, argv, &input)) return CLI_FAILED;
  bool threads_given = input.threads.n > 0;
  fill_in(&input);
  heed_report *report = NULL;
  bench_case *cases = calloc(BENCH_MOST_CASES, sizeof *cases);
  int failed = cases == NULL ? cli_fail("out of memory for %d cases", BENCH_MOST_CASES)
                             : cli_check(heed_report_new(&report), NULL);
  if (!failed) {
    failed = input.machine               ? run_machine(&input, report, threads_given)
             : input.curve != BENCH_CURVE_NONE ? bench_run_curve(&input, report, cases)
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
