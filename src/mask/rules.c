/* Masks by a formula. */
#include "mask/rules.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/random.h"
#include "base/status.h"
#include "base/threads.h"
#include "mask/mask.h"

/* Rows that a thread takes at once, and rows below which threads cost more than they save. */
enum { ROWS_AT_ONCE = 256, FEW = 1024 };

/* Random keys come from streams from here on ("mask"). */
static const uint64_t random_stream = (uint64_t)0x6d61736b << 32;

/* --- Sets ---------------------------------------------------------------------------------- */

int64_t heed__sets_find(const heed__sets *sets, int64_t node) {
  int64_t low = 0, high = sets->n; /* the last that starts at the node or before it */
  while (high - low > 1) {
    int64_t middle = low + (high - low) / 2;
    if (sets->ptr[middle] <= node) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low;
}

/* A query in its set. */
typedef struct place {
  int64_t first; /* the set's first key */
  int64_t i;     /* the query within the set */
  int64_t n;     /* keys of the set */
} place;

static place place_of(const heed__sets *sets, int64_t query) {
  if (sets->n == 0) return (place){0, query, sets->n_keys};
  int64_t s = heed__sets_find(sets, query), first = sets->ptr[s];
  return (place){first, query - first, sets->ptr[s + 1] - first};
}

/* --- Rows that are runs -------------------------------------------------------------------- */

typedef struct run {
  int64_t start;
  int64_t count;
} run;

static run between(int64_t from, int64_t end, int64_t n) {
  if (end > n) end = n;
  if (from < 0) from = 0;
  return from < end ? (run){from, end - from} : (run){0, 0};
}

/* The place of a node on the grid, the last axis first. */
static void coordinates(const heed__rule *rule, int64_t i, int64_t *at) {
  for (int a = rule->axes - 1; a >= 0; a--) {
    at[a] = i % rule->shape[a];
    i /= rule->shape[a];
  }
}

static run shifted(const heed__rule *rule, int64_t i, int64_t n) {
  int64_t at[3], j = 0;
  if (rule->axes == 0) return between(i + rule->offset[0], i + rule->offset[0] + 1, n);
  coordinates(rule, i, at);
  for (int a = 0; a < rule->axes; a++) {
    int64_t to = at[a] + rule->offset[a];
    if (to < 0 || to >= rule->shape[a]) return (run){0, 0};
    j = j * rule->shape[a] + to;
  }
  return (run){j, 1};
}

static run row_run(const heed__rule *rule, int64_t i, int64_t n) {
  int64_t left = rule->left, right = rule->right;
  switch (rule->kind) {
    case HEED__RULE_WINDOW: return between(i - left, i + right + 1, n);
    case HEED__RULE_BLOCK: return between(i / left * left, i / left * left + left, n);
    case HEED__RULE_GLOBAL: return between(0, i < left ? n : left, n);
    case HEED__RULE_BIPARTITE: return i < left ? between(left, n, n) : between(0, left, n);
    case HEED__RULE_QUERIES: return between(0, i >= left && i <= right ? n : 0, n);
    case HEED__RULE_KEYS: return between(left, right + 1, n);
    case HEED__RULE_SHIFT: return shifted(rule, i, n);
    default: return between(0, n, n);
  }
}

static heed_status make_runs(heed_mask *mask, const heed__rule *rule, const heed__sets *sets) {
  int64_t *indptr;
  int32_t *starts;
  HEED__TRY(heed__mask_new_runs(mask, sets->n_queries, sets->n_keys, 0, &indptr, &starts));
  indptr[0] = 0;
  for (int64_t i = 0; i < sets->n_queries; i++) {
    place at = place_of(sets, i);
    run r = row_run(rule, at.i, at.n);
    starts[i] = (int32_t)(at.first + r.start);
    indptr[i + 1] = indptr[i] + r.count;
  }
  mask->n_pairs = indptr[sets->n_queries];
  return HEED_OK;
}

/* --- Rows that are not --------------------------------------------------------------------- */

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

static int64_t dilated(const heed__rule *rule, int64_t i, int64_t n, int32_t *row) {
  int64_t before = least(rule->left, i) / rule->step;
  int64_t count = before + 1 + least(rule->right, n - 1 - i) / rule->step;
  for (int64_t k = 0; row != NULL && k < count; k++) {
    row[k] = (int32_t)(i + (k - before) * rule->step);
  }
  return count;
}

/* Box and axes on a grid of three axes, of which the first may have one point. */
static int64_t neighbours(const heed__rule *rule, int64_t i, int32_t *row) {
  int64_t shape[3] = {1, 1, 1}, at[3], low[3], high[3], radius = rule->left;
  for (int a = 0; a < rule->axes; a++) shape[3 - rule->axes + a] = rule->shape[a];
  heed__rule three = {.axes = 3, .shape = {shape[0], shape[1], shape[2]}};
  coordinates(&three, i, at);
  for (int a = 0; a < 3; a++) {
    low[a] = at[a] - least(radius, at[a]);
    high[a] = at[a] + least(radius, shape[a] - 1 - at[a]);
  }
  int64_t line = shape[2], plane = shape[1] * line, k = 0;
  if (rule->kind == HEED__RULE_BOX) {
    int64_t count = (high[0] - low[0] + 1) * (high[1] - low[1] + 1) * (high[2] - low[2] + 1);
    if (row == NULL) return count;
    for (int64_t z = low[0]; z <= high[0]; z++) {
      for (int64_t y = low[1]; y <= high[1]; y++) {
        for (int64_t x = low[2]; x <= high[2]; x++) row[k++] = (int32_t)(z * plane + y * line + x);
      }
    }
    return count;
  }
  int64_t count = high[0] - low[0] + high[1] - low[1] + high[2] - low[2] + 1;
  if (row == NULL) return count;
  for (int64_t z = low[0]; z < at[0]; z++) row[k++] = (int32_t)(i + (z - at[0]) * plane);
  for (int64_t y = low[1]; y < at[1]; y++) row[k++] = (int32_t)(i + (y - at[1]) * line);
  for (int64_t x = low[2]; x <= high[2]; x++) row[k++] = (int32_t)(i + x - at[2]);
  for (int64_t y = at[1] + 1; y <= high[1]; y++) row[k++] = (int32_t)(i + (y - at[1]) * line);
  for (int64_t z = at[0] + 1; z <= high[0]; z++) row[k++] = (int32_t)(i + (z - at[0]) * plane);
  return count;
}

/* The place of the first key of row[n] that is not below `key`. */
static int64_t where(const int32_t *row, int64_t n, int64_t key) {
  int64_t low = 0;
  while (n > low) {
    int64_t middle = low + (n - low) / 2;
    if (row[middle] < key) {
      low = middle + 1;
    } else {
      n = middle;
    }
  }
  return low;
}

/* Distinct keys by Floyd's method (Bentley and Floyd 1987): every set of them is equally likely. Few are
 * put in order one by one; of many there is a bit each in `bits`, and of more than half the others are drawn. */
static int64_t drawn_keys(const heed__rule *rule, int64_t query, int64_t n, uint64_t *bits,
                          int32_t *row) {
  int64_t count = least(rule->left, n), k = 0;
  uint64_t stream = random_stream + rule->stream, first = (uint64_t)query << 32;
  if (row == NULL) return count;
  if (2 * count <= n && count * count <= n / 16 + 4096) {
    for (int64_t most = n - count; most < n; most++, k++) {
      int64_t key = heed__random_below(rule->seed, stream, first, k, most + 1);
      int64_t at = where(row, k, key);
      if (at < k && row[at] == key) {
        row[k] = (int32_t)most; /* above all before it */
        continue;
      }
      memmove(row + at + 1, row + at, (size_t)(k - at) * sizeof *row);
      row[at] = (int32_t)key;
    }
    return count;
  }
  bool others = 2 * count > n;
  int64_t choose = others ? n - count : count;
  memset(bits, 0, (size_t)(n / 64 + 1) * sizeof *bits);
  for (int64_t most = n - choose; most < n; most++, k++) {
    int64_t key = heed__random_below(rule->seed, stream, first, k, most + 1);
    if (bits[key / 64] >> (key % 64) & 1) key = most;
    bits[key / 64] |= (uint64_t)1 << (key % 64);
  }
  k = 0;
  for (int64_t j = 0; j < n; j++) {
    if ((bits[j / 64] >> (j % 64) & 1) != others) row[k++] = (int32_t)j;
  }
  return count;
}

static int64_t row_keys(const heed__rule *rule, int64_t query, const place *at, uint64_t *bits,
                        int32_t *row) {
  if (rule->kind == HEED__RULE_DILATED) return dilated(rule, at->i, at->n, row);
  if (rule->kind == HEED__RULE_RANDOM) return drawn_keys(rule, query, at->n, bits, row);
  return neighbours(rule, at->i, row);
}

static heed_status make_pairs(heed_mask *mask, const heed__rule *rule, const heed__sets *sets) {
  int64_t rows = sets->n_queries, *indptr;
  int32_t *indices;
  size_t words = rule->kind == HEED__RULE_RANDOM ? (size_t)sets->n_keys / 64 + 1 : 1;
  int64_t *count = heed__alloc((size_t)rows + 1, sizeof *count);
  if (count == NULL) return HEED_NOMEM;
  uint64_t *bits = heed__alloc(words * (size_t)heed_threads(), sizeof *bits);
  if (bits == NULL) {
    heed__free(count);
    return HEED_NOMEM;
  }
#pragma omp parallel for schedule(static) num_threads(heed_threads()) if (rows > FEW)
  for (int64_t i = 0; i < rows; i++) {
    place at = place_of(sets, i);
    count[i] = row_keys(rule, i, &at, NULL, NULL);
  }
  int64_t pairs = 0;
  for (int64_t i = 0; i < rows; i++) pairs += count[i];
  heed_status status = heed__mask_new(mask, rows, sets->n_keys, pairs, -1, false, &indptr, &indices,
                                      NULL, NULL, NULL);
  if (status == HEED_OK) {
    indptr[0] = 0;
    for (int64_t i = 0; i < rows; i++) indptr[i + 1] = indptr[i] + count[i];
#pragma omp parallel for schedule(dynamic, ROWS_AT_ONCE) num_threads(heed_threads()) if (rows > FEW)
    for (int64_t i = 0; i < rows; i++) {
      place at = place_of(sets, i);
      int32_t *row = indices + indptr[i];
      int64_t n = row_keys(rule, i, &at, bits + words * (size_t)heed__thread(), row);
      for (int64_t k = 0; at.first > 0 && k < n; k++) row[k] += (int32_t)at.first;
    }
    status = heed__mask_settle(mask);
  }
  heed__free(bits);
  heed__free(count);
  return status;
}

/* --- Any rule ------------------------------------------------------------------------------ */

static const char *rule_name(heed__rule_kind kind) {
  static const char *const names[] = {"full", "window",  "block",   "global", "bipartite", "queries",
                                      "keys", "shift",   "dilated", "grid",   "axes",      "random"};
  return names[kind];
}

/* Every set has as many nodes as the grid has points. */
static heed_status check_shape(const heed__rule *rule, const heed__sets *sets) {
  int64_t points = 1;
  char shape[64] = "";
  size_t at = 0;
  if (rule->axes < 1 || rule->axes > 3) {
    return heed__fail(HEED_RANGE, "mask: a grid of %d axes, but there are grids of 1, 2 and 3",
                      rule->axes);
  }
  for (int a = 0; a < rule->axes; a++) {
    if (rule->shape[a] < 1 || rule->shape[a] > INT32_MAX / points) {
      return heed__fail(HEED_RANGE, "mask: axis %d of a grid has %lld points; there are from 1 to %d points in all",
                        a, (long long)rule->shape[a], INT32_MAX);
    }
    points *= rule->shape[a];
    at += (size_t)snprintf(shape + at, sizeof shape - at, a == 0 ? "%lld" : "x%lld",
                           (long long)rule->shape[a]);
  }
  for (int64_t s = 0; s < sets->n; s++) {
    int64_t n = sets->ptr[s + 1] - sets->ptr[s];
    if (n == points) continue;
    return heed__fail(HEED_SHAPE, "mask: set %lld has %lld nodes, but a grid of %s has %lld points",
                      (long long)s, (long long)n, shape, (long long)points);
  }
  if (sets->n == 0 && sets->n_queries != points) {
    return heed__fail(HEED_SHAPE, "mask: %lld nodes, but a grid of %s has %lld points",
                      (long long)sets->n_queries, shape, (long long)points);
  }
  return HEED_OK;
}

static int64_t clamp(int64_t x, int64_t most) { return x > most ? most : x < -most ? -most : x; }

static heed_status check_rule(const heed__rule *rule, const heed__sets *sets) {
  const char *name = rule_name(rule->kind);
  heed__rule_kind kind = rule->kind;
  bool on_grid = kind == HEED__RULE_BOX || kind == HEED__RULE_AXES ||
                 (kind == HEED__RULE_SHIFT && rule->axes != 0);
  bool any_size = kind == HEED__RULE_FULL || kind == HEED__RULE_QUERIES ||
                  kind == HEED__RULE_KEYS || kind == HEED__RULE_RANDOM;
  if (rule->left < 0 || rule->right < 0 || (kind == HEED__RULE_BLOCK && rule->left < 1)) {
    return heed__fail(HEED_RANGE, "mask: %s of %lld, at least %d", name,
                      (long long)(rule->left < rule->right ? rule->left : rule->right),
                      kind == HEED__RULE_BLOCK);
  }
  if (kind == HEED__RULE_DILATED && rule->step < 1) {
    return heed__fail(HEED_RANGE, "mask: %s with steps of %lld, at least 1", name,
                      (long long)rule->step);
  }
  if (!any_size && sets->n_queries != sets->n_keys) {
    return heed__fail(HEED_SHAPE, "mask: %s of %lld queries but %lld keys", name,
                      (long long)sets->n_queries, (long long)sets->n_keys);
  }
  return on_grid ? check_shape(rule, sets) : HEED_OK;
}

/* The same rule with numbers that sums and products of cannot overflow, and as a simpler one where it is. */
static heed__rule simplify(const heed__rule *given, const heed__sets *sets) {
  heed__rule rule = *given;
  int64_t n = sets->n_keys, most = 0;
  if (sets->n == 0) most = n;
  for (int64_t s = 0; s < sets->n; s++) {
    if (sets->ptr[s + 1] - sets->ptr[s] > most) most = sets->ptr[s + 1] - sets->ptr[s];
  }
  /* Above all of a set, but not so that the first query behind it could be meant. */
  int64_t queries = sets->n_queries > n ? sets->n_queries : n;
  int64_t bound = rule.kind == HEED__RULE_QUERIES ? queries + 1 : n + 1;
  rule.left = clamp(rule.left, bound);
  rule.right = clamp(rule.right, bound);
  rule.step = clamp(rule.step, n + 1);
  for (int a = 0; a < 3; a++) rule.offset[a] = clamp(rule.offset[a], n + 1);
  if (rule.kind == HEED__RULE_DILATED && rule.step == 1) rule.kind = HEED__RULE_WINDOW;
  if (rule.kind == HEED__RULE_WINDOW && rule.left >= most - 1 && rule.right >= most - 1) {
    rule.kind = HEED__RULE_FULL;
  }
  if (rule.kind == HEED__RULE_RANDOM && rule.left >= most) rule.kind = HEED__RULE_FULL;
  if (rule.kind == HEED__RULE_BOX) {
    bool all = true;
    for (int a = 0; a < rule.axes; a++) all = all && rule.left >= rule.shape[a] - 1;
    if (all) rule.kind = HEED__RULE_FULL;
  }
  bool line = rule.axes == 1 && (rule.kind == HEED__RULE_BOX || rule.kind == HEED__RULE_AXES);
  if (line) {
    rule.kind = HEED__RULE_WINDOW;
    rule.right = rule.left;
  }
  return rule;
}

heed_status heed__mask_from_rule(heed_mask *mask, const heed__rule *given, const heed__sets *sets) {
  *mask = (heed_mask){0};
  HEED__TRY(heed__mask_check_sizes(sets->n_queries, sets->n_keys));
  HEED__TRY(check_rule(given, sets));
  heed__rule rule = simplify(given, sets);
  if (rule.kind == HEED__RULE_FULL && sets->n == 0) {
    return heed_mask_full(mask, sets->n_queries, sets->n_keys);
  }
  return rule.kind < HEED__RULE_DILATED ? make_runs(mask, &rule, sets)
                                        : make_pairs(mask, &rule, sets);
}

/* --- The public ones ----------------------------------------------------------------------- */

static heed_status of_one_set(heed_mask *mask, int64_t n, const heed__rule *rule) {
  heed__sets sets = {.n_queries = n, .n_keys = n};
  return heed__mask_from_rule(mask, rule, &sets);
}

heed_status heed_mask_causal(heed_mask *mask, int64_t n) {
  return heed_mask_window(mask, n, n < 0 ? 0 : n, 0);
}

heed_status heed_mask_block(heed_mask *mask, int64_t n, int64_t size) {
  return of_one_set(mask, n, &(heed__rule){.kind = HEED__RULE_BLOCK, .left = size});
}

heed_status heed_mask_dilated(heed_mask *mask, int64_t n, int64_t left, int64_t right,
                              int64_t step) {
  heed__rule rule = {.kind = HEED__RULE_DILATED, .left = left, .right = right, .step = step};
  return of_one_set(mask, n, &rule);
}

heed_status heed_mask_strided(heed_mask *mask, int64_t n, int64_t stride, bool causal) {
  return heed_mask_dilated(mask, n, n < 0 ? 0 : n, n < 0 || causal ? 0 : n, stride);
}

/* The nodes of a grid; 0 where there are none, which check_shape() then says. */
static int64_t points(const heed__rule *rule) {
  int64_t n = 1;
  for (int a = 0; a < rule->axes && a < 3; a++) {
    if (rule->shape[a] < 1 || rule->shape[a] > INT32_MAX / n) return 0;
    n *= rule->shape[a];
  }
  return n;
}

static void put_axes(heed__rule *rule, int axes, const int64_t *shape) {
  rule->axes = axes;
  for (int a = 0; a < axes && a < 3; a++) rule->shape[a] = shape[a];
}

heed_status heed_mask_grid(heed_mask *mask, int axes, const int64_t *shape, int64_t radius,
                           heed_grid neighbourhood) {
  *mask = (heed_mask){0};
  if (neighbourhood != HEED_GRID_BOX && neighbourhood != HEED_GRID_AXES) {
    return heed__fail(HEED_ARGUMENT, "mask: no neighbourhood has the number %d", (int)neighbourhood);
  }
  heed__rule rule = {.kind = neighbourhood == HEED_GRID_BOX ? HEED__RULE_BOX : HEED__RULE_AXES,
                     .left = radius};
  put_axes(&rule, axes, shape);
  return of_one_set(mask, points(&rule), &rule);
}

heed_status heed_mask_shift(heed_mask *mask, int axes, const int64_t *shape,
                            const int64_t *offset) {
  *mask = (heed_mask){0};
  if (axes < 1) return heed__fail(HEED_RANGE, "mask: a grid of %d axes, but there are grids of 1, 2 and 3", axes);
  heed__rule rule = {.kind = HEED__RULE_SHIFT};
  put_axes(&rule, axes, shape);
  for (int a = 0; a < axes && a < 3; a++) rule.offset[a] = offset[a];
  return of_one_set(mask, points(&rule), &rule);
}

heed_status heed_mask_global(heed_mask *mask, int64_t n, int64_t nodes) {
  return of_one_set(mask, n, &(heed__rule){.kind = HEED__RULE_GLOBAL, .left = nodes});
}

heed_status heed_mask_random(heed_mask *mask, int64_t n_queries, int64_t n_keys, int64_t keys,
                             uint64_t seed) {
  heed__rule rule = {.kind = HEED__RULE_RANDOM, .left = keys, .seed = seed};
  heed__sets sets = {.n_queries = n_queries, .n_keys = n_keys};
  return heed__mask_from_rule(mask, &rule, &sets);
}

heed_status heed_mask_bipartite(heed_mask *mask, int64_t n, int64_t first) {
  return of_one_set(mask, n, &(heed__rule){.kind = HEED__RULE_BIPARTITE, .left = first});
}

static heed_status check_pair(int64_t p, const char *what, int64_t number, int64_t n) {
  if (number >= 0 && number < n) return HEED_OK;
  return heed__fail(HEED_RANGE, "mask: pair %lld has %s %lld of %lld", (long long)p, what,
                    (long long)number, (long long)n);
}

heed_status heed_mask_pairs(heed_mask *mask, int64_t n_queries, int64_t n_keys, int64_t n_pairs,
                            const int64_t *queries, const int64_t *keys) {
  *mask = (heed_mask){0};
  HEED__TRY(heed__mask_check_sizes(n_queries, n_keys));
  if (n_pairs < 0) return heed__fail(HEED_RANGE, "mask: %lld pairs", (long long)n_pairs);
  for (int64_t p = 0; p < n_pairs; p++) {
    HEED__TRY(check_pair(p, "query", queries[p], n_queries));
    HEED__TRY(check_pair(p, "key", keys[p], n_keys));
  }
  int64_t *at = heed__alloc_zero((size_t)n_queries + 2, sizeof *at), most = 0, *indptr;
  int32_t *row = at == NULL ? NULL : heed__alloc((size_t)n_pairs, sizeof *row), *indices;
  int32_t *scratch = row == NULL ? NULL : heed__alloc((size_t)n_pairs, sizeof *scratch);
  heed_status status = scratch == NULL ? HEED_NOMEM : HEED_OK;
  if (status == HEED_OK) {
    /* at[i + 1] is where the next key of row i goes, in the end where row i + 1 starts. */
    for (int64_t p = 0; p < n_pairs; p++) at[queries[p] + 2]++;
    for (int64_t i = 0; i < n_queries; i++) at[i + 1] += at[i];
    for (int64_t p = 0; p < n_pairs; p++) row[at[queries[p] + 1]++] = (int32_t)keys[p];
    for (int64_t i = 0; i < n_queries; i++) {
      heed__sort_keys(row + at[i], at[i + 1] - at[i], scratch);
      for (int64_t p = at[i]; p < at[i + 1]; p++) most += p == at[i] || row[p] != row[p - 1];
    }
    status = heed__mask_new(mask, n_queries, n_keys, most, -1, false, &indptr, &indices, NULL, NULL,
                            NULL);
  }
  if (status == HEED_OK) {
    int64_t to = 0;
    indptr[0] = 0;
    for (int64_t i = 0; i < n_queries; i++) {
      for (int64_t p = at[i]; p < at[i + 1]; p++) {
        if (p == at[i] || row[p] != row[p - 1]) indices[to++] = row[p];
      }
      indptr[i + 1] = to;
    }
  }
  heed__free(scratch);
  heed__free(row);
  heed__free(at);
  return status;
}
