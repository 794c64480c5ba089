# Room report.
heedinclude_HEADERS += include/heed/report.h
libheed_core_la_SOURCES += src/report/report.c
