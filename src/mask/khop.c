#include <limits.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "base/threads.h"
#include "mask/mask.h"

enum { ROWS_AT_ONCE = 16, FEW_KEYS = 48, DIGIT_BITS = 8, DIGITS = 1 << DIGIT_BITS };

/* What a thread needs to walk: both [n]. */
typedef struct walk {
  int32_t *seen;  /* the last row from which the key was reached */
  int32_t *queue; /* keys of the present row, nearest first */
} walk;

/* Keys of up to k steps from i, i itself first, into the queue.
 * @return how many */
static int64_t reach(const walk *w, const heed_mask *mask, int32_t i, int k) {
  int64_t reached = 1, next = 0;
  w->queue[0] = i;
  w->seen[i] = i;
  for (int step = 0; step < k && next < reached; step++) {
    for (int64_t level_end = reached; next < level_end; next++) {
      int32_t from = w->queue[next];
      for (int64_t p = mask->indptr[from]; p < mask->indptr[from + 1]; p++) {
        int32_t j = mask->indices[p];
        if (w->seen[j] != i) {
          w->seen[j] = i;
          w->queue[reached++] = j;
        }
      }
    }
  }
  return reached;
}

static bool sees_itself(const heed_mask *mask, int64_t i) {
  for (int64_t p = mask->indptr[i]; p < mask->indptr[i + 1] && mask->indices[p] <= i; p++) {
    if (mask->indices[p] == i) return true;
  }
  return false;
}

/* Few by insertion, many by digits. */
void heed__sort_keys(int32_t *keys, int64_t n, int32_t *scratch) {
  if (n <= FEW_KEYS) {
    for (int64_t a = 1; a < n; a++) {
      int32_t key = keys[a];
      int64_t b = a;
      for (; b > 0 && keys[b - 1] > key; b--) keys[b] = keys[b - 1];
      keys[b] = key;
    }
    return;
  }
  int32_t most = 0;
  for (int64_t a = 0; a < n; a++) most = keys[a] > most ? keys[a] : most;
  int32_t *from = keys, *to = scratch;
  for (int shift = 0; shift < 32 && most >> shift > 0; shift += DIGIT_BITS) {
    int64_t place[DIGITS] = {0}, sum = 0;
    for (int64_t a = 0; a < n; a++) place[from[a] >> shift & (DIGITS - 1)]++;
    for (int digit = 0; digit < DIGITS; digit++) {
      int64_t count = place[digit];
      place[digit] = sum;
      sum += count;
    }
    for (int64_t a = 0; a < n; a++) to[place[from[a] >> shift & (DIGITS - 1)]++] = from[a];
    int32_t *other = from;
    from = to;
    to = other;
  }
  if (from != keys) memcpy(keys, from, (size_t)n * sizeof *keys);
}

/* Pairs of row i. */
static int64_t count_row(const walk *w, const heed_mask *mask, int32_t i, int k) {
  return reach(w, mask, i, k) - 1 + sees_itself(mask, i);
}

/* Writes row i, whose pairs are known to begin where the writer stands. */
static void fill_row(heed__mask_writer *writer, const walk *w, const heed_mask *mask, int32_t i,
                     int k) {
  int32_t *row = writer->indices + writer->pair;
  int64_t n = reach(w, mask, i, k) - 1;
  memcpy(row, w->queue + 1, (size_t)n * sizeof *row);
  if (sees_itself(mask, i)) row[n++] = i;
  heed__sort_keys(row, n, w->queue);
  if (writer->edge_ids == NULL) return;
  int64_t p = mask->indptr[i], end = mask->indptr[i + 1];
  for (int64_t a = 0; a < n; a++) {
    heed__mask_put_pair(writer, row[a]);
    if (p < end && mask->indices[p] == row[a]) {
      heed__mask_put_edges(writer, mask, p++);
    } else {
      heed__mask_put_edge(writer, -1, HEED_ORIGIN_DERIVED);
    }
  }
}

/* Takes every row once: counts pairs into count[i], or fills where `result` is given. */
static void take_rows(const heed_mask *mask, int k, int threads, int32_t *room, int64_t *count,
                      const heed__mask_writer *result, const int64_t *indptr) {
  (void)threads; /* without OpenMP */
  int64_t n = mask->n_queries;
#pragma omp parallel num_threads(threads)
  {
    int32_t *own = room + 2 * n * heed__thread();
    walk w = {own, own + n};
    memset(w.seen, 0xff, (size_t)n * sizeof *w.seen);
#pragma omp for schedule(dynamic, ROWS_AT_ONCE)
    for (int64_t i = 0; i < n; i++) {
      if (result == NULL) {
        count[i] = count_row(&w, mask, (int32_t)i, k);
      } else {
        heed__mask_writer writer = *result;
        writer.pair = indptr[i];
        /* Before this row lie the edges of the mask, and one for each pair it did not have. */
        writer.edge = heed__mask_edge_start(mask, mask->indptr[i]) + indptr[i] - mask->indptr[i];
        fill_row(&writer, &w, mask, (int32_t)i, k);
      }
    }
  }
}

heed_status heed_mask_khop(heed_mask *result, const heed_mask *mask, int k) {
  *result = (heed_mask){0};
  HEED__TRY(heed__mask_check_square(mask, "k-hop"));
  if (k < 1) return heed__fail(HEED_ARGUMENT, "k-hop: k is %d, below 1", k);
  int64_t n = mask->n_queries;
  if (heed_mask_is_full(mask)) return heed_mask_full(result, n, n);
  if (k == 1 || n == 0) return heed_mask_explicit(result, mask);
  if (heed__mask_is_runs(mask)) {
    heed_mask all;
    HEED__TRY(heed_mask_explicit(&all, mask));
    heed_status done = heed_mask_khop(result, &all, k);
    heed_mask_free(&all);
    return done;
  }

  int threads = heed_threads();
  if (threads > n) threads = (int)n;
  size_t numbers;
  if (!heed__multiply(2 * (size_t)n, (size_t)threads, &numbers)) numbers = SIZE_MAX;
  int32_t *room = heed__alloc(numbers, sizeof *room);
  int64_t *pair_at = room == NULL ? NULL : heed__alloc((size_t)n + 1, sizeof *pair_at);
  if (pair_at == NULL) {
    heed__free(room);
    return HEED_NOMEM;
  }
  take_rows(mask, k, threads, room, pair_at, NULL, NULL);
  int64_t pairs = 0;
  for (int64_t i = 0; i < n; i++) {
    int64_t count = pair_at[i];
    pair_at[i] = pairs;
    pairs += count; /* at most n * n, and n is below 2^31 */
  }
  pair_at[n] = pairs;

  int64_t n_edges = mask->edge_ids == NULL ? -1 : heed__mask_n_edges(mask) + pairs - mask->n_pairs;
  heed__mask_writer writer = {0};
  int64_t *indptr;
  heed_status status =
      heed__mask_new(result, n, n, pairs, n_edges, mask->edge_ptr != NULL, &indptr,
                     &writer.indices, &writer.edge_ptr, &writer.edge_ids, &writer.origins);
  if (status == HEED_OK) {
    memcpy(indptr, pair_at, ((size_t)n + 1) * sizeof *indptr);
    if (writer.edge_ptr != NULL) writer.edge_ptr[pairs] = n_edges;
    take_rows(mask, k, threads, room, NULL, &writer, indptr);
  }
  heed__free(pair_at);
  heed__free(room);
  return status;
}
