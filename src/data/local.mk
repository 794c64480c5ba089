# Room data.
heedinclude_HEADERS += include/heed/data.h
libheed_core_la_SOURCES += src/data/data.c
