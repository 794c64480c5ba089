#include "graph/parts.h"

#include <string.h>

#include "base/alloc.h"
#include "base/status.h"

static int32_t find_root(int32_t *parent, int32_t i) {
  while (parent[i] != i) {
    parent[i] = parent[parent[i]];
    i = parent[i];
  }
  return i;
}

heed_status heed__parts_find(heed__parts *parts, const heed_mask *mask) {
  int64_t n = mask->n_queries;
  *parts = (heed__parts){.part = heed__alloc((size_t)n, sizeof *parts->part),
                         .nodes = heed__alloc((size_t)n, sizeof *parts->nodes),
                         .start = heed__alloc_zero((size_t)n + 2, sizeof *parts->start)};
  if (parts->part == NULL || parts->nodes == NULL || parts->start == NULL) return HEED_NOMEM;
  int32_t *part = parts->part;
  for (int64_t i = 0; i < n; i++) part[i] = (int32_t)i;
  for (int64_t i = 0; i < n; i++) {
    for (int64_t p = mask->indptr[i]; p < mask->indptr[i + 1]; p++) {
      int32_t x = find_root(part, (int32_t)i), y = find_root(part, mask->indices[p]);
      if (x < y) part[y] = x; /* the first node stays the root */
      if (y < x) part[x] = y;
    }
  }
  for (int64_t i = 0; i < n; i++) part[i] = find_root(part, (int32_t)i);
  /* Roots come before what hangs on them and turn into numbers, below 0 so that they are no parents. */
  for (int64_t i = 0; i < n; i++) part[i] = part[i] == i ? -1 - (int32_t)parts->count++ : part[part[i]];
  for (int64_t i = 0; i < n; i++) parts->start[(part[i] = -1 - part[i]) + 2]++;
  for (int64_t c = 0; c < parts->count; c++) parts->start[c + 2] += parts->start[c + 1];
  for (int64_t i = 0; i < n; i++) parts->nodes[parts->start[part[i] + 1]++] = (int32_t)i;
  return HEED_OK;
}

void heed__parts_free(heed__parts *parts) {
  heed__free(parts->part);
  heed__free(parts->nodes);
  heed__free(parts->start);
  *parts = (heed__parts){0};
}

/* The mask without what stands behind its pairs, its transpose, and whether they are the same. */
static heed_status turn(const heed_mask *mask, heed_mask *plain, heed_mask *back, bool *same) {
  *plain = (heed_mask){.n_queries = mask->n_queries,
                       .n_keys = mask->n_keys,
                       .n_pairs = mask->n_pairs,
                       .indptr = mask->indptr,
                       .indices = mask->indices};
  HEED__TRY(heed_mask_transpose(back, plain, NULL));
  size_t rows = (size_t)plain->n_queries + 1, pairs = (size_t)plain->n_pairs;
  *same = memcmp(back->indptr, plain->indptr, rows * sizeof *plain->indptr) == 0 &&
          (pairs == 0 || memcmp(back->indices, plain->indices, pairs * sizeof *plain->indices) == 0);
  return HEED_OK;
}

heed_status heed__mask_is_symmetric(const heed_mask *mask, bool *symmetric) {
  heed_mask plain, back;
  HEED__TRY(turn(mask, &plain, &back, symmetric));
  heed_mask_free(&back);
  return HEED_OK;
}

heed_status heed__mask_both(const heed_mask *mask, heed_mask *room, heed_mask *both) {
  heed_mask back;
  bool same;
  *room = (heed_mask){0};
  HEED__TRY(turn(mask, both, &back, &same));
  heed_status status = same ? HEED_OK : heed_mask_union(room, both, &back);
  heed_mask_free(&back);
  if (!same) *both = *room;
  return status;
}
