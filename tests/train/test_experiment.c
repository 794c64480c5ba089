/* Experiments: the same results however they are run, and clean ends. */
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/threads.h"
#include "train/problem.h"
#include "train/train_test.h"
#include "train/trainer.h"

enum { SEEDS = 3, SPLITS = 2, RUNS = SEEDS * SPLITS };

static problem karate;
static heed_model_spec model;
static heed_fit_spec fit;
static const uint64_t seeds[SEEDS] = {4, 0, 77};
static heed_run runs[RUNS];

static void set_up(void) {
  problem_open(&karate, "karate");
  model = problem_model(&karate, HEED_MODEL_GAT);
  fit = heed_fit_spec_default();
  fit.epochs = 25;
  fit.patience = 10;
  fit.optimizer.rate = 0.02F;
}

static void take_down(void) { problem_end(&karate); }

static heed_experiment experiment(void) {
  return (heed_experiment){.model = &model,
                           .fit = &fit,
                           .inputs = karate.inputs,
                           .targets = karate.targets,
                           .seeds = seeds,
                           .n_seeds = SEEDS,
                           .splits = karate.splits + 1,
                           .train = karate.train + 1,
                           .validation = karate.validation + 1,
                           .test = karate.test + 1,
                           .n_splits = SPLITS};
}

/* Calls must not overlap and be in order within a run. */
typedef struct witness {
  atomic_int inside;
  int calls;
  int last[RUNS];
  int stop_at; /* call that says stop; 0: none */
  bool wrong;
} witness;

static bool watch(void *context, const heed_epoch *epoch) {
  witness *w = context;
  if (atomic_fetch_add(&w->inside, 1) != 0) w->wrong = true;
  if (epoch->run < 0 || epoch->run >= RUNS || epoch->runs != RUNS) {
    w->wrong = true;
  } else {
    if (epoch->epoch != ++w->last[epoch->run]) w->wrong = true;
    if (epoch->seed != seeds[epoch->run % SEEDS]) w->wrong = true;
    if (epoch->split != 1 + epoch->run / SEEDS) w->wrong = true;
  }
  if (w->stop_at > 0 && w->calls >= w->stop_at) w->wrong = true; /* called after it said stop */
  bool go = ++w->calls != w->stop_at;
  atomic_fetch_sub(&w->inside, 1);
  return go;
}

static heed_experiment_result run_it(int threads, heed__order order, witness *w, heed_run *into) {
  heed_experiment e = experiment();
  heed_experiment_result result = {.runs = into};
  ok(heed_set_threads(threads));
  ok(heed__experiment_run(&e, watch, w, order, &result));
  ck_assert(!w->wrong);
  return result;
}

START_TEST(results_are_the_same_however_they_are_run) {
  heed_run other[RUNS];
  witness w = {0};
  heed_experiment_result first = run_it(1, HEED__ORDER_IN_TURN, &w, runs);
  ck_assert_int_eq(first.n_runs, RUNS);
  for (int r = 0; r < RUNS; r++) {
    ck_assert_int_eq(runs[r].seed, seeds[r % SEEDS]);
    ck_assert_int_eq(runs[r].split, 1 + r / SEEDS);
    ck_assert_int_eq(w.last[r], runs[r].epochs);
    ck_assert(!runs[r].stopped);
  }
  static const struct {
    int threads;
    heed__order order;
  } ways[] = {{2, HEED__ORDER_IN_TURN},
              {1, HEED__ORDER_TOGETHER},
              {2, HEED__ORDER_TOGETHER},
              {3, HEED__ORDER_TOGETHER},
              {2, HEED__ORDER_AUTO}};
  for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
    w = (witness){0};
    heed_experiment_result next = run_it(ways[i].threads, ways[i].order, &w, other);
    ck_assert_int_eq(next.n_runs, RUNS);
    for (int r = 0; r < RUNS; r++) {
      other[r].seconds = runs[r].seconds;
      ck_assert_int_eq(other[r].seed, runs[r].seed);
      ck_assert_int_eq(other[r].split, runs[r].split);
      ck_assert_int_eq(other[r].best_epoch, runs[r].best_epoch);
      ck_assert_int_eq(other[r].epochs, runs[r].epochs);
      ck_assert(other[r].val == runs[r].val && other[r].val_loss == runs[r].val_loss);
      ck_assert(other[r].test == runs[r].test);
    }
    ck_assert(next.test_mean == first.test_mean && next.test_std == first.test_std);
    ck_assert(next.val_mean == first.val_mean);
    ck_assert_int_eq(next.parameters, first.parameters);
    ck_assert_int_eq(next.best_run, first.best_run);
    ck_assert_mem_eq(heed_model_parameters(next.best), heed_model_parameters(first.best),
                     (size_t)first.parameters * sizeof(float));
    ck_assert_int_gt(next.peak_bytes, 5 * 4 * first.parameters);
    ck_assert_int_eq(next.peak_bytes, first.peak_bytes);
    heed_model_free(next.best);
  }
  heed_model_free(first.best);
}
END_TEST

START_TEST(figures_are_those_of_the_runs) {
  witness w = {0};
  heed_experiment_result result = run_it(2, HEED__ORDER_AUTO, &w, runs);
  double mean = 0, squares = 0, val = 0;
  int best = 0;
  for (int r = 0; r < RUNS; r++) {
    mean += runs[r].test / RUNS;
    val += runs[r].val / RUNS;
    bool better = runs[r].val > runs[best].val ||
                  (runs[r].val == runs[best].val && runs[r].val_loss < runs[best].val_loss);
    if (better) best = r;
    ck_assert_double_gt(runs[r].seconds, 0);
  }
  for (int r = 0; r < RUNS; r++) squares += (runs[r].test - mean) * (runs[r].test - mean);
  ck_assert_double_eq_tol(result.test_mean, mean, 1e-14);
  ck_assert_double_eq_tol(result.val_mean, val, 1e-14);
  ck_assert_double_eq_tol(result.test_std, sqrt(squares / (RUNS - 1)), 1e-14);
  ck_assert_int_eq(result.best_run, best);
  int faster = 0;
  for (int r = 0; r < RUNS; r++) {
    faster += 1e3 * runs[r].seconds / runs[r].epochs < result.ms_per_epoch;
  }
  ck_assert_int_eq(faster, RUNS / 2);
  /* The model is that of the best run: it gives its test. */
  heed_pass *pass;
  heed_matrix output;
  double test;
  ok(heed_pass_new(&pass, result.best, &karate.inputs, false));
  ok(heed_pass_forward(pass, HEED_MODE_EVALUATE, 0, 0, &output));
  ok(heed_metric_compute(fit.metric, &output, &karate.targets, karate.test[1 + best / SEEDS],
                         &test));
  ck_assert_double_eq(test, runs[best].test);
  heed_pass_free(pass);
  heed_model_free(result.best);
}
END_TEST

START_TEST(karate_is_learnt) {
  uint64_t ten[10];
  heed_run all[10];
  for (int i = 0; i < 10; i++) ten[i] = (uint64_t)i;
  heed_experiment e = experiment();
  e.seeds = ten;
  e.n_seeds = 10;
  e.n_splits = 1;
  fit.epochs = 150;
  fit.patience = 0;
  fit.watch = HEED_WATCH_LOSS;
  heed_experiment_result result = {.runs = all};
  ok(heed_experiment_run(&e, NULL, NULL, &result));
  ck_assert_msg(result.test_mean > 0.85, "test %g", result.test_mean);
  heed_model_free(result.best);
}
END_TEST

START_TEST(watcher_stops_all) {
  for (int order = HEED__ORDER_TOGETHER; order <= HEED__ORDER_IN_TURN; order++) {
    for (int stop = 1; stop < 31; stop += 29) { /* a run has at least 11 epochs */
      size_t held = heed_memory_held();
      witness w = {.stop_at = stop};
      heed_experiment_result result = run_it(2, (heed__order)order, &w, runs);
      ck_assert_int_ge(result.n_runs, 1);
      ck_assert_int_lt(result.n_runs, RUNS);
      ck_assert_int_eq(w.calls, stop);
      ck_assert_ptr_nonnull(result.best);
      ck_assert_int_lt(result.best_run, result.n_runs);
      bool stopped = false;
      for (int r = 0; r < result.n_runs; r++) {
        stopped |= runs[r].stopped;
        ck_assert_int_ge(runs[r].best_epoch, 1);
        ck_assert(!isnan(runs[r].test));
      }
      ck_assert(stopped);
      heed_model_free(result.best);
      ck_assert_uint_eq(heed_memory_held(), held);
    }
  }
}
END_TEST

START_TEST(failure_of_one_run_ends_all) {
  static const uint8_t none[34] = {0};
  for (int order = HEED__ORDER_TOGETHER; order <= HEED__ORDER_IN_TURN; order++) {
    const uint8_t *validation[SPLITS] = {karate.validation[1], none};
    heed_experiment e = experiment();
    e.validation = validation;
    heed_experiment_result result = {.runs = runs};
    size_t held = heed_memory_held();
    ok(heed_set_threads(2));
    int threads = heed_threads();
    fails(heed__experiment_run(&e, NULL, NULL, (heed__order)order, &result), HEED_ARGUMENT,
          "epoch 1, validation: cross-entropy: none of 34 rows counts");
    ck_assert_ptr_null(result.best);
    ck_assert_uint_eq(heed_memory_held(), held);
    ck_assert_int_eq(heed_threads(), threads); /* nobody stays alone */
  }
}
END_TEST

START_TEST(memory_that_runs_out_leaves_nothing) {
  fit.epochs = 2;
  for (int order = HEED__ORDER_TOGETHER; order <= HEED__ORDER_IN_TURN; order++) {
    heed_experiment e = experiment();
    heed_experiment_result result = {.runs = runs};
    ok(heed_set_threads(2));
    ok(heed__experiment_run(&e, NULL, NULL, (heed__order)order, &result)); /* warms up */
    heed_model_free(result.best);
    size_t held = heed_memory_held();
    long n = 0;
    for (;; n++) {
      heed__alloc_fail_after(n);
      heed_status status = heed__experiment_run(&e, NULL, NULL, (heed__order)order, &result);
      heed__alloc_fail_after(-1);
      if (status == HEED_OK) break;
      ck_assert_int_eq(status, HEED_NOMEM);
      ck_assert_ptr_nonnull(strstr(heed_message(), "memory"));
      ck_assert_ptr_null(result.best);
      ck_assert_uint_eq(heed_memory_held(), held);
    }
    ck_assert_int_gt(n, 50);
    heed_model_free(result.best);
    ck_assert_uint_eq(heed_memory_held(), held);
  }
}
END_TEST

START_TEST(experiment_goes_on_from_its_checkpoint) {
  const char *path = "test-experiment.safetensors";
  heed_run straight[1], resumed[1];
  heed_experiment e = experiment();
  e.n_seeds = e.n_splits = 1;
  heed_experiment_result first = {.runs = straight}, second = {.runs = resumed};
  ok(heed_experiment_run(&e, NULL, NULL, &first));
  remove(path);
  e.checkpoint = path;
  e.resume = true; /* nothing there yet */
  for (int every = 0; every < 5; every += 4) {
    e.checkpoint_every = every;
    witness w = {.stop_at = 7};
    ok(heed_experiment_run(&e, watch, &w, &second));
    ck_assert_int_eq(resumed[0].epochs, 7);
    ck_assert(resumed[0].stopped);
    heed_model_free(second.best);
    ok(heed_experiment_run(&e, NULL, NULL, &second));
    ck_assert_int_eq(resumed[0].epochs, straight[0].epochs);
    ck_assert_int_eq(resumed[0].best_epoch, straight[0].best_epoch);
    ck_assert(resumed[0].val_loss == straight[0].val_loss && resumed[0].test == straight[0].test);
    ck_assert(!resumed[0].stopped);
    ck_assert_mem_eq(heed_model_parameters(first.best), heed_model_parameters(second.best),
                     (size_t)first.parameters * sizeof(float));
    heed_model_free(second.best);
    remove(path);
  }
  fit.epochs++;
  e.checkpoint_every = 10;
  ok(heed_experiment_run(&e, NULL, NULL, &second));
  heed_model_free(second.best);
  ck_assert_int_eq(access(path, F_OK), 0);
  fit.epochs++;
  fails(heed_experiment_run(&e, NULL, NULL, &second), HEED_ARGUMENT, "epochs 26, this one 27");
  remove(path);
  heed_model_free(first.best);
}
END_TEST

START_TEST(experiment_refuses_what_makes_no_sense) {
  heed_experiment_result result = {.runs = runs};
  heed_experiment e = experiment();
  e.n_seeds = 0;
  fails(heed_experiment_run(&e, NULL, NULL, &result), HEED_ARGUMENT, "0 seeds");
  e = experiment();
  e.checkpoint = "x";
  fails(heed_experiment_run(&e, NULL, NULL, &result), HEED_ARGUMENT, "there are 6");
  e = experiment();
  e.validation = NULL;
  fails(heed_experiment_run(&e, NULL, NULL, &result), HEED_ARGUMENT, "validation");
  e = experiment();
  e.fit = NULL;
  fails(heed_experiment_run(&e, NULL, NULL, &result), HEED_ARGUMENT, "no fit");
  e = experiment();
  model.features++;
  fails(heed_experiment_run(&e, NULL, NULL, &result), HEED_SHAPE, "35");
  model.heads = 3;
  fails(heed_experiment_run(&e, NULL, NULL, &result), HEED_ARGUMENT, "heads 3");
}
END_TEST

START_TEST(who_is_alone_has_one_thread) {
  ok(heed_set_threads(3));
  ck_assert(!heed__alone(true));
  ck_assert_int_eq(heed_threads(), 1);
  ck_assert(heed__alone(false));
#ifdef _OPENMP
  ck_assert_int_eq(heed_threads(), 3);
#endif
}
END_TEST

TCase *experiment_tests(void) {
  TCase *tests = tcase_create("experiment");
  tcase_set_timeout(tests, 240);
  tcase_add_checked_fixture(tests, set_up, take_down);
  tcase_add_test(tests, results_are_the_same_however_they_are_run);
  tcase_add_test(tests, figures_are_those_of_the_runs);
  tcase_add_test(tests, karate_is_learnt);
  tcase_add_test(tests, watcher_stops_all);
  tcase_add_test(tests, failure_of_one_run_ends_all);
  tcase_add_test(tests, memory_that_runs_out_leaves_nothing);
  tcase_add_test(tests, experiment_goes_on_from_its_checkpoint);
  tcase_add_test(tests, experiment_refuses_what_makes_no_sense);
  tcase_add_test(tests, who_is_alone_has_one_thread);
  return tests;
}
