/* Edge sets: collections whose nodes are the edges of another. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "data/collection.h"
#include "graph/line.h"

static heed_status name_columns(heed_collection *made, const heed_collection *from) {
  static const char *const prefixes[] = {"sum of ", "difference of "};
  for (int i = 0; i < 2; i++) {
    for (int64_t f = 0; f < from->x.cols; f++) {
      HEED__TRY(heed__strings_print(&made->x_names, "%s%s", prefixes[i],
                                    heed__strings_get(&from->x_names, f)));
    }
  }
  for (int64_t f = 0; f < from->edge_x.cols; f++) {
    HEED__TRY(
        heed__strings_print(&made->x_names, "edge %s", heed__strings_get(&from->edge_x_names, f)));
  }
  for (int64_t f = 0; f < from->x.cols; f++) {
    HEED__TRY(heed__strings_print(&made->edge_x_names, "shared %s",
                                  heed__strings_get(&from->x_names, f)));
  }
  return HEED_OK;
}

/* A copy of n * size bytes, or of nothing. */
static heed_status copy(void *to, const void *from, int64_t n, size_t size) {
  if (from == NULL) return HEED_OK;
  void *made = heed__alloc((size_t)n, size);
  if (made == NULL) return HEED_NOMEM;
  memcpy(made, from, (size_t)n * size);
  memcpy(to, &made, sizeof made);
  return HEED_OK;
}

static heed_status copy_targets(heed_collection *made, const heed_collection *from) {
  int64_t n = from->graphs;
  made->kind = from->kind;
  made->outputs = from->outputs;
  made->of_molecules = from->of_molecules;
  made->skipped = from->skipped;
  HEED__TRY(copy(&made->labels, from->labels, n, sizeof *from->labels));
  HEED__TRY(copy(&made->values.data, from->values.data, n * from->values.cols, sizeof(float)));
  made->values.rows = from->values.rows;
  made->values.cols = made->values.stride = from->values.cols;
  HEED__TRY(copy(&made->hashes, from->hashes, n, sizeof *from->hashes));
  HEED__TRY(copy(&made->molecule, from->molecule, n, sizeof *from->molecule));
  HEED__TRY(copy(&made->scaffold, from->scaffold, n, sizeof *from->scaffold));
  for (int part = 0; part < HEED__PARTS; part++) {
    HEED__TRY(copy(&made->parts[part], from->parts[part], n * from->splits, 1));
  }
  made->splits = from->splits;
  for (int64_t t = 0; t < from->target_names.n; t++) {
    HEED__TRY(
        heed__strings_print(&made->target_names, "%s", heed__strings_get(&from->target_names, t)));
  }
  for (int64_t i = 0; i < from->skips.n; i++) {
    HEED__TRY(heed__strings_print(&made->skips, "%s", heed__strings_get(&from->skips, i)));
  }
  return HEED_OK;
}

/* The graphs, with the joined pairs of their edges; pair p is of edges, which come graph after
 * graph. */
static heed_status add_graphs(heed_collection *made, const heed_collection *from,
                              const int64_t *pairs, int64_t n_pairs) {
  int64_t p = 0;
  HEED__TRY(heed__collection_reserve(made, from->graphs, from->edges + from->graphs, n_pairs));
  for (int64_t g = 0; g < from->graphs; g++) {
    int64_t first = from->edge_ptr[g], end = from->edge_ptr[g + 1], from_pair = p;
    int64_t shift = made->nodes - first;
    while (p < n_pairs && pairs[2 * p + 1] < end) p++;
    HEED__TRY(heed__collection_add(made, end > first ? end - first : 1, p - from_pair,
                                   heed__strings_get(&from->names, g), from->rows[g]));
    for (int64_t i = 2 * from_pair; i < 2 * p; i++) made->ends[i] = pairs[i] + shift;
  }
  return HEED_OK;
}

static void put_features(heed_collection *made, const heed_collection *from, const int64_t *pairs) {
  int64_t n = from->x.cols, edge_n = from->edge_x.cols;
  for (int64_t g = 0; g < from->graphs; g++) {
    for (int64_t e = from->edge_ptr[g]; e < from->edge_ptr[g + 1]; e++) {
      float *x = made->x.data + (made->graph_ptr[g] + e - from->edge_ptr[g]) * made->x.cols;
      const float *a = from->x.data + from->ends[2 * e] * n;
      const float *b = from->x.data + from->ends[2 * e + 1] * n;
      for (int64_t f = 0; f < n; f++) {
        x[f] = a[f] + b[f];
        x[n + f] = fabsf(a[f] - b[f]);
      }
      memcpy(x + 2 * n, from->edge_x.data + e * edge_n, (size_t)edge_n * sizeof *x);
    }
  }
  for (int64_t p = 0; p < made->edges; p++) {
    const int64_t *a = from->ends + 2 * pairs[2 * p], *b = from->ends + 2 * pairs[2 * p + 1];
    int64_t shared = a[0] == b[0] || a[0] == b[1] ? a[0] : a[1];
    memcpy(made->edge_x.data + p * n, from->x.data + shared * n, (size_t)n * sizeof(float));
  }
}

heed_status heed_collection_line_graphs(heed_collection **result, const heed_collection *from) {
  int64_t *pairs, n_pairs;
  *result = NULL;
  HEED__TRY(heed__graph_line(from->nodes, from->ends, from->edges, &pairs, &n_pairs));
  heed_status status =
      heed__collection_empty(result, 2 * from->x.cols + from->edge_x.cols, from->x.cols);
  if (status == HEED_OK) status = name_columns(*result, from);
  if (status == HEED_OK) status = add_graphs(*result, from, pairs, n_pairs);
  if (status == HEED_OK) {
    put_features(*result, from, pairs);
    status = copy_targets(*result, from);
  }
  heed__free(pairs);
  if (status != HEED_OK) {
    heed_collection_free(*result);
    *result = NULL;
  }
  return status;
}
