/* Files that are whole or absent: written beside their target, then renamed. */
#ifndef HEED_SRC_BASE_FILE_H
#define HEED_SRC_BASE_FILE_H

#include <heed/base.h>
#include <stdio.h>

typedef struct heed__file {
  FILE *stream;    /* write here */
  char *path;      /* the target */
  char *temporary; /* what is written meanwhile, in the same folder */
} heed__file;

/* Opens a file beside `path`, which is absent or an ordinary file. On failure nothing is left. */
heed_status heed__file_begin(heed__file *file, const char *path);

/* Flushes to disk, closes and renames over the target; the file's permissions are those an ordinary
 * new file would get. On failure the target is as it was and nothing else is left. */
heed_status heed__file_commit(heed__file *file);

/* Gives up: removes what was written, the target stays as it was. Fine after begin failed or commit
 * ran. */
void heed__file_abandon(heed__file *file);

#endif
