/* Vectors of 4 floats in the compiler's own notation, for every processor (SSE, NEON, ...). The same
 * names as in simd_avx512.h, which explains them. */
#include <stdbool.h>
#include <string.h>

enum { LANES = 4 };

typedef float vf __attribute__((vector_size(16)));
typedef int32_t vi __attribute__((vector_size(16)));

typedef uint32_t vn __attribute__((vector_size(16)));
static inline vn v_lane(void) { return (vn){0, 1, 2, 3}; }
static inline vn v_larger_size(vn a, vf x) {
  vn size = (vn)x & 0x7fffffff, larger = (vn)(size > a);
  return (size & larger) | (a & ~larger);
}

typedef uint64_t vq __attribute__((vector_size(16)));
static inline vq v_product(vq x, uint32_t m) { return (x & 0xffffffffu) * m; }
static inline void v_zip(vq a, vq b, vq both[2]) {
  both[0] = __builtin_shufflevector(a, b, 0, 2);
  both[1] = __builtin_shufflevector(a, b, 1, 3);
}

static inline vf v_zero(void) { return (vf){0, 0, 0, 0}; }
static inline vf v_all(float x) { return (vf){x, x, x, x}; }
static inline vf v_load(const float *p) {
  vf x;
  memcpy(&x, p, sizeof x);
  return x;
}
static inline void v_store(float *p, vf x) { memcpy(p, &x, sizeof x); }
static inline vf v_load_first(const float *p, int n) {
  vf x = v_zero();
  for (int i = 0; i < n; i++) x[i] = p[i];
  return x;
}
static inline void v_store_first(float *p, vf x, int n) {
  for (int i = 0; i < n; i++) p[i] = x[i];
}
static inline vf v_load_part(const float *p, const int n) {
  return n >= 4 ? v_load(p) : v_load_first(p, n);
}
static inline vf v_add(vf a, vf b) { return a + b; }
static inline vf v_sub(vf a, vf b) { return a - b; }
static inline vf v_mul(vf a, vf b) { return a * b; }
static inline vf v_div(vf a, vf b) { return a / b; }
static inline vf v_fma(vf a, vf b, vf c) { return a * b + c; }
static inline vf v_choose(vi mask, vf x, vf y) { return (vf)(((vi)x & mask) | ((vi)y & ~mask)); }
static inline vf v_max(vf a, vf b) { return v_choose((vi)(a > b), a, b); }
static inline vf v_min(vf a, vf b) { return v_choose((vi)(a < b), a, b); }
static inline vf v_where_less(vf a, vf b, vf x, vf y) { return v_choose((vi)(a < b), x, y); }
static inline vf v_unless_less(vf a, vf b, vf x) { return (vf)((vi)x & ~(vi)(a < b)); }
static inline vf v_where_negative(vf a, vf x, vf y) { return v_choose((vi)a >> 31, x, y); }
static inline vf v_abs(vf a) { return (vf)((vi)a & 0x7fffffff); }
static inline vf v_sign(vf a, vf b) { return (vf)(((vi)a & 0x7fffffff) | ((vi)b & ~0x7fffffff)); }
static inline vf v_scale(vf p, vf n) { return p * (vf)((vn)n << 23); }
static inline vf v_partner(vf x, int step) {
  return (vf){x[0 ^ step], x[1 ^ step], x[2 ^ step], x[3 ^ step]};
}
static inline vf v_pick(const float *p, const int32_t *index) {
  return (vf){p[index[0]], p[index[1]], p[index[2]], p[index[3]]};
}
static inline vf v_permute(vf x, vi order) {
  return (vf){x[order[0]], x[order[1]], x[order[2]], x[order[3]]};
}
static inline vf v_rows(const float *rows, const int32_t *columns, const int n) {
  if (n == 1) return (vf){rows[columns[0]], rows[columns[1]], rows[columns[2]], rows[columns[3]]};
  const float *low = rows + (int64_t)columns[0] * 2, *high = rows + (int64_t)columns[1] * 2;
  return (vf){low[0], low[1], high[0], high[1]};
}
/* columns[d] = number d of each of LANES rows. */
static inline void v_columns(const float *rows, int64_t stride, vf *columns) {
  const float *p = rows, *q = p + stride, *r = q + stride, *s = r + stride;
  for (int d = 0; d < LANES; d++) columns[d] = (vf){p[d], q[d], r[d], s[d]};
}
/* p[r] in all lanes */
static inline vf v_one_of(const float *p, const int r) { return v_all(p[r]); }
static inline vf v_exponent(vf x) {
  vi bits = (vi)x;
  return (vf){(float)(bits[0] >> 23), (float)(bits[1] >> 23), (float)(bits[2] >> 23),
              (float)(bits[3] >> 23)} - 127.0f;
}
static inline vf v_mantissa(vf x) { return (vf)(((vi)x & 0x7fffff) | (127 << 23)); }
static inline vf v_stretches(const float *p, const int step, const int32_t *columns, int n,
                             const int size) {
  vf x = v_zero();
  for (int i = 0; i < LANES; i++) {
    int at = i / size < n ? i / size : n - 1;
    x[i] = p[(int64_t)columns[at] * step * size + i % size];
  }
  return x;
}

static inline vf v_sums(const vf *v, const int n) {
  if (n == 1) return v[0];
  if (n == 2) {
    return (vf){v[0][0] + v[0][1], v[0][2] + v[0][3], v[1][0] + v[1][1], v[1][2] + v[1][3]};
  }
  vf even = {v[0][0] + v[0][1], v[1][0] + v[1][1], v[2][0] + v[2][1], v[3][0] + v[3][1]};
  vf odd = {v[0][2] + v[0][3], v[1][2] + v[1][3], v[2][2] + v[2][3], v[3][2] + v[3][3]};
  return even + odd;
}
