/* heed predict: a trained model on a data set. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/learn.h"

typedef struct predict_input {
  cli_global *global;
  cli_graph graph;
  cli_mask mask;
  bool mask_given;
  const char *model;
  const char *output;
  bool weights;
} predict_input;

enum { KEY_MODEL = 0x300, KEY_MASK, KEY_WEIGHTS };

static const struct argp_option option_table[] = {
    {"model", KEY_MODEL, "FILE.safetensors", 0, "The model, as 'heed train' wrote it", 0},
    {"output", 'o', "FILE.npz", 0,
     "Write the predictions here; of a collection, a name that ends in .csv gets a table", 0},
    {"weights", KEY_WEIGHTS, NULL, 0, "Write the attention of every layer too", 0},
    {"mask", KEY_MASK, "MASK", 0, "Another mask (default: that of the training)", 0},
    {0}};

static error_t parse(int key, char *text, struct argp_state *state) {
  predict_input *input = state->input;
  switch (key) {
    case ARGP_KEY_INIT:
      state->child_inputs[0] = &input->graph;
      state->child_inputs[1] = &input->graph.collection;
      state->child_inputs[2] = input->global;
      return 0;
    case KEY_MODEL:
      input->model = text;
      return 0;
    case 'o':
      input->output = text;
      return 0;
    case KEY_WEIGHTS:
      input->weights = true;
      return 0;
    case KEY_MASK:
      cli_parse_mask(state, "--mask", text, &input->mask);
      input->mask_given = true;
      return 0;
    case ARGP_KEY_END:
      cli_graph_check(state, &input->graph);
      if (input->weights && cli_graph_many(&input->graph)) {
        argp_error(state, "--weights is for one graph, and %s is a collection",
                   input->graph.source);
      }
      if (input->model == NULL) argp_error(state, "--model FILE.safetensors is missing");
      if (input->weights && input->output == NULL) argp_error(state, "--weights needs --output");
      if (input->output != NULL && input->output[0] == '\0') {
        argp_error(state, "the name of a file is empty");
      }
      if (input->output != NULL && input->global->json != NULL &&
          strcmp(input->output, input->global->json) == 0) {
        argp_error(state, "two outputs would go to '%s'", input->output);
      }
      return 0;
    default:
      return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp_child children[] = {
    {&cli_graph_argp, 0, "The graph:", 2},
    {&cli_collection_argp, 0, "A collection of graphs:", 3},
    {&cli_global_argp, 0, "Global options:", 4},
    {0}};

static const struct argp argp = {
    .options = option_table,
    .parser = parse,
    .args_doc = "DATA",
    .doc =
        "Predicts the labels of nodes, or of the graphs of a collection, by a trained model. How the "
        "data is read is as it was in training, where the options do not say otherwise.",
    .children = children};

/* Everything a prediction holds. */
typedef struct predict {
  predict_input *options;
  heed_safetensors *file; /* for its metadata */
  heed_model *model;
  cli_task task;
  heed_mask mask;
  heed_pass *pass;    /* NULL unless weights are wanted */
  heed_matrix logits; /* the pass's, or: */
  float *output;
  int32_t *labels;    /* predicted */
  float *probabilities;
  cli_layer *layers; /* of attention: [n_layers] */
  int n_layers;
} predict;

/* --- As it was in training ----------------------------------------------------------------- */

/* What the command line left open is as the file says. */
static int take_over(predict *run) {
  predict_input *options = run->options;
  cli_graph *graph = &options->graph;
  if (cli_metadata(run->file, "heed.graphs") != NULL) {
    return cli_fail("%s: was trained on a collection, but %s is one graph", options->model,
                    graph->source);
  }
  cli_seed_as_trained(run->file, options->global, graph);
  options->global->seed = graph->options.seed; /* the splits are drawn by it too */
  return cli_as_trained(run->file, options->model, graph, &options->mask, options->mask_given);
}

static int open_all(predict *run) {
  predict_input *options = run->options;
  if (cli_check(heed_safetensors_open(&run->file, options->model), NULL) || take_over(run) ||
      cli_check(heed_model_load(&run->model, options->model), NULL)) {
    return CLI_FAILED;
  }
  const char *normalize = options->graph.normalize;
  bool divide = normalize != NULL && strcmp(normalize, "row-normalize") == 0;
  if (cli_task_open(&run->task, &options->graph, divide)) return CLI_FAILED;
  const heed_model_spec *spec = heed_model_get_spec(run->model);
  cli_recipe recipe = {.mask = options->mask};
  if (spec == NULL) return cli_fail("%s: does not say what model it is", options->model);
  recipe.model = *spec;
  if (cli_encode_as_trained(&run->task, &recipe, run->file, options->model)) return CLI_FAILED;
  int64_t there = recipe.model.features;
  int64_t wanted = heed_model_feature_count(run->model);
  if (there != wanted) {
    return cli_fail("%s: %lld features a node, but %s takes %lld", options->graph.source,
                    (long long)there, options->model, (long long)wanted);
  }
  if (cli_recipe_mask(&run->mask, &recipe, &options->graph, &run->task)) return CLI_FAILED;
  return cli_encode_pairs(&run->task, &recipe, &run->mask);
}

/* --- Predicting ---------------------------------------------------------------------------- */

static int compute(predict *run) {
  heed_model_inputs inputs = cli_task_inputs(&run->task, &run->mask);
  if (!run->options->weights) { /* in bounded memory */
    int64_t outputs = heed_model_output_count(run->model);
    run->output = cli_floats(inputs.n_nodes, outputs, 1);
    if (run->output == NULL) return CLI_FAILED;
    run->logits = heed_matrix_view(run->output, inputs.n_nodes, outputs);
    return cli_check(heed_model_infer(run->model, &inputs, 0, run->output), NULL);
  }
  if (cli_check(heed_pass_new(&run->pass, run->model, &inputs, false), NULL)) return CLI_FAILED;
  heed_status status = heed_pass_forward(run->pass, HEED_MODE_EVALUATE, 0, 0, &run->logits);
  if (cli_check(status, NULL)) return CLI_FAILED;
  int n = cli_layers(run->pass);
  run->layers = calloc((size_t)n + 1, sizeof *run->layers);
  if (run->layers == NULL) return cli_fail("out of memory for the attention");
  for (run->n_layers = 0; run->n_layers < n; run->n_layers++) {
    cli_layer *layer = &run->layers[run->n_layers];
    if (cli_layer_take(layer, run->pass, run->n_layers)) {
      cli_layer_free(layer);
      return CLI_FAILED;
    }
  }
  return CLI_OK;
}

static int decide(predict *run) {
  const heed_matrix *x = &run->logits;
  run->labels = malloc(((size_t)x->rows + 1) * sizeof *run->labels);
  run->probabilities = cli_floats(x->rows, x->cols, 1);
  if (run->labels == NULL || run->probabilities == NULL) {
    return cli_fail("out of memory for the predictions");
  }
  cli_decide(x, false, run->probabilities, run->labels);
  return CLI_OK;
}

/* --- Output -------------------------------------------------------------------------------- */

static heed_array matrix(const char *name, const heed_matrix *x, const float *data) {
  return (heed_array){name, HEED_DTYPE_FLOAT32, 2, {x->rows, x->cols}, data};
}

/* The attention of a layer: [pairs, H], or [N, N, H] where every node sees every node. */
static heed_array attention(const cli_layer *layer, int number, char *name, size_t size) {
  const heed_mask *mask = layer->mask;
  snprintf(name, size, "attention_%d", number);
  heed_array result = {
      name, HEED_DTYPE_FLOAT32, 2, {mask->n_pairs, layer->spec.heads}, layer->weights};
  if (mask->indptr == NULL) {
    result.n_dims = 3;
    result.shape[0] = mask->n_queries;
    result.shape[1] = mask->n_keys;
    result.shape[2] = layer->spec.heads;
  }
  return result;
}

static int write_output(const predict *run) {
  enum { MOST = 2 * HEED_MAX_BLOCKS };
  const heed_matrix *x = &run->logits;
  heed_array arrays[MOST + 8];
  char names[MOST][24];
  int n = 0;
  float *dense = NULL; /* rows of the logits without gaps */
  const float *logits = x->data;
  if (x->stride != x->cols) {
    dense = cli_floats(x->rows, x->cols, 1);
    if (dense == NULL) return CLI_FAILED;
    for (int64_t i = 0; i < x->rows; i++) {
      memcpy(dense + i * x->cols, x->data + i * x->stride, (size_t)x->cols * sizeof *dense);
    }
    logits = dense;
  }
  arrays[n++] = matrix("logits", x, logits);
  arrays[n++] = (heed_array){"labels", HEED_DTYPE_INT32, 1, {x->rows}, run->labels};
  arrays[n++] = matrix("probabilities", x, run->probabilities);
  const heed_mask *pairs = NULL;
  for (int a = 0; a < run->n_layers && a < MOST; a++) {
    arrays[n++] = attention(&run->layers[a], a, names[a], sizeof names[a]);
    if (run->layers[a].mask->indptr != NULL) pairs = run->layers[a].mask;
  }
  heed_mask listed = {0}; /* one of runs has its keys written out */
  int failed = CLI_OK;
  if (pairs != NULL && pairs->indices == NULL) {
    failed = cli_check(heed_mask_explicit(&listed, pairs), NULL);
    pairs = &listed;
  }
  if (pairs != NULL) {
    arrays[n++] =
        (heed_array){"indptr", HEED_DTYPE_INT64, 1, {pairs->n_queries + 1}, pairs->indptr};
    arrays[n++] = (heed_array){"indices", HEED_DTYPE_INT32, 1, {pairs->n_pairs}, pairs->indices};
  }
  if (!failed) failed = cli_check(heed_npz_write(run->options->output, arrays, n), NULL);
  heed_mask_free(&listed);
  free(dense);
  return failed;
}

/* The metric over some rows; NAN where it is not defined. */
static double measure(const predict *run, heed_metric metric, const uint8_t *rows) {
  double value;
  heed_status status = heed_metric_compute(metric, &run->logits, &run->task.targets, rows, &value);
  return status == HEED_OK ? value : NAN;
}

/* How well it does where labels are known, on all nodes and on the parts of the split that the
 * model was trained on. */
static int report_quality(heed_report *report, predict *run) {
  static const char *const names[] = {"train", "validation", "test"};
  static const char *const labels[] = {"training nodes", "validation nodes", "test nodes"};
  const char *wanted = cli_metadata(run->file, "heed.metric"), *split = cli_metadata(run->file, "heed.split");
  const char *drawn = cli_metadata(run->file, "heed.splits_drawn");
  cli_task *task = &run->task;
  heed_metric metric = HEED_METRIC_ACCURACY;
  if (task->targets.labels == NULL) return CLI_OK;
  int64_t outputs = run->logits.cols;
  if (task->classes > (outputs == 1 ? 2 : outputs)) return CLI_OK; /* not the labels learnt */
  if (wanted != NULL && heed_metric_from_name(wanted, &metric) != HEED_OK) {
    metric = HEED_METRIC_ACCURACY;
  }
  heed_report_number(report, "accuracy", "accuracy", measure(run, HEED_METRIC_ACCURACY, NULL), 4);
  long number = split != NULL ? strtol(split, NULL, 10) : -1;
  if (number < 0 || number >= CLI_MOST_SPLITS) return CLI_OK;
  if (drawn != NULL && strcmp(drawn, "yes") == 0 && heed_data_splits(task->data) == 0) {
    if (cli_task_draw(task, run->options->graph.source, run->options->global->seed, number)) {
      return CLI_FAILED;
    }
  }
  if (number >= heed_data_splits(task->data)) return CLI_OK;
  heed_report *record = heed_report_record(report, "split", "as in training");
  heed_report_integer(record, "split", "split", number);
  heed_report_text(record, "metric", "metric", heed_metric_name(metric));
  for (int part = 0; part < 3; part++) {
    const uint8_t *rows = heed_data_split(task->data, (int)number, (heed_part)part);
    heed_report_number(record, names[part], labels[part], measure(run, metric, rows), 4);
  }
  return CLI_OK;
}

static int fill_report(heed_report *report, predict *run) {
  const predict_input *options = run->options;
  const heed_model_spec *spec = heed_model_get_spec(run->model);
  heed_report_text(report, "dataset", "data", options->graph.source);
  heed_report_text(report, "model_file", "model", options->model);
  heed_report_text(report, "model", "kind", heed_model_kind_name(spec->kind));
  heed_report_integer(report, "nodes", "nodes", run->task.n_nodes);
  heed_report_integer(report, "outputs", "outputs", run->logits.cols);
  if (cli_task_masked(&run->task, &run->mask)) {
    heed_report_text(report, "mask", "mask", options->mask.name);
    heed_report_integer(report, "pairs", "pairs", cli_task_pairs(&run->task, &run->mask));
  }
  heed_report_integer(report, "parameters", "parameters", heed_model_parameter_count(run->model));
  if (report_quality(report, run)) return CLI_FAILED;
  for (int a = 0; a < run->n_layers; a++) {
    const cli_layer *layer = &run->layers[a];
    char name[24];
    snprintf(name, sizeof name, "attention_%d", a);
    heed_report *row = heed_report_row(report, "attention", "attention");
    heed_report_text(row, "array", "array", name);
    heed_report_text(row, "layer", "layer", layer->name);
    heed_report_text(row, "score", "score", heed_score_name(layer->spec.score));
    cli_report_normalizer(row, layer->spec.normalizer);
    heed_report_integer(row, "heads", "heads", layer->spec.heads);
    heed_report_integer(row, "pairs", "pairs", layer->mask->n_pairs);
    heed_report_flag(row, "full", "full", layer->mask->indptr == NULL);
  }
  cli_report_machine(report);
  if (options->output) heed_report_text(report, "output", "written", options->output);
  return CLI_OK;
}

int cmd_predict(cli_global *global, int argc, char **argv) {
  predict_input options = {
      .global = global, .graph = cli_graph_default(), .mask = cli_mask_named("graph")};
  options.graph.training = true;
  if (cli_parse(&argp, argc, argv, &options)) return CLI_FAILED;
  if (cli_graph_many(&options.graph)) {
    cli_prediction of_graphs = {.global = global,
                                .graph = &options.graph,
                                .model = options.model,
                                .output = options.output,
                                .mask = &options.mask,
                                .mask_given = options.mask_given};
    return cli_predict_collection(&of_graphs);
  }
  predict run = {.options = &options};
  heed_report *report = NULL;
  int failed = open_all(&run);
  if (!failed) failed = compute(&run);
  if (!failed) failed = decide(&run);
  if (!failed) failed = cli_check(heed_report_new(&report), NULL);
  if (!failed) failed = fill_report(report, &run);
  if (!failed && options.output != NULL) failed = write_output(&run);
  if (!failed) failed = cli_report(report, global, options.output);
  heed_report_free(report);
  for (int a = 0; a < run.n_layers; a++) cli_layer_free(&run.layers[a]);
  free(run.layers);
  free(run.labels);
  free(run.probabilities);
  heed_pass_free(run.pass);
  free(run.output);
  heed_mask_free(&run.mask);
  cli_task_close(&run.task);
  heed_model_free(run.model);
  heed_safetensors_close(run.file); /* its metadata was in use until here */
  return failed;
}
