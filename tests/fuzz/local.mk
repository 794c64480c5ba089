# Fuzzing: libFuzzer targets for all that reads bytes of others, built by --enable-fuzz; smoke.sh
# runs each for a moment.
EXTRA_DIST += tests/fuzz/smoke.sh
if FUZZ
FUZZ_LINK = $(AM_LDFLAGS) -fsanitize=fuzzer
noinst_PROGRAMS = tests/fuzz/fuzz_npz tests/fuzz/fuzz_graph tests/fuzz/fuzz_recipe \
  tests/fuzz/fuzz_safetensors tests/fuzz/fuzz_collection tests/fuzz/fuzz_mask
tests_fuzz_fuzz_npz_SOURCES = tests/fuzz/fuzz_npz.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_npz_CPPFLAGS = $(TEST_CPPFLAGS) -D_GNU_SOURCE
tests_fuzz_fuzz_npz_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_npz_LDADD = libheed-core.la $(HEED_LIBS)
tests_fuzz_fuzz_graph_SOURCES = tests/fuzz/fuzz_graph.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_graph_CPPFLAGS = $(TEST_CPPFLAGS) -D_GNU_SOURCE
tests_fuzz_fuzz_graph_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_graph_LDADD = libheed-core.la $(HEED_LIBS)
tests_fuzz_fuzz_recipe_SOURCES = tests/fuzz/fuzz_recipe.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_recipe_CPPFLAGS = $(TEST_CPPFLAGS) -D_GNU_SOURCE
tests_fuzz_fuzz_recipe_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_recipe_LDADD = libheed-core.la $(HEED_LIBS)
tests_fuzz_fuzz_safetensors_SOURCES = tests/fuzz/fuzz_safetensors.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_safetensors_CPPFLAGS = $(TEST_CPPFLAGS) -D_GNU_SOURCE
tests_fuzz_fuzz_safetensors_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_safetensors_LDADD = libheed-core.la $(HEED_LIBS)
tests_fuzz_fuzz_collection_SOURCES = tests/fuzz/fuzz_collection.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_collection_CPPFLAGS = $(TEST_CPPFLAGS) -D_GNU_SOURCE
tests_fuzz_fuzz_collection_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_collection_LDADD = libheed-core.la $(HEED_LIBS)
tests_fuzz_fuzz_mask_SOURCES = tests/fuzz/fuzz_mask.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_mask_CPPFLAGS = $(TEST_CPPFLAGS) -D_GNU_SOURCE
tests_fuzz_fuzz_mask_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_mask_LDADD = libheed-core.la $(HEED_LIBS)
endif
