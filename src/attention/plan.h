/* Plans: the work divided and the memory reserved before the first call. */
#ifndef HEED_SRC_ATTENTION_PLAN_H
#define HEED_SRC_ATTENTION_PLAN_H

#include "attention/problem.h"

/* The rows of one pass divided into tasks. */
typedef struct heed__division {
  heed__task *tasks;
  int64_t n_tasks;
  heed__cut *cuts;
  int64_t n_cuts;
  int64_t n_segments;
} heed__division;

/* What dividing rows comes to. */
typedef struct heed__counts {
  int64_t tasks;
  int64_t cuts;
  int64_t segments;
} heed__counts;

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
  heed__counts most[2]; /* of a plan that is bound again: what is reserved for the divisions */
  int64_t groups;
  double *a_sums;  /* [groups, 2, H * D] */
  double *plain;   /* reference: [threads, 2 * max(D, Dv)] */
  double *edges;   /* reference: [H, Fe * (1 + D + Dv)] */
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
  heed__division division; /* sparse: the rows of a forward call */
  float *partials;        /* [segments, partial_floats] */
  int64_t partial_floats; /* maximum, sum, accumulator of a segment */
  heed__diagonal *diagonals;
  heed__reserve *reserve; /* NULL: not prepared for backward calls */
  bool reserved;          /* bound again and again, to masks within the sizes it was made for */
  bool whole_rows;        /* then: rows are never cut */
  heed__counts most;      /* what its division and partials are reserved for */
  struct heed__linear *linear; /* NULL: not linear attention in the dense kernel */
  heed__edges *edges;     /* NULL: no features of pairs, or the reference, which takes them as they are */
};

/* What a plan is made from, checked. */
heed_status heed__plan_check(const heed_attention_spec *spec, const heed_mask *mask);

/* A plan for a kernel that is not AUTO, of what is checked, for a number of threads. On failure
 * nothing is left and `*plan` is NULL. heed_attention_free() ends it. */
heed_status heed__plan_new(heed_attention **plan, const heed_attention_spec *spec,
                           const heed_mask *mask, int threads);

/* A plan that is not bound yet, with memory for masks whose queries, keys and pairs are at most those of
 * `mask`, of which nothing else is read now. Not AUTO. With `whole_rows` no row is ever cut for the
 * threads: of masks of many long rows, whose segments would be as many as their pairs.
 *
 * Then, again and again: `mask` is filled with another mask, not a full one, that keeps to these sizes,
 * and heed__plan_rebind() divides its rows anew. For backward calls heed_attention_prepare_backward() comes
 * once before, with NULL and NULL; the transpose then comes with each binding. Rebinding allocates
 * nothing. */
heed_status heed__plan_reserve(heed_attention **plan, const heed_attention_spec *spec,
                               const heed_mask *mask, bool whole_rows);
heed_status heed__plan_rebind(heed_attention *plan, const heed_mask *transposed,
                              const int64_t *pairs);

/* The backward part of heed__plan_rebind(). */
heed_status heed__reserve_rebind(heed_attention *plan, const heed_mask *transposed,
                                 const int64_t *pairs);

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

/* Bytes of a number of a key or value that a pair gathers. */
static inline double heed__number_bytes(const heed_attention_spec *spec) {
  return spec->storage == HEED_STORAGE_BFLOAT16 ? 2 : 4;
}

/* Whether pairs gather from a table of bfloat16 with that kernel, which is not AUTO. */
bool heed__stores_narrow(const heed_attention_spec *spec, heed_kernel kernel);

/* Numbers to reserve for that table. */
heed_status heed__table_numbers(const heed_attention_spec *spec, const heed_mask *mask,
                                size_t *numbers);

/* Reserves it, where the plan's spec wants it. */
heed_status heed__table_new(heed_attention *plan);

/* Fills it from the inputs of a call; with GAT only lays it out, for heed__node_scores() to fill. */
void heed__table_fill(heed_attention *plan);

/* Cuts a mask into its diagonals, into [heed__diagonals_most() + 1]; returns how many. */
int64_t heed__diagonals_most(const heed_mask *mask);
int64_t heed__cut_diagonals(const heed_mask *mask, heed__diagonal *diagonals);

/* Cuts the rows of a mask into tasks. On failure what there is stays for heed__division_free(). */
heed_status heed__divide(heed__division *division, const heed_mask *mask);
heed__counts heed__divide_count(const heed_mask *mask); /* what that comes to */
/* The same in two steps: arrays for any mask of at most these sizes, and, without allocation, the rows. */
heed_status heed__divide_most(heed__division *division, const heed_mask *sizes, bool whole_rows,
                              heed__counts *most);
heed_status heed__divide_again(heed__division *division, const heed_mask *mask, bool whole_rows,
                               const heed__counts *most);
void heed__division_free(heed__division *division);

/* The larger size of a head. */
static inline int64_t heed__largest_dim(const heed_attention_spec *spec) {
  return spec->key_dim > spec->value_dim ? spec->key_dim : spec->value_dim;
}

/* Whether the dense kernel does a backward call; it leaves the other scores to the sparse one. */
static inline bool heed__in_tiles(const heed__problem *problem) {
  return problem->spec.kernel == HEED_KERNEL_DENSE && problem->spec.score == HEED_SCORE_DOT;
}

/* Numbers of a head in what edge features give the gradients of their weights. */
static inline size_t heed__edge_numbers(const heed_attention_spec *spec) {
  return (size_t)spec->edge_dim * (1 + (size_t)spec->key_dim + (size_t)spec->value_dim);
}

/* Ends what was reserved for backward calls. */
void heed__reserve_free(heed_attention *plan);

/* Checks the inputs of a call, without what goes out. */
heed_status heed__check_inputs(const heed__problem *problem, const heed_attention_inputs *in);

/* A pass over a plan's mask may have this many threads. */
int heed__threads_for_tasks(const heed_attention *plan, int64_t tasks);

/* How many of `most` threads the work is worth. */
int heed__threads_worth(const heed_attention_spec *spec, const heed_mask *mask, int64_t most);

#endif
