/* Masks as sets of pairs: union, intersection, difference and complement. */
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "base/threads.h"
#include "mask/mask.h"

/* Rows that a thread takes at once, and rows below which threads cost more than they save. */
enum { ROWS_AT_ONCE = 256, FEW = 4096 };

typedef enum operation { UNION, INTERSECTION, DIFFERENCE } operation;

static heed_status check_same(const char *what, const heed_mask *a, const heed_mask *b) {
  if (a->n_queries == b->n_queries && a->n_keys == b->n_keys) return HEED_OK;
  return heed__fail(HEED_SHAPE, "%s of masks of %lld x %lld and of %lld x %lld", what,
                    (long long)a->n_queries, (long long)a->n_keys, (long long)b->n_queries,
                    (long long)b->n_keys);
}

/* --- Of runs ------------------------------------------------------------------------------- */

static bool stores_none(const heed_mask *mask) {
  return heed_mask_is_full(mask) || heed__mask_is_runs(mask);
}

typedef struct run {
  int64_t start;
  int64_t end;
} run;

static run row_run(const heed_mask *mask, int64_t i) {
  if (heed_mask_is_full(mask)) return (run){0, mask->n_keys};
  int64_t start = mask->starts[i];
  return (run){start, start + mask->indptr[i + 1] - mask->indptr[i]};
}

/* The row of the result; false if it is more than one run. */
static bool combine_run(operation what, run a, run b, run *result) {
  bool apart = a.end <= b.start || b.end <= a.start || a.start == a.end || b.start == b.end;
  run both = {a.start > b.start ? a.start : b.start, a.end < b.end ? a.end : b.end};
  *result = a;
  if (what == INTERSECTION) {
    *result = apart ? (run){0, 0} : both;
  } else if (what == UNION) {
    if (a.start == a.end) *result = b;
    if (a.start == a.end || b.start == b.end) return true;
    *result = (run){a.start < b.start ? a.start : b.start, a.end > b.end ? a.end : b.end};
    return both.start <= both.end;
  } else if (!apart) {
    if (both.start > a.start && both.end < a.end) return false;
    *result = both.start > a.start ? (run){a.start, both.start} : (run){both.end, a.end};
  }
  return true;
}

/* The result, if every row of it is a run: *done then. */
static heed_status combine_runs(heed_mask *result, operation what, const heed_mask *a,
                                const heed_mask *b, bool *done) {
  int64_t *indptr;
  int32_t *starts;
  run r;
  *done = false;
  for (int64_t i = 0; i < a->n_queries; i++) {
    if (!combine_run(what, row_run(a, i), row_run(b, i), &r)) return HEED_OK;
  }
  HEED__TRY(heed__mask_new_runs(result, a->n_queries, a->n_keys, 0, &indptr, &starts));
  indptr[0] = 0;
  for (int64_t i = 0; i < a->n_queries; i++) {
    (void)combine_run(what, row_run(a, i), row_run(b, i), &r);
    starts[i] = (int32_t)r.start;
    indptr[i + 1] = indptr[i] + r.end - r.start;
  }
  result->n_pairs = indptr[a->n_queries];
  *done = true;
  return HEED_OK;
}

/* --- Of any ------------------------------------------------------------------------------- */

/* A row that is read from its first key to its last. */
typedef struct cursor {
  const heed_mask *mask;
  int64_t pair; /* its number */
  int64_t end;
  int64_t start; /* of a run: the key of pair 0 */
  bool listed;
} cursor;

static cursor open_row(const heed_mask *mask, int64_t i) {
  if (heed_mask_is_full(mask)) {
    int64_t first = i * mask->n_keys;
    return (cursor){mask, first, first + mask->n_keys, -first, false};
  }
  cursor row = {mask, mask->indptr[i], mask->indptr[i + 1], 0, mask->starts == NULL};
  if (!row.listed) row.start = mask->starts[i] - row.pair;
  return row;
}

static int64_t key_of(const cursor *row) {
  return row->listed ? row->mask->indices[row->pair] : row->start + row->pair;
}

/* Goes on to the first key that is not below `key`. */
static void skip_to(cursor *row, int64_t key) {
  if (!row->listed) {
    if (key - row->start > row->pair) row->pair = key - row->start;
    if (row->pair > row->end) row->pair = row->end;
    return;
  }
  while (row->pair < row->end && row->mask->indices[row->pair] < key) row->pair++;
}

static int64_t edges_of(const heed_mask *mask, int64_t p) {
  return mask->edge_ids == NULL ? 1
                                : heed__mask_edge_start(mask, p + 1) - heed__mask_edge_start(mask, p);
}

/* Goes through the edges of two pairs that become one, in the order of their ids and each once. An
 * entry without an edge (id -1) stays only where neither pair has an edge, and then once, SELF
 * before DERIVED. Writes where `writer` is not NULL.
 * @return the number of edges */
static int64_t merge_edges(heed__mask_writer *writer, const heed_mask *a, int64_t pa,
                           const heed_mask *b, int64_t pb) {
  const int64_t *ids[2];
  const uint8_t *origins[2];
  int64_t count[2], at[2] = {0, 0}, merged = 0;
  uint8_t without = HEED_ORIGIN_DERIVED;
  heed_mask_pair_edges(a, pa, &ids[0], &origins[0], &count[0]);
  heed_mask_pair_edges(b, pb, &ids[1], &origins[1], &count[1]);
  while (at[0] < count[0] || at[1] < count[1]) {
    int from;
    if (at[0] == count[0]) {
      from = 1;
    } else if (at[1] == count[1]) {
      from = 0;
    } else {
      int64_t x = ids[0][at[0]], y = ids[1][at[1]];
      from = y < x || (y == x && origins[1][at[1]] < origins[0][at[0]]);
      if (x == y && origins[0][at[0]] == origins[1][at[1]]) at[1]++; /* the same edge */
    }
    int64_t id = ids[from][at[from]];
    uint8_t origin = origins[from][at[from]++];
    if (id < 0) {
      if (origin < without) without = origin;
      continue;
    }
    if (writer != NULL) heed__mask_put_edge(writer, id, origin);
    merged++;
  }
  if (merged > 0) return merged;
  if (writer != NULL) heed__mask_put_edge(writer, -1, without);
  return 1;
}

/* A row of the union: counts its pairs and edges, and writes them where `writer` is not NULL. */
static void unite_row(heed__mask_writer *writer, const heed_mask *a, const heed_mask *b, int64_t i,
                      bool known, int64_t *n_pairs, int64_t *n_edges) {
  cursor x = open_row(a, i), y = open_row(b, i);
  int64_t pairs = 0, edges = 0;
  for (; x.pair < x.end || y.pair < y.end; pairs++) {
    int64_t key_x = x.pair < x.end ? key_of(&x) : INT64_MAX;
    int64_t key_y = y.pair < y.end ? key_of(&y) : INT64_MAX;
    bool in_a = key_x <= key_y, in_b = key_y <= key_x;
    if (writer != NULL) heed__mask_put_pair(writer, (int32_t)(in_a ? key_x : key_y));
    if (known && in_a && in_b) {
      edges += merge_edges(writer, a, x.pair, b, y.pair);
    } else if (known) {
      const cursor *only = in_a ? &x : &y;
      edges += edges_of(only->mask, only->pair);
      if (writer != NULL) heed__mask_put_edges(writer, only->mask, only->pair);
    }
    x.pair += in_a;
    y.pair += in_b;
  }
  *n_pairs = pairs;
  *n_edges = edges;
}

/* The same of the others. */
static void part_row(heed__mask_writer *writer, operation what, const heed_mask *a,
                     const heed_mask *b, int64_t i, bool known, int64_t *n_pairs,
                     int64_t *n_edges) {
  cursor x = open_row(a, i), y = open_row(b, i);
  int64_t pairs = 0, edges = 0;
  *n_edges = 0;
  if (writer == NULL && what == DIFFERENCE && !x.listed && !known && x.pair < x.end) {
    skip_to(&y, key_of(&x)); /* a run is counted without going through it */
    int64_t from = y.pair;
    skip_to(&y, x.start + x.end);
    *n_pairs = x.end - x.pair - (y.pair - from);
    return;
  }
  for (; x.pair < x.end; x.pair++) {
    int64_t key = key_of(&x);
    skip_to(&y, key);
    if (what == INTERSECTION) {
      if (y.pair == y.end) break;
      int64_t other = key_of(&y);
      if (other > key) {
        skip_to(&x, other);
        if (x.pair == x.end) break;
        x.pair--; /* the loop takes it again */
        continue;
      }
    } else if (y.pair < y.end && key_of(&y) == key) {
      continue;
    }
    if (writer != NULL) heed__mask_put_pair(writer, (int32_t)key);
    if (known && what == INTERSECTION) {
      edges += merge_edges(writer, a, x.pair, b, y.pair);
    } else if (known) {
      edges += edges_of(a, x.pair);
      if (writer != NULL) heed__mask_put_edges(writer, a, x.pair);
    }
    pairs++;
  }
  *n_pairs = pairs;
  *n_edges = edges;
}

static void combine_row(heed__mask_writer *writer, operation what, const heed_mask *a,
                        const heed_mask *b, int64_t i, bool known, int64_t *n_pairs,
                        int64_t *n_edges) {
  if (what == UNION) {
    unite_row(writer, a, b, i, known, n_pairs, n_edges);
  } else {
    part_row(writer, what, a, b, i, known, n_pairs, n_edges);
  }
}

static void sum_up(int64_t *starts, int64_t n) {
  int64_t sum = 0;
  for (int64_t i = 0; i <= n; i++) {
    int64_t count = starts[i];
    starts[i] = sum;
    sum += count;
  }
}

static heed_status combine(heed_mask *result, operation what, const heed_mask *a,
                           const heed_mask *b) {
  *result = (heed_mask){0};
  if (stores_none(a) && stores_none(b)) {
    bool done;
    HEED__TRY(combine_runs(result, what, a, b, &done));
    if (done) return HEED_OK;
  }
  int64_t rows = a->n_queries;
  bool known = a->edge_ids != NULL || (what != DIFFERENCE && b->edge_ids != NULL);
  int64_t *pair_at = heed__alloc_zero((size_t)rows + 1, sizeof *pair_at);
  int64_t *edge_at = pair_at == NULL ? NULL : heed__alloc_zero((size_t)rows + 1, sizeof *edge_at);
  if (edge_at == NULL) {
    heed__free(pair_at);
    return HEED_NOMEM;
  }
#pragma omp parallel for schedule(dynamic, ROWS_AT_ONCE) num_threads(heed_threads()) if (rows > FEW)
  for (int64_t i = 0; i < rows; i++) {
    combine_row(NULL, what, a, b, i, known, &pair_at[i], &edge_at[i]);
  }
  sum_up(pair_at, rows);
  sum_up(edge_at, rows);
  int64_t pairs = pair_at[rows], edges = edge_at[rows]; /* every pair has at least one, where known */
  int64_t *indptr, *edge_ptr, *edge_ids;
  int32_t *indices;
  uint8_t *origins;
  heed_status status = heed__mask_new(result, rows, a->n_keys, pairs, known ? edges : -1,
                                      edges != pairs, &indptr, &indices, &edge_ptr, &edge_ids,
                                      &origins);
  if (status == HEED_OK) {
    memcpy(indptr, pair_at, ((size_t)rows + 1) * sizeof *indptr);
    if (edge_ptr != NULL) edge_ptr[pairs] = edges;
#pragma omp parallel for schedule(dynamic, ROWS_AT_ONCE) num_threads(heed_threads()) if (rows > FEW)
    for (int64_t i = 0; i < rows; i++) {
      heed__mask_writer writer = {indices, edge_ptr, edge_ids, origins, pair_at[i], edge_at[i]};
      int64_t of_row, edges_of_row;
      combine_row(&writer, what, a, b, i, known, &of_row, &edges_of_row);
    }
    if (what != UNION && stores_none(a)) status = heed__mask_settle(result);
  }
  heed__free(edge_at);
  heed__free(pair_at);
  return status;
}

heed_status heed_mask_union(heed_mask *result, const heed_mask *a, const heed_mask *b) {
  *result = (heed_mask){0};
  HEED__TRY(check_same("union", a, b));
  bool full = heed_mask_is_full(a) || heed_mask_is_full(b);
  if (full && a->edge_ids == NULL && b->edge_ids == NULL) {
    return heed_mask_full(result, a->n_queries, a->n_keys);
  }
  /* Full beside one that knows its edges: they are kept, so every pair is stored. */
  return combine(result, UNION, a, b);
}

heed_status heed_mask_intersection(heed_mask *result, const heed_mask *a, const heed_mask *b) {
  *result = (heed_mask){0};
  HEED__TRY(check_same("intersection", a, b));
  if (heed_mask_is_full(a) && heed_mask_is_full(b)) {
    return heed_mask_full(result, a->n_queries, a->n_keys);
  }
  return combine(result, INTERSECTION, a, b);
}

heed_status heed_mask_difference(heed_mask *result, const heed_mask *a, const heed_mask *b) {
  *result = (heed_mask){0};
  HEED__TRY(check_same("difference", a, b));
  return combine(result, DIFFERENCE, a, b);
}

heed_status heed_mask_complement(heed_mask *result, const heed_mask *mask) {
  heed_mask full;
  *result = (heed_mask){0};
  HEED__TRY(heed_mask_full(&full, mask->n_queries, mask->n_keys));
  return combine(result, DIFFERENCE, &full, mask);
}
