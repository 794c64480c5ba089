# Benchmarks: run by hand, not by make check.
EXTRA_DIST += tests/bench/bert.py tests/bench/peers.py tests/bench/training.py \
  tests/bench/graphs.py tests/bench/README.md
EXTRA_PROGRAMS = tests/bench/bert tests/bench/decode tests/bench/locality tests/bench/graphs \
  tests/bench/windows
tests_bench_locality_SOURCES = tests/bench/locality.c
tests_bench_locality_CPPFLAGS = $(TEST_CPPFLAGS)
tests_bench_locality_LDADD = $(TEST_LIBS)
tests_bench_graphs_SOURCES = tests/bench/graphs.c
tests_bench_graphs_CPPFLAGS = $(TEST_CPPFLAGS)
tests_bench_graphs_LDADD = $(TEST_LIBS)
tests_bench_bert_SOURCES = tests/bench/bert.c
tests_bench_bert_CPPFLAGS = $(TEST_CPPFLAGS)
tests_bench_bert_LDADD = $(TEST_LIBS)
tests_bench_decode_SOURCES = tests/bench/decode.c
tests_bench_decode_CPPFLAGS = $(TEST_CPPFLAGS)
tests_bench_decode_LDADD = $(TEST_LIBS)
tests_bench_windows_SOURCES = tests/bench/windows.c
tests_bench_windows_CPPFLAGS = $(TEST_CPPFLAGS)
tests_bench_windows_LDADD = $(TEST_LIBS)
