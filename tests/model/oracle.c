#include "model/oracle.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "matrix/loops.h"
#include "model/pass.h"

typedef struct run {
  const heed_model *model;
  const heed_model_inputs *in;
  const double *parameters;
  heed_mode mode;
  uint64_t seed, step;
  double **values;
  int64_t *rows;
} run;

static void *room(int64_t n, size_t size) { return calloc((size_t)(n > 0 ? n : 1), size); }

static const double *tensor(const run *r, int number) {
  return r->parameters + r->model->tensors[number].is.offset;
}

static bool of_context(const run *r, heed_value x) {
  return r->model->values[x].per_graph == HEED__CONTEXT;
}

static const heed_csr *sparse_of(const run *r, heed_value x) {
  return of_context(r, x) ? r->in->context_sparse : r->in->sparse;
}

static bool is_sparse(const run *r, heed_value x) {
  const heed__layer *layer = r->model->layers + r->model->values[x].layer;
  if (layer->kind == HEED__DROPOUT) return is_sparse(r, layer->inputs[0]);
  return layer->kind == HEED__FEATURES && sparse_of(r, x) != NULL;
}

static void features(const run *r, heed_value value, double *y, int64_t rows, int64_t width) {
  const heed_matrix *dense = of_context(r, value) ? r->in->context : r->in->dense;
  const heed_csr *sparse = sparse_of(r, value);
  for (int64_t i = 0; i < rows; i++) {
    if (dense != NULL) {
      for (int64_t j = 0; j < width; j++) {
        y[i * width + j] = (double)dense->data[i * dense->stride + j];
      }
      continue;
    }
    for (int64_t p = sparse->indptr[i]; p < sparse->indptr[i + 1]; p++) {
      y[i * width + sparse->indices[p]] = sparse->values == NULL ? 1 : (double)sparse->values[p];
    }
  }
}

/* What dropout makes of ones is what it multiplies by; the non-zeros of sparse features have
 * numbers of their own. */
static void dropout(const run *r, int number, const double *x, double *y, int64_t rows,
                    int64_t width) {
  const heed__layer *layer = r->model->layers + number;
  int64_t n = rows * width;
  if (r->mode == HEED_MODE_EVALUATE) {
    memcpy(y, x, (size_t)n * sizeof *y);
    return;
  }
  uint64_t key, stream;
  heed__dropout_key(r->seed, r->step, number, &key, &stream);
  bool sparse = is_sparse(r, layer->inputs[0]);
  const heed_csr *a = sparse_of(r, layer->inputs[0]);
  int64_t count = sparse ? a->indptr[a->rows] : n;
  float *factors = room(count, sizeof *factors);
  for (int64_t i = 0; i < count; i++) factors[i] = 1;
  heed__dropout(key, stream, layer->p, count, factors, factors, false);
  if (!sparse) {
    for (int64_t i = 0; i < n; i++) y[i] = x[i] * (double)factors[i];
  } else {
    for (int64_t i = 0; i < rows; i++) {
      for (int64_t p = a->indptr[i]; p < a->indptr[i + 1]; p++) {
        int64_t at = i * width + a->indices[p];
        y[at] = x[at] * (double)factors[p];
      }
    }
  }
  free(factors);
}

static double activated(heed_activation f, double x) {
  switch (f) {
    case HEED_ACTIVATION_NONE:
      return x;
    case HEED_ACTIVATION_RELU:
      return x > 0 ? x : 0;
    case HEED_ACTIVATION_LEAKY_RELU:
      return x > 0 ? x : (double)0.01F * x;
    case HEED_ACTIVATION_ELU:
      return x > 0 ? x : expm1(x);
    case HEED_ACTIVATION_GELU:
      return x * 0.5 * (1 + erf(x / sqrt(2)));
    case HEED_ACTIVATION_TANH:
      return tanh(x);
  }
  return x;
}

static void normalize(const run *r, const heed__layer *layer, const double *x, double *y,
                      int64_t rows, int64_t width) {
  const double *gain = tensor(r, layer->tensors[0]), *shift = tensor(r, layer->tensors[1]);
  bool of_rows = layer->norm == HEED_NORM_LAYER;
  int64_t groups = of_rows ? rows : width, n = of_rows ? width : rows;
  int64_t across = of_rows ? width : 1, along = of_rows ? 1 : width;
  for (int64_t g = 0; g < groups; g++) {
    double mean = 0, variance = 0;
    for (int64_t i = 0; i < n; i++) mean += x[g * across + i * along] / (double)n;
    for (int64_t i = 0; i < n; i++) {
      double d = x[g * across + i * along] - mean;
      variance += d * d / (double)n;
    }
    if (!of_rows && r->mode == HEED_MODE_EVALUATE) {
      mean = (double)heed__tensor_data(r->model, layer->state)[g];
      variance = (double)heed__tensor_data(r->model, layer->state + 1)[g];
    }
    for (int64_t i = 0; i < n; i++) {
      int64_t at = g * across + i * along, column = of_rows ? i : g;
      y[at] = (x[at] - mean) / sqrt(variance + (double)layer->epsilon) * gain[column] + shift[column];
    }
  }
}

/* Where graph g begins among the rows of a value that has so many a graph (0: its nodes). */
static int64_t start_of(const run *r, int32_t per_graph, int64_t g) {
  if (per_graph > 0) return per_graph * g;
  if (per_graph == HEED__CONTEXT) {
    return r->in->n_graphs > 0 ? r->in->context_ptr[g] : g * r->in->n_context;
  }
  return r->in->n_graphs > 0 ? r->in->graph_ptr[g] : g * r->in->n_nodes;
}

static bool sees(const run *r, const heed__layer *layer, int64_t i, int64_t j, int64_t *pair) {
  const heed_mask *mask = r->in->mask;
  if (of_context(r, layer->inputs[1])) {
    mask = of_context(r, layer->inputs[0]) ? r->in->context_mask : r->in->cross_mask;
  }
  if (layer->scope == HEED_SCOPE_FULL || mask == NULL) {
    int32_t per_query = r->model->values[layer->output].per_graph;
    int32_t per_key = r->model->values[layer->inputs[1]].per_graph;
    int64_t graphs = r->in->n_graphs == 0 ? 1 : r->in->n_graphs;
    *pair = 0;
    for (int64_t g = 0; g < graphs; g++) {
      int64_t first = start_of(r, per_query, g), end = start_of(r, per_query, g + 1);
      int64_t key = start_of(r, per_key, g), last_key = start_of(r, per_key, g + 1);
      if (i < end) {
        *pair += (i - first) * (last_key - key) + j - key;
        return j >= key && j < last_key;
      }
      *pair += (end - first) * (last_key - key);
    }
    return false;
  }
  if (mask->indptr == NULL) {
    *pair = i * mask->n_keys + j;
    return true;
  }
  for (*pair = mask->indptr[i]; *pair < mask->indptr[i + 1]; ++*pair) {
    int64_t key = mask->starts != NULL ? mask->starts[i] + *pair - mask->indptr[i]
                                       : mask->indices[*pair];
    if (key == j) return true;
  }
  return false;
}

/* What dropout multiplies the weight of (pair, head) by: that of equal logits, over an equal share.
 */
static float *weight_factors(const run *r, int number) {
  const heed__layer *layer = r->model->layers + number;
  int64_t n = r->rows[layer->output], m = r->rows[layer->inputs[1]];
  heed_attention_spec spec = heed_attention_spec_default(layer->spec.heads, 1);
  spec.kernel = HEED_KERNEL_REFERENCE;
  uint64_t stream;
  heed__dropout_key(r->seed, r->step, number, &spec.seed, &stream);
  spec.dropout = layer->spec.dropout;
  int64_t *indptr = room(n + 1, sizeof *indptr);
  int32_t *indices = room(n * m, sizeof *indices);
  int64_t pairs = 0;
  for (int64_t i = 0; i < n; i++) {
    for (int64_t j = 0; j < m; j++) {
      int64_t pair;
      if (sees(r, layer, i, j, &pair)) indices[pairs++] = (int32_t)j;
    }
    indptr[i + 1] = pairs;
  }
  heed_mask mask;
  float *zeros = room((2 * n + m) * spec.heads, sizeof *zeros);
  float *weights = room(pairs * spec.heads, sizeof *weights);
  heed_attention_inputs in = {.query = zeros, .key = zeros + n * spec.heads};
  heed_attention_outputs out = {.out = zeros + (n + m) * spec.heads, .weights = weights};
  if (heed_mask_view(&mask, n, m, indptr, indices) != HEED_OK ||
      heed_attend(&spec, &mask, &in, &out) != HEED_OK) {
    abort();
  }
  for (int64_t i = 0; i < n; i++) {
    for (int64_t p = indptr[i] * spec.heads; p < indptr[i + 1] * spec.heads; p++) {
      weights[p] *= (float)(indptr[i + 1] - indptr[i]);
    }
  }
  free(indptr);
  free(indices);
  free(zeros);
  return weights;
}

static double leaky(double x, double slope) { return x > 0 ? x : slope * x; }

static double logit_of(const run *r, const heed__layer *layer, const double *q, const double *k,
                       int32_t h, double of_pair) {
  const heed_attention_spec *spec = &layer->spec;
  int32_t dim = spec->key_dim;
  const double *a = layer->tensors[0] < 0 ? NULL : tensor(r, layer->tensors[0]) + h * dim;
  const double *b = layer->tensors[1] < 0 ? NULL : tensor(r, layer->tensors[1]) + h * dim;
  double sum = 0, scale = spec->scale == 0 ? 1 / sqrt((double)dim) : (double)spec->scale;
  double slope = (double)spec->slope;
  for (int32_t d = 0; d < dim; d++) {
    double a_d = a == NULL ? 1 : a[d], b_d = b == NULL ? 1 : b[d];
    switch (spec->score) {
      case HEED_SCORE_DOT:
        sum += scale * q[d] * k[d];
        break;
      case HEED_SCORE_GAT:
        sum += a_d * q[d] + b_d * k[d];
        break;
      case HEED_SCORE_GATV2:
        sum += a_d * leaky(q[d] + k[d], slope);
        break;
      case HEED_SCORE_ADDITIVE:
        sum += a_d * tanh(q[d] + k[d]);
        break;
    }
  }
  sum += of_pair;
  return spec->score == HEED_SCORE_GAT ? leaky(sum, slope) : sum;
}

/* What features of pair p add to dimension d of head h of its key or value, or (of_bias) to its logit. */
static double of_edge(const run *r, const heed__layer *layer, int64_t p, int32_t h, int32_t d) {
  double sum = 0;
  int32_t heads = layer->spec.heads, dim = layer->spec.key_dim, features = layer->spec.edge_dim;
  bool bias = layer->edges == HEED_EDGES_BIAS, by_head = layer->edge_tensors[1] >= 0;
  int64_t inner = by_head ? r->model->tensors[layer->edge_tensors[1]].is.shape[2] : 0;
  const double *weight = tensor(r, layer->edge_tensors[0]);
  for (int32_t f = 0; f < features; f++) {
    double e = (double)r->in->edges->data[p * features + f], w = 0;
    if (by_head) {
      for (int64_t c = 0; c < inner; c++) {
        w += weight[(f * heads + h) * inner + c] * tensor(r, layer->edge_tensors[1])[h * inner + c];
      }
    } else {
      w = weight[bias ? f * heads + h : (f * heads + h) * dim + d];
    }
    sum += e * w;
  }
  return sum;
}

/* The weight of a pair in a row of n; softmax's before it is divided. */
static double weight_of(heed_normalizer normalizer, double logit, double n) {
  switch (normalizer) {
    case HEED_NORMALIZER_RELU:
      return fmax(logit, 0) / n;
    case HEED_NORMALIZER_SIGMOID:
      return 1 / (1 + n * exp(-logit));
    case HEED_NORMALIZER_LINEAR:
      return logit / n;
    default:
      return exp(logit);
  }
}

static void attention(const run *r, int number, double *y) {
  const heed__layer *layer = r->model->layers + number;
  const double *q = r->values[layer->inputs[0]], *k = r->values[layer->inputs[1]];
  const double *v = r->values[layer->inputs[2]];
  int32_t heads = layer->spec.heads, dim = layer->spec.key_dim, dim_v = layer->spec.value_dim;
  int64_t n = r->rows[layer->output], m = r->rows[layer->inputs[1]];
  bool adds = layer->edges == HEED_EDGES_ADD, of_values = adds && layer->spec.score == HEED_SCORE_DOT;
  bool to_keys = adds && layer->spec.score != HEED_SCORE_GAT;
  double *with_edge = room(dim, sizeof *with_edge);
  bool drops = r->mode == HEED_MODE_TRAIN && layer->spec.dropout > 0;
  float *factors = drops ? weight_factors(r, number) : NULL;
  for (int64_t i = 0; i < n; i++) {
    for (int32_t h = 0; h < heads; h++) {
      double sum = 0, *out = y + (i * heads + h) * dim_v;
      int64_t length = 0, unused;
      for (int64_t j = 0; j < m; j++) length += sees(r, layer, i, j, &unused);
      for (int64_t j = 0; j < m; j++) {
        int64_t pair;
        if (!sees(r, layer, i, j, &pair)) continue;
        for (int32_t d = 0; d < dim; d++) {
          with_edge[d] = k[(j * heads + h) * dim + d] + (to_keys ? of_edge(r, layer, pair, h, d) : 0);
        }
        bool to_logits = layer->edges != HEED_EDGES_NONE && !to_keys;
        double of_pair = to_logits ? of_edge(r, layer, pair, h, 0) : 0;
        double logit = logit_of(r, layer, q + (i * heads + h) * dim, with_edge, h, of_pair);
        double e = weight_of(layer->spec.normalizer, logit, (double)length);
        sum += e;
        for (int32_t d = 0; d < dim_v; d++) {
          double kept = drops ? (double)factors[pair * heads + h] : 1;
          double add = of_values ? of_edge(r, layer, pair, h, d) : 0;
          out[d] += e * kept * (v[(j * heads + h) * dim_v + d] + add);
        }
      }
      bool softmax = layer->spec.normalizer == HEED_NORMALIZER_SOFTMAX;
      for (int32_t d = 0; d < dim_v && softmax && sum > 0; d++) out[d] /= sum;
    }
  }
  free(factors);
  free(with_edge);
}

static void pool(const run *r, const heed__layer *layer, const double *x, double *y, int64_t graphs,
                 int64_t width) {
  int32_t of = r->model->values[layer->inputs[0]].per_graph;
  for (int64_t g = 0; g < graphs; g++) {
    for (int64_t j = 0; j < width; j++) {
      double sum = 0, most = -(double)INFINITY;
      int64_t first = start_of(r, of, g), end = start_of(r, of, g + 1), n = end - first;
      for (int64_t i = first; i < end; i++) {
        sum += x[i * width + j];
        most = fmax(most, x[i * width + j]);
      }
      double result = layer->pooling == HEED_POOLING_SUM    ? sum
                      : layer->pooling == HEED_POOLING_MEAN ? sum / (double)n
                                                            : most;
      y[g * width + j] = n == 0 ? 0 : result;
    }
  }
}

static void layer_forward(run *r, int number) {
  const heed__layer *layer = r->model->layers + number;
  heed_value out = layer->output, in = layer->inputs[0];
  int64_t width = r->model->values[out].width, from = r->model->values[in].width;
  int64_t graphs = r->in->n_graphs == 0 ? 1 : r->in->n_graphs;
  int32_t per_graph = r->model->values[out].per_graph;
  int64_t rows = r->rows[out] = start_of(r, per_graph, graphs);
  const double *x = r->values[in];
  double *y = r->values[out] = room(rows * width, sizeof *y);
  switch (layer->kind) {
    case HEED__FEATURES:
      features(r, out, y, rows, width);
      break;
    case HEED__LINEAR:
      for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < width; j++) {
          double sum = layer->tensors[1] < 0 ? 0 : tensor(r, layer->tensors[1])[j];
          for (int64_t l = 0; l < from; l++) {
            sum += x[i * from + l] * tensor(r, layer->tensors[0])[l * width + j];
          }
          y[i * width + j] = sum;
        }
      }
      break;
    case HEED__BIAS:
      for (int64_t i = 0; i < rows * width; i++) {
        y[i] = x[i] + tensor(r, layer->tensors[0])[i % width];
      }
      break;
    case HEED__DROPOUT:
      dropout(r, number, x, y, rows, width);
      break;
    case HEED__ACTIVATE:
      for (int64_t i = 0; i < rows * width; i++) y[i] = activated(layer->activation, x[i]);
      break;
    case HEED__NORMALIZE:
      normalize(r, layer, x, y, rows, width);
      break;
    case HEED__ADD:
      for (int64_t i = 0; i < rows * width; i++) y[i] = x[i] + r->values[layer->inputs[1]][i];
      break;
    case HEED__ATTENTION:
      attention(r, number, y);
      break;
    case HEED__HEAD_MEAN:
      for (int64_t i = 0; i < rows * width; i++) {
        for (int32_t h = 0; h < layer->heads; h++) {
          y[i] += x[i / width * from + h * width + i % width] / layer->heads;
        }
      }
      break;
    case HEED__SEEDS:
      for (int64_t i = 0; i < rows * width; i++) {
        y[i] = tensor(r, layer->tensors[0])[i % (per_graph * width)];
      }
      break;
    case HEED__JOIN:
      for (int64_t i = 0; i < rows * width; i++) y[i] = x[i];
      break;
    case HEED__POOL:
      pool(r, layer, x, y, rows, width);
      break;
    case HEED__POSITIONS: /* test_positions.c has formulas of its own for these */
    case HEED__ROTARY:
      abort();
  }
}

double *oracle_forward(const heed_model *model, const heed_model_inputs *inputs,
                       const double *parameters, heed_mode mode, uint64_t seed, uint64_t step) {
  run r = {.model = model,
           .in = inputs,
           .parameters = parameters,
           .mode = mode,
           .seed = seed,
           .step = step};
  r.values = room(model->n_values, sizeof *r.values);
  r.rows = room(model->n_values, sizeof *r.rows);
  for (int l = 0; l < model->n_layers; l++) layer_forward(&r, l);
  double *output = r.values[model->output];
  for (int v = 0; v < model->n_values; v++) {
    if (v != model->output) free(r.values[v]);
  }
  free(r.values);
  free(r.rows);
  return output;
}
