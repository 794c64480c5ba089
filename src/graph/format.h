/* Formats of graph files: telling which one, and whether its numbers can be believed. */
#ifndef HEED_SRC_GRAPH_FORMAT_H
#define HEED_SRC_GRAPH_FORMAT_H

#include <stdbool.h>

#include "graph/text.h"

typedef enum heed__format {
  HEED__FORMAT_GRAPHML,
  HEED__FORMAT_GML,
  HEED__FORMAT_PAJEK,
  HEED__FORMAT_DL,
  HEED__FORMAT_DIMACS,
  HEED__FORMAT_LGL,
  HEED__FORMAT_NCOL,
  HEED__FORMAT_EDGELIST,
  HEED__FORMAT_GRAPHDB,
  HEED__FORMAT_UNKNOWN
} heed__format;

/* The format of `name` ("graphml" and so on), or if that is NULL of the content and then of the
 * extension of `path`. @return HEED_UNSUPPORTED, HEED_FORMAT */
heed_status heed__format_find(const heed__text *text, const char *path, const char *name,
                              heed__format *format);

/* What a scan learns beside. */
typedef struct heed__scan {
  bool flow;        /* DIMACS: a flow problem, which is directed */
  bool full_matrix; /* DL: an adjacency matrix */
  int64_t declared; /* GraphML: nodes that the file declares; -1: not known */
} heed__scan;

/* Refuses, before igraph allocates anything, counts and vertex numbers that the file cannot hold.
 * Comment lines of an edge list become blanks. @return HEED_RANGE, HEED_FORMAT with file and line */
heed_status heed__format_scan(heed__text *text, const char *path, heed__format format,
                              heed__scan *scan);

#endif
