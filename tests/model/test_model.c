#include <check.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "expect.h"
#include "model/oracle.h"
#include "model/pass.h"

enum { NODES = 23, FEATURES = 9, GRAPHS = 4, EDGE_FEATURES = 3 };

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
  float e[NODES * NODES * EDGE_FEATURES];
  heed_matrix edges;
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
  ok(heed_mask_view(&in->mask, NODES, NODES, in->rows, in->keys));
  in->matrix = heed_matrix_view(in->x, NODES, FEATURES);
  in->csr = (heed_csr){NODES, FEATURES, in->indptr, in->indices, in->values};
  in->dense = (heed_model_inputs){.n_nodes = NODES, .dense = &in->matrix, .mask = &in->mask};
  heed_random_uniform(1, 3, in->e, pairs * EDGE_FEATURES, -1, 1);
  in->edges = heed_matrix_view(in->e, pairs, EDGE_FEATURES);
  in->dense.edges = &in->edges;
  if (graphs) {
    in->dense.n_graphs = GRAPHS;
    in->dense.graph_ptr = graph_ptr;
  }
  in->sparse = in->dense;
  in->sparse.dense = NULL;
  in->sparse.sparse = &in->csr;
}

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
  heed_gat_options options = {.score = score,
                              .heads = 3,
                              .dim = 4,
                              .scope = scope,
                              .slope = 0.2F,
                              .attention_dropout = dropout,
                              .value_dropout = dropout,
                              .share_weights = share,
                              .bias = true};
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
                                     HEED_SCOPE_MASKED, 0.2F, HEED_EDGES_NONE);
}
static heed_value conv_mean(heed_model *m) {
  heed_value x = linear(m);
  return heed_model_transformer_conv(m, "t", x, 3, 2, HEED_MERGE_MEAN, HEED_SCOPE_MASKED, 0, HEED_EDGES_NONE);
}

static heed_value blocks(heed_model *m, bool pre_norm, heed_norm norm, heed_score score) {
  heed_block_options options = {.heads = 2,
                                .score = score,
                                .norm = norm,
                                .pre_norm = pre_norm,
                                .activation = HEED_ACTIVATION_GELU,
                                .expansion = 1.5F,
                                .dropout = 0.2F,
                                .attention_dropout = 0.2F};
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

static heed_value blocks_of(heed_model *m, heed_normalizer normalizer) {
  heed_block_options options = {.heads = 2,
                                .norm = HEED_NORM_LAYER,
                                .pre_norm = true,
                                .activation = HEED_ACTIVATION_GELU,
                                .dropout = 0.2F,
                                .normalizer = normalizer};
  heed_value x = heed_model_linear(m, "in", heed_model_features(m), 6, true);
  x = heed_model_block(m, "b1", x, &options);
  options.scope = HEED_SCOPE_FULL;
  return heed_model_block(m, "b2", x, &options);
}
static heed_value block_relu(heed_model *m) { return blocks_of(m, HEED_NORMALIZER_RELU); }
static heed_value block_sigmoid(heed_model *m) { return blocks_of(m, HEED_NORMALIZER_SIGMOID); }
static heed_value block_linear(heed_model *m) { return blocks_of(m, HEED_NORMALIZER_LINEAR); }

static heed_value pooled(heed_model *m, heed_pooling pooling) {
  heed_value x = heed_model_pool(m, block_pre(m), pooling);
  return heed_model_linear(m, "last", heed_model_activate(m, x, HEED_ACTIVATION_ELU), 2, true);
}
static heed_value pool_mean(heed_model *m) { return pooled(m, HEED_POOLING_MEAN); }
static heed_value pool_sum(heed_model *m) { return pooled(m, HEED_POOLING_SUM); }
static heed_value pool_max(heed_model *m) { return pooled(m, HEED_POOLING_MAX); }

static heed_value pooled_by_attention(heed_model *m, bool pre_norm, int32_t seeds, int after) {
  heed_block_options options = {.heads = 2,
                                .scope = HEED_SCOPE_FULL,
                                .norm = HEED_NORM_LAYER,
                                .pre_norm = pre_norm,
                                .activation = HEED_ACTIVATION_GELU,
                                .expansion = 1.5F,
                                .dropout = 0.2F,
                                .attention_dropout = 0.3F};
  heed_value x = heed_model_linear(m, "in", heed_model_features(m), 8, true);
  x = heed_model_pool_attention(m, "pool", x, seeds, &options);
  for (int i = 0; i < after; i++) x = heed_model_block(m, i == 0 ? "d0" : "d1", x, &options);
  x = heed_model_activate(m, heed_model_join_seeds(m, x), HEED_ACTIVATION_ELU);
  return heed_model_linear(m, "last", x, 2, true);
}
static heed_value pool_one_seed(heed_model *m) { return pooled_by_attention(m, true, 1, 0); }
static heed_value pool_seeds(heed_model *m) { return pooled_by_attention(m, false, 3, 0); }
static heed_value pool_decoder(heed_model *m) { return pooled_by_attention(m, true, 3, 2); }
/* Seeds that are the output themselves. */
static heed_value pool_only(heed_model *m) {
  heed_block_options options = {.heads = 3, .score = HEED_SCORE_ADDITIVE};
  return heed_model_pool_attention(m, "pool", heed_model_features(m), 2, &options);
}

static heed_value gat_of_edges(heed_model *m, heed_score score, heed_edge_use edges) {
  heed_gat_options options = {.score = score,
                              .heads = 2,
                              .dim = 3,
                              .merge = HEED_MERGE_CONCAT,
                              .slope = 0.2F,
                              .attention_dropout = 0.2F,
                              .value_dropout = score == HEED_SCORE_GAT ? 0.3F : 0,
                              .bias = true,
                              .edges = edges};
  ok(heed_model_edges(m, EDGE_FEATURES));
  heed_value x = heed_model_gat(m, "a", heed_model_features(m), &options);
  options.merge = HEED_MERGE_MEAN;
  return heed_model_gat(m, "b", heed_model_activate(m, x, HEED_ACTIVATION_ELU), &options);
}
static heed_value gat_add(heed_model *m) { return gat_of_edges(m, HEED_SCORE_GAT, HEED_EDGES_ADD); }
static heed_value gat_bias(heed_model *m) {
  return gat_of_edges(m, HEED_SCORE_GAT, HEED_EDGES_BIAS);
}
static heed_value gatv2_add(heed_model *m) {
  return gat_of_edges(m, HEED_SCORE_GATV2, HEED_EDGES_ADD);
}
static heed_value gatv2_bias(heed_model *m) {
  return gat_of_edges(m, HEED_SCORE_GATV2, HEED_EDGES_BIAS);
}
static heed_value conv_add(heed_model *m) {
  ok(heed_model_edges(m, EDGE_FEATURES));
  heed_value x = linear(m);
  return heed_model_transformer_conv(m, "t", x, 2, 3, HEED_MERGE_MEAN, HEED_SCOPE_MASKED, 0.2F,
                                     HEED_EDGES_ADD);
}
static heed_value conv_bias(heed_model *m) {
  ok(heed_model_edges(m, EDGE_FEATURES));
  heed_value x = linear(m);
  return heed_model_transformer_conv(m, "t", x, 2, 3, HEED_MERGE_CONCAT, HEED_SCOPE_MASKED, 0,
                                     HEED_EDGES_BIAS);
}

static const struct {
  const char *name;
  heed_value (*build)(heed_model *); /* NULL: the name is a spec's text */
  bool graphs;
} models[] = {
    {"linear", linear, false},
    {"linear without bias", linear_plain, false},
    {"mlp with dropout", mlp_dropout, false},
    {"activations", activations, false},
    {"shared buffers", sharing, false},
    {"raw features", raw_features, false},
    {"layer norm", layer_norms, false},
    {"batch norm", batch_norms, false},
    {"gat", gat, false},
    {"gat with dropout", gat_dropout, false},
    {"full gat", gat_full, false},
    {"gatv2", gatv2, false},
    {"gatv2, shared weights", gatv2_shared, false},
    {"mixed attention", attention_mixed, false},
    {"transformer conv", conv_concat, false},
    {"transformer conv, mean", conv_mean, false},
    {"pre-norm block", block_pre, false},
    {"post-norm block", block_post, false},
    {"batch-norm gatv2 block", block_batch, false},
    {"pre-norm block of graphs", block_pre, true},
    {"mean pool", pool_mean, true},
    {"sum pool", pool_sum, true},
    {"max pool", pool_max, true},
    {"mean pool of one graph", pool_mean, false},
    {"kind=gat features=9 outputs=3 hidden=6 heads=2 output-heads=2", NULL, false},
    {"kind=gat features=9 outputs=3 hidden=6 heads=3 layers=3 norm=layer", NULL, false},
    {"kind=gatv2 features=9 outputs=4 hidden=6 heads=2", NULL, false},
    {"kind=gat features=9 outputs=2 hidden=6 heads=2 residual=yes norm=layer activation=gelu", NULL,
     false},
    {"kind=gat features=9 outputs=2 hidden=4 heads=2 residual=yes norm=batch pre-norm=no "
     "expansion=0",
     NULL, false},
    {"kind=gatv2 features=9 outputs=2 hidden=4 heads=2 residual=yes expansion=1.5", NULL, false},
    {"kind=mlp features=9 outputs=3 hidden=5 layers=3", NULL, false},
    {"kind=mlp features=9 outputs=3 hidden=5 residual=yes norm=layer", NULL, false},
    {"kind=mlp features=9 outputs=3 hidden=5 residual=yes expansion=0", NULL, false},
    {"kind=transformer features=9 outputs=3 hidden=8 heads=2 blocks=MS attention-dropout=0.3", NULL,
     true},
    {"kind=transformer features=9 outputs=1 hidden=6 heads=3 blocks=SM pre-norm=no expansion=1",
     NULL, false},
    {"pooling by one seed", pool_one_seed, true},
    {"pooling by one seed, one graph", pool_one_seed, false},
    {"pooling by seeds", pool_seeds, true},
    {"pooling, then a decoder", pool_decoder, true},
    {"pooling, then a decoder, one graph", pool_decoder, false},
    {"pooling alone", pool_only, true},
    {"gat, edges added", gat_add, false},
    {"gat, edges a bias", gat_bias, false},
    {"gatv2, edges added", gatv2_add, true},
    {"gatv2, edges a bias", gatv2_bias, false},
    {"transformer conv, edges added", conv_add, false},
    {"transformer conv, edges a bias", conv_bias, true},
    {"kind=gat features=9 outputs=3 hidden=6 heads=2 pooling=mean edges=add edge-features=3", NULL,
     true},
    {"kind=gat features=9 outputs=2 hidden=6 heads=2 residual=yes norm=layer pooling=max edges=add "
     "edge-features=3",
     NULL, true},
    {"kind=gatv2 features=9 outputs=2 hidden=6 heads=2 residual=yes norm=layer pooling=sum "
     "edges=bias edge-features=3",
     NULL, true},
    {"kind=mlp features=9 outputs=3 hidden=5 layers=2 pooling=sum", NULL, true},
    {"kind=mlp features=9 outputs=3 hidden=5 residual=yes norm=layer pooling=mean", NULL, true},
    {"kind=transformer features=9 outputs=3 hidden=8 heads=2 blocks=MSPS seeds=3 edges=add "
     "edge-features=3 attention-dropout=0.3",
     NULL, true},
    {"kind=transformer features=9 outputs=2 hidden=6 heads=3 blocks=MP seeds=2 edges=bias "
     "edge-features=3 pre-norm=no",
     NULL, false},
    {"kind=transformer features=9 outputs=2 hidden=6 heads=3 blocks=SM pooling=mean", NULL, true},
    {"relu block", block_relu, false},
    {"sigmoid block", block_sigmoid, false},
    {"linear block", block_linear, false},
    {"linear block of graphs", block_linear, true},
};
enum { MODELS = sizeof models / sizeof *models };

/* Parameters away from where they start, so that biases and gains matter. */
static heed_model *model_new(int number) {
  heed_model *model;
  if (models[number].build != NULL) {
    ok(heed_model_new(&model, FEATURES));
    ok(heed_model_finish(model, models[number].build(model), 7));
  } else {
    heed_model_spec spec;
    ok(heed_model_spec_read(&spec, models[number].name));
    ok(heed_model_build(&model, &spec, 7));
  }
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

/* Errors against `largest`: where all cancels, as the gradient of a bias before a norm, nothing is
 * left of the numbers but their rounding. */
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
  ck_assert_msg(worst <= tolerance * largest, "%s: number %lld of %lld: %.9g, not %.9g; largest %g",
                what, (long long)at, (long long)n, (double)got[at], expected[at], largest);
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
enum { SEED = 11, STEP = 5, MOST_SAMPLES = 20 };

/* The same pass in each mode and its gradient, against the oracle. */
static void against_oracle(int number, bool sparse) {
  inputs in;
  make_inputs(&in, models[number].graphs);
  const heed_model_inputs *given = sparse ? &in.sparse : &in.dense;
  heed_model *model = model_new(number);
  heed_pass *pass;
  heed_matrix output;
  char what[256];
  ok(heed_pass_new(&pass, model, given, true));
  int64_t n_parameters = heed_model_parameter_count(model);
  double *parameters = doubles(heed_model_parameters(model), n_parameters);
  float *state = copy(heed_model_state(model), heed_model_state_count(model));
  int64_t n = heed_pass_rows(pass) * heed_model_output_count(model);
  for (heed_mode mode = HEED_MODE_EVALUATE; mode <= HEED_MODE_TRAIN; mode++) {
    double *expected = oracle_forward(model, given, parameters, mode, SEED, STEP);
    ok(heed_pass_forward(pass, mode, SEED, STEP, &output));
    ck_assert_int_eq(output.rows * output.cols, n);
    snprintf(what, sizeof what, "%s, %s, %s", models[number].name, sparse ? "sparse" : "dense",
             mode == HEED_MODE_TRAIN ? "training" : "evaluating");
    near(what, output.data, expected, n, OUTPUT_TOLERANCE, largest_of(expected, n));
    free(expected);
  }
  float *d_output = malloc((size_t)n * sizeof *d_output);
  heed_random_uniform(5, 5, d_output, n, -1, 1);
  float *kept = copy(d_output, n);
  ok(heed_pass_backward(pass, d_output));
  same_bits("the caller's gradient", d_output, kept, n);
  const float *gradients = heed_pass_gradients(pass);
  double *as_doubles = doubles(gradients, n_parameters);
  double whole = largest_of(as_doubles, n_parameters);
  for (int t = 0; t < heed_model_tensors(model); t++) {
    heed_parameter is = heed_model_tensor(model, t);
    if (!is.trained) continue;
    double expected[MOST_SAMPLES];
    float got[MOST_SAMPLES];
    int samples = is.size < MOST_SAMPLES ? (int)is.size : MOST_SAMPLES;
    for (int s = 0; s < samples; s++) { /* a prime apart: all columns and rows */
      int64_t i = is.offset + (is.size < MOST_SAMPLES ? s : s * INT64_C(7919) % is.size);
      double value = parameters[i], sides[2], step = 1e-8; /* kinks are further away */
      for (int side = 0; side < 2; side++) {
        parameters[i] = side == 0 ? value - step : value + step;
        double *moved = oracle_forward(model, given, parameters, HEED_MODE_TRAIN, SEED, STEP);
        sides[side] = weighted(moved, d_output, n);
        free(moved);
      }
      parameters[i] = value;
      expected[s] = (sides[1] - sides[0]) / (2 * step);
      got[s] = gradients[i];
    }
    snprintf(what, sizeof what, "%s, %s, gradient of %s", models[number].name,
             sparse ? "sparse" : "dense", is.name);
    near(what, got, expected, samples, GRADIENT_TOLERANCE,
         fmax(largest_of(expected, samples), 0.01 * whole));
  }
  free(as_doubles);
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

/* More rows than any loop takes in one block: forward, and the gradient along random directions. */
START_TEST(test_many_rows) {
  enum { ROWS = 700, DEGREE = 6 };
  static const int which[] = {2, 5, 7, 9, 11, 13, 16, 18, 27, 33};
  float *x = malloc(sizeof *x * ROWS * FEATURES), chance[DEGREE];
  heed_random_uniform(8, 1, x, ROWS * FEATURES, -1, 1);
  int64_t indptr[ROWS + 1] = {0};
  int32_t indices[ROWS * DEGREE];
  for (int i = 0; i < ROWS; i++) { /* one key out of each stretch */
    indptr[i + 1] = indptr[i] + DEGREE;
    heed_random_uniform(8, 2 + (uint64_t)i, chance, DEGREE, 0, ROWS / DEGREE);
    for (int k = 0; k < DEGREE; k++) {
      indices[indptr[i] + k] = (int32_t)(k * (ROWS / DEGREE)) + (int32_t)chance[k];
    }
  }
  heed_mask mask;
  ok(heed_mask_view(&mask, ROWS, ROWS, indptr, indices));
  heed_matrix features = heed_matrix_view(x, ROWS, FEATURES), output;
  heed_model_inputs in = {.n_nodes = ROWS, .dense = &features, .mask = &mask};
  heed_model *model = model_new(which[_i]);
  heed_pass *pass;
  ok(heed_pass_new(&pass, model, &in, true));
  int64_t n_parameters = heed_model_parameter_count(model);
  int64_t n = ROWS * heed_model_output_count(model);
  double *parameters = doubles(heed_model_parameters(model), n_parameters);
  double *expected = oracle_forward(model, &in, parameters, HEED_MODE_TRAIN, SEED, STEP);
  ok(heed_pass_forward(pass, HEED_MODE_TRAIN, SEED, STEP, &output));
  near(models[which[_i]].name, output.data, expected, n, OUTPUT_TOLERANCE, largest_of(expected, n));
  float *d_output = malloc((size_t)n * sizeof *d_output);
  heed_random_uniform(5, 5, d_output, n, -1, 1);
  ok(heed_pass_backward(pass, d_output));
  float *direction = malloc((size_t)n_parameters * sizeof *direction);
  for (uint64_t d = 0; d < 3; d++) {
    heed_random_uniform(6, d, direction, n_parameters, -1, 1);
    double along = 0, size = 0, sides[2], step = 1e-8;
    for (int64_t i = 0; i < n_parameters; i++) {
      double product = (double)direction[i] * (double)heed_pass_gradients(pass)[i];
      along += product;
      size += product * product;
    }
    for (int side = 0; side < 2; side++) {
      double sign = side == 0 ? -step : step;
      for (int64_t i = 0; i < n_parameters; i++) parameters[i] += sign * (double)direction[i];
      double *moved = oracle_forward(model, &in, parameters, HEED_MODE_TRAIN, SEED, STEP);
      sides[side] = weighted(moved, d_output, n);
      free(moved);
      for (int64_t i = 0; i < n_parameters; i++) parameters[i] -= sign * (double)direction[i];
    }
    double difference = (sides[1] - sides[0]) / (2 * step);
    ck_assert_msg(fabs(along - difference) <= 1e-4 * sqrt(size), "%s: %.9g, not %.9g; terms of %g",
                  models[which[_i]].name, along, difference, sqrt(size));
  }
  free(direction);
  free(d_output);
  free(expected);
  free(parameters);
  free(x);
  heed_pass_free(pass);
  heed_model_free(model);
}
END_TEST

/* Threads, repeats, passes for evaluation alone, forms of features: the same numbers; no memory
 * moves. */
START_TEST(test_same) {
  inputs in;
  make_inputs(&in, models[_i].graphs);
  heed_model *model = model_new(_i);
  heed_pass *pass, *plain, *sparse;
  heed_matrix output;
  ok(heed_pass_new(&pass, model, &in.dense, true));
  ok(heed_pass_new(&plain, model, &in.dense, false));
  ok(heed_pass_new(&sparse, model, &in.sparse, false));
  int64_t n = heed_pass_rows(pass) * heed_model_output_count(model);
  int64_t n_parameters = heed_model_parameter_count(model);
  int64_t n_state = heed_model_state_count(model);
  float *state = copy(heed_model_state(model), n_state);
  float *d_output = malloc((size_t)n * sizeof *d_output);
  heed_random_uniform(5, 5, d_output, n, -1, 1);
  size_t held = heed_memory_held();
  heed__alloc_fail_after(0);
  ok(heed_pass_forward(pass, HEED_MODE_EVALUATE, 0, 0, &output));
  float *evaluated = copy(output.data, n), *trained = NULL, *gradient = NULL, *moved = NULL;
  ok(heed_pass_forward(plain, HEED_MODE_EVALUATE, 0, 0, &output));
  same_bits("a pass for evaluation", output.data, evaluated, n);
  ok(heed_pass_forward(sparse, HEED_MODE_EVALUATE, 0, 0, &output));
  double *as_doubles = doubles(evaluated, n);
  near("sparse features", output.data, as_doubles, n, 4e-6, largest_of(as_doubles, n));
  free(as_doubles);
  static const int threads[] = {1, 2, 7, 1};
  for (int t = 0; t < 4; t++) {
    ok(heed_set_threads(threads[t]));
    if (n_state > 0) memcpy(heed_model_state(model), state, (size_t)n_state * sizeof *state);
    ok(heed_pass_forward(plain, HEED_MODE_TRAIN, SEED, STEP, &output));
    float *alone = copy(output.data, n);
    if (n_state > 0) memcpy(heed_model_state(model), state, (size_t)n_state * sizeof *state);
    ok(heed_pass_forward(pass, HEED_MODE_TRAIN, SEED, STEP, &output));
    same_bits("training in a pass for evaluation", alone, output.data, n);
    free(alone);
    if (t == 0) trained = copy(output.data, n);
    same_bits("forward", output.data, trained, n);
    ok(heed_pass_backward(pass, d_output));
    if (t == 0) gradient = copy(heed_pass_gradients(pass), n_parameters);
    same_bits("backward", heed_pass_gradients(pass), gradient, n_parameters);
    if (t == 0) moved = copy(heed_model_state(model), n_state);
    same_bits("state", heed_model_state(model), moved, n_state);
    fails(heed_pass_backward(pass, d_output), HEED_ARGUMENT, "TRAIN");
    if (n_state > 0) memcpy(heed_model_state(model), state, (size_t)n_state * sizeof *state);
    ok(heed_pass_forward(pass, HEED_MODE_EVALUATE, SEED, STEP, &output));
    same_bits("evaluation after training", output.data, evaluated, n);
  }
  fails(heed_pass_backward(plain, d_output), HEED_ARGUMENT, "not for training");
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

static heed_model *empty(void) {
  heed_model *model;
  ok(heed_model_new(&model, 6));
  return model;
}

#define refused(model, value, status, words)                  \
  do {                                                        \
    heed_value refused_value = (value);                       \
    ck_assert_int_eq(refused_value, -1);                      \
    fails(heed_model_finish(model, 0, 1), status, words); \
    heed_model_free(model);                                   \
    model = empty();                                          \
  } while (0)

START_TEST(test_build_errors) {
  heed_model *m;
  fails(heed_model_new(&m, 0), HEED_RANGE, "0 features");
  ck_assert_ptr_null(m);
  fails(heed_model_new(&m, (int64_t)INT32_MAX + 1), HEED_RANGE, "2147483648 features");
  m = empty();
  heed_attention_spec spec = heed_attention_spec_default(2, 3);
  refused(m, heed_model_linear(m, "a", 0, 0, true), HEED_RANGE, "a: width 0");
  refused(m, heed_model_linear(m, NULL, 0, 3, true), HEED_ARGUMENT, "name");
  refused(m, heed_model_linear(m, "", 0, 3, true), HEED_ARGUMENT, "name");
  refused(m, heed_model_linear(m, "a", 7, 3, true), HEED_ARGUMENT, "value 7 among 1");
  refused(m, heed_model_linear(m, "a", -3, 3, true), HEED_ARGUMENT, "value -3");
  char name[400];
  memset(name, 'n', sizeof name - 1);
  name[sizeof name - 1] = '\0';
  refused(m, heed_model_linear(m, name, 0, 3, true), HEED_ARGUMENT, "399 bytes");
  (void)heed_model_linear(m, "a", 0, 3, true);
  refused(m, heed_model_linear(m, "a", 0, 3, true), HEED_ARGUMENT, "a.weight is used twice");
  refused(m, heed_model_dropout(m, 0, 1), HEED_RANGE, "dropout 1");
  refused(m, heed_model_dropout(m, 0, NAN), HEED_RANGE, "dropout nan");
  refused(m, heed_model_activate(m, 0, (heed_activation)9), HEED_ARGUMENT, "activation 9");
  refused(m, heed_model_normalize(m, "n", 0, (heed_norm)9), HEED_ARGUMENT, "norm 9");
  refused(m, heed_model_add(m, 0, heed_model_linear(m, "a", 0, 3, true)), HEED_SHAPE, "width 3");
  refused(m, heed_model_add(m, 0, heed_model_pool(m, 0, HEED_POOLING_SUM)), HEED_SHAPE, "graphs");
  refused(m, heed_model_head_mean(m, 0, 4), HEED_SHAPE, "4 heads do not divide a width of 6");
  refused(m, heed_model_pool(m, heed_model_pool(m, 0, HEED_POOLING_SUM), HEED_POOLING_SUM),
          HEED_SHAPE, "pooled already");
  refused(m, heed_model_pool(m, 0, (heed_pooling)5), HEED_ARGUMENT, "pooling 5");
  heed_value narrow = heed_model_linear(m, "a", 0, 4, true);
  refused(m, heed_model_attention(m, "x", &spec, HEED_SCOPE_FULL, 0, narrow, 0), HEED_SHAPE,
          "x: keys of width 4, but 2 heads of 3");
  refused(m, heed_model_attention(m, "x", &spec, (heed_scope)2, 0, 0, 0), HEED_ARGUMENT, "scope 2");
  (void)heed_model_attention(m, "x", &spec, HEED_SCOPE_FULL, 0, 0, 0);
  refused(m, heed_model_attention(m, "x", &spec, HEED_SCOPE_FULL, 0, 0, 0), HEED_ARGUMENT, "twice");
  heed_value graphs = heed_model_pool(m, 0, HEED_POOLING_SUM);
  refused(m, heed_model_attention(m, "x", &spec, HEED_SCOPE_MASKED, graphs, 0, 0), HEED_SHAPE,
          "queries over graphs");
  spec.heads = 0;
  refused(m, heed_model_attention(m, "x", &spec, HEED_SCOPE_FULL, 0, 0, 0), HEED_RANGE, "0 heads");
  spec = heed_attention_spec_default(2, 3);
  spec.dropout = 1;
  refused(m, heed_model_attention(m, "x", &spec, HEED_SCOPE_FULL, 0, 0, 0), HEED_RANGE,
          "dropout 1");
  spec.dropout = 0;
  spec.slope = INFINITY;
  refused(m, heed_model_attention(m, "x", &spec, HEED_SCOPE_FULL, 0, 0, 0), HEED_VALUE,
          "slope inf");
  heed_gat_options gat_options = {.score = HEED_SCORE_DOT, .heads = 2, .dim = 2};
  refused(m, heed_model_gat(m, "g", 0, &gat_options), HEED_ARGUMENT, "score dot");
  gat_options.score = HEED_SCORE_GAT;
  gat_options.heads = 1 << 20;
  gat_options.dim = 1 << 20;
  refused(m, heed_model_gat(m, "g", 0, &gat_options), HEED_RANGE, "1048576 heads");
  gat_options.heads = 2;
  gat_options.merge = (heed_merge)3;
  refused(m, heed_model_gat(m, "g", 0, &gat_options), HEED_ARGUMENT, "merge 3");
  heed_block_options block = {.heads = 4};
  refused(m, heed_model_block(m, "b", 0, &block), HEED_SHAPE, "4 heads do not divide a width of 6");
  block.heads = 2;
  block.expansion = 0.01F;
  refused(m, heed_model_block(m, "b", 0, &block), HEED_RANGE, "expansion 0.01");
  block.expansion = -1;
  refused(m, heed_model_block(m, "b", 0, &block), HEED_RANGE, "expansion -1");
  heed_value wide = heed_model_linear(m, "a", 0, INT32_MAX, false);
  refused(m, heed_model_linear(m, "b", wide, INT32_MAX, false), HEED_OVERFLOW, "b.weight");

  /* The first failure counts, and calls after it are harmless. */
  heed_value bad = heed_model_linear(m, "first", 0, 0, true);
  bad = heed_model_activate(m, heed_model_add(m, bad, 0), HEED_ACTIVATION_ELU);
  fails(heed_model_finish(m, bad, 1), HEED_RANGE, "first");
  heed_model_free(m);
  m = empty();
  ok(heed_model_finish(m, heed_model_linear(m, "a", 0, 2, true), 1));
  ck_assert_int_eq(heed_model_linear(m, "b", 0, 2, true), -1);
  ck_assert_ptr_nonnull(strstr(heed_message(), "finished"));
  fails(heed_model_finish(m, 0, 1), HEED_ARGUMENT, "finished already");
  heed_model_free(m);
  heed_model_free(NULL);
}
END_TEST

START_TEST(test_pass_errors) {
  inputs in;
  make_inputs(&in, false);
  heed_pass *pass;
  heed_model *m;
  ok(heed_model_new(&m, FEATURES));
  fails(heed_pass_new(&pass, m, &in.dense, true), HEED_ARGUMENT, "not finished");
  heed_attention_spec spec = heed_attention_spec_default(3, 3);
  heed_value x = heed_model_attention(m, "who", &spec, HEED_SCOPE_MASKED, 0, 0, 0);
  ok(heed_model_finish(m, x, 1));
  heed_model_inputs bad = in.dense;
  bad.mask = NULL;
  fails(heed_pass_new(&pass, m, &bad, true), HEED_ARGUMENT, "layer who is masked");
  ck_assert_ptr_null(pass);
  bad = in.dense;
  bad.sparse = &in.csr;
  fails(heed_pass_new(&pass, m, &bad, true), HEED_ARGUMENT, "dense or sparse");
  bad.dense = NULL;
  bad.sparse = NULL;
  fails(heed_pass_new(&pass, m, &bad, true), HEED_ARGUMENT, "dense or sparse");
  bad = in.dense;
  bad.n_nodes = NODES + 1;
  fails(heed_pass_new(&pass, m, &bad, true), HEED_SHAPE, "24 nodes");
  bad.n_nodes = -1;
  fails(heed_pass_new(&pass, m, &bad, true), HEED_RANGE, "-1 nodes");
  bad = in.dense;
  heed_matrix narrow = heed_matrix_view(in.x, NODES, FEATURES - 1);
  bad.dense = &narrow;
  fails(heed_pass_new(&pass, m, &bad, true), HEED_SHAPE, "[23, 8]");
  bad = in.sparse;
  heed_csr csr = in.csr;
  int32_t indices[NODES * FEATURES];
  memcpy(indices, in.indices, sizeof indices);
  indices[1] = FEATURES;
  csr.indices = indices;
  bad.sparse = &csr;
  fails(heed_pass_new(&pass, m, &bad, true), HEED_RANGE, "column 9");
  bad = in.dense;
  heed_mask small;
  ok(heed_mask_view(&small, NODES - 1, NODES, in.rows, in.keys));
  bad.mask = &small;
  fails(heed_pass_new(&pass, m, &bad, true), HEED_SHAPE, "22 queries");
  bad = in.dense;
  bad.n_graphs = 2;
  fails(heed_pass_new(&pass, m, &bad, true), HEED_ARGUMENT, "without graph_ptr");
  static const int64_t falling[] = {0, 9, 8}, early[] = {0, 8, NODES - 1};
  bad.graph_ptr = early;
  fails(heed_pass_new(&pass, m, &bad, true), HEED_SHAPE, "0 to 22");
  bad.graph_ptr = falling;
  fails(heed_pass_new(&pass, m, &bad, true), HEED_RANGE, "graph 1 ends at node 8");
  heed_pass_free(NULL);
  heed_model_free(m);
}
END_TEST

/* Every allocation of building and binding may fail; nothing is lost then. */
START_TEST(test_memory) {
  inputs in;
  make_inputs(&in, models[_i].graphs);
  size_t before = heed_memory_held();
  heed_status status = HEED_NOMEM;
  heed_model *model = NULL;
  int steps = 0;
  for (long n = 0; status != HEED_OK; n++, steps++) {
    heed__alloc_fail_after(n);
    if (models[_i].build != NULL) {
      status = heed_model_new(&model, FEATURES);
      if (status == HEED_OK) {
        status = heed_model_finish(model, models[_i].build(model), 7);
        if (status != HEED_OK) heed_model_free(model);
      }
    } else {
      heed_model_spec spec;
      ok(heed_model_spec_read(&spec, models[_i].name));
      status = heed_model_build(&model, &spec, 7);
      ck_assert((status == HEED_OK) == (model != NULL));
    }
    ck_assert(status == HEED_OK || status == HEED_NOMEM);
    if (status != HEED_OK) ck_assert_uint_eq(heed_memory_held(), before);
  }
  ck_assert_int_gt(steps, 4);
  for (int form = 0; form < 4; form++) {
    size_t with_model = heed_memory_held();
    heed_pass *pass;
    status = HEED_NOMEM;
    for (long n = 0; status != HEED_OK; n++) {
      heed__alloc_fail_after(n);
      status = heed_pass_new(&pass, model, form % 2 == 0 ? &in.dense : &in.sparse, form < 2);
      ck_assert(status == HEED_OK || status == HEED_NOMEM);
      if (status == HEED_OK) break;
      ck_assert_ptr_null(pass);
      ck_assert_uint_eq(heed_memory_held(), with_model);
    }
    size_t bytes = heed_memory_held() - with_model;
    ck_assert_uint_eq(heed_pass_bytes(pass), bytes);
    heed_pass_free(pass);
    ck_assert_uint_eq(heed_memory_held(), with_model);
  }
  heed__alloc_fail_after(-1);
  heed_model_free(model);
  ck_assert_uint_eq(heed_memory_held(), before);
}
END_TEST

static void spec_read_fails(const char *text, const char *words) {
  heed_model_spec spec = heed_model_spec_default(HEED_MODEL_GATV2), kept = spec;
  fails(heed_model_spec_read(&spec, text), HEED_FORMAT, words);
  ck_assert(spec.kind == kept.kind && spec.hidden == kept.hidden);
}

START_TEST(test_spec_text) {
  char text[1024], again[1024];
  for (heed_model_kind kind = HEED_MODEL_MLP; kind <= HEED_MODEL_TRANSFORMER; kind++) {
    heed_model_spec spec = heed_model_spec_default(kind), read;
    spec.features = 1433;
    spec.outputs = INT64_C(70000000000);
    spec.dropout = 1.0F / 3;
    spec.slope = -1e-30F;
    spec.residual = true;
    spec.norm = HEED_NORM_BATCH;
    spec.kernel = HEED_KERNEL_DENSE;
    spec.normalizer = HEED_NORMALIZER_SIGMOID;
    if (kind == HEED_MODEL_TRANSFORMER) {
      memset(spec.blocks, 0, sizeof spec.blocks);
      memset(spec.blocks, 'S', HEED_MAX_BLOCKS);
      spec.layers = HEED_MAX_BLOCKS;
    }
    ok(heed_model_spec_write(&spec, text, sizeof text));
    ok(heed_model_spec_read(&read, text));
    ok(heed_model_spec_write(&read, again, sizeof again));
    ck_assert_str_eq(text, again);
    ck_assert(read.dropout == spec.dropout && read.slope == spec.slope);
    ck_assert(read.features == spec.features && read.outputs == spec.outputs);
    ck_assert(read.norm == spec.norm && read.kernel == spec.kernel && read.residual);
    ck_assert(read.normalizer == spec.normalizer);
    ck_assert_str_eq(read.blocks, spec.blocks);
    ck_assert_int_eq(read.layers, spec.layers);
    for (size_t size = 0; size <= strlen(text); size++) {
      char small[1024] = "untouched";
      fails(heed_model_spec_write(&spec, small, size), HEED_RANGE, "there is room for");
    }
    ok(heed_model_spec_write(&spec, again, strlen(text) + 1));
    ck_assert_str_eq(text, again);
  }
  heed_model_spec spec;
  ok(heed_model_spec_read(&spec, "  outputs=3   kind=transformer blocks=MSM "));
  ck_assert_int_eq(spec.layers, 3);
  ck_assert_int_eq((int)spec.outputs, 3);
  ck_assert(spec.norm == HEED_NORM_LAYER);
  spec_read_fails("", "no kind");
  spec_read_fails("hidden=3", "no kind");
  spec_read_fails("kind=gat kind=gat", "twice");
  spec_read_fails("kind=gat heads=3 heads=3", "'heads=3' comes twice");
  spec_read_fails("kind=tree", "'kind=tree'");
  spec_read_fails("kind", "no '='");
  spec_read_fails("kind=gat colour=3", "'colour=3' names no field");
  spec_read_fails("kind=gat heads=", "'heads='");
  spec_read_fails("kind=gat heads=3x", "'heads=3x'");
  spec_read_fails("kind=gat heads=99999999999", "99999999999");
  spec_read_fails("kind=gat features=99999999999999999999", "99999999999999999999");
  spec_read_fails("kind=gat dropout=nan", "dropout=nan");
  spec_read_fails("kind=gat dropout=1e99", "dropout=1e99");
  spec_read_fails("kind=gat dropout=0x1p2", "dropout=0x1p2");
  spec_read_fails("kind=gat residual=maybe", "residual=maybe");
  spec_read_fails("kind=transformer blocks=MXM", "blocks=MXM");
  spec_read_fails("kind=gat norm=group", "norm=group");
  spec_read_fails("kind=gat activation=swish", "activation=swish");
  spec_read_fails("kind=gat kernel=fast", "kernel=fast");
  memset(again, 'M', 900);
  memcpy(again, "kind=transformer blocks=", strlen("kind=transformer blocks="));
  again[900] = '\0';
  spec_read_fails(again, "bytes");
  memcpy(again + 24 + HEED_MAX_BLOCKS + 1, "", 1);
  spec_read_fails(again, "blocks=MMM");
  ok(heed_model_spec_read(&spec, "kind=transformer blocks=MSPS seeds=5 edges=add edge-features=7"));
  ck_assert_str_eq(spec.blocks, "MSPS");
  ck_assert(spec.seeds == 5 && spec.edges == HEED_EDGES_ADD && spec.edge_features == 7);
  ck_assert(spec.pooling == HEED_POOLING_NONE);
  ok(heed_model_spec_write(&spec, text, sizeof text));
  ck_assert_ptr_nonnull(strstr(text, "pooling=none seeds=5 edge-features=7 edges=add"));
  ok(heed_model_spec_read(&spec, "kind=mlp pooling=max"));
  ck_assert(spec.pooling == HEED_POOLING_MAX && spec.edges == HEED_EDGES_NONE && spec.seeds == 1);
  spec_read_fails("kind=mlp pooling=middle", "pooling=middle");
  spec_read_fails("kind=gat edges=both", "edges=both");
  ck_assert_str_eq(heed_pooling_name(HEED_POOLING_NONE), "none");
  ck_assert_str_eq(heed_pooling_name((heed_pooling)3), "?");
  ck_assert_str_eq(heed_edge_use_name(HEED_EDGES_BIAS), "bias");
  ck_assert_str_eq(heed_edge_use_name((heed_edge_use)4), "?");
  heed_pooling pooling;
  heed_edge_use use;
  fails(heed_pooling_from_name("all", &pooling), HEED_ARGUMENT, "mean, sum or max");
  fails(heed_edge_use_from_name("all", &use), HEED_ARGUMENT, "none, bias, add or quadratic");
  /* A program in a locale with decimal commas. */
  if (setlocale(LC_ALL, "de_DE.UTF-8") != NULL) {
    ok(heed_model_spec_read(&spec, "kind=gat dropout=0.25"));
    ck_assert(spec.dropout == 0.25F);
    ok(heed_model_spec_write(&spec, text, sizeof text));
    ck_assert_ptr_nonnull(strstr(text, "dropout=0.25"));
  }
}
END_TEST

static void build_fails(const heed_model_spec *spec, heed_status status, const char *words) {
  heed_model *model;
  fails(heed_model_build(&model, spec, 1), status, words);
  ck_assert_ptr_null(model);
}

START_TEST(test_spec_errors) {
  heed_model_spec good = heed_model_spec_default(HEED_MODEL_GAT), spec = good;
  build_fails(&spec, HEED_RANGE, "features 0");
  good.features = 4;
  spec = good;
  build_fails(&spec, HEED_RANGE, "outputs 0");
  good.outputs = 2;
#define TRY_FIELD(field, value, status, words) \
  spec = good;                                 \
  spec.field = value;                          \
  build_fails(&spec, status, words)
  TRY_FIELD(layers, 0, HEED_RANGE, "layers 0");
  TRY_FIELD(hidden, -1, HEED_RANGE, "hidden -1");
  TRY_FIELD(heads, 0, HEED_RANGE, "heads 0");
  TRY_FIELD(heads, 7, HEED_ARGUMENT, "heads 7 do not divide hidden 64");
  TRY_FIELD(output_heads, 0, HEED_RANGE, "output-heads 0");
  TRY_FIELD(dropout, 1, HEED_RANGE, "dropout 1");
  TRY_FIELD(attention_dropout, -0.5F, HEED_RANGE, "attention-dropout -0.5");
  TRY_FIELD(expansion, NAN, HEED_RANGE, "expansion nan");
  TRY_FIELD(slope, INFINITY, HEED_RANGE, "slope inf");
  TRY_FIELD(kind, (heed_model_kind)4, HEED_ARGUMENT, "kind 4");
  TRY_FIELD(norm, (heed_norm)3, HEED_ARGUMENT, "norm 3");
  TRY_FIELD(activation, (heed_activation)6, HEED_ARGUMENT, "activation 6");
  TRY_FIELD(kernel, (heed_kernel)4, HEED_ARGUMENT, "kernel 4");
  good.kind = HEED_MODEL_TRANSFORMER;
  memcpy(good.blocks, "MxS", 4);
  build_fails(&good, HEED_ARGUMENT, "block 2 is 0x78");
  good.blocks[0] = '\0';
  build_fails(&good, HEED_RANGE, "0 of them");
  memset(good.blocks, 'M', sizeof good.blocks);
  build_fails(&good, HEED_RANGE, "65 of them");
  heed_model_kind kind;
  heed_norm norm;
  fails(heed_model_kind_from_name("x", &kind), HEED_ARGUMENT, "transformer");
  fails(heed_norm_from_name("x", &norm), HEED_ARGUMENT, "batch");
  ck_assert_str_eq(heed_model_kind_name((heed_model_kind)17), "?");
  ck_assert_str_eq(heed_norm_name((heed_norm)17), "?");
}
END_TEST

/* Specs of whole graphs, and layers that cannot be. */
START_TEST(test_graph_errors) {
  static const struct {
    const char *text, *words;
    heed_status status;
  } bad[] = {
      {"blocks=MPP", "block 3 is P", HEED_ARGUMENT},
      {"blocks=MPM", "block 3 is M", HEED_ARGUMENT},
      {"blocks=MPS pooling=mean", "pooling mean", HEED_ARGUMENT},
      {"blocks=MPS seeds=0", "seeds 0", HEED_RANGE},
      {"edges=add", "edge-features is 0", HEED_ARGUMENT},
      {"edge-features=-1", "edge-features -1", HEED_RANGE},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    char text[200];
    heed_model_spec spec;
    snprintf(text, sizeof text, "kind=transformer features=9 outputs=2 %s", bad[i].text);
    ok(heed_model_spec_read(&spec, text));
    build_fails(&spec, bad[i].status, bad[i].words);
  }
  heed_model_spec spec = heed_model_spec_default(HEED_MODEL_MLP);
  spec.features = spec.outputs = 2;
  spec.pooling = (heed_pooling)7;
  build_fails(&spec, HEED_ARGUMENT, "pooling");
  spec.pooling = HEED_POOLING_NONE;
  spec.edges = (heed_edge_use)7;
  build_fails(&spec, HEED_ARGUMENT, "edges 7");

  heed_block_options block = {.heads = 3};
  heed_model *m = empty();
  fails(heed_model_edges(m, -1), HEED_RANGE, "-1 features");
  block.edges = HEED_EDGES_BIAS;
  refused(m, heed_model_block(m, "b", 0, &block), HEED_ARGUMENT, "heed_model_edges()");
  ok(heed_model_edges(m, 3));
  ck_assert_int_gt(heed_model_block(m, "b", 0, &block), 0);
  fails(heed_model_edges(m, 4), HEED_ARGUMENT, "layer b has taken");
  heed_value seeds = heed_model_pool_attention(m, "p", 0, 2, &block);
  refused(m, heed_model_block(m, "c", seeds, &block), HEED_SHAPE, "after pooling");
  refused(m, heed_model_pool_attention(m, "p", 0, 0, &block), HEED_RANGE, "0 seeds");
  seeds = heed_model_pool_attention(m, "p", 0, 2, &block);
  refused(m, heed_model_pool_attention(m, "q", seeds, 2, &block), HEED_SHAPE, "pooled already");
  seeds = heed_model_pool_attention(m, "p", 0, 2, &block);
  refused(m, heed_model_pool(m, seeds, HEED_POOLING_SUM), HEED_SHAPE, "pooled already");
  refused(m, heed_model_join_seeds(m, 0), HEED_SHAPE, "over nodes");
  seeds = heed_model_pool_attention(m, "p", 0, 2, &block);
  refused(m, heed_model_add(m, seeds, 0), HEED_SHAPE, "0: its nodes");
  heed_model_free(m);
}
END_TEST

/* Features of pairs that do not fit, and a mask of runs whose nodes are wanted. */
START_TEST(test_edge_inputs) {
  inputs in;
  make_inputs(&in, false);
  heed_model *model;
  ok(heed_model_new(&model, FEATURES));
  ok(heed_model_finish(model, conv_add(model), 1));
  fails(heed_model_edges(model, 3), HEED_ARGUMENT, "finished");
  heed_model_inputs bad = in.dense;
  heed_pass *pass;
  bad.edges = NULL;
  fails(heed_pass_new(&pass, model, &bad, true), HEED_ARGUMENT, "edges are not there");
  ck_assert_ptr_null(pass);
  heed_matrix edges = in.edges;
  bad.edges = &edges;
  edges.rows--;
  fails(heed_pass_new(&pass, model, &bad, true), HEED_SHAPE, "features a pair");
  edges = in.edges;
  edges.cols--;
  fails(heed_pass_new(&pass, model, &bad, true), HEED_SHAPE, "features a pair");
  edges = in.edges;
  edges.stride++;
  fails(heed_pass_new(&pass, model, &bad, true), HEED_SHAPE, "with stride 4");
  edges = in.edges;
  uint8_t wanted[NODES] = {1};
  bad.wanted = wanted;
  ok(heed_pass_new(&pass, model, &bad, true));
  heed_pass_free(pass);
  bad.wanted = NULL;
  heed_mask full;
  ok(heed_mask_full(&full, NODES, NODES));
  bad.mask = &full;
  fails(heed_pass_new(&pass, model, &bad, true), HEED_ARGUMENT, "full mask");
  heed_model_free(model);

  /* The same window as runs and as pairs, all nodes and wanted ones. */
  ok(heed_model_new(&model, FEATURES));
  ok(heed_model_finish(model, gatv2(model), 1));
  heed_mask runs, listed;
  ok(heed_mask_window(&runs, NODES, 2, 1));
  ok(heed_mask_explicit(&listed, &runs));
  for (int with = 0; with < 2; with++) {
    heed_matrix output;
    float *first = NULL;
    for (int form = 0; form < 2; form++) {
      bad = in.dense;
      bad.mask = form == 0 ? &listed : &runs;
      bad.wanted = with == 1 ? wanted : NULL;
      ok(heed_pass_new(&pass, model, &bad, true));
      ok(heed_pass_forward(pass, HEED_MODE_TRAIN, 1, 1, &output));
      int64_t n = output.rows * output.cols, all = n + heed_model_parameter_count(model);
      float *got = malloc((size_t)all * sizeof *got);
      memcpy(got, output.data, (size_t)n * sizeof *got);
      float *d_output = malloc((size_t)n * sizeof *d_output);
      heed_random_uniform(4, 4, d_output, n, -1, 1);
      ok(heed_pass_backward(pass, d_output));
      memcpy(got + n, heed_pass_gradients(pass), (size_t)(all - n) * sizeof *got);
      if (form == 0) {
        first = got;
      } else {
        double *expected = doubles(first, all);
        near("runs", got, expected, all, 1e-5, largest_of(expected, all));
        free(expected);
        free(first);
        free(got);
      }
      free(d_output);
      heed_pass_free(pass);
    }
  }
  heed_mask_free(&runs);
  heed_mask_free(&listed);
  heed_model_free(model);
}
END_TEST

static heed_parameter named(const heed_model *model, const char *name) {
  heed_parameter is = {0};
  for (int i = 0; i < heed_model_tensors(model); i++) {
    is = heed_model_tensor(model, i);
    if (strcmp(is.name, name) == 0) return is;
  }
  ck_abort_msg("no parameter %s", name);
  return is;
}

static void shaped(const heed_model *model, const char *name, int n_dims, int64_t a, int64_t b,
                   int64_t c, bool decays) {
  heed_parameter is = named(model, name);
  ck_assert_msg(is.n_dims == n_dims && is.shape[0] == a && (n_dims < 2 || is.shape[1] == b) &&
                    (n_dims < 3 || is.shape[2] == c) && is.decays == decays && is.trained,
                "%s: %d dimensions, [%lld, %lld, %lld]", name, is.n_dims, (long long)is.shape[0],
                (long long)is.shape[1], (long long)is.shape[2]);
}

START_TEST(test_parameters) {
  heed_model_spec spec;
  heed_model *model, *other;
  ok(heed_model_spec_read(&spec, "kind=gat features=1433 outputs=7"));
  ok(heed_model_build(&model, &spec, 1));
  ck_assert_int_eq(heed_model_tensors(model), 8);
  shaped(model, "conv1.lin.weight", 2, 64, 1433, 0, true);
  shaped(model, "conv1.att_src", 3, 1, 8, 8, true);
  shaped(model, "conv1.att_dst", 3, 1, 8, 8, true);
  shaped(model, "conv1.bias", 1, 64, 0, 0, false);
  shaped(model, "conv2.lin.weight", 2, 7, 64, 0, true);
  shaped(model, "conv2.att_src", 3, 1, 1, 7, true);
  shaped(model, "conv2.bias", 1, 7, 0, 0, false);
  ck_assert_int_eq((int)heed_model_parameter_count(model), 1433 * 64 + 3 * 64 + 64 * 7 + 3 * 7);
  ck_assert_int_eq((int)heed_model_state_count(model), 0);
  ck_assert_ptr_null(heed_model_state(model));
  ck_assert_int_eq((int)heed_model_feature_count(model), 1433);
  ck_assert_int_eq((int)heed_model_output_count(model), 7);
  ck_assert_int_eq((int)heed_model_get_spec(model)->hidden, 64);
  ck_assert_ptr_null(heed_model_tensor(model, 8).name);
  ck_assert_ptr_null(heed_model_tensor(model, -1).name);

  /* Glorot: uniform in a known range, its ends reached; a stream of its own for each; by the seed.
   */
  heed_parameter weight = named(model, "conv1.lin.weight");
  double limit = sqrt(6.0 / (64 + 1433)), low = 0, high = 0, sum = 0;
  for (int64_t i = 0; i < weight.size; i++) {
    low = fmin(low, (double)weight.data[i]);
    high = fmax(high, (double)weight.data[i]);
    sum += (double)weight.data[i];
  }
  ck_assert(low >= -limit * (1 + 1e-6) && low < -0.999 * limit);
  ck_assert(high <= limit * (1 + 1e-6) && high > 0.999 * limit);
  ck_assert(fabs(sum) < 5 * limit / sqrt(3) * sqrt((double)weight.size));
  float source[64];
  memcpy(source, named(model, "conv1.att_src").data, sizeof source);
  ck_assert(memcmp(source, named(model, "conv1.att_dst").data, sizeof source) != 0);
  for (int i = 0; i < 64; i++) {
    ck_assert(fabs((double)source[i]) <= sqrt(6.0 / 16) * (1 + 1e-6));
    ck_assert(named(model, "conv1.bias").data[i] == 0);
  }
  ok(heed_model_build(&other, &spec, 1));
  same_bits("the same seed", heed_model_parameters(model), heed_model_parameters(other),
            heed_model_parameter_count(model));
  heed_model_free(other);
  ok(heed_model_build(&other, &spec, 2));
  ck_assert(memcmp(heed_model_parameters(model), heed_model_parameters(other), 4096) != 0);
  heed_model_free(other);

  /* Out in PyTorch's order and in again. */
  float *data = malloc((size_t)weight.size * sizeof *data);
  float *kept = copy(weight.data, weight.size);
  heed_parameter_export(&weight, data);
  ck_assert(weight.transposed);
  ck_assert(data[1433 * 3 + 17] == weight.data[17 * 64 + 3]);
  memset(weight.data, 0, (size_t)weight.size * sizeof *data);
  heed_parameter_import(&weight, data);
  same_bits("import", weight.data, kept, weight.size);
  heed_parameter att = named(model, "conv1.att_src");
  heed_parameter_export(&att, data);
  same_bits("export", data, source, 64);
  data[5] = 3;
  heed_parameter_import(&att, data);
  ck_assert(att.data[5] == 3);
  free(data);
  free(kept);
  heed_model_free(model);

  ok(heed_model_new(&model, 6));
  heed_gat_options options = {.score = HEED_SCORE_GATV2, .heads = 2, .dim = 3, .bias = true};
  heed_value x = heed_model_gat(model, "c", 0, &options);
  x = heed_model_transformer_conv(model, "t", x, 2, 4, HEED_MERGE_MEAN, HEED_SCOPE_FULL, 0, HEED_EDGES_NONE);
  x = heed_model_normalize(model, "n", x, HEED_NORM_BATCH);
  ok(heed_model_finish(model, x, 1));
  shaped(model, "c.lin_l.weight", 2, 6, 6, 0, true);
  shaped(model, "c.lin_r.bias", 1, 6, 0, 0, false);
  shaped(model, "c.att", 3, 1, 2, 3, true);
  shaped(model, "c.bias", 1, 6, 0, 0, false);
  shaped(model, "t.lin_query.weight", 2, 8, 6, 0, true);
  shaped(model, "t.lin_skip.weight", 2, 4, 6, 0, true);
  shaped(model, "t.lin_value.bias", 1, 8, 0, 0, false);
  shaped(model, "n.weight", 1, 4, 0, 0, false);
  ck_assert(!named(model, "n.running_mean").trained);
  ck_assert(named(model, "n.running_var").data == heed_model_state(model) + 4);
  ck_assert(named(model, "n.running_var").data[3] == 1);
  ck_assert(named(model, "n.weight").data[3] == 1);
  ck_assert_ptr_null(heed_model_get_spec(model));
  heed_model_free(model);
}
END_TEST

START_TEST(test_batch_norm_state) {
  inputs in;
  make_inputs(&in, false);
  heed_model *model;
  heed_pass *pass;
  heed_matrix output;
  ok(heed_model_new(&model, FEATURES));
  ok(heed_model_finish(model, heed_model_normalize(model, "n", 0, HEED_NORM_BATCH), 1));
  ok(heed_pass_new(&pass, model, &in.dense, true));
  ok(heed_pass_forward(pass, HEED_MODE_EVALUATE, 0, 0, &output));
  for (int j = 0; j < FEATURES; j++) ck_assert(heed_model_state(model)[j] == 0);
  ok(heed_pass_forward(pass, HEED_MODE_TRAIN, 0, 0, &output));
  for (int j = 0; j < FEATURES; j++) {
    double mean = 0, variance = 0;
    for (int i = 0; i < NODES; i++) mean += (double)in.x[i * FEATURES + j] / NODES;
    for (int i = 0; i < NODES; i++) {
      double d = (double)in.x[i * FEATURES + j] - mean;
      variance += d * d / (NODES - 1);
    }
    ck_assert(fabs((double)heed_model_state(model)[j] - 0.1 * mean) < 1e-6);
    ck_assert(fabs((double)heed_model_state(model)[FEATURES + j] - 0.9 - 0.1 * variance) < 1e-6);
  }
  heed_pass_free(pass);
  heed_model_free(model);
}
END_TEST

/* Dropout differs between seeds, steps and layers, and drops as often as it should. */
START_TEST(test_dropout) {
  enum { ROWS = 400 };
  float ones[ROWS * 6];
  for (int i = 0; i < ROWS * 6; i++) ones[i] = 1;
  heed_matrix x = heed_matrix_view(ones, ROWS, 6), output;
  heed_model_inputs in = {.n_nodes = ROWS, .dense = &x};
  heed_model *model = empty();
  heed_pass *pass;
  heed_value a = heed_model_dropout(model, 0, 0.5F), b = heed_model_dropout(model, 0, 0.5F);
  ok(heed_model_finish(model, heed_model_add(model, a, b), 1));
  ok(heed_pass_new(&pass, model, &in, true));
  ok(heed_pass_forward(pass, HEED_MODE_TRAIN, 1, 1, &output));
  int counts[3] = {0};
  for (int i = 0; i < ROWS * 6; i++) {
    float y = output.data[i];
    ck_assert(y == 0 || y == 2 || y == 4);
    counts[(int)y / 2]++;
  }
  for (int c = 0; c < 3;
       c++) { /* a quarter, a half, a quarter: two layers that know nothing of each other */
    double expected = c == 1 ? 0.5 : 0.25, n = ROWS * 6;
    ck_assert(fabs(counts[c] / n - expected) < 5 * sqrt(expected * (1 - expected) / n));
  }
  float *first = copy(output.data, ROWS * 6);
  static const uint64_t others[][2] = {{2, 1}, {1, 2}, {1, 0}, {0, 1}};
  for (int o = 0; o < 4; o++) {
    ok(heed_pass_forward(pass, HEED_MODE_TRAIN, others[o][0], others[o][1], &output));
    int same = 0;
    for (int i = 0; i < ROWS * 6; i++) same += output.data[i] == first[i];
    ck_assert(fabs(same / (double)(ROWS * 6) - 0.375) < 0.05);
  }
  ok(heed_pass_forward(pass, HEED_MODE_TRAIN, 1, 1, &output));
  same_bits("the same step", output.data, first, ROWS * 6);
  free(first);
  heed_pass_free(pass);
  heed_model_free(model);
}
END_TEST

START_TEST(test_weights) {
  inputs in;
  make_inputs(&in, true);
  heed_model *model;
  heed_pass *pass;
  heed_matrix output;
  ok(heed_model_new(&model, FEATURES));
  heed_attention_spec spec = heed_attention_spec_default(3, 3), found;
  spec.dropout = 0.5F;
  heed_value x = heed_model_linear(model, "v", 0, FEATURES, true);
  x = heed_model_activate(model, heed_model_dropout(model, x, 0.5F), HEED_ACTIVATION_ELU);
  x = heed_model_attention(model, "first", &spec, HEED_SCOPE_MASKED, x, x, x);
  (void)heed_model_attention(model, "dead", &spec, HEED_SCOPE_MASKED, x, x, x);
  x = heed_model_attention(model, "second", &spec, HEED_SCOPE_FULL, 0, x, 0);
  ok(heed_model_finish(model, x, 1));
  ok(heed_pass_new(&pass, model, &in.dense, false));
  ck_assert_int_eq(heed_pass_attentions(pass), 2);
  const heed_mask *mask;
  ck_assert_str_eq(heed_pass_attention(pass, 0, &found, &mask), "first");
  ck_assert_int_eq((int)mask->n_pairs, (int)in.mask.n_pairs);
  ck_assert(found.kernel == HEED_KERNEL_SPARSE);
  ck_assert_str_eq(heed_pass_attention(pass, 1, NULL, &mask), "second");
  ck_assert_int_eq((int)mask->n_pairs, 8 * 8 + 1 + 14 * 14);
  ck_assert_ptr_null(heed_pass_attention(pass, 2, NULL, NULL));
  ck_assert_ptr_null(heed_pass_attention(pass, -1, NULL, NULL));
  ok(heed_pass_forward(pass, HEED_MODE_EVALUATE, 0, 0, &output));
  float *before = copy(output.data, NODES * FEATURES);
  float *weights = malloc((size_t)mask->n_pairs * 3 * sizeof *weights);
  fails(heed_pass_attention_weights(pass, 2, weights), HEED_RANGE, "the pass has 2");
  ok(heed_pass_attention_weights(pass, 1, weights));
  same_bits("the output stays", output.data, before, NODES * FEATURES);
  for (int i = 0; i < NODES; i++) {
    for (int j = 0; j < FEATURES; j++) {
      double sum = 0, whole = 0;
      for (int64_t p = mask->indptr[i]; p < mask->indptr[i + 1]; p++) {
        double w = (double)weights[p * 3 + j / 3];
        int64_t key = mask->starts[i] + p - mask->indptr[i]; /* a mask of runs */
        sum += w * (double)in.x[key * FEATURES + j];
        whole += w;
      }
      ck_assert(fabs(sum - (double)before[i * FEATURES + j]) < 1e-5 && fabs(whole - 1) < 1e-5);
    }
  }
  free(weights);
  free(before);
  heed_pass_free(pass);
  heed_model_free(model);
}
END_TEST

/* Features with a stride, changed between calls; no nodes; a full mask of the caller's. */
START_TEST(test_inputs) {
  inputs in;
  make_inputs(&in, false);
  heed_model *model = model_new(9);
  heed_pass *pass, *other;
  heed_matrix output, changed;
  float wide[NODES * (FEATURES + 3)];
  heed_matrix strided = {wide, NODES, FEATURES, FEATURES + 3};
  heed_model_inputs given = in.dense;
  given.dense = &strided;
  ok(heed_pass_new(&pass, model, &given, true));
  ok(heed_pass_new(&other, model, &in.dense, true));
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < NODES * FEATURES; i++) {
      in.x[i] += (float)round;
      wide[i / FEATURES * (FEATURES + 3) + i % FEATURES] = in.x[i];
    }
    ok(heed_pass_forward(pass, HEED_MODE_TRAIN, 1, 1, &output));
    ok(heed_pass_forward(other, HEED_MODE_TRAIN, 1, 1, &changed));
    same_bits("strided features", output.data, changed.data, output.rows * output.cols);
  }
  heed_pass_free(pass);
  heed_pass_free(other);

  heed_mask full, none;
  ok(heed_mask_full(&full, NODES, NODES));
  given = in.dense;
  given.mask = &full;
  heed_attention_spec spec;
  ok(heed_pass_new(&pass, model, &given, true));
  ck_assert_str_eq(heed_pass_attention(pass, 0, &spec, NULL), "conv1");
  ck_assert(spec.kernel == HEED_KERNEL_DENSE);
  ok(heed_pass_forward(pass, HEED_MODE_EVALUATE, 0, 0, &output));
  heed_model *full_model = model_new(10); /* the same layers with a full scope */
  ok(heed_pass_new(&other, full_model, &in.dense, true));
  ok(heed_pass_forward(other, HEED_MODE_EVALUATE, 0, 0, &changed));
  same_bits("a full mask", output.data, changed.data, output.rows * output.cols);
  heed_pass_free(pass);
  heed_pass_free(other);
  heed_model_free(full_model);

  int64_t zero = 0;
  ok(heed_mask_view(&none, 0, 0, &zero, NULL));
  heed_matrix nothing = heed_matrix_view(NULL, 0, FEATURES);
  heed_model_inputs nobody = {.dense = &nothing, .mask = &none};
  ok(heed_pass_new(&pass, model, &nobody, true));
  ok(heed_pass_forward(pass, HEED_MODE_TRAIN, 1, 1, &output));
  ck_assert_int_eq((int)output.rows, 0);
  ok(heed_pass_backward(pass, wide));
  for (int64_t i = 0; i < heed_model_parameter_count(model); i++) {
    ck_assert(heed_pass_gradients(pass)[i] == 0);
  }
  heed_pass_free(pass);
  heed_model_free(model);
}
END_TEST

/* Buffers are shared: a pass for evaluation needs a few at a time, however deep the model; a
 * training one keeps what its layers need to go backward, and no gradient of a layer beyond the
 * next. */
START_TEST(test_plan) {
  enum { ROWS = 1000, WIDTH = 32, BUFFER = ROWS * WIDTH * 4, ROOM = 100000 };
  float *x = calloc((size_t)ROWS * WIDTH, sizeof *x);
  heed_matrix features = heed_matrix_view(x, ROWS, WIDTH);
  heed_model_inputs in = {.n_nodes = ROWS, .dense = &features};
  static const int depths[] = {5, 20};
  size_t bytes[2][2];
  for (int d = 0; d < 2; d++) {
    heed_model *model;
    ok(heed_model_new(&model, WIDTH));
    heed_value value = 0;
    for (int i = 0; i < depths[d]; i++) {
      char name[16];
      snprintf(name, sizeof name, "l%d", i);
      heed_value y = heed_model_linear(model, name, value, WIDTH, false);
      y = heed_model_activate(model, y, HEED_ACTIVATION_RELU);
      value = heed_model_add(model, value, heed_model_dropout(model, y, 0.5F));
    }
    ok(heed_model_finish(model, value, 1));
    for (int training = 0; training < 2; training++) {
      heed_pass *pass;
      ok(heed_pass_new(&pass, model, &in, training == 1));
      bytes[d][training] = heed_pass_bytes(pass);
      heed_pass_free(pass);
    }
    heed_model_free(model);
  }
  ck_assert_uint_le(bytes[1][0], 4 * BUFFER + ROOM);
  size_t layers = (bytes[1][1] - bytes[0][1]) / (size_t)(depths[1] - depths[0]);
  ck_assert_uint_le(layers, 2 * BUFFER + BUFFER / 4); /* before and after the activation */
  free(x);
}
END_TEST

static void reset(void) {
  heed__alloc_fail_after(-1);
  ok(heed_set_threads(0));
}

int main(void) {
  Suite *suite = suite_create("model");
  TCase *tests = tcase_create("model");
  tcase_add_checked_fixture(tests, NULL, reset);
  tcase_set_timeout(tests, 120);
  tcase_add_loop_test(tests, test_oracle_dense, 0, MODELS);
  tcase_add_loop_test(tests, test_oracle_sparse, 0, MODELS);
  tcase_add_loop_test(tests, test_many_rows, 0, 10);
  tcase_add_loop_test(tests, test_same, 0, MODELS);
  tcase_add_loop_test(tests, test_memory, 0, MODELS);
  tcase_add_test(tests, test_build_errors);
  tcase_add_test(tests, test_pass_errors);
  tcase_add_test(tests, test_spec_text);
  tcase_add_test(tests, test_spec_errors);
  tcase_add_test(tests, test_graph_errors);
  tcase_add_test(tests, test_edge_inputs);
  tcase_add_test(tests, test_parameters);
  tcase_add_test(tests, test_batch_norm_state);
  tcase_add_test(tests, test_dropout);
  tcase_add_test(tests, test_weights);
  tcase_add_test(tests, test_inputs);
  tcase_add_test(tests, test_plan);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
