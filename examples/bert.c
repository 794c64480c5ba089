/* Token ids in, sentence embeddings out, of a BERT encoder as it is published. The ids come from the tokenizer of the
 * encoder; one sequence a line, here or on the standard input:
 *
 *     bert [FOLDER < ids]
 *
 * FOLDER has model.safetensors and config.json. Without one a tiny encoder with random weights runs on three
 * lines of its own. Printed are the embeddings' first numbers and how much the sentences are alike (the
 * cosine, for embeddings are of length 1). */
#include <heed.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TOKENS = 1 << 16, MOST_SEQUENCES = 1 << 10, SHOWN = 6 };

static void check(heed_status status) {
  if (status == HEED_OK) return;
  fprintf(stderr, "bert: %s\n", heed_message());
  exit(1);
}

typedef struct batch {
  int64_t sequences;
  int64_t ptr[MOST_SEQUENCES + 1];
  int32_t tokens[MOST_TOKENS];
} batch;

/* Adds the ids of a line. */
static void add_line(batch *b, const char *line) {
  int64_t n = b->ptr[b->sequences];
  char *end;
  for (const char *at = line;; at = end) {
    long id = strtol(at, &end, 10);
    if (end == at) break;
    if (n == MOST_TOKENS || id < 0 || id > INT32_MAX) {
      fprintf(stderr, "bert: line %lld: id %ld of token %lld\n", (long long)b->sequences + 1, id,
              (long long)n);
      exit(1);
    }
    b->tokens[n++] = (int32_t)id;
  }
  if (end[strspn(end, " \t\r\n")] != '\0' || b->sequences == MOST_SEQUENCES) {
    fprintf(stderr, "bert: line %lld: not ids, or one line too many\n", (long long)b->sequences + 1);
    exit(1);
  }
  b->ptr[++b->sequences] = n;
}

int main(int argc, char **argv) {
  static batch b;
  static char line[1 << 16];
  static const char *const own[] = {"2 11 7 29 3", "2 11 7 28 3", "2 5 5 19 20 21 8 3"};
  heed_bert *bert;
  check(heed_bert_read(&bert, argc > 1 ? argv[1] : EXAMPLE_BERT, 0)); /* 0: config.json tells the heads */
  heed_bert_sizes sizes = heed_bert_get_sizes(bert);
  printf("%d layers of width %lld, %d heads, %lld tokens, %lld positions\n", (int)sizes.layers,
         (long long)sizes.hidden, (int)sizes.heads, (long long)sizes.embedding.tokens,
         (long long)sizes.embedding.positions);
  if (argc > 1) {
    while (fgets(line, sizeof line, stdin) != NULL) add_line(&b, line);
  } else {
    for (int i = 0; i < 3; i++) add_line(&b, own[i]);
  }

  int64_t width = sizes.hidden;
  float *x = malloc((size_t)(b.sequences * width + 1) * sizeof *x);
  if (x == NULL) return 1;
  /* No padding: the batch is as long as its sequences together, and each sees itself alone. */
  check(heed_bert_encode(bert, b.sequences, b.ptr, b.tokens, NULL, HEED_BERT_UNIT, x));
  for (int64_t s = 0; s < b.sequences; s++) {
    printf("sentence %lld, %3lld tokens:", (long long)s + 1, (long long)(b.ptr[s + 1] - b.ptr[s]));
    for (int64_t j = 0; j < SHOWN && j < width; j++) printf(" %7.4f", (double)x[s * width + j]);
    printf(" ...  alike:");
    for (int64_t t = 0; t < b.sequences && t < SHOWN; t++) {
      double sum = 0;
      for (int64_t j = 0; j < width; j++) sum += (double)x[s * width + j] * (double)x[t * width + j];
      printf(" %6.3f", sum);
    }
    putchar('\n');
  }
  free(x);
  heed_bert_free(bert);
  return 0;
}
