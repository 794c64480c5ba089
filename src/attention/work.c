/* What an attention has to do at least: bytes, operations and exponentials, counted. */
#include <heed/attention.h>
#include <math.h>
#include <string.h>

#include "attention/linear.h"
#include "attention/plan.h"
#include "base/status.h"

/* Numbers a pair and head. */
typedef struct pair_work {
  double score;        /* operations of the logit */
  double exponentials; /* of the logit alone */
  double gradient;     /* operations from the gradient of the logit to that of a query, or of a key */
  double vector;       /* the same to that of `a` */
} pair_work;

static pair_work work_of_score(heed_score score, double dim) {
  switch (score) {
    case HEED_SCORE_DOT: /* multiply and add; the same for each gradient */
      return (pair_work){.score = 2 * dim, .gradient = 2 * dim};
    case HEED_SCORE_GAT: /* add, LeakyReLU (multiply, compare); LeakyReLU's slope and the sum */
      return (pair_work){.score = 3, .gradient = 2};
    case HEED_SCORE_GATV2: /* add, LeakyReLU, multiply and add; slope, a, add */
      return (pair_work){.score = 5 * dim, .gradient = 3 * dim, .vector = 2 * dim};
    default: /* add, tanh, multiply and add; 1 - tanh^2, a, the logit's gradient, add */
      return (pair_work){
          .score = 3 * dim, .exponentials = dim, .gradient = 5 * dim, .vector = 2 * dim};
  }
}

/* What a normaliser does. */
typedef struct normalizer_work {
  double weight;       /* operations from a logit to its weight */
  double gradient;     /* from the gradient of the weight to that of the logit, the weight being there */
  double exponentials;
} normalizer_work;

static normalizer_work work_of_normalizer(heed_normalizer normalizer) {
  switch (normalizer) {
    case HEED_NORMALIZER_RELU: /* compare; the row is divided when it is summed up */
      return (normalizer_work){1, 1, 0};
    case HEED_NORMALIZER_SIGMOID: /* subtract, add, divide; subtract, multiply twice */
      return (normalizer_work){3, 3, 1};
    case HEED_NORMALIZER_LINEAR: return (normalizer_work){0, 0, 0};
    default: /* compare, subtract, add; less the row's statistic, multiply */
      return (normalizer_work){3, 2, 1};
  }
}

/* Sizes in bytes and numbers that both passes speak of. */
typedef struct sizes {
  double queries, keys, pairs;
  double heads, dim, value_dim;
  double query_row, key_row; /* bytes of a node that the logit needs: its numbers or GAT's scores */
  double value_row;          /* 0 where the key's row is the value */
  double rounded;            /* bytes of a node read and written to make its row of bfloat16 */
  double out_row;
  bool gat, listed, runs;
  bool joined; /* GAT: queries, keys and values are one array, and may have one gradient */
  bool spared; /* backward: the first pass, by what the forward call may leave */
  bool kept; /* backward: the second pass may take the weights up as the first one left them */
  normalizer_work weights;
  double out_read, statistics; /* backward: numbers of a head of a query, beside d_out */
} sizes;

static sizes sizes_of(const heed_attention_spec *spec, const heed_mask *mask,
                      const heed_attention_inputs *inputs) {
  bool gat = spec->score == HEED_SCORE_GAT;
  bool softmax = spec->normalizer == HEED_NORMALIZER_SOFTMAX;
  bool linear = gat || spec->score == HEED_SCORE_DOT; /* in the features of pairs */
  double row = 4.0 * spec->heads * (gat ? 1 : spec->key_dim);
  double values = 4.0 * spec->heads * spec->value_dim;
  bool apart = gat || inputs->value != NULL, narrow = spec->storage == HEED_STORAGE_BFLOAT16;
  double key_row = narrow && !gat ? row / 2 : row, value_row = narrow ? values / 2 : values;
  double rounded = (gat ? 0 : row + key_row) + (apart ? value_row : 0) +
                   (inputs->value != NULL ? values : 0);
  return (sizes){.queries = (double)mask->n_queries,
                 .keys = (double)mask->n_keys,
                 .pairs = (double)mask->n_pairs,
                 .heads = spec->heads,
                 .dim = spec->key_dim,
                 .value_dim = spec->value_dim,
                 .query_row = row,
                 .key_row = key_row,
                 .value_row = apart ? value_row : 0,
                 .rounded = narrow ? rounded : 0,
                 .out_row = values,
                 .gat = gat,
                 .joined = gat && inputs->key == inputs->query && spec->key_dim == spec->value_dim &&
                           (inputs->value == NULL || inputs->value == inputs->key),
                 .listed = mask->indices != NULL,
                 .runs = mask->starts != NULL,
                 .spared = gat && softmax && spec->edge_dim == 0,
                 .kept = softmax && linear && spec->edge_dim > 0,
                 .weights = work_of_normalizer(spec->normalizer),
                 .out_read = softmax ? spec->value_dim : 0,
                 .statistics = softmax ? 2 : 0};
}

/* GAT: nodes whose numbers are read, of two arrays or of one. */
static double nodes_read(const sizes *s, const heed_attention_inputs *inputs) {
  return inputs->key == inputs->query ? fmax(s->queries, s->keys) : s->queries + s->keys;
}

static void count_forward(const sizes *s, const heed_attention_inputs *inputs, pair_work pair,
                          bool tiles, heed_work *work) {
  double nodes = s->queries + s->keys;
  double operations = pair.score + s->weights.weight + 2 * s->value_dim + (inputs->bias != NULL);
  work->operations = s->heads * (s->pairs * operations + s->queries * s->value_dim);
  work->exponentials = s->heads * s->pairs * (s->weights.exponentials + pair.exponentials);
  work->streamed_bytes = s->queries * (s->query_row + s->out_row) + s->keys * s->rounded;
  if (s->listed) work->streamed_bytes += 8 * (s->queries + 1) + 4 * s->pairs;
  if (s->runs) work->streamed_bytes += 12 * s->queries + 8;
  if (s->gat) { /* scores of the nodes, written here and read above and below */
    work->operations += 2 * s->heads * s->dim * nodes;
    work->streamed_bytes += 4 * s->heads * (s->dim * nodes_read(s, inputs) + nodes);
  }
  if (tiles) {
    work->streamed_bytes += s->keys * (s->key_row + s->value_row);
  } else {
    work->row_bytes[0] = (int64_t)(s->key_row + s->value_row);
  }
}

static void count_backward(const sizes *s, const heed_attention_inputs *inputs, pair_work pair,
                           bool tiles, heed_work *work) {
  double statistics = 4 * s->statistics * s->heads, numbers = 4 * s->heads * s->dim;
  double passes = tiles || s->spared ? 1 : 2, computed = s->kept ? 1 : passes;
  /* The weight again (softmax's without its sum: one less the maximum's compare), the logit's gradient,
   * d_out . value; then every gradient. */
  double weight = s->statistics > 0 ? 1 : s->weights.weight;
  double again =
      pair.score + weight + s->weights.gradient + 2 * s->value_dim + (inputs->bias != NULL);
  double gradients = 2 * pair.gradient + pair.vector + 2 * s->value_dim;
  work->operations = s->heads * (s->pairs * (computed * again + gradients) +
                                 s->queries * 2 * s->out_read); /* d_out . out */
  work->exponentials = computed * s->heads * s->pairs * (s->weights.exponentials + pair.exponentials);
  /* Rows of queries: numbers, out, d_out, log_sum_exp, gradient. */
  double outs = s->out_row + 4 * s->heads * (s->out_read + s->statistics / 2); /* d_out and those */
  double rows = numbers * s->queries + (2 * s->value_row + numbers) * s->keys; /* of keys: numbers and gradients */
  if (s->gat) rows += numbers * nodes_read(s, inputs);
  if (s->joined) rows = 2 * numbers * nodes_read(s, inputs);
  work->streamed_bytes = s->queries * (s->query_row + outs) + s->keys * s->key_row + rows;
  if (s->listed) work->streamed_bytes += 8 * (s->queries + s->keys + 2) + passes * 4 * s->pairs;
  if (s->runs) work->streamed_bytes += 12 * (s->queries + s->keys) + 16;
  if (s->gat) { /* from the sums of the nodes to the gradients of their numbers and of both vectors */
    work->operations += 4 * s->heads * s->dim * (s->queries + s->keys);
  }
  if (tiles) return;
  work->streamed_bytes += s->queries * statistics; /* written between the passes */
  if (s->spared) {
    work->streamed_bytes += s->queries * (s->out_row + 4 * s->heads);
  } else {
    work->row_bytes[0] = (int64_t)(s->key_row + s->value_row);
  }
  work->row_bytes[1] = (int64_t)(s->query_row + s->out_row + statistics);
}

/* Linear attention without pairs: two sums of products forward, five backward (six under a causal mask, where this is
 * that much too low), each for a query or a key. */
static void count_linear(const sizes *s, const heed_attention_spec *spec, const heed_mask *mask,
                         bool forward, heed_work *work) {
  double cells = heed__linear_mask_cells(spec, mask);
  if (cells >= s->pairs) return;
  double a_cell = 2 * (s->dim + s->value_dim) * (forward ? 1 : 2.5);
  work->operations = s->heads * cells * a_cell;
}

/* Features of pairs pass by once. What is linear in them costs a row its H * Fe numbers, made from the
 * others or turned into them, and a pair their products with its features. */
static void count_edges(const sizes *s, const heed_attention_spec *spec,
                        const heed_attention_inputs *inputs, bool forward, heed_work *work) {
  double features = spec->edge_dim, pair = 2 * features * s->heads * s->pairs;
  double key_row = 2 * features * s->heads * s->dim, value_row = 2 * features * s->heads * s->value_dim;
  bool dot = spec->score == HEED_SCORE_DOT;
  work->streamed_bytes += 4 * features * s->pairs;
  if (inputs->edge_bias != NULL) work->operations += forward ? pair : 2 * pair;
  if (inputs->edge_key != NULL && dot) { /* backward: again, to the query, to edge_key */
    work->operations += forward ? pair + key_row * s->queries : 2 * pair + 3 * key_row * s->queries;
  } else if (inputs->edge_key != NULL) { /* pair by pair: in both passes, and to edge_key */
    work->operations += (forward ? 1 : 3) * key_row * s->pairs;
  }
  if (inputs->edge_value == NULL) return;
  work->operations += (forward ? 1 : 2) * (pair + value_row * s->queries);
}

heed_status heed_attention_work(const heed_attention_spec *spec, const heed_mask *mask,
                                const heed_attention_inputs *inputs, heed_call call,
                                heed_work *work) {
  memset(work, 0, sizeof *work);
  HEED__TRY(heed__plan_check(spec, mask));
  if (spec->kernel == HEED_KERNEL_AUTO) {
    return heed__fail(HEED_ARGUMENT, "kernel auto: what it does depends on what is chosen");
  }
  if (call != HEED_CALL_FORWARD && call != HEED_CALL_BACKWARD) {
    return heed__fail(HEED_ARGUMENT, "call %d: there is none", (int)call);
  }
  bool forward = call == HEED_CALL_FORWARD;
  if (!forward && spec->storage != HEED_STORAGE_FLOAT) {
    return heed__fail(HEED_ARGUMENT, "storage %s: forward calls alone have it",
                      heed_storage_name(spec->storage));
  }
  bool tiles =
      spec->kernel == HEED_KERNEL_DENSE && (forward || spec->score == HEED_SCORE_DOT);
  sizes s = sizes_of(spec, mask, inputs);
  pair_work pair = work_of_score(spec->score, s.dim);
  (forward ? count_forward : count_backward)(&s, inputs, pair, tiles, work);
  if (tiles && heed__linear_spec(spec, spec->kernel) && inputs->bias == NULL && spec->dropout == 0 &&
      spec->edge_dim == 0) {
    count_linear(&s, spec, mask, forward, work);
  }
  if (inputs->bias != NULL) {
    work->streamed_bytes += (forward || tiles ? 4.0 : 8.0) * s.pairs * inputs->bias_heads;
  }
  if (spec->edge_dim > 0) count_edges(&s, spec, inputs, forward, work);
  for (int order = 0; order < 2; order++) {
    work->gathered_bytes[order] = (double)work->row_bytes[order] * s.pairs;
  }
  return HEED_OK;
}

heed_floor heed_work_floor(const heed_work *work, const heed_work_rates *rates) {
  heed_floor floor = {.memory = work->streamed_bytes / (1e9 * rates->stream_gbytes),
                      .arithmetic = work->operations / (1e9 * rates->gflops) +
                                    work->exponentials / (1e9 * rates->exponentials)};
  for (int order = 0; order < 2; order++) {
    if (work->gathered_bytes[order] == 0) continue;
    floor.memory += work->gathered_bytes[order] / (1e9 * rates->gather_gbytes[order]);
  }
  floor.seconds = fmax(floor.memory, floor.arithmetic);
  return floor;
}
