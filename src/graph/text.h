/* A whole file in memory, unpacked. */
#ifndef HEED_SRC_GRAPH_TEXT_H
#define HEED_SRC_GRAPH_TEXT_H

#include <heed/base.h>

typedef struct heed__text {
  char *bytes; /* [size], and a zero behind */
  size_t size;
} heed__text;

/* Reads `path`, which may be packed by gzip, and refuses what is larger than 8 GiB or unpacks to
 * more than 500 times its size (beyond 64 MiB). @return HEED_IO, HEED_FORMAT, HEED_NOMEM */
heed_status heed__text_read(heed__text *text, const char *path);

void heed__text_free(heed__text *text);

#endif
