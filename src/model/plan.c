/* Binding a model to inputs: which layers run, where every value and gradient lies.
 *
 * Layer l of L runs forward at time l and backward at time 2 L - 1 - l. A buffer is taken from its
 * first to its last use in that time, and buffers whose times do not meet may share a place. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "mask/mask.h"
#include "matrix/loops.h"
#include "model/pass.h"

/* A buffer to be placed. */
typedef struct item {
  int64_t floats;
  int64_t offset;
  int first, last;
  float **to;
} item;

/* What planning needs for a while. */
typedef struct plan {
  heed_pass *pass;
  const heed_model *model;
  int *uses;       /* [values] how often live layers read it */
  int *last;       /* [values] the last time its data is read */
  int *writer;     /* [values] the layer that writes its gradient first, that is the last to read it; -1 */
  int *root;       /* [values] whose gradient buffer it shares; itself: its own */
  int *last_gradient; /* [values] the last time its gradient is read */
  bool *passed_on; /* [values] evaluation lets it lie where another value does */
  item *items;
  int n_items, room_items;
  int *order;
} plan;

static int backward_time(const plan *p, int layer) { return 2 * p->model->n_layers - 1 - layer; }

static int most(int a, int b) { return a > b ? a : b; }

void *heed__pass_alloc(heed_pass *pass, int64_t count, size_t size) {
  void *block = heed__alloc((size_t)count, size);
  if (block != NULL) pass->bytes += (size_t)count * size;
  return block;
}

/* --- What the pass is given --- */

static heed_status check_features(const heed_model *model, const heed_model_inputs *in) {
  if ((in->dense != NULL) == (in->sparse != NULL)) {
    return heed__fail(HEED_ARGUMENT, "pass: features must be dense or sparse, one of them");
  }
  int64_t rows = in->dense != NULL ? in->dense->rows : in->sparse->rows;
  int64_t cols = in->dense != NULL ? in->dense->cols : in->sparse->cols;
  if (in->n_nodes < 0 || in->n_nodes > INT32_MAX) {
    return heed__fail(HEED_RANGE, "pass: %lld nodes, not between 0 and %d", (long long)in->n_nodes,
                      INT32_MAX);
  }
  if (rows != in->n_nodes || cols != heed_model_feature_count(model)) {
    return heed__fail(HEED_SHAPE, "pass: features [%lld, %lld], but %lld nodes and a model of %lld "
                      "features", (long long)rows, (long long)cols, (long long)in->n_nodes,
                      (long long)heed_model_feature_count(model));
  }
  if (in->sparse != NULL) return heed_csr_check(in->sparse);
  if (in->dense->stride < cols || (in->dense->data == NULL && rows > 0)) {
    return heed__fail(HEED_SHAPE, "pass: features of %lld columns with stride %lld", (long long)cols,
                      (long long)in->dense->stride);
  }
  return HEED_OK;
}

static heed_status check_graphs(const heed_model_inputs *in) {
  if (in->n_graphs == 0) return HEED_OK;
  if (in->n_graphs < 0 || in->n_graphs > INT32_MAX || in->graph_ptr == NULL) {
    return heed__fail(HEED_ARGUMENT, "pass: %lld graphs%s", (long long)in->n_graphs,
                      in->graph_ptr == NULL ? " without graph_ptr" : "");
  }
  for (int64_t g = 0; g < in->n_graphs; g++) {
    if (in->graph_ptr[g + 1] < in->graph_ptr[g]) {
      return heed__fail(HEED_RANGE, "pass: graph %lld ends at node %lld, before its start %lld",
                        (long long)g, (long long)in->graph_ptr[g + 1],
                        (long long)in->graph_ptr[g]);
    }
  }
  if (in->graph_ptr[0] != 0 || in->graph_ptr[in->n_graphs] != in->n_nodes) {
    return heed__fail(HEED_SHAPE, "pass: the graphs have the nodes %lld to %lld, not 0 to %lld",
                      (long long)in->graph_ptr[0], (long long)in->graph_ptr[in->n_graphs],
                      (long long)in->n_nodes);
  }
  return HEED_OK;
}

static heed_status check_inputs(const heed_model *model, const heed_model_inputs *in) {
  if (!model->finished) return heed__fail(HEED_ARGUMENT, "pass: the model is not finished");
  HEED__TRY(check_features(model, in));
  HEED__TRY(check_graphs(in));
  if (in->mask != NULL && (in->mask->n_queries != in->n_nodes || in->mask->n_keys != in->n_nodes)) {
    return heed__fail(HEED_SHAPE, "pass: a mask of %lld queries and %lld keys for %lld nodes",
                      (long long)in->mask->n_queries, (long long)in->mask->n_keys,
                      (long long)in->n_nodes);
  }
  return HEED_OK;
}

/* --- What runs --- */

static void find_live(plan *p) {
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

static void find_gradients(plan *p) {
  const heed_model *model = p->model;
  heed_pass *pass = p->pass;
  for (int l = 0; l < model->n_layers; l++) {
    const heed__layer *layer = model->layers + l;
    heed__step *step = pass->steps + l;
    if (!step->live || !pass->training) continue;
    bool needs = layer->tensors[0] >= 0;
    for (int i = 0; i < layer->n_inputs; i++) {
      needs = needs || pass->slots[layer->inputs[i]].needs_gradient;
    }
    step->backward = needs;
    pass->slots[layer->output].needs_gradient = needs;
  }
}

/* Rows of each value, and how those of a sparse pass are kept. */
static void find_forms(plan *p) {
  const heed_model *model = p->model;
  heed_pass *pass = p->pass;
  for (int v = 0; v < model->n_values; v++) {
    const heed__layer *layer = model->layers + model->values[v].layer;
    heed__slot *slot = pass->slots + v;
    slot->rows = model->values[v].graphs ? pass->n_graphs : pass->n_nodes;
    slot->sparse = pass->sparse != NULL &&
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

/* --- Masks and attention --- */

static heed_status block_diagonal(heed_mask *mask, int64_t n_nodes, int64_t n_graphs,
                                  const int64_t *ptr) {
  int64_t pairs = 0;
  for (int64_t g = 0; g < n_graphs; g++) {
    int64_t n = ptr[g + 1] - ptr[g], square;
    if (__builtin_mul_overflow(n, n, &square) || __builtin_add_overflow(pairs, square, &pairs)) {
      return heed__fail(HEED_OVERFLOW, "pass: full attention in graph %lld of %lld nodes: its pairs "
                        "do not fit", (long long)g, (long long)n);
    }
  }
  int64_t *indptr;
  int32_t *indices;
  HEED__TRY(heed__mask_new(mask, n_nodes, n_nodes, pairs, -1, false, &indptr, &indices, NULL, NULL,
                           NULL));
  int64_t pair = 0;
  indptr[0] = 0;
  for (int64_t g = 0; g < n_graphs; g++) {
    for (int64_t i = ptr[g]; i < ptr[g + 1]; i++) {
      for (int64_t j = ptr[g]; j < ptr[g + 1]; j++) indices[pair++] = (int32_t)j;
      indptr[i + 1] = pair;
    }
  }
  return HEED_OK;
}

static size_t mask_bytes(const heed_mask *mask) {
  if (mask->indptr == NULL) return 0;
  return (size_t)(mask->n_queries + 1) * sizeof *mask->indptr +
         (size_t)mask->n_pairs * sizeof *mask->indices;
}

static heed_status transpose(heed_pass *pass, heed__view *view) {
  if (!pass->training || heed_mask_is_full(&view->mask)) return HEED_OK;
  view->pairs = heed__pass_alloc(pass, view->mask.n_pairs, sizeof *view->pairs);
  if (view->pairs == NULL) return HEED_NOMEM;
  HEED__TRY(heed_mask_transpose(&view->transposed, &view->mask, view->pairs));
  pass->bytes += mask_bytes(&view->transposed);
  return HEED_OK;
}

static heed_status check_masks(const plan *p, const heed_model_inputs *in) {
  for (int l = 0; l < p->model->n_layers; l++) {
    const heed__layer *layer = p->model->layers + l;
    if (p->pass->steps[l].live && layer->kind == HEED__ATTENTION &&
        layer->scope == HEED_SCOPE_MASKED && in->mask == NULL) {
      return heed__fail(HEED_ARGUMENT, "pass: layer %s is masked, but there is no mask",
                        layer->name);
    }
  }
  return HEED_OK;
}

/* The mask of a layer: queries are the first rows that its output needs, keys those of its values. */
static heed_status make_view(heed_pass *pass, heed__view *view, bool full, int64_t n_queries,
                             int64_t n_keys) {
  if (full && pass->n_graphs == 1) {
    HEED__TRY(heed_mask_full(&view->mask, n_queries, n_keys));
  } else if (full) {
    HEED__TRY(block_diagonal(&view->mask, pass->n_nodes, pass->n_graphs, pass->graph_ptr));
    pass->bytes += mask_bytes(&view->mask);
  } else {
    view->mask = pass->mask;
    view->mask.n_queries = n_queries;
    view->mask.n_keys = n_keys;
    view->mask.n_pairs = view->mask.indptr[n_queries];
  }
  return transpose(pass, view);
}

static heed_status find_view(heed_pass *pass, const heed__layer *layer, const heed__view **found) {
  bool full = layer->scope == HEED_SCOPE_FULL || heed_mask_is_full(&pass->mask);
  int64_t n_queries = pass->slots[layer->output].rows;
  int64_t n_keys = pass->nodes == NULL ? pass->n_nodes : pass->slots[layer->inputs[2]].rows;
  for (int i = 0; i < pass->n_views; i++) {
    const heed__view *view = pass->views + i;
    bool is_full = view->mask.indptr == NULL || view->mask.indptr != pass->mask.indptr;
    if (is_full == full && view->mask.n_queries == n_queries && view->mask.n_keys == n_keys) {
      *found = view;
      return HEED_OK;
    }
  }
  heed__view *view = pass->views + pass->n_views++;
  *found = view;
  return make_view(pass, view, full, n_queries, n_keys);
}

static heed_status make_attentions(plan *p) {
  heed_pass *pass = p->pass;
  int64_t ones = 0;
  for (int l = 0; l < p->model->n_layers; l++) {
    const heed__layer *layer = p->model->layers + l;
    heed__step *step = pass->steps + l;
    if (!step->live || layer->kind != HEED__ATTENTION) continue;
    const heed__view *view;
    HEED__TRY(find_view(pass, layer, &view));
    step->mask = &view->mask;
    step->spec = layer->spec;
    if (step->spec.kernel == HEED_KERNEL_AUTO) { /* never measured: the same bits in every run */
      step->spec.kernel = heed_mask_is_full(step->mask) ? HEED_KERNEL_DENSE : HEED_KERNEL_SPARSE;
    }
    HEED__TRY(heed_attention_new(&step->plan, &step->spec, step->mask));
    if (step->backward) {
      HEED__TRY(heed_attention_prepare_backward(
          step->plan, view->pairs == NULL ? NULL : &view->transposed, view->pairs));
    }
    pass->bytes += heed_attention_plan_cost(step->plan).bytes;
    int64_t width = (int64_t)layer->spec.heads * layer->spec.key_dim;
    if (layer->tensors[0] < 0 && layer->spec.score != HEED_SCORE_DOT && width > ones) ones = width;
  }
  if (ones == 0) return HEED_OK;
  pass->ones = heed__pass_alloc(pass, ones, sizeof *pass->ones);
  if (pass->ones == NULL) return HEED_NOMEM;
  for (int64_t i = 0; i < ones; i++) pass->ones[i] = 1;
  return HEED_OK;
}

static heed_status transpose_features(plan *p) {
  heed_pass *pass = p->pass;
  bool wanted = false;
  for (int l = 0; l < p->model->n_layers; l++) {
    const heed__layer *layer = p->model->layers + l;
    wanted = wanted || (pass->steps[l].backward && layer->kind == HEED__LINEAR &&
                        pass->slots[layer->inputs[0]].sparse);
  }
  if (!wanted) return HEED_OK;
  const heed_csr *a = pass->sparse;
  int64_t n = a->indptr[a->rows];
  int64_t *indptr = heed__pass_alloc(pass, a->cols + 1, sizeof *indptr);
  int32_t *indices = heed__pass_alloc(pass, n, sizeof *indices);
  int64_t *places = heed__pass_alloc(pass, n, sizeof *places);
  pass->transpose_arrays[0] = indptr;
  pass->transpose_arrays[1] = indices;
  pass->transpose_arrays[2] = places;
  if (indptr == NULL || indices == NULL || places == NULL) return HEED_NOMEM;
  HEED__TRY(heed_csr_transpose(a, indptr, indices, places));
  pass->features_transposed =
      (heed_csr){.rows = a->cols, .cols = a->rows, .indptr = indptr, .indices = indices};
  return HEED_OK;
}

/* --- Where everything lies --- */

/* Whether a layer's backward pass reads its input's data. */
static bool reads_input(const heed__layer *layer) {
  return layer->kind == HEED__LINEAR || layer->kind == HEED__ACTIVATE ||
         layer->kind == HEED__NORMALIZE || layer->kind == HEED__ATTENTION;
}

/* Whether a layer may write its output over input `i`. */
static bool may_take_over(const plan *p, int l, int i) {
  const heed_pass *pass = p->pass;
  const heed__layer *layer = p->model->layers + l;
  bool kind = layer->kind == HEED__BIAS || layer->kind == HEED__DROPOUT ||
              layer->kind == HEED__ADD || (layer->kind == HEED__ACTIVATE && !pass->training);
  heed_value x = layer->inputs[i];
  if (!kind || p->uses[x] != 1 || x == p->model->output || p->passed_on[x]) return false;
  int maker = p->model->values[x].layer;
  heed__kind made = p->model->layers[maker].kind;
  return made != HEED__FEATURES && !pass->slots[x].sparse &&
         !(made == HEED__ATTENTION && pass->steps[maker].backward);
}

static void choose_places(plan *p) {
  heed_pass *pass = p->pass;
  for (int l = 0; l < p->model->n_layers; l++) {
    const heed__layer *layer = p->model->layers + l;
    heed__step *step = pass->steps + l;
    if (!step->live) continue;
    for (int i = 0; i < layer->n_inputs && step->in_place < 0; i++) {
      if (may_take_over(p, l, i)) step->in_place = i;
    }
    p->passed_on[layer->output] = layer->kind == HEED__DROPOUT && step->in_place < 0;
  }
}

/* The last time each value's data is read; a layer later than those that read its output is done. */
static void find_ends(plan *p) {
  heed_pass *pass = p->pass;
  const heed_model *model = p->model;
  p->last[model->output] = 2 * model->n_layers;
  for (int l = model->n_layers - 1; l >= 0; l--) {
    const heed__layer *layer = model->layers + l;
    const heed__step *step = pass->steps + l;
    if (!step->live) continue;
    heed_value out = layer->output;
    p->last[out] = most(p->last[out], l);
    if (step->backward && layer->kind == HEED__ATTENTION) {
      p->last[out] = most(p->last[out], backward_time(p, l));
    }
    for (int i = 0; i < layer->n_inputs; i++) {
      heed_value x = layer->inputs[i];
      p->last[x] = most(p->last[x], l);
      if (step->backward && reads_input(layer)) p->last[x] = most(p->last[x], backward_time(p, l));
      if (step->in_place == i || p->passed_on[out]) p->last[x] = most(p->last[x], p->last[out]);
    }
  }
}

/* Who writes a gradient first, who adds, and which gradients share a buffer. */
static void find_writers(plan *p) {
  heed_pass *pass = p->pass;
  const heed_model *model = p->model;
  for (int v = 0; v < model->n_values; v++) {
    p->writer[v] = -1;
    p->root[v] = v;
  }
  pass->slots[model->output].callers = true;
  for (int l = model->n_layers - 1; l >= 0; l--) {
    const heed__layer *layer = model->layers + l;
    heed__step *step = pass->steps + l;
    if (!step->backward) continue;
    bool callers = pass->slots[layer->output].callers;
    bool copies = layer->kind == HEED__BIAS || layer->kind == HEED__ADD;
    bool takes_over = (copies || layer->kind == HEED__DROPOUT || layer->kind == HEED__ACTIVATE) &&
                      !callers && !(layer->n_inputs == 2 && layer->inputs[0] == layer->inputs[1]);
    for (int i = 0; i < layer->n_inputs; i++) {
      heed_value x = layer->inputs[i];
      if (!pass->slots[x].needs_gradient) continue;
      if (p->writer[x] == l && layer->kind == HEED__ATTENTION) continue; /* the same array again */
      step->adds[i] = p->writer[x] >= 0;
      if (step->adds[i]) continue;
      p->writer[x] = l;
      if (pass->slots[x].rows != pass->slots[layer->output].rows) continue;
      if (copies && callers && p->uses[x] == 1) {
        pass->slots[x].callers = true;
      } else if (takes_over) {
        p->root[x] = p->root[layer->output];
        takes_over = false;
      }
    }
  }
  for (int v = model->n_values - 1; v >= 0; v--) {
    if (!pass->slots[v].needs_gradient) continue;
    int *last = p->last_gradient + p->root[v];
    *last = most(*last, backward_time(p, model->values[v].layer));
  }
}

static heed_status add_item(plan *p, int64_t rows, int64_t cols, int first, int last, float **to) {
  int64_t floats;
  if (__builtin_mul_overflow(rows, cols, &floats) ||
      floats > (int64_t)(PTRDIFF_MAX / sizeof(float)) - 64) {
    return heed__fail(HEED_OVERFLOW, "pass: a buffer of %lld x %lld numbers does not fit",
                      (long long)rows, (long long)cols);
  }
  if (p->n_items == p->room_items) {
    int larger = p->room_items == 0 ? 64 : 2 * p->room_items;
    item *items = heed__realloc(p->items, (size_t)larger, sizeof *items);
    if (items == NULL) return HEED_NOMEM;
    p->items = items;
    p->room_items = larger;
  }
  int64_t unit = HEED__ALIGNMENT / sizeof(float);
  p->items[p->n_items++] = (item){
      .floats = (floats + unit - 1) / unit * unit, .first = first, .last = last, .to = to};
  return HEED_OK;
}

static heed_status add_values(plan *p) {
  heed_pass *pass = p->pass;
  const heed_model *model = p->model;
  for (int v = 0; v < model->n_values; v++) {
    heed__slot *slot = pass->slots + v;
    int l = model->values[v].layer;
    const heed__step *step = pass->steps + l;
    int64_t width = model->values[v].width;
    if (!step->live) continue;
    bool drops = model->layers[l].kind == HEED__DROPOUT;
    if (slot->sparse && drops) {
      HEED__TRY(add_item(p, pass->sparse->indptr[pass->sparse->rows], 1, l, p->last[v],
                         &slot->own_values));
    }
    bool callers = model->layers[l].kind == HEED__FEATURES && pass->dense != NULL &&
                   pass->dense->stride == pass->dense->cols;
    if (slot->dense && step->in_place < 0 && !callers) {
      HEED__TRY(add_item(p, slot->rows, width, l, p->last[v], &slot->own));
    }
    if (slot->needs_gradient && !slot->callers && p->root[v] == v && p->writer[v] >= 0) {
      HEED__TRY(add_item(p, slot->rows, width, backward_time(p, p->writer[v]),
                         p->last_gradient[v], &slot->gradient));
    }
  }
  return HEED_OK;
}

/* What layers keep from the forward pass for the backward one, and gradients that are added later. */
static heed_status add_extras(plan *p) {
  heed_pass *pass = p->pass;
  const heed_model *model = p->model;
  for (int l = 0; l < model->n_layers; l++) {
    const heed__layer *layer = model->layers + l;
    heed__step *step = pass->steps + l;
    if (!step->live) continue;
    int64_t rows = pass->slots[layer->output].rows, width = model->values[layer->output].width;
    int back = backward_time(p, l), last = step->backward ? back : l;
    if (layer->kind == HEED__ATTENTION && step->backward) {
      HEED__TRY(add_item(p, rows, layer->spec.heads, l, last, &step->keep));
      for (int i = 0; i < 3; i++) {
        heed_value x = layer->inputs[i];
        if (!step->adds[i] || (i > 0 && x == layer->inputs[0]) || (i > 1 && x == layer->inputs[1])) {
          continue;
        }
        HEED__TRY(add_item(p, pass->slots[x].rows, model->values[x].width, back, back,
                           &step->apart[i]));
      }
    } else if (layer->kind == HEED__NORMALIZE) {
      bool of_rows = layer->norm == HEED_NORM_LAYER;
      HEED__TRY(add_item(p, of_rows ? rows : width, 2, l, last, &step->keep));
      if (step->backward && !pass->slots[layer->inputs[0]].needs_gradient) {
        HEED__TRY(add_item(p, rows, width, back, back, &step->apart[0]));
      }
    } else if (layer->kind == HEED__POOL && layer->pooling == HEED_POOLING_MAX) {
      HEED__TRY(add_item(p, rows, width * (int64_t)(sizeof(int64_t) / sizeof(float)), l, last,
                         &step->keep));
    }
  }
  return HEED_OK;
}

static int larger_first(const void *a, const void *b) {
  const item *x = a, *y = b;
  if (x->floats != y->floats) return x->floats < y->floats ? 1 : -1;
  return x->to < y->to ? -1 : x->to > y->to;
}

/* Largest first, each at the lowest place that is free for its whole time. `order` holds those placed,
 * by place. */
static heed_status place_items(plan *p, int64_t *total) {
  if (p->n_items == 0) return HEED_OK;
  qsort(p->items, (size_t)p->n_items, sizeof *p->items, larger_first);
  p->order = heed__alloc((size_t)p->n_items, sizeof *p->order);
  if (p->order == NULL) return HEED_NOMEM;
  for (int n = 0; n < p->n_items; n++) {
    item *new = p->items + n;
    int64_t at = 0;
    for (int i = 0; i < n; i++) {
      const item *other = p->items + p->order[i];
      if (other->last < new->first || other->first > new->last) continue;
      if (other->offset - at >= new->floats) break;
      if (other->offset + other->floats > at) at = other->offset + other->floats;
    }
    new->offset = at;
    int64_t end;
    if (__builtin_add_overflow(at, new->floats, &end) ||
        end > (int64_t)(PTRDIFF_MAX / sizeof(float))) {
      return heed__fail(HEED_OVERFLOW, "pass: its buffers do not fit in memory");
    }
    if (end > *total) *total = end;
    int i = n;
    for (; i > 0 && p->items[p->order[i - 1]].offset > at; i--) p->order[i] = p->order[i - 1];
    p->order[i] = n;
  }
  return HEED_OK;
}

static int64_t room_wanted(const plan *p) {
  const heed_pass *pass = p->pass;
  int64_t room = 0;
  for (int l = 0; l < p->model->n_layers; l++) {
    const heed__layer *layer = p->model->layers + l;
    if (!pass->steps[l].live) continue;
    int64_t rows = pass->slots[layer->output].rows;
    int64_t out = p->model->values[layer->output].width;
    int64_t in = p->model->values[layer->inputs[0]].width;
    int64_t wanted[4] = {2 * heed__column_room(rows, out), 0, 0, 0};
    if (layer->kind == HEED__LINEAR) {
      wanted[1] = heed__product_room(rows, out, in);
    }
    if (layer->kind == HEED__LINEAR && pass->steps[l].backward) {
      wanted[2] = heed__product_room(in, out, rows);
      wanted[3] = heed__product_room(rows, in, out);
    }
    for (int i = 0; i < 4; i++) room = wanted[i] > room ? wanted[i] : room;
  }
  return room;
}

static heed_status make_buffers(plan *p) {
  heed_pass *pass = p->pass;
  choose_places(p);
  find_ends(p);
  if (pass->training) find_writers(p);
  HEED__TRY(add_values(p));
  HEED__TRY(add_extras(p));
  int64_t total = 0;
  HEED__TRY(place_items(p, &total));
  pass->arena = heed__pass_alloc(pass, total, sizeof *pass->arena);
  pass->room = heed__pass_alloc(pass, room_wanted(p), sizeof *pass->room);
  if (pass->arena == NULL || pass->room == NULL) return HEED_NOMEM;
  for (int i = 0; i < p->n_items; i++) *p->items[i].to = pass->arena + p->items[i].offset;
  for (int v = 0; v < p->model->n_values; v++) {
    heed__slot *slot = pass->slots + v;
    if (pass->training && slot->needs_gradient && !slot->callers) {
      slot->gradient = pass->slots[p->root[v]].gradient;
    }
  }
  if (!pass->training) return HEED_OK;
  pass->gradients = heed__pass_alloc(pass, p->model->n_parameters, sizeof *pass->gradients);
  if (pass->gradients == NULL) return HEED_NOMEM;
  memset(pass->gradients, 0, (size_t)p->model->n_parameters * sizeof *pass->gradients);
  return HEED_OK;
}

static heed_status bind(plan *p, const heed_model_inputs *in) {
  heed_pass *pass = p->pass;
  size_t n = (size_t)p->model->n_values;
  pass->slots = heed__alloc_zero(n, sizeof *pass->slots);
  pass->steps = heed__alloc_zero((size_t)p->model->n_layers, sizeof *pass->steps);
  pass->views = heed__alloc_zero((size_t)p->model->n_layers, sizeof *pass->views);
  p->uses = heed__alloc_zero(n * 5, sizeof *p->uses);
  p->passed_on = heed__alloc_zero(n, sizeof *p->passed_on);
  if (pass->slots == NULL || pass->steps == NULL || pass->views == NULL || p->uses == NULL ||
      p->passed_on == NULL) {
    return HEED_NOMEM;
  }
  pass->bytes += n * sizeof *pass->slots + (size_t)p->model->n_layers * sizeof *pass->steps;
  p->last = p->uses + n;
  p->writer = p->last + n;
  p->root = p->writer + n;
  p->last_gradient = p->root + n;
  find_live(p);
  find_gradients(p);
  find_forms(p);
  HEED__TRY(check_masks(p, in));
  if (in->mask != NULL) {
    pass->mask = *in->mask;
    pass->mask.edge_ptr = pass->mask.edge_ids = NULL;
    pass->mask.origins = NULL;
    pass->mask.owned = NULL;
  }
  if (in->wanted != NULL) HEED__TRY(heed__field_order(pass, in->mask, in->wanted));
  HEED__TRY(make_attentions(p));
  HEED__TRY(transpose_features(p));
  return make_buffers(p);
}

heed_status heed_pass_new(heed_pass **result, heed_model *model, const heed_model_inputs *inputs,
                          bool training) {
  *result = NULL;
  HEED__TRY(check_inputs(model, inputs));
  heed_pass *pass = heed__alloc_zero(1, sizeof *pass);
  if (pass == NULL) return HEED_NOMEM;
  pass->bytes = sizeof *pass;
  pass->model = model;
  pass->dense = inputs->dense;
  pass->sparse = inputs->sparse;
  pass->n_nodes = inputs->n_nodes;
  pass->whole[1] = inputs->n_nodes;
  pass->n_graphs = inputs->n_graphs == 0 ? 1 : inputs->n_graphs;
  pass->graph_ptr = inputs->n_graphs == 0 ? pass->whole : inputs->graph_ptr;
  pass->training = training;
  pass->capture = -1;
  plan p = {.pass = pass, .model = model};
  heed_status status = bind(&p, inputs);
  heed__free(p.uses);
  heed__free(p.passed_on);
  heed__free(p.items);
  heed__free(p.order);
  if (status != HEED_OK) {
    heed_pass_free(pass);
    return status;
  }
  *result = pass;
  return HEED_OK;
}

void heed_pass_free(heed_pass *pass) {
  if (pass == NULL) return;
  for (int l = 0; pass->steps != NULL && l < pass->model->n_layers; l++) {
    heed_attention_free(pass->steps[l].plan);
  }
  for (int i = 0; i < pass->n_views; i++) {
    heed_mask_free(&pass->views[i].mask);
    heed_mask_free(&pass->views[i].transposed);
    heed__free(pass->views[i].pairs);
  }
  heed__free(pass->views);
  heed__free(pass->nodes);
  heed__free(pass->place);
  for (int i = 0; i < 3; i++) heed__free(pass->feature_arrays[i]);
  for (int i = 0; i < 2; i++) heed__free(pass->mask_arrays[i]);
  for (int i = 0; i < 3; i++) heed__free(pass->transpose_arrays[i]);
  heed__free(pass->slots);
  heed__free(pass->steps);
  heed__free(pass->arena);
  heed__free(pass->room);
  heed__free(pass->ones);
  heed__free(pass->gradients);
  heed__free(pass);
}
