/* Binding a model to inputs: which layers run, where every value and gradient lies.
 *
 * Layer l of L runs forward at time l and backward at time 2 L - 1 - l. A buffer is taken from its
 * first to its last use in that time, and buffers whose times do not meet may share a place. */
#ifndef HEED_SRC_MODEL_PLAN_H
#define HEED_SRC_MODEL_PLAN_H

#include "model/pass.h"

/* A buffer to be placed. */
typedef struct heed__item {
  int64_t floats;
  int64_t offset;
  int first, last;
  void **to;
} heed__item;

/* What planning needs for a while; what layers and values need is known already. */
typedef struct heed__plan {
  heed_pass *pass;
  const heed_model *model;
  int *uses;   /* [values] how often live layers read it */
  int *last;   /* [values] the last time its data is read */
  int *writer; /* [values] the layer that writes its gradient first, the last to read it; -1 */
  int *root;   /* [values] whose gradient buffer it shares; itself: its own */
  int *last_gradient; /* [values] the last time its gradient is read */
  bool *stays;        /* [values] of a stepwise pass: nodes read it, or it lies where such a one does */
  bool *passed_on;    /* [values] evaluation lets it lie where another value does */
  heed__item *items;
  int n_items, room_items;
  int *order;
} heed__plan;

/* What of a pass does not depend on its inputs, but on their largest sizes: slots and steps. */
heed_status heed__pass_prepare(heed__plan *p);

/* Whether a capacity is one; and whether inputs are within that of a reserved pass. */
heed_status heed__capacity_check(const heed_model *model, const heed_model_capacity *capacity);
heed_status heed__pass_check_room(const heed_pass *pass, const heed_model_inputs *in);

/* How many groups of heads a layer of attention has that see different pairs; and the heads of one of them. */
int heed__groups_of(const heed_pass *pass, const heed__layer *layer);
int32_t heed__heads_of(const heed_pass *pass, const heed__layer *layer, int group);

/* The masks and their transposes that the groups of a layer of attention look at, one after the other: found or
 * made for the inputs of the pass; or with memory for what its capacity says, to be filled when it is bound. */
heed_status heed__views_find(heed_pass *pass, const heed__layer *layer, heed__view **found);
heed_status heed__views_reserve(heed_pass *pass, const heed__layer *layer, heed__view **found);
heed_status heed__view_bind(heed_pass *pass, heed__view *view);

/* What a pass takes of the mask and of the features of pairs; and its vector of ones, for attention that wants
 * one. */
heed_status heed__pass_take_mask(heed_pass *pass, const heed_model_inputs *in);
int64_t heed__pass_pairs(const heed_pass *pass); /* of the masks of all groups */
heed_status heed__pass_ones(heed_pass *pass);

/* The kernel of attention over a mask, where the spec leaves it open. Never measured: the same bits in every
 * run. Long runs are quicker in tiles than pair by pair. */
heed_kernel heed__pass_kernel(const heed_attention_spec *spec, const heed_mask *mask);

/* Floats of room that any one loop wants. */
int64_t heed__pass_room(const heed__plan *p);

/* Chooses what is overwritten in place, places every buffer of the pass and reserves its memory. */
heed_status heed__plan_buffers(heed__plan *p);

/* Orders nodes, features and mask so that only what the wanted rows need is computed, and gives
 * every slot its rows. Does nothing where that cannot be told. */
heed_status heed__field_order(heed_pass *pass, const heed_mask *mask, const uint8_t *wanted);

/* The same for the first n_wanted nodes, which keep their order: every value needs a number of first rows.
 * Only the features change, to as many of their rows. */
heed_status heed__field_first(heed_pass *pass, int64_t n_wanted);

/* What of it does not depend on inputs, in a reserved pass of `hops`, for its capacity; and the rows for inputs:
 * HEED_SHAPE where they need more than the capacity. */
heed_status heed__field_reserve(heed_pass *pass);
heed_status heed__field_bind(heed_pass *pass, int64_t n_wanted);

#endif
