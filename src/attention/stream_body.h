/* The sparse kernel for the shapes of groups_body.h, compiled once an instruction set. A block of pairs
 * gets its weights whatever rows they are in, a vector full at a time; then each row sums up its own.
 *
 * No maximum is looked for: a weight is exp(logit) as it stands, and its quotient by the row's sum is what
 * it would be otherwise, as long as that sum keeps off the ends of the range of floats. Where one does not,
 * the rows of the task are done one by one, and those it belongs to with their maximum taken off. */

/* The largest sum of a row, and of the quotients of 1 by it. */
static const float most_sum = 0x1p32f;

/* A stretch of pairs across rows: BLOCK_PAIRS of a task. */
typedef struct flow {
  const heed__problem *problem;
  const heed__scratch *s;
  const int32_t *columns; /* of the block */
  const int32_t *rows;    /* of each of its pairs */
  additions more;         /* what the pairs add to their logits */
  const float *applied;   /* flat: the block's weights after dropout */
  const float *shift;     /* [LANES] what is taken off the logits of every head; NULL: nothing */
  int64_t first;          /* the block's first pair */
  int pairs;
  vn extreme;             /* bits of the largest sum of a row so far, or quotient by it */
  bool narrow;            /* keys and values come from problem->table */
  bool steep;             /* GAT: the sums for to.steep are made, see ebb_steep() */
} flow;

/* The rows that a block will gather, asked for while another is worked on. */
INLINE void flow_prefetch(const flow *f, int64_t from, int64_t end, const bool gat) {
  const heed__problem *problem = f->problem;
  const float *keys = problem->in.key, *values = problem->in.value;
  for (int64_t p = from; p < end; p++) {
    int64_t column = problem->mask->indices[p];
    if (f->narrow) {
      prefetch_kept(problem, column);
    } else {
      prefetch_row(values + column * problem->value_stride, problem->value_stride);
    }
    if (gat) {
      ask_for(problem->key_scores + column * problem->padded);
    } else if (!f->narrow && keys != values) {
      prefetch_row(keys + column * problem->key_stride, problem->key_stride);
    }
  }
}

/* The logits of a block, and zeros to fill the last vectors. */
INLINE void flow_logits(const flow *f, int64_t task_end, const heed_score score, term t,
                        const shape s) {
  const heed__problem *problem = f->problem;
  const bool gat = score == HEED_SCORE_GAT, dot = score == HEED_SCORE_DOT;
  const bool none = dot && problem->spec.score == HEED__SCORE_NONE;
  const int padded = s.padded, most = LANES / padded;
  const float *queries = gat ? problem->query_scores : problem->in.query;
  const float *keys = gat ? problem->key_scores : kept_keys(problem, f->narrow);
  const float *a = gat || dot ? queries : problem->in.a;
  vf slope = v_all(problem->spec.slope), scale = v_all(problem->spec.scale);
  group g = {.stride = s.layout == PACKED ? padded * s.dim : problem->key_stride,
             .dim = problem->spec.key_dim,
             .narrow = f->narrow,
             .narrow_stride = problem->table_stride};
  float *logits = f->s->logits;
  int pair = 0, whole = f->pairs / most * most;
  if (problem->prefetch) {
    int64_t from = f->first + problem->ahead, to = from + f->pairs;
    flow_prefetch(f, from, to < task_end ? to : task_end, gat);
  }
  for (; pair < f->pairs; pair += most) {
    g.columns = f->columns + pair;
    g.rows = f->rows + pair;
    g.pairs = pair < whole ? most : f->pairs - pair;
    vf logit;
    if (gat) {
      vf query = v_stretches(queries, 1, g.rows, g.pairs, padded);
      vf key = v_stretches(keys, 1, g.columns, g.pairs, padded);
      vf raw = v_add(query, key);
      if (f->more.within != NULL) raw = v_add(raw, v_load(f->more.within + pair * padded));
      if (f->steep) v_store(f->s->raw + pair * padded, raw);
      logit = v_leaky_relu(raw, slope);
    } else if (none) {
      logit = v_zero();
    } else {
      logit = group_sums(&g, queries, keys, a, slope, t, s);
      if (dot) logit = v_mul(scale, logit);
    }
    if (f->more.added != NULL) logit = v_add(logit, v_load(f->more.added + pair * padded));
    if (pair == whole) {
      logit = v_where_less(v_numbers(), v_all((float)(g.pairs * padded)), logit, v_zero());
    }
    v_store(logits + pair * padded, logit);
  }
  for (int v = 0; v < SIDE_BY_SIDE; v++) v_store(logits + pair * padded + v * LANES, v_zero());
}

/* The weights of a block, and where there is dropout what it leaves of them. */
INLINE void flow_weights(flow *f, const int padded) {
  const heed__problem *problem = f->problem;
  const float highest = 88;
  int total = f->pairs * padded;
  float *weights = f->s->logits, *applied = f->s->keep;
  for (int i = 0; i < total && f->shift != NULL; i += LANES) {
    v_store(weights + i, v_sub(v_load(weights + i), v_load(f->shift)));
  }
  for (int i = 0; i < total; i += SIDE_BY_SIDE * LANES) {
    vf w[SIDE_BY_SIDE];
    for (int k = 0; k < SIDE_BY_SIDE; k++) {
      w[k] = v_min(v_all(highest), v_load(weights + i + k * LANES));
    }
    v_exps(w, SIDE_BY_SIDE);
    for (int k = 0; k < SIDE_BY_SIDE; k++) v_store(weights + i + k * LANES, w[k]);
  }
  f->applied = weights;
  if (problem->drop_below == 0) return;
  /* In place, never behind where it is read. */
  const float *keep = keep_in_order(problem, f->first, f->pairs, applied);
  for (int i = 0; i < total; i += LANES) {
    v_store(applied + i, v_mul(v_load(weights + i), v_load(keep + i)));
  }
  f->applied = applied;
}

/* `raw` becomes the weights as they are applied times the slope of LeakyReLU, `gradients` those before dropout. */
INLINE void flow_steep(const flow *f, const int padded) {
  const heed__scratch *scratch = f->s;
  vf slope = v_all(f->problem->spec.slope);
  for (int i = 0; i < f->pairs * padded; i += LANES) {
    vf steep = v_leaky_slope(v_load(scratch->raw + i), slope);
    v_store(scratch->raw + i, v_mul(steep, v_load(f->applied + i)));
    v_store(scratch->gradients + i, v_mul(steep, v_load(scratch->logits + i)));
  }
}

/* The largest logits of a block, lane by lane, from `largest` on. */
INLINE void flow_largest(const flow *f, float *largest, const int padded) {
  const float *logits = f->s->logits;
  int total = f->pairs * padded, i = 0;
  vf most = v_load(largest);
  for (; i + LANES <= total; i += LANES) most = v_max(most, v_load(logits + i));
  if (i < total) most = v_max(most, v_first_or_nothing(v_load(logits + i), total - i));
  v_store(largest, most);
}

/* to = sums, each times the number of its head. */
INLINE void flow_scale(const flow *f, vf by_head, const float *sums, float *to, const shape s) {
  float *factor = f->s->factor;
  v_store(factor, by_head);
  if (s.layout == PACKED) {
    for (int v = 0; v < s.padded * s.dim / LANES; v++) {
      v_store(to + v * LANES, v_mul(spread_packed(by_head, factor, v, s.dim), v_load(sums + v * LANES)));
    }
  } else if (s.layout == SINGLE) {
    v_store_first(to, v_mul(v_all(*factor), v_load(sums)), f->problem->spec.value_dim);
  } else {
    for (int64_t c = 0; c < f->problem->value_vectors; c++) {
      vf by = v_all(factor[s.padded == 1 ? 0 : f->problem->head_of[c]]);
      v_store(to + c * LANES, v_mul(by, v_load(sums + c * LANES)));
    }
  }
}

/* A number a head. */
INLINE void flow_put(float *to, vf heads, const shape s) {
  if (s.padded < LANES) {
    v_store_first(to, heads, s.padded);
  } else {
    v_store(to, heads);
  }
}

/* out = sums / sum of the weights, and what is left for the backward call likewise. */
INLINE void flow_divide(flow *f, vf sum, int64_t row, float *out, const shape s) {
  const heed__problem *problem = f->problem;
  vf inverse = v_div(v_all(1.0f), sum);
  f->extreme = v_larger_size(v_larger_size(f->extreme, sum), inverse);
  inverse = v_where_less(v_zero(), sum, inverse, v_mul(sum, v_zero()));
  flow_scale(f, inverse, f->s->accumulator, out, s);
  if (!f->steep) return;
  float *steep = problem->to.steep, *weights = steep + problem->mask->n_queries * problem->value_stride;
  flow_scale(f, inverse, f->s->steep_sums, steep + row * problem->value_stride, s);
  flow_put(weights + row * s.padded, v_mul(inverse, v_load(f->s->key_sums)), s);
}

/* The weights of a row, which stand where they are to go but for the sum: divided by it, so that the only weight of
 * a row is 1. */
static void flow_put_weights(const heed__problem *problem, vf sum, float *scratch, int64_t first,
                             int64_t end) {
  int heads = problem->spec.heads;
  float *weights = problem->to.weights;
  v_store(scratch, v_where_less(v_zero(), sum, sum, v_all(1.0f))); /* 0: all weights are */
  vf by = v_repeat_heads(scratch, heads);
  int64_t i = first * heads, last = end * heads;
  for (; i + LANES <= last; i += LANES) v_store(weights + i, v_div(v_load(weights + i), by));
  if (i == last) return;
  int left = (int)(last - i);
  v_store_first(weights + i, v_div(v_load_first(weights + i, left), by), left);
}

/* Adds to a row's sums what the features of `pairs` pairs from number p on bring to their values. */
static void flow_features(const heed__problem *problem, const heed__scratch *s, int64_t p, int pairs,
                          const float *applied, bool first, bool last) {
  const heed__edges *edges = problem->features;
  int heads = problem->spec.heads;
  float *by_head = s->room->by_head;
  feature_gather(edges, heads, problem->in.edges + p * edges->dim, applied, pairs, first, by_head);
  if (!last) return;
  edge_expand(edges, heads, problem->spec.value_dim, by_head, problem->in.edge_value, 1,
              s->accumulator);
}

/* Adds the pairs [from, to) of the block to a row, whose first pair is `row_first`; `last` says whether these
 * are its last, or those of a segment, which then stays in the scratch. */
INLINE void flow_sum(flow *f, int64_t row, int64_t row_first, int from, int to, bool last,
                     bool segment, const bool gat, const shape s) {
  const heed__problem *problem = f->problem;
  const heed__scratch *scratch = f->s;
  const span values = {.rows = kept_values(problem, f->narrow),
                       .stride = problem->value_stride,
                       .vectors = problem->value_vectors,
                       .columns = f->columns,
                       .head_of = problem->head_of,
                       .weights = f->applied,
                       .others = scratch->raw,
                       .sums = scratch->accumulator,
                       .values = scratch->steep_sums,
                       .slope = v_zero(),
                       .narrow = f->narrow,
                       .narrow_stride = problem->table_stride};
  float *out = problem->to.out + row * problem->value_stride;
  bool first = f->first + from == row_first;
  vf sum = first ? v_zero() : v_load(scratch->sum);
  if (gat && f->steep) {
    sum = span_sum(&values, out, from, to, first, derivative_dot, OTHERS, scratch->logits, sum, s);
    vf steep = first ? v_zero() : v_load(scratch->key_sums);
    v_store(scratch->key_sums, sum_flat(steep, scratch->gradients, from, to, s.padded));
  } else {
    sum = span_sum(&values, out, from, to, first, derivative_dot, NOTHING, scratch->logits, sum, s);
  }
  if (problem->features != NULL && problem->in.edge_value != NULL) {
    flow_features(problem, scratch, f->first + from, to - from, f->applied + from * s.padded, first,
                  last);
  }
  if (!last || segment) {
    v_store(scratch->sum, sum);
    return;
  }
  flow_divide(f, sum, row, out, s);
  if (problem->to.weights != NULL) {
    flow_put_weights(problem, sum, scratch->factor, row_first, f->first + to);
  }
  if (problem->to.log_sum_exp == NULL) return;
  flow_put(problem->to.log_sum_exp + row * s.padded, sum, s);
}

/* Whether every sum was of a good size. */
INLINE bool flow_is_good(vn extreme, int heads) {
  uint32_t bits[LANES], most;
  memcpy(bits, &extreme, sizeof bits);
  memcpy(&most, &most_sum, sizeof most);
  bool good = true;
  for (int h = 0; h < heads; h++) good = good && bits[h] <= most;
  return good;
}

/* The sums that stand in log_sum_exp become what it is. */
INLINE void logs_of_sums(float *sums, int64_t n) {
  int64_t i = 0;
  for (; i + LANES <= n; i += LANES) v_store(sums + i, v_log(v_load(sums + i)));
  if (i < n) v_store_first(sums + i, v_log(v_load_first(sums + i, (int)(n - i))), (int)(n - i));
}

/* The rows of a task, or a segment into the scratch. With `largest` nothing but the largest logits are found.
 * Returns whether the sums of all rows were of a good size. */
INLINE bool stream(const heed__problem *problem, const heed__task *task, bool segment,
                   const heed__scratch *scratch, const float *shift, float *largest,
                   const heed_score score, term t, const shape s, const bool narrow) {
  const heed_mask *mask = problem->mask;
  int32_t rows[BLOCK_PAIRS + LANES], columns[BLOCK_PAIRS + LANES];
  block_rows distinct; /* those rows, where features of pairs need them */
  const bool more = problem->in.bias != NULL || problem->features != NULL;
  flow f = {.problem = problem,
            .s = scratch,
            .rows = rows,
            .shift = shift,
            .narrow = narrow,
            .steep = score == HEED_SCORE_GAT && problem->to.steep != NULL && !segment};
  int64_t row = task->first_row, end = task->end_pair;
  int64_t row_first = task->first_pair, row_end = segment ? end : mask->indptr[row + 1];
  for (f.first = task->first_pair; f.first < end; f.first += BLOCK_PAIRS) {
    f.pairs = (int)(end - f.first < BLOCK_PAIRS ? end - f.first : BLOCK_PAIRS);
    int64_t numbers = (int64_t)f.pairs * s.padded;
    float *weights = problem->to.weights;
    if (weights != NULL) weights += f.first * s.padded;
    f.columns = columns_of_block(mask, row, f.first, f.pairs, columns);
    rows_of_block(mask, row, f.first, f.pairs, rows);
    if (problem->features != NULL) block_rows_of(rows, f.pairs, &distinct);
    if (more) f.more = additions_of(problem, scratch, &distinct, f.first, f.pairs);
    flow_logits(&f, end, score, t, s);
    if (largest != NULL) {
      flow_largest(&f, largest, s.padded);
      continue;
    }
    if (weights != NULL && segment) { /* logits, for weights_of_row() */
      memcpy(weights, scratch->logits, (size_t)numbers * sizeof *weights);
    }
    flow_weights(&f, s.padded);
    if (score == HEED_SCORE_GAT && f.steep) flow_steep(&f, s.padded);
    if (weights != NULL && !segment) memcpy(weights, f.applied, (size_t)numbers * sizeof *weights);
    for (int at = 0; at < f.pairs;) {
      int64_t left = row_end - f.first;
      int to = left < f.pairs ? (int)left : f.pairs;
      bool last = left <= f.pairs;
      if (to > at) flow_sum(&f, row, row_first, at, to, last, segment, score == HEED_SCORE_GAT, s);
      if (to == at) empty_row(problem, row);
      at = to;
      if (!last || segment) break;
      row_first = row_end;
      row++;
      row_end = row < task->end_row ? mask->indptr[row + 1] : end;
    }
  }
  if (largest != NULL) return true;
  if (segment) {
    vf sum = v_load(scratch->sum);
    vn extreme = v_larger_size(v_larger_size(f.extreme, sum), v_div(v_all(1.0f), sum));
    return flow_is_good(extreme, s.padded);
  }
  for (; row < task->end_row; row++) empty_row(problem, row);
  if (problem->to.log_sum_exp != NULL) {
    logs_of_sums(problem->to.log_sum_exp + task->first_row * s.padded,
                 (task->end_row - task->first_row) * s.padded);
  }
  return flow_is_good(f.extreme, s.padded);
}

typedef bool (*stream_function)(const heed__problem *problem, const heed__task *task, bool segment,
                                const heed__scratch *scratch, const float *shift, float *largest);

/* One row, or a segment of one, whose sums were not of a good size: with its maximum taken off. */
static void stream_shifted(stream_function run, const heed__problem *problem,
                           const heed__task *task, bool segment, const heed__scratch *scratch) {
  int heads = problem->spec.heads;
  float largest[LANES];
  v_store(largest, v_all(-INFINITY));
  (void)run(problem, task, segment, scratch, NULL, largest);
  vf most = fold_max(v_load(largest), heads), least = v_all(-FLT_MAX);
  vf shift = v_unless_less(most, least, most); /* a row or segment that is all shut out */
  v_store(largest, shift);
  (void)run(problem, task, segment, scratch, largest, NULL);
  v_store(scratch->maximum, v_where_less(most, least, least, most)); /* of a segment: nothing beside others */
  if (segment || problem->to.log_sum_exp == NULL) return;
  float *log_sum = problem->to.log_sum_exp + task->first_row * heads;
  for (int h = 0; h < heads; h++) log_sum[h] += largest[h];
}

/* The rows of a task, or a segment into `partial`. */
static void stream_task(stream_function run, const heed__problem *problem, const heed__task *task,
                        float *partial, const heed__scratch *scratch) {
  bool good = run(problem, task, partial != NULL, scratch, NULL, NULL);
  if (partial != NULL) {
    memset(scratch->maximum, 0, (size_t)problem->period * sizeof(float));
    if (!good) stream_shifted(run, problem, task, true, scratch);
    put_partial(problem, scratch, partial);
    return;
  }
  for (int64_t row = task->first_row; row < task->end_row && !good; row++) {
    const int64_t *ends = problem->mask->indptr + row;
    heed__task one = {row, row + 1, ends[0], ends[1], -1};
    if (run(problem, &one, false, scratch, NULL, NULL)) continue;
    stream_shifted(run, problem, &one, false, scratch);
  }
}

INLINE bool stream_by_score(const heed__problem *problem, const heed__task *task, bool segment,
                            const heed__scratch *scratch, const float *shift, float *largest,
                            const shape s, const bool narrow) {
  switch (problem->spec.score) {
    case HEED_SCORE_GAT:
      return stream(problem, task, segment, scratch, shift, largest, HEED_SCORE_GAT, term_dot, s,
                    narrow);
    case HEED_SCORE_GATV2:
      return stream(problem, task, segment, scratch, shift, largest, HEED_SCORE_GATV2, term_gatv2,
                    s, narrow);
    default:
      return stream(problem, task, segment, scratch, shift, largest, HEED_SCORE_DOT, term_dot, s,
                    narrow);
  }
}

static bool stream_eight_packed(const heed__problem *problem, const heed__task *task,
                                bool segment, const heed__scratch *scratch, const float *shift,
                                float *largest) {
  return stream_by_score(problem, task, segment, scratch, shift, largest, (shape){PACKED, EIGHT, HALF},
                         false);
}

static bool stream_eight_exact(const heed__problem *problem, const heed__task *task,
                               bool segment, const heed__scratch *scratch, const float *shift,
                               float *largest) {
  return stream_by_score(problem, task, segment, scratch, shift, largest,
                         (shape){PACKED, EIGHT, LANES}, false);
}

static bool stream_eight_whole(const heed__problem *problem, const heed__task *task,
                               bool segment, const heed__scratch *scratch, const float *shift,
                               float *largest) {
  return stream_by_score(problem, task, segment, scratch, shift, largest, (shape){WHOLE, EIGHT, 0},
                         false);
}

static bool stream_four_packed(const heed__problem *problem, const heed__task *task,
                               bool segment, const heed__scratch *scratch, const float *shift,
                               float *largest) {
  return stream_by_score(problem, task, segment, scratch, shift, largest, (shape){PACKED, FOUR, HALF},
                         false);
}

static bool stream_four_whole(const heed__problem *problem, const heed__task *task,
                              bool segment, const heed__scratch *scratch, const float *shift,
                              float *largest) {
  return stream_by_score(problem, task, segment, scratch, shift, largest, (shape){WHOLE, FOUR, 0},
                         false);
}

static bool stream_single(const heed__problem *problem, const heed__task *task,
                          bool segment, const heed__scratch *scratch, const float *shift,
                          float *largest) {
  return stream_by_score(problem, task, segment, scratch, shift, largest, (shape){SINGLE, 1, 0},
                         false);
}

static bool stream_one_whole(const heed__problem *problem, const heed__task *task,
                             bool segment, const heed__scratch *scratch, const float *shift,
                             float *largest) {
  return stream_by_score(problem, task, segment, scratch, shift, largest, (shape){WHOLE, 1, 0},
                         false);
}

/* SHAPE_OTHER where a call asks for what only the kernel for any shape gives. */
static shape_name stream_shape(const heed__problem *problem) {
  const heed_mask *mask = problem->mask;
  if (mask->indptr == NULL || mask->n_queries > INT32_MAX) return SHAPE_OTHER;
  return shape_of(&problem->spec);
}

static bool leaves_steep(const heed__problem *problem) {
  const heed_attention_spec *spec = &problem->spec;
  return spec->score == HEED_SCORE_GAT && spec->kernel == HEED_KERNEL_SPARSE && spec->edge_dim == 0 &&
         heed__is_softmax(problem) && problem->table == NULL && stream_shape(problem) != SHAPE_OTHER;
}

static void sparse(const heed__problem *problem, const heed__task *task, float *partial,
                   const heed__scratch *scratch) {
  static const stream_function functions[] = {
      [SHAPE_SINGLE] = stream_single,
      [SHAPE_ONE_WHOLE] = stream_one_whole,
      [SHAPE_FOUR_PACKED] = stream_four_packed,
      [SHAPE_FOUR_WHOLE] = stream_four_whole,
      [SHAPE_EIGHT_PACKED] = EIGHT > FOUR ? stream_eight_packed : NULL,
      [SHAPE_EIGHT_EXACT] = EIGHT > FOUR ? stream_eight_exact : NULL,
      [SHAPE_EIGHT_WHOLE] = EIGHT > FOUR ? stream_eight_whole : NULL,
  };
  shape_name name = stream_shape(problem);
  if (name == SHAPE_OTHER) {
    sparse_any(problem, task, partial, scratch);
  } else {
    stream_task(functions[name], problem, task, partial, scratch);
  }
}

static bool streams_features(const heed_attention_spec *spec) {
  return spec->edge_dim > 0 && spec->edge_dim <= STREAMED_FEATURES &&
         (spec->score == HEED_SCORE_DOT || spec->score == HEED_SCORE_GAT) &&
         shape_of(spec) != SHAPE_OTHER;
}
