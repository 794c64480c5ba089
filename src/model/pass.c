/* Running a pass: the layers in order, then in reverse. */
#include "model/plan.h"

#include <string.h>

#include "base/status.h"

heed_status heed_pass_forward(heed_pass *pass, heed_mode mode, uint64_t seed, uint64_t step,
                              heed_matrix *output) {
  const heed_model *model = pass->model;
  if (!pass->bound) return heed__fail(HEED_ARGUMENT, "forward: the pass is not bound to inputs");
  pass->trained = false;
  pass->seed = seed;
  pass->step = step;
  for (int l = 0; l < model->n_layers; l++) {
    if (pass->steps[l].live) HEED__TRY(heed__layer_forward(pass, l, mode));
  }
  pass->trained = mode == HEED_MODE_TRAIN;
  *output = heed_matrix_view(pass->slots[model->output].data, heed_pass_rows(pass),
                             model->values[model->output].width);
  return HEED_OK;
}

heed_status heed_pass_backward(heed_pass *pass, const float *d_output) {
  const heed_model *model = pass->model;
  if (!pass->training) return heed__fail(HEED_ARGUMENT, "backward: the pass is not for training");
  if (!pass->trained) {
    return heed__fail(HEED_ARGUMENT, "backward: no forward call in mode TRAIN came before it");
  }
  pass->trained = false; /* gradients take the places of activations */
  for (int v = 0; v < model->n_values; v++) {
    /* Read alone: no layer writes to a gradient that is the caller's. */
    if (pass->slots[v].callers) pass->slots[v].gradient = (float *)(uintptr_t)d_output;
  }
  for (int l = model->n_layers - 1; l >= 0; l--) {
    /* Gradients of layers that the output does not depend on stay 0. */
    if (pass->steps[l].backward) HEED__TRY(heed__layer_backward(pass, l));
  }
  return HEED_OK;
}

float *heed_pass_gradients(heed_pass *pass) { return pass->gradients; }

int64_t heed_pass_rows(const heed_pass *pass) { return pass->slots[pass->model->output].rows; }

const int32_t *heed_pass_nodes(const heed_pass *pass) { return pass->nodes; }

size_t heed_pass_bytes(const heed_pass *pass) { return pass->bytes; }

/* The layer of attention number `index`, and the group of its heads; -1: there are not so many. */
static int attention_layer(const heed_pass *pass, int index, int *group) {
  for (int l = 0; index >= 0 && l < pass->model->n_layers; l++) {
    const heed__step *step = pass->steps + l;
    if (step->heads == NULL) continue;
    *group = index;
    if (index < step->n_views) return l;
    index -= step->n_views;
  }
  return -1;
}

int heed_pass_attentions(const heed_pass *pass) {
  int count = 0;
  for (int l = 0; l < pass->model->n_layers; l++) {
    if (pass->steps[l].heads != NULL) count += pass->steps[l].n_views;
  }
  return count;
}

const char *heed_pass_attention(const heed_pass *pass, int index, heed_attention_spec *spec,
                                const heed_mask **mask) {
  int group, l = attention_layer(pass, index, &group);
  if (l < 0) return NULL;
  const heed__step *step = pass->steps + l;
  if (spec != NULL) {
    *spec = step->spec;
    spec->heads = heed__heads_of(pass, pass->model->layers + l, group);
    spec->kernel = heed_heads_plan_cost(step->heads, group).kernel;
  }
  if (mask != NULL) *mask = &step->views[group].mask;
  return pass->model->layers[l].name;
}

heed_status heed_pass_attention_weights(heed_pass *pass, int index, float *weights) {
  int group, l = attention_layer(pass, index, &group);
  if (l < 0) {
    return heed__fail(HEED_RANGE, "attention %d: the pass has %d", index,
                      heed_pass_attentions(pass));
  }
  heed_matrix output;
  pass->capture = l;
  pass->capture_group = group;
  pass->weights = weights;
  heed_status status = heed_pass_forward(pass, HEED_MODE_EVALUATE, 0, 0, &output);
  pass->capture = -1;
  return status;
}
