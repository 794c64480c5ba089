/* Training on many small graphs, one line of standard input a round: graphs.py holds it against PyTorch
 * Geometric with the same layers, TransformerConv with edge features, mean pooling and a linear layer.
 *
 *     graphs SOURCE THREADS EPOCHS LAYERS HEADS DIM BATCH [EXPORT.npz]
 *
 * prints the graphs a second of each round of EPOCHS epochs; EXPORT.npz gets the collection as arrays. */
#include <heed.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(heed_status status) {
  if (status == HEED_OK) return;
  fprintf(stderr, "graphs: %s\n", heed_message());
  exit(1);
}

static void *array(int64_t n, size_t size) {
  void *memory = calloc((size_t)n + 1, size);
  if (memory == NULL) exit(1);
  return memory;
}

static heed_model *convolutions(const heed_collection *data, int layers, int heads, int dim) {
  heed_model *model;
  check(heed_model_new(&model, heed_collection_features(data)));
  check(heed_model_edges(model, heed_collection_edge_features(data)));
  heed_value x = heed_model_features(model);
  for (int l = 0; l < layers; l++) {
    char name[16];
    snprintf(name, sizeof name, "conv%d", l + 1);
    x = heed_model_transformer_conv(model, name, x, heads, dim, HEED_MERGE_CONCAT,
                                    HEED_SCOPE_MASKED, 0, HEED_EDGES_ADD);
    x = heed_model_activate(model, x, HEED_ACTIVATION_RELU);
  }
  x = heed_model_pool(model, x, HEED_POOLING_MEAN);
  x = heed_model_linear(model, "output", x, heed_collection_outputs(data), true);
  check(heed_model_finish(model, x, 1));
  return model;
}

static void export_arrays(const heed_collection *data, const char *path) {
  int64_t n_graphs = heed_collection_graphs(data), n_edges = heed_collection_edge_count(data);
  const heed_matrix *x = heed_collection_node_matrix(data), *e = heed_collection_edge_matrix(data);
  const heed_matrix *y = heed_collection_values(data);
  heed_array arrays[] = {
      {"graph_ptr", HEED_DTYPE_INT64, 1, {n_graphs + 1}, heed_collection_graph_ptr(data)},
      {"features", HEED_DTYPE_FLOAT32, 2, {x->rows, x->cols}, x->data},
      {"edges", HEED_DTYPE_INT64, 2, {n_edges, 2}, heed_collection_edges(data)},
      {"edge_features", HEED_DTYPE_FLOAT32, 2, {e->rows, e->cols}, e->data},
      {"values", HEED_DTYPE_FLOAT32, 2, {y->rows, y->cols}, y->data}};
  check(heed_npz_write(path, arrays, sizeof arrays / sizeof *arrays));
}

int main(int argc, char **argv) {
  if (argc < 8) return 2;
  int epochs = atoi(argv[3]), c;
  heed_collection *data;
  heed_mask mask;
  heed_trainer *trainer;
  check(heed_set_threads(atoi(argv[2])));
  check(heed_collection_open(&data, argv[1], NULL));
  if (heed_collection_values(data) == NULL || heed_collection_edge_features(data) == 0) return 2;
  if (argc > 8) export_arrays(data, argv[8]);
  check(heed_collection_mask(data, &mask));
  heed_model *model = convolutions(data, atoi(argv[4]), atoi(argv[5]), atoi(argv[6]));
  int64_t n = heed_collection_graphs(data);
  uint8_t *train = array(n, 1), *validation = array(n, 1); /* next to nothing is validated */
  memset(train, 1, (size_t)n);
  validation[0] = 1;
  heed_fit_spec fit = heed_fit_spec_default();
  fit.loss = HEED_LOSS_SQUARED;
  fit.metric = HEED_METRIC_RMSE;
  fit.patience = 0;
  fit.epochs = 1 << 30;
  fit.batch = atoi(argv[7]);
  fit.standardize = true;
  heed_task task = {.collection = data,
                    .inputs = {.mask = &mask},
                    .targets = {.values = heed_collection_values(data)->data},
                    .train = train,
                    .validation = validation};
  check(heed_trainer_new(&trainer, model, &task, &fit, 1));
  heed_epoch epoch;
  bool done;
  check(heed_trainer_epoch(trainer, &epoch, &done));
  while ((c = getchar()) != EOF) {
    if (c != '\n') continue;
    double from = heed_seconds();
    for (int e = 0; e < epochs; e++) check(heed_trainer_epoch(trainer, &epoch, &done));
    printf("%.1f %.6g\n", (double)(n * epochs) / (heed_seconds() - from), epoch.train_loss);
    fflush(stdout);
  }
  heed_trainer_free(trainer);
  heed_model_free(model);
  heed_mask_free(&mask);
  heed_collection_free(data);
  free(train);
  free(validation);
  return 0;
}
