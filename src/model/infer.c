/* The output for every node in bounded memory. Between two attentions only a few values are kept of all nodes: keys
 * and values, which every row may read, and a cut through the layers, the values from which the rest
 * follows row by row. Two sweeps over blocks of rows then take a cut to the next: the first makes the keys and
 * values, the second everything from the queries on. */
#include <string.h>

#include "attention/heads.h"
#include "base/alloc.h"
#include "base/status.h"
#include "model/plan.h"

enum { LEAST_ROWS = 4096, BLOCKS = 16 };

/* A buffer of a block of rows. */
typedef struct buffer {
  int64_t width;
  int until; /* the last layer that reads it */
  float *data;
} buffer;

typedef struct inference {
  heed_model *model;
  const heed_model_inputs *in;
  heed_pass *pass; /* over one block of rows */
  int64_t n;       /* nodes */
  int64_t rows;    /* of a block */
  int *root;       /* [values] what a value is another name of: dropout passes its input on */
  float **whole;   /* [values] roots kept of all nodes */
  bool *keep;      /* [values] roots that the next cut has */
  bool *needed;    /* [layers] of the sweep at hand */
  buffer *buffers; /* [values] */
  int n_buffers;
  int64_t *indptr; /* [groups, rows + 1] of a block of each mask */
  heed_mask *masks; /* [groups] these blocks */
  float *output;   /* the caller's */
  int64_t before, most; /* bytes */
  void *room[2];   /* statistics of a norm, edge weights */
} inference;

static const heed__layer *layer_of(const inference *f, heed_value v) {
  return f->model->layers + f->model->values[v].layer;
}

/* Features need not be kept: they are the caller's. */
static bool is_features(const inference *f, heed_value v) {
  return layer_of(f, v)->kind == HEED__FEATURES;
}

static void find_roots(inference *f) {
  for (int l = 0; l < f->model->n_layers; l++) {
    const heed__layer *layer = f->model->layers + l;
    bool alias = layer->kind == HEED__DROPOUT;
    f->root[layer->output] = alias ? f->root[layer->inputs[0]] : layer->output;
  }
}

/* --- Where to cut -------------------------------------------------------------------------- */

/* Whether root v, made by layer `at` or before, is read after it. */
static bool crosses(const inference *f, heed_value v, int at) {
  const heed_model *model = f->model;
  if (f->root[v] != v || model->values[v].layer > at) return false;
  if (f->root[model->output] == v) return true;
  for (int l = at + 1; l < model->n_layers; l++) {
    const heed__layer *layer = model->layers + l;
    if (!f->pass->steps[l].live || layer->kind == HEED__DROPOUT) continue;
    for (int i = 0; i < layer->n_inputs; i++) {
      if (f->root[layer->inputs[i]] == v) return true;
    }
  }
  return false;
}

/* The layer from `from` to `to` after which the fewest numbers a node are wanted; the last of several. */
static int find_cut(const inference *f, int from, int to) {
  int best = from;
  int64_t least = INT64_MAX;
  for (int at = from; at <= to; at++) {
    int64_t width = 0;
    if (!f->pass->steps[at].live) continue;
    for (int v = 0; v < f->model->n_values; v++) {
      if (crosses(f, v, at)) width += f->model->values[v].width;
    }
    if (width > least) continue;
    least = width;
    best = at;
  }
  return best;
}

/* --- One sweep ----------------------------------------------------------------------------- */

/* Marks the layers that v follows from, out of what is kept. */
static void need(inference *f, heed_value v) {
  int l = f->model->values[v].layer;
  const heed__layer *layer = f->model->layers + l;
  if (f->whole[v] != NULL || f->needed[l]) return;
  f->needed[l] = true;
  for (int i = 0; i < layer->n_inputs; i++) {
    if (layer->kind == HEED__ATTENTION && i > 0) continue; /* kept of all nodes */
    need(f, layer->inputs[i]);
  }
}

static int last_reader(const inference *f, heed_value root) {
  int last = -1;
  if (f->keep[root]) return f->model->n_layers;
  for (int l = 0; l < f->model->n_layers; l++) {
    const heed__layer *layer = f->model->layers + l;
    for (int i = 0; f->needed[l] && i < layer->n_inputs; i++) {
      if (f->root[layer->inputs[i]] == root) last = l;
    }
  }
  return last;
}

/* A buffer of its own for what a layer gives, or one that nobody reads any more. */
static heed_status place(inference *f, int l) {
  heed_value v = f->model->layers[l].output;
  heed__slot *slot = f->pass->slots + v;
  int64_t width = f->model->values[v].width;
  bool sparse = slot->sparse && slot->dense;
  bool contiguous = f->in->dense != NULL && f->in->dense->stride == f->in->dense->cols;
  if (!sparse && (f->root[v] != v || slot->sparse || (is_features(f, v) && contiguous))) {
    return HEED_OK;
  }
  int best = -1;
  for (int b = 0; b < f->n_buffers; b++) {
    buffer *one = f->buffers + b;
    if (one->until >= l || one->width < width) continue;
    if (best < 0 || one->width < f->buffers[best].width) best = b;
  }
  if (best < 0) {
    best = f->n_buffers;
    size_t numbers;
    if (!heed__multiply((size_t)f->rows, (size_t)width, &numbers)) numbers = SIZE_MAX;
    f->buffers[best] = (buffer){.width = width, .data = heed__alloc(numbers, sizeof(float))};
    if (f->buffers[best].data == NULL) return HEED_NOMEM;
    f->n_buffers++;
  }
  f->buffers[best].until = sparse ? f->model->n_layers : last_reader(f, v);
  slot->own = f->buffers[best].data;
  return HEED_OK;
}

/* Rows [first, first + count) of the mask of a group of a layer's heads. */
static void cut_mask(inference *f, const heed__layer *layer, int group, int64_t first, int64_t count) {
  const heed_mask *from = &f->pass->groups[group].mask;
  int64_t *indptr = f->indptr + group * (f->rows + 1);
  if (layer->scope == HEED_SCOPE_FULL || from->indptr == NULL) {
    f->masks[group] = (heed_mask){.n_queries = count, .n_keys = f->n, .n_pairs = count * f->n};
    return;
  }
  int64_t begin = from->indptr[first];
  for (int64_t i = 0; i <= count; i++) indptr[i] = from->indptr[first + i] - begin;
  f->masks[group] = (heed_mask){.n_queries = count,
                                .n_keys = f->n,
                                .n_pairs = indptr[count],
                                .indptr = indptr,
                                .indices = from->indices == NULL ? NULL : from->indices + begin,
                                .starts = from->starts == NULL ? NULL : from->starts + first};
}

static heed_status run_attention(inference *f, int l, int64_t first, int64_t count) {
  const heed__layer *layer = f->model->layers + l;
  heed__step *step = f->pass->steps + l;
  const heed_mask *masks[HEED_MAX_HEAD_MASKS];
  int32_t heads[HEED_MAX_HEAD_MASKS];
  heed_kernel kernels[HEED_MAX_HEAD_MASKS];
  int n = heed__groups_of(f->pass, layer);
  step->spec = layer->spec;
  for (int g = 0; g < n; g++) {
    cut_mask(f, layer, g, first, count);
    masks[g] = f->masks + g;
    heads[g] = heed__heads_of(f->pass, layer, g);
    bool full = masks[g]->indptr == NULL;
    kernels[g] = heed__pass_kernel(&step->spec, full ? masks[g] : &f->pass->groups[g].mask);
  }
  step->mask = f->masks;
  HEED__TRY(heed__heads_new(&step->heads, &step->spec, n, masks, heads, kernels));
  for (int g = 0; g < n; g++) {
    const heed__group *group = f->pass->groups + g;
    int64_t begin = group->mask.indptr == NULL ? 0 : group->mask.indptr[first];
    heed__heads_edges_from(step->heads, g, group->first_pair + begin);
  }
  heed_status status = heed__layer_forward(f->pass, l, HEED_MODE_EVALUATE);
  heed_heads_free(step->heads);
  step->heads = NULL;
  return status;
}

/* The block [first, first + count), through the layers that are needed. */
static heed_status run_block(inference *f, int64_t first, int64_t count) {
  heed_pass *pass = f->pass;
  const heed_model_inputs *in = f->in;
  for (int v = 0; v < f->model->n_values; v++) {
    heed__slot *slot = pass->slots + v;
    slot->rows = count;
    if (f->whole[v] != NULL) slot->data = f->whole[v] + first * f->model->values[v].width;
  }
  if (in->dense != NULL) {
    pass->ordered_dense = *in->dense;
    pass->ordered_dense.rows = count;
    pass->ordered_dense.data += first * in->dense->stride;
    pass->dense = &pass->ordered_dense;
  } else {
    pass->ordered_sparse = *in->sparse;
    pass->ordered_sparse.rows = count;
    pass->ordered_sparse.indptr += first;
    pass->sparse = &pass->ordered_sparse;
  }
  for (int l = 0; l < f->model->n_layers; l++) {
    if (!f->needed[l]) continue;
    bool attends = f->model->layers[l].kind == HEED__ATTENTION;
    HEED__TRY(attends ? run_attention(f, l, first, count)
                      : heed__layer_forward(pass, l, HEED_MODE_EVALUATE));
  }
  return HEED_OK;
}

/* Goes over all rows. What `keep` names is kept then: in `into` [values], arrays of all nodes, which the sweep
 * does not read or reads no further than its block. */
static heed_status sweep(inference *f, float *const *into) {
  int n_values = f->model->n_values;
  memset(f->needed, 0, (size_t)f->model->n_layers * sizeof *f->needed);
  for (int v = 0; v < n_values; v++) {
    if (into[v] != NULL) need(f, v);
  }
  for (int b = 0; b < f->n_buffers; b++) f->buffers[b].until = -1;
  for (int l = 0; l < f->model->n_layers; l++) {
    if (f->needed[l]) HEED__TRY(place(f, l));
  }
  for (int64_t first = 0; first < f->n; first += f->rows) {
    int64_t count = f->n - first < f->rows ? f->n - first : f->rows;
    HEED__TRY(run_block(f, first, count));
    for (int v = 0; v < n_values; v++) {
      int64_t width = f->model->values[v].width;
      if (into[v] == NULL) continue;
      memcpy(into[v] + first * width, f->pass->slots[v].data,
             (size_t)(count * width) * sizeof(float));
    }
  }
  return HEED_OK;
}

/* --- From cut to cut ----------------------------------------------------------------------- */

static heed_status make_whole(const inference *f, heed_value v, float **array) {
  size_t numbers;
  if (!heed__multiply((size_t)f->n, (size_t)f->model->values[v].width, &numbers)) {
    return heed__fail(HEED_OVERFLOW, "inference: %lld rows of %lld numbers do not fit",
                      (long long)f->n, (long long)f->model->values[v].width);
  }
  *array = heed__alloc(numbers, sizeof **array);
  return *array == NULL ? HEED_NOMEM : HEED_OK;
}

/* Makes roots `keep` of all nodes, by a sweep, into arrays `into` that are there already or new ones. */
static heed_status make(inference *f, float **into) {
  bool any = false;
  heed_status status = HEED_OK;
  for (int v = 0; v < f->model->n_values && status == HEED_OK; v++) {
    if (!f->keep[v] || f->whole[v] != NULL) continue;
    any = true;
    if (into[v] == NULL) status = make_whole(f, v, into + v);
  }
  if (status == HEED_OK && any) status = sweep(f, into);
  int64_t held = heed__alloc_held_here() - f->before;
  if (held > f->most) f->most = held;
  for (int v = 0; v < f->model->n_values; v++) { /* arrays taken over had another owner until here */
    if (into[v] == NULL) continue;
    for (int w = 0; w < f->model->n_values; w++) {
      if (f->whole[w] == into[v]) f->whole[w] = NULL;
    }
    f->whole[v] = into[v];
    into[v] = NULL;
  }
  return status;
}

static void keep_cut(inference *f, int at) {
  for (int v = 0; v < f->model->n_values; v++) {
    f->keep[v] = crosses(f, v, at) && !is_features(f, v);
  }
}

/* Everything from keys and values of attention `l` (-1: none) to the cut behind it. */
static heed_status pass_attention(inference *f, int l, float **into) {
  heed_value seen[2] = {-1, -1};
  for (int i = 0; l >= 0 && i < 2; i++) {
    heed_value v = f->model->layers[l].inputs[i + 1];
    seen[i] = f->root[v];
    f->pass->slots[v].whole = f->whole[seen[i]];
  }
  /* What the next cut does not have may be written over, row by row behind the reading. */
  for (int v = 0; v < f->model->n_values; v++) {
    if (!f->keep[v] || f->whole[v] != NULL) continue;
    for (int w = 0; w < f->model->n_values && into[v] == NULL; w++) {
      bool free = f->whole[w] != NULL && !f->keep[w] && w != seen[0] && w != seen[1] &&
                  f->model->values[w].width == f->model->values[v].width;
      for (int u = 0; free && u < f->model->n_values; u++) free = into[u] != f->whole[w];
      if (free) into[v] = f->whole[w];
    }
  }
  HEED__TRY(make(f, into));
  for (int v = 0; v < f->model->n_values; v++) {
    f->pass->slots[v].whole = NULL;
    if (f->keep[v] || f->whole[v] == NULL) continue;
    heed__free(f->whole[v]);
    f->whole[v] = NULL;
  }
  return HEED_OK;
}

static int next_attention(const inference *f, int from) {
  for (int l = from; l < f->model->n_layers; l++) {
    if (f->pass->steps[l].live && f->model->layers[l].kind == HEED__ATTENTION) return l;
  }
  return -1;
}

static heed_status run(inference *f, float **into) {
  const heed_model *model = f->model;
  heed_value last = f->root[model->output];
  int attention = next_attention(f, 0), at = -1;
  for (int l = -1;; l = attention, attention = next_attention(f, attention + 1)) {
    /* From attention l to the cut before the next one, or to the output. */
    if (attention >= 0) {
      at = find_cut(f, l < 0 ? 0 : l, attention - 1);
      keep_cut(f, at);
    } else {
      for (int v = 0; v < model->n_values; v++) f->keep[v] = v == last;
      if (f->whole[last] == NULL) into[last] = f->output;
    }
    HEED__TRY(pass_attention(f, l, into));
    if (attention < 0) break;
    for (int i = 1; i < 3; i++) f->keep[f->root[model->layers[attention].inputs[i]]] = true;
    HEED__TRY(make(f, into));
  }
  if (f->whole[last] != f->output) {
    memcpy(f->output, f->whole[last],
           (size_t)(f->n * model->values[last].width) * sizeof *f->output);
  }
  return HEED_OK;
}

/* Room that layers take beside their output. */
static heed_status reserve(inference *f, heed__plan *p) {
  const heed_model *model = f->model;
  heed_pass *pass = f->pass;
  int64_t norm = 0, edges = 0;
  for (int l = 0; l < model->n_layers; l++) {
    const heed__layer *layer = model->layers + l;
    int64_t width = model->values[layer->output].width;
    int64_t stats = 2 * (width > f->rows ? width : f->rows);
    int64_t weights = (int64_t)layer->spec.edge_dim * 2 * layer->spec.heads * layer->spec.key_dim;
    if (layer->kind == HEED__NORMALIZE && stats > norm) norm = stats;
    if (layer->edges == HEED_EDGES_ADD && weights > edges) edges = weights;
  }
  f->room[0] = heed__alloc((size_t)norm, sizeof(float));
  f->room[1] = heed__alloc((size_t)edges, sizeof(float));
  f->indptr = heed__alloc((size_t)f->rows + 1, (size_t)pass->n_groups * sizeof *f->indptr);
  f->masks = heed__alloc_zero((size_t)pass->n_groups, sizeof *f->masks);
  pass->room = heed__alloc((size_t)heed__pass_room(p), sizeof *pass->room);
  if (f->room[0] == NULL || f->room[1] == NULL || f->indptr == NULL || f->masks == NULL ||
      pass->room == NULL) {
    return HEED_NOMEM;
  }
  for (int l = 0; l < model->n_layers; l++) {
    if (model->layers[l].kind == HEED__NORMALIZE) pass->steps[l].keep = f->room[0];
    pass->steps[l].edge_room = f->room[1];
  }
  return heed__pass_ones(pass);
}

static heed_status infer(inference *f) {
  heed_pass *pass = f->pass;
  heed__plan p = {.pass = pass, .model = f->model};
  pass->model = f->model;
  pass->capture = -1;
  pass->dense = f->in->dense;
  pass->sparse = f->in->sparse;
  pass->n_nodes = f->rows;
  pass->n_graphs = 1;
  pass->n_groups = f->in->n_head_masks > 0 ? f->in->n_head_masks : 1;
  pass->graph_ptr = pass->whole;
  pass->whole[1] = f->rows;
  pass->most_values[0] = f->in->sparse == NULL ? -1 : f->in->sparse->indptr[f->n];
  pass->most_values[1] = -1;
  heed_status status = heed__pass_prepare(&p);
  heed__free(p.uses);
  heed__free(p.passed_on);
  HEED__TRY(status);
  HEED__TRY(heed__pass_take_mask(pass, f->in));
  size_t values = (size_t)f->model->n_values;
  f->root = heed__alloc(values, sizeof *f->root);
  f->whole = heed__alloc_zero(2 * values, sizeof *f->whole);
  f->keep = heed__alloc_zero(values, sizeof *f->keep);
  f->needed = heed__alloc((size_t)f->model->n_layers, sizeof *f->needed);
  f->buffers = heed__alloc(values, sizeof *f->buffers);
  if (f->root == NULL || f->whole == NULL || f->keep == NULL || f->needed == NULL ||
      f->buffers == NULL) {
    return HEED_NOMEM;
  }
  find_roots(f);
  HEED__TRY(reserve(f, &p));
  return run(f, f->whole + values);
}

static void end(inference *f) {
  for (int v = 0; f->whole != NULL && v < 2 * f->model->n_values; v++) {
    if (f->whole[v] != f->output) heed__free(f->whole[v]);
  }
  for (int b = 0; b < f->n_buffers; b++) heed__free(f->buffers[b].data);
  for (int i = 0; i < 2; i++) heed__free(f->room[i]);
  heed__free(f->root);
  heed__free(f->whole);
  heed__free(f->keep);
  heed__free(f->needed);
  heed__free(f->buffers);
  heed__free(f->indptr);
  heed__free(f->masks);
  heed_pass_free(f->pass);
}

/* Where rows of the output are not the nodes, nodes see those of their graph alone, or layers ask for positions. */
static heed_status infer_whole(heed_model *model, const heed_model_inputs *in, float *output) {
  heed_pass *pass;
  heed_matrix x;
  HEED__TRY(heed_pass_new(&pass, model, in, false));
  heed_status status = heed_pass_forward(pass, HEED_MODE_EVALUATE, 0, 0, &x);
  for (int64_t i = 0; status == HEED_OK && i < x.rows; i++) {
    memcpy(output + i * x.cols, x.data + i * x.stride, (size_t)x.cols * sizeof *output);
  }
  heed_pass_free(pass);
  return status;
}

heed_status heed_model_infer(heed_model *model, const heed_model_inputs *inputs, int64_t rows,
                             float *output) {
  size_t bytes;
  return heed__model_infer(model, inputs, rows, output, &bytes);
}

heed_status heed__model_infer(heed_model *model, const heed_model_inputs *inputs, int64_t rows,
                              float *output, size_t *bytes) {
  heed_model_inputs in = *inputs;
  in.wanted = NULL;
  in.n_wanted = 0;
  *bytes = 0;
  if (rows < 0) return heed__fail(HEED_RANGE, "inference: blocks of %lld rows", (long long)rows);
  HEED__TRY(heed__pass_check(model, &in));
  bool plain = in.n_graphs > 1;
  for (int l = 0; l < model->n_layers; l++) { /* what goes by the numbers of rows */
    const heed__layer *layer = model->layers + l;
    plain = plain || layer->kind == HEED__POSITIONS || layer->kind == HEED__ROTARY || layer->relative >= 0;
  }
  for (int v = 0; v < model->n_values; v++) plain = plain || model->values[v].per_graph != 0;
  if (plain || in.n_nodes == 0) return infer_whole(model, &in, output);
  if (rows == 0) {
    rows = (in.n_nodes + BLOCKS - 1) / BLOCKS;
    if (rows < LEAST_ROWS) rows = LEAST_ROWS;
  }
  inference f = {.before = heed__alloc_held_here(), .model = model, .in = &in, .n = in.n_nodes, .output = output};
  f.rows = rows > in.n_nodes ? in.n_nodes : rows;
  f.pass = heed__alloc_zero(1, sizeof *f.pass);
  heed_status status = f.pass == NULL ? HEED_NOMEM : infer(&f);
  *bytes = (size_t)f.most;
  end(&f);
  return status;
}
