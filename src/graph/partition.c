/* Parts of a mask with few pairs between them. */
#include "base/alloc.h"
#include "base/status.h"
#include "graph/order.h"
#include "graph/parts.h"

/* Stretches of the nodes in that order (NULL: as they are), whose lengths differ by one at most. */
static void cut_order(const int64_t *nodes, int64_t n, int32_t parts, int32_t *part) {
  for (int32_t k = 0; k < parts; k++) {
    int64_t end = n / parts * (k + 1) + n % parts * (k + 1) / parts;
    for (int64_t i = n / parts * k + n % parts * k / parts; i < end; i++) {
      part[nodes == NULL ? i : nodes[i]] = k;
    }
  }
}

static heed_status cut_communities(const heed_mask *mask, int32_t parts, int32_t *part) {
  int64_t *nodes = heed__alloc((size_t)mask->n_queries, sizeof *nodes);
  heed_status status = nodes == NULL ? HEED_NOMEM : heed__order_community(mask, nodes);
  if (status == HEED_OK) cut_order(nodes, mask->n_queries, parts, part);
  heed__free(nodes);
  return status;
}

heed_status heed_mask_partition(const heed_mask *mask, int32_t parts, uint64_t seed,
                                int32_t *part) {
  int64_t n = mask->n_queries;
  if (n != mask->n_keys) {
    return heed__fail(HEED_SHAPE, "parts of a mask of %lld queries but %lld keys", (long long)n,
                      (long long)mask->n_keys);
  }
  if (parts < 1 || (parts > 1 && parts > n)) {
    return heed__fail(HEED_RANGE, "%d parts of %lld nodes", (int)parts, (long long)n);
  }
  if (parts == 1 || mask->n_pairs == 0 || mask->indices == NULL) {
    cut_order(NULL, n, parts, part);
    return HEED_OK;
  }
  heed_mask room, both;
  heed_status status = heed__mask_both(mask, &room, &both);
  if (status == HEED_OK) {
    status = heed_order_has_metis() ? heed__partition_metis(&both, parts, seed, part)
                                    : cut_communities(&both, parts, part);
  }
  heed_mask_free(&room);
  return status;
}
