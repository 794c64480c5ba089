/* The few numbers that a whole model is made from: their names, what they may be, and as text. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/names.h"
#include "base/status.h"
#include "model/model.h"

static const char *const kinds[] = {"mlp", "gat", "gatv2", "transformer"};
static const char *const norms[] = {"none", "layer", "batch"};
static const char *const poolings[] = {"none", "mean", "sum", "max"}; /* from HEED_POOLING_NONE on */
static const char *const edge_uses[] = {"none", "bias", "add", "quadratic"};
enum {
  KINDS = sizeof kinds / sizeof *kinds,
  NORMS = sizeof norms / sizeof *norms,
  POOLINGS = sizeof poolings / sizeof *poolings,
  EDGE_USES = sizeof edge_uses / sizeof *edge_uses
};

const char *heed_model_kind_name(heed_model_kind kind) {
  return (unsigned)kind < KINDS ? kinds[kind] : "?";
}

heed_status heed_model_kind_from_name(const char *name, heed_model_kind *kind) {
  int i = heed__name_index(kinds, KINDS, name);
  if (i < 0) {
    return heed__fail(HEED_ARGUMENT, "no model '%.64s': mlp, gat, gatv2 or transformer", name);
  }
  *kind = (heed_model_kind)i;
  return HEED_OK;
}

const char *heed_norm_name(heed_norm norm) { return (unsigned)norm < NORMS ? norms[norm] : "?"; }

heed_status heed_norm_from_name(const char *name, heed_norm *norm) {
  int i = heed__name_index(norms, NORMS, name);
  if (i < 0) return heed__fail(HEED_ARGUMENT, "no norm '%.64s': none, layer or batch", name);
  *norm = (heed_norm)i;
  return HEED_OK;
}

const char *heed_pooling_name(heed_pooling pooling) {
  int i = (int)pooling - (int)HEED_POOLING_NONE;
  return i >= 0 && i < POOLINGS ? poolings[i] : "?";
}

heed_status heed_pooling_from_name(const char *name, heed_pooling *pooling) {
  int i = heed__name_index(poolings, POOLINGS, name);
  if (i < 0) {
    return heed__fail(HEED_ARGUMENT, "no pooling '%.64s': none, mean, sum or max", name);
  }
  *pooling = (heed_pooling)(i + (int)HEED_POOLING_NONE);
  return HEED_OK;
}

const char *heed_edge_use_name(heed_edge_use use) {
  return (unsigned)use < EDGE_USES ? edge_uses[use] : "?";
}

heed_status heed_edge_use_from_name(const char *name, heed_edge_use *use) {
  int i = heed__name_index(edge_uses, EDGE_USES, name);
  if (i < 0) {
    return heed__fail(HEED_ARGUMENT, "no use of edges '%.64s': none, bias, add or quadratic", name);
  }
  *use = (heed_edge_use)i;
  return HEED_OK;
}

heed_model_spec heed_model_spec_default(heed_model_kind kind) {
  heed_model_spec spec = {.kind = kind,
                          .layers = 2,
                          .hidden = 64,
                          .heads = 8,
                          .output_heads = 1,
                          .pre_norm = true,
                          .norm = HEED_NORM_NONE,
                          .activation = HEED_ACTIVATION_ELU,
                          .expansion = 2,
                          .dropout = 0.6F,
                          .attention_dropout = 0.6F,
                          .slope = 0.2F,
                          .kernel = HEED_KERNEL_AUTO,
                          .pooling = HEED_POOLING_NONE,
                          .seeds = 1};
  if (kind == HEED_MODEL_MLP) {
    spec.activation = HEED_ACTIVATION_RELU;
    spec.dropout = 0.5F;
    spec.attention_dropout = 0;
  }
  if (kind == HEED_MODEL_TRANSFORMER) {
    spec.layers = 2;
    memcpy(spec.blocks, "MM", sizeof "MM");
    spec.residual = true;
    spec.norm = HEED_NORM_LAYER;
    spec.activation = HEED_ACTIVATION_GELU;
    spec.dropout = 0.2F;
    spec.attention_dropout = 0;
  }
  return spec;
}

enum { MOST_LAYERS = 1000, MOST_EXPANSION = 1024 };

static heed_status check_blocks(const heed_model_spec *spec) {
  size_t n = strnlen(spec->blocks, sizeof spec->blocks);
  if (n == 0 || n > HEED_MAX_BLOCKS) {
    return heed__fail(HEED_RANGE, "model: blocks: %zu of them, not between 1 and %d", n,
                      HEED_MAX_BLOCKS);
  }
  bool pooled = false;
  for (size_t i = 0; i < n; i++) {
    char block = spec->blocks[i];
    if (block != 'M' && block != 'S' && block != 'P') {
      return heed__fail(HEED_ARGUMENT,
                        "model: blocks: block %zu is 0x%02x, neither M (masked) nor S "
                        "(full) nor P (pooling)",
                        i + 1, (unsigned)(unsigned char)block);
    }
    if (pooled && block != 'S') {
      return heed__fail(HEED_ARGUMENT,
                        "model: blocks %s: block %zu is %c, but after P the graph is its seeds, for S "
                        "alone",
                        spec->blocks, i + 1, block);
    }
    pooled = pooled || block == 'P';
  }
  if (pooled && spec->pooling != HEED_POOLING_NONE) {
    return heed__fail(HEED_ARGUMENT, "model: blocks %s pool by attention, and then by pooling %s",
                      spec->blocks, heed_pooling_name(spec->pooling));
  }
  if (pooled && (spec->seeds < 1 || spec->seeds > HEED__MOST_SEEDS)) {
    return heed__fail(HEED_RANGE, "model: seeds %d, not between 1 and %d", (int)spec->seeds,
                      HEED__MOST_SEEDS);
  }
  return HEED_OK;
}

static heed_status check_probability(const char *field, float p) {
  if (p >= 0 && p < 1) return HEED_OK;
  return heed__fail(HEED_RANGE, "model: %s %g, not at least 0 and below 1", field, (double)p);
}

static heed_status check_number(const char *field, int64_t number, int64_t most) {
  if (number >= 1 && number <= most) return HEED_OK;
  return heed__fail(HEED_RANGE, "model: %s %lld, not between 1 and %lld", field, (long long)number,
                    (long long)most);
}

static heed_status check_one_of(const char *field, int number, int count) {
  if (number >= 0 && number < count) return HEED_OK;
  return heed__fail(HEED_ARGUMENT, "model: %s %d: there is none", field, number);
}

/* What is known of the places of nodes. */
static heed_status check_encodings(const heed_model_spec *spec) {
  bool transformer = spec->kind == HEED_MODEL_TRANSFORMER;
  if (spec->pair_classes < 0 || spec->pair_classes > HEED__MOST_CLASSES) {
    return heed__fail(HEED_RANGE, "model: pair-classes %lld, not between 0 and %d",
                      (long long)spec->pair_classes, HEED__MOST_CLASSES);
  }
  if (spec->positions < 0 || spec->positions > INT32_MAX - 1) {
    return heed__fail(HEED_RANGE, "model: positions %lld, not between 0 and %d",
                      (long long)spec->positions, INT32_MAX - 1);
  }
  if (spec->positions > 0 && !transformer && !spec->residual) {
    return heed__fail(HEED_ARGUMENT, "model: positions %lld, but %s without residual has no layer to add "
                      "them to", (long long)spec->positions, heed_model_kind_name(spec->kind));
  }
  if (spec->rotary != 0 && !transformer) {
    return heed__fail(HEED_ARGUMENT, "model: rotary %g, but %s is no transformer",
                      (double)spec->rotary, heed_model_kind_name(spec->kind));
  }
  if (spec->rotary != 0 && !(isfinite(spec->rotary) && spec->rotary > 1)) {
    return heed__fail(HEED_RANGE, "model: rotary %g, not finite and above 1", (double)spec->rotary);
  }
  if (spec->flip_first < 0 || spec->flip_columns < 0 || spec->flip_first > spec->features ||
      spec->flip_columns > spec->features - spec->flip_first) {
    return heed__fail(HEED_RANGE, "model: flip-columns %lld from flip-first %lld on, of %lld features",
                      (long long)spec->flip_columns, (long long)spec->flip_first,
                      (long long)spec->features);
  }
  return HEED_OK;
}

heed_status heed__model_spec_check(const heed_model_spec *spec) {
  HEED__TRY(check_one_of("kind", (int)spec->kind, KINDS));
  HEED__TRY(check_one_of("norm", (int)spec->norm, NORMS));
  HEED__TRY(check_one_of("activation", (int)spec->activation, HEED_ACTIVATION_TANH + 1));
  HEED__TRY(check_one_of("kernel", (int)spec->kernel, HEED_KERNEL_REFERENCE + 1));
  HEED__TRY(check_one_of("normalizer", (int)spec->normalizer, HEED_NORMALIZER_LINEAR + 1));
  HEED__TRY(check_one_of("pooling", (int)spec->pooling - (int)HEED_POOLING_NONE, POOLINGS));
  HEED__TRY(check_one_of("edges", (int)spec->edges, EDGE_USES));
  if (spec->edge_features < 0 || spec->edge_features > HEED__MOST_EDGES) {
    return heed__fail(HEED_RANGE, "model: edge-features %lld, not between 0 and %d",
                      (long long)spec->edge_features, HEED__MOST_EDGES);
  }
  if (spec->edges != HEED_EDGES_NONE && spec->edge_features == 0) {
    return heed__fail(HEED_ARGUMENT, "model: edges %s, but edge-features is 0",
                      heed_edge_use_name(spec->edges));
  }
  HEED__TRY(check_number("features", spec->features, INT32_MAX));
  HEED__TRY(check_number("outputs", spec->outputs, INT32_MAX));
  HEED__TRY(check_number("hidden", spec->hidden, INT32_MAX));
  if (spec->kind == HEED_MODEL_TRANSFORMER) {
    HEED__TRY(check_blocks(spec));
  } else {
    HEED__TRY(check_number("layers", spec->layers, MOST_LAYERS));
  }
  HEED__TRY(check_encodings(spec));
  HEED__TRY(check_probability("dropout", spec->dropout));
  HEED__TRY(check_probability("attention-dropout", spec->attention_dropout));
  if (!(spec->expansion >= 0 && spec->expansion <= MOST_EXPANSION)) {
    return heed__fail(HEED_RANGE, "model: expansion %g, not between 0 and %d",
                      (double)spec->expansion, MOST_EXPANSION);
  }
  if (spec->kind == HEED_MODEL_MLP) return HEED_OK;
  HEED__TRY(check_number("heads", spec->heads, INT32_MAX));
  HEED__TRY(check_number("output-heads", spec->output_heads, INT32_MAX));
  if (spec->hidden % spec->heads != 0) {
    return heed__fail(HEED_ARGUMENT, "model: heads %d do not divide hidden %lld", (int)spec->heads,
                      (long long)spec->hidden);
  }
  if (!isfinite(spec->slope)) {
    return heed__fail(HEED_RANGE, "model: slope %g is not finite", (double)spec->slope);
  }
  return HEED_OK;
}

typedef enum type {
  KIND,
  INT64,
  INT32,
  BLOCKS,
  FLAG,
  NORM,
  ACTIVATION,
  FLOAT,
  KERNEL,
  POOLING,
  EDGES,
  NORMALIZER
} type;

static const struct {
  const char *name;
  type type;
  size_t at;
} fields[] = {
    {"kind", KIND, offsetof(heed_model_spec, kind)},
    {"features", INT64, offsetof(heed_model_spec, features)},
    {"outputs", INT64, offsetof(heed_model_spec, outputs)},
    {"layers", INT32, offsetof(heed_model_spec, layers)},
    {"blocks", BLOCKS, offsetof(heed_model_spec, blocks)},
    {"hidden", INT64, offsetof(heed_model_spec, hidden)},
    {"heads", INT32, offsetof(heed_model_spec, heads)},
    {"output-heads", INT32, offsetof(heed_model_spec, output_heads)},
    {"residual", FLAG, offsetof(heed_model_spec, residual)},
    {"pre-norm", FLAG, offsetof(heed_model_spec, pre_norm)},
    {"norm", NORM, offsetof(heed_model_spec, norm)},
    {"activation", ACTIVATION, offsetof(heed_model_spec, activation)},
    {"expansion", FLOAT, offsetof(heed_model_spec, expansion)},
    {"dropout", FLOAT, offsetof(heed_model_spec, dropout)},
    {"attention-dropout", FLOAT, offsetof(heed_model_spec, attention_dropout)},
    {"slope", FLOAT, offsetof(heed_model_spec, slope)},
    {"kernel", KERNEL, offsetof(heed_model_spec, kernel)},
    {"pooling", POOLING, offsetof(heed_model_spec, pooling)},
    {"seeds", INT32, offsetof(heed_model_spec, seeds)},
    {"edge-features", INT64, offsetof(heed_model_spec, edge_features)},
    {"edges", EDGES, offsetof(heed_model_spec, edges)},
    {"pair-classes", INT64, offsetof(heed_model_spec, pair_classes)},
    {"positions", INT64, offsetof(heed_model_spec, positions)},
    {"rotary", FLOAT, offsetof(heed_model_spec, rotary)},
    {"flip-first", INT64, offsetof(heed_model_spec, flip_first)},
    {"flip-columns", INT64, offsetof(heed_model_spec, flip_columns)},
    {"normalizer", NORMALIZER, offsetof(heed_model_spec, normalizer)},
};
enum { FIELDS = sizeof fields / sizeof *fields, VALUE_BYTES = 80 };

/* The decimal point of the caller's locale: what printf writes and strtof reads. */
static char decimal_point(void) {
  const char *point = localeconv()->decimal_point;
  return point != NULL && point[0] != '\0' ? point[0] : '.';
}

static void write_float(char text[VALUE_BYTES], float number) {
  snprintf(text, VALUE_BYTES, "%.9g", (double)number);
  char *point = strchr(text, decimal_point());
  if (point != NULL) *point = '.';
}

static void write_value(char text[VALUE_BYTES], const heed_model_spec *spec, int field) {
  const char *at = (const char *)spec + fields[field].at;
  const char *name = "?";
  switch (fields[field].type) {
    case KIND:
      name = heed_model_kind_name(spec->kind);
      break;
    case NORM:
      name = heed_norm_name(spec->norm);
      break;
    case ACTIVATION:
      name = heed_activation_name(spec->activation);
      break;
    case KERNEL:
      name = heed_kernel_name(spec->kernel);
      break;
    case POOLING:
      name = heed_pooling_name(spec->pooling);
      break;
    case EDGES:
      name = heed_edge_use_name(spec->edges);
      break;
    case NORMALIZER:
      name = heed_normalizer_name(spec->normalizer);
      break;
    case BLOCKS:
      name = spec->blocks;
      break;
    case INT64:
      snprintf(text, VALUE_BYTES, "%lld", (long long)*(const int64_t *)(const void *)at);
      return;
    case INT32:
      snprintf(text, VALUE_BYTES, "%d", (int)*(const int32_t *)(const void *)at);
      return;
    case FLAG:
      name = *(const bool *)at ? "yes" : "no";
      break;
    case FLOAT:
      write_float(text, *(const float *)(const void *)at);
      return;
  }
  snprintf(text, VALUE_BYTES, "%.*s", HEED_MAX_BLOCKS, name);
}

heed_status heed_model_spec_write(const heed_model_spec *spec, char *text, size_t size) {
  size_t used = 0;
  for (int i = 0; i < FIELDS; i++) {
    char value[VALUE_BYTES];
    write_value(value, spec, i);
    int n = snprintf(used < size ? text + used : NULL, used < size ? size - used : 0, "%s%s=%s",
                     i == 0 ? "" : " ", fields[i].name, value);
    used += (size_t)n;
  }
  if (used < size) return HEED_OK;
  if (size > 0) text[0] = '\0';
  return heed__fail(HEED_RANGE, "model: its text has %zu bytes, there is room for %zu", used + 1,
                    size);
}

static bool read_integer(const char *text, int64_t least, int64_t largest, int64_t *number) {
  char *end;
  if (text[0] != '-' && (text[0] < '0' || text[0] > '9')) return false;
  errno = 0;
  long long value = strtoll(text, &end, 10);
  *number = value;
  return errno == 0 && end != text && *end == '\0' && value >= least && value <= largest;
}

/* A finite number; `text` is changed. */
static bool read_float(char *text, float *number) {
  char *end;
  if (strspn(text, "0123456789+-.eE") != strlen(text)) return false; /* no infinity, no blanks */
  char *point = strchr(text, '.');
  if (point != NULL) *point = decimal_point();
  *number = strtof(text, &end);
  bool good = end != text && *end == '\0' && isfinite(*number);
  if (point != NULL) *point = '.';
  return good;
}

static bool read_value(heed_model_spec *spec, int field, char *text) {
  char *at = (char *)spec + fields[field].at;
  int64_t number;
  switch (fields[field].type) {
    case KIND:
      return heed_model_kind_from_name(text, &spec->kind) == HEED_OK;
    case NORM:
      return heed_norm_from_name(text, &spec->norm) == HEED_OK;
    case ACTIVATION:
      return heed_activation_from_name(text, &spec->activation) == HEED_OK;
    case KERNEL:
      return heed_kernel_from_name(text, &spec->kernel) == HEED_OK;
    case POOLING:
      return heed_pooling_from_name(text, &spec->pooling) == HEED_OK;
    case EDGES:
      return heed_edge_use_from_name(text, &spec->edges) == HEED_OK;
    case NORMALIZER:
      return heed_normalizer_from_name(text, &spec->normalizer) == HEED_OK;
    case BLOCKS:
      if (strlen(text) > HEED_MAX_BLOCKS || strspn(text, "MSP") != strlen(text)) return false;
      memset(spec->blocks, 0, sizeof spec->blocks);
      memcpy(spec->blocks, text, strlen(text));
      return true;
    case INT64:
      if (!read_integer(text, INT64_MIN, INT64_MAX, &number)) return false;
      *(int64_t *)(void *)at = number;
      return true;
    case INT32:
      if (!read_integer(text, INT32_MIN, INT32_MAX, &number)) return false;
      *(int32_t *)(void *)at = (int32_t)number;
      return true;
    case FLAG:
      *(bool *)at = strcmp(text, "yes") == 0;
      return *(bool *)at || strcmp(text, "no") == 0;
    case FLOAT:
      return read_float(text, (float *)(void *)at);
  }
  return false;
}

/* The next word of `*text`, "name=value", into `word`, and past it; its field, -1: the end. */
enum { WORD_BYTES = 128, END = -1 };

static heed_status next_word(const char **text, char word[WORD_BYTES], int *field, char **value) {
  const char *from = *text + strspn(*text, " ");
  size_t n = strcspn(from, " ");
  *text = from + n;
  *field = END;
  if (n == 0) return HEED_OK;
  if (n >= WORD_BYTES) {
    return heed__fail(HEED_FORMAT, "model: the word '%.40s...' has %zu bytes", from, n);
  }
  memcpy(word, from, n);
  word[n] = '\0';
  char *sign = strchr(word, '=');
  if (sign == NULL) return heed__fail(HEED_FORMAT, "model: the word '%s' has no '='", word);
  *sign = '\0';
  for (int i = 0; i < FIELDS; i++) {
    if (strcmp(fields[i].name, word) == 0) *field = i;
  }
  *sign = '=';
  *value = sign + 1;
  if (*field == END) {
    return heed__fail(HEED_FORMAT, "model: the word '%s' names no field of a model", word);
  }
  return HEED_OK;
}

heed_status heed_model_spec_read(heed_model_spec *result, const char *text) {
  heed_model_spec spec = {0};
  bool seen[FIELDS] = {false};
  /* The kind first, wherever it stands, for its defaults. */
  for (int round = 0; round < 2; round++) {
    const char *rest = text;
    for (;;) {
      char word[WORD_BYTES], *value;
      int field;
      HEED__TRY(next_word(&rest, word, &field, &value));
      if (field == END) break;
      if ((fields[field].type == KIND) != (round == 0)) continue;
      if (seen[field]) return heed__fail(HEED_FORMAT, "model: the word '%s' comes twice", word);
      seen[field] = true;
      if (!read_value(&spec, field, value)) {
        return heed__fail(HEED_FORMAT, "model: the word '%s' has no value that %s can have", word,
                          fields[field].name);
      }
    }
    if (round > 0) break;
    if (!seen[0]) return heed__fail(HEED_FORMAT, "model: '%.40s' has no kind", text);
    spec = heed_model_spec_default(spec.kind);
  }
  if (spec.kind == HEED_MODEL_TRANSFORMER) spec.layers = (int32_t)strlen(spec.blocks);
  *result = spec;
  return HEED_OK;
}
