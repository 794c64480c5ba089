/* Places as waves: sinusoidal and rotary. Angles are taken in double precision. */
#include <heed/encoding.h>
#include <math.h>

#include "base/status.h"

static heed_status check_base(const char *what, double base) {
  if (isfinite(base) && base > 1) return HEED_OK;
  return heed__fail(HEED_RANGE, "%s: base %g, not finite and above 1", what, base);
}

/* PE of one position into n numbers. */
static void write_waves(double position, double base, int64_t n, float *to) {
  for (int64_t c = 0; c < n; c += 2) {
    double angle = position * pow(base, -(double)c / (double)n);
    to[c] = (float)sin(angle);
    if (c + 1 < n) to[c + 1] = (float)cos(angle);
  }
}

heed_status heed_encode_sinusoidal(const heed_matrix *to, const int32_t *positions, double base) {
  HEED__TRY(check_base("sinusoidal encoding", base));
  if (to->cols < 1) {
    return heed__fail(HEED_SHAPE, "sinusoidal encoding: %lld columns, not at least 1",
                      (long long)to->cols);
  }
#pragma omp parallel for num_threads(heed_threads()) schedule(static)
  for (int64_t i = 0; i < to->rows; i++) {
    double position = positions != NULL ? (double)positions[i] : (double)i;
    write_waves(position, base, to->cols, to->data + i * to->stride);
  }
  return HEED_OK;
}

static heed_status check_axes(const char *what, int axes) {
  if (axes >= 1 && axes <= 3) return HEED_OK;
  return heed__fail(HEED_ARGUMENT, "%s: %d axes, not 1 to 3", what, axes);
}

heed_status heed_encode_sinusoidal_grid(const heed_matrix *to, const int32_t *coordinates, int axes,
                                        double base) {
  HEED__TRY(check_base("sinusoidal encoding", base));
  HEED__TRY(check_axes("sinusoidal encoding", axes));
  if (to->cols < axes || to->cols % axes != 0) {
    return heed__fail(HEED_SHAPE, "sinusoidal encoding: %lld columns, not a multiple of %d axes",
                      (long long)to->cols, axes);
  }
  if (coordinates == NULL && to->rows > 0) {
    return heed__fail(HEED_ARGUMENT, "sinusoidal encoding: a grid without coordinates");
  }
  int64_t each = to->cols / axes;
#pragma omp parallel for num_threads(heed_threads()) schedule(static)
  for (int64_t i = 0; i < to->rows; i++) {
    for (int a = 0; a < axes; a++) {
      write_waves((double)coordinates[i * axes + a], base, each, to->data + i * to->stride + a * each);
    }
  }
  return HEED_OK;
}

heed_status heed_grid_coordinates(int axes, const int64_t *sizes, int32_t *coordinates) {
  HEED__TRY(check_axes("grid", axes));
  int64_t n = 1;
  for (int a = 0; a < axes; a++) {
    if (sizes[a] < 1) {
      return heed__fail(HEED_RANGE, "grid: size %lld of axis %d, not at least 1",
                        (long long)sizes[a], a + 1);
    }
    if (__builtin_mul_overflow(n, sizes[a], &n) || n > INT32_MAX) {
      return heed__fail(HEED_RANGE, "grid: more than %d places up to axis %d", INT32_MAX, a + 1);
    }
  }
  for (int64_t i = 0; i < n; i++) {
    int64_t rest = i;
    for (int a = axes - 1; a >= 0; a--) {
      coordinates[i * axes + a] = (int32_t)(rest % sizes[a]);
      rest /= sizes[a];
    }
  }
  return HEED_OK;
}

heed_status heed_encode_rotary(const heed_matrix *x, int32_t heads, const int32_t *positions,
                               double base, bool halves, bool back) {
  HEED__TRY(check_base("rotary encoding", base));
  if (heads < 1 || x->cols < 1 || x->cols % heads != 0 || x->cols / heads % 2 != 0) {
    return heed__fail(HEED_SHAPE, "rotary encoding: %lld columns and %d heads, which do not make even parts",
                      (long long)x->cols, (int)heads);
  }
  int64_t dim = x->cols / heads, apart = halves ? dim / 2 : 1, step = halves ? 1 : 2;
#pragma omp parallel for num_threads(heed_threads()) schedule(static)
  for (int64_t i = 0; i < x->rows; i++) {
    double position = positions != NULL ? (double)positions[i] : (double)i;
    for (int64_t c = 0; c < dim / 2; c++) {
      double angle = position * pow(base, -2 * (double)c / (double)dim);
      double cosine = cos(angle), sine = back ? -sin(angle) : sin(angle);
      for (int64_t h = 0; h < heads; h++) {
        float *at = x->data + i * x->stride + h * dim + c * step;
        double u = at[0], v = at[apart];
        at[0] = (float)(u * cosine - v * sine);
        at[apart] = (float)(u * sine + v * cosine);
      }
    }
  }
  return HEED_OK;
}
