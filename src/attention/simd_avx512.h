/* Vectors of 16 floats, AVX-512 F. The same names as in simd_avx2.h and simd_portable.h. */
#include <immintrin.h>
#include <stdbool.h>

enum { LANES = 16 };

typedef __m512 vf;
typedef __m512i vi;

/* Whole numbers of 32 bits; v_lane() is 0, 1, 2, ..., a constant to the compiler. */
typedef uint32_t vn __attribute__((vector_size(64)));
static inline vn v_lane(void) {
  return (vn){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
}

/* The larger of a and the bits of |x|, as whole numbers: an x that is not finite stays. */
static inline vn v_larger_size(vn a, vf x) {
  vi size = _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7fffffff));
  return (vn)_mm512_max_epu32((vi)a, size);
}

/* Whole numbers of 64 bits, for random numbers. */
typedef uint64_t vq __attribute__((vector_size(64)));
/* The lower halves times m. */
static inline vq v_product(vq x, uint32_t m) {
  return (vq)_mm512_mul_epu32((__m512i)x, _mm512_set1_epi64((int64_t)m));
}
/* a[0], b[0], a[1], b[1], ... */
static inline void v_zip(vq a, vq b, vq both[2]) {
  both[0] = __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
  both[1] = __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}

static inline vf v_zero(void) { return _mm512_setzero_ps(); }
static inline vf v_all(float x) { return _mm512_set1_ps(x); }
static inline vf v_load(const float *p) { return _mm512_loadu_ps(p); }
static inline void v_store(float *p, vf x) { _mm512_storeu_ps(p, x); }
static inline __mmask16 v_first(int n) { return (__mmask16)((1u << n) - 1u); }
/* The first n < LANES numbers; the others are 0 and not touched in memory. */
static inline vf v_load_first(const float *p, int n) {
  return _mm512_maskz_loadu_ps(v_first(n), p);
}
static inline void v_store_first(float *p, vf x, int n) {
  _mm512_mask_storeu_ps(p, v_first(n), x);
}
/* The first n numbers, n = 1, 2, 4, ..., and zeros. Reads no more than those, so that it need not wait
 * for a vector stored across its border. */
static inline __attribute__((always_inline)) vf v_load_part(const float *p, const int n) {
  if (n >= 16) return v_load(p);
  if (n == 8) return _mm512_zextps256_ps512(_mm256_loadu_ps(p));
  if (n == 4) return _mm512_zextps128_ps512(_mm_loadu_ps(p));
  return _mm512_zextps128_ps512(
      n == 1 ? _mm_load_ss(p) : _mm_castpd_ps(_mm_load_sd((const double *)(const void *)p)));
}
static inline vf v_add(vf a, vf b) { return _mm512_add_ps(a, b); }
static inline vf v_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
static inline vf v_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
static inline vf v_div(vf a, vf b) { return _mm512_div_ps(a, b); }
/* a * b + c */
static inline vf v_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
/* If either is not a number, b. */
static inline vf v_max(vf a, vf b) { return _mm512_max_ps(a, b); }
static inline vf v_min(vf a, vf b) { return _mm512_min_ps(a, b); }
/* x where a < b, else y */
static inline vf v_where_less(vf a, vf b, vf x, vf y) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), y, x);
}
/* 0 where a < b, else x */
static inline vf v_unless_less(vf a, vf b, vf x) {
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a, b, _CMP_NLT_UQ), x);
}
/* x where a is below 0 (or, as may be, -0), else y */
static inline vf v_where_negative(vf a, vf x, vf y) { return v_where_less(a, v_zero(), x, y); }
static inline vf v_abs(vf a) { return _mm512_abs_ps(a); }
/* The magnitude of a with the sign of b. */
static inline vf v_sign(vf a, vf b) {
  vi bit = _mm512_set1_epi32((int)0x80000000u);
  return _mm512_castsi512_ps(_mm512_or_si512(_mm512_andnot_si512(bit, _mm512_castps_si512(a)),
                                             _mm512_and_si512(bit, _mm512_castps_si512(b))));
}
/* p * 2^n for a whole number n in [-126, 127] to which 1.5 * 2^23 + 127 was added: its lowest bits are the exponent */
static inline vf v_scale(vf p, vf n) {
  return _mm512_mul_ps(p, _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(n), 23)));
}
/* Lane i gets the lane whose number differs by the bit `step` = 1, 2, 4 or 8. */
static inline vf v_partner(vf x, int step) {
  vi lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  return _mm512_permutexvar_ps(_mm512_xor_si512(lane, _mm512_set1_epi32(step)), x);
}
/* Lane i gets p[index[i]], index in [0, LANES). */
static inline vf v_pick(const float *p, const int32_t *index) {
  return _mm512_permutexvar_ps(_mm512_loadu_si512(index), _mm512_loadu_ps(p));
}
/* Lane i gets what x has in lane order[i]. */
static inline vf v_permute(vf x, vi order) { return _mm512_permutexvar_ps(order, x); }
/* Lane i gets rows[columns[i / n] * n + i % n]: rows of n = 1, 2, 4 or 8 < LANES numbers. */
static inline vf v_rows(const float *rows, const int32_t *columns, const int n) {
  if (n == 1) return _mm512_i32gather_ps(_mm512_loadu_si512(columns), rows, 4);
  if (n == 2) {
    __m256i eight = _mm256_loadu_si256((const __m256i *)(const void *)columns);
    return _mm512_castpd_ps(_mm512_i32gather_pd(eight, rows, 8));
  }
  if (n == 4) {
    vf x = _mm512_castps128_ps512(_mm_loadu_ps(rows + (int64_t)columns[0] * 4));
    x = _mm512_insertf32x4(x, _mm_loadu_ps(rows + (int64_t)columns[1] * 4), 1);
    x = _mm512_insertf32x4(x, _mm_loadu_ps(rows + (int64_t)columns[2] * 4), 2);
    return _mm512_insertf32x4(x, _mm_loadu_ps(rows + (int64_t)columns[3] * 4), 3);
  }
  __m256 low = _mm256_loadu_ps(rows + (int64_t)columns[0] * 8);
  __m256 high = _mm256_loadu_ps(rows + (int64_t)columns[1] * 8);
  return _mm512_castpd_ps(_mm512_insertf64x4(
      _mm512_castps_pd(_mm512_castps256_ps512(low)), _mm256_castps_pd(high), 1));
}
/* columns[d] = number d of each of LANES rows. */
static inline void v_columns(const float *rows, int64_t stride, vf *columns) {
  int32_t offsets[LANES];
  for (int r = 0; r < LANES; r++) offsets[r] = (int32_t)(r * stride);
  for (int d = 0; d < LANES; d++) columns[d] = v_rows(rows + d, offsets, 1);
}
/* p[r] in all lanes */
static inline vf v_one_of(const float *p, const int r) { return v_all(p[r]); }
/* x = mantissa * 2^exponent, mantissa in [1, 2), for positive normal x */
static inline vf v_exponent(vf x) { return _mm512_getexp_ps(x); }
static inline vf v_mantissa(vf x) {
  return _mm512_getmant_ps(x, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_src);
}
/* Stretches of `size` numbers, LANES / size of them: stretch i is at p + columns[i] * step * size. Only
 * `n` columns are there; what the other stretches get are numbers that stand at p or those of the
 * columns. `size` divides LANES, step is 1 or 2. */
static inline __attribute__((always_inline)) vf v_stretches(const float *p, const int step,
                                                            const int32_t *columns, int n,
                                                            const int size) {
  if (size == 16) return v_load(p + (int64_t)columns[0] * step * 16);
  if (size == 8) {
    const float *q = p + (int64_t)columns[n > 1] * step * 8;
    __m256d first = _mm256_castps_pd(_mm256_loadu_ps(p + (int64_t)columns[0] * step * 8));
    __m512d both = _mm512_castpd256_pd512(first);
    return _mm512_castpd_ps(_mm512_insertf64x4(both, _mm256_castps_pd(_mm256_loadu_ps(q)), 1));
  }
  if (size == 4) {
    const float *q[4];
    for (int i = 0; i < 4; i++) q[i] = p + (int64_t)columns[i < n ? i : n - 1] * step * 4;
    vf x = _mm512_castps128_ps512(_mm_loadu_ps(q[0]));
    x = _mm512_insertf32x4(x, _mm_loadu_ps(q[1]), 1);
    x = _mm512_insertf32x4(x, _mm_loadu_ps(q[2]), 2);
    return _mm512_insertf32x4(x, _mm_loadu_ps(q[3]), 3);
  }
  vi index = _mm512_maskz_loadu_epi32(n < LANES ? v_first(n) : (__mmask16)-1, columns);
  if (size == 1) {
    return step == 2 ? _mm512_i32gather_ps(index, p, 8) : _mm512_i32gather_ps(index, p, 4);
  }
  vi wide = _mm512_cvtepi32_epi64(_mm512_castsi512_si256(index));
  if (step == 2) wide = _mm512_add_epi64(wide, wide);
  return _mm512_castpd_ps(_mm512_i64gather_pd(wide, p, 8));
}

static inline vf halves(vf a, vf b) {
  return _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x88), _mm512_shuffle_ps(a, b, 0xdd));
}
static inline vf quarters(vf a, vf b) {
  return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
}
/* `n` vectors (1, 2, 4, 8 or 16) hold LANES stretches of n numbers each, one after the other; lane i
 * of the result is the sum of stretch i. */
static inline vf v_sums(const vf *v, const int n) {
  if (n == 1) return v[0];
  if (n == 2) {
    vi order = _mm512_setr_epi32(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
    return _mm512_permutexvar_ps(order, halves(v[0], v[1]));
  }
  vf first = halves(halves(v[0], v[1]), halves(v[2], v[3]));
  if (n == 4) {
    vi order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm512_permutexvar_ps(order, first);
  }
  vf second = halves(halves(v[4], v[5]), halves(v[6], v[7]));
  if (n == 8) {
    vi order = _mm512_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15);
    return _mm512_permutexvar_ps(order, quarters(first, second));
  }
  vf third = halves(halves(v[8], v[9]), halves(v[10], v[11]));
  vf fourth = halves(halves(v[12], v[13]), halves(v[14], v[15]));
  return quarters(quarters(first, second), quarters(third, fourth));
}
