# Tests of room model.
