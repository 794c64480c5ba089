/* Heed against PyTorch and PyTorch Geometric: every fixture through every kernel. The fixtures and
 * the script that made them are in FIXTURES, described in the README there. */
#include <check.h>
#include <dirent.h>
#include <heed/attention.h>
#include <heed/data.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "expect.h"

/* Largest absolute error over largest absolute value. */
#define TOLERANCE 1e-5

/* Those of FIXTURE_FILES in local.mk; test_complete holds the list against the folder. */
static const char *const names[] = {
#include "attention/fixtures/names.h"
};
enum { N_NAMES = sizeof names / sizeof *names };

typedef struct fixture {
  heed_npz *npz;
  heed_attention_spec spec;
  heed_attention_inputs inputs;
  heed_mask mask;
  float *expected_out;
  float *expected_weights;
  size_t n_out;
  size_t n_weights;
  void *held[20]; /* everything that was read */
  int n_held;
} fixture;

static void *take(fixture *f, const char *name, heed_dtype dtype, int n_dims, int64_t *shape) {
  void *data;
  ok(heed_npz_read(f->npz, name, dtype, strcmp(name, "bias") == 0, n_dims, shape, &data));
  ck_assert_int_lt(f->n_held, (int)(sizeof f->held / sizeof *f->held));
  f->held[f->n_held++] = data;
  return data;
}

static float *nodes(fixture *f, const char *name, int64_t *n, int32_t *dim) {
  int64_t shape[3] = {-1, -1, -1};
  float *data = take(f, name, HEED_DTYPE_FLOAT32, 3, shape);
  *n = shape[0];
  ck_assert(f->spec.heads == 0 || f->spec.heads == shape[1]);
  f->spec.heads = (int32_t)shape[1];
  *dim = (int32_t)shape[2];
  return data;
}

static float *vector(fixture *f, const char *name) {
  int64_t shape[2] = {f->spec.heads, f->spec.key_dim};
  return take(f, name, HEED_DTYPE_FLOAT32, 2, shape);
}

static float number(fixture *f, const char *name, float otherwise) {
  int64_t shape[1] = {1};
  if (heed_npz_find(f->npz, name) == NULL) return otherwise;
  return *(float *)take(f, name, HEED_DTYPE_FLOAT32, 1, shape);
}

/* [Fe, H, dim], or without `dim` [Fe, H]; NULL where the fixture has none. */
static float *of_edges(fixture *f, const char *name, int64_t dim) {
  int64_t shape[3] = {f->spec.edge_dim, f->spec.heads, dim};
  if (heed_npz_find(f->npz, name) == NULL) return NULL;
  return take(f, name, HEED_DTYPE_FLOAT32, dim > 0 ? 3 : 2, shape);
}

static void open_fixture(fixture *f, const char *name) {
  char path[4096];
  memset(f, 0, sizeof *f);
  ck_assert_int_lt(snprintf(path, sizeof path, "%s/%s.npz", FIXTURES, name), (int)sizeof path);
  ok(heed_npz_open(&f->npz, path));

  f->spec = heed_attention_spec_default(1, 1);
  f->spec.heads = 0;
  f->spec.slope = number(f, "slope", f->spec.slope);
  f->spec.scale = number(f, "scale", f->spec.scale);

  int64_t n_queries, n_keys, n_values;
  heed_attention_inputs *in = &f->inputs;
  if (strncmp(name, "gat-", 4) == 0) {
    f->spec.score = HEED_SCORE_GAT;
    in->query = in->key = nodes(f, "h", &n_queries, &f->spec.key_dim);
    n_keys = n_queries;
    in->a_query = vector(f, "a_l");
    in->a_key = vector(f, "a_r");
  } else if (strncmp(name, "gatv2-", 6) == 0) {
    f->spec.score = HEED_SCORE_GATV2;
    in->query = nodes(f, "r", &n_queries, &f->spec.key_dim);
    in->key = nodes(f, "l", &n_keys, &f->spec.key_dim);
    in->a = vector(f, "a");
  } else {
    bool is_dot = strncmp(name, "dot-", 4) == 0;
    f->spec.score = is_dot ? HEED_SCORE_DOT : HEED_SCORE_ADDITIVE;
    for (int n = 1; is_dot && n <= HEED_NORMALIZER_LINEAR; n++) {
      const char *of = heed_normalizer_name((heed_normalizer)n);
      if (strncmp(name + 4, of, strlen(of)) == 0) f->spec.normalizer = (heed_normalizer)n;
    }
    in->query = nodes(f, "q", &n_queries, &f->spec.key_dim);
    in->key = nodes(f, "k", &n_keys, &f->spec.key_dim);
    in->value = nodes(f, "v", &n_values, &f->spec.value_dim);
    ck_assert_int_eq(n_values, n_keys);
    if (!is_dot) in->a = vector(f, "a");
  }
  if (in->value == NULL) f->spec.value_dim = f->spec.key_dim;

  if (heed_npz_find(f->npz, "indptr") != NULL) {
    int64_t n_ptr = n_queries + 1, n_pairs = -1;
    const int64_t *indptr = take(f, "indptr", HEED_DTYPE_INT64, 1, &n_ptr);
    const int32_t *indices = take(f, "indices", HEED_DTYPE_INT32, 1, &n_pairs);
    ck_assert_int_eq(indptr[n_queries], n_pairs);
    ok(heed_mask_view(&f->mask, n_queries, n_keys, indptr, indices));
  } else {
    ok(heed_mask_full(&f->mask, n_queries, n_keys));
  }
  if (heed_npz_find(f->npz, "bias") != NULL) {
    int64_t shape[2] = {f->mask.n_pairs, -1};
    in->bias = take(f, "bias", HEED_DTYPE_FLOAT32, 2, shape);
    ck_assert(shape[1] == 1 || shape[1] == f->spec.heads);
    in->bias_heads = (int32_t)shape[1];
  }

  if (heed_npz_find(f->npz, "e") != NULL) {
    int64_t e_shape[2] = {f->mask.n_pairs, -1};
    in->edges = take(f, "e", HEED_DTYPE_FLOAT32, 2, e_shape);
    f->spec.edge_dim = (int32_t)e_shape[1];
    in->edge_bias = of_edges(f, "edge_bias", 0);
    in->edge_key = of_edges(f, "edge_key", f->spec.key_dim);
    in->edge_value = of_edges(f, "edge_value", f->spec.value_dim);
  }

  int64_t out_shape[3] = {n_queries, f->spec.heads, f->spec.value_dim};
  int64_t weights_shape[2] = {f->mask.n_pairs, f->spec.heads};
  f->expected_out = take(f, "out", HEED_DTYPE_FLOAT32, 3, out_shape);
  f->expected_weights = take(f, "weights", HEED_DTYPE_FLOAT32, 2, weights_shape);
  f->n_out = (size_t)n_queries * (size_t)f->spec.heads * (size_t)f->spec.value_dim;
  f->n_weights = (size_t)f->mask.n_pairs * (size_t)f->spec.heads;
}

static void close_fixture(fixture *f) {
  heed_mask_free(&f->mask);
  while (f->n_held > 0) heed_npz_free(f->held[--f->n_held]);
  heed_npz_close(f->npz);
}

static void check_close(const char *what, heed_kernel kernel, const float *got,
                        const float *expected, size_t n) {
  double error = 0, size = 0;
  for (size_t i = 0; i < n; i++) {
    ck_assert_msg(isfinite(got[i]), "%s, %s: number %zu is not finite", what,
                  heed_kernel_name(kernel), i);
    error = fmax(error, fabs((double)got[i] - expected[i]));
    size = fmax(size, fabs((double)expected[i]));
  }
  ck_assert_msg(size > 0, "%s: a fixture of zeros shows nothing", what);
  ck_assert_msg(error <= TOLERANCE * size, "%s, %s: error %g, largest value %g", what,
                heed_kernel_name(kernel), error, size);
}

/* `out` and `weights` start as rubbish, so that a place that is not written is seen. */
static void attend(const fixture *f, const heed_attention_spec *spec, const heed_mask *mask,
                   int threads, float *out, float *weights) {
  heed_attention_outputs outputs = {.out = out, .weights = weights};
  for (size_t i = 0; i < f->n_out; i++) out[i] = NAN;
  for (size_t i = 0; i < f->n_weights; i++) weights[i] = NAN;
  ok(heed_set_threads(threads));
  ok(heed_attend(spec, mask, &f->inputs, &outputs));
}

START_TEST(test_fixture) {
  static const heed_kernel kernels[] = {HEED_KERNEL_REFERENCE, HEED_KERNEL_SPARSE,
                                        HEED_KERNEL_DENSE};
  static const int threads[] = {2, 7};
  fixture f;
  open_fixture(&f, names[_i]);
  heed_mask explicit_mask;
  ok(heed_mask_explicit(&explicit_mask, &f.mask));

  float *out = malloc(f.n_out * sizeof *out), *again = malloc(f.n_out * sizeof *again);
  float *weights = malloc(f.n_weights * sizeof *weights);
  float *weights_again = malloc(f.n_weights * sizeof *weights_again);
  ck_assert(out != NULL && again != NULL && weights != NULL && weights_again != NULL);
  for (size_t k = 0; k < sizeof kernels / sizeof *kernels; k++) {
    heed_attention_spec spec = f.spec;
    spec.kernel = kernels[k];
    attend(&f, &spec, &f.mask, 1, out, weights);
    check_close("out", spec.kernel, out, f.expected_out, f.n_out);
    check_close("weights", spec.kernel, weights, f.expected_weights, f.n_weights);
    for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) {
      attend(&f, &spec, &f.mask, threads[t], again, weights_again);
      ck_assert_msg(memcmp(out, again, f.n_out * sizeof *out) == 0, "%s: %d threads differ",
                    heed_kernel_name(spec.kernel), threads[t]);
      ck_assert_msg(memcmp(weights, weights_again, f.n_weights * sizeof *weights) == 0,
                    "%s: weights of %d threads differ", heed_kernel_name(spec.kernel), threads[t]);
    }
    if (heed_mask_is_full(&f.mask)) {
      attend(&f, &spec, &explicit_mask, 1, again, weights_again);
      check_close("out, pairs written out", spec.kernel, again, f.expected_out, f.n_out);
      check_close("weights, pairs written out", spec.kernel, weights_again, f.expected_weights,
                  f.n_weights);
    }
  }
  free(weights_again);
  free(weights);
  free(again);
  free(out);
  heed_mask_free(&explicit_mask);
  close_fixture(&f);
}
END_TEST

/* The gradients of the peer's own backward pass, in the names of its inputs; where one array is
 * several inputs its gradient is one array too. */
START_TEST(test_gradients) {
  static const heed_kernel kernels[] = {HEED_KERNEL_REFERENCE, HEED_KERNEL_SPARSE,
                                        HEED_KERNEL_DENSE};
  fixture f;
  open_fixture(&f, names[_i]);
  const heed_attention_inputs *in = &f.inputs;
  int64_t heads = f.spec.heads, dim = f.spec.key_dim, value_dim = f.spec.value_dim;
  int64_t out_shape[3] = {f.mask.n_queries, heads, value_dim};
  const float *d_out = take(&f, "d_out", HEED_DTYPE_FLOAT32, 3, out_shape);
  bool gat = in->a_query != NULL, gatv2 = in->a != NULL && in->value == NULL;
  int64_t queries = f.mask.n_queries * heads * dim, keys = f.mask.n_keys * heads * dim;
  struct {
    const char *name;
    const float *input;
    int64_t n;
    float *got;
  } g[] = {{gat ? "d_h" : gatv2 ? "d_r" : "d_q", in->query, queries, NULL},
           {gatv2 ? "d_l" : "d_k", gat ? NULL : in->key, keys, NULL},
           {"d_v", in->value, f.mask.n_keys * heads * value_dim, NULL},
           {"d_a_l", in->a_query, heads * dim, NULL},
           {"d_a_r", in->a_key, heads * dim, NULL},
           {"d_a", in->a, heads * dim, NULL},
           {"d_bias", in->bias, f.mask.n_pairs * in->bias_heads, NULL},
           {"d_edge_bias", in->edge_bias, f.spec.edge_dim * heads, NULL},
           /* Where the peer has one matrix for both, its gradient is the sum. */
           {in->edge_value != NULL ? "d_edge" : "d_edge_key", in->edge_key,
            f.spec.edge_dim * heads * dim, NULL},
           {NULL, in->edge_value, f.spec.edge_dim * heads * value_dim, NULL}};
  enum { N = sizeof g / sizeof *g };
  float *out = malloc(f.n_out * sizeof *out);
  float *log_sum_exp = malloc((size_t)(f.mask.n_queries * heads) * sizeof *log_sum_exp);
  for (int i = 0; i < N; i++) {
    if (g[i].input != NULL) g[i].got = malloc((size_t)g[i].n * sizeof(float));
  }
  for (size_t k = 0; k < sizeof kernels / sizeof *kernels; k++) {
    heed_attention_spec spec = f.spec;
    spec.kernel = kernels[k];
    for (int i = 0; i < N; i++) {
      for (int64_t x = 0; g[i].got != NULL && x < g[i].n; x++) g[i].got[x] = NAN;
    }
    heed_attention *plan;
    ok(heed_attention_new(&plan, &spec, &f.mask));
    ok(heed_attention_prepare_backward(plan, NULL, NULL));
    heed_attention_outputs outputs = {.out = out, .log_sum_exp = log_sum_exp};
    ok(heed_attention_forward(plan, in, &outputs));
    heed_attention_gradients to = {.out = out,
                                   .log_sum_exp = log_sum_exp,
                                   .d_out = d_out,
                                   .query = g[0].got,
                                   .key = gat ? g[0].got : g[1].got,
                                   .value = g[2].got,
                                   .a_query = g[3].got,
                                   .a_key = g[4].got,
                                   .a = g[5].got,
                                   .bias = g[6].got,
                                   .edge_bias = g[7].got,
                                   .edge_key = g[8].got,
                                   .edge_value = g[9].got};
    ok(heed_attention_backward(plan, in, &to));
    heed_attention_free(plan);
    for (int64_t x = 0; g[9].got != NULL && x < g[9].n; x++) g[8].got[x] += g[9].got[x];
    for (int i = 0; i < N; i++) {
      if (g[i].got == NULL || g[i].name == NULL) continue;
      int64_t shape[3] = {-1, -1, -1};
      int n_dims = i < 3 || i == 8 ? 3 : 2;
      const float *expected = take(&f, g[i].name, HEED_DTYPE_FLOAT32, n_dims, shape);
      check_close(g[i].name, spec.kernel, g[i].got, expected, (size_t)g[i].n);
      heed_npz_free(f.held[--f.n_held]);
    }
  }
  for (int i = 0; i < N; i++) free(g[i].got);
  free(log_sum_exp);
  free(out);
  close_fixture(&f);
}
END_TEST

/* A fixture in the folder that the list lacks would never be tested. */
START_TEST(test_complete) {
  DIR *folder = opendir(FIXTURES);
  ck_assert_msg(folder != NULL, "cannot open %s", FIXTURES);
  int found = 0;
  for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
    size_t n = strlen(entry->d_name);
    if (n < 4 || strcmp(entry->d_name + n - 4, ".npz") != 0) continue;
    bool listed = false;
    for (int i = 0; i < N_NAMES; i++) {
      listed |= strlen(names[i]) == n - 4 && strncmp(names[i], entry->d_name, n - 4) == 0;
    }
    ck_assert_msg(listed, "%s is not in names.h", entry->d_name);
    found++;
  }
  closedir(folder);
  ck_assert_int_eq(found, N_NAMES);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("attention fixtures");
  TCase *tc = tcase_create("peers");
  tcase_set_timeout(tc, 60);
  tcase_add_loop_test(tc, test_fixture, 0, N_NAMES);
  tcase_add_loop_test(tc, test_gradients, 0, N_NAMES);
  tcase_add_test(tc, test_complete);
  suite_add_tcase(suite, tc);
  return run_suite(suite);
}
