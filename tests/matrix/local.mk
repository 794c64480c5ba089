# Tests of room matrix.
check_PROGRAMS += tests/matrix/test_matrix tests/matrix/test_loops
TESTS += tests/matrix/test_matrix tests/matrix/test_loops
tests_matrix_test_matrix_SOURCES = tests/matrix/test_matrix.c
tests_matrix_test_matrix_CPPFLAGS = $(TEST_CPPFLAGS)
tests_matrix_test_matrix_LDADD = $(TEST_LIBS)
tests_matrix_test_loops_SOURCES = tests/matrix/test_loops.c
tests_matrix_test_loops_CPPFLAGS = $(TEST_CPPFLAGS)
tests_matrix_test_loops_LDADD = $(TEST_LIBS)
