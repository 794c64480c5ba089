/* Reverse Cuthill-McKee (Cuthill and McKee 1969, reversed by George 1971), every component from a
 * pseudo-peripheral node (George and Liu 1979). */
#include "base/alloc.h"
#include "base/status.h"
#include "graph/order.h"

typedef struct search {
  const heed_mask *mask; /* nodes numbered by degree, so that the neighbours of a row ascend by it */
  int64_t *order;        /* what was reached, component after component */
  int32_t *seen;         /* by which search; 0: none */
  int32_t searches;
} search;

/* The nodes that are reached from `root`, level by level, as order[first..end). Returns how many
 * levels there are; *last is where the last one begins. */
static int64_t levels_from(search *s, int64_t root, int64_t first, int64_t *last, int64_t *end) {
  const heed_mask *mask = s->mask;
  int64_t levels = 0, level_end = first, put = first, stamp = ++s->searches;
  s->order[put++] = root;
  s->seen[root] = (int32_t)stamp;
  for (int64_t at = first; at < put; at++) {
    if (at == level_end) {
      *last = at;
      level_end = put;
      levels++;
    }
    int64_t i = s->order[at];
    for (int64_t p = mask->indptr[i]; p < mask->indptr[i + 1]; p++) {
      int32_t j = mask->indices[p];
      if (s->seen[j] == stamp) continue;
      s->seen[j] = (int32_t)stamp;
      s->order[put++] = j;
    }
  }
  *end = put;
  return levels;
}

/* The component of `root`, in Cuthill-McKee order from a node with as many levels as can be found
 * quickly: from the node of least degree in the last level, while that gives more levels. Returns
 * where it ends. */
static int64_t order_component(search *s, int64_t root, int64_t first) {
  int64_t last = first, end = first;
  int64_t levels = levels_from(s, root, first, &last, &end);
  while (levels > 1) {
    int64_t next = s->order[last], more, other_last = first;
    for (int64_t at = last; at < end; at++) {
      if (s->order[at] < next) next = s->order[at]; /* numbers ascend by degree */
    }
    more = levels_from(s, next, first, &other_last, &end);
    if (more <= levels) break;
    levels = more;
    last = other_last;
  }
  return end;
}

heed_status heed__order_rcm(const heed_mask *mask, int64_t *nodes) {
  int64_t n = mask->n_queries;
  heed_mask ranked = {0};
  int64_t *by_degree = heed__alloc((size_t)n, sizeof *by_degree);
  search s = {.mask = &ranked,
              .order = heed__alloc((size_t)n, sizeof *s.order),
              .seen = heed__alloc_zero((size_t)n, sizeof *s.seen)};
  heed_status status =
      by_degree == NULL || s.order == NULL || s.seen == NULL ? HEED_NOMEM : HEED_OK;
  if (status == HEED_OK) status = heed__order_by_row(mask, false, by_degree);
  if (status == HEED_OK) status = heed_mask_permute(&ranked, mask, by_degree, by_degree, NULL);
  if (status == HEED_OK) {
    int64_t end = 0;
    for (int64_t root = 0; root < n; root++) {
      if (s.seen[root] == 0) end = order_component(&s, root, end);
    }
    for (int64_t i = 0; i < n; i++) nodes[i] = by_degree[s.order[n - 1 - i]];
  }
  heed_mask_free(&ranked);
  heed__free(s.seen);
  heed__free(s.order);
  heed__free(by_degree);
  return status;
}
