/* Reading archives. Nothing is allocated on the word of a header alone: an array's size must agree
 * with the archive's directory, and the directory with what the compressed bytes could hold. */
#include <errno.h>
#include <heed/data.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <zip.h>

#include "base/alloc.h"
#include "base/status.h"
#include "data/molecule.h"
#include "data/npy.h"

enum {
  MOST_ARRAYS = 4096,
  MOST_RATIO = 500,      /* of large arrays: beyond it is no data but an attack */
  DEFLATE_RATIO = 1032,  /* no deflated byte stands for more */
  CHUNK_BYTES = 1 << 14, /* a multiple of every element's size */
  WHERE_BYTES = 1024
};

static const uint64_t large_bytes = (uint64_t)64 << 20;
static const uint64_t most_bytes = (uint64_t)8 << 30;

typedef struct member {
  heed_array array;
  char *name; /* owned; array.name is the same */
  uint64_t index;
  size_t header_bytes;
  bool fortran_order;
} member;

struct heed_npz {
  zip_t *archive;
  char *path;
  member *entries;
  int n_entries;
};

/* What messages about an array begin with; long names are cut. */
static void tell_where(char where[WHERE_BYTES], const char *path, const char *name) {
  snprintf(where, WHERE_BYTES, "%.700s: array '%.250s'", path, name);
}

static heed_status status_of(const zip_error_t *error) {
  switch (zip_error_code_zip(error)) {
    case ZIP_ER_MEMORY:
      return HEED_NOMEM;
    case ZIP_ER_OPEN:
    case ZIP_ER_READ:
    case ZIP_ER_SEEK:
    case ZIP_ER_NOENT:
      return HEED_IO;
    case ZIP_ER_COMPNOTSUPP:
    case ZIP_ER_ENCRNOTSUPP:
    case ZIP_ER_NOPASSWD:
    case ZIP_ER_MULTIDISK:
      return HEED_UNSUPPORTED;
    default:
      return HEED_FORMAT;
  }
}

static heed_status fail_with(zip_error_t *error, const char *where) {
  return heed__fail(status_of(error), "%s: %s", where, zip_error_strerror(error));
}

/* Reads exactly n bytes. */
static heed_status read_bytes(zip_file_t *file, void *bytes, size_t n, const char *where) {
  size_t done = 0;
  while (done < n) {
    zip_int64_t got = zip_fread(file, (char *)bytes + done, n - done);
    if (got < 0) return fail_with(zip_file_get_error(file), where);
    if (got == 0) {
      return heed__fail(HEED_FORMAT, "%s: cut short by %zu bytes or more", where, n - done);
    }
    done += (size_t)got;
  }
  return HEED_OK;
}

static heed_status check_claims(const zip_stat_t *claims, const char *where) {
  const zip_uint64_t needed =
      ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
  if ((claims->valid & needed) != needed) {
    return heed__fail(HEED_FORMAT, "%s: the archive does not tell its size", where);
  }
  if (claims->encryption_method != ZIP_EM_NONE) {
    return heed__fail(HEED_UNSUPPORTED, "%s: is encrypted", where);
  }
  if (claims->comp_method != ZIP_CM_STORE && claims->comp_method != ZIP_CM_DEFLATE) {
    return heed__fail(HEED_UNSUPPORTED, "%s: compression method %d; known are 0 and 8", where,
                      claims->comp_method);
  }
  unsigned long long size = claims->size, packed = claims->comp_size;
  bool stored = claims->comp_method == ZIP_CM_STORE;
  if (stored ? size != packed : size / DEFLATE_RATIO > packed) {
    return heed__fail(HEED_FORMAT, "%s: %llu bytes cannot come from %llu in the archive", where,
                      size, packed);
  }
  if (size > large_bytes && size / MOST_RATIO > packed) {
    return heed__fail(HEED_FORMAT, "%s: %llu bytes out of %llu, more than %d for one: no real data",
                      where, size, packed, MOST_RATIO);
  }
  return HEED_OK;
}

/* Reads the header of an array and holds it against what the archive says of its size. */
static heed_status read_header(zip_file_t *file, uint64_t size, member *entry, const char *where) {
  unsigned char prefix[HEED__NPY_PREFIX] = {0};
  size_t n = size < sizeof prefix ? (size_t)size : sizeof prefix;
  HEED__TRY(read_bytes(file, prefix, n, where));
  size_t prefix_bytes, text_bytes;
  HEED__TRY(heed__npy_prefix(prefix, n, where, &prefix_bytes, &text_bytes));
  entry->header_bytes = prefix_bytes + text_bytes;
  if (entry->header_bytes > size || entry->header_bytes < n) {
    return heed__fail(HEED_FORMAT, "%s: a header of %zu bytes in %llu", where, entry->header_bytes,
                      (unsigned long long)size);
  }
  char *text = heed__alloc(text_bytes, 1);
  if (text == NULL) return HEED_NOMEM;
  size_t have = n - prefix_bytes;
  memcpy(text, prefix + prefix_bytes, have);
  heed_status status = read_bytes(file, text + have, text_bytes - have, where);
  if (status == HEED_OK) {
    status = heed__npy_parse(text, text_bytes, where, &entry->array, &entry->fortran_order);
  }
  heed__free(text);
  if (status != HEED_OK) return status;
  char shape[HEED__SHAPE_TEXT];
  heed__shape_text(shape, entry->array.n_dims, entry->array.shape);
  uint64_t bytes;
  if (!heed__array_bytes(&entry->array, &bytes)) {
    return heed__fail(HEED_OVERFLOW, "%s: %s of '%s' does not fit in memory", where, shape,
                      heed__dtype_text(entry->array.dtype));
  }
  if (bytes != size - entry->header_bytes) {
    return heed__fail(HEED_FORMAT, "%s: %s of '%s' takes %llu bytes, the archive has %llu", where,
                      shape, heed__dtype_text(entry->array.dtype), (unsigned long long)bytes,
                      (unsigned long long)(size - entry->header_bytes));
  }
  return HEED_OK;
}

static heed_status add_entry(heed_npz *npz, uint64_t index, uint64_t *total) {
  member *entry = &npz->entries[npz->n_entries];
  zip_stat_t claims;
  zip_stat_init(&claims);
  if (zip_stat_index(npz->archive, index, 0, &claims) != 0) {
    return fail_with(zip_get_error(npz->archive), npz->path);
  }
  if (!(claims.valid & ZIP_STAT_NAME)) {
    return heed__fail(HEED_FORMAT, "%s: array number %llu has no name", npz->path,
                      (unsigned long long)index);
  }
  entry->name = heed__strdup(claims.name);
  if (entry->name == NULL) return HEED_NOMEM;
  npz->n_entries++; /* from here on heed_npz_close() knows of it */
  size_t length = strlen(entry->name);
  if (length > 4 && strcmp(entry->name + length - 4, ".npy") == 0) entry->name[length - 4] = 0;
  char where[WHERE_BYTES];
  tell_where(where, npz->path, entry->name);
  for (int i = 0; i < npz->n_entries - 1; i++) {
    if (strcmp(npz->entries[i].name, entry->name) == 0) {
      return heed__fail(HEED_FORMAT, "%s is there twice", where);
    }
  }
  entry->array.name = entry->name;
  entry->index = index;
  HEED__TRY(check_claims(&claims, where));
  *total += claims.size < most_bytes ? claims.size : most_bytes + 1;
  if (*total > most_bytes) {
    return heed__fail(HEED_UNSUPPORTED, "%s: more than %llu bytes unpacked", npz->path,
                      (unsigned long long)most_bytes);
  }
  zip_file_t *file = zip_fopen_index(npz->archive, index, 0);
  if (file == NULL) return fail_with(zip_get_error(npz->archive), where);
  heed_status status = read_header(file, claims.size, entry, where);
  zip_fclose(file);
  return status;
}

static heed_status open_archive(heed_npz *npz, const char *path) {
  npz->path = heed__strdup(path);
  if (npz->path == NULL) return HEED_NOMEM;
  struct stat file;
  if (stat(path, &file) != 0) return heed__fail(HEED_IO, "%s: %s", path, strerror(errno));
  if (!S_ISREG(file.st_mode)) return heed__fail(HEED_IO, "%s: is no regular file", path);
  int code;
  npz->archive = zip_open(path, ZIP_RDONLY | ZIP_CHECKCONS, &code);
  if (npz->archive == NULL) {
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    heed_status status = fail_with(&error, path);
    zip_error_fini(&error);
    return status;
  }
  zip_int64_t n = zip_get_num_entries(npz->archive, 0);
  if (n < 0 || n > MOST_ARRAYS) {
    return heed__fail(HEED_UNSUPPORTED, "%s: %lld arrays; %d is the most", path, (long long)n,
                      MOST_ARRAYS);
  }
  npz->entries = heed__alloc_zero((size_t)n, sizeof *npz->entries);
  if (npz->entries == NULL) return HEED_NOMEM;
  uint64_t total = 0;
  for (zip_int64_t i = 0; i < n; i++) HEED__TRY(add_entry(npz, (uint64_t)i, &total));
  return HEED_OK;
}

heed_status heed_npz_open(heed_npz **npz, const char *path) {
  *npz = heed__alloc_zero(1, sizeof **npz);
  if (*npz == NULL) return HEED_NOMEM;
  heed_status status = open_archive(*npz, path);
  if (status != HEED_OK) {
    heed_npz_close(*npz);
    *npz = NULL;
  }
  return status;
}

void heed_npz_close(heed_npz *npz) {
  if (npz == NULL) return;
  if (npz->archive != NULL) zip_discard(npz->archive);
  for (int i = 0; i < npz->n_entries; i++) heed__free(npz->entries[i].name);
  heed__free(npz->entries);
  heed__free(npz->path);
  heed__free(npz);
}

int heed_npz_count(const heed_npz *npz) { return npz->n_entries; }

const heed_array *heed_npz_at(const heed_npz *npz, int index) {
  return index >= 0 && index < npz->n_entries ? &npz->entries[index].array : NULL;
}

static const member *find_entry(const heed_npz *npz, const char *name) {
  for (int i = 0; i < npz->n_entries; i++) {
    if (strcmp(npz->entries[i].name, name) == 0) return &npz->entries[i];
  }
  return NULL;
}

const heed_array *heed_npz_find(const heed_npz *npz, const char *name) {
  const member *entry = find_entry(npz, name);
  return entry == NULL ? NULL : &entry->array;
}

/* One element: a whole number, or a number of a float array. */
typedef struct number {
  enum { NUMBER_SIGNED, NUMBER_UNSIGNED, NUMBER_FLOAT } kind;
  int64_t whole;    /* SIGNED */
  uint64_t natural; /* UNSIGNED */
  double real;      /* FLOAT */
} number;

/* Little-endian bytes. */
static uint64_t load_bits(const unsigned char *bytes, size_t size) {
  uint64_t bits = 0;
  for (size_t i = 0; i < size; i++) bits |= (uint64_t)bytes[i] << 8 * i;
  return bits;
}

static number load(heed_dtype dtype, const unsigned char *bytes) {
  uint64_t bits = load_bits(bytes, heed__dtype_size(dtype));
  switch (dtype) {
    case HEED_DTYPE_INT8:
      return (number){.kind = NUMBER_SIGNED, .whole = (int8_t)bits};
    case HEED_DTYPE_INT16:
      return (number){.kind = NUMBER_SIGNED, .whole = (int16_t)bits};
    case HEED_DTYPE_INT32:
      return (number){.kind = NUMBER_SIGNED, .whole = (int32_t)bits};
    case HEED_DTYPE_INT64:
      return (number){.kind = NUMBER_SIGNED, .whole = (int64_t)bits};
    case HEED_DTYPE_FLOAT32: {
      uint32_t half = (uint32_t)bits;
      float value;
      memcpy(&value, &half, sizeof value);
      return (number){.kind = NUMBER_FLOAT, .real = (double)value};
    }
    case HEED_DTYPE_FLOAT64: {
      double value;
      memcpy(&value, &bits, sizeof value);
      return (number){.kind = NUMBER_FLOAT, .real = value};
    }
    default:
      return (number){.kind = NUMBER_UNSIGNED, .natural = bits};
  }
}

/* The number as a whole one within the bounds; false if it is none. */
static bool to_whole(const number *x, int64_t low, int64_t high, int64_t *value) {
  switch (x->kind) {
    case NUMBER_SIGNED:
      *value = x->whole;
      break;
    case NUMBER_UNSIGNED:
      if (x->natural > INT64_MAX) return false;
      *value = (int64_t)x->natural;
      break;
    case NUMBER_FLOAT:
      if (!(x->real >= -0x1p63 && x->real < 0x1p63) || floor(x->real) != x->real) return false;
      *value = (int64_t)x->real;
      break;
  }
  return *value >= low && *value <= high;
}

static bool to_float(const number *x, float *value) {
  double real = x->kind == NUMBER_SIGNED     ? (double)x->whole
                : x->kind == NUMBER_UNSIGNED ? (double)x->natural
                                             : x->real;
  *value = (float)real;
  return !isfinite(real) || isfinite(*value);
}

/* Stores an element as number `at` of data; false if the type cannot hold it. */
static bool store(const number *x, heed_dtype dtype, void *data, size_t at) {
  int64_t whole;
  switch (dtype) {
    case HEED_DTYPE_FLOAT32:
      return to_float(x, (float *)data + at);
    case HEED_DTYPE_INT32:
      if (!to_whole(x, INT32_MIN, INT32_MAX, &whole)) return false;
      ((int32_t *)data)[at] = (int32_t)whole;
      return true;
    case HEED_DTYPE_INT64:
      return to_whole(x, INT64_MIN, INT64_MAX, (int64_t *)data + at);
    default:
      if (!to_whole(x, 0, dtype == HEED_DTYPE_BOOL ? 1 : UINT8_MAX, &whole)) return false;
      ((uint8_t *)data)[at] = (uint8_t)whole;
      return true;
  }
}

/* A walk through an array in the order of the file. */
typedef struct array_walk {
  const member *entry;
  int64_t step[HEED_NPZ_MAX_DIMS]; /* in the result, in C order */
  int64_t place[HEED_NPZ_MAX_DIMS];
  size_t at; /* of the place in the result */
} array_walk;

static array_walk start_walk(const member *entry) {
  array_walk walk = {.entry = entry};
  int64_t step = 1;
  for (int i = entry->array.n_dims - 1; i >= 0; i--) {
    walk.step[i] = step;
    step *= entry->array.shape[i];
  }
  return walk;
}

static void next(array_walk *walk) {
  const heed_array *array = &walk->entry->array;
  for (int k = 0; k < array->n_dims; k++) {
    int i = walk->entry->fortran_order ? k : array->n_dims - 1 - k;
    walk->at += (size_t)walk->step[i];
    if (++walk->place[i] < array->shape[i]) return;
    walk->at -= (size_t)(walk->step[i] * array->shape[i]);
    walk->place[i] = 0;
  }
}

static heed_status refuse(const number *x, const array_walk *walk, heed_dtype dtype,
                          const char *where) {
  char place[HEED__SHAPE_TEXT], value[40];
  heed__shape_text(place, walk->entry->array.n_dims, walk->place);
  if (x->kind == NUMBER_FLOAT) {
    snprintf(value, sizeof value, "%.17g", x->real);
  } else if (x->kind == NUMBER_SIGNED) {
    snprintf(value, sizeof value, "%lld", (long long)x->whole);
  } else {
    snprintf(value, sizeof value, "%llu", (unsigned long long)x->natural);
  }
  if (x->kind == NUMBER_FLOAT && !isfinite(x->real)) {
    return heed__fail(HEED_VALUE, "%s: %s at %s, where finite numbers are needed", where, value,
                      place);
  }
  return heed__fail(HEED_RANGE, "%s: %s at %s does not fit the type '%s'", where, value, place,
                    heed__dtype_text(dtype));
}

static heed_status convert(zip_file_t *file, const member *entry, size_t n, heed_dtype dtype,
                           bool allow_minus_infinity, void *data, const char *where) {
  unsigned char chunk[CHUNK_BYTES];
  size_t size = heed__dtype_size(entry->array.dtype);
  bool is_bool = entry->array.dtype == HEED_DTYPE_BOOL;
  allow_minus_infinity = allow_minus_infinity && dtype == HEED_DTYPE_FLOAT32;
  array_walk walk = start_walk(entry);
  for (size_t done = 0; done < n;) {
    size_t some = n - done < CHUNK_BYTES / size ? n - done : CHUNK_BYTES / size;
    HEED__TRY(read_bytes(file, chunk, some * size, where));
    for (size_t i = 0; i < some; i++) {
      number x = load(entry->array.dtype, chunk + i * size);
      bool wrong =
          x.kind == NUMBER_FLOAT && !isfinite(x.real) && !(allow_minus_infinity && x.real < 0);
      if (wrong || (is_bool && x.natural > 1) || !store(&x, dtype, data, walk.at)) {
        return refuse(&x, &walk, is_bool && x.natural > 1 ? HEED_DTYPE_BOOL : dtype, where);
      }
      next(&walk);
    }
    done += some;
  }
  /* The checksum is compared when the end is met. */
  zip_int64_t got = zip_fread(file, chunk, 1);
  if (got < 0) return fail_with(zip_file_get_error(file), where);
  if (got > 0) return heed__fail(HEED_FORMAT, "%s: goes on behind its end", where);
  return HEED_OK;
}

static heed_status read_data(heed_npz *npz, const member *entry, heed_dtype dtype,
                             bool allow_minus_infinity, void *data, size_t n, const char *where) {
  zip_file_t *file = zip_fopen_index(npz->archive, entry->index, 0);
  if (file == NULL) return fail_with(zip_get_error(npz->archive), where);
  heed_status status = HEED_OK;
  char skipped[256];
  for (size_t left = entry->header_bytes; left > 0 && status == HEED_OK;) {
    size_t some = left < sizeof skipped ? left : sizeof skipped;
    status = read_bytes(file, skipped, some, where);
    left -= some;
  }
  if (status == HEED_OK) {
    status = convert(file, entry, n, dtype, allow_minus_infinity, data, where);
  }
  zip_fclose(file);
  return status;
}

heed_status heed_npz_read(heed_npz *npz, const char *name, heed_dtype dtype,
                          bool allow_minus_infinity, int n_dims, int64_t *shape, void **data) {
  char where[WHERE_BYTES];
  tell_where(where, npz->path, name);
  *data = NULL;
  if (dtype != HEED_DTYPE_FLOAT32 && dtype != HEED_DTYPE_INT32 && dtype != HEED_DTYPE_INT64 &&
      dtype != HEED_DTYPE_UINT8 && dtype != HEED_DTYPE_BOOL) {
    return heed__fail(HEED_ARGUMENT, "%s: cannot be converted to type number %d", where, dtype);
  }
  const member *entry = find_entry(npz, name);
  if (entry == NULL) return heed__fail(HEED_ARGUMENT, "%s is not there", where);
  const heed_array *array = &entry->array;
  bool same = n_dims == array->n_dims;
  for (int i = 0; same && i < n_dims; i++) same = shape[i] < 0 || shape[i] == array->shape[i];
  if (!same) {
    char is[HEED__SHAPE_TEXT], wanted[HEED__SHAPE_TEXT];
    heed__shape_text(is, array->n_dims, array->shape);
    heed__shape_text(wanted, n_dims < HEED_NPZ_MAX_DIMS ? n_dims : HEED_NPZ_MAX_DIMS, shape);
    return heed__fail(HEED_SHAPE, "%s: the shape is %s, not %s", where, is, wanted);
  }
  uint64_t bytes;
  (void)heed__array_bytes(array, &bytes); /* checked when the archive was opened */
  size_t n = (size_t)(bytes / heed__dtype_size(array->dtype));
  void *result = heed__alloc(n, heed__dtype_size(dtype));
  if (result == NULL) return HEED_NOMEM;
  heed_status status = read_data(npz, entry, dtype, allow_minus_infinity, result, n, where);
  if (status != HEED_OK) {
    heed__free(result);
    return status;
  }
  for (int i = 0; i < n_dims; i++) shape[i] = array->shape[i];
  *data = result;
  return HEED_OK;
}

void heed_npz_free(void *data) { heed__free(data); }

const char *heed_data_library(void) {
  static _Thread_local char text[128];
  const char *indigo = heed__molecules_library();
  /* Indigo tells its platform behind its version. */
  snprintf(text, sizeof text, "libzip %s, %s%.*s", zip_libzip_version(),
           indigo == NULL ? "no Indigo" : "Indigo ", indigo == NULL ? 0 : (int)strcspn(indigo, " "),
           indigo == NULL ? "" : indigo);
  return text;
}
