/* Work cut into fixed blocks and shared out among threads. */
#ifndef HEED_SRC_MATRIX_BLOCKS_H
#define HEED_SRC_MATRIX_BLOCKS_H

#include "matrix/loops.h"

/* Numbers in a block of elementwise work. */
enum { HEED__BLOCK = 32768 };

static inline int64_t heed__smaller(int64_t a, int64_t b) { return a < b ? a : b; }

/* How many times `size` it takes to have n. */
static inline int64_t heed__parts(int64_t n, int64_t size) { return n / size + (n % size != 0); }

/* Rows in a block of work. */
static inline int64_t heed__block_rows(int64_t cols) {
  return cols >= HEED__BLOCK ? 1 : HEED__BLOCK / (cols > 0 ? cols : 1);
}

#define HEED__PRAGMA(...) _Pragma(#__VA_ARGS__)

/* Runs the statements for every block of at most `size` out of n: the `count` of them from
 * `first` on. The blocks go to the threads that `work` is worth as the schedule `kind` says. One
 * thread alone does not pay for a parallel region, which costs more than many a small block. */
#define HEED__BLOCKS(kind, n, size, work, ...)                            \
  do {                                                                    \
    int64_t all_ = (n), size_ = (size);                                   \
    int threads_ = heed__threads_for(work);                               \
    if (threads_ <= 1 || all_ <= size_) {                                 \
      for (int64_t first = 0; first < all_; first += size_) {             \
        int64_t count = heed__smaller(all_ - first, size_);               \
        __VA_ARGS__                                                       \
      }                                                                   \
    } else {                                                              \
      HEED__PRAGMA(omp parallel for schedule(kind) num_threads(threads_)) \
      for (int64_t first = 0; first < all_; first += size_) {             \
        int64_t count = heed__smaller(all_ - first, size_);               \
        __VA_ARGS__                                                       \
      }                                                                   \
    }                                                                     \
  } while (0)

#endif
