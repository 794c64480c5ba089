/* A learned bias by the class of a pair. */
#include <string.h>

#include "base/status.h"
#include "mask/mask.h"
#include "model/plan.h"

/* Most parts that gradients are summed in. */
enum { MOST_BLOCKS = 32 };

static const char *relative_layer(const heed_pass *pass) {
  for (int l = 0; l < pass->model->n_layers; l++) {
    if (pass->steps[l].live && pass->model->layers[l].relative >= 0) return pass->model->layers[l].name;
  }
  return NULL;
}

heed_status heed__classes_take(heed_pass *pass, const heed_model_inputs *in) {
  const char *name = relative_layer(pass);
  pass->pair_classes = NULL;
  if (name == NULL) return HEED_OK;
  if (in->pair_classes == NULL) {
    return heed__fail(HEED_ARGUMENT, "pass: layer %s learns of classes of pairs: pair_classes are not there",
                      name);
  }
  for (int64_t p = 0; p < heed__pass_pairs(pass); p++) {
    if (in->pair_classes[p] >= 0 && in->pair_classes[p] < pass->model->pair_classes) continue;
    return heed__fail(HEED_RANGE, "pass: pair %lld has class %d, but layer %s learns of %lld",
                      (long long)p, (int)in->pair_classes[p], name,
                      (long long)pass->model->pair_classes);
  }
  pass->pair_classes = in->pair_classes;
  return HEED_OK;
}

/* The pairs of one group of a layer's heads: their mask, and where what is theirs lies. */
typedef struct pairs_of {
  const heed_mask *mask;
  const heed__group *group;
  int64_t heads;
  int64_t first; /* head */
  int64_t place; /* in the bias, whose groups follow each other */
} pairs_of;

/* Those of group g, the groups before it having been asked for in turn. */
static pairs_of next_group(const heed_pass *pass, int number, int g, pairs_of before) {
  const heed__step *step = pass->steps + number;
  pairs_of pairs = {.mask = &step->views[g].mask,
                    .group = pass->groups + g,
                    .heads = heed__heads_of(pass, pass->model->layers + number, g)};
  if (g == 0) return pairs;
  pairs.first = before.first + before.heads;
  pairs.place = before.place + before.mask->n_pairs * before.heads;
  return pairs;
}

/* The class of pair p, number `a` of row i. The pairs of a full mask keep their numbers in the inputs, those of any
 * other mask are in the order of the pass. */
static int32_t class_of(const heed_pass *pass, const pairs_of *pairs, int64_t i, int64_t p, int64_t a) {
  const int32_t *classes = pass->pair_classes + pairs->group->first_pair;
  if (pairs->group->full_nodes == 0) return classes[p];
  int64_t j = heed__mask_key(pairs->mask, i, a);
  if (pass->nodes != NULL) {
    i = pass->nodes[i];
    j = pass->nodes[j];
  }
  return classes[i * pairs->group->full_nodes + j];
}

void heed__relative_bias(const heed_pass *pass, int number, float *bias) {
  const heed__layer *layer = pass->model->layers + number;
  const float *table = heed__tensor_data(pass->model, layer->relative);
  pairs_of pairs = {0};
  for (int g = 0; g < pass->steps[number].n_views; g++) {
    pairs = next_group(pass, number, g, pairs);
    int64_t heads = pairs.heads;
#pragma omp parallel for num_threads(heed_threads()) schedule(dynamic, 64)
    for (int64_t i = 0; i < pairs.mask->n_queries; i++) {
      int64_t first, n = heed__mask_row(pairs.mask, i, &first);
      for (int64_t a = 0; a < n; a++) {
        const float *row = table + class_of(pass, &pairs, i, first + a, a) * (int64_t)layer->spec.heads;
        float *to = bias + pairs.place + (first + a) * heads;
        for (int64_t h = 0; h < heads; h++) to[h] = row[pairs.first + h];
      }
    }
  }
}

int heed__relative_blocks(int64_t rows, int64_t pairs, int64_t classes) {
  int64_t blocks = pairs / (4 * classes);
  blocks = blocks < rows ? blocks : rows;
  return (int)(blocks < 1 ? 1 : blocks < MOST_BLOCKS ? blocks : MOST_BLOCKS);
}

/* Rows are cut into blocks by their number alone; each sums in a table of its own, and these are summed in
 * their order. */
void heed__relative_backward(const heed_pass *pass, int number, const float *d_bias, double *partial,
                             float *d_table) {
  const heed__layer *layer = pass->model->layers + number;
  int64_t classes = pass->model->pair_classes;
  pairs_of pairs = {0};
  for (int g = 0; g < pass->steps[number].n_views; g++) {
    pairs = next_group(pass, number, g, pairs);
    int64_t heads = pairs.heads, size = classes * heads, rows = pairs.mask->n_queries;
    int blocks = heed__relative_blocks(rows, pairs.mask->n_pairs, classes);
#pragma omp parallel for num_threads(heed_threads()) schedule(dynamic)
    for (int b = 0; b < blocks; b++) {
      double *sums = partial + b * size;
      memset(sums, 0, (size_t)size * sizeof *sums);
      for (int64_t i = rows * b / blocks; i < rows * (b + 1) / blocks; i++) {
        int64_t first, n = heed__mask_row(pairs.mask, i, &first);
        for (int64_t a = 0; a < n; a++) {
          double *to = sums + class_of(pass, &pairs, i, first + a, a) * heads;
          const float *from = d_bias + pairs.place + (first + a) * heads;
          for (int64_t h = 0; h < heads; h++) to[h] += from[h];
        }
      }
    }
#pragma omp parallel for num_threads(heed_threads()) schedule(static)
    for (int64_t i = 0; i < size; i++) {
      double sum = 0;
      for (int b = 0; b < blocks; b++) sum += partial[b * size + i];
      d_table[i / heads * layer->spec.heads + pairs.first + i % heads] = (float)sum;
    }
  }
}
