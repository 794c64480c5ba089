/* Fitting: what is kept, when it stops, what it must not do. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "train/problem.h"
#include "train/train_test.h"
#include "train/trainer.h"

enum { MOST_EPOCHS = 400 };

typedef struct history {
  heed_epoch epochs[MOST_EPOCHS];
  int n;
  int stop_at; /* 0: never */
} history;

static bool record(void *context, const heed_epoch *epoch) {
  history *h = context;
  h->epochs[h->n++] = *epoch;
  return h->n != h->stop_at;
}

static problem karate;

static void open_karate(void) { problem_open(&karate, "karate"); }
static void end_karate(void) { problem_end(&karate); }

static heed_fit_spec quick_fit(int epochs) {
  heed_fit_spec fit = heed_fit_spec_default();
  fit.epochs = epochs;
  fit.patience = 0;
  fit.optimizer.rate = 0.01F;
  return fit;
}

/* Fits a model of that spec to a problem; the model is the caller's unless NULL is given. */
static heed_run fit_one(const problem *p, const heed_model_spec *spec, const heed_fit_spec *fit,
                        history *h, heed_model **model) {
  heed_model *own;
  heed_trainer *trainer;
  heed_run run;
  ok(heed_model_build(&own, spec, 1));
  ok(heed_trainer_new(&trainer, own, &p->task, fit, 1));
  h->n = 0;
  ok(heed_fit(trainer, record, h, &run));
  heed_trainer_free(trainer);
  if (model != NULL) {
    *model = own;
  } else {
    heed_model_free(own);
  }
  return run;
}

static history seen;

START_TEST(every_kind_learns_its_graph) {
  problem blocks;
  problem_open(&blocks, "sbm:n=150,blocks=3,in=0.25,out=0.02");
  for (int kind = HEED_MODEL_GAT; kind <= HEED_MODEL_TRANSFORMER; kind++) {
    heed_model_spec spec = problem_model(&karate, (heed_model_kind)kind);
    heed_fit_spec fit = quick_fit(150);
    fit.optimizer.weight_decay = 5e-4F;
    fit.watch = HEED_WATCH_LOSS;
    heed_run run = fit_one(&karate, &spec, &fit, &seen, NULL);
    ck_assert_int_eq(seen.n, 150);
    ck_assert_double_lt(seen.epochs[149].train_loss, 0.5 * seen.epochs[0].train_loss);
    ck_assert_msg(run.test >= 0.8, "%s: %g of karate", heed_model_kind_name(spec.kind), run.test);
    spec = problem_model(&blocks, (heed_model_kind)kind);
    spec.hidden = 16;
    run = fit_one(&blocks, &spec, &fit, &seen, NULL);
    ck_assert_msg(run.test >= 0.9, "%s: %g of blocks", heed_model_kind_name(spec.kind), run.test);
  }
  problem_end(&blocks);
}
END_TEST

/* What is kept and when it stops, told from the history by the rules' own words. */
static void check_rule(heed_watch watch, heed_metric metric, int patience, float rate) {
  heed_model_spec spec = problem_model(&karate, HEED_MODEL_GAT);
  heed_fit_spec fit = quick_fit(300);
  fit.watch = watch;
  fit.metric = metric;
  fit.patience = patience;
  fit.optimizer.rate = rate;
  heed_run run = fit_one(&karate, &spec, &fit, &seen, NULL);
  double most = -1e300, least = 1e300, kept = 1e300;
  int since = 0, best = 0, n = 0;
  for (; n < 300 && (patience == 0 || since < patience); n++) {
    ck_assert_int_lt(n, seen.n);
    const heed_epoch *e = &seen.epochs[n];
    bool good = e->val >= most, low = e->val_loss <= least, keep;
    if (watch == HEED_WATCH_METRIC) {
      keep = e->val > most || (good && e->val_loss < kept);
      since = e->val > most ? 0 : since + 1;
    } else if (watch == HEED_WATCH_LOSS) {
      keep = e->val_loss < least;
    } else {
      keep = good && low;
    }
    if (watch != HEED_WATCH_METRIC) {
      since = keep || (watch == HEED_WATCH_BOTH && (good || low)) ? 0 : since + 1;
    }
    if (keep) kept = e->val_loss;
    if (keep) best = n + 1;
    ck_assert_int_eq(e->best, keep);
    ck_assert_int_eq(e->epoch, n + 1);
    ck_assert_int_eq(e->epochs, 300);
    most = fmax(most, e->val);
    least = fmin(least, e->val_loss);
  }
  ck_assert_int_eq(seen.n, n);
  ck_assert_int_eq(run.epochs, n);
  ck_assert_int_eq(run.best_epoch, best);
  ck_assert_double_eq(run.val, seen.epochs[best - 1].val);
  ck_assert_double_eq(run.val_loss, seen.epochs[best - 1].val_loss);
  ck_assert(!run.stopped);
  if (patience > 0) ck_assert_int_lt(n, 300);
}

START_TEST(watch_keeps_and_stops_by_its_rule) {
  check_rule(HEED_WATCH_METRIC, HEED_METRIC_ACCURACY, 12, 0.05F);
  check_rule(HEED_WATCH_LOSS, HEED_METRIC_ACCURACY, 12, 0.05F);
  check_rule(HEED_WATCH_BOTH, HEED_METRIC_ACCURACY, 7, 0.5F);
  check_rule(HEED_WATCH_BOTH, HEED_METRIC_ROC_AUC, 3, 0.5F);
  check_rule(HEED_WATCH_METRIC, HEED_METRIC_MCC, 0, 0.05F);
}
END_TEST

START_TEST(smaller_errors_are_better) {
  float values[34];
  for (int i = 0; i < 34; i++) values[i] = (float)karate.targets.labels[i] * 3 - 1;
  problem regression = karate;
  regression.task.targets = (heed_targets){NULL, values};
  heed_model_spec spec = problem_model(&karate, HEED_MODEL_GATV2);
  spec.outputs = 1;
  heed_fit_spec fit = quick_fit(100);
  fit.loss = HEED_LOSS_SQUARED;
  fit.metric = HEED_METRIC_RMSE;
  heed_run run = fit_one(&regression, &spec, &fit, &seen, NULL);
  double least = 1e300;
  int best = 0;
  for (int i = 0; i < seen.n; i++) {
    if (seen.epochs[i].val < least) best = i + 1;
    least = fmin(least, seen.epochs[i].val);
  }
  ck_assert_int_eq(run.best_epoch, best);
  ck_assert_double_lt(run.test, 1.2); /* 1.5 for whoever says 0.5 */
}
END_TEST

/* The model comes back with the best epoch's parameters and state, not the last one's. */
START_TEST(finish_gives_the_best_epoch) {
  heed_model_spec spec = problem_model(&karate, HEED_MODEL_TRANSFORMER);
  spec.norm = HEED_NORM_BATCH;
  heed_fit_spec fit = quick_fit(60);
  fit.optimizer.rate = 0.05F;
  fit.watch = HEED_WATCH_LOSS;
  heed_model *model;
  heed_run run = fit_one(&karate, &spec, &fit, &seen, &model);
  ck_assert_int_lt(run.best_epoch, 60); /* else this shows nothing */
  heed_pass *pass;
  heed_matrix output;
  double loss, val, test;
  ok(heed_pass_new(&pass, model, &karate.inputs, false));
  ok(heed_pass_forward(pass, HEED_MODE_EVALUATE, 0, 0, &output));
  ok(heed_loss_compute(fit.loss, &output, &karate.targets, karate.validation[0], NULL, &loss));
  ok(heed_metric_compute(fit.metric, &output, &karate.targets, karate.validation[0], &val));
  ok(heed_metric_compute(fit.metric, &output, &karate.targets, karate.test[0], &test));
  /* Sums of a row go in another order where all rows are computed. */
  ck_assert_double_eq_tol(loss, run.val_loss, 1e-5 * loss);
  ck_assert_double_eq(val, run.val);
  ck_assert_double_eq(test, run.test);
  heed_pass_free(pass);
  heed_model_free(model);
}
END_TEST

START_TEST(rates_follow_the_schedule) {
  heed_model_spec spec = problem_model(&karate, HEED_MODEL_MLP);
  heed_fit_spec fit = quick_fit(40);
  fit.optimizer.schedule = HEED_SCHEDULE_COSINE;
  fit.optimizer.warmup = 5;
  (void)fit_one(&karate, &spec, &fit, &seen, NULL);
  for (int i = 0; i < 40; i++) {
    ck_assert(seen.epochs[i].rate == (double)heed_schedule_rate(&fit.optimizer, i, 40));
  }
  fit = quick_fit(200);
  fit.optimizer.schedule = HEED_SCHEDULE_PLATEAU;
  fit.optimizer.rate = 0.05F;
  fit.optimizer.factor = 0.25F;
  fit.optimizer.schedule_patience = 4;
  (void)fit_one(&karate, &spec, &fit, &seen, NULL);
  float rate = 0.05F;
  double least = 1e300;
  int since = 0, drops = 0;
  for (int i = 0; i < 200; i++) {
    ck_assert(seen.epochs[i].rate == (double)rate);
    since = seen.epochs[i].val_loss < least ? 0 : since + 1;
    least = fmin(least, seen.epochs[i].val_loss);
    if (since == 4) {
      rate *= 0.25F;
      since = 0;
      drops++;
    }
  }
  ck_assert_int_gt(drops, 1);
}
END_TEST

START_TEST(epochs_allocate_nothing) {
  const heed_metric metrics[] = {HEED_METRIC_ACCURACY, HEED_METRIC_MACRO_F1, HEED_METRIC_ROC_AUC};
  for (int i = 0; i < 3; i++) {
    heed_model_spec spec = problem_model(&karate, (heed_model_kind)(HEED_MODEL_GAT + i));
    spec.norm = HEED_NORM_BATCH;
    heed_fit_spec fit = quick_fit(20);
    fit.metric = metrics[i];
    fit.optimizer.clip = 1;
    heed_model *model;
    heed_trainer *trainer;
    heed_epoch epoch;
    heed_run run;
    bool done = false;
    ok(heed_model_build(&model, &spec, 1));
    ok(heed_trainer_new(&trainer, model, &karate.task, &fit, 1));
    size_t held = heed_memory_held();
    ok(heed_trainer_epoch(trainer, &epoch, &done));
    ck_assert_uint_eq(heed_memory_held(), held);
    heed__alloc_fail_after(0);
    while (!done) ok(heed_trainer_epoch(trainer, &epoch, &done));
    heed__alloc_fail_after(-1);
    ok(heed_trainer_finish(trainer, &run));
    ck_assert_int_eq(run.epochs, 20);
    fails(heed_trainer_epoch(trainer, &epoch, &done), HEED_ARGUMENT, "epoch 21");
    heed_trainer_free(trainer);
    heed_model_free(model);
  }
}
END_TEST

static bool same_but_for_time(const heed_epoch *a, const heed_epoch *b) {
  return a->epoch == b->epoch && a->train_loss == b->train_loss && a->val_loss == b->val_loss &&
         a->val == b->val && a->rate == b->rate && a->best == b->best;
}

/* Large enough for the kernels to use several. */
START_TEST(fits_do_not_depend_on_threads) {
  static history one;
  problem blocks;
  problem_open(&blocks, "sbm:n=1500,blocks=3,in=0.02,out=0.002,features=64");
  heed_model_spec spec = problem_model(&blocks, HEED_MODEL_TRANSFORMER);
  spec.hidden = 32;
  memcpy(spec.blocks, "MS", sizeof "MS");
  heed_fit_spec fit = quick_fit(4);
  heed_model *first, *second;
  ok(heed_set_threads(1));
  (void)fit_one(&blocks, &spec, &fit, &one, &first);
  ok(heed_set_threads(3));
  (void)fit_one(&blocks, &spec, &fit, &seen, &second);
  ck_assert_int_eq(one.n, seen.n);
  for (int i = 0; i < one.n; i++) {
    ck_assert(same_but_for_time(&one.epochs[i], &seen.epochs[i]));
  }
  ck_assert_mem_eq(heed_model_parameters(first), heed_model_parameters(second),
                   (size_t)heed_model_parameter_count(first) * sizeof(float));
  heed_model_free(first);
  heed_model_free(second);
  problem_end(&blocks);
}
END_TEST

START_TEST(watcher_stops_it) {
  heed_model_spec spec = problem_model(&karate, HEED_MODEL_GAT);
  heed_fit_spec fit = quick_fit(100);
  seen.stop_at = 7;
  heed_run run = fit_one(&karate, &spec, &fit, &seen, NULL);
  seen.stop_at = 0;
  ck_assert(run.stopped);
  ck_assert_int_eq(run.epochs, 7);
  ck_assert_int_eq(seen.n, 7);
  ck_assert(!isnan(run.test));
  problem untested = karate;
  untested.task.test = NULL;
  fit = quick_fit(2);
  run = fit_one(&untested, &spec, &fit, &seen, NULL);
  ck_assert(isnan(run.test));
}
END_TEST

START_TEST(failures_name_the_epoch) {
  heed_model_spec spec = problem_model(&karate, HEED_MODEL_MLP);
  spec.dropout = 0;
  heed_fit_spec fit = quick_fit(50);
  fit.optimizer.rate = 1e38F;
  heed_model *model;
  heed_trainer *trainer;
  heed_run run;
  ok(heed_model_build(&model, &spec, 1));
  ok(heed_trainer_new(&trainer, model, &karate.task, &fit, 1));
  fails(heed_fit(trainer, NULL, NULL, &run), HEED_VALUE, "epoch 1, validation: cross-entropy");
  fails(heed_trainer_finish(trainer, &run), HEED_ARGUMENT, "no epoch");
  heed_trainer_free(trainer);
  const uint8_t none[34] = {0};
  heed_task task = karate.task;
  fit = quick_fit(50);
  task.train = none;
  fails(heed_trainer_new(&trainer, model, &task, &fit, 1), HEED_ARGUMENT, "training: none of 34");
  heed_model_free(model);
}
END_TEST

START_TEST(trainer_refuses_what_makes_no_sense) {
  heed_model_spec spec = problem_model(&karate, HEED_MODEL_GAT);
  heed_model *model;
  heed_trainer *trainer;
  ok(heed_model_build(&model, &spec, 1));
  heed_fit_spec good = quick_fit(10), fit = good;
  fit.loss = (heed_loss)4;
  fails(heed_trainer_new(&trainer, model, &karate.task, &fit, 1), HEED_ARGUMENT, "loss 4");
  fit = good;
  fit.metric = (heed_metric)7;
  fails(heed_trainer_new(&trainer, model, &karate.task, &fit, 1), HEED_ARGUMENT, "metric 7");
  fit = good;
  fit.watch = (heed_watch)3;
  fails(heed_trainer_new(&trainer, model, &karate.task, &fit, 1), HEED_ARGUMENT, "watch 3");
  fit = good;
  fit.epochs = 0;
  fails(heed_trainer_new(&trainer, model, &karate.task, &fit, 1), HEED_ARGUMENT, "0 epochs");
  fit = good;
  fit.patience = -1;
  fails(heed_trainer_new(&trainer, model, &karate.task, &fit, 1), HEED_ARGUMENT, "patience -1");
  fit = good;
  fit.optimizer.rate = -1;
  fails(heed_trainer_new(&trainer, model, &karate.task, &fit, 1), HEED_ARGUMENT, "rate");
  heed_task task = karate.task;
  task.validation = NULL;
  fails(heed_trainer_new(&trainer, model, &task, &good, 1), HEED_ARGUMENT, "validation");
  size_t held = heed_memory_held();
  long n = 0;
  for (;; n++) {
    heed__alloc_fail_after(n);
    heed_status status = heed_trainer_new(&trainer, model, &karate.task, &good, 1);
    heed__alloc_fail_after(-1);
    if (status == HEED_OK) break;
    ck_assert_int_eq(status, HEED_NOMEM);
    ck_assert_uint_eq(heed_memory_held(), held);
  }
  ck_assert_int_gt(n, 8);
  heed_trainer_free(trainer);
  heed_trainer_free(NULL);
  ck_assert_uint_eq(heed_memory_held(), held);
  heed_model_free(model);
}
END_TEST

TCase *fit_tests(void) {
  TCase *tests = tcase_create("fit");
  tcase_set_timeout(tests, 120);
  tcase_add_checked_fixture(tests, open_karate, end_karate);
  tcase_add_test(tests, every_kind_learns_its_graph);
  tcase_add_test(tests, watch_keeps_and_stops_by_its_rule);
  tcase_add_test(tests, smaller_errors_are_better);
  tcase_add_test(tests, finish_gives_the_best_epoch);
  tcase_add_test(tests, rates_follow_the_schedule);
  tcase_add_test(tests, epochs_allocate_nothing);
  tcase_add_test(tests, fits_do_not_depend_on_threads);
  tcase_add_test(tests, watcher_stops_it);
  tcase_add_test(tests, failures_name_the_epoch);
  tcase_add_test(tests, trainer_refuses_what_makes_no_sense);
  return tests;
}
