/** @file
 *  Room base: statuses and messages, threads, memory accounting, random numbers, the clock.
 *
 *  Every function that can fail returns a ::heed_status and leaves a sentence for people in
 *  heed_message(). The library never prints, exits or aborts. A function whose name ends in
 *  `_init`, `_new`, `_open` or `_read` and that fails leaves nothing allocated. */
#ifndef HEED_BASE_H
#define HEED_BASE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined __GNUC__
#define HEED_API __attribute__((visibility("default")))
#define HEED_CHECKED __attribute__((warn_unused_result))
#else
#define HEED_API
#define HEED_CHECKED
#endif

/** One table makes the enum, the names and the sentences: X(name, sentence). */
#define HEED_STATUS_MAP(X)                                   \
  X(OK, "success")                                           \
  X(NOMEM, "out of memory")                                  \
  X(ARGUMENT, "an argument is not allowed")                  \
  X(SHAPE, "two sizes disagree")                             \
  X(RANGE, "an index or a number is out of range")           \
  X(VALUE, "a number is not finite")                         \
  X(OVERFLOW, "a size does not fit")                         \
  X(FORMAT, "the file is not in the format it should be in") \
  X(IO, "a file could not be read or written")               \
  X(UNSUPPORTED, "not supported by this build")              \
  X(LIBRARY, "a library that Heed uses reported an error")

/** What a call came to. */
typedef enum heed_status {
#define HEED_STATUS_ENUM(name, sentence) HEED_##name,
  HEED_STATUS_MAP(HEED_STATUS_ENUM)
#undef HEED_STATUS_ENUM
      HEED_STATUS_COUNT
} heed_status;

/** The name of a status as in the source ("HEED_SHAPE"); "HEED_?" for a number that is none. */
HEED_API const char *heed_status_name(heed_status status);

/** What a status means, as a short sentence. */
HEED_API const char *heed_status_sentence(heed_status status);

/** What went wrong in the last call of this thread that failed: the file, the place and the
 *  numbers that disagree. Valid until the next failing call of the same thread; never NULL. */
HEED_API const char *heed_message(void);

/** The version of the library that runs, such as "0.1.0". */
HEED_API const char *heed_version(void);

/** How many threads parallel calls use from now on in this process; 0 goes back to what OpenMP
 *  says (OMP_NUM_THREADS, else all cores). Results do not depend on it.
 *  @return HEED_ARGUMENT if `threads` is negative or above 65,536. */
HEED_API HEED_CHECKED heed_status heed_set_threads(int threads);

/** How many threads a parallel call made now would use; 1 in a build without OpenMP. */
HEED_API int heed_threads(void);

/** Seconds of a clock that never runs backwards; only differences mean anything. */
HEED_API double heed_seconds(void);

/** Memory for an array of the caller's as the kernels like it: it starts on a line of the cache, and from 4 MiB on
 *  it asks the system for huge pages, as the library does for its own: where small ones are slow to look up, random
 *  rows of a large table come faster. Not initialised, not counted in heed_memory_held().
 *  @return count * size bytes for free(); NULL, and heed_message() says why, if there are not so many */
HEED_API void *heed_memory_new(size_t count, size_t size);

/** Bytes that the library holds now (its own allocations, not those of igraph, of the matrix
 *  library or of the caller). */
HEED_API size_t heed_memory_held(void);

/** The most bytes the library has held at once since the start or since
 *  heed_memory_peak_reset(). */
HEED_API size_t heed_memory_peak(void);

/** Starts heed_memory_peak() anew at what is held now. */
HEED_API void heed_memory_peak_reset(void);

/** Fills x[n] with numbers uniform in [low, high), the same for the same (seed, stream) on every
 *  machine and any number of threads. Number i is made from a counter, not from number i-1:
 *  Philox4x32-10 (Salmon et al. 2011), key `seed`, counter (i / 4, stream).
 *  @param x      [n], may be NULL if n is 0; kept by the caller
 *  @param stream different streams of one seed are independent */
HEED_API void heed_random_uniform(uint64_t seed, uint64_t stream, float *x, int64_t n, float low,
                                  float high);

/** Fills x[n] with normal numbers of the given mean and standard deviation (Box and Muller 1958
 *  over the numbers of heed_random_uniform()). */
HEED_API void heed_random_normal(uint64_t seed, uint64_t stream, float *x, int64_t n, float mean,
                                 float deviation);

#ifdef __cplusplus
}
#endif

#endif
