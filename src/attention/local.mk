# Room attention: the operator. The only room that names vector instructions.
heedinclude_HEADERS += include/heed/attention.h
libheed_core_la_SOURCES += \
  src/attention/attention.c \
  src/attention/backward.c \
  src/attention/backward_body.h \
  src/attention/backward_groups_body.h \
  src/attention/cost.c src/attention/cost.h \
  src/attention/dense_backward_body.h \
  src/attention/dense_body.h \
  src/attention/divide.c \
  src/attention/edges.c src/attention/edges.h \
  src/attention/edges_body.h \
  src/attention/features_body.h \
  src/attention/forward.c \
  src/attention/groups_body.h \
  src/attention/heads.c src/attention/heads.h \
  src/attention/isa.c \
  src/attention/kernels_body.h src/attention/kernels_portable.c \
  src/attention/linear.c src/attention/linear.h src/attention/linear_body.h \
  src/attention/machine.c \
  src/attention/math_body.h \
  src/attention/names.c \
  src/attention/nodes_body.h \
  src/attention/normalizer.c \
  src/attention/plan.c src/attention/plan.h \
  src/attention/problem.h \
  src/attention/random_body.h \
  src/attention/rate_body.h \
  src/attention/reference.c \
  src/attention/reserve.c \
  src/attention/score_body.h \
  src/attention/simd_portable.h \
  src/attention/storage.c src/attention/storage_body.h \
  src/attention/sparse_body.h \
  src/attention/stream_body.h src/attention/stream_narrow_body.h \
  src/attention/weights_body.h \
  src/attention/work.c

libheed_avx2_la_SOURCES += src/attention/kernels_avx2.c src/attention/random_avx2.c \
  src/attention/simd_avx2.h
libheed_avx512_la_SOURCES += src/attention/kernels_avx512.c src/attention/random_avx512.c \
  src/attention/simd_avx512.h
