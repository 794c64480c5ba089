/* BERT encoders out of checkpoints (Devlin et al. 2019). */
#include <errno.h>
#include <heed/data.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/status.h"
#include "model/model.h"
#include "sequence/bert.h"

enum { NAME_BYTES = 256, MOST_LAYERS = 1000 };

/* A file being read. */
typedef struct reading {
  heed_safetensors *file;
  const char *path;
  const char *config; /* the file that tells what tensors do not, or NULL */
  heed_bert_sizes told;
  int32_t heads; /* that were asked for, or 0 */
  char prefix[NAME_BYTES / 2];
} reading;

#define WORDS "embeddings.word_embeddings.weight"

/* What stands before the names: that of the tensor that ends like the words' embeddings. */
static heed_status find_prefix(reading *r) {
  const char *found = NULL;
  size_t tail = strlen(WORDS);
  for (int i = 0; i < heed_safetensors_count(r->file); i++) {
    const char *name = heed_safetensors_at(r->file, i)->name;
    size_t n = strlen(name);
    if (n < tail || strcmp(name + n - tail, WORDS) != 0) continue;
    if (n > tail && name[n - tail - 1] != '.') continue;
    if (found != NULL) {
      return heed__fail(HEED_FORMAT, "%s: two encoders, %.80s and %.80s", r->path, found, name);
    }
    found = name;
  }
  if (found == NULL) {
    return heed__fail(HEED_FORMAT, "%s: no tensor is called %s, with a prefix or without", r->path,
                      WORDS);
  }
  size_t n = strlen(found) - tail;
  if (n >= sizeof r->prefix) {
    return heed__fail(HEED_FORMAT, "%s: tensor %.80s...: a prefix of %zu bytes", r->path, found, n);
  }
  memcpy(r->prefix, found, n);
  r->prefix[n] = '\0';
  return HEED_OK;
}

/* The tensor `name`; of norms, the older names too. NULL: there is none. */
static const heed_array *find(const reading *r, const char *name) {
  static const char *const newer[2] = {".weight", ".bias"}, *const older[2] = {".gamma", ".beta"};
  char text[NAME_BYTES];
  snprintf(text, sizeof text, "%s%s", r->prefix, name);
  const heed_array *array = heed_safetensors_find(r->file, text);
  for (int i = 0; i < 2 && array == NULL && strstr(name, "LayerNorm.") != NULL; i++) {
    size_t n = strlen(text), tail = strlen(newer[i]);
    if (n < tail || strcmp(text + n - tail, newer[i]) != 0) continue;
    snprintf(text + n - tail, sizeof text - (n - tail), "%s", older[i]);
    array = heed_safetensors_find(r->file, text);
  }
  return array;
}

/* The tensor `name` of [rows, cols], cols 0: of [rows]; rows or cols -1: any. */
static heed_status find_shape(const reading *r, const char *name, int64_t rows, int64_t cols,
                              const heed_array **array) {
  const heed_array *a = *array = find(r, name);
  if (a == NULL) {
    return heed__fail(HEED_FORMAT, "%s: there is no tensor %s%s", r->path, r->prefix, name);
  }
  int dims = cols == 0 ? 1 : 2;
  if (a->n_dims == dims && (rows < 0 || a->shape[0] == rows) &&
      (dims == 1 || cols < 0 || a->shape[1] == cols) && a->shape[0] > 0 &&
      (dims == 1 || a->shape[1] > 0)) {
    return HEED_OK;
  }
  return heed__fail(HEED_FORMAT, "%s: tensor %s has %d dimensions [%lld%s%lld], not %d [%lld%s%lld] "
                    "(-1: any above 0)",
                    r->path, a->name, a->n_dims, a->n_dims > 0 ? (long long)a->shape[0] : 0LL,
                    a->n_dims > 1 ? ", " : "; ", a->n_dims > 1 ? (long long)a->shape[1] : 0LL, dims,
                    (long long)rows, dims > 1 ? ", " : "; ", (long long)cols);
}

/* Its numbers, finite; the caller frees them. */
static heed_status read_shape(const reading *r, const char *name, int64_t rows, int64_t cols,
                              float **numbers) {
  const heed_array *a;
  *numbers = NULL;
  HEED__TRY(find_shape(r, name, rows, cols, &a));
  int64_t n = rows * (cols == 0 ? 1 : cols); /* no more than the file has */
  float *got = heed__alloc((size_t)n, sizeof *got);
  if (got == NULL) return HEED_NOMEM;
  heed_status status = heed_safetensors_read(r->file, a->name, got, n);
  if (status != HEED_OK) {
    heed__free(got);
    return status;
  }
  *numbers = got;
  return HEED_OK;
}

static heed_status read_sizes(const reading *r, heed_bert_sizes *sizes) {
  const heed_array *words, *positions, *segments, *wide;
  char name[NAME_BYTES];
  HEED__TRY(find_shape(r, WORDS, -1, -1, &words));
  sizes->hidden = words->shape[1];
  HEED__TRY(find_shape(r, "embeddings.position_embeddings.weight", -1, sizes->hidden, &positions));
  HEED__TRY(find_shape(r, "embeddings.token_type_embeddings.weight", -1, sizes->hidden, &segments));
  sizes->embedding = (heed_embedding){.tokens = words->shape[0],
                                      .positions = positions->shape[0],
                                      .segments = segments->shape[0]};
  HEED__TRY(find_shape(r, "encoder.layer.0.intermediate.dense.weight", -1, sizes->hidden, &wide));
  sizes->feed_forward = wide->shape[0];
  do {
    sizes->layers++;
    snprintf(name, sizeof name, "encoder.layer.%d.attention.self.query.weight", (int)sizes->layers);
  } while (find(r, name) != NULL && sizes->layers < MOST_LAYERS);
  sizes->pooler = find(r, "pooler.dense.weight") != NULL;
  if (sizes->hidden > INT32_MAX || sizes->feed_forward > INT32_MAX ||
      words->shape[0] > INT32_MAX || positions->shape[0] > INT32_MAX ||
      segments->shape[0] > INT32_MAX || heed_embedding_columns(&sizes->embedding) > INT32_MAX) {
    return heed__fail(HEED_OVERFLOW, "%s: sizes beyond %d", r->path, INT32_MAX);
  }
  if (r->config != NULL) HEED__TRY(heed__bert_agree(r->config, &r->told, r->path, sizes));
  sizes->heads = r->heads != 0 ? r->heads : r->told.heads;
  if (sizes->heads < 1 || sizes->hidden % sizes->heads != 0) {
    return heed__fail(HEED_SHAPE, "%s: %d heads do not divide a width of %lld", r->path,
                      (int)sizes->heads, (long long)sizes->hidden);
  }
  return HEED_OK;
}

/* The least float whose product with `hidden` is `wide` or above. */
static float expansion_of(int64_t wide, int64_t hidden) {
  float ratio = (float)((double)wide / (double)hidden);
  return (double)ratio * (double)hidden < (double)wide ? nextafterf(ratio, INFINITY) : ratio;
}

static heed_status build(heed_model **result, const heed_bert_sizes *sizes) {
  heed_model *m;
  char name[NAME_BYTES];
  HEED__TRY(heed_model_new(&m, heed_embedding_columns(&sizes->embedding)));
  heed_status status = heed_model_epsilon(m, sizes->epsilon);
  heed_block_options options = {.heads = sizes->heads,
                                .scope = HEED_SCOPE_FULL,
                                .score = HEED_SCORE_DOT,
                                .norm = HEED_NORM_LAYER,
                                .activation = sizes->activation,
                                .expansion = expansion_of(sizes->feed_forward, sizes->hidden)};
  heed_value x = heed_model_linear(m, "embeddings", heed_model_features(m), sizes->hidden, false);
  x = heed_model_normalize(m, "embeddings.norm", x, HEED_NORM_LAYER);
  for (int i = 0; i < sizes->layers; i++) {
    snprintf(name, sizeof name, "blocks.%d", i);
    x = heed_model_block(m, name, x, &options);
  }
  if (status == HEED_OK) status = heed_model_finish(m, x, 0);
  if (status != HEED_OK) {
    heed_model_free(m);
    return status;
  }
  *result = m;
  return HEED_OK;
}

static heed_parameter parameter(const heed_model *model, const char *name) {
  heed_parameter is = {0};
  for (int i = 0; i < heed_model_tensors(model); i++) {
    is = heed_model_tensor(model, i);
    if (strcmp(is.name, name) == 0) break;
  }
  return is;
}

/* Embeddings lie in the model as rows, one a column of features: one table below the other. */
static heed_status read_embeddings(const reading *r, const heed_bert *bert) {
  static const char *const names[3] = {WORDS, "embeddings.position_embeddings.weight",
                                       "embeddings.token_type_embeddings.weight"};
  const heed_embedding *e = &bert->sizes.embedding;
  int64_t rows[3] = {e->tokens, e->positions, e->segments};
  float *to = parameter(bert->model, "embeddings.weight").data;
  for (int i = 0; i < 3; i++) {
    float *numbers;
    HEED__TRY(read_shape(r, names[i], rows[i], bert->sizes.hidden, &numbers));
    memcpy(to, numbers, (size_t)(rows[i] * bert->sizes.hidden) * sizeof *to);
    to += rows[i] * bert->sizes.hidden;
    heed__free(numbers);
  }
  return HEED_OK;
}

static heed_status read_parameter(const reading *r, const heed_model *model, const char *own,
                                  const char *name) {
  heed_parameter is = parameter(model, own);
  float *numbers;
  HEED__TRY(read_shape(r, name, is.shape[0], is.n_dims == 1 ? 0 : is.shape[1], &numbers));
  heed_parameter_import(&is, numbers);
  heed__free(numbers);
  return HEED_OK;
}

static heed_status read_parameters(const reading *r, const heed_bert *bert) {
  static const char *const parts[][2] = {
      {".query", "attention.self.query"},   {".key", "attention.self.key"},
      {".value", "attention.self.value"},   {".out", "attention.output.dense"},
      {".norm1", "attention.output.LayerNorm"}, {".linear1", "intermediate.dense"},
      {".linear2", "output.dense"},         {".norm2", "output.LayerNorm"}};
  static const char *const ends[2] = {".weight", ".bias"};
  char own[NAME_BYTES], name[NAME_BYTES];
  HEED__TRY(read_embeddings(r, bert));
  for (int e = 0; e < 2; e++) {
    snprintf(own, sizeof own, "embeddings.norm%s", ends[e]);
    snprintf(name, sizeof name, "embeddings.LayerNorm%s", ends[e]);
    HEED__TRY(read_parameter(r, bert->model, own, name));
  }
  for (int l = 0; l < bert->sizes.layers; l++) {
    for (int i = 0; i < 16; i++) {
      snprintf(own, sizeof own, "blocks.%d%s%s", l, parts[i / 2][0], ends[i % 2]);
      snprintf(name, sizeof name, "encoder.layer.%d.%s%s", l, parts[i / 2][1], ends[i % 2]);
      HEED__TRY(read_parameter(r, bert->model, own, name));
    }
  }
  return HEED_OK;
}

static heed_status read_pooler(const reading *r, heed_bert *bert) {
  int64_t n = bert->sizes.hidden;
  float *weight, *bias;
  if (!bert->sizes.pooler) return HEED_OK;
  bert->pooler = heed__alloc((size_t)(n * (n + 1)), sizeof *bert->pooler);
  if (bert->pooler == NULL) return HEED_NOMEM;
  HEED__TRY(read_shape(r, "pooler.dense.weight", n, n, &weight));
  for (int64_t i = 0; i < n * n; i++) bert->pooler[i % n * n + i / n] = weight[i];
  heed__free(weight);
  HEED__TRY(read_shape(r, "pooler.dense.bias", n, 0, &bias));
  memcpy(bert->pooler + n * n, bias, (size_t)n * sizeof *bias);
  heed__free(bias);
  return HEED_OK;
}

static heed_status read_tensors(reading *r, heed_bert *bert) {
  HEED__TRY(find_prefix(r));
  HEED__TRY(read_sizes(r, &bert->sizes));
  HEED__TRY(build(&bert->model, &bert->sizes));
  HEED__TRY(read_parameters(r, bert));
  return read_pooler(r, bert);
}

/* The argument and config.json agree, and one of them tells. */
static heed_status check_heads(const reading *r) {
  if (r->heads == 0 && r->told.heads == 0) {
    return heed__fail(
        HEED_ARGUMENT, "%s: how many heads is not told%s", r->config != NULL ? r->config : r->path,
        r->config != NULL ? ": there is no num_attention_heads" : ", and there is no config.json");
  }
  if (r->heads != 0 && r->told.heads != 0 && r->heads != r->told.heads) {
    return heed__fail(HEED_SHAPE, "%s: num_attention_heads is %d, but %d heads are asked for",
                      r->config, (int)r->told.heads, (int)r->heads);
  }
  return HEED_OK;
}

static heed_status read_checkpoint(reading *r, heed_bert *bert) {
  r->told = heed__bert_untold();
  if (r->config != NULL) HEED__TRY(heed__bert_config(r->config, &r->told));
  bert->sizes.epsilon = r->told.epsilon;
  bert->sizes.activation = r->told.activation;
  HEED__TRY(heed_safetensors_open(&r->file, r->path));
  heed_status status = check_heads(r);
  if (status == HEED_OK) status = read_tensors(r, bert);
  heed_safetensors_close(r->file);
  return status;
}

static heed_status read_folder(reading *r, heed_bert *bert, const char *folder) {
  static const char *const files[2] = {"model.safetensors", "config.json"};
  size_t size = strlen(folder) + 32;
  char *paths[2];
  struct stat about;
  heed_status status = HEED_OK;
  for (int i = 0; i < 2; i++) {
    paths[i] = heed__alloc(size, 1);
    if (paths[i] == NULL) {
      status = HEED_NOMEM;
    } else {
      snprintf(paths[i], size, "%s/%s", folder, files[i]);
    }
  }
  if (status == HEED_OK) {
    r->path = paths[0];
    r->config = stat(paths[1], &about) != 0 && errno == ENOENT ? NULL : paths[1];
    status = read_checkpoint(r, bert);
  }
  for (int i = 0; i < 2; i++) heed__free(paths[i]);
  return status;
}

heed_status heed_bert_read(heed_bert **result, const char *path, int32_t heads) {
  *result = NULL;
  reading r = {.path = path, .heads = heads};
  struct stat about;
  heed_bert *bert = heed__alloc_zero(1, sizeof *bert);
  if (bert == NULL) return HEED_NOMEM;
  bool folder = stat(path, &about) == 0 && S_ISDIR(about.st_mode);
  heed_status status = folder ? read_folder(&r, bert, path) : read_checkpoint(&r, bert);
  if (status != HEED_OK) {
    heed_bert_free(bert);
    return status;
  }
  *result = bert;
  return HEED_OK;
}
