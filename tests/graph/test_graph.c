#include <check.h>
#include <heed/graph.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/alloc.h"
#include "base/random.h"
#include "expect.h"

#define OK(call)                                                              \
  do {                                                                        \
    heed_status ok_status = (call);                                           \
    ck_assert_msg(ok_status == HEED_OK, "%s: %s", #call, heed_message());     \
  } while (0)

static char folder[64];

static void set_up(void) {
  strcpy(folder, "/tmp/heed-graph-XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void tear_down(void) {
  char command[128];
  snprintf(command, sizeof command, "rm -r %s", folder);
  ck_assert_int_eq(system(command), 0);
}

static const char *file_of(const char *name) {
  static char path[4096];
  snprintf(path, sizeof path, "%s/%s", TEST_FILES, name);
  return path;
}

static const char *temporary(const char *name) {
  static char path[256];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

static void pack(const char *from, const char *to) {
  char buffer[1 << 14];
  FILE *in = fopen(from, "rb");
  gzFile out = gzopen(to, "wb");
  size_t got;
  ck_assert(in != NULL && out != NULL);
  while ((got = fread(buffer, 1, sizeof buffer, in)) > 0) {
    ck_assert_int_eq(gzwrite(out, buffer, (unsigned)got), (int)got);
  }
  fclose(in);
  gzclose(out);
}

static const struct {
  const char *file, *format;
  bool weights, directed;
} good[] = {{"good-square.graphml", "graphml", true, false},
            {"good-square.gml", "gml", true, false},
            {"good-square.net", "pajek", true, false},
            {"good-square.dl", "dl", true, false},
            {"good-matrix.dl", "dl", false, false},
            {"good-square.dimacs", "dimacs", false, false},
            {"good-flow.dimacs", "dimacs", false, true},
            {"good-square.lgl", "lgl", true, false},
            {"good-square.ncol", "ncol", true, false},
            {"good-square.edges", "edgelist", false, false},
            {"good-square.graphdb", "graphdb", false, false}};
enum { N_GOOD = sizeof good / sizeof *good };

static void check_square(const igraph_t *graph, int i) {
  static const int ends[4][2] = {{0, 1}, {1, 2}, {2, 3}, {0, 2}};
  static const double weights[4] = {2, 0.5, 3, 1};
  ck_assert_int_eq(igraph_vcount(graph), 4);
  ck_assert_int_eq(igraph_ecount(graph), 4);
  ck_assert_int_eq(igraph_is_directed(graph), good[i].directed);
  for (int e = 0; e < 4; e++) {
    igraph_integer_t id;
    ck_assert_int_eq(igraph_get_eid(graph, &id, ends[e][0], ends[e][1], true, false), 0);
    ck_assert_msg(id >= 0, "%s: edge %d", good[i].file, e);
    if (good[i].weights) {
      ck_assert_msg(igraph_cattribute_EAN(graph, "weight", id) == weights[e], "%s", good[i].file);
    }
  }
}

START_TEST(reads_every_format) {
  int i = _i;
  igraph_t graph;
  char packed[256];
  OK(heed_graph_read(&graph, file_of(good[i].file), NULL, false));
  check_square(&graph, i);
  heed_graph_destroy(&graph);
  OK(heed_graph_read(&graph, file_of(good[i].file), good[i].format, false));
  check_square(&graph, i);
  heed_graph_destroy(&graph);
  snprintf(packed, sizeof packed, "%s/%s.gz", folder, good[i].file);
  pack(file_of(good[i].file), packed);
  OK(heed_graph_open(&graph, packed, 0));
  check_square(&graph, i);
  heed_graph_destroy(&graph);
  /* Without an extension the content must do. */
  pack(file_of(good[i].file), temporary("plain"));
  OK(heed_graph_read(&graph, temporary("plain"), NULL, false));
  check_square(&graph, i);
  heed_graph_destroy(&graph);
}
END_TEST

START_TEST(directs_what_does_not_say) {
  static const char *const files[] = {"good-square.edges", "good-square.ncol",
                                      "good-square.graphdb"};
  for (int i = 0; i < 3; i++) {
    igraph_t graph;
    OK(heed_graph_read(&graph, file_of(files[i]), NULL, true));
    ck_assert(igraph_is_directed(&graph));
    ck_assert_int_eq(igraph_ecount(&graph), 4);
    heed_graph_destroy(&graph);
  }
}
END_TEST

static const struct {
  const char *file;
  heed_status status;
  const char *words;
} bad[] = {{"bad-empty.txt", HEED_FORMAT, "empty"},
           {"bad-huge.edges", HEED_RANGE, ":2:"},
           {"bad-negative.edges", HEED_RANGE, ":2: vertex -2"},
           {"bad-odd.edges", HEED_FORMAT, "odd"},
           {"bad-word.edges", HEED_FORMAT, "two"},
           {"bad-nothing.edges", HEED_FORMAT, "no edges"},
           {"bad-huge.net", HEED_RANGE, "4000000000"},
           {"bad-missing.net", HEED_RANGE, ":4: vertex 4"},
           {"bad-huge.dl", HEED_RANGE, "4000000000"},
           {"bad-missing.dl", HEED_RANGE, ":5: vertex 5"},
           {"bad-matrix.dl", HEED_FORMAT, "400000"},
           {"bad-huge.dimacs", HEED_RANGE, "2000000000"},
           {"bad-missing.dimacs", HEED_RANGE, ":3: vertex 4"},
           {"bad-edges.dimacs", HEED_RANGE, "2000000000"},
           {"bad-short.graphdb", HEED_FORMAT, "graphdb"},
           {"bad-missing.graphdb", HEED_RANGE, "node 7 of 2"},
           {"bad-short.graphml", HEED_FORMAT, "graphml"},
           {"bad-missing.graphml", HEED_RANGE, "4 nodes are declared"},
           {"bad-page.graphml", HEED_FORMAT, "<graphml>"},
           {"bad-missing.gml", HEED_FORMAT, "gml"},
           {"bad-short.gml", HEED_FORMAT, "gml"},
           {"bad-leda.lgr", HEED_UNSUPPORTED, "LEDA"},
           {"bad-digraph.dot", HEED_UNSUPPORTED, "DOT"},
           {"bad-prose.md", HEED_FORMAT, "no format"},
           {"bad-picture.png", HEED_FORMAT, "no format"},
           {".", HEED_IO, "directory"},
           {"no-such.edges", HEED_IO, "No such file"}};
enum { N_BAD = sizeof bad / sizeof *bad };

START_TEST(refuses_bad_files) {
  igraph_t graph;
  size_t held = heed_memory_held();
  heed_status status = heed_graph_read(&graph, file_of(bad[_i].file), NULL, false);
  ck_assert_msg(status == bad[_i].status, "%s: %s, %s", bad[_i].file, heed_status_name(status),
                heed_message());
  ck_assert_msg(strstr(heed_message(), bad[_i].words) != NULL, "%s: %s", bad[_i].file,
                heed_message());
  ck_assert_uint_eq(heed_memory_held(), held);
}
END_TEST

START_TEST(survives_any_cut_and_any_format) {
  /* What comes back does not matter, only that something does. */
  char bytes[4096];
  FILE *in = fopen(file_of(good[_i].file), "rb");
  size_t size = fread(bytes, 1, sizeof bytes, in);
  fclose(in);
  for (size_t cut = 1; cut < size; cut += 1 + size / 40) {
    FILE *out = fopen(temporary("cut"), "wb");
    fwrite(bytes, 1, cut, out);
    fclose(out);
    for (int f = -1; f < N_GOOD; f++) {
      igraph_t graph;
      if (heed_graph_read(&graph, temporary("cut"), f < 0 ? NULL : good[f].format, false) == 0) {
        heed_graph_destroy(&graph);
      }
    }
  }
}
END_TEST

START_TEST(refuses_packed_rubbish) {
  igraph_t graph;
  pack(file_of("good-square.edges"), temporary("a.gz"));
  ck_assert_int_eq(truncate(temporary("a.gz"), 20), 0);
  ck_assert_int_eq(heed_graph_read(&graph, temporary("a.gz"), NULL, false), HEED_FORMAT);
  ck_assert_ptr_nonnull(strstr(heed_message(), "cut short"));
  gzFile bomb = gzopen(temporary("bomb.gz"), "wb9");
  char *zeros = calloc(1, 1 << 20);
  for (int i = 0; i < 100; i++) ck_assert_int_gt(gzwrite(bomb, zeros, 1 << 20), 0);
  gzclose(bomb);
  free(zeros);
  ck_assert_int_eq(heed_graph_read(&graph, temporary("bomb.gz"), NULL, false), HEED_FORMAT);
  ck_assert_ptr_nonnull(strstr(heed_message(), "unpack to more"));
}
END_TEST

START_TEST(opens_names) {
  static const char *const names[] = {"karate", "Karate", "Zachary", "zachary", "ZACHARY"};
  igraph_t graph;
  for (int i = 0; i < 5; i++) {
    OK(heed_graph_open(&graph, names[i], 0));
    ck_assert_int_eq(igraph_vcount(&graph), 34);
    ck_assert_int_eq(igraph_ecount(&graph), 78);
    heed_graph_destroy(&graph);
  }
  ck_assert_int_eq(heed_graph_open(&graph, "nobody", 0), HEED_ARGUMENT);
  ck_assert_int_eq(heed_graph_open(&graph, "", 0), HEED_ARGUMENT);
  ck_assert_int_eq(heed_graph_open(&graph, "no/such.gml", 0), HEED_IO);
}
END_TEST

START_TEST(generates) {
  static const struct {
    const char *recipe;
    int nodes, edges; /* edges -1: random */
  } recipes[] = {{"sbm:n=401,blocks=4,in=0.1,out=0.01", 401, -1}, {"ba:n=1000,m=3", 1000, -1},
                 {"er:n=300,p=0.05", 300, -1},  {"er:n=100,m=500", 100, 500},
                 {"grid:4x5", 20, 31},          {"grid:2x3x4", 24, 46},
                 {"star:10", 10, 9},            {"ring:10", 10, 10},
                 {"full:7", 7, 21}};
  igraph_t a, b;
  for (size_t i = 0; i < sizeof recipes / sizeof *recipes; i++) {
    igraph_bool_t simple, same;
    OK(heed_graph_generate(&a, recipes[i].recipe, 1));
    OK(heed_graph_open(&b, recipes[i].recipe, 1));
    ck_assert_int_eq(igraph_vcount(&a), recipes[i].nodes);
    if (recipes[i].edges >= 0) ck_assert_int_eq(igraph_ecount(&a), recipes[i].edges);
    igraph_is_simple(&a, &simple);
    ck_assert(simple);
    igraph_is_same_graph(&a, &b, &same);
    ck_assert(same);
    heed_graph_destroy(&b);
    if (recipes[i].edges < 0) {
      OK(heed_graph_generate(&b, recipes[i].recipe, 2));
      igraph_is_same_graph(&a, &b, &same);
      ck_assert(!same);
      heed_graph_destroy(&b);
    }
    if (i == 0) {
      ck_assert(igraph_cattribute_VAN(&a, "block", 0) == 0);
      ck_assert(igraph_cattribute_VAN(&a, "block", 400) == 3);
    }
    heed_graph_destroy(&a);
  }
}
END_TEST

/* The features of a node are the mean of its block and noise: their spread within a block is the
 * noise, the spread of the means is 1. */
START_TEST(generates_features) {
  enum { N = 4000, BLOCKS = 200, FEATURES = 6 };
  igraph_t graph, other;
  OK(heed_graph_generate(&graph, "sbm:n=4000,blocks=200,in=0.01,out=0,features=6,noise=2", 3));
  OK(heed_graph_generate(&other, "sbm:n=4000,blocks=200,in=0.01,out=0,features=6", 4));
  double within = 0, between = 0;
  for (int f = 0; f < FEATURES; f++) {
    char name[16];
    snprintf(name, sizeof name, "x%d", f);
    for (int b = 0; b < BLOCKS; b++) {
      double sum = 0, squares = 0;
      for (int i = b * N / BLOCKS; i < (b + 1) * N / BLOCKS; i++) {
        double x = igraph_cattribute_VAN(&graph, name, i);
        sum += x;
        squares += x * x;
      }
      double mean = sum * BLOCKS / N;
      within += (squares - sum * mean) / (N - BLOCKS) / FEATURES;
      between += mean * mean / BLOCKS / FEATURES;
    }
    ck_assert(igraph_cattribute_VAN(&graph, name, 0) != igraph_cattribute_VAN(&other, name, 0));
  }
  ck_assert_msg(fabs(within - 4) < 0.2, "%g", within);
  ck_assert_msg(fabs(between - 1.2) < 0.2, "%g", between); /* 1 and 4 over 20 nodes */
  ck_assert(!igraph_cattribute_has_attr(&graph, IGRAPH_ATTRIBUTE_VERTEX, "x6"));
  heed_graph_destroy(&graph);
  heed_graph_destroy(&other);
}
END_TEST

/* All 6 permutations of three, so that every one is there once. */
START_TEST(generates_dictionaries) {
  igraph_t graph, again;
  OK(heed_graph_generate(&graph, "dictionary:k=3,graphs=6", 5));
  OK(heed_graph_open(&again, "dictionary:graphs=6,k=3", 5));
  igraph_bool_t same;
  igraph_is_same_graph(&graph, &again, &same);
  ck_assert(same && igraph_is_directed(&graph));
  ck_assert_int_eq(igraph_vcount(&graph), 36);
  ck_assert_int_eq(igraph_ecount(&graph), 54);
  bool seen[27] = {false};
  for (int g = 0; g < 6; g++) {
    int number = 0;
    for (int i = 0; i < 6; i++) {
      int node = 6 * g + i;
      ck_assert(igraph_cattribute_VAN(&graph, "graph", node) == g);
      ck_assert(igraph_cattribute_VAN(&graph, "attribute", node) == i % 3);
      double value = igraph_cattribute_VAN(&graph, "value", node);
      double label = igraph_cattribute_VAN(&graph, "label", node);
      ck_assert(value == igraph_cattribute_VAN(&again, "value", node));
      if (i < 3) {
        ck_assert(value >= 0 && value < 3 && isnan(label));
        number = 3 * number + (int)value;
      } else {
        ck_assert(value == -1 && label == igraph_cattribute_VAN(&graph, "value", node - 3));
      }
    }
    ck_assert(!seen[number]); /* no two graphs are the same */
    seen[number] = true;
  }
  ck_assert(seen[0 * 9 + 1 * 3 + 2] && seen[2 * 9 + 1 * 3 + 0] && !seen[0]);
  for (int e = 0; e < 54; e++) {
    igraph_integer_t from, to;
    igraph_edge(&graph, e, &from, &to);
    ck_assert(from / 6 == to / 6 && from % 6 < 3 && to % 6 >= 3);
  }
  heed_graph_destroy(&graph);
  heed_graph_destroy(&again);
}
END_TEST

START_TEST(dictionaries_may_run_out_of_memory) {
  static const char *const recipes[] = {"dictionary:k=5,graphs=20",
                                        "sbm:n=40,blocks=4,in=0.5,out=0.1,features=3"};
  size_t held = heed_memory_held();
  heed_status status = HEED_NOMEM;
  int n = 0;
  for (; status != HEED_OK; n++) {
    igraph_t graph;
    heed__alloc_fail_after(n);
    status = heed_graph_generate(&graph, recipes[_i], 1);
    heed__alloc_fail_after(-1);
    ck_assert(status == HEED_OK || status == HEED_NOMEM);
    if (status == HEED_OK) heed_graph_destroy(&graph);
    ck_assert_uint_eq(heed_memory_held(), held);
  }
  ck_assert_int_gt(n, 2);
}
END_TEST

START_TEST(refuses_bad_recipes) {
  static const char *const recipes[] = {"nonsense",
                                        "foo:1",
                                        "sbm:",
                                        "sbm:n=10",
                                        "sbm:n=10,blocks=20,in=0.1,out=0.1",
                                        "sbm:n=10,blocks=2,in=1.5,out=0",
                                        "sbm:n=10,blocks=2,in=nan,out=0",
                                        "sbm:n=10,blocks=2,in=0.5,out=0.1,x=1",
                                        "ba:n=10",
                                        "ba:n=10,m=0",
                                        "ba:n=10,m=10",
                                        "ba:n=10,m=2,m=3",
                                        "ba:n=1e3,m=2",
                                        "ba:n=10,m",
                                        "ba:n=10,m=",
                                        "ba:n=10,m=2,",
                                        "er:n=10",
                                        "er:n=10,p=0.1,m=3",
                                        "er:n=10,m=46",
                                        "er:n=-1,p=0.5",
                                        "er:n=10,p=0.5x",
                                        "er:n=99999999999999999999,p=0.1",
                                        "er:n=2000000000,p=1",
                                        "grid:",
                                        "grid:0x3",
                                        "grid:3x",
                                        "grid:3,4",
                                        "grid:99999x99999x99999",
                                        "grid:1x1x1x1x1x1x1x1x1",
                                        "star:",
                                        "star:0",
                                        "star:x",
                                        "ring:2",
                                        "full:0",
                                        "full:1000000",
                                        "full: 3",
                                        "sbm:n=10,blocks=2,in=0.5,out=0.1,noise=1",
                                        "sbm:n=10,blocks=2,in=0.5,out=0.1,features=0",
                                        "sbm:n=10,blocks=2,in=0.5,out=0.1,features=1025",
                                        "sbm:n=10,blocks=2,in=0.5,out=0.1,features=2,noise=-1",
                                        "dictionary:",
                                        "dictionary:k=3",
                                        "dictionary:graphs=3",
                                        "dictionary:k=0,graphs=1",
                                        "dictionary:k=3,graphs=7",
                                        "dictionary:k=1,graphs=2",
                                        "dictionary:k=257,graphs=1",
                                        "dictionary:k=256,graphs=100000"};
  for (size_t i = 0; i < sizeof recipes / sizeof *recipes; i++) {
    igraph_t graph;
    ck_assert_msg(heed_graph_generate(&graph, recipes[i], 1) == HEED_ARGUMENT, "%s", recipes[i]);
    ck_assert_msg(strstr(heed_message(), recipes[i]) != NULL, "%s", heed_message());
  }
}
END_TEST

START_TEST(makes_graphs_from_edges) {
  static const int64_t edges[] = {3, 1, 0, 0, 1, 3};
  igraph_t graph;
  OK(heed_graph_from_edges(&graph, 4, edges, 3, true));
  ck_assert_int_eq(IGRAPH_FROM(&graph, 0), 3);
  ck_assert_int_eq(IGRAPH_TO(&graph, 0), 1);
  heed_graph_destroy(&graph);
  OK(heed_graph_from_edges(&graph, 0, NULL, 0, false));
  heed_graph_destroy(&graph);
  ck_assert_int_eq(heed_graph_from_edges(&graph, 3, edges, 3, true), HEED_RANGE);
  ck_assert_ptr_nonnull(strstr(heed_message(), "edge 0: node 3"));
  ck_assert_int_eq(heed_graph_from_edges(&graph, -1, edges, 0, true), HEED_RANGE);
}
END_TEST

/* Pairs of edge e with its ends as igraph_edge() tells them. */
static heed_origin oracle(const igraph_t *graph, int64_t e, heed_direction direction, int64_t query,
                          int64_t key, bool *gives) {
  igraph_integer_t from, to;
  igraph_edge(graph, e, &from, &to);
  bool both = !igraph_is_directed(graph) || direction == HEED_DIRECTION_ALL;
  *gives = true;
  if (from == to && from == query && from == key) return HEED_ORIGIN_LOOP;
  if (from == key && to == query && (both || direction == HEED_DIRECTION_IN)) {
    return HEED_ORIGIN_FORWARD;
  }
  if (from == query && to == key && (both || direction == HEED_DIRECTION_OUT)) {
    return HEED_ORIGIN_BACKWARD;
  }
  *gives = false;
  return HEED_ORIGIN_DERIVED;
}

static void check_mask(const heed_mask *mask, const igraph_t *graph, heed_direction direction,
                       heed_loops loops) {
  int64_t n = igraph_vcount(graph), pair = 0;
  OK(heed_mask_check(mask));
  for (int64_t query = 0; query < n; query++) {
    for (int64_t key = 0; key < n; key++) {
      int64_t expected_ids[64];
      uint8_t expected[64];
      int64_t count = 0;
      for (int64_t e = 0; e < igraph_ecount(graph); e++) {
        bool gives;
        heed_origin origin = oracle(graph, e, direction, query, key, &gives);
        if (!gives || (query == key && loops == HEED_LOOPS_DROP)) continue;
        expected_ids[count] = e;
        expected[count++] = (uint8_t)origin;
      }
      if (query == key && count == 0 && loops == HEED_LOOPS_ADD) {
        expected_ids[count] = -1;
        expected[count++] = HEED_ORIGIN_SELF;
      }
      if (count == 0) continue;
      const int64_t *ids;
      const uint8_t *origins;
      int64_t known;
      ck_assert_int_lt(pair, mask->indptr[query + 1]);
      ck_assert_int_eq(mask->indices[pair], key);
      heed_mask_pair_edges(mask, pair, &ids, &origins, &known);
      ck_assert_int_eq(known, count);
      ck_assert_mem_eq(ids, expected_ids, (size_t)count * sizeof *ids);
      ck_assert_mem_eq(origins, expected, (size_t)count);
      pair++;
    }
    ck_assert_int_eq(mask->indptr[query + 1], pair);
  }
  ck_assert_int_eq(mask->n_pairs, pair);
}

START_TEST(masks_agree_with_the_oracle) {
  for (uint64_t round = 0; round < 40; round++) {
    uint32_t random[4];
    heed__random4(7, round, 0, random);
    int64_t n = 1 + random[0] % 9, m = random[1] % 30, edges[60];
    for (int64_t i = 0; i < 2 * m; i++) {
      uint32_t end[4];
      heed__random4(8, round, (uint64_t)i, end);
      edges[i] = end[0] % n;
    }
    igraph_t graph;
    OK(heed_graph_from_edges(&graph, n, edges, m, round % 2 == 0));
    for (int d = 0; d < 3; d++) {
      for (int l = 0; l < 3; l++) {
        heed_mask mask;
        OK(heed_mask_from_graph(&mask, &graph, (heed_direction)d, (heed_loops)l));
        check_mask(&mask, &graph, (heed_direction)d, (heed_loops)l);
        heed_mask_free(&mask);
      }
    }
    heed_graph_destroy(&graph);
  }
}
END_TEST

START_TEST(biases_pairs) {
  static const int64_t edges[] = {0, 1, 0, 1, 1, 2};
  static const double weights[] = {2, 3, 0};
  igraph_t graph;
  heed_mask mask;
  float bias[8];
  OK(heed_graph_from_edges(&graph, 3, edges, 3, true));
  for (int e = 0; e < 3; e++) igraph_cattribute_EAN_set(&graph, "w", e, weights[e]);
  igraph_cattribute_EAS_set(&graph, "s", 0, "x");
  OK(heed_mask_from_graph(&mask, &graph, HEED_DIRECTION_IN, HEED_LOOPS_ADD));
  ck_assert_int_eq(mask.n_pairs, 5); /* 00 10 11 21 22 */
  OK(heed_graph_bias(&graph, &mask, "w", HEED_BIAS_WEIGHT, bias));
  ck_assert(bias[0] == 0 && bias[1] == 5 && bias[2] == 0 && bias[3] == 0 && bias[4] == 0);
  OK(heed_graph_bias(&graph, &mask, "w", HEED_BIAS_LOG_WEIGHT, bias));
  ck_assert(bias[0] == 0 && bias[1] == (float)log(5) && bias[3] == -INFINITY);
  ck_assert_int_eq(heed_graph_bias(&graph, &mask, "none", HEED_BIAS_WEIGHT, bias), HEED_ARGUMENT);
  ck_assert_ptr_nonnull(strstr(heed_message(), "there are: w"));
  ck_assert_int_eq(heed_graph_bias(&graph, &mask, "s", HEED_BIAS_WEIGHT, bias), HEED_ARGUMENT);
  igraph_cattribute_EAN_set(&graph, "w", 1, -1);
  OK(heed_graph_bias(&graph, &mask, "w", HEED_BIAS_WEIGHT, bias));
  ck_assert_int_eq(heed_graph_bias(&graph, &mask, "w", HEED_BIAS_LOG_WEIGHT, bias), HEED_RANGE);
  ck_assert_ptr_nonnull(strstr(heed_message(), "edge 1"));
  igraph_cattribute_EAN_set(&graph, "w", 2, NAN);
  ck_assert_int_eq(heed_graph_bias(&graph, &mask, "w", HEED_BIAS_WEIGHT, bias), HEED_VALUE);
  ck_assert_ptr_nonnull(strstr(heed_message(), "edge 2"));
  heed_mask_free(&mask);
  OK(heed_mask_full(&mask, 3, 3));
  ck_assert_int_eq(heed_graph_bias(&graph, &mask, "w", HEED_BIAS_WEIGHT, bias), HEED_ARGUMENT);
  heed_mask_free(&mask);
  heed_graph_destroy(&graph);
}
END_TEST

START_TEST(reads_labels_and_features) {
  static const int32_t by_kind[] = {1, 0, 1, -1}, by_x[] = {2, 0, 1, 3};
  igraph_t graph;
  int32_t labels[4], classes;
  float x[8] = {0};
  double homophily;
  OK(heed_graph_open(&graph, file_of("good-square.graphml"), 0));
  OK(heed_graph_labels(&graph, "kind", labels, &classes));
  ck_assert_int_eq(classes, 2);
  ck_assert_mem_eq(labels, by_kind, sizeof labels);
  OK(heed_graph_homophily(&graph, labels, &homophily));
  ck_assert(homophily == 1.0 / 3); /* ab no, bc no, ac yes, cd unlabelled */
  OK(heed_graph_labels(&graph, "x", labels, &classes));
  ck_assert_int_eq(classes, 4);
  ck_assert_mem_eq(labels, by_x, sizeof labels);
  OK(heed_graph_feature(&graph, "x", x, 2));
  ck_assert(x[0] == 1.5f && x[1] == 0 && x[2] == -2 && x[4] == 0.25f && x[6] == 7);
  ck_assert_int_eq(heed_graph_feature(&graph, "kind", x, 1), HEED_ARGUMENT);
  ck_assert_int_eq(heed_graph_feature(&graph, "none", x, 1), HEED_ARGUMENT);
  ck_assert_ptr_nonnull(strstr(heed_message(), "x"));
  ck_assert_int_eq(heed_graph_labels(&graph, "none", labels, &classes), HEED_ARGUMENT);
  ck_assert_ptr_nonnull(strstr(heed_message(), "kind"));
  igraph_cattribute_VAN_set(&graph, "x", 2, NAN);
  ck_assert_int_eq(heed_graph_feature(&graph, "x", x, 1), HEED_VALUE);
  ck_assert_ptr_nonnull(strstr(heed_message(), "vertex 2"));
  OK(heed_graph_labels(&graph, "x", labels, &classes));
  ck_assert_int_eq(labels[2], -1);
  for (int i = 0; i < 4; i++) labels[i] = -1;
  OK(heed_graph_homophily(&graph, labels, &homophily));
  ck_assert(isnan(homophily));
  heed_graph_destroy(&graph);
}
END_TEST

START_TEST(summarises) {
  static const int64_t edges[] = {0, 1, 1, 0, 0, 1, 2, 2, 2, 2, 3, 4};
  heed_graph_summary s;
  igraph_t graph;
  OK(heed_graph_from_edges(&graph, 6, edges, 6, false));
  OK(heed_graph_summarise(&graph, &s));
  ck_assert(s.nodes == 6 && s.edges == 6 && !s.directed && s.loops == 2 && s.multi_edges == 3);
  ck_assert(s.components == 4 && s.isolated == 1 && s.min_degree == 0 && s.max_degree == 4);
  ck_assert(s.median_degree == 2 && s.mean_degree == 2 && s.density == 6.0 / 15);
  heed_graph_destroy(&graph);
  OK(heed_graph_from_edges(&graph, 6, edges, 6, true));
  OK(heed_graph_summarise(&graph, &s));
  ck_assert(s.directed && s.multi_edges == 2 && s.density == 6.0 / 30);
  heed_graph_destroy(&graph);
  OK(heed_graph_from_edges(&graph, 0, NULL, 0, true));
  OK(heed_graph_summarise(&graph, &s));
  ck_assert(s.nodes == 0 && s.components == 0 && s.density == 0);
  heed_graph_destroy(&graph);
}
END_TEST

START_TEST(writes_graphml) {
  static const char *const names[] = {"attention", "weight"};
  static const double first[] = {0.1, 0.2, 0.3, 0.4}, second[] = {1, 2, 3, 4};
  const double *const columns[] = {first, second};
  static const char *const no_name[] = {NULL};
  igraph_t graph, again;
  OK(heed_graph_open(&graph, file_of("good-square.graphml"), 0));
  OK(heed_graph_write_graphml(&graph, temporary("out.graphml"), 2, names, columns));
  OK(heed_graph_open(&again, temporary("out.graphml"), 0));
  ck_assert_int_eq(igraph_ecount(&again), 4);
  ck_assert(igraph_cattribute_EAN(&again, "attention", 2) == 0.3);
  ck_assert(igraph_cattribute_EAN(&again, "weight", 3) == 4);
  ck_assert(igraph_cattribute_EAN(&graph, "weight", 3) == 1); /* the graph stays as it was */
  ck_assert_str_eq(igraph_cattribute_VAS(&again, "kind", 1), "blue");
  heed_graph_destroy(&again);
  ck_assert_int_eq(heed_graph_write_graphml(&graph, temporary("none/out.graphml"), 0, NULL, NULL),
                   HEED_IO);
  ck_assert_int_eq(heed_graph_write_graphml(&graph, temporary("out.graphml"), 1, no_name, columns),
                   HEED_ARGUMENT);
  /* igraph refuses this in XML; the old file stays. */
  igraph_cattribute_VAS_set(&graph, "kind", 0, "\x01");
  ck_assert_int_eq(heed_graph_write_graphml(&graph, temporary("out.graphml"), 0, NULL, NULL),
                   HEED_IO);
  OK(heed_graph_open(&again, temporary("out.graphml"), 0));
  heed_graph_destroy(&again);
  heed_graph_destroy(&graph);
}
END_TEST

static void my_error(const char *reason, const char *file, int line, igraph_error_t error) {
  (void)reason, (void)file, (void)line, (void)error;
}
static void my_warning(const char *reason, const char *file, int line) {
  (void)reason, (void)file, (void)line;
}
static void my_fatal(const char *reason, const char *file, int line) {
  (void)reason, (void)file, (void)line;
  abort();
}

START_TEST(puts_handlers_back) {
  igraph_t graph;
  igraph_set_error_handler(my_error);
  igraph_set_warning_handler(my_warning);
  igraph_set_fatal_handler(my_fatal);
  igraph_rng_seed(igraph_rng_default(), 5);
  double expected = igraph_rng_get_unif01(igraph_rng_default());
  igraph_rng_seed(igraph_rng_default(), 5);
  OK(heed_graph_generate(&graph, "er:n=50,p=0.5", 3));
  heed_graph_destroy(&graph);
  ck_assert_int_ne(heed_graph_read(&graph, file_of("bad-short.gml"), NULL, false), HEED_OK);
  ck_assert(igraph_rng_get_unif01(igraph_rng_default()) == expected);
  ck_assert(igraph_set_error_handler(NULL) == my_error);
  ck_assert(igraph_set_warning_handler(NULL) == my_warning);
  ck_assert(igraph_set_fatal_handler(NULL) == my_fatal);
}
END_TEST

START_TEST(fails_without_memory) {
  igraph_t graph;
  heed_graph_summary summary;
  int32_t labels[4], classes;
  size_t held = heed_memory_held();
  for (int what = 0; what < 5; what++) {
    long n = 0;
    for (;; n++) {
      heed_status status = HEED_OK;
      heed_mask mask;
      if (what > 0) OK(heed_graph_read(&graph, file_of("good-square.graphml"), NULL, false));
      heed__alloc_fail_after(n);
      switch (what) {
        case 0: status = heed_graph_read(&graph, file_of("good-square.graphml"), NULL, false); break;
        case 1:
          status = heed_mask_from_graph(&mask, &graph, HEED_DIRECTION_ALL, HEED_LOOPS_ADD);
          if (status == HEED_OK) heed_mask_free(&mask);
          break;
        case 2: status = heed_graph_summarise(&graph, &summary); break;
        case 3: status = heed_graph_labels(&graph, "kind", labels, &classes); break;
        default: status = heed_graph_write_graphml(&graph, temporary("x"), 0, NULL, NULL);
      }
      heed__alloc_fail_after(-1);
      if (what > 0 || status == HEED_OK) heed_graph_destroy(&graph);
      ck_assert_uint_eq(heed_memory_held(), held);
      if (status == HEED_OK) break;
      ck_assert_int_eq(status, HEED_NOMEM);
    }
    ck_assert_int_gt(n, 0);
  }
}
END_TEST

/* A table that is not igraph's own for C may mean anything by its attributes. */
START_TEST(leaves_foreign_attributes_alone) {
  static const char *const paths[] = {TEST_FILES "/good-square.dimacs",
                                      TEST_FILES "/good-flow.dimacs"};
  igraph_attribute_table_t foreign = igraph_cattribute_table;
  igraph_attribute_table_t *before = igraph_set_attribute_table(&foreign);
  size_t held = heed_memory_held();
  igraph_t graph;
  heed_status status = heed_graph_read(&graph, paths[_i], "dimacs", false);
  ck_assert_ptr_eq(igraph_set_attribute_table(before), &foreign);
  ck_assert_msg(status == HEED_UNSUPPORTED, "%d: %s", (int)status, heed_message());
  ck_assert_ptr_nonnull(strstr(heed_message(), "attribute table"));
  ck_assert_uint_eq(heed_memory_held(), held);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("graph");
  TCase *files = tcase_create("files");
  tcase_add_checked_fixture(files, set_up, tear_down);
  tcase_set_timeout(files, 120);
  tcase_add_loop_test(files, reads_every_format, 0, N_GOOD);
  tcase_add_test(files, directs_what_does_not_say);
  tcase_add_loop_test(files, refuses_bad_files, 0, N_BAD);
  tcase_add_loop_test(files, survives_any_cut_and_any_format, 0, N_GOOD);
  tcase_add_test(files, refuses_packed_rubbish);
  tcase_add_test(files, writes_graphml);
  tcase_add_test(files, fails_without_memory);
  suite_add_tcase(suite, files);
  TCase *graphs = tcase_create("graphs");
  tcase_set_timeout(graphs, 120);
  tcase_add_test(graphs, opens_names);
  tcase_add_test(graphs, generates);
  tcase_add_test(graphs, generates_features);
  tcase_add_test(graphs, generates_dictionaries);
  tcase_add_loop_test(graphs, dictionaries_may_run_out_of_memory, 0, 2);
  tcase_add_test(graphs, refuses_bad_recipes);
  tcase_add_test(graphs, makes_graphs_from_edges);
  tcase_add_test(graphs, masks_agree_with_the_oracle);
  tcase_add_test(graphs, biases_pairs);
  tcase_add_test(graphs, reads_labels_and_features);
  tcase_add_test(graphs, summarises);
  tcase_add_test(graphs, puts_handlers_back);
  tcase_add_loop_test(graphs, leaves_foreign_attributes_alone, 0, 2);
  suite_add_tcase(suite, graphs);
  return run_suite(suite);
}
