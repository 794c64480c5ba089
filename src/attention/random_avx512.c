/* Random numbers in bulk, with AVX-512. */
#include "config.h"

#ifdef HEED_HAVE_AVX512
#include <immintrin.h>
#include <stdint.h>

#define LANES 16
#define KEEP heed__random_keep_avx512
typedef uint64_t wide __attribute__((vector_size(64)));
static inline wide wide_product(wide a, wide b) {
  return (wide)_mm512_mul_epu32((__m512i)a, (__m512i)b);
}
static inline wide upper(wide x) { return (wide)_mm512_shuffle_epi32((__m512i)x, 0xf5); }
static inline void choose(const wide part[2], uint32_t limit, uint32_t *kept) {
  const __m512i least = _mm512_set1_epi32((int)(limit << 16));
  for (int i = 0; i < 2; i++) {
    __mmask16 lower = _mm512_cmpge_epu32_mask(_mm512_slli_epi32((__m512i)part[i], 16), least);
    __mmask16 higher = _mm512_cmpge_epu32_mask((__m512i)part[i], least);
    _store_mask32((__mmask32 *)(kept + i), _mm512_kunpackw(higher, lower));
  }
}
/* Needs the vectors. */
#include "attention/random_body.h"

void heed__bits_gather_avx512(const uint32_t *kept, const uint32_t *places, int64_t n,
                              uint32_t *into) {
  const __m512i one = _mm512_set1_epi32(1), low = _mm512_set1_epi32(31);
  for (int64_t first = 0; first < n; first += 32) {
    uint32_t word = 0;
    for (int half = 0; half < 2; half++) {
      int64_t left = n - first - 16 * half;
      __mmask16 there = (__mmask16)(left >= 16 ? 0xffff : left > 0 ? (1 << left) - 1 : 0);
      __m512i place = _mm512_maskz_loadu_epi32(there, places + first + 16 * half);
      __m512i words = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), there,
                                                  _mm512_srli_epi32(place, 5), kept, 4);
      __m512i bits = _mm512_srlv_epi32(words, _mm512_and_si512(place, low));
      word |= (uint32_t)_mm512_mask_test_epi32_mask(there, bits, one) << 16 * half;
    }
    into[first / 32] = word;
  }
}
#else
typedef int heed__no_random_avx512;
#endif
