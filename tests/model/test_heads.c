/* Models whose heads see different pairs. */
#include <check.h>
#include <heed/model.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "expect.h"
#include "model/pass.h"

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
  /* Every group of heads tells its weights, which are columns of those of all. */
  ck_assert_int_eq(heed_pass_attentions(one), 3);
  ck_assert_int_eq(heed_pass_attentions(many), 7);
  int64_t pairs = w.masks[0].n_pairs;
  float *all = malloc((size_t)pairs * 4 * sizeof *all), *own = malloc((size_t)pairs * 2 * sizeof *own);
  for (int layer = 0; layer < 3; layer += 2) {
    ok(heed_pass_attention_weights(one, layer, all));
    for (int g = 0, first = 0; g < 3; first += heads[g++]) {
      int index = (layer == 0 ? 0 : 4) + g;
      heed_attention_spec spec;
      const heed_mask *mask;
      ck_assert_str_eq(heed_pass_attention(many, index, &spec, &mask),
                       heed_pass_attention(one, layer, NULL, NULL));
      ck_assert_int_eq(spec.heads, heads[g]);
      ck_assert_int_eq(spec.kernel, HEED_KERNEL_SPARSE);
      ck_assert_int_eq(mask->n_pairs, pairs);
      ok(heed_pass_attention_weights(many, index, own));
      for (int64_t p = 0; p < pairs; p++) {
        for (int h = 0; h < heads[g]; h++) {
          ck_assert_float_lt(fabsf(own[p * heads[g] + h] - all[p * 4 + first + h]), 1e-6f);
        }
      }
    }
  }
  fails(heed_pass_attention_weights(many, 7, own), HEED_RANGE, "7");
  ck_assert_ptr_null(heed_pass_attention(many, -1, NULL, NULL));
  free(all);
  free(own);
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

/* --- Graphs in batches, with all that pairs may have ---------------------------------------- */

enum { GRAPHS = 7, MOST = 80, GROUPS = 3, PAIRS = 3 * MOST * 12, EDGES = 2, CLASSES = 5 };

/* Graphs side by side: a ring, each graph full, a window; and what is known of their pairs. */
typedef struct many {
  int64_t n, ptr[GRAPHS + 1], pairs;
  heed_mask masks[GROUPS];
  const heed_mask *of[GROUPS];
  int64_t indptr[GROUPS][MOST + 1];
  int32_t indices[GROUPS][PAIRS], starts[MOST];
  float x[MOST * FEATURES], e[GROUPS * PAIRS * EDGES];
  int32_t classes[GROUPS * PAIRS];
  heed_matrix features, edges;
  heed_model_inputs in;
} many;

static const int32_t group_heads[GROUPS] = {1, 2, 1};

/* Whether node i of a graph of n sees node j in a group. */
static bool sees(int group, int64_t i, int64_t j, int64_t n) {
  if (group == 1) return true;
  int64_t apart = i > j ? i - j : j - i;
  return group == 0 ? apart == 1 || apart == n - 1 : apart <= 2;
}

/* What belongs to a pair depends on its graph and its place there, not on the batch. */
static uint32_t mixed(int64_t graph, int group, int64_t i, int64_t j) {
  uint32_t h = (uint32_t)(graph * 7919 + group * 104729 + i * 131 + j * 31 + 17);
  h = (h ^ h >> 13) * 2654435761u;
  return h ^ h >> 16;
}

/* The graphs with these numbers. Group 1, which sees all, is listed, runs, or, of one graph, full. */
static many *many_new(const int64_t *graphs, int64_t n, int form, bool edges, bool classes) {
  static const int64_t sizes[GRAPHS] = {9, 4, 0, 1, 12, 3, 7};
  many *b = calloc(1, sizeof *b);
  for (int64_t k = 0; k < n; k++) {
    int64_t size = sizes[graphs[k]];
    heed_random_uniform(5, (uint64_t)graphs[k], b->x + b->n * FEATURES, size * FEATURES, -1, 1);
    b->n += size;
    b->ptr[k + 1] = b->n;
  }
  for (int g = 0; g < GROUPS; g++) {
    int64_t at = 0;
    for (int64_t k = 0; k < n; k++) {
      int64_t size = sizes[graphs[k]];
      for (int64_t i = 0; i < size; i++) {
        b->starts[b->ptr[k] + i] = (int32_t)b->ptr[k];
        for (int64_t j = 0; j < size; j++) {
          if (!sees(g, i, j, size)) continue;
          uint32_t h = mixed(graphs[k], g, i, j);
          b->indices[g][at++] = (int32_t)(b->ptr[k] + j);
          for (int c = 0; c < EDGES; c++) b->e[b->pairs * EDGES + c] = (float)(h >> 4 * c & 15) / 8 - 1;
          b->classes[b->pairs++] = (int32_t)(h % CLASSES);
        }
        b->indptr[g][b->ptr[k] + i + 1] = at;
      }
    }
    ok(heed_mask_view(&b->masks[g], b->n, b->n, b->indptr[g], b->indices[g]));
    b->of[g] = &b->masks[g];
  }
  if (form == 1) {
    b->masks[1].indices = NULL;
    b->masks[1].starts = b->starts;
  } else if (form == 2) {
    ok(heed_mask_full(&b->masks[1], b->n, b->n));
  }
  b->features = heed_matrix_view(b->x, b->n, FEATURES);
  b->edges = heed_matrix_view(b->e, b->pairs, EDGES);
  b->in = (heed_model_inputs){.n_nodes = b->n,
                              .dense = &b->features,
                              .edges = edges ? &b->edges : NULL,
                              .pair_classes = classes ? b->classes : NULL,
                              .n_graphs = n,
                              .graph_ptr = b->ptr,
                              .n_head_masks = GROUPS,
                              .head_masks = b->of,
                              .mask_heads = group_heads};
  return b;
}

static heed_model *many_model(bool edges, bool classes, float dropout) {
  heed_model *model;
  heed_model_spec spec = heed_model_spec_default(HEED_MODEL_TRANSFORMER);
  strcpy(spec.blocks, "MSM");
  spec.layers = 3;
  spec.features = FEATURES;
  spec.outputs = OUTPUTS;
  spec.hidden = 12;
  spec.heads = 4;
  spec.kernel = HEED_KERNEL_SPARSE;
  spec.dropout = spec.attention_dropout = dropout;
  spec.pooling = HEED_POOLING_MEAN;
  spec.edges = edges ? HEED_EDGES_ADD : HEED_EDGES_NONE;
  spec.edge_features = edges ? EDGES : 0;
  spec.pair_classes = classes ? CLASSES : 0;
  ok(heed_model_build(&model, &spec, 3));
  for (int t = 0; t < heed_model_tensors(model); t++) { /* those that start as zeros too */
    heed_parameter p = heed_model_tensor(model, t);
    if (strstr(p.name, "relative_bias") == NULL) continue;
    heed_random_uniform(9, (uint64_t)t, p.data, p.size, -1, 1);
  }
  return model;
}

static heed_model_capacity capacity_of(const many *b) {
  heed_model_capacity most = {.n_nodes = b->n, .n_graphs = GRAPHS, .n_head_masks = GROUPS};
  for (int g = 0; g < GROUPS; g++) {
    most.mask_heads[g] = group_heads[g];
    most.head_pairs[g] = b->indptr[g][b->n];
  }
  return most;
}

/* Every graph in a batch gives the bits that it gives alone; both in a pass that is bound again and again, which
 * then allocates nothing. */
START_TEST(batches) {
  static const int64_t order[GRAPHS] = {4, 2, 0, 6, 3, 1, 5};
  bool edges = _i & 1, classes = _i & 2;
  int form = _i / 4;
  if (form == 2 && edges) return; /* a full mask has none */
  heed_model *model = many_model(edges, classes, 0);
  many *all = many_new(order, GRAPHS, form == 2 ? 1 : form, edges, classes);
  heed_model_capacity most = capacity_of(all);
  heed_pass *pass, *fresh;
  heed_matrix y, z;
  float together[GRAPHS * OUTPUTS];
  ok(heed_pass_reserve(&pass, model, &most, false));
  heed__alloc_fail_after(0);
  ok(heed_pass_bind(pass, &all->in));
  ok(heed_pass_forward(pass, HEED_MODE_EVALUATE, 0, 0, &y));
  heed__alloc_fail_after(-1);
  ck_assert_int_eq(y.rows, GRAPHS);
  memcpy(together, y.data, sizeof together);
  ok(heed_pass_new(&fresh, model, &all->in, false));
  ok(heed_pass_forward(fresh, HEED_MODE_EVALUATE, 0, 0, &z));
  ck_assert_mem_eq(together, z.data, sizeof together);
  heed_pass_free(fresh);
  for (int g = 0; g < GRAPHS; g++) {
    many *one = many_new(order + g, 1, form, edges, classes);
    heed__alloc_fail_after(0);
    ok(heed_pass_bind(pass, &one->in));
    ok(heed_pass_forward(pass, HEED_MODE_EVALUATE, 0, 0, &y));
    heed__alloc_fail_after(-1);
    ck_assert_mem_eq(together + g * OUTPUTS, y.data, OUTPUTS * sizeof *together);
    for (int k = 0; k < GROUPS; k++) heed_mask_free(&one->masks[k]);
    free(one);
  }
  heed_pass_free(pass);
  heed_model_free(model);
  free(all);
}
END_TEST

static double many_loss(heed_pass *pass, heed_mode mode, const float *d_output) {
  heed_matrix y;
  double sum = 0;
  ok(heed_pass_forward(pass, mode, 1, 1, &y));
  for (int64_t i = 0; i < y.rows * OUTPUTS; i++) sum += (double)y.data[i] * (double)d_output[i];
  return sum;
}

/* Gradients of a reserved pass, bound before to another batch: slopes, and the same bits with any number of
 * threads; dropout draws the same in either kind of pass. */
START_TEST(batch_gradients) {
  static const int64_t order[GRAPHS] = {0, 1, 2, 3, 4, 5, 6}, few[2] = {6, 0};
  bool edges = _i & 1, classes = _i & 2;
  heed_model *model = many_model(edges, classes, 0), *drops = many_model(edges, classes, 0.2f);
  many *all = many_new(order, GRAPHS, 1, edges, classes), *other = many_new(few, 2, 1, edges, classes);
  heed_model_capacity most = capacity_of(all);
  heed_pass *pass, *fresh;
  float d_output[GRAPHS * OUTPUTS];
  heed_random_uniform(1, 2, d_output, GRAPHS * OUTPUTS, -1, 1);
  int64_t n = heed_model_parameter_count(model);
  float *gradients = malloc((size_t)n * sizeof *gradients), *x = heed_model_parameters(model);
  for (int threads = 1; threads <= 3; threads++) {
    ok(heed_set_threads(threads));
    ok(heed_pass_reserve(&pass, model, &most, true));
    ok(heed_pass_bind(pass, &other->in));
    (void)many_loss(pass, HEED_MODE_TRAIN, d_output);
    ok(heed_pass_backward(pass, d_output));
    ok(heed_pass_bind(pass, &all->in));
    (void)many_loss(pass, HEED_MODE_TRAIN, d_output);
    ok(heed_pass_backward(pass, d_output));
    if (threads > 1) ck_assert_mem_eq(gradients, heed_pass_gradients(pass), (size_t)n * sizeof *gradients);
    memcpy(gradients, heed_pass_gradients(pass), (size_t)n * sizeof *gradients);
    if (threads < 3) heed_pass_free(pass);
  }
  ok(heed_set_threads(0));
  for (int64_t i = 0; i < n; i += 1 + n / 400) {
    float was = x[i], step = 4e-3f;
    x[i] = was + step;
    double up = many_loss(pass, HEED_MODE_EVALUATE, d_output);
    x[i] = was - step;
    double down = many_loss(pass, HEED_MODE_EVALUATE, d_output);
    x[i] = was;
    double expected = (up - down) / (2 * (double)step);
    ck_assert_msg(fabs(expected - (double)gradients[i]) < 2e-2 + 1e-2 * fabs(expected),
                  "parameter %lld: %g, not %g", (long long)i, (double)gradients[i], expected);
  }
  heed_pass_free(pass);
  ok(heed_pass_reserve(&pass, drops, &most, true));
  ok(heed_pass_bind(pass, &all->in));
  ok(heed_pass_new(&fresh, drops, &all->in, true));
  ck_assert_double_eq(many_loss(pass, HEED_MODE_TRAIN, d_output), many_loss(fresh, HEED_MODE_TRAIN, d_output));
  heed_pass_free(fresh);
  heed_pass_free(pass);
  for (int failing = 0;; failing++) {
    size_t held = heed_memory_held();
    heed__alloc_fail_after(failing);
    heed_status status = heed_pass_reserve(&pass, model, &most, true);
    heed__alloc_fail_after(-1);
    if (status == HEED_OK) break;
    ck_assert_int_eq(status, HEED_NOMEM);
    ck_assert_int_eq(heed_memory_held(), held);
  }
  heed_pass_free(pass);
  heed_model_free(model);
  heed_model_free(drops);
  free(gradients);
  free(all);
  free(other);
}
END_TEST

/* Classes of pairs lie mask after mask; those of groups of one mask are as one. */
START_TEST(classes_of_groups) {
  static const int64_t order[1] = {4};
  heed_model *model = many_model(false, true, 0);
  many *b = many_new(order, 1, 0, false, true);
  heed_pass *one, *groups;
  heed_matrix y, z;
  int64_t pairs = b->masks[0].n_pairs;
  for (int g = 0; g < GROUPS; g++) {
    b->of[g] = &b->masks[0];
    memcpy(b->classes + g * pairs, b->classes, (size_t)pairs * sizeof *b->classes);
  }
  ok(heed_pass_new(&groups, model, &b->in, false));
  heed_model_inputs in = b->in;
  in.n_head_masks = 0;
  in.mask = &b->masks[0];
  ok(heed_pass_new(&one, model, &in, false));
  ok(heed_pass_forward(one, HEED_MODE_EVALUATE, 0, 0, &y));
  ok(heed_pass_forward(groups, HEED_MODE_EVALUATE, 0, 0, &z));
  for (int c = 0; c < OUTPUTS; c++) ck_assert_float_lt(fabsf(y.data[c] - z.data[c]), 1e-5f);
  heed_pass_free(groups);
  b->classes[2 * pairs + 3] = CLASSES; /* of the last group */
  fails(heed_pass_new(&groups, model, &b->in, false), HEED_RANGE, "has class 5");
  heed_pass_free(one);
  heed_model_free(model);
  free(b);
}
END_TEST

/* Block by block, in bounded memory, the bits of the whole. */
START_TEST(inference) {
  static const int32_t heads[] = {2, 1, 1};
  world w;
  heed_pass *pass;
  heed_matrix y;
  float output[N * OUTPUTS];
  set_up_world(&w, "MSM", HEED_KERNEL_AUTO);
  heed_model_inputs in = w.in;
  in.n_head_masks = 3;
  in.head_masks = w.of;
  in.mask_heads = heads;
  ok(heed_pass_new(&pass, w.model, &in, false));
  ok(heed_pass_forward(pass, HEED_MODE_EVALUATE, 0, 0, &y));
  for (int rows = 1; rows <= N; rows += 5) {
    memset(output, 0, sizeof output);
    ok(heed_model_infer(w.model, &in, rows, output));
    for (int i = 0; i < N * OUTPUTS; i++) ck_assert_float_lt(fabsf(output[i] - y.data[i]), 1e-5f);
  }
  for (int n = 0;; n++) {
    size_t held = heed_memory_held();
    heed__alloc_fail_after(n);
    heed_status status = heed_model_infer(w.model, &in, 6, output);
    heed__alloc_fail_after(-1);
    ck_assert_int_eq(heed_memory_held(), held);
    if (status == HEED_OK) break;
    ck_assert_int_eq(status, HEED_NOMEM);
  }
  heed_pass_free(pass);
  tear_down_world(&w);
}
END_TEST

/* The same with features of pairs, which lie mask after mask. */
START_TEST(inference_with_edges) {
  static const int64_t order[1] = {4};
  heed_model_spec spec;
  heed_model *model;
  heed_pass *pass;
  heed_matrix y;
  many *b = many_new(order, 1, 1, true, false);
  float output[MOST * OUTPUTS];
  ok(heed_model_spec_read(&spec, "kind=transformer features=5 outputs=3 hidden=12 heads=4 blocks=MM edges=add "
                                 "edge-features=2"));
  ok(heed_model_build(&model, &spec, 1));
  ok(heed_pass_new(&pass, model, &b->in, false));
  ok(heed_pass_forward(pass, HEED_MODE_EVALUATE, 0, 0, &y));
  for (int rows = 1; rows <= 13; rows += 4) {
    ok(heed_model_infer(model, &b->in, rows, output));
    for (int i = 0; i < b->n * OUTPUTS; i++) ck_assert_float_lt(fabsf(output[i] - y.data[i]), 1e-5f);
  }
  heed_pass_free(pass);
  heed_model_free(model);
  free(b);
}
END_TEST

/* Where the first nodes are wanted, what any head sees of them counts: their bits are those of the whole. */
START_TEST(first_nodes) {
  static const int32_t heads[] = {3, 1};
  world w;
  heed_pass *pass, *first;
  heed_matrix y, z;
  set_up_world(&w, "MM", HEED_KERNEL_SPARSE);
  heed_mask shift, window;
  ok(heed_mask_from_expression(&window, "window:1,0", &(heed_mask_context){.n_queries = N, .n_keys = N}));
  ok(heed_mask_from_expression(&shift, "shift:2|self", &(heed_mask_context){.n_queries = N, .n_keys = N}));
  const heed_mask *masks[] = {&window, &shift};
  heed_model_inputs in = w.in;
  in.n_head_masks = 2;
  in.head_masks = masks;
  in.mask_heads = heads;
  ok(heed_pass_new(&pass, w.model, &in, false));
  ok(heed_pass_forward(pass, HEED_MODE_EVALUATE, 0, 0, &y));
  heed_model_capacity most = {.n_nodes = N, .hops = 2, .ends = {5, 7, 9}, .n_head_masks = 2,
                              .mask_heads = {3, 1}, .head_pairs = {window.n_pairs, shift.n_pairs}};
  for (int n = 1; n <= 5; n++) {
    in.n_wanted = n;
    ok(heed_pass_new(&first, w.model, &in, true));
    ok(heed_pass_forward(first, HEED_MODE_EVALUATE, 0, 0, &z));
    ck_assert_int_eq(z.rows, n);
    for (int i = 0; i < n * OUTPUTS; i++) ck_assert_float_lt(fabsf(z.data[i] - y.data[i]), 1e-5f);
    ck_assert_int_eq(first->slots[0].rows, n + 4); /* two steps of shift:2 */
    heed_pass_free(first);
    ok(heed_pass_reserve(&first, w.model, &most, true));
    ok(heed_pass_bind(first, &in));
    ok(heed_pass_forward(first, HEED_MODE_TRAIN, 0, 0, &z));
    for (int i = 0; i < n * OUTPUTS; i++) ck_assert_float_lt(fabsf(z.data[i] - y.data[i]), 1e-5f);
    ok(heed_pass_backward(first, w.d_output));
    heed_pass_free(first);
  }
  in.n_wanted = 6;
  ok(heed_pass_reserve(&first, w.model, &most, true));
  fails(heed_pass_bind(first, &in), HEED_SHAPE, "6 nodes within 0 steps");
  masks[1] = &w.masks[1];
  most.head_pairs[1] = N * N;
  in.n_wanted = 2;
  heed_pass_free(first);
  ok(heed_pass_reserve(&first, w.model, &most, true));
  fails(heed_pass_bind(first, &in), HEED_ARGUMENT, "under a full mask");
  heed_pass_free(first);
  heed_pass_free(pass);
  heed_mask_free(&window);
  heed_mask_free(&shift);
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
  fails(heed_pass_bind(pass, &good), HEED_ARGUMENT, "3 masks of heads, but it is reserved for 0");
  heed_pass_free(pass);
  capacity.n_head_masks = 3;
  for (int g = 0; g < 3; g++) {
    capacity.mask_heads[g] = heads[g];
    capacity.head_pairs[g] = w.masks[g].n_pairs;
  }
  ok(heed_pass_reserve(&pass, w.model, &capacity, false));
  ok(heed_pass_bind(pass, &good));
  in = w.in;
  in.mask = &w.masks[0];
  fails(heed_pass_bind(pass, &in), HEED_ARGUMENT, "0 masks of heads, but it is reserved for 3");
  in = good;
  in.mask_heads = (const int32_t[]){1, 2, 1};
  fails(heed_pass_bind(pass, &in), HEED_ARGUMENT, "group 0 of 1 heads, but it is reserved for 2");
  in = good;
  in.head_masks = (const heed_mask *const[]){&w.masks[3], &w.masks[1], &w.masks[2]};
  fails(heed_pass_bind(pass, &in), HEED_SHAPE, "for group 0, but it is reserved for");
  heed_pass_free(pass);
  capacity.mask_heads[2] = 2;
  fails(heed_pass_reserve(&pass, w.model, &capacity, true), HEED_SHAPE, "5 heads");
  capacity.mask_heads[2] = 0;
  fails(heed_pass_reserve(&pass, w.model, &capacity, true), HEED_RANGE, "group 2");
  capacity.mask_heads[2] = 1;
  capacity.head_pairs[1] = -1;
  fails(heed_pass_reserve(&pass, w.model, &capacity, true), HEED_RANGE, "group 1");
  capacity.head_pairs[1] = 1;
  capacity.n_head_masks = HEED_MAX_HEAD_MASKS + 1;
  fails(heed_pass_reserve(&pass, w.model, &capacity, true), HEED_RANGE, "65");
  in = good;
  in.n_head_masks = HEED_MAX_HEAD_MASKS + 1;
  fails(heed_pass_new(&pass, w.model, &in, false), HEED_RANGE, "65");
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
  tcase_add_loop_test(c, batches, 0, 12);
  tcase_add_loop_test(c, batch_gradients, 0, 4);
  tcase_add_test(c, classes_of_groups);
  tcase_add_test(c, inference);
  tcase_add_test(c, inference_with_edges);
  tcase_add_test(c, first_nodes);
  tcase_add_test(c, refusals);
  suite_add_tcase(suite, c);
  return run_suite(suite);
}
