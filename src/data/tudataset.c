/* Folders of text files as TUDataset has them (Morris et al. 2020). */
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/status.h"
#include "data/collection.h"
#include "graph/lines.h"

/* Distinct labels that become columns. */
enum { MOST_LABELS = 4096, PATH_BYTES = 4096 };

/* Numbers of a file, a row a line; no rows: there is no such file. */
typedef struct table {
  char path[PATH_BYTES];
  double *cells;
  int64_t rows, cols;
} table;

/* One column of labels: its distinct values, ascending, which become columns. */
typedef struct labels {
  double *values;
  int64_t n;
} labels;

typedef struct reader {
  const char *folder;
  const heed_collection_options *options;
  char prefix[PATH_BYTES]; /* folder and name, to which "_A.txt" is added */
  table graph, pairs, graph_labels, graph_x, node_labels, node_x, edge_labels, edge_x;
  int64_t graphs;
  int64_t *graph_ptr; /* [graphs + 1] nodes in the order of their graphs */
  int64_t *place;     /* [nodes]: of the node of a line */
  int64_t *lines;     /* [n_edges, 2]: the line of each edge, sorted by its ends, smaller first */
  int64_t n_edges;
} reader;

/* Folder and name: that of the folder, else that of the one file that ends in "_A.txt". */
static heed_status find_prefix(reader *r) {
  char probe[PATH_BYTES + 16];
  size_t length = strlen(r->folder);
  while (length > 1 && r->folder[length - 1] == '/') length--;
  if (2 * length + 300 > PATH_BYTES) return heed__fail(HEED_IO, "%s: too long a name", r->folder);
  const char *base = r->folder + length;
  while (base > r->folder && base[-1] != '/') base--;
  snprintf(r->prefix, sizeof r->prefix, "%.*s/%.*s", (int)length, r->folder,
           (int)(r->folder + length - base), base);
  snprintf(probe, sizeof probe, "%s_A.txt", r->prefix);
  if (access(probe, F_OK) == 0) return HEED_OK;
  DIR *listing = opendir(r->folder);
  if (listing == NULL) {
    return heed__fail(HEED_IO, "%s: cannot be read: %s", r->folder, strerror(errno));
  }
  int found = 0;
  for (struct dirent *entry; (entry = readdir(listing)) != NULL;) {
    size_t n = strlen(entry->d_name);
    if (n < 6 || n > 255 || strcmp(entry->d_name + n - 6, "_A.txt") != 0) continue;
    snprintf(r->prefix, sizeof r->prefix, "%.*s/%.*s", (int)length, r->folder, (int)n - 6,
             entry->d_name);
    found++;
  }
  closedir(listing);
  if (found == 1) return HEED_OK;
  return heed__fail(
      HEED_FORMAT, "%s: %s in the folder", r->folder,
      found == 0 ? "no file whose name ends in _A.txt" : "several files whose names end in _A.txt");
}

/* One cell; the comma behind it is passed over. */
static heed_status read_cell(table *t, heed__lines *lines, bool whole, double *cell) {
  while (lines->at < lines->stop && heed__is_blank(*lines->at)) lines->at++;
  const char *start = lines->at;
  while (lines->at < lines->stop && *lines->at != ',') lines->at++;
  const char *end = lines->at;
  while (end > start && heed__is_blank(end[-1])) end--;
  if (lines->at < lines->stop) lines->at++;
  if (heed__data_number(start, (size_t)(end - start), cell) && isfinite(*cell) &&
      fabs(*cell) < 1e18 && (!whole || *cell == floor(*cell))) {
    return HEED_OK;
  }
  return heed__fail(HEED_FORMAT, "%s: row %lld: '%.*s' where a %s should be", t->path,
                    (long long)lines->number, end - start > 60 ? 60 : (int)(end - start), start,
                    whole ? "whole number" : "number");
}

static heed_status read_rows(table *t, const heed__text *text, bool whole) {
  size_t room = 0;
  heed__lines lines = heed__lines_of(text);
  while (heed__next_line(&lines)) {
    const char *at = lines.at;
    while (at < lines.stop && heed__is_blank(*at)) at++;
    if (at == lines.stop) continue;
    if (lines.number != t->rows + 1) {
      return heed__fail(HEED_FORMAT, "%s: row %lld is empty", t->path, (long long)t->rows + 1);
    }
    int64_t cols = 1;
    for (at = lines.at; at < lines.stop; at++) cols += *at == ',';
    if (t->rows == 0) t->cols = cols;
    if (cols != t->cols) {
      return heed__fail(HEED_SHAPE, "%s: row %lld has %lld numbers, row 1 has %lld", t->path,
                        (long long)lines.number, (long long)cols, (long long)t->cols);
    }
    size_t n = (size_t)(t->rows * cols);
    double *cells = heed__grown(t->cells, &room, n + (size_t)cols, sizeof *cells);
    if (cells == NULL) return HEED_NOMEM;
    t->cells = cells;
    for (int64_t i = 0; i < cols; i++)
      HEED__TRY(read_cell(t, &lines, whole, &cells[n + (size_t)i]));
    t->rows++;
  }
  return t->rows > 0 ? HEED_OK : heed__fail(HEED_FORMAT, "%s: there is nothing in it", t->path);
}

/* @param rows how many there should be, as many as `other` has; NULL: any number
 * @param cols how many there should be; 0: any number */
static heed_status read_table(reader *r, table *t, const char *name, bool needed, bool whole,
                              const table *other, int64_t cols) {
  snprintf(t->path, sizeof t->path, "%.*s_%s.txt", PATH_BYTES - 64, r->prefix, name);
  if (!needed && access(t->path, F_OK) != 0 && errno == ENOENT) return HEED_OK;
  heed__text text;
  HEED__TRY(heed__text_read(&text, t->path));
  heed_status status = read_rows(t, &text, whole);
  heed__text_free(&text);
  HEED__TRY(status);
  if (cols != 0 && t->cols != cols) {
    return heed__fail(HEED_SHAPE, "%s: row 1 has %lld numbers, not %lld", t->path,
                      (long long)t->cols, (long long)cols);
  }
  if (other != NULL && t->rows != other->rows) {
    return heed__fail(HEED_SHAPE, "%s has %lld rows, %s has %lld", t->path, (long long)t->rows,
                      other->path, (long long)other->rows);
  }
  return HEED_OK;
}

static heed_status read_tables(reader *r) {
  HEED__TRY(read_table(r, &r->graph_labels, "graph_labels", false, true, NULL, 0));
  bool labelled = r->graph_labels.rows > 0;
  HEED__TRY(read_table(r, &r->graph_x, "graph_attributes", !labelled, false,
                       labelled ? &r->graph_labels : NULL, 0));
  r->graphs = labelled ? r->graph_labels.rows : r->graph_x.rows;
  HEED__TRY(read_table(r, &r->graph, "graph_indicator", true, true, NULL, 1));
  HEED__TRY(read_table(r, &r->pairs, "A", true, true, NULL, 2));
  HEED__TRY(read_table(r, &r->node_labels, "node_labels", false, true, &r->graph, 0));
  HEED__TRY(read_table(r, &r->node_x, "node_attributes", false, false, &r->graph, 0));
  HEED__TRY(read_table(r, &r->edge_labels, "edge_labels", false, true, &r->pairs, 0));
  HEED__TRY(read_table(r, &r->edge_x, "edge_attributes", false, false, &r->pairs, 0));
  if (r->graph.rows > INT32_MAX || r->pairs.rows > INT32_MAX) {
    return heed__fail(HEED_RANGE, "%s: %lld nodes, %lld pairs; %d is the most", r->folder,
                      (long long)r->graph.rows, (long long)r->pairs.rows, INT32_MAX);
  }
  return HEED_OK;
}

/* Numbers nodes in the order of their graphs, and in theirs within a graph. */
static heed_status place_nodes(reader *r) {
  r->graph_ptr = heed__alloc_zero((size_t)r->graphs + 2, sizeof *r->graph_ptr);
  r->place = heed__alloc((size_t)r->graph.rows, sizeof *r->place);
  if (r->graph_ptr == NULL || r->place == NULL) return HEED_NOMEM;
  for (int64_t i = 0; i < r->graph.rows; i++) {
    double g = r->graph.cells[i];
    if (g < 1 || g > (double)r->graphs) {
      return heed__fail(HEED_RANGE, "%s: row %lld: graph %.0f of %lld", r->graph.path,
                        (long long)i + 1, g, (long long)r->graphs);
    }
    r->graph_ptr[(int64_t)g + 1]++;
  }
  for (int64_t g = 0; g <= r->graphs; g++) r->graph_ptr[g + 1] += r->graph_ptr[g];
  for (int64_t i = 0; i < r->graph.rows; i++) {
    r->place[i] = r->graph_ptr[(int64_t)r->graph.cells[i]]++;
  }
  return HEED_OK;
}

/* After place_nodes() graph_ptr[g] is where the nodes of graph g, numbered from 1, end: of graph g,
 * from 0, where they begin. */

/* The smaller and the larger end of the pair of a line. */
static inline int64_t end_of(const reader *r, int64_t line, bool larger) {
  int64_t a = r->place[(int64_t)r->pairs.cells[2 * line] - 1];
  int64_t b = r->place[(int64_t)r->pairs.cells[2 * line + 1] - 1];
  return larger == (a > b) ? a : b;
}

static heed_status check_pairs(const reader *r) {
  for (int64_t line = 0; line < r->pairs.rows; line++) {
    const double *ends = r->pairs.cells + 2 * line;
    for (int i = 0; i < 2; i++) {
      if (ends[i] >= 1 && ends[i] <= (double)r->graph.rows) continue;
      return heed__fail(HEED_RANGE, "%s: row %lld: node %.0f of %lld", r->pairs.path,
                        (long long)line + 1, ends[i], (long long)r->graph.rows);
    }
    double g = r->graph.cells[(int64_t)ends[0] - 1], h = r->graph.cells[(int64_t)ends[1] - 1];
    if (g == h) continue;
    return heed__fail(HEED_FORMAT,
                      "%s: row %lld: node %.0f is of graph %.0f, node %.0f of graph %.0f",
                      r->pairs.path, (long long)line + 1, ends[0], g, ends[1], h);
  }
  return HEED_OK;
}

/* The lines in the order of their larger or their smaller ends, those of equal ones as they were.
 */
static void sort_lines(const reader *r, bool larger, const int64_t *from, int64_t *to,
                       int64_t *start) {
  int64_t nodes = r->graph.rows;
  memset(start, 0, (size_t)(nodes + 1) * sizeof *start);
  for (int64_t i = 0; i < r->pairs.rows; i++) start[end_of(r, i, larger) + 1]++;
  for (int64_t i = 0; i < nodes; i++) start[i + 1] += start[i];
  for (int64_t i = 0; i < r->pairs.rows; i++) {
    int64_t line = from == NULL ? i : from[i];
    to[start[end_of(r, line, larger)]++] = line;
  }
}

/* What the lines of one edge say of it must be the same. */
static heed_status check_agree(const table *t, int64_t first, int64_t again, const char *what) {
  for (int64_t i = 0; i < t->cols && t->rows > 0; i++) {
    double a = t->cells[first * t->cols + i], b = t->cells[again * t->cols + i];
    if (a == b) continue;
    return heed__fail(HEED_FORMAT,
                      "%s: rows %lld and %lld are of the same edge, but have the %s %g and %g",
                      t->path, (long long)first + 1, (long long)again + 1, what, a, b);
  }
  return HEED_OK;
}

/* Every edge once, however many lines it has: the first of them, in the order of ends. */
static heed_status fold_pairs(reader *r) {
  HEED__TRY(check_pairs(r));
  size_t n = (size_t)r->pairs.rows;
  int64_t *start = heed__alloc((size_t)r->graph.rows + 1, sizeof *start);
  int64_t *sorted = start == NULL ? NULL : heed__alloc(n, sizeof *sorted);
  r->lines = sorted == NULL ? NULL : heed__alloc(n, sizeof *r->lines);
  heed_status status = r->lines == NULL ? HEED_NOMEM : HEED_OK;
  if (status == HEED_OK) {
    sort_lines(r, true, NULL, sorted, start);
    sort_lines(r, false, sorted, r->lines, start);
  }
  for (size_t i = 0; i < n && status == HEED_OK; i++) {
    int64_t line = r->lines[i], last = r->n_edges > 0 ? r->lines[r->n_edges - 1] : -1;
    if (last < 0 || end_of(r, last, false) != end_of(r, line, false) ||
        end_of(r, last, true) != end_of(r, line, true)) {
      r->lines[r->n_edges++] = line;
      continue;
    }
    status = check_agree(&r->edge_labels, last, line, "labels");
    if (status == HEED_OK) status = check_agree(&r->edge_x, last, line, "attributes");
  }
  heed__free(sorted);
  heed__free(start);
  return status;
}

static int compare_numbers(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

/* The distinct values of a column. */
static heed_status find_labels(labels *found, const table *t, int64_t column) {
  size_t n = 0;
  found->values = heed__alloc((size_t)t->rows, sizeof *found->values);
  if (found->values == NULL) return HEED_NOMEM;
  for (int64_t i = 0; i < t->rows; i++) found->values[i] = t->cells[i * t->cols + column];
  qsort(found->values, (size_t)t->rows, sizeof *found->values, compare_numbers);
  for (int64_t i = 0; i < t->rows; i++) {
    if (n == 0 || found->values[i] != found->values[n - 1]) found->values[n++] = found->values[i];
  }
  found->n = (int64_t)n;
  if (n <= MOST_LABELS) return HEED_OK;
  return heed__fail(HEED_RANGE, "%s: %zu different labels; %d is the most", t->path, n,
                    MOST_LABELS);
}

/* Columns of features: one for each value of each column of labels, then the attributes. */
static heed_status find_columns(const table *t, const table *attributes, labels **found,
                                heed__strings *names, int64_t *columns) {
  *columns = 0;
  *found = heed__alloc_zero((size_t)t->cols + 1, sizeof **found);
  if (*found == NULL) return HEED_NOMEM;
  for (int64_t column = 0; column < t->cols; column++) {
    labels *here = &(*found)[column];
    HEED__TRY(find_labels(here, t, column));
    for (int64_t i = 0; i < here->n; i++) {
      HEED__TRY(t->cols == 1 ? heed__strings_print(names, "label=%.0f", here->values[i])
                             : heed__strings_print(names, "label%lld=%.0f", (long long)column,
                                                   here->values[i]));
    }
    *columns += here->n;
  }
  for (int64_t column = 0; column < attributes->cols; column++) {
    HEED__TRY(heed__strings_print(names, "attribute%lld", (long long)column));
  }
  *columns += attributes->cols;
  return HEED_OK;
}

/* The features that a row of both tables gives. */
static heed_status put_features(const table *t, const table *attributes, const labels *found,
                                int64_t row, float *x) {
  for (int64_t column = 0; column < t->cols; column++) {
    const double *cell = &t->cells[row * t->cols + column];
    const double *at =
        bsearch(cell, found[column].values, (size_t)found[column].n, sizeof *at, compare_numbers);
    if (at != NULL) x[at - found[column].values] = 1;
    x += found[column].n;
  }
  for (int64_t column = 0; column < attributes->cols; column++) {
    double cell = attributes->cells[row * attributes->cols + column];
    x[column] = (float)cell;
    if (isinf(x[column])) {
      return heed__fail(HEED_RANGE, "%s: row %lld: %g is beyond any float", attributes->path,
                        (long long)row + 1, cell);
    }
  }
  return HEED_OK;
}

/* The graphs one after the other; `made` has no features yet. */
static heed_status add_graphs(reader *r, heed_collection *c) {
  int64_t at = 0;
  for (int64_t g = 0; g < r->graphs; g++) {
    int64_t first = r->graph_ptr[g], end = r->graph_ptr[g + 1], from = at;
    char number[24];
    snprintf(number, sizeof number, "%lld", (long long)g + 1);
    if (first == end) {
      const table *t = r->graph_labels.rows > 0 ? &r->graph_labels : &r->graph_x;
      heed_status status = heed__fail(HEED_FORMAT, "%s: row %lld: no node is of graph %lld",
                                      t->path, (long long)g + 1, (long long)g + 1);
      if (!r->options->skip_bad) return status;
      HEED__TRY(heed__collection_skip(c));
      continue;
    }
    while (at < r->n_edges && end_of(r, r->lines[at], false) < end) at++;
    HEED__TRY(heed__collection_add(c, end - first, at - from, number, g + 1));
    for (int64_t e = from; e < at; e++) {
      c->ends[2 * e] = end_of(r, r->lines[e], false);
      c->ends[2 * e + 1] = end_of(r, r->lines[e], true);
    }
  }
  return HEED_OK;
}

static heed_status put_all(reader *r, heed_collection *c, const labels *of_nodes,
                           const labels *of_edges) {
  for (int64_t i = 0; i < r->graph.rows && c->x_names.n > 0; i++) {
    HEED__TRY(put_features(&r->node_labels, &r->node_x, of_nodes, i,
                           c->x.data + r->place[i] * c->x.cols));
  }
  for (int64_t e = 0; e < c->edges && c->edge_x.cols > 0; e++) {
    HEED__TRY(put_features(&r->edge_labels, &r->edge_x, of_edges, r->lines[e],
                           c->edge_x.data + e * c->edge_x.cols));
  }
  return c->x_names.n > 0 ? HEED_OK : heed__collection_degrees(c);
}

/* Labels unless something else was asked for. */
static heed_status put_targets(reader *r, heed_collection *c) {
  heed_target_kind kind = r->options->kind;
  bool labelled = r->graph_labels.rows > 0;
  if (kind == HEED_TARGET_NONE && labelled && r->graph_labels.cols == 1) kind = HEED_TARGET_CLASS;
  const table *t =
      kind == HEED_TARGET_CLASS || r->graph_x.rows == 0 ? &r->graph_labels : &r->graph_x;
  if (t->rows == 0) {
    return heed__fail(HEED_ARGUMENT, "%s: no graph labels, so no classes", r->folder);
  }
  for (int64_t i = 0; i < t->cols; i++) {
    HEED__TRY(heed__strings_print(&c->target_names,
                                  t == &r->graph_x ? "attribute%lld" : "label%lld", (long long)i));
  }
  return heed__collection_numbers(c, t->path, kind, t->cols, t->cells);
}

static void free_labels(labels *found, int64_t columns) {
  for (int64_t i = 0; found != NULL && i < columns; i++) heed__free(found[i].values);
  heed__free(found);
}

static heed_status make(reader *r, heed_collection **collection) {
  labels *of_nodes = NULL, *of_edges = NULL;
  heed__strings names = {NULL, 0, 0, NULL, 0, 0}, edge_names = names;
  int64_t features, edge_features;
  heed_status status = find_columns(&r->node_labels, &r->node_x, &of_nodes, &names, &features);
  if (status == HEED_OK) {
    status = find_columns(&r->edge_labels, &r->edge_x, &of_edges, &edge_names, &edge_features);
  }
  if (status == HEED_OK) {
    status =
        heed__collection_empty(collection, features > 0 ? features : HEED__DEGREES, edge_features);
  }
  if (status == HEED_OK) {
    heed_collection *c = *collection;
    c->x_names = names;
    c->edge_x_names = edge_names;
    status = heed__collection_reserve(c, r->graphs, r->graph.rows, r->n_edges);
    if (status == HEED_OK) status = add_graphs(r, c);
    if (status == HEED_OK) status = put_all(r, c, of_nodes, of_edges);
    if (status == HEED_OK) status = put_targets(r, c);
    if (status != HEED_OK) {
      heed_collection_free(c);
      *collection = NULL;
    }
  } else {
    heed__strings_free(&names);
    heed__strings_free(&edge_names);
  }
  free_labels(of_nodes, r->node_labels.cols);
  free_labels(of_edges, r->edge_labels.cols);
  return status;
}

heed_status heed__collection_read_tudataset(heed_collection **collection, const char *folder,
                                            const heed_collection_options *options) {
  *collection = NULL;
  reader *r = heed__alloc_zero(1, sizeof *r);
  if (r == NULL) return HEED_NOMEM;
  r->folder = folder;
  r->options = options;
  heed_status status = find_prefix(r);
  if (status == HEED_OK) status = read_tables(r);
  if (status == HEED_OK) status = place_nodes(r);
  if (status == HEED_OK) status = fold_pairs(r);
  if (status == HEED_OK) status = make(r, collection);
  table *const tables[] = {&r->graph,       &r->pairs,  &r->graph_labels, &r->graph_x,
                           &r->node_labels, &r->node_x, &r->edge_labels,  &r->edge_x};
  for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) heed__free(tables[i]->cells);
  heed__free(r->graph_ptr);
  heed__free(r->place);
  heed__free(r->lines);
  heed__free(r);
  return status;
}
