/* heed train: a model on a data set, over seeds and splits, into a folder. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/settings.h"

typedef struct train_input {
  cli_global *global;
  cli_graph graph;
  cli_training training;
  cli_recipe recipe;
  cli_lists lists;
  const char *output;
  heed_order reorder;
  bool reorder_given;
  int checkpoint_every;
  bool resume;
} train_input;

enum { KEY_RESUME = 0x300, KEY_CHECKPOINT, KEY_REORDER };

static const struct argp_option option_table[] = {
    {"output", 'o', "DIR", 0,
     "Folder for results.json, history.csv, model.safetensors and curves.svg; made if need be", 0},
    {"checkpoint-every", KEY_CHECKPOINT, "N", 0,
     "Of a single run, keep what --resume needs every N epochs", 0},
    {"reorder", KEY_REORDER, "ORDER", 0,
     "Train with the nodes in another order: none, degree, rcm, metis, community or auto (default), "
     "where it should pay", 0},
    {"resume", KEY_RESUME, NULL, 0,
     "Go on with the single run that was stopped in DIR, if one was", 0},
    {0}};

static void finish_options(struct argp_state *state, train_input *input) {
  const cli_training *training = &input->training;
  if (input->output == NULL || input->output[0] == '\0') {
    argp_error(state, "--output DIR is missing");
  }
  cli_training_resolve(state, training, &input->graph, &input->recipe);
  if (input->reorder_given) {
    cli_reorder_check(state, input->reorder, &input->recipe, input->graph.source);
  }
  cli_lists_read(state, training, &input->lists);
  bool all = training->splits != NULL && strcmp(training->splits, "all") == 0;
  bool folds = cli_folds(&input->recipe) && training->splits == NULL;
  if ((input->resume || input->checkpoint_every > 0) &&
      (all || folds || input->lists.n_splits > 1 || input->lists.n_seeds > 1)) {
    argp_error(state, "--resume and --checkpoint-every are for a single seed and split");
  }
}

static error_t parse(int key, char *text, struct argp_state *state) {
  train_input *input = state->input;
  switch (key) {
    case ARGP_KEY_INIT:
      state->child_inputs[0] = &input->graph;
      state->child_inputs[1] = &input->training;
      state->child_inputs[2] = &input->graph.collection;
      state->child_inputs[3] = input->global;
      return 0;
    case 'o':
      input->output = text;
      return 0;
    case KEY_CHECKPOINT:
      input->checkpoint_every = (int)cli_integer(state, "--checkpoint-every", text, 1, 1000000000);
      return 0;
    case KEY_REORDER:
      input->reorder = cli_parse_order(state, text);
      input->reorder_given = true;
      return 0;
    case KEY_RESUME:
      input->resume = true;
      return 0;
    case ARGP_KEY_END:
      finish_options(state, input);
      return 0;
    default:
      return ARGP_ERR_UNKNOWN;
  }
}

/* Everything a training holds. */
typedef struct train {
  train_input *options;
  cli_task task;
  heed_mask mask;
  cli_reorder reorder;
  uint64_t *seeds;
  int n_seeds;
  char *results, *csv, *model, *curves, *checkpoint;
  cli_history history;
  cli_outcome outcome;
} train;

/* --- Preparing ----------------------------------------------------------------------------- */

static int name_files(train *run) {
  const char *folder = run->options->output;
  if (cli_folder_make(folder)) return CLI_FAILED;
  struct {
    char **path;
    const char *name;
  } const files[] = {{&run->results, "results.json"},
                     {&run->csv, "history.csv"},
                     {&run->model, "model.safetensors"},
                     {&run->curves, "curves.svg"},
                     {&run->checkpoint, "checkpoint.safetensors"}};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    *files[i].path = cli_join(folder, files[i].name);
    if (*files[i].path == NULL) return CLI_FAILED;
  }
  return CLI_OK;
}

static int prepare(train *run) {
  train_input *options = run->options;
  if (name_files(run)) return CLI_FAILED;
  if (cli_task_begin(&run->task, &options->recipe, &options->graph, options->global->seed,
                     &options->training, &options->lists, &run->seeds, &run->n_seeds) ||
      cli_encode_nodes(&run->task, &options->recipe) ||
      cli_recipe_mask(&run->mask, &options->recipe, &options->graph, &run->task) ||
      cli_encode_pairs(&run->task, &options->recipe, &run->mask)) {
    return CLI_FAILED;
  }
  if (run->task.collection != NULL) return CLI_OK;
  if (cli_encoding_of_order(&options->recipe)) options->reorder = HEED_ORDER_NONE;
  return cli_reorder_training(&run->reorder, options->reorder, &run->mask, &options->recipe,
                              run->n_seeds * run->task.n_splits);
}

static int compute(train *run) {
  const train_input *options = run->options;
  bool single = cli_task_runs(&run->task, run->n_seeds) == 1;
  cli_checkpoint checkpoint = {.path = run->checkpoint,
                               .history = run->csv,
                               .every = options->checkpoint_every,
                               .resume = options->resume};
  cli_catch_signals();
  return cli_experiment_reordered(&run->outcome, &run->task, &options->recipe, &run->mask,
                                  &run->reorder, run->seeds, run->n_seeds, options->graph.source,
                                  &run->history, single ? &checkpoint : NULL);
}

/* --- Files --------------------------------------------------------------------------------- */

static int write_model(const train *run) {
  const train_input *options = run->options;
  const heed_experiment_result *result = &run->outcome.result;
  if (result->best == NULL) return CLI_OK; /* stopped before there was one */
  const cli_graph *graph = &options->graph;
  char seed[24], mask_seed[24] = "", split[16], classes[16];
  const heed_run *best = &result->runs[result->best_run];
  uint64_t drawn_by = run->task.paired ? best->seed : options->global->seed;
  snprintf(seed, sizeof seed, "%llu", (unsigned long long)drawn_by);
  if (options->recipe.mask.needs.random) {
    snprintf(mask_seed, sizeof mask_seed, "%llu", (unsigned long long)graph->options.seed);
  }
  snprintf(split, sizeof split, "%d", best->split);
  snprintf(classes, sizeof classes, "%d", run->task.classes);
  char encoding[512];
  if (cli_check(heed_encodings_write(&options->recipe.encodings, encoding, sizeof encoding), NULL)) {
    return CLI_FAILED;
  }
  const char *common[] = {
      "heed.dataset", graph->source,
      "heed.mask", options->recipe.mask.name,
      "heed.mask_seed", mask_seed,
      "heed.loops", cli_loops_name(graph->loops),
      "heed.attributes", graph->options.features != NULL ? graph->options.features : "",
      "heed.metric", heed_metric_name(options->recipe.fit.metric),
      "heed.seed", seed,
      "heed.split", split,
      "heed.encoding", encoding,
      NULL};
  const char *of_nodes[] = {
      "heed.direction", cli_direction_name(graph->direction),
      "heed.directed", graph->options.directed ? "yes" : "no",
      "heed.label", graph->options.label != NULL ? graph->options.label : "",
      "heed.features", options->recipe.normalize ? "row-normalize" : "none",
      "heed.classes", classes,
      "heed.splits_drawn", run->task.drawn ? "yes" : "no",
      NULL};
  const char *extra[CLI_MOST_METADATA];
  int n = 0;
  for (int i = 0; common[i] != NULL; i++) extra[n++] = common[i];
  cli_collection_metadata of_graphs;
  if (run->task.collection != NULL) {
    if (cli_collection_describe(&of_graphs, &run->task, &options->recipe, graph)) {
      return CLI_FAILED;
    }
    for (int i = 0; of_graphs.pairs[i] != NULL; i++) extra[n++] = of_graphs.pairs[i];
  } else {
    for (int i = 0; of_nodes[i] != NULL; i++) extra[n++] = of_nodes[i];
  }
  extra[n] = NULL;
  int failed = cli_check(heed_model_save(result->best, run->model, extra), NULL);
  if (run->task.collection != NULL) cli_collection_metadata_free(&of_graphs);
  return failed;
}

/* The curves of the best run. */
static int draw_curves(const train *run) {
  const cli_history *history = &run->history;
  const heed_experiment_result *result = &run->outcome.result;
  if (result->n_runs == 0 || history->n == 0) return CLI_OK;
  double *numbers = malloc(4 * history->n * sizeof *numbers);
  if (numbers == NULL) return cli_fail("out of memory for the learning curves");
  const heed_run *best = &result->runs[result->best_run];
  double *x = numbers, *columns[3];
  for (int c = 0; c < 3; c++) columns[c] = numbers + (size_t)(c + 1) * history->n;
  int n = 0;
  for (size_t i = 0; i < history->n; i++) {
    const heed_epoch *e = &history->epochs[i];
    if (e->seed != best->seed || e->split != best->split) continue;
    x[n] = e->epoch;
    columns[0][n] = e->train_loss;
    columns[1][n] = e->val_loss;
    columns[2][n++] = e->val;
  }
  const char *metric = heed_metric_name(run->options->recipe.fit.metric);
  char title[300], validation[64];
  snprintf(title, sizeof title, "%s on %.200s: seed %llu, split %d",
           heed_model_kind_name(run->options->recipe.model.kind), run->options->graph.source,
           (unsigned long long)best->seed, best->split);
  snprintf(validation, sizeof validation, "validation %s", metric);
  const heed_series series[] = {{.label = "training loss", .x = x, .y = columns[0], .n = n},
                                {.label = "validation loss", .x = x, .y = columns[1], .n = n},
                                {.label = validation, .x = x, .y = columns[2], .n = n}};
  heed_figure figure = {
      .title = title, .x_label = "epoch", .y_label = "loss and metric", .series = series,
      .n_series = 3};
  int failed = cli_draw(&figure, run->curves);
  free(numbers);
  return failed;
}

/* --- The report ---------------------------------------------------------------------------- */

static int report_config(heed_report *report, const train *run) {
  const train_input *options = run->options;
  heed_report *config = heed_report_record(report, "config", NULL);
  cli_recipe_report(config, &options->recipe);
  cli_graph_report(config, &options->graph);
  if (options->training.preset != NULL) {
    heed_report_text(config, "preset", NULL, options->training.preset);
  }
  heed_report_integer(config, "seed", NULL, (int64_t)options->global->seed);
  heed_report_flag(config, "splits_drawn", NULL, run->task.drawn);
  char *command = NULL;
  size_t size;
  FILE *stream = open_memstream(&command, &size);
  if (stream == NULL) return cli_fail("out of memory for the report");
  fputs("heed train", stream);
  cli_graph_options(stream, &options->graph);
  cli_recipe_options(stream, &options->recipe);
  fprintf(stream, " --seed %llu --seeds ", (unsigned long long)options->global->seed);
  if (options->training.seeds != NULL) {
    fputs(options->training.seeds, stream);
  } else {
    fprintf(stream, "%llu", (unsigned long long)options->global->seed);
  }
  bool many = run->task.collection != NULL;
  if (options->training.splits != NULL || !many) {
    fprintf(stream, " --splits %s", options->training.splits ? options->training.splits : "0");
  }
  if (!many) fprintf(stream, " --reorder %s", heed_order_name(run->reorder.order));
  fclose(stream);
  heed_report_text(config, "command", NULL, command);
  free(command);
  return CLI_OK;
}

static int fill_report(heed_report *report, const train *run) {
  const train_input *options = run->options;
  const heed_experiment_result *result = &run->outcome.result;
  heed_report_text(report, "dataset", "data", options->graph.source);
  heed_report_text(report, "model", "model", heed_model_kind_name(options->recipe.model.kind));
  if (report_config(report, run)) return CLI_FAILED;
  cli_task_report(report, &run->task, &options->recipe);
  if (cli_task_masked(&run->task, &run->mask)) {
    heed_report_text(report, "mask", "mask", options->recipe.mask.name);
    heed_report_integer(report, "pairs", "pairs", cli_task_pairs(&run->task, &run->mask));
    if (run->task.collection == NULL) {
      heed_report_text(report, "order", run->reorder.order ? "order of nodes" : NULL,
                       heed_order_name(run->reorder.order));
    }
  }
  heed_report_integer(report, "parameters", "parameters", result->parameters);
  heed_report_text(report, "metric", "metric", heed_metric_name(options->recipe.fit.metric));
  cli_report_runs(report, result);
  heed_report_number(report, "test_mean", "test, mean", result->test_mean, 4);
  heed_report_number(report, "test_std", "test, deviation", result->test_std, 3);
  heed_report_number(report, "val_mean", "validation, mean", result->val_mean, 4);
  heed_report_number(report, "ms_per_epoch", "an epoch (ms)", result->ms_per_epoch, 3);
  heed_report_bytes(report, "peak_bytes", "memory of a run, peak", result->peak_bytes);
  heed_report_seconds(report, "seconds", "time", run->outcome.seconds);
  heed_report_flag(report, "stopped", run->outcome.stopped ? "stopped" : NULL,
                   run->outcome.stopped);
  heed_report_text(report, "isa", NULL, heed_isa());
  heed_report_text(report, "matrix_library", NULL, heed_matrix_library());
  heed_report_text(report, "version", NULL, heed_version());
  return CLI_OK;
}

/* results.json comes last: where it is, all is there. */
static int write_all(train *run) {
  heed_report *report = NULL;
  int failed = cli_check(heed_report_new(&report), NULL);
  if (!failed) failed = write_model(run);
  if (!failed) failed = cli_history_write(&run->history, run->csv);
  if (!failed) failed = draw_curves(run);
  if (!failed) failed = fill_report(report, run);
  if (!failed) failed = cli_check(heed_report_write_json(report, run->results), NULL);
  if (!failed) {
    heed_report_integer(report, "threads", NULL, heed_threads());
    heed_report_text(report, "output", "written to", run->options->output);
    failed = cli_report(report, run->options->global, run->options->output);
  }
  if (!failed && !run->outcome.stopped) unlink(run->checkpoint); /* nothing is left to resume */
  heed_report_free(report);
  return failed;
}

int cmd_train(cli_global *global, int argc, char **argv) {
  train_input options = {
      .global = global, .graph = cli_graph_default(), .reorder = HEED_ORDER_AUTO};
  options.graph.training = true;
  const struct argp_child children[] = {{&cli_graph_argp, 0, "The graph:", 2},
                                        {cli_training_argp(true), 0, "Model and training:", 3},
                                        {&cli_collection_argp, 0, "A collection of graphs:", 4},
                                        {&cli_global_argp, 0, "Global options:", 5},
                                        {0}};
  const struct argp argp = {.options = option_table,
                            .parser = parse,
                            .args_doc = "DATA",
                            .doc = "Trains a model to tell the labels of nodes; on a collection of "
                                   "graphs, such as molecules, what is known of each graph.",
                            .children = children};
  if (cli_parse(&argp, argc, argv, &options)) return CLI_FAILED;
  options.graph.options.seed = global->seed;

  train run = {.options = &options};
  int failed = prepare(&run);
  if (!failed) failed = compute(&run);
  if (!failed) failed = write_all(&run);
  if (!failed && run.outcome.stopped) failed = CLI_STOPPED;
  cli_outcome_free(&run.outcome);
  cli_history_free(&run.history);
  cli_reorder_free(&run.reorder);
  heed_mask_free(&run.mask);
  cli_task_close(&run.task);
  char *const paths[] = {run.results, run.csv, run.model, run.curves, run.checkpoint};
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) free(paths[i]);
  free(run.seeds);
  cli_lists_free(&options.lists);
  return failed;
}
