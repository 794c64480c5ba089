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
check_PROGRAMS += tests/data/test_molecules
TESTS += tests/data/test_molecules
tests_data_test_molecules_SOURCES = tests/data/test_molecules.c
tests_data_test_molecules_CPPFLAGS = $(tests_data_test_data_CPPFLAGS)
tests_data_test_molecules_LDADD = $(TEST_LIBS)
EXTRA_DIST += $(TEST_COLLECTIONS)
TEST_COLLECTIONS = \
  tests/files/bad-behind.csv \
  tests/files/bad-blank.csv \
  tests/files/bad-bond.sdf \
  tests/files/bad-cells.csv \
  tests/files/bad-column.csv \
  tests/files/bad-columns.csv \
  tests/files/bad-counts.sdf \
  tests/files/bad-cut.csv.gz \
  tests/files/bad-end.sdf \
  tests/files/bad-file.tsv \
  tests/files/bad-graph.tsv \
  tests/files/bad-header.csv \
  tests/files/bad-hydrogen.csv \
  tests/files/bad-large.csv \
  tests/files/bad-missing.tsv \
  tests/files/bad-nothing.sdf \
  tests/files/bad-nothing.tsv \
  tests/files/bad-number.csv \
  tests/files/bad-number.sdf \
  tests/files/bad-parenthesis.csv \
  tests/files/bad-quote.csv \
  tests/files/bad-ring.csv \
  tests/files/bad-valence.csv \
  tests/files/bad-valence.sdf \
  tests/files/bad-words.csv \
  tests/files/bad-zero.csv \
  tests/files/good-graphs.tsv \
  tests/files/good-table.csv \
  tests/files/good-table.csv.gz \
  tests/files/good-two.sdf \
  tests/files/bad-agree/pairs_A.txt \
  tests/files/bad-agree/pairs_edge_labels.txt \
  tests/files/bad-agree/pairs_graph_indicator.txt \
  tests/files/bad-agree/pairs_graph_labels.txt \
  tests/files/bad-pairs/pairs_A.txt \
  tests/files/bad-pairs/pairs_graph_indicator.txt \
  tests/files/bad-pairs/pairs_graph_labels.txt \
  tests/files/good-pairs/pairs_A.txt \
  tests/files/good-pairs/pairs_graph_indicator.txt \
  tests/files/good-pairs/pairs_graph_labels.txt
check_PROGRAMS += tests/data/test_builtin
TESTS += tests/data/test_builtin
tests_data_test_builtin_SOURCES = tests/data/test_builtin.c
tests_data_test_builtin_CPPFLAGS = $(TEST_CPPFLAGS)
tests_data_test_builtin_LDADD = $(TEST_LIBS)
