# Tests: one Check program a room, each in tests/ROOM/local.mk; scripts beside them.
TEST_CPPFLAGS = $(libheed_core_la_CPPFLAGS) -I$(top_srcdir)/tests $(CHECK_CFLAGS)
TEST_LIBS = libheed-core.la $(CHECK_LIBS) $(HEED_LIBS)
EXTRA_DIST += tests/expect.h

# The suites that take longest start first, so that none of them runs on alone.
include tests/attention/local.mk
include tests/cli/local.mk
include tests/train/local.mk
include tests/matrix/local.mk
include tests/model/local.mk
include tests/infra.mk
include tests/base/local.mk
include tests/mask/local.mk
include tests/graph/local.mk
include tests/encoding/local.mk
include tests/data/local.mk
include tests/sequence/local.mk
include tests/report/local.mk
include tests/fuzz/local.mk
include tests/bench/local.mk
