/* Learning from one large graph, batch after batch of its nodes and of what they see: drawn neighbours, or parts. */
#include "train/minibatches.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "mask/mask.h"
#include "matrix/rows.h"
#include "model/model.h"
#include "train/batches.h"
#include "train/loss.h"
#include "train/metric.h"

bool heed__minibatches_wanted(const heed_fit_spec *spec, const heed_task *task) {
  return task->collection == NULL && (spec->batch > 0 || spec->fanouts != 0 || spec->clusters != 0);
}

static int64_t nodes_of(const heed__minibatches *b) { return b->task.inputs.n_nodes; }

/* --- What there is to learn from ----------------------------------------------------------- */

/* Entries that count in the loss of the batch's n targets. */
static int64_t entries(const heed__minibatches *b, int64_t n) {
  heed_targets targets = {b->labels, b->numbers};
  int64_t count = 0;
  for (int64_t i = 0; i < n; i++) {
    count += heed__loss_known(b->spec.loss, &targets, b->outputs, i);
  }
  return count;
}

static heed_status check_nodes(const heed__minibatches *b, const uint8_t *marks, const char *part,
                               int64_t *count) {
  return heed__loss_check_rows(b->spec.loss, &b->task.targets, b->outputs, marks, nodes_of(b),
                               part, "node", count);
}

static heed_status find_nodes(heed__minibatches *b) {
  int64_t n = nodes_of(b), others;
  HEED__TRY(check_nodes(b, b->task.train, "training", &b->n_train));
  HEED__TRY(check_nodes(b, b->task.validation, "validation", &others));
  if (b->task.test != NULL) HEED__TRY(check_nodes(b, b->task.test, "test", &others));
  b->trains = heed__alloc_zero((size_t)n, sizeof *b->trains);
  b->train = heed__alloc((size_t)b->n_train, sizeof *b->train);
  if (b->trains == NULL || b->train == NULL) return HEED_NOMEM;
  for (int64_t i = 0, at = 0; i < n; i++) {
    b->trains[i] = b->task.train[i] != 0 &&
                   heed__loss_known(b->spec.loss, &b->task.targets, b->outputs, i) > 0;
    if (b->trains[i]) b->train[at++] = i;
  }
  return HEED_OK;
}

/* --- How it is taken apart ----------------------------------------------------------------- */

/* Fan-outs for every masked layer. */
static heed_status find_fanouts(const heed__minibatches *b, int32_t *fanouts) {
  const heed_fit_spec *spec = &b->spec;
  if (spec->fanouts > 1 && spec->fanouts != b->hops) {
    return heed__fail(HEED_ARGUMENT, "fan-outs: %d, but the model has %d masked layer%s",
                      spec->fanouts, b->hops, b->hops == 1 ? "" : "s");
  }
  for (int h = 0; h < b->hops; h++) {
    fanouts[h] = spec->fanouts == 0 ? -1 : spec->fanout[spec->fanouts == 1 ? 0 : h];
  }
  return HEED_OK;
}

static heed_status make_parts(heed__minibatches *b, const heed_mask *mask, uint64_t seed) {
  int64_t n = nodes_of(b), parts = b->spec.clusters;
  int32_t *part = heed__alloc((size_t)n, sizeof *part);
  b->part_ptr = heed__alloc_zero((size_t)parts + 2, sizeof *b->part_ptr);
  b->part_nodes = heed__alloc((size_t)n, sizeof *b->part_nodes);
  heed_status status =
      part == NULL || b->part_ptr == NULL || b->part_nodes == NULL ? HEED_NOMEM : HEED_OK;
  if (status == HEED_OK) status = heed_mask_partition(mask, (int32_t)parts, seed, part);
  if (status == HEED_OK) { /* counted one place further on, which filling in then takes back */
    for (int64_t i = 0; i < n; i++) b->part_ptr[part[i] + 2]++;
    for (int64_t k = 0; k < parts; k++) b->part_ptr[k + 2] += b->part_ptr[k + 1];
    for (int64_t i = 0; i < n; i++) b->part_nodes[b->part_ptr[part[i] + 1]++] = i;
  }
  heed__free(part);
  return status;
}

/* The pairs that batches are made of. */
static heed_status find_mask(heed__minibatches *b) {
  const heed_model_inputs *in = &b->task.inputs;
  b->mask = in->n_head_masks > 0 ? in->head_masks[0] : in->mask;
  for (int g = 1; g < in->n_head_masks; g++) {
    heed_mask before = b->together;
    heed_status status = heed_mask_union(&b->together, b->mask, in->head_masks[g]);
    if (status != HEED_OK) b->together = (heed_mask){0};
    heed_mask_free(&before);
    HEED__TRY(status);
    b->mask = &b->together;
  }
  return HEED_OK;
}

static heed_status divide(heed__minibatches *b, uint64_t seed) {
  const heed_fit_spec *spec = &b->spec;
  int32_t fanouts[HEED_MAX_HOPS];
  HEED__TRY(find_mask(b));
  const heed_mask *mask = b->mask;
  if (mask == NULL) { /* nobody is masked */
    b->nothing_rows = heed__alloc_zero((size_t)nodes_of(b) + 1, sizeof *b->nothing_rows);
    if (b->nothing_rows == NULL) return HEED_NOMEM;
    b->nothing = (heed_mask){
        .n_queries = nodes_of(b), .n_keys = nodes_of(b), .indptr = b->nothing_rows};
    mask = &b->nothing;
  }
  int64_t things = b->n_train, size = spec->batch, room = b->n_train;
  if (spec->clusters > 0) {
    HEED__TRY(heed_sampler_new(&b->sampler, mask, NULL, 0, seed));
    HEED__TRY(make_parts(b, mask, seed));
    things = spec->clusters;
    size = spec->cluster_batch;
    room = nodes_of(b);
  } else {
    HEED__TRY(find_fanouts(b, fanouts));
    HEED__TRY(heed_sampler_new(&b->sampler, mask, fanouts, b->hops, seed));
  }
  if (size == 0 || size > things) size = things;
  b->steps = (things + size - 1) / size;
  if (spec->clusters == 0) room = (things + b->steps - 1) / b->steps;
  b->order = heed__alloc((size_t)things, sizeof *b->order);
  b->taken = heed__alloc((size_t)room, sizeof *b->taken);
  return b->order == NULL || b->taken == NULL ? HEED_NOMEM : HEED_OK;
}

/* --- One batch ----------------------------------------------------------------------------- */

/* Room for `wanted` things and some more, if there is less: the arrays are to be made again, not copied. */
static bool outgrown(int64_t *room, int64_t wanted, int64_t most) {
  if (wanted <= *room) return false;
  *room = wanted + wanted / 8 < most ? wanted + wanted / 8 : most;
  return true;
}

static heed_status remake(void **array, int64_t n, int64_t width, size_t size) {
  size_t numbers;
  heed__free(*array);
  *array = NULL;
  if (!heed__multiply((size_t)n, (size_t)width, &numbers)) numbers = SIZE_MAX;
  *array = heed__alloc(numbers, size);
  return *array == NULL ? HEED_NOMEM : HEED_OK;
}

#define REMAKE(array, n, width)                                  \
  do {                                                           \
    void *made_ = (array);                                       \
    (array) = NULL;                                              \
    heed_status status_ = remake(&made_, n, width, sizeof *(array)); \
    (array) = made_;                                             \
    if (status_ != HEED_OK) return status_;                      \
  } while (0)

/* Room for the batch; a failure leaves what claims to have none. */
static heed_status make_room(heed__minibatches *b, int64_t targets, int64_t numbers) {
  const heed_model_inputs *in = &b->task.inputs;
  const heed_sample *s = &b->sample;
  int64_t nodes = b->room_nodes, others = b->room_numbers, pairs = b->room_pairs,
          rows = b->room_targets, masks = in->n_head_masks > 0 ? in->n_head_masks : 1;
  if (outgrown(&nodes, s->n_nodes, nodes_of(b))) {
    b->room_nodes = 0;
    if (in->dense != NULL) REMAKE(b->x, nodes, in->dense->cols);
    if (in->sparse != NULL) REMAKE(b->indptr, nodes + 1, 1);
    REMAKE(b->positions, nodes, 1);
    if (in->n_head_masks > 0) REMAKE(b->head_rows, nodes + 1, masks);
    b->room_nodes = nodes;
  }
  if (in->sparse != NULL && outgrown(&others, numbers, in->sparse->indptr[in->n_nodes])) {
    b->room_numbers = 0;
    REMAKE(b->indices, others, 1);
    if (in->sparse->values != NULL) REMAKE(b->values, others, 1);
    b->room_numbers = others;
  }
  if ((in->edges != NULL || in->pair_classes != NULL || in->n_head_masks > 0) &&
      outgrown(&pairs, s->mask.n_pairs, INT64_MAX)) {
    b->room_pairs = 0;
    if (in->edges != NULL) REMAKE(b->edges, pairs, masks * in->edges->cols);
    if (in->pair_classes != NULL) REMAKE(b->classes, pairs, masks);
    if (in->n_head_masks > 0) REMAKE(b->head_keys, pairs, masks);
    b->room_pairs = pairs;
  }
  if (outgrown(&rows, targets, b->n_train)) {
    b->room_targets = 0;
    if (b->task.targets.labels != NULL) REMAKE(b->labels, rows, 1);
    if (b->task.targets.values != NULL) REMAKE(b->numbers, rows, b->outputs);
    REMAKE(b->d_output, rows, b->outputs);
    b->room_targets = rows;
  }
  return HEED_OK;
}

/* What is known of pair `from` of the whole graph's masks goes to pair `to` of the batch's. */
static void gather_pair(heed__minibatches *b, int64_t from, int64_t to) {
  const heed_model_inputs *in = &b->task.inputs;
  if (in->edges != NULL) {
    memcpy(b->edges + to * in->edges->cols, in->edges->data + from * in->edges->stride,
           (size_t)in->edges->cols * sizeof(float));
  }
  if (in->pair_classes != NULL) b->classes[to] = in->pair_classes[from];
}

/* Of the sample's pairs those that each group of heads sees. Returns how many they are together. */
static int64_t gather_heads(heed__minibatches *b) {
  const heed_model_inputs *in = &b->task.inputs;
  const heed_sample *s = &b->sample;
  int64_t first = 0, pairs = 0;
  for (int g = 0; g < in->n_head_masks; g++) {
    const heed_mask *whole = in->head_masks[g];
    int64_t *indptr = b->head_rows + g * (s->n_nodes + 1), n = 0;
    int32_t *keys = b->head_keys + g * s->mask.n_pairs;
    indptr[0] = 0;
    for (int64_t r = 0; r < s->n_nodes; r++) {
      for (int64_t p = s->mask.indptr[r]; p < s->mask.indptr[r + 1]; p++) {
        int64_t from = heed__mask_find(whole, s->nodes[r], s->nodes[s->mask.indices[p]]);
        if (from < 0) continue;
        gather_pair(b, first + from, pairs + n);
        keys[n++] = s->mask.indices[p];
      }
      indptr[r + 1] = n;
    }
    b->head_masks[g] = (heed_mask){.n_queries = s->n_nodes,
                                   .n_keys = s->n_nodes,
                                   .n_pairs = n,
                                   .indptr = indptr,
                                   .indices = keys};
    b->of_heads[g] = &b->head_masks[g];
    first += whole->n_pairs;
    pairs += n;
  }
  return pairs;
}

/* Features, targets and pairs of the sample's nodes, the first `targets` of which are learnt from. */
static heed_status gather(heed__minibatches *b, int64_t targets) {
  const heed_model_inputs *in = &b->task.inputs;
  const heed_sample *s = &b->sample;
  const heed_csr *csr = in->sparse;
  int64_t n = s->n_nodes;
  HEED__TRY(make_room(b, targets, csr == NULL ? 0 : heed__csr_count(csr, s->nodes, n)));
  if (csr == NULL) {
    heed__dense_rows(in->dense, s->nodes, n, b->x);
    b->dense = heed_matrix_view(b->x, n, in->dense->cols);
  } else {
    heed__csr_rows(csr, s->nodes, n, b->indptr, b->indices, b->values);
    b->sparse = (heed_csr){.rows = n,
                           .cols = csr->cols,
                           .indptr = b->indptr,
                           .indices = b->indices,
                           .values = b->values};
  }
  int64_t pairs = s->mask.n_pairs;
  bool known = in->edges != NULL || in->pair_classes != NULL;
  if (in->n_head_masks > 0) {
    pairs = gather_heads(b);
  } else if (known) {
    for (int64_t p = 0; p < pairs; p++) gather_pair(b, s->pairs[p], p);
  }
  for (int64_t r = 0; r < n; r++) {
    b->positions[r] = in->positions != NULL ? in->positions[s->nodes[r]] : s->nodes[r];
  }
  if (in->edges != NULL) b->edge_matrix = heed_matrix_view(b->edges, pairs, in->edges->cols);
  for (int64_t i = 0; i < targets; i++) {
    int64_t node = s->nodes[i];
    if (b->labels != NULL) b->labels[i] = b->task.targets.labels[node];
    if (b->numbers != NULL) {
      memcpy(b->numbers + i * b->outputs, b->task.targets.values + node * b->outputs,
             (size_t)b->outputs * sizeof(float));
    }
  }
  b->inputs = (heed_model_inputs){.n_nodes = n,
                                  .dense = csr == NULL ? &b->dense : NULL,
                                  .sparse = csr == NULL ? NULL : &b->sparse,
                                  .mask = in->mask == NULL ? NULL : &s->mask,
                                  .edges = in->edges == NULL ? NULL : &b->edge_matrix,
                                  .positions = b->positions,
                                  .pair_classes = in->pair_classes == NULL ? NULL : b->classes,
                                  .n_wanted = targets,
                                  .n_head_masks = in->n_head_masks,
                                  .head_masks = b->of_heads,
                                  .mask_heads = in->mask_heads};
  return HEED_OK;
}

static int64_t grown(int64_t before, int64_t wanted, int64_t most) {
  int64_t room = wanted + wanted / 8;
  if (room > most) room = most;
  return room > before ? room : before;
}

/* Binds the pass to the batch; makes one anew that is larger where it does not fit in, never two at once. */
static heed_status bind(heed__minibatches *b, int64_t targets) {
  const heed_sample *s = &b->sample;
  heed_model_capacity *room = &b->room, need = {.n_nodes = s->n_nodes,
                                                .n_pairs = s->mask.n_pairs,
                                                .n_values = b->inputs.sparse == NULL ? 0 : b->room_numbers,
                                                .hops = b->hops,
                                                .n_head_masks = b->inputs.n_head_masks};
  for (int h = 0; h <= b->hops; h++) {
    need.ends[h] = h == 0 ? targets : s->hops > 0 ? s->ends[h] : s->n_nodes;
  }
  bool fits = b->pass != NULL && need.n_nodes <= room->n_nodes && need.n_pairs <= room->n_pairs &&
              need.n_values <= room->n_values;
  for (int h = 0; h <= b->hops; h++) fits = fits && need.ends[h] <= room->ends[h];
  for (int g = 0; g < need.n_head_masks; g++) {
    need.head_pairs[g] = b->head_masks[g].n_pairs;
    fits = fits && need.head_pairs[g] <= room->head_pairs[g];
  }
  if (!fits) {
    int64_t n = nodes_of(b);
    room->hops = b->hops;
    room->n_nodes = grown(room->n_nodes, need.n_nodes, n);
    room->n_pairs = grown(room->n_pairs, need.n_pairs, INT64_MAX);
    room->n_values = b->inputs.sparse == NULL ? 0 : grown(1, need.n_values, INT64_MAX);
    for (int h = 0; h <= b->hops; h++) room->ends[h] = grown(room->ends[h], need.ends[h], n);
    room->n_head_masks = need.n_head_masks;
    for (int g = 0; g < need.n_head_masks; g++) {
      room->mask_heads[g] = b->inputs.mask_heads[g];
      room->head_pairs[g] = grown(room->head_pairs[g], need.head_pairs[g], INT64_MAX);
    }
    heed_pass_free(b->pass);
    b->pass = NULL;
    HEED__TRY(heed_pass_reserve(&b->pass, b->model, room, true));
  }
  return heed_pass_bind(b->pass, &b->inputs);
}

static int by_number(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

/* Batch `step` of an epoch whose order is there; returns how many nodes are learnt from, which come first. */
static heed_status take(heed__minibatches *b, int epoch, int64_t step, int64_t *targets) {
  int64_t things = b->spec.clusters > 0 ? b->spec.clusters : b->n_train, n = 0;
  /* As even as can be: their numbers differ by one at most. */
  int64_t first = things * step / b->steps, end = things * (step + 1) / b->steps;
  if (b->spec.clusters == 0) {
    for (int64_t i = first; i < end; i++) b->taken[n++] = b->train[b->order[i]];
    qsort(b->taken, (size_t)n, sizeof *b->taken, by_number); /* neighbours in memory stay so */
    HEED__TRY(heed_sampler_take(b->sampler, b->taken, n, (uint64_t)epoch, (uint64_t)step, &b->sample));
    *targets = n;
  } else {
    qsort(b->order + first, (size_t)(end - first), sizeof *b->order, by_number);
    for (int trained = 1; trained >= 0; trained--) {
      for (int64_t i = first; i < end; i++) {
        for (int64_t k = b->part_ptr[b->order[i]]; k < b->part_ptr[b->order[i] + 1]; k++) {
          int64_t node = b->part_nodes[k];
          if (b->trains[node] == trained) b->taken[n++] = node;
        }
      }
      if (trained == 1) *targets = n;
    }
    if (*targets == 0) return HEED_OK;
    HEED__TRY(heed_sampler_induce(b->sampler, b->taken, n, &b->sample));
  }
  HEED__TRY(gather(b, *targets));
  HEED__TRY(bind(b, *targets));
  if (heed_pass_rows(b->pass) == *targets) return HEED_OK;
  return heed__fail(HEED_ARGUMENT, "mini-batches: the model's output has %lld rows for %lld nodes",
                    (long long)heed_pass_rows(b->pass), (long long)*targets);
}

static void shuffle(heed__minibatches *b, uint64_t seed, int epoch) {
  heed__batches_shuffle(seed, epoch, b->order, b->spec.clusters > 0 ? b->spec.clusters : b->n_train);
}

heed_status heed__minibatches_train(heed__minibatches *b, heed_optimizer *optimizer, uint64_t seed,
                                    int epoch, float rate, double *loss) {
  double sum = 0;
  int64_t all = 0;
  shuffle(b, seed, epoch);
  for (int64_t s = 0; s < b->steps; s++) {
    int64_t n;
    heed_matrix output;
    double value;
    HEED__TRY(take(b, epoch, s, &n));
    if (n == 0) continue;
    uint64_t step = (uint64_t)epoch * (uint64_t)b->steps + (uint64_t)s + 1;
    HEED__TRY(heed_pass_forward(b->pass, HEED_MODE_TRAIN, seed, step, &output));
    heed_targets targets = {b->labels, b->numbers};
    HEED__TRY(heed_loss_compute(b->spec.loss, &output, &targets, NULL, b->d_output, &value));
    HEED__TRY(heed_pass_backward(b->pass, b->d_output));
    HEED__TRY(heed_optimizer_step(optimizer, heed_pass_gradients(b->pass), rate));
    int64_t count = entries(b, n);
    sum += value * (double)count;
    all += count;
  }
  *loss = sum / (double)all;
  return HEED_OK;
}

/* --- The whole graph ----------------------------------------------------------------------- */

heed_status heed__minibatches_measure(heed__minibatches *b, const uint8_t *rows, double *loss,
                                      double *value) {
  int64_t n = nodes_of(b);
  HEED__TRY(heed__model_infer(b->model, &b->task.inputs, 0, b->output, &b->inference));
  heed_matrix output = heed_matrix_view(b->output, n, b->outputs);
  const heed_targets *targets = &b->task.targets;
  if (loss != NULL) {
    HEED__TRY(heed_loss_compute(b->spec.loss, &output, targets, rows, NULL, loss));
  }
  return heed__metric_measure(b->spec.metric, &output, targets, rows, b->metric_room, value);
}

/* --- Life ---------------------------------------------------------------------------------- */

static heed_status check(const heed__minibatches *b) {
  const heed_fit_spec *spec = &b->spec;
  const heed_model_inputs *in = &b->task.inputs;
  if (in->n_graphs > 0) {
    return heed__fail(HEED_ARGUMENT, "mini-batches: of nodes of one graph, not of %lld graphs",
                      (long long)in->n_graphs);
  }
  if (in->n_context > 0) {
    return heed__fail(HEED_ARGUMENT, "mini-batches: not with a context, of %lld nodes",
                      (long long)in->n_context);
  }
  if (spec->fanouts < 0 || spec->fanouts > HEED_MAX_HOPS) {
    return heed__fail(HEED_RANGE, "fan-outs: %d, not 0 to %d", spec->fanouts, HEED_MAX_HOPS);
  }
  if (spec->clusters < 0 || (spec->clusters > 0 && spec->cluster_batch < 1)) {
    return heed__fail(HEED_RANGE, "clusters: %d, %d a batch: not at least 1", spec->clusters,
                      spec->cluster_batch);
  }
  if (spec->clusters > 0 && (spec->batch > 0 || spec->fanouts > 0)) {
    return heed__fail(HEED_ARGUMENT, "clusters: %d, but also %s", spec->clusters,
                      spec->fanouts > 0 ? "fan-outs" : "a batch of target nodes");
  }
  HEED__TRY(heed__pass_check(b->model, in));
  int64_t pairs = in->mask != NULL ? in->mask->n_pairs : 0;
  bool full = in->mask != NULL && heed_mask_is_full(in->mask);
  for (int g = 0; g < in->n_head_masks; g++) {
    pairs += in->head_masks[g]->n_pairs;
    full = full || heed_mask_is_full(in->head_masks[g]);
  }
  if (in->edges != NULL && (full || in->edges->rows != pairs)) {
    return heed__fail(HEED_SHAPE, "mini-batches: features of %lld pairs, but %s has %lld",
                      (long long)in->edges->rows, full ? "a full mask" : "the mask",
                      (long long)pairs);
  }
  return HEED_OK;
}

static heed_status prepare(heed__minibatches *b, uint64_t seed) {
  int64_t n = nodes_of(b), targets = 0;
  HEED__TRY(check(b));
  int hops;
  HEED__TRY(heed__model_hops(b->model, &hops));
  if (hops > HEED_MAX_HOPS) {
    return heed__fail(HEED_ARGUMENT, "mini-batches: the model has %d masked layers, more than %d",
                      hops, HEED_MAX_HOPS);
  }
  b->hops = hops > 0 ? hops : 1;
  if (hops == 0) { /* nobody looks at a neighbour */
    b->spec.fanouts = 1;
    b->spec.fanout[0] = 0;
  }
  HEED__TRY(find_nodes(b));
  HEED__TRY(divide(b, seed));
  size_t numbers, room = heed__metric_room(b->spec.metric, n, b->outputs);
  if (!heed__multiply((size_t)n, (size_t)b->outputs, &numbers) || room == 0) {
    return heed__fail(HEED_OVERFLOW, "an output of %lld rows and %lld columns does not fit",
                      (long long)n, (long long)b->outputs);
  }
  b->output = heed__alloc(numbers, sizeof *b->output);
  b->metric_room = heed__alloc(room, 1);
  if (b->output == NULL || b->metric_room == NULL) return HEED_NOMEM;
  /* Tells at once, not in the first epoch, if model and graph do not go together; and what it takes. */
  shuffle(b, seed, 0);
  for (int64_t s = 0; s < b->steps && targets == 0; s++) HEED__TRY(take(b, 0, s, &targets));
  return HEED_OK;
}

heed_status heed__minibatches_new(heed__minibatches **batches, heed_model *model,
                                  const heed_task *task, const heed_fit_spec *spec, uint64_t seed) {
  heed__minibatches *b = heed__alloc_zero(1, sizeof *b);
  if (b == NULL) return HEED_NOMEM;
  b->model = model;
  b->task = *task;
  b->spec = *spec;
  b->outputs = heed_model_output_count(model);
  heed_status status = prepare(b, seed);
  if (status != HEED_OK) {
    heed__minibatches_free(b);
    return status;
  }
  *batches = b;
  return HEED_OK;
}

int64_t heed__minibatches_bytes(const heed__minibatches *b) {
  const heed_model_inputs *in = &b->task.inputs;
  int64_t cols = 4 + (in->dense != NULL ? 4 * in->dense->cols : (int64_t)sizeof *b->indptr);
  int64_t edges = (in->edges != NULL ? 4 * in->edges->cols : 0) + (in->pair_classes != NULL ? 4 : 0);
  const heed_targets *targets = &b->task.targets;
  int64_t of_target = 4 * b->outputs * (targets->values != NULL ? 2 : 1) + (targets->labels != NULL ? 4 : 0);
  if (in->n_head_masks > 0) { /* rows, keys */
    cols += in->n_head_masks * 8;
    edges = in->n_head_masks * (edges + 4);
  }
  size_t pass = b->pass == NULL ? 0 : heed_pass_bytes(b->pass);
  return (int64_t)(pass + heed_sampler_bytes(b->sampler) + b->inference) + b->room_nodes * cols +
         b->room_numbers * 8 + b->room_pairs * edges + b->room_targets * of_target;
}

void heed__minibatches_free(heed__minibatches *b) {
  if (b == NULL) return;
  heed_pass_free(b->pass);
  heed_sampler_free(b->sampler);
  heed_mask_free(&b->together);
  void *const arrays[] = {b->train,     b->trains,       b->order,     b->taken,   b->part_ptr,
                          b->part_nodes, b->nothing_rows, b->x,         b->indptr,  b->indices,
                          b->values,    b->edges,        b->classes,   b->head_rows, b->head_keys,
                          b->positions, b->labels,       b->numbers,   b->d_output, b->output,
                          b->metric_room};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) heed__free(arrays[i]);
  heed__free(b);
}
