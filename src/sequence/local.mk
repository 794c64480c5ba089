# Room sequence: token ids, decoding step by step, pretrained encoders.
heedinclude_HEADERS += include/heed/sequence.h
libheed_core_la_SOURCES += \
  src/sequence/bert.c src/sequence/bert.h \
  src/sequence/bert_config.c \
  src/sequence/bert_read.c \
  src/sequence/decoder.c \
  src/sequence/embedding.c
