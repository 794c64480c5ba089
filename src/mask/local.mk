# Room mask.
heedinclude_HEADERS += include/heed/mask.h
libheed_core_la_SOURCES += src/mask/mask.c
