/* JSON from files of others. */
#include "data/json.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/status.h"

enum {
  MOST_VALUES = 1 << 20, /* that one text may have: far more than models, far less than memory */
  DEEPEST_SETTING = 32,  /* of a file of settings, */
  MOST_SETTINGS_BYTES = 1 << 24 /* with the names of tens of thousands of classes in it */
};

/* Looks whether a tree of this text stays small and flat. Whether it is JSON is not asked here. */
static heed_status check_size(const char *path, const char *what, const char *text, size_t n,
                              int deepest) {
  int depth = 0, values = 0;
  bool quoted = false;
  for (size_t i = 0; i < n; i++) {
    if (quoted) {
      if (text[i] == '\\') {
        i++;
      } else if (text[i] == '"') {
        quoted = false;
      }
      continue;
    }
    switch (text[i]) {
      case '"':
        quoted = true;
        break;
      case '{':
      case '[':
        if (++depth > deepest) {
          return heed__fail(HEED_FORMAT, "%s: byte %zu of %s is nested deeper than %d", path, i,
                            what, deepest);
        }
        break;
      case '}':
      case ']':
        depth--;
        break;
      case ',':
        if (++values > MOST_VALUES) {
          return heed__fail(HEED_FORMAT, "%s: %s has more than %d values", path, what, MOST_VALUES);
        }
        break;
      default:
        break;
    }
  }
  return HEED_OK;
}

heed_status heed__json_parse(json_t **tree, const char *path, const char *what, const char *text,
                             size_t n, int deepest) {
  if (n == 0 || text[0] != '{') {
    return heed__fail(HEED_FORMAT, "%s: %s of %zu bytes does not begin with {", path, what, n);
  }
  HEED__TRY(check_size(path, what, text, n, deepest));
  json_error_t error;
  *tree = json_loadb(text, n, JSON_REJECT_DUPLICATES, &error);
  if (*tree != NULL) return HEED_OK;
  if (json_error_code(&error) == json_error_out_of_memory) {
    return heed__fail(HEED_NOMEM, "%s: out of memory for %s of %zu bytes", path, what, n);
  }
  return heed__fail(HEED_FORMAT, "%s: byte %d of %s: %s", path, error.position, what, error.text);
}

/* All bytes of a file; the caller frees them. */
static heed_status read_text(const char *path, char **text, size_t *n) {
  struct stat about;
  if (stat(path, &about) != 0) return heed__fail(HEED_IO, "%s: %s", path, strerror(errno));
  if (!S_ISREG(about.st_mode)) return heed__fail(HEED_IO, "%s: is no regular file", path);
  if (about.st_size > MOST_SETTINGS_BYTES) {
    return heed__fail(HEED_FORMAT, "%s: %lld bytes of settings; %d is the most", path,
                      (long long)about.st_size, MOST_SETTINGS_BYTES);
  }
  *text = heed__alloc((size_t)about.st_size + 1, 1);
  if (*text == NULL) return HEED_NOMEM;
  FILE *stream = fopen(path, "rb");
  if (stream == NULL) return heed__fail(HEED_IO, "%s: %s", path, strerror(errno));
  errno = 0;
  *n = fread(*text, 1, (size_t)about.st_size, stream);
  heed_status status = HEED_OK;
  if (ferror(stream)) status = heed__fail(HEED_IO, "%s: cannot be read: %s", path, strerror(errno));
  fclose(stream);
  return status;
}

heed_status heed__json_open(heed__json *file, const char *path) {
  char *text = NULL;
  size_t n = 0, blank = 0;
  *file = (heed__json){.path = path};
  heed_status status = read_text(path, &text, &n);
  while (blank < n && memchr(" \t\r\n", text[blank], 4) != NULL) blank++;
  if (status == HEED_OK) {
    status =
        heed__json_parse(&file->tree, path, "the file", text + blank, n - blank, DEEPEST_SETTING);
  }
  heed__free(text);
  return status;
}

void heed__json_close(heed__json *file) {
  json_decref(file->tree);
  file->tree = NULL;
}

static const char *kind_of(const json_t *value) {
  switch (json_typeof(value)) {
    case JSON_OBJECT:
      return "an object";
    case JSON_ARRAY:
      return "an array";
    case JSON_STRING:
      return "a text";
    case JSON_INTEGER:
      return "a whole number";
    case JSON_REAL:
      return "a fraction";
    case JSON_NULL:
      return "null";
    default:
      return "true or false";
  }
}

static heed_status wrong_type(const heed__json *file, const char *name, const json_t *value,
                              const char *wanted) {
  return heed__fail(HEED_FORMAT, "%s: %s is %s, not %s", file->path, name, kind_of(value), wanted);
}

heed_status heed__json_whole(const heed__json *file, const char *name, int64_t least, int64_t most,
                             int64_t *value) {
  const json_t *at = json_object_get(file->tree, name);
  if (at == NULL) return HEED_OK;
  if (!json_is_integer(at)) return wrong_type(file, name, at, "a whole number");
  int64_t number = json_integer_value(at);
  if (number < least || number > most) {
    return heed__fail(HEED_RANGE, "%s: %s is %lld, not between %lld and %lld", file->path, name,
                      (long long)number, (long long)least, (long long)most);
  }
  *value = number;
  return HEED_OK;
}

heed_status heed__json_number(const heed__json *file, const char *name, double *value) {
  const json_t *at = json_object_get(file->tree, name);
  if (at == NULL) return HEED_OK;
  if (!json_is_number(at)) return wrong_type(file, name, at, "a number");
  *value = json_number_value(at); /* finite, for JSON has no word for what is not */
  return HEED_OK;
}

heed_status heed__json_text(const heed__json *file, const char *name, const char **value) {
  const json_t *at = json_object_get(file->tree, name);
  if (at == NULL) return HEED_OK;
  if (!json_is_string(at)) return wrong_type(file, name, at, "a text");
  *value = json_string_value(at);
  return HEED_OK;
}

heed_status heed__json_flag(const heed__json *file, const char *name, bool *value) {
  const json_t *at = json_object_get(file->tree, name);
  if (at == NULL) return HEED_OK;
  if (!json_is_boolean(at)) return wrong_type(file, name, at, "true or false");
  *value = json_is_true(at);
  return HEED_OK;
}
