/* Linear attention without pairs (Katharopoulos et al. 2020): where every query of a diagonal sees all of its
 * keys, scale / n sum over j of (q . k_j) v_j is q times one matrix a head, the sum of k_j v_j'; where query i sees
 * the keys up to i, that of those before it, which grows from row to row. The dense kernel takes this way where it
 * can and where it is less work. */
#ifndef HEED_SRC_ATTENTION_LINEAR_H
#define HEED_SRC_ATTENTION_LINEAR_H

#include "attention/plan.h"

/* Matrices and room to work in; plan->linear. */
struct heed__linear {
  float *memory;
  int64_t state; /* floats of a matrix */
  int64_t row;   /* floats of one of its rows */
  int64_t room;  /* floats of a thread's room */
  int64_t states;
};

/* Whether this kernel and spec may come this way at all. */
bool heed__linear_spec(const heed_attention_spec *spec, heed_kernel kernel);

/* Bytes that heed__linear_new() reserves. */
size_t heed__linear_bytes(const heed_attention_spec *spec, heed_kernel kernel, int threads);

/* Sets plan->linear up where the spec may need it. */
heed_status heed__linear_new(heed_attention *plan);
void heed__linear_free(heed_attention *plan);

/* Whether the call, forward or with `back`, can do without pairs, and whether a diagonal of it should. */
bool heed__linear_call(const heed_attention *plan, const heed__backward *back);
bool heed__linear_diagonal(const heed__problem *problem, const heed__diagonal *diagonal);

/* One diagonal, by the calling thread or by all. */
void heed__linear_forward(heed_attention *plan, const heed__diagonal *diagonal, bool alone);

/* The same backwards: adds to the gradients of queries, or of values and keys. */
void heed__linear_backward(heed_attention *plan, const heed__backward *back,
                           const heed__diagonal *diagonal, bool by_queries, bool by_keys, bool alone);

/* Pairs that are as much work as a query or key of a row of `keys` keys is: 2 D Dv against 2 (D + Dv) operations
 * for each. The least of both, for `rows` queries that see the same keys. */
double heed__linear_cells(const heed_attention_spec *spec, double rows, double keys);

/* The same for all of a mask: about so many cells does the dense kernel go through. */
double heed__linear_mask_cells(const heed_attention_spec *spec, const heed_mask *mask);

#endif
