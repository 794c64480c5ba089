# Tests of room graph.
check_PROGRAMS += tests/graph/test_graph
TESTS += tests/graph/test_graph
tests_graph_test_graph_SOURCES = tests/graph/test_graph.c
tests_graph_test_graph_CPPFLAGS = $(TEST_CPPFLAGS) -DTEST_FILES='"$(abs_top_srcdir)/tests/files"'
tests_graph_test_graph_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/graph/test_order
TESTS += tests/graph/test_order
tests_graph_test_order_SOURCES = tests/graph/test_order.c tests/chance.h
tests_graph_test_order_CPPFLAGS = $(TEST_CPPFLAGS)
tests_graph_test_order_LDADD = $(TEST_LIBS)
EXTRA_DIST += \
  tests/files/README.md \
  tests/files/bad-digraph.dot \
  tests/files/bad-edges.dimacs \
  tests/files/bad-empty.txt \
  tests/files/bad-huge.dimacs \
  tests/files/bad-huge.dl \
  tests/files/bad-huge.edges \
  tests/files/bad-huge.net \
  tests/files/bad-leda.lgr \
  tests/files/bad-matrix.dl \
  tests/files/bad-missing.dimacs \
  tests/files/bad-missing.dl \
  tests/files/bad-missing.gml \
  tests/files/bad-missing.graphdb \
  tests/files/bad-missing.graphml \
  tests/files/bad-missing.net \
  tests/files/bad-negative.edges \
  tests/files/bad-nothing.edges \
  tests/files/bad-odd.edges \
  tests/files/bad-page.graphml \
  tests/files/bad-picture.png \
  tests/files/bad-prose.md \
  tests/files/bad-short.gml \
  tests/files/bad-short.graphdb \
  tests/files/bad-short.graphml \
  tests/files/bad-word.edges \
  tests/files/good-flow.dimacs \
  tests/files/good-matrix.dl \
  tests/files/good-square.dimacs \
  tests/files/good-square.dl \
  tests/files/good-square.edges \
  tests/files/good-square.gml \
  tests/files/good-square.graphdb \
  tests/files/good-square.graphml \
  tests/files/good-square.lgl \
  tests/files/good-square.ncol \
  tests/files/good-square.net
check_PROGRAMS += tests/graph/test_layout
TESTS += tests/graph/test_layout
tests_graph_test_layout_SOURCES = tests/graph/test_layout.c
tests_graph_test_layout_CPPFLAGS = $(TEST_CPPFLAGS)
tests_graph_test_layout_LDADD = $(TEST_LIBS)
