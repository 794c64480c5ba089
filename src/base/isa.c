#include "base/isa.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

static const char *const names[HEED__ISAS] = {"portable", "avx2", "avx512"};
static heed__isa chosen;
static atomic_int overridden = HEED__ISAS;

const char *heed__isa_name(heed__isa isa) { return names[isa]; }

bool heed__isa_there(heed__isa isa) {
#ifdef HEED_HAVE_AVX512
  if (isa == HEED__AVX512) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  }
#endif
#ifdef HEED_HAVE_AVX2
  if (isa == HEED__AVX2) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
  return isa == HEED__PORTABLE;
}

static void choose(void) {
  const char *wish = getenv("HEED_ISA");
  for (int isa = 0; isa < HEED__ISAS; isa++) { /* the best comes last */
    if (!heed__isa_there((heed__isa)isa)) continue;
    chosen = (heed__isa)isa;
  }
  for (int isa = 0; wish != NULL && isa < HEED__ISAS; isa++) {
    if (strcmp(names[isa], wish) == 0 && heed__isa_there((heed__isa)isa)) chosen = (heed__isa)isa;
  }
}

heed__isa heed__isa_chosen(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  int isa = atomic_load_explicit(&overridden, memory_order_relaxed);
  if (isa != HEED__ISAS) return (heed__isa)isa;
  pthread_once(&once, choose);
  return chosen;
}

void heed__isa_override(heed__isa isa) { atomic_store(&overridden, (int)isa); }
