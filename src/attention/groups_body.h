/* Shapes whose logits need no padding, for kernels that keep everything between the gathered rows and
 * the sums in registers, compiled once an instruction set. A group is as many pairs as make one
 * vector of flat logits. What a shape decides is a constant, so that a row of few pairs costs little
 * more than its arithmetic. */

/* How a row of queries, keys or values lies in vectors, all of one head size. */
typedef enum layout {
  PACKED, /* several heads in a vector, whole vectors a row */
  SINGLE, /* one head, less than a vector */
  WHOLE   /* heads of whole vectors */
} layout;

/* The most vectors in a row that is packed or single. */
enum { HELD = 8 };

typedef struct shape {
  layout layout;
  int padded; /* = H, divides LANES */
  int dim;    /* PACKED: a divisor of LANES; otherwise 0, and known only at run time */
} shape;

/* The opposite rows of a group, and the rows they are opposite to. */
typedef struct group {
  const int32_t *columns;
  const int32_t *rows; /* NULL: all the same one */
  int pairs;
  int64_t stride;
  int dim;
} group;

/* The row of pair `i`, of the last one where there are fewer. */
INLINE const float *opposite(const group *g, const float *rows, int i) {
  return rows + g->columns[i < g->pairs ? i : g->pairs - 1] * g->stride;
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
      v[r] = t(v_load(row + at), v_load(other + at), v_load(a + at), slope);
    }
    return v_sums(v, s.dim);
  }
  for (int i = 0; i < g->pairs; i++) {
    const float *row = opposite(g, rows, i), *mine = own_row(g, own, i);
    if (s.layout == SINGLE) {
      v[i] =
          t(v_load_first(mine, g->dim), v_load_first(row, g->dim), v_load_first(a, g->dim), slope);
      continue;
    }
    for (int h = 0; h < s.padded; h++) {
      vf sum = v_zero();
      for (int64_t at = (int64_t)h * g->dim; at < (int64_t)(h + 1) * g->dim; at += LANES) {
        sum = v_add(sum, t(v_load(mine + at), v_load(row + at), v_load(a + at), slope));
      }
      v[i * s.padded + h] = sum;
    }
  }
  for (int i = g->pairs * s.padded; i < LANES; i++) v[i] = v_zero();
  return v_sums(v, LANES);
}

/* Each weight for the numbers of its head: vector r of the rows of a packed group. */
INLINE vf spread_packed(vf weights, const int r, const int dim) {
  return v_permute(weights, (vi)((v_lane() + r * LANES) / dim));
}

/* Numbers of a node, [padded], repeated to fill a vector. */
INLINE vf v_repeated(const float *from, const int padded) {
  static const int32_t same[LANES] = {0};
  return v_stretches(from, 1, same, LANES / padded, padded);
}
