/* Encodings against plain formulas in double precision, and against what others compute (fixtures/). */
#include <check.h>
#include <heed/data.h>
#include <heed/encoding.h>
#include <heed/graph.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "chance.h"
#include "expect.h"

static void set_up(void) { state = 11; }

static void near(double got, double wanted, double most, const char *what) {
  ck_assert_msg(fabs(got - wanted) <= most, "%s: %.9g instead of %.9g", what, got, wanted);
}

static void *room(int64_t n, size_t size) {
  void *data = calloc((size_t)n + 1, size);
  ck_assert_ptr_nonnull(data);
  return data;
}

/* --- Masks --------------------------------------------------------------------------------- */

/* A mask out of a matrix of bytes [n, n]. */
static void mask_of(heed_mask *mask, const uint8_t *a, int64_t n) {
  heed_mask view, rows;
  int64_t *indptr = room(n + 1, sizeof *indptr);
  int32_t *indices = room(n * n, sizeof *indices);
  for (int64_t i = 0; i < n; i++) {
    indptr[i + 1] = indptr[i];
    for (int64_t j = 0; j < n; j++) {
      if (a[i * n + j]) indices[indptr[i + 1]++] = (int32_t)j;
    }
  }
  ok(heed_mask_view(&view, n, n, indptr, indices));
  ok(heed_mask_transpose(&rows, &view, NULL));
  ok(heed_mask_transpose(mask, &rows, NULL));
  heed_mask_free(&rows);
  free(indptr);
  free(indices);
}

/* Some pairs, both directions if `both`; `parts` parts that know nothing of each other. */
static uint8_t *random_matrix(int64_t n, int64_t pairs, bool both, int64_t parts) {
  uint8_t *a = room(n * n, 1);
  for (int64_t p = 0; p < pairs; p++) {
    int64_t i = chance(n), j = chance(n);
    if (i % parts != j % parts) continue;
    a[i * n + j] = 1;
    if (both) a[j * n + i] = 1;
  }
  return a;
}

static uint8_t *path_matrix(int64_t n, bool ring) {
  uint8_t *a = room(n * n, 1);
  for (int64_t i = 0; i + 1 < n; i++) a[i * n + i + 1] = a[(i + 1) * n + i] = 1;
  if (ring) a[n - 1] = a[(n - 1) * n] = 1;
  return a;
}

/* --- Positions ----------------------------------------------------------------------------- */

START_TEST(sinusoidal_is_the_formula) {
  for (int64_t d = 1; d <= 9; d++) {
    float *x = room(20 * 12, sizeof *x);
    int32_t positions[20];
    for (int i = 0; i < 20; i++) positions[i] = (int32_t)chance(100000);
    for (int given = 0; given < 2; given++) {
      heed_matrix to = {x, 20, d, 12};
      for (int i = 0; i < 240; i++) x[i] = -7;
      ok(heed_encode_sinusoidal(&to, given ? positions : NULL, 10000));
      for (int64_t i = 0; i < 20; i++) {
        for (int64_t c = 0; c < 12; c++) {
          double p = given ? positions[i] : (double)i, even = (double)(c / 2 * 2);
          double angle = p / pow(10000, even / (double)d);
          double wanted = c >= d ? -7 : c % 2 == 0 ? sin(angle) : cos(angle);
          near(x[i * 12 + c], wanted, 1e-6, "wave");
        }
      }
    }
    free(x);
  }
}
END_TEST

START_TEST(a_grid_has_an_axis_after_the_other) {
  int64_t sizes[3] = {2, 3, 4};
  int32_t at[24 * 3];
  float x[24 * 12], line[24 * 4];
  ok(heed_grid_coordinates(3, sizes, at));
  for (int i = 0; i < 24; i++) {
    ck_assert_int_eq(at[3 * i], i / 12);
    ck_assert_int_eq(at[3 * i + 1], i / 4 % 3);
    ck_assert_int_eq(at[3 * i + 2], i % 4);
  }
  heed_matrix to = heed_matrix_view(x, 24, 12), of_line = heed_matrix_view(line, 24, 4);
  ok(heed_encode_sinusoidal_grid(&to, at, 3, 10000));
  for (int a = 0; a < 3; a++) {
    int32_t along[24];
    for (int i = 0; i < 24; i++) along[i] = at[3 * i + a];
    ok(heed_encode_sinusoidal(&of_line, along, 10000));
    for (int i = 0; i < 24; i++) {
      for (int c = 0; c < 4; c++) ck_assert(x[i * 12 + 4 * a + c] == line[i * 4 + c]);
    }
  }
}
END_TEST

START_TEST(rotary_leaves_offsets_alone) {
  enum { N = 30, HEADS = 3, D = 6 };
  for (int halves = 0; halves < 2; halves++) {
    float q[N * HEADS * D], k[N * HEADS * D], before[N * HEADS * D];
    for (int i = 0; i < HEADS * D; i++) q[i] = (float)chance(100) / 50 - 1;
    for (int i = 0; i < HEADS * D; i++) k[i] = (float)chance(100) / 50 - 1;
    for (int i = HEADS * D; i < N * HEADS * D; i++) q[i] = q[i % (HEADS * D)], k[i] = k[i % (HEADS * D)];
    memcpy(before, q, sizeof q);
    heed_matrix queries = heed_matrix_view(q, N, HEADS * D), keys = heed_matrix_view(k, N, HEADS * D);
    ok(heed_encode_rotary(&queries, HEADS, NULL, 10000, halves, false));
    ok(heed_encode_rotary(&keys, HEADS, NULL, 10000, halves, false));
    for (int h = 0; h < HEADS; h++) {
      double first[2 * N];
      for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
          double dot = 0;
          for (int d = 0; d < D; d++) dot += (double)q[(i * HEADS + h) * D + d] * k[(j * HEADS + h) * D + d];
          if (i == 0 || j == 0) first[j - i + N] = dot;
        }
      }
      for (int i = 1; i < N; i++) {
        for (int j = 1; j < N; j++) {
          double dot = 0;
          for (int d = 0; d < D; d++) dot += (double)q[(i * HEADS + h) * D + d] * k[(j * HEADS + h) * D + d];
          near(dot, first[j - i + N], 1e-5, "dot product of an offset");
        }
      }
    }
    ok(heed_encode_rotary(&queries, HEADS, NULL, 10000, halves, true));
    for (int i = 0; i < N * HEADS * D; i++) near(q[i], before[i], 1e-6, "turned back");
  }
}
END_TEST

/* --- Structure ----------------------------------------------------------------------------- */

/* All eigenvalues, ascending, and eigenvectors (columns) of a symmetric matrix, by rotations (Jacobi
 * 1846). */
static void jacobi(double *a, int64_t n, double *values, double *vectors) {
  for (int64_t i = 0; i < n * n; i++) vectors[i] = i % (n + 1) == 0;
  for (int sweep = 0; sweep < 60; sweep++) {
    double off = 0;
    for (int64_t p = 0; p < n; p++) {
      for (int64_t q = p + 1; q < n; q++) off += a[p * n + q] * a[p * n + q];
    }
    if (off < 1e-24) break;
    for (int64_t p = 0; p < n; p++) {
      for (int64_t q = p + 1; q < n; q++) {
        if (fabs(a[p * n + q]) < 1e-18) continue;
        double theta = (a[q * n + q] - a[p * n + p]) / (2 * a[p * n + q]);
        double t = (theta < 0 ? -1 : 1) / (fabs(theta) + sqrt(theta * theta + 1));
        double c = 1 / sqrt(t * t + 1), s = t * c;
        for (int64_t i = 0; i < n; i++) {
          double x = a[i * n + p], y = a[i * n + q];
          a[i * n + p] = c * x - s * y;
          a[i * n + q] = s * x + c * y;
        }
        for (int64_t i = 0; i < n; i++) {
          double x = a[p * n + i], y = a[q * n + i];
          a[p * n + i] = c * x - s * y;
          a[q * n + i] = s * x + c * y;
          x = vectors[i * n + p], y = vectors[i * n + q];
          vectors[i * n + p] = c * x - s * y;
          vectors[i * n + q] = s * x + c * y;
        }
      }
    }
  }
  for (int64_t i = 0; i < n; i++) values[i] = a[i * n + i];
  for (int64_t i = 1; i < n; i++) {
    for (int64_t j = i; j > 0 && values[j] < values[j - 1]; j--) {
      double swap = values[j];
      values[j] = values[j - 1];
      values[j - 1] = swap;
    }
  }
}

/* The component of each node by flooding: its first node. */
static void flood(const uint8_t *a, int64_t n, int64_t *part) {
  for (int64_t i = 0; i < n; i++) part[i] = i;
  for (bool changed = true; changed;) {
    changed = false;
    for (int64_t i = 0; i < n; i++) {
      for (int64_t j = 0; j < n; j++) {
        if (!a[i * n + j] && !a[j * n + i]) continue;
        int64_t low = part[i] < part[j] ? part[i] : part[j];
        changed = changed || part[i] != low || part[j] != low;
        part[i] = part[j] = low;
      }
    }
  }
}

/* Component `c` of the graph by itself: its nodes, its Laplacian. */
static int64_t laplacian(const uint8_t *a, int64_t n, const int64_t *part, int64_t c, int64_t *nodes,
                         double *l) {
  int64_t m = 0;
  for (int64_t i = 0; i < n; i++) {
    if (part[i] == c) nodes[m++] = i;
  }
  double *degree = room(m, sizeof *degree);
  for (int64_t x = 0; x < m; x++) {
    for (int64_t y = 0; y < m; y++) {
      degree[x] += x != y && (a[nodes[x] * n + nodes[y]] || a[nodes[y] * n + nodes[x]]);
    }
  }
  for (int64_t x = 0; x < m; x++) {
    for (int64_t y = 0; y < m; y++) {
      bool there = x != y && (a[nodes[x] * n + nodes[y]] || a[nodes[y] * n + nodes[x]]);
      l[x * m + y] = x == y ? 1 : there ? -1 / sqrt(degree[x] * degree[y]) : 0;
    }
  }
  free(degree);
  return m;
}

/* Eigenvectors of every component: residuals, right angles, eigenvalues those of Jacobi, signs. */
static void check_laplacian(const uint8_t *a, int64_t n, int32_t k) {
  heed_mask mask;
  mask_of(&mask, a, n);
  int64_t stride = k + 3, *part = room(n, sizeof *part), *nodes = room(n, sizeof *nodes);
  double *v = room(n * stride, sizeof *v), *values = room(n * k, sizeof *values);
  double *l = room(n * n, sizeof *l), *copy = room(n * n, sizeof *copy);
  double *all = room(n, sizeof *all), *vectors = room(n * n, sizeof *vectors);
  float *x = room(n * k, sizeof *x);
  for (int64_t i = 0; i < n * stride; i++) v[i] = -9;
  ok(heed_mask_laplacian(&mask, k, v, stride, values));
  heed_matrix to = heed_matrix_view(x, n, k);
  ok(heed_encode_laplacian(&mask, &to));
  flood(a, n, part);
  for (int64_t c = 0; c < n; c++) {
    if (part[c] != c) continue;
    int64_t m = laplacian(a, n, part, c, nodes, l);
    memcpy(copy, l, (size_t)(m * m) * sizeof *l);
    jacobi(copy, m, all, vectors);
    for (int64_t e = 0; e < k; e++) {
      double value = values[c * k + e], largest = 0, sign = 0;
      for (int64_t i = 0; i < m; i++) {
        double residual = -value * v[nodes[i] * stride + e];
        for (int64_t j = 0; j < m; j++) residual += l[i * m + j] * v[nodes[j] * stride + e];
        near(residual, 0, 1e-7, "residual");
        ck_assert(values[nodes[i] * k + e] == value);
        near(x[nodes[i] * k + e], sqrt((double)m) * v[nodes[i] * stride + e], 1e-6, "encoding");
        double here = v[nodes[i] * stride + e];
        if (fabs(here) > largest * (1 + 1e-6)) largest = fabs(here), sign = here;
      }
      for (int64_t f = 0; f <= e; f++) {
        double sum = 0;
        for (int64_t i = 0; i < m; i++) sum += v[nodes[i] * stride + e] * v[nodes[i] * stride + f];
        near(sum, e == f && e + 1 < m ? 1 : 0, 1e-7, "product of two vectors");
      }
      near(value, e + 1 < m ? all[e + 1] : 0, 1e-7, "eigenvalue");
      if (e + 1 < m) ck_assert_double_gt(sign, 0);
    }
  }
  for (int64_t i = 0; i < n; i++) {
    for (int64_t e = k; e < stride; e++) ck_assert(v[i * stride + e] == -9);
  }
  heed_mask_free(&mask);
  free(part), free(nodes), free(v), free(values), free(l), free(copy), free(all), free(vectors), free(x);
}

START_TEST(eigenvectors_of_small_graphs) {
  for (int round = 0; round < 25; round++) {
    int64_t n = 1 + chance(40);
    uint8_t *a = random_matrix(n, chance(4 * n), chance(2), 1 + chance(3));
    check_laplacian(a, n, (int32_t)chance(8) + 1);
    free(a);
  }
}
END_TEST

START_TEST(eigenvectors_of_large_components) {
  enum { N = 230 };
  uint8_t *a = path_matrix(N, false); /* a slow one */
  check_laplacian(a, N, 5);
  for (int64_t i = 0; i < 300; i++) { /* a random one */
    int64_t x = chance(N), y = chance(N);
    a[x * N + y] = a[y * N + x] = 1;
  }
  check_laplacian(a, N, 11);
  free(a);
  a = path_matrix(N, true); /* every eigenvalue twice */
  check_laplacian(a, N, 7);
  free(a);
  a = room(N * N, 1); /* a star: one eigenvalue all but two times */
  for (int64_t i = 1; i < N; i++) a[i] = a[i * N] = 1;
  check_laplacian(a, N, 4);
  for (int64_t i = 0; i < N * N; i++) a[i] = 1; /* complete: one eigenvalue, N - 1 times */
  check_laplacian(a, N, 3);
  free(a);
}
END_TEST

/* (D^-1 A)^t in double precision. */
static void check_walk(const uint8_t *a, int64_t n, int64_t k) {
  heed_mask mask;
  mask_of(&mask, a, n);
  float *x = room(n * k, sizeof *x);
  double *p = room(n * n, sizeof *p), *power = room(n * n, sizeof *p), *next = room(n * n, sizeof *p);
  heed_matrix to = heed_matrix_view(x, n, k);
  ok(heed_encode_random_walk(&mask, &to));
  for (int64_t i = 0; i < n; i++) {
    int64_t seen = 0;
    for (int64_t j = 0; j < n; j++) seen += a[i * n + j];
    for (int64_t j = 0; j < n; j++) p[i * n + j] = a[i * n + j] ? 1.0 / (double)seen : 0;
    power[i * n + i] = 1;
  }
  for (int64_t t = 0; t < k; t++) {
    for (int64_t i = 0; i < n; i++) {
      for (int64_t j = 0; j < n; j++) {
        next[i * n + j] = 0;
        for (int64_t l = 0; l < n; l++) next[i * n + j] += power[i * n + l] * p[l * n + j];
      }
    }
    memcpy(power, next, (size_t)(n * n) * sizeof *next);
    for (int64_t i = 0; i < n; i++) near(x[i * k + t], power[i * n + i], 1e-6, "return probability");
  }
  heed_mask_free(&mask);
  free(x), free(p), free(power), free(next);
}

START_TEST(random_walks_are_powers) {
  for (int round = 0; round < 30; round++) {
    int64_t n = 1 + chance(50);
    uint8_t *a = random_matrix(n, chance(4 * n), round % 2, 1 + chance(3));
    check_walk(a, n, 1 + chance(9));
    free(a);
  }
  heed_mask full;
  float x[5 * 3];
  heed_matrix to = heed_matrix_view(x, 5, 3);
  ok(heed_mask_full(&full, 5, 5));
  ok(heed_encode_random_walk(&full, &to));
  for (int i = 0; i < 15; i++) near(x[i], 0.2, 1e-7, "anywhere");
}
END_TEST

START_TEST(degrees) {
  uint8_t *a = random_matrix(20, 60, false, 1);
  heed_mask mask;
  float one[20], hot[20 * 4];
  mask_of(&mask, a, 20);
  heed_matrix of_one = heed_matrix_view(one, 20, 1), of_hot = heed_matrix_view(hot, 20, 4);
  ok(heed_encode_degree(&mask, &of_one));
  ok(heed_encode_degree(&mask, &of_hot));
  for (int64_t i = 0; i < 20; i++) {
    int64_t others = 0;
    for (int64_t j = 0; j < 20; j++) others += i != j && a[i * 20 + j];
    near(one[i], log((double)others + 1), 1e-6, "logarithm");
    for (int64_t c = 0; c < 4; c++) ck_assert(hot[i * 4 + c] == (c == (others < 3 ? others : 3)));
  }
  heed_mask_free(&mask);
  free(a);
}
END_TEST

/* --- Pairs --------------------------------------------------------------------------------- */

/* The same square mask in four forms. */
static void any_form(heed_mask *mask, int form, int64_t n) {
  if (form == 0) {
    ok(heed_mask_full(mask, n, n));
  } else if (form == 1) {
    ok(heed_mask_window(mask, n, chance(n + 1), chance(n + 1)));
  } else {
    uint8_t *a = random_matrix(n, chance(3 * n), form == 2, 1);
    mask_of(mask, a, n);
    free(a);
  }
}

static int64_t key_of(const heed_mask *explicit, int64_t p) { return explicit->indices[p]; }

START_TEST(offsets_are_clipped) {
  for (int round = 0; round < 60; round++) {
    int64_t n = 1 + chance(25);
    int axes = 1 + (int)chance(3), limit = (int)chance(5);
    int32_t *at = room(n * axes, sizeof *at);
    for (int64_t i = 0; i < n * axes; i++) at[i] = (int32_t)chance(9) - 4;
    heed_mask mask, listed;
    any_form(&mask, round % 4, n);
    ok(heed_mask_explicit(&listed, &mask));
    int32_t *classes = room(mask.n_pairs, sizeof *classes);
    float *features = room(mask.n_pairs * (1 + axes), sizeof *features);
    bool numbers = axes == 1 && chance(2) == 0;
    ok(heed_pairs_offset(&mask, numbers ? NULL : at, axes, limit, classes));
    ok(heed_pairs_quadratic(&mask, numbers ? NULL : at, axes, features));
    for (int64_t i = 0; i < n; i++) {
      for (int64_t p = listed.indptr[i]; p < listed.indptr[i + 1]; p++) {
        int64_t j = key_of(&listed, p), class = 0, square = 0;
        for (int c = 0; c < axes; c++) {
          int64_t d = numbers ? j - i : at[j * axes + c] - at[i * axes + c];
          square += d * d;
          ck_assert(features[p * (1 + axes) + 1 + c] == (float)d);
          d = d < -limit ? -limit : d > limit ? limit : d;
          class = class * (2 * limit + 1) + d + limit;
        }
        ck_assert(features[p * (1 + axes)] == (float)square);
        ck_assert_int_eq(classes[p], class);
        ck_assert_int_lt(classes[p], heed_offset_classes(axes, limit));
      }
    }
    heed_mask_free(&mask);
    heed_mask_free(&listed);
    free(at), free(classes), free(features);
  }
}
END_TEST

START_TEST(quadratic_weights_are_a_parabola) {
  float alpha[2] = {0.5F, 3}, centres[4] = {1, -2, 0, 3}, weights[6];
  int64_t sizes[2] = {4, 5};
  int32_t at[40];
  float *features = room(20 * 20 * 3, sizeof *features);
  heed_mask mask;
  ok(heed_grid_coordinates(2, sizes, at));
  ok(heed_mask_full(&mask, 20, 20));
  ok(heed_pairs_quadratic(&mask, at, 2, features));
  heed_quadratic_weights(2, 2, alpha, centres, weights);
  for (int h = 0; h < 2; h++) {
    double shift = (double)alpha[h] * (centres[2 * h] * centres[2 * h] + centres[2 * h + 1] * centres[2 * h + 1]);
    for (int p = 0; p < 400; p++) {
      double y = at[2 * (p % 20)] - at[2 * (p / 20)] - centres[2 * h];
      double x = at[2 * (p % 20) + 1] - at[2 * (p / 20) + 1] - centres[2 * h + 1], score = 0;
      for (int f = 0; f < 3; f++) score += (double)features[3 * p + f] * weights[3 * h + f];
      near(score - shift, -(double)alpha[h] * (x * x + y * y), 1e-4, "parabola");
    }
  }
  free(features);
}
END_TEST

/* Shortest paths by Floyd and Warshall, -1 where there is none. */
static void check_distances(const heed_mask *mask, const uint8_t *a, int64_t n, int limit) {
  heed_mask graph, listed;
  mask_of(&graph, a, n);
  ok(heed_mask_explicit(&listed, mask));
  int64_t far = 1 << 20, *d = room(n * n, sizeof *d);
  int32_t *classes = room(mask->n_pairs, sizeof *classes);
  ok(heed_pairs_distance(mask, &graph, limit, classes));
  for (int64_t i = 0; i < n * n; i++) d[i] = i % (n + 1) == 0 ? 0 : a[i] ? 1 : far;
  for (int64_t via = 0; via < n; via++) {
    for (int64_t i = 0; i < n * n; i++) {
      int64_t through = d[i / n * n + via] + d[via * n + i % n];
      d[i] = through < d[i] ? through : d[i];
    }
  }
  for (int64_t i = 0; i < n; i++) {
    for (int64_t p = listed.indptr[i]; p < listed.indptr[i + 1]; p++) {
      int64_t steps = d[i * n + key_of(&listed, p)];
      ck_assert_int_eq(classes[p], steps >= far ? limit + 1 : steps < limit ? steps : limit);
    }
  }
  heed_mask_free(&graph);
  heed_mask_free(&listed);
  free(d), free(classes);
}

START_TEST(distances_are_shortest_paths) {
  for (int round = 0; round < 80; round++) {
    int64_t n = 1 + chance(30);
    uint8_t *a = random_matrix(n, chance(3 * n), round % 3 != 0, 1 + chance(2));
    heed_mask mask;
    any_form(&mask, round % 4, n);
    check_distances(&mask, a, n, 1 + (int)chance(6));
    heed_mask_free(&mask);
    free(a);
  }
  heed_mask full, window;
  int32_t classes[9 * 9];
  ok(heed_mask_full(&full, 9, 9));
  ok(heed_mask_window(&window, 9, 1, 1));
  ok(heed_pairs_distance(&full, &window, 20, classes)); /* over runs */
  for (int p = 0; p < 81; p++) ck_assert_int_eq(classes[p], abs(p % 9 - p / 9));
  ok(heed_pairs_distance(&full, &full, 20, classes));
  for (int p = 0; p < 81; p++) ck_assert_int_eq(classes[p], p % 9 != p / 9);
  heed_mask_free(&full);
  heed_mask_free(&window);
}
END_TEST

/* --- What others compute ------------------------------------------------------------------- */

static void *array(heed_npz *file, const char *name, heed_dtype type, int64_t rows, int64_t cols) {
  int64_t shape[2] = {rows, cols};
  void *data;
  ok(heed_npz_read(file, name, type, false, cols == 0 ? 1 : 2, shape, &data));
  return data;
}

START_TEST(as_others_have_it) {
  enum { N = 61, K = 6, STEPS = 9, LIMIT = 40 };
  heed_npz *file;
  ok(heed_npz_open(&file, TEST_FIXTURES "/encodings.npz"));
  static const char *const names[] = {"undirected", "directed"};
  for (int g = 0; g < 2; g++) {
    char name[40];
    heed_mask mask, full;
    snprintf(name, sizeof name, "%s.indptr", names[g]);
    int64_t *indptr = array(file, name, HEED_DTYPE_INT64, N + 1, 0);
    snprintf(name, sizeof name, "%s.indices", names[g]);
    int32_t *indices = array(file, name, HEED_DTYPE_INT32, -1, 0);
    snprintf(name, sizeof name, "%s.walk", names[g]);
    float *walk = array(file, name, HEED_DTYPE_FLOAT32, N, STEPS), x[N * STEPS];
    snprintf(name, sizeof name, "%s.distance", names[g]);
    int32_t *distance = array(file, name, HEED_DTYPE_INT32, N, N), classes[N * N];
    ok(heed_mask_view(&mask, N, N, indptr, indices));
    heed_matrix to = heed_matrix_view(x, N, STEPS);
    ok(heed_encode_random_walk(&mask, &to));
    for (int i = 0; i < N * STEPS; i++) near(x[i], walk[i], 1e-6, "random walk");
    ok(heed_mask_full(&full, N, N));
    ok(heed_pairs_distance(&full, &mask, LIMIT, classes));
    for (int i = 0; i < N * N; i++) {
      ck_assert_int_eq(classes[i], distance[i] < 0 ? LIMIT + 1 : distance[i]);
    }
    if (g == 0) {
      float *wanted = array(file, "laplacian", HEED_DTYPE_FLOAT32, N, K);
      double v[N * K];
      ok(heed_mask_laplacian(&mask, K, v, K, NULL));
      for (int c = 0; c < K; c++) {
        double along = 0;
        for (int i = 0; i < N; i++) along += v[i * K + c] * wanted[i * K + c];
        for (int i = 0; i < N; i++) {
          near(v[i * K + c], (along < 0 ? -1 : 1) * (double)wanted[i * K + c], 1e-5, "eigenvector");
        }
      }
      heed_npz_free(wanted);
    }
    heed_npz_free(indptr);
    heed_npz_free(indices);
    heed_npz_free(walk);
    heed_npz_free(distance);
  }
  int32_t *positions = array(file, "positions", HEED_DTYPE_INT32, 7, 0);
  for (int halves = 0; halves < 2; halves++) {
    float *x = array(file, "x", HEED_DTYPE_FLOAT32, 7, 24);
    float *wanted = array(file, halves ? "rotary.halves" : "rotary", HEED_DTYPE_FLOAT32, 7, 24);
    heed_matrix to = heed_matrix_view(x, 7, 24);
    ok(heed_encode_rotary(&to, 3, positions, halves ? 500 : 10000, halves, false));
    for (int i = 0; i < 7 * 24; i++) near(x[i], wanted[i], 2e-6, "rotary");
    heed_npz_free(x);
    heed_npz_free(wanted);
  }
  heed_npz_free(positions);
  heed_npz_close(file);
}
END_TEST

/* --- Symmetries ---------------------------------------------------------------------------- */

static void encode_all(const heed_mask *mask, float *x, int64_t n) {
  heed_encodings encodings;
  ok(heed_encodings_read(&encodings, "laplacian:3+random-walk:5+degree"));
  heed_matrix to = heed_matrix_view(x, n, 9);
  ok(heed_encode_nodes(&encodings, mask, 0, NULL, &to));
}

START_TEST(other_numbers_of_nodes) {
  enum { N = 250 };
  uint8_t *a = path_matrix(N, false);
  for (int64_t i = 0; i < 400; i++) {
    int64_t x = chance(N), y = chance(N);
    a[x * N + y] = a[y * N + x] = 1;
  }
  heed_mask mask, other;
  int64_t order[N];
  mask_of(&mask, a, N);
  for (int64_t i = 0; i < N; i++) order[i] = i;
  for (int64_t i = N - 1; i > 0; i--) {
    int64_t j = chance(i + 1), swap = order[i];
    order[i] = order[j];
    order[j] = swap;
  }
  ok(heed_mask_permute(&other, &mask, order, order, NULL));
  float *x = room(N * 9, sizeof *x), *y = room(N * 9, sizeof *y);
  encode_all(&mask, x, N);
  encode_all(&other, y, N);
  for (int64_t i = 0; i < N; i++) {
    for (int c = 0; c < 9; c++) near(y[i * 9 + c], x[order[i] * 9 + c], 1e-5, "encoding in another order");
  }
  heed_mask_free(&mask);
  heed_mask_free(&other);
  free(a), free(x), free(y);
}
END_TEST

START_TEST(threads_do_not_matter) {
  enum { N = 300 };
  uint8_t *a = random_matrix(N, 700, true, 2);
  heed_mask mask, full;
  mask_of(&mask, a, N);
  ok(heed_mask_full(&full, N, N));
  float *x = room(N * 9, sizeof *x), *y = room(N * 9, sizeof *y);
  int32_t *c = room(N * N, sizeof *c), *d = room(N * N, sizeof *d);
  ok(heed_set_threads(1));
  encode_all(&mask, x, N);
  ok(heed_pairs_distance(&full, &mask, 4, c));
  for (int threads = 2; threads < 6; threads++) {
    ok(heed_set_threads(threads));
    encode_all(&mask, y, N);
    ck_assert(memcmp(x, y, N * 9 * sizeof *x) == 0);
    ok(heed_pairs_distance(&full, &mask, 4, d));
    ck_assert(memcmp(c, d, N * N * sizeof *c) == 0);
  }
  heed_mask_free(&mask);
  free(a), free(x), free(y), free(c), free(d);
}
END_TEST

/* --- Words --------------------------------------------------------------------------------- */

START_TEST(words_are_read_and_written) {
  static const char *const texts[] = {
      "laplacian:8+random-walk:16+degree+sinusoidal:32+learned+rotary+relative:16+distance:5+quadratic",
      "degree:4+sinusoidal:6:3x4+rotary:500+relative:0:3x4+quadratic:3x4",
      "quadratic+laplacian:1",
      "none",
  };
  static const int64_t columns[] = {57, 11, 1, 0}, classes[] = {33 * 7, 1, 0, 0}, features[] = {2, 3, 2, 0},
                       first[] = {0, -1, 0, -1};
  for (int i = 0; i < 4; i++) {
    heed_encodings e;
    char text[512];
    int64_t laplacian;
    ok(heed_encodings_read(&e, texts[i]));
    ok(heed_encodings_write(&e, text, sizeof text));
    ck_assert_str_eq(text, texts[i]);
    ck_assert_int_eq(heed_encodings_columns(&e, &laplacian), columns[i]);
    ck_assert_int_eq(laplacian, first[i]);
    ck_assert_int_eq(heed_encodings_classes(&e), classes[i]);
    ck_assert_int_eq(heed_encodings_pair_features(&e), features[i]);
    for (size_t size = 0; size <= strlen(texts[i]); size++) {
      fails(heed_encodings_write(&e, text, size), HEED_RANGE, "room");
    }
  }
}
END_TEST

START_TEST(bad_words_are_named) {
  static const char *const bad[][2] = {
      {"", "no encoding ''"},
      {"laplace:8", "'laplace:8'"},
      {"laplacian", "laplacian:K"},
      {"laplacian:", "laplacian:K"},
      {"laplacian:0", "between 1 and 1024"},
      {"laplacian:1025", "between 1 and 1024"},
      {"laplacian:99999999999999999999", "between 1 and 1024"},
      {"laplacian:-3", "'laplacian:-3'"},
      {"laplacian:8x", "'laplacian:8x'"},
      {"laplacian:8:2x2", "'laplacian:8:2x2'"},
      {"degree+", "no encoding ''"},
      {"degree++learned", "no encoding ''"},
      {"degree+degree:3", "there twice"},
      {"learned:3", "'learned:3'"},
      {"rotary:1", "rotary:BASE"},
      {"relative", "relative:R"},
      {"relative:5:3", "relative:R:HxW"},
      {"relative:5:3x", "relative:R:HxW"},
      {"relative:5:0x3", "relative:R:HxW"},
      {"relative:5:3x3x3", "relative:R:HxW"},
      {"sinusoidal:5:3x3", "even D"},
      {"quadratic:7", "quadratic:HxW"},
      {"none+degree", "no encoding 'none'"},
      {"degreedegreedegreedegreedegreedegreedegreedegreedegreedegreedegree", "66 bytes"},
  };
  heed_encodings e = {.n = 77};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    fails(heed_encodings_read(&e, bad[i][0]), HEED_ARGUMENT, bad[i][1]);
    ck_assert_int_eq(e.n, 77);
  }
}
END_TEST

/* Whatever is read is written so that it is read again as the same. */
START_TEST(any_bytes_are_words_or_none) {
  static const char *const pieces[] = {"laplacian", "random-walk", "degree", "sinusoidal", "learned", "rotary",
                                       "relative", "distance", "quadratic", "none", ":", "+", "x", "3", "12",
                                       "-1", "0", " ", "9999999999", "\xff"};
  int good = 0;
  for (int round = 0; round < 20000; round++) {
    char text[200] = "", again[512];
    heed_encodings e, f;
    for (int64_t n = chance(8); n >= 0; n--) strcat(text, pieces[chance(20)]);
    if (heed_encodings_read(&e, text) != HEED_OK) continue;
    good++;
    ok(heed_encodings_write(&e, again, sizeof again));
    ok(heed_encodings_read(&f, again));
    ck_assert_int_eq(e.n, f.n);
    for (int i = 0; i < e.n; i++) {
      ck_assert_int_eq(e.at[i].kind, f.at[i].kind);
      ck_assert_int_eq(e.at[i].size, f.at[i].size);
      ck_assert_int_eq(e.at[i].grid[0], f.at[i].grid[0]);
      ck_assert_int_eq(e.at[i].grid[1], f.at[i].grid[1]);
    }
  }
  ck_assert_int_gt(good, 200);
}
END_TEST

/* Of graphs side by side every pair has what it has in its graph alone. */
START_TEST(pairs_of_many_graphs) {
  enum { EACH = 6, GRAPHS = 3, N = EACH * GRAPHS };
  uint8_t *a = random_matrix(EACH, 30, true, 2), *all = calloc(N * N, 1);
  heed_mask graph, graphs, blocks, full;
  heed_encodings e;
  int64_t ptr[GRAPHS + 1] = {0, EACH, 2 * EACH, N};
  for (int g = 0; g < GRAPHS; g++) {
    for (int i = 0; i < EACH; i++) {
      for (int j = 0; j < EACH; j++) {
        all[(g * EACH + i) * N + g * EACH + j] = a[i * EACH + j];
      }
    }
  }
  mask_of(&graph, a, EACH);
  mask_of(&graphs, all, N);
  ok(heed_mask_full(&full, EACH, EACH));
  ok(heed_mask_blocks(&blocks, GRAPHS, ptr, ptr));
  static const char *const words[] = {"relative:2:2x3", "distance:2+relative:3", "quadratic:3x2",
                                      "relative:1:3x2+distance:3+quadratic:2x3", "quadratic"};
  for (int w = 0; w < 5; w++) {
    int32_t one[EACH * EACH], many[GRAPHS * EACH * EACH];
    float x[EACH * EACH * 3], y[GRAPHS * EACH * EACH * 3];
    ok(heed_encodings_read(&e, words[w]));
    int64_t numbers = EACH * EACH * heed_encodings_pair_features(&e);
    bool classes = heed_encodings_classes(&e) > 0;
    if (classes) {
      ok(heed_encode_classes(&e, &full, &graph, 0, NULL, one));
      ok(heed_encode_classes(&e, &blocks, &graphs, GRAPHS, ptr, many));
    }
    ok(heed_encode_features(&e, &full, 0, NULL, x));
    ok(heed_encode_features(&e, &blocks, GRAPHS, ptr, y));
    for (int g = 0; g < GRAPHS; g++) {
      if (classes) ck_assert_mem_eq(one, many + g * EACH * EACH, sizeof one);
      ck_assert(memcmp(x, y + g * numbers, (size_t)numbers * sizeof *x) == 0);
    }
    for (int n = 0;; n++) {
      size_t held = heed_memory_held();
      heed__alloc_fail_after(n);
      heed_status status = classes ? heed_encode_classes(&e, &blocks, &graphs, GRAPHS, ptr, many) : HEED_OK;
      if (status == HEED_OK) status = heed_encode_features(&e, &blocks, GRAPHS, ptr, y);
      heed__alloc_fail_after(-1);
      ck_assert_uint_eq(heed_memory_held(), held);
      if (status == HEED_OK) break;
      ck_assert_int_eq(status, HEED_NOMEM);
    }
  }
  heed_mask_free(&graph);
  heed_mask_free(&graphs);
  heed_mask_free(&blocks);
  free(a);
  free(all);
}
END_TEST

START_TEST(words_fill_what_they_name) {
  enum { N = 12 };
  uint8_t *a = random_matrix(N, 20, true, 1);
  heed_mask graph, mask;
  heed_encodings e;
  mask_of(&graph, a, N);
  ok(heed_mask_full(&mask, N, N));
  int64_t graph_ptr[3] = {0, 5, N};
  float x[N * 7], walk[N * 2], waves[7 * 4];
  ok(heed_encodings_read(&e, "sinusoidal:4+learned+random-walk:2+degree"));
  heed_matrix to = heed_matrix_view(x, N, 7), of_walk = heed_matrix_view(walk, N, 2),
              of_waves = heed_matrix_view(waves, 7, 4);
  ok(heed_encode_nodes(&e, &graph, 2, graph_ptr, &to));
  ok(heed_encode_random_walk(&graph, &of_walk));
  ok(heed_encode_sinusoidal(&of_waves, NULL, 10000));
  for (int i = 0; i < N; i++) {
    for (int c = 0; c < 4; c++) ck_assert(x[7 * i + c] == waves[4 * (i < 5 ? i : i - 5) + c]);
    for (int c = 0; c < 2; c++) ck_assert(x[7 * i + 4 + c] == walk[2 * i + c]);
  }
  int32_t both[N * N], relative[N * N], distance[N * N], at[2 * N];
  float features[N * N * 3], wanted[N * N * 3];
  int64_t sizes[2] = {3, 4};
  ok(heed_grid_coordinates(2, sizes, at));
  ok(heed_encodings_read(&e, "distance:3+quadratic:3x4+relative:1:3x4"));
  ok(heed_encode_classes(&e, &mask, &graph, 0, NULL, both));
  ok(heed_pairs_offset(&mask, at, 2, 1, relative));
  ok(heed_pairs_distance(&mask, &graph, 3, distance));
  for (int p = 0; p < N * N; p++) ck_assert_int_eq(both[p], relative[p] * 5 + distance[p]);
  ok(heed_encode_features(&e, &mask, 0, NULL, features));
  ok(heed_pairs_quadratic(&mask, at, 2, wanted));
  ck_assert(memcmp(features, wanted, sizeof wanted) == 0);
  ok(heed_encodings_read(&e, "relative:1:3x5"));
  fails(heed_encode_classes(&e, &mask, &graph, 0, NULL, both), HEED_SHAPE, "3x5 has 15 places, not 12");
  fails(heed_encode_classes(&e, &mask, &graph, 2, graph_ptr, both), HEED_SHAPE,
        "3x5 has 15 places, not 5 nodes, as graph 0 has");
  heed_mask_free(&graph);
  free(a);
}
END_TEST

/* --- What cannot be ------------------------------------------------------------------------ */

START_TEST(bad_arguments_are_refused) {
  float x[64];
  int32_t classes[64], at[64] = {0};
  double v[64];
  int64_t sizes[3] = {2, 0, 3}, huge[3] = {1 << 15, 1 << 15, 1 << 15};
  heed_mask mask, oblong;
  ok(heed_mask_window(&mask, 4, 1, 1));
  ok(heed_mask_full(&oblong, 4, 5));
  heed_matrix to = heed_matrix_view(x, 4, 4), odd = heed_matrix_view(x, 4, 3), none = {x, 4, 0, 4},
              few = heed_matrix_view(x, 3, 4);
  fails(heed_encode_sinusoidal(&none, NULL, 10000), HEED_SHAPE, "0 columns");
  fails(heed_encode_sinusoidal(&to, NULL, 1), HEED_RANGE, "base 1");
  fails(heed_encode_sinusoidal(&to, NULL, NAN), HEED_RANGE, "nan");
  fails(heed_encode_sinusoidal_grid(&odd, at, 2, 10000), HEED_SHAPE, "3 columns");
  fails(heed_encode_sinusoidal_grid(&to, at, 4, 10000), HEED_ARGUMENT, "4 axes");
  fails(heed_encode_sinusoidal_grid(&to, NULL, 2, 10000), HEED_ARGUMENT, "coordinates");
  fails(heed_grid_coordinates(3, sizes, at), HEED_RANGE, "size 0 of axis 2");
  fails(heed_grid_coordinates(3, huge, at), HEED_RANGE, "axis 3");
  fails(heed_encode_rotary(&odd, 1, NULL, 10000, false, false), HEED_SHAPE, "3 columns and 1");
  fails(heed_encode_rotary(&to, 3, NULL, 10000, false, false), HEED_SHAPE, "3 heads");
  fails(heed_encode_rotary(&to, 0, NULL, 10000, false, false), HEED_SHAPE, "0 heads");
  fails(heed_encode_rotary(&to, 1, NULL, INFINITY, false, false), HEED_RANGE, "base");
  fails(heed_encode_laplacian(&oblong, &to), HEED_SHAPE, "5");
  fails(heed_encode_laplacian(&mask, &few), HEED_SHAPE, "[3, 4] for 4 nodes");
  fails(heed_mask_laplacian(&mask, 5, v, 4, NULL), HEED_RANGE, "rows of 4");
  fails(heed_mask_laplacian(&mask, -1, v, 4, NULL), HEED_RANGE, "-1");
  fails(heed_mask_laplacian(&mask, 1025, v, 2000, NULL), HEED_RANGE, "1025");
  fails(heed_encode_random_walk(&mask, &few), HEED_SHAPE, "[3, 4]");
  fails(heed_encode_random_walk(&mask, &none), HEED_SHAPE, "[4, 0]");
  fails(heed_encode_degree(&oblong, &to), HEED_SHAPE, "5");
  fails(heed_pairs_offset(&oblong, NULL, 1, 1, classes), HEED_SHAPE, "5");
  fails(heed_pairs_offset(&mask, NULL, 2, 1, classes), HEED_ARGUMENT, "coordinates");
  fails(heed_pairs_offset(&mask, at, 0, 1, classes), HEED_ARGUMENT, "0 axes");
  fails(heed_pairs_offset(&mask, at, 1, -1, classes), HEED_RANGE, "-1");
  fails(heed_pairs_offset(&mask, at, 3, 51, classes), HEED_RANGE, "51");
  fails(heed_pairs_quadratic(&mask, NULL, 2, x), HEED_ARGUMENT, "coordinates");
  heed_mask other;
  ok(heed_mask_full(&other, 5, 5));
  fails(heed_pairs_distance(&mask, &other, 2, classes), HEED_SHAPE, "4 nodes and a graph of 5");
  fails(heed_pairs_distance(&mask, &mask, 0, classes), HEED_RANGE, "limit 0");
  fails(heed_pairs_distance(&mask, &oblong, 2, classes), HEED_SHAPE, "5");
  heed_mask_free(&mask);
}
END_TEST

START_TEST(no_nodes_are_fine) {
  heed_mask mask;
  heed_matrix to = {NULL, 0, 3, 3};
  heed_encodings e;
  ok(heed_encodings_read(&e, "laplacian:1+random-walk:1+degree"));
  ok(heed_mask_window(&mask, 0, 1, 1));
  ok(heed_encode_nodes(&e, &mask, 0, NULL, &to));
  int32_t none;
  ok(heed_pairs_distance(&mask, &mask, 3, &none));
  ok(heed_pairs_offset(&mask, NULL, 1, 3, &none));
  heed_mask_free(&mask);
}
END_TEST

START_TEST(failed_allocations_leave_nothing) {
  enum { N = 20 };
  uint8_t *a = random_matrix(N, 40, true, 2);
  heed_mask mask;
  heed_encodings e;
  mask_of(&mask, a, N);
  float x[N * 9];
  int32_t *classes = room(mask.n_pairs, sizeof *classes);
  heed_matrix to = heed_matrix_view(x, N, 9);
  ok(heed_encodings_read(&e, "laplacian:3+random-walk:3+degree+relative:3:4x5+distance:2+sinusoidal:2:4x5"));
  size_t held = heed_memory_held();
  for (int what = 0; what < 2; what++) {
    long n = 0;
    for (;; n++) {
      ck_assert_int_lt(n, 200);
      heed__alloc_fail_after(n);
      heed_status status = what == 0 ? heed_encode_nodes(&e, &mask, 0, NULL, &to)
                                     : heed_encode_classes(&e, &mask, &mask, 0, NULL, classes);
      heed__alloc_fail_after(-1);
      ck_assert_uint_eq(heed_memory_held(), held);
      if (status == HEED_OK) break;
      ck_assert_int_eq(status, HEED_NOMEM);
    }
    ck_assert_int_gt(n, 3);
  }
  heed_mask_free(&mask);
  free(a), free(classes);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("encoding");
  TCase *tests = tcase_create("encoding");
  tcase_set_timeout(tests, 120);
  tcase_add_checked_fixture(tests, set_up, NULL);
  tcase_add_test(tests, sinusoidal_is_the_formula);
  tcase_add_test(tests, a_grid_has_an_axis_after_the_other);
  tcase_add_test(tests, rotary_leaves_offsets_alone);
  tcase_add_test(tests, eigenvectors_of_small_graphs);
  tcase_add_test(tests, eigenvectors_of_large_components);
  tcase_add_test(tests, random_walks_are_powers);
  tcase_add_test(tests, degrees);
  tcase_add_test(tests, offsets_are_clipped);
  tcase_add_test(tests, quadratic_weights_are_a_parabola);
  tcase_add_test(tests, distances_are_shortest_paths);
  tcase_add_test(tests, as_others_have_it);
  tcase_add_test(tests, other_numbers_of_nodes);
  tcase_add_test(tests, threads_do_not_matter);
  tcase_add_test(tests, words_are_read_and_written);
  tcase_add_test(tests, bad_words_are_named);
  tcase_add_test(tests, any_bytes_are_words_or_none);
  tcase_add_test(tests, words_fill_what_they_name);
  tcase_add_test(tests, pairs_of_many_graphs);
  tcase_add_test(tests, bad_arguments_are_refused);
  tcase_add_test(tests, no_nodes_are_fine);
  tcase_add_test(tests, failed_allocations_leave_nothing);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
