# Tests of room base.
