/* "I saw a saw": which of the two is the verb? A tagger that looks at one word at a time gives both
 * the same tag, for they are the same word. Attention over the sentence alone cannot tell them
 * apart either: to it a sentence is a set of words. With positions it can. */
#include <heed.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PRONOUN, VERB, ARTICLE, NOUN, TAGS };
static const char *const tags[TAGS] = {"pronoun", "verb", "article", "noun"};
static const char *const words[] = {"I",    "you", "we",  "saw", "like",
                                    "hold", "a",   "the", "dog", "nail"};
enum { WORDS = sizeof words / sizeof *words, LONGEST = 5, MOST = 4000 };

/* The words of each tag; "saw", number 3, is a verb and a noun. */
static const int of_tag[TAGS][3] = {{0, 1, 2}, {3, 4, 5}, {6, 7, 6}, {3, 8, 9}};
static const int counts[TAGS] = {3, 3, 2, 3};

static int64_t n_nodes, n_sentences, n_tests, ptr[MOST];
static float features[MOST * WORDS];
static int32_t labels[MOST];
static uint8_t train[MOST], test[MOST];

static void check(heed_status status) {
  if (status == HEED_OK) return;
  fprintf(stderr, "saw: %s\n", heed_message());
  exit(1);
}

/* Every sentence of a pattern of tags. Those with "saw" twice that speak of "I" are for the test,
 * the others to learn from. */
static void sentences(const int *pattern, int length) {
  int at[LONGEST] = {0};
  for (;;) {
    int saws = 0;
    bool of_me = false;
    for (int w = 0; w < length; w++) {
      saws += of_tag[pattern[w]][at[w]] == 3;
      of_me = of_me || of_tag[pattern[w]][at[w]] == 0;
    }
    n_tests += saws >= 2 && of_me;
    for (int w = 0; w < length; w++, n_nodes++) {
      features[n_nodes * WORDS + of_tag[pattern[w]][at[w]]] = 1;
      labels[n_nodes] = pattern[w];
      test[n_nodes] = saws >= 2 && of_me;
      train[n_nodes] = !test[n_nodes];
    }
    ptr[++n_sentences] = n_nodes;
    int w = 0;
    while (w < length && ++at[w] == counts[pattern[w]]) at[w++] = 0;
    if (w == length) return;
  }
}

/* Learns, says what it makes of the sentence that begins at node `first`, and whether the saws
 * differ. */
static bool tell(const char *what, heed_model_kind kind, int64_t positions, int64_t first,
                 double *accuracy) {
  heed_matrix x = heed_matrix_view(features, n_nodes, WORDS);
  heed_task task = {
      .inputs = {.n_nodes = n_nodes, .dense = &x, .n_graphs = n_sentences, .graph_ptr = ptr},
      .targets = {.labels = labels},
      .train = train,
      .validation = train,
      .test = test};
  heed_model_spec spec = heed_model_spec_default(kind);
  spec.features = WORDS;
  spec.outputs = TAGS;
  spec.hidden = 16;
  spec.heads = 2;
  spec.dropout = spec.attention_dropout = 0;
  spec.residual = true;
  spec.positions = positions;
  if (kind == HEED_MODEL_TRANSFORMER) memcpy(spec.blocks, "SS", sizeof "SS"), spec.layers = 2;
  heed_fit_spec fit = heed_fit_spec_default();
  fit.epochs = 150;
  fit.optimizer.rate = 0.01f;
  heed_model *model;
  heed_trainer *trainer;
  heed_run run;
  check(heed_model_build(&model, &spec, 1));
  check(heed_trainer_new(&trainer, model, &task, &fit, 1));
  check(heed_fit(trainer, NULL, NULL, &run));
  heed_trainer_free(trainer);

  heed_pass *pass;
  heed_matrix output;
  int said[4];
  check(heed_pass_new(&pass, model, &task.inputs, false));
  check(heed_pass_forward(pass, HEED_MODE_EVALUATE, 0, 0, &output));
  printf("%-32s", what);
  for (int w = 0; w < 4; w++) {
    const float *row = output.data + (first + w) * output.stride;
    said[w] = 0;
    for (int t = 1; t < TAGS; t++) said[w] = row[t] > row[said[w]] ? t : said[w];
    printf(" %-8s", tags[said[w]]);
  }
  *accuracy = run.test;
  printf(" %5.1f%% of the words of those\n", 100 * run.test);
  heed_pass_free(pass);
  heed_model_free(model);
  return said[1] != said[3];
}

int main(void) {
  static const int plain[] = {PRONOUN, VERB, ARTICLE, NOUN},
                   long_one[] = {ARTICLE, NOUN, VERB, ARTICLE, NOUN},
                   turned[] = {ARTICLE, NOUN, VERB, PRONOUN};
  sentences(plain, 4);
  sentences(long_one, 5);
  sentences(turned, 4);
  int64_t first = 0; /* the first sentence of the first pattern with two saws: "I saw a saw" */
  while (!test[first]) first++;
  check(heed_set_threads(1)); /* sentences are too short to share */
  printf("%lld sentences; %lld with two saws and an I are not learnt from\n\n",
         (long long)n_sentences, (long long)n_tests);
  printf("%-32s %-8s %-8s %-8s %-8s\n", "", words[0], words[3], words[6], words[3]);
  double alone, set, order;
  bool by_word = tell("each word alone", HEED_MODEL_MLP, 0, first, &alone);
  bool by_set = tell("attention, no positions", HEED_MODEL_TRANSFORMER, 0, first, &set);
  bool by_order = tell("attention and positions", HEED_MODEL_TRANSFORMER, LONGEST, first, &order);
  return by_word || by_set || !by_order || order <= set;
}
