/* OpenMP, or one thread without it. */
#ifndef HEED_SRC_BASE_THREADS_H
#define HEED_SRC_BASE_THREADS_H

#ifdef _OPENMP
#include <omp.h>
#endif

/* The number of the calling thread in its parallel region, from 0. */
static inline int heed__thread(void) {
#ifdef _OPENMP
  return omp_get_thread_num();
#else
  return 0;
#endif
}

#endif
