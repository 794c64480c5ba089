# Benchmarks: run by hand, not by make check.
EXTRA_DIST += tests/bench/peers.py tests/bench/training.py tests/bench/README.md
EXTRA_PROGRAMS = tests/bench/locality
tests_bench_locality_SOURCES = tests/bench/locality.c
tests_bench_locality_CPPFLAGS = $(TEST_CPPFLAGS)
tests_bench_locality_LDADD = $(TEST_LIBS)
