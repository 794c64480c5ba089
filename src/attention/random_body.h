/* heed__random_many() and heed__random_keep() in vectors: 64-bit lanes that hold 32 bits of a counter
 * each. Whoever includes this says MANY and KEEP, their names, and has LANES / 2 64-bit numbers in a
 * `wide`, wide_product() of their low halves, and keeps(), whose bit i says whether number i of LANES
 * 32-bit numbers is at least `limit`, none being above 65536. */
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

/* What each round adds. */
static inline void round_keys(uint64_t seed, wide *keys) {
  const wide zero = {0};
  for (uint32_t round = 0; round < 10; round++) {
    keys[2 * round] = zero + (uint32_t)((uint32_t)seed + round * 0x9E3779B9u);
    keys[2 * round + 1] = zero + (uint32_t)((uint32_t)(seed >> 32) + round * 0xBB67AE85u);
  }
}

void MANY(uint64_t seed, uint64_t stream, uint64_t counter, int64_t n, uint32_t *out) {
  wide keys[20], part[2];
  round_keys(seed, keys);
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

void KEEP(uint64_t seed, uint64_t stream, uint64_t counter, int64_t n, uint32_t limit,
          uint32_t *kept) {
  /* Lower and upper halves of the 32-bit numbers, each in a number of its own. */
  const wide lower = (wide){0} + 0x0000ffff0000ffffu;
  wide keys[20], part[2];
  round_keys(seed, keys);
  for (; n > 0; n -= 8 * HALF, counter += HALF) {
    quads(keys, stream, counter, part, part + 1);
    uint32_t first = keeps(part[0] & lower, limit), second = keeps(part[1] & lower, limit);
    uint32_t third = keeps(part[0] >> 16 & lower, limit);
    uint32_t fourth = keeps(part[1] >> 16 & lower, limit);
#if LANES == 16
    *kept++ = first | third << 16;
    if (n > 32) *kept++ = second | fourth << 16;
#else
    *kept++ = first | second << 8 | third << 16 | fourth << 24;
#endif
  }
}
