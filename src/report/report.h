/* What a report is made of, for the two writers. */
#ifndef HEED_SRC_REPORT_REPORT_H
#define HEED_SRC_REPORT_REPORT_H

#include <heed/report.h>

typedef enum heed__kind {
  HEED__TEXT,
  HEED__INTEGER,
  HEED__NUMBER,
  HEED__BYTES,
  HEED__SECONDS,
  HEED__FLAG,
  HEED__RECORD,
  HEED__TABLE
} heed__kind;

/* One named value. */
typedef struct heed__entry {
  heed__kind kind;
  char *key;
  char *label;     /* NULL: only in the JSON */
  char *text;      /* TEXT; NULL stands for none */
  int64_t integer; /* INTEGER, BYTES, FLAG */
  double number;   /* NUMBER, SECONDS */
  int digits;
  heed_report **records; /* RECORD: one; TABLE: one a row */
  size_t n_records;
} heed__entry;

struct heed_report {
  heed_report *root; /* the one from heed_report_new() */
  heed__entry *entries;
  size_t n_entries;
  heed_status failure; /* of the root: the first that an adder met */
  char message[512];
};

/* The failure that is remembered, if any. */
heed_status heed__report_check(const heed_report *report);

/* The entry under a key, or NULL. */
const heed__entry *heed__report_find(const heed_report *report, const char *key);

/* Takes the character at *text, which does not end there, and steps over it: `copy` is it, or a blank
 * for one that XML does not allow, or U+FFFD for a byte that is not UTF-8. Returns the bytes of `copy`. */
size_t heed__xml_character(const char **text, char copy[5]);

#endif
