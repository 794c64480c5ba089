/* --encoding: columns beside the features, classes and features of pairs, and what the model is told of them. */
#include <stdlib.h>
#include <string.h>

#include "cli/learn.h"

static bool has(const cli_recipe *recipe, heed_encoding_kind kind) {
  return heed_encodings_find(&recipe->encodings, kind) != NULL;
}

/* Of pairs, or of places: what belongs to the nodes' own order. */
bool cli_encoding_of_order(const cli_recipe *recipe) {
  return has(recipe, HEED_ENCODING_LEARNED) || has(recipe, HEED_ENCODING_ROTARY) ||
         heed_encodings_classes(&recipe->encodings) > 0 ||
         heed_encodings_pair_features(&recipe->encodings) > 0;
}

void cli_encoding_check(const struct argp_state *state, const cli_recipe *recipe) {
  const heed_model_spec *model = &recipe->model;
  const char *name = heed_model_kind_name(model->kind);
  bool transformer = model->kind == HEED_MODEL_TRANSFORMER;
  static const heed_encoding_kind of_pairs[] = {HEED_ENCODING_RELATIVE, HEED_ENCODING_DISTANCE,
                                                HEED_ENCODING_QUADRATIC};
  if (has(recipe, HEED_ENCODING_ROTARY) && !transformer) {
    argp_error(state, "--encoding rotary is for a transformer, not for %s", name);
  }
  if (has(recipe, HEED_ENCODING_ROTARY) && model->hidden / model->heads % 2 != 0) {
    argp_error(state, "--encoding rotary: heads of %lld numbers, which is odd",
               (long long)(model->hidden / model->heads));
  }
  if (has(recipe, HEED_ENCODING_LEARNED) && !transformer && !model->residual) {
    argp_error(state, "--encoding learned is for a transformer or --residual, not for %s", name);
  }
  for (int i = 0; i < 3; i++) {
    const char *word = heed_encoding_name(of_pairs[i]);
    if (!has(recipe, of_pairs[i])) continue;
    if (model->kind == HEED_MODEL_MLP) {
      argp_error(state, "--encoding %s is of pairs, and mlp looks at none", word);
    }
    if (of_pairs[i] == HEED_ENCODING_QUADRATIC && recipe->edges > 0) {
      argp_error(state, "--encoding %s has no place beside --edges %s: a pair has features of one kind", word,
                 heed_edge_use_name((heed_edge_use)recipe->edges));
    }
    if (transformer && strchr(model->blocks, 'M') == NULL) {
      argp_error(state, "--encoding %s is for masked blocks, and --blocks %s has none", word, model->blocks);
    }
  }
}

/* --- Nodes --------------------------------------------------------------------------------- */

/* The graph, or the graphs side by side, directions and loops left out. */
static heed_status bare_graph(const cli_task *task, heed_mask *graph) {
  if (task->collection != NULL) return heed_collection_mask(task->collection, graph);
  return heed_mask_from_graph(graph, heed_data_graph(task->data), HEED_DIRECTION_ALL, HEED_LOOPS_DROP);
}

/* [n, C] of that; for free(). */
static float *encode(const cli_recipe *recipe, const cli_task *task, int64_t columns) {
  const heed_collection *collection = task->collection;
  heed_mask graph;
  float *numbers = cli_floats(task->n_nodes, columns, 1);
  if (numbers == NULL) return NULL;
  heed_matrix to = heed_matrix_view(numbers, task->n_nodes, columns);
  heed_status status = bare_graph(task, &graph);
  if (status == HEED_OK) {
    int64_t n_graphs = collection != NULL ? heed_collection_graphs(collection) : 0;
    const int64_t *ptr = collection != NULL ? heed_collection_graph_ptr(collection) : NULL;
    status = heed_encode_nodes(&recipe->encodings, &graph, n_graphs, ptr, &to);
    heed_mask_free(&graph);
  }
  if (!cli_check(status, "--encoding")) return numbers;
  free(numbers);
  return NULL;
}

static int widen_dense(cli_task *task, const heed_matrix *x, const float *numbers, int64_t columns) {
  int64_t before = x != NULL ? x->cols : 0, all = before + columns;
  float *data = cli_floats(task->n_nodes, all, 1);
  if (data == NULL) return CLI_FAILED;
  for (int64_t i = 0; i < task->n_nodes; i++) {
    if (before > 0) memcpy(data + i * all, x->data + i * x->stride, (size_t)before * sizeof *data);
    memcpy(data + i * all + before, numbers + i * columns, (size_t)columns * sizeof *data);
  }
  task->own_dense = heed_matrix_view(data, task->n_nodes, all);
  task->dense = &task->own_dense;
  task->sparse = NULL;
  return CLI_OK;
}

static int widen_sparse(cli_task *task, const heed_csr *x, const float *numbers, int64_t columns) {
  int64_t n = x->indptr[x->rows] + x->rows * columns;
  int64_t *indptr = malloc(((size_t)x->rows + 1) * sizeof *indptr);
  int32_t *indices = malloc(((size_t)n + 1) * sizeof *indices);
  float *values = malloc(((size_t)n + 1) * sizeof *values);
  task->own_sparse = (heed_csr){x->rows, x->cols + columns, indptr, indices, values};
  if (indptr == NULL || indices == NULL || values == NULL) return cli_fail("out of memory for --encoding");
  int64_t at = indptr[0] = 0;
  for (int64_t i = 0; i < x->rows; i++) {
    for (int64_t p = x->indptr[i]; p < x->indptr[i + 1]; p++, at++) {
      indices[at] = x->indices[p];
      values[at] = x->values != NULL ? x->values[p] : 1;
    }
    for (int64_t c = 0; c < columns; c++, at++) {
      indices[at] = (int32_t)(x->cols + c);
      values[at] = numbers[i * columns + c];
    }
    indptr[i + 1] = at;
  }
  task->sparse = &task->own_sparse;
  return CLI_OK;
}

int cli_encode_nodes(cli_task *task, cli_recipe *recipe) {
  heed_model_spec *model = &recipe->model;
  int64_t laplacian, columns = heed_encodings_columns(&recipe->encodings, &laplacian), before;
  const heed_encoding *vectors = heed_encodings_find(&recipe->encodings, HEED_ENCODING_LAPLACIAN);
  const heed_encoding *rotary = heed_encodings_find(&recipe->encodings, HEED_ENCODING_ROTARY);
  if (rotary != NULL) model->rotary = rotary->size > 0 ? (float)rotary->size : 10000;
  if (has(recipe, HEED_ENCODING_LEARNED)) {
    model->positions = task->n_nodes;
    for (int64_t g = 0, most = 1; task->collection != NULL && g < heed_collection_graphs(task->collection); g++) {
      const int64_t *ptr = heed_collection_graph_ptr(task->collection);
      if (ptr[g + 1] - ptr[g] > most) most = ptr[g + 1] - ptr[g];
      model->positions = most;
    }
  }
  if (columns == 0) return CLI_OK;
  float *numbers = encode(recipe, task, columns);
  if (numbers == NULL) return CLI_FAILED;
  int failed;
  if (task->collection != NULL) {
    before = heed_collection_features(task->collection);
    heed_matrix x = heed_matrix_view(numbers, task->n_nodes, columns);
    failed = cli_check(heed_collection_widen(task->collection, &x), "--encoding");
  } else if (task->bare || task->dense != NULL) { /* nodes without features are those of their places */
    before = task->bare ? 0 : task->dense->cols;
    failed = widen_dense(task, task->bare ? NULL : task->dense, numbers, columns);
  } else {
    before = task->sparse->cols;
    failed = widen_sparse(task, task->sparse, numbers, columns);
  }
  free(numbers);
  model->features = before + columns;
  model->flip_first = vectors != NULL ? before + laplacian : 0;
  model->flip_columns = vectors != NULL ? vectors->size : 0;
  return failed;
}

/* --- Pairs --------------------------------------------------------------------------------- */

/* What belongs to the pairs of one mask after the other is filled in by a mask at a time. */
static int encode_masks(cli_task *task, const cli_recipe *recipe, const heed_mask *mask,
                        const heed_mask *graph) {
  const heed_collection *collection = task->collection;
  int64_t n_graphs = collection != NULL ? heed_collection_graphs(collection) : 0, first = 0;
  const int64_t *ptr = collection != NULL ? heed_collection_graph_ptr(collection) : NULL;
  for (int g = 0; g < task->heads.n || g < 1; g++) {
    const heed_mask *one = task->heads.n > 0 ? &task->heads.at[g] : mask;
    heed_status status = HEED_OK;
    if (task->pair_classes != NULL) {
      status = heed_encode_classes(&recipe->encodings, one, graph, n_graphs, ptr,
                                   task->pair_classes + first);
    }
    if (status == HEED_OK && task->edges.data != NULL) {
      status = heed_encode_features(&recipe->encodings, one, n_graphs, ptr,
                                    task->edges.data + first * task->edges.cols);
    }
    if (cli_check(status, "--encoding")) return CLI_FAILED;
    first += one->n_pairs;
  }
  return CLI_OK;
}

int cli_encode_pairs(cli_task *task, cli_recipe *recipe, const heed_mask *mask) {
  heed_model_spec *model = &recipe->model;
  int64_t classes = heed_encodings_classes(&recipe->encodings), pairs = cli_task_pairs(task, mask);
  int64_t features = heed_encodings_pair_features(&recipe->encodings);
  heed_mask graph;
  free(task->pair_classes);
  free(task->edges.data);
  task->pair_classes = NULL;
  task->edges = (heed_matrix){0};
  if ((classes == 0 && features == 0) || !cli_task_masked(task, mask)) return CLI_OK;
  if (classes > 0) {
    task->pair_classes = malloc(((size_t)pairs + 1) * sizeof *task->pair_classes);
    if (task->pair_classes == NULL) {
      return cli_fail("out of memory for the classes of %lld pairs", (long long)pairs);
    }
    model->pair_classes = classes;
  }
  if (features > 0) {
    float *data = cli_floats(pairs, features, 1);
    if (data == NULL) return CLI_FAILED;
    task->edges = heed_matrix_view(data, pairs, features);
    model->edge_features = features;
    model->edges = HEED_EDGES_QUADRATIC;
  }
  if (cli_check(bare_graph(task, &graph), "--encoding")) return CLI_FAILED;
  int failed = encode_masks(task, recipe, mask, &graph);
  heed_mask_free(&graph);
  return failed;
}
