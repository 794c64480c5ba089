/* Pairs by the length of the shortest path: a search from each query, as far as its keys ask for. */
#include <heed/encoding.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "base/threads.h"
#include "graph/parts.h"
#include "mask/mask.h"

enum { MOST_LIMIT = 1000, ROWS_AT_ONCE = 16 };

/* What a thread needs to search: each [n]. */
typedef struct search {
  int32_t *seen;     /* the last query that reached the node */
  int32_t *distance; /* from it */
  int32_t *queue;
} search;

/* How many keys of query i a search can meet. */
static int64_t count_wanted(const heed_mask *mask, const int32_t *part, int64_t i) {
  int64_t first, n = heed__mask_row(mask, i, &first), wanted = 0;
  for (int64_t a = 0; a < n; a++) wanted += part[heed__mask_key(mask, i, a)] == part[i];
  return wanted;
}

/* Searches from i. Beyond `limit` steps it goes on only to tell what cannot be reached at all, where pairs
 * may lead one way only; keys come as wanted[j] == i. */
static void search_from(const search *s, const heed_mask *graph, int32_t i, int64_t wanted,
                        int32_t limit, bool symmetric, const int32_t *asked) {
  int64_t next = 0, reached = 1;
  s->queue[0] = i;
  s->seen[i] = i;
  s->distance[i] = 0;
  if (asked[i] == i) wanted--;
  while (next < reached && wanted > 0) {
    int32_t from = s->queue[next++];
    int32_t steps = s->distance[from] + 1;
    if (symmetric && steps >= limit) break; /* all that is left is that far at least */
    for (int64_t p = graph->indptr[from]; p < graph->indptr[from + 1]; p++) {
      int32_t j = graph->indices[p];
      if (s->seen[j] == i) continue;
      s->seen[j] = i;
      s->distance[j] = steps;
      s->queue[reached++] = j;
      if (asked[j] == i) wanted--;
    }
  }
}

static void classify_row(const search *s, int32_t *asked, const heed_mask *mask,
                         const heed_mask *graph, const int32_t *part, int64_t i, int32_t limit,
                         bool symmetric, int32_t *classes) {
  int64_t first, n = heed__mask_row(mask, i, &first);
  if (n == 0) return;
  for (int64_t a = 0; a < n; a++) {
    int64_t j = heed__mask_key(mask, i, a);
    if (part[j] == part[i]) asked[j] = (int32_t)i;
  }
  search_from(s, graph, (int32_t)i, count_wanted(mask, part, i), limit, symmetric, asked);
  for (int64_t a = 0; a < n; a++) {
    int64_t j = heed__mask_key(mask, i, a);
    int32_t d = s->seen[j] == i ? s->distance[j] : symmetric && part[j] == part[i] ? limit : -1;
    classes[first + a] = d < 0 ? limit + 1 : d < limit ? d : limit;
  }
}

/* All rows, each thread with room of its own: 4 n numbers. */
static void classify(const heed_mask *mask, const heed_mask *graph, const int32_t *part,
                     int32_t limit, bool symmetric, int threads, int32_t *room, int32_t *classes) {
  (void)threads; /* without OpenMP */
  int64_t n = mask->n_queries;
#pragma omp parallel num_threads(threads)
  {
    int32_t *own = room + 4 * n * heed__thread();
    search s = {own, own + n, own + 2 * n};
    int32_t *asked = own + 3 * n;
    memset(s.seen, 0xff, (size_t)n * sizeof *s.seen);
    memset(asked, 0xff, (size_t)n * sizeof *asked);
#pragma omp for schedule(dynamic, ROWS_AT_ONCE)
    for (int64_t i = 0; i < n; i++) {
      classify_row(&s, asked, mask, graph, part, i, limit, symmetric, classes);
    }
  }
}

heed_status heed_pairs_distance(const heed_mask *mask, const heed_mask *graph, int32_t limit,
                                int32_t *classes) {
  HEED__TRY(heed__mask_check_square(mask, "distances"));
  HEED__TRY(heed__mask_check_square(graph, "distances: the graph"));
  if (mask->n_queries != graph->n_queries) {
    return heed__fail(HEED_SHAPE, "distances: a mask of %lld nodes and a graph of %lld",
                      (long long)mask->n_queries, (long long)graph->n_queries);
  }
  if (limit < 1 || limit > MOST_LIMIT) {
    return heed__fail(HEED_RANGE, "distances: limit %d, not between 1 and %d", (int)limit,
                      MOST_LIMIT);
  }
  heed_mask written = {0};
  heed_status status = HEED_OK;
  const heed_mask *listed = heed__mask_listed(graph, &written, &status);
  if (listed == NULL) return status;
  size_t n = (size_t)graph->n_queries, numbers;
  int threads = heed_threads();
  bool symmetric = false;
  int32_t *room = NULL;
  heed__parts parts;
  status = heed__parts_find(&parts, listed);
  if (status == HEED_OK) status = heed__mask_is_symmetric(listed, &symmetric);
  if (status == HEED_OK && !heed__multiply(n, 4 * (size_t)threads, &numbers)) {
    status = heed__fail(HEED_OVERFLOW, "distances: %zu nodes do not fit in memory", n);
  }
  if (status == HEED_OK) {
    room = heed__alloc(numbers, sizeof *room);
    if (room == NULL) status = HEED_NOMEM;
  }
  if (status == HEED_OK) {
    classify(mask, listed, parts.part, limit, symmetric, threads, room, classes);
  }
  heed__free(room);
  heed__parts_free(&parts);
  heed_mask_free(&written);
  return status;
}
