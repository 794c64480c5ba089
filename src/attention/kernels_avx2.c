/* The kernels with the vectors of simd_avx2.h. */
#include <stdint.h>

#include "config.h"

#ifdef HEED_HAVE_AVX2
#define KERNELS heed__kernels_avx2
#define ISA "avx2"
#include "attention/simd_avx2.h"
/* Needs the vectors. */
#include "attention/kernels_body.h"
#else
typedef int heed__no_avx2;
#endif
