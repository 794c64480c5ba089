/* Attention put into a model: its spec checked, its parameters, those of pairs among them. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "model/build.h"

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
    int64_t width = heed__width_of(model, values[i]);
    int32_t dim = i < 2 ? spec->key_dim : spec->value_dim;
    if (scope == HEED_SCOPE_MASKED && heed__per_graph(model, values[i]) > 0) {
      return heed__fail(HEED_SHAPE, "layer %s: masked, but %s over graphs, after pooling", name,
                        names[i]);
    }
    if (width != (int64_t)spec->heads * dim) {
      return heed__fail(HEED_SHAPE, "layer %s: %s of width %lld, but %d heads of %d", name,
                        names[i], (long long)width, (int)spec->heads, (int)dim);
    }
  }
  if (heed__per_graph(model, values[1]) != heed__per_graph(model, values[2])) {
    return heed__fail(HEED_SHAPE, "layer %s: keys and values, one of nodes, one of graphs or of the "
                      "context", name);
  }
  if (scope == HEED_SCOPE_MASKED && heed__per_graph(model, values[0]) == HEED__CONTEXT &&
      heed__per_graph(model, values[1]) == 0) {
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
  if (heed__per_graph(model, layer->inputs[0]) != 0 ||
      heed__per_graph(model, layer->inputs[1]) != 0) {
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
      heed__add_tensor(model, name, adds ? ".lin_edge.weight" : ".edge_bias.weight",
                       heed__weight_shape(spec->heads * dim, model->edge_features),
                       quadratic          ? HEED__QUADRATIC
                       : model->by_fan_in ? HEED__FAN_IN
                                          : HEED__GLOROT);
  if (layer->edge_tensors[0] < 0) return false;
  model->tensors[layer->edge_tensors[0]].fan_in = model->edge_features;
  if (!adds || !vectors || spec->score != HEED_SCORE_GAT) return true;
  layer->edge_tensors[1] = heed__add_tensor(model, name, ".att_edge",
                                            heed__vectors_shape(spec->heads, spec->key_dim),
                                            HEED__GLOROT);
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
  heed__layer layer = heed__layer_of(HEED__ATTENTION);
  layer.n_inputs = 3;
  layer.inputs[0] = query;
  layer.inputs[1] = key;
  layer.inputs[2] = value;
  layer.spec = *spec;
  layer.scope = scope;
  heed_status status = check_attention(model, name, spec, scope, layer.inputs);
  if (status != HEED_OK) return heed__model_failed(model, status);
  heed_parameter shape = heed__vectors_shape(spec->heads, spec->key_dim);
  if (vectors && spec->score == HEED_SCORE_GAT) {
    layer.tensors[0] = heed__add_tensor(model, name, ".att_dst", shape, HEED__GLOROT);
    layer.tensors[1] = heed__add_tensor(model, name, ".att_src", shape, HEED__GLOROT);
    if (layer.tensors[0] < 0 || layer.tensors[1] < 0) return -1;
  } else if (vectors && spec->score != HEED_SCORE_DOT) {
    layer.tensors[0] = heed__add_tensor(model, name, ".att", shape, HEED__GLOROT);
    if (layer.tensors[0] < 0) return -1;
  }
  if (scope == HEED_SCOPE_MASKED && !add_edges(model, name, &layer, edges, vectors)) return -1;
  layer.name = heed__strdup(name);
  if (layer.name == NULL) return heed__model_failed(model, HEED_NOMEM);
  return heed__add_layer(model, layer, (int64_t)spec->heads * spec->value_dim,
                         heed__per_graph(model, query));
}

heed_value heed_model_attention(heed_model *model, const char *name,
                                const heed_attention_spec *spec, heed_scope scope, heed_value query,
                                heed_value key, heed_value value) {
  return heed__model_attention(model, name, spec, scope, query, key, value, true,
                               HEED_EDGES_NONE);
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
  } else if (heed__per_graph(model, layer->inputs[0]) != 0 ||
             heed__per_graph(model, layer->inputs[1]) != 0) {
    status = heed__fail(HEED_ARGUMENT, "layer %s: relative bias, but it is not among nodes", layer->name);
  } else if (model->pair_classes == 0) {
    status = heed__fail(HEED_ARGUMENT, "layer %s: relative bias, but pairs have no classes, see "
                        "heed_model_pair_classes()", layer->name);
  }
  if (status != HEED_OK) return heed__model_failed(model, status);
  heed_parameter shape = heed__weight_shape(model->pair_classes, layer->spec.heads);
  shape.transposed = false;
  shape.decays = false;
  int tensor = heed__add_tensor(model, layer->name, ".relative_bias", shape, HEED__ZEROS);
  if (tensor < 0) return -1;
  layer->relative = tensor;
  return attention;
}
