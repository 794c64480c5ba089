# Tests of room attention.
check_PROGRAMS += tests/attention/test_attention
TESTS += tests/attention/test_attention
tests_attention_test_attention_SOURCES = tests/attention/test_attention.c \
  tests/attention/oracle.c tests/attention/oracle.h
tests_attention_test_attention_CPPFLAGS = $(TEST_CPPFLAGS)
tests_attention_test_attention_LDADD = $(TEST_LIBS)
