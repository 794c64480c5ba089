/* The Heed side of bert.py: reads sequences of token ids, encodes them again and again, and writes what came out.
 *
 *     bert FOLDER REPEATS BATCH OUT < ids
 *
 * Writes the tokens' vectors and the unit embeddings as floats to OUT; prints the median seconds of a whole run over
 * all sequences, BATCH at a time. */
#include <heed/sequence.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TOKENS = 1 << 20, MOST_SEQUENCES = 1 << 14, MOST_REPEATS = 100 };

static int64_t ptr[MOST_SEQUENCES + 1];
static int32_t tokens[MOST_TOKENS];
static char line[1 << 16];

static void check(heed_status status) {
  if (status == HEED_OK) return;
  fprintf(stderr, "bert: %s\n", heed_message());
  exit(1);
}

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void encode(heed_bert *bert, int64_t sequences, int64_t batch, heed_bert_output output,
                   float *into) {
  int64_t own[MOST_SEQUENCES + 1], width = heed_bert_get_sizes(bert).hidden;
  for (int64_t s = 0; s < sequences; s += batch) {
    int64_t n = sequences - s < batch ? sequences - s : batch;
    for (int64_t i = 0; i <= n; i++) own[i] = ptr[s + i] - ptr[s];
    check(heed_bert_encode(bert, n, own, tokens + ptr[s], NULL, output, into));
    into += (output == HEED_BERT_TOKENS ? own[n] : n) * width;
  }
}

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  int64_t sequences = 0, n = 0;
  while (sequences < MOST_SEQUENCES && fgets(line, sizeof line, stdin) != NULL) {
    char *end;
    for (char *at = line; n < MOST_TOKENS; at = end) {
      long id = strtol(at, &end, 10);
      if (end == at) break;
      tokens[n++] = (int32_t)id;
    }
    ptr[++sequences] = n;
  }
  heed_bert *bert;
  check(heed_bert_read(&bert, argv[1], 0));
  int repeats = atoi(argv[2]), batch = atoi(argv[3]);
  int64_t width = heed_bert_get_sizes(bert).hidden;
  double seconds[MOST_REPEATS];
  float *x = malloc((size_t)(n * width + 1) * sizeof *x);
  float *units = malloc((size_t)(sequences * width + 1) * sizeof *units);
  if (x == NULL || units == NULL || repeats < 1 || repeats > MOST_REPEATS || batch < 1) return 2;
  encode(bert, sequences, batch, HEED_BERT_TOKENS, x);
  for (int r = 0; r < repeats; r++) {
    double before = heed_seconds();
    encode(bert, sequences, batch, HEED_BERT_UNIT, units);
    seconds[r] = heed_seconds() - before;
  }
  qsort(seconds, (size_t)repeats, sizeof *seconds, by_size);
  printf("%.6f\n", seconds[repeats / 2]);
  FILE *out = fopen(argv[4], "wb");
  if (out == NULL) return 1;
  size_t wrote = fwrite(x, sizeof *x, (size_t)(n * width), out) +
                 fwrite(units, sizeof *units, (size_t)(sequences * width), out);
  heed_bert_free(bert);
  free(x);
  free(units);
  return fclose(out) == 0 && wrote == (size_t)((n + sequences) * width) ? 0 : 1;
}
