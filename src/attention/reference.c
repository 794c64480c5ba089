/* The operator as the formula has it, one row and head at a time, in double precision. */
#include <math.h>
#include <string.h>

#include "attention/problem.h"
#include "base/random.h"

static double leaky_relu(double x, double slope) { return x > 0 ? x : slope * x; }

/* What the features of a pair bring to number d of a head by `weights` [Fe, H, dim], or 0 without those. */
static double of_edge(const heed__problem *problem, const float *weights, int64_t pair,
                      int64_t head, int64_t dim, int64_t d) {
  int64_t features = problem->spec.edge_dim;
  double x = 0;
  if (weights == NULL) return 0;
  for (int64_t f = 0; f < features; f++) {
    x += (double)problem->in.edges[pair * features + f] *
         (double)weights[(f * problem->spec.heads + head) * dim + d];
  }
  return x;
}

/* Number d of the key of a pair, its features included; k is [D]. */
static double key_of(const heed__problem *problem, int64_t pair, int32_t head, const float *k,
                     int32_t d) {
  return (double)k[d] +
         of_edge(problem, problem->in.edge_key, pair, head, problem->spec.key_dim, d);
}

static double value_of(const heed__problem *problem, int64_t pair, int32_t head, int64_t j,
                       int64_t d) {
  int64_t dim = problem->spec.value_dim;
  return (double)problem->in.value[(j * problem->spec.heads + head) * dim + d] +
         of_edge(problem, problem->in.edge_value, pair, head, dim, d);
}

static double bias_of(const heed__problem *problem, int64_t pair, int32_t head) {
  const heed_attention_inputs *in = &problem->in;
  bool gat = problem->spec.score == HEED_SCORE_GAT; /* has it within LeakyReLU */
  double bias = gat ? 0 : of_edge(problem, in->edge_bias, pair, head, 1, 0);
  if (in->bias == NULL) return bias;
  return bias + (double)in->bias[pair * in->bias_heads + (in->bias_heads == 1 ? 0 : head)];
}

/* The score of a pair: one query and one key of one head, both [D]. */
static double score(const heed__problem *problem, int64_t pair, int32_t head, const float *q,
                    const float *row) {
  const heed_attention_spec *spec = &problem->spec;
  const heed_attention_inputs *in = &problem->in;
  int64_t of_head = (int64_t)head * spec->key_dim;
  double s = 0;
  for (int32_t d = 0; d < spec->key_dim; d++) {
    double k = key_of(problem, pair, head, row, d);
    switch (spec->score) {
      case HEED_SCORE_DOT: s += (double)q[d] * k; break;
      case HEED_SCORE_GAT:
        s += (double)in->a_query[of_head + d] * q[d] + (double)in->a_key[of_head + d] * k;
        break;
      case HEED_SCORE_GATV2:
        s += (double)in->a[of_head + d] * leaky_relu((double)q[d] + k, (double)spec->slope);
        break;
      case HEED_SCORE_ADDITIVE:
        s += (double)in->a[of_head + d] * tanh((double)q[d] + k);
        break;
    }
  }
  if (spec->score == HEED_SCORE_DOT) return s * (double)spec->scale;
  if (spec->score == HEED_SCORE_GAT) {
    return leaky_relu(s + of_edge(problem, in->edge_bias, pair, head, 1, 0), (double)spec->slope);
  }
  return s;
}

bool heed__dropped(const heed__problem *problem, int64_t pair, int32_t head) {
  if (problem->drop_below == 0) return false;
  uint64_t number = (uint64_t)pair * (uint64_t)problem->spec.heads + (uint64_t)head;
  uint32_t random[4];
  heed__random4(problem->spec.seed, DROPOUT_STREAM, number / 4, random);
  return random[number % 4] < problem->drop_below;
}

/* The weight of a pair in a row of n, for the normalisers other than softmax. */
static double weight_of(const heed__problem *problem, double logit, int64_t n) {
  if (logit == -INFINITY) return 0;
  switch (problem->spec.normalizer) {
    case HEED_NORMALIZER_RELU: return logit > 0 ? logit / (double)n : 0;
    case HEED_NORMALIZER_SIGMOID: return 1 / (1 + (double)n * exp(-logit));
    default: return logit / (double)n;
  }
}

/* Its derivative. */
static double weight_slope(const heed__problem *problem, double logit, int64_t n) {
  double weight = weight_of(problem, logit, n);
  if (logit == -INFINITY) return 0;
  switch (problem->spec.normalizer) {
    case HEED_NORMALIZER_RELU: return logit > 0 ? 1 / (double)n : 0;
    case HEED_NORMALIZER_SIGMOID: return weight * (1 - weight);
    default: return 1 / (double)n;
  }
}

static void attend(const heed__problem *problem, int64_t i, int32_t head, double *logit) {
  const heed_attention_inputs *in = &problem->in;
  int32_t heads = problem->spec.heads, key_dim = problem->spec.key_dim;
  int32_t value_dim = problem->spec.value_dim;
  int64_t first, count;
  const int32_t *keys = heed__row(problem, i, &first, &count);
  float *out = problem->to.out + (i * heads + head) * value_dim;

  double maximum = -INFINITY;
  for (int64_t p = 0; p < count; p++) {
    const float *key = in->key + ((int64_t)keys[p] * heads + head) * key_dim;
    logit[p] = score(problem, first + p, head, in->query + (i * heads + head) * key_dim, key) +
               bias_of(problem, first + p, head);
    if (logit[p] > maximum) maximum = logit[p];
  }
  double sum = 0;
  bool softmax = heed__is_softmax(problem);
  for (int64_t p = 0; p < count && !softmax; p++) logit[p] = weight_of(problem, logit[p], count);
  for (int64_t p = 0; p < count && softmax; p++) {
    logit[p] = maximum == -INFINITY ? 0 : exp(logit[p] - maximum);
    sum += logit[p];
  }

  for (int32_t d = 0; d < value_dim; d++) {
    double x = 0;
    for (int64_t p = 0; p < count; p++) {
      /* The row's weights, once and for all dimensions. */
      if (d == 0) {
        if (sum > 0) logit[p] /= sum;
        logit[p] *= heed__dropped(problem, first + p, head) ? 0 : (double)problem->keep_scale;
      }
      x += logit[p] * value_of(problem, first + p, head, keys[p], d);
    }
    out[d] = (float)x;
  }
  if (problem->to.weights != NULL) {
    for (int64_t p = 0; p < count; p++) {
      problem->to.weights[(first + p) * heads + head] = (float)logit[p];
    }
  }
  if (!softmax && problem->to.log_sum_exp != NULL) {
    problem->to.log_sum_exp[i * heads + head] = logf((float)count);
  } else if (problem->to.log_sum_exp != NULL) {
    problem->to.log_sum_exp[i * heads + head] = (float)(sum > 0 ? maximum + log(sum) : -INFINITY);
  }
}

void heed__reference_rows(const heed__problem *problem, int64_t first, int64_t end,
                          const heed__scratch *scratch) {
  for (int64_t i = first; i < end; i++) {
    for (int32_t head = 0; head < problem->spec.heads; head++) {
      attend(problem, i, head, scratch->plain);
    }
  }
}

/* The slope of LeakyReLU, tanh or, for the others, 1. */
static double steepness(const heed__problem *problem, double x) {
  switch (problem->spec.score) {
    case HEED_SCORE_GAT:
    case HEED_SCORE_GATV2: return x > 0 ? 1 : (double)problem->spec.slope;
    case HEED_SCORE_ADDITIVE: return 1 - tanh(x) * tanh(x);
    default: return 1;
  }
}

/* One pair and head: the weight as applied, and the gradient of the logit. */
static void pair_gradient(const heed__problem *problem, const heed__backward *back, int64_t i,
                          int64_t j, int64_t pair, int32_t head, double *weight, double *d_logit) {
  const heed_attention_inputs *in = &problem->in;
  int64_t heads = problem->spec.heads, query = i * heads + head, key = j * heads + head;
  int64_t key_dim = problem->spec.key_dim, value_dim = problem->spec.value_dim;
  *weight = *d_logit = 0;
  bool softmax = heed__is_softmax(problem);
  double log_sum_exp = softmax ? (double)back->to.log_sum_exp[query] : 0;
  if (log_sum_exp == (double)-INFINITY) return; /* every pair of the row is shut out */
  double logit =
      score(problem, pair, head, in->query + query * key_dim, in->key + key * key_dim) +
      bias_of(problem, pair, head);
  double d_weight = 0, delta = 0;
  for (int64_t d = 0; d < value_dim; d++) {
    double d_out = (double)back->to.d_out[query * value_dim + d];
    d_weight += d_out * value_of(problem, pair, head, j, d);
    if (softmax) delta += d_out * (double)back->to.out[query * value_dim + d];
  }
  double keep = heed__dropped(problem, pair, head) ? 0 : (double)problem->keep_scale;
  if (!softmax) {
    int64_t n = heed__length(problem, i);
    *weight = weight_of(problem, logit, n) * keep;
    *d_logit = weight_slope(problem, logit, n) * keep * d_weight;
    return;
  }
  double before = exp(logit - log_sum_exp);
  *weight = before * keep;
  *d_logit = before * (keep * d_weight - delta);
}

/* GAT: the score before LeakyReLU. */
static double gat_sum(const heed__problem *problem, int64_t pair, int32_t head, const float *q,
                      const float *k) {
  int64_t of_head = (int64_t)head * problem->spec.key_dim;
  double s = of_edge(problem, problem->in.edge_bias, pair, head, 1, 0);
  for (int32_t d = 0; d < problem->spec.key_dim; d++) {
    s += (double)problem->in.a_query[of_head + d] * (double)q[d] +
         (double)problem->in.a_key[of_head + d] * (double)k[d];
  }
  return s;
}

/* Adds what one pair gives the gradient of the row's own query or key to d_own [D], and what it gives
 * a_query or a_key, or a in the first pass, to d_a [D]. */
static void score_gradient(const heed__problem *problem, bool by_keys, int64_t pair, int32_t head,
                           const float *q, const float *row, double d_logit, double *d_own,
                           double *d_a) {
  const heed_attention_spec *spec = &problem->spec;
  const heed_attention_inputs *in = &problem->in;
  int64_t of_head = (int64_t)head * spec->key_dim;
  if (spec->score == HEED_SCORE_GAT) d_logit *= steepness(problem, gat_sum(problem, pair, head, q, row));
  for (int32_t d = 0; d < spec->key_dim; d++) {
    double k = key_of(problem, pair, head, row, d), x = (double)q[d] + k;
    switch (spec->score) {
      case HEED_SCORE_DOT:
        d_own[d] += d_logit * (double)spec->scale * (by_keys ? (double)q[d] : k);
        break;
      case HEED_SCORE_GAT:
        d_own[d] += d_logit * (double)(by_keys ? in->a_key : in->a_query)[of_head + d];
        d_a[d] += d_logit * (by_keys ? k : (double)q[d]);
        break;
      case HEED_SCORE_GATV2:
      case HEED_SCORE_ADDITIVE:
        d_own[d] += d_logit * (double)in->a[of_head + d] * steepness(problem, x);
        if (by_keys) break;
        d_a[d] += d_logit * (spec->score == HEED_SCORE_GATV2 ? leaky_relu(x, (double)spec->slope)
                                                             : tanh(x));
        break;
    }
  }
}

static void put(float *to, const double *from, int64_t n, bool adds) {
  for (int64_t d = 0; d < n; d++) to[d] = (float)(adds ? (double)to[d] + from[d] : from[d]);
}

static void reference_row(const heed__problem *problem, const heed__backward *back,
                          const heed__side *side, int64_t row, int32_t head, double *a_sums,
                          double *room) {
  const heed_attention_inputs *in = &problem->in;
  int64_t heads = problem->spec.heads, at = row * heads + head;
  int64_t key_dim = problem->spec.key_dim, value_dim = problem->spec.value_dim;
  double *d_own = room, *d_value = room + key_dim;
  memset(room, 0, (size_t)(key_dim + value_dim) * sizeof *room);
  int64_t first, count;
  const int32_t *columns = heed__side_row(side, row, &first, &count);
  for (int64_t p = 0; p < count; p++) {
    int64_t i = side->by_keys ? columns[p] : row, j = side->by_keys ? row : columns[p];
    int64_t pair = heed__pair_number(side, first + p);
    double weight, d_logit;
    pair_gradient(problem, back, i, j, pair, head, &weight, &d_logit);
    score_gradient(problem, side->by_keys, pair, head, in->query + (i * heads + head) * key_dim,
                   in->key + (j * heads + head) * key_dim, d_logit, d_own,
                   a_sums + (side->by_keys ? heads * key_dim : 0) + head * key_dim);
    if (side->by_keys) {
      const float *d_out = back->to.d_out + (i * heads + head) * value_dim;
      for (int64_t d = 0; d < value_dim; d++) d_value[d] += weight * (double)d_out[d];
    } else if (back->to.bias != NULL) {
      float *bias = back->to.bias + pair * in->bias_heads + (in->bias_heads == 1 ? 0 : head);
      bool adds = in->bias_heads == 1 && head > 0;
      *bias = (float)(adds ? (double)*bias + d_logit : d_logit);
    }
  }
  if (!side->by_keys) {
    if (back->to.query != NULL) put(back->to.query + at * key_dim, d_own, key_dim, false);
    return;
  }
  if (back->to.value != NULL) {
    put(back->to.value + at * value_dim, d_value, value_dim, row < back->add_value_below);
  }
  if (back->to.key != NULL) {
    put(back->to.key + at * key_dim, d_own, key_dim, row < back->add_key_below);
  }
}

void heed__reference_backward(const heed__problem *problem, const heed__backward *back,
                              const heed__side *side, const heed__task *task, double *a_sums,
                              double *room) {
  for (int64_t row = task->first_row; row < task->end_row; row++) {
    int64_t first, count;
    (void)heed__side_row(side, row, &first, &count);
    if (task->partial >= 0 && task->first_pair != first) continue;
    for (int32_t head = 0; head < problem->spec.heads; head++) {
      reference_row(problem, back, side, row, head, a_sums, room);
    }
  }
}

/* Adds what a pair gives: d_logit by edge_bias, the gradient of its key (as the second pass has it) by
 * edge_key, the weight times d_out by edge_value, each times the features. */
static void edge_pair(const heed__problem *problem, const heed__backward *back, int64_t i, int64_t j,
                      int64_t pair, int32_t head, double *room) {
  const heed_attention_spec *spec = &problem->spec;
  int64_t heads = spec->heads, key_dim = spec->key_dim, value_dim = spec->value_dim;
  const float *q = problem->in.query + (i * heads + head) * key_dim;
  const float *k = problem->in.key + (j * heads + head) * key_dim;
  const float *d_out = back->to.d_out + (i * heads + head) * value_dim;
  double weight, d_logit;
  pair_gradient(problem, back, i, j, pair, head, &weight, &d_logit);
  if (spec->score == HEED_SCORE_GAT) {
    d_logit *= steepness(problem, gat_sum(problem, pair, head, q, k));
  }
  for (int64_t f = 0; f < spec->edge_dim; f++) {
    double e = (double)problem->in.edges[pair * spec->edge_dim + f];
    *room++ += e * d_logit;
    for (int32_t d = 0; d < key_dim && problem->in.edge_key != NULL; d++) {
      int64_t at = head * key_dim + d;
      double x = (double)q[d] + key_of(problem, pair, head, k, d);
      room[d] += e * d_logit *
                 (spec->score == HEED_SCORE_DOT ? (double)spec->scale * (double)q[d]
                                                : (double)problem->in.a[at] * steepness(problem, x));
    }
    room += key_dim;
    for (int64_t d = 0; d < value_dim; d++) room[d] += e * weight * (double)d_out[d];
    room += value_dim;
  }
}

void heed__reference_edges(const heed__problem *problem, const heed__backward *back, int32_t head,
                           double *room) {
  const heed_attention_spec *spec = &problem->spec;
  int64_t key_dim = spec->key_dim, value_dim = spec->value_dim, n = 1 + key_dim + value_dim;
  memset(room, 0, (size_t)(spec->edge_dim * n) * sizeof *room);
  for (int64_t i = 0; i < problem->mask->n_queries; i++) {
    int64_t first, count;
    const int32_t *keys = heed__row(problem, i, &first, &count);
    for (int64_t p = 0; p < count; p++) {
      edge_pair(problem, back, i, keys[p], first + p, head, room);
    }
  }
  for (int64_t f = 0; f < spec->edge_dim; f++, room += n) {
    int64_t at = f * spec->heads + head;
    if (back->to.edge_bias != NULL) put(back->to.edge_bias + at, room, 1, false);
    if (back->to.edge_key != NULL) put(back->to.edge_key + at * key_dim, room + 1, key_dim, false);
    if (back->to.edge_value == NULL) continue;
    put(back->to.edge_value + at * value_dim, room + 1 + key_dim, value_dim, false);
  }
}
