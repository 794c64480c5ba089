# Room report: one record of results as text or JSON, and figures. Jansson is for it and data alone, gnuplot and
# Graphviz for it alone.
heedinclude_HEADERS += include/heed/report.h
libheed_core_la_SOURCES += \
  src/report/child.c src/report/child.h \
  src/report/drawing.c \
  src/report/figure.c \
  src/report/json.c \
  src/report/report.c src/report/report.h \
  src/report/text.c
