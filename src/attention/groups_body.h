/* Shapes whose logits need no padding, for kernels that keep everything between the gathered rows and
 * the sums in registers, compiled once an instruction set. A group is as many pairs as make one
 * vector of flat logits. What a shape decides is a constant, so that a row of few pairs costs little
 * more than its arithmetic. */

/* How a row of queries, keys or values lies in vectors, all of one head size. */
typedef enum layout {
  PACKED, /* a head or several in a vector, whole vectors a row */
  SINGLE, /* one head, less than a vector */
  WHOLE   /* heads of whole vectors */
} layout;

/* The most vectors in a row that is packed or single. */
enum { HELD = 8 };

typedef struct shape {
  layout layout;
  int padded; /* = H, divides LANES */
  int dim;    /* PACKED: LANES or a divisor of it; otherwise 0, and known only at run time */
} shape;

/* The shapes there are: heads that the vector has room for, packed ones in halves of it, exact ones of one
 * each. Where that is four, EIGHT is FOUR, and nothing has the shapes of eight heads. */
enum { EIGHT = LANES < 8 ? LANES : 8, FOUR = 4, HALF = LANES / 2 };

typedef enum shape_name {
  SHAPE_OTHER, /* or a score that nobody has compiled here */
  SHAPE_SINGLE,
  SHAPE_ONE_WHOLE,
  SHAPE_FOUR_PACKED,
  SHAPE_FOUR_WHOLE,
  SHAPE_EIGHT_PACKED,
  SHAPE_EIGHT_EXACT,
  SHAPE_EIGHT_WHOLE
} shape_name;

static shape_name shape_of(const heed_attention_spec *spec) {
  int value = spec->value_dim, heads = spec->heads;
  int key = spec->score == HEED_SCORE_GAT ? value : spec->key_dim;
  bool compiled = spec->score == HEED_SCORE_DOT || spec->score == HEED_SCORE_GAT ||
                  spec->score == HEED_SCORE_GATV2 || spec->score == HEED__SCORE_NONE;
  bool packed = key == HALF && value == HALF, whole = key % LANES == 0 && value % LANES == 0;
  if (!compiled) return SHAPE_OTHER;
  if (heads == 1 && key < LANES && value < LANES) return SHAPE_SINGLE;
  if (heads == 1 && whole) return SHAPE_ONE_WHOLE;
  if (heads == FOUR && packed) return SHAPE_FOUR_PACKED;
  if (heads == FOUR && whole) return SHAPE_FOUR_WHOLE;
  if (heads == EIGHT && packed) return SHAPE_EIGHT_PACKED;
  if (heads == EIGHT && EIGHT > FOUR && key == LANES && value == LANES) return SHAPE_EIGHT_EXACT;
  if (heads == EIGHT && whole) return SHAPE_EIGHT_WHOLE;
  return SHAPE_OTHER;
}

/* The opposite rows of a group, and the rows they are opposite to. */
typedef struct group {
  const int32_t *columns;
  const int32_t *rows; /* NULL: all the same one */
  int pairs;
  int64_t stride;
  int dim;
  bool narrow;           /* the opposite rows are, */
  int64_t narrow_stride; /* with so many numbers from one to the next */
} group;

/* The row of pair `i`, of the last one where there are fewer. */
INLINE const float *opposite(const group *g, const float *rows, int i) {
  const int64_t stride = g->narrow ? g->narrow_stride : g->stride;
  return row_from(rows, g->columns[i < g->pairs ? i : g->pairs - 1] * stride, g->narrow);
}

/* The row that it stands opposite to, where own is the one row or the first of all. */
INLINE const float *own_row(const group *g, const float *own, int i) {
  return g->rows == NULL ? own : own + g->rows[i < g->pairs ? i : g->pairs - 1] * g->stride;
}

/* The logits, or the products of d_out and values: terms summed by pair and head. What stands at
 * pairs that there are not is finite if the others are. */
INLINE vf group_sums(const group *g, const float *own, const float *rows, const float *a, vf slope,
                     term t, const shape s) {
  vf v[LANES];
  if (s.layout == PACKED) {
    const int vectors = s.padded * s.dim / LANES;
    for (int r = 0; r < s.dim; r++) {
      int at = r % vectors * LANES;
      const float *row = own_row(g, own, r / vectors), *other = opposite(g, rows, r / vectors);
      vf x = row_load(row_from(other, at, g->narrow), g->narrow);
      v[r] = t(v_load(row + at), x, v_load(a + at), slope);
    }
    return v_sums(v, s.dim);
  }
  for (int i = 0; i < g->pairs; i++) {
    const float *row = opposite(g, rows, i), *mine = own_row(g, own, i);
    if (s.layout == SINGLE) {
      vf x = row_load_first(row, g->dim, g->narrow);
      v[i] = t(v_load_first(mine, g->dim), x, v_load_first(a, g->dim), slope);
      continue;
    }
    for (int h = 0; h < s.padded; h++) {
      vf sum = v_zero();
      for (int64_t at = (int64_t)h * g->dim; at < (int64_t)(h + 1) * g->dim; at += LANES) {
        vf x = row_load(row_from(row, at, g->narrow), g->narrow);
        sum = v_add(sum, t(v_load(mine + at), x, v_load(a + at), slope));
      }
      v[i * s.padded + h] = sum;
    }
  }
  for (int i = g->pairs * s.padded; i < LANES; i++) v[i] = v_zero();
  return v_sums(v, LANES);
}

/* Each weight for the numbers of its head: vector r of a row that is packed. `weights` are those at `from`. */
INLINE vf spread_packed(vf weights, const float *from, const int r, const int dim) {
  if (dim == LANES) return v_one_of(from, r);
  return v_permute(weights, (vi)((v_lane() + r * LANES) / dim));
}

/* What one dimension gives: the derivative of its term by either row, and the term, both without a.
 */
typedef struct slope_value {
  vf slope;
  vf value;
} slope_value;

typedef slope_value (*derivative)(vf own, vf other, vf slope);

INLINE slope_value derivative_dot(vf own, vf other, vf slope) {
  (void)own, (void)slope;
  return (slope_value){other, other};
}

INLINE slope_value derivative_gatv2(vf own, vf other, vf slope) {
  vf x = v_add(own, other);
  vf steep = v_leaky_slope(x, slope);
  return (slope_value){steep, v_mul(steep, x)};
}

INLINE slope_value derivative_additive(vf own, vf other, vf slope) {
  (void)slope;
  vf x = v_tanh(v_add(own, other));
  return (slope_value){v_sub(v_all(1.0f), v_mul(x, x)), x};
}

/* What is summed up beside the slopes of terms. */
typedef enum beside {
  NOTHING,
  VALUES, /* the terms, by the same weights */
  OTHERS  /* the terms, by weights of their own */
} beside;

/* Sums of rows, each number times the weight of its head, over pairs of a block. */
typedef struct span {
  const float *rows;
  int64_t stride;
  int64_t vectors;        /* of a row */
  const int32_t *columns; /* of the block's pairs */
  const int32_t *head_of; /* WHOLE: of each vector */
  const float *weights;   /* flat */
  const float *others;    /* OTHERS: likewise */
  float *sums;            /* [vectors * LANES] */
  float *values;          /* likewise, of the terms */
  vf slope;
  bool narrow;            /* the rows are, */
  int64_t narrow_stride;  /* with so many numbers from one to the next */
} span;

/* Adds to the sum of each head the pairs [from, to) of flat numbers. One after the other, so that it does
 * not show in the bits where a block of pairs ends. */
INLINE vf sum_flat(vf sum, const float *flat, int from, int to, const int padded) {
  for (int i = from; i < to; i++) sum = v_add(sum, v_load_part(flat + i * padded, padded));
  return sum;
}

/* Vectors c .. c + n of the row that `own` is: adds the pairs [from, to) of the block. Returns what
 * sum_flat() does of `heads` and `flat`, unless that is NULL. */
INLINE vf span_vectors(const span *x, const float *own, int from, int to, bool first, int64_t c,
                       derivative f, const int n, const beside also, const float *flat,
                       vf heads, const shape s) {
  const int padded = s.padded, packed = s.layout == PACKED ? padded * s.dim : 0;
  int64_t stride = packed > 0 ? packed : x->stride, step = x->narrow ? x->narrow_stride : stride;
  const float *rows = row_from(x->rows, c * LANES, x->narrow), *weights = x->weights + from * padded;
  const float *others = also == OTHERS ? x->others + from * padded : weights;
  const int32_t *columns = x->columns + from, *end = x->columns + to;
  float *sums = x->sums + c * LANES, *values = x->values + c * LANES;
  vf sum[HELD], value[HELD], mine[HELD];
  int head[HELD];
  own += c * LANES;
  if (flat != NULL) flat += from * padded;
  for (int v = 0; v < n; v++) {
    head[v] = s.layout == WHOLE && padded > 1 ? x->head_of[c + v] : 0;
    sum[v] = first ? v_zero() : v_load(sums + v * LANES);
    value[v] = also == NOTHING || (first && also == OTHERS) ? v_zero() : v_load(values + v * LANES);
    mine[v] = s.layout == SINGLE ? v_load_first(own, (int)stride) : v_load(own + v * LANES);
  }
  for (; columns < end; columns++, weights += padded, others += padded) {
    const float *row = row_from(rows, *columns * step, x->narrow);
    const bool spread = s.layout == PACKED && s.dim < LANES;
    vf several = spread ? v_load_part(weights, padded) : v_zero();
    vf more = spread ? v_load_part(others, padded) : v_zero();
    if (flat != NULL) {
      heads = v_add(heads, v_load_part(flat, padded));
      flat += padded;
    }
    for (int v = 0; v < n; v++) {
      vf weight = s.layout == PACKED ? spread_packed(several, weights + c, v, s.dim)
                                     : v_all(weights[head[v]]);
      vf other = s.layout == SINGLE
                     ? row_load_first(row, (int)stride, x->narrow)
                     : row_load(row_from(row, v * LANES, x->narrow), x->narrow);
      slope_value got = f(mine[v], other, x->slope);
      sum[v] = v_fma(weight, got.slope, sum[v]);
      if (also == OTHERS) {
        weight = s.layout == PACKED ? spread_packed(more, others + c, v, s.dim)
                                    : v_all(others[head[v]]);
      }
      if (also != NOTHING) value[v] = v_fma(weight, got.value, value[v]);
    }
  }
  for (int v = 0; v < n; v++) {
    v_store(sums + v * LANES, sum[v]);
    if (also != NOTHING) v_store(values + v * LANES, value[v]);
  }
  return heads;
}

INLINE vf span_sum(const span *x, const float *own, int from, int to, bool first, derivative f,
                   const beside also, const float *flat, vf heads, const shape s) {
  const int held = also == NOTHING || LANES == 16 ? HELD : HELD / 2; /* as registers are to be had */
  if (s.layout != WHOLE) {
    const int vectors = s.layout == PACKED ? s.padded * s.dim / LANES : 1;
    if (vectors <= held) return span_vectors(x, own, from, to, first, 0, f, vectors, also, flat, heads, s);
    (void)span_vectors(x, own, from, to, first, held, f, vectors - held, also, NULL, heads, s);
    return span_vectors(x, own, from, to, first, 0, f, held, also, flat, heads, s);
  }
  int64_t c = 0;
  for (; c + held <= x->vectors; c += held) {
    (void)span_vectors(x, own, from, to, first, c, f, held, also, NULL, heads, s);
  }
  for (; c + 4 <= x->vectors; c += 4) {
    (void)span_vectors(x, own, from, to, first, c, f, 4, also, NULL, heads, s);
  }
  for (; c < x->vectors; c++) {
    (void)span_vectors(x, own, from, to, first, c, f, 1, also, NULL, heads, s);
  }
  return flat == NULL ? heads : sum_flat(heads, flat, from, to, s.padded);
}

/* rows[i] = the row of pair first + i, from `row` on; further ones name the last. */
INLINE void rows_of_block(const heed_mask *mask, int64_t row, int64_t first, int pairs,
                          int32_t *rows) {
  for (int done = 0; done < pairs; row++) {
    int64_t left = mask->indptr[row + 1] - first;
    int end = left < pairs ? (int)left : pairs;
    vn same = (v_lane() ^ v_lane()) + (uint32_t)row;
    for (int i = done; i < end; i += LANES) memcpy(rows + i, &same, sizeof same);
    if (end > done) done = end;
  }
}

/* The columns of a block, whose first pair is one of row `row`. */
INLINE const int32_t *columns_of_block(const heed_mask *mask, int64_t row, int64_t first, int pairs,
                                       int32_t *room) {
  if (mask->indices != NULL) return mask->indices + first;
  for (int done = 0; done < pairs; row++) {
    int64_t left = mask->indptr[row + 1] - first;
    int end = left < pairs ? (int)left : pairs;
    uint32_t column = (uint32_t)(mask->starts[row] + (first + done - mask->indptr[row]));
    vn next = v_lane() + column;
    for (int i = done; i < end; i += LANES, next += LANES) memcpy(room + i, &next, sizeof next);
    if (end > done) done = end;
  }
  return room;
}

/* GAT's scores of the nodes are dot products of every row with one and the same query, a. */
static void node_scores_any(const heed__problem *problem, const float *rows, const float *a,
                            int64_t first, int64_t end, float *scores, const heed__scratch *s) {
  block b = block_of(problem, s);
  b.stride = problem->key_stride;
  b.query = a;
  for (int64_t i = first; i < end; i += BLOCK_PAIRS) {
    b.pairs = (int32_t)(end - i < BLOCK_PAIRS ? end - i : BLOCK_PAIRS);
    b.keys = rows + i * b.stride;
    for (int p = 0; p < b.pairs + LANES; p++) s->columns[p] = p < b.pairs ? p : b.pairs - 1;
    logits_dot(&b, s->logits);
    memcpy(scores + i * problem->padded, s->logits,
           (size_t)b.pairs * (size_t)problem->padded * sizeof(float));
  }
}

INLINE void node_scores_of(const heed__problem *problem, const float *rows, const float *a,
                           int64_t first, int64_t end, float *scores, const shape s) {
  int32_t columns[LANES];
  const int most = LANES / s.padded;
  group g = {.columns = columns, .stride = problem->key_stride, .dim = problem->spec.key_dim};
  for (int i = 0; i < LANES; i++) columns[i] = i;
  for (int64_t i = first; i < end; i += most) {
    g.pairs = end - i < most ? (int)(end - i) : most;
    vf sums = group_sums(&g, a, rows + i * g.stride, a, v_zero(), term_dot, s);
    if (g.pairs == most) {
      v_store(scores + i * s.padded, sums);
    } else {
      v_store_first(scores + i * s.padded, sums, g.pairs * s.padded);
    }
  }
}

static void node_scores(const heed__problem *problem, const float *rows, const float *a,
                        int64_t first, int64_t end, float *scores, const heed__scratch *s) {
  bool alike = problem->spec.key_dim == problem->spec.value_dim; /* shapes are those of values */
  switch (alike ? shape_of(&problem->spec) : SHAPE_OTHER) {
    case SHAPE_SINGLE:
      node_scores_of(problem, rows, a, first, end, scores, (shape){SINGLE, 1, 0});
      break;
    case SHAPE_FOUR_PACKED:
      node_scores_of(problem, rows, a, first, end, scores, (shape){PACKED, FOUR, HALF});
      break;
    case SHAPE_EIGHT_PACKED:
      node_scores_of(problem, rows, a, first, end, scores, (shape){PACKED, EIGHT, HALF});
      break;
    case SHAPE_EIGHT_EXACT:
      node_scores_of(problem, rows, a, first, end, scores, (shape){PACKED, EIGHT, LANES});
      break;
    default:
      node_scores_any(problem, rows, a, first, end, scores, s);
  }
}
