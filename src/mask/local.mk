# Room mask: the pairs that attend and their algebra.
heedinclude_HEADERS += include/heed/mask.h
libheed_core_la_SOURCES += \
  src/mask/algebra.c \
  src/mask/expression.c \
  src/mask/khop.c \
  src/mask/mask.c src/mask/mask.h \
  src/mask/nearest.c \
  src/mask/permute.c \
  src/mask/sample.c \
  src/mask/rules.c src/mask/rules.h \
  src/mask/sets.c \
  src/mask/statistics.c
