/* Layers that know where nodes are: learned positions, rotary, relative bias, quadratic bias, flipped columns. */
#include <check.h>
#include <heed/encoding.h>
#include <heed/model.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "chance.h"
#include "expect.h"

enum { N = 14, F = 6, HIDDEN = 8, HEADS = 2, CLASSES = 5 };

static void set_up(void) { state = 21; }

static float number(void) { return (float)chance(2001) / 1000 - 1; }

/* Inputs over 14 nodes under one of several masks. */
typedef struct data {
  float x[N * F];
  heed_matrix dense;
  heed_csr sparse;
  int64_t indptr[N + 1];
  int32_t indices[N * F];
  float values[N * F];
  heed_mask mask;
  int32_t positions[N];
  int32_t classes[N * N];
  float edges[N * N * 2];
  heed_matrix edge_matrix;
  uint8_t wanted[N];
  heed_model_inputs in;
} data;

/* form 0: pairs, some of them; 1: a window; 2: full. */
static void make_data(data *d, int form) {
  static const uint8_t wanted[N] = {0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0};
  for (int i = 0; i < N * F; i++) d->x[i] = chance(3) == 0 ? 0 : number();
  d->dense = heed_matrix_view(d->x, N, F);
  d->indptr[0] = 0;
  for (int i = 0; i < N; i++) {
    d->indptr[i + 1] = d->indptr[i];
    for (int c = 0; c < F; c++) {
      if (d->x[i * F + c] == 0) continue;
      d->values[d->indptr[i + 1]] = d->x[i * F + c];
      d->indices[d->indptr[i + 1]++] = c;
    }
  }
  d->sparse = (heed_csr){N, F, d->indptr, d->indices, d->values};
  if (form == 2) ok(heed_mask_full(&d->mask, N, N));
  if (form == 1) ok(heed_mask_window(&d->mask, N, 2, 1));
  if (form == 0) {
    int64_t indptr[N + 1] = {0};
    int32_t indices[N * N];
    for (int i = 0; i < N; i++) {
      indptr[i + 1] = indptr[i];
      for (int j = 0; j < N; j++) {
        if (i == 5 || chance(5) > 0) continue; /* who sees nobody */
        indices[indptr[i + 1]++] = j;
      }
    }
    heed_mask view, back;
    ok(heed_mask_view(&view, N, N, indptr, indices));
    ok(heed_mask_transpose(&back, &view, NULL));
    ok(heed_mask_transpose(&d->mask, &back, NULL));
    heed_mask_free(&back);
  }
  for (int i = 0; i < N; i++) d->positions[i] = (int32_t)chance(7);
  for (int p = 0; p < N * N; p++) d->classes[p] = (int32_t)chance(CLASSES);
  for (int i = 0; i < N * N * 2; i++) d->edges[i] = number();
  d->edge_matrix = heed_matrix_view(d->edges, d->mask.n_pairs, 2);
  memcpy(d->wanted, wanted, sizeof wanted);
  d->in = (heed_model_inputs){.n_nodes = N,
                              .dense = &d->dense,
                              .mask = &d->mask,
                              .positions = d->positions,
                              .pair_classes = d->classes};
  if (form != 2) d->in.edges = &d->edge_matrix;
}

static heed_model *build(heed_model_spec spec) {
  heed_model *model;
  ok(heed_model_build(&model, &spec, 3));
  for (int64_t i = 0; i < heed_model_parameter_count(model); i++) heed_model_parameters(model)[i] += 0.3F * number();
  return model;
}

/* Everything at once. */
static heed_model_spec everything(bool with_edges) {
  heed_model_spec spec = heed_model_spec_default(HEED_MODEL_TRANSFORMER);
  spec.features = F;
  spec.outputs = 3;
  spec.hidden = HIDDEN;
  spec.heads = HEADS;
  spec.dropout = 0;
  spec.pair_classes = CLASSES;
  spec.positions = 7;
  spec.rotary = 100;
  spec.flip_first = 2;
  spec.flip_columns = 3;
  spec.kernel = HEED_KERNEL_REFERENCE;
  if (with_edges) {
    spec.edge_features = 2;
    spec.edges = HEED_EDGES_QUADRATIC;
  }
  return spec;
}

static heed_pass *pass_of(heed_model *model, const heed_model_inputs *in, bool training) {
  heed_pass *pass;
  ok(heed_pass_new(&pass, model, in, training));
  return pass;
}

/* --- Values -------------------------------------------------------------------------------- */

START_TEST(positions_are_added_and_turned) {
  for (int given = 0; given < 2; given++) {
    for (int wanted = 0; wanted < 2; wanted++) {
      for (int halves = 0; halves < 2; halves++) {
        data d;
        heed_model *model;
        make_data(&d, 0);
        ok(heed_model_new(&model, F));
        heed_value x = heed_model_positions(model, "places", heed_model_features(model), N);
        ok(heed_model_finish(model, heed_model_rotary(model, x, 1, 50, halves), 1));
        if (!given) d.in.positions = NULL;
        if (wanted) d.in.wanted = d.wanted;
        heed_pass *pass = pass_of(model, &d.in, false);
        heed_matrix out;
        ok(heed_pass_forward(pass, HEED_MODE_EVALUATE, 0, 0, &out));
        ck_assert_int_eq(out.rows, wanted ? 3 : N);
        float by_hand[N * F];
        const float *table = heed_model_parameters(model);
        for (int i = 0; i < N; i++) {
          int place = given ? d.positions[i] : i;
          for (int c = 0; c < F; c++) by_hand[i * F + c] = d.x[i * F + c] + table[place * F + c];
        }
        heed_matrix rows = heed_matrix_view(by_hand, N, F);
        ok(heed_encode_rotary(&rows, 1, d.in.positions, 50, halves, false));
        const int32_t *nodes = heed_pass_nodes(pass);
        for (int64_t r = 0; r < out.rows; r++) {
          int64_t i = nodes != NULL ? nodes[r] : r;
          for (int c = 0; c < F; c++) ck_assert_float_eq_tol(out.data[r * F + c], by_hand[i * F + c], 1e-6F);
        }
        heed_pass_free(pass);
        heed_model_free(model);
        heed_mask_free(&d.mask);
      }
    }
  }
}
END_TEST

START_TEST(relative_bias_is_a_bias) {
  for (int form = 0; form < 3; form++) {
    for (int wanted = 0; wanted < 2; wanted++) {
      data d;
      heed_model *model;
      make_data(&d, form);
      ok(heed_model_new(&model, F));
      ok(heed_model_pair_classes(model, CLASSES));
      heed_value x = heed_model_features(model);
      heed_attention_spec spec = heed_attention_spec_default(HEADS, F / HEADS);
      x = heed_model_relative_bias(model, heed_model_attention(model, "see", &spec, HEED_SCOPE_MASKED, x, x, x));
      ok(heed_model_finish(model, x, 1));
      ck_assert_int_eq(heed_model_tensors(model), 1);
      heed_parameter table = heed_model_tensor(model, 0);
      ck_assert_str_eq(table.name, "see.relative_bias");
      ck_assert_int_eq(table.shape[0], CLASSES);
      ck_assert_int_eq(table.shape[1], HEADS);
      for (int i = 0; i < CLASSES * HEADS; i++) {
        ck_assert(table.data[i] == 0);
        table.data[i] = 3 * number();
      }
      float *bias = calloc((size_t)d.mask.n_pairs * HEADS + 1, sizeof *bias), by_hand[N * F];
      for (int64_t i = 0; i < d.mask.n_pairs * HEADS; i++) {
        bias[i] = table.data[d.classes[i / HEADS] * HEADS + i % HEADS];
      }
      heed_attention_inputs inputs = {.query = d.x, .key = d.x, .bias = bias, .bias_heads = HEADS};
      heed_attention_outputs outputs = {.out = by_hand};
      spec.kernel = HEED_KERNEL_REFERENCE;
      ok(heed_attend(&spec, &d.mask, &inputs, &outputs));
      if (wanted) d.in.wanted = d.wanted;
      d.in.edges = NULL;
      heed_pass *pass = pass_of(model, &d.in, true);
      heed_matrix out;
      ok(heed_pass_forward(pass, HEED_MODE_TRAIN, 0, 0, &out));
      const int32_t *nodes = heed_pass_nodes(pass);
      for (int64_t r = 0; r < out.rows; r++) {
        int64_t i = nodes != NULL ? nodes[r] : r;
        for (int c = 0; c < F; c++) ck_assert_float_eq_tol(out.data[r * F + c], by_hand[i * F + c], 1e-5F);
      }
      heed_pass_free(pass);
      heed_model_free(model);
      heed_mask_free(&d.mask);
      free(bias);
    }
  }
}
END_TEST

START_TEST(a_quadratic_bias_starts_as_one) {
  heed_model *model;
  ok(heed_model_new(&model, F));
  ok(heed_model_edges(model, 3));
  heed_value x = heed_model_features(model);
  heed_block_options block = {.heads = 3, .edges = HEED_EDGES_QUADRATIC};
  x = heed_model_block(model, "b", x, &block);
  ok(heed_model_finish(model, x, 9));
  bool there = false;
  for (int t = 0; t < heed_model_tensors(model); t++) {
    heed_parameter p = heed_model_tensor(model, t);
    if (strcmp(p.name, "b.edge_bias.weight") != 0) continue;
    float weights[9];
    there = true;
    heed_parameter_export(&p, weights);
    for (int h = 0; h < 3; h++) {
      ck_assert(weights[3 * h] == -1);
      ck_assert(weights[3 * h + 1] != 0 && fabsf(weights[3 * h + 1]) < 20);
      ck_assert(weights[3 * h + 2] != weights[3 * h + 1]);
    }
  }
  ck_assert(there);
  heed_model_free(model);
}
END_TEST

START_TEST(columns_flip_in_training_alone) {
  data d;
  make_data(&d, 0);
  heed_model_spec spec = everything(false);
  spec.pair_classes = 0;
  heed_model *model = build(spec);
  heed_pass *dense = pass_of(model, &d.in, true);
  heed_model_inputs in = d.in;
  in.dense = NULL;
  in.sparse = &d.sparse;
  heed_pass *sparse = pass_of(model, &in, true);
  int flipped[3] = {0}, steps = 400;
  float x[N * F];
  heed_matrix by_hand = heed_matrix_view(x, N, F), out, again;
  in = d.in;
  in.dense = &by_hand;
  memcpy(x, d.x, sizeof x);
  heed_pass *plain = pass_of(model, &in, false);
  for (int step = 0; step < steps; step++) {
    ok(heed_pass_forward(dense, HEED_MODE_TRAIN, 5, (uint64_t)step, &out));
    int found = 0; /* signs with which evaluation gives the same */
    for (int signs = 0; signs < 8; signs++) {
      for (int i = 0; i < N * F; i++) {
        int c = i % F - 2;
        x[i] = c >= 0 && c < 3 && (signs >> c & 1) ? -d.x[i] : d.x[i];
      }
      ok(heed_pass_forward(plain, HEED_MODE_EVALUATE, 0, 0, &again));
      float most = 0;
      for (int i = 0; i < N * 3; i++) most = fmaxf(most, fabsf(out.data[i] - again.data[i]));
      if (most > 1e-5F) continue;
      found++;
      for (int c = 0; c < 3; c++) flipped[c] += signs >> c & 1;
    }
    ck_assert_int_eq(found, 1);
    float kept[N * 3];
    memcpy(kept, out.data, sizeof kept);
    ok(heed_pass_forward(sparse, HEED_MODE_TRAIN, 5, (uint64_t)step, &again));
    for (int i = 0; i < N * 3; i++) ck_assert_float_eq_tol(kept[i], again.data[i], 1e-5F);
    float ones[N * 3], first[64];
    int64_t n = heed_model_parameter_count(model);
    for (int i = 0; i < N * 3; i++) ones[i] = number();
    ok(heed_pass_backward(dense, ones));
    ok(heed_pass_backward(sparse, ones));
    for (int64_t i = 0; i < n; i++) {
      float a = heed_pass_gradients(dense)[i], b = heed_pass_gradients(sparse)[i];
      ck_assert_float_eq_tol(a, b, 1e-4F * (1 + fabsf(a)));
    }
    (void)first;
    if (step % 50 == 0) {
      memcpy(x, d.x, sizeof x);
      ok(heed_pass_forward(plain, HEED_MODE_EVALUATE, 0, 0, &again));
      memcpy(kept, again.data, sizeof kept);
      ok(heed_pass_forward(dense, HEED_MODE_EVALUATE, 0, 0, &out));
      for (int i = 0; i < N * 3; i++) ck_assert_float_eq_tol(kept[i], out.data[i], 1e-6F);
      ok(heed_pass_forward(sparse, HEED_MODE_EVALUATE, 0, 0, &out));
      for (int i = 0; i < N * 3; i++) ck_assert_float_eq_tol(kept[i], out.data[i], 1e-5F);
    }
  }
  for (int c = 0; c < 3; c++) { /* a deviation is 10 */
    ck_assert_int_gt(flipped[c], 140);
    ck_assert_int_lt(flipped[c], 260);
  }
  for (int i = 0; i < N * F; i++) ck_assert(d.values[i % d.indptr[N]] != 0); /* the caller's are not touched */
  for (int64_t i = 0; i < N; i++) {
    for (int64_t p = d.indptr[i]; p < d.indptr[i + 1]; p++) ck_assert(d.values[p] == d.x[i * F + d.indices[p]]);
  }
  heed_pass_free(dense);
  heed_pass_free(sparse);
  heed_pass_free(plain);
  heed_model_free(model);
  heed_mask_free(&d.mask);
}
END_TEST

/* --- Gradients ----------------------------------------------------------------------------- */

static double loss(heed_pass *pass, const float *weights) {
  heed_matrix out;
  double sum = 0;
  ok(heed_pass_forward(pass, HEED_MODE_TRAIN, 4, 2, &out));
  for (int64_t i = 0; i < out.rows * out.cols; i++) sum += (double)weights[i] * out.data[i];
  return sum;
}

/* Against central differences of forward calls, whose attention is computed in double precision. */
static void check_gradients(heed_model *model, const heed_model_inputs *in) {
  float weights[N * HIDDEN];
  heed_pass *pass = pass_of(model, in, true);
  float *parameters = heed_model_parameters(model);
  for (int i = 0; i < N * HIDDEN; i++) weights[i] = number();
  (void)loss(pass, weights);
  ok(heed_pass_backward(pass, weights));
  int64_t n = heed_model_parameter_count(model);
  float *got = calloc((size_t)n, sizeof *got);
  memcpy(got, heed_pass_gradients(pass), (size_t)n * sizeof *got);
  for (int t = 0; t < heed_model_tensors(model); t++) {
    heed_parameter p = heed_model_tensor(model, t);
    double largest = 1e-2;
    for (int64_t i = 0; i < p.size; i++) largest = fmax(largest, fabs((double)got[p.offset + i]));
    for (int64_t i = 0; i < p.size; i += p.size > 60 ? 3 : 1) {
      const float h = 0x1p-7F;
      float *x = parameters + p.offset + i, before = *x;
      *x = before + h;
      double up = loss(pass, weights);
      *x = before - h;
      double down = loss(pass, weights);
      *x = before;
      double wanted = (up - down) / (2 * (double)h);
      ck_assert_msg(fabs(wanted - (double)got[p.offset + i]) < 4e-3 * largest, "%s[%d]: %g instead of %g",
                    p.name, (int)i, (double)got[p.offset + i], wanted);
    }
  }
  free(got);
  heed_pass_free(pass);
}

START_TEST(gradients_of_everything) {
  for (int form = 0; form < 3; form++) {
    for (int wanted = 0; wanted < 2; wanted++) {
      data d;
      make_data(&d, form);
      heed_model *model = build(everything(form != 2));
      if (wanted) d.in.wanted = d.wanted;
      check_gradients(model, &d.in);
      heed_model_free(model);
      heed_mask_free(&d.mask);
    }
  }
}
END_TEST

START_TEST(gradients_of_other_models) {
  static const heed_model_kind kinds[] = {HEED_MODEL_GAT, HEED_MODEL_GATV2, HEED_MODEL_GAT, HEED_MODEL_MLP};
  for (int k = 0; k < 4; k++) {
    data d;
    make_data(&d, k % 3);
    heed_model_spec spec = everything(false);
    spec.kind = kinds[k];
    spec.residual = k >= 2;
    spec.layers = 2;
    spec.rotary = 0;
    spec.activation = HEED_ACTIVATION_GELU;
    spec.slope = 1; /* without its corner */
    spec.attention_dropout = 0;
    if (!spec.residual) spec.positions = 0;
    heed_model *model = build(spec);
    check_gradients(model, &d.in);
    heed_model_free(model);
    heed_mask_free(&d.mask);
  }
}
END_TEST

/* Layers whose inputs are used elsewhere too, or are the caller's. */
START_TEST(gradients_that_are_shared) {
  for (int halves = 0; halves < 2; halves++) {
    data d;
    heed_model *model;
    make_data(&d, 0);
    ok(heed_model_new(&model, F));
    heed_value x = heed_model_linear(model, "in", heed_model_features(model), HIDDEN, true);
    heed_value y = heed_model_rotary(model, x, HEADS, 30, halves);
    heed_value z = heed_model_positions(model, "a", x, 7);
    z = heed_model_add(model, y, z);
    z = heed_model_add(model, heed_model_rotary(model, z, 1, 30, !halves), y);
    z = heed_model_positions(model, "b", z, 9);
    ok(heed_model_finish(model, heed_model_add(model, z, z), 1));
    for (int64_t i = 0; i < heed_model_parameter_count(model); i++) heed_model_parameters(model)[i] = number();
    check_gradients(model, &d.in);
    heed_model_free(model);
    ok(heed_model_new(&model, F)); /* the output is a rotary layer's, then one of positions */
    x = heed_model_linear(model, "in", heed_model_features(model), HIDDEN, true);
    ok(heed_model_finish(model, halves ? heed_model_positions(model, "a", x, 8) : heed_model_rotary(model, x, 2, 9, false), 1));
    check_gradients(model, &d.in);
    heed_model_free(model);
    heed_mask_free(&d.mask);
  }
}
END_TEST

/* --- Passes -------------------------------------------------------------------------------- */

START_TEST(threads_do_not_matter) {
  for (int form = 0; form < 3; form++) {
    data d;
    make_data(&d, form);
    heed_model_spec spec = everything(form != 2);
    spec.kernel = HEED_KERNEL_AUTO;
    heed_model *model = build(spec);
    int64_t n = heed_model_parameter_count(model);
    float *first = calloc((size_t)n, sizeof *first), weights[N * 3], out_first[N * 3];
    for (int i = 0; i < N * 3; i++) weights[i] = number();
    for (int threads = 1; threads < 5; threads++) {
      ok(heed_set_threads(threads));
      heed_pass *pass = pass_of(model, &d.in, true);
      heed_matrix out;
      ok(heed_pass_forward(pass, HEED_MODE_TRAIN, 1, 1, &out));
      if (threads == 1) memcpy(out_first, out.data, sizeof out_first);
      ck_assert(memcmp(out_first, out.data, sizeof out_first) == 0);
      ok(heed_pass_backward(pass, weights));
      if (threads == 1) memcpy(first, heed_pass_gradients(pass), (size_t)n * sizeof *first);
      ck_assert(memcmp(first, heed_pass_gradients(pass), (size_t)n * sizeof *first) == 0);
      heed_pass_free(pass);
    }
    free(first);
    heed_model_free(model);
    heed_mask_free(&d.mask);
  }
}
END_TEST

/* A reserved pass gives what one of its own gives, each graph counted from 0. */
START_TEST(passes_that_are_bound_again) {
  data d;
  make_data(&d, 2);
  heed_model_spec spec = everything(false);
  spec.blocks[1] = 'S';
  spec.pooling = HEED_POOLING_SUM;
  spec.positions = 10;
  heed_model *model = build(spec);
  heed_pass *reserved;
  heed_model_capacity most = {.n_nodes = N, .n_pairs = N * N, .n_graphs = 3, .n_values = _i * N * F};
  if (_i == 1) d.in.dense = NULL, d.in.sparse = &d.sparse;
  ok(heed_pass_reserve(&reserved, model, &most, true));
  static const int64_t ends[][4] = {{0, 4, 9, N}, {0, 0, 6, N}, {0, 9, 10, N}};
  for (int round = 0; round < 3; round++) {
    heed_mask mask;
    ok(heed_mask_blocks(&mask, 3, ends[round], ends[round]));
    heed_model_inputs in = d.in;
    in.mask = &mask;
    in.n_graphs = 3;
    in.graph_ptr = ends[round];
    in.positions = NULL;
    heed_pass *own = pass_of(model, &in, true);
    ok(heed_pass_bind(reserved, &in));
    heed_matrix a, b;
    float weights[9];
    for (int i = 0; i < 9; i++) weights[i] = number();
    ok(heed_pass_forward(own, HEED_MODE_TRAIN, 1, 1, &a));
    ok(heed_pass_forward(reserved, HEED_MODE_TRAIN, 1, 1, &b));
    for (int i = 0; i < 9; i++) ck_assert_float_eq_tol(a.data[i], b.data[i], 1e-5F);
    ok(heed_pass_backward(own, weights));
    ok(heed_pass_backward(reserved, weights));
    for (int64_t i = 0; i < heed_model_parameter_count(model); i++) {
      float x = heed_pass_gradients(own)[i], y = heed_pass_gradients(reserved)[i];
      ck_assert_float_eq_tol(x, y, 1e-4F * (1 + fabsf(x)));
    }
    heed_pass_free(own);
    heed_mask_free(&mask);
  }
  int64_t whole[2] = {0, N};
  heed_model_inputs in = d.in;
  in.n_graphs = 1;
  in.graph_ptr = whole;
  in.positions = NULL;
  fails(heed_pass_bind(reserved, &in), HEED_RANGE, "node 10 is at position 10, but positions.weight has 10");
  heed_pass_free(reserved);
  heed_model_free(model);
  heed_mask_free(&d.mask);
}
END_TEST

/* --- What cannot be ------------------------------------------------------------------------ */

typedef heed_value adder(heed_model *model, heed_value x);

static heed_value no_positions(heed_model *m, heed_value x) { return heed_model_positions(m, "p", x, 0); }
static heed_value odd_parts(heed_model *m, heed_value x) { return heed_model_rotary(m, x, 2, 100, false); }
static heed_value no_heads(heed_model *m, heed_value x) { return heed_model_rotary(m, x, 0, 100, false); }
static heed_value no_base(heed_model *m, heed_value x) { return heed_model_rotary(m, x, 1, 1, false); }
static heed_value of_nothing(heed_model *m, heed_value x) { return heed_model_relative_bias(m, x); }
static heed_value of_graphs(heed_model *m, heed_value x) {
  return heed_model_rotary(m, heed_model_pool(m, x, HEED_POOLING_SUM), 1, 100, false);
}
static heed_value attention(heed_model *m, heed_value x, heed_scope scope) {
  heed_attention_spec spec = heed_attention_spec_default(1, F);
  return heed_model_relative_bias(m, heed_model_attention(m, "a", &spec, scope, x, x, x));
}
static heed_value no_classes(heed_model *m, heed_value x) { return attention(m, x, HEED_SCOPE_MASKED); }
static heed_value sees_all(heed_model *m, heed_value x) { return attention(m, x, HEED_SCOPE_FULL); }

START_TEST(bad_layers_are_refused) {
  static const struct {
    adder *add;
    heed_status status;
    const char *says;
  } bad[] = {{no_positions, HEED_RANGE, "layer p: 0 positions"},
             {odd_parts, HEED_SHAPE, "2 heads do not divide a width of 6"},
             {no_heads, HEED_SHAPE, "0 heads"},
             {no_base, HEED_RANGE, "base 1"},
             {of_nothing, HEED_ARGUMENT, "does not come from attention"},
             {of_graphs, HEED_SHAPE, "over graphs"},
             {no_classes, HEED_ARGUMENT, "heed_model_pair_classes()"},
             {sees_all, HEED_ARGUMENT, "not masked"}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    heed_model *model;
    ok(heed_model_new(&model, F));
    fails(heed_model_finish(model, bad[i].add(model, heed_model_features(model)), 1), bad[i].status,
          bad[i].says);
    heed_model_free(model);
  }
  heed_model *model;
  ok(heed_model_new(&model, F));
  fails(heed_model_pair_classes(model, -1), HEED_RANGE, "-1");
  fails(heed_model_pair_classes(model, (1 << 24) + 1), HEED_RANGE, "16777216");
  fails(heed_model_flip_columns(model, 3, 4), HEED_RANGE, "4 from 3 on, of 6");
  fails(heed_model_flip_columns(model, -1, 1), HEED_RANGE, "-1");
  ok(heed_model_pair_classes(model, 4));
  (void)no_classes(model, heed_model_features(model));
  fails(heed_model_pair_classes(model, 5), HEED_ARGUMENT, "layer a has learned of 4, not 5");
  heed_model_free(model);
}
END_TEST

START_TEST(bad_specs_are_refused) {
  heed_model *model;
  heed_model_spec spec = everything(false);
  spec.rotary = 0.5F;
  fails(heed_model_build(&model, &spec, 1), HEED_RANGE, "rotary 0.5");
  spec = everything(false);
  spec.pair_classes = -1;
  fails(heed_model_build(&model, &spec, 1), HEED_RANGE, "pair-classes -1");
  spec = everything(false);
  spec.positions = -1;
  fails(heed_model_build(&model, &spec, 1), HEED_RANGE, "positions -1");
  spec = everything(false);
  spec.flip_columns = 5;
  fails(heed_model_build(&model, &spec, 1), HEED_RANGE, "flip-columns 5 from flip-first 2 on, of 6");
  spec = everything(false);
  spec.kind = HEED_MODEL_GAT;
  spec.residual = false;
  fails(heed_model_build(&model, &spec, 1), HEED_ARGUMENT, "gat without residual");
  spec.residual = true;
  fails(heed_model_build(&model, &spec, 1), HEED_ARGUMENT, "no transformer");
  spec = everything(true);
  char text[1024];
  heed_model_spec read;
  ok(heed_model_spec_write(&spec, text, sizeof text));
  ok(heed_model_spec_read(&read, text));
  ck_assert_int_eq(read.pair_classes, CLASSES);
  ck_assert_int_eq(read.positions, 7);
  ck_assert(read.rotary == 100);
  ck_assert_int_eq(read.flip_first, 2);
  ck_assert_int_eq(read.flip_columns, 3);
  ck_assert_int_eq(read.edges, HEED_EDGES_QUADRATIC);
}
END_TEST

START_TEST(bad_inputs_are_refused) {
  data d;
  heed_pass *pass;
  make_data(&d, 0);
  heed_model *model = build(everything(true));
  heed_model_inputs in = d.in;
  in.pair_classes = NULL;
  fails(heed_pass_new(&pass, model, &in, true), HEED_ARGUMENT, "pair_classes are not there");
  in = d.in;
  d.classes[3] = CLASSES;
  fails(heed_pass_new(&pass, model, &in, true), HEED_RANGE, "pair 3 has class 5");
  d.classes[3] = -1;
  fails(heed_pass_new(&pass, model, &in, true), HEED_RANGE, "pair 3 has class -1");
  d.classes[3] = 0;
  d.positions[2] = 7;
  fails(heed_pass_new(&pass, model, &in, true), HEED_RANGE, "node 2 is at position 7, but positions.weight has 7");
  d.positions[2] = -1;
  fails(heed_pass_new(&pass, model, &in, true), HEED_RANGE, "node 2 is at position -1");
  d.positions[2] = 0;
  in.edges = NULL;
  fails(heed_pass_new(&pass, model, &in, true), HEED_ARGUMENT, "edges are not there");
  heed_model_free(model);
  heed_mask_free(&d.mask);
}
END_TEST

START_TEST(failed_allocations_leave_nothing) {
  for (int sparse = 0; sparse < 2; sparse++) {
    data d;
    make_data(&d, 0);
    size_t held = heed_memory_held();
    d.in.wanted = d.wanted;
    if (sparse) d.in.dense = NULL, d.in.sparse = &d.sparse;
    for (long n = 0;; n++) {
      heed_model *model;
      heed_pass *pass = NULL;
      heed_model_spec spec = everything(true);
      ck_assert_int_lt(n, 400);
      heed__alloc_fail_after(n);
      heed_status status = heed_model_build(&model, &spec, 1);
      if (status == HEED_OK) status = heed_pass_new(&pass, model, &d.in, true);
      heed__alloc_fail_after(-1);
      ck_assert(status == HEED_OK || pass == NULL);
      heed_pass_free(pass);
      heed_model_free(model);
      ck_assert_uint_eq(heed_memory_held(), held);
      if (status == HEED_OK) break;
      ck_assert_int_eq(status, HEED_NOMEM);
    }
    heed_mask_free(&d.mask);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("positions");
  TCase *tests = tcase_create("positions");
  tcase_set_timeout(tests, 120);
  tcase_add_checked_fixture(tests, set_up, NULL);
  tcase_add_test(tests, positions_are_added_and_turned);
  tcase_add_test(tests, relative_bias_is_a_bias);
  tcase_add_test(tests, a_quadratic_bias_starts_as_one);
  tcase_add_test(tests, columns_flip_in_training_alone);
  tcase_add_test(tests, gradients_of_everything);
  tcase_add_test(tests, gradients_of_other_models);
  tcase_add_test(tests, gradients_that_are_shared);
  tcase_add_test(tests, threads_do_not_matter);
  tcase_add_loop_test(tests, passes_that_are_bound_again, 0, 2); /* dense, sparse */
  tcase_add_test(tests, bad_layers_are_refused);
  tcase_add_test(tests, bad_specs_are_refused);
  tcase_add_test(tests, bad_inputs_are_refused);
  tcase_add_test(tests, failed_allocations_leave_nothing);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
