/* Gradients: the kernels against central differences of the operator in double precision on small
 * problems, against the plain kernel on all shapes, and the rules of the call. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attention/linear.h"
#include "attention/oracle.h"
#include "attention/plan.h"
#include "base/alloc.h"
#include "base/random.h"
#include "expect.h"

enum { QUERY, KEY, VALUE, A_QUERY, A_KEY, A, BIAS, E_BIAS, E_KEY, E_VALUE, ARRAYS };
static const char *const names[ARRAYS] = {"query", "key", "value", "a_query", "a_key", "a", "bias",
                                          "edge_bias", "edge_key", "edge_value"};

/* A trial with its gradients. The inputs are listed by number; NULL where there is none. */
typedef struct task {
  trial t;
  float *d_out;
  float *gradient[ARRAYS];
  const float *input[ARRAYS];
  int64_t count[ARRAYS];
  float *steep; /* what the forward call may leave for the backward one */
  heed_attention_gradients to;
} task;

static void task_point(task *k) {
  const heed_attention_inputs *in = &k->t.in;
  const float *inputs[ARRAYS] = {in->query, in->key, in->value, in->a_query,
                                 in->a_key, in->a,   in->bias, in->edge_bias,
                                 in->edge_key, in->edge_value};
  memcpy(k->input, inputs, sizeof inputs);
  k->to = (heed_attention_gradients){.out = k->t.out, .log_sum_exp = k->t.log_sum_exp, .d_out = k->d_out};
  float **const to[ARRAYS] = {&k->to.query, &k->to.key, &k->to.value, &k->to.a_query, &k->to.a_key, &k->to.a,
                              &k->to.bias, &k->to.edge_bias, &k->to.edge_key, &k->to.edge_value};
  for (int i = 0; i < ARRAYS; i++) *to[i] = k->gradient[i];
}

static void task_make(task *k, const recipe *r) {
  memset(k, 0, sizeof *k);
  trial_make(&k->t, r);
  k->t.to.weights = NULL;
  int64_t wide = (int64_t)r->heads * r->key_dim, values = (int64_t)r->heads * r->value_dim;
  int64_t count[ARRAYS] = {r->n_queries * wide, r->n_keys * wide, r->n_keys * values, wide, wide,
                           wide, k->t.mask.n_pairs * r->bias_heads,
                           (int64_t)r->edge_dim * r->heads, r->edge_dim * wide,
                           r->edge_dim * values};
  memcpy(k->count, count, sizeof count);
  k->steep = malloc((size_t)(r->n_queries * (values + r->heads) + 1) * sizeof(float));
  k->steep[r->n_queries * (values + r->heads)] = 12345;
  k->d_out = malloc((size_t)(r->n_queries * values + 1) * sizeof(float));
  heed_random_uniform(r->seed, 9, k->d_out, r->n_queries * values, -1, 1);
  task_point(k);
  for (int a = 0; a < ARRAYS; a++) {
    if (k->input[a] == NULL) continue;
    k->gradient[a] = malloc((size_t)(count[a] + 1) * sizeof(float));
    k->gradient[a][count[a]] = 12345;
  }
  task_point(k);
}

static void task_free(task *k) {
  for (int a = 0; a < ARRAYS; a++) {
    if (k->gradient[a] == NULL) continue;
    ck_assert_float_eq(k->gradient[a][k->count[a]], 12345); /* not written beyond the end */
    free(k->gradient[a]);
  }
  int64_t row = (int64_t)k->t.spec.heads * (k->t.spec.value_dim + 1);
  ck_assert_float_eq(k->steep[k->t.mask.n_queries * row], 12345);
  free(k->steep);
  free(k->d_out);
  trial_free(&k->t);
}

/* Forward and backward; what the gradients held before must not matter. */
static void task_run(task *k, heed_kernel kernel, int threads) {
  for (int a = 0; a < ARRAYS; a++) {
    if (k->gradient[a] != NULL) memset(k->gradient[a], 0xff, (size_t)k->count[a] * sizeof(float));
  }
  ck_assert_int_eq(heed_set_threads(threads), HEED_OK);
  k->t.spec.kernel = kernel;
  heed_attention *plan;
  heed_status status = heed_attention_new(&plan, &k->t.spec, &k->t.mask);
  ck_assert_msg(status == HEED_OK, "%s", heed_message());
  status = heed_attention_prepare_backward(plan, NULL, NULL);
  ck_assert_msg(status == HEED_OK, "%s", heed_message());
  heed__alloc_fail_after(0);
  status = heed_attention_forward(plan, &k->t.in, &k->t.to);
  ck_assert_msg(status == HEED_OK, "%s", heed_message());
  status = heed_attention_backward(plan, &k->t.in, &k->to);
  ck_assert_msg(status == HEED_OK, "%s", heed_message());
  heed__alloc_fail_after(-1);
  heed_attention_free(plan);
  ck_assert_int_eq(heed_set_threads(0), HEED_OK);
}

/* The operator in doubles, with the sum of d_out out as its value; written apart from src/. */

typedef struct doubles {
  const task *k;
  double *x[ARRAYS];
  double *keep; /* [n_pairs, H] */
} doubles;

static void doubles_make(doubles *d, const task *k) {
  memset(d, 0, sizeof *d);
  d->k = k;
  for (int a = 0; a < ARRAYS; a++) {
    if (k->input[a] == NULL) continue;
    d->x[a] = malloc((size_t)(k->count[a] + 1) * sizeof(double));
    for (int64_t i = 0; i < k->count[a]; i++) d->x[a][i] = (double)k->input[a][i];
  }
  int64_t n = k->t.mask.n_pairs * k->t.spec.heads;
  d->keep = malloc((size_t)(n + 1) * sizeof(double));
  for (int64_t i = 0; i < n; i++) {
    uint32_t random[4];
    heed__random4(k->t.spec.seed, DROPOUT_STREAM, (uint64_t)i / 4, random);
    double p = (double)k->t.spec.dropout;
    d->keep[i] = (double)random[i % 4] < p * 0x1p32 ? 0 : 1 / (1 - p);
  }
}

static void doubles_free(doubles *d) {
  for (int a = 0; a < ARRAYS; a++) free(d->x[a]);
  free(d->keep);
}

static double leaky(double x) { return x > 0 ? x : (double)0.2f * x; }

/* Number c of head h in the features of pair p times the array [Fe, H, dim]; 0 without it. */
static double featured(const doubles *d, int array, int64_t p, int64_t h, int64_t dim, int64_t c) {
  const trial *t = &d->k->t;
  double x = 0;
  for (int64_t f = 0; d->x[array] != NULL && f < t->spec.edge_dim; f++) {
    x += (double)t->edges[p * t->spec.edge_dim + f] *
         d->x[array][(f * t->spec.heads + h) * dim + c];
  }
  return x;
}

static double logit(const doubles *d, int64_t i, int64_t j, int64_t p, int64_t h) {
  const heed_attention_spec *spec = &d->k->t.spec;
  int64_t heads = spec->heads, dim = spec->key_dim;
  double s = 0;
  for (int64_t c = 0; c < dim; c++) {
    double q = d->x[QUERY][(i * heads + h) * dim + c], k = d->x[KEY][(j * heads + h) * dim + c];
    k += featured(d, E_KEY, p, h, dim, c);
    switch (spec->score) {
      case HEED_SCORE_DOT: s += q * k / sqrt((double)dim); break;
      case HEED_SCORE_GAT: s += d->x[A_QUERY][h * dim + c] * q + d->x[A_KEY][h * dim + c] * k; break;
      case HEED_SCORE_GATV2: s += d->x[A][h * dim + c] * leaky(q + k); break;
      case HEED_SCORE_ADDITIVE: s += d->x[A][h * dim + c] * tanh(q + k); break;
    }
  }
  s += featured(d, E_BIAS, p, h, 1, 0);
  if (spec->score == HEED_SCORE_GAT) s = leaky(s);
  if (d->x[BIAS] != NULL) s += d->x[BIAS][d->k->t.in.bias_heads == 1 ? p : p * heads + h];
  return s;
}

static double weight_alone(heed_normalizer normalizer, double x, double n) {
  if (isinf(x)) return 0;
  if (normalizer == HEED_NORMALIZER_RELU) return x > 0 ? x / n : 0;
  return normalizer == HEED_NORMALIZER_SIGMOID ? 1 / (1 + n * exp(-x)) : x / n;
}

static double loss(const doubles *d) {
  const trial *t = &d->k->t;
  const double *values = d->x[VALUE] != NULL ? d->x[VALUE] : d->x[KEY];
  int64_t heads = t->spec.heads, dim = t->spec.value_dim;
  double total = 0;
  double *l = malloc((size_t)(t->mask.n_keys + 1) * sizeof *l);
  for (int64_t i = 0; i < t->mask.n_queries; i++) {
    int64_t first = t->indptr != NULL ? t->indptr[i] : i * t->mask.n_keys;
    int64_t end = t->indptr != NULL ? t->indptr[i + 1] : first + t->mask.n_keys;
    for (int64_t h = 0; h < heads; h++) {
      double most = -INFINITY, sum = 0, out = 0;
      for (int64_t p = first; p < end; p++) {
        l[p - first] = logit(d, i, t->indptr != NULL ? t->indices[p] : p - first, p, h);
        most = fmax(most, l[p - first]);
      }
      if (most == -INFINITY) continue;
      for (int64_t p = first; p < end; p++) {
        int64_t j = t->indptr != NULL ? t->indices[p] : p - first;
        double weight = exp(l[p - first] - most), dot = 0;
        if (t->spec.normalizer != HEED_NORMALIZER_SOFTMAX) {
          weight = weight_alone(t->spec.normalizer, l[p - first], (double)(end - first));
        }
        sum += weight;
        for (int64_t c = 0; c < dim; c++) {
          dot += (double)d->k->d_out[(i * heads + h) * dim + c] *
                 (values[(j * heads + h) * dim + c] + featured(d, E_VALUE, p, h, dim, c));
        }
        out += weight * d->keep[p * heads + h] * dot;
      }
      total += t->spec.normalizer == HEED_NORMALIZER_SOFTMAX ? out / sum : out;
    }
  }
  free(l);
  return total;
}

/* Every gradient of the task, number by number. Three points tell where LeakyReLU has its corner
 * between them; there is nothing to compare there. */
static double *differences(const task *k, int array) {
  doubles d;
  doubles_make(&d, k);
  double *expected = malloc((size_t)(k->count[array] + 1) * sizeof *expected);
  const double step = 1e-5;
  for (int64_t i = 0; i < k->count[array]; i++) {
    double at = d.x[array][i];
    expected[i] = 0;
    if (isinf(at)) continue; /* shut out: the loss does not move */
    d.x[array][i] = at + step;
    double above = loss(&d);
    d.x[array][i] = at - step;
    expected[i] = (above - loss(&d)) / (2 * step);
    d.x[array][i] = at;
  }
  doubles_free(&d);
  return expected;
}

static const recipe small[] = {
    {.heads = 2, .key_dim = 3, .value_dim = 5, .n_queries = 7, .n_keys = 9, .density = 0.4,
     .hub = 2, .seed = 1},
    {.heads = 8, .key_dim = 8, .value_dim = 8, .n_queries = 5, .n_keys = 5, .density = 0.5,
     .hub = 0, .bias_heads = 8, .shut = 0.3f, .dropout = 0.4f, .seed = 2},
    {.heads = 1, .key_dim = 7, .value_dim = 7, .n_queries = 6, .n_keys = 4, .density = 2,
     .hub = -1, .bias_heads = 1, .seed = 3},
    {.heads = 3, .key_dim = 4, .value_dim = 2, .n_queries = 5, .n_keys = 40, .density = 0.8,
     .hub = 1, .bias_heads = 1, .shut = 0.2f, .dropout = 0.6f, .seed = 4},
    {.heads = 4, .key_dim = 4, .value_dim = 16, .n_queries = 40, .n_keys = 3, .density = 2,
     .hub = -1, .dropout = 0.5f, .seed = 5},
    {.heads = 2, .key_dim = 2, .value_dim = 2, .n_queries = 4, .n_keys = 4, .density = 0.5,
     .hub = -1, .bias_heads = 2, .shut = 1, .seed = 6},
    {.heads = 2, .key_dim = 3, .value_dim = 5, .n_queries = 7, .n_keys = 9, .density = 0.3,
     .hub = 2, .dropout = 0.3f, .seed = 7, .edge_dim = 4},
    {.heads = 4, .key_dim = 8, .value_dim = 8, .n_queries = 6, .n_keys = 6, .density = 0.3,
     .hub = -1, .bias_heads = 1, .shut = 0.1f, .seed = 8, .edge_dim = 11},
    {.heads = 1, .key_dim = 17, .value_dim = 4, .n_queries = 5, .n_keys = 8, .density = 0.5,
     .hub = 0, .bias_heads = 1, .dropout = 0.2f, .seed = 9, .edge_dim = 17, .edge_use = EDGE_KEY},
    {.heads = 3, .key_dim = 4, .value_dim = 6, .n_queries = 5, .n_keys = 8, .density = 0.5,
     .hub = 0, .bias_heads = 3, .seed = 10, .edge_dim = 2, .edge_use = EDGE_VALUE},
    {.heads = 5, .key_dim = 4, .value_dim = 6, .n_queries = 5, .n_keys = 8, .density = 0.5,
     .hub = 0, .seed = 11, .edge_dim = 3, .edge_use = EDGE_BIAS},
};
enum { SMALL = sizeof small / sizeof *small };

/* How a backward call may be asked: of GAT gradients of single logits, by way of those of a bias, may be wanted or
 * not, and the forward call may leave sums. */
typedef enum asking { PLAIN, STEEP, NO_BIAS, STEEP_NO_BIAS, ASKINGS } asking;

static void run_in_a_way(task *k, heed_kernel kernel, asking w) {
  int64_t n = k->t.mask.n_queries * k->t.spec.heads * (k->t.spec.value_dim + 1);
  memset(k->steep, 0xff, (size_t)n * sizeof *k->steep);
  if (w == STEEP || w == STEEP_NO_BIAS) k->t.to.steep = k->steep;
  if (w == NO_BIAS || w == STEEP_NO_BIAS) k->to.bias = NULL;
  k->to.steep = k->t.to.steep;
  task_run(k, kernel, 1);
  k->t.to.steep = NULL;
  k->to.steep = NULL;
  k->to.bias = k->gradient[BIAS];
}

/* A gradient may be a small difference of large terms: the scale is 1, about that of the terms, or the largest
 * gradient. */
static void gradients_are(const task *k, const char *how, double *const expected[ARRAYS], bool bias,
                          double most_error) {
  const heed_attention_spec *spec = &k->t.spec;
  for (int a = 0; a < ARRAYS; a++) {
    if (k->gradient[a] == NULL || (a == BIAS && !bias)) continue;
    double worst = 0, most = 1;
    for (int64_t i = 0; i < k->count[a]; i++) {
      double error = fabs((double)k->gradient[a][i] - expected[a][i]);
      if (!(error <= worst)) worst = error;
      most = fmax(most, fabs(expected[a][i]));
    }
    ck_assert_msg(worst / most < most_error,
                  "%s %s %s, %d heads, %d, %d, %lld queries, %lld keys: d %s off by %g of %g",
                  heed_score_name(spec->score), heed_kernel_name(spec->kernel), how, spec->heads,
                  spec->key_dim, spec->value_dim, (long long)k->t.mask.n_queries,
                  (long long)k->t.mask.n_keys, names[a], worst, most);
  }
}

/* The kernels from `first` on, on every instruction set, give these gradients. */
static void kernels_give(task *k, int first, double *const expected[ARRAYS], double most_error) {
  int ways = k->t.spec.score == HEED_SCORE_GAT ? ASKINGS : 1;
  for (int kernel = first; kernel < KERNELS; kernel++) {
    for (int isa = 0; isa < ISAS; isa++) {
      if (kernels_for(kernels[kernel], isa) == NULL) continue;
      for (int w = 0; w < ways; w++) {
        run_in_a_way(k, kernels[kernel], (asking)w);
        char how[32];
        snprintf(how, sizeof how, "%s, asking %d", isas[isa], w);
        gradients_are(k, how, expected, w < NO_BIAS, most_error);
      }
    }
  }
}

START_TEST(differences_agree) {
  recipe r = small[_i / 4 % SMALL];
  r.normalizer = (heed_normalizer)(_i / 4 / SMALL);
  r.score = (heed_score)(_i % 4);
  task k;
  task_make(&k, &r);
  double *expected[ARRAYS] = {0};
  for (int a = 0; a < ARRAYS; a++) {
    if (k.input[a] != NULL) expected[a] = differences(&k, a);
  }
  kernels_give(&k, 0, expected, 2e-6);
  for (int a = 0; a < ARRAYS; a++) free(expected[a]);
  task_free(&k);
}
END_TEST

static void copy_gradients(const task *k, double *copy[ARRAYS]) {
  for (int a = 0; a < ARRAYS; a++) {
    copy[a] = NULL;
    if (k->gradient[a] == NULL) continue;
    copy[a] = malloc((size_t)(k->count[a] + 1) * sizeof(double));
    for (int64_t i = 0; i < k->count[a]; i++) copy[a][i] = (double)k->gradient[a][i];
  }
}

/* Sparse and dense against the plain kernel. */
static void kernels_agree_on(recipe r) {
  task k;
  task_make(&k, &r);
  task_run(&k, HEED_KERNEL_REFERENCE, 1);
  double *expected[ARRAYS];
  copy_gradients(&k, expected);
  kernels_give(&k, 1, expected, 1e-4);
  for (int a = 0; a < ARRAYS; a++) free(expected[a]);
  task_free(&k);
}

START_TEST(kernels_agree) {
  for (int pattern = 0; pattern < PATTERNS; pattern++) {
    recipe r = recipe_of((heed_score)(_i % 4), _i / 4 % SHAPES_HERE, pattern);
    r.normalizer = (heed_normalizer)(_i / 4 / SHAPES_HERE);
    if (r.normalizer != HEED_NORMALIZER_SOFTMAX && (_i + pattern + r.normalizer) % 6 != 0) continue;
    kernels_agree_on(r);
  }
}
END_TEST

/* Sizes about those that the dense kernel has its blocks, strips, steps and tiles of. */
START_TEST(sizes_about_block_limits) {
  static const int64_t queries[] = {1, 11, 13, STRIP_QUERIES - 1, STRIP_QUERIES + 1, STEP_QUERIES,
                                    STEP_QUERIES + 1, TILE_QUERIES - 1, TILE_QUERIES + 1};
  static const int64_t n_keys[] = {1, 15, 49, TILE_KEYS - 1, TILE_KEYS, TILE_KEYS + 1};
  static const int32_t dims[] = {1, 15, 16, 17, 33, 47, 48, 49, 65};
  int i = _i % 9;
  for (size_t k = 0; k < sizeof n_keys / sizeof *n_keys; k++) {
    recipe r = {.score = HEED_SCORE_DOT, .heads = 1 + i % 3, .key_dim = dims[(i + (int)k) % 9],
                .value_dim = dims[(2 * i + 5 * (int)k) % 9], .n_queries = queries[i],
                .n_keys = n_keys[k], .density = k % 2 == 0 ? 2 : 0.3, .hub = -1,
                .bias_heads = k % 3 == 0 ? 1 : 0, .dropout = i % 2 == 0 ? 0 : 0.2f,
                .seed = (uint64_t)(100 * i) + k, .normalizer = (heed_normalizer)(_i / 9)};
    kernels_agree_on(r);
  }
}
END_TEST

/* Masks of which the dense kernel computes some keys of a tile or none: windows, a causal one, blocks. */
START_TEST(structured_masks_agree) {
  enum { N = 2 * TILE_KEYS + 41 };
  static const struct {
    int64_t before, after, block;
  } masks[] = {{0, 0, 1}, {3, 3, 1}, {40, 0, 1}, {N, 0, 1}, {0, 250, 1}, {0, 0, 50}};
  recipe r = {.score = HEED_SCORE_DOT, .heads = 2, .key_dim = 20, .value_dim = 16, .n_queries = N,
              .n_keys = N, .density = 2, .hub = -1, .dropout = _i % 2 == 0 ? 0 : 0.3f};
  task k;
  task_make(&k, &r);
  int64_t *indptr = malloc((N + 1) * sizeof *indptr), pairs = 0;
  int32_t *indices = malloc((size_t)N * N * sizeof *indices);
  for (int64_t i = 0; i < N; i++) {
    int64_t block = masks[_i].block, first = i / block * block - masks[_i].before;
    int64_t end = i / block * block + block + masks[_i].after;
    indptr[i] = pairs;
    for (int64_t j = first < 0 ? 0 : first; j < end && j < N; j++) indices[pairs++] = (int32_t)j;
  }
  indptr[N] = pairs;
  k.t.mask = (heed_mask){
      .n_queries = N, .n_keys = N, .n_pairs = pairs, .indptr = indptr, .indices = indices};
  task_run(&k, HEED_KERNEL_REFERENCE, 1);
  double *expected[ARRAYS];
  copy_gradients(&k, expected);
  int64_t n_out = (int64_t)N * r.heads * r.value_dim;
  double *out = malloc((size_t)n_out * sizeof *out);
  for (int64_t i = 0; i < n_out; i++) out[i] = (double)k.t.out[i];
  for (size_t isa = 0; isa < sizeof isas / sizeof *isas; isa++) {
    const heed__kernels *named = heed__kernels_named(isas[isa]);
    if (named == NULL) continue;
    heed__kernels_override(named);
    /* With more threads than heads queries and keys have owners of their own: the same bits. */
    double *few[ARRAYS];
    for (int threads = 1; threads <= 7; threads += 6) {
      task_run(&k, HEED_KERNEL_DENSE, threads);
      ck_assert_double_lt(relative_error(k.t.out, out, n_out), 1e-5);
      for (int a = QUERY; a <= VALUE; a++) {
        for (int64_t i = 0; i < k.count[a]; i++) {
          double error = fabs((double)k.gradient[a][i] - expected[a][i]);
          ck_assert_msg(error < 1e-4 * fmax(1, fabs(expected[a][i])), "%s d %s off by %g of %g",
                        isas[isa], names[a], error, expected[a][i]);
          ck_assert(threads == 1 || (double)k.gradient[a][i] == few[a][i]);
        }
      }
      if (threads == 1) copy_gradients(&k, few);
    }
    for (int a = 0; a < ARRAYS; a++) free(few[a]);
  }
  for (int a = 0; a < ARRAYS; a++) free(expected[a]);
  free(out);
  free(indptr);
  free(indices);
  task_free(&k);
}
END_TEST

/* A row, or under the transposed mask a column, longer than several segments. */
static recipe star(heed_score score, bool by_keys) {
  recipe r = {.score = score, .heads = 4, .key_dim = 8, .value_dim = 6, .n_queries = 12,
              .n_keys = 2 * SEGMENT_PAIRS + 77, .density = 0.001, .hub = 7, .bias_heads = 4,
              .shut = 0.1f, .dropout = 0.3f, .seed = 5};
  if (by_keys) {
    r.n_keys = 2;
    r.n_queries = 2 * SEGMENT_PAIRS + 77;
    r.density = 0.6;
  }
  return r;
}

START_TEST(long_rows_are_joined) {
  recipe r = star((heed_score)(_i % 4), _i / 4 % 2);
  if (_i / 8 % 2) r.edge_dim = 3;
  if (_i >= 16) r.normalizer = (heed_normalizer)(1 + (_i - 16) / 8);
  kernels_agree_on(r);
}
END_TEST

/* Shapes of streams whose rows leave the range of floats, which have their maximum taken off. */
START_TEST(large_biases_agree) {
  static const int32_t shapes[][3] = {{4, 16, 9}, {8, 8, 20}, {4, 8, 0}, {1, 7, 17}, {8, 16, 3}, {1, 16, 64},
                                      {4, 16, 65}};
  for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
    recipe r = {.score = (heed_score)(_i % 4), .heads = shapes[s][0], .key_dim = shapes[s][1],
                .value_dim = shapes[s][1], .edge_dim = shapes[s][2], .n_queries = 90, .n_keys = 70,
                .density = 0.04, .hub = 60, .bias_heads = _i < 4 ? shapes[s][0] : 1, .shut = 0.1f,
                .stretch = s % 2 == 0 ? 40 : 200, .dropout = 0.2f, .seed = s};
    kernels_agree_on(r);
  }
}
END_TEST

/* Two graphs side by side: the second one's numbers are those it has alone, bit by bit, though rows of the
 * first, with which it shares tasks, leave the range of floats. */
START_TEST(a_graph_has_the_same_bits_beside_another) {
  enum { N = 75, FIRST = 31 };
  recipe r = {.score = (heed_score)(_i % 4), .heads = _i < 4 ? 4 : 8, .key_dim = _i < 4 ? 16 : 8,
              .value_dim = _i < 4 ? 16 : 8, .n_queries = N, .n_keys = N, .density = 0.06, .hub = 50,
              .bias_heads = _i < 4 ? 4 : 1, .stretch = 3, .seed = 9, .edge_dim = 9};
  task k;
  task_make(&k, &r);
  int64_t n = 0, first = 0;
  for (int64_t i = 0, p = 0; i < N; i++) {
    int64_t end = k.t.indptr[i + 1];
    if (i == FIRST) first = n;
    for (; p < end; p++) {
      if ((i < FIRST) == (k.t.indices[p] < FIRST)) k.t.indices[n++] = k.t.indices[p];
    }
    k.t.indptr[i + 1] = n;
  }
  k.t.mask.n_pairs = n;
  for (int64_t p = 0; p < first * r.bias_heads; p++) k.t.bias[p] *= 100;
  int64_t row = (int64_t)r.heads * r.key_dim;
  for (int isa = 0; isa < ISAS; isa++) {
    if (kernels_for(HEED_KERNEL_SPARSE, isa) == NULL) continue;
    task_run(&k, HEED_KERNEL_SPARSE, 2);
    task alone = k;
    int64_t indptr[N + 1];
    int32_t *indices = malloc((size_t)(n - first + 1) * sizeof *indices);
    for (int64_t i = FIRST; i <= N; i++) indptr[i - FIRST] = k.t.indptr[i] - first;
    for (int64_t p = first; p < n; p++) indices[p - first] = k.t.indices[p] - FIRST;
    alone.t.mask = (heed_mask){.n_queries = N - FIRST, .n_keys = N - FIRST, .n_pairs = n - first,
                               .indptr = indptr, .indices = indices};
    heed_attention_inputs *in = &alone.t.in;
    in->query += FIRST * row;
    in->key += FIRST * row;
    in->value += FIRST * row;
    in->bias += first * r.bias_heads;
    in->edges += first * r.edge_dim;
    float *out = malloc((size_t)(N * row) * sizeof *out), *log_sums = malloc(N * 8 * sizeof *log_sums);
    alone.t.to.out = out;
    alone.t.to.log_sum_exp = log_sums;
    for (int a = 0; a < ARRAYS; a++) {
      if (k.gradient[a] == NULL) continue;
      alone.gradient[a] = malloc((size_t)(k.count[a] + 1) * sizeof(float));
    }
    alone.to = (heed_attention_gradients){.out = out, .log_sum_exp = log_sums,
                                          .d_out = k.d_out + FIRST * row,
                                          .query = alone.gradient[QUERY], .key = alone.gradient[KEY],
                                          .value = alone.gradient[VALUE],
                                          .bias = alone.gradient[BIAS]};
    task_run(&alone, HEED_KERNEL_SPARSE, 1);
    size_t nodes = (size_t)((N - FIRST) * row) * sizeof(float);
    ck_assert_int_eq(memcmp(out, k.t.out + FIRST * row, nodes), 0);
    for (int a = QUERY; a <= VALUE; a++) {
      ck_assert_int_eq(memcmp(alone.gradient[a], k.gradient[a] + FIRST * row, nodes), 0);
    }
    ck_assert_int_eq(memcmp(alone.gradient[BIAS], k.gradient[BIAS] + first * r.bias_heads,
                            (size_t)((n - first) * r.bias_heads) * sizeof(float)), 0);
    for (int a = 0; a < ARRAYS; a++) {
      if (k.gradient[a] != NULL) free(alone.gradient[a]);
    }
    free(out);
    free(log_sums);
    free(indices);
  }
  task_free(&k);
}
END_TEST

START_TEST(threads_do_not_change_a_bit) {
  heed_score score = (heed_score)(_i % 4);
  recipe sizes[] = {star(score, false),
                    star(score, true),
                    {.score = score, .heads = 8, .key_dim = 8, .value_dim = 8, .n_queries = 300,
                     .n_keys = 300, .density = 0.05, .hub = 0, .dropout = 0.5f, .seed = 3},
                    {.score = score, .heads = 3, .key_dim = 16, .value_dim = 5, .n_queries = 140,
                     .n_keys = 530, .density = 2, .hub = -1, .dropout = 0.5f},
                    {.score = score, .heads = 4, .key_dim = 16, .value_dim = 8, .n_queries = 900,
                     .n_keys = 300, .density = 0.02, .hub = 3, .dropout = 0.2f, .bias_heads = 1,
                     .seed = 4, .edge_dim = 13},
                    {.score = score, .heads = 4, .key_dim = 16, .value_dim = 16, .n_queries = 900,
                     .n_keys = 300, .density = 0.02, .hub = 3, .dropout = 0.2f, .bias_heads = 4,
                     .seed = 4, .edge_dim = 13}};
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    task k;
    sizes[s].normalizer = (heed_normalizer)(_i / 4);
    task_make(&k, sizes + s);
    for (int kernel = 0; kernel < KERNELS; kernel++) {
      double *one[ARRAYS], *many[ARRAYS];
      task_run(&k, kernels[kernel], 1);
      copy_gradients(&k, one);
      for (int threads = 2; threads <= 7; threads += 5) {
        task_run(&k, kernels[kernel], threads);
        copy_gradients(&k, many);
        for (int a = 0; a < ARRAYS; a++) {
          if (one[a] == NULL) continue;
          size_t bytes = (size_t)k.count[a] * sizeof(double);
          ck_assert_msg(memcmp(one[a], many[a], bytes) == 0, "%s, d %s",
                        heed_kernel_name(kernels[kernel]), names[a]);
          free(many[a]);
        }
      }
      for (int a = 0; a < ARRAYS; a++) free(one[a]);
    }
    task_free(&k);
  }
}
END_TEST

/* Several plans at once, each called within a parallel region of the caller. */
START_TEST(plans_run_side_by_side) {
  enum { PLANS = 4 };
  task k[PLANS];
  double *expected[PLANS][ARRAYS];
  heed_attention *plan[PLANS];
  for (int i = 0; i < PLANS; i++) {
    recipe r = {.score = (heed_score)_i, .heads = 4, .key_dim = 8, .value_dim = 8,
                .n_queries = 200, .n_keys = 200, .density = 0.2, .hub = 0, .dropout = 0.5f,
                .seed = (uint64_t)i, .edge_dim = _i % 2 == 0 ? 0 : 4};
    task_make(k + i, &r);
    task_run(k + i, kernels[i % 3], 2);
    copy_gradients(k + i, expected[i]);
    ck_assert_int_eq(heed_attention_new(plan + i, &k[i].t.spec, &k[i].t.mask), HEED_OK);
    ck_assert_int_eq(heed_attention_prepare_backward(plan[i], NULL, NULL), HEED_OK);
  }
  heed_status status[PLANS];
#pragma omp parallel for num_threads(2)
  for (int i = 0; i < PLANS; i++) {
    status[i] = heed_attention_forward(plan[i], &k[i].t.in, &k[i].t.to);
    if (status[i] == HEED_OK) status[i] = heed_attention_backward(plan[i], &k[i].t.in, &k[i].to);
  }
  for (int i = 0; i < PLANS; i++) {
    ck_assert_int_eq(status[i], HEED_OK);
    for (int a = 0; a < ARRAYS; a++) {
      for (int64_t x = 0; expected[i][a] != NULL && x < k[i].count[a]; x++) {
        ck_assert((double)k[i].gradient[a][x] == expected[i][a][x]);
      }
      free(expected[i][a]);
    }
    heed_attention_free(plan[i]);
    task_free(k + i);
  }
}
END_TEST

/* Every query of a full mask, or of a block, sees the same keys, and one of a causal block those up to itself: linear
 * attention then goes without pairs. */
static void linear_mask(task *k, const int64_t *blocks, int64_t n, bool causal) {
  int64_t p = 0;
  for (int64_t b = 0; b < n; b++) {
    for (int64_t i = blocks[b]; i < blocks[b + 1]; i++) {
      int64_t end = causal ? i + 1 : blocks[b + 1];
      k->t.indptr[i] = p;
      for (int64_t j = blocks[b]; j < end; j++) k->t.indices[p++] = (int32_t)j;
    }
  }
  k->t.indptr[blocks[n]] = k->t.mask.n_pairs = p;
}

START_TEST(linear_attention_needs_no_pairs) {
  static const int64_t of_masks[4][6] = { /* a full mask, blocks, a causal mask, causal blocks */
      {0}, {0, 120, 121, 200, 203, 300}, {0, 500}, {0, 1, 241, 247, 440, 500}};
  static const int n_blocks[4] = {0, 5, 1, 5}, n_without[4] = {1, 3, 1, 2}; /* tiny ones are less work in pairs */
  static const int32_t dims[][3] = {{3, 20, 17}, {2, 16, 32}, {1, 33, 7}, {8, 8, 8}};
  const int64_t *blocks = of_masks[_i % 4];
  int64_t rows = _i % 4 < 2 ? 300 : 500;
  bool full = _i % 4 == 0, causal = _i % 4 >= 2, listed = _i % 3 == 0;
  recipe r = {.score = HEED_SCORE_DOT, .heads = dims[_i / 4][0], .key_dim = dims[_i / 4][1],
              .value_dim = dims[_i / 4][2], .n_queries = rows, .n_keys = full ? 230 : rows,
              .density = full ? 2 : 1, .hub = -1, .seed = (uint64_t)_i,
              .normalizer = HEED_NORMALIZER_LINEAR};
  task k;
  task_make(&k, &r);
  if (!full) linear_mask(&k, blocks, n_blocks[_i % 4], causal);
  heed_mask runs = {0}, pairs = k.t.mask;
  if (causal && !listed) {
    ck_assert_int_eq(heed_mask_causal_blocks(&runs, n_blocks[_i % 4], blocks), HEED_OK);
    k.t.mask = runs;
  }
  k.t.spec.kernel = HEED_KERNEL_DENSE;
  heed_attention *plan;
  ck_assert_int_eq(heed_attention_new(&plan, &k.t.spec, &k.t.mask), HEED_OK);
  plan->problem.in = k.t.in;
  ck_assert(heed__linear_call(plan, NULL));
  int64_t without = 0;
  for (int64_t d = 0; d < plan->problem.n_diagonals; d++) {
    without += heed__linear_diagonal(&plan->problem, plan->problem.diagonals + d);
  }
  ck_assert_int_eq(without, n_without[_i % 4]);
  heed_attention_free(plan);
  double *expected[ARRAYS], *many[ARRAYS];
  task_run(&k, HEED_KERNEL_REFERENCE, 1);
  copy_gradients(&k, expected);
  int64_t n = r.n_queries * r.heads * r.value_dim;
  double *out = malloc((size_t)n * sizeof *out);
  for (int64_t i = 0; i < n; i++) out[i] = (double)k.t.out[i];
  kernels_give(&k, 1, expected, 1e-5);
  for (int isa = 0; isa < ISAS; isa++) {
    if (kernels_for(HEED_KERNEL_DENSE, isa) == NULL) continue;
    task_run(&k, HEED_KERNEL_DENSE, 1);
    ck_assert_double_lt(relative_error(k.t.out, out, n), 1e-5);
    for (int a = 0; a < ARRAYS; a++) free(expected[a]);
    copy_gradients(&k, expected);
    for (int threads = 2; threads <= 7; threads += 5) {
      task_run(&k, HEED_KERNEL_DENSE, threads);
      copy_gradients(&k, many);
      for (int a = 0; a < ARRAYS; a++) {
        if (many[a] != NULL) {
          ck_assert_mem_eq(many[a], expected[a], (size_t)k.count[a] * sizeof(double));
        }
        free(many[a]);
      }
    }
  }
  for (int a = 0; a < ARRAYS; a++) free(expected[a]);
  free(out);
  k.t.mask = pairs;
  heed_mask_free(&runs);
  task_free(&k);
}
END_TEST

static heed_status backward(task *k, heed_attention *plan) {
  heed_status status = heed_attention_forward(plan, &k->t.in, &k->t.to);
  ck_assert_msg(status == HEED_OK, "%s", heed_message());
  return heed_attention_backward(plan, &k->t.in, &k->to);
}

static heed_attention *plan_of(task *k, heed_kernel kernel) {
  heed_attention *plan;
  k->t.spec.kernel = kernel;
  ck_assert_int_eq(heed_attention_new(&plan, &k->t.spec, &k->t.mask), HEED_OK);
  ck_assert_int_eq(heed_attention_prepare_backward(plan, NULL, NULL), HEED_OK);
  return plan;
}

/* Inputs that are one array: every way to share their gradients gives the same sum. */
START_TEST(shared_gradients_are_summed) {
  recipe r = {.score = (heed_score)(_i % 4), .edge_dim = 5 * (_i / 4), .heads = 4, .key_dim = 6, .value_dim = 6, .n_queries = 30,
              .n_keys = 30, .density = 0.3, .hub = 4, .seed = 8};
  if (_i >= 8) { /* a full mask, which linear attention takes without pairs */
    r.normalizer = (heed_normalizer)(_i - 8);
    r.density = 2, r.edge_dim = 0;
  }
  for (int rectangular = 0; rectangular < 3; rectangular++) {
    /* The queries may also be the first rows of the keys, or the other way round. */
    if (rectangular == 1) r.n_queries = 21;
    if (rectangular == 2) r.n_queries = 30, r.n_keys = 25;
    task k;
    task_make(&k, &r);
    const float *x = rectangular == 2 ? k.t.query : k.t.key;
    int64_t n = 30 * 24;
    k.t.in.query = k.t.in.key = k.t.in.value = x;
    bool gat = r.score == HEED_SCORE_GAT;
    if (gat) k.t.in.a_key = k.t.in.a_query;
    for (int kernel = 0; kernel < KERNELS; kernel++) {
      task_point(&k);
      heed_attention *plan = plan_of(&k, kernels[kernel]);
      ck_assert_int_eq(backward(&k, plan), HEED_OK);
      double *expected = calloc((size_t)n, sizeof *expected);
      for (int a = QUERY; a <= VALUE; a++) {
        for (int64_t i = 0; i < k.count[a]; i++) expected[i] += (double)k.gradient[a][i];
      }
      double a_sum[24];
      for (int d = 0; d < 24 && gat; d++) {
        a_sum[d] = (double)k.gradient[A_QUERY][d] + (double)k.gradient[A_KEY][d];
      }
      float all[30 * 24], other[30 * 24], a_all[24];
      for (int way = 0; way < 5; way++) {
        memset(all, 0xff, sizeof all);
        memset(other, 0xff, sizeof other);
        task_point(&k);
        if (gat) k.to.a_query = k.to.a_key = a_all;
        k.to.query = way == 1 ? other : all;
        k.to.key = way == 2 ? other : all;
        k.to.value = way == 3 ? other : all;
        if (way == 4) k.t.in.value = k.to.value = NULL;
        heed_status status = backward(&k, plan);
        ck_assert_msg(status == HEED_OK, "%s", heed_message());
        k.t.in.value = x;
        int64_t n_other = way == 0 || way == 4 ? 0 : k.count[way - 1];
        int64_t n_all = 0;
        for (int a = QUERY; a <= VALUE; a++) {
          if (a != way - 1 && k.count[a] > n_all) n_all = k.count[a];
        }
        for (int64_t i = 0; i < n; i++) {
          double sum = (i < n_all ? (double)all[i] : 0) + (i < n_other ? (double)other[i] : 0);
          ck_assert_msg(fabs(sum - expected[i]) < 2e-5, "way %d, number %lld: %g, expected %g", way,
                        (long long)i, sum, expected[i]);
        }
        for (int d = 0; d < 24 && gat; d++) {
          ck_assert_double_lt(fabs((double)a_all[d] - a_sum[d]), 1e-4);
        }
      }
      free(expected);
      heed_attention_free(plan);
    }
    task_point(&k);
    task_free(&k);
  }
}
END_TEST

/* The first numbers to come are what is expected, to rounding; what was there before of the same kernel, bit by bit. */
static void numbers_agree(const char *what, const float *x, int64_t n, double **expected, float **before) {
  double most = 1;
  if (*expected == NULL) {
    *expected = malloc((size_t)n * sizeof **expected);
    for (int64_t i = 0; i < n; i++) (*expected)[i] = (double)x[i];
  }
  for (int64_t i = 0; i < n; i++) most = fmax(most, fabs((*expected)[i]));
  for (int64_t i = 0; i < n; i++) {
    ck_assert_msg(fabs((double)x[i] - (*expected)[i]) <= 1e-5 * most, "%s, number %lld: %g, expected %g", what,
                  (long long)i, (double)x[i], (*expected)[i]);
    ck_assert(*before == NULL || x[i] == (*before)[i]);
  }
  if (*before != NULL) return;
  *before = malloc((size_t)n * sizeof **before);
  memcpy(*before, x, (size_t)n * sizeof **before);
}

/* GAT, queries, keys and values one array with one gradient: node 7 sees all others and all see node 3, more than a
 * segment has, and nodes at the end see nobody. */
START_TEST(long_rows_share_their_gradients) {
  static const int32_t shapes[][2] = {{8, 8}, {4, 6}, {1, 7}, {2, 16}, {4, 4}, {8, 16}, {3, 5}};
  enum { N = SEGMENT_PAIRS + 77, SEEING = N - 5 };
  recipe r = {.score = HEED_SCORE_GAT, .heads = shapes[_i][0], .key_dim = shapes[_i][1],
              .value_dim = shapes[_i][1], .n_queries = _i % 3 == 0 ? N - 3 : N, .n_keys = N,
              .density = 0.0001, .hub = -1, .dropout = _i % 2 == 0 ? 0.3f : 0, .seed = 4};
  task k;
  task_make(&k, &r);
  int64_t *indptr = malloc((N + 1) * sizeof *indptr), pairs = 0;
  int32_t *indices = malloc((size_t)(4 * N) * sizeof *indices);
  for (int64_t i = 0; i < r.n_queries; i++) {
    indptr[i] = pairs;
    for (int64_t j = 0; j < N && i == 7; j++) indices[pairs++] = (int32_t)j;
    if (i == 7 || i >= SEEING) continue;
    indices[pairs++] = 3;
    if (i > 3) indices[pairs++] = (int32_t)i;
  }
  indptr[r.n_queries] = pairs;
  k.t.mask = (heed_mask){.n_queries = r.n_queries, .n_keys = N, .n_pairs = pairs, .indptr = indptr,
                         .indices = indices};
  k.t.in.query = k.t.in.key;
  k.t.in.value = NULL;
  int64_t n = k.count[KEY], n_a = k.count[A_KEY];
  float *all = malloc((size_t)n * sizeof *all);
  double *expected = NULL, *expected_query = NULL, *expected_key = NULL;
  k.to.query = k.to.key = all;
  k.to.value = NULL;
  for (int of = 0; of < 2 * ISAS; of++) {
    const int kernel = of / ISAS, isa = of % ISAS;
    if (kernels_for(kernels[kernel], isa) == NULL) continue;
    float *before = NULL, *query_before = NULL, *key_before = NULL;
    k.to.steep = k.t.to.steep = isa % 2 == 0 ? NULL : k.steep;
    for (int threads = 1; threads <= 3; threads += 2) {
      memset(all, 0xff, (size_t)n * sizeof *all);
      ck_assert_int_eq(heed_set_threads(threads), HEED_OK);
      heed_attention *plan = plan_of(&k, kernels[kernel]);
      heed_status status = backward(&k, plan);
      ck_assert_msg(status == HEED_OK, "%s", heed_message());
      heed_attention_free(plan);
      numbers_agree(isas[isa], all, n, &expected, &before);
      numbers_agree(isas[isa], k.gradient[A_QUERY], n_a, &expected_query, &query_before);
      numbers_agree(isas[isa], k.gradient[A_KEY], n_a, &expected_key, &key_before);
    }
    free(before);
    free(query_before);
    free(key_before);
  }
  free(expected);
  free(expected_query);
  free(expected_key);
  ck_assert_int_eq(heed_set_threads(0), HEED_OK);
  k.t.to.steep = NULL;
  free(all);
  free(indptr);
  free(indices);
  task_free(&k);
}
END_TEST

/* Any one gradient alone is what it is among the others, bit for bit. */
START_TEST(wanted_alone_or_with_others) {
  recipe r = {.score = (heed_score)_i, .heads = 4, .key_dim = 8, .value_dim = 5, .n_queries = 40,
              .n_keys = 50, .density = 0.3, .hub = 4, .bias_heads = 4, .dropout = 0.2f, .seed = 8};
  r.score = (heed_score)(_i % 4);
  if (_i >= 4) r.edge_dim = 6, r.bias_heads = 1;
  task k;
  task_make(&k, &r);
  for (int kernel = 0; kernel < KERNELS; kernel++) {
    heed_attention *plan = plan_of(&k, kernels[kernel]);
    ck_assert_int_eq(backward(&k, plan), HEED_OK);
    double *all[ARRAYS];
    copy_gradients(&k, all);
    float *gradient[ARRAYS];
    memcpy(gradient, k.gradient, sizeof gradient);
    for (int a = 0; a < ARRAYS; a++) {
      if (gradient[a] == NULL) continue;
      memset(k.gradient, 0, sizeof k.gradient);
      k.gradient[a] = gradient[a];
      memset(gradient[a], 0xff, (size_t)k.count[a] * sizeof(float));
      task_point(&k);
      ck_assert_int_eq(backward(&k, plan), HEED_OK);
      for (int64_t i = 0; i < k.count[a]; i++) {
        ck_assert_msg((double)gradient[a][i] == all[a][i], "d %s", names[a]);
      }
    }
    memset(k.gradient, 0, sizeof k.gradient);
    task_point(&k);
    ck_assert_int_eq(backward(&k, plan), HEED_OK); /* none wanted */
    memcpy(k.gradient, gradient, sizeof gradient);
    task_point(&k);
    for (int a = 0; a < ARRAYS; a++) free(all[a]);
    heed_attention_free(plan);
  }
  task_free(&k);
}
END_TEST

/* A plan that learns and is evaluated in turn is like plans made for either. */
START_TEST(dropout_can_be_changed) {
  recipe r = {.score = (heed_score)(_i % 4), .edge_dim = 5 * (_i / 4), .heads = 3, .key_dim = 8, .value_dim = 8, .n_queries = 40,
              .n_keys = 50, .density = 0.3, .hub = 4, .dropout = 0.5f, .seed = 8};
  task with, without;
  task_make(&with, &r);
  r.dropout = 0;
  task_make(&without, &r);
  for (int kernel = 0; kernel < KERNELS; kernel++) {
    for (int turn = 0; turn < 2; turn++) {
      task *from = turn == 0 ? &without : &with, *to = turn == 0 ? &with : &without;
      heed_attention *plan = plan_of(from, kernels[kernel]);
      ck_assert_int_eq(heed_attention_set_dropout(plan, to->t.spec.dropout, to->t.spec.seed),
                       HEED_OK);
      task_run(to, kernels[kernel], 0);
      double *expected[ARRAYS];
      copy_gradients(to, expected);
      heed__alloc_fail_after(0);
      ck_assert_int_eq(backward(to, plan), HEED_OK);
      heed__alloc_fail_after(-1);
      for (int a = 0; a < ARRAYS; a++) {
        if (expected[a] == NULL) continue;
        for (int64_t i = 0; i < to->count[a]; i++) {
          ck_assert((double)to->gradient[a][i] == expected[a][i]);
        }
        free(expected[a]);
      }
      ck_assert_int_eq(heed_attention_set_dropout(plan, 1, 0), HEED_ARGUMENT);
      ck_assert_int_eq(heed_attention_set_dropout(plan, -0.1f, 0), HEED_ARGUMENT);
      ck_assert_int_eq(heed_attention_set_dropout(plan, NAN, 0), HEED_ARGUMENT);
      heed_attention_free(plan);
    }
  }
  task_free(&with);
  task_free(&without);
}
END_TEST

/* A plan with room for larger masks, bound to one and then to another, has the bits of one for that mask alone. */
START_TEST(plans_that_are_bound_have_the_same_bits) {
  recipe r = {.score = (heed_score)(_i % 4), .edge_dim = _i < 4 ? 5 : 65, .heads = 4, .key_dim = 8,
              .value_dim = 8, .n_queries = 700, .n_keys = 320, .density = 0.02, .hub = 4,
              .bias_heads = 4, .seed = 8};
  task other, k;
  task_make(&other, &r);
  r.n_queries = 300;
  task_make(&k, &r);
  const task *both[] = {&other, &k};
  for (int kernel = 0; kernel < 2; kernel++) {
    heed_kernel name = kernel == 0 ? HEED_KERNEL_SPARSE : HEED_KERNEL_DENSE;
    task_run(&k, name, 1);
    double *expected[ARRAYS];
    copy_gradients(&k, expected);
    heed_mask bound = {.n_queries = 5000, .n_keys = 400, .n_pairs = 1 << 16};
    heed_attention *plan;
    ck_assert_int_eq(heed__plan_reserve(&plan, &k.t.spec, &bound, false), HEED_OK);
    ck_assert_int_eq(heed_attention_prepare_backward(plan, NULL, NULL), HEED_OK);
    for (int time = 0; time < 2; time++) {
      bound = both[time]->t.mask;
      heed_mask transposed;
      int64_t *pairs = malloc((size_t)bound.n_pairs * sizeof *pairs);
      ck_assert_int_eq(heed_mask_transpose(&transposed, &bound, pairs), HEED_OK);
      ck_assert_int_eq(heed__plan_rebind(plan, &transposed, pairs), HEED_OK);
      ck_assert_int_eq(backward(time == 0 ? &other : &k, plan), HEED_OK);
      heed_mask_free(&transposed);
      free(pairs);
    }
    for (int a = 0; a < ARRAYS; a++) {
      for (int64_t i = 0; expected[a] != NULL && i < k.count[a]; i++) {
        ck_assert_msg((double)k.gradient[a][i] == expected[a][i], "kernel %d, %s, number %lld: %a, not %a",
                      name, names[a], (long long)i, (double)k.gradient[a][i], expected[a][i]);
      }
      free(expected[a]);
    }
    heed_attention_free(plan);
  }
  task_free(&other);
  task_free(&k);
}
END_TEST

START_TEST(transpose_may_be_shared) {
  recipe r = {.score = (heed_score)(_i % 4), .edge_dim = 5 * (_i / 4), .heads = 2, .key_dim = 8, .value_dim = 8, .n_queries = 40,
              .n_keys = 50, .density = 0.3, .hub = 4, .bias_heads = 1, .seed = 8};
  task k;
  task_make(&k, &r);
  heed_mask transposed;
  int64_t *pairs = malloc((size_t)k.t.mask.n_pairs * sizeof *pairs);
  ck_assert_int_eq(heed_mask_transpose(&transposed, &k.t.mask, pairs), HEED_OK);
  for (int kernel = 0; kernel < KERNELS; kernel++) {
    task_run(&k, kernels[kernel], 1);
    double *expected[ARRAYS];
    copy_gradients(&k, expected);
    heed_attention *plan = plan_of(&k, kernels[kernel]);
    ck_assert_int_eq(heed_attention_prepare_backward(plan, &transposed, pairs), HEED_OK);
    ck_assert_int_eq(backward(&k, plan), HEED_OK);
    for (int a = 0; a < ARRAYS; a++) {
      for (int64_t i = 0; expected[a] != NULL && i < k.count[a]; i++) {
        ck_assert((double)k.gradient[a][i] == expected[a][i]);
      }
      free(expected[a]);
    }
    ck_assert_int_eq(heed_attention_prepare_backward(plan, &transposed, NULL), HEED_ARGUMENT);
    ck_assert_int_eq(heed_attention_prepare_backward(plan, NULL, pairs), HEED_ARGUMENT);
    ck_assert_int_eq(heed_attention_prepare_backward(plan, &k.t.mask, pairs), HEED_SHAPE);
    heed_attention_free(plan);
  }
  heed_mask_free(&transposed);
  free(pairs);
  task_free(&k);
}
END_TEST

START_TEST(failed_allocations_leave_nothing) {
  for (int by_keys = 0; by_keys < 2; by_keys++) {
    recipe r = star((heed_score)(_i % 4), by_keys);
    if (_i >= 4) r.edge_dim = 3;
    task k;
    task_make(&k, &r);
    for (int kernel = 0; kernel < KERNELS; kernel++) {
      k.t.spec.kernel = kernels[kernel];
      size_t before = heed_memory_held();
      heed_attention *plan;
      ck_assert_int_eq(heed_attention_new(&plan, &k.t.spec, &k.t.mask), HEED_OK);
      size_t held = heed_memory_held();
      long n = 0;
      for (;; n++) {
        heed__alloc_fail_after(n);
        heed_status status = heed_attention_prepare_backward(plan, NULL, NULL);
        heed__alloc_fail_after(-1);
        if (status == HEED_OK) break;
        ck_assert_int_eq(status, HEED_NOMEM);
        ck_assert_uint_eq(heed_memory_held(), held);
        ck_assert_int_eq(heed_attention_forward(plan, &k.t.in, &k.t.to), HEED_OK);
        ck_assert_int_eq(heed_attention_backward(plan, &k.t.in, &k.to), HEED_ARGUMENT);
      }
      ck_assert_int_gt(n, 3);
      ck_assert_int_eq(heed_attention_backward(plan, &k.t.in, &k.to), HEED_OK);
      heed_attention_free(plan);
      ck_assert_uint_eq(heed_memory_held(), before);
    }
    task_free(&k);
  }
}
END_TEST

/* One number a query or key and head, the transposed mask, a task a row at most, never a pair and dimension. */
START_TEST(memory_is_linear) {
  for (int kernel = 0; kernel < KERNELS; kernel++) {
    size_t bytes[2];
    for (int size = 0; size < 2; size++) {
      recipe r = {.score = (heed_score)_i, .heads = 8, .key_dim = 8, .value_dim = 8,
                  .n_queries = 2500 << size, .n_keys = 2500 << size, .density = 2, .hub = -1};
      task k;
      task_make(&k, &r);
      k.t.spec.kernel = kernels[kernel];
      heed_attention *plan;
      ck_assert_int_eq(heed_attention_new(&plan, &k.t.spec, &k.t.mask), HEED_OK);
      size_t before = heed_memory_held();
      ck_assert_int_eq(heed_attention_prepare_backward(plan, NULL, NULL), HEED_OK);
      bytes[size] = heed_memory_held() - before;
      heed_attention_free(plan);
      task_free(&k);
    }
    ck_assert_uint_le(bytes[1], 5 * bytes[0] / 2);
  }
}
END_TEST

START_TEST(bad_arguments_are_named) {
  recipe r = {.score = HEED_SCORE_GATV2, .heads = 2, .key_dim = 4, .value_dim = 4, .n_queries = 5,
              .n_keys = 5, .density = 0.5, .hub = 0, .bias_heads = 2};
  task k;
  task_make(&k, &r);
  heed_attention *plan;
  ck_assert_int_eq(heed_attention_new(&plan, &k.t.spec, &k.t.mask), HEED_OK);
  ck_assert_int_eq(heed_attention_forward(plan, &k.t.in, &k.t.to), HEED_OK);
  ck_assert_int_eq(heed_attention_backward(plan, &k.t.in, &k.to), HEED_ARGUMENT);
  ck_assert_ptr_nonnull(strstr(heed_message(), "not prepared"));
  ck_assert_int_eq(heed_attention_prepare_backward(plan, NULL, NULL), HEED_OK);
  const heed_attention_inputs in = k.t.in;
  const heed_attention_gradients to = k.to;
#define REFUSED(status, change, word)                                               \
  do {                                                                              \
    k.t.in = in, k.to = to;                                                         \
    change;                                                                         \
    ck_assert_int_eq(heed_attention_backward(plan, &k.t.in, &k.to), status);         \
    ck_assert_msg(strstr(heed_message(), word) != NULL, "%s", heed_message());      \
  } while (0)
  REFUSED(HEED_ARGUMENT, k.t.in.query = NULL, "query");
  REFUSED(HEED_ARGUMENT, k.t.in.a = NULL, "the array a");
  REFUSED(HEED_ARGUMENT, k.t.in.a_key = k.t.a_key, "a_key");
  REFUSED(HEED_ARGUMENT, k.to.out = NULL, "array out");
  REFUSED(HEED_ARGUMENT, k.to.log_sum_exp = NULL, "log_sum_exp");
  REFUSED(HEED_ARGUMENT, k.to.d_out = NULL, "d_out");
  REFUSED(HEED_ARGUMENT, k.to.a_query = k.to.a, "gradient of a_query");
  REFUSED(HEED_ARGUMENT, k.to.a_key = k.to.a, "gradient of a_key");
  REFUSED(HEED_ARGUMENT, k.t.in.bias = NULL, "gradient of bias");
  REFUSED(HEED_ARGUMENT, k.to.edge_bias = k.to.a, "gradient of edge_bias");
  REFUSED(HEED_ARGUMENT, k.to.edge_key = k.to.a, "gradient of edge_key");
  REFUSED(HEED_ARGUMENT, k.to.edge_value = k.to.a, "gradient of edge_value");
  REFUSED(HEED_ARGUMENT, k.t.in.edges = k.t.query, "array edges");
  REFUSED(HEED_ARGUMENT, k.t.in.value = NULL, "gradient of value");
  REFUSED(HEED_ARGUMENT, k.to.key = k.to.query, "query and key");
  REFUSED(HEED_ARGUMENT, k.to.value = k.to.query, "query and value");
  REFUSED(HEED_ARGUMENT, k.to.value = k.to.key, "key and value");
  REFUSED(HEED_SHAPE, k.t.in.bias_heads = 3, "bias of 3 heads");
  k.t.in = in, k.to = to;
  k.t.to.steep = k.steep; /* which no score but GAT has */
  ck_assert_int_eq(heed_attention_forward(plan, &k.t.in, &k.t.to), HEED_ARGUMENT);
  ck_assert_msg(strstr(heed_message(), "steep") != NULL, "%s", heed_message());
  k.t.to.steep = NULL;
  heed_attention_free(plan);
  const heed_attention_spec spec = k.t.spec;
  k.t.spec.key_dim = 2; /* of rows of other sizes no gradients are one array, though the inputs may be */
  ck_assert_int_eq(heed_attention_new(&plan, &k.t.spec, &k.t.mask), HEED_OK);
  ck_assert_int_eq(heed_attention_prepare_backward(plan, NULL, NULL), HEED_OK);
  REFUSED(HEED_SHAPE, (k.t.in.value = k.t.in.key, k.to.value = k.to.key), "values of 4 numbers");
  REFUSED(HEED_SHAPE, (k.t.in.value = k.t.in.query, k.to.value = k.to.query), "queries or keys of 2");
#undef REFUSED
  k.t.in = in, k.to = to, k.t.spec = spec;
  heed_attention_free(plan);
  task_free(&k);
}
END_TEST

/* Keys that nobody sees, queries that see nobody, no nodes at all. */
START_TEST(nothing_seen_nothing_learned) {
  const int64_t indptr[] = {0, 0, 0, 0};
  const heed_mask masks[] = {{0}, {.n_queries = 3}, {.n_keys = 3},
                             {.n_queries = 3, .n_keys = 3, .indptr = indptr},
                             {.n_keys = 3, .indptr = indptr}, /* with features of pairs, as the next */
                             {.n_queries = 3, .n_keys = 3, .indptr = indptr}};
  float x[24] = {0}, a[8] = {0}, lse[6];
  for (int i = 0; i < 6; i++) lse[i] = -INFINITY;
  for (int score = 0; score < 4; score++) {
    for (int kernel = 0; kernel < KERNELS; kernel++) {
      for (size_t m = 0; m < sizeof masks / sizeof *masks; m++) {
        heed_attention_spec spec = heed_attention_spec_default(2, 4);
        spec.score = (heed_score)score;
        spec.kernel = kernels[kernel];
        spec.edge_dim = m >= 4 ? 3 : 0;
        heed_attention *plan;
        ck_assert_int_eq(heed_attention_new(&plan, &spec, masks + m), HEED_OK);
        ck_assert_int_eq(heed_attention_prepare_backward(plan, NULL, NULL), HEED_OK);
        bool gat = score == HEED_SCORE_GAT, dot = score == HEED_SCORE_DOT;
        bool queries = masks[m].n_queries > 0, keys = masks[m].n_keys > 0;
        float gradient[9][24];
        memset(gradient, 0xff, sizeof gradient);
        heed_attention_inputs in = {.query = queries ? x : NULL,
                                    .key = keys ? x : NULL,
                                    .value = keys ? x : NULL,
                                    .a_query = gat ? a : NULL,
                                    .a_key = gat ? a : NULL,
                                    .a = gat || dot ? NULL : a,
                                    .edge_bias = m >= 4 ? x : NULL,
                                    .edge_key = m >= 4 && !gat ? x : NULL,
                                    .edge_value = m >= 4 ? x : NULL};
        heed_attention_gradients to = {.out = x,
                                       .log_sum_exp = lse,
                                       .d_out = x,
                                       .query = queries ? gradient[0] : NULL,
                                       .key = keys ? gradient[1] : NULL,
                                       .value = keys ? gradient[2] : NULL,
                                       .a_query = gat ? gradient[3] : NULL,
                                       .a_key = gat ? gradient[4] : NULL,
                                       .a = gat || dot ? NULL : gradient[5],
                                       .edge_bias = m >= 4 ? gradient[6] : NULL,
                                       .edge_key = m >= 4 && !gat ? gradient[7] : NULL,
                                       .edge_value = m >= 4 ? gradient[8] : NULL};
        heed_status status = heed_attention_backward(plan, &in, &to);
        ck_assert_msg(status == HEED_OK, "%s", heed_message());
        const float *there[9] = {to.query, to.key,       to.value,    to.a_query,   to.a_key,
                                 to.a,     to.edge_bias, to.edge_key, to.edge_value};
        const int count[9] = {24, 24, 24, 8, 8, 8, 6, 24, 24};
        for (int g = 0; g < 9; g++) {
          for (int i = 0; there[g] != NULL && i < count[g]; i++) {
            ck_assert_msg(there[g][i] == 0, "gradient %d", g);
          }
        }
        heed_attention_free(plan);
      }
    }
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("backward");
  TCase *numbers = tcase_create("numbers");
  tcase_set_timeout(numbers, 300);
  tcase_add_checked_fixture(numbers, NULL, reset);
  tcase_add_loop_test(numbers, differences_agree, 0, 16 * SMALL);
  tcase_add_loop_test(numbers, kernels_agree, 0, 16 * SHAPES_HERE);
  tcase_add_loop_test(numbers, long_rows_are_joined, 0, 40);
  tcase_add_loop_test(numbers, sizes_about_block_limits, 0, 36);
  tcase_add_loop_test(numbers, large_biases_agree, 0, 8);
  tcase_add_loop_test(numbers, structured_masks_agree, 0, 6);
  suite_add_tcase(suite, numbers);
  TCase *rules = tcase_create("rules");
  tcase_set_timeout(rules, 300);
  tcase_add_checked_fixture(rules, NULL, reset);
  tcase_add_loop_test(rules, threads_do_not_change_a_bit, 0, 16);
  tcase_add_loop_test(rules, linear_attention_needs_no_pairs, 0, 16);
  tcase_add_loop_test(rules, a_graph_has_the_same_bits_beside_another, 0, 8);
  tcase_add_loop_test(rules, plans_run_side_by_side, 0, 4);
  tcase_add_loop_test(rules, shared_gradients_are_summed, 0, 12);
  tcase_add_loop_test(rules, long_rows_share_their_gradients, 0, 7);
  tcase_add_loop_test(rules, wanted_alone_or_with_others, 0, 8);
  tcase_add_loop_test(rules, dropout_can_be_changed, 0, 8);
  tcase_add_loop_test(rules, plans_that_are_bound_have_the_same_bits, 0, 8);
  tcase_add_loop_test(rules, transpose_may_be_shared, 0, 8);
  tcase_add_loop_test(rules, failed_allocations_leave_nothing, 0, 8);
  tcase_add_loop_test(rules, memory_is_linear, 0, 4);
  tcase_add_test(rules, bad_arguments_are_named);
  tcase_add_test(rules, nothing_seen_nothing_learned);
  suite_add_tcase(suite, rules);
  return run_suite(suite);
}
