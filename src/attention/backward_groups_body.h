/* The pairs of a row backwards in registers, compiled once an instruction set: what sum_pairs()
 * does, for shapes whose logits need no padding. A group is as many pairs as make one vector of
 * flat logits. Everything that a shape decides is a constant here, so that a row of few pairs costs
 * little more than its arithmetic. */

/* sums += weight times derivative; values += weight times term, where those are wanted. Rows that
 * are packed or single have their sums in `sum` and `value`, others in memory. */
typedef struct group_target {
  vf sum[HELD];
  vf value[HELD];
  float *sums;
  float *values;
  bool with_values;
} group_target;

INLINE void group_add(const group *g, const float *own, const float *rows, vf weights, vf slope,
                      derivative f, group_target *to, bool first, const shape s) {
  if (s.layout == PACKED) {
    const int vectors = s.padded * s.dim / LANES;
    for (int r = 0; r < s.dim; r++) {
      int part = r % vectors, at = part * LANES;
      vf weight = spread_packed(weights, r, s.dim);
      slope_value got = f(v_load(own + at), v_load(opposite(g, rows, r / vectors) + at), slope);
      to->sum[part] = v_fma(weight, got.slope, to->sum[part]);
      if (to->with_values) to->value[part] = v_fma(weight, got.value, to->value[part]);
    }
    return;
  }
  float flat[LANES];
  v_store(flat, weights);
  if (s.layout == SINGLE) {
    vf x = v_load_first(own, g->dim);
    for (int i = 0; i < g->pairs; i++) {
      slope_value got = f(x, v_load_first(opposite(g, rows, i), g->dim), slope);
      vf weight = v_all(flat[i]);
      to->sum[0] = v_fma(weight, got.slope, to->sum[0]);
      if (to->with_values) to->value[0] = v_fma(weight, got.value, to->value[0]);
    }
    return;
  }
  const float *row[LANES];
  for (int i = 0; i < g->pairs; i++) row[i] = opposite(g, rows, i);
  for (int h = 0; h < s.padded; h++) {
    for (int64_t at = (int64_t)h * g->dim; at < (int64_t)(h + 1) * g->dim; at += LANES) {
      vf sum = first ? v_zero() : v_load(to->sums + at), x = v_load(own + at);
      vf value = to->with_values ? v_load(to->values + at) : v_zero();
      for (int i = 0; i < g->pairs; i++) {
        slope_value got = f(x, v_load(row[i] + at), slope);
        vf weight = v_all(flat[i * s.padded + h]);
        sum = v_fma(weight, got.slope, sum);
        if (to->with_values) value = v_fma(weight, got.value, value);
      }
      v_store(to->sums + at, sum);
      if (to->with_values) v_store(to->values + at, value);
    }
  }
}

INLINE void target_open(group_target *to, const shape s) {
  const int vectors = s.layout == PACKED ? s.padded * s.dim / LANES : s.layout == SINGLE ? 1 : 0;
  for (int v = 0; v < vectors; v++) {
    to->sum[v] = v_zero();
    to->value[v] = to->with_values ? v_load(to->values + v * LANES) : v_zero();
  }
}

INLINE void target_close(const group_target *to, const shape s) {
  const int vectors = s.layout == PACKED ? s.padded * s.dim / LANES : s.layout == SINGLE ? 1 : 0;
  for (int v = 0; v < vectors; v++) {
    v_store(to->sums + v * LANES, to->sum[v]);
    if (to->with_values) v_store(to->values + v * LANES, to->value[v]);
  }
}

/* What dropout multiplies the weights of a group by, from pair p of the pass on; drawn for a block
 * of pairs ahead of their turn, whatever rows they are in. */
INLINE vf group_keep(walk *w, int64_t p, int pairs, int64_t task_end, const int padded) {
  if (p < w->keep_first || p + pairs > w->keep_end) {
    int n = (int)(task_end - p < BLOCK_PAIRS ? task_end - p : BLOCK_PAIRS);
    keep_factors(w, p, n);
    w->keep_first = p;
    w->keep_end = p + n;
  }
  return v_load(w->s->keep + (p - w->keep_first) * padded);
}

/* sum_pairs() for one shape, score and pass. */
INLINE void sum_groups(walk *w, int64_t row, const int32_t *columns, int64_t first, int64_t end,
                       int64_t task_end, const heed_score score, term t, derivative f,
                       const bool by_keys, const shape s) {
  const heed__problem *problem = w->problem;
  const heed__backward *back = w->back;
  const bool gat = score == HEED_SCORE_GAT, dot = score == HEED_SCORE_DOT;
  const int padded = s.padded, most = LANES / padded;
  bool dropout = problem->drop_below > 0, of_scores = w->of_scores, of_values = w->of_values;
  bool of_rows = w->of_rows, prefetches = back->prefetch;
  const float *own_key = w->own_keys + row * problem->key_stride;
  const float *own_value = w->own_values + row * problem->value_stride;
  const float *keys = w->keys.rows, *values = w->products.keys, *scores = w->scores.keys;
  const float *statistics = back->statistics, *a = gat || dot ? own_key : problem->in.a;
  vf slope = v_all(problem->spec.slope), scale = v_all(problem->spec.scale), lane = v_numbers();
  vf own_score = gat ? v_repeated(w->own_scores + row * padded, padded) : v_zero();
  vf head_sum = v_zero(), log_sum = v_zero(), delta = v_zero();
  if (!by_keys) {
    log_sum = v_repeated(statistics + row * 2 * padded, padded);
    delta = v_repeated(statistics + (row * 2 + 1) * padded, padded);
  }
  group_target of_key = {
      .sums = w->s->key_sums, .values = w->s->a_sums, .with_values = !by_keys && !gat && !dot};
  group_target of_value = {.sums = w->s->accumulator};
  if (!gat) target_open(&of_key, s);
  if (by_keys) target_open(&of_value, s);
  bool packed = s.layout == PACKED; /* then all is constant */
  group key_group = {.stride = packed ? padded * s.dim : problem->key_stride,
                     .dim = problem->spec.key_dim};
  group value_group = {.stride = packed ? padded * s.dim : problem->value_stride,
                       .dim = problem->spec.value_dim};
  for (int64_t p = first; p < end; p += most, columns += most) {
    int pairs = (int)(end - p < most ? end - p : most);
    if (prefetches) {
      int64_t from = p + problem->ahead, to = from + pairs;
      prefetch_opposite(w, from, to < task_end ? to : task_end);
    }
    key_group.columns = value_group.columns = columns;
    key_group.pairs = value_group.pairs = pairs;
    vf product = v_zero(), keep = v_zero(), logit, raw = v_zero();
    if (of_scores)
      product = group_sums(&value_group, own_value, values, own_value, slope, term_dot, s);
    if (gat) {
      raw = v_add(own_score, v_stretches(scores, 1, columns, pairs, padded));
      logit = v_leaky_relu(raw, slope);
    } else {
      logit = group_sums(&key_group, own_key, keys, a, slope, t, s);
      if (dot) logit = v_mul(scale, logit);
    }
    if (by_keys) {
      log_sum = v_stretches(statistics, 2, columns, pairs, padded);
      delta = v_stretches(statistics + padded, 2, columns, pairs, padded);
    }
    logit = v_where_less(lane, v_all((float)(pairs * padded)), logit, v_all(-INFINITY));
    vf weight = v_exp(v_sub(logit, log_sum)), applied = weight;
    if (dropout) {
      keep = group_keep(w, p, pairs, task_end, padded);
      product = v_mul(product, keep);
      applied = v_mul(weight, keep);
    }
    vf gradient = v_mul(weight, v_sub(product, delta));
    if (gat) {
      vf steep = v_where_less(v_zero(), raw, v_all(1.0f), slope);
      head_sum = v_fma(steep, gradient, head_sum);
    } else if (of_rows || of_key.with_values) {
      group_add(&key_group, own_key, keys, gradient, slope, f, &of_key, p == first, s);
    }
    if (by_keys && of_values) {
      group_add(&value_group, own_value, values, applied, slope, derivative_dot, &of_value,
                p == first, s);
    }
  }
  if (gat) {
    v_store(w->s->key_sums, head_sum);
  } else {
    target_close(&of_key, s);
  }
  if (by_keys) target_close(&of_value, s);
}

/* The scores that are compiled this way; the others go through sum_pairs(). */
INLINE void sum_by_score(walk *w, int64_t row, const int32_t *columns, int64_t first, int64_t end,
                         int64_t task_end, const bool by_keys, const shape s) {
  switch (w->problem->spec.score) {
    case HEED_SCORE_GAT:
      sum_groups(w, row, columns, first, end, task_end, HEED_SCORE_GAT, term_dot, derivative_dot,
                 by_keys, s);
      break;
    case HEED_SCORE_GATV2:
      sum_groups(w, row, columns, first, end, task_end, HEED_SCORE_GATV2, term_gatv2,
                 derivative_gatv2, by_keys, s);
      break;
    case HEED_SCORE_DOT:
      sum_groups(w, row, columns, first, end, task_end, HEED_SCORE_DOT, term_dot, derivative_dot,
                 by_keys, s);
      break;
    default:
      sum_pairs(w, row, columns, first, end, task_end);
  }
}

INLINE void sum_by_pass(walk *w, int64_t row, const int32_t *columns, int64_t first, int64_t end,
                        int64_t task_end, const shape s) {
  if (w->side->by_keys) {
    sum_by_score(w, row, columns, first, end, task_end, true, s);
  } else {
    sum_by_score(w, row, columns, first, end, task_end, false, s);
  }
}

static void sum_eight_packed(walk *w, int64_t row, const int32_t *columns, int64_t first,
                             int64_t end, int64_t task_end) {
  sum_by_pass(w, row, columns, first, end, task_end, (shape){PACKED, EIGHT, HALF});
}

static void sum_eight_whole(walk *w, int64_t row, const int32_t *columns, int64_t first,
                            int64_t end, int64_t task_end) {
  sum_by_pass(w, row, columns, first, end, task_end, (shape){WHOLE, EIGHT, 0});
}

static void sum_four_packed(walk *w, int64_t row, const int32_t *columns, int64_t first,
                            int64_t end, int64_t task_end) {
  sum_by_pass(w, row, columns, first, end, task_end, (shape){PACKED, FOUR, HALF});
}

static void sum_four_whole(walk *w, int64_t row, const int32_t *columns, int64_t first, int64_t end,
                           int64_t task_end) {
  sum_by_pass(w, row, columns, first, end, task_end, (shape){WHOLE, FOUR, 0});
}

static void sum_single(walk *w, int64_t row, const int32_t *columns, int64_t first, int64_t end,
                       int64_t task_end) {
  sum_by_pass(w, row, columns, first, end, task_end, (shape){SINGLE, 1, 0});
}

static void sum_one_whole(walk *w, int64_t row, const int32_t *columns, int64_t first, int64_t end,
                          int64_t task_end) {
  sum_by_pass(w, row, columns, first, end, task_end, (shape){WHOLE, 1, 0});
}

static pairs_function sum_of_pairs(const walk *w) {
  const heed_attention_spec *spec = &w->problem->spec;
  int value = spec->value_dim, key = w->gat ? value : spec->key_dim, heads = spec->heads;
  bool packed = key == HALF && value == HALF, whole = key % LANES == 0 && value % LANES == 0;
  if (w->problem->in.bias != NULL || spec->score == HEED_SCORE_ADDITIVE) return sum_pairs;
  if (heads == 1 && key < LANES && value < LANES) return sum_single;
  if (heads == 1 && whole) return sum_one_whole;
  if (heads == FOUR && packed) return sum_four_packed;
  if (heads == FOUR && whole) return sum_four_whole;
  if (heads == EIGHT && packed) return sum_eight_packed;
  if (heads == EIGHT && whole) return sum_eight_whole;
  return sum_pairs;
}

/* partial = (sums of keys or heads, sums of values) */
static void backward_task(const heed__problem *problem, const heed__backward *back,
                          const heed__side *side, const heed__task *task, float *partial,
                          const heed__scratch *s) {
  walk w = walk_of(problem, back, side, s);
  pairs_function sum = sum_of_pairs(&w);
  int64_t first, count;
  if (partial != NULL) {
    const int32_t *columns = heed__side_row(side, task->first_row, &first, &count);
    sum(&w, task->first_row, columns + (task->first_pair - first), task->first_pair, task->end_pair,
        task->end_pair);
    int64_t n = sums_of_rows(&w);
    memcpy(partial, s->key_sums, (size_t)n * sizeof(float));
    memcpy(partial + n, s->accumulator, (size_t)problem->value_vectors * LANES * sizeof(float));
    return;
  }
  for (int64_t row = task->first_row; row < task->end_row; row++) {
    const int32_t *columns = heed__side_row(side, row, &first, &count);
    if (count == 0) {
      clear_sums(&w);
    } else {
      sum(&w, row, columns, first, first + count, task->end_pair);
    }
    finish_gradients(&w, row);
  }
}
