/* Models of PyTorch Geometric, weights and all, give its outputs. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "train/train_test.h"

enum { FEATURES = 7, CLASSES = 3, MOST_NODES = 64 };

typedef struct fixture {
  char path[4096];
  int64_t nodes;
  float *input, *expected;
  heed_matrix features;
  heed_mask mask;
  heed_model_inputs inputs;
} fixture;

static float *read_floats(heed_safetensors *file, const char *name, int64_t *rows) {
  const heed_array *array = heed_safetensors_find(file, name);
  ck_assert_ptr_nonnull(array);
  *rows = array->shape[0];
  float *data = malloc((size_t)(array->shape[0] * array->shape[1]) * sizeof *data);
  ok(heed_safetensors_read(file, name, data, array->shape[0] * array->shape[1]));
  return data;
}

static void fixture_open(fixture *f, const char *name, heed_loops loops) {
  heed_safetensors *file;
  int64_t n_edges, rows;
  snprintf(f->path, sizeof f->path, "%s%s.safetensors", FIXTURES, name);
  ok(heed_safetensors_open(&file, f->path));
  f->input = read_floats(file, "input", &f->nodes);
  f->expected = read_floats(file, "output", &rows);
  ck_assert_int_eq(rows, f->nodes);
  float *ends = read_floats(file, "edges", &n_edges);
  int64_t *edges = malloc((size_t)n_edges * 2 * sizeof *edges);
  for (int64_t i = 0; i < 2 * n_edges; i++) edges[i] = (int64_t)ends[i];
  igraph_t graph;
  ok(heed_graph_from_edges(&graph, f->nodes, edges, n_edges, true));
  ok(heed_mask_from_graph(&f->mask, &graph, HEED_DIRECTION_IN, loops));
  heed_graph_destroy(&graph);
  free(edges);
  free(ends);
  heed_safetensors_close(file);
  f->features = heed_matrix_view(f->input, f->nodes, FEATURES);
  f->inputs = (heed_model_inputs){.n_nodes = f->nodes, .dense = &f->features, .mask = &f->mask};
}

static void fixture_end(fixture *f) {
  heed_mask_free(&f->mask);
  free(f->input);
  free(f->expected);
}

static void check_output(const fixture *f, heed_model *model) {
  heed_pass *pass;
  heed_matrix output;
  double largest = 0;
  ok(heed_pass_new(&pass, model, &f->inputs, false));
  ok(heed_pass_forward(pass, HEED_MODE_EVALUATE, 0, 0, &output));
  ck_assert_int_eq(output.rows, f->nodes);
  ck_assert_int_eq(output.cols, CLASSES);
  for (int64_t i = 0; i < f->nodes; i++) {
    for (int64_t j = 0; j < CLASSES; j++) {
      double expected = (double)f->expected[i * CLASSES + j];
      largest = fmax(largest, fabs(expected));
      ck_assert_double_eq_tol((double)output.data[i * output.stride + j], expected, 1e-5);
    }
  }
  ck_assert_double_gt(largest, 0.5);
  heed_pass_free(pass);
}

static heed_model *two_layers(heed_model_kind kind) {
  heed_model *model;
  heed_model_spec spec = heed_model_spec_default(kind);
  spec.features = FEATURES;
  spec.outputs = CLASSES;
  spec.hidden = 12;
  spec.heads = 3;
  spec.output_heads = 2;
  ok(heed_model_build(&model, &spec, 1));
  return model;
}

static heed_model *transformer_convs(void) {
  heed_model *model;
  ok(heed_model_new(&model, FEATURES));
  heed_value x = heed_model_features(model);
  x = heed_model_transformer_conv(model, "conv1", x, 3, 4, HEED_MERGE_CONCAT, HEED_SCOPE_MASKED, 0, HEED_EDGES_NONE);
  x = heed_model_activate(model, x, HEED_ACTIVATION_ELU);
  x = heed_model_transformer_conv(model, "conv2", x, 2, CLASSES, HEED_MERGE_MEAN, HEED_SCOPE_MASKED,
                                  0, HEED_EDGES_NONE);
  ok(heed_model_finish(model, x, 1));
  return model;
}

static void check_model(const char *name, heed_model *model, heed_loops loops) {
  fixture f;
  fixture_open(&f, name, loops);
  ok(heed_model_import(model, f.path, "model."));
  check_output(&f, model);
  fixture_end(&f);
  heed_model_free(model);
}

START_TEST(geometric_models_give_their_outputs) {
  check_model("gat", two_layers(HEED_MODEL_GAT), HEED_LOOPS_ADD);
  check_model("gat-older", two_layers(HEED_MODEL_GAT), HEED_LOOPS_ADD);
  check_model("gatv2", two_layers(HEED_MODEL_GATV2), HEED_LOOPS_ADD);
  check_model("transformer", transformer_convs(), HEED_LOOPS_KEEP);
}
END_TEST

/* A copy of a fixture with one thing changed, at `path`. */
typedef struct change {
  const char *name; /* of the tensor */
  bool leave_out;
  bool transpose_shape;
  bool bend;          /* another number in it */
  const char *rename; /* or NULL */
} change;

static void write_changed(const char *from, const char *path, const change *c) {
  heed_safetensors *file;
  ok(heed_safetensors_open(&file, from));
  int n = heed_safetensors_count(file), kept = 0;
  heed_array *arrays = calloc((size_t)n, sizeof *arrays);
  for (int i = 0; i < n; i++) {
    const heed_array *array = heed_safetensors_at(file, i);
    bool it = strcmp(array->name, c->name) == 0;
    if (it && c->leave_out) continue;
    int64_t numbers = 1;
    for (int d = 0; d < array->n_dims; d++) numbers *= array->shape[d];
    float *data = malloc((size_t)numbers * sizeof *data);
    ok(heed_safetensors_read(file, array->name, data, numbers));
    heed_array *copy = &arrays[kept++];
    *copy = *array;
    copy->data = data;
    if (it && c->rename != NULL) copy->name = c->rename;
    if (it && c->bend) data[numbers / 2] += 1;
    if (it && c->transpose_shape) {
      copy->shape[0] = array->shape[1];
      copy->shape[1] = array->shape[0];
    }
  }
  ok(heed_safetensors_write(path, arrays, kept, NULL));
  for (int i = 0; i < kept; i++) free((void *)(uintptr_t)arrays[i].data);
  free(arrays);
  heed_safetensors_close(file);
}

START_TEST(import_refuses_what_does_not_fit) {
  const char *path = "test-import.safetensors";
  char gat[4096], older[4096];
  snprintf(gat, sizeof gat, "%sgat.safetensors", FIXTURES);
  snprintf(older, sizeof older, "%sgat-older.safetensors", FIXTURES);
  heed_model *model = two_layers(HEED_MODEL_GAT);
  size_t bytes = (size_t)heed_model_parameter_count(model) * sizeof(float);
  float *before = malloc(bytes);
  memcpy(before, heed_model_parameters(model), bytes);
  write_changed(gat, path, &(change){.name = "model.conv2.att_dst", .leave_out = true});
  fails(heed_model_import(model, path, "model."), HEED_FORMAT, "'model.conv2.att_dst'");
  write_changed(gat, path, &(change){.name = "model.conv1.lin.weight", .transpose_shape = true});
  fails(heed_model_import(model, path, "model."), HEED_SHAPE, "[7, 12] instead of [12, 7]");
  write_changed(gat, path, &(change){.name = "edges", .rename = "model.edges"});
  fails(heed_model_import(model, path, "model."), HEED_FORMAT, "'model.edges'");
  write_changed(older, path, &(change){.name = "model.conv1.lin_dst.weight", .bend = true});
  fails(heed_model_import(model, path, "model."), HEED_VALUE, "'model.conv1.lin_dst.weight'");
  fails(heed_model_import(model, gat, ""), HEED_FORMAT, "conv1");
  fails(heed_model_import(model, gat, "net."), HEED_FORMAT, "'net.conv1");
  fails(heed_model_import(model, "no-such.safetensors", ""), HEED_IO, "no-such");
  /* The other name alone is not enough, and beside the new one it is one too many. */
  write_changed(older, path, &(change){.name = "model.conv1.lin_src.weight", .leave_out = true});
  fails(heed_model_import(model, path, "model."), HEED_FORMAT, "'model.conv1.lin.weight'");
  write_changed(
      older, path,
      &(change){.name = "model.conv1.lin_src.weight", .rename = "model.conv1.lin.weight"});
  fails(heed_model_import(model, path, "model."), HEED_FORMAT, "'model.conv1.lin_dst.weight'");
  ck_assert_mem_eq(before, heed_model_parameters(model), bytes);
  /* One name of the two will do. */
  write_changed(older, path, &(change){.name = "model.conv1.lin_dst.weight", .leave_out = true});
  ok(heed_model_import(model, path, "model."));
  ck_assert_mem_ne(before, heed_model_parameters(model), bytes);
  remove(path);
  size_t held = heed_memory_held();
  long n = 0;
  for (;; n++) {
    memcpy(before, heed_model_parameters(model), bytes);
    heed__alloc_fail_after(n);
    heed_status status = heed_model_import(model, gat, "model.");
    heed__alloc_fail_after(-1);
    ck_assert_uint_eq(heed_memory_held(), held);
    if (status == HEED_OK) break;
    ck_assert_int_eq(status, HEED_NOMEM);
    ck_assert_mem_eq(before, heed_model_parameters(model), bytes);
  }
  ck_assert_int_gt(n, 2);
  free(before);
  heed_model_free(model);
}
END_TEST

TCase *import_tests(void) {
  TCase *tests = tcase_create("import");
  tcase_set_timeout(tests, 60);
  tcase_add_test(tests, geometric_models_give_their_outputs);
  tcase_add_test(tests, import_refuses_what_does_not_fit);
  return tests;
}
