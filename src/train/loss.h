/* What a loss reads of the targets. */
#ifndef HEED_SRC_TRAIN_LOSS_H
#define HEED_SRC_TRAIN_LOSS_H

#include <heed/train.h>

/* Whether the loss of an output of `cols` columns goes by the labels of `targets`, else by the values. */
bool heed__loss_by_label(heed_loss loss, const heed_targets *targets, int64_t cols);

/* HEED_ARGUMENT if what it goes by is not there. */
heed_status heed__loss_check_targets(heed_loss loss, const heed_targets *targets, int64_t cols);

/* Entries of the targets of a row that count. */
int64_t heed__loss_known(heed_loss loss, const heed_targets *targets, int64_t cols, int64_t row);

/* Whether the rows with marks[row] not 0, of n, have targets to go by: says before the first step, and by the row's
 * own number, what the loss would say of a row of a batch. `part` is what they are for, `thing` what a row is
 * ("node"); *count becomes the number of rows of which something is known.
 * @return HEED_ARGUMENT without any such row, or what the loss goes by; HEED_RANGE for a target that makes no sense */
heed_status heed__loss_check_rows(heed_loss loss, const heed_targets *targets, int64_t cols,
                                  const uint8_t *marks, int64_t n, const char *part,
                                  const char *thing, int64_t *count);

#endif
