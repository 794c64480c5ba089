/* Checkpoints: models and fits in progress in safetensors files. */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "model/model.h"
#include "train/optimizer.h"
#include "train/trainer.h"

/* Keys of the metadata. */
#define KEY_MODEL "heed.model"
#define KEY_VERSION "heed.version"
#define KEY_FIT "heed.fit"
#define KEY_PROGRESS "heed.progress"

enum { MODEL_BYTES = 1024, FIT_BYTES = 1024, PROGRESS_BYTES = 512, MOST_EXTRA_TENSORS = 4 };

/* --- Writing --- */

/* Every tensor of the model in PyTorch's shape, its numbers in `numbers`, with room for all. */
static void list_tensors(const heed_model *model, heed_array *arrays, float *numbers) {
  for (int i = 0; i < heed_model_tensors(model); i++) {
    heed_parameter p = heed_model_tensor(model, i);
    arrays[i] = (heed_array){
        .name = p.name, .dtype = HEED_DTYPE_FLOAT32, .n_dims = p.n_dims, .data = numbers};
    memcpy(arrays[i].shape, p.shape, sizeof p.shape);
    heed_parameter_export(&p, numbers);
    numbers += p.size;
  }
}

/* Writes the tensors of the model and `n_more` others, which follow them in the file. */
static heed_status write_tensors(const heed_model *model, const char *path, const heed_array *more,
                                 int n_more, const char *const *metadata) {
  int n = heed_model_tensors(model);
  size_t numbers = (size_t)(heed_model_parameter_count(model) + heed_model_state_count(model));
  heed_array *arrays = heed__alloc((size_t)(n + n_more), sizeof *arrays);
  float *copy = heed__alloc(numbers, sizeof *copy);
  heed_status status = HEED_NOMEM;
  if (arrays != NULL && copy != NULL) {
    list_tensors(model, arrays, copy);
    for (int i = 0; i < n_more; i++) arrays[n + i] = more[i];
    status = heed_safetensors_write(path, arrays, n + n_more, metadata);
  }
  heed__free(arrays);
  heed__free(copy);
  return status;
}

/* The spec of a model as text; "" for a model built by hand. */
static heed_status model_text(const heed_model *model, char text[MODEL_BYTES]) {
  const heed_model_spec *spec = heed_model_get_spec(model);
  text[0] = '\0';
  return spec != NULL ? heed_model_spec_write(spec, text, MODEL_BYTES) : HEED_OK;
}

heed_status heed_model_save(const heed_model *model, const char *path, const char *const *extra) {
  char text[MODEL_BYTES];
  size_t n = 0, own = 0;
  HEED__TRY(model_text(model, text));
  while (extra != NULL && extra[n] != NULL) {
    if (extra[n + 1] == NULL) {
      return heed__fail(HEED_ARGUMENT, "%s: metadata '%s' has no value", path, extra[n]);
    }
    if (strcmp(extra[n], KEY_MODEL) == 0 || strcmp(extra[n], KEY_VERSION) == 0) {
      return heed__fail(HEED_ARGUMENT, "%s: metadata '%s' is written anyway", path, extra[n]);
    }
    n += 2;
  }
  const char **metadata = heed__alloc(n + 5, sizeof *metadata);
  if (metadata == NULL) return HEED_NOMEM;
  if (text[0] != '\0') {
    metadata[own++] = KEY_MODEL;
    metadata[own++] = text;
  }
  metadata[own++] = KEY_VERSION;
  metadata[own++] = heed_version();
  for (size_t i = 0; i < n; i++) metadata[own + i] = extra[i];
  metadata[own + n] = NULL;
  heed_status status = write_tensors(model, path, NULL, 0, metadata);
  heed__free(metadata);
  return status;
}

/* --- Reading --- */

static bool same_shape(const heed_parameter *p, const heed_array *array) {
  if (array->n_dims != p->n_dims) return false;
  for (int d = 0; d < p->n_dims; d++) {
    if (array->shape[d] != p->shape[d]) return false;
  }
  return true;
}

static const char *shape_text(char text[128], const int64_t *shape, int n_dims) {
  size_t used = 0;
  for (int d = 0; d < n_dims && used < 100; d++) {
    used += (size_t)snprintf(text + used, 128 - used, "%s%lld", d == 0 ? "[" : ", ",
                             (long long)shape[d]);
  }
  snprintf(text + used, 128 - used, n_dims == 0 ? "[]" : "]");
  return text;
}

/* The name that stands for "...lin.weight" in files of older versions of PyTorch Geometric, where
 * sources and targets had a linear map each, which were one and the same. */
static bool older_name(char older[HEED__NAME_BYTES * 2], const char *name, const char *side) {
  static const char *const lin = "lin.weight";
  size_t n = strlen(name), tail = strlen(lin);
  if (n < tail || strcmp(name + n - tail, lin) != 0) return false;
  if (n > tail && name[n - tail - 1] != '.') return false;
  return snprintf(older, HEED__NAME_BYTES * 2, "%.*s%s.weight", (int)(n - tail), name, side) <
         HEED__NAME_BYTES * 2;
}

typedef struct reading {
  heed_safetensors *file;
  const char *path;
  const char *prefix;
  bool older_names; /* "lin_src.weight" will do */
} reading;

/* `text` is prefix and name. */
static const heed_array *find_tensor(const reading *r, const char *name,
                                     char text[HEED__NAME_BYTES * 2]) {
  char older[HEED__NAME_BYTES * 2];
  enum { SIZE = HEED__NAME_BYTES * 2 };
  if (snprintf(text, SIZE, "%s%s", r->prefix, name) >= SIZE) return NULL;
  const heed_array *array = heed_safetensors_find(r->file, text);
  if (array == NULL && r->older_names && older_name(older, name, "lin_src") &&
      snprintf(text, SIZE, "%s%s", r->prefix, older) < SIZE) {
    array = heed_safetensors_find(r->file, text);
  }
  return array;
}

static heed_status read_tensor(const reading *r, const heed_parameter *p, float *into) {
  char name[HEED__NAME_BYTES * 2], wanted[128], there[128];
  const heed_array *array = find_tensor(r, p->name, name);
  if (array == NULL) {
    return heed__fail(HEED_FORMAT, "%s: there is no tensor '%s%s'", r->path, r->prefix, p->name);
  }
  if (!same_shape(p, array)) {
    return heed__fail(HEED_SHAPE, "%s: tensor '%s' is %s instead of %s", r->path, name,
                      shape_text(there, array->shape, array->n_dims),
                      shape_text(wanted, p->shape, p->n_dims));
  }
  return heed_safetensors_read(r->file, name, into, p->size);
}

static bool ends_with(const char *text, const char *tail) {
  size_t n = strlen(text), m = strlen(tail);
  return n >= m && strcmp(text + n - m, tail) == 0;
}

/* Whether that tensor of the model is in the file under its older names. */
static bool is_renamed(const reading *r, const char *name) {
  char text[HEED__NAME_BYTES * 2];
  return r->older_names && find_tensor(r, name, text) != NULL && !ends_with(text, name);
}

/* Whether a tensor of the file, without its prefix, has a place in the model, or needs none: the
 * counter of a batch norm, and the other name of a linear map under its older names. */
static bool has_place(const reading *r, const heed_model *model, const char *name) {
  char older[HEED__NAME_BYTES * 2];
  for (int i = 0; i < heed_model_tensors(model); i++) {
    const char *own = heed_model_tensor(model, i).name;
    if (strcmp(own, name) == 0) return true;
    if (!older_name(older, own, "lin_src")) continue;
    bool twin = strcmp(older, name) == 0;
    if (older_name(older, own, "lin_dst")) twin |= strcmp(older, name) == 0;
    if (twin && is_renamed(r, own)) return true;
  }
  return r->older_names && ends_with(name, ".num_batches_tracked");
}

/* Under the older names a file may have the linear map twice; HEED_VALUE if the two are not one. */
static heed_status compare_twin(const reading *r, const heed_parameter *p, const float *numbers) {
  char older[HEED__NAME_BYTES * 2], name[HEED__NAME_BYTES * 2];
  if (!is_renamed(r, p->name) || !older_name(older, p->name, "lin_dst")) return HEED_OK;
  heed_parameter twin = *p;
  twin.name = older;
  if (find_tensor(r, older, name) == NULL) return HEED_OK;
  float *other = heed__alloc((size_t)p->size, sizeof *other);
  if (other == NULL) return HEED_NOMEM;
  heed_status status = read_tensor(r, &twin, other);
  if (status == HEED_OK && memcmp(numbers, other, (size_t)p->size * sizeof *other) != 0) {
    status = heed__fail(HEED_VALUE,
                        "%s: tensor '%s' is not that of the sources: the layer is for "
                        "graphs of two sides",
                        r->path, name);
  }
  heed__free(other);
  return status;
}

/* All tensors of the model into numbers[parameters + state], in their order, and nothing left over
 * but the `n_more` names of `more`. */
static heed_status read_tensors(const reading *r, const heed_model *model, const char *const *more,
                                int n_more, float *numbers) {
  for (int i = 0; i < heed_model_tensors(model); i++) {
    heed_parameter p = heed_model_tensor(model, i);
    HEED__TRY(read_tensor(r, &p, numbers));
    HEED__TRY(compare_twin(r, &p, numbers));
    numbers += p.size;
  }
  size_t prefix = strlen(r->prefix);
  for (int i = 0; i < heed_safetensors_count(r->file); i++) {
    const char *name = heed_safetensors_at(r->file, i)->name;
    bool known = strncmp(name, r->prefix, prefix) != 0;
    for (int k = 0; k < n_more && !known; k++) known = strcmp(name, more[k]) == 0;
    if (!known && !has_place(r, model, name + prefix)) {
      return heed__fail(HEED_FORMAT, "%s: the model has no place for tensor '%s'", r->path, name);
    }
  }
  return HEED_OK;
}

static void import_tensors(heed_model *model, const float *numbers) {
  for (int i = 0; i < heed_model_tensors(model); i++) {
    heed_parameter p = heed_model_tensor(model, i);
    heed_parameter_import(&p, numbers);
    numbers += p.size;
  }
}

/* Reads everything before it changes the model. */
static heed_status fill_model(const reading *r, heed_model *model) {
  size_t count = (size_t)(heed_model_parameter_count(model) + heed_model_state_count(model));
  float *numbers = heed__alloc(count, sizeof *numbers);
  if (numbers == NULL) return HEED_NOMEM;
  heed_status status = read_tensors(r, model, NULL, 0, numbers);
  if (status == HEED_OK) import_tensors(model, numbers);
  heed__free(numbers);
  return status;
}

heed_status heed_model_import(heed_model *model, const char *path, const char *prefix) {
  reading r = {NULL, path, prefix, true};
  HEED__TRY(heed_safetensors_open(&r.file, path));
  heed_status status = fill_model(&r, model);
  heed_safetensors_close(r.file);
  return status;
}

/* Numbers in all tensors of a file. */
static int64_t numbers_in(const heed_safetensors *file) {
  int64_t sum = 0;
  for (int i = 0; i < heed_safetensors_count(file); i++) {
    const heed_array *array = heed_safetensors_at(file, i);
    int64_t n = 1;
    for (int d = 0; d < array->n_dims; d++) n *= array->shape[d];
    sum += n;
  }
  return sum;
}

/* The model that the metadata describes. It is not believed before the file has as many numbers: a
 * short file must not make us reserve gigabytes. */
static heed_status build_described(const reading *r, heed_model **result) {
  const char *text = heed_safetensors_metadata(r->file, KEY_MODEL);
  if (text == NULL) {
    return heed__fail(HEED_FORMAT, "%s: the metadata has no '" KEY_MODEL "'", r->path);
  }
  heed_model_spec spec;
  heed_model *model;
  heed_value output;
  heed_status status = heed_model_spec_read(&spec, text);
  if (status == HEED_OK) status = heed__model_draft(&model, &spec, &output);
  if (status == HEED_NOMEM) return status;
  if (status != HEED_OK) {
    return heed__fail(HEED_FORMAT, "%s: " KEY_MODEL ": %s", r->path, heed_message());
  }
  int64_t wanted = heed_model_parameter_count(model) + heed_model_state_count(model);
  int64_t there = numbers_in(r->file);
  if (model->status == HEED_OK && wanted != there) {
    status = heed__fail(HEED_SHAPE, "%s: the model has %lld numbers, the file %lld", r->path,
                        (long long)wanted, (long long)there);
  } else {
    status = heed_model_finish(model, output, 0);
    if (status != HEED_OK && status != HEED_NOMEM) {
      status = heed__fail(HEED_FORMAT, "%s: " KEY_MODEL ": %s", r->path, heed_message());
    }
  }
  if (status != HEED_OK) {
    heed_model_free(model);
    return status;
  }
  *result = model;
  return HEED_OK;
}

heed_status heed_model_load(heed_model **result, const char *path) {
  reading r = {NULL, path, "", false};
  heed_model *model = NULL;
  HEED__TRY(heed_safetensors_open(&r.file, path));
  heed_status status = build_described(&r, &model);
  if (status == HEED_OK) status = fill_model(&r, model);
  heed_safetensors_close(r.file);
  if (status != HEED_OK) {
    heed_model_free(model);
    return status;
  }
  *result = model;
  return HEED_OK;
}

/* --- A fit in progress ---
 * Its spec and its numbers are text, "name=value ...". Floats and doubles are written as their
 * bits, which is exact in every locale, infinity included. */

typedef enum type { INT, FLOAT, DOUBLE, FLAG, LOSS, METRIC, INT64, UINT64, FANOUT } type;

typedef struct field {
  const char *name;
  type type;
  size_t at;
} field;

/* What heed_trainer_resume() compares. */
typedef struct fit {
  heed_fit_spec spec;
  uint64_t seed;
} fit;

#define FIT(name, type, member) \
  { name, type, offsetof(fit, member) }
static const field fit_fields[] = {
    FIT("seed", UINT64, seed),
    FIT("loss", LOSS, spec.loss),
    FIT("metric", METRIC, spec.metric),
    FIT("epochs", INT, spec.epochs),
    FIT("patience", INT, spec.patience),
    FIT("watch", INT, spec.watch),
    FIT("batch", INT, spec.batch),
    FIT("fanout", FANOUT, spec),
    FIT("clusters", INT, spec.clusters),
    FIT("cluster-batch", INT, spec.cluster_batch),
    FIT("standardize", FLAG, spec.standardize),
    FIT("optimizer", INT, spec.optimizer.kind),
    FIT("rate", FLOAT, spec.optimizer.rate),
    FIT("beta1", FLOAT, spec.optimizer.beta1),
    FIT("beta2", FLOAT, spec.optimizer.beta2),
    FIT("epsilon", FLOAT, spec.optimizer.epsilon),
    FIT("weight-decay", FLOAT, spec.optimizer.weight_decay),
    FIT("decay-all", FLAG, spec.optimizer.decay_all),
    FIT("clip", FLOAT, spec.optimizer.clip),
    FIT("schedule", INT, spec.optimizer.schedule),
    FIT("warmup", INT, spec.optimizer.warmup),
    FIT("factor", FLOAT, spec.optimizer.factor),
    FIT("schedule-patience", INT, spec.optimizer.schedule_patience),
};

/* What heed_trainer_resume() takes over besides arrays. */
typedef struct state {
  heed__progress at;
  int64_t steps;
} state;

#define STATE(name, type, member) \
  { name, type, offsetof(state, member) }
static const field state_fields[] = {
    STATE("epoch", INT, at.epoch),
    STATE("waited", INT, at.waited),
    STATE("best-merit", DOUBLE, at.best_merit),
    STATE("best-loss", DOUBLE, at.best_loss),
    STATE("best-epoch", INT, at.best_epoch),
    STATE("kept-val", DOUBLE, at.kept_val),
    STATE("kept-loss", DOUBLE, at.kept_loss),
    STATE("rate", FLOAT, at.rate),
    STATE("plateau-loss", DOUBLE, at.plateau_loss),
    STATE("plateau-waited", INT, at.plateau_waited),
    STATE("seconds", DOUBLE, at.seconds),
    STATE("steps", INT64, steps),
};
enum {
  FIT_FIELDS = sizeof fit_fields / sizeof *fit_fields,
  STATE_FIELDS = sizeof state_fields / sizeof *state_fields,
  VALUE_BYTES = 16 + 12 * HEED_MAX_HOPS
};

/* "10,10", "none". */
static void write_fanouts(char text[VALUE_BYTES], const heed_fit_spec *spec) {
  size_t used = 0;
  if (spec->fanouts == 0) snprintf(text, VALUE_BYTES, "none");
  for (int h = 0; h < spec->fanouts && h < HEED_MAX_HOPS; h++) {
    used += (size_t)snprintf(text + used, VALUE_BYTES - used, "%s%d", h == 0 ? "" : ",",
                             (int)spec->fanout[h]);
  }
}

static void write_value(char text[VALUE_BYTES], const void *record, const field *f) {
  const char *at = (const char *)record + f->at;
  int number;
  uint32_t bits;
  uint64_t wide;
  switch (f->type) {
    case INT:
    case LOSS:
    case METRIC:
      memcpy(&number, at, sizeof number); /* an enumeration is as large */
      if (f->type == LOSS) {
        snprintf(text, VALUE_BYTES, "%s", heed_loss_name((heed_loss)number));
      } else if (f->type == METRIC) {
        snprintf(text, VALUE_BYTES, "%s", heed_metric_name((heed_metric)number));
      } else {
        snprintf(text, VALUE_BYTES, "%d", number);
      }
      return;
    case FANOUT:
      write_fanouts(text, (const heed_fit_spec *)(const void *)at);
      return;
    case FLAG:
      snprintf(text, VALUE_BYTES, "%s", *(const bool *)at ? "yes" : "no");
      return;
    case FLOAT:
      memcpy(&bits, at, sizeof bits);
      snprintf(text, VALUE_BYTES, "0x%08lx", (unsigned long)bits);
      return;
    case DOUBLE:
      memcpy(&wide, at, sizeof wide);
      snprintf(text, VALUE_BYTES, "0x%016llx", (unsigned long long)wide);
      return;
    case INT64:
    case UINT64:
      memcpy(&wide, at, sizeof wide);
      snprintf(text, VALUE_BYTES, "%llu", (unsigned long long)wide); /* neither is negative */
      return;
  }
}

/* A number as write_value() writes it; only of the types that a state has. */
static bool read_value(const char *text, void *record, const field *f) {
  char *at = (char *)record + f->at, again[VALUE_BYTES];
  unsigned long long wide = 0;
  int number = 0, end = 0;
  if (f->type == INT) {
    if (sscanf(text, "%9d%n", &number, &end) != 1) return false;
    memcpy(at, &number, sizeof number);
  } else if (f->type == INT64) {
    if (sscanf(text, "%18llu%n", &wide, &end) != 1) return false;
    uint64_t value = wide;
    memcpy(at, &value, sizeof value);
  } else {
    if (sscanf(text, "0x%16llx%n", &wide, &end) != 1) return false;
    uint64_t value = wide;
    uint32_t bits = (uint32_t)wide;
    memcpy(at, f->type == FLOAT ? (void *)&bits : (void *)&value, f->type == FLOAT ? 4 : 8);
  }
  write_value(again, record, f); /* nothing but the one way to write it */
  return text[end] == '\0' && strcmp(again, text) == 0;
}

static void write_record(char *text, size_t bytes, const void *record, const field *fields, int n) {
  size_t used = 0;
  for (int i = 0; i < n && used < bytes; i++) {
    char value[VALUE_BYTES];
    write_value(value, record, &fields[i]);
    used += (size_t)snprintf(text + used, bytes - used, "%s%s=%s", i == 0 ? "" : " ",
                             fields[i].name, value);
  }
}

/* The value of `name` in such a text; false if there is none. */
static bool find_value(const char *text, const char *name, char value[VALUE_BYTES]) {
  size_t n = strlen(name);
  while (*text != '\0') {
    size_t word = strcspn(text, " ");
    if (word > n && strncmp(text, name, n) == 0 && text[n] == '=') {
      if (word - n - 1 >= VALUE_BYTES) return false;
      memcpy(value, text + n + 1, word - n - 1);
      value[word - n - 1] = '\0';
      return true;
    }
    text += word;
    text += strspn(text, " ");
  }
  return false;
}

heed_status heed_trainer_save(const heed_trainer *trainer, const char *path) {
  const heed_trainer *t = trainer;
  char model[MODEL_BYTES], fit_text[FIT_BYTES], progress[PROGRESS_BYTES];
  HEED__TRY(model_text(t->model, model));
  fit own;
  memset(&own, 0, sizeof own);
  own.spec = t->spec;
  own.seed = t->seed;
  write_record(fit_text, sizeof fit_text, &own, fit_fields, FIT_FIELDS);
  state now = {t->at, t->optimizer->steps};
  write_record(progress, sizeof progress, &now, state_fields, STATE_FIELDS);
  int64_t parameters = heed_model_parameter_count(t->model);
  int64_t numbers = heed_model_state_count(t->model);
  const heed_array more[MOST_EXTRA_TENSORS] = {
      {"optimizer.m", HEED_DTYPE_FLOAT32, 1, {parameters}, t->optimizer->m},
      {"optimizer.v", HEED_DTYPE_FLOAT32, 1, {parameters}, t->optimizer->v},
      {"best.parameters", HEED_DTYPE_FLOAT32, 1, {parameters}, t->best_parameters},
      {"best.state", HEED_DTYPE_FLOAT32, 1, {numbers}, t->best_state}};
  const char *metadata[] = {KEY_VERSION,
                            heed_version(),
                            KEY_FIT,
                            fit_text,
                            KEY_PROGRESS,
                            progress,
                            model[0] != '\0' ? KEY_MODEL : NULL,
                            model,
                            NULL};
  if (t->at.best_epoch == 0) {
    return heed__fail(HEED_ARGUMENT, "%s: no epoch was run, there is nothing to save", path);
  }
  if (!heed__trainer_steps_are(t, t->at.epoch, t->optimizer->steps)) {
    return heed__fail(HEED_ARGUMENT, "%s: epoch %d failed half-way, the model is no longer that of %d",
                      path, t->at.epoch + 1, t->at.epoch);
  }
  if (t->rescaled) {
    return heed__fail(HEED_ARGUMENT, "%s: the fit is finished, its model in the targets' units",
                      path);
  }
  return write_tensors(t->model, path, more, numbers > 0 ? 4 : 3, metadata);
}

/* HEED_ARGUMENT, naming the first word that differs, unless both models are the same. */
static heed_status compare_models(const reading *r, const heed_trainer *t) {
  char text[MODEL_BYTES];
  HEED__TRY(model_text(t->model, text));
  const char *here = text, *there = heed_safetensors_metadata(r->file, KEY_MODEL);
  if (there == NULL) there = "";
  for (;;) {
    size_t n = strcspn(here, " "), m = strcspn(there, " ");
    if (n != m || strncmp(here, there, n) != 0) {
      return heed__fail(HEED_ARGUMENT, "%s: the model there has '%.*s', this one '%.*s'", r->path,
                        (int)m, there, (int)n, here);
    }
    if (here[n] == '\0' && there[m] == '\0') return HEED_OK;
    here += here[n] == ' ' ? n + 1 : n;
    there += there[m] == ' ' ? m + 1 : m;
  }
}

/* HEED_ARGUMENT, naming the field, unless the fit in the file is this one. */
static heed_status compare(const reading *r, const heed_trainer *t) {
  fit own;
  memset(&own, 0, sizeof own);
  own.spec = t->spec;
  own.seed = t->seed;
  const char *text = heed_safetensors_metadata(r->file, KEY_FIT);
  if (text == NULL || heed_safetensors_metadata(r->file, KEY_PROGRESS) == NULL) {
    return heed__fail(HEED_FORMAT, "%s: not a fit in progress: the metadata has no '%s'", r->path,
                      text == NULL ? KEY_FIT : KEY_PROGRESS);
  }
  for (int i = 0; i < FIT_FIELDS; i++) {
    char here[VALUE_BYTES], value[VALUE_BYTES];
    write_value(here, &own, &fit_fields[i]);
    if (!find_value(text, fit_fields[i].name, value)) {
      return heed__fail(HEED_FORMAT, "%s: " KEY_FIT " has no '%s'", r->path, fit_fields[i].name);
    }
    if (strcmp(here, value) != 0) {
      return heed__fail(HEED_ARGUMENT, "%s: the fit there has %s %s, this one %s", r->path,
                        fit_fields[i].name, value, here);
    }
  }
  return HEED_OK;
}

static heed_status read_state(const reading *r, const heed_trainer *t, state *s) {
  const char *text = heed_safetensors_metadata(r->file, KEY_PROGRESS);
  for (int i = 0; i < STATE_FIELDS; i++) {
    char value[VALUE_BYTES];
    if (!find_value(text, state_fields[i].name, value) || !read_value(value, s, &state_fields[i])) {
      return heed__fail(HEED_FORMAT, "%s: " KEY_PROGRESS ": no good '%s'", r->path,
                        state_fields[i].name);
    }
  }
  const heed__progress *at = &s->at;
  if (at->epoch < 1 || at->epoch > t->spec.epochs || at->best_epoch < 1 ||
      at->best_epoch > at->epoch || at->waited < 0 || at->waited > at->epoch ||
      at->plateau_waited < 0 || !heed__trainer_steps_are(t, at->epoch, s->steps) ||
      !isfinite(at->rate) || !(at->rate >= 0) ||
      isnan(at->best_merit) || isnan(at->best_loss) || !isfinite(at->kept_val) ||
      !isfinite(at->kept_loss) || isnan(at->plateau_loss) || !isfinite(at->seconds)) {
    return heed__fail(HEED_FORMAT, "%s: " KEY_PROGRESS ": not what a fit comes to: %s", r->path,
                      text);
  }
  return HEED_OK;
}

/* A flat array of the trainer's under its name. */
static heed_status read_flat(const reading *r, const char *name, float *into, int64_t n) {
  heed_parameter flat = {.name = name, .n_dims = 1, .shape = {n}, .size = n};
  return read_tensor(r, &flat, into);
}

/* Reads everything, [parameters + state] numbers, m, v, best parameters and best state, before the
 * trainer changes. */
static heed_status resume(const reading *r, heed_trainer *t, float *numbers) {
  static const char *const names[MOST_EXTRA_TENSORS] = {"optimizer.m", "optimizer.v",
                                                        "best.parameters", "best.state"};
  int64_t parameters = heed_model_parameter_count(t->model);
  int64_t n_state = heed_model_state_count(t->model);
  float *more[MOST_EXTRA_TENSORS];
  state now;
  HEED__TRY(compare(r, t));
  HEED__TRY(compare_models(r, t));
  memset(&now, 0, sizeof now);
  HEED__TRY(read_state(r, t, &now));
  int n_more = n_state > 0 ? 4 : 3;
  HEED__TRY(read_tensors(r, t->model, names, n_more, numbers));
  for (int i = 0; i < n_more; i++) {
    more[i] = numbers + parameters + n_state + i * parameters;
    HEED__TRY(read_flat(r, names[i], more[i], i < 3 ? parameters : n_state));
  }
  import_tensors(t->model, numbers);
  size_t bytes = (size_t)parameters * sizeof(float);
  memcpy(t->optimizer->m, more[0], bytes);
  memcpy(t->optimizer->v, more[1], bytes);
  memcpy(t->best_parameters, more[2], bytes);
  if (n_state > 0) memcpy(t->best_state, more[3], (size_t)n_state * sizeof(float));
  t->optimizer->steps = now.steps;
  t->at = now.at;
  t->rescaled = false;
  return HEED_OK;
}

heed_status heed_trainer_resume(heed_trainer *trainer, const char *path) {
  reading r = {NULL, path, "", false};
  size_t parameters = (size_t)heed_model_parameter_count(trainer->model);
  size_t n_state = (size_t)heed_model_state_count(trainer->model);
  HEED__TRY(heed_safetensors_open(&r.file, path));
  float *numbers = heed__alloc(4 * parameters + 2 * n_state, sizeof *numbers);
  heed_status status = numbers != NULL ? resume(&r, trainer, numbers) : HEED_NOMEM;
  heed__free(numbers);
  heed_safetensors_close(r.file);
  return status;
}
