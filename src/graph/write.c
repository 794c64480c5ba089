#include <string.h>

#include "base/file.h"
#include "base/status.h"
#include "graph/guard.h"

typedef struct write_work {
  const igraph_t *graph;
  const char *path;
  FILE *stream;
  int n_columns;
  const char *const *names;
  const double *const *columns;
  igraph_t copy;
  igraph_vector_int_t ends;
  igraph_vector_t values;
  bool has_copy, has_ends, has_values;
} write_work;

static heed_status from_igraph(const write_work *work, igraph_error_t error) {
  return heed__igraph_status(error, HEED_IO, work->path);
}

/* A graph from before the attribute table cannot carry attributes: its copy is made anew. */
static heed_status copy_graph(write_work *work) {
  if (work->graph->attr != NULL) {
    HEED__TRY(heed__igraph_attributes(work->graph));
    HEED__TRY(from_igraph(work, igraph_copy(&work->copy, work->graph)));
  } else {
    int64_t n_edges = igraph_ecount(work->graph);
    bool directed = igraph_is_directed(work->graph);
    HEED__TRY(from_igraph(work, igraph_vector_int_init(&work->ends, (heed__int)(2 * n_edges))));
    work->has_ends = true;
    for (int64_t e = 0; e < n_edges; e++) {
      int64_t from, to;
      heed__edge_ends(work->graph, directed, e, &from, &to);
      VECTOR(work->ends)[2 * e] = (heed__int)from;
      VECTOR(work->ends)[2 * e + 1] = (heed__int)to;
    }
    HEED__TRY(from_igraph(work, igraph_create(&work->copy, &work->ends,
                                              igraph_vcount(work->graph), directed)));
  }
  work->has_copy = true;
  return heed__igraph_attributes(&work->copy);
}

static heed_status write_graph(void *context) {
  write_work *work = context;
  HEED__TRY(copy_graph(work));
  int64_t n_edges = igraph_ecount(work->graph);
  HEED__TRY(from_igraph(work, igraph_vector_init(&work->values, (heed__int)n_edges)));
  work->has_values = true;
  for (int c = 0; c < work->n_columns; c++) {
    for (int64_t e = 0; e < n_edges; e++) VECTOR(work->values)[e] = work->columns[c][e];
    /* One that is there may be of another type. */
    if (igraph_cattribute_has_attr(&work->copy, IGRAPH_ATTRIBUTE_EDGE, work->names[c])) {
      igraph_cattribute_remove_e(&work->copy, work->names[c]);
    }
    HEED__TRY(from_igraph(work, igraph_cattribute_EAN_setv(&work->copy, work->names[c],
                                                           &work->values)));
  }
  return from_igraph(work, igraph_write_graph_graphml(&work->copy, work->stream, true));
}

heed_status heed_graph_write_graphml(const igraph_t *graph, const char *path, int n_columns,
                                     const char *const *names, const double *const *columns) {
  for (int c = 0; c < n_columns; c++) {
    if (names[c] == NULL || names[c][0] == '\0' || columns[c] == NULL) {
      return heed__fail(HEED_ARGUMENT, "%s: column %d of %d has no name or no values", path, c,
                        n_columns);
    }
  }
  heed__file file;
  HEED__TRY(heed__file_begin(&file, path));
  write_work work;
  memset(&work, 0, sizeof work);
  work.graph = graph;
  work.path = path;
  work.stream = file.stream;
  work.n_columns = n_columns;
  work.names = names;
  work.columns = columns;
  heed_status status = heed__igraph_call(write_graph, &work, 0);
  if (work.has_values) igraph_vector_destroy(&work.values);
  if (work.has_copy) igraph_destroy(&work.copy);
  if (work.has_ends) igraph_vector_int_destroy(&work.ends);
  if (status == HEED_OK) return heed__file_commit(&file);
  heed__file_abandon(&file);
  return status;
}
