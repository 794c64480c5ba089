/* Small graphs to learn. */
#ifndef HEED_TESTS_TRAIN_PROBLEM_H
#define HEED_TESTS_TRAIN_PROBLEM_H

#include <heed/train.h>

typedef struct problem {
  heed_data *data;
  heed_mask mask;
  heed_model_inputs inputs;
  heed_targets targets;
  heed_task task; /* of split 0 */
  int n_splits;
  int splits[10];
  const uint8_t *train[10], *validation[10], *test[10];
} problem;

/* karate, or a recipe that gives labels: nodes told apart by themselves where it gives no features,
 * three splits of ten nodes a class for training and ten for validation where it gives none. */
void problem_open(problem *p, const char *source);
void problem_end(problem *p);

/* A model for it: two layers, two heads of four. */
heed_model_spec problem_model(const problem *p, heed_model_kind kind);

#endif
