/* The dense kernel backwards for the dot product, compiled once an instruction set: a tile of queries
 * and keys has its weights computed again and adds to the gradients through the matrix library (after
 * Dao et al. 2022). Gradients start as zeros; whoever calls sees to it that tiles of one owner come in
 * ascending order, so that the schedule does not show in the bits. */

/* Turns the `n` logits of a row's pairs from number `first` on into weights as applied, and the
 * products of d_out and values into gradients of the logits. There is room to fill up a vector. */
static void gradients_of_row(const heed__problem *problem, const heed__backward *back, int32_t head,
                             int64_t i, int64_t first, int n, float *logits, float *products,
                             bool keeps_bias, const heed__scratch *s) {
  int64_t heads = problem->in.bias_heads, padded = problem->padded;
  int64_t at = heads == 1 ? first : first * heads + head;
  if (problem->in.bias != NULL) {
    for (int p = 0; p < n; p++) logits[p] += problem->in.bias[at + p * heads];
  }
  bool dropout = problem->drop_below > 0;
  if (dropout) keep_of_head(problem, head, first, n, s->tile_keep);
  vf log_sum = v_all(back->statistics[i * 2 * padded + head]);
  vf delta = v_all(back->statistics[i * 2 * padded + padded + head]);
  for (int p = 0; p < n; p += LANES) {
    vf weight = v_exp(v_sub(v_load(logits + p), log_sum)), product = v_load(products + p);
    vf keep = dropout ? v_load(s->tile_keep + p) : v_all(1.0f);
    v_store(logits + p, v_mul(weight, keep));
    v_store(products + p, v_mul(weight, v_sub(v_mul(product, keep), delta)));
  }
  if (!keeps_bias) return;
  float *bias = back->to.bias + at;
  bool adds = heads == 1 && head > 0;
  for (int p = 0; p < n; p++) bias[p * heads] = adds ? bias[p * heads] + products[p] : products[p];
}

/* The row's first pair with a key of j0 or above. */
static int64_t pair_from(const heed_mask *mask, int64_t i, int64_t j0) {
  int64_t low = mask->indptr[i], high = mask->indptr[i + 1];
  while (low < high) {
    int64_t middle = low + (high - low) / 2;
    if (mask->indices[middle] < j0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

/* The same for a row under a mask that is not full: gathered, and scattered into zeros. */
static void gradients_of_masked_row(const heed__problem *problem, const heed__backward *back,
                                    int32_t head, int64_t i, int64_t j0, int keys, float *logits,
                                    float *products, bool keeps_bias, const heed__scratch *s) {
  const heed_mask *mask = problem->mask;
  int64_t first = pair_from(mask, i, j0), end = first;
  while (end < mask->indptr[i + 1] && mask->indices[end] < j0 + keys) end++;
  const int32_t *columns = mask->indices + first;
  int pairs = (int)(end - first);
  float *other = s->tile_compact;
  for (int p = 0; p < pairs; p++) {
    s->compact[p] = logits[columns[p] - j0];
    other[p] = products[columns[p] - j0];
  }
  memset(logits, 0, (size_t)keys * sizeof *logits);
  memset(products, 0, (size_t)keys * sizeof *products);
  if (pairs == 0) return;
  gradients_of_row(problem, back, head, i, first, pairs, s->compact, other, keeps_bias, s);
  for (int p = 0; p < pairs; p++) {
    logits[columns[p] - j0] = s->compact[p];
    products[columns[p] - j0] = other[p];
  }
}

static bool any_pair(const heed_mask *mask, int64_t i0, int rows, int64_t j0, int keys) {
  if (mask->indptr == NULL) return true;
  for (int r = 0; r < rows; r++) {
    int64_t p = pair_from(mask, i0 + r, j0);
    if (p < mask->indptr[i0 + r + 1] && mask->indices[p] < j0 + keys) return true;
  }
  return false;
}

static heed_status dense_backward(const heed__problem *problem, const heed__backward *back,
                                  int32_t head, int64_t i0, int64_t j0, bool by_queries,
                                  bool by_keys, const heed__scratch *s) {
  const heed_mask *mask = problem->mask;
  const heed_attention_gradients *to = &back->to;
  int rows = (int)(mask->n_queries - i0 < TILE_QUERIES ? mask->n_queries - i0 : TILE_QUERIES);
  int keys = (int)(mask->n_keys - j0 < TILE_KEYS ? mask->n_keys - j0 : TILE_KEYS);
  if (!any_pair(mask, i0, rows, j0, keys)) return HEED_OK;
  int64_t key_dim = problem->spec.key_dim, value_dim = problem->spec.value_dim;
  int64_t stride = problem->key_stride, value_stride = problem->value_stride;
  int64_t query_at = i0 * stride + head * key_dim, key_at = j0 * stride + head * key_dim;
  int64_t out_at = i0 * value_stride + head * value_dim;
  int64_t value_at = j0 * value_stride + head * value_dim;
  float scale = problem->spec.scale;
  HEED__TRY(heed__product(false, true, rows, keys, key_dim, scale, problem->in.query + query_at,
                          stride, problem->in.key + key_at, stride, 0, s->tile, TILE_KEYS));
  HEED__TRY(heed__product(false, true, rows, keys, value_dim, 1, to->d_out + out_at, value_stride,
                          problem->in.value + value_at, value_stride, 0, s->tile_gradients,
                          TILE_KEYS));
  bool keeps_bias = by_queries && to->bias != NULL;
  for (int r = 0; r < rows; r++) {
    float *logits = s->tile + (int64_t)r * TILE_KEYS;
    float *products = s->tile_gradients + (int64_t)r * TILE_KEYS;
    if (mask->indptr == NULL) {
      gradients_of_row(problem, back, head, i0 + r, (i0 + r) * mask->n_keys + j0, keys, logits,
                       products, keeps_bias, s);
    } else {
      gradients_of_masked_row(problem, back, head, i0 + r, j0, keys, logits, products, keeps_bias,
                              s);
    }
  }
  if (by_queries && to->query != NULL) {
    HEED__TRY(heed__product(false, false, rows, key_dim, keys, scale, s->tile_gradients, TILE_KEYS,
                            problem->in.key + key_at, stride, 1, to->query + query_at, stride));
  }
  if (by_keys && to->value != NULL) {
    HEED__TRY(heed__product(true, false, keys, value_dim, rows, 1, s->tile, TILE_KEYS,
                            to->d_out + out_at, value_stride, 1, to->value + value_at,
                            value_stride));
  }
  if (by_keys && to->key != NULL) {
    HEED__TRY(heed__product(true, false, keys, key_dim, rows, scale, s->tile_gradients, TILE_KEYS,
                            problem->in.query + query_at, stride, 1, to->key + key_at, stride));
  }
  return HEED_OK;
}
