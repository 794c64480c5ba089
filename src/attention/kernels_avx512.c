/* The kernels with the vectors of simd_avx512.h. */
#include "config.h"

#ifdef HEED_HAVE_AVX512
#include <stdint.h>
#include <string.h>

#include "attention/problem.h"
#include "base/random.h"
#include "base/status.h"
#include "matrix/product.h"

/* One after the other: each stands on those before it. */
#include "attention/simd_avx512.h"
/**/
#include "attention/math_body.h"
/**/
#include "attention/score_body.h"
/**/
#include "attention/sparse_body.h"
/**/
#include "attention/dense_body.h"
/**/
#include "attention/rate_body.h"

const heed__kernels heed__kernels_avx512 = {
    .isa = "avx512",
    .lanes = LANES,
    .sparse = sparse,
    .dense = dense,
    .node_scores = node_scores,
    .weights = weights_of_row,
    .multiply_adds = multiply_adds,
};

#else
typedef int heed__no_avx512;
#endif
