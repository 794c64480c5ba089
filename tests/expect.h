/* What tests expect of statuses, and how a suite is run. */
#ifndef HEED_TESTS_EXPECT_H
#define HEED_TESTS_EXPECT_H

#include <check.h>
#include <heed/base.h>
#include <stdlib.h>
#include <string.h>

/* The call succeeds. */
#define ok(call)                                                                            \
  do {                                                                                      \
    heed_status ok_status = (call);                                                         \
    ck_assert_msg(ok_status == HEED_OK, "%s: %s: %s", #call, heed_status_name(ok_status),   \
                  heed_message());                                                          \
  } while (0)

/* The call fails with that status, and the message has these words. */
#define fails(call, status, words)                                                             \
  do {                                                                                         \
    heed_status fails_status = (call);                                                         \
    ck_assert_msg(fails_status == (status), "%s: %s: %s", #call,                               \
                  heed_status_name(fails_status), heed_message());                             \
    ck_assert_msg(strstr(heed_message(), (words)) != NULL, "%s: no '%s' in '%s'", #call, words, \
                  heed_message());                                                             \
  } while (0)

/* Runs a suite and ends it: what main() returns. CK_VERBOSITY says how much is told. */
static inline int run_suite(Suite *suite) {
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
