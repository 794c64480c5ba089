# Tests of the tree itself, and what every test gets to see.
dist_check_SCRIPTS += tests/layering.sh tests/symbols.sh tests/headers.sh tests/install.sh
TESTS += tests/layering.sh tests/symbols.sh tests/headers.sh tests/install.sh
EXTRA_DIST += tests/lsan.supp

# Whoever sets one of these keeps it.
AM_TESTS_ENVIRONMENT = \
  CC='$(CC)'; CFLAGS='$(CFLAGS)'; NM='$(NM)'; MAKE='$(MAKE)'; PKG_CONFIG='$(PKG_CONFIG)'; \
  IGRAPH_CFLAGS='$(IGRAPH_CFLAGS)'; OPENMP_CFLAGS='$(OPENMP_CFLAGS)'; \
  SANITIZE_CFLAGS='$(SANITIZE_CFLAGS)'; \
  export CC CFLAGS NM MAKE PKG_CONFIG IGRAPH_CFLAGS OPENMP_CFLAGS SANITIZE_CFLAGS; \
  prefix='$(prefix)'; bindir='$(bindir)'; libdir='$(libdir)'; pkgconfigdir='$(pkgconfigdir)'; \
  export prefix bindir libdir pkgconfigdir; \
  : $${CK_DEFAULT_TIMEOUT=60}; export CK_DEFAULT_TIMEOUT; \
  : $${LSAN_OPTIONS=suppressions=$(abs_top_srcdir)/tests/lsan.supp:print_suppressions=0}; \
  export LSAN_OPTIONS;
if TSAN
# libomp tells the race checker about its barriers through Archer; other libraries are not built
# for it, so what happens inside of them is not looked at.
AM_TESTS_ENVIRONMENT += \
  : $${OMP_TOOL_LIBRARIES=libarcher.so}; export OMP_TOOL_LIBRARIES; \
  : $${TSAN_OPTIONS=ignore_noninstrumented_modules=1}; export TSAN_OPTIONS;
endif

installcheck-local:
	@$(AM_TESTS_ENVIRONMENT) $(SHELL) $(top_srcdir)/tests/install.sh --installed "$(DESTDIR)"
