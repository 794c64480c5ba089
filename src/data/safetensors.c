/* Reading safetensors files: eight bytes that tell the length of a header in JSON, the header, and
 * the numbers. The header is held against the size of the file before it is read, and looked
 * through for depth and count before Jansson makes a tree of it. */
#include <errno.h>
#include <heed/data.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/status.h"
#include "data/json.h"
#include "data/npy.h"
#include "data/safetensors.h"

enum {
  DEEPEST = 3,           /* the file's object, a tensor's, an array in it */
  CHUNK_BYTES = 1 << 14, /* a multiple of every element's size */
  WHERE_BYTES = 1024
};

/* The types that the format knows and this reader takes. */
static const struct {
  const char *name;
  enum element { F16, BF16, F32, F64, OTHER } element;
  heed_dtype told; /* as heed_safetensors_at() has it */
  int64_t size;
} types[] = {
    {"F32", F32, HEED_DTYPE_FLOAT32, 4},  {"F64", F64, HEED_DTYPE_FLOAT64, 8},
    {"F16", F16, HEED_DTYPE_FLOAT32, 2},  {"BF16", BF16, HEED_DTYPE_FLOAT32, 2},
    {"I32", OTHER, HEED_DTYPE_INT32, 4},  {"I64", OTHER, HEED_DTYPE_INT64, 8},
    {"U8", OTHER, HEED_DTYPE_UINT8, 1},   {"I8", OTHER, HEED_DTYPE_INT8, 1},
    {"I16", OTHER, HEED_DTYPE_INT16, 2},  {"U16", OTHER, HEED_DTYPE_UINT16, 2},
    {"U32", OTHER, HEED_DTYPE_UINT32, 4}, {"U64", OTHER, HEED_DTYPE_UINT64, 8},
    {"BOOL", OTHER, HEED_DTYPE_BOOL, 1},
};
enum { N_TYPES = sizeof types / sizeof *types };

typedef struct tensor {
  heed_array array; /* the name belongs to the header */
  int type;         /* place in types */
  int64_t from, to; /* bytes after the header */
} tensor;

struct heed_safetensors {
  FILE *stream;
  char *path;
  json_t *header;
  const json_t *metadata; /* part of the header, or NULL */
  tensor *tensors;
  int n_tensors;
  int64_t data_start;
};

const char *heed__safetensors_type(heed_dtype dtype) {
  for (int i = 0; i < N_TYPES; i++) {
    if (types[i].told == dtype) return types[i].name;
  }
  return NULL;
}

/* What messages about a tensor begin with; long names are cut. */
static void tell_where(char where[WHERE_BYTES], const char *path, const char *name) {
  snprintf(where, WHERE_BYTES, "%.700s: tensor '%.250s'", path, name);
}

/* Reads exactly n bytes. */
static heed_status read_bytes(const heed_safetensors *file, void *bytes, size_t n) {
  errno = 0;
  size_t got = fread(bytes, 1, n, file->stream);
  if (got == n) return HEED_OK;
  if (ferror(file->stream)) {
    return heed__fail(HEED_IO, "%s: cannot be read: %s", file->path, strerror(errno));
  }
  return heed__fail(HEED_FORMAT, "%s: cut short: %zu bytes where %zu are needed", file->path, got,
                    n);
}

static heed_status read_header(heed_safetensors *file, int64_t file_bytes) {
  unsigned char prefix[HEED__SAFETENSORS_PREFIX];
  HEED__TRY(read_bytes(file, prefix, sizeof prefix));
  uint64_t n = 0;
  for (size_t i = 0; i < sizeof prefix; i++) n |= (uint64_t)prefix[i] << 8 * i;
  int64_t left = file_bytes - HEED__SAFETENSORS_PREFIX;
  if (left < 0 || n > (uint64_t)left) {
    return heed__fail(HEED_FORMAT, "%s: a header of %llu bytes, but %lld are left in the file",
                      file->path, (unsigned long long)n, (long long)left);
  }
  if (n > HEED__SAFETENSORS_HEADER_MAX) {
    return heed__fail(HEED_FORMAT, "%s: a header of %llu bytes; %d is the most", file->path,
                      (unsigned long long)n, HEED__SAFETENSORS_HEADER_MAX);
  }
  file->data_start = HEED__SAFETENSORS_PREFIX + (int64_t)n;
  char *text = heed__alloc((size_t)n, 1);
  if (text == NULL) return HEED_NOMEM;
  heed_status status = read_bytes(file, text, (size_t)n);
  if (status == HEED_OK) {
    status = heed__json_parse(&file->header, file->path, "the header", text, (size_t)n, DEEPEST);
  }
  heed__free(text);
  return status;
}

static heed_status take_metadata(heed_safetensors *file, json_t *value) {
  if (!json_is_object(value)) {
    return heed__fail(HEED_FORMAT, "%s: the metadata is no object", file->path);
  }
  const char *key;
  json_t *text;
  json_object_foreach(value, key, text) {
    if (!json_is_string(text)) {
      return heed__fail(HEED_FORMAT, "%s: the metadata '%.250s' is no string", file->path, key);
    }
  }
  file->metadata = value;
  return HEED_OK;
}

static heed_status take_type(tensor *entry, const json_t *value, const char *where) {
  const char *name = json_string_value(value);
  if (name == NULL) return heed__fail(HEED_FORMAT, "%s: dtype is no string", where);
  for (int i = 0; i < N_TYPES; i++) {
    if (strcmp(types[i].name, name) == 0) {
      entry->type = i;
      entry->array.dtype = types[i].told;
      return HEED_OK;
    }
  }
  return heed__fail(HEED_UNSUPPORTED, "%s: numbers of type '%.40s'", where, name);
}

/* A number that is whole and not negative. */
static bool take_size(const json_t *value, int64_t *size) {
  if (!json_is_integer(value) || json_integer_value(value) < 0) return false;
  *size = json_integer_value(value);
  return true;
}

static heed_status take_shape(tensor *entry, const json_t *value, const char *where) {
  if (!json_is_array(value)) return heed__fail(HEED_FORMAT, "%s: shape is no array", where);
  size_t n = json_array_size(value);
  if (n > HEED_NPZ_MAX_DIMS) {
    return heed__fail(HEED_UNSUPPORTED, "%s: %zu dimensions; %d is the most", where, n,
                      HEED_NPZ_MAX_DIMS);
  }
  entry->array.n_dims = (int)n;
  for (size_t i = 0; i < n; i++) {
    if (!take_size(json_array_get(value, i), &entry->array.shape[i])) {
      return heed__fail(HEED_FORMAT, "%s: size %zu of the shape is no number from 0 to 2^63 - 1",
                        where, i);
    }
  }
  return HEED_OK;
}

static heed_status check_bytes(const tensor *entry, const char *where) {
  char shape[HEED__SHAPE_TEXT];
  heed__shape_text(shape, entry->array.n_dims, entry->array.shape);
  uint64_t told; /* of the type told, which may be wider than the one in the file */
  int64_t bytes = entry->to - entry->from;
  if (!heed__array_bytes(&entry->array, &told)) {
    return heed__fail(HEED_OVERFLOW, "%s: %s of '%s' does not fit in memory", where, shape,
                      types[entry->type].name);
  }
  uint64_t needed = told / heed__dtype_size(entry->array.dtype) * (uint64_t)types[entry->type].size;
  if (needed != (uint64_t)bytes) {
    return heed__fail(HEED_FORMAT, "%s: %s of '%s' takes %llu bytes, the offsets give it %lld",
                      where, shape, types[entry->type].name, (unsigned long long)needed,
                      (long long)bytes);
  }
  return HEED_OK;
}

static heed_status take_tensor(tensor *entry, const json_t *value, const char *where) {
  const json_t *type = json_object_get(value, "dtype");
  const json_t *shape = json_object_get(value, "shape");
  const json_t *offsets = json_object_get(value, "data_offsets");
  if (type == NULL || shape == NULL || offsets == NULL || json_object_size(value) != 3) {
    return heed__fail(HEED_FORMAT, "%s: is not made of dtype, shape and data_offsets", where);
  }
  HEED__TRY(take_type(entry, type, where));
  HEED__TRY(take_shape(entry, shape, where));
  if (json_array_size(offsets) != 2 || !take_size(json_array_get(offsets, 0), &entry->from) ||
      !take_size(json_array_get(offsets, 1), &entry->to) || entry->from > entry->to) {
    return heed__fail(HEED_FORMAT, "%s: data_offsets are not two rising numbers", where);
  }
  return check_bytes(entry, where);
}

static int by_place(const void *a, const void *b) {
  const tensor *x = a, *y = b;
  if (x->from != y->from) return x->from < y->from ? -1 : 1;
  if (x->to != y->to) return x->to < y->to ? -1 : 1;
  return strcmp(x->array.name, y->array.name);
}

/* Every byte behind the header belongs to one tensor. */
static heed_status check_places(const heed_safetensors *file, int64_t data_bytes) {
  int64_t at = 0;
  char where[WHERE_BYTES];
  for (int i = 0; i < file->n_tensors; i++) {
    const tensor *entry = &file->tensors[i];
    tell_where(where, file->path, entry->array.name);
    if (entry->from != at) {
      return heed__fail(HEED_FORMAT, "%s: begins at byte %lld, where the one before ends at %lld",
                        where, (long long)entry->from, (long long)at);
    }
    at = entry->to;
    if (at > data_bytes) {
      return heed__fail(HEED_FORMAT, "%s: ends at byte %lld of %lld", where, (long long)at,
                        (long long)data_bytes);
    }
  }
  if (at != data_bytes) {
    return heed__fail(HEED_FORMAT, "%s: %lld bytes of data, the tensors take %lld", file->path,
                      (long long)data_bytes, (long long)at);
  }
  return HEED_OK;
}

static heed_status take_entries(heed_safetensors *file) {
  size_t n = json_object_size(file->header);
  file->tensors = heed__alloc_zero(n, sizeof *file->tensors);
  if (file->tensors == NULL) return HEED_NOMEM;
  const char *name;
  json_t *value;
  json_object_foreach(file->header, name, value) {
    if (strcmp(name, HEED__SAFETENSORS_METADATA) == 0) {
      HEED__TRY(take_metadata(file, value));
      continue;
    }
    char where[WHERE_BYTES];
    tell_where(where, file->path, name);
    tensor *entry = &file->tensors[file->n_tensors++];
    entry->array.name = name;
    HEED__TRY(take_tensor(entry, value, where));
  }
  qsort(file->tensors, (size_t)file->n_tensors, sizeof *file->tensors, by_place);
  return HEED_OK;
}

static heed_status open_file(heed_safetensors *file, const char *path) {
  file->path = heed__strdup(path);
  if (file->path == NULL) return HEED_NOMEM;
  struct stat about;
  if (stat(path, &about) != 0) return heed__fail(HEED_IO, "%s: %s", path, strerror(errno));
  if (!S_ISREG(about.st_mode)) return heed__fail(HEED_IO, "%s: is no regular file", path);
  file->stream = fopen(path, "rb");
  if (file->stream == NULL || fstat(fileno(file->stream), &about) != 0) {
    return heed__fail(HEED_IO, "%s: cannot be read: %s", path, strerror(errno));
  }
  HEED__TRY(read_header(file, about.st_size));
  HEED__TRY(take_entries(file));
  return check_places(file, about.st_size - file->data_start);
}

heed_status heed_safetensors_open(heed_safetensors **file, const char *path) {
  *file = heed__alloc_zero(1, sizeof **file);
  if (*file == NULL) return HEED_NOMEM;
  heed_status status = open_file(*file, path);
  if (status != HEED_OK) {
    heed_safetensors_close(*file);
    *file = NULL;
  }
  return status;
}

void heed_safetensors_close(heed_safetensors *file) {
  if (file == NULL) return;
  if (file->stream != NULL) fclose(file->stream);
  if (file->header != NULL) json_decref(file->header);
  heed__free(file->tensors);
  heed__free(file->path);
  heed__free(file);
}

int heed_safetensors_count(const heed_safetensors *file) { return file->n_tensors; }

const heed_array *heed_safetensors_at(const heed_safetensors *file, int index) {
  return index >= 0 && index < file->n_tensors ? &file->tensors[index].array : NULL;
}

static const tensor *find_tensor(const heed_safetensors *file, const char *name) {
  for (int i = 0; i < file->n_tensors; i++) {
    if (strcmp(file->tensors[i].array.name, name) == 0) return &file->tensors[i];
  }
  return NULL;
}

const heed_array *heed_safetensors_find(const heed_safetensors *file, const char *name) {
  const tensor *entry = find_tensor(file, name);
  return entry == NULL ? NULL : &entry->array;
}

const char *heed_safetensors_metadata(const heed_safetensors *file, const char *key) {
  return json_string_value(json_object_get(file->metadata, key));
}

static double half_value(uint16_t bits) {
  int exponent = bits >> 10 & 31, mantissa = bits & 1023;
  double size = exponent == 31  ? mantissa == 0 ? (double)INFINITY : (double)NAN
                : exponent == 0 ? ldexp(mantissa, -24)
                                : ldexp(mantissa + 1024, exponent - 25);
  return bits >> 15 ? -size : size;
}

static double float_value(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return (double)value;
}

/* One number from its bytes, the lowest first. */
static double load(enum element element, const unsigned char *bytes, int64_t size) {
  uint64_t bits = 0;
  for (int64_t i = 0; i < size; i++) bits |= (uint64_t)bytes[i] << 8 * i;
  switch (element) {
    case F16:
      return half_value((uint16_t)bits);
    case BF16:
      return float_value((uint32_t)bits << 16);
    case F32:
      return float_value((uint32_t)bits);
    default: {
      double value;
      memcpy(&value, &bits, sizeof value);
      return value;
    }
  }
}

static heed_status refuse(const tensor *entry, int64_t number, double value, const char *where) {
  int64_t place[HEED_NPZ_MAX_DIMS];
  for (int i = entry->array.n_dims - 1; i >= 0; i--) {
    place[i] = number % entry->array.shape[i];
    number /= entry->array.shape[i];
  }
  char text[HEED__SHAPE_TEXT];
  heed__shape_text(text, entry->array.n_dims, place);
  return heed__fail(HEED_VALUE, "%s: %.17g at %s, where finite floats are needed", where, value,
                    text);
}

static heed_status convert(const heed_safetensors *file, const tensor *entry, float *into,
                           int64_t n, const char *where) {
  unsigned char chunk[CHUNK_BYTES];
  int64_t size = types[entry->type].size;
  if (fseeko(file->stream, file->data_start + entry->from, SEEK_SET) != 0) {
    return heed__fail(HEED_IO, "%s: cannot be read: %s", where, strerror(errno));
  }
  for (int64_t done = 0; done < n;) {
    int64_t some = n - done < CHUNK_BYTES / size ? n - done : CHUNK_BYTES / size;
    HEED__TRY(read_bytes(file, chunk, (size_t)(some * size)));
    for (int64_t i = 0; i < some; i++) {
      double value = load(types[entry->type].element, chunk + i * size, size);
      into[done + i] = (float)value;
      if (!isfinite(into[done + i])) return refuse(entry, done + i, value, where);
    }
    done += some;
  }
  return HEED_OK;
}

heed_status heed_safetensors_read(heed_safetensors *file, const char *name, float *into,
                                  int64_t n) {
  char where[WHERE_BYTES];
  tell_where(where, file->path, name);
  const tensor *entry = find_tensor(file, name);
  if (entry == NULL) return heed__fail(HEED_ARGUMENT, "%s is not there", where);
  if (types[entry->type].element == OTHER) {
    return heed__fail(HEED_FORMAT, "%s: numbers of type '%s', where floats are needed", where,
                      types[entry->type].name);
  }
  int64_t numbers = (entry->to - entry->from) / types[entry->type].size;
  if (numbers != n) {
    char shape[HEED__SHAPE_TEXT];
    heed__shape_text(shape, entry->array.n_dims, entry->array.shape);
    return heed__fail(HEED_SHAPE, "%s: the shape is %s, %lld numbers, not %lld", where, shape,
                      (long long)numbers, (long long)n);
  }
  return convert(file, entry, into, n, where);
}
