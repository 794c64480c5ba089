/* The options of training: one table makes the parser, the help, the presets and what results.json
 * says of them. */
#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/learn.h"

/* --- Names --------------------------------------------------------------------------------- */

/* The name of value `i`, NULL after the last. */
typedef const char *name_of(int i);

static const char *model_name(int i) {
  return i <= HEED_MODEL_TRANSFORMER ? heed_model_kind_name((heed_model_kind)i) : NULL;
}

static const char *norm_name(int i) {
  return i <= HEED_NORM_BATCH ? heed_norm_name((heed_norm)i) : NULL;
}

static const char *activation_name(int i) {
  return i <= HEED_ACTIVATION_GELU ? heed_activation_name((heed_activation)i) : NULL;
}

static const char *kernel_name(int i) {
  return i <= HEED_KERNEL_REFERENCE ? heed_kernel_name((heed_kernel)i) : NULL;
}

static const char *optimizer_name(int i) {
  static const char *const names[] = {"adam", "adamw", NULL};
  return names[i];
}

static const char *schedule_name(int i) {
  static const char *const names[] = {"constant", "cosine", "plateau", NULL};
  return names[i];
}

static const char *watch_name(int i) {
  static const char *const names[] = {"metric", "loss", "both", NULL};
  return names[i];
}

/* Those of classes: labels are what data sets have. */
static const char *metric_name(int i) {
  return i <= HEED_METRIC_MCC ? heed_metric_name((heed_metric)i) : NULL;
}

static const char *loss_name(int i) {
  return i <= HEED_LOSS_BINARY_CROSS_ENTROPY ? heed_loss_name((heed_loss)i) : NULL;
}

static const char *features_name(int i) {
  static const char *const names[] = {"none", "row-normalize", NULL};
  return names[i];
}

/* --- Settings ------------------------------------------------------------------------------ */

typedef enum setting_kind {
  INT,
  INT32,
  INT64,
  FLOAT,
  FLAG,     /* a bool: yes or no, yes without a value */
  NAME,     /* an enum */
  CHOICE,   /* an int: a name, or -1 for "auto" */
  BLOCKS,
  MASK,
  FEATURES  /* a bool by names; its option is one of the graph */
} setting_kind;

typedef struct setting {
  const char *name;
  const char *argument;
  const char *help;
  setting_kind kind;
  size_t place;        /* in cli_recipe */
  double least, most;  /* of numbers */
  name_of *name_of;
  bool of_train;       /* `heed compare` has an option of that name, with a meaning of its own */
} setting;

_Static_assert(sizeof(heed_norm) == sizeof(int), "enums are read and written as int");

#define AT(field) offsetof(cli_recipe, field)
#define BELOW_ONE (1 - 1e-9)
#define LARGE (1e30)

static const setting settings[] = {
    {"model", "NAME", "gat, gatv2, transformer or mlp", NAME, AT(model.kind), 0, 0, model_name,
     false},
    {"blocks", "MSMS", "Blocks of a transformer: M is masked, S sees every node", BLOCKS,
     AT(model.blocks), 0, 0, NULL, true},
    {"layers", "N", "Layers", INT32, AT(model.layers), 1, HEED_MAX_BLOCKS, NULL, false},
    {"hidden", "N", "Width between layers: heads times the size of a head", INT64,
     AT(model.hidden), 1, 65536, NULL, false},
    {"heads", "N", "Heads", INT32, AT(model.heads), 1, 4096, NULL, true},
    {"output-heads", "N", "Heads of the last layer of gat and gatv2, averaged", INT32,
     AT(model.output_heads), 1, 4096, NULL, false},
    {"norm", "NAME", "Normalisation: none, layer or batch", NAME, AT(model.norm), 0, 0, norm_name,
     false},
    {"pre-norm", "yes|no", "Normalise before attention and feed-forward, not after the sum", FLAG,
     AT(model.pre_norm), 0, 0, NULL, false},
    {"residual", "yes|no", "gat, gatv2, mlp: layers add to what they take", FLAG,
     AT(model.residual), 0, 0, NULL, false},
    {"activation", "NAME", "none, relu, leaky-relu, elu or gelu", NAME, AT(model.activation), 0, 0,
     activation_name, false},
    {"expansion", "X", "Hidden width of feed-forward parts over --hidden", FLOAT,
     AT(model.expansion), 0, 64, NULL, false},
    {"dropout", "P", "Dropout of features and values", FLOAT, AT(model.dropout), 0, BELOW_ONE, NULL,
     false},
    {"attn-dropout", "P", "Dropout of attention weights", FLOAT, AT(model.attention_dropout), 0,
     BELOW_ONE, NULL, false},
    {"slope", "X", "LeakyReLU below zero, in gat and gatv2", FLOAT, AT(model.slope), -LARGE, LARGE,
     NULL, true},
    {"kernel", "NAME", "auto, sparse, dense or reference", NAME, AT(model.kernel), 0, 0,
     kernel_name, false},
    {"optimizer", "NAME", "adam or adamw", NAME, AT(fit.optimizer.kind), 0, 0, optimizer_name,
     false},
    {"lr", "X", "Learning rate", FLOAT, AT(fit.optimizer.rate), 1e-12, 1e6, NULL, false},
    {"weight-decay", "X", "Weight decay: with adam in the gradient, with adamw apart from it",
     FLOAT, AT(fit.optimizer.weight_decay), 0, LARGE, NULL, false},
    {"decay-all", "yes|no", "Decay biases and norms too", FLAG, AT(fit.optimizer.decay_all), 0, 0,
     NULL, false},
    {"clip", "X", "Largest norm of the gradient; 0: none", FLOAT, AT(fit.optimizer.clip), 0, LARGE,
     NULL, false},
    {"schedule", "NAME", "Learning rate: constant, cosine or plateau", NAME,
     AT(fit.optimizer.schedule), 0, 0, schedule_name, false},
    {"warmup", "N", "Epochs of rising rate before the cosine", INT, AT(fit.optimizer.warmup), 0,
     1e9, NULL, false},
    {"factor", "X", "What a plateau multiplies the rate by", FLOAT, AT(fit.optimizer.factor), 1e-9,
     1, NULL, false},
    {"schedule-patience", "N", "Epochs that make a plateau", INT,
     AT(fit.optimizer.schedule_patience), 1, 1e9, NULL, false},
    {"epochs", "N", "Epochs at most", INT, AT(fit.epochs), 1, 1e9, NULL, false},
    {"patience", "N", "Epochs without improvement before it stops; 0: never", INT,
     AT(fit.patience), 0, 1e9, NULL, false},
    {"watch", "NAME", "What has to improve on the validation nodes: metric, loss or both", NAME,
     AT(fit.watch), 0, 0, watch_name, false},
    {"metric", "NAME",
     "accuracy, macro-f1, micro-f1, roc-auc, mcc, or auto: roc-auc for two classes, else accuracy",
     CHOICE, AT(metric), 0, 0, metric_name, false},
    {"loss", "NAME",
     "cross-entropy, binary-cross-entropy, or auto (default): the second for two classes and "
     "roc-auc",
     CHOICE, AT(loss), 0, 0, loss_name, false},
    {"mask", "MASK", "Who attends to whom: graph (default), khop:K, full or none: each node alone",
     MASK, AT(mask), 0, 0, NULL, true},
    {"features", NULL, NULL, FEATURES, AT(normalize), 0, 0, features_name, false},
};
enum { N_SETTINGS = sizeof settings / sizeof settings[0] };
_Static_assert(N_SETTINGS + 3 < CLI_MOST_SETTINGS, "cli_training has room for all");

static int find_setting(const char *name, size_t n) {
  for (int i = 0; i < N_SETTINGS; i++) {
    if (strlen(settings[i].name) == n && strncmp(settings[i].name, name, n) == 0) return i;
  }
  return -1;
}

bool cli_blocks_valid(const char *text) {
  size_t n = strlen(text);
  return n >= 1 && n <= HEED_MAX_BLOCKS && strspn(text, "MS") == n;
}

static bool read_integer(const setting *s, const char *text, int64_t *value) {
  char *end;
  errno = 0;
  long long number = strtoll(text, &end, 10);
  *value = number;
  return errno == 0 && end != text && *end == '\0' && (double)number >= s->least &&
         (double)number <= s->most;
}

static bool read_float(const setting *s, const char *text, float *value) {
  char *end;
  double number = strtod(text, &end);
  *value = (float)number;
  return end != text && *end == '\0' && number >= s->least && number <= s->most &&
         isfinite(*value) && (s->most != BELOW_ONE || *value < 1) && (s->least <= 0 || *value > 0);
}

static bool read_name(const setting *s, const char *text, int *value) {
  for (*value = 0; s->name_of(*value) != NULL; ++*value) {
    if (strcmp(s->name_of(*value), text) == 0) return true;
  }
  *value = -1;
  return s->kind == CHOICE && strcmp(text, "auto") == 0;
}

static bool read_flag(const char *text, bool *value) {
  *value = strcmp(text, "yes") == 0;
  return *value || strcmp(text, "no") == 0;
}

/* Puts a setting into a recipe; false if the text is none of what it takes. */
static bool apply(const setting *s, const char *text, cli_recipe *recipe) {
  void *place = (char *)recipe + s->place;
  int64_t integer = 0;
  int name = 0;
  switch (s->kind) {
    case INT:
      if (!read_integer(s, text, &integer)) return false;
      *(int *)place = (int)integer;
      return true;
    case INT32:
      if (!read_integer(s, text, &integer)) return false;
      *(int32_t *)place = (int32_t)integer;
      return true;
    case INT64:
      return read_integer(s, text, place);
    case FLOAT:
      return read_float(s, text, place);
    case FLAG:
      return read_flag(text, place);
    case NAME:
    case CHOICE:
      return read_name(s, text, place);
    case BLOCKS:
      if (!cli_blocks_valid(text)) return false;
      cli_recipe_set_blocks(recipe, text);
      return true;
    case MASK:
      return cli_read_mask(text, strlen(text), place);
    case FEATURES:
      if (!read_name(s, text, &name)) return false;
      *(bool *)place = name == 1;
      return true;
  }
  return false;
}

/* What a setting takes, for a message. */
static void say_allowed(const setting *s, char *text, size_t size) {
  size_t n = 0;
  switch (s->kind) {
    case INT:
    case INT32:
    case INT64:
      snprintf(text, size, "an integer from %.0f to %.0f", s->least, s->most);
      return;
    case FLOAT:
      if (s->most == BELOW_ONE) {
        snprintf(text, size, "a number from 0 to below 1");
      } else if (s->least < 0) {
        snprintf(text, size, "a number");
      } else if (s->most >= 1e6) {
        snprintf(text, size, "a number %s", s->least > 0 ? "above 0" : "from 0 on");
      } else {
        snprintf(text, size, "a number from %.3g to %.3g", s->least, s->most);
      }
      return;
    case FLAG:
      snprintf(text, size, "yes or no");
      return;
    case BLOCKS:
      snprintf(text, size, "1 to %d letters M and S", HEED_MAX_BLOCKS);
      return;
    case MASK:
      snprintf(text, size, "graph, khop:K with K at least 1, full or none");
      return;
    case NAME:
    case CHOICE:
    case FEATURES:
      break;
  }
  for (int i = 0; s->name_of(i) != NULL && n < size; i++) {
    const char *between = i == 0 ? "" : s->name_of(i + 1) == NULL && s->kind != CHOICE ? " or "
                                                                                       : ", ";
    n += (size_t)snprintf(text + n, size - n, "%s%s", between, s->name_of(i));
  }
  if (s->kind == CHOICE && n < size) snprintf(text + n, size - n, " or auto");
}

/* --- The parser ---------------------------------------------------------------------------- */

enum { KEY_FIRST = 0x400, KEY_PRESET = KEY_FIRST + CLI_MOST_SETTINGS, KEY_SEEDS, KEY_SPLITS };

static error_t parse(int key, char *text, struct argp_state *state) {
  cli_training *training = state->input;
  int i = key - KEY_FIRST;
  if (key == KEY_PRESET) {
    if (cli_preset(text) == NULL) {
      char names[256] = "";
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
  } else if (i >= 0 && i < N_SETTINGS) {
    const setting *s = &settings[i];
    cli_recipe scratch;
    if (text == NULL) {
      static char yes[] = "yes"; /* a flag alone */
      text = yes;
    }
    if (!apply(s, text, &scratch)) {
      char allowed[200];
      say_allowed(s, allowed, sizeof allowed);
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
      "preset", KEY_PRESET, "NAME", 0,
      "Settings of a paper: gat-, gatv2- with cora, citeseer or pubmed; gat and graph-transformer "
      "of the heterophilous benchmark; nsa. Options given beside it count more", 0};
  for (int i = 0; i < N_SETTINGS; i++) {
    const setting *s = &settings[i];
    if (s->help == NULL || (s->of_train && !whole)) continue;
    options[n++] = (struct argp_option){s->name, KEY_FIRST + i, s->argument,
                                        s->kind == FLAG ? OPTION_ARG_OPTIONAL : 0, s->help, 0};
  }
  options[n++] = (struct argp_option){
      "seeds", KEY_SEEDS, "LIST", 0,
      "A run for each of these seeds, such as 0-9 or 0,3,7 (default: that of --seed)", 0};
  options[n++] = (struct argp_option){
      "splits", KEY_SPLITS, "LIST", 0,
      "A run for each of these splits, such as 0-9, or all (default 0). Data without splits gets "
      "random ones, 60 % training, 20 % validation", 0};
  options[n] = (struct argp_option){0};
  return &argp;
}

void cli_training_give(cli_training *training, const char *name, const char *text) {
  int i = find_setting(name, strlen(name));
  if (i >= 0) training->given[i] = text;
}

int64_t *cli_list(const struct argp_state *state, const char *option, const char *text, int *n) {
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
      argp_error(state, "%s takes numbers such as 0-9 or 0,3,7, %d at most, not '%s'", option,
                 MOST, text);
      return NULL;
    }
    int64_t *more = realloc(numbers, ((size_t)*n + (size_t)(last - first) + 1) * sizeof *more);
    if (more == NULL) {
      free(numbers);
      cli_fail("out of memory for a list of numbers");
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

/* --- Putting it together ------------------------------------------------------------------- */

void cli_recipe_set_blocks(cli_recipe *recipe, const char *blocks) {
  snprintf(recipe->model.blocks, sizeof recipe->model.blocks, "%s", blocks);
  recipe->model.layers = (int32_t)strlen(blocks);
}

/* The words of a preset, put into a recipe; `model` gets the kind, if not NULL. */
static void apply_preset(const char *preset, cli_recipe *recipe, heed_model_kind *model) {
  for (const char *at = preset + strspn(preset, " "); *at != '\0'; at += strspn(at, " ")) {
    char text[64];
    size_t n = strcspn(at, " "), equals = strcspn(at, "=");
    snprintf(text, sizeof text, "%.*s", (int)(n - equals - 1), at + equals + 1);
    int i = find_setting(at, equals);
    bool of_model = i >= 0 && settings[i].place == AT(model.kind);
    cli_recipe scratch;
    if (i < 0 || !apply(&settings[i], text, of_model ? &scratch : recipe)) {
      cli_fail("a preset is wrong at '%s'", at); /* seen by the first test of it */
    } else if (of_model && model != NULL) {
      *model = scratch.model.kind;
    }
    at += n;
  }
}

static const char *given(const cli_training *training, const char *name) {
  return training->given[find_setting(name, strlen(name))];
}

/* As many blocks as layers: those of before again and again. */
static void stretch_blocks(cli_recipe *recipe) {
  heed_model_spec *model = &recipe->model;
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

/* Without a preset, where the library's rate, a transformer's, is low: the GAT paper's. */
static const float usual_rate = 0.005F;

void cli_training_resolve(const struct argp_state *state, const cli_training *training,
                          const cli_graph *graph, cli_recipe *recipe) {
  const char *preset = training->preset == NULL ? NULL : cli_preset(training->preset);
  const char *model = given(training, "model"), *layers = given(training, "layers");
  heed_model_kind kind = HEED_MODEL_GAT;
  cli_recipe scratch;
  if (model == NULL && preset == NULL) argp_error(state, "--model or --preset is missing");
  if (preset != NULL) apply_preset(preset, &scratch, &kind);
  if (model != NULL) {
    apply(&settings[find_setting("model", 5)], model, &scratch);
    kind = scratch.model.kind;
  }
  *recipe = (cli_recipe){.model = heed_model_spec_default(kind),
                         .fit = heed_fit_spec_default(),
                         .metric = HEED_METRIC_ACCURACY,
                         .loss = -1,
                         .mask = {CLI_MASK_GRAPH, 1, "graph"}};
  if (kind != HEED_MODEL_TRANSFORMER) recipe->fit.optimizer.rate = usual_rate;
  if (preset != NULL) apply_preset(preset, recipe, NULL);
  for (int i = 0; i < N_SETTINGS; i++) {
    if (training->given[i] != NULL) apply(&settings[i], training->given[i], recipe);
  }
  recipe->model.kind = kind;
  if (graph->normalize != NULL) recipe->normalize = strcmp(graph->normalize, "none") != 0;
  if (layers != NULL) recipe->model.layers = atoi(layers);
  check_model(state, training, &recipe->model);
  if (kind == HEED_MODEL_TRANSFORMER) stretch_blocks(recipe);
}

/* --- Telling it ---------------------------------------------------------------------------- */

/* Whether a setting means something for the model of the recipe. */
static bool matters(const setting *s, const cli_recipe *recipe) {
  heed_model_kind kind = recipe->model.kind;
  bool gat = kind == HEED_MODEL_GAT || kind == HEED_MODEL_GATV2;
  if (s->place == AT(model.blocks)) return kind == HEED_MODEL_TRANSFORMER;
  if (s->place == AT(model.residual)) return kind != HEED_MODEL_TRANSFORMER;
  if (s->place == AT(model.output_heads)) return gat && !recipe->model.residual;
  if (s->place == AT(model.slope)) return gat;
  if (s->place == AT(model.heads) || s->place == AT(model.attention_dropout) ||
      s->place == AT(model.kernel) || s->place == AT(mask)) {
    return kind != HEED_MODEL_MLP;
  }
  return true;
}

/* The shortest decimal number that is this float. */
static void write_float(char *text, size_t size, float x) {
  for (int digits = 1; digits <= 9; digits++) {
    snprintf(text, size, "%.*g", digits, (double)x);
    if (strtof(text, NULL) == x) return;
  }
}

/* The value of a setting as its option takes it. */
static void write_value(const setting *s, const cli_recipe *recipe, char *text, size_t size) {
  const void *place = (const char *)recipe + s->place;
  switch (s->kind) {
    case INT:
      snprintf(text, size, "%d", *(const int *)place);
      return;
    case INT32:
      snprintf(text, size, "%d", (int)*(const int32_t *)place);
      return;
    case INT64:
      snprintf(text, size, "%lld", (long long)*(const int64_t *)place);
      return;
    case FLOAT:
      write_float(text, size, *(const float *)place);
      return;
    case FLAG:
      snprintf(text, size, "%s", *(const bool *)place ? "yes" : "no");
      return;
    case NAME:
    case CHOICE:
      snprintf(text, size, "%s",
               *(const int *)place < 0 ? "auto" : s->name_of(*(const int *)place));
      return;
    case BLOCKS:
      snprintf(text, size, "%s", (const char *)place);
      return;
    case MASK:
      snprintf(text, size, "%s", ((const cli_mask *)place)->name);
      return;
    case FEATURES:
      snprintf(text, size, "%s", s->name_of(*(const bool *)place));
      return;
  }
}

void cli_recipe_report(heed_report *record, const cli_recipe *recipe) {
  for (int i = 0; i < N_SETTINGS; i++) {
    const setting *s = &settings[i];
    char key[32], text[HEED_MAX_BLOCKS + 16];
    if (!matters(s, recipe)) continue;
    snprintf(key, sizeof key, "%s", s->name);
    for (char *c = key; *c != '\0'; c++) *c = *c == '-' ? '_' : *c;
    write_value(s, recipe, text, sizeof text);
    if (s->kind == INT || s->kind == INT32 || s->kind == INT64) {
      heed_report_integer(record, key, NULL, atoll(text));
    } else if (s->kind == FLOAT) {
      heed_report_number(record, key, NULL, strtod(text, NULL), 9);
    } else if (s->kind == FLAG) {
      heed_report_flag(record, key, NULL, strcmp(text, "yes") == 0);
    } else {
      heed_report_text(record, key, NULL, text);
    }
  }
}

void cli_recipe_options(FILE *stream, const cli_recipe *recipe) {
  for (int i = 0; i < N_SETTINGS; i++) {
    char text[HEED_MAX_BLOCKS + 16];
    if (!matters(&settings[i], recipe)) continue;
    write_value(&settings[i], recipe, text, sizeof text);
    fprintf(stream, " --%s%s%s", settings[i].name, settings[i].kind == FLAG ? "=" : " ", text);
  }
}
