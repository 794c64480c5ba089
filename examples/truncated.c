/* Truncated self-attention: a window of frames in place of all of them, for sequences such as
 * speech, where what a frame needs is near. A generated utterance is a row of sounds that last some
 * frames each; a frame alone is too noisy to tell which sound it is. The same small model learns to
 * tell with no attention, with a window and with full attention; then one attention of 8 heads of
 * 64 is timed over longer and longer sequences. truncated 16000     as long as that; only the first
 * lengths without an argument */
#include <heed.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FRAMES = 60, UTTERANCES = 24, N = FRAMES * UTTERANCES, SOUNDS = 6, BANDS = 8, SIDE = 6 };
static float features[N * BANDS];
static int32_t labels[N];
static uint8_t train[N], validation[N], test[N];
static int64_t ptr[UTTERANCES + 1];

static void check(heed_status status) {
  if (status == HEED_OK) return;
  fprintf(stderr, "truncated: %s\n", heed_message());
  exit(1);
}

static float *numbers(int64_t n) {
  float *x = malloc((size_t)n * sizeof *x);
  if (x == NULL) exit(1);
  return x;
}

/* Sounds of 5 to 12 frames, each a pattern over the bands under noise of more than its size. */
static void speak(void) {
  float pattern[SOUNDS * BANDS], chance[2 * N];
  heed_random_normal(3, 0, pattern, SOUNDS * BANDS, 0, 1);
  heed_random_uniform(3, 1, chance, 2 * N, 0, 1);
  heed_random_normal(3, 2, features, N * BANDS, 0, 1.6f);
  int left = 0, sound = 0;
  for (int i = 0; i < N; i++, left--) {
    if (i % FRAMES == 0 || left == 0) {
      sound = (sound + 1 + (int)(chance[2 * i] * (SOUNDS - 1))) % SOUNDS;
      left = 5 + (int)(chance[2 * i + 1] * 8);
    }
    labels[i] = sound;
    for (int b = 0; b < BANDS; b++) features[i * BANDS + b] += pattern[sound * BANDS + b];
    int utterance = i / FRAMES;
    ptr[utterance + 1] = i + 1;
    train[i] = utterance % 4 < 2;
    validation[i] = utterance % 4 == 2;
    test[i] = utterance % 4 == 3;
  }
}

static double learn(const char *blocks, const heed_mask *mask) {
  heed_matrix x = heed_matrix_view(features, N, BANDS);
  heed_task task = {
      .inputs = {.n_nodes = N, .dense = &x, .mask = mask, .n_graphs = UTTERANCES, .graph_ptr = ptr},
      .targets = {.labels = labels},
      .train = train,
      .validation = validation,
      .test = test};
  bool attends = blocks[0] != '\0';
  heed_model_spec spec = heed_model_spec_default(attends ? HEED_MODEL_TRANSFORMER : HEED_MODEL_MLP);
  spec.features = BANDS;
  spec.outputs = SOUNDS;
  spec.hidden = 32;
  spec.heads = 2;
  spec.residual = true;
  spec.dropout = 0.1f;
  spec.attention_dropout = 0;
  if (attends) {
    snprintf(spec.blocks, sizeof spec.blocks, "%s", blocks);
    spec.layers = (int32_t)strlen(blocks);
    spec.rotary = 100; /* who is near has to be known, with full attention above all */
  }
  heed_fit_spec fit = heed_fit_spec_default();
  fit.epochs = 60;
  fit.optimizer.rate = 0.005f;
  heed_model *model;
  heed_trainer *trainer;
  heed_run run;
  check(heed_model_build(&model, &spec, 2));
  check(heed_trainer_new(&trainer, model, &task, &fit, 2));
  check(heed_fit(trainer, NULL, NULL, &run));
  heed_trainer_free(trainer);
  heed_model_free(model);
  return run.test;
}

/* Seconds of the better of two calls, and what the plan needs. */
static double seconds_of(const heed_mask *mask, const float *x, float *out, size_t *bytes) {
  heed_attention_spec spec = heed_attention_spec_default(8, 64);
  heed_attention *plan;
  double best = INFINITY;
  spec.kernel = HEED_KERNEL_DENSE; /* tiles: of a window only those that it sees */
  check(heed_attention_new(&plan, &spec, mask));
  for (int repeat = 0; repeat < 2; repeat++) {
    double start = heed_seconds();
    check(heed_attention_forward(plan, &(heed_attention_inputs){.query = x, .key = x, .value = x},
                                 &(heed_attention_outputs){.out = out}));
    best = fmin(best, heed_seconds() - start);
  }
  *bytes = heed_attention_plan_cost(plan).bytes;
  heed_attention_free(plan);
  return best;
}

int main(int argc, char **argv) {
  int64_t longest = argc > 1 ? atol(argv[1]) : 1000;
  heed_mask mask;
  speak();
  check(heed_mask_window_blocks(&mask, UTTERANCES, ptr, SIDE, SIDE)); /* none looks into another's utterance */
  double alone = learn("", NULL), window = learn("M", &mask), full = learn("S", NULL);
  printf("which of %d sounds a frame is: alone %.3f, window of %d %.3f, all %d frames %.3f\n\n",
         SOUNDS, alone, 2 * SIDE + 1, window, FRAMES, full);
  heed_mask_free(&mask);
  printf("8 heads of 64, window of 257\n%8s %12s %12s %8s %22s\n", "frames", "full, ms",
         "window, ms", "faster", "memory of the plans, MB");
  for (int64_t n = 500; n <= longest && n > 0; n *= 2) {
    float *x = numbers(n * 512), *out = numbers(n * 512);
    size_t bytes[2];
    heed_mask masks[2];
    heed_random_normal(1, 0, x, n * 512, 0, 1);
    check(heed_mask_full(&masks[0], n, n));
    check(heed_mask_window(&masks[1], n, 128, 128));
    double all = seconds_of(&masks[0], x, out, &bytes[0]),
           near = seconds_of(&masks[1], x, out, &bytes[1]);
    printf("%8lld %12.2f %12.2f %7.1fx %10.1f and %.1f; all weights: %.0f\n", (long long)n,
           1e3 * all, 1e3 * near, all / near, (double)bytes[0] / 1e6, (double)bytes[1] / 1e6,
           (double)n * (double)n * 8 * 4 / 1e6);
    heed_mask_free(&masks[0]);
    heed_mask_free(&masks[1]);
    free(x);
    free(out);
  }
  return window < alone + 0.1 || window < full - 0.05;
}
