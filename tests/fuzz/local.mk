# Tests of room fuzz.
