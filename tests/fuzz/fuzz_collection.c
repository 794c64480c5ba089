/* Collections. The first byte says what the others are: a table, an SDF, or the files of a
 * TUDataset folder, one behind the other with a byte 0x1e between. */
#include <heed/data.h>
#include <string.h>

#include "fuzz/fuzz.h"

static const char *const files[] = {"graph_indicator", "graph_labels",    "A",
                                    "node_labels",     "edge_labels",     "node_attributes",
                                    "edge_attributes", "graph_attributes"};
enum { FILES = sizeof files / sizeof *files };

static char folder[64], paths[FILES][128];

static void remove_folder(void) {
  for (int i = 0; i < FILES; i++) (void)unlink(paths[i]);
  (void)rmdir(folder);
}

/* Writes the files that there are. */
static void put_files(const uint8_t *bytes, size_t size) {
  if (folder[0] == '\0') {
    strcpy(folder, "/tmp/heed-fuzz-XXXXXX");
    PROMISE(mkdtemp(folder) != NULL);
    for (int i = 0; i < FILES; i++)
      snprintf(paths[i], sizeof *paths, "%s/X_%s.txt", folder, files[i]);
    PROMISE(atexit(remove_folder) == 0);
  }
  for (int i = 0; i < FILES; i++) {
    const uint8_t *end = size == 0 ? NULL : memchr(bytes, 0x1e, size);
    size_t n = end == NULL ? size : (size_t)(end - bytes);
    (void)unlink(paths[i]);
    if (n > 0) {
      FILE *file = fopen(paths[i], "wb");
      PROMISE(file != NULL);
      PROMISE(fwrite(bytes, 1, n, file) == n);
      PROMISE(fclose(file) == 0);
    }
    bytes += end == NULL ? n : n + 1;
    size -= end == NULL ? n : n + 1;
  }
}

/* All that a collection promises of itself: heed_collection_new() checks the same. */
static void check(heed_collection *c) {
  int64_t graphs = heed_collection_graphs(c);
  PROMISE(graphs >= 1);
  heed_collection_arrays arrays = {.n_graphs = graphs,
                                   .graph_ptr = heed_collection_graph_ptr(c),
                                   .features = *heed_collection_node_matrix(c),
                                   .n_edges = heed_collection_edge_count(c),
                                   .edges = heed_collection_edges(c),
                                   .kind = heed_collection_kind(c),
                                   .labels = heed_collection_labels(c)};
  if (heed_collection_edge_matrix(c) != NULL)
    arrays.edge_features = *heed_collection_edge_matrix(c);
  if (heed_collection_values(c) != NULL) arrays.values = *heed_collection_values(c);
  heed_collection *again;
  PROMISE(heed_collection_new(&again, &arrays) == HEED_OK);
  heed_collection_free(again);
  for (int64_t g = 0; g < graphs; g++) PROMISE(heed_collection_name(c, g) != NULL);
  for (int64_t t = 0; t < heed_collection_outputs(c); t++) {
    PROMISE(heed_collection_target_name(c, t) != NULL);
  }
  for (int64_t k = 0; k < heed_collection_features(c); k++) {
    PROMISE(heed_collection_feature_name(c, false, k) != NULL);
  }
  heed_mask mask;
  heed_batch *batch;
  PROMISE(heed_collection_mask(c, &mask) == HEED_OK);
  PROMISE(heed_batch_new(&batch, c, &(heed_model_inputs){.mask = &mask}, 2) == HEED_OK);
  for (int64_t g = 0; g < graphs; g++) PROMISE(heed_batch_take(batch, &g, 1) == HEED_OK);
  heed_batch_free(batch);
  heed_mask_free(&mask);
  heed_collection_split_options options = {.splits = 2, .train = 0.5, .validation = 0.2};
  PROMISE(heed_collection_split(c, &options) == HEED_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  if (size == 0) return 0;
  heed_collection_options options = {.skip_bad = (bytes[0] & 4) != 0,
                                     .kind = (heed_target_kind)(bytes[0] >> 3 & 3)};
  const char *source = folder;
  size_t held = heed_memory_held();
  if ((bytes[0] & 3) == 2) {
    options.format = "tudataset";
    put_files(bytes + 1, size - 1);
  } else {
    options.format = (bytes[0] & 3) == 1 ? "sdf" : "csv";
    source = fuzz_file(bytes + 1, size - 1);
  }
  heed_collection *c;
  if (heed_collection_open(&c, source, &options) == HEED_OK) {
    check(c);
    heed_collection_free(c);
  } else {
    PROMISE(c == NULL);
    PROMISE(heed_message()[0] != '\0');
  }
  PROMISE(heed_memory_held() == held);
  return 0;
}
