/* The sparse kernel backwards, compiled once an instruction set. A row's pairs come a block at a
 * time; their weights are computed again from log_sum_exp and what belongs to the row is summed up.
 * Both passes are the same code, for every score is a function of the two rows in which query and
 * key may change places: in the second a key stands opposite the queries that see it. */

/* Sums over a block's rows, each number times the weight of its head. */
typedef struct row_sum {
  const float *own;  /* the row's own numbers */
  const float *rows; /* the others' */
  int64_t stride;
  int64_t vectors;
  const int32_t *head_of;
  const int32_t *spread;
  const float *weights; /* flat */
  float *sums;          /* [vectors * LANES] */
  float *values;        /* likewise, of the terms; or NULL */
  int padded;
  vf slope;
} row_sum;

/* Vectors c .. c + n of a row; the last one is loaded `partly`. */
INLINE void sum_vectors(const row_sum *r, const int32_t *columns, int pairs, bool first, int64_t c,
                        derivative f, const int n, const bool whole, const bool partly,
                        const bool with_values) {
  int tail = (int)(r->stride - (c + n - 1) * LANES);
  vf sum[4], value[4], own[4];
  for (int v = 0; v < n; v++) {
    int64_t at = (c + v) * LANES;
    bool part = partly && v == n - 1;
    sum[v] = first ? v_zero() : v_load(r->sums + at);
    value[v] = with_values ? v_load(r->values + at) : v_zero();
    own[v] = part ? v_load_first(r->own + at, tail) : v_load(r->own + at);
  }
  for (int pair = 0; pair < pairs; pair++) {
    const float *row = r->rows + columns[pair] * r->stride + c * LANES;
    const float *weights = r->weights + pair * r->padded;
    for (int v = 0; v < n; v++) {
      bool part = partly && v == n - 1;
      vf x = part ? v_load_first(row + v * LANES, tail) : v_load(row + v * LANES);
      const float *from = weights + r->head_of[c + v];
      vf weight = whole ? v_all(*from) : v_pick(from, r->spread + (c + v) * LANES);
      slope_value got = f(own[v], x, r->slope);
      sum[v] = v_fma(weight, got.slope, sum[v]);
      if (with_values) value[v] = v_fma(weight, got.value, value[v]);
    }
  }
  for (int v = 0; v < n; v++) {
    v_store(r->sums + (c + v) * LANES, sum[v]);
    if (with_values) v_store(r->values + (c + v) * LANES, value[v]);
  }
}

INLINE void sum_row_as(const row_sum *r, const int32_t *columns, int pairs, bool first,
                       derivative f, const bool whole, const bool with_values) {
  bool partly = r->stride % LANES != 0;
  int64_t end = r->vectors - (partly ? 1 : 0);
  int64_t c = 0;
  for (; c + 4 <= end; c += 4) {
    sum_vectors(r, columns, pairs, first, c, f, 4, whole, false, with_values);
  }
  if (c + 2 <= end) {
    sum_vectors(r, columns, pairs, first, c, f, 2, whole, false, with_values);
    c += 2;
  }
  if (c < end) sum_vectors(r, columns, pairs, first, c++, f, 1, whole, false, with_values);
  if (partly) sum_vectors(r, columns, pairs, first, c, f, 1, whole, true, with_values);
}

INLINE void sum_row(const row_sum *r, const int32_t *columns, int pairs, bool first, derivative f,
                    bool whole) {
  if (whole) {
    if (r->values != NULL) {
      sum_row_as(r, columns, pairs, first, f, true, true);
    } else {
      sum_row_as(r, columns, pairs, first, f, true, false);
    }
  } else if (r->values != NULL) {
    sum_row_as(r, columns, pairs, first, f, false, true);
  } else {
    sum_row_as(r, columns, pairs, first, f, false, false);
  }
}

static void sum_row_dot(const row_sum *r, const int32_t *columns, int pairs, bool first,
                        bool whole) {
  if (whole) {
    sum_row_as(r, columns, pairs, first, derivative_dot, true, false);
  } else {
    sum_row_as(r, columns, pairs, first, derivative_dot, false, false);
  }
}

static void sum_row_gatv2(const row_sum *r, const int32_t *columns, int pairs, bool first,
                          bool whole) {
  sum_row(r, columns, pairs, first, derivative_gatv2, whole);
}

static void sum_row_additive(const row_sum *r, const int32_t *columns, int pairs, bool first,
                             bool whole) {
  sum_row(r, columns, pairs, first, derivative_additive, whole);
}

typedef void (*sum_function)(const row_sum *r, const int32_t *columns, int pairs, bool first,
                             bool whole);

/* How the gradient of a row of queries or keys sums up; GAT has one number a head instead. */
static sum_function sum_of(heed_score score) {
  switch (score) {
    case HEED_SCORE_GATV2:
      return sum_row_gatv2;
    case HEED_SCORE_ADDITIVE:
      return sum_row_additive;
    default:
      return sum_row_dot;
  }
}

/* What a task's rows share. */
typedef struct walk {
  const heed__problem *problem;
  const heed__backward *back;
  const heed__side *side;
  const heed__scratch *s;
  bool gat;
  bool of_scores; /* whether gradients of logits are wanted, here or in the sums of rows */
  bool of_rows;   /* the gradient of query, first pass, or key */
  bool of_values; /* second pass: the gradient of value */
  logits_function logits;
  block scores;
  block products; /* of rows of d_out and of values */
  row_sum keys;
  row_sum values;
  sum_function sum_keys;
  const float *own_keys;   /* a row's own numbers: of query or key, */
  const float *own_values; /* of d_out or value, */
  const float *own_scores; /* and GAT's */
} walk;

static walk walk_of(const heed__problem *problem, const heed__backward *back,
                    const heed__side *side, const heed__scratch *s) {
  bool gat = problem->spec.score == HEED_SCORE_GAT, by_keys = side->by_keys;
  bool dot = problem->spec.score == HEED_SCORE_DOT;
  const heed_attention_gradients *to = &back->to;
  walk w = {.problem = problem, .back = back, .side = side, .s = s, .gat = gat};
  bool of_nodes = gat && (by_keys ? to->a_key : to->a_query) != NULL;
  w.of_rows = (by_keys ? to->key : to->query) != NULL || of_nodes;
  w.of_values = by_keys && to->value != NULL;
  bool of_a = !by_keys && to->a != NULL;
  bool for_others = to->bias != NULL || back->d_logits != NULL ||
                    (problem->features != NULL && problem->features->by_gradients);
  w.of_scores = w.of_rows || of_a || (!by_keys && for_others);
  w.logits = logits_of(problem->spec.score);
  w.sum_keys = sum_of(problem->spec.score);
  w.scores = block_of(problem, s);
  if (by_keys) w.scores.keys = gat ? problem->query_scores : problem->in.query;
  if (gat) w.scores.slope = v_all(1.0f); /* the sums before LeakyReLU */
  w.products = (block){.keys = by_keys ? to->d_out : problem->in.value,
                       .stride = problem->value_stride,
                       .heads = problem->spec.heads,
                       .padded = problem->padded,
                       .dim = problem->spec.value_dim,
                       .columns = s->columns,
                       .slope = v_zero()};
  w.keys = (row_sum){.rows = by_keys ? problem->in.query : problem->in.key,
                     .stride = problem->key_stride,
                     .vectors = back->key_vectors,
                     .head_of = back->key_head_of,
                     .spread = back->key_spread,
                     .weights = s->gradients,
                     .sums = s->key_sums,
                     .values = of_a && !dot ? s->a_sums : NULL,
                     .padded = problem->padded,
                     .slope = v_all(problem->spec.slope)};
  w.values = (row_sum){.rows = to->d_out,
                       .stride = problem->value_stride,
                       .vectors = problem->value_vectors,
                       .head_of = problem->head_of,
                       .spread = problem->spread,
                       .weights = s->logits,
                       .sums = s->accumulator,
                       .padded = problem->padded,
                       .slope = v_zero()};
  w.own_keys = by_keys ? problem->in.key : problem->in.query;
  w.own_values = by_keys ? problem->in.value : to->d_out;
  w.own_scores = by_keys ? problem->key_scores : problem->query_scores;
  return w;
}

/* Numbers of a node, [padded], repeated to fill a vector. */
static void repeat(const float *from, int padded, int period, float *to) {
  for (int i = 0; i < period; i++) to[i] = from[i < padded ? i : i & (padded - 1)];
}

/* keep[pair, padded], where a pair's heads are whole quads and need no padding. */
static void keep_whole_quads(const walk *w, int64_t p, int pairs) {
  const heed__problem *problem = w->problem;
  uint64_t quads = (uint64_t)problem->spec.heads / 4, n = (uint64_t)pairs * quads;
  float *keep = w->s->keep;
  if (!w->side->by_keys) {
    (void)keep_in_order(problem, p, pairs, keep); /* from `keep` itself on */
    return;
  }
  uint64_t *counters = w->s->counters;
  int64_t numbers[BLOCK_PAIRS];
  heed__pair_numbers(w->side, p, pairs, numbers);
  for (int pair = 0; pair < pairs; pair++) {
    uint64_t from = (uint64_t)numbers[pair] * quads;
    for (uint64_t q = 0; q < quads; q++) *counters++ = from + q;
  }
  for (uint64_t i = 0; i < n; i += QUADS) {
    vq counter;
    memcpy(&counter, w->s->counters + i, sizeof counter);
    keep_quads(problem, counter, keep + 4 * i);
  }
}

/* keep[pair, padded] = what dropout multiplies the weights by; pairs from number p of the pass on.
 */
static void keep_factors(const walk *w, int64_t p, int pairs) {
  const heed__problem *problem = w->problem;
  const heed__scratch *s = w->s;
  int heads = problem->spec.heads, padded = problem->padded;
  int offsets[BLOCK_PAIRS];
  const uint32_t *random;
  int stride = heads;
  if (heads % 4 == 0 && heads == padded) {
    keep_whole_quads(w, p, pairs);
    return;
  }
  if (w->side->by_keys) {
    int64_t numbers[BLOCK_PAIRS];
    heed__pair_numbers(w->side, p, pairs, numbers);
    stride = draw_scattered(problem, numbers, pairs, s->counters, offsets, s->scattered);
    random = s->scattered;
  } else {
    random = draw(problem, p, pairs, s->random);
    memset(offsets, 0, sizeof offsets);
  }
  if (heads == 1) {
    for (int pair = 0; pair < pairs; pair++) {
      s->keep[pair] = (float)(random[pair * stride + offsets[pair]] >= problem->drop_below) *
                      problem->keep_scale;
    }
    return;
  }
  for (int pair = 0; pair < pairs; pair++) {
    keep_of(problem, random + pair * stride + offsets[pair], heads, s->keep + pair * padded);
  }
}

static void clear_flat(float *flat, int n) { memset(flat, 0, (size_t)n * sizeof *flat); }

static void add_bias_of(const walk *w, int64_t p, int pairs, float *logits) {
  if (!w->side->by_keys) {
    add_bias(w->problem, p, pairs, logits);
    return;
  }
  int64_t numbers[BLOCK_PAIRS];
  heed__pair_numbers(w->side, p, pairs, numbers);
  for (int pair = 0; pair < pairs; pair++) {
    add_bias(w->problem, numbers[pair], 1, logits + pair * w->problem->padded);
  }
}

/* The statistics of the queries opposite, flat like the logits. */
static void gather_statistics(const walk *w, int pairs) {
  const heed__scratch *s = w->s;
  int padded = w->problem->padded;
  for (int pair = 0; pair < pairs; pair++) {
    const float *from = w->back->statistics + (int64_t)s->columns[pair] * 2 * padded;
    /* What is stored beyond the heads is overwritten by the next pair. */
    for (int h = 0; h < padded; h += LANES) {
      v_store(s->log_sums + pair * padded + h, v_load(from + h));
      v_store(s->deltas + pair * padded + h, v_load(from + padded + h));
    }
  }
}

/* logits become weights before dropout, and `gradients`, the products of d_out and values, become
 * gradients of the logits. */
static void weights_again(const walk *w, int total, bool by_keys) {
  const heed__scratch *s = w->s;
  int period = w->problem->period, end = (total + LANES - 1) / LANES * LANES;
  bool dropout = w->problem->drop_below > 0;
  for (int i = total; i < end; i++) {
    s->logits[i] = -INFINITY;
    s->gradients[i] = 0;
  }
  if (!heed__is_softmax(w->problem)) {
    plain_gradients(w->problem, s->logits, s->gradients, end, s->log_sums, by_keys, period,
                    dropout ? s->keep : NULL, w->of_scores);
    return;
  }
  for (int h = 0; h < period; h += LANES) {
    vf log_sum = v_load(s->log_sums + h), delta = v_load(s->deltas + h);
    for (int i = h; i < end; i += period) {
      if (by_keys) log_sum = v_load(s->log_sums + i), delta = v_load(s->deltas + i);
      vf weight = v_exp(v_sub(v_load(s->logits + i), log_sum));
      vf applied = weight;
      if (w->of_scores) {
        vf product = v_load(s->gradients + i);
        if (dropout) product = v_mul(product, v_load(s->keep + i));
        v_store(s->gradients + i, v_mul(weight, v_sub(product, delta)));
      }
      if (dropout) applied = v_mul(weight, v_load(s->keep + i));
      v_store(s->logits + i, applied);
    }
  }
}

/* Adds what the features of pairs bring to the products of d_out and values. */
static void add_products(const walk *w, int64_t p, int pairs, float *products) {
  int heads = w->problem->spec.heads, padded = w->problem->padded;
  for (int pair = 0; pair < pairs; pair++) {
    const float *from = w->back->products + heed__pair_number(w->side, p + pair) * heads;
    for (int h = 0; h < heads; h++) products[pair * padded + h] += from[h];
  }
}

static void keep_weights(const walk *w, int64_t p, int pairs) {
  int heads = w->problem->spec.heads, padded = w->problem->padded;
  for (int pair = 0; pair < pairs; pair++) {
    memcpy(w->back->weights + (p + pair) * heads, w->s->logits + pair * padded,
           (size_t)heads * sizeof(float));
  }
}

static void keep_bias_gradients(const walk *w, const float *gradients, int64_t p, int pairs) {
  int heads = w->problem->spec.heads, padded = w->problem->padded;
  bool shared = w->problem->in.bias_heads == 1;
  float *bias = w->back->to.bias + p * w->problem->in.bias_heads;
  for (int pair = 0; pair < pairs; pair++) {
    const float *gradient = gradients + pair * padded;
    if (shared) {
      float sum = 0;
      for (int h = 0; h < heads; h++) sum += gradient[h];
      bias[pair] = sum;
    } else {
      memcpy(bias + pair * heads, gradient, (size_t)heads * sizeof *gradient);
    }
  }
}

/* GAT: the sums that the logits were before LeakyReLU are kept in `raw`. */
static void leak(const walk *w, int total) {
  const heed__scratch *s = w->s;
  vf slope = v_all(w->problem->spec.slope);
  for (int i = 0; i < total; i += LANES) {
    vf x = v_load(s->logits + i);
    v_store(s->raw + i, x);
    v_store(s->logits + i, v_leaky_relu(x, slope));
  }
}

static void sum_heads(const walk *w, int total, bool first) {
  const heed__scratch *s = w->s;
  int period = w->problem->period;
  vf slope = v_all(w->problem->spec.slope);
  for (int h = 0; h < period; h += LANES) {
    vf sum = first ? v_zero() : v_load(s->key_sums + h);
    for (int i = h; i < total; i += period) {
      vf steep = v_leaky_slope(v_load(s->raw + i), slope);
      sum = v_fma(steep, v_load(s->gradients + i), sum);
    }
    v_store(s->key_sums + h, sum);
  }
}

/* Rows that the next pairs will need. */
INLINE void prefetch_opposite(const walk *w, int64_t from, int64_t end) {
  const heed__problem *problem = w->problem;
  bool by_keys = w->side->by_keys;
  if (w->side->mask->indices == NULL) return;
  for (int64_t p = from; p < end; p++) {
    int64_t column = w->side->mask->indices[p];
    prefetch_row(w->products.keys + column * w->products.stride, w->products.stride);
    if (w->scores.keys != w->products.keys) {
      prefetch_row(w->scores.keys + column * w->scores.stride, w->scores.stride);
    }
    if (by_keys) {
      prefetch_row(w->back->statistics + column * 2 * problem->padded, 2 * problem->padded);
    }
  }
}

/* Sums up the pairs [first, end) of a row into the scratch, whatever the shape and score; rows may be
 * prefetched up to the pair `task_end`. */
static void sum_pairs(walk *w, int64_t row, const int32_t *columns, int64_t first, int64_t end,
                      int64_t task_end) {
  const heed__problem *problem = w->problem;
  const heed__scratch *s = w->s;
  bool by_keys = w->side->by_keys, dot = problem->spec.score == HEED_SCORE_DOT;
  int padded = problem->padded, period = problem->period;
  const float *own = w->own_keys + row * problem->key_stride;
  w->keys.own = own;
  if (w->gat) own = w->own_scores + row * padded;
  w->scores.query = own;
  if (dot) {
    for (int64_t d = 0; d < problem->key_stride; d++) s->query[d] = problem->spec.scale * own[d];
    w->scores.query = s->query;
  }
  w->products.query = w->own_values + row * problem->value_stride;
  w->products.a = w->values.own = w->products.query;
  if (!by_keys) {
    const float *own_statistics = w->back->statistics + row * 2 * padded;
    repeat(own_statistics, padded, period, s->log_sums);
    repeat(own_statistics + padded, padded, period, s->deltas);
  }
  bool keys_whole = problem->spec.key_dim % LANES == 0;
  bool values_whole = problem->spec.value_dim % LANES == 0;
  for (int64_t p = first; p < end; p += BLOCK_PAIRS) {
    int pairs = (int)(end - p < BLOCK_PAIRS ? end - p : BLOCK_PAIRS);
    int total = pairs * padded;
    if (w->back->prefetch) {
      int64_t from = p + problem->ahead, to = from + pairs;
      prefetch_opposite(w, from, to < task_end ? to : task_end);
    }
    memcpy(s->columns, columns + (p - first), (size_t)pairs * sizeof *columns);
    for (int v = 0; v < LANES; v++) s->columns[pairs + v] = s->columns[pairs - 1];
    w->scores.pairs = w->products.pairs = pairs;
    w->logits(&w->scores, s->logits);
    if (w->gat) leak(w, total);
    if (problem->in.bias != NULL) add_bias_of(w, p, pairs, s->logits);
    if (w->of_scores) logits_dot(&w->products, s->gradients);
    if (w->of_scores && w->back->products != NULL) add_products(w, p, pairs, s->gradients);
    if (problem->drop_below > 0) keep_factors(w, p, pairs);
    if (by_keys) {
      gather_statistics(w, pairs);
      weights_again(w, total, true);
    } else {
      weights_again(w, total, false);
    }
    if (!by_keys && w->back->to.bias != NULL) keep_bias_gradients(w, s->gradients, p, pairs);
    if (!by_keys && w->back->weights != NULL) keep_weights(w, p, pairs);
    if (w->gat) {
      if (w->of_rows) sum_heads(w, total, p == first);
    } else if (w->of_rows || w->keys.values != NULL) {
      w->sum_keys(&w->keys, s->columns, pairs, p == first, keys_whole);
    }
    if (w->of_values) sum_row_dot(&w->values, s->columns, pairs, p == first, values_whole);
  }
}

/* What the sums are: a row's gradient but for a factor. */
static void put_row(float *to, const float *sums, int64_t n, const float *factors, float factor,
                    bool adds) {
  int64_t d = 0;
  for (; d + LANES <= n; d += LANES) {
    vf by = factors != NULL ? v_load(factors + d) : v_all(factor);
    vf x = v_mul(by, v_load(sums + d));
    v_store(to + d, adds ? v_add(v_load(to + d), x) : x);
  }
  if (d == n) return;
  int rest = (int)(n - d);
  vf by = factors != NULL ? v_load_first(factors + d, rest) : v_all(factor);
  vf x = v_mul(by, v_load(sums + d));
  v_store_first(to + d, adds ? v_add(v_load_first(to + d, rest), x) : x, rest);
}

/* What put_node() reads and writes: of a row, by name for the compiler, as what is stored might otherwise be these. */
typedef struct node {
  const float *own;        /* its numbers */
  const float *values;     /* its sum of values */
  const float *sums[2];    /* the gradients of its scores as a key and as a query, */
  const float *vectors[2]; /* a_key and a_query, */
  float *a_sums[2];        /* and what they get */
  const int32_t *head_of, *spread;
  float *to;
} node;

/* Vector c, of which there are `n` numbers where it is `partly` there. */
INLINE void put_node_vector(const node *x, int64_t c, const int parts, const bool partly, int n,
                            const bool whole) {
  const float *from = x->own + c * LANES;
  vf sum = v_load(x->values + c * LANES), own = partly ? v_load_first(from, n) : v_load(from);
  for (int part = 0; part < parts; part++) {
    const float *a = x->vectors[part] + c * LANES, *heads = x->sums[part] + x->head_of[c];
    float *a_sum = x->a_sums[part] + c * LANES;
    vf by = whole ? v_all(*heads) : v_pick(heads, x->spread + c * LANES);
    sum = v_fma(by, partly ? v_load_first(a, n) : v_load(a), sum);
    v_store(a_sum, v_fma(by, own, v_load(a_sum)));
  }
  if (partly) {
    v_store_first(x->to + c * LANES, sum, n);
  } else {
    v_store(x->to + c * LANES, sum);
  }
}

INLINE void put_node_vectors(const node *x, int64_t n, bool whole, const int parts) {
  int64_t full = n / LANES, c = 0;
  for (; c < full && whole; c++) put_node_vector(x, c, parts, false, LANES, true);
  for (; c < full; c++) put_node_vector(x, c, parts, false, LANES, false);
  if (n % LANES != 0) put_node_vector(x, c, parts, true, (int)(n % LANES), false);
}

/* GAT where queries, keys and values are one array: the gradient of a node, of its values and by either vector of its
 * scores, written once; and what the node gives the gradients of these vectors. */
static void put_node(const walk *w, int64_t row) {
  const heed__problem *problem = w->problem;
  const heed__backward *back = w->back;
  int64_t n = problem->key_stride, heads = row * problem->padded;
  bool whole = problem->spec.key_dim % LANES == 0;
  float *a_sums = w->s->a_sums;
  node x = {.own = problem->in.key + row * n,
            .values = w->s->accumulator,
            .sums = {back->key_sums + heads, back->query_sums + heads},
            .vectors = {problem->in.a_key, problem->in.a_query},
            .a_sums = {a_sums + back->key_vectors * LANES, a_sums},
            .head_of = back->key_head_of,
            .spread = back->key_spread,
            .to = back->to.key + row * n};
  if (row < problem->mask->n_queries) {
    put_node_vectors(&x, n, whole, 2);
  } else {
    put_node_vectors(&x, n, whole, 1);
  }
}

static void finish_gradients(const walk *w, int64_t row) {
  const heed__problem *problem = w->problem;
  const heed__backward *back = w->back;
  const heed__scratch *s = w->s;
  bool by_keys = w->side->by_keys, joined = by_keys && back->joined;
  if (w->of_values && !joined) {
    put_row(back->to.value + row * problem->value_stride, s->accumulator, problem->value_stride,
            NULL, 1, row < back->add_value_below);
  }
  if (w->gat) {
    if (!w->of_rows) return;
    float *sums = (by_keys ? back->key_sums : back->query_sums) + row * problem->padded;
    if (problem->padded < LANES) {
      v_store_first(sums, fold_sum(v_load(s->key_sums), problem->padded), problem->padded);
    } else {
      for (int h = 0; h < problem->padded; h += LANES) v_store(sums + h, v_load(s->key_sums + h));
    }
    if (joined) put_node(w, row);
    return;
  }
  float *to = by_keys ? back->to.key : back->to.query;
  if (to == NULL) return;
  put_row(to + row * problem->key_stride, s->key_sums, problem->key_stride, problem->in.a,
          problem->spec.scale, by_keys && row < back->add_key_below);
}

static int64_t sums_of_rows(const walk *w) {
  return w->gat ? w->problem->period : w->back->key_vectors * LANES;
}

static void clear_sums(const walk *w) {
  memset(w->s->key_sums, 0, (size_t)sums_of_rows(w) * sizeof(float));
  memset(w->s->accumulator, 0, (size_t)w->problem->value_vectors * LANES * sizeof(float));
}

static void backward_join(const heed__problem *problem, const heed__backward *back,
                          const heed__side *side, int64_t row, const float *partials, int64_t n,
                          int64_t stride, const heed__scratch *s) {
  walk w = walk_of(problem, back, side, s);
  int64_t rows = sums_of_rows(&w), values = problem->value_vectors * LANES;
  clear_sums(&w);
  for (int64_t part = 0; part < n; part++, partials += stride) {
    for (int64_t d = 0; d < rows; d++) s->key_sums[d] += partials[d];
    for (int64_t d = 0; d < values; d++) s->accumulator[d] += partials[rows + d];
  }
  finish_gradients(&w, row);
}
