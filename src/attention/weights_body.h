/* Normalisers other than softmax, compiled once an instruction set: a weight is a function of its own logit and
 * of the row's length alone, so that a row needs no maximum and no sum, its segments add up, and the weights
 * are final as soon as they are there. heed__length_number() says which number of the length goes in. */

/* 1 / (1 + exp(-x)), 0 from log(FLT_MIN) on down. */
INLINE vf v_sigmoid(vf x) {
  vf e = v_exp(v_sub(v_zero(), v_abs(x)));
  vf larger = v_div(v_all(1.0f), v_add(v_all(1.0f), e));
  return v_where_less(x, v_zero(), v_mul(e, larger), larger);
}

/* 0 where a bias shuts the pair out, else y. */
INLINE vf unless_shut(vf logit, vf y) {
  return v_unless_less(logit, v_all(-FLT_MAX), y);
}

INLINE vf weight_of(vf logit, vf number, const heed_normalizer normalizer) {
  switch (normalizer) {
    case HEED_NORMALIZER_RELU: return v_mul(number, v_max(v_zero(), logit));
    case HEED_NORMALIZER_SIGMOID: return v_sigmoid(v_sub(logit, number));
    default: return unless_shut(logit, v_mul(number, logit));
  }
}

/* Times the derivative of the weight. */
INLINE vf slope_of_weight(vf logit, vf number, vf weight, vf by, const heed_normalizer normalizer) {
  switch (normalizer) {
    case HEED_NORMALIZER_RELU:
      return v_where_less(v_zero(), logit, v_mul(number, by), v_zero());
    case HEED_NORMALIZER_SIGMOID:
      return v_mul(v_mul(weight, v_sub(v_all(1.0f), weight)), by);
    default: return unless_shut(logit, v_mul(number, by));
  }
}

INLINE void weights_as(float *logits, int n, float number, const heed_normalizer normalizer) {
  vf by = v_all(number);
  for (int i = 0; i < n; i += LANES) {
    v_store(logits + i, weight_of(v_load(logits + i), by, normalizer));
  }
}

/* n logits of one row become weights, before dropout; whole vectors are written. */
static void plain_weights(const heed__problem *problem, float *logits, int n, float number) {
  switch (problem->spec.normalizer) {
    case HEED_NORMALIZER_RELU: weights_as(logits, n, number, HEED_NORMALIZER_RELU); break;
    case HEED_NORMALIZER_SIGMOID: weights_as(logits, n, number, HEED_NORMALIZER_SIGMOID); break;
    default: weights_as(logits, n, number, HEED_NORMALIZER_LINEAR);
  }
}

/* The pairs [first, end) of row i, which has `length`, as attend_row() has them; s->factor is ones. */
static void weigh_row(const heed__problem *problem, const heed__scratch *s, int64_t i,
                      const int32_t *keys, int64_t first, int64_t end, int64_t length,
                      int64_t task_end, block *b, logits_function logits, upcoming *next) {
  int padded = problem->padded;
  float number = heed__length_number(problem->spec.normalizer, length);
  b->query = problem->spec.score == HEED_SCORE_GAT ? problem->query_scores + i * padded
                                                   : problem->in.query + i * problem->key_stride;
  if (problem->spec.score == HEED_SCORE_DOT) {
    scale_query(problem, b->query, s->query);
    b->query = s->query;
  }
  bool whole = problem->spec.value_dim % LANES == 0 || problem->spec.heads == 1;
  for (int64_t p = first; p < end; p += BLOCK_PAIRS) {
    int pairs = (int)(end - p < BLOCK_PAIRS ? end - p : BLOCK_PAIRS);
    if (problem->prefetch) {
      int64_t from = p + problem->ahead, left = task_end - from;
      next->columns = problem->mask->indices + from;
      next->pairs = (int)(left < 0 ? 0 : left < pairs ? left : pairs);
    }
    b->columns = padded_columns(problem, keys + (p - first), pairs, s->columns);
    b->pairs = pairs;
    logits(b, s->logits);
    if (problem->in.bias != NULL) add_bias(problem, p, pairs, s->logits);
    plain_weights(problem, s->logits, pairs * padded, number);
    if (problem->drop_below > 0) drop(problem, p, pairs, s->logits, s->random);
    if (problem->to.weights != NULL) keep_logits(problem, p, pairs, s->logits);
    if (whole) {
      accumulate_all(problem, b->columns, pairs, p == first, s, next, true);
    } else {
      accumulate_all(problem, b->columns, pairs, p == first, s, next, false);
    }
  }
}

/* The rows of a task; of a segment the accumulator goes where that of a partial is. */
static void sparse_weights(const heed__problem *problem, const heed__task *task, float *partial,
                           const heed__scratch *s) {
  block b = block_of(problem, s);
  logits_function logits = logits_of(problem->spec.score);
  upcoming next = {.keys = b.keys == problem->in.value ? NULL : b.keys, .stride = b.stride};
  for (int h = 0; h < problem->period; h += LANES) v_store(s->factor + h, v_all(1.0f));
  for (int64_t i = task->first_row; i < task->end_row; i++) {
    int64_t first, count;
    const int32_t *keys = heed__row(problem, i, &first, &count);
    if (count == 0) {
      empty_row(problem, i);
      continue;
    }
    if (partial != NULL) {
      weigh_row(problem, s, i, keys + (task->first_pair - first), task->first_pair, task->end_pair,
                count, task->end_pair, &b, logits, &next);
      put_partial(problem, s, partial);
      return;
    }
    weigh_row(problem, s, i, keys, first, first + count, count, task->end_pair, &b, logits, &next);
    memcpy(problem->to.out + i * problem->value_stride, s->accumulator,
           (size_t)problem->value_stride * sizeof(float));
    if (problem->to.log_sum_exp != NULL) heed__keep_length(problem, i, count);
  }
}

/* Backward: numbers of one stretch of logits, which become weights as applied, and of the products of d_out and
 * values, which become gradients of the logits where they are wanted. `numbers` is flat where each pair has
 * its own, else it repeats after `period`. */
INLINE void weights_and_gradients(float *logits, float *products, int n, const float *numbers,
                                  bool each, int period, const float *keep, bool of_scores,
                                  const heed_normalizer normalizer) {
  for (int h = 0; h < period; h += LANES) {
    vf number = v_load(numbers + h);
    for (int i = h; i < n; i += period) {
      if (each) number = v_load(numbers + i);
      vf logit = v_load(logits + i), weight = weight_of(logit, number, normalizer);
      vf factor = keep != NULL ? v_load(keep + i) : v_all(1.0f);
      if (of_scores) {
        vf product = v_mul(v_load(products + i), factor);
        v_store(products + i, slope_of_weight(logit, number, weight, product, normalizer));
      }
      v_store(logits + i, v_mul(weight, factor));
    }
  }
}

static void plain_gradients(const heed__problem *problem, float *logits, float *products, int n,
                            const float *numbers, bool each, int period, const float *keep,
                            bool of_scores) {
  switch (problem->spec.normalizer) {
    case HEED_NORMALIZER_RELU:
      weights_and_gradients(logits, products, n, numbers, each, period, keep, of_scores,
                            HEED_NORMALIZER_RELU);
      break;
    case HEED_NORMALIZER_SIGMOID:
      weights_and_gradients(logits, products, n, numbers, each, period, keep, of_scores,
                            HEED_NORMALIZER_SIGMOID);
      break;
    default:
      weights_and_gradients(logits, products, n, numbers, each, period, keep, of_scores,
                            HEED_NORMALIZER_LINEAR);
  }
}
