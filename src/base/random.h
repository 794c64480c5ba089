/* Counter-based random numbers: number i is a function of (seed, stream, i). */
#ifndef HEED_SRC_BASE_RANDOM_H
#define HEED_SRC_BASE_RANDOM_H

#include <stdint.h>

/* Four numbers: Philox4x32-10 with key `seed` and counter (`counter`, `stream`). */
void heed__random4(uint64_t seed, uint64_t stream, uint64_t counter, uint32_t out[4]);

/* Which of n things are kept, by 16 random bits each: bit i % 32 of kept[i / 32] says whether those of
 * thing i are at least `limit` (0 to 65536). Of every 32 things the first 16 take the lower halves of
 * 16 numbers of heed__random4(), 4 from each counter from `counter` on, the others the upper halves. Bits past n
 * are anything. */
void heed__random_keep(uint64_t seed, uint64_t stream, uint64_t counter, int64_t n, uint32_t limit,
                       uint32_t *kept);
/* The same by one instruction set. Those that name vector instructions live in room attention
 * with all that does. */
typedef void heed__random_choice(uint64_t seed, uint64_t stream, uint64_t counter, int64_t n,
                                 uint32_t limit, uint32_t *kept);
heed__random_choice heed__random_keep_portable, heed__random_keep_avx2, heed__random_keep_avx512;

/* The same bits in another order: bit i of `into` is bit places[i] of `kept`. Bits past n are 0. */
void heed__bits_gather(const uint32_t *kept, const uint32_t *places, int64_t n, uint32_t *into);
void heed__bits_gather_avx512(const uint32_t *kept, const uint32_t *places, int64_t n,
                              uint32_t *into);

/* Number `drawn` from `counter` on, uniform from 0 to n - 1, out of 64 random bits; n is at most 2^31. Off from
 * uniform by 2^-32 of itself at most. */
static inline int64_t heed__random_below(uint64_t seed, uint64_t stream, uint64_t counter,
                                         int64_t drawn, int64_t n) {
  uint32_t four[4];
  heed__random4(seed, stream, counter + (uint64_t)drawn / 2, four);
  uint64_t high = four[drawn % 2 * 2], low = four[drawn % 2 * 2 + 1], range = (uint64_t)n;
  return (int64_t)((high * range + (low * range >> 32)) >> 32);
}

/* Puts n things into an order that is drawn (Fisher and Yates), from `counter` on. */
void heed__shuffle(uint64_t seed, uint64_t stream, uint64_t counter, int32_t *order, int64_t n);

/* A number uniform in [0, 1) out of 24 random bits, all of which a float holds. */
static inline float heed__unit(uint32_t bits) { return (float)(bits >> 8) * 0x1p-24f; }

#endif
