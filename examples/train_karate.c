/* The karate club's two factions, learnt by a graph attention network from four members of each. */
#include <heed.h>
#include <stdio.h>
#include <stdlib.h>

static void check(heed_status status) {
  if (status == HEED_OK) return;
  fprintf(stderr, "train_karate: %s\n", heed_message());
  exit(1);
}

int main(void) {
  heed_data *data;
  heed_mask mask;
  check(heed_data_open(&data, "karate", NULL));
  check(heed_data_identity_features(data)); /* members are told apart by themselves alone */
  check(heed_mask_from_graph(&mask, heed_data_graph(data), HEED_DIRECTION_IN, HEED_LOOPS_ADD));
  heed_task task = {.inputs = {.n_nodes = heed_data_nodes(data),
                               .sparse = heed_data_sparse_features(data),
                               .mask = &mask},
                    .targets = {.labels = heed_data_labels(data)},
                    .train = heed_data_split(data, 0, HEED_PART_TRAIN),
                    .validation = heed_data_split(data, 0, HEED_PART_VALIDATION),
                    .test = heed_data_split(data, 0, HEED_PART_TEST)};

  heed_model_spec spec = heed_model_spec_default(HEED_MODEL_GAT);
  spec.features = heed_data_features(data);
  spec.outputs = heed_data_classes(data);
  heed_fit_spec fit = heed_fit_spec_default();
  fit.optimizer.rate = 0.01f;
  fit.watch = HEED_WATCH_LOSS;

  heed_model *model;
  heed_trainer *trainer;
  heed_run run;
  check(heed_model_build(&model, &spec, 0));
  check(heed_trainer_new(&trainer, model, &task, &fit, 0));
  check(heed_fit(trainer, NULL, NULL, &run));
  printf("accuracy on the other %d members: %.2f, after %d epochs\n", 18, run.test, run.epochs);
  check(heed_model_save(model, "train_karate.safetensors", NULL));
  printf("saved to train_karate.safetensors\n");

  heed_trainer_free(trainer);
  heed_model_free(model);
  heed_mask_free(&mask);
  heed_data_free(data);
  return remove("train_karate.safetensors") != 0;
}
