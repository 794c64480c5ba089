/* The kernels with the vectors of simd_portable.h. */
#include "config.h"

#include <stdint.h>
#include <string.h>

#include "attention/problem.h"
#include "base/random.h"
#include "base/status.h"
#include "matrix/product.h"

/* One after the other: each stands on those before it. */
#include "attention/simd_portable.h"
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

const heed__kernels heed__kernels_portable = {
    .isa = "portable",
    .lanes = LANES,
    .sparse = sparse,
    .dense = dense,
    .node_scores = node_scores,
    .weights = weights_of_row,
    .multiply_adds = multiply_adds,
};
