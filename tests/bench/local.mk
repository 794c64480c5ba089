# Benchmarks: run by hand, not by make check.
EXTRA_DIST += tests/bench/peers.py tests/bench/training.py tests/bench/README.md
