/* Masks in another order, reuse, and rows there and back. */
#include <check.h>
#include <heed/mask.h>
#include <heed/matrix.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "chance.h"
#include "expect.h"
#include "mask/mask.h"

static void set_up(void) { state = 11; }

static int64_t *random_order(int64_t n) {
  int64_t *order = malloc(((size_t)n + 1) * sizeof *order);
  for (int64_t i = 0; i < n; i++) order[i] = i;
  for (int64_t i = n - 1; i > 0; i--) {
    int64_t j = chance(i + 1), t = order[i];
    order[i] = order[j];
    order[j] = t;
  }
  return order;
}

/* edges: -1 nothing is known, 0 one a pair, 1 up to three. Row 0 is full, row 1 empty. */
static void random_mask(heed_mask *mask, int64_t rows, int64_t keys, int64_t percent, int edges) {
  int64_t *indptr, *edge_ptr, *ids, pairs = 0, edge = 0;
  int32_t *indices;
  uint8_t *origins, *on = calloc((size_t)(rows * keys) + 1, 1);
  for (int64_t c = 0; c < rows * keys; c++) {
    on[c] = c < keys || (c >= 2 * keys && chance(100) < percent);
    pairs += on[c];
  }
  ok(heed__mask_new(mask, rows, keys, pairs, edges < 0 ? -1 : edges == 0 ? pairs : 3 * pairs,
                    edges > 0, &indptr, &indices, &edge_ptr, &ids, &origins));
  pairs = 0;
  indptr[0] = 0;
  for (int64_t i = 0; i < rows; i++) {
    for (int64_t j = 0; j < keys; j++) {
      if (!on[i * keys + j]) continue;
      if (edges > 0) edge_ptr[pairs] = edge;
      indices[pairs++] = (int32_t)j;
      for (int64_t k = edges < 0 ? 0 : edges == 0 ? 1 : 1 + chance(3); k > 0; k--) {
        ids[edge] = edge;
        origins[edge++] = (uint8_t)chance(3);
      }
    }
    indptr[i + 1] = pairs;
  }
  if (edges > 0) edge_ptr[pairs] = edge;
  free(on);
  ok(heed_mask_check(mask));
}

/* Row i of `result` must hold the keys of row queries[i], each with its edges. */
static void is_permuted(const heed_mask *result, const heed_mask *mask, const int64_t *queries,
                        const int64_t *keys, const int64_t *pairs) {
  ok(heed_mask_check(result));
  ck_assert_int_eq(result->n_pairs, mask->n_pairs);
  ck_assert_int_eq(result->n_queries, mask->n_queries);
  ck_assert_int_eq(result->n_keys, mask->n_keys);
  ck_assert_int_eq(result->edge_ids == NULL, mask->edge_ids == NULL);
  uint8_t *seen = calloc((size_t)mask->n_pairs + 1, 1);
  for (int64_t i = 0; i < result->n_queries; i++) {
    int64_t row = queries == NULL ? i : queries[i];
    ck_assert_int_eq(result->indptr[i + 1] - result->indptr[i],
                     mask->indptr[row + 1] - mask->indptr[row]);
    for (int64_t p = result->indptr[i]; p < result->indptr[i + 1]; p++) {
      int64_t old = pairs[p], key = result->indices[p];
      ck_assert(old >= mask->indptr[row] && old < mask->indptr[row + 1] && !seen[old]);
      seen[old] = 1;
      ck_assert_int_eq(mask->indices[old], keys == NULL ? key : keys[key]);
      const int64_t *ids, *old_ids;
      const uint8_t *from, *old_from;
      int64_t n, old_n;
      heed_mask_pair_edges(result, p, &ids, &from, &n);
      heed_mask_pair_edges(mask, old, &old_ids, &old_from, &old_n);
      ck_assert_int_eq(n, old_n);
      ck_assert_mem_eq(ids, old_ids, (size_t)n * sizeof *ids);
      ck_assert_mem_eq(from, old_from, (size_t)n);
    }
  }
  free(seen);
}

START_TEST(pairs_move_with_their_numbers_and_edges) {
  /* Above 128 keys rows are merged from several widths of sorted pieces. */
  static const int64_t sizes[][2] = {{2, 1}, {7, 5}, {30, 30}, {60, 17}, {20, 333}};
  for (int s = 0; s < 5; s++) {
    for (int edges = -1; edges < 2; edges++) {
      for (int which = 0; which < 4; which++) {
        heed_mask mask, result, again;
        random_mask(&mask, sizes[s][0], sizes[s][1], 40, edges);
        int64_t *queries = which & 1 ? random_order(mask.n_queries) : NULL;
        int64_t *keys = which & 2 ? random_order(mask.n_keys) : NULL;
        int64_t *pairs = malloc(((size_t)mask.n_pairs + 1) * sizeof *pairs);
        ok(heed_mask_permute(&result, &mask, queries, keys, pairs));
        is_permuted(&result, &mask, queries, keys, pairs);
        ok(heed_mask_permute(&again, &mask, queries, keys, NULL));
        is_permuted(&again, &mask, queries, keys, pairs);
        heed_mask_free(&again);
        heed_mask_free(&result);
        heed_mask_free(&mask);
        free(queries);
        free(keys);
        free(pairs);
      }
    }
  }
}
END_TEST

START_TEST(full_and_empty_masks) {
  heed_mask mask, result;
  const int64_t queries[] = {2, 0, 1}, keys[] = {1, 0}, zeros[4] = {0};
  int64_t pairs[6];
  ok(heed_mask_full(&mask, 3, 2));
  ok(heed_mask_permute(&result, &mask, queries, keys, pairs));
  ck_assert(heed_mask_is_full(&result));
  const int64_t wanted[] = {5, 4, 1, 0, 3, 2};
  ck_assert_mem_eq(pairs, wanted, sizeof wanted);
  heed_mask_free(&result);
  ok(heed_mask_view(&mask, 3, 2, zeros, NULL));
  ok(heed_mask_permute(&result, &mask, queries, keys, NULL));
  ck_assert(!heed_mask_is_full(&result));
  ck_assert_int_eq(result.n_pairs, 0);
  heed_mask_free(&result);
  ok(heed_mask_view(&mask, 0, 0, zeros, NULL));
  ok(heed_mask_permute(&result, &mask, queries, keys, NULL));
  ck_assert_int_eq(result.n_queries, 0);
  heed_mask_free(&result);
}
END_TEST

START_TEST(what_is_no_order_is_refused) {
  heed_mask mask, result;
  static const int64_t bad[][3] = {{0, 1, 1}, {0, 1, 3}, {-1, 0, 1}, {INT64_MAX, 0, 1}};
  size_t held = heed_memory_held();
  ok(heed_mask_full(&mask, 3, 3));
  for (int i = 0; i < 4; i++) {
    heed_status wanted = i == 0 ? HEED_ARGUMENT : HEED_RANGE;
    ck_assert_int_eq(heed_mask_permute(&result, &mask, bad[i], NULL, NULL), wanted);
    ck_assert_ptr_nonnull(strstr(heed_message(), "query"));
    ck_assert_int_eq(heed_mask_permute(&result, &mask, NULL, bad[i], NULL), wanted);
    ck_assert_ptr_nonnull(strstr(heed_message(), "key"));
    ck_assert_ptr_null(result.owned);
  }
  ck_assert_uint_eq(heed_memory_held(), held);
}
END_TEST

START_TEST(reuse_counts_what_a_cache_would_hold) {
  static const int64_t indptr[] = {0, 2, 4, 5};
  static const int32_t indices[] = {0, 1, 1, 2, 0};
  static const int64_t order[] = {0, 2, 1};
  heed_mask mask;
  double share;
  ok(heed_mask_view(&mask, 3, 3, indptr, indices));
  ok(heed_mask_reuse(&mask, NULL, 1, &share)); /* 0 1 1 2 0: the second 1 */
  ck_assert_double_eq_tol(share, 0.2, 1e-12);
  ok(heed_mask_reuse(&mask, NULL, 4, &share)); /* the second 0 too */
  ck_assert_double_eq_tol(share, 0.4, 1e-12);
  ok(heed_mask_reuse(&mask, order, 1, &share)); /* 0 1 0 1 2 */
  ck_assert_double_eq_tol(share, 0, 1e-12);
  ok(heed_mask_reuse(&mask, order, 2, &share));
  ck_assert_double_eq_tol(share, 0.4, 1e-12);
  ck_assert_int_eq(heed_mask_reuse(&mask, NULL, 0, &share), HEED_ARGUMENT);
  ok(heed_mask_full(&mask, 4, 3));
  ok(heed_mask_reuse(&mask, NULL, 3, &share));
  ck_assert_double_eq_tol(share, 0.75, 1e-12);
  ok(heed_mask_reuse(&mask, NULL, 2, &share));
  ck_assert_double_eq_tol(share, 0, 1e-12);
  ok(heed_mask_full(&mask, 0, 3));
  ok(heed_mask_reuse(&mask, NULL, 2, &share));
  ck_assert_double_eq_tol(share, 0, 1e-12);
}
END_TEST

START_TEST(rows_go_there_and_back) {
  static const size_t sizes[] = {1, 3, 4, 8, 20, 32, 300};
  enum { N = 700 };
  int64_t *order = random_order(N);
  for (int s = 0; s < 7; s++) {
    size_t size = sizes[s];
    uint8_t *from = malloc(N * size), *to = malloc(N * size), *back = malloc(N * size);
    for (size_t b = 0; b < N * size; b++) from[b] = (uint8_t)chance(256);
    heed_rows_gather(to, from, order, N, size);
    for (int64_t i = 0; i < N; i++) {
      ck_assert_mem_eq(to + (size_t)i * size, from + (size_t)order[i] * size, size);
    }
    heed_rows_scatter(back, to, order, N, size);
    ck_assert_mem_eq(back, from, N * size);
    free(from);
    free(to);
    free(back);
  }
  free(order);
}
END_TEST

START_TEST(sparse_rows_move) {
  static const int64_t indptr[] = {0, 2, 2, 5}, order[] = {2, 0, 1};
  static const int32_t indices[] = {1, 3, 0, 1, 2};
  static const float values[] = {1, 2, 3, 4, 5};
  int64_t to[4];
  int32_t to_indices[5];
  float to_values[5] = {0};
  heed_csr x = {.rows = 3, .cols = 4, .indptr = indptr, .indices = indices, .values = values};
  static const int64_t wanted[] = {0, 3, 5, 5};
  static const int32_t wanted_indices[] = {0, 1, 2, 1, 3};
  static const float wanted_values[] = {3, 4, 5, 1, 2};
  heed_csr_gather(&x, order, to, to_indices, to_values);
  ck_assert_mem_eq(to, wanted, sizeof to);
  ck_assert_mem_eq(to_indices, wanted_indices, sizeof to_indices);
  ck_assert_mem_eq(to_values, wanted_values, sizeof to_values);
  x.values = NULL;
  heed_csr_gather(&x, order, to, to_indices, NULL);
  ck_assert_mem_eq(to_indices, wanted_indices, sizeof to_indices);
}
END_TEST

START_TEST(threads_do_not_matter) {
  heed_mask mask, one, two;
  random_mask(&mask, 150, 170, 50, 0); /* enough pairs for more than one thread */
  int64_t *queries = random_order(150), *keys = random_order(170);
  ok(heed_set_threads(1));
  ok(heed_mask_permute(&one, &mask, queries, keys, NULL));
  ok(heed_set_threads(3));
  ok(heed_mask_permute(&two, &mask, queries, keys, NULL));
  ck_assert_mem_eq(one.indices, two.indices, (size_t)mask.n_pairs * sizeof *one.indices);
  ck_assert_mem_eq(one.edge_ids, two.edge_ids, (size_t)mask.n_pairs * sizeof *one.edge_ids);
  heed_mask_free(&one);
  heed_mask_free(&two);
  heed_mask_free(&mask);
  free(queries);
  free(keys);
}
END_TEST

START_TEST(failed_allocations_leave_nothing) {
  heed_mask mask, result;
  random_mask(&mask, 12, 12, 30, 1);
  int64_t *order = random_order(12);
  size_t held = heed_memory_held();
  heed_status status = HEED_NOMEM;
  long n = 0;
  for (; status != HEED_OK; n++) {
    heed__alloc_fail_after(n);
    status = heed_mask_permute(&result, &mask, order, order, NULL);
    heed__alloc_fail_after(-1);
    if (status == HEED_OK) heed_mask_free(&result);
    else ck_assert_int_eq(status, HEED_NOMEM);
    ck_assert_uint_eq(heed_memory_held(), held);
  }
  ck_assert_int_gt(n, 2);
  double share;
  heed__alloc_fail_after(0);
  ck_assert_int_eq(heed_mask_reuse(&mask, NULL, 5, &share), HEED_NOMEM);
  heed__alloc_fail_after(-1);
  ck_assert_uint_eq(heed_memory_held(), held);
  heed_mask_free(&mask);
  free(order);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("permute");
  TCase *tests = tcase_create("permute");
  tcase_set_timeout(tests, 120);
  tcase_add_checked_fixture(tests, set_up, NULL);
  tcase_add_test(tests, pairs_move_with_their_numbers_and_edges);
  tcase_add_test(tests, full_and_empty_masks);
  tcase_add_test(tests, what_is_no_order_is_refused);
  tcase_add_test(tests, reuse_counts_what_a_cache_would_hold);
  tcase_add_test(tests, rows_go_there_and_back);
  tcase_add_test(tests, sparse_rows_move);
  tcase_add_test(tests, threads_do_not_matter);
  tcase_add_test(tests, failed_allocations_leave_nothing);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
