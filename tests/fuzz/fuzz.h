/* What the fuzz targets share. A target aborts where a promise of the library is broken. */
#ifndef HEED_TESTS_FUZZ_H
#define HEED_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define PROMISE(condition)                                                          \
  do {                                                                              \
    if (!(condition)) {                                                             \
      (void)fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #condition); \
      abort();                                                                      \
    }                                                                               \
  } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* A file in memory that holds these bytes, the same one every time. */
static inline const char *fuzz_file(const uint8_t *bytes, size_t size) {
  static int file = -1;
  static char path[64];
  if (file < 0) {
    file = memfd_create("heed-fuzz", MFD_CLOEXEC);
    PROMISE(file >= 0);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", file);
  }
  PROMISE(ftruncate(file, 0) == 0);
  PROMISE(pwrite(file, bytes, size, 0) == (ssize_t)size);
  return path;
}

#endif
