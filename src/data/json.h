/* JSON from files of others: looked through for depth and count before Jansson makes a tree of it.
 * Only this room knows what a tree is; rooms above read files of settings by keys. */
#ifndef HEED_SRC_DATA_JSON_H
#define HEED_SRC_DATA_JSON_H

#include <heed/data.h>

struct json_t;

/* Parses `n` bytes that are one object nested no deeper than `deepest`. `path` and `what` ("the
 * header") say in messages what they are. The caller gives *tree back to Jansson. HEED_FORMAT
 * naming the byte, HEED_NOMEM. */
heed_status heed__json_parse(struct json_t **tree, const char *path, const char *what,
                             const char *text, size_t n, int deepest);

/* A file that is one object: settings under names. */
typedef struct heed__json {
  struct json_t *tree;
  const char *path; /* the caller's */
} heed__json;

/* HEED_IO, HEED_FORMAT, HEED_NOMEM; nothing is held then. */
heed_status heed__json_open(heed__json *file, const char *path);
void heed__json_close(heed__json *file);

/* A setting of the outermost object, which must be of that type: a whole number between `least` and
 * `most`, a finite number, a text (the file's, until it is closed), a flag. Where there is none
 * under that name the value stays as it is. HEED_FORMAT naming the file, the setting and what it is
 * instead; HEED_RANGE. */
heed_status heed__json_whole(const heed__json *file, const char *name, int64_t least, int64_t most,
                             int64_t *value);
heed_status heed__json_number(const heed__json *file, const char *name, double *value);
heed_status heed__json_text(const heed__json *file, const char *name, const char **value);
heed_status heed__json_flag(const heed__json *file, const char *name, bool *value);

#endif
