# Tests of room mask.
