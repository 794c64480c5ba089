/* Masks by an expression, against the formulas pair by pair, and texts that are none. */
#include <check.h>
#include <heed/mask.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "chance.h"
#include "expect.h"

enum { MOST = 24, ROUNDS = 1500, TEXT = 4096 };

static void set_up(void) { state = 17; }

/* --- A world: node sets, a graph, features, and a square of booleans --------------------------- */

typedef struct world {
  int64_t n;
  int64_t n_sets;
  int64_t ptr[6];
  int64_t shape[2]; /* of each set, where they are all one grid; else 0 */
  bool drop;
  float x[MOST * 2];
  heed_matrix features;
  heed_mask graph;
  bool edge[MOST][MOST];
  heed_mask_context context;
} world;

typedef bool square[MOST][MOST];

static void make_world(world *w) {
  *w = (world){0};
  w->n_sets = chance(4);
  int64_t sets = w->n_sets == 0 ? 1 : w->n_sets;
  if (chance(2) == 0) {
    w->shape[0] = chance(2) + 1;
    w->shape[1] = chance(3) + 1;
  }
  for (int64_t s = 0; s < sets; s++) {
    int64_t n = w->shape[0] > 0 ? w->shape[0] * w->shape[1] : chance(MOST / sets + 1);
    w->ptr[s + 1] = w->ptr[s] + n;
  }
  w->n = w->ptr[sets];
  for (int64_t p = 0; p < 2 * w->n; p++) w->x[p] = (float)chance(4);
  w->features = heed_matrix_view(w->x, w->n, 2);
  int64_t queries[60], keys[60], pairs = 0;
  for (int64_t e = 0; e < 60; e++) {
    int64_t s = chance(sets), n = w->ptr[s + 1] - w->ptr[s];
    if (n == 0 || chance(3) == 0) continue;
    queries[pairs] = w->ptr[s] + chance(n);
    keys[pairs] = w->ptr[s] + chance(n);
    w->edge[queries[pairs]][keys[pairs]] = true;
    pairs++;
  }
  heed_mask bare;
  ok(heed_mask_pairs(&bare, w->n, w->n, pairs, queries, keys));
  if (chance(2) == 0) {
    w->graph = bare;
  } else { /* with edges that are known */
    ok(heed_mask_self_loops(&w->graph, &bare, HEED_LOOPS_ADD));
    heed_mask_free(&bare);
    for (int64_t i = 0; i < w->n; i++) w->edge[i][i] = true;
  }
  w->drop = chance(4) == 0;
  w->context = (heed_mask_context){.n_queries = w->n,
                                   .n_keys = w->n,
                                   .graph = &w->graph,
                                   .features = &w->features,
                                   .n_sets = w->n_sets,
                                   .set_ptr = w->n_sets > 0 ? w->ptr : NULL,
                                   .drop_loops = w->drop,
                                   .seed = 5};
  if (w->shape[0] > 0) {
    w->context.grid_axes = 2;
    w->context.grid[0] = w->shape[0];
    w->context.grid[1] = w->shape[1];
  }
}

static int64_t set_of(const world *w, int64_t i) {
  int64_t s = 0, sets = w->n_sets == 0 ? 1 : w->n_sets;
  while (s + 1 < sets && i >= w->ptr[s + 1]) s++;
  return s;
}

/* --- Terms: a text and its formula, i and j within a set of n ----------------------------------- */

enum {
  GRAPH, FULL, NONE, SELF, KHOP, WINDOW, LEFT_RIGHT, CAUSAL, CAUSAL_W, DILATED, STRIDED, BLOCK,
  BIPARTITE, GLOBAL, KNN, QUERIES, KEYS, SHIFT, GRID, AXES, SHIFT_GRID, GRID_SHAPE, SHIFT_SHAPE,
  N_TERMS
};

static bool knn(const world *w, int64_t i, int64_t j, int64_t first, int64_t n, int64_t k) {
  const float *x = w->x;
  int64_t nearer = 0;
  float far = (x[2 * i] - x[2 * j]) * (x[2 * i] - x[2 * j]) +
              (x[2 * i + 1] - x[2 * j + 1]) * (x[2 * i + 1] - x[2 * j + 1]);
  for (int64_t o = first; o < first + n; o++) {
    float other = (x[2 * i] - x[2 * o]) * (x[2 * i] - x[2 * o]) +
                  (x[2 * i + 1] - x[2 * o + 1]) * (x[2 * i + 1] - x[2 * o + 1]);
    nearer += o != i && o != j && (other < far || (other == far && o < j));
  }
  return i != j && nearer < k;
}

/* (i, j) where j is reached in up to k steps; and (i, i) where that is an edge. */
static void hops(const world *w, int64_t k, square result) {
  for (int64_t i = 0; i < w->n; i++) {
    bool reached[MOST] = {false};
    reached[i] = true;
    for (int64_t step = 0; step < k && step < MOST; step++) {
      bool next[MOST];
      memcpy(next, reached, sizeof next);
      for (int64_t a = 0; a < w->n; a++) {
        for (int64_t b = 0; b < w->n; b++) next[b] = next[b] || (reached[a] && w->edge[a][b]);
      }
      memcpy(reached, next, sizeof next);
    }
    reached[i] = w->edge[i][i];
    memcpy(result[i], reached, sizeof reached);
  }
}

static void term(const world *w, char *text, square result) {
  int kind;
  do {
    kind = (int)chance(N_TERMS);
  } while (kind >= GRID && w->shape[0] == 0);
  int64_t a = chance(12), b = chance(12), step = chance(4) + 1, width = w->shape[1];
  square reached;
  if (kind == KHOP || kind == BLOCK || kind == STRIDED) a++;
  if (kind == SHIFT) a -= 6;
  if ((kind == QUERIES || kind == KEYS) && a > b) b = a + 1;
  if (kind >= GRID && kind != GRID_SHAPE) {
    a = chance(4) - (kind == SHIFT_GRID || kind == SHIFT_SHAPE);
    b = chance(4) - 1;
  }
  /* H and W are the grid's shape. */
  static const char *const forms[] = {
      "graph", "full", "none", "self", "khop:A", "window:A", "window:A,B", "causal", "causal:A",
      "dilated:A,S", "strided:A", "block:A", "bipartite:A", "global:A", "knn:A", "queries:A..B",
      "keys:A..B", "shift:A", "grid:A", "axes:A", "shift:A,B", "grid:HxW,A", "shift:HxW,A,B"};
  size_t to = 0;
  for (const char *c = forms[kind]; *c != '\0'; c++) {
    int64_t number = *c == 'A' ? a : *c == 'B' ? b : *c == 'S' ? step : *c == 'H' ? w->shape[0] : width;
    bool plain = strchr("ABSHW", *c) == NULL;
    if (plain) {
      text[to++] = *c;
    } else {
      to += (size_t)sprintf(text + to, "%lld", (long long)number);
    }
  }
  text[to] = '\0';
  if (kind == KHOP) hops(w, a, reached);
  for (int64_t p = 0; p < w->n; p++) {
    for (int64_t q = 0; q < w->n; q++) {
      int64_t s = set_of(w, p), first = w->ptr[s], n = w->ptr[s + 1] - first;
      bool in = s == set_of(w, q);
      int64_t i = p - first, j = q - first, y = 0, x = 0;
      if (width > 0) {
        y = j / width - i / width;
        x = j % width - i % width;
      }
      int64_t apart_y = llabs(y), apart_x = llabs(x);
      switch (kind) {
        case GRAPH: in = in && w->edge[p][q]; break;
        case FULL: in = in && !(w->drop && i == j); break;
        case NONE:
        case SELF: in = in && i == j; break;
        case KHOP: in = in && reached[p][q]; break;
        case WINDOW: in = in && llabs(i - j) <= a; break;
        case LEFT_RIGHT: in = in && j >= i - a && j <= i + b; break;
        case CAUSAL: in = in && j <= i; break;
        case CAUSAL_W: in = in && j <= i && j >= i - a; break;
        case DILATED: in = in && llabs(i - j) <= a && (i - j) % step == 0; break;
        case STRIDED: in = in && (i - j) % a == 0; break;
        case BLOCK: in = in && i / a == j / a; break;
        case BIPARTITE: in = in && (i < a) != (j < a); break;
        case GLOBAL: in = in && (i < a || j < a); break;
        case KNN: in = in && knn(w, p, q, first, n, a); break;
        case QUERIES: in = in && i >= a && i <= b; break;
        case KEYS: in = in && j >= a && j <= b; break;
        case SHIFT: in = in && j - i == a; break;
        case GRID:
        case GRID_SHAPE: in = in && apart_y <= a && apart_x <= a; break;
        case AXES: in = in && apart_y + apart_x <= a && (x == 0 || y == 0); break;
        default: in = in && y == a && x == b; break;
      }
      result[p][q] = in;
    }
  }
}

/* --- Expressions --------------------------------------------------------------------------- */

static const char *space(void) { return chance(6) == 0 ? " " : ""; }

/* A random expression that may stand where `level` is wanted: 0 a sum, 1 a product, 2 a factor. Parentheses are
 * there where they must, and sometimes where they need not. */
static void expression(const world *w, int depth, int level, char *text, square result) {
  int kind = depth == 0 ? 9 : (int)chance(10);
  if (kind > 6) {
    term(w, text, result);
    return;
  }
  char *left = malloc(TEXT), *right = malloc(TEXT);
  square other;
  int own = kind == 6 ? 2 : kind >= 4 ? 1 : 0; /* !, &, the rest */
  bool closed = own < level || chance(6) == 0;
  if (kind == 6) {
    expression(w, depth - 1, 2, left, result);
    snprintf(text, TEXT, "%s!%s%s%s", closed ? "(" : "", space(), left, closed ? ")" : "");
    for (int64_t i = 0; i < w->n; i++) {
      for (int64_t j = 0; j < w->n; j++) result[i][j] = set_of(w, i) == set_of(w, j) && !result[i][j];
    }
  } else {
    char sign = "||+-&&"[kind];
    expression(w, depth - 1, own, left, result);
    expression(w, depth - 1, own + 1, right, other);
    snprintf(text, TEXT, "%s%s%s%c%s%s%s%s", closed ? "(" : "", left, space(), sign, space(), right,
             space(), closed ? ")" : "");
    for (int64_t i = 0; i < w->n; i++) {
      for (int64_t j = 0; j < w->n; j++) {
        bool a = result[i][j], b = other[i][j];
        result[i][j] = sign == '&' ? a && b : sign == '-' ? a && !b : a || b;
      }
    }
  }
  free(left);
  free(right);
}

static bool has(const heed_mask *mask, int64_t i, int64_t j) {
  if (heed_mask_is_full(mask)) return true;
  int64_t first = mask->indptr[i], end = mask->indptr[i + 1];
  if (mask->starts != NULL) return j >= mask->starts[i] && j < mask->starts[i] + end - first;
  for (int64_t p = first; p < end; p++) {
    if (mask->indices[p] == j) return true;
  }
  return false;
}

START_TEST(any_expression) {
  int full = 0, runs = 0, edges = 0;
  char *text = malloc(TEXT);
  for (int round = 0; round < ROUNDS; round++) {
    world w;
    square wanted;
    heed_mask mask;
    heed_mask_needs needs;
    make_world(&w);
    expression(&w, round % 5, 0, text, wanted);
    ok(heed_mask_expression_check(text, &needs));
    ck_assert_int_eq(needs.graph, strstr(text, "graph") != NULL || strstr(text, "khop") != NULL);
    ck_assert_int_eq(needs.features, strstr(text, "knn") != NULL);
    ck_assert(!needs.random);
    ok(heed_mask_from_expression(&mask, text, &w.context));
    ok(heed_mask_check(&mask));
    bool one = true, all = true;
    int64_t pairs = 0;
    for (int64_t i = 0; i < w.n; i++) {
      int parts = 0;
      for (int64_t j = 0; j < w.n; j++) {
        ck_assert_msg(has(&mask, i, j) == wanted[i][j], "%s: (%lld, %lld) of %lld, %lld sets: %d wanted",
                      text, (long long)i, (long long)j, (long long)w.n, (long long)w.n_sets,
                      wanted[i][j]);
        parts += wanted[i][j] && (j == 0 || !wanted[i][j - 1]);
        pairs += wanted[i][j];
        all = all && wanted[i][j];
      }
      one = one && parts <= 1;
    }
    ck_assert_int_eq(mask.n_pairs, pairs);
    ck_assert(mask.edge_ids == NULL || needs.edges);
    edges += mask.edge_ids != NULL;
    if (mask.edge_ids == NULL && w.n > 0) { /* nothing is stored that need not be */
      ck_assert_msg(heed_mask_is_full(&mask) == all, "%s", text);
      ck_assert_msg((mask.starts != NULL) == (one && !all), "%s", text);
      full += all;
      runs += one && !all;
    }
    /* Pairs of the graph keep their edges where nothing takes them. */
    if (strcmp(text, "graph") == 0) ck_assert_int_eq(mask.edge_ids != NULL, w.graph.edge_ids != NULL);
    heed_mask_free(&mask);
    heed_mask_free(&w.graph);
  }
  ck_assert_int_gt(full, 10);
  ck_assert_int_gt(runs, 100);
  ck_assert_int_gt(edges, 50);
  free(text);
}
END_TEST

START_TEST(random_terms) {
  heed_mask mask, wanted, second;
  heed_mask_needs needs;
  heed_mask_context context = {.n_queries = 50, .n_keys = 70, .seed = 9};
  ok(heed_mask_expression_check("random:3", &needs));
  ck_assert(needs.random && !needs.graph && !needs.features && !needs.edges && !needs.grid);
  ok(heed_mask_from_expression(&mask, "random:3", &context));
  ok(heed_mask_random(&wanted, 50, 70, 3, 9));
  ck_assert_int_eq(mask.n_pairs, 150);
  ck_assert(memcmp(mask.indices, wanted.indices, 150 * sizeof *mask.indices) == 0);
  heed_mask_free(&mask);
  heed_mask_free(&wanted);
  /* The second one of an expression draws others. */
  ok(heed_mask_from_expression(&second, "random:3 & random:3", &context));
  ck_assert_int_lt(second.n_pairs, 50);
  heed_mask_free(&second);
  context = (heed_mask_context){.n_queries = 40, .n_keys = 40, .n_sets = 3,
                                .set_ptr = (int64_t[]){0, 2, 20, 40}};
  ok(heed_mask_from_expression(&mask, "random:3", &context));
  ok(heed_mask_check(&mask));
  ck_assert_int_eq(mask.n_pairs, 2 * 2 + 38 * 3);
  for (int64_t i = 0; i < 40; i++) {
    for (int64_t p = mask.indptr[i]; p < mask.indptr[i + 1]; p++) {
      int64_t j = mask.indices[p];
      ck_assert_int_eq((i >= 2) + (i >= 20), (j >= 2) + (j >= 20));
    }
  }
  heed_mask_free(&mask);
}
END_TEST

START_TEST(queries_and_keys) {
  heed_mask mask;
  heed_mask_context context = {.n_queries = 5, .n_keys = 9};
  ok(heed_mask_from_expression(&mask, "full - keys:2..4", &context));
  ck_assert_int_eq(mask.n_pairs, 5 * 6);
  heed_mask_free(&mask);
  ok(heed_mask_from_expression(&mask, "queries:1..3 & keys:6..20", &context));
  ck_assert_int_eq(mask.n_pairs, 3 * 3);
  ck_assert_ptr_nonnull(mask.starts);
  heed_mask_free(&mask);
  ck_assert_int_eq(heed_mask_from_expression(&mask, "full&window:3", &context), HEED_SHAPE);
  ck_assert_ptr_nonnull(strstr(heed_message(), "column 6: mask: window of 5 queries but 9 keys"));
  context.drop_loops = true; /* of which two sets have none */
  ok(heed_mask_from_expression(&mask, "full", &context));
  ck_assert(heed_mask_is_full(&mask));
  heed_mask_free(&mask);
}
END_TEST

/* Edges of the graph's pairs, in whatever way they come into the result. */
START_TEST(edges_stay) {
  static const char *const texts[] = {"graph", "graph|window:1", "!window:0|graph", "graph|!window:0",
                                      "graph&window:3", "graph-keys:3..9", "full&graph", "khop:2"};
  heed_mask bare, graph, mask;
  ok(heed_mask_pairs(&bare, 6, 6, 2, (int64_t[]){0, 1}, (int64_t[]){1, 1}));
  ok(heed_mask_self_loops(&graph, &bare, HEED_LOOPS_ADD));
  heed_mask_context context = {.n_queries = 6, .n_keys = 6, .graph = &graph};
  for (size_t t = 0; t < sizeof texts / sizeof *texts; t++) {
    heed_mask_needs needs;
    ok(heed_mask_expression_check(texts[t], &needs));
    ck_assert(needs.edges);
    ok(heed_mask_from_expression(&mask, texts[t], &context));
    ck_assert_msg(mask.edge_ids != NULL, "%s", texts[t]);
    int64_t p = mask.indptr[0];
    while (mask.indices[p] != 0) p++;
    ck_assert_int_eq(mask.origins[p], HEED_ORIGIN_SELF);
    heed_mask_free(&mask);
  }
  ok(heed_mask_from_expression(&mask, "full - graph", &context));
  ck_assert_ptr_null(mask.edge_ids);
  heed_mask_free(&mask);
  heed_mask_free(&bare);
  heed_mask_free(&graph);
}
END_TEST

START_TEST(what_is_wrong) {
  static const struct {
    const char *text;
    heed_status status;
    const char *says;
  } wrong[] = {
      {"", HEED_ARGUMENT, "column 1: the end, where a term has to stand: graph, khop:K,"},
      {"graf", HEED_ARGUMENT, "mask 'graf', column 1: 'graf' is no term; there are graph, khop:K,"},
      {"graph|graf", HEED_ARGUMENT, "column 7: 'graf'"},
      {"graph|", HEED_ARGUMENT, "column 7: the end"},
      {"graph||full", HEED_ARGUMENT, "column 7: '|'"},
      {"graph full", HEED_ARGUMENT, "column 7: 'f', where |, +, -, & or the end may stand"},
      {"(graph full", HEED_ARGUMENT, "column 8: 'f', where |, +, -, &, ) or the end may stand"},
      {"(graph", HEED_ARGUMENT, "column 1: '(' that is not closed"},
      {"(graph|(full)", HEED_ARGUMENT, "column 1: '(' that is not closed"},
      {"graph)", HEED_ARGUMENT, "column 6: ')' without '('"},
      {")", HEED_ARGUMENT, "column 1: ')'"},
      {"()", HEED_ARGUMENT, "column 2: ')'"},
      {"!", HEED_ARGUMENT, "column 2: the end"},
      {"graph:2", HEED_ARGUMENT, "column 6: graph takes no number"},
      {"khop", HEED_ARGUMENT, "column 1: it has to be khop:K with K at least 1"},
      {"khop:", HEED_ARGUMENT, "column 6: the end, where a number of khop:K"},
      {"khop:0", HEED_ARGUMENT, "column 1: it has to be khop:K with K at least 1"},
      {"khop:-1", HEED_ARGUMENT, "column 6: '-'"},
      {"khop:2x", HEED_ARGUMENT, "column 7: 'x'"},
      {"khop:1,2", HEED_ARGUMENT, "column 1: it has to be khop:K"},
      {"khop:99999999999999999999", HEED_ARGUMENT, "column 6: a number of khop:K with K at least 1 goes up to 2147483647"},
      {"window", HEED_ARGUMENT, "window:W or window:L,R"},
      {"window:1,2,3", HEED_ARGUMENT, "window:W or window:L,R"},
      {"window:1,", HEED_ARGUMENT, "column 9: ','"},
      {"window:1,full", HEED_ARGUMENT, "column 9: ','"},
      {"window:1,2,3,4,5,6,7,8", HEED_ARGUMENT, "too many numbers"},
      {"dilated:3", HEED_ARGUMENT, "dilated:W,STEP"},
      {"dilated:3,0", HEED_ARGUMENT, "dilated:W,STEP"},
      {"strided:0", HEED_ARGUMENT, "strided:S"},
      {"block:0", HEED_ARGUMENT, "block:B"},
      {"grid:3x3", HEED_ARGUMENT, "column 9: a grid's shape alone"},
      {"grid:3x0,1", HEED_ARGUMENT, "column 8: an axis has at least 1 point, not 0"},
      {"grid:1x2x3x4,1", HEED_ARGUMENT, "up to 3 axes"},
      {"grid:3x,1", HEED_ARGUMENT, "column 8: ','"},
      {"shift:3x3,1", HEED_ARGUMENT, "shift:D, or shift:HxW,Y,X"},
      {"shift:--1", HEED_ARGUMENT, "column 8: '-'"},
      {"keys:3", HEED_ARGUMENT, "column 7: '..' has to stand"},
      {"keys:3..2", HEED_ARGUMENT, "A not above B"},
      {"graph\n", HEED_ARGUMENT, "column 6: \\x0a"},
      {"\xff", HEED_ARGUMENT, "column 1: \\xff"},
      {"FULL", HEED_ARGUMENT, "column 1: 'F'"},
      /* Right, but not here. */
      {"full|graph", HEED_ARGUMENT, "column 6: there is no graph here"},
      {"khop:2", HEED_ARGUMENT, "column 1: there is no graph here"},
      {"knn:2", HEED_ARGUMENT, "column 1: there are no features here"},
      {"none|grid:1", HEED_ARGUMENT, "column 6: there is no grid here"},
      {"shift:1,1", HEED_ARGUMENT, "there is no grid here"},
      {"none + grid:3x3,1", HEED_SHAPE, "column 8: mask: 10 nodes, but a grid of 3x3 has 9 points"},
      {"axes:2147483647x2147483647,1", HEED_RANGE, "axis 1"}};
  heed_mask mask;
  heed_mask_context context = {.n_queries = 10, .n_keys = 10};
  for (size_t t = 0; t < sizeof wrong / sizeof *wrong; t++) {
    heed_status status = heed_mask_from_expression(&mask, wrong[t].text, &context);
    ck_assert_msg(status == wrong[t].status, "%s: %s", wrong[t].text, heed_status_name(status));
    ck_assert_msg(strstr(heed_message(), wrong[t].says) != NULL, "%s: %s", wrong[t].text,
                  heed_message());
    ck_assert_ptr_null(mask.owned);
  }
  ck_assert_int_eq(heed_mask_expression_check(NULL, NULL), HEED_ARGUMENT);
}
END_TEST

/* Texts as long and as deep as they may be, and longer. */
START_TEST(long_texts) {
  enum { MANY = 200000 };
  char *text = malloc(MANY + 16);
  heed_mask mask;
  heed_mask_context context = {.n_queries = 3, .n_keys = 3};
  memset(text, '!', MANY);
  strcpy(text + MANY, "none");
  ok(heed_mask_from_expression(&mask, text, &context));
  ck_assert_int_eq(mask.n_pairs, 3);
  heed_mask_free(&mask);
  memset(text, '(', MANY);
  ck_assert_int_eq(heed_mask_expression_check(text, NULL), HEED_ARGUMENT);
  ck_assert_ptr_nonnull(strstr(heed_message(), "column 33: more than 32 parentheses deep"));
  text[0] = '\0';
  for (int t = 0; t < 64; t++) strcat(text, t == 0 ? "none" : "|none");
  ok(heed_mask_from_expression(&mask, text, &context));
  heed_mask_free(&mask);
  strcat(text, "|none");
  ck_assert_int_eq(heed_mask_expression_check(text, NULL), HEED_ARGUMENT);
  ck_assert_ptr_nonnull(strstr(heed_message(), "more than 128 terms and signs"));
  memset(text, 'a', MANY);
  text[MANY] = '\0';
  ck_assert_int_eq(heed_mask_expression_check(text, NULL), HEED_ARGUMENT);
  free(text);
}
END_TEST

START_TEST(wrong_contexts) {
  heed_mask mask, graph;
  int64_t bad[3] = {0, 4, 2}, early[3] = {1, 2, 3}, few[3] = {0, 1, 2};
  heed_mask_context context = {.n_queries = 3, .n_keys = 3, .n_sets = 2, .set_ptr = bad};
  ck_assert_int_eq(heed_mask_from_expression(&mask, "full", &context), HEED_RANGE);
  context.set_ptr = early;
  ck_assert_int_eq(heed_mask_from_expression(&mask, "full", &context), HEED_ARGUMENT);
  context.set_ptr = few;
  ck_assert_int_eq(heed_mask_from_expression(&mask, "full", &context), HEED_SHAPE);
  ok(heed_mask_full(&graph, 4, 4));
  context = (heed_mask_context){.n_queries = 3, .n_keys = 3, .graph = &graph};
  ck_assert_int_eq(heed_mask_from_expression(&mask, "graph", &context), HEED_SHAPE);
  ck_assert_ptr_nonnull(strstr(heed_message(), "4 queries"));
  context = (heed_mask_context){.n_queries = -3, .n_keys = 3};
  ck_assert_int_eq(heed_mask_from_expression(&mask, "full", &context), HEED_RANGE);
}
END_TEST

START_TEST(failing_allocations) {
  static const char *const texts[] = {"graph", "khop:2|knn:3", "!(window:2|random:3)&graph",
                                      "!window:1|graph", "full-self", "graph|!causal", "!none",
                                      "strided:2&grid:5x4,1", "graph-keys:1..3|block:3"};
  heed_mask bare, graph, mask;
  float x[20];
  for (int p = 0; p < 20; p++) x[p] = (float)chance(9);
  heed_matrix features = heed_matrix_view(x, 20, 1);
  ok(heed_mask_random(&bare, 20, 20, 3, 1));
  ok(heed_mask_self_loops(&graph, &bare, HEED_LOOPS_ADD));
  heed_mask_context context = {.n_queries = 20, .n_keys = 20, .graph = &graph, .features = &features,
                               .drop_loops = true};
  for (size_t t = 0; t < sizeof texts / sizeof *texts; t++) {
    for (int n = 0;; n++) {
      size_t held = heed_memory_held();
      heed__alloc_fail_after(n);
      heed_status status = heed_mask_from_expression(&mask, texts[t], &context);
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
  heed_mask_free(&bare);
  heed_mask_free(&graph);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("expression");
  TCase *c = tcase_create("expression");
  tcase_add_checked_fixture(c, set_up, NULL);
  tcase_set_timeout(c, 120);
  tcase_add_test(c, any_expression);
  tcase_add_test(c, random_terms);
  tcase_add_test(c, queries_and_keys);
  tcase_add_test(c, edges_stay);
  tcase_add_test(c, what_is_wrong);
  tcase_add_test(c, long_texts);
  tcase_add_test(c, wrong_contexts);
  tcase_add_test(c, failing_allocations);
  suite_add_tcase(suite, c);
  return run_suite(suite);
}
