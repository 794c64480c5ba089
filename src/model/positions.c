/* Layers that ask where nodes are: learned vectors, and turned queries and keys. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "model/pass.h"

static int64_t turn_dim(const heed_model *model, const heed__layer *layer) {
  return model->values[layer->output].width / layer->heads;
}

/* The table of a rotary layer, the same for all that turn alike. */
static heed_status reserve_turns(heed_pass *pass, const heed__layer *layer, heed__step *step) {
  int64_t dim = turn_dim(pass->model, layer);
  for (int t = 0; t < pass->n_turns; t++) {
    const heed__turns *turns = pass->turns + t;
    if (turns->dim == dim && turns->base == layer->base) step->turns = turns->table;
  }
  if (step->turns != NULL) return HEED_OK;
  size_t numbers;
  if (!heed__multiply((size_t)pass->n_nodes, (size_t)dim, &numbers)) {
    return heed__fail(HEED_OVERFLOW, "pass: angles of %lld nodes do not fit", (long long)pass->n_nodes);
  }
  float *table = heed__alloc(numbers, sizeof *table);
  if (table == NULL) return HEED_NOMEM;
  pass->turns[pass->n_turns++] = (heed__turns){dim, layer->base, table};
  step->turns = table;
  return HEED_OK;
}

heed_status heed__positions_reserve(heed_pass *pass) {
  const heed_model *model = pass->model;
  bool wanted = false, learns = false;
  for (int l = 0; l < model->n_layers; l++) {
    const heed__layer *layer = model->layers + l;
    if (!pass->steps[l].live) continue;
    if (layer->kind == HEED__POSITIONS) {
      int64_t most = model->tensors[layer->tensors[0]].is.shape[0];
      pass->most_positions = most > pass->most_positions ? most : pass->most_positions;
      learns = learns || pass->steps[l].backward;
    }
    wanted = wanted || layer->kind == HEED__POSITIONS || layer->kind == HEED__ROTARY;
  }
  if (!wanted) return HEED_OK;
  size_t n = (size_t)pass->n_nodes;
  pass->positions = heed__alloc(n, sizeof *pass->positions);
  pass->turns = heed__alloc_zero((size_t)model->n_layers, sizeof *pass->turns);
  if (pass->positions == NULL || pass->turns == NULL) return HEED_NOMEM;
  for (int l = 0; l < model->n_layers; l++) {
    const heed__layer *layer = model->layers + l;
    if (!pass->steps[l].live || layer->kind != HEED__ROTARY) continue;
    HEED__TRY(reserve_turns(pass, layer, pass->steps + l));
  }
  if (!learns) return HEED_OK;
  pass->by_position = heed__alloc(n, sizeof *pass->by_position);
  pass->position_starts =
      heed__alloc((size_t)pass->most_positions + 1, sizeof *pass->position_starts);
  return pass->by_position == NULL || pass->position_starts == NULL ? HEED_NOMEM : HEED_OK;
}

void heed__positions_free(heed_pass *pass) {
  for (int t = 0; t < pass->n_turns; t++) heed__free(pass->turns[t].table);
  heed__free(pass->turns);
  heed__free(pass->positions);
  heed__free(pass->by_position);
  heed__free(pass->position_starts);
}

static heed_status check_positions(const heed_pass *pass) {
  const heed_model *model = pass->model;
  int64_t most = INT64_MAX;
  const char *name = "rotary";
  for (int l = 0; l < model->n_layers; l++) {
    const heed__layer *layer = model->layers + l;
    if (!pass->steps[l].live || layer->kind != HEED__POSITIONS) continue;
    const heed__tensor *table = model->tensors + layer->tensors[0];
    if (table->is.shape[0] >= most) continue;
    most = table->is.shape[0];
    name = table->name;
  }
  for (int64_t r = 0; r < pass->n_nodes; r++) {
    int32_t position = pass->positions[r];
    if (position >= 0 && position < most) continue;
    int64_t node = pass->nodes != NULL ? pass->nodes[r] : r;
    if (position < 0) {
      return heed__fail(HEED_RANGE, "pass: node %lld is at position %d, below 0", (long long)node,
                        (int)position);
    }
    return heed__fail(HEED_RANGE, "pass: node %lld is at position %d, but %s has %lld positions",
                      (long long)node, (int)position, name, (long long)most);
  }
  return HEED_OK;
}

/* Rows by position, ascending within each. */
static void sort_positions(heed_pass *pass) {
  int32_t *starts = pass->position_starts, before = 0;
  memset(starts, 0, ((size_t)pass->most_positions + 1) * sizeof *starts);
  for (int64_t r = 0; r < pass->n_nodes; r++) starts[pass->positions[r] + 1]++;
  for (int64_t p = 0; p <= pass->most_positions; p++) before = starts[p] += before;
  /* Each place moves to its end and then back by as much: the end of p is where p + 1 began. */
  for (int64_t r = 0; r < pass->n_nodes; r++) {
    pass->by_position[starts[pass->positions[r]]++] = (int32_t)r;
  }
  for (int64_t p = pass->most_positions; p > 0; p--) starts[p] = starts[p - 1];
  starts[0] = 0;
}

static void fill_turns(const heed_pass *pass, const heed__turns *turns) {
#pragma omp parallel for num_threads(heed_threads()) schedule(static)
  for (int64_t r = 0; r < pass->n_nodes; r++) {
    for (int64_t c = 0; c < turns->dim; c += 2) {
      double angle = pass->positions[r] * pow((double)turns->base, -(double)c / (double)turns->dim);
      turns->table[r * turns->dim + c] = (float)cos(angle);
      turns->table[r * turns->dim + c + 1] = (float)sin(angle);
    }
  }
}

heed_status heed__positions_take(heed_pass *pass, const heed_model_inputs *in) {
  if (pass->positions == NULL) return HEED_OK;
  for (int64_t g = 0; g < pass->n_graphs; g++) {
    for (int64_t r = pass->graph_ptr[g]; r < pass->graph_ptr[g + 1] && r < pass->n_nodes; r++) {
      int64_t node = pass->nodes != NULL ? pass->nodes[r] : r;
      pass->positions[r] =
          in->positions != NULL ? in->positions[node] : (int32_t)(node - pass->graph_ptr[g]);
    }
  }
  HEED__TRY(check_positions(pass));
  if (pass->by_position != NULL) sort_positions(pass);
  for (int t = 0; t < pass->n_turns; t++) fill_turns(pass, pass->turns + t);
  return HEED_OK;
}

void heed__positions_forward(const heed_pass *pass, int number, const float *x, float *y) {
  const heed__layer *layer = pass->model->layers + number;
  int64_t rows = pass->slots[layer->output].rows, width = pass->model->values[layer->output].width;
  const float *table = heed__tensor_data(pass->model, layer->tensors[0]);
#pragma omp parallel for num_threads(heed_threads()) schedule(static)
  for (int64_t r = 0; r < rows; r++) {
    const float *vector = table + pass->positions[r] * width;
    for (int64_t c = 0; c < width; c++) y[r * width + c] = x[r * width + c] + vector[c];
  }
}

void heed__positions_backward(const heed_pass *pass, int number, const float *d_y, float *d_table) {
  const heed__layer *layer = pass->model->layers + number;
  int64_t rows = pass->slots[layer->output].rows, width = pass->model->values[layer->output].width;
  int64_t most = pass->model->tensors[layer->tensors[0]].is.shape[0];
#pragma omp parallel for num_threads(heed_threads()) schedule(dynamic, 64)
  for (int64_t p = 0; p < most; p++) {
    float *to = d_table + p * width;
    memset(to, 0, (size_t)width * sizeof *to);
    for (int32_t i = pass->position_starts[p]; i < pass->position_starts[p + 1]; i++) {
      int64_t r = pass->by_position[i];
      if (r >= rows) break; /* ascending: the others are not looked at */
      for (int64_t c = 0; c < width; c++) to[c] += d_y[r * width + c];
    }
  }
}

void heed__rotary_apply(const heed_pass *pass, int number, bool back, const float *x, float *y,
                        bool add) {
  const heed__layer *layer = pass->model->layers + number;
  int64_t rows = pass->slots[layer->output].rows, width = pass->model->values[layer->output].width;
  int64_t dim = turn_dim(pass->model, layer), apart = layer->halves ? dim / 2 : 1;
  int64_t step = layer->halves ? 1 : 2;
  const float *turns = pass->steps[number].turns;
#pragma omp parallel for num_threads(heed_threads()) schedule(static)
  for (int64_t r = 0; r < rows; r++) {
    const float *turn = turns + r * dim;
    for (int64_t h = 0; h < layer->heads; h++) {
      const float *from = x + r * width + h * dim;
      float *to = y + r * width + h * dim;
      for (int64_t c = 0; c < dim / 2; c++) {
        float cosine = turn[2 * c], sine = back ? -turn[2 * c + 1] : turn[2 * c + 1];
        float u = from[c * step], v = from[c * step + apart];
        float first = u * cosine - v * sine, second = u * sine + v * cosine;
        to[c * step] = add ? to[c * step] + first : first;
        to[c * step + apart] = add ? to[c * step + apart] + second : second;
      }
    }
  }
}
