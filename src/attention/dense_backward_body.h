/* The dense kernel backwards for the dot product, compiled once an instruction set: queries, a step at a
 * time, and a tile of keys have their weights computed again and add to the gradients (after Dao et al.
 * 2022). Gradients start as zeros; steps and tiles come in ascending order whoever is the owner, so that
 * the schedule does not show in the bits. */

/* Turns the `n` logits of a row's pairs from number `first` on into weights as applied, and the
 * products of d_out and values into gradients of the logits. There is room to fill up a vector, and `before` numbers
 * in front are anything, less than a vector: so that vectors may begin there. */
static void gradients_of_row(const heed__problem *problem, const heed__backward *back, int32_t head,
                             int64_t i, int64_t first, int n, int before, float *logits,
                             float *products, bool by_queries, const heed__scratch *s) {
  int64_t heads = problem->in.bias_heads, padded = problem->padded;
  int64_t at = heads == 1 ? first : first * heads + head;
  int64_t all_heads = problem->spec.heads, at_all = first * all_heads + head;
  if (problem->in.bias != NULL) {
    for (int p = 0; p < n; p++) logits[p] += problem->in.bias[at + p * heads];
  }
  if (back->products != NULL) {
    for (int p = 0; p < n; p++) products[p] += back->products[at_all + p * all_heads];
  }
  bool dropout = problem->drop_below > 0;
  float *keep = s->tile_keep + before;
  if (dropout) keep_of_head(problem, head, first, n, keep);
  vf log_sum = v_all(back->statistics[i * 2 * padded + head]);
  vf delta = v_all(back->statistics[i * 2 * padded + padded + head]);
  bool softmax = heed__is_softmax(problem);
  if (!softmax) {
    float number[LANES];
    v_store(number, log_sum);
    plain_gradients(problem, logits, products, n, number, false, LANES,
                    dropout ? keep : NULL, true);
  }
  for (int p = -before; p < n && softmax; p += LANES) {
    vf weight = v_exp(v_sub(v_load(logits + p), log_sum)), product = v_load(products + p);
    vf kept = dropout ? v_load(keep + p) : v_all(1.0f);
    v_store(logits + p, v_mul(weight, kept));
    v_store(products + p, v_mul(weight, v_sub(v_mul(product, kept), delta)));
  }
  if (by_queries && back->weights != NULL) {
    for (int p = 0; p < n; p++) back->weights[at_all + p * all_heads] = logits[p];
  }
  if (!by_queries || back->to.bias == NULL) return;
  float *bias = back->to.bias + at;
  bool adds = heads == 1 && head > 0;
  for (int p = 0; p < n; p++) bias[p * heads] = adds ? bias[p * heads] + products[p] : products[p];
}

/* The same for a row under a mask that is not full, with pairs [first, end): gathered, and scattered into
 * zeros in the stretch [low, high) of the tile. */
static void gradients_of_masked_row(const heed__problem *problem, const heed__backward *back,
                                    int32_t head, int64_t i, int64_t first, int64_t end, int64_t j0,
                                    int low, int high, float *logits, float *products,
                                    bool by_queries, const heed__scratch *s) {
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
  gradients_of_row(problem, back, head, i, first, pairs, 0, s->compact, s->tile_compact, by_queries,
                   s);
  scatter_row(s->compact, columns, j0, pairs, logits);
  scatter_row(s->tile_compact, columns, j0, pairs, products);
}

/* The same under a mask of runs. */
static void gradients_of_run(const heed__problem *problem, const heed__backward *back, int32_t head,
                             int64_t i, int64_t j0, int keys, int low, int high, float *logits,
                             float *products, bool by_queries, const heed__scratch *s) {
  int from, end;
  int64_t pair;
  run_in_tile(problem->mask, i, j0, keys, &from, &end, &pair);
  int n = end - from, before = from % LANES;
  size_t bytes = (size_t)n * sizeof(float);
  if (n > 0 && (heed__is_softmax(problem) || before == 0)) {
    gradients_of_row(problem, back, head, i, pair, n, before, logits + from, products + from,
                     by_queries, s);
    for (int k = low; k < from; k++) logits[k] = products[k] = 0;
    for (int k = end; k < high; k++) logits[k] = products[k] = 0;
    return;
  }
  if (n > 0) {
    memcpy(s->compact, logits + from, bytes);
    memcpy(s->tile_compact, products + from, bytes);
  }
  memset(logits + low, 0, (size_t)(high - low) * sizeof(float));
  memset(products + low, 0, (size_t)(high - low) * sizeof(float));
  if (n == 0) return;
  gradients_of_row(problem, back, head, i, pair, n, 0, s->compact, s->tile_compact, by_queries, s);
  memcpy(logits + from, s->compact, bytes);
  memcpy(products + from, s->tile_compact, bytes);
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

/* The weights and the gradients of the logits of a step, which is number `at` of the queries from i0 on,
 * with the stretch of keys where there are any. */
static bool step_gradients(const heed__problem *problem, const heed__backward *back, int32_t head,
                           int64_t i0, int at, int rows, int64_t j0, int keys, bool by_queries,
                           int *low, int *high, const heed__scratch *s) {
  const heed_mask *mask = problem->mask;
  *low = 0;
  *high = keys;
  if (mask->starts != NULL) {
    runs_stretch(mask, i0 + at, rows, j0, keys, low, high);
  } else if (mask->indptr != NULL) {
    for (int r = 0; r < rows; r++) {
      const int64_t *ends = mask->indptr + i0 + at + r;
      s->cursor[r] = pair_from(mask->indices, ends[0], ends[1], j0);
    }
    strip_pairs(mask, i0 + at, rows, j0, keys, s->cursor, s->cursor_end, low, high);
  }
  if (mask->indptr != NULL) {
    if (*high == 0) return false;
    *low = *low / 12 * 12; /* products take keys by the dozen */
    *high = (*high + 11) / 12 * 12 < keys ? (*high + 11) / 12 * 12 : keys;
  }
  int from = *low / LANES * LANES, seen = *high - from;
  int64_t key_dim = problem->spec.key_dim, key_row = heed__padded_row(key_dim);
  int64_t value_dim = problem->spec.value_dim, value_row = heed__padded_row(value_dim);
  product(rows, seen, key_dim, s->queries + at * key_row, key_row, 1, s->packed + from, TILE_KEYS,
          s->tile + from, TILE_KEYS, false);
  product(rows, seen, value_dim, s->d_out + at * value_row, value_row, 1, s->packed_values + from,
          TILE_KEYS, s->tile_gradients + from, TILE_KEYS, false);
  for (int r = 0; r < rows; r++) {
    int64_t i = i0 + at + r;
    float *logits = s->tile + (int64_t)r * TILE_KEYS;
    float *products = s->tile_gradients + (int64_t)r * TILE_KEYS;
    if (mask->indptr == NULL) {
      gradients_of_row(problem, back, head, i, i * mask->n_keys + j0, keys, 0, logits, products,
                       by_queries, s);
    } else if (mask->starts != NULL) {
      gradients_of_run(problem, back, head, i, j0, keys, *low, *high, logits, products, by_queries,
                       s);
    } else {
      gradients_of_masked_row(problem, back, head, i, s->cursor[r], s->cursor_end[r], j0, *low,
                              *high, logits, products, by_queries, s);
    }
  }
  return true;
}

/* What the queries from i0 on, copied to s->queries and s->d_out, and the tile of keys from j0 on
 * give: to s->d_queries and to the gradients of keys and values. */
static void backward_tile(const heed__problem *problem, const heed__backward *back, int32_t head,
                          int64_t i0, int queries, const strip *steps, int64_t j0, int keys,
                          bool by_queries, bool by_keys, const heed__scratch *s) {
  int64_t stride = problem->key_stride, value_stride = problem->value_stride;
  int64_t key_dim = problem->spec.key_dim, key_row = heed__padded_row(key_dim);
  int64_t value_dim = problem->spec.value_dim, value_row = heed__padded_row(value_dim);
  int64_t key_at = j0 * stride + head * key_dim, value_at = j0 * value_stride + head * value_dim;
  bool to_query = by_queries && back->to.query != NULL;
  bool to_key = by_keys && back->to.key != NULL, to_value = by_keys && back->to.value != NULL;
  transpose_rows(problem->in.key + key_at, stride, keys, key_dim, s->packed);
  transpose_rows(problem->in.value + value_at, value_stride, keys, value_dim, s->packed_values);
  if (to_query) copy_rows(problem->in.key + key_at, stride, keys, key_dim, 1, s->keys);
  memset(s->d_keys, 0, (size_t)(keys * key_row) * sizeof(float));
  memset(s->d_values, 0, (size_t)(keys * value_row) * sizeof(float));
  for (int at = 0, rows; at < queries; at += rows, steps++) {
    int low, high;
    rows = steps->rows;
    if (!strip_meets(steps, j0, keys)) continue;
    if (!step_gradients(problem, back, head, i0, at, rows, j0, keys, by_queries, &low, &high, s)) {
      continue;
    }
    const float *weights = s->tile + low, *gradients = s->tile_gradients + low;
    if (to_query) {
      product(rows, key_dim, high - low, gradients, TILE_KEYS, 1, s->keys + low * key_row, key_row,
              s->d_queries + at * key_row, key_row, true);
    }
    if (to_value) {
      product(high - low, value_dim, rows, weights, 1, TILE_KEYS, s->d_out + at * value_row,
              value_row, s->d_values + low * value_row, value_row, true);
    }
    if (to_key) {
      product(high - low, key_dim, rows, gradients, 1, TILE_KEYS, s->queries + at * key_row,
              key_row, s->d_keys + low * key_row, key_row, true);
    }
  }
  if (to_value) add_rows(s->d_values, keys, value_dim, 1, back->to.value + value_at, value_stride);
  if (to_key) add_rows(s->d_keys, keys, key_dim, 1, back->to.key + key_at, stride);
}

static void dense_backward(const heed__problem *problem, const heed__backward *back, int32_t head,
                           int64_t i0, int64_t i_end, int64_t j0, int64_t j_end, bool by_queries,
                           bool by_keys, const heed__scratch *s) {
  int64_t key_dim = problem->spec.key_dim, value_dim = problem->spec.value_dim;
  int64_t stride = problem->key_stride, value_stride = problem->value_stride;
  float scale = problem->spec.scale;
  enum { LEAST_QUERIES = 24 };
  strip steps[MOST_STRIPS];
  for (int64_t i = i0; i < i_end; i += TILE_QUERIES) {
    int queries = (int)(i_end - i < TILE_QUERIES ? i_end - i : TILE_QUERIES);
    cut_strips(problem->mask, i, queries, STEP_QUERIES, LEAST_QUERIES, steps);
    copy_rows(problem->in.query + i * stride + head * key_dim, stride, queries, key_dim, scale,
              s->queries);
    copy_rows(back->to.d_out + i * value_stride + head * value_dim, value_stride, queries,
              value_dim, 1, s->d_out);
    memset(s->d_queries, 0, (size_t)(queries * heed__padded_row(key_dim)) * sizeof(float));
    for (int64_t j = j0; j < j_end; j += TILE_KEYS) {
      int keys = (int)(j_end - j < TILE_KEYS ? j_end - j : TILE_KEYS);
      int low, high;
      if (problem->mask->starts != NULL) { /* a window sees few of the tiles */
        runs_stretch(problem->mask, i, queries, j, keys, &low, &high);
        if (high == 0) continue;
      }
      backward_tile(problem, back, head, i, queries, steps, j, keys, by_queries, by_keys, s);
    }
    if (by_queries && back->to.query != NULL) {
      add_rows(s->d_queries, queries, key_dim, scale, back->to.query + i * stride + head * key_dim,
               stride);
    }
  }
}
