#include "base/random.h"

#include <Random123/philox.h>
#include <heed/base.h>
#include <math.h>
#include <string.h>

#include "base/isa.h"
#include "config.h"

void heed__random4(uint64_t seed, uint64_t stream, uint64_t counter, uint32_t out[4]) {
  philox4x32_ctr_t count = {
      {(uint32_t)counter, (uint32_t)(counter >> 32), (uint32_t)stream, (uint32_t)(stream >> 32)}};
  philox4x32_key_t key = {{(uint32_t)seed, (uint32_t)(seed >> 32)}};
  philox4x32_ctr_t random = philox4x32(count, key);
  for (int i = 0; i < 4; i++) out[i] = random.v[i];
}

/* The rounds of Philox4x32-10 on counters side by side, which compilers turn into vectors. */
enum { TOGETHER = 8 };

static void side_by_side(uint64_t seed, uint64_t stream, uint64_t counter, uint32_t *restrict out) {
  for (uint32_t lane = 0; lane < TOGETHER; lane++) {
    uint32_t a = (uint32_t)counter + lane, b = (uint32_t)(counter >> 32) + (a < lane);
    uint32_t c = (uint32_t)stream, d = (uint32_t)(stream >> 32);
    uint32_t first_key = (uint32_t)seed, second_key = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
      uint64_t first = (uint64_t)a * 0xD2511F53u, second = (uint64_t)c * 0xCD9E8D57u;
      a = (uint32_t)(second >> 32) ^ b ^ first_key;
      b = (uint32_t)second;
      c = (uint32_t)(first >> 32) ^ d ^ second_key;
      d = (uint32_t)first;
      first_key += 0x9E3779B9u;
      second_key += 0xBB67AE85u;
    }
    out[4 * lane] = a;
    out[4 * lane + 1] = b;
    out[4 * lane + 2] = c;
    out[4 * lane + 3] = d;
  }
}

void heed__random_keep_portable(uint64_t seed, uint64_t stream, uint64_t counter, int64_t n,
                                uint32_t limit, uint32_t *kept) {
  uint32_t numbers[4 * TOGETHER];
  for (; n > 0; n -= 8 * TOGETHER, counter += TOGETHER) {
    side_by_side(seed, stream, counter, numbers);
    for (int w = 0; w < TOGETHER / 4 && 32 * w < n; w++) {
      uint32_t word = 0;
      for (int i = 0; i < 16; i++) {
        uint32_t number = numbers[16 * w + i];
        word |= (uint32_t)((number & 0xffff) >= limit) << i;
        word |= (uint32_t)((number >> 16) >= limit) << (16 + i);
      }
      *kept++ = word;
    }
  }
}

void heed__random_keep(uint64_t seed, uint64_t stream, uint64_t counter, int64_t n, uint32_t limit,
                       uint32_t *kept) {
  static heed__random_choice *const keep[HEED__ISAS] = {
      [HEED__PORTABLE] = heed__random_keep_portable,
#ifdef HEED_HAVE_AVX2
      [HEED__AVX2] = heed__random_keep_avx2,
#endif
#ifdef HEED_HAVE_AVX512
      [HEED__AVX512] = heed__random_keep_avx512,
#endif
  };
  if (limit == 0 || limit > 0xffff) { /* nothing to be chosen */
    memset(kept, limit == 0 ? 0xff : 0, (size_t)((n + 31) / 32) * sizeof *kept);
    return;
  }
  keep[heed__isa_chosen()](seed, stream, counter, n, limit, kept);
}

void heed__bits_gather(const uint32_t *kept, const uint32_t *places, int64_t n, uint32_t *into) {
#ifdef HEED_HAVE_AVX512
  if (heed__isa_chosen() == HEED__AVX512) {
    heed__bits_gather_avx512(kept, places, n, into);
    return;
  }
#endif
  for (int64_t first = 0; first < n; first += 32) {
    uint32_t word = 0;
    int64_t count = n - first < 32 ? n - first : 32;
    for (int64_t i = 0; i < count; i++) {
      uint32_t place = places[first + i];
      word |= (kept[place / 32] >> place % 32 & 1) << i;
    }
    into[first / 32] = word;
  }
}

void heed_random_uniform(uint64_t seed, uint64_t stream, float *x, int64_t n, float low,
                         float high) {
  int64_t blocks = n / 4 + (n % 4 != 0);
  double width = (double)high - (double)low; /* times 24 bits it is exact: fused or not, one value */
#pragma omp parallel for schedule(static) num_threads(heed_threads()) if (n > 65536)
  for (int64_t block = 0; block < blocks; block++) {
    uint32_t bits[4];
    heed__random4(seed, stream, (uint64_t)block, bits);
    for (int64_t i = 4 * block; i < 4 * block + 4 && i < n; i++) {
      float number = (float)((double)low + width * (double)heed__unit(bits[i % 4]));
      x[i] = number < high ? number : low; /* rounding may have reached the open end */
    }
  }
}

void heed__shuffle(uint64_t seed, uint64_t stream, uint64_t counter, int32_t *order, int64_t n) {
  uint32_t random[4];
  for (int64_t i = n - 1, drawn = 0; i > 0; i--, drawn++) {
    if (drawn % 4 == 0) heed__random4(seed, stream, counter++, random);
    int64_t other = (int64_t)((uint64_t)random[drawn % 4] * (uint64_t)(i + 1) >> 32);
    int32_t thing = order[i];
    order[i] = order[other];
    order[other] = thing;
  }
}

void heed_random_normal(uint64_t seed, uint64_t stream, float *x, int64_t n, float mean,
                        float deviation) {
  int64_t blocks = n / 4 + (n % 4 != 0);
#pragma omp parallel for schedule(static) num_threads(heed_threads()) if (n > 65536)
  for (int64_t block = 0; block < blocks; block++) {
    uint32_t bits[4];
    heed__random4(seed, stream, (uint64_t)block, bits);
    for (int64_t i = 4 * block; i < 4 * block + 4 && i < n; i++) {
      /* Each pair of uniform numbers gives a cosine and a sine; 1 - u is never 0. */
      int64_t pair = i % 4 / 2 * 2;
      double radius = sqrt(-2.0 * log(1.0 - (double)heed__unit(bits[pair])));
      double angle = 2.0 * 3.14159265358979323846 * (double)heed__unit(bits[pair + 1]);
      x[i] = mean + deviation * (float)(radius * (i % 2 == 0 ? cos(angle) : sin(angle)));
    }
  }
}
