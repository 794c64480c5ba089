#include <heed/graph.h>

#include "fuzz/fuzz.h"

/* The first byte chooses: 0 lets the library tell the format. smoke.sh counts on this order. */
static const char *const formats[] = {NULL,     "graphml", "gml",  "pajek",    "dl",
                                      "dimacs", "lgl",     "ncol", "edgelist", "graphdb"};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  if (size == 0) return 0;
  const size_t n_formats = sizeof formats / sizeof *formats;
  const char *format = formats[bytes[0] % n_formats];
  bool directed = bytes[0] / n_formats % 2 == 1;
  size_t held = heed_memory_held();
  igraph_t graph;
  if (heed_graph_read(&graph, fuzz_file(bytes + 1, size - 1), format, directed) == HEED_OK) {
    heed_mask mask;
    if (heed_mask_from_graph(&mask, &graph, HEED_DIRECTION_IN, HEED_LOOPS_ADD) == HEED_OK) {
      PROMISE(heed_mask_check(&mask) == HEED_OK);
      heed_mask_free(&mask);
    }
    heed_graph_destroy(&graph);
  }
  PROMISE(heed_memory_held() == held);
  return 0;
}
