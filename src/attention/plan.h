/* Plans: the work divided and the memory reserved before the first call. */
#ifndef HEED_SRC_ATTENTION_PLAN_H
#define HEED_SRC_ATTENTION_PLAN_H

#include "attention/problem.h"

/* The rows of one pass divided: into tasks, and those into groups, each of which has one owner and
 * sums its part of the gradients of a_query, a_key and a. */
typedef struct heed__division {
  heed__task *tasks;
  int64_t n_tasks;
  heed__cut *cuts;
  int64_t n_cuts;
  int64_t n_segments;
} heed__division;

/* A backward pass is cut into at most so many groups of tasks, of so many rows or more; fixed, for a group
 * has sums of its own and the bits must not depend on the threads. */
enum { GROUPS = 128, ROWS_OF_GROUP = 128 };

/* What heed_attention_prepare_backward() reserves. */
typedef struct heed__reserve {
  heed_mask transposed; /* owned, where the caller gave none; or the full mask's */
  int64_t *pairs;
  int32_t *all; /* 0, 1, 2, ... for rows and columns of a full mask */
  heed__side sides[2];
  heed__division divisions[2];
  int64_t groups;
  double *a_sums;  /* [groups, 2, H * D] */
  double *plain;   /* reference: [threads, 2 * max(D, Dv)] */
  float *nodes;    /* statistics, query_sums and key_sums */
  float *memory;   /* what the scratch of the threads gets beyond the forward call's */
  float *partials; /* [segments of either pass, partial_floats] */
  int64_t partial_floats;
  int32_t *head_of;
  int32_t *spread;
  heed__backward back; /* what does not change from call to call */
} heed__reserve;

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
  heed__diagonal *diagonals;
  heed__reserve *reserve; /* NULL: not prepared for backward calls */
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

/* For each vector of a row of `heads` times `dim` numbers the head of its first number, and for
 * each number its head less that. Returns how many vectors; -1 without memory, when what there is
 * stays. */
int64_t heed__spread_new(int32_t heads, int32_t dim, int lanes, int32_t **head_of,
                         int32_t **spread);

/* Floats of the heads of a pair in the flat logits, in the worst instruction set. */
size_t heed__padded_most(int32_t heads);

/* GAT's scores of the nodes, from the inputs of the call. */
void heed__node_scores(heed_attention *plan);

/* Cuts a mask into its diagonals, into [heed__diagonals_most() + 1]; returns how many. */
int64_t heed__diagonals_most(const heed_mask *mask);
int64_t heed__cut_diagonals(const heed_mask *mask, heed__diagonal *diagonals);

/* Cuts the rows of a mask into tasks. On failure what there is stays for heed__division_free(). */
heed_status heed__divide(heed__division *division, const heed_mask *mask);
void heed__division_free(heed__division *division);

/* Ends what was reserved for backward calls. */
void heed__reserve_free(heed_attention *plan);

/* Checks the inputs of a call, without what goes out. */
heed_status heed__check_inputs(const heed__problem *problem, const heed_attention_inputs *in);

/* A pass over a plan's mask may have this many threads. */
int heed__threads_for_tasks(const heed_attention *plan, int64_t tasks);

/* How many of `most` threads the work is worth. */
int heed__threads_worth(const heed_attention_spec *spec, const heed_mask *mask, int64_t most);

#endif
