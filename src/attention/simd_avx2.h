/* Vectors of 8 floats, AVX2 with FMA. The same names as in simd_avx512.h, which explains them. */
#include <immintrin.h>
#include <stdbool.h>

enum { LANES = 8 };

typedef __m256 vf;
typedef __m256i vi;

typedef uint64_t vq __attribute__((vector_size(32)));
static inline vq v_product(vq x, uint32_t m) {
  return (vq)_mm256_mul_epu32((__m256i)x, _mm256_set1_epi64x((int64_t)m));
}
static inline void v_zip(vq a, vq b, vq both[2]) {
  both[0] = __builtin_shufflevector(a, b, 0, 4, 1, 5);
  both[1] = __builtin_shufflevector(a, b, 2, 6, 3, 7);
}

static inline vf v_zero(void) { return _mm256_setzero_ps(); }
static inline vf v_all(float x) { return _mm256_set1_ps(x); }
static inline vf v_load(const float *p) { return _mm256_loadu_ps(p); }
static inline void v_store(float *p, vf x) { _mm256_storeu_ps(p, x); }
typedef uint32_t vn __attribute__((vector_size(32)));
static inline vn v_lane(void) { return (vn){0, 1, 2, 3, 4, 5, 6, 7}; }
static inline vn v_larger_size(vn a, vf x) {
  vi size = _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(0x7fffffff));
  return (vn)_mm256_max_epu32((vi)a, size);
}
static inline vi v_first(int n) { return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), (vi)v_lane()); }
static inline vf v_load_first(const float *p, int n) { return _mm256_maskload_ps(p, v_first(n)); }
static inline void v_store_first(float *p, vf x, int n) { _mm256_maskstore_ps(p, v_first(n), x); }
static inline __attribute__((always_inline)) vf v_load_part(const float *p, const int n) {
  if (n >= 8) return v_load(p);
  if (n == 4) return _mm256_zextps128_ps256(_mm_loadu_ps(p));
  return _mm256_zextps128_ps256(
      n == 1 ? _mm_load_ss(p) : _mm_castpd_ps(_mm_load_sd((const double *)(const void *)p)));
}
static inline vf v_add(vf a, vf b) { return _mm256_add_ps(a, b); }
static inline vf v_sub(vf a, vf b) { return _mm256_sub_ps(a, b); }
static inline vf v_mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
static inline vf v_div(vf a, vf b) { return _mm256_div_ps(a, b); }
static inline vf v_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
static inline vf v_max(vf a, vf b) { return _mm256_max_ps(a, b); }
static inline vf v_min(vf a, vf b) { return _mm256_min_ps(a, b); }
static inline vf v_where_less(vf a, vf b, vf x, vf y) {
  return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}
static inline vf v_unless_less(vf a, vf b, vf x) {
  return _mm256_andnot_ps(_mm256_cmp_ps(a, b, _CMP_LT_OQ), x);
}
static inline vf v_where_negative(vf a, vf x, vf y) { return _mm256_blendv_ps(y, x, a); }
static inline vf v_abs(vf a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
static inline vf v_sign(vf a, vf b) {
  vf bit = _mm256_set1_ps(-0.0f);
  return _mm256_or_ps(_mm256_andnot_ps(bit, a), _mm256_and_ps(bit, b));
}
static inline vf v_scale(vf p, vf n) {
  return _mm256_mul_ps(p, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(n), 23)));
}
static inline vf v_partner(vf x, int step) {
  return _mm256_permutevar8x32_ps(x, _mm256_xor_si256((vi)v_lane(), _mm256_set1_epi32(step)));
}
static inline vf v_pick(const float *p, const int32_t *index) {
  return _mm256_permutevar8x32_ps(_mm256_loadu_ps(p),
                                  _mm256_loadu_si256((const __m256i *)(const void *)index));
}
static inline vf v_permute(vf x, vi order) { return _mm256_permutevar8x32_ps(x, order); }
static inline vf v_rows(const float *rows, const int32_t *columns, const int n) {
  if (n == 1) {
    return _mm256_i32gather_ps(rows, _mm256_loadu_si256((const __m256i *)(const void *)columns), 4);
  }
  if (n == 2) {
    __m128i four = _mm_loadu_si128((const __m128i *)(const void *)columns);
    return _mm256_castpd_ps(_mm256_i32gather_pd((const double *)(const void *)rows, four, 8));
  }
  __m128 low = _mm_loadu_ps(rows + (int64_t)columns[0] * 4);
  __m128 high = _mm_loadu_ps(rows + (int64_t)columns[1] * 4);
  return _mm256_insertf128_ps(_mm256_castps128_ps256(low), high, 1);
}
/* columns[d] = number d of each of LANES rows. */
static inline void v_columns(const float *rows, int64_t stride, vf *columns) {
  for (int half = 0; half < LANES; half += 4, rows += 4) {
    vf x[4];
    for (int r = 0; r < 4; r++) {
      const float *low = rows + r * stride, *high = low + 4 * stride;
      x[r] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(low)), _mm_loadu_ps(high), 1);
    }
    vf first = _mm256_unpacklo_ps(x[0], x[1]), second = _mm256_unpacklo_ps(x[2], x[3]);
    columns[half] = _mm256_shuffle_ps(first, second, 0x44);
    columns[half + 1] = _mm256_shuffle_ps(first, second, 0xee);
    first = _mm256_unpackhi_ps(x[0], x[1]), second = _mm256_unpackhi_ps(x[2], x[3]);
    columns[half + 2] = _mm256_shuffle_ps(first, second, 0x44);
    columns[half + 3] = _mm256_shuffle_ps(first, second, 0xee);
  }
}
static inline vf v_exponent(vf x) {
  vi bits = _mm256_srli_epi32(_mm256_castps_si256(x), 23);
  return _mm256_cvtepi32_ps(_mm256_sub_epi32(bits, _mm256_set1_epi32(127)));
}
static inline vf v_mantissa(vf x) {
  vi bits = _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(0x7fffff));
  return _mm256_castsi256_ps(_mm256_or_si256(bits, _mm256_set1_epi32(127 << 23)));
}
static inline __attribute__((always_inline)) vf v_stretches(const float *p, const int step,
                                                            const int32_t *columns, int n,
                                                            const int size) {
  if (size == 8) return v_load(p + (int64_t)columns[0] * step * 8);
  if (size == 4) {
    const float *q = p + (int64_t)columns[n > 1] * step * 4;
    vf first = _mm256_castps128_ps256(_mm_loadu_ps(p + (int64_t)columns[0] * step * 4));
    return _mm256_insertf128_ps(first, _mm_loadu_ps(q), 1);
  }
  vi index = _mm256_maskload_epi32(columns, v_first(n));
  if (size == 1) return step == 2 ? _mm256_i32gather_ps(p, index, 8) : _mm256_i32gather_ps(p, index, 4);
  vi wide = _mm256_cvtepi32_epi64(_mm256_castsi256_si128(index));
  if (step == 2) wide = _mm256_add_epi64(wide, wide);
  return _mm256_castpd_ps(_mm256_i64gather_pd((const double *)(const void *)p, wide, 8));
}

/* p[r] in all lanes, r < LANES */
static inline __attribute__((always_inline)) vf v_one_of(const float *p, const int r) {
  vf four = _mm256_broadcast_ps((const __m128 *)(const void *)(p + r / 4 * 4));
  switch (r % 4) {
    case 0: return _mm256_permute_ps(four, 0x00);
    case 1: return _mm256_permute_ps(four, 0x55);
    case 2: return _mm256_permute_ps(four, 0xaa);
    default: return _mm256_permute_ps(four, 0xff);
  }
}

/* Neighbours added, in each half those of x and then those of y: as vhaddps does, in fewer cycles. */
static inline vf v_neighbours(vf x, vf y) {
  return _mm256_add_ps(_mm256_shuffle_ps(x, y, 0x88), _mm256_shuffle_ps(x, y, 0xdd));
}

static inline vf v_sums(const vf *v, const int n) {
  if (n == 1) return v[0];
  if (n == 2) {
    vi order = _mm256_setr_epi32(0, 1, 4, 5, 2, 3, 6, 7);
    return _mm256_permutevar8x32_ps(v_neighbours(v[0], v[1]), order);
  }
  vf first = v_neighbours(v_neighbours(v[0], v[1]), v_neighbours(v[2], v[3]));
  if (n == 4) {
    vi order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    return _mm256_permutevar8x32_ps(first, order);
  }
  vf second = v_neighbours(v_neighbours(v[4], v[5]), v_neighbours(v[6], v[7]));
  return _mm256_add_ps(_mm256_permute2f128_ps(first, second, 0x20),
                       _mm256_permute2f128_ps(first, second, 0x31));
}
