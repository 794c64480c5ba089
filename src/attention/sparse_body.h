/* The sparse kernel for any shape, compiled once an instruction set (stream_body.h has the common
 * shapes): one pass over the pairs of a row, a block at a time, with an online softmax (Milakov and
 * Gimelshein 2018). A row's running maximum, sum and accumulator are all that is kept; nothing grows
 * with the number of pairs. */

/* Lanes whose heads are equal get the largest, or the sum, of them all. */
INLINE vf fold_max(vf x, int padded) {
  for (int step = padded; step < LANES; step *= 2) x = v_max(x, v_partner(x, step));
  return x;
}

INLINE vf fold_sum(vf x, int padded) {
  for (int step = padded; step < LANES; step *= 2) x = v_add(x, v_partner(x, step));
  return x;
}

/* 1 / sum, or 0 for a row that sees nothing. */
INLINE vf inverse(vf sum) {
  return v_where_less(v_zero(), sum, v_div(v_all(1.0f), sum), v_mul(sum, v_zero()));
}

static void add_bias(const heed__problem *problem, int64_t first, int pairs, float *logits) {
  const float *bias = problem->in.bias + first * problem->in.bias_heads;
  int heads = problem->spec.heads, padded = problem->padded;
  bool shared = problem->in.bias_heads == 1;
  for (int pair = 0; pair < pairs; pair++) {
    for (int h = 0; h < heads; h++) {
      logits[pair * padded + h] += shared ? bias[pair] : bias[pair * heads + h];
    }
  }
}

static void keep_logits(const heed__problem *problem, int64_t first, int pairs,
                        const float *logits) {
  int heads = problem->spec.heads;
  for (int pair = 0; pair < pairs; pair++) {
    memcpy(problem->to.weights + (first + pair) * heads, logits + pair * problem->padded,
           (size_t)heads * sizeof *logits);
  }
}

/* Random numbers of the pairs [first, first + pairs): number (pair, head) is pair * H + head. */
static const uint32_t *draw(const heed__problem *problem, int64_t first, int pairs,
                            uint32_t *random) {
  uint64_t from = (uint64_t)first * (uint64_t)problem->spec.heads;
  uint64_t to = from + (uint64_t)pairs * (uint64_t)problem->spec.heads;
  vq counter = v_count() + from / 4;
  uint32_t *out = random;
  for (uint64_t quad = from / 4; quad * 4 < to; quad += QUADS, out += 4 * QUADS) {
    random_quads(problem->spec.seed, counter, out);
    counter += QUADS;
  }
  return random + from % 4;
}

/* The same for pairs that do not follow one another. Returns how many numbers lie between a pair's and
 * the next one's; `offsets` gets where a pair's begin among its own. */
static int draw_scattered(const heed__problem *problem, const int64_t *numbers, int pairs,
                          uint64_t *counters, int *offsets, uint32_t *random) {
  uint64_t heads = (uint64_t)problem->spec.heads;
  int quads = heads % 4 == 0 ? (int)heads / 4 : heads == 1 ? 1 : (int)(heads + 6) / 4;
  int n = pairs * quads;
  for (int pair = 0; pair < pairs; pair++) {
    uint64_t from = (uint64_t)numbers[pair] * heads;
    offsets[pair] = (int)(from % 4);
    for (int q = 0; q < quads; q++) counters[pair * quads + q] = from / 4 + (uint64_t)q;
  }
  for (int i = n; i % QUADS != 0; i++) counters[i] = 0;
  for (int i = 0; i < n; i += QUADS) {
    vq counter;
    memcpy(&counter, counters + i, sizeof counter);
    random_quads(problem->spec.seed, counter, random + 4 * i);
  }
  return 4 * quads;
}

/* What dropout multiplies weights by, for the four numbers of each of these counters. */
INLINE void keep_quads(const heed__problem *problem, vq counter, float *keep) {
  vq low, high, both[2];
  random_halves(problem->spec.seed, counter, &low, &high);
  v_zip(low, high, both);
  vn scale = (vn)v_all(problem->keep_scale);
  v_store(keep, (vf)((vn)((vn)both[0] >= problem->drop_below) & scale));
  v_store(keep + LANES, (vf)((vn)((vn)both[1] >= problem->drop_below) & scale));
}

/* The same for pairs in a row, H numbers each, from the returned place in `keep` on; there is room for 3
 * + 2 LANES more. */
INLINE const float *keep_in_order(const heed__problem *problem, int64_t first, int pairs,
                                  float *keep) {
  uint64_t from = (uint64_t)first * (uint64_t)problem->spec.heads;
  uint64_t to = from + (uint64_t)pairs * (uint64_t)problem->spec.heads;
  vq counter = v_count() + from / 4;
  float *out = keep;
  for (uint64_t quad = from / 4; quad * 4 < to; quad += QUADS, out += 4 * QUADS) {
    keep_quads(problem, counter, out);
    counter += QUADS;
  }
  return keep + from % 4;
}

/* keep[i] = what dropout multiplies weight i by; without a branch, which chance would mispredict. */
INLINE void keep_of(const heed__problem *problem, const uint32_t *random, int n, float *keep) {
  uint32_t below = problem->drop_below;
  float scale = problem->keep_scale;
  for (int i = 0; i < n; i++) keep[i] = (float)(random[i] >= below) * scale;
}

static void drop(const heed__problem *problem, int64_t first, int pairs, float *weights,
                 uint32_t *room) {
  const uint32_t *random = draw(problem, first, pairs, room);
  int heads = problem->spec.heads, padded = problem->padded;
  uint32_t below = problem->drop_below;
  float scale = problem->keep_scale;
  int stretches = heads == padded ? 1 : pairs, n = heads == padded ? pairs * heads : heads;
  for (int k = 0; k < stretches; k++) {
    for (int i = 0; i < n; i++) {
      weights[k * padded + i] *= (float)(random[k * heads + i] >= below) * scale;
    }
  }
}

/* Turns a block's logits into exp(logit - maximum) and moves maximum and sum on. `factor` gets what the
 * blocks before are to be multiplied by. */
INLINE void online_softmax(const heed__scratch *s, int pairs, bool first, const int padded) {
  const int period = padded < LANES ? LANES : padded;
  float *logits = s->logits;
  int total = pairs * padded, over = total % LANES, end = over == 0 ? total : total - over + LANES;
  if (over > 0) {
    v_store(logits + end - LANES, v_first_or_nothing(v_load(logits + end - LANES), over));
  }
  for (int h = 0; h < period; h += LANES) {
    vf old = first ? v_all(-FLT_MAX) : v_load(s->maximum + h);
    vf maximum = old;
    for (int i = h; i < end; i += period) maximum = v_max(maximum, v_load(logits + i));
    maximum = fold_max(maximum, padded);
    vf sum = v_zero();
    if (!first) {
      vf factor = v_exp(v_sub(old, maximum));
      v_store(s->factor + h, factor);
      sum = v_mul(v_load(s->sum + h), factor);
    }
    for (int i = h; i < end; i += period) {
      vf weight = v_exp(v_sub(v_load(logits + i), maximum));
      v_store(logits + i, weight);
      sum = v_add(sum, weight);
    }
    v_store(s->maximum + h, maximum);
    v_store(s->sum + h, sum);
  }
}

/* The numbers at `heads` ([padded]), each repeated for the dimensions of its head; vector c. */
INLINE vf spread(const heed__problem *problem, const float *heads, int64_t c, const bool whole) {
  const float *from = heads + problem->head_of[c];
  return whole ? v_all(*from) : v_pick(from, problem->spread + c * LANES);
}

INLINE void prefetch_row(const float *row, int64_t numbers) {
  for (int64_t i = 0; i < numbers; i += 16) ask_for(row + i);
}

/* Rows to ask for while a block is summed up, one pair's for every pair: the memory then has work all
 * the time instead of in bursts. */
typedef struct upcoming {
  const int32_t *columns;
  int pairs;
  const float *keys; /* NULL: the values alone */
  int64_t stride;
} upcoming;

INLINE void prefetch(const heed__problem *problem, const upcoming *next, int pair) {
  int64_t column = next->columns[pair];
  if (next->keys != NULL) prefetch_row(next->keys + column * next->stride, next->stride);
  prefetch_row(problem->in.value + column * problem->value_stride, problem->value_stride);
}

/* accumulator += sum over the pairs of weight times value, for `n` vectors from vector c on. */
INLINE void accumulate(const heed__problem *problem, const int32_t *columns, int pairs, bool first,
                       const heed__scratch *s, const upcoming *next, int64_t c, const int n,
                       const bool whole, const bool last_partly) {
  int tail = (int)(problem->value_stride - (c + n - 1) * LANES);
  vf sum[4];
  for (int v = 0; v < n; v++) {
    sum[v] = first ? v_zero()
                   : v_mul(v_load(s->accumulator + (c + v) * LANES),
                           spread(problem, s->factor, c + v, whole));
  }
  const float *values = problem->in.value + c * LANES;
  int fetch = c == 0 ? next->pairs : 0;
  for (int pair = 0; pair < pairs; pair++) {
    if (pair < fetch) prefetch(problem, next, pair);
    const float *value = values + columns[pair] * problem->value_stride;
    const float *weights = s->logits + pair * problem->padded;
    for (int v = 0; v < n; v++) {
      bool partly = last_partly && v == n - 1;
      vf x = partly ? v_load_first(value + v * LANES, tail) : v_load(value + v * LANES);
      sum[v] = v_fma(spread(problem, weights, c + v, whole), x, sum[v]);
    }
  }
  for (int v = 0; v < n; v++) v_store(s->accumulator + (c + v) * LANES, sum[v]);
}

INLINE void accumulate_all(const heed__problem *problem, const int32_t *columns, int pairs,
                           bool first, const heed__scratch *s, const upcoming *next,
                           const bool whole) {
  bool partly = problem->value_stride % LANES != 0;
  int64_t end = problem->value_vectors - (partly ? 1 : 0);
  int64_t c = 0;
  for (; c + 4 <= end; c += 4) accumulate(problem, columns, pairs, first, s, next, c, 4, whole, false);
  if (c + 2 <= end) {
    accumulate(problem, columns, pairs, first, s, next, c, 2, whole, false);
    c += 2;
  }
  if (c < end) accumulate(problem, columns, pairs, first, s, next, c++, 1, whole, false);
  if (partly) accumulate(problem, columns, pairs, first, s, next, c, 1, whole, true);
}

/* The query's row of a score that multiplies by a scale. */
static void scale_query(const heed__problem *problem, const float *from, float *query) {
  vf scale = v_all(problem->spec.scale);
  int64_t n = problem->key_stride, d = 0;
  for (; d + LANES <= n; d += LANES) v_store(query + d, v_mul(scale, v_load(from + d)));
  if (d < n) v_store_first(query + d, v_mul(scale, v_load_first(from + d, (int)(n - d))), (int)(n - d));
}

/* A block's columns where LANES more can be read behind them, whatever they are. */
INLINE const int32_t *padded_columns(const heed__problem *problem, const int32_t *keys, int pairs,
                                     int32_t *room) {
  const heed_mask *mask = problem->mask;
  const int32_t *end =
      mask->indices == NULL ? problem->all_keys + mask->n_keys : mask->indices + mask->n_pairs;
  if (end - keys >= pairs + LANES) return keys;
  memcpy(room, keys, (size_t)pairs * sizeof *keys);
  for (int v = 0; v < LANES; v++) room[pairs + v] = room[pairs - 1];
  return room;
}

/* The rows of a block, kept as bfloat16, become floats in the scratch, where `problem->in` has them from
 * here on. Returns their numbers there, which `b` then has too but for GAT's scores of nodes. */
INLINE const int32_t *widen_block(const heed__problem *problem, const heed__scratch *s, block *b,
                                  upcoming *next) {
  static const int32_t in_order[BLOCK_PAIRS + WIDEST] = {
      0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
      24, 25, 26, 27, 28, 29, 30, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31};
  bool gat = problem->spec.score == HEED_SCORE_GAT;
  for (int pair = 0; pair < next->pairs; pair++) {
    int64_t column = next->columns[pair];
    prefetch_kept(problem, column);
    if (gat) prefetch_row(b->keys + column * b->stride, b->stride);
  }
  next->pairs = 0;
  float *values = s->wide + heed__wide_keys(&problem->spec);
  bool apart = gat || problem->in.value != problem->in.key;
  widen_rows(problem, b->columns, b->pairs, gat ? NULL : s->wide, apart ? values : NULL);
  if (!gat) b->columns = in_order;
  return in_order;
}

/* The pairs [first, end) of row i, from a cleared state on; rows may be prefetched up to the pair
 * `task_end`. */
INLINE void attend_row(const heed__problem *problem, const heed__scratch *s, int64_t i,
                       const int32_t *keys, int64_t first, int64_t end, int64_t task_end, block *b,
                       logits_function logits, upcoming *next, const bool narrow) {
  int padded = problem->padded;
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
    const int32_t *columns = padded_columns(problem, keys + (p - first), pairs, s->columns);
    b->columns = columns;
    b->pairs = pairs;
    if (narrow) columns = widen_block(problem, s, b, next);
    logits(b, s->logits);
    if (problem->in.bias != NULL) add_bias(problem, p, pairs, s->logits);
    if (problem->to.weights != NULL) keep_logits(problem, p, pairs, s->logits);
    online_softmax(s, pairs, p == first, padded);
    if (problem->drop_below > 0) drop(problem, p, pairs, s->logits, s->random);
    if (whole) {
      accumulate_all(problem, columns, pairs, p == first, s, next, true);
    } else {
      accumulate_all(problem, columns, pairs, p == first, s, next, false);
    }
  }
  for (int h = 0; h < problem->period; h += LANES) {
    vf sum = fold_sum(v_load(s->sum + h), padded);
    v_store(s->sum + h, sum);
    v_store(s->factor + h, inverse(sum));
  }
}

static void weights_of_row(const heed__problem *problem, int64_t first, int64_t end,
                           const float *maximum, const float *sum) {
  int heads = problem->spec.heads;
  float *weights = problem->to.weights;
  for (int64_t p = first; p < end; p++) {
    for (int h = 0; h < heads; h += LANES) {
      int n = heads - h < LANES ? heads - h : LANES;
      vf x = v_sub(v_load_first(weights + p * heads + h, n), v_load_first(maximum + h, n));
      v_store_first(weights + p * heads + h, v_exp(x), n);
    }
    for (int h = 0; h < heads; h++) {
      float *weight = weights + p * heads + h;
      *weight = sum[h] > 0 ? *weight / sum[h] : 0;
      if (problem->drop_below > 0) {
        *weight *= heed__dropped(problem, p, h) ? 0 : problem->keep_scale;
      }
    }
  }
}

/* out = accumulator / sum */
static void divide_row(const heed__problem *problem, int64_t i, const heed__scratch *s) {
  float *out = problem->to.out + i * problem->value_stride;
  bool whole = problem->spec.value_dim % LANES == 0;
  for (int64_t c = 0; c < problem->value_vectors; c++) {
    vf x = v_mul(v_load(s->accumulator + c * LANES), spread(problem, s->factor, c, whole));
    int64_t left = problem->value_stride - c * LANES;
    if (left < LANES) {
      v_store_first(out + c * LANES, x, (int)left);
    } else {
      v_store(out + c * LANES, x);
    }
  }
}

static void keep_log_sums(const heed__problem *problem, int64_t i, const heed__scratch *s) {
  int heads = problem->spec.heads;
  float *to = problem->to.log_sum_exp + i * heads;
  for (int h = 0; h < heads; h += LANES) {
    vf x = v_add(v_load(s->maximum + h), v_log(v_load(s->sum + h)));
    if (heads - h < LANES) {
      v_store_first(to + h, x, heads - h);
    } else {
      v_store(to + h, x);
    }
  }
}

static void empty_row(const heed__problem *problem, int64_t i) {
  memset(problem->to.out + i * problem->value_stride, 0,
         (size_t)problem->value_stride * sizeof(float));
  if (problem->to.steep != NULL) heed__clear_steep(problem, i);
  if (problem->to.log_sum_exp == NULL) return;
  for (int h = 0; h < problem->spec.heads; h++) {
    problem->to.log_sum_exp[i * problem->spec.heads + h] = -INFINITY;
  }
}

static block block_of(const heed__problem *problem, const heed__scratch *s) {
  bool gat = problem->spec.score == HEED_SCORE_GAT;
  return (block){
      .keys = gat ? problem->key_scores : problem->in.key,
      .a = problem->in.a != NULL ? problem->in.a : s->query,
      .stride = gat ? problem->padded : problem->key_stride,
      .heads = problem->spec.heads,
      .padded = problem->padded,
      .dim = problem->spec.key_dim,
      .columns = s->columns,
      .slope = v_all(problem->spec.slope),
  };
}

static void put_partial(const heed__problem *problem, const heed__scratch *s, float *partial) {
  int period = problem->period;
  memcpy(partial, s->maximum, (size_t)period * sizeof(float));
  memcpy(partial + period, s->sum, (size_t)period * sizeof(float));
  memcpy(partial + 2 * period, s->accumulator,
         (size_t)problem->value_vectors * LANES * sizeof(float));
}

/* The rows of a task, or a segment into `partial`, for any shape and score. */
INLINE void attend_task(const heed__problem *problem, const heed__task *task, float *partial,
                        const heed__scratch *s, const bool narrow) {
  block b = block_of(problem, s);
  logits_function logits = logits_of(problem->spec.score);
  upcoming next = {.keys = b.keys == problem->in.value ? NULL : b.keys, .stride = b.stride};
  for (int64_t i = task->first_row; i < task->end_row; i++) {
    int64_t first, count;
    const int32_t *keys = heed__row(problem, i, &first, &count);
    if (count == 0) {
      empty_row(problem, i);
      continue;
    }
    int64_t end = first + count;
    if (partial != NULL) {
      keys += task->first_pair - first;
      first = task->first_pair;
      end = task->end_pair;
    }
    attend_row(problem, s, i, keys, first, end, task->end_pair, &b, logits, &next, narrow);
    if (partial != NULL) {
      put_partial(problem, s, partial);
      return;
    }
    divide_row(problem, i, s);
    if (problem->to.log_sum_exp != NULL) keep_log_sums(problem, i, s);
    if (problem->to.weights != NULL) weights_of_row(problem, first, end, s->maximum, s->sum);
  }
}

static void sparse_any(const heed__problem *problem, const heed__task *task, float *partial,
                       const heed__scratch *s) {
  attend_task(problem, task, partial, s, false);
}

/* The same from problem->table. */
static void sparse_any_narrow(const heed__problem *problem, const heed__task *task, float *partial,
                              const heed__scratch *s) {
  heed__problem wide = *problem;
  bool apart = problem->spec.score == HEED_SCORE_GAT || problem->table_value > 0;
  wide.in.key = s->wide;
  wide.in.value = apart ? s->wide + heed__wide_keys(&problem->spec) : s->wide;
  attend_task(&wide, task, partial, s, true);
}
