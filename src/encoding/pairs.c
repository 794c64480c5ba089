/* Pairs by the offset from query to key. */

#include <heed/encoding.h>

#include "base/status.h"
#include "mask/mask.h"

enum { MOST_LIMIT = 1000, MOST_LIMIT_3 = 50 };

static heed_status check(const char *what, const heed_mask *mask, const int32_t *coordinates,
                         int axes) {
  HEED__TRY(heed__mask_check_square(mask, what));
  if (axes < 1 || axes > 3) {
    return heed__fail(HEED_ARGUMENT, "%s: %d axes, not 1 to 3", what, axes);
  }
  if (coordinates == NULL && axes > 1) {
    return heed__fail(HEED_ARGUMENT, "%s: %d axes without coordinates", what, axes);
  }
  return HEED_OK;
}

/* Along one axis, from query i to key j. */
static int64_t offset(const int32_t *coordinates, int axes, int axis, int64_t i, int64_t j) {
  if (coordinates == NULL) return j - i;
  return (int64_t)coordinates[j * axes + axis] - coordinates[i * axes + axis];
}

int64_t heed_offset_classes(int axes, int32_t limit) {
  int64_t each = 2 * (int64_t)limit + 1, all = 1;
  for (int a = 0; a < axes; a++) all *= each;
  return all;
}

heed_status heed_pairs_offset(const heed_mask *mask, const int32_t *coordinates, int axes,
                              int32_t limit, int32_t *classes) {
  HEED__TRY(check("relative positions", mask, coordinates, axes));
  int most = axes == 3 ? MOST_LIMIT_3 : MOST_LIMIT;
  if (limit < 0 || limit > most) {
    return heed__fail(HEED_RANGE, "relative positions: limit %d, not between 0 and %d", (int)limit,
                      most);
  }
#pragma omp parallel for num_threads(heed_threads()) schedule(dynamic, 64)
  for (int64_t i = 0; i < mask->n_queries; i++) {
    int64_t first, n = heed__mask_row(mask, i, &first);
    for (int64_t a = 0; a < n; a++) {
      int64_t j = heed__mask_key(mask, i, a), class = 0;
      for (int axis = 0; axis < axes; axis++) {
        int64_t d = offset(coordinates, axes, axis, i, j);
        d = d < -limit ? -limit : d > limit ? limit : d;
        class = class * (2 * (int64_t)limit + 1) + d + limit;
      }
      classes[first + a] = (int32_t)class;
    }
  }
  return HEED_OK;
}

heed_status heed_pairs_quadratic(const heed_mask *mask, const int32_t *coordinates, int axes,
                                 float *features) {
  HEED__TRY(check("quadratic encoding", mask, coordinates, axes));
#pragma omp parallel for num_threads(heed_threads()) schedule(dynamic, 64)
  for (int64_t i = 0; i < mask->n_queries; i++) {
    int64_t first, n = heed__mask_row(mask, i, &first);
    for (int64_t a = 0; a < n; a++) {
      int64_t j = heed__mask_key(mask, i, a);
      float *to = features + (first + a) * (1 + axes);
      double square = 0;
      for (int axis = 0; axis < axes; axis++) {
        double d = (double)offset(coordinates, axes, axis, i, j);
        square += d * d;
        to[1 + axis] = (float)d;
      }
      to[0] = (float)square;
    }
  }
  return HEED_OK;
}

void heed_quadratic_weights(int32_t heads, int axes, const float *alpha, const float *centres,
                            float *weights) {
  for (int32_t h = 0; h < heads; h++) {
    float *to = weights + (int64_t)h * (1 + axes);
    to[0] = -alpha[h];
    for (int a = 0; a < axes; a++) to[1 + a] = 2 * alpha[h] * centres[(int64_t)h * axes + a];
  }
}
