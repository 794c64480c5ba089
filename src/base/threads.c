#include "base/threads.h"

#include <heed/base.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/status.h"

enum { MOST_THREADS = 65536 };

static atomic_int threads_asked; /* 0: as OpenMP says */
static _Thread_local bool alone;

bool heed__alone(bool on) {
  bool before = alone;
  alone = on;
  return before;
}

heed_status heed_set_threads(int threads) {
  if (threads < 0 || threads > MOST_THREADS) {
    return heed__fail(HEED_ARGUMENT, "%d threads: not between 0 and %d", threads, MOST_THREADS);
  }
  atomic_store(&threads_asked, threads);
  return HEED_OK;
}

int heed_threads(void) {
  if (alone) return 1;
#ifdef _OPENMP
  int asked = atomic_load(&threads_asked);
  return asked > 0 ? asked : omp_get_max_threads();
#else
  return 1;
#endif
}
