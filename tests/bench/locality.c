/* What orders of nodes are worth: the time of a forward pass with each over that without, in turns,
 * and the time that making the order takes. README.md tells of results.
 *
 *     locality GRAPH NODES PAIRS THREADS REPEATS SCORE ORDER...
 *
 * GRAPH: power (degrees fall with exponent 2.5, ends drawn apart), sbm (blocks of 100 nodes, a tenth
 * of the pairs between blocks), lattice (PAIRS is ignored), each with its nodes shuffled; or a file
 * of edges, a name of igraph's or a data set. 8 heads of size 8. It waits for a line of standard input
 * before it makes the orders and before it takes times, so that the machine can be quiet just then. */
#include <heed.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADS = 8, DIM = 8, WIDTH = HEADS * DIM, MOST = 8, BLOCK = 100 };

static uint64_t state = 88172645463325252u;

static uint64_t draw(uint64_t n) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (uint64_t)(((unsigned __int128)state * n) >> 64);
}

static void check(heed_status status) {
  if (status == HEED_OK) return;
  fprintf(stderr, "locality: %s\n", heed_message());
  exit(1);
}

static void *array(int64_t n, size_t size) {
  void *x = NULL;
  if (posix_memalign(&x, 64, (size_t)n * size + 64) != 0) exit(1);
  return x;
}

static int32_t *shuffled(int64_t n) {
  int32_t *x = array(n, sizeof *x);
  for (int64_t i = 0; i < n; i++) x[i] = (int32_t)i;
  for (int64_t i = n - 1; i > 0; i--) {
    int64_t j = (int64_t)draw((uint64_t)i + 1);
    int32_t t = x[i];
    x[i] = x[j];
    x[j] = t;
  }
  return x;
}

typedef struct pairs {
  int64_t n_nodes, n;
  int32_t *query, *key;
} pairs;

static void power(pairs *x) {
  double *sum = array(x->n_nodes + 1, sizeof *sum);
  sum[0] = 0;
  for (int64_t i = 0; i < x->n_nodes; i++) sum[i + 1] = sum[i] + pow((double)i + 10, -2.0 / 3);
  for (int64_t p = 0; p < x->n; p++) {
    int32_t *ends[] = {x->query + p, x->key + p};
    for (int e = 0; e < 2; e++) {
      double u = (double)draw(1ull << 53) / (double)(1ull << 53) * sum[x->n_nodes];
      int64_t low = 0, high = x->n_nodes - 1;
      while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (sum[middle + 1] > u) high = middle;
        else low = middle + 1;
      }
      *ends[e] = (int32_t)low;
    }
  }
  free(sum);
}

static void sbm(pairs *x) {
  for (int64_t p = 0; p < x->n; p++) {
    int64_t i = (int64_t)draw((uint64_t)x->n_nodes);
    int64_t first = i / BLOCK * BLOCK, size = x->n_nodes - first < BLOCK ? x->n_nodes - first : BLOCK;
    x->query[p] = (int32_t)i;
    x->key[p] = (int32_t)(draw(10) == 0 ? (int64_t)draw((uint64_t)x->n_nodes)
                                        : first + (int64_t)draw((uint64_t)size));
  }
}

static void lattice(pairs *x) {
  int64_t side = (int64_t)sqrt((double)x->n_nodes);
  x->n = 0;
  for (int64_t i = 0; i < side * side; i++) {
    int64_t to[4] = {i % side > 0 ? i - 1 : -1, i % side < side - 1 ? i + 1 : -1,
                     i >= side ? i - side : -1, i < side * (side - 1) ? i + side : -1};
    for (int k = 0; k < 4; k++) {
      if (to[k] < 0) continue;
      x->query[x->n] = (int32_t)i;
      x->key[x->n++] = (int32_t)to[k];
    }
  }
}

/* Rows sorted, each pair once: sorted by key, then by query. */
static void make_mask(heed_mask *mask, const pairs *x) {
  int64_t n = x->n_nodes, *start = calloc((size_t)n + 2, sizeof *start);
  int64_t *by_key = array(x->n, sizeof *by_key), *indptr = calloc((size_t)n + 2, sizeof *indptr);
  int32_t *indices = array(x->n, sizeof *indices);
  for (int64_t p = 0; p < x->n; p++) start[x->key[p] + 1]++;
  for (int64_t i = 0; i < n; i++) start[i + 1] += start[i];
  for (int64_t p = 0; p < x->n; p++) by_key[start[x->key[p]]++] = p;
  for (int64_t p = 0; p < x->n; p++) indptr[x->query[p] + 2]++;
  for (int64_t i = 0; i < n; i++) indptr[i + 2] += indptr[i + 1];
  for (int64_t p = 0; p < x->n; p++) {
    indices[indptr[x->query[by_key[p]] + 1]++] = x->key[by_key[p]];
  }
  int64_t put = 0, from = 0;
  for (int64_t i = 0; i < n; i++) {
    int64_t end = indptr[i + 1], first = put;
    for (int64_t p = from; p < end; p++) {
      if (put == first || indices[put - 1] != indices[p]) indices[put++] = indices[p];
    }
    from = end;
    indptr[i] = first;
  }
  indptr[n] = put;
  free(start);
  free(by_key);
  check(heed_mask_view(mask, n, n, indptr, indices));
}

static void open_mask(heed_mask *mask, const char *name, int64_t nodes, int64_t n_pairs) {
  pairs x = {.n_nodes = nodes, .n = n_pairs};
  void (*make)(pairs *) = strcmp(name, "power") == 0     ? power
                          : strcmp(name, "sbm") == 0     ? sbm
                          : strcmp(name, "lattice") == 0 ? lattice
                                                         : NULL;
  if (make == NULL) {
    heed_data *data;
    heed_data_options options = {0};
    check(heed_data_open(&data, name, &options));
    check(heed_mask_from_graph(mask, heed_data_graph(data), HEED_DIRECTION_IN, HEED_LOOPS_ADD));
    return;
  }
  if (make == lattice) x.n = 4 * nodes;
  x.query = array(x.n, sizeof *x.query);
  x.key = array(x.n, sizeof *x.key);
  make(&x);
  int32_t *names = shuffled(nodes), *others = make == power ? shuffled(nodes) : names;
  for (int64_t p = 0; p < x.n; p++) {
    x.query[p] = names[x.query[p]];
    x.key[p] = others[x.key[p]];
  }
  make_mask(mask, &x);
  free(x.query);
  free(x.key);
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *x, int n) {
  qsort(x, (size_t)n, sizeof *x, ascending);
  return 0.5 * (x[(n - 1) / 2] + x[n / 2]);
}

/* An end of the input is as good as a line. */
static void wait_for_line(const char *what) {
  int c;
  fprintf(stderr, "%s\n", what);
  do c = getchar();
  while (c != '\n' && c != EOF);
}

int main(int argc, char **argv) {
  if (argc < 8) return 2;
  int threads = atoi(argv[4]), repeats = atoi(argv[5]), n_orders = 0;
  heed_mask mask, masks[MOST];
  heed_order orders[MOST];
  heed_attention *plans[MOST];
  double making[MOST], permuting[MOST], *times[MOST];
  check(heed_set_threads(threads));
  open_mask(&mask, argv[1], atoll(argv[2]), atoll(argv[3]));
  int64_t n = mask.n_queries, *nodes = array(n, sizeof *nodes);
  int64_t *numbers = array(mask.n_pairs, sizeof *numbers);
  heed_attention_spec spec = heed_attention_spec_default(HEADS, DIM);
  check(heed_score_from_name(argv[6], &spec.score));
  spec.kernel = HEED_KERNEL_SPARSE;
  float *q = array(n * WIDTH, sizeof *q), *k = array(n * WIDTH, sizeof *k);
  float *v = array(n * WIDTH, sizeof *v), *out = array(n * WIDTH, sizeof *out), a[2][WIDTH];
  heed_random_normal(1, 1, q, n * WIDTH, 0, 1);
  heed_random_normal(1, 2, k, n * WIDTH, 0, 1);
  heed_random_normal(1, 3, v, n * WIDTH, 0, 1);
  heed_random_normal(1, 4, a[0], WIDTH, 0, 1);
  heed_random_normal(1, 5, a[1], WIDTH, 0, 1);
  bool gat = spec.score == HEED_SCORE_GAT, dot = spec.score == HEED_SCORE_DOT;
  heed_attention_inputs in = {.query = q,
                              .key = gat ? q : k,
                              .value = dot ? v : NULL,
                              .a_query = gat ? a[0] : NULL,
                              .a_key = gat ? a[1] : NULL,
                              .a = gat || dot ? NULL : a[0]};
  heed_attention_outputs outputs = {.out = out};
  wait_for_line("graph made");
  for (int o = 7; o < argc && n_orders < MOST; o++, n_orders++) {
    check(heed_order_from_name(argv[o], &orders[n_orders]));
    double from = heed_seconds();
    check(heed_mask_order(&mask, orders[n_orders], nodes));
    making[n_orders] = heed_seconds() - from;
    from = heed_seconds();
    check(heed_mask_permute(&masks[n_orders], &mask, nodes, nodes, numbers));
    permuting[n_orders] = heed_seconds() - from;
    check(heed_attention_new(&plans[n_orders], &spec, &masks[n_orders]));
    check(heed_attention_forward(plans[n_orders], &in, &outputs));
    times[n_orders] = array(repeats, sizeof **times);
  }
  wait_for_line("orders made");
  for (int r = 0; r < repeats; r++) {
    for (int o = 0; o < n_orders; o++) {
      double from = heed_seconds();
      check(heed_attention_forward(plans[o], &in, &outputs));
      times[o][r] = heed_seconds() - from;
    }
  }
  printf("%s: %lld nodes, %lld pairs, %s, %d threads\n", argv[1], (long long)n,
         (long long)mask.n_pairs, argv[6], threads);
  double first = 0;
  for (int o = 0; o < n_orders; o++) {
    double time = median(times[o], repeats), near, far, from = heed_seconds();
    check(heed_mask_reuse(&masks[o], NULL, 2048, &near));
    double reuse = heed_seconds() - from;
    check(heed_mask_reuse(&masks[o], NULL, 65536, &far));
    if (o == 0) first = time;
    printf("  %-10s %8.2f ms, ratio %.2f; making %7.1f ms, permuting %6.1f ms; reuse %.3f %.3f "
           "(%.1f ms)\n", heed_order_name(orders[o]), 1e3 * time, first / time, 1e3 * making[o],
           1e3 * permuting[o], near, far, 1e3 * reuse);
  }
  return 0;
}
