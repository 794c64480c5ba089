/* An encoder-decoder learns to write a sequence backwards, or sorted ("reverse sort"). Sequences have any length up to
 * MOST, and how long the output is the model decides itself: it stops where it gives END.
 *
 * Training sees whole batches under a causal mask; decoding goes token by token, with keys and values kept.
 *
 *     reverse [reverse|sort [steps]] */
#include <heed.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { START, END, FIRST, SYMBOLS = 8, TOKENS = FIRST + SYMBOLS, MOST = 8, BATCH = 32, WIDTH = 32 };
enum { ROOM = BATCH * (MOST + 1), TESTS = 4, UNSEEN = 1 << 20 };

static const heed_embedding words = {.tokens = TOKENS, .positions = MOST + 1};

/* A batch: what is read, each sequence ended by END; what is written, after START; and what is to follow each token of
 * it. Both sides are as long as each other, one token more than the sequence. */
static int64_t ptr[BATCH + 1];
static int32_t from[ROOM], to[ROOM], labels[ROOM];

/* Tokens as the features that they become. */
typedef struct text {
  int64_t indptr[ROOM + 1];
  int32_t indices[2 * ROOM];
  heed_csr features;
} text;

static void check(heed_status status) {
  if (status == HEED_OK) return;
  fprintf(stderr, "reverse: %s\n", heed_message());
  exit(1);
}

static const heed_csr *features_of(const int32_t *tokens, text *t) {
  check(heed_embedding_features(&words, BATCH, ptr, tokens, NULL, t->indptr, t->indices, &t->features));
  return &t->features;
}

static int ascending(const void *a, const void *b) { return *(const int32_t *)a - *(const int32_t *)b; }

/* Batch number `number`, backwards or sorted. */
static void make_batch(bool sorted, int number) {
  float chance[MOST + 1];
  for (int s = 0; s < BATCH; s++) {
    heed_random_uniform(1, (uint64_t)number * BATCH + (uint64_t)s, chance, MOST + 1, 0, 1);
    int n = 1 + (int)(chance[MOST] * MOST);
    int32_t *read = from + ptr[s], *write = to + ptr[s], *label = labels + ptr[s];
    for (int i = 0; i < n; i++) label[n - 1 - i] = read[i] = FIRST + (int32_t)(chance[i] * SYMBOLS);
    if (sorted) qsort(label, (size_t)n, sizeof *label, ascending);
    memcpy(write + 1, label, (size_t)n * sizeof *label);
    read[n] = label[n] = END;
    write[0] = START;
    ptr[s + 1] = ptr[s] + n + 1;
  }
}

/* Two node sets: the tokens that are written, under a causal mask, and those that are read as their context. */
static heed_model *make_model(void) {
  heed_block_options options = {.heads = 4, .norm = HEED_NORM_LAYER, .pre_norm = true,
                                .activation = HEED_ACTIVATION_GELU, .expansion = 2};
  heed_block_options full = options;
  full.scope = HEED_SCOPE_FULL;
  heed_model *m;
  check(heed_model_new(&m, heed_embedding_columns(&words)));
  heed_value read = heed_model_context(m, heed_embedding_columns(&words));
  read = heed_model_linear(m, "read", read, WIDTH, false);
  read = heed_model_block(m, "encoder", read, &full);
  heed_value write = heed_model_linear(m, "write", heed_model_features(m), WIDTH, false);
  write = heed_model_decoder_block(m, "decoder0", write, read, &options);
  write = heed_model_decoder_block(m, "decoder1", write, read, &options);
  write = heed_model_normalize(m, "norm", write, HEED_NORM_LAYER);
  check(heed_model_finish(m, heed_model_linear(m, "out", write, TOKENS, true), 1));
  return m;
}

static void train(heed_model *model, bool sorted, int steps) {
  static text read, written;
  static float d_output[ROOM * TOKENS];
  heed_model_capacity most = {.n_nodes = ROOM, .n_pairs = ROOM * (MOST + 1), .n_graphs = BATCH,
                              .n_values = 2 * ROOM, .n_context = ROOM, .n_context_values = 2 * ROOM};
  heed_optimizer_spec spec = heed_optimizer_spec_default();
  heed_optimizer *optimizer;
  heed_pass *pass;
  check(heed_pass_reserve(&pass, model, &most, true));
  check(heed_optimizer_new(&optimizer, &spec, model));
  for (int step = 0; step < steps; step++) {
    heed_mask causal;
    heed_matrix logits;
    double loss;
    make_batch(sorted, step);
    check(heed_mask_causal_blocks(&causal, BATCH, ptr));
    heed_model_inputs inputs = {.n_nodes = ptr[BATCH], .sparse = features_of(to, &written), .mask = &causal,
                                .n_graphs = BATCH, .graph_ptr = ptr, .n_context = ptr[BATCH],
                                .context_sparse = features_of(from, &read), .context_ptr = ptr};
    check(heed_pass_bind(pass, &inputs));
    check(heed_pass_forward(pass, HEED_MODE_TRAIN, 1, (uint64_t)step, &logits));
    check(heed_loss_compute(HEED_LOSS_CROSS_ENTROPY, &logits, &(heed_targets){.labels = labels}, NULL, d_output,
                            &loss));
    check(heed_pass_backward(pass, d_output));
    float warm = step < 50 ? (float)(step + 1) / 50 : 1, left = 1 - (float)step / (float)steps;
    check(heed_optimizer_step(optimizer, heed_pass_gradients(pass), 0.006F * warm * left));
    if (step % 100 == 0) printf("step %4d: loss %.3f\n", step, loss);
    heed_mask_free(&causal);
  }
  heed_optimizer_free(optimizer);
  heed_pass_free(pass);
}

/* The share of unseen sequences that are written without a mistake. */
static double test(heed_model *model, bool sorted) {
  static text read;
  heed_decoder_capacity most = {.sequences = BATCH, .length = MOST + 1, .n_context = ROOM,
                                .n_context_values = 2 * ROOM};
  heed_decoder *decoder;
  int32_t written[ROOM];
  int64_t lengths[BATCH], right = 0;
  check(heed_decoder_new(&decoder, model, &words, &most));
  for (int b = 0; b < TESTS; b++) {
    make_batch(sorted, UNSEEN + b);
    heed_decoder_context context = {.sequences = BATCH, .ptr = ptr, .sparse = features_of(from, &read)};
    check(heed_decoder_begin(decoder, &context));
    check(heed_decoder_greedy(decoder, START, END, written, lengths));
    for (int s = 0; s < BATCH; s++) {
      const int32_t *got = written + s * (MOST + 1);
      int64_t n = ptr[s + 1] - ptr[s] - 1;
      right += lengths[s] == n && memcmp(got, labels + ptr[s], (size_t)n * sizeof *got) == 0;
      if (b > 0 || s >= 4) continue; /* a few are shown */
      for (int64_t i = 0; i < n; i++) putchar('a' + from[ptr[s] + i] - FIRST);
      printf(" -> ");
      for (int64_t i = 0; i < lengths[s]; i++) putchar('a' + got[i] - FIRST);
      putchar('\n');
    }
  }
  heed_decoder_free(decoder);
  return (double)right / (TESTS * BATCH);
}

int main(int argc, char **argv) {
  bool sorted = argc > 1 && strcmp(argv[1], "sort") == 0;
  heed_model *model = make_model();
  train(model, sorted, argc > 2 ? atoi(argv[2]) : 400);
  double accuracy = test(model, sorted);
  printf("%.3f of unseen sequences %s without a mistake\n", accuracy, sorted ? "sorted" : "reversed");
  heed_model_free(model);
  return argc > 2 || accuracy > 0.9 ? 0 : 1;
}
