/* Functions of vectors, compiled once an instruction set. */
#include <float.h>
#include <math.h>

#define INLINE static inline __attribute__((always_inline))

/* Asks for the line of the cache that this address lies in, to be used after a while: into the second level, which
 * has room for many and does not hold up what is asked for after it (tests/bench/README.md). The empty statement of the
 * assembler keeps compilers from leaving out calls of functions that do nothing else, as gcc 12 did. */
INLINE void ask_for(const void *address) {
  __builtin_prefetch(address, 0, 2);
  __asm__ volatile("");
}

/* 0, 1, 2, ... */
INLINE vf v_numbers(void) {
  static const float numbers[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return v_load(numbers);
}

/* Vectors that are worked on side by side where their number is large: what one waits for, the others
 * fill. */
enum { SIDE_BY_SIDE = 4 };

/* exp(x) for x <= 88; below log(FLT_MIN) it is 0. exp(x) = p * 2^n, where adding 1.5 * 2^23 leaves no place for a
 * fraction of n, and p is a polynomial in the rest r, |r| <= log(2) / 2 (coefficients fitted at Chebyshev nodes;
 * relative error below 8e-8 before rounding). */
INLINE void v_exps(vf *x, const int count) {
  static const float coefficients[] = {8.3631752e-3f, 4.16664667e-2f, 0.166665763f, 0.5f, 1.0f, 1.0f};
  vf lowest = v_all(-87.33654f), shift = v_all(12582912.0f + 127);
  vf n[SIDE_BY_SIDE], r[SIDE_BY_SIDE], p[SIDE_BY_SIDE];
  for (int k = 0; k < count; k++) n[k] = v_fma(x[k], v_all(1.44269504f), shift);
  for (int k = 0; k < count; k++) r[k] = v_sub(n[k], shift);
  for (int k = 0; k < count; k++) p[k] = v_fma(r[k], v_all(-0.693359375f), x[k]);
  for (int k = 0; k < count; k++) r[k] = v_fma(r[k], v_all(2.12194440e-4f), p[k]);
  for (int k = 0; k < count; k++) p[k] = v_all(1.3933643e-3f);
#pragma GCC unroll 6
  for (int c = 0; c < 6; c++) {
    for (int k = 0; k < count; k++) p[k] = v_fma(p[k], r[k], v_all(coefficients[c]));
  }
  for (int k = 0; k < count; k++) x[k] = v_unless_less(x[k], lowest, v_scale(p[k], n[k]));
}

INLINE vf v_exp(vf x) {
  v_exps(&x, 1);
  return x;
}

/* log(x) for finite x > 0 that is not denormal, minus infinity at 0: x = 2^n (1 + r), r in
 * [-0.3, 0.42), log(1 + r) = r - r^2 / 2 + r^3 times a polynomial (fitted by least squares at Chebyshev
 * nodes; relative error below 4e-8 before rounding). */
INLINE vf v_log(vf x) {
  vf n = v_exponent(x), m = v_mantissa(x);
  vf large = v_all(1.41421356f);
  n = v_where_less(m, large, n, v_add(n, v_all(1.0f)));
  m = v_where_less(m, large, m, v_mul(m, v_all(0.5f)));
  vf r = v_sub(m, v_all(1.0f));
  vf p = v_all(0.0850695372f);
  p = v_fma(p, r, v_all(-0.141974717f));
  p = v_fma(p, r, v_all(0.149509788f));
  p = v_fma(p, r, v_all(-0.165879488f));
  p = v_fma(p, r, v_all(0.199605972f));
  p = v_fma(p, r, v_all(-0.250009686f));
  p = v_fma(p, r, v_all(0.333339721f));
  vf square = v_mul(r, r);
  p = v_fma(v_mul(p, r), square, v_fma(square, v_all(-0.5f), r));
  vf y = v_fma(n, v_all(0.693147181f), p);
  return v_where_less(v_zero(), x, y, v_sub(x, v_all(INFINITY)));
}

/* tanh(x): an odd polynomial near 0 (fitted like the above), else 1 - 2 / (exp(2 |x|) + 1). */
INLINE vf v_tanh(vf x) {
  vf size = v_min(v_all(10.0f), v_abs(x));
  vf square = v_mul(size, size);
  vf p = v_all(-6.104948e-3f);
  p = v_fma(p, square, v_all(2.10036412e-2f));
  p = v_fma(p, square, v_all(-5.38524985e-2f));
  p = v_fma(p, square, v_all(0.133327827f));
  p = v_fma(p, square, v_all(-0.333333284f));
  vf near = v_fma(v_mul(p, square), size, size);
  vf e = v_exp(v_mul(size, v_all(-2.0f)));
  vf far = v_div(v_sub(v_all(1.0f), e), v_add(v_all(1.0f), e));
  return v_sign(v_where_less(size, v_all(0.625f), near, far), x);
}

/* The numbers of the first n lanes, minus infinity in the others. */
INLINE vf v_first_or_nothing(vf x, int n) {
  return v_where_less(v_numbers(), v_all((float)n), x, v_all(-INFINITY));
}

/* p[0 .. n) again and again; n = 1, 2, 4, ... below LANES */
INLINE vf v_repeat(const float *p, const int n) {
  static const int32_t none[16] = {0};
  return n == 1 ? v_all(*p) : v_rows(p, none, n);
}

/* The same for any n = 1, 2, 4, ... up to LANES. */
INLINE vf v_repeat_heads(const float *p, int n) {
  switch (n) {
    case 1: return v_repeat(p, 1);
    case 2: return v_repeat(p, 2);
    case 4: return LANES > 4 ? v_repeat(p, 4) : v_load(p);
    case 8: return LANES > 8 ? v_repeat(p, 8) : v_load(p);
    default: return v_load(p);
  }
}

/* The slope of LeakyReLU: 1 above 0. */
INLINE vf v_leaky_slope(vf x, vf slope) {
  return v_where_less(v_zero(), x, v_all(1.0f), slope);
}

INLINE vf v_leaky_relu(vf x, vf slope) {
  return v_where_negative(x, v_mul(slope, x), x);
}

enum { QUADS = LANES / 2 };

/* 0, 1, 2, ... */
INLINE vq v_count(void) {
  static const uint64_t numbers[8] = {0, 1, 2, 3, 4, 5, 6, 7};
  vq count;
  memcpy(&count, numbers, sizeof count);
  return count;
}

/* heed__random4() for QUADS counters at once: Philox4x32-10 (Salmon et al. 2011). Numbers 0 and 1 of a
 * counter are the halves of `low`, 2 and 3 those of `high`, the lower half first. */
INLINE void random_halves(uint64_t seed, vq counter, vq *low, vq *high) {
  /* Upper halves hold what is left over; v_product() does not read them. */
  vq c0 = counter, c1 = counter >> 32, c2 = counter ^ counter, c3 = c2;
  c2 += DROPOUT_STREAM;
  uint32_t key0 = (uint32_t)seed, key1 = (uint32_t)(seed >> 32);
  for (int round = 0; round < 10; round++) {
    vq first = v_product(c0, 0xD2511F53u), second = v_product(c2, 0xCD9E8D57u);
    c0 = (second >> 32) ^ c1 ^ key0;
    c2 = (first >> 32) ^ c3 ^ key1;
    c1 = second;
    c3 = first;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  *low = (c0 & 0xffffffffu) | (c1 << 32);
  *high = (c2 & 0xffffffffu) | (c3 << 32);
}

/* The same, four numbers each into out [QUADS, 4]. */
INLINE void random_quads(uint64_t seed, vq counter, uint32_t *out) {
  vq low, high;
  random_halves(seed, counter, &low, &high);
  uint64_t pairs[2][QUADS];
  memcpy(pairs[0], &low, sizeof low);
  memcpy(pairs[1], &high, sizeof high);
  for (int q = 0; q < QUADS; q++) {
    uint32_t four[4] = {(uint32_t)pairs[0][q], (uint32_t)(pairs[0][q] >> 32),
                        (uint32_t)pairs[1][q], (uint32_t)(pairs[1][q] >> 32)};
    memcpy(out + 4 * q, four, sizeof four);
  }
}
