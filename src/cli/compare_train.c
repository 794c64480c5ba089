/* heed compare --train: one model trained under several masks. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/learn.h"

enum { MOST_VARIANTS = 2 * CLI_MOST_MASKS };

/* A mask, and for a transformer blocks. */
typedef struct variant {
  char name[HEED_MAX_BLOCKS + 660];
  cli_recipe recipe;
  double mean, deviation, ms;
} variant;

typedef struct comparison {
  cli_trained_comparison *options;
  cli_task task;
  uint64_t *seeds;
  int n_seeds;
  variant variants[MOST_VARIANTS];
  int n_variants;
  int n_done;
  double seconds;
  bool stopped;
} comparison;

/* --- Options ------------------------------------------------------------------------------- */

/* The encodings to compare; leaves through argp_error(). */
static void read_encodings(const struct argp_state *state, cli_trained_comparison *options) {
  for (const char *part = options->encodings; part != NULL; part++) {
    char words[512];
    size_t n = strcspn(part, ",");
    cli_recipe recipe = options->recipe;
    snprintf(words, sizeof words, "%.*s", (int)(n < sizeof words ? n : sizeof words - 1), part);
    if (heed_encodings_read(&recipe.encodings, words) != HEED_OK) {
      argp_error(state, "--encodings: %s", heed_message());
    }
    cli_encoding_check(state, &recipe);
    if (options->reorder_given) {
      cli_reorder_check(state, options->reorder, &recipe, options->graph->source);
    }
    if (options->n_encoded == CLI_MOST_MASKS) {
      argp_error(state, "--encodings takes at most %d, separated by commas", CLI_MOST_MASKS);
      return;
    }
    options->encoded[options->n_encoded++] = recipe.encodings;
    part += n;
    if (*part == '\0') break;
  }
  if (options->n_encoded == 0) return;
  if (options->recipe.of_graphs) {
    argp_error(state, "--encodings compares on one graph, and %s is a collection; --encoding is for both",
               options->graph->source);
  }
  if (options->recipe.encodings.n > 0) argp_error(state, "--encoding has no place beside --encodings");
  if (options->blocks != NULL && strchr(options->blocks, ',') != NULL) {
    argp_error(state, "--blocks %s has no place beside --encodings, but for one of them", options->blocks);
  }
  if (options->masks.n == 0) options->masks = (cli_mask_list){1, {cli_mask_named("graph")}};
  if (options->masks.n * options->n_encoded > MOST_VARIANTS) {
    argp_error(state, "%d encodings under %d masks: %d together are the most", options->n_encoded,
               options->masks.n, MOST_VARIANTS);
  }
}

void cli_compare_options(struct argp_state *state, cli_trained_comparison *options) {
  cli_training *training = &options->training;
  if (options->output != NULL && options->output[0] == '\0') {
    argp_error(state, "the name of a folder is empty");
  }
  if (options->blocks != NULL) {
    for (const char *part = options->blocks;; part++) {
      char blocks[HEED_MAX_BLOCKS + 2];
      size_t n = strcspn(part, ",");
      snprintf(blocks, sizeof blocks, "%.*s", (int)(n < sizeof blocks ? n : sizeof blocks - 1),
               part);
      if (!cli_blocks_valid(blocks)) {
        argp_error(state,
                   "--blocks takes blocks separated by commas, each " CLI_BLOCKS_RULE
                   ", not '%.*s'",
                   HEED_MAX_BLOCKS, (int)n, part);
      }
      if (part == options->blocks) memcpy(options->first, blocks, sizeof options->first);
      part += n;
      if (*part == '\0') break;
    }
    cli_training_give(training, "blocks", options->first);
  }
  cli_training_resolve(state, training, options->graph, &options->recipe);
  if (options->recipe.model.kind == HEED_MODEL_MLP) {
    argp_error(state, "mlp looks at no mask: there is nothing to compare");
  }
  if (options->reorder_given) {
    cli_reorder_check(state, options->reorder, &options->recipe, options->graph->source);
  }
  cli_lists_read(state, training, &options->lists);
  read_encodings(state, options);
  if (options->masks.n == 0) {
    options->masks = (cli_mask_list){4,
                                     {cli_mask_named("none"), cli_mask_named("graph"),
                                      cli_mask_named("khop:2"), cli_mask_named("full")}};
  }
  int n_blocks = 0;
  for (const char *at = options->blocks; at != NULL; at = strchr(at + 1, ',')) n_blocks++;
  if (options->masks.n + n_blocks > MOST_VARIANTS) {
    argp_error(state, "%d masks and %d --blocks: %d together are the most", options->masks.n, n_blocks,
               MOST_VARIANTS);
  }
}

/* --- Variants ------------------------------------------------------------------------------ */

/* Adds a variant; `blocks` is NULL where the model has none, `encodings` where only the recipe's are tried.
 * One that is there already stays the only one. */
static void add_encoded(comparison *run, const cli_mask *mask, const char *blocks,
                        const heed_encodings *encodings) {
  if (run->n_variants == MOST_VARIANTS) return;
  variant *v = &run->variants[run->n_variants];
  v->recipe = run->options->recipe;
  v->recipe.mask = *mask;
  if (blocks != NULL) cli_recipe_set_blocks(&v->recipe, blocks);
  snprintf(v->name, sizeof v->name, "%s%s%s", mask->name, blocks != NULL ? " " : "",
           blocks != NULL ? blocks : "");
  if (encodings != NULL) {
    char words[400] = "";
    v->recipe.encodings = *encodings;
    if (heed_encodings_write(encodings, words, sizeof words) != HEED_OK) return; /* it was read */
    snprintf(v->name, sizeof v->name, "%s %s", mask->name, words);
  }
  for (int i = 0; i < run->n_variants; i++) {
    if (strcmp(run->variants[i].name, v->name) == 0) return;
  }
  run->n_variants++;
}

static void add(comparison *run, const cli_mask *mask, const char *blocks) {
  add_encoded(run, mask, blocks, NULL);
}

/* What is tried without --blocks: the model's own, M and S in turn from either, S at the end.
 * Blocks from a P on stay as they are. */
static void add_interleavings(comparison *run, const cli_mask *graph) {
  const heed_model_spec *model = &run->options->recipe.model;
  int n = (int)strcspn(model->blocks, "P");
  char blocks[HEED_MAX_BLOCKS + 1];
  memcpy(blocks, model->blocks, sizeof blocks);
  if (memchr(blocks, 'S', (size_t)n) != NULL) add(run, graph, blocks);
  if (n < 2) return;
  for (int first = 0; first < 2; first++) {
    for (int i = 0; i < n; i++) blocks[i] = (i + first) % 2 == 0 ? 'M' : 'S';
    add(run, graph, blocks);
  }
  for (int i = 0; i < n; i++) blocks[i] = i + 1 < n ? 'M' : 'S';
  add(run, graph, blocks);
}

static void make_variants(comparison *run) {
  const cli_trained_comparison *options = run->options;
  const heed_model_spec *model = &options->recipe.model;
  const cli_mask graph = cli_mask_named("graph");
  bool transformer = model->kind == HEED_MODEL_TRANSFORMER;
  char masked[HEED_MAX_BLOCKS + 1];
  for (int m = 0; m < options->masks.n && options->n_encoded > 0; m++) {
    for (int e = 0; e < options->n_encoded; e++) {
      add_encoded(run, &options->masks.at[m], transformer ? model->blocks : NULL, &options->encoded[e]);
    }
  }
  if (options->n_encoded > 0) return;
  memcpy(masked, model->blocks, sizeof masked);
  for (size_t i = 0; i < strcspn(model->blocks, "P"); i++) masked[i] = 'M';
  for (int m = 0; m < options->masks.n; m++) {
    add(run, &options->masks.at[m], transformer ? masked : NULL);
  }
  if (!transformer) return;
  if (options->blocks == NULL) {
    add_interleavings(run, &graph);
    return;
  }
  for (const char *part = options->blocks; *part != '\0'; part += *part == ',') {
    char blocks[HEED_MAX_BLOCKS + 1];
    size_t n = strcspn(part, ",");
    snprintf(blocks, sizeof blocks, "%.*s", (int)n, part);
    add(run, &graph, blocks);
    part += n;
  }
}

/* --- Running ------------------------------------------------------------------------------- */

static int run_variant(comparison *run, heed_report *report, variant *v) {
  const cli_trained_comparison *options = run->options;
  cli_task task = cli_task_variant(&run->task);
  cli_outcome outcome = {0};
  heed_mask mask;
  cli_reorder reorder = {0};
  char title[sizeof v->name + 64];
  snprintf(title, sizeof title, "%d of %d: %s", run->n_done + 1, run->n_variants, v->name);
  mask = (heed_mask){0};
  int failed = task.collection == NULL && cli_encode_nodes(&task, &v->recipe);
  if (!failed) failed = cli_recipe_mask(&mask, &v->recipe, options->graph, &task);
  bool as_is = task.collection != NULL || cli_encoding_of_order(&v->recipe);
  heed_order asked = as_is ? HEED_ORDER_NONE : options->reorder;
  if (!failed) failed = cli_encode_pairs(&task, &v->recipe, &mask);
  if (!failed) {
    failed = cli_reorder_training(&reorder, asked, &mask, &v->recipe,
                                  cli_task_runs(&task, run->n_seeds));
  }
  if (!failed) {
    failed = cli_experiment_reordered(&outcome, &task, &v->recipe, &mask, &reorder, run->seeds,
                                      run->n_seeds, title, NULL, NULL);
  }
  const heed_experiment_result *result = &outcome.result;
  if (!failed) {
    heed_report *row = heed_report_row(report, "comparison", "what was learnt");
    heed_report_text(row, "mask", "mask", v->recipe.mask.name);
    if (v->recipe.model.kind == HEED_MODEL_TRANSFORMER) {
      heed_report_text(row, "blocks", "blocks", v->recipe.model.blocks);
    }
    char words[400] = "";
    if (options->n_encoded > 0 &&
        heed_encodings_write(&v->recipe.encodings, words, sizeof words) == HEED_OK) {
      heed_report_text(row, "encoding", "encoding", words);
    }
    heed_report_integer(row, "pairs", "pairs", cli_task_pairs(&task, &mask));
    heed_report_integer(row, "parameters", "parameters", result->parameters);
    if (task.collection == NULL) {
      heed_report_text(row, "order", NULL, heed_order_name(reorder.order));
    }
    heed_report_number(row, "test_mean", "test", result->test_mean, 4);
    heed_report_number(row, "test_std", "deviation", result->test_std, 3);
    heed_report_number(row, "val_mean", "validation", result->val_mean, 4);
    heed_report_number(row, "ms_per_epoch", "an epoch (ms)", result->ms_per_epoch, 3);
    heed_report_bytes(row, "peak_bytes", "memory", result->peak_bytes);
    cli_report_runs(row, result);
    v->mean = result->test_mean;
    v->deviation = result->test_std;
    v->ms = result->ms_per_epoch;
    run->seconds += outcome.seconds;
    run->stopped = outcome.stopped;
    run->n_done++;
  }
  cli_task_variant_close(&task);
  cli_outcome_free(&outcome);
  cli_reorder_free(&reorder);
  heed_mask_free(&mask);
  return failed;
}

/* --- Figures ------------------------------------------------------------------------------- */

static int draw(const comparison *run, const char *name, const char *label, const char *title,
                bool of_time) {
  const char *names[MOST_VARIANTS];
  double values[MOST_VARIANTS], spread[MOST_VARIANTS];
  for (int i = 0; i < run->n_done; i++) {
    names[i] = run->variants[i].name;
    values[i] = of_time ? run->variants[i].ms : run->variants[i].mean;
    spread[i] = run->variants[i].deviation;
  }
  heed_series series = {
      .label = label, .y = values, .spread = of_time ? NULL : spread, .n = run->n_done};
  heed_figure figure = {.title = title,
                        .x_label = "mask",
                        .y_label = label,
                        .categories = names,
                        .series = &series,
                        .n_series = 1};
  char *path = cli_join(run->options->output, name);
  int failed = path == NULL ? CLI_FAILED : cli_draw(&figure, path);
  free(path);
  return failed;
}

static int draw_all(const comparison *run) {
  const cli_trained_comparison *options = run->options;
  const char *model = heed_model_kind_name(options->recipe.model.kind);
  char title[400], label[64];
  snprintf(label, sizeof label, "test %s", heed_metric_name(options->recipe.fit.metric));
  snprintf(title, sizeof title, "%s on %.200s: mean and deviation of %d runs", model,
           options->graph->source, cli_task_runs(&run->task, run->n_seeds));
  if (draw(run, "comparison.svg", label, title, false)) return CLI_FAILED;
  snprintf(title, sizeof title, "%s on %.200s: time of an epoch", model, options->graph->source);
  return draw(run, "time.svg", "milliseconds", title, true);
}

/* --- All of it ----------------------------------------------------------------------------- */

static int prepare(comparison *run) {
  cli_trained_comparison *options = run->options;
  if (options->output != NULL && cli_folder_make(options->output)) return CLI_FAILED;
  if (cli_task_begin(&run->task, &options->recipe, options->graph, options->global->seed,
                     &options->training, &options->lists, &run->seeds, &run->n_seeds)) {
    return CLI_FAILED;
  }
  /* Columns of a collection are its own from then on, those of a graph each variant's. */
  return run->task.collection != NULL ? cli_encode_nodes(&run->task, &options->recipe) : CLI_OK;
}

static int compare_all(comparison *run, heed_report *report) {
  cli_trained_comparison *options = run->options;
  if (prepare(run)) return CLI_FAILED;
  make_variants(run);
  heed_report_text(report, "dataset", "data", options->graph->source);
  heed_report_text(report, "model", "model", heed_model_kind_name(options->recipe.model.kind));
  heed_report *config = heed_report_record(report, "config", NULL);
  cli_recipe_report(config, &options->recipe);
  cli_graph_report(config, options->graph);
  heed_report_integer(config, "seed", NULL, (int64_t)options->global->seed);
  cli_task_report(report, &run->task, &options->recipe);
  heed_report_text(report, "metric", "metric", heed_metric_name(options->recipe.fit.metric));
  heed_report_integer(report, "seeds", "seeds", run->n_seeds);
  heed_report_integer(report, "splits", "splits", run->task.n_splits);
  cli_catch_signals();
  for (int i = 0; i < run->n_variants && !run->stopped; i++) {
    if (run_variant(run, report, &run->variants[i])) return CLI_FAILED;
    run->stopped = run->stopped || (cli_stopped() && i + 1 < run->n_variants);
  }
  heed_report_seconds(report, "seconds", "time", run->seconds);
  heed_report_flag(report, "stopped", run->stopped ? "stopped" : NULL, run->stopped);
  cli_report_machine(report);
  return CLI_OK;
}

static int write_all(const comparison *run, heed_report *report) {
  const char *output = run->options->output;
  if (output == NULL) return cli_report(report, run->options->global, NULL);
  if (draw_all(run)) return CLI_FAILED;
  char *path = cli_join(output, "results.json");
  int failed = path == NULL || cli_check(heed_report_write_json(report, path), NULL);
  free(path);
  if (failed) return CLI_FAILED;
  heed_report_text(report, "output", "written to", output);
  return cli_report(report, run->options->global, output);
}

int cli_compare_trained(cli_trained_comparison *options) {
  comparison *run = calloc(1, sizeof *run); /* its variants are large */
  if (run == NULL) return cli_fail("out of memory for the comparison");
  heed_report *report = NULL;
  run->options = options;
  int failed = cli_check(heed_report_new(&report), NULL);
  if (!failed) failed = compare_all(run, report);
  if (!failed) failed = write_all(run, report);
  if (!failed && run->stopped) failed = CLI_STOPPED;
  heed_report_free(report);
  cli_task_close(&run->task);
  free(run->seeds);
  cli_lists_free(&options->lists);
  free(run);
  return failed;
}
