/* Masks of runs: what the constructors promise, and the algebra against the same mask as pairs. */
#include <check.h>
#include <heed/mask.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "chance.h"
#include "expect.h"

enum { MOST = 40, ROUNDS = 200 };

static void set_up(void) { state = 5; }

static void is_runs(const heed_mask *mask) {
  ok(heed_mask_check(mask));
  ck_assert_ptr_nonnull(mask->starts);
  ck_assert_ptr_null(mask->indices);
  ck_assert(!heed_mask_is_full(mask));
}

/* Row i sees [starts[i], starts[i] + counts[i]). */
static void has_runs(const heed_mask *mask, int64_t rows, int64_t keys, const int32_t *starts,
                     const int32_t *counts) {
  int64_t pairs = 0;
  is_runs(mask);
  ck_assert_int_eq(mask->n_queries, rows);
  ck_assert_int_eq(mask->n_keys, keys);
  for (int64_t i = 0; i < rows; i++) {
    ck_assert_int_eq(mask->indptr[i], pairs);
    pairs += counts[i];
    if (counts[i] > 0) ck_assert_int_eq(mask->starts[i], starts[i]);
  }
  ck_assert_int_eq(mask->indptr[rows], pairs);
  ck_assert_int_eq(mask->n_pairs, pairs);
}

static void same(const heed_mask *a, const heed_mask *b) {
  ok(heed_mask_check(a));
  ck_assert_int_eq(a->n_queries, b->n_queries);
  ck_assert_int_eq(a->n_keys, b->n_keys);
  ck_assert_int_eq(a->n_pairs, b->n_pairs);
  heed_mask x, y;
  ok(heed_mask_explicit(&x, a));
  ok(heed_mask_explicit(&y, b));
  ok(heed_mask_check(&x));
  for (int64_t i = 0; i <= x.n_queries; i++) ck_assert_int_eq(x.indptr[i], y.indptr[i]);
  for (int64_t p = 0; p < x.n_pairs; p++) ck_assert_int_eq(x.indices[p], y.indices[p]);
  ck_assert_int_eq(x.edge_ids != NULL, y.edge_ids != NULL);
  if (x.edge_ids != NULL && x.edge_ptr == NULL) {
    ck_assert(memcmp(x.origins, y.origins, (size_t)x.n_pairs) == 0);
  }
  heed_mask_free(&x);
  heed_mask_free(&y);
}

/* kind 0: any runs; 1: blocks; 2: a window; 3: runs whose starts and ends do not fall, some empty. */
static void random_runs(heed_mask *mask, int kind, bool square) {
  int64_t rows = chance(MOST), keys = square || kind == 2 ? rows : chance(MOST);
  if (kind == 1) {
    int64_t queries[MOST + 1] = {0}, ends[MOST + 1] = {0}, blocks = chance(8);
    for (int64_t b = 0; b < blocks; b++) {
      int64_t n = chance(6);
      queries[b + 1] = queries[b] + n;
      ends[b + 1] = ends[b] + (square ? n : chance(6));
    }
    ok(heed_mask_blocks(mask, blocks, queries, ends));
    return;
  }
  if (kind == 2) {
    ok(heed_mask_window(mask, rows, chance(MOST), chance(MOST)));
    return;
  }
  int32_t starts[MOST + 1], counts[MOST + 1];
  int64_t start = 0, end = 0;
  for (int64_t i = 0; i < rows; i++) {
    if (kind == 0) {
      starts[i] = (int32_t)chance(keys + 1);
      counts[i] = (int32_t)chance(keys - starts[i] + 1);
      continue;
    }
    if (keys > 0 && chance(3) > 0) start += chance(3);
    if (start > keys) start = keys;
    if (end < start) end = start;
    end += chance(4);
    if (end > keys) end = keys;
    starts[i] = (int32_t)start;
    counts[i] = (int32_t)(chance(8) == 0 ? 0 : end - start);
  }
  ok(heed_mask_runs(mask, rows, keys, starts, counts));
  has_runs(mask, rows, keys, starts, counts);
}

START_TEST(blocks_are_blocks) {
  for (int round = 0; round < ROUNDS; round++) {
    int64_t queries[10] = {0}, keys[10] = {0}, blocks = chance(9);
    for (int64_t b = 0; b < blocks; b++) {
      queries[b + 1] = queries[b] + chance(5);
      keys[b + 1] = keys[b] + chance(5);
    }
    heed_mask mask;
    ok(heed_mask_blocks(&mask, blocks, queries, keys));
    int32_t starts[MOST] = {0}, counts[MOST] = {0};
    for (int64_t b = 0; b < blocks; b++) {
      for (int64_t i = queries[b]; i < queries[b + 1]; i++) {
        starts[i] = (int32_t)keys[b];
        counts[i] = (int32_t)(keys[b + 1] - keys[b]);
      }
    }
    has_runs(&mask, queries[blocks], keys[blocks], starts, counts);
    heed_mask_free(&mask);
  }
}
END_TEST

START_TEST(windows_are_windows) {
  for (int round = 0; round < ROUNDS; round++) {
    int64_t n = chance(MOST), left = chance(MOST), right = chance(MOST);
    if (chance(8) == 0) left = INT64_MAX;
    if (chance(8) == 0) right = INT64_MAX;
    heed_mask mask;
    ok(heed_mask_window(&mask, n, left, right));
    int32_t starts[MOST], counts[MOST];
    for (int64_t i = 0; i < n; i++) {
      counts[i] = 0;
      for (int64_t j = n - 1; j >= 0; j--) {
        if ((j < i && i - j > left) || (j > i && j - i > right)) continue;
        starts[i] = (int32_t)j;
        counts[i]++;
      }
    }
    has_runs(&mask, n, n, starts, counts);
    heed_mask_free(&mask);
  }
}
END_TEST

START_TEST(windows_end_with_their_block) {
  for (int round = 0; round < ROUNDS; round++) {
    int64_t ptr[10] = {0}, blocks = chance(9), left = chance(5), right = chance(5);
    if (chance(8) == 0) left = INT64_MAX;
    if (chance(8) == 0) right = INT64_MAX;
    for (int64_t b = 0; b < blocks; b++) ptr[b + 1] = ptr[b] + chance(5);
    heed_mask mask;
    ok(heed_mask_window_blocks(&mask, blocks, ptr, left, right));
    int32_t starts[MOST] = {0}, counts[MOST] = {0};
    for (int64_t b = 0; b < blocks; b++) {
      for (int64_t i = ptr[b]; i < ptr[b + 1]; i++) {
        for (int64_t j = ptr[b + 1] - 1; j >= ptr[b]; j--) {
          if ((j < i && i - j > left) || (j > i && j - i > right)) continue;
          starts[i] = (int32_t)j;
          counts[i]++;
        }
      }
    }
    has_runs(&mask, ptr[blocks], ptr[blocks], starts, counts);
    heed_mask_free(&mask);
  }
}
END_TEST

START_TEST(explicit_lists_the_pairs) {
  for (int round = 0; round < ROUNDS; round++) {
    heed_mask mask, all;
    random_runs(&mask, round % 4, false);
    ok(heed_mask_explicit(&all, &mask));
    ok(heed_mask_check(&all));
    ck_assert_ptr_null(all.starts);
    for (int64_t i = 0; i < mask.n_queries; i++) {
      ck_assert_int_eq(all.indptr[i + 1], mask.indptr[i + 1]);
      for (int64_t p = all.indptr[i]; p < all.indptr[i + 1]; p++) {
        ck_assert_int_eq(all.indices[p], mask.starts[i] + p - all.indptr[i]);
      }
    }
    heed_mask_free(&mask);
    heed_mask_free(&all);
  }
}
END_TEST

START_TEST(transposes_are_runs_where_they_can) {
  int of_runs = 0;
  for (int round = 0; round < 4 * ROUNDS; round++) {
    heed_mask mask, all, transposed, expected;
    random_runs(&mask, round % 4, false);
    ok(heed_mask_explicit(&all, &mask));
    int64_t n = mask.n_pairs;
    int64_t *pairs = malloc(((size_t)n + 1) * sizeof *pairs);
    int64_t *wanted = malloc(((size_t)n + 1) * sizeof *wanted);
    ok(heed_mask_transpose(&transposed, &mask, pairs));
    ok(heed_mask_transpose(&expected, &all, wanted));
    same(&transposed, &expected);
    for (int64_t p = 0; p < n; p++) ck_assert_int_eq(pairs[p], wanted[p]);
    bool runs = true;
    for (int64_t j = 0; j < expected.n_queries; j++) {
      int64_t first = expected.indptr[j], last = expected.indptr[j + 1] - 1;
      if (last >= first) {
        runs = runs && expected.indices[last] - expected.indices[first] == last - first;
      }
    }
    /* Runs either way is more than what is promised only where starts or ends fall. */
    if (round % 4 != 0) ck_assert_int_eq(transposed.starts != NULL, runs);
    if (transposed.starts != NULL) {
      ck_assert(runs);
      is_runs(&transposed);
      of_runs++;
    }
    heed_mask_free(&transposed);
    ok(heed_mask_transpose(&transposed, &mask, NULL));
    same(&transposed, &expected);
    free(pairs);
    free(wanted);
    heed_mask_free(&mask);
    heed_mask_free(&all);
    heed_mask_free(&transposed);
    heed_mask_free(&expected);
  }
  ck_assert_int_gt(of_runs, ROUNDS);
}
END_TEST

START_TEST(algebra_is_that_of_the_pairs) {
  for (int round = 0; round < 2 * ROUNDS; round++) {
    heed_mask mask, all, result, expected;
    random_runs(&mask, round % 4, true);
    ok(heed_mask_explicit(&all, &mask));
    for (int loops = 0; loops < 3; loops++) {
      ok(heed_mask_self_loops(&result, &mask, (heed_loops)loops));
      ok(heed_mask_self_loops(&expected, &all, (heed_loops)loops));
      if (loops == HEED_LOOPS_KEEP) is_runs(&result);
      same(&result, &expected);
      heed_mask_free(&result);
      /* With runs on one side, with them on both. */
      heed_mask of_runs;
      ok(heed_mask_union(&of_runs, &mask, &expected));
      ok(heed_mask_union(&result, &all, &expected));
      same(&of_runs, &result);
      heed_mask_free(&of_runs);
      heed_mask_free(&result);
      heed_mask_free(&expected);
    }
    ok(heed_mask_union(&result, &mask, &mask));
    same(&result, &mask);
    heed_mask_free(&result);
    for (int k = 1; k < 4; k++) {
      ok(heed_mask_khop(&result, &mask, k));
      ok(heed_mask_khop(&expected, &all, k));
      same(&result, &expected);
      heed_mask_free(&result);
      heed_mask_free(&expected);
    }
    heed_mask_stats a, b;
    ok(heed_mask_statistics(&mask, &a));
    ok(heed_mask_statistics(&all, &b));
    ck_assert_int_eq(a.pairs, b.pairs);
    ck_assert_int_eq(a.empty_rows, b.empty_rows);
    ck_assert_int_eq(a.self_pairs, b.self_pairs);
    ck_assert_int_eq(a.min_degree, b.min_degree);
    ck_assert_int_eq(a.max_degree, b.max_degree);
    ck_assert(a.median_degree == b.median_degree && a.mean_degree == b.mean_degree);
    ck_assert(a.density == b.density);
    double share, wanted;
    int64_t window = 1 + chance(20);
    ok(heed_mask_reuse(&mask, NULL, window, &share));
    ok(heed_mask_reuse(&all, NULL, window, &wanted));
    ck_assert(share == wanted);
    heed_mask_free(&mask);
    heed_mask_free(&all);
  }
}
END_TEST

static void random_order(int64_t *order, int64_t n) {
  for (int64_t i = 0; i < n; i++) order[i] = i;
  for (int64_t i = n - 1; i > 0; i--) {
    int64_t j = chance(i + 1), t = order[i];
    order[i] = order[j];
    order[j] = t;
  }
}

START_TEST(other_orders) {
  for (int round = 0; round < 2 * ROUNDS; round++) {
    heed_mask mask, all, result, expected;
    int64_t queries[4 * MOST], keys[4 * MOST];
    random_runs(&mask, round % 4, false);
    ok(heed_mask_explicit(&all, &mask));
    random_order(queries, mask.n_queries);
    random_order(keys, mask.n_keys);
    int64_t *pairs = malloc(((size_t)mask.n_pairs + 1) * sizeof *pairs);
    int64_t *wanted = malloc(((size_t)mask.n_pairs + 1) * sizeof *wanted);
    for (int what = 0; what < 4; what++) {
      const int64_t *by_query = what & 1 ? queries : NULL, *by_key = what & 2 ? keys : NULL;
      ok(heed_mask_permute(&result, &mask, by_query, by_key, pairs));
      ok(heed_mask_permute(&expected, &all, by_query, by_key, wanted));
      same(&result, &expected);
      if (by_key == NULL) is_runs(&result);
      for (int64_t p = 0; p < mask.n_pairs; p++) ck_assert_int_eq(pairs[p], wanted[p]);
      heed_mask_free(&result);
      ok(heed_mask_permute(&result, &mask, by_query, by_key, NULL));
      same(&result, &expected);
      heed_mask_free(&result);
      heed_mask_free(&expected);
    }
    free(pairs);
    free(wanted);
    heed_mask_free(&mask);
    heed_mask_free(&all);
  }
}
END_TEST

static void refused(heed_status status, heed_status wanted, const heed_mask *mask) {
  ck_assert_msg(status == wanted, "%s: %s", heed_status_name(status), heed_message());
  ck_assert_ptr_null(mask->owned);
  ck_assert_ptr_null(mask->indptr);
}

START_TEST(bad_runs_are_refused) {
  heed_mask mask;
  size_t held = heed_memory_held();
  static const int32_t bad[][2] = {{-1, 1}, {0, -1}, {0, 4}, {3, 1}, {4, 0}, {INT32_MAX, INT32_MAX},
                                   {INT32_MIN, 0}, {1, INT32_MAX}};
  for (size_t b = 0; b < sizeof bad / sizeof *bad; b++) {
    int32_t starts[2] = {0, bad[b][0]}, counts[2] = {3, bad[b][1]};
    refused(heed_mask_runs(&mask, 2, 3, starts, counts), HEED_RANGE, &mask);
    ck_assert_ptr_nonnull(strstr(heed_message(), "row 1"));
  }
  static const int32_t zero[1] = {0};
  refused(heed_mask_runs(&mask, 1, 1, NULL, zero), HEED_ARGUMENT, &mask);
  refused(heed_mask_runs(&mask, 1, 1, zero, NULL), HEED_ARGUMENT, &mask);
  refused(heed_mask_runs(&mask, -1, 1, zero, zero), HEED_RANGE, &mask);
  refused(heed_mask_runs(&mask, 1, -1, zero, zero), HEED_RANGE, &mask);
  refused(heed_mask_runs(&mask, 1, (int64_t)INT32_MAX + 1, zero, zero), HEED_RANGE, &mask);
  ok(heed_mask_runs(&mask, 0, 3, NULL, NULL));
  is_runs(&mask);
  heed_mask_free(&mask);
  static const int64_t good[] = {0, 2, 4}, late[] = {1, 2, 4}, falls[] = {0, 2, 1},
                       keys[] = {0, 1, (int64_t)INT32_MAX + 1}, huge[] = {0, INT64_MAX, INT64_MAX},
                       few[] = {0, INT32_MAX, INT32_MAX};
  refused(heed_mask_blocks(&mask, -1, good, good), HEED_RANGE, &mask);
  refused(heed_mask_blocks(&mask, 2, NULL, good), HEED_ARGUMENT, &mask);
  refused(heed_mask_blocks(&mask, 2, good, NULL), HEED_ARGUMENT, &mask);
  refused(heed_mask_blocks(&mask, 2, late, good), HEED_ARGUMENT, &mask);
  refused(heed_mask_blocks(&mask, 2, good, late), HEED_ARGUMENT, &mask);
  refused(heed_mask_blocks(&mask, 2, falls, good), HEED_RANGE, &mask);
  refused(heed_mask_blocks(&mask, 2, good, falls), HEED_RANGE, &mask);
  refused(heed_mask_blocks(&mask, 2, good, keys), HEED_RANGE, &mask);
  refused(heed_mask_blocks(&mask, 2, huge, few), HEED_OVERFLOW, &mask);
  refused(heed_mask_window(&mask, -1, 0, 0), HEED_RANGE, &mask);
  refused(heed_mask_window(&mask, 3, -1, 0), HEED_RANGE, &mask);
  refused(heed_mask_window(&mask, 3, 0, -1), HEED_RANGE, &mask);
  refused(heed_mask_window(&mask, (int64_t)INT32_MAX + 1, 0, 0), HEED_RANGE, &mask);
  refused(heed_mask_window_blocks(&mask, -1, good, 0, 0), HEED_RANGE, &mask);
  refused(heed_mask_window_blocks(&mask, 2, NULL, 0, 0), HEED_ARGUMENT, &mask);
  refused(heed_mask_window_blocks(&mask, 2, late, 0, 0), HEED_ARGUMENT, &mask);
  refused(heed_mask_window_blocks(&mask, 2, falls, 0, 0), HEED_RANGE, &mask);
  refused(heed_mask_window_blocks(&mask, 2, good, -1, 0), HEED_RANGE, &mask);
  refused(heed_mask_window_blocks(&mask, 2, good, 0, -1), HEED_RANGE, &mask);
  ck_assert_uint_eq(heed_memory_held(), held);
}
END_TEST

START_TEST(check_sees_bad_runs) {
  static const int64_t indptr[] = {0, 2, 2, 3};
  static const int32_t indices[] = {0, 1, 2};
  int32_t starts[] = {1, 3, 0};
  int64_t ids[] = {-1, -1, -1};
  uint8_t origins[] = {4, 4, 4};
  heed_mask mask = {
      .n_queries = 3, .n_keys = 3, .n_pairs = 3, .indptr = indptr, .starts = starts};
  ok(heed_mask_check(&mask));
  static const int32_t bad[3] = {2, 4, 3};
  for (int i = 0; i < 3; i++) {
    int32_t was = starts[i];
    starts[i] = bad[i];
    ck_assert_int_eq(heed_mask_check(&mask), HEED_RANGE);
    starts[i] = -1;
    ck_assert_int_eq(heed_mask_check(&mask), HEED_RANGE);
    starts[i] = was;
  }
  mask.indices = indices;
  ck_assert_int_eq(heed_mask_check(&mask), HEED_ARGUMENT);
  mask.indices = NULL;
  mask.edge_ids = ids;
  mask.origins = origins;
  ck_assert_int_eq(heed_mask_check(&mask), HEED_ARGUMENT);
  mask.edge_ids = NULL;
  mask.origins = NULL;
  mask.n_pairs = 2;
  ck_assert_int_eq(heed_mask_check(&mask), HEED_SHAPE);
  mask.n_pairs = 9;
  mask.indptr = NULL;
  ck_assert_int_eq(heed_mask_check(&mask), HEED_ARGUMENT);
}
END_TEST

static heed_status run(int what, heed_mask *result, const heed_mask *mask, const heed_mask *falls,
                       const int64_t *order) {
  static const int64_t blocks[] = {0, 2, 5};
  static const int32_t starts[] = {0, 1}, counts[] = {2, 1};
  heed_mask_stats stats;
  double share;
  *result = (heed_mask){0};
  switch (what) {
    case 0: return heed_mask_runs(result, 2, 2, starts, counts);
    case 1: return heed_mask_blocks(result, 2, blocks, blocks);
    case 2: return heed_mask_window(result, 9, 2, 3);
    case 3: return heed_mask_explicit(result, mask);
    case 4: return heed_mask_transpose(result, mask, NULL);
    case 5: return heed_mask_transpose(result, falls, NULL);
    case 6: return heed_mask_union(result, mask, falls);
    case 7: return heed_mask_self_loops(result, mask, HEED_LOOPS_KEEP);
    case 8: return heed_mask_self_loops(result, falls, HEED_LOOPS_ADD);
    case 9: return heed_mask_self_loops(result, mask, HEED_LOOPS_DROP);
    case 10: return heed_mask_khop(result, mask, 2);
    case 11: return heed_mask_permute(result, mask, order, NULL, NULL);
    case 12: return heed_mask_permute(result, mask, order, order, NULL);
    case 13: return heed_mask_reuse(mask, NULL, 3, &share);
    default: return heed_mask_statistics(mask, &stats);
  }
}

START_TEST(failed_allocations_leave_nothing) {
  heed_mask mask, falls, result;
  static const int32_t starts[] = {3, 0, 0, 1, 0}, counts[] = {2, 1, 5, 1, 0};
  static const int64_t order[] = {3, 1, 2, 0, 4};
  ok(heed_mask_window(&mask, 5, 1, 0));
  ok(heed_mask_runs(&falls, 5, 5, starts, counts));
  size_t held = heed_memory_held();
  for (int what = 0; what <= 14; what++) {
    long n = 0;
    for (;; n++) {
      ck_assert_int_lt(n, 100);
      heed__alloc_fail_after(n);
      heed_status status = run(what, &result, &mask, &falls, order);
      heed__alloc_fail_after(-1);
      if (status == HEED_OK) break;
      ck_assert_int_eq(status, HEED_NOMEM);
      ck_assert_ptr_null(result.owned);
      ck_assert_uint_eq(heed_memory_held(), held);
    }
    ck_assert_int_gt(n, 0);
    heed_mask_free(&result);
    ck_assert_uint_eq(heed_memory_held(), held);
  }
  heed_mask_free(&mask);
  heed_mask_free(&falls);
  ck_assert_uint_eq(heed_memory_held(), 0);
}
END_TEST

START_TEST(memory_grows_with_queries_alone) {
  enum { NODES = 1 << 15 };
  heed_mask mask;
  size_t held = heed_memory_held();
  ok(heed_mask_window(&mask, NODES, NODES, NODES));
  ck_assert_int_eq(mask.n_pairs, (int64_t)NODES * NODES);
  ck_assert_uint_lt(heed_memory_held() - held, 16 * NODES);
  heed_mask transposed;
  ok(heed_mask_transpose(&transposed, &mask, NULL));
  is_runs(&transposed);
  heed_mask_free(&transposed);
  heed_mask_free(&mask);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("runs");
  TCase *tests = tcase_create("runs");
  tcase_set_timeout(tests, 120);
  tcase_add_checked_fixture(tests, set_up, NULL);
  tcase_add_test(tests, blocks_are_blocks);
  tcase_add_test(tests, windows_are_windows);
  tcase_add_test(tests, windows_end_with_their_block);
  tcase_add_test(tests, explicit_lists_the_pairs);
  tcase_add_test(tests, transposes_are_runs_where_they_can);
  tcase_add_test(tests, algebra_is_that_of_the_pairs);
  tcase_add_test(tests, other_orders);
  tcase_add_test(tests, bad_runs_are_refused);
  tcase_add_test(tests, check_sees_bad_runs);
  tcase_add_test(tests, failed_allocations_leave_nothing);
  tcase_add_test(tests, memory_grows_with_queries_alone);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
