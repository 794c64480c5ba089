/* The table of settings, and their values as text. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/settings.h"

/* --- Names --------------------------------------------------------------------------------- */

static const char *model_name(int i) {
  return i <= HEED_MODEL_TRANSFORMER ? heed_model_kind_name((heed_model_kind)i) : NULL;
}

static const char *norm_name(int i) {
  return i <= HEED_NORM_BATCH ? heed_norm_name((heed_norm)i) : NULL;
}

static const char *activation_name(int i) {
  return i <= HEED_ACTIVATION_TANH ? heed_activation_name((heed_activation)i) : NULL;
}

static const char *kernel_name(int i) {
  return i <= HEED_KERNEL_REFERENCE ? heed_kernel_name((heed_kernel)i) : NULL;
}

static const char *normalizer_name(int i) {
  return i <= HEED_NORMALIZER_LINEAR ? heed_normalizer_name((heed_normalizer)i) : NULL;
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

static const char *metric_name(int i) {
  return i <= HEED_METRIC_MAE ? heed_metric_name((heed_metric)i) : NULL;
}

static const char *loss_name(int i) {
  return i <= HEED_LOSS_ABSOLUTE ? heed_loss_name((heed_loss)i) : NULL;
}

static const char *pooling_name(int i) {
  if (i == CLI_POOLING_NONE) return "none";
  return i <= HEED_POOLING_MAX ? heed_pooling_name((heed_pooling)i) : NULL;
}

static const char *edges_name(int i) {
  return i <= HEED_EDGES_ADD ? heed_edge_use_name((heed_edge_use)i) : NULL;
}

static const char *split_name(int i) {
  if (i > HEED_SPLIT_SCAFFOLD_FOLDS) return NULL;
  return heed_collection_split_name((heed_collection_split_kind)i);
}

static const char *features_name(int i) {
  static const char *const names[] = {"none", "row-normalize", NULL};
  return names[i];
}

/* --- Settings ------------------------------------------------------------------------------ */

_Static_assert(sizeof(heed_norm) == sizeof(int), "enums are read and written as int");

#define AT(field) offsetof(cli_recipe, field)
#define BELOW_ONE (1 - 1e-9)
#define LARGE (1e30)
#define ALL CLI_OF_ALL
#define COLLECTIONS CLI_OF_COLLECTIONS
#define NODES CLI_OF_NODES

static const cli_setting settings[] = {
    {"model", "NAME", "gat, gatv2, transformer or mlp", CLI_NAME, AT(model.kind), 0, 0, model_name,
     false, ALL},
    {"blocks", "MSMS",
     "Blocks of a transformer: M is masked, S sees every node; of whole graphs also P, which pools "
     "by attention, and S after it",
     CLI_BLOCKS, AT(model.blocks), 0, 0, NULL, true, ALL},
    {"layers", "N", "Layers", CLI_INT32, AT(model.layers), 1, HEED_MAX_BLOCKS, NULL, false, ALL},
    {"hidden", "N", "Width between layers: heads times the size of a head", CLI_INT64,
     AT(model.hidden), 1, 65536, NULL, false, ALL},
    {"heads", "N", "Heads", CLI_INT32, AT(model.heads), 1, 4096, NULL, true, ALL},
    {"output-heads", "N", "Heads of the last layer of gat and gatv2, averaged", CLI_INT32,
     AT(model.output_heads), 1, 4096, NULL, false, ALL},
    {"norm", "NAME", "Normalisation: none, layer or batch", CLI_NAME, AT(model.norm), 0, 0,
     norm_name, false, ALL},
    {"pre-norm", "yes|no", "Normalise before attention and feed-forward, not after the sum",
     CLI_FLAG, AT(model.pre_norm), 0, 0, NULL, false, ALL},
    {"residual", "yes|no", "gat, gatv2, mlp: layers add to what they take", CLI_FLAG,
     AT(model.residual), 0, 0, NULL, false, ALL},
    {"activation", "NAME", "none, relu, leaky-relu, elu, gelu or tanh", CLI_NAME, AT(model.activation), 0,
     0, activation_name, false, ALL},
    {"expansion", "X", "Hidden width of feed-forward parts over --hidden", CLI_FLOAT,
     AT(model.expansion), 0, 64, NULL, false, ALL},
    {"dropout", "P", "Dropout of features and values", CLI_FLOAT, AT(model.dropout), 0, BELOW_ONE,
     NULL, false, ALL},
    {"attn-dropout", "P", "Dropout of attention weights", CLI_FLOAT, AT(model.attention_dropout), 0,
     BELOW_ONE, NULL, false, ALL},
    {"slope", "X", "LeakyReLU below zero, in gat and gatv2", CLI_FLOAT, AT(model.slope), -LARGE,
     LARGE, NULL, true, ALL},
    {"kernel", "NAME", "auto, sparse, dense or reference", CLI_NAME, AT(model.kernel), 0, 0,
     kernel_name, false, ALL},
    {"normalizer", "NAME", "What makes weights of scores: softmax, relu, sigmoid or linear", CLI_NAME,
     AT(model.normalizer), 0, 0, normalizer_name, true, ALL},
    {"optimizer", "NAME", "adam or adamw", CLI_NAME, AT(fit.optimizer.kind), 0, 0, optimizer_name,
     false, ALL},
    {"lr", "X", "Learning rate", CLI_FLOAT, AT(fit.optimizer.rate), 1e-12, 1e6, NULL, false, ALL},
    {"weight-decay", "X", "Weight decay: with adam in the gradient, with adamw apart from it",
     CLI_FLOAT, AT(fit.optimizer.weight_decay), 0, LARGE, NULL, false, ALL},
    {"decay-all", "yes|no", "Decay biases and norms too", CLI_FLAG, AT(fit.optimizer.decay_all), 0,
     0, NULL, false, ALL},
    {"clip", "X", "Largest norm of the gradient; 0: none", CLI_FLOAT, AT(fit.optimizer.clip), 0,
     LARGE, NULL, false, ALL},
    {"schedule", "NAME", "Learning rate: constant, cosine or plateau", CLI_NAME,
     AT(fit.optimizer.schedule), 0, 0, schedule_name, false, ALL},
    {"warmup", "N", "Epochs of rising rate before the cosine", CLI_INT, AT(fit.optimizer.warmup), 0,
     1e9, NULL, false, ALL},
    {"factor", "X", "What a plateau multiplies the rate by", CLI_FLOAT, AT(fit.optimizer.factor),
     1e-9, 1, NULL, false, ALL},
    {"schedule-patience", "N", "Epochs that make a plateau", CLI_INT,
     AT(fit.optimizer.schedule_patience), 1, 1e9, NULL, false, ALL},
    {"epochs", "N", "Epochs at most", CLI_INT, AT(fit.epochs), 1, 1e9, NULL, false, ALL},
    {"patience", "N", "Epochs without improvement before it stops; 0: never", CLI_INT,
     AT(fit.patience), 0, 1e9, NULL, false, ALL},
    {"watch", "NAME", "What has to improve in validation: metric, loss or both", CLI_NAME,
     AT(fit.watch), 0, 0, watch_name, false, ALL},
    {"metric", "NAME",
     "accuracy, macro-f1, micro-f1, roc-auc, mcc, for numbers rmse or mae; or auto: roc-auc for "
     "two "
     "classes of nodes and for binary targets, rmse for numbers, else accuracy",
     CLI_CHOICE, AT(metric), 0, 0, metric_name, false, ALL},
    {"loss", "NAME",
     "cross-entropy, binary-cross-entropy, for numbers squared or absolute; or auto (default): "
     "squared for numbers, the second for binary targets and for two classes and roc-auc",
     CLI_CHOICE, AT(loss), 0, 0, loss_name, false, ALL},
    {"mask", "MASK", "Who attends to whom: graph (default), khop:K, full, none, window:W, causal and others, joined by | & - ! "
     "(see MASKS in the manual)",
     CLI_MASK, AT(mask), 0, 0, NULL, true, ALL},
    {"encoding", "WORDS",
     "Where nodes are, words with + between them: laplacian:K, random-walk:K, degree[:K] and "
     "sinusoidal:D[:HxW] stand beside the features; learned and rotary[:BASE] are the model's; "
     "relative:R[:HxW], distance:K and quadratic[:HxW] a learned bias of pairs. Places are the numbers "
     "of nodes, with HxW those of a grid row by row; or none (default)",
     CLI_ENCODING, AT(encodings), 0, 0, NULL, false, ALL},
    {"pooling", "NAME",
     "One vector a graph: mean, sum or max of its nodes, or none where a P among the blocks does "
     "it "
     "(default: none with a P, else mean)",
     CLI_CHOICE, AT(pooling), 0, 0, pooling_name, false, COLLECTIONS},
    {"pool-seeds", "K", "Learned queries of a P block (default 1)", CLI_INT32, AT(model.seeds), 1,
     4096, NULL, false, COLLECTIONS},
    {"edges", "NAME",
     "What masked attention makes of edge features: none, bias (a learned bias a head) or add (to "
     "key "
     "and value); default: add where there are any",
     CLI_CHOICE, AT(edges), 0, 0, edges_name, false, COLLECTIONS},
    {"batch", "N",
     "Graphs of a step; 0: all (default 64). Of one large graph, target nodes of a step, each with the "
     "neighbours of --fanout or, without, all (default: the whole graph at once, with --fanout 1024)",
     CLI_INT, AT(fit.batch), 0, 1e9, NULL, false, ALL},
    {"fanout", "10,10",
     "Draw so many neighbours a node for each masked layer, from the target nodes outwards; -1 or all: "
     "all; one number: for all layers",
     CLI_FANOUTS, AT(fit.fanouts), 0, 0, NULL, false, NODES},
    {"clusters", "N", "Cut one large graph into so many parts (by METIS), some of which make a step",
     CLI_INT, AT(fit.clusters), 1, 1e9, NULL, false, NODES},
    {"batch-clusters", "N", "Parts of a step, drawn anew for each epoch (default 1)", CLI_INT,
     AT(fit.cluster_batch), 1, 1e9, NULL, false, NODES},
    {"standardize", "yes|no",
     "Learn numbers less their mean over their deviation, both of the training graphs (default "
     "yes)",
     CLI_FLAG, AT(fit.standardize), 0, 0, NULL, false, COLLECTIONS},
    {"split", "NAME",
     "random, stratified, folds, scaffold or scaffold-folds (default: stratified for classes, else "
     "random)",
     CLI_CHOICE, AT(split), 0, 0, split_name, false, COLLECTIONS},
    {"folds", "N",
     "So many folds, each the test once; a run for each unless --splits says otherwise", CLI_INT,
     AT(folds), 3, 1000, NULL, false, COLLECTIONS},
    {"features", NULL, NULL, CLI_FEATURES, AT(normalize), 0, 0, features_name, false, ALL},
};
enum { N_SETTINGS = sizeof settings / sizeof settings[0] };
_Static_assert(N_SETTINGS + 3 < CLI_MOST_SETTINGS, "cli_training has room for all");

const cli_setting *cli_setting_at(int i) { return i < N_SETTINGS ? &settings[i] : NULL; }

int cli_setting_find(const char *name, size_t n) {
  for (int i = 0; i < N_SETTINGS; i++) {
    if (strlen(settings[i].name) == n && strncmp(settings[i].name, name, n) == 0) return i;
  }
  return -1;
}

bool cli_blocks_valid(const char *text) {
  size_t n = strlen(text), first = strspn(text, "MS");
  if (n < 1 || n > HEED_MAX_BLOCKS) return false;
  return first == n || (text[first] == 'P' && first + 1 + strspn(text + first + 1, "S") == n);
}

static bool read_integer(const cli_setting *s, const char *text, int64_t *value) {
  char *end;
  errno = 0;
  long long number = strtoll(text, &end, 10);
  *value = number;
  return errno == 0 && end != text && *end == '\0' && (double)number >= s->least &&
         (double)number <= s->most;
}

static bool read_float(const cli_setting *s, const char *text, float *value) {
  char *end;
  double number = strtod(text, &end);
  *value = (float)number;
  return end != text && *end == '\0' && number >= s->least && number <= s->most &&
         isfinite(*value) && (s->most != BELOW_ONE || *value < 1) && (s->least <= 0 || *value > 0);
}

static bool read_name(const cli_setting *s, const char *text, int *value) {
  for (*value = 0; s->name_of(*value) != NULL; ++*value) {
    if (strcmp(s->name_of(*value), text) == 0) return true;
  }
  *value = -1;
  return s->kind == CLI_CHOICE && strcmp(text, "auto") == 0;
}

static bool read_flag(const char *text, bool *value) {
  *value = strcmp(text, "yes") == 0;
  return *value || strcmp(text, "no") == 0;
}

static bool read_fanouts(const char *text, heed_fit_spec *fit) {
  int n = 0;
  for (;; text++) {
    char *end;
    errno = 0;
    bool all = strncmp(text, "all", 3) == 0;
    long long number = all ? -1 : strtoll(text, &end, 10);
    if (all) end = (char *)(uintptr_t)text + 3;
    if (errno != 0 || end == text || number < -1 || number > 1000000 || n == HEED_MAX_HOPS) {
      return false;
    }
    fit->fanout[n++] = (int32_t)number;
    fit->fanouts = n;
    text = end;
    if (*text == '\0') return true;
    if (*text != ',') return false;
  }
}

bool cli_setting_apply(const cli_setting *s, const char *text, cli_recipe *recipe) {
  void *place = (char *)recipe + s->place;
  int64_t integer = 0;
  int name = 0;
  switch (s->kind) {
    case CLI_INT:
      if (!read_integer(s, text, &integer)) return false;
      *(int *)place = (int)integer;
      return true;
    case CLI_INT32:
      if (!read_integer(s, text, &integer)) return false;
      *(int32_t *)place = (int32_t)integer;
      return true;
    case CLI_INT64:
      return read_integer(s, text, place);
    case CLI_FLOAT:
      return read_float(s, text, place);
    case CLI_FLAG:
      return read_flag(text, place);
    case CLI_NAME:
    case CLI_CHOICE:
      return read_name(s, text, place);
    case CLI_BLOCKS:
      if (!cli_blocks_valid(text)) return false;
      cli_recipe_set_blocks(recipe, text);
      return true;
    case CLI_MASK:
      return cli_read_mask(text, strlen(text), place);
    case CLI_FANOUTS:
      return read_fanouts(text, &recipe->fit);
    case CLI_ENCODING:
      return heed_encodings_read(place, text) == HEED_OK;
    case CLI_FEATURES:
      if (!read_name(s, text, &name)) return false;
      *(bool *)place = name == 1;
      return true;
  }
  return false;
}

void cli_setting_allowed(const cli_setting *s, char *text, size_t size) {
  size_t n = 0;
  switch (s->kind) {
    case CLI_INT:
    case CLI_INT32:
    case CLI_INT64:
      snprintf(text, size, "an integer from %.0f to %.0f", s->least, s->most);
      return;
    case CLI_FLOAT:
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
    case CLI_FLAG:
      snprintf(text, size, "yes or no");
      return;
    case CLI_BLOCKS:
      snprintf(text, size, CLI_BLOCKS_RULE, HEED_MAX_BLOCKS);
      return;
    case CLI_MASK:
      snprintf(text, size, "a mask");
      return;
    case CLI_ENCODING: /* heed_message() says more */
      snprintf(text, size, "words with + between them");
      return;
    case CLI_FANOUTS:
      snprintf(text, size, "1 to %d numbers separated by commas, each from 0 on, or -1 or all for all",
               HEED_MAX_HOPS);
      return;
    case CLI_NAME:
    case CLI_CHOICE:
    case CLI_FEATURES:
      break;
  }
  for (int i = 0; s->name_of(i) != NULL && n < size; i++) {
    const char *between = i == 0                                               ? ""
                          : s->name_of(i + 1) == NULL && s->kind != CLI_CHOICE ? " or "
                                                                               : ", ";
    n += (size_t)snprintf(text + n, size - n, "%s%s", between, s->name_of(i));
  }
  if (s->kind == CLI_CHOICE && n < size) snprintf(text + n, size - n, " or auto");
}

/* --- Telling it ---------------------------------------------------------------------------- */

bool cli_folds(const cli_recipe *recipe) {
  return recipe->split >= 0 &&
         heed_collection_split_folds((heed_collection_split_kind)recipe->split);
}

bool cli_setting_matters(const cli_setting *s, const cli_recipe *recipe) {
  heed_model_kind kind = recipe->model.kind;
  if (s->of == CLI_OF_COLLECTIONS && !recipe->of_graphs) return false;
  if (s->of == CLI_OF_NODES && recipe->of_graphs) return false;
  if (s->place == AT(fit.batch)) return recipe->of_graphs || recipe->fit.batch > 0;
  if (s->place == AT(fit.fanouts)) return recipe->fit.fanouts > 0;
  if (s->place == AT(fit.clusters) || s->place == AT(fit.cluster_batch)) {
    return recipe->fit.clusters > 0;
  }
  if (s->place == AT(normalize)) return !recipe->of_graphs;
  if (s->place == AT(model.seeds)) {
    return kind == HEED_MODEL_TRANSFORMER && strchr(recipe->model.blocks, 'P') != NULL;
  }
  if (s->place == AT(encodings)) return recipe->encodings.n > 0;
  if (s->place == AT(fit.standardize)) return recipe->kind == HEED_TARGET_NUMBER;
  if (s->place == AT(folds)) return cli_folds(recipe);
  bool gat = kind == HEED_MODEL_GAT || kind == HEED_MODEL_GATV2;
  if (s->place == AT(model.blocks)) return kind == HEED_MODEL_TRANSFORMER;
  if (s->place == AT(model.residual)) return kind != HEED_MODEL_TRANSFORMER;
  if (s->place == AT(model.output_heads)) return gat && !recipe->model.residual;
  if (s->place == AT(model.slope)) return gat;
  if (s->place == AT(model.normalizer) || s->place == AT(model.heads) ||
      s->place == AT(model.attention_dropout) ||
      s->place == AT(model.kernel) || s->place == AT(mask) || s->place == AT(edges)) {
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

void cli_setting_write(const cli_setting *s, const cli_recipe *recipe, char *text, size_t size) {
  const void *place = (const char *)recipe + s->place;
  switch (s->kind) {
    case CLI_INT:
      snprintf(text, size, "%d", *(const int *)place);
      return;
    case CLI_INT32:
      snprintf(text, size, "%d", (int)*(const int32_t *)place);
      return;
    case CLI_INT64:
      snprintf(text, size, "%lld", (long long)*(const int64_t *)place);
      return;
    case CLI_FLOAT:
      write_float(text, size, *(const float *)place);
      return;
    case CLI_FLAG:
      snprintf(text, size, "%s", *(const bool *)place ? "yes" : "no");
      return;
    case CLI_NAME:
    case CLI_CHOICE:
      snprintf(text, size, "%s",
               *(const int *)place < 0 ? "auto" : s->name_of(*(const int *)place));
      return;
    case CLI_BLOCKS:
      snprintf(text, size, "%s", (const char *)place);
      return;
    case CLI_MASK:
      snprintf(text, size, "%s", ((const cli_mask *)place)->name);
      return;
    case CLI_FANOUTS:
      text[0] = '\0';
      for (int h = 0; h < recipe->fit.fanouts; h++) {
        size_t n = strlen(text);
        snprintf(text + n, size - n, "%s%d", h == 0 ? "" : ",", (int)recipe->fit.fanout[h]);
      }
      return;
    case CLI_ENCODING:
      if (heed_encodings_write(place, text, size) != HEED_OK) snprintf(text, size, "?");
      return;
    case CLI_FEATURES:
      snprintf(text, size, "%s", s->name_of(*(const bool *)place));
      return;
  }
}
