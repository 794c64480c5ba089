/* A collection of graphs made ready for training. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/settings.h"

static const double train_share = 0.8, validation_share = 0.1;
enum { ALL_DRAWN = 10 };

heed_status cli_collection_try(heed_collection **collection, const cli_graph *graph) {
  heed_collection_options options = {.format = graph->options.format,
                                     .smiles = graph->collection.smiles,
                                     .targets = graph->collection.targets,
                                     .kind = graph->collection.kind,
                                     .features = graph->options.features,
                                     .skip_bad = graph->collection.skip_bad};
  *collection = NULL;
  heed_status status = heed_collection_open(collection, graph->source, &options);
  if (status != HEED_OK || !graph->collection.edge_set) return status;
  heed_collection *nodes = *collection;
  *collection = NULL;
  status = heed_collection_line_graphs(collection, nodes);
  heed_collection_free(nodes);
  return status;
}

int cli_collection_open(cli_task *task, const cli_graph *graph) {
  *task = (cli_task){0};
  return cli_collection_take(task, cli_collection_try(&task->collection, graph));
}

int cli_collection_take(cli_task *task, heed_status status) {
  if (cli_check(status, NULL)) return CLI_FAILED;
  task->n_nodes = heed_collection_nodes(task->collection);
  task->n_rows = heed_collection_graphs(task->collection);
  return CLI_OK;
}

/* --- What the targets decide --------------------------------------------------------------- */

/* Metric and loss that were left to the targets. */
static void choose_aims(cli_recipe *recipe, int32_t classes) {
  heed_target_kind kind = recipe->kind;
  if (recipe->metric < 0) {
    recipe->metric = kind == HEED_TARGET_NUMBER   ? HEED_METRIC_RMSE
                     : kind == HEED_TARGET_BINARY ? HEED_METRIC_ROC_AUC
                                                  : HEED_METRIC_ACCURACY;
  }
  if (recipe->loss < 0) {
    bool two =
        kind == HEED_TARGET_BINARY || (classes == 2 && recipe->metric == HEED_METRIC_ROC_AUC);
    recipe->loss = kind == HEED_TARGET_NUMBER ? HEED_LOSS_SQUARED
                   : two                      ? HEED_LOSS_BINARY_CROSS_ENTROPY
                                              : HEED_LOSS_CROSS_ENTROPY;
  }
}

static int check_aims(const cli_recipe *recipe, const char *source) {
  const char *task = cli_kind_name(recipe->kind);
  bool numbers = recipe->kind == HEED_TARGET_NUMBER;
  if (numbers != (recipe->metric > HEED_METRIC_MCC)) {
    return cli_fail("%s: --metric %s does not go with the task, which is %s", source,
                    heed_metric_name((heed_metric)recipe->metric), task);
  }
  if (numbers != (recipe->loss > HEED_LOSS_BINARY_CROSS_ENTROPY) ||
      (recipe->kind == HEED_TARGET_BINARY && recipe->loss == HEED_LOSS_CROSS_ENTROPY)) {
    return cli_fail("%s: --loss %s does not go with the task, which is %s", source,
                    heed_loss_name((heed_loss)recipe->loss), task);
  }
  return CLI_OK;
}

/* Values as the library takes them: rows without gaps. */
static int take_values(cli_task *task, const heed_matrix *values) {
  if (values == NULL) return CLI_OK;
  task->targets.values = values->data;
  if (values->stride == values->cols) return CLI_OK;
  float *copy = cli_floats(values->rows, values->cols, 1);
  if (copy == NULL) return CLI_FAILED;
  for (int64_t i = 0; i < values->rows; i++) {
    memcpy(copy + i * values->cols, values->data + i * values->stride,
           (size_t)values->cols * sizeof *copy);
  }
  task->targets.values = task->one_hot = copy;
  return CLI_OK;
}

static int settle(cli_task *task, cli_recipe *recipe, const char *source) {
  const heed_collection *collection = task->collection;
  heed_model_spec *model = &recipe->model;
  recipe->kind = heed_collection_kind(collection);
  if (recipe->kind == HEED_TARGET_NONE) {
    return cli_fail("%s: there is nothing to learn; --target names columns", source);
  }
  int64_t outputs = heed_collection_outputs(collection);
  bool classes = recipe->kind == HEED_TARGET_CLASS;
  if (classes && outputs < 2) {
    return cli_fail("%s: %lld class, but there is something to learn from 2 on", source,
                    (long long)outputs);
  }
  task->classes = classes ? (int32_t)outputs : 0;
  choose_aims(recipe, task->classes);
  if (check_aims(recipe, source)) return CLI_FAILED;
  recipe->fit.metric = (heed_metric)recipe->metric;
  recipe->fit.loss = (heed_loss)recipe->loss;
  recipe->fit.standardize = recipe->fit.standardize && recipe->kind == HEED_TARGET_NUMBER;
  bool by_columns = classes && recipe->loss == HEED_LOSS_BINARY_CROSS_ENTROPY;
  model->features = heed_collection_features(collection);
  model->outputs = by_columns && outputs == 2 ? 1 : outputs;
  bool pools = model->kind == HEED_MODEL_TRANSFORMER && strchr(model->blocks, 'P') != NULL;
  if (recipe->pooling < 0) recipe->pooling = HEED_POOLING_MEAN;
  if (pools) recipe->pooling = CLI_POOLING_NONE;
  model->pooling = pools ? HEED_POOLING_NONE : (heed_pooling)recipe->pooling;
  if (recipe->split < 0) recipe->split = classes ? HEED_SPLIT_STRATIFIED : HEED_SPLIT_RANDOM;
  task->targets.labels = heed_collection_labels(collection);
  if (take_values(task, heed_collection_values(collection))) return CLI_FAILED;
  return by_columns && model->outputs > 1 ? cli_task_one_hot(task) : CLI_OK;
}

/* --- Splits -------------------------------------------------------------------------------- */

static int draw(cli_task *task, const cli_recipe *recipe, const char *source, uint64_t seed,
                int splits) {
  heed_collection_split_options options = {.kind = (heed_collection_split_kind)recipe->split,
                                           .seed = seed,
                                           .splits = splits,
                                           .train = train_share,
                                           .validation = validation_share};
  task->drawn = true;
  return cli_check(heed_collection_split(task->collection, &options), source);
}

/* Every seed draws its own. */
static int draw_paired(cli_task *task, const cli_recipe *recipe, const char *source,
                       const cli_runs *runs) {
  size_t n = (size_t)task->n_rows;
  task->paired = true;
  task->made = calloc(3 * (size_t)runs->n_seeds, sizeof *task->made);
  if (task->made == NULL || cli_task_room(task, runs->n_seeds)) {
    return cli_fail("out of memory for the splits of %d seeds", runs->n_seeds);
  }
  for (int s = 0; s < runs->n_seeds; s++) {
    if (draw(task, recipe, source, runs->seeds[s], 1)) return CLI_FAILED;
    for (int part = 0; part < 3; part++) {
      uint8_t *copy = malloc(n + 1);
      if (copy == NULL) return cli_fail("out of memory for the splits of %d seeds", runs->n_seeds);
      memcpy(copy, heed_collection_split_part(task->collection, 0, (heed_part)part), n);
      task->made[task->n_made++] = copy;
      task->parts[part][s] = copy;
    }
  }
  return CLI_OK;
}

/* Splits by number; all where none are listed. */
static int draw_numbered(cli_task *task, const cli_recipe *recipe, const char *source,
                         const cli_runs *runs) {
  bool folds = cli_folds(recipe);
  int64_t last = runs->n_numbers > 0 ? 0 : ALL_DRAWN - 1;
  for (int i = 0; i < runs->n_numbers; i++) {
    last = runs->numbers[i] > last ? runs->numbers[i] : last;
  }
  int there = folds ? recipe->folds : (int)(last < CLI_MOST_SPLITS ? last + 1 : CLI_MOST_SPLITS);
  if (last >= there && runs->n_numbers > 0) {
    return cli_fail("%s: split %lld, but there are %s 0 to %d", source, (long long)last,
                    folds ? "folds" : "splits", there - 1);
  }
  if (draw(task, recipe, source, runs->seed, there) ||
      cli_task_room(task, runs->n_numbers > 0 ? runs->n_numbers : there)) {
    return CLI_FAILED;
  }
  for (int s = 0; s < task->n_splits; s++) {
    task->splits[s] = runs->n_numbers > 0 ? (int)runs->numbers[s] : s;
    for (int part = 0; part < 3; part++) {
      task->parts[part][s] =
          heed_collection_split_part(task->collection, task->splits[s], (heed_part)part);
    }
  }
  return CLI_OK;
}

int cli_collection_prepare(cli_task *task, cli_recipe *recipe, const char *source,
                           const cli_runs *runs) {
  if (settle(task, recipe, source)) return CLI_FAILED;
  if (runs->splits == NULL && !cli_folds(recipe)) {
    return draw_paired(task, recipe, source, runs);
  }
  return draw_numbered(task, recipe, source, runs);
}

int cli_collection_redraw(cli_task *task, const char *source, const char *kind, int folds,
                          uint64_t seed, int number) {
  heed_collection_split_kind split;
  if (cli_check(heed_collection_split_from_name(kind, &split), source)) return CLI_FAILED;
  cli_recipe recipe = {.split = (int)split};
  return draw(task, &recipe, source, seed, cli_folds(&recipe) ? folds : number + 1);
}

/* --- Masks --------------------------------------------------------------------------------- */

int cli_collection_edges(cli_recipe *recipe, const cli_graph *graph, const heed_collection *collection) {
  heed_model_spec *model = &recipe->model;
  int64_t there = heed_collection_edge_features(collection);
  bool masked = model->kind != HEED_MODEL_MLP &&
                (model->kind != HEED_MODEL_TRANSFORMER || strchr(model->blocks, 'M') != NULL);
  bool by_edges = recipe->mask.needs.edges;
  if (recipe->edges > 0 && there == 0) {
    return cli_fail("%s: --edges %s, but there are no edge features", graph->source,
                    heed_edge_use_name((heed_edge_use)recipe->edges));
  }
  if (heed_encodings_pair_features(&recipe->encodings) > 0 && recipe->edges < 0) {
    if (there > 0 && masked && by_edges) {
      return cli_fail("%s: --encoding quadratic has no place beside the %lld features of an edge; --edges none leaves "
                      "them out", graph->source, (long long)there);
    }
    recipe->edges = HEED_EDGES_NONE;
  }
  if (recipe->edges < 0) recipe->edges = there > 0 ? HEED_EDGES_ADD : HEED_EDGES_NONE;
  if (!masked || !by_edges) recipe->edges = HEED_EDGES_NONE;
  model->edges = (heed_edge_use)recipe->edges;
  model->edge_features = recipe->edges > 0 ? there : 0;
  return CLI_OK;
}

/* --- Telling it ---------------------------------------------------------------------------- */

void cli_collection_report(heed_report *report, const heed_collection *collection) {
  int64_t skipped = heed_collection_skipped(collection);
  heed_target_kind kind = heed_collection_kind(collection);
  heed_report_integer(report, "graphs", "graphs", heed_collection_graphs(collection));
  heed_report_integer(report, "skipped", skipped > 0 ? "left out" : NULL, skipped);
  heed_report_integer(report, "nodes", "nodes", heed_collection_nodes(collection));
  heed_report_integer(report, "edges", "edges", heed_collection_edge_count(collection));
  heed_report_integer(report, "features", "features", heed_collection_features(collection));
  heed_report_integer(report, "edge_features", "edge features",
                      heed_collection_edge_features(collection));
  heed_report_text(report, "task", "task", kind == HEED_TARGET_NONE ? "none" : cli_kind_name(kind));
  if (kind != HEED_TARGET_NONE) {
    bool classes = kind == HEED_TARGET_CLASS;
    heed_report_integer(report, classes ? "classes" : "targets", classes ? "classes" : "targets",
                        heed_collection_outputs(collection));
  }
  for (int64_t i = 0; i < skipped; i++) {
    const char *why = heed_collection_skip(collection, i);
    if (why == NULL) break; /* the first are kept */
    heed_report *row = heed_report_row(report, "skips", "left out");
    heed_report_text(row, "reason", "what and why", why);
  }
}

static int64_t count(const uint8_t *part, int64_t n) {
  int64_t in = 0;
  for (int64_t i = 0; part != NULL && i < n; i++) in += part[i] != 0;
  return in;
}

void cli_collection_report_splits(heed_report *report, const cli_task *task,
                                  const cli_recipe *recipe) {
  heed_report *split = heed_report_record(report, "split", "splits");
  heed_report_text(split, "kind", "kind",
                   heed_collection_split_name((heed_collection_split_kind)recipe->split));
  heed_report_integer(split, "splits", "splits", task->n_splits);
  heed_report_flag(split, "by_seed", task->paired ? "one for each seed" : NULL, task->paired);
  heed_report_integer(split, "train", "training, the first",
                      count(task->parts[HEED_PART_TRAIN][0], task->n_rows));
  heed_report_integer(split, "validation", "validation",
                      count(task->parts[HEED_PART_VALIDATION][0], task->n_rows));
  heed_report_integer(split, "test", "test", count(task->parts[HEED_PART_TEST][0], task->n_rows));
}

/* The names of the outputs with `between` between them, for free(). */
static char *join_names(const heed_collection *collection, char between) {
  char *text = NULL;
  size_t size;
  FILE *stream = open_memstream(&text, &size);
  for (int64_t c = 0; stream != NULL && c < heed_collection_outputs(collection); c++) {
    if (c > 0) fputc(between, stream);
    fputs(heed_collection_target_name(collection, c), stream);
  }
  if (stream == NULL || fclose(stream) != 0) {
    cli_fail("out of memory for the names of the targets");
    return NULL;
  }
  return text;
}

int cli_collection_describe(cli_collection_metadata *data, const cli_task *task,
                            const cli_recipe *recipe, const cli_graph *graph) {
  const cli_collection *read = &graph->collection;
  *data = (cli_collection_metadata){.names = join_names(task->collection, '\n'),
                                    .columns = join_names(task->collection, ',')};
  if (data->names == NULL || data->columns == NULL) {
    cli_collection_metadata_free(data);
    return CLI_FAILED;
  }
  snprintf(data->graphs, sizeof data->graphs, "%lld", (long long)task->n_rows);
  snprintf(data->folds, sizeof data->folds, "%d", recipe->folds);
  const char *columns = recipe->kind == HEED_TARGET_CLASS ? "" : data->columns;
  const char *const pairs[] = {
      "heed.graphs",
      data->graphs,
      "heed.task",
      cli_kind_name(recipe->kind),
      "heed.smiles",
      read->smiles != NULL ? read->smiles : "",
      "heed.targets",
      read->targets != NULL ? read->targets : columns,
      "heed.edge_set",
      read->edge_set ? "yes" : "no",
      "heed.outputs",
      data->names,
      "heed.split_kind",
      heed_collection_split_name((heed_collection_split_kind)recipe->split),
      "heed.folds",
      data->folds,
      NULL};
  _Static_assert(sizeof pairs <= sizeof data->pairs, "there is room for all");
  memcpy(data->pairs, pairs, sizeof pairs);
  return CLI_OK;
}

void cli_collection_metadata_free(cli_collection_metadata *data) {
  free(data->names);
  free(data->columns);
}
