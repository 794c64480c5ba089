# Tests of room mask.
check_PROGRAMS += tests/mask/test_mask
TESTS += tests/mask/test_mask
tests_mask_test_mask_SOURCES = tests/mask/test_mask.c tests/chance.h
tests_mask_test_mask_CPPFLAGS = $(TEST_CPPFLAGS)
tests_mask_test_mask_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/mask/test_permute
TESTS += tests/mask/test_permute
tests_mask_test_permute_SOURCES = tests/mask/test_permute.c tests/chance.h
tests_mask_test_permute_CPPFLAGS = $(TEST_CPPFLAGS)
tests_mask_test_permute_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/mask/test_runs
TESTS += tests/mask/test_runs
tests_mask_test_runs_SOURCES = tests/mask/test_runs.c tests/chance.h
tests_mask_test_runs_CPPFLAGS = $(TEST_CPPFLAGS)
tests_mask_test_runs_LDADD = $(TEST_LIBS)
