/* Random numbers in bulk, with AVX2. */
#include "config.h"

#ifdef HEED_HAVE_AVX2
#define MANY heed__random_many_avx2
#include "base/random_body.h"
#else
typedef int heed__no_random_avx2;
#endif
