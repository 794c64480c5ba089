/* What a fit in progress is made of, for checkpoints and experiments. */
#ifndef HEED_SRC_TRAIN_TRAINER_H
#define HEED_SRC_TRAIN_TRAINER_H

#include <heed/train.h>

#include "train/batches.h"
#include "train/minibatches.h"

/* All that an epoch moves besides arrays. */
typedef struct heed__progress {
  int epoch;         /* that were run */
  int waited;        /* epochs since patience restarted */
  double best_merit; /* of the metric, minus it where smaller is better */
  double best_loss;  /* of the validation */
  int best_epoch;    /* that is kept, from 1; 0: none yet */
  double kept_val;   /* metric and loss of that epoch */
  double kept_loss;
  float rate;          /* of a plateau */
  double plateau_loss; /* best of the validation */
  int plateau_waited;
  double seconds; /* in epochs */
} heed__progress;

/* A pass over the rows of one part of a split, and what those rows should give. */
typedef struct heed__part {
  heed_pass *pass;
  bool borrowed;        /* the pass is another part's */
  const uint8_t *rows;  /* [rows of the output] */
  heed_targets targets; /* of those rows */
  void *arrays[3];      /* where the rows of the output are not those of the task */
} heed__part;

struct heed_trainer {
  heed_model *model;
  heed_task task;
  heed_fit_spec spec;
  uint64_t seed;
  heed__batches *batches; /* of a collection; else NULL */
  heed__minibatches *minibatches; /* of one graph; else NULL, and there are the two parts */
  heed__part training;
  heed__part validation;
  heed_optimizer *optimizer;
  float *d_output;        /* [rows, outputs] */
  void *room;             /* of the metric */
  float *best_parameters; /* [parameters], of best_epoch */
  float *best_state;      /* [state]; NULL where there is none */
  bool rescaled;          /* the model is that of best_epoch in the targets' own units */
  heed__progress at;
};

/* Whether so many steps of the optimiser are what so many epochs come to. */
bool heed__trainer_steps_are(const heed_trainer *trainer, int epochs, int64_t steps);

/* Whether epochs or patience have run out. */
bool heed__trainer_done(const heed_trainer *trainer);

/* The runs of an experiment: as heed_experiment_run() decides, several at once, or one after
 * another. */
typedef enum heed__order {
  HEED__ORDER_AUTO,
  HEED__ORDER_TOGETHER,
  HEED__ORDER_IN_TURN
} heed__order;

heed_status heed__experiment_run(const heed_experiment *experiment, heed_watcher *watcher,
                                 void *context, heed__order order, heed_experiment_result *result);

#endif
