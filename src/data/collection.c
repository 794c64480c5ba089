/* Collections: many graphs in one set of arrays. */
#include "data/collection.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"

enum { KEPT_SKIPS = 1000 };

void *heed__grown(void *block, size_t *room, size_t need, size_t size) {
  if (block != NULL && need <= *room) return block;
  size_t more = *room < SIZE_MAX / 2 && 2 * *room > need ? 2 * *room : need;
  void *grown = heed__realloc(block, more, size);
  if (grown != NULL) *room = more;
  return grown;
}

heed_status heed__strings_add(heed__strings *strings, const char *text, size_t length) {
  size_t n = (size_t)strings->n;
  size_t *start = heed__grown(strings->start, &strings->room_n, n + 1, sizeof *start);
  if (start == NULL) return HEED_NOMEM;
  strings->start = start;
  char *bytes = heed__grown(strings->bytes, &strings->room, strings->size + length + 1, 1);
  if (bytes == NULL) return HEED_NOMEM;
  strings->bytes = bytes;
  start[n] = strings->size;
  if (length > 0) memcpy(bytes + strings->size, text, length);
  bytes[strings->size + length] = '\0';
  strings->size += length + 1;
  strings->n++;
  return HEED_OK;
}

heed_status heed__strings_print(heed__strings *strings, const char *format, ...) {
  char text[1001];
  va_list arguments;
  va_start(arguments, format);
  (void)vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  return heed__strings_add(strings, text, strlen(text));
}

heed_status heed__strings_split(heed__strings *strings, const char *list) {
  for (const char *at = list;; at++) {
    const char *end = at + strcspn(at, ",");
    while (at < end && *at == ' ') at++;
    const char *stop = end;
    while (stop > at && stop[-1] == ' ') stop--;
    if (at == stop) return heed__fail(HEED_ARGUMENT, "an empty name in '%s'", list);
    HEED__TRY(heed__strings_add(strings, at, (size_t)(stop - at)));
    if (*end == '\0') return HEED_OK;
    at = end;
  }
}

const char *heed__strings_get(const heed__strings *strings, int64_t index) {
  return index < 0 || index >= strings->n ? NULL : strings->bytes + strings->start[index];
}

void heed__strings_free(heed__strings *strings) {
  heed__free(strings->bytes);
  heed__free(strings->start);
  memset(strings, 0, sizeof *strings);
}

heed_status heed__collection_empty(heed_collection **collection, int64_t features,
                                   int64_t edge_features) {
  heed_collection *made = *collection = heed__alloc_zero(1, sizeof *made);
  if (made == NULL) return HEED_NOMEM;
  made->x = heed_matrix_view(NULL, 0, features);
  made->edge_x = heed_matrix_view(NULL, 0, edge_features);
  heed_status status = heed__collection_reserve(made, 0, 0, 0);
  if (status != HEED_OK) {
    heed_collection_free(made);
    *collection = NULL;
    return status;
  }
  made->graph_ptr[0] = made->edge_ptr[0] = 0;
  return HEED_OK;
}

/* Grows one array of a collection: `array` has `size` bytes for each of what there is room for. */
static heed_status grow(void *array, size_t room, size_t size) {
  void *block;
  memcpy(&block, array, sizeof block);
  block = heed__realloc(block, room, size);
  if (block == NULL) return HEED_NOMEM;
  memcpy(array, &block, sizeof block);
  return HEED_OK;
}

/* How much room there should be for `more` things beyond n: at least twice what there is, if it has
 * to grow. */
static size_t larger(size_t room, int64_t n, int64_t more) {
  size_t need = (size_t)n + (size_t)more;
  return need <= room ? room : need > 2 * room ? need : 2 * room;
}

heed_status heed__collection_reserve(heed_collection *c, int64_t graphs, int64_t nodes,
                                     int64_t edges) {
  if (graphs > INT32_MAX - c->graphs || nodes > INT32_MAX - c->nodes ||
      edges > INT32_MAX - c->edges) {
    return heed__fail(
        HEED_RANGE, "a collection of %lld graphs, %lld nodes, %lld edges and more: %d is the most",
        (long long)c->graphs, (long long)c->nodes, (long long)c->edges, INT32_MAX);
  }
  size_t room = larger(c->room_graphs, c->graphs, graphs);
  if (room > c->room_graphs || c->graph_ptr == NULL) {
    HEED__TRY(grow(&c->graph_ptr, room + 1, sizeof *c->graph_ptr));
    HEED__TRY(grow(&c->edge_ptr, room + 1, sizeof *c->edge_ptr));
    HEED__TRY(grow(&c->rows, room, sizeof *c->rows));
    c->room_graphs = room;
  }
  room = larger(c->room_nodes, c->nodes, nodes);
  if (room > c->room_nodes || c->x.data == NULL) {
    size_t row;
    if (!heed__multiply((size_t)c->x.cols, sizeof *c->x.data, &row)) return HEED_NOMEM;
    HEED__TRY(grow(&c->x.data, room, row));
    c->room_nodes = room;
  }
  room = larger(c->room_edges, c->edges, edges);
  if (room > c->room_edges || c->ends == NULL) {
    size_t row;
    if (!heed__multiply((size_t)c->edge_x.cols, sizeof *c->edge_x.data, &row)) return HEED_NOMEM;
    HEED__TRY(grow(&c->ends, room, 2 * sizeof *c->ends));
    HEED__TRY(grow(&c->edge_x.data, room, row));
    c->room_edges = room;
  }
  return HEED_OK;
}

heed_status heed__collection_add(heed_collection *c, int64_t nodes, int64_t edges, const char *name,
                                 int64_t row) {
  HEED__TRY(heed__collection_reserve(c, 1, nodes, edges));
  HEED__TRY(heed__strings_add(&c->names, name, strlen(name)));
  int64_t g = c->graphs++;
  c->rows[g] = row;
  memset(c->x.data + c->nodes * c->x.cols, 0, (size_t)(nodes * c->x.cols) * sizeof *c->x.data);
  memset(c->edge_x.data + c->edges * c->edge_x.cols, 0,
         (size_t)(edges * c->edge_x.cols) * sizeof *c->edge_x.data);
  c->graph_ptr[g + 1] = c->x.rows = c->nodes += nodes;
  c->edge_ptr[g + 1] = c->edge_x.rows = c->edges += edges;
  return HEED_OK;
}

heed_status heed__collection_skip(heed_collection *c) {
  if (c->skips.n < KEPT_SKIPS) {
    const char *message = heed_message();
    HEED__TRY(heed__strings_add(&c->skips, message, strlen(message)));
  }
  c->skipped++;
  return HEED_OK;
}

/* Names "x0", "x1", ... for features that have none. */
static heed_status name_features(heed_collection *c) {
  while (c->x_names.n < c->x.cols) {
    HEED__TRY(heed__strings_print(&c->x_names, "x%lld", (long long)c->x_names.n));
  }
  while (c->edge_x_names.n < c->edge_x.cols) {
    HEED__TRY(heed__strings_print(&c->edge_x_names, "x%lld", (long long)c->edge_x_names.n));
  }
  return HEED_OK;
}

heed_status heed__collection_degrees(heed_collection *c) {
  int32_t *degree = heed__alloc_zero((size_t)c->nodes, sizeof *degree);
  if (degree == NULL) return HEED_NOMEM;
  for (int64_t e = 0; e < 2 * c->edges; e++) degree[c->ends[e]]++;
  for (int64_t i = 0; i < c->nodes; i++) {
    int32_t column = degree[i] < HEED__DEGREES ? degree[i] : HEED__DEGREES - 1;
    c->x.data[i * c->x.stride + column] = 1;
  }
  heed__free(degree);
  for (int i = 0; i < HEED__DEGREES; i++) {
    HEED__TRY(
        heed__strings_print(&c->x_names, i + 1 < HEED__DEGREES ? "degree=%d" : "degree>=%d", i));
  }
  return HEED_OK;
}

bool heed__collection_has_classes(const heed_collection *c) {
  return c->kind == HEED_TARGET_CLASS || (c->kind == HEED_TARGET_BINARY && c->outputs == 1);
}

int32_t heed__collection_class(const heed_collection *c, int64_t graph) {
  if (c->kind == HEED_TARGET_CLASS) return c->labels[graph];
  float value = c->values.data[graph * c->values.stride];
  return isnan(value) ? -1 : value > 0;
}

static heed_status check_graphs(const heed_collection_arrays *a) {
  if (a->n_graphs < 1 || a->n_graphs > INT32_MAX) {
    return heed__fail(HEED_RANGE, "%lld graphs: not between 1 and %d", (long long)a->n_graphs,
                      INT32_MAX);
  }
  if (a->graph_ptr[0] != 0) {
    return heed__fail(HEED_RANGE, "graph 0 begins with node %lld, not 0",
                      (long long)a->graph_ptr[0]);
  }
  for (int64_t g = 0; g < a->n_graphs; g++) {
    if (a->graph_ptr[g + 1] < a->graph_ptr[g] || a->graph_ptr[g + 1] > INT32_MAX) {
      return heed__fail(HEED_RANGE, "graph %lld begins with node %lld and ends before node %lld",
                        (long long)g, (long long)a->graph_ptr[g], (long long)a->graph_ptr[g + 1]);
    }
  }
  return HEED_OK;
}

static heed_status check_matrix(const heed_matrix *matrix, int64_t rows, const char *what,
                                const char *of) {
  if (matrix->cols < 0 || matrix->cols > INT32_MAX ||
      (matrix->cols > 0 && (matrix->rows != rows || matrix->stride < matrix->cols))) {
    return heed__fail(HEED_SHAPE, "%s [%lld, %lld] for %lld %s", what, (long long)matrix->rows,
                      (long long)matrix->cols, (long long)rows, of);
  }
  for (int64_t i = 0; i < rows && matrix->cols > 0; i++) {
    heed_status status = heed_check_finite(matrix->data + i * matrix->stride, matrix->cols, what);
    if (status != HEED_OK) {
      return heed__fail(status, "row %lld of %lld: %s", (long long)i, (long long)rows,
                        heed_message());
    }
  }
  return HEED_OK;
}

/* Every edge within a graph, graph after graph. */
static heed_status check_edges(const heed_collection_arrays *a) {
  int64_t g = 0;
  if (a->n_edges < 0 || a->n_edges > INT32_MAX) {
    return heed__fail(HEED_RANGE, "%lld edges: not between 0 and %d", (long long)a->n_edges,
                      INT32_MAX);
  }
  for (int64_t e = 0; e < a->n_edges; e++) {
    int64_t from = a->edges[2 * e], to = a->edges[2 * e + 1];
    int64_t least = from < to ? from : to, most = from < to ? to : from;
    while (g + 1 < a->n_graphs && least >= a->graph_ptr[g + 1]) g++;
    if (least < a->graph_ptr[g] || most >= a->graph_ptr[g + 1]) {
      return heed__fail(
          HEED_RANGE,
          "edge %lld joins nodes %lld and %lld, which are not both of graph %lld, nodes "
          "%lld to %lld, or of one after it",
          (long long)e, (long long)from, (long long)to, (long long)g, (long long)a->graph_ptr[g],
          (long long)a->graph_ptr[g + 1] - 1);
    }
  }
  return HEED_OK;
}

static heed_status check_targets(const heed_collection_arrays *a) {
  if ((int)a->kind < HEED_TARGET_NONE || a->kind > HEED_TARGET_NUMBER) {
    return heed__fail(HEED_ARGUMENT, "targets of kind %d: there is none such", (int)a->kind);
  }
  if (a->kind == HEED_TARGET_NONE) return HEED_OK;
  if (a->kind == HEED_TARGET_CLASS) {
    for (int64_t g = 0; g < a->n_graphs; g++) {
      if (a->labels[g] >= -1 && a->labels[g] < HEED__MOST_CLASSES) continue;
      return heed__fail(HEED_RANGE, "graph %lld has label %d: not between -1 and %d", (long long)g,
                        (int)a->labels[g], HEED__MOST_CLASSES - 1);
    }
    return HEED_OK;
  }
  if (a->values.rows != a->n_graphs || a->values.cols < 1 || a->values.cols > INT32_MAX ||
      a->values.stride < a->values.cols) {
    return heed__fail(HEED_SHAPE, "targets [%lld, %lld] for %lld graphs", (long long)a->values.rows,
                      (long long)a->values.cols, (long long)a->n_graphs);
  }
  for (int64_t g = 0; g < a->n_graphs; g++) {
    for (int64_t t = 0; t < a->values.cols; t++) {
      float value = a->values.data[g * a->values.stride + t];
      if (isinf(value) ||
          (a->kind == HEED_TARGET_BINARY && !isnan(value) && value != 0 && value != 1)) {
        return heed__fail(HEED_RANGE, "graph %lld has %g in column %lld of its targets%s",
                          (long long)g, (double)value, (long long)t,
                          isinf(value) ? "" : ", which are 0 or 1");
      }
    }
  }
  return HEED_OK;
}

static void copy_rows(float *to, const heed_matrix *from) {
  for (int64_t i = 0; i < from->rows && from->cols > 0; i++) {
    memcpy(to + i * from->cols, from->data + i * from->stride, (size_t)from->cols * sizeof *to);
  }
}

static heed_status copy_targets(heed_collection *c, const heed_collection_arrays *a) {
  c->kind = a->kind;
  if (a->kind == HEED_TARGET_CLASS) {
    c->labels = heed__alloc((size_t)a->n_graphs, sizeof *c->labels);
    if (c->labels == NULL) return HEED_NOMEM;
    memcpy(c->labels, a->labels, (size_t)a->n_graphs * sizeof *c->labels);
    for (int64_t g = 0; g < a->n_graphs; g++) {
      if (c->labels[g] >= c->outputs) c->outputs = c->labels[g] + 1;
    }
  } else if (a->kind != HEED_TARGET_NONE) {
    size_t n;
    if (!heed__multiply((size_t)a->n_graphs, (size_t)a->values.cols, &n)) n = SIZE_MAX;
    float *values = heed__alloc(n, sizeof *values);
    if (values == NULL) return HEED_NOMEM;
    c->outputs = a->values.cols;
    c->values = heed_matrix_view(values, a->n_graphs, a->values.cols);
    copy_rows(values, &a->values);
  }
  for (int64_t t = 0; t < c->outputs; t++) {
    HEED__TRY(a->targets != NULL
                  ? heed__strings_add(&c->target_names, a->targets[t], strlen(a->targets[t]))
                  : heed__strings_print(&c->target_names, "%lld", (long long)t));
  }
  return HEED_OK;
}

static heed_status copy_graphs(heed_collection *c, const heed_collection_arrays *a) {
  HEED__TRY(heed__collection_reserve(c, a->n_graphs, a->graph_ptr[a->n_graphs], a->n_edges));
  int64_t e = 0;
  for (int64_t g = 0; g < a->n_graphs; g++) {
    int64_t first = e, end = a->graph_ptr[g + 1];
    while (e < a->n_edges && a->edges[2 * e] < end) e++;
    char number[24];
    snprintf(number, sizeof number, "%lld", (long long)g + 1);
    HEED__TRY(heed__collection_add(c, end - a->graph_ptr[g], e - first,
                                   a->names != NULL ? a->names[g] : number, g + 1));
  }
  if (a->n_edges > 0) memcpy(c->ends, a->edges, 2 * (size_t)a->n_edges * sizeof *c->ends);
  copy_rows(c->x.data, &a->features);
  copy_rows(c->edge_x.data, &a->edge_features);
  HEED__TRY(name_features(c));
  return copy_targets(c, a);
}

heed_status heed_collection_new(heed_collection **collection, const heed_collection_arrays *a) {
  *collection = NULL;
  HEED__TRY(check_graphs(a));
  HEED__TRY(check_matrix(&a->features, a->graph_ptr[a->n_graphs], "features", "nodes"));
  HEED__TRY(check_edges(a));
  HEED__TRY(check_matrix(&a->edge_features, a->n_edges, "features of edges", "edges"));
  HEED__TRY(check_targets(a));
  HEED__TRY(heed__collection_empty(collection, a->features.cols, a->edge_features.cols));
  heed_status status = copy_graphs(*collection, a);
  if (status != HEED_OK) {
    heed_collection_free(*collection);
    *collection = NULL;
  }
  return status;
}

void heed_collection_free(heed_collection *c) {
  if (c == NULL) return;
  heed__free(c->graph_ptr);
  heed__free(c->edge_ptr);
  heed__free(c->ends);
  heed__free(c->x.data);
  heed__free(c->edge_x.data);
  heed__free(c->rows);
  heed__strings_free(&c->names);
  heed__strings_free(&c->x_names);
  heed__strings_free(&c->edge_x_names);
  heed__strings_free(&c->target_names);
  heed__free(c->labels);
  heed__free(c->values.data);
  heed__free(c->hashes);
  heed__free(c->molecule);
  heed__free(c->scaffold);
  heed__strings_free(&c->skips);
  for (int part = 0; part < HEED__PARTS; part++) heed__free(c->parts[part]);
  heed__free(c);
}

int64_t heed_collection_graphs(const heed_collection *c) { return c->graphs; }

int64_t heed_collection_nodes(const heed_collection *c) { return c->nodes; }

int64_t heed_collection_edge_count(const heed_collection *c) { return c->edges; }

int64_t heed_collection_features(const heed_collection *c) { return c->x.cols; }

int64_t heed_collection_edge_features(const heed_collection *c) { return c->edge_x.cols; }

int64_t heed_collection_outputs(const heed_collection *c) { return c->outputs; }

heed_target_kind heed_collection_kind(const heed_collection *c) { return c->kind; }

const int64_t *heed_collection_graph_ptr(const heed_collection *c) { return c->graph_ptr; }

const heed_matrix *heed_collection_node_matrix(const heed_collection *c) { return &c->x; }

const int64_t *heed_collection_edges(const heed_collection *c) { return c->ends; }

const heed_matrix *heed_collection_edge_matrix(const heed_collection *c) {
  return c->edge_x.cols > 0 ? &c->edge_x : NULL;
}

const int32_t *heed_collection_labels(const heed_collection *c) { return c->labels; }

const heed_matrix *heed_collection_values(const heed_collection *c) {
  return c->values.data != NULL ? &c->values : NULL;
}

const char *heed_collection_name(const heed_collection *c, int64_t graph) {
  return heed__strings_get(&c->names, graph);
}

const char *heed_collection_target_name(const heed_collection *c, int64_t column) {
  return heed__strings_get(&c->target_names, column);
}

const char *heed_collection_feature_name(const heed_collection *c, bool of_edges, int64_t column) {
  return heed__strings_get(of_edges ? &c->edge_x_names : &c->x_names, column);
}

int64_t heed_collection_row(const heed_collection *c, int64_t graph) {
  return graph < 0 || graph >= c->graphs ? 0 : c->rows[graph];
}

int64_t heed_collection_skipped(const heed_collection *c) { return c->skipped; }

const char *heed_collection_skip(const heed_collection *c, int64_t index) {
  return heed__strings_get(&c->skips, index);
}

heed_status heed_collection_mask(const heed_collection *c, heed_mask *mask) {
  igraph_t graph;
  memset(mask, 0, sizeof *mask);
  HEED__TRY(heed_graph_from_edges(&graph, c->nodes, c->ends, c->edges, false));
  heed_status status = heed_mask_from_graph(mask, &graph, HEED_DIRECTION_IN, HEED_LOOPS_KEEP);
  heed_graph_destroy(&graph);
  return status;
}

int heed_collection_splits(const heed_collection *c) { return c->splits; }

const uint8_t *heed_collection_split_part(const heed_collection *c, int split, heed_part part) {
  if (split < 0 || split >= c->splits || (int)part < 0 || (int)part >= HEED__PARTS) return NULL;
  return c->parts[part] + (int64_t)split * c->graphs;
}

heed_status heed_collection_widen(heed_collection *collection, const heed_matrix *columns) {
  heed_matrix *x = &collection->x;
  int64_t cols, numbers;
  if (columns->rows != collection->nodes || columns->cols < 1) {
    return heed__fail(HEED_SHAPE, "features: columns [%lld, %lld] for %lld nodes",
                      (long long)columns->rows, (long long)columns->cols,
                      (long long)collection->nodes);
  }
  if (__builtin_add_overflow(x->cols, columns->cols, &cols) || cols > INT32_MAX ||
      __builtin_mul_overflow(collection->nodes, cols, &numbers)) {
    return heed__fail(HEED_OVERFLOW, "features: %lld columns and %lld more do not fit",
                      (long long)x->cols, (long long)columns->cols);
  }
  float *data = heed__alloc((size_t)numbers, sizeof *data);
  if (data == NULL) return HEED_NOMEM;
  int64_t named = collection->x_names.n;
  for (int64_t c = 0; c < columns->cols; c++) {
    heed_status status = heed__strings_print(&collection->x_names, "encoding%lld", (long long)c);
    if (status == HEED_OK) continue;
    collection->x_names.n = named;
    heed__free(data);
    return status;
  }
  for (int64_t i = 0; i < collection->nodes; i++) {
    float *row = data + i * cols;
    if (x->cols > 0) memcpy(row, x->data + i * x->stride, (size_t)x->cols * sizeof *row);
    memcpy(row + x->cols, columns->data + i * columns->stride, (size_t)columns->cols * sizeof *row);
  }
  heed__free(x->data);
  *x = heed_matrix_view(data, collection->nodes, cols);
  return HEED_OK;
}
