# Tests of room train.
