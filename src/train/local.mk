# Room train: fitting models, experiments, checkpoints.
heedinclude_HEADERS += include/heed/train.h
