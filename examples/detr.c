/* Object queries attend to a grid of features and predict a set of boxes, as DETR does (Carion et al. 2020). An image is
 * a grid of cells with up to three rectangles of three colours; each of QUERIES queries gives a class (a colour, or
 * none) and a box. Which query answers for which object is no one's choice: igraph finds the assignment of
 * least cost, and only then is there a loss.
 *
 *     detr [steps] */
#include <heed.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 6, CELLS = SIDE * SIDE, COLOURS = 3, NONE = COLOURS, QUERIES = 5, OBJECTS = 3 };
enum { FEATURES = COLOURS + 2 * SIDE, OUTPUTS = COLOURS + 1 + 4, BATCH = 16, WIDTH = 32, UNSEEN = 1 << 20 };

typedef struct object {
  int colour;
  float box[4]; /* centre and size, of an image of side 1 */
} object;

typedef struct image {
  int n;
  object objects[OBJECTS];
} image;

static void check(heed_status status) {
  if (status == HEED_OK) return;
  fprintf(stderr, "detr: %s\n", heed_message());
  exit(1);
}

/* How much of [a, a + 1] / SIDE a stretch covers. */
static float covered(int a, float centre, float size) {
  float low = fmaxf((float)a, (centre - size / 2) * SIDE);
  return fmaxf(0, fminf((float)a + 1, (centre + size / 2) * SIDE) - low);
}

static float overlap(const float *a, const float *b) { /* intersection over union */
  float both = 1;
  for (int d = 0; d < 2; d++) {
    float low = fmaxf(a[d] - a[d + 2] / 2, b[d] - b[d + 2] / 2);
    both *= fmaxf(0, fminf(a[d] + a[d + 2] / 2, b[d] + b[d + 2] / 2) - low);
  }
  return both / (a[2] * a[3] + b[2] * b[3] - both);
}

/* Image number `number`, and the features of its cells: how much of each colour, row and column. */
static void make_image(int number, image *of, float *cells) {
  float chance[6 * 4 * OBJECTS], *c = chance;
  heed_random_uniform(1, (uint64_t)number, chance, 6 * 4 * OBJECTS, 0, 1);
  int most = 1 + (int)(*c * OBJECTS);
  of->n = 0;
  for (int tries = 0; tries < 10 && of->n < most; tries++) {
    object *o = of->objects + of->n;
    o->colour = (int)(*++c * COLOURS);
    for (int d = 0; d < 2; d++) {
      o->box[d + 2] = 0.25F + 0.25F * *++c;
      o->box[d] = o->box[d + 2] / 2 + (1 - o->box[d + 2]) * *++c;
    }
    bool apart = true;
    for (int i = 0; i < of->n; i++) apart = apart && overlap(o->box, of->objects[i].box) <= 0;
    of->n += apart;
  }
  memset(cells, 0, sizeof *cells * CELLS * FEATURES);
  for (int i = 0; i < CELLS; i++, cells += FEATURES) {
    for (int k = 0; k < of->n; k++) {
      const object *o = of->objects + k;
      cells[o->colour] += covered(i % SIDE, o->box[0], o->box[2]) * covered(i / SIDE, o->box[1], o->box[3]);
    }
    cells[COLOURS + i % SIDE] = cells[COLOURS + SIDE + i / SIDE] = 1;
  }
}

/* The node sets: the queries, which are learned (one column each), and the cells as their context. */
static heed_model *make_model(void) {
  heed_block_options options = {.heads = 4, .scope = HEED_SCOPE_FULL, .norm = HEED_NORM_LAYER, .pre_norm = true,
                                .activation = HEED_ACTIVATION_GELU, .expansion = 2};
  heed_model *m;
  check(heed_model_new(&m, QUERIES));
  heed_value cells = heed_model_linear(m, "cells", heed_model_context(m, FEATURES), WIDTH, true);
  cells = heed_model_block(m, "encoder", cells, &options);
  heed_value x = heed_model_linear(m, "queries", heed_model_features(m), WIDTH, false);
  x = heed_model_decoder_block(m, "decoder0", x, cells, &options);
  x = heed_model_decoder_block(m, "decoder1", x, cells, &options);
  x = heed_model_normalize(m, "norm", x, HEED_NORM_LAYER);
  check(heed_model_finish(m, heed_model_linear(m, "out", x, OUTPUTS, true), 1));
  return m;
}

/* What a query says: the classes' probabilities and its box, out of numbers of any size. */
static void answer(const float *y, float *classes, float *box) {
  float sum = 0;
  for (int c = 0; c <= NONE; c++) sum += classes[c] = expf(y[c]);
  for (int c = 0; c <= NONE; c++) classes[c] /= sum;
  for (int d = 0; d < 4; d++) box[d] = 1 / (1 + expf(-y[NONE + 1 + d]));
}

/* query_of[k]: which query is to answer for object k, so that the costs together are least. */
static void match(const image *im, const float *y, int *query_of) {
  igraph_t graph;
  igraph_vector_int_t edges, partner;
  igraph_vector_t gains;
  igraph_vector_bool_t types;
  igraph_vector_int_init(&edges, 0);
  igraph_vector_int_init(&partner, 0);
  igraph_vector_init(&gains, 0);
  igraph_vector_bool_init(&types, im->n + QUERIES);
  for (int q = 0; q < QUERIES; q++) {
    float classes[NONE + 1], box[4];
    answer(y + q * OUTPUTS, classes, box);
    VECTOR(types)[im->n + q] = true;
    for (int k = 0; k < im->n; k++) {
      const object *o = im->objects + k;
      double cost = -(double)classes[o->colour];
      for (int d = 0; d < 4; d++) cost += 2.5 * fabs((double)(box[d] - o->box[d]));
      igraph_vector_int_push_back(&edges, k);
      igraph_vector_int_push_back(&edges, im->n + q);
      igraph_vector_push_back(&gains, floor(1e4 * (100 - cost))); /* whole numbers are compared exactly */
    }
  }
  igraph_create(&graph, &edges, im->n + QUERIES, IGRAPH_UNDIRECTED);
  igraph_maximum_bipartite_matching(&graph, &types, NULL, NULL, &partner, &gains, 0);
  for (int k = 0; k < im->n; k++) query_of[k] = (int)(VECTOR(partner)[k] - im->n);
  igraph_destroy(&graph);
  igraph_vector_int_destroy(&edges);
  igraph_vector_int_destroy(&partner);
  igraph_vector_destroy(&gains);
  igraph_vector_bool_destroy(&types);
}

/* The loss of an image and its gradient: cross-entropy of classes, "none" counting a fifth, and the distance of
 * boxes, through the sigmoid. */
static double loss_of(const image *im, const float *y, float *d) {
  int query_of[OBJECTS];
  double loss = 0;
  match(im, y, query_of);
  for (int q = 0; q < QUERIES; q++, y += OUTPUTS, d += OUTPUTS) {
    const object *o = NULL;
    float classes[NONE + 1], box[4];
    for (int k = 0; k < im->n; k++) {
      if (query_of[k] == q) o = im->objects + k;
    }
    int right = o == NULL ? NONE : o->colour;
    float weight = (o == NULL ? 0.2F : 1) / BATCH;
    answer(y, classes, box);
    loss -= (double)weight * log((double)classes[right]);
    for (int c = 0; c <= NONE; c++) d[c] = weight * (classes[c] - (c == right ? 1.F : 0));
    for (int i = 0; i < 4; i++) {
      float far = o == NULL ? 0 : box[i] - o->box[i], slope = 5.F / BATCH;
      loss += (double)(slope * fabsf(far));
      d[NONE + 1 + i] = slope * (float)((far > 0) - (far < 0)) * box[i] * (1 - box[i]);
    }
  }
  return loss;
}

int main(int argc, char **argv) {
  static image images[BATCH];
  static float queries[BATCH * QUERIES * QUERIES], cells[BATCH * CELLS * FEATURES];
  static float d_output[BATCH * QUERIES * OUTPUTS];
  int64_t query_ptr[BATCH + 1], cell_ptr[BATCH + 1];
  for (int i = 0; i <= BATCH; i++) {
    query_ptr[i] = i * QUERIES;
    cell_ptr[i] = i * CELLS;
  }
  for (int i = 0; i < BATCH * QUERIES; i++) queries[i * QUERIES + i % QUERIES] = 1;
  heed_matrix of_queries = heed_matrix_view(queries, BATCH * QUERIES, QUERIES), output;
  heed_matrix of_cells = heed_matrix_view(cells, BATCH * CELLS, FEATURES);
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
  double loss = 0;
  for (int step = 0; step < steps; step++) {
    for (int i = 0; i < BATCH; i++) make_image(step * BATCH + i, images + i, cells + i * CELLS * FEATURES);
    check(heed_pass_forward(pass, HEED_MODE_TRAIN, 1, (uint64_t)step, &output));
    for (int i = 0; i < BATCH; i++) {
      int64_t at = i * QUERIES * OUTPUTS;
      loss += loss_of(images + i, output.data + at, d_output + at);
    }
    check(heed_pass_backward(pass, d_output));
    check(heed_optimizer_step(optimizer, heed_pass_gradients(pass), 0.004F * (1 - (float)step / (float)steps)));
    if (step % 100 == 99) {
      printf("step %4d: loss %.3f\n", step + 1, loss / 100);
      loss = 0;
    }
  }

  int objects = 0, found = 0, said = 0;
  double together = 0;
  for (int batch = 0; batch < 8; batch++) {
    for (int i = 0; i < BATCH; i++) make_image(UNSEEN + batch * BATCH + i, images + i, cells + i * CELLS * FEATURES);
    check(heed_pass_forward(pass, HEED_MODE_EVALUATE, 0, 0, &output));
    for (int i = 0; i < BATCH; i++) {
      bool taken[OBJECTS] = {false};
      objects += images[i].n;
      for (int q = 0; q < QUERIES; q++) { /* every query that does not say "none" says an object */
        float classes[NONE + 1], box[4];
        answer(output.data + (i * QUERIES + q) * OUTPUTS, classes, box);
        int best = 0;
        for (int c = 1; c <= NONE; c++) best = classes[c] > classes[best] ? c : best;
        if (best == NONE) continue;
        said++;
        for (int k = 0; k < images[i].n; k++) {
          const object *o = images[i].objects + k;
          float alike = overlap(box, o->box);
          if (taken[k] || best != o->colour || alike < 0.5F) continue;
          taken[k] = true;
          found++;
          together += (double)alike;
          break;
        }
      }
    }
  }
  printf("unseen images: %d objects, %d predicted, %d of them right (colour, and half of the box or more), whose boxes "
         "overlap by %.2f\n", objects, said, found, found > 0 ? together / found : 0);
  heed_optimizer_free(optimizer);
  heed_pass_free(pass);
  heed_model_free(model);
  return argc > 1 || found > objects / 2 ? 0 : 1;
}
