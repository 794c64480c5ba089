# Room train: fitting models, experiments, checkpoints.
heedinclude_HEADERS += include/heed/train.h
libheed_core_la_SOURCES += \
  src/train/batches.c src/train/batches.h \
  src/train/checkpoint.c src/train/checkpoint.h \
  src/train/experiment.c \
  src/train/loss.c src/train/loss.h \
  src/train/metric.c src/train/metric.h \
  src/train/minibatches.c src/train/minibatches.h \
  src/train/names.c \
  src/train/optimizer.c src/train/optimizer.h \
  src/train/progress.c \
  src/train/trainer.c src/train/trainer.h
