#include "data/npy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"

static const struct {
  char text[4];
  size_t size;
} dtypes[] = {
    [HEED_DTYPE_BOOL] = {"|b1", 1},    [HEED_DTYPE_INT8] = {"|i1", 1},
    [HEED_DTYPE_UINT8] = {"|u1", 1},   [HEED_DTYPE_INT16] = {"<i2", 2},
    [HEED_DTYPE_UINT16] = {"<u2", 2},  [HEED_DTYPE_INT32] = {"<i4", 4},
    [HEED_DTYPE_UINT32] = {"<u4", 4},  [HEED_DTYPE_INT64] = {"<i8", 8},
    [HEED_DTYPE_UINT64] = {"<u8", 8},  [HEED_DTYPE_FLOAT32] = {"<f4", 4},
    [HEED_DTYPE_FLOAT64] = {"<f8", 8},
};

enum { N_DTYPES = sizeof dtypes / sizeof *dtypes };

size_t heed__dtype_size(heed_dtype dtype) { return dtypes[dtype].size; }

const char *heed__dtype_text(heed_dtype dtype) { return dtypes[dtype].text; }

heed_status heed__npy_prefix(const unsigned char *bytes, size_t n, const char *where,
                             size_t *prefix, size_t *text) {
  if (n < 10 || memcmp(bytes, "\x93NUMPY", 6) != 0) {
    return heed__fail(HEED_FORMAT, "%s: does not begin as an array of NumPy", where);
  }
  int version = bytes[6];
  if (version < 1 || version > 3 || bytes[7] != 0) {
    return heed__fail(HEED_UNSUPPORTED, "%s: format version %d.%d; known are 1.0, 2.0 and 3.0",
                      where, version, bytes[7]);
  }
  *prefix = version == 1 ? 10 : 12;
  if (n < *prefix) return heed__fail(HEED_FORMAT, "%s: ends after %zu bytes", where, n);
  *text = (size_t)bytes[8] | (size_t)bytes[9] << 8;
  if (version > 1) *text |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
  if (*text > HEED__NPY_TEXT_MAX) {
    return heed__fail(HEED_FORMAT, "%s: a header of %zu bytes; %d is the most", where, *text,
                      HEED__NPY_TEXT_MAX);
  }
  return HEED_OK;
}

/* What is left of the text. */
typedef struct text_rest {
  const char *at;
  const char *end;
} text_rest;

static void skip_blanks(text_rest *text) {
  while (text->at < text->end && *text->at == ' ') text->at++;
}

static bool take(text_rest *text, char c) {
  skip_blanks(text);
  if (text->at == text->end || *text->at != c) return false;
  text->at++;
  return true;
}

static bool take_word(text_rest *text, const char *word) {
  skip_blanks(text);
  size_t n = strlen(word);
  if ((size_t)(text->end - text->at) < n || memcmp(text->at, word, n) != 0) return false;
  text->at += n;
  return true;
}

/* A quoted string without escapes. */
static bool take_string(text_rest *text, char *value, size_t bytes) {
  skip_blanks(text);
  if (text->at == text->end || (*text->at != '\'' && *text->at != '"')) return false;
  char quote = *text->at++;
  size_t n = 0;
  while (text->at < text->end && *text->at != quote) {
    char c = *text->at++;
    if (c < 0x20 || c > 0x7e || c == '\\' || n + 1 == bytes) return false;
    value[n++] = c;
  }
  value[n] = '\0';
  return take(text, quote);
}

static bool take_size(text_rest *text, int64_t *value) {
  skip_blanks(text);
  const char *start = text->at;
  *value = 0;
  while (text->at < text->end && *text->at >= '0' && *text->at <= '9') {
    if (__builtin_mul_overflow(*value, 10, value)) return false;
    if (__builtin_add_overflow(*value, *text->at++ - '0', value)) return false;
  }
  return text->at > start;
}

static heed_status take_shape(text_rest *text, const char *where, heed_array *array) {
  if (!take(text, '(')) return heed__fail(HEED_FORMAT, "%s: the shape is no tuple", where);
  array->n_dims = 0;
  bool comma = true;
  while (!take(text, ')')) {
    int64_t size;
    if (!comma || !take_size(text, &size)) {
      return heed__fail(HEED_FORMAT, "%s: size %d of the shape is no number from 0 to 2^63 - 1",
                        where, array->n_dims);
    }
    if (array->n_dims == HEED_NPZ_MAX_DIMS) {
      return heed__fail(HEED_UNSUPPORTED, "%s: more than %d dimensions", where, HEED_NPZ_MAX_DIMS);
    }
    array->shape[array->n_dims++] = size;
    comma = take(text, ',');
  }
  if (array->n_dims == 1 && !comma) {
    return heed__fail(HEED_FORMAT, "%s: the shape is no tuple", where);
  }
  return HEED_OK;
}

static heed_status take_descr(text_rest *text, const char *where, heed_array *array) {
  char descr[16];
  skip_blanks(text);
  if (text->at < text->end && *text->at == '[') {
    return heed__fail(HEED_UNSUPPORTED, "%s: elements of several fields", where);
  }
  if (!take_string(text, descr, sizeof descr)) {
    return heed__fail(HEED_FORMAT, "%s: the type is no short string", where);
  }
  for (int i = 0; i < N_DTYPES; i++) {
    if (strcmp(descr, dtypes[i].text) == 0) {
      array->dtype = (heed_dtype)i;
      return HEED_OK;
    }
  }
  if (strchr(descr, 'O') != NULL) {
    return heed__fail(HEED_UNSUPPORTED, "%s: pickled objects are never read", where);
  }
  if (descr[0] == '>') {
    return heed__fail(HEED_UNSUPPORTED, "%s: big-endian numbers (type '%s')", where, descr);
  }
  return heed__fail(HEED_UNSUPPORTED, "%s: numbers of type '%s'", where, descr);
}

enum { SEEN_DESCR = 1, SEEN_ORDER = 2, SEEN_SHAPE = 4, SEEN_ALL = 7 };

heed_status heed__npy_parse(const char *text, size_t n, const char *where, heed_array *array,
                            bool *fortran_order) {
  text_rest cursor = {.at = text, .end = text + n};
  int seen = 0;
  bool comma = true;
  if (!take(&cursor, '{')) return heed__fail(HEED_FORMAT, "%s: the header is no dict", where);
  while (!take(&cursor, '}')) {
    char key[16];
    if (!comma || !take_string(&cursor, key, sizeof key) || !take(&cursor, ':')) {
      return heed__fail(HEED_FORMAT, "%s: the header is no dict (at byte %td of %zu)", where,
                        cursor.at - text, n);
    }
    int bit = strcmp(key, "descr") == 0           ? SEEN_DESCR
              : strcmp(key, "fortran_order") == 0 ? SEEN_ORDER
              : strcmp(key, "shape") == 0         ? SEEN_SHAPE
                                                  : 0;
    if (bit == 0) return heed__fail(HEED_FORMAT, "%s: unknown key '%s'", where, key);
    if (seen & bit) return heed__fail(HEED_FORMAT, "%s: key '%s' is there twice", where, key);
    seen |= bit;
    if (bit == SEEN_DESCR) HEED__TRY(take_descr(&cursor, where, array));
    if (bit == SEEN_SHAPE) HEED__TRY(take_shape(&cursor, where, array));
    if (bit == SEEN_ORDER) {
      *fortran_order = take_word(&cursor, "True");
      if (!*fortran_order && !take_word(&cursor, "False")) {
        return heed__fail(HEED_FORMAT, "%s: fortran_order is neither True nor False", where);
      }
    }
    comma = take(&cursor, ',');
  }
  if (seen != SEEN_ALL) {
    return heed__fail(HEED_FORMAT, "%s: the header lacks one of descr, fortran_order and shape",
                      where);
  }
  while (cursor.at < cursor.end && (*cursor.at == ' ' || *cursor.at == '\n')) cursor.at++;
  if (cursor.at < cursor.end) {
    return heed__fail(HEED_FORMAT, "%s: something stands behind the dict of the header", where);
  }
  return HEED_OK;
}

bool heed__array_bytes(const heed_array *array, uint64_t *bytes) {
  /* Sizes beside a 0 must fit as well, so that nobody multiplies them in vain later. */
  int64_t product = (int64_t)heed__dtype_size(array->dtype);
  bool empty = false;
  for (int i = 0; i < array->n_dims; i++) {
    if (array->shape[i] < 0) return false;
    if (array->shape[i] == 0) {
      empty = true;
    } else if (__builtin_mul_overflow(product, array->shape[i], &product)) {
      return false;
    }
  }
  *bytes = empty ? 0 : (uint64_t)product;
  return true;
}

void heed__shape_text(char text[HEED__SHAPE_TEXT], int n_dims, const int64_t *shape) {
  size_t at = (size_t)snprintf(text, HEED__SHAPE_TEXT, "[");
  for (int i = 0; i < n_dims; i++) {
    const char *separator = i > 0 ? ", " : "";
    if (shape[i] < 0) {
      at += (size_t)snprintf(text + at, HEED__SHAPE_TEXT - at, "%sany", separator);
    } else {
      at += (size_t)snprintf(text + at, HEED__SHAPE_TEXT - at, "%s%" PRId64, separator, shape[i]);
    }
  }
  snprintf(text + at, HEED__SHAPE_TEXT - at, "]");
}

size_t heed__npy_format(const heed_array *array, char *out, size_t bytes) {
  enum { PREFIX = 10, ALIGNMENT = 64 };
  char shape[HEED__SHAPE_TEXT];
  size_t at = 0;
  for (int i = 0; i < array->n_dims; i++) {
    at += (size_t)snprintf(shape + at, sizeof shape - at, "%s%" PRId64 "%s", i > 0 ? " " : "",
                           array->shape[i], i + 1 < array->n_dims || i == 0 ? "," : "");
  }
  if (at == 0) shape[0] = '\0';
  int n = snprintf(out + PREFIX, bytes - PREFIX,
                   "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }",
                   heed__dtype_text(array->dtype), shape);
  size_t whole = (PREFIX + (size_t)n + 1 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  if (whole > bytes) return 0;
  memset(out + PREFIX + n, ' ', whole - PREFIX - (size_t)n);
  out[whole - 1] = '\n';
  memcpy(out, "\x93NUMPY\x01\x00", 8);
  out[8] = (char)((whole - PREFIX) & 0xff);
  out[9] = (char)((whole - PREFIX) >> 8);
  return whole;
}
