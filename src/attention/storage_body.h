/* Rows of keys and values kept as bfloat16, the upper halves of floats, compiled once an instruction set:
 * rounding into the table, and vectors out of it. A float's lower half is 0 again when it comes back. */

typedef uint16_t vh __attribute__((vector_size(2 * LANES)));

/* Nearest, ties to even; what is not a number stays so, its quiet bit set lest only lower bits were. */
INLINE vh v_to_bfloat16(vf x) {
  vn bits = (vn)x, upper = bits >> 16;
  vn rounded = (bits + 0x7fff + (upper & 1)) >> 16;
  vn nan = (vn)((bits & 0x7fffffff) > 0x7f800000);
  return __builtin_convertvector((rounded & ~nan) | ((upper | 0x40) & nan), vh);
}

INLINE vf v_from_bfloat16(vh x) { return (vf)(__builtin_convertvector(x, vn) << 16); }

INLINE vf v_load_bfloat16(const uint16_t *p) {
  vh x;
  memcpy(&x, p, sizeof x);
  return v_from_bfloat16(x);
}

/* The first n < LANES numbers and zeros. Reads 4, 8 or 16 numbers: see heed__table_part(). */
INLINE vf v_load_first_bfloat16(const uint16_t *p, int n) {
  vh x = {0};
  if (n <= 4) {
    memcpy(&x, p, 8);
  } else if (n <= 8) {
    memcpy(&x, p, LANES < 8 ? sizeof x : 16);
  } else {
    memcpy(&x, p, sizeof x);
  }
  vn there = (vn)(v_lane() < (uint32_t)n);
  return (vf)((vn)v_from_bfloat16(x) & there);
}

/* A row that is narrow holds bfloat16, else floats; `at` counts its numbers, and vectors start at every
 * second number at least, so that the pointer stays one to floats. */
INLINE const float *row_from(const float *row, int64_t at, const bool narrow) {
  return narrow ? (const float *)(const void *)((const uint16_t *)(const void *)row + at) : row + at;
}

INLINE vf row_load(const float *row, const bool narrow) {
  return narrow ? v_load_bfloat16((const uint16_t *)(const void *)row) : v_load(row);
}

INLINE vf row_load_first(const float *row, int n, const bool narrow) {
  return narrow ? v_load_first_bfloat16((const uint16_t *)(const void *)row, n)
                : v_load_first(row, n);
}

/* The rows of keys and of values, as they are kept. */
INLINE const float *kept_keys(const heed__problem *problem, const bool narrow) {
  return narrow ? (const float *)(const void *)problem->table : problem->in.key;
}

INLINE const float *kept_values(const heed__problem *problem, const bool narrow) {
  return narrow ? (const float *)(const void *)(problem->table + problem->table_value)
                : problem->in.value;
}

INLINE void prefetch_kept(const heed__problem *problem, int64_t column) {
  const uint16_t *row = problem->table + column * problem->table_stride;
  for (int64_t i = 0; i < problem->table_row; i += 32) ask_for(row + i);
}

INLINE void store_numbers(const float *from, int64_t n, uint16_t *to) {
  int64_t i = 0;
  for (; i + LANES <= n; i += LANES) {
    vh x = v_to_bfloat16(v_load(from + i));
    memcpy(to + i, &x, sizeof x);
  }
  if (i == n) return;
  vh x = v_to_bfloat16(v_load_first(from + i, (int)(n - i)));
  memcpy(to + i, &x, 2 * (size_t)(n - i));
}

/* The rows [first, end) of the table, from the inputs of the call. */
static void store_rows(const heed__problem *problem, int64_t first, int64_t end) {
  bool keys = problem->spec.score != HEED_SCORE_GAT;
  bool values = !keys || problem->table_value > 0;
  for (int64_t i = first; i < end; i++) {
    uint16_t *row = problem->table + i * problem->table_stride;
    if (keys) store_numbers(problem->in.key + i * problem->key_stride, problem->key_stride, row);
    if (!values) continue;
    store_numbers(problem->in.value + i * problem->value_stride, problem->value_stride,
                  row + problem->table_value);
  }
}

/* Reads and writes whole vectors: what is beyond belongs to a later row, or to nobody. */
INLINE void widen_numbers(const uint16_t *from, int64_t n, float *to) {
  for (int64_t i = 0; i < n; i += LANES) v_store(to + i, v_load_bfloat16(from + i));
}

/* The rows of a block as floats, one after the other, at `keys` and `values`; either is NULL where it is
 * not wanted. */
INLINE void widen_rows(const heed__problem *problem, const int32_t *columns, int pairs, float *keys,
                       float *values) {
  for (int pair = 0; pair < pairs; pair++) {
    const uint16_t *row = problem->table + columns[pair] * problem->table_stride;
    if (keys != NULL) widen_numbers(row, problem->key_stride, keys + pair * problem->key_stride);
    if (values == NULL) continue;
    widen_numbers(row + problem->table_value, problem->value_stride,
                  values + pair * problem->value_stride);
  }
}
