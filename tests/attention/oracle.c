#include "attention/oracle.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

const heed_kernel kernels[KERNELS] = {HEED_KERNEL_REFERENCE, HEED_KERNEL_SPARSE,
                                      HEED_KERNEL_DENSE};
const char *const isas[ISAS] = {"portable", "avx2", "avx512"};

static const struct {
  int32_t heads, key_dim, value_dim;
} shapes[SHAPES] = {{8, 8, 8},   {1, 64, 64}, {4, 16, 16}, {2, 32, 32}, {8, 4, 4},  {16, 2, 2}, {16, 1, 1},
              {3, 5, 7},   {1, 1, 1},   {1, 7, 3},   {6, 10, 16}, {12, 3, 9}, {20, 8, 5}, {8, 64, 64},
              {32, 8, 8},  {2, 8, 24},  {8, 8, 1},   {4, 4, 4},   {1, 8, 8},  {5, 17, 33}, {1, 128, 40},
              {2, 4, 12},  {4, 2, 20},  {17, 16, 2}, {1, 300, 2}, {8, 16, 16}, {8, 4, 32},
              {4, 8, 8},   {1, 16, 16}, {1, 9, 32},  {1, 4, 128},
              {1, 7, 7},   {4, 2, 2}};

static const struct {
  int64_t n_queries, n_keys;
  double density;
  int64_t hub;
  int32_t bias; /* 0 none, 1 shared, 2 a head each */
  float shut, dropout;
} patterns[PATTERNS] = {
    {40, 40, 0.1, -1, 0, 0, 0},         {30, 50, 0.3, 3, 2, 0, 0.3f}, {50, 30, 0.02, -1, 1, 0, 0},
    {20, 20, 0, -1, 0, 0, 0},           {33, 33, 2, -1, 0, 0, 0.5f},  {3, 530, 2, -1, 2, 0, 0},
    {130, 530, 0.03, 5, 2, 0.4f, 0.2f}, {10, 10, 0.5, -1, 2, 1, 0},   {1, 1, 2, -1, 0, 0, 0},
    {90, 90, 0.03, -1, 0, 0, 0},        {30, 200, 0.2, 3, 1, 0.2f, 0.3f},
    {40, 30, 0.1, 5, 2, 0.1f, 0},
};

recipe recipe_of(heed_score score, int shape, int pattern) {
  /* Every number of features about a vector, every choice of what they serve. */
  int32_t edge_dim = pattern >= WITH_EDGES ? 1 + (7 * shape + 5 * pattern) % 19 : 0;
  int edge_use = (shape + 3 * pattern) % 8;
  return (recipe){.score = score,
                  .heads = shapes[shape].heads,
                  .key_dim = shapes[shape].key_dim,
                  .value_dim = shapes[shape].value_dim,
                  .n_queries = patterns[pattern].n_queries,
                  .n_keys = patterns[pattern].n_keys,
                  .density = patterns[pattern].density,
                  .hub = patterns[pattern].hub,
                  .bias_heads = patterns[pattern].bias == 2 ? shapes[shape].heads
                                                            : patterns[pattern].bias,
                  .shut = patterns[pattern].shut,
                  .dropout = patterns[pattern].dropout,
                  .seed = (uint64_t)(1000 * shape + pattern),
                  .edge_dim = edge_dim,
                  .edge_use = edge_use};
}

const heed__kernels *kernels_for(heed_kernel kernel, int isa) {
  const heed__kernels *named = heed__kernels_named(isas[isa]);
  if (named == NULL || (kernel == HEED_KERNEL_REFERENCE && isa > 0)) return NULL;
  heed__kernels_override(named);
  return named;
}

void reset(void) {
  heed__kernels_override(NULL);
  heed__alloc_fail_after(-1);
}

static float *draw(uint64_t seed, uint64_t stream, int64_t n, float range) {
  float *x = malloc((size_t)(n + 1) * sizeof *x);
  ck_assert_ptr_nonnull(x);
  heed_random_uniform(seed, stream, x, n, -range, range);
  return x;
}

static void draw_mask(trial *t, const recipe *r) {
  int64_t rows = r->n_queries, keys = r->n_keys;
  t->mask = (heed_mask){.n_queries = rows, .n_keys = keys, .n_pairs = rows * keys};
  if (r->density > 1) return;
  t->indptr = malloc((size_t)(rows + 1) * sizeof *t->indptr);
  t->indices = malloc((size_t)(rows * keys + 1) * sizeof *t->indices);
  float *coin = draw(r->seed, 100, rows * keys, 1);
  int64_t n = 0;
  t->indptr[0] = 0;
  for (int64_t i = 0; i < rows; i++) {
    for (int64_t j = 0; j < keys; j++) {
      if (i == r->hub || coin[i * keys + j] < 2 * (float)r->density - 1) {
        t->indices[n++] = (int32_t)j;
      }
    }
    t->indptr[i + 1] = n;
  }
  free(coin);
  t->mask.n_pairs = n;
  t->mask.indptr = t->indptr;
  t->mask.indices = t->indices;
}

static void draw_edges(trial *t, const recipe *r) {
  int64_t n = r->edge_dim, row = n * r->heads;
  float range = 1 / sqrtf((float)n);
  int use = r->edge_use == 0 ? EDGE_BIAS | EDGE_KEY | EDGE_VALUE : r->edge_use;
  if (r->score == HEED_SCORE_GAT) use = use == EDGE_KEY ? EDGE_BIAS : use & ~EDGE_KEY;
  t->spec.edge_dim = r->edge_dim;
  t->edges = draw(r->seed, 11, t->mask.n_pairs * n, 1);
  if (use & EDGE_BIAS) t->edge_bias = draw(r->seed, 12, row, 2 * range);
  if (use & EDGE_KEY) t->edge_key = draw(r->seed, 13, row * r->key_dim, 2 * range);
  if (use & EDGE_VALUE) t->edge_value = draw(r->seed, 14, row * r->value_dim, 2 * range);
  t->in.edges = t->edges;
  t->in.edge_bias = t->edge_bias;
  t->in.edge_key = t->edge_key;
  t->in.edge_value = t->edge_value;
}

void trial_make(trial *t, const recipe *r) {
  memset(t, 0, sizeof *t);
  t->spec = heed_attention_spec_default(r->heads, r->key_dim);
  t->spec.score = r->score;
  t->spec.normalizer = r->normalizer;
  t->spec.value_dim = r->value_dim;
  t->spec.dropout = r->dropout;
  t->spec.seed = r->seed;
  draw_mask(t, r);
  int64_t d = (int64_t)r->heads * r->key_dim, dv = (int64_t)r->heads * r->value_dim;
  t->query = draw(r->seed, 1, r->n_queries * d, 2);
  t->key = draw(r->seed, 2, r->n_keys * d, 2);
  t->value = draw(r->seed, 3, r->n_keys * dv, 1);
  t->a_query = draw(r->seed, 4, d, 1);
  t->a_key = draw(r->seed, 5, d, 1);
  t->a = draw(r->seed, 6, d, 1);
  t->out = malloc((size_t)(r->n_queries * dv + 1) * sizeof *t->out);
  t->weights = malloc((size_t)(t->mask.n_pairs * r->heads + 1) * sizeof *t->weights);
  t->log_sum_exp = malloc((size_t)(r->n_queries * r->heads + 1) * sizeof *t->log_sum_exp);
  bool gat = r->score == HEED_SCORE_GAT, dot = r->score == HEED_SCORE_DOT;
  t->in = (heed_attention_inputs){.query = t->query, .key = t->key, .value = t->value};
  if (gat) t->in.a_query = t->a_query, t->in.a_key = t->a_key;
  if (!gat && !dot) t->in.a = t->a;
  if (r->bias_heads > 0) {
    int64_t n = t->mask.n_pairs * r->bias_heads;
    t->bias = draw(r->seed, 7, n, 1);
    float *coin = draw(r->seed, 8, n, 1);
    for (int64_t i = 0; i < n; i++) {
      if (r->stretch > 0) t->bias[i] *= r->stretch;
      if (coin[i] < 2 * r->shut - 1) t->bias[i] = -INFINITY;
    }
    free(coin);
    t->in.bias = t->bias;
    t->in.bias_heads = r->bias_heads;
  }
  t->to = (heed_attention_outputs){.out = t->out, .weights = t->weights, .log_sum_exp = t->log_sum_exp};
  if (r->edge_dim > 0) draw_edges(t, r);
}

void trial_free(trial *t) {
  free(t->indptr);
  free(t->indices);
  free(t->query);
  free(t->key);
  free(t->value);
  free(t->a_query);
  free(t->a_key);
  free(t->a);
  free(t->bias);
  free(t->edges);
  free(t->edge_bias);
  free(t->edge_key);
  free(t->edge_value);
  free(t->out);
  free(t->weights);
  free(t->log_sum_exp);
  memset(t, 0, sizeof *t);
}

static double leaky(double x) { return x > 0 ? x : (double)0.2f * x; }

/* Number d of head h in the features of pair p times a matrix [Fe, H, dim]; 0 without one. */
static double featured(const trial *t, const float *matrix, int64_t p, int64_t h, int64_t dim,
                       int64_t d) {
  double x = 0;
  for (int64_t f = 0; matrix != NULL && f < t->spec.edge_dim; f++) {
    x += (double)t->edges[p * t->spec.edge_dim + f] *
         (double)matrix[(f * t->spec.heads + h) * dim + d];
  }
  return x;
}

static double logit(const trial *t, int64_t i, int64_t j, int64_t p, int32_t h) {
  int32_t dim = t->spec.key_dim, heads = t->spec.heads;
  double sum = 0;
  for (int32_t d = 0; d < dim; d++) {
    double q = (double)t->query[(i * heads + h) * dim + d];
    double k = (double)t->key[(j * heads + h) * dim + d] + featured(t, t->edge_key, p, h, dim, d);
    int64_t at = (int64_t)h * dim + d;
    switch (t->spec.score) {
      case HEED_SCORE_DOT: sum += q * k; break;
      case HEED_SCORE_GAT: sum += (double)t->a_query[at] * q + (double)t->a_key[at] * k; break;
      case HEED_SCORE_GATV2: sum += (double)t->a[at] * leaky(q + k); break;
      case HEED_SCORE_ADDITIVE: sum += (double)t->a[at] * tanh(q + k); break;
    }
  }
  if (t->spec.score == HEED_SCORE_DOT) sum /= sqrt(dim);
  double featured_bias = featured(t, t->edge_bias, p, h, 1, 0);
  return t->spec.score == HEED_SCORE_GAT ? leaky(sum + featured_bias) : sum + featured_bias;
}

/* The weight of a pair in a row of n. */
static double weight_alone(heed_normalizer normalizer, double x, int64_t n) {
  if (isinf(x)) return 0;
  if (normalizer == HEED_NORMALIZER_RELU) return fmax(x, 0) / (double)n;
  if (normalizer == HEED_NORMALIZER_SIGMOID) return 1 / (1 + exp(-(x - log((double)n))));
  return x / (double)n;
}

void trial_oracle(const trial *t, double *out, double *weights, double *log_sum_exp) {
  int32_t heads = t->spec.heads, value_dim = t->spec.value_dim;
  for (int64_t i = 0; i < t->mask.n_queries; i++) {
    int64_t first = t->indptr != NULL ? t->indptr[i] : i * t->mask.n_keys;
    int64_t end = t->indptr != NULL ? t->indptr[i + 1] : first + t->mask.n_keys;
    for (int32_t h = 0; h < heads; h++) {
      double most = -INFINITY, sum = 0;
      for (int64_t p = first; p < end; p++) {
        int64_t j = t->indptr != NULL ? t->indices[p] : p - first;
        double x = logit(t, i, j, p, h);
        if (t->bias != NULL) {
          x += (double)t->bias[t->in.bias_heads == 1 ? p : p * heads + h];
        }
        weights[p * heads + h] = x;
        most = fmax(most, x);
      }
      for (int64_t p = first; p < end; p++) {
        double *w = weights + p * heads + h;
        if (t->spec.normalizer != HEED_NORMALIZER_SOFTMAX) {
          *w = weight_alone(t->spec.normalizer, *w, end - first);
          continue;
        }
        *w = isinf(most) ? 0 : exp(*w - most);
        sum += *w;
      }
      log_sum_exp[i * heads + h] = most + log(sum);
      if (sum == 0) log_sum_exp[i * heads + h] = -INFINITY;
      if (t->spec.normalizer != HEED_NORMALIZER_SOFTMAX) {
        log_sum_exp[i * heads + h] = log((double)(end - first));
        sum = 0; /* which divides nothing */
      }
      for (int32_t d = 0; d < value_dim; d++) out[(i * heads + h) * value_dim + d] = 0;
      for (int64_t p = first; p < end; p++) {
        int64_t j = t->indptr != NULL ? t->indices[p] : p - first;
        if (sum > 0) weights[p * heads + h] /= sum;
        for (int32_t d = 0; d < value_dim; d++) {
          out[(i * heads + h) * value_dim + d] +=
              weights[p * heads + h] * ((double)t->value[(j * heads + h) * value_dim + d] +
                                        featured(t, t->edge_value, p, h, value_dim, d));
        }
      }
    }
  }
}

void trial_run(trial *t, heed_kernel kernel, int threads) {
  ck_assert_int_eq(heed_set_threads(threads), HEED_OK);
  t->spec.kernel = kernel;
  heed_status status = heed_attend(&t->spec, &t->mask, &t->in, &t->to);
  ck_assert_msg(status == HEED_OK, "%s", heed_message());
  ck_assert_int_eq(heed_set_threads(0), HEED_OK);
}

double relative_error(const float *x, const double *expected, int64_t n) {
  double worst = 0, largest = 1e-30;
  for (int64_t i = 0; i < n; i++) {
    double error = fabs((double)x[i] - expected[i]);
    if ((double)x[i] == expected[i]) error = 0; /* infinities of one sign */
    if (!(error <= worst)) worst = error;
    if (isfinite(expected[i]) && fabs(expected[i]) > largest) largest = fabs(expected[i]);
  }
  return worst / largest;
}
