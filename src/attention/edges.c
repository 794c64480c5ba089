#include "attention/edges.h"

#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "base/threads.h"
#include "matrix/loops.h"

/* Most features of a pair. */
enum { MOST_EDGE_DIM = 1 << 16 };

/* Rows that a thread takes at once; in the backward pass, rows whose sums are floats before they go over to
 * those of their group in double precision, and the most groups, each with one owner. Fixed, for the bits
 * must not depend on the threads. */
enum { ROWS_AT_ONCE = 64, MOST_GROUPS = 32 };

heed_status heed__edges_check(const heed_attention_spec *spec, const heed_mask *mask) {
  if (spec->edge_dim < 0 || spec->edge_dim > MOST_EDGE_DIM) {
    return heed__fail(HEED_RANGE, "%d features of a pair: not between 0 and %d", spec->edge_dim,
                      MOST_EDGE_DIM);
  }
  if (spec->edge_dim == 0) return HEED_OK;
  if (mask->indptr == NULL) {
    return heed__fail(HEED_ARGUMENT,
                      "%d features of a pair under a full mask of %lld queries and %lld keys: they "
                      "need its pairs, see heed_mask_explicit()",
                      spec->edge_dim, (long long)mask->n_queries, (long long)mask->n_keys);
  }
  if (spec->storage != HEED_STORAGE_FLOAT) {
    return heed__fail(HEED_ARGUMENT, "%d features of a pair with storage %d: only with float",
                      spec->edge_dim, (int)spec->storage);
  }
  return HEED_OK;
}

heed_status heed__edges_check_inputs(const heed__problem *problem, const heed_attention_inputs *in) {
  const float *arrays[] = {in->edges, in->edge_bias, in->edge_key, in->edge_value};
  const char *const names[] = {"edges", "edge_bias", "edge_key", "edge_value"};
  int32_t dim = problem->spec.edge_dim;
  for (int i = 0; i < 4 && dim == 0; i++) {
    if (arrays[i] == NULL) continue;
    return heed__fail(HEED_ARGUMENT, "an edge_dim of 0 does not take the array %s", names[i]);
  }
  if (dim == 0) return HEED_OK;
  if (in->edges == NULL && problem->mask->n_pairs > 0) {
    return heed__fail(HEED_ARGUMENT, "an edge_dim of %d needs the array edges", dim);
  }
  if (in->edge_bias == NULL && in->edge_key == NULL && in->edge_value == NULL) {
    return heed__fail(HEED_ARGUMENT,
                      "an edge_dim of %d needs one of the arrays edge_bias, edge_key and edge_value",
                      dim);
  }
  if (in->edge_key != NULL && problem->spec.score == HEED_SCORE_GAT) {
    return heed__fail(HEED_ARGUMENT,
                      "score gat does not take the array edge_key: what a pair's features add to "
                      "its score within LeakyReLU is the edge_bias a_edge . W");
  }
  return HEED_OK;
}

typedef heed__edge_sizes sizes;

static int64_t groups_of(const heed_mask *mask) {
  int64_t groups = mask->n_queries / ROWS_OF_GROUP + 1;
  return groups < MOST_GROUPS ? groups : MOST_GROUPS;
}

static size_t whole(size_t n) { return (n + WIDEST - 1) / WIDEST * WIDEST; }

static bool streams(const heed_attention_spec *spec, const heed_mask *mask) {
  return spec->kernel == HEED_KERNEL_SPARSE && mask->n_queries <= INT32_MAX &&
         spec->normalizer == HEED_NORMALIZER_SOFTMAX && heed__kernels_chosen()->streams_features(spec);
}

static heed_status sizes_of(const heed_attention_spec *spec, const heed_mask *mask, sizes *s) {
  size_t heads = (size_t)spec->heads, dim = (size_t)spec->edge_dim;
  size_t keys = heads * (size_t)spec->key_dim, values = heads * (size_t)spec->value_dim;
  memset(s, 0, sizeof *s);
  if (!heed__multiply((size_t)mask->n_pairs, heads, &s->pairs) || s->pairs > SIZE_MAX / 16) {
    return heed__fail(HEED_OVERFLOW, "%lld pairs and %zu heads: numbers of theirs do not fit",
                      (long long)mask->n_pairs, heads);
  }
  s->pairs = whole(s->pairs);
  s->row = whole(dim);
  s->heads_row = whole(heads);
  s->wide = whole(keys) + WIDEST;
  s->key_turned = keys * s->row;
  s->value_turned = values * s->row;
  s->by_head = heads * s->row;
  s->by_feature = dim * s->heads_row;
  if (streams(spec, mask)) {
    s->by_rows = BLOCK_PAIRS * s->by_head;
    s->flat = BLOCK_PAIRS * s->heads_row + 2 * WIDEST;
  }
  s->sums = s->by_head + s->key_turned + s->value_turned + s->wide;
  s->room = 3 * s->by_rows + s->flat + s->by_head + s->by_feature + s->heads_row + 2 * WIDEST + 3 * s->wide + s->sums;
  s->groups = (size_t)groups_of(mask);
  return HEED_OK;
}

static size_t plan_floats(const sizes *s, int threads) {
  return (s->flat > 0 ? 0 : 2 * s->pairs) + s->by_head + s->key_turned + s->value_turned +
         (size_t)threads * s->room;
}

heed_status heed__edges_bytes(const heed_attention_spec *spec, const heed_mask *mask, int threads,
                              size_t *bytes) {
  *bytes = 0;
  if (spec->edge_dim == 0 || spec->kernel == HEED_KERNEL_REFERENCE) return HEED_OK;
  sizes s;
  HEED__TRY(sizes_of(spec, mask, &s));
  *bytes = sizeof(heed__edges) + (size_t)threads * sizeof(heed__edge_room) +
           plan_floats(&s, threads) * sizeof(float);
  return HEED_OK;
}

static float *take(float **at, size_t floats) {
  float *taken = *at;
  *at += floats;
  return taken;
}

heed_status heed__edges_new(heed_attention *plan) {
  const heed_attention_spec *spec = &plan->problem.spec;
  if (spec->edge_dim == 0 || spec->kernel == HEED_KERNEL_REFERENCE) return HEED_OK;
  sizes s;
  HEED__TRY(sizes_of(spec, plan->problem.mask, &s));
  heed__edges *edges = plan->edges = heed__alloc_zero(1, sizeof *edges);
  if (edges == NULL) return HEED_NOMEM;
  edges->score = spec->score;
  edges->dim = spec->edge_dim;
  edges->sizes = s;
  edges->row = (int64_t)s.row;
  edges->heads_row = (int64_t)s.heads_row;
  edges->rooms = heed__alloc((size_t)plan->threads, sizeof *edges->rooms);
  /* Zeroed, for vectors reach beyond the numbers that count. */
  float *at = heed__alloc_zero(plan_floats(&s, plan->threads), sizeof *at);
  edges->memory = at;
  if (edges->rooms == NULL || at == NULL) return HEED_NOMEM;
  edges->streams = s.flat > 0;
  if (edges->streams) {
    plan->problem.features = edges;
  } else {
    edges->logits = take(&at, s.pairs);
    edges->weights = take(&at, s.pairs);
  }
  edges->bias_turned = take(&at, s.by_head);
  edges->key_turned = take(&at, s.key_turned);
  edges->value_turned = take(&at, s.value_turned);
  for (int t = 0; t < plan->threads; t++) {
    heed__edge_room *room = edges->rooms + t;
    plan->scratch[t].room = room;
    room->by_row = take(&at, s.by_rows);
    room->by_gradient = take(&at, s.by_rows);
    room->by_weight = take(&at, s.by_rows);
    room->flat = take(&at, s.flat);
    room->by_head = take(&at, s.by_head);
    room->by_feature = take(&at, s.by_feature);
    room->heads = take(&at, s.heads_row + 2 * WIDEST);
    room->key = take(&at, s.wide);
    room->terms = take(&at, s.wide);
    room->own = take(&at, s.wide);
    room->sums = take(&at, s.sums);
  }
  return HEED_OK;
}

void heed__edges_rebind(heed_attention *plan) {
  heed__edges *edges = plan->edges;
  if (edges == NULL) return;
  int64_t groups = groups_of(plan->problem.mask);
  edges->groups = groups < edges->most_groups ? groups : edges->most_groups;
}

heed_status heed__edges_reserve(heed_attention *plan) {
  heed__edges *edges = plan->edges;
  if (edges == NULL) return HEED_OK;
  heed__edges_release(plan);
  const sizes *s = &edges->sizes;
  size_t sums;
  if (!heed__multiply(s->groups, s->sums, &sums)) {
    return heed__fail(HEED_OVERFLOW, "%zu sums of %zu groups do not fit", s->sums, s->groups);
  }
  edges->groups = edges->most_groups = (int64_t)s->groups;
  edges->products = heed__alloc(2 * s->pairs, sizeof(float));
  edges->sums = heed__alloc(sums, sizeof *edges->sums);
  if (edges->products == NULL || edges->sums == NULL) return HEED_NOMEM;
  edges->own_d_logits = edges->products + s->pairs;
  if (edges->streams) edges->weights = edges->products;
  return HEED_OK;
}

void heed__edges_release(heed_attention *plan) {
  heed__edges *edges = plan->edges;
  if (edges == NULL) return;
  heed__free(edges->products);
  heed__free(edges->sums);
  edges->products = edges->own_d_logits = NULL;
  edges->sums = NULL;
}

void heed__edges_free(heed_attention *plan) {
  heed__edges *edges = plan->edges;
  if (edges == NULL) return;
  heed__edges_release(plan);
  heed__free(edges->rooms);
  heed__free(edges->memory);
  heed__free(edges);
  plan->edges = NULL;
}

/* turned[c, f] = scale * w[f, c] */
static void turn(const heed__edges *edges, const float *w, int64_t n, float scale, float *turned) {
  for (int64_t c = 0; c < n; c++) {
    for (int64_t f = 0; f < edges->dim; f++) turned[c * edges->row + f] = scale * w[f * n + c];
  }
}

/* Threads for rows each of which takes H * Fe numbers through D or Dv others. */
static int threads_for_rows(const heed_attention *plan, int64_t rows, int64_t pieces) {
  const heed_attention_spec *spec = &plan->problem.spec;
  double numbers = (double)spec->heads * spec->edge_dim;
  int64_t wide = spec->key_dim > spec->value_dim ? spec->key_dim : spec->value_dim;
  double by_pair = plan->edges->own_score ? (double)spec->key_dim : 1;
  int64_t most = heed__threads_for(
      numbers * ((double)rows * (double)wide + (double)plan->problem.mask->n_pairs * by_pair));
  if (most > plan->threads) most = plan->threads;
  if (most > pieces) most = pieces;
  return most < 1 ? 1 : (int)most;
}

typedef void (*rows_function)(const heed__problem *problem, const heed__edges *edges, int64_t first,
                              int64_t end, const heed__edge_room *room);

static void over_rows(const heed_attention *plan, rows_function loop) {
  int64_t n = plan->problem.mask->n_queries, blocks = (n + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE;
  int threads = threads_for_rows(plan, n, blocks);
  (void)threads; /* without OpenMP */
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads) if (threads > 1)
  for (int64_t b = 0; b < blocks; b++) {
    int64_t end = n - b * ROWS_AT_ONCE < ROWS_AT_ONCE ? n : (b + 1) * ROWS_AT_ONCE;
    loop(&plan->problem, plan->edges, b * ROWS_AT_ONCE, end, plan->edges->rooms + heed__thread());
  }
}

/* Both calls: the features' part of the logits becomes a bias. */
static void logits_of_features(heed_attention *plan) {
  heed__problem *problem = &plan->problem;
  heed__edges *edges = plan->edges;
  const heed_attention_inputs *in = &problem->in;
  edges->bias = in->bias;
  edges->bias_heads = in->bias_heads;
  bool gat = edges->score == HEED_SCORE_GAT, dot = edges->score == HEED_SCORE_DOT;
  edges->own_score = gat ? in->edge_bias != NULL : in->edge_key != NULL && !dot;
  if (in->edge_key == NULL && in->edge_bias == NULL) return;
  if (gat) heed__node_scores(plan);
  if (in->edge_key != NULL && !edges->own_score) {
    turn(edges, in->edge_key, problem->key_stride, 1, edges->key_turned);
  }
  over_rows(plan, plan->kernels->edge_logits);
  problem->in.bias = edges->logits;
  problem->in.bias_heads = problem->spec.heads;
  if (edges->own_score) problem->spec.score = HEED__SCORE_NONE;
}

/* Both calls, in streams: the weights of the features as the kernels take them. */
static void lay_out(const heed_attention *plan) {
  const heed__problem *problem = &plan->problem;
  const heed_attention_inputs *in = &problem->in;
  const heed__edges *edges = plan->edges;
  if (in->edge_bias != NULL) turn(edges, in->edge_bias, problem->spec.heads, 1, edges->bias_turned);
  if (in->edge_key == NULL) return;
  turn(edges, in->edge_key, problem->key_stride, problem->spec.scale, edges->key_turned);
}

void heed__edges_before_forward(heed_attention *plan) {
  heed__problem *problem = &plan->problem;
  if (plan->edges == NULL) return;
  if (plan->edges->streams) {
    lay_out(plan);
    return;
  }
  logits_of_features(plan);
  if (problem->in.edge_value != NULL && problem->to.weights == NULL) {
    problem->to.weights = plan->edges->weights;
  }
}

void heed__edges_after_forward(heed_attention *plan) {
  if (plan->edges == NULL || plan->edges->streams) return;
  plan->problem.spec.score = plan->edges->score;
  if (plan->problem.in.edge_value != NULL) over_rows(plan, plan->kernels->edge_values);
}

/* Whether anything here asks for the gradients of the logits. */
static bool wants_d_logits(const heed_attention *plan) {
  const heed_attention_gradients *to = &plan->edges->to;
  if (to->edge_bias != NULL) return true;
  bool own = plan->edges->own_score;
  if (own && (to->a_query != NULL || to->a_key != NULL)) return true;
  if (plan->problem.in.edge_key == NULL && !own) return false;
  return to->query != NULL || to->edge_key != NULL || (own && (to->key != NULL || to->a != NULL));
}

/* The score is computed here: so are its gradients, after that of value, which may share an array with
 * them. */
static void take_score_over(const heed_attention *plan, heed__backward *back) {
  const float *query = back->to.query, *key = back->to.key, *value = back->to.value;
  int64_t n_queries = plan->problem.mask->n_queries, n_keys = plan->problem.mask->n_keys;
  back->add_value_below = 0;
  back->add_query_below = value != NULL && value == query ? n_keys : 0;
  back->add_key_below = key != NULL && key == query ? n_queries : 0;
  if (key != NULL && key == value && n_keys > back->add_key_below) back->add_key_below = n_keys;
  back->to.query = back->to.key = back->to.a = back->to.a_query = back->to.a_key = NULL;
}

static float *part(float **at, size_t floats, bool wanted) {
  float *taken = take(at, floats);
  return wanted ? taken : NULL;
}

/* Points the room's sums at its array where they are wanted. */
static void point_sums(const heed__edges *edges, heed__edge_room *room) {
  const sizes *s = &edges->sizes;
  const heed_attention_gradients *to = &edges->to;
  float *at = room->sums;
  room->sum_bias = part(&at, s->by_head, to->edge_bias != NULL);
  room->sum_key = part(&at, s->key_turned, to->edge_key != NULL);
  room->sum_value = part(&at, s->value_turned, to->edge_value != NULL);
  room->sum_a = part(&at, s->wide, edges->own_score && to->a != NULL);
}

/* heed__edges_before_backward() in streams: the first pass leaves what the second one needs. */
static void before_streams(heed_attention *plan, heed__backward *back) {
  const heed__problem *problem = &plan->problem;
  heed__edges *edges = plan->edges;
  const heed_attention_gradients *to = &edges->to;
  lay_out(plan);
  if (problem->in.edge_value != NULL) {
    turn(edges, problem->in.edge_value, problem->value_stride, 1, edges->value_turned);
  }
  edges->by_gradients = to->edge_bias != NULL || to->edge_key != NULL ||
                        (to->query != NULL && problem->in.edge_key != NULL);
  back->weights = edges->weights;
  back->d_logits = edges->own_d_logits;
  for (int t = 0; t < plan->threads; t++) point_sums(edges, edges->rooms + t);
}

void heed__edges_before_backward(heed_attention *plan, heed__backward *back) {
  heed__problem *problem = &plan->problem;
  heed__edges *edges = plan->edges;
  if (edges == NULL) return;
  edges->to = back->to;
  if (edges->streams) {
    before_streams(plan, back);
    return;
  }
  logits_of_features(plan);
  if (problem->in.edge_value != NULL) {
    turn(edges, problem->in.edge_value, problem->value_stride, 1, edges->value_turned);
    over_rows(plan, plan->kernels->edge_products);
    back->products = edges->products;
  }
  if (edges->to.edge_value != NULL) back->weights = edges->weights;
  bool replaced = problem->in.bias == edges->logits;
  bool direct = back->to.bias != NULL && edges->bias_heads == problem->spec.heads;
  edges->d_logits = direct ? back->to.bias : edges->own_d_logits;
  if (wants_d_logits(plan) || (replaced && back->to.bias != NULL)) back->to.bias = edges->d_logits;
  if (edges->own_score) take_score_over(plan, back);
}

static double *sums_of(const heed__edges *edges, int64_t group) {
  return edges->sums + (size_t)group * edges->sizes.sums;
}

static void clear(float *sums, size_t floats) {
  if (sums != NULL) memset(sums, 0, floats * sizeof *sums);
}

static void flush(const float *sums, size_t floats, const float *all, double *group) {
  if (sums == NULL) return;
  group += sums - all;
  for (size_t i = 0; i < floats; i++) group[i] += (double)sums[i];
}

static void clear_room(const heed__edges *edges, const heed__edge_room *room) {
  const sizes *s = &edges->sizes;
  clear(room->sum_bias, s->by_head);
  clear(room->sum_key, s->key_turned);
  clear(room->sum_value, s->value_turned);
  clear(room->sum_a, s->wide);
}

static void flush_room(const heed__edges *edges, const heed__edge_room *room, int64_t group) {
  const sizes *s = &edges->sizes;
  double *sums = sums_of(edges, group);
  flush(room->sum_bias, s->by_head, room->sums, sums);
  flush(room->sum_key, s->key_turned, room->sums, sums);
  flush(room->sum_value, s->value_turned, room->sums, sums);
  flush(room->sum_a, s->wide, room->sums, sums);
}

static void clear_sums(const heed__edges *edges, int64_t group) {
  memset(sums_of(edges, group), 0, edges->sizes.sums * sizeof *edges->sums);
}

void heed__edges_begin_group(const heed_attention *plan, int64_t group) {
  clear_sums(plan->edges, group);
  clear_room(plan->edges, plan->edges->rooms + heed__thread());
}

void heed__edges_end_task(const heed_attention *plan, int64_t group) {
  const heed__edge_room *room = plan->edges->rooms + heed__thread();
  flush_room(plan->edges, room, group);
  clear_room(plan->edges, room);
}

/* The rows of a group of queries, and its sums. */
static void gradients_of_group(const heed_attention *plan, const heed__backward *back, int64_t group) {
  const heed__problem *problem = &plan->problem;
  heed__edges *edges = plan->edges;
  int64_t n = problem->mask->n_queries;
  int64_t first = n * group / edges->groups, end = n * (group + 1) / edges->groups;
  heed__edge_room *room = edges->rooms + heed__thread();
  bool gat = edges->score == HEED_SCORE_GAT;
  bool of_score = edges->own_score && (gat || edges->to.query != NULL || edges->to.a != NULL ||
                                       edges->to.edge_key != NULL);
  point_sums(edges, room);
  clear_sums(edges, group);
  for (int64_t i = first; i < end; i += ROWS_AT_ONCE) {
    int64_t until = end - i < ROWS_AT_ONCE ? end : i + ROWS_AT_ONCE;
    clear_room(edges, room);
    if (of_score) {
      plan->kernels->edge_score_gradients(problem, edges, back, plan->reserve->sides, i, until,
                                          room);
    }
    plan->kernels->edge_gradients(problem, edges, i, until, room);
    flush_room(edges, room, group);
  }
}

/* The groups' sums in their order, into the first. */
static void sum_groups(const heed__edges *edges, size_t n) {
  for (int64_t group = 1; group < edges->groups; group++) {
    const double *from = edges->sums + (size_t)group * n;
    for (size_t i = 0; i < n; i++) edges->sums[i] += from[i];
  }
}

/* to[f, c] = the sum at [c, f], times factors[c] or scale */
static void put_sums(const heed__edges *edges, const double *sums, int64_t n, const float *factors,
                     float scale, float *to) {
  if (to == NULL) return;
  for (int64_t f = 0; f < edges->dim; f++) {
    for (int64_t c = 0; c < n; c++) {
      double factor = factors != NULL ? (double)factors[c] : (double)scale;
      to[f * n + c] = (float)(factor * sums[c * edges->row + f]);
    }
  }
}

/* All groups' sums become gradients. */
static void put_weights(const heed_attention *plan) {
  const heed__problem *problem = &plan->problem;
  const heed__edges *edges = plan->edges;
  const sizes *s = &edges->sizes;
  sum_groups(edges, s->sums);
  const double *at = edges->sums;
  put_sums(edges, at, problem->spec.heads, NULL, 1, edges->to.edge_bias);
  at += s->by_head;
  put_sums(edges, at, problem->key_stride, edges->own_score ? problem->in.a : NULL,
           problem->spec.scale, edges->to.edge_key);
  at += s->key_turned;
  put_sums(edges, at, problem->value_stride, NULL, 1, edges->to.edge_value);
  at += s->value_turned;
  if (!edges->own_score || edges->to.a == NULL) return;
  for (int64_t d = 0; d < problem->key_stride; d++) edges->to.a[d] = (float)at[d];
}

static void gradients_of_weights(const heed_attention *plan, const heed__backward *back) {
  const heed__problem *problem = &plan->problem;
  heed__edges *edges = plan->edges;
  int threads = threads_for_rows(plan, problem->mask->n_queries, edges->groups);
  (void)threads; /* without OpenMP */
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads) if (threads > 1)
  for (int64_t group = 0; group < edges->groups; group++) {
    gradients_of_group(plan, back, group);
  }
  put_weights(plan);
}

static void gradients_of_keys(const heed_attention *plan, const heed__backward *back) {
  const heed__problem *problem = &plan->problem;
  int64_t n = problem->mask->n_keys, blocks = (n + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE;
  int threads = threads_for_rows(plan, n, blocks);
  (void)threads; /* without OpenMP */
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads) if (threads > 1)
  for (int64_t b = 0; b < blocks; b++) {
    int64_t end = n - b * ROWS_AT_ONCE < ROWS_AT_ONCE ? n : (b + 1) * ROWS_AT_ONCE;
    plan->kernels->edge_score_gradients(problem, plan->edges, back, plan->reserve->sides + 1,
                                        b * ROWS_AT_ONCE, end, plan->edges->rooms + heed__thread());
  }
}

/* A bias that all heads share gets the sum of theirs. */
static void share_bias(const heed_attention *plan) {
  const heed__edges *edges = plan->edges;
  int64_t heads = plan->problem.spec.heads;
  if (edges->to.bias == NULL || edges->to.bias == edges->d_logits) return;
  if (plan->problem.in.bias != edges->logits) return; /* the kernels did it */
  for (int64_t p = 0; p < plan->problem.mask->n_pairs; p++) {
    float sum = 0;
    for (int64_t h = 0; h < heads; h++) sum += edges->d_logits[p * heads + h];
    edges->to.bias[p] = sum;
  }
}

bool heed__edges_after_backward(heed_attention *plan, heed__backward *back) {
  heed__edges *edges = plan->edges;
  if (edges == NULL) return false;
  const heed_attention_gradients *to = &edges->to;
  if (edges->streams) {
    if (to->edge_bias != NULL || to->edge_key != NULL || to->edge_value != NULL) put_weights(plan);
    return false;
  }
  bool gat = edges->own_score && edges->score == HEED_SCORE_GAT;
  plan->problem.spec.score = edges->score;
  share_bias(plan);
  bool linear = plan->problem.in.edge_key != NULL && !edges->own_score;
  if (to->edge_bias != NULL || to->edge_key != NULL || to->edge_value != NULL ||
      (linear && to->query != NULL) || (edges->own_score && (to->query != NULL || to->a != NULL)) ||
      (gat && wants_d_logits(plan))) {
    gradients_of_weights(plan, back);
  }
  if (edges->own_score && (to->key != NULL || to->a_key != NULL)) gradients_of_keys(plan, back);
  if (gat) back->to = *to;
  return gat;
}
