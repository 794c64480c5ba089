/* Batches of a large mask: rows with drawn keys, or all pairs among some nodes, renumbered. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/random.h"
#include "base/status.h"
#include "mask/mask.h"

/* What is drawn comes from streams from here on; parameters, dropout and orders have the lower ones. */
static const uint64_t first_stream = (uint64_t)1 << 34;

/* Rows below which threads cost more than they bring. */
enum { FEW_ROWS = 512 };

struct heed_sampler {
  heed_mask mask; /* arrays are the caller's */
  int hops;
  int32_t fanouts[HEED_MAX_HOPS];
  uint64_t seed;
  int32_t *place;  /* [nodes of the mask] the row of each in the batch at hand; -1, also between calls */
  uint64_t *marks; /* a bit a node: seen for the first time in this hop; 0 between calls */
  int64_t n;       /* nodes of the batch at hand */
  int64_t room_nodes, room_pairs;
  int32_t *nodes;   /* [room_nodes] */
  int64_t *indptr;  /* [room_nodes + 1] */
  int64_t *pairs;   /* [room_pairs] */
  int32_t *indices; /* [room_pairs] */
  uint64_t *codes;  /* [room_pairs] row of the key, then its place in the row of the mask: for sorting */
  uint64_t key, stream; /* of the numbers of this batch */
};

static int64_t words_of(int64_t n) { return n / 64 + 1; }

/* --- Rows of the whole mask ---------------------------------------------------------------- */

static int64_t degree_of(const heed_mask *mask, int64_t i) {
  int64_t first;
  return heed__mask_row(mask, i, &first);
}

/* The place of pair (i, i) in row i; -1: there is none. */
static int64_t self_of(const heed_mask *mask, int64_t i) {
  int64_t pair = heed__mask_find(mask, i, i);
  return pair < 0 ? -1 : pair - heed__mask_first_pair(mask, i);
}

/* --- Memory -------------------------------------------------------------------------------- */

/* At least `wanted` things, with some to spare for batches to come. */
static int64_t larger(int64_t room, int64_t wanted) {
  int64_t more = room + room / 4;
  return more > wanted ? more : wanted;
}

static heed_status make_nodes(heed_sampler *s, int64_t wanted) {
  if (wanted <= s->room_nodes && s->indptr != NULL) return HEED_OK;
  int64_t room = larger(s->room_nodes, wanted);
  if (room > s->mask.n_queries) room = s->mask.n_queries;
  int32_t *nodes = heed__realloc(s->nodes, (size_t)room, sizeof *nodes);
  if (nodes == NULL) return HEED_NOMEM;
  s->nodes = nodes;
  int64_t *indptr = heed__realloc(s->indptr, (size_t)room + 1, sizeof *indptr);
  if (indptr == NULL) return HEED_NOMEM;
  s->indptr = indptr;
  s->room_nodes = room;
  return HEED_OK;
}

static heed_status make_pairs(heed_sampler *s, int64_t wanted) {
  if (wanted <= s->room_pairs) return HEED_OK;
  int64_t room = larger(s->room_pairs, wanted);
  int64_t *pairs = heed__realloc(s->pairs, (size_t)room, sizeof *pairs);
  if (pairs == NULL) return HEED_NOMEM;
  s->pairs = pairs;
  int32_t *indices = heed__realloc(s->indices, (size_t)room, sizeof *indices);
  if (indices == NULL) return HEED_NOMEM;
  s->indices = indices;
  uint64_t *codes = heed__realloc(s->codes, (size_t)room, sizeof *codes);
  if (codes == NULL) return HEED_NOMEM;
  s->codes = codes;
  s->room_pairs = room;
  return HEED_OK;
}

size_t heed_sampler_bytes(const heed_sampler *s) {
  size_t nodes = (size_t)s->mask.n_queries;
  return sizeof *s + nodes * sizeof *s->place +
         (size_t)words_of(s->mask.n_queries) * sizeof *s->marks +
         (size_t)s->room_nodes * (sizeof *s->nodes + sizeof *s->indptr) +
         (size_t)s->room_pairs * (sizeof *s->pairs + sizeof *s->indices + sizeof *s->codes);
}

/* --- Drawing ------------------------------------------------------------------------------- */

/* `want` of the numbers 0 to n - 1, each set of them as likely as any other, ascending (Floyd's algorithm, in
 * Bentley 1987). */
static void draw_places(const heed_sampler *s, int64_t node, int64_t n, int64_t want,
                        int64_t *into) {
  int64_t have = 0;
  for (int64_t last = n - want; last < n; last++, have++) {
    int64_t drawn = heed__random_below(s->key, s->stream, (uint64_t)node << 32, have, last + 1), low = 0, high = have;
    while (low < high) {
      int64_t middle = low + (high - low) / 2;
      if (into[middle] < drawn) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    if (low < have && into[low] == drawn) { /* taken: the last one, above all before, in its place */
      into[have] = last;
      continue;
    }
    memmove(into + low + 1, into + low, (size_t)(have - low) * sizeof *into);
    into[low] = drawn;
  }
}

/* Pairs that a row keeps, beside its own. */
static int64_t kept_of(int64_t others, int32_t fanout) {
  return fanout < 0 || others < fanout ? others : fanout;
}

/* Writes the places in the row of `node` that stay to s->pairs and their keys to s->indices, from pair `at` on. */
static void draw_row(heed_sampler *s, int64_t node, int32_t fanout, int64_t at) {
  const heed_mask *mask = &s->mask;
  int64_t self = self_of(mask, node), others = degree_of(mask, node) - (self >= 0);
  int64_t n = kept_of(others, fanout), *places = s->pairs + at;
  if (n == others) {
    for (int64_t k = 0; k < n + (self >= 0); k++) places[k] = k;
  } else {
    draw_places(s, node, others, n, places);
    int64_t k = n; /* those behind the own pair move on, and it comes in between */
    if (self >= 0) {
      for (; k > 0 && places[k - 1] >= self; k--) places[k] = places[k - 1] + 1;
      places[k] = self;
    }
  }
  for (int64_t k = 0; k < n + (self >= 0); k++) s->indices[at + k] = heed__mask_key(mask, node, places[k]);
}

/* Runs BODY over row r from `from` to `to`, by many threads where there are many. */
#define OVER_ROWS(from, to, BODY)                                             \
  do {                                                                        \
    int64_t from_ = (from), to_ = (to);                                       \
    int threads_ = to_ - from_ < FEW_ROWS ? 1 : heed_threads();               \
    (void)threads_;                                                           \
    _Pragma("omp parallel for num_threads(threads_) schedule(dynamic, 256)")  \
    for (int64_t r = from_; r < to_; r++) BODY                                \
  } while (0)

/* Counts in indptr[r + 1] become row pointers. */
static void add_up(heed_sampler *s, int64_t from, int64_t to) {
  for (int64_t r = from; r < to; r++) s->indptr[r + 1] += s->indptr[r];
}

/* Rows [from, s->n) of the batch with `fanout`. */
static heed_status draw_rows(heed_sampler *s, int64_t from, int32_t fanout) {
  const heed_mask *mask = &s->mask;
  OVER_ROWS(from, s->n, {
    int64_t own = self_of(mask, s->nodes[r]) >= 0;
    s->indptr[r + 1] = own + kept_of(degree_of(mask, s->nodes[r]) - own, fanout);
  });
  add_up(s, from, s->n);
  HEED__TRY(make_pairs(s, s->indptr[s->n]));
  OVER_ROWS(from, s->n, draw_row(s, s->nodes[r], fanout, s->indptr[r]););
  return HEED_OK;
}

/* Appends the keys of the rows [from, s->n) that the batch does not have yet, ascending. */
static heed_status reach(heed_sampler *s, int64_t from) {
  int64_t words = words_of(s->mask.n_queries), more = 0;
  for (int64_t p = s->indptr[from]; p < s->indptr[s->n]; p++) {
    int32_t key = s->indices[p];
    if (s->place[key] < 0) s->marks[key / 64] |= (uint64_t)1 << key % 64;
  }
  for (int64_t w = 0; w < words; w++) more += __builtin_popcountll(s->marks[w]);
  heed_status status = make_nodes(s, s->n + more);
  for (int64_t w = 0; w < words; w++) {
    uint64_t bits = s->marks[w];
    s->marks[w] = 0;
    for (; status == HEED_OK && bits != 0; bits &= bits - 1) {
      int32_t node = (int32_t)(w * 64 + __builtin_ctzll(bits));
      s->place[node] = (int32_t)s->n;
      s->nodes[s->n++] = node;
    }
  }
  return status;
}

/* --- Renumbering --------------------------------------------------------------------------- */

static int ascending(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

static void sort(uint64_t *codes, int64_t n) {
  enum { SHORT = 48 };
  if (n > SHORT) {
    qsort(codes, (size_t)n, sizeof *codes, ascending);
    return;
  }
  for (int64_t i = 1; i < n; i++) {
    uint64_t code = codes[i];
    int64_t at = i;
    for (; at > 0 && codes[at - 1] > code; at--) codes[at] = codes[at - 1];
    codes[at] = code;
  }
}

/* Row r of the batch in its own numbers; s->pairs holds places in the row of the mask, s->indices keys there. */
static void renumber_row(heed_sampler *s, int64_t r) {
  int64_t from = s->indptr[r], n = s->indptr[r + 1] - from, first = heed__mask_first_pair(&s->mask, s->nodes[r]);
  uint64_t *codes = s->codes + from;
  for (int64_t k = 0; k < n; k++) {
    codes[k] = (uint64_t)s->place[s->indices[from + k]] << 32 | (uint64_t)s->pairs[from + k];
  }
  sort(codes, n);
  for (int64_t k = 0; k < n; k++) {
    s->indices[from + k] = (int32_t)(codes[k] >> 32);
    s->pairs[from + k] = first + (int64_t)(codes[k] & UINT32_MAX);
  }
}

/* --- Batches ------------------------------------------------------------------------------- */

static void forget(heed_sampler *s) {
  for (int64_t r = 0; r < s->n; r++) s->place[s->nodes[r]] = -1;
  s->n = 0;
}

/* The first nodes of a batch. */
static heed_status start(heed_sampler *s, const int64_t *nodes, int64_t n) {
  int64_t all = s->mask.n_queries;
  if (n < 0 || n > all) {
    return heed__fail(HEED_RANGE, "batch: %lld nodes of %lld", (long long)n, (long long)all);
  }
  HEED__TRY(make_nodes(s, n));
  HEED__TRY(make_pairs(s, 1)); /* so that there are arrays */
  for (int64_t i = 0; i < n; i++) {
    if (nodes[i] < 0 || nodes[i] >= all) {
      return heed__fail(HEED_RANGE, "batch: node %lld of %lld", (long long)nodes[i],
                        (long long)all);
    }
    if (s->place[nodes[i]] >= 0) {
      return heed__fail(HEED_ARGUMENT, "batch: node %lld is number %d and number %lld",
                        (long long)nodes[i], (int)s->place[nodes[i]], (long long)i);
    }
    s->place[nodes[i]] = (int32_t)i;
    s->nodes[i] = (int32_t)nodes[i];
    s->n = i + 1;
  }
  s->indptr[0] = 0;
  return HEED_OK;
}

static void finish(heed_sampler *s, int64_t targets, heed_sample *sample) {
  OVER_ROWS(0, s->n, renumber_row(s, r););
  sample->n_nodes = s->n;
  sample->n_targets = targets;
  sample->nodes = s->nodes;
  sample->pairs = s->pairs;
  sample->mask = (heed_mask){.n_queries = s->n,
                             .n_keys = s->n,
                             .n_pairs = s->indptr[s->n],
                             .indptr = s->indptr,
                             .indices = s->indices};
}

static heed_status take(heed_sampler *s, const int64_t *targets, int64_t n, heed_sample *sample) {
  HEED__TRY(start(s, targets, n));
  int64_t from = 0;
  sample->ends[0] = n;
  for (int h = 0; h < s->hops; h++) {
    HEED__TRY(draw_rows(s, from, s->fanouts[h]));
    int64_t drawn = s->n;
    HEED__TRY(reach(s, from));
    sample->ends[h + 1] = s->n;
    from = drawn;
  }
  return draw_rows(s, from, 0);
}

heed_status heed_sampler_take(heed_sampler *s, const int64_t *targets, int64_t n, uint64_t epoch,
                              uint64_t batch, heed_sample *sample) {
  uint32_t random[4];
  *sample = (heed_sample){.hops = s->hops};
  if (s->hops == 0) return heed__fail(HEED_ARGUMENT, "batch: the sampler has no fan-outs");
  heed__random4(s->seed, first_stream + epoch, batch, random);
  s->key = (uint64_t)random[1] << 32 | random[0];
  s->stream = (uint64_t)random[3] << 32 | random[2];
  heed_status status = take(s, targets, n, sample);
  if (status == HEED_OK) {
    finish(s, n, sample);
  } else {
    *sample = (heed_sample){0};
  }
  forget(s);
  return status;
}

/* --- All pairs among some nodes ------------------------------------------------------------ */

/* The pairs of row r whose key is in the batch: how many, and, where `write`, which. Rows of runs that are longer
 * than the batch are not gone through key by key. */
static int64_t find_pairs(heed_sampler *s, int64_t r, bool write) {
  const heed_mask *mask = &s->mask;
  int64_t node = s->nodes[r], degree = degree_of(mask, node), n = 0;
  int64_t at = write ? s->indptr[r] : 0; /* counting, another thread is at work on it */
  bool by_node = mask->indices == NULL && degree > s->n;
  int64_t begin = mask->starts != NULL ? mask->starts[node] : 0;
  for (int64_t k = 0; k < (by_node ? s->n : degree); k++) {
    int64_t key = by_node ? s->nodes[k] : heed__mask_key(mask, node, k);
    int64_t place = by_node ? key - begin : k;
    if (by_node ? place < 0 || place >= degree : s->place[key] < 0) continue;
    if (write) {
      s->pairs[at + n] = place;
      s->indices[at + n] = (int32_t)key;
    }
    n++;
  }
  return n;
}

static heed_status induce(heed_sampler *s, const int64_t *nodes, int64_t n) {
  HEED__TRY(start(s, nodes, n));
  OVER_ROWS(0, n, s->indptr[r + 1] = find_pairs(s, r, false););
  add_up(s, 0, n);
  HEED__TRY(make_pairs(s, s->indptr[n]));
  OVER_ROWS(0, n, (void)find_pairs(s, r, true););
  return HEED_OK;
}

heed_status heed_sampler_induce(heed_sampler *s, const int64_t *nodes, int64_t n,
                                heed_sample *sample) {
  *sample = (heed_sample){0};
  heed_status status = induce(s, nodes, n);
  if (status == HEED_OK) {
    sample->ends[0] = n;
    finish(s, n, sample);
  }
  forget(s);
  return status;
}

/* --- Life ---------------------------------------------------------------------------------- */

heed_status heed_sampler_new(heed_sampler **sampler, const heed_mask *mask, const int32_t *fanouts,
                             int hops, uint64_t seed) {
  *sampler = NULL;
  HEED__TRY(heed__mask_check_square(mask, "sampler"));
  if (hops < 0 || hops > HEED_MAX_HOPS || (hops > 0 && fanouts == NULL)) {
    return heed__fail(HEED_RANGE, "sampler: %d fan-outs%s, not 0 to %d", hops,
                      hops > 0 && fanouts == NULL ? " that are not there" : "", HEED_MAX_HOPS);
  }
  for (int h = 0; h < hops; h++) {
    if (fanouts[h] < -1) {
      return heed__fail(HEED_RANGE, "sampler: fan-out %d of hop %d, not at least 0, or -1 for all",
                        (int)fanouts[h], h + 1);
    }
  }
  if (mask->n_queries > INT32_MAX) {
    return heed__fail(HEED_RANGE, "sampler: a mask of %lld nodes, more than %d",
                      (long long)mask->n_queries, INT32_MAX);
  }
  heed_sampler *s = heed__alloc_zero(1, sizeof *s);
  if (s == NULL) return HEED_NOMEM;
  s->mask = *mask;
  s->mask.owned = NULL;
  s->hops = hops;
  s->seed = seed;
  for (int h = 0; h < hops; h++) s->fanouts[h] = fanouts[h];
  s->place = heed__alloc((size_t)mask->n_queries, sizeof *s->place);
  s->marks = heed__alloc_zero((size_t)words_of(mask->n_queries), sizeof *s->marks);
  if (s->place == NULL || s->marks == NULL) {
    heed_sampler_free(s);
    return HEED_NOMEM;
  }
  for (int64_t i = 0; i < mask->n_queries; i++) s->place[i] = -1;
  *sampler = s;
  return HEED_OK;
}

void heed_sampler_free(heed_sampler *sampler) {
  if (sampler == NULL) return;
  heed__free(sampler->place);
  heed__free(sampler->marks);
  heed__free(sampler->nodes);
  heed__free(sampler->indptr);
  heed__free(sampler->pairs);
  heed__free(sampler->indices);
  heed__free(sampler->codes);
  heed__free(sampler);
}
