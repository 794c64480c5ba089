#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "mask/mask.h"

/* The degree that has `rank` degrees below it or equal before it in ascending order. */
static int64_t degree_of_rank(const int64_t *rows_of_degree, int64_t rank) {
  int64_t degree = 0;
  for (int64_t rows = rows_of_degree[0]; rows <= rank; rows += rows_of_degree[degree]) degree++;
  return degree;
}

static heed_status find_median(const heed_mask *mask, heed_mask_stats *stats) {
  int64_t n = mask->n_queries;
  int64_t *rows_of_degree =
      heed__alloc_zero((size_t)stats->max_degree + 1, sizeof *rows_of_degree);
  if (rows_of_degree == NULL) return HEED_NOMEM;
  for (int64_t i = 0; i < n; i++) rows_of_degree[mask->indptr[i + 1] - mask->indptr[i]]++;
  stats->median_degree = 0.5 * (double)degree_of_rank(rows_of_degree, (n - 1) / 2) +
                         0.5 * (double)degree_of_rank(rows_of_degree, n / 2);
  heed__free(rows_of_degree);
  return HEED_OK;
}

heed_status heed_mask_statistics(const heed_mask *mask, heed_mask_stats *stats) {
  *stats = (heed_mask_stats){0};
  int64_t n = mask->n_queries, keys = mask->n_keys;
  if (n == 0) return HEED_OK;
  heed_mask_stats found = {.pairs = mask->n_pairs, .min_degree = keys};
  found.mean_degree = (double)mask->n_pairs / (double)n;
  if (keys > 0) found.density = found.mean_degree / (double)keys;
  if (heed_mask_is_full(mask)) {
    found.empty_rows = keys == 0 ? n : 0;
    found.self_pairs = n < keys ? n : keys;
    found.median_degree = (double)keys;
    found.max_degree = keys;
  } else {
    for (int64_t i = 0; i < n; i++) {
      int64_t degree = mask->indptr[i + 1] - mask->indptr[i];
      found.empty_rows += degree == 0;
      if (degree < found.min_degree) found.min_degree = degree;
      if (degree > found.max_degree) found.max_degree = degree;
      if (heed__mask_is_runs(mask)) {
        found.self_pairs += i >= mask->starts[i] && i < mask->starts[i] + degree;
        continue;
      }
      for (int64_t p = mask->indptr[i]; p < mask->indptr[i + 1] && mask->indices[p] <= i; p++) {
        found.self_pairs += mask->indices[p] == i;
      }
    }
    HEED__TRY(find_median(mask, &found));
  }
  *stats = found;
  return HEED_OK;
}
