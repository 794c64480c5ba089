/* Token ids as features, decoding against the whole causal pass, BERT against PyTorch. */
#include <check.h>
#include <heed/data.h>
#include <heed/sequence.h>
#include <heed/train.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#define TARGET "spoilt.safetensors"
#include "expect.h"
#include "folder.h"

/* --- Embeddings --- */

START_TEST(test_embedding) {
  static const int64_t ptr[] = {0, 3, 3, 5};
  static const int32_t tokens[] = {6, 0, 2, 6, 1}, segments[] = {0, 1, 1, 0, 0};
  heed_embedding e = {.tokens = 7, .positions = 3, .segments = 2};
  int64_t indptr[6];
  int32_t indices[15];
  heed_csr x;
  ck_assert_int_eq(heed_embedding_columns(&e), 12);
  ck_assert_int_eq(heed_embedding_values(&e, 5), 15);
  ok(heed_embedding_features(&e, 3, ptr, tokens, segments, indptr, indices, &x));
  ok(heed_csr_check(&x));
  ck_assert_int_eq(x.rows, 5);
  ck_assert_int_eq(x.cols, 12);
  static const int32_t expected[] = {6, 7, 10, 0, 8, 11, 2, 9, 11, 6, 7, 10, 1, 8, 10};
  ck_assert_mem_eq(indices, expected, sizeof expected);
  ok(heed_embedding_features(&e, 3, ptr, tokens, NULL, indptr, indices, &x));
  ck_assert_int_eq(indices[5], 10);
  e.segments = 0;
  ok(heed_embedding_features(&e, 3, ptr, tokens, segments, indptr, indices, &x));
  ck_assert_int_eq(x.indptr[5], 10);
  e.positions = 0;
  ok(heed_embedding_features(&e, 3, ptr, tokens, NULL, indptr, indices, &x));
  ck_assert_int_eq(x.indptr[5], 5);
  ck_assert_int_eq(indices[3], 6);
  ok(heed_embedding_features(&e, 0, ptr, NULL, NULL, indptr, indices, &x));
  ck_assert_int_eq(x.rows, 0);

  e = (heed_embedding){.tokens = 6, .positions = 3, .segments = 2};
  fails(heed_embedding_features(&e, 3, ptr, tokens, NULL, indptr, indices, &x), HEED_RANGE,
            "sequence 0, place 0: token 6, not between 0 and 5");
  e.tokens = 7;
  e.positions = 2;
  fails(heed_embedding_features(&e, 3, ptr, tokens, NULL, indptr, indices, &x), HEED_RANGE,
            "sequence 0 of 3 tokens, but there are 2 positions");
  e.positions = 3;
  e.segments = 1;
  fails(heed_embedding_features(&e, 3, ptr, tokens, segments, indptr, indices, &x), HEED_RANGE,
            "sequence 0, place 1: segment 1");
  static const int32_t negative[] = {0, 1, 2, -3, 0};
  fails(heed_embedding_features(&e, 3, ptr, negative, NULL, indptr, indices, &x), HEED_RANGE,
            "sequence 2, place 0: token -3");
  static const int64_t falling[] = {0, 3, 2, 5}, late[] = {1, 3};
  fails(heed_embedding_features(&e, 3, falling, tokens, NULL, indptr, indices, &x), HEED_RANGE,
            "sequence 1 ends at 2");
  fails(heed_embedding_features(&e, 1, late, tokens, NULL, indptr, indices, &x), HEED_ARGUMENT,
            "begin at 1");
  e.tokens = INT32_MAX;
  fails(heed_embedding_features(&e, 3, ptr, tokens, NULL, indptr, indices, &x), HEED_RANGE,
            "2147483647 tokens");
}
END_TEST

/* The sum of embeddings and its gradient, against sums written out. */
START_TEST(test_embedding_layer) {
  enum { N = 6, WIDTH = 5 };
  static const int64_t ptr[] = {0, 4, 6};
  static const int32_t tokens[N] = {3, 3, 0, 1, 3, 2};
  heed_embedding e = {.tokens = 4, .positions = 4, .segments = 0};
  int64_t indptr[N + 1];
  int32_t indices[2 * N];
  heed_csr x;
  heed_model *m;
  ok(heed_model_new(&m, heed_embedding_columns(&e)));
  ok(heed_model_finish(m, heed_model_linear(m, "e", heed_model_features(m), WIDTH, false), 1));
  ok(heed_embedding_features(&e, 2, ptr, tokens, NULL, indptr, indices, &x));
  heed_model_inputs in = {.n_nodes = N, .sparse = &x};
  heed_pass *pass;
  heed_matrix y;
  ok(heed_pass_new(&pass, m, &in, true));
  ok(heed_pass_forward(pass, HEED_MODE_TRAIN, 0, 0, &y));
  const float *w = heed_model_parameters(m);
  float d[N * WIDTH];
  double gradient[8 * WIDTH] = {0};
  for (int i = 0; i < N; i++) {
    int position = i < 4 ? i : i - 4;
    for (int j = 0; j < WIDTH; j++) {
      d[i * WIDTH + j] = (float)(i + 1) * 0.25F + (float)j;
      gradient[tokens[i] * WIDTH + j] += (double)d[i * WIDTH + j];
      gradient[(4 + position) * WIDTH + j] += (double)d[i * WIDTH + j];
      ck_assert(y.data[i * WIDTH + j] == w[tokens[i] * WIDTH + j] + w[(4 + position) * WIDTH + j]);
    }
  }
  ok(heed_pass_backward(pass, d));
  for (int i = 0; i < 8 * WIDTH; i++) {
    ck_assert(fabs((double)heed_pass_gradients(pass)[i] - gradient[i]) < 1e-5);
  }
  heed_pass_free(pass);
  heed_model_free(m);
}
END_TEST

/* --- Decoding --- */

enum { TOKENS = 11, POSITIONS = 40, WIDTH = 12, SOURCE = 7, MOST = 4, LENGTH = 33 };
static const heed_embedding embedding = {.tokens = TOKENS, .positions = POSITIONS, .segments = 0};

typedef struct shape {
  const char *name;
  bool context, sparse, pre_norm, seeds, gatv2, positions; /* learned and rotary */
  int64_t window;
} shape;

static const shape shapes[] = {
    {"decoder alone", false, false, true, false, false, false, 0},
    {"encoder and decoder", true, true, false, false, false, false, 0},
    {"dense context", true, false, true, false, false, false, 0},
    {"seeds", true, true, true, true, false, false, 0},
    {"window", true, true, true, false, false, false, 5},
    {"gatv2", true, false, false, false, true, false, 0},
    {"positions", true, false, false, false, false, true, 0},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static heed_model *model_new(const shape *s) {
  heed_block_options options = {.heads = 3,
                                .scope = HEED_SCOPE_MASKED,
                                .score = s->gatv2 ? HEED_SCORE_GATV2 : HEED_SCORE_DOT,
                                .norm = HEED_NORM_LAYER,
                                .pre_norm = s->pre_norm,
                                .activation = HEED_ACTIVATION_GELU,
                                .expansion = 2,
                                .dropout = 0.1F,
                                .attention_dropout = 0.1F,
                                .rotary = s->positions ? 100 : 0};
  heed_block_options full = options;
  full.scope = HEED_SCOPE_FULL;
  heed_model *m;
  ok(heed_model_new(&m, heed_embedding_columns(&embedding)));
  heed_value x = heed_model_linear(m, "tokens", heed_model_features(m), WIDTH, false), seen = -1;
  x = heed_model_dropout(m, x, 0.1F);
  if (s->positions) x = heed_model_positions(m, "places", x, LENGTH);
  if (s->context) {
    seen = heed_model_linear(m, "source", heed_model_context(m, SOURCE), WIDTH, true);
    seen = heed_model_dropout(m, seen, 0.1F);
    seen = heed_model_block(m, "encoder", seen, &full);
    if (s->seeds) seen = heed_model_pool_attention(m, "pool", seen, 2, &options);
  }
  for (int i = 0; i < 2; i++) {
    const char *name = i == 0 ? "block0" : "block1";
    x = s->context ? heed_model_decoder_block(m, name, x, seen, &options)
                   : heed_model_block(m, name, x, &options);
  }
  x = heed_model_linear(m, "last", x, TOKENS, true);
  ok(heed_model_finish(m, x, 5));
  int64_t n = heed_model_parameter_count(m);
  float *moves = malloc((size_t)n * sizeof *moves);
  heed_random_uniform(4, 4, moves, n, -0.4F, 0.4F);
  for (int64_t i = 0; i < n; i++) heed_model_parameters(m)[i] += moves[i];
  free(moves);
  return m;
}

typedef struct batch {
  int64_t ptr[MOST + 1], context_ptr[MOST + 1];
  int32_t tokens[MOST * LENGTH];
  int64_t indptr[MOST * LENGTH + 1];
  int32_t indices[2 * MOST * LENGTH];
  heed_csr x;
  float source[64 * SOURCE];
  int64_t source_indptr[65];
  int32_t source_indices[64 * SOURCE];
  heed_matrix dense;
  heed_csr sparse;
  heed_decoder_context context;
} batch;

static batch *batch_new(const shape *s, const int64_t lengths[MOST], const int64_t contexts[MOST]) {
  batch *b = calloc(1, sizeof *b);
  for (int g = 0; g < MOST; g++) {
    b->ptr[g + 1] = b->ptr[g] + lengths[g];
    b->context_ptr[g + 1] = b->context_ptr[g] + contexts[g];
  }
  for (int64_t i = 0; i < b->ptr[MOST]; i++) b->tokens[i] = (int32_t)(i * i * 7 % TOKENS);
  ok(heed_embedding_features(&embedding, MOST, b->ptr, b->tokens, NULL, b->indptr, b->indices,
                               &b->x));
  int64_t m = b->context_ptr[MOST], n = 0;
  heed_random_uniform(9, 1, b->source, m * SOURCE, -1, 1);
  for (int64_t i = 0; i < m; i++) {
    for (int32_t j = 0; j < SOURCE; j++) b->source_indices[n++] = j;
    b->source_indptr[i + 1] = n;
  }
  b->dense = heed_matrix_view(b->source, m, SOURCE);
  b->sparse = (heed_csr){m, SOURCE, b->source_indptr, b->source_indices, b->source};
  b->context = (heed_decoder_context){.sequences = MOST,
                                      .ptr = b->context_ptr,
                                      .dense = s->sparse ? NULL : &b->dense,
                                      .sparse = s->sparse ? &b->sparse : NULL};
  return b;
}

static heed_decoder_capacity capacity_of(const shape *s) {
  return (heed_decoder_capacity){.sequences = MOST,
                                 .length = LENGTH,
                                 .window = s->window,
                                 .n_context = s->context ? 40 : 0,
                                 .n_context_values = s->context && s->sparse ? 40 * SOURCE : 0};
}

/* The mask that decoding stands for, as runs. */
static void causal(heed_mask *mask, const shape *s, const batch *b) {
  if (s->window == 0) {
    ok(heed_mask_causal_blocks(mask, MOST, b->ptr));
    return;
  }
  int32_t starts[MOST * LENGTH], counts[MOST * LENGTH];
  for (int g = 0; g < MOST; g++) {
    for (int64_t i = b->ptr[g]; i < b->ptr[g + 1]; i++) {
      int64_t from = i - s->window > b->ptr[g] ? i - s->window : b->ptr[g];
      starts[i] = (int32_t)from;
      counts[i] = (int32_t)(i + 1 - from);
    }
  }
  ok(heed_mask_runs(mask, b->ptr[MOST], b->ptr[MOST], starts, counts));
}

/* What the whole pass gives, bound once or, with its bits, reserved. */
static float *whole(const shape *s, heed_model *model, const batch *b, bool reserved) {
  heed_mask mask;
  causal(&mask, s, b);
  heed_model_inputs in = {.n_nodes = b->ptr[MOST],
                          .sparse = &b->x,
                          .mask = &mask,
                          .n_graphs = MOST,
                          .graph_ptr = b->ptr};
  if (s->context) {
    in.n_context = b->context_ptr[MOST];
    in.context = b->context.dense;
    in.context_sparse = b->context.sparse;
    in.context_ptr = b->context_ptr;
  }
  heed_model_capacity most = {.n_nodes = MOST * LENGTH,
                              .n_pairs = MOST * LENGTH * LENGTH,
                              .n_graphs = MOST,
                              .n_values = 2 * MOST * LENGTH,
                              .n_context = 40,
                              .n_context_values = s->context && s->sparse ? 40 * SOURCE : 0};
  heed_pass *pass;
  heed_matrix y;
  if (reserved) {
    ok(heed_pass_reserve(&pass, model, &most, false));
    ok(heed_pass_bind(pass, &in));
  } else {
    ok(heed_pass_new(&pass, model, &in, false));
  }
  ok(heed_pass_forward(pass, HEED_MODE_EVALUATE, 0, 0, &y));
  float *copy = malloc((size_t)(y.rows * TOKENS + 1) * sizeof *copy);
  memcpy(copy, y.data, (size_t)(y.rows * TOKENS) * sizeof *copy);
  heed_pass_free(pass);
  heed_mask_free(&mask);
  return copy;
}

static const int64_t lengths1[MOST] = {4, 33, 1, 20}, contexts1[MOST] = {5, 1, 12, 9};
static const int64_t lengths2[MOST] = {17, 2, 33, 3}, contexts2[MOST] = {0, 20, 3, 2};

/* All tokens of a batch through a decoder; each logit against the whole pass. Sequences begin together and end apart;
 * with `late` sequence 0 begins only at the third step. */
static void decode(const shape *s, heed_decoder *decoder, const batch *b, const float *expected,
                   const float *bits, bool late) {
  heed_matrix logits;
  ok(heed_decoder_begin(decoder, &b->context));
  for (int64_t t = 0; t < LENGTH + 2; t++) {
    int32_t tokens[MOST];
    int64_t at[MOST];
    for (int g = 0; g < MOST; g++) {
      at[g] = b->ptr[g] + t - (late && g == 0 ? 2 : 0);
      bool here = at[g] >= b->ptr[g] && at[g] < b->ptr[g + 1];
      tokens[g] = here ? b->tokens[at[g]] : -1;
    }
    ok(heed_decoder_step(decoder, tokens, &logits));
    ck_assert_int_eq(logits.rows, MOST);
    ck_assert_int_eq(logits.cols, TOKENS);
    for (int g = 0; g < MOST; g++) {
      for (int j = 0; j < TOKENS; j++) {
        float got = logits.data[g * logits.stride + j];
        if (tokens[g] < 0) {
          ck_assert(got == 0);
          continue;
        }
        double want = (double)expected[at[g] * TOKENS + j];
        ck_assert_msg(fabs((double)got - want) < 2e-5 * (1 + fabs(want)),
                      "%s, sequence %d, step %lld, logit %d: %.9g, not %.9g", s->name, g,
                      (long long)t, j, (double)got, want);
        if (strstr(heed_matrix_library(), "BLAS") != NULL) continue; /* promises no bits */
        ck_assert_msg(memcmp(&got, bits + at[g] * TOKENS + j, sizeof got) == 0,
                      "%s, sequence %d, step %lld, logit %d: %.9g, not the bits of %.9g", s->name,
                      g, (long long)t, j, (double)got, (double)bits[at[g] * TOKENS + j]);
      }
    }
  }
}

START_TEST(test_decoder) {
  const shape *s = shapes + _i;
  size_t held = heed_memory_held();
  heed_model *model = model_new(s);
  batch *one = batch_new(s, lengths1, contexts1), *two = batch_new(s, lengths2, contexts2);
  float *expected[2] = {whole(s, model, one, false), whole(s, model, two, false)};
  float *bits[2] = {whole(s, model, one, true), whole(s, model, two, true)};
  heed_decoder_capacity most = capacity_of(s);
  heed_decoder *decoder;
  ok(heed_decoder_new(&decoder, model, &embedding, &most));
  ck_assert_uint_gt(heed_decoder_bytes(decoder), MOST * LENGTH * WIDTH * 4 * sizeof(float));
  heed__alloc_fail_after(0);
  decode(s, decoder, one, expected[0], bits[0], false);
  decode(s, decoder, two, expected[1], bits[1], true);
  ok(heed_set_threads(3));
  decode(s, decoder, one, expected[0], bits[0], true);
  heed__alloc_fail_after(-1);
  heed_decoder_free(decoder);
  for (int i = 0; i < 2; i++) {
    free(expected[i]);
    free(bits[i]);
  }
  free(one);
  free(two);
  heed_model_free(model);
  ck_assert_uint_eq(heed_memory_held(), held);
}
END_TEST

/* Greedy decoding against the whole pass run again for every token. */
START_TEST(test_greedy) {
  enum { END = 3, START = 1 };
  const shape *s = shapes + 1;
  heed_model *model = model_new(s);
  batch *b = batch_new(s, lengths1, contexts1);
  heed_decoder_capacity most = capacity_of(s);
  heed_decoder *decoder;
  int32_t tokens[MOST * LENGTH];
  int64_t lengths[MOST], ended = 0;
  ok(heed_decoder_new(&decoder, model, &embedding, &most));
  fails(heed_decoder_greedy(decoder, START, END, tokens, lengths), HEED_ARGUMENT, "has begun");
  for (int round = 0; round < 2; round++) { /* the second finds nothing of the first */
    ok(heed_decoder_begin(decoder, &b->context));
    ok(heed_decoder_greedy(decoder, START, END, tokens, lengths));
  }
  for (int g = 0; g < MOST; g++) b->ptr[g + 1] = b->ptr[g] + (lengths[g] < LENGTH ? lengths[g] + 1 : LENGTH);
  for (int g = 0; g < MOST; g++) {
    b->tokens[b->ptr[g]] = START;
    for (int64_t t = 1; t < b->ptr[g + 1] - b->ptr[g]; t++) b->tokens[b->ptr[g] + t] = tokens[g * LENGTH + t - 1];
  }
  ok(heed_embedding_features(&embedding, MOST, b->ptr, b->tokens, NULL, b->indptr, b->indices, &b->x));
  float *logits = whole(s, model, b, true);
  for (int g = 0; g < MOST; g++) {
    for (int64_t t = 0; t < LENGTH; t++) {
      if (t > lengths[g]) {
        ck_assert_int_eq(tokens[g * LENGTH + t], -1);
        continue;
      }
      const float *row = logits + (b->ptr[g] + t) * TOKENS;
      int32_t best = 0;
      for (int32_t j = 1; j < TOKENS; j++) best = row[j] > row[best] ? j : best;
      ck_assert_int_eq(best, t < lengths[g] ? tokens[g * LENGTH + t] : END);
      ended += t == lengths[g];
    }
  }
  ck_assert_int_gt(ended, 0);
  /* A parameter that is not a number. */
  ok(heed_decoder_begin(decoder, &b->context));
  heed_model_parameters(model)[heed_model_parameter_count(model) - 2] = NAN;
  fails(heed_decoder_greedy(decoder, START, END, tokens, lengths), HEED_VALUE, "token 9 is not");
  free(logits);
  free(b);
  heed_decoder_free(decoder);
  heed_model_free(model);
}
END_TEST

START_TEST(test_decoder_errors) {
  const shape *s = shapes + 1;
  heed_model *model = model_new(s);
  heed_decoder_capacity most = capacity_of(s);
  heed_decoder *decoder;
  heed_embedding wrong = {.tokens = TOKENS, .positions = POSITIONS, .segments = 1};
  fails(heed_decoder_new(&decoder, model, &wrong, &most), HEED_SHAPE, "of 51 features");
  ck_assert_ptr_null(decoder);
  most.length = 41;
  fails(heed_decoder_new(&decoder, model, &embedding, &most), HEED_RANGE, "there are 40 positions");
  most.length = 0;
  fails(heed_decoder_new(&decoder, model, &embedding, &most), HEED_RANGE, "4 sequences of 0");
  most = capacity_of(s);
  most.sequences = INT64_MAX / 2;
  fails(heed_decoder_new(&decoder, model, &embedding, &most), HEED_RANGE, "in all");
  most = capacity_of(s);
  ok(heed_decoder_new(&decoder, model, &embedding, &most));
  batch *b = batch_new(s, lengths1, contexts1);
  heed_matrix logits;
  int32_t tokens[MOST] = {1, 1, 1, 1};
  fails(heed_decoder_step(decoder, tokens, &logits), HEED_ARGUMENT, "no batch has begun");
  heed_decoder_context context = b->context;
  context.sequences = 5;
  fails(heed_decoder_begin(decoder, &context), HEED_RANGE, "5 sequences, not between 1 and 4");
  context = b->context;
  context.sparse = NULL;
  context.dense = &b->dense;
  fails(heed_decoder_begin(decoder, &context), HEED_ARGUMENT, "reserved for sparse");
  context = b->context;
  context.ptr = NULL;
  fails(heed_decoder_begin(decoder, &context), HEED_ARGUMENT, "without ptr");
  ok(heed_decoder_begin(decoder, &b->context));
  tokens[2] = TOKENS;
  fails(heed_decoder_step(decoder, tokens, &logits), HEED_RANGE, "sequence 2: token 11");
  tokens[2] = 1;
  for (int t = 0; t < LENGTH; t++) ok(heed_decoder_step(decoder, tokens, &logits));
  fails(heed_decoder_step(decoder, tokens, &logits), HEED_RANGE, "sequence 0 has 33 tokens");
  heed_decoder_free(decoder);
  heed_decoder_free(NULL);
  free(b);
  heed_model_free(model);

  static const char *const words[] = {"its scope is full", "by pooling", "has its queries",
                                      "not one row a node", "the features of pairs"};
  for (int i = 0; i < 5; i++) {
    heed_model *m;
    ok(heed_model_new(&m, TOKENS + POSITIONS));
    if (i == 4) ok(heed_model_edges(m, 2));
    heed_value x = heed_model_linear(m, "x", heed_model_features(m), 4, true);
    heed_attention_spec spec = heed_attention_spec_default(2, 2);
    heed_block_options options = {.heads = 2, .edges = i == 4 ? HEED_EDGES_BIAS : HEED_EDGES_NONE};
    if (i == 0) x = heed_model_attention(m, "a", &spec, HEED_SCOPE_FULL, x, heed_model_linear(m, "k", x, 4, true), x);
    if (i == 1) {
      heed_value pooled = heed_model_pool_attention(m, "p", x, 2, &options);
      x = heed_model_attention(m, "a", &spec, HEED_SCOPE_FULL, x, pooled, pooled);
    }
    if (i == 2) x = heed_model_attention(m, "a", &spec, HEED_SCOPE_MASKED, x, x, x);
    if (i == 3) x = heed_model_pool(m, x, HEED_POOLING_MEAN);
    if (i == 4) x = heed_model_block(m, "b", x, &options);
    ok(heed_model_finish(m, x, 1));
    fails(heed_decoder_new(&decoder, m, &embedding, &most),
              i == 3 ? HEED_SHAPE : HEED_ARGUMENT, words[i]);
    ck_assert_ptr_null(decoder);
    heed_model_free(m);
  }
}
END_TEST

START_TEST(test_decoder_without_memory) {
  const shape *s = shapes + 1;
  heed_model *model = model_new(s);
  heed_decoder_capacity most = capacity_of(s);
  heed_decoder *decoder = NULL;
  size_t held = heed_memory_held();
  for (int64_t n = 0;; n++) {
    heed__alloc_fail_after(n);
    heed_status status = heed_decoder_new(&decoder, model, &embedding, &most);
    heed__alloc_fail_after(-1);
    if (status == HEED_OK) break;
    ck_assert_int_eq(status, HEED_NOMEM);
    ck_assert_ptr_null(decoder);
    ck_assert_uint_eq(heed_memory_held(), held);
  }
  heed_decoder_free(decoder);
  ck_assert_uint_eq(heed_memory_held(), held);
  heed_model_free(model);
}
END_TEST

/* --- BERT --- */

enum { HEADS = 4, HIDDEN = 16, N = 21, SEQUENCES = 4 };

static float *read_floats(const char *path, const char *name, int64_t n) {
  heed_safetensors *file;
  float *x = malloc((size_t)n * sizeof *x);
  ok(heed_safetensors_open(&file, path));
  ok(heed_safetensors_read(file, name, x, n));
  heed_safetensors_close(file);
  return x;
}

static void near(const char *what, const float *got, const float *expected, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    ck_assert_msg(fabs((double)got[i] - (double)expected[i]) < 1e-5, "%s: number %lld: %.9g, not %.9g",
                  what, (long long)i, (double)got[i], (double)expected[i]);
  }
}

/* What is read, where its tensors and what PyTorch made of them are, and what it must be. */
static const struct {
  const char *read, *path;
  int32_t asked, layers, heads;
  float epsilon;
  heed_activation activation;
} encoders[] = {
    {FIXTURES "bert", FIXTURES "bert/model.safetensors", 0, 2, HEADS, 1e-12F, HEED_ACTIVATION_GELU},
    {FIXTURES "bert-half.safetensors", FIXTURES "bert-half.safetensors", HEADS, 2, HEADS, 1e-12F,
     HEED_ACTIVATION_GELU},
    {FIXTURES "bert-relu", FIXTURES "bert-relu/model.safetensors", 0, 1, 2, 0.125F, HEED_ACTIVATION_RELU},
};
enum { ENCODERS = sizeof encoders / sizeof *encoders };

START_TEST(test_bert) {
  bool half = _i == 1;
  const char *path = encoders[_i].path;
  heed_bert *bert;
  ok(heed_bert_read(&bert, encoders[_i].read, encoders[_i].asked));
  heed_bert_sizes sizes = heed_bert_get_sizes(bert);
  ck_assert(sizes.embedding.tokens == 30 && sizes.embedding.positions == 12 &&
            sizes.embedding.segments == 2 && sizes.hidden == HIDDEN && sizes.feed_forward == 40 &&
            sizes.layers == encoders[_i].layers && sizes.heads == encoders[_i].heads &&
            sizes.pooler == !half && sizes.epsilon == encoders[_i].epsilon &&
            sizes.activation == encoders[_i].activation);
  ck_assert_int_eq(heed_model_feature_count(heed_bert_model(bert)), 44);
  float *ptr_numbers = read_floats(path, "ptr", SEQUENCES + 1), *ids = read_floats(path, "tokens", N);
  float *of_segments = read_floats(path, "segments", N), *x = read_floats(path, "x", N * HIDDEN);
  float *pooled = read_floats(path, "pooled", SEQUENCES * HIDDEN);
  float *unit = read_floats(path, "unit", SEQUENCES * HIDDEN), got[N * HIDDEN];
  int64_t ptr[SEQUENCES + 1];
  int32_t tokens[N], segments[N];
  for (int i = 0; i <= SEQUENCES; i++) ptr[i] = (int64_t)ptr_numbers[i];
  for (int i = 0; i < N; i++) {
    tokens[i] = (int32_t)ids[i];
    segments[i] = (int32_t)of_segments[i];
  }
  ok(heed_bert_encode(bert, SEQUENCES, ptr, tokens, segments, HEED_BERT_TOKENS, got));
  near("tokens", got, x, N * HIDDEN);
  float one[N * HIDDEN];
  for (int s = 0; s < SEQUENCES; s++) { /* alone, under a full mask: the dense kernel */
    int64_t own[2] = {0, ptr[s + 1] - ptr[s]};
    ok(heed_bert_encode(bert, 1, own, tokens + ptr[s], segments + ptr[s], HEED_BERT_TOKENS, one));
    near("a sequence alone", one, x + ptr[s] * HIDDEN, own[1] * HIDDEN);
  }
  ok(heed_set_threads(3));
  ok(heed_bert_encode(bert, SEQUENCES, ptr, tokens, segments, HEED_BERT_TOKENS, one));
  ck_assert_mem_eq(one, got, sizeof got);
  ok(heed_bert_encode(bert, SEQUENCES, ptr, tokens, segments, HEED_BERT_UNIT, got));
  near("unit", got, unit, SEQUENCES * HIDDEN);
  ok(heed_bert_encode(bert, SEQUENCES, ptr, tokens, segments, HEED_BERT_MEAN, got));
  for (int s = 0; s < SEQUENCES; s++) {
    for (int j = 0; j < HIDDEN; j++) {
      double sum = 0;
      for (int64_t i = ptr[s]; i < ptr[s + 1]; i++) sum += (double)x[i * HIDDEN + j];
      float mean = (float)(sum / (double)(ptr[s + 1] - ptr[s]));
      near("mean", got + s * HIDDEN + j, &mean, 1);
    }
  }
  if (half) {
    fails(heed_bert_encode(bert, SEQUENCES, ptr, tokens, segments, HEED_BERT_POOLED, got),
              HEED_ARGUMENT, "had no pooler");
  } else {
    ok(heed_bert_encode(bert, SEQUENCES, ptr, tokens, segments, HEED_BERT_POOLED, got));
    near("pooled", got, pooled, SEQUENCES * HIDDEN);
    int64_t with_empty[3] = {0, 0, 5};
    for (int o = HEED_BERT_POOLED; o <= HEED_BERT_UNIT; o++) {
      memset(got, 1, sizeof got);
      ok(heed_bert_encode(bert, 2, with_empty, tokens, segments, (heed_bert_output)o, got));
      for (int j = 0; j < HIDDEN; j++) ck_assert(got[j] == 0 && got[HIDDEN + j] != 0);
      if (o == HEED_BERT_POOLED) near("pooled", got + HIDDEN, pooled, HIDDEN);
      if (o == HEED_BERT_UNIT) near("unit", got + HIDDEN, unit, HIDDEN);
      with_empty[2] = 0;
      ok(heed_bert_encode(bert, 2, with_empty, NULL, NULL, (heed_bert_output)o, got));
      for (int j = 0; j < 2 * HIDDEN; j++) ck_assert(got[j] == 0);
      with_empty[2] = 5;
    }
  }
  tokens[3] = 30;
  fails(heed_bert_encode(bert, SEQUENCES, ptr, tokens, segments, HEED_BERT_UNIT, got), HEED_RANGE,
            "sequence 0, place 3: token 30");
  int64_t long_ptr[2] = {0, 13};
  fails(heed_bert_encode(bert, 1, long_ptr, tokens, segments, HEED_BERT_UNIT, got), HEED_RANGE,
            "there are 12 positions");
  fails(heed_bert_encode(bert, 1, ptr, tokens, segments, (heed_bert_output)4, got), HEED_ARGUMENT,
            "output 4");
  heed_bert_free(bert);
  free(ptr_numbers);
  free(ids);
  free(of_segments);
  free(x);
  free(pooled);
  free(unit);
}
END_TEST

/* Copies the fixture with one tensor changed: `change` of it. */
static void spoil(const char *path, const char *name, int change) {
  heed_safetensors *file;
  ok(heed_safetensors_open(&file, FIXTURES "bert/model.safetensors"));
  int n = heed_safetensors_count(file), kept = 0;
  bool second = false;
  heed_array *arrays = calloc((size_t)n + 1, sizeof *arrays);
  for (int i = 0; i < n; i++) {
    const heed_array *a = heed_safetensors_at(file, i);
    int64_t size = 1;
    for (int d = 0; d < a->n_dims; d++) size *= a->shape[d];
    float *x = malloc((size_t)size * sizeof *x);
    ok(heed_safetensors_read(file, a->name, x, size));
    arrays[kept] = *a;
    arrays[kept].data = x;
    if (strcmp(a->name, name) == 0) {
      if (change == 0) { /* left out */
        free(x);
        continue;
      }
      if (change == 1) arrays[kept].shape[0]--;
      if (change == 2) x[size / 2] = NAN;
      if (change == 3) { /* twice, under two prefixes */
        arrays[n] = arrays[kept];
        arrays[n].name = "other.embeddings.word_embeddings.weight";
        arrays[n].data = x;
        second = true;
      }
      if (change == 4) arrays[kept].n_dims = 1, arrays[kept].shape[0] = size;
      if (change == 5) arrays[kept].name = "a.b.embeddings.word_embeddings.weight";
    }
    kept++;
  }
  if (second) arrays[kept++] = arrays[n];
  ok(heed_safetensors_write(path, arrays, kept, NULL));
  for (int i = 0; i < kept - second; i++) free((void *)(uintptr_t)arrays[i].data);
  free(arrays);
  heed_safetensors_close(file);
}

START_TEST(test_hostile_files) {
  static const struct {
    const char *name;
    int change;
    heed_status status;
    const char *words;
  } cases[] = {
      {"embeddings.word_embeddings.weight", 0, HEED_FORMAT, "no tensor is called"},
      {"embeddings.word_embeddings.weight", 3, HEED_FORMAT, "two encoders"},
      {"embeddings.word_embeddings.weight", 4, HEED_FORMAT, "has 1 dimensions"},
      {"embeddings.word_embeddings.weight", 5, HEED_FORMAT, "no tensor a.b.embeddings.position"},
      {"embeddings.position_embeddings.weight", 4, HEED_FORMAT, "has 1 dimensions [192"},
      {"embeddings.position_embeddings.weight", 2, HEED_VALUE, "position_embeddings"},
      {"embeddings.token_type_embeddings.weight", 0, HEED_FORMAT, "token_type_embeddings"},
      {"embeddings.LayerNorm.weight", 1, HEED_FORMAT, "embeddings.LayerNorm.weight"},
      {"encoder.layer.0.intermediate.dense.weight", 0, HEED_FORMAT, "intermediate"},
      {"encoder.layer.0.intermediate.dense.weight", 1, HEED_FORMAT, "has 1 dimensions [40"},
      {"encoder.layer.1.output.dense.weight", 1, HEED_FORMAT, "layer.1.output.dense.weight has 2"},
      {"encoder.layer.1.attention.self.key.bias", 0, HEED_FORMAT, "self.key.bias"},
      {"encoder.layer.1.attention.self.key.bias", 2, HEED_VALUE, "self.key.bias"},
      {"pooler.dense.bias", 0, HEED_FORMAT, "pooler.dense.bias"},
      {"pooler.dense.weight", 1, HEED_FORMAT, "pooler.dense.weight has 2 dimensions [15, 16]"},
  };
  const char *path = target;
  heed_bert *bert;
  size_t held = heed_memory_held();
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    spoil(path, cases[i].name, cases[i].change);
    fails(heed_bert_read(&bert, path, HEADS), cases[i].status, cases[i].words);
    ck_assert_ptr_null(bert);
    ck_assert_uint_eq(heed_memory_held(), held);
  }
  const char *good = FIXTURES "bert/model.safetensors";
  fails(heed_bert_read(&bert, good, 3), HEED_SHAPE, "3 heads do not divide a width of 16");
  fails(heed_bert_read(&bert, good, -4), HEED_SHAPE, "-4 heads");
  fails(heed_bert_read(&bert, good, 0), HEED_ARGUMENT, "there is no config.json");
  fails(heed_bert_read(&bert, "/nowhere.safetensors", HEADS), HEED_IO, "nowhere");
  fails(heed_bert_read(&bert, "/nowhere", 0), HEED_IO, "/nowhere");
  fails(heed_bert_read(&bert, FIXTURES "README.md", HEADS), HEED_FORMAT, "README");
  heed_bert_free(NULL);
}
END_TEST

static void write_config(const char *path, const char *text) {
  FILE *file = fopen(path, "w");
  ck_assert_ptr_nonnull(file);
  ck_assert_int_ge(fputs(text, file), 0);
  ck_assert_int_eq(fclose(file), 0);
}

#define WITH(setting) "{\"num_attention_heads\": 4, " setting "}"

START_TEST(test_config) {
  static const struct {
    const char *text;
    heed_status status;
    const char *words;
  } cases[] = {
      {"", HEED_FORMAT, "config.json: the file of 0 bytes does not begin with {"},
      {"[4]", HEED_FORMAT, "does not begin with {"},
      {"{\"num_attention_heads\": 4", HEED_FORMAT, "config.json: byte 25 of the file"},
      {WITH("\"hidden_size\": 16, \"hidden_size\": 16"), HEED_FORMAT, "duplicate"},
      {WITH("\"deep\": [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"), HEED_FORMAT,
       "nested deeper than 32"},
      {"{}", HEED_ARGUMENT, "config.json: how many heads is not told: there is no num_attention_heads"},
      {"{\"num_attention_heads\": \"4\"}", HEED_FORMAT, "num_attention_heads is a text, not a whole number"},
      {"{\"num_attention_heads\": 4.0}", HEED_FORMAT, "is a fraction, not"},
      {"{\"num_attention_heads\": null}", HEED_FORMAT, "is null, not"},
      {"{\"num_attention_heads\": [4]}", HEED_FORMAT, "is an array, not"},
      {"{\"num_attention_heads\": {}}", HEED_FORMAT, "is an object, not"},
      {"{\"num_attention_heads\": true}", HEED_FORMAT, "is true or false, not"},
      {"{\"num_attention_heads\": 0}", HEED_RANGE, "num_attention_heads is 0, not between 1 and"},
      {"{\"num_attention_heads\": -4}", HEED_RANGE, "num_attention_heads is -4"},
      {"{\"num_attention_heads\": 4294967300}", HEED_RANGE, "is 4294967300"},
      {"{\"num_attention_heads\": 99999999999999999999}", HEED_FORMAT, "config.json: byte"},
      {"{\"num_attention_heads\": 3}", HEED_SHAPE, "3 heads do not divide a width of 16"},
      {WITH("\"layer_norm_eps\": 0"), HEED_RANGE, "layer_norm_eps is 0, not"},
      {WITH("\"layer_norm_eps\": -0.5"), HEED_RANGE, "layer_norm_eps is -0.5"},
      {WITH("\"layer_norm_eps\": 1e-60"), HEED_RANGE, "layer_norm_eps is 1e-60"},
      {WITH("\"layer_norm_eps\": 1e39"), HEED_RANGE, "layer_norm_eps is 1e+39"},
      {WITH("\"layer_norm_eps\": 1e999"), HEED_FORMAT, "config.json: byte"},
      {WITH("\"layer_norm_eps\": \"1e-12\""), HEED_FORMAT, "layer_norm_eps is a text, not a number"},
      {WITH("\"hidden_act\": \"gelu_new\""), HEED_UNSUPPORTED, "hidden_act is 'gelu_new'"},
      {WITH("\"hidden_act\": 4"), HEED_FORMAT, "hidden_act is a whole number, not a text"},
      {WITH("\"model_type\": \"roberta\""), HEED_UNSUPPORTED, "model_type is 'roberta'"},
      {WITH("\"position_embedding_type\": \"relative_key\""), HEED_UNSUPPORTED, "'relative_key'"},
      {WITH("\"is_decoder\": true"), HEED_UNSUPPORTED, "is_decoder"},
      {WITH("\"is_decoder\": 0"), HEED_FORMAT, "is_decoder is a whole number"},
      {WITH("\"vocab_size\": 31"), HEED_SHAPE, "vocab_size is 31, but"},
      {WITH("\"vocab_size\": 31"), HEED_SHAPE, "model.safetensors has 30"},
      {WITH("\"max_position_embeddings\": 512"), HEED_SHAPE, "max_position_embeddings is 512, but"},
      {WITH("\"type_vocab_size\": 1"), HEED_SHAPE, "type_vocab_size is 1, but"},
      {WITH("\"hidden_size\": 32"), HEED_SHAPE, "hidden_size is 32, but"},
      {WITH("\"intermediate_size\": 64"), HEED_SHAPE, "intermediate_size is 64, but"},
      {WITH("\"num_hidden_layers\": 1"), HEED_SHAPE, "num_hidden_layers is 1, but"},
      {WITH("\"num_hidden_layers\": 3"), HEED_SHAPE, "model.safetensors has 2"},
  };
  static const struct {
    const char *name;
    heed_activation is;
  } known[] = {{"gelu", HEED_ACTIVATION_GELU}, {"relu", HEED_ACTIVATION_RELU}, {"tanh", HEED_ACTIVATION_TANH},
               {"leaky_relu", HEED_ACTIVATION_LEAKY_RELU}};
  char config[160], tensors[160], text[128];
  heed_bert *bert;
  snprintf(config, sizeof config, "%s/config.json", folder);
  snprintf(tensors, sizeof tensors, "%s/model.safetensors", folder);
  fails(heed_bert_read(&bert, folder, HEADS), HEED_IO, "model.safetensors");
  ck_assert_int_eq(symlink(FIXTURES "bert/model.safetensors", tensors), 0);
  size_t held = heed_memory_held();
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    write_config(config, cases[i].text);
    fails(heed_bert_read(&bert, folder, 0), cases[i].status, cases[i].words);
    ck_assert_ptr_null(bert);
    ck_assert_uint_eq(heed_memory_held(), held);
  }
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    snprintf(text, sizeof text, " \n" WITH("\"hidden_act\": \"%s\", \"layer_norm_eps\": 1"), known[i].name);
    write_config(config, text);
    ok(heed_bert_read(&bert, folder, i == 0 ? HEADS : 0));
    ck_assert_int_eq(heed_bert_get_sizes(bert).activation, known[i].is);
    ck_assert(heed_bert_get_sizes(bert).epsilon == 1);
    heed_bert_free(bert);
  }
  fails(heed_bert_read(&bert, folder, 2), HEED_SHAPE, "num_attention_heads is 4, but 2 heads are asked for");
  write_config(config, "{}");
  ok(heed_bert_read(&bert, folder, HEADS));
  heed_bert_free(bert);
  unlink(config);
  fails(heed_bert_read(&bert, folder, 0), HEED_ARGUMENT, "there is no config.json");
  ok(heed_bert_read(&bert, folder, 2));
  ck_assert_int_eq(heed_bert_get_sizes(bert).heads, 2);
  heed_bert_free(bert);
  ck_assert_int_eq(mkdir(config, 0700), 0);
  fails(heed_bert_read(&bert, folder, HEADS), HEED_IO, "config.json: is no regular file");
  ck_assert_int_eq(rmdir(config), 0);
  unlink(tensors);
}
END_TEST

START_TEST(test_bert_without_memory) {
  heed_bert *bert = NULL;
  size_t held = heed_memory_held();
  for (int64_t n = 0;; n++) {
    heed__alloc_fail_after(n);
    heed_status status = heed_bert_read(&bert, FIXTURES "bert", 0);
    heed__alloc_fail_after(-1);
    if (status == HEED_OK) break;
    ck_assert_int_eq(status, HEED_NOMEM);
    ck_assert_ptr_null(bert);
    ck_assert_uint_eq(heed_memory_held(), held);
  }
  int64_t ptr[3] = {0, 3, 5};
  int32_t tokens[5] = {1, 2, 3, 4, 5};
  float into[2 * HIDDEN];
  size_t now = heed_memory_held();
  for (int64_t n = 0;; n++) {
    heed__alloc_fail_after(n);
    heed_status status = heed_bert_encode(bert, 2, ptr, tokens, NULL, HEED_BERT_POOLED, into);
    heed__alloc_fail_after(-1);
    ck_assert_uint_eq(heed_memory_held(), now);
    if (status == HEED_OK) break;
    ck_assert_int_eq(status, HEED_NOMEM);
  }
  heed_bert_free(bert);
}
END_TEST

/* --- Causal blocks --- */

START_TEST(test_causal_blocks) {
  static const int64_t ptr[] = {0, 3, 3, 4, 9}, falling[] = {0, 3, 2};
  heed_mask mask;
  ok(heed_mask_causal_blocks(&mask, 4, ptr));
  ok(heed_mask_check(&mask));
  ck_assert(mask.n_queries == 9 && mask.n_keys == 9 && mask.n_pairs == 6 + 1 + 15);
  for (int b = 0; b < 4; b++) {
    for (int64_t i = ptr[b]; i < ptr[b + 1]; i++) {
      ck_assert_int_eq(mask.starts[i], ptr[b]);
      ck_assert_int_eq(mask.indptr[i + 1] - mask.indptr[i], i + 1 - ptr[b]);
    }
  }
  heed_mask_free(&mask);
  fails(heed_mask_causal_blocks(&mask, 2, falling), HEED_RANGE, "block 1");
  fails(heed_mask_causal_blocks(&mask, -1, ptr), HEED_RANGE, "-1 blocks");
  fails(heed_mask_causal_blocks(&mask, 1, NULL), HEED_ARGUMENT, "without pointers");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("sequence");
  TCase *tests = tcase_create("sequence");
  tcase_set_timeout(tests, 120);
  tcase_add_checked_fixture(tests, make_folder, remove_folder);
  tcase_add_test(tests, test_embedding);
  tcase_add_test(tests, test_embedding_layer);
  tcase_add_loop_test(tests, test_decoder, 0, SHAPES);
  tcase_add_test(tests, test_greedy);
  tcase_add_test(tests, test_decoder_errors);
  tcase_add_test(tests, test_decoder_without_memory);
  tcase_add_loop_test(tests, test_bert, 0, ENCODERS);
  tcase_add_test(tests, test_hostile_files);
  tcase_add_test(tests, test_config);
  tcase_add_test(tests, test_bert_without_memory);
  tcase_add_test(tests, test_causal_blocks);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
