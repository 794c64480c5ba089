# Room data: data sets, .npz archives and safetensors. The only room that uses libzip and Indigo.
heedinclude_HEADERS += include/heed/data.h
libheed_core_la_SOURCES += \
  src/data/batch.c \
  src/data/collection.c src/data/collection.h \
  src/data/collection_open.c \
  src/data/collection_split.c \
  src/data/csv.c \
  src/data/data.c src/data/data.h \
  src/data/features.c \
  src/data/list.c \
  src/data/molecule.c src/data/molecule.h \
  src/data/npy.c src/data/npy.h \
  src/data/npz.c \
  src/data/npz_write.c \
  src/data/safetensors.c src/data/safetensors.h \
  src/data/safetensors_write.c \
  src/data/sdf.c \
  src/data/splits.c \
  src/data/targets.c \
  src/data/tudataset.c
