/* A pass that is told which rows are wanted gives these rows and gradients as a pass over all does.
 */
#include <check.h>
#include <heed/model.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "expect.h"

enum { N = 90, F = 23, OUT = 5, MOST_PAIRS = N * N };

static float dense_data[N * F];
static int64_t csr_indptr[N + 1], indptr[N + 1];
static int32_t csr_indices[N * F], indices[MOST_PAIRS];
static float csr_values[N * F];
static uint8_t wanted[N];
static heed_matrix dense;
static heed_csr sparse;
static heed_mask mask, full;

/* Directed, some rows empty, most without a self-loop; a third of the features are not 0. */
static void setup(void) {
  float numbers[N * N];
  heed_random_uniform(3, 1, numbers, N * N, 0, 1);
  int64_t pairs = 0;
  for (int i = 0; i < N; i++) {
    indptr[i] = pairs;
    for (int j = 0; j < N && i % 11 != 5; j++) {
      if (numbers[i * N + j] < 0.03F) indices[pairs++] = j;
    }
  }
  indptr[N] = pairs;
  ok(heed_mask_view(&mask, N, N, indptr, indices));
  ok(heed_mask_full(&full, N, N));
  heed_random_uniform(3, 2, numbers, N * F, -1, 1);
  int64_t at = 0;
  for (int i = 0; i < N; i++) {
    csr_indptr[i] = at;
    for (int j = 0; j < F; j++) {
      float x = numbers[i * F + j];
      dense_data[i * F + j] = fabsf(x) < 0.66F ? 0 : x;
      if (dense_data[i * F + j] == 0) continue;
      csr_indices[at] = j;
      csr_values[at++] = x;
    }
    wanted[i] = i % 9 == 2 || i == 5;
  }
  csr_indptr[N] = at;
  dense = heed_matrix_view(dense_data, N, F);
  sparse = (heed_csr){
      .rows = N, .cols = F, .indptr = csr_indptr, .indices = csr_indices, .values = csr_values};
}

/* The largest difference over the largest number, or over `least` if that is more. */
static double relative(const float *x, const float *y, int64_t n, double least) {
  double difference = 0, size = least;
  for (int64_t i = 0; i < n; i++) {
    difference = fmax(difference, fabs((double)x[i] - (double)y[i]));
    size = fmax(size, fabs((double)y[i]));
  }
  return difference / size;
}

/* The rows of the second pass against those of the first, and gradients of a loss over wanted rows.
 */
static void compare(heed_model *model, const heed_model_inputs *all) {
  heed_model_inputs some = *all;
  some.wanted = wanted;
  heed_pass *whole, *part;
  heed_matrix expected, got;
  ok(heed_pass_new(&whole, model, all, true));
  ok(heed_pass_new(&part, model, &some, true));
  ok(heed_pass_forward(whole, HEED_MODE_TRAIN, 1, 1, &expected));
  ok(heed_pass_forward(part, HEED_MODE_TRAIN, 1, 1, &got));
  const int32_t *nodes = heed_pass_nodes(part);
  ck_assert_ptr_nonnull(nodes);
  ck_assert_ptr_null(heed_pass_nodes(whole));
  int64_t rows = heed_pass_rows(part), n = 0;
  ck_assert_int_le(rows, N);
  float d_all[N * OUT] = {0}, d_some[N * OUT] = {0};
  for (int64_t r = 0; r < rows; r++) {
    if (!wanted[nodes[r]]) continue;
    ck_assert_int_eq(n++, r); /* the wanted ones come first */
    const float *row = expected.data + nodes[r] * OUT;
    ck_assert_double_lt(relative(got.data + r * OUT, row, OUT, 1e-12), 2e-5);
    for (int c = 0; c < OUT; c++) {
      d_some[r * OUT + c] = d_all[nodes[r] * OUT + c] =
          0.1F * (float)(nodes[r] % 7) - 0.25F + (float)c;
    }
  }
  int64_t count = 0;
  for (int i = 0; i < N; i++) count += wanted[i];
  ck_assert_int_eq(n, count);
  ok(heed_pass_backward(whole, d_all));
  ok(heed_pass_backward(part, d_some));
  /* Some gradients are 0 but for rounding, such as that of a bias of keys. */
  double largest = 0;
  for (int64_t i = 0; i < heed_model_parameter_count(model); i++) {
    largest = fmax(largest, fabs((double)heed_pass_gradients(whole)[i]));
  }
  for (int i = 0; i < heed_model_tensors(model); i++) {
    heed_parameter tensor = heed_model_tensor(model, i);
    if (!tensor.trained) continue;
    double worst =
        relative(heed_pass_gradients(part) + tensor.offset,
                 heed_pass_gradients(whole) + tensor.offset, tensor.size, 0.01 * largest);
    ck_assert_msg(worst < 2e-4, "%s: %g", tensor.name, worst);
  }
  heed_pass_free(whole);
  heed_pass_free(part);
}

static heed_model_spec spec_of(int number) {
  static const heed_model_kind kinds[] = {HEED_MODEL_MLP, HEED_MODEL_GAT, HEED_MODEL_GATV2,
                                          HEED_MODEL_TRANSFORMER};
  heed_model_spec spec = heed_model_spec_default(kinds[number % 4]);
  spec.features = F;
  spec.outputs = OUT;
  spec.hidden = 16;
  spec.heads = 4;
  spec.dropout = spec.attention_dropout = 0;
  spec.activation = HEED_ACTIVATION_GELU;
  int variant = number / 4;
  spec.residual = variant > 0;
  spec.pre_norm = variant != 2;
  spec.norm = variant == 3 ? HEED_NORM_BATCH : variant > 0 ? HEED_NORM_LAYER : HEED_NORM_NONE;
  spec.layers = variant == 1 ? 1 : 3;
  static const char *const blocks[] = {"MMM", "M", "SMS", "MSM"};
  strcpy(spec.blocks, blocks[variant]);
  return spec;
}

enum { SPECS = 16 };

START_TEST(wanted_rows_are_what_they_were) {
  heed_model_spec spec = spec_of(_i);
  heed_model *model;
  ok(heed_model_build(&model, &spec, 4));
  for (int form = 0; form < 4; form++) {
    heed_model_inputs in = {.n_nodes = N, .mask = form < 2 ? &mask : &full};
    if (form % 2 == 0) in.dense = &dense;
    if (form % 2 == 1) in.sparse = &sparse;
    compare(model, &in);
  }
  heed_model_free(model);
}
END_TEST

/* A value that another layer needs whole has more rows than the keys beside it, or the keys have more. */
START_TEST(keys_and_values_may_have_other_rows) {
  heed_model *model;
  ok(heed_model_new(&model, F));
  heed_value x = heed_model_features(model);
  heed_value whole = heed_model_linear(model, "whole", x, 8, true);
  whole = heed_model_activate(model, whole, HEED_ACTIVATION_GELU);
  heed_value part = heed_model_linear(model, "part", whole, 8, true);
  part = heed_model_activate(model, part, HEED_ACTIVATION_GELU);
  heed_attention_spec spec = heed_attention_spec_default(2, 4);
  heed_value keys = _i == 0 ? whole : part, values = _i == 0 ? part : whole;
  heed_value y =
      heed_model_attention(model, "masked", &spec, HEED_SCOPE_MASKED, part, keys, values);
  heed_value z = heed_model_attention(model, "full", &spec, HEED_SCOPE_FULL, y, whole, whole);
  ok(heed_model_finish(model, heed_model_linear(model, "out", z, OUT, true), 2));
  heed_model_inputs in = {.n_nodes = N, .mask = &mask, .dense = &dense};
  compare(model, &in);
  heed_model_free(model);
}
END_TEST

START_TEST(only_what_is_needed_is_computed) {
  heed_model_spec spec = spec_of(1);
  spec.layers = 2;
  heed_model *model;
  heed_pass *pass;
  ok(heed_model_build(&model, &spec, 4));
  heed_model_inputs in = {.n_nodes = N, .sparse = &sparse, .mask = &mask, .wanted = wanted};
  ok(heed_pass_new(&pass, model, &in, false));
  /* The last layer's queries are the wanted nodes, its keys those and their neighbours. */
  const heed_mask *first, *last;
  heed_attention_spec attention;
  ck_assert_ptr_nonnull(heed_pass_attention(pass, 0, &attention, &first));
  ck_assert_ptr_nonnull(heed_pass_attention(pass, 1, &attention, &last));
  uint8_t needed[N];
  int64_t count = 0, reached = 0;
  memcpy(needed, wanted, sizeof needed);
  for (int i = 0; i < N; i++) {
    count += wanted[i];
    for (int64_t p = indptr[i]; wanted[i] && p < indptr[i + 1]; p++) needed[indices[p]] = 1;
  }
  for (int i = 0; i < N; i++) reached += needed[i];
  ck_assert_int_lt(reached, N);
  ck_assert_int_eq(last->n_queries, count);
  ck_assert_int_eq(last->n_keys, reached);
  ck_assert_int_eq(first->n_queries, reached);
  heed_pass_free(pass);
  /* Nothing wanted: nothing computed, no failure. */
  const uint8_t nothing[N] = {0};
  heed_matrix output;
  in.wanted = nothing;
  ok(heed_pass_new(&pass, model, &in, true));
  ok(heed_pass_forward(pass, HEED_MODE_TRAIN, 1, 1, &output));
  ck_assert_int_eq(output.rows, 0);
  heed_pass_free(pass);
  heed_model_free(model);
}
END_TEST

START_TEST(memory_may_run_out) {
  heed_model_spec spec = spec_of(5);
  heed_model *model;
  ok(heed_model_build(&model, &spec, 4));
  heed_model_inputs in = {.n_nodes = N, .mask = &mask, .wanted = wanted};
  for (int form = 0; form < 2; form++) {
    in.dense = form == 0 ? &dense : NULL;
    in.sparse = form == 0 ? NULL : &sparse;
    heed_status status = HEED_NOMEM;
    for (int n = 0; status != HEED_OK; n++) {
      heed_pass *pass;
      size_t held = heed_memory_held();
      heed__alloc_fail_after(n);
      status = heed_pass_new(&pass, model, &in, true);
      heed__alloc_fail_after(-1);
      ck_assert(status == HEED_OK || status == HEED_NOMEM);
      if (status == HEED_OK) heed_pass_free(pass);
      ck_assert_uint_eq(heed_memory_held(), held);
    }
  }
  heed_model_free(model);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("field");
  TCase *tests = tcase_create("field");
  tcase_add_checked_fixture(tests, setup, NULL);
  tcase_add_loop_test(tests, wanted_rows_are_what_they_were, 0, SPECS);
  tcase_add_loop_test(tests, keys_and_values_may_have_other_rows, 0, 2);
  tcase_add_test(tests, only_what_is_needed_is_computed);
  tcase_add_test(tests, memory_may_run_out);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
