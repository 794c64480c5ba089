/* Functions of vectors, compiled once an instruction set. */
#include <float.h>
#include <math.h>

#define INLINE static inline __attribute__((always_inline))

/* exp(x) for x <= 88: 2^n times a polynomial in the rest r, |r| <= log(2) / 2 (coefficients fitted
 * at Chebyshev nodes; relative error below 8e-8 before rounding). Below log(FLT_MIN) it is 0. */
INLINE vf v_exp(vf x) {
  const float lowest = -87.33654f;
  vf clamped = v_max(v_all(lowest), x);
  vf n = v_round(v_mul(clamped, v_all(1.44269504f)));
  vf r = v_fma(n, v_all(-0.693359375f), clamped);
  r = v_fma(n, v_all(2.12194440e-4f), r);
  vf p = v_all(1.3933643e-3f);
  p = v_fma(p, r, v_all(8.3631752e-3f));
  p = v_fma(p, r, v_all(4.16664667e-2f));
  p = v_fma(p, r, v_all(0.166665763f));
  p = v_fma(p, r, v_all(0.5f));
  p = v_fma(v_mul(p, r), r, r);
  p = v_add(p, v_all(1.0f));
  return v_where_less(x, v_all(lowest), v_zero(), v_scale(p, n));
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

INLINE vf v_leaky_relu(vf x, vf slope) {
  return v_fma(slope, v_min(x, v_zero()), v_max(v_zero(), x));
}
