# Tests of room data.
check_PROGRAMS += tests/data/test_data
TESTS += tests/data/test_data
tests_data_test_data_SOURCES = tests/data/test_data.c tests/folder.h
tests_data_test_data_CPPFLAGS = $(TEST_CPPFLAGS) -DTEST_FILES='"$(abs_top_srcdir)/tests/files/"'
tests_data_test_data_LDADD = $(TEST_LIBS)
EXTRA_DIST += tests/files/make_npz.py tests/files/README-npz.md $(TEST_NPZ)
TEST_NPZ = \
  tests/files/bad-big-endian.npz \
  tests/files/bad-bomb.npz \
  tests/files/bad-checksum.npz \
  tests/files/bad-column.npz \
  tests/files/bad-dict.npz \
  tests/files/bad-directory.npz \
  tests/files/bad-edge.npz \
  tests/files/bad-four-gigabytes.npz \
  tests/files/bad-indptr.npz \
  tests/files/bad-lengths.npz \
  tests/files/bad-minus-infinity.npz \
  tests/files/bad-nan.npz \
  tests/files/bad-overflow.npz \
  tests/files/bad-pickled.npz \
  tests/files/bad-size.npz \
  tests/files/bad-split-count.npz \
  tests/files/bad-split-length.npz \
  tests/files/bad-truncated.npz \
  tests/files/bad-twice.npz \
  tests/files/good-dense.npz \
  tests/files/good-fortran.npz \
  tests/files/good-sparse.npz
check_PROGRAMS += tests/data/test_datasets
TESTS += tests/data/test_datasets
tests_data_test_datasets_SOURCES = tests/data/test_datasets.c
tests_data_test_datasets_CPPFLAGS = $(TEST_CPPFLAGS)
tests_data_test_datasets_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/data/test_safetensors
TESTS += tests/data/test_safetensors
EXTRA_DIST += tests/files/good-python.safetensors
tests_data_test_safetensors_SOURCES = tests/data/test_safetensors.c tests/folder.h
tests_data_test_safetensors_CPPFLAGS = $(tests_data_test_data_CPPFLAGS)
tests_data_test_safetensors_LDADD = $(TEST_LIBS)
TESTS += tests/data/fetch.sh
dist_check_SCRIPTS += tests/data/fetch.sh
EXTRA_DIST += tests/data/test_fetch.py
check_PROGRAMS += tests/data/test_collection
TESTS += tests/data/test_collection
tests_data_test_collection_SOURCES = tests/data/test_collection.c
tests_data_test_collection_CPPFLAGS = $(tests_data_test_data_CPPFLAGS)
tests_data_test_collection_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/data/test_collections
TESTS += tests/data/test_collections
tests_data_test_collections_SOURCES = tests/data/test_collections.c
tests_data_test_collections_CPPFLAGS = $(TEST_CPPFLAGS)
tests_data_test_collections_LDADD = $(TEST_LIBS)
