#include <heed/data.h>
#include <string.h>

#include "fuzz/fuzz.h"

static void read_as(heed_npz *npz, const heed_array *array, heed_dtype dtype) {
  int64_t shape[HEED_NPZ_MAX_DIMS];
  for (int i = 0; i < HEED_NPZ_MAX_DIMS; i++) shape[i] = -1;
  void *data;
  if (heed_npz_read(npz, array->name, dtype, false, array->n_dims, shape, &data) != HEED_OK) return;
  PROMISE(memcmp(shape, array->shape, (size_t)array->n_dims * sizeof *shape) == 0);
  size_t bytes = dtype == HEED_DTYPE_FLOAT32 ? sizeof(float) : sizeof(int64_t);
  for (int i = 0; i < array->n_dims; i++) bytes *= (size_t)shape[i];
  /* All of it is there and can be written. */
  if (bytes > 0) memset(data, 1, bytes);
  heed_npz_free(data);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  const char *path = fuzz_file(bytes, size);
  size_t held = heed_memory_held();
  heed_npz *npz;
  if (heed_npz_open(&npz, path) == HEED_OK) {
    for (int i = 0; i < heed_npz_count(npz); i++) {
      read_as(npz, heed_npz_at(npz, i), HEED_DTYPE_FLOAT32);
      read_as(npz, heed_npz_at(npz, i), HEED_DTYPE_INT64);
    }
    heed_npz_close(npz);
  }
  /* Anything else is taken for a graph, which is fuzz_graph's. */
  heed_data *data;
  if (size > 4 && memcmp(bytes, "PK\x03\x04", 4) == 0 &&
      heed_data_open(&data, path, NULL) == HEED_OK) {
    const heed_csr *sparse = heed_data_sparse_features(data);
    PROMISE(heed_data_nodes(data) == igraph_vcount(heed_data_graph(data)));
    PROMISE(sparse == NULL || heed_csr_check(sparse) == HEED_OK);
    heed_data_free(data);
  }
  PROMISE(heed_memory_held() == held);
  return 0;
}
