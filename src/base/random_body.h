/* Philox4x32-10 for many counters at once (Salmon et al. 2011), in plain C that compilers vectorise.
 * Whoever includes this says MANY, the name of the function. */
#include <string.h>

#include "base/random.h"

/* Counters at a time. */
enum { TOGETHER = 16 };

static inline void rounds(uint64_t seed, uint64_t stream, uint64_t counter, uint32_t *restrict out) {
#pragma omp simd
  for (uint32_t lane = 0; lane < TOGETHER; lane++) {
    uint32_t low = (uint32_t)counter + lane;
    uint32_t a = low, b = (uint32_t)(counter >> 32) + (low < lane);
    uint32_t c = (uint32_t)stream, d = (uint32_t)(stream >> 32);
    uint32_t key_a = (uint32_t)seed, key_b = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
      uint64_t first = (uint64_t)a * 0xD2511F53u, second = (uint64_t)c * 0xCD9E8D57u;
      a = (uint32_t)(second >> 32) ^ b ^ key_a;
      b = (uint32_t)second;
      c = (uint32_t)(first >> 32) ^ d ^ key_b;
      d = (uint32_t)first;
      key_a += 0x9E3779B9u;
      key_b += 0xBB67AE85u;
    }
    out[4 * lane] = a;
    out[4 * lane + 1] = b;
    out[4 * lane + 2] = c;
    out[4 * lane + 3] = d;
  }
}

void MANY(uint64_t seed, uint64_t stream, uint64_t counter, int64_t n, uint32_t *out) {
  for (; n >= 4 * TOGETHER; n -= 4 * TOGETHER) {
    rounds(seed, stream, counter, out);
    counter += TOGETHER;
    out += 4 * TOGETHER;
  }
  if (n == 0) return;
  uint32_t last[4 * TOGETHER];
  rounds(seed, stream, counter, last);
  memcpy(out, last, (size_t)n * sizeof *out);
}
