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
  src/data/json.c src/data/json.h \
  src/data/line_graphs.c \
  src/data/list.c \
  src/data/molecule.c src/data/molecule.h \
  src/data/molecule_features.c \
  src/data/molecule_groups.c \
  src/data/molecule_names.c src/data/molecules.h \
  src/data/npy.c src/data/npy.h \
  src/data/npz.c \
  src/data/npz_write.c \
  src/data/safetensors.c src/data/safetensors.h \
  src/data/safetensors_write.c \
  src/data/sdf.c \
  src/data/splits.c \
  src/data/targets.c \
  src/data/tudataset.c

# The built-in molecules, a string of C a row.
nodist_libheed_core_la_SOURCES = src/data/molecules.c
CLEANFILES += src/data/molecules.c
EXTRA_DIST += datasets/molecules.csv
src/data/molecules.c: datasets/molecules.csv
	$(AM_V_GEN)$(MKDIR_P) src/data && { \
	  echo '/* Made from datasets/molecules.csv. */'; \
	  echo '#include "data/molecules.h"'; \
	  echo 'static const char text[] ='; \
	  sed -e 's/[\\"]/\\&/g' -e 's/.*/"&\\n"/' $(top_srcdir)/datasets/molecules.csv; \
	  echo ';'; \
	  echo 'const char *heed__molecules_csv(size_t *bytes) {'; \
	  echo '  *bytes = sizeof text - 1;'; \
	  echo '  return text;'; \
	  echo '}'; \
	} >$@-t && mv $@-t $@
