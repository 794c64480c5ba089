/* Decoding step by step: the layers over nodes run on one row a sequence, and self-attention sees the keys and
 * values that are kept of the rows before. */
#include <heed/sequence.h>
#include <math.h>
#include <string.h>

#include "attention/heads.h"
#include "base/alloc.h"
#include "base/status.h"
#include "model/pass.h"

/* What is kept for one self-attention: [sequences, length, width]. */
typedef struct cache {
  int layer;
  float *keys;
  float *values; /* the keys, where these are the values */
} cache;

struct heed_decoder {
  heed_pass *pass;
  heed_embedding embedding;
  heed_decoder_capacity most;
  int64_t sequences; /* of the batch; 0: none has begun */
  int64_t *lengths;  /* [sequences] tokens of each */
  int32_t *rows;     /* [sequences] the sequence of each row of this step, */
  int32_t *places;   /* and its position */
  int64_t n_rows;
  bool rows_changed; /* since cross-attention was divided among them */
  cache *caches;
  int n_caches;
  heed_mask mask; /* of self-attention: rows to what is kept of their sequence */
  int64_t *mask_rows;
  int32_t *starts;
  heed_csr features; /* of a step */
  int64_t *indptr;
  int32_t *indices;
  int64_t *own_rows; /* 0, 1, 2, ...: of a mask and of graphs of one node a sequence */
  int32_t *own_starts;
  float *logits;
  size_t bytes;
};

static bool over_nodes(const heed_model *model, heed_value x) {
  return model->values[x].per_graph == 0;
}

static bool keeps(const heed_model *model, const heed__layer *layer) {
  return layer->kind == HEED__ATTENTION && over_nodes(model, layer->inputs[1]);
}

static heed_status cannot(const heed__layer *layer, const char *why) {
  return heed__fail(HEED_ARGUMENT, "decoder: layer %s%s%s", layer->name == NULL ? "" : layer->name,
                    layer->name == NULL ? "" : " ", why);
}

/* Whether a layer gives a row from the rows before and the context alone. */
static heed_status check_layer(const heed_model *model, const heed__layer *layer,
                               int64_t length) {
  bool nodes = over_nodes(model, layer->output), reads = false;
  for (int i = 0; i < layer->n_inputs; i++) reads = reads || over_nodes(model, layer->inputs[i]);
  if (!nodes && reads) {
    return cannot(layer, "takes what all nodes give: by pooling, or as the context's keys");
  }
  if (!nodes) return HEED_OK;
  switch (layer->kind) {
    case HEED__FEATURES:
    case HEED__LINEAR:
    case HEED__BIAS:
    case HEED__DROPOUT:
    case HEED__ACTIVATE:
    case HEED__NORMALIZE:
    case HEED__ADD:
    case HEED__HEAD_MEAN:
    case HEED__ROTARY:
      return HEED_OK;
    case HEED__POSITIONS:
      if (model->tensors[layer->tensors[0]].is.shape[0] >= length) return HEED_OK;
      return heed__fail(HEED_RANGE, "decoder: sequences of %lld tokens, but %s has %lld positions",
                        (long long)length, model->tensors[layer->tensors[0]].name,
                        (long long)model->tensors[layer->tensors[0]].is.shape[0]);
    case HEED__ATTENTION:
      if (layer->edges != HEED_EDGES_NONE) return cannot(layer, "takes the features of pairs");
      if (layer->relative >= 0) return cannot(layer, "has a bias by class of pairs");
      if (keeps(model, layer) && layer->scope == HEED_SCOPE_FULL) {
        return cannot(layer, "sees what is not decoded yet: its scope is full, not masked");
      }
      if (keeps(model, layer) && (layer->inputs[0] == layer->inputs[1] ||
                                  layer->inputs[0] == layer->inputs[2])) {
        return cannot(layer, "has its queries for keys or values");
      }
      return HEED_OK;
    default:
      return cannot(layer, "is of a kind that cannot be decoded step by step");
  }
}

static heed_status check(const heed_model *model, const heed_embedding *e,
                         const heed_decoder_capacity *most) {
  if (!model->finished) return heed__fail(HEED_ARGUMENT, "decoder: the model is not finished");
  int64_t columns;
  if (e->tokens < 1 || e->positions < 0 || e->segments < 0 ||
      __builtin_add_overflow(e->tokens, e->positions, &columns) ||
      __builtin_add_overflow(columns, e->segments, &columns) ||
      columns != heed_model_feature_count(model)) {
    return heed__fail(HEED_SHAPE, "decoder: %lld tokens, %lld positions and %lld segments, but a model "
                      "of %lld features",
                      (long long)e->tokens, (long long)e->positions, (long long)e->segments,
                      (long long)heed_model_feature_count(model));
  }
  int64_t keys;
  if (most->sequences < 1 || most->length < 1 || most->window < 0 ||
      __builtin_mul_overflow(most->sequences, most->length, &keys) || keys > INT32_MAX) {
    return heed__fail(HEED_RANGE, "decoder: %lld sequences of %lld tokens, window %lld; not between 1 "
                      "and %d in all",
                      (long long)most->sequences, (long long)most->length, (long long)most->window,
                      INT32_MAX);
  }
  if (e->positions > 0 && e->positions < most->length) {
    return heed__fail(HEED_RANGE, "decoder: sequences of %lld tokens, but there are %lld positions",
                      (long long)most->length, (long long)e->positions);
  }
  if (!over_nodes(model, model->output)) {
    return heed__fail(HEED_SHAPE, "decoder: the output is not one row a node");
  }
  return HEED_OK;
}

/* A cache for each self-attention, and a plan over what is kept in place of the pass's. */
static heed_status make_caches(heed_decoder *d, const heed_model *model) {
  heed_pass *pass = d->pass;
  int64_t keys = d->most.sequences * d->most.length;
  d->mask = (heed_mask){.n_queries = d->most.sequences, .n_keys = keys, .n_pairs = keys};
  for (int l = 0; l < model->n_layers; l++) {
    const heed__layer *layer = model->layers + l;
    heed__step *step = pass->steps + l;
    if (!step->live) continue;
    HEED__TRY(check_layer(model, layer, d->most.length));
    if (!keeps(model, layer)) continue;
    cache *c = d->caches + d->n_caches++;
    c->layer = l;
    int64_t widths[2] = {model->values[layer->inputs[1]].width,
                         model->values[layer->inputs[2]].width};
    if (keys > INT64_MAX / widths[0] || keys > INT64_MAX / widths[1]) {
      return heed__fail(HEED_OVERFLOW, "decoder: keys and values of %lld tokens do not fit",
                        (long long)keys);
    }
    c->keys = heed__alloc((size_t)(keys * widths[0]), sizeof *c->keys);
    if (c->keys == NULL) return HEED_NOMEM;
    if (layer->inputs[1] == layer->inputs[2]) {
      c->values = c->keys;
    } else {
      c->values = heed__alloc((size_t)(keys * widths[1]), sizeof *c->values);
      if (c->values == NULL) return HEED_NOMEM;
    }
    heed_heads_free(step->heads);
    step->heads = NULL;
    step->mask = &d->mask;
    HEED__TRY(heed__heads_reserve(&step->heads, &step->spec, 1, &step->mask, &layer->spec.heads, false));
  }
  d->mask.indptr = d->mask_rows;
  d->mask.starts = d->starts;
  return HEED_OK;
}

static heed_status make(heed_decoder *d, heed_model *model) {
  int64_t n = d->most.sequences;
  heed_model_capacity capacity = {.n_nodes = n,
                                  .n_pairs = n,
                                  .n_graphs = n,
                                  .n_values = heed_embedding_values(&d->embedding, n),
                                  .n_context = d->most.n_context,
                                  .n_context_values = d->most.n_context_values};
  size_t rows = (size_t)n;
  d->lengths = heed__alloc_zero(rows, sizeof *d->lengths);
  d->rows = heed__alloc(rows, sizeof *d->rows);
  d->places = heed__alloc(rows, sizeof *d->places);
  d->caches = heed__alloc_zero((size_t)model->n_layers, sizeof *d->caches);
  d->mask_rows = heed__alloc_zero(rows + 1, sizeof *d->mask_rows);
  d->starts = heed__alloc_zero(rows, sizeof *d->starts);
  d->indptr = heed__alloc_zero(rows + 1, sizeof *d->indptr);
  d->indices = heed__alloc((size_t)capacity.n_values, sizeof *d->indices);
  d->own_rows = heed__alloc(rows + 1, sizeof *d->own_rows);
  d->own_starts = heed__alloc(rows, sizeof *d->own_starts);
  d->logits = heed__alloc((size_t)(n * heed_model_output_count(model)), sizeof *d->logits);
  if (d->lengths == NULL || d->rows == NULL || d->places == NULL || d->caches == NULL || d->mask_rows == NULL ||
      d->starts == NULL || d->indptr == NULL || d->indices == NULL || d->own_rows == NULL ||
      d->own_starts == NULL || d->logits == NULL) {
    return HEED_NOMEM;
  }
  for (int64_t i = 0; i <= n; i++) d->own_rows[i] = i;
  for (int64_t i = 0; i < n; i++) d->own_starts[i] = (int32_t)i;
  HEED__TRY(heed__pass_reserve_steps(&d->pass, model, &capacity));
  return make_caches(d, model);
}

heed_status heed_decoder_new(heed_decoder **result, heed_model *model,
                             const heed_embedding *embedding,
                             const heed_decoder_capacity *capacity) {
  *result = NULL;
  HEED__TRY(check(model, embedding, capacity));
  int64_t before = heed__alloc_held_here();
  heed_decoder *d = heed__alloc_zero(1, sizeof *d);
  if (d == NULL) return HEED_NOMEM;
  d->embedding = *embedding;
  d->most = *capacity;
  heed_status status = make(d, model);
  if (status != HEED_OK) {
    heed_decoder_free(d);
    return status;
  }
  d->bytes = (size_t)(heed__alloc_held_here() - before);
  *result = d;
  return HEED_OK;
}

void heed_decoder_free(heed_decoder *d) {
  if (d == NULL) return;
  heed_pass_free(d->pass);
  for (int i = 0; i < d->n_caches; i++) {
    if (d->caches[i].values != d->caches[i].keys) heed__free(d->caches[i].values);
    heed__free(d->caches[i].keys);
  }
  heed__free(d->lengths);
  heed__free(d->rows);
  heed__free(d->places);
  heed__free(d->caches);
  heed__free(d->mask_rows);
  heed__free(d->starts);
  heed__free(d->indptr);
  heed__free(d->indices);
  heed__free(d->own_rows);
  heed__free(d->own_starts);
  heed__free(d->logits);
  heed__free(d);
}

size_t heed_decoder_bytes(const heed_decoder *d) { return d->bytes; }

static heed_status run_layers(heed_decoder *d, bool of_nodes);

heed_status heed_decoder_begin(heed_decoder *d, const heed_decoder_context *context) {
  heed_pass *pass = d->pass;
  int64_t n = context->sequences;
  bool sees = pass->model->context >= 0;
  d->sequences = 0;
  if (n < 1 || n > d->most.sequences) {
    return heed__fail(HEED_RANGE, "decoder: %lld sequences, not between 1 and %lld", (long long)n,
                      (long long)d->most.sequences);
  }
  if (sees && context->ptr == NULL) {
    return heed__fail(HEED_ARGUMENT, "decoder: a context without ptr");
  }
  /* Rows without features that see themselves: what the nodes are is said by the steps. */
  memset(d->indptr, 0, ((size_t)n + 1) * sizeof *d->indptr);
  d->features = (heed_csr){.rows = n,
                           .cols = heed_embedding_columns(&d->embedding),
                           .indptr = d->indptr,
                           .indices = d->indices};
  heed_mask own = {.n_queries = n,
                   .n_keys = n,
                   .n_pairs = n,
                   .indptr = d->own_rows,
                   .starts = d->own_starts};
  heed_model_inputs in = {.n_nodes = n,
                          .sparse = &d->features,
                          .mask = &own,
                          .n_graphs = n,
                          .graph_ptr = d->own_rows,
                          .n_context = sees ? context->ptr[n] : 0,
                          .context = sees ? context->dense : NULL,
                          .context_sparse = sees ? context->sparse : NULL,
                          .context_ptr = sees ? context->ptr : NULL};
  d->mask.n_queries = 0;
  d->mask.n_pairs = 0;
  HEED__TRY(heed_pass_bind(pass, &in));
  HEED__TRY(run_layers(d, false));
  memset(d->lengths, 0, (size_t)n * sizeof *d->lengths);
  d->n_rows = 0;
  d->rows_changed = true;
  d->sequences = n;
  return HEED_OK;
}

/* One self-attention: this step's keys and values join those that are kept, and are all that is seen. */
static heed_status run_kept(heed_decoder *d, const cache *c) {
  heed_pass *pass = d->pass;
  const heed__layer *layer = pass->model->layers + c->layer;
  heed__slot *slots[2] = {pass->slots + layer->inputs[1], pass->slots + layer->inputs[2]};
  float *own[2] = {slots[0]->data, slots[1]->data}, *kept[2] = {c->keys, c->values};
  for (int i = 0; i < 2; i++) {
    int64_t width = pass->model->values[layer->inputs[1 + i]].width;
    for (int64_t r = 0; r < d->n_rows; r++) {
      int64_t s = d->rows[r];
      memcpy(kept[i] + (s * d->most.length + d->lengths[s]) * width, own[i] + r * width,
             (size_t)width * sizeof *own[i]);
    }
  }
  slots[0]->data = kept[0];
  slots[1]->data = kept[1];
  heed_status status = heed__layer_forward(pass, c->layer, HEED_MODE_EVALUATE);
  slots[0]->data = own[0];
  slots[1]->data = own[1];
  return status;
}

static heed_status run_layers(heed_decoder *d, bool of_nodes) {
  heed_pass *pass = d->pass;
  const heed_model *model = pass->model;
  int next = 0;
  for (int l = 0; l < model->n_layers; l++) {
    bool kept = next < d->n_caches && d->caches[next].layer == l;
    const cache *c = d->caches + next;
    next += kept;
    if (!pass->steps[l].live || over_nodes(model, model->layers[l].output) != of_nodes) continue;
    HEED__TRY(kept ? run_kept(d, c) : heed__layer_forward(pass, l, HEED_MODE_EVALUATE));
  }
  return HEED_OK;
}

static heed_status check_tokens(const heed_decoder *d, const int32_t *tokens) {
  if (d->sequences == 0) {
    return heed__fail(HEED_ARGUMENT, "decoder: no batch has begun: heed_decoder_begin()");
  }
  for (int64_t s = 0; s < d->sequences; s++) {
    if (tokens[s] < 0) continue;
    if (tokens[s] >= d->embedding.tokens) {
      return heed__fail(HEED_RANGE, "decoder: sequence %lld: token %d, not below %lld", (long long)s,
                        (int)tokens[s], (long long)d->embedding.tokens);
    }
    if (d->lengths[s] >= d->most.length) {
      return heed__fail(HEED_RANGE, "decoder: sequence %lld has %lld tokens, as many as it can have",
                        (long long)s, (long long)d->lengths[s]);
    }
  }
  return HEED_OK;
}

/* The rows of this step, their features and what they see of their own sequence. */
static void set_rows(heed_decoder *d, const int32_t *tokens) {
  const heed_embedding *e = &d->embedding;
  int64_t n = 0, at = 0, pairs = 0;
  for (int64_t s = 0; s < d->sequences; s++) {
    if (tokens[s] < 0) continue;
    int64_t t = d->lengths[s], from = d->most.window > 0 && t > d->most.window ? t - d->most.window : 0;
    d->rows_changed = d->rows_changed || n >= d->n_rows || d->rows[n] != (int32_t)s;
    d->rows[n] = (int32_t)s;
    d->places[n] = (int32_t)t;
    d->indices[at++] = tokens[s];
    if (e->positions > 0) d->indices[at++] = (int32_t)(e->tokens + t);
    if (e->segments > 0) d->indices[at++] = (int32_t)(e->tokens + e->positions);
    d->starts[n] = (int32_t)(s * d->most.length + from);
    pairs += t + 1 - from;
    n++;
    d->indptr[n] = at;
    d->mask_rows[n] = pairs;
  }
  d->rows_changed = d->rows_changed || n != d->n_rows;
  d->n_rows = n;
  d->features.rows = n;
  d->mask.n_queries = n;
  d->mask.n_pairs = pairs;
}

/* What the rows see of the context, or of what was pooled from it. */
static void set_cross(heed_decoder *d, heed__view *view) {
  const heed_pass *pass = d->pass;
  int64_t *indptr = view->arrays[0];
  int32_t *starts = view->arrays[1], per_key = view->per_graph[1];
  indptr[0] = 0;
  for (int64_t r = 0; r < d->n_rows; r++) {
    int64_t s = d->rows[r], first = per_key * (int64_t)s, keys = per_key;
    if (per_key == HEED__CONTEXT) {
      first = pass->context.graph_ptr[s];
      keys = pass->context.graph_ptr[s + 1] - first;
    }
    starts[r] = (int32_t)(keys > 0 ? first : 0);
    indptr[r + 1] = indptr[r] + keys;
  }
  view->mask.n_queries = d->n_rows;
  view->mask.n_pairs = indptr[d->n_rows];
}

static heed_status set_plans(heed_decoder *d) {
  heed_pass *pass = d->pass;
  const heed_model *model = pass->model;
  for (int i = 0; d->rows_changed && i < pass->n_views; i++) {
    heed__view *view = pass->views + i;
    if (view->per_graph[0] == 0 && view->per_graph[1] != 0) set_cross(d, view);
  }
  for (int l = 0; l < model->n_layers; l++) {
    heed__step *step = pass->steps + l;
    const heed__layer *layer = model->layers + l;
    if (step->heads == NULL || !over_nodes(model, layer->output)) continue;
    if (!keeps(model, layer) && !d->rows_changed) continue;
    HEED__TRY(heed__heads_rebind(step->heads, 0, step->mask, NULL, NULL));
  }
  d->rows_changed = false;
  return HEED_OK;
}

heed_status heed_decoder_step(heed_decoder *d, const int32_t *tokens, heed_matrix *logits) {
  heed_pass *pass = d->pass;
  const heed_model *model = pass->model;
  HEED__TRY(check_tokens(d, tokens));
  set_rows(d, tokens);
  pass->n_nodes = d->n_rows;
  HEED__TRY(heed__positions_step(pass, d->places));
  HEED__TRY(set_plans(d));
  pass->sparse = &d->features;
  for (int v = 0; v < model->n_values; v++) {
    if (over_nodes(model, v)) pass->slots[v].rows = d->n_rows;
  }
  int64_t width = heed_model_output_count(model);
  memset(d->logits, 0, (size_t)(d->sequences * width) * sizeof *d->logits);
  if (d->n_rows > 0) HEED__TRY(run_layers(d, true));
  for (int64_t r = 0; r < d->n_rows; r++) {
    memcpy(d->logits + d->rows[r] * width, pass->slots[model->output].data + r * width,
           (size_t)width * sizeof *d->logits);
    d->lengths[d->rows[r]]++;
  }
  *logits = heed_matrix_view(d->logits, d->sequences, width);
  return HEED_OK;
}

static heed_status largest(const heed_matrix *logits, int64_t s, int32_t *token) {
  const float *row = logits->data + s * logits->stride;
  *token = 0;
  for (int32_t j = 0; j < logits->cols; j++) {
    if (isnan(row[j])) {
      return heed__fail(HEED_VALUE, "decoder: sequence %lld: the logit of token %d is not a number",
                        (long long)s, (int)j);
    }
    if (row[j] > row[*token]) *token = j;
  }
  return HEED_OK;
}

heed_status heed_decoder_greedy(heed_decoder *d, int32_t start, int32_t end, int32_t *tokens,
                                int64_t *lengths) {
  int64_t length = d->most.length, going = d->sequences;
  int32_t *next = d->own_starts; /* not needed before the next batch begins */
  int64_t outputs = heed_model_output_count(d->pass->model);
  if (outputs > d->embedding.tokens) {
    return heed__fail(HEED_SHAPE, "decoder: %lld outputs, but %lld tokens", (long long)outputs,
                      (long long)d->embedding.tokens);
  }
  for (int64_t s = 0; s < d->sequences; s++) {
    next[s] = start;
    lengths[s] = 0;
    for (int64_t t = 0; t < length; t++) tokens[s * length + t] = -1;
  }
  heed_status status = d->sequences == 0 || start < 0
                           ? heed__fail(HEED_ARGUMENT, "decoder: %s", d->sequences == 0
                                                                         ? "no batch has begun"
                                                                         : "no token to start from")
                           : HEED_OK;
  for (int64_t step = 0; status == HEED_OK && going > 0; step++) {
    heed_matrix logits;
    status = heed_decoder_step(d, next, &logits);
    for (int64_t s = 0; status == HEED_OK && s < d->sequences; s++) {
      if (next[s] < 0) continue;
      status = largest(&logits, s, next + s);
      bool ends = next[s] == end;
      if (!ends) tokens[s * length + lengths[s]++] = next[s];
      if (ends || d->lengths[s] == length) {
        next[s] = -1;
        going--;
      }
    }
  }
  for (int64_t i = 0; i < d->most.sequences; i++) d->own_starts[i] = (int32_t)i;
  return status;
}
