/* Layers that ask where nodes are: learned vectors, and turned queries and keys. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "model/pass.h"

static int64_t turn_dim(const heed_model *model, const heed__layer *layer) {
  return model->values[layer->output].width / layer->heads;
}

static int64_t nodes_of(const heed_pass *pass, int set) {
  return set == 0 ? pass->n_nodes : pass->context.n_nodes;
}

/* The table of a rotary layer, the same for all that turn alike. */
static heed_status reserve_turns(heed_pass *pass, int set, const heed__layer *layer, heed__step *step) {
  heed__places *places = pass->places + set;
  int64_t dim = turn_dim(pass->model, layer), n = nodes_of(pass, set);
  for (int t = 0; t < places->n_turns; t++) {
    const heed__turns *turns = places->turns + t;
    if (turns->dim == dim && turns->base == layer->base) step->turns = turns->table;
  }
  if (step->turns != NULL) return HEED_OK;
  size_t numbers;
  if (!heed__multiply((size_t)n, (size_t)dim, &numbers)) {
    return heed__fail(HEED_OVERFLOW, "pass: angles of %lld nodes do not fit", (long long)n);
  }
  float *table = heed__alloc(numbers, sizeof *table);
  if (table == NULL) return HEED_NOMEM;
  places->turns[places->n_turns++] = (heed__turns){dim, layer->base, table};
  step->turns = table;
  return HEED_OK;
}

/* Whether a layer that runs asks for positions of that node set. */
static bool asks(const heed_pass *pass, int set, int l) {
  const heed__layer *layer = pass->model->layers + l;
  return pass->steps[l].live && (layer->kind == HEED__POSITIONS || layer->kind == HEED__ROTARY) &&
         heed__set_of(pass, layer->output) == set;
}

static heed_status reserve_places(heed_pass *pass, int set) {
  const heed_model *model = pass->model;
  heed__places *places = pass->places + set;
  bool wanted = false, learns = false;
  for (int l = 0; l < model->n_layers; l++) {
    const heed__layer *layer = model->layers + l;
    if (!asks(pass, set, l)) continue;
    wanted = true;
    if (layer->kind != HEED__POSITIONS) continue;
    int64_t most = model->tensors[layer->tensors[0]].is.shape[0];
    places->most = most > places->most ? most : places->most;
    learns = learns || pass->steps[l].backward;
  }
  if (!wanted) return HEED_OK;
  size_t n = (size_t)nodes_of(pass, set);
  places->positions = heed__alloc(n, sizeof *places->positions);
  places->turns = heed__alloc_zero((size_t)model->n_layers, sizeof *places->turns);
  if (places->positions == NULL || places->turns == NULL) return HEED_NOMEM;
  for (int l = 0; l < model->n_layers; l++) {
    const heed__layer *layer = model->layers + l;
    if (!asks(pass, set, l) || layer->kind != HEED__ROTARY) continue;
    HEED__TRY(reserve_turns(pass, set, layer, pass->steps + l));
  }
  if (!learns) return HEED_OK;
  places->by_position = heed__alloc(n, sizeof *places->by_position);
  places->starts = heed__alloc((size_t)places->most + 1, sizeof *places->starts);
  return places->by_position == NULL || places->starts == NULL ? HEED_NOMEM : HEED_OK;
}

heed_status heed__positions_reserve(heed_pass *pass) {
  HEED__TRY(reserve_places(pass, 0));
  return reserve_places(pass, 1);
}

void heed__positions_free(heed_pass *pass) {
  for (int set = 0; set < 2; set++) {
    heed__places *places = pass->places + set;
    for (int t = 0; t < places->n_turns; t++) heed__free(places->turns[t].table);
    heed__free(places->turns);
    heed__free(places->positions);
    heed__free(places->by_position);
    heed__free(places->starts);
  }
}

static heed_status check_positions(const heed_pass *pass, int set) {
  const heed_model *model = pass->model;
  int64_t most = INT64_MAX;
  const char *name = "rotary", *of = set == 0 ? "node" : "context node";
  for (int l = 0; l < model->n_layers; l++) {
    const heed__layer *layer = model->layers + l;
    if (!asks(pass, set, l) || layer->kind != HEED__POSITIONS) continue;
    const heed__tensor *table = model->tensors + layer->tensors[0];
    if (table->is.shape[0] >= most) continue;
    most = table->is.shape[0];
    name = table->name;
  }
  for (int64_t r = 0; r < nodes_of(pass, set); r++) {
    int32_t position = pass->places[set].positions[r];
    if (position >= 0 && position < most) continue;
    int64_t node = set == 0 && pass->nodes != NULL ? pass->nodes[r] : r;
    if (position < 0) {
      return heed__fail(HEED_RANGE, "pass: %s %lld is at position %d, below 0", of, (long long)node,
                        (int)position);
    }
    return heed__fail(HEED_RANGE, "pass: %s %lld is at position %d, but %s has %lld positions", of,
                      (long long)node, (int)position, name, (long long)most);
  }
  return HEED_OK;
}

/* Rows by position, ascending within each. */
static void sort_positions(heed__places *places, int64_t n) {
  int32_t *starts = places->starts, before = 0;
  memset(starts, 0, ((size_t)places->most + 1) * sizeof *starts);
  for (int64_t r = 0; r < n; r++) starts[places->positions[r] + 1]++;
  for (int64_t p = 0; p <= places->most; p++) before = starts[p] += before;
  /* Each start moves to its end, which is where the next began. */
  for (int64_t r = 0; r < n; r++) places->by_position[starts[places->positions[r]]++] = (int32_t)r;
  for (int64_t p = places->most; p > 0; p--) starts[p] = starts[p - 1];
  starts[0] = 0;
}

static void fill_turns(const int32_t *positions, int64_t n, const heed__turns *turns) {
#pragma omp parallel for num_threads(heed_threads()) schedule(static)
  for (int64_t r = 0; r < n; r++) {
    for (int64_t c = 0; c < turns->dim; c += 2) {
      double angle = positions[r] * pow((double)turns->base, -(double)c / (double)turns->dim);
      turns->table[r * turns->dim + c] = (float)cos(angle);
      turns->table[r * turns->dim + c + 1] = (float)sin(angle);
    }
  }
}

heed_status heed__positions_take(heed_pass *pass, const heed_model_inputs *in) {
  for (int set = 0; set < 2; set++) {
    heed__places *places = pass->places + set;
    const int32_t *given = set == 0 ? in->positions : in->context_positions;
    const int64_t *ptr = set == 0 ? pass->graph_ptr : pass->context.graph_ptr;
    const int32_t *nodes = set == 0 ? pass->nodes : NULL;
    int64_t n = nodes_of(pass, set);
    if (places->positions == NULL) continue;
    for (int64_t g = 0; g < pass->n_graphs; g++) {
      for (int64_t r = ptr[g]; r < ptr[g + 1] && r < n; r++) {
        int64_t node = nodes != NULL ? nodes[r] : r;
        places->positions[r] = given != NULL ? given[node] : (int32_t)(node - ptr[g]);
      }
    }
    HEED__TRY(check_positions(pass, set));
    if (places->by_position != NULL) sort_positions(places, n);
    for (int t = 0; t < places->n_turns; t++) fill_turns(places->positions, n, places->turns + t);
  }
  return HEED_OK;
}

heed_status heed__positions_step(heed_pass *pass, const int32_t *positions) {
  heed__places *places = pass->places;
  if (places->positions == NULL) return HEED_OK;
  memcpy(places->positions, positions, (size_t)pass->n_nodes * sizeof *positions);
  HEED__TRY(check_positions(pass, 0));
  for (int t = 0; t < places->n_turns; t++) {
    fill_turns(places->positions, pass->n_nodes, places->turns + t);
  }
  return HEED_OK;
}

void heed__positions_forward(const heed_pass *pass, int number, const float *x, float *y) {
  const heed__layer *layer = pass->model->layers + number;
  int64_t rows = pass->slots[layer->output].rows, width = pass->model->values[layer->output].width;
  const float *table = heed__tensor_data(pass->model, layer->tensors[0]);
  const int32_t *positions = pass->places[heed__set_of(pass, layer->output)].positions;
#pragma omp parallel for num_threads(heed_threads()) schedule(static)
  for (int64_t r = 0; r < rows; r++) {
    const float *vector = table + positions[r] * width;
    for (int64_t c = 0; c < width; c++) y[r * width + c] = x[r * width + c] + vector[c];
  }
}

void heed__positions_backward(const heed_pass *pass, int number, const float *d_y, float *d_table) {
  const heed__layer *layer = pass->model->layers + number;
  int64_t rows = pass->slots[layer->output].rows, width = pass->model->values[layer->output].width;
  int64_t most = pass->model->tensors[layer->tensors[0]].is.shape[0];
  const heed__places *places = pass->places + heed__set_of(pass, layer->output);
#pragma omp parallel for num_threads(heed_threads()) schedule(dynamic, 64)
  for (int64_t p = 0; p < most; p++) {
    float *to = d_table + p * width;
    memset(to, 0, (size_t)width * sizeof *to);
    for (int32_t i = places->starts[p]; i < places->starts[p + 1]; i++) {
      int64_t r = places->by_position[i];
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
