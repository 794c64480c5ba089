# Tests of room attention.
check_PROGRAMS += tests/attention/test_attention
TESTS += tests/attention/test_attention
tests_attention_test_attention_SOURCES = tests/attention/test_attention.c \
  tests/attention/oracle.c tests/attention/oracle.h
tests_attention_test_attention_CPPFLAGS = $(TEST_CPPFLAGS)
tests_attention_test_attention_LDADD = $(TEST_LIBS)

check_PROGRAMS += tests/attention/test_backward
TESTS += tests/attention/test_backward
tests_attention_test_backward_SOURCES = tests/attention/test_backward.c \
  tests/attention/oracle.c tests/attention/oracle.h
tests_attention_test_backward_CPPFLAGS = $(TEST_CPPFLAGS)
tests_attention_test_backward_LDADD = $(TEST_LIBS)

check_PROGRAMS += tests/attention/test_storage
TESTS += tests/attention/test_storage
tests_attention_test_storage_SOURCES = tests/attention/test_storage.c \
  tests/attention/oracle.c tests/attention/oracle.h
tests_attention_test_storage_CPPFLAGS = $(TEST_CPPFLAGS)
tests_attention_test_storage_LDADD = $(TEST_LIBS)

check_PROGRAMS += tests/attention/test_machine
TESTS += tests/attention/test_machine
tests_attention_test_machine_SOURCES = tests/attention/test_machine.c
tests_attention_test_machine_CPPFLAGS = $(TEST_CPPFLAGS)
tests_attention_test_machine_LDADD = $(TEST_LIBS)

# What PyTorch and PyTorch Geometric computed; fixtures/README.md says how.
check_PROGRAMS += tests/attention/test_fixtures
TESTS += tests/attention/test_fixtures
tests_attention_test_fixtures_SOURCES = tests/attention/test_fixtures.c \
  tests/attention/fixtures/names.h
tests_attention_test_fixtures_CPPFLAGS = $(TEST_CPPFLAGS) \
  -DFIXTURES=\"$(srcdir)/tests/attention/fixtures\"
tests_attention_test_fixtures_LDADD = $(TEST_LIBS)
FIXTURE_FILES = \
  tests/attention/fixtures/additive-full-h1-d8.npz \
  tests/attention/fixtures/additive-full-h3-d5-v7.npz \
  tests/attention/fixtures/additive-sparse-h2-d17-sharp.npz \
  tests/attention/fixtures/additive-sparse-h3-d5-v2-rectangular.npz \
  tests/attention/fixtures/additive-sparse-h8-d4.npz \
  tests/attention/fixtures/dot-linear-full-h3-d5-v7.npz \
  tests/attention/fixtures/dot-linear-sparse-h2-d8.npz \
  tests/attention/fixtures/dot-relu-full-h3-d5-v7.npz \
  tests/attention/fixtures/dot-relu-sparse-h2-d8.npz \
  tests/attention/fixtures/dot-sdpa-full-h1-d16.npz \
  tests/attention/fixtures/dot-sdpa-full-h1-d8-long.npz \
  tests/attention/fixtures/dot-sdpa-full-h2-d4-scale.npz \
  tests/attention/fixtures/dot-sdpa-full-h2-d6-v9.npz \
  tests/attention/fixtures/dot-sdpa-full-h2-d8-bias1-shut.npz \
  tests/attention/fixtures/dot-sdpa-full-h3-d5-bias.npz \
  tests/attention/fixtures/dot-sdpa-full-h3-d5.npz \
  tests/attention/fixtures/dot-sdpa-full-h8-d8-rectangular.npz \
  tests/attention/fixtures/dot-sdpa-sparse-h2-d7-v16-rectangular.npz \
  tests/attention/fixtures/dot-sdpa-sparse-h3-d4-bias-shut.npz \
  tests/attention/fixtures/dot-sdpa-sparse-h3-d5.npz \
  tests/attention/fixtures/dot-sdpa-sparse-h8-d8-v3-rectangular.npz \
  tests/attention/fixtures/dot-sigmoid-full-h3-d5-v7.npz \
  tests/attention/fixtures/dot-sigmoid-sparse-h2-d8.npz \
  tests/attention/fixtures/dot-transformer-edges-h1-d8.npz \
  tests/attention/fixtures/dot-transformer-edges-h3-d5-rectangular.npz \
  tests/attention/fixtures/dot-transformer-edges-h4-d8.npz \
  tests/attention/fixtures/dot-transformer-h1-d8.npz \
  tests/attention/fixtures/dot-transformer-h2-d16-sharp.npz \
  tests/attention/fixtures/dot-transformer-h3-d5.npz \
  tests/attention/fixtures/dot-transformer-h3-d7-rectangular.npz \
  tests/attention/fixtures/dot-transformer-h8-d8.npz \
  tests/attention/fixtures/gat-edges-h1-d8.npz \
  tests/attention/fixtures/gat-edges-h4-d3-slope.npz \
  tests/attention/fixtures/gat-h1-d8-loops.npz \
  tests/attention/fixtures/gat-h1-d8.npz \
  tests/attention/fixtures/gat-h2-d33-slope.npz \
  tests/attention/fixtures/gat-h3-d5-loops.npz \
  tests/attention/fixtures/gat-h3-d5.npz \
  tests/attention/fixtures/gat-h8-d1-sharp.npz \
  tests/attention/fixtures/gat-h8-d8-loops.npz \
  tests/attention/fixtures/gat-h8-d8.npz \
  tests/attention/fixtures/gatv2-edges-h1-d8.npz \
  tests/attention/fixtures/gatv2-edges-h3-d5-rectangular.npz \
  tests/attention/fixtures/gatv2-h1-d8-loops.npz \
  tests/attention/fixtures/gatv2-h1-d8.npz \
  tests/attention/fixtures/gatv2-h2-d33-slope.npz \
  tests/attention/fixtures/gatv2-h3-d5-loops.npz \
  tests/attention/fixtures/gatv2-h3-d5.npz \
  tests/attention/fixtures/gatv2-h3-d7-rectangular.npz \
  tests/attention/fixtures/gatv2-h8-d8-loops.npz \
  tests/attention/fixtures/gatv2-h8-d8.npz
EXTRA_DIST += $(FIXTURE_FILES) tests/attention/fixtures/README.md \
  tests/attention/fixtures/make_fixtures.py

check_PROGRAMS += tests/attention/test_real
TESTS += tests/attention/test_real
tests_attention_test_real_SOURCES = tests/attention/test_real.c
tests_attention_test_real_CPPFLAGS = $(TEST_CPPFLAGS)
tests_attention_test_real_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/attention/test_runs
TESTS += tests/attention/test_runs
tests_attention_test_runs_SOURCES = tests/attention/test_runs.c tests/chance.h
tests_attention_test_runs_CPPFLAGS = $(TEST_CPPFLAGS)
tests_attention_test_runs_LDADD = $(TEST_LIBS)

check_PROGRAMS += tests/attention/test_heads
TESTS += tests/attention/test_heads
tests_attention_test_heads_SOURCES = tests/attention/test_heads.c tests/chance.h
tests_attention_test_heads_CPPFLAGS = $(TEST_CPPFLAGS)
tests_attention_test_heads_LDADD = $(TEST_LIBS)
