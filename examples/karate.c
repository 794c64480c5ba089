/* Karate club: a graph through igraph, GAT attention over its edges, and the edge behind each
 * weight.
 *
 * Prints the strongest ties of the two leaders, members 1 and 34. */
#include <heed.h>
#include <stdio.h>
#include <stdlib.h>

enum { HEADS = 8, DIM = 8, WIDTH = HEADS * DIM };

static void check(heed_status status) {
  if (status == HEED_OK) return;
  fprintf(stderr, "karate: %s\n", heed_message());
  exit(1);
}

/* The mean over the heads of pair p's weights. */
static double mean_weight(const float *weights, int64_t p) {
  double sum = 0;
  for (int h = 0; h < HEADS; h++) sum += (double)weights[p * HEADS + h];
  return sum / HEADS;
}

static void print_row(const heed_mask *mask, const float *weights, int64_t member) {
  printf("member %d attends most to", (int)member + 1);
  int64_t best = mask->indptr[member];
  for (int64_t p = best; p < mask->indptr[member + 1]; p++) {
    if (mean_weight(weights, p) > mean_weight(weights, best)) best = p;
  }
  const int64_t *ids;
  const uint8_t *origins;
  int64_t count;
  heed_mask_pair_edges(mask, best, &ids, &origins, &count);
  if (origins[0] == HEED_ORIGIN_SELF) {
    printf(" itself, weight %.3f\n", mean_weight(weights, best));
  } else {
    printf(" member %d by edge %lld, weight %.3f\n", mask->indices[best] + 1, (long long)ids[0],
           mean_weight(weights, best));
  }
}

int main(void) {
  igraph_t graph;
  check(heed_graph_open(&graph, "karate", 0));
  heed_mask mask;
  check(heed_mask_from_graph(&mask, &graph, HEED_DIRECTION_IN, HEED_LOOPS_ADD));

  /* Projected features; a trained layer would give better ones. */
  int64_t n = mask.n_queries;
  float *h = malloc((size_t)(n * WIDTH) * sizeof *h),
        *out = malloc((size_t)(n * WIDTH) * sizeof *out);
  float *weights = malloc((size_t)(mask.n_pairs * HEADS) * sizeof *weights);
  float a[2 * WIDTH];
  if (h == NULL || out == NULL || weights == NULL) return 1;
  heed_random_normal(1, 0, h, n * WIDTH, 0, 1);
  heed_random_normal(1, 1, a, 2 * WIDTH, 0, 0.5f);

  heed_attention_spec spec = heed_attention_spec_default(HEADS, DIM);
  spec.score = HEED_SCORE_GAT;
  check(
      heed_attend(&spec, &mask,
                  &(heed_attention_inputs){.query = h, .key = h, .a_query = a, .a_key = a + WIDTH},
                  &(heed_attention_outputs){.out = out, .weights = weights}));
  printf("%lld members, %lld pairs\n", (long long)n, (long long)mask.n_pairs);
  print_row(&mask, weights, 0);
  print_row(&mask, weights, 33);

  free(h);
  free(out);
  free(weights);
  heed_mask_free(&mask);
  heed_graph_destroy(&graph);
  return 0;
}
