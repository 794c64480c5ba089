/* ListOps of the Long Range Arena (Nangia and Bowman 2018; Tay et al. 2021): what is [MAX 2 9 [MIN 4 7] 0]?
 * Expressions are generated; a token is a node, an expression a graph. Attention to all of the expression
 * against a window of its tokens, both with learned positions, beside always saying the most frequent answer.
 *
 *     listops 100 2000     expressions of up to 100 tokens, 2000 of them */
#include <heed.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIGITS = 10, MAX = DIGITS, MIN, MEDIAN, SUM, CLOSE, TOKENS };
enum { WINDOW = 4, PARTS = 5, DEEPEST = 3, MOST = 1 << 20, EXPRESSIONS = 1 << 16 };

static int64_t n, ptr[EXPRESSIONS + 1]; /* tokens so far, and where expressions begin */
static int32_t tokens[MOST], answers[EXPRESSIONS];
static float features[(int64_t)MOST * TOKENS];
static uint8_t train[EXPRESSIONS], validation[EXPRESSIONS], test[EXPRESSIONS];

static void check(heed_status status) {
  if (status == HEED_OK) return;
  fprintf(stderr, "listops: %s\n", heed_message());
  exit(1);
}

/* A whole number below `below`, the next one of a stream. */
static int chance(int below) {
  enum { DRAWS = 1 << 12 };
  static float draws[DRAWS];
  static uint64_t at;
  if (at % DRAWS == 0) heed_random_uniform(9, at / DRAWS, draws, DRAWS, 0, 1);
  return (int)((float)below * draws[at++ % DRAWS]);
}

static int ascending(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

/* Writes an expression of at most `room` tokens; its value. */
static int expression(int64_t room, int depth) {
  if (room < 5 || depth > DEEPEST || (depth > 0 && chance(4) > 0)) return tokens[n++] = chance(DIGITS);
  int what = MAX + chance(4), parts[PARTS], count = 2 + chance(PARTS - 1), sum = 0;
  int64_t end = n + room - 1; /* of the parts; behind it is the bracket */
  if (count > room - 2) count = (int)(room - 2);
  tokens[n++] = what;
  for (int i = 0; i < count; i++) {
    int others = count - 1 - i; /* need a token each */
    sum += parts[i] = expression(end - others - n, depth + 1);
  }
  tokens[n++] = CLOSE;
  qsort(parts, (size_t)count, sizeof *parts, ascending);
  return what == MAX ? parts[count - 1] : what == MIN ? parts[0] : what == MEDIAN ? parts[count / 2] : sum % DIGITS;
}

/* The share of the test's expressions that a model of these blocks gets right. */
static double learn(const heed_task *task, const char *blocks, int64_t longest) {
  heed_model_spec spec = heed_model_spec_default(HEED_MODEL_TRANSFORMER);
  spec.features = TOKENS;
  spec.outputs = DIGITS;
  spec.hidden = 32;
  spec.heads = 4;
  spec.dropout = 0.1F;
  spec.positions = longest;
  spec.pooling = HEED_POOLING_MEAN;
  snprintf(spec.blocks, sizeof spec.blocks, "%s", blocks);
  spec.layers = (int32_t)strlen(blocks);
  heed_fit_spec fit = heed_fit_spec_default();
  fit.epochs = 40;
  fit.optimizer.rate = 0.006F;
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
  if (longest < 5 || graphs < 20 || graphs > EXPRESSIONS || longest > MOST / graphs) {
    fprintf(stderr, "listops: 5 tokens or more, 20 to %d expressions, %d tokens in all\n", EXPRESSIONS, MOST);
    return 1;
  }
  int64_t tests = 0, of[DIGITS] = {0}, frequent = 0;
  for (int64_t g = 0; g < graphs; g++) {
    answers[g] = expression(longest, 0);
    ptr[g + 1] = n;
    train[g] = g % 10 < 7;
    validation[g] = g % 10 == 7;
    test[g] = g % 10 > 7;
    tests += test[g];
    of[answers[g]] += test[g];
  }
  for (int d = 0; d < DIGITS; d++) frequent = of[d] > frequent ? of[d] : frequent;
  for (int64_t i = 0; i < n; i++) features[i * TOKENS + tokens[i]] = 1;

  heed_matrix x = heed_matrix_view(features, n, TOKENS);
  heed_mask window; /* of an expression's own tokens */
  check(heed_mask_window_blocks(&window, graphs, ptr, WINDOW, WINDOW));
  heed_task task = {.inputs = {.n_nodes = n, .dense = &x, .mask = &window, .n_graphs = graphs, .graph_ptr = ptr},
                    .targets = {.labels = answers},
                    .train = train, .validation = validation, .test = test};
  printf("%lld expressions of %.1f tokens on average, %lld at most\n", (long long)graphs, (double)n / (double)graphs,
         (long long)longest);
  double guess = (double)frequent / (double)tests;
  double local = learn(&task, "MM", longest), full = learn(&task, "SS", longest);
  printf("right: most frequent answer %.3f, window of %d tokens %.3f, full attention %.3f\n", guess, 2 * WINDOW + 1,
         local, full);
  heed_mask_free(&window);
  return local < guess + 0.05 || full < guess + 0.05;
}
