#include "report/report.h"

#include <heed/report.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "config.h"

heed_status heed_report_new(heed_report **report) {
  *report = heed__alloc_zero(1, sizeof **report);
  if (*report == NULL) return HEED_NOMEM;
  (*report)->root = *report;
  return HEED_OK;
}

static void free_record(heed_report *record) {
  if (record == NULL) return;
  for (size_t i = 0; i < record->n_entries; i++) {
    heed__entry *entry = &record->entries[i];
    heed__free(entry->key);
    heed__free(entry->label);
    heed__free(entry->text);
    for (size_t r = 0; r < entry->n_records; r++) free_record(entry->records[r]);
    heed__free(entry->records);
  }
  heed__free(record->entries);
  heed__free(record);
}

void heed_report_free(heed_report *report) { free_record(report); }

/* The first failure stays; it lies in the root so that remembering it needs no memory. */
static void remember(heed_report *report, heed_status status) {
  heed_report *root = report->root;
  if (root->failure != HEED_OK) return;
  root->failure = status;
  snprintf(root->message, sizeof root->message, "%s", heed_message());
}

heed_status heed__report_check(const heed_report *report) {
  const heed_report *root = report->root;
  if (root->failure == HEED_OK) return HEED_OK;
  return heed__fail(root->failure, "%s", root->message);
}

const heed__entry *heed__report_find(const heed_report *report, const char *key) {
  for (size_t i = 0; i < report->n_entries; i++) {
    if (strcmp(report->entries[i].key, key) == 0) return &report->entries[i];
  }
  return NULL;
}

/* Makes room for one more of `size` bytes each: doubles where n has reached a power of two. */
static bool grow(void **items, size_t n, size_t size) {
  if (n > 0 && (n & (n - 1)) != 0) return true;
  void *larger = heed__realloc(*items, n == 0 ? 1 : 2 * n, size);
  if (larger == NULL) return false;
  *items = larger;
  return true;
}

/* A new entry, or NULL after remembering why not. */
static heed__entry *add(heed_report *report, const char *key, const char *label, heed__kind kind) {
  if (report == NULL) return NULL;
  if (heed__report_find(report, key) != NULL) {
    remember(report, heed__fail(HEED_ARGUMENT, "report: the key '%s' is there twice", key));
    return NULL;
  }
  void *entries = report->entries;
  if (!grow(&entries, report->n_entries, sizeof *report->entries)) {
    remember(report, HEED_NOMEM);
    return NULL;
  }
  report->entries = entries;
  heed__entry entry = {.kind = kind, .key = heed__strdup(key)};
  if (label != NULL) entry.label = heed__strdup(label);
  if (entry.key == NULL || (label != NULL && entry.label == NULL)) {
    heed__free(entry.key);
    heed__free(entry.label);
    remember(report, HEED_NOMEM);
    return NULL;
  }
  report->entries[report->n_entries] = entry;
  return &report->entries[report->n_entries++];
}

void heed_report_text(heed_report *report, const char *key, const char *label, const char *value) {
  heed__entry *entry = add(report, key, label, HEED__TEXT);
  if (entry == NULL || value == NULL) return;
  entry->text = heed__strdup(value);
  if (entry->text == NULL) remember(report, HEED_NOMEM);
}

void heed_report_integer(heed_report *report, const char *key, const char *label, int64_t value) {
  heed__entry *entry = add(report, key, label, HEED__INTEGER);
  if (entry != NULL) entry->integer = value;
}

void heed_report_number(heed_report *report, const char *key, const char *label, double value,
                        int digits) {
  heed__entry *entry = add(report, key, label, HEED__NUMBER);
  if (entry == NULL) return;
  entry->number = value;
  entry->digits = digits < 1 ? 1 : digits > 17 ? 17 : digits;
}

void heed_report_bytes(heed_report *report, const char *key, const char *label, int64_t value) {
  heed__entry *entry = add(report, key, label, HEED__BYTES);
  if (entry != NULL) entry->integer = value;
}

void heed_report_seconds(heed_report *report, const char *key, const char *label, double value) {
  heed__entry *entry = add(report, key, label, HEED__SECONDS);
  if (entry != NULL) entry->number = value;
}

void heed_report_flag(heed_report *report, const char *key, const char *label, bool value) {
  heed__entry *entry = add(report, key, label, HEED__FLAG);
  if (entry != NULL) entry->integer = value;
}

/* One more record in an entry, or NULL after remembering why not. */
static heed_report *add_record(heed_report *report, heed__entry *entry) {
  void *records = entry->records;
  bool fits = grow(&records, entry->n_records, sizeof *entry->records);
  heed_report *record = NULL;
  if (fits) {
    entry->records = records;
    record = heed__alloc_zero(1, sizeof *record);
  }
  if (record == NULL) {
    remember(report, HEED_NOMEM);
    return NULL;
  }
  record->root = report->root;
  entry->records[entry->n_records++] = record;
  return record;
}

heed_report *heed_report_record(heed_report *report, const char *key, const char *label) {
  heed__entry *entry = add(report, key, label, HEED__RECORD);
  return entry == NULL ? NULL : add_record(report, entry);
}

heed_report *heed_report_row(heed_report *report, const char *key, const char *label) {
  if (report == NULL) return NULL;
  heed__entry *entry = (heed__entry *)heed__report_find(report, key);
  if (entry == NULL || entry->kind != HEED__TABLE) entry = add(report, key, label, HEED__TABLE);
  return entry == NULL ? NULL : add_record(report, entry);
}

#ifdef HEED_WITHOUT_GNUPLOT
#define FIGURES ", built without gnuplot"
#else
#define FIGURES ", figures by gnuplot"
#endif
#ifdef HEED_WITHOUT_GRAPHVIZ
#define DRAWINGS ", built without Graphviz"
#else
#define DRAWINGS ", drawings by Graphviz"
#endif

const char *heed_report_library(void) { return "Jansson " JANSSON_VERSION FIGURES DRAWINGS; }
