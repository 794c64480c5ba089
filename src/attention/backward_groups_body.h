/* The sparse kernel backwards for the shapes of groups_body.h, compiled once an instruction set: like
 * the forward one, a block of pairs gets its weights and gradients of logits whatever rows they are in,
 * a vector full at a time; then each row sums up its own. */

/* Pairs of a pass in a stretch across rows. */
typedef struct ebb {
  const walk *w;
  const int32_t *columns;
  const int32_t *rows;
  int64_t first;
  int pairs;
  additions more;        /* what the pairs add to their logits */
  const float *products; /* and to their products of d_out and values; or NULL */
  int place;             /* features: of the row at hand among those of the block */
} ebb;

/* What the pairs of a block, whose rows are `b` where there are features, add. Features come in the first pass
 * alone: the second takes up what that left. */
INLINE void ebb_begin(ebb *e, const block_rows *b, const bool by_keys) {
  const walk *w = e->w;
  const heed__problem *problem = w->problem;
  const heed__scratch *s = w->s;
  const heed__edges *edges = problem->features;
  int heads = problem->spec.heads;
  e->products = NULL;
  if (by_keys) {
    e->more = (additions){NULL, NULL};
    if (problem->in.bias != NULL) {
      clear_flat(s->added, e->pairs * heads);
      add_bias_of(w, e->first, e->pairs, s->added);
      e->more.added = s->added;
    }
  } else {
    e->more = additions_of(problem, s, b, e->first, e->pairs);
  }
  if (!w->of_scores) return;
  if (w->back->products != NULL) {
    clear_flat(s->products, e->pairs * heads);
    add_products(w, e->first, e->pairs, s->products);
    e->products = s->products;
  }
  if (by_keys || edges == NULL || problem->in.edge_value == NULL) return;
  feature_project(edges, heads, problem->spec.value_dim, w->own_values, b, edges->value_turned, NULL,
                  s->room->by_row);
  feature_sums(edges, heads, problem->in.edges + e->first * edges->dim, s->room->by_row,
               heads * edges->row, b->places, e->pairs, s->products);
  e->products = s->products;
}

/* Fills the scratch for a block: `logits` with logit - log_sum_exp, `gradients` with the products of
 * d_out and values, `deltas`, and for GAT `raw` with the sums before LeakyReLU. */
INLINE void ebb_logits(const ebb *e, int64_t task_end, const heed_score score, term t,
                       const bool by_keys, const shape s) {
  const walk *w = e->w;
  const heed__problem *problem = w->problem;
  const heed__scratch *scratch = w->s;
  const bool gat = score == HEED_SCORE_GAT, dot = score == HEED_SCORE_DOT;
  const bool none = dot && problem->spec.score == HEED__SCORE_NONE;
  const int padded = s.padded, most = LANES / padded, packed = s.layout == PACKED;
  const float *keys = w->keys.rows, *values = w->products.keys, *scores = w->scores.keys;
  const float *statistics = w->back->statistics;
  const float *a = gat || dot ? w->own_keys : problem->in.a;
  vf slope = v_all(problem->spec.slope), scale = v_all(problem->spec.scale);
  group key = {.stride = packed ? padded * s.dim : problem->key_stride,
               .dim = problem->spec.key_dim};
  group value = {.stride = packed ? padded * s.dim : problem->value_stride,
                 .dim = problem->spec.value_dim};
  int pair = 0, whole = e->pairs / most * most;
  if (w->back->prefetch) {
    int64_t from = e->first + problem->ahead, to = from + e->pairs;
    prefetch_opposite(w, from, to < task_end ? to : task_end);
  }
  for (; pair < e->pairs; pair += most) {
    int at = pair * padded;
    key.columns = value.columns = e->columns + pair;
    key.rows = value.rows = e->rows + pair;
    key.pairs = value.pairs = pair < whole ? most : e->pairs - pair;
    if (w->of_scores && !(gat && w->back->by_sums)) {
      vf product = group_sums(&value, w->own_values, values, w->own_values, slope, term_dot, s);
      if (e->products != NULL) product = v_add(product, v_load(e->products + at));
      v_store(scratch->gradients + at, product);
    }
    vf logit;
    if (gat) {
      vf raw = v_add(v_stretches(w->own_scores, 1, key.rows, key.pairs, padded),
                     v_stretches(scores, 1, key.columns, key.pairs, padded));
      if (e->more.within != NULL) raw = v_add(raw, v_load(e->more.within + at));
      v_store(scratch->raw + at, raw);
      logit = v_leaky_relu(raw, slope);
    } else if (none) {
      logit = v_zero();
    } else {
      logit = group_sums(&key, w->own_keys, keys, a, slope, t, s);
      if (dot) logit = v_mul(scale, logit);
    }
    if (e->more.added != NULL) logit = v_add(logit, v_load(e->more.added + at));
    const int32_t *queries = by_keys ? key.columns : key.rows;
    vf log_sum = v_stretches(statistics, 2, queries, key.pairs, padded);
    v_store(scratch->deltas + at, v_stretches(statistics + padded, 2, queries, key.pairs, padded));
    v_store(scratch->logits + at, v_sub(logit, log_sum));
  }
  for (int v = 0; v < SIDE_BY_SIDE; v++) {
    v_store(scratch->logits + pair * padded + v * LANES, v_zero());
  }
}

/* What dropout multiplies the weights of a block by, NULL without. */
INLINE const float *ebb_keep(const ebb *e) {
  const walk *w = e->w;
  if (w->problem->drop_below == 0) return NULL;
  if (!w->side->by_keys) return keep_in_order(w->problem, e->first, e->pairs, w->s->keep);
  keep_factors(w, e->first, e->pairs);
  return w->s->keep;
}

/* `logits` become weights as they are applied, `gradients` those of the logits, with GAT of its sums before
 * LeakyReLU: those of the logits then stand in `added`. */
INLINE void ebb_weights(const ebb *e, const bool gat, const int padded) {
  const walk *w = e->w;
  const heed__scratch *scratch = w->s;
  int total = e->pairs * padded;
  const float *keep = ebb_keep(e);
  vf slope = v_all(w->problem->spec.slope);
  for (int i = 0; i < total; i += SIDE_BY_SIDE * LANES) {
    vf weight[SIDE_BY_SIDE];
    for (int k = 0; k < SIDE_BY_SIDE; k++) weight[k] = v_load(scratch->logits + i + k * LANES);
    v_exps(weight, SIDE_BY_SIDE);
    for (int k = 0; k < SIDE_BY_SIDE; k++) {
      int at = i + k * LANES;
      vf product = v_load(scratch->gradients + at), applied = weight[k];
      if (keep != NULL) {
        vf kept = v_load(keep + at);
        product = v_mul(product, kept);
        applied = v_mul(applied, kept);
      }
      v_store(scratch->logits + at, applied);
      if (!w->of_scores) continue;
      vf gradient = v_mul(weight[k], v_sub(product, v_load(scratch->deltas + at)));
      if (gat) {
        vf steep = v_leaky_slope(v_load(scratch->raw + at), slope);
        v_store(scratch->added + at, gradient);
        gradient = v_mul(steep, gradient);
      }
      v_store(scratch->gradients + at, gradient);
    }
  }
}

/* GAT, where nobody wants the gradients of single logits. That of a score, w (k d_out . v - delta) s with weight w,
 * factor of dropout k and slope of LeakyReLU s, is summed up over the pairs of a row, which owns either d_out or
 * v: it comes to the row's own times a sum of the others, each times w k s, less a sum of w s delta, and no pair
 * takes a product. `logits` become the weights as they are applied, w k; `raw` becomes w k s, and `gradients`
 * w s delta. */
INLINE void ebb_steep(const ebb *e, const int padded) {
  const walk *w = e->w;
  const heed__scratch *scratch = w->s;
  const float *keep = ebb_keep(e);
  vf slope = v_all(w->problem->spec.slope);
  for (int i = 0; i < e->pairs * padded; i += SIDE_BY_SIDE * LANES) {
    vf weight[SIDE_BY_SIDE];
    for (int k = 0; k < SIDE_BY_SIDE; k++) weight[k] = v_load(scratch->logits + i + k * LANES);
    v_exps(weight, SIDE_BY_SIDE);
    for (int k = 0; k < SIDE_BY_SIDE; k++) {
      int at = i + k * LANES;
      vf steep = v_leaky_slope(v_load(scratch->raw + at), slope);
      vf applied = keep == NULL ? weight[k] : v_mul(weight[k], v_load(keep + at));
      v_store(scratch->logits + at, applied);
      v_store(scratch->raw + at, v_mul(steep, applied));
      v_store(scratch->gradients + at, v_mul(v_mul(steep, weight[k]), v_load(scratch->deltas + at)));
    }
  }
}

/* Adds the pairs [from, to) of the block to those sums of a row. */
INLINE void ebb_steep_sum(const ebb *e, int from, int to, bool first, const bool by_keys,
                          const shape s) {
  const walk *w = e->w;
  const heed__problem *problem = w->problem;
  const heed__scratch *scratch = w->s;
  span rows = {.rows = w->products.keys,
               .stride = problem->value_stride,
               .vectors = problem->value_vectors,
               .columns = e->columns,
               .head_of = problem->head_of,
               .weights = scratch->raw,
               .sums = scratch->steep_sums,
               .slope = v_zero()};
  vf sum = first ? v_zero() : v_load(scratch->key_sums);
  if (by_keys && w->of_values) {
    rows.weights = scratch->logits;
    rows.sums = scratch->accumulator;
    rows.others = scratch->raw;
    rows.values = scratch->steep_sums;
    sum = span_sum(&rows, rows.rows, from, to, first, derivative_dot, OTHERS, scratch->gradients, sum,
                   s);
  } else {
    sum = span_sum(&rows, rows.rows, from, to, first, derivative_dot, NOTHING, scratch->gradients,
                   sum, s);
  }
  v_store(scratch->key_sums, sum);
}

/* From those sums of a row, or of a segment of it, to the gradient of its scores. */
static void ebb_steep_end(const walk *w, int64_t row) {
  const heed__problem *problem = w->problem;
  const heed__scratch *s = w->s;
  float products[LANES];
  products_of_stretches(w->own_values + row * problem->value_stride, s->steep_sums,
                        problem->spec.heads, problem->spec.value_dim, products);
  v_store(s->key_sums, v_sub(v_load(products), v_load(s->key_sums)));
}

/* The first pass: what others want of a block. */
INLINE void ebb_leave(const ebb *e, const bool gat) {
  const walk *w = e->w;
  const heed__backward *back = w->back;
  const heed__scratch *s = w->s;
  int heads = w->problem->spec.heads;
  size_t bytes = (size_t)(e->pairs * heads) * sizeof(float);
  if (back->weights != NULL) memcpy(back->weights + e->first * heads, s->logits, bytes);
  if (back->d_logits != NULL) memcpy(back->d_logits + e->first * heads, s->gradients, bytes);
  if (back->to.bias != NULL) {
    keep_bias_gradients(w, gat ? s->added : s->gradients, e->first, e->pairs);
  }
}

/* The second pass, where the first has left what it found. */
INLINE void ebb_take(const ebb *e, const int heads) {
  const walk *w = e->w;
  int64_t numbers[BLOCK_PAIRS];
  heed__pair_numbers(w->side, e->first, e->pairs, numbers);
  for (int p = 0; p < e->pairs; p++) {
    int64_t from = numbers[p] * heads;
    memcpy(w->s->logits + p * heads, w->back->weights + from, (size_t)heads * sizeof(float));
    memcpy(w->s->gradients + p * heads, w->back->d_logits + from, (size_t)heads * sizeof(float));
  }
}

/* Adds the pairs [from, to) of the block to what a row gives the gradients of the features' weights; `last` says
 * whether these are the last that come. */
static void ebb_features(const ebb *e, int from, int to, bool first, bool last) {
  const walk *w = e->w;
  const heed__problem *problem = w->problem;
  const heed__edge_room *room = w->s->room;
  const heed__edges *edges = problem->features;
  int heads = problem->spec.heads;
  const float *features = problem->in.edges + (e->first + from) * edges->dim;
  float *by_gradient = room->by_gradient + e->place * heads * edges->row;
  float *by_weight = room->by_weight + e->place * heads * edges->row;
  if (edges->by_gradients) {
    feature_gather(edges, heads, features, w->s->gradients + from * heads, to - from, first,
                   by_gradient);
  }
  if (room->sum_value != NULL) {
    feature_gather(edges, heads, features, w->s->logits + from * heads, to - from, first, by_weight);
  }
  if (!last || w->back->to.query == NULL || problem->in.edge_key == NULL) return;
  edge_expand(edges, heads, problem->spec.key_dim, by_gradient, problem->in.edge_key, 1,
              w->s->key_sums);
}

/* The rows of a block that are done give the gradients of the features' weights their part; the one at hand
 * goes on in the first place. */
static void ebb_end(ebb *e, const block_rows *b, bool all) {
  const walk *w = e->w;
  const heed__problem *problem = w->problem;
  const heed__edge_room *room = w->s->room;
  const heed__edges *edges = problem->features;
  int heads = problem->spec.heads, done = all ? b->n : e->place;
  int64_t step = heads * edges->row;
  if (room->sum_bias != NULL) {
    for (int64_t i = 0; i < done * step; i += LANES) {
      float *sum = room->sum_bias + i % step;
      v_store(sum, v_add(v_load(room->by_gradient + i), v_load(sum)));
    }
  }
  if (room->sum_key != NULL) {
    feature_outer(edges, heads, problem->spec.key_dim, w->own_keys, b->rows, done,
                  room->by_gradient, room->sum_key);
  }
  if (room->sum_value != NULL) {
    feature_outer(edges, heads, problem->spec.value_dim, w->own_values, b->rows, done,
                  room->by_weight, room->sum_value);
  }
  if (done == 0 || done == b->n) return;
  memcpy(room->by_gradient, room->by_gradient + done * step, (size_t)step * sizeof(float));
  memcpy(room->by_weight, room->by_weight + done * step, (size_t)step * sizeof(float));
}

/* Adds the pairs [from, to) of the block to a row's sums. */
INLINE void ebb_sum(const ebb *e, int64_t row, int from, int to, bool first, const bool gat,
                    const bool dot, derivative f, const bool by_keys, const shape s) {
  const walk *w = e->w;
  const heed__problem *problem = w->problem;
  const heed__scratch *scratch = w->s;
  const float *heads = gat ? scratch->gradients : NULL;
  if (!gat && (w->of_rows || w->keys.values != NULL)) {
    const span keys = {.rows = w->keys.rows,
                       .stride = problem->key_stride,
                       .vectors = w->back->key_vectors,
                       .columns = e->columns,
                       .head_of = w->back->key_head_of,
                       .weights = scratch->gradients,
                       .sums = scratch->key_sums,
                       .values = scratch->a_sums,
                       .slope = v_all(problem->spec.slope)};
    const float *own = w->own_keys + row * problem->key_stride;
    const beside also = !by_keys && !dot ? VALUES : NOTHING;
    (void)span_sum(&keys, own, from, to, first, f, also, NULL, v_zero(), s);
  }
  vf sum = gat && !first ? v_load(scratch->key_sums) : v_zero();
  if (by_keys && w->of_values) {
    const span values = {.rows = w->values.rows,
                         .stride = problem->value_stride,
                         .vectors = problem->value_vectors,
                         .columns = e->columns,
                         .head_of = problem->head_of,
                         .weights = scratch->logits,
                         .sums = scratch->accumulator,
                         .slope = v_zero()};
    const float *own = w->own_values + row * problem->value_stride;
    sum = span_sum(&values, own, from, to, first, derivative_dot, NOTHING, heads, sum, s);
  } else if (gat) {
    sum = sum_flat(sum, heads, from, to, s.padded);
  }
  if (gat) v_store(scratch->key_sums, sum);
}

/* The rows of a task, or a segment, whose sums stay in the scratch. */
INLINE void ebb_rows(walk *w, const heed__task *task, bool segment, const heed_score score,
                     term t, derivative f, const bool by_keys, const shape s) {
  const bool gat = score == HEED_SCORE_GAT, dot = score == HEED_SCORE_DOT;
  const heed_mask *mask = w->side->mask;
  const bool featured = !by_keys && w->problem->features != NULL;
  const bool by_sums = gat && w->of_scores && w->back->by_sums;
  const bool taken = by_keys && w->back->weights != NULL && w->back->d_logits != NULL;
  int32_t rows[BLOCK_PAIRS + LANES], columns[BLOCK_PAIRS + LANES];
  block_rows distinct;
  ebb e = {.w = w, .rows = rows};
  int64_t row = task->first_row, end = task->end_pair;
  int64_t row_first = task->first_pair, row_end = segment ? end : mask->indptr[row + 1];
  for (e.first = task->first_pair; e.first < end; e.first += BLOCK_PAIRS) {
    e.pairs = (int)(end - e.first < BLOCK_PAIRS ? end - e.first : BLOCK_PAIRS);
    e.columns = columns_of_block(mask, row, e.first, e.pairs, columns);
    if (taken) {
      ebb_take(&e, s.padded);
    } else {
      rows_of_block(mask, row, e.first, e.pairs, rows);
      if (featured) block_rows_of(rows, e.pairs, &distinct);
      ebb_begin(&e, &distinct, by_keys);
      ebb_logits(&e, end, score, t, by_keys, s);
      if (by_sums) {
        ebb_steep(&e, s.padded);
      } else {
        ebb_weights(&e, gat, s.padded);
      }
      if (!by_keys) ebb_leave(&e, gat);
    }
    e.place = 0;
    for (int at = 0; at < e.pairs;) {
      int64_t left = row_end - e.first;
      int to = left < e.pairs ? (int)left : e.pairs;
      if (to > at) {
        bool first = e.first + at == row_first;
        if (by_sums) {
          ebb_steep_sum(&e, at, to, first, by_keys, s);
        } else {
          ebb_sum(&e, row, at, to, first, gat, dot, f, by_keys, s);
        }
        if (featured) ebb_features(&e, at, to, e.first + at == row_first, left <= e.pairs);
      } else {
        clear_sums(w);
      }
      at = to;
      if (segment || left > e.pairs) break;
      if (by_sums && row_end > row_first) ebb_steep_end(w, row);
      finish_gradients(w, row);
      e.place += row_end > row_first;
      row_first = row_end;
      row++;
      row_end = row < task->end_row ? mask->indptr[row + 1] : end;
    }
    if (featured) ebb_end(&e, &distinct, segment && end - e.first <= BLOCK_PAIRS);
  }
  if (segment && by_sums) ebb_steep_end(w, row);
  if (segment) return;
  for (; row < task->end_row; row++) {
    clear_sums(w);
    finish_gradients(w, row);
  }
}

typedef void (*rows_function)(walk *w, const heed__task *task, bool segment);

INLINE void ebb_by_score(walk *w, const heed__task *task, bool segment, const bool by_keys,
                         const shape s) {
  switch (w->problem->spec.score) {
    case HEED_SCORE_GAT:
      ebb_rows(w, task, segment, HEED_SCORE_GAT, term_dot, derivative_dot, by_keys, s);
      break;
    case HEED_SCORE_GATV2:
      ebb_rows(w, task, segment, HEED_SCORE_GATV2, term_gatv2, derivative_gatv2, by_keys, s);
      break;
    default:
      ebb_rows(w, task, segment, HEED_SCORE_DOT, term_dot, derivative_dot, by_keys, s);
  }
}

INLINE void ebb_by_pass(walk *w, const heed__task *task, bool segment, const shape s) {
  if (w->side->by_keys) {
    ebb_by_score(w, task, segment, true, s);
  } else {
    ebb_by_score(w, task, segment, false, s);
  }
}

static void ebb_eight_packed(walk *w, const heed__task *task, bool segment) {
  ebb_by_pass(w, task, segment, (shape){PACKED, EIGHT, HALF});
}

static void ebb_eight_exact(walk *w, const heed__task *task, bool segment) {
  ebb_by_pass(w, task, segment, (shape){PACKED, EIGHT, LANES});
}

static void ebb_eight_whole(walk *w, const heed__task *task, bool segment) {
  ebb_by_pass(w, task, segment, (shape){WHOLE, EIGHT, 0});
}

static void ebb_four_packed(walk *w, const heed__task *task, bool segment) {
  ebb_by_pass(w, task, segment, (shape){PACKED, FOUR, HALF});
}

static void ebb_four_whole(walk *w, const heed__task *task, bool segment) {
  ebb_by_pass(w, task, segment, (shape){WHOLE, FOUR, 0});
}

static void ebb_single(walk *w, const heed__task *task, bool segment) {
  ebb_by_pass(w, task, segment, (shape){SINGLE, 1, 0});
}

static void ebb_one_whole(walk *w, const heed__task *task, bool segment) {
  ebb_by_pass(w, task, segment, (shape){WHOLE, 1, 0});
}

/* Rows of any shape and score. */
static void rows_any(walk *w, const heed__task *task, bool segment) {
  int64_t first, count;
  for (int64_t row = task->first_row; row < task->end_row; row++) {
    const int32_t *columns = heed__side_row(w->side, row, &first, &count);
    if (segment) {
      columns += task->first_pair - first;
      sum_pairs(w, row, columns, task->first_pair, task->end_pair, task->end_pair);
      return;
    }
    if (count == 0) {
      clear_sums(w);
    } else {
      sum_pairs(w, row, columns, first, first + count, task->end_pair);
    }
    finish_gradients(w, row);
  }
}

static rows_function rows_of_shape(const walk *w) {
  const heed_mask *mask = w->side->mask;
  if (mask->indptr == NULL || mask->n_queries > INT32_MAX) return rows_any;
  if (!heed__is_softmax(w->problem)) return rows_any;
  switch (shape_of(&w->problem->spec)) {
    case SHAPE_SINGLE:
      return ebb_single;
    case SHAPE_ONE_WHOLE:
      return ebb_one_whole;
    case SHAPE_FOUR_PACKED:
      return ebb_four_packed;
    case SHAPE_FOUR_WHOLE:
      return ebb_four_whole;
    case SHAPE_EIGHT_PACKED:
      return ebb_eight_packed;
    case SHAPE_EIGHT_EXACT:
      return ebb_eight_exact;
    case SHAPE_EIGHT_WHOLE:
      return ebb_eight_whole;
    default:
      return rows_any;
  }
}

/* partial = (sums of keys or heads, sums of values) */
static void backward_task(const heed__problem *problem, const heed__backward *back,
                          const heed__side *side, const heed__task *task, float *partial,
                          const heed__scratch *s) {
  walk w = walk_of(problem, back, side, s);
  rows_of_shape(&w)(&w, task, partial != NULL);
  if (partial == NULL) return;
  int64_t n = sums_of_rows(&w);
  memcpy(partial, s->key_sums, (size_t)n * sizeof(float));
  memcpy(partial + n, s->accumulator, (size_t)problem->value_vectors * LANES * sizeof(float));
}
