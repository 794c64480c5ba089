# Tests of room data.
