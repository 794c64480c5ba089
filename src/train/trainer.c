/* Fitting one model: epochs, what is kept of them, and when to stop. */
#include "train/trainer.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "model/model.h"
#include "train/loss.h"
#include "train/metric.h"
#include "train/optimizer.h"

heed_fit_spec heed_fit_spec_default(void) {
  return (heed_fit_spec){.loss = HEED_LOSS_CROSS_ENTROPY,
                         .metric = HEED_METRIC_ACCURACY,
                         .optimizer = heed_optimizer_spec_default(),
                         .epochs = 1000,
                         .patience = 100,
                         .watch = HEED_WATCH_METRIC};
}

static heed_status check(const heed_fit_spec *spec, const heed_task *task, const heed_model *model) {
  if (!model->finished) return heed__fail(HEED_ARGUMENT, "fit: the model is not finished");
  if (spec->batch < 0) {
    return heed__fail(HEED_ARGUMENT, "batch: %d %s, not at least 0", spec->batch,
                      task->collection != NULL ? "graphs" : "nodes");
  }
  if (spec->standardize && task->collection == NULL) {
    return heed__fail(HEED_ARGUMENT, "standardize: there is no collection");
  }
  if ((unsigned)spec->loss > HEED_LOSS_ABSOLUTE) {
    return heed__fail(HEED_ARGUMENT, "loss %d: there is none", (int)spec->loss);
  }
  if ((unsigned)spec->metric > HEED_METRIC_MAE) {
    return heed__fail(HEED_ARGUMENT, "metric %d: there is none", (int)spec->metric);
  }
  if ((unsigned)spec->watch > HEED_WATCH_BOTH) {
    return heed__fail(HEED_ARGUMENT, "watch %d: there is none", (int)spec->watch);
  }
  if (spec->epochs < 1 || spec->patience < 0) {
    return heed__fail(HEED_ARGUMENT, "%d epochs, patience %d: not at least 1 and 0", spec->epochs,
                      spec->patience);
  }
  if (task->train == NULL || task->validation == NULL) {
    return heed__fail(HEED_ARGUMENT, "task: there are no rows for %s",
                      task->train == NULL ? "training" : "validation");
  }
  return HEED_OK;
}

/* Rows are nodes, or where the model pools, the graphs of which there are several. */
static heed_status check_rows(const heed_trainer *t, const uint8_t *rows, const char *part) {
  const heed_model_inputs *in = &t->task.inputs;
  bool of_graphs = in->n_graphs > 0 && t->model->values[t->model->output].per_graph > 0;
  int64_t n = of_graphs ? in->n_graphs : in->n_nodes;
  int64_t known;
  return heed__loss_check_rows(t->spec.loss, &t->task.targets, heed_model_output_count(t->model),
                               rows, n, part, of_graphs ? "graph" : "node", &known);
}

static void part_free(heed__part *part) {
  if (!part->borrowed) heed_pass_free(part->pass);
  for (int i = 0; i < 3; i++) heed__free(part->arrays[i]);
  *part = (heed__part){0};
}

/* The labels, values and marks of the nodes that a pass has rows for. */
static heed_status part_targets(heed__part *part, const heed_trainer *t, const uint8_t *rows,
                                const int32_t *nodes) {
  const heed_targets *from = &t->task.targets;
  size_t n = (size_t)heed_pass_rows(part->pass),
         outputs = (size_t)heed_model_output_count(t->model);
  uint8_t *marks = heed__alloc(n, 1);
  int32_t *labels = from->labels == NULL ? NULL : heed__alloc(n, sizeof *labels);
  float *values = from->values == NULL ? NULL : heed__alloc(n, outputs * sizeof *values);
  part->arrays[0] = marks;
  part->arrays[1] = labels;
  part->arrays[2] = values;
  if (marks == NULL || (labels == NULL && from->labels != NULL) ||
      (values == NULL && from->values != NULL)) {
    return HEED_NOMEM;
  }
  for (size_t r = 0; r < n; r++) {
    size_t node = (size_t)nodes[r];
    marks[r] = rows[node];
    if (labels != NULL) labels[r] = from->labels[node];
    if (values != NULL) {
      memcpy(values + r * outputs, from->values + node * outputs, outputs * sizeof *values);
    }
  }
  part->rows = marks;
  part->targets = (heed_targets){.labels = labels, .values = values};
  return HEED_OK;
}

/* Computes what `rows` need alone; where a pass cannot tell, that of `other` serves both. */
static heed_status part_new(heed__part *part, const heed_trainer *t, const uint8_t *rows,
                            bool training, const heed__part *other) {
  *part = (heed__part){.rows = rows, .targets = t->task.targets};
  heed_model_inputs inputs = t->task.inputs;
  inputs.wanted = rows;
  if (other != NULL && heed_pass_nodes(other->pass) == NULL) {
    part->pass = other->pass;
    part->borrowed = true;
    return HEED_OK;
  }
  heed_status status = heed_pass_new(&part->pass, t->model, &inputs, training);
  const int32_t *nodes = status == HEED_OK ? heed_pass_nodes(part->pass) : NULL;
  if (nodes != NULL) status = part_targets(part, t, rows, nodes);
  if (status != HEED_OK) part_free(part);
  return status;
}

static heed_status reserve(heed_trainer *t) {
  int64_t state = heed_model_state_count(t->model);
  t->best_parameters = heed__alloc((size_t)heed_model_parameter_count(t->model), sizeof(float));
  if (state > 0) t->best_state = heed__alloc((size_t)state, sizeof(float));
  return t->best_parameters != NULL && (state == 0 || t->best_state != NULL) ? HEED_OK
                                                                             : HEED_NOMEM;
}

/* Passes over nodes, or over graphs that are always taken together. */
static heed_status reserve_parts(heed_trainer *t) {
  HEED__TRY(check_rows(t, t->task.train, "training"));
  HEED__TRY(check_rows(t, t->task.validation, "validation"));
  if (t->task.test != NULL) HEED__TRY(check_rows(t, t->task.test, "test"));
  HEED__TRY(part_new(&t->training, t, t->task.train, true, NULL));
  HEED__TRY(part_new(&t->validation, t, t->task.validation, false, &t->training));
  int64_t rows = heed_pass_rows(t->training.pass), checked = heed_pass_rows(t->validation.pass);
  int64_t outputs = heed_model_output_count(t->model);
  size_t room = heed__metric_room(t->spec.metric, checked, outputs), numbers;
  if (room == 0 || !heed__multiply((size_t)rows, (size_t)outputs, &numbers)) {
    return heed__fail(HEED_OVERFLOW, "an output of %lld rows and %lld columns does not fit",
                      (long long)rows, (long long)outputs);
  }
  t->d_output = heed__alloc(numbers, sizeof(float));
  t->room = heed__alloc(room, 1);
  return t->d_output != NULL && t->room != NULL ? HEED_OK : HEED_NOMEM;
}

heed_status heed_trainer_new(heed_trainer **trainer, heed_model *model, const heed_task *task,
                             const heed_fit_spec *spec, uint64_t seed) {
  HEED__TRY(check(spec, task, model));
  heed_trainer *t = heed__alloc_zero(1, sizeof *t);
  if (t == NULL) return HEED_NOMEM;
  t->model = model;
  t->task = *task;
  t->spec = *spec;
  t->seed = seed;
  t->at.best_merit = -(double)INFINITY;
  t->at.best_loss = t->at.plateau_loss = (double)INFINITY;
  t->at.rate = spec->optimizer.rate;
  heed_status status = heed_optimizer_new(&t->optimizer, &spec->optimizer, model);
  if (status == HEED_OK) {
    status = task->collection != NULL ? heed__batches_new(&t->batches, model, task, spec)
             : heed__minibatches_wanted(spec, task)
                 ? heed__minibatches_new(&t->minibatches, model, task, spec, seed)
                 : reserve_parts(t);
  }
  if (status == HEED_OK) status = reserve(t);
  if (status != HEED_OK) {
    heed_trainer_free(t);
    return status;
  }
  *trainer = t;
  return HEED_OK;
}

bool heed__trainer_steps_are(const heed_trainer *trainer, int epochs, int64_t steps) {
  const heed__minibatches *minibatches = trainer->minibatches;
  if (minibatches != NULL && trainer->spec.clusters > 0) { /* some parts have nothing to learn from */
    return steps >= epochs && steps <= epochs * minibatches->steps;
  }
  if (minibatches != NULL) return steps == epochs * minibatches->steps;
  return steps == epochs * (trainer->batches != NULL ? trainer->batches->steps : 1);
}

void heed_trainer_free(heed_trainer *trainer) {
  if (trainer == NULL) return;
  part_free(&trainer->validation);
  part_free(&trainer->training);
  heed__batches_free(trainer->batches);
  heed__minibatches_free(trainer->minibatches);
  heed_optimizer_free(trainer->optimizer);
  heed__free(trainer->d_output);
  heed__free(trainer->room);
  heed__free(trainer->best_parameters);
  heed__free(trainer->best_state);
  heed__free(trainer);
}

bool heed__trainer_done(const heed_trainer *trainer) {
  return trainer->at.epoch >= trainer->spec.epochs ||
         (trainer->spec.patience > 0 && trainer->at.waited >= trainer->spec.patience);
}

/* Whether the epoch is to be kept; restarts the patience or counts. Of equally good epochs the
 * first is kept, but for BOTH, which is the GAT authors' code: as good as the best is good enough
 * there. A metric that a few nodes have soon driven to its best leaves the choice to the loss. */
static bool improve(const heed_fit_spec *spec, heed__progress *at, double val, double loss) {
  double merit = heed_metric_larger_is_better(spec->metric) ? val : -val;
  bool restart, keep;
  if (spec->watch == HEED_WATCH_BOTH) {
    restart = merit >= at->best_merit || loss <= at->best_loss;
    keep = merit >= at->best_merit && loss <= at->best_loss;
  } else if (spec->watch == HEED_WATCH_METRIC) {
    restart = merit > at->best_merit;
    keep = restart || (merit >= at->best_merit && loss < at->kept_loss);
  } else {
    restart = keep = loss < at->best_loss;
  }
  at->waited = restart ? 0 : at->waited + 1;
  if (merit > at->best_merit) at->best_merit = merit;
  if (loss < at->best_loss) at->best_loss = loss;
  return keep;
}

/* The rate of a plateau for the next epoch. */
static void look_for_plateau(const heed_optimizer_spec *spec, heed__progress *at, double loss) {
  if (loss < at->plateau_loss) {
    at->plateau_loss = loss;
    at->plateau_waited = 0;
  } else if (++at->plateau_waited >= spec->schedule_patience) {
    at->rate *= spec->factor;
    at->plateau_waited = 0;
  }
}

static heed_status train(heed_trainer *t, float rate, double *loss) {
  heed_matrix output;
  const heed__part *part = &t->training;
  if (t->batches != NULL) {
    return heed__batches_train(t->batches, t->optimizer, t->seed, t->at.epoch, rate, loss);
  }
  if (t->minibatches != NULL) {
    return heed__minibatches_train(t->minibatches, t->optimizer, t->seed, t->at.epoch, rate, loss);
  }
  uint64_t step = (uint64_t)t->at.epoch + 1;
  HEED__TRY(heed_pass_forward(part->pass, HEED_MODE_TRAIN, t->seed, step, &output));
  HEED__TRY(
      heed_loss_compute(t->spec.loss, &output, &part->targets, part->rows, t->d_output, loss));
  HEED__TRY(heed_pass_backward(part->pass, t->d_output));
  return heed_optimizer_step(t->optimizer, heed_pass_gradients(part->pass), rate);
}

static heed_status validate(heed_trainer *t, double *loss, double *val) {
  heed_matrix output;
  const heed__part *part = &t->validation;
  if (t->batches != NULL) return heed__batches_validate(t->batches, loss, val);
  if (t->minibatches != NULL) {
    return heed__minibatches_measure(t->minibatches, t->task.validation, loss, val);
  }
  HEED__TRY(heed_pass_forward(part->pass, HEED_MODE_EVALUATE, t->seed, 0, &output));
  HEED__TRY(heed_loss_compute(t->spec.loss, &output, &part->targets, part->rows, NULL, loss));
  return heed__metric_measure(t->spec.metric, &output, &part->targets, part->rows, t->room, val);
}

static heed_status test_of(const heed_trainer *t, double *value) {
  heed_matrix output;
  heed__part part;
  if (t->batches != NULL) return heed__batches_test(t->batches, value);
  if (t->minibatches != NULL) {
    return heed__minibatches_measure(t->minibatches, t->task.test, NULL, value);
  }
  HEED__TRY(part_new(&part, t, t->task.test, false, &t->training));
  heed_status status = heed_pass_forward(part.pass, HEED_MODE_EVALUATE, t->seed, 0, &output);
  if (status == HEED_OK) {
    status = heed_metric_compute(t->spec.metric, &output, &part.targets, part.rows, value);
  }
  part_free(&part);
  return status;
}

static void keep_parameters(heed_trainer *t) {
  memcpy(t->best_parameters, heed_model_parameters(t->model),
         (size_t)heed_model_parameter_count(t->model) * sizeof(float));
  if (t->best_state != NULL) {
    memcpy(t->best_state, heed_model_state(t->model),
           (size_t)heed_model_state_count(t->model) * sizeof(float));
  }
}

static void take_best(heed_trainer *t) {
  memcpy(heed_model_parameters(t->model), t->best_parameters,
         (size_t)heed_model_parameter_count(t->model) * sizeof(float));
  if (t->best_state != NULL) {
    memcpy(heed_model_state(t->model), t->best_state,
           (size_t)heed_model_state_count(t->model) * sizeof(float));
  }
  t->rescaled = false;
}

heed_status heed_trainer_epoch(heed_trainer *trainer, heed_epoch *epoch, bool *done) {
  heed_trainer *t = trainer;
  heed__progress *at = &t->at;
  const heed_optimizer_spec *optimizer = &t->spec.optimizer;
  double begin = heed_seconds(), train_loss, val_loss, val;
  int number = at->epoch + 1;
  if (number > t->spec.epochs) {
    return heed__fail(HEED_ARGUMENT, "epoch %d: there are to be %d", number, t->spec.epochs);
  }
  if (t->rescaled) take_best(t);
  bool plateau = optimizer->schedule == HEED_SCHEDULE_PLATEAU;
  float rate = plateau ? at->rate : heed_schedule_rate(optimizer, at->epoch, t->spec.epochs);
  heed_status status = train(t, rate, &train_loss);
  const char *part = "training";
  if (status == HEED_OK) {
    status = validate(t, &val_loss, &val);
    part = "validation";
  }
  if (status != HEED_OK) {
    return heed__fail(status, "epoch %d, %s: %s", number, part, heed_message());
  }
  at->epoch = number;
  bool kept = improve(&t->spec, at, val, val_loss);
  if (plateau) look_for_plateau(optimizer, at, val_loss);
  if (kept) {
    at->best_epoch = number;
    at->kept_val = val;
    at->kept_loss = val_loss;
    keep_parameters(t);
  }
  at->seconds += heed_seconds() - begin;
  *epoch = (heed_epoch){.seed = t->seed,
                        .runs = 1,
                        .epoch = number,
                        .epochs = t->spec.epochs,
                        .train_loss = train_loss,
                        .val_loss = val_loss,
                        .val = val,
                        .rate = (double)rate,
                        .best = kept,
                        .seconds = at->seconds};
  *done = heed__trainer_done(t);
  return HEED_OK;
}

heed_status heed_trainer_finish(heed_trainer *trainer, heed_run *run) {
  heed_trainer *t = trainer;
  const heed__progress *at = &t->at;
  if (at->best_epoch == 0) return heed__fail(HEED_ARGUMENT, "fit: no epoch was run");
  take_best(t);
  if (t->spec.standardize) {
    HEED__TRY(heed__batches_rescale(t->batches));
    t->rescaled = true;
  }
  double test = (double)NAN;
  heed_status status = t->task.test != NULL ? test_of(t, &test) : HEED_OK;
  if (status != HEED_OK) return heed__fail(status, "test: %s", heed_message());
  *run = (heed_run){.seed = t->seed,
                    .best_epoch = at->best_epoch,
                    .epochs = at->epoch,
                    .val_loss = at->kept_loss,
                    .val = at->kept_val,
                    .test = test,
                    .seconds = at->seconds};
  return HEED_OK;
}

heed_status heed_fit(heed_trainer *trainer, heed_watcher *watcher, void *context, heed_run *run) {
  bool done = heed__trainer_done(trainer), stopped = false;
  while (!done && !stopped) {
    heed_epoch epoch;
    HEED__TRY(heed_trainer_epoch(trainer, &epoch, &done));
    stopped = watcher != NULL && !watcher(context, &epoch);
  }
  HEED__TRY(heed_trainer_finish(trainer, run));
  run->stopped = stopped;
  return HEED_OK;
}
