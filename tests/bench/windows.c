/* Window attention against full attention, 8 heads of 64: sequences side by side, forward calls and forward with
 * backward, in turns. README.md tells of results.
 *
 *     windows SEQUENCES NODES REPEATS THREADS forward|both WIDTH...
 *
 * A window of WIDTH sees WIDTH / 2 nodes to either side. The first column of the answer is full attention within
 * each sequence; then each window: median in ms, and how many times as fast. */
#include <heed.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADS = 8, DIM = 64, WIDTH = HEADS * DIM, MOST = 8, MOST_REPEATS = 99 };

static void check(heed_status status) {
  if (status == HEED_OK) return;
  fprintf(stderr, "windows: %s\n", heed_message());
  exit(1);
}

static float *numbers(int64_t n, uint64_t stream) {
  void *x = NULL;
  if (posix_memalign(&x, 64, (size_t)n * sizeof(float)) != 0) exit(1);
  heed_random_normal(1, stream, x, n, 0, 1);
  return x;
}

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

int main(int argc, char **argv) {
  if (argc < 6 || argc - 6 >= MOST) {
    fprintf(stderr, "usage: windows SEQUENCES NODES REPEATS THREADS forward|both WIDTH...\n");
    return 2;
  }
  int64_t sequences = atol(argv[1]), length = atol(argv[2]), n = sequences * length;
  int repeats = atoi(argv[3]), masks = argc - 5;
  bool both = strcmp(argv[5], "both") == 0;
  if (sequences < 1 || length < 1 || repeats < 1 || repeats > MOST_REPEATS) return 2;
  check(heed_set_threads(atoi(argv[4])));
  int64_t *ptr = malloc((size_t)(sequences + 1) * sizeof *ptr);
  if (ptr == NULL) return 1;
  for (int64_t s = 0; s <= sequences; s++) ptr[s] = s * length;

  float *x[8]; /* query, key, value, out, gradients of each */
  for (uint64_t i = 0; i < 8; i++) x[i] = numbers(n * WIDTH, i);
  float *log_sum_exp = numbers(n * HEADS, 8);
  const heed_attention_inputs in = {.query = x[0], .key = x[1], .value = x[2]};
  const heed_attention_outputs to = {.out = x[3], .log_sum_exp = log_sum_exp};
  const heed_attention_gradients gradients = {.out = x[3], .log_sum_exp = log_sum_exp, .d_out = x[7],
                                              .query = x[4], .key = x[5], .value = x[6]};
  heed_attention_spec spec = heed_attention_spec_default(HEADS, DIM);
  spec.kernel = HEED_KERNEL_DENSE;
  heed_attention *plans[MOST];
  heed_mask of[MOST];
  static double seconds[MOST][MOST_REPEATS];
  size_t bytes[MOST];
  for (int m = 0; m < masks; m++) {
    int64_t side = m == 0 ? 0 : atol(argv[5 + m]) / 2;
    if (m > 0) check(heed_mask_window_blocks(&of[m], sequences, ptr, side, side));
    else if (sequences > 1) check(heed_mask_blocks(&of[m], sequences, ptr, ptr));
    else check(heed_mask_full(&of[m], n, n));
    size_t before = heed_memory_held();
    check(heed_attention_new(&plans[m], &spec, &of[m]));
    if (both) check(heed_attention_prepare_backward(plans[m], NULL, NULL));
    bytes[m] = heed_memory_held() - before;
  }
  for (int r = 0; r < repeats; r++) {
    for (int m = 0; m < masks; m++) {
      double start = heed_seconds();
      check(heed_attention_forward(plans[m], &in, &to));
      if (both) check(heed_attention_backward(plans[m], &in, &gradients));
      seconds[m][r] = heed_seconds() - start;
    }
  }
  printf("%lld x %lld %s:", (long long)sequences, (long long)length, argv[5]);
  for (int m = 0; m < masks; m++) {
    qsort(seconds[m], (size_t)repeats, sizeof **seconds, by_size);
    double full = seconds[0][repeats / 2], own = seconds[m][repeats / 2];
    printf("  %s %.1f ms", m == 0 ? "full" : argv[5 + m], 1e3 * own);
    if (m > 0) printf(" (%.1f)", full / own);
    printf(", %.1f MB", (double)bytes[m] / 1e6);
    heed_attention_free(plans[m]);
    heed_mask_free(&of[m]);
  }
  printf("\n");
  for (int i = 0; i < 8; i++) free(x[i]);
  free(log_sum_exp);
  free(ptr);
  return 0;
}
