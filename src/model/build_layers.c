/* Each kind of layer put into a model, but for attention. */
#include <math.h>

#include "base/status.h"
#include "model/build.h"

static bool is_over_nodes(heed_model *model, const char *name, heed_value x) {
  if (heed__per_graph(model, x) <= 0) return true;
  (void)heed__model_failed(model, heed__fail(HEED_SHAPE,
                                             "layer %s: a value over graphs, whose rows have no "
                                             "positions",
                                             name));
  return false;
}

heed_value heed_model_positions(heed_model *model, const char *name, heed_value x, int64_t most) {
  char text[HEED__NAME_BYTES];
  if (!heed__model_name(model, text, name, "") || !heed__model_takes(model, name, x) ||
      !is_over_nodes(model, name, x)) {
    return -1;
  }
  if (most < 1 || most > INT32_MAX - 1) {
    return heed__model_failed(model, heed__fail(HEED_RANGE, "layer %s: %lld positions, not between 1 and %d",
                                                name, (long long)most, INT32_MAX - 1));
  }
  heed__layer layer = heed__layer_over(HEED__POSITIONS, x);
  heed_parameter shape = heed__weight_shape(most, heed__width_of(model, x));
  shape.transposed = false;
  layer.tensors[0] = heed__add_tensor(model, name, ".weight", shape, HEED__GLOROT);
  if (layer.tensors[0] < 0) return -1;
  return heed__add_layer(model, layer, heed__width_of(model, x), heed__per_graph(model, x));
}

heed_value heed_model_rotary(heed_model *model, heed_value x, int32_t heads, float base, bool halves) {
  if (!heed__model_takes(model, "rotary", x) || !is_over_nodes(model, "rotary", x)) return -1;
  int64_t width = heed__width_of(model, x);
  if (heads < 1 || width % heads != 0 || width / heads % 2 != 0) {
    return heed__model_failed(model, heed__fail(HEED_SHAPE,
                                                "layer rotary: %d heads do not divide a width of %lld "
                                                "into even parts",
                                                (int)heads, (long long)width));
  }
  if (!isfinite(base) || !(base > 1)) {
    return heed__model_failed(model, heed__fail(HEED_RANGE, "layer rotary: base %g, not finite and above 1",
                                                (double)base));
  }
  heed__layer layer = heed__layer_over(HEED__ROTARY, x);
  layer.heads = heads;
  layer.base = base;
  layer.halves = halves;
  return heed__add_layer(model, layer, width, heed__per_graph(model, x));
}

heed_value heed_model_linear(heed_model *model, const char *name, heed_value x, int64_t width,
                             bool bias) {
  char text[HEED__NAME_BYTES];
  if (!heed__model_name(model, text, name, "") || !heed__model_takes(model, name, x)) return -1;
  if (width < 1 || width > HEED__MOST_WIDTH) {
    return heed__model_failed(model, heed__fail(HEED_RANGE,
                                                "layer %s: width %lld, not between 1 "
                                                "and %lld",
                                                name, (long long)width,
                                                (long long)HEED__MOST_WIDTH));
  }
  heed__layer layer = heed__layer_over(HEED__LINEAR, x);
  int64_t fan_in = heed__width_of(model, x);
  layer.tensors[0] = heed__add_tensor(model, name, ".weight", heed__weight_shape(width, fan_in),
                                      model->by_fan_in ? HEED__FAN_IN : HEED__GLOROT);
  if (layer.tensors[0] < 0) return -1;
  model->tensors[layer.tensors[0]].fan_in = fan_in;
  if (bias) {
    layer.tensors[1] = heed__add_tensor(model, name, ".bias", heed__row_shape(width),
                                        model->by_fan_in ? HEED__FAN_IN : HEED__ZEROS);
    if (layer.tensors[1] < 0) return -1;
    model->tensors[layer.tensors[1]].fan_in = fan_in;
  }
  return heed__add_layer(model, layer, width, heed__per_graph(model, x));
}

heed_value heed_model_bias(heed_model *model, const char *name, heed_value x) {
  char text[HEED__NAME_BYTES];
  if (!heed__model_name(model, text, name, "") || !heed__model_takes(model, name, x)) return -1;
  heed__layer layer = heed__layer_over(HEED__BIAS, x);
  layer.tensors[0] = heed__add_tensor(model, name, "", heed__row_shape(heed__width_of(model, x)),
                                      HEED__ZEROS);
  if (layer.tensors[0] < 0) return -1;
  return heed__add_layer(model, layer, heed__width_of(model, x), heed__per_graph(model, x));
}

static bool is_probability(heed_model *model, const char *name, float p) {
  if (p >= 0 && p < 1) return true;
  (void)heed__model_failed(model, heed__fail(HEED_RANGE,
                                             "layer %s: dropout %g, not at least 0 and "
                                             "below 1",
                                             name, (double)p));
  return false;
}

heed_value heed_model_dropout(heed_model *model, heed_value x, float p) {
  if (!heed__model_takes(model, "dropout", x) || !is_probability(model, "dropout", p)) return -1;
  if (p == 0) return x;
  heed__layer layer = heed__layer_over(HEED__DROPOUT, x);
  layer.p = p;
  return heed__add_layer(model, layer, heed__width_of(model, x), heed__per_graph(model, x));
}

heed_value heed_model_activate(heed_model *model, heed_value x, heed_activation function) {
  if (!heed__model_takes(model, "activation", x)) return -1;
  if ((unsigned)function > HEED_ACTIVATION_TANH) {
    return heed__model_failed(
        model, heed__fail(HEED_ARGUMENT, "activation %d: there is none", (int)function));
  }
  if (function == HEED_ACTIVATION_NONE) return x;
  heed__layer layer = heed__layer_over(HEED__ACTIVATE, x);
  layer.activation = function;
  return heed__add_layer(model, layer, heed__width_of(model, x), heed__per_graph(model, x));
}

heed_value heed_model_normalize(heed_model *model, const char *name, heed_value x, heed_norm norm) {
  char text[HEED__NAME_BYTES];
  if (!heed__model_name(model, text, name, "") || !heed__model_takes(model, name, x)) return -1;
  if ((unsigned)norm > HEED_NORM_BATCH) {
    return heed__model_failed(
        model, heed__fail(HEED_ARGUMENT, "layer %s: norm %d: there is none", name, (int)norm));
  }
  if (norm == HEED_NORM_NONE) return x;
  int64_t width = heed__width_of(model, x);
  heed__layer layer = heed__layer_over(HEED__NORMALIZE, x);
  layer.norm = norm;
  layer.epsilon = model->epsilon;
  layer.tensors[0] = heed__add_tensor(model, name, ".weight", heed__row_shape(width), HEED__ONES);
  if (layer.tensors[0] < 0) return -1;
  layer.tensors[1] = heed__add_tensor(model, name, ".bias", heed__row_shape(width), HEED__ZEROS);
  if (layer.tensors[1] < 0) return -1;
  if (norm == HEED_NORM_BATCH) {
    heed_parameter state = {.n_dims = 1, .shape = {width, 0, 0}};
    layer.state = heed__add_tensor(model, name, ".running_mean", state, HEED__ZEROS);
    if (layer.state < 0) return -1;
    if (heed__add_tensor(model, name, ".running_var", state, HEED__ONES) < 0) return -1;
  }
  return heed__add_layer(model, layer, width, heed__per_graph(model, x));
}

heed_value heed_model_add(heed_model *model, heed_value x, heed_value y) {
  if (!heed__model_takes(model, "add", x) || !heed__model_takes(model, "add", y)) return -1;
  if (heed__width_of(model, x) != heed__width_of(model, y)) {
    return heed__model_failed(
        model, heed__fail(HEED_SHAPE, "layer add: a value of width %lld and one of width %lld",
                          (long long)heed__width_of(model, x),
                          (long long)heed__width_of(model, y)));
  }
  if (heed__per_graph(model, x) != heed__per_graph(model, y)) {
    return heed__model_failed(
        model, heed__fail(HEED_SHAPE,
                          "layer add: a value over nodes and one over graphs, or %d and %d rows a "
                          "graph (0: its nodes, -1: those of its context)",
                          (int)heed__per_graph(model, x), (int)heed__per_graph(model, y)));
  }
  heed__layer layer = heed__layer_over(HEED__ADD, x);
  layer.n_inputs = 2;
  layer.inputs[1] = y;
  return heed__add_layer(model, layer, heed__width_of(model, x), heed__per_graph(model, x));
}

heed_value heed__model_seeds(heed_model *model, const char *name, int32_t seeds, int64_t width) {
  if (!heed__model_takes(model, name, 0)) return -1;
  if (seeds < 1 || seeds > HEED__MOST_SEEDS) {
    return heed__model_failed(model,
                              heed__fail(HEED_RANGE, "layer %s: %d seeds, not between 1 and %lld",
                                         name, (int)seeds, (long long)HEED__MOST_SEEDS));
  }
  heed__layer layer = heed__layer_of(HEED__SEEDS);
  heed_parameter shape = heed__weight_shape(seeds, width);
  shape.transposed = false;
  layer.tensors[0] = heed__add_tensor(model, name, ".seeds", shape, HEED__GLOROT);
  if (layer.tensors[0] < 0) return -1;
  return heed__add_layer(model, layer, width, seeds);
}

heed_value heed_model_join_seeds(heed_model *model, heed_value x) {
  if (!heed__model_takes(model, "join seeds", x)) return -1;
  int32_t seeds = heed__per_graph(model, x);
  if (seeds <= 0) {
    return heed__model_failed(
        model, heed__fail(HEED_SHAPE, "layer join seeds: a value over nodes, not over graphs"));
  }
  int64_t width;
  if (__builtin_mul_overflow(heed__width_of(model, x), (int64_t)seeds, &width) ||
      width > HEED__MOST_WIDTH) {
    return heed__model_failed(
        model, heed__fail(HEED_RANGE, "layer join seeds: %d rows of %lld numbers side by side",
                          (int)seeds, (long long)heed__width_of(model, x)));
  }
  if (seeds == 1) return x;
  return heed__add_layer(model, heed__layer_over(HEED__JOIN, x), width, 1);
}

heed_value heed_model_head_mean(heed_model *model, heed_value x, int32_t heads) {
  if (!heed__model_takes(model, "head mean", x)) return -1;
  int64_t width = heed__width_of(model, x);
  if (heads < 1 || width % heads != 0) {
    return heed__model_failed(model, heed__fail(HEED_SHAPE,
                                                "layer head mean: %d heads do not "
                                                "divide a width of %lld",
                                                (int)heads, (long long)width));
  }
  if (heads == 1) return x;
  heed__layer layer = heed__layer_over(HEED__HEAD_MEAN, x);
  layer.heads = heads;
  return heed__add_layer(model, layer, width / heads, heed__per_graph(model, x));
}

heed_value heed_model_pool(heed_model *model, heed_value x, heed_pooling pooling) {
  if (!heed__model_takes(model, "pool", x)) return -1;
  if ((unsigned)pooling > HEED_POOLING_MAX) {
    return heed__model_failed(model,
                              heed__fail(HEED_ARGUMENT, "pooling %d: there is none", (int)pooling));
  }
  if (heed__per_graph(model, x) > 0) {
    return heed__model_failed(model, heed__fail(HEED_SHAPE,
                                                "layer pool: a value over graphs, "
                                                "pooled already"));
  }
  heed__layer layer = heed__layer_over(HEED__POOL, x);
  layer.pooling = pooling;
  return heed__add_layer(model, layer, heed__width_of(model, x), 1);
}
