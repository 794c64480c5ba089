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

/* Chooses what is overwritten in place, places every buffer of the pass and reserves its memory. */
heed_status heed__plan_buffers(heed__plan *p);

/* Orders nodes, features and mask so that only what the wanted rows need is computed, and gives
 * every slot its rows. Does nothing where that cannot be told. */
heed_status heed__field_order(heed_pass *pass, const heed_mask *mask, const uint8_t *wanted);

#endif
