#include "train/problem.h"

#include <string.h>

#include "train/train_test.h"

void problem_open(problem *p, const char *source) {
  memset(p, 0, sizeof *p);
  ok(heed_data_open(&p->data, source, NULL));
  if (heed_data_features(p->data) == 0) ok(heed_data_identity_features(p->data));
  if (heed_data_splits(p->data) == 0) {
    heed_split_options options = {
        .seed = 3, .splits = 3, .train_per_class = 10, .validation_per_class = 10};
    ok(heed_data_make_splits(p->data, &options));
  }
  ok(heed_mask_from_graph(&p->mask, heed_data_graph(p->data), HEED_DIRECTION_ALL, HEED_LOOPS_ADD));
  p->inputs = (heed_model_inputs){.n_nodes = heed_data_nodes(p->data),
                                  .dense = heed_data_dense_features(p->data),
                                  .sparse = heed_data_sparse_features(p->data),
                                  .mask = &p->mask};
  p->targets = (heed_targets){heed_data_labels(p->data), NULL};
  p->n_splits = heed_data_splits(p->data) < 10 ? heed_data_splits(p->data) : 10;
  for (int s = 0; s < p->n_splits; s++) {
    p->splits[s] = s;
    p->train[s] = heed_data_split(p->data, s, HEED_PART_TRAIN);
    p->validation[s] = heed_data_split(p->data, s, HEED_PART_VALIDATION);
    p->test[s] = heed_data_split(p->data, s, HEED_PART_TEST);
  }
  p->task = (heed_task){.inputs = p->inputs,
                        .targets = p->targets,
                        .train = p->train[0],
                        .validation = p->validation[0],
                        .test = p->test[0]};
}

void problem_end(problem *p) {
  heed_mask_free(&p->mask);
  heed_data_free(p->data);
}

heed_model_spec problem_model(const problem *p, heed_model_kind kind) {
  heed_model_spec spec = heed_model_spec_default(kind);
  spec.features = heed_data_features(p->data);
  spec.outputs = heed_data_classes(p->data);
  spec.hidden = 8;
  spec.heads = 2;
  spec.dropout = 0.2F;
  spec.attention_dropout = kind == HEED_MODEL_MLP ? 0 : 0.2F;
  return spec;
}
