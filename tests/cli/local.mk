# The command: a script a case, with what it should say.
check_PROGRAMS += tests/cli/npz
tests_cli_npz_SOURCES = tests/cli/npz.c
tests_cli_npz_CPPFLAGS = -I$(top_srcdir)/include $(IGRAPH_CFLAGS)
tests_cli_npz_LDADD = libheed.la $(IGRAPH_LIBS)

TESTS += tests/cli/run.sh
dist_check_SCRIPTS += tests/cli/run.sh
EXTRA_DIST += tests/cli/cases tests/cli/lib.sh
