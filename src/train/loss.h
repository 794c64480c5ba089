/* What a loss reads of the targets. */
#ifndef HEED_SRC_TRAIN_LOSS_H
#define HEED_SRC_TRAIN_LOSS_H

#include <heed/train.h>

/* Whether the loss of an output of `cols` columns goes by the labels of `targets`, else by the values. */
bool heed__loss_by_label(heed_loss loss, const heed_targets *targets, int64_t cols);

/* HEED_ARGUMENT if what it goes by is not there. */
heed_status heed__loss_check_targets(heed_loss loss, const heed_targets *targets, int64_t cols);

#endif
