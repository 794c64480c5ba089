/* A property of molecules out of a table with a column of SMILES, such as the solubilities of ESOL:
 *   solubility esol.csv "measured log solubility in mols per litre"
 * Without arguments the boiling points of the molecules that come with Heed. */
#include <heed.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void check(heed_status status) {
  if (status == HEED_OK) return;
  fprintf(stderr, "solubility: %s\n", heed_message());
  exit(status == HEED_UNSUPPORTED ? 77 : 1); /* 77: a build without Indigo */
}

int main(int argc, char **argv) {
  heed_collection *molecules;
  heed_mask bonds;
  const char *table = argc == 3 ? argv[1] : "molecules";
  heed_collection_options what = {.targets = argc == 3 ? argv[2] : "boiling_point_celsius",
                                  .kind = HEED_TARGET_NUMBER};
  heed_collection_split_options how = {.splits = 1, .train = 0.8, .validation = 0.1};
  check(heed_set_threads(1)); /* steps of 32 small molecules are too short to share */
  check(heed_collection_open(&molecules, table, &what));
  check(heed_collection_split(molecules, &how));
  check(heed_collection_mask(molecules, &bonds));
  const heed_matrix *values = heed_collection_values(molecules);
  heed_task task = {.collection = molecules,
                    .inputs = {.mask = &bonds},
                    .targets = {.values = values->data},
                    .train = heed_collection_split_part(molecules, 0, HEED_PART_TRAIN),
                    .validation = heed_collection_split_part(molecules, 0, HEED_PART_VALIDATION),
                    .test = heed_collection_split_part(molecules, 0, HEED_PART_TEST)};

  heed_model_spec spec = heed_model_spec_default(HEED_MODEL_TRANSFORMER);
  snprintf(spec.blocks, sizeof spec.blocks,
           "MMP"); /* twice over the bonds, then pooled by attention */
  spec.features = heed_collection_features(molecules);
  spec.edge_features = heed_collection_edge_features(molecules);
  spec.edges = HEED_EDGES_ADD;
  spec.outputs = heed_collection_outputs(molecules);
  spec.hidden = 32;
  spec.heads = 4;
  heed_fit_spec fit = heed_fit_spec_default();
  fit.loss = HEED_LOSS_SQUARED;
  fit.metric = HEED_METRIC_RMSE;
  fit.standardize = true;
  fit.batch = 32;
  fit.epochs = 30;
  fit.optimizer.rate = 0.003f;

  heed_model *model;
  heed_trainer *trainer;
  heed_run run;
  check(heed_model_build(&model, &spec, 0));
  check(heed_trainer_new(&trainer, model, &task, &fit, 0));
  check(heed_fit(trainer, NULL, NULL, &run));

  double mean = 0, square = 0; /* who knows nothing says the mean of the training molecules */
  int known = 0, tested = 0;
  for (int64_t i = 0; i < values->rows; i++) {
    if (task.train[i] && !isnan(values->data[i])) mean += values->data[i], known++;
  }
  for (int64_t i = 0; i < values->rows; i++) {
    if (task.test[i]) square += pow(values->data[i] - mean / known, 2), tested++;
  }
  printf("%s, from %d molecules: RMSE on %d others %.3g, of their mean %.3g\n", what.targets, known,
         tested, run.test, sqrt(square / tested));
  heed_trainer_free(trainer);
  heed_model_free(model);
  heed_mask_free(&bonds);
  heed_collection_free(molecules);
  return argc == 3 || run.test < sqrt(square / tested) / 2 ? 0 : 1;
}
