/* Making masks: owned arrays, and rows written one pair after the other. */
#ifndef HEED_SRC_MASK_MASK_H
#define HEED_SRC_MASK_MASK_H

#include <heed/mask.h>

/* A mask that owns arrays for n_pairs pairs, and n_edges edges behind them (-1: nothing is known of
 * edges), of which a pair has any number if `many` and else exactly one. Hands out the arrays for
 * writing, not initialised: indptr [n_queries + 1], indices [n_pairs], edge_ptr [n_pairs + 1] (NULL
 * unless `many`), edge_ids and origins [n_edges] (NULL if n_edges is -1). An `edge_ptr`, `edge_ids`
 * or `origins` of NULL asks for nothing. One allocation; heed_mask_free() ends it; on failure
 * *mask is cleared. */
heed_status heed__mask_new(heed_mask *mask, int64_t n_queries, int64_t n_keys, int64_t n_pairs,
                           int64_t n_edges, bool many, int64_t **indptr, int32_t **indices,
                           int64_t **edge_ptr, int64_t **edge_ids, uint8_t **origins);

/* A mask of runs that owns its arrays, handed out for writing: indptr [n_queries + 1] and starts
 * [n_queries]. */
heed_status heed__mask_new_runs(heed_mask *mask, int64_t n_queries, int64_t n_keys, int64_t n_pairs,
                                int64_t **indptr, int32_t **starts);

static inline bool heed__mask_is_runs(const heed_mask *mask) { return mask->starts != NULL; }

/* The number of the first pair of row i, of a mask of any form; where the last row ends for i = n_queries. */
static inline int64_t heed__mask_first_pair(const heed_mask *mask, int64_t i) {
  return mask->indptr != NULL ? mask->indptr[i] : i * mask->n_keys;
}

/* How many pairs row i has, numbered from *first on. */
static inline int64_t heed__mask_row(const heed_mask *mask, int64_t i, int64_t *first) {
  *first = heed__mask_first_pair(mask, i);
  return heed__mask_first_pair(mask, i + 1) - *first;
}

/* The key of pair `at` of row i, from 0 on. */
static inline int32_t heed__mask_key(const heed_mask *mask, int64_t i, int64_t at) {
  if (mask->indices != NULL) return mask->indices[mask->indptr[i] + at];
  return (int32_t)at + (mask->starts != NULL ? mask->starts[i] : 0);
}

/* The number of pair (i, j), j being a key that there is; -1: it is not in the mask. */
int64_t heed__mask_find(const heed_mask *mask, int64_t i, int64_t j);

/* The mask itself, or if it is one of runs or full its pairs written out in `room`, which is to be freed
 * either way; NULL with the status if that failed. */
const heed_mask *heed__mask_listed(const heed_mask *mask, heed_mask *room, heed_status *status);

heed_status heed__mask_copy(heed_mask *result, const heed_mask *mask);

/* Makes a mask of pairs without edges, all of whose rows are runs, one of runs; leaves any other. On failure
 * *mask is freed. */
heed_status heed__mask_settle(heed_mask *mask);

/* HEED_RANGE if a size is negative or keys are too many. */
heed_status heed__mask_check_sizes(int64_t n_queries, int64_t n_keys);

/* Sorts n keys; `scratch` has room for as many. */
void heed__sort_keys(int32_t *keys, int64_t n, int32_t *scratch);

/* HEED_SHAPE, in the name of `what`, unless there are as many queries as keys. */
heed_status heed__mask_check_square(const heed_mask *mask, const char *what);

/* Edges behind the pairs before pair p: where those of p begin. */
static inline int64_t heed__mask_edge_start(const heed_mask *mask, int64_t p) {
  return mask->edge_ptr == NULL ? p : mask->edge_ptr[p];
}

/* Edges behind all pairs; -1 where nothing is known. */
static inline int64_t heed__mask_n_edges(const heed_mask *mask) {
  return mask->edge_ids == NULL ? -1 : heed__mask_edge_start(mask, mask->n_pairs);
}

/* A place in the arrays of a new mask, and what is written next there. */
typedef struct heed__mask_writer {
  int32_t *indices;
  int64_t *edge_ptr; /* NULL: one edge a pair */
  int64_t *edge_ids; /* NULL: nothing is known */
  uint8_t *origins;
  int64_t pair;
  int64_t edge;
} heed__mask_writer;

/* Begins a pair; its edges follow. Writes where they begin, so that the end of the last pair,
 * edge_ptr[n_pairs], is left to whoever knows that it is the last. */
static inline void heed__mask_put_pair(heed__mask_writer *writer, int32_t key) {
  if (writer->edge_ptr != NULL) writer->edge_ptr[writer->pair] = writer->edge;
  writer->indices[writer->pair++] = key;
}

/* An edge of the pair that was put last. */
static inline void heed__mask_put_edge(heed__mask_writer *writer, int64_t id, uint8_t origin) {
  if (writer->edge_ids == NULL) return;
  writer->edge_ids[writer->edge] = id;
  writer->origins[writer->edge++] = origin;
}

/* The edges behind pair p of another mask, for the pair that was put last. */
static inline void heed__mask_put_edges(heed__mask_writer *writer, const heed_mask *mask,
                                        int64_t p) {
  const int64_t *ids;
  const uint8_t *origins;
  int64_t count;
  if (writer->edge_ids == NULL) return;
  heed_mask_pair_edges(mask, p, &ids, &origins, &count);
  for (int64_t e = 0; e < count; e++) heed__mask_put_edge(writer, ids[e], origins[e]);
}

#endif
