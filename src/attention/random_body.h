/* heed__random_keep() in vectors: 64-bit lanes that hold 32 bits of a counter each. Whoever includes
 * this says KEEP, its name, and has LANES / 2 64-bit numbers in a `wide`, wide_product() of their lower
 * halves, upper(), which moves upper halves down (a shuffle, not a shift: products and shifts wait for
 * the same unit), and choose(), which gives the 4 * LANES bits of heed__random_keep() for two `wide` of
 * random numbers and a limit between 1 and 65535. */
#include <string.h>

#include "base/random.h"

enum { HALF = LANES / 2, MOST = LANES == 16 ? 4 : 2 };

/* 4 * HALF numbers from `counter` on, `times` times, side by side: a round waits for the one before. */
static inline __attribute__((always_inline)) void quads(const int times, const wide *keys,
                                                        uint64_t stream, uint64_t counter,
                                                        wide (*out)[2]) {
  const wide zero = {0};
  wide lane = zero, a[MOST], b[MOST], c[MOST], d[MOST];
  for (int i = 0; i < HALF; i++) lane[i] = (uint64_t)i;
  for (int t = 0; t < times; t++) {
    a[t] = lane + counter + (uint64_t)(t * HALF);
    b[t] = a[t] >> 32;
    c[t] = zero + stream;
    d[t] = zero + (stream >> 32);
  }
  for (int round = 0; round < 10; round++) { /* what is in the upper halves does not matter */
    for (int t = 0; t < times; t++) {
      wide first = wide_product(a[t], zero + 0xD2511F53u);
      wide second = wide_product(c[t], zero + 0xCD9E8D57u);
      a[t] = upper(second) ^ b[t] ^ keys[2 * round];
      b[t] = second;
      c[t] = upper(first) ^ d[t] ^ keys[2 * round + 1];
      d[t] = first;
    }
  }
  for (int t = 0; t < times; t++) {
    wide ab = (a[t] & 0xffffffffu) | (b[t] << 32), cd = (c[t] & 0xffffffffu) | (d[t] << 32);
#if LANES == 16
    out[t][0] = __builtin_shufflevector(ab, cd, 0, 8, 1, 9, 2, 10, 3, 11);
    out[t][1] = __builtin_shufflevector(ab, cd, 4, 12, 5, 13, 6, 14, 7, 15);
#else
    out[t][0] = __builtin_shufflevector(ab, cd, 0, 4, 1, 5);
    out[t][1] = __builtin_shufflevector(ab, cd, 2, 6, 3, 7);
#endif
  }
}

/* What each round adds. */
static inline void round_keys(uint64_t seed, wide *keys) {
  const wide zero = {0};
  for (uint32_t round = 0; round < 10; round++) {
    keys[2 * round] = zero + (uint32_t)((uint32_t)seed + round * 0x9E3779B9u);
    keys[2 * round + 1] = zero + (uint32_t)((uint32_t)(seed >> 32) + round * 0xBB67AE85u);
  }
}

void KEEP(uint64_t seed, uint64_t stream, uint64_t counter, int64_t n, uint32_t limit,
          uint32_t *kept) {
  enum { WORDS = 8 * HALF / 32 };
  wide keys[20], part[MOST][2];
  round_keys(seed, keys);
  int64_t words = (n + 31) / 32;
  for (; words >= MOST * WORDS; words -= MOST * WORDS) {
    quads(MOST, keys, stream, counter, part);
    for (int t = 0; t < MOST; t++) choose(part[t], limit, kept + t * WORDS);
    counter += MOST * HALF;
    kept += MOST * WORDS;
  }
  for (; words > 0; words -= WORDS) {
    uint32_t last[WORDS];
    quads(1, keys, stream, counter, part);
    choose(part[0], limit, last);
    memcpy(kept, last, (size_t)(words < WORDS ? words : WORDS) * sizeof *kept);
    counter += HALF;
    kept += WORDS;
  }
}
