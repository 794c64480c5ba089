# Tests of room encoding.
check_PROGRAMS += tests/encoding/test_encoding
TESTS += tests/encoding/test_encoding
tests_encoding_test_encoding_SOURCES = tests/encoding/test_encoding.c tests/chance.h
tests_encoding_test_encoding_CPPFLAGS = $(TEST_CPPFLAGS) -DTEST_FIXTURES='"$(abs_top_srcdir)/tests/encoding/fixtures"'
tests_encoding_test_encoding_LDADD = $(TEST_LIBS)
EXTRA_DIST += tests/encoding/fixtures/README.md tests/encoding/fixtures/make_fixtures.py \
  tests/encoding/fixtures/encodings.npz
