#include "base/alloc.h"

#include <heed/base.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/status.h"

/* From this size on a block may sit on huge pages, which makes gathers of random rows faster. */
enum { HUGE_PAGE = 2 << 20, HUGE_FROM = 4 << 20 };

/* Lies before every block, filling one alignment unit. */
typedef struct header {
  size_t bytes;
} header;

static atomic_size_t held;
static _Thread_local int64_t held_here;
static atomic_size_t peak;
static atomic_long fail_after = -1;

static bool may_allocate(void) {
  long left = atomic_load(&fail_after);
  while (left >= 0) {
    if (left == 0) return false;
    if (atomic_compare_exchange_weak(&fail_after, &left, left - 1)) return true;
  }
  return true;
}

static void count_in(size_t bytes) {
  size_t now = atomic_fetch_add(&held, bytes) + bytes;
  size_t most = atomic_load(&peak);
  while (now > most && !atomic_compare_exchange_weak(&peak, &most, now)) {
  }
}

bool heed__multiply(size_t a, size_t b, size_t *product) {
  return !__builtin_mul_overflow(a, b, product);
}

/* `before` bytes and count * size more, all of which `bytes` gets the number of, on a line or a huge page. */
static void *place(size_t before, size_t count, size_t size, size_t *bytes) {
  if (!heed__multiply(count, size, bytes) || *bytes > PTRDIFF_MAX - 2 * (size_t)HUGE_PAGE) {
    (void)heed__fail(HEED_NOMEM, "%zu items of %zu bytes do not fit in memory", count, size);
    return NULL;
  }
  bool huge = *bytes >= HUGE_FROM;
  size_t alignment = huge ? HUGE_PAGE : HEED__ALIGNMENT;
  size_t whole = (*bytes + before + alignment - 1) / alignment * alignment;
  if (whole == 0) whole = alignment;
  void *start = may_allocate() ? aligned_alloc(alignment, whole) : NULL;
  if (start == NULL) {
    (void)heed__fail(HEED_NOMEM, "out of memory: %zu bytes were asked for", *bytes);
    return NULL;
  }
#ifdef MADV_HUGEPAGE
  if (huge) (void)madvise(start, whole, MADV_HUGEPAGE);
#endif
  return start;
}

void *heed__alloc(size_t count, size_t size) {
  size_t bytes;
  char *start = place(HEED__ALIGNMENT, count, size, &bytes);
  if (start == NULL) return NULL;
  ((header *)(void *)start)->bytes = bytes;
  count_in(bytes);
  held_here += (int64_t)bytes;
  return start + HEED__ALIGNMENT;
}

void *heed_memory_new(size_t count, size_t size) {
  size_t bytes;
  return place(0, count, size, &bytes);
}

void *heed__alloc_zero(size_t count, size_t size) {
  void *block = heed__alloc(count, size);
  if (block != NULL) memset(block, 0, count * size);
  return block;
}

static header *header_of(void *block) { return (header *)((char *)block - HEED__ALIGNMENT); }

void *heed__realloc(void *block, size_t count, size_t size) {
  void *larger = heed__alloc(count, size);
  if (larger != NULL && block != NULL) {
    size_t old = header_of(block)->bytes;
    memcpy(larger, block, old < count * size ? old : count * size);
    heed__free(block);
  }
  return larger;
}

char *heed__strdup(const char *text) {
  size_t bytes = strlen(text) + 1;
  char *copy = heed__alloc(bytes, 1);
  if (copy != NULL) memcpy(copy, text, bytes);
  return copy;
}

void heed__free(void *block) {
  if (block == NULL) return;
  atomic_fetch_sub(&held, header_of(block)->bytes);
  held_here -= (int64_t)header_of(block)->bytes;
  free(header_of(block));
}

void heed__alloc_fail_after(long n) { atomic_store(&fail_after, n); }

int64_t heed__alloc_held_here(void) { return held_here; }

size_t heed_memory_held(void) { return atomic_load(&held); }

size_t heed_memory_peak(void) { return atomic_load(&peak); }

void heed_memory_peak_reset(void) { atomic_store(&peak, atomic_load(&held)); }
