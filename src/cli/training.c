/* The options of training: parser, presets, what results.json says of them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/settings.h"

/* --- The parser ---------------------------------------------------------------------------- */

enum { KEY_FIRST = 0x400, KEY_PRESET = KEY_FIRST + CLI_MOST_SETTINGS, KEY_SEEDS, KEY_SPLITS };

static error_t parse(int key, char *text, struct argp_state *state) {
  cli_training *training = state->input;
  int i = key - KEY_FIRST;
  if (key == KEY_PRESET) {
    if (cli_preset(text) == NULL) {
      char names[512] = "";
      for (int p = 0; cli_preset_name(p) != NULL; p++) {
        size_t n = strlen(names);
        snprintf(names + n, sizeof names - n, "%s%s", p > 0 ? ", " : "", cli_preset_name(p));
      }
      argp_error(state, "--preset takes one of %s, not '%s'", names, text);
    }
    training->preset = text;
  } else if (key == KEY_SEEDS) {
    training->seeds = text;
  } else if (key == KEY_SPLITS) {
    training->splits = text;
  } else if (i >= 0 && i < CLI_MOST_SETTINGS && cli_setting_at(i) != NULL) {
    const cli_setting *s = cli_setting_at(i);
    cli_recipe scratch;
    if (text == NULL) {
      static char yes[] = "yes"; /* a flag alone */
      text = yes;
    }
    if (!cli_setting_apply(s, text, &scratch)) {
      char allowed[600];
      if (s->kind == CLI_MASK) argp_error(state, "--%s: %s", s->name, scratch.mask.why);
      if (s->kind == CLI_ENCODING) argp_error(state, "--%s: %s", s->name, heed_message());
      cli_setting_allowed(s, allowed, sizeof allowed);
      argp_error(state, "--%s takes %s, not '%s'", s->name, allowed, text);
    }
    training->given[i] = text;
  } else {
    return ARGP_ERR_UNKNOWN;
  }
  training->any = true;
  return 0;
}

const struct argp *cli_training_argp(bool whole) {
  static struct argp_option options[CLI_MOST_SETTINGS];
  static struct argp argp = {.options = options, .parser = parse};
  int n = 0;
  options[n++] = (struct argp_option){
      "preset",
      KEY_PRESET,
      "NAME",
      0,
      "Settings of a paper: gat-, gatv2- with cora, citeseer or pubmed; gat and graph-transformer "
      "of the heterophilous benchmark; nsa; of whole graphs esol, tox21, mutag and proteins. "
      "Options "
      "given beside it count more",
      0};
  for (int i = 0; cli_setting_at(i) != NULL; i++) {
    const cli_setting *s = cli_setting_at(i);
    if (s->help == NULL || (s->of_train && !whole)) continue;
    options[n++] = (struct argp_option){s->name,     KEY_FIRST + i,
                                        s->argument, s->kind == CLI_FLAG ? OPTION_ARG_OPTIONAL : 0,
                                        s->help,     0};
  }
  options[n++] = (struct argp_option){
      "seeds",
      KEY_SEEDS,
      "LIST",
      0,
      "A run for each of these seeds, such as 0-9 or 0,3,7 (default: that of --seed)",
      0};
  options[n++] = (struct argp_option){
      "splits",
      KEY_SPLITS,
      "LIST",
      0,
      "A run for each of these splits, such as 0-9, or all (default 0). Data without splits gets "
      "random ones, 60 % training, 20 % validation; a collection 80 % and 10 %, by default one for "
      "each seed, or all folds",
      0};
  options[n] = (struct argp_option){0};
  return &argp;
}

void cli_training_give(cli_training *training, const char *name, const char *text) {
  int i = cli_setting_find(name, strlen(name));
  if (i >= 0) training->given[i] = text;
}

/* Numbers for free(). */
static int64_t *read_list(const struct argp_state *state, const char *option, const char *text, int *n) {
  enum { MOST = 10000 };
  int64_t *numbers = NULL;
  *n = 0;
  for (const char *at = text;;) {
    char *end;
    errno = 0;
    long long first = strtoll(at, &end, 10), last = first;
    bool good = errno == 0 && end != at && first >= 0 && *at != '-' && *at != '+' && *at != ' ';
    if (good && *end == '-') {
      at = end + 1;
      last = strtoll(at, &end, 10);
      good = errno == 0 && end != at && *at >= '0' && *at <= '9' && last >= first;
    }
    if (!good || (*end != ',' && *end != '\0') || last - first >= MOST - *n) {
      free(numbers);
      argp_error(state, "%s takes numbers such as 0-9 or 0,3,7, %d at most, not '%s'", option, MOST,
                 text);
      return NULL;
    }
    int64_t *more = realloc(numbers, ((size_t)*n + (size_t)(last - first) + 1) * sizeof *more);
    if (more == NULL) {
      free(numbers);
      argp_failure(state, CLI_FAILED, 0, "out of memory for %s", option);
      return NULL;
    }
    numbers = more;
    for (long long number = first; number <= last; number++) {
      for (int i = 0; i < *n; i++) {
        if (numbers[i] != number) continue;
        free(numbers);
        argp_error(state, "%s has %lld twice", option, number);
        return NULL;
      }
      numbers[(*n)++] = number;
    }
    if (*end == '\0') return numbers;
    at = end + 1;
  }
}

void cli_lists_read(const struct argp_state *state, const cli_training *training, cli_lists *lists) {
  if (training->seeds != NULL) {
    lists->seeds = read_list(state, "--seeds", training->seeds, &lists->n_seeds);
  }
  if (training->splits != NULL && strcmp(training->splits, "all") != 0) {
    lists->splits = read_list(state, "--splits", training->splits, &lists->n_splits);
  }
}

void cli_lists_free(cli_lists *lists) {
  free(lists->seeds);
  free(lists->splits);
}

/* --- Putting it together ------------------------------------------------------------------- */

void cli_recipe_set_blocks(cli_recipe *recipe, const char *blocks) {
  snprintf(recipe->model.blocks, sizeof recipe->model.blocks, "%s", blocks);
  recipe->model.layers = (int32_t)strlen(blocks);
}

/* The words of a preset, put into a recipe; `model` gets the kind, if not NULL. */
static void apply_words(const char *words, cli_recipe *recipe, heed_model_kind *model) {
  for (const char *at = words + strspn(words, " "); *at != '\0'; at += strspn(at, " ")) {
    char text[256];
    size_t n = strcspn(at, " "), equals = strcspn(at, "=");
    snprintf(text, sizeof text, "%.*s", (int)(n - equals - 1), at + equals + 1);
    int i = cli_setting_find(at, equals);
    bool of_model = i >= 0 && strcmp(cli_setting_at(i)->name, "model") == 0;
    cli_recipe scratch;
    if (i < 0 || !cli_setting_apply(cli_setting_at(i), text, of_model ? &scratch : recipe)) {
      cli_fail("a preset is wrong at '%s'", at); /* seen by the first test of it */
    } else if (of_model && model != NULL) {
      *model = scratch.model.kind;
    }
    at += n;
  }
}

static const char *given(const cli_training *training, const char *name) {
  return training->given[cli_setting_find(name, strlen(name))];
}

/* As many blocks as layers: those of before again and again. */
static void stretch_blocks(cli_recipe *recipe) {
  heed_model_spec *model = &recipe->model;
  if (strchr(model->blocks, 'P') != NULL) return; /* as they are */
  char blocks[HEED_MAX_BLOCKS + 1] = "";
  size_t n = strlen(model->blocks);
  for (int i = 0; i < model->layers; i++) blocks[i] = n > 0 ? model->blocks[(size_t)i % n] : 'M';
  cli_recipe_set_blocks(recipe, blocks);
}

static void check_model(const struct argp_state *state, const cli_training *training,
                        const heed_model_spec *model) {
  const char *layers = given(training, "layers"), *blocks = given(training, "blocks");
  if (blocks != NULL && model->kind != HEED_MODEL_TRANSFORMER) {
    argp_error(state, "--blocks are a transformer's, not of %s", heed_model_kind_name(model->kind));
  }
  if (blocks != NULL && layers != NULL && atoi(layers) != (int)strlen(blocks)) {
    argp_error(state, "--blocks %s are %d layers, --layers says %s", blocks, (int)strlen(blocks),
               layers);
  }
  if (model->kind != HEED_MODEL_MLP && model->hidden % model->heads != 0) {
    argp_error(state, "--hidden %lld is not a multiple of %d heads", (long long)model->hidden,
               model->heads);
  }
}

/* What has no meaning, or has to be said otherwise, for whole graphs or for nodes. */
static void check_rows(const struct argp_state *state, const cli_training *training,
                       const cli_graph *graph, const cli_recipe *recipe) {
  const char *blocks = recipe->model.kind == HEED_MODEL_TRANSFORMER ? recipe->model.blocks : "";
  const char *pooling = given(training, "pooling"), *layers = given(training, "layers");
  bool pools = strchr(blocks, 'P') != NULL;
  if (!recipe->of_graphs) {
    if (recipe->metric > HEED_METRIC_MCC || recipe->loss > HEED_LOSS_BINARY_CROSS_ENTROPY) {
      bool metric = recipe->metric > HEED_METRIC_MCC;
      argp_error(state, "--%s %s is of numbers, and nodes have labels", metric ? "metric" : "loss",
                 metric ? heed_metric_name((heed_metric)recipe->metric)
                        : heed_loss_name((heed_loss)recipe->loss));
    }
    for (int i = 0; cli_setting_at(i) != NULL; i++) {
      if (training->given[i] != NULL && cli_setting_at(i)->of == CLI_OF_COLLECTIONS) {
        argp_error(state, "--%s is for a collection, and %s is one graph", cli_setting_at(i)->name,
                   graph->source);
      }
    }
    if (pools) {
      argp_error(state, "--blocks %s: P pools whole graphs of a collection, and %s is one graph",
                 blocks, graph->source);
    }
    return;
  }
  for (int i = 0; cli_setting_at(i) != NULL; i++) {
    if (training->given[i] != NULL && cli_setting_at(i)->of == CLI_OF_NODES) {
      argp_error(state, "--%s is for one graph, and %s is a collection", cli_setting_at(i)->name,
                 graph->source);
    }
  }
  if (recipe->normalize) {
    argp_error(state, "--preset %s is for one graph, and %s is a collection", training->preset,
               graph->source);
  }
  if (pools && pooling != NULL && recipe->pooling >= 0 && recipe->pooling != CLI_POOLING_NONE) {
    argp_error(state, "--pooling %s has no place beside the P of --blocks %s", pooling, blocks);
  }
  if (!pools && recipe->pooling == CLI_POOLING_NONE) {
    argp_error(state, "--pooling none needs a P among --blocks: every graph has one output");
  }
  if (pools && layers != NULL && given(training, "blocks") == NULL) {
    argp_error(state, "--layers %s does not say where the P of %s should be: --blocks does", layers,
               blocks);
  }
  if (given(training, "folds") != NULL && recipe->split >= 0 && !cli_folds(recipe)) {
    argp_error(state, "--folds has no place beside --split %s",
               heed_collection_split_name((heed_collection_split_kind)recipe->split));
  }
}

enum { USUAL_TARGETS = 1024 };

/* How one large graph is taken apart. */
static void check_batches(const struct argp_state *state, const cli_training *training,
                          heed_fit_spec *fit) {
  if (fit->clusters > 0 && (given(training, "batch") != NULL || fit->fanouts > 0)) {
    argp_error(state, "--clusters has no place beside --%s", fit->fanouts > 0 ? "fanout" : "batch");
  }
  if (given(training, "batch-clusters") != NULL && fit->clusters == 0) {
    argp_error(state, "--batch-clusters needs --clusters");
  }
  if (fit->clusters > 0 && given(training, "batch-clusters") == NULL) fit->cluster_batch = 1;
  if (fit->clusters > 0 && fit->cluster_batch > fit->clusters) {
    argp_error(state, "--batch-clusters %d of %d clusters", fit->cluster_batch, fit->clusters);
  }
  if (fit->fanouts > 0 && given(training, "batch") == NULL) fit->batch = USUAL_TARGETS;
}

/* What a preset says of the columns, where the command line does not. */
static void take_columns(cli_graph *graph, const cli_preset_entry *preset) {
  cli_collection *collection = &graph->collection;
  if (collection->kind == HEED_TARGET_NONE) collection->kind = preset->kind;
  if (strcmp(graph->source, "molecules") == 0) return; /* has its own */
  if (collection->targets == NULL) collection->targets = preset->targets;
}

/* Without a preset, where the library's rate, a transformer's, is low: the GAT paper's. */
static const float usual_rate = 0.005F;
enum { USUAL_FOLDS = 10 };

void cli_training_resolve(const struct argp_state *state, const cli_training *training,
                          cli_graph *graph, cli_recipe *recipe) {
  const cli_preset_entry *preset = training->preset == NULL ? NULL : cli_preset(training->preset);
  const char *model = given(training, "model"), *layers = given(training, "layers");
  heed_model_kind kind = HEED_MODEL_GAT;
  cli_recipe scratch;
  bool of_graphs = cli_graph_many(graph);
  cli_graph_check(state, graph);
  if (model == NULL && preset == NULL) argp_error(state, "--model or --preset is missing");
  if (preset != NULL && preset->of_graphs && !of_graphs) {
    argp_error(state, "--preset %s is for a collection, and %s is one graph", preset->name,
               graph->source);
  }
  if (preset != NULL) apply_words(preset->settings, &scratch, &kind);
  if (model != NULL) {
    cli_setting_apply(cli_setting_at(cli_setting_find("model", 5)), model, &scratch);
    kind = scratch.model.kind;
  }
  *recipe = (cli_recipe){.model = heed_model_spec_default(kind),
                         .fit = heed_fit_spec_default(),
                         .metric = HEED_METRIC_ACCURACY,
                         .loss = -1,
                         .mask = cli_mask_named("graph"),
                         .of_graphs = of_graphs,
                         .pooling = -1,
                         .edges = -1,
                         .split = -1,
                         .folds = USUAL_FOLDS};
  if (kind != HEED_MODEL_TRANSFORMER) recipe->fit.optimizer.rate = usual_rate;
  recipe->fit.standardize = of_graphs;
  if (of_graphs) apply_words(cli_graphs_settings, recipe, NULL);
  if (preset != NULL) apply_words(preset->settings, recipe, NULL);
  if (preset != NULL && preset->of_graphs) take_columns(graph, preset);
  for (int i = 0; cli_setting_at(i) != NULL; i++) {
    if (training->given[i] != NULL) {
      cli_setting_apply(cli_setting_at(i), training->given[i], recipe);
    }
  }
  if (given(training, "folds") != NULL && given(training, "split") == NULL) {
    recipe->split = HEED_SPLIT_FOLDS;
  }
  recipe->model.kind = kind;
  if (graph->normalize != NULL) recipe->normalize = strcmp(graph->normalize, "none") != 0;
  check_rows(state, training, graph, recipe);
  if (!of_graphs) check_batches(state, training, &recipe->fit);
  if (layers != NULL) recipe->model.layers = atoi(layers);
  check_model(state, training, &recipe->model);
  if (kind == HEED_MODEL_TRANSFORMER) stretch_blocks(recipe);
  cli_encoding_check(state, recipe);
}

/* --- Telling it ---------------------------------------------------------------------------- */

void cli_recipe_report(heed_report *record, const cli_recipe *recipe) {
  for (int i = 0; cli_setting_at(i) != NULL; i++) {
    const cli_setting *s = cli_setting_at(i);
    char key[32], text[512];
    if (!cli_setting_matters(s, recipe)) continue;
    snprintf(key, sizeof key, "%s", s->name);
    for (char *c = key; *c != '\0'; c++) *c = *c == '-' ? '_' : *c;
    cli_setting_write(s, recipe, text, sizeof text);
    if (s->kind == CLI_INT || s->kind == CLI_INT32 || s->kind == CLI_INT64) {
      heed_report_integer(record, key, NULL, atoll(text));
    } else if (s->kind == CLI_FLOAT) {
      heed_report_number(record, key, NULL, strtod(text, NULL), 9);
    } else if (s->kind == CLI_FLAG) {
      heed_report_flag(record, key, NULL, strcmp(text, "yes") == 0);
    } else {
      heed_report_text(record, key, NULL, text);
    }
  }
}

void cli_recipe_options(FILE *stream, const cli_recipe *recipe) {
  for (int i = 0; cli_setting_at(i) != NULL; i++) {
    const cli_setting *s = cli_setting_at(i);
    char text[512];
    if (!cli_setting_matters(s, recipe)) continue;
    cli_setting_write(s, recipe, text, sizeof text);
    fprintf(stream, " --%s%s", s->name, s->kind == CLI_FLAG ? "=" : " ");
    cli_put_word(stream, text);
  }
}
