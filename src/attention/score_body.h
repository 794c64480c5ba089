/* The logits of a block of pairs of one row, compiled once an instruction set.
 *
 * A score function of query and key is an inline body here and a row in logits_of(). Those that sum
 * a function of the numbers of one head (dot, GATv2, additive) share logits_by_sums(). */

/* What a block's score functions read. */
typedef struct block {
  const float *query;     /* [H * D] the query's row, scaled */
  const float *keys;      /* [n_keys, H * D] */
  const float *a;         /* [H * D], or anything readable where the score has none */
  int64_t stride;         /* H * D */
  int32_t heads;
  int32_t padded;
  int32_t dim;
  const int32_t *columns; /* [pairs], then copies of the last one to fill a vector of logits */
  int32_t pairs;
  vf slope;
} block;

/* The term that one dimension adds to the logit. */
typedef vf (*term)(vf q, vf k, vf a, vf slope);

INLINE vf term_dot(vf q, vf k, vf a, vf slope) {
  (void)a, (void)slope;
  return v_mul(q, k);
}

INLINE vf term_gatv2(vf q, vf k, vf a, vf slope) {
  return v_mul(a, v_leaky_relu(v_add(q, k), slope));
}

INLINE vf term_additive(vf q, vf k, vf a, vf slope) {
  (void)slope;
  return v_mul(a, v_tanh(v_add(q, k)));
}

/* D = 1, 2, 4, ... below LANES, a row of `per_pair` whole vectors: D vectors make LANES logits. */
INLINE void sums_packed(const block *b, float *logits, term t, const int dim, const int per_pair) {
  int total = b->pairs * per_pair;
  int pair = 0, part = 0;
  for (int done = 0; done < total; done += dim) {
    vf v[LANES];
    for (int r = 0; r < dim; r++) {
      const float *key = b->keys + b->columns[pair] * b->stride + part * LANES;
      v[r] = t(v_load(b->query + part * LANES), v_load(key), v_load(b->a + part * LANES), b->slope);
      if (++part == per_pair) part = 0, pair++;
    }
    v_store(logits, v_sums(v, dim));
    logits += LANES;
  }
}

/* The sum of one head, not yet across the lanes. */
INLINE vf sum_head(const block *b, const float *key, int64_t head, term t, const int dim) {
  const float *q = b->query + head * dim, *k = key + head * dim, *a = b->a + head * dim;
  vf sum = v_zero();
  int d = 0;
  for (; d + LANES <= dim; d += LANES) {
    sum = v_add(sum, t(v_load(q + d), v_load(k + d), v_load(a + d), b->slope));
  }
  if (d < dim) {
    int n = dim - d;
    sum = v_add(sum, t(v_load_first(q + d, n), v_load_first(k + d, n), v_load_first(a + d, n),
                       b->slope));
  }
  return sum;
}

/* Any D: LANES heads, or heads of several pairs, make one vector of logits. */
INLINE void sums_general(const block *b, float *logits, term t, const int dim) {
  int total = b->pairs * b->padded;
  int pair = 0, head = 0;
  for (int done = 0; done < total; done += LANES) {
    vf v[LANES];
    for (int r = 0; r < LANES; r++) {
      const float *key = b->keys + b->columns[pair] * b->stride;
      v[r] = head < b->heads && pair < b->pairs ? sum_head(b, key, head, t, dim) : v_zero();
      if (++head == b->padded) head = 0, pair++;
    }
    v_store(logits + done, v_sums(v, LANES));
  }
}

INLINE void logits_by_sums(const block *b, float *logits, term t) {
  int dim = b->dim;
  bool packed = dim < LANES && b->heads == b->padded && b->stride % LANES == 0;
  int per_pair = (int)(b->stride / LANES);
  if (packed && dim == 8 && LANES > 8) {
    if (per_pair == 4) {
      sums_packed(b, logits, t, 8, 4);
    } else {
      sums_packed(b, logits, t, 8, per_pair);
    }
  } else if (packed && dim == 4 && LANES > 4) {
    sums_packed(b, logits, t, 4, per_pair);
  } else if (packed && dim == 2) {
    sums_packed(b, logits, t, 2, per_pair);
  } else if (packed && dim == 1) {
    sums_packed(b, logits, t, 1, per_pair);
  } else if (dim == 16) {
    sums_general(b, logits, t, 16);
  } else if (dim == 32) {
    sums_general(b, logits, t, 32);
  } else if (dim == 64) {
    sums_general(b, logits, t, 64);
  } else if (dim == 128) {
    sums_general(b, logits, t, 128);
  } else {
    sums_general(b, logits, t, dim);
  }
}

static void logits_dot(const block *b, float *logits) { logits_by_sums(b, logits, term_dot); }

static void logits_gatv2(const block *b, float *logits) { logits_by_sums(b, logits, term_gatv2); }

static void logits_additive(const block *b, float *logits) {
  logits_by_sums(b, logits, term_additive);
}

/* GAT with `n` heads in the flat logits, several pairs a vector. */
INLINE void gat_packed(const block *b, float *logits, const int n) {
  const float *keys = b->keys;
  const int32_t *columns = b->columns;
  vf query = v_repeat(b->query, n), slope = b->slope;
  for (int total = b->pairs * n; total > 0; total -= LANES) {
    v_store(logits, v_leaky_relu(v_add(query, v_rows(keys, columns, n)), slope));
    logits += LANES;
    columns += LANES / n;
  }
}

/* GAT: the nodes' own scores are there already, [padded] each; `query` and `keys` hold them. */
static void logits_gat(const block *b, float *logits) {
  int padded = b->padded;
  if (padded >= LANES) {
    vf slope = b->slope;
    for (int pair = 0; pair < b->pairs; pair++) {
      const float *key = b->keys + (int64_t)b->columns[pair] * padded;
      for (int h = 0; h < padded; h += LANES) {
        vf x = v_add(v_load(b->query + h), v_load(key + h));
        v_store(logits + pair * padded + h, v_leaky_relu(x, slope));
      }
    }
  } else if (padded == 8 && LANES > 8) {
    gat_packed(b, logits, 8);
  } else if (padded == 4 && LANES > 4) {
    gat_packed(b, logits, 4);
  } else if (padded == 2) {
    gat_packed(b, logits, 2);
  } else {
    gat_packed(b, logits, 1);
  }
}

/* All zero: the bias is to come. */
static void logits_none(const block *b, float *logits) {
  for (int i = 0; i < b->pairs * b->padded; i += LANES) v_store(logits + i, v_zero());
}

typedef void (*logits_function)(const block *b, float *logits);

static logits_function logits_of(heed_score score) {
  if (score == HEED__SCORE_NONE) return logits_none;
  switch (score) {
    case HEED_SCORE_GAT: return logits_gat;
    case HEED_SCORE_GATV2: return logits_gatv2;
    case HEED_SCORE_ADDITIVE: return logits_additive;
    default: return logits_dot;
  }
}
