# Room matrix: dense views, sparse features, products. The only room that uses the matrix library.
heedinclude_HEADERS += include/heed/matrix.h
libheed_core_la_SOURCES += \
  src/matrix/csr.c \
  src/matrix/dense.c \
  src/matrix/loops.c src/matrix/loops.h \
  src/matrix/loops_body.h src/matrix/loops_portable.c src/matrix/loops_table.h \
  src/matrix/names.c \
  src/matrix/pool.c \
  src/matrix/product.c src/matrix/product.h \
  src/matrix/sparse.c
