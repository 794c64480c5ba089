/* What the graph around a node looks like: eigenvectors, random walks, degree. */
#include <heed/encoding.h>
#include <heed/graph.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "base/threads.h"
#include "graph/parts.h"
#include "mask/mask.h"

static heed_status check_rows(const char *what, const heed_mask *mask, const heed_matrix *to) {
  HEED__TRY(heed__mask_check_square(mask, what));
  if (to->rows == mask->n_queries && to->cols >= 1) return HEED_OK;
  return heed__fail(HEED_SHAPE, "%s: a matrix [%lld, %lld] for %lld nodes", what,
                    (long long)to->rows, (long long)to->cols, (long long)mask->n_queries);
}

/* --- Eigenvectors -------------------------------------------------------------------------- */

heed_status heed_encode_laplacian(const heed_mask *mask, const heed_matrix *to) {
  HEED__TRY(check_rows("Laplacian encoding", mask, to));
  heed_mask room;
  heed_status status;
  heed__parts parts = {0};
  size_t n = (size_t)to->rows, numbers = 0;
  if (to->cols > INT32_MAX || !heed__multiply(n, (size_t)to->cols, &numbers)) {
    return heed__fail(HEED_RANGE, "Laplacian encoding: %lld columns of %zu nodes",
                      (long long)to->cols, n);
  }
  const heed_mask *listed = heed__mask_listed(mask, &room, &status);
  if (listed == NULL) return status;
  double *vectors = heed__alloc(numbers, sizeof *vectors);
  status = vectors == NULL ? HEED_NOMEM : heed__parts_find(&parts, listed);
  if (status == HEED_OK) {
    status = heed_mask_laplacian(listed, (int32_t)to->cols, vectors, to->cols, NULL);
  }
  for (int64_t i = 0; status == HEED_OK && i < to->rows; i++) {
    int32_t c = parts.part[i];
    double factor = sqrt((double)(parts.start[c + 1] - parts.start[c]));
    for (int64_t v = 0; v < to->cols; v++) {
      to->data[i * to->stride + v] = (float)(factor * vectors[i * to->cols + v]);
    }
  }
  heed__parts_free(&parts);
  heed__free(vectors);
  heed_mask_free(&room);
  return status;
}

/* --- Random walks -------------------------------------------------------------------------- */

/* So many nodes walk side by side: a row of a vector register or two. */
enum { WALKERS = 16 };

typedef struct walk {
  const heed_mask *mask;
  heed__parts parts;
  int32_t *local;  /* [n] the place of a node in its component */
  float *weight;   /* [n] 1 / sqrt(what a node sees) */
  int64_t *blocks; /* [n_blocks, 2] component and first place */
  int64_t n_blocks;
  int64_t largest; /* component */
  bool symmetric;
  float *room; /* of each thread [2, largest, WALKERS] */
  const heed_matrix *to;
} walk;

/* One step for all walkers: next[a] is the mean of now over what node a sees. With `half`, of the symmetric
 * D^-1/2 A D^-1/2, whose powers have the same diagonal. */
static void step(const walk *w, const int32_t *nodes, int64_t m, bool half, const float *restrict now,
                 float *restrict next) {
  const heed_mask *mask = w->mask;
  for (int64_t a = 0; a < m; a++) {
    int64_t first = mask->indptr[nodes[a]], end = mask->indptr[nodes[a] + 1];
    float sum[WALKERS] = {0};
    for (int64_t p = first; p < end; p++) {
      int32_t j = mask->indices[p];
      const float *from = now + (int64_t)w->local[j] * WALKERS;
      float weight = 1;
      if (half) weight = w->weight[j];
#pragma omp simd
      for (int b = 0; b < WALKERS; b++) sum[b] += weight * from[b];
    }
    float share = end == first ? 0 : half ? w->weight[nodes[a]] : 1 / (float)(end - first);
    for (int b = 0; b < WALKERS; b++) next[a * WALKERS + b] = share * sum[b];
  }
}

/* The sums over nodes of x times y, walker by walker. */
static void multiply(int64_t m, const float *x, const float *y, double sum[WALKERS]) {
  memset(sum, 0, WALKERS * sizeof *sum);
  for (int64_t a = 0; a < m; a++) {
    for (int b = 0; b < WALKERS; b++) sum[b] += (double)x[a * WALKERS + b] * y[a * WALKERS + b];
  }
}

/* The columns of one block of walkers, who start at places `first` on of their component. */
static void walk_block(const walk *w, const int64_t block[2], float *room) {
  int64_t start = w->parts.start[block[0]], m = w->parts.start[block[0] + 1] - start;
  int64_t first = block[1], walkers = m - first < WALKERS ? m - first : WALKERS, k = w->to->cols;
  const int32_t *nodes = w->parts.nodes + start;
  float *now = room, *next = room + w->largest * WALKERS;
  double sum[WALKERS];
  memset(now, 0, (size_t)(m * WALKERS) * sizeof *now);
  for (int64_t b = 0; b < walkers; b++) now[(first + b) * WALKERS + b] = 1;
  for (int64_t t = 0; t < k; t++) {
    float *other = now;
    if (!w->symmetric) { /* where each walker is after t + 1 steps */
      step(w, nodes, m, false, now, next);
      for (int64_t b = 0; b < walkers; b++) {
        w->to->data[nodes[first + b] * w->to->stride + t] = next[(first + b) * WALKERS + b];
      }
      now = next;
      next = other;
      continue;
    }
    /* Back at t + 1 = 2 s + 1 and 2 s + 2 steps: products of what s and s + 1 steps give. */
    if (t % 2 == 0) step(w, nodes, m, true, now, next);
    multiply(m, t % 2 == 0 ? now : next, next, sum);
    for (int64_t b = 0; b < walkers; b++) {
      w->to->data[nodes[first + b] * w->to->stride + t] = (float)sum[b];
    }
    if (t % 2 == 0) continue;
    now = next;
    next = other;
  }
}

static void walk_all(const walk *w, int threads) {
  (void)threads; /* without OpenMP */
#pragma omp parallel num_threads(threads)
  {
    float *own = w->room + 2 * w->largest * WALKERS * heed__thread();
#pragma omp for schedule(dynamic)
    for (int64_t b = 0; b < w->n_blocks; b++) walk_block(w, w->blocks + 2 * b, own);
  }
}

static heed_status prepare_walk(walk *w, int threads) {
  size_t n = (size_t)w->mask->n_queries, numbers;
  HEED__TRY(heed__parts_find(&w->parts, w->mask));
  HEED__TRY(heed__mask_is_symmetric(w->mask, &w->symmetric));
  w->local = heed__alloc(n, sizeof *w->local);
  w->weight = heed__alloc(n, sizeof *w->weight);
  w->blocks = heed__alloc(n, 2 * sizeof *w->blocks);
  if (w->local == NULL || w->weight == NULL || w->blocks == NULL) return HEED_NOMEM;
  for (size_t i = 0; i < n; i++) {
    int64_t seen = w->mask->indptr[i + 1] - w->mask->indptr[i];
    w->weight[i] = seen == 0 ? 0 : (float)(1 / sqrt((double)seen));
  }
  for (int64_t c = 0; c < w->parts.count; c++) {
    int64_t start = w->parts.start[c], m = w->parts.start[c + 1] - start;
    w->largest = m > w->largest ? m : w->largest;
    for (int64_t a = 0; a < m; a++) {
      w->local[w->parts.nodes[start + a]] = (int32_t)a;
      if (a % WALKERS != 0) continue;
      w->blocks[2 * w->n_blocks] = c;
      w->blocks[2 * w->n_blocks++ + 1] = a;
    }
  }
  if (!heed__multiply((size_t)w->largest, 2 * WALKERS * (size_t)threads, &numbers)) {
    return heed__fail(HEED_OVERFLOW, "random walks: %zu nodes do not fit in memory", n);
  }
  w->room = heed__alloc(numbers, sizeof *w->room);
  return w->room == NULL ? HEED_NOMEM : HEED_OK;
}

heed_status heed_encode_random_walk(const heed_mask *mask, const heed_matrix *to) {
  HEED__TRY(check_rows("random walks", mask, to));
  if (heed_mask_is_full(mask)) { /* anywhere after each step */
    for (int64_t i = 0; i < to->rows; i++) {
      for (int64_t t = 0; t < to->cols; t++) {
        to->data[i * to->stride + t] = 1 / (float)mask->n_keys;
      }
    }
    return HEED_OK;
  }
  heed_mask room;
  heed_status status;
  int threads = heed_threads();
  walk w = {.mask = heed__mask_listed(mask, &room, &status), .to = to};
  if (w.mask == NULL) return status;
  status = prepare_walk(&w, threads);
  if (status == HEED_OK) walk_all(&w, threads);
  heed__free(w.room);
  heed__free(w.blocks);
  heed__free(w.weight);
  heed__free(w.local);
  heed__parts_free(&w.parts);
  heed_mask_free(&room);
  return status;
}

/* --- Degree -------------------------------------------------------------------------------- */

heed_status heed_encode_degree(const heed_mask *mask, const heed_matrix *to) {
  HEED__TRY(check_rows("degree encoding", mask, to));
  for (int64_t i = 0; i < to->rows; i++) {
    int64_t first, n = heed__mask_row(mask, i, &first), others = 0;
    for (int64_t a = 0; a < n; a++) others += heed__mask_key(mask, i, a) != i;
    float *row = to->data + i * to->stride;
    if (to->cols == 1) {
      row[0] = (float)log1p((double)others);
      continue;
    }
    for (int64_t c = 0; c < to->cols; c++) {
      row[c] = c == others || (c == to->cols - 1 && others > c) ? 1.0F : 0.0F;
    }
  }
  return HEED_OK;
}
