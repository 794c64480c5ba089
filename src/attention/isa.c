/* Which kernels run: the best the processor has, or what HEED_ISA names. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "attention/problem.h"
#include "config.h"

static const heed__kernels *chosen;
static _Atomic(const heed__kernels *) overridden;

const heed__kernels *heed__kernels_named(const char *isa) {
#ifdef HEED_HAVE_AVX512
  if (strcmp(isa, "avx512") == 0 && __builtin_cpu_supports("avx512f") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl")) {
    return &heed__kernels_avx512;
  }
#endif
#ifdef HEED_HAVE_AVX2
  if (strcmp(isa, "avx2") == 0 && __builtin_cpu_supports("avx2") &&
      __builtin_cpu_supports("fma")) {
    return &heed__kernels_avx2;
  }
#endif
  return strcmp(isa, "portable") == 0 ? &heed__kernels_portable : NULL;
}

static void choose(void) {
  const char *wish = getenv("HEED_ISA");
  if (wish != NULL) chosen = heed__kernels_named(wish);
  if (chosen == NULL) chosen = heed__kernels_named("avx512");
  if (chosen == NULL) chosen = heed__kernels_named("avx2");
  if (chosen == NULL) chosen = &heed__kernels_portable;
}

const heed__kernels *heed__kernels_chosen(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  const heed__kernels *kernels = atomic_load(&overridden);
  if (kernels != NULL) return kernels;
  pthread_once(&once, choose);
  return chosen;
}

void heed__kernels_override(const heed__kernels *kernels) { atomic_store(&overridden, kernels); }

const char *heed_isa(void) { return heed__kernels_chosen()->isa; }
