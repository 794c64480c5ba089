/* What a model's file says of its training. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/learn.h"

const char *cli_metadata(const heed_safetensors *file, const char *key) {
  const char *value = heed_safetensors_metadata(file, key);
  return value != NULL && value[0] != '\0' ? value : NULL;
}

static bool says(const heed_safetensors *file, const char *key, const char *what) {
  const char *value = cli_metadata(file, key);
  return value != NULL && strcmp(value, what) == 0;
}

static void fill(const heed_safetensors *file, const char *key, const char **setting) {
  if (*setting == NULL) *setting = cli_metadata(file, key);
}

int cli_as_trained(const heed_safetensors *file, const char *model, cli_graph *graph,
                   cli_mask *mask, bool mask_given) {
  for (int i = HEED_DIRECTION_IN; !graph->direction_given && i <= HEED_DIRECTION_ALL; i++) {
    heed_direction direction = (heed_direction)i;
    if (says(file, "heed.direction", cli_direction_name(direction))) graph->direction = direction;
  }
  for (int i = HEED_LOOPS_KEEP; !graph->loops_given && i <= HEED_LOOPS_DROP; i++) {
    heed_loops loops = (heed_loops)i;
    if (says(file, "heed.loops", cli_loops_name(loops))) graph->loops = loops;
  }
  if (says(file, "heed.directed", "yes")) graph->options.directed = true;
  if (says(file, "heed.edge_set", "yes")) graph->collection.edge_set = true;
  fill(file, "heed.attributes", &graph->options.features);
  fill(file, "heed.label", &graph->options.label);
  fill(file, "heed.features", &graph->normalize);
  fill(file, "heed.smiles", &graph->collection.smiles);
  const char *seed = cli_metadata(file, "heed.mask_seed");
  if (seed != NULL) graph->mask_seed = strtoull(seed, NULL, 10);
  graph->mask_seed_given = seed != NULL;
  const char *text = cli_metadata(file, "heed.mask");
  if (text == NULL || mask_given || cli_read_mask(text, strlen(text), mask)) return CLI_OK;
  return cli_fail("%s: heed.mask: %s", model, mask->why);
}

void cli_seed_as_trained(const heed_safetensors *file, const cli_global *global, cli_graph *graph) {
  const char *seed = cli_metadata(file, "heed.seed");
  bool known = seed != NULL && cli_metadata(file, "heed.graphs") == NULL;
  graph->options.seed =
      known && !global->seed_given ? strtoull(seed, NULL, 10) : global->seed;
}

int cli_encode_as_trained(cli_task *task, cli_recipe *recipe, const heed_safetensors *file,
                          const char *model) {
  const char *text = cli_metadata(file, "heed.encoding");
  if (text != NULL && heed_encodings_read(&recipe->encodings, text) != HEED_OK) {
    return cli_fail("%s: heed.encoding: %s", model, heed_message());
  }
  recipe->model.features = task->collection != NULL ? heed_collection_features(task->collection)
                                                    : heed_data_features(task->data);
  return cli_encode_nodes(task, recipe);
}

void cli_decide(const heed_matrix *logits, bool answers, float *probabilities, int32_t *labels) {
  for (int64_t i = 0; i < logits->rows; i++) {
    const float *row = logits->data + i * logits->stride;
    float *p = probabilities + i * logits->cols;
    int64_t best = 0;
    double sum = 0;
    if (answers || logits->cols == 1) {
      for (int64_t c = 0; c < logits->cols; c++) p[c] = (float)(1 / (1 + exp(-(double)row[c])));
      if (labels != NULL) labels[i] = row[0] > 0;
      continue;
    }
    for (int64_t c = 1; c < logits->cols; c++) best = row[c] > row[best] ? c : best;
    for (int64_t c = 0; c < logits->cols; c++) sum += exp((double)row[c] - row[best]);
    for (int64_t c = 0; c < logits->cols; c++) p[c] = (float)(exp((double)row[c] - row[best]) / sum);
    if (labels != NULL) labels[i] = (int32_t)best;
  }
}
