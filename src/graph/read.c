#include <errno.h>
#include <string.h>

#include "base/status.h"
#include "graph/format.h"
#include "graph/guard.h"

typedef struct read_work {
  igraph_t *graph;
  const char *path;
  heed__format format;
  heed__scan scan;
  bool directed;
  FILE *stream;
  igraph_strvector_t problem;
  igraph_vector_int_t label;
  igraph_vector_t capacity;
  bool has_problem, has_label, has_capacity, has_graph;
} read_work;

static heed_status from_igraph(const read_work *work, igraph_error_t error) {
  return heed__igraph_status(error, HEED_FORMAT, work->path);
}

/* Labels of vertices or capacities of edges come along as attributes. */
static heed_status read_dimacs(read_work *work) {
  HEED__TRY(from_igraph(work, igraph_strvector_init(&work->problem, 0)));
  work->has_problem = true;
  HEED__TRY(from_igraph(work, igraph_vector_int_init(&work->label, 0)));
  work->has_label = true;
  HEED__TRY(from_igraph(work, igraph_vector_init(&work->capacity, 0)));
  work->has_capacity = true;
  heed__int source = 0, target = 0;
  HEED__TRY(from_igraph(work, igraph_read_graph_dimacs_flow(
                                  work->graph, work->stream, &work->problem, &work->label,
                                  &source, &target, &work->capacity, work->scan.flow)));
  work->has_graph = true;
  if (work->scan.flow) {
    if (igraph_vector_size(&work->capacity) != igraph_ecount(work->graph)) return HEED_OK;
    HEED__TRY(heed__igraph_attributes(work->graph));
    return from_igraph(work,
                       igraph_cattribute_EAN_setv(work->graph, "capacity", &work->capacity));
  }
  int64_t n = igraph_vector_int_size(&work->label);
  if (n != igraph_vcount(work->graph)) return HEED_OK;
  HEED__TRY(heed__igraph_attributes(work->graph));
  HEED__TRY(from_igraph(work, igraph_vector_resize(&work->capacity, (heed__int)n)));
  for (int64_t i = 0; i < n; i++) VECTOR(work->capacity)[i] = (double)VECTOR(work->label)[i];
  return from_igraph(work, igraph_cattribute_VAN_setv(work->graph, "label", &work->capacity));
}

/* A matrix has every undirected edge twice. */
static heed_status read_dl(read_work *work) {
  bool matrix = work->scan.full_matrix;
  HEED__TRY(from_igraph(work, igraph_read_graph_dl(work->graph, work->stream, matrix)));
  work->has_graph = true;
  if (!matrix) return HEED_OK;
  igraph_attribute_combination_t first;
  HEED__TRY(from_igraph(work, igraph_attribute_combination_init(&first)));
  igraph_error_t error = igraph_attribute_combination_add(
      &first, NULL, IGRAPH_ATTRIBUTE_COMBINE_FIRST, (igraph_function_pointer_t)NULL);
  if (error == IGRAPH_SUCCESS) {
    error = igraph_to_undirected(work->graph, IGRAPH_TO_UNDIRECTED_COLLAPSE, &first);
  }
  igraph_attribute_combination_destroy(&first);
  return from_igraph(work, error);
}

static heed_status read_format(read_work *work) {
  igraph_t *graph = work->graph;
  FILE *stream = work->stream;
  bool directed = work->directed;
  switch (work->format) {
    case HEED__FORMAT_GRAPHML:
      return from_igraph(work, igraph_read_graph_graphml(graph, stream, 0));
    case HEED__FORMAT_GML: return from_igraph(work, igraph_read_graph_gml(graph, stream));
    case HEED__FORMAT_PAJEK: return from_igraph(work, igraph_read_graph_pajek(graph, stream));
    case HEED__FORMAT_DL: return read_dl(work);
    case HEED__FORMAT_DIMACS: return read_dimacs(work);
    case HEED__FORMAT_LGL:
      return from_igraph(work, igraph_read_graph_lgl(graph, stream, true,
                                                     IGRAPH_ADD_WEIGHTS_IF_PRESENT, false));
    case HEED__FORMAT_NCOL:
      return from_igraph(work, igraph_read_graph_ncol(graph, stream, NULL, true,
                                                      IGRAPH_ADD_WEIGHTS_IF_PRESENT, directed));
    case HEED__FORMAT_EDGELIST:
      return from_igraph(work, igraph_read_graph_edgelist(graph, stream, 0, directed));
    default: return from_igraph(work, igraph_read_graph_graphdb(graph, stream, directed));
  }
}

static heed_status read_graph(void *context) {
  read_work *work = context;
  HEED__TRY(read_format(work));
  work->has_graph = true;
  int64_t n = igraph_vcount(work->graph), declared = work->scan.declared;
  if (declared >= 0 && n > declared) {
    /* igraph makes up nodes that only edges name. */
    return heed__fail(HEED_RANGE, "%s: %lld nodes are declared, but the edges name %lld",
                      work->path, (long long)declared, (long long)n);
  }
  return HEED_OK;
}

static heed_status read_text(igraph_t *graph, heed__text *text, const char *path,
                             const char *format, bool directed) {
  read_work work;
  memset(&work, 0, sizeof work);
  work.graph = graph;
  work.path = path;
  work.directed = directed;
  HEED__TRY(heed__format_find(text, path, format, &work.format));
  HEED__TRY(heed__format_scan(text, path, work.format, &work.scan));
  work.stream = fmemopen(text->bytes, text->size, "rb");
  if (work.stream == NULL) {
    return heed__fail(HEED_IO, "%s: cannot be read: %s", path, strerror(errno));
  }
  heed_status status = heed__igraph_call(read_graph, &work, 0);
  (void)fclose(work.stream);
  if (work.has_capacity) igraph_vector_destroy(&work.capacity);
  if (work.has_label) igraph_vector_int_destroy(&work.label);
  if (work.has_problem) igraph_strvector_destroy(&work.problem);
  if (status != HEED_OK && work.has_graph) igraph_destroy(graph);
  return status;
}

heed_status heed_graph_read(igraph_t *graph, const char *path, const char *format, bool directed) {
  heed__text text;
  HEED__TRY(heed__text_read(&text, path));
  heed_status status = read_text(graph, &text, path, format, directed);
  heed__text_free(&text);
  return status;
}
