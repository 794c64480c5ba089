#include <check.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "model/oracle.h"
#include "model/pass.h"

#define must(call)                                                                       \
  do {                                                                                   \
    heed_status must_status = (call);                                                    \
    ck_assert_msg(must_status == HEED_OK, "%s: %s: %s", #call,                           \
                  heed_status_name(must_status), heed_message());                        \
  } while (0)

#define must_fail(call, status, words)                                                   \
  do {                                                                                   \
    heed_status fail_status = (call);                                                    \
    ck_assert_msg(fail_status == (status), "%s: %s: %s", #call,                          \
                  heed_status_name(fail_status), heed_message());                        \
    ck_assert_msg(strstr(heed_message(), words) != NULL, "'%s' not in '%s'", words,      \
                  heed_message());                                                       \
  } while (0)

enum { NODES = 23, FEATURES = 9, GRAPHS = 4 };

/* --- Inputs --- */

static const int64_t graph_ptr[GRAPHS + 1] = {0, 8, 8, 9, NODES}; /* one graph is empty */

typedef struct inputs {
  heed_model_inputs dense, sparse;
  heed_matrix matrix;
  heed_csr csr;
  heed_mask mask;
  float x[NODES * FEATURES];
  int64_t indptr[NODES + 1];
  int32_t indices[NODES * FEATURES];
  float values[NODES * FEATURES];
  int64_t rows[NODES + 1];
  int32_t keys[NODES * NODES];
} inputs;

/* Some features are zero; node 5 sees nobody and has no features; pairs stay within graphs. */
static void make_inputs(inputs *in, bool graphs) {
  float chance[NODES * NODES];
  heed_random_uniform(1, 1, in->x, NODES * FEATURES, -1, 1);
  heed_random_uniform(1, 2, chance, NODES * NODES, 0, 1);
  int64_t n = 0, pairs = 0;
  in->indptr[0] = in->rows[0] = 0;
  for (int i = 0; i < NODES; i++) {
    for (int j = 0; j < FEATURES; j++) {
      float *x = in->x + i * FEATURES + j;
      if (*x < -0.2F || i == 5) {
        *x = 0;
        continue;
      }
      in->indices[n] = j;
      in->values[n++] = *x;
    }
    in->indptr[i + 1] = n;
    int group = (i >= 8) + (i >= 9);
    for (int j = 0; j < NODES; j++) {
      bool same = !graphs || group == (j >= 8) + (j >= 9);
      if (i == 5 || !same || chance[i * NODES + j] > 0.25F) continue;
      in->keys[pairs++] = j;
    }
    in->rows[i + 1] = pairs;
  }
  must(heed_mask_view(&in->mask, NODES, NODES, in->rows, in->keys));
  in->matrix = heed_matrix_view(in->x, NODES, FEATURES);
  in->csr = (heed_csr){NODES, FEATURES, in->indptr, in->indices, in->values};
  in->dense = (heed_model_inputs){.n_nodes = NODES, .dense = &in->matrix, .mask = &in->mask};
  if (graphs) {
    in->dense.n_graphs = GRAPHS;
    in->dense.graph_ptr = graph_ptr;
  }
  in->sparse = in->dense;
  in->sparse.dense = NULL;
  in->sparse.sparse = &in->csr;
}

/* --- Models --- */

static heed_value linear(heed_model *m) {
  return heed_model_linear(m, "l", heed_model_features(m), 5, true);
}

static heed_value linear_plain(heed_model *m) {
  heed_value x = heed_model_linear(m, "a", heed_model_features(m), 6, false);
  return heed_model_linear(m, "b", x, 4, true);
}

static heed_value mlp_dropout(heed_model *m) {
  heed_value x = heed_model_dropout(m, heed_model_features(m), 0.4F);
  x = heed_model_linear(m, "a", x, 8, true);
  x = heed_model_dropout(m, x, 0.3F);
  x = heed_model_bias(m, "shift", x);
  x = heed_model_activate(m, x, HEED_ACTIVATION_ELU);
  x = heed_model_dropout(m, x, 0.5F);
  return heed_model_linear(m, "b", x, 3, true);
}

static heed_value activations(heed_model *m) {
  heed_value x = linear(m);
  heed_value a = heed_model_activate(m, x, HEED_ACTIVATION_RELU);
  heed_value b = heed_model_activate(m, x, HEED_ACTIVATION_LEAKY_RELU);
  heed_value c = heed_model_activate(m, x, HEED_ACTIVATION_ELU);
  heed_value d = heed_model_activate(m, x, HEED_ACTIVATION_GELU);
  heed_value sum = heed_model_add(m, heed_model_add(m, a, b), heed_model_add(m, c, d));
  return heed_model_activate(m, sum, HEED_ACTIVATION_GELU);
}

/* Everything that shares buffers: a value read twice by one layer, by several, and the output's own
 * gradient handed on. */
static heed_value sharing(heed_model *m) {
  heed_value x = linear(m);
  heed_value y = heed_model_add(m, x, x);
  heed_value z = heed_model_dropout(m, y, 0.2F);
  heed_value w = heed_model_add(m, heed_model_add(m, z, y), heed_model_bias(m, "b", x));
  (void)heed_model_linear(m, "dead", w, 3, true);
  return heed_model_bias(m, "c", heed_model_add(m, w, heed_model_linear(m, "d", w, 5, false)));
}

static heed_value raw_features(heed_model *m) {
  heed_value x = heed_model_dropout(m, heed_model_features(m), 0.3F);
  x = heed_model_dropout(m, x, 0.2F);
  heed_value y = heed_model_normalize(m, "n", x, HEED_NORM_LAYER);
  return heed_model_add(m, heed_model_add(m, heed_model_features(m), y),
                        heed_model_linear(m, "l", x, FEATURES, true));
}

static heed_value layer_norms(heed_model *m) {
  heed_value x = linear(m);
  heed_value y = heed_model_normalize(m, "n", x, HEED_NORM_LAYER);
  y = heed_model_activate(m, y, HEED_ACTIVATION_GELU);
  return heed_model_normalize(m, "o", heed_model_add(m, x, y), HEED_NORM_LAYER);
}

static heed_value batch_norms(heed_model *m) {
  heed_value x = heed_model_normalize(m, "n", linear(m), HEED_NORM_BATCH);
  x = heed_model_activate(m, x, HEED_ACTIVATION_ELU);
  heed_value y = heed_model_normalize(m, "o", x, HEED_NORM_BATCH);
  return heed_model_linear(m, "out", heed_model_add(m, x, y), 3, true);
}

static heed_value gat_stack(heed_model *m, heed_score score, heed_scope scope, bool share,
                            float dropout) {
  heed_gat_options options = {.score = score, .heads = 3, .dim = 4, .scope = scope, .slope = 0.2F,
                              .attention_dropout = dropout, .value_dropout = dropout,
                              .share_weights = share, .bias = true};
  heed_value x = heed_model_dropout(m, heed_model_features(m), dropout);
  x = heed_model_gat(m, "conv1", x, &options);
  x = heed_model_activate(m, x, HEED_ACTIVATION_ELU);
  x = heed_model_dropout(m, x, dropout);
  options.heads = 2;
  options.dim = 3;
  options.merge = HEED_MERGE_MEAN;
  return heed_model_gat(m, "conv2", x, &options);
}

static heed_value gat(heed_model *m) {
  return gat_stack(m, HEED_SCORE_GAT, HEED_SCOPE_MASKED, false, 0);
}
static heed_value gat_dropout(heed_model *m) {
  return gat_stack(m, HEED_SCORE_GAT, HEED_SCOPE_MASKED, false, 0.4F);
}
static heed_value gat_full(heed_model *m) {
  return gat_stack(m, HEED_SCORE_GAT, HEED_SCOPE_FULL, false, 0.4F);
}
static heed_value gatv2(heed_model *m) {
  return gat_stack(m, HEED_SCORE_GATV2, HEED_SCOPE_MASKED, false, 0.4F);
}
static heed_value gatv2_shared(heed_model *m) {
  return gat_stack(m, HEED_SCORE_GATV2, HEED_SCOPE_MASKED, true, 0);
}

/* Attention whose inputs others read too, so that gradients are added apart. */
static heed_value attention_mixed(heed_model *m) {
  heed_attention_spec spec = heed_attention_spec_default(2, 3);
  heed_value x = heed_model_linear(m, "x", heed_model_features(m), 6, true);
  heed_value v = heed_model_linear(m, "v", x, 8, true);
  spec.score = HEED_SCORE_ADDITIVE;
  heed_value a = heed_model_attention(m, "additive", &spec, HEED_SCOPE_MASKED, x, x, x);
  spec.score = HEED_SCORE_DOT;
  spec.value_dim = 4;
  spec.dropout = 0.3F;
  heed_value b = heed_model_attention(m, "dot", &spec, HEED_SCOPE_FULL, a, x, v);
  heed_value c = heed_model_linear(m, "c", heed_model_add(m, b, v), 6, false);
  return heed_model_add(m, heed_model_add(m, x, a), c);
}

static heed_value conv_concat(heed_model *m) {
  return heed_model_transformer_conv(m, "t", heed_model_features(m), 2, 3, HEED_MERGE_CONCAT,
                                     HEED_SCOPE_MASKED, 0.2F);
}
static heed_value conv_mean(heed_model *m) {
  heed_value x = linear(m);
  return heed_model_transformer_conv(m, "t", x, 3, 2, HEED_MERGE_MEAN, HEED_SCOPE_MASKED, 0);
}

static heed_value blocks(heed_model *m, bool pre_norm, heed_norm norm, heed_score score) {
  heed_block_options options = {.heads = 2, .score = score, .norm = norm, .pre_norm = pre_norm,
                                .activation = HEED_ACTIVATION_GELU, .expansion = 1.5F,
                                .dropout = 0.2F, .attention_dropout = 0.2F};
  heed_value x = heed_model_linear(m, "in", heed_model_features(m), 6, true);
  x = heed_model_block(m, "b1", x, &options);
  options.scope = HEED_SCOPE_FULL;
  options.expansion = 0;
  return heed_model_block(m, "b2", x, &options);
}

static heed_value block_pre(heed_model *m) {
  return blocks(m, true, HEED_NORM_LAYER, HEED_SCORE_DOT);
}
static heed_value block_post(heed_model *m) {
  return blocks(m, false, HEED_NORM_LAYER, HEED_SCORE_DOT);
}
static heed_value block_batch(heed_model *m) {
  return blocks(m, true, HEED_NORM_BATCH, HEED_SCORE_GATV2);
}

static heed_value pooled(heed_model *m, heed_pooling pooling) {
  heed_value x = heed_model_pool(m, block_pre(m), pooling);
  return heed_model_linear(m, "last", heed_model_activate(m, x, HEED_ACTIVATION_ELU), 2, true);
}
static heed_value pool_mean(heed_model *m) { return pooled(m, HEED_POOLING_MEAN); }
static heed_value pool_sum(heed_model *m) { return pooled(m, HEED_POOLING_SUM); }
static heed_value pool_max(heed_model *m) { return pooled(m, HEED_POOLING_MAX); }

static const struct {
  const char *name;
  heed_value (*build)(heed_model *);
  bool graphs;
} models[] = {
    {"linear", linear, false},           {"linear without bias", linear_plain, false},
    {"mlp with dropout", mlp_dropout, false}, {"activations", activations, false},
    {"shared buffers", sharing, false},  {"raw features", raw_features, false},
    {"layer norm", layer_norms, false},  {"batch norm", batch_norms, false},
    {"gat", gat, false},                 {"gat with dropout", gat_dropout, false},
    {"full gat", gat_full, false},       {"gatv2", gatv2, false},
    {"gatv2, shared weights", gatv2_shared, false}, {"mixed attention", attention_mixed, false},
    {"transformer conv", conv_concat, false}, {"transformer conv, mean", conv_mean, false},
    {"pre-norm block", block_pre, false}, {"post-norm block", block_post, false},
    {"batch-norm gatv2 block", block_batch, false}, {"pre-norm block of graphs", block_pre, true},
    {"mean pool", pool_mean, true},      {"sum pool", pool_sum, true},
    {"max pool", pool_max, true},        {"mean pool of one graph", pool_mean, false},
};
enum { MODELS = sizeof models / sizeof *models };

/* Parameters away from where they start, so that biases and gains matter. */
static heed_model *model_new(int number) {
  heed_model *model;
  must(heed_model_new(&model, FEATURES));
  must(heed_model_finish(model, models[number].build(model), 7));
  int64_t n = heed_model_parameter_count(model);
  float *moves = malloc((size_t)n * sizeof *moves);
  heed_random_uniform(3, 3, moves, n, -0.4F, 0.4F);
  for (int64_t i = 0; i < n; i++) heed_model_parameters(model)[i] += moves[i];
  free(moves);
  for (int64_t i = 0; i < heed_model_state_count(model); i++) {
    heed_model_state(model)[i] += 0.05F * (float)(i % 7);
  }
  return model;
}

static double largest_of(const double *x, int64_t n) {
  double largest = 0;
  for (int64_t i = 0; i < n; i++) largest = fmax(largest, fabs(x[i]));
  return largest;
}

/* Errors against `largest`: where all cancels, as the gradient of a bias before a norm, nothing is left
 * of the numbers but their rounding. */
static void near(const char *what, const float *got, const double *expected, int64_t n,
                 double tolerance, double largest) {
  double worst = 0;
  int64_t at = 0;
  for (int64_t i = 0; i < n; i++) {
    double error = fabs((double)got[i] - expected[i]);
    if (!(error <= worst)) {
      worst = error;
      at = i;
    }
  }
  ck_assert_msg(worst <= tolerance * largest,
                "%s: number %lld of %lld: %.9g, not %.9g; largest %g", what, (long long)at,
                (long long)n, (double)got[at], expected[at], largest);
}

static void same_bits(const char *what, const float *a, const float *b, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    ck_assert_msg(memcmp(a + i, b + i, sizeof *a) == 0, "%s: number %lld: %.9g and %.9g", what,
                  (long long)i, (double)a[i], (double)b[i]);
  }
}

static double *doubles(const float *x, int64_t n) {
  double *y = malloc((size_t)(n + 1) * sizeof *y);
  for (int64_t i = 0; i < n; i++) y[i] = (double)x[i];
  return y;
}

static float *copy(const float *x, int64_t n) {
  float *y = malloc((size_t)(n + 1) * sizeof *y);
  if (n > 0) memcpy(y, x, (size_t)n * sizeof *y);
  return y;
}

static double weighted(const double *output, const float *weights, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += (double)weights[i] * output[i];
  return sum;
}

/* Rounding in single precision against the oracle: some hundred roundings of 6e-8, relative to the
 * largest number. */
static const double OUTPUT_TOLERANCE = 2e-5, GRADIENT_TOLERANCE = 5e-5;
enum { SEED = 11, STEP = 5 };

/* The same pass in each mode and its gradient, against the oracle. */
static void against_oracle(int number, bool sparse) {
  inputs in;
  make_inputs(&in, models[number].graphs);
  const heed_model_inputs *given = sparse ? &in.sparse : &in.dense;
  heed_model *model = model_new(number);
  heed_pass *pass;
  heed_matrix output;
  char what[128];
  must(heed_pass_new(&pass, model, given, true));
  int64_t n_parameters = heed_model_parameter_count(model);
  double *parameters = doubles(heed_model_parameters(model), n_parameters);
  float *state = copy(heed_model_state(model), heed_model_state_count(model));
  int64_t n = heed_pass_rows(pass) * heed_model_output_count(model);
  for (heed_mode mode = HEED_MODE_EVALUATE; mode <= HEED_MODE_TRAIN; mode++) {
    double *expected = oracle_forward(model, given, parameters, mode, SEED, STEP);
    must(heed_pass_forward(pass, mode, SEED, STEP, &output));
    ck_assert_int_eq(output.rows * output.cols, n);
    snprintf(what, sizeof what, "%s, %s, %s", models[number].name, sparse ? "sparse" : "dense",
             mode == HEED_MODE_TRAIN ? "training" : "evaluating");
    near(what, output.data, expected, n, OUTPUT_TOLERANCE, largest_of(expected, n));
    free(expected);
  }
  float *d_output = malloc((size_t)n * sizeof *d_output);
  heed_random_uniform(5, 5, d_output, n, -1, 1);
  float *kept = copy(d_output, n);
  must(heed_pass_backward(pass, d_output));
  same_bits("the caller's gradient", d_output, kept, n);
  double *gradient = malloc((size_t)n_parameters * sizeof *gradient);
  for (int64_t i = 0; i < n_parameters; i++) {
    double value = parameters[i], sides[2], step = 1e-8; /* kinks are further away */
    for (int side = 0; side < 2; side++) {
      parameters[i] = side == 0 ? value - step : value + step;
      double *moved = oracle_forward(model, given, parameters, HEED_MODE_TRAIN, SEED, STEP);
      sides[side] = weighted(moved, d_output, n);
      free(moved);
    }
    parameters[i] = value;
    gradient[i] = (sides[1] - sides[0]) / (2 * step);
  }
  for (int i = 0; i < heed_model_tensors(model); i++) {
    heed_parameter is = heed_model_tensor(model, i);
    if (!is.trained) continue;
    snprintf(what, sizeof what, "%s, %s, gradient of %s", models[number].name,
             sparse ? "sparse" : "dense", is.name);
    near(what, heed_pass_gradients(pass) + is.offset, gradient + is.offset, is.size,
         GRADIENT_TOLERANCE,
         fmax(largest_of(gradient + is.offset, is.size), 0.01 * largest_of(gradient, n_parameters)));
  }
  free(gradient);
  free(d_output);
  free(kept);
  free(state);
  free(parameters);
  heed_pass_free(pass);
  heed_model_free(model);
}

START_TEST(test_oracle_dense) { against_oracle(_i, false); }
END_TEST

START_TEST(test_oracle_sparse) { against_oracle(_i, true); }
END_TEST

/* Threads, repeats, passes for evaluation alone, forms of features: the same numbers; no memory moves. */
START_TEST(test_same) {
  inputs in;
  make_inputs(&in, models[_i].graphs);
  heed_model *model = model_new(_i);
  heed_pass *pass, *plain, *sparse;
  heed_matrix output;
  must(heed_pass_new(&pass, model, &in.dense, true));
  must(heed_pass_new(&plain, model, &in.dense, false));
  must(heed_pass_new(&sparse, model, &in.sparse, false));
  int64_t n = heed_pass_rows(pass) * heed_model_output_count(model);
  int64_t n_parameters = heed_model_parameter_count(model);
  int64_t n_state = heed_model_state_count(model);
  float *state = copy(heed_model_state(model), n_state);
  float *d_output = malloc((size_t)n * sizeof *d_output);
  heed_random_uniform(5, 5, d_output, n, -1, 1);
  size_t held = heed_memory_held();
  heed__alloc_fail_after(0);
  must(heed_pass_forward(pass, HEED_MODE_EVALUATE, 0, 0, &output));
  float *evaluated = copy(output.data, n), *trained = NULL, *gradient = NULL, *moved = NULL;
  must(heed_pass_forward(plain, HEED_MODE_EVALUATE, 0, 0, &output));
  same_bits("a pass for evaluation", output.data, evaluated, n);
  must(heed_pass_forward(sparse, HEED_MODE_EVALUATE, 0, 0, &output));
  double *as_doubles = doubles(evaluated, n);
  near("sparse features", output.data, as_doubles, n, 1e-6, largest_of(as_doubles, n));
  free(as_doubles);
  static const int threads[] = {1, 2, 7, 1};
  for (int t = 0; t < 4; t++) {
    must(heed_set_threads(threads[t]));
    if (n_state > 0) memcpy(heed_model_state(model), state, (size_t)n_state * sizeof *state);
    must(heed_pass_forward(plain, HEED_MODE_TRAIN, SEED, STEP, &output));
    float *alone = copy(output.data, n);
    if (n_state > 0) memcpy(heed_model_state(model), state, (size_t)n_state * sizeof *state);
    must(heed_pass_forward(pass, HEED_MODE_TRAIN, SEED, STEP, &output));
    same_bits("training in a pass for evaluation", alone, output.data, n);
    free(alone);
    if (t == 0) trained = copy(output.data, n);
    same_bits("forward", output.data, trained, n);
    must(heed_pass_backward(pass, d_output));
    if (t == 0) gradient = copy(heed_pass_gradients(pass), n_parameters);
    same_bits("backward", heed_pass_gradients(pass), gradient, n_parameters);
    if (t == 0) moved = copy(heed_model_state(model), n_state);
    same_bits("state", heed_model_state(model), moved, n_state);
    must_fail(heed_pass_backward(pass, d_output), HEED_ARGUMENT, "TRAIN");
    if (n_state > 0) memcpy(heed_model_state(model), state, (size_t)n_state * sizeof *state);
    must(heed_pass_forward(pass, HEED_MODE_EVALUATE, SEED, STEP, &output));
    same_bits("evaluation after training", output.data, evaluated, n);
  }
  must_fail(heed_pass_backward(plain, d_output), HEED_ARGUMENT, "not for training");
  heed__alloc_fail_after(-1);
  ck_assert_uint_eq(heed_memory_held(), held);
  free(evaluated);
  free(trained);
  free(gradient);
  free(moved);
  free(state);
  free(d_output);
  heed_pass_free(pass);
  heed_pass_free(plain);
  heed_pass_free(sparse);
  heed_model_free(model);
}
END_TEST

static void reset(void) {
  heed__alloc_fail_after(-1);
  must(heed_set_threads(0));
}

int main(void) {
  Suite *suite = suite_create("model");
  TCase *tests = tcase_create("model");
  tcase_add_checked_fixture(tests, NULL, reset);
  tcase_set_timeout(tests, 120);
  tcase_add_loop_test(tests, test_oracle_dense, 0, MODELS);
  tcase_add_loop_test(tests, test_oracle_sparse, 0, MODELS);
  tcase_add_loop_test(tests, test_same, 0, MODELS);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed > 0;
}
