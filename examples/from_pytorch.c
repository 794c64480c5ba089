/* A model trained in PyTorch Geometric, run here. In Python:
 *
 *     class Net(torch.nn.Module):
 *         def __init__(self):
 *             super().__init__()
 *             self.conv1 = GATConv(7, 4, heads=3)
 *             self.conv2 = GATConv(12, 3, heads=2, concat=False)
 *         def forward(self, x, edges):
 *             return self.conv2(F.elu(self.conv1(x, edges)), edges)
 *
 *     safetensors.torch.save_file(net.state_dict(), "net.safetensors")
 *
 * The file read here has its tensors under "model.", and beside them an input, its edges and the
 * output that Python had, with which the output here is compared. */
#include <heed.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { FEATURES = 7, CLASSES = 3 };

static void check(heed_status status) {
  if (status == HEED_OK) return;
  fprintf(stderr, "from_pytorch: %s\n", heed_message());
  exit(1);
}

/* A matrix out of the file; its rows in *rows. */
static float *read(heed_safetensors *file, const char *name, int64_t *rows) {
  const heed_array *array = heed_safetensors_find(file, name);
  if (array == NULL || array->n_dims != 2) exit(1);
  int64_t n = array->shape[0] * array->shape[1];
  float *data = malloc((size_t)n * sizeof *data);
  if (data == NULL) exit(1);
  check(heed_safetensors_read(file, name, data, n));
  *rows = array->shape[0];
  return data;
}

int main(int argc, char **argv) {
  const char *path = argc > 1 ? argv[1] : EXAMPLE_MODEL;

  /* The same two layers; their parameters have PyTorch Geometric's names. */
  heed_model_spec spec = heed_model_spec_default(HEED_MODEL_GAT);
  spec.features = FEATURES;
  spec.outputs = CLASSES;
  spec.hidden = 12;
  spec.heads = 3;
  spec.output_heads = 2;
  heed_model *model;
  check(heed_model_build(&model, &spec, 0));
  check(heed_model_import(model, path, "model."));

  heed_safetensors *file;
  int64_t nodes, edges;
  check(heed_safetensors_open(&file, path));
  float *x = read(file, "input", &nodes), *expected = read(file, "output", &nodes);
  float *ends = read(file, "edges", &edges);
  heed_safetensors_close(file);
  int64_t *pairs = malloc((size_t)edges * 2 * sizeof *pairs);
  if (pairs == NULL) return 1;
  for (int64_t i = 0; i < 2 * edges; i++) pairs[i] = (int64_t)ends[i];

  igraph_t graph;
  heed_mask mask;
  check(heed_graph_from_edges(&graph, nodes, pairs, edges, true));
  check(heed_mask_from_graph(&mask, &graph, HEED_DIRECTION_IN, HEED_LOOPS_ADD));
  heed_matrix features = heed_matrix_view(x, nodes, FEATURES), output;
  heed_pass *pass;
  check(heed_pass_new(&pass, model,
                      &(heed_model_inputs){.n_nodes = nodes, .dense = &features, .mask = &mask},
                      false));
  check(heed_pass_forward(pass, HEED_MODE_EVALUATE, 0, 0, &output));
  double largest = 0;
  for (int64_t i = 0; i < nodes * CLASSES; i++) {
    largest = fmax(largest, fabs((double)output.data[i] - (double)expected[i]));
  }
  printf("%lld nodes, largest difference from PyTorch below 1e-5: %s\n", (long long)nodes,
         largest < 1e-5 ? "yes" : "no");

  heed_pass_free(pass);
  heed_mask_free(&mask);
  heed_graph_destroy(&graph);
  heed_model_free(model);
  free(pairs);
  free(ends);
  free(expected);
  free(x);
  return largest >= 1e-5;
}
