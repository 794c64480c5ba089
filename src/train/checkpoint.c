/* Checkpoints: models in safetensors files. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "model/model.h"
#include "train/checkpoint.h"

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

heed_status heed__write_tensors(const heed_model *model, const char *path, const heed_array *more,
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

heed_status heed__model_text(const heed_model *model, char text[HEED__MODEL_BYTES]) {
  const heed_model_spec *spec = heed_model_get_spec(model);
  text[0] = '\0';
  return spec != NULL ? heed_model_spec_write(spec, text, HEED__MODEL_BYTES) : HEED_OK;
}

heed_status heed_model_save(const heed_model *model, const char *path, const char *const *extra) {
  char text[HEED__MODEL_BYTES];
  size_t n = 0, own = 0;
  HEED__TRY(heed__model_text(model, text));
  while (extra != NULL && extra[n] != NULL) {
    if (extra[n + 1] == NULL) {
      return heed__fail(HEED_ARGUMENT, "%s: metadata '%s' has no value", path, extra[n]);
    }
    if (strcmp(extra[n], HEED__KEY_MODEL) == 0 || strcmp(extra[n], HEED__KEY_VERSION) == 0) {
      return heed__fail(HEED_ARGUMENT, "%s: metadata '%s' is written anyway", path, extra[n]);
    }
    n += 2;
  }
  const char **metadata = heed__alloc(n + 5, sizeof *metadata);
  if (metadata == NULL) return HEED_NOMEM;
  if (text[0] != '\0') {
    metadata[own++] = HEED__KEY_MODEL;
    metadata[own++] = text;
  }
  metadata[own++] = HEED__KEY_VERSION;
  metadata[own++] = heed_version();
  for (size_t i = 0; i < n; i++) metadata[own + i] = extra[i];
  metadata[own + n] = NULL;
  heed_status status = heed__write_tensors(model, path, NULL, 0, metadata);
  heed__free(metadata);
  return status;
}

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

/* `text` is prefix and name. */
static const heed_array *find_tensor(const heed__reading *r, const char *name,
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

heed_status heed__read_tensor(const heed__reading *r, const heed_parameter *p, float *into) {
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
static bool is_renamed(const heed__reading *r, const char *name) {
  char text[HEED__NAME_BYTES * 2];
  return r->older_names && find_tensor(r, name, text) != NULL && !ends_with(text, name);
}

/* Whether a tensor of the file, without its prefix, has a place in the model, or needs none: the
 * counter of a batch norm, and the other name of a linear map under its older names. */
static bool has_place(const heed__reading *r, const heed_model *model, const char *name) {
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
static heed_status compare_twin(const heed__reading *r, const heed_parameter *p,
                                const float *numbers) {
  char older[HEED__NAME_BYTES * 2], name[HEED__NAME_BYTES * 2];
  if (!is_renamed(r, p->name) || !older_name(older, p->name, "lin_dst")) return HEED_OK;
  heed_parameter twin = *p;
  twin.name = older;
  if (find_tensor(r, older, name) == NULL) return HEED_OK;
  float *other = heed__alloc((size_t)p->size, sizeof *other);
  if (other == NULL) return HEED_NOMEM;
  heed_status status = heed__read_tensor(r, &twin, other);
  if (status == HEED_OK && memcmp(numbers, other, (size_t)p->size * sizeof *other) != 0) {
    status = heed__fail(HEED_VALUE,
                        "%s: tensor '%s' is not that of the sources: the layer is for "
                        "graphs of two sides",
                        r->path, name);
  }
  heed__free(other);
  return status;
}

heed_status heed__read_tensors(const heed__reading *r, const heed_model *model,
                               const char *const *more, int n_more, float *numbers) {
  for (int i = 0; i < heed_model_tensors(model); i++) {
    heed_parameter p = heed_model_tensor(model, i);
    HEED__TRY(heed__read_tensor(r, &p, numbers));
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

void heed__import_tensors(heed_model *model, const float *numbers) {
  for (int i = 0; i < heed_model_tensors(model); i++) {
    heed_parameter p = heed_model_tensor(model, i);
    heed_parameter_import(&p, numbers);
    numbers += p.size;
  }
}

/* Reads everything before it changes the model. */
static heed_status fill_model(const heed__reading *r, heed_model *model) {
  size_t count = (size_t)(heed_model_parameter_count(model) + heed_model_state_count(model));
  float *numbers = heed__alloc(count, sizeof *numbers);
  if (numbers == NULL) return HEED_NOMEM;
  heed_status status = heed__read_tensors(r, model, NULL, 0, numbers);
  if (status == HEED_OK) heed__import_tensors(model, numbers);
  heed__free(numbers);
  return status;
}

heed_status heed_model_import(heed_model *model, const char *path, const char *prefix) {
  heed__reading r = {NULL, path, prefix, true};
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
static heed_status build_described(const heed__reading *r, heed_model **result) {
  const char *text = heed_safetensors_metadata(r->file, HEED__KEY_MODEL);
  if (text == NULL) {
    return heed__fail(HEED_FORMAT, "%s: the metadata has no '" HEED__KEY_MODEL "'", r->path);
  }
  heed_model_spec spec;
  heed_model *model;
  heed_value output;
  heed_status status = heed_model_spec_read(&spec, text);
  if (status == HEED_OK) status = heed__model_draft(&model, &spec, &output);
  if (status == HEED_NOMEM) return status;
  if (status != HEED_OK) {
    return heed__fail(HEED_FORMAT, "%s: " HEED__KEY_MODEL ": %s", r->path, heed_message());
  }
  int64_t wanted = heed_model_parameter_count(model) + heed_model_state_count(model);
  int64_t there = numbers_in(r->file);
  if (model->status == HEED_OK && wanted != there) {
    status = heed__fail(HEED_SHAPE, "%s: the model has %lld numbers, the file %lld", r->path,
                        (long long)wanted, (long long)there);
  } else {
    status = heed_model_finish(model, output, 0);
    if (status != HEED_OK && status != HEED_NOMEM) {
      status = heed__fail(HEED_FORMAT, "%s: " HEED__KEY_MODEL ": %s", r->path, heed_message());
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
  heed__reading r = {NULL, path, "", false};
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
