/* What the vector units can do at most: multiply-adds that wait for nothing. */

static double multiply_adds(int64_t steps, float *sink) {
  enum { CHAINS = 12 };
  vf x[CHAINS];
  for (int c = 0; c < CHAINS; c++) x[c] = v_all((float)c);
  vf a = v_all(0.999f), b = v_all(0.001f);
  for (int64_t i = 0; i < steps; i++) {
    for (int c = 0; c < CHAINS; c++) x[c] = v_fma(x[c], a, b);
  }
  vf sum = v_zero();
  for (int c = 0; c < CHAINS; c++) sum = v_add(sum, x[c]);
  v_store_first(sink, sum, 1);
  return 2.0 * (double)steps * CHAINS * LANES;
}

/* Exponentials, of which some are always under way. */
static double exponentials(int64_t steps, float *sink) {
  enum { CHAINS = 8 };
  vf x[CHAINS];
  for (int c = 0; c < CHAINS; c++) x[c] = v_all(0.1f * (float)c);
  for (int64_t i = 0; i < steps; i++) {
    for (int c = 0; c < CHAINS; c++) x[c] = v_exp(v_sub(v_zero(), x[c])); /* stays in (0, 1] */
  }
  vf sum = v_zero();
  for (int c = 0; c < CHAINS; c++) sum = v_add(sum, x[c]);
  v_store_first(sink, sum, 1);
  return (double)steps * CHAINS * LANES;
}

/* Adds `n` rows, at most four, side by side, so that no sum waits for the one before. */
INLINE void gather_sums(vf sums[4], const float *table, int64_t stride, int64_t width,
                        const int32_t *rows, int64_t r, const int n, int64_t ahead) {
  const float *row[4];
  for (int k = 0; k < n; k++) {
    if (ahead > 0) prefetch_row(table + rows[r + k + ahead] * stride, width);
    row[k] = table + (rows == NULL ? r + k : rows[r + k]) * stride;
  }
  int64_t c = 0;
  for (; c + LANES <= width; c += LANES) {
    for (int k = 0; k < n; k++) sums[k] = v_add(sums[k], v_load(row[k] + c));
  }
  if (c == width) return;
  for (int k = 0; k < n; k++) {
    sums[k] = v_add(sums[k], v_load_first(row[k] + c, (int)(width - c)));
  }
}

INLINE float sum_rows(const float *table, int64_t stride, int64_t width, const int32_t *rows,
                      int64_t n, int64_t ahead) {
  vf sums[4] = {v_zero(), v_zero(), v_zero(), v_zero()};
  int64_t r = 0;
  for (; r + 4 <= n; r += 4) gather_sums(sums, table, stride, width, rows, r, 4, ahead);
  for (; r < n; r++) gather_sums(sums, table, stride, width, rows, r, 1, ahead);
  float lanes[LANES], sum = 0;
  v_store(lanes, v_add(v_add(sums[0], sums[1]), v_add(sums[2], sums[3])));
  for (int i = 0; i < LANES; i++) sum += lanes[i];
  return sum;
}

static float gather_rows(const float *table, int64_t stride, int64_t width, const int32_t *rows,
                         int64_t n, int64_t ahead) {
  switch (width) { /* with constants for the common sizes of rows */
    case 8: return sum_rows(table, 8, 8, rows, n, ahead);
    case 64: return sum_rows(table, 64, 64, rows, n, ahead);
    case 128: return sum_rows(table, 128, 128, rows, n, ahead);
    default: return sum_rows(table, stride, width, rows, n, ahead);
  }
}
