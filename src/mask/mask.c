#include "mask/mask.h"

#include <limits.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"

/* The bytes of an array of `count` items, rounded up so that the next one starts aligned, are added
 * to *bytes; false if they do not fit. */
static bool add_array(size_t *bytes, int64_t count, size_t size) {
  size_t array;
  return count >= 0 && (uint64_t)count <= SIZE_MAX && heed__multiply((size_t)count, size, &array) &&
         !__builtin_add_overflow(array, (size_t)HEED__ALIGNMENT - 1, &array) &&
         !__builtin_add_overflow(*bytes, array / HEED__ALIGNMENT * HEED__ALIGNMENT, bytes);
}

heed_status heed__mask_new(heed_mask *mask, int64_t n_queries, int64_t n_keys, int64_t n_pairs,
                           int64_t n_edges, bool many, int64_t **indptr, int32_t **indices,
                           int64_t **edge_ptr, int64_t **edge_ids, uint8_t **origins) {
  *mask = (heed_mask){0};
  bool known = n_edges >= 0;
  many = many && known;
  size_t bytes = 0, at_indices = 0, at_ptr = 0, at_ids = 0, at_origins = 0;
  bool fits = n_queries < INT64_MAX && n_pairs < INT64_MAX &&
              add_array(&bytes, n_queries + 1, sizeof **indptr);
  at_indices = bytes;
  fits = fits && add_array(&bytes, n_pairs, sizeof **indices);
  at_ptr = bytes;
  fits = fits && (!many || add_array(&bytes, n_pairs + 1, sizeof **edge_ptr));
  at_ids = bytes;
  fits = fits && (!known || add_array(&bytes, n_edges, sizeof **edge_ids));
  at_origins = bytes;
  fits = fits && (!known || add_array(&bytes, n_edges, sizeof **origins));
  if (!fits) {
    return heed__fail(HEED_OVERFLOW, "mask: %lld queries and %lld pairs do not fit in memory",
                      (long long)n_queries, (long long)n_pairs);
  }
  char *block = heed__alloc(bytes, 1);
  if (block == NULL) return HEED_NOMEM;
  *indptr = (int64_t *)block;
  *indices = (int32_t *)(block + at_indices);
  int64_t *ptr = many ? (int64_t *)(block + at_ptr) : NULL;
  int64_t *ids = known ? (int64_t *)(block + at_ids) : NULL;
  uint8_t *from = known ? (uint8_t *)(block + at_origins) : NULL;
  if (edge_ptr != NULL) *edge_ptr = ptr;
  if (edge_ids != NULL) *edge_ids = ids;
  if (origins != NULL) *origins = from;
  *mask = (heed_mask){.n_queries = n_queries,
                      .n_keys = n_keys,
                      .n_pairs = n_pairs,
                      .indptr = *indptr,
                      .indices = *indices,
                      .edge_ptr = ptr,
                      .edge_ids = ids,
                      .origins = from,
                      .owned = block};
  return HEED_OK;
}

heed_status heed__mask_new_runs(heed_mask *mask, int64_t n_queries, int64_t n_keys, int64_t n_pairs,
                                int64_t **indptr, int32_t **starts) {
  /* Room as for a mask of a pair a row. */
  HEED__TRY(heed__mask_new(mask, n_queries, n_keys, n_queries, -1, false, indptr, starts, NULL, NULL,
                           NULL));
  mask->n_pairs = n_pairs;
  mask->indices = NULL;
  mask->starts = *starts;
  return HEED_OK;
}

const heed_mask *heed__mask_listed(const heed_mask *mask, heed_mask *room, heed_status *status) {
  *room = (heed_mask){0};
  *status = HEED_OK;
  if (!heed_mask_is_full(mask) && !heed__mask_is_runs(mask)) return mask;
  *status = heed_mask_explicit(room, mask);
  return *status == HEED_OK ? room : NULL;
}

heed_status heed__mask_settle(heed_mask *mask) {
  if (heed_mask_is_full(mask) || heed__mask_is_runs(mask) || mask->edge_ids != NULL) return HEED_OK;
  for (int64_t i = 0; i < mask->n_queries; i++) {
    int64_t first = mask->indptr[i], last = mask->indptr[i + 1] - 1;
    if (last > first && mask->indices[last] - mask->indices[first] != last - first) return HEED_OK;
  }
  heed_mask runs;
  int64_t *indptr;
  int32_t *starts;
  heed_status status = heed__mask_new_runs(&runs, mask->n_queries, mask->n_keys, mask->n_pairs,
                                           &indptr, &starts);
  if (status != HEED_OK) {
    heed_mask_free(mask);
    return status;
  }
  memcpy(indptr, mask->indptr, ((size_t)mask->n_queries + 1) * sizeof *indptr);
  for (int64_t i = 0; i < mask->n_queries; i++) {
    starts[i] = indptr[i] < indptr[i + 1] ? mask->indices[indptr[i]] : 0;
  }
  heed_mask_free(mask);
  *mask = runs;
  return HEED_OK;
}

void heed_mask_free(heed_mask *mask) {
  if (mask == NULL) return;
  heed__free(mask->owned);
  *mask = (heed_mask){0};
}

bool heed_mask_is_full(const heed_mask *mask) { return mask->indptr == NULL; }

heed_status heed__mask_check_sizes(int64_t n_queries, int64_t n_keys) {
  if (n_queries < 0 || n_keys < 0 || n_keys > INT32_MAX) {
    return heed__fail(HEED_RANGE, "mask: %lld queries, %lld keys; keys go from 0 to %d",
                      (long long)n_queries, (long long)n_keys, INT32_MAX);
  }
  return HEED_OK;
}

/* Row pointers, whole: until they are known to be good nothing that they point to may be read. */
static heed_status check_pointers(int64_t n_queries, int64_t n_keys, const int64_t *indptr) {
  if (indptr == NULL) return heed__fail(HEED_ARGUMENT, "mask: no row pointers");
  if (indptr[0] != 0) {
    return heed__fail(HEED_ARGUMENT, "mask: row 0 starts at %lld, not at 0", (long long)indptr[0]);
  }
  for (int64_t i = 0; i < n_queries; i++) {
    if (indptr[i + 1] < indptr[i]) {
      return heed__fail(HEED_RANGE, "mask: row %lld ends at %lld, before its start %lld",
                        (long long)i, (long long)indptr[i + 1], (long long)indptr[i]);
    }
    if (indptr[i + 1] - indptr[i] > n_keys) {
      return heed__fail(HEED_RANGE, "mask: row %lld has %lld pairs, but there are %lld keys",
                        (long long)i, (long long)(indptr[i + 1] - indptr[i]), (long long)n_keys);
    }
  }
  return HEED_OK;
}

static heed_status check_rows(int64_t n_queries, int64_t n_keys, const int64_t *indptr,
                              const int32_t *indices) {
  HEED__TRY(check_pointers(n_queries, n_keys, indptr));
  if (indices == NULL && indptr[n_queries] > 0) {
    return heed__fail(HEED_ARGUMENT, "mask: %lld pairs, but no indices",
                      (long long)indptr[n_queries]);
  }
  for (int64_t i = 0; i < n_queries; i++) {
    int64_t last = -1;
    for (int64_t p = indptr[i]; p < indptr[i + 1]; p++) {
      if (indices[p] < 0 || indices[p] >= n_keys) {
        return heed__fail(HEED_RANGE, "mask: row %lld has key %d, but there are %lld keys",
                          (long long)i, indices[p], (long long)n_keys);
      }
      if (indices[p] <= last) {
        return heed__fail(HEED_ARGUMENT, "mask: row %lld has key %d after key %lld, not ascending",
                          (long long)i, indices[p], (long long)last);
      }
      last = indices[p];
    }
  }
  return HEED_OK;
}

heed_status heed_mask_view(heed_mask *mask, int64_t n_queries, int64_t n_keys,
                           const int64_t *indptr, const int32_t *indices) {
  *mask = (heed_mask){0};
  HEED__TRY(heed__mask_check_sizes(n_queries, n_keys));
  HEED__TRY(check_rows(n_queries, n_keys, indptr, indices));
  *mask = (heed_mask){.n_queries = n_queries,
                      .n_keys = n_keys,
                      .n_pairs = indptr[n_queries],
                      .indptr = indptr,
                      .indices = indices};
  return HEED_OK;
}

heed_status heed_mask_full(heed_mask *mask, int64_t n_queries, int64_t n_keys) {
  int64_t pairs;
  *mask = (heed_mask){0};
  HEED__TRY(heed__mask_check_sizes(n_queries, n_keys));
  if (__builtin_mul_overflow(n_queries, n_keys, &pairs)) {
    return heed__fail(HEED_OVERFLOW, "mask: %lld queries x %lld keys are more pairs than 2^63 - 1",
                      (long long)n_queries, (long long)n_keys);
  }
  *mask = (heed_mask){.n_queries = n_queries, .n_keys = n_keys, .n_pairs = pairs};
  return HEED_OK;
}

static heed_status check_run(int64_t i, int64_t start, int64_t count, int64_t n_keys) {
  if (start >= 0 && count >= 0 && start <= n_keys && count <= n_keys - start) return HEED_OK;
  return heed__fail(HEED_RANGE, "mask: row %lld has %lld keys from %lld on, but there are %lld keys",
                    (long long)i, (long long)count, (long long)start, (long long)n_keys);
}

static heed_status too_many_pairs(int64_t n_queries, int64_t n_keys) {
  return heed__fail(HEED_OVERFLOW, "mask: runs of %lld queries and %lld keys are more than 2^63 - 1 pairs",
                    (long long)n_queries, (long long)n_keys);
}

heed_status heed_mask_runs(heed_mask *mask, int64_t n_queries, int64_t n_keys,
                           const int32_t *starts, const int32_t *counts) {
  *mask = (heed_mask){0};
  HEED__TRY(heed__mask_check_sizes(n_queries, n_keys));
  if (n_queries > 0 && (starts == NULL || counts == NULL)) {
    return heed__fail(HEED_ARGUMENT, "mask: %lld runs without starts or counts",
                      (long long)n_queries);
  }
  int64_t pairs = 0, *indptr;
  int32_t *own;
  for (int64_t i = 0; i < n_queries; i++) {
    HEED__TRY(check_run(i, starts[i], counts[i], n_keys));
    if (__builtin_add_overflow(pairs, counts[i], &pairs)) return too_many_pairs(n_queries, n_keys);
  }
  HEED__TRY(heed__mask_new_runs(mask, n_queries, n_keys, pairs, &indptr, &own));
  indptr[0] = 0;
  for (int64_t i = 0; i < n_queries; i++) {
    own[i] = starts[i];
    indptr[i + 1] = indptr[i] + counts[i];
  }
  return HEED_OK;
}

static heed_status check_blocks(int64_t blocks, const int64_t *ptr, const char *what) {
  if (ptr == NULL) return heed__fail(HEED_ARGUMENT, "mask: blocks without pointers to their %s", what);
  if (ptr[0] != 0) {
    return heed__fail(HEED_ARGUMENT, "mask: the %s of block 0 start at %lld, not at 0", what,
                      (long long)ptr[0]);
  }
  for (int64_t b = 0; b < blocks; b++) {
    if (ptr[b + 1] < ptr[b]) {
      return heed__fail(HEED_RANGE, "mask: the %s of block %lld end at %lld, before their start %lld",
                        what, (long long)b, (long long)ptr[b + 1], (long long)ptr[b]);
    }
  }
  return HEED_OK;
}

heed_status heed_mask_blocks(heed_mask *mask, int64_t blocks, const int64_t *query_ptr,
                             const int64_t *key_ptr) {
  *mask = (heed_mask){0};
  if (blocks < 0) return heed__fail(HEED_RANGE, "mask: %lld blocks", (long long)blocks);
  HEED__TRY(check_blocks(blocks, query_ptr, "queries"));
  HEED__TRY(check_blocks(blocks, key_ptr, "keys"));
  int64_t n_queries = query_ptr[blocks], n_keys = key_ptr[blocks], pairs = 0, *indptr;
  HEED__TRY(heed__mask_check_sizes(n_queries, n_keys));
  for (int64_t b = 0; b < blocks; b++) {
    int64_t of_block;
    if (__builtin_mul_overflow(query_ptr[b + 1] - query_ptr[b], key_ptr[b + 1] - key_ptr[b],
                               &of_block) ||
        __builtin_add_overflow(pairs, of_block, &pairs)) {
      return too_many_pairs(n_queries, n_keys);
    }
  }
  int32_t *starts;
  HEED__TRY(heed__mask_new_runs(mask, n_queries, n_keys, pairs, &indptr, &starts));
  indptr[0] = 0;
  for (int64_t b = 0; b < blocks; b++) {
    for (int64_t i = query_ptr[b]; i < query_ptr[b + 1]; i++) {
      starts[i] = (int32_t)key_ptr[b];
      indptr[i + 1] = indptr[i] + key_ptr[b + 1] - key_ptr[b];
    }
  }
  return HEED_OK;
}

heed_status heed_mask_window_blocks(heed_mask *mask, int64_t blocks, const int64_t *ptr,
                                    int64_t left, int64_t right) {
  *mask = (heed_mask){0};
  if (blocks < 0) return heed__fail(HEED_RANGE, "mask: %lld blocks", (long long)blocks);
  HEED__TRY(check_blocks(blocks, ptr, "nodes"));
  int64_t n = ptr[blocks], *indptr;
  HEED__TRY(heed__mask_check_sizes(n, n));
  if (left < 0 || right < 0) {
    return heed__fail(HEED_RANGE, "mask: a window of %lld before and %lld behind a node",
                      (long long)left, (long long)right);
  }
  int32_t *starts;
  HEED__TRY(heed__mask_new_runs(mask, n, n, 0, &indptr, &starts));
  indptr[0] = 0;
  for (int64_t b = 0; b < blocks; b++) { /* n is below 2^31, so all pairs are below 2^62 */
    for (int64_t i = ptr[b]; i < ptr[b + 1]; i++) {
      int64_t end = right < ptr[b + 1] - 1 - i ? i + right + 1 : ptr[b + 1];
      starts[i] = (int32_t)(left < i - ptr[b] ? i - left : ptr[b]);
      indptr[i + 1] = indptr[i] + end - starts[i];
    }
  }
  mask->n_pairs = indptr[n];
  return HEED_OK;
}

heed_status heed_mask_causal_blocks(heed_mask *mask, int64_t blocks, const int64_t *ptr) {
  return heed_mask_window_blocks(mask, blocks, ptr, INT64_MAX, 0);
}

heed_status heed_mask_window(heed_mask *mask, int64_t n, int64_t left, int64_t right) {
  *mask = (heed_mask){0};
  HEED__TRY(heed__mask_check_sizes(n, n));
  return heed_mask_window_blocks(mask, 1, (const int64_t[]){0, n}, left, right);
}

static heed_status check_runs(const heed_mask *mask) {
  HEED__TRY(check_pointers(mask->n_queries, mask->n_keys, mask->indptr));
  if (mask->indices != NULL || mask->edge_ptr != NULL || mask->edge_ids != NULL ||
      mask->origins != NULL) {
    return heed__fail(HEED_ARGUMENT, "mask: of runs, but with indices or edges");
  }
  for (int64_t i = 0; i < mask->n_queries; i++) {
    HEED__TRY(check_run(i, mask->starts[i], mask->indptr[i + 1] - mask->indptr[i], mask->n_keys));
  }
  return HEED_OK;
}

static heed_status check_edges(const heed_mask *mask) {
  if (mask->edge_ids == NULL || mask->origins == NULL) {
    if (mask->edge_ids == NULL && mask->origins == NULL && mask->edge_ptr == NULL) return HEED_OK;
    return heed__fail(HEED_ARGUMENT, "mask: edge ids and origins must both be there, or neither");
  }
  if (mask->edge_ptr != NULL) {
    if (mask->edge_ptr[0] != 0) {
      return heed__fail(HEED_ARGUMENT, "mask: the edges of pair 0 start at %lld, not at 0",
                        (long long)mask->edge_ptr[0]);
    }
    for (int64_t p = 0; p < mask->n_pairs; p++) {
      if (mask->edge_ptr[p + 1] <= mask->edge_ptr[p]) {
        return heed__fail(HEED_RANGE, "mask: the edges of pair %lld go from %lld to %lld: none",
                          (long long)p, (long long)mask->edge_ptr[p],
                          (long long)mask->edge_ptr[p + 1]);
      }
    }
  }
  int64_t n_edges = heed__mask_n_edges(mask);
  for (int64_t e = 0; e < n_edges; e++) {
    uint8_t origin = mask->origins[e];
    int64_t id = mask->edge_ids[e];
    if (origin > HEED_ORIGIN_DERIVED) {
      return heed__fail(HEED_RANGE, "mask: edge %lld behind the pairs has origin %d, above %d",
                        (long long)e, origin, HEED_ORIGIN_DERIVED);
    }
    bool of_graph = origin < HEED_ORIGIN_SELF;
    if (of_graph ? id < 0 : id != -1) {
      return heed__fail(HEED_RANGE, "mask: edge %lld behind the pairs has id %lld with origin %d",
                        (long long)e, (long long)id, origin);
    }
  }
  return HEED_OK;
}

heed_status heed_mask_check(const heed_mask *mask) {
  HEED__TRY(heed__mask_check_sizes(mask->n_queries, mask->n_keys));
  int64_t pairs;
  if (heed_mask_is_full(mask)) {
    if (mask->indices != NULL || mask->starts != NULL || mask->edge_ptr != NULL ||
        mask->edge_ids != NULL || mask->origins != NULL) {
      return heed__fail(HEED_ARGUMENT, "mask: no row pointers, but other arrays");
    }
    if (__builtin_mul_overflow(mask->n_queries, mask->n_keys, &pairs)) pairs = -1;
  } else if (heed__mask_is_runs(mask)) {
    HEED__TRY(check_runs(mask));
    pairs = mask->indptr[mask->n_queries];
  } else {
    HEED__TRY(check_rows(mask->n_queries, mask->n_keys, mask->indptr, mask->indices));
    pairs = mask->indptr[mask->n_queries];
  }
  if (pairs != mask->n_pairs) {
    return heed__fail(HEED_SHAPE, "mask: says %lld pairs, but its rows hold %lld",
                      (long long)mask->n_pairs, (long long)pairs);
  }
  return check_edges(mask);
}

void heed_mask_pair_edges(const heed_mask *mask, int64_t pair, const int64_t **ids,
                          const uint8_t **origins, int64_t *count) {
  static const int64_t no_id = -1;
  static const uint8_t derived = HEED_ORIGIN_DERIVED;
  if (mask->edge_ids == NULL) {
    *ids = &no_id;
    *origins = &derived;
    *count = 1;
    return;
  }
  int64_t first = heed__mask_edge_start(mask, pair);
  *ids = mask->edge_ids + first;
  *origins = mask->origins + first;
  *count = heed__mask_edge_start(mask, pair + 1) - first;
}

heed_status heed__mask_check_square(const heed_mask *mask, const char *what) {
  if (mask->n_queries == mask->n_keys) return HEED_OK;
  return heed__fail(HEED_SHAPE, "%s of a mask of %lld queries but %lld keys", what,
                    (long long)mask->n_queries, (long long)mask->n_keys);
}

int64_t heed__mask_find(const heed_mask *mask, int64_t i, int64_t j) {
  int64_t first, n = heed__mask_row(mask, i, &first), low = 0, high = n;
  if (mask->indices == NULL) {
    int64_t at = j - (mask->starts != NULL ? mask->starts[i] : 0);
    return at >= 0 && at < n ? first + at : -1;
  }
  const int32_t *keys = mask->indices + first;
  while (low < high) {
    int64_t middle = low + (high - low) / 2;
    if (keys[middle] < j) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low < n && keys[low] == j ? first + low : -1;
}
