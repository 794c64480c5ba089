/* A collection from within: how readers make one, graph after graph. */
#ifndef HEED_SRC_DATA_COLLECTION_H
#define HEED_SRC_DATA_COLLECTION_H

#include <heed/data.h>

#include "data/data.h"

/* The most classes of graphs, as of nodes. */
enum { HEED__MOST_CLASSES = 1 << 20 };

/* Strings, one behind the other. */
typedef struct heed__strings {
  char *bytes;
  size_t size, room;
  size_t *start; /* [n] */
  int64_t n;
  size_t room_n;
} heed__strings;

struct heed_collection {
  int64_t graphs, nodes, edges;
  int64_t *graph_ptr; /* [graphs + 1] */
  int64_t *edge_ptr;  /* [graphs + 1]: edges of graph g */
  int64_t *ends;      /* [edges, 2] */
  heed_matrix x;      /* [nodes, F] */
  heed_matrix edge_x; /* [edges, Fe] */
  int64_t *rows;      /* [graphs] */
  heed__strings names;
  heed__strings x_names, edge_x_names, target_names;
  size_t room_graphs, room_nodes, room_edges;
  heed_target_kind kind;
  int64_t outputs;
  int32_t *labels;    /* [graphs], CLASS */
  heed_matrix values; /* [graphs, outputs], BINARY and NUMBER */
  bool of_molecules;
  uint64_t *hashes; /* [graphs], of molecules: the same for the same molecule */
  size_t room_hashes;
  int32_t *molecule; /* [graphs]: those of one number are the same molecule; NULL: not known yet, or
                        no molecules */
  int32_t *scaffold; /* [graphs]: the same of scaffolds */
  int64_t skipped;
  heed__strings skips;
  int splits;
  uint8_t *parts[HEED__PARTS]; /* [splits, graphs] each */
};

/* `block` (NULL or of heed__alloc) with room for at least `need` things of `size` bytes, and more
 * than that if it has to grow; NULL, and `block` as it was, where there is no memory. */
void *heed__grown(void *block, size_t *room, size_t need, size_t size);

/* Adds a string of `length` bytes. */
heed_status heed__strings_add(heed__strings *strings, const char *text, size_t length);

/* Adds a string as printf() makes it, cut at a thousand bytes. */
heed_status heed__strings_print(heed__strings *strings, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Adds the names that commas separate. */
heed_status heed__strings_split(heed__strings *strings, const char *list);

/* String number `index`, or NULL. */
const char *heed__strings_get(const heed__strings *strings, int64_t index);

void heed__strings_free(heed__strings *strings);

/* A collection without graphs, of `features` a node and `edge_features` an edge. */
heed_status heed__collection_empty(heed_collection **collection, int64_t features,
                                   int64_t edge_features);

/* Room for so many graphs, nodes and edges more. */
heed_status heed__collection_reserve(heed_collection *collection, int64_t graphs, int64_t nodes,
                                     int64_t edges);

/* Adds a graph that came from row `row`. Features of nodes and edges are zeros, and nothing is in
 * the ends of edges, which are numbered through; fill in what collection->graph_ptr[g] and
 * edge_ptr[g] begin. All or nothing. */
heed_status heed__collection_add(heed_collection *collection, int64_t nodes, int64_t edges,
                                 const char *name, int64_t row);

/* What was left out: counts it, and keeps heed_message() for some. */
heed_status heed__collection_skip(heed_collection *collection);

/* The class that graph g counts in where splits are stratified: its label, or the value of the only
 * binary column; -1 where unknown. */
int32_t heed__collection_class(const heed_collection *collection, int64_t graph);

/* Whether there are such classes. */
bool heed__collection_has_classes(const heed_collection *collection);

/* One-hot degrees, the last column for all from 15 on, into the zeroed `x`. Features are named
 * "degree=0", ... */
enum { HEED__DEGREES = 16 };
heed_status heed__collection_degrees(heed_collection *collection);

/* A decimal number as files have them, in any locale: no infinity, no NaN, nothing behind it. */
bool heed__data_number(const char *text, size_t length, double *value);

/* Targets out of numbers, cells[row - 1][columns], NaN where unknown: classes (of one column,
 * ascending), or values; kind NONE: whichever of BINARY and NUMBER they are. target_names has the
 * columns. Messages begin with `source`. */
heed_status heed__collection_numbers(heed_collection *collection, const char *source,
                                     heed_target_kind kind, int64_t columns, const double *cells);

/* Classes out of texts, cells[row - 1], numbered in ascending order: as numbers where all are, else
 * by bytes; unknown where there is nothing. */
heed_status heed__collection_classes(heed_collection *collection, const char *source,
                                     const char *const *cells);

/* The readers, each on its own. */
heed_status heed__collection_read_tudataset(heed_collection **collection, const char *folder,
                                            const heed_collection_options *options);
heed_status heed__collection_read_csv(heed_collection **collection, const char *path,
                                      const heed_collection_options *options);
heed_status heed__collection_read_builtin(heed_collection **collection,
                                          const heed_collection_options *options);
heed_status heed__collection_read_sdf(heed_collection **collection, const char *path,
                                      const heed_collection_options *options);
heed_status heed__collection_read_list(heed_collection **collection, const char *path,
                                       const heed_collection_options *options);

#endif
