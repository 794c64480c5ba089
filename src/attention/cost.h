/* What attention costs on this machine. */
#ifndef HEED_SRC_ATTENTION_COST_H
#define HEED_SRC_ATTENTION_COST_H

#include "attention/problem.h"

/* Bytes that a plan with `kernel` (not AUTO) reserves for `threads` threads. */
heed_status heed__plan_bytes(const heed_attention_spec *spec, const heed_mask *mask,
                             heed_kernel kernel, int threads, size_t *bytes);

/* heed_attention_new() for a kernel that is not AUTO, and a number of threads. */
heed_status heed__plan_new(heed_attention **plan, const heed_attention_spec *spec,
                           const heed_mask *mask, int threads);

/* How many of `most` threads the work is worth. */
int heed__threads_worth(const heed_attention_spec *spec, const heed_mask *mask, int64_t most);

/* Predicted seconds of both kernels. */
heed_status heed__predict(const heed_attention_spec *spec, const heed_mask *mask,
                          double *sparse_seconds, double *dense_seconds);

/* Chooses between sparse and dense; measures only where the choice is not plain. */
heed_status heed__choose(const heed_attention_spec *spec, const heed_mask *mask,
                         heed_kernel *kernel);

#endif
