# Room graph.
heedinclude_HEADERS += include/heed/graph.h
libheed_core_la_SOURCES += src/graph/graph.c
