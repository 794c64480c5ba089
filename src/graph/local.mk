# Room graph: igraph in, mask out. The only room that uses igraph.
heedinclude_HEADERS += include/heed/graph.h
libheed_core_la_SOURCES += \
  src/graph/attributes.c \
  src/graph/detect.c src/graph/format.h src/graph/lines.h \
  src/graph/edges.c \
  src/graph/generate.c src/graph/recipe.h \
  src/graph/guard.c src/graph/guard.h src/graph/igraph_compat.h \
  src/graph/layout.c \
  src/graph/line.c src/graph/line.h \
  src/graph/mask.c \
  src/graph/open.c \
  src/graph/order.c src/graph/order.h \
  src/graph/order_community.c src/graph/order_metis.c src/graph/order_rcm.c \
  src/graph/partition.c \
  src/graph/parts.c src/graph/parts.h \
  src/graph/read.c \
  src/graph/scan.c \
  src/graph/spectra.c \
  src/graph/summary.c \
  src/graph/text.c src/graph/text.h \
  src/graph/write.c
