/* Plans: the work divided and the memory reserved before the first call. */
#ifndef HEED_SRC_ATTENTION_PLAN_H
#define HEED_SRC_ATTENTION_PLAN_H

#include "attention/problem.h"

struct heed_attention {
  heed__problem problem;
  const heed__kernels *kernels;
  heed_attention_cost cost;
  int threads;
  heed__scratch *scratch; /* [threads] */
  void *memory;           /* all that scratch points into */
  int32_t *all_keys;
  int32_t *head_of;
  int32_t *spread;
  heed__task *tasks;
  int64_t n_tasks;
  heed__cut *cuts;
  int64_t n_cuts;
  float *partials;        /* [segments, partial_floats] */
  int64_t partial_floats; /* maximum, sum, accumulator of a segment */
};

/* What a plan is made from, checked. */
heed_status heed__plan_check(const heed_attention_spec *spec, const heed_mask *mask);

/* A plan for a kernel that is not AUTO, of what is checked, for a number of threads. On failure
 * nothing is left and `*plan` is NULL. heed_attention_free() ends it. */
heed_status heed__plan_new(heed_attention **plan, const heed_attention_spec *spec,
                           const heed_mask *mask, int threads);

/* Bytes that such a plan reserves. */
heed_status heed__plan_bytes(const heed_attention_spec *spec, const heed_mask *mask,
                             heed_kernel kernel, int threads, size_t *bytes);

/* How many of `most` threads the work is worth. */
int heed__threads_worth(const heed_attention_spec *spec, const heed_mask *mask, int64_t most);

#endif
