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
} flow;

/* rows[i] = the row of pair first + i; further ones name the last. */
INLINE void rows_of_block(const heed_mask *mask, int64_t row, int64_t first, int pairs,
                          int32_t *rows) {
  int done = 0;
  for (; done < pairs; row++) {
    int64_t left = mask->indptr[row + 1] - first;
    int end = left < pairs ? (int)left : pairs;
    vn same = (v_lane() ^ v_lane()) + (uint32_t)row;
    for (int i = done; i < end; i += LANES) memcpy(rows + i, &same, sizeof same);
    if (end > done) done = end;
  }
}

/* The rows that a block will gather, asked for while another is worked on. */
INLINE void flow_prefetch(const flow *f, int64_t from, int64_t end, const bool gat) {
  const heed__problem *problem = f->problem;
  const float *keys = problem->in.key, *values = problem->in.value;
  for (int64_t p = from; p < end; p++) {
    int64_t column = problem->mask->indices[p];
    prefetch_row(values + column * problem->value_stride, problem->value_stride);
    if (gat) {
      __builtin_prefetch(problem->key_scores + column * problem->padded);
    } else if (keys != values) {
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
  const float *keys = gat ? problem->key_scores : problem->in.key;
  const float *a = gat || dot ? queries : problem->in.a;
  vf slope = v_all(problem->spec.slope), scale = v_all(problem->spec.scale);
  group g = {.stride = s.layout == PACKED ? padded * s.dim : problem->key_stride,
             .dim = problem->spec.key_dim};
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

/* Vectors c .. c + n of the sum of a row whose heads are whole vectors. */
INLINE void sum_whole(const flow *f, int from, int to, bool first, bool last, int64_t c, float *out,
                      const int n, const int padded) {
  const heed__problem *problem = f->problem;
  const float *values = problem->in.value + c * LANES, *applied = f->applied;
  float *kept = f->s->accumulator + c * LANES;
  int64_t stride = problem->value_stride;
  vf total[8];
  int head[8];
  for (int v = 0; v < n; v++) {
    head[v] = padded == 1 ? 0 : problem->head_of[c + v];
    total[v] = first ? v_zero() : v_load(kept + v * LANES);
  }
  for (int i = from; i < to; i++) {
    const float *value = values + f->columns[i] * stride;
    for (int v = 0; v < n; v++) {
      vf weight = v_all(applied[i * padded + head[v]]);
      total[v] = v_fma(weight, v_load(value + v * LANES), total[v]);
    }
  }
  for (int v = 0; v < n; v++) {
    if (last) {
      v_store(out + (c + v) * LANES, v_mul(v_all(f->s->factor[head[v]]), total[v]));
    } else {
      v_store(kept + v * LANES, total[v]);
    }
  }
}

/* Adds the pairs [from, to) of the block to a row; `first` and `last` say whether these are the row's. */
INLINE void flow_sum(const flow *f, int64_t row, int from, int to, bool first, bool last,
                     const shape s) {
  const heed__problem *problem = f->problem;
  const heed__scratch *scratch = f->s;
  const int padded = s.padded;
  const bool packed = s.layout == PACKED, single = s.layout == SINGLE;
  const int vectors = packed ? padded * s.dim / LANES : 1;
  int64_t stride = packed ? padded * s.dim : problem->value_stride;
  int dim = problem->spec.value_dim;
  const float *values = problem->in.value, *weights = scratch->logits, *applied = f->applied;
  float *out = problem->to.out + row * stride, *kept = scratch->accumulator;
  vf sum = first ? v_zero() : v_load(scratch->sum), total[HELD];
  if (s.layout == WHOLE) {
    for (int i = from; i < to; i++) sum = v_add(sum, v_load_part(weights + i * padded, padded));
  } else {
    for (int v = 0; v < vectors; v++) total[v] = first ? v_zero() : v_load(kept + v * LANES);
    for (int i = from; i < to; i++) {
      const float *value = values + f->columns[i] * stride;
      if (single) {
        sum = v_add(sum, v_all(weights[i]));
        total[0] = v_fma(v_all(applied[i]), v_load_first(value, dim), total[0]);
        continue;
      }
      sum = v_add(sum, v_load_part(weights + i * padded, padded));
      vf weight = v_load_part(applied + i * padded, padded);
      for (int v = 0; v < vectors; v++) {
        total[v] = v_fma(spread_packed(weight, v, s.dim), v_load(value + v * LANES), total[v]);
      }
    }
  }
  vf inverse = v_div(v_all(1.0f), sum);
  if (!last) v_store(scratch->sum, sum);
  if (s.layout == WHOLE) {
    if (last) v_store(scratch->factor, inverse);
    int64_t c = 0, n = problem->value_vectors;
    for (; c + 8 <= n; c += 8) sum_whole(f, from, to, first, last, c, out, 8, padded);
    for (; c + 4 <= n; c += 4) sum_whole(f, from, to, first, last, c, out, 4, padded);
    for (; c < n; c++) sum_whole(f, from, to, first, last, c, out, 1, padded);
  } else if (single) {
    if (last) {
      v_store_first(out, v_mul(inverse, total[0]), dim);
    } else {
      v_store(kept, total[0]);
    }
  } else {
    for (int v = 0; v < vectors; v++) {
      if (last) {
        v_store(out + v * LANES, v_mul(spread_packed(inverse, v, s.dim), total[v]));
      } else {
        v_store(kept + v * LANES, total[v]);
      }
    }
  }
  if (last && problem->to.log_sum_exp != NULL) {
    float *to_sum = problem->to.log_sum_exp + row * padded;
    if (padded < LANES) {
      v_store_first(to_sum, sum, padded);
    } else {
      v_store(to_sum, sum);
    }
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
                         const shape s) {
  flow f = {.problem = problem, .s = scratch};
  for (int64_t p = first; p < end; p += BLOCK_PAIRS) {
    f.first = p;
    f.pairs = (int)(end - p < BLOCK_PAIRS ? end - p : BLOCK_PAIRS);
    f.columns = problem->mask->indices + p;
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
                   const heed__scratch *scratch, const heed_score score, term t, const shape s) {
  const heed_mask *mask = problem->mask;
  flow f = {.problem = problem, .s = scratch};
  int32_t rows[BLOCK_PAIRS + LANES];
  int64_t row = task->first_row, end = task->end_pair;
  int64_t row_first = task->first_pair, row_end = partial == NULL ? mask->indptr[row + 1] : end;
  for (f.first = task->first_pair; f.first < end; f.first += BLOCK_PAIRS) {
    f.pairs = (int)(end - f.first < BLOCK_PAIRS ? end - f.first : BLOCK_PAIRS);
    f.columns = mask->indices + f.first;
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
      sparse_any(problem, task, partial, scratch);
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
    if (row_is_small(problem, scratch, first, last, rows, row, score, t, s)) continue;
    heed__task one = {row, row + 1, first, last, -1};
    sparse_any(problem, &one, NULL, scratch);
  }
}

typedef void (*task_function)(const heed__problem *problem, const heed__task *task, float *partial,
                              const heed__scratch *scratch);

INLINE void stream_by_score(const heed__problem *problem, const heed__task *task, float *partial,
                            const heed__scratch *scratch, const shape s) {
  switch (problem->spec.score) {
    case HEED_SCORE_GAT:
      stream(problem, task, partial, scratch, HEED_SCORE_GAT, term_dot, s);
      break;
    case HEED_SCORE_GATV2:
      stream(problem, task, partial, scratch, HEED_SCORE_GATV2, term_gatv2, s);
      break;
    default:
      stream(problem, task, partial, scratch, HEED_SCORE_DOT, term_dot, s);
  }
}

/* The shapes: heads that the vector has room for, packed ones in halves of it. */
enum { EIGHT = LANES < 8 ? LANES : 8, FOUR = 4, HALF = LANES / 2 };

static void stream_eight_packed(const heed__problem *problem, const heed__task *task, float *partial,
                                const heed__scratch *scratch) {
  stream_by_score(problem, task, partial, scratch, (shape){PACKED, EIGHT, HALF});
}

static void stream_eight_whole(const heed__problem *problem, const heed__task *task, float *partial,
                               const heed__scratch *scratch) {
  stream_by_score(problem, task, partial, scratch, (shape){WHOLE, EIGHT, 0});
}

static void stream_four_packed(const heed__problem *problem, const heed__task *task, float *partial,
                               const heed__scratch *scratch) {
  stream_by_score(problem, task, partial, scratch, (shape){PACKED, FOUR, HALF});
}

static void stream_four_whole(const heed__problem *problem, const heed__task *task, float *partial,
                              const heed__scratch *scratch) {
  stream_by_score(problem, task, partial, scratch, (shape){WHOLE, FOUR, 0});
}

static void stream_single(const heed__problem *problem, const heed__task *task, float *partial,
                          const heed__scratch *scratch) {
  stream_by_score(problem, task, partial, scratch, (shape){SINGLE, 1, 0});
}

static void stream_one_whole(const heed__problem *problem, const heed__task *task, float *partial,
                             const heed__scratch *scratch) {
  stream_by_score(problem, task, partial, scratch, (shape){WHOLE, 1, 0});
}

static task_function sparse_of_shape(const heed__problem *problem) {
  const heed_attention_spec *spec = &problem->spec;
  const heed_mask *mask = problem->mask;
  int value = spec->value_dim, heads = spec->heads;
  int key = spec->score == HEED_SCORE_GAT ? value : spec->key_dim;
  bool packed = key == HALF && value == HALF, whole = key % LANES == 0 && value % LANES == 0;
  if (problem->in.bias != NULL || problem->to.weights != NULL) return sparse_any;
  if (spec->score == HEED_SCORE_ADDITIVE) return sparse_any;
  if (mask->indptr == NULL || mask->n_queries > INT32_MAX) return sparse_any;
  if (heads == 1 && key < LANES && value < LANES) return stream_single;
  if (heads == 1 && whole) return stream_one_whole;
  if (heads == FOUR && packed) return stream_four_packed;
  if (heads == FOUR && whole) return stream_four_whole;
  if (heads == EIGHT && packed) return stream_eight_packed;
  if (heads == EIGHT && whole) return stream_eight_whole;
  return sparse_any;
}

static void sparse(const heed__problem *problem, const heed__task *task, float *partial,
                   const heed__scratch *scratch) {
  sparse_of_shape(problem)(problem, task, partial, scratch);
}
