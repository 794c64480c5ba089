#include "graph/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/alloc.h"
#include "base/status.h"

static const size_t MOST_BYTES = (size_t)8 << 30;
static const size_t FREE_BYTES = (size_t)64 << 20; /* up to here any ratio is fine */
enum { MOST_RATIO = 500, CHUNK = 1 << 16 };

/* Makes room for one more chunk and the zero behind. */
static heed_status grow(heed__text *text, size_t *room) {
  if (text->bytes != NULL && *room - text->size > CHUNK) return HEED_OK;
  size_t larger = *room == 0 ? 4 * CHUNK : 2 * *room;
  char *bytes = heed__realloc(text->bytes, larger, 1);
  if (bytes == NULL) return HEED_NOMEM;
  text->bytes = bytes;
  *room = larger;
  return HEED_OK;
}

static heed_status read_all(heed__text *text, int file, const char *path) {
  size_t room = 0;
  for (;;) {
    HEED__TRY(grow(text, &room));
    ssize_t got = read(file, text->bytes + text->size, CHUNK);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return heed__fail(HEED_IO, "%s: cannot be read: %s", path, strerror(errno));
    if (got == 0) break;
    text->size += (size_t)got;
    if (text->size > MOST_BYTES) {
      return heed__fail(HEED_FORMAT, "%s: larger than %zu bytes", path, MOST_BYTES);
    }
  }
  text->bytes[text->size] = '\0';
  return HEED_OK;
}

static bool is_gzip(const char *bytes, size_t size) {
  return size >= 2 && (unsigned char)bytes[0] == 0x1f && (unsigned char)bytes[1] == 0x8b;
}

/* Members of a gzip file follow each other; zeros may follow the last. */
static heed_status inflate_all(heed__text *text, z_stream *stream, const heed__text *packed,
                               const char *path) {
  size_t room = 0, next = 0;
  stream->avail_in = 0;
  for (;;) {
    HEED__TRY(grow(text, &room));
    if (stream->avail_in == 0 && next < packed->size) {
      size_t piece = packed->size - next < INT_MAX ? packed->size - next : INT_MAX;
      stream->next_in = (Bytef *)(packed->bytes + next);
      stream->avail_in = (uInt)piece;
      next += piece;
    }
    stream->next_out = (Bytef *)(text->bytes + text->size);
    stream->avail_out = CHUNK;
    int result = inflate(stream, Z_NO_FLUSH);
    text->size += CHUNK - stream->avail_out;
    if (text->size > MOST_BYTES ||
        (text->size > FREE_BYTES && text->size / MOST_RATIO > packed->size)) {
      return heed__fail(HEED_FORMAT, "%s: %zu bytes unpack to more than %zu", path, packed->size,
                        text->size);
    }
    if (result == Z_STREAM_END) {
      size_t left = packed->size - next + stream->avail_in;
      const char *rest = packed->bytes + packed->size - left;
      if (!is_gzip(rest, left)) break;
      if (inflateReset(stream) != Z_OK) return heed__fail(HEED_NOMEM, "%s: out of memory", path);
    } else if (result == Z_MEM_ERROR) {
      return heed__fail(HEED_NOMEM, "%s: out of memory while unpacking", path);
    } else if (result == Z_BUF_ERROR || (result == Z_OK && stream->avail_in == 0 &&
                                         next == packed->size && stream->avail_out > 0)) {
      return heed__fail(HEED_FORMAT, "%s: the packed data is cut short after %zu bytes", path,
                        packed->size);
    } else if (result != Z_OK) {
      return heed__fail(HEED_FORMAT, "%s: the packed data is damaged: %s", path,
                        stream->msg != NULL ? stream->msg : "wrong header");
    }
  }
  text->bytes[text->size] = '\0';
  return HEED_OK;
}

static heed_status unpack(heed__text *text, const char *path) {
  z_stream stream;
  memset(&stream, 0, sizeof stream);
  if (inflateInit2(&stream, 15 + 16) != Z_OK) {
    return heed__fail(HEED_NOMEM, "%s: out of memory while unpacking", path);
  }
  heed__text plain = {NULL, 0};
  heed_status status = inflate_all(&plain, &stream, text, path);
  (void)inflateEnd(&stream);
  if (status == HEED_OK) {
    heed__text_free(text);
    *text = plain;
  } else {
    heed__text_free(&plain);
  }
  return status;
}

heed_status heed__text_read(heed__text *text, const char *path) {
  memset(text, 0, sizeof *text);
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return heed__fail(HEED_IO, "%s: cannot be read: %s", path, strerror(errno));
  struct stat about;
  heed_status status = HEED_OK;
  if (fstat(file, &about) == 0 && S_ISDIR(about.st_mode)) {
    status = heed__fail(HEED_IO, "%s: cannot be read: %s", path, strerror(EISDIR));
  }
  if (status == HEED_OK) status = read_all(text, file, path);
  (void)close(file);
  if (status == HEED_OK && is_gzip(text->bytes, text->size)) status = unpack(text, path);
  if (status == HEED_OK && text->size == 0) {
    status = heed__fail(HEED_FORMAT, "%s: the file is empty", path);
  }
  if (status != HEED_OK) heed__text_free(text);
  return status;
}

void heed__text_free(heed__text *text) {
  heed__free(text->bytes);
  memset(text, 0, sizeof *text);
}
