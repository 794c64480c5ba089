/* Heed's layers against PyTorch Geometric's, forward and backward. The fixtures and the script that
 * made them are in FIXTURES, described in the README there. */
#include <check.h>
#include <heed/data.h>
#include <heed/model.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "expect.h"

/* Largest absolute error over largest absolute value. */
static const double TOLERANCE = 1e-5;

static const char *const names[] = {
#include "model/fixtures/names.h"
};
enum { N_NAMES = sizeof names / sizeof *names };

static void near(const char *what, const float *got, const float *expected, int64_t n) {
  double largest = 0, worst = 0;
  for (int64_t i = 0; i < n; i++) {
    double error = fabs((double)got[i] - (double)expected[i]);
    largest = fmax(largest, fabs((double)expected[i]));
    if (!(error <= worst)) worst = error;
  }
  ck_assert_msg(worst <= TOLERANCE * largest, "%s: off by %g, largest %g", what, worst, largest);
}

/* The layer that a fixture's name speaks of, over 7 features. */
static heed_value build(heed_model *model, const char *name) {
  int heads, dim;
  heed_value x = heed_model_features(model);
  if (strncmp(name, "pool-", 5) == 0) {
    heed_block_options block = {.norm = HEED_NORM_LAYER,
                                .pre_norm = strncmp(name, "pool-pre", 8) == 0,
                                .activation = HEED_ACTIVATION_GELU,
                                .expansion = 2};
    ck_assert_int_eq(sscanf(strstr(name, "-h"), "-h%d-s%d", &heads, &dim), 2);
    block.heads = heads;
    return heed_model_pool_attention(model, "layer", x, dim, &block);
  }
  heed_edge_use edges = strstr(name, "-edges-") != NULL ? HEED_EDGES_ADD : HEED_EDGES_NONE;
  ck_assert_int_eq(sscanf(strstr(name, "-h"), "-h%d-d%d", &heads, &dim), 2);
  heed_merge merge = strstr(name, "-mean-") != NULL ? HEED_MERGE_MEAN : HEED_MERGE_CONCAT;
  if (strncmp(name, "transformer-", 12) == 0) {
    return heed_model_transformer_conv(model, "layer", x, heads, dim, merge, HEED_SCOPE_MASKED, 0,
                                       edges);
  }
  heed_gat_options options = {
      .score = strncmp(name, "gatv2-", 6) == 0 ? HEED_SCORE_GATV2 : HEED_SCORE_GAT,
      .heads = heads,
      .dim = dim,
      .merge = merge,
      .slope = 0.2F,
      .share_weights = strstr(name, "-shared-") != NULL,
      .bias = true,
      .edges = edges};
  return heed_model_gat(model, "layer", x, &options);
}

static float *read_floats(heed_npz *npz, const char *name, int n_dims, int64_t *shape) {
  void *data;
  ok(heed_npz_read(npz, name, HEED_DTYPE_FLOAT32, false, n_dims, shape, &data));
  return data;
}

/* A parameter, or its gradient, in PyTorch's name and shape. */
static float *read_parameter(heed_npz *npz, const char *prefix, const heed_parameter *is) {
  char name[128];
  int64_t shape[3];
  memcpy(shape, is->shape, sizeof shape);
  snprintf(name, sizeof name, "%s.%s", prefix, is->name + strlen("layer."));
  return read_floats(npz, name, is->n_dims, shape);
}

START_TEST(test_layer) {
  char path[4096];
  heed_npz *npz;
  ck_assert_int_lt(snprintf(path, sizeof path, "%s/%s.npz", FIXTURES, names[_i]), (int)sizeof path);
  ok(heed_npz_open(&npz, path));
  int64_t shape[2] = {-1, -1}, rows = -1, pairs = -1;
  void *indptr, *indices;
  heed_matrix x = {0};
  x.data = read_floats(npz, "x", 2, shape);
  x = heed_matrix_view(x.data, shape[0], shape[1]);
  ok(heed_npz_read(npz, "indptr", HEED_DTYPE_INT64, false, 1, &rows, &indptr));
  ok(heed_npz_read(npz, "indices", HEED_DTYPE_INT32, false, 1, &pairs, &indices));
  heed_mask mask;
  ok(heed_mask_view(&mask, x.rows, x.rows, indptr, indices));

  heed_matrix edges = {0};
  void *graph_ptr = NULL;
  int64_t graphs = 0;
  if (strstr(names[_i], "-edges-") != NULL) {
    int64_t edge_shape[2] = {pairs, -1};
    float *data = read_floats(npz, "edges", 2, edge_shape);
    edges = heed_matrix_view(data, pairs, edge_shape[1]);
  }
  if (strncmp(names[_i], "pool-", 5) == 0) {
    int64_t ends = -1;
    ok(heed_npz_read(npz, "graph_ptr", HEED_DTYPE_INT64, false, 1, &ends, &graph_ptr));
    graphs = ends - 1;
  }

  heed_model *model;
  ok(heed_model_new(&model, x.cols));
  ok(heed_model_edges(model, edges.cols));
  ok(heed_model_finish(model, build(model, names[_i]), 1));
  int tensors = heed_model_tensors(model), expected = 0;
  for (int i = 0; i < heed_npz_count(npz); i++) {
    expected += strncmp(heed_npz_at(npz, i)->name, "parameter.", 10) == 0;
  }
  ck_assert_int_eq(tensors, expected);
  for (int i = 0; i < tensors; i++) {
    heed_parameter is = heed_model_tensor(model, i);
    float *from = read_parameter(npz, "parameter", &is);
    heed_parameter_import(&is, from);
    heed_npz_free(from);
  }

  heed_model_inputs inputs = {.n_nodes = x.rows, .dense = &x, .mask = &mask,
                              .edges = &edges, .n_graphs = graphs, .graph_ptr = graph_ptr};
  heed_pass *pass;
  heed_matrix output;
  ok(heed_pass_new(&pass, model, &inputs, true));
  ok(heed_pass_forward(pass, HEED_MODE_TRAIN, 0, 0, &output));
  int64_t out_shape[2] = {output.rows, output.cols};
  float *out = read_floats(npz, "out", 2, out_shape),
        *d_out = read_floats(npz, "d_out", 2, out_shape);
  near("out", output.data, out, output.rows * output.cols);
  ok(heed_pass_backward(pass, d_out));
  float whole =
      0; /* the gradient of the keys' bias is nothing but rounding: softmax does not see it */
  for (int64_t i = 0; i < heed_model_parameter_count(model); i++) {
    whole = fmaxf(whole, fabsf(heed_pass_gradients(pass)[i]));
  }
  for (int i = 0; i < tensors; i++) {
    heed_parameter is = heed_model_tensor(model, i);
    float *gradient = read_parameter(npz, "gradient", &is);
    float *got = malloc((size_t)is.size * sizeof *got);
    is.data = heed_pass_gradients(pass) + is.offset;
    heed_parameter_export(&is, got);
    if (strcmp(is.name, "layer.lin_key.bias") == 0 || strcmp(is.name, "layer.key.bias") == 0) {
      for (int64_t j = 0; j < is.size; j++) {
        ck_assert(fabs((double)got[j] - (double)gradient[j]) <= TOLERANCE * (double)whole);
      }
    } else {
      near(is.name, got, gradient, is.size);
    }
    free(got);
    heed_npz_free(gradient);
  }
  heed_npz_free(out);
  heed_npz_free(d_out);
  heed_npz_free(x.data);
  heed_npz_free(edges.data);
  heed_npz_free(graph_ptr);
  heed_npz_free(indptr);
  heed_npz_free(indices);
  heed_npz_close(npz);
  heed_pass_free(pass);
  heed_model_free(model);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("model fixtures");
  TCase *tests = tcase_create("fixtures");
  tcase_add_loop_test(tests, test_layer, 0, N_NAMES);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
