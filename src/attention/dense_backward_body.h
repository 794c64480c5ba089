/* The dense kernel backwards for the dot product, compiled once an instruction set: queries, a step at a
 * time, and a tile of keys have their weights computed again and add to the gradients (after Dao et al.
 * 2022). Gradients start as zeros; steps and tiles come in ascending order whoever is the owner, so that
 * the schedule does not show in the bits. */

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

/* The same for a row under a mask that is not full, with pairs [first, end): gathered, and scattered into
 * zeros in the stretch [low, high) of the tile. */
static void gradients_of_masked_row(const heed__problem *problem, const heed__backward *back,
                                    int32_t head, int64_t i, int64_t first, int64_t end, int64_t j0,
                                    int low, int high, float *logits, float *products,
                                    bool keeps_bias, const heed__scratch *s) {
  const int32_t *columns = problem->mask->indices + first;
  int pairs = (int)(end - first);
  size_t bytes = (size_t)(high - low) * sizeof(float);
  if (pairs > 0) {
    gather_row(logits, columns, j0, pairs, s->compact);
    gather_row(products, columns, j0, pairs, s->tile_compact);
  }
  memset(logits + low, 0, bytes);
  memset(products + low, 0, bytes);
  if (pairs == 0) return;
  gradients_of_row(problem, back, head, i, first, pairs, s->compact, s->tile_compact, keeps_bias,
                   s);
  scatter_row(s->compact, columns, j0, pairs, logits);
  scatter_row(s->tile_compact, columns, j0, pairs, products);
}

/* to[rows, dim], `stride` from row to row, += scale times from[rows, heed__padded_row(dim)] */
static void add_rows(const float *from, int64_t rows, int64_t dim, float scale, float *to,
                     int64_t stride) {
  vf factor = v_all(scale);
  for (int64_t r = 0; r < rows; r++) {
    int64_t d = 0;
    for (; d + LANES <= dim; d += LANES) {
      v_store(to + d, v_fma(factor, v_load(from + d), v_load(to + d)));
    }
    if (d < dim) {
      int n = (int)(dim - d);
      v_store_first(to + d, v_fma(factor, v_load(from + d), v_load_first(to + d, n)), n);
    }
    from += heed__padded_row(dim);
    to += stride;
  }
}

/* The weights and the gradients of the logits of a step, with the stretch of keys where there are any. */
static bool step_gradients(const heed__problem *problem, const heed__backward *back, int32_t head,
                           int64_t i0, int rows, int64_t j0, int keys, bool keeps_bias, int *low,
                           int *high, const heed__scratch *s) {
  const heed_mask *mask = problem->mask;
  int64_t *const cursor[2] = {s->cursor, s->cursor + TILE_QUERIES};
  *low = 0;
  *high = keys;
  if (mask->indptr != NULL) {
    for (int r = 0; r < rows; r++) {
      cursor[0][r] =
          pair_from(mask->indices, mask->indptr[i0 + r], mask->indptr[i0 + r + 1], j0);
    }
    strip_pairs(mask, i0, rows, j0, keys, cursor, low, high);
    if (*high == 0) return false;
    *low = *low / 12 * 12; /* products take keys by the dozen */
    *high = (*high + 11) / 12 * 12 < keys ? (*high + 11) / 12 * 12 : keys;
  }
  int from = *low / LANES * LANES, seen = *high - from;
  int64_t key_dim = problem->spec.key_dim, value_dim = problem->spec.value_dim;
  copy_rows(problem->in.query + i0 * problem->key_stride + head * key_dim, problem->key_stride,
            rows, key_dim, problem->spec.scale, s->queries);
  copy_rows(back->to.d_out + i0 * problem->value_stride + head * value_dim, problem->value_stride,
            rows, value_dim, 1, s->d_out);
  product(rows, seen, key_dim, s->queries, heed__padded_row(key_dim), 1, s->packed + from,
          TILE_KEYS, s->tile + from, TILE_KEYS, false);
  product(rows, seen, value_dim, s->d_out, heed__padded_row(value_dim), 1,
          s->packed_values + from, TILE_KEYS, s->tile_gradients + from, TILE_KEYS, false);
  int64_t ahead = problem->mask->n_queries - i0; /* rows of the next step are asked for */
  for (int r = 0; r < rows; r++) {
    if (r + STEP_QUERIES < ahead) {
      int64_t i = i0 + r + STEP_QUERIES, at = i * problem->key_stride + head * key_dim;
      ask_for_rows(problem->in.query + at, 0, 0, 1, key_dim);
      if (back->to.query != NULL) ask_for_rows(back->to.query + at, 0, 0, 1, key_dim);
      ask_for_rows(back->to.d_out + i * problem->value_stride + head * value_dim, 0, 0, 1,
                   value_dim);
    }
    float *logits = s->tile + (int64_t)r * TILE_KEYS;
    float *products = s->tile_gradients + (int64_t)r * TILE_KEYS;
    if (mask->indptr == NULL) {
      gradients_of_row(problem, back, head, i0 + r, (i0 + r) * mask->n_keys + j0, keys, logits,
                       products, keeps_bias, s);
    } else {
      gradients_of_masked_row(problem, back, head, i0 + r, cursor[0][r], cursor[1][r], j0, *low,
                              *high, logits, products, keeps_bias, s);
    }
  }
  return true;
}

static void dense_backward(const heed__problem *problem, const heed__backward *back, int32_t head,
                           int64_t i0, int64_t i_end, int64_t j0, int64_t j_end, bool by_queries,
                           bool by_keys, const heed__scratch *s) {
  const heed_attention_gradients *to = &back->to;
  int64_t key_dim = problem->spec.key_dim, value_dim = problem->spec.value_dim;
  int64_t key_row = heed__padded_row(key_dim), value_row = heed__padded_row(value_dim);
  int64_t stride = problem->key_stride, value_stride = problem->value_stride;
  float *query = by_queries ? to->query : NULL, *key = by_keys ? to->key : NULL;
  float *value = by_keys ? to->value : NULL;
  bool keeps_bias = by_queries && to->bias != NULL;
  for (int64_t j = j0; j < j_end; j += TILE_KEYS) {
    int keys = (int)(j_end - j < TILE_KEYS ? j_end - j : TILE_KEYS), low, high;
    const float *tile_keys = problem->in.key + j * stride + head * key_dim;
    const float *tile_values = problem->in.value + j * value_stride + head * value_dim;
    transpose_rows(tile_keys, stride, keys, key_dim, s->packed);
    transpose_rows(tile_values, value_stride, keys, value_dim, s->packed_values);
    if (query != NULL) copy_rows(tile_keys, stride, keys, key_dim, 1, s->keys);
    memset(s->d_keys, 0, (size_t)(keys * key_row) * sizeof(float));
    memset(s->d_values, 0, (size_t)(keys * value_row) * sizeof(float));
    for (int64_t i = i0; i < i_end; i += STEP_QUERIES) {
      int rows = (int)(i_end - i < STEP_QUERIES ? i_end - i : STEP_QUERIES);
      if (!step_gradients(problem, back, head, i, rows, j, keys, keeps_bias, &low, &high, s)) {
        continue;
      }
      if (query != NULL) {
        product(rows, key_dim, high - low, s->tile_gradients + low, TILE_KEYS, 1,
                s->keys + low * key_row, key_row, s->d_queries, key_row, false);
        add_rows(s->d_queries, rows, key_dim, problem->spec.scale,
                 query + i * stride + head * key_dim, stride);
      }
      if (value != NULL) {
        product(high - low, value_dim, rows, s->tile + low, 1, TILE_KEYS, s->d_out, value_row,
                s->d_values + low * value_row, value_row, true);
      }
      if (key != NULL) {
        product(high - low, key_dim, rows, s->tile_gradients + low, 1, TILE_KEYS, s->queries,
                key_row, s->d_keys + low * key_row, key_row, true);
      }
    }
    if (value != NULL) {
      add_rows(s->d_values, keys, value_dim, 1, value + j * value_stride + head * value_dim,
               value_stride);
    }
    if (key != NULL) add_rows(s->d_keys, keys, key_dim, 1, key + j * stride + head * key_dim, stride);
  }
}
