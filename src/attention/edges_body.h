/* Features of pairs where the stream of pairs does not take them (features_body.h): rows by themselves. Only scores
 * that bend (GATv2, additive) need W e itself, pair by pair. */

/* to[h, f] = scale times the sum over d of x[h, d] turned[h, d, f] */
static void edge_project(const heed__edges *edges, int heads, int dim, const float *x,
                         const float *turned, float scale, float *to) {
  int vectors = feature_vectors(edges);
  int64_t row = edges->row;
  for (int h = 0; h < heads; h++, x += dim, turned += dim * row) {
    for (int v = 0; v < vectors; v++) {
      const float *w = turned + v * LANES;
      vf even = v_zero(), odd = v_zero();
      int d = 0;
      for (; d + 2 <= dim; d += 2, w += 2 * row) {
        even = v_fma(v_all(x[d]), v_load(w), even);
        odd = v_fma(v_all(x[d + 1]), v_load(w + row), odd);
      }
      if (d < dim) even = v_fma(v_all(x[d]), v_load(w), even);
      v_store(to + h * row + v * LANES, v_mul(v_all(scale), v_add(even, odd)));
    }
  }
}

/* to[h, f] = the sum over the pairs [first, end) of numbers[p, h] e[p, f] */
static void edge_gather(const heed__problem *problem, const heed__edges *edges, const float *numbers,
                        int64_t first, int64_t end, float *to) {
  int vectors = feature_vectors(edges), heads = problem->spec.heads;
  int64_t row = edges->row;
  for (int v = 0; v < vectors; v++) {
    float *at = to + v * LANES;
    for (int h = 0; h < heads; h++) v_store(at + h * row, v_zero());
    for (int64_t p = first; p < end; p++) {
      vf e = features_of(edges, problem->in.edges + p * edges->dim, v);
      const float *number = numbers + p * heads;
      for (int h = 0; h < heads; h++) {
        v_store(at + h * row, v_fma(v_all(number[h]), e, v_load(at + h * row)));
      }
    }
  }
}

/* sums[h, d, f] += x[h, d] by_head[h, f] */
static void edge_outer(const heed__edges *edges, int heads, int dim, const float *x,
                       const float *by_head, float *sums) {
  int vectors = feature_vectors(edges);
  int64_t row = edges->row;
  for (int h = 0; h < heads; h++, by_head += row, x += dim, sums += dim * row) {
    for (int v = 0; v < vectors; v++) {
      vf e = v_load(by_head + v * LANES);
      float *at = sums + v * LANES;
      for (int d = 0; d < dim; d++, at += row) v_store(at, v_fma(v_all(x[d]), e, v_load(at)));
    }
  }
}

/* by_feature[f, heads_row] = by_head[h, f], or 0 where that is NULL, plus edge_bias[f, h] where that is there
 * and `biased`. */
static void edge_by_feature(const heed__problem *problem, const heed__edges *edges,
                            const float *by_head, bool biased, float *by_feature) {
  int heads = problem->spec.heads;
  const float *bias = biased ? problem->in.edge_bias : NULL;
  for (int f = 0; f < edges->dim; f++) {
    float *to = by_feature + f * edges->heads_row;
    for (int h = 0; h < heads; h++) {
      to[h] = (by_head != NULL ? by_head[h * edges->row + f] : 0) +
              (bias != NULL ? bias[f * heads + h] : 0);
    }
  }
}

/* to[p, h] = e[p] . by_feature[:, h] for the pairs [first, end) */
static void edge_pairs(const heed__problem *problem, const heed__edges *edges,
                       const float *by_feature, int64_t first, int64_t end, float *to) {
  int heads = problem->spec.heads, dim = edges->dim;
  int64_t stride = edges->heads_row;
  for (int64_t p = first; p < end; p++) {
    const float *e = problem->in.edges + p * dim;
    for (int h = 0; h < heads; h += LANES) {
      const float *from = by_feature + h;
      vf even = v_zero(), odd = v_zero();
      int f = 0;
      for (; f + 2 <= dim; f += 2, from += 2 * stride) {
        even = v_fma(v_all(e[f]), v_load(from), even);
        odd = v_fma(v_all(e[f + 1]), v_load(from + stride), odd);
      }
      if (f < dim) even = v_fma(v_all(e[f]), v_load(from), even);
      vf x = v_add(even, odd);
      if (heads - h < LANES) {
        v_store_first(to + p * heads + h, x, heads - h);
      } else {
        v_store(to + p * heads + h, x);
      }
    }
  }
}

/* Adds the caller's bias, to what is linear. */
static void edge_add_bias(const heed__problem *problem, const heed__edges *edges, int64_t first,
                          int64_t end, float *to) {
  int64_t heads = problem->spec.heads;
  if (edges->bias == NULL) return;
  if (edges->bias_heads == heads) {
    for (int64_t i = first * heads; i < end * heads; i++) to[i] += edges->bias[i];
    return;
  }
  for (int64_t p = first; p < end; p++) {
    for (int64_t h = 0; h < heads; h++) to[p * heads + h] += edges->bias[p];
  }
}

/* to[H * D] = key + edge_key e, in whole vectors */
static void edge_key_row(const heed__problem *problem, const heed__edges *edges, const float *key,
                         const float *e, float *to) {
  int64_t n = problem->key_stride;
  int dim = edges->dim;
  for (int64_t c = 0; c < n; c += LANES) {
    const float *w = problem->in.edge_key + c;
    if (n - c < LANES) {
      int left = (int)(n - c);
      vf sum = v_load_first(key + c, left);
      for (int f = 0; f < dim; f++, w += n) sum = v_fma(v_all(e[f]), v_load_first(w, left), sum);
      v_store(to + c, sum);
      continue;
    }
    vf even = v_load(key + c), odd = v_zero();
    int f = 0;
    for (; f + 2 <= dim; f += 2, w += 2 * n) {
      even = v_fma(v_all(e[f]), v_load(w), even);
      odd = v_fma(v_all(e[f + 1]), v_load(w + n), odd);
    }
    if (f < dim) even = v_fma(v_all(e[f]), v_load(w), even);
    v_store(to + c, v_add(even, odd));
  }
}

/* terms[H * D] = f(query + key), of a key with edge_key in it */
INLINE void edge_terms(const heed__problem *problem, const float *query, const float *key,
                       float *terms, derivative f) {
  int64_t n = problem->key_stride;
  vf slope = v_all(problem->spec.slope);
  for (int64_t c = 0; c < n; c += LANES) {
    vf q = n - c < LANES ? v_load_first(query + c, (int)(n - c)) : v_load(query + c);
    v_store(terms + c, f(q, v_load(key + c), slope).value);
  }
}

/* The logits of a row whose score is computed here, but for biases: added to what stands there. */
static void edge_scores(const heed__problem *problem, const heed__edges *edges, int64_t i,
                        const heed__edge_room *room) {
  int64_t first, count, heads = problem->spec.heads;
  const int32_t *keys = heed__row(problem, i, &first, &count);
  const float *query = problem->in.query + i * problem->key_stride;
  for (int64_t p = 0; p < count; p++) {
    edge_key_row(problem, edges, problem->in.key + keys[p] * problem->key_stride,
                 problem->in.edges + (first + p) * edges->dim, room->key);
    if (edges->score == HEED_SCORE_GATV2) {
      edge_terms(problem, query, room->key, room->terms, derivative_gatv2);
    } else {
      edge_terms(problem, query, room->key, room->terms, derivative_additive);
    }
    products_of_stretches(room->terms, problem->in.a, heads, problem->spec.key_dim, room->heads);
    float *logits = edges->logits + (first + p) * heads;
    for (int64_t h = 0; h < heads; h++) logits[h] += room->heads[h];
  }
}

/* GAT: numbers of the pairs of row i, e . edge_bias, become the sums before LeakyReLU. */
static void edge_gat_sums(const heed__problem *problem, int64_t i, float *numbers) {
  int64_t first, count, heads = problem->spec.heads;
  const int32_t *keys = heed__row(problem, i, &first, &count);
  const float *query = problem->query_scores + i * problem->padded;
  for (int64_t p = 0; p < count; p++) {
    const float *key = problem->key_scores + (int64_t)keys[p] * problem->padded;
    float *number = numbers + (first + p) * heads;
    for (int64_t h = 0; h < heads; h++) number[h] += query[h] + key[h];
  }
}

/* edges->logits of the rows [first, end): all that is added to the logits of the problem's score. */
static void edge_logits(const heed__problem *problem, const heed__edges *edges, int64_t first,
                        int64_t end, const heed__edge_room *room) {
  bool linear = problem->in.edge_key != NULL && !edges->own_score;
  int64_t pair, count;
  if (!linear) edge_by_feature(problem, edges, NULL, true, room->by_feature);
  for (int64_t i = first; i < end; i++) {
    (void)heed__row(problem, i, &pair, &count);
    if (count == 0) continue;
    if (linear) {
      edge_project(edges, problem->spec.heads, problem->spec.key_dim,
                   problem->in.query + i * problem->key_stride, edges->key_turned,
                   problem->spec.scale, room->by_head);
      edge_by_feature(problem, edges, room->by_head, true, room->by_feature);
    }
    edge_pairs(problem, edges, room->by_feature, pair, pair + count, edges->logits);
    if (edges->own_score && edges->score == HEED_SCORE_GAT) {
      edge_gat_sums(problem, i, edges->logits);
      float slope = problem->spec.slope;
      for (int64_t x = pair * problem->spec.heads; x < (pair + count) * problem->spec.heads; x++) {
        edges->logits[x] *= edges->logits[x] > 0 ? 1 : slope;
      }
    } else if (edges->own_score) {
      edge_scores(problem, edges, i, room);
    }
    edge_add_bias(problem, edges, pair, pair + count, edges->logits);
  }
}

/* out of the rows [first, end) += what the features bring to the values, by the weights in
 * problem->to.weights */
static void edge_values(const heed__problem *problem, const heed__edges *edges, int64_t first,
                        int64_t end, const heed__edge_room *room) {
  int64_t pair, count;
  for (int64_t i = first; i < end; i++) {
    (void)heed__row(problem, i, &pair, &count);
    if (count == 0) continue;
    edge_gather(problem, edges, problem->to.weights, pair, pair + count, room->by_head);
    edge_expand(edges, problem->spec.heads, problem->spec.value_dim, room->by_head,
                problem->in.edge_value, 1, problem->to.out + i * problem->value_stride);
  }
}

/* edges->products of the rows [first, end): d_out . (edge_value e) */
static void edge_products(const heed__problem *problem, const heed__edges *edges, int64_t first,
                          int64_t end, const heed__edge_room *room) {
  int64_t pair, count;
  for (int64_t i = first; i < end; i++) {
    (void)heed__row(problem, i, &pair, &count);
    if (count == 0) continue;
    edge_project(edges, problem->spec.heads, problem->spec.value_dim,
                 edges->to.d_out + i * problem->value_stride, edges->value_turned, 1,
                 room->by_head);
    edge_by_feature(problem, edges, room->by_head, false, room->by_feature);
    edge_pairs(problem, edges, room->by_feature, pair, pair + count, edges->products);
  }
}

/* GAT: the gradients of the logits become those of the sums before LeakyReLU, in edges->products, and are
 * summed up for each query of the rows [first, end). */
static void edge_gat_queries(const heed__problem *problem, const heed__edges *edges,
                             const heed__backward *back, int64_t first, int64_t end,
                             const heed__edge_room *room) {
  int64_t pair, count, heads = problem->spec.heads;
  float slope = problem->spec.slope;
  edge_by_feature(problem, edges, NULL, true, room->by_feature);
  for (int64_t i = first; i < end; i++) {
    float *sums = back->query_sums + i * problem->padded;
    memset(sums, 0, (size_t)problem->padded * sizeof *sums);
    (void)heed__row(problem, i, &pair, &count);
    if (count == 0) continue;
    edge_pairs(problem, edges, room->by_feature, pair, pair + count, edges->products);
    edge_gat_sums(problem, i, edges->products);
    for (int64_t p = pair; p < pair + count; p++) {
      float *to = edges->products + p * heads;
      const float *from = edges->d_logits + p * heads;
      for (int64_t h = 0; h < heads; h++) {
        to[h] = (to[h] > 0 ? 1 : slope) * from[h];
        sums[h] += to[h];
      }
    }
  }
}

/* The same sums for each key. */
static void edge_gat_keys(const heed__problem *problem, const heed__edges *edges,
                          const heed__backward *back, const heed__side *side, int64_t first,
                          int64_t end) {
  int64_t pair, count, heads = problem->spec.heads;
  for (int64_t j = first; j < end; j++) {
    float *sums = back->key_sums + j * problem->padded;
    memset(sums, 0, (size_t)problem->padded * sizeof *sums);
    (void)heed__side_row(side, j, &pair, &count);
    for (int64_t p = pair; p < pair + count; p++) {
      const float *from = edges->products + heed__pair_number(side, p) * heads;
      for (int64_t h = 0; h < heads; h++) sums[h] += from[h];
    }
  }
}

/* What the rows [first, end) of queries give where the score is not computed here: adds to the gradient
 * of query and to the room's sums, which are NULL where nobody wants them. */
static void edge_gradients(const heed__problem *problem, const heed__edges *edges, int64_t first,
                           int64_t end, const heed__edge_room *room) {
  int heads = problem->spec.heads, key_dim = problem->spec.key_dim;
  bool linear = problem->in.edge_key != NULL && !edges->own_score;
  float *query = linear ? edges->to.query : NULL, scale = problem->spec.scale;
  bool of_key = linear && room->sum_key != NULL;
  bool gat = edges->own_score && edges->score == HEED_SCORE_GAT;
  const float *d_logits = gat ? edges->products : edges->d_logits;
  int64_t pair, count;
  for (int64_t i = first; i < end; i++) {
    (void)heed__row(problem, i, &pair, &count);
    if (count == 0) continue;
    if (query != NULL || of_key || room->sum_bias != NULL) {
      edge_gather(problem, edges, d_logits, pair, pair + count, room->by_head);
    }
    if (room->sum_bias != NULL) {
      for (int64_t d = 0; d < heads * edges->row; d += LANES) {
        v_store(room->sum_bias + d, v_add(v_load(room->by_head + d), v_load(room->sum_bias + d)));
      }
    }
    if (query != NULL) {
      edge_expand(edges, heads, key_dim, room->by_head, problem->in.edge_key, scale,
                  query + i * problem->key_stride);
    }
    if (of_key) {
      edge_outer(edges, heads, key_dim, problem->in.query + i * problem->key_stride, room->by_head,
                 room->sum_key);
    }
    if (room->sum_value != NULL) {
      edge_gather(problem, edges, edges->weights, pair, pair + count, room->by_head);
      edge_outer(edges, heads, problem->spec.value_dim,
                 edges->to.d_out + i * problem->value_stride, room->by_head, room->sum_value);
    }
  }
}

/* One pair of a score that is computed here: room->own, and where they are wanted the sums of edge_key and
 * a, grow by what it gives them, but for a factor a in the first two. */
INLINE void edge_score_pair(const heed__problem *problem, const heed__edges *edges,
                            const heed__backward *back, const float *query, const float *e,
                            const heed__edge_room *room, bool sums, derivative f) {
  int64_t n = problem->key_stride, row = edges->row;
  int vectors = feature_vectors(edges);
  vf slope = v_all(problem->spec.slope);
  for (int64_t c = 0; c < n; c += LANES) {
    vf q = n - c < LANES ? v_load_first(query + c, (int)(n - c)) : v_load(query + c);
    slope_value got = f(q, v_load(room->key + c), slope);
    vf d = v_pick(room->heads + back->key_head_of[c / LANES], back->key_spread + c);
    vf own = v_mul(d, got.slope);
    v_store(room->own + c, v_add(own, v_load(room->own + c)));
    v_store(room->terms + c, own);
    if (sums && room->sum_a != NULL) {
      v_store(room->sum_a + c, v_fma(d, got.value, v_load(room->sum_a + c)));
    }
  }
  if (!sums || room->sum_key == NULL) return;
  for (int v = 0; v < vectors; v++) {
    vf x = features_of(edges, e, v);
    float *at = room->sum_key + v * LANES;
    for (int64_t c = 0; c < n; c++, at += row) {
      v_store(at, v_fma(v_all(room->terms[c]), x, v_load(at)));
    }
  }
}

/* What the rows [first, end) of a pass give where the score is computed here: the gradients of query or of
 * key, or with GAT of their sums, and by queries the room's sums. Rows below `add_below` are added to. */
static void edge_score_gradients(const heed__problem *problem, const heed__edges *edges,
                                 const heed__backward *back, const heed__side *side, int64_t first,
                                 int64_t end, const heed__edge_room *room) {
  int64_t n = problem->key_stride, heads = problem->spec.heads, pair, count;
  bool by_keys = side->by_keys;
  float *to = by_keys ? edges->to.key : edges->to.query;
  int64_t add_below = by_keys ? back->add_key_below : back->add_query_below;
  if (edges->score == HEED_SCORE_GAT) {
    if (by_keys) {
      edge_gat_keys(problem, edges, back, side, first, end);
    } else {
      edge_gat_queries(problem, edges, back, first, end, room);
    }
    return;
  }
  for (int64_t i = first; i < end; i++) {
    const int32_t *columns = heed__side_row(side, i, &pair, &count);
    for (int64_t c = 0; c < n; c += LANES) v_store(room->own + c, v_zero());
    for (int64_t p = 0; p < count; p++) {
      int64_t number = heed__pair_number(side, pair + p);
      int64_t query = by_keys ? columns[p] : i, key = by_keys ? i : columns[p];
      const float *e = problem->in.edges + number * edges->dim;
      edge_key_row(problem, edges, problem->in.key + key * n, e, room->key);
      memcpy(room->heads, edges->d_logits + number * heads, (size_t)heads * sizeof(float));
      if (edges->score == HEED_SCORE_GATV2) {
        edge_score_pair(problem, edges, back, problem->in.query + query * n, e, room, !by_keys,
                        derivative_gatv2);
      } else {
        edge_score_pair(problem, edges, back, problem->in.query + query * n, e, room, !by_keys,
                        derivative_additive);
      }
    }
    if (to != NULL) put_row(to + i * n, room->own, n, problem->in.a, 1, i < add_below);
  }
}
