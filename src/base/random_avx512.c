/* Random numbers in bulk, with AVX512. */
#include "config.h"

#ifdef HEED_HAVE_AVX512
#define MANY heed__random_many_avx512
#include "base/random_body.h"
#else
typedef int heed__no_random_avx512;
#endif
