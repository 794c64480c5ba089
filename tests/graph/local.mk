# Tests of room graph.
