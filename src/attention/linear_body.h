/* The two products of linear attention, compiled once an instruction set. Every number of a result is a sum in
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
