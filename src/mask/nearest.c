/* The nearest nodes by their features. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "base/threads.h"
#include "mask/mask.h"
#include "mask/rules.h"

/* Sets up to this size are searched pair by pair. */
enum { SMALL = 96, ROWS_AT_ONCE = 16 };

/* Floats of a block of products, and rows of it at least and at most. */
enum { BLOCK = 1 << 20, LEAST_ROWS = 16, MOST_ROWS = 256 };

/* A key and how far it is: by distance, then by number. */
typedef struct found {
  double distance;
  int32_t key;
} found;

static bool before(const found *a, const found *b) {
  return a->distance != b->distance ? a->distance < b->distance : a->key < b->key;
}

/* heap[n] has the farthest first: puts `x` where heap[0] was. */
static void sift(found *heap, int64_t n, found x) {
  int64_t at = 0;
  for (;;) {
    int64_t child = 2 * at + 1;
    if (child >= n) break;
    if (child + 1 < n && before(&heap[child], &heap[child + 1])) child++;
    if (!before(&x, &heap[child])) break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = x;
}

/* Adds to a heap of at most `most`. */
static void add(found *heap, int64_t *n, int64_t most, found x) {
  if (*n == most) {
    if (before(&x, &heap[0])) sift(heap, most, x);
    return;
  }
  int64_t at = (*n)++;
  while (at > 0 && before(&heap[(at - 1) / 2], &x)) {
    heap[at] = heap[(at - 1) / 2];
    at = (at - 1) / 2;
  }
  heap[at] = x;
}

static double distance(const float *x, const float *y, int64_t n) {
  double sum = 0;
  for (int64_t f = 0; f < n; f++) {
    double apart = (double)x[f] - (double)y[f];
    sum += apart * apart;
  }
  return sum;
}

/* What a search needs beside the features. */
typedef struct search {
  const heed_matrix *features;
  int64_t k;
  int64_t *indptr;
  int32_t *indices;
  found *heaps;     /* [threads, k] */
  int32_t *scratch; /* [threads, k] */
  double *squares;  /* [n]: of the length of each row */
} search;

static const float *row_of(const search *s, int64_t i) {
  return s->features->data + i * s->features->stride;
}

/* Writes a row: the keys of the heap, ascending. */
static void put_row(const search *s, int64_t i, const found *heap, int64_t n) {
  int32_t *row = s->indices + s->indptr[i];
  for (int64_t k = 0; k < n; k++) row[k] = heap[k].key;
  heed__sort_keys(row, n, s->scratch + s->k * heed__thread());
}

/* Row i among the nodes [first, end). Where products [end - first] with them are given, only pairs are
 * computed whose distance by them, less what rounding can be off, is not above the farthest found. */
static void search_row(const search *s, int64_t i, int64_t first, int64_t end,
                       const float *products) {
  found *heap = s->heaps + s->k * heed__thread();
  int64_t features = s->features->cols, n = 0, most = s->indptr[i + 1] - s->indptr[i];
  /* A float sum of n products in any order is off by gamma |x| |y| at most, gamma = n u / (1 - n u), u = 2^-24
   * (Higham 2002, section 3.1), beside underflow; twice that for what is computed here. */
  double unit = (double)features * 0x1p-24;
  bool bounded = products != NULL && unit < 0.25;
  double gamma = bounded ? 2 * unit / (1 - unit) + 0x1p-20 : 0, own = s->squares[i];
  double slack = 0x1p-40 + (double)features * 0x1p-50, tiny = (double)features * 0x1p-120;
  for (int64_t j = first; j < end && most > 0; j++) {
    if (j == i) continue;
    if (bounded && n == most) {
      double product = products[j - first], other = s->squares[j];
      double off = 2 * gamma * sqrt(own * other) + slack * (own + other) +
                   tiny * (1 + sqrt(own) + sqrt(other));
      if (isfinite(product) && own + other - 2 * product - off > heap[0].distance) continue;
    }
    add(heap, &n, most, (found){distance(row_of(s, i), row_of(s, j), features), (int32_t)j});
  }
  put_row(s, i, heap, n);
}

/* A set of many nodes, block by block of products. */
static heed_status search_set(const search *s, int64_t first, int64_t end, float *products,
                              int64_t at_once) {
  const heed_matrix *x = s->features;
  heed_matrix keys = {x->data + first * x->stride, end - first, x->cols, x->stride};
  for (int64_t from = first; from < end; from += at_once) {
    int64_t rows = end - from < at_once ? end - from : at_once;
    heed_matrix queries = {x->data + from * x->stride, rows, x->cols, x->stride};
    heed_matrix c = heed_matrix_view(products, rows, end - first);
    HEED__TRY(heed_matmul(false, true, 1, &queries, &keys, 0, &c));
#pragma omp parallel for schedule(dynamic, 1) num_threads(heed_threads())
    for (int64_t r = 0; r < rows; r++) {
      search_row(s, from + r, first, end, products + r * (end - first));
    }
  }
  return HEED_OK;
}

static heed_status search_all(const search *s, const heed__sets *sets) {
  int64_t n = sets->n_queries, biggest = 0;
  int64_t of_all[2] = {0, n};
  const int64_t *ptr = sets->n == 0 ? of_all : sets->ptr;
  int64_t n_sets = sets->n == 0 ? 1 : sets->n;
#pragma omp parallel for schedule(dynamic, ROWS_AT_ONCE) num_threads(heed_threads())
  for (int64_t i = 0; i < n; i++) {
    int64_t set = sets->n == 0 ? 0 : heed__sets_find(sets, i);
    if (ptr[set + 1] - ptr[set] <= SMALL) search_row(s, i, ptr[set], ptr[set + 1], NULL);
  }
  for (int64_t set = 0; set < n_sets; set++) {
    if (ptr[set + 1] - ptr[set] > biggest) biggest = ptr[set + 1] - ptr[set];
  }
  if (biggest <= SMALL) return HEED_OK;
  int64_t at_once = BLOCK / biggest;
  at_once = at_once < LEAST_ROWS ? LEAST_ROWS : at_once > MOST_ROWS ? MOST_ROWS : at_once;
  float *products = heed__alloc((size_t)(at_once * biggest), sizeof *products);
  if (products == NULL) return HEED_NOMEM;
  heed_status status = HEED_OK;
  for (int64_t set = 0; set < n_sets && status == HEED_OK; set++) {
    if (ptr[set + 1] - ptr[set] > SMALL) {
      status = search_set(s, ptr[set], ptr[set + 1], products, at_once);
    }
  }
  heed__free(products);
  return status;
}

static heed_status check_features(const heed_matrix *x) {
  if (x->rows < 0 || x->cols < 0 || (x->rows > 1 && x->stride < x->cols)) {
    return heed__fail(HEED_RANGE, "knn: features of %lld rows, %lld columns and a stride of %lld",
                      (long long)x->rows, (long long)x->cols, (long long)x->stride);
  }
  for (int64_t i = 0; i < x->rows; i++) {
    for (int64_t f = 0; f < x->cols; f++) {
      if (isfinite(x->data[i * x->stride + f])) continue;
      return heed__fail(HEED_VALUE, "knn: feature %lld of node %lld is %g", (long long)f,
                        (long long)i, (double)x->data[i * x->stride + f]);
    }
  }
  return HEED_OK;
}

heed_status heed__mask_nearest(heed_mask *mask, const heed_matrix *features, int64_t k,
                               const heed__sets *sets) {
  *mask = (heed_mask){0};
  int64_t n = sets->n_queries, pairs = 0;
  HEED__TRY(heed__mask_check_sizes(n, sets->n_keys));
  if (k < 0) return heed__fail(HEED_RANGE, "knn: the %lld nearest", (long long)k);
  if (features->rows != n || sets->n_keys != n) {
    return heed__fail(HEED_SHAPE, "knn: features of %lld nodes for %lld queries and %lld keys",
                      (long long)features->rows, (long long)n, (long long)sets->n_keys);
  }
  HEED__TRY(check_features(features));
  if (k > n) k = n;
  search s = {.features = features, .k = k};
  for (int64_t i = 0; i < n; i++) {
    int64_t others = n - 1;
    if (sets->n > 0) {
      int64_t set = heed__sets_find(sets, i);
      others = sets->ptr[set + 1] - sets->ptr[set] - 1;
    }
    pairs += others < k ? others : k;
  }
  HEED__TRY(heed__mask_new(mask, n, n, pairs, -1, false, &s.indptr, &s.indices, NULL, NULL, NULL));
  s.indptr[0] = 0;
  for (int64_t i = 0; i < n; i++) {
    int64_t others = n - 1;
    if (sets->n > 0) {
      int64_t set = heed__sets_find(sets, i);
      others = sets->ptr[set + 1] - sets->ptr[set] - 1;
    }
    s.indptr[i + 1] = s.indptr[i] + (others < k ? others : k);
  }
  size_t room = (size_t)k * (size_t)heed_threads();
  s.heaps = heed__alloc(room, sizeof *s.heaps);
  s.scratch = s.heaps == NULL ? NULL : heed__alloc(room, sizeof *s.scratch);
  s.squares = s.scratch == NULL ? NULL : heed__alloc((size_t)n, sizeof *s.squares);
  heed_status status = s.squares == NULL ? HEED_NOMEM : HEED_OK;
  for (int64_t i = 0; i < n && status == HEED_OK; i++) {
    const float *x = row_of(&s, i);
    s.squares[i] = 0;
    for (int64_t f = 0; f < features->cols; f++) s.squares[i] += (double)x[f] * (double)x[f];
  }
  if (status == HEED_OK) status = search_all(&s, sets);
  if (status == HEED_OK) {
    status = heed__mask_settle(mask);
  } else {
    heed_mask_free(mask);
  }
  heed__free(s.squares);
  heed__free(s.scratch);
  heed__free(s.heaps);
  return status;
}

heed_status heed_mask_nearest(heed_mask *mask, const heed_matrix *features, int64_t k) {
  heed__sets sets = {.n_queries = features->rows, .n_keys = features->rows};
  return heed__mask_nearest(mask, features, k, &sets);
}
