/* Features of pairs, around the kernels, which know of them only by what is one number a pair and head:
 * a bias of the logits, what the values of pairs add to d_out . value, the weights that they leave behind
 * and the gradients of the logits. */
#ifndef HEED_SRC_ATTENTION_EDGES_H
#define HEED_SRC_ATTENTION_EDGES_H

#include "attention/plan.h"

/* Whether a spec with features of pairs and a mask go together. */
heed_status heed__edges_check(const heed_attention_spec *spec, const heed_mask *mask);

/* Whether the arrays of a call are there. */
heed_status heed__edges_check_inputs(const heed__problem *problem, const heed_attention_inputs *in);

/* Bytes that heed__edges_new() reserves. */
heed_status heed__edges_bytes(const heed_attention_spec *spec, const heed_mask *mask, int threads,
                              size_t *bytes);

/* Sets plan->edges up; on failure what there is stays for heed__edges_free(). */
heed_status heed__edges_new(heed_attention *plan);

/* What backward calls need in addition; replaces what was reserved before. */
heed_status heed__edges_reserve(heed_attention *plan);

/* Ends the latter, or everything. */
void heed__edges_release(heed_attention *plan);
void heed__edges_free(heed_attention *plan);

/* A call: problem->in and problem->to hold what the caller gave. What stands between makes the problem one
 * without features of pairs: another bias, maybe another score, own room for weights. */
void heed__edges_before_forward(heed_attention *plan);
void heed__edges_after_forward(heed_attention *plan);

/* The same backwards; `back` loses the gradients that are computed here. */
void heed__edges_before_backward(heed_attention *plan, heed__backward *back);
void heed__edges_after_backward(heed_attention *plan, const heed__backward *back);

#endif
