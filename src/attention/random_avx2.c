/* Random numbers in bulk, with AVX2. */
#include "config.h"

#ifdef HEED_HAVE_AVX2
#include <immintrin.h>
#include <stdint.h>

#define LANES 8
#define MANY heed__random_many_avx2
#define KEEP heed__random_keep_avx2
typedef uint64_t wide __attribute__((vector_size(32)));
static inline wide wide_product(wide a, wide b) {
  return (wide)_mm256_mul_epu32((__m256i)a, (__m256i)b);
}
static inline wide upper(wide x) { return (wide)_mm256_shuffle_epi32((__m256i)x, 0xf5); }
static inline uint32_t keeps(wide x, uint32_t limit) {
  __m256i more = _mm256_cmpgt_epi32((__m256i)x, _mm256_set1_epi32((int)limit - 1));
  return (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(more));
}
/* Needs the vectors. */
#include "attention/random_body.h"
#else
typedef int heed__no_random_avx2;
#endif
