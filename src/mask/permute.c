/* Other orders of queries and keys, and what they are good for. */
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "base/threads.h"
#include "mask/mask.h"

/* Rows that a thread takes at once. */
enum { ROWS_AT_ONCE = 256 };

/* Pairs below which threads cost more than they save. */
enum { FEW = 4096 };

/* Pairs that are sorted by putting each in its place; longer rows are merged from such pieces. */
enum { SHORT = 16 };

/* Where each of `n` things is in `order`; NULL, what is asked for is what is there. */
static heed_status invert(const int64_t *order, int64_t n, const char *what, int32_t *place) {
  for (int64_t i = 0; i < n; i++) place[i] = order == NULL ? (int32_t)i : -1;
  for (int64_t i = 0; order != NULL && i < n; i++) {
    if (order[i] < 0 || order[i] >= n) {
      return heed__fail(HEED_RANGE, "order: place %lld has %s %lld of %lld", (long long)i, what,
                        (long long)order[i], (long long)n);
    }
    if (place[order[i]] >= 0) {
      return heed__fail(HEED_ARGUMENT, "order: places %d and %lld both have %s %lld",
                        place[order[i]], (long long)i, what, (long long)order[i]);
    }
    place[order[i]] = (int32_t)i;
  }
  return HEED_OK;
}

static void sort_short(uint64_t *x, int64_t n) {
  for (int64_t i = 1; i < n; i++) {
    uint64_t number = x[i];
    int64_t at = i;
    for (; at > 0 && x[at - 1] > number; at--) x[at] = x[at - 1];
    x[at] = number;
  }
}

/* Sorts x[n]; `other` [n] is scratch. */
static void sort(uint64_t *x, uint64_t *other, int64_t n) {
  for (int64_t i = 0; i < n; i += SHORT) sort_short(x + i, n - i < SHORT ? n - i : SHORT);
  uint64_t *from = x, *to = other;
  for (int64_t width = SHORT; width < n; width *= 2) {
    for (int64_t first = 0; first < n; first += 2 * width) {
      int64_t middle = first + width < n ? first + width : n;
      int64_t end = middle + width < n ? middle + width : n;
      for (int64_t a = first, b = middle, at = first; at < end; at++) {
        to[at] = a < middle && (b == end || from[a] < from[b]) ? from[a++] : from[b++];
      }
    }
    uint64_t *swap = from;
    from = to;
    to = swap;
  }
  if (from != x) memcpy(x, from, (size_t)n * sizeof *x);
}

/* The pairs, row by row in the new order, each row sorted by its keys' new numbers. */
static void permute_pairs(const heed_mask *mask, const int64_t *queries, const int32_t *key_place,
                          int64_t most, uint64_t *scratch, const int64_t *indptr, int32_t *indices,
                          int64_t *pairs) {
#pragma omp parallel num_threads(heed_threads()) if (mask->n_pairs > FEW)
  {
    uint64_t *keys = scratch + 2 * most * heed__thread();
#pragma omp for schedule(dynamic, ROWS_AT_ONCE)
    for (int64_t i = 0; i < mask->n_queries; i++) {
      int64_t first = mask->indptr[queries == NULL ? i : queries[i]];
      int64_t n = indptr[i + 1] - indptr[i];
      for (int64_t k = 0; k < n; k++) {
        keys[k] = (uint64_t)key_place[mask->indices[first + k]] << 32 | (uint64_t)k;
      }
      sort(keys, keys + most, n);
      for (int64_t k = 0; k < n; k++) {
        indices[indptr[i] + k] = (int32_t)(keys[k] >> 32);
        pairs[indptr[i] + k] = first + (int64_t)(keys[k] & UINT32_MAX);
      }
    }
  }
}

static heed_status permute_full(heed_mask *result, const heed_mask *mask, const int64_t *queries,
                                const int64_t *keys, int64_t *pairs) {
  HEED__TRY(heed_mask_full(result, mask->n_queries, mask->n_keys));
  for (int64_t i = 0; pairs != NULL && i < mask->n_queries; i++) {
    int64_t first = (queries == NULL ? i : queries[i]) * mask->n_keys;
    for (int64_t j = 0; j < mask->n_keys; j++) {
      pairs[i * mask->n_keys + j] = first + (keys == NULL ? j : keys[j]);
    }
  }
  return HEED_OK;
}

/* Rows of runs in another order are runs. */
static heed_status permute_runs(heed_mask *result, const heed_mask *mask, const int64_t *queries,
                                int64_t *pairs) {
  int64_t *indptr;
  int32_t *starts;
  HEED__TRY(heed__mask_new_runs(result, mask->n_queries, mask->n_keys, mask->n_pairs, &indptr,
                                &starts));
  indptr[0] = 0;
  for (int64_t i = 0; i < mask->n_queries; i++) {
    int64_t row = queries == NULL ? i : queries[i];
    int64_t first = mask->indptr[row], count = mask->indptr[row + 1] - first;
    starts[i] = mask->starts[row];
    indptr[i + 1] = indptr[i] + count;
    for (int64_t k = 0; pairs != NULL && k < count; k++) pairs[indptr[i] + k] = first + k;
  }
  return HEED_OK;
}

static heed_status permute(heed_mask *result, const heed_mask *mask, const int64_t *queries,
                           const int32_t *key_place, int64_t *pairs) {
  int64_t *indptr, *edge_ptr, *edge_ids, most = 0;
  int32_t *indices;
  uint8_t *origins;
  int64_t n_edges = heed__mask_n_edges(mask);
  for (int64_t i = 0; i < mask->n_queries; i++) {
    int64_t degree = mask->indptr[i + 1] - mask->indptr[i];
    if (degree > most) most = degree;
  }
  uint64_t *scratch = heed__alloc((size_t)most * 2 * (size_t)heed_threads(), sizeof *scratch);
  if (scratch == NULL) return HEED_NOMEM;
  heed_status status =
      heed__mask_new(result, mask->n_queries, mask->n_keys, mask->n_pairs, n_edges,
                     mask->edge_ptr != NULL, &indptr, &indices, &edge_ptr, &edge_ids, &origins);
  if (status == HEED_OK) {
    indptr[0] = 0;
    for (int64_t i = 0; i < mask->n_queries; i++) {
      int64_t row = queries == NULL ? i : queries[i];
      indptr[i + 1] = indptr[i] + mask->indptr[row + 1] - mask->indptr[row];
    }
    permute_pairs(mask, queries, key_place, most, scratch, indptr, indices, pairs);
    heed__mask_writer writer = {.indices = indices,
                                .edge_ptr = edge_ptr,
                                .edge_ids = edge_ids,
                                .origins = origins};
    for (int64_t p = 0; n_edges >= 0 && p < mask->n_pairs; p++) {
      heed__mask_put_pair(&writer, indices[p]);
      heed__mask_put_edges(&writer, mask, pairs[p]);
    }
    if (edge_ptr != NULL) edge_ptr[mask->n_pairs] = writer.edge;
  }
  heed__free(scratch);
  return status;
}

heed_status heed_mask_permute(heed_mask *result, const heed_mask *mask, const int64_t *queries,
                              const int64_t *keys, int64_t *pairs) {
  *result = (heed_mask){0};
  if (mask->n_queries > INT32_MAX) {
    return heed__fail(HEED_RANGE, "order: %lld queries, but at most %d can be permuted",
                      (long long)mask->n_queries, INT32_MAX);
  }
  int64_t n = mask->n_queries > mask->n_keys ? mask->n_queries : mask->n_keys;
  int32_t *place = heed__alloc((size_t)n, sizeof *place);
  if (place == NULL) return HEED_NOMEM;
  heed_status status = invert(queries, mask->n_queries, "query", place);
  if (status == HEED_OK) status = invert(keys, mask->n_keys, "key", place);
  if (status == HEED_OK && heed_mask_is_full(mask)) {
    status = permute_full(result, mask, queries, keys, pairs);
  } else if (status == HEED_OK && heed__mask_is_runs(mask) && keys == NULL) {
    status = permute_runs(result, mask, queries, pairs);
  } else if (status == HEED_OK) {
    int64_t *own = NULL;
    heed_mask room;
    const heed_mask *listed = heed__mask_listed(mask, &room, &status);
    if (listed != NULL && pairs == NULL) {
      pairs = own = heed__alloc((size_t)mask->n_pairs, sizeof *own);
    }
    if (listed != NULL) {
      status = pairs == NULL ? HEED_NOMEM : permute(result, listed, queries, place, pairs);
    }
    heed__free(own);
    heed_mask_free(&room);
  }
  heed__free(place);
  return status;
}

heed_status heed_mask_reuse(const heed_mask *mask, const int64_t *queries, int64_t window,
                            double *share) {
  *share = 0;
  int64_t found = 0;
  if (window < 1) {
    return heed__fail(HEED_ARGUMENT, "mask: reuse within %lld pairs, at least 1",
                      (long long)window);
  }
  if (mask->n_pairs == 0) return HEED_OK;
  if (heed_mask_is_full(mask)) {
    if (window >= mask->n_keys) found = mask->n_pairs - mask->n_keys;
  } else {
    int64_t *next = heed__alloc_zero((size_t)mask->n_keys, sizeof *next);
    if (next == NULL) return HEED_NOMEM;
    int64_t now = 0; /* next: the last pair of a key, from 1 */
    for (int64_t i = 0; i < mask->n_queries; i++) {
      int64_t row = queries == NULL ? i : queries[i];
      for (int64_t p = mask->indptr[row]; p < mask->indptr[row + 1]; p++) {
        bool runs = heed__mask_is_runs(mask);
        int64_t *last =
            next + (runs ? mask->starts[row] + p - mask->indptr[row] : mask->indices[p]);
        now++;
        found += *last > 0 && now - *last <= window;
        *last = now;
      }
    }
    heed__free(next);
  }
  *share = (double)found / (double)mask->n_pairs;
  return HEED_OK;
}
