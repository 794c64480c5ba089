/* Parts of about the size of a cache with few pairs between them (Karypis and Kumar 1998), by
 * METIS. */
#include "config.h"

#include <limits.h>

#include "base/alloc.h"
#include "base/status.h"
#include "graph/order.h"

#ifndef HEED_HAVE_METIS

bool heed_order_has_metis(void) { return false; }

heed_status heed__order_metis(const heed_mask *mask, int64_t *nodes) {
  (void)mask, (void)nodes;
  return heed__fail(HEED_UNSUPPORTED, "order metis: this build is without METIS");
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

heed_status heed__order_metis(const heed_mask *mask, int64_t *nodes) {
  int64_t n = mask->n_queries;
  if (mask->n_pairs > MOST) {
    return heed__fail(HEED_OVERFLOW, "order metis: %lld pairs, but METIS takes %lld at most",
                      (long long)mask->n_pairs, (long long)MOST);
  }
  idx_t count = (idx_t)n, constraints = 1, cut, options[METIS_NOPTIONS];
  idx_t parts = (idx_t)((n + NODES_A_PART - 1) / NODES_A_PART);
  for (int64_t i = 0; i < n; i++) nodes[i] = i;
  if (parts < 2) return HEED_OK;
  METIS_SetDefaultOptions(options);
  options[METIS_OPTION_SEED] = 1;
  idx_t *start = heed__alloc((size_t)n + 1, sizeof *start);
  idx_t *neighbours = heed__alloc((size_t)mask->n_pairs, sizeof *neighbours);
  idx_t *part = heed__alloc((size_t)n, sizeof *part);
  heed_status status = start == NULL || neighbours == NULL || part == NULL ? HEED_NOMEM : HEED_OK;
  if (status == HEED_OK) {
    copy_graph(mask, start, neighbours);
    int code = METIS_PartGraphKway(&count, &constraints, start, neighbours, NULL, NULL, NULL,
                                   &parts, NULL, NULL, options, &cut, part);
    if (code == METIS_OK) {
      sort_by_part(part, n, start, parts, nodes);
    } else {
      status = heed__fail(code == METIS_ERROR_MEMORY ? HEED_NOMEM : HEED_LIBRARY,
                          "order metis: METIS reports error %d", code);
    }
  }
  heed__free(part);
  heed__free(neighbours);
  heed__free(start);
  return status;
}

#endif
