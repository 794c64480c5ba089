/* Masks by a formula: what row i of n nodes sees, set by set. */
#ifndef HEED_SRC_MASK_RULES_H
#define HEED_SRC_MASK_RULES_H

#include <heed/mask.h>

/* The formulas, see heed/mask.h. i and j count from the first node of a set of n. */
typedef enum heed__rule_kind {
  HEED__RULE_FULL,
  HEED__RULE_WINDOW,    /* left, right */
  HEED__RULE_BLOCK,     /* size: left */
  HEED__RULE_GLOBAL,    /* nodes: left */
  HEED__RULE_BIPARTITE, /* first: left */
  HEED__RULE_QUERIES,   /* from left to right */
  HEED__RULE_KEYS,      /* from left to right */
  HEED__RULE_SHIFT,     /* axes, shape, offset; axes 0: one axis of as many nodes as there are */
  HEED__RULE_DILATED,   /* left, right, step */
  HEED__RULE_BOX,       /* axes, shape, left */
  HEED__RULE_AXES,      /* the same */
  HEED__RULE_RANDOM     /* keys: left; seed, stream */
} heed__rule_kind;

typedef struct heed__rule {
  heed__rule_kind kind;
  int64_t left, right, step;
  int axes;
  int64_t shape[3], offset[3];
  uint64_t seed, stream;
} heed__rule;

/* Node sets one after the other that see nothing of each other; n 0 is one set of all queries and keys. */
typedef struct heed__sets {
  int64_t n_queries;
  int64_t n_keys;
  int64_t n;
  const int64_t *ptr; /* [n + 1] */
} heed__sets;

/* The mask of a rule within each set: one of runs where every row is a run, else pairs; full for FULL of one
 * set. Negative numbers, steps and sizes below 1 and shapes that are not the set's are refused. */
heed_status heed__mask_from_rule(heed_mask *mask, const heed__rule *rule, const heed__sets *sets);

/* heed_mask_nearest() within each set. */
heed_status heed__mask_nearest(heed_mask *mask, const heed_matrix *features, int64_t k,
                               const heed__sets *sets);

/* The set of a node. */
int64_t heed__sets_find(const heed__sets *sets, int64_t node);

#endif
