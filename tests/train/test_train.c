/* Room train: losses, metrics, optimisers, fitting, checkpoints, experiments. */
#include <stdlib.h>
#include <string.h>

#include "train/train_test.h"

int main(void) {
  Suite *suite = suite_create("train");
  suite_add_tcase(suite, loss_tests());
  suite_add_tcase(suite, metric_tests());
  suite_add_tcase(suite, optimizer_tests());
  suite_add_tcase(suite, fit_tests());
  suite_add_tcase(suite, import_tests());
  suite_add_tcase(suite, checkpoint_tests());
  suite_add_tcase(suite, experiment_tests());
  suite_add_tcase(suite, collection_tests());
  suite_add_tcase(suite, minibatch_tests());
  return run_suite(suite);
}
