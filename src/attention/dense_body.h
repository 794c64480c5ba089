/* The dense kernel, compiled once an instruction set (after Dao et al. 2022): some queries of a head meet
 * its keys a tile at a time. The tile's keys, transposed, and values are copied to where they lie close;
 * a strip of queries at a time then gets its logits, turns them into weights and adds the values by them,
 * and what is between these steps stays in the L1 cache. Under a mask that is not full a row's weights are
 * scattered into zeros, in the stretch of keys that the strip sees. */

/* c[rows, columns] = a b, or c += a b: a block whose sums stay in registers. `a` has `a_row` numbers from
 * one row to the next and `a_step` from one column to the next, so that it may be a transpose. */
INLINE void product_block(int64_t n, const float *a, int64_t a_row, int64_t a_step, const float *b,
                          int64_t b_row, float *c, int64_t c_row, bool adds, const int rows,
                          const int vectors) {
  vf sum[12][4];
  const float *third[4]; /* every third row of a, from which the next two are a step away */
  for (int r = 0; r < rows; r++) {
    for (int v = 0; v < vectors; v++) sum[r][v] = v_zero();
  }
  for (int r = 0; r < rows; r += 3) third[r / 3] = a + r * a_row;
  for (int64_t k = 0; k < n; k++) {
    vf x[4];
    for (int v = 0; v < vectors; v++) x[v] = v_load(b + v * LANES);
    for (int r = 0; r < rows; r++) {
      vf y = v_all(third[r / 3][r % 3 * a_row]);
      for (int v = 0; v < vectors; v++) sum[r][v] = v_fma(y, x[v], sum[r][v]);
    }
    b += b_row;
    for (int r = 0; r < rows; r += 3) third[r / 3] += a_step;
  }
  for (int r = 0; r < rows; r++) {
    for (int v = 0; v < vectors; v++) {
      float *to = c + r * c_row + v * LANES;
      v_store(to, adds ? v_add(v_load(to), sum[r][v]) : sum[r][v]);
    }
  }
}

/* The blocks: as many sums as registers hold beside a row of b and one number of a. */
enum { MANY_REGISTERS = LANES == 16 };

/* The same of any size: c must have room for whole vectors, and for rows, as a, up to a multiple of 12. Where it is
 * inlined, the loops inside get fewer registers. */
static __attribute__((noinline)) void product(int64_t rows, int64_t columns, int64_t n, const float *a, int64_t a_row,
                    int64_t a_step, const float *b, int64_t b_row, float *c, int64_t c_row,
                    bool adds) {
  while (columns > 0) {
    int vectors = 1;
    if (MANY_REGISTERS && columns > 3 * LANES) {
      vectors = 4;
      for (int64_t r = 0; r < rows; r += 6) {
        product_block(n, a + r * a_row, a_row, a_step, b, b_row, c + r * c_row, c_row, adds, 6, 4);
      }
    } else if (columns > LANES) {
      vectors = 2;
      const int most = MANY_REGISTERS ? 12 : 6;
      for (int64_t r = 0; r < rows; r += most) {
        product_block(n, a + r * a_row, a_row, a_step, b, b_row, c + r * c_row, c_row, adds, most,
                      2);
      }
    } else {
      for (int64_t r = 0; r < rows; r += 12) {
        product_block(n, a + r * a_row, a_row, a_step, b, b_row, c + r * c_row, c_row, adds, 12,
                      1);
      }
    }
    columns -= vectors * LANES;
    b += vectors * LANES;
    c += vectors * LANES;
  }
}

/* Asks for the numbers that rows from `first` to `end` have for a head, to be copied soon: they lie too
 * far apart for the processor to see it coming. */
INLINE void ask_for_rows(const float *from, int64_t stride, int64_t first, int64_t end,
                         int64_t dim) {
  for (int64_t r = first; r < end; r++) {
    for (int64_t d = 0; d < dim; d += 16) ask_for(from + r * stride + d);
  }
}

/* to[rows, heed__padded_row(dim)] = scale times the rows' `dim` numbers, `stride` from row to row. */
static void copy_rows(const float *from, int64_t stride, int64_t rows, int64_t dim, float scale,
                      float *to) {
  vf factor = v_all(scale);
  for (int64_t r = 0; r < rows; r++) {
    int64_t d = 0;
    for (; d + LANES <= dim; d += LANES) v_store(to + d, v_mul(factor, v_load(from + d)));
    if (d < dim) v_store(to + d, v_mul(factor, v_load_first(from + d, (int)(dim - d))));
    from += stride;
    to += heed__padded_row(dim);
  }
}

/* to[dim, TILE_KEYS] = the transpose of the `n` rows' `dim` numbers; copies of the last row fill up
 * the vector. */
static void transpose_rows(const float *from, int64_t stride, int64_t n, int64_t dim, float *to) {
  for (int64_t j = 0; j < n; j += LANES) {
    int32_t offsets[LANES];
    for (int64_t i = 0; i < LANES; i++) {
      offsets[i] = (int32_t)((j + i < n ? i : n - 1 - j) * stride);
    }
    const float *rows = from + j * stride;
    int64_t d = 0;
    for (; d + LANES <= dim && j + LANES <= n; d += LANES) {
      vf columns[LANES];
      v_columns(rows + d, stride, columns);
      for (int c = 0; c < LANES; c++) v_store(to + (d + c) * TILE_KEYS + j, columns[c]);
    }
    for (; d < dim; d++) v_store(to + d * TILE_KEYS + j, v_rows(rows + d, offsets, 1));
  }
}

/* tile[rows, TILE_KEYS] = logits without bias, of head `head`, queries from i0 on, and the keys in
 * [low, high) of the tile, low being whole vectors. */
INLINE void tile_of_terms(const heed__problem *problem, int32_t head, int64_t i0, int rows,
                          int low, int high, term t, const heed__scratch *s) {
  int dim = problem->spec.key_dim;
  const float *a = problem->in.a + (int64_t)head * dim;
  vf slope = v_all(problem->spec.slope);
  for (int r = 0; r < rows; r++) {
    const float *query = problem->in.query + (i0 + r) * problem->key_stride + (int64_t)head * dim;
    float *logits = s->tile + (int64_t)r * TILE_KEYS;
    for (int j = low; j < high; j += LANES) {
      vf sum = v_zero();
      for (int d = 0; d < dim; d++) {
        vf k = v_load(s->packed + (int64_t)d * TILE_KEYS + j);
        sum = v_add(sum, t(v_all(query[d]), k, v_all(a[d]), slope));
      }
      v_store(logits + j, sum);
    }
  }
}

static void tile_gat(const heed__problem *problem, int32_t head, int64_t i0, int rows, int low,
                     int high, const heed__scratch *s) {
  vf slope = v_all(problem->spec.slope);
  for (int r = 0; r < rows; r++) {
    vf query = v_all(problem->query_scores[(i0 + r) * problem->padded + head]);
    float *logits = s->tile + (int64_t)r * TILE_KEYS;
    for (int j = low; j < high; j += LANES) {
      v_store(logits + j, v_leaky_relu(v_add(query, v_load(s->packed + j)), slope));
    }
  }
}

/* `query` is the first of s->queries that counts. */
static void tile_logits(const heed__problem *problem, int32_t head, int64_t i0, int rows, int low,
                        int high, const float *query, const heed__scratch *s) {
  if (problem->spec.score == HEED__SCORE_NONE) {
    for (int r = 0; r < rows; r++) {
      memset(s->tile + (int64_t)r * TILE_KEYS + low, 0, (size_t)(high - low) * sizeof(float));
    }
    return;
  }
  switch (problem->spec.score) {
    case HEED_SCORE_GAT: tile_gat(problem, head, i0, rows, low, high, s); break;
    case HEED_SCORE_GATV2:
      tile_of_terms(problem, head, i0, rows, low, high, term_gatv2, s);
      break;
    case HEED_SCORE_ADDITIVE:
      tile_of_terms(problem, head, i0, rows, low, high, term_additive, s);
      break;
    default:
      product(rows, high - low, problem->spec.key_dim, query,
              heed__padded_row(problem->spec.key_dim), 1, s->packed + low, TILE_KEYS,
              s->tile + low, TILE_KEYS, false);
  }
}

/* Brings the tile's keys, or their scores, and values to where the products want them. */
static void pack_tile(const heed__problem *problem, int32_t head, int64_t j0, int keys,
                      const heed__scratch *s) {
  int64_t key_dim = problem->spec.key_dim, value_dim = problem->spec.value_dim;
  if (problem->spec.score == HEED_SCORE_GAT) {
    const float *scores = problem->key_scores + j0 * problem->padded + head;
    transpose_rows(scores, problem->padded, keys, 1, s->packed);
  } else {
    transpose_rows(problem->in.key + j0 * problem->key_stride + head * key_dim, problem->key_stride,
                   keys, key_dim, s->packed);
  }
  copy_rows(problem->in.value + j0 * problem->value_stride + head * value_dim,
            problem->value_stride, keys, value_dim, 1, s->values);
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

/* One row's step of the online softmax has two halves, so that rows can have the first one by turns and
 * need not wait for their maximum. First: minus infinity fills up the last vector of `pairs` logits, and
 * where the maximum grows, what the row has so far is made smaller. */
INLINE void softmax_maximum(float *logits, int pairs, float *maximum, float *sum, float *result,
                            int64_t value_row) {
  int end = (pairs + LANES - 1) / LANES * LANES;
  for (int p = pairs; p < end; p++) logits[p] = -INFINITY;
  vf old = v_all(*maximum), largest = old, other = old;
  int p = 0;
  for (; p + 2 * LANES <= end; p += 2 * LANES) {
    largest = v_max(largest, v_load(logits + p));
    other = v_max(other, v_load(logits + p + LANES));
  }
  if (p < end) largest = v_max(largest, v_load(logits + p));
  float lanes[LANES];
  v_store(lanes, fold_max(v_max(largest, other), 1));
  if (lanes[0] <= *maximum) return;
  vf factor = v_exp(v_sub(old, v_all(lanes[0])));
  *maximum = lanes[0];
  v_store(sum, v_mul(v_load(sum), factor));
  for (int64_t d = 0; d < value_row; d += LANES) {
    v_store(result + d, v_mul(v_load(result + d), factor));
  }
}

/* Second: the logits become weights, and `sum` grows by them. */
INLINE void softmax_weights(float *logits, int pairs, float maximum, float *sum) {
  vf largest = v_all(maximum), total = v_load(sum);
  for (int p = 0; p < pairs; p += LANES) {
    vf weight = v_exp(v_sub(v_load(logits + p), largest));
    v_store(logits + p, weight);
    total = v_add(total, weight);
  }
  v_store(sum, total);
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

/* The first pair in [low, high) with a key of `key` or above. */
static int64_t pair_from(const int32_t *indices, int64_t low, int64_t high, int64_t key) {
  while (low < high) {
    int64_t middle = low + (high - low) / 2;
    if (indices[middle] < key) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

/* What lies between a tile and its compact row, and back: pairs with keys that follow one another are
 * copied at once. */
static void gather_row(const float *row, const int32_t *columns, int64_t j0, int pairs, float *to) {
  if (columns[pairs - 1] - columns[0] == pairs - 1) {
    memcpy(to, row + (columns[0] - j0), (size_t)pairs * sizeof *to);
    return;
  }
  for (int p = 0; p < pairs; p++) to[p] = row[columns[p] - j0];
}

static void scatter_row(const float *from, const int32_t *columns, int64_t j0, int pairs,
                        float *row) {
  if (columns[pairs - 1] - columns[0] == pairs - 1) {
    memcpy(row + (columns[0] - j0), from, (size_t)pairs * sizeof *row);
    return;
  }
  for (int p = 0; p < pairs; p++) row[columns[p] - j0] = from[p];
}

/* Of the rows from i0 on, the pairs in the tile of `keys` keys from j0 on: from cursor to cursor_end of
 * each. Before, cursor is a pair that is not behind them. Returns the stretch of keys. */
static void strip_pairs(const heed_mask *mask, int64_t i0, int rows, int64_t j0, int keys,
                        int64_t *cursor, int64_t *cursor_end, int *low, int *high) {
  *low = keys;
  *high = 0;
  for (int r = 0; r < rows; r++) {
    int64_t first = cursor[r], row_end = mask->indptr[i0 + r + 1];
    cursor_end[r] = first;
    if (first == row_end || mask->indices[first] >= j0 + keys) continue;
    int64_t most = row_end - first < keys ? row_end : first + keys;
    int64_t end = pair_from(mask->indices, first, most, j0 + keys);
    cursor_end[r] = end;
    int first_key = (int)(mask->indices[first] - j0), last = (int)(mask->indices[end - 1] - j0);
    if (first_key < *low) *low = first_key;
    if (last >= *high) *high = last + 1;
  }
}

/* Rows that are computed together, and keys outside of which they see none. */
typedef struct strip {
  int rows;
  int64_t low, high;
} strip;

/* The next of `rows` rows: `most` where they see about the same keys under a mask of runs, else `least`, so that
 * not much is computed in vain. Under any other mask `most`, for they may see all. */
static strip next_strip(const heed_mask *mask, int64_t i, int rows, int most, int least) {
  int n = rows < most ? rows : most;
  if (mask->starts == NULL) return (strip){n, 0, INT64_MAX};
  int64_t low = INT64_MAX, high = 0, pairs = 0;
  for (int r = 0; r < n; r++) {
    int64_t count = mask->indptr[i + r + 1] - mask->indptr[i + r], start = mask->starts[i + r];
    if (count == 0) continue;
    if (start < low) low = start;
    if (start + count > high) high = start + count;
    pairs += count;
  }
  bool same = n <= least || pairs == 0 || (high - low) * n <= pairs + pairs / 16;
  return (strip){same ? n : least, low, high};
}

/* Cuts `rows` rows, at most TILE_QUERIES, into strips of at least LEAST_STRIP but for the last. */
enum { MOST_STRIPS = TILE_QUERIES / LEAST_STRIP + 1 };
static void cut_strips(const heed_mask *mask, int64_t i, int rows, int most, int least, strip *strips) {
  int n = 0;
  for (int at = 0; at < rows; at += strips[n++].rows) {
    strips[n] = next_strip(mask, i + at, rows - at, most, least);
  }
}

INLINE bool strip_meets(const strip *some, int64_t j0, int keys) {
  return some->low < j0 + keys && some->high > j0;
}

/* What row i sees of a tile under a mask of runs: keys [from, end), the first of pair number `pair`. */
INLINE void run_in_tile(const heed_mask *mask, int64_t i, int64_t j0, int keys, int *from, int *end,
                        int64_t *pair) {
  int64_t first = mask->indptr[i], start = mask->starts[i], stop = start + mask->indptr[i + 1] - first;
  int64_t low = start > j0 ? start : j0, high = stop < j0 + keys ? stop : j0 + keys;
  bool any = low < high;
  *from = any ? (int)(low - j0) : 0;
  *end = any ? (int)(high - j0) : 0;
  *pair = first + low - start;
}

/* The stretch of keys that some rows see of a tile. */
static void runs_stretch(const heed_mask *mask, int64_t i0, int rows, int64_t j0, int keys, int *low,
                         int *high) {
  *low = keys;
  *high = 0;
  for (int r = 0; r < rows; r++) {
    int from, end;
    int64_t pair;
    run_in_tile(mask, i0 + r, j0, keys, &from, &end, &pair);
    if (from < end && from < *low) *low = from;
    if (end > *high) *high = end;
  }
}

/* The two halves for any normaliser: the others have no maximum. */
INLINE void row_maximum(const heed__problem *problem, float *logits, int pairs, int r,
                        const heed__scratch *s) {
  int64_t value_row = heed__padded_row(problem->spec.value_dim);
  if (!heed__is_softmax(problem)) return;
  softmax_maximum(logits, pairs, s->row_maximum + r, s->row_sum + r * WIDEST,
                  s->result + r * value_row, value_row);
}

INLINE void row_weights(const heed__problem *problem, float *logits, int pairs, int64_t i, int r,
                        const heed__scratch *s) {
  if (heed__is_softmax(problem)) {
    softmax_weights(logits, pairs, s->row_maximum[r], s->row_sum + r * WIDEST);
    return;
  }
  plain_weights(problem, logits, pairs,
                heed__length_number(problem->spec.normalizer, heed__length(problem, i)));
}

/* The strip's rows of a tile under a full mask: the logits become weights where they stand. */
static void tile_rows_full(const heed__problem *problem, int32_t head, int64_t i0, int at, int rows,
                           int64_t j0, int keys, const heed__scratch *s) {
  int64_t first = (i0 + at) * problem->mask->n_keys + j0;
  for (int r = 0; r < rows; r++) {
    float *logits = s->tile + (int64_t)r * TILE_KEYS;
    tile_bias(problem, head, first + r * problem->mask->n_keys, keys, logits);
    row_maximum(problem, logits, keys, at + r, s);
  }
  for (int r = 0; r < rows; r++) {
    float *logits = s->tile + (int64_t)r * TILE_KEYS;
    row_weights(problem, logits, keys, i0 + at + r, at + r, s);
    if (problem->drop_below > 0) {
      tile_drop(problem, head, first + r * problem->mask->n_keys, keys, logits);
    }
  }
}

/* The same under any other mask: gather the pairs' logits, clear the row, scatter. */
static void tile_rows_masked(const heed__problem *problem, int32_t head, int64_t i0, int at,
                             int rows, int64_t j0, int low, int high, const heed__scratch *s) {
  for (int r = 0; r < rows; r++) {
    float *logits = s->tile + (int64_t)r * TILE_KEYS;
    int64_t first = s->cursor[at + r], end = s->cursor_end[at + r];
    s->cursor[at + r] = end;
    int pairs = (int)(end - first);
    const int32_t *columns = problem->mask->indices + first;
    if (pairs > 0) gather_row(logits, columns, j0, pairs, s->compact);
    memset(logits + low, 0, (size_t)(high - low) * sizeof *logits);
    if (pairs == 0) continue;
    tile_bias(problem, head, first, pairs, s->compact);
    row_maximum(problem, s->compact, pairs, at + r, s);
    row_weights(problem, s->compact, pairs, i0 + at + r, at + r, s);
    if (problem->drop_below > 0) tile_drop(problem, head, first, pairs, s->compact);
    scatter_row(s->compact, columns, j0, pairs, logits);
  }
}

/* The same under a mask of runs, where they stand: what else is in a row's first vector has no weight, and
 * what else is in the stretch becomes zeros. Normalisers that go by numbers of pairs want runs that begin with a
 * vector. */
static void tile_rows_runs(const heed__problem *problem, int32_t head, int64_t i0, int at, int rows,
                           int64_t j0, int keys, int low, int high, const heed__scratch *s) {
  const bool softmax = heed__is_softmax(problem);
  int64_t pair;
  int from, end;
  for (int r = 0; r < rows; r++) {
    float *logits = s->tile + (int64_t)r * TILE_KEYS;
    run_in_tile(problem->mask, i0 + at + r, j0, keys, &from, &end, &pair);
    int n = end - from, start = from / LANES * LANES;
    if (n > 0 && (softmax || from == start)) {
      tile_bias(problem, head, pair, n, logits + from);
      for (int k = start; k < from; k++) logits[k] = -INFINITY;
      row_maximum(problem, logits + start, end - start, at + r, s);
      continue;
    }
    if (n > 0) memcpy(s->compact, logits + from, (size_t)n * sizeof *logits);
    memset(logits + low, 0, (size_t)(high - low) * sizeof *logits);
    if (n == 0) continue;
    tile_bias(problem, head, pair, n, s->compact);
    row_weights(problem, s->compact, n, i0 + at + r, at + r, s);
    if (problem->drop_below > 0) tile_drop(problem, head, pair, n, s->compact);
    memcpy(logits + from, s->compact, (size_t)n * sizeof *logits);
  }
  for (int r = 0; r < rows; r++) {
    float *logits = s->tile + (int64_t)r * TILE_KEYS;
    run_in_tile(problem->mask, i0 + at + r, j0, keys, &from, &end, &pair);
    int start = from / LANES * LANES;
    if (from == end || (!softmax && from != start)) continue;
    row_weights(problem, logits + start, end - start, i0 + at + r, at + r, s);
    if (problem->drop_below > 0) tile_drop(problem, head, pair, end - from, logits + from);
    for (int k = low; k < start; k++) logits[k] = 0;
    for (int k = end; k < high; k++) logits[k] = 0;
  }
}

/* Asks for part `at` of `rows` of the next tile. */
static void ask_for_tile(const heed__problem *problem, int32_t head, int64_t j0, int64_t key_end,
                         int at, int some, int rows) {
  int64_t keys = key_end - j0 < TILE_KEYS ? key_end - j0 : TILE_KEYS;
  if (keys <= 0) return;
  int64_t key_dim = problem->spec.key_dim, value_dim = problem->spec.value_dim;
  int64_t first = keys * at / rows;
  int64_t end = at + some < rows ? keys * (at + some) / rows : keys;
  ask_for_rows(problem->in.key + j0 * problem->key_stride + head * key_dim, problem->key_stride,
               first, end, key_dim);
  ask_for_rows(problem->in.value + j0 * problem->value_stride + head * value_dim,
               problem->value_stride, first, end, value_dim);
}

/* The tile from j0 on for the `rows` queries from i0 on, a strip at a time. */
static void tile_strips(const heed__problem *problem, int32_t head, int64_t i0, int rows,
                        const strip *strips, int64_t j0, int keys, int64_t key_end,
                        const heed__scratch *s) {
  bool full = problem->mask->indptr == NULL, runs = problem->mask->starts != NULL;
  int64_t value_dim = problem->spec.value_dim, value_row = heed__padded_row(value_dim);
  int64_t key_row = heed__padded_row(problem->spec.key_dim);
  for (int at = 0, n; at < rows; at += n, strips++) {
    int low = 0, high = keys;
    n = strips->rows;
    ask_for_tile(problem, head, j0 + TILE_KEYS, key_end, at, n, rows);
    if (!strip_meets(strips, j0, keys)) continue;
    if (runs) {
      runs_stretch(problem->mask, i0 + at, n, j0, keys, &low, &high);
      if (high == 0) continue;
    } else if (!full) {
      strip_pairs(problem->mask, i0 + at, n, j0, keys, s->cursor + at, s->cursor_end + at,
                  &low, &high);
      if (high == 0) continue;
    }
    int from = low / LANES * LANES;
    tile_logits(problem, head, i0 + at, n, from, high, s->queries + at * key_row, s);
    if (full) {
      tile_rows_full(problem, head, i0, at, n, j0, keys, s);
    } else if (runs) {
      tile_rows_runs(problem, head, i0, at, n, j0, keys, low, high, s);
    } else {
      tile_rows_masked(problem, head, i0, at, n, j0, low, high, s);
    }
    product(n, value_dim, high - low, s->tile + low, TILE_KEYS, 1, s->values + low * value_row,
            value_row, s->result + at * value_row, value_row, true);
  }
}

/* The first key from j0 on that any of the rows sees. */
static int64_t next_key(const heed_mask *mask, int64_t i0, int rows, int64_t j0, int64_t key_end,
                        const heed__scratch *s) {
  if (mask->indptr == NULL) return j0;
  int64_t next = key_end;
  for (int r = 0; mask->starts != NULL && r < rows; r++) {
    int64_t start = mask->starts[i0 + r], end = start + mask->indptr[i0 + r + 1] - mask->indptr[i0 + r];
    if (end > j0 && start < end && start < next) next = start > j0 ? start : j0;
  }
  if (mask->starts != NULL) return next;
  for (int r = 0; r < rows; r++) {
    int64_t p = s->cursor[r];
    if (p < mask->indptr[i0 + r + 1] && mask->indices[p] < next) next = mask->indices[p];
  }
  return next;
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
    if (heed__is_softmax(problem)) {
      v_store(lanes, v_mul(v_exp(v_load(lanes)), v_all(inverse)));
    } else {
      plain_weights(problem, lanes, n, heed__length_number(problem->spec.normalizer, count));
    }
    if (problem->drop_below > 0) tile_drop(problem, head, first + done, n, lanes);
    for (int p = 0; p < n; p++) weights[p * heads] = lanes[p];
  }
}

static void dense(const heed__problem *problem, const heed__diagonal *diagonal, int32_t head,
                  int64_t first, int64_t end, const heed__scratch *s) {
  const heed_mask *mask = problem->mask;
  int64_t key_first = diagonal->first_key, key_end = diagonal->end_key;
  bool full = mask->indptr == NULL;
  int rows = (int)(end - first);
  int32_t heads = problem->spec.heads;
  int64_t key_dim = problem->spec.key_dim, value_dim = problem->spec.value_dim;
  int64_t value_row = heed__padded_row(value_dim);
  strip strips[MOST_STRIPS];
  cut_strips(mask, first, rows, STRIP_QUERIES, LEAST_STRIP, strips);
  memset(s->result, 0, (size_t)(rows * value_row) * sizeof(float));
  memset(s->row_sum, 0, (size_t)rows * WIDEST * sizeof(float));
  for (int r = 0; r < rows; r++) {
    s->row_maximum[r] = -FLT_MAX;
    if (!full) s->cursor[r] = mask->indptr[first + r];
  }
  if (problem->spec.score == HEED_SCORE_DOT) {
    copy_rows(problem->in.query + first * problem->key_stride + head * key_dim,
              problem->key_stride, rows, key_dim, problem->spec.scale, s->queries);
  }
  for (int64_t j = next_key(mask, first, rows, key_first, key_end, s); j < key_end;) {
    int64_t j0 = key_first + (j - key_first) / TILE_KEYS * TILE_KEYS;
    int keys = (int)(key_end - j0 < TILE_KEYS ? key_end - j0 : TILE_KEYS);
    pack_tile(problem, head, j0, keys, s);
    tile_strips(problem, head, first, rows, strips, j0, keys, key_end, s);
    j = next_key(mask, first, rows, j0 + keys, key_end, s);
  }
  for (int r = 0; r < rows; r++) {
    int64_t i = first + r;
    float lanes[LANES];
    v_store(lanes, fold_sum(v_load(s->row_sum + r * WIDEST), 1));
    float sum = lanes[0];
    float inverse = sum > 0 ? 1 / sum : 0 * sum; /* what is not a number stays so */
    bool softmax = heed__is_softmax(problem);
    if (!softmax) {
      s->row_maximum[r] = 0; /* the kept logits stay as they are */
      inverse = 1;
    }
    float *out = problem->to.out + i * problem->value_stride + head * value_dim;
    for (int64_t d = 0; d < value_dim; d++) out[d] = s->result[r * value_row + d] * inverse;
    if (problem->to.log_sum_exp != NULL) {
      problem->to.log_sum_exp[i * heads + head] =
          softmax ? s->row_maximum[r] + logf(sum) : logf((float)heed__length(problem, i));
    }
    if (problem->to.weights != NULL) {
      tile_weights(problem, head, i, s->row_maximum[r], inverse);
    }
  }
}
