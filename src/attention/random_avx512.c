/* Random numbers in bulk, with AVX-512. */
#include "config.h"

#ifdef HEED_HAVE_AVX512
#include <immintrin.h>
#include <stdint.h>

#define LANES 16
#define MANY heed__random_many_avx512
typedef uint64_t wide __attribute__((vector_size(64)));
static inline wide wide_product(wide a, wide b) {
  return (wide)_mm512_mul_epu32((__m512i)a, (__m512i)b);
}
/* Needs the vectors. */
#include "attention/random_body.h"
#else
typedef int heed__no_random_avx512;
#endif
