/* Learning from collections of graphs: batches, missing targets, units, and the same bits always. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "train/batches.h"
#include "train/train_test.h"
#include "train/trainer.h"

enum { GRAPHS = 120, LEAST = 3, MOST = 12, FEATURES = 4, EDGE_FEATURES = 2, COLUMNS = 3 };
enum { MOST_NODES = GRAPHS * MOST, MOST_EDGES = GRAPHS * 2 * MOST, MOST_EPOCHS = 200 };

/* Graphs with nodes of FEATURES kinds, edges of two, and what can be told of a graph from them. */
typedef struct set {
  int n;
  int64_t ptr[GRAPHS + 1];
  float features[MOST_NODES * FEATURES];
  int64_t edges[MOST_EDGES * 2];
  float edge_features[MOST_EDGES * EDGE_FEATURES];
  int32_t labels[GRAPHS];            /* whether there are more nodes of kind 0 than of kind 1 */
  float binary[GRAPHS * COLUMNS];    /* whether there is a node of kind c; some unknown */
  float numbers[GRAPHS * 2];         /* nodes of kinds 0 and 1, in odd units */
  uint8_t train[GRAPHS], validation[GRAPHS], test[GRAPHS];
  heed_collection *collection;
  heed_mask mask;
  heed_model_inputs pairs;
} set;

static set s;

static uint64_t state;
static int draw(int n) {
  state = state * 6364136223846793005U + 1442695040888963407U;
  return (int)((state >> 33) % (uint64_t)n);
}

/* Kinds 2 and 3 are drawn of three quarters of the nodes in one of two kinds of graphs, so that no answer is
 * right of all. */
static void draw_graph(int g, int64_t *n_edges) {
  int n = LEAST + draw(MOST - LEAST + 1), of_kind[FEATURES] = {0};
  int64_t first = s.ptr[g], drawn = *n_edges;
  int common = draw(FEATURES);
  s.ptr[g + 1] = first + n;
  for (int i = 0; i < n; i++) {
    int kind = draw(2) == 0 ? common : draw(FEATURES);
    of_kind[kind]++;
    for (int f = 0; f < FEATURES; f++) {
      s.features[(first + i) * FEATURES + f] = f == kind ? 1.0F : 0.0F;
    }
  }
  for (int i = 1; i < n; i++) {
    for (int more = 0; more < 2; more++) {
      int other = more == 0 ? i - 1 : draw(i);
      if (more == 1 && (draw(3) != 0 || other == i - 1)) continue;
      int kind = draw(EDGE_FEATURES);
      s.edges[drawn * 2] = first + other;
      s.edges[drawn * 2 + 1] = first + i;
      for (int f = 0; f < EDGE_FEATURES; f++) {
        s.edge_features[drawn * EDGE_FEATURES + f] = f == kind ? 1.0F : 0.0F;
      }
      drawn++;
    }
  }
  *n_edges = drawn;
  s.labels[g] = of_kind[0] > of_kind[1];
  for (int c = 0; c < COLUMNS; c++) {
    s.binary[g * COLUMNS + c] = draw(4) == 0 ? NAN : of_kind[c] > 0 ? 1.0F : 0.0F;
  }
  s.numbers[g * 2] = 50 + 4 * (float)of_kind[0];
  s.numbers[g * 2 + 1] = -3 + 0.25F * (float)of_kind[1];
}

static void open_set(void) {
  memset(&s, 0, sizeof s);
  state = 12;
  s.n = GRAPHS;
  int64_t n_edges = 0;
  for (int g = 0; g < GRAPHS; g++) {
    draw_graph(g, &n_edges);
    (g % 5 == 3 ? s.validation : g % 5 == 4 ? s.test : s.train)[g] = 1;
  }
  heed_collection_arrays arrays = {
      .n_graphs = GRAPHS,
      .graph_ptr = s.ptr,
      .features = heed_matrix_view(s.features, s.ptr[GRAPHS], FEATURES),
      .n_edges = n_edges,
      .edges = s.edges,
      .edge_features = heed_matrix_view(s.edge_features, n_edges, EDGE_FEATURES),
      .kind = HEED_TARGET_CLASS,
      .labels = s.labels};
  ok(heed_collection_new(&s.collection, &arrays));
  ok(heed_collection_mask(s.collection, &s.mask));
  s.pairs = (heed_model_inputs){.mask = &s.mask};
}

static void end_set(void) {
  heed_mask_free(&s.mask);
  heed_collection_free(s.collection);
}

static heed_task task_of(const int32_t *labels, const float *values) {
  return (heed_task){.collection = s.collection,
                     .inputs = {.mask = &s.mask},
                     .targets = {labels, values},
                     .train = s.train,
                     .validation = s.validation,
                     .test = s.test};
}

static heed_model_spec small_model(int64_t outputs) {
  heed_model_spec spec = heed_model_spec_default(HEED_MODEL_TRANSFORMER);
  spec.features = FEATURES;
  spec.outputs = outputs;
  memcpy(spec.blocks, "MS", sizeof "MS");
  spec.hidden = 16;
  spec.heads = 2;
  spec.dropout = 0;
  spec.attention_dropout = 0;
  spec.pooling = HEED_POOLING_SUM;
  spec.edge_features = EDGE_FEATURES;
  spec.edges = HEED_EDGES_ADD;
  return spec;
}

static heed_fit_spec small_fit(heed_loss loss, heed_metric metric, int epochs) {
  heed_fit_spec fit = heed_fit_spec_default();
  fit.loss = loss;
  fit.metric = metric;
  fit.epochs = epochs;
  fit.patience = 0;
  fit.optimizer.rate = 0.005F;
  fit.batch = 16;
  return fit;
}

typedef struct history {
  heed_epoch epochs[MOST_EPOCHS];
  int n;
} history;

static history seen;

static bool record(void *context, const heed_epoch *epoch) {
  history *h = context;
  h->epochs[h->n++] = *epoch;
  return true;
}

/* Fits; the model is the caller's unless NULL is given. */
static heed_run fit_one(const heed_task *task, const heed_model_spec *spec,
                        const heed_fit_spec *fit, history *h, heed_model **model) {
  heed_model *own;
  heed_trainer *trainer;
  heed_run run;
  ok(heed_model_build(&own, spec, 7));
  ok(heed_trainer_new(&trainer, own, task, fit, 7));
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

static void check_same_history(const history *a, const history *b) {
  ck_assert_int_eq(a->n, b->n);
  for (int i = 0; i < a->n; i++) {
    const heed_epoch *x = &a->epochs[i], *y = &b->epochs[i];
    ck_assert_msg(x->train_loss == y->train_loss && x->val_loss == y->val_loss && x->val == y->val,
                  "epoch %d: %.17g %.17g %g, %.17g %.17g %g", i + 1, x->train_loss, x->val_loss,
                  x->val, y->train_loss, y->val_loss, y->val);
  }
}

static void check_same_parameters(heed_model *a, heed_model *b) {
  ck_assert_int_eq(heed_model_parameter_count(a), heed_model_parameter_count(b));
  ck_assert_mem_eq(heed_model_parameters(a), heed_model_parameters(b),
                   (size_t)heed_model_parameter_count(a) * sizeof(float));
}

START_TEST(classes_are_learnt) {
  heed_task task = task_of(s.labels, NULL);
  heed_fit_spec fit = small_fit(HEED_LOSS_CROSS_ENTROPY, HEED_METRIC_ACCURACY, 60);
  for (int kind = HEED_MODEL_GAT; kind <= HEED_MODEL_TRANSFORMER; kind++) {
    heed_model_spec spec = small_model(2);
    if (kind != HEED_MODEL_TRANSFORMER) {
      spec = heed_model_spec_default((heed_model_kind)kind);
      spec.features = FEATURES;
      spec.outputs = 2;
      spec.layers = 2;
      spec.hidden = 16;
      spec.heads = 2;
      spec.dropout = spec.attention_dropout = 0;
      spec.residual = true;
      spec.pooling = HEED_POOLING_SUM;
    }
    heed_run run = fit_one(&task, &spec, &fit, &seen, NULL);
    ck_assert_double_lt(seen.epochs[59].train_loss, 0.3 * seen.epochs[0].train_loss);
    ck_assert_msg(run.test >= 0.9, "%s: %g", heed_model_kind_name(spec.kind), run.test);
  }
}
END_TEST

START_TEST(questions_with_gaps_are_learnt) {
  heed_task task = task_of(NULL, s.binary);
  heed_fit_spec fit = small_fit(HEED_LOSS_BINARY_CROSS_ENTROPY, HEED_METRIC_ROC_AUC, 60);
  heed_model_spec spec = small_model(COLUMNS);
  heed_run run = fit_one(&task, &spec, &fit, &seen, NULL);
  ck_assert_msg(run.test >= 0.97, "%g", run.test);
}
END_TEST

static double deviation_of(const float *values, int cols, int column) {
  double sum = 0, squares = 0;
  int n = 0;
  for (int g = 0; g < GRAPHS; g++) {
    if (s.test[g] == 0) continue;
    sum += (double)values[g * cols + column];
    n++;
  }
  for (int g = 0; g < GRAPHS; g++) {
    double off = (double)values[g * cols + column] - sum / n;
    squares += s.test[g] != 0 ? off * off : 0;
  }
  return sqrt(squares / n);
}

/* Root mean square error of column `column` over the test. */
static double error_of(const float *output, const float *values, int cols, int column) {
  double squares = 0;
  int n = 0;
  for (int g = 0; g < GRAPHS; g++) {
    double off = (double)output[g * cols + column] - (double)values[g * cols + column];
    if (s.test[g] == 0) continue;
    squares += off * off;
    n++;
  }
  return sqrt(squares / n);
}

/* The model that comes back, saved and loaded, gives numbers in the targets' own units, whose error is the
 * one that was told, be the batch what it may. */
START_TEST(numbers_are_learnt_in_their_own_units) {
  const char *path = "test-collection-units.safetensors";
  heed_task task = task_of(NULL, s.numbers);
  heed_fit_spec fit = small_fit(HEED_LOSS_SQUARED, HEED_METRIC_RMSE, 150);
  fit.optimizer.rate = 0.01F;
  fit.standardize = true;
  heed_model_spec spec = small_model(2);
  heed_model *model, *again;
  heed_run run = fit_one(&task, &spec, &fit, &seen, &model);
  ok(heed_model_save(model, path, NULL));
  ok(heed_model_load(&again, path));
  remove(path);
  static float output[GRAPHS * 2], other[GRAPHS * 2];
  ok(heed_predict_collection(again, s.collection, &s.pairs, 0, output));
  double told = 0;
  for (int c = 0; c < 2; c++) {
    double error = error_of(output, s.numbers, 2, c), deviation = deviation_of(s.numbers, 2, c);
    ck_assert_msg(error < 0.6 * deviation, "column %d: %g of %g", c, error, deviation);
    told += error * error / 2;
  }
  ck_assert_double_eq_tol(run.test, sqrt(told), 1e-9 * run.test);
  for (int batch = 1; batch < 300; batch = 3 * batch + 4) {
    ok(heed_predict_collection(again, s.collection, &s.pairs, batch, other));
    ck_assert_mem_eq(output, other, sizeof output);
  }
  /* The best epoch's metric was of the same numbers, but for rounding. */
  ck_assert_double_eq(run.val, seen.epochs[run.best_epoch - 1].val);
  heed_matrix view = heed_matrix_view(output, GRAPHS, 2);
  double val;
  ok(heed_metric_compute(HEED_METRIC_RMSE, &view, &task.targets, s.validation, &val));
  ck_assert_double_eq_tol(run.val, val, 1e-4 * val);
  heed_model_free(model);
  heed_model_free(again);
}
END_TEST

/* Of numbers that need no other units both ways are as good. */
START_TEST(units_make_no_difference_where_they_need_not) {
  static float near[GRAPHS];
  for (int g = 0; g < GRAPHS; g++) near[g] = (s.numbers[2 * g] - 58) / 5;
  heed_task task = task_of(NULL, near);
  heed_fit_spec fit = small_fit(HEED_LOSS_SQUARED, HEED_METRIC_RMSE, 150);
  fit.optimizer.rate = 0.01F;
  heed_model_spec spec = small_model(1);
  double bound = 0.4 * deviation_of(near, 1, 0);
  for (int way = 0; way < 2; way++) {
    fit.standardize = way == 1;
    heed_run run = fit_one(&task, &spec, &fit, &seen, NULL);
    ck_assert_msg(run.test < bound, "%d: %g, not below %g", way, run.test, bound);
  }
  /* The loss is in other units: it differs by the square of the deviation. */
  fit.epochs = 1;
  fit.optimizer.rate = 1e-30F;
  (void)fit_one(&task, &spec, &fit, &seen, NULL);
  double standardised = seen.epochs[0].val_loss, val = seen.epochs[0].val;
  ck_assert_double_gt(fabs(standardised - val * val), 0.1 * val * val);
}
END_TEST

START_TEST(equal_targets_deviate_by_one) {
  static float same[GRAPHS];
  for (int g = 0; g < GRAPHS; g++) same[g] = g % 7 == 0 ? NAN : 0.1F;
  heed_task task = task_of(NULL, same);
  heed_fit_spec fit = small_fit(HEED_LOSS_ABSOLUTE, HEED_METRIC_MAE, 40);
  fit.standardize = true;
  heed_model_spec spec = small_model(1);
  heed_run run = fit_one(&task, &spec, &fit, &seen, NULL);
  ck_assert_msg(run.test < 0.2, "%g", run.test);
}
END_TEST

/* A column of which nothing is known has no part in anything: whatever the model says there, the rest is the
 * same to the bit; and graphs of which nothing is known might as well not be there. */
START_TEST(missing_targets_do_not_matter) {
  static float gaps[GRAPHS * 2];
  static history other;
  for (int g = 0; g < GRAPHS; g++) {
    gaps[2 * g] = g % 6 == 0 ? NAN : s.numbers[2 * g + 1];
    gaps[2 * g + 1] = NAN;
  }
  heed_task task = task_of(NULL, gaps);
  heed_fit_spec fit = small_fit(HEED_LOSS_SQUARED, HEED_METRIC_MAE, 5);
  heed_model_spec spec = small_model(2);
  heed_model *model;
  heed_run run = fit_one(&task, &spec, &fit, &seen, &model), again;
  heed_model_free(model);
  ok(heed_model_build(&model, &spec, 7));
  for (int i = 0; i < heed_model_tensors(model); i++) {
    heed_parameter p = heed_model_tensor(model, i);
    float w[64];
    if (strcmp(p.name, "output.weight") != 0 && strcmp(p.name, "output.bias") != 0) continue;
    heed_parameter_export(&p, w);
    for (int64_t k = p.size / 2; k < p.size; k++) w[k] = 3 * (float)k; /* those of column 1 */
    heed_parameter_import(&p, w);
  }
  heed_trainer *trainer;
  other.n = 0;
  ok(heed_trainer_new(&trainer, model, &task, &fit, 7));
  ok(heed_fit(trainer, record, &other, &again));
  heed_trainer_free(trainer);
  heed_model_free(model);
  check_same_history(&seen, &other);
  ck_assert(run.test == again.test);
  uint8_t *const parts[] = {s.train, s.validation, s.test};
  for (int g = 0; g < GRAPHS; g += 6) parts[0][g] = parts[1][g] = parts[2][g] = 0;
  again = fit_one(&task, &spec, &fit, &other, NULL);
  check_same_history(&seen, &other);
  ck_assert(run.test == again.test);
}
END_TEST

/* Nothing moves at such a rate, so the loss of an epoch is that of all entries, however they are cut. */
START_TEST(training_loss_is_the_mean_over_entries) {
  heed_task task = task_of(NULL, s.binary);
  heed_model_spec spec = small_model(COLUMNS);
  heed_model *model;
  static float output[GRAPHS * COLUMNS];
  double expected;
  ok(heed_model_build(&model, &spec, 7));
  ok(heed_predict_collection(model, s.collection, &s.pairs, 0, output));
  heed_model_free(model);
  heed_matrix view = heed_matrix_view(output, GRAPHS, COLUMNS);
  ok(heed_loss_compute(HEED_LOSS_BINARY_CROSS_ENTROPY, &view, &task.targets, s.train, NULL,
                       &expected));
  const int batches[] = {0, 1, 7, 64, 1000};
  for (int i = 0; i < 5; i++) {
    heed_fit_spec fit = small_fit(HEED_LOSS_BINARY_CROSS_ENTROPY, HEED_METRIC_ROC_AUC, 2);
    fit.optimizer.rate = 1e-30F;
    fit.batch = batches[i];
    (void)fit_one(&task, &spec, &fit, &seen, NULL);
    for (int e = 0; e < 2; e++) {
      ck_assert_double_eq_tol(seen.epochs[e].train_loss, expected, 1e-6 * expected);
    }
  }
}
END_TEST

/* The same graph 8 times, a batch each: the dropout of an epoch is that of 8 epochs of the graph alone. */
START_TEST(every_step_has_dropout_of_its_own) {
  heed_task task = task_of(s.labels, NULL);
  heed_model_spec spec = small_model(2);
  spec.dropout = spec.attention_dropout = 0.5F;
  heed_fit_spec fit = small_fit(HEED_LOSS_CROSS_ENTROPY, HEED_METRIC_ACCURACY, 16);
  fit.optimizer.rate = 1e-30F;
  fit.batch = 1;
  memset(s.train, 0, sizeof s.train);
  s.train[0] = 1;
  static history alone;
  (void)fit_one(&task, &spec, &fit, &alone, NULL);
  double least = alone.epochs[0].train_loss, most = least;
  for (int i = 1; i < 16; i++) {
    least = fmin(least, alone.epochs[i].train_loss);
    most = fmax(most, alone.epochs[i].train_loss);
  }
  ck_assert_double_gt(most, 1.01 * least); /* else this shows nothing */
  end_set();
  int64_t ptr[9] = {0}, n = s.ptr[1], edges = 0;
  while (s.edges[2 * edges] < n && s.edges[2 * edges + 1] < n) edges++;
  for (int g = 0; g < 8; g++) {
    ptr[g + 1] = ptr[g] + n;
    memmove(s.features + g * n * FEATURES, s.features, (size_t)(n * FEATURES) * sizeof(float));
    memmove(s.edge_features + g * edges * EDGE_FEATURES, s.edge_features,
            (size_t)(edges * EDGE_FEATURES) * sizeof(float));
    for (int64_t e = 0; e < 2 * edges; e++) s.edges[g * 2 * edges + e] = s.edges[e] + g * n;
    s.labels[g] = s.labels[0];
    s.train[g] = 1;
    s.validation[g] = 1;
  }
  heed_collection_arrays arrays = {
      .n_graphs = 8,
      .graph_ptr = ptr,
      .features = heed_matrix_view(s.features, 8 * n, FEATURES),
      .n_edges = 8 * edges,
      .edges = s.edges,
      .edge_features = heed_matrix_view(s.edge_features, 8 * edges, EDGE_FEATURES),
      .kind = HEED_TARGET_CLASS,
      .labels = s.labels};
  ok(heed_collection_new(&s.collection, &arrays));
  ok(heed_collection_mask(s.collection, &s.mask));
  task = task_of(s.labels, NULL);
  task.test = NULL;
  fit.epochs = 2;
  (void)fit_one(&task, &spec, &fit, &seen, NULL);
  for (int e = 0; e < 2; e++) {
    double mean = 0;
    for (int i = 0; i < 8; i++) mean += alone.epochs[8 * e + i].train_loss / 8;
    ck_assert_double_eq_tol(seen.epochs[e].train_loss, mean, 1e-6 * mean);
  }
}
END_TEST

START_TEST(orders_are_permutations_of_seed_and_epoch) {
  enum { N = 101 };
  int64_t orders[4][N];
  heed__batches_shuffle(1, 0, orders[0], N);
  heed__batches_shuffle(1, 1, orders[1], N);
  heed__batches_shuffle(2, 0, orders[2], N);
  heed__batches_shuffle(1, 0, orders[3], N);
  ck_assert_mem_eq(orders[0], orders[3], sizeof orders[0]);
  for (int a = 0; a < 3; a++) {
    int there[N] = {0}, same = 0;
    for (int i = 0; i < N; i++) {
      ck_assert(orders[a][i] >= 0 && orders[a][i] < N);
      there[orders[a][i]]++;
      same += orders[a][i] == orders[(a + 1) % 3][i];
    }
    for (int i = 0; i < N; i++) ck_assert_int_eq(there[i], 1);
    ck_assert_int_lt(same, 10); /* one is to be expected */
  }
  heed__batches_shuffle(1, 0, orders[0], 1);
  ck_assert_int_eq(orders[0][0], 0);
}
END_TEST

static void with_dropout(heed_model_spec *spec) {
  spec->dropout = 0.2F;
  spec->attention_dropout = 0.1F;
  spec->norm = HEED_NORM_BATCH;
}

/* With batch norm a step is one shard, whose loops share the threads; without, it is three. */
START_TEST(fits_do_not_depend_on_threads) {
  static history first;
  heed_task task = task_of(NULL, s.numbers);
  for (int norm = HEED_NORM_LAYER; norm <= HEED_NORM_BATCH; norm++) {
    heed_model_spec spec = small_model(2);
    with_dropout(&spec);
    spec.norm = (heed_norm)norm;
    spec.hidden = 64;
    heed_fit_spec fit = small_fit(HEED_LOSS_SQUARED, HEED_METRIC_RMSE, 4);
    fit.standardize = true;
    fit.batch = 40;
    heed_model *one, *other;
    ok(heed_set_threads(1));
    heed_run run = fit_one(&task, &spec, &fit, &first, &one);
    for (int threads = 2; threads <= 4; threads += 2) {
      ok(heed_set_threads(threads));
      heed_run again = fit_one(&task, &spec, &fit, &seen, &other);
      check_same_history(&first, &seen);
      check_same_parameters(one, other);
      ck_assert(run.test == again.test);
      heed_model_free(other);
    }
    heed_model_free(one);
  }
}
END_TEST

/* Heads over the edges, heads over all nodes of a graph, both with features and classes of their pairs: a graph
 * gives the same bits in every batch, and the fit the same with any number of threads. */
START_TEST(heads_have_masks_of_their_own) {
  static history first;
  static float output[GRAPHS * 2], other[GRAPHS * 2];
  static const int32_t heads[] = {1, 3};
  heed_mask blocks, graph;
  ok(heed_mask_blocks(&blocks, GRAPHS, s.ptr, s.ptr));
  ok(heed_mask_explicit(&graph, &s.mask));
  const heed_mask *masks[] = {&graph, &blocks};
  int64_t pairs = graph.n_pairs + blocks.n_pairs;
  int32_t *classes = malloc((size_t)pairs * sizeof *classes);
  float *e = malloc((size_t)pairs * sizeof *e);
  for (int64_t p = 0; p < pairs; p++) classes[p] = draw(3);
  heed_random_uniform(1, 1, e, pairs, -1, 1);
  heed_matrix edges = heed_matrix_view(e, pairs, 1);
  heed_task task = task_of(NULL, s.numbers);
  task.inputs = (heed_model_inputs){.n_head_masks = 2,
                                    .head_masks = masks,
                                    .mask_heads = heads,
                                    .pair_classes = classes,
                                    .edges = &edges};
  heed_model_spec spec = small_model(2);
  with_dropout(&spec);
  spec.hidden = 64;
  spec.heads = 4;
  spec.edges = HEED_EDGES_BIAS;
  spec.edge_features = 1;
  spec.pair_classes = 3;
  heed_fit_spec fit = small_fit(HEED_LOSS_SQUARED, HEED_METRIC_RMSE, 4);
  fit.standardize = true;
  fit.batch = 40;
  heed_model *one, *again;
  ok(heed_set_threads(1));
  (void)fit_one(&task, &spec, &fit, &first, &one);
  for (int threads = 2; threads <= 4; threads += 2) {
    ok(heed_set_threads(threads));
    (void)fit_one(&task, &spec, &fit, &seen, &again);
    check_same_history(&first, &seen);
    check_same_parameters(one, again);
    heed_model_free(again);
  }
  ok(heed_predict_collection(one, s.collection, &task.inputs, 1, output));
  for (int batch = 3; batch < 300; batch = 3 * batch + 4) {
    ok(heed_predict_collection(one, s.collection, &task.inputs, batch, other));
    ck_assert_mem_eq(output, other, sizeof output);
  }
  heed_pass *whole; /* without batches */
  heed_matrix y;
  heed_model_inputs in = task.inputs;
  in.n_nodes = s.ptr[GRAPHS];
  in.dense = heed_collection_node_matrix(s.collection);
  in.n_graphs = GRAPHS;
  in.graph_ptr = s.ptr;
  ok(heed_pass_new(&whole, one, &in, false));
  ok(heed_pass_forward(whole, HEED_MODE_EVALUATE, 0, 0, &y));
  for (int i = 0; i < GRAPHS * 2; i++) {
    ck_assert_float_lt(fabsf(output[i] - y.data[i]), 1e-3f * (1 + fabsf(y.data[i])));
  }
  heed_pass_free(whole);
  masks[1] = &graph; /* another mask, other predictions */
  edges.rows = 2 * graph.n_pairs;
  ok(heed_predict_collection(one, s.collection, &task.inputs, 0, other));
  ck_assert_mem_ne(output, other, sizeof output);
  heed_trainer *trainer;
  static const int32_t wrong[] = {1, 2};
  task.inputs.mask_heads = wrong;
  fails(heed_trainer_new(&trainer, one, &task, &fit, 0), HEED_SHAPE, "the groups have 3 heads");
  size_t held = heed_memory_held();
  task.inputs.mask_heads = heads;
  for (int n = 0;; n++) {
    heed__alloc_fail_after(n);
    heed_status status = heed_predict_collection(one, s.collection, &task.inputs, 0, other);
    heed__alloc_fail_after(-1);
    ck_assert_uint_eq(heed_memory_held(), held);
    if (status == HEED_OK) break;
    ck_assert_int_eq(status, HEED_NOMEM);
  }
  heed_model_free(one);
  heed_mask_free(&blocks);
  heed_mask_free(&graph);
  free(classes);
  free(e);
}
END_TEST

/* A failure in another thread is told as if it were the calling one's, and nobody stays alone. */
START_TEST(failures_of_shards_are_told) {
  heed_task task = task_of(NULL, s.numbers);
  heed_model_spec spec = small_model(2);
  heed_fit_spec fit = small_fit(HEED_LOSS_SQUARED, HEED_METRIC_RMSE, 4);
  fit.batch = 64;
  heed_model *model;
  heed_trainer *trainer;
  heed_epoch epoch;
  bool done;
  ok(heed_set_threads(4));
  int threads = heed_threads();
  ok(heed_model_build(&model, &spec, 1));
  ok(heed_trainer_new(&trainer, model, &task, &fit, 1));
  heed_model_parameters(model)[0] = NAN;
  fails(heed_trainer_epoch(trainer, &epoch, &done), HEED_VALUE, "epoch 1, training: squared: not finite");
  ck_assert_int_eq(heed_threads(), threads);
  heed_trainer_free(trainer);
  heed_model_free(model);
}
END_TEST

enum { SEEDS = 3 };

static heed_experiment experiment_of(const heed_model_spec *model, const heed_fit_spec *fit) {
  static const uint64_t seeds[SEEDS] = {5, 0, 3};
  static const uint8_t *train[1], *validation[1], *test[1];
  train[0] = s.train;
  validation[0] = s.validation;
  test[0] = s.test;
  return (heed_experiment){.model = model,
                           .fit = fit,
                           .collection = s.collection,
                           .inputs = {.mask = &s.mask},
                           .targets = {NULL, s.numbers},
                           .seeds = seeds,
                           .n_seeds = SEEDS,
                           .train = train,
                           .validation = validation,
                           .test = test,
                           .n_splits = 1};
}

START_TEST(runs_are_the_same_together_or_in_turn) {
  heed_model_spec spec = small_model(2);
  with_dropout(&spec);
  spec.norm = HEED_NORM_LAYER;
  heed_fit_spec fit = small_fit(HEED_LOSS_SQUARED, HEED_METRIC_RMSE, 6);
  fit.standardize = true;
  fit.batch = 36; /* three shards */
  heed_experiment e = experiment_of(&spec, &fit);
  heed_run runs[SEEDS], other[SEEDS];
  heed_experiment_result first = {.runs = runs}, next = {.runs = other};
  ok(heed_set_threads(1));
  ok(heed__experiment_run(&e, NULL, NULL, HEED__ORDER_IN_TURN, &first));
  ck_assert(runs[0].test != runs[1].test);
  ck_assert_int_gt(first.peak_bytes, 5 * 4 * first.parameters);
  for (int order = HEED__ORDER_AUTO; order <= HEED__ORDER_IN_TURN; order++) {
    for (int threads = 2; threads <= 4; threads += 2) {
      ok(heed_set_threads(threads));
      ok(heed__experiment_run(&e, NULL, NULL, (heed__order)order, &next));
      for (int r = 0; r < SEEDS; r++) {
        ck_assert(runs[r].val == other[r].val && runs[r].test == other[r].test);
        ck_assert(runs[r].val_loss == other[r].val_loss);
        ck_assert_int_eq(runs[r].best_epoch, other[r].best_epoch);
      }
      ck_assert_int_eq(first.best_run, next.best_run);
      ck_assert_int_eq(first.peak_bytes, next.peak_bytes);
      check_same_parameters(first.best, next.best);
      heed_model_free(next.best);
    }
  }
  /* The best model, too, is in the targets' own units. */
  static float output[GRAPHS * 2];
  heed_matrix view = heed_matrix_view(output, GRAPHS, 2);
  double test;
  ok(heed_predict_collection(first.best, s.collection, &s.pairs, 10, output));
  ok(heed_metric_compute(HEED_METRIC_RMSE, &view, &e.targets, s.test, &test));
  ck_assert_double_eq(test, runs[first.best_run].test);
  heed_model_free(first.best);
}
END_TEST

START_TEST(resumed_fits_are_as_if_never_interrupted) {
  const char *path = "test-collection-resume.safetensors";
  static history other;
  heed_task task = task_of(NULL, s.numbers);
  heed_model_spec spec = small_model(2);
  with_dropout(&spec);
  heed_fit_spec fit = small_fit(HEED_LOSS_SQUARED, HEED_METRIC_RMSE, 9), changed;
  fit.standardize = true;
  heed_model *straight, *model;
  heed_trainer *trainer;
  heed_run run = fit_one(&task, &spec, &fit, &seen, &straight), again;
  heed_epoch epoch;
  bool done;
  ok(heed_model_build(&model, &spec, 7));
  ok(heed_trainer_new(&trainer, model, &task, &fit, 7));
  other.n = 0;
  for (int i = 0; i < 4; i++) {
    ok(heed_trainer_epoch(trainer, &epoch, &done));
    (void)record(&other, &epoch);
  }
  ok(heed_trainer_save(trainer, path));
  /* A finished model in the targets' units is no fit in progress, but the fit can go on. */
  ok(heed_trainer_finish(trainer, &again));
  fails(heed_trainer_save(trainer, path), HEED_ARGUMENT, "finished");
  heed_trainer_free(trainer);
  heed_model_free(model);
  for (int way = 0; way < 2; way++) {
    changed = fit;
    if (way == 0) changed.batch++;
    if (way == 1) changed.standardize = false;
    ok(heed_model_build(&model, &spec, 7));
    ok(heed_trainer_new(&trainer, model, &task, &changed, 7));
    fails(heed_trainer_resume(trainer, path), HEED_ARGUMENT,
          way == 0 ? "batch 16, this one 17" : "standardize yes, this one no");
    heed_trainer_free(trainer);
    heed_model_free(model);
  }
  ok(heed_model_build(&model, &spec, 99)); /* what it starts from does not matter */
  ok(heed_trainer_new(&trainer, model, &task, &fit, 7));
  ok(heed_trainer_resume(trainer, path));
  ok(heed_fit(trainer, record, &other, &again));
  check_same_history(&seen, &other);
  check_same_parameters(straight, model);
  ck_assert(run.test == again.test && run.val == again.val);
  heed_trainer_free(trainer);
  heed_model_free(model);
  heed_model_free(straight);
  remove(path);
}
END_TEST

/* Finishing early and going on is going on from the best epoch, in the fit's units. */
START_TEST(finish_can_be_asked_for_twice) {
  heed_task task = task_of(NULL, s.numbers);
  heed_model_spec spec = small_model(2);
  heed_fit_spec fit = small_fit(HEED_LOSS_SQUARED, HEED_METRIC_RMSE, 3);
  fit.standardize = true;
  heed_model *model;
  heed_trainer *trainer;
  heed_epoch epoch;
  heed_run first, second;
  bool done;
  ok(heed_model_build(&model, &spec, 7));
  ok(heed_trainer_new(&trainer, model, &task, &fit, 7));
  fails(heed_trainer_finish(trainer, &first), HEED_ARGUMENT, "no epoch");
  ok(heed_trainer_epoch(trainer, &epoch, &done));
  ok(heed_trainer_finish(trainer, &first));
  ok(heed_trainer_finish(trainer, &second));
  ck_assert(first.test == second.test);
  double loss = epoch.train_loss;
  ok(heed_trainer_epoch(trainer, &epoch, &done));
  ck_assert_double_lt(epoch.train_loss, 1.2 * loss); /* folded twice it would be hundreds */
  heed_trainer_free(trainer);
  heed_model_free(model);
}
END_TEST

START_TEST(epochs_allocate_nothing) {
  const heed_metric metrics[] = {HEED_METRIC_ROC_AUC, HEED_METRIC_MCC, HEED_METRIC_MAE};
  for (int i = 0; i < 3; i++) {
    heed_task task = task_of(NULL, s.binary);
    heed_model_spec spec = small_model(COLUMNS);
    with_dropout(&spec);
    heed_fit_spec fit = small_fit(HEED_LOSS_BINARY_CROSS_ENTROPY, metrics[i], 4);
    fit.loss = i == 2 ? HEED_LOSS_SQUARED : fit.loss;
    fit.standardize = i == 2;
    fit.optimizer.clip = 1;
    heed_model *model;
    heed_trainer *trainer;
    heed_epoch epoch;
    bool done = false;
    ok(heed_model_build(&model, &spec, 1));
    ok(heed_trainer_new(&trainer, model, &task, &fit, 1));
    size_t held = heed_memory_held();
    ok(heed_trainer_epoch(trainer, &epoch, &done));
    ck_assert_uint_eq(heed_memory_held(), held);
    heed__alloc_fail_after(0);
    while (!done) ok(heed_trainer_epoch(trainer, &epoch, &done));
    heed__alloc_fail_after(-1);
    heed_trainer_free(trainer);
    heed_model_free(model);
  }
}
END_TEST

/* What the last failure said must name `part`; the trainer must not have come about. */
static void refuses(heed_model *model, const heed_task *task, const heed_fit_spec *fit,
                    heed_status expected, const char *part) {
  heed_trainer *trainer;
  size_t held = heed_memory_held();
  fails(heed_trainer_new(&trainer, model, task, fit, 1), expected, part);
  ck_assert_uint_eq(heed_memory_held(), held);
}

START_TEST(trainer_refuses_what_makes_no_sense) {
  static uint8_t none[GRAPHS];
  static int32_t labels[GRAPHS];
  static float values[GRAPHS * 2];
  heed_model_spec spec = small_model(2);
  heed_fit_spec classes = small_fit(HEED_LOSS_CROSS_ENTROPY, HEED_METRIC_ACCURACY, 2);
  heed_fit_spec numbers = small_fit(HEED_LOSS_SQUARED, HEED_METRIC_RMSE, 2), fit;
  heed_model *model;
  ok(heed_model_build(&model, &spec, 1));
  memcpy(labels, s.labels, sizeof labels);
  memcpy(values, s.numbers, sizeof values);
  heed_task task = task_of(labels, NULL);
  fit = classes;
  fit.batch = -1;
  refuses(model, &task, &fit, HEED_ARGUMENT, "batch: -1");
  task.train = none;
  refuses(model, &task, &classes, HEED_ARGUMENT, "training: none of 120 graphs");
  task = task_of(labels, NULL);
  task.validation = none;
  refuses(model, &task, &classes, HEED_ARGUMENT, "validation: none of 120 graphs");
  task.validation = NULL;
  refuses(model, &task, &classes, HEED_ARGUMENT, "validation");
  task = task_of(labels, NULL);
  task.test = none;
  refuses(model, &task, &classes, HEED_ARGUMENT, "test: none of 120 graphs");
  task = task_of(labels, NULL);
  for (int g = 0; g < GRAPHS; g++) labels[g] = s.train[g] != 0 ? -1 : 0;
  refuses(model, &task, &classes, HEED_ARGUMENT, "training: none of 72 graphs has a known target");
  memcpy(labels, s.labels, sizeof labels);
  labels[41] = 2;
  refuses(model, &task, &classes, HEED_RANGE, "graph 41: class 2, but the output has 2");
  refuses(model, &task, &numbers, HEED_ARGUMENT, "squared: there are no target values");
  task = task_of(NULL, values);
  refuses(model, &task, &classes, HEED_ARGUMENT, "there are no labels");
  fit = small_fit(HEED_LOSS_BINARY_CROSS_ENTROPY, HEED_METRIC_ROC_AUC, 2);
  refuses(model, &task, &fit, HEED_RANGE, "graph 0, column 0");
  values[17] = INFINITY;
  refuses(model, &task, &numbers, HEED_RANGE, "graph 8, column 1: inf");
  task = task_of(NULL, s.numbers);
  fit = numbers;
  fit.standardize = true;
  fit.loss = HEED_LOSS_CROSS_ENTROPY;
  task.targets.labels = s.labels;
  refuses(model, &task, &fit, HEED_ARGUMENT, "standardize");
  fit = numbers;
  fit.standardize = true;
  task.collection = NULL;
  refuses(model, &task, &fit, HEED_ARGUMENT, "standardize");
  heed_model_free(model);
}
END_TEST

START_TEST(trainer_refuses_models_that_do_not_fit) {
  heed_fit_spec fit = small_fit(HEED_LOSS_SQUARED, HEED_METRIC_RMSE, 2);
  heed_task task = task_of(NULL, s.numbers);
  heed_model_spec spec = small_model(2);
  heed_model *model;
  spec.features = FEATURES + 1;
  ok(heed_model_build(&model, &spec, 1));
  refuses(model, &task, &fit, HEED_SHAPE, "5");
  heed_model_free(model);
  spec = small_model(2);
  spec.pooling = HEED_POOLING_NONE;
  ok(heed_model_build(&model, &spec, 1));
  refuses(model, &task, &fit, HEED_ARGUMENT, "not one each");
  static float output[MOST_NODES * 2];
  fails(heed_predict_collection(model, s.collection, &s.pairs, 0, output), HEED_ARGUMENT,
        "not one each");
  fails(heed_predict_collection(model, s.collection, &s.pairs, -2, output), HEED_ARGUMENT, "-2");
  heed_model_free(model);
  /* The last layer must be able to take mean and deviation. */
  ok(heed_model_new(&model, FEATURES));
  heed_value x = heed_model_linear(model, "a", heed_model_features(model), 2, true);
  ok(heed_model_finish(model, heed_model_pool(model, x, HEED_POOLING_SUM), 1));
  fit.standardize = true;
  refuses(model, &task, &fit, HEED_ARGUMENT, "not linear");
  heed_model_free(model);
}
END_TEST

START_TEST(memory_that_runs_out_leaves_nothing) {
  heed_fit_spec fit = small_fit(HEED_LOSS_SQUARED, HEED_METRIC_RMSE, 1);
  fit.standardize = true;
  heed_task task = task_of(NULL, s.numbers);
  heed_model_spec spec = small_model(2);
  fit.batch = 36; /* three shards */
  heed_model *model;
  heed_trainer *trainer;
  heed_epoch epoch;
  heed_run run;
  bool done;
  static float output[GRAPHS * 2];
  ok(heed_model_build(&model, &spec, 1));
  size_t held = heed_memory_held();
  long n = 0;
  for (;; n++) {
    heed__alloc_fail_after(n);
    heed_status status = heed_trainer_new(&trainer, model, &task, &fit, 1);
    heed__alloc_fail_after(-1);
    if (status == HEED_OK) break;
    ck_assert_int_eq(status, HEED_NOMEM);
    ck_assert_uint_eq(heed_memory_held(), held);
  }
  ck_assert_int_gt(n, 20);
  ok(heed_trainer_epoch(trainer, &epoch, &done));
  size_t before = heed_memory_held();
  for (n = 0;; n++) {
    heed__alloc_fail_after(n);
    heed_status status = heed_trainer_finish(trainer, &run);
    heed__alloc_fail_after(-1);
    ck_assert_uint_eq(heed_memory_held(), before);
    if (status == HEED_OK) break;
    ck_assert_int_eq(status, HEED_NOMEM);
  }
  ck_assert_int_gt(n, 2);
  heed_trainer_free(trainer);
  ck_assert_uint_eq(heed_memory_held(), held);
  for (n = 0;; n++) {
    heed__alloc_fail_after(n);
    heed_status status = heed_predict_collection(model, s.collection, &s.pairs, 0, output);
    heed__alloc_fail_after(-1);
    ck_assert_uint_eq(heed_memory_held(), held);
    if (status == HEED_OK) break;
    ck_assert_int_eq(status, HEED_NOMEM);
  }
  ck_assert_int_gt(n, 4);
  heed_model_free(model);
}
END_TEST

TCase *collection_tests(void) {
  TCase *tests = tcase_create("collection");
  tcase_set_timeout(tests, 240);
  tcase_add_checked_fixture(tests, open_set, end_set);
  tcase_add_test(tests, classes_are_learnt);
  tcase_add_test(tests, questions_with_gaps_are_learnt);
  tcase_add_test(tests, numbers_are_learnt_in_their_own_units);
  tcase_add_test(tests, units_make_no_difference_where_they_need_not);
  tcase_add_test(tests, equal_targets_deviate_by_one);
  tcase_add_test(tests, missing_targets_do_not_matter);
  tcase_add_test(tests, training_loss_is_the_mean_over_entries);
  tcase_add_test(tests, every_step_has_dropout_of_its_own);
  tcase_add_test(tests, orders_are_permutations_of_seed_and_epoch);
  tcase_add_test(tests, fits_do_not_depend_on_threads);
  tcase_add_test(tests, heads_have_masks_of_their_own);
  tcase_add_test(tests, failures_of_shards_are_told);
  tcase_add_test(tests, runs_are_the_same_together_or_in_turn);
  tcase_add_test(tests, resumed_fits_are_as_if_never_interrupted);
  tcase_add_test(tests, finish_can_be_asked_for_twice);
  tcase_add_test(tests, epochs_allocate_nothing);
  tcase_add_test(tests, trainer_refuses_what_makes_no_sense);
  tcase_add_test(tests, trainer_refuses_models_that_do_not_fit);
  tcase_add_test(tests, memory_that_runs_out_leaves_nothing);
  return tests;
}
