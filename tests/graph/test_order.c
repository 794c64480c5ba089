/* Orders of nodes: that they are orders, and that they bring together what belongs together. */
#include <check.h>
#include <heed.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "chance.h"
#include "expect.h"

static void set_up(void) { state = 5; }

/* The orders that this build has. */
static int orders(heed_order *list) {
  int n = 0;
  for (int o = HEED_ORDER_NONE; o < HEED_ORDER_AUTO; o++) {
    if (o != HEED_ORDER_METIS || heed_order_has_metis()) list[n++] = (heed_order)o;
  }
  return n;
}

/* The mask of edges from n nodes whose numbers are shuffled, if asked for. */
static void mask_of(heed_mask *mask, int64_t n, const int64_t *edges, int64_t n_edges, bool directed,
                    bool shuffle, heed_loops loops) {
  igraph_t graph;
  int64_t *names = malloc(((size_t)n + 1) * sizeof *names);
  int64_t *ends = malloc(((size_t)n_edges * 2 + 1) * sizeof *ends);
  for (int64_t i = 0; i < n; i++) names[i] = i;
  for (int64_t i = n - 1; shuffle && i > 0; i--) {
    int64_t j = chance(i + 1), t = names[i];
    names[i] = names[j];
    names[j] = t;
  }
  for (int64_t e = 0; e < 2 * n_edges; e++) ends[e] = names[edges[e]];
  ok(heed_graph_from_edges(&graph, n, ends, n_edges, directed));
  ok(heed_mask_from_graph(mask, &graph, HEED_DIRECTION_IN, loops));
  heed_graph_destroy(&graph);
  free(names);
  free(ends);
}

static void grid_mask(heed_mask *mask, int64_t side, int64_t other) {
  int64_t *edges = malloc((size_t)(4 * side * other + 1) * sizeof *edges), n = 0;
  for (int64_t i = 0; i < side * other; i++) {
    if (i % side < side - 1) edges[2 * n] = i, edges[2 * n++ + 1] = i + 1;
    if (i + side < side * other) edges[2 * n] = i, edges[2 * n++ + 1] = i + side;
  }
  mask_of(mask, side * other, edges, n, false, true, HEED_LOOPS_ADD);
  free(edges);
}

static void random_mask(heed_mask *mask, int64_t n, int64_t n_edges, bool directed) {
  int64_t *edges = malloc((size_t)(2 * n_edges + 1) * sizeof *edges);
  for (int64_t e = 0; e < 2 * n_edges; e++) edges[e] = chance(n); /* loops and doubles among them */
  mask_of(mask, n, edges, n_edges, directed, false, HEED_LOOPS_KEEP);
  free(edges);
}

/* Blocks of 50 with shuffled nodes, most edges within. */
static void block_mask(heed_mask *mask, int64_t n, int64_t n_edges) {
  int64_t *edges = malloc((size_t)(2 * n_edges) * sizeof *edges);
  for (int64_t e = 0; e < n_edges; e++) {
    int64_t i = chance(n);
    edges[2 * e] = i;
    edges[2 * e + 1] = chance(20) == 0 ? chance(n) : i / 50 * 50 + chance(50);
  }
  mask_of(mask, n, edges, n_edges, false, true, HEED_LOOPS_KEEP);
  free(edges);
}

static void is_order(const heed_mask *mask, heed_order order, const int64_t *nodes) {
  int64_t n = mask->n_queries;
  uint8_t *seen = calloc((size_t)n + 1, 1);
  for (int64_t i = 0; i < n; i++) {
    ck_assert_msg(nodes[i] >= 0 && nodes[i] < n && !seen[nodes[i]], "%s: place %lld has node %lld",
                  heed_order_name(order), (long long)i, (long long)nodes[i]);
    seen[nodes[i]] = 1;
  }
  free(seen);
}

static int64_t bandwidth(const heed_mask *mask, const int64_t *nodes) {
  heed_mask ordered;
  int64_t most = 0;
  ok(heed_mask_permute(&ordered, mask, nodes, nodes, NULL));
  for (int64_t i = 0; i < ordered.n_queries; i++) {
    for (int64_t p = ordered.indptr[i]; p < ordered.indptr[i + 1]; p++) {
      int64_t gap = llabs(ordered.indices[p] - i);
      if (gap > most) most = gap;
    }
  }
  heed_mask_free(&ordered);
  return most;
}

/* Pairs of which one is in either half. */
static int64_t across_the_middle(const heed_mask *mask, const int64_t *nodes) {
  int64_t n = mask->n_queries, pairs = 0;
  uint8_t *second = calloc((size_t)n, 1);
  for (int64_t i = n / 2; i < n; i++) second[nodes[i]] = 1;
  for (int64_t i = 0; i < n; i++) {
    for (int64_t p = mask->indptr[i]; p < mask->indptr[i + 1]; p++) {
      pairs += second[i] != second[mask->indices[p]];
    }
  }
  free(second);
  return pairs;
}

static void each_is_an_order(heed_mask *mask) {
  heed_order list[8];
  int n = orders(list);
  size_t size = ((size_t)mask->n_queries + 1) * sizeof(int64_t);
  int64_t *nodes = malloc(size), *again = malloc(size);
  for (int o = 0; o < n; o++) {
    memset(nodes, 0xff, size);
    memset(again, 0xff, size);
    ok(heed_mask_order(mask, list[o], nodes));
    is_order(mask, list[o], nodes);
    ok(heed_mask_order(mask, list[o], again));
    ck_assert_mem_eq(nodes, again, size);
  }
  free(nodes);
  free(again);
  heed_mask_free(mask);
}

START_TEST(every_order_has_each_node_once) {
  heed_mask mask;
  static const int64_t loops[] = {0, 0, 1, 1}, two[] = {0, 1, 3, 4};
  static const int64_t zeros[8] = {0};
  for (int64_t n = 1; n < 200; n += 19) {
    for (int density = 0; density < 3; density++) {
      random_mask(&mask, n, n * density, density == 1);
      each_is_an_order(&mask);
    }
  }
  mask_of(&mask, 3, loops, 2, false, false, HEED_LOOPS_KEEP);
  each_is_an_order(&mask);
  mask_of(&mask, 7, two, 2, true, false, HEED_LOOPS_ADD); /* components, and nodes alone */
  each_is_an_order(&mask);
  ok(heed_mask_view(&mask, 7, 7, zeros, NULL));
  each_is_an_order(&mask);
  ok(heed_mask_view(&mask, 0, 0, zeros, NULL));
  each_is_an_order(&mask);
  ok(heed_mask_full(&mask, 9, 9));
  each_is_an_order(&mask);
  random_mask(&mask, 5000, 20000, true); /* more than one of METIS's parts */
  each_is_an_order(&mask);
}
END_TEST

START_TEST(stars_and_deep_trees) {
  enum { N = 3000 };
  int64_t edges[2 * N];
  heed_mask mask;
  for (int64_t i = 0; i < N - 1; i++) edges[2 * i] = 0, edges[2 * i + 1] = i + 1;
  mask_of(&mask, N, edges, N - 1, false, true, HEED_LOOPS_KEEP);
  each_is_an_order(&mask);
  for (int64_t i = 0; i < N - 1; i++) edges[2 * i] = i, edges[2 * i + 1] = i + 1;
  mask_of(&mask, N, edges, N - 1, false, false, HEED_LOOPS_KEEP);
  each_is_an_order(&mask);
}
END_TEST

START_TEST(rcm_makes_bands_narrow) {
  enum { N = 2000 };
  int64_t nodes[N], edges[2 * N];
  heed_mask mask;
  for (int64_t i = 0; i < N - 1; i++) edges[2 * i] = i, edges[2 * i + 1] = i + 1;
  mask_of(&mask, N, edges, N - 1, false, true, HEED_LOOPS_ADD);
  ok(heed_mask_order(&mask, HEED_ORDER_NONE, nodes));
  ck_assert_int_gt(bandwidth(&mask, nodes), N / 2);
  ok(heed_mask_order(&mask, HEED_ORDER_RCM, nodes));
  ck_assert_int_eq(bandwidth(&mask, nodes), 1);
  heed_mask_free(&mask);
  /* Pairs in one direction alone count as much. */
  mask_of(&mask, N, edges, N - 1, true, true, HEED_LOOPS_DROP);
  ok(heed_mask_order(&mask, HEED_ORDER_RCM, nodes));
  ck_assert_int_eq(bandwidth(&mask, nodes), 1);
  heed_mask_free(&mask);
  grid_mask(&mask, 20, 100); /* a lattice cannot do better than its shorter side */
  ok(heed_mask_order(&mask, HEED_ORDER_RCM, nodes));
  ck_assert_int_le(bandwidth(&mask, nodes), 25);
  heed_mask_free(&mask);
}
END_TEST

START_TEST(degree_puts_what_is_seen_most_first) {
  static const int64_t edges[] = {3, 0, 3, 1, 3, 2, 1, 0, 1, 2}; /* 3 is seen by 3, 1 by 2 */
  int64_t nodes[4];
  heed_mask mask;
  mask_of(&mask, 4, edges, 5, true, false, HEED_LOOPS_KEEP);
  ok(heed_mask_order(&mask, HEED_ORDER_DEGREE, nodes));
  static const int64_t wanted[] = {3, 1, 0, 2};
  ck_assert_mem_eq(nodes, wanted, sizeof wanted);
  heed_mask_free(&mask);
}
END_TEST

START_TEST(communities_come_together) {
  enum { N = 4000 };
  static int64_t nodes[N];
  heed_mask mask;
  double before, after;
  block_mask(&mask, N, 40000);
  ok(heed_mask_reuse(&mask, NULL, 500, &before));
  ck_assert_double_lt(before, 0.3);
  ok(heed_mask_order(&mask, HEED_ORDER_COMMUNITY, nodes));
  ok(heed_mask_reuse(&mask, nodes, 500, &after));
  ck_assert_double_gt(after, 0.7);
  if (heed_order_has_metis()) {
    int64_t cut = across_the_middle(&mask, nodes); /* two parts */
    ok(heed_mask_order(&mask, HEED_ORDER_NONE, nodes));
    ck_assert_int_lt(2 * cut, across_the_middle(&mask, nodes));
  }
  heed_mask_free(&mask);
}
END_TEST

START_TEST(auto_orders_where_it_should_pay) {
  enum { N = 20000 };
  static int64_t nodes[N];
  heed_order order;
  heed_mask mask;
  block_mask(&mask, N, 100000);
  ok(heed_mask_order_auto(&mask, 2048, 1000, nodes, &order)); /* a table of 40 MB */
  ck_assert_int_eq(order, HEED_ORDER_COMMUNITY);
  is_order(&mask, order, nodes);
  static const struct {
    size_t row_bytes;
    double passes;
  } not_worth[] = {{2048, 1}, {64, 1000}, {0, 1000}, {2048, 0}, {2048, -1}, {2048, 0.0 / 0.0}};
  for (int i = 0; i < 6; i++) {
    ok(heed_mask_order_auto(&mask, not_worth[i].row_bytes, not_worth[i].passes, nodes, &order));
    ck_assert_int_eq(order, HEED_ORDER_NONE);
    for (int64_t k = 0; k < N; k++) ck_assert_int_eq(nodes[k], k);
  }
  heed_mask_free(&mask);
  random_mask(&mask, N, 200000, false); /* nothing to bring together */
  ok(heed_mask_order_auto(&mask, 2048, 1000, nodes, &order));
  ck_assert_int_eq(order, HEED_ORDER_NONE);
  for (int64_t k = 0; k < N; k++) ck_assert_int_eq(nodes[k], k);
  heed_mask_free(&mask);
  ok(heed_mask_full(&mask, N, N));
  ok(heed_mask_order_auto(&mask, 2048, 1000, nodes, &order));
  ck_assert_int_eq(order, HEED_ORDER_NONE);
  ok(heed_mask_full(&mask, N, 3));
  ok(heed_mask_order_auto(&mask, 2048, 1000, nodes, &order));
  ck_assert_int_eq(order, HEED_ORDER_NONE);
}
END_TEST

START_TEST(names_and_refusals) {
  heed_mask mask;
  int64_t nodes[4];
  heed_order order;
  for (int o = HEED_ORDER_NONE; o <= HEED_ORDER_AUTO; o++) {
    ok(heed_order_from_name(heed_order_name((heed_order)o), &order));
    ck_assert_int_eq(order, o);
  }
  ck_assert_int_eq(heed_order_from_name("", &order), HEED_ARGUMENT);
  ck_assert_int_eq(heed_order_from_name("rcm ", &order), HEED_ARGUMENT);
  ck_assert_str_eq(heed_order_name((heed_order)99), "?");
  ok(heed_mask_full(&mask, 4, 3));
  ck_assert_int_eq(heed_mask_order(&mask, HEED_ORDER_RCM, nodes), HEED_SHAPE);
  ok(heed_mask_full(&mask, 4, 4));
  ck_assert_int_eq(heed_mask_order(&mask, HEED_ORDER_AUTO, nodes), HEED_ARGUMENT);
  ck_assert_int_eq(heed_mask_order(&mask, (heed_order)99, nodes), HEED_ARGUMENT);
  if (!heed_order_has_metis()) {
    ck_assert_int_eq(heed_mask_order(&mask, HEED_ORDER_METIS, nodes), HEED_UNSUPPORTED);
  }
}
END_TEST

START_TEST(failed_allocations_leave_nothing) {
  enum { N = 2500 }; /* two parts for METIS */
  static int64_t nodes[N];
  heed_order list[8];
  heed_mask mask;
  int n_orders = orders(list);
  random_mask(&mask, N, 6000, true);
  size_t held = heed_memory_held();
  for (int o = 0; o <= n_orders; o++) {
    heed_status status = HEED_NOMEM;
    long n = 0;
    for (; status != HEED_OK; n++) {
      heed_order chosen;
      heed__alloc_fail_after(n);
      status = o < n_orders ? heed_mask_order(&mask, list[o], nodes)
                            : heed_mask_order_auto(&mask, 20000, 1e6, nodes, &chosen);
      heed__alloc_fail_after(-1);
      if (status != HEED_OK) ck_assert_int_eq(status, HEED_NOMEM);
      ck_assert_uint_eq(heed_memory_held(), held);
    }
    if (o > 0) ck_assert_int_gt(n, 1); /* order none allocates nothing */
  }
  heed_mask_free(&mask);
}
END_TEST

/* Every node has one part, parts are of about one size, the same seed gives the same; METIS's cut few pairs. */
START_TEST(parts_divide_the_nodes) {
  enum { SIDE = 40, N = SIDE * SIDE, PARTS = 16 };
  static int32_t part[N], again[N];
  heed_mask mask;
  grid_mask(&mask, SIDE, SIDE);
  for (int32_t parts = 1; parts <= PARTS; parts *= 4) {
    int64_t sizes[PARTS] = {0}, cut = 0;
    ok(heed_mask_partition(&mask, parts, 5, part));
    ok(heed_mask_partition(&mask, parts, 5, again));
    ck_assert(memcmp(part, again, sizeof part) == 0);
    for (int i = 0; i < N; i++) {
      ck_assert_int_ge(part[i], 0);
      ck_assert_int_lt(part[i], parts);
      sizes[part[i]]++;
      for (int64_t q = mask.indptr[i]; q < mask.indptr[i + 1]; q++) {
        cut += part[mask.indices[q]] != part[i];
      }
    }
    for (int32_t k = 0; k < parts; k++) {
      ck_assert_int_ge(sizes[k], N / parts / 2);
      ck_assert_int_le(sizes[k], 2 * N / parts);
    }
    /* Of 16 squares of 10 x 10, 480 of 8000 pairs lead out; of random parts 15 of 16. */
    ck_assert_int_lt(cut, 2 * 480 + (heed_order_has_metis() ? 0 : 480));
  }
  heed_mask_free(&mask);
  /* Pairs in one direction alone, in runs, none at all, as many parts as nodes. */
  random_mask(&mask, 50, 200, true);
  ok(heed_mask_partition(&mask, 50, 1, part));
  for (int i = 0; i < 50; i++) ck_assert(part[i] >= 0 && part[i] < 50);
  heed_mask_free(&mask);
  ok(heed_mask_full(&mask, 7, 7));
  ok(heed_mask_partition(&mask, 3, 1, part));
  static const int32_t stretches[] = {0, 0, 1, 1, 2, 2, 2};
  ck_assert(memcmp(part, stretches, sizeof stretches) == 0);
  fails(heed_mask_partition(&mask, 8, 1, part), HEED_RANGE, "8 parts of 7 nodes");
  fails(heed_mask_partition(&mask, 0, 1, part), HEED_RANGE, "0 parts");
  heed_mask_free(&mask);
  ok(heed_mask_full(&mask, 7, 6));
  fails(heed_mask_partition(&mask, 2, 1, part), HEED_SHAPE, "7 queries but 6 keys");
}
END_TEST

START_TEST(parts_without_memory) {
  static int32_t part[300];
  heed_mask mask;
  random_mask(&mask, 300, 900, true);
  size_t held = heed_memory_held();
  heed_status status = HEED_NOMEM;
  for (long n = 0; status != HEED_OK; n++) {
    heed__alloc_fail_after(n);
    status = heed_mask_partition(&mask, 5, 1, part);
    heed__alloc_fail_after(-1);
    if (status != HEED_OK) ck_assert_int_eq(status, HEED_NOMEM);
    ck_assert_uint_eq(heed_memory_held(), held);
  }
  heed_mask_free(&mask);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("order");
  TCase *tests = tcase_create("order");
  tcase_set_timeout(tests, 120);
  tcase_add_checked_fixture(tests, set_up, NULL);
  tcase_add_test(tests, every_order_has_each_node_once);
  tcase_add_test(tests, stars_and_deep_trees);
  tcase_add_test(tests, rcm_makes_bands_narrow);
  tcase_add_test(tests, degree_puts_what_is_seen_most_first);
  tcase_add_test(tests, communities_come_together);
  tcase_add_test(tests, auto_orders_where_it_should_pay);
  tcase_add_test(tests, names_and_refusals);
  tcase_add_test(tests, failed_allocations_leave_nothing);
  tcase_add_test(tests, parts_divide_the_nodes);
  tcase_add_test(tests, parts_without_memory);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
