/* Layers made of layers. */
#include <math.h>

#include "base/status.h"
#include "model/model.h"

static heed_value linear(heed_model *model, const char *name, const char *suffix, heed_value x,
                         int64_t width, bool bias) {
  char text[HEED__NAME_BYTES];
  if (!heed__model_name(model, text, name, suffix)) return -1;
  return heed_model_linear(model, text, x, width, bias);
}

static heed_value normalize(heed_model *model, const char *name, const char *suffix, heed_value x,
                            heed_norm norm) {
  char text[HEED__NAME_BYTES];
  if (!heed__model_name(model, text, name, suffix)) return -1;
  return heed_model_normalize(model, text, x, norm);
}

/* Heads and their size from options, before they are multiplied. */
static bool heads_fit(heed_model *model, const char *name, int32_t heads, int32_t dim) {
  if (heads >= 1 && dim >= 1 && (int64_t)heads * dim <= INT32_MAX) return true;
  (void)heed__model_failed(
      model, heed__fail(HEED_RANGE, "layer %s: %d heads of %d numbers, not between 1 and %d in all",
                        name, (int)heads, (int)dim, INT32_MAX));
  return false;
}

static bool merge_is_one(heed_model *model, const char *name, heed_merge merge) {
  if ((unsigned)merge <= HEED_MERGE_MEAN) return true;
  (void)heed__model_failed(
      model, heed__fail(HEED_ARGUMENT, "layer %s: merge %d: there is none", name, (int)merge));
  return false;
}

heed_value heed_model_gat(heed_model *model, const char *name, heed_value x,
                          const heed_gat_options *options) {
  char text[HEED__NAME_BYTES];
  if (!heed__model_name(model, text, name, "") || !heed__model_takes(model, name, x) ||
      !heads_fit(model, name, options->heads, options->dim) ||
      !merge_is_one(model, name, options->merge)) {
    return -1;
  }
  bool v2 = options->score == HEED_SCORE_GATV2;
  if (!v2 && options->score != HEED_SCORE_GAT) {
    return heed__model_failed(model, heed__fail(HEED_ARGUMENT,
                                                "layer %s: score %s, neither gat nor "
                                                "gatv2",
                                                name, heed_score_name(options->score)));
  }
  int64_t width = (int64_t)options->heads * options->dim;
  heed_value key = linear(model, name, v2 ? ".lin_l" : ".lin", x, width, v2 && options->bias);
  heed_value query = key;
  if (v2 && !options->share_weights) {
    query = linear(model, name, ".lin_r", x, width, options->bias);
  }
  heed_value value = heed_model_dropout(model, key, options->value_dropout);
  heed_attention_spec spec = heed_attention_spec_default(options->heads, options->dim);
  spec.score = options->score;
  spec.slope = options->slope;
  spec.dropout = options->attention_dropout;
  spec.kernel = options->kernel;
  spec.normalizer = options->normalizer;
  heed_value out = heed__model_attention(model, name, &spec, options->scope, query, key, value,
                                         true, options->edges);
  if (options->relative && options->scope == HEED_SCOPE_MASKED) {
    out = heed_model_relative_bias(model, out);
  }
  if (options->merge == HEED_MERGE_MEAN) out = heed_model_head_mean(model, out, options->heads);
  if (!options->bias) return out;
  if (!heed__model_name(model, text, name, ".bias")) return -1;
  return heed_model_bias(model, text, out);
}

heed_value heed_model_feed_forward(heed_model *model, const char *name, heed_value x,
                                   int64_t hidden, heed_activation activation, float dropout) {
  char text[HEED__NAME_BYTES];
  if (!heed__model_name(model, text, name, "") || !heed__model_takes(model, name, x)) return -1;
  int64_t width = model->values[x].width;
  heed_value y = linear(model, name, ".linear1", x, hidden, true);
  y = heed_model_activate(model, y, activation);
  y = heed_model_dropout(model, y, dropout);
  y = linear(model, name, ".linear2", y, width, true);
  return heed_model_dropout(model, y, dropout);
}

/* What a block is made with. */
typedef struct parts {
  heed_model *model;
  const char *name;
  const heed_block_options *options;
  int64_t width;
  int64_t hidden;
  heed_attention_spec spec;
} parts;

static bool parts_of(parts *p, heed_model *model, const char *name, heed_value x,
                     const heed_block_options *options) {
  char text[HEED__NAME_BYTES];
  if (!heed__model_name(model, text, name, "") || !heed__model_takes(model, name, x)) return false;
  int64_t width = model->values[x].width;
  if (options->heads < 1 || width % options->heads != 0) {
    (void)heed__model_failed(model, heed__fail(HEED_SHAPE,
                                               "layer %s: %d heads do not divide a width of %lld",
                                               name, (int)options->heads, (long long)width));
    return false;
  }
  double hidden = floor((double)options->expansion * (double)width);
  if (!(options->expansion >= 0) || hidden > INT32_MAX || (options->expansion > 0 && hidden < 1)) {
    (void)heed__model_failed(model, heed__fail(HEED_RANGE,
                                               "layer %s: expansion %g of a width of %lld", name,
                                               (double)options->expansion, (long long)width));
    return false;
  }
  *p = (parts){.model = model,
               .name = name,
               .options = options,
               .width = width,
               .hidden = (int64_t)hidden,
               .spec = heed_attention_spec_default(options->heads,
                                                   (int32_t)(width / options->heads))};
  p->spec.score = options->score;
  p->spec.dropout = options->attention_dropout;
  p->spec.kernel = options->kernel;
  p->spec.normalizer = options->normalizer;
  return true;
}

/* Attention from `from` to `seen`, its linear layers called `name`, `cross` and what they are. */
static heed_value attend(const parts *p, const char *cross, heed_value from, heed_value seen,
                         heed_scope scope, heed_edge_use edges) {
  static const char *const names[2][4] = {
      {".query", ".key", ".value", ".out"},
      {".cross_query", ".cross_key", ".cross_value", ".cross_out"}};
  const char *const *suffix = names[cross[0] != '\0'];
  heed_model *model = p->model;
  char text[HEED__NAME_BYTES];
  heed_value query = linear(model, p->name, suffix[0], from, p->width, true);
  heed_value key = linear(model, p->name, suffix[1], seen, p->width, true);
  heed_value value = linear(model, p->name, suffix[2], seen, p->width, true);
  bool own = cross[0] == '\0' && from == seen;
  if (!heed__model_name(model, text, p->name, cross)) return -1;
  if (own && p->options->rotary != 0) {
    query = heed_model_rotary(model, query, p->options->heads, p->options->rotary, false);
    key = heed_model_rotary(model, key, p->options->heads, p->options->rotary, false);
  }
  heed_value y = heed__model_attention(model, text, &p->spec, scope, query, key, value, true, edges);
  if (own && p->options->relative && scope == HEED_SCOPE_MASKED && y >= 0 &&
      model->values[y].per_graph == 0) {
    y = heed_model_relative_bias(model, y);
  }
  y = linear(model, p->name, suffix[3], y, p->width, true);
  return heed_model_dropout(model, y, p->options->dropout);
}

static heed_value feed_forward(const parts *p, const char *norm, heed_value x) {
  const heed_block_options *options = p->options;
  heed_model *model = p->model;
  if (p->hidden < 1) return x;
  heed_value y = options->pre_norm ? normalize(model, p->name, norm, x, options->norm) : x;
  y = heed_model_feed_forward(model, p->name, y, p->hidden, options->activation, options->dropout);
  x = heed_model_add(model, x, y);
  return options->pre_norm ? x : normalize(model, p->name, norm, x, options->norm);
}

/* A block whose attention has its keys and values from `seen` and goes to rows of its own: of x, which is
 * `seen` itself, or of seeds (seeds above 0). Before attention `seen` is normalised; seeds, which are
 * learned, are as they are. */
static heed_value block(heed_model *model, const char *name, heed_value seen, int32_t seeds,
                        heed_scope scope, heed_edge_use edges, const heed_block_options *options) {
  parts p;
  heed_value x = seen;
  if (!parts_of(&p, model, name, x, options)) return -1;
  bool before = options->pre_norm;
  if (seeds > 0) x = heed__model_seeds(model, name, seeds, p.width);
  heed_value y = before ? normalize(model, name, ".norm1", seen, options->norm) : seen;
  y = attend(&p, "", seeds > 0 ? x : y, y, scope, edges);
  x = heed_model_add(model, x, y);
  if (!before) x = normalize(model, name, ".norm1", x, options->norm);
  return feed_forward(&p, ".norm2", x);
}

heed_value heed_model_decoder_block(heed_model *model, const char *name, heed_value x,
                                    heed_value context, const heed_block_options *options) {
  parts p;
  if (!parts_of(&p, model, name, x, options) || !heed__model_takes(model, name, context)) return -1;
  bool before = options->pre_norm, crosses = model->values[context].per_graph == HEED__CONTEXT &&
                                             model->values[x].per_graph == 0;
  heed_value y = before ? normalize(model, name, ".norm1", x, options->norm) : x;
  x = heed_model_add(model, x, attend(&p, "", y, y, options->scope, options->edges));
  if (!before) x = normalize(model, name, ".norm1", x, options->norm);
  y = before ? normalize(model, name, ".norm2", x, options->norm) : x;
  y = attend(&p, ".cross", y, context, crosses ? HEED_SCOPE_MASKED : HEED_SCOPE_FULL,
             HEED_EDGES_NONE);
  x = heed_model_add(model, x, y);
  if (!before) x = normalize(model, name, ".norm2", x, options->norm);
  return feed_forward(&p, ".norm3", x);
}

heed_value heed_model_block(heed_model *model, const char *name, heed_value x,
                            const heed_block_options *options) {
  return block(model, name, x, 0, options->scope, options->edges, options);
}

heed_value heed_model_pool_attention(heed_model *model, const char *name, heed_value x, int32_t seeds,
                                     const heed_block_options *options) {
  char text[HEED__NAME_BYTES];
  if (!heed__model_name(model, text, name, "") || !heed__model_takes(model, name, x)) return -1;
  if (seeds < 1) {
    return heed__model_failed(
        model, heed__fail(HEED_RANGE, "layer %s: %d seeds, not at least 1", name, (int)seeds));
  }
  if (model->values[x].per_graph > 0) {
    return heed__model_failed(model, heed__fail(HEED_SHAPE, "layer %s: a value over graphs, pooled "
                                                "already", name));
  }
  return block(model, name, x, seeds, HEED_SCOPE_FULL, HEED_EDGES_NONE, options);
}

heed_value heed_model_transformer_conv(heed_model *model, const char *name, heed_value x,
                                       int32_t heads, int32_t dim, heed_merge merge,
                                       heed_scope scope, float attention_dropout,
                                       heed_edge_use edges) {
  char text[HEED__NAME_BYTES];
  if (!heed__model_name(model, text, name, "") || !heed__model_takes(model, name, x) ||
      !heads_fit(model, name, heads, dim) || !merge_is_one(model, name, merge)) {
    return -1;
  }
  int64_t width = (int64_t)heads * dim;
  bool mean = merge == HEED_MERGE_MEAN;
  heed_attention_spec spec = heed_attention_spec_default(heads, dim);
  spec.dropout = attention_dropout;
  heed_value query = linear(model, name, ".lin_query", x, width, true);
  heed_value key = linear(model, name, ".lin_key", x, width, true);
  heed_value value = linear(model, name, ".lin_value", x, width, true);
  heed_value out =
      heed__model_attention(model, name, &spec, scope, query, key, value, true, edges);
  if (mean) out = heed_model_head_mean(model, out, heads);
  return heed_model_add(model, out, linear(model, name, ".lin_skip", x, mean ? dim : width, true));
}
