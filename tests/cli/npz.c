/* Helper of the command's tests: makes inputs for `heed attend --input`, shows and compares
 * archives.
 *
 *   npz make GRAPH SCORE HEADS DIM FILE [WHAT...]   the arrays that `heed attend` would project
 *   npz show FILE                                   name, type and shape of each array
 *   npz print FILE ARRAY                            the numbers of an array of integers
 *   npz floats FILE ARRAY                           those of an array of floats, a line for each along its last axis
 *   npz same A B ARRAY TOLERANCE                    0 if no number differs by more
 *   npz words DENSE SPARSE                          a data set of bags of words, twice
 *   npz sums FILE [ARRAY]                           0 if the weights of every row sum to 1 or 0
 *
 * WHAT changes what is made: nan, short (a node too few), mask (indptr and indices of the graph with
 * self-loops), badmask (an index out of range), bias, shut (a bias that shuts all out but the first
 * pair of a row), strange (another array). */
#include <heed.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void need(heed_status status) {
  if (status == HEED_OK) return;
  fprintf(stderr, "npz: %s\n", heed_message());
  exit(1);
}

static void *allocate(size_t n) {
  void *x = calloc(n + 1, 1);
  if (x == NULL) abort();
  return x;
}

enum { MOST = 16 };
static heed_array arrays[MOST];
static int n_arrays;

static void add(const char *name, heed_dtype dtype, int n_dims, int64_t a, int64_t b, int64_t c,
                const void *data) {
  arrays[n_arrays++] = (heed_array){name, dtype, n_dims, {a, b, c}, data};
}

static void project(const char *name, const heed_data *data, uint64_t stream, int64_t heads,
                    int64_t dim, int64_t n) {
  float *x = allocate((size_t)(heed_data_nodes(data) * heads * dim) * sizeof *x);
  need(heed_data_project(data, 0, stream, heads * dim, x));
  add(name, HEED_DTYPE_FLOAT32, 3, n, heads, dim, x);
}

static void draw(const char *name, uint64_t stream, int64_t heads, int64_t dim) {
  float *x = allocate((size_t)(heads * dim) * sizeof *x);
  float bound = (float)sqrt(6.0 / ((double)dim + 1.0));
  heed_random_uniform(0, stream, x, heads * dim, -bound, bound);
  add(name, HEED_DTYPE_FLOAT32, 2, heads, dim, 0, x);
}

static int make(int argc, char **argv) {
  if (argc < 5) return 2;
  const char *score = argv[1], *path = argv[4];
  int64_t heads = atoi(argv[2]), dim = atoi(argv[3]);
  heed_data *data;
  heed_mask mask;
  need(heed_data_open(&data, argv[0], NULL));
  need(heed_mask_from_graph(&mask, heed_data_graph(data), HEED_DIRECTION_IN, HEED_LOOPS_ADD));
  int64_t n = heed_data_nodes(data);
  for (int i = 5; i < argc; i++) n -= strcmp(argv[i], "short") == 0;
  if (strcmp(score, "gat") == 0) {
    project("h", data, 1, heads, dim, n);
    draw("a_l", 4, heads, dim);
    draw("a_r", 5, heads, dim);
  } else if (strcmp(score, "gatv2") == 0) {
    project("r", data, 1, heads, dim, n);
    project("l", data, 2, heads, dim, n);
    draw("a", 4, heads, dim);
  } else {
    project("q", data, 1, heads, dim, n);
    project("k", data, 2, heads, dim, n);
    project("v", data, 3, heads, dim, n);
    if (strcmp(score, "additive") == 0) draw("a", 4, heads, dim);
  }
  int64_t *indptr = allocate((size_t)(mask.n_queries + 1) * sizeof *indptr);
  int32_t *indices = allocate((size_t)mask.n_pairs * sizeof *indices);
  float *bias = allocate((size_t)(mask.n_pairs * heads) * sizeof *bias);
  memcpy(indptr, mask.indptr, (size_t)(mask.n_queries + 1) * sizeof *indptr);
  memcpy(indices, mask.indices, (size_t)mask.n_pairs * sizeof *indices);
  for (int i = 5; i < argc; i++) {
    if (strcmp(argv[i], "nan") == 0) ((float *)arrays[0].data)[heads * dim + 1] = NAN;
    if (strcmp(argv[i], "badmask") == 0) indices[mask.n_pairs - 1] = 4000;
    if (strcmp(argv[i], "mask") == 0 || strcmp(argv[i], "badmask") == 0) {
      add("indptr", HEED_DTYPE_INT64, 1, mask.n_queries + 1, 0, 0, indptr);
      add("indices", HEED_DTYPE_INT32, 1, mask.n_pairs, 0, 0, indices);
    }
    if (strcmp(argv[i], "shut") == 0) {
      for (int64_t p = 0; p < mask.n_pairs * heads; p++) bias[p] = -INFINITY;
      for (int64_t q = 0; q < mask.n_queries; q++) {
        for (int64_t h = 0; h < heads; h++) bias[mask.indptr[q] * heads + h] = 0;
      }
    }
    if (strcmp(argv[i], "bias") == 0 || strcmp(argv[i], "shut") == 0) {
      add("bias", HEED_DTYPE_FLOAT32, 2, mask.n_pairs, heads, 0, bias);
    }
    if (strcmp(argv[i], "strange") == 0) arrays[0].name = "strange";
  }
  need(heed_npz_write(path, arrays, n_arrays));
  for (int i = 0; i < n_arrays; i++) {
    if (arrays[i].data != bias && arrays[i].data != indptr && arrays[i].data != indices) {
      free((void *)arrays[i].data);
    }
  }
  free(indptr);
  free(indices);
  free(bias);
  heed_mask_free(&mask);
  heed_data_free(data);
  return 0;
}

static int show(const char *path) {
  static const char *const types[] = {"bool",  "int8",   "uint8", "int16",  "uint16", "int32",
                                      "uint32", "int64", "uint64", "float32", "float64"};
  heed_npz *npz;
  need(heed_npz_open(&npz, path));
  for (int i = 0; i < heed_npz_count(npz); i++) {
    const heed_array *array = heed_npz_at(npz, i);
    printf("%s %s", array->name, types[array->dtype]);
    for (int d = 0; d < array->n_dims; d++) printf(" %lld", (long long)array->shape[d]);
    putchar('\n');
  }
  heed_npz_close(npz);
  return 0;
}

static void *read_any(const char *path, const char *name, heed_dtype dtype, int64_t *n) {
  heed_npz *npz;
  void *data;
  int64_t shape[HEED_NPZ_MAX_DIMS];
  need(heed_npz_open(&npz, path));
  const heed_array *array = heed_npz_find(npz, name);
  if (array == NULL) {
    fprintf(stderr, "npz: %s: no %s\n", path, name);
    exit(1);
  }
  *n = 1;
  for (int d = 0; d < array->n_dims; d++) {
    shape[d] = array->shape[d];
    *n *= shape[d];
  }
  need(heed_npz_read(npz, name, dtype, true, array->n_dims, shape, &data));
  heed_npz_close(npz);
  return data;
}

static int print(const char *path, const char *name) {
  int64_t n;
  int64_t *x = read_any(path, name, HEED_DTYPE_INT64, &n);
  for (int64_t i = 0; i < n; i++) printf("%s%lld", i ? " " : "", (long long)x[i]);
  putchar('\n');
  heed_npz_free(x);
  return 0;
}

static int floats(const char *path, const char *name) {
  heed_npz *npz;
  int64_t n, across = 1;
  need(heed_npz_open(&npz, path));
  const heed_array *array = heed_npz_find(npz, name);
  if (array != NULL && array->n_dims > 0) across = array->shape[array->n_dims - 1];
  heed_npz_close(npz);
  float *x = read_any(path, name, HEED_DTYPE_FLOAT32, &n);
  for (int64_t i = 0; i < n; i++) printf("%.9g%c", (double)x[i], (i + 1) % across == 0 ? '\n' : ' ');
  heed_npz_free(x);
  return 0;
}

static int same(const char *a, const char *b, const char *name, double tolerance) {
  int64_t n, m;
  float *x = read_any(a, name, HEED_DTYPE_FLOAT32, &n);
  float *y = read_any(b, name, HEED_DTYPE_FLOAT32, &m);
  double most = 0, scale = 0;
  for (int64_t i = 0; i < n && i < m; i++) {
    most = fmax(most, fabs((double)x[i] - (double)y[i]));
    scale = fmax(scale, fabs((double)x[i]));
  }
  heed_npz_free(x);
  heed_npz_free(y);
  if (n == m && most <= tolerance * scale) return 0;
  printf("%s: %lld and %lld numbers, largest difference %g of %g\n", name, (long long)n,
         (long long)m, most, scale);
  return 1;
}

static int sums(const char *path, const char *name) {
  int64_t rows, pairs, numbers;
  int64_t *indptr = read_any(path, "indptr", HEED_DTYPE_INT64, &rows);
  int64_t *indices = read_any(path, "indices", HEED_DTYPE_INT64, &pairs);
  float *weights = read_any(path, name, HEED_DTYPE_FLOAT32, &numbers);
  int64_t heads = pairs ? numbers / pairs : 0;
  int wrong = 0;
  for (int64_t i = 0; i + 1 < rows; i++) {
    for (int64_t h = 0; h < heads; h++) {
      double sum = 0;
      for (int64_t p = indptr[i]; p < indptr[i + 1]; p++) sum += weights[p * heads + h];
      if (indptr[i] < indptr[i + 1] && !(fabs(sum - 1) < 1e-5)) wrong++;
    }
  }
  heed_npz_free(indptr);
  heed_npz_free(indices);
  heed_npz_free(weights);
  if (wrong) printf("%d rows do not sum to 1\n", wrong);
  return wrong != 0;
}

/* Bags of three words each, of which one tells the label: with dense features, and the same with
 * sparse ones. */
static int words(const char *dense_path, const char *sparse_path) {
  enum { N = 40, WORDS = 60, OF_NODE = 3 };
  static float dense[N * WORDS], values[N * OF_NODE];
  static int64_t indptr[N + 1], shape[2] = {N, WORDS}, edges[2 * N];
  static int32_t indices[N * OF_NODE], labels[N];
  static uint8_t parts[3][N];
  static const char *const masks[] = {"train_masks", "val_masks", "test_masks"};
  for (int i = 0; i < N; i++) {
    labels[i] = i % 2;
    const int32_t of_node[OF_NODE] = {labels[i], 2 + i, 2 + N + (i * 7) % (WORDS - N - 2)};
    for (int k = 0; k < OF_NODE; k++) {
      indices[i * OF_NODE + k] = of_node[k];
      dense[i * WORDS + of_node[k]] = values[i * OF_NODE + k] = (float)(k + 1);
    }
    indptr[i + 1] = (i + 1) * OF_NODE;
    edges[2 * i] = i;
    edges[2 * i + 1] = (i + 2) % N;
    parts[i % 5 < 2 ? 0 : i % 5 - 2][i] = 1;
  }
  add("node_labels", HEED_DTYPE_INT32, 1, N, 0, 0, labels);
  add("edges", HEED_DTYPE_INT64, 2, N, 2, 0, edges);
  for (int p = 0; p < 3; p++) add(masks[p], HEED_DTYPE_UINT8, 2, 1, N, 0, parts[p]);
  int common = n_arrays;
  add("node_features", HEED_DTYPE_FLOAT32, 2, N, WORDS, 0, dense);
  need(heed_npz_write(dense_path, arrays, n_arrays));
  n_arrays = common;
  add("features_indptr", HEED_DTYPE_INT64, 1, N + 1, 0, 0, indptr);
  add("features_indices", HEED_DTYPE_INT32, 1, N * OF_NODE, 0, 0, indices);
  add("features_data", HEED_DTYPE_FLOAT32, 1, N * OF_NODE, 0, 0, values);
  add("features_shape", HEED_DTYPE_INT64, 1, 2, 0, 0, shape);
  need(heed_npz_write(sparse_path, arrays, n_arrays));
  return 0;
}

int main(int argc, char **argv) {
  if (argc > 2 && strcmp(argv[1], "make") == 0) return make(argc - 2, argv + 2);
  if (argc == 3 && strcmp(argv[1], "show") == 0) return show(argv[2]);
  if (argc == 4 && strcmp(argv[1], "print") == 0) return print(argv[2], argv[3]);
  if (argc == 4 && strcmp(argv[1], "floats") == 0) return floats(argv[2], argv[3]);
  if (argc == 6 && strcmp(argv[1], "same") == 0) {
    return same(argv[2], argv[3], argv[4], atof(argv[5]));
  }
  if (argc == 4 && strcmp(argv[1], "words") == 0) return words(argv[2], argv[3]);
  if (argc == 3 && strcmp(argv[1], "sums") == 0) return sums(argv[2], "weights");
  if (argc == 4 && strcmp(argv[1], "sums") == 0) return sums(argv[2], argv[3]);
  fprintf(stderr, "npz: see the top of its source\n");
  return 2;
}
