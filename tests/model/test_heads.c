/* Models whose heads see different pairs. */
#include <check.h>
#include <heed/model.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "expect.h"

enum { N = 21, FEATURES = 5, OUTPUTS = 3, MASKS = 4 };

typedef struct world {
  heed_model *model;
  heed_mask masks[MASKS];
  const heed_mask *of[MASKS];
  float x[N * FEATURES];
  float d_output[N * OUTPUTS];
  heed_matrix features;
  heed_model_inputs in;
} world;

static void set_up_world(world *w, const char *blocks, heed_kernel kernel) {
  *w = (world){0};
  heed_model_spec spec = heed_model_spec_default(HEED_MODEL_TRANSFORMER);
  strcpy(spec.blocks, blocks);
  spec.layers = (int32_t)strlen(blocks);
  spec.features = FEATURES;
  spec.outputs = OUTPUTS;
  spec.hidden = 12;
  spec.heads = 4;
  spec.kernel = kernel;
  spec.dropout = spec.attention_dropout = 0;
  ok(heed_model_build(&w->model, &spec, 3));
  ok(heed_mask_random(&w->masks[0], N, N, 4, 1));
  ok(heed_mask_full(&w->masks[1], N, N));
  ok(heed_mask_window(&w->masks[2], N, 3, 1));
  ok(heed_mask_random(&w->masks[3], N, N, 9, 2));
  for (int g = 0; g < MASKS; g++) w->of[g] = &w->masks[g];
  heed_random_uniform(1, 1, w->x, N * FEATURES, -1, 1);
  heed_random_uniform(1, 2, w->d_output, N * OUTPUTS, -1, 1);
  w->features = heed_matrix_view(w->x, N, FEATURES);
  w->in = (heed_model_inputs){.n_nodes = N, .dense = &w->features};
}

static void tear_down_world(world *w) {
  heed_model_free(w->model);
  for (int g = 0; g < MASKS; g++) heed_mask_free(&w->masks[g]);
}

static double loss(const world *w, heed_pass *pass, heed_mode mode) {
  heed_matrix y;
  double sum = 0;
  ok(heed_pass_forward(pass, mode, 1, 1, &y));
  for (int64_t i = 0; i < N; i++) {
    for (int64_t c = 0; c < OUTPUTS; c++) {
      sum += (double)y.data[i * y.stride + c] * (double)w->d_output[i * OUTPUTS + c];
    }
  }
  return sum;
}

/* Groups that see the same pairs are as one, gradients too. */
START_TEST(groups_of_one_mask) {
  static const int32_t heads[] = {1, 2, 1};
  world w;
  heed_pass *one, *many;
  set_up_world(&w, "MSM", HEED_KERNEL_SPARSE);
  heed_model_inputs in = w.in;
  in.mask = &w.masks[0];
  ok(heed_pass_new(&one, w.model, &in, true));
  in.mask = NULL;
  const heed_mask *same[] = {&w.masks[0], &w.masks[0], &w.masks[0]};
  in.n_head_masks = 3;
  in.head_masks = same;
  in.mask_heads = heads;
  ok(heed_pass_new(&many, w.model, &in, true));
  ck_assert_double_lt(fabs(loss(&w, one, HEED_MODE_TRAIN) - loss(&w, many, HEED_MODE_TRAIN)), 1e-4);
  ok(heed_pass_backward(one, w.d_output));
  ok(heed_pass_backward(many, w.d_output));
  int64_t n = heed_model_parameter_count(w.model);
  const float *a = heed_pass_gradients(one), *b = heed_pass_gradients(many);
  for (int64_t i = 0; i < n; i++) ck_assert_float_lt(fabsf(a[i] - b[i]), 1e-4f + 1e-4f * fabsf(a[i]));
  /* Only the attention of all heads is told. */
  ck_assert_int_eq(heed_pass_attentions(one), 3);
  ck_assert_int_eq(heed_pass_attentions(many), 1);
  heed_pass_free(one);
  heed_pass_free(many);
  tear_down_world(&w);
}
END_TEST

/* Gradients against central differences; and other masks give something else. */
START_TEST(gradients_are_slopes) {
  static const int32_t heads[] = {2, 1, 1};
  world w;
  heed_pass *pass, *other;
  set_up_world(&w, "MM", HEED_KERNEL_AUTO);
  heed_model_inputs in = w.in;
  in.n_head_masks = 3;
  in.head_masks = w.of;
  in.mask_heads = heads;
  ok(heed_pass_new(&pass, w.model, &in, true));
  in.head_masks = w.of + 1;
  ok(heed_pass_new(&other, w.model, &in, false));
  double before = loss(&w, pass, HEED_MODE_TRAIN);
  ck_assert_double_gt(fabs(before - loss(&w, other, HEED_MODE_EVALUATE)), 1e-3);
  ok(heed_pass_backward(pass, w.d_output));
  int64_t n = heed_model_parameter_count(w.model);
  float *gradients = malloc((size_t)n * sizeof *gradients), *x = heed_model_parameters(w.model);
  memcpy(gradients, heed_pass_gradients(pass), (size_t)n * sizeof *gradients);
  for (int64_t i = 0; i < n; i += 1 + n / 300) {
    float was = x[i], step = 4e-3f;
    x[i] = was + step;
    double up = loss(&w, pass, HEED_MODE_EVALUATE);
    x[i] = was - step;
    double down = loss(&w, pass, HEED_MODE_EVALUATE);
    x[i] = was;
    double expected = (up - down) / (2 * (double)step);
    ck_assert_msg(fabs(expected - (double)gradients[i]) < 2e-2 + 1e-2 * fabs(expected),
                  "parameter %lld: %g, not %g", (long long)i, (double)gradients[i], expected);
  }
  free(gradients);
  heed_pass_free(pass);
  heed_pass_free(other);
  tear_down_world(&w);
}
END_TEST

START_TEST(refusals) {
  static const int32_t heads[] = {2, 1, 1}, wrong[] = {2, 1, 2};
  world w;
  heed_pass *pass;
  heed_mask small;
  set_up_world(&w, "MS", HEED_KERNEL_AUTO);
  ok(heed_mask_full(&small, N - 1, N - 1));
  heed_model_inputs good = w.in;
  good.n_head_masks = 3;
  good.head_masks = w.of;
  good.mask_heads = heads;
  heed_model_inputs in = good;
  in.mask_heads = wrong;
  fails(heed_pass_new(&pass, w.model, &in, false), HEED_SHAPE,
            "heads: the groups have 5 heads, but the attention has 4");
  in.mask_heads = NULL;
  fails(heed_pass_new(&pass, w.model, &in, false), HEED_ARGUMENT, "without");
  in = good;
  in.mask = &w.masks[0];
  fails(heed_pass_new(&pass, w.model, &in, false), HEED_ARGUMENT, "beside a mask");
  in = good;
  const heed_mask *masks[] = {&w.masks[0], &small, NULL};
  in.head_masks = masks;
  fails(heed_pass_new(&pass, w.model, &in, false), HEED_SHAPE, "20");
  masks[1] = NULL;
  fails(heed_pass_new(&pass, w.model, &in, false), HEED_ARGUMENT, "group 1");
  in = w.in;
  fails(heed_pass_new(&pass, w.model, &in, false), HEED_ARGUMENT, "there is no mask");
  heed_model_capacity capacity = {.n_nodes = 2 * N, .n_pairs = 1000, .n_graphs = 1};
  ok(heed_pass_reserve(&pass, w.model, &capacity, false));
  fails(heed_pass_bind(pass, &good), HEED_ARGUMENT, "reserved");
  heed_pass_free(pass);
  for (int n = 0;; n++) {
    size_t held = heed_memory_held();
    heed__alloc_fail_after(n);
    heed_status status = heed_pass_new(&pass, w.model, &good, true);
    heed__alloc_fail_after(-1);
    if (status == HEED_OK) break;
    ck_assert_int_eq(status, HEED_NOMEM);
    ck_assert_int_eq(heed_memory_held(), held);
  }
  heed_pass_free(pass);
  tear_down_world(&w);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("heads");
  TCase *c = tcase_create("heads");
  tcase_set_timeout(c, 120);
  tcase_add_test(c, groups_of_one_mask);
  tcase_add_test(c, gradients_are_slopes);
  tcase_add_test(c, refusals);
  suite_add_tcase(suite, c);
  return run_suite(suite);
}
