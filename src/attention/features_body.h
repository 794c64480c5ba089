/* Features of pairs, compiled once an instruction set: how a block of pairs, whatever rows they are in,
 * takes what is linear in them. With W one of edge_key and edge_value, x . (W e) of a pair and head is
 * (W' x) . e, so that a row needs H * Fe numbers of its own, and sums of w W e over a row are W times sums
 * of w e.
 *
 * Arrays [H, row] and [H * D, row] hold rows of features in whole vectors, zeros behind the last. What a row
 * gets does not depend on the rows beside it. */

/* A vector of a pair's features. */
INLINE vf features_of(const heed__edges *edges, const float *e, int v) {
  int left = edges->dim - v * LANES;
  return left < LANES ? v_load_first(e + v * LANES, left) : v_load(e + v * LANES);
}

INLINE int feature_vectors(const heed__edges *edges) { return (edges->dim + LANES - 1) / LANES; }

/* The rows that a block of pairs is of. */
typedef struct block_rows {
  int n;
  int32_t rows[BLOCK_PAIRS + 1];
  int32_t places[BLOCK_PAIRS]; /* which of them each pair is of */
} block_rows;

INLINE void block_rows_of(const int32_t *rows, int pairs, block_rows *b) {
  b->rows[0] = rows[0];
  b->places[0] = 0;
  int place = 0;
  for (int p = 1; p < pairs; p++) {
    place += rows[p] != rows[p - 1];
    b->rows[place] = rows[p];
    b->places[p] = place;
  }
  b->n = place + 1;
}

/* Rows, or dimensions, that are worked on side by side, so that no sum waits for the one before. */
enum { ABREAST = 4 };

/* Vector v of head h: to[r] = W' x of `count` rows, from `plus` on. */
INLINE void project_rows(const float *const *x, const int count, int dim, const float *turned,
                         int64_t row, vf plus, float *to, int64_t step) {
  vf sum[ABREAST];
  for (int r = 0; r < count; r++) sum[r] = plus;
  for (int d = 0; d < dim; d++, turned += row) {
    vf w = v_load(turned);
    for (int r = 0; r < count; r++) sum[r] = v_fma(v_all(x[r][d]), w, sum[r]);
  }
  for (int r = 0; r < count; r++) v_store(to + r * step, sum[r]);
}

/* to[r, h, f] = plus[h, f], or 0 where that is NULL, and the sum over d of x[h, d] turned[h, d, f], x the row of
 * `nodes` that rows[r] says. */
static void feature_project(const heed__edges *edges, int heads, int dim, const float *nodes,
                            const block_rows *b, const float *turned, const float *plus, float *to) {
  int64_t row = edges->row, step = heads * row, stride = (int64_t)heads * dim;
  int vectors = feature_vectors(edges);
  for (int r = 0; r < b->n; r += ABREAST, to += ABREAST * step) {
    for (int h = 0; h < heads; h++) {
      const float *x[ABREAST];
      int count = b->n - r < ABREAST ? b->n - r : ABREAST;
      for (int k = 0; k < count; k++) x[k] = nodes + b->rows[r + k] * stride + (int64_t)h * dim;
      for (int v = 0; v < vectors; v++) {
        int64_t at = h * row + v * LANES;
        const float *w = turned + (int64_t)h * dim * row + v * LANES;
        vf from = plus != NULL ? v_load(plus + at) : v_zero();
        if (count == ABREAST) {
          project_rows(x, ABREAST, dim, w, row, from, to + at, step);
          continue;
        }
        for (int k = 0; k < count; k++) {
          project_rows(x + k, 1, dim, w, row, from, to + k * step + at, step);
        }
      }
    }
  }
}

/* flat[p, h] = e[p] . own[places[p], h] of the pairs of a block, a group of them a time; `step` from the numbers
 * of one row to the next, 0: all have the same. */
INLINE void feature_sums_of(const heed__edges *edges, const float *e, const float *own, int64_t step,
                            const int32_t *places, int pairs, float *flat, const int heads,
                            const bool one) {
  const int most = LANES / heads, vectors = one ? 1 : feature_vectors(edges);
  int64_t row = edges->row;
  for (int pair = 0; pair < pairs; pair += most) {
    vf v[LANES];
    for (int i = 0; i < most; i++) {
      int p = pair + i < pairs ? pair + i : pairs - 1;
      const float *mine = own + places[p] * step, *features = e + (int64_t)p * edges->dim;
      vf x = features_of(edges, features, 0);
      for (int h = 0; h < heads; h++) v[i * heads + h] = v_mul(x, v_load(mine + h * row));
      for (int c = 1; c < vectors; c++) {
        x = features_of(edges, features, c);
        for (int h = 0; h < heads; h++) {
          v[i * heads + h] = v_fma(x, v_load(mine + h * row + c * LANES), v[i * heads + h]);
        }
      }
    }
    v_store(flat + pair * heads, v_sums(v, LANES));
  }
}

static void feature_sums(const heed__edges *edges, int heads, const float *e, const float *own,
                         int64_t step, const int32_t *places, int pairs, float *flat) {
  bool one = edges->dim <= LANES;
  if (heads == 1) {
    feature_sums_of(edges, e, own, step, places, pairs, flat, 1, false);
  } else if (heads == FOUR && one) {
    feature_sums_of(edges, e, own, step, places, pairs, flat, FOUR, true);
  } else if (heads == FOUR) {
    feature_sums_of(edges, e, own, step, places, pairs, flat, FOUR, false);
  } else if (one) {
    feature_sums_of(edges, e, own, step, places, pairs, flat, EIGHT, true);
  } else {
    feature_sums_of(edges, e, own, step, places, pairs, flat, EIGHT, false);
  }
}

/* to[h, f] = what stands there, unless these pairs are the first, and the sum over them of flat[p, h] e[p, f] */
INLINE void feature_gather_of(const heed__edges *edges, const float *e, const float *flat, int pairs,
                              bool first, float *to, const int heads) {
  int vectors = feature_vectors(edges);
  for (int c = 0; c < vectors; c++) {
    vf sum[EIGHT];
    float *at = to + c * LANES;
    for (int h = 0; h < heads; h++) sum[h] = first ? v_zero() : v_load(at + h * edges->row);
    for (int p = 0; p < pairs; p++) {
      vf x = features_of(edges, e + (int64_t)p * edges->dim, c);
      for (int h = 0; h < heads; h++) sum[h] = v_fma(v_all(flat[p * heads + h]), x, sum[h]);
    }
    for (int h = 0; h < heads; h++) v_store(at + h * edges->row, sum[h]);
  }
}

static void feature_gather(const heed__edges *edges, int heads, const float *e, const float *flat,
                           int pairs, bool first, float *to) {
  if (heads == 1) {
    feature_gather_of(edges, e, flat, pairs, first, to, 1);
  } else if (heads == FOUR) {
    feature_gather_of(edges, e, flat, pairs, first, to, FOUR);
  } else {
    feature_gather_of(edges, e, flat, pairs, first, to, EIGHT);
  }
}

/* to[h, d] += scale times the sum over f of by_head[h, f] w[f, h, d] */
static void edge_expand(const heed__edges *edges, int heads, int dim, const float *by_head,
                        const float *w, float scale, float *to) {
  int64_t stride = (int64_t)heads * dim;
  for (int h = 0; h < heads; h++, by_head += edges->row, w += dim, to += dim) {
    for (int d = 0; d < dim; d += LANES) {
      int n = dim - d;
      const float *from = w + d;
      vf even = v_zero(), odd = v_zero();
      int f = 0;
      if (n >= LANES) {
        for (; f + 2 <= edges->dim; f += 2, from += 2 * stride) {
          even = v_fma(v_all(by_head[f]), v_load(from), even);
          odd = v_fma(v_all(by_head[f + 1]), v_load(from + stride), odd);
        }
        if (f < edges->dim) even = v_fma(v_all(by_head[f]), v_load(from), even);
        v_store(to + d, v_fma(v_all(scale), v_add(even, odd), v_load(to + d)));
        continue;
      }
      for (; f < edges->dim; f++, from += stride) {
        even = v_fma(v_all(by_head[f]), v_load_first(from, n), even);
      }
      v_store_first(to + d, v_fma(v_all(scale), even, v_load_first(to + d, n)), n);
    }
  }
}

/* Vector v of `count` dimensions of a head. */
INLINE void outer_rows(const heed__edges *edges, const float *nodes, int64_t stride,
                       const int32_t *rows, int n, const float *by_row, int64_t step, float *sums,
                       const int count) {
  vf sum[ABREAST];
  for (int d = 0; d < count; d++) sum[d] = v_load(sums + d * edges->row);
  for (int r = 0; r < n; r++) {
    const float *x = nodes + rows[r] * stride;
    vf features = v_load(by_row + r * step);
    for (int d = 0; d < count; d++) sum[d] = v_fma(v_all(x[d]), features, sum[d]);
  }
  for (int d = 0; d < count; d++) v_store(sums + d * edges->row, sum[d]);
}

/* sums[h, d, f] += x[h, d] by_row[r, h, f] for the first n rows of a block, x the row of `nodes`. */
static void feature_outer(const heed__edges *edges, int heads, int dim, const float *nodes,
                          const int32_t *rows, int n, const float *by_row, float *sums) {
  int64_t row = edges->row, step = heads * row, stride = (int64_t)heads * dim;
  int vectors = feature_vectors(edges);
  for (int h = 0; h < heads; h++, nodes += dim, by_row += row, sums += dim * row) {
    for (int v = 0; v < vectors; v++) {
      const float *from = by_row + v * LANES;
      float *to = sums + v * LANES;
      int d = 0;
      for (; d + ABREAST <= dim; d += ABREAST) {
        outer_rows(edges, nodes + d, stride, rows, n, from, step, to + d * row, ABREAST);
      }
      for (; d < dim; d++) {
        outer_rows(edges, nodes + d, stride, rows, n, from, step, to + d * row, 1);
      }
    }
  }
}

/* Numbers of the pairs of a block that stand in the order of the mask. */
static void bias_of_block(const heed__problem *problem, int64_t first, int pairs, float *flat) {
  int heads = problem->spec.heads;
  if (problem->in.bias_heads == heads) {
    memcpy(flat, problem->in.bias + first * heads, (size_t)(pairs * heads) * sizeof *flat);
    return;
  }
  for (int p = 0; p < pairs; p++) {
    for (int h = 0; h < heads; h++) flat[p * heads + h] = problem->in.bias[first + p];
  }
}

/* What pairs add to their logits, of a block in the order of the mask: `added`, and with GAT within its LeakyReLU
 * `within`; NULL: nothing. */
typedef struct additions {
  const float *added;
  const float *within;
} additions;

static void feature_logits(const heed__problem *problem, const heed__scratch *s, const block_rows *b,
                           int64_t first, int pairs, float *flat) {
  const heed__edges *edges = problem->features;
  const float *e = problem->in.edges + first * edges->dim, *own = edges->bias_turned;
  int heads = problem->spec.heads;
  int64_t step = 0;
  if (problem->in.edge_key != NULL) {
    const float *plus = problem->in.edge_bias != NULL ? own : NULL;
    feature_project(edges, heads, problem->spec.key_dim, problem->in.query, b, edges->key_turned, plus,
                    s->room->by_row);
    own = s->room->by_row;
    step = heads * edges->row;
  }
  feature_sums(edges, heads, e, own, step, b->places, pairs, flat);
}

static additions additions_of(const heed__problem *problem, const heed__scratch *s,
                              const block_rows *b, int64_t first, int pairs) {
  additions a = {NULL, NULL};
  bool featured = problem->features != NULL &&
                  (problem->in.edge_key != NULL || problem->in.edge_bias != NULL);
  bool gat = problem->spec.score == HEED_SCORE_GAT;
  if (problem->in.bias != NULL) {
    bias_of_block(problem, first, pairs, s->added);
    a.added = s->added;
  }
  if (!featured) return a;
  feature_logits(problem, s, b, first, pairs, s->room->flat);
  if (gat) {
    a.within = s->room->flat;
  } else if (a.added == NULL) {
    a.added = s->room->flat;
  } else {
    for (int i = 0; i < pairs * problem->spec.heads; i++) s->added[i] += s->room->flat[i];
  }
  return a;
}
