/* heed predict on a collection: one row a graph. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/learn.h"

/* Everything a prediction holds. Outputs have the names they had in training; so have classes. */
typedef struct prediction {
  cli_prediction *options;
  heed_safetensors *file; /* for its metadata */
  heed_model *model;
  cli_task task;
  heed_mask mask;
  heed_target_kind kind; /* of the training */
  int64_t graphs;
  char *name_text;
  char **names; /* of classes or columns: [n_names] */
  int64_t n_names;
  heed_matrix outputs;  /* [graphs, outputs] */
  float *probabilities; /* the same shape; NULL for numbers */
  int32_t *labels;      /* predicted: for classes */
  int32_t *known;       /* labels, by the numbers of training; NULL where there are none */
  float *values;        /* known targets in the columns of training, the same shape, or NULL */
} prediction;

/* --- As it was in training ----------------------------------------------------------------- */

static int split_names(prediction *run) {
  const char *text = cli_metadata(run->file, "heed.outputs");
  run->name_text = strdup(text != NULL ? text : "");
  run->names =
      run->name_text != NULL ? malloc((strlen(run->name_text) + 2) * sizeof *run->names) : NULL;
  if (run->names == NULL) return cli_fail("out of memory for the names of the outputs");
  for (char *at = run->name_text;; at++) {
    run->names[run->n_names++] = at;
    at += strcspn(at, "\n");
    if (*at == '\0') return CLI_OK;
    *at = '\0';
  }
}

/* What the command line left open is as the file says. */
static int take_over(prediction *run) {
  cli_prediction *options = run->options;
  cli_graph *graph = options->graph;
  cli_collection *read = &graph->collection;
  const char *task = cli_metadata(run->file, "heed.task");
  if (cli_metadata(run->file, "heed.graphs") == NULL || task == NULL) {
    return cli_fail("%s: was trained on one graph, but %s is a collection", options->model,
                    graph->source);
  }
  for (int i = HEED_TARGET_CLASS; i <= HEED_TARGET_NUMBER; i++) {
    if (strcmp(task, cli_kind_name((heed_target_kind)i)) == 0) run->kind = (heed_target_kind)i;
  }
  if (run->kind == HEED_TARGET_NONE) {
    return cli_fail("%s: heed.task: '%s' is no task", options->model, task);
  }
  if (read->kind == HEED_TARGET_NONE) read->kind = run->kind;
  if (cli_as_trained(run->file, options->model, graph, options->mask, options->mask_given)) {
    return CLI_FAILED;
  }
  return split_names(run);
}

/* With the targets of the training where the source has them, else with none. */
static int open_source(prediction *run) {
  cli_graph *graph = run->options->graph;
  cli_collection *read = &graph->collection;
  const char *targets = cli_metadata(run->file, "heed.targets");
  bool ours = read->targets == NULL && targets != NULL;
  if (ours) read->targets = targets;
  heed_status status = cli_collection_try(&run->task.collection, graph);
  if (status == HEED_ARGUMENT && ours) {
    read->targets = "";
    read->kind = HEED_TARGET_NONE;
    status = cli_collection_try(&run->task.collection, graph);
  }
  return cli_collection_take(&run->task, status);
}

static int open_all(prediction *run) {
  cli_prediction *options = run->options;
  if (cli_check(heed_safetensors_open(&run->file, options->model), NULL) || take_over(run) ||
      cli_check(heed_model_load(&run->model, options->model), NULL) || open_source(run)) {
    return CLI_FAILED;
  }
  const heed_collection *collection = run->task.collection;
  const char *source = options->graph->source;
  const heed_model_spec *spec = heed_model_get_spec(run->model);
  if (spec == NULL) return cli_fail("%s: does not say what model it is", options->model);
  cli_recipe recipe = {.model = *spec, .mask = *options->mask, .edges = (int)spec->edges};
  if (cli_encode_as_trained(&run->task, &recipe, run->file, options->model)) return CLI_FAILED;
  recipe.model = *spec;
  int64_t there = heed_collection_features(collection);
  if (there != spec->features) {
    return cli_fail("%s: %lld features a node, but %s takes %lld", source, (long long)there,
                    options->model, (long long)spec->features);
  }
  there = heed_collection_edge_features(collection);
  bool quadratic = heed_encodings_pair_features(&recipe.encodings) > 0;
  if (quadratic) there = heed_encodings_pair_features(&recipe.encodings);
  if (spec->edges != HEED_EDGES_NONE && there != spec->edge_features) {
    return cli_fail("%s: %lld features an edge, but %s takes %lld", source, (long long)there,
                    options->model, (long long)spec->edge_features);
  }
  run->graphs = run->task.n_rows;
  if (quadratic) recipe.edges = HEED_EDGES_NONE; /* those of the edges */
  if (cli_recipe_mask(&run->mask, &recipe, options->graph, &run->task) ||
      cli_encode_pairs(&run->task, &recipe, &run->mask)) {
    return CLI_FAILED;
  }
  bool by_edges = spec->edges != HEED_EDGES_NONE && !quadratic;
  return by_edges ? cli_task_know_edges(&run->task, &run->mask) : CLI_OK;
}

/* --- Predicting ---------------------------------------------------------------------------- */

/* The classes of this source by the numbers that they had in training; -1 for others. */
static int number_labels(prediction *run) {
  const heed_collection *collection = run->task.collection;
  const int32_t *labels = heed_collection_labels(collection);
  if (labels == NULL || heed_collection_kind(collection) != run->kind) return CLI_OK;
  run->known = malloc(((size_t)run->graphs + 1) * sizeof *run->known);
  if (run->known == NULL) return cli_fail("out of memory for the labels");
  for (int64_t g = 0; g < run->graphs; g++) {
    run->known[g] = -1;
    if (labels[g] < 0) continue;
    const char *name = heed_collection_target_name(collection, labels[g]);
    for (int64_t c = 0; c < run->n_names; c++) {
      if (strcmp(run->names[c], name) == 0) run->known[g] = (int32_t)c;
    }
  }
  return CLI_OK;
}

static int compute(prediction *run) {
  heed_model_inputs pairs = cli_task_inputs(&run->task, &run->mask);
  const heed_collection *collection = run->task.collection;
  int64_t outputs = heed_model_output_count(run->model);
  float *x = cli_floats(run->graphs, outputs, 1);
  if (x == NULL) return CLI_FAILED;
  run->outputs = heed_matrix_view(x, run->graphs, outputs);
  if (cli_check(heed_predict_collection(run->model, collection, &pairs, 0, x), NULL)) {
    return CLI_FAILED;
  }
  if (run->kind != HEED_TARGET_NUMBER) {
    run->probabilities = cli_floats(run->graphs, outputs, 1);
    if (run->probabilities == NULL) return CLI_FAILED;
  }
  if (run->kind == HEED_TARGET_CLASS) {
    run->labels = malloc(((size_t)run->graphs + 1) * sizeof *run->labels);
    if (run->labels == NULL) return cli_fail("out of memory for the predictions");
    if (number_labels(run)) return CLI_FAILED;
  } else if (heed_collection_kind(collection) == run->kind &&
             heed_collection_outputs(collection) == outputs) {
    const heed_matrix *values = heed_collection_values(collection);
    run->values = cli_floats(run->graphs, outputs, 1);
    if (run->values == NULL) return CLI_FAILED;
    for (int64_t g = 0; g < run->graphs; g++) {
      memcpy(run->values + g * outputs, values->data + g * values->stride,
             (size_t)outputs * sizeof *run->values);
    }
  }
  if (run->probabilities != NULL) {
    cli_decide(&run->outputs, run->kind == HEED_TARGET_BINARY, run->probabilities, run->labels);
  }
  return CLI_OK;
}

/* --- Output -------------------------------------------------------------------------------- */

static int write_npz(const prediction *run) {
  const heed_matrix *x = &run->outputs;
  bool numbers = run->kind == HEED_TARGET_NUMBER;
  heed_array arrays[6];
  int n = 0;
  int64_t *rows = malloc(((size_t)run->graphs + 1) * sizeof *rows);
  if (rows == NULL) return cli_fail("out of memory for the predictions");
  for (int64_t g = 0; g < run->graphs; g++) {
    rows[g] = heed_collection_row(run->task.collection, g);
  }
  arrays[n++] = (heed_array){"rows", HEED_DTYPE_INT64, 1, {x->rows}, rows};
  arrays[n++] = (heed_array){
      numbers ? "predictions" : "logits", HEED_DTYPE_FLOAT32, 2, {x->rows, x->cols}, x->data};
  if (!numbers) {
    arrays[n++] = (heed_array){
        "probabilities", HEED_DTYPE_FLOAT32, 2, {x->rows, x->cols}, run->probabilities};
  }
  if (run->labels != NULL) {
    arrays[n++] = (heed_array){"labels", HEED_DTYPE_INT32, 1, {x->rows}, run->labels};
  }
  if (run->known != NULL) {
    arrays[n++] = (heed_array){"known_labels", HEED_DTYPE_INT32, 1, {x->rows}, run->known};
  }
  if (run->values != NULL) {
    arrays[n++] = (heed_array){"targets", HEED_DTYPE_FLOAT32, 2, {x->rows, x->cols}, run->values};
  }
  int failed = cli_check(heed_npz_write(run->options->output, arrays, n), NULL);
  free(rows);
  return failed;
}

/* A field of a CSV as RFC 4180 has it, after a comma. */
static void put_field(FILE *file, const char *text, const char *more) {
  fputc(',', file);
  if (text[strcspn(text, ",\"\r\n")] == '\0') {
    fprintf(file, "%s%s", text, more);
    return;
  }
  fputc('"', file);
  for (; *text != '\0'; text++) {
    if (*text == '"') fputc('"', file);
    fputc(*text, file);
  }
  fprintf(file, "%s\"", more);
}

static void put_number(FILE *file, float x) {
  fputc(',', file);
  if (isfinite(x)) fprintf(file, "%.9g", (double)x);
}

static const char *name_of(const prediction *run, int64_t column) {
  return column < run->n_names ? run->names[column] : "";
}

static void write_head(FILE *file, const prediction *run) {
  const char *predicted = run->kind == HEED_TARGET_NUMBER ? " predicted" : " probability";
  fputs("row,name", file);
  if (run->kind == HEED_TARGET_CLASS) {
    if (run->known != NULL) fputs(",label", file);
    fputs(",predicted", file);
  }
  for (int64_t c = 0; c < run->outputs.cols; c++) {
    int64_t of = run->kind == HEED_TARGET_CLASS && run->outputs.cols == 1 ? 1 : c;
    if (run->values != NULL) put_field(file, name_of(run, c), "");
    put_field(file, name_of(run, of), predicted);
  }
  fputc('\n', file);
}

static int write_csv(const prediction *run) {
  const heed_collection *collection = run->task.collection;
  const char *path = run->options->output;
  const float *shown = run->probabilities != NULL ? run->probabilities : run->outputs.data;
  char *temporary;
  FILE *file = cli_file_begin(path, &temporary);
  if (file == NULL) return CLI_FAILED;
  write_head(file, run);
  for (int64_t g = 0; g < run->graphs; g++) {
    fprintf(file, "%lld", (long long)heed_collection_row(collection, g));
    put_field(file, heed_collection_name(collection, g), "");
    if (run->known != NULL) {
      put_field(file, run->known[g] >= 0 ? name_of(run, run->known[g]) : "", "");
    }
    if (run->labels != NULL) put_field(file, name_of(run, run->labels[g]), "");
    for (int64_t c = 0; c < run->outputs.cols; c++) {
      if (run->values != NULL) put_number(file, run->values[g * run->outputs.cols + c]);
      put_number(file, shown[g * run->outputs.cols + c]);
    }
    fputc('\n', file);
  }
  return cli_file_end(file, path, temporary);
}

static int write_output(const prediction *run) {
  const char *path = run->options->output;
  size_t n = strlen(path);
  return n > 4 && strcmp(path + n - 4, ".csv") == 0 ? write_csv(run) : write_npz(run);
}

/* --- The report ---------------------------------------------------------------------------- */

static bool any_known(const prediction *run) {
  for (int64_t g = 0; run->known != NULL && g < run->graphs; g++) {
    if (run->known[g] >= 0) return true;
  }
  for (int64_t i = 0; run->values != NULL && i < run->graphs * run->outputs.cols; i++) {
    if (!isnan(run->values[i])) return true;
  }
  return false;
}

/* How well it does where that is known: on all graphs, and, of a source with as many graphs as the
 * training had, on the parts of its split. */
static int report_quality(heed_report *report, prediction *run) {
  static const char *const keys[] = {"train", "validation", "test"};
  static const char *const labels[] = {"training graphs", "validation graphs", "test graphs"};
  const char *wanted = cli_metadata(run->file, "heed.metric"), *kind = cli_metadata(run->file, "heed.split_kind");
  const char *split = cli_metadata(run->file, "heed.split"), *folds = cli_metadata(run->file, "heed.folds");
  const char *seed = cli_metadata(run->file, "heed.seed"), *graphs = cli_metadata(run->file, "heed.graphs");
  heed_metric metric;
  double value;
  if (!any_known(run) || wanted == NULL) return CLI_OK;
  if (cli_check(heed_metric_from_name(wanted, &metric), run->options->model)) return CLI_FAILED;
  heed_targets targets = {.labels = run->known, .values = run->values};
  heed_status status = heed_metric_compute(metric, &run->outputs, &targets, NULL, &value);
  heed_report_text(report, "metric", "metric", wanted);
  heed_report_number(report, "value", "on all that is known", status == HEED_OK ? value : NAN, 4);
  if (split == NULL || kind == NULL || folds == NULL || seed == NULL ||
      strtoll(graphs, NULL, 10) != run->graphs) {
    return CLI_OK;
  }
  long number = strtol(split, NULL, 10);
  if (number < 0 || number >= CLI_MOST_SPLITS) return CLI_OK;
  if (cli_collection_redraw(&run->task, run->options->graph->source, kind, atoi(folds),
                            strtoull(seed, NULL, 10), (int)number)) {
    return CLI_FAILED;
  }
  heed_report *record = heed_report_record(report, "split", "as in training");
  heed_report_text(record, "kind", "kind", kind);
  heed_report_integer(record, "split", "split", number);
  for (int part = 0; part < 3; part++) {
    const uint8_t *rows = heed_collection_split_part(run->task.collection, (int)number, (heed_part)part);
    if (rows == NULL) break;
    status = heed_metric_compute(metric, &run->outputs, &targets, rows, &value);
    heed_report_number(record, keys[part], labels[part], status == HEED_OK ? value : NAN, 4);
  }
  return CLI_OK;
}

static int fill_report(heed_report *report, prediction *run) {
  const cli_prediction *options = run->options;
  const heed_model_spec *spec = heed_model_get_spec(run->model);
  heed_report_text(report, "dataset", "data", options->graph->source);
  heed_report_text(report, "model_file", "model", options->model);
  heed_report_text(report, "model", "kind", heed_model_kind_name(spec->kind));
  cli_collection_report(report, run->task.collection);
  heed_report_integer(report, "outputs", "outputs", run->outputs.cols);
  if (cli_task_masked(&run->task, &run->mask)) {
    heed_report_text(report, "mask", "mask", options->mask->name);
    heed_report_integer(report, "pairs", "pairs", cli_task_pairs(&run->task, &run->mask));
  }
  heed_report_integer(report, "parameters", "parameters", heed_model_parameter_count(run->model));
  if (report_quality(report, run)) return CLI_FAILED;
  cli_report_machine(report);
  if (options->output != NULL) heed_report_text(report, "output", "written", options->output);
  return CLI_OK;
}

int cli_predict_collection(cli_prediction *options) {
  prediction run = {.options = options};
  heed_report *report = NULL;
  int failed = open_all(&run);
  if (!failed) failed = compute(&run);
  if (!failed) failed = cli_check(heed_report_new(&report), NULL);
  if (!failed) failed = fill_report(report, &run);
  if (!failed && options->output != NULL) failed = write_output(&run);
  if (!failed) failed = cli_report(report, options->global, options->output);
  heed_report_free(report);
  free(run.outputs.data);
  free(run.probabilities);
  free(run.labels);
  free(run.known);
  free(run.values);
  free(run.names);
  free(run.name_text);
  heed_mask_free(&run.mask);
  cli_task_close(&run.task);
  heed_model_free(run.model);
  heed_safetensors_close(run.file); /* its metadata was in use until here */
  return failed;
}
