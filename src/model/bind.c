/* Passes made, bound and ended: layers that run, attention, features transposed. */
#include <string.h>

#include "attention/heads.h"
#include "base/alloc.h"
#include "base/status.h"
#include "mask/mask.h"
#include "model/plan.h"

/* Keys of a query, in the mean, from which on runs of them are computed in tiles. */
enum { LONG_RUN = 64 };

static void find_live(heed__plan *p) {
  const heed_model *model = p->model;
  heed_pass *pass = p->pass;
  pass->steps[model->values[model->output].layer].live = true;
  for (int l = model->n_layers - 1; l >= 0; l--) {
    const heed__layer *layer = model->layers + l;
    pass->steps[l].in_place = -1;
    if (!pass->steps[l].live) continue;
    for (int i = 0; i < layer->n_inputs; i++) {
      pass->steps[model->values[layer->inputs[i]].layer].live = true;
      p->uses[layer->inputs[i]]++;
    }
  }
}

static void find_gradients(heed__plan *p) {
  const heed_model *model = p->model;
  heed_pass *pass = p->pass;
  for (int l = 0; l < model->n_layers; l++) {
    const heed__layer *layer = model->layers + l;
    heed__step *step = pass->steps + l;
    if (!step->live || !pass->training) continue;
    bool needs = layer->tensors[0] >= 0 || layer->edge_tensors[0] >= 0 || layer->relative >= 0;
    for (int i = 0; i < layer->n_inputs; i++) {
      needs = needs || pass->slots[layer->inputs[i]].needs_gradient;
    }
    step->backward = needs;
    pass->slots[layer->output].needs_gradient = needs;
  }
}

/* Rows of a value that has so many a graph, 0: one a node. */
static int64_t rows_of(const heed_pass *pass, int32_t per_graph) {
  if (per_graph == HEED__CONTEXT) return pass->context.n_nodes;
  return per_graph == 0 ? pass->n_nodes : per_graph * pass->n_graphs;
}

/* Rows of each value, and how those of a sparse pass are kept. */
static void find_forms(heed__plan *p) {
  const heed_model *model = p->model;
  heed_pass *pass = p->pass;
  for (int v = 0; v < model->n_values; v++) {
    const heed__layer *layer = model->layers + model->values[v].layer;
    heed__slot *slot = pass->slots + v;
    slot->rows = rows_of(pass, model->values[v].per_graph);
    slot->sparse = pass->most_values[heed__set_of(pass, v)] >= 0 &&
                   (layer->kind == HEED__FEATURES ||
                    (layer->kind == HEED__DROPOUT && pass->slots[layer->inputs[0]].sparse));
    slot->dense = !slot->sparse || v == model->output;
  }
  for (int l = 0; l < model->n_layers; l++) {
    const heed__layer *layer = model->layers + l;
    if (!pass->steps[l].live || layer->kind == HEED__LINEAR || layer->kind == HEED__DROPOUT) {
      continue;
    }
    for (int i = 0; i < layer->n_inputs; i++) pass->slots[layer->inputs[i]].dense = true;
  }
}

/* The pairs of a mask alone. */
static heed_mask pairs_of(const heed_mask *mask) {
  heed_mask pairs = {0};
  if (mask == NULL) return pairs;
  pairs = *mask;
  pairs.edge_ptr = pairs.edge_ids = NULL;
  pairs.origins = NULL;
  pairs.owned = NULL;
  return pairs;
}

/* The masks of the inputs, as groups of heads. */
static void take_groups(heed_pass *pass, const heed_model_inputs *in) {
  int64_t first = 0;
  for (int g = 0; g < pass->n_groups; g++) {
    const heed_mask *mask = in->n_head_masks > 0 ? in->head_masks[g] : in->mask;
    bool full = mask != NULL && heed_mask_is_full(mask);
    pass->groups[g] = (heed__group){.mask = pairs_of(mask),
                                    .heads = in->n_head_masks > 0 ? in->mask_heads[g] : 0,
                                    .first_pair = first,
                                    .full_nodes = full ? in->n_nodes : 0};
    first += pass->groups[g].mask.n_pairs;
  }
}

int64_t heed__pass_pairs(const heed_pass *pass) {
  const heed__group *last = pass->groups + pass->n_groups - 1;
  return last->first_pair + last->mask.n_pairs;
}

static heed_status take_edges(heed_pass *pass, const heed_model_inputs *in) {
  const char *name = NULL;
  bool full = false;
  for (int l = 0; l < pass->model->n_layers; l++) {
    const heed__layer *layer = pass->model->layers + l;
    if (pass->steps[l].live && layer->edges != HEED_EDGES_NONE) name = layer->name;
  }
  pass->edges = NULL;
  if (name == NULL) return HEED_OK;
  const heed_matrix *edges = in->edges;
  for (int g = 0; g < pass->n_groups; g++) full = full || pass->groups[g].full_nodes > 0;
  int64_t pairs = heed__pass_pairs(pass);
  if (edges == NULL || full) {
    return heed__fail(HEED_ARGUMENT, "pass: layer %s takes the features of pairs: %s", name,
                      edges == NULL ? "edges are not there" : "a full mask has none");
  }
  if (edges->rows != pairs || edges->cols != pass->model->edge_features ||
      (edges->stride != edges->cols && edges->rows > 1) ||
      (edges->data == NULL && edges->rows > 0)) {
    return heed__fail(HEED_SHAPE,
                      "pass: edges [%lld, %lld] with stride %lld, but %lld pairs and a model of %lld "
                      "features a pair",
                      (long long)edges->rows, (long long)edges->cols, (long long)edges->stride,
                      (long long)pairs, (long long)pass->model->edge_features);
  }
  pass->edges = edges->data;
  return HEED_OK;
}

heed_status heed__pass_take_mask(heed_pass *pass, const heed_model_inputs *in) {
  for (int l = 0; l < pass->model->n_layers; l++) {
    const heed__layer *layer = pass->model->layers + l;
    if (pass->steps[l].live && layer->kind == HEED__ATTENTION &&
        layer->scope == HEED_SCOPE_MASKED && in->mask == NULL && in->n_head_masks == 0 &&
        pass->model->values[layer->inputs[0]].per_graph == 0 &&
        pass->model->values[layer->inputs[1]].per_graph == 0) {
      return heed__fail(HEED_ARGUMENT, "pass: layer %s is masked, but there is no mask",
                        layer->name);
    }
  }
  take_groups(pass, in);
  HEED__TRY(take_edges(pass, in));
  HEED__TRY(heed__classes_take(pass, in));
  pass->context.cross = pairs_of(in->cross_mask);
  pass->context.own = pairs_of(in->context_mask);
  return HEED_OK;
}

static void take_sets(heed_pass *pass, const heed_model_inputs *in) {
  heed__context *context = &pass->context;
  pass->dense = in->dense;
  pass->sparse = in->sparse;
  pass->n_nodes = in->n_nodes;
  pass->whole[1] = in->n_nodes;
  pass->n_graphs = in->n_graphs == 0 ? 1 : in->n_graphs;
  pass->graph_ptr = in->n_graphs == 0 ? pass->whole : in->graph_ptr;
  context->dense = in->context;
  context->sparse = in->context_sparse;
  context->n_nodes = in->n_context;
  context->whole[1] = in->n_context;
  context->graph_ptr = in->n_graphs == 0 ? context->whole : in->context_ptr;
}

heed_status heed__pass_ones(heed_pass *pass) {
  int64_t ones = 0;
  for (int l = 0; l < pass->model->n_layers; l++) {
    const heed__layer *layer = pass->model->layers + l;
    if (!pass->steps[l].live || layer->kind != HEED__ATTENTION) continue;
    int64_t width = (int64_t)layer->spec.heads * layer->spec.key_dim;
    if (layer->tensors[0] < 0 && layer->spec.score != HEED_SCORE_DOT && width > ones) ones = width;
  }
  if (ones == 0) return HEED_OK;
  pass->ones = heed__alloc((size_t)ones, sizeof *pass->ones);
  if (pass->ones == NULL) return HEED_NOMEM;
  for (int64_t i = 0; i < ones; i++) pass->ones[i] = 1;
  return HEED_OK;
}

heed_kernel heed__pass_kernel(const heed_attention_spec *spec, const heed_mask *mask) {
  if (spec->kernel != HEED_KERNEL_AUTO) return spec->kernel;
  if (heed_mask_is_full(mask)) return HEED_KERNEL_DENSE;
  bool long_runs = heed__mask_is_runs(mask) && mask->n_pairs / LONG_RUN >= mask->n_queries;
  bool tiles = long_runs && spec->score == HEED_SCORE_DOT && spec->normalizer == HEED_NORMALIZER_SOFTMAX;
  return tiles ? HEED_KERNEL_DENSE : HEED_KERNEL_SPARSE;
}

/* What the groups of a layer's heads look at, and how many they are. */
typedef struct grouped {
  const heed_mask *masks[HEED_MAX_HEAD_MASKS];
  int32_t heads[HEED_MAX_HEAD_MASKS];
} grouped;

static grouped groups_of(const heed_pass *pass, const heed__layer *layer, heed__step *step) {
  grouped groups = {0};
  step->n_views = heed__groups_of(pass, layer);
  step->mask = &step->views->mask;
  step->spec = layer->spec;
  for (int g = 0; g < step->n_views; g++) {
    groups.masks[g] = &step->views[g].mask;
    groups.heads[g] = heed__heads_of(pass, layer, g);
  }
  return groups;
}

/* Says of which layer it was, where that is not plain. */
static heed_status of_layer(const heed__layer *layer, const heed__step *step, heed_status status) {
  if (status == HEED_OK || status == HEED_NOMEM || step->n_views == 1) return status;
  return heed__fail(status, "pass: layer %s: %s", layer->name, heed_message());
}

static heed_status reserve_attentions(heed_pass *pass) {
  for (int l = 0; l < pass->model->n_layers; l++) {
    const heed__layer *layer = pass->model->layers + l;
    heed__step *step = pass->steps + l;
    if (!step->live || layer->kind != HEED__ATTENTION) continue;
    HEED__TRY(heed__views_reserve(pass, layer, &step->views));
    grouped groups = groups_of(pass, layer, step);
    /* Whatever graphs there will be: a graph has the same bits in every batch. */
    if (step->spec.kernel == HEED_KERNEL_AUTO) step->spec.kernel = HEED_KERNEL_SPARSE;
    heed_status status = heed__heads_reserve(&step->heads, &step->spec, step->n_views, groups.masks,
                                             groups.heads, step->views->full);
    HEED__TRY(of_layer(layer, step, status));
    if (step->backward) HEED__TRY(heed_heads_prepare_backward(step->heads));
  }
  return heed__pass_ones(pass);
}

static heed_status make_attention(heed_pass *pass, const heed__layer *layer, heed__step *step) {
  heed_kernel kernels[HEED_MAX_HEAD_MASKS];
  HEED__TRY(heed__views_find(pass, layer, &step->views));
  grouped groups = groups_of(pass, layer, step);
  for (int g = 0; g < step->n_views; g++) {
    kernels[g] = heed__pass_kernel(&step->spec, groups.masks[g]);
  }
  heed_status status = heed__heads_new(&step->heads, &step->spec, step->n_views, groups.masks,
                                       groups.heads, kernels);
  for (int g = 0; status == HEED_OK && g < step->n_views; g++) {
    const heed__view *view = step->views + g;
    heed__heads_edges_from(step->heads, g, pass->groups[g].first_pair);
    if (!step->backward) continue;
    status = heed__heads_prepare(step->heads, g,
                                 view->transposed.indptr == NULL ? NULL : &view->transposed,
                                 view->pairs);
  }
  return of_layer(layer, step, status);
}

static heed_status make_attentions(heed__plan *p) {
  for (int l = 0; l < p->model->n_layers; l++) {
    const heed__layer *layer = p->model->layers + l;
    heed__step *step = p->pass->steps + l;
    if (!step->live || layer->kind != HEED__ATTENTION) continue;
    HEED__TRY(make_attention(p->pass, layer, step));
  }
  return heed__pass_ones(p->pass);
}

/* Whether the backward pass needs the transpose of sparse features: of the nodes, of the context. */
static void find_turned(const heed_pass *pass, bool wanted[2]) {
  const heed_model *model = pass->model;
  wanted[0] = wanted[1] = false;
  for (int l = 0; l < model->n_layers; l++) {
    const heed__layer *layer = model->layers + l;
    if (pass->steps[l].backward && layer->kind == HEED__LINEAR &&
        pass->slots[layer->inputs[0]].sparse) {
      wanted[heed__set_of(pass, layer->inputs[0])] = true;
    }
  }
}

/* Room for the transpose of at most `n` numbers in `cols` columns. */
static heed_status reserve_turned(heed__turned *turned, int64_t cols, int64_t n, bool values) {
  if (n > UINT32_MAX) {
    return heed__fail(HEED_OVERFLOW, "pass: %lld non-zeros of features, of which %lld can be named",
                      (long long)n, (long long)UINT32_MAX);
  }
  turned->arrays[0] = heed__alloc((size_t)cols + 1, sizeof(int64_t));
  turned->arrays[1] = heed__alloc((size_t)n, sizeof(int32_t));
  turned->arrays[2] = heed__alloc((size_t)n, sizeof(uint32_t));
  turned->arrays[3] = values ? heed__alloc((size_t)n, sizeof(float)) : NULL;
  turned->arrays[4] = heed__alloc((size_t)n, sizeof(int64_t));
  for (int i = 0; i < 5; i++) {
    if (turned->arrays[i] == NULL && (i != 3 || values)) return HEED_NOMEM;
  }
  return HEED_OK;
}

static heed_status turn(heed__turned *turned, const heed_csr *a) {
  int64_t *indptr = turned->arrays[0], *wide = turned->arrays[4], n = a->indptr[a->rows];
  int32_t *indices = turned->arrays[1];
  uint32_t *places = turned->arrays[2];
  float *values = a->values == NULL ? NULL : turned->arrays[3];
  HEED__TRY(heed_csr_transpose(a, indptr, indices, wide));
  for (int64_t i = 0; i < n; i++) {
    places[i] = (uint32_t)wide[i];
    if (values != NULL) values[i] = a->values[wide[i]];
  }
  turned->places = places;
  turned->features = (heed_csr){
      .rows = a->cols, .cols = a->rows, .indptr = indptr, .indices = indices, .values = values};
  return HEED_OK;
}

static heed_status transpose_features(heed_pass *pass) {
  const heed_csr *features[2] = {pass->sparse, pass->context.sparse};
  bool wanted[2];
  find_turned(pass, wanted);
  for (int set = 0; set < 2; set++) {
    const heed_csr *a = features[set];
    heed__turned *turned = pass->turned + set;
    if (!wanted[set]) continue;
    HEED__TRY(reserve_turned(turned, a->cols, a->indptr[a->rows], a->values != NULL));
    HEED__TRY(turn(turned, a));
    heed__free(turned->arrays[4]);
    turned->arrays[4] = NULL;
  }
  return HEED_OK;
}

heed_status heed__pass_prepare(heed__plan *p) {
  heed_pass *pass = p->pass;
  size_t n = (size_t)p->model->n_values;
  pass->slots = heed__alloc_zero(n, sizeof *pass->slots);
  pass->steps = heed__alloc_zero((size_t)p->model->n_layers, sizeof *pass->steps);
  pass->views = heed__alloc_zero((size_t)p->model->n_layers * (size_t)pass->n_groups,
                                 sizeof *pass->views);
  pass->groups = heed__alloc_zero((size_t)pass->n_groups, sizeof *pass->groups);
  p->uses = heed__alloc_zero(n * 5, sizeof *p->uses);
  p->passed_on = heed__alloc_zero(n * 2, sizeof *p->passed_on);
  if (pass->slots == NULL || pass->steps == NULL || pass->views == NULL || pass->groups == NULL ||
      p->uses == NULL || p->passed_on == NULL) {
    return HEED_NOMEM;
  }
  p->stays = p->passed_on + n;
  p->last = p->uses + n;
  p->writer = p->last + n;
  p->root = p->writer + n;
  p->last_gradient = p->root + n;
  find_live(p);
  find_gradients(p);
  find_forms(p);
  return heed__positions_reserve(pass);
}

static heed_status bind_once(heed__plan *p, const heed_model_inputs *in) {
  heed_pass *pass = p->pass;
  take_sets(pass, in);
  pass->n_groups = in->n_head_masks > 0 ? in->n_head_masks : 1;
  pass->most_values[0] = in->sparse == NULL ? -1 : in->sparse->indptr[in->sparse->rows];
  pass->most_values[1] =
      in->context_sparse == NULL ? -1 : in->context_sparse->indptr[in->context_sparse->rows];
  HEED__TRY(heed__pass_prepare(p));
  HEED__TRY(heed__pass_take_mask(pass, in));
  if (in->wanted != NULL && in->n_head_masks == 0) {
    HEED__TRY(heed__field_order(pass, in->mask, in->wanted));
  }
  if (in->n_wanted > 0) HEED__TRY(heed__field_first(pass, in->n_wanted));
  HEED__TRY(heed__positions_take(pass, in));
  HEED__TRY(heed__flip_reserve(pass));
  heed__flip_take(pass);
  HEED__TRY(make_attentions(p));
  HEED__TRY(transpose_features(pass));
  HEED__TRY(heed__plan_buffers(p));
  pass->bound = true;
  return HEED_OK;
}

static heed_status reserve(heed__plan *p, const heed_model_capacity *capacity) {
  heed_pass *pass = p->pass;
  pass->reserved = true;
  pass->capacity = *capacity;
  pass->n_groups = capacity->n_head_masks > 0 ? capacity->n_head_masks : 1;
  pass->n_nodes = capacity->n_nodes;
  pass->n_graphs = capacity->n_graphs > 0 ? capacity->n_graphs : 1; /* one of all nodes */
  pass->context.n_nodes = capacity->n_context;
  pass->most_values[0] = capacity->n_values > 0 ? capacity->n_values : -1;
  pass->most_values[1] = capacity->n_context_values > 0 ? capacity->n_context_values : -1;
  HEED__TRY(heed__pass_prepare(p));
  for (int g = 0; g < capacity->n_head_masks; g++) pass->groups[g].heads = capacity->mask_heads[g];
  if (capacity->hops > 0) HEED__TRY(heed__field_reserve(pass));
  HEED__TRY(heed__flip_reserve(pass));
  HEED__TRY(reserve_attentions(pass));
  bool wanted[2];
  find_turned(pass, wanted);
  for (int set = 0; set < 2; set++) {
    heed_value features = set == 0 ? 0 : p->model->context;
    if (!wanted[set]) continue;
    HEED__TRY(reserve_turned(pass->turned + set, p->model->values[features].width,
                             pass->most_values[set], true));
  }
  HEED__TRY(heed__plan_buffers(p));
  for (int v = 0; v < p->model->n_values; v++) pass->slots[v].rows = 0;
  return HEED_OK;
}

/* A pass from inputs or, where these are NULL, from a capacity. */
static heed_status new_pass(heed_pass **result, heed_model *model, const heed_model_inputs *inputs,
                            const heed_model_capacity *capacity, bool training, bool stepwise) {
  int64_t before = heed__alloc_held_here();
  heed_pass *pass = heed__alloc_zero(1, sizeof *pass);
  if (pass == NULL) return HEED_NOMEM;
  pass->model = model;
  pass->training = training;
  pass->stepwise = stepwise;
  pass->capture = -1;
  heed__plan p = {.pass = pass, .model = model};
  heed_status status = inputs != NULL ? bind_once(&p, inputs) : reserve(&p, capacity);
  heed__free(p.uses);
  heed__free(p.passed_on);
  heed__free(p.items);
  heed__free(p.order);
  if (status != HEED_OK) {
    heed_pass_free(pass);
    return status;
  }
  pass->bytes = (size_t)(heed__alloc_held_here() - before);
  *result = pass;
  return HEED_OK;
}

heed_status heed_pass_new(heed_pass **pass, heed_model *model, const heed_model_inputs *inputs,
                          bool training) {
  *pass = NULL;
  HEED__TRY(heed__pass_check(model, inputs));
  return new_pass(pass, model, inputs, NULL, training, false);
}

static heed_status reserve_pass(heed_pass **pass, heed_model *model,
                                const heed_model_capacity *capacity, bool training,
                                bool stepwise) {
  *pass = NULL;
  HEED__TRY(heed__capacity_check(model, capacity));
  return new_pass(pass, model, NULL, capacity, training, stepwise);
}

heed_status heed_pass_reserve(heed_pass **pass, heed_model *model,
                              const heed_model_capacity *capacity, bool training) {
  return reserve_pass(pass, model, capacity, training, false);
}

heed_status heed__pass_reserve_steps(heed_pass **pass, heed_model *model,
                                     const heed_model_capacity *capacity) {
  return reserve_pass(pass, model, capacity, false, true);
}

heed_status heed_pass_bind(heed_pass *pass, const heed_model_inputs *in) {
  if (!pass->reserved) {
    return heed__fail(HEED_ARGUMENT, "pass: it was not reserved to be bound again");
  }
  const heed_model *model = pass->model;
  pass->bound = pass->trained = false;
  HEED__TRY(heed__pass_check(model, in));
  HEED__TRY(heed__pass_check_room(pass, in));
  take_sets(pass, in);
  for (int v = 0; v < model->n_values; v++) {
    pass->slots[v].rows = rows_of(pass, model->values[v].per_graph);
  }
  HEED__TRY(heed__pass_take_mask(pass, in));
  if (pass->capacity.hops > 0) {
    HEED__TRY(heed__field_bind(pass, in->n_wanted > 0 ? in->n_wanted : in->n_nodes));
  }
  HEED__TRY(heed__positions_take(pass, in));
  heed__flip_take(pass);
  const heed_csr *features[2] = {pass->sparse, pass->context.sparse};
  for (int set = 0; set < 2; set++) {
    if (pass->turned[set].arrays[0] != NULL) HEED__TRY(turn(pass->turned + set, features[set]));
  }
  for (int i = 0; i < pass->n_views; i++) HEED__TRY(heed__view_bind(pass, pass->views + i));
  for (int l = 0; l < model->n_layers; l++) {
    const heed__step *step = pass->steps + l;
    for (int g = 0; step->heads != NULL && g < step->n_views; g++) {
      const heed__view *view = step->views + g;
      HEED__TRY(heed__heads_rebind(step->heads, g, &view->mask, &view->transposed, view->pairs));
      heed__heads_edges_from(step->heads, g, pass->groups[g].first_pair);
    }
  }
  pass->bound = true;
  return HEED_OK;
}

void heed_pass_free(heed_pass *pass) {
  if (pass == NULL) return;
  for (int l = 0; pass->steps != NULL && l < pass->model->n_layers; l++) {
    heed_heads_free(pass->steps[l].heads);
  }
  for (int i = 0; i < pass->n_views; i++) {
    heed_mask_free(&pass->views[i].mask);
    heed_mask_free(&pass->views[i].transposed);
    if (!pass->reserved) heed__free(pass->views[i].pairs);
    for (int a = 0; a < 5; a++) heed__free(pass->views[i].arrays[a]);
  }
  heed__free(pass->views);
  heed__free(pass->groups);
  heed__free(pass->nodes);
  heed__free(pass->place);
  for (int i = 0; i < 3; i++) heed__free(pass->feature_arrays[i]);
  for (int i = 0; i < 2; i++) heed__free(pass->mask_arrays[i]);
  for (int i = 0; i < 2; i++) heed__free(pass->pair_arrays[i]);
  heed__positions_free(pass);
  heed__free(pass->signs);
  heed__free(pass->flip_values);
  for (int i = 0; i < 10; i++) heed__free(pass->turned[i / 5].arrays[i % 5]);
  heed__free(pass->slots);
  heed__free(pass->steps);
  heed__free(pass->arena);
  heed__free(pass->room);
  heed__free(pass->ones);
  heed__free(pass->gradients);
  heed__free(pass);
}
