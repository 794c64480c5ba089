# Tests of room matrix.
