/* Each kind of layer, forward and backward. */
#include <string.h>

#include "attention/heads.h"
#include "base/random.h"
#include "base/status.h"
#include "matrix/loops.h"
#include "model/pass.h"

/* Of batch normalisation's running mean and variance. */
static const float MOMENTUM = 0.1F;

void heed__dropout_key(uint64_t seed, uint64_t step, int layer, uint64_t *key, uint64_t *stream) {
  uint32_t random[4];
  heed__random4(seed, ((uint64_t)1 << 32) + (uint64_t)layer, step, random);
  *key = (uint64_t)random[1] << 32 | random[0];
  *stream = (uint64_t)random[3] << 32 | random[2];
}

static float *parameter(const heed_pass *pass, int tensor) {
  return tensor < 0 ? NULL : heed__tensor_data(pass->model, tensor);
}

static float *gradient(const heed_pass *pass, int tensor) {
  return tensor < 0 ? NULL : pass->gradients + pass->model->tensors[tensor].is.offset;
}

/* A sparse value written out. */
static void scatter(const heed_csr *a, const heed__slot *y) {
  memset(y->own, 0, (size_t)(a->rows * a->cols) * sizeof *y->own);
  for (int64_t i = 0; i < a->rows; i++) {
    for (int64_t p = a->indptr[i]; p < a->indptr[i + 1]; p++) {
      if (y->kept != NULL && (y->kept[p / 32] >> p % 32 & 1) == 0) continue;
      y->own[i * a->cols + a->indices[p]] = y->factor * (a->values == NULL ? 1 : a->values[p]);
    }
  }
}

static void forward_features(heed_pass *pass, heed_mode mode, heed_value value, heed__slot *y) {
  bool flips = pass->signs != NULL && mode == HEED_MODE_TRAIN && heed__set_of(pass, value) == 0;
  if (y->sparse) {
    if (heed__set_of(pass, value) == 0) heed__flip_sparse(pass, flips);
    y->kept = NULL;
    y->factor = 1;
    if (!y->dense) return;
    scatter(heed__sparse_of(pass, value), y);
    y->data = y->own;
    return;
  }
  const heed_matrix *x = heed__dense_of(pass, value);
  if (x->stride == x->cols && !flips) {
    y->data = x->data;
    return;
  }
  for (int64_t i = 0; i < x->rows; i++) {
    memcpy(y->own + i * x->cols, x->data + i * x->stride, (size_t)x->cols * sizeof *x->data);
  }
  if (flips) heed__flip_dense(pass, y->own);
  y->data = y->own;
}

static heed_status forward_linear(heed_pass *pass, const heed__layer *layer, const heed__slot *x,
                                  heed__slot *y) {
  int64_t in = pass->model->values[layer->inputs[0]].width;
  int64_t out = pass->model->values[layer->output].width;
  const float *weight = parameter(pass, layer->tensors[0]);
  const float *bias = parameter(pass, layer->tensors[1]);
  y->data = y->own;
  if (x->sparse) {
    heed__csr_product(heed__sparse_of(pass, layer->inputs[0]), x->kept, x->factor, out, weight, bias,
                      y->data);
    return HEED_OK;
  }
  HEED__TRY(
      heed__dense_product(false, false, y->rows, out, in, x->data, weight, 0, y->data, pass->room));
  if (bias != NULL) heed__add_bias(y->rows, out, y->data, bias, y->data);
  return HEED_OK;
}

static heed_status backward_linear(heed_pass *pass, const heed__layer *layer,
                                   const heed__step *step, const heed__slot *x,
                                   const heed__slot *y) {
  int64_t in = pass->model->values[layer->inputs[0]].width;
  int64_t out = pass->model->values[layer->output].width;
  float *d_weight = gradient(pass, layer->tensors[0]);
  float *d_bias = gradient(pass, layer->tensors[1]);
  if (d_bias != NULL) heed__sum_columns(y->rows, out, y->gradient, d_bias, pass->room);
  if (x->sparse) {
    const heed__turned *turned = pass->turned + heed__set_of(pass, layer->inputs[0]);
    const heed_csr *t = &turned->features;
    uint32_t *kept = x->kept == NULL ? NULL : (uint32_t *)(void *)pass->room;
    if (kept != NULL) {
      heed__bits_gather(x->kept, turned->places, t->indptr[t->rows], kept);
    }
    heed__csr_product(t, kept, x->factor, out, y->gradient, NULL, d_weight);
  } else {
    HEED__TRY(heed__dense_product(true, false, in, out, y->rows, x->data, y->gradient, 0, d_weight,
                                  pass->room));
  }
  if (!x->needs_gradient) return HEED_OK;
  return heed__dense_product(false, true, y->rows, in, out, y->gradient,
                             parameter(pass, layer->tensors[0]), step->adds[0] ? 1 : 0, x->gradient,
                             pass->room);
}

/* What is left of the features' numbers after this dropout too. */
static void drop_sparse(const heed_pass *pass, const heed__layer *layer, uint64_t key,
                        uint64_t stream, const heed__slot *x, heed__slot *y) {
  const heed_csr *features = heed__sparse_of(pass, layer->output);
  int64_t n = features->indptr[features->rows];
  heed__keep(key, stream, layer->p, n, y->own_kept);
  for (int64_t w = 0; x->kept != NULL && w < (n + 31) / 32; w++) y->own_kept[w] &= x->kept[w];
  y->kept = y->own_kept;
  y->factor = x->factor * heed__keep_factor(layer->p);
}

/* Evaluation passes its input on: the output lies where the input lies. */
static void forward_dropout(heed_pass *pass, int number, heed_mode mode, const heed__slot *x,
                            heed__slot *y) {
  const heed__layer *layer = pass->model->layers + number;
  const heed__step *step = pass->steps + number;
  uint64_t key, stream;
  heed__dropout_key(pass->seed, pass->step, number, &key, &stream);
  if (y->sparse) {
    y->kept = x->kept;
    y->factor = x->factor;
    if (mode == HEED_MODE_TRAIN) drop_sparse(pass, layer, key, stream, x, y);
    if (!y->dense) return;
    scatter(heed__sparse_of(pass, layer->output), y);
    y->data = y->own;
    return;
  }
  if (mode == HEED_MODE_EVALUATE) {
    y->data = x->data;
    return;
  }
  y->data = step->in_place >= 0 ? x->data : y->own;
  int64_t n = y->rows * pass->model->values[layer->output].width;
  if (step->keep == NULL) {
    heed__dropout(key, stream, layer->p, n, x->data, y->data, false);
    return;
  }
  heed__keep(key, stream, layer->p, n, step->keep);
  heed__keep_apply(step->keep, layer->p, n, x->data, y->data, false);
}

static void copy_or_add(bool adds, int64_t n, const float *from, float *to) {
  if (from == to) return; /* taken over */
  if (adds) {
    heed__accumulate(n, from, to);
  } else {
    memcpy(to, from, (size_t)n * sizeof *to);
  }
}

static void forward_add(const heed_pass *pass, const heed__layer *layer, const heed__step *step,
                        int64_t n) {
  const heed__slot *x = pass->slots + layer->inputs[0], *z = pass->slots + layer->inputs[1];
  heed__slot *y = pass->slots + layer->output;
  if (step->in_place < 0) {
    y->data = y->own;
    heed__sum(n, x->data, z->data, y->data);
  } else {
    y->data = (step->in_place == 0 ? x : z)->data;
    heed__accumulate(n, (step->in_place == 0 ? z : x)->data, y->data);
  }
}

static void forward_normalize(heed_pass *pass, const heed__layer *layer, const heed__step *step,
                              heed_mode mode, int64_t width, const heed__slot *x, heed__slot *y) {
  const float *gain = parameter(pass, layer->tensors[0]);
  const float *shift = parameter(pass, layer->tensors[1]);
  y->data = y->own;
  if (layer->norm == HEED_NORM_LAYER) {
    heed__layer_norm(y->rows, width, x->data, gain, shift, layer->epsilon, y->data, step->keep);
    return;
  }
  heed__batch_norm(y->rows, width, x->data, gain, shift, layer->epsilon, mode == HEED_MODE_TRAIN,
                   MOMENTUM, parameter(pass, layer->state), parameter(pass, layer->state + 1), y->data,
                   step->keep, pass->room);
}

static void backward_normalize(heed_pass *pass, const heed__layer *layer, const heed__step *step,
                               int64_t width, const heed__slot *x, const heed__slot *y) {
  const float *gain = parameter(pass, layer->tensors[0]);
  float *d_gain = gradient(pass, layer->tensors[0]), *d_shift = gradient(pass, layer->tensors[1]);
  float *dx = x->needs_gradient ? x->gradient : step->apart[0];
  if (layer->norm == HEED_NORM_LAYER) {
    heed__layer_norm_backward(y->rows, width, x->data, gain, step->keep, y->gradient, dx,
                              step->adds[0], d_gain, d_shift, pass->room);
  } else {
    heed__batch_norm_backward(y->rows, width, x->data, gain, step->keep, y->gradient, dx,
                              step->adds[0], d_gain, d_shift, pass->room);
  }
}

static heed_attention_inputs attention_inputs(const heed_pass *pass, const heed__layer *layer,
                                              const heed__step *step) {
  const heed__slot *slots = pass->slots;
  const float *vectors[2];
  for (int i = 0; i < 2; i++) {
    vectors[i] = layer->tensors[i] < 0 ? pass->ones : parameter(pass, layer->tensors[i]);
  }
  heed_score score = layer->spec.score;
  bool gat = score == HEED_SCORE_GAT, with_a = !gat && score != HEED_SCORE_DOT;
  const heed__slot *keys = slots + layer->inputs[1], *values = slots + layer->inputs[2];
  heed_attention_inputs in = {.query = slots[layer->inputs[0]].data,
                              .key = keys->whole != NULL ? keys->whole : keys->data,
                              .value = values->whole != NULL ? values->whole : values->data,
                              .a_query = gat ? vectors[0] : NULL,
                              .a_key = gat ? vectors[1] : NULL,
                              .a = with_a ? vectors[0] : NULL};
  bool alike = layer->spec.key_dim == layer->spec.value_dim;
  if (in.value == in.key && alike) in.value = NULL;
  if (layer->edges == HEED_EDGES_NONE) return in;
  const float *weight = parameter(pass, layer->edge_tensors[0]);
  in.edges = pass->edges;
  if (layer->edges == HEED_EDGES_BIAS || gat) {
    in.edge_bias = layer->edge_tensors[1] < 0 ? weight : step->edge_room;
  } else {
    in.edge_key = weight;
    if (score == HEED_SCORE_DOT) in.edge_value = weight;
  }
  return in;
}

/* GATConv's: what lin_edge [Fe, H, D] and att_edge [H, D] come to, [Fe, H]. */
static void edge_heads(const heed_pass *pass, const heed__layer *layer, float *to) {
  const float *weight = parameter(pass, layer->edge_tensors[0]);
  const float *att = parameter(pass, layer->edge_tensors[1]);
  int64_t heads = layer->spec.heads, dim = layer->spec.key_dim;
  for (int64_t i = 0; i < layer->spec.edge_dim * heads; i++) {
    float sum = 0;
    for (int64_t d = 0; d < dim; d++) sum += weight[i * dim + d] * att[i % heads * dim + d];
    to[i] = sum;
  }
}

static void edge_heads_backward(const heed_pass *pass, const heed__layer *layer, const float *from) {
  const float *weight = parameter(pass, layer->edge_tensors[0]);
  const float *att = parameter(pass, layer->edge_tensors[1]);
  float *d_weight = gradient(pass, layer->edge_tensors[0]);
  float *d_att = gradient(pass, layer->edge_tensors[1]);
  int64_t heads = layer->spec.heads, dim = layer->spec.key_dim;
  memset(d_att, 0, (size_t)(heads * dim) * sizeof *d_att);
  for (int64_t i = 0; i < layer->spec.edge_dim * heads; i++) {
    for (int64_t d = 0; d < dim; d++) {
      d_weight[i * dim + d] = from[i] * att[i % heads * dim + d];
      d_att[i % heads * dim + d] += from[i] * weight[i * dim + d];
    }
  }
}

static heed_status forward_attention(heed_pass *pass, int number, heed_mode mode, heed__slot *y) {
  const heed__layer *layer = pass->model->layers + number;
  const heed__step *step = pass->steps + number;
  uint64_t key = 0, stream;
  bool drops = mode == HEED_MODE_TRAIN && layer->spec.dropout > 0;
  if (drops) heed__dropout_key(pass->seed, pass->step, number, &key, &stream);
  if (layer->edge_tensors[1] >= 0) edge_heads(pass, layer, step->edge_room);
  float dropout = drops ? layer->spec.dropout : 0;
  HEED__TRY(heed_heads_set_dropout(step->heads, dropout, key));
  heed_attention_inputs in = attention_inputs(pass, layer, step);
  if (layer->relative >= 0) {
    heed__relative_bias(pass, number, step->bias);
    in.bias = step->bias;
    in.bias_heads = layer->spec.heads;
  }
  y->data = y->own;
  bool captured = pass->capture == number;
  heed_attention_outputs out = {.out = y->data,
                                .log_sum_exp = step->keep,
                                .steep = step->steep,
                                .weights = captured ? pass->weights : NULL};
  return heed__heads_forward(step->heads, &in, &out, captured ? pass->capture_group : -1);
}

/* How many first rows of the gradient of `value` a layer gives. */
static int64_t rows_covered(const heed_pass *pass, const heed__layer *layer, const heed__step *step,
                            heed_value value) {
  if (layer->kind != HEED__ATTENTION) {
    return layer->kind == HEED__POOL || layer->kind == HEED__JOIN ? pass->slots[value].rows : pass->slots[layer->output].rows;
  }
  bool seen = layer->inputs[1] == value || layer->inputs[2] == value;
  int64_t keys = seen ? step->mask->n_keys : 0;
  int64_t queries = layer->inputs[0] == value ? step->mask->n_queries : 0;
  return keys > queries ? keys : queries;
}

static heed_status backward_attention(heed_pass *pass, int number, const heed__slot *y) {
  const heed__layer *layer = pass->model->layers + number;
  const heed__step *step = pass->steps + number;
  heed_attention_inputs in = attention_inputs(pass, layer, step);
  if (layer->relative >= 0) {
    heed__relative_bias(pass, number, step->again);
    in.bias = step->again;
    in.bias_heads = layer->spec.heads;
  }
  bool gat = layer->spec.score == HEED_SCORE_GAT;
  float *to[3];
  bool again[3];
  for (int i = 0; i < 3; i++) {
    const heed__slot *x = pass->slots + layer->inputs[i];
    int first = 0; /* inputs that are one array have one gradient */
    while (layer->inputs[first] != layer->inputs[i]) first++;
    to[i] = !x->needs_gradient ? NULL : step->adds[first] ? step->apart[first] : x->gradient;
    again[i] = first < i;
  }
  heed_attention_gradients gradients = {.out = y->data,
                                        .log_sum_exp = step->keep,
                                        .d_out = y->gradient,
                                        .steep = step->steep,
                                        .query = to[0],
                                        .key = to[1],
                                        .value = in.value == NULL ? NULL : to[2],
                                        .a_query = gat ? gradient(pass, layer->tensors[0]) : NULL,
                                        .a_key = gat ? gradient(pass, layer->tensors[1]) : NULL,
                                        .a = gat ? NULL : gradient(pass, layer->tensors[0])};
  float *d_edge = gradient(pass, layer->edge_tensors[0]);
  int64_t numbers = (int64_t)layer->spec.edge_dim * layer->spec.heads * layer->spec.key_dim;
  bool by_head = layer->edge_tensors[1] >= 0;
  if (in.bias != NULL) gradients.bias = step->d_bias;
  if (in.edge_bias != NULL) gradients.edge_bias = by_head ? step->edge_room + numbers : d_edge;
  if (in.edge_key != NULL) gradients.edge_key = d_edge;
  if (in.edge_value != NULL) gradients.edge_value = step->edge_room;
  HEED__TRY(heed_heads_backward(step->heads, &in, &gradients));
  if (in.bias != NULL) {
    heed__relative_backward(pass, number, step->d_bias, step->partial, gradient(pass, layer->relative));
  }
  if (by_head) edge_heads_backward(pass, layer, step->edge_room + numbers);
  if (in.edge_value != NULL) heed__accumulate(numbers, step->edge_room, d_edge);
  for (int i = 0; i < 3; i++) {
    heed_value value = layer->inputs[i];
    if (to[i] == NULL || !step->adds[i] || again[i]) continue;
    int64_t rows = rows_covered(pass, layer, step, value);
    heed__accumulate(rows * pass->model->values[value].width, to[i], pass->slots[value].gradient);
  }
  return HEED_OK;
}

static heed__pool pool_of(heed_pooling pooling) {
  static const heed__pool kinds[] = {
      [HEED_POOLING_MEAN] = HEED__POOL_MEAN,
      [HEED_POOLING_SUM] = HEED__POOL_SUM,
      [HEED_POOLING_MAX] = HEED__POOL_MAX,
  };
  return kinds[pooling];
}

heed_status heed__layer_forward(heed_pass *pass, int number, heed_mode mode) {
  const heed__layer *layer = pass->model->layers + number;
  const heed__step *step = pass->steps + number;
  const heed__slot *x = pass->slots + layer->inputs[0];
  heed__slot *y = pass->slots + layer->output;
  int64_t width = pass->model->values[layer->output].width;
  float *into = step->in_place >= 0 ? x->data : y->own;
  switch (layer->kind) {
    case HEED__FEATURES:
      forward_features(pass, mode, layer->output, y);
      break;
    case HEED__LINEAR:
      return forward_linear(pass, layer, x, y);
    case HEED__BIAS:
      y->data = into;
      heed__add_bias(y->rows, width, x->data, parameter(pass, layer->tensors[0]), y->data);
      break;
    case HEED__POSITIONS:
      y->data = into;
      heed__positions_forward(pass, number, x->data, y->data);
      break;
    case HEED__ROTARY:
      y->data = into;
      heed__rotary_apply(pass, number, false, x->data, y->data, false);
      break;
    case HEED__DROPOUT:
      forward_dropout(pass, number, mode, x, y);
      break;
    case HEED__ACTIVATE:
      y->data = into;
      heed__activate(layer->activation, y->rows * width, x->data, y->data);
      break;
    case HEED__NORMALIZE:
      forward_normalize(pass, layer, step, mode, width, x, y);
      break;
    case HEED__ADD:
      forward_add(pass, layer, step, y->rows * width);
      break;
    case HEED__ATTENTION:
      return forward_attention(pass, number, mode, y);
    case HEED__HEAD_MEAN:
      y->data = y->own;
      heed__head_mean(y->rows, layer->heads, width, x->data, y->data);
      break;
    case HEED__SEEDS:
      y->data = y->own;
      for (int64_t g = 0; g < pass->n_graphs; g++) {
        int64_t n = pass->model->tensors[layer->tensors[0]].is.size;
        memcpy(y->data + g * n, parameter(pass, layer->tensors[0]), (size_t)n * sizeof *y->data);
      }
      break;
    case HEED__JOIN:
      y->data = y->own;
      memcpy(y->data, x->data, (size_t)(y->rows * width) * sizeof *y->data);
      break;
    case HEED__POOL:
      y->data = y->own;
      heed__pool_rows(pool_of(layer->pooling), y->rows, heed__graphs_of(pass, layer->inputs[0]),
                      width, x->data, y->data, step->keep);
      break;
  }
  return HEED_OK;
}

/* A gradient is 0 at rows that its first writer does not know of. */
static void clear_rest(const heed_pass *pass, int number) {
  const heed__layer *layer = pass->model->layers + number;
  const heed__step *step = pass->steps + number;
  for (int i = 0; i < layer->n_inputs; i++) {
    heed_value value = layer->inputs[i];
    const heed__slot *x = pass->slots + value;
    int64_t covered = rows_covered(pass, layer, step, value);
    if (!x->needs_gradient || step->adds[i] || covered == x->rows) continue;
    int64_t width = pass->model->values[value].width;
    memset(x->gradient + covered * width, 0, (size_t)((x->rows - covered) * width) * sizeof(float));
  }
}

static heed_status layer_backward(heed_pass *pass, int number) {
  const heed__layer *layer = pass->model->layers + number;
  const heed__step *step = pass->steps + number;
  const heed__slot *x = pass->slots + layer->inputs[0];
  const heed__slot *y = pass->slots + layer->output;
  int64_t width = pass->model->values[layer->output].width, n = y->rows * width;
  switch (layer->kind) {
    case HEED__FEATURES:
      break;
    case HEED__LINEAR:
      return backward_linear(pass, layer, step, x, y);
    case HEED__BIAS:
      heed__sum_columns(y->rows, width, y->gradient, gradient(pass, layer->tensors[0]), pass->room);
      if (x->needs_gradient) copy_or_add(step->adds[0], n, y->gradient, x->gradient);
      break;
    case HEED__POSITIONS:
      heed__positions_backward(pass, number, y->gradient, gradient(pass, layer->tensors[0]));
      if (x->needs_gradient) copy_or_add(step->adds[0], n, y->gradient, x->gradient);
      break;
    case HEED__ROTARY:
      heed__rotary_apply(pass, number, true, y->gradient, x->gradient, step->adds[0]);
      break;
    case HEED__DROPOUT:
      heed__keep_apply(step->keep, layer->p, n, y->gradient, x->gradient, step->adds[0]);
      break;
    case HEED__ACTIVATE:
      heed__activate_backward(layer->activation, n, x->data, y->gradient, x->gradient,
                              step->adds[0]);
      break;
    case HEED__NORMALIZE:
      backward_normalize(pass, layer, step, width, x, y);
      break;
    case HEED__ADD:
      for (int i = 0; i < 2; i++) {
        const heed__slot *to = pass->slots + layer->inputs[i];
        if (to->needs_gradient) copy_or_add(step->adds[i], n, y->gradient, to->gradient);
      }
      break;
    case HEED__ATTENTION:
      return backward_attention(pass, number, y);
    case HEED__HEAD_MEAN:
      heed__head_mean_backward(y->rows, layer->heads, width, y->gradient, x->gradient,
                               step->adds[0]);
      break;
    case HEED__SEEDS: { /* graph by graph */
      int64_t numbers = pass->model->tensors[layer->tensors[0]].is.size;
      heed__sum_columns(pass->n_graphs, numbers, y->gradient, gradient(pass, layer->tensors[0]),
                        pass->room);
      break;
    }
    case HEED__JOIN:
      copy_or_add(step->adds[0], n, y->gradient, x->gradient);
      break;
    case HEED__POOL:
      heed__pool_rows_backward(pool_of(layer->pooling), y->rows,
                               heed__graphs_of(pass, layer->inputs[0]), width, y->gradient,
                               step->keep, x->gradient, step->adds[0]);
      break;
  }
  return HEED_OK;
}

heed_status heed__layer_backward(heed_pass *pass, int number) {
  HEED__TRY(layer_backward(pass, number));
  clear_rest(pass, number);
  return HEED_OK;
}
