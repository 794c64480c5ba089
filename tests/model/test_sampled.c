/* Batches of a sampler through passes give what the whole graph gives; inference by blocks of rows too. */
#include <check.h>
#include <heed/model.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "chance.h"
#include "expect.h"

enum { N = 150, F = 17, OUT = 4, EDGES = 3, MOST_PAIRS = N * N, MOST_LAYERS = 3 };

static float dense_data[N * (F + 2)], edge_data[MOST_PAIRS * EDGES];
static int64_t indptr[N + 1], csr_indptr[N + 1];
static int32_t indices[MOST_PAIRS], csr_indices[N * F];
static float csr_values[N * F];
static heed_matrix dense, wide, edges;
static heed_csr sparse;
static heed_mask mask, full;

static void set_up(void) {
  state = 11;
  int64_t pairs = 0, at = 0;
  for (int i = 0; i < N; i++) {
    indptr[i] = pairs;
    for (int j = 0; j < N && i % 13 != 4; j++) {
      if (chance(100) < 2 || (i == j && i % 3 != 0)) indices[pairs++] = j;
    }
    csr_indptr[i] = at;
    for (int j = 0; j < F; j++) {
      float x = chance(3) > 0 ? 0 : (float)(chance(2001) - 1000) / 500;
      dense_data[i * (F + 2) + j] = x;
      if (x == 0) continue;
      csr_indices[at] = j;
      csr_values[at++] = x;
    }
  }
  indptr[N] = pairs;
  csr_indptr[N] = at;
  for (int64_t i = 0; i < pairs * EDGES; i++) edge_data[i] = (float)(chance(201) - 100) / 100;
  ok(heed_mask_view(&mask, N, N, indptr, indices));
  ok(heed_mask_full(&full, N, N));
  wide = (heed_matrix){.rows = N, .cols = F, .stride = F + 2, .data = dense_data};
  static float packed[N * F];
  for (int i = 0; i < N; i++) memcpy(packed + i * F, dense_data + i * (F + 2), F * sizeof(float));
  dense = heed_matrix_view(packed, N, F);
  edges = heed_matrix_view(edge_data, pairs, EDGES);
  sparse = (heed_csr){
      .rows = N, .cols = F, .indptr = csr_indptr, .indices = csr_indices, .values = csr_values};
}

static heed_model_spec spec_of(int number) {
  static const heed_model_kind kinds[] = {HEED_MODEL_GAT, HEED_MODEL_GATV2, HEED_MODEL_TRANSFORMER,
                                          HEED_MODEL_MLP};
  heed_model_spec spec = heed_model_spec_default(kinds[number % 4]);
  int variant = number / 4;
  spec.features = F;
  spec.outputs = OUT;
  spec.hidden = 16;
  spec.heads = 4;
  spec.dropout = spec.attention_dropout = variant == 4 ? 0.3F : 0;
  spec.activation = HEED_ACTIVATION_GELU;
  spec.residual = variant > 0;
  spec.pre_norm = variant != 2;
  spec.norm = variant == 3 ? HEED_NORM_BATCH : variant > 0 ? HEED_NORM_LAYER : HEED_NORM_NONE;
  spec.layers = variant == 1 ? 1 : MOST_LAYERS;
  static const char *const blocks[] = {"MMM", "M", "MMM", "MSM", "MMM"};
  strcpy(spec.blocks, blocks[variant]);
  if (variant == 2 && spec.kind != HEED_MODEL_MLP) {
    spec.edge_features = EDGES;
    spec.edges = number % 2 == 0 ? HEED_EDGES_ADD : HEED_EDGES_BIAS;
  }
  return spec;
}
/* The first of them have neither batch norm nor dropout, which know the other nodes. */
enum { SPECS = 20, EXACT = 12 };

/* Every ninth node, and one that sees nothing. */
static int64_t targets_of(int64_t *targets, uint8_t *marks) {
  int64_t n = 0;
  for (int i = 0; i < N; i++) {
    marks[i] = i % 9 == 2 || i == 4;
    if (marks[i]) targets[n++] = i;
  }
  return n;
}

typedef struct batch {
  float x[N * F], values[N * F], edge_x[MOST_PAIRS * EDGES];
  int64_t ptr[N + 1];
  int32_t columns[N * F];
  heed_matrix dense, edges;
  heed_csr sparse;
  heed_model_inputs in;
  heed_model_capacity room;
} batch;

/* The inputs of a sample, gathered. */
static batch *gather(const heed_sample *sample, bool is_sparse, bool with_edges) {
  batch *b = calloc(1, sizeof *b);
  ck_assert_ptr_nonnull(b);
  for (int64_t r = 0; r < sample->n_nodes; r++) {
    int32_t node = sample->nodes[r];
    memcpy(b->x + r * F, dense.data + node * F, F * sizeof(float));
    int64_t from = csr_indptr[node], length = csr_indptr[node + 1] - from;
    memcpy(b->columns + b->ptr[r], csr_indices + from, (size_t)length * sizeof *b->columns);
    memcpy(b->values + b->ptr[r], csr_values + from, (size_t)length * sizeof *b->values);
    b->ptr[r + 1] = b->ptr[r] + length;
  }
  for (int64_t p = 0; p < sample->mask.n_pairs; p++) {
    memcpy(b->edge_x + p * EDGES, edge_data + sample->pairs[p] * EDGES, EDGES * sizeof(float));
  }
  b->dense = heed_matrix_view(b->x, sample->n_nodes, F);
  b->sparse = (heed_csr){.rows = sample->n_nodes, .cols = F, .indptr = b->ptr, .indices = b->columns,
                         .values = b->values};
  b->edges = heed_matrix_view(b->edge_x, sample->mask.n_pairs, EDGES);
  b->in = (heed_model_inputs){.n_nodes = sample->n_nodes,
                              .dense = is_sparse ? NULL : &b->dense,
                              .sparse = is_sparse ? &b->sparse : NULL,
                              .mask = &sample->mask,
                              .edges = with_edges ? &b->edges : NULL,
                              .n_wanted = sample->n_targets};
  b->room = (heed_model_capacity){.n_nodes = sample->n_nodes,
                                  .n_pairs = sample->mask.n_pairs,
                                  .n_values = is_sparse ? b->ptr[sample->n_nodes] + 1 : 0,
                                  .hops = sample->hops};
  memcpy(b->room.ends, sample->ends, sizeof b->room.ends);
  return b;
}

static double relative(const float *x, const float *y, int64_t n, double least) {
  double difference = 0, size = least;
  for (int64_t i = 0; i < n; i++) {
    difference = fmax(difference, fabs((double)x[i] - (double)y[i]));
    size = fmax(size, fabs((double)y[i]));
  }
  return difference / size;
}

static void run(heed_pass *pass, heed_mode mode, heed_matrix *out) {
  float d_output[N * OUT];
  ok(heed_pass_forward(pass, mode, 3, 1, out));
  for (int64_t i = 0; i < out->rows * OUT; i++) d_output[i] = 0.1F * (float)(i % 7) - 0.25F;
  if (mode == HEED_MODE_TRAIN) ok(heed_pass_backward(pass, d_output));
}

/* With all neighbours: the output for the targets and the gradients are those of a pass over the whole graph
 * that is told which nodes are wanted, to the bit; that of a pass of its own and that of a reserved one. */
START_TEST(all_neighbours_give_the_whole_graph) {
  heed_model_spec spec = spec_of(_i);
  bool batch_norm = spec.norm == HEED_NORM_BATCH; /* over the nodes there are, so evaluated alone */
  bool whole_blocks = spec.kind == HEED_MODEL_TRANSFORMER && strchr(spec.blocks, 'S') != NULL;
  if (whole_blocks) return;
  bool with_edges = spec.edges != HEED_EDGES_NONE;
  heed_model *model;
  ok(heed_model_build(&model, &spec, 4));
  int64_t targets[N], parameters = heed_model_parameter_count(model);
  uint8_t marks[N];
  int64_t n = targets_of(targets, marks);
  heed_sampler *sampler;
  heed_sample sample;
  const int32_t all[MOST_LAYERS] = {-1, -1, -1};
  ok(heed_sampler_new(&sampler, &mask, all, spec.layers, 9));
  ok(heed_sampler_take(sampler, targets, n, 0, 0, &sample));
  for (int form = 0; form < 2; form++) {
    heed_mode mode = batch_norm ? HEED_MODE_EVALUATE : HEED_MODE_TRAIN;
    batch *b = gather(&sample, form == 1, with_edges);
    heed_model_inputs in = {.n_nodes = N,
                            .dense = form == 0 ? &dense : NULL,
                            .sparse = form == 1 ? &sparse : NULL,
                            .mask = &mask,
                            .edges = with_edges ? &edges : NULL,
                            .wanted = with_edges ? NULL : marks};
    heed_pass *whole, *own, *again;
    heed_matrix expected, got;
    ok(heed_pass_new(&whole, model, &in, !batch_norm));
    ok(heed_pass_new(&own, model, &b->in, !batch_norm));
    ok(heed_pass_reserve(&again, model, &b->room, !batch_norm));
    ok(heed_pass_bind(again, &b->in));
    if (with_edges || spec.dropout > 0) { /* a pass over all, to rounding; dropout goes by rows of the pass */
      ok(heed_pass_forward(whole, HEED_MODE_EVALUATE, 3, 1, &expected));
      ok(heed_pass_forward(own, HEED_MODE_EVALUATE, 3, 1, &got));
      ck_assert_int_eq(got.rows, n);
      for (int64_t r = 0; r < n; r++) {
        const float *row = expected.data + (with_edges ? targets[r] : r) * OUT;
        ck_assert_double_lt(relative(got.data + r * OUT, row, OUT, 1e-9), 2e-5);
      }
    } else {
      run(whole, mode, &expected);
      run(own, mode, &got);
      ck_assert_int_eq(got.rows, n);
      ck_assert(memcmp(got.data, expected.data, (size_t)(n * OUT) * sizeof(float)) == 0);
      if (mode == HEED_MODE_TRAIN) {
        ck_assert(memcmp(heed_pass_gradients(own), heed_pass_gradients(whole),
                         (size_t)parameters * sizeof(float)) == 0);
      }
    }
    heed_matrix second;
    run(own, mode, &got);
    size_t held = heed_memory_held();
    for (int turn = 0; turn < 2; turn++) { /* bound twice */
      ok(heed_pass_bind(again, &b->in));
      run(again, mode, &second);
      ck_assert_int_eq(second.rows, n);
      ck_assert(memcmp(got.data, second.data, (size_t)(n * OUT) * sizeof(float)) == 0);
      if (mode == HEED_MODE_TRAIN) {
        ck_assert(memcmp(heed_pass_gradients(own), heed_pass_gradients(again),
                         (size_t)parameters * sizeof(float)) == 0);
      }
    }
    ck_assert_uint_eq(heed_memory_held(), held);
    heed_pass_free(whole);
    heed_pass_free(own);
    heed_pass_free(again);
    free(b);
  }
  heed_sampler_free(sampler);
  heed_model_free(model);
}
END_TEST

/* Drawn neighbours, batch after batch through one reserved pass: each as through a pass of its own. */
START_TEST(a_reserved_pass_serves_many_batches) {
  heed_model_spec spec = spec_of(_i);
  bool with_edges = spec.edges != HEED_EDGES_NONE;
  heed_model *model;
  ok(heed_model_build(&model, &spec, 4));
  int64_t parameters = heed_model_parameter_count(model);
  heed_sampler *sampler;
  heed_sample sample;
  const int32_t some[MOST_LAYERS] = {2, 1, 2};
  ok(heed_sampler_new(&sampler, &mask, some, spec.layers, 9));
  heed_model_capacity room = {
      .n_nodes = N, .n_pairs = mask.n_pairs, .n_values = csr_indptr[N] + 1, .hops = spec.layers};
  for (int h = 0; h <= spec.layers; h++) room.ends[h] = N;
  heed_pass *again;
  ok(heed_pass_reserve(&again, model, &room, true));
  for (int round = 0; round < 6; round++) {
    int64_t targets[5];
    for (int i = 0; i < 5; i++) targets[i] = (round * 7 + 31 * i) % N;
    ok(heed_sampler_take(sampler, targets, round == 3 ? 1 : 5, 1, (uint64_t)round, &sample));
    batch *b = gather(&sample, true, with_edges);
    heed_pass *own;
    heed_matrix first, second;
    ok(heed_pass_new(&own, model, &b->in, true));
    /* State is moved by a forward call: from the same state on. */
    float kept[64 * 8];
    int64_t state_count = heed_model_state_count(model);
    ck_assert_int_le(state_count, 64 * 8);
    if (state_count > 0) memcpy(kept, heed_model_state(model), (size_t)state_count * sizeof *kept);
    run(own, HEED_MODE_TRAIN, &first);
    if (state_count > 0) memcpy(heed_model_state(model), kept, (size_t)state_count * sizeof *kept);
    ok(heed_pass_bind(again, &b->in));
    run(again, HEED_MODE_TRAIN, &second);
    ck_assert_int_eq(second.rows, sample.n_targets);
    bool exact = strchr(spec.blocks, 'S') == NULL || spec.kind != HEED_MODEL_TRANSFORMER;
    if (exact) {
      ck_assert(memcmp(first.data, second.data, (size_t)(first.rows * OUT) * sizeof(float)) == 0);
    }
    ck_assert_double_lt(relative(first.data, second.data, first.rows * OUT, 1e-9), 2e-5);
    double largest = 0; /* some gradients are 0 but for rounding */
    for (int64_t i = 0; i < parameters; i++) {
      largest = fmax(largest, fabs((double)heed_pass_gradients(own)[i]));
    }
    ck_assert_double_lt(
        relative(heed_pass_gradients(own), heed_pass_gradients(again), parameters, largest), 2e-4);
    heed_pass_free(own);
    free(b);
  }
  heed_pass_free(again);
  heed_sampler_free(sampler);
  heed_model_free(model);
}
END_TEST

/* Gradients of a loss over the targets, as the whole graph gives them. */
START_TEST(first_nodes_have_the_whole_graph_s_gradients) {
  heed_model_spec spec = spec_of(_i);
  bool with_edges = spec.edges != HEED_EDGES_NONE;
  heed_model *model;
  ok(heed_model_build(&model, &spec, 4));
  int64_t parameters = heed_model_parameter_count(model);
  heed_model_inputs in = {
      .n_nodes = N, .dense = &wide, .mask = &mask, .edges = with_edges ? &edges : NULL};
  heed_pass *whole, *part;
  heed_matrix expected, got;
  float d_output[N * OUT] = {0};
  const int64_t first = 20;
  for (int64_t i = 0; i < first * OUT; i++) d_output[i] = (float)(i % 5) - 1.75F;
  ok(heed_pass_new(&whole, model, &in, true));
  in.n_wanted = first;
  ok(heed_pass_new(&part, model, &in, true));
  ok(heed_pass_forward(whole, HEED_MODE_TRAIN, 1, 1, &expected));
  ok(heed_pass_forward(part, HEED_MODE_TRAIN, 1, 1, &got));
  ck_assert_int_eq(got.rows, first);
  ck_assert_ptr_null(heed_pass_nodes(part));
  ck_assert_double_lt(relative(got.data, expected.data, first * OUT, 1e-9), 2e-5);
  ok(heed_pass_backward(whole, d_output));
  ok(heed_pass_backward(part, d_output));
  double largest = 0;
  for (int64_t i = 0; i < parameters; i++) {
    largest = fmax(largest, fabs((double)heed_pass_gradients(whole)[i]));
  }
  ck_assert_double_lt(
      relative(heed_pass_gradients(part), heed_pass_gradients(whole), parameters, largest), 2e-4);
  heed_pass_free(whole);
  heed_pass_free(part);
  heed_model_free(model);
}
END_TEST

START_TEST(what_a_reserved_pass_refuses) {
  heed_model_spec spec = spec_of(0);
  heed_model *model;
  ok(heed_model_build(&model, &spec, 4));
  heed_sampler *sampler;
  heed_sample sample;
  const int32_t all[MOST_LAYERS] = {-1, -1, -1};
  const int64_t targets[3] = {1, 5, 7};
  ok(heed_sampler_new(&sampler, &mask, all, 3, 9));
  ok(heed_sampler_take(sampler, targets, 3, 0, 0, &sample));
  batch *b = gather(&sample, false, false), *other = gather(&sample, true, false);
  heed_pass *pass;
  heed_model_capacity less = b->room;
  less.ends[1]--;
  ok(heed_pass_reserve(&pass, model, &less, true));
  fails(heed_pass_bind(pass, &b->in), HEED_SHAPE, "within 1 steps");
  fails(heed_pass_bind(pass, &other->in), HEED_ARGUMENT, "sparse");
  heed_model_inputs in = b->in;
  in.n_wanted = in.n_nodes + 1;
  fails(heed_pass_bind(pass, &in), HEED_RANGE, "first");
  in.n_wanted = 0;
  fails(heed_pass_bind(pass, &in), HEED_SHAPE, "within 0 steps");
  const int64_t ptr[3] = {0, 2, in.n_nodes};
  in.n_wanted = 1;
  in.n_graphs = 2;
  in.graph_ptr = ptr;
  ck_assert(heed_pass_bind(pass, &in) != HEED_OK);
  heed_pass_free(pass);
  fails(heed_pass_new(&pass, model, &in, true), HEED_ARGUMENT, "2 graphs");
  less = b->room;
  less.hops = HEED_MAX_HOPS + 1;
  fails(heed_pass_reserve(&pass, model, &less, true), HEED_RANGE, "hops");
  less = b->room;
  less.ends[2] = less.ends[1] - 1;
  fails(heed_pass_reserve(&pass, model, &less, true), HEED_RANGE, "within 2 steps");
  less = (heed_model_capacity){.n_nodes = N, .n_pairs = MOST_PAIRS};
  ok(heed_pass_reserve(&pass, model, &less, true));
  fails(heed_pass_bind(pass, &b->in), HEED_ARGUMENT, "hops");
  heed_pass_free(pass);
  less = other->room;
  less.n_values = 3;
  ok(heed_pass_reserve(&pass, model, &less, true));
  fails(heed_pass_bind(pass, &other->in), HEED_SHAPE, "reserved for 3");
  heed_pass_free(pass);
  uint8_t marks[N] = {1};
  in = b->in;
  in.wanted = marks;
  fails(heed_pass_new(&pass, model, &in, true), HEED_ARGUMENT, "marked");
  free(b);
  free(other);
  heed_sampler_free(sampler);
  heed_model_free(model);
}
END_TEST

/* --- Inference ----------------------------------------------------------------------------- */

static void compare_inference(heed_model *model, const heed_model_inputs *in, bool exact) {
  heed_pass *pass;
  heed_matrix expected;
  float got[N * OUT];
  ok(heed_pass_new(&pass, model, in, false));
  ok(heed_pass_forward(pass, HEED_MODE_EVALUATE, 0, 0, &expected));
  static const int64_t rows[] = {0, 1, 37, N, N + 5};
  for (int i = 0; i < 5; i++) {
    size_t held = heed_memory_held();
    memset(got, 0xff, sizeof got);
    ok(heed_model_infer(model, in, rows[i], got));
    ck_assert_uint_eq(heed_memory_held(), held);
    if (exact) ck_assert(memcmp(got, expected.data, sizeof got) == 0);
    ck_assert_double_lt(relative(got, expected.data, N * OUT, 1e-9), 1e-5);
  }
  heed_pass_free(pass);
}

START_TEST(inference_by_blocks_is_a_pass) {
  heed_model_spec spec = spec_of(_i);
  heed_model *model;
  ok(heed_model_build(&model, &spec, 4));
  bool with_edges = spec.edges != HEED_EDGES_NONE;
  bool exact = spec.kind != HEED_MODEL_TRANSFORMER || strchr(spec.blocks, 'S') == NULL;
  for (int form = 0; form < 5; form++) {
    heed_model_inputs in = {.n_nodes = N, .mask = form < 3 ? &mask : &full};
    if (with_edges && form > 2) continue;
    if (with_edges) in.edges = &edges;
    if (form % 3 == 0) in.dense = &dense;
    if (form % 3 == 1) in.sparse = &sparse;
    if (form % 3 == 2) in.dense = &wide;
    compare_inference(model, &in, exact && form < 3);
  }
  heed_model_free(model);
}
END_TEST

/* Values that several attentions read, keys that are not values, a residual around everything. */
START_TEST(inference_of_a_model_by_hand) {
  heed_model *model;
  ok(heed_model_new(&model, F));
  heed_value x = heed_model_features(model);
  heed_value a = heed_model_linear(model, "a", x, 8, true);
  heed_value b = heed_model_linear(model, "b", x, 8, false);
  heed_attention_spec spec = heed_attention_spec_default(2, 4);
  heed_value y = heed_model_attention(model, "first", &spec, HEED_SCOPE_MASKED, a, b, a);
  heed_value d = heed_model_dropout(model, y, 0.5F);
  heed_value z = heed_model_attention(model, "second", &spec, HEED_SCOPE_MASKED, b, d, a);
  heed_value w = heed_model_attention(model, "third", &spec, HEED_SCOPE_FULL, y, z, z);
  heed_value s = heed_model_add(model, heed_model_add(model, w, a), d);
  heed_value f = heed_model_feed_forward(model, "f", s, 32, HEED_ACTIVATION_RELU, 0.1F);
  heed_value o = heed_model_linear(model, "out", heed_model_add(model, f, b), OUT, true);
  if (_i > 0) o = heed_model_dropout(model, o, 0.5F);
  ok(heed_model_finish(model, o, 2));
  heed_model_inputs in = {.n_nodes = N, .mask = &mask, .dense = &dense};
  compare_inference(model, &in, false);
  heed_model_free(model);
}
END_TEST

START_TEST(inference_on_the_features_themselves) {
  heed_model *model;
  ok(heed_model_new(&model, F));
  heed_value x = heed_model_features(model);
  heed_attention_spec spec = heed_attention_spec_default(1, F);
  heed_value y = heed_model_attention(model, "only", &spec, HEED_SCOPE_MASKED, x, x, x);
  heed_value z = heed_model_linear(model, "out", heed_model_add(model, x, y), OUT, true);
  ok(heed_model_finish(model, z, 2));
  heed_model_inputs in = {.n_nodes = N, .mask = &mask, .dense = &dense};
  compare_inference(model, &in, true);
  in.dense = NULL;
  in.sparse = &sparse;
  compare_inference(model, &in, true);
  heed_model_free(model);
}
END_TEST

START_TEST(inference_pools_and_refuses) {
  heed_model_spec spec = spec_of(2);
  spec.pooling = HEED_POOLING_MEAN;
  heed_model *model;
  ok(heed_model_build(&model, &spec, 4));
  const int64_t ptr[3] = {0, 40, N};
  int64_t none[N + 1] = {0};
  heed_mask empty = {.n_queries = N, .n_keys = N, .indptr = none, .indices = indices};
  heed_model_inputs in = {
      .n_nodes = N, .mask = &empty, .dense = &dense, .n_graphs = 2, .graph_ptr = ptr};
  float got[2 * OUT];
  heed_pass *pass;
  heed_matrix expected;
  ok(heed_pass_new(&pass, model, &in, false));
  ok(heed_pass_forward(pass, HEED_MODE_EVALUATE, 0, 0, &expected));
  ok(heed_model_infer(model, &in, 10, got));
  ck_assert(memcmp(got, expected.data, sizeof got) == 0);
  heed_pass_free(pass);
  fails(heed_model_infer(model, &in, -1, got), HEED_RANGE, "-1 rows");
  in.mask = NULL;
  in.n_graphs = 0;
  fails(heed_model_infer(model, &in, 0, got), HEED_ARGUMENT, "no mask");
  heed_model_free(model);
}
END_TEST

START_TEST(memory_may_run_out) {
  heed_model_spec spec = spec_of(_i);
  bool with_edges = spec.edges != HEED_EDGES_NONE;
  heed_model *model;
  ok(heed_model_build(&model, &spec, 4));
  heed_model_inputs in = {
      .n_nodes = N, .mask = &mask, .sparse = &sparse, .edges = with_edges ? &edges : NULL};
  float got[N * OUT];
  heed_status status = HEED_NOMEM;
  for (int n = 0; status != HEED_OK; n++) {
    size_t held = heed_memory_held();
    heed__alloc_fail_after(n);
    status = heed_model_infer(model, &in, 64, got);
    heed__alloc_fail_after(-1);
    ck_assert(status == HEED_OK || status == HEED_NOMEM);
    ck_assert_uint_eq(heed_memory_held(), held);
  }
  heed_model_capacity room = {.n_nodes = N, .n_pairs = mask.n_pairs, .n_values = 40, .hops = 2};
  for (int h = 0; h <= 2; h++) room.ends[h] = 30 * (h + 1);
  status = HEED_NOMEM;
  for (int n = 0; status != HEED_OK; n++) {
    size_t held = heed_memory_held();
    heed_pass *pass;
    heed__alloc_fail_after(n);
    status = heed_pass_reserve(&pass, model, &room, true);
    heed__alloc_fail_after(-1);
    ck_assert(status == HEED_OK || status == HEED_NOMEM);
    if (status == HEED_OK) heed_pass_free(pass);
    ck_assert_uint_eq(heed_memory_held(), held);
  }
  heed_model_free(model);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("sampled");
  TCase *tests = tcase_create("sampled");
  tcase_add_checked_fixture(tests, set_up, NULL);
  tcase_set_timeout(tests, 60);
  tcase_add_loop_test(tests, all_neighbours_give_the_whole_graph, 0, SPECS);
  tcase_add_loop_test(tests, a_reserved_pass_serves_many_batches, 0, SPECS);
  tcase_add_loop_test(tests, first_nodes_have_the_whole_graph_s_gradients, 0, EXACT);
  tcase_add_test(tests, what_a_reserved_pass_refuses);
  tcase_add_loop_test(tests, inference_by_blocks_is_a_pass, 0, SPECS);
  tcase_add_loop_test(tests, inference_of_a_model_by_hand, 0, 2);
  tcase_add_test(tests, inference_on_the_features_themselves);
  tcase_add_test(tests, inference_pools_and_refuses);
  tcase_add_loop_test(tests, memory_may_run_out, 5, 8);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
