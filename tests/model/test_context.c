/* Two node sets: cross-attention and decoder blocks, forward and backward, bound once and again. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "expect.h"
#include "model/oracle.h"

enum { FEATURES = 6, OF_CONTEXT = 7, WIDTH = 6, OUTPUTS = 3, MOST = 40 };

/* --- Models --- */

static heed_block_options options_of(bool pre_norm) {
  return (heed_block_options){.heads = 2,
                              .scope = HEED_SCOPE_MASKED,
                              .score = HEED_SCORE_DOT,
                              .norm = HEED_NORM_LAYER,
                              .pre_norm = pre_norm,
                              .activation = HEED_ACTIVATION_GELU,
                              .expansion = 2,
                              .dropout = 0.2F,
                              .attention_dropout = 0.3F};
}

static heed_value first(heed_model *m) {
  heed_value x = heed_model_dropout(m, heed_model_features(m), 0.1F);
  return heed_model_linear(m, "first", x, WIDTH, true);
}

static heed_value of_context(heed_model *m) {
  heed_value x = heed_model_dropout(m, heed_model_context(m, OF_CONTEXT), 0.1F);
  return heed_model_linear(m, "context", x, WIDTH, true);
}

static heed_value one_block(heed_model *m, bool pre_norm) {
  heed_block_options options = options_of(pre_norm);
  heed_value x = heed_model_decoder_block(m, "block", first(m), of_context(m), &options);
  return heed_model_linear(m, "last", x, OUTPUTS, true);
}

static heed_value post_norm(heed_model *m) { return one_block(m, false); }
static heed_value pre_norm(heed_model *m) { return one_block(m, true); }

/* Two blocks that see what an encoder block made of the context. */
static heed_value whole(heed_model *m) {
  heed_block_options options = options_of(true), full = options;
  full.scope = HEED_SCOPE_FULL;
  heed_value seen = heed_model_block(m, "encoder", of_context(m), &full), x = first(m);
  x = heed_model_decoder_block(m, "block1", x, seen, &options);
  x = heed_model_decoder_block(m, "block2", x, seen, &options);
  return heed_model_linear(m, "last", x, OUTPUTS, true);
}

/* The context attends to the nodes, then under its own mask to itself, and is pooled. */
static heed_value other_way(heed_model *m) {
  heed_block_options options = options_of(false);
  options.scope = HEED_SCOPE_FULL;
  heed_value x = heed_model_decoder_block(m, "block", of_context(m), first(m), &options);
  options.scope = HEED_SCOPE_MASKED;
  x = heed_model_block(m, "own", x, &options);
  x = heed_model_pool(m, x, HEED_POOLING_MAX);
  return heed_model_linear(m, "last", x, OUTPUTS, true);
}

/* Nodes see seeds that have pooled the context; the context is also read densely. */
static heed_value by_seeds(heed_model *m) {
  heed_block_options options = options_of(false);
  heed_value raw = heed_model_context(m, OF_CONTEXT);
  heed_value seen = heed_model_linear(m, "context", heed_model_normalize(m, "raw", raw, HEED_NORM_LAYER),
                                      WIDTH, true);
  seen = heed_model_pool_attention(m, "pool", seen, 3, &options);
  heed_value x = heed_model_decoder_block(m, "block", first(m), seen, &options);
  return heed_model_linear(m, "last", heed_model_activate(m, x, HEED_ACTIVATION_TANH), OUTPUTS, true);
}

/* The queries alone come from nodes, and keys are not the values. */
static heed_value bare(heed_model *m) {
  heed_attention_spec spec = heed_attention_spec_default(3, 2);
  heed_value seen = of_context(m), value = heed_model_linear(m, "value", seen, WIDTH, false);
  spec.score = HEED_SCORE_GATV2;
  heed_value x = heed_model_attention(m, "cross", &spec, HEED_SCOPE_MASKED, first(m), seen, value);
  ok(heed_model_epsilon(m, 0.1F));
  x = heed_model_normalize(m, "norm", x, HEED_NORM_BATCH);
  return heed_model_linear(m, "last", x, OUTPUTS, true);
}

typedef struct shape {
  const char *name;
  heed_value (*build)(heed_model *);
  bool cross, own; /* masks */
  bool one;        /* graph */
} shape;

static const shape shapes[] = {
    {"post-norm", post_norm, false, false, false},
    {"pre-norm", pre_norm, true, false, false},
    {"one graph", pre_norm, false, false, true},
    {"one graph under a mask", post_norm, true, false, true},
    {"encoder and decoder", whole, false, false, false},
    {"encoder and decoder of one graph", whole, true, false, true},
    {"from the context to nodes", other_way, false, false, false},
    {"from the context, masked", other_way, false, true, false},
    {"seeds of the context", by_seeds, false, false, false},
    {"bare", bare, false, false, false},
    {"bare under a mask", bare, true, false, true},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static heed_model *model_new(const shape *s) {
  heed_model *model;
  ok(heed_model_new(&model, FEATURES));
  ok(heed_model_finish(model, s->build(model), 3));
  int64_t n = heed_model_parameter_count(model);
  float *moves = malloc((size_t)n * sizeof *moves);
  heed_random_uniform(3, 3, moves, n, -0.4F, 0.4F);
  for (int64_t i = 0; i < n; i++) heed_model_parameters(model)[i] += moves[i];
  free(moves);
  return model;
}

/* --- Inputs --- */

typedef struct table {
  int64_t indptr[MOST + 1];
  int32_t indices[MOST * MOST];
  float numbers[MOST * OF_CONTEXT], full[MOST * OF_CONTEXT];
  heed_matrix dense;
  heed_csr sparse;
} table;

/* About half of the numbers are there, and none of row 1. */
static void make_table(table *t, uint64_t seed, int64_t rows, int64_t cols) {
  float chance[MOST * OF_CONTEXT];
  int64_t n = 0;
  heed_random_uniform(seed, 1, chance, rows * cols, 0, 1);
  memset(t, 0, sizeof *t);
  for (int64_t i = 0; i < rows; i++) {
    for (int32_t j = 0; j < cols; j++) {
      float x = chance[i * cols + j];
      if (x < 0.5F || i == 1) continue;
      t->indices[n] = j;
      t->numbers[n++] = t->full[i * cols + j] = x * 3 - 2;
    }
    t->indptr[i + 1] = n;
  }
  t->dense = heed_matrix_view(t->full, rows, cols);
  t->sparse = (heed_csr){rows, cols, t->indptr, t->indices, t->numbers};
}

typedef struct batch {
  int64_t ptr[4], context_ptr[4];
  table nodes, context;
  heed_mask causal, cross, own;
  table cross_pairs, own_pairs;
  heed_model_inputs in;
} batch;

static void random_mask(heed_mask *mask, table *t, uint64_t seed, int64_t n, int64_t m) {
  float chance[MOST * MOST];
  int64_t pairs = 0;
  heed_random_uniform(seed, 2, chance, n * m, 0, 1);
  t->indptr[0] = 0;
  for (int64_t i = 0; i < n; i++) { /* row 2 sees nothing */
    for (int32_t j = 0; j < m; j++) {
      if (chance[i * m + j] < 0.4F && i != 2) t->indices[pairs++] = j;
    }
    t->indptr[i + 1] = pairs;
  }
  ok(heed_mask_view(mask, n, m, t->indptr, t->indices));
}

static batch *batch_new(const shape *s, uint64_t seed, bool sparse) {
  static const int64_t lengths[2][3] = {{4, 1, 6}, {2, 7, 0}}, contexts[2][3] = {{3, 5, 2}, {1, 0, 6}};
  batch *b = calloc(1, sizeof *b);
  for (int g = 0; g < 3; g++) {
    b->ptr[g + 1] = b->ptr[g] + lengths[seed % 2][g];
    b->context_ptr[g + 1] = b->context_ptr[g] + contexts[seed % 2][g];
  }
  int64_t n = b->ptr[3], m = b->context_ptr[3];
  make_table(&b->nodes, seed, n, FEATURES);
  make_table(&b->context, seed + 10, m, OF_CONTEXT);
  int64_t ends[2] = {0, n};
  ok(heed_mask_causal_blocks(&b->causal, s->one ? 1 : 3, s->one ? ends : b->ptr));
  random_mask(&b->cross, &b->cross_pairs, seed, n, m);
  random_mask(&b->own, &b->own_pairs, seed + 1, m, m);
  b->in = (heed_model_inputs){.n_nodes = n,
                              .dense = sparse ? NULL : &b->nodes.dense,
                              .sparse = sparse ? &b->nodes.sparse : NULL,
                              .mask = &b->causal,
                              .n_graphs = s->one ? 0 : 3,
                              .graph_ptr = s->one ? NULL : b->ptr,
                              .n_context = m,
                              .context = sparse ? NULL : &b->context.dense,
                              .context_sparse = sparse ? &b->context.sparse : NULL,
                              .context_ptr = s->one ? NULL : b->context_ptr,
                              .cross_mask = s->cross ? &b->cross : NULL,
                              .context_mask = s->own ? &b->own : NULL};
  return b;
}

static void batch_free(batch *b) {
  heed_mask_free(&b->causal);
  free(b);
}

/* --- Against the oracle --- */

static double largest_of(const double *x, int64_t n) {
  double largest = 0;
  for (int64_t i = 0; i < n; i++) largest = fmax(largest, fabs(x[i]));
  return largest;
}

static void near(const char *what, const float *got, const double *expected, int64_t n,
                 double bound) {
  for (int64_t i = 0; i < n; i++) {
    double error = fabs((double)got[i] - expected[i]);
    ck_assert_msg(error <= bound, "%s: number %lld of %lld: %.9g, not %.9g (bound %g)", what,
                  (long long)i, (long long)n, (double)got[i], expected[i], bound);
  }
}

static double weighted(const double *output, const float *weights, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += (double)weights[i] * output[i];
  return sum;
}

enum { SEED = 5, STEP = 9, SAMPLES = 12 };

/* The pass as it is bound, in both modes, and its gradients. */
static void against_oracle(const char *name, heed_pass *pass, heed_model *model,
                           const heed_model_inputs *in) {
  int64_t n_parameters = heed_model_parameter_count(model);
  double *parameters = malloc((size_t)n_parameters * sizeof *parameters);
  for (int64_t i = 0; i < n_parameters; i++) parameters[i] = (double)heed_model_parameters(model)[i];
  heed_matrix output;
  int64_t n = heed_pass_rows(pass) * OUTPUTS;
  char what[200];
  for (heed_mode mode = HEED_MODE_EVALUATE; mode <= HEED_MODE_TRAIN; mode++) {
    double *expected = oracle_forward(model, in, parameters, mode, SEED, STEP);
    ok(heed_pass_forward(pass, mode, SEED, STEP, &output));
    snprintf(what, sizeof what, "%s, mode %d", name, (int)mode);
    ck_assert_int_eq(output.rows * output.cols, n);
    near(what, output.data, expected, n, 2e-5 * largest_of(expected, n));
    free(expected);
  }
  float *d_output = malloc((size_t)n * sizeof *d_output);
  heed_random_uniform(5, 5, d_output, n, -1, 1);
  ok(heed_pass_backward(pass, d_output));
  const float *gradients = heed_pass_gradients(pass);
  double whole_largest = 0;
  for (int64_t i = 0; i < n_parameters; i++) whole_largest = fmax(whole_largest, fabs((double)gradients[i]));
  for (int t = 0; t < heed_model_tensors(model); t++) {
    heed_parameter is = heed_model_tensor(model, t);
    double expected[SAMPLES];
    float got[SAMPLES];
    int samples = is.size < SAMPLES ? (int)is.size : SAMPLES;
    if (!is.trained) continue;
    for (int s = 0; s < samples; s++) {
      int64_t i = is.offset + s * INT64_C(7919) % is.size;
      double value = parameters[i], sides[2], step = 1e-7;
      for (int side = 0; side < 2; side++) {
        parameters[i] = side == 0 ? value - step : value + step;
        double *moved = oracle_forward(model, in, parameters, HEED_MODE_TRAIN, SEED, STEP);
        sides[side] = weighted(moved, d_output, n);
        free(moved);
      }
      parameters[i] = value;
      expected[s] = (sides[1] - sides[0]) / (2 * step);
      got[s] = gradients[i];
    }
    snprintf(what, sizeof what, "%s, gradient of %s", name, is.name);
    near(what, got, expected, samples,
         5e-5 * fmax(largest_of(expected, samples), 0.01 * whole_largest));
  }
  free(d_output);
  free(parameters);
}

START_TEST(test_bound_once) {
  const shape *s = shapes + _i / 2;
  batch *b = batch_new(s, 1, _i % 2 == 1);
  heed_model *model = model_new(s);
  heed_pass *pass;
  ok(heed_pass_new(&pass, model, &b->in, true));
  against_oracle(s->name, pass, model, &b->in);
  heed_pass_free(pass);
  heed_model_free(model);
  batch_free(b);
}
END_TEST

static heed_model_capacity capacity_of(const shape *s, bool sparse) {
  heed_model_capacity most = {.n_nodes = 12, .n_pairs = 80, .n_graphs = 3, .n_context = 11};
  if (sparse) {
    most.n_values = 60;
    most.n_context_values = 70;
  }
  if (s->cross) most.n_cross_pairs = 90;
  if (s->own) most.n_context_pairs = 90;
  return most;
}

/* Other batches, then the first again with the same bits; no call allocates. */
START_TEST(test_bound_again) {
  const shape *s = shapes + _i / 2;
  bool sparse = _i % 2 == 1;
  heed_model *model = model_new(s);
  heed_model_capacity most = capacity_of(s, sparse);
  heed_pass *pass;
  ok(heed_pass_reserve(&pass, model, &most, true));
  float *before = NULL, *gradients = NULL;
  int64_t n_parameters = heed_model_parameter_count(model);
  for (int round = 0; round < 3; round++) {
    batch *b = batch_new(s, round == 1 ? 2 : 1, sparse);
    heed__alloc_fail_after(0);
    ok(heed_pass_bind(pass, &b->in));
    heed__alloc_fail_after(-1);
    against_oracle(s->name, pass, model, &b->in);
    heed_matrix output;
    int64_t n = heed_pass_rows(pass) * OUTPUTS;
    ok(heed_pass_forward(pass, HEED_MODE_EVALUATE, 0, 0, &output));
    if (round == 0) {
      before = malloc((size_t)n * sizeof *before);
      memcpy(before, output.data, (size_t)n * sizeof *before);
      gradients = malloc((size_t)n_parameters * sizeof *gradients);
      memcpy(gradients, heed_pass_gradients(pass), (size_t)n_parameters * sizeof *gradients);
    } else if (round == 2) {
      ck_assert(memcmp(before, output.data, (size_t)n * sizeof *before) == 0 ||
                strncmp(s->name, "bare", 4) == 0); /* whose batch norm has moved on */
      ck_assert(memcmp(gradients, heed_pass_gradients(pass),
                       (size_t)n_parameters * sizeof *gradients) == 0);
    }
    batch_free(b);
  }
  free(before);
  free(gradients);
  heed_pass_free(pass);
  heed_model_free(model);
}
END_TEST

/* A graph gives the bits it gives alone, whatever the number of threads. */
START_TEST(test_alone_and_threads) {
  const shape *s = shapes + 4;
  heed_model *model = model_new(s);
  heed_model_capacity most = capacity_of(s, true);
  heed_pass *pass;
  ok(heed_pass_reserve(&pass, model, &most, false));
  batch *b = batch_new(s, 1, true);
  heed_matrix output;
  float kept[12 * OUTPUTS];
  for (int threads = 1; threads <= 3; threads++) {
    ok(heed_set_threads(threads));
    ok(heed_pass_bind(pass, &b->in));
    ok(heed_pass_forward(pass, HEED_MODE_EVALUATE, 0, 0, &output));
    if (threads == 1) memcpy(kept, output.data, sizeof *kept * (size_t)(b->ptr[3] * OUTPUTS));
    ck_assert(memcmp(kept, output.data, sizeof *kept * (size_t)(b->ptr[3] * OUTPUTS)) == 0);
  }
  for (int g = 0; g < 3; g++) {
    int64_t n = b->ptr[g + 1] - b->ptr[g], m = b->context_ptr[g + 1] - b->context_ptr[g];
    int64_t ptr[2] = {0, n}, context_ptr[2] = {0, m};
    int64_t rows[12], of_context_rows[12];
    for (int64_t i = 0; i <= n; i++) rows[i] = b->nodes.indptr[b->ptr[g] + i] - b->nodes.indptr[b->ptr[g]];
    int64_t from = b->context.indptr[b->context_ptr[g]];
    for (int64_t i = 0; i <= m; i++) of_context_rows[i] = b->context.indptr[b->context_ptr[g] + i] - from;
    int64_t at = b->nodes.indptr[b->ptr[g]];
    heed_csr nodes = {n, FEATURES, rows, b->nodes.indices + at, b->nodes.numbers + at};
    heed_csr context = {m, OF_CONTEXT, of_context_rows, b->context.indices + from,
                        b->context.numbers + from};
    heed_mask causal;
    ok(heed_mask_causal_blocks(&causal, 1, ptr));
    heed_model_inputs in = {.n_nodes = n, .sparse = &nodes, .mask = &causal, .n_graphs = 1,
                            .graph_ptr = ptr, .n_context = m, .context_sparse = &context,
                            .context_ptr = context_ptr};
    ok(heed_pass_bind(pass, &in));
    ok(heed_pass_forward(pass, HEED_MODE_EVALUATE, 0, 0, &output));
    ck_assert_msg(memcmp(kept + b->ptr[g] * OUTPUTS, output.data,
                         (size_t)(n * OUTPUTS) * sizeof *kept) == 0 ||
                      strstr(heed_matrix_library(), "BLAS") != NULL, /* promises no bits */
                  "graph %d", g);
    heed_mask_free(&causal);
  }
  batch_free(b);
  heed_pass_free(pass);
  heed_model_free(model);
}
END_TEST

START_TEST(test_errors) {
  const shape *s = shapes;
  heed_model *model = model_new(s), *plain;
  batch *b = batch_new(s, 1, false);
  heed_model_inputs in = b->in;
  heed_pass *pass;
  in.context = NULL;
  fails(heed_pass_new(&pass, model, &in, true), HEED_ARGUMENT, "of the context must be");
  in = b->in;
  in.n_context--;
  fails(heed_pass_new(&pass, model, &in, true), HEED_SHAPE, "of the context [7, 7], but 6 nodes");
  in = b->in;
  in.context_ptr = NULL;
  fails(heed_pass_new(&pass, model, &in, true), HEED_ARGUMENT, "without context_ptr");
  int64_t wrong[4] = {0, 5, 3, 7};
  in.context_ptr = wrong;
  fails(heed_pass_new(&pass, model, &in, true), HEED_RANGE, "graph 1 of the context");
  in = b->in;
  in.cross_mask = &b->own;
  fails(heed_pass_new(&pass, model, &in, true), HEED_SHAPE, "a cross mask of 7 queries");
  in = b->in;
  in.context_mask = &b->cross;
  fails(heed_pass_new(&pass, model, &in, true), HEED_SHAPE, "a context mask of 9 queries");
  heed_model_capacity most = capacity_of(s, false);
  ok(heed_pass_reserve(&pass, model, &most, true));
  in = b->in;
  in.cross_mask = &b->cross;
  fails(heed_pass_bind(pass, &in), HEED_SHAPE, "cross mask");
  in = b->in;
  in.context = NULL;
  in.context_sparse = &b->context.sparse;
  fails(heed_pass_bind(pass, &in), HEED_ARGUMENT, "of the context are sparse, but it is reserved");
  heed_pass_free(pass);
  most.n_context = 6;
  ok(heed_pass_reserve(&pass, model, &most, true));
  fails(heed_pass_bind(pass, &b->in), HEED_SHAPE, "7 nodes of context, but it is reserved for 6");
  heed_pass_free(pass);
  most = capacity_of(s, true);
  most.n_context_values = 3;
  ok(heed_pass_reserve(&pass, model, &most, true));
  batch *sparse = batch_new(s, 1, true);
  fails(heed_pass_bind(pass, &sparse->in), HEED_SHAPE, "but it is reserved for 3");
  batch_free(sparse);
  heed_pass_free(pass);
  most.n_context = -1;
  fails(heed_pass_reserve(&pass, model, &most, true), HEED_RANGE, "-1 nodes of context");
  heed_model_free(model);

  ok(heed_model_new(&plain, FEATURES));
  ok(heed_model_finish(plain, first(plain), 1));
  in = b->in;
  fails(heed_pass_new(&pass, plain, &in, true), HEED_ARGUMENT, "for a model without one");
  fails(heed_model_epsilon(plain, 1e-3F), HEED_ARGUMENT, "finished");
  heed_model_free(plain);

  ok(heed_model_new(&plain, FEATURES));
  fails(heed_model_epsilon(plain, 0), HEED_RANGE, "epsilon 0");
  fails(heed_model_epsilon(plain, NAN), HEED_RANGE, "epsilon");
  (void)heed_model_context(plain, 0);
  fails(heed_model_finish(plain, 0, 1), HEED_RANGE, "a context of 0 features");
  heed_model_free(plain);

  ok(heed_model_new(&plain, FEATURES));
  heed_value x = heed_model_context(plain, 4);
  ck_assert_int_eq(heed_model_add(plain, x, heed_model_linear(plain, "l", 0, 4, false)), -1);
  fails(heed_model_finish(plain, 0, 1), HEED_SHAPE, "layer add");
  heed_model_free(plain);

  ok(heed_model_new(&plain, FEATURES));
  x = heed_model_context(plain, 6);
  heed_attention_spec spec = heed_attention_spec_default(2, 3);
  (void)heed_model_attention(plain, "a", &spec, HEED_SCOPE_MASKED, x, 0, 0);
  fails(heed_model_finish(plain, 0, 1), HEED_SHAPE, "which nodes the context sees");
  heed_model_free(plain);

  ok(heed_model_new(&plain, FEATURES));
  x = heed_model_context(plain, 6);
  (void)heed_model_context(plain, 6);
  fails(heed_model_finish(plain, 0, 1), HEED_ARGUMENT, "a context already");
  heed_model_free(plain);

  ok(heed_model_new(&plain, FEATURES));
  ok(heed_model_edges(plain, 2));
  x = heed_model_context(plain, 6);
  heed_block_options options = options_of(true);
  options.edges = HEED_EDGES_BIAS;
  (void)heed_model_block(plain, "b", x, &options);
  fails(heed_model_finish(plain, 0, 1), HEED_ARGUMENT, "with the context");
  heed_model_free(plain);
  batch_free(b);
}
END_TEST

START_TEST(test_no_memory) {
  const shape *s = shapes + 4;
  bool reserved = _i == 1;
  batch *b = batch_new(s, 1, true);
  heed_model *model = model_new(s);
  heed_model_capacity most = capacity_of(s, true);
  heed_pass *pass = NULL;
  size_t held = heed_memory_held();
  for (int64_t n = 0;; n++) {
    heed__alloc_fail_after(n);
    heed_status status = reserved ? heed_pass_reserve(&pass, model, &most, true)
                                  : heed_pass_new(&pass, model, &b->in, true);
    heed__alloc_fail_after(-1);
    if (status == HEED_OK) break;
    ck_assert_int_eq(status, HEED_NOMEM);
    ck_assert_ptr_null(pass);
    ck_assert_uint_eq(heed_memory_held(), held);
  }
  heed_pass_free(pass);
  heed_model_free(model);
  batch_free(b);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("context");
  TCase *tests = tcase_create("context");
  tcase_set_timeout(tests, 120);
  tcase_add_loop_test(tests, test_bound_once, 0, 2 * SHAPES);
  tcase_add_loop_test(tests, test_bound_again, 0, 2 * SHAPES);
  tcase_add_test(tests, test_alone_and_threads);
  tcase_add_test(tests, test_errors);
  tcase_add_loop_test(tests, test_no_memory, 0, 2);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
