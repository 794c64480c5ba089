/* Random numbers in bulk, with AVX2. */
#include "config.h"

#ifdef HEED_HAVE_AVX2
#include <immintrin.h>
#include <stdint.h>

#define LANES 8
#define KEEP heed__random_keep_avx2
typedef uint64_t wide __attribute__((vector_size(32)));
static inline wide wide_product(wide a, wide b) {
  return (wide)_mm256_mul_epu32((__m256i)a, (__m256i)b);
}
static inline wide upper(wide x) { return (wide)_mm256_shuffle_epi32((__m256i)x, 0xf5); }
static inline uint32_t keeps(__m256i x, uint32_t limit) {
  __m256i more = _mm256_cmpgt_epi32(x, _mm256_set1_epi32((int)limit - 1));
  return (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(more));
}
static inline void choose(const wide part[2], uint32_t limit, uint32_t *kept) {
  const __m256i lower = _mm256_set1_epi32(0xffff);
  uint32_t bits = 0;
  for (int i = 0; i < 2; i++) {
    bits |= keeps(_mm256_and_si256((__m256i)part[i], lower), limit) << 8 * i;
    bits |= keeps(_mm256_srli_epi32((__m256i)part[i], 16), limit) << (16 + 8 * i);
  }
  *kept = bits;
}
/* Needs the vectors. */
#include "attention/random_body.h"
#else
typedef int heed__no_random_avx2;
#endif
