# Examples: programs over the public headers, built and run by make check.
EXAMPLES = examples/bert examples/detr examples/from_pytorch examples/karate \
  examples/masked_full examples/own_csr examples/own_loop examples/reverse examples/solubility \
  examples/train_karate
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
examples_from_pytorch_SOURCES = examples/from_pytorch.c
examples_from_pytorch_CPPFLAGS = -I$(top_srcdir)/include $(IGRAPH_CFLAGS) \
  -DEXAMPLE_MODEL=\"$(srcdir)/tests/train/fixtures/gat.safetensors\"
examples_from_pytorch_LDADD = libheed.la $(IGRAPH_LIBS) -lm
examples_own_loop_SOURCES = examples/own_loop.c
examples_own_loop_CPPFLAGS = -I$(top_srcdir)/include $(IGRAPH_CFLAGS)
examples_own_loop_LDADD = libheed.la $(IGRAPH_LIBS)
examples_bert_SOURCES = examples/bert.c
examples_bert_CPPFLAGS = -I$(top_srcdir)/include $(IGRAPH_CFLAGS) \
  -DEXAMPLE_BERT=\"$(srcdir)/tests/sequence/fixtures/bert.safetensors\"
examples_bert_LDADD = libheed.la $(IGRAPH_LIBS)
examples_detr_SOURCES = examples/detr.c
examples_detr_CPPFLAGS = -I$(top_srcdir)/include $(IGRAPH_CFLAGS)
examples_detr_LDADD = libheed.la $(IGRAPH_LIBS) -lm
examples_reverse_SOURCES = examples/reverse.c
examples_reverse_CPPFLAGS = -I$(top_srcdir)/include $(IGRAPH_CFLAGS)
examples_reverse_LDADD = libheed.la $(IGRAPH_LIBS)
examples_train_karate_SOURCES = examples/train_karate.c
examples_train_karate_CPPFLAGS = -I$(top_srcdir)/include $(IGRAPH_CFLAGS)
examples_train_karate_LDADD = libheed.la $(IGRAPH_LIBS)
examples_solubility_SOURCES = examples/solubility.c
examples_solubility_CPPFLAGS = -I$(top_srcdir)/include $(IGRAPH_CFLAGS)
examples_solubility_LDADD = libheed.la $(IGRAPH_LIBS) -lm
TESTS += examples/draw_caffeine.sh
dist_check_SCRIPTS += examples/draw_caffeine.sh
EXTRA_DIST += doc/caffeine.svg
