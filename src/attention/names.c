#include <heed/attention.h>

#include "base/names.h"
#include "base/status.h"

static const char *const scores[] = {"dot", "gat", "gatv2", "additive"};
static const char *const kernels[] = {"auto", "sparse", "dense", "reference"};
static const char *const normalizers[] = {"softmax", "relu", "sigmoid", "linear"};
enum { NORMALIZERS = sizeof normalizers / sizeof *normalizers };
static const char *const storages[] = {"float", "bfloat16"};
enum { STORAGES = sizeof storages / sizeof *storages };
enum { SCORES = sizeof scores / sizeof *scores, KERNELS = sizeof kernels / sizeof *kernels };

const char *heed_score_name(heed_score score) {
  return (unsigned)score < SCORES ? scores[score] : "?";
}

heed_status heed_score_from_name(const char *name, heed_score *score) {
  int i = heed__name_index(scores, SCORES, name);
  if (i < 0) {
    return heed__fail(HEED_ARGUMENT, "no score function '%s': dot, gat, gatv2 or additive", name);
  }
  *score = (heed_score)i;
  return HEED_OK;
}

const char *heed_kernel_name(heed_kernel kernel) {
  return (unsigned)kernel < KERNELS ? kernels[kernel] : "?";
}

heed_status heed_kernel_from_name(const char *name, heed_kernel *kernel) {
  int i = heed__name_index(kernels, KERNELS, name);
  if (i < 0) {
    return heed__fail(HEED_ARGUMENT, "no kernel '%s': auto, sparse, dense or reference", name);
  }
  *kernel = (heed_kernel)i;
  return HEED_OK;
}

const char *heed_normalizer_name(heed_normalizer normalizer) {
  return (unsigned)normalizer < NORMALIZERS ? normalizers[normalizer] : "?";
}

heed_status heed_normalizer_from_name(const char *name, heed_normalizer *normalizer) {
  int i = heed__name_index(normalizers, NORMALIZERS, name);
  if (i < 0) {
    return heed__fail(HEED_ARGUMENT, "no normalizer '%s': softmax, relu, sigmoid or linear", name);
  }
  *normalizer = (heed_normalizer)i;
  return HEED_OK;
}

const char *heed_storage_name(heed_storage storage) {
  return (unsigned)storage < STORAGES ? storages[storage] : "?";
}

heed_status heed_storage_from_name(const char *name, heed_storage *storage) {
  int i = heed__name_index(storages, STORAGES, name);
  if (i < 0) return heed__fail(HEED_ARGUMENT, "no storage '%s': float or bfloat16", name);
  *storage = (heed_storage)i;
  return HEED_OK;
}
