/* The operator as the formula has it, one row and head at a time, in double precision. */
#include <math.h>

#include "attention/problem.h"
#include "base/random.h"

static double leaky_relu(double x, double slope) { return x > 0 ? x : slope * x; }

/* The score of one query and one key of one head, both [D]. */
static double score(const heed__problem *problem, int32_t head, const float *q, const float *k) {
  const heed_attention_spec *spec = &problem->spec;
  const heed_attention_inputs *in = &problem->in;
  int64_t of_head = (int64_t)head * spec->key_dim;
  double s = 0;
  for (int32_t d = 0; d < spec->key_dim; d++) {
    switch (spec->score) {
      case HEED_SCORE_DOT: s += (double)q[d] * k[d]; break;
      case HEED_SCORE_GAT:
        s += (double)in->a_query[of_head + d] * q[d] + (double)in->a_key[of_head + d] * k[d];
        break;
      case HEED_SCORE_GATV2:
        s += (double)in->a[of_head + d] * leaky_relu((double)q[d] + k[d], (double)spec->slope);
        break;
      case HEED_SCORE_ADDITIVE:
        s += (double)in->a[of_head + d] * tanh((double)q[d] + k[d]);
        break;
    }
  }
  if (spec->score == HEED_SCORE_DOT) return s * (double)spec->scale;
  if (spec->score == HEED_SCORE_GAT) return leaky_relu(s, (double)spec->slope);
  return s;
}

bool heed__dropped(const heed__problem *problem, int64_t pair, int32_t head) {
  if (problem->drop_below == 0) return false;
  uint64_t number = (uint64_t)pair * (uint64_t)problem->spec.heads + (uint64_t)head;
  uint32_t random[4];
  heed__random4(problem->spec.seed, DROPOUT_STREAM, number / 4, random);
  return random[number % 4] < problem->drop_below;
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
    logit[p] = score(problem, head, in->query + (i * heads + head) * key_dim, key);
    if (in->bias != NULL) {
      int64_t bias_head = in->bias_heads == 1 ? 0 : head;
      logit[p] += (double)in->bias[(first + p) * in->bias_heads + bias_head];
    }
    if (logit[p] > maximum) maximum = logit[p];
  }
  double sum = 0;
  for (int64_t p = 0; p < count; p++) {
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
      x += logit[p] * (double)in->value[((int64_t)keys[p] * heads + head) * value_dim + d];
    }
    out[d] = (float)x;
  }
  if (problem->to.weights != NULL) {
    for (int64_t p = 0; p < count; p++) {
      problem->to.weights[(first + p) * heads + head] = (float)logit[p];
    }
  }
  if (problem->to.log_sum_exp != NULL) {
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
