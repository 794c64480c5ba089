/* Token ids as rows of sparse features. */
#include <heed/sequence.h>

#include "base/status.h"

int64_t heed_embedding_columns(const heed_embedding *e) {
  return e->tokens + e->positions + e->segments;
}

int64_t heed_embedding_values(const heed_embedding *e, int64_t n) {
  return n * (1 + (e->positions > 0) + (e->segments > 0));
}

static heed_status check(const heed_embedding *e, int64_t sequences, const int64_t *ptr) {
  int64_t most = INT32_MAX;
  if (e->tokens < 1 || e->positions < 0 || e->segments < 0 || e->tokens > most ||
      e->positions > most || e->segments > most || heed_embedding_columns(e) > most) {
    return heed__fail(HEED_RANGE, "embedding: %lld tokens, %lld positions, %lld segments",
                      (long long)e->tokens, (long long)e->positions, (long long)e->segments);
  }
  if (sequences < 0 || ptr == NULL || ptr[0] != 0) {
    return heed__fail(HEED_ARGUMENT, "embedding: %lld sequences that begin at %lld, not at 0",
                      (long long)sequences, ptr == NULL ? -1LL : (long long)ptr[0]);
  }
  for (int64_t s = 0; s < sequences; s++) {
    if (ptr[s + 1] < ptr[s]) {
      return heed__fail(HEED_RANGE, "embedding: sequence %lld ends at %lld, before its start %lld",
                        (long long)s, (long long)ptr[s + 1], (long long)ptr[s]);
    }
    if (e->positions > 0 && ptr[s + 1] - ptr[s] > e->positions) {
      return heed__fail(HEED_RANGE, "embedding: sequence %lld of %lld tokens, but there are %lld "
                        "positions",
                        (long long)s, (long long)(ptr[s + 1] - ptr[s]), (long long)e->positions);
    }
  }
  return HEED_OK;
}

static heed_status no_column(const char *what, int32_t id, int64_t s, int64_t at, int64_t most) {
  return heed__fail(HEED_RANGE, "embedding: sequence %lld, place %lld: %s %d, not between 0 and %lld",
                    (long long)s, (long long)at, what, (int)id, (long long)most - 1);
}

heed_status heed_embedding_features(const heed_embedding *e, int64_t sequences, const int64_t *ptr,
                                    const int32_t *tokens, const int32_t *segments, int64_t *indptr,
                                    int32_t *indices, heed_csr *features) {
  HEED__TRY(check(e, sequences, ptr));
  int64_t at = 0;
  indptr[0] = 0;
  for (int64_t s = 0; s < sequences; s++) {
    for (int64_t i = ptr[s]; i < ptr[s + 1]; i++) {
      int32_t segment = segments == NULL ? 0 : segments[i];
      if (tokens[i] < 0 || tokens[i] >= e->tokens) {
        return no_column("token", tokens[i], s, i - ptr[s], e->tokens);
      }
      if (e->segments > 0 && (segment < 0 || segment >= e->segments)) {
        return no_column("segment", segment, s, i - ptr[s], e->segments);
      }
      indices[at++] = tokens[i];
      if (e->positions > 0) indices[at++] = (int32_t)(e->tokens + i - ptr[s]);
      if (e->segments > 0) indices[at++] = (int32_t)(e->tokens + e->positions + segment);
      indptr[i + 1] = at;
    }
  }
  *features = (heed_csr){.rows = ptr[sequences],
                         .cols = heed_embedding_columns(e),
                         .indptr = indptr,
                         .indices = indices};
  return HEED_OK;
}
