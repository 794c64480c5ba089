/* The products of linear attention, compiled once an instruction set. Every number of a result is a sum in
 * the order of the rows, a step at a time, however the work is cut. */

/* The rows [first, end) of state [x.dim, row] = scale times the sum over `rows` rows of x y'. `first` is a
 * multiple of 12; up to 11 rows behind `end` are overwritten. */
static void linear_sum(const heed__stretch *x, const heed__stretch *y, int64_t rows, int64_t first,
                       int64_t end, float scale, float *state, int64_t row, float *room) {
  int64_t n = end - first, x_row = heed__padded_row(n), y_row = heed__padded_row(y->dim);
  float *a = room, *b = room + LINEAR_ROWS * row;
  memset(state + first * row, 0, (size_t)(n * row) * sizeof *state);
  for (int64_t r = 0; r < rows; r += LINEAR_ROWS) {
    int64_t some = rows - r < LINEAR_ROWS ? rows - r : LINEAR_ROWS;
    copy_rows(x->from + r * x->stride + first, x->stride, some, n, scale, a);
    copy_rows(y->from + r * y->stride, y->stride, some, y->dim, 1, b);
    product(n, y->dim, some, a, 1, x_row, b, y_row, state + first * row, row, true);
  }
}

/* to[rows, dim] = scale times x state, or += it. */
static void linear_apply(const heed__stretch *x, int64_t rows, const float *state, int64_t row,
                         int64_t dim, float scale, bool adds, float *to, int64_t stride,
                         float *room) {
  int64_t x_row = heed__padded_row(x->dim), to_row = heed__padded_row(dim);
  float *a = room, *c = room + LINEAR_ROWS * row;
  for (int64_t r = 0; r < rows; r += LINEAR_ROWS) {
    int64_t some = rows - r < LINEAR_ROWS ? rows - r : LINEAR_ROWS;
    copy_rows(x->from + r * x->stride, x->stride, some, x->dim, scale, a);
    product(some, dim, x->dim, a, x_row, 1, state, row, c, to_row, false);
    if (adds) {
      add_rows(c, some, dim, 1, to + r * stride, stride);
      continue;
    }
    for (int64_t i = 0; i < some; i++) {
      memcpy(to + (r + i) * stride, c + i * to_row, (size_t)dim * sizeof *to);
    }
  }
}

/* to_i = the sum over j <= i of (x_i . y_j) z_j, times scale / (i + 1), or += it. `from_end`: the
 * sum over j >= i, z_j times scale / (j + 1). A stretch of rows at a time, from one end to the
 * other: of what lies before it x takes the matrix `state` [x.dim, row], the sum of y z', and
 * within the stretch it goes pair by pair. */
static void linear_causal(const heed__stretch *x, const heed__stretch *y, const heed__stretch *z,
                          int64_t rows, float scale, bool from_end, bool adds, float *state,
                          int64_t row, float *to, int64_t stride, float *room) {
  int64_t x_row = heed__padded_row(x->dim), z_row = heed__padded_row(z->dim);
  float *a = room, *b = a + CAUSAL_ROWS * row, *values = b + CAUSAL_ROWS * row;
  float *sums = values + CAUSAL_ROWS * row, *tile = sums + CAUSAL_ROWS * row;
  float *packed = tile + CAUSAL_ROWS * CAUSAL_ROWS;
  int64_t stretches = (rows + CAUSAL_ROWS - 1) / CAUSAL_ROWS;
  memset(state, 0, (size_t)(x->dim * row) * sizeof *state);
  for (int64_t t = 0; t < stretches; t++) {
    int64_t first = (from_end ? stretches - 1 - t : t) * CAUSAL_ROWS;
    int64_t some = rows - first < CAUSAL_ROWS ? rows - first : CAUSAL_ROWS;
    copy_rows(x->from + first * x->stride, x->stride, some, x->dim, 1, a);
    copy_rows(y->from + first * y->stride, y->stride, some, y->dim, 1, b);
    for (int64_t j = 0; j < some; j++) {
      copy_rows(z->from + (first + j) * z->stride, z->stride, 1, z->dim,
                from_end ? scale / (float)(first + j + 1) : 1, values + j * z_row);
    }
    transpose_rows(y->from + first * y->stride, y->stride, some, y->dim, packed);
    product(some, some, x->dim, a, x_row, 1, packed, TILE_KEYS, tile, CAUSAL_ROWS, false);
    for (int64_t i = 0; i < some; i++) {
      float *pairs = tile + i * CAUSAL_ROWS;
      int64_t low = from_end ? 0 : i + 1, high = from_end ? i : some;
      memset(pairs + low, 0, (size_t)(high - low) * sizeof *pairs);
    }
    product(some, z->dim, x->dim, a, x_row, 1, state, row, sums, z_row, false);
    product(some, z->dim, some, tile, CAUSAL_ROWS, 1, values, z_row, sums, z_row, true);
    for (int64_t i = 0; i < some; i++) {
      float *from = sums + i * z_row, *result = to + (first + i) * stride;
      float factor = from_end ? 1 : scale / (float)(first + i + 1);
      if (adds) {
        add_rows(from, 1, z->dim, factor, result, stride);
      } else {
        for (int64_t d = 0; d < z->dim; d++) result[d] = factor * from[d];
      }
    }
    product(y->dim, z->dim, some, b, 1, x_row, values, z_row, state, row, true);
  }
}
