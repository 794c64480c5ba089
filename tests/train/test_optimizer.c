/* Optimisers against the papers' algorithms in double precision. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/isa.h"
#include "train/optimizer.h"
#include "train/train_test.h"

/* Two linear layers: weights that decay and biases that do not, beyond one piece of the optimiser.
 */
enum { WIDTH = 170 };

static heed_model *model;

static void new_model(void) {
  ok(heed_model_new(&model, WIDTH));
  heed_value x = heed_model_linear(model, "one", heed_model_features(model), WIDTH, true);
  ok(heed_model_finish(model, heed_model_linear(model, "two", x, 3, true), 5));
}

static void end_model(void) { heed_model_free(model); }

typedef struct oracle {
  int64_t n;
  double *p, *m, *v;
  bool *decays;
} oracle;

static oracle oracle_new(void) {
  oracle o = {.n = heed_model_parameter_count(model)};
  o.p = calloc((size_t)o.n, sizeof *o.p);
  o.m = calloc((size_t)o.n, sizeof *o.m);
  o.v = calloc((size_t)o.n, sizeof *o.v);
  o.decays = calloc((size_t)o.n, sizeof *o.decays);
  for (int64_t i = 0; i < o.n; i++) o.p[i] = (double)heed_model_parameters(model)[i];
  for (int t = 0; t < heed_model_tensors(model); t++) {
    heed_parameter q = heed_model_tensor(model, t);
    for (int64_t i = 0; i < q.size; i++) o.decays[q.offset + i] = q.decays;
  }
  return o;
}

static void oracle_free(oracle *o) {
  free(o->p);
  free(o->m);
  free(o->v);
  free(o->decays);
}

/* Kingma and Ba 2015, algorithm 1; Loshchilov and Hutter 2019, algorithm 2, lines 5 to 12. */
static void oracle_step(oracle *o, const heed_optimizer_spec *spec, const float *gradients, int t,
                        double rate) {
  double b1 = (double)spec->beta1, b2 = (double)spec->beta2, norm = 0;
  for (int64_t i = 0; i < o->n; i++) norm += (double)gradients[i] * (double)gradients[i];
  norm = sqrt(norm);
  double clip = (double)spec->clip;
  double scale = clip > 0 && norm > clip ? clip / norm : 1;
  for (int64_t i = 0; i < o->n; i++) {
    double decay = o->decays[i] || spec->decay_all ? (double)spec->weight_decay : 0;
    double g = (double)gradients[i] * scale, p = o->p[i];
    if (spec->kind == HEED_OPTIMIZER_ADAM) g += decay * p;
    o->m[i] = b1 * o->m[i] + (1 - b1) * g;
    o->v[i] = b2 * o->v[i] + (1 - b2) * g * g;
    double m = o->m[i] / (1 - pow(b1, t)), v = o->v[i] / (1 - pow(b2, t));
    o->p[i] -= rate * m / (sqrt(v) + (double)spec->epsilon);
    if (spec->kind == HEED_OPTIMIZER_ADAMW) o->p[i] -= rate * decay * p;
  }
}

static void check_against_oracle(const heed_optimizer_spec *spec) {
  enum { STEPS = 30 };
  heed_optimizer *optimizer;
  ok(heed_optimizer_new(&optimizer, spec, model));
  oracle o = oracle_new();
  float *before = malloc((size_t)o.n * sizeof *before);
  memcpy(before, heed_model_parameters(model), (size_t)o.n * sizeof *before);
  float *g = malloc((size_t)o.n * sizeof *g);
  for (int t = 1; t <= STEPS; t++) {
    heed_random_normal(9, (uint64_t)t, g, o.n, 0, 0.01F * (float)t);
    oracle_step(&o, spec, g, t, (double)spec->rate / t);
    ok(heed_optimizer_step(optimizer, g, spec->rate / (float)t));
  }
  double moved = 0, off = 0;
  for (int64_t i = 0; i < o.n; i++) {
    moved = fmax(moved, fabs(o.p[i] - (double)before[i]));
    off = fmax(off, fabs(o.p[i] - (double)heed_model_parameters(model)[i]));
  }
  ck_assert_double_gt(moved, 1e-3);
  ck_assert_double_lt(off, 5e-6);
  memcpy(heed_model_parameters(model), before, (size_t)o.n * sizeof *before);
  free(before);
  free(g);
  oracle_free(&o);
  heed_optimizer_free(optimizer);
}

START_TEST(steps_are_the_papers) {
  heed_optimizer_spec spec = heed_optimizer_spec_default();
  spec.rate = 0.01F;
  check_against_oracle(&spec);
  spec.weight_decay = 0.05F;
  check_against_oracle(&spec);
  spec.decay_all = true;
  check_against_oracle(&spec);
  spec.kind = HEED_OPTIMIZER_ADAMW;
  check_against_oracle(&spec);
  spec.decay_all = false;
  check_against_oracle(&spec);
  spec.clip = 0.5F;
  spec.epsilon = 1e-3F;
  check_against_oracle(&spec);
}
END_TEST

START_TEST(steps_do_not_depend_on_threads_or_processor) {
  heed_optimizer_spec spec = heed_optimizer_spec_default();
  spec.weight_decay = 0.01F;
  spec.clip = 1;
  heed_model_free(model);
  ok(heed_model_new(&model, 1000)); /* large enough for several threads */
  ok(heed_model_finish(model, heed_model_linear(model, "w", heed_model_features(model), 1000, true),
                       1));
  int64_t n = heed_model_parameter_count(model);
  float *start = malloc((size_t)n * sizeof *start), *one = malloc((size_t)n * sizeof *one),
        *g = malloc((size_t)n * sizeof *g);
  memcpy(start, heed_model_parameters(model), (size_t)n * sizeof *start);
  for (int threads = 1; threads <= 3; threads++) {
    if (threads == 2) heed__isa_override(HEED__PORTABLE); /* as portable kernels would do it */
    if (threads == 3) heed__isa_override(HEED__ISAS);
    ok(heed_set_threads(threads));
    memcpy(heed_model_parameters(model), start, (size_t)n * sizeof *start);
    heed_optimizer *optimizer;
    ok(heed_optimizer_new(&optimizer, &spec, model));
    for (uint64_t t = 0; t < 3; t++) {
      heed_random_normal(2, t, g, n, 0, 1);
      ok(heed_optimizer_step(optimizer, g, 0.01F));
    }
    heed_optimizer_free(optimizer);
    if (threads > 1) {
      ck_assert_mem_eq(one, heed_model_parameters(model), (size_t)n * sizeof *one);
    }
    if (threads == 1) memcpy(one, heed_model_parameters(model), (size_t)n * sizeof *one);
  }
  ck_assert_mem_ne(one, start, (size_t)n * sizeof *one);
  free(start);
  free(one);
  free(g);
}
END_TEST

START_TEST(bad_gradients_change_nothing) {
  int64_t n = heed_model_parameter_count(model);
  float *before = malloc((size_t)n * sizeof *before), *g = calloc((size_t)n, sizeof *g);
  memcpy(before, heed_model_parameters(model), (size_t)n * sizeof *before);
  heed_optimizer_spec spec = heed_optimizer_spec_default();
  for (int i = 0; i < 4; i++) {
    spec.clip = i < 2 ? 0 : 1;
    heed_optimizer *optimizer;
    ok(heed_optimizer_new(&optimizer, &spec, model));
    for (int64_t k = 0; k < n; k++) g[k] = 3e38F; /* large, but numbers */
    g[n - 7] = i % 2 == 0 ? (float)NAN : -(float)INFINITY;
    fails(heed_optimizer_step(optimizer, g, 0.1F), HEED_VALUE, "gradient");
    ck_assert_mem_eq(before, heed_model_parameters(model), (size_t)n * sizeof *before);
    ck_assert_int_eq(optimizer->steps, 0);
    for (int64_t k = 0; k < n; k++) ck_assert(optimizer->m[k] == 0 && optimizer->v[k] == 0);
    heed_optimizer_free(optimizer);
  }
  free(before);
  free(g);
}
END_TEST

START_TEST(schedules) {
  heed_optimizer_spec spec = heed_optimizer_spec_default();
  spec.rate = 0.5F;
  ck_assert_float_eq(heed_schedule_rate(&spec, 17, 20), 0.5F);
  spec.schedule = HEED_SCHEDULE_COSINE;
  spec.warmup = 4;
  ck_assert_float_eq(heed_schedule_rate(&spec, 0, 25), 0.125F);
  ck_assert_float_eq(heed_schedule_rate(&spec, 3, 25), 0.5F);
  ck_assert_float_eq(heed_schedule_rate(&spec, 4, 25), 0.5F);
  ck_assert_float_eq_tol(heed_schedule_rate(&spec, 9, 25),
                         (float)(0.25 * (1 + cos(acos(-1.0) / 4))), 1e-7F);
  ck_assert_float_eq_tol(heed_schedule_rate(&spec, 14, 25), 0.25F, 1e-7F);
  ck_assert_float_eq(heed_schedule_rate(&spec, 24, 25), 0);
  ck_assert_float_eq(heed_schedule_rate(&spec, 4, 5), 0.5F);
  spec.warmup = 0;
  ck_assert_float_eq(heed_schedule_rate(&spec, 0, 1), 0.5F);
  ck_assert_float_eq(heed_schedule_rate(&spec, 0, 25), 0.5F);
}
END_TEST

START_TEST(optimizer_refuses_what_makes_no_sense) {
  heed_optimizer_spec good = heed_optimizer_spec_default(), spec;
  heed_optimizer *optimizer;
  struct {
    size_t offset;
    float value;
    const char *name;
  } cases[] = {{offsetof(heed_optimizer_spec, rate), -1, "rate"},
               {offsetof(heed_optimizer_spec, rate), (float)NAN, "rate"},
               {offsetof(heed_optimizer_spec, beta1), 1, "beta1"},
               {offsetof(heed_optimizer_spec, beta2), -0.1F, "beta2"},
               {offsetof(heed_optimizer_spec, epsilon), 0, "epsilon"},
               {offsetof(heed_optimizer_spec, weight_decay), (float)INFINITY, "weight decay"},
               {offsetof(heed_optimizer_spec, clip), -2, "clip"},
               {offsetof(heed_optimizer_spec, factor), 1, "factor"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    spec = good;
    spec.schedule = HEED_SCHEDULE_PLATEAU;
    memcpy((char *)&spec + cases[i].offset, &cases[i].value, sizeof(float));
    fails(heed_optimizer_new(&optimizer, &spec, model), HEED_ARGUMENT, cases[i].name);
  }
  spec = good;
  spec.kind = (heed_optimizer_kind)2;
  fails(heed_optimizer_new(&optimizer, &spec, model), HEED_ARGUMENT, "optimiser 2");
  spec = good;
  spec.schedule = (heed_schedule)3;
  fails(heed_optimizer_new(&optimizer, &spec, model), HEED_ARGUMENT, "schedule 3");
  spec = good;
  spec.schedule = HEED_SCHEDULE_PLATEAU;
  spec.schedule_patience = 0;
  fails(heed_optimizer_new(&optimizer, &spec, model), HEED_ARGUMENT, "schedule patience");
  size_t held = heed_memory_held();
  long n = 0;
  for (;; n++) {
    heed__alloc_fail_after(n);
    heed_status status = heed_optimizer_new(&optimizer, &good, model);
    heed__alloc_fail_after(-1);
    if (status == HEED_OK) break;
    ck_assert_int_eq(status, HEED_NOMEM);
    ck_assert_uint_eq(heed_memory_held(), held);
  }
  ck_assert_int_ge(n, 4);
  heed_optimizer_free(optimizer);
  ck_assert_uint_eq(heed_memory_held(), held);
  heed_optimizer_free(NULL);
}
END_TEST

TCase *optimizer_tests(void) {
  TCase *tests = tcase_create("optimizer");
  tcase_set_timeout(tests, 60);
  tcase_add_checked_fixture(tests, new_model, end_model);
  tcase_add_test(tests, steps_are_the_papers);
  tcase_add_test(tests, steps_do_not_depend_on_threads_or_processor);
  tcase_add_test(tests, bad_gradients_change_nothing);
  tcase_add_test(tests, schedules);
  tcase_add_test(tests, optimizer_refuses_what_makes_no_sense);
  return tests;
}
