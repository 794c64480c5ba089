/* Features of pairs, around the kernels, which know of them only by what is one number a pair and head:
 * a bias of the logits, what the values of pairs add to d_out . value, the weights that they leave behind
 * and the gradients of the logits. Where streams of pairs take the features as they go (features_body.h), what is
 * left to do here is to lay their weights out and to sum up the gradients of those. */
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

/* The groups of the mask that a reserved plan is bound to: a plan of its own would have as many. */
void heed__edges_rebind(heed_attention *plan);

/* Ends the latter, or everything. */
void heed__edges_release(heed_attention *plan);
void heed__edges_free(heed_attention *plan);

/* A call: problem->in and problem->to hold what the caller gave. What stands between makes the problem one
 * without features of pairs: another bias, maybe another score, own room for weights. */
void heed__edges_before_forward(heed_attention *plan);
void heed__edges_after_forward(heed_attention *plan);

/* The first backward pass, where the kernels take features as they go: what a group of tasks, whose owner the thread
 * is, gives the gradients of their weights. */
void heed__edges_begin_group(const heed_attention *plan, int64_t group);
void heed__edges_end_task(const heed_attention *plan, int64_t group);

/* A backward call; `back` loses the gradients that are computed here. The second returns whether those of
 * GAT's scores of nodes have been summed up and are to be taken on to their rows; `back` has them again. */
void heed__edges_before_backward(heed_attention *plan, heed__backward *back);
bool heed__edges_after_backward(heed_attention *plan, heed__backward *back);

#endif
