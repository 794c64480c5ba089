/* Learning from a collection: rows are its graphs, a step is taken for every batch of them. */
#include "train/batches.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/random.h"
#include "base/status.h"
#include "base/threads.h"
#include "matrix/loops.h"
#include "model/model.h"
#include "train/loss.h"
#include "train/metric.h"

/* Graphs at once where nobody says how many; graphs of a shard, of which products are still fast, and
 * shards at most. */
enum { USUAL = 64, SHARD = 16, SHARDS = 16 };

/* Orders are drawn from streams from here on; parameters and dropout have the lower ones. */
static const uint64_t first_stream = (uint64_t)1 << 33;

void heed__batches_shuffle(uint64_t seed, int epoch, int64_t *order, int64_t n) {
  uint32_t random[4] = {0};
  for (int64_t i = 0; i < n; i++) order[i] = i;
  for (int64_t i = n - 1, drawn = 0; i > 0; i--, drawn++) { /* Fisher and Yates */
    if (drawn % 4 == 0) {
      heed__random4(seed, first_stream + (uint64_t)epoch, (uint64_t)drawn / 4, random);
    }
    int64_t other = (int64_t)((uint64_t)random[drawn % 4] * (uint64_t)(i + 1) >> 32);
    int64_t place = order[i];
    order[i] = order[other];
    order[other] = place;
  }
}

static void shards_free(heed__shards *shards) {
  for (int k = 0; k < shards->n; k++) {
    heed_pass_free(shards->of[k].pass);
    heed_batch_free(shards->of[k].batch);
  }
  heed__free(shards->of);
  *shards = (heed__shards){0};
}

/* Batch norm goes over all nodes of a step. */
static bool has_batch_norm(const heed_model *model) {
  for (int l = 0; l < model->n_layers; l++) {
    const heed__layer *layer = model->layers + l;
    if (layer->kind == HEED__NORMALIZE && layer->norm == HEED_NORM_BATCH) return true;
  }
  return false;
}

/* Room for `most` graphs at once. Ends what it began if it fails. */
static heed_status shards_new(heed__shards *shards, heed_model *model,
                              const heed_collection *collection, const heed_model_inputs *pairs,
                              int64_t most, bool training) {
  int64_t n = (most + SHARD - 1) / SHARD;
  if (n > SHARDS) n = SHARDS;
  if (training && has_batch_norm(model)) n = 1;
  *shards = (heed__shards){.of = heed__alloc_zero((size_t)n, sizeof *shards->of)};
  if (shards->of == NULL) return HEED_NOMEM;
  shards->n = (int)n;
  shards->most = (most + n - 1) / n;
  heed_status status = HEED_OK;
  for (int k = 0; k < shards->n && status == HEED_OK; k++) {
    heed__shard *one = shards->of + k;
    status = heed_batch_new(&one->batch, collection, pairs, shards->most);
    if (status != HEED_OK) break;
    heed_model_capacity capacity = heed_batch_capacity(one->batch);
    status = heed_pass_reserve(&one->pass, model, &capacity, training);
  }
  if (status != HEED_OK) shards_free(shards);
  return status;
}

/* Keeps what the calling thread was told. */
static void shard_end(heed__shard *one, heed_status status) {
  one->status = status;
  if (status != HEED_OK) snprintf(one->message, sizeof one->message, "%s", heed_message());
}

/* The first failure of any. */
static heed_status shards_status(const heed__shards *shards) {
  for (int k = 0; k < shards->n; k++) {
    const heed__shard *one = shards->of + k;
    if (one->status != HEED_OK) return heed__fail(one->status, "%s", one->message);
  }
  return HEED_OK;
}

/* BODY for each task of `count`, by as many threads as there are shards at most, each of which then works
 * alone; if there is but one task, by the calling one, to whom the kernels' threads stay. BODY knows `task`
 * and its `shard`, of which no two threads have the same. */
#define OVER_TASKS(shards, count, BODY)                                           \
  do {                                                                            \
    int64_t count_ = (count);                                                     \
    int threads_ = heed_threads() < (shards)->n ? heed_threads() : (shards)->n;   \
    if (count_ < threads_) threads_ = (int)count_;                                \
    if (threads_ <= 1) {                                                          \
      heed__shard *shard = (shards)->of;                                          \
      for (int64_t task = 0; task < count_; task++) BODY                          \
    } else {                                                                      \
      _Pragma("omp parallel num_threads(threads_)") {                             \
        heed__shard *shard = (shards)->of + heed__thread();                       \
        bool before_ = heed__alone(true);                                         \
        _Pragma("omp for schedule(dynamic, 1)")                                   \
        for (int64_t task = 0; task < count_; task++) BODY                        \
        (void)heed__alone(before_);                                               \
      }                                                                           \
    }                                                                             \
  } while (0)

static heed_status bind(const heed__shard *one, const int64_t *graphs, int64_t n) {
  HEED__TRY(heed_batch_take(one->batch, graphs, n));
  HEED__TRY(heed_pass_bind(one->pass, heed_batch_inputs(one->batch)));
  if (heed_pass_rows(one->pass) == n) return HEED_OK;
  return heed__fail(HEED_ARGUMENT, "model: it gives %lld rows for %lld graphs, not one each",
                    (long long)heed_pass_rows(one->pass), (long long)n);
}

/* The output of the graphs [n] into [n, outputs]. */
static heed_status forward(const heed__shard *one, const int64_t *graphs, int64_t n, heed_mode mode,
                           uint64_t seed, uint64_t step, float *into) {
  heed_matrix output;
  HEED__TRY(bind(one, graphs, n));
  HEED__TRY(heed_pass_forward(one->pass, mode, seed, step, &output));
  for (int64_t i = 0; i < n; i++) {
    memcpy(into + i * output.cols, output.data + i * output.stride,
           (size_t)output.cols * sizeof *into);
  }
  return HEED_OK;
}

/* What the model gives for each of the graphs [n]: [n, outputs]. Every graph gives the bits it gives alone,
 * so any shard may take any. */
static heed_status collect(heed__shards *shards, const int64_t *graphs, int64_t n, int64_t outputs,
                           float *into) {
  int64_t chunks = (n + shards->most - 1) / shards->most;
  for (int k = 0; k < shards->n; k++) shards->of[k].status = HEED_OK;
  OVER_TASKS(shards, chunks, {
    int64_t first = task * shards->most;
    int64_t many = n - first < shards->most ? n - first : shards->most;
    if (shard->status == HEED_OK) {
      shard_end(shard, forward(shard, graphs + first, many, HEED_MODE_EVALUATE, 0, 0,
                               into + first * outputs));
    }
  });
  return shards_status(shards);
}

heed_status heed_predict_collection(heed_model *model, const heed_collection *collection,
                                    const heed_model_inputs *pairs, int batch, float *output) {
  if (batch < 0) return heed__fail(HEED_ARGUMENT, "batch: %d graphs", batch);
  int64_t n = heed_collection_graphs(collection), most = batch == 0 ? USUAL : batch;
  if (most > n) most = n;
  if (n == 0) return HEED_OK;
  heed__shards shards;
  HEED__TRY(shards_new(&shards, model, collection, pairs, most, false));
  int64_t *graphs = heed__alloc((size_t)n, sizeof *graphs);
  heed_status status = graphs == NULL ? HEED_NOMEM : HEED_OK;
  if (status == HEED_OK) {
    for (int64_t g = 0; g < n; g++) graphs[g] = g;
    status = collect(&shards, graphs, n, heed_model_output_count(model), output);
  }
  heed__free(graphs);
  shards_free(&shards);
  return status;
}

/* Entries of a graph's targets that the loss knows of. */
static int64_t known(const heed__batches *b, int64_t graph) {
  return heed__loss_known(b->loss, &b->task.targets, b->outputs, graph);
}

static void graphs_free(heed__graphs *part) {
  heed__free(part->graphs);
  heed__free(part->labels);
  heed__free(part->values);
  heed__free(part->scaled);
  heed__free(part->output);
  *part = (heed__graphs){0};
}

/* The graphs with marks[graph] not 0 of which anything is known. `name` is the part's. */
static heed_status graphs_new(heed__graphs *part, const heed__batches *b, const uint8_t *marks,
                              const char *name) {
  const heed_targets *from = &b->task.targets;
  int64_t all = heed_collection_graphs(b->task.collection), n;
  size_t width = (size_t)b->outputs * sizeof(float);
  *part = (heed__graphs){0};
  HEED__TRY(heed__loss_check_rows(b->loss, from, b->outputs, marks, all, name, "graph", &n));
  part->graphs = heed__alloc((size_t)n, sizeof *part->graphs);
  if (from->labels != NULL) part->labels = heed__alloc((size_t)n, sizeof *part->labels);
  if (from->values != NULL) part->values = heed__alloc((size_t)n, width);
  if (part->graphs == NULL || (from->labels != NULL && part->labels == NULL) ||
      (from->values != NULL && part->values == NULL)) {
    graphs_free(part);
    return HEED_NOMEM;
  }
  for (int64_t g = 0; g < all; g++) {
    if (marks[g] == 0 || known(b, g) == 0) continue;
    part->graphs[part->n] = g;
    if (part->labels != NULL) part->labels[part->n] = from->labels[g];
    if (part->values != NULL) {
      memcpy(part->values + part->n * b->outputs, from->values + g * b->outputs, width);
    }
    part->n++;
  }
  return HEED_OK;
}

/* Mean and deviation of each column of the training's known targets, both over the differences from the
 * first one, so that a column of equal numbers deviates by 0, which counts as 1. */
static heed_status find_units(heed__batches *b) {
  b->mean = heed__alloc((size_t)b->outputs, sizeof *b->mean);
  b->deviation = heed__alloc((size_t)b->outputs, sizeof *b->deviation);
  if (b->mean == NULL || b->deviation == NULL) return HEED_NOMEM;
  for (int64_t c = 0; c < b->outputs; c++) {
    double first = 0, sum = 0, squares = 0;
    int64_t n = 0;
    for (int64_t i = 0; i < b->train.n; i++) {
      float value = b->train.values[i * b->outputs + c];
      if (isnan(value)) continue;
      if (n++ == 0) first = (double)value;
      sum += (double)value - first;
    }
    double off = n > 0 ? sum / (double)n : 0;
    for (int64_t i = 0; i < b->train.n; i++) {
      double value = (double)b->train.values[i * b->outputs + c];
      if (!isnan(value)) squares += (value - first - off) * (value - first - off);
    }
    double deviation = n > 0 ? sqrt(squares / (double)n) : 0;
    b->mean[c] = first + off;
    b->deviation[c] = deviation > 0 ? deviation : 1;
  }
  return HEED_OK;
}

/* The part's targets as the loss sees them. */
static heed_status scale(heed__graphs *part, const heed__batches *b) {
  part->scaled = heed__alloc((size_t)part->n, (size_t)b->outputs * sizeof *part->scaled);
  if (part->scaled == NULL) return HEED_NOMEM;
  for (int64_t i = 0; i < part->n * b->outputs; i++) {
    int64_t c = i % b->outputs;
    part->scaled[i] = (float)(((double)part->values[i] - b->mean[c]) / b->deviation[c]);
  }
  return HEED_OK;
}

static heed_status check_spec(const heed__batches *b, const heed_fit_spec *spec) {
  HEED__TRY(heed__loss_check_targets(spec->loss, &b->task.targets, b->outputs));
  if (!spec->standardize) return HEED_OK;
  if (spec->loss != HEED_LOSS_SQUARED && spec->loss != HEED_LOSS_ABSOLUTE) {
    return heed__fail(HEED_ARGUMENT, "standardize: the loss is %s, not of numbers",
                      heed_loss_name(spec->loss));
  }
  return heed__model_rescale(b->model, NULL, NULL);
}

/* Shards and arrays for `most` graphs at once. */
static heed_status reserve(heed__batches *b) {
  HEED__TRY(shards_new(&b->shards, b->model, b->task.collection, &b->task.inputs, b->most, true));
  size_t most = (size_t)b->most, width = (size_t)b->outputs * sizeof(float);
  size_t parameters = b->shards.n > 1 ? (size_t)heed_model_parameter_count(b->model) : 0;
  size_t room = heed__metric_room(b->metric, b->validation.n, b->outputs);
  b->order = heed__alloc((size_t)b->train.n, sizeof *b->order);
  b->taken = heed__alloc(most, sizeof *b->taken);
  b->labels = heed__alloc(most, sizeof *b->labels);
  b->values = heed__alloc(most, width);
  b->output = heed__alloc(most, width);
  b->d_output = heed__alloc(most, width);
  b->gradients = heed__alloc((size_t)b->shards.n * parameters, sizeof *b->gradients);
  b->validation.output = heed__alloc((size_t)b->validation.n, width);
  b->room = room == 0 ? NULL : heed__alloc(room, 1);
  if (b->order == NULL || b->taken == NULL || b->labels == NULL || b->values == NULL ||
      b->output == NULL || b->d_output == NULL || b->gradients == NULL ||
      b->validation.output == NULL || b->room == NULL) {
    return HEED_NOMEM;
  }
  /* Tells at once, not in the first epoch, if model and collection do not go together. */
  return bind(b->shards.of, b->train.graphs, b->shards.most);
}

static heed_status prepare(heed__batches *b, const heed_fit_spec *spec) {
  HEED__TRY(check_spec(b, spec));
  HEED__TRY(graphs_new(&b->train, b, b->task.train, "training"));
  HEED__TRY(graphs_new(&b->validation, b, b->task.validation, "validation"));
  if (b->task.test != NULL) { /* tells now what would be told after the last epoch */
    heed__graphs test;
    HEED__TRY(graphs_new(&test, b, b->task.test, "test"));
    graphs_free(&test);
  }
  if (spec->standardize) {
    HEED__TRY(find_units(b));
    HEED__TRY(scale(&b->train, b));
    HEED__TRY(scale(&b->validation, b));
  }
  int64_t size = spec->batch == 0 || spec->batch > b->train.n ? b->train.n : spec->batch;
  b->steps = (b->train.n + size - 1) / size;
  b->most = (b->train.n + b->steps - 1) / b->steps;
  return reserve(b);
}

heed_status heed__batches_new(heed__batches **batches, heed_model *model, const heed_task *task,
                              const heed_fit_spec *spec) {
  heed__batches *b = heed__alloc_zero(1, sizeof *b);
  if (b == NULL) return HEED_NOMEM;
  b->model = model;
  b->task = *task;
  b->loss = spec->loss;
  b->metric = spec->metric;
  b->outputs = heed_model_output_count(model);
  heed_status status = prepare(b, spec);
  if (status != HEED_OK) {
    heed__batches_free(b);
    return status;
  }
  *batches = b;
  return HEED_OK;
}

void heed__batches_free(heed__batches *batches) {
  if (batches == NULL) return;
  shards_free(&batches->shards);
  graphs_free(&batches->train);
  graphs_free(&batches->validation);
  heed__free(batches->order);
  heed__free(batches->taken);
  heed__free(batches->labels);
  heed__free(batches->values);
  heed__free(batches->output);
  heed__free(batches->d_output);
  heed__free(batches->gradients);
  heed__free(batches->room);
  heed__free(batches->mean);
  heed__free(batches->deviation);
  heed__free(batches);
}

/* Puts the training graphs at places[n] and their targets into the batch's arrays; returns how many
 * entries count, which is never 0. */
static int64_t gather(heed__batches *b, const int64_t *places, int64_t n) {
  const heed__graphs *from = &b->train;
  const float *values = from->scaled != NULL ? from->scaled : from->values;
  int64_t count = 0;
  for (int64_t i = 0; i < n; i++) {
    int64_t place = places[i];
    b->taken[i] = from->graphs[place];
    count += known(b, b->taken[i]);
    if (from->labels != NULL) b->labels[i] = from->labels[place];
    if (values != NULL) {
      memcpy(b->values + i * b->outputs, values + place * b->outputs,
             (size_t)b->outputs * sizeof *values);
    }
  }
  return count;
}

/* Gradients of the loss of the step's graphs at first to first + n, as their part of a step in which `all`
 * entries count; *loss is their part of the mean. */
static heed_status differentiate(heed__batches *b, const heed__shard *shard, int64_t first,
                                 int64_t n, int64_t all, uint64_t seed, uint64_t step,
                                 double *loss) {
  int64_t count = 0, at = first * b->outputs;
  heed_targets targets = {b->task.targets.labels != NULL ? b->labels + first : NULL,
                          b->task.targets.values != NULL ? b->values + at : NULL};
  heed_matrix output = heed_matrix_view(b->output + at, n, b->outputs);
  float *d_output = b->d_output + at;
  for (int64_t i = 0; i < n; i++) count += known(b, b->taken[first + i]);
  double share = (double)count / (double)all;
  HEED__TRY(forward(shard, b->taken + first, n, HEED_MODE_TRAIN, seed, step, output.data));
  HEED__TRY(heed_loss_compute(b->loss, &output, &targets, NULL, d_output, loss));
  *loss *= share;
  for (int64_t i = 0; count != all && i < n * b->outputs; i++) d_output[i] *= (float)share;
  return heed_pass_backward(shard->pass, d_output);
}

/* Loss and gradients of the graphs b->taken[n], in which `all` entries count; step by step from number
 * `step` on dropout is another. */
static heed_status step_gradients(heed__batches *b, int64_t n, int64_t all, uint64_t seed,
                                  uint64_t step, double *loss, float **gradients) {
  heed__shards *shards = &b->shards;
  int64_t m = shards->n, parameters = heed_model_parameter_count(b->model);
  double losses[SHARDS] = {0};
  for (int k = 0; k < shards->n; k++) shards->of[k].status = HEED_OK;
  OVER_TASKS(shards, m, {
    int64_t first = n * task / m;
    int64_t many = n * (task + 1) / m - first;
    if (shard->status == HEED_OK) {
      shard_end(shard, differentiate(b, shard, first, many, all, seed,
                                     step * (uint64_t)m + (uint64_t)task + 1, losses + task));
    }
    if (m > 1) {
      memcpy(b->gradients + task * parameters, heed_pass_gradients(shard->pass),
             (size_t)parameters * sizeof(float));
    }
  });
  HEED__TRY(shards_status(shards));
  *loss = 0;
  for (int64_t k = 0; k < m; k++) *loss += losses[k];
  for (int64_t k = 1; k < m; k++) {
    heed__accumulate(parameters, b->gradients + k * parameters, b->gradients);
  }
  *gradients = m > 1 ? b->gradients : heed_pass_gradients(shards->of[0].pass);
  return HEED_OK;
}

heed_status heed__batches_train(heed__batches *b, heed_optimizer *optimizer, uint64_t seed,
                                int epoch, float rate, double *loss) {
  double sum = 0;
  int64_t entries = 0;
  heed__batches_shuffle(seed, epoch, b->order, b->train.n);
  for (int64_t s = 0; s < b->steps; s++) {
    /* As even as can be: their numbers of graphs differ by one at most. */
    int64_t first = b->train.n * s / b->steps, n = b->train.n * (s + 1) / b->steps - first;
    int64_t count = gather(b, b->order + first, n);
    uint64_t step = (uint64_t)epoch * (uint64_t)b->steps + (uint64_t)s;
    double value;
    float *gradients;
    HEED__TRY(step_gradients(b, n, count, seed, step, &value, &gradients));
    HEED__TRY(heed_optimizer_step(optimizer, gradients, rate));
    sum += value * (double)count;
    entries += count;
  }
  *loss = sum / (double)entries;
  return HEED_OK;
}

heed_status heed__batches_validate(heed__batches *b, double *loss, double *value) {
  heed__graphs *part = &b->validation;
  heed_matrix output = heed_matrix_view(part->output, part->n, b->outputs);
  heed_targets own = {part->labels, part->values};
  heed_targets scaled = {part->labels, part->scaled != NULL ? part->scaled : part->values};
  HEED__TRY(collect(&b->shards, part->graphs, part->n, b->outputs, part->output));
  HEED__TRY(heed_loss_compute(b->loss, &output, &scaled, NULL, NULL, loss));
  for (int64_t i = 0; b->mean != NULL && i < part->n * b->outputs; i++) {
    int64_t c = i % b->outputs;
    part->output[i] = (float)((double)part->output[i] * b->deviation[c] + b->mean[c]);
  }
  return heed__metric_measure(b->metric, &output, &own, NULL, b->room, value);
}

heed_status heed__batches_rescale(heed__batches *b) {
  return b->mean == NULL ? HEED_OK : heed__model_rescale(b->model, b->deviation, b->mean);
}

heed_status heed__batches_test(heed__batches *b, double *value) {
  heed__graphs part;
  HEED__TRY(graphs_new(&part, b, b->task.test, "test"));
  part.output = heed__alloc((size_t)part.n, (size_t)b->outputs * sizeof *part.output);
  heed_status status = part.output == NULL ? HEED_NOMEM : HEED_OK;
  if (status == HEED_OK) {
    status = collect(&b->shards, part.graphs, part.n, b->outputs, part.output);
  }
  if (status == HEED_OK) {
    heed_matrix output = heed_matrix_view(part.output, part.n, b->outputs);
    heed_targets targets = {part.labels, part.values};
    status = heed_metric_compute(b->metric, &output, &targets, NULL, value);
  }
  graphs_free(&part);
  return status;
}
