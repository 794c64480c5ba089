/* Tables of molecules: comma-separated values with a header (RFC 4180). */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/status.h"
#include "data/collection.h"
#include "data/molecule.h"
#include "data/molecules.h"
#include "graph/text.h"

enum { MOST_COLUMNS = 1 << 16 };

typedef struct reader {
  const char *path;
  const heed_collection_options *options;
  char *at, *end;     /* what is left of the file */
  const char **head;  /* [columns] */
  const char **cells; /* [rows, columns], each row with all its cells */
  char **wrong;       /* [rows]: what is wrong with a row, or NULL */
  size_t room_head, room_cells, room_wrong;
  int64_t rows, columns;
  int64_t smiles;   /* its column */
  int64_t *targets; /* [n_targets] columns */
  size_t room_targets;
  int64_t n_targets;
  double *numbers; /* [rows, n_targets] */
} reader;

static bool is_end(const reader *r) { return r->at == r->end || *r->at == '\n' || *r->at == '\r'; }

/* Takes the cell that begins here, in place: without its quotes and its outer blanks. `*last` gets
 * whether the row ends behind it. */
static heed_status take_cell(reader *r, int64_t row, char **cell, bool *last) {
  char *start = r->at, *to;
  while (r->at < r->end && (*r->at == ' ' || *r->at == '\t')) r->at++;
  if (r->at < r->end && *r->at == '"') {
    start = to = ++r->at;
    for (;; r->at++) {
      if (r->at == r->end) {
        return heed__fail(HEED_FORMAT, "%s: row %lld: a quotation mark is not closed", r->path,
                          (long long)row);
      }
      if (*r->at == '"') {
        if (r->at + 1 == r->end || r->at[1] != '"') break;
        r->at++;
      }
      *to++ = *r->at;
    }
    r->at++;
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t')) r->at++;
    if (!is_end(r) && *r->at != ',') {
      return heed__fail(HEED_FORMAT,
                        "%s: row %lld: '%c' behind a quotation mark that closes a cell", r->path,
                        (long long)row, *r->at);
    }
  } else {
    while (!is_end(r) && *r->at != ',') r->at++;
    to = r->at;
  }
  *last = is_end(r);
  if (*last && r->at < r->end)
    r->at += r->at[0] == '\r' && r->at + 1 < r->end && r->at[1] == '\n' ? 2 : 1;
  else if (!*last)
    r->at++;
  while (start < to && (*start == ' ' || *start == '\t')) start++;
  while (to > start && (to[-1] == ' ' || to[-1] == '\t' || to[-1] == '\r' || to[-1] == '\n')) to--;
  *to = '\0';
  *cell = start;
  return HEED_OK;
}

static heed_status read_head(reader *r) {
  for (bool last = false; !last; r->columns++) {
    const char **head = heed__grown(r->head, &r->room_head, (size_t)r->columns + 1, sizeof *head);
    if (head == NULL) return HEED_NOMEM;
    r->head = head;
    char *cell;
    HEED__TRY(take_cell(r, 0, &cell, &last));
    if (r->columns == MOST_COLUMNS) {
      return heed__fail(HEED_RANGE, "%s: more than %d columns", r->path, MOST_COLUMNS);
    }
    head[r->columns] = cell;
  }
  return HEED_OK;
}

static heed_status read_row(reader *r) {
  size_t need = (size_t)((r->rows + 1) * r->columns);
  const char **cells = heed__grown(r->cells, &r->room_cells, need, sizeof *cells);
  if (cells == NULL) return HEED_NOMEM;
  r->cells = cells;
  char **wrong = heed__grown(r->wrong, &r->room_wrong, (size_t)r->rows + 1, sizeof *wrong);
  if (wrong == NULL) return HEED_NOMEM;
  r->wrong = wrong;
  int64_t n = 0, row = r->rows;
  cells += row * r->columns;
  wrong[row] = NULL;
  for (bool last = false; !last; n++) {
    char *cell;
    HEED__TRY(take_cell(r, row + 1, &cell, &last));
    if (n < r->columns) cells[n] = cell;
  }
  for (int64_t i = n; i < r->columns; i++) cells[i] = "";
  r->rows++;
  if (n == r->columns) return HEED_OK;
  heed_status status = heed__fail(HEED_FORMAT, "%s: row %lld: %lld cells, the header has %lld",
                                  r->path, (long long)row + 1, (long long)n, (long long)r->columns);
  if (!r->options->skip_bad) return status;
  wrong[row] = heed__strdup(heed_message());
  return wrong[row] == NULL ? HEED_NOMEM : HEED_OK;
}

static heed_status read_table(reader *r, const heed__text *text) {
  r->at = text->bytes;
  r->end = text->bytes + text->size;
  const char *zero = memchr(text->bytes, '\0', text->size);
  if (zero != NULL) {
    int64_t row = 0;
    for (const char *at = text->bytes; at < zero; at++) row += *at == '\n';
    return heed__fail(HEED_FORMAT, "%s: row %lld: a byte 0, which no text has", r->path,
                      (long long)row);
  }
  if (text->size >= 3 && memcmp(text->bytes, "\xEF\xBB\xBF", 3) == 0) r->at += 3;
  HEED__TRY(read_head(r));
  while (r->at < r->end) {
    if (is_end(r)) { /* an empty line */
      r->at++;
      continue;
    }
    HEED__TRY(read_row(r));
  }
  if (r->rows == 0) return heed__fail(HEED_FORMAT, "%s: a header and no row", r->path);
  return HEED_OK;
}

/* The names of all columns, for a message. */
static void list_columns(const reader *r, char *text, size_t size) {
  size_t at = 0;
  text[0] = '\0';
  for (int64_t i = 0; i < r->columns && at < size; i++) {
    at += (size_t)snprintf(text + at, size - at, "%s%s", i > 0 ? ", " : "", r->head[i]);
  }
}

/* The only column of that name. */
static heed_status find_column(const reader *r, const char *name, size_t length, bool any_case,
                               int64_t *column) {
  char columns[600];
  *column = -1;
  for (int64_t i = 0; i < r->columns; i++) {
    if (strlen(r->head[i]) != length || (any_case ? strncasecmp(r->head[i], name, length)
                                                  : strncmp(r->head[i], name, length)) != 0) {
      continue;
    }
    if (*column >= 0) {
      return heed__fail(HEED_FORMAT, "%s: columns %lld and %lld are both called '%s'", r->path,
                        (long long)*column + 1, (long long)i + 1, r->head[i]);
    }
    *column = i;
  }
  if (*column >= 0) return HEED_OK;
  list_columns(r, columns, sizeof columns);
  return heed__fail(HEED_ARGUMENT, "%s: no column '%.*s'; there are %s", r->path,
                    length > 200 ? 200 : (int)length, name, columns);
}

static heed_status add_target(reader *r, int64_t column) {
  int64_t *targets =
      heed__grown(r->targets, &r->room_targets, (size_t)r->n_targets + 1, sizeof *targets);
  if (targets == NULL) return HEED_NOMEM;
  r->targets = targets;
  for (int64_t t = 0; t < r->n_targets; t++) {
    if (targets[t] != column) continue;
    return heed__fail(HEED_ARGUMENT, "%s: column '%s' is a target twice", r->path, r->head[column]);
  }
  targets[r->n_targets++] = column;
  return HEED_OK;
}

/* Columns by their names, which commas separate and which may have commas themselves: the longest
 * that fits. */
static heed_status name_targets(reader *r) {
  for (const char *at = r->options->targets;; at++) {
    while (*at == ' ') at++;
    size_t length = 0;
    for (int64_t i = 0; i < r->columns; i++) {
      size_t n = strlen(r->head[i]), behind = n;
      if (n <= length || strncmp(at, r->head[i], n) != 0) continue;
      while (at[behind] == ' ') behind++;
      if (at[behind] == ',' || at[behind] == '\0') length = n;
    }
    if (length == 0) length = strcspn(at, ",");
    int64_t column;
    HEED__TRY(find_column(r, at, length, false, &column));
    HEED__TRY(add_target(r, column));
    at += length;
    while (*at == ' ') at++;
    if (*at == '\0') return HEED_OK;
  }
}

/* Every column whose cells are all numbers or blank, but not all blank. */
static heed_status find_targets(reader *r) {
  for (int64_t i = 0; i < r->columns; i++) {
    bool any = false, all = i != r->smiles;
    for (int64_t row = 0; row < r->rows && all; row++) {
      const char *cell = r->cells[row * r->columns + i];
      double number;
      if (cell[0] == '\0' || r->wrong[row] != NULL) continue;
      any = true;
      all = heed__data_number(cell, strlen(cell), &number);
    }
    if (any && all) HEED__TRY(add_target(r, i));
  }
  return HEED_OK;
}

/* Keeps what is wrong with a row, or fails where that is not allowed. */
static heed_status bad_row(const reader *r, int64_t row, heed_status status) {
  if (!r->options->skip_bad || status == HEED_NOMEM) return status;
  if (r->wrong[row] == NULL) r->wrong[row] = heed__strdup(heed_message());
  return r->wrong[row] == NULL ? HEED_NOMEM : HEED_OK;
}

static heed_status read_numbers(reader *r) {
  size_t n;
  if (!heed__multiply((size_t)r->rows, (size_t)r->n_targets, &n)) n = SIZE_MAX;
  r->numbers = heed__alloc(n, sizeof *r->numbers);
  if (r->numbers == NULL) return HEED_NOMEM;
  for (int64_t row = 0; row < r->rows; row++) {
    for (int64_t t = 0; t < r->n_targets; t++) {
      const char *cell = r->cells[row * r->columns + r->targets[t]];
      double *number = &r->numbers[row * r->n_targets + t];
      *number = NAN;
      if (cell[0] == '\0' || heed__data_number(cell, strlen(cell), number)) continue;
      heed_status status =
          heed__fail(HEED_FORMAT, "%s: row %lld: '%.60s' in column '%s', where a number should be",
                     r->path, (long long)row + 1, cell, r->head[r->targets[t]]);
      HEED__TRY(bad_row(r, row, status));
    }
  }
  return HEED_OK;
}

static heed_status read_molecules(reader *r, heed_collection *c, heed__molecule *m) {
  for (int64_t row = 0; row < r->rows; row++) {
    const char *smiles = r->cells[row * r->columns + r->smiles];
    heed_status status = r->wrong[row] == NULL ? heed__molecule_read(m, smiles, false) : HEED_OK;
    if (status != HEED_OK && status != HEED_NOMEM) {
      status = heed__fail(status, "%s: row %lld: %s%s%.200s%s", r->path, (long long)row + 1,
                          heed_message(), smiles[0] == '\0' ? "" : ": '", smiles,
                          smiles[0] == '\0' ? "" : "'");
    }
    if (status != HEED_OK) HEED__TRY(bad_row(r, row, status));
    if (r->wrong[row] == NULL) {
      HEED__TRY(heed__molecules_add(c, m, smiles, row + 1));
    } else {
      (void)heed__fail(HEED_FORMAT, "%s", r->wrong[row]);
      HEED__TRY(heed__collection_skip(c));
    }
  }
  if (c->graphs > 0) return HEED_OK;
  return heed__fail(HEED_FORMAT, "%s: no molecule that can be read; %s", r->path,
                    heed__strings_get(&c->skips, 0));
}

static heed_status put_targets(reader *r, heed_collection *c) {
  heed_target_kind kind = r->options->kind;
  for (int64_t t = 0; t < r->n_targets; t++) {
    const char *name = r->head[r->targets[t]];
    HEED__TRY(heed__strings_add(&c->target_names, name, strlen(name)));
  }
  if (kind != HEED_TARGET_CLASS || r->n_targets != 1) {
    return heed__collection_numbers(c, r->path, kind, r->n_targets, r->numbers);
  }
  const char **texts = heed__alloc((size_t)r->rows, sizeof *texts);
  if (texts == NULL) return HEED_NOMEM;
  for (int64_t row = 0; row < r->rows; row++)
    texts[row] = r->cells[row * r->columns + r->targets[0]];
  heed_status status = heed__collection_classes(c, r->path, texts);
  heed__free(texts);
  return status;
}

static heed_status make(reader *r, heed_collection **collection, const heed__text *text,
                        heed__molecule *m) {
  const heed_collection_options *o = r->options;
  HEED__TRY(read_table(r, text));
  const char *name = o->smiles != NULL ? o->smiles : "smiles";
  HEED__TRY(find_column(r, name, strlen(name), o->smiles == NULL, &r->smiles));
  HEED__TRY(o->targets == NULL      ? find_targets(r)
            : o->targets[0] != '\0' ? name_targets(r)
                                     : HEED_OK);
  bool texts = o->kind == HEED_TARGET_CLASS && r->n_targets == 1;
  if (!texts) HEED__TRY(read_numbers(r));
  HEED__TRY(heed__molecules_new(collection));
  HEED__TRY(read_molecules(r, *collection, m));
  return put_targets(r, *collection);
}

static heed_status read_text(heed_collection **collection, const char *path, heed__text *text,
                             const heed_collection_options *options) {
  reader r = {.path = path, .options = options};
  heed__molecule m;
  *collection = NULL;
  heed_status status = heed__molecules_begin(&m);
  if (status == HEED_OK) {
    status = make(&r, collection, text, &m);
    heed__molecules_end(&m);
  } else {
    status = heed__fail(status, "%s: %s", path, heed_message());
  }
  if (status != HEED_OK) {
    heed_collection_free(*collection);
    *collection = NULL;
  }
  for (int64_t row = 0; row < r.rows; row++) heed__free(r.wrong[row]);
  heed__free(r.head);
  heed__free(r.cells);
  heed__free(r.wrong);
  heed__free(r.targets);
  heed__free(r.numbers);
  return status;
}

heed_status heed__collection_read_csv(heed_collection **collection, const char *path,
                                      const heed_collection_options *options) {
  heed__text text;
  HEED__TRY(heed__text_read(&text, path));
  heed_status status = read_text(collection, path, &text, options);
  heed__text_free(&text);
  return status;
}

heed_status heed__collection_read_builtin(heed_collection **collection,
                                          const heed_collection_options *options) {
  heed__text text;
  const char *bytes = heed__molecules_csv(&text.size);
  text.bytes = heed__alloc(text.size + 1, 1);
  if (text.bytes == NULL) return HEED_NOMEM;
  memcpy(text.bytes, bytes, text.size + 1);
  heed_status status = read_text(collection, "molecules", &text, options);
  heed__text_free(&text);
  return status;
}
