# Room report: one record of results as text or JSON. The only room that uses Jansson.
heedinclude_HEADERS += include/heed/report.h
libheed_core_la_SOURCES += \
  src/report/json.c \
  src/report/report.c src/report/report.h \
  src/report/text.c
