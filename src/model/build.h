/* What the files that build a model share: layers and tensors join it, with the shapes that tensors have. */
#ifndef HEED_SRC_MODEL_BUILD_H
#define HEED_SRC_MODEL_BUILD_H

#include "model/model.h"

/* Most columns of a value: columns are counted in 32 bits. */
enum { HEED__MOST_WIDTH = INT32_MAX };

/* A layer without tensors; over nothing, and over one value. */
heed__layer heed__layer_of(heed__kind kind);
heed__layer heed__layer_over(heed__kind kind, heed_value x);

/* Adds a layer that gives a value of `width`. Takes over the name, also when it fails. */
heed_value heed__add_layer(heed_model *model, heed__layer layer, int64_t width, int32_t per_graph);

/* Adds a tensor; -1 and a failure kept if its name is used already or memory is out. */
int heed__add_tensor(heed_model *model, const char *name, const char *suffix, heed_parameter is,
                     heed__start start);

/* Trained: a weight [rows, cols], a row [cols] that does not decay, a vector a head [1, heads, dim]. */
heed_parameter heed__weight_shape(int64_t rows, int64_t cols);
heed_parameter heed__row_shape(int64_t cols);
heed_parameter heed__vectors_shape(int32_t heads, int32_t dim);

static inline int64_t heed__width_of(const heed_model *model, heed_value x) {
  return model->values[x].width;
}

static inline int32_t heed__per_graph(const heed_model *model, heed_value x) {
  return model->values[x].per_graph;
}

#endif
