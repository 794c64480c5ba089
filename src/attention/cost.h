/* What attention costs on this machine. */
#ifndef HEED_SRC_ATTENTION_COST_H
#define HEED_SRC_ATTENTION_COST_H

#include <heed/attention.h>

/* Predicted seconds of both kernels. */
heed_status heed__predict(const heed_attention_spec *spec, const heed_mask *mask,
                          double *sparse_seconds, double *dense_seconds);

/* Chooses between sparse and dense; measures only where the choice is not plain. */
heed_status heed__choose(const heed_attention_spec *spec, const heed_mask *mask,
                         heed_kernel *kernel);

/* How fast rows of `row` bytes at random out of a table of `bytes` are read, at best of a few runs
 * (machine.c). */
heed_status heed__measure_random_rows(int64_t bytes, int64_t row, double *gbytes);

#endif
