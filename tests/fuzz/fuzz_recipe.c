#include <ctype.h>
#include <heed/graph.h>
#include <string.h>

#include "fuzz/fuzz.h"

enum { TEXT_BYTES = 80, RUN = 3, DIGITS = 6, DICTIONARY_DIGITS = 4 };

/* Whether its numbers are so short, and so few of them are whole, that the graph is small. */
static bool is_small(const char *text) {
  int run = 0, digits = 0;
  bool whole = true;
  int most = strncmp(text, "dictionary", 10) == 0 ? DICTIONARY_DIGITS : DIGITS; /* k is squared */
  for (const char *c = text; *c != '\0'; c++) {
    if (!isdigit((unsigned char)*c)) {
      /* A power of ten, or of two in hexadecimal. */
      if (run > 0 && strchr("eEpPXaAbBcCdDfF", *c) != NULL) return false;
      run = 0;
      whole = *c != '.';
      continue;
    }
    run++;
    digits += whole;
    if ((whole && run > RUN) || digits > most) return false;
  }
  return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  char text[TEXT_BYTES];
  if (size >= sizeof text) return 0;
  memcpy(text, bytes, size);
  text[size] = '\0';
  if (!is_small(text)) return 0;
  size_t held = heed_memory_held();
  igraph_t graph;
  if (heed_graph_generate(&graph, text, 1) == HEED_OK) {
    heed_graph_summary summary;
    PROMISE(heed_graph_summarise(&graph, &summary) == HEED_OK);
    PROMISE(summary.nodes == igraph_vcount(&graph));
    heed_graph_destroy(&graph);
  }
  PROMISE(heed_memory_held() == held);
  return 0;
}
