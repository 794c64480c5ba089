/* Writing safetensors files: the header from Jansson, the numbers straight from the caller. */
#include <errno.h>
#include <heed/data.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/status.h"
#include "data/npy.h"
#include "data/safetensors.h"

enum { WIDEST = 8 }; /* bytes of an element: wider ones come first, so that all lie aligned */

/* A new value or NULL, which is what Jansson gives where memory ran out. */
static heed_status put(const char *path, json_t *object, const char *key, json_t *value) {
  /* Takes the value even where it fails. */
  if (value != NULL && json_object_set_new_nocheck(object, key, value) == 0) return HEED_OK;
  return heed__fail(HEED_NOMEM, "%s: out of memory for the header", path);
}

/* JSON is UTF-8. */
static heed_status check_text(const char *path, const char *what, const char *text) {
  json_t *value = json_string_nocheck(text), *checked = json_string(text);
  heed_status status = HEED_OK;
  if (value == NULL) {
    status = heed__fail(HEED_NOMEM, "%s: out of memory for the header", path);
  } else if (checked == NULL) {
    status = heed__fail(HEED_ARGUMENT, "%s: the %s '%.250s' is not UTF-8", path, what, text);
  }
  json_decref(value);
  json_decref(checked);
  return status;
}

static heed_status put_metadata(const char *path, json_t *header, const char *const *metadata) {
  if (metadata == NULL || metadata[0] == NULL) return HEED_OK;
  json_t *object = json_object();
  HEED__TRY(put(path, header, HEED__SAFETENSORS_METADATA, object));
  for (const char *const *pair = metadata; pair[0] != NULL; pair += 2) {
    if (pair[1] == NULL) {
      return heed__fail(HEED_ARGUMENT, "%s: the metadata '%.250s' has no value", path, pair[0]);
    }
    HEED__TRY(check_text(path, "metadata", pair[0]));
    HEED__TRY(check_text(path, "metadata", pair[1]));
    if (json_object_get(object, pair[0]) != NULL) {
      return heed__fail(HEED_ARGUMENT, "%s: the metadata '%.250s' is there twice", path, pair[0]);
    }
    HEED__TRY(put(path, object, pair[0], json_string_nocheck(pair[1])));
  }
  return HEED_OK;
}

static heed_status check_tensor(const char *path, const heed_array *array, uint64_t *bytes) {
  if (array->name == NULL || strcmp(array->name, HEED__SAFETENSORS_METADATA) == 0) {
    return heed__fail(HEED_ARGUMENT, "%s: a tensor cannot be named '%s'", path,
                      array->name == NULL ? "" : array->name);
  }
  HEED__TRY(check_text(path, "name", array->name));
  if ((array->dtype != HEED_DTYPE_FLOAT32 && array->dtype != HEED_DTYPE_FLOAT64 &&
       array->dtype != HEED_DTYPE_INT32 && array->dtype != HEED_DTYPE_INT64 &&
       array->dtype != HEED_DTYPE_UINT8) ||
      array->n_dims < 0 || array->n_dims > HEED_NPZ_MAX_DIMS) {
    return heed__fail(HEED_ARGUMENT, "%s: tensor '%.250s': type number %d, %d dimensions", path,
                      array->name, (int)array->dtype, array->n_dims);
  }
  if (!heed__array_bytes(array, bytes)) {
    return heed__fail(HEED_OVERFLOW, "%s: tensor '%.250s': a size is negative or all do not fit",
                      path, array->name);
  }
  if (array->data == NULL && *bytes > 0) {
    return heed__fail(HEED_ARGUMENT, "%s: tensor '%.250s' has no numbers", path, array->name);
  }
  return HEED_OK;
}

static heed_status put_tensor(const char *path, json_t *header, const heed_array *array,
                              int64_t from, int64_t to) {
  json_t *object = json_object(), *shape = NULL, *offsets = NULL;
  HEED__TRY(put(path, header, array->name, object));
  HEED__TRY(put(path, object, "dtype", json_string(heed__safetensors_type(array->dtype))));
  HEED__TRY(put(path, object, "shape", shape = json_array()));
  bool fits = true;
  for (int i = 0; i < array->n_dims; i++) {
    fits = fits && json_array_append_new(shape, json_integer(array->shape[i])) == 0;
  }
  HEED__TRY(put(path, object, "data_offsets", offsets = json_array()));
  fits = fits && json_array_append_new(offsets, json_integer(from)) == 0 &&
         json_array_append_new(offsets, json_integer(to)) == 0;
  return fits ? HEED_OK : heed__fail(HEED_NOMEM, "%s: out of memory for the header", path);
}

/* Whether an array is among those of that width: a walk over the widths is the order of the data.
 */
static bool has_width(const heed_array *array, size_t width) {
  return heed__dtype_size(array->dtype) == width;
}

static heed_status make_header(const char *path, json_t *header, const heed_array *tensors, int n,
                               const char *const *metadata) {
  HEED__TRY(put_metadata(path, header, metadata));
  uint64_t bytes;
  for (int i = 0; i < n; i++) HEED__TRY(check_tensor(path, &tensors[i], &bytes));
  int64_t at = 0;
  for (size_t width = WIDEST; width > 0; width /= 2) {
    for (int i = 0; i < n; i++) {
      if (!has_width(&tensors[i], width)) continue;
      if (json_object_get(header, tensors[i].name) != NULL) {
        return heed__fail(HEED_ARGUMENT, "%s: two tensors are named '%.250s'", path,
                          tensors[i].name);
      }
      int64_t from = at;
      (void)heed__array_bytes(&tensors[i], &bytes);
      if (__builtin_add_overflow(at, bytes, &at)) {
        return heed__fail(HEED_OVERFLOW, "%s: tensor '%.250s': all together do not fit", path,
                          tensors[i].name);
      }
      HEED__TRY(put_tensor(path, header, &tensors[i], from, at));
    }
  }
  return HEED_OK;
}

/* The header as text, filled with blanks to a multiple of 8 bytes. */
static heed_status header_text(const char *path, const json_t *header, char **text, size_t *n) {
  size_t bytes = json_dumpb(header, NULL, 0, JSON_COMPACT);
  if (bytes == 0) return heed__fail(HEED_NOMEM, "%s: out of memory for the header", path);
  *n = (bytes + 7) / 8 * 8;
  if (*n > HEED__SAFETENSORS_HEADER_MAX) {
    return heed__fail(HEED_OVERFLOW, "%s: a header of %zu bytes; %d is the most", path, *n,
                      HEED__SAFETENSORS_HEADER_MAX);
  }
  *text = heed__alloc(*n, 1);
  if (*text == NULL) return HEED_NOMEM;
  memset(*text, ' ', *n);
  if (json_dumpb(header, *text, *n, JSON_COMPACT) == bytes) return HEED_OK;
  return heed__fail(HEED_NOMEM, "%s: out of memory for the header", path);
}

static heed_status write_all(const char *path, FILE *stream, const char *text, size_t text_bytes,
                             const heed_array *tensors, int n) {
  unsigned char prefix[HEED__SAFETENSORS_PREFIX];
  for (size_t i = 0; i < sizeof prefix; i++) prefix[i] = (unsigned char)(text_bytes >> 8 * i);
  errno = 0;
  bool written = fwrite(prefix, 1, sizeof prefix, stream) == sizeof prefix &&
                 fwrite(text, 1, text_bytes, stream) == text_bytes;
  for (size_t width = WIDEST; width > 0; width /= 2) {
    for (int i = 0; i < n && written; i++) {
      uint64_t bytes = 0;
      if (!has_width(&tensors[i], width)) continue;
      (void)heed__array_bytes(&tensors[i], &bytes);
      written = bytes == 0 || fwrite(tensors[i].data, 1, bytes, stream) == bytes;
    }
  }
  if (written) return HEED_OK;
  return heed__fail(HEED_IO, "%s: cannot be written: %s", path, strerror(errno));
}

heed_status heed_safetensors_write(const char *path, const heed_array *tensors, int n,
                                   const char *const *metadata) {
  if (n < 0) return heed__fail(HEED_ARGUMENT, "%s: %d tensors to write", path, n);
  json_t *header = json_object();
  if (header == NULL) return heed__fail(HEED_NOMEM, "%s: out of memory for the header", path);
  char *text = NULL;
  size_t text_bytes = 0;
  heed_status status = make_header(path, header, tensors, n, metadata);
  if (status == HEED_OK) status = header_text(path, header, &text, &text_bytes);
  json_decref(header);
  heed__file file;
  if (status == HEED_OK) status = heed__file_begin(&file, path);
  if (status == HEED_OK) {
    status = write_all(path, file.stream, text, text_bytes, tensors, n);
    if (status == HEED_OK) {
      status = heed__file_commit(&file); /* to the disk before the rename */
    } else {
      heed__file_abandon(&file);
    }
  }
  heed__free(text);
  return status;
}
