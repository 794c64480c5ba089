# Room attention.
heedinclude_HEADERS += include/heed/attention.h
libheed_core_la_SOURCES += src/attention/attention.c
