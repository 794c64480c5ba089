# Examples: programs over the public headers, built and run by make check.
EXAMPLES = examples/karate examples/masked_full examples/own_csr
check_PROGRAMS += $(EXAMPLES)
TESTS += $(EXAMPLES)

examples_karate_SOURCES = examples/karate.c
examples_karate_CPPFLAGS = -I$(top_srcdir)/include $(IGRAPH_CFLAGS)
examples_karate_LDADD = libheed.la $(IGRAPH_LIBS)
examples_masked_full_SOURCES = examples/masked_full.c
examples_masked_full_CPPFLAGS = -I$(top_srcdir)/include $(IGRAPH_CFLAGS)
examples_masked_full_LDADD = libheed.la $(IGRAPH_LIBS)
examples_own_csr_SOURCES = examples/own_csr.c
examples_own_csr_CPPFLAGS = -I$(top_srcdir)/include $(IGRAPH_CFLAGS)
examples_own_csr_LDADD = libheed.la $(IGRAPH_LIBS)
