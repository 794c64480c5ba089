# Tests of room model.
check_PROGRAMS += tests/model/test_model
TESTS += tests/model/test_model
tests_model_test_model_SOURCES = tests/model/test_model.c tests/model/oracle.c tests/model/oracle.h
tests_model_test_model_CPPFLAGS = $(TEST_CPPFLAGS)
tests_model_test_model_LDADD = $(TEST_LIBS)

# What PyTorch Geometric computed; fixtures/README.md says how.
check_PROGRAMS += tests/model/test_fixtures
TESTS += tests/model/test_fixtures
tests_model_test_fixtures_SOURCES = tests/model/test_fixtures.c tests/model/fixtures/names.h
tests_model_test_fixtures_CPPFLAGS = $(TEST_CPPFLAGS) \
  -DFIXTURES=\"$(srcdir)/tests/model/fixtures\"
tests_model_test_fixtures_LDADD = $(TEST_LIBS)
EXTRA_DIST += tests/model/fixtures/README.md tests/model/fixtures/make_fixtures.py \
  tests/model/fixtures/gat-concat-h3-d5.npz \
  tests/model/fixtures/gat-concat-h8-d8-loops.npz \
  tests/model/fixtures/gat-mean-h2-d7-loops.npz \
  tests/model/fixtures/gat-mean-h3-d5.npz \
  tests/model/fixtures/gatv2-concat-h3-d5.npz \
  tests/model/fixtures/gatv2-concat-h8-d8-loops.npz \
  tests/model/fixtures/gatv2-mean-h3-d5.npz \
  tests/model/fixtures/gatv2-shared-h2-d7-loops.npz \
  tests/model/fixtures/transformer-concat-h3-d5.npz \
  tests/model/fixtures/transformer-concat-h8-d8-loops.npz \
  tests/model/fixtures/transformer-mean-h2-d7-loops.npz \
  tests/model/fixtures/transformer-mean-h3-d5.npz \
  tests/model/fixtures/gat-edges-concat-h3-d5.npz \
  tests/model/fixtures/gat-edges-mean-h2-d7.npz \
  tests/model/fixtures/gatv2-edges-concat-h3-d5.npz \
  tests/model/fixtures/gatv2-edges-mean-h2-d8.npz \
  tests/model/fixtures/pool-post-h1-s1.npz \
  tests/model/fixtures/pool-pre-h7-s3.npz \
  tests/model/fixtures/transformer-edges-concat-h3-d5.npz \
  tests/model/fixtures/transformer-edges-mean-h8-d8.npz

check_PROGRAMS += tests/model/test_context
TESTS += tests/model/test_context
tests_model_test_context_SOURCES = tests/model/test_context.c tests/model/oracle.c \
  tests/model/oracle.h
tests_model_test_context_CPPFLAGS = $(TEST_CPPFLAGS)
tests_model_test_context_LDADD = $(TEST_LIBS)

check_PROGRAMS += tests/model/test_field
TESTS += tests/model/test_field
tests_model_test_field_SOURCES = tests/model/test_field.c
tests_model_test_field_CPPFLAGS = $(TEST_CPPFLAGS)
tests_model_test_field_LDADD = $(TEST_LIBS)

check_PROGRAMS += tests/model/test_bind
TESTS += tests/model/test_bind
tests_model_test_bind_SOURCES = tests/model/test_bind.c
tests_model_test_bind_CPPFLAGS = $(TEST_CPPFLAGS)
tests_model_test_bind_LDADD = $(TEST_LIBS)

check_PROGRAMS += tests/model/test_sampled
TESTS += tests/model/test_sampled
tests_model_test_sampled_SOURCES = tests/model/test_sampled.c tests/chance.h
tests_model_test_sampled_CPPFLAGS = $(TEST_CPPFLAGS)
tests_model_test_sampled_LDADD = $(TEST_LIBS)

check_PROGRAMS += tests/model/test_positions
TESTS += tests/model/test_positions
tests_model_test_positions_SOURCES = tests/model/test_positions.c tests/chance.h
tests_model_test_positions_CPPFLAGS = $(TEST_CPPFLAGS)
tests_model_test_positions_LDADD = $(TEST_LIBS)
