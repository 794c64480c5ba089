/* Heads that see different pairs, against attention of each group of heads alone. */
#include <check.h>
#include <heed/attention.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "chance.h"
#include "expect.h"

enum { N = 70, MOST_GROUPS = 4, MOST_HEADS = 7, MOST_DIM = 9, EDGE_DIM = 3 };

static void set_up(void) { state = 23; }

static float *numbers(int64_t n) {
  float *x = malloc(((size_t)n + 1) * sizeof *x);
  for (int64_t i = 0; i < n; i++) x[i] = (float)(chance(2001) - 1000) / 700;
  return x;
}

/* Columns of heads [first, first + heads) of x [rows, all, width]. */
static float *columns(const float *x, int64_t rows, int32_t all, int64_t width, int32_t first,
                      int32_t heads) {
  if (x == NULL) return NULL;
  float *part = malloc(((size_t)(rows * heads * width) + 1) * sizeof *part);
  for (int64_t i = 0; i < rows; i++) {
    memcpy(part + i * heads * width, x + (i * all + first) * width,
           (size_t)(heads * width) * sizeof *part);
  }
  return part;
}

static void same(const float *all, const float *part, int64_t rows, int32_t of, int64_t width,
                 int32_t first, int32_t heads, const char *what) {
  for (int64_t i = 0; i < rows && all != NULL; i++) {
    ck_assert_msg(memcmp(all + (i * of + first) * width, part + i * heads * width,
                         (size_t)(heads * width) * sizeof *all) == 0,
                  "%s: row %lld", what, (long long)i);
  }
}

static void random_mask(heed_mask *mask, int kind, int64_t n) {
  switch (kind) {
    case 0: ok(heed_mask_full(mask, n, n)); return;
    case 1: ok(heed_mask_window(mask, n, chance(9), chance(9))); return;
    case 2: ok(heed_mask_shift(mask, 1, &n, &(int64_t){chance(7) - 3})); return;
    case 3: ok(heed_mask_causal(mask, n)); return;
    default: ok(heed_mask_random(mask, n, n, chance(12), (uint64_t)chance(99))); return;
  }
}

typedef struct problem {
  heed_attention_spec spec;
  int groups;
  heed_mask masks[MOST_GROUPS];
  const heed_mask *of[MOST_GROUPS];
  int32_t heads[MOST_GROUPS];
  int64_t pairs, weights; /* of all groups; times their heads */
  bool shared;            /* the bias */
  heed_attention_inputs in;
} problem;

static void make_problem(problem *p, int round) {
  *p = (problem){.groups = 1 + (int)chance(MOST_GROUPS)};
  int32_t heads = 0, dim = 1 + (int32_t)chance(MOST_DIM);
  bool edges = round % 3 == 0;
  for (int g = 0; g < p->groups; g++) {
    random_mask(&p->masks[g], (int)(edges ? 1 + chance(4) : chance(5)), N);
    p->of[g] = &p->masks[g];
    heads += p->heads[g] = 1 + (int32_t)chance(2);
    p->pairs += p->masks[g].n_pairs;
    p->weights += p->masks[g].n_pairs * p->heads[g];
  }
  p->spec = heed_attention_spec_default(heads, dim);
  p->spec.score = (heed_score)(round % 4);
  p->spec.kernel = round % 5 == 0 ? HEED_KERNEL_REFERENCE : HEED_KERNEL_SPARSE;
  if (p->spec.score == HEED_SCORE_DOT && !edges) p->spec.kernel = HEED_KERNEL_DENSE;
  p->spec.dropout = round % 2 == 0 ? 0.3f : 0;
  p->spec.seed = (uint64_t)round;
  p->spec.edge_dim = edges ? EDGE_DIM : 0;
  heed_attention_inputs *in = &p->in;
  bool gat = p->spec.score == HEED_SCORE_GAT, one = round % 7 == 0 || gat;
  in->query = numbers((int64_t)N * heads * dim);
  in->key = one ? in->query : numbers((int64_t)N * heads * dim);
  if (!one && p->spec.score != HEED_SCORE_GATV2) {
    p->spec.value_dim = edges ? dim : 1 + (int32_t)chance(MOST_DIM);
    in->value = numbers((int64_t)N * heads * p->spec.value_dim);
  }
  if (gat) {
    in->a_query = numbers((int64_t)heads * dim);
    in->a_key = numbers((int64_t)heads * dim);
  } else if (p->spec.score != HEED_SCORE_DOT) {
    in->a = numbers((int64_t)heads * dim);
  }
  if (round % 2 == 1) {
    p->shared = chance(2) == 0;
    in->bias_heads = p->shared ? 1 : heads;
    in->bias = numbers(p->shared ? p->pairs : p->weights);
  }
  if (!edges) return;
  in->edges = numbers(p->pairs * EDGE_DIM);
  in->edge_bias = numbers((int64_t)EDGE_DIM * heads);
  if (gat) return;
  in->edge_key = numbers((int64_t)EDGE_DIM * heads * dim);
  in->edge_value = numbers((int64_t)EDGE_DIM * heads * p->spec.value_dim);
}

static void free_problem(problem *p) {
  const heed_attention_inputs *in = &p->in;
  if (in->key != in->query) free((void *)(uintptr_t)in->key);
  const float *arrays[] = {in->query, in->value, in->a_query, in->a_key, in->a, in->bias,
                           in->edges, in->edge_bias, in->edge_key, in->edge_value};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) free((void *)(uintptr_t)arrays[i]);
  for (int g = 0; g < p->groups; g++) heed_mask_free(&p->masks[g]);
}

/* Everything a forward and a backward call give. */
typedef struct results {
  float *out, *weights, *log_sum_exp, *query, *key, *value, *a_query, *a_key, *a, *bias, *edge_bias,
      *edge_key, *edge_value;
} results;

static results make_results(const heed_attention_spec *spec, const heed_attention_inputs *in,
                            int64_t weights, int64_t biases) {
  int64_t keys = (int64_t)N * spec->heads * spec->key_dim, values = (int64_t)N * spec->heads * spec->value_dim;
  int64_t vector = (int64_t)spec->heads * spec->key_dim, heads = (int64_t)EDGE_DIM * spec->heads;
  results r = {.out = numbers(values), .weights = numbers(weights),
               .log_sum_exp = numbers((int64_t)N * spec->heads), .query = numbers(keys)};
  r.key = in->key == in->query ? r.query : numbers(keys);
  if (in->value != NULL) r.value = numbers(values);
  if (in->a_query != NULL) r.a_query = numbers(vector);
  if (in->a_key != NULL) r.a_key = numbers(vector);
  if (in->a != NULL) r.a = numbers(vector);
  if (in->bias != NULL) r.bias = numbers(biases);
  if (in->edge_bias != NULL) r.edge_bias = numbers(heads);
  if (in->edge_key != NULL) r.edge_key = numbers(heads * spec->key_dim);
  if (in->edge_value != NULL) r.edge_value = numbers(heads * spec->value_dim);
  return r;
}

static void free_results(results *r) {
  if (r->key != r->query) free(r->key);
  float *arrays[] = {r->out, r->weights, r->log_sum_exp, r->query, r->value, r->a_query, r->a_key, r->a,
                     r->bias, r->edge_bias, r->edge_key, r->edge_value};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) free(arrays[i]);
}

static heed_attention_gradients gradients_of(const results *r, const float *d_out) {
  return (heed_attention_gradients){.out = r->out, .log_sum_exp = r->log_sum_exp, .d_out = d_out,
                                    .query = r->query, .key = r->key, .value = r->value,
                                    .a_query = r->a_query, .a_key = r->a_key, .a = r->a, .bias = r->bias,
                                    .edge_bias = r->edge_bias, .edge_key = r->edge_key,
                                    .edge_value = r->edge_value};
}

/* Bit for bit what a group alone gives. */
static void check_group(const problem *p, int g, int32_t first, int64_t pair, int64_t weight,
                        const results *all, const float *d_out) {
  heed_attention_spec spec = p->spec;
  const heed_attention_inputs *in = &p->in;
  int32_t heads = p->heads[g], of = spec.heads;
  int64_t dim = spec.key_dim, value_dim = spec.value_dim, pairs = p->masks[g].n_pairs;
  spec.heads = heads;
  spec.seed += (uint64_t)g * 0x9e3779b97f4a7c15u;
  heed_attention_inputs own = *in;
  float *query = columns(in->query, N, of, dim, first, heads);
  float *key = in->key == in->query ? query : columns(in->key, N, of, dim, first, heads);
  float *value = columns(in->value, N, of, value_dim, first, heads);
  float *gradient = columns(d_out, N, of, value_dim, first, heads);
  float *edges[3] = {columns(in->edge_bias, EDGE_DIM, of, 1, first, heads),
                     columns(in->edge_key, EDGE_DIM, of, dim, first, heads),
                     columns(in->edge_value, EDGE_DIM, of, value_dim, first, heads)};
  own.query = query;
  own.key = key;
  own.value = value;
  if (own.a_query != NULL) own.a_query += first * dim;
  if (own.a_key != NULL) own.a_key += first * dim;
  if (own.a != NULL) own.a += first * dim;
  bool shared = p->shared && of > 1;
  if (own.bias != NULL) own.bias += shared ? pair : weight;
  if (own.bias != NULL) own.bias_heads = shared ? 1 : heads;
  if (own.edges != NULL) own.edges += pair * EDGE_DIM;
  own.edge_bias = edges[0];
  own.edge_key = edges[1];
  own.edge_value = edges[2];
  results r = make_results(&spec, &own, pairs * heads, pairs * heads);
  heed_attention *plan;
  ok(heed_attention_new(&plan, &spec, &p->masks[g]));
  ok(heed_attention_prepare_backward(plan, NULL, NULL));
  heed_attention_outputs out = {.out = r.out, .weights = r.weights, .log_sum_exp = r.log_sum_exp};
  ok(heed_attention_forward(plan, &own, &out));
  heed_attention_gradients to = gradients_of(&r, gradient);
  ok(heed_attention_backward(plan, &own, &to));
  heed_attention_free(plan);
  same(all->out, r.out, N, of, value_dim, first, heads, "out");
  same(all->log_sum_exp, r.log_sum_exp, N, of, 1, first, heads, "log_sum_exp");
  same(all->weights + weight, r.weights, 1, 1, pairs * heads, 0, 1, "weights");
  same(all->query, r.query, N, of, dim, first, heads, "query");
  same(all->key, r.key, N, of, dim, first, heads, "key");
  same(all->value, r.value, N, of, value_dim, first, heads, "value");
  same(all->a_query, r.a_query, 1, of, dim, first, heads, "a_query");
  same(all->a_key, r.a_key, 1, of, dim, first, heads, "a_key");
  same(all->a, r.a, 1, of, dim, first, heads, "a");
  if (all->bias != NULL) {
    same(all->bias + (shared ? pair : weight), r.bias, 1, 1, pairs * (shared ? 1 : heads), 0, 1, "bias");
  }
  same(all->edge_bias, r.edge_bias, EDGE_DIM, of, 1, first, heads, "edge_bias");
  same(all->edge_key, r.edge_key, EDGE_DIM, of, dim, first, heads, "edge_key");
  same(all->edge_value, r.edge_value, EDGE_DIM, of, value_dim, first, heads, "edge_value");
  free_results(&r);
  if (key != query) free(key);
  free(query);
  free(value);
  free(gradient);
  for (int i = 0; i < 3; i++) free(edges[i]);
}

START_TEST(each_group_alone) {
  int groups = 0;
  for (int round = 0; round < 60; round++) {
    problem p;
    heed_heads *plan;
    make_problem(&p, round);
    results all = make_results(&p.spec, &p.in, p.weights, p.weights);
    float *d_out = numbers((int64_t)N * p.spec.heads * p.spec.value_dim);
    ok(heed_set_threads(1 + round % 3));
    ok(heed_heads_new(&plan, &p.spec, p.groups, p.of, p.heads));
    heed_attention_outputs out = {.out = all.out, .weights = all.weights, .log_sum_exp = all.log_sum_exp};
    heed_attention_gradients to = gradients_of(&all, d_out);
    ck_assert_int_eq(heed_heads_backward(plan, &p.in, &to), HEED_ARGUMENT);
    ok(heed_heads_prepare_backward(plan));
    ok(heed_heads_prepare_backward(plan));
    ok(heed_heads_forward(plan, &p.in, &out));
    ok(heed_heads_backward(plan, &p.in, &to));
    int32_t first = 0;
    int64_t pair = 0, weight = 0;
    for (int g = 0; g < p.groups; g++) {
      ck_assert_int_eq(heed_heads_plan_cost(plan, g).kernel, p.spec.kernel);
      check_group(&p, g, first, pair, weight, &all, d_out);
      first += p.heads[g];
      pair += p.masks[g].n_pairs;
      weight += p.masks[g].n_pairs * p.heads[g];
    }
    groups += p.groups > 1;
    heed_heads_free(plan);
    free(d_out);
    free_results(&all);
    free_problem(&p);
  }
  ck_assert_int_gt(groups, 30);
}
END_TEST

START_TEST(another_dropout) {
  problem p;
  heed_heads *plan, *fresh;
  do {
    make_problem(&p, 1);
    if (p.groups == 1) free_problem(&p);
  } while (p.groups == 1);
  results a = make_results(&p.spec, &p.in, p.weights, p.weights);
  results b = make_results(&p.spec, &p.in, p.weights, p.weights);
  ok(heed_heads_new(&plan, &p.spec, p.groups, p.of, p.heads));
  ok(heed_heads_set_dropout(plan, 0.5f, 77));
  p.spec.dropout = 0.5f;
  p.spec.seed = 77;
  ok(heed_heads_new(&fresh, &p.spec, p.groups, p.of, p.heads));
  heed_attention_outputs out = {.out = a.out}, other = {.out = b.out};
  ok(heed_heads_forward(plan, &p.in, &out));
  ok(heed_heads_forward(fresh, &p.in, &other));
  ck_assert(memcmp(a.out, b.out, (size_t)(N * p.spec.heads * p.spec.value_dim) * sizeof *a.out) == 0);
  ck_assert_int_eq(heed_heads_set_dropout(plan, 1, 7), HEED_ARGUMENT);
  heed_heads_free(plan);
  heed_heads_free(fresh);
  free_results(&a);
  free_results(&b);
  free_problem(&p);
}
END_TEST

START_TEST(refusals) {
  heed_heads *plan;
  heed_mask a, b;
  ok(heed_mask_full(&a, 5, 5));
  ok(heed_mask_full(&b, 5, 6));
  const heed_mask *masks[] = {&a, &b, &a};
  const int32_t heads[] = {1, 2, 0}, both[] = {3};
  heed_attention_spec spec = heed_attention_spec_default(3, 4);
  ck_assert_int_eq(heed_heads_new(&plan, &spec, 0, masks, heads), HEED_RANGE);
  ck_assert_int_eq(heed_heads_new(&plan, &spec, 2, masks, heads), HEED_SHAPE);
  ck_assert_ptr_nonnull(strstr(heed_message(), "5 x 6"));
  ck_assert_int_eq(heed_heads_new(&plan, &spec, 1, masks, heads), HEED_SHAPE);
  ck_assert_ptr_nonnull(strstr(heed_message(), "1 heads, but the attention has 3"));
  masks[1] = &a;
  ck_assert_int_eq(heed_heads_new(&plan, &spec, 3, masks, heads), HEED_RANGE);
  masks[1] = NULL;
  ck_assert_int_eq(heed_heads_new(&plan, &spec, 2, masks, heads), HEED_ARGUMENT);
  ck_assert_ptr_null(plan);
  ok(heed_heads_new(&plan, &spec, 1, masks, both));
  heed_attention_inputs in = {0};
  float x[60] = {0}, y[60];
  heed_attention_outputs out = {.out = y};
  ck_assert_int_eq(heed_heads_forward(plan, &in, &out), HEED_ARGUMENT);
  in = (heed_attention_inputs){.query = x, .key = x, .bias = x, .bias_heads = 2};
  ck_assert_int_eq(heed_heads_forward(plan, &in, &out), HEED_ARGUMENT);
  in.bias = NULL;
  ok(heed_heads_forward(plan, &in, &out));
  out.out = NULL;
  ck_assert_int_eq(heed_heads_forward(plan, &in, &out), HEED_ARGUMENT);
  heed_heads_free(plan);
  heed_heads_free(NULL);
}
END_TEST

START_TEST(failing_allocations) {
  problem p;
  make_problem(&p, 4);
  for (int n = 0;; n++) {
    size_t held = heed_memory_held();
    heed_heads *plan;
    heed__alloc_fail_after(n);
    heed_status status = heed_heads_new(&plan, &p.spec, p.groups, p.of, p.heads);
    if (status == HEED_OK) status = heed_heads_prepare_backward(plan);
    heed__alloc_fail_after(-1);
    heed_heads_free(plan);
    ck_assert_int_eq(heed_memory_held(), held);
    if (status == HEED_OK) {
      ck_assert_int_gt(n, 4);
      break;
    }
    ck_assert_int_eq(status, HEED_NOMEM);
  }
  free_problem(&p);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("heads");
  TCase *c = tcase_create("heads");
  tcase_add_checked_fixture(c, set_up, NULL);
  tcase_set_timeout(c, 120);
  tcase_add_test(c, each_group_alone);
  tcase_add_test(c, another_dropout);
  tcase_add_test(c, refusals);
  tcase_add_test(c, failing_allocations);
  suite_add_tcase(suite, c);
  return run_suite(suite);
}
