/* Passes that are reserved for a capacity and bound again and again: batches of small graphs. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "expect.h"
#include "model/pass.h"

enum { FEATURES = 5, EDGES = 4, OUTPUTS = 3, MOST_GRAPHS = 40, MOST_NODES = 900, MOST_PAIRS = 6000 };

/* A batch of graphs: paths with some pairs more, both ways, and every node itself; graph 1 is empty,
 * graph 2 a single node. */
typedef struct batch {
  heed_model_inputs in;
  heed_matrix matrix;
  heed_mask mask;
  int64_t graph_ptr[MOST_GRAPHS + 1];
  int64_t indptr[MOST_NODES + 1];
  int32_t indices[MOST_PAIRS];
  float x[MOST_NODES * FEATURES];
  float e[MOST_PAIRS * EDGES];
  heed_matrix edges;
} batch;

static uint64_t next(uint64_t *state, uint64_t below) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (*state >> 33) % below;
}

static batch *batch_new(uint64_t seed, int graphs, int most) {
  batch *b = calloc(1, sizeof *b);
  uint64_t state = seed;
  int64_t nodes = 0, pairs = 0;
  for (int g = 0; g < graphs; g++) {
    int64_t n = g == 1 ? 0 : g == 2 ? 1 : 2 + (int64_t)next(&state, (uint64_t)most);
    for (int64_t i = 0; i < n; i++) {
      for (int64_t j = 0; j < n; j++) {
        /* symmetric, from the nodes alone */
        bool more = n > 6 && (i + j) % 7 == 3 && (i * j) % 5 == (int64_t)(seed % 5);
        if (i - j > 1 || j - i > 1) {
          if (!more) continue;
        }
        b->indices[pairs++] = (int32_t)(nodes + j);
      }
      b->indptr[nodes + i + 1] = pairs;
    }
    nodes += n;
    b->graph_ptr[g + 1] = nodes;
  }
  ck_assert_int_le(nodes, MOST_NODES);
  ck_assert_int_le(pairs, MOST_PAIRS);
  heed_random_uniform(seed, 1, b->x, nodes * FEATURES, -1, 1);
  ok(heed_mask_view(&b->mask, nodes, nodes, b->indptr, b->indices));
  b->matrix = heed_matrix_view(b->x, nodes, FEATURES);
  heed_random_uniform(seed, 2, b->e, pairs * EDGES, -1, 1);
  b->edges = heed_matrix_view(b->e, pairs, EDGES);
  b->in = (heed_model_inputs){.n_nodes = nodes,
                              .dense = &b->matrix,
                              .edges = &b->edges,
                              .mask = &b->mask,
                              .n_graphs = graphs,
                              .graph_ptr = b->graph_ptr};
  return b;
}

/* Graph g of a batch alone. */
static batch *batch_of_one(const batch *from, int64_t g) {
  batch *b = calloc(1, sizeof *b);
  int64_t first = from->graph_ptr[g], n = from->graph_ptr[g + 1] - first;
  int64_t pair = from->indptr[first];
  b->graph_ptr[1] = n;
  for (int64_t i = 0; i <= n; i++) b->indptr[i] = from->indptr[first + i] - pair;
  for (int64_t p = 0; p < b->indptr[n]; p++) {
    b->indices[p] = (int32_t)(from->indices[pair + p] - first);
  }
  memcpy(b->x, from->x + first * FEATURES, (size_t)(n * FEATURES) * sizeof *b->x);
  ok(heed_mask_view(&b->mask, n, n, b->indptr, b->indices));
  b->matrix = heed_matrix_view(b->x, n, FEATURES);
  memcpy(b->e, from->e + pair * EDGES, (size_t)(b->indptr[n] * EDGES) * sizeof *b->e);
  b->edges = heed_matrix_view(b->e, b->indptr[n], EDGES);
  b->in = (heed_model_inputs){.n_nodes = n,
                              .dense = &b->matrix,
                              .mask = &b->mask,
                              .n_graphs = 1,
                              .graph_ptr = b->graph_ptr,
                              .edges = &b->edges};
  return b;
}

static heed_value transformer(heed_model *m, const char *blocks, heed_norm norm, float dropout) {
  heed_value x = heed_model_linear(m, "input", heed_model_features(m), 16, true);
  for (int i = 0; blocks[i] != '\0'; i++) {
    char name[16];
    snprintf(name, sizeof name, "b%d", i);
    heed_block_options options = {
        .heads = 4,
        .scope = blocks[i] == 'S' ? HEED_SCOPE_FULL : HEED_SCOPE_MASKED,
        .score = HEED_SCORE_DOT,
        .norm = norm,
        .pre_norm = true,
        .activation = HEED_ACTIVATION_GELU,
        .expansion = 2,
        .dropout = dropout,
        .attention_dropout = dropout};
    x = heed_model_block(m, name, x, &options);
  }
  x = heed_model_pool(m, x, HEED_POOLING_MEAN);
  return heed_model_linear(m, "output", x, OUTPUTS, true);
}

static heed_value gat(heed_model *m, heed_score score, heed_scope scope, heed_pooling pooling) {
  heed_gat_options options = {.score = score,
                              .heads = 3,
                              .dim = 4,
                              .merge = HEED_MERGE_CONCAT,
                              .scope = scope,
                              .slope = 0.2F,
                              .attention_dropout = 0.2F,
                              .bias = true};
  heed_value x = heed_model_gat(m, "conv1", heed_model_features(m), &options);
  x = heed_model_activate(m, x, HEED_ACTIVATION_ELU);
  options.merge = HEED_MERGE_MEAN;
  x = heed_model_gat(m, "conv2", x, &options);
  x = heed_model_pool(m, x, pooling);
  return heed_model_linear(m, "output", x, OUTPUTS, true);
}

static heed_value mlp(heed_model *m) {
  heed_value x = heed_model_linear(m, "a", heed_model_features(m), 16, true);
  x = heed_model_activate(m, x, HEED_ACTIVATION_RELU);
  x = heed_model_dropout(m, x, 0.3F);
  x = heed_model_pool(m, x, HEED_POOLING_SUM);
  return heed_model_linear(m, "b", x, OUTPUTS, true);
}
static heed_value gat_masked(heed_model *m) {
  return gat(m, HEED_SCORE_GAT, HEED_SCOPE_MASKED, HEED_POOLING_MAX);
}
static heed_value gat_full(heed_model *m) {
  return gat(m, HEED_SCORE_GAT, HEED_SCOPE_FULL, HEED_POOLING_MEAN);
}
static heed_value gatv2_masked(heed_model *m) {
  return gat(m, HEED_SCORE_GATV2, HEED_SCOPE_MASKED, HEED_POOLING_MEAN);
}
static heed_value masked_blocks(heed_model *m) {
  return transformer(m, "MM", HEED_NORM_LAYER, 0.1F);
}
static heed_value mixed_blocks(heed_model *m) {
  return transformer(m, "MSMS", HEED_NORM_LAYER, 0.1F);
}
static heed_value batch_norm(heed_model *m) { return transformer(m, "MS", HEED_NORM_BATCH, 0); }
static heed_value of_nodes(heed_model *m) {
  heed_value x = heed_model_dropout(m, heed_model_features(m), 0.3F);
  return heed_model_linear(m, "a", x, 4, true);
}

static const struct {
  const char *name;
  heed_value (*build)(heed_model *model);
  bool exact; /* no batch norm: a graph does not see others */
} models[] = {{"mlp", mlp, true},
              {"gat", gat_masked, true},
              {"gat full", gat_full, true},
              {"gatv2", gatv2_masked, true},
              {"blocks", masked_blocks, true},
              {"mixed blocks", mixed_blocks, true},
              {"batch norm", batch_norm, false},
              {"of nodes", of_nodes, true},
              {"kind=transformer features=5 outputs=3 hidden=16 heads=4 blocks=MSMSP seeds=2 edges=add "
               "edge-features=4",
               NULL, true},
              {"kind=transformer features=5 outputs=3 hidden=32 heads=8 blocks=MPSS seeds=4 edges=bias "
               "edge-features=4",
               NULL, true},
              {"kind=gat features=5 outputs=3 hidden=16 heads=4 pooling=mean edges=add "
               "edge-features=4",
               NULL, true},
              {"kind=gatv2 features=5 outputs=3 hidden=16 heads=2 residual=yes norm=layer "
               "pooling=max edges=add edge-features=4",
               NULL, true},
              {"kind=gat features=5 outputs=3 hidden=16 heads=2 residual=yes norm=layer "
               "pooling=sum edges=bias edge-features=4",
               NULL, true}};
enum { MODELS = sizeof models / sizeof *models };

static heed_model *model_new(int number) {
  heed_model *model;
  if (models[number].build == NULL) {
    heed_model_spec spec;
    ok(heed_model_spec_read(&spec, models[number].name));
    ok(heed_model_build(&model, &spec, 3));
    return model;
  }
  ok(heed_model_new(&model, FEATURES));
  ok(heed_model_finish(model, models[number].build(model), 3));
  return model;
}

/* What a pass gives: output and gradients, one after the other. */
typedef struct result {
  float *numbers;
  int64_t outputs, all;
} result;

static result run(heed_pass *pass, const heed_model *model, bool training, heed_mode mode) {
  heed_matrix output;
  ok(heed_pass_forward(pass, mode, 5, 7, &output));
  int64_t n = output.rows * output.cols, parameters = heed_model_parameter_count(model);
  result r = {.outputs = n, .all = n + (training ? parameters : 0)};
  r.numbers = malloc((size_t)r.all * sizeof(float) + 1);
  memcpy(r.numbers, output.data, (size_t)n * sizeof(float));
  if (!training) return r;
  float *d_output = malloc((size_t)n * sizeof *d_output + 1);
  heed_random_uniform(9, 9, d_output, n, -1, 1);
  ok(heed_pass_backward(pass, d_output));
  memcpy(r.numbers + n, heed_pass_gradients(pass), (size_t)parameters * sizeof(float));
  free(d_output);
  return r;
}

static void same_bits(const char *what, const result *a, const result *b) {
  ck_assert_int_eq(a->all, b->all);
  for (int64_t i = 0; i < a->all; i++) {
    ck_assert_msg(memcmp(a->numbers + i, b->numbers + i, sizeof(float)) == 0,
                  "%s: number %lld of %lld (%lld): %.9g, not %.9g", what, (long long)i,
                  (long long)a->all, (long long)a->outputs, (double)a->numbers[i],
                  (double)b->numbers[i]);
  }
}

static void alike(const char *what, const result *a, const result *b) {
  ck_assert_int_eq(a->all, b->all);
  double most = 0;
  for (int64_t i = 0; i < a->all; i++) most = fmax(most, fabs((double)b->numbers[i]));
  for (int64_t i = 0; i < a->all; i++) {
    double error = fabs((double)a->numbers[i] - (double)b->numbers[i]);
    ck_assert_msg(error <= 2e-6 * (1 + most), "%s: number %lld: %.9g, not %.9g", what, (long long)i,
                  (double)a->numbers[i], (double)b->numbers[i]);
  }
}

static const heed_model_capacity capacity = {
    .n_nodes = MOST_NODES, .n_pairs = MOST_PAIRS, .n_graphs = MOST_GRAPHS};

/* A, B, A: bound again a pass gives what a pass of its own gives, to rounding, and A its bits again;
 * nothing is allocated on the way. */
START_TEST(test_again) {
  heed_model *model = model_new(_i);
  const char *name = models[_i].name;
  bool sees_mode = models[_i].exact; /* batch norm moves its state */
  batch *batches[3] = {batch_new(1, 12, 20), batch_new(2, MOST_GRAPHS, 30), batch_new(3, 1, 3)};
  size_t before = heed_memory_held();
  for (int training = 0; training < 2; training++) {
    heed_mode mode = training == 1 && sees_mode ? HEED_MODE_TRAIN : HEED_MODE_EVALUATE;
    heed_pass *pass;
    ok(heed_pass_reserve(&pass, model, &capacity, training == 1));
    ck_assert_uint_eq(heed_memory_held() - before, heed_pass_bytes(pass));
    ck_assert_int_eq(heed_pass_rows(pass), 0);
    heed_matrix output;
    fails(heed_pass_forward(pass, HEED_MODE_EVALUATE, 0, 0, &output), HEED_ARGUMENT,
              "not bound");
    bool backward = training == 1 && mode == HEED_MODE_TRAIN;
    result expected[3], again;
    for (int i = 0; i < 3; i++) {
      heed_pass *own;
      ok(heed_pass_new(&own, model, &batches[i]->in, training == 1));
      expected[i] = run(own, model, backward, mode);
      heed_pass_free(own);
    }
    result first[3];
    static const int order[] = {0, 1, 2, 0, 2, 1, 1, 0};
    bool seen[3] = {false};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
      heed__alloc_fail_after(0);
      ok(heed_pass_bind(pass, &batches[order[i]]->in));
      again = run(pass, model, backward, mode);
      heed__alloc_fail_after(-1);
      alike(name, &again, expected + order[i]);
      if (seen[order[i]]) {
        same_bits(name, &again, first + order[i]);
        free(again.numbers);
      } else {
        first[order[i]] = again;
      }
      seen[order[i]] = true;
    }
    ck_assert_uint_eq(heed_memory_held() - before, heed_pass_bytes(pass));
    heed_pass_free(pass);
    for (int i = 0; i < 3; i++) {
      free(expected[i].numbers);
      free(first[i].numbers);
    }
  }
  for (int i = 0; i < 3; i++) free(batches[i]);
  heed_model_free(model);
}
END_TEST

/* A batch gives every graph the bits it gets alone. */
START_TEST(test_alone) {
  heed_model *model = model_new(_i);
  if (models[_i].exact) {
    batch *all = batch_new(4, 14, 40);
    heed_pass *pass;
    ok(heed_pass_reserve(&pass, model, &capacity, false));
    ok(heed_pass_bind(pass, &all->in));
    result together = run(pass, model, false, HEED_MODE_EVALUATE);
    int64_t per_row = heed_model_output_count(model);
    bool nodes = heed_pass_rows(pass) == all->in.n_nodes;
    for (int64_t g = 0; g < all->in.n_graphs; g++) {
      batch *one = batch_of_one(all, g);
      ok(heed_pass_bind(pass, &one->in));
      result alone = run(pass, model, false, HEED_MODE_EVALUATE);
      int64_t first = nodes ? all->graph_ptr[g] : g;
      result part = {together.numbers + first * per_row, alone.all, alone.all};
      char what[64];
      snprintf(what, sizeof what, "%s, graph %d", models[_i].name, (int)g);
      same_bits(what, &alone, &part);
      free(alone.numbers);
      free(one);
    }
    free(together.numbers);
    heed_pass_free(pass);
    free(all);
  }
  heed_model_free(model);
}
END_TEST

static const char *const specs[] = {
    "kind=transformer hidden=16 heads=4 blocks=MSPS seeds=3 edges=add",
    "kind=transformer hidden=16 heads=2 blocks=MS pooling=mean edges=bias",
    "kind=gat hidden=16 heads=4 pooling=max edges=add",
    "kind=gatv2 hidden=16 heads=2 pooling=sum residual=yes norm=layer edges=add",
    "kind=mlp hidden=16 pooling=mean",
};
enum { SPECS = sizeof specs / sizeof *specs };

/* The gradients of a batch are the sums of its graphs'. */
START_TEST(test_gradients) {
  char text[256];
  heed_model_spec spec;
  heed_model *model;
  snprintf(text, sizeof text,
           "%s features=5 outputs=3 dropout=0 attention-dropout=0 edge-features=4", specs[_i]);
  ok(heed_model_spec_read(&spec, text));
  ok(heed_model_build(&model, &spec, 3));
  batch *all = batch_new(4, 9, 30);
  heed_pass *pass;
  heed_matrix output;
  int64_t n = heed_model_parameter_count(model);
  float d_output[MOST_GRAPHS * OUTPUTS], *numbers = malloc((size_t)n * sizeof *numbers);
  double *sums = calloc((size_t)n, sizeof *sums), most = 0;
  heed_random_uniform(8, 8, d_output, all->in.n_graphs * OUTPUTS, -1, 1);
  ok(heed_pass_reserve(&pass, model, &capacity, true));
  ok(heed_pass_bind(pass, &all->in));
  ok(heed_pass_forward(pass, HEED_MODE_TRAIN, 1, 1, &output));
  ok(heed_pass_backward(pass, d_output));
  memcpy(numbers, heed_pass_gradients(pass), (size_t)n * sizeof *numbers);
  for (int64_t g = 0; g < all->in.n_graphs; g++) {
    batch *one = batch_of_one(all, g);
    ok(heed_pass_bind(pass, &one->in));
    ok(heed_pass_forward(pass, HEED_MODE_TRAIN, 1, 1, &output));
    ok(heed_pass_backward(pass, d_output + g * OUTPUTS));
    for (int64_t i = 0; i < n; i++) sums[i] += (double)heed_pass_gradients(pass)[i];
    free(one);
  }
  for (int64_t i = 0; i < n; i++) most = fmax(most, fabs(sums[i]));
  for (int64_t i = 0; i < n; i++) {
    ck_assert_msg(fabs((double)numbers[i] - sums[i]) <= 1e-5 * most, "%s: %lld: %.9g, not %.9g",
                  specs[_i], (long long)i, (double)numbers[i], sums[i]);
  }
  ck_assert(most > 0);
  free(numbers);
  free(sums);
  heed_pass_free(pass);
  heed_model_free(model);
  free(all);
}
END_TEST

START_TEST(test_capacity) {
  heed_model *model = model_new(_i);
  batch *b = batch_new(1, 12, 20);
  heed_model_capacity exact = {.n_nodes = b->in.n_nodes,
                               .n_pairs = b->mask.n_pairs,
                               .n_graphs = b->in.n_graphs},
                      less;
  size_t before = heed_memory_held();
  heed_pass *pass;
  heed_matrix output;
  for (int field = 0; field < 4; field++) {
    less = exact;
    int64_t *numbers[] = {&less.n_nodes, &less.n_pairs, &less.n_graphs};
    if (field < 3) --*numbers[field];
    ok(heed_pass_reserve(&pass, model, &less, field % 2 == 0));
    if (field < 3) {
      static const char *const words[] = {"nodes", "pairs", "graphs"};
      fails(heed_pass_bind(pass, &b->in), HEED_SHAPE, words[field]);
    } else {
      ok(heed_pass_bind(pass, &b->in));
      ok(heed_pass_forward(pass, HEED_MODE_EVALUATE, 0, 0, &output));
    }
    heed_pass_free(pass);
  }
  ok(heed_pass_reserve(&pass, model, &exact, true));
  heed_model_inputs in = b->in;
  uint8_t wanted[MOST_NODES] = {1};
  in.wanted = wanted;
  fails(heed_pass_bind(pass, &in), HEED_ARGUMENT, "wanted");
  in = b->in;
  in.dense = NULL;
  fails(heed_pass_bind(pass, &in), HEED_ARGUMENT, "dense");
  /* After a failure it is bound to nothing, whatever it was bound to. */
  ok(heed_pass_bind(pass, &b->in));
  fails(heed_pass_bind(pass, &in), HEED_ARGUMENT, "dense");
  fails(heed_pass_forward(pass, HEED_MODE_EVALUATE, 0, 0, &output), HEED_ARGUMENT, "not bound");
  heed_pass_free(pass);
  ok(heed_pass_new(&pass, model, &b->in, true));
  fails(heed_pass_bind(pass, &b->in), HEED_ARGUMENT, "not reserved");
  heed_pass_free(pass);
  less = (heed_model_capacity){.n_nodes = -1};
  fails(heed_pass_reserve(&pass, model, &less, true), HEED_RANGE, "-1 nodes");
  ck_assert_ptr_null(pass);
  for (int training = 0; training < 2; training++) {
    heed_status status = HEED_NOMEM;
    for (long n = 0; status != HEED_OK; n++) {
      heed__alloc_fail_after(n);
      status = heed_pass_reserve(&pass, model, &exact, training == 1);
      ck_assert(status == HEED_OK || status == HEED_NOMEM);
      if (status != HEED_OK) ck_assert_uint_eq(heed_memory_held(), before);
    }
    heed__alloc_fail_after(-1);
    heed_pass_free(pass);
    ck_assert_uint_eq(heed_memory_held(), before);
  }
  heed_model_free(model);
  free(b);
}
END_TEST

static void reset(void) {
  heed__alloc_fail_after(-1);
  ok(heed_set_threads(0));
}

int main(void) {
  Suite *suite = suite_create("model bind");
  TCase *tests = tcase_create("bind");
  tcase_add_checked_fixture(tests, NULL, reset);
  tcase_set_timeout(tests, 120);
  tcase_add_loop_test(tests, test_again, 0, MODELS);
  tcase_add_loop_test(tests, test_alone, 0, MODELS);
  tcase_add_loop_test(tests, test_gradients, 0, SPECS);
  tcase_add_loop_test(tests, test_capacity, 0, MODELS);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
