/* What the files of this suite share. */
#ifndef HEED_TESTS_TRAIN_TEST_H
#define HEED_TESTS_TRAIN_TEST_H

#include <check.h>
#include <heed/train.h>
#include <string.h>

#include "expect.h"

TCase *loss_tests(void);
TCase *metric_tests(void);
TCase *optimizer_tests(void);
TCase *fit_tests(void);
TCase *import_tests(void);
TCase *checkpoint_tests(void);
TCase *experiment_tests(void);
TCase *collection_tests(void);
TCase *minibatch_tests(void);

#endif
