# Room model: layers and whole models over attention.
heedinclude_HEADERS += include/heed/model.h
libheed_core_la_SOURCES += \
  src/model/bind.c \
  src/model/blocks.c \
  src/model/build.c src/model/build.h \
  src/model/build_attention.c \
  src/model/build_layers.c \
  src/model/check.c \
  src/model/field.c \
  src/model/flip.c \
  src/model/frames.c \
  src/model/infer.c \
  src/model/layers.c \
  src/model/model.h \
  src/model/parameters.c \
  src/model/pass.c src/model/pass.h \
  src/model/plan.c src/model/plan.h \
  src/model/positions.c \
  src/model/relative.c \
  src/model/spec.c \
  src/model/views.c
