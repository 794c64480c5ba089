/* Checkpoints: fits in progress. Beside the model's tensors there are the optimiser's and the best
 * ones so far; the spec and the numbers are text in the metadata, "name=value ...". Floats and
 * doubles are written as their bits, which is exact in every locale, infinity included. */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "model/model.h"
#include "train/checkpoint.h"
#include "train/optimizer.h"
#include "train/trainer.h"

#define KEY_FIT "heed.fit"
#define KEY_PROGRESS "heed.progress"

enum { FIT_BYTES = 1024, PROGRESS_BYTES = 512, MOST_EXTRA_TENSORS = 4 };

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
  char model[HEED__MODEL_BYTES], fit_text[FIT_BYTES], progress[PROGRESS_BYTES];
  HEED__TRY(heed__model_text(t->model, model));
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
  const char *metadata[] = {HEED__KEY_VERSION,
                            heed_version(),
                            KEY_FIT,
                            fit_text,
                            KEY_PROGRESS,
                            progress,
                            model[0] != '\0' ? HEED__KEY_MODEL : NULL,
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
  return heed__write_tensors(t->model, path, more, numbers > 0 ? 4 : 3, metadata);
}

/* HEED_ARGUMENT, naming the first word that differs, unless both models are the same. */
static heed_status compare_models(const heed__reading *r, const heed_trainer *t) {
  char text[HEED__MODEL_BYTES];
  HEED__TRY(heed__model_text(t->model, text));
  const char *here = text, *there = heed_safetensors_metadata(r->file, HEED__KEY_MODEL);
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
static heed_status compare(const heed__reading *r, const heed_trainer *t) {
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

static heed_status read_state(const heed__reading *r, const heed_trainer *t, state *s) {
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
static heed_status read_flat(const heed__reading *r, const char *name, float *into, int64_t n) {
  heed_parameter flat = {.name = name, .n_dims = 1, .shape = {n}, .size = n};
  return heed__read_tensor(r, &flat, into);
}

/* Reads everything, [parameters + state] numbers, m, v, best parameters and best state, before the
 * trainer changes. */
static heed_status resume(const heed__reading *r, heed_trainer *t, float *numbers) {
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
  HEED__TRY(heed__read_tensors(r, t->model, names, n_more, numbers));
  for (int i = 0; i < n_more; i++) {
    more[i] = numbers + parameters + n_state + i * parameters;
    HEED__TRY(read_flat(r, names[i], more[i], i < 3 ? parameters : n_state));
  }
  heed__import_tensors(t->model, numbers);
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
  heed__reading r = {NULL, path, "", false};
  size_t parameters = (size_t)heed_model_parameter_count(trainer->model);
  size_t n_state = (size_t)heed_model_state_count(trainer->model);
  HEED__TRY(heed_safetensors_open(&r.file, path));
  float *numbers = heed__alloc(4 * parameters + 2 * n_state, sizeof *numbers);
  heed_status status = numbers != NULL ? resume(&r, trainer, numbers) : HEED_NOMEM;
  heed__free(numbers);
  heed_safetensors_close(r.file);
  return status;
}
