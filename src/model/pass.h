/* A model bound to inputs. */
#ifndef HEED_SRC_MODEL_PASS_H
#define HEED_SRC_MODEL_PASS_H

#include "model/model.h"

/* What a pass knows of a value. */
typedef struct heed__slot {
  int64_t rows;
  int hops;    /* steps of attention from here to the output, see field.c; HEED__ALL: too many */
  float *data; /* [rows, width], where it lies in this call; NULL if it exists only sparsely */
  float *whole; /* [all rows] of a key or value of which `data` is a block of rows, see infer.c; else NULL */
  float *own;  /* its buffer; NULL if it shares another's */
  const uint32_t *kept; /* of a sparse value: which of the features' numbers dropout left in this call,
                           NULL: all, */
  float factor;         /* and what it multiplied them by */
  uint32_t *own_kept;   /* their buffer, after dropout */
  float *gradient;   /* [rows, width] */
  bool sparse;       /* the features of a sparse pass, or they after dropout */
  bool dense;        /* written out densely: what is not sparse, and what a dense layer reads */
  bool needs_gradient;
  bool callers; /* its gradient is the caller's d_output itself, not to be written to */
} heed__slot;

/* Hops of a value that is needed whole. */
enum { HEED__ALL = 1 << 20 };

/* The second node set. */
typedef struct heed__context {
  const heed_matrix *dense;
  const heed_csr *sparse;
  const int64_t *graph_ptr;
  int64_t whole[2]; /* graph_ptr of one graph */
  int64_t n_nodes;
  heed_mask cross, own; /* masks of nodes over it and of itself, without edges; indptr NULL: full */
} heed__context;

/* The transpose of sparse features. */
typedef struct heed__turned {
  heed_csr features;
  const uint32_t *places; /* of its numbers among those of the features */
  void *arrays[5];
} heed__turned;

/* The mask of masked layers among the nodes; or those of its groups of heads, see heed_heads_new(). */
typedef struct heed__group {
  heed_mask mask;     /* that of the inputs or its ordered rows, without edges */
  int32_t heads;      /* 0: all, the only group */
  int64_t first_pair; /* of the inputs' features and classes of pairs, which lie group after group */
  int64_t full_nodes; /* the mask of the inputs is full, of so many nodes; else 0 */
} heed__group;

/* A mask that layers look at, and for training its transpose, once for all of them. */
typedef struct heed__view {
  heed_mask mask;
  heed_mask transposed;
  int64_t *pairs;
  bool fresh;            /* not made yet */
  bool full;             /* every key of the same graph */
  heed_value values[3];  /* of the first layer that it is of: output, keys, values */
  int hops[2];           /* of queries and keys, in a reserved pass */
  int group;             /* of the pass's groups; -1: of layers whose heads all see the same */
  int32_t per_graph[2];  /* rows that a graph has in queries and keys; 0: its nodes */
  void *arrays[5];       /* of a reserved pass: rows and starts of the mask where it is full, rows and
                            columns (or starts) of the transpose, pairs */
} heed__view;

/* Cosines and sines of the positions of a pass, [nodes, dim / 2, 2]. */
typedef struct heed__turns {
  int64_t dim;
  float base;
  float *table;
} heed__turns;

/* The positions of a node set. */
typedef struct heed__places {
  int32_t *positions;   /* [nodes] of each row; NULL where no layer asks for them */
  int32_t *by_position; /* [nodes] rows by position, */
  int32_t *starts;      /* [most + 1] where those of each begin */
  int64_t most;         /* of any learned table; 0: there is none */
  heed__turns *turns;   /* [n_turns] */
  int n_turns;
} heed__places;

/* What a pass knows of a layer. */
typedef struct heed__step {
  bool live;       /* the output depends on it */
  bool backward;   /* it has a part in the backward pass */
  int in_place;    /* the input whose buffer its output takes over; -1: none */
  bool adds[3];    /* the gradient of that input is added to, else overwritten */
  float *apart[3]; /* where that gradient goes first, if the operator cannot add */
  float *edge_room; /* what lies beside edge weights: GAT's, and gradients to be added up */
  float *bias;          /* [pairs, H], of classes, forward; in the backward pass: */
  float *again, *d_bias;
  double *partial;      /* [blocks, classes, H] */
  const float *turns;   /* of rotary */
  float *steep;         /* of GAT, beside keep: heed_attention_outputs */
  void *keep;      /* log_sum_exp, statistics of a norm, row numbers of a maximum, bits of dropout */
  heed_heads *heads; /* the plan of attention */
  heed_attention_spec spec;
  heed__view *views; /* [n_views], one for each group of heads */
  int n_views;
  const heed_mask *mask; /* of the first */
} heed__step;

struct heed_pass {
  heed_model *model;
  const heed_matrix *dense;
  const heed_csr *sparse;
  const float *edges;       /* [pairs, Fe] */
  const int32_t *pair_classes; /* in the order of the groups' masks, or of full pairs of the inputs */
  heed__places places[2];   /* of the nodes, of the context */
  heed_csr flipped;         /* sparse features of a pass for training that changes signs: with values of its own, */
  float *flip_values;
  float *signs;             /* [flip_columns] and these signs now; as many again for the next ones */
  void *pair_arrays[2];     /* classes and features of pairs in another order */
  const int64_t *graph_ptr; /* [n_graphs + 1] */
  int64_t whole[2];         /* graph_ptr of one graph */
  int64_t n_nodes, n_graphs;
  bool training;
  bool reserved;               /* made by heed_pass_reserve(), for at most: */
  bool bound;                  /* to inputs */
  bool stepwise; /* made by heed__pass_reserve_steps() */
  heed_model_capacity capacity;
  bool trained;        /* the last forward call was in mode TRAIN and its activations stand */
  uint64_t seed, step; /* of that call */
  heed__slot *slots;   /* [values] */
  heed__step *steps;   /* [layers] */
  float *arena;        /* activations and gradients, at places planned */
  float *room;         /* of one loop at a time */
  float *ones;         /* score vectors of attention without trained ones */
  float *gradients;    /* [parameters] */
  const float *d_output;
  int32_t *nodes; /* [rows of the features] the node of each row; NULL: as they are numbered */
  int32_t *place; /* [nodes of the inputs] the row of each node */
  heed_matrix ordered_dense;
  heed_csr ordered_sparse;
  void *feature_arrays[3];
  void *mask_arrays[2];
  heed__group *groups; /* [n_groups], at least 1 */
  int n_groups;
  heed__context context;
  heed__view *views; /* [layers, n_groups] */
  int n_views;
  int64_t most_values[2]; /* numbers of sparse features of the nodes, and of the context; -1: dense */
  heed__turned turned[2];
  int capture; /* attention layer of whose groups one's weights are wanted; -1: none */
  int capture_group;
  float *weights;
  size_t bytes;
};

/* Which of the two node sets a value has its rows from, where it has them from one: 0 or 1. */
static inline int heed__set_of(const heed_pass *pass, heed_value value) {
  return pass->model->values[value].per_graph == HEED__CONTEXT;
}

static inline const heed_csr *heed__sparse_of(const heed_pass *pass, heed_value value) {
  return heed__set_of(pass, value) == 1 ? pass->context.sparse : pass->sparse;
}

static inline const heed_matrix *heed__dense_of(const heed_pass *pass, heed_value value) {
  return heed__set_of(pass, value) == 1 ? pass->context.dense : pass->dense;
}

/* Where a value's graphs begin and end among its rows, where it has its rows from a node set. */
static inline const int64_t *heed__graphs_of(const heed_pass *pass, heed_value value) {
  return heed__set_of(pass, value) == 1 ? pass->context.graph_ptr : pass->graph_ptr;
}

/* A reserved pass for evaluation whose layers over nodes are run again and again, by heed__layer_forward(),
 * after those over the context and over graphs have been run once: what the former read of the latter stays
 * where it is. */
heed_status heed__pass_reserve_steps(heed_pass **pass, heed_model *model,
                                     const heed_model_capacity *capacity);

/* Runs one layer, forward or backward. */
heed_status heed__layer_forward(heed_pass *pass, int layer, heed_mode mode);
heed_status heed__layer_backward(heed_pass *pass, int layer);

/* positions.c: room for what layers ask of positions, positions themselves, and what comes of them. */
heed_status heed__positions_reserve(heed_pass *pass);
heed_status heed__positions_take(heed_pass *pass, const heed_model_inputs *in);
/* Other positions of the nodes, [n_nodes] of now. */
heed_status heed__positions_step(heed_pass *pass, const int32_t *positions);
void heed__positions_free(heed_pass *pass);
void heed__positions_forward(const heed_pass *pass, int layer, const float *x, float *y);
void heed__positions_backward(const heed_pass *pass, int layer, const float *d_y, float *d_table);
void heed__rotary_apply(const heed_pass *pass, int layer, bool back, const float *x, float *y, bool add);

/* relative.c: the bias of the pairs of a layer's mask from its classes, and the gradient of the table. */
int heed__relative_blocks(int64_t rows, int64_t pairs, int64_t classes);
heed_status heed__classes_take(heed_pass *pass, const heed_model_inputs *in);
void heed__relative_bias(const heed_pass *pass, int layer, float *bias);
void heed__relative_backward(const heed_pass *pass, int layer, const float *d_bias, double *partial,
                             float *d_table);

/* flip.c: signs of columns of features. */
heed_status heed__flip_reserve(heed_pass *pass);
void heed__flip_take(heed_pass *pass);
void heed__flip_sparse(heed_pass *pass, bool train);
void heed__flip_dense(const heed_pass *pass, float *x);

/* Dropout of one layer in one step draws from a key and a stream of its own: the four numbers that
 * counter `step` of stream 2^32 + layer of the seed gives. Parameters are drawn from lower streams.
 * The dropout of attention weights has the key as its seed. */
void heed__dropout_key(uint64_t seed, uint64_t step, int layer, uint64_t *key, uint64_t *stream);

#endif
