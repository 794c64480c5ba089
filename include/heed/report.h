/** @file
 *  Room report: one record of results, shown as text for people or as JSON for programs. */
#ifndef HEED_REPORT_H
#define HEED_REPORT_H

#include <heed/base.h>
#include <stdbool.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An ordered list of named values, lists of records and records. Opaque. */
typedef struct heed_report heed_report;

/** A new, empty record. */
HEED_API HEED_CHECKED heed_status heed_report_new(heed_report **report);

/** Ends a record and all records in it; only for those from heed_report_new(). NULL is fine. */
HEED_API void heed_report_free(heed_report *report);

/** @name Adding
 *  Each adds under `key`; a key that is there is an error. `label` is what the text calls it, with
 *  the unit ("time (ms)"); NULL leaves it to the JSON. A number that is not finite becomes null in
 *  JSON and "-" in the text. Failures are remembered, so that calls need no check of their own:
 *  heed_report_write_text() and heed_report_write_json() return the first.
 *  @{ */
HEED_API void heed_report_text(heed_report *report, const char *key, const char *label,
                               const char *value);
HEED_API void heed_report_integer(heed_report *report, const char *key, const char *label,
                                  int64_t value);
/** @param digits significant digits in the text, where whole ones are never dropped; the JSON has
 *  all */
HEED_API void heed_report_number(heed_report *report, const char *key, const char *label,
                                 double value, int digits);
/** Bytes: the text shows them as KiB, MiB or GiB, the JSON whole. */
HEED_API void heed_report_bytes(heed_report *report, const char *key, const char *label,
                                int64_t value);
/** Seconds: the text shows them as ns, us, ms or s, the JSON as seconds. */
HEED_API void heed_report_seconds(heed_report *report, const char *key, const char *label,
                                  double value);
HEED_API void heed_report_flag(heed_report *report, const char *key, const char *label,
                               bool value);
/** A record within; belongs to `report`. NULL once memory has run out, which every adder takes. */
HEED_API heed_report *heed_report_record(heed_report *report, const char *key, const char *label);
/** A row of the table `key`, an array of records in JSON; belongs to `report`. The columns of the
 *  text are the labels of the first row that has them, in order; a record or a table within a row is
 *  for the JSON alone. */
HEED_API heed_report *heed_report_row(heed_report *report, const char *key, const char *label);
/** @} */

/** Writes the text: values with their labels aligned, tables with aligned columns, numbers to the
 *  right. @return HEED_NOMEM, HEED_IO, or the first failure of an adder */
HEED_API HEED_CHECKED heed_status heed_report_write_text(const heed_report *report, FILE *stream);

/** Writes JSON, keys in the order they were added, to `path` ("-" for standard output); a file is
 *  written beside its target and renamed. @return as heed_report_write_text() */
HEED_API HEED_CHECKED heed_status heed_report_write_json(const heed_report *report,
                                                         const char *path);

/** @name Figures
 *  @{ */

/** One curve, or the bars of one colour. */
typedef struct heed_series {
  const char *label;
  const double *x;      /**< [n]; NULL: 1, 2, 3, ... */
  const double *y;      /**< [n]; what is not finite is left out */
  const double *spread; /**< [n] half height of error bars, or NULL */
  int n;
  bool points;          /**< over x: points alone, not joined by lines */
} heed_series;

/** What a figure says beside its curves. */
typedef struct heed_figure {
  const char *title;
  const char *x_label;
  const char *y_label;
  const char *const *categories; /**< bars: the name under bar i; NULL: curves over x */
  bool log_x, log_y;
  const heed_series *series;
  int n_series;
} heed_figure;

/** Draws an SVG with gnuplot, beside `path`, and renames it.
 *  @return HEED_UNSUPPORTED if there is no gnuplot to run (the message says what to install),
 *  HEED_LIBRARY with what gnuplot said, HEED_IO; whatever stood at `path` is then still there */
HEED_API HEED_CHECKED heed_status heed_figure_write(const heed_figure *figure, const char *path);

/** A graph as it is drawn. */
typedef struct heed_drawing {
  const char *title;             /**< or NULL */
  int64_t n_nodes;
  const double *xy;              /**< [n_nodes, 2] in any unit, y upwards */
  const char *const *labels;     /**< [n_nodes], or NULL: numbers */
  const double *node_weight;     /**< [n_nodes] from 0 to 1: the colour of a node; NULL: all plain */
  int64_t n_edges;
  const int64_t *edges;          /**< [n_edges, 2] */
  const double *edge_weight;     /**< [n_edges] from 0 to 1: the width of an edge; NULL: all thin */
  const int *edge_lines;         /**< [n_edges] lines side by side, 1 to 3 (bond order), 4 for a dashed second; NULL: 1 */
  const char *node_legend;       /**< what colours mean, and what widths mean; or NULL */
  const char *edge_legend;
} heed_drawing;

/** Draws an SVG with Graphviz (neato), beside `path`, and renames it. @return as heed_figure_write() */
HEED_API HEED_CHECKED heed_status heed_drawing_write(const heed_drawing *drawing, const char *path);

/** @} */

/** The libraries this room runs with, such as "Jansson 2.14". */
HEED_API const char *heed_report_library(void);

#ifdef __cplusplus
}
#endif

#endif
