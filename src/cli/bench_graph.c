/* Graphs for benchmarks, as masks: made here where igraph would take longer than the benchmark. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench.h"

enum { MOST_NODES = 1 << 24 };
static const int64_t most_pairs = (int64_t)1 << 31;

/* The two arrays that a mask is viewed over. */
static int arrays_new(bench_graph *graph, int64_t rows, int64_t pairs, int64_t **indptr,
                      int32_t **indices) {
  *indptr = malloc((size_t)(rows + 1) * sizeof **indptr);
  *indices = malloc((size_t)(pairs + 1) * sizeof **indices);
  graph->held.made[graph->held.n_made++] = *indptr;
  graph->held.made[graph->held.n_made++] = *indices;
  if (*indptr != NULL && *indices != NULL) return CLI_OK;
  return cli_fail("%s: out of memory for %lld pairs", graph->name, (long long)pairs);
}

static int view(bench_graph *graph, int64_t n, const int64_t *indptr, const int32_t *indices) {
  return cli_check(heed_mask_view(&graph->mask, n, n, indptr, indices), graph->name);
}

/* `n` numbers uniform in [0, 1); NULL after saying so. */
static float *draw(int64_t n, uint64_t seed, uint64_t stream) {
  float *numbers = cli_floats(n, 1, 1);
  if (numbers != NULL) heed_random_uniform(seed, stream, numbers, n, 0, 1);
  return numbers;
}

static int make_random(bench_graph *graph, int64_t n, int64_t degree, uint64_t seed) {
  int64_t *indptr;
  int32_t *indices;
  if (arrays_new(graph, n, n * degree, &indptr, &indices)) return CLI_FAILED;
  float *numbers = draw(n * degree, seed, 1);
  if (numbers == NULL) return CLI_FAILED;
  for (int64_t i = 0; i <= n; i++) indptr[i] = i * degree;
  for (int64_t p = 0; p < n * degree; p++) { /* one key out of each of `degree` equal stretches */
    int64_t k = p % degree, first = k * n / degree, end = (k + 1) * n / degree;
    int64_t key = first + (int64_t)((double)numbers[p] * (double)(end - first));
    indices[p] = (int32_t)(key < end ? key : end - 1);
  }
  free(numbers);
  return view(graph, n, indptr, indices);
}

static int make_window(bench_graph *graph, int64_t n, int64_t width) {
  int64_t left = width / 2;
  return cli_check(heed_mask_window(&graph->mask, n, left, width - 1 - left), graph->name);
}

static int by_number(const void *a, const void *b) {
  int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
  return (x > y) - (x < y);
}

/* The node of a rank drawn with weight (rank + 10)^(-2/3), by the inverse of its cumulative weight;
 * ranks are scattered over the nodes by a factor without a common divisor. */
static int32_t power_node(double u, int64_t n, int64_t factor) {
  double low = cbrt(10.0), high = cbrt((double)n + 10), root = low + u * (high - low);
  int64_t rank = (int64_t)(root * root * root - 10);
  rank = rank < 0 ? 0 : rank >= n ? n - 1 : rank;
  return (int32_t)(rank * factor % n);
}

static int64_t coprime_from(int64_t factor, int64_t n) {
  for (;; factor++) {
    int64_t a = factor, b = n;
    while (b != 0) {
      int64_t rest = a % b;
      a = b;
      b = rest;
    }
    if (a == 1) return factor;
  }
}

/* Sorts each row and leaves out what is there twice; `ends` has the ends of the rows as they lie. */
static void tidy_rows(int64_t n, int64_t *indptr, int32_t *indices) {
  int64_t pairs = 0, first = 0;
  for (int64_t i = 0; i < n; i++) {
    int64_t end = indptr[i + 1], start = pairs;
    qsort(indices + first, (size_t)(end - first), sizeof *indices, by_number);
    for (int64_t p = first; p < end; p++) {
      if (pairs == start || indices[p] != indices[pairs - 1]) indices[pairs++] = indices[p];
    }
    first = end;
    indptr[i + 1] = pairs;
  }
}

static int make_power(bench_graph *graph, int64_t n, int64_t pairs, uint64_t seed) {
  int64_t *indptr;
  int32_t *indices;
  if (arrays_new(graph, n, pairs, &indptr, &indices)) return CLI_FAILED;
  float *numbers = draw(2 * pairs, seed, 2);
  int64_t *next = calloc((size_t)n + 1, sizeof *next);
  if (numbers == NULL || next == NULL) {
    free(numbers);
    free(next);
    return cli_fail("%s: out of memory", graph->name);
  }
  int64_t query_factor = coprime_from(n / 3 + 1, n), key_factor = coprime_from(n / 7 + 1, n);
  memset(indptr, 0, (size_t)(n + 1) * sizeof *indptr);
  for (int64_t p = 0; p < pairs; p++) indptr[power_node(numbers[2 * p], n, query_factor) + 1]++;
  for (int64_t i = 0; i < n; i++) {
    indptr[i + 1] += indptr[i];
    next[i] = indptr[i];
  }
  for (int64_t p = 0; p < pairs; p++) {
    int32_t query = power_node(numbers[2 * p], n, query_factor);
    indices[next[query]++] = power_node(numbers[2 * p + 1], n, key_factor);
  }
  free(numbers);
  free(next);
  tidy_rows(n, indptr, indices);
  return view(graph, n, indptr, indices);
}

/* --- Names --------------------------------------------------------------------------------- */

/* Reads "KIND:n=N,WORD=K"; says what is wrong if it is of that kind. */
static bool two_numbers(const char *name, const char *kind, const char *word, int64_t *n,
                        int64_t *k, int *failed) {
  size_t length = strlen(kind);
  if (strncmp(name, kind, length) != 0 || name[length] != ':') return false;
  char found_kind[16], found_word[16];
  int end = 0;
  long long first = 0, second = 0;
  bool read = sscanf(name, "%15[a-z]:n=%9lld,%15[a-z]=%11lld%n", found_kind, &first, found_word,
                     &second, &end) == 4 &&
              name[end] == '\0' && strcmp(found_word, word) == 0;
  *n = first;
  *k = second;
  *failed = read && first >= 1 && first <= MOST_NODES && second >= 1
                ? CLI_OK
                : cli_fail("%s: not %s:n=N,%s=K with N from 1 to %d and K at least 1", name, kind,
                           word, MOST_NODES);
  return true;
}

static int too_many(const char *name, const char *what, int64_t k, int64_t most) {
  return cli_fail("%s: %s is %lld, but at most %lld", name, what, (long long)k, (long long)most);
}

/* The recipes of this file; *known tells whether `name` is one. */
static int open_recipe(bench_graph *graph, const char *name, uint64_t seed, bool *known) {
  int64_t n = 0, k = 0;
  int failed = CLI_OK, end = 0;
  *known = true;
  if (two_numbers(name, "random", "degree", &n, &k, &failed)) {
    if (!failed && k > n) failed = too_many(name, "degree", k, n);
    if (!failed && n * k > most_pairs) failed = too_many(name, "the number of pairs", n * k, most_pairs);
    return failed ? failed : make_random(graph, n, k, seed);
  }
  if (two_numbers(name, "window", "width", &n, &k, &failed)) {
    if (!failed && k > n) failed = too_many(name, "width", k, n);
    if (!failed && n * k > most_pairs) failed = too_many(name, "the number of pairs", n * k, most_pairs);
    return failed ? failed : make_window(graph, n, k);
  }
  if (two_numbers(name, "power", "pairs", &n, &k, &failed)) {
    int64_t most = n * n < most_pairs ? n * n : most_pairs;
    if (!failed && k > most) failed = too_many(name, "pairs", k, most);
    return failed ? failed : make_power(graph, n, k, seed);
  }
  long long nodes;
  if (sscanf(name, "full:%9lld%n", &nodes, &end) == 1 && name[end] == '\0') {
    return cli_check(heed_mask_full(&graph->mask, nodes, nodes), name);
  }
  *known = false;
  return CLI_OK;
}

/* A mask of an archive; *known tells whether there is one. */
static int open_archive(bench_graph *graph, const char *name, bool *known) {
  size_t length = strlen(name);
  *known = false;
  if (length < 4 || strcmp(name + length - 4, ".npz") != 0) return CLI_OK;
  heed_npz *npz;
  if (cli_check(heed_npz_open(&npz, name), NULL)) return CLI_FAILED;
  const heed_array *indptr = heed_npz_find(npz, "indptr");
  int failed = CLI_OK;
  *known = indptr != NULL && indptr->n_dims == 1 && heed_npz_find(npz, "indices") != NULL;
  if (*known) {
    int64_t n = indptr->shape[0] - 1;
    failed = n < 0 ? cli_fail("%s: indptr is empty", name)
                   : cli_mask_read(&graph->mask, &graph->held, npz, name, n, n);
  }
  heed_npz_close(npz);
  return failed;
}

int bench_graph_open(bench_graph *graph, const char *name, uint64_t seed) {
  bool known;
  *graph = (bench_graph){.name = strdup(name)};
  if (graph->name == NULL) return cli_fail("out of memory for the name of a graph");
  int failed = open_recipe(graph, name, seed, &known);
  if (failed || known) return failed;
  failed = open_archive(graph, name, &known);
  if (failed || known) return failed;
  heed_data *data;
  const heed_data_options options = {.seed = seed};
  if (cli_check(heed_data_open(&data, name, &options), NULL)) return CLI_FAILED;
  failed = cli_check(heed_mask_from_graph(&graph->mask, heed_data_graph(data), HEED_DIRECTION_IN,
                                          HEED_LOOPS_ADD),
                     name);
  heed_data_free(data);
  return failed;
}

void bench_graph_free(bench_graph *graph) {
  heed_mask_free(&graph->mask);
  cli_inputs_free(&graph->held);
  free(graph->name);
  *graph = (bench_graph){0};
}
