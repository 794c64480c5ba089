#include <heed/matrix.h>
#include <string.h>

#include "base/status.h"

static const char *const activations[] = {"none", "relu", "leaky-relu", "elu", "gelu"};
enum { ACTIVATIONS = sizeof activations / sizeof *activations };

const char *heed_activation_name(heed_activation activation) {
  return (unsigned)activation < ACTIVATIONS ? activations[activation] : "?";
}

heed_status heed_activation_from_name(const char *name, heed_activation *activation) {
  for (int i = 0; i < ACTIVATIONS; i++) {
    if (strcmp(activations[i], name) != 0) continue;
    *activation = (heed_activation)i;
    return HEED_OK;
  }
  return heed__fail(HEED_ARGUMENT, "no activation '%s': none, relu, leaky-relu, elu or gelu", name);
}
