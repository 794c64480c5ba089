/* The dense kernel, compiled once an instruction set: a tile of queries meets the keys a tile at a
 * time; logits and the products with the values go through the matrix library (after Dao et al.
 * 2022). Under a mask that is not full a row's weights are scattered into a tile of zeros. */

/* tile[rows, keys] = logits without bias, of head `head`, queries from i0 on, keys from j0 on. */
INLINE void tile_of_terms(const heed__problem *problem, int32_t head, int64_t i0, int rows,
                          int64_t j0, int keys, term t, const heed__scratch *s) {
  int dim = problem->spec.key_dim;
  int64_t stride = problem->key_stride;
  const float *a = problem->in.a + (int64_t)head * dim;
  vf slope = v_all(problem->spec.slope);
  for (int j = 0; j < keys; j++) {
    const float *key = problem->in.key + (j0 + j) * stride + (int64_t)head * dim;
    for (int d = 0; d < dim; d++) s->packed[(int64_t)d * TILE_KEYS + j] = key[d];
  }
  for (int r = 0; r < rows; r++) {
    const float *query = problem->in.query + (i0 + r) * stride + (int64_t)head * dim;
    float *logits = s->tile + (int64_t)r * TILE_KEYS;
    for (int j = 0; j < keys; j += LANES) {
      vf sum = v_zero();
      for (int d = 0; d < dim; d++) {
        vf k = v_load(s->packed + (int64_t)d * TILE_KEYS + j);
        sum = v_add(sum, t(v_all(query[d]), k, v_all(a[d]), slope));
      }
      v_store(logits + j, sum);
    }
  }
}

static void tile_gat(const heed__problem *problem, int32_t head, int64_t i0, int rows, int64_t j0,
                     int keys, const heed__scratch *s) {
  int padded = problem->padded;
  vf slope = v_all(problem->spec.slope);
  for (int j = 0; j < keys; j++) s->packed[j] = problem->key_scores[(j0 + j) * padded + head];
  for (int r = 0; r < rows; r++) {
    vf query = v_all(problem->query_scores[(i0 + r) * padded + head]);
    float *logits = s->tile + (int64_t)r * TILE_KEYS;
    for (int j = 0; j < keys; j += LANES) {
      v_store(logits + j, v_leaky_relu(v_add(query, v_load(s->packed + j)), slope));
    }
  }
}

static heed_status tile_logits(const heed__problem *problem, int32_t head, int64_t i0, int rows,
                               int64_t j0, int keys, const heed__scratch *s) {
  int64_t stride = problem->key_stride, of_head = (int64_t)head * problem->spec.key_dim;
  switch (problem->spec.score) {
    case HEED_SCORE_GAT:
      tile_gat(problem, head, i0, rows, j0, keys, s);
      return HEED_OK;
    case HEED_SCORE_GATV2:
      tile_of_terms(problem, head, i0, rows, j0, keys, term_gatv2, s);
      return HEED_OK;
    case HEED_SCORE_ADDITIVE:
      tile_of_terms(problem, head, i0, rows, j0, keys, term_additive, s);
      return HEED_OK;
    default:
      return heed__product(false, true, rows, keys, problem->spec.key_dim, problem->spec.scale,
                           problem->in.query + i0 * stride + of_head, stride,
                           problem->in.key + j0 * stride + of_head, stride, 0, s->tile, TILE_KEYS);
  }
}

/* Adds the bias to the logits of pairs that follow one another, keeps them if weights are asked
 * for. */
static void tile_bias(const heed__problem *problem, int32_t head, int64_t first, int pairs,
                      float *logits) {
  if (problem->in.bias != NULL) {
    int64_t heads = problem->in.bias_heads;
    const float *bias = problem->in.bias + first * heads + (heads == 1 ? 0 : head);
    for (int p = 0; p < pairs; p++) logits[p] += bias[p * heads];
  }
  if (problem->to.weights != NULL) {
    int64_t heads = problem->spec.heads;
    float *weights = problem->to.weights + first * heads + head;
    for (int p = 0; p < pairs; p++) weights[p * heads] = logits[p];
  }
}

/* One row's step of the online softmax over `pairs` logits, with room to fill up a vector; returns
 * what the row's result so far is to be multiplied by. */
static float tile_softmax(float *logits, int pairs, float *maximum, float *sum) {
  int end = (pairs + LANES - 1) / LANES * LANES;
  for (int p = pairs; p < end; p++) logits[p] = -INFINITY;
  vf largest = v_all(*maximum);
  for (int p = 0; p < end; p += LANES) largest = v_max(largest, v_load(logits + p));
  largest = fold_max(largest, 1);
  vf total = v_zero();
  for (int p = 0; p < end; p += LANES) {
    vf weight = v_exp(v_sub(v_load(logits + p), largest));
    v_store(logits + p, weight);
    total = v_add(total, weight);
  }
  float lanes[LANES];
  v_store(lanes, v_exp(v_sub(v_all(*maximum), largest)));
  float factor = lanes[0];
  v_store(lanes, fold_sum(total, 1));
  *sum = *sum * factor + lanes[0];
  v_store(lanes, largest);
  *maximum = lanes[0];
  return factor;
}

/* keep[p] = what dropout multiplies the weights of one head by, n <= TILE_KEYS pairs from number
 * `first` on. */
static void keep_of_head(const heed__problem *problem, int32_t head, int64_t first, int n,
                         float *keep) {
  uint64_t heads = (uint64_t)problem->spec.heads;
  vq number = v_count() * heads + ((uint64_t)first * heads + (uint64_t)head);
  for (int p = 0; p < n; p += QUADS, number += QUADS * heads) {
    vq low, high;
    random_halves(problem->spec.seed, number >> 2, &low, &high);
    vq in_high = 0 - (number >> 1 & 1); /* all ones, or none */
    vq own = ((high & in_high) | (low & ~in_high)) >> ((number & 1) * 32);
    uint64_t wide[QUADS];
    uint32_t random[QUADS];
    memcpy(wide, &own, sizeof own);
    for (int q = 0; q < QUADS; q++) random[q] = (uint32_t)wide[q];
    keep_of(problem, random, QUADS, keep + p);
  }
}

static void tile_drop(const heed__problem *problem, int32_t head, int64_t first, int pairs,
                      float *weights) {
  float keep[TILE_KEYS + WIDEST];
  keep_of_head(problem, head, first, pairs, keep);
  for (int p = 0; p < pairs; p++) weights[p] *= keep[p];
}

static void rescale(float *x, int64_t n, float factor) {
  if (factor == 1.0f) return;
  for (int64_t d = 0; d < n; d++) x[d] *= factor;
}

/* Whether any of the rows has a pair among the keys before `end`. */
static bool tile_has_pairs(const heed__problem *problem, int64_t i0, int rows, int64_t end,
                           const heed__scratch *s) {
  const heed_mask *mask = problem->mask;
  for (int r = 0; r < rows; r++) {
    int64_t p = s->cursor[r];
    if (p < mask->indptr[i0 + r + 1] && mask->indices[p] < end) return true;
  }
  return false;
}

/* The rows of a tile under a full mask: the logits become weights where they stand. */
static void tile_rows_full(const heed__problem *problem, int32_t head, int64_t i0, int rows,
                           int64_t j0, int keys, const heed__scratch *s) {
  int64_t value_dim = problem->spec.value_dim;
  for (int r = 0; r < rows; r++) {
    float *logits = s->tile + (int64_t)r * TILE_KEYS;
    int64_t first = (i0 + r) * problem->mask->n_keys + j0;
    tile_bias(problem, head, first, keys, logits);
    float factor = tile_softmax(logits, keys, s->row_maximum + r, s->row_sum + r);
    rescale(s->result + r * value_dim, value_dim, factor);
    if (problem->drop_below > 0) tile_drop(problem, head, first, keys, logits);
  }
}

/* The rows of a tile under any other mask: gather the pairs' logits, clear the row, scatter. */
static void tile_rows_masked(const heed__problem *problem, int32_t head, int64_t i0, int rows,
                             int64_t j0, int keys, const heed__scratch *s) {
  const heed_mask *mask = problem->mask;
  int64_t value_dim = problem->spec.value_dim;
  for (int r = 0; r < rows; r++) {
    float *logits = s->tile + (int64_t)r * TILE_KEYS;
    int64_t first = s->cursor[r], end = first;
    while (end < mask->indptr[i0 + r + 1] && mask->indices[end] < j0 + keys) end++;
    s->cursor[r] = end;
    int pairs = (int)(end - first);
    const int32_t *columns = mask->indices + first;
    for (int p = 0; p < pairs; p++) s->compact[p] = logits[columns[p] - j0];
    memset(logits, 0, (size_t)keys * sizeof *logits);
    if (pairs == 0) continue;
    tile_bias(problem, head, first, pairs, s->compact);
    float factor = tile_softmax(s->compact, pairs, s->row_maximum + r, s->row_sum + r);
    rescale(s->result + r * value_dim, value_dim, factor);
    if (problem->drop_below > 0) tile_drop(problem, head, first, pairs, s->compact);
    for (int p = 0; p < pairs; p++) logits[columns[p] - j0] = s->compact[p];
  }
}

/* Kept logits of a row become weights, as in the sparse kernel. */
static void tile_weights(const heed__problem *problem, int32_t head, int64_t i, float maximum,
                         float inverse) {
  int64_t first, count, heads = problem->spec.heads;
  (void)heed__row(problem, i, &first, &count);
  for (int64_t done = 0; done < count; done += LANES) {
    int n = count - done < LANES ? (int)(count - done) : LANES;
    float *weights = problem->to.weights + (first + done) * heads + head;
    float lanes[LANES] = {0};
    for (int p = 0; p < n; p++) lanes[p] = weights[p * heads] - maximum;
    v_store(lanes, v_mul(v_exp(v_load(lanes)), v_all(inverse)));
    if (problem->drop_below > 0) tile_drop(problem, head, first + done, n, lanes);
    for (int p = 0; p < n; p++) weights[p * heads] = lanes[p];
  }
}

static heed_status dense(const heed__problem *problem, int32_t head, int64_t first, int64_t end,
                         const heed__scratch *s) {
  const heed_mask *mask = problem->mask;
  bool full = mask->indptr == NULL;
  int rows = (int)(end - first);
  int32_t heads = problem->spec.heads;
  int64_t value_dim = problem->spec.value_dim;
  memset(s->result, 0, (size_t)(rows * value_dim) * sizeof(float));
  for (int r = 0; r < rows; r++) {
    s->row_maximum[r] = -FLT_MAX;
    s->row_sum[r] = 0;
    if (!full) s->cursor[r] = mask->indptr[first + r];
  }
  for (int64_t j0 = 0; j0 < mask->n_keys; j0 += TILE_KEYS) {
    int keys = (int)(mask->n_keys - j0 < TILE_KEYS ? mask->n_keys - j0 : TILE_KEYS);
    if (!full && !tile_has_pairs(problem, first, rows, j0 + keys, s)) continue;
    HEED__TRY(tile_logits(problem, head, first, rows, j0, keys, s));
    if (full) {
      tile_rows_full(problem, head, first, rows, j0, keys, s);
    } else {
      tile_rows_masked(problem, head, first, rows, j0, keys, s);
    }
    const float *values = problem->in.value + j0 * problem->value_stride + head * value_dim;
    HEED__TRY(heed__product(false, false, rows, value_dim, keys, 1, s->tile, TILE_KEYS, values,
                            problem->value_stride, 1, s->result, value_dim));
  }
  for (int r = 0; r < rows; r++) {
    int64_t i = first + r;
    float sum = s->row_sum[r];
    float inverse = sum > 0 ? 1 / sum : 0 * sum; /* what is not a number stays so */
    float *out = problem->to.out + i * problem->value_stride + head * value_dim;
    for (int64_t d = 0; d < value_dim; d++) out[d] = s->result[r * value_dim + d] * inverse;
    if (problem->to.log_sum_exp != NULL) {
      problem->to.log_sum_exp[i * heads + head] = s->row_maximum[r] + logf(sum);
    }
    if (problem->to.weights != NULL) {
      tile_weights(problem, head, i, s->row_maximum[r], inverse);
    }
  }
  return HEED_OK;
}
