/* The kernels of the instruction set in use. */
#include <stdatomic.h>
#include <string.h>

#include "attention/problem.h"
#include "base/isa.h"
#include "config.h"

static const heed__kernels *const kernels_of[HEED__ISAS] = {
    [HEED__PORTABLE] = &heed__kernels_portable,
#ifdef HEED_HAVE_AVX2
    [HEED__AVX2] = &heed__kernels_avx2,
#endif
#ifdef HEED_HAVE_AVX512
    [HEED__AVX512] = &heed__kernels_avx512,
#endif
};

static _Atomic(const heed__kernels *) overridden;

const heed__kernels *heed__kernels_named(const char *isa) {
  for (int i = 0; i < HEED__ISAS; i++) {
    if (strcmp(isa, heed__isa_name((heed__isa)i)) != 0) continue;
    return heed__isa_there((heed__isa)i) ? kernels_of[i] : NULL;
  }
  return NULL;
}

const heed__kernels *heed__kernels_chosen(void) {
  const heed__kernels *kernels = atomic_load(&overridden);
  return kernels != NULL ? kernels : kernels_of[heed__isa_chosen()];
}

void heed__kernels_override(const heed__kernels *kernels) { atomic_store(&overridden, kernels); }

const char *heed_isa(void) { return heed__kernels_chosen()->isa; }
