/* Where everything lies: buffers that take turns in one block of memory. */
#include "model/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "matrix/loops.h"

static int backward_time(const heed__plan *p, int layer) {
  return 2 * p->model->n_layers - 1 - layer;
}

static int most(int a, int b) { return a > b ? a : b; }

/* Whether a layer's backward pass reads its input's data. */
static bool reads_input(const heed__layer *layer) {
  return layer->kind == HEED__LINEAR || layer->kind == HEED__ACTIVATE ||
         layer->kind == HEED__NORMALIZE || layer->kind == HEED__ATTENTION;
}

/* Whether a layer may write its output over input `i`. */
static bool may_take_over(const heed__plan *p, int l, int i) {
  const heed_pass *pass = p->pass;
  const heed__layer *layer = p->model->layers + l;
  bool kind = layer->kind == HEED__BIAS || layer->kind == HEED__DROPOUT ||
              layer->kind == HEED__POSITIONS || layer->kind == HEED__ROTARY ||
              layer->kind == HEED__ADD || (layer->kind == HEED__ACTIVATE && !pass->training);
  heed_value x = layer->inputs[i];
  if (!kind || p->uses[x] != 1 || x == p->model->output || p->passed_on[x]) return false;
  int maker = p->model->values[x].layer;
  heed__kind made = p->model->layers[maker].kind;
  return made != HEED__FEATURES && !pass->slots[x].sparse &&
         !(made == HEED__ATTENTION && pass->steps[maker].backward);
}

static void choose_places(heed__plan *p) {
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

/* The last time each value's data is read. In reverse: a value's readers come before its maker. */
static void find_ends(heed__plan *p) {
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

/* What the layers over nodes of a stepwise pass read of others. */
static void find_what_stays(heed__plan *p) {
  const heed_model *model = p->model;
  for (int l = model->n_layers - 1; l >= 0; l--) {
    const heed__layer *layer = model->layers + l;
    const heed__step *step = p->pass->steps + l;
    heed_value out = layer->output;
    bool of_nodes = model->values[out].per_graph == 0;
    if (!step->live) continue;
    for (int i = 0; i < layer->n_inputs; i++) {
      heed_value x = layer->inputs[i];
      bool same = p->stays[out] && (step->in_place == i || p->passed_on[out]);
      if (same || (of_nodes && model->values[x].per_graph != 0)) p->stays[x] = true;
    }
  }
}

/* Who writes a gradient first, who adds, and which gradients share a buffer. */
static void find_writers(heed__plan *p) {
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
    bool copies = layer->kind == HEED__BIAS || layer->kind == HEED__ADD ||
                  layer->kind == HEED__POSITIONS;
    bool takes_over = (copies || layer->kind == HEED__DROPOUT || layer->kind == HEED__ACTIVATE ||
                       layer->kind == HEED__ROTARY) &&
                      !callers && !(layer->n_inputs == 2 && layer->inputs[0] == layer->inputs[1]);
    for (int i = 0; i < layer->n_inputs; i++) {
      heed_value x = layer->inputs[i];
      if (!pass->slots[x].needs_gradient) continue;
      if (p->writer[x] == l && layer->kind == HEED__ATTENTION) continue; /* the same array again */
      step->adds[i] = p->writer[x] >= 0;
      if (step->adds[i]) continue;
      p->writer[x] = l;
      const heed__slot *from = pass->slots + layer->output;
      if (pass->slots[x].rows != from->rows) continue;
      if (pass->reserved && pass->slots[x].hops != from->hops) continue; /* of other inputs they differ */
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

static heed_status add_item(heed__plan *p, int64_t rows, int64_t cols, int first, int last,
                            void *to) {
  int64_t floats;
  if (__builtin_mul_overflow(rows, cols, &floats) ||
      floats > (int64_t)(PTRDIFF_MAX / sizeof(float)) - 64) {
    return heed__fail(HEED_OVERFLOW, "pass: a buffer of %lld x %lld numbers does not fit",
                      (long long)rows, (long long)cols);
  }
  if (p->n_items == p->room_items) {
    int larger = p->room_items == 0 ? 64 : 2 * p->room_items;
    heed__item *items = heed__realloc(p->items, (size_t)larger, sizeof *items);
    if (items == NULL) return HEED_NOMEM;
    p->items = items;
    p->room_items = larger;
  }
  int64_t unit = HEED__ALIGNMENT / sizeof(float);
  p->items[p->n_items++] = (heed__item){
      .floats = (floats + unit - 1) / unit * unit, .first = first, .last = last, .to = to};
  return HEED_OK;
}

static heed_status add_values(heed__plan *p) {
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
      HEED__TRY(add_item(p, heed__keep_words(pass->most_values[heed__set_of(pass, v)]), 1, l,
                         p->last[v], &slot->own_kept));
    }
    const heed_matrix *dense = heed__dense_of(pass, v);
    bool callers = model->layers[l].kind == HEED__FEATURES && dense != NULL &&
                   dense->stride == dense->cols && /* not yet known of a reserved pass */
                   (pass->signs == NULL || heed__set_of(pass, v) == 1);
    if (slot->dense && step->in_place < 0 && !callers) {
      bool stays = p->stays[v];
      HEED__TRY(add_item(p, slot->rows, width, stays ? 0 : l,
                         stays ? 2 * model->n_layers : p->last[v], &slot->own));
    }
    if (slot->needs_gradient && !slot->callers && p->root[v] == v && p->writer[v] >= 0) {
      HEED__TRY(add_item(p, slot->rows, width, backward_time(p, p->writer[v]), p->last_gradient[v],
                         &slot->gradient));
    }
  }
  return HEED_OK;
}

/* The bias of pairs by their classes, made once more for the backward pass, and what its gradient needs. */
static heed_status add_relative(heed__plan *p, const heed__layer *layer, heed__step *step, int forward,
                                int backward) {
  int64_t numbers = 0, classes = p->model->pair_classes, heads = layer->spec.heads;
  int blocks = 1;
  for (int g = 0; g < step->n_views; g++) {
    const heed_mask *mask = &step->views[g].mask;
    int64_t own;
    if (__builtin_mul_overflow(mask->n_pairs, heed__heads_of(p->pass, layer, g), &own) ||
        __builtin_add_overflow(numbers, own, &numbers)) {
      return heed__fail(HEED_OVERFLOW, "pass: layer %s: a bias of %lld pairs does not fit", layer->name,
                        (long long)mask->n_pairs);
    }
    int of_group = heed__relative_blocks(mask->n_queries, mask->n_pairs, classes);
    blocks = most(blocks, of_group);
  }
  HEED__TRY(add_item(p, numbers, 1, forward, forward, &step->bias));
  if (!step->backward) return HEED_OK;
  HEED__TRY(add_item(p, numbers, 1, backward, backward, &step->again));
  HEED__TRY(add_item(p, numbers, 1, backward, backward, &step->d_bias));
  int64_t floats_each = (int64_t)(sizeof(double) / sizeof(float)) * heads * blocks;
  return add_item(p, classes, floats_each, backward, backward, &step->partial);
}

/* What layers keep for the backward pass, and gradients that are added later. */
static heed_status add_extras(heed__plan *p) {
  heed_pass *pass = p->pass;
  const heed_model *model = p->model;
  for (int l = 0; l < model->n_layers; l++) {
    const heed__layer *layer = model->layers + l;
    heed__step *step = pass->steps + l;
    if (!step->live) continue;
    int64_t rows = pass->slots[layer->output].rows, width = model->values[layer->output].width;
    int back = backward_time(p, l), last = step->backward ? back : l;
    if (layer->edges == HEED_EDGES_ADD) { /* GAT's weights and their gradients, or gradients of values */
      int64_t heads = (int64_t)layer->spec.heads * layer->spec.key_dim;
      HEED__TRY(add_item(p, layer->spec.edge_dim, 2 * heads, l, last, &step->edge_room));
    }
    if (layer->relative >= 0) HEED__TRY(add_relative(p, layer, step, l, back));
    if (layer->kind == HEED__ATTENTION && step->backward) {
      HEED__TRY(add_item(p, rows, layer->spec.heads, l, last, &step->keep));
      if (layer->spec.score == HEED_SCORE_GAT && heed__groups_of(pass, layer) == 1) {
        HEED__TRY(add_item(p, rows, layer->spec.heads * ((int64_t)layer->spec.value_dim + 1), l, last,
                           &step->steep));
      }
      for (int i = 0; i < 3; i++) {
        heed_value x = layer->inputs[i];
        if (!step->adds[i] || (i > 0 && x == layer->inputs[0]) ||
            (i > 1 && x == layer->inputs[1])) {
          continue;
        }
        HEED__TRY(
            add_item(p, pass->slots[x].rows, model->values[x].width, back, back, &step->apart[i]));
      }
    } else if (layer->kind == HEED__NORMALIZE) {
      bool of_rows = layer->norm == HEED_NORM_LAYER;
      HEED__TRY(add_item(p, of_rows ? rows : width, 2, l, last, &step->keep));
      if (step->backward && !pass->slots[layer->inputs[0]].needs_gradient) {
        HEED__TRY(add_item(p, rows, width, back, back, &step->apart[0]));
      }
    } else if (layer->kind == HEED__DROPOUT && step->backward) {
      HEED__TRY(add_item(p, heed__keep_words(rows * width), 1, l, last, &step->keep));
    } else if (layer->kind == HEED__POOL && layer->pooling == HEED_POOLING_MAX) {
      HEED__TRY(add_item(p, rows, width * (int64_t)(sizeof(int64_t) / sizeof(float)), l, last,
                         &step->keep));
    }
  }
  return HEED_OK;
}

static int larger_first(const void *a, const void *b) {
  const heed__item *x = a, *y = b;
  if (x->floats != y->floats) return x->floats < y->floats ? 1 : -1;
  return (char *)x->to < (char *)y->to ? -1 : (char *)x->to > (char *)y->to;
}

/* Largest first, each at the lowest place that is free for its whole time. `order` holds those
 * placed, by place. */
static heed_status place_items(heed__plan *p, int64_t *total) {
  if (p->n_items == 0) return HEED_OK;
  qsort(p->items, (size_t)p->n_items, sizeof *p->items, larger_first);
  p->order = heed__alloc((size_t)p->n_items, sizeof *p->order);
  if (p->order == NULL) return HEED_NOMEM;
  for (int n = 0; n < p->n_items; n++) {
    heed__item *new = p->items + n;
    int64_t at = 0;
    for (int i = 0; i < n; i++) {
      const heed__item *other = p->items + p->order[i];
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

int64_t heed__pass_room(const heed__plan *p) {
  const heed_pass *pass = p->pass;
  int64_t room = 0;
  for (int l = 0; l < p->model->n_layers; l++) {
    const heed__layer *layer = p->model->layers + l;
    if (!pass->steps[l].live) continue;
    int64_t rows = pass->slots[layer->output].rows;
    int64_t out = p->model->values[layer->output].width;
    int64_t in = p->model->values[layer->inputs[0]].width;
    int64_t wanted[3] = {2 * heed__column_room(rows, out), 0, 0};
    if (layer->kind == HEED__SEEDS) {
      int32_t seeds = p->model->values[layer->output].per_graph;
      wanted[1] = heed__column_room(rows / seeds, out * seeds);
    }
    if (layer->kind == HEED__LINEAR && pass->slots[layer->inputs[0]].sparse) {
      if (pass->steps[l].backward) {
        wanted[1] = heed__keep_words(pass->most_values[heed__set_of(pass, layer->inputs[0])]);
      }
    }
    if (layer->kind == HEED__LINEAR && pass->steps[l].backward) {
      wanted[2] = heed__product_room(true, in, out, rows);
    }
    for (int i = 0; i < 3; i++) room = wanted[i] > room ? wanted[i] : room;
  }
  return room;
}

heed_status heed__plan_buffers(heed__plan *p) {
  heed_pass *pass = p->pass;
  choose_places(p);
  find_ends(p);
  if (pass->stepwise) find_what_stays(p);
  if (pass->training) find_writers(p);
  HEED__TRY(add_values(p));
  HEED__TRY(add_extras(p));
  int64_t total = 0;
  HEED__TRY(place_items(p, &total));
  pass->arena = heed__alloc((size_t)total, sizeof *pass->arena);
  pass->room = heed__alloc((size_t)heed__pass_room(p), sizeof *pass->room);
  if (pass->arena == NULL || pass->room == NULL) return HEED_NOMEM;
  for (int i = 0; i < p->n_items; i++) {
    void *place = pass->arena + p->items[i].offset; /* pointers of any type are stored */
    memcpy(p->items[i].to, &place, sizeof place);
  }
  for (int v = 0; v < p->model->n_values; v++) {
    heed__slot *slot = pass->slots + v;
    if (pass->training && slot->needs_gradient && !slot->callers) {
      slot->gradient = pass->slots[p->root[v]].gradient;
    }
  }
  if (!pass->training) return HEED_OK;
  pass->gradients = heed__alloc((size_t)p->model->n_parameters, sizeof *pass->gradients);
  if (pass->gradients == NULL) return HEED_NOMEM;
  memset(pass->gradients, 0, (size_t)p->model->n_parameters * sizeof *pass->gradients);
  return HEED_OK;
}
