/* Metrics in room that is there already: for a trainer, whose epochs allocate nothing. */
#ifndef HEED_SRC_TRAIN_METRIC_H
#define HEED_SRC_TRAIN_METRIC_H

#include <heed/train.h>

/* Bytes of room that the metric takes over an output [rows, cols]; 0 if there is no such metric or
 * it does not fit. */
size_t heed__metric_room(heed_metric metric, int64_t rows, int64_t cols);

/* heed_metric_compute() in that room, aligned as by heed__alloc(). */
heed_status heed__metric_measure(heed_metric metric, const heed_matrix *output,
                                 const heed_targets *targets, const uint8_t *rows, void *room,
                                 double *value);

#endif
