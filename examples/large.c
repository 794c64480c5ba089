/* A graph that is too large to be trained on at once: a step takes some nodes with drawn neighbours, inference goes block
 * by block. `large 1000000` is a graph of a million nodes and ten million edges. */
#include <heed.h>
#include <stdio.h>
#include <stdlib.h>

enum { KEYS = 10, FEATURES = 16, CLASSES = 5 };

static void need(heed_status status) {
  if (status == HEED_OK) return;
  fprintf(stderr, "large: %s\n", heed_message());
  exit(1);
}

/* Node i is of class i % 5 and sees ten nodes, six of them mostly of its own class. Its features say little. */
int main(int argc, char **argv) {
  int64_t n = argc > 1 ? atoll(argv[1]) : 8000;
  int64_t *indptr = malloc((size_t)(n + 1) * sizeof *indptr);
  int32_t *indices = malloc((size_t)(n * KEYS) * sizeof *indices);
  int32_t *labels = malloc((size_t)n * sizeof *labels);
  float *x = malloc((size_t)(n * FEATURES) * sizeof *x), means[CLASSES * FEATURES];
  uint8_t *parts = malloc((size_t)(3 * n));
  if (n < 1000 || indptr == NULL || indices == NULL || labels == NULL || x == NULL || parts == NULL) return 1;
  heed_random_normal(1, 1, x, n * FEATURES, 0, 2);
  heed_random_normal(1, 2, means, CLASSES * FEATURES, 0, 1);
  for (int64_t i = 0; i < n; i++) {
    float drawn[KEYS];
    heed_random_uniform(2, (uint64_t)i, drawn, KEYS, 0, 1);
    labels[i] = (int32_t)(i % CLASSES);
    indptr[i + 1] = (i + 1) * KEYS;
    for (int k = 0; k < KEYS; k++) { /* ascending: each out of its tenth of the nodes */
      int64_t key = n / KEYS * k + (int64_t)((double)drawn[k] * (double)(n / KEYS - CLASSES));
      indices[i * KEYS + k] = (int32_t)(k < 6 ? key - key % CLASSES + i % CLASSES : key);
    }
    for (int f = 0; f < FEATURES; f++) x[i * FEATURES + f] += means[labels[i] * FEATURES + f];
    int64_t tenth = i / CLASSES % 10; /* one for training, one for validation, the others for the test */
    for (int64_t part = 0; part < 3; part++) parts[part * n + i] = part == (tenth < 2 ? tenth : 2);
  }
  indptr[0] = 0;
  heed_mask mask;
  need(heed_mask_view(&mask, n, n, indptr, indices));

  heed_model_spec spec = heed_model_spec_default(HEED_MODEL_TRANSFORMER);
  spec.features = FEATURES;
  spec.outputs = CLASSES;
  spec.hidden = 32;
  heed_model *model;
  need(heed_model_build(&model, &spec, 1));
  heed_matrix features = heed_matrix_view(x, n, FEATURES);
  heed_task task = {.inputs = {.n_nodes = n, .dense = &features, .mask = &mask},
                    .targets = {.labels = labels},
                    .train = parts, .validation = parts + n, .test = parts + 2 * n};
  heed_fit_spec fit = heed_fit_spec_default();
  fit.epochs = 5;
  fit.optimizer.rate = 0.01F;
  fit.batch = 256;    /* target nodes of a step */
  fit.fanouts = 1;    /* for every layer: */
  fit.fanout[0] = 8;  /* neighbours of a node */
  heed_trainer *trainer;
  heed_run run;
  heed_memory_peak_reset();
  size_t before = heed_memory_held();
  need(heed_trainer_new(&trainer, model, &task, &fit, 1));
  need(heed_fit(trainer, NULL, NULL, &run));
  printf("%lld nodes, %lld pairs: accuracy %.2f after %d epochs of %.2f s, memory at most %.1f MiB\n", (long long)n,
         (long long)mask.n_pairs, run.test, run.epochs, run.seconds / run.epochs,
         (double)(heed_memory_peak() - before) / (1 << 20));
  heed_trainer_free(trainer);
  heed_model_free(model);
  free(parts), free(x), free(labels), free(indices), free(indptr);
  return run.test > 0.5 ? 0 : 1;
}
