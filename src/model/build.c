/* A model while it is built: layers, values and tensors join it, parameters are drawn at the end. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "model/build.h"

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

heed__layer heed__layer_of(heed__kind kind) {
  return (heed__layer){.kind = kind, .tensors = {-1, -1}, .edge_tensors = {-1, -1}, .relative = -1, .state = -1};
}

heed__layer heed__layer_over(heed__kind kind, heed_value x) {
  heed__layer layer = heed__layer_of(kind);
  layer.n_inputs = 1;
  layer.inputs[0] = x;
  return layer;
}

heed_value heed__add_layer(heed_model *model, heed__layer layer, int64_t width, int32_t per_graph) {
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

int heed__add_tensor(heed_model *model, const char *name, const char *suffix, heed_parameter is,
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

heed_parameter heed__weight_shape(int64_t rows, int64_t cols) {
  return (heed_parameter){
      .n_dims = 2, .shape = {rows, cols, 0}, .transposed = true, .decays = true, .trained = true};
}

heed_parameter heed__row_shape(int64_t cols) {
  return (heed_parameter){.n_dims = 1, .shape = {cols, 0, 0}, .trained = true};
}

heed_parameter heed__vectors_shape(int32_t heads, int32_t dim) {
  return (heed_parameter){.n_dims = 3, .shape = {1, heads, dim}, .decays = true, .trained = true};
}

heed_status heed_model_new(heed_model **result, int64_t features) {
  *result = NULL;
  if (features < 1 || features > HEED__MOST_WIDTH) {
    return heed__fail(HEED_RANGE, "model: %lld features, not between 1 and %lld",
                      (long long)features, (long long)HEED__MOST_WIDTH);
  }
  heed_model *model = heed__alloc_zero(1, sizeof *model);
  if (model == NULL) return HEED_NOMEM;
  model->output = -1;
  model->context = -1;
  model->epsilon = 1e-5F;
  if (heed__add_layer(model, heed__layer_of(HEED__FEATURES), features, 0) < 0) {
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

heed_value heed_model_context(heed_model *model, int64_t features) {
  if (!heed__model_takes(model, "context", 0)) return -1;
  if (features < 1 || features > HEED__MOST_WIDTH) {
    return heed__model_failed(
        model, heed__fail(HEED_RANGE, "model: a context of %lld features, not between 1 and %lld",
                          (long long)features, (long long)HEED__MOST_WIDTH));
  }
  if (model->context >= 0) {
    return heed__model_failed(model, heed__fail(HEED_ARGUMENT, "model: it has a context already"));
  }
  model->context = heed__add_layer(model, heed__layer_of(HEED__FEATURES), features, HEED__CONTEXT);
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
