/* Whole models out of a spec: the frames in which layers stand. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "model/model.h"

enum { TEXT_BYTES = 64 };

static bool with_attention(const heed_model_spec *spec) { return spec->kind != HEED_MODEL_MLP; }

static const char *numbered(char text[TEXT_BYTES], const char *before, int number,
                            const char *behind) {
  snprintf(text, TEXT_BYTES, "%s%d%s", before, number, behind);
  return text;
}

/* Dropout, layer, norm, activation, ...; the last layer gives the outputs. */
static heed_value plain_frame(heed_model *model, const heed_model_spec *spec) {
  char name[TEXT_BYTES];
  bool gat = spec->kind == HEED_MODEL_GAT;
  heed_value x = heed_model_features(model);
  for (int i = 1; i <= spec->layers; i++) {
    bool pools = spec->pooling != HEED_POOLING_NONE, last = i == spec->layers && !pools;
    x = heed_model_dropout(model, x, spec->dropout);
    if (with_attention(spec)) {
      heed_gat_options options = {
          .score = gat ? HEED_SCORE_GAT : HEED_SCORE_GATV2,
          .heads = last ? spec->output_heads : spec->heads,
          .dim = (int32_t)(last ? spec->outputs : spec->hidden / spec->heads),
          .merge = last ? HEED_MERGE_MEAN : HEED_MERGE_CONCAT,
          .scope = HEED_SCOPE_MASKED,
          .slope = spec->slope,
          .attention_dropout = spec->attention_dropout,
          .value_dropout = gat ? spec->dropout : 0,
          .bias = true,
          .edges = spec->edges,
          .relative = spec->pair_classes > 0,
          .kernel = spec->kernel,
          .normalizer = spec->normalizer};
      x = heed_model_gat(model, numbered(name, "conv", i, ""), x, &options);
    } else {
      x = heed_model_linear(model, numbered(name, "linear", i, ""), x,
                            last ? spec->outputs : spec->hidden, true);
    }
    if (last) break;
    x = heed_model_normalize(model, numbered(name, "norm", i, ""), x, spec->norm);
    x = heed_model_activate(model, x, spec->activation);
  }
  if (spec->pooling == HEED_POOLING_NONE) return x;
  x = heed_model_pool(model, x, spec->pooling);
  return heed_model_linear(model, "output", x, spec->outputs, true);
}

/* The attention of Platonov et al. 2023: each head's scores are LeakyReLU(u_j + v_i), both linear
 * in the whole projected row; GAT over keys and queries of one number, its vectors being ones. */
static heed_value wide_gat(heed_model *model, const heed_model_spec *spec, int layer,
                           heed_value x) {
  char name[TEXT_BYTES];
  heed_attention_spec attention = heed_attention_spec_default(spec->heads, 1);
  attention.score = HEED_SCORE_GAT;
  attention.value_dim = (int32_t)(spec->hidden / spec->heads);
  attention.slope = spec->slope;
  attention.dropout = spec->attention_dropout;
  attention.kernel = spec->kernel;
  attention.normalizer = spec->normalizer;
  heed_value key =
      heed_model_linear(model, numbered(name, "layers.", layer, ".key"), x, spec->heads, true);
  heed_value query =
      heed_model_linear(model, numbered(name, "layers.", layer, ".query"), x, spec->heads, false);
  heed_value y = heed__model_attention(model, numbered(name, "layers.", layer, ""), &attention,
                                       HEED_SCOPE_MASKED, query, key, x, false, spec->edges);
  return spec->pair_classes > 0 ? heed_model_relative_bias(model, y) : y;
}

static heed_value residual_module(heed_model *model, const heed_model_spec *spec, int layer,
                                  heed_value x) {
  char name[TEXT_BYTES];
  int64_t hidden = (int64_t)floor((double)spec->expansion * (double)spec->hidden);
  bool gat = with_attention(spec);
  if (gat || hidden == 0) {
    x = heed_model_linear(model, numbered(name, "layers.", layer, ".linear"), x, spec->hidden,
                          true);
  }
  if (spec->kind == HEED_MODEL_GAT) x = wide_gat(model, spec, layer, x);
  if (spec->kind == HEED_MODEL_GATV2) {
    heed_gat_options options = {.score = HEED_SCORE_GATV2,
                                .heads = spec->heads,
                                .dim = (int32_t)(spec->hidden / spec->heads),
                                .merge = HEED_MERGE_CONCAT,
                                .scope = HEED_SCOPE_MASKED,
                                .slope = spec->slope,
                                .attention_dropout = spec->attention_dropout,
                                .bias = true,
                                .edges = spec->edges,
                                .relative = spec->pair_classes > 0,
                                .kernel = spec->kernel,
                                .normalizer = spec->normalizer};
    x = heed_model_gat(model, numbered(name, "layers.", layer, ""), x, &options);
  }
  if (hidden == 0) return heed_model_dropout(model, x, spec->dropout);
  return heed_model_feed_forward(model, numbered(name, "layers.", layer, ""), x, hidden,
                                 spec->activation, spec->dropout);
}

/* Linear, dropout, activation, residual modules or blocks, norm, linear. */
static heed_value residual_frame(heed_model *model, const heed_model_spec *spec) {
  char name[TEXT_BYTES];
  bool blocks = spec->kind == HEED_MODEL_TRANSFORMER;
  model->by_fan_in = true;
  heed_value x = heed_model_features(model);
  x = heed_model_linear(model, "input", x, spec->hidden, true);
  if (spec->positions > 0) x = heed_model_positions(model, "positions", x, spec->positions);
  x = heed_model_dropout(model, x, spec->dropout);
  x = heed_model_activate(model, x, spec->activation);
  for (int i = 0; i < spec->layers; i++) {
    if (blocks) {
      heed_block_options options = {
          .heads = spec->heads,
          .scope = spec->blocks[i] == 'S' ? HEED_SCOPE_FULL : HEED_SCOPE_MASKED,
          .score = HEED_SCORE_DOT,
          .norm = spec->norm,
          .pre_norm = spec->pre_norm,
          .activation = spec->activation,
          .expansion = spec->expansion,
          .dropout = spec->dropout,
          .attention_dropout = spec->attention_dropout,
          .kernel = spec->kernel,
          .normalizer = spec->normalizer,
          .edges = spec->edges,
          .relative = spec->pair_classes > 0,
          .rotary = spec->rotary};
      numbered(name, "blocks.", i, "");
      x = spec->blocks[i] == 'P'
              ? heed_model_pool_attention(model, name, x, spec->seeds, &options)
              : heed_model_block(model, name, x, &options);
      continue;
    }
    heed_value y = x;
    numbered(name, "layers.", i, ".norm");
    if (spec->pre_norm) y = heed_model_normalize(model, name, y, spec->norm);
    x = heed_model_add(model, x, residual_module(model, spec, i, y));
    if (!spec->pre_norm) x = heed_model_normalize(model, name, x, spec->norm);
  }
  if (spec->pre_norm) x = heed_model_normalize(model, "norm", x, spec->norm);
  if (spec->pooling != HEED_POOLING_NONE) x = heed_model_pool(model, x, spec->pooling);
  if (blocks && strchr(spec->blocks, 'P') != NULL) x = heed_model_join_seeds(model, x);
  return heed_model_linear(model, "output", x, spec->outputs, true);
}

heed_status heed__model_draft(heed_model **result, const heed_model_spec *spec,
                              heed_value *output) {
  *result = NULL;
  HEED__TRY(heed__model_spec_check(spec));
  heed_model *model;
  HEED__TRY(heed_model_new(&model, spec->features));
  model->spec = *spec;
  if (spec->kind == HEED_MODEL_TRANSFORMER) model->spec.layers = (int32_t)strlen(spec->blocks);
  model->has_spec = true;
  model->edge_features = spec->edge_features;
  model->pair_classes = spec->pair_classes;
  model->flip_first = spec->flip_first;
  model->flip_columns = spec->flip_columns;
  bool residual = spec->residual || spec->kind == HEED_MODEL_TRANSFORMER;
  *output = (residual ? residual_frame : plain_frame)(model, &model->spec);
  *result = model;
  return HEED_OK;
}

heed_status heed_model_build(heed_model **result, const heed_model_spec *spec, uint64_t seed) {
  heed_model *model;
  heed_value output;
  *result = NULL;
  HEED__TRY(heed__model_draft(&model, spec, &output));
  heed_status status = heed_model_finish(model, output, seed);
  if (status != HEED_OK) {
    heed_model_free(model);
    return status;
  }
  *result = model;
  return HEED_OK;
}
