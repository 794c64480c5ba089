#include <heed/matrix.h>

#include "base/names.h"
#include "base/status.h"

static const char *const activations[] = {"none", "relu", "leaky-relu", "elu", "gelu",
                                          "tanh"};
enum { ACTIVATIONS = sizeof activations / sizeof *activations };

const char *heed_activation_name(heed_activation activation) {
  return (unsigned)activation < ACTIVATIONS ? activations[activation] : "?";
}

heed_status heed_activation_from_name(const char *name, heed_activation *activation) {
  int i = heed__name_index(activations, ACTIVATIONS, name);
  if (i < 0) {
    return heed__fail(HEED_ARGUMENT, "no activation '%s': none, relu, leaky-relu, elu, gelu or tanh",
                      name);
  }
  *activation = (heed_activation)i;
  return HEED_OK;
}
