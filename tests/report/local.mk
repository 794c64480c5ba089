# Tests of room report.
