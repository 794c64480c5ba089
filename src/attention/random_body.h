/* heed__random_many() in vectors: 64-bit lanes that hold 32 bits of a counter each. Whoever
 * includes this says MANY, the name, and has LANES / 2 64-bit numbers in a `wide` and
 * wide_product() of their low halves. */
#include <string.h>

#include "base/random.h"

enum { HALF = LANES / 2 };

/* 4 * HALF numbers from `counter` on. */
static inline void quads(const wide *keys, uint64_t stream, uint64_t counter, wide *low,
                         wide *high) {
  const wide zero = {0};
  wide lane = zero;
  for (int i = 0; i < HALF; i++) lane[i] = (uint64_t)i;
  wide a = lane + counter, b = a >> 32;
  wide c = zero + stream, d = zero + (stream >> 32);
  for (int round = 0; round < 10; round++) { /* what is in the upper halves does not matter */
    wide first = wide_product(a, zero + 0xD2511F53u);
    wide second = wide_product(c, zero + 0xCD9E8D57u);
    a = (second >> 32) ^ b ^ keys[2 * round];
    b = second;
    c = (first >> 32) ^ d ^ keys[2 * round + 1];
    d = first;
  }
  wide ab = (a & 0xffffffffu) | (b << 32), cd = (c & 0xffffffffu) | (d << 32);
#if LANES == 16
  *low = __builtin_shufflevector(ab, cd, 0, 8, 1, 9, 2, 10, 3, 11);
  *high = __builtin_shufflevector(ab, cd, 4, 12, 5, 13, 6, 14, 7, 15);
#else
  *low = __builtin_shufflevector(ab, cd, 0, 4, 1, 5);
  *high = __builtin_shufflevector(ab, cd, 2, 6, 3, 7);
#endif
}

void MANY(uint64_t seed, uint64_t stream, uint64_t counter, int64_t n, uint32_t *out) {
  const wide zero = {0};
  wide keys[20], part[2];
  for (uint32_t round = 0; round < 10; round++) {
    keys[2 * round] = zero + (uint32_t)((uint32_t)seed + round * 0x9E3779B9u);
    keys[2 * round + 1] = zero + (uint32_t)((uint32_t)(seed >> 32) + round * 0xBB67AE85u);
  }
  for (; n >= 4 * HALF; n -= 4 * HALF) {
    quads(keys, stream, counter, part, part + 1);
    memcpy(out, part, sizeof part);
    counter += HALF;
    out += 4 * HALF;
  }
  if (n == 0) return;
  quads(keys, stream, counter, part, part + 1);
  memcpy(out, part, (size_t)n * sizeof *out);
}
