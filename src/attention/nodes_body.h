/* What the backward call computes a node at a time, before its passes over pairs and after them, compiled once an
 * instruction set. */

/* The products of LANES stretches of `dim` numbers, a divisor of LANES. */
INLINE void products_packed(const float *x, const float *y, const int dim, float *sums) {
  vf v[LANES];
  for (int r = 0; r < dim; r++) v[r] = v_mul(v_load(x + r * LANES), v_load(y + r * LANES));
  v_store(sums, v_sums(v, dim));
}

/* sums[i] = the products of stretch i, `dim` numbers, of x and y, for i < n; fills up a vector. */
static void products_of_stretches(const float *x, const float *y, int64_t n, int dim, float *sums) {
  int64_t i = 0;
  for (; n - i >= LANES && (dim == 1 || dim == 2 || dim == 4 || dim == EIGHT); i += LANES) {
    const float *p = x + i * dim, *q = y + i * dim;
    switch (dim) {
      case 1: products_packed(p, q, 1, sums + i); break;
      case 2: products_packed(p, q, 2, sums + i); break;
      case 4: products_packed(p, q, 4, sums + i); break;
      default: products_packed(p, q, EIGHT, sums + i);
    }
  }
  for (; i < n; i += LANES) {
    vf v[LANES];
    for (int r = 0; r < LANES; r++) {
      v[r] = v_zero();
      if (i + r >= n) continue;
      const float *p = x + (i + r) * dim, *q = y + (i + r) * dim;
      int d = 0;
      for (; d + LANES <= dim; d += LANES) v[r] = v_fma(v_load(p + d), v_load(q + d), v[r]);
      if (d < dim) v[r] = v_fma(v_load_first(p + d, dim - d), v_load_first(q + d, dim - d), v[r]);
    }
    v_store(sums + i, v_sums(v, LANES));
  }
}

/* The statistics of the queries [first, end). */
static void row_statistics(const heed__problem *problem, const heed__backward *back, int64_t first,
                           int64_t end, const heed__scratch *s) {
  int64_t heads = problem->spec.heads, dim = problem->spec.value_dim, padded = problem->padded;
  for (int64_t i = first; i < end; i += BLOCK_PAIRS) {
    int64_t rows = end - i < BLOCK_PAIRS ? end - i : BLOCK_PAIRS;
    products_of_stretches(back->to.d_out + i * heads * dim, back->to.out + i * heads * dim,
                          rows * heads, (int)dim, s->gradients);
    for (int64_t row = 0; row < rows; row++) {
      float *to = back->statistics + (i + row) * 2 * padded;
      const float *log_sums = back->to.log_sum_exp + (i + row) * heads;
      for (int64_t h = 0; h < heads; h++) {
        to[h] = log_sums[h] < -FLT_MAX ? FLT_MAX : log_sums[h];
        to[padded + h] = s->gradients[row * heads + h];
      }
    }
  }
}

/* Vectors c .. c + n of the rows in node_gradients(); the last one is `partly` there. */
INLINE void node_vectors(const heed__problem *problem, const heed__backward *back, bool by_keys,
                         int64_t first, int64_t end, const heed__scratch *s, int64_t c, const int n,
                         const bool partly, const bool whole) {
  const float *a = (by_keys ? problem->in.a_key : problem->in.a_query) + c * LANES;
  const float *rows = (by_keys ? problem->in.key : problem->in.query) + c * LANES;
  const float *sums = by_keys ? back->key_sums : back->query_sums;
  const int32_t *head_of = back->key_head_of + c, *spread_of = back->key_spread + c * LANES;
  float *to = by_keys ? back->to.key : back->to.query;
  int64_t stride = problem->key_stride, padded = problem->padded;
  int64_t add_below = by_keys ? back->add_key_below : back->add_query_below;
  int tail = (int)(stride - (c + n - 1) * LANES);
  vf factor[4], a_sum[4];
  for (int v = 0; v < n; v++) {
    bool part = partly && v == n - 1;
    factor[v] = part ? v_load_first(a + v * LANES, tail) : v_load(a + v * LANES);
    a_sum[v] = v_load(s->a_sums + (c + v) * LANES);
  }
  for (int64_t i = first; i < end; i++) {
    for (int v = 0; v < n; v++) {
      bool part = partly && v == n - 1;
      const float *from = sums + i * padded + head_of[v], *row = rows + i * stride + v * LANES;
      vf g = whole ? v_all(*from) : v_pick(from, spread_of + v * LANES);
      a_sum[v] = v_fma(g, part ? v_load_first(row, tail) : v_load(row), a_sum[v]);
      if (to == NULL) continue;
      float *x = to + i * stride + (c + v) * LANES;
      vf gradient = v_mul(g, factor[v]);
      if (i < add_below) gradient = v_add(gradient, part ? v_load_first(x, tail) : v_load(x));
      if (part) {
        v_store_first(x, gradient, tail);
      } else {
        v_store(x, gradient);
      }
    }
  }
  for (int v = 0; v < n; v++) v_store(s->a_sums + (c + v) * LANES, a_sum[v]);
}

/* GAT: the gradients of the rows [first, end) of queries or keys are a times those of their scores;
 * adds to s->a_sums what they give a. */
static void node_gradients(const heed__problem *problem, const heed__backward *back, bool by_keys,
                           int64_t first, int64_t end, const heed__scratch *s) {
  bool partly = problem->key_stride % LANES != 0, whole = problem->spec.key_dim % LANES == 0;
  int64_t c = 0, full = back->key_vectors - (partly ? 1 : 0);
  for (; c + 4 <= full; c += 4) {
    if (whole) {
      node_vectors(problem, back, by_keys, first, end, s, c, 4, false, true);
    } else {
      node_vectors(problem, back, by_keys, first, end, s, c, 4, false, false);
    }
  }
  for (; c < full; c++) {
    node_vectors(problem, back, by_keys, first, end, s, c, 1, false, whole);
  }
  if (partly) node_vectors(problem, back, by_keys, first, end, s, c, 1, true, whole);
}

/* From what a forward call has left in to.steep. */
static void steep_gradients(const heed__problem *problem, const heed__backward *back, int64_t first,
                            int64_t end, const heed__scratch *s) {
  int64_t heads = problem->spec.heads, dim = problem->spec.value_dim;
  const float *steep = back->to.steep;
  const float *weights = steep + problem->mask->n_queries * heads * dim;
  for (int64_t i = first; i < end; i += BLOCK_PAIRS) {
    int64_t rows = end - i < BLOCK_PAIRS ? end - i : BLOCK_PAIRS;
    products_of_stretches(back->to.d_out + i * heads * dim, steep + i * heads * dim, rows * heads,
                          (int)dim, s->gradients);
    for (int64_t row = 0; row < rows; row++) {
      const float *delta = back->statistics + ((i + row) * 2 + 1) * heads;
      for (int64_t h = 0; h < heads; h++) {
        back->query_sums[(i + row) * heads + h] =
            s->gradients[row * heads + h] - delta[h] * weights[(i + row) * heads + h];
      }
    }
  }
}
