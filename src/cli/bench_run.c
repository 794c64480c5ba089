/* Cases by the clock, in turns, and the floor of each. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench.h"

const char *bench_pass_name(bench_pass pass) {
  static const char *const names[] = {"forward", "backward", "both"};
  return names[pass];
}

/* --- Inputs -------------------------------------------------------------------------------- */

/* What a call may read or write. */
typedef enum array {
  QUERY, KEY, VALUE, A, D_OUT, OUT, LOG_SUM_EXP, STEEP, G_QUERY, G_KEY, G_VALUE, G_A, ARRAYS
} array;

/* What the cases of one graph and shape compute from and into; what none of them wants is NULL. */
typedef struct arrays {
  const bench_graph *graph;
  int32_t heads, dim;
  float *at[ARRAYS];
} arrays;

static bool apart_from_keys(heed_score score) {
  return score == HEED_SCORE_DOT || score == HEED_SCORE_ADDITIVE;
}

static bool wanted(const bench_case *c, array which) {
  bool gat = c->score == HEED_SCORE_GAT, backward = c->pass != BENCH_FORWARD;
  switch (which) {
    case QUERY:
    case OUT: return true;
    case KEY: return !gat; /* one set of nodes, as in a layer */
    case VALUE: return apart_from_keys(c->score);
    case A: return c->score != HEED_SCORE_DOT;
    case STEEP: return backward && gat;
    case G_KEY: return backward && !gat;
    case G_VALUE: return backward && apart_from_keys(c->score);
    case G_A: return backward && c->score != HEED_SCORE_DOT;
    default: return backward;
  }
}

static int64_t numbers_of(const arrays *x, array which) {
  const heed_mask *mask = &x->graph->mask;
  int64_t row = (int64_t)x->heads * x->dim, statistics = mask->n_queries * x->heads;
  switch (which) {
    case KEY:
    case VALUE:
    case G_KEY:
    case G_VALUE: return mask->n_keys * row;
    case A:
    case G_A: return 2 * row;
    case LOG_SUM_EXP: return statistics;
    case STEEP: return mask->n_queries * row + statistics;
    default: return mask->n_queries * row;
  }
}

/* Makes what the case wants and none before it did. Written by the threads that will read it; the numbers
 * are small, so that no exponential is at its limits. */
static int add_arrays(arrays *x, const bench_case *c) {
  for (array which = 0; which < ARRAYS; which++) {
    if (x->at[which] != NULL || !wanted(c, which)) continue;
    int64_t n = numbers_of(x, which);
    x->at[which] = cli_floats(n, 1, 1);
    if (x->at[which] == NULL) return CLI_FAILED;
    heed_random_uniform(0, which, x->at[which], n, -0.5f, 0.5f);
  }
  return CLI_OK;
}

static void free_arrays(arrays *x) {
  for (array which = 0; which < ARRAYS; which++) {
    free(x->at[which]);
    x->at[which] = NULL;
  }
}

static heed_attention_inputs inputs_of(const arrays *x, heed_score score) {
  heed_attention_inputs in = {.query = x->at[QUERY], .key = x->at[KEY]};
  if (score == HEED_SCORE_GAT) {
    in.key = x->at[QUERY];
    in.a_query = x->at[A];
    in.a_key = x->at[A] + (int64_t)x->heads * x->dim;
  } else if (score != HEED_SCORE_DOT) {
    in.a = x->at[A];
  }
  if (apart_from_keys(score)) in.value = x->at[VALUE];
  return in;
}

static heed_attention_gradients gradients_of(const arrays *x, heed_score score) {
  heed_attention_gradients to = {.out = x->at[OUT],
                                 .log_sum_exp = x->at[LOG_SUM_EXP],
                                 .d_out = x->at[D_OUT],
                                 .query = x->at[G_QUERY],
                                 .key = x->at[G_KEY]};
  if (score == HEED_SCORE_GAT) {
    to.key = x->at[G_QUERY];
    to.steep = x->at[STEEP];
    to.a_query = x->at[G_A];
    to.a_key = x->at[G_A] + (int64_t)x->heads * x->dim;
  } else if (score != HEED_SCORE_DOT) {
    to.a = x->at[G_A];
  }
  if (apart_from_keys(score)) to.value = x->at[G_VALUE];
  return to;
}

/* --- One case ------------------------------------------------------------------------------ */

typedef struct runner {
  bench_case *c;
  arrays *x;
  heed_attention_spec spec;
  heed_attention *plan;
  heed_work work[2]; /* of the calls that it makes, by heed_call */
  double *seconds; /* [repeats] of a call */
  double once;     /* seconds of a call, roughly */
  int calls;       /* in a row by the clock */
} runner;

static int use_threads(int threads) { return cli_check(heed_set_threads(threads), "--threads"); }

static int forward(const runner *r, bool for_backward) {
  heed_attention_inputs in = inputs_of(r->x, r->c->score);
  heed_attention_outputs out = {.out = r->x->at[OUT]};
  if (for_backward) {
    out.log_sum_exp = r->x->at[LOG_SUM_EXP];
    out.steep = r->c->score == HEED_SCORE_GAT ? r->x->at[STEEP] : NULL;
  }
  return cli_check(heed_attention_forward(r->plan, &in, &out), r->c->graph->name);
}

static int backward(const runner *r) {
  heed_attention_inputs in = inputs_of(r->x, r->c->score);
  heed_attention_gradients to = gradients_of(r->x, r->c->score);
  return cli_check(heed_attention_backward(r->plan, &in, &to), r->c->graph->name);
}

/* What is timed. */
static int call(const runner *r) {
  if (r->c->pass != BENCH_BACKWARD && forward(r, r->c->pass == BENCH_BOTH)) return CLI_FAILED;
  return r->c->pass == BENCH_FORWARD ? CLI_OK : backward(r);
}

static bool makes(const bench_case *c, heed_call which) {
  return c->pass != (which == HEED_CALL_FORWARD ? BENCH_BACKWARD : BENCH_FORWARD);
}

static int count_work(runner *r) {
  heed_attention_inputs in = inputs_of(r->x, r->c->score);
  for (heed_call which = HEED_CALL_FORWARD; which <= HEED_CALL_BACKWARD; which++) {
    if (!makes(r->c, which)) continue;
    heed_status status =
        heed_attention_work(&r->spec, &r->c->graph->mask, &in, which, r->work + which);
    if (cli_check(status, NULL)) return CLI_FAILED;
  }
  return CLI_OK;
}

/* Prepares a case, runs it once and counts its memory and its work. */
static int start(runner *r) {
  bench_case *c = r->c;
  r->spec = heed_attention_spec_default(c->heads, c->dim);
  r->spec.score = c->score;
  r->spec.kernel = c->kernel;
  r->spec.storage = c->storage;
  if (use_threads(c->threads)) return CLI_FAILED;
  if (c->kernel == HEED_KERNEL_AUTO) { /* what it measures, once, is not of the case */
    heed_attention_cost cost;
    if (cli_check(heed_attention_predict(&r->spec, &c->graph->mask, &cost), c->graph->name)) {
      return CLI_FAILED;
    }
    r->spec.kernel = cost.kernel;
  }
  size_t held = heed_memory_held();
  heed_memory_peak_reset();
  heed_status status = heed_attention_new(&r->plan, &r->spec, &c->graph->mask);
  if (status == HEED_OK && c->pass != BENCH_FORWARD) {
    status = heed_attention_prepare_backward(r->plan, NULL, NULL);
  }
  if (cli_check(status, c->graph->name)) return CLI_FAILED;
  if (count_work(r)) return CLI_FAILED;
  if (c->pass == BENCH_BACKWARD && forward(r, true)) return CLI_FAILED;
  if (call(r)) return CLI_FAILED;
  c->extra = (int64_t)(heed_memory_peak() - held);
  c->ran = heed_attention_plan_cost(r->plan).kernel;
  double before = heed_seconds();
  if (call(r)) return CLI_FAILED;
  r->once = heed_seconds() - before;
  const double long_enough = 1e-3;
  r->calls = r->once >= long_enough ? 1 : (int)fmin(1000, long_enough / fmax(r->once, 1e-6)) + 1;
  return CLI_OK;
}

/* A repeat: a call that is not timed where there was none before, then the calls by the clock. */
static int repeat(runner *r, int round) {
  if (use_threads(r->c->threads)) return CLI_FAILED;
  if (r->c->pass == BENCH_BACKWARD) {
    if (forward(r, true)) return CLI_FAILED; /* the outputs were another case's */
  } else if (r->calls > 1 && call(r)) {
    return CLI_FAILED;
  }
  double before = heed_seconds();
  for (int k = 0; k < r->calls; k++) {
    if (call(r)) return CLI_FAILED;
  }
  r->seconds[round] = (heed_seconds() - before) / r->calls;
  return CLI_OK;
}

static void conclude(runner *r, int rounds) {
  cli_sort_times(r->seconds, rounds, &r->c->median);
  r->c->repeats = rounds;
  r->c->least = r->seconds[0];
  r->c->most = r->seconds[rounds - 1];
}

/* --- Floors -------------------------------------------------------------------------------- */

/* Rates that were measured before, for the next case that needs them. */
typedef struct known_rate {
  const bench_graph *graph; /* NULL: of streaming */
  int order;                /* of the mask, or of its transpose */
  int64_t bytes;            /* of a row, or in all */
  int threads;
  double gbytes;
} known_rate;

typedef struct known {
  known_rate *rates;
  int n, room;
  heed_machine *machines; /* arithmetic, by number of threads */
  int n_machines;
  double probe;           /* seconds for one */
  bool again;             /* measure once more and keep the better rate */
} known;

static double *find_rate(known *k, const bench_graph *graph, int order, int64_t bytes, int threads,
                         bool *found) {
  for (int i = 0; i < k->n; i++) {
    known_rate *r = k->rates + i;
    *found = r->graph == graph && r->order == order && r->bytes == bytes && r->threads == threads;
    if (*found) return &r->gbytes;
  }
  *found = false;
  if (k->n == k->room) {
    int room = 2 * k->room + 16;
    known_rate *larger = realloc(k->rates, (size_t)room * sizeof *larger);
    if (larger == NULL) return NULL;
    k->rates = larger;
    k->room = room;
  }
  known_rate *r = k->rates + k->n++;
  *r = (known_rate){.graph = graph, .order = order, .bytes = bytes, .threads = threads};
  return &r->gbytes;
}

static int gather_rate(known *k, const bench_case *c, int order, int64_t row_bytes,
                       double *gbytes) {
  bool found;
  double *known_gbytes = find_rate(k, c->graph, order, row_bytes, c->threads, &found);
  if (known_gbytes == NULL) return cli_fail("out of memory for rates");
  if (!found || k->again) {
    double measured = 0;
    heed_mask transposed = {0};
    const heed_mask *mask = &c->graph->mask;
    heed_status status = HEED_OK;
    if (order == 1) {
      status = heed_mask_transpose(&transposed, mask, NULL);
      mask = &transposed;
    }
    if (status == HEED_OK) status = heed_measure_gather(mask, row_bytes, k->probe, &measured);
    heed_mask_free(&transposed);
    if (cli_check(status, c->graph->name)) return CLI_FAILED;
    *known_gbytes = fmax(*known_gbytes, measured);
  }
  *gbytes = *known_gbytes;
  return CLI_OK;
}

/* Of a table of so many bytes, to the next power of two; beyond all caches they are all alike. */
static int stream_rate(known *k, double bytes, int threads, double *gbytes) {
  enum { LEAST = 1 << 16, MOST = 1 << 28 };
  int64_t size = LEAST;
  while (size < MOST && (double)size < bytes) size *= 2;
  bool found;
  double *known_gbytes = find_rate(k, NULL, 0, size, threads, &found);
  if (known_gbytes == NULL) return cli_fail("out of memory for rates");
  if (!found || k->again) {
    double measured;
    if (cli_check(heed_measure_stream(size, k->probe, &measured), NULL)) return CLI_FAILED;
    *known_gbytes = fmax(*known_gbytes, measured);
  }
  *gbytes = *known_gbytes;
  return CLI_OK;
}

static int arithmetic(known *k, int threads, const heed_machine **machine) {
  int i = 0;
  while (i < k->n_machines && k->machines[i].threads != threads) i++;
  heed_machine measured, *larger;
  bool found = i < k->n_machines;
  if (!found) {
    larger = realloc(k->machines, (size_t)(k->n_machines + 1) * sizeof *larger);
    if (larger == NULL) return cli_fail("out of memory for rates");
    k->machines = larger;
    k->machines[k->n_machines++] = (heed_machine){.threads = threads};
  }
  heed_machine *best = k->machines + i;
  *machine = best;
  if (found && !k->again) return CLI_OK;
  if (cli_check(heed_measure_arithmetic(&measured, 3 * k->probe), NULL)) return CLI_FAILED;
  best->vector_gflops = fmax(best->vector_gflops, measured.vector_gflops);
  best->product_gflops = fmax(best->product_gflops, measured.product_gflops);
  best->exponentials = fmax(best->exponentials, measured.exponentials);
  return CLI_OK;
}

/* Adds the floor of one call to that of the case. */
static int add_floor(known *k, bench_case *c, const heed_work *work) {
  const heed_mask *mask = &c->graph->mask;
  const heed_machine *machine = NULL;
  if (arithmetic(k, c->threads, &machine)) return CLI_FAILED;
  bool products = c->ran == HEED_KERNEL_DENSE && c->score == HEED_SCORE_DOT;
  heed_work_rates rates = {
      .gflops = products ? machine->product_gflops : machine->vector_gflops,
      .exponentials = machine->exponentials,
  };
  double tables = 0;
  for (int order = 0; order < 2; order++) {
    if (work->row_bytes[order] == 0) continue;
    tables += (double)work->row_bytes[order] * (double)(order ? mask->n_queries : mask->n_keys);
    if (gather_rate(k, c, order, work->row_bytes[order], rates.gather_gbytes + order)) {
      return CLI_FAILED;
    }
  }
  if (stream_rate(k, tables + work->streamed_bytes, c->threads, &rates.stream_gbytes)) {
    return CLI_FAILED;
  }
  heed_floor floor = heed_work_floor(work, &rates);
  c->operations += work->operations;
  c->exponentials += work->exponentials;
  c->gathered += work->gathered_bytes[0] + work->gathered_bytes[1];
  c->streamed += work->streamed_bytes;
  c->floor.seconds += floor.seconds;
  c->floor.memory += floor.memory;
  c->floor.arithmetic += floor.arithmetic;
  return CLI_OK;
}

/* A floor above the time is one whose rates were disturbed: they are measured anew. */
static int find_floor(known *k, const runner *r) {
  enum { TRIES = 4 };
  bench_case *c = r->c;
  if (use_threads(c->threads)) return CLI_FAILED;
  for (int try = 0; try < TRIES; try++) {
    k->again = try > 0;
    c->operations = c->exponentials = c->gathered = c->streamed = 0;
    c->floor = (heed_floor){0};
    for (heed_call which = HEED_CALL_FORWARD; which <= HEED_CALL_BACKWARD; which++) {
      if (makes(c, which) && add_floor(k, c, r->work + which)) return CLI_FAILED;
    }
    if (c->floor.seconds <= c->median) break;
  }
  return CLI_OK;
}

/* --- All of them --------------------------------------------------------------------------- */

typedef struct run {
  runner *runners;
  arrays *shared;
  int n_shared;
} run;

static arrays *arrays_for(run *all, const bench_case *c) {
  arrays *x = all->shared, *end = all->shared + all->n_shared;
  while (x < end && (x->graph != c->graph || x->heads != c->heads || x->dim != c->dim)) x++;
  if (x == end) {
    *x = (arrays){.graph = c->graph, .heads = c->heads, .dim = c->dim};
    all->n_shared++;
  }
  return add_arrays(x, c) ? NULL : x;
}

/* What only the calls need: the floors' tables are not to come on top of it. */
static void free_inputs(run *all, int n) {
  for (int i = 0; i < n; i++) {
    heed_attention_free(all->runners[i].plan);
    all->runners[i].plan = NULL;
  }
  for (int i = 0; i < all->n_shared; i++) free_arrays(all->shared + i);
}

static int start_all(run *all, bench_case *cases, int n, const bench_limits *limits, int *rounds) {
  double round = 0;
  for (int i = 0; i < n; i++) {
    runner *r = all->runners + i;
    r->c = cases + i;
    r->x = arrays_for(all, cases + i);
    if (r->x == NULL || start(r)) return CLI_FAILED;
    round += r->once * (r->calls + (r->calls > 1 || cases[i].pass == BENCH_BACKWARD));
  }
  *rounds = limits->repeat;
  if (*rounds == 0) *rounds = (int)fmax(3, fmin(15, limits->budget / fmax(round, 1e-9)));
  for (int i = 0; i < n; i++) {
    all->runners[i].seconds = malloc((size_t)*rounds * sizeof(double));
    if (all->runners[i].seconds == NULL) return cli_fail("out of memory for %d repeats", *rounds);
  }
  return CLI_OK;
}

static int run_all(run *all, bench_case *cases, int n, const bench_limits *limits) {
  int rounds;
  if (start_all(all, cases, n, limits, &rounds)) return CLI_FAILED;
  for (int round = 0; round < rounds; round++) {
    for (int i = 0; i < n; i++) {
      if (repeat(all->runners + i, round)) return CLI_FAILED;
    }
  }
  free_inputs(all, n);
  known k = {.probe = limits->probe};
  int failed = CLI_OK;
  for (int i = 0; i < n && !failed; i++) {
    conclude(all->runners + i, rounds);
    failed = find_floor(&k, all->runners + i);
  }
  free(k.rates);
  free(k.machines);
  return failed;
}

int bench_run(bench_case *cases, int n, const bench_limits *limits) {
  int threads = heed_threads(), failed = CLI_FAILED;
  run all = {.runners = calloc((size_t)n, sizeof *all.runners),
             .shared = calloc((size_t)n, sizeof *all.shared)};
  if (all.runners == NULL || all.shared == NULL) {
    cli_fail("out of memory for %d cases", n);
  } else {
    failed = run_all(&all, cases, n, limits);
  }
  if (all.runners != NULL) free_inputs(&all, n);
  for (int i = 0; i < n && all.runners != NULL; i++) free(all.runners[i].seconds);
  free(all.runners);
  free(all.shared);
  if (use_threads(threads)) return CLI_FAILED;
  return failed;
}
