/* The sparse kernel for the shapes of groups_body.h, compiled once an instruction set. A block of pairs
 * gets its weights whatever rows they are in, a vector full at a time; then each row sums up its own.
 *
 * No maximum is looked for: a weight is exp(logit) = p * 2^n as it stands, and its quotient by the
 * row's sum is what it would be otherwise, as long as every n of the row is small. Where a block has an
 * n that is not, its rows are looked at one by one and those it belongs to done by sparse_any(). */

/* The largest |n|: weights, sums and their products with values then keep off the ends of the range
 * of floats by as much. */
static const float most_power = 24;

/* A stretch of pairs across rows: BLOCK_PAIRS of a task. */
typedef struct flow {
  const heed__problem *problem;
  const heed__scratch *s;
  const int32_t *columns; /* of the block */
  const float *applied;   /* flat: the block's weights after dropout */
  int64_t first;          /* the block's first pair */
  int pairs;
  vn extreme;             /* bits of the largest |n| so far */
  bool narrow;            /* keys and values come from problem->table */
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
      __builtin_prefetch(problem->key_scores + column * problem->padded);
    } else if (!f->narrow && keys != values) {
      prefetch_row(keys + column * problem->key_stride, problem->key_stride);
    }
  }
}

/* The logits of a block, and zeros to fill the last vectors. */
INLINE void flow_logits(const flow *f, const int32_t *rows, int64_t task_end,
                        const heed_score score, term t, const shape s) {
  const heed__problem *problem = f->problem;
  const bool gat = score == HEED_SCORE_GAT, dot = score == HEED_SCORE_DOT;
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
  for (; pair < f->pairs; pair += most) {
    if (problem->prefetch) {
      int64_t from = f->first + pair + problem->ahead, to = from + most;
      flow_prefetch(f, from, to < task_end ? to : task_end, gat);
    }
    g.columns = f->columns + pair;
    g.rows = rows + pair;
    g.pairs = pair < whole ? most : f->pairs - pair;
    vf logit;
    if (gat) {
      vf query = v_stretches(queries, 1, g.rows, g.pairs, padded);
      vf key = v_stretches(keys, 1, g.columns, g.pairs, padded);
      logit = v_leaky_relu(v_add(query, key), slope);
    } else {
      logit = group_sums(&g, queries, keys, a, slope, t, s);
      if (dot) logit = v_mul(scale, logit);
    }
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
  int total = f->pairs * padded;
  float *weights = f->s->logits, *applied = f->s->keep;
  vn extreme = f->extreme;
  for (int i = 0; i < total; i += SIDE_BY_SIDE * LANES) {
    vf p[SIDE_BY_SIDE], n[SIDE_BY_SIDE];
    for (int k = 0; k < SIDE_BY_SIDE; k++) p[k] = v_load(weights + i + k * LANES);
    v_exp_parts(p, n, SIDE_BY_SIDE);
    for (int k = 0; k < SIDE_BY_SIDE; k++) {
      extreme = v_larger_size(extreme, n[k]);
      v_store(weights + i + k * LANES, v_scale(p[k], n[k]));
    }
  }
  f->extreme = extreme;
  f->applied = weights;
  if (problem->drop_below == 0) return;
  /* In place, never behind where it is read. */
  const float *keep = keep_in_order(problem, f->first, f->pairs, applied);
  for (int i = 0; i < total; i += LANES) {
    v_store(applied + i, v_mul(v_load(weights + i), v_load(keep + i)));
  }
  f->applied = applied;
}

/* out = sums / sum of the weights */
INLINE void flow_divide(const flow *f, vf sum, float *out, const shape s) {
  const float *sums = f->s->accumulator;
  float *factor = f->s->factor;
  vf inverse = v_div(v_all(1.0f), sum);
  if (s.layout == PACKED) {
    for (int v = 0; v < s.padded * s.dim / LANES; v++) {
      v_store(out + v * LANES, v_mul(spread_packed(inverse, v, s.dim), v_load(sums + v * LANES)));
    }
  } else if (s.layout == SINGLE) {
    v_store(factor, inverse);
    v_store_first(out, v_mul(v_all(*factor), v_load(sums)), f->problem->spec.value_dim);
  } else {
    v_store(factor, inverse);
    for (int64_t c = 0; c < f->problem->value_vectors; c++) {
      vf by = v_all(factor[s.padded == 1 ? 0 : f->problem->head_of[c]]);
      v_store(out + c * LANES, v_mul(by, v_load(sums + c * LANES)));
    }
  }
}

/* Adds the pairs [from, to) of the block to a row; `first` and `last` say whether these are the row's. */
INLINE void flow_sum(const flow *f, int64_t row, int from, int to, bool first, bool last,
                     const shape s) {
  const heed__problem *problem = f->problem;
  const heed__scratch *scratch = f->s;
  const span values = {.rows = kept_values(problem, f->narrow),
                       .stride = problem->value_stride,
                       .vectors = problem->value_vectors,
                       .columns = f->columns,
                       .head_of = problem->head_of,
                       .weights = f->applied,
                       .sums = scratch->accumulator,
                       .slope = v_zero(),
                       .narrow = f->narrow,
                       .narrow_stride = problem->table_stride};
  float *out = problem->to.out + row * problem->value_stride;
  vf sum = first ? v_zero() : v_load(scratch->sum);
  sum = span_sum(&values, out, from, to, first, derivative_dot, false, scratch->logits, sum, s);
  if (!last) {
    v_store(scratch->sum, sum);
    return;
  }
  flow_divide(f, sum, out, s);
  if (problem->to.log_sum_exp == NULL) return;
  float *to_sum = problem->to.log_sum_exp + row * s.padded;
  if (s.padded < LANES) {
    v_store_first(to_sum, sum, s.padded);
  } else {
    v_store(to_sum, sum);
  }
}

/* Whether every n was small. */
INLINE bool flow_is_small(vn extreme) {
  uint32_t bits[LANES], most;
  const float most_size = most_power;
  memcpy(bits, &extreme, sizeof bits);
  memcpy(&most, &most_size, sizeof most);
  bool small = true;
  for (int i = 0; i < LANES; i++) small = small && bits[i] <= most;
  return small;
}

INLINE bool row_is_small(const heed__problem *problem, const heed__scratch *scratch, int64_t first,
                         int64_t end, int32_t *rows, int64_t row, const heed_score score, term t,
                         const shape s, const bool narrow) {
  flow f = {.problem = problem, .s = scratch, .narrow = narrow};
  int32_t columns[BLOCK_PAIRS + LANES];
  for (int64_t p = first; p < end; p += BLOCK_PAIRS) {
    f.first = p;
    f.pairs = (int)(end - p < BLOCK_PAIRS ? end - p : BLOCK_PAIRS);
    f.columns = columns_of_block(problem->mask, row, p, f.pairs, columns);
    rows_of_block(problem->mask, row, p, f.pairs, rows);
    flow_logits(&f, rows, end, score, t, s);
    flow_weights(&f, s.padded);
  }
  return flow_is_small(f.extreme);
}

/* The sums that stand in log_sum_exp become what it is. */
INLINE void logs_of_sums(float *sums, int64_t n) {
  int64_t i = 0;
  for (; i + LANES <= n; i += LANES) v_store(sums + i, v_log(v_load(sums + i)));
  if (i < n) v_store_first(sums + i, v_log(v_load_first(sums + i, (int)(n - i))), (int)(n - i));
}

/* The rows of a task, or a segment into `partial`. */
INLINE void stream(const heed__problem *problem, const heed__task *task, float *partial,
                   const heed__scratch *scratch, const heed_score score, term t, const shape s,
                   const bool narrow) {
  const heed_mask *mask = problem->mask;
  flow f = {.problem = problem, .s = scratch, .narrow = narrow};
  int32_t rows[BLOCK_PAIRS + LANES], columns[BLOCK_PAIRS + LANES];
  int64_t row = task->first_row, end = task->end_pair;
  int64_t row_first = task->first_pair, row_end = partial == NULL ? mask->indptr[row + 1] : end;
  for (f.first = task->first_pair; f.first < end; f.first += BLOCK_PAIRS) {
    f.pairs = (int)(end - f.first < BLOCK_PAIRS ? end - f.first : BLOCK_PAIRS);
    f.columns = columns_of_block(mask, row, f.first, f.pairs, columns);
    rows_of_block(mask, row, f.first, f.pairs, rows);
    flow_logits(&f, rows, end, score, t, s);
    flow_weights(&f, s.padded);
    for (int at = 0; at < f.pairs;) {
      int64_t left = row_end - f.first;
      int to = left < f.pairs ? (int)left : f.pairs;
      bool last = left <= f.pairs && partial == NULL;
      if (to > at) flow_sum(&f, row, at, to, f.first + at == row_first, last, s);
      if (to == at) empty_row(problem, row);
      at = to;
      if (!last) break;
      row_first = row_end;
      row++;
      row_end = row < task->end_row ? mask->indptr[row + 1] : end;
    }
  }
  if (partial != NULL) {
    if (flow_is_small(f.extreme)) {
      memset(scratch->maximum, 0, (size_t)problem->period * sizeof(float));
      put_partial(problem, scratch, partial);
    } else {
      (narrow ? sparse_any_narrow : sparse_any)(problem, task, partial, scratch);
    }
    return;
  }
  for (; row < task->end_row; row++) empty_row(problem, row);
  if (problem->to.log_sum_exp != NULL) {
    logs_of_sums(problem->to.log_sum_exp + task->first_row * s.padded,
                 (task->end_row - task->first_row) * s.padded);
  }
  if (flow_is_small(f.extreme)) return;
  for (row = task->first_row; row < task->end_row; row++) {
    int64_t first = mask->indptr[row], last = mask->indptr[row + 1];
    if (row_is_small(problem, scratch, first, last, rows, row, score, t, s, narrow)) continue;
    heed__task one = {row, row + 1, first, last, -1};
    (narrow ? sparse_any_narrow : sparse_any)(problem, &one, NULL, scratch);
  }
}

typedef void (*task_function)(const heed__problem *problem, const heed__task *task, float *partial,
                              const heed__scratch *scratch);

INLINE void stream_by_score(const heed__problem *problem, const heed__task *task, float *partial,
                            const heed__scratch *scratch, const shape s, const bool narrow) {
  switch (problem->spec.score) {
    case HEED_SCORE_GAT:
      stream(problem, task, partial, scratch, HEED_SCORE_GAT, term_dot, s, narrow);
      break;
    case HEED_SCORE_GATV2:
      stream(problem, task, partial, scratch, HEED_SCORE_GATV2, term_gatv2, s, narrow);
      break;
    default:
      stream(problem, task, partial, scratch, HEED_SCORE_DOT, term_dot, s, narrow);
  }
}

static void stream_eight_packed(const heed__problem *problem, const heed__task *task, float *partial,
                                const heed__scratch *scratch) {
  stream_by_score(problem, task, partial, scratch, (shape){PACKED, EIGHT, HALF}, false);
}

static void stream_eight_whole(const heed__problem *problem, const heed__task *task, float *partial,
                               const heed__scratch *scratch) {
  stream_by_score(problem, task, partial, scratch, (shape){WHOLE, EIGHT, 0}, false);
}

static void stream_four_packed(const heed__problem *problem, const heed__task *task, float *partial,
                               const heed__scratch *scratch) {
  stream_by_score(problem, task, partial, scratch, (shape){PACKED, FOUR, HALF}, false);
}

static void stream_four_whole(const heed__problem *problem, const heed__task *task, float *partial,
                              const heed__scratch *scratch) {
  stream_by_score(problem, task, partial, scratch, (shape){WHOLE, FOUR, 0}, false);
}

static void stream_single(const heed__problem *problem, const heed__task *task, float *partial,
                          const heed__scratch *scratch) {
  stream_by_score(problem, task, partial, scratch, (shape){SINGLE, 1, 0}, false);
}

static void stream_one_whole(const heed__problem *problem, const heed__task *task, float *partial,
                             const heed__scratch *scratch) {
  stream_by_score(problem, task, partial, scratch, (shape){WHOLE, 1, 0}, false);
}

/* SHAPE_OTHER where a call asks for what only the kernel for any shape gives. */
static shape_name stream_shape(const heed__problem *problem) {
  const heed_mask *mask = problem->mask;
  if (problem->to.weights != NULL) return SHAPE_OTHER;
  if (mask->indptr == NULL || mask->n_queries > INT32_MAX) return SHAPE_OTHER;
  return shape_of(problem);
}

static task_function sparse_of_shape(const heed__problem *problem) {
  switch (stream_shape(problem)) {
    case SHAPE_SINGLE:
      return stream_single;
    case SHAPE_ONE_WHOLE:
      return stream_one_whole;
    case SHAPE_FOUR_PACKED:
      return stream_four_packed;
    case SHAPE_FOUR_WHOLE:
      return stream_four_whole;
    case SHAPE_EIGHT_PACKED:
      return stream_eight_packed;
    case SHAPE_EIGHT_WHOLE:
      return stream_eight_whole;
    default:
      return sparse_any;
  }
}

static void sparse(const heed__problem *problem, const heed__task *task, float *partial,
                   const heed__scratch *scratch) {
  sparse_of_shape(problem)(problem, task, partial, scratch);
}
