/* The loops with AVX2. */
#include "config.h"

#ifdef HEED_HAVE_AVX2
#define LANES 8
#define LOOPS heed__loops_avx2
#include "matrix/loops_body.h"
#else
typedef int heed__no_loops_avx2;
#endif
