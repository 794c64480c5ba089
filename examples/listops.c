/* ListOps of the Long Range Arena (Nangia and Bowman 2018; Tay et al. 2021): what is [MAX 2 9 [MIN
 * 4 7] 0]? Expressions are generated; a token is a node, an expression a graph. Attention to all of
 * the expression against a window of its tokens, both with learned positions, beside always saying
 * the most frequent answer. listops 100 2000     expressions of up to 100 tokens, 2000 of them */
#include <heed.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  DIGITS = 10,
  MAX = DIGITS,
  MIN,
  MEDIAN,
  SUM,
  CLOSE,
  TOKENS,
  WINDOW = 4,
  MOST_PARTS = 5,
  DRAWS = 1 << 16
};

typedef struct text {
  int32_t *tokens;
  int64_t n, end; /* where the expression must have ended */
} text;

static void check(heed_status status) {
  if (status == HEED_OK) return;
  fprintf(stderr, "listops: %s\n", heed_message());
  exit(1);
}

static void *room(size_t n, size_t size) {
  void *x = calloc(n, size);
  if (x == NULL) exit(1);
  return x;
}

/* A whole number below `below`, the next one of a stream. */
static int chance(int below) {
  static float draws[DRAWS];
  static uint64_t at;
  if (at % DRAWS == 0) heed_random_uniform(9, at / DRAWS, draws, DRAWS, 0, 1);
  int x = (int)((float)below * draws[at++ % DRAWS]);
  return x < below ? x : below - 1;
}

static int ascending(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

/* Writes an expression of at most t->end - t->n tokens; its value. */
static int expression(text *t, int depth) {
  int64_t left = t->end - t->n;
  if (left < 5 || depth > 3 || (depth > 0 && chance(4) > 0))
    return t->tokens[t->n++] = chance(DIGITS);
  int what = MAX + chance(4), parts[MOST_PARTS], n = 2 + chance(MOST_PARTS - 1), sum = 0;
  t->tokens[t->n++] = what;
  t->end--; /* for the bracket */
  if (n > t->end - t->n) n = (int)(t->end - t->n);
  for (int i = 0; i < n; i++) {
    t->end -= n - 1 - i; /* the others need a token each */
    parts[i] = expression(t, depth + 1);
    t->end += n - 1 - i;
    sum += parts[i];
  }
  t->end++;
  t->tokens[t->n++] = CLOSE;
  qsort(parts, (size_t)n, sizeof *parts, ascending);
  if (what == SUM) return sum % DIGITS;
  return what == MAX ? parts[n - 1] : what == MIN ? parts[0] : parts[n / 2];
}

static double learn(const heed_task *task, const char *blocks, int64_t longest) {
  heed_model_spec spec = heed_model_spec_default(HEED_MODEL_TRANSFORMER);
  spec.features = TOKENS;
  spec.outputs = DIGITS;
  spec.hidden = 32;
  spec.heads = 4;
  spec.dropout = 0.1f;
  spec.attention_dropout = 0;
  spec.positions = longest;
  spec.pooling = HEED_POOLING_MEAN;
  snprintf(spec.blocks, sizeof spec.blocks, "%s", blocks);
  spec.layers = (int32_t)strlen(blocks);
  heed_fit_spec fit = heed_fit_spec_default();
  fit.epochs = 40;
  fit.optimizer.rate = 0.006f;
  heed_model *model;
  heed_trainer *trainer;
  heed_run run;
  check(heed_model_build(&model, &spec, 1));
  check(heed_trainer_new(&trainer, model, task, &fit, 1));
  check(heed_fit(trainer, NULL, NULL, &run));
  heed_trainer_free(trainer);
  heed_model_free(model);
  return run.test;
}

int main(int argc, char **argv) {
  int64_t longest = argc > 1 ? atol(argv[1]) : 16, graphs = argc > 2 ? atol(argv[2]) : 400;
  if (longest < 5 || longest > 5000 || graphs < 20 || graphs > 1000000) {
    return fprintf(stderr, "listops: lengths from 5 to 5000, 20 expressions or more\n"), 1;
  }
  size_t most = (size_t)(longest * graphs), n_graphs = (size_t)graphs;
  text t = {.tokens = room(most, sizeof *t.tokens)};
  int64_t *ptr = room(n_graphs + 1, sizeof *ptr);
  int32_t *answers = room(n_graphs, sizeof *answers), *starts = room(most, sizeof *starts);
  int32_t *counts = room(most, sizeof *counts);
  uint8_t *parts[3];
  int64_t tests = 0, frequent = 0, of[DIGITS] = {0};
  for (int p = 0; p < 3; p++) parts[p] = room(n_graphs, 1);
  for (int64_t g = 0; g < graphs; g++) {
    t.end = t.n + longest;
    answers[g] = expression(&t, 0);
    ptr[g + 1] = t.n;
    int part = g % 10 < 7 ? 0 : g % 10 - 7 > 0 ? 2 : 1;
    parts[part][g] = 1;
    if (part == 2) tests++, of[answers[g]]++;
    for (int64_t i = ptr[g]; i < t.n; i++) { /* the tokens within a window of the expression */
      int64_t from = i - WINDOW > ptr[g] ? i - WINDOW : ptr[g],
              end = i + WINDOW + 1 < t.n ? i + WINDOW + 1 : t.n;
      starts[i] = (int32_t)from;
      counts[i] = (int32_t)(end - from);
    }
  }
  for (int d = 0; d < DIGITS; d++) frequent = of[d] > frequent ? of[d] : frequent;
  float *features = room((size_t)(t.n * TOKENS), sizeof *features);
  for (int64_t i = 0; i < t.n; i++) features[i * TOKENS + t.tokens[i]] = 1;
  heed_matrix x = heed_matrix_view(features, t.n, TOKENS);
  heed_mask window;
  check(heed_mask_runs(&window, t.n, t.n, starts, counts));
  const heed_task task = {.inputs = {.n_nodes = t.n,
                                     .dense = &x,
                                     .mask = &window,
                                     .n_graphs = graphs,
                                     .graph_ptr = ptr},
                          .targets = {.labels = answers},
                          .train = parts[0],
                          .validation = parts[1],
                          .test = parts[2]};
  double guess = (double)frequent / (double)tests;
  printf("%lld expressions of %.1f tokens on average, %lld at most\n", (long long)graphs,
         (double)t.n / (double)graphs, (long long)longest);
  double local = learn(&task, "MM", longest), full = learn(&task, "SS", longest);
  printf("right: most frequent answer %.3f, window of %d tokens %.3f, full attention %.3f\n", guess,
         2 * WINDOW + 1, local, full);
  heed_mask_free(&window);
  for (int p = 0; p < 3; p++) free(parts[p]);
  free(features);
  free(t.tokens);
  free(ptr);
  free(answers);
  free(starts);
  free(counts);
  return local < guess + 0.05 || full < guess + 0.05;
}
