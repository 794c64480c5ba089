#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "base/threads.h"
#include "mask/mask.h"

/* Rows that a thread takes at once. */
enum { ROWS_AT_ONCE = 256 };

/* Rows or pairs below which threads cost more than they save. */
enum { FEW = 4096 };

static heed_status copy_runs(heed_mask *result, const heed_mask *mask) {
  int64_t *indptr;
  int32_t *starts;
  size_t n = (size_t)mask->n_queries;
  HEED__TRY(heed__mask_new_runs(result, mask->n_queries, mask->n_keys, mask->n_pairs, &indptr,
                                &starts));
  memcpy(indptr, mask->indptr, (n + 1) * sizeof *indptr);
  if (n > 0) memcpy(starts, mask->starts, n * sizeof *starts);
  return HEED_OK;
}

heed_status heed__mask_copy(heed_mask *result, const heed_mask *mask) {
  if (heed__mask_is_runs(mask)) return copy_runs(result, mask);
  int64_t *indptr, *edge_ptr, *edge_ids;
  int32_t *indices;
  uint8_t *origins;
  int64_t n_edges = heed__mask_n_edges(mask);
  HEED__TRY(heed__mask_new(result, mask->n_queries, mask->n_keys, mask->n_pairs, n_edges,
                           mask->edge_ptr != NULL, &indptr, &indices, &edge_ptr, &edge_ids,
                           &origins));
  memcpy(indptr, mask->indptr, ((size_t)mask->n_queries + 1) * sizeof *indptr);
  if (mask->n_pairs > 0) memcpy(indices, mask->indices, (size_t)mask->n_pairs * sizeof *indices);
  if (edge_ptr != NULL) {
    memcpy(edge_ptr, mask->edge_ptr, ((size_t)mask->n_pairs + 1) * sizeof *edge_ptr);
  }
  if (n_edges > 0) {
    memcpy(edge_ids, mask->edge_ids, (size_t)n_edges * sizeof *edge_ids);
    memcpy(origins, mask->origins, (size_t)n_edges);
  }
  return HEED_OK;
}

heed_status heed_mask_explicit(heed_mask *result, const heed_mask *mask) {
  bool full = heed_mask_is_full(mask);
  if (!full && !heed__mask_is_runs(mask)) return heed__mask_copy(result, mask);
  int64_t *indptr;
  int32_t *indices;
  int64_t rows = mask->n_queries, keys = mask->n_keys;
  HEED__TRY(heed__mask_new(result, rows, keys, mask->n_pairs, -1, false, &indptr, &indices, NULL,
                           NULL, NULL));
  indptr[rows] = mask->n_pairs;
#pragma omp parallel for schedule(static) num_threads(heed_threads()) if (mask->n_pairs > FEW)
  for (int64_t i = 0; i < rows; i++) {
    int64_t first = full ? i * keys : mask->indptr[i];
    int64_t count = full ? keys : mask->indptr[i + 1] - first, start = full ? 0 : mask->starts[i];
    indptr[i] = first;
    for (int64_t k = 0; k < count; k++) indices[first + k] = (int32_t)(start + k);
  }
  return HEED_OK;
}

/* Transpose */

static uint8_t exchanged(uint8_t origin) {
  return origin == HEED_ORIGIN_FORWARD    ? HEED_ORIGIN_BACKWARD
         : origin == HEED_ORIGIN_BACKWARD ? HEED_ORIGIN_FORWARD
                                          : origin;
}

/* The first row that starts at pair p or behind it. */
static int64_t row_from(const heed_mask *mask, int64_t p) {
  int64_t low = 0, high = mask->n_queries;
  while (low < high) {
    int64_t middle = low + (high - low) / 2;
    if (mask->indptr[middle] < p) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

/* Sorts the pairs by key, stably, so that rows come out ascending. The rows are dealt to `chunks`
 * threads in order; each counts its own keys in count[chunk][n_keys], which then becomes the place
 * where its next pair of that key goes. The order is the same for any number of chunks.
 * source[p] gets the number in `mask` of pair p of the result; may be NULL. */
static void transpose_pairs(const heed_mask *mask, int64_t chunks, int64_t *count, int64_t *indptr,
                            int32_t *indices, int64_t *source) {
  int64_t keys = mask->n_keys;
#pragma omp parallel for schedule(static, 1) num_threads(heed_threads()) if (chunks > 1)
  for (int64_t chunk = 0; chunk < chunks; chunk++) {
    int64_t *own = count + chunk * keys;
    memset(own, 0, (size_t)keys * sizeof *own);
    int64_t first = row_from(mask, mask->n_pairs / chunks * chunk);
    int64_t end = chunk + 1 == chunks ? mask->n_queries
                                      : row_from(mask, mask->n_pairs / chunks * (chunk + 1));
    for (int64_t p = mask->indptr[first]; p < mask->indptr[end]; p++) own[mask->indices[p]]++;
  }
  int64_t place = 0;
  for (int64_t j = 0; j < keys; j++) {
    indptr[j] = place;
    for (int64_t chunk = 0; chunk < chunks; chunk++) {
      int64_t pairs = count[chunk * keys + j];
      count[chunk * keys + j] = place;
      place += pairs;
    }
  }
  indptr[keys] = place;
#pragma omp parallel for schedule(static, 1) num_threads(heed_threads()) if (chunks > 1)
  for (int64_t chunk = 0; chunk < chunks; chunk++) {
    int64_t *own = count + chunk * keys;
    int64_t first = row_from(mask, mask->n_pairs / chunks * chunk);
    int64_t end = chunk + 1 == chunks ? mask->n_queries
                                      : row_from(mask, mask->n_pairs / chunks * (chunk + 1));
    for (int64_t i = first; i < end; i++) {
      for (int64_t p = mask->indptr[i]; p < mask->indptr[i + 1]; p++) {
        int64_t to = own[mask->indices[p]]++;
        indices[to] = (int32_t)i;
        if (source != NULL) source[to] = p;
      }
    }
  }
}

/* The edges of the transpose, whose pair p is pair source[p] of `mask`. */
static void transpose_edges(const heed_mask *mask, const int64_t *source, int64_t *edge_ptr,
                            int64_t *edge_ids, uint8_t *origins) {
  int64_t pairs = mask->n_pairs;
  if (edge_ptr != NULL) {
    edge_ptr[0] = 0;
    for (int64_t p = 0; p < pairs; p++) {
      edge_ptr[p + 1] =
          edge_ptr[p] + mask->edge_ptr[source[p] + 1] - mask->edge_ptr[source[p]];
    }
  }
#pragma omp parallel for schedule(static) num_threads(heed_threads()) if (pairs > FEW)
  for (int64_t p = 0; p < pairs; p++) {
    const int64_t *ids;
    const uint8_t *from;
    int64_t count;
    heed_mask_pair_edges(mask, source[p], &ids, &from, &count);
    int64_t first = edge_ptr == NULL ? p : edge_ptr[p];
    for (int64_t e = 0; e < count; e++) {
      edge_ids[first + e] = ids[e];
      origins[first + e] = exchanged(from[e]);
    }
  }
}

static heed_status transpose_full(heed_mask *result, const heed_mask *mask, int64_t *pairs) {
  int64_t rows = mask->n_keys, keys = mask->n_queries;
  HEED__TRY(heed_mask_full(result, rows, keys));
  if (pairs != NULL) {
#pragma omp parallel for schedule(static) num_threads(heed_threads()) if (mask->n_pairs > FEW)
    for (int64_t j = 0; j < rows; j++) {
      for (int64_t i = 0; i < keys; i++) pairs[j * keys + i] = i * rows + j;
    }
  }
  return HEED_OK;
}

/* Whether the queries of every key follow one another: starts and ends of the runs do not fall, and no
 * empty row lies between two that share a key. */
static bool transpose_is_runs(const heed_mask *mask) {
  int64_t start = 0, end = 0;
  bool gap = false;
  for (int64_t i = 0; i < mask->n_queries; i++) {
    int64_t count = mask->indptr[i + 1] - mask->indptr[i], from = mask->starts[i];
    if (count == 0) {
      gap = true;
      continue;
    }
    if (from < start || from + count < end || (gap && from < end)) return false;
    start = from;
    end = from + count;
    gap = false;
  }
  return true;
}

static heed_status transpose_runs(heed_mask *result, const heed_mask *mask, int64_t *pairs) {
  int64_t n = mask->n_queries, keys = mask->n_keys, *indptr;
  int32_t *starts;
  HEED__TRY(heed__mask_new_runs(result, keys, n, mask->n_pairs, &indptr, &starts));
  int64_t first = 0, next = 0, end = 0; /* of key j: its first query, and the one behind its last */
  indptr[0] = 0;
  for (int64_t j = 0; j < keys; j++) {
    for (; first < n; first++) {
      int64_t count = mask->indptr[first + 1] - mask->indptr[first];
      if (count > 0 && mask->starts[first] + count > j) break;
    }
    for (; next < n; next++) {
      if (mask->indptr[next + 1] == mask->indptr[next]) continue;
      if (mask->starts[next] > j) break;
      end = next + 1;
    }
    starts[j] = (int32_t)first;
    indptr[j + 1] = indptr[j] + (end > first ? end - first : 0);
  }
  if (pairs == NULL) return HEED_OK;
#pragma omp parallel for schedule(static) num_threads(heed_threads()) if (mask->n_pairs > FEW)
  for (int64_t j = 0; j < keys; j++) {
    for (int64_t p = indptr[j]; p < indptr[j + 1]; p++) {
      int64_t i = starts[j] + p - indptr[j];
      pairs[p] = mask->indptr[i] + j - mask->starts[i];
    }
  }
  return HEED_OK;
}

heed_status heed_mask_transpose(heed_mask *result, const heed_mask *mask, int64_t *pairs) {
  *result = (heed_mask){0};
  if (mask->n_queries > INT32_MAX) {
    return heed__fail(HEED_RANGE, "transpose of a mask of %lld queries: keys go up to %d",
                      (long long)mask->n_queries, INT32_MAX);
  }
  if (heed_mask_is_full(mask)) return transpose_full(result, mask, pairs);
  if (heed__mask_is_runs(mask)) {
    if (transpose_is_runs(mask)) return transpose_runs(result, mask, pairs);
    heed_mask all;
    HEED__TRY(heed_mask_explicit(&all, mask));
    heed_status done = heed_mask_transpose(result, &all, pairs);
    heed_mask_free(&all);
    return done;
  }
  /* Never more to count in than there are pairs. */
  int64_t chunks = mask->n_pairs > FEW ? mask->n_pairs / (mask->n_keys + 1) + 1 : 1;
  if (chunks > heed_threads()) chunks = heed_threads();
  size_t places;
  if (!heed__multiply((size_t)chunks, (size_t)mask->n_keys, &places)) places = SIZE_MAX;
  bool known = mask->edge_ids != NULL;
  int64_t *source = pairs;
  int64_t *own_source = NULL;
  int64_t *indptr, *edge_ptr, *edge_ids;
  int32_t *indices;
  uint8_t *origins;
  heed_status status = HEED_NOMEM;
  int64_t *count = heed__alloc(places, sizeof *count);
  if (count != NULL && known && pairs == NULL) {
    source = own_source = heed__alloc((size_t)mask->n_pairs, sizeof *source);
  }
  if (count != NULL && (source != NULL || !known)) {
    status = heed__mask_new(result, mask->n_keys, mask->n_queries, mask->n_pairs,
                            heed__mask_n_edges(mask), mask->edge_ptr != NULL, &indptr, &indices,
                            &edge_ptr, &edge_ids, &origins);
  }
  if (status == HEED_OK) {
    transpose_pairs(mask, chunks, count, indptr, indices, source);
    if (known) transpose_edges(mask, source, edge_ptr, edge_ids, origins);
  }
  heed__free(own_source);
  heed__free(count);
  return status;
}

/* Self-loops */

/* Row i of `mask` with a pair (i, i), a new one if there was none; or without it. */
static void loop_row(heed__mask_writer *writer, const heed_mask *mask, int64_t i, bool add) {
  bool pending = add;
  for (int64_t p = mask->indptr[i]; p < mask->indptr[i + 1]; p++) {
    int32_t j = mask->indices[p];
    if (j == i && !add) continue;
    if (pending && j > i) {
      heed__mask_put_pair(writer, (int32_t)i);
      heed__mask_put_edge(writer, -1, HEED_ORIGIN_SELF);
    }
    if (j >= i) pending = false;
    heed__mask_put_pair(writer, j);
    heed__mask_put_edges(writer, mask, p);
  }
  if (pending) {
    heed__mask_put_pair(writer, (int32_t)i);
    heed__mask_put_edge(writer, -1, HEED_ORIGIN_SELF);
  }
}

static heed_status change_loops(heed_mask *result, const heed_mask *mask, bool add) {
  int64_t n = mask->n_queries;
  int64_t *pair_at = heed__alloc((size_t)n + 1, sizeof *pair_at);
  int64_t *edge_at = pair_at == NULL ? NULL : heed__alloc((size_t)n + 1, sizeof *edge_at);
  if (edge_at == NULL) {
    heed__free(pair_at);
    return HEED_NOMEM;
  }
  int64_t pairs = 0, edges = 0;
  for (int64_t i = 0; i < n; i++) {
    int64_t first = mask->indptr[i], end = mask->indptr[i + 1];
    int64_t self = heed__mask_find(mask, i, i);
    pair_at[i] = pairs;
    edge_at[i] = edges;
    pairs += end - first;
    edges += mask->edge_ids == NULL
                 ? end - first
                 : heed__mask_edge_start(mask, end) - heed__mask_edge_start(mask, first);
    if (add && self < 0) {
      pairs++;
      edges++;
    } else if (!add && self >= 0) {
      pairs--;
      edges -= mask->edge_ids == NULL ? 1
                                      : heed__mask_edge_start(mask, self + 1) -
                                            heed__mask_edge_start(mask, self);
    }
  }
  pair_at[n] = pairs;
  edge_at[n] = edges;
  /* An added pair says SELF even in a mask that knew nothing of edges. */
  bool known = mask->edge_ids != NULL || pairs > mask->n_pairs;
  int64_t *indptr, *edge_ptr, *edge_ids;
  int32_t *indices;
  uint8_t *origins;
  heed_status status =
      heed__mask_new(result, n, n, pairs, known ? edges : -1, mask->edge_ptr != NULL, &indptr,
                     &indices, &edge_ptr, &edge_ids, &origins);
  if (status == HEED_OK) {
    memcpy(indptr, pair_at, ((size_t)n + 1) * sizeof *indptr);
    if (edge_ptr != NULL) edge_ptr[pairs] = edges;
#pragma omp parallel for schedule(dynamic, ROWS_AT_ONCE) num_threads(heed_threads()) if (n > FEW)
    for (int64_t i = 0; i < n; i++) {
      heed__mask_writer writer = {indices, edge_ptr, edge_ids, origins, pair_at[i], edge_at[i]};
      loop_row(&writer, mask, i, add);
    }
  }
  heed__free(edge_at);
  heed__free(pair_at);
  return status;
}

static bool runs_see_themselves(const heed_mask *mask) {
  for (int64_t i = 0; i < mask->n_queries; i++) {
    int64_t count = mask->indptr[i + 1] - mask->indptr[i];
    if (i < mask->starts[i] || i >= mask->starts[i] + count) return false;
  }
  return true;
}

heed_status heed_mask_self_loops(heed_mask *result, const heed_mask *mask, heed_loops loops) {
  *result = (heed_mask){0};
  HEED__TRY(heed__mask_check_square(mask, "self-loops"));
  if (loops != HEED_LOOPS_KEEP && loops != HEED_LOOPS_ADD && loops != HEED_LOOPS_DROP) {
    return heed__fail(HEED_ARGUMENT, "self-loops: no choice has the number %d", (int)loops);
  }
  bool full = heed_mask_is_full(mask);
  if (full && loops != HEED_LOOPS_DROP) return heed_mask_full(result, mask->n_queries, mask->n_keys);
  if (loops == HEED_LOOPS_KEEP) return heed__mask_copy(result, mask);
  if (loops == HEED_LOOPS_ADD && heed__mask_is_runs(mask) && runs_see_themselves(mask)) {
    return heed__mask_copy(result, mask);
  }
  heed_mask room;
  heed_status status;
  const heed_mask *pairs = heed__mask_listed(mask, &room, &status);
  if (pairs == NULL) return status;
  status = change_loops(result, pairs, loops == HEED_LOOPS_ADD);
  heed_mask_free(&room);
  return status;
}
