/* OpenMP, or one thread without it. */
#ifndef HEED_SRC_BASE_THREADS_H
#define HEED_SRC_BASE_THREADS_H

#include <stdbool.h>
#ifdef _OPENMP
#include <omp.h>
#endif

/* From now on the calling thread works alone, or no longer: heed_threads() is 1 for it, so that its
 * parallel regions have one thread whatever OpenMP allows. For those who run many calls at once. Returns
 * what was before. */
bool heed__alone(bool on);

/* The number of the calling thread in its parallel region, from 0. */
static inline int heed__thread(void) {
#ifdef _OPENMP
  return omp_get_thread_num();
#else
  return 0;
#endif
}

#endif
