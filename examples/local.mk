# Examples: built and run by make check.
