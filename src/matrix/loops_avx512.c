/* The loops with AVX512. */
#include "config.h"

#ifdef HEED_HAVE_AVX512
#define LANES 16
#define LOOPS heed__loops_avx512
#include "matrix/loops_body.h"
#else
typedef int heed__no_loops_avx512;
#endif
