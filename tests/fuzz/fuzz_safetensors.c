#include <heed/data.h>
#include <string.h>

#include "fuzz/fuzz.h"

enum { MOST_NUMBERS = 1 << 16 };

static void read_tensor(heed_safetensors *file, const heed_array *array) {
  static float into[MOST_NUMBERS];
  int64_t n = 1;
  for (int i = 0; i < array->n_dims; i++) n *= array->shape[i] == 0 ? 0 : 1;
  for (int i = 0; i < array->n_dims && n > 0; i++) {
    PROMISE(!__builtin_mul_overflow(n, array->shape[i], &n));
  }
  if (n > MOST_NUMBERS) return; /* the file is not that long: never */
  if (heed_safetensors_read(file, array->name, into, n) != HEED_OK) return;
  PROMISE(heed_check_finite(into, n, array->name) == HEED_OK);
  PROMISE(heed_safetensors_read(file, array->name, into, n + 1) == HEED_SHAPE);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  size_t held = heed_memory_held();
  heed_safetensors *file;
  if (heed_safetensors_open(&file, fuzz_file(bytes, size)) == HEED_OK) {
    for (int i = 0; i < heed_safetensors_count(file); i++) {
      const heed_array *array = heed_safetensors_at(file, i);
      PROMISE(heed_safetensors_find(file, array->name) == array);
      read_tensor(file, array);
    }
    (void)heed_safetensors_metadata(file, "format");
    heed_safetensors_close(file);
  }
  PROMISE(heed_memory_held() == held);
  return 0;
}
