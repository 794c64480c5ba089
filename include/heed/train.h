/** @file
 *  Room train: losses, metrics, optimisers, fitting a model, experiments over seeds and splits, and
 *  checkpoints. */
#ifndef HEED_TRAIN_H
#define HEED_TRAIN_H

#include <heed/data.h>
#include <heed/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/** @name Losses and metrics
 *  @{ */

/** What is made small. Means over the rows that count. */
typedef enum heed_loss {
  HEED_LOSS_CROSS_ENTROPY = 0,        /**< -log softmax(x)[label] */
  HEED_LOSS_BINARY_CROSS_ENTROPY = 1, /**< of sigmoid(x) and a target in [0, 1], each column; targets that
                                           are NaN do not count */
  HEED_LOSS_SQUARED = 2,              /**< (x - target)^2 */
  HEED_LOSS_ABSOLUTE = 3              /**< |x - target| */
} heed_loss;

/** What is measured. The first five go by labels, or, without them, by target values: then every column
 *  is a question of its own, its sign the answer and a target of at least 0.5 a yes. RMSE and MAE go by
 *  target values, over all entries that count. */
typedef enum heed_metric {
  HEED_METRIC_ACCURACY = 0,
  HEED_METRIC_MACRO_F1 = 1, /**< over the classes that occur as a label or as a prediction */
  HEED_METRIC_MICRO_F1 = 2,
  HEED_METRIC_ROC_AUC = 3,  /**< ties count half (Hand and Till 2001 for the rank form); the mean over
                                 columns, of more than two classes each against the rest; a column with
                                 one class only does not count */
  HEED_METRIC_MCC = 4,      /**< R_K for more than two classes (Gorodkin 2004); 0 if all labels or all
                                 predictions are one class */
  HEED_METRIC_RMSE = 5,
  HEED_METRIC_MAE = 6
} heed_metric;

/** What rows should give: labels, or targets. */
typedef struct heed_targets {
  const int32_t *labels; /**< [rows], negative ones do not count; for CROSS_ENTROPY, and, with one output
                              column, BINARY_CROSS_ENTROPY */
  const float *values;   /**< [rows, cols]; NaN does not count; for the other losses */
} heed_targets;

/** The loss over the rows with `rows[i]` not 0 (NULL: all), and its gradient.
 *  @param gradient [rows, cols] of the caller, or NULL; rows that do not count get zeros
 *  @return HEED_ARGUMENT without any row that counts, HEED_RANGE for a label the output has no column
 *  for, HEED_VALUE if the loss is not finite */
HEED_API HEED_CHECKED heed_status heed_loss_compute(heed_loss loss, const heed_matrix *output,
                                                    const heed_targets *targets,
                                                    const uint8_t *rows, float *gradient,
                                                    double *value);

/** The metric over the same rows. With one output column a class is its sign.
 *  @return HEED_ARGUMENT without any row that counts, or where it is not defined (one class in ROC AUC);
 *  HEED_RANGE for a label the output has no column for, HEED_VALUE if ROC AUC meets NaN, HEED_NOMEM */
HEED_API HEED_CHECKED heed_status heed_metric_compute(heed_metric metric, const heed_matrix *output,
                                                      const heed_targets *targets,
                                                      const uint8_t *rows, double *value);

/** Whether a larger value is better. */
HEED_API bool heed_metric_larger_is_better(heed_metric metric);
HEED_API const char *heed_metric_name(heed_metric metric); /**< "accuracy", "macro-f1", ... */
HEED_API HEED_CHECKED heed_status heed_metric_from_name(const char *name, heed_metric *metric);
HEED_API const char *heed_loss_name(heed_loss loss);
HEED_API HEED_CHECKED heed_status heed_loss_from_name(const char *name, heed_loss *loss);

/** @}
 *  @name Optimisers
 *  @{ */

typedef enum heed_optimizer_kind {
  HEED_OPTIMIZER_ADAM = 0, /**< decay as part of the gradient (Kingma and Ba 2015, algorithm 1) */
  HEED_OPTIMIZER_ADAMW = 1 /**< decay apart from it (Loshchilov and Hutter 2019, algorithm 2) */
} heed_optimizer_kind;

typedef enum heed_schedule {
  HEED_SCHEDULE_CONSTANT = 0,
  HEED_SCHEDULE_COSINE = 1, /**< linear warm-up, (epoch + 1) / warmup of the rate in the first `warmup`
                                 epochs, then half a cosine from the rate to 0 at the last epoch
                                 (Loshchilov and Hutter 2017) */
  HEED_SCHEDULE_PLATEAU = 2 /**< times `factor` whenever the validation loss has not improved for
                                 `schedule_patience` epochs */
} heed_schedule;

typedef struct heed_optimizer_spec {
  heed_optimizer_kind kind;
  float rate;         /**< learning rate */
  float beta1, beta2, epsilon;
  float weight_decay;
  bool decay_all;     /**< also biases and norms, as PyTorch does; else only weights */
  float clip;         /**< largest Euclidean norm of the whole gradient; 0: none (Pascanu et al. 2013) */
  heed_schedule schedule;
  int warmup;
  float factor;
  int schedule_patience;
} heed_optimizer_spec;

/** Adam, rate 0.001, 0.9, 0.999, 1e-8, no decay, no clipping, constant. */
HEED_API heed_optimizer_spec heed_optimizer_spec_default(void);

/** The moments and the number of steps. Opaque. */
typedef struct heed_optimizer heed_optimizer;

/** For the parameters of a model, which must outlive it. @return HEED_ARGUMENT, HEED_NOMEM */
HEED_API HEED_CHECKED heed_status heed_optimizer_new(heed_optimizer **optimizer,
                                                     const heed_optimizer_spec *spec,
                                                     heed_model *model);
HEED_API void heed_optimizer_free(heed_optimizer *optimizer);

/** One step at `rate` against the gradients; clipping scales what is applied. Allocates nothing.
 *  @return HEED_VALUE if the gradient's norm is not finite; nothing is changed then */
HEED_API HEED_CHECKED heed_status heed_optimizer_step(heed_optimizer *optimizer, float *gradients,
                                                      float rate);

/** The rate of an epoch from 0 on, of `epochs`; a plateau's is the trainer's business. */
HEED_API float heed_schedule_rate(const heed_optimizer_spec *spec, int epoch, int epochs);

/** @}
 *  @name Fitting
 *  @{ */

/** What improves: keeps the best epoch and restarts the patience. */
typedef enum heed_watch {
  HEED_WATCH_METRIC = 0, /**< of epochs with the same metric, that of the lowest loss is kept */
  HEED_WATCH_LOSS = 1,
  HEED_WATCH_BOTH = 2 /**< the GAT paper's code: patience restarts if either is as good as its best; the
                           epoch is kept if both are */
} heed_watch;

/** How to fit. Start from heed_fit_spec_default(). */
typedef struct heed_fit_spec {
  heed_loss loss;
  heed_metric metric;
  heed_optimizer_spec optimizer;
  int epochs;       /**< at most */
  int patience;     /**< epochs without improvement before it stops; 0: never */
  heed_watch watch;
  int batch;        /**< graphs (or target nodes, see `fanouts`) of a step at most; 0: all at once. Of a collection the training graphs that have a known
                         target are shuffled anew for each epoch, from (seed, epoch), and shared out evenly; all
                         steps of an epoch have its rate */
  int fanouts;      /**< one large graph: above 0, training is on mini-batches of `batch` target nodes (0: all) with
                         drawn neighbours, see heed_sampler_new(): */
  int32_t fanout[HEED_MAX_HOPS]; /**< [fanouts], from the targets outwards, -1: all; one for each masked layer, or one
                         for all layers. The training nodes of a known target are shuffled anew for each epoch, rows are
                         drawn from (seed, epoch, batch). `batch` alone: all neighbours. With masks of heads of the
                         pairs that any head sees; each sees its own among those drawn */
  int clusters;     /**< one large graph: above 0, training is on mini-batches of whole parts of the mask, of
                         which heed_mask_partition() makes so many */
  int cluster_batch; /**< parts of a step, at least 1: shuffled anew for each epoch from (seed, epoch); pairs between
                         parts of a step are kept, those to other parts left out */
  bool standardize; /**< collections of numbers: the loss is of targets less their mean over their deviation, column by
                         column, both of the training graphs; metrics are in the targets' own units, and
                         heed_trainer_finish() puts mean and deviation into the model's last linear layer */
} heed_fit_spec;

/** Cross-entropy, accuracy, the default optimiser, 1000 epochs, patience 100, METRIC. */
HEED_API heed_fit_spec heed_fit_spec_default(void);

/** What is to be learnt: inputs, targets and which rows are for what. All the caller's. */
typedef struct heed_task {
  heed_model_inputs inputs;  /**< where there is a collection only what is of its pairs, as heed_batch_new() takes it */
  const heed_collection *collection; /**< rows are its graphs, taken in batches; NULL: rows are nodes, or, of a
                                          model that pools, the graphs of `inputs` */
  heed_targets targets;
  const uint8_t *train;      /**< [rows] */
  const uint8_t *validation; /**< [rows] */
  const uint8_t *test;       /**< [rows]; NULL: no test */
} heed_task;

/** One epoch as it was. The validation is of the parameters after its step. */
typedef struct heed_epoch {
  uint64_t seed;
  int split;
  int run;       /**< of an experiment, from 0 */
  int runs;
  int epoch;     /**< from 1 */
  int epochs;    /**< at most */
  double train_loss;
  double val_loss;
  double val;    /**< metric */
  double rate;
  bool best;
  double seconds; /**< since the run began */
} heed_epoch;

/** Is told of every epoch, in order within a run; calls of different runs never overlap. false: stop
 *  cleanly, the best kept. */
typedef bool heed_watcher(void *context, const heed_epoch *epoch);

/** What a run came to. */
typedef struct heed_run {
  uint64_t seed;
  int split;
  int best_epoch;   /**< from 1 */
  int epochs;       /**< that were run */
  double val_loss;  /**< at the best epoch, as are the next two */
  double val;
  double test;      /**< NaN without a test */
  double seconds;
  bool stopped;     /**< by the watcher */
} heed_run;

/** A fit in progress: model, optimiser, pass, the best parameters so far. Opaque. */
typedef struct heed_trainer heed_trainer;

/** Prepares. The model and all of `task` must outlive it. `seed` is that of dropout, of the order of a
 *  collection's graphs or of training nodes, and of the neighbours drawn. With mini-batches of one graph
 *  validation and test are heed_model_infer() over the whole of it.
 *  @return any status of heed_pass_new() and heed_optimizer_new(); of a collection any of heed_batch_new(),
 *  heed_pass_reserve() and heed_pass_bind(), HEED_ARGUMENT for a model whose output is not a row a graph,
 *  and of mini-batches a row a node; of all HEED_ARGUMENT for a model that is not finished or a part without any
 *  known target, HEED_RANGE for a target that the loss has no use for, by the number of its node or graph */
HEED_API HEED_CHECKED heed_status heed_trainer_new(heed_trainer **trainer, heed_model *model,
                                                   const heed_task *task, const heed_fit_spec *spec,
                                                   uint64_t seed);
HEED_API void heed_trainer_free(heed_trainer *trainer);

/** One epoch: forward, backward and step, for each batch where there are, then validation. The training
 *  loss is the mean over all entries that count, each as it was in its step. Allocates nothing after the
 *  first, but with mini-batches what heed_model_infer() takes and more room for a larger batch. `done` is set when
 *  patience or epochs have run out. After a failure the epoch can be begun again, its steps repeated.
 *  @return HEED_VALUE if the loss is not finite, with the epoch; HEED_ARGUMENT after the last epoch */
HEED_API HEED_CHECKED heed_status heed_trainer_epoch(heed_trainer *trainer, heed_epoch *epoch,
                                                     bool *done);

/** Puts the best parameters into the model and measures the test. Of a standardised fit the model is then in
 *  the targets' own units and cannot be saved as a fit in progress, but a further epoch goes on in the fit's.
 *  @return HEED_ARGUMENT before the first epoch */
HEED_API HEED_CHECKED heed_status heed_trainer_finish(heed_trainer *trainer, heed_run *run);

/** All epochs and the finish. `watcher` may be NULL. */
HEED_API HEED_CHECKED heed_status heed_fit(heed_trainer *trainer, heed_watcher *watcher,
                                           void *context, heed_run *run);

/** The output of a model for every graph of a collection, in batches of at most `batch` (0: 64), in EVALUATE mode.
 *  @param pairs as heed_batch_new() takes them; NULL where no layer is masked
 *  @param output [graphs, outputs], the caller's
 *  @return any status of heed_batch_new(), heed_pass_reserve() and heed_pass_bind() */
HEED_API HEED_CHECKED heed_status heed_predict_collection(heed_model *model,
                                                          const heed_collection *collection,
                                                          const heed_model_inputs *pairs, int batch,
                                                          float *output);

/** @}
 *  @name Checkpoints
 *  safetensors files: every parameter under its PyTorch name and in its PyTorch shape; the metadata has
 *  "heed.model" (heed_model_spec_write(), but for a model built by hand), "heed.version" and, of a fit in
 *  progress, "heed.fit" (spec and seed) and "heed.progress", both "name=value ..." with the bits of
 *  floats as hexadecimal numbers, with the tensors "optimizer.m", "optimizer.v", "best.parameters",
 *  "best.state". Written beside the target and renamed.
 *  @{ */

/** Saves a model. @param extra pairs of key and value for the metadata, ended by NULL; may be NULL
 *  @return HEED_IO, HEED_NOMEM, and the old file is still there */
HEED_API HEED_CHECKED heed_status heed_model_save(const heed_model *model, const char *path,
                                                  const char *const *extra);

/** A model as heed_model_save() wrote it, built from its metadata.
 *  @return HEED_FORMAT, HEED_SHAPE, HEED_IO, naming file and tensor */
HEED_API HEED_CHECKED heed_status heed_model_load(heed_model **model, const char *path);

/** The parameters of a finished model out of a file, such as PyTorch's state: every parameter must be
 *  there under `prefix` and its name, in its shape; tensors more than that are an error, unless under
 *  another prefix. "lin_src.weight" is taken for "lin.weight".
 *  @param prefix may be "" */
HEED_API HEED_CHECKED heed_status heed_model_import(heed_model *model, const char *path,
                                                    const char *prefix);

/** A fit in progress, to go on bit for bit: parameters, moments, best, epoch, patience.
 *  @return HEED_ARGUMENT before the first epoch, or after one that failed half-way; HEED_IO */
HEED_API HEED_CHECKED heed_status heed_trainer_save(const heed_trainer *trainer, const char *path);
/** Goes on where heed_trainer_save() was, with the same model, task, spec and seed.
 *  @return HEED_ARGUMENT where spec or seed are others, naming the field */
HEED_API HEED_CHECKED heed_status heed_trainer_resume(heed_trainer *trainer, const char *path);

/** @}
 *  @name Experiments
 *  @{ */

/** Many runs of one model on one data set. */
typedef struct heed_experiment {
  const heed_model_spec *model;
  const heed_fit_spec *fit;
  heed_model_inputs inputs;
  const heed_collection *collection; /**< as in heed_task */
  heed_targets targets;
  const uint64_t *seeds;
  int n_seeds;
  const int *splits;        /**< numbers of splits, told of in heed_epoch and heed_run */
  const uint8_t *const *train;      /**< [n_splits] rows each */
  const uint8_t *const *validation;
  const uint8_t *const *test;
  int n_splits;
  bool paired;              /**< split i is for seed i alone: n_seeds runs, and n_splits is n_seeds */
  const char *checkpoint;   /**< NULL, or a file to save the fit in progress to every `checkpoint_every`
                                 epochs and when stopped; only with one run */
  int checkpoint_every;
  bool resume;              /**< go on from that file if it is there */
} heed_experiment;

/** What the runs came to. */
typedef struct heed_experiment_result {
  heed_run *runs;    /**< [n_runs], seed by seed within split by split; the caller's room for
                          n_seeds * n_splits */
  int n_runs;        /**< that were finished or stopped */
  double test_mean;
  double test_std;   /**< n - 1 in the denominator; 0 for one run */
  double val_mean;
  double ms_per_epoch; /**< training and validation, the median over runs */
  int64_t peak_bytes;  /**< the library's own, of one run with one thread, beyond the data */
  int64_t parameters;
  heed_model *best;  /**< of the run with the best validation metric; the caller's to end */
  int best_run;
} heed_experiment_result;

/** Runs them all: several at once, one thread each, where the graph is too small for parallel kernels,
 *  else one after another; the results are the same bits either way. `watcher` returning false stops
 *  all. */
HEED_API HEED_CHECKED heed_status heed_experiment_run(const heed_experiment *experiment,
                                                      heed_watcher *watcher, void *context,
                                                      heed_experiment_result *result);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
