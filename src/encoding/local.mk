# Room encoding: where nodes are, for attention.
heedinclude_HEADERS += include/heed/encoding.h
libheed_core_la_SOURCES += \
  src/encoding/distance.c \
  src/encoding/names.c \
  src/encoding/pairs.c \
  src/encoding/positions.c \
  src/encoding/structure.c
EXTRA_DIST += doc/encodings.md
