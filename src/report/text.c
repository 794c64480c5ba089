/* A report for people. */
#include <errno.h>
#include <heed/report.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "report/report.h"

enum { CELL_BYTES = 400, INDENT = 2, GAP = 2 };

/* A line in the making: blanks are held back until something follows them. */
typedef struct line {
  FILE *stream;
  int blanks;
} line;

static void put_blanks(line *out, int n) {
  if (n > 0) out->blanks += n;
}

/* Control characters would break the layout, or worse, steer the terminal. */
static void put(line *out, const char *text) {
  for (; *text != '\0'; text++) {
    unsigned char c = (unsigned char)*text;
    if (c == ' ') {
      out->blanks++;
      continue;
    }
    for (; out->blanks > 0; out->blanks--) fputc(' ', out->stream);
    fputc(c < 0x20 || c == 0x7f ? '?' : c, out->stream);
  }
}

static void end_line(line *out) {
  out->blanks = 0;
  fputc('\n', out->stream);
}

/* Characters, not bytes, of UTF-8. */
static int width_of(const char *text) {
  int width = 0;
  for (; *text != '\0'; text++) width += ((unsigned char)*text & 0xc0) != 0x80;
  return width;
}

/* `digits` significant digits, without an exponent where a reader would not want one; digits
 * before the point are never dropped. */
static void format_number(char *cell, double value, int digits) {
  if (!isfinite(value)) {
    strcpy(cell, "-");
    return;
  }
  if (value == 0) {
    strcpy(cell, "0");
    return;
  }
  snprintf(cell, CELL_BYTES, "%.*e", digits - 1, value);
  int exponent = atoi(strchr(cell, 'e') + 1);
  if (exponent < -5 || exponent >= 15) return;
  snprintf(cell, CELL_BYTES, "%.*f", exponent < digits ? digits - 1 - exponent : 0, value);
}

static void format_unit(char *cell, double value, const char *unit) {
  format_number(cell, value, 3);
  if (isfinite(value)) snprintf(cell + strlen(cell), 8, " %s", unit);
}

static void format_bytes(char *cell, int64_t bytes) {
  static const char *const units[] = {"KiB", "MiB", "GiB"};
  double value = (double)bytes;
  if (fabs(value) < 1024) {
    snprintf(cell, CELL_BYTES, "%d B", (int)bytes);
    return;
  }
  int unit = 0;
  for (value /= 1024; fabs(value) >= 1024 && unit < 2; unit++) value /= 1024;
  format_unit(cell, value, units[unit]);
}

static void format_seconds(char *cell, double seconds) {
  static const char *const units[] = {"s", "ms", "us", "ns"};
  int unit = 0;
  for (; seconds != 0 && fabs(seconds) < 1 && unit < 3; unit++) seconds *= 1000;
  format_unit(cell, seconds, units[unit]);
}

/* What an entry shows; points into `cell` or the entry. */
static const char *shown(const heed__entry *entry, char *cell) {
  switch (entry->kind) {
    case HEED__TEXT:
      return entry->text == NULL ? "-" : entry->text;
    case HEED__INTEGER:
      snprintf(cell, CELL_BYTES, "%lld", (long long)entry->integer);
      break;
    case HEED__NUMBER:
      format_number(cell, entry->number, entry->digits);
      break;
    case HEED__BYTES:
      format_bytes(cell, entry->integer);
      break;
    case HEED__SECONDS:
      format_seconds(cell, entry->number);
      break;
    case HEED__FLAG:
      return entry->integer ? "yes" : "no";
    case HEED__RECORD:
    case HEED__TABLE:
      return "";
  }
  return cell;
}

static bool is_value(const heed__entry *entry) {
  return entry->kind != HEED__RECORD && entry->kind != HEED__TABLE;
}

/* Whether the text shows anything of it. */
static bool is_shown(const heed__entry *entry) {
  if (entry->label == NULL || is_value(entry)) return entry->label != NULL;
  for (size_t r = 0; r < entry->n_records; r++) {
    const heed_report *record = entry->records[r];
    for (size_t i = 0; i < record->n_entries; i++) {
      const heed__entry *inner = &record->entries[i];
      if (is_shown(inner) && (entry->kind == HEED__RECORD || is_value(inner))) return true;
    }
  }
  return false;
}

/* Where the values of a record and the records in it start. */
static int value_column(const heed_report *record, int indent) {
  int column = 0;
  for (size_t i = 0; i < record->n_entries; i++) {
    const heed__entry *entry = &record->entries[i];
    int end = 0;
    if (is_shown(entry) && is_value(entry)) end = indent + width_of(entry->label) + GAP;
    if (is_shown(entry) && entry->kind == HEED__RECORD) {
      end = value_column(entry->records[0], indent + INDENT);
    }
    if (end > column) column = end;
  }
  return column;
}

typedef struct column {
  const heed__entry *first; /* the first that has a label; gives the key too */
  int width;
  bool left; /* it holds words */
} column;

static bool is_word(const heed__entry *entry) {
  return entry->kind == HEED__FLAG || (entry->kind == HEED__TEXT && entry->text != NULL);
}

static size_t find_columns(const heed__entry *table, column *columns) {
  char cell[CELL_BYTES];
  size_t n = 0;
  for (size_t r = 0; r < table->n_records; r++) {
    const heed_report *row = table->records[r];
    for (size_t i = 0; i < row->n_entries; i++) {
      const heed__entry *entry = &row->entries[i];
      if (!is_value(entry)) continue;
      size_t c = 0;
      while (c < n && strcmp(columns[c].first->key, entry->key) != 0) c++;
      if (c == n && entry->label == NULL) continue;
      if (c == n) columns[n++] = (column){.first = entry, .width = width_of(entry->label)};
    }
  }
  for (size_t c = 0; c < n; c++) {
    for (size_t r = 0; r < table->n_records; r++) {
      const heed__entry *entry = heed__report_find(table->records[r], columns[c].first->key);
      if (entry == NULL) continue;
      int width = width_of(shown(entry, cell));
      if (width > columns[c].width) columns[c].width = width;
      if (is_word(entry)) columns[c].left = true;
    }
  }
  return n;
}

static void put_cell(line *out, const column *of, const char *text, bool first) {
  int rest = of->width - width_of(text);
  put_blanks(out, first ? 0 : GAP);
  if (!of->left) put_blanks(out, rest);
  put(out, text);
  if (of->left) put_blanks(out, rest);
}

static heed_status put_table(line *out, const heed__entry *table, int indent) {
  size_t most = 0;
  for (size_t r = 0; r < table->n_records; r++) most += table->records[r]->n_entries;
  column *columns = heed__alloc(most, sizeof *columns);
  if (columns == NULL) return HEED_NOMEM;
  size_t n = find_columns(table, columns);
  put_blanks(out, indent);
  for (size_t c = 0; c < n; c++) put_cell(out, &columns[c], columns[c].first->label, c == 0);
  end_line(out);
  for (size_t r = 0; r < table->n_records; r++) {
    put_blanks(out, indent);
    for (size_t c = 0; c < n; c++) {
      char cell[CELL_BYTES];
      const heed__entry *entry = heed__report_find(table->records[r], columns[c].first->key);
      put_cell(out, &columns[c], entry == NULL ? "" : shown(entry, cell), c == 0);
    }
    end_line(out);
  }
  heed__free(columns);
  return HEED_OK;
}

/* Parts with a heading stand apart by a blank line; `*written` says whether something is above. */
static heed_status put_record(line *out, const heed_report *record, int indent, int values,
                              bool *written) {
  bool apart = false;
  for (size_t i = 0; i < record->n_entries; i++) {
    const heed__entry *entry = &record->entries[i];
    if (!is_shown(entry)) continue;
    if (*written && (apart || !is_value(entry))) end_line(out);
    apart = !is_value(entry);
    *written = true;
    put_blanks(out, indent);
    put(out, entry->label);
    if (is_value(entry)) {
      char cell[CELL_BYTES];
      put_blanks(out, values - indent - width_of(entry->label));
      put(out, shown(entry, cell));
    }
    end_line(out);
    if (entry->kind == HEED__TABLE) HEED__TRY(put_table(out, entry, indent + INDENT));
    if (entry->kind == HEED__RECORD) {
      bool heading = false; /* no blank line right below it */
      HEED__TRY(put_record(out, entry->records[0], indent + INDENT, values, &heading));
    }
  }
  return HEED_OK;
}

heed_status heed_report_write_text(const heed_report *report, FILE *stream) {
  HEED__TRY(heed__report_check(report));
  line out = {.stream = stream};
  bool written = false;
  errno = 0;
  HEED__TRY(put_record(&out, report, 0, value_column(report, 0), &written));
  if (fflush(stream) != 0 || ferror(stream)) {
    return heed__fail(HEED_IO, "the report cannot be written: %s", strerror(errno));
  }
  return HEED_OK;
}
