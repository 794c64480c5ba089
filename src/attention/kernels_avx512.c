/* The kernels with the vectors of simd_avx512.h. */
#include <stdint.h>

#include "config.h"

#ifdef HEED_HAVE_AVX512
#define KERNELS heed__kernels_avx512
#define ISA "avx512"
#include "attention/simd_avx512.h"
/* Needs the vectors. */
#include "attention/kernels_body.h"
#else
typedef int heed__no_avx512;
#endif
