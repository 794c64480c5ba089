# Room base: statuses, memory, threads, random numbers, the clock. The only room that uses Random123.
heedinclude_HEADERS += include/heed/base.h
libheed_core_la_SOURCES += \
  src/base/alloc.c src/base/alloc.h \
  src/base/clock.c \
  src/base/file.c src/base/file.h \
  src/base/random.c src/base/random.h \
  src/base/status.c src/base/status.h \
  src/base/threads.c src/base/threads.h
