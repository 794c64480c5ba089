/* What an optimiser is made of, for checkpoints and tests. */
#ifndef HEED_SRC_TRAIN_OPTIMIZER_H
#define HEED_SRC_TRAIN_OPTIMIZER_H

#include <heed/train.h>

/* A stretch of the flat parameters with one fate, small enough to be one thread's work. */
typedef struct heed__piece {
  int64_t begin, end;
  bool decays;
} heed__piece;

struct heed_optimizer {
  heed_optimizer_spec spec;
  heed_model *model;
  int64_t count;
  float *m, *v; /* [count] first and second moments */
  int64_t steps;
  heed__piece *pieces;
  double *squares; /* [n_pieces] */
  int64_t n_pieces;
};

#endif
