/* Writing archives: straight from the caller's arrays into a file beside the target. libzip would
 * keep a temporary file of its own; a source that writes to ours gives atomicity one owner. */
#include <errno.h>
#include <heed/data.h>
#include <stdio.h>
#include <string.h>
#include <zip.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/status.h"
#include "data/npy.h"

enum { HEADER_BYTES = 512, LEVEL = 3, NAME_BYTES_MAX = 1000 };

/* The first day that a zip knows. */
enum { DOS_DATE = 1 << 5 | 1, DOS_TIME = 0 };

/* What the archive is written to. */
typedef struct file_sink {
  FILE *stream;
  zip_error_t error;
} file_sink;

static zip_int64_t fail_sink(file_sink *sink, int code) {
  zip_error_set(&sink->error, code, errno);
  return -1;
}

static zip_int64_t sink_command(void *state, void *data, zip_uint64_t n, zip_source_cmd_t command) {
  file_sink *to = state;
  switch (command) {
    case ZIP_SOURCE_SUPPORTS:
      return ZIP_SOURCE_SUPPORTS_WRITABLE;
    case ZIP_SOURCE_STAT: /* nothing is there yet */
      errno = ENOENT;
      return fail_sink(to, ZIP_ER_READ);
    case ZIP_SOURCE_BEGIN_WRITE:
    case ZIP_SOURCE_COMMIT_WRITE:
    case ZIP_SOURCE_ROLLBACK_WRITE:
    case ZIP_SOURCE_REMOVE:
    case ZIP_SOURCE_CLOSE:
    case ZIP_SOURCE_FREE:
      return 0;
    case ZIP_SOURCE_WRITE:
      if (fwrite(data, 1, n, to->stream) != n) return fail_sink(to, ZIP_ER_WRITE);
      return (zip_int64_t)n;
    case ZIP_SOURCE_SEEK_WRITE: {
      zip_source_args_seek_t *seek =
          ZIP_SOURCE_GET_ARGS(zip_source_args_seek_t, data, n, &to->error);
      if (seek == NULL) return -1;
      if (fseeko(to->stream, (off_t)seek->offset, seek->whence) != 0) {
        return fail_sink(to, ZIP_ER_SEEK);
      }
      return 0;
    }
    case ZIP_SOURCE_TELL_WRITE:
      return ftello(to->stream);
    case ZIP_SOURCE_ERROR:
      return zip_error_to_data(&to->error, data, n);
    default:
      errno = EOPNOTSUPP;
      return fail_sink(to, ZIP_ER_OPNOTSUPP);
  }
}

/* One array: its header, then its numbers where the caller has them. */
typedef struct array_feed {
  char header[HEADER_BYTES];
  size_t header_bytes;
  const char *data;
  uint64_t data_bytes;
  uint64_t at;
  zip_error_t error;
} array_feed;

static uint64_t feed_bytes(array_feed *from, char *out, uint64_t n) {
  uint64_t done = 0;
  if (from->at < from->header_bytes) {
    uint64_t left = from->header_bytes - from->at;
    done = n < left ? n : left;
    memcpy(out, from->header + from->at, done);
  }
  uint64_t left = from->header_bytes + from->data_bytes - (from->at + done);
  uint64_t some = n - done < left ? n - done : left;
  if (some > 0) memcpy(out + done, from->data + (from->at + done - from->header_bytes), some);
  from->at += done + some;
  return done + some;
}

static zip_int64_t feed_command(void *state, void *data, zip_uint64_t n, zip_source_cmd_t command) {
  array_feed *from = state;
  switch (command) {
    case ZIP_SOURCE_SUPPORTS:
      return ZIP_SOURCE_SUPPORTS_READABLE;
    case ZIP_SOURCE_OPEN:
      from->at = 0;
      return 0;
    case ZIP_SOURCE_READ:
      return (zip_int64_t)feed_bytes(from, data, n);
    case ZIP_SOURCE_STAT: {
      zip_stat_t *stat = data;
      zip_stat_init(stat);
      stat->size = from->header_bytes + from->data_bytes;
      stat->valid = ZIP_STAT_SIZE;
      return sizeof *stat;
    }
    case ZIP_SOURCE_CLOSE:
    case ZIP_SOURCE_FREE:
      return 0;
    case ZIP_SOURCE_ERROR:
      return zip_error_to_data(&from->error, data, n);
    default:
      zip_error_set(&from->error, ZIP_ER_OPNOTSUPP, 0);
      return -1;
  }
}

static heed_status fail_archive(zip_t *archive, const char *path) {
  zip_error_t *error = zip_get_error(archive);
  heed_status status = zip_error_code_zip(error) == ZIP_ER_MEMORY ? HEED_NOMEM : HEED_IO;
  return heed__fail(status, "%s: cannot be written: %s", path, zip_error_strerror(error));
}

/* Whole numbers and flags pay for packing, real numbers do not. */
static bool pays(heed_dtype dtype) {
  return dtype != HEED_DTYPE_FLOAT32 && dtype != HEED_DTYPE_FLOAT64;
}

static heed_status add_array(zip_t *archive, const heed_array *array, array_feed *feed,
                             const char *path) {
  char name[NAME_BYTES_MAX + 5];
  snprintf(name, sizeof name, "%s.npy", array->name);
  zip_source_t *source = zip_source_function(archive, feed_command, feed);
  if (source == NULL) return fail_archive(archive, path);
  zip_int64_t index = zip_file_add(archive, name, source, ZIP_FL_ENC_UTF_8);
  if (index < 0) {
    zip_source_free(source);
    return fail_archive(archive, path);
  }
  zip_uint64_t place = (zip_uint64_t)index;
  bool packed = pays(array->dtype);
  if (zip_set_file_compression(archive, place, packed ? ZIP_CM_DEFLATE : ZIP_CM_STORE,
                               packed ? LEVEL : 0) != 0 ||
      zip_file_set_dostime(archive, place, DOS_TIME, DOS_DATE, 0) != 0) {
    return fail_archive(archive, path);
  }
  return HEED_OK;
}

static heed_status write_archive(const char *path, FILE *stream, const heed_array *arrays, int n,
                                 array_feed *feeds) {
  file_sink to = {.stream = stream};
  zip_error_init(&to.error);
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t *target = zip_source_function_create(sink_command, &to, &error);
  zip_t *archive = NULL;
  if (target != NULL) {
    archive = zip_open_from_source(target, ZIP_CREATE | ZIP_TRUNCATE, &error);
    if (archive == NULL) zip_source_free(target);
  }
  heed_status status = HEED_OK;
  if (archive == NULL) {
    status =
        heed__fail(HEED_LIBRARY, "%s: cannot be written: %s", path, zip_error_strerror(&error));
  }
  for (int i = 0; i < n && status == HEED_OK; i++) {
    status = add_array(archive, &arrays[i], &feeds[i], path);
  }
  if (status == HEED_OK && zip_close(archive) == 0) {
    archive = NULL;
  } else if (status == HEED_OK) {
    status = fail_archive(archive, path);
  }
  if (archive != NULL) zip_discard(archive);
  zip_error_fini(&error);
  zip_error_fini(&to.error);
  return status;
}

static heed_status check_arrays(const char *path, const heed_array *arrays, int n,
                                array_feed *feeds) {
  for (int i = 0; i < n; i++) {
    const heed_array *array = &arrays[i];
    if (array->name == NULL || array->name[0] == '\0' || strlen(array->name) > NAME_BYTES_MAX) {
      return heed__fail(HEED_ARGUMENT, "%s: array number %d has no name of 1 to %d bytes", path, i,
                        NAME_BYTES_MAX);
    }
    for (int j = 0; j < i; j++) {
      if (strcmp(arrays[j].name, array->name) == 0) {
        return heed__fail(HEED_ARGUMENT, "%s: arrays %d and %d are both named '%s'", path, j, i,
                          array->name);
      }
    }
    if ((int)array->dtype < 0 || array->dtype > HEED_DTYPE_FLOAT64 || array->n_dims < 0 ||
        array->n_dims > HEED_NPZ_MAX_DIMS) {
      return heed__fail(HEED_ARGUMENT, "%s: array '%s': type number %d, %d dimensions", path,
                        array->name, (int)array->dtype, array->n_dims);
    }
    if (!heed__array_bytes(array, &feeds[i].data_bytes)) {
      return heed__fail(HEED_OVERFLOW, "%s: array '%s': a size is negative or all do not fit", path,
                        array->name);
    }
    if (array->data == NULL && feeds[i].data_bytes > 0) {
      return heed__fail(HEED_ARGUMENT, "%s: array '%s' has no numbers", path, array->name);
    }
    feeds[i].data = array->data;
    feeds[i].header_bytes = heed__npy_format(array, feeds[i].header, sizeof feeds[i].header);
    zip_error_init(&feeds[i].error);
  }
  return HEED_OK;
}

heed_status heed_npz_write(const char *path, const heed_array *arrays, int n) {
  if (n < 1) return heed__fail(HEED_ARGUMENT, "%s: %d arrays to write", path, n);
  array_feed *feeds = heed__alloc_zero((size_t)n, sizeof *feeds);
  if (feeds == NULL) return HEED_NOMEM;
  heed_status status = check_arrays(path, arrays, n, feeds);
  heed__file file;
  if (status == HEED_OK) status = heed__file_begin(&file, path);
  if (status == HEED_OK) {
    status = write_archive(path, file.stream, arrays, n, feeds);
    if (status == HEED_OK) {
      status = heed__file_commit(&file);
    } else {
      heed__file_abandon(&file);
    }
  }
  heed__free(feeds);
  return status;
}
