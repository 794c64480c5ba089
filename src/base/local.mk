# Room base: statuses, memory, threads, random numbers, the clock. The only room that uses Random123.
heedinclude_HEADERS += include/heed/base.h
libheed_core_la_SOURCES += \
  src/base/alloc.c src/base/alloc.h \
  src/base/clock.c \
  src/base/file.c src/base/file.h \
  src/base/isa.c src/base/isa.h \
  src/base/names.c src/base/names.h \
  src/base/random.c src/base/random.h \
  src/base/status.c src/base/status.h \
  src/base/threads.c src/base/threads.h

# What is written for several instruction sets is a library of its own flags for each, made of the
# same bodies.
noinst_LTLIBRARIES += libheed-avx2.la libheed-avx512.la
libheed_avx2_la_SOURCES =
libheed_avx2_la_CPPFLAGS = $(libheed_core_la_CPPFLAGS)
libheed_avx2_la_CFLAGS = $(AM_CFLAGS)
libheed_avx512_la_SOURCES =
libheed_avx512_la_CPPFLAGS = $(libheed_core_la_CPPFLAGS)
libheed_avx512_la_CFLAGS = $(AM_CFLAGS)
if HAVE_AVX2
libheed_avx2_la_CFLAGS += -mavx2 -mfma
endif
if HAVE_AVX512
libheed_avx512_la_CFLAGS += -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma \
  -mprefer-vector-width=512
endif
libheed_core_la_LIBADD += libheed-avx2.la libheed-avx512.la
