# Tests of room model.
check_PROGRAMS += tests/model/test_model
TESTS += tests/model/test_model
tests_model_test_model_SOURCES = tests/model/test_model.c tests/model/oracle.c tests/model/oracle.h
tests_model_test_model_CPPFLAGS = $(TEST_CPPFLAGS)
tests_model_test_model_LDADD = $(TEST_LIBS)
