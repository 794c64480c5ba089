/* Everything that is compiled once an instruction set: the including file has brought its vectors
 * (simd_*.h) and defines KERNELS, the table's name, and ISA, its name for people. Each of the bodies
 * stands on those before it. */
#include <stdint.h>
#include <string.h>

#include "attention/problem.h"

/* clang-format off: the order matters. */
#include "attention/math_body.h"
#include "attention/storage_body.h"
#include "attention/score_body.h"
#include "attention/sparse_body.h"
#include "attention/weights_body.h"
#include "attention/groups_body.h"
#include "attention/features_body.h"
#include "attention/stream_body.h"
#include "attention/stream_narrow_body.h"
#include "attention/nodes_body.h"
#include "attention/backward_body.h"
#include "attention/backward_groups_body.h"
#include "attention/dense_body.h"
#include "attention/dense_backward_body.h"
#include "attention/linear_body.h"
#include "attention/edges_body.h"
#include "attention/rate_body.h"
/* clang-format on */

const heed__kernels KERNELS = {
    .isa = ISA,
    .lanes = LANES,
    .sparse = sparse,
    .sparse_weights = sparse_weights,
    .sparse_narrow = sparse_narrow,
    .leaves_steep = leaves_steep,
    .steep_gradients = steep_gradients,
    .store_rows = store_rows,
    .dense = dense,
    .node_scores = node_scores,
    .weights = weights_of_row,
    .backward = backward_task,
    .backward_join = backward_join,
    .dense_backward = dense_backward,
    .linear_sum = linear_sum,
    .linear_apply = linear_apply,
    .linear_causal = linear_causal,
    .row_statistics = row_statistics,
    .node_gradients = node_gradients,
    .streams_features = streams_features,
    .edge_logits = edge_logits,
    .edge_values = edge_values,
    .edge_products = edge_products,
    .edge_gradients = edge_gradients,
    .edge_score_gradients = edge_score_gradients,
    .multiply_adds = multiply_adds,
    .exponentials = exponentials,
    .gather_rows = gather_rows,
};
