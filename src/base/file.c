#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/status.h"

/* Room for the end of a temporary name. */
enum { SUFFIX_BYTES = 48, MOST_TRIES = 1000 };

/* Creates a file that was not there, named after `path` and this process. */
static int create_beside(const char *path, char *name, size_t bytes) {
  static atomic_uint serial;
  for (int i = 0; i < MOST_TRIES; i++) {
    snprintf(name, bytes, "%s.%ld-%u.part", path, (long)getpid(), atomic_fetch_add(&serial, 1));
    int descriptor = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor >= 0 || errno != EEXIST) return descriptor;
  }
  return -1;
}

heed_status heed__file_begin(heed__file *file, const char *path) {
  memset(file, 0, sizeof *file);
  file->path = heed__strdup(path);
  size_t bytes = strlen(path) + SUFFIX_BYTES;
  file->temporary = heed__alloc_zero(bytes, 1); /* empty: nothing to remove yet */
  if (file->path == NULL || file->temporary == NULL) {
    heed__file_abandon(file);
    return HEED_NOMEM;
  }
  struct stat target;
  int descriptor = -1;
  if (stat(path, &target) == 0 && !S_ISREG(target.st_mode)) {
    errno = S_ISDIR(target.st_mode) ? EISDIR : EEXIST; /* a device must not be renamed over */
  } else {
    descriptor = create_beside(path, file->temporary, bytes);
  }
  if (descriptor >= 0) file->stream = fdopen(descriptor, "wb");
  if (file->stream == NULL) {
    heed_status status =
        heed__fail(HEED_IO, "%s: cannot be written: %s", path, strerror(errno));
    if (descriptor >= 0) {
      close(descriptor); /* the file is removed below */
    } else {
      file->temporary[0] = '\0'; /* nothing to remove */
    }
    heed__file_abandon(file);
    return status;
  }
  return HEED_OK;
}

heed_status heed__file_commit(heed__file *file) {
  int flushed = fflush(file->stream) == 0 && !ferror(file->stream) &&
                fsync(fileno(file->stream)) == 0;
  int error = errno;
  int closed = fclose(file->stream) == 0;
  if (flushed && !closed) error = errno;
  file->stream = NULL;
  heed_status status = HEED_OK;
  if (!flushed || !closed) {
    status = heed__fail(HEED_IO, "%s: cannot be written: %s", file->path, strerror(error));
  } else if (rename(file->temporary, file->path) != 0) {
    status = heed__fail(HEED_IO, "%s: cannot be replaced: %s", file->path, strerror(errno));
  } else {
    file->temporary[0] = '\0';
  }
  heed__file_abandon(file);
  return status;
}

void heed__file_abandon(heed__file *file) {
  if (file->stream != NULL) fclose(file->stream);
  if (file->temporary != NULL && file->temporary[0] != '\0') (void)unlink(file->temporary);
  heed__free(file->temporary);
  heed__free(file->path);
  memset(file, 0, sizeof *file);
}
