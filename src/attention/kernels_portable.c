/* The kernels with the vectors of simd_portable.h. */
#include <stdint.h>

#define KERNELS heed__kernels_portable
#define ISA "portable"
#include "attention/simd_portable.h"
/* Needs the vectors. */
#include "attention/kernels_body.h"
