/* Places of nodes in the plane, by igraph. */
#include <heed/graph.h>

#include "base/status.h"
#include "graph/guard.h"

/* Up to so many nodes the distances of all pairs are looked at. */
enum { MOST_KAMADA_KAWAI = 500, ROUNDS = 500 };

typedef struct layout_work {
  const igraph_t *graph;
  double *xy;
  igraph_matrix_t places;
  bool has_places;
} layout_work;

static igraph_error_t lay_out(const igraph_t *graph, igraph_matrix_t *places) {
  heed__int n = igraph_vcount(graph);
  if (n > MOST_KAMADA_KAWAI) {
    return igraph_layout_fruchterman_reingold(graph, places, false, ROUNDS, (double)n / 10,
                                              IGRAPH_LAYOUT_AUTOGRID, NULL, NULL, NULL, NULL, NULL);
  }
  return igraph_layout_kamada_kawai(graph, places, false, 50 * n, 0, n > 0 ? (double)n : 1, NULL,
                                    NULL, NULL, NULL, NULL);
}

static heed_status layout(void *context) {
  layout_work *work = context;
  HEED__TRY(heed__igraph_status(igraph_matrix_init(&work->places, 0, 0), HEED_NOMEM, "layout"));
  work->has_places = true;
  HEED__TRY(heed__igraph_status(lay_out(work->graph, &work->places), HEED_LIBRARY, "layout"));
  for (heed__int i = 0; i < igraph_vcount(work->graph); i++) {
    for (int c = 0; c < 2; c++) work->xy[2 * i + c] = MATRIX(work->places, i, c);
  }
  return HEED_OK;
}

heed_status heed_graph_layout(const igraph_t *graph, uint64_t seed, double *xy) {
  layout_work work = {.graph = graph, .xy = xy};
  heed_status status = heed__igraph_call(layout, &work, seed);
  if (work.has_places) igraph_matrix_destroy(&work.places);
  return status;
}
