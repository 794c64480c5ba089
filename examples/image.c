/* An image as a set of pixels: which way do its stripes run? Every pixel is a node whose one
 * feature is its grey, and attention knows of places only by the offset from pixel to pixel, with a
 * learned bias for each. The same model is trained under two masks: the grid, each pixel and its
 * eight neighbours (what a convolution sees), and the full one, each pixel and all others of the
 * image. image 16     images of 16 x 16 */
#include <heed.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IMAGES = 160, WAYS = 4, PERIOD = 4 };
static const char *const ways[WAYS] = {"across", "up", "falling", "rising"};

static void check(heed_status status) {
  if (status == HEED_OK) return;
  fprintf(stderr, "image: %s\n", heed_message());
  exit(1);
}

static void *room(size_t n, size_t size) {
  void *x = calloc(n, size);
  if (x == NULL) exit(1);
  return x;
}

/* Stripes two pixels wide, wherever they begin, under noise. */
static void draw(int64_t side, float *pixels, int32_t *labels) {
  float phase[IMAGES];
  int64_t n = side * side;
  heed_random_uniform(7, 0, phase, IMAGES, 0, PERIOD);
  heed_random_normal(7, 1, pixels, IMAGES * n, 0, 0.4f);
  for (int64_t i = 0; i < IMAGES; i++) {
    labels[i] = (int32_t)(i % WAYS);
    for (int64_t y = 0; y < side; y++) {
      for (int64_t x = 0; x < side; x++) {
        int64_t along[WAYS] = {y, x, x - y + side * PERIOD, x + y};
        bool white = (along[i % WAYS] + (int64_t)phase[i]) % PERIOD < PERIOD / 2;
        pixels[i * n + y * side + x] += white ? 1 : -1;
      }
    }
  }
}

/* The grid of one image again for each of them. */
static void grid_of_all(heed_mask *mask, int64_t side) {
  heed_mask one, view;
  check(heed_mask_grid(&one, 2, (const int64_t[]){side, side}, 1, HEED_GRID_BOX));
  int64_t n = one.n_queries, *indptr = room((size_t)(IMAGES * n + 1), sizeof *indptr);
  int32_t *indices = room((size_t)(IMAGES * one.n_pairs), sizeof *indices);
  for (int64_t i = 0; i < IMAGES * n; i++) {
    indptr[i + 1] = i / n * one.n_pairs + one.indptr[i % n + 1];
    for (int64_t p = one.indptr[i % n]; p < one.indptr[i % n + 1]; p++) {
      indices[i / n * one.n_pairs + p] = (int32_t)(i / n * n) + one.indices[p];
    }
  }
  check(heed_mask_view(&view, IMAGES * n, IMAGES * n, indptr, indices));
  check(heed_mask_explicit(mask, &view)); /* a copy that owns its pairs */
  heed_mask_free(&one);
  free(indptr);
  free(indices);
}

static double learn(const heed_task *of, const heed_mask *mask, const int32_t *places,
                    int32_t side) {
  int32_t *offsets = room((size_t)mask->n_pairs, sizeof *offsets);
  check(heed_pairs_offset(mask, places, 2, side - 1, offsets));
  heed_task task = *of;
  task.inputs.mask = mask;
  task.inputs.pair_classes = offsets;
  heed_model_spec spec = heed_model_spec_default(HEED_MODEL_TRANSFORMER);
  spec.features = 1;
  spec.outputs = WAYS;
  spec.hidden = 16;
  spec.heads = 4;
  spec.dropout = spec.attention_dropout = 0;
  spec.pooling = HEED_POOLING_MEAN;
  spec.pair_classes = heed_offset_classes(2, side - 1);
  memcpy(spec.blocks, "M", sizeof "M");
  spec.layers = 1;
  heed_fit_spec fit = heed_fit_spec_default();
  fit.epochs = 50;
  fit.optimizer.rate = 0.02f;
  heed_model *model;
  heed_trainer *trainer;
  heed_run run;
  check(heed_model_build(&model, &spec, 4));
  check(heed_trainer_new(&trainer, model, &task, &fit, 4));
  check(heed_fit(trainer, NULL, NULL, &run));
  heed_trainer_free(trainer);
  heed_model_free(model);
  free(offsets);
  return run.test;
}

int main(int argc, char **argv) {
  int64_t side = argc > 1 ? atol(argv[1]) : 6, n = side * side, ptr[IMAGES + 1] = {0};
  if (side < 4 || side > 64) return fprintf(stderr, "image: a size from 4 to 64\n"), 1;
  float *pixels = room((size_t)(IMAGES * n), sizeof *pixels);
  int32_t *places = room((size_t)(IMAGES * n * 2), sizeof *places), labels[IMAGES];
  uint8_t train[IMAGES] = {0}, validation[IMAGES] = {0}, test[IMAGES] = {0};
  draw(side, pixels, labels);
  for (int64_t i = 0; i < IMAGES; i++) {
    check(heed_grid_coordinates(2, (const int64_t[]){side, side}, places + i * n * 2));
    ptr[i + 1] = (i + 1) * n;
    (i < IMAGES / 2 ? train : i < IMAGES * 5 / 8 ? validation : test)[i] = 1;
  }
  heed_matrix x = heed_matrix_view(pixels, IMAGES * n, 1);
  const heed_task task = {
      .inputs = {.n_nodes = IMAGES * n, .dense = &x, .n_graphs = IMAGES, .graph_ptr = ptr},
      .targets = {.labels = labels},
      .train = train,
      .validation = validation,
      .test = test};
  heed_mask grid, full;
  grid_of_all(&grid, side);
  check(heed_mask_blocks(&full, IMAGES, ptr, ptr));
  printf("stripes %s, %s, %s or %s in %lld x %lld pixels\n", ways[0], ways[1], ways[2], ways[3],
         (long long)side, (long long)side);
  double near = learn(&task, &grid, places, (int32_t)side);
  double all = learn(&task, &full, places, (int32_t)side);
  printf("%-6s %10s %10s\n", "mask", "pairs", "accuracy");
  printf("%-6s %10lld %10.2f\n", "grid", (long long)grid.n_pairs, near);
  printf("%-6s %10lld %10.2f\n", "full", (long long)full.n_pairs, all);
  heed_mask_free(&grid);
  heed_mask_free(&full);
  free(pixels);
  free(places);
  return near < 0.9 || near < all - 0.05; /* as good, of a fraction of the pairs */
}
