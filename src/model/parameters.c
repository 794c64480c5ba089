/* Parameters and state, one by one and as flat arrays. */
#include <string.h>

#include "base/status.h"
#include "model/model.h"

int64_t heed_model_parameter_count(const heed_model *model) { return model->n_parameters; }

float *heed_model_parameters(heed_model *model) { return model->parameters; }

int64_t heed_model_state_count(const heed_model *model) { return model->n_state; }

float *heed_model_state(heed_model *model) { return model->state; }

int heed_model_tensors(const heed_model *model) { return model->n_tensors; }

heed_parameter heed_model_tensor(const heed_model *model, int index) {
  if (index < 0 || index >= model->n_tensors) return (heed_parameter){0};
  return model->tensors[index].is;
}

void heed_parameter_export(const heed_parameter *parameter, float *into) {
  if (!parameter->transposed) {
    memcpy(into, parameter->data, (size_t)parameter->size * sizeof *into);
    return;
  }
  int64_t rows = parameter->shape[0], cols = parameter->shape[1];
  for (int64_t i = 0; i < rows; i++) {
    for (int64_t j = 0; j < cols; j++) into[i * cols + j] = parameter->data[j * rows + i];
  }
}

void heed_parameter_import(const heed_parameter *parameter, const float *from) {
  if (!parameter->transposed) {
    memcpy(parameter->data, from, (size_t)parameter->size * sizeof *from);
    return;
  }
  int64_t rows = parameter->shape[0], cols = parameter->shape[1];
  for (int64_t i = 0; i < rows; i++) {
    for (int64_t j = 0; j < cols; j++) parameter->data[j * rows + i] = from[i * cols + j];
  }
}

int64_t heed_model_feature_count(const heed_model *model) { return model->values[0].width; }

int64_t heed_model_output_count(const heed_model *model) {
  return model->output < 0 ? 0 : model->values[model->output].width;
}

const heed_model_spec *heed_model_get_spec(const heed_model *model) {
  return model->has_spec ? &model->spec : NULL;
}

heed_status heed__model_rescale(heed_model *model, const double *scale, const double *shift) {
  const heed__layer *last =
      model->output < 0 ? NULL : model->layers + model->values[model->output].layer;
  if (last == NULL || last->kind != HEED__LINEAR || last->tensors[1] < 0) {
    return heed__fail(HEED_ARGUMENT,
                      "model: the last layer is not linear with a bias, so its output cannot be "
                      "put into other units");
  }
  if (scale == NULL) return HEED_OK;
  const heed_parameter *weight = &model->tensors[last->tensors[0]].is;
  float *w = weight->data, *b = model->tensors[last->tensors[1]].is.data;
  int64_t outputs = weight->shape[0], inputs = weight->shape[1];
  for (int64_t o = 0; o < outputs; o++) {
    for (int64_t i = 0; i < inputs; i++) {
      float *entry = w + (weight->transposed ? i * outputs + o : o * inputs + i);
      *entry = (float)((double)*entry * scale[o]);
    }
    b[o] = (float)((double)b[o] * scale[o] + shift[o]);
  }
  return HEED_OK;
}
