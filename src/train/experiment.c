/* Experiments: many runs, over seeds and splits. */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/status.h"
#include "base/threads.h"
#include "train/trainer.h"

/* Multiply-adds of a step below which several runs at once use the processor better than the
 * parallel kernels of one, and below which they do so even with threads left over. */
#define SMALL_WORK 0x1p30
#define TINY_WORK 0x1p25

/* As much of a message as heed_message() keeps. */
enum { MESSAGE_BYTES = 2048 };

typedef struct campaign {
  const heed_experiment *of;
  heed_watcher *watcher;
  void *context;
  heed_run *runs; /* [n_runs] by number; one without epochs was not begun */
  int n_runs;
  pthread_mutex_t mutex; /* of watcher, runs, best and failure */
  atomic_bool stop;      /* all runs are to end: the watcher said so, or one failed */
  int failed;            /* the first run that did; n_runs: none */
  heed_status status;
  char message[MESSAGE_BYTES];
  heed_model *best;
  int best_run;
  int64_t parameters;
  int64_t bytes;   /* of a run */
  int64_t batches; /* of which mini-batches, as it begins: they may grow, */
  int64_t grown;   /* by so much */
} campaign;

/* A run from its making to its end. */
typedef struct single {
  heed_model *model;
  heed_trainer *trainer;
} single;

static void single_free(single *one) {
  heed_trainer_free(one->trainer);
  heed_model_free(one->model);
  *one = (single){NULL, NULL};
}

/* Seed by seed within split by split, or each seed with its own split. */
static int split_of(const heed_experiment *e, int number) {
  return e->paired ? number : number / e->n_seeds;
}

static heed_status single_new(const campaign *x, int number, single *one) {
  const heed_experiment *e = x->of;
  int split = split_of(e, number);
  uint64_t seed = e->seeds[number % e->n_seeds];
  heed_task task = {.inputs = e->inputs,
                    .collection = e->collection,
                    .targets = e->targets,
                    .train = e->train[split],
                    .validation = e->validation[split],
                    .test = e->test != NULL ? e->test[split] : NULL};
  *one = (single){NULL, NULL};
  heed_status status = heed_model_build(&one->model, e->model, seed);
  if (status == HEED_OK) {
    status = heed_trainer_new(&one->trainer, one->model, &task, e->fit, seed);
  }
  if (status != HEED_OK) single_free(one);
  return status;
}

/* Whether run a of these numbers is better than b: the validation metric decides, then its loss,
 * then which was first. */
static bool better(const campaign *x, int a, int b) {
  const heed_run *p = &x->runs[a], *q = &x->runs[b];
  if (p->val != q->val) {
    return heed_metric_larger_is_better(x->of->fit->metric) ? p->val > q->val : p->val < q->val;
  }
  return p->val_loss != q->val_loss ? p->val_loss < q->val_loss : a < b;
}

/* Takes over the model if it is the best so far. With the mutex held. */
static void offer(campaign *x, int number, single *one) {
  if (x->best != NULL && !better(x, number, x->best_run)) return;
  heed_model_free(x->best);
  x->best = one->model;
  x->best_run = number;
  one->model = NULL;
}

static heed_status resume(const campaign *x, single *one) {
  const heed_experiment *e = x->of;
  struct stat file;
  if (e->checkpoint == NULL || !e->resume) return HEED_OK;
  if (stat(e->checkpoint, &file) != 0) {
    if (errno == ENOENT) return HEED_OK;
    return heed__fail(HEED_IO, "%s: cannot be read: %s", e->checkpoint, strerror(errno));
  }
  return heed_trainer_resume(one->trainer, e->checkpoint);
}

/* Epochs until the run is done or all are to stop. */
static heed_status epochs(campaign *x, int number, single *one, bool *stopped) {
  const heed_experiment *e = x->of;
  bool done = heed__trainer_done(one->trainer);
  while (!done && !*stopped) {
    heed_epoch epoch;
    if (atomic_load(&x->stop)) {
      *stopped = true;
      break;
    }
    HEED__TRY(heed_trainer_epoch(one->trainer, &epoch, &done));
    int split = split_of(e, number);
    epoch.split = e->splits != NULL ? e->splits[split] : split;
    epoch.run = number;
    epoch.runs = x->n_runs;
    pthread_mutex_lock(&x->mutex);
    if (!atomic_load(&x->stop) && x->watcher != NULL && !x->watcher(x->context, &epoch)) {
      atomic_store(&x->stop, true);
    }
    *stopped = atomic_load(&x->stop);
    pthread_mutex_unlock(&x->mutex);
    bool due = e->checkpoint_every > 0 && epoch.epoch % e->checkpoint_every == 0;
    if (e->checkpoint != NULL && (due || *stopped)) {
      HEED__TRY(heed_trainer_save(one->trainer, e->checkpoint));
    }
  }
  return HEED_OK;
}

/* The run of that number, with `one` prepared for it. Ends `one`. */
static heed_status run(campaign *x, int number, single *one) {
  const heed_experiment *e = x->of;
  bool stopped = false;
  heed_status status = resume(x, one);
  if (status == HEED_OK) status = epochs(x, number, one, &stopped);
  if (status == HEED_OK && one->trainer->at.epoch > 0) {
    heed_run result;
    status = heed_trainer_finish(one->trainer, &result);
    if (status == HEED_OK) {
      int split = split_of(e, number);
      result.split = e->splits != NULL ? e->splits[split] : split;
      result.stopped = stopped;
      const heed__minibatches *batches = one->trainer->minibatches;
      int64_t more = batches == NULL ? 0 : heed__minibatches_bytes(batches) - x->batches;
      heed_trainer_free(one->trainer); /* another run may end the model as soon as it is offered */
      one->trainer = NULL;
      pthread_mutex_lock(&x->mutex);
      x->runs[number] = result;
      if (more > x->grown) x->grown = more;
      offer(x, number, one);
      pthread_mutex_unlock(&x->mutex);
    }
  }
  single_free(one);
  return status;
}

/* Keeps the failure of the run of lowest number for the caller's thread and ends the others. */
static void fail(campaign *x, int number, heed_status status) {
  pthread_mutex_lock(&x->mutex);
  if (number < x->failed) {
    x->failed = number;
    x->status = status;
    snprintf(x->message, sizeof x->message, "%s", heed_message());
  }
  atomic_store(&x->stop, true);
  pthread_mutex_unlock(&x->mutex);
}

/* Makes the run and runs it, unless all are to stop. */
static void make_and_run(campaign *x, int number) {
  single one;
  if (atomic_load(&x->stop)) return;
  heed_status status = single_new(x, number, &one);
  if (status == HEED_OK) status = run(x, number, &one);
  if (status != HEED_OK) fail(x, number, status);
}

/* What an epoch looks at: all nodes, all pairs of the mask, all pairs of nodes of one graph. */
typedef struct sizes {
  double nodes, pairs, all_pairs;
} sizes;

static sizes sizes_of(const heed_experiment *e) {
  const heed_mask *mask = e->inputs.mask;
  double pairs = mask != NULL ? (double)mask->n_pairs : 0, heads = 0, seen = 0;
  for (int g = 0; g < e->inputs.n_head_masks; g++) { /* of the mean head */
    heads += (double)e->inputs.mask_heads[g];
    seen += (double)e->inputs.mask_heads[g] * (double)e->inputs.head_masks[g]->n_pairs;
  }
  if (heads > 0) pairs = seen / heads;
  if (e->collection == NULL) {
    double nodes = (double)e->inputs.n_nodes;
    return (sizes){nodes, pairs, nodes * nodes};
  }
  sizes all = {(double)heed_collection_nodes(e->collection), pairs, 0};
  const int64_t *ptr = heed_collection_graph_ptr(e->collection);
  int64_t graphs = heed_collection_graphs(e->collection);
  for (int64_t g = 0; g < graphs; g++) {
    double n = (double)(ptr[g + 1] - ptr[g]);
    all.all_pairs += n * n;
  }
  return all;
}

/* Multiply-adds between two steps, roughly, which is an epoch unless graphs come in batches: every
 * product and every attention is done forward for training and for validation, and costs twice as
 * much backward. */
static double step_work(const heed_experiment *e, int64_t parameters) {
  const heed_model_spec *spec = e->model;
  sizes of = sizes_of(e);
  double work = of.nodes * (double)parameters;
  double width = (double)spec->hidden, first = (double)spec->features * width;
  if (e->collection == NULL && e->inputs.sparse != NULL && first <= (double)parameters) {
    work += (double)e->inputs.sparse->indptr[e->inputs.sparse->rows] * width - of.nodes * first;
  }
  double pairs = spec->kind == HEED_MODEL_MLP ? 0 : of.pairs;
  bool blocks = spec->kind == HEED_MODEL_TRANSFORMER;
  int32_t layers = blocks ? (int32_t)strnlen(spec->blocks, HEED_MAX_BLOCKS) : spec->layers;
  for (int32_t l = 0; l < layers; l++) {
    work += 2 * width * (blocks && spec->blocks[l] == 'S' ? of.all_pairs : pairs);
  }
  double share = 1;
  if (e->collection != NULL && e->fit->batch > 0) {
    double graphs = (double)heed_collection_graphs(e->collection);
    share = graphs > e->fit->batch ? e->fit->batch / graphs : 1;
  }
  return 4 * work * share;
}

static bool together(const campaign *x, heed__order order) {
  int threads = heed_threads();
  if (x->n_runs < 2) return false;
  if (order != HEED__ORDER_AUTO) return order == HEED__ORDER_TOGETHER;
  double work = step_work(x->of, x->parameters);
  return threads > 1 && work < (x->n_runs >= threads ? SMALL_WORK : TINY_WORK);
}

static void run_together(campaign *x) {
#pragma omp parallel num_threads(heed_threads())
  {
    bool before = heed__alone(true);
#pragma omp for schedule(dynamic, 1)
    for (int r = 0; r < x->n_runs; r++) make_and_run(x, r);
    (void)heed__alone(before);
  }
}

/* What a run holds: little is allocated in its epochs. Measured on one made before all others, for
 * those that run at once cannot be told apart, and with one thread, for the kernels' room grows
 * with them and the figure should not depend on the machine. */
static heed_status measure(campaign *x) {
  single one;
  int64_t held = heed__alloc_held_here();
  bool before = heed__alone(true);
  heed_status status = single_new(x, 0, &one);
  (void)heed__alone(before);
  if (status != HEED_OK) return status;
  x->bytes = heed__alloc_held_here() - held;
  if (one.trainer->minibatches != NULL) {
    x->batches = heed__minibatches_bytes(one.trainer->minibatches);
  }
  x->parameters = heed_model_parameter_count(one.model);
  single_free(&one);
  return HEED_OK;
}

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Runs that were begun move together; figures over them. `room` has n_runs numbers. */
static void sum_up(campaign *x, heed_experiment_result *result, double *room) {
  int n = 0;
  double tests = 0, vals = 0,
         squares = 0; /* beyond the first run's, so that equal ones deviate by 0 */
  for (int r = 0; r < x->n_runs; r++) {
    if (x->runs[r].epochs == 0) continue;
    if (r == x->best_run) result->best_run = n;
    x->runs[n] = x->runs[r];
    tests += x->runs[n].test - x->runs[0].test;
    vals += x->runs[n].val - x->runs[0].val;
    room[n] = 1e3 * x->runs[n].seconds / x->runs[n].epochs;
    n++;
  }
  result->n_runs = n;
  result->parameters = x->parameters;
  result->peak_bytes = x->bytes + x->grown;
  result->best = x->best;
  if (n == 0) {
    result->test_mean = result->test_std = result->val_mean = (double)NAN;
    return;
  }
  result->test_mean = x->runs[0].test + tests / n;
  result->val_mean = x->runs[0].val + vals / n;
  for (int r = 0; r < n; r++) {
    double off = x->runs[r].test - result->test_mean;
    squares += off * off;
  }
  result->test_std = n > 1 ? sqrt(squares / (n - 1)) : 0;
  qsort(room, (size_t)n, sizeof *room, by_size);
  result->ms_per_epoch = n % 2 == 1 ? room[n / 2] : (room[n / 2 - 1] + room[n / 2]) / 2;
}

static heed_status check(const heed_experiment *e) {
  if (e->n_seeds < 1 || e->n_splits < 1 || e->n_seeds > INT32_MAX / e->n_splits) {
    return heed__fail(HEED_ARGUMENT, "experiment: %d seeds and %d splits", e->n_seeds, e->n_splits);
  }
  if (e->paired && e->n_splits != e->n_seeds) {
    return heed__fail(HEED_ARGUMENT, "experiment: %d splits, but %d seeds to pair them with",
                      e->n_splits, e->n_seeds);
  }
  if (e->model == NULL || e->fit == NULL) {
    return heed__fail(HEED_ARGUMENT, "experiment: there is no %s",
                      e->model == NULL ? "model" : "fit");
  }
  if (e->seeds == NULL || e->train == NULL || e->validation == NULL) {
    return heed__fail(HEED_ARGUMENT, "experiment: there are no %s",
                      e->seeds == NULL   ? "seeds"
                      : e->train == NULL ? "rows for training"
                                         : "rows for validation");
  }
  if (e->checkpoint != NULL && (e->n_seeds > 1 || e->n_splits > 1)) {
    return heed__fail(HEED_ARGUMENT, "experiment: a checkpoint is of one run, but there are %d",
                      e->n_seeds * e->n_splits);
  }
  return HEED_OK;
}

heed_status heed__experiment_run(const heed_experiment *e, heed_watcher *watcher, void *context,
                                 heed__order order, heed_experiment_result *result) {
  heed_run *runs = result->runs;
  *result = (heed_experiment_result){.runs = runs};
  HEED__TRY(check(e));
  campaign x = {.of = e,
                .mutex = PTHREAD_MUTEX_INITIALIZER,
                .watcher = watcher,
                .context = context,
                .runs = runs,
                .n_runs = e->paired ? e->n_seeds : e->n_seeds * e->n_splits};
  x.failed = x.n_runs;
  for (int r = 0; r < x.n_runs; r++) runs[r] = (heed_run){.epochs = 0};
  double *room = heed__alloc((size_t)x.n_runs, sizeof *room);
  if (room == NULL) return HEED_NOMEM;
  heed_status status = measure(&x);
  if (status == HEED_OK) {
    if (together(&x, order)) {
      run_together(&x);
    } else {
      for (int r = 0; r < x.n_runs; r++) make_and_run(&x, r);
    }
    if (x.failed < x.n_runs) status = heed__fail(x.status, "%s", x.message);
  }
  if (status == HEED_OK) {
    sum_up(&x, result, room);
  } else {
    heed_model_free(x.best);
  }
  heed__free(room);
  pthread_mutex_destroy(&x.mutex);
  return status;
}

heed_status heed_experiment_run(const heed_experiment *experiment, heed_watcher *watcher,
                                void *context, heed_experiment_result *result) {
  return heed__experiment_run(experiment, watcher, context, HEED__ORDER_AUTO, result);
}
