# Tests of room matrix.
check_PROGRAMS += tests/matrix/test_matrix
TESTS += tests/matrix/test_matrix
tests_matrix_test_matrix_SOURCES = tests/matrix/test_matrix.c
tests_matrix_test_matrix_CPPFLAGS = $(TEST_CPPFLAGS)
tests_matrix_test_matrix_LDADD = $(TEST_LIBS)
