/* Counter-based random numbers: number i is a function of (seed, stream, i). */
#ifndef HEED_SRC_BASE_RANDOM_H
#define HEED_SRC_BASE_RANDOM_H

#include <stdint.h>

/* Four numbers: Philox4x32-10 with key `seed` and counter (`counter`, `stream`). */
void heed__random4(uint64_t seed, uint64_t stream, uint64_t counter, uint32_t out[4]);

/* n numbers from `counter` on: out[i] is number i % 4 of heed__random4() for counter + i / 4. */
void heed__random_many(uint64_t seed, uint64_t stream, uint64_t counter, int64_t n, uint32_t *out);

/* The same by one instruction set. Those that name vector instructions live in room attention
 * with all that does. */
typedef void heed__random_bulk(uint64_t seed, uint64_t stream, uint64_t counter, int64_t n,
                               uint32_t *out);
heed__random_bulk heed__random_many_portable, heed__random_many_avx2, heed__random_many_avx512;

/* A number uniform in [0, 1) out of 24 random bits, all of which a float holds. */
static inline float heed__unit(uint32_t bits) { return (float)(bits >> 8) * 0x1p-24f; }

#endif
