/* Attention whose heads see different pairs: a plan for each group of heads that share a mask. The columns of a
 * group are brought together before its plan runs, and its results put back. */
#include "attention/heads.h"

#include <string.h>

#include "attention/plan.h"
#include "base/alloc.h"
#include "base/status.h"
#include "base/threads.h"

/* Arrays of one group at a time, by what is in them: the forward pass needs those before D_OUT alone. */
typedef enum room_kind {
  QUERY,
  KEY,
  VALUE,
  OUT,
  LOG_SUM_EXP,
  EDGE_BIAS,
  EDGE_KEY,
  EDGE_VALUE,
  D_OUT,
  D_QUERY,
  D_KEY,
  D_VALUE,
  D_EDGE_BIAS,
  D_EDGE_KEY,
  D_EDGE_VALUE,
  ROOMS
} room_kind;

typedef struct group {
  heed_attention *plan;
  int64_t pairs;      /* of its mask */
  int64_t first_pair; /* pairs of the groups before it */
  int64_t first_edge; /* where the features of its pairs begin: there too, or elsewhere */
  int32_t first;      /* head */
  int32_t heads;
} group;

struct heed_heads {
  heed_attention_spec spec;
  int64_t n_queries, n_keys;
  int n;
  bool backward;
  bool reserved; /* bound again and again, see heed__heads_reserve() */
  int32_t most; /* heads of the largest group */
  group *groups;
  float *rooms[ROOMS];
};

/* Rows, and numbers a head, of what is in a room. */
static void room_size(const heed_heads *heads, room_kind kind, int64_t *rows, int64_t *width) {
  const heed_attention_spec *spec = &heads->spec;
  switch (kind) {
    case QUERY:
    case D_QUERY:
      *rows = heads->n_queries;
      *width = spec->key_dim;
      return;
    case KEY:
    case D_KEY:
      *rows = heads->n_keys;
      *width = spec->key_dim;
      return;
    case VALUE:
    case D_VALUE:
      *rows = heads->n_keys;
      *width = spec->value_dim;
      return;
    case OUT:
    case D_OUT:
      *rows = heads->n_queries;
      *width = spec->value_dim;
      return;
    case LOG_SUM_EXP:
      *rows = heads->n_queries;
      *width = 1;
      return;
    case EDGE_BIAS:
    case D_EDGE_BIAS:
      *rows = spec->edge_dim;
      *width = 1;
      return;
    case EDGE_KEY:
    case D_EDGE_KEY:
      *rows = spec->edge_dim;
      *width = spec->key_dim;
      return;
    default:
      *rows = spec->edge_dim;
      *width = spec->value_dim;
      return;
  }
}

static heed_status make_rooms(heed_heads *heads, int from, int end) {
  for (int kind = from; heads->n > 1 && kind < end; kind++) {
    int64_t rows, width;
    size_t numbers;
    room_size(heads, (room_kind)kind, &rows, &width);
    if (!heed__multiply((size_t)rows, (size_t)(width * heads->most), &numbers)) numbers = SIZE_MAX;
    heads->rooms[kind] = heed__alloc(numbers, sizeof(float));
    if (heads->rooms[kind] == NULL) return HEED_NOMEM;
  }
  return HEED_OK;
}

static void free_rooms(heed_heads *heads, int from, int end) {
  for (int kind = from; kind < end; kind++) {
    heed__free(heads->rooms[kind]);
    heads->rooms[kind] = NULL;
  }
}

void heed_heads_free(heed_heads *heads) {
  if (heads == NULL) return;
  for (int g = 0; heads->groups != NULL && g < heads->n; g++) {
    heed_attention_free(heads->groups[g].plan);
  }
  free_rooms(heads, 0, ROOMS);
  heed__free(heads->groups);
  heed__free(heads);
}

/* What a group's dropout is drawn from. */
static uint64_t seed_of(uint64_t seed, int g) { return seed + (uint64_t)g * 0x9e3779b97f4a7c15u; }

static heed_status check(const heed_attention_spec *spec, int n, const heed_mask *const *masks,
                         const int32_t *counts) {
  int64_t sum = 0;
  if (n < 1) return heed__fail(HEED_RANGE, "heads: %d groups, at least 1", n);
  for (int g = 0; g < n; g++) {
    if (masks[g] == NULL) return heed__fail(HEED_ARGUMENT, "heads: group %d has no mask", g);
    if (counts[g] < 1) {
      return heed__fail(HEED_RANGE, "heads: group %d has %d heads, at least 1", g, (int)counts[g]);
    }
    sum += counts[g];
    if (masks[g]->n_queries == masks[0]->n_queries && masks[g]->n_keys == masks[0]->n_keys) continue;
    return heed__fail(HEED_SHAPE, "heads: the mask of group %d is %lld x %lld, but that of group 0 %lld x %lld",
                      g, (long long)masks[g]->n_queries, (long long)masks[g]->n_keys,
                      (long long)masks[0]->n_queries, (long long)masks[0]->n_keys);
  }
  if (sum == spec->heads) return HEED_OK;
  return heed__fail(HEED_SHAPE, "heads: the groups have %lld heads, but the attention has %d",
                    (long long)sum, (int)spec->heads);
}

/* Takes over the pairs of group g; those of the groups before are known. */
static heed_status count_pairs(heed_heads *heads, int g, const heed_mask *mask) {
  group *one = heads->groups + g;
  int64_t end;
  one->first_pair = g == 0 ? 0 : one[-1].first_pair + one[-1].pairs;
  one->first_edge = one->first_pair;
  one->pairs = mask->n_pairs;
  if (!__builtin_add_overflow(one->first_pair, one->pairs, &end)) return HEED_OK;
  return heed__fail(HEED_OVERFLOW, "heads: the masks have more than 2^63 - 1 pairs");
}

static heed_status make_groups(heed_heads *heads, const heed_mask *const *masks,
                               const int32_t *counts, const heed_kernel *kernels, bool whole_rows) {
  int32_t first = 0;
  for (int g = 0; g < heads->n; g++) {
    group *one = heads->groups + g;
    heed_attention_spec spec = heads->spec;
    *one = (group){.first = first, .heads = counts[g]};
    spec.heads = counts[g];
    if (kernels != NULL) spec.kernel = kernels[g];
    spec.seed = seed_of(spec.seed, g);
    HEED__TRY(heads->reserved ? heed__plan_reserve(&one->plan, &spec, masks[g], whole_rows)
                              : heed_attention_new(&one->plan, &spec, masks[g]));
    if (counts[g] > heads->most) heads->most = counts[g];
    first += counts[g];
    HEED__TRY(count_pairs(heads, g, masks[g]));
  }
  return make_rooms(heads, 0, D_OUT);
}

static heed_status make(heed_heads **result, const heed_attention_spec *spec, int groups,
                        const heed_mask *const *masks, const int32_t *counts,
                        const heed_kernel *kernels, bool reserved, bool whole_rows) {
  *result = NULL;
  HEED__TRY(check(spec, groups, masks, counts));
  heed_heads *heads = heed__alloc_zero(1, sizeof *heads);
  if (heads == NULL) return HEED_NOMEM;
  heads->spec = *spec;
  heads->n = groups;
  heads->reserved = reserved;
  heads->n_queries = masks[0]->n_queries;
  heads->n_keys = masks[0]->n_keys;
  heads->groups = heed__alloc_zero((size_t)groups, sizeof *heads->groups);
  heed_status status = heads->groups == NULL
                           ? HEED_NOMEM
                           : make_groups(heads, masks, counts, kernels, whole_rows);
  if (status != HEED_OK) {
    heed_heads_free(heads);
    return status;
  }
  *result = heads;
  return HEED_OK;
}

heed_status heed_heads_new(heed_heads **result, const heed_attention_spec *spec, int groups,
                           const heed_mask *const *masks, const int32_t *counts) {
  return make(result, spec, groups, masks, counts, NULL, false, false);
}

heed_status heed__heads_new(heed_heads **result, const heed_attention_spec *spec, int groups,
                            const heed_mask *const *masks, const int32_t *counts,
                            const heed_kernel *kernels) {
  return make(result, spec, groups, masks, counts, kernels, false, false);
}

heed_status heed__heads_reserve(heed_heads **result, const heed_attention_spec *spec, int groups,
                                const heed_mask *const *masks, const int32_t *counts,
                                bool whole_rows) {
  return make(result, spec, groups, masks, counts, NULL, true, whole_rows);
}

heed_status heed__heads_rebind(heed_heads *heads, int g, const heed_mask *mask,
                               const heed_mask *transposed, const int64_t *pairs) {
  heads->n_queries = mask->n_queries;
  heads->n_keys = mask->n_keys;
  HEED__TRY(count_pairs(heads, g, mask));
  return heed__plan_rebind(heads->groups[g].plan, transposed, pairs);
}

void heed__heads_edges_from(heed_heads *heads, int g, int64_t first) {
  heads->groups[g].first_edge = first;
}

heed_status heed__heads_prepare(heed_heads *heads, int g, const heed_mask *transposed,
                                const int64_t *pairs) {
  HEED__TRY(heed_attention_prepare_backward(heads->groups[g].plan, transposed, pairs));
  if (g + 1 < heads->n) return HEED_OK;
  heed_status status = make_rooms(heads, D_OUT, ROOMS);
  if (status != HEED_OK) {
    free_rooms(heads, D_OUT, ROOMS);
    return status;
  }
  heads->backward = true;
  return HEED_OK;
}

heed_status heed_heads_prepare_backward(heed_heads *heads) {
  if (heads->backward) return HEED_OK;
  for (int g = 0; g < heads->n; g++) HEED__TRY(heed__heads_prepare(heads, g, NULL, NULL));
  return HEED_OK;
}

/* --- Columns ------------------------------------------------------------------------------- */

/* Moves the columns of a group's heads between an array of all heads and one of theirs. */
static void move(const heed_heads *heads, const group *one, room_kind kind, float *all, float *own,
                 bool into_own) {
  int64_t rows, width;
  room_size(heads, kind, &rows, &width);
  int64_t stride = width * heads->spec.heads, size = width * one->heads;
  float *first = all + width * one->first;
#pragma omp parallel for schedule(static) num_threads(heed_threads()) if (rows * size > 16384)
  for (int64_t i = 0; i < rows; i++) {
    float *there = first + i * stride, *here = own + i * size;
    memcpy(into_own ? here : there, into_own ? there : here, (size_t)size * sizeof *here);
  }
}

/* The columns of a group: all of them where it has all heads. NULL stays NULL. */
static const float *take(const heed_heads *heads, const group *one, room_kind kind,
                         const float *all) {
  if (all == NULL || heads->n == 1) return all;
  move(heads, one, kind, (float *)(uintptr_t)all, heads->rooms[kind], true); /* only read */
  return heads->rooms[kind];
}

/* Where a group writes what goes to `all`. */
static float *place(const heed_heads *heads, room_kind kind, float *all) {
  return all == NULL || heads->n == 1 ? all : heads->rooms[kind];
}

static void put_back(const heed_heads *heads, const group *one, room_kind kind, float *all) {
  if (all != NULL && heads->n > 1) move(heads, one, kind, all, heads->rooms[kind], false);
}

static const float *vector(const heed_heads *heads, const group *one, const float *all) {
  return all == NULL ? NULL : all + (int64_t)one->first * heads->spec.key_dim;
}

/* Numbers of the pairs of the groups before: a number a pair and head of the group, or a pair. */
static int64_t by_pair(const heed_heads *heads, const group *one, bool shared) {
  int64_t before = 0;
  if (shared) return one->first_pair;
  for (const group *g = heads->groups; g < one; g++) before += g->pairs * g->heads;
  return before;
}

/* The inputs of a group. Arrays that are one stay one. */
static heed_attention_inputs inputs_of(const heed_heads *heads, const group *one,
                                       const heed_attention_inputs *in) {
  heed_attention_inputs own = *in;
  own.query = take(heads, one, QUERY, in->query);
  own.key = in->key == in->query ? own.query : take(heads, one, KEY, in->key);
  bool alike = heads->spec.key_dim == heads->spec.value_dim;
  own.value = in->value == in->key && alike     ? own.key
              : in->value == in->query && alike ? own.query
                                                : take(heads, one, VALUE, in->value);
  own.a_query = vector(heads, one, in->a_query);
  own.a_key = vector(heads, one, in->a_key);
  own.a = vector(heads, one, in->a);
  if (in->bias != NULL) {
    bool shared = in->bias_heads == 1 && heads->spec.heads > 1;
    own.bias = in->bias + by_pair(heads, one, shared);
    own.bias_heads = shared ? 1 : one->heads;
  }
  if (in->edges != NULL) own.edges = in->edges + one->first_edge * heads->spec.edge_dim;
  own.edge_bias = take(heads, one, EDGE_BIAS, in->edge_bias);
  own.edge_key = take(heads, one, EDGE_KEY, in->edge_key);
  own.edge_value = take(heads, one, EDGE_VALUE, in->edge_value);
  return own;
}

static heed_status check_inputs(const heed_heads *heads, const heed_attention_inputs *in) {
  if (in->query == NULL || in->key == NULL) {
    return heed__fail(HEED_ARGUMENT, "heads: %s missing", in->query == NULL ? "query" : "key");
  }
  if (in->bias == NULL || in->bias_heads == 1 || in->bias_heads == heads->spec.heads) return HEED_OK;
  return heed__fail(HEED_ARGUMENT, "heads: bias of %d heads, but the attention has %d",
                    (int)in->bias_heads, (int)heads->spec.heads);
}

/* --- Computing ----------------------------------------------------------------------------- */

heed_status heed_heads_forward(heed_heads *heads, const heed_attention_inputs *inputs,
                               const heed_attention_outputs *outputs) {
  return heed__heads_forward(heads, inputs, outputs, -1);
}

heed_status heed__heads_forward(heed_heads *heads, const heed_attention_inputs *inputs,
                                const heed_attention_outputs *outputs, int only) {
  HEED__TRY(check_inputs(heads, inputs));
  if (outputs->out == NULL) return heed__fail(HEED_ARGUMENT, "heads: out is missing");
  for (int g = 0; g < heads->n; g++) {
    const group *one = heads->groups + g;
    heed_attention_inputs in = inputs_of(heads, one, inputs);
    heed_attention_outputs out = {.out = place(heads, OUT, outputs->out),
                                  .log_sum_exp = place(heads, LOG_SUM_EXP, outputs->log_sum_exp),
                                  .steep = heads->n == 1 ? outputs->steep : NULL};
    if (only < 0 && outputs->weights != NULL) {
      out.weights = outputs->weights + by_pair(heads, one, false);
    } else if (only == g) {
      out.weights = outputs->weights;
    }
    HEED__TRY(heed_attention_forward(one->plan, &in, &out));
    put_back(heads, one, OUT, outputs->out);
    put_back(heads, one, LOG_SUM_EXP, outputs->log_sum_exp);
  }
  return HEED_OK;
}

/* The shared bias of a pair is another's in every group: nothing is added up between them. */
heed_status heed_heads_backward(heed_heads *heads, const heed_attention_inputs *inputs,
                                const heed_attention_gradients *gradients) {
  HEED__TRY(check_inputs(heads, inputs));
  if (!heads->backward) return heed__fail(HEED_ARGUMENT, "heads: not prepared for the backward pass");
  if (gradients->d_out == NULL) return heed__fail(HEED_ARGUMENT, "heads: d_out is missing");
  const heed_attention_gradients *to = gradients;
  bool alike = heads->spec.key_dim == heads->spec.value_dim;
  for (int g = 0; g < heads->n; g++) {
    const group *one = heads->groups + g;
    heed_attention_inputs in = inputs_of(heads, one, inputs);
    bool shared = in.bias != NULL && inputs->bias_heads == 1 && heads->spec.heads > 1;
    heed_attention_gradients own = {.out = take(heads, one, OUT, to->out),
                                    .log_sum_exp = take(heads, one, LOG_SUM_EXP, to->log_sum_exp),
                                    .d_out = take(heads, one, D_OUT, to->d_out),
                                    .steep = heads->n == 1 ? to->steep : NULL,
                                    .query = place(heads, D_QUERY, to->query),
                                    .key = place(heads, D_KEY, to->key),
                                    .value = place(heads, D_VALUE, to->value),
                                    .edge_bias = place(heads, D_EDGE_BIAS, to->edge_bias),
                                    .edge_key = place(heads, D_EDGE_KEY, to->edge_key),
                                    .edge_value = place(heads, D_EDGE_VALUE, to->edge_value)};
    bool key_is_query = to->key != NULL && to->key == to->query;
    bool value_is_key = to->value != NULL && to->value == to->key && alike;
    bool value_is_query = to->value != NULL && to->value == to->query && alike;
    if (key_is_query) own.key = own.query;
    if (value_is_key) own.value = own.key;
    if (value_is_query) own.value = own.query;
    if (to->a_query != NULL) own.a_query = to->a_query + (int64_t)one->first * heads->spec.key_dim;
    if (to->a_key != NULL) own.a_key = to->a_key + (int64_t)one->first * heads->spec.key_dim;
    if (to->a != NULL) own.a = to->a + (int64_t)one->first * heads->spec.key_dim;
    if (to->bias != NULL) own.bias = to->bias + by_pair(heads, one, shared);
    HEED__TRY(heed_attention_backward(one->plan, &in, &own));
    put_back(heads, one, D_QUERY, to->query);
    if (!key_is_query) put_back(heads, one, D_KEY, to->key);
    if (!value_is_key && !value_is_query) put_back(heads, one, D_VALUE, to->value);
    put_back(heads, one, D_EDGE_BIAS, to->edge_bias);
    put_back(heads, one, D_EDGE_KEY, to->edge_key);
    put_back(heads, one, D_EDGE_VALUE, to->edge_value);
  }
  return HEED_OK;
}

heed_status heed_heads_set_dropout(heed_heads *heads, float dropout, uint64_t seed) {
  for (int g = 0; g < heads->n; g++) {
    HEED__TRY(heed_attention_set_dropout(heads->groups[g].plan, dropout, seed_of(seed, g)));
  }
  return HEED_OK;
}

heed_attention_cost heed_heads_plan_cost(const heed_heads *heads, int index) {
  return heed_attention_plan_cost(heads->groups[index].plan);
}
