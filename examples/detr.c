/* Object queries look at an image and predict a set of boxes, as DETR does (Carion et al. 2020). An image is a grid
 * of cells with up to three rectangles of three colours; each of QUERIES queries gives a class (a colour, or none) and
 * a box. Which query answers for which object is no one's choice: igraph finds the assignment of least cost, and
 * only then is there a loss. After so many steps the queries find most objects of images they have not seen.
 *
 *     detr [steps] */
#include <heed.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 6, CELLS = SIDE * SIDE, COLOURS = 3, NONE = COLOURS, QUERIES = 5, OBJECTS = 3 };
enum { FEATURES = COLOURS + 2 * SIDE, OUTPUTS = COLOURS + 1 + 4, WIDTH = 32 };
enum { BATCH = 16, TESTS = 8, UNSEEN = 1 << 20 };

typedef struct image {
  int n, colours[OBJECTS];
  float boxes[OBJECTS][4]; /* centre and size, of an image of side 1 */
} image;

typedef struct answer { /* of a query */
  float classes[NONE + 1], box[4];
  int likeliest;
} answer;

static struct tally {
  double loss;
  int objects, predicted, found;
} tally;

static void check(heed_status status) {
  if (status == HEED_OK) return;
  fprintf(stderr, "detr: %s\n", heed_message());
  exit(1);
}

static float common(const float *a, const float *b) { /* the area of two boxes' intersection */
  float area = 1;
  for (int d = 0; d < 2; d++) {
    float low = fmaxf(a[d] - a[d + 2] / 2, b[d] - b[d + 2] / 2);
    area *= fmaxf(0, fminf(a[d] + a[d + 2] / 2, b[d] + b[d + 2] / 2) - low);
  }
  return area;
}

/* An image of rectangles that lie apart, and of each cell how much of each colour it has and where it is. */
static void draw(int number, image *im, float (*cell)[FEATURES]) {
  float chance[5 * OBJECTS], *c = chance;
  heed_random_uniform(1, (uint64_t)number, chance, 5 * OBJECTS, 0, 1);
  im->n = 0;
  for (int tries = 0; tries < OBJECTS; tries++, c += 5) {
    float *box = im->boxes[im->n], shared = 0;
    im->colours[im->n] = (int)(c[0] * COLOURS);
    for (int d = 0; d < 2; d++) {
      box[d + 2] = 0.25F + 0.25F * c[1 + d];
      box[d] = box[d + 2] / 2 + (1 - box[d + 2]) * c[3 + d];
    }
    for (int k = 0; k < im->n; k++) shared += common(box, im->boxes[k]);
    im->n += shared <= 0;
  }
  memset(cell, 0, sizeof(float[CELLS][FEATURES]));
  for (int i = 0; i < CELLS; i++) {
    int x = i % SIDE, y = i / SIDE;
    float own[4] = {((float)x + 0.5F) / SIDE, ((float)y + 0.5F) / SIDE, 1.F / SIDE, 1.F / SIDE};
    for (int k = 0; k < im->n; k++) cell[i][im->colours[k]] += CELLS * common(own, im->boxes[k]);
    cell[i][COLOURS + x] = cell[i][COLOURS + SIDE + y] = 1;
  }
}

/* Two node sets: the queries, which are learned (one column each), and the cells as their context. */
static heed_model *make_model(void) {
  heed_block_options options = {.heads = 4, .scope = HEED_SCOPE_FULL, .norm = HEED_NORM_LAYER, .pre_norm = true,
                                .activation = HEED_ACTIVATION_GELU, .expansion = 2};
  heed_model *m;
  check(heed_model_new(&m, QUERIES));
  heed_value seen = heed_model_linear(m, "cells", heed_model_context(m, FEATURES), WIDTH, true);
  seen = heed_model_block(m, "encoder", seen, &options);
  heed_value x = heed_model_linear(m, "queries", heed_model_features(m), WIDTH, false);
  x = heed_model_decoder_block(m, "decoder0", x, seen, &options);
  x = heed_model_decoder_block(m, "decoder1", x, seen, &options);
  x = heed_model_normalize(m, "norm", x, HEED_NORM_LAYER);
  check(heed_model_finish(m, heed_model_linear(m, "out", x, OUTPUTS, true), 1));
  return m;
}

/* What a query says, out of numbers of any size. */
static answer says(const float *y) {
  answer a = {.likeliest = 0};
  float sum = 0;
  for (int c = 0; c <= NONE; c++) {
    sum += a.classes[c] = expf(y[c]);
    if (y[c] > y[a.likeliest]) a.likeliest = c;
  }
  for (int c = 0; c <= NONE; c++) a.classes[c] /= sum;
  for (int d = 0; d < 4; d++) a.box[d] = 1 / (1 + expf(-y[NONE + 1 + d]));
  return a;
}

/* object_of[q]: the object that query q is to answer for, or -1, so that the costs together are least. */
static void match(const image *im, const answer *said, int *object_of) {
  igraph_matrix_t costs; /* rows beyond the objects cost nothing: their queries answer for none */
  igraph_vector_int_t chosen;
  igraph_matrix_init(&costs, QUERIES, QUERIES);
  igraph_vector_int_init(&chosen, 0);
  for (int k = 0; k < im->n; k++) {
    for (int q = 0; q < QUERIES; q++) {
      double far = 0;
      for (int d = 0; d < 4; d++) far += fabs((double)(said[q].box[d] - im->boxes[k][d]));
      MATRIX(costs, k, q) = 1 - (double)said[q].classes[im->colours[k]] + 2.5 * far;
    }
  }
  igraph_solve_lsap(&costs, QUERIES, &chosen);
  for (int k = 0; k < QUERIES; k++) object_of[VECTOR(chosen)[k]] = k < im->n ? k : -1;
  igraph_matrix_destroy(&costs);
  igraph_vector_int_destroy(&chosen);
}

/* Adds to the tally, and gives the loss's gradient: cross-entropy of classes, "none" counting a fifth, and the distance
 * of boxes, through the sigmoid. */
static void compare(const image *im, const float *y, float *d) {
  answer said[QUERIES];
  int object_of[QUERIES];
  for (int q = 0; q < QUERIES; q++) said[q] = says(y + q * OUTPUTS);
  match(im, said, object_of);
  tally.objects += im->n;
  for (int q = 0; q < QUERIES; q++, d += OUTPUTS) {
    const answer *a = &said[q];
    int k = object_of[q], right = k < 0 ? NONE : im->colours[k];
    float weight = (k < 0 ? 0.2F : 1) / BATCH, slope = 5.F / BATCH;
    tally.loss -= (double)weight * log((double)a->classes[right]);
    tally.predicted += a->likeliest != NONE;
    for (int c = 0; c <= NONE; c++) d[c] = weight * (a->classes[c] - (c == right ? 1.F : 0));
    for (int i = 0; i < 4; i++) {
      float far = k < 0 ? 0 : a->box[i] - im->boxes[k][i];
      tally.loss += (double)(slope * fabsf(far));
      d[NONE + 1 + i] = slope * (float)((far > 0) - (far < 0)) * a->box[i] * (1 - a->box[i]);
    }
    if (k < 0 || a->likeliest != right) continue;
    const float *box = im->boxes[k]; /* found: half of both together is in both */
    float both = common(a->box, box), either = a->box[2] * a->box[3] + box[2] * box[3] - both;
    tally.found += both >= either / 2;
  }
}

int main(int argc, char **argv) {
  static image images[BATCH];
  static float queries[BATCH * QUERIES * QUERIES], cells[BATCH][CELLS][FEATURES];
  static float d_output[BATCH * QUERIES * OUTPUTS];
  int64_t query_ptr[BATCH + 1], cell_ptr[BATCH + 1];
  for (int i = 0; i <= BATCH; i++) query_ptr[i] = i * QUERIES, cell_ptr[i] = i * CELLS;
  for (int i = 0; i < BATCH * QUERIES; i++) queries[i * QUERIES + i % QUERIES] = 1;
  heed_matrix of_queries = heed_matrix_view(queries, BATCH * QUERIES, QUERIES), output;
  heed_matrix of_cells = heed_matrix_view(cells[0][0], BATCH * CELLS, FEATURES);
  heed_model_inputs inputs = {.n_nodes = BATCH * QUERIES, .dense = &of_queries, .n_graphs = BATCH,
                              .graph_ptr = query_ptr, .n_context = BATCH * CELLS,
                              .context = &of_cells, .context_ptr = cell_ptr};
  heed_model *model = make_model();
  heed_optimizer_spec spec = heed_optimizer_spec_default();
  heed_optimizer *optimizer;
  heed_pass *pass;
  spec.clip = 1;
  check(heed_pass_new(&pass, model, &inputs, true)); /* images change in place: bound once */
  check(heed_optimizer_new(&optimizer, &spec, model));

  int steps = argc > 1 ? atoi(argv[1]) : 500;
  for (int step = 0; step < steps + TESTS; step++) {
    bool learns = step < steps;
    if (step % 100 == 0 || step == steps) tally = (struct tally){.loss = 0};
    for (int i = 0; i < BATCH; i++) draw(step * BATCH + i + (learns ? 0 : UNSEEN), &images[i], cells[i]);
    check(heed_pass_forward(pass, learns ? HEED_MODE_TRAIN : HEED_MODE_EVALUATE, 1, (uint64_t)step, &output));
    for (int i = 0; i < BATCH; i++) {
      int64_t at = i * QUERIES * OUTPUTS;
      compare(&images[i], output.data + at, d_output + at);
    }
    if (learns) {
      float rate = 0.004F * (1 - (float)step / (float)steps);
      check(heed_pass_backward(pass, d_output));
      check(heed_optimizer_step(optimizer, heed_pass_gradients(pass), rate));
    }
    if (learns ? step % 100 < 99 : step < steps + TESTS - 1) continue;
    printf("%s: loss %6.3f, %4d objects, %4d predicted, %4d right (colour and half of the box)\n",
           learns ? "a hundred steps" : "unseen images  ", tally.loss / (learns ? 100 : TESTS), tally.objects,
           tally.predicted, tally.found);
  }
  heed_optimizer_free(optimizer);
  heed_pass_free(pass);
  heed_model_free(model);
  return argc > 1 || tally.found > tally.objects / 2 ? 0 : 1;
}
