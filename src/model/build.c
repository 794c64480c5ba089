/* Building a model layer by layer: sizes and names are checked here, nothing is computed. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "model/model.h"

/* Most columns of a value: columns are counted in 32 bits. */
static const int64_t MOST_WIDTH = INT32_MAX;

heed_value heed__model_failed(heed_model *model, heed_status status) {
  if (model->status == HEED_OK) {
    model->status = status;
    snprintf(model->message, sizeof model->message, "%s", heed_message());
  }
  return -1;
}

bool heed__model_takes(heed_model *model, const char *name, heed_value x) {
  if (model->status != HEED_OK) return false;
  if (model->finished) {
    (void)heed__fail(HEED_ARGUMENT, "layer %s: the model is finished", name);
    return false;
  }
  if (x < 0 || x >= model->n_values) {
    heed_status status = heed__fail(HEED_ARGUMENT, "layer %s: there is no value %d among %d", name,
                                    (int)x, model->n_values);
    (void)heed__model_failed(model, status);
    return false;
  }
  return true;
}

bool heed__model_name(heed_model *model, char text[HEED__NAME_BYTES], const char *name,
                      const char *suffix) {
  heed_status status = HEED_OK;
  if (model->status != HEED_OK) return false;
  if (name == NULL || name[0] == '\0') {
    status = heed__fail(HEED_ARGUMENT, "a layer without a name");
  } else if (snprintf(text, HEED__NAME_BYTES, "%s%s", name, suffix) >= HEED__NAME_BYTES) {
    status = heed__fail(HEED_ARGUMENT, "layer %.40s...: a name of %zu bytes is too long", name,
                        strlen(name));
  }
  if (status != HEED_OK) (void)heed__model_failed(model, status);
  return status == HEED_OK;
}

/* Room for one more of `count` items of `size` bytes. */
static bool grow(heed_model *model, void **items, int count, int *room, size_t size) {
  if (count < *room) return true;
  int larger = *room == 0 ? 16 : 2 * *room;
  void *grown = heed__realloc(*items, (size_t)larger, size);
  if (grown == NULL) {
    (void)heed__model_failed(model, HEED_NOMEM);
    return false;
  }
  *items = grown;
  *room = larger;
  return true;
}

static heed__layer layer_of(heed__kind kind) {
  return (heed__layer){.kind = kind, .tensors = {-1, -1}, .edge_tensors = {-1, -1}, .relative = -1, .state = -1};
}

static heed__layer layer_over(heed__kind kind, heed_value x) {
  heed__layer layer = layer_of(kind);
  layer.n_inputs = 1;
  layer.inputs[0] = x;
  return layer;
}

/* Adds a layer that gives a value of `width`. Takes over the name, also when it fails. */
static heed_value add_layer(heed_model *model, heed__layer layer, int64_t width,
                            int32_t per_graph) {
  void *layers = model->layers, *values = model->values;
  bool fits = grow(model, &layers, model->n_layers, &model->room_layers, sizeof *model->layers);
  model->layers = layers;
  fits = fits && grow(model, &values, model->n_values, &model->room_values, sizeof *model->values);
  model->values = values;
  if (!fits) {
    heed__free(layer.name);
    return -1;
  }
  layer.output = model->n_values;
  model->values[model->n_values++] =
      (heed__value){.width = width, .layer = model->n_layers, .per_graph = per_graph};
  model->layers[model->n_layers++] = layer;
  return layer.output;
}

static int64_t width_of(const heed_model *model, heed_value x) { return model->values[x].width; }

static int32_t per_graph(const heed_model *model, heed_value x) {
  return model->values[x].per_graph;
}

/* Adds a tensor; -1 and a failure kept if its name is used already or memory is out. */
static int add_tensor(heed_model *model, const char *name, const char *suffix, heed_parameter is,
                      heed__start start) {
  char text[HEED__NAME_BYTES];
  if (!heed__model_name(model, text, name, suffix)) return -1;
  for (int i = 0; i < model->n_tensors; i++) {
    if (strcmp(model->tensors[i].name, text) == 0) {
      return heed__model_failed(
          model, heed__fail(HEED_ARGUMENT, "layer %s: the name %s is used twice", name, text));
    }
  }
  int64_t *count = is.trained ? &model->n_parameters : &model->n_state;
  is.size = 1;
  bool fits = true;
  for (int i = 0; i < is.n_dims; i++) {
    fits = fits && !__builtin_mul_overflow(is.size, is.shape[i], &is.size);
  }
  is.offset = *count;
  fits = fits && !__builtin_add_overflow(*count, is.size, count) &&
         *count <= (int64_t)(PTRDIFF_MAX / sizeof(float));
  if (!fits) {
    return heed__model_failed(
        model, heed__fail(HEED_OVERFLOW, "layer %s: the parameters up to %s do not fit in memory",
                          name, text));
  }
  void *tensors = model->tensors;
  bool grown =
      grow(model, &tensors, model->n_tensors, &model->room_tensors, sizeof *model->tensors);
  model->tensors = tensors;
  if (!grown) return -1;
  char *copy = heed__strdup(text);
  if (copy == NULL) return heed__model_failed(model, HEED_NOMEM);
  is.name = copy;
  model->tensors[model->n_tensors] = (heed__tensor){.is = is, .start = start, .name = copy};
  return model->n_tensors++;
}

static heed_parameter weight_shape(int64_t rows, int64_t cols) {
  return (heed_parameter){
      .n_dims = 2, .shape = {rows, cols, 0}, .transposed = true, .decays = true, .trained = true};
}

static heed_parameter row_shape(int64_t cols) {
  return (heed_parameter){.n_dims = 1, .shape = {cols, 0, 0}, .trained = true};
}

static heed_parameter vectors_shape(int32_t heads, int32_t dim) {
  return (heed_parameter){.n_dims = 3, .shape = {1, heads, dim}, .decays = true, .trained = true};
}

heed_status heed_model_new(heed_model **result, int64_t features) {
  *result = NULL;
  if (features < 1 || features > MOST_WIDTH) {
    return heed__fail(HEED_RANGE, "model: %lld features, not between 1 and %lld",
                      (long long)features, (long long)MOST_WIDTH);
  }
  heed_model *model = heed__alloc_zero(1, sizeof *model);
  if (model == NULL) return HEED_NOMEM;
  model->output = -1;
  model->context = -1;
  model->epsilon = 1e-5F;
  if (add_layer(model, layer_of(HEED__FEATURES), features, 0) < 0) {
    heed_status status = model->status;
    heed_model_free(model);
    return status;
  }
  *result = model;
  return HEED_OK;
}

void heed_model_free(heed_model *model) {
  if (model == NULL) return;
  for (int i = 0; i < model->n_layers; i++) heed__free(model->layers[i].name);
  for (int i = 0; i < model->n_tensors; i++) heed__free(model->tensors[i].name);
  heed__free(model->layers);
  heed__free(model->values);
  heed__free(model->tensors);
  heed__free(model->parameters);
  heed__free(model->state);
  heed__free(model);
}

heed_value heed_model_features(heed_model *model) {
  return heed__model_takes(model, "features", 0) ? 0 : -1;
}

heed_status heed_model_edges(heed_model *model, int64_t features) {
  if (model->finished) return heed__fail(HEED_ARGUMENT, "edges: the model is finished");
  if (features < 0 || features > HEED__MOST_EDGES) {
    return heed__fail(HEED_RANGE, "edges: %lld features of a pair, not between 0 and %lld",
                      (long long)features, (long long)HEED__MOST_EDGES);
  }
  for (int l = 0; l < model->n_layers; l++) {
    if (model->layers[l].edges == HEED_EDGES_NONE || features == model->edge_features) continue;
    return heed__fail(HEED_ARGUMENT, "edges: layer %s has taken pairs of %lld features, not %lld",
                      model->layers[l].name, (long long)model->edge_features, (long long)features);
  }
  model->edge_features = features;
  return HEED_OK;
}

heed_status heed_model_pair_classes(heed_model *model, int64_t classes) {
  if (model->finished) return heed__fail(HEED_ARGUMENT, "pair classes: the model is finished");
  if (classes < 0 || classes > HEED__MOST_CLASSES) {
    return heed__fail(HEED_RANGE, "pair classes: %lld, not between 0 and %lld", (long long)classes,
                      (long long)HEED__MOST_CLASSES);
  }
  for (int l = 0; l < model->n_layers; l++) {
    if (model->layers[l].relative < 0 || classes == model->pair_classes) continue;
    return heed__fail(HEED_ARGUMENT, "pair classes: layer %s has learned of %lld, not %lld",
                      model->layers[l].name, (long long)model->pair_classes, (long long)classes);
  }
  model->pair_classes = classes;
  return HEED_OK;
}

heed_status heed_model_flip_columns(heed_model *model, int64_t first, int64_t count) {
  int64_t there = heed_model_feature_count(model);
  if (model->finished) return heed__fail(HEED_ARGUMENT, "flip columns: the model is finished");
  if (first < 0 || count < 0 || first > there || count > there - first) {
    return heed__fail(HEED_RANGE, "flip columns: %lld from %lld on, of %lld features",
                      (long long)count, (long long)first, (long long)there);
  }
  model->flip_first = first;
  model->flip_columns = count;
  return HEED_OK;
}

static bool is_over_nodes(heed_model *model, const char *name, heed_value x) {
  if (per_graph(model, x) <= 0) return true;
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
  heed__layer layer = layer_over(HEED__POSITIONS, x);
  heed_parameter shape = weight_shape(most, width_of(model, x));
  shape.transposed = false;
  layer.tensors[0] = add_tensor(model, name, ".weight", shape, HEED__GLOROT);
  if (layer.tensors[0] < 0) return -1;
  return add_layer(model, layer, width_of(model, x), per_graph(model, x));
}

heed_value heed_model_rotary(heed_model *model, heed_value x, int32_t heads, float base, bool halves) {
  if (!heed__model_takes(model, "rotary", x) || !is_over_nodes(model, "rotary", x)) return -1;
  int64_t width = width_of(model, x);
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
  heed__layer layer = layer_over(HEED__ROTARY, x);
  layer.heads = heads;
  layer.base = base;
  layer.halves = halves;
  return add_layer(model, layer, width, per_graph(model, x));
}

heed_value heed_model_relative_bias(heed_model *model, heed_value attention) {
  if (!heed__model_takes(model, "relative bias", attention)) return -1;
  heed__layer *layer = model->layers + model->values[attention].layer;
  heed_status status = HEED_OK;
  if (layer->kind != HEED__ATTENTION) {
    status = heed__fail(HEED_ARGUMENT, "layer relative bias: value %d does not come from attention",
                        (int)attention);
  } else if (layer->scope != HEED_SCOPE_MASKED) {
    status = heed__fail(HEED_ARGUMENT, "layer %s: relative bias, but it is not masked", layer->name);
  } else if (per_graph(model, layer->inputs[0]) != 0 || per_graph(model, layer->inputs[1]) != 0) {
    status = heed__fail(HEED_ARGUMENT, "layer %s: relative bias, but it is not among nodes", layer->name);
  } else if (model->pair_classes == 0) {
    status = heed__fail(HEED_ARGUMENT, "layer %s: relative bias, but pairs have no classes, see "
                        "heed_model_pair_classes()", layer->name);
  }
  if (status != HEED_OK) return heed__model_failed(model, status);
  heed_parameter shape = weight_shape(model->pair_classes, layer->spec.heads);
  shape.transposed = false;
  shape.decays = false;
  int tensor = add_tensor(model, layer->name, ".relative_bias", shape, HEED__ZEROS);
  if (tensor < 0) return -1;
  layer->relative = tensor;
  return attention;
}

heed_value heed_model_linear(heed_model *model, const char *name, heed_value x, int64_t width,
                             bool bias) {
  char text[HEED__NAME_BYTES];
  if (!heed__model_name(model, text, name, "") || !heed__model_takes(model, name, x)) return -1;
  if (width < 1 || width > MOST_WIDTH) {
    return heed__model_failed(model, heed__fail(HEED_RANGE,
                                                "layer %s: width %lld, not between 1 "
                                                "and %lld",
                                                name, (long long)width, (long long)MOST_WIDTH));
  }
  heed__layer layer = layer_over(HEED__LINEAR, x);
  int64_t fan_in = width_of(model, x);
  layer.tensors[0] = add_tensor(model, name, ".weight", weight_shape(width, fan_in),
                                model->by_fan_in ? HEED__FAN_IN : HEED__GLOROT);
  if (layer.tensors[0] < 0) return -1;
  model->tensors[layer.tensors[0]].fan_in = fan_in;
  if (bias) {
    layer.tensors[1] = add_tensor(model, name, ".bias", row_shape(width),
                                  model->by_fan_in ? HEED__FAN_IN : HEED__ZEROS);
    if (layer.tensors[1] < 0) return -1;
    model->tensors[layer.tensors[1]].fan_in = fan_in;
  }
  return add_layer(model, layer, width, per_graph(model, x));
}

heed_value heed_model_context(heed_model *model, int64_t features) {
  if (!heed__model_takes(model, "context", 0)) return -1;
  if (features < 1 || features > MOST_WIDTH) {
    return heed__model_failed(
        model, heed__fail(HEED_RANGE, "model: a context of %lld features, not between 1 and %lld",
                          (long long)features, (long long)MOST_WIDTH));
  }
  if (model->context >= 0) {
    return heed__model_failed(model, heed__fail(HEED_ARGUMENT, "model: it has a context already"));
  }
  model->context = add_layer(model, layer_of(HEED__FEATURES), features, HEED__CONTEXT);
  return model->context;
}

heed_status heed_model_epsilon(heed_model *model, float epsilon) {
  if (model->finished) return heed__fail(HEED_ARGUMENT, "model: it is finished");
  if (!(epsilon > 0) || !isfinite(epsilon)) {
    return heed__fail(HEED_RANGE, "model: epsilon %g, not above 0 and finite", (double)epsilon);
  }
  model->epsilon = epsilon;
  return HEED_OK;
}

heed_value heed_model_bias(heed_model *model, const char *name, heed_value x) {
  char text[HEED__NAME_BYTES];
  if (!heed__model_name(model, text, name, "") || !heed__model_takes(model, name, x)) return -1;
  heed__layer layer = layer_over(HEED__BIAS, x);
  layer.tensors[0] = add_tensor(model, name, "", row_shape(width_of(model, x)), HEED__ZEROS);
  if (layer.tensors[0] < 0) return -1;
  return add_layer(model, layer, width_of(model, x), per_graph(model, x));
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
  heed__layer layer = layer_over(HEED__DROPOUT, x);
  layer.p = p;
  return add_layer(model, layer, width_of(model, x), per_graph(model, x));
}

heed_value heed_model_activate(heed_model *model, heed_value x, heed_activation function) {
  if (!heed__model_takes(model, "activation", x)) return -1;
  if ((unsigned)function > HEED_ACTIVATION_TANH) {
    return heed__model_failed(
        model, heed__fail(HEED_ARGUMENT, "activation %d: there is none", (int)function));
  }
  if (function == HEED_ACTIVATION_NONE) return x;
  heed__layer layer = layer_over(HEED__ACTIVATE, x);
  layer.activation = function;
  return add_layer(model, layer, width_of(model, x), per_graph(model, x));
}

heed_value heed_model_normalize(heed_model *model, const char *name, heed_value x, heed_norm norm) {
  char text[HEED__NAME_BYTES];
  if (!heed__model_name(model, text, name, "") || !heed__model_takes(model, name, x)) return -1;
  if ((unsigned)norm > HEED_NORM_BATCH) {
    return heed__model_failed(
        model, heed__fail(HEED_ARGUMENT, "layer %s: norm %d: there is none", name, (int)norm));
  }
  if (norm == HEED_NORM_NONE) return x;
  int64_t width = width_of(model, x);
  heed__layer layer = layer_over(HEED__NORMALIZE, x);
  layer.norm = norm;
  layer.epsilon = model->epsilon;
  layer.tensors[0] = add_tensor(model, name, ".weight", row_shape(width), HEED__ONES);
  if (layer.tensors[0] < 0) return -1;
  layer.tensors[1] = add_tensor(model, name, ".bias", row_shape(width), HEED__ZEROS);
  if (layer.tensors[1] < 0) return -1;
  if (norm == HEED_NORM_BATCH) {
    heed_parameter state = {.n_dims = 1, .shape = {width, 0, 0}};
    layer.state = add_tensor(model, name, ".running_mean", state, HEED__ZEROS);
    if (layer.state < 0) return -1;
    if (add_tensor(model, name, ".running_var", state, HEED__ONES) < 0) return -1;
  }
  return add_layer(model, layer, width, per_graph(model, x));
}

heed_value heed_model_add(heed_model *model, heed_value x, heed_value y) {
  if (!heed__model_takes(model, "add", x) || !heed__model_takes(model, "add", y)) return -1;
  if (width_of(model, x) != width_of(model, y)) {
    return heed__model_failed(
        model, heed__fail(HEED_SHAPE, "layer add: a value of width %lld and one of width %lld",
                          (long long)width_of(model, x), (long long)width_of(model, y)));
  }
  if (per_graph(model, x) != per_graph(model, y)) {
    return heed__model_failed(
        model, heed__fail(HEED_SHAPE,
                          "layer add: a value over nodes and one over graphs, or %d and %d rows a "
                          "graph (0: its nodes, -1: those of its context)",
                          (int)per_graph(model, x), (int)per_graph(model, y)));
  }
  heed__layer layer = layer_over(HEED__ADD, x);
  layer.n_inputs = 2;
  layer.inputs[1] = y;
  return add_layer(model, layer, width_of(model, x), per_graph(model, x));
}

static heed_status check_attention(const heed_model *model, const char *name,
                                   const heed_attention_spec *spec, heed_scope scope,
                                   const heed_value values[3]) {
  static const char *const names[3] = {"queries", "keys", "values"};
  if ((unsigned)spec->score > HEED_SCORE_ADDITIVE ||
      (unsigned)spec->normalizer > HEED_NORMALIZER_LINEAR ||
      (unsigned)spec->kernel > HEED_KERNEL_REFERENCE || (unsigned)scope > HEED_SCOPE_FULL) {
    return heed__fail(HEED_ARGUMENT,
                      "layer %s: score %d, normalizer %d, kernel %d, scope %d: there is none", name,
                      (int)spec->score, (int)spec->normalizer, (int)spec->kernel, (int)scope);
  }
  if (spec->heads < 1 || spec->key_dim < 1 || spec->value_dim < 1) {
    return heed__fail(HEED_RANGE, "layer %s: %d heads of %d and %d numbers, not at least 1", name,
                      (int)spec->heads, (int)spec->key_dim, (int)spec->value_dim);
  }
  if (!(spec->dropout >= 0 && spec->dropout < 1)) {
    return heed__fail(HEED_RANGE, "layer %s: attention dropout %g, not at least 0 and below 1",
                      name, (double)spec->dropout);
  }
  if (!isfinite(spec->scale) || !isfinite(spec->slope)) {
    return heed__fail(HEED_VALUE, "layer %s: scale %g, slope %g: not finite", name,
                      (double)spec->scale, (double)spec->slope);
  }
  for (int i = 0; i < 3; i++) {
    int64_t width = width_of(model, values[i]);
    int32_t dim = i < 2 ? spec->key_dim : spec->value_dim;
    if (scope == HEED_SCOPE_MASKED && per_graph(model, values[i]) > 0) {
      return heed__fail(HEED_SHAPE, "layer %s: masked, but %s over graphs, after pooling", name,
                        names[i]);
    }
    if (width != (int64_t)spec->heads * dim) {
      return heed__fail(HEED_SHAPE, "layer %s: %s of width %lld, but %d heads of %d", name,
                        names[i], (long long)width, (int)spec->heads, (int)dim);
    }
  }
  if (per_graph(model, values[1]) != per_graph(model, values[2])) {
    return heed__fail(HEED_SHAPE, "layer %s: keys and values, one of nodes, one of graphs or of the "
                      "context", name);
  }
  if (scope == HEED_SCOPE_MASKED && per_graph(model, values[0]) == HEED__CONTEXT &&
      per_graph(model, values[1]) == 0) {
    return heed__fail(HEED_SHAPE, "layer %s: masked, but no mask says which nodes the context sees",
                      name);
  }
  for (int i = 0; i < model->n_layers; i++) {
    if (model->layers[i].kind == HEED__ATTENTION && strcmp(model->layers[i].name, name) == 0) {
      return heed__fail(HEED_ARGUMENT, "layer %s: the name is used twice", name);
    }
  }
  return HEED_OK;
}

/* The parameters of features of pairs. */
static bool add_edges(heed_model *model, const char *name, heed__layer *layer, heed_edge_use edges,
                      bool vectors) {
  if ((unsigned)edges > HEED_EDGES_QUADRATIC) {
    (void)heed__model_failed(
        model, heed__fail(HEED_ARGUMENT, "layer %s: edges %d: there is none", name, (int)edges));
    return false;
  }
  if (edges == HEED_EDGES_NONE) return true;
  if (model->edge_features == 0) {
    (void)heed__model_failed(
        model, heed__fail(HEED_ARGUMENT, "layer %s: edges %s, but pairs have no features, see "
                          "heed_model_edges()", name, heed_edge_use_name(edges)));
    return false;
  }
  if (per_graph(model, layer->inputs[0]) != 0 || per_graph(model, layer->inputs[1]) != 0) {
    (void)heed__model_failed(
        model, heed__fail(HEED_ARGUMENT, "layer %s: edges %s, but pairs with the context have none",
                          name, heed_edge_use_name(edges)));
    return false;
  }
  heed_attention_spec *spec = &layer->spec;
  bool adds = edges == HEED_EDGES_ADD, quadratic = edges == HEED_EDGES_QUADRATIC;
  if (quadratic) edges = HEED_EDGES_BIAS; /* but for its start */
  if (adds && spec->score == HEED_SCORE_DOT && spec->key_dim != spec->value_dim) {
    (void)heed__model_failed(
        model, heed__fail(HEED_ARGUMENT, "layer %s: edges add: score %s with heads of %d and %d",
                          name, heed_score_name(spec->score), (int)spec->key_dim,
                          (int)spec->value_dim));
    return false;
  }
  int64_t dim = adds ? spec->key_dim : 1;
  layer->edges = edges;
  spec->edge_dim = (int32_t)model->edge_features;
  layer->edge_tensors[0] =
      add_tensor(model, name, adds ? ".lin_edge.weight" : ".edge_bias.weight",
                 weight_shape(spec->heads * dim, model->edge_features),
                 quadratic ? HEED__QUADRATIC : model->by_fan_in ? HEED__FAN_IN : HEED__GLOROT);
  if (layer->edge_tensors[0] < 0) return false;
  model->tensors[layer->edge_tensors[0]].fan_in = model->edge_features;
  if (!adds || !vectors || spec->score != HEED_SCORE_GAT) return true;
  layer->edge_tensors[1] = add_tensor(model, name, ".att_edge",
                                      vectors_shape(spec->heads, spec->key_dim), HEED__GLOROT);
  return layer->edge_tensors[1] >= 0;
}

heed_value heed__model_attention(heed_model *model, const char *name,
                                 const heed_attention_spec *spec, heed_scope scope,
                                 heed_value query, heed_value key, heed_value value, bool vectors,
                                 heed_edge_use edges) {
  char text[HEED__NAME_BYTES];
  if (!heed__model_name(model, text, name, "") || !heed__model_takes(model, name, query) ||
      !heed__model_takes(model, name, key) || !heed__model_takes(model, name, value)) {
    return -1;
  }
  heed__layer layer = layer_of(HEED__ATTENTION);
  layer.n_inputs = 3;
  layer.inputs[0] = query;
  layer.inputs[1] = key;
  layer.inputs[2] = value;
  layer.spec = *spec;
  layer.scope = scope;
  heed_status status = check_attention(model, name, spec, scope, layer.inputs);
  if (status != HEED_OK) return heed__model_failed(model, status);
  heed_parameter shape = vectors_shape(spec->heads, spec->key_dim);
  if (vectors && spec->score == HEED_SCORE_GAT) {
    layer.tensors[0] = add_tensor(model, name, ".att_dst", shape, HEED__GLOROT);
    layer.tensors[1] = add_tensor(model, name, ".att_src", shape, HEED__GLOROT);
    if (layer.tensors[0] < 0 || layer.tensors[1] < 0) return -1;
  } else if (vectors && spec->score != HEED_SCORE_DOT) {
    layer.tensors[0] = add_tensor(model, name, ".att", shape, HEED__GLOROT);
    if (layer.tensors[0] < 0) return -1;
  }
  if (scope == HEED_SCOPE_MASKED && !add_edges(model, name, &layer, edges, vectors)) return -1;
  layer.name = heed__strdup(name);
  if (layer.name == NULL) return heed__model_failed(model, HEED_NOMEM);
  return add_layer(model, layer, (int64_t)spec->heads * spec->value_dim, per_graph(model, query));
}

heed_value heed_model_attention(heed_model *model, const char *name,
                                const heed_attention_spec *spec, heed_scope scope, heed_value query,
                                heed_value key, heed_value value) {
  return heed__model_attention(model, name, spec, scope, query, key, value, true,
                               HEED_EDGES_NONE);
}

heed_value heed__model_seeds(heed_model *model, const char *name, int32_t seeds, int64_t width) {
  if (!heed__model_takes(model, name, 0)) return -1;
  if (seeds < 1 || seeds > HEED__MOST_SEEDS) {
    return heed__model_failed(model,
                              heed__fail(HEED_RANGE, "layer %s: %d seeds, not between 1 and %lld",
                                         name, (int)seeds, (long long)HEED__MOST_SEEDS));
  }
  heed__layer layer = layer_of(HEED__SEEDS);
  heed_parameter shape = weight_shape(seeds, width);
  shape.transposed = false;
  layer.tensors[0] = add_tensor(model, name, ".seeds", shape, HEED__GLOROT);
  if (layer.tensors[0] < 0) return -1;
  return add_layer(model, layer, width, seeds);
}

heed_value heed_model_join_seeds(heed_model *model, heed_value x) {
  if (!heed__model_takes(model, "join seeds", x)) return -1;
  int32_t seeds = per_graph(model, x);
  if (seeds <= 0) {
    return heed__model_failed(
        model, heed__fail(HEED_SHAPE, "layer join seeds: a value over nodes, not over graphs"));
  }
  int64_t width;
  if (__builtin_mul_overflow(width_of(model, x), (int64_t)seeds, &width) || width > MOST_WIDTH) {
    return heed__model_failed(
        model, heed__fail(HEED_RANGE, "layer join seeds: %d rows of %lld numbers side by side",
                          (int)seeds, (long long)width_of(model, x)));
  }
  if (seeds == 1) return x;
  return add_layer(model, layer_over(HEED__JOIN, x), width, 1);
}

heed_value heed_model_head_mean(heed_model *model, heed_value x, int32_t heads) {
  if (!heed__model_takes(model, "head mean", x)) return -1;
  int64_t width = width_of(model, x);
  if (heads < 1 || width % heads != 0) {
    return heed__model_failed(model, heed__fail(HEED_SHAPE,
                                                "layer head mean: %d heads do not "
                                                "divide a width of %lld",
                                                (int)heads, (long long)width));
  }
  if (heads == 1) return x;
  heed__layer layer = layer_over(HEED__HEAD_MEAN, x);
  layer.heads = heads;
  return add_layer(model, layer, width / heads, per_graph(model, x));
}

heed_value heed_model_pool(heed_model *model, heed_value x, heed_pooling pooling) {
  if (!heed__model_takes(model, "pool", x)) return -1;
  if ((unsigned)pooling > HEED_POOLING_MAX) {
    return heed__model_failed(model,
                              heed__fail(HEED_ARGUMENT, "pooling %d: there is none", (int)pooling));
  }
  if (per_graph(model, x) > 0) {
    return heed__model_failed(model, heed__fail(HEED_SHAPE,
                                                "layer pool: a value over graphs, "
                                                "pooled already"));
  }
  heed__layer layer = layer_over(HEED__POOL, x);
  layer.pooling = pooling;
  return add_layer(model, layer, width_of(model, x), 1);
}

/* Parameters are drawn from streams of the seed from here on, each from its own. */
enum { FIRST_STREAM = 16 };

/* Of Cordonnier et al. 2020: -alpha |d - centre|^2, alpha 1, centres this far from 0. */
static const float CENTRES = 2;

static void fill_quadratic(const heed_parameter *is, uint64_t seed, uint64_t stream, float *data) {
  int64_t heads = is->shape[0];
  heed_random_normal(seed, stream, data, is->size, 0, CENTRES);
  for (int64_t i = 0; i < is->size; i++) data[i] = i < heads ? -1 : 2 * data[i]; /* [Fe, H] */
}

static void fill(heed_model *model, int number, uint64_t seed) {
  const heed__tensor *tensor = model->tensors + number;
  const heed_parameter *is = &tensor->is;
  float *data = heed__tensor_data(model, number);
  float limit = 0;
  if (tensor->start == HEED__GLOROT) { /* Glorot and Bengio 2010, equation 16 */
    limit =
        (float)sqrt(6 / ((double)is->shape[is->n_dims - 2] + (double)is->shape[is->n_dims - 1]));
  } else if (tensor->start == HEED__FAN_IN) { /* LeCun et al. 1998, section 4.6, over sqrt(3) */
    limit = (float)(1 / sqrt((double)tensor->fan_in));
  }
  if (tensor->start == HEED__QUADRATIC) {
    fill_quadratic(is, seed, (uint64_t)FIRST_STREAM + (uint64_t)number, data);
  } else if (limit > 0) {
    heed_random_uniform(seed, (uint64_t)FIRST_STREAM + (uint64_t)number, data, is->size, -limit,
                        limit);
  } else {
    for (int64_t i = 0; i < is->size; i++) data[i] = tensor->start == HEED__ONES ? 1 : 0;
  }
}

heed_status heed_model_finish(heed_model *model, heed_value output, uint64_t seed) {
  if (model->finished) return heed__fail(HEED_ARGUMENT, "model: it is finished already");
  (void)heed__model_takes(model, "output", output);
  if (model->status != HEED_OK) return heed__fail(model->status, "%s", model->message);
  float *parameters = heed__alloc((size_t)model->n_parameters, sizeof *parameters);
  float *state = model->n_state == 0 ? NULL : heed__alloc((size_t)model->n_state, sizeof *state);
  if (parameters == NULL || (state == NULL && model->n_state > 0)) {
    heed__free(parameters);
    heed__free(state);
    return HEED_NOMEM;
  }
  model->parameters = parameters;
  model->state = state;
  for (int i = 0; i < model->n_tensors; i++) {
    model->tensors[i].is.data = heed__tensor_data(model, i);
    fill(model, i, seed);
  }
  model->output = output;
  model->finished = true;
  return HEED_OK;
}
