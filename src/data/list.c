/* Lists of graph files with labels. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "data/collection.h"
#include "graph/lines.h"

typedef struct reader {
  const char *path;
  const heed_collection_options *options;
  heed__strings features; /* vertex attributes; none: degrees */
  const char **labels;    /* [rows]; "" where there is none */
  size_t room;
  int64_t rows;
  bool labelled; /* some graph has a label */
} reader;

/* Adds a graph that was read: every edge once, whatever its direction and however often it is
 * there. */
static heed_status add_graph(reader *r, heed_collection *c, const igraph_t *graph,
                             const heed_mask *mask, const char *file) {
  int64_t edges = 0, first = c->nodes;
  if (mask->n_queries == 0) return heed__fail(HEED_FORMAT, "a graph without nodes");
  for (int64_t i = 0; i < mask->n_queries; i++) {
    for (int64_t p = mask->indptr[i]; p < mask->indptr[i + 1]; p++) edges += mask->indices[p] >= i;
  }
  float *x = heed__alloc((size_t)mask->n_queries, (size_t)c->x.cols * sizeof *x);
  heed_status status = x == NULL ? HEED_NOMEM : HEED_OK;
  for (int64_t f = 0; f < r->features.n && status == HEED_OK; f++) {
    status = heed_graph_feature(graph, heed__strings_get(&r->features, f), x + f, c->x.cols);
  }
  if (status == HEED_OK) status = heed__collection_add(c, mask->n_queries, edges, file, r->rows);
  if (status == HEED_OK) {
    int64_t *ends = c->ends + 2 * (c->edges - edges);
    if (r->features.n > 0) {
      memcpy(c->x.data + first * c->x.cols, x, (size_t)(mask->n_queries * c->x.cols) * sizeof *x);
    }
    for (int64_t i = 0; i < mask->n_queries; i++) {
      for (int64_t p = mask->indptr[i]; p < mask->indptr[i + 1]; p++) {
        if (mask->indices[p] < i) continue;
        *ends++ = first + i;
        *ends++ = first + mask->indices[p];
      }
    }
  }
  heed__free(x);
  return status;
}

static heed_status read_graph(reader *r, heed_collection *c, const char *path, const char *file) {
  igraph_t graph;
  heed_mask mask;
  HEED__TRY(heed_graph_read(&graph, path, NULL, false));
  heed_status status = heed_mask_from_graph(&mask, &graph, HEED_DIRECTION_ALL, HEED_LOOPS_KEEP);
  if (status == HEED_OK) status = add_graph(r, c, &graph, &mask, file);
  heed_mask_free(&mask);
  heed_graph_destroy(&graph);
  return status;
}

/* A blank is no number and no mistake. */
static heed_status read_number(const reader *r, int64_t row, double *number) {
  const char *label = r->labels[row];
  *number = NAN;
  if (label[0] == '\0' || heed__data_number(label, strlen(label), number)) return HEED_OK;
  return heed__fail(HEED_FORMAT, "%s: row %lld: '%.60s' where a number should be", r->path,
                    (long long)row + 1, label);
}

/* One line: a file, and a label behind the first tab. */
static heed_status read_line(reader *r, heed_collection *c, char *start, char *stop) {
  while (stop > start && heed__is_blank(stop[-1])) stop--;
  *stop = '\0';
  char *tab = strchr(start, '\t');
  const char *label = tab == NULL ? stop : tab + 1;
  if (tab != NULL) *tab = '\0';
  while (heed__is_blank(*label) && *label != '\0') label++;
  r->labels[r->rows - 1] = label;
  if (start[0] == '\0') {
    return heed__fail(HEED_FORMAT, "%s: row %lld: no file before the tab", r->path,
                      (long long)r->rows);
  }
  double number;
  if (r->options->kind > HEED_TARGET_CLASS) HEED__TRY(read_number(r, r->rows - 1, &number));
  const char *slash = start[0] == '/' ? NULL : strrchr(r->path, '/');
  size_t in = slash == NULL ? 0 : (size_t)(slash + 1 - r->path), n = strlen(start);
  char *path = heed__alloc(in + n + 1, 1);
  if (path == NULL) return HEED_NOMEM;
  memcpy(path, r->path, in);
  memcpy(path + in, start, n + 1);
  heed_status status = read_graph(r, c, path, start);
  heed__free(path);
  r->labelled = r->labelled || (status == HEED_OK && *label != '\0');
  if (status == HEED_OK || status == HEED_NOMEM) return status;
  return heed__fail(status, "%s: row %lld: %s", r->path, (long long)r->rows, heed_message());
}

static heed_status read_lines(reader *r, heed_collection *c, const heed__text *text) {
  heed__lines lines = heed__lines_of(text);
  while (heed__next_line(&lines)) {
    const char **labels = heed__grown(r->labels, &r->room, (size_t)lines.number, sizeof *labels);
    if (labels == NULL) return HEED_NOMEM;
    r->labels = labels;
    r->rows = lines.number;
    labels[r->rows - 1] = "";
    const char *at = lines.at;
    while (at < lines.stop && heed__is_blank(*at)) at++;
    if (at == lines.stop) continue;
    if (memchr(lines.at, '\0', (size_t)(lines.stop - lines.at)) != NULL) {
      return heed__fail(HEED_FORMAT, "%s: row %lld: a byte 0", r->path, (long long)r->rows);
    }
    heed_status status = read_line(r, c, (char *)lines.at, (char *)lines.stop);
    if (status != HEED_OK && (status == HEED_NOMEM || !r->options->skip_bad)) return status;
    if (status == HEED_OK) continue;
    labels[r->rows - 1] = ""; /* of a row left out nobody asks */
    HEED__TRY(heed__collection_skip(c));
  }
  if (c->graphs > 0) return HEED_OK;
  return heed__fail(HEED_FORMAT, "%s: no graph in the list%s%s", r->path,
                    c->skipped > 0 ? " that can be read; " : "",
                    c->skipped > 0 ? heed__strings_get(&c->skips, 0) : "");
}

static heed_status put_targets(reader *r, heed_collection *c) {
  heed_target_kind kind = r->options->kind;
  if (!r->labelled && kind == HEED_TARGET_NONE) return HEED_OK;
  if (kind == HEED_TARGET_NONE || kind == HEED_TARGET_CLASS) {
    return heed__collection_classes(c, r->path, r->labels);
  }
  double *numbers = heed__alloc((size_t)r->rows, sizeof *numbers);
  if (numbers == NULL) return HEED_NOMEM;
  heed_status status = HEED_OK;
  for (int64_t i = 0; i < r->rows && status == HEED_OK; i++) {
    status = read_number(r, i, &numbers[i]);
  }
  if (status == HEED_OK) status = heed__strings_add(&c->target_names, "label", 5);
  if (status == HEED_OK) status = heed__collection_numbers(c, r->path, kind, 1, numbers);
  heed__free(numbers);
  return status;
}

static heed_status make(reader *r, heed_collection **collection, const heed__text *text) {
  if (r->options->features != NULL) {
    HEED__TRY(heed__strings_split(&r->features, r->options->features));
  }
  HEED__TRY(
      heed__collection_empty(collection, r->features.n > 0 ? r->features.n : HEED__DEGREES, 0));
  heed_collection *c = *collection;
  HEED__TRY(read_lines(r, c, text));
  if (r->features.n == 0) {
    HEED__TRY(heed__collection_degrees(c));
  } else {
    c->x_names = r->features;
    memset(&r->features, 0, sizeof r->features);
  }
  return put_targets(r, c);
}

heed_status heed__collection_read_list(heed_collection **collection, const char *path,
                                       const heed_collection_options *options) {
  reader r = {.path = path, .options = options};
  heed__text text;
  *collection = NULL;
  HEED__TRY(heed__text_read(&text, path));
  heed_status status = make(&r, collection, &text);
  if (status != HEED_OK) {
    heed_collection_free(*collection);
    *collection = NULL;
  }
  heed__strings_free(&r.features);
  heed__free(r.labels);
  heed__text_free(&text);
  return status;
}
