/* The kernels against each other on real graphs, and the bits for 1, 2 and 7 threads. On the largest
 * the dense kernel runs once, for the scores that go through the matrix library or a table; the
 * others would take nearly all the time for what smaller graphs show. */
#include <check.h>
#include <heed.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "expect.h"

enum { HEADS = 4, DIM = 8, WIDTH = HEADS * DIM };

static const char *const files[] = {"karate.graphml", "cora.npz", "citeseer.npz", "facebook.npz"};
static const char *const others[] = {"ba:n=1500,m=4", "er:n=900,p=0.02", "star:4500",
                                     "sbm:n=800,blocks=4,in=0.1,out=0.01"};
enum { DENSE_NODES = 10000 };
enum { FILES = sizeof files / sizeof *files, OTHERS = sizeof others / sizeof *others };

static void succeed(heed_status status) { ck_assert_msg(status == HEED_OK, "%s", heed_message()); }

static float *projected(const heed_data *data, uint64_t stream) {
  float *x = malloc((size_t)heed_data_nodes(data) * WIDTH * sizeof *x);
  succeed(heed_data_project(data, 7, stream, WIDTH, x));
  return x;
}

static double worst_difference(const float *x, const float *y, int64_t n) {
  double worst = 0, largest = 0;
  for (int64_t i = 0; i < n; i++) {
    double difference = fabs((double)x[i] - (double)y[i]);
    if (!(difference <= worst)) worst = difference;
    if (fabs((double)y[i]) > largest) largest = fabs((double)y[i]);
  }
  return worst / largest;
}

static void agree(const char *source, heed_score score) {
  heed_data *data;
  succeed(heed_data_open(&data, source, NULL));
  heed_mask mask;
  succeed(heed_mask_from_graph(&mask, heed_data_graph(data), HEED_DIRECTION_IN, HEED_LOOPS_KEEP));
  int64_t n = mask.n_queries * WIDTH;
  float *query = projected(data, 1), *key = projected(data, 2), *value = projected(data, 3);
  float *expected = malloc((size_t)n * sizeof *expected), *out = malloc((size_t)n * sizeof *out);
  float a[2 * WIDTH];
  heed_random_uniform(7, 4, a, 2 * WIDTH, -1, 1);
  bool gat = score == HEED_SCORE_GAT, dot = score == HEED_SCORE_DOT;
  const heed_attention_inputs in = {.query = query,
                                    .key = key,
                                    .value = value,
                                    .a_query = gat ? a : NULL,
                                    .a_key = gat ? a + WIDTH : NULL,
                                    .a = gat || dot ? NULL : a};
  heed_attention_spec spec = heed_attention_spec_default(HEADS, DIM);
  spec.score = score;
  spec.kernel = HEED_KERNEL_REFERENCE;
  succeed(heed_attend(&spec, &mask, &in, &(heed_attention_outputs){.out = expected}));
  for (int kernel = HEED_KERNEL_SPARSE; kernel <= HEED_KERNEL_DENSE; kernel++) {
    spec.kernel = (heed_kernel)kernel;
    bool large = kernel == HEED_KERNEL_DENSE && mask.n_queries > DENSE_NODES;
    if (large && !gat && !dot) continue;
    float *first = NULL;
    const int threads[] = {2, 1, 7};
    for (int t = 0; t < (large ? 1 : 3); t++) {
      succeed(heed_set_threads(threads[t]));
      memset(out, 0xff, (size_t)n * sizeof *out);
      succeed(heed_attend(&spec, &mask, &in, &(heed_attention_outputs){.out = out}));
      double error = worst_difference(out, expected, n);
      ck_assert_msg(error < 1e-5, "%s, %s, %s: %g", source, heed_score_name(score),
                    heed_kernel_name(spec.kernel), error);
      if (first == NULL) {
        first = malloc((size_t)n * sizeof *first);
        memcpy(first, out, (size_t)n * sizeof *first);
      }
      ck_assert_int_eq(memcmp(first, out, (size_t)n * sizeof *out), 0);
    }
    free(first);
  }
  free(query);
  free(key);
  free(value);
  free(expected);
  free(out);
  heed_mask_free(&mask);
  heed_data_free(data);
}

START_TEST(files_agree) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", getenv("HEED_DATASETS"), files[_i / 4]);
  agree(path, (heed_score)(_i % 4));
}
END_TEST

START_TEST(generated_agree) { agree(others[_i / 4], (heed_score)(_i % 4)); }
END_TEST

int main(void) {
  if (getenv("HEED_DATASETS") == NULL) {
    puts("skipped: HEED_DATASETS does not name a folder with cora.npz and others");
    return 77;
  }
  Suite *suite = suite_create("attention on real graphs");
  TCase *agreement = tcase_create("agreement");
  tcase_set_timeout(agreement, 300);
  tcase_add_loop_test(agreement, files_agree, 0, 4 * FILES);
  tcase_add_loop_test(agreement, generated_agree, 0, 4 * OTHERS);
  suite_add_tcase(suite, agreement);
  return run_suite(suite);
}
