# Tests of room sequence; the fixtures are what PyTorch computed, fixtures/README.md says how.
check_PROGRAMS += tests/sequence/test_sequence
TESTS += tests/sequence/test_sequence
tests_sequence_test_sequence_SOURCES = tests/sequence/test_sequence.c
tests_sequence_test_sequence_CPPFLAGS = $(TEST_CPPFLAGS) \
  -DFIXTURES='"$(abs_top_srcdir)/tests/sequence/fixtures/"'
tests_sequence_test_sequence_LDADD = $(TEST_LIBS)
EXTRA_DIST += tests/sequence/fixtures/README.md tests/sequence/fixtures/make_fixtures.py \
  tests/sequence/fixtures/bert/model.safetensors tests/sequence/fixtures/bert/config.json \
  tests/sequence/fixtures/bert-relu/model.safetensors tests/sequence/fixtures/bert-relu/config.json \
  tests/sequence/fixtures/bert-half.safetensors
