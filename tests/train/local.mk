# Tests of room train.
check_PROGRAMS += tests/train/test_train
TESTS += tests/train/test_train
tests_train_test_train_SOURCES = tests/train/test_train.c tests/train/train_test.h \
  tests/train/test_loss.c \
  tests/train/test_metric.c \
  tests/train/test_optimizer.c
tests_train_test_train_CPPFLAGS = $(TEST_CPPFLAGS)
tests_train_test_train_LDADD = $(TEST_LIBS)
