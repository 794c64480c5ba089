/* Masked against full attention: how much of what full attention gives goes along edges, on a graph
 * with communities whose features know nothing of them. */
#include <heed.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { HEADS = 4, DIM = 16, WIDTH = HEADS * DIM };

static void check(heed_status status) {
  if (status == HEED_OK) return;
  fprintf(stderr, "masked_full: %s\n", heed_message());
  exit(1);
}

static float *numbers(int64_t n) {
  float *x = malloc((size_t)n * sizeof *x);
  if (x == NULL) exit(1);
  return x;
}

int main(void) {
  igraph_t graph;
  check(heed_graph_open(&graph, "sbm:n=300,blocks=3,in=0.1,out=0.01", 1));
  heed_mask masked, full;
  check(heed_mask_from_graph(&masked, &graph, HEED_DIRECTION_ALL, HEED_LOOPS_KEEP));
  check(heed_mask_full(&full, masked.n_queries, masked.n_keys));

  int64_t n = masked.n_queries;
  float *query = numbers(n * WIDTH), *key = numbers(n * WIDTH), *value = numbers(n * WIDTH);
  float *along_edges = numbers(n * WIDTH), *to_all = numbers(n * WIDTH);
  float *weights = numbers(full.n_pairs * HEADS);
  heed_random_normal(1, 0, query, n * WIDTH, 0, 1);
  heed_random_normal(1, 1, key, n * WIDTH, 0, 1);
  heed_random_normal(1, 2, value, n * WIDTH, 0, 1);

  heed_attention_spec spec = heed_attention_spec_default(HEADS, DIM);
  const heed_attention_inputs in = {.query = query, .key = key, .value = value};
  check(heed_attend(&spec, &masked, &in, &(heed_attention_outputs){.out = along_edges}));
  check(
      heed_attend(&spec, &full, &in, &(heed_attention_outputs){.out = to_all, .weights = weights}));

  double on_edges = 0, length_masked = 0, length_full = 0;
  for (int64_t i = 0; i < n; i++) {
    for (int64_t p = masked.indptr[i]; p < masked.indptr[i + 1]; p++) {
      for (int h = 0; h < HEADS; h++) {
        on_edges += (double)weights[(i * n + masked.indices[p]) * HEADS + h];
      }
    }
  }
  for (int64_t i = 0; i < n * WIDTH; i++) {
    length_masked += (double)along_edges[i] * (double)along_edges[i];
    length_full += (double)to_all[i] * (double)to_all[i];
  }
  double share = on_edges / (double)(n * HEADS);
  printf("pairs: %lld of %lld\n", (long long)masked.n_pairs, (long long)full.n_pairs);
  printf("full attention gives %.1f%% of its weight to the %.1f%% of pairs that are edges\n",
         100 * share, 100 * (double)masked.n_pairs / (double)full.n_pairs);
  printf("masked outputs are %.1f times as long: fewer values are averaged\n",
         sqrt(length_masked / length_full));

  free(query);
  free(key);
  free(value);
  free(along_edges);
  free(to_all);
  free(weights);
  heed_mask_free(&masked);
  heed_mask_free(&full);
  heed_graph_destroy(&graph);
  return length_masked > 2 * length_full ? 0 : 1;
}
