/* A data set from within. */
#ifndef HEED_SRC_DATA_DATA_H
#define HEED_SRC_DATA_DATA_H

#include <heed/data.h>

enum { HEED__PARTS = 3 };

struct heed_data {
  igraph_t graph;
  bool has_graph;
  int64_t nodes;
  int64_t n_features;
  heed_matrix dense; /* data NULL: none */
  heed_csr sparse;   /* indptr NULL: none; its arrays are those below */
  int64_t *indptr;
  int32_t *indices;
  float *values;
  int32_t *labels;
  int32_t classes;
  int splits;
  uint8_t *parts[HEED__PARTS]; /* [splits, nodes] each */
};

/* The features of a dictionary of k keys, out of its vertex attributes: one-hot the attribute [k]
 * and the value [k + 1], whose last column says that there is none. */
heed_status heed__data_dictionary_features(heed_data *data, int64_t k);

/* Keeps dense features as sparse ones where nearly all of many numbers are 0, as in bags of words. */
heed_status heed__data_sparsify(heed_data *data);

/* Streams of random numbers: split s shuffles by this one and s. */
#define HEED__SPLIT_STREAM ((uint64_t)1 << 21)

/* The most splits that are made at once. */
enum { HEED__MOST_SPLITS = 1 << 16 };

/* Its one split, by whole graphs: the last fifth tests, the tenth before validates. */
heed_status heed__data_dictionary_splits(heed_data *data, int64_t k);

/* Ten splits: four of each faction train, four validate, nine test. */
heed_status heed__data_karate_splits(heed_data *data, uint64_t seed);

#endif
