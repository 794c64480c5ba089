/* Learning from a collection, batch after batch, through one pass. */
#ifndef HEED_SRC_TRAIN_BATCHES_H
#define HEED_SRC_TRAIN_BATCHES_H

#include <heed/train.h>

/* Graphs of one part of a split of which something is known, and what they should give. */
typedef struct heed__graphs {
  int64_t n;
  int64_t *graphs; /* [n] their numbers, rising */
  int32_t *labels; /* [n]; NULL where the task has none */
  float *values;   /* [n, outputs], as are the next two; NULL where the task has none */
  float *scaled;   /* those that the loss is of; NULL: `values` */
  float *output;
} heed__graphs;

/* Some of the graphs of a step, which one thread takes from their features to their gradients. How many
 * shards there are does not depend on threads, so neither do the bits. */
typedef struct heed__shard {
  heed_batch *batch;
  heed_pass *pass;
  heed_status status; /* of its last call, and the message in the thread that made it */
  char message[512];
} heed__shard;

typedef struct heed__shards {
  heed__shard *of;
  int n;
  int64_t most; /* graphs of one */
} heed__shards;

typedef struct heed__batches {
  heed_model *model;
  heed_task task;
  heed_loss loss;
  heed_metric metric;
  int64_t outputs;
  int64_t most; /* graphs of a step */
  heed__shards shards;
  heed__graphs train;
  heed__graphs validation;
  int64_t steps;   /* of an epoch */
  int64_t *order;  /* [train.n] places in `train`, as this epoch takes them */
  int64_t *taken;  /* [most] the graphs of a batch */
  int32_t *labels; /* [most] what they should give */
  float *values;   /* [most, outputs] */
  float *output;   /* [most, outputs] of all shards, as is the next */
  float *d_output;
  float *gradients; /* [shards, parameters]; nothing where there is one shard */
  void *room;      /* of the metric over the validation */
  double *mean;    /* [outputs] of the targets of the training; NULL unless standardised */
  double *deviation;
} heed__batches;

/* For the collection of the task. @return any status of heed_batch_new() and passes; HEED_ARGUMENT for a part
 * of which nothing is known, HEED_RANGE for a target that makes no sense, with the graph */
heed_status heed__batches_new(heed__batches **batches, heed_model *model, const heed_task *task,
                              const heed_fit_spec *spec);
void heed__batches_free(heed__batches *batches);

/* The steps of an epoch from 0 on, in an order and with dropout that (seed, epoch) give alone. The loss is
 * the mean over all entries that count, each as it was in its step. */
heed_status heed__batches_train(heed__batches *batches, heed_optimizer *optimizer, uint64_t seed,
                                int epoch, float rate, double *loss);

/* Loss, and metric in the targets' own units. */
heed_status heed__batches_validate(heed__batches *batches, double *loss, double *value);

/* Makes a model that gives standardised numbers give them in the targets' own units. */
heed_status heed__batches_rescale(heed__batches *batches);

/* Metric of the test, of a model that was rescaled. */
heed_status heed__batches_test(heed__batches *batches, double *value);

/* The graphs as epoch `epoch` of `seed` takes them: order[n], a permutation of 0 to n - 1. */
void heed__batches_shuffle(uint64_t seed, int epoch, int64_t *order, int64_t n);

#endif
