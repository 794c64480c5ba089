/* Parts of about the size of a cache with few pairs between them (Karypis and Kumar 1998), by
 * METIS. */
#include "config.h"

#include <limits.h>
#include <pthread.h>

#include "base/alloc.h"
#include "base/status.h"
#include "graph/order.h"

#ifndef HEED_HAVE_METIS

bool heed_order_has_metis(void) { return false; }

heed_status heed__order_metis(const heed_mask *mask, int64_t *nodes) {
  (void)mask, (void)nodes;
  return heed__fail(HEED_UNSUPPORTED, "order metis: this build is without METIS");
}

heed_status heed__partition_metis(const heed_mask *mask, int32_t parts, uint64_t seed,
                                  int32_t *part) {
  (void)mask, (void)parts, (void)seed, (void)part;
  return heed__fail(HEED_UNSUPPORTED, "parts: this build is without METIS");
}

#else

#include <metis.h>

bool heed_order_has_metis(void) { return true; }

/* Nodes in a part: their rows of 256 bytes fill half a second-level cache of 1 MiB. */
enum { NODES_A_PART = 2048 };

/* The most that METIS can number. */
#if IDXTYPEWIDTH == 32
#define MOST INT32_MAX
#else
#define MOST INT64_MAX
#endif

/* The graph as METIS has it: no self-loops. */
static void copy_graph(const heed_mask *mask, idx_t *start, idx_t *neighbours) {
  idx_t put = 0;
  for (int64_t i = 0; i < mask->n_queries; i++) {
    start[i] = put;
    for (int64_t p = mask->indptr[i]; p < mask->indptr[i + 1]; p++) {
      if (mask->indices[p] != i) neighbours[put++] = mask->indices[p];
    }
  }
  start[mask->n_queries] = put;
}

/* Nodes by part; of one part as they were. start[parts + 1] is scratch. */
static void sort_by_part(const idx_t *part, int64_t n, idx_t *start, idx_t parts, int64_t *nodes) {
  for (idx_t k = 0; k <= parts; k++) start[k] = 0;
  for (int64_t i = 0; i < n; i++) start[part[i] + 1]++;
  for (idx_t k = 0; k < parts; k++) start[k + 1] += start[k];
  for (int64_t i = 0; i < n; i++) nodes[start[part[i]]++] = i;
}

/* METIS keeps its room of a call in variables of its own, not of the thread in every build. */
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

/* part[n], for heed__free(). */
static heed_status cut(const heed_mask *mask, idx_t parts, idx_t seed, const char *what,
                       idx_t *part) {
  int64_t n = mask->n_queries;
  if (mask->n_pairs > MOST) {
    return heed__fail(HEED_OVERFLOW, "%s: %lld pairs, but METIS takes %lld at most", what,
                      (long long)mask->n_pairs, (long long)MOST);
  }
  idx_t count = (idx_t)n, constraints = 1, edges, options[METIS_NOPTIONS];
  METIS_SetDefaultOptions(options);
  options[METIS_OPTION_SEED] = seed;
  idx_t *start = heed__alloc((size_t)n + 1, sizeof *start);
  idx_t *neighbours = heed__alloc((size_t)mask->n_pairs, sizeof *neighbours);
  heed_status status = start == NULL || neighbours == NULL ? HEED_NOMEM : HEED_OK;
  if (status == HEED_OK) {
    copy_graph(mask, start, neighbours);
    pthread_mutex_lock(&one_at_a_time);
    int code = METIS_PartGraphKway(&count, &constraints, start, neighbours, NULL, NULL, NULL,
                                   &parts, NULL, NULL, options, &edges, part);
    pthread_mutex_unlock(&one_at_a_time);
    if (code != METIS_OK) {
      status = heed__fail(code == METIS_ERROR_MEMORY ? HEED_NOMEM : HEED_LIBRARY,
                          "%s: METIS reports error %d", what, code);
    }
  }
  heed__free(neighbours);
  heed__free(start);
  return status;
}

heed_status heed__order_metis(const heed_mask *mask, int64_t *nodes) {
  int64_t n = mask->n_queries;
  idx_t parts = (idx_t)((n + NODES_A_PART - 1) / NODES_A_PART);
  for (int64_t i = 0; i < n; i++) nodes[i] = i;
  if (parts < 2) return HEED_OK;
  idx_t *part = heed__alloc((size_t)n, sizeof *part);
  idx_t *start = heed__alloc((size_t)parts + 2, sizeof *start);
  heed_status status = part == NULL || start == NULL ? HEED_NOMEM : HEED_OK;
  if (status == HEED_OK) status = cut(mask, parts, 1, "order metis", part);
  if (status == HEED_OK) sort_by_part(part, n, start, parts, nodes);
  heed__free(start);
  heed__free(part);
  return status;
}

heed_status heed__partition_metis(const heed_mask *mask, int32_t parts, uint64_t seed,
                                  int32_t *part) {
  int64_t n = mask->n_queries;
  idx_t *wide = heed__alloc((size_t)n, sizeof *wide);
  heed_status status = wide == NULL ? HEED_NOMEM : HEED_OK;
  /* A seed that METIS can hold, another one for another seed nearly always. */
  if (status == HEED_OK) status = cut(mask, parts, (idx_t)((seed ^ seed >> 32) & INT32_MAX), "parts", wide);
  for (int64_t i = 0; status == HEED_OK && i < n; i++) part[i] = (int32_t)wide[i];
  heed__free(wide);
  return status;
}

#endif
