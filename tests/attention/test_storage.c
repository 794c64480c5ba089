/* Keys and values kept as bfloat16. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "attention/oracle.h"
#include "base/alloc.h"
#include "base/random.h"
#include "expect.h"

/* The nearest number of 8 bits, ties to even, in doubles and not as src/attention does it. */
static float rounded(float x) {
  int exponent;
  if (!isfinite(x)) return x;
  (void)frexp((double)x, &exponent);
  int last = exponent - 8 < -133 ? -133 : exponent - 8;
  double near = ldexp(nearbyint(ldexp((double)x, -last)), last);
  return fabs(near) >= 0x1p128 ? copysignf(INFINITY, x) : (float)near;
}

static float *rounded_copy(const float *x, int64_t n) {
  float *copy = malloc((size_t)(n + 1) * sizeof *copy);
  for (int64_t i = 0; i < n; i++) copy[i] = rounded(x[i]);
  return copy;
}

typedef struct counts {
  int64_t keys, values, out, weights, statistics;
} counts;

static counts counts_of(const trial *t) {
  int64_t heads = t->spec.heads;
  return (counts){.keys = t->mask.n_keys * heads * t->spec.key_dim,
                  .values = t->mask.n_keys * heads * t->spec.value_dim,
                  .out = t->mask.n_queries * heads * t->spec.value_dim,
                  .weights = t->mask.n_pairs * heads,
                  .statistics = t->mask.n_queries * heads};
}

/* Rounds the arrays of a trial as the table does; the old ones come back in `key` and `value`. */
static void round_trial(trial *t, float **key, float **value) {
  counts n = counts_of(t);
  *key = t->key;
  *value = t->value;
  bool gat = t->spec.score == HEED_SCORE_GAT; /* whose scores come from the floats */
  t->key = gat ? malloc((size_t)(n.keys + 1) * sizeof *t->key) : rounded_copy(t->key, n.keys);
  if (gat) memcpy(t->key, *key, (size_t)n.keys * sizeof *t->key);
  t->value = rounded_copy(t->value, n.values);
  t->in.key = t->key;
  if (t->in.value != NULL) t->in.value = t->value;
}

static void unround_trial(trial *t, float *key, float *value) {
  free(t->key);
  free(t->value);
  t->key = key;
  t->value = value;
  t->in.key = key;
  if (t->in.value != NULL) t->in.value = value;
}

/* Runs with floats of rounded inputs, or with bfloat16 of the inputs as they are. */
static void run_stored(trial *t, heed_storage storage, int threads) {
  counts n = counts_of(t);
  memset(t->out, 0xff, (size_t)n.out * sizeof *t->out); /* not a number */
  memset(t->weights, 0xff, (size_t)n.weights * sizeof *t->weights);
  memset(t->log_sum_exp, 0xff, (size_t)n.statistics * sizeof *t->log_sum_exp);
  t->spec.storage = storage;
  trial_run(t, HEED_KERNEL_SPARSE, threads);
  t->spec.storage = HEED_STORAGE_FLOAT;
}

static double *doubles(const float *x, int64_t n) {
  double *copy = malloc((size_t)(n + 1) * sizeof *copy);
  for (int64_t i = 0; i < n; i++) copy[i] = (double)x[i];
  return copy;
}

/* --- Against the oracle, of rounded inputs and of those as they are ------------------------- */

/* Sum of the magnitudes of the products of the logit that a rounded key has its part in. */
static double products(const trial *t, int64_t i, int64_t j, int32_t h) {
  int32_t dim = t->spec.key_dim, heads = t->spec.heads;
  double sum = 0;
  if (t->spec.score == HEED_SCORE_GAT) return 0;
  for (int32_t d = 0; d < dim; d++) {
    double k = (double)t->key[(j * heads + h) * dim + d];
    double by = t->spec.score == HEED_SCORE_DOT
                    ? (double)t->query[(i * heads + h) * dim + d] / sqrt(dim)
                    : (double)t->a[(int64_t)h * dim + d];
    sum += fabs(by * k);
  }
  return sum;
}

/* What attention.h allows: u M (1 + L) and u L, and what floats do; the largest share of it that there
 * was. */
static double share_of_bound(const trial *t, const double *out, const double *log_sum_exp) {
  const double u = 0x1p-8, floats = 1e-5;
  int32_t heads = t->spec.heads, dim = t->spec.value_dim;
  double worst = 0;
  for (int64_t i = 0; i < t->mask.n_queries; i++) {
    int64_t first = t->indptr != NULL ? t->indptr[i] : i * t->mask.n_keys;
    int64_t end = t->indptr != NULL ? t->indptr[i + 1] : first + t->mask.n_keys;
    for (int32_t h = 0; h < heads; h++) {
      double m = 0, l = 0;
      for (int64_t p = first; p < end; p++) {
        int64_t j = t->indptr != NULL ? t->indices[p] : p - first;
        l = fmax(l, products(t, i, j, h));
        for (int32_t d = 0; d < dim; d++) {
          m = fmax(m, fabs((double)t->value[(j * heads + h) * dim + d]));
        }
      }
      for (int32_t d = 0; d < dim && end > first; d++) {
        int64_t at = (i * heads + h) * dim + d;
        double share = fabs((double)t->out[at] - out[at]) / (u * m * (1 + l) + floats * m);
        ck_assert_msg(share <= 1, "row %lld: %g of the bound", (long long)i, share);
        worst = fmax(worst, share);
      }
      double of_sum = (double)t->log_sum_exp[i * heads + h], sum = log_sum_exp[i * heads + h];
      if (of_sum == sum) continue; /* minus infinity */
      ck_assert_double_le(fabs(of_sum - sum), u * l + floats * (1 + fabs(sum)));
    }
  }
  return worst;
}

static void against_oracle(heed_score score, int shape) {
  double worst = 0;
  for (int pattern = 0; pattern < PATTERNS; pattern++) {
    recipe r = recipe_of(score, shape, pattern);
    r.dropout = 0; /* which the oracle leaves out */
    r.edge_dim = 0; /* which has no place beside this storage */
    trial t;
    trial_make(&t, &r);
    counts n = counts_of(&t);
    double *exact = malloc((size_t)(2 * (n.out + n.weights + n.statistics) + 1) * sizeof *exact);
    double *exact_sums = exact + n.out, *exact_weights = exact_sums + n.statistics;
    double *out = exact_weights + n.weights, *sums = out + n.out, *weights = sums + n.statistics;
    float *key, *value;
    trial_oracle(&t, exact, exact_weights, exact_sums);
    round_trial(&t, &key, &value);
    trial_oracle(&t, out, weights, sums);
    unround_trial(&t, key, value);
    for (int i = 0; i < 2 * ISAS; i++) {
      if (kernels_for(HEED_KERNEL_SPARSE, i / 2) == NULL) continue;
      bool with_weights = i % 2 == 1; /* another kernel */
      t.to.weights = with_weights ? t.weights : NULL;
      run_stored(&t, HEED_STORAGE_BFLOAT16, 1);
      double error = fmax(relative_error(t.out, out, n.out),
                          relative_error(t.log_sum_exp, sums, n.statistics));
      if (with_weights) error = fmax(error, relative_error(t.weights, weights, n.weights));
      ck_assert_msg(error < 1e-5, "%s %s, %d heads, %d, %d, pattern %d: %g", heed_score_name(score),
                    isas[i / 2], r.heads, r.key_dim, r.value_dim, pattern, error);
      worst = fmax(worst, share_of_bound(&t, exact, exact_sums));
    }
    free(exact);
    trial_free(&t);
  }
  ck_assert_double_gt(worst, 0.003); /* bfloat16 it was */
}

START_TEST(dot_is_right) { against_oracle(HEED_SCORE_DOT, _i); }
END_TEST
START_TEST(gat_is_right) { against_oracle(HEED_SCORE_GAT, _i); }
END_TEST
START_TEST(gatv2_is_right) { against_oracle(HEED_SCORE_GATV2, _i); }
END_TEST
START_TEST(additive_is_right) { against_oracle(HEED_SCORE_ADDITIVE, _i); }
END_TEST

/* --- Against the float kernel of rounded inputs: dropout, long rows, logits out of range ----- */

static void same_as_rounded_floats(trial *t, int threads) {
  counts n = counts_of(t);
  for (int i = 0; i < 2 * ISAS; i++) {
    if (kernels_for(HEED_KERNEL_SPARSE, i / 2) == NULL) continue;
    float *key, *value;
    t->to.weights = i % 2 == 1 ? t->weights : NULL;
    round_trial(t, &key, &value);
    run_stored(t, HEED_STORAGE_FLOAT, 1);
    unround_trial(t, key, value);
    double *out = doubles(t->out, n.out), *sums = doubles(t->log_sum_exp, n.statistics);
    double *weights = doubles(t->weights, n.weights);
    run_stored(t, HEED_STORAGE_BFLOAT16, threads);
    ck_assert_double_lt(relative_error(t->out, out, n.out), 2e-6);
    ck_assert_double_lt(relative_error(t->log_sum_exp, sums, n.statistics), 2e-6);
    if (i % 2 == 1) ck_assert_double_lt(relative_error(t->weights, weights, n.weights), 2e-6);
    free(out);
    free(sums);
    free(weights);
  }
}

START_TEST(dropout_is_the_same) {
  for (int shape = 0; shape < SHAPES_HERE; shape += 1) {
    recipe r = recipe_of((heed_score)_i, shape, 0);
    r.dropout = 0.4f;
    trial t;
    trial_make(&t, &r);
    same_as_rounded_floats(&t, 1);
    trial_free(&t);
  }
}
END_TEST

static recipe star(heed_score score, int32_t dim, int32_t bias_heads) {
  return (recipe){.score = score, .heads = 4, .key_dim = dim, .value_dim = dim, .n_queries = 60,
                  .n_keys = 2 * SEGMENT_PAIRS + 77, .density = 0.001, .hub = 7,
                  .bias_heads = bias_heads, .dropout = 0.2f, .seed = 5};
}

START_TEST(long_rows_are_joined) {
  for (int bias_heads = 0; bias_heads < 2; bias_heads++) {
    recipe r = star((heed_score)_i, 8, bias_heads);
    trial t;
    trial_make(&t, &r);
    same_as_rounded_floats(&t, 3);
    trial_free(&t);
  }
}
END_TEST

START_TEST(large_logits_take_the_other_way) {
  recipe r = {.score = HEED_SCORE_DOT, .heads = 8, .key_dim = 8, .value_dim = 8, .n_queries = 60,
              .n_keys = 100, .density = 0.4, .hub = -1, .seed = 2};
  trial t;
  trial_make(&t, &r);
  t.spec.scale = 30;
  same_as_rounded_floats(&t, 2);
  trial_free(&t);
}
END_TEST

/* --- Rounding ------------------------------------------------------------------------------- */

/* Every query sees one key with weight 1: what comes out is the value as it is kept. */
static void values_pass(int32_t heads, int32_t dim) {
  enum { N = 700 };
  int32_t width = heads * dim;
  int64_t indptr[N + 1];
  int32_t indices[N];
  const heed_mask mask = {.n_queries = N, .n_keys = N, .n_pairs = N, .indptr = indptr,
                          .indices = indices};
  for (int i = 0; i <= N; i++) indptr[i] = i;
  for (int i = 0; i < N; i++) indices[i] = i;
  size_t n = (size_t)N * (size_t)width;
  float *query = calloc(n, sizeof *query), *value = malloc(n * sizeof *value);
  float *out = malloc(n * sizeof *out);
  static const uint32_t bits[] = {
      0x3f808000, 0x3f818000, 0x3f807fff, 0x3f808001, 0x7f800000, 0xff800000, 0x7f800001,
      0xff80ffff, 0x7fffffff, 0x7f7fffff, 0x7f7f7fff, 0x7f7f8000, 0x00000001, 0x00008000,
      0x00018000, 0x00008001, 0x80000000, 0x007fffff};
  enum { CHOSEN = sizeof bits / sizeof *bits };
  for (size_t i = 0; i < n; i++) {
    uint32_t random[4];
    heed__random4(0, 0, i, random);
    if (random[1] % 4 == 0) random[0] = (random[0] & 0xffff0000) | 0x8000; /* a tie */
    memcpy(value + i, i < CHOSEN ? bits + i : random, sizeof *value);
  }
  heed_attention_spec spec = heed_attention_spec_default(heads, dim);
  spec.kernel = HEED_KERNEL_SPARSE;
  spec.storage = HEED_STORAGE_BFLOAT16;
  heed_attention_inputs in = {.query = query, .key = query, .value = value};
  heed_attention_outputs to = {.out = out};
  for (int isa = 0; isa < ISAS; isa++) {
    if (kernels_for(HEED_KERNEL_SPARSE, isa) == NULL) continue;
    ck_assert_int_eq(heed_attend(&spec, &mask, &in, &to), HEED_OK);
    for (size_t i = 0; i < n; i++) {
      float expected = rounded(value[i]);
      bool same = isnan(expected) ? isnan(out[i]) != 0 : out[i] == expected;
      ck_assert_msg(same, "%s, %d x %d: %a, expected %a, is %a", isas[isa], heads, dim,
                    (double)value[i], (double)expected, (double)out[i]);
    }
  }
  /* Nearest, so off by as much as half of the last bit, and the error of the header is attained. */
  ck_assert_float_eq(rounded(value[0]), 1);
  free(query);
  free(value);
  free(out);
}

START_TEST(values_are_rounded_to_nearest) {
  static const int32_t sizes[][2] = {{8, 8}, {3, 5}, {1, 7}, {8, 64}, {1, 16}, {4, 8}, {5, 33}};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) values_pass(sizes[i][0], sizes[i][1]);
}
END_TEST

START_TEST(not_a_number_is_not_hidden) {
  recipe r = {.score = (heed_score)_i, .heads = 4, .key_dim = 8, .value_dim = 8, .n_queries = 40,
              .n_keys = 70, .density = 0.9, .hub = 0, .seed = 2};
  trial t;
  trial_make(&t, &r);
  const uint32_t bits = 0x7f800001; /* nothing of it is in the upper half */
  memcpy(t.key + 3, &bits, sizeof bits);
  for (int i = 0; i < 2 * ISAS; i++) {
    if (kernels_for(HEED_KERNEL_SPARSE, i / 2) == NULL) continue;
    t.to.weights = i % 2 == 1 ? t.weights : NULL;
    run_stored(&t, HEED_STORAGE_BFLOAT16, 1);
    for (int d = 0; d < 8; d++) ck_assert(isnan(t.out[d]));
    for (int d = 8; d < 32; d++) ck_assert(!isnan(t.out[d]));
  }
  trial_free(&t);
}
END_TEST

/* --- Rules ---------------------------------------------------------------------------------- */

static char *results(const trial *t, size_t *bytes) {
  counts n = counts_of(t);
  size_t out = (size_t)n.out * sizeof(float), sums = (size_t)n.statistics * sizeof(float);
  char *copy = malloc(out + sums + 1);
  memcpy(copy, t->out, out);
  memcpy(copy + out, t->log_sum_exp, sums);
  *bytes = out + sums;
  return copy;
}

START_TEST(keys_serve_as_values) {
  static const heed_score scores[] = {HEED_SCORE_GATV2, HEED_SCORE_DOT, HEED_SCORE_GAT};
  for (int i = 0; i < 6; i++) {
    int32_t dim = i < 3 ? 8 : 5;
    recipe r = {.score = scores[i % 3], .heads = 4, .key_dim = dim, .value_dim = dim,
                .n_queries = 30, .n_keys = 50, .density = 0.3, .hub = -1, .seed = 2};
    trial t;
    trial_make(&t, &r);
    t.to.weights = NULL;
    memcpy(t.value, t.key, (size_t)(r.n_keys * 4 * dim) * sizeof(float));
    size_t bytes;
    run_stored(&t, HEED_STORAGE_BFLOAT16, 1);
    char *given = results(&t, &bytes);
    const float *const as[] = {NULL, t.key};
    for (int k = 0; k < 2; k++) {
      t.in.value = as[k];
      run_stored(&t, HEED_STORAGE_BFLOAT16, 1);
      char *shared = results(&t, &bytes);
      ck_assert_int_eq(memcmp(given, shared, bytes), 0);
      free(shared);
    }
    free(given);
    trial_free(&t);
  }
}
END_TEST

START_TEST(threads_do_not_change_a_bit) {
  for (int i = 0; i < 4; i++) {
    recipe r = star((heed_score)_i, i < 2 ? 8 : 6, i % 2);
    r.n_queries = 400;
    r.density = 0.003;
    trial t;
    trial_make(&t, &r);
    t.to.weights = NULL;
    size_t bytes;
    run_stored(&t, HEED_STORAGE_BFLOAT16, 1);
    char *one = results(&t, &bytes);
    for (int threads = 2; threads <= 7; threads += 5) {
      run_stored(&t, HEED_STORAGE_BFLOAT16, threads);
      char *many = results(&t, &bytes);
      ck_assert_int_eq(memcmp(one, many, bytes), 0);
      free(many);
    }
    free(one);
    trial_free(&t);
  }
}
END_TEST

/* A plan computes from the inputs of each call, whatever the one before had. */
START_TEST(calls_do_not_mix) {
  recipe r = {.score = (heed_score)_i, .heads = 8, .key_dim = 8, .value_dim = 8, .n_queries = 300,
              .n_keys = 900, .density = 0.02, .hub = 0, .seed = 3};
  trial t, u;
  trial_make(&t, &r);
  r.seed = 4;
  trial_make(&u, &r);
  t.to.weights = NULL;
  t.spec.kernel = HEED_KERNEL_SPARSE;
  t.spec.storage = HEED_STORAGE_BFLOAT16;
  heed_attention *plan;
  size_t bytes;
  ck_assert_int_eq(heed_attention_new(&plan, &t.spec, &t.mask), HEED_OK);
  ck_assert_int_eq(heed_attention_forward(plan, &t.in, &t.to), HEED_OK);
  char *first = results(&t, &bytes);
  u.in.value = NULL;
  ck_assert_int_eq(heed_attention_forward(plan, &u.in, &t.to), HEED_OK);
  char *other = results(&t, &bytes);
  ck_assert_int_ne(memcmp(first, other, bytes), 0);
  ck_assert_int_eq(heed_attention_forward(plan, &t.in, &t.to), HEED_OK);
  char *again = results(&t, &bytes);
  ck_assert_int_eq(memcmp(first, again, bytes), 0);
  heed_attention_free(plan);
  free(first);
  free(other);
  free(again);
  trial_free(&t);
  trial_free(&u);
}
END_TEST

START_TEST(refusals) {
  recipe r = {.score = HEED_SCORE_DOT, .heads = 2, .key_dim = 4, .value_dim = 4, .n_queries = 5,
              .n_keys = 5, .density = 2, .hub = -1};
  trial t;
  trial_make(&t, &r);
  heed_attention *plan;
  t.spec.storage = HEED_STORAGE_BFLOAT16;
  static const heed_kernel refused[] = {HEED_KERNEL_DENSE, HEED_KERNEL_REFERENCE};
  for (int i = 0; i < 2; i++) {
    t.spec.kernel = refused[i];
    ck_assert_int_eq(heed_attention_new(&plan, &t.spec, &t.mask), HEED_ARGUMENT);
    ck_assert_ptr_null(plan);
    ck_assert_msg(strstr(heed_message(), heed_kernel_name(refused[i])) != NULL, "%s",
                  heed_message());
  }
  t.spec.kernel = HEED_KERNEL_AUTO;
  t.spec.storage = (heed_storage)7;
  ck_assert_int_eq(heed_attention_new(&plan, &t.spec, &t.mask), HEED_ARGUMENT);
  ck_assert_ptr_nonnull(strstr(heed_message(), "storage 7"));
  t.spec.storage = HEED_STORAGE_BFLOAT16;
  ck_assert_int_eq(heed_attention_new(&plan, &t.spec, &t.mask), HEED_OK);
  ck_assert_int_eq(heed_attention_prepare_backward(plan, NULL, NULL), HEED_ARGUMENT);
  ck_assert_ptr_nonnull(strstr(heed_message(), "bfloat16"));
  ck_assert_int_eq(heed_attention_forward(plan, &t.in, &t.to), HEED_OK);
  heed_attention_gradients to = {
      .out = t.out, .log_sum_exp = t.log_sum_exp, .d_out = t.out, .query = t.weights};
  ck_assert_int_eq(heed_attention_backward(plan, &t.in, &to), HEED_ARGUMENT);
  heed_attention_free(plan);
  /* Where floats would take the dense kernel. */
  const heed_mask full = {.n_queries = 600, .n_keys = 600, .n_pairs = 360000};
  heed_attention_cost cost;
  ck_assert_int_eq(heed_attention_predict(&t.spec, &full, &cost), HEED_OK);
  ck_assert_int_eq(cost.kernel, HEED_KERNEL_SPARSE);
  ck_assert_uint_eq(cost.bytes, cost.sparse_bytes);
  ck_assert_int_eq(heed_attention_new(&plan, &t.spec, &full), HEED_OK);
  ck_assert_int_eq(heed_attention_plan_cost(plan).kernel, HEED_KERNEL_SPARSE);
  heed_attention_free(plan);
  trial_free(&t);
}
END_TEST

START_TEST(names_go_both_ways) {
  heed_storage storage;
  for (int s = HEED_STORAGE_FLOAT; s <= HEED_STORAGE_BFLOAT16; s++) {
    ck_assert_int_eq(heed_storage_from_name(heed_storage_name((heed_storage)s), &storage), HEED_OK);
    ck_assert_int_eq((int)storage, s);
  }
  ck_assert_int_eq(heed_storage_from_name("half", &storage), HEED_ARGUMENT);
  ck_assert_ptr_nonnull(strstr(heed_message(), "half"));
  ck_assert_str_eq(heed_storage_name((heed_storage)9), "?");
}
END_TEST

START_TEST(memory_is_what_the_plan_says) {
  for (int i = 0; i < 2; i++) {
    recipe r = {.score = i == 0 ? HEED_SCORE_GAT : HEED_SCORE_DOT, .heads = 8, .key_dim = 8,
                .value_dim = 8, .n_queries = 50, .n_keys = 3000, .density = 0.1, .hub = -1};
    trial t;
    trial_make(&t, &r);
    t.spec.kernel = HEED_KERNEL_SPARSE;
    t.spec.storage = HEED_STORAGE_BFLOAT16;
    t.to.weights = NULL;
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
    ck_assert_int_gt(n, 4);
    size_t bytes = heed_attention_plan_cost(plan).bytes;
    ck_assert_uint_eq(heed_memory_held() - before, bytes);
    /* A row of 64 numbers, or of twice as many, a node. */
    ck_assert_uint_ge(bytes, 3000 * (i == 0 ? 128 : 256));
    heed__alloc_fail_after(0);
    ck_assert_int_eq(heed_attention_forward(plan, &t.in, &t.to), HEED_OK);
    heed__alloc_fail_after(-1);
    heed_attention_free(plan);
    trial_free(&t);
  }
}
END_TEST

START_TEST(no_nodes_no_work) {
  heed_attention_spec spec = heed_attention_spec_default(2, 4);
  spec.storage = HEED_STORAGE_BFLOAT16;
  const int64_t none[] = {0}, empty_rows[] = {0, 0, 0, 0};
  const heed_mask empty = {.indptr = none};
  ck_assert_int_eq(
      heed_attend(&spec, &empty, &(heed_attention_inputs){0}, &(heed_attention_outputs){0}),
      HEED_OK);
  float query[24] = {0}, out[24];
  const heed_mask without_keys[] = {{.n_queries = 3}, {.n_queries = 3, .indptr = empty_rows}};
  for (int i = 0; i < 2; i++) {
    memset(out, 0xff, sizeof out);
    heed_status status = heed_attend(&spec, without_keys + i, &(heed_attention_inputs){.query = query},
                                     &(heed_attention_outputs){.out = out});
    ck_assert_msg(status == HEED_OK, "%s", heed_message());
    for (int k = 0; k < 24; k++) ck_assert_float_eq(out[k], 0);
  }
}
END_TEST

/* Bytes by hand: 3 heads of 4 and 6, 10 queries, 20 keys, 50 pairs. */
START_TEST(work_counts_the_storage) {
  heed_attention_spec spec = heed_attention_spec_default(3, 4);
  int64_t indptr[11];
  for (int i = 0; i <= 10; i++) indptr[i] = 5 * i;
  const heed_mask mask = {.n_queries = 10, .n_keys = 20, .n_pairs = 50, .indptr = indptr};
  float x[1];
  heed_attention_inputs in = {.query = x, .key = x + 1, .value = x};
  heed_work with, without;
  spec.value_dim = 6;
  spec.kernel = HEED_KERNEL_SPARSE;
  for (int score = HEED_SCORE_DOT; score <= HEED_SCORE_GAT; score++) {
    bool gat = score == HEED_SCORE_GAT;
    spec.score = (heed_score)score;
    spec.storage = HEED_STORAGE_FLOAT;
    ck_assert_int_eq(heed_attention_work(&spec, &mask, &in, HEED_CALL_FORWARD, &without), HEED_OK);
    spec.storage = HEED_STORAGE_BFLOAT16;
    ck_assert_int_eq(heed_attention_work(&spec, &mask, &in, HEED_CALL_FORWARD, &with), HEED_OK);
    int64_t row = gat ? 3 * 4 + 18 * 2 : 30 * 2;
    ck_assert_int_eq(with.row_bytes[0], row);
    ck_assert_double_eq(with.gathered_bytes[0], 50.0 * (double)row);
    /* Read as floats and written: values, and with dot keys. */
    ck_assert_double_eq(with.streamed_bytes - without.streamed_bytes,
                        20 * (gat ? 18 * (4 + 2) : 30 * (4 + 2)));
    ck_assert_double_eq(with.operations, without.operations);
  }
  ck_assert_int_eq(heed_attention_work(&spec, &mask, &in, HEED_CALL_BACKWARD, &with),
                   HEED_ARGUMENT);
  /* One copy where the keys are the values. */
  spec.score = HEED_SCORE_GATV2;
  spec.value_dim = 4;
  in.value = NULL;
  ck_assert_int_eq(heed_attention_work(&spec, &mask, &in, HEED_CALL_FORWARD, &with), HEED_OK);
  ck_assert_int_eq(with.row_bytes[0], 12 * 2);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("storage");
  TCase *oracle = tcase_create("oracle");
  tcase_set_timeout(oracle, 300);
  tcase_add_checked_fixture(oracle, NULL, reset);
  tcase_add_loop_test(oracle, dot_is_right, 0, SHAPES_HERE);
  tcase_add_loop_test(oracle, gat_is_right, 0, SHAPES_HERE);
  tcase_add_loop_test(oracle, gatv2_is_right, 0, SHAPES_HERE);
  tcase_add_loop_test(oracle, additive_is_right, 0, SHAPES_HERE);
  tcase_add_loop_test(oracle, dropout_is_the_same, 0, 4);
  tcase_add_loop_test(oracle, long_rows_are_joined, 0, 4);
  tcase_add_test(oracle, large_logits_take_the_other_way);
  suite_add_tcase(suite, oracle);
  TCase *rules = tcase_create("rules");
  tcase_set_timeout(rules, 300);
  tcase_add_checked_fixture(rules, NULL, reset);
  tcase_add_test(rules, values_are_rounded_to_nearest);
  tcase_add_loop_test(rules, not_a_number_is_not_hidden, 0, 4);
  tcase_add_test(rules, keys_serve_as_values);
  tcase_add_loop_test(rules, threads_do_not_change_a_bit, 0, 4);
  tcase_add_loop_test(rules, calls_do_not_mix, 0, 4);
  tcase_add_test(rules, refusals);
  tcase_add_test(rules, names_go_both_ways);
  tcase_add_test(rules, memory_is_what_the_plan_says);
  tcase_add_test(rules, no_nodes_no_work);
  tcase_add_test(rules, work_counts_the_storage);
  suite_add_tcase(suite, rules);
  return run_suite(suite);
}
