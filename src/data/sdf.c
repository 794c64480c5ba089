/* Files of molecules with properties: MDL's SDF. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "data/collection.h"
#include "data/molecule.h"
#include "graph/lines.h"

typedef struct reader {
  const char *path;
  const heed_collection_options *options;
  heed__strings targets; /* properties */
  heed__strings cells;   /* [rows, targets] */
  const char **values;   /* [targets], of the record at hand, in the text */
  int64_t rows;
} reader;

static bool begins_with(const heed__lines *lines, const char *text) {
  size_t n = strlen(text);
  return (size_t)(lines->stop - lines->at) >= n && memcmp(lines->at, text, n) == 0;
}

/* The target that the header of a property, "> ... <NAME> ...", is of; -1: none. */
static int64_t target_of(const reader *r, const heed__lines *lines) {
  const char *open = memchr(lines->at, '<', (size_t)(lines->stop - lines->at));
  const char *close = lines->stop;
  if (open == NULL) return -1;
  while (close > open && *close != '>') close--;
  if (close == open) close = lines->stop;
  for (int64_t t = 0; t < r->targets.n; t++) {
    const char *name = heed__strings_get(&r->targets, t);
    if (strlen(name) == (size_t)(close - open - 1) &&
        memcmp(name, open + 1, (size_t)(close - open - 1)) == 0) {
      return t;
    }
  }
  return -1;
}

/* What is left is blank. */
static bool is_over(const heed__lines *lines) {
  for (const char *at = lines->next; at < lines->end; at++) {
    if (!heed__is_blank(*at) && *at != '\n' && *at != '\r') return false;
  }
  return true;
}

/* Reads one record up to its "$$$$" or the end of the file: its molfile, and the first lines of the
 * properties that are wanted, all in place. */
static heed_status read_record(reader *r, heed__lines *lines, const char **block) {
  char *end = NULL;
  int64_t target = -1, first_line = lines->number + 1;
  *block = lines->next;
  for (int64_t t = 0; t < r->targets.n; t++) r->values[t] = "";
  while (heed__next_line(lines) && !begins_with(lines, "$$$$")) {
    if (end == NULL) {
      if (begins_with(lines, "M  END")) end = (char *)lines->stop;
    } else if (target >= 0) {
      char *start = (char *)lines->at, *stop = (char *)lines->stop;
      while (stop > start && heed__is_blank(stop[-1])) stop--;
      while (start < stop && heed__is_blank(*start)) start++;
      *stop = '\0'; /* the character behind a line that was read, or in it */
      r->values[target] = start;
      target = -1;
    } else if (lines->at < lines->stop && *lines->at == '>') {
      target = target_of(r, lines);
    }
  }
  if (end == NULL) {
    return heed__fail(HEED_FORMAT, "the record that begins at line %lld has no line 'M  END'",
                      (long long)first_line);
  }
  *end = '\0';
  return HEED_OK;
}

/* Targets that are to be numbers must be. */
static heed_status check_values(const reader *r) {
  if (r->options->kind == HEED_TARGET_CLASS) return HEED_OK;
  for (int64_t t = 0; t < r->targets.n; t++) {
    double number;
    if (r->values[t][0] == '\0' || heed__data_number(r->values[t], strlen(r->values[t]), &number)) {
      continue;
    }
    return heed__fail(HEED_FORMAT, "'%.60s' as property '%s', where a number should be",
                      r->values[t], heed__strings_get(&r->targets, t));
  }
  return HEED_OK;
}

static heed_status add_record(reader *r, heed_collection *c, heed__molecule *m, const char *block) {
  HEED__TRY(check_values(r));
  HEED__TRY(heed__molecule_read(m, block, true));
  const char *smiles = heed__molecule_smiles(m, false);
  if (smiles != NULL) return heed__molecules_add(c, m, smiles, r->rows);
  return heed__fail(HEED_FORMAT, "the molecule has no SMILES string");
}

static heed_status read_records(reader *r, heed_collection *c, heed__molecule *m,
                                const heed__text *text) {
  heed__lines lines = heed__lines_of(text);
  while (!is_over(&lines)) {
    const char *block;
    r->rows++;
    heed_status status = read_record(r, &lines, &block);
    if (status == HEED_OK) status = add_record(r, c, m, block);
    for (int64_t t = 0; t < r->targets.n; t++) {
      if (status == HEED_NOMEM) return status;
      HEED__TRY(heed__strings_add(&r->cells, r->values[t], strlen(r->values[t])));
    }
    if (status == HEED_OK) continue;
    if (status == HEED_NOMEM) return status;
    status = heed__fail(status, "%s: row %lld: %s", r->path, (long long)r->rows, heed_message());
    if (!r->options->skip_bad) return status;
    HEED__TRY(heed__collection_skip(c));
  }
  if (c->graphs > 0) return HEED_OK;
  return heed__fail(HEED_FORMAT, "%s: no molecule that can be read%s%s", r->path,
                    c->skipped > 0 ? "; " : "",
                    c->skipped > 0 ? heed__strings_get(&c->skips, 0) : "");
}

static heed_status put_targets(reader *r, heed_collection *c) {
  int64_t n = r->targets.n, cells = r->cells.n;
  if (n == 0) return HEED_OK;
  for (int64_t t = 0; t < n; t++) {
    bool any = false;
    for (int64_t row = 0; row < r->rows && !any; row++) {
      any = heed__strings_get(&r->cells, row * n + t)[0] != '\0';
    }
    if (any) continue;
    return heed__fail(HEED_ARGUMENT, "%s: no record has a property '%s'", r->path,
                      heed__strings_get(&r->targets, t));
  }
  c->target_names = r->targets;
  memset(&r->targets, 0, sizeof r->targets);
  if (r->options->kind == HEED_TARGET_CLASS) {
    if (n > 1) {
      return heed__fail(HEED_ARGUMENT, "%s: classes come from one property, not from %lld", r->path,
                        (long long)n);
    }
    const char **texts = heed__alloc((size_t)cells, sizeof *texts);
    if (texts == NULL) return HEED_NOMEM;
    for (int64_t i = 0; i < cells; i++) texts[i] = heed__strings_get(&r->cells, i);
    heed_status status = heed__collection_classes(c, r->path, texts);
    heed__free(texts);
    return status;
  }
  double *numbers = heed__alloc((size_t)cells, sizeof *numbers);
  if (numbers == NULL) return HEED_NOMEM;
  for (int64_t i = 0; i < cells; i++) {
    const char *cell = heed__strings_get(&r->cells, i);
    if (!heed__data_number(cell, strlen(cell), &numbers[i])) numbers[i] = NAN;
  }
  heed_status status = heed__collection_numbers(c, r->path, r->options->kind, n, numbers);
  heed__free(numbers);
  return status;
}

static heed_status make(reader *r, heed_collection **collection, const heed__text *text,
                        heed__molecule *m) {
  if (r->options->targets != NULL && r->options->targets[0] != '\0') {
    HEED__TRY(heed__strings_split(&r->targets, r->options->targets));
  }
  const char *zero = memchr(text->bytes, '\0', text->size);
  if (zero != NULL) {
    return heed__fail(HEED_FORMAT, "%s: a byte 0, which no text has, after %lld bytes", r->path,
                      (long long)(zero - text->bytes));
  }
  r->values = heed__alloc((size_t)r->targets.n, sizeof *r->values);
  if (r->values == NULL) return HEED_NOMEM;
  HEED__TRY(heed__molecules_new(collection));
  HEED__TRY(read_records(r, *collection, m, text));
  return put_targets(r, *collection);
}

heed_status heed__collection_read_sdf(heed_collection **collection, const char *path,
                                      const heed_collection_options *options) {
  reader r = {.path = path, .options = options};
  heed__text text;
  heed__molecule m;
  *collection = NULL;
  HEED__TRY(heed__text_read(&text, path));
  heed_status status = heed__molecules_begin(&m);
  if (status == HEED_OK) {
    status = make(&r, collection, &text, &m);
    heed__molecules_end(&m);
  } else {
    status = heed__fail(status, "%s: %s", path, heed_message());
  }
  if (status != HEED_OK) {
    heed_collection_free(*collection);
    *collection = NULL;
  }
  heed__strings_free(&r.targets);
  heed__strings_free(&r.cells);
  heed__free(r.values);
  heed__text_free(&text);
  return status;
}
