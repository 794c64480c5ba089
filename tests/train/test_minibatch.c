/* Mini-batches of one graph: neighbours drawn, or whole parts. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TARGET "fit.safetensors"
#include "base/alloc.h"
#include "folder.h"
#include "problem.h"
#include "train/optimizer.h"
#include "train/trainer.h"
#include "train_test.h"

static problem p;

static void set_up(void) {
  problem_open(&p, "sbm:n=300,blocks=3,in=0.08,out=0.004,features=8,noise=2");
}

static void tear_down(void) { problem_end(&p); }

static heed_model *model_of(heed_model_kind kind, float dropout) {
  heed_model_spec spec = problem_model(&p, kind);
  heed_model *model;
  spec.dropout = dropout;
  if (kind != HEED_MODEL_MLP) spec.attention_dropout = dropout;
  ok(heed_model_build(&model, &spec, 3));
  return model;
}

/* 0: drawn neighbours; 1: all neighbours; 2: parts; 3: one number for all layers; 4: training nodes all at once. */
static heed_fit_spec fit_of(int way) {
  heed_fit_spec fit = heed_fit_spec_default();
  fit.epochs = 30;
  fit.optimizer.rate = 0.02F;
  if (way == 2) {
    fit.clusters = 12;
    fit.cluster_batch = 3;
    return fit;
  }
  fit.batch = way == 4 ? 0 : 8;
  fit.fanouts = way == 1 ? 0 : way == 3 ? 1 : 2;
  fit.fanout[0] = 4;
  fit.fanout[1] = way == 4 ? -1 : 3;
  if (way == 4) fit.fanout[0] = -1;
  return fit;
}
enum { WAYS = 5 };

/* With all neighbours and all training nodes in one step, and nothing dropped out, it is training on the whole
 * graph, to the bit. */
START_TEST(one_batch_is_the_whole_graph) {
  for (int kind = HEED_MODEL_MLP; kind <= HEED_MODEL_TRANSFORMER; kind++) {
    heed_model *one = model_of((heed_model_kind)kind, 0), *two = model_of((heed_model_kind)kind, 0);
    heed_fit_spec whole = fit_of(4), batches = fit_of(4);
    whole.fanouts = 0;
    heed_trainer *a, *b;
    ok(heed_trainer_new(&a, one, &p.task, &whole, 7));
    ok(heed_trainer_new(&b, two, &p.task, &batches, 7));
    ck_assert_ptr_null(a->minibatches);
    ck_assert_ptr_nonnull(b->minibatches);
    for (int e = 0; e < 4; e++) {
      heed_epoch x, y;
      bool done;
      ok(heed_trainer_epoch(a, &x, &done));
      ok(heed_trainer_epoch(b, &y, &done));
      ck_assert(x.train_loss == y.train_loss);
      ck_assert_double_le(fabs(x.val_loss - y.val_loss), 1e-5 * x.val_loss);
      ck_assert(x.val == y.val);
    }
    ck_assert(memcmp(heed_model_parameters(one), heed_model_parameters(two),
                     (size_t)heed_model_parameter_count(one) * sizeof(float)) == 0);
    heed_run first, second;
    ok(heed_trainer_finish(a, &first));
    ok(heed_trainer_finish(b, &second));
    ck_assert(first.test == second.test);
    heed_trainer_free(a);
    heed_trainer_free(b);
    heed_model_free(one);
    heed_model_free(two);
  }
}
END_TEST

/* --- Heads with masks of their own ----------------------------------------------------------- */

/* A head over the edges, one over two steps of them; classes and features of their pairs. */
typedef struct heads {
  heed_mask wide;
  const heed_mask *masks[2];
  int32_t *classes;
  float *e;
  heed_matrix edges;
  heed_task task;
  heed_model_spec spec;
} heads;

static void heads_open(heads *h, float dropout) {
  static const int32_t each[] = {1, 1};
  ok(heed_mask_khop(&h->wide, &p.mask, 2));
  int64_t pairs = p.mask.n_pairs + h->wide.n_pairs;
  h->masks[0] = &p.mask;
  h->masks[1] = &h->wide;
  h->classes = malloc((size_t)pairs * sizeof *h->classes);
  h->e = malloc((size_t)pairs * sizeof *h->e);
  for (int64_t k = 0; k < pairs; k++) h->classes[k] = (int32_t)(k * 2654435761 >> 7) & 3;
  heed_random_uniform(1, 1, h->e, pairs, -1, 1);
  h->edges = heed_matrix_view(h->e, pairs, 1);
  h->task = p.task;
  h->task.inputs.mask = NULL;
  h->task.inputs.n_head_masks = 2;
  h->task.inputs.head_masks = h->masks;
  h->task.inputs.mask_heads = each;
  h->task.inputs.pair_classes = h->classes;
  h->task.inputs.edges = &h->edges;
  h->spec = problem_model(&p, HEED_MODEL_TRANSFORMER);
  memcpy(h->spec.blocks, "MM", sizeof "MM");
  h->spec.layers = 2;
  h->spec.dropout = h->spec.attention_dropout = dropout;
  h->spec.pair_classes = 4;
  h->spec.edge_features = 1;
  h->spec.edges = HEED_EDGES_BIAS;
}

static void heads_end(heads *h) {
  heed_mask_free(&h->wide);
  free(h->classes);
  free(h->e);
}

/* All in one step is training on the whole graph; parts and drawn neighbours give the same bits with any number
 * of threads, and learn. */
START_TEST(heads_have_masks_of_their_own) {
  heads h;
  heed_model *one, *two;
  heed_trainer *a, *b;
  heads_open(&h, 0);
  heed_fit_spec whole = fit_of(4), batches = fit_of(4);
  whole.fanouts = 0;
  ok(heed_model_build(&one, &h.spec, 3));
  ok(heed_model_build(&two, &h.spec, 3));
  ok(heed_trainer_new(&a, one, &h.task, &whole, 7));
  ok(heed_trainer_new(&b, two, &h.task, &batches, 7));
  ck_assert_ptr_nonnull(b->minibatches);
  for (int e = 0; e < 4; e++) {
    heed_epoch x, y;
    bool done;
    ok(heed_trainer_epoch(a, &x, &done));
    ok(heed_trainer_epoch(b, &y, &done));
    ck_assert_double_le(fabs(x.train_loss - y.train_loss), 1e-4 * x.train_loss);
    ck_assert_double_le(fabs(x.val_loss - y.val_loss), 1e-4 * x.val_loss);
  }
  heed_trainer_free(a);
  heed_trainer_free(b);
  heed_model_free(one);
  heed_model_free(two);
  for (int way = 0; way < 3; way += 2) {
    heed_fit_spec fit = fit_of(way);
    float *expected = NULL;
    for (int threads = 1; threads <= 3; threads += 2) {
      heed_run run;
      ok(heed_set_threads(threads));
      ok(heed_model_build(&one, &h.spec, 3));
      size_t bytes = (size_t)heed_model_parameter_count(one) * sizeof *expected;
      ok(heed_trainer_new(&a, one, &h.task, &fit, 7));
      ok(heed_fit(a, NULL, NULL, &run));
      ck_assert_msg(run.test > 0.7, "way %d: %g", way, run.test); /* what is known of pairs is noise */
      if (threads == 1) {
        expected = malloc(bytes);
        memcpy(expected, heed_model_parameters(one), bytes);
      } else {
        ck_assert_mem_eq(expected, heed_model_parameters(one), bytes);
      }
      heed_trainer_free(a);
      heed_model_free(one);
    }
    free(expected);
    ok(heed_model_build(&one, &h.spec, 3));
    size_t held = heed_memory_held();
    for (int n = 0;; n++) {
      heed__alloc_fail_after(n);
      heed_status status = heed_trainer_new(&a, one, &h.task, &fit, 7);
      heed__alloc_fail_after(-1);
      if (status == HEED_OK) break;
      ck_assert_int_eq(status, HEED_NOMEM);
      ck_assert_uint_eq(heed_memory_held(), held);
    }
    heed_trainer_free(a);
    ck_assert_uint_eq(heed_memory_held(), held);
    heed_model_free(one);
  }
  ok(heed_set_threads(0));
  heed_fit_spec fit = fit_of(2);
  ok(heed_model_build(&one, &h.spec, 3));
  heed_task wrong = h.task;
  wrong.inputs.mask = &p.mask;
  fails(heed_trainer_new(&a, one, &wrong, &fit, 7), HEED_ARGUMENT, "masks of heads");
  h.masks[1] = NULL;
  fails(heed_trainer_new(&a, one, &h.task, &fit, 7), HEED_ARGUMENT, "group 1 of heads");
  heed_model_free(one);
  heads_end(&h);
}
END_TEST

START_TEST(mini_batches_learn) {
  for (int kind = HEED_MODEL_GAT; kind <= HEED_MODEL_TRANSFORMER; kind++) {
    heed_model *model = model_of((heed_model_kind)kind, 0.1F);
    heed_fit_spec fit = fit_of(_i);
    heed_trainer *trainer;
    heed_run run;
    ok(heed_trainer_new(&trainer, model, &p.task, &fit, 7));
    ok(heed_fit(trainer, NULL, NULL, &run));
    ck_assert_msg(run.test > 0.8, "%s: %g", heed_model_kind_name((heed_model_kind)kind), run.test);
    /* The model that is left, over all nodes by itself. */
    float *output = malloc((size_t)p.inputs.n_nodes * 3 * sizeof *output);
    ck_assert_ptr_nonnull(output);
    double again;
    ok(heed_model_infer(model, &p.inputs, 50, output));
    heed_matrix x = heed_matrix_view(output, p.inputs.n_nodes, 3);
    ok(heed_metric_compute(HEED_METRIC_ACCURACY, &x, &p.targets, p.test[0], &again));
    ck_assert(again == run.test);
    free(output);
    heed_trainer_free(trainer);
    heed_model_free(model);
  }
}
END_TEST

static void epochs(heed_trainer *trainer, int n, heed_epoch *of) {
  bool done;
  for (int e = 0; e < n; e++) ok(heed_trainer_epoch(trainer, of + e, &done));
}

/* The same bits for any number of threads, and when resumed. */
START_TEST(seed_and_epoch_say_everything) {
  heed_fit_spec fit = fit_of(_i);
  heed_epoch straight[6], pieces[6];
  size_t bytes = 0;
  float *expected = NULL;
  static const int threads[] = {1, 3};
  for (int t = 0; t < 2; t++) {
    heed_model *model = model_of(HEED_MODEL_GATV2, 0.3F);
    heed_trainer *trainer;
    ok(heed_set_threads(threads[t]));
    ok(heed_trainer_new(&trainer, model, &p.task, &fit, 7));
    epochs(trainer, 6, t == 0 ? straight : pieces);
    bytes = (size_t)heed_model_parameter_count(model) * sizeof(float);
    if (t == 0) {
      expected = malloc(bytes);
      ck_assert_ptr_nonnull(expected);
      memcpy(expected, heed_model_parameters(model), bytes);
    }
    ck_assert(memcmp(expected, heed_model_parameters(model), bytes) == 0);
    heed_trainer_free(trainer);
    heed_model_free(model);
  }
  ok(heed_set_threads(0));
  heed_model *model = model_of(HEED_MODEL_GATV2, 0.3F);
  heed_trainer *trainer;
  ok(heed_trainer_new(&trainer, model, &p.task, &fit, 7));
  epochs(trainer, 3, pieces);
  make_folder();
  ok(heed_trainer_save(trainer, target));
  heed_trainer_free(trainer);
  heed_model_free(model);
  model = model_of(HEED_MODEL_GATV2, 0.3F);
  ok(heed_trainer_new(&trainer, model, &p.task, &fit, 7));
  ok(heed_trainer_resume(trainer, target));
  epochs(trainer, 3, pieces + 3);
  for (int e = 0; e < 6; e++) {
    ck_assert(straight[e].train_loss == pieces[e].train_loss);
    ck_assert(straight[e].val_loss == pieces[e].val_loss);
  }
  ck_assert(memcmp(expected, heed_model_parameters(model), bytes) == 0);
  heed_trainer_free(trainer);
  /* Another way is another fit. */
  heed_fit_spec other = fit_of((_i + 1) % WAYS);
  ok(heed_trainer_new(&trainer, model, &p.task, &other, 7));
  ck_assert_int_eq(heed_trainer_resume(trainer, target), HEED_ARGUMENT);
  heed_trainer_free(trainer);
  heed_model_free(model);
  remove_folder();
  free(expected);
}
END_TEST

START_TEST(memory_does_not_grow) {
  heed_fit_spec fit = fit_of(_i);
  heed_model *model = model_of(HEED_MODEL_TRANSFORMER, 0.1F);
  heed_trainer *trainer;
  heed_epoch of[6];
  ok(heed_trainer_new(&trainer, model, &p.task, &fit, 7));
  epochs(trainer, 4, of);
  size_t held = heed_memory_held();
  const heed__minibatches *b = trainer->minibatches;
  int64_t bytes = heed__minibatches_bytes(b);
  epochs(trainer, 6, of);
  /* No more than a larger batch has asked for. */
  ck_assert_int_le((int64_t)(heed_memory_held() - held), 2 * (heed__minibatches_bytes(b) - bytes));
  ck_assert_int_le(b->room.n_nodes, p.inputs.n_nodes);
  heed_trainer_free(trainer);
  heed_model_free(model);
}
END_TEST

START_TEST(what_is_refused) {
  heed_model *model = model_of(HEED_MODEL_GAT, 0);
  heed_trainer *trainer;
  heed_fit_spec fit = fit_of(0);
  fit.fanouts = 3;
  fails(heed_trainer_new(&trainer, model, &p.task, &fit, 7), HEED_ARGUMENT, "2 masked layers");
  fit.fanouts = HEED_MAX_HOPS + 1;
  fails(heed_trainer_new(&trainer, model, &p.task, &fit, 7), HEED_RANGE, "17");
  fit = fit_of(0);
  fit.fanout[1] = -7;
  fails(heed_trainer_new(&trainer, model, &p.task, &fit, 7), HEED_RANGE, "fan-out -7 of hop 2");
  fit = fit_of(2);
  fit.cluster_batch = 0;
  fails(heed_trainer_new(&trainer, model, &p.task, &fit, 7), HEED_RANGE, "0 a batch");
  fit = fit_of(2);
  fit.clusters = 301;
  fails(heed_trainer_new(&trainer, model, &p.task, &fit, 7), HEED_RANGE, "301 parts of 300 nodes");
  fit = fit_of(2);
  fit.batch = 3;
  fails(heed_trainer_new(&trainer, model, &p.task, &fit, 7), HEED_ARGUMENT, "also a batch");
  fit = fit_of(0);
  fit.batch = -1;
  fails(heed_trainer_new(&trainer, model, &p.task, &fit, 7), HEED_ARGUMENT, "-1 nodes");
  heed_task task = p.task;
  uint8_t nobody[300] = {0};
  fit = fit_of(0);
  task.train = nobody;
  fails(heed_trainer_new(&trainer, model, &task, &fit, 7), HEED_ARGUMENT, "training: none of 300");
  task = p.task;
  task.validation = nobody;
  fails(heed_trainer_new(&trainer, model, &task, &fit, 7), HEED_ARGUMENT, "validation: none");
  int32_t unknown[300];
  for (int i = 0; i < 300; i++) unknown[i] = -1;
  task = p.task;
  task.targets.labels = unknown;
  fails(heed_trainer_new(&trainer, model, &task, &fit, 7), HEED_ARGUMENT, "known target");
  task = p.task;
  task.test = nobody;
  fails(heed_trainer_new(&trainer, model, &task, &fit, 7), HEED_ARGUMENT, "test: none of 300");
  memcpy(unknown, p.targets.labels, sizeof unknown);
  for (int i = 299; i >= 0; i--) {
    if (p.task.train[i] != 0) unknown[i] = 3;
  }
  char words[80];
  for (int i = 0; i < 300; i++) {
    if (unknown[i] != 3) continue;
    snprintf(words, sizeof words, "labels, node %d: class 3, but the output has 3 columns", i);
    break;
  }
  task = p.task;
  task.targets.labels = unknown;
  fails(heed_trainer_new(&trainer, model, &task, &fit, 7), HEED_RANGE, words);
  const int64_t ptr[2] = {0, 300};
  task = p.task;
  task.inputs.n_graphs = 1;
  task.inputs.graph_ptr = ptr;
  fails(heed_trainer_new(&trainer, model, &task, &fit, 7), HEED_ARGUMENT, "1 graphs");
  /* Inputs that do not belong together, before any of them is read. */
  for (int way = 0; way < 3; way += 2) {
    heed_mask larger;
    ok(heed_mask_window(&larger, 4000, 2, 2));
    fit = fit_of(way);
    task = p.task;
    task.inputs.mask = &larger;
    fails(heed_trainer_new(&trainer, model, &task, &fit, 7), HEED_SHAPE, "4000 queries");
    heed_mask_free(&larger);
    float none[1] = {0};
    heed_matrix edges = heed_matrix_view(none, 1, 1);
    task = p.task;
    task.inputs.edges = &edges;
    fails(heed_trainer_new(&trainer, model, &task, &fit, 7), HEED_SHAPE, "features of 1 pairs");
  }
  heed_model_free(model);
}
END_TEST

/* Batch norm computes all nodes of a batch: as the last layer it gives more rows than nodes are learnt from. */
START_TEST(a_row_a_node) {
  for (int way = 0; way < 3; way += 2) {
    heed_model *model;
    heed_trainer *trainer;
    heed_fit_spec fit = fit_of(way);
    if (way == 0) fit.fanouts = 1;
    ok(heed_model_new(&model, p.inputs.dense->cols));
    heed_value x = heed_model_features(model);
    x = heed_model_linear(model, "one", x, 3, true);
    heed_attention_spec spec = {.score = HEED_SCORE_DOT, .heads = 1, .key_dim = 3, .value_dim = 3, .scale = 1};
    x = heed_model_attention(model, "two", &spec, HEED_SCOPE_MASKED, x, x, x);
    heed_value last = heed_model_normalize(model, "three", x, HEED_NORM_BATCH);
    fails(heed_trainer_new(&trainer, model, &p.task, &fit, 7), HEED_ARGUMENT, "not finished");
    ok(heed_model_finish(model, last, 3));
    fails(heed_trainer_new(&trainer, model, &p.task, &fit, 7), HEED_ARGUMENT, "rows for");
    heed_model_free(model);
  }
}
END_TEST

START_TEST(memory_may_run_out) {
  for (int way = 0; way < 3; way += 2) {
    heed_model *model = model_of(HEED_MODEL_GAT, 0.1F);
    heed_fit_spec fit = fit_of(way);
    heed_status status = HEED_NOMEM;
    size_t held = heed_memory_held();
    for (int n = 0; status != HEED_OK; n++) {
      heed_trainer *trainer;
      heed__alloc_fail_after(n);
      status = heed_trainer_new(&trainer, model, &p.task, &fit, 7);
      heed__alloc_fail_after(-1);
      ck_assert(status == HEED_OK || status == HEED_NOMEM);
      if (status == HEED_OK) heed_trainer_free(trainer);
      ck_assert_uint_eq(heed_memory_held(), held);
    }
    /* In the midst of an epoch, which can be begun again. */
    heed_trainer *trainer;
    heed_epoch epoch;
    bool done, halfway = false;
    ok(heed_trainer_new(&trainer, model, &p.task, &fit, 7));
    status = HEED_NOMEM;
    for (int n = 0; status != HEED_OK; n++) {
      heed__alloc_fail_after(n);
      status = heed_trainer_epoch(trainer, &epoch, &done);
      heed__alloc_fail_after(-1);
      ck_assert(status == HEED_OK || status == HEED_NOMEM);
      halfway |= status == HEED_NOMEM && trainer->optimizer->steps > 0;
    }
    /* What is left of an epoch begun twice is no state to resume. */
    if (halfway) {
      fails(heed_trainer_save(trainer, "never.safetensors"), HEED_ARGUMENT, "epoch 2 failed half-way");
    }
    heed_trainer_free(trainer);
    ck_assert_uint_eq(heed_memory_held(), held);
    heed_model_free(model);
  }
}
END_TEST

START_TEST(experiments_take_them) {
  heed_model_spec spec = problem_model(&p, HEED_MODEL_GAT);
  heed_fit_spec fit = fit_of(0);
  static const uint64_t seeds[] = {1, 2};
  heed_run runs[2];
  fit.epochs = 15;
  heed_experiment experiment = {.model = &spec,
                                .fit = &fit,
                                .inputs = p.inputs,
                                .targets = p.targets,
                                .seeds = seeds,
                                .n_seeds = 2,
                                .splits = p.splits,
                                .train = p.train,
                                .validation = p.validation,
                                .test = p.test,
                                .n_splits = 1};
  for (int order = HEED__ORDER_TOGETHER; order <= HEED__ORDER_IN_TURN; order++) {
    heed_experiment_result result = {.runs = runs};
    ok(heed__experiment_run(&experiment, NULL, NULL, (heed__order)order, &result));
    ck_assert_int_eq(result.n_runs, 2);
    ck_assert_double_gt(result.test_mean, 0.8);
    ck_assert_int_gt((int64_t)result.peak_bytes, 10000);
    heed_model_free(result.best);
  }
}
END_TEST

TCase *minibatch_tests(void) {
  TCase *tests = tcase_create("minibatch");
  tcase_set_timeout(tests, 120);
  tcase_add_checked_fixture(tests, set_up, tear_down);
  tcase_add_test(tests, one_batch_is_the_whole_graph);
  tcase_add_test(tests, heads_have_masks_of_their_own);
  tcase_add_loop_test(tests, mini_batches_learn, 0, WAYS - 1);
  tcase_add_loop_test(tests, seed_and_epoch_say_everything, 0, WAYS);
  tcase_add_loop_test(tests, memory_does_not_grow, 0, 3);
  tcase_add_test(tests, what_is_refused);
  tcase_add_test(tests, a_row_a_node);
  tcase_add_test(tests, memory_may_run_out);
  tcase_add_test(tests, experiments_take_them);
  return tests;
}
