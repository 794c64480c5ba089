/* What differs between igraph 0.10 and 1.0, in one place. */
#ifndef HEED_SRC_GRAPH_IGRAPH_COMPAT_H
#define HEED_SRC_GRAPH_IGRAPH_COMPAT_H

#include <igraph.h>

#if IGRAPH_VERSION_MAJOR >= 1
typedef igraph_int_t heed__int;
#define HEED__INT_MAX IGRAPH_INTEGER_MAX

static inline igraph_error_t heed__igraph_gnp(igraph_t *graph, heed__int n, double p) {
  return igraph_erdos_renyi_game_gnp(graph, n, p, IGRAPH_UNDIRECTED, IGRAPH_SIMPLE_SW, false);
}
static inline igraph_error_t heed__igraph_gnm(igraph_t *graph, heed__int n, heed__int m) {
  return igraph_erdos_renyi_game_gnm(graph, n, m, IGRAPH_UNDIRECTED, IGRAPH_SIMPLE_SW, false);
}
static inline igraph_error_t heed__igraph_sbm(igraph_t *graph, heed__int n,
                                              const igraph_matrix_t *probabilities,
                                              const igraph_vector_int_t *sizes) {
  (void)n;
  return igraph_sbm_game(graph, probabilities, sizes, IGRAPH_UNDIRECTED, IGRAPH_SIMPLE_SW);
}
/* The default generator is a pointer. */
typedef igraph_rng_t *heed__saved_rng;
static inline heed__saved_rng heed__igraph_use_rng(igraph_rng_t *rng) {
  return igraph_rng_set_default(rng);
}
static inline void heed__igraph_restore_rng(heed__saved_rng *saved) {
  (void)igraph_rng_set_default(*saved);
}
#else
typedef igraph_integer_t heed__int;
#define HEED__INT_MAX IGRAPH_INTEGER_MAX

static inline igraph_error_t heed__igraph_gnp(igraph_t *graph, heed__int n, double p) {
  return igraph_erdos_renyi_game_gnp(graph, n, p, IGRAPH_UNDIRECTED, IGRAPH_NO_LOOPS);
}
static inline igraph_error_t heed__igraph_gnm(igraph_t *graph, heed__int n, heed__int m) {
  return igraph_erdos_renyi_game_gnm(graph, n, m, IGRAPH_UNDIRECTED, IGRAPH_NO_LOOPS);
}
static inline igraph_error_t heed__igraph_sbm(igraph_t *graph, heed__int n,
                                              const igraph_matrix_t *probabilities,
                                              const igraph_vector_int_t *sizes) {
  return igraph_sbm_game(graph, n, probabilities, sizes, IGRAPH_UNDIRECTED, IGRAPH_NO_LOOPS);
}
/* The default generator is a structure that is copied. */
typedef igraph_rng_t heed__saved_rng;
static inline heed__saved_rng heed__igraph_use_rng(igraph_rng_t *rng) {
  igraph_rng_t saved = *igraph_rng_default();
  igraph_rng_set_default(rng);
  return saved;
}
static inline void heed__igraph_restore_rng(heed__saved_rng *saved) {
  igraph_rng_set_default(saved);
}
#endif

#endif
