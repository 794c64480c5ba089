# Tests of room cli.
