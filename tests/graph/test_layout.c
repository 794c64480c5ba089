/* Places of nodes for drawings. */
#include <check.h>
#include <heed/graph.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "expect.h"

enum { MOST = 700 };
static double xy[2 * MOST], again[2 * MOST];

static void lay_out(const char *source, uint64_t seed, double *places) {
  igraph_t graph;
  ck_assert_int_eq(heed_graph_open(&graph, source, 0), HEED_OK);
  ck_assert_int_le(igraph_vcount(&graph), MOST);
  ck_assert_int_eq(heed_graph_layout(&graph, seed, places), HEED_OK);
  for (int64_t i = 0; i < 2 * igraph_vcount(&graph); i++) ck_assert(isfinite(places[i]));
  heed_graph_destroy(&graph);
}

static double apart(int64_t i, int64_t j) {
  return hypot(xy[2 * i] - xy[2 * j], xy[2 * i + 1] - xy[2 * j + 1]);
}

/* Neighbours of a ring are equally far apart, the node opposite is furthest. */
START_TEST(a_ring_is_round) {
  lay_out("ring:12", 0, xy);
  for (int i = 0; i < 12; i++) {
    ck_assert_double_eq_tol(apart(i, (i + 1) % 12), apart(0, 1), 0.05 * apart(0, 1));
    for (int j = 0; j < 12; j++) ck_assert(apart(i, j) <= 1.05 * apart(i, (i + 6) % 12));
  }
}
END_TEST

static const char *const sources[] = {"karate", "grid:5x7", "er:n=40,m=20",
                                      "star:2", "full:1",   "ba:n=600,m=1"};

/* Also of a graph in parts and of one that is too large for Kamada and Kawai. */
START_TEST(nodes_lie_apart_and_again_there) {
  lay_out(sources[_i], 7, xy);
  lay_out(sources[_i], 7, again);
  igraph_t graph;
  ck_assert_int_eq(heed_graph_open(&graph, sources[_i], 0), HEED_OK);
  int64_t n = igraph_vcount(&graph);
  heed_graph_destroy(&graph);
  ck_assert_int_eq(memcmp(xy, again, 2 * (size_t)n * sizeof *xy), 0);
  for (int64_t i = 0; i < n; i++) {
    for (int64_t j = 0; j < i; j++) ck_assert(apart(i, j) > 0);
  }
}
END_TEST

START_TEST(nothing_has_no_place) {
  igraph_t graph;
  size_t held = heed_memory_held();
  ck_assert_int_eq(heed_graph_from_edges(&graph, 0, NULL, 0, false), HEED_OK);
  xy[0] = 42;
  ck_assert_int_eq(heed_graph_layout(&graph, 0, xy), HEED_OK);
  ck_assert_double_eq(xy[0], 42);
  heed_graph_destroy(&graph);
  ck_assert_uint_eq(heed_memory_held(), held);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("layout");
  TCase *places = tcase_create("places");
  tcase_add_test(places, a_ring_is_round);
  tcase_add_loop_test(places, nodes_lie_apart_and_again_there, 0, sizeof sources / sizeof *sources);
  tcase_add_test(places, nothing_has_no_place);
  suite_add_tcase(suite, places);
  return run_suite(suite);
}
