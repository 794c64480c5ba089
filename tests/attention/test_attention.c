#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "attention/oracle.h"
#include "base/alloc.h"
#include "expect.h"

/* Every kernel, instruction set and pattern against the oracle; one loop test a score and shape. */
static void against_oracle(heed_score score, int shape, heed_normalizer normalizer) {
  for (int pattern = 0; pattern < PATTERNS; pattern++) {
    if (normalizer != HEED_NORMALIZER_SOFTMAX) score = (heed_score)((shape + pattern) % 4);
    recipe r = recipe_of(score, shape, pattern);
    r.dropout = 0; /* which the oracle leaves out */
    r.normalizer = normalizer;
    trial t;
    trial_make(&t, &r);
    int64_t n_out = r.n_queries * r.heads * r.value_dim, n_stat = r.n_queries * r.heads;
    int64_t n_weights = t.mask.n_pairs * r.heads;
    double *out = malloc((size_t)(n_out + n_weights + n_stat + 1) * sizeof *out);
    double *weights = out + n_out, *log_sum_exp = weights + n_weights;
    trial_oracle(&t, out, weights, log_sum_exp);
    for (int k = 0; k < KERNELS; k++) {
      for (int i = 0; i < ISAS; i++) {
        if (kernels_for(kernels[k], i) == NULL) continue;
        memset(t.out, 0xff, (size_t)n_out * sizeof *t.out); /* not a number */
        memset(t.weights, 0xff, (size_t)n_weights * sizeof *t.weights);
        trial_run(&t, kernels[k], 1);
        double error = fmax(relative_error(t.out, out, n_out),
                            fmax(relative_error(t.weights, weights, n_weights),
                                 relative_error(t.log_sum_exp, log_sum_exp, n_stat)));
        ck_assert_msg(error < 1e-5, "%s %s %s %s, %d heads, %d, %d, pattern %d: %g",
                      heed_score_name(score), heed_normalizer_name(normalizer), heed_kernel_name(kernels[k]), isas[i], r.heads,
                      r.key_dim, r.value_dim, pattern, error);
      }
    }
    free(out);
    trial_free(&t);
  }
}

START_TEST(dot_is_right) { against_oracle(HEED_SCORE_DOT, _i, HEED_NORMALIZER_SOFTMAX); }
END_TEST
START_TEST(gat_is_right) { against_oracle(HEED_SCORE_GAT, _i, HEED_NORMALIZER_SOFTMAX); }
END_TEST
START_TEST(gatv2_is_right) { against_oracle(HEED_SCORE_GATV2, _i, HEED_NORMALIZER_SOFTMAX); }
END_TEST
START_TEST(additive_is_right) {
  against_oracle(HEED_SCORE_ADDITIVE, _i, HEED_NORMALIZER_SOFTMAX);
}
END_TEST

/* Scores and patterns in turn, so that every normaliser meets every pair of them. */
START_TEST(other_normalizers_are_right) {
  against_oracle(HEED_SCORE_DOT, _i / 3, (heed_normalizer)(1 + _i % 3));
}
END_TEST

/* A hub longer than several segments among short and empty rows. */
static recipe star(heed_score score, float dropout) {
  /* A size with a kernel of its own, and one without. */
  int32_t value_dim = score == HEED_SCORE_DOT || score == HEED_SCORE_GAT ? 8 : 6;
  return (recipe){.score = score, .heads = 4, .key_dim = 8, .value_dim = value_dim, .n_queries = 60,
                  .n_keys = 2 * SEGMENT_PAIRS + 77, .density = 0.001, .hub = 7, .bias_heads = 4,
                  .shut = 0.1f, .dropout = dropout, .seed = 5};
}

START_TEST(long_rows_are_joined) {
  recipe r = star((heed_score)(_i % 4), 0);
  if (_i / 4 % 2) r.edge_dim = 5;
  r.normalizer = (heed_normalizer)(_i / 8);
  trial t;
  trial_make(&t, &r);
  int64_t n_out = r.n_queries * r.heads * r.value_dim, n_weights = t.mask.n_pairs * r.heads;
  double *out = malloc((size_t)(n_out + n_weights + r.n_queries * r.heads) * sizeof *out);
  trial_oracle(&t, out, out + n_out, out + n_out + n_weights);
  for (int k = 0; k < KERNELS; k++) {
    trial_run(&t, kernels[k], 3);
    ck_assert_double_lt(relative_error(t.out, out, n_out), 1e-5);
    ck_assert_double_lt(relative_error(t.weights, out + n_out, n_weights), 1e-5);
    ck_assert_double_lt(
        relative_error(t.log_sum_exp, out + n_out + n_weights, r.n_queries * r.heads), 1e-5);
  }
  free(out);
  trial_free(&t);
}
END_TEST

/* The sparse kernel of every instruction set against the oracle; of `what` the message says. */
static void holds_in_every_isa(trial *t, const recipe *r, int threads, size_t what) {
  int64_t n_out = r->n_queries * r->heads * r->value_dim, n_weights = t->mask.n_pairs * r->heads;
  double *out = malloc((size_t)(n_out + n_weights + r->n_queries * r->heads) * sizeof *out);
  trial_oracle(t, out, out + n_out, out + n_out + n_weights);
  for (int i = 0; i < ISAS; i++) {
    if (kernels_for(HEED_KERNEL_SPARSE, i) == NULL) continue;
    trial_run(t, HEED_KERNEL_SPARSE, threads);
    double error = relative_error(t->out, out, n_out);
    error = fmax(error, relative_error(t->weights, out + n_out, n_weights));
    error = fmax(error, relative_error(t->log_sum_exp, out + n_out + n_weights,
                                       r->n_queries * r->heads));
    ck_assert_msg(error < 1e-4, "%s, size %zu: %g", isas[i], what, error);
  }
  free(out);
}

/* Biases that take the sums of some rows, or of some segments of one, beyond the range of floats. */
START_TEST(large_biases_are_right) {
  static const struct {
    int32_t heads, key_dim, value_dim, edge_dim;
  } sizes[] = {{4, 16, 16, 9}, {8, 8, 8, 0}, {8, 8, 8, 20}, {4, 8, 8, 3}, {1, 16, 16, 5}, {1, 7, 3, 17},
               {8, 64, 64, 2}, {3, 5, 5, 4}};
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    for (int star_of = 0; star_of < 2; star_of++) {
      recipe r = star((heed_score)_i, 0);
      r.heads = sizes[s].heads;
      r.key_dim = sizes[s].key_dim;
      r.value_dim = sizes[s].value_dim;
      r.edge_dim = sizes[s].edge_dim;
      r.bias_heads = s % 2 == 0 ? r.heads : 1;
      r.stretch = s % 3 == 0 ? 30 : 300;
      if (star_of == 0) r.n_keys = 90, r.density = 0.05;
      trial t;
      trial_make(&t, &r);
      holds_in_every_isa(&t, &r, 1, s);
      trial_free(&t);
    }
  }
}
END_TEST

/* A row cut in two, of whose halves one head is shut out of one and sees the other only by logits whose
 * exponentials are 0. */
START_TEST(a_segment_may_be_shut_out) {
  static const int32_t sizes[][2] = {{4, 16}, {8, 8}, {4, 8}, {1, 16}, {1, 7}, {8, 16}, {3, 5}};
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    recipe r = star((heed_score)_i, 0);
    r.heads = r.bias_heads = sizes[s][0];
    r.key_dim = r.value_dim = sizes[s][1];
    r.n_queries = 3;
    r.hub = 1;
    r.n_keys = 2 * SEGMENT_PAIRS;
    trial t;
    trial_make(&t, &r);
    float *bias = t.bias + t.indptr[r.hub] * r.heads;
    for (int64_t k = 0; k < r.n_keys * r.heads; k++) {
      int64_t head = k % r.heads, half = k / r.heads / SEGMENT_PAIRS;
      if (head < 2) bias[k] = half == head ? -INFINITY : -200;
    }
    holds_in_every_isa(&t, &r, 2, s);
    trial_free(&t);
  }
}
END_TEST

/* Copies of the results of one run. */
static char *results(const trial *t, size_t *bytes) {
  size_t out = (size_t)(t->mask.n_queries * t->spec.heads * t->spec.value_dim) * sizeof(float);
  size_t weights = (size_t)(t->mask.n_pairs * t->spec.heads) * sizeof(float);
  size_t stats = (size_t)(t->mask.n_queries * t->spec.heads) * sizeof(float);
  char *copy = malloc(out + weights + stats);
  memcpy(copy, t->out, out);
  memcpy(copy + out, t->weights, weights);
  memcpy(copy + out + weights, t->log_sum_exp, stats);
  *bytes = out + weights + stats;
  return copy;
}

START_TEST(threads_do_not_change_a_bit) {
  heed_score score = (heed_score)(_i % 4);
  recipe sizes[] = {star(score, 0.3f),
                    {.score = score, .heads = 8, .key_dim = 8, .value_dim = 8,
                     .n_queries = 300, .n_keys = 300, .density = 0.08, .hub = 0, .seed = 3},
                    {.score = score, .heads = 3, .key_dim = 16, .value_dim = 5,
                     .n_queries = 140, .n_keys = 600, .density = 2, .hub = -1, .dropout = 0.5f},
                    {.score = score, .heads = 4, .key_dim = 16, .value_dim = 8,
                     .n_queries = 900, .n_keys = 300, .density = 0.02, .hub = 3, .dropout = 0.2f,
                     .bias_heads = 1, .seed = 4, .edge_dim = 13}};
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    trial t;
    sizes[s].normalizer = (heed_normalizer)(_i / 4);
    trial_make(&t, sizes + s);
    for (int k = 0; k < KERNELS; k++) {
      size_t bytes;
      trial_run(&t, kernels[k], 1);
      char *one = results(&t, &bytes);
      for (int threads = 2; threads <= 7; threads += 5) {
        trial_run(&t, kernels[k], threads);
        char *many = results(&t, &bytes);
        ck_assert_int_eq(memcmp(one, many, bytes), 0);
        free(many);
      }
      free(one);
    }
    trial_free(&t);
  }
}
END_TEST

START_TEST(kernels_drop_the_same_weights) {
  recipe r = star((heed_score)(_i % 4), 0.4f);
  if (_i / 4 % 2) r.edge_dim = 3;
  trial t;
  trial_make(&t, &r);
  int64_t n = t.mask.n_pairs * r.heads, n_out = r.n_queries * r.heads * r.value_dim;
  double *weights = malloc((size_t)n * sizeof *weights), *out = malloc((size_t)n_out * sizeof *out);
  trial_run(&t, HEED_KERNEL_REFERENCE, 1);
  int64_t dropped = 0, shut = 0;
  for (int64_t p = 0; p < n; p++) {
    weights[p] = (double)t.weights[p];
    shut += isinf(t.bias[p]) != 0;
    dropped += weights[p] == 0 && !isinf(t.bias[p]);
  }
  for (int64_t i = 0; i < n_out; i++) out[i] = (double)t.out[i];
  double share = (double)dropped / (double)(n - shut);
  ck_assert_double_gt(share, 0.38);
  ck_assert_double_lt(share, 0.42);
  for (int k = 1; k < KERNELS; k++) {
    trial_run(&t, kernels[k], 2);
    ck_assert_double_lt(relative_error(t.weights, weights, n), 1e-5);
    ck_assert_double_lt(relative_error(t.out, out, n_out), 1e-5);
    for (int64_t p = 0; p < n; p++) ck_assert((t.weights[p] == 0) == (weights[p] == 0));
  }
  t.spec.seed++;
  trial_run(&t, HEED_KERNEL_SPARSE, 2);
  ck_assert_double_gt(relative_error(t.weights, weights, n), 0.1);
  free(weights);
  free(out);
  trial_free(&t);
}
END_TEST

/* Nodes renamed: the same numbers, renamed. The order of a row changes, hence the rounding. */
START_TEST(permutation_equivariant) {
  enum { N = 90, HEADS = 4, DIM = 8, WIDTH = HEADS * DIM, FEATURES = 6 };
  recipe r = {.score = (heed_score)_i, .heads = HEADS, .key_dim = DIM, .value_dim = DIM,
              .n_queries = N, .n_keys = N, .density = 0.2, .hub = 4, .seed = 11};
  r.score = (heed_score)(_i % 4);
  if (_i >= 4) r.edge_dim = FEATURES;
  trial t, u;
  trial_make(&t, &r);
  trial_make(&u, &r);
  int to[N];
  for (int i = 0; i < N; i++) to[i] = (i * 37 + 5) % N;
  int64_t *pair = calloc((size_t)N * N, sizeof *pair); /* its number in t, from 1 on */
  for (int64_t i = 0; i < N; i++) {
    for (int64_t p = t.indptr[i]; p < t.indptr[i + 1]; p++) pair[to[i] * N + to[t.indices[p]]] = p + 1;
    memcpy(u.query + to[i] * WIDTH, t.query + i * WIDTH, WIDTH * sizeof(float));
    memcpy(u.key + to[i] * WIDTH, t.key + i * WIDTH, WIDTH * sizeof(float));
    memcpy(u.value + to[i] * WIDTH, t.value + i * WIDTH, WIDTH * sizeof(float));
  }
  int64_t n = 0;
  for (int64_t i = 0; i < N; i++) {
    for (int64_t j = 0; j < N; j++) {
      if (pair[i * N + j] == 0) continue;
      if (r.edge_dim > 0) {
        memcpy(u.edges + n * FEATURES, t.edges + (pair[i * N + j] - 1) * FEATURES,
               FEATURES * sizeof(float));
      }
      u.indices[n++] = (int32_t)j;
    }
    u.indptr[i + 1] = n;
  }
  for (int k = 0; k < KERNELS; k++) {
    trial_run(&t, kernels[k], 1);
    trial_run(&u, kernels[k], 1);
    for (int i = 0; i < N * WIDTH; i++) {
      float there = u.out[to[i / WIDTH] * WIDTH + i % WIDTH];
      ck_assert_float_le(fabsf(t.out[i] - there), 2e-6f);
    }
  }
  free(pair);
  trial_free(&t);
  trial_free(&u);
}
END_TEST

/* Features of pairs take two numbers a pair and head and nothing of the size of a pair and dimension, and
 * what was announced. */
START_TEST(edges_take_numbers_a_pair_and_head) {
  for (int k = 1; k < KERNELS; k++) {
    recipe r = {.score = HEED_SCORE_GATV2, .heads = 2, .key_dim = 16, .value_dim = 16,
                .n_queries = 300, .n_keys = 300, .density = 0.3, .hub = -1};
    size_t held[2], before = heed_memory_held();
    for (int with = 0; with < 2; with++) {
      r.edge_dim = 16 * with;
      trial t;
      trial_make(&t, &r);
      t.spec.kernel = kernels[k];
      heed_attention *plan;
      ck_assert_int_eq(heed_set_threads(1), HEED_OK);
      ck_assert_int_eq(heed_attention_new(&plan, &t.spec, &t.mask), HEED_OK);
      ck_assert_uint_eq(heed_memory_held() - before, heed_attention_plan_cost(plan).bytes);
      ck_assert_int_eq(heed_attention_prepare_backward(plan, NULL, NULL), HEED_OK);
      held[with] = heed_memory_held() - before;
      if (with) ck_assert_uint_le(held[1] - held[0], (size_t)t.mask.n_pairs * 4 * 2 * 4 + 65536);
      heed__alloc_fail_after(0);
      ck_assert_int_eq(heed_attention_forward(plan, &t.in, &t.to), HEED_OK);
      t.to.weights = NULL;
      ck_assert_int_eq(heed_attention_forward(plan, &t.in, &t.to), HEED_OK);
      heed__alloc_fail_after(-1);
      heed_attention_free(plan);
      ck_assert_int_eq(heed_set_threads(0), HEED_OK);
      trial_free(&t);
    }
    ck_assert_uint_eq(heed_memory_held(), before);
  }
}
END_TEST

/* Where streams take them, they take nothing a pair in forward calls. */
START_TEST(streamed_edges_take_no_pairs) {
  recipe r = {.score = (heed_score)_i, .heads = 4, .key_dim = 16, .value_dim = 16, .n_queries = 300,
              .n_keys = 300, .density = 0.3, .hub = -1};
  size_t bytes[2];
  for (int with = 0; with < 2; with++) {
    r.edge_dim = 9 * with;
    trial t;
    trial_make(&t, &r);
    t.spec.kernel = HEED_KERNEL_SPARSE;
    heed_attention *plan;
    ck_assert_int_eq(heed_set_threads(1), HEED_OK);
    ck_assert_int_eq(heed_attention_new(&plan, &t.spec, &t.mask), HEED_OK);
    bytes[with] = heed_attention_plan_cost(plan).bytes;
    heed_attention_free(plan);
    ck_assert_int_eq(heed_set_threads(0), HEED_OK);
    ck_assert_int_gt(t.mask.n_pairs * 4 * (int64_t)sizeof(float), 1 << 18);
    trial_free(&t);
  }
  ck_assert_uint_le(bytes[1] - bytes[0], 1 << 17);
}
END_TEST

/* What the caller does not ask for does not change what he does. */
START_TEST(weights_are_there_or_not) {
  recipe r = {.score = (heed_score)(_i % 4), .heads = 4, .key_dim = 8, .value_dim = 8,
              .n_queries = 80, .n_keys = 80, .density = 0.05, .hub = 4, .dropout = 0.3f, .seed = 11,
              .edge_dim = 10};
  if (_i >= 4) r.bias_heads = 4, r.stretch = 300, r.shut = 0.2f;
  trial t;
  trial_make(&t, &r);
  for (int k = 0; k < KERNELS; k++) {
    trial_run(&t, kernels[k], 1);
    size_t bytes;
    char *with = results(&t, &bytes);
    t.to.weights = NULL;
    trial_run(&t, kernels[k], 2);
    char *without = results(&t, &bytes);
    ck_assert_int_eq(memcmp(with, without, bytes), 0);
    t.to.weights = t.weights;
    free(with);
    free(without);
  }
  trial_free(&t);
}
END_TEST

START_TEST(extreme_logits_stay_finite) {
  recipe r = {.score = HEED_SCORE_DOT, .heads = 2, .key_dim = 8, .value_dim = 4, .n_queries = 30,
              .n_keys = 100, .density = 0.7, .hub = -1, .seed = 2};
  trial t;
  trial_make(&t, &r);
  t.spec.scale = 1e4f;
  for (int k = 0; k < KERNELS; k++) {
    trial_run(&t, kernels[k], 2);
    for (int64_t i = 0; i < r.n_queries; i++) {
      for (int h = 0; h < r.heads; h++) {
        double sum = 0;
        for (int64_t p = t.indptr[i]; p < t.indptr[i + 1]; p++) {
          sum += (double)t.weights[p * r.heads + h];
        }
        ck_assert_double_lt(fabs(sum - 1), 1e-5);
      }
    }
  }
  trial_free(&t);
}
END_TEST

START_TEST(not_a_number_is_not_hidden) {
  recipe r = {.score = (heed_score)_i, .heads = 2, .key_dim = 8, .value_dim = 8, .n_queries = 5,
              .n_keys = 70, .density = 2, .hub = -1, .seed = 2};
  trial t;
  trial_make(&t, &r);
  t.key[3] = NAN; /* every query sees key 0 in head 0 */
  for (int k = 0; k < KERNELS; k++) {
    trial_run(&t, kernels[k], 1);
    ck_assert(isnan(t.out[0]));
    ck_assert(!isnan(t.out[8]));
  }
  trial_free(&t);
  r.density = 1;
  r.edge_dim = 3;
  trial_make(&t, &r);
  t.edges[4] = NAN; /* pair 1, which the first row has */
  for (int k = 0; k < KERNELS; k++) {
    trial_run(&t, kernels[k], 1);
    for (int d = 0; d < 16; d++) ck_assert(isnan(t.out[d]) && !isnan(t.out[16 + d]));
  }
  trial_free(&t);
}
END_TEST

START_TEST(keys_serve_as_values) {
  recipe r = {.score = HEED_SCORE_GATV2, .heads = 2, .key_dim = 8, .value_dim = 8, .n_queries = 30,
              .n_keys = 30, .density = 0.3, .hub = -1, .seed = 2};
  trial t;
  trial_make(&t, &r);
  memcpy(t.value, t.key, (size_t)(r.n_keys * 16) * sizeof(float));
  trial_run(&t, HEED_KERNEL_SPARSE, 1);
  size_t bytes;
  char *given = results(&t, &bytes);
  t.in.value = NULL;
  trial_run(&t, HEED_KERNEL_SPARSE, 1);
  char *shared = results(&t, &bytes);
  ck_assert_int_eq(memcmp(given, shared, bytes), 0);
  t.spec.value_dim = 4;
  ck_assert_int_eq(heed_attend(&t.spec, &t.mask, &t.in, &t.to), HEED_SHAPE);
  free(given);
  free(shared);
  trial_free(&t);
}
END_TEST

/* Nothing beyond the plan's own memory, and that is what was announced and grows with N alone. */
START_TEST(memory_is_what_the_plan_says) {
  for (int k = 0; k < KERNELS; k++) {
    size_t bytes[2];
    for (int size = 0; size < 2; size++) {
      recipe r = {.score = HEED_SCORE_GAT, .heads = 8, .key_dim = 8, .value_dim = 8,
                  .n_queries = 200 << size, .n_keys = 200 << size, .density = 2, .hub = -1};
      trial t;
      trial_make(&t, &r);
      t.spec.kernel = kernels[k];
      size_t before = heed_memory_held();
      heed_memory_peak_reset();
      heed_attention *plan;
      ck_assert_int_eq(heed_attention_new(&plan, &t.spec, &t.mask), HEED_OK);
      bytes[size] = heed_attention_plan_cost(plan).bytes;
      ck_assert_uint_eq(heed_memory_held() - before, bytes[size]);
      heed__alloc_fail_after(0);
      t.to.weights = NULL;
      ck_assert_int_eq(heed_attention_forward(plan, &t.in, &t.to), HEED_OK);
      heed__alloc_fail_after(-1);
      heed_attention_free(plan);
      ck_assert_uint_eq(heed_memory_held(), before);
      trial_free(&t);
    }
    ck_assert_uint_le(bytes[1], 2 * bytes[0]);
  }
}
END_TEST

START_TEST(failed_allocations_leave_nothing) {
  recipe r = star(HEED_SCORE_GAT, 0);
  r.edge_dim = 7 * _i;
  trial t;
  trial_make(&t, &r);
  for (int k = 0; k <= KERNELS; k++) {
    t.spec.kernel = k < KERNELS ? kernels[k] : HEED_KERNEL_AUTO;
    size_t before = heed_memory_held();
    heed_attention *plan = NULL;
    long n = 0;
    for (;; n++) {
      heed__alloc_fail_after(n);
      heed_status status = heed_attention_new(&plan, &t.spec, &t.mask);
      heed__alloc_fail_after(-1);
      if (status == HEED_OK) break;
      ck_assert_int_eq(status, HEED_NOMEM);
      ck_assert_ptr_null(plan);
      ck_assert_uint_eq(heed_memory_held(), before);
    }
    ck_assert_int_gt(n, 3);
    heed_attention_free(plan);
  }
  trial_free(&t);
}
END_TEST

START_TEST(auto_chooses_and_predicts) {
  heed_attention_spec spec = heed_attention_spec_default(8, 8);
  heed_mask full = {.n_queries = 4000, .n_keys = 4000, .n_pairs = 16000000};
  heed_attention_cost cost;
  ck_assert_int_eq(heed_attention_predict(&spec, &full, &cost), HEED_OK);
  ck_assert_int_eq(cost.kernel, HEED_KERNEL_DENSE);
  ck_assert_double_gt(cost.sparse_seconds, 0);
  ck_assert_double_gt(cost.dense_seconds, 0);
  ck_assert_uint_gt(cost.sparse_bytes, 0);
  ck_assert_uint_eq(cost.bytes, cost.dense_bytes);
  int64_t *indptr = malloc(4001 * sizeof *indptr);
  int32_t *indices = malloc(4000 * sizeof *indices);
  for (int i = 0; i <= 4000; i++) indptr[i] = i;
  for (int i = 0; i < 4000; i++) indices[i] = i;
  heed_mask diagonal = {.n_queries = 4000, .n_keys = 4000, .n_pairs = 4000, .indptr = indptr,
                        .indices = indices};
  ck_assert_int_eq(heed_attention_predict(&spec, &diagonal, &cost), HEED_OK);
  ck_assert_int_eq(cost.kernel, HEED_KERNEL_SPARSE);
  ck_assert_uint_eq(cost.bytes, cost.sparse_bytes);
  heed_attention *plan;
  ck_assert_int_eq(heed_attention_new(&plan, &spec, &diagonal), HEED_OK);
  ck_assert_int_eq(heed_attention_plan_cost(plan).kernel, HEED_KERNEL_SPARSE);
  heed_attention_free(plan);
  free(indptr);
  free(indices);
}
END_TEST

START_TEST(bad_arguments_are_named) {
  recipe r = {.score = HEED_SCORE_DOT, .heads = 2, .key_dim = 4, .value_dim = 4, .n_queries = 5,
              .n_keys = 5, .density = 0.5, .hub = -1, .bias_heads = 2};
  trial t;
  trial_make(&t, &r);
  const heed_attention_spec good = t.spec;
  const heed_attention_inputs in = t.in;
#define REFUSED(status, change, word)                                          \
  do {                                                                         \
    t.spec = good, t.in = in;                                                  \
    change;                                                                    \
    ck_assert_int_eq(heed_attend(&t.spec, &t.mask, &t.in, &t.to), status);      \
    ck_assert_msg(strstr(heed_message(), word) != NULL, "%s", heed_message()); \
  } while (0)
  REFUSED(HEED_RANGE, t.spec.heads = 0, "0 heads");
  REFUSED(HEED_RANGE, t.spec.key_dim = -3, "key size -3");
  REFUSED(HEED_RANGE, t.spec.value_dim = 0, "value size 0");
  REFUSED(HEED_RANGE, t.spec.dropout = 1, "dropout 1");
  REFUSED(HEED_RANGE, t.spec.dropout = NAN, "dropout nan");
  REFUSED(HEED_VALUE, t.spec.scale = INFINITY, "scale inf");
  REFUSED(HEED_OVERFLOW, (t.spec.heads = 60000, t.spec.key_dim = 1000000), "60000 heads");
  REFUSED(HEED_ARGUMENT, t.spec.score = (heed_score)9, "score function 9");
  REFUSED(HEED_ARGUMENT, t.spec.kernel = (heed_kernel)9, "kernel 9");
  REFUSED(HEED_ARGUMENT, t.spec.normalizer = (heed_normalizer)4, "normalizer 4");
  REFUSED(HEED_ARGUMENT, (t.spec.normalizer = HEED_NORMALIZER_RELU,
                          t.spec.storage = HEED_STORAGE_BFLOAT16),
          "normalizer relu");
  REFUSED(HEED_ARGUMENT, t.in.query = NULL, "query");
  REFUSED(HEED_ARGUMENT, t.in.key = NULL, "key");
  REFUSED(HEED_ARGUMENT, t.in.a = t.a, "does not take the array a");
  REFUSED(HEED_ARGUMENT, t.spec.score = HEED_SCORE_GAT, "needs the array a_query");
  REFUSED(HEED_ARGUMENT, t.spec.score = HEED_SCORE_GATV2, "needs the array a");
  REFUSED(HEED_SHAPE, t.in.bias_heads = 3, "bias of 3 heads for 2");
  float *e = t.query;
  REFUSED(HEED_ARGUMENT, t.in.edges = e, "does not take the array edges");
  REFUSED(HEED_ARGUMENT, t.in.edge_value = e, "does not take the array edge_value");
  REFUSED(HEED_RANGE, t.spec.edge_dim = -1, "-1 features");
  REFUSED(HEED_RANGE, t.spec.edge_dim = INT32_MAX, "2147483647 features");
  REFUSED(HEED_ARGUMENT, t.spec.edge_dim = 3, "needs the array edges");
  REFUSED(HEED_ARGUMENT, (t.spec.edge_dim = 3, t.in.edges = e), "needs one of the arrays edge_bias");
  REFUSED(HEED_ARGUMENT, (t.spec.edge_dim = 3, t.in.edge_bias = e), "needs the array edges");
  REFUSED(HEED_ARGUMENT, (t.spec.edge_dim = 3, t.spec.score = HEED_SCORE_GAT,
                          t.in.a_query = t.in.a_key = t.in.edges = t.in.edge_key = e),
          "does not take the array edge_key");
  REFUSED(HEED_ARGUMENT, (t.spec.edge_dim = 3, t.spec.storage = HEED_STORAGE_BFLOAT16),
          "features of a pair with storage");
  const heed_mask mask = t.mask;
  t.mask.n_pairs++;
  REFUSED(HEED_SHAPE, (void)0, "pairs, it says");
  t.mask = (heed_mask){.n_queries = 5, .n_keys = 5, .n_pairs = 25};
  REFUSED(HEED_ARGUMENT, t.spec.edge_dim = 3, "full mask");
  t.mask = mask;
#undef REFUSED
  trial_free(&t);
}
END_TEST

START_TEST(no_nodes_no_work) {
  heed_attention_spec spec = heed_attention_spec_default(2, 4);
  const int64_t indptr[] = {0};
  heed_mask empty = {.indptr = indptr};
  for (int k = 0; k < KERNELS; k++) {
    spec.kernel = kernels[k];
    ck_assert_int_eq(heed_attend(&spec, &empty, &(heed_attention_inputs){0},
                                 &(heed_attention_outputs){0}),
                     HEED_OK);
  }
  /* Queries without keys: all rows empty. */
  float query[3 * 8] = {0}, out[3 * 8];
  heed_mask no_keys = {.n_queries = 3};
  for (int k = 0; k < KERNELS; k++) {
    memset(out, 0xff, sizeof out);
    spec.kernel = kernels[k];
    heed_status status = heed_attend(&spec, &no_keys, &(heed_attention_inputs){.query = query},
                                     &(heed_attention_outputs){.out = out});
    ck_assert_msg(status == HEED_OK, "%s", heed_message());
    for (int i = 0; i < 24; i++) ck_assert_float_eq(out[i], 0);
  }
}
END_TEST

START_TEST(names_go_both_ways) {
  for (int s = HEED_SCORE_DOT; s <= HEED_SCORE_ADDITIVE; s++) {
    heed_score score;
    ck_assert_int_eq(heed_score_from_name(heed_score_name((heed_score)s), &score), HEED_OK);
    ck_assert_int_eq((int)score, s);
  }
  for (int k = HEED_KERNEL_AUTO; k <= HEED_KERNEL_REFERENCE; k++) {
    heed_kernel kernel;
    ck_assert_int_eq(heed_kernel_from_name(heed_kernel_name((heed_kernel)k), &kernel), HEED_OK);
    ck_assert_int_eq((int)kernel, k);
  }
  heed_score score;
  heed_kernel kernel;
  heed_normalizer normalizer;
  for (int n = 0; n <= HEED_NORMALIZER_LINEAR; n++) {
    ck_assert_int_eq(heed_normalizer_from_name(heed_normalizer_name((heed_normalizer)n), &normalizer),
                     HEED_OK);
    ck_assert_int_eq(normalizer, n);
  }
  ck_assert_int_eq(heed_normalizer_from_name("hardmax", &normalizer), HEED_ARGUMENT);
  ck_assert_ptr_nonnull(strstr(heed_message(), "hardmax"));
  ck_assert_str_eq(heed_normalizer_name((heed_normalizer)77), "?");
  ck_assert_int_eq(heed_score_from_name("cosine", &score), HEED_ARGUMENT);
  ck_assert_ptr_nonnull(strstr(heed_message(), "cosine"));
  ck_assert_ptr_nonnull(heed__kernels_named(heed_isa()));
  ck_assert_int_eq(heed_kernel_from_name("", &kernel), HEED_ARGUMENT);
  ck_assert_str_eq(heed_score_name((heed_score)77), "?");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("attention");
  TCase *oracle = tcase_create("oracle");
  tcase_set_timeout(oracle, 300);
  tcase_add_checked_fixture(oracle, NULL, reset);
  tcase_add_loop_test(oracle, dot_is_right, 0, SHAPES_HERE);
  tcase_add_loop_test(oracle, gat_is_right, 0, SHAPES_HERE);
  tcase_add_loop_test(oracle, gatv2_is_right, 0, SHAPES_HERE);
  tcase_add_loop_test(oracle, additive_is_right, 0, SHAPES_HERE);
  tcase_add_loop_test(oracle, other_normalizers_are_right, 0, 3 * SHAPES_HERE);
  tcase_add_loop_test(oracle, long_rows_are_joined, 0, 32);
  tcase_add_loop_test(oracle, large_biases_are_right, 0, 4);
  tcase_add_loop_test(oracle, a_segment_may_be_shut_out, 0, 4);
  suite_add_tcase(suite, oracle);
  TCase *rules = tcase_create("rules");
  tcase_set_timeout(rules, 300);
  tcase_add_checked_fixture(rules, NULL, reset);
  tcase_add_loop_test(rules, threads_do_not_change_a_bit, 0, 16);
  tcase_add_loop_test(rules, kernels_drop_the_same_weights, 0, 8);
  tcase_add_loop_test(rules, permutation_equivariant, 0, 8);
  tcase_add_test(rules, extreme_logits_stay_finite);
  tcase_add_loop_test(rules, not_a_number_is_not_hidden, 0, 4);
  tcase_add_test(rules, keys_serve_as_values);
  tcase_add_test(rules, memory_is_what_the_plan_says);
  tcase_add_test(rules, edges_take_numbers_a_pair_and_head);
  tcase_add_loop_test(rules, streamed_edges_take_no_pairs, 0, 2);
  tcase_add_loop_test(rules, weights_are_there_or_not, 0, 8);
  tcase_add_loop_test(rules, failed_allocations_leave_nothing, 0, 2);
  tcase_add_test(rules, auto_chooses_and_predicts);
  tcase_add_test(rules, bad_arguments_are_named);
  tcase_add_test(rules, no_nodes_no_work);
  tcase_add_test(rules, names_go_both_ways);
  suite_add_tcase(suite, rules);
  return run_suite(suite);
}
