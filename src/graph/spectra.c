/* Eigenvectors of the normalised Laplacian, component by component. What is computed are the largest
 * eigenvalues mu of D^-1/2 A D^-1/2; those of the Laplacian are 1 - mu. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/random.h"
#include "base/status.h"
#include "graph/guard.h"
#include "graph/parts.h"
#include "mask/mask.h"

enum { MOST_VECTORS = 1024, SMALL = 200, MOST_ROUNDS = 20000 };

/* Of a Ritz vector; where one is only looked for; and by how much a missed one must be better. */
static const double tolerance = 1e-10, rough = 1e-5, better = 1e-7;
/* Where few eigenvalues are many times there ARPACK would run out of directions and go on with random ones,
 * which are others in every call. A diagonal that is about as small as the tolerance keeps it from that. */
static const double disturbance = 1e-9;
/* ARPACK's tolerance is relative to the eigenvalue: all but those found become 1 to 3. */
static const double shift = 2;
/* Numbers this close to the largest count as as large. */
static const double alike = 1e-6;

typedef struct spectrum {
  const heed_mask *mask; /* symmetric, without (i, i) */
  heed__parts parts;
  int32_t *local; /* [n] the place of a node in its component */
  double *weight; /* [n] 1 / sqrt(degree) by node */
  int32_t k;
  double *vectors; /* [n, stride] */
  int64_t stride;
  double *values; /* [n, k] or NULL */

  /* The component at hand. */
  const int32_t *nodes; /* [m] */
  int64_t m;
  double *found;        /* the vectors so far, [n_found + 1, m]; the first is the one of eigenvalue 0 */
  double *mu;           /* theirs */
  double *noise;        /* [largest component] */
  int64_t n_found;

  igraph_matrix_t matrix, result;
  igraph_vector_t eigenvalues;
  bool has_matrix, has_result, has_eigenvalues;
} spectrum;

static double dot(const double *x, const double *y, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += x[i] * y[i];
  return sum;
}

/* to = D^-1/2 A D^-1/2 from, in the component. */
static void multiply(const spectrum *s, const double *from, double *to) {
  const heed_mask *mask = s->mask;
#pragma omp parallel for num_threads(heed_threads()) schedule(static) if (s->m > 10000)
  for (int64_t a = 0; a < s->m; a++) {
    int32_t i = s->nodes[a];
    double sum = 0;
    for (int64_t p = mask->indptr[i]; p < mask->indptr[i + 1]; p++) {
      int32_t j = mask->indices[p];
      sum += s->weight[j] * from[s->local[j]];
    }
    to[a] = s->weight[i] * sum;
  }
}

/* A number in [-1/2, 1/2) for each place. */
static double noise(int64_t place) {
  uint32_t bits[4];
  heed__random4(0, 0, (uint64_t)place, bits);
  return (double)heed__unit(bits[0]) - 0.5;
}

/* The same, shifted and disturbed, with what was found moved below all other eigenvalues. */
static igraph_error_t deflated(igraph_real_t *to, const igraph_real_t *from, int n, void *extra) {
  const spectrum *s = extra;
  multiply(s, from, to);
  for (int64_t a = 0; a < n; a++) to[a] += (shift + disturbance * s->noise[a]) * from[a];
  for (int64_t f = 0; f < s->n_found; f++) {
    const double *v = s->found + f * s->m;
    double along = (s->mu[f] + 2 * shift) * dot(v, from, n);
    for (int64_t a = 0; a < n; a++) to[a] -= along * v[a];
  }
  return IGRAPH_SUCCESS;
}

/* Takes vector x of eigenvalue mu in: in its place by eigenvalue, at right angles to those found. */
static void take(spectrum *s, const double *x, double mu) {
  int64_t m = s->m, at = s->n_found;
  double *v = s->found + at * m;
  memcpy(v, x, (size_t)m * sizeof *v);
  for (int64_t f = 0; f < at; f++) {
    const double *other = s->found + f * m;
    double along = dot(other, v, m);
    for (int64_t a = 0; a < m; a++) v[a] -= along * other[a];
  }
  double length = sqrt(dot(v, v, m));
  for (int64_t a = 0; a < m; a++) v[a] /= length;
  s->mu[at] = mu;
  s->n_found++;
  for (; at > 1 && s->mu[at - 1] < s->mu[at]; at--) { /* rarely: ARPACK's come in order */
    double swapped = s->mu[at];
    s->mu[at] = s->mu[at - 1];
    s->mu[at - 1] = swapped;
    double *upper = s->found + at * m, *lower = upper - m;
    for (int64_t a = 0; a < m; a++) {
      swapped = upper[a];
      upper[a] = lower[a];
      lower[a] = swapped;
    }
  }
}

/* The `wanted` largest eigenvalues but those found, into eigenvalues and result. */
static heed_status solve(spectrum *s, int32_t wanted, double exactness) {
  igraph_arpack_options_t options;
  igraph_arpack_options_init(&options);
  int64_t room = 2 * (int64_t)wanted + 10 < 40 ? 40 : 2 * (int64_t)wanted + 10;
  options.n = (int)s->m;
  options.nev = (int)wanted;
  options.ncv = (int)(room < s->m ? room : s->m);
  options.which[0] = 'L';
  options.which[1] = 'A';
  options.tol = exactness;
  options.mxiter = MOST_ROUNDS;
  options.start = 1;
  HEED__TRY(heed__igraph_status(igraph_matrix_resize(&s->result, s->m, 1), HEED_NOMEM, "Laplacian"));
  for (int64_t a = 0; a < s->m; a++) MATRIX(s->result, a, 0) = s->noise[s->m - 1 - a];
  igraph_error_t error = igraph_arpack_rssolve(deflated, s, &options, NULL, &s->eigenvalues, &s->result);
  HEED__TRY(heed__igraph_status(error, HEED_LIBRARY, "Laplacian: ARPACK"));
  for (int32_t c = 0; c < options.nconv && c < wanted; c++) VECTOR(s->eigenvalues)[c] -= shift;
  if (options.nconv >= wanted) return HEED_OK;
  return heed__fail(HEED_LIBRARY, "Laplacian: ARPACK found %d of %d eigenvectors of %lld nodes",
                    options.nconv, (int)wanted, (long long)s->m);
}

/* A large component. One Krylov space may miss copies of an eigenvalue that occurs several times: what
 * is left is looked at until nothing better is there. */
static heed_status solve_large(spectrum *s, int32_t wanted) {
  s->n_found = 1;
  HEED__TRY(solve(s, wanted, tolerance));
  for (int32_t c = 0; c < wanted; c++) take(s, &MATRIX(s->result, 0, c), VECTOR(s->eigenvalues)[c]);
  for (int32_t round = 0; round < wanted && s->n_found < s->m; round++) {
    double worst = s->mu[wanted];
    HEED__TRY(solve(s, 1, rough));
    if (VECTOR(s->eigenvalues)[0] <= worst + better) break;
    HEED__TRY(solve(s, 1, tolerance));
    s->n_found = wanted; /* without the worst */
    take(s, &MATRIX(s->result, 0, 0), VECTOR(s->eigenvalues)[0]);
  }
  return HEED_OK;
}

static heed_status solve_small(spectrum *s, int32_t wanted) {
  heed__int m = (heed__int)s->m;
  HEED__TRY(heed__igraph_status(igraph_matrix_resize(&s->matrix, m, m), HEED_NOMEM, "Laplacian"));
  igraph_matrix_null(&s->matrix);
  for (heed__int a = 0; a < m; a++) {
    int32_t i = s->nodes[a];
    MATRIX(s->matrix, a, a) = 1;
    for (int64_t p = s->mask->indptr[i]; p < s->mask->indptr[i + 1]; p++) {
      int32_t j = s->mask->indices[p];
      MATRIX(s->matrix, a, s->local[j]) = -s->weight[i] * s->weight[j];
    }
  }
  igraph_error_t error =
      igraph_lapack_dsyevr(&s->matrix, IGRAPH_LAPACK_DSYEV_SELECT, 0, 0, 0, 1, (int)wanted + 1, 0,
                           &s->eigenvalues, &s->result, NULL);
  HEED__TRY(heed__igraph_status(error, HEED_LIBRARY, "Laplacian: LAPACK"));
  s->n_found = 1;
  for (int32_t c = 1; c <= wanted; c++) {
    take(s, &MATRIX(s->result, 0, c), 1 - VECTOR(s->eigenvalues)[c]);
  }
  return HEED_OK;
}

/* The number of largest magnitude becomes positive. */
static double sign_of(const double *v, int64_t m) {
  double most = 0;
  for (int64_t a = 0; a < m; a++) most = fabs(v[a]) > most ? fabs(v[a]) : most;
  for (int64_t a = 0; a < m; a++) {
    if (fabs(v[a]) >= most * (1 - alike)) return v[a] < 0 ? -1 : 1;
  }
  return 1;
}

static void write_down(spectrum *s, int32_t wanted) {
  for (int32_t c = 0; c < wanted; c++) {
    const double *v = s->found + (c + 1) * s->m;
    double sign = sign_of(v, s->m);
    for (int64_t a = 0; a < s->m; a++) {
      s->vectors[s->nodes[a] * s->stride + c] = sign * v[a];
      if (s->values != NULL) s->values[(int64_t)s->nodes[a] * s->k + c] = 1 - s->mu[c + 1];
    }
  }
}

static heed_status solve_component(spectrum *s, int64_t c) {
  int64_t m = s->m = s->parts.start[c + 1] - s->parts.start[c];
  s->nodes = s->parts.nodes + s->parts.start[c];
  if (m < 2) return HEED_OK;
  int32_t wanted = (int32_t)(m - 1 < s->k ? m - 1 : s->k);
  double length = 0; /* the first: sqrt(degree) */
  for (int64_t a = 0; a < m; a++) {
    s->found[a] = 1 / s->weight[s->nodes[a]];
    length += s->found[a] * s->found[a];
  }
  for (int64_t a = 0; a < m; a++) s->found[a] /= sqrt(length);
  s->mu[0] = 1;
  bool small = m <= SMALL || m <= 3 * (int64_t)wanted;
  HEED__TRY(small ? solve_small(s, wanted) : solve_large(s, wanted));
  write_down(s, wanted);
  return HEED_OK;
}

static heed_status solve_all(void *context) {
  spectrum *s = context;
  HEED__TRY(heed__igraph_status(igraph_matrix_init(&s->matrix, 0, 0), HEED_NOMEM, "Laplacian"));
  s->has_matrix = true;
  HEED__TRY(heed__igraph_status(igraph_matrix_init(&s->result, 0, 0), HEED_NOMEM, "Laplacian"));
  s->has_result = true;
  HEED__TRY(heed__igraph_status(igraph_vector_init(&s->eigenvalues, 0), HEED_NOMEM, "Laplacian"));
  s->has_eigenvalues = true;
  for (int64_t c = 0; c < s->parts.count; c++) HEED__TRY(solve_component(s, c));
  return HEED_OK;
}

/* Both pairs of every edge, without (i, i) and without what stands behind pairs. */
static heed_status make_symmetric(heed_mask *result, const heed_mask *mask) {
  heed_mask room, joined, both;
  heed_status status;
  const heed_mask *listed = heed__mask_listed(mask, &room, &status);
  if (listed == NULL) return status;
  status = heed__mask_both(listed, &joined, &both);
  if (status == HEED_OK) status = heed_mask_self_loops(result, &both, HEED_LOOPS_DROP);
  heed_mask_free(&joined);
  heed_mask_free(&room);
  return status;
}

static heed_status prepare(spectrum *s) {
  const heed_mask *mask = s->mask;
  size_t n = (size_t)mask->n_queries, largest = 0, numbers;
  HEED__TRY(heed__parts_find(&s->parts, mask));
  s->local = heed__alloc(n, sizeof *s->local);
  s->weight = heed__alloc(n, sizeof *s->weight);
  s->mu = heed__alloc((size_t)s->k + 2, sizeof *s->mu);
  if (s->local == NULL || s->weight == NULL || s->mu == NULL) return HEED_NOMEM;
  for (int64_t c = 0; c < s->parts.count; c++) {
    int64_t first = s->parts.start[c], m = s->parts.start[c + 1] - first;
    largest = (size_t)m > largest ? (size_t)m : largest;
    for (int64_t a = 0; a < m; a++) s->local[s->parts.nodes[first + a]] = (int32_t)a;
  }
  for (size_t i = 0; i < n; i++) {
    s->weight[i] = 1 / sqrt((double)(mask->indptr[i + 1] - mask->indptr[i])); /* not read where 0 */
  }
  size_t most = largest < (size_t)s->k + 1 ? largest : (size_t)s->k + 1;
  if (!heed__multiply(largest, most + 1, &numbers)) {
    return heed__fail(HEED_OVERFLOW, "Laplacian: %zu vectors of %zu nodes do not fit", most, largest);
  }
  s->found = heed__alloc(numbers, sizeof *s->found);
  s->noise = heed__alloc(largest, sizeof *s->noise);
  if (s->found == NULL || s->noise == NULL) return HEED_NOMEM;
  for (size_t a = 0; a < largest; a++) s->noise[a] = noise((int64_t)a);
  return HEED_OK;
}

heed_status heed_mask_laplacian(const heed_mask *mask, int32_t k, double *vectors, int64_t stride,
                                double *values) {
  heed_mask both;
  HEED__TRY(heed__mask_check_square(mask, "Laplacian"));
  if (k < 0 || k > MOST_VECTORS || stride < k) {
    return heed__fail(HEED_RANGE, "Laplacian: %d eigenvectors in rows of %lld, not between 0 and %d",
                      (int)k, (long long)stride, MOST_VECTORS);
  }
  for (int64_t i = 0; i < mask->n_queries; i++) {
    memset(vectors + i * stride, 0, (size_t)k * sizeof *vectors);
    if (values != NULL) memset(values + i * k, 0, (size_t)k * sizeof *values);
  }
  if (k == 0 || mask->n_queries == 0) return HEED_OK;
  HEED__TRY(make_symmetric(&both, mask));
  spectrum s = {.mask = &both, .k = k, .vectors = vectors, .stride = stride, .values = values};
  heed_status status = prepare(&s);
  if (status == HEED_OK) status = heed__igraph_call(solve_all, &s, 0);
  if (s.has_matrix) igraph_matrix_destroy(&s.matrix);
  if (s.has_result) igraph_matrix_destroy(&s.result);
  if (s.has_eigenvalues) igraph_vector_destroy(&s.eigenvalues);
  heed__free(s.local);
  heed__free(s.weight);
  heed__free(s.mu);
  heed__free(s.found);
  heed__free(s.noise);
  heed__parts_free(&s.parts);
  heed_mask_free(&both);
  return status;
}
