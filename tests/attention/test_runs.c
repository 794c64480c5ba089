/* Masks of runs in every kernel: the same as the pairs written out, whatever the threads, and for a block
 * the same bits wherever it lies. */
#include <check.h>
#include <heed/attention.h>
#include <heed/mask.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attention/problem.h"
#include "base/alloc.h"
#include "base/random.h"
#include "chance.h"
#include "expect.h"

static heed_normalizer normalizer; /* of every call */

static void set_up(void) {
  state = 3;
  normalizer = HEED_NORMALIZER_SOFTMAX;
}

static void tear_down(void) {
  heed__kernels_override(NULL);
  ck_assert_int_eq(heed_set_threads(0), HEED_OK);
}

/* Everything of one call forward and one backward; arrays in the order of the enumeration. */
enum { QUERY, KEY, VALUE, A_QUERY, A_KEY, BIAS, D_OUT, EDGES, EDGE_BIAS, EDGE_KEY, EDGE_VALUE, INPUTS };
enum { OUT, LOG_SUM, WEIGHTS, G_QUERY, G_KEY, G_VALUE, G_A, G_A_KEY, G_BIAS, G_EDGE_BIAS, G_EDGE_KEY,
       G_EDGE_VALUE, RESULTS };

typedef struct call {
  heed_attention_spec spec;
  int bias_heads; /* 0: none */
  bool shares;    /* one array is query, key and value */
  float *in[INPUTS];
  float *to[RESULTS];
  int64_t n[RESULTS];
} call;

static float *numbers(int64_t n, uint64_t stream) {
  float *x = malloc((size_t)(n + 1) * sizeof *x);
  heed_random_uniform(11, stream, x, n, -1, 1);
  return x;
}

static void inputs_new(call *c, const heed_mask *mask) {
  int64_t row = (int64_t)c->spec.heads * c->spec.key_dim;
  int64_t value_row = (int64_t)c->spec.heads * c->spec.value_dim;
  int64_t most = mask->n_queries > mask->n_keys ? mask->n_queries : mask->n_keys;
  int64_t n[INPUTS] = {most * row,        mask->n_keys * row, mask->n_keys * value_row, row, row,
                       mask->n_pairs * c->bias_heads, mask->n_queries * value_row,
                       mask->n_pairs * c->spec.edge_dim, (int64_t)c->spec.edge_dim * c->spec.heads,
                       c->spec.edge_dim * row, c->spec.edge_dim * value_row};
  for (int i = 0; i < INPUTS; i++) c->in[i] = numbers(n[i], (uint64_t)i);
}

static void results_new(call *c, const heed_mask *mask) {
  int64_t heads = c->spec.heads, row = heads * c->spec.key_dim, value_row = heads * c->spec.value_dim;
  int64_t most = mask->n_queries > mask->n_keys ? mask->n_queries : mask->n_keys;
  int64_t n[RESULTS] = {mask->n_queries * value_row, mask->n_queries * heads, mask->n_pairs * heads,
                        (c->shares ? most : mask->n_queries) * row, mask->n_keys * row,
                        mask->n_keys * value_row, row, row, mask->n_pairs * c->bias_heads,
                        c->spec.edge_dim * heads, c->spec.edge_dim * row, c->spec.edge_dim * value_row};
  for (int i = 0; i < RESULTS; i++) {
    c->n[i] = n[i];
    c->to[i] = malloc((size_t)(n[i] + 1) * sizeof(float));
    for (int64_t k = 0; k < n[i]; k++) c->to[i][k] = 0;
  }
}

static void free_all(float **arrays, int n) {
  for (int i = 0; i < n; i++) free(arrays[i]);
}

static heed_attention_inputs inputs_of(const call *c) {
  bool gat = c->spec.score == HEED_SCORE_GAT, dot = c->spec.score == HEED_SCORE_DOT;
  bool featured = c->spec.edge_dim > 0;
  return (heed_attention_inputs){.query = c->in[QUERY],
                                 .key = c->shares ? c->in[QUERY] : c->in[KEY],
                                 .value = c->shares ? NULL : c->in[VALUE],
                                 .a_query = gat ? c->in[A_QUERY] : NULL,
                                 .a_key = gat ? c->in[A_KEY] : NULL,
                                 .a = gat || dot ? NULL : c->in[A_QUERY],
                                 .bias = c->bias_heads > 0 ? c->in[BIAS] : NULL,
                                 .bias_heads = c->bias_heads,
                                 .edges = featured ? c->in[EDGES] : NULL,
                                 .edge_bias = featured ? c->in[EDGE_BIAS] : NULL,
                                 .edge_key = featured && !gat ? c->in[EDGE_KEY] : NULL,
                                 .edge_value = featured ? c->in[EDGE_VALUE] : NULL};
}

static heed_status compute(call *c, const heed_mask *mask, bool weights) {
  bool gat = c->spec.score == HEED_SCORE_GAT, dot = c->spec.score == HEED_SCORE_DOT;
  bool featured = c->spec.edge_dim > 0;
  const heed_attention_inputs in = inputs_of(c);
  const heed_attention_outputs out = {
      .out = c->to[OUT], .log_sum_exp = c->to[LOG_SUM], .weights = weights ? c->to[WEIGHTS] : NULL};
  const heed_attention_gradients to = {.out = c->to[OUT],
                                       .log_sum_exp = c->to[LOG_SUM],
                                       .d_out = c->in[D_OUT],
                                       .query = c->to[G_QUERY],
                                       .key = c->shares ? c->to[G_QUERY] : c->to[G_KEY],
                                       .value = c->shares ? NULL : c->to[G_VALUE],
                                       .a_query = gat ? c->to[G_A] : NULL,
                                       .a_key = gat ? c->to[G_A_KEY] : NULL,
                                       .a = gat || dot ? NULL : c->to[G_A],
                                       .bias = c->bias_heads > 0 ? c->to[G_BIAS] : NULL,
                                       .edge_bias = featured ? c->to[G_EDGE_BIAS] : NULL,
                                       .edge_key = featured && !gat ? c->to[G_EDGE_KEY] : NULL,
                                       .edge_value = featured ? c->to[G_EDGE_VALUE] : NULL};
  heed_attention *plan;
  heed_status status = heed_attention_new(&plan, &c->spec, mask);
  if (status != HEED_OK) return status;
  status = heed_attention_prepare_backward(plan, NULL, NULL);
  if (status == HEED_OK) status = heed_attention_forward(plan, &in, &out);
  if (status == HEED_OK) status = heed_attention_backward(plan, &in, &to);
  heed_attention_free(plan);
  return status;
}

static void close_to(const call *a, const call *b, double tolerance, const char *what) {
  for (int i = 0; i < RESULTS; i++) {
    for (int64_t k = 0; k < a->n[i]; k++) {
      double x = (double)a->to[i][k], y = (double)b->to[i][k];
      if (x == y || fabs(x - y) <= tolerance * (1 + fabs(y))) continue; /* Check is slow */
      ck_abort_msg("%s: array %d, number %lld: %g, %g", what, i, (long long)k, x, y);
    }
  }
}

static void same_bits(const call *a, const call *b, const char *what) {
  for (int i = 0; i < RESULTS; i++) {
    for (int64_t k = 0; k < a->n[i]; k++) {
      if (memcmp(a->to[i] + k, b->to[i] + k, sizeof(float)) == 0) continue;
      ck_abort_msg("%s: array %d, number %lld: %a, %a", what, i, (long long)k,
                   (double)a->to[i][k], (double)b->to[i][k]);
    }
  }
}

/* Blocks, windows of all kinds, rows that see nothing, runs in any order, one that is longer than a tile. */
enum { MASKS = 9 };

static void make_mask(heed_mask *mask, int which) {
  static const int64_t blocks[] = {0, 20, 33, 33, 34, 64, 75}, seeds[] = {0, 1, 2, 3, 4, 5, 6},
                       four[] = {0, 4, 8, 12, 16, 20, 24};
  int32_t starts[300], counts[300];
  switch (which) {
    case 0: ok(heed_mask_blocks(mask, 6, blocks, blocks)); return;
    case 1: ok(heed_mask_blocks(mask, 6, seeds, blocks)); return;
    case 2: ok(heed_mask_blocks(mask, 6, four, blocks)); return;
    case 3: ok(heed_mask_window(mask, 130, 17, 20)); return;
    case 4: ok(heed_mask_window(mask, 100, 1000, 0)); return;
    case 5: ok(heed_mask_window(mask, 250, 130, 3)); return;
    case 6: ok(heed_mask_blocks(mask, 6, blocks, four)); return;
    case 7:
      for (int i = 0; i < 25; i++) {
        starts[i] = (int32_t)chance(200);
        counts[i] = chance(6) == 0 ? 0 : (int32_t)chance(201 - starts[i]);
      }
      ok(heed_mask_runs(mask, 25, 200, starts, counts));
      return;
    default:
      for (int i = 0; i < 7; i++) {
        starts[i] = 0;
        counts[i] = i == 3 ? 4500 : i * 3;
      }
      ok(heed_mask_runs(mask, 7, 4500, starts, counts));
  }
}

static const struct {
  int heads, dim, value_dim;
} shapes[] = {{4, 16, 16}, {8, 8, 8}, {8, 16, 16}, {1, 7, 7}, {3, 5, 6}, {1, 16, 16}, {4, 2, 2},
              {4, 4, 4}, {4, 8, 8}, {8, 2, 2}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static call call_of(int score, int kernel, int shape, const heed_mask *mask, int bias_heads,
                    float dropout, int edge_dim) {
  call c = {.spec = heed_attention_spec_default(shapes[shape].heads, shapes[shape].dim)};
  c.spec.value_dim = shapes[shape].value_dim;
  c.spec.score = (heed_score)score;
  c.spec.normalizer = normalizer;
  c.spec.kernel = (heed_kernel)kernel;
  c.spec.dropout = dropout;
  c.spec.seed = 9;
  c.spec.edge_dim = edge_dim;
  c.bias_heads = bias_heads == 2 ? c.spec.heads : bias_heads;
  inputs_new(&c, mask);
  return c;
}

/* One case: runs against pairs, against the plain version, by other threads. */
static void check_case(int score, int kernel, int shape, const heed_mask *mask, int bias_heads,
                       float dropout, bool weights, bool shares, int edge_dim) {
  char what[120];
  snprintf(what, sizeof what,
           "score %d, kernel %d, shape %d, %lld x %lld, bias %d, dropout %g, features %d", score, kernel,
           shape, (long long)mask->n_queries, (long long)mask->n_keys, bias_heads, (double)dropout,
           edge_dim);
  heed_mask pairs;
  ok(heed_mask_explicit(&pairs, mask));
  call c = call_of(score, kernel, shape, mask, bias_heads, dropout, edge_dim);
  c.shares = shares;
  call listed = c, plain = c, threads = c;
  plain.spec.kernel = HEED_KERNEL_REFERENCE;
  results_new(&c, mask);
  results_new(&listed, mask);
  results_new(&plain, mask);
  results_new(&threads, mask);
  ok(heed_set_threads(1));
  ok(compute(&c, mask, weights));
  ok(compute(&listed, &pairs, weights));
  bool few = mask->n_pairs < 1800; /* the plain version is slow */
  if (few) ok(compute(&plain, &pairs, weights));
  ok(heed_set_threads(2));
  ok(compute(&threads, mask, weights));
  if (kernel != HEED_KERNEL_DENSE) same_bits(&c, &listed, what);
  close_to(&c, &listed, 2e-5, what);
  if (few) close_to(&c, &plain, 1e-4, what);
  same_bits(&c, &threads, what);
  free_all(c.in, INPUTS);
  free_all(c.to, RESULTS);
  free_all(listed.to, RESULTS);
  free_all(plain.to, RESULTS);
  free_all(threads.to, RESULTS);
  heed_mask_free(&pairs);
}

static const char *const isas[] = {"portable", "avx2", "avx512"};

/* Goes on with the kernels of instruction set `i`; false if there are none. */
static bool use_isa(int i) {
  const heed__kernels *kernels = heed__kernels_named(isas[i]);
  heed__kernels_override(kernels);
  return kernels != NULL;
}

START_TEST(runs_are_their_pairs) {
  if (!use_isa(_i % 3)) return;
  normalizer = (heed_normalizer)(_i / 3);
  for (int which = 0; which < MASKS; which++) {
    if (normalizer != HEED_NORMALIZER_SOFTMAX && (_i + which) % 2 != 0) continue;
    heed_mask mask;
    make_mask(&mask, which);
    for (int score = 0; score <= HEED_SCORE_ADDITIVE; score++) {
      for (int kernel = HEED_KERNEL_SPARSE; kernel <= HEED_KERNEL_REFERENCE; kernel++) {
        bool large = mask.n_pairs > 1800;
        for (int shape = (3 * which + 2 * score + kernel) % 5; shape < SHAPES; shape += large ? 9 : 5) {
          int variant = (score + kernel + shape + which) % 3;
          if (large ? score > 0 || kernel == HEED_KERNEL_REFERENCE : shape > 5) continue;
          bool alike = shapes[shape].dim == shapes[shape].value_dim;
          check_case(score, kernel, shape, &mask, variant, 0.3f, shape % 2 == 0, false, 0);
          if (large && score > 0) continue;
          check_case(score, kernel, shape, &mask, 0, 0, shape % 2 == 1, alike && which % 2 == 0, 0);
          check_case(score, kernel, shape, &mask, variant, 0, shape % 2 == 0, false, large ? 2 : 5);
        }
      }
    }
    heed_mask_free(&mask);
  }
}
END_TEST

/* A graph by itself, `before` nodes (in small graphs) after the start of a batch. */
static heed_mask graph_in_batch(const heed_mask *graph, int64_t before, int64_t after, bool runs) {
  int64_t nq = graph->n_queries, nk = graph->n_keys, rows = before + nq + after;
  int64_t keys = before + nk + after, most = (before + after) * 4 + graph->n_pairs, p = 0;
  int64_t *indptr = malloc((size_t)(rows + 1) * sizeof *indptr);
  int32_t *indices = malloc((size_t)(most + 1) * sizeof *indices);
  int32_t *starts = malloc((size_t)(rows + 1) * sizeof *starts);
  int32_t *counts = malloc((size_t)(rows + 1) * sizeof *counts);
  indptr[0] = 0;
  for (int64_t i = 0; i < rows; i++) {
    int64_t from, n;
    if (i < before) {
      from = i / 3 * 3;
      n = before - from < 3 ? before - from : 3;
    } else if (i >= before + nq) {
      int64_t k = i - before - nq;
      from = before + nk + k / 4 * 4;
      n = keys - from < 4 ? keys - from : 4;
    } else {
      int64_t r = i - before, first = graph->indptr[r];
      n = graph->indptr[r + 1] - first;
      from = before + (graph->starts != NULL ? graph->starts[r] : 0);
      for (int64_t k = 0; k < n && graph->indices != NULL; k++) {
        indices[p + k] = (int32_t)(before + graph->indices[first + k]);
      }
    }
    bool listed = i >= before && i < before + nq && graph->indices != NULL;
    for (int64_t k = 0; k < n && !listed; k++) indices[p + k] = (int32_t)(from + k);
    starts[i] = (int32_t)from;
    counts[i] = (int32_t)n;
    p += n;
    indptr[i + 1] = p;
  }
  heed_mask view, result;
  if (runs) {
    ok(heed_mask_runs(&result, rows, keys, starts, counts));
  } else {
    ok(heed_mask_view(&view, rows, keys, indptr, indices));
    ok(heed_mask_explicit(&result, &view));
  }
  free(indptr);
  free(indices);
  free(starts);
  free(counts);
  return result;
}

/* Copies what belongs to the graph from its own inputs into those of the batch, or from the results of the
 * batch into `graph`. Each has `each` numbers a query (by = 0), key (1) or pair (2). */
static void copy_part(float *whole, float *part, const heed_mask *batch, const heed_mask *graph,
                      int64_t before, int by, int64_t each, bool out) {
  int64_t at = by == 2 ? batch->indptr[before] : before;
  int64_t n = by == 2 ? graph->n_pairs : by == 1 ? graph->n_keys : graph->n_queries;
  if (n * each == 0) return;
  if (out) {
    memcpy(part, whole + at * each, (size_t)(n * each) * sizeof *part);
  } else {
    memcpy(whole + at * each, part, (size_t)(n * each) * sizeof *part);
  }
}

static void check_batch(int score, int kernel, int shape, const heed_mask *graph, int bias_heads,
                        int64_t before, int64_t after, bool shares) {
  char what[120];
  snprintf(what, sizeof what, "score %d, kernel %d, shape %d, %lld x %lld after %lld%s", score, kernel,
           shape, (long long)graph->n_queries, (long long)graph->n_keys, (long long)before,
           graph->starts != NULL ? ", runs" : "");
  heed_mask batch = graph_in_batch(graph, before, after, graph->starts != NULL);
  call alone = call_of(score, kernel, shape, graph, bias_heads, 0, 0);
  call whole = call_of(score, kernel, shape, &batch, bias_heads, 0, 0);
  alone.shares = whole.shares = shares;
  call part = alone;
  results_new(&alone, graph);
  results_new(&part, graph);
  results_new(&whole, &batch);
  int64_t heads = alone.spec.heads, row = heads * alone.spec.key_dim,
          value_row = heads * alone.spec.value_dim;
  copy_part(whole.in[QUERY], alone.in[QUERY], &batch, graph, before, 0, row, false);
  copy_part(whole.in[KEY], alone.in[KEY], &batch, graph, before, 1, row, false);
  copy_part(whole.in[VALUE], alone.in[VALUE], &batch, graph, before, 1, value_row, false);
  copy_part(whole.in[D_OUT], alone.in[D_OUT], &batch, graph, before, 0, value_row, false);
  copy_part(whole.in[BIAS], alone.in[BIAS], &batch, graph, before, 2, alone.bias_heads, false);
  memcpy(whole.in[A_QUERY], alone.in[A_QUERY], (size_t)row * sizeof(float));
  memcpy(whole.in[A_KEY], alone.in[A_KEY], (size_t)row * sizeof(float));
  ok(heed_set_threads(1));
  ok(compute(&alone, graph, true));
  ok(heed_set_threads(2));
  ok(compute(&whole, &batch, true));
  static const int by[RESULTS] = {0, 0, 2, 0, 1, 1, -1, -1, 2};
  const int64_t each[RESULTS] = {value_row, heads, heads, row, row, value_row, 0, 0,
                                 alone.bias_heads};
  for (int i = 0; i < RESULTS; i++) {
    if (by[i] >= 0) {
      copy_part(whole.to[i], part.to[i], &batch, graph, before, by[i], each[i], true);
    } else { /* sums over the batch */
      memcpy(part.to[i], alone.to[i], (size_t)alone.n[i] * sizeof(float));
    }
  }
  same_bits(&part, &alone, what);
  free_all(alone.in, INPUTS);
  free_all(whole.in, INPUTS);
  free_all(alone.to, RESULTS);
  free_all(part.to, RESULTS);
  free_all(whole.to, RESULTS);
  heed_mask_free(&batch);
}

/* A graph of `n` nodes: its pairs at random, some nodes alone; or all of them as a run. */
static void make_graph(heed_mask *mask, int64_t n, bool runs) {
  int64_t ptr[2] = {0, n}, *indptr = malloc((size_t)(n + 1) * sizeof *indptr), p = 0;
  int32_t *indices = malloc((size_t)(n * n + 1) * sizeof *indices);
  heed_mask view;
  if (runs) {
    ok(heed_mask_blocks(mask, 1, ptr, ptr));
  } else {
    indptr[0] = 0;
    for (int64_t i = 0; i < n; i++) {
      int64_t percent = chance(10) == 0 ? 0 : 5 + chance(60);
      for (int64_t j = 0; j < n; j++) {
        if (chance(100) < percent) indices[p++] = (int32_t)j;
      }
      indptr[i + 1] = p;
    }
    ok(heed_mask_view(&view, n, n, indptr, indices));
    ok(heed_mask_explicit(mask, &view));
  }
  free(indptr);
  free(indices);
}

START_TEST(a_graph_has_the_same_bits_in_any_batch) {
  if (!use_isa(_i % 3)) return;
  normalizer = (heed_normalizer)(_i / 3);
  static const int64_t befores[] = {1, 7, 185, 333}, sizes[] = {1, 13, 23, 60, 230};
  for (int size = 0; size < 5; size++) {
    for (int runs = 0; runs < 2; runs++) {
      heed_mask graph;
      make_graph(&graph, sizes[size], runs == 1);
      for (int score = 0; score <= HEED_SCORE_ADDITIVE; score++) {
        if (score > 0 && (size == 4 || normalizer != HEED_NORMALIZER_SOFTMAX)) continue;
        for (int kernel = HEED_KERNEL_SPARSE; kernel <= HEED_KERNEL_DENSE; kernel++) {
          for (int shape = (size + score + 2 * runs) % 5; shape < SHAPES; shape += size == 4 ? 9 : 5) {
            int at = (shape + score + runs) % 4;
            if (score == 0) check_batch(score, kernel, shape, &graph, 0, befores[at], 40, false);
            check_batch(score, kernel, shape, &graph, shape % 3, befores[(at + 1) % 4], at * 3,
                        shape != 4 && shape % 2 == 0);
          }
        }
      }
      heed_mask_free(&graph);
    }
  }
}
END_TEST

START_TEST(a_window_long_enough_is_the_full_mask) {
  if (!use_isa(_i)) return;
  heed_mask window, full;
  ok(heed_mask_window(&window, 50, 50, 50));
  ok(heed_mask_full(&full, 50, 50));
  for (int kernel = HEED_KERNEL_SPARSE; kernel <= HEED_KERNEL_REFERENCE; kernel++) {
    call c = call_of(HEED_SCORE_DOT, kernel, 0, &full, 2, 0.2f, 0), other = c;
    results_new(&c, &full);
    results_new(&other, &full);
    ok(compute(&c, &window, true));
    ok(compute(&other, &full, true));
    if (kernel == HEED_KERNEL_DENSE) same_bits(&c, &other, "window");
    close_to(&c, &other, 1e-5, "window");
    free_all(c.in, INPUTS);
    free_all(c.to, RESULTS);
    free_all(other.to, RESULTS);
  }
  heed_mask_free(&window);
}
END_TEST

/* A transpose that is given, with and without the numbers of its pairs. */
START_TEST(transposes_may_be_given) {
  heed_mask mask, transposed;
  for (int which = 0; which < 8; which++) {
    make_mask(&mask, which);
    int64_t *pairs = malloc((size_t)(mask.n_pairs + 1) * sizeof *pairs);
    ok(heed_mask_transpose(&transposed, &mask, pairs));
    call c = call_of(HEED_SCORE_GATV2, HEED_KERNEL_SPARSE, 1, &mask, 1, 0.5f, 0), other = c;
    results_new(&c, &mask);
    ok(compute(&c, &mask, false));
    for (int numbered = 0; numbered < 2; numbered++) {
      results_new(&other, &mask);
      const heed_attention_inputs in = inputs_of(&other);
      const heed_attention_outputs out = {.out = other.to[OUT], .log_sum_exp = other.to[LOG_SUM]};
      const heed_attention_gradients to = {.out = other.to[OUT],
                                           .log_sum_exp = other.to[LOG_SUM],
                                           .d_out = other.in[D_OUT],
                                           .query = other.to[G_QUERY],
                                           .key = other.to[G_KEY],
                                           .value = other.to[G_VALUE],
                                           .a = other.to[G_A],
                                           .bias = other.to[G_BIAS]};
      heed_attention *plan;
      ok(heed_attention_new(&plan, &other.spec, &mask));
      ok(heed_attention_prepare_backward(plan, &transposed, numbered ? pairs : NULL));
      ok(heed_attention_forward(plan, &in, &out));
      ok(heed_attention_backward(plan, &in, &to));
      heed_attention_free(plan);
      same_bits(&c, &other, "given");
      free_all(other.to, RESULTS);
    }
    free_all(c.in, INPUTS);
    free_all(c.to, RESULTS);
    free(pairs);
    heed_mask_free(&mask);
    heed_mask_free(&transposed);
  }
}
END_TEST

START_TEST(hostile_runs_are_refused) {
  heed_mask mask;
  heed_attention *plan;
  heed_attention_spec spec = heed_attention_spec_default(2, 4);
  ok(heed_mask_window(&mask, 9, 2, 2));
  heed_mask bad = mask;
  bad.n_pairs++;
  ck_assert_int_eq(heed_attention_new(&plan, &spec, &bad), HEED_SHAPE);
  bad = mask;
  bad.indptr = NULL;
  ck_assert_int_eq(heed_attention_new(&plan, &spec, &bad), HEED_ARGUMENT);
  static const int32_t zeros[9] = {0};
  bad = mask;
  bad.indices = zeros;
  ck_assert_int_eq(heed_attention_new(&plan, &spec, &bad), HEED_ARGUMENT);
  int32_t starts[9] = {0, 0, 0, 1, 2, 3, 4, 5, 7}; /* row 8 ends at 10 */
  bad = mask;
  bad.starts = starts;
  ck_assert_int_eq(heed_attention_new(&plan, &spec, &bad), HEED_RANGE);
  starts[8] = -1;
  ck_assert_int_eq(heed_attention_new(&plan, &spec, &bad), HEED_RANGE);
  ck_assert_ptr_null(plan);
  heed_mask other;
  ok(heed_mask_window(&other, 8, 2, 2));
  ok(heed_attention_new(&plan, &spec, &mask));
  ck_assert_int_eq(heed_attention_prepare_backward(plan, &other, NULL), HEED_SHAPE);
  heed_attention_free(plan);
  heed_mask_free(&other);
  heed_mask_free(&mask);
}
END_TEST

START_TEST(failed_allocations_leave_nothing) {
  heed_mask mask;
  make_mask(&mask, _i % MASKS);
  for (int kernel = HEED_KERNEL_AUTO; kernel <= HEED_KERNEL_REFERENCE; kernel++) {
    call c = call_of(HEED_SCORE_DOT, kernel, 4, &mask, 0, 0, 0);
    results_new(&c, &mask);
    ok(compute(&c, &mask, false)); /* what is measured once stays */
    size_t held = heed_memory_held();
    long n = 0;
    for (;; n++) {
      ck_assert_int_lt(n, 300);
      heed__alloc_fail_after(n);
      heed_status status = compute(&c, &mask, false);
      heed__alloc_fail_after(-1);
      ck_assert_uint_eq(heed_memory_held(), held);
      if (status == HEED_OK) break;
      ck_assert_int_eq(status, HEED_NOMEM);
    }
    ck_assert_int_gt(n, 0);
    free_all(c.in, INPUTS);
    free_all(c.to, RESULTS);
  }
  heed_mask_free(&mask);
}
END_TEST

/* A window's plan, backward too, needs memory by its queries and keys, not by its pairs. */
START_TEST(memory_is_linear) {
  enum { NODES = 3000 };
  heed_mask mask;
  ok(heed_mask_window(&mask, NODES, NODES, 0));
  heed_attention_spec spec = heed_attention_spec_default(1, 4);
  for (int kernel = HEED_KERNEL_SPARSE; kernel <= HEED_KERNEL_DENSE; kernel++) {
    spec.kernel = (heed_kernel)kernel;
    size_t held = heed_memory_held();
    heed_attention *plan;
    ok(heed_attention_new(&plan, &spec, &mask));
    ok(heed_attention_prepare_backward(plan, NULL, NULL));
    ck_assert_uint_lt(heed_memory_held() - held, 4 << 20);
    heed_attention_free(plan);
  }
  heed_mask_free(&mask);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("attention runs");
  TCase *tests = tcase_create("runs");
  tcase_set_timeout(tests, 300);
  tcase_add_checked_fixture(tests, set_up, tear_down);
  tcase_add_loop_test(tests, runs_are_their_pairs, 0, 12);
  tcase_add_loop_test(tests, a_graph_has_the_same_bits_in_any_batch, 0, 12);
  tcase_add_loop_test(tests, a_window_long_enough_is_the_full_mask, 0, 3);
  tcase_add_test(tests, transposes_may_be_given);
  tcase_add_test(tests, hostile_runs_are_refused);
  tcase_add_loop_test(tests, failed_allocations_leave_nothing, 0, 8);
  tcase_add_test(tests, memory_is_linear);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
