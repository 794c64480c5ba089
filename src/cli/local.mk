# Room cli: the command, one file a subcommand, public headers only.
bin_PROGRAMS += heed
heed_SOURCES = src/cli/main.c
heed_CPPFLAGS = -I$(top_srcdir)/include -I$(top_srcdir)/src $(IGRAPH_CFLAGS)
heed_LDADD = libheed.la $(IGRAPH_LIBS)
