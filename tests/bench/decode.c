/* What a step of decoding costs, early and late, beside the whole causal pass that it saves.
 *
 *     decode [SEQUENCES LENGTH WIDTH LAYERS]
 *
 * An encoder-decoder with 8 heads and a context of 64 nodes a sequence; seconds a step are means over a sixteenth of the
 * length. */
#include <heed/sequence.h>
#include <stdio.h>
#include <stdlib.h>

enum { TOKENS = 1000, CONTEXT = 64, HEADS = 8 };

static void check(heed_status status) {
  if (status == HEED_OK) return;
  fprintf(stderr, "decode: %s\n", heed_message());
  exit(1);
}

static heed_model *make_model(int64_t width, int layers, int64_t columns) {
  heed_block_options options = {.heads = HEADS, .norm = HEED_NORM_LAYER, .pre_norm = true,
                                .activation = HEED_ACTIVATION_GELU, .expansion = 4};
  heed_model *m;
  char name[32];
  check(heed_model_new(&m, columns));
  heed_value context = heed_model_linear(m, "context", heed_model_context(m, 16), width, true);
  heed_value x = heed_model_linear(m, "tokens", heed_model_features(m), width, false);
  for (int i = 0; i < layers; i++) {
    snprintf(name, sizeof name, "block%d", i);
    x = heed_model_decoder_block(m, name, x, context, &options);
  }
  check(heed_model_finish(m, heed_model_linear(m, "out", x, TOKENS, true), 1));
  return m;
}

int main(int argc, char **argv) {
  int64_t sequences = argc > 1 ? atoi(argv[1]) : 8, length = argc > 2 ? atoi(argv[2]) : 512;
  int64_t width = argc > 3 ? atoi(argv[3]) : 256, part = length / 16 > 0 ? length / 16 : 1;
  heed_embedding words = {.tokens = TOKENS, .positions = length};
  heed_model *model = make_model(width, argc > 4 ? atoi(argv[4]) : 4, heed_embedding_columns(&words));
  int64_t n = sequences * length, m = sequences * CONTEXT;
  int64_t *ptr = malloc((size_t)(sequences + 1) * sizeof *ptr);
  int64_t *context_ptr = malloc((size_t)(sequences + 1) * sizeof *ptr);
  int64_t *indptr = malloc((size_t)(n + 1) * sizeof *ptr);
  int32_t *tokens = malloc((size_t)n * sizeof *tokens), *indices = malloc((size_t)n * 2 * sizeof *tokens);
  float *numbers = malloc((size_t)m * 16 * sizeof *numbers);
  if (!ptr || !context_ptr || !indptr || !tokens || !indices || !numbers) return 1;
  heed_random_uniform(1, 1, numbers, m * 16, -1, 1);
  for (int64_t s = 0; s <= sequences; s++) {
    ptr[s] = s * length;
    context_ptr[s] = s * CONTEXT;
  }
  for (int64_t i = 0; i < n; i++) tokens[i] = (int32_t)(i * 7919 % TOKENS);
  heed_matrix context = heed_matrix_view(numbers, m, 16), out;

  heed_csr features;
  heed_mask mask;
  heed_pass *pass;
  check(heed_embedding_features(&words, sequences, ptr, tokens, NULL, indptr, indices, &features));
  check(heed_mask_causal_blocks(&mask, sequences, ptr));
  heed_model_inputs inputs = {.n_nodes = n, .sparse = &features, .mask = &mask, .n_graphs = sequences,
                              .graph_ptr = ptr, .n_context = m, .context = &context,
                              .context_ptr = context_ptr};
  check(heed_pass_new(&pass, model, &inputs, false));
  check(heed_pass_forward(pass, HEED_MODE_EVALUATE, 0, 0, &out));
  double before = heed_seconds();
  check(heed_pass_forward(pass, HEED_MODE_EVALUATE, 0, 0, &out));
  double whole = heed_seconds() - before;
  heed_pass_free(pass);

  heed_decoder_capacity most = {.sequences = sequences, .length = length, .n_context = m};
  heed_decoder *decoder;
  int32_t *step = malloc((size_t)sequences * sizeof *step);
  check(heed_decoder_new(&decoder, model, &words, &most));
  check(heed_decoder_begin(decoder, &(heed_decoder_context){.sequences = sequences,
                                                            .ptr = context_ptr,
                                                            .dense = &context}));
  double all = 0, seconds = 0;
  for (int64_t t = 0; t < length; t++) {
    for (int64_t s = 0; s < sequences; s++) step[s] = tokens[ptr[s] + t];
    before = heed_seconds();
    check(heed_decoder_step(decoder, step, &out));
    seconds += heed_seconds() - before;
    if ((t + 1) % part != 0) continue;
    if (t + 1 == part || t + 1 == 8 * part || t + 1 == 16 * part) {
      printf("steps up to %5lld: %8.1f us each\n", (long long)t + 1, 1e6 * seconds / (double)part);
    }
    all += seconds;
    seconds = 0;
  }
  printf("all steps %.1f ms, the whole pass once %.1f ms, decoder %.1f MB\n", 1e3 * all, 1e3 * whole,
         1e-6 * (double)heed_decoder_bytes(decoder));
  heed_decoder_free(decoder);
  heed_mask_free(&mask);
  heed_model_free(model);
  free(ptr);
  free(context_ptr);
  free(indptr);
  free(tokens);
  free(indices);
  free(numbers);
  free(step);
  return 0;
}
