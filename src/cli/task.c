/* A data set made ready for training. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/learn.h"

/* Of data without splits of its own. */
static const double train_share = 0.6, validation_share = 0.2;
enum { ALL_DRAWN = 10 };

/* --- Features ------------------------------------------------------------------------------ */

static int open_features(cli_task *task, const char *source, bool normalize) {
  heed_status status = HEED_OK;
  task->bare = heed_data_features(task->data) == 0;
  if (task->bare) {
    status = heed_data_identity_features(task->data);
  } else if (normalize) {
    status = heed_data_row_normalize(task->data);
  }
  task->dense = heed_data_dense_features(task->data);
  task->sparse = heed_data_sparse_features(task->data);
  return cli_check(status, source);
}

int cli_task_open(cli_task *task, const cli_graph *graph, bool normalize) {
  *task = (cli_task){0};
  if (cli_graph_many(graph)) return cli_collection_open(task, graph);
  if (cli_check(heed_data_open(&task->data, graph->source, &graph->options), NULL)) {
    return CLI_FAILED;
  }
  task->n_nodes = task->n_rows = heed_data_nodes(task->data);
  task->classes = heed_data_classes(task->data);
  task->targets.labels = heed_data_labels(task->data);
  return open_features(task, graph->source, normalize);
}

cli_task cli_task_variant(const cli_task *task) {
  cli_task variant = *task;
  variant.heads.n = 0;
  variant.own_dense = (heed_matrix){0};
  variant.own_sparse = (heed_csr){0};
  variant.pair_classes = NULL;
  variant.edges = (heed_matrix){0};
  return variant;
}

void cli_task_variant_close(cli_task *task) {
  cli_masks_free(&task->heads);
  free(task->own_dense.data);
  free((void *)task->own_sparse.indptr);
  free((void *)task->own_sparse.indices);
  free((void *)task->own_sparse.values);
  free(task->pair_classes);
  free(task->edges.data);
}

void cli_task_close(cli_task *task) {
  cli_task_variant_close(task);
  for (int part = 0; part < 3; part++) free(task->parts[part]);
  free(task->splits);
  free(task->one_hot);
  for (int i = 0; i < task->n_made; i++) free(task->made[i]);
  free(task->made);
  heed_data_free(task->data);
  heed_collection_free(task->collection);
  *task = (cli_task){0};
}

heed_model_inputs cli_task_inputs(const cli_task *task, const heed_mask *mask) {
  return (heed_model_inputs){.n_nodes = task->n_nodes,
                             .dense = task->dense,
                             .sparse = task->sparse,
                             .mask = mask != NULL && mask->n_queries > 0 ? mask : NULL,
                             .edges = task->edges.data != NULL ? &task->edges : NULL,
                             .pair_classes = task->pair_classes,
                             .n_head_masks = task->heads.n,
                             .head_masks = task->of_heads,
                             .mask_heads = task->heads.heads};
}

bool cli_task_masked(const cli_task *task, const heed_mask *mask) {
  return mask->n_queries > 0 || task->heads.n > 0;
}

int cli_task_know_edges(cli_task *task, heed_mask *mask) {
  for (int g = 0; g < task->heads.n; g++) {
    if (cli_mask_know_edges(&task->heads.at[g])) return CLI_FAILED;
  }
  return cli_mask_know_edges(mask);
}

int64_t cli_task_pairs(const cli_task *task, const heed_mask *mask) {
  return mask->n_pairs + cli_masks_pairs(&task->heads);
}

/* Labels as a target for every column. */
int cli_task_one_hot(cli_task *task) {
  float *values = cli_floats(task->n_rows, task->classes, 1);
  if (values == NULL) return CLI_FAILED;
  for (int64_t i = 0; i < task->n_rows; i++) {
    int32_t label = task->targets.labels[i];
    for (int32_t c = 0; c < task->classes; c++) {
      values[i * task->classes + c] = label < 0 ? NAN : label == c ? 1.0f : 0.0f;
    }
  }
  task->targets.values = task->one_hot = values;
  return CLI_OK;
}

/* --- Splits -------------------------------------------------------------------------------- */

int cli_task_draw(cli_task *task, const char *source, uint64_t seed, int64_t last) {
  if (last >= CLI_MOST_SPLITS) {
    return cli_fail("%s: split %lld, but there are random splits 0 to %d", source, (long long)last,
                    CLI_MOST_SPLITS - 1);
  }
  heed_split_options options = {
      .seed = seed, .splits = (int)last + 1, .train = train_share, .validation = validation_share};
  task->drawn = true;
  return cli_check(heed_data_make_splits(task->data, &options), source);
}

/* As many as are asked for. */
static int draw_splits(cli_task *task, const char *source, uint64_t seed, bool all,
                       const int64_t *numbers, int n_numbers) {
  int64_t last = all ? ALL_DRAWN - 1 : 0;
  for (int i = 0; i < n_numbers; i++) last = numbers[i] > last ? numbers[i] : last;
  return cli_task_draw(task, source, seed, last);
}

int cli_task_room(cli_task *task, int n_splits) {
  task->n_splits = n_splits;
  size_t n = (size_t)n_splits + 1;
  task->splits = calloc(n, sizeof *task->splits);
  bool fits = task->splits != NULL;
  for (int part = 0; part < 3; part++) {
    task->parts[part] = calloc(n, sizeof *task->parts[part]);
    fits = fits && task->parts[part] != NULL;
  }
  return fits ? CLI_OK : cli_fail("out of memory for %d splits", n_splits);
}

static int choose_splits(cli_task *task, const char *source, const int64_t *numbers,
                         int n_numbers) {
  int there = heed_data_splits(task->data);
  if (cli_task_room(task, n_numbers > 0 ? n_numbers : there)) return CLI_FAILED;
  for (int s = 0; s < task->n_splits; s++) {
    int64_t number = n_numbers > 0 ? numbers[s] : s;
    if (number >= there) {
      return cli_fail("%s: split %lld, but there are %d splits, 0 to %d", source, (long long)number,
                      there, there - 1);
    }
    task->splits[s] = (int)number;
    for (int part = 0; part < 3; part++) {
      task->parts[part][s] = heed_data_split(task->data, (int)number, (heed_part)part);
    }
  }
  return CLI_OK;
}

int cli_task_runs(const cli_task *task, int n_seeds) {
  return task->paired ? n_seeds : n_seeds * task->n_splits;
}

/* --- What the data decides ----------------------------------------------------------------- */

static void settle(cli_task *task, cli_recipe *recipe) {
  bool two = task->classes == 2;
  if (recipe->metric < 0) recipe->metric = two ? HEED_METRIC_ROC_AUC : HEED_METRIC_ACCURACY;
  if (recipe->loss < 0) {
    recipe->loss = two && recipe->metric == HEED_METRIC_ROC_AUC ? HEED_LOSS_BINARY_CROSS_ENTROPY
                                                                : HEED_LOSS_CROSS_ENTROPY;
  }
  recipe->fit.metric = (heed_metric)recipe->metric;
  recipe->fit.loss = (heed_loss)recipe->loss;
  recipe->model.features = heed_data_features(task->data);
  recipe->model.outputs = task->classes;
  if (two && recipe->loss == HEED_LOSS_BINARY_CROSS_ENTROPY) recipe->model.outputs = 1;
}

int cli_task_prepare(cli_task *task, cli_recipe *recipe, const char *source,
                     const cli_runs *runs) {
  static const int64_t first = 0;
  const int64_t *numbers = runs->numbers;
  int n_numbers = runs->n_numbers;
  bool all = runs->splits != NULL && strcmp(runs->splits, "all") == 0;
  if (task->collection != NULL) return cli_collection_prepare(task, recipe, source, runs);
  if (task->targets.labels == NULL) {
    return cli_fail("%s: there are no labels to learn; --label names a vertex attribute", source);
  }
  if (task->classes < 2) {
    return cli_fail("%s: labels: %d class, but there is something to learn from 2 on", source,
                    task->classes);
  }
  if (runs->splits == NULL) {
    numbers = &first;
    n_numbers = 1;
  }
  if (heed_data_splits(task->data) == 0 &&
      draw_splits(task, source, runs->seed, all, numbers, n_numbers)) {
    return CLI_FAILED;
  }
  settle(task, recipe);
  bool by_columns = recipe->loss == HEED_LOSS_BINARY_CROSS_ENTROPY;
  if (recipe->model.outputs > 1 && by_columns && cli_task_one_hot(task)) return CLI_FAILED;
  return choose_splits(task, source, numbers, all ? 0 : n_numbers);
}

/* --- Masks and seeds ----------------------------------------------------------------------- */

/* Features of pairs need pairs that are written out. */
static int write_out(heed_mask *mask) {
  heed_mask full = *mask;
  if (!heed_mask_is_full(mask)) return CLI_OK;
  *mask = (heed_mask){0};
  return cli_check(heed_mask_explicit(mask, &full), "--encoding");
}

int cli_recipe_mask(heed_mask *mask, cli_recipe *recipe, const cli_graph *graph,
                    cli_task *task) {
  heed_model_spec *model = &recipe->model;
  cli_masks *masks = &task->heads;
  *mask = (heed_mask){0};
  cli_masks_free(masks);
  if (task->collection != NULL && cli_collection_edges(recipe, graph, task->collection)) return CLI_FAILED;
  if (model->kind == HEED_MODEL_MLP) return CLI_OK;
  if (model->kind == HEED_MODEL_TRANSFORMER && strchr(model->blocks, 'M') == NULL) return CLI_OK;
  const cli_mask_source of = {.data = task->data, .collection = task->collection};
  if (cli_masks_make(masks, &recipe->mask, model->heads, "model", graph, &of)) return CLI_FAILED;
  for (int g = 0; g < masks->n; g++) {
    task->of_heads[g] = &masks->at[g];
    if (heed_encodings_pair_features(&recipe->encodings) > 0 && write_out(&masks->at[g])) return CLI_FAILED;
  }
  if (recipe->mask.n_groups > 0) return CLI_OK;
  *mask = masks->at[0]; /* the caller's from here on */
  masks->n = 0;
  if (task->collection == NULL && heed_mask_is_full(mask) && model->kernel == HEED_KERNEL_AUTO) {
    model->kernel = HEED_KERNEL_DENSE;
  }
  return CLI_OK;
}

static int take_seeds(uint64_t **seeds, int *n_seeds, const cli_lists *lists, uint64_t one) {
  *n_seeds = lists->n_seeds > 0 ? lists->n_seeds : 1;
  *seeds = malloc((size_t)*n_seeds * sizeof **seeds);
  if (*seeds == NULL) return cli_fail("out of memory for %d seeds", *n_seeds);
  **seeds = one;
  for (int i = 0; i < lists->n_seeds; i++) (*seeds)[i] = (uint64_t)lists->seeds[i];
  return CLI_OK;
}

int cli_task_begin(cli_task *task, cli_recipe *recipe, const cli_graph *graph, uint64_t seed,
                   const cli_training *training, const cli_lists *lists, uint64_t **seeds, int *n_seeds) {
  if (take_seeds(seeds, n_seeds, lists, seed)) return CLI_FAILED;
  cli_runs runs = {.seed = seed,
                   .seeds = *seeds,
                   .n_seeds = *n_seeds,
                   .splits = training->splits,
                   .numbers = lists->splits,
                   .n_numbers = lists->n_splits};
  if (cli_task_open(task, graph, recipe->normalize)) return CLI_FAILED;
  return cli_task_prepare(task, recipe, graph->source, &runs);
}

void cli_task_report(heed_report *report, const cli_task *task, const cli_recipe *recipe) {
  if (task->collection != NULL) {
    cli_collection_report(report, task->collection);
    cli_collection_report_splits(report, task, recipe);
    return;
  }
  heed_report_integer(report, "nodes", "nodes", task->n_nodes);
  heed_report_integer(report, "features", "features", recipe->model.features);
  heed_report_integer(report, "classes", "classes", task->classes);
}
