# Room matrix: dense views, sparse features, products, loops of layers. The only room that uses the
# matrix library.
heedinclude_HEADERS += include/heed/matrix.h
libheed_core_la_SOURCES += \
  src/matrix/blocks.h \
  src/matrix/csr.c \
  src/matrix/dense.c \
  src/matrix/loops.c src/matrix/loops.h \
  src/matrix/loops_body.h src/matrix/loops_portable.c src/matrix/loops_table.h \
  src/matrix/names.c \
  src/matrix/pool.c \
  src/matrix/product.c src/matrix/product.h src/matrix/products_body.h \
  src/matrix/rows.c src/matrix/rows.h \
  src/matrix/sparse.c
libheed_avx2_la_SOURCES += src/matrix/loops_avx2.c
libheed_avx512_la_SOURCES += src/matrix/loops_avx512.c
