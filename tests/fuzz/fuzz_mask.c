#include <heed/mask.h>
#include <string.h>

#include "fuzz/fuzz.h"

enum { TEXT_BYTES = 256, NODES = 12 };

/* The first byte says how the nodes are divided into sets; the others are the expression. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  char text[TEXT_BYTES];
  if (size == 0 || size > sizeof text) return 0;
  memcpy(text, bytes + 1, size - 1);
  text[size - 1] = '\0';
  int64_t ptr[] = {0, 4, 4, NODES};
  float x[NODES] = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8};
  heed_matrix features = heed_matrix_view(x, NODES, 1);
  heed_mask window, graph, mask;
  size_t held = heed_memory_held();
  PROMISE(heed_mask_dilated(&window, NODES, 2, 4, 2) == HEED_OK);
  PROMISE(heed_mask_self_loops(&graph, &window, (heed_loops)(bytes[0] / 4 % 3)) == HEED_OK);
  heed_mask_context context = {.n_queries = NODES,
                               .n_keys = NODES,
                               .graph = bytes[0] & 1 ? &window : &graph,
                               .features = &features,
                               .grid_axes = 2,
                               .grid = {3, 4},
                               .n_sets = bytes[0] & 2 ? 3 : 0,
                               .set_ptr = ptr};
  heed_mask_needs needs;
  heed_status checked = heed_mask_expression_check(text, &needs);
  heed_status made = heed_mask_from_expression(&mask, text, &context);
  PROMISE(checked == HEED_OK || made == checked);
  if (made == HEED_OK) {
    PROMISE(heed_mask_check(&mask) == HEED_OK);
    PROMISE(needs.edges || mask.edge_ids == NULL);
    heed_mask_free(&mask);
  }
  PROMISE(mask.owned == NULL);
  heed_mask_free(&graph);
  heed_mask_free(&window);
  PROMISE(heed_memory_held() == held);
  return 0;
}
