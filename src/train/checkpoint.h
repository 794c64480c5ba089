/* What files of models and of fits in progress share. */
#ifndef HEED_SRC_TRAIN_CHECKPOINT_H
#define HEED_SRC_TRAIN_CHECKPOINT_H

#include <heed/train.h>

/* Keys of the metadata. */
#define HEED__KEY_MODEL "heed.model"
#define HEED__KEY_VERSION "heed.version"

enum { HEED__MODEL_BYTES = 1024 };

/* The spec of a model as text; "" for a model built by hand. */
heed_status heed__model_text(const heed_model *model, char text[HEED__MODEL_BYTES]);

/* Writes the tensors of the model and `n_more` others, which follow them in the file. */
heed_status heed__write_tensors(const heed_model *model, const char *path, const heed_array *more,
                                int n_more, const char *const *metadata);

/* A file being read. */
typedef struct heed__reading {
  heed_safetensors *file;
  const char *path;
  const char *prefix;
  bool older_names; /* "lin_src.weight" will do */
} heed__reading;

/* The tensor of that name and shape. */
heed_status heed__read_tensor(const heed__reading *r, const heed_parameter *p, float *into);

/* All tensors of the model into numbers[parameters + state], in their order, and nothing left over
 * but the `n_more` names of `more`. */
heed_status heed__read_tensors(const heed__reading *r, const heed_model *model,
                               const char *const *more, int n_more, float *numbers);

/* Those numbers into the model. */
void heed__import_tensors(heed_model *model, const float *numbers);

#endif
