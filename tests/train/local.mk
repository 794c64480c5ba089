# Tests of room train. Fixtures: what PyTorch Geometric computed, see the README there.
check_PROGRAMS += tests/train/test_train
TESTS += tests/train/test_train
tests_train_test_train_SOURCES = tests/train/test_train.c tests/train/train_test.h \
  tests/train/problem.c tests/train/problem.h \
  tests/train/test_checkpoint.c \
  tests/train/test_collection.c \
  tests/train/test_experiment.c \
  tests/train/test_fit.c \
  tests/train/test_import.c \
  tests/train/test_loss.c \
  tests/train/test_metric.c \
  tests/train/test_minibatch.c \
  tests/train/test_optimizer.c
tests_train_test_train_CPPFLAGS = $(TEST_CPPFLAGS) \
  -DFIXTURES='"$(abs_top_srcdir)/tests/train/fixtures/"'
tests_train_test_train_LDADD = $(TEST_LIBS)
EXTRA_DIST += \
  tests/train/fixtures/README.md tests/train/fixtures/make_fixtures.py \
  tests/train/fixtures/gat.safetensors tests/train/fixtures/gat-older.safetensors \
  tests/train/fixtures/gatv2.safetensors tests/train/fixtures/transformer.safetensors

# The GAT paper's experiment, where HEED_DATASETS names a folder with cora.npz.
check_PROGRAMS += tests/train/test_real
TESTS += tests/train/test_real
tests_train_test_real_SOURCES = tests/train/test_real.c tests/train/train_test.h
tests_train_test_real_CPPFLAGS = $(TEST_CPPFLAGS)
tests_train_test_real_LDADD = $(TEST_LIBS)
