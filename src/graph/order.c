/* Orders of nodes that bring together what is read together. */
#include "graph/order.h"

#include <string.h>

#include "base/alloc.h"
#include "base/names.h"
#include "base/status.h"
#include "graph/parts.h"

static const char *const names[] = {"none", "degree", "rcm", "metis", "community", "auto"};
enum { ORDERS = sizeof names / sizeof *names };

const char *heed_order_name(heed_order order) {
  return (unsigned)order < ORDERS ? names[order] : "?";
}

heed_status heed_order_from_name(const char *name, heed_order *order) {
  int i = heed__name_index(names, ORDERS, name);
  if (i < 0) {
    return heed__fail(HEED_ARGUMENT, "no order '%s': none, degree, rcm, metis, community or auto",
                      name);
  }
  *order = (heed_order)i;
  return HEED_OK;
}

/* --- By degree ----------------------------------------------------------------------------- */

/* Counting sort by degree[n], which goes from 0 to n. */
static heed_status sort_by_degree(const int64_t *degree, int64_t n, bool descending,
                                  int64_t *nodes) {
  int64_t *start = heed__alloc_zero((size_t)n + 2, sizeof *start);
  if (start == NULL) return HEED_NOMEM;
  for (int64_t i = 0; i < n; i++) start[(descending ? n - degree[i] : degree[i]) + 1]++;
  for (int64_t d = 0; d <= n; d++) start[d + 1] += start[d];
  for (int64_t i = 0; i < n; i++) nodes[start[descending ? n - degree[i] : degree[i]]++] = i;
  heed__free(start);
  return HEED_OK;
}

heed_status heed__order_by_row(const heed_mask *mask, bool descending, int64_t *nodes) {
  int64_t n = mask->n_queries;
  int64_t *degree = heed__alloc((size_t)n, sizeof *degree);
  if (degree == NULL) return HEED_NOMEM;
  for (int64_t i = 0; i < n; i++) degree[i] = mask->indptr[i + 1] - mask->indptr[i];
  heed_status status = sort_by_degree(degree, n, descending, nodes);
  heed__free(degree);
  return status;
}

/* Those that most queries see come first: they share cache lines and pages. */
static heed_status order_by_use(const heed_mask *mask, int64_t *nodes) {
  int64_t n = mask->n_keys;
  int64_t *degree = heed__alloc_zero((size_t)n, sizeof *degree);
  if (degree == NULL) return HEED_NOMEM;
  for (int64_t p = 0; p < mask->n_pairs; p++) degree[mask->indices[p]]++;
  heed_status status = sort_by_degree(degree, n, true, nodes);
  heed__free(degree);
  return status;
}

/* --- All of them --------------------------------------------------------------------------- */

typedef heed_status method(const heed_mask *mask, int64_t *nodes);

/* Runs a method on the pairs in both directions. */
static heed_status order_symmetric(const heed_mask *mask, method *run, int64_t *nodes) {
  heed_mask room, both;
  heed_status status = heed__mask_both(mask, &room, &both);
  if (status == HEED_OK) status = run(&both, nodes);
  heed_mask_free(&room);
  return status;
}

static void keep_order(int64_t n, int64_t *nodes) {
  for (int64_t i = 0; i < n; i++) nodes[i] = i;
}

heed_status heed_mask_order(const heed_mask *mask, heed_order order, int64_t *nodes) {
  if (mask->n_queries != mask->n_keys) {
    return heed__fail(HEED_SHAPE, "order of a mask of %lld queries but %lld keys",
                      (long long)mask->n_queries, (long long)mask->n_keys);
  }
  switch (order) {
    case HEED_ORDER_NONE:
    case HEED_ORDER_DEGREE:
    case HEED_ORDER_RCM:
    case HEED_ORDER_METIS:
    case HEED_ORDER_COMMUNITY:
      break;
    default:
      return heed__fail(HEED_ARGUMENT, "order %d (%s): not one to compute", (int)order,
                        heed_order_name(order));
  }
  if (order == HEED_ORDER_METIS && !heed_order_has_metis()) {
    return heed__fail(HEED_UNSUPPORTED, "order metis: this build is without METIS");
  }
  if (order == HEED_ORDER_NONE || mask->n_pairs == 0 || heed_mask_is_full(mask) ||
      mask->starts != NULL) {
    keep_order(mask->n_queries, nodes); /* as good as any; of runs, the best there is */
    return HEED_OK;
  }
  if (order == HEED_ORDER_DEGREE) return order_by_use(mask, nodes);
  method *run = order == HEED_ORDER_RCM     ? heed__order_rcm
                : order == HEED_ORDER_METIS ? heed__order_metis
                                            : heed__order_community;
  return order_symmetric(mask, run, nodes);
}

/* --- The one that should pay --------------------------------------------------------------- */

/* Measured with 2 threads, see tests/bench/README.md. Small tables stay in a third-level cache. */
static const double small_table = 4 << 20, large_table = 32 << 20; /* bytes */
static const double small_saved = 10e-9, large_saved = 40e-9;      /* s a pair and 256 bytes found */
static const double small_price = 250e-9, large_price = 500e-9;    /* s a pair to make the order */
static const double window_bytes = 512 << 10;
static const double least_gain = 0.1; /* of the pairs are found that were not */

heed_status heed_mask_order_auto(const heed_mask *mask, size_t row_bytes, double passes,
                                 int64_t *nodes, heed_order *order) {
  double table = (double)mask->n_keys * (double)row_bytes, before, after;
  *order = HEED_ORDER_NONE;
  keep_order(mask->n_queries, nodes);
  if (mask->n_queries != mask->n_keys || heed_mask_is_full(mask) || mask->starts != NULL || mask->n_pairs == 0 ||
      row_bytes == 0 || table < small_table) {
    return HEED_OK;
  }
  bool large = table >= large_table;
  double saved = passes * (double)row_bytes / 256 * (large ? large_saved : small_saved);
  /* Most orders of most graphs save far less than all: the price is risked only where it is small. */
  double least_saved = 4 * (large ? large_price : small_price);
  if (!(saved >= least_saved)) return HEED_OK;
  int64_t window = (int64_t)(window_bytes / (double)row_bytes) + 1;
  HEED__TRY(heed_mask_reuse(mask, NULL, window, &before));
  if (saved * (1 - before) < least_saved) return HEED_OK;
  heed_status status = heed_mask_order(mask, HEED_ORDER_COMMUNITY, nodes);
  if (status == HEED_OK) status = heed_mask_reuse(mask, nodes, window, &after);
  if (status == HEED_OK && after - before >= least_gain) {
    *order = HEED_ORDER_COMMUNITY;
  } else {
    keep_order(mask->n_queries, nodes);
  }
  return status;
}
