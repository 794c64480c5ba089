/* Opening collections: which format a source is in. */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/names.h"
#include "base/status.h"
#include "data/collection.h"

enum { CSV, SDF, TUDATASET, LIST, FORMATS };
static const char *const formats[FORMATS] = {"csv", "sdf", "tudataset", "list"};

static bool ends_in(const char *text, const char *end) {
  size_t n = strlen(text), m = strlen(end);
  return n > m && strcasecmp(text + n - m, end) == 0;
}

static bool is_folder(const char *source) {
  struct stat about;
  return stat(source, &about) == 0 && S_ISDIR(about.st_mode);
}

/* A format by the name of the file, or FORMATS. */
static int by_name(const char *source) {
  if (ends_in(source, ".csv") || ends_in(source, ".csv.gz")) return CSV;
  if (ends_in(source, ".sdf") || ends_in(source, ".sdf.gz")) return SDF;
  if (ends_in(source, ".tsv") || ends_in(source, ".tsv.gz")) return LIST;
  return FORMATS;
}

bool heed_collection_is(const char *source) {
  return strcmp(source, "molecules") == 0 || by_name(source) != FORMATS || is_folder(source);
}

/* The path of the list in a folder, for the caller to free; NULL without memory. */
static char *list_of(const char *folder) {
  size_t n = strlen(folder) + sizeof "/graphs.tsv";
  char *path = heed__alloc(n, 1);
  if (path != NULL) snprintf(path, n, "%s/graphs.tsv", folder);
  return path;
}

static heed_status open_folder(heed_collection **collection, const char *source, int format,
                               const heed_collection_options *options) {
  struct stat about;
  char *path = list_of(source);
  if (path == NULL) return HEED_NOMEM;
  bool list = format == LIST || (format == FORMATS && stat(path, &about) == 0);
  heed_status status = list ? heed__collection_read_list(collection, path, options)
                            : heed__collection_read_tudataset(collection, source, options);
  heed__free(path);
  return status;
}

heed_status heed_collection_open(heed_collection **collection, const char *source,
                                 const heed_collection_options *options) {
  static const heed_collection_options defaults;
  if (options == NULL) options = &defaults;
  *collection = NULL;
  if ((int)options->kind < HEED_TARGET_NONE || options->kind > HEED_TARGET_NUMBER) {
    return heed__fail(HEED_ARGUMENT, "targets of kind %d: there is none such", (int)options->kind);
  }
  int format = options->format == NULL ? by_name(source)
                                       : heed__name_index(formats, FORMATS, options->format);
  if (format < 0) {
    return heed__fail(HEED_ARGUMENT,
                      "no collection has the format '%s'; there are csv, sdf, tudataset, list",
                      options->format);
  }
  if (options->format == NULL && strcmp(source, "molecules") == 0) {
    return heed__collection_read_builtin(collection, options);
  }
  bool folder = is_folder(source);
  if (folder && options->format == NULL) format = FORMATS;
  if (format == FORMATS && !folder) {
    return heed__fail(HEED_UNSUPPORTED,
                      "%s: neither a folder nor named .csv, .sdf or .tsv (each may end in .gz), "
                      "and no format was given",
                      source);
  }
  if (folder && format != CSV && format != SDF) {
    return open_folder(collection, source, format, options);
  }
  if (format == TUDATASET) return heed__collection_read_tudataset(collection, source, options);
  if (format == LIST) return heed__collection_read_list(collection, source, options);
  return format == CSV ? heed__collection_read_csv(collection, source, options)
                       : heed__collection_read_sdf(collection, source, options);
}
