/* Room mask: checks of views, and the algebra against dense matrices of booleans. */
#include <check.h>
#include <heed/mask.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "chance.h"
#include "expect.h"
#include "mask/mask.h"

enum { MOST = 64, MOST_EDGES = 3 };

static void set_up(void) { state = 7; }

/* What a mask should be: for every place whether there is a pair, and the edges behind it. */
typedef struct cell {
  bool on;
  int n;
  int64_t id[8];
  uint8_t origin[8];
} cell;

typedef struct dense {
  int64_t rows, cols;
  bool known;
  cell at[MOST][MOST];
} dense;

static dense *new_dense(int64_t rows, int64_t cols, bool known) {
  dense *d = calloc(1, sizeof *d);
  d->rows = rows;
  d->cols = cols;
  d->known = known;
  return d;
}

static void put(cell *c, int64_t id, uint8_t origin) {
  c->on = true;
  c->id[c->n] = id;
  c->origin[c->n++] = origin;
}

/* A random mask; each pair knows up to `edges` edges, or nothing if `edges` is 0. */
static dense *random_dense(int64_t rows, int64_t cols, uint32_t percent, uint32_t edges) {
  dense *d = new_dense(rows, cols, edges > 0);
  for (int64_t i = 0; i < rows; i++) {
    for (int64_t j = 0; j < cols; j++) {
      if (chance(100) >= percent) continue;
      cell *c = &d->at[i][j];
      int64_t n = edges > 1 ? 1 + chance(edges) : 1;
      int64_t id = chance(3);
      for (int64_t e = 0; e < n; e++, id += 1 + chance(2)) {
        if (edges == 0 || (n == 1 && chance(5) == 0)) {
          put(c, -1, HEED_ORIGIN_DERIVED);
        } else {
          put(c, id, (uint8_t)(i == j ? HEED_ORIGIN_LOOP : (int)chance(2)));
        }
      }
    }
  }
  return d;
}

static void make(heed_mask *mask, const dense *d, bool many) {
  int64_t pairs = 0, edges = 0;
  for (int64_t i = 0; i < d->rows; i++) {
    for (int64_t j = 0; j < d->cols; j++) {
      pairs += d->at[i][j].on;
      edges += d->at[i][j].n;
    }
  }
  int64_t *indptr, *edge_ptr, *ids;
  int32_t *indices;
  uint8_t *origins;
  ok(heed__mask_new(mask, d->rows, d->cols, pairs, d->known ? edges : -1, many, &indptr, &indices,
                    &edge_ptr, &ids, &origins));
  int64_t p = 0, e = 0;
  for (int64_t i = 0; i < d->rows; i++) {
    indptr[i] = p;
    for (int64_t j = 0; j < d->cols; j++) {
      const cell *c = &d->at[i][j];
      if (!c->on) continue;
      if (edge_ptr != NULL) edge_ptr[p] = e;
      for (int a = 0; d->known && a < c->n; a++, e++) {
        ids[e] = c->id[a];
        origins[e] = c->origin[a];
      }
      indices[p++] = (int32_t)j;
    }
  }
  indptr[d->rows] = p;
  if (edge_ptr != NULL) edge_ptr[p] = e;
  ok(heed_mask_check(mask));
}

static void same_as(const heed_mask *mask, const dense *d) {
  ok(heed_mask_check(mask));
  ck_assert_int_eq(mask->n_queries, d->rows);
  ck_assert_int_eq(mask->n_keys, d->cols);
  ck_assert(!heed_mask_is_full(mask));
  ck_assert_int_eq(mask->edge_ids != NULL, d->known);
  int64_t p = 0;
  for (int64_t i = 0; i < d->rows; i++) {
    ck_assert_int_eq(mask->indptr[i], p);
    for (int64_t j = 0; j < d->cols; j++) {
      const cell *c = &d->at[i][j];
      if (!c->on) continue;
      ck_assert_int_lt(p, mask->n_pairs);
      ck_assert_int_eq(mask->indices[p], j);
      const int64_t *ids;
      const uint8_t *origins;
      int64_t count;
      heed_mask_pair_edges(mask, p, &ids, &origins, &count);
      ck_assert_int_eq(count, c->n);
      for (int e = 0; e < c->n; e++) {
        ck_assert_int_eq(ids[e], c->id[e]);
        ck_assert_int_eq(origins[e], c->origin[e]);
      }
      p++;
    }
  }
  ck_assert_int_eq(mask->n_pairs, p);
}

static bool equal_arrays(const void *a, const void *b, int64_t n, size_t size) {
  if (a == NULL || b == NULL) return a == b;
  return n == 0 || memcmp(a, b, (size_t)n * size) == 0;
}

static void same(const heed_mask *a, const heed_mask *b) {
  ck_assert_int_eq(a->n_queries, b->n_queries);
  ck_assert_int_eq(a->n_keys, b->n_keys);
  ck_assert_int_eq(a->n_pairs, b->n_pairs);
  ck_assert(equal_arrays(a->indptr, b->indptr, a->n_queries + 1, sizeof *a->indptr));
  ck_assert(equal_arrays(a->indices, b->indices, a->n_pairs, sizeof *a->indices));
  ck_assert(equal_arrays(a->edge_ptr, b->edge_ptr, a->n_pairs + 1, sizeof *a->edge_ptr));
  ck_assert(equal_arrays(a->edge_ids, b->edge_ids, heed__mask_n_edges(a), sizeof *a->edge_ids));
  ck_assert(equal_arrays(a->origins, b->origins, heed__mask_n_edges(a), 1));
}

/* Sizes, density and edges that every oracle test runs over. */
static const struct {
  int64_t rows, cols;
  uint32_t percent, edges;
} cases[] = {{0, 0, 0, 0},   {0, 5, 50, 1},  {5, 0, 50, 0},   {1, 1, 100, 1}, {7, 7, 0, 1},
             {9, 4, 40, 0},  {4, 11, 40, 1}, {20, 20, 10, 3}, {30, 30, 5, 0}, {30, 30, 8, 1},
             {64, 64, 2, 3}, {13, 29, 30, 3}, {60, 60, 90, 1}, {25, 25, 4, 3}};
enum { CASES = sizeof cases / sizeof *cases };

static dense *case_dense(int i) {
  return random_dense(cases[i].rows, cases[i].cols, cases[i].percent, cases[i].edges);
}

START_TEST(view_takes_good_rows) {
  const int64_t indptr[] = {0, 2, 2, 3};
  const int32_t indices[] = {0, 4, 1};
  heed_mask mask;
  size_t held = heed_memory_held();
  ok(heed_mask_view(&mask, 3, 5, indptr, indices));
  ck_assert_ptr_eq(mask.indptr, indptr);
  ck_assert_ptr_eq(mask.indices, indices);
  ck_assert_int_eq(mask.n_pairs, 3);
  ck_assert(!heed_mask_is_full(&mask));
  ok(heed_mask_check(&mask));
  const int64_t *ids;
  const uint8_t *origins;
  int64_t count;
  heed_mask_pair_edges(&mask, 2, &ids, &origins, &count);
  ck_assert_int_eq(count, 1);
  ck_assert_int_eq(ids[0], -1);
  ck_assert_int_eq(origins[0], HEED_ORIGIN_DERIVED);
  ck_assert_uint_eq(heed_memory_held(), held);
  heed_mask_free(&mask);
  ck_assert_ptr_null(mask.indptr);
  heed_mask_free(&mask);
  heed_mask_free(NULL);
  ok(heed_mask_view(&mask, 0, 5, indptr, NULL));
  ck_assert_int_eq(mask.n_pairs, 0);
}
END_TEST

static void refuse(heed_status expected, int64_t rows, int64_t keys, const int64_t *indptr,
                   const int32_t *indices, const char *words) {
  heed_mask mask;
  memset(&mask, 1, sizeof mask);
  heed_status status = heed_mask_view(&mask, rows, keys, indptr, indices);
  ck_assert_str_eq(heed_status_name(status), heed_status_name(expected));
  ck_assert_msg(strstr(heed_message(), words) != NULL, "'%s' is not in '%s'", words,
                heed_message());
  ck_assert_ptr_null(mask.indptr);
  ck_assert_int_eq(mask.n_pairs, 0);
  heed_mask_free(&mask);
}

START_TEST(view_refuses_bad_rows) {
  const int64_t good[] = {0, 2, 3};
  const int32_t key[] = {0, 1, 2};
  refuse(HEED_RANGE, -1, 3, good, key, "-1 queries, 3 keys");
  refuse(HEED_RANGE, 2, -3, good, key, "2 queries, -3 keys");
  refuse(HEED_RANGE, 2, (int64_t)1 << 31, good, key, "2147483648 keys");
  refuse(HEED_ARGUMENT, 2, 3, NULL, key, "no row pointers");
  refuse(HEED_ARGUMENT, 2, 3, good, NULL, "3 pairs, but no indices");
  refuse(HEED_ARGUMENT, 2, 3, (const int64_t[]){1, 2, 3}, key, "starts at 1");
  refuse(HEED_RANGE, 2, 3, (const int64_t[]){0, 2, 1}, key, "row 1 ends at 1, before its start 2");
  refuse(HEED_RANGE, 2, 3, (const int64_t[]){0, 1, (int64_t)1 << 60}, key,
         "row 1 has 1152921504606846975 pairs, but there are 3 keys");
  refuse(HEED_RANGE, 2, 3, (const int64_t[]){0, INT64_MIN, 0}, key, "row 0 ends at -92233");
  refuse(HEED_RANGE, 2, 3, good, (const int32_t[]){0, 1, 3}, "row 1 has key 3");
  refuse(HEED_RANGE, 2, 3, good, (const int32_t[]){-1, 1, 2}, "row 0 has key -1");
  refuse(HEED_ARGUMENT, 2, 3, good, (const int32_t[]){1, 1, 2}, "row 0 has key 1 after key 1");
  refuse(HEED_ARGUMENT, 2, 3, good, (const int32_t[]){2, 0, 2}, "row 0 has key 0 after key 2");
}
END_TEST

static void check_says(const heed_mask *mask, heed_status expected, const char *words) {
  heed_status status = heed_mask_check(mask);
  ck_assert_str_eq(heed_status_name(status), heed_status_name(expected));
  ck_assert_msg(strstr(heed_message(), words) != NULL, "'%s' is not in '%s'", words,
                heed_message());
}

START_TEST(check_sees_bad_edges) {
  const int64_t indptr[] = {0, 2}, ids[] = {4, 5, -1};
  const int32_t indices[] = {0, 1};
  const uint8_t origins[] = {HEED_ORIGIN_FORWARD, HEED_ORIGIN_BACKWARD, HEED_ORIGIN_SELF};
  const heed_mask good = {.n_queries = 1, .n_keys = 2, .n_pairs = 2, .indptr = indptr,
                          .indices = indices, .edge_ptr = (const int64_t[]){0, 2, 3},
                          .edge_ids = ids, .origins = origins};
  ok(heed_mask_check(&good));
  heed_mask bad = good;
  bad.n_pairs = 3;
  check_says(&bad, HEED_SHAPE, "says 3 pairs, but its rows hold 2");
  bad = good, bad.origins = NULL;
  check_says(&bad, HEED_ARGUMENT, "both be there");
  bad = good, bad.edge_ids = NULL;
  check_says(&bad, HEED_ARGUMENT, "both be there");
  bad = good, bad.edge_ptr = (const int64_t[]){1, 2, 3};
  check_says(&bad, HEED_ARGUMENT, "start at 1");
  bad = good, bad.edge_ptr = (const int64_t[]){0, 2, 2};
  check_says(&bad, HEED_RANGE, "pair 1 go from 2 to 2");
  bad = good, bad.origins = (const uint8_t[]){0, 9, 3};
  check_says(&bad, HEED_RANGE, "edge 1 behind the pairs has origin 9");
  bad = good, bad.origins = (const uint8_t[]){0, 3, 3};
  check_says(&bad, HEED_RANGE, "edge 1 behind the pairs has id 5");
  bad = good, bad.edge_ids = (const int64_t[]){-1, 5, -1};
  check_says(&bad, HEED_RANGE, "edge 0 behind the pairs has id -1");
  bad = good, bad.indptr = NULL;
  check_says(&bad, HEED_ARGUMENT, "other arrays");
  ok(heed_mask_full(&bad, 3, 4));
  ok(heed_mask_check(&bad));
  bad.n_pairs = 11;
  check_says(&bad, HEED_SHAPE, "says 11 pairs, but its rows hold 12");
}
END_TEST

START_TEST(full_masks) {
  heed_mask mask, all;
  ok(heed_mask_full(&mask, 3, 4));
  ck_assert(heed_mask_is_full(&mask));
  ck_assert_int_eq(mask.n_pairs, 12);
  ok(heed_mask_explicit(&all, &mask));
  dense *d = random_dense(3, 4, 100, 0);
  same_as(&all, d);
  free(d);
  heed_mask_free(&all);
  int64_t pairs[12];
  ok(heed_mask_transpose(&all, &mask, pairs));
  ck_assert(heed_mask_is_full(&all));
  ck_assert_int_eq(all.n_queries, 4);
  for (int j = 0; j < 4; j++) {
    for (int i = 0; i < 3; i++) ck_assert_int_eq(pairs[j * 3 + i], i * 4 + j);
  }
  ck_assert_int_eq(heed_mask_full(&mask, -1, 2), HEED_RANGE);
  ck_assert_int_eq(heed_mask_full(&mask, 1, (int64_t)1 << 31), HEED_RANGE);
  ck_assert_int_eq(heed_mask_full(&mask, (int64_t)1 << 40, INT32_MAX), HEED_OVERFLOW);
  ck_assert_int_eq(heed_mask_full(&mask, 2, -1), HEED_RANGE);
  ck_assert_int_eq(mask.n_keys, 0);
  /* Far too many to write out. */
  ok(heed_mask_full(&mask, (int64_t)1 << 31, INT32_MAX));
  heed_status status = heed_mask_explicit(&all, &mask);
  ck_assert(status == HEED_NOMEM || status == HEED_OVERFLOW);
  ck_assert_ptr_null(all.owned);
  ck_assert_int_eq(heed_mask_transpose(&all, &mask, NULL), HEED_RANGE);
  ok(heed_mask_full(&mask, 5, 5));
  ok(heed_mask_khop(&all, &mask, 3));
  ck_assert(heed_mask_is_full(&all));
  ok(heed_mask_self_loops(&all, &mask, HEED_LOOPS_ADD));
  ck_assert(heed_mask_is_full(&all));
  ok(heed_mask_self_loops(&all, &mask, HEED_LOOPS_DROP));
  ck_assert_int_eq(all.n_pairs, 20);
  ok(heed_mask_check(&all));
  heed_mask both;
  ok(heed_mask_union(&both, &all, &mask));
  ck_assert(heed_mask_is_full(&both));
  heed_mask_free(&all);
}
END_TEST

START_TEST(explicit_copies) {
  for (int i = 0; i < CASES; i++) {
    dense *d = case_dense(i);
    heed_mask mask, again;
    make(&mask, d, cases[i].edges > 1);
    ok(heed_mask_explicit(&again, &mask));
    heed_mask_free(&mask);
    same_as(&again, d);
    heed_mask_free(&again);
    free(d);
  }
}
END_TEST

START_TEST(transpose_is_the_transpose) {
  for (int i = 0; i < CASES; i++) {
    dense *d = case_dense(i), *t = new_dense(d->cols, d->rows, d->known);
    for (int64_t a = 0; a < d->rows; a++) {
      for (int64_t b = 0; b < d->cols; b++) {
        t->at[b][a] = d->at[a][b];
        for (int e = 0; e < d->at[a][b].n; e++) {
          if (t->at[b][a].origin[e] <= 1) t->at[b][a].origin[e] ^= 1;
        }
      }
    }
    heed_mask mask, result, back;
    make(&mask, d, cases[i].edges > 1);
    int64_t *pairs = malloc(((size_t)mask.n_pairs + 1) * sizeof *pairs);
    ok(heed_mask_transpose(&result, &mask, pairs));
    same_as(&result, t);
    for (int64_t j = 0; j < result.n_queries; j++) {
      for (int64_t p = result.indptr[j]; p < result.indptr[j + 1]; p++) {
        ck_assert_int_eq(mask.indices[pairs[p]], j);
        ck_assert_int_ge(pairs[p], mask.indptr[result.indices[p]]);
        ck_assert_int_lt(pairs[p], mask.indptr[result.indices[p] + 1]);
      }
    }
    ok(heed_mask_transpose(&back, &result, NULL));
    same(&back, &mask);
    heed_mask_free(&back);
    heed_mask_free(&result);
    heed_mask_free(&mask);
    free(pairs);
    free(t);
    free(d);
  }
}
END_TEST

/* The edges of both, by id and origin, each once; those without an edge only where no other is. */
static cell united(const cell *a, const cell *b) {
  cell c = {0};
  uint8_t without = HEED_ORIGIN_DERIVED;
  c.on = a->on || b->on;
  for (int64_t id = 0; id < 32; id++) {
    for (uint8_t origin = 0; origin <= HEED_ORIGIN_DERIVED; origin++) {
      bool there = false;
      for (int e = 0; e < a->n; e++) there |= a->id[e] == id && a->origin[e] == origin;
      for (int e = 0; e < b->n; e++) there |= b->id[e] == id && b->origin[e] == origin;
      if (there) put(&c, id, origin);
    }
  }
  for (int e = 0; e < a->n; e++) without = a->origin[e] < without ? a->origin[e] : without;
  for (int e = 0; e < b->n; e++) without = b->origin[e] < without ? b->origin[e] : without;
  if (c.on && c.n == 0) put(&c, -1, without);
  return c;
}

START_TEST(union_has_the_pairs_and_edges_of_both) {
  for (int i = 0; i < CASES; i++) {
    for (uint32_t edges = 0; edges <= MOST_EDGES; edges++) {
      dense *a = case_dense(i), *b = random_dense(a->rows, a->cols, 30, edges);
      dense *u = new_dense(a->rows, a->cols, a->known || b->known);
      for (int64_t r = 0; r < a->rows; r++) {
        for (int64_t c = 0; c < a->cols; c++) u->at[r][c] = united(&a->at[r][c], &b->at[r][c]);
      }
      heed_mask x, y, result, again;
      make(&x, a, cases[i].edges > 1);
      make(&y, b, edges > 1);
      ok(heed_mask_union(&result, &x, &y));
      same_as(&result, u);
      ok(heed_mask_union(&again, &y, &x));
      same(&again, &result);
      heed_mask_free(&again);
      ok(heed_mask_union(&again, &result, &result));
      same(&again, &result);
      heed_mask_free(&again);
      heed_mask_free(&result);
      /* With a full mask every pair is there, and those of x keep their edges. */
      heed_mask full;
      ok(heed_mask_full(&full, a->rows, a->cols));
      ok(heed_mask_union(&result, &full, &x));
      ck_assert_int_eq(result.n_pairs, a->rows * a->cols);
      ok(heed_mask_check(&result));
      ck_assert_int_eq(heed_mask_is_full(&result), !a->known);
      for (int64_t p = 0; a->known && p < result.n_pairs; p++) {
        const cell *c = &a->at[p / a->cols][p % a->cols];
        const int64_t *ids;
        const uint8_t *origins;
        int64_t count;
        heed_mask_pair_edges(&result, p, &ids, &origins, &count);
        ck_assert_int_eq(count, c->on ? c->n : 1);
        ck_assert_int_eq(ids[0], c->on ? c->id[0] : -1);
      }
      heed_mask_free(&result);
      heed_mask_free(&y);
      heed_mask_free(&x);
      free(u);
      free(b);
      free(a);
    }
  }
}
END_TEST

START_TEST(self_loops_are_kept_added_dropped) {
  for (int i = 0; i < CASES; i++) {
    if (cases[i].rows != cases[i].cols) continue;
    dense *d = case_dense(i);
    heed_mask mask, result;
    make(&mask, d, cases[i].edges > 1);
    ok(heed_mask_self_loops(&result, &mask, HEED_LOOPS_KEEP));
    same(&result, &mask);
    heed_mask_free(&result);
    dense *e = malloc(sizeof *e);
    *e = *d;
    for (int64_t j = 0; j < d->rows; j++) {
      if (e->at[j][j].on) continue;
      put(&e->at[j][j], -1, HEED_ORIGIN_SELF);
      e->known = true;
    }
    ok(heed_mask_self_loops(&result, &mask, HEED_LOOPS_ADD));
    same_as(&result, e);
    heed_mask_free(&result);
    *e = *d;
    for (int64_t j = 0; j < d->rows; j++) e->at[j][j] = (cell){0};
    ok(heed_mask_self_loops(&result, &mask, HEED_LOOPS_DROP));
    same_as(&result, e);
    heed_mask_free(&result);
    ck_assert_int_eq(heed_mask_self_loops(&result, &mask, (heed_loops)7), HEED_ARGUMENT);
    heed_mask_free(&mask);
    free(e);
    free(d);
  }
}
END_TEST

START_TEST(khop_reaches_what_paths_reach) {
  for (int i = 0; i < CASES; i++) {
    if (cases[i].rows != cases[i].cols) continue;
    int64_t n = cases[i].rows;
    dense *d = case_dense(i), *e = malloc(sizeof *e);
    heed_mask mask, result;
    make(&mask, d, cases[i].edges > 1);
    *e = *d; /* of 1 step */
    for (int k = 1; k <= 6; k++) {
      ok(heed_mask_khop(&result, &mask, k));
      same_as(&result, e);
      heed_mask_free(&result);
      bool reached[MOST][MOST];
      for (int64_t a = 0; a < n; a++) {
        for (int64_t b = 0; b < n; b++) {
          reached[a][b] = false;
          for (int64_t c = 0; c < n; c++) reached[a][b] |= e->at[a][c].on && d->at[c][b].on;
        }
      }
      for (int64_t a = 0; a < n; a++) {
        for (int64_t b = 0; b < n; b++) {
          if (a != b && reached[a][b] && !e->at[a][b].on) {
            put(&e->at[a][b], -1, HEED_ORIGIN_DERIVED);
          }
        }
      }
    }
    ck_assert_int_eq(heed_mask_khop(&result, &mask, 0), HEED_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(heed_message(), "k is 0"));
    ok(heed_mask_khop(&result, &mask, INT32_MAX));
    heed_mask_free(&result);
    heed_mask_free(&mask);
    free(e);
    free(d);
  }
}
END_TEST

START_TEST(sizes_that_disagree) {
  heed_mask a, b, result;
  const int64_t indptr[] = {0, 0, 0};
  ok(heed_mask_view(&a, 2, 3, indptr, NULL));
  ok(heed_mask_view(&b, 2, 2, indptr, NULL));
  ck_assert_int_eq(heed_mask_union(&result, &a, &b), HEED_SHAPE);
  ck_assert_ptr_nonnull(strstr(heed_message(), "2 x 3 and of 2 x 2"));
  ck_assert_int_eq(heed_mask_khop(&result, &a, 2), HEED_SHAPE);
  ck_assert_int_eq(heed_mask_self_loops(&result, &a, HEED_LOOPS_ADD), HEED_SHAPE);
  ck_assert_ptr_nonnull(strstr(heed_message(), "2 queries but 3 keys"));
}
END_TEST

static int ascending(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

START_TEST(statistics_count) {
  for (int i = 0; i < CASES; i++) {
    dense *d = case_dense(i);
    heed_mask mask;
    heed_mask_stats stats;
    make(&mask, d, cases[i].edges > 1);
    ok(heed_mask_statistics(&mask, &stats));
    int64_t degree[MOST] = {0}, n = d->rows, self = 0, empty = 0, pairs = 0;
    for (int64_t a = 0; a < n; a++) {
      for (int64_t b = 0; b < d->cols; b++) degree[a] += d->at[a][b].on;
      self += a < d->cols && d->at[a][a].on;
      empty += degree[a] == 0;
      pairs += degree[a];
    }
    qsort(degree, (size_t)n, sizeof *degree, ascending);
    ck_assert_int_eq(stats.pairs, n == 0 ? 0 : pairs);
    ck_assert_int_eq(stats.self_pairs, self);
    ck_assert_int_eq(stats.empty_rows, empty);
    ck_assert_int_eq(stats.min_degree, n == 0 ? 0 : degree[0]);
    ck_assert_int_eq(stats.max_degree, n == 0 ? 0 : degree[n - 1]);
    double median = n == 0 ? 0 : 0.5 * (double)(degree[(n - 1) / 2] + degree[n / 2]);
    ck_assert_double_eq(stats.median_degree, median);
    ck_assert_double_eq_tol(stats.mean_degree, n == 0 ? 0 : (double)pairs / (double)n, 1e-12);
    double places = (double)(n * d->cols);
    ck_assert_double_eq_tol(stats.density, places > 0 ? (double)pairs / places : 0, 1e-12);
    heed_mask_free(&mask);
    free(d);
  }
  heed_mask full;
  heed_mask_stats stats;
  ok(heed_mask_full(&full, 3, 5));
  ok(heed_mask_statistics(&full, &stats));
  ck_assert_int_eq(stats.pairs, 15);
  ck_assert_int_eq(stats.self_pairs, 3);
  ck_assert_int_eq(stats.min_degree, 5);
  ck_assert_double_eq(stats.median_degree, 5);
  ck_assert_double_eq(stats.density, 1);
}
END_TEST

/* A mask large enough for every parallel path, rows of uneven length, up to 3 edges a pair. */
static void make_large(heed_mask *mask, int64_t n) {
  int64_t *indptr = malloc(((size_t)n + 1) * sizeof *indptr);
  indptr[0] = 0;
  for (int64_t i = 0; i < n; i++) indptr[i + 1] = indptr[i] + (i % 1000 == 3 ? 300 : chance(6));
  int64_t pairs = indptr[n], *to, *edge_ptr, *ids;
  int32_t *indices;
  uint8_t *origins;
  ok(heed__mask_new(mask, n, n, pairs, 3 * pairs, true, &to, &indices, &edge_ptr, &ids, &origins));
  memcpy(to, indptr, ((size_t)n + 1) * sizeof *to);
  for (int64_t i = 0; i < n; i++) {
    int64_t step = n / 301, key = chance(step - 1);
    for (int64_t p = indptr[i]; p < indptr[i + 1]; p++, key += 1 + chance(step)) {
      indices[p] = (int32_t)key;
    }
  }
  for (int64_t p = 0; p <= pairs; p++) edge_ptr[p] = 3 * p;
  for (int64_t e = 0; e < 3 * pairs; e++) {
    ids[e] = e;
    origins[e] = (uint8_t)chance(2);
  }
  ok(heed_mask_check(mask));
  free(indptr);
}

START_TEST(threads_do_not_matter) {
  static const int threads[] = {1, 2, 7};
  heed_mask mask, first[5] = {{0}};
  make_large(&mask, 10000);
  for (int t = 0; t < 3; t++) {
    heed_mask now[5];
    ok(heed_set_threads(threads[t]));
    ok(heed_mask_transpose(&now[0], &mask, NULL));
    ok(heed_mask_union(&now[1], &mask, &now[0]));
    ok(heed_mask_self_loops(&now[2], &mask, HEED_LOOPS_ADD));
    ok(heed_mask_self_loops(&now[3], &mask, HEED_LOOPS_DROP));
    ok(heed_mask_khop(&now[4], &mask, 2));
    for (int i = 0; i < 5; i++) {
      ok(heed_mask_check(&now[i]));
      if (t == 0) {
        first[i] = now[i];
      } else {
        same(&now[i], &first[i]);
        heed_mask_free(&now[i]);
      }
    }
  }
  for (int i = 0; i < 5; i++) heed_mask_free(&first[i]);
  heed_mask_free(&mask);
  ok(heed_set_threads(0));
}
END_TEST

static heed_status run(int what, heed_mask *result, const heed_mask *mask, const heed_mask *full) {
  heed_mask_stats stats;
  *result = (heed_mask){0};
  switch (what) {
    case 0: return heed_mask_transpose(result, mask, NULL);
    case 1: return heed_mask_union(result, mask, mask);
    case 2: return heed_mask_union(result, mask, full);
    case 3: return heed_mask_self_loops(result, mask, HEED_LOOPS_KEEP);
    case 4: return heed_mask_self_loops(result, mask, HEED_LOOPS_ADD);
    case 5: return heed_mask_self_loops(result, full, HEED_LOOPS_DROP);
    case 6: return heed_mask_khop(result, mask, 2);
    case 7: return heed_mask_explicit(result, full);
    default: return heed_mask_statistics(mask, &stats);
  }
}

START_TEST(failed_allocations_leave_nothing) {
  dense *d = random_dense(20, 20, 20, 3);
  heed_mask mask, full, result;
  make(&mask, d, true);
  ok(heed_mask_full(&full, 20, 20));
  size_t held = heed_memory_held();
  for (int what = 0; what <= 8; what++) {
    heed_status status = HEED_NOMEM;
    long n = 0;
    for (; status != HEED_OK; n++) {
      ck_assert_int_lt(n, 100);
      heed__alloc_fail_after(n);
      status = run(what, &result, &mask, &full);
      heed__alloc_fail_after(-1);
      if (status == HEED_OK) break;
      ck_assert_int_eq(status, HEED_NOMEM);
      ck_assert_uint_eq(heed_memory_held(), held);
      ck_assert_ptr_null(result.owned);
    }
    ck_assert_int_gt(n, 0);
    heed_mask_free(&result);
    ck_assert_uint_eq(heed_memory_held(), held);
  }
  heed_mask_free(&mask);
  free(d);
}
END_TEST

START_TEST(new_masks_check_their_sizes) {
  heed_mask mask;
  int64_t *indptr;
  int32_t *indices;
  static const int64_t sizes[][3] = {
      {INT64_MAX, 1, -1}, {1, INT64_MAX, -1}, {1, INT64_MAX / 4, INT64_MAX}, {INT64_MAX / 4, 1, 1}};
  for (int i = 0; i < 4; i++) {
    heed_status status = heed__mask_new(&mask, sizes[i][0], 1, sizes[i][1], sizes[i][2], true,
                                        &indptr, &indices, NULL, NULL, NULL);
    ck_assert(status == HEED_OVERFLOW || status == HEED_NOMEM);
    ck_assert_ptr_null(mask.owned);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("mask");
  TCase *tests = tcase_create("mask");
  tcase_set_timeout(tests, 120);
  tcase_add_checked_fixture(tests, set_up, NULL);
  tcase_add_test(tests, view_takes_good_rows);
  tcase_add_test(tests, view_refuses_bad_rows);
  tcase_add_test(tests, check_sees_bad_edges);
  tcase_add_test(tests, full_masks);
  tcase_add_test(tests, explicit_copies);
  tcase_add_test(tests, transpose_is_the_transpose);
  tcase_add_test(tests, union_has_the_pairs_and_edges_of_both);
  tcase_add_test(tests, self_loops_are_kept_added_dropped);
  tcase_add_test(tests, khop_reaches_what_paths_reach);
  tcase_add_test(tests, sizes_that_disagree);
  tcase_add_test(tests, statistics_count);
  tcase_add_test(tests, threads_do_not_matter);
  tcase_add_test(tests, failed_allocations_leave_nothing);
  tcase_add_test(tests, new_masks_check_their_sizes);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
