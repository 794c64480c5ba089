/* Masks by a formula, pair by pair against the formula itself, and masks as sets of pairs. */
#include <check.h>
#include <heed/mask.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "chance.h"
#include "expect.h"

enum { MOST = 40, ROUNDS = 200 };

static void set_up(void) { state = 11; }

static bool stores_pairs(const heed_mask *mask) { return mask->indices != NULL; }

/* Whether (i, j) is in a mask of any kind. */
static bool has(const heed_mask *mask, int64_t i, int64_t j) {
  if (heed_mask_is_full(mask)) return true;
  int64_t first = mask->indptr[i], end = mask->indptr[i + 1];
  if (mask->starts != NULL) return j >= mask->starts[i] && j < mask->starts[i] + end - first;
  for (int64_t p = first; p < end; p++) {
    if (mask->indices[p] == j) return true;
  }
  return false;
}

typedef bool predicate(int64_t i, int64_t j, const int64_t *x);

/* Every pair is in the mask where the formula says so; runs where every row is one. */
static void is(heed_mask *mask, int64_t n, predicate *formula, const int64_t *x) {
  int64_t pairs = 0;
  bool runs = true;
  ok(heed_mask_check(mask));
  ck_assert_int_eq(mask->n_queries, n);
  ck_assert_int_eq(mask->n_keys, n);
  for (int64_t i = 0; i < n; i++) {
    int64_t parts = 0;
    for (int64_t j = 0; j < n; j++) {
      bool wanted = formula(i, j, x);
      ck_assert_msg(has(mask, i, j) == wanted, "(%lld, %lld) of %lld: %d wanted; %lld %lld %lld",
                    (long long)i, (long long)j, (long long)n, wanted, (long long)x[0],
                    (long long)x[1], (long long)x[2]);
      pairs += wanted;
      parts += wanted && (j == 0 || !formula(i, j - 1, x));
    }
    runs = runs && parts <= 1;
  }
  ck_assert_int_eq(mask->n_pairs, pairs);
  ck_assert_int_eq(!stores_pairs(mask) || pairs == 0, runs || pairs == 0);
  heed_mask_free(mask);
}

static bool causal(int64_t i, int64_t j, const int64_t *x) {
  (void)x;
  return j <= i;
}
static bool block(int64_t i, int64_t j, const int64_t *x) { return i / x[0] == j / x[0]; }
static bool dilated(int64_t i, int64_t j, const int64_t *x) {
  return j >= i - x[0] && j <= i + x[1] && (i - j) % x[2] == 0;
}
static bool strided(int64_t i, int64_t j, const int64_t *x) {
  return (i - j) % x[0] == 0 && (!x[1] || j <= i);
}
static bool global(int64_t i, int64_t j, const int64_t *x) { return i < x[0] || j < x[0]; }
static bool bipartite(int64_t i, int64_t j, const int64_t *x) { return (i < x[0]) != (j < x[0]); }

START_TEST(sequences) {
  for (int round = 0; round < ROUNDS; round++) {
    heed_mask mask;
    int64_t n = chance(MOST), x[3] = {chance(MOST), chance(MOST), chance(9) + 1}, y[3] = {0};
    ok(heed_mask_causal(&mask, n));
    is(&mask, n, causal, x);
    ok(heed_mask_dilated(&mask, n, x[0], x[1], x[2]));
    is(&mask, n, dilated, x);
    y[0] = chance(MOST) + 1;
    ok(heed_mask_block(&mask, n, y[0]));
    is(&mask, n, block, y);
    y[1] = chance(2);
    ok(heed_mask_strided(&mask, n, y[0], y[1]));
    is(&mask, n, strided, y);
    ok(heed_mask_global(&mask, n, x[0]));
    is(&mask, n, global, x);
    ok(heed_mask_bipartite(&mask, n, x[0]));
    is(&mask, n, bipartite, x);
  }
}
END_TEST

START_TEST(numbers_of_any_size) {
  heed_mask mask;
  int64_t big = INT64_MAX, all[3] = {MOST, MOST, 1}, self[3] = {0, 0, 1};
  ok(heed_mask_dilated(&mask, 9, big, big, 1));
  is(&mask, 9, dilated, all);
  ok(heed_mask_dilated(&mask, 9, big, big, big));
  is(&mask, 9, dilated, self);
  ok(heed_mask_block(&mask, 9, big));
  is(&mask, 9, block, all);
  ok(heed_mask_strided(&mask, 9, big, false));
  is(&mask, 9, dilated, self);
  ok(heed_mask_global(&mask, 9, big));
  is(&mask, 9, global, all);
  int64_t none[3] = {big};
  ok(heed_mask_bipartite(&mask, 9, big));
  is(&mask, 9, bipartite, none);
  ok(heed_mask_shift(&mask, 1, &(int64_t){9}, &(int64_t){INT64_MIN}));
  ck_assert_int_eq(mask.n_pairs, 0);
  heed_mask_free(&mask);
  ok(heed_mask_grid(&mask, 2, (int64_t[]){3, 4}, big, HEED_GRID_BOX));
  ck_assert_int_eq(mask.n_pairs, 144);
  heed_mask_free(&mask);
}
END_TEST

static bool near(int64_t i, int64_t j, const int64_t *x) {
  int64_t most = 0, sum = 0;
  for (int a = (int)x[0] - 1; a >= 0; a--) {
    int64_t apart = llabs(i % x[1 + a] - j % x[1 + a]);
    most = apart > most ? apart : most;
    sum += apart;
    i /= x[1 + a];
    j /= x[1 + a];
  }
  return most <= x[4] && (x[5] == HEED_GRID_BOX || sum == most);
}

static bool moved(int64_t i, int64_t j, const int64_t *x) {
  bool here = true;
  for (int a = (int)x[0] - 1; a >= 0; a--) {
    here = here && j % x[1 + a] - i % x[1 + a] == x[4 + a];
    i /= x[1 + a];
    j /= x[1 + a];
  }
  return here;
}

START_TEST(grids) {
  for (int round = 0; round < 2 * ROUNDS; round++) {
    heed_mask mask;
    int64_t x[7] = {chance(3) + 1}, n = 1;
    for (int a = 0; a < x[0]; a++) n *= x[1 + a] = chance(x[0] == 1 ? MOST : 6) + 1;
    x[4] = chance(6);
    x[5] = chance(2);
    ok(heed_mask_grid(&mask, (int)x[0], x + 1, x[4], (heed_grid)x[5]));
    is(&mask, n, near, x);
    for (int a = 0; a < 3; a++) x[4 + a] = chance(9) - 4;
    ok(heed_mask_shift(&mask, (int)x[0], x + 1, x + 4));
    ck_assert(!stores_pairs(&mask));
    is(&mask, n, moved, x);
  }
}
END_TEST

START_TEST(random_keys) {
  for (int round = 0; round < ROUNDS; round++) {
    heed_mask mask, again, other;
    int64_t rows = chance(MOST), keys = chance(MOST), r = chance(keys + 4);
    uint64_t seed = (uint64_t)round;
    ok(heed_mask_random(&mask, rows, keys, r, seed));
    ok(heed_mask_check(&mask)); /* distinct, ascending, in range */
    ck_assert_int_eq(mask.n_queries, rows);
    ck_assert_int_eq(mask.n_keys, keys);
    ck_assert_int_eq(mask.n_pairs, rows * (r < keys ? r : keys));
    /* A row does not depend on how many there are. */
    ok(heed_mask_random(&again, rows + 3, keys, r, seed));
    for (int64_t i = 0; i < rows; i++) {
      for (int64_t j = 0; j < keys; j++) ck_assert_int_eq(has(&mask, i, j), has(&again, i, j));
    }
    if (rows > 5 && r > 2 && r < keys - 2) {
      bool same = true;
      ok(heed_mask_random(&other, rows, keys, r, seed + 1));
      for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < keys; j++) same = same && has(&mask, i, j) == has(&other, i, j);
      }
      ck_assert(!same);
      heed_mask_free(&other);
    }
    heed_mask_free(&mask);
    heed_mask_free(&again);
  }
}
END_TEST

/* Pearson's statistic of how often each key, or pair of keys, was drawn: about its degrees of freedom. */
START_TEST(random_keys_are_even) {
  static const int64_t keys[] = {7, 7, 40, 5000}, drawn[] = {2, 5, 3, 300};
  enum { ROWS = 20000 };
  for (int k = 0; k < 4; k++) {
    int64_t n = keys[k], rows = n > 100 ? 400 : ROWS;
    heed_mask mask;
    ok(heed_mask_random(&mask, rows, n, drawn[k], 3));
    double *times = calloc((size_t)n, sizeof *times), together[7][7] = {{0}};
    for (int64_t i = 0; i < rows; i++) {
      for (int64_t p = mask.indptr[i]; p < mask.indptr[i + 1]; p++) {
        times[mask.indices[p]]++;
        for (int64_t q = mask.indptr[i]; q < p && n == 7; q++) {
          together[mask.indices[q]][mask.indices[p]]++;
        }
      }
    }
    double share = (double)drawn[k] / (double)n, chi = 0, wanted = (double)rows * share;
    for (int64_t j = 0; j < n; j++) {
      chi += (times[j] - wanted) * (times[j] - wanted) / (wanted * (1 - share));
    }
    ck_assert_double_lt(fabs(chi - (double)n), 5 * sqrt(2 * (double)n));
    if (n == 7) {
      double both = share * (double)(drawn[k] - 1) / 6, spread = sqrt(ROWS * both * (1 - both));
      for (int a = 0; a < 7; a++) {
        for (int b = a + 1; b < 7; b++) {
          ck_assert_double_lt(fabs(together[a][b] - ROWS * both), 5 * spread);
        }
      }
    }
    free(times);
    heed_mask_free(&mask);
  }
}
END_TEST

static double apart(const heed_matrix *x, int64_t i, int64_t j) {
  double sum = 0;
  for (int64_t f = 0; f < x->cols; f++) {
    double d = (double)x->data[i * x->stride + f] - (double)x->data[j * x->stride + f];
    sum += d * d;
  }
  return sum;
}

/* j is among the k nearest of i: fewer than k are nearer, or as near with a lower number. */
static void is_nearest(const heed_mask *mask, const heed_matrix *x, int64_t k) {
  ok(heed_mask_check(mask));
  for (int64_t i = 0; i < x->rows; i++) {
    for (int64_t j = 0; j < x->rows; j++) {
      int64_t nearer = 0;
      double far = apart(x, i, j);
      for (int64_t o = 0; o < x->rows; o++) {
        double other = apart(x, i, o);
        nearer += o != i && o != j && (other < far || (other == far && o < j));
      }
      ck_assert_int_eq(has(mask, i, j), j != i && nearer < k);
    }
  }
}

START_TEST(nearest) {
  for (int round = 0; round < 60; round++) {
    /* Small sets are searched otherwise than large ones; whole numbers have ties. */
    int64_t n = round % 4 == 3 ? 97 + chance(100) : chance(30), f = chance(5), k = chance(12);
    float *data = malloc((size_t)(n * (f + 2) + 1) * sizeof *data);
    for (int64_t p = 0; p < n * (f + 2); p++) {
      data[p] = round % 2 == 0 ? (float)chance(1000) / 7 : (float)chance(4);
      if (round % 12 == 3) data[p] = 1e30f * (float)chance(3); /* squares of it are no floats */
      if (round % 12 == 7) data[p] += 3000; /* differences drown in products */
    }
    heed_matrix x = {data, n, f, f + 2};
    heed_mask mask;
    ok(heed_mask_nearest(&mask, &x, k));
    is_nearest(&mask, &x, k);
    heed_mask_free(&mask);
    if (n > 0 && f > 0) {
      data[(n - 1) * (f + 2) + f - 1] = NAN;
      fails(heed_mask_nearest(&mask, &x, k), HEED_VALUE, "nan");
    }
    free(data);
  }
}
END_TEST

START_TEST(pairs_in_any_order) {
  for (int round = 0; round < ROUNDS; round++) {
    int64_t rows = chance(MOST) + 1, keys = chance(MOST) + 1, n = chance(300);
    int64_t queries[300], of[300];
    for (int64_t p = 0; p < n; p++) {
      queries[p] = chance(rows);
      of[p] = chance(keys);
    }
    heed_mask mask;
    ok(heed_mask_pairs(&mask, rows, keys, n, queries, of));
    ok(heed_mask_check(&mask));
    int64_t found = 0;
    for (int64_t p = 0; p < n; p++) {
      bool first = true;
      for (int64_t q = 0; q < p; q++) first = first && (queries[q] != queries[p] || of[q] != of[p]);
      ck_assert(has(&mask, queries[p], of[p]));
      found += first;
    }
    ck_assert_int_eq(mask.n_pairs, found);
    heed_mask_free(&mask);
    if (n == 0) continue;
    of[n - 1] = keys;
    fails(heed_mask_pairs(&mask, rows, keys, n, queries, of), HEED_RANGE, "key");
    ck_assert_int_eq(mask.n_pairs, 0);
  }
}
END_TEST

/* Pairs with edges, pairs without, runs, or full. */
static void random_mask(heed_mask *mask, int kind, int64_t rows, int64_t keys) {
  if (kind == 3) {
    ok(heed_mask_full(mask, rows, keys));
    return;
  }
  int32_t starts[MOST], counts[MOST];
  for (int64_t i = 0; i < rows; i++) {
    starts[i] = (int32_t)chance(keys + 1);
    counts[i] = (int32_t)chance(keys - starts[i] + 1);
  }
  if (kind == 2) {
    ok(heed_mask_runs(mask, rows, keys, starts, counts));
    return;
  }
  heed_mask random;
  ok(heed_mask_random(&random, rows, keys, chance(keys + 1), (uint64_t)chance(1000)));
  if (kind == 0) {
    *mask = random;
    return;
  }
  ok(heed_mask_self_loops(mask, &random, HEED_LOOPS_DROP));
  heed_mask_free(&random);
  random = *mask;
  ok(heed_mask_self_loops(mask, &random, HEED_LOOPS_ADD)); /* SELF: edges are known */
  heed_mask_free(&random);
}

START_TEST(sets) {
  int of_runs = 0;
  for (int round = 0; round < 4 * ROUNDS; round++) {
    int64_t n = chance(MOST), keys = round % 2 ? n : chance(MOST);
    int kinds[2] = {(int)chance(4), (int)chance(4)};
    for (int k = 0; k < 2; k++) kinds[k] = kinds[k] == 1 && n != keys ? 0 : kinds[k];
    heed_mask a, b, both, less, not, either;
    random_mask(&a, kinds[0], n, keys);
    random_mask(&b, kinds[1], n, keys);
    ok(heed_mask_intersection(&both, &a, &b));
    ok(heed_mask_difference(&less, &a, &b));
    ok(heed_mask_complement(&not, &a));
    ok(heed_mask_union(&either, &a, &b));
    heed_mask *results[] = {&both, &less, &not, &either};
    for (int r = 0; r < 4; r++) {
      int64_t pairs = 0;
      bool runs = true;
      ok(heed_mask_check(results[r]));
      for (int64_t i = 0; i < n; i++) {
        int64_t parts = 0;
        bool last = false;
        for (int64_t j = 0; j < keys; j++) {
          bool in_a = has(&a, i, j), in_b = has(&b, i, j);
          bool wanted = r == 0 ? in_a && in_b : r == 1 ? in_a && !in_b : r == 2 ? !in_a : in_a || in_b;
          ck_assert_int_eq(has(results[r], i, j), wanted);
          pairs += wanted;
          parts += wanted && !last;
          last = wanted;
        }
        runs = runs && parts <= 1;
      }
      ck_assert_int_eq(results[r]->n_pairs, pairs);
      if (kinds[0] >= 2 && (kinds[1] >= 2 || r == 2) && pairs > 0) {
        ck_assert_int_eq(!stores_pairs(results[r]), runs);
        of_runs += runs;
      }
    }
    /* Edges of pairs stay with them. */
    ck_assert_int_eq(less.edge_ids != NULL, kinds[0] == 1 && a.edge_ids != NULL);
    ck_assert_int_eq(both.edge_ids != NULL, a.edge_ids != NULL || b.edge_ids != NULL);
    for (int64_t i = 0; i < n && both.edge_ids != NULL; i++) {
      for (int64_t p = both.indptr[i]; p < both.indptr[i + 1]; p++) {
        ck_assert_int_eq(both.origins[p],
                         both.indices[p] == i ? HEED_ORIGIN_SELF : HEED_ORIGIN_DERIVED);
      }
    }
    for (int r = 0; r < 4; r++) heed_mask_free(results[r]);
    heed_mask_free(&a);
    heed_mask_free(&b);
  }
  ck_assert_int_gt(of_runs, ROUNDS);
}
END_TEST

/* Counting takes no time for pairs that stay, of which there may be far too many to be written out. */
START_TEST(too_many_pairs_are_counted) {
  int64_t indptr[65];
  int32_t indices[64];
  heed_mask graph, mask, full;
  for (int i = 0; i <= 64; i++) indptr[i] = i;
  for (int i = 0; i < 64; i++) indices[i] = 1000 * i;
  ok(heed_mask_view(&graph, 64, INT32_MAX, indptr, indices));
  ok(heed_mask_full(&full, 64, INT32_MAX));
  heed__alloc_fail_after(2); /* after those for counting */
  heed_status status = heed_mask_difference(&mask, &full, &graph);
  heed__alloc_fail_after(-1);
  ck_assert_int_eq(status, HEED_NOMEM);
  ck_assert_ptr_null(mask.owned);
}
END_TEST

START_TEST(edges_of_both) {
  /* Row 0 has keys 0 and 1 in both; pair (0, 1) stands for edges 4 and 6 in one, 5 and 6 in the other. */
  static const int64_t indptr[] = {0, 2}, a_ptr[] = {0, 1, 3}, b_ptr[] = {0, 1, 3};
  static const int32_t indices[] = {0, 1};
  static const int64_t a_ids[] = {-1, 4, 6}, b_ids[] = {3, 5, 6};
  static const uint8_t a_origins[] = {HEED_ORIGIN_SELF, 0, 1}, b_origins[] = {HEED_ORIGIN_LOOP, 0, 1};
  heed_mask a = {1, 2, 2, indptr, indices, NULL, a_ptr, a_ids, a_origins, NULL};
  heed_mask b = {1, 2, 2, indptr, indices, NULL, b_ptr, b_ids, b_origins, NULL};
  heed_mask both, less, one;
  ok(heed_mask_intersection(&both, &a, &b));
  static const int64_t wanted[] = {3, 4, 5, 6};
  ck_assert_int_eq(both.n_pairs, 2);
  ck_assert_int_eq(both.edge_ptr[1], 1);
  ck_assert_int_eq(both.edge_ptr[2], 4);
  ck_assert(memcmp(both.edge_ids, wanted, sizeof wanted) == 0);
  ok(heed_mask_shift(&one, 1, &(int64_t){1}, &(int64_t){0}));
  heed_mask_free(&one);
  ok(heed_mask_runs(&one, 1, 2, (int32_t[]){0}, (int32_t[]){1}));
  ok(heed_mask_difference(&less, &a, &one));
  ck_assert_int_eq(less.n_pairs, 1);
  ck_assert_int_eq(less.indices[0], 1);
  ck_assert(memcmp(less.edge_ids, a_ids + 1, 2 * sizeof *a_ids) == 0);
  heed_mask_free(&less);
  heed_mask_free(&one);
  heed_mask_free(&both);
}
END_TEST

START_TEST(refusals) {
  heed_mask mask, a, b;
  fails(heed_mask_block(&mask, 5, 0), HEED_RANGE, "block of 0, at least 1");
  fails(heed_mask_block(&mask, -5, 1), HEED_RANGE, "-5");
  fails(heed_mask_causal(&mask, -1), HEED_RANGE, "-1");
  fails(heed_mask_strided(&mask, 5, 0, true), HEED_RANGE, "steps of 0");
  fails(heed_mask_dilated(&mask, 5, -1, 0, 1), HEED_RANGE, "-1");
  fails(heed_mask_global(&mask, 5, -2), HEED_RANGE, "-2");
  fails(heed_mask_bipartite(&mask, 5, -2), HEED_RANGE, "-2");
  fails(heed_mask_random(&mask, 5, 5, -2, 0), HEED_RANGE, "-2");
  fails(heed_mask_random(&mask, 5, (int64_t)INT32_MAX + 1, 2, 0), HEED_RANGE, "2147483648");
  int64_t shape[] = {3, 0, INT64_MAX};
  fails(heed_mask_grid(&mask, 0, shape, 1, HEED_GRID_BOX), HEED_RANGE, "0 axes");
  fails(heed_mask_grid(&mask, 4, shape, 1, HEED_GRID_BOX), HEED_RANGE, "4 axes");
  fails(heed_mask_grid(&mask, 2, shape, 1, HEED_GRID_BOX), HEED_RANGE, "axis 1");
  shape[1] = 3;
  fails(heed_mask_grid(&mask, 3, shape, 1, HEED_GRID_AXES), HEED_RANGE, "axis 2");
  fails(heed_mask_grid(&mask, 2, shape, -1, HEED_GRID_AXES), HEED_RANGE, "-1");
  fails(heed_mask_grid(&mask, 2, shape, 1, (heed_grid)7), HEED_ARGUMENT, "7");
  fails(heed_mask_shift(&mask, 0, shape, shape), HEED_RANGE, "0 axes");
  float x[] = {1, 2};
  heed_matrix features = {x, 2, 1, 1};
  fails(heed_mask_nearest(&mask, &features, -1), HEED_RANGE, "-1");
  ok(heed_mask_full(&a, 3, 3));
  ok(heed_mask_full(&b, 3, 4));
  fails(heed_mask_intersection(&mask, &a, &b), HEED_SHAPE, "3 x 4");
  fails(heed_mask_difference(&mask, &a, &b), HEED_SHAPE, "3 x 4");
  ck_assert_ptr_null(mask.owned);
}
END_TEST

static heed_status make(int which, heed_mask *mask, const heed_mask *a, const heed_mask *b,
                        const heed_matrix *x) {
  static const int64_t shape[] = {12, 11, 10}, offset[] = {1, 0, -1};
  static const int64_t queries[] = {3, 1, 3}, keys[] = {0, 2, 0};
  switch (which) {
    case 0: return heed_mask_causal(mask, 50);
    case 1: return heed_mask_block(mask, 50, 7);
    case 2: return heed_mask_dilated(mask, 5000, 9, 9, 2);
    case 3: return heed_mask_strided(mask, 500, 3, true);
    case 4: return heed_mask_grid(mask, 3, shape, 2, HEED_GRID_BOX);
    case 5: return heed_mask_grid(mask, 3, shape, 20, HEED_GRID_AXES);
    case 6: return heed_mask_shift(mask, 3, shape, offset);
    case 7: return heed_mask_global(mask, 50, 4);
    case 8: return heed_mask_random(mask, 5000, 4000, 3, 1);
    case 9: return heed_mask_random(mask, 1500, 600, 400, 1);
    case 10: return heed_mask_nearest(mask, x, 4);
    case 11: return heed_mask_bipartite(mask, 50, 9);
    case 12: return heed_mask_pairs(mask, 4, 3, 3, queries, keys);
    case 13: return heed_mask_intersection(mask, a, b);
    case 14: return heed_mask_difference(mask, a, b);
    case 15: return heed_mask_complement(mask, a);
    default: return heed_mask_union(mask, a, b);
  }
}

enum { KINDS = 17, NODES = 300 };

static void operands(heed_mask *a, heed_mask *b, heed_matrix *x) {
  static float data[NODES * 3];
  for (int p = 0; p < NODES * 3; p++) data[p] = (float)chance(50);
  *x = heed_matrix_view(data, NODES, 3);
  ok(heed_mask_window(a, 6000, 2, 3));
  ok(heed_mask_dilated(b, 6000, 4, 4, 2));
}

START_TEST(failing_allocations) {
  heed_mask a, b, mask;
  heed_matrix x;
  operands(&a, &b, &x);
  for (int which = 0; which < KINDS; which++) {
    for (int n = 0;; n++) {
      size_t held = heed_memory_held();
      heed__alloc_fail_after(n);
      heed_status status = make(which, &mask, &a, &b, &x);
      heed__alloc_fail_after(-1);
      if (status == HEED_OK) {
        ck_assert_int_gt(n, 0);
        break;
      }
      ck_assert_int_eq(status, HEED_NOMEM);
      ck_assert_ptr_null(mask.owned);
      ck_assert_int_eq(heed_memory_held(), held);
    }
    heed_mask_free(&mask);
  }
  heed_mask_free(&a);
  heed_mask_free(&b);
}
END_TEST

START_TEST(any_number_of_threads) {
  heed_mask a, b, one, many;
  heed_matrix x;
  operands(&a, &b, &x);
  for (int which = 0; which < KINDS; which++) {
    ok(heed_set_threads(1));
    ok(make(which, &one, &a, &b, &x));
    ok(heed_set_threads(5));
    ok(make(which, &many, &a, &b, &x));
    ck_assert_int_eq(one.n_pairs, many.n_pairs);
    size_t rows = (size_t)one.n_queries;
    ck_assert(memcmp(one.indptr, many.indptr, (rows + 1) * sizeof *one.indptr) == 0);
    if (stores_pairs(&one)) {
      ck_assert(memcmp(one.indices, many.indices, (size_t)one.n_pairs * sizeof *one.indices) == 0);
    } else {
      ck_assert(memcmp(one.starts, many.starts, rows * sizeof *one.starts) == 0);
    }
    heed_mask_free(&one);
    heed_mask_free(&many);
  }
  heed_mask_free(&a);
  heed_mask_free(&b);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("formula");
  TCase *c = tcase_create("formula");
  tcase_add_checked_fixture(c, set_up, NULL);
  tcase_set_timeout(c, 120);
  tcase_add_test(c, sequences);
  tcase_add_test(c, numbers_of_any_size);
  tcase_add_test(c, grids);
  tcase_add_test(c, random_keys);
  tcase_add_test(c, random_keys_are_even);
  tcase_add_test(c, nearest);
  tcase_add_test(c, pairs_in_any_order);
  tcase_add_test(c, sets);
  tcase_add_test(c, too_many_pairs_are_counted);
  tcase_add_test(c, edges_of_both);
  tcase_add_test(c, refusals);
  tcase_add_test(c, failing_allocations);
  tcase_add_test(c, any_number_of_threads);
  suite_add_tcase(suite, c);
  return run_suite(suite);
}
