/* A model put together layer by layer, and a training loop of one's own: gradients are one flat
 * array, so plain gradient descent with momentum is three lines.
 *
 * The task: nodes of a stochastic block model tell their block from features that say little about
 * one node, but enough about a neighbourhood. */
#include <heed.h>
#include <stdio.h>
#include <stdlib.h>

static void check(heed_status status) {
  if (status == HEED_OK) return;
  fprintf(stderr, "own_loop: %s\n", heed_message());
  exit(1);
}

/* Attention with a residual connection, between two linear layers. */
static heed_model *make_model(int64_t features, int64_t classes) {
  heed_model *m;
  check(heed_model_new(&m, features));
  heed_value x = heed_model_linear(m, "in", heed_model_features(m), 32, true);
  x = heed_model_activate(m, x, HEED_ACTIVATION_GELU);
  heed_attention_spec spec = heed_attention_spec_default(4, 8);
  heed_value query = heed_model_linear(m, "query", x, 32, true);
  heed_value key = heed_model_linear(m, "key", x, 32, true);
  heed_value value = heed_model_linear(m, "value", x, 32, true);
  heed_value seen = heed_model_attention(m, "look", &spec, HEED_SCOPE_MASKED, query, key, value);
  x = heed_model_normalize(m, "norm", heed_model_add(m, x, seen), HEED_NORM_LAYER);
  check(heed_model_finish(m, heed_model_linear(m, "out", x, classes, true), 0));
  return m;
}

int main(void) {
  heed_data *data;
  heed_mask mask;
  check(heed_data_open(&data, "sbm:n=600,blocks=3,in=0.04,out=0.004,features=8,noise=2", NULL));
  check(heed_data_make_splits(data, &(heed_split_options){.splits = 1, .train = 0.3}));
  check(heed_mask_from_graph(&mask, heed_data_graph(data), HEED_DIRECTION_IN, HEED_LOOPS_ADD));
  heed_model *model = make_model(heed_data_features(data), heed_data_classes(data));
  heed_model_inputs inputs = {
      .n_nodes = heed_data_nodes(data), .dense = heed_data_dense_features(data), .mask = &mask};
  heed_targets targets = {.labels = heed_data_labels(data)};
  const uint8_t *train = heed_data_split(data, 0, HEED_PART_TRAIN);
  const uint8_t *test = heed_data_split(data, 0, HEED_PART_TEST);

  heed_pass *pass;
  check(heed_pass_new(&pass, model, &inputs, true));
  int64_t n = heed_model_parameter_count(model);
  float *parameters = heed_model_parameters(model), *gradients = heed_pass_gradients(pass);
  float *speed = calloc((size_t)n, sizeof *speed);
  float *d_output =
      malloc((size_t)(heed_pass_rows(pass) * heed_data_classes(data)) * sizeof(float));
  if (speed == NULL || d_output == NULL) return 1;
  heed_matrix output;
  double loss = 0, accuracy;
  for (uint64_t step = 1; step <= 100; step++) {
    check(heed_pass_forward(pass, HEED_MODE_TRAIN, 0, step, &output));
    check(heed_loss_compute(HEED_LOSS_CROSS_ENTROPY, &output, &targets, train, d_output, &loss));
    check(heed_pass_backward(pass, d_output));
    for (int64_t i = 0; i < n; i++) {
      speed[i] = 0.9f * speed[i] - 0.02f * gradients[i];
      parameters[i] += speed[i];
    }
  }
  check(heed_pass_forward(pass, HEED_MODE_EVALUATE, 0, 0, &output));
  check(heed_metric_compute(HEED_METRIC_ACCURACY, &output, &targets, test, &accuracy));
  printf("%lld parameters, loss %.3f, test accuracy %.2f\n", (long long)n, loss, accuracy);

  free(speed);
  free(d_output);
  heed_pass_free(pass);
  heed_model_free(model);
  heed_mask_free(&mask);
  heed_data_free(data);
  return accuracy < 0.6; /* a third by chance */
}
