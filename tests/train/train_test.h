/* What the files of this suite share. */
#ifndef HEED_TESTS_TRAIN_TEST_H
#define HEED_TESTS_TRAIN_TEST_H

#include <check.h>
#include <heed/train.h>
#include <string.h>

TCase *loss_tests(void);
TCase *metric_tests(void);
TCase *optimizer_tests(void);
TCase *fit_tests(void);
TCase *import_tests(void);
TCase *checkpoint_tests(void);
TCase *experiment_tests(void);
TCase *collection_tests(void);
TCase *minibatch_tests(void);

static inline void ok(heed_status status) {
  ck_assert_msg(status == HEED_OK, "%s: %s", heed_status_name(status), heed_message());
}

/* A call must fail like this, with a message that names `part`. */
static inline void fails(heed_status status, heed_status expected, const char *part) {
  ck_assert_msg(status == expected, "%s instead of %s: %s", heed_status_name(status),
                heed_status_name(expected), heed_message());
  ck_assert_msg(strstr(heed_message(), part) != NULL, "'%s' does not name '%s'", heed_message(),
                part);
}

#endif
