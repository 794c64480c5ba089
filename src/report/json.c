/* A report for programs. Jansson writes every key and value, the layout is ours: a row of a table
 * fills one line, and a number has the fewest digits that give it back. */
#include <errno.h>
#include <heed/report.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/status.h"
#include "report/report.h"

/* Bytes of the UTF-8 character at `text`, 0 if it is none. */
static size_t utf8_length(const char *text) {
  const unsigned char *c = (const unsigned char *)text;
  size_t n = c[0] < 0x80   ? 1
             : c[0] < 0xc2 ? 0
             : c[0] < 0xe0 ? 2
             : c[0] < 0xf0 ? 3
             : c[0] < 0xf5 ? 4
                           : 0;
  for (size_t i = 1; i < n; i++) {
    if ((c[i] & 0xc0) != 0x80) return 0;
  }
  bool wrong = (c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] >= 0xa0) ||
               (c[0] == 0xf0 && c[1] < 0x90) || (c[0] == 0xf4 && c[1] >= 0x90);
  return wrong ? 0 : n;
}

size_t heed__xml_character(const char **text, char copy[5]) {
  const char *from = *text;
  size_t n = utf8_length(from);
  unsigned char c = (unsigned char)*from;
  bool noncharacter =
      n == 3 && (memcmp(from, "\xef\xbf\xbe", 3) == 0 || memcmp(from, "\xef\xbf\xbf", 3) == 0);
  *text += n == 0 ? 1 : n;
  if (n == 0) {
    from = "\xef\xbf\xbd";
    n = 3;
  } else if (c <= 0x20 || c == 0x7f || noncharacter) {
    from = " ";
    n = 1;
  }
  memcpy(copy, from, n);
  copy[n] = '\0';
  return n;
}

/* Names of files can be any bytes, JSON is UTF-8: what is not becomes U+FFFD. */
static json_t *string_value(const char *text) {
  static const char replacement[] = "\xef\xbf\xbd";
  size_t length = strlen(text);
  char *clean = heed__alloc(length + 1, 3);
  if (clean == NULL) return NULL;
  size_t at = 0;
  while (*text != '\0') {
    size_t n = utf8_length(text);
    memcpy(clean + at, n == 0 ? replacement : text, n == 0 ? 3 : n);
    at += n == 0 ? 3 : n;
    text += n == 0 ? 1 : n;
  }
  json_t *value = json_stringn(clean, at);
  heed__free(clean);
  return value;
}

static heed_status put_value(json_t *value, size_t flags, FILE *stream) {
  if (value == NULL) return heed__fail(HEED_NOMEM, "out of memory for a value of the report");
  errno = 0;
  int failed = json_dumpf(value, stream, JSON_ENCODE_ANY | flags);
  json_decref(value);
  if (!failed) return HEED_OK;
  if (ferror(stream)) {
    return heed__fail(HEED_IO, "the report cannot be written: %s", strerror(errno));
  }
  return heed__fail(HEED_NOMEM, "out of memory for a value of the report");
}

static heed_status put_number(double number, FILE *stream) {
  if (!isfinite(number)) return put_value(json_null(), 0, stream);
  char digits[40];
  int precision = 1;
  for (; precision < 17; precision++) {
    snprintf(digits, sizeof digits, "%.*g", precision, number);
    if (strtod(digits, NULL) == number) break;
  }
  return put_value(json_real(number), JSON_REAL_PRECISION(precision), stream);
}

/* A new line, or one blank within a line. */
static void put_break(int indent, FILE *stream) {
  if (indent >= 0) fprintf(stream, "\n%*s", indent, "");
}

static heed_status put_record(const heed_report *record, int indent, FILE *stream);

static heed_status put_table(const heed__entry *table, int indent, FILE *stream) {
  fputc('[', stream);
  for (size_t r = 0; r < table->n_records; r++) {
    if (r > 0) fputs(indent < 0 ? ", " : ",", stream);
    put_break(indent < 0 ? -1 : indent + 2, stream);
    HEED__TRY(put_record(table->records[r], -1, stream));
  }
  if (table->n_records > 0) put_break(indent, stream);
  fputc(']', stream);
  return HEED_OK;
}

static heed_status put_entry(const heed__entry *entry, int indent, FILE *stream) {
  switch (entry->kind) {
    case HEED__TEXT:
      return put_value(entry->text == NULL ? json_null() : string_value(entry->text), 0, stream);
    case HEED__INTEGER:
    case HEED__BYTES:
      return put_value(json_integer(entry->integer), 0, stream);
    case HEED__NUMBER:
    case HEED__SECONDS:
      return put_number(entry->number, stream);
    case HEED__FLAG:
      return put_value(json_boolean(entry->integer), 0, stream);
    case HEED__RECORD:
      return put_record(entry->records[0], indent, stream);
    case HEED__TABLE:
      break;
  }
  return put_table(entry, indent, stream);
}

/* A negative indent keeps all of it on one line. */
static heed_status put_record(const heed_report *record, int indent, FILE *stream) {
  int inner = indent < 0 ? -1 : indent + 2;
  fputc('{', stream);
  for (size_t i = 0; i < record->n_entries; i++) {
    const heed__entry *entry = &record->entries[i];
    if (i > 0) fputs(inner < 0 ? ", " : ",", stream);
    put_break(inner, stream);
    HEED__TRY(put_value(string_value(entry->key), 0, stream));
    fputs(": ", stream);
    HEED__TRY(put_entry(entry, inner, stream));
  }
  if (record->n_entries > 0) put_break(indent, stream);
  fputc('}', stream);
  return HEED_OK;
}

heed_status heed_report_write_json(const heed_report *report, const char *path) {
  HEED__TRY(heed__report_check(report));
  if (strcmp(path, "-") == 0) {
    HEED__TRY(put_record(report, 0, stdout));
    errno = 0;
    if (fputc('\n', stdout) == EOF || fflush(stdout) != 0 || ferror(stdout)) {
      return heed__fail(HEED_IO, "standard output cannot be written: %s", strerror(errno));
    }
    return HEED_OK;
  }
  heed__file file;
  HEED__TRY(heed__file_begin(&file, path));
  heed_status status = put_record(report, 0, file.stream);
  if (status != HEED_OK) {
    heed__file_abandon(&file);
    return status;
  }
  fputc('\n', file.stream);
  return heed__file_commit(&file);
}
