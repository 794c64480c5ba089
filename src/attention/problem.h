/* One call as the kernels see it, and the table of kernels an instruction set brings.
 *
 * Flat logits: a block of pairs has its logits in one array, pair after pair, each pair taking
 * `padded` places of which the first H are used. `padded` is a power of two that divides the vector
 * or a multiple of the vector, so vectors of the array start with the same head again and again. */
#ifndef HEED_SRC_ATTENTION_PROBLEM_H
#define HEED_SRC_ATTENTION_PROBLEM_H

#include <heed/attention.h>
#include <stdbool.h>
#include <string.h>

/* The most features of a pair that streams take. */
enum { STREAMED_FEATURES = 64 };

/* Pairs in one step of the online softmax; tests/bench/README.md says why this many. */
enum { BLOCK_PAIRS = 32 };

/* Pairs after which a row is cut, so that no thread is left alone with a hub. */
enum { SEGMENT_PAIRS = 4096 };

/* The dense kernel: queries that are copied together, those of a step of the backward pass and of a strip
 * of the forward pass, and keys of a tile; tests/bench/README.md says why so many. All are multiples of
 * 12, the most rows that a block of a product has, and TILE_KEYS of the widest vector. */
enum { TILE_QUERIES = 1152, STEP_QUERIES = 96, STRIP_QUERIES = 48, TILE_KEYS = 192 };

/* Queries of a strip under a mask of runs that see different keys, of which less is then computed in vain. */
enum { LEAST_STRIP = 12 };

/* The widest vector of any instruction set, in floats. */
enum { WIDEST = 16 };

/* A stretch of consecutive rows, or a segment of one long row. */
typedef struct heed__task {
  int64_t first_row;
  int64_t end_row;
  int64_t first_pair;
  int64_t end_pair;
  int64_t partial; /* where a segment leaves its part; -1 for whole rows */
} heed__task;

/* A row that was cut: its segments' parts lie one after the other. */
typedef struct heed__cut {
  int64_t row;
  int64_t first_task;
  int64_t n_tasks;
} heed__cut;

/* The dense kernel: rows whose keys no other row sees, up to the first row of the next one. Tiles are counted
 * from the first key and steps from the first row, so that the bits of a graph do not depend on where in a
 * batch it lies. */
typedef struct heed__diagonal {
  int64_t first_row;
  int32_t first_key;
  int32_t end_key;
} heed__diagonal;

/* What is the same for every task; set up by the plan, completed by the forward call. */
typedef struct heed__problem {
  heed_attention_spec spec; /* scale filled in, kernel chosen */
  const heed_mask *mask;
  const int32_t *all_keys;  /* 0, 1, 2, ... for a mask that does not list its keys: full or of runs; NULL in the
                               dense kernel without features of pairs */
  int32_t padded;           /* heads in the flat logits */
  int32_t period;           /* floats after which those come back to the first head */
  int64_t key_stride;       /* H * D */
  int64_t value_stride;     /* H * Dv */
  int32_t value_vectors;    /* vectors that hold a row of values */
  const int32_t *head_of;   /* [value_vectors] head of a vector's first number */
  const int32_t *spread;    /* [value_vectors * lanes] head of each number, less head_of */
  bool prefetch;            /* whether rows come from beyond the L2 cache */
  int32_t ahead;            /* pairs to prefetch ahead */
  uint32_t drop_below;      /* a weight is dropped if its random number is below */
  float keep_scale;         /* 1 / (1 - dropout) */
  heed_attention_inputs in; /* value is never NULL here */
  heed_attention_outputs to;
  const heed__diagonal *diagonals; /* dense: [n_diagonals + 1], the last one's first row is behind all */
  int64_t n_diagonals;
  float *query_scores;      /* GAT: [n_queries, padded] a_query . query */
  float *key_scores;        /* GAT: [n_keys, padded] a_key . key */
  uint16_t *table;          /* bfloat16 storage: a row a node, its key (not with GAT) and its value;
                               NULL: pairs gather floats from `in` */
  int64_t table_stride;     /* numbers from one row of it to the next */
  int64_t table_row;        /* numbers of a row that are read */
  int64_t table_value;      /* where a row's value begins; 0 where it begins the row */
  const struct heed__edges *features; /* of pairs, where the kernels take them as they go (features_body.h) */
} heed__problem;

/* One pass of the backward call. The first has a row a query and sums over its keys; the second has a
 * row a key and sums over the queries that see it. In comments a row's own node stands opposite its
 * columns' nodes. */
typedef struct heed__side {
  bool by_keys;            /* the second pass */
  const heed_mask *mask;   /* the mask, or its transpose */
  const int32_t *all;      /* 0, 1, 2, ... where that lists no columns */
  const int64_t *pairs;    /* second pass: each pair's number in the mask; NULL where it is full or of runs */
  const heed_mask *numbers;/* second pass: the mask that pairs are numbered in */
} heed__side;

/* What a backward call has beside the problem. */
typedef struct heed__backward {
  heed_attention_gradients to; /* value is key where the keys are the values; NULL: not wanted */
  /* Gradients may share an array: query is written first, then value, then key, and the rows below
   * these limits have been written and are added to. */
  int64_t add_value_below;
  int64_t add_key_below;
  int64_t add_query_below; /* above 0 only where edges.c computes the score, after everything else */
  bool by_sums;            /* GAT: gradients of single logits are not wanted, see ebb_steep() */
  bool joined;             /* GAT: those of queries, keys and values are one array, see put_node() */
  bool prefetch;
  int64_t key_vectors;     /* as value_vectors and what follows it, for rows of queries and keys */
  const int32_t *key_head_of;
  const int32_t *key_spread;
  const float *products;   /* NULL, or [n_pairs, H] in mask order, added to the products of d_out and values */
  float *weights;          /* NULL, or [n_pairs, H] in mask order: the first pass leaves them here as applied */
  float *d_logits;         /* likewise the gradients of the logits, with GAT of the sums before LeakyReLU; where
                              both are there the second pass takes them up (streams alone) */
  float *statistics;       /* [n_queries, 2, padded] log_sum_exp (FLT_MAX for minus infinity and in
                              the padding) and d_out . out; with another normaliser than softmax
                              heed__length_number() and nothing */
  float *query_sums;       /* GAT: [n_queries, padded] gradient of a_query . query */
  float *key_sums;         /* GAT: [n_keys, padded] gradient of a_key . key */
} heed__backward;

/* A score of the kernels alone: the logit is the bias, for features of pairs in scores that are not linear. */
#define HEED__SCORE_NONE ((heed_score)(HEED_SCORE_ADDITIVE + 1))

/* What one thread works in for features of pairs; whole vectors, so that more fits than counts. Sums are
 * NULL where nobody wants them. */
typedef struct heed__edge_room {
  float *flat;       /* in streams: what pairs add to their logits */
  float *by_row;     /* [BLOCK_PAIRS, H, row] of the rows of a block, as the next two: projected, */
  float *by_gradient;/* backward: features summed up by gradients of logits */
  float *by_weight;  /* and by weights */
  float *by_head;    /* [H, row] */
  float *by_feature; /* [Fe, heads_row] */
  float *heads;      /* [heads_row + WIDEST] */
  float *key;        /* [H * D], as the next two: a key and its edge */
  float *terms;
  float *own;        /* sums of a row */
  float *sums;       /* what the next four point into */
  float *sum_bias;   /* [H, row] of the rows of a stretch, as the others, */
  float *sum_key;    /* [H * D, row] but for the scale, or for a factor a */
  float *sum_value;  /* [H * Dv, row] */
  float *sum_a;      /* [H * D] */
} heed__edge_room;

/* Floats of the arrays for features of pairs; all that depends on the mask is `pairs` and `groups`. */
typedef struct heed__edge_sizes {
  size_t pairs; /* of a number a pair and head */
  size_t row, heads_row, wide;
  size_t key_turned, value_turned;
  size_t by_head, by_feature;
  size_t by_rows, flat; /* of a block */
  size_t sums; /* of a room */
  size_t room;
  size_t groups;
} heed__edge_sizes;

/* Features of pairs in a call (edges.h). A row of features, and one of heads, is filled up with zeros. */
typedef struct heed__edges {
  heed_score score;    /* of the spec; the problem's may be HEED__SCORE_NONE for the length of a call */
  bool own_score;      /* whether that is so: the score is computed with the features, not by the kernels */
  bool streams;        /* whether the kernels take them as they go; then there are no numbers a pair and head but
                          `weights` and `d_logits` of backward calls */
  bool by_gradients;   /* backward: whether features are summed up by the gradients of the logits */
  int32_t dim;         /* Fe */
  int64_t row;         /* Fe in whole vectors */
  int64_t heads_row;   /* H likewise */
  heed__edge_sizes sizes; /* of the mask that the plan was made for */
  const float *bias;   /* the caller's */
  int32_t bias_heads;
  float *logits;       /* [n_pairs, H] what the features and the caller's bias add to the logits */
  float *weights;      /* [n_pairs, H] as applied */
  float *products;     /* [n_pairs, H] backward: what edge_value adds to d_out . value; later GAT's gradients of the
                          sums before LeakyReLU; in streams the weights */
  float *d_logits;     /* [n_pairs, H] gradients of the logits; the caller's own array where there is one */
  float *bias_turned;  /* [H, row] edge_bias */
  float *key_turned;   /* [H, D, row] edge_key, in streams times the scale */
  float *value_turned; /* [H, Dv, row] edge_value */
  heed_attention_gradients to; /* backward: as the caller gave them, value as in heed__backward */
  heed__edge_room *rooms;      /* [threads] */
  void *memory;                /* what all of these but products and d_logits point into */
  float *own_d_logits;         /* where d_logits points otherwise */
  double *sums;                /* [groups, sums of a room] backward */
  int64_t groups;              /* of the mask, at most as many as are reserved: */
  int64_t most_groups;
} heed__edges;

/* What one thread works in. */
typedef struct heed__scratch {
  float *logits;     /* [BLOCK_PAIRS * padded + 5 * WIDEST] flat */
  float *maximum;    /* [max(padded, WIDEST)] running maximum, repeated across the vector */
  float *sum;        /* likewise, running sum of exp(logit - maximum), lane by lane */
  float *factor;     /* likewise, what to rescale by */
  float *query;      /* [H * D + WIDEST] the query row, scaled */
  float *accumulator;/* [value_vectors * lanes] */
  uint32_t *random;  /* [BLOCK_PAIRS * H + 8 + 2 * WIDEST] */
  int32_t *columns;  /* [BLOCK_PAIRS + WIDEST] */
  float *keep;       /* flat: what dropout multiplies the weights by */
  float *added;      /* flat: what pairs add to their logits */
  const heed__edge_room *room; /* NULL: no features of pairs */
  /* dense only */
  float *tile;       /* [STEP_QUERIES, TILE_KEYS] logits, then weights */
  float *compact;    /* [TILE_KEYS + WIDEST] one row's pairs in a tile */
  float *packed;     /* [D, TILE_KEYS] keys, transposed */
  float *queries;    /* [TILE_QUERIES, heed__padded_row(D)] scaled */
  float *values;     /* [TILE_KEYS, heed__padded_row(Dv)] */
  float *result;     /* [TILE_QUERIES, heed__padded_row(Dv)] */
  float *row_maximum;/* [TILE_QUERIES] */
  float *row_sum;    /* [TILE_QUERIES, WIDEST] lane by lane */
  int64_t *cursor;   /* [TILE_QUERIES] next pair of each row */
  int64_t *cursor_end;/* [TILE_QUERIES] the pair behind those of each row in a tile */
  double *plain;     /* reference: [max pairs of a row] */
  float *wide;       /* bfloat16 storage: a block's keys (not with GAT), then its values */
  /* backward only */
  uint64_t *counters;/* [BLOCK_PAIRS * (H / 4 + 2) + WIDEST] of random numbers */
  uint32_t *scattered;/* four for each of those */
  float *gradients;  /* flat: products of d_out and values, then gradients of logits */
  float *products;   /* flat: what pairs add to those products */
  float *raw;        /* flat: GAT's sums before LeakyReLU */
  float *log_sums;   /* flat: log_sum_exp of each pair's query */
  float *deltas;     /* flat: d_out . out of each pair's query */
  float *key_sums;   /* [max(period, key_vectors * lanes)] of a row: its sum of keys, or GAT's heads */
  float *a_sums;     /* [2, key_vectors * lanes] of a task: what it gives the gradients of a_query or a, and of a_key */
  float *steep_sums; /* [value_vectors * lanes] GAT: of a row, see ebb_steep() */
  /* backward, dense only */
  float *tile_gradients; /* [STEP_QUERIES, TILE_KEYS] products, then gradients of the logits */
  float *tile_compact;   /* [TILE_KEYS + WIDEST] one row's of those */
  float *tile_keep;      /* [TILE_KEYS + WIDEST] */
  float *packed_values;  /* [Dv, TILE_KEYS] values, transposed */
  float *keys;           /* [TILE_KEYS, heed__padded_row(D)] */
  float *d_out;          /* [TILE_QUERIES, heed__padded_row(Dv)] */
  float *d_queries;      /* [TILE_QUERIES, heed__padded_row(D)] */
  float *d_keys;         /* [TILE_KEYS, heed__padded_row(D)] */
  float *d_values;       /* [TILE_KEYS, heed__padded_row(Dv)] */
} heed__scratch;

/* Linear attention: rows of an array, or of one head of it; rows that are copied together, and of a causal mask those
 * whose pairs among each other are gone through (a multiple of 12 and of the widest vector). */
enum { LINEAR_ROWS = 96, CAUSAL_ROWS = 48 };

typedef struct heed__stretch {
  const float *from;
  int64_t stride;
  int32_t dim;
} heed__stretch;

/* Kernels of one instruction set. */
typedef struct heed__kernels {
  const char *isa;
  int lanes;
  /* Whole rows, or a segment into partial = (maximum, sum, accumulator). */
  void (*sparse)(const heed__problem *problem, const heed__task *task, float *partial,
                 const heed__scratch *scratch);
  /* The same with another normaliser than softmax: (nothing, nothing, accumulator), the weights final. */
  void (*sparse_weights)(const heed__problem *problem, const heed__task *task, float *partial,
                         const heed__scratch *scratch);
  /* `sparse` from problem->table. */
  void (*sparse_narrow)(const heed__problem *problem, const heed__task *task, float *partial,
                        const heed__scratch *scratch);
  /* GAT: whether `sparse` leaves sums in to.steep, but for rows that are cut, and what they give the gradients
   * of the scores of the queries [first, end). */
  bool (*leaves_steep)(const heed__problem *problem);
  void (*steep_gradients)(const heed__problem *problem, const heed__backward *back, int64_t first,
                          int64_t end, const heed__scratch *scratch);
  /* The rows [first, end) of problem->table, rounded. */
  void (*store_rows)(const heed__problem *problem, int64_t first, int64_t end);
  /* Head `head` of the queries [first, end), at most TILE_QUERIES, of a diagonal. */
  void (*dense)(const heed__problem *problem, const heed__diagonal *diagonal, int32_t head,
                int64_t first, int64_t end, const heed__scratch *scratch);
  /* scores[n, padded] = a [H, D] . rows [n, H, D] */
  void (*node_scores)(const heed__problem *problem, const float *rows, const float *a, int64_t first,
                      int64_t end, float *scores, const heed__scratch *scratch);
  /* weights = exp(logit - maximum) / sum over the pairs [first, end) of one row, dropout included */
  void (*weights)(const heed__problem *problem, int64_t first, int64_t end, const float *maximum,
                  const float *sum);
  /* The rows of one task of a pass, or a segment into partial = (key_sums, accumulator). Adds to
   * scratch->a_sums what they give the gradient of a. */
  void (*backward)(const heed__problem *problem, const heed__backward *back, const heed__side *side,
                   const heed__task *task, float *partial, const heed__scratch *scratch);
  /* A row that was cut: `n` parts, `stride` floats from one to the next. */
  void (*backward_join)(const heed__problem *problem, const heed__backward *back,
                        const heed__side *side, int64_t row, const float *partials, int64_t n,
                        int64_t stride, const heed__scratch *scratch);
  /* Dot product: adds to the gradients what head `head` of the queries [i0, i_end) and the keys
   * [j0, j_end) gives: those of queries and bias, or those of values and keys, or both. */
  void (*dense_backward)(const heed__problem *problem, const heed__backward *back, int32_t head,
                         int64_t i0, int64_t i_end, int64_t j0, int64_t j_end, bool by_queries,
                         bool by_keys, const heed__scratch *scratch);
  /* Linear attention: linear_body.h says what they do. */
  void (*linear_sum)(const heed__stretch *x, const heed__stretch *y, int64_t rows, int64_t first,
                     int64_t end, float scale, float *state, int64_t row, float *room);
  void (*linear_apply)(const heed__stretch *x, int64_t rows, const float *state, int64_t row,
                       int64_t dim, float scale, bool adds, float *to, int64_t stride, float *room);
  void (*linear_causal)(const heed__stretch *x, const heed__stretch *y, const heed__stretch *z,
                        int64_t rows, float scale, bool from_end, bool adds, float *state,
                        int64_t row, float *to, int64_t stride, float *room);
  /* back->statistics of the queries [first, end) */
  void (*row_statistics)(const heed__problem *problem, const heed__backward *back, int64_t first,
                         int64_t end, const heed__scratch *scratch);
  /* GAT: from query_sums or key_sums to the gradients of the rows [first, end); adds to
   * scratch->a_sums. */
  void (*node_gradients)(const heed__problem *problem, const heed__backward *back, bool by_keys,
                         int64_t first, int64_t end, const heed__scratch *scratch);
  /* Whether `sparse` and `backward` take features of pairs as they go, those that are linear in the score. */
  bool (*streams_features)(const heed_attention_spec *spec);
  /* Features of pairs otherwise: edges_body.h says what each leaves where, of the rows [first, end). */
  void (*edge_logits)(const heed__problem *problem, const heed__edges *edges, int64_t first,
                      int64_t end, const heed__edge_room *room);
  void (*edge_values)(const heed__problem *problem, const heed__edges *edges, int64_t first,
                      int64_t end, const heed__edge_room *room);
  void (*edge_products)(const heed__problem *problem, const heed__edges *edges, int64_t first,
                        int64_t end, const heed__edge_room *room);
  void (*edge_gradients)(const heed__problem *problem, const heed__edges *edges, int64_t first,
                         int64_t end, const heed__edge_room *room);
  void (*edge_score_gradients)(const heed__problem *problem, const heed__edges *edges,
                               const heed__backward *back, const heed__side *side, int64_t first,
                               int64_t end, const heed__edge_room *room);
  /* Runs independent multiply-adds; returns how many operations, two each. */
  double (*multiply_adds)(int64_t steps, float *sink);
  /* Computes independent exponentials; returns how many. */
  double (*exponentials)(int64_t steps, float *sink);
  /* The sum of `n` rows of `width` numbers, row r at table + rows[r] * stride (rows NULL: r * stride).
   * With `ahead` above 0 the rows [0, n + ahead) of the list are there, and are asked for that early. */
  float (*gather_rows)(const float *table, int64_t stride, int64_t width, const int32_t *rows,
                       int64_t n, int64_t ahead);
} heed__kernels;

extern const heed__kernels heed__kernels_portable;
extern const heed__kernels heed__kernels_avx2;
extern const heed__kernels heed__kernels_avx512;

/* The kernels in use. */
const heed__kernels *heed__kernels_chosen(void);

/* Those of an instruction set by name, or NULL if the build or the processor lacks it. */
const heed__kernels *heed__kernels_named(const char *isa);

/* For tests: uses these kernels from now on; NULL goes back to the choice. */
void heed__kernels_override(const heed__kernels *kernels);

/* The plain version: the rows [first, end), all heads. */
void heed__reference_rows(const heed__problem *problem, int64_t first, int64_t end,
                          const heed__scratch *scratch);

/* The same backwards: the rows of `task`, all heads; of a row that was cut, the first segment does all.
 * Adds to a_sums [2, H * D] what the rows give the gradients of a_query or a, and of a_key; `room` has
 * 2 * max(D, Dv) numbers. */
void heed__reference_backward(const heed__problem *problem, const heed__backward *back,
                              const heed__side *side, const heed__task *task, double *a_sums,
                              double *room);

/* The same for the gradients of edge_bias, edge_key and edge_value, of one head; `room` has
 * Fe * (1 + D + Dv) numbers. */
void heed__reference_edges(const heed__problem *problem, const heed__backward *back, int32_t head,
                           double *room);

/* The stream of random numbers that dropout draws from. */
enum { DROPOUT_STREAM = 1 };

/* Floats of a row of `dim` numbers that whole vectors of any instruction set fill. */
static inline int64_t heed__padded_row(int64_t dim) { return (dim + WIDEST - 1) / WIDEST * WIDEST; }

/* Numbers that n numbers of bfloat16 take in a row of the table: vectors that read on to the next power of
 * two, 4 at least, then stay in the line of the cache. Always even. */
static inline int64_t heed__table_part(int64_t n) {
  int64_t part = 4;
  if (n > 32) return (n + 1) / 2 * 2;
  while (part < n) part *= 2;
  return part;
}

/* A row of so many numbers starts on a line of the cache, or does not cross one. */
static inline int64_t heed__table_stride(int64_t row) {
  return row > 32 ? (row + 31) / 32 * 32 : heed__table_part(row);
}

/* Floats of a block's keys in scratch->wide. */
static inline int64_t heed__wide_keys(const heed_attention_spec *spec) {
  if (spec->score == HEED_SCORE_GAT) return 0;
  return (int64_t)BLOCK_PAIRS * spec->heads * spec->key_dim + WIDEST;
}

/* TILE_QUERIES, or fewer where there are not so many. */
static inline int64_t heed__tile_queries(const heed_mask *mask) {
  int64_t all = (mask->n_queries + STEP_QUERIES - 1) / STEP_QUERIES * STEP_QUERIES;
  return all < TILE_QUERIES ? all : TILE_QUERIES;
}

/* Whether one owner does all heads of a diagonal, because there are others beside it and it is small. */
static inline bool heed__is_small(const heed__problem *problem, int64_t d) {
  enum { MOST_CELLS = 1 << 16 };
  const heed__diagonal *diagonal = problem->diagonals + d;
  int64_t rows = diagonal[1].first_row - diagonal->first_row;
  return problem->n_diagonals > 1 && rows * (diagonal->end_key - diagonal->first_key) <= MOST_CELLS;
}

/* Pairs of a row: where they start, how many there are and their keys; NULL where the plan has no numbers of
 * keys for a mask that does not list them. */
static inline const int32_t *heed__row(const heed__problem *problem, int64_t i, int64_t *first,
                                       int64_t *count) {
  const heed_mask *mask = problem->mask;
  if (mask->indptr == NULL) {
    *first = i * mask->n_keys;
    *count = mask->n_keys;
    return problem->all_keys;
  }
  *first = mask->indptr[i];
  *count = mask->indptr[i + 1] - *first;
  if (mask->starts == NULL) return mask->indices + *first;
  return problem->all_keys == NULL ? NULL : problem->all_keys + mask->starts[i];
}

/* The same for the rows of a pass. */
static inline const int32_t *heed__side_row(const heed__side *side, int64_t row, int64_t *first,
                                            int64_t *count) {
  const heed_mask *mask = side->mask;
  if (mask->indptr == NULL) {
    *first = row * mask->n_keys;
    *count = mask->n_keys;
    return side->all;
  }
  *first = mask->indptr[row];
  *count = mask->indptr[row + 1] - *first;
  return mask->starts != NULL ? side->all + mask->starts[row] : mask->indices + *first;
}

/* The numbers in the problem's mask of the pairs that are numbers p, p + 1, ... of a pass. */
static inline void heed__pair_numbers(const heed__side *side, int64_t p, int n, int64_t *numbers) {
  const heed_mask *mask = side->mask, *of = side->numbers;
  if (!side->by_keys || side->pairs != NULL) {
    for (int k = 0; k < n; k++) numbers[k] = side->by_keys ? side->pairs[p + k] : p + k;
    return;
  }
  if (mask->indptr == NULL) { /* transposed */
    int64_t queries = mask->n_keys;
    for (int k = 0; k < n; k++) numbers[k] = (p + k) % queries * mask->n_queries + (p + k) / queries;
    return;
  }
  int64_t row = 0, end = mask->n_queries; /* of runs: the last row that begins at p or before */
  while (end - row > 1) {
    int64_t middle = row + (end - row) / 2;
    if (mask->indptr[middle] <= p) {
      row = middle;
    } else {
      end = middle;
    }
  }
  for (int k = 0; k < n; k++) {
    while (mask->indptr[row + 1] <= p + k) row++;
    int64_t query = mask->starts != NULL ? mask->starts[row] + p + k - mask->indptr[row]
                                         : mask->indices[p + k];
    numbers[k] = of->indptr[query] + row - of->starts[query];
  }
}

static inline int64_t heed__pair_number(const heed__side *side, int64_t p) {
  int64_t number;
  heed__pair_numbers(side, p, 1, &number);
  return number;
}

/* Row i of to.steep, for a row without sums there: nothing. */
static inline void heed__clear_steep(const heed__problem *problem, int64_t i) {
  int64_t row = problem->value_stride, heads = problem->spec.heads;
  float *weights = problem->to.steep + problem->mask->n_queries * row;
  memset(problem->to.steep + i * row, 0, (size_t)row * sizeof(float));
  memset(weights + i * heads, 0, (size_t)heads * sizeof(float));
}

/* Whether a row's weights are those of softmax. */
static inline bool heed__is_softmax(const heed__problem *problem) {
  return problem->spec.normalizer == HEED_NORMALIZER_SOFTMAX;
}

/* What the other normalisers need of a row's length n: log(n) for the sigmoid, else 1 / n; 0 for n = 0. */
float heed__length_number(heed_normalizer normalizer, int64_t n);

/* Length of row i. */
int64_t heed__length(const heed__problem *problem, int64_t i);

/* back->statistics with those normalisers. */
void heed__length_statistics(const heed__problem *problem, const heed__backward *back);

/* log_sum_exp of row i, of so many pairs, with those normalisers. */
void heed__keep_length(const heed__problem *problem, int64_t i, int64_t n);

/* Whether nothing stands at head h of pair p because of dropout. */
bool heed__dropped(const heed__problem *problem, int64_t pair, int32_t head);

#endif
