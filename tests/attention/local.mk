# Tests of room attention.
