/** @file
 *  Room data: data sets (a graph with features, labels and splits), NumPy's .npz archives and
 *  safetensors files. */
#ifndef HEED_DATA_H
#define HEED_DATA_H

#include <heed/base.h>
#include <heed/graph.h>
#include <heed/matrix.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/** @name Arrays in .npz archives
 *  @{ */

/** Type of an array's elements, as NumPy writes it, little-endian. */
typedef enum heed_dtype {
  HEED_DTYPE_BOOL,
  HEED_DTYPE_INT8,
  HEED_DTYPE_UINT8,
  HEED_DTYPE_INT16,
  HEED_DTYPE_UINT16,
  HEED_DTYPE_INT32,
  HEED_DTYPE_UINT32,
  HEED_DTYPE_INT64,
  HEED_DTYPE_UINT64,
  HEED_DTYPE_FLOAT32,
  HEED_DTYPE_FLOAT64
} heed_dtype;

/** Most dimensions of an array. */
#define HEED_NPZ_MAX_DIMS 8

/** One array of an archive: what its header says, and, in heed_npz_write(), its numbers. C order. */
typedef struct heed_array {
  const char *name; /**< without ".npy" */
  heed_dtype dtype;
  int n_dims;
  int64_t shape[HEED_NPZ_MAX_DIMS];
  const void *data; /**< NULL in what heed_npz_find() gives */
} heed_array;

/** An archive open for reading. Opaque. */
typedef struct heed_npz heed_npz;

/** Opens an archive and reads the header of every array. Nothing that the archive claims is
 *  believed before it is checked: sizes that disagree, names that occur twice, pickled objects
 *  and compression beyond any real data are refused. Fortran order is turned into C order.
 *  @return HEED_IO, HEED_FORMAT, HEED_UNSUPPORTED, HEED_OVERFLOW; the message names file and array */
HEED_API HEED_CHECKED heed_status heed_npz_open(heed_npz **npz, const char *path);

/** Closes it; NULL is fine. */
HEED_API void heed_npz_close(heed_npz *npz);

/** How many arrays there are. */
HEED_API int heed_npz_count(const heed_npz *npz);

/** Array number `index`; belongs to the archive. */
HEED_API const heed_array *heed_npz_at(const heed_npz *npz, int index);

/** The array of that name, or NULL; belongs to the archive. */
HEED_API const heed_array *heed_npz_find(const heed_npz *npz, const char *name);

/** Reads an array and converts it to `dtype`, one of FLOAT32, INT32, INT64, UINT8 or BOOL. A number
 *  that the type cannot hold is an error, as is NaN or infinity out of a float array, except that
 *  `allow_minus_infinity` lets minus infinity pass.
 *  @param shape [n_dims]: what is expected; -1 takes any size and is replaced by it
 *  @param data  gets an array that the caller ends with heed_npz_free()
 *  @return HEED_ARGUMENT if there is none of that name, HEED_SHAPE with both shapes, HEED_VALUE and
 *  HEED_RANGE with the place, HEED_FORMAT if the data is cut short or its checksum is wrong */
HEED_API HEED_CHECKED heed_status heed_npz_read(heed_npz *npz, const char *name, heed_dtype dtype,
                                                bool allow_minus_infinity, int n_dims,
                                                int64_t *shape, void **data);

/** Ends an array from heed_npz_read(); NULL is fine. */
HEED_API void heed_npz_free(void *data);

/** Writes an archive of n arrays beside `path` and renames it, so that `path` is always whole. The
 *  same arrays give the same bytes.
 *  @param n at least 1
 *  @return HEED_ARGUMENT, HEED_OVERFLOW, HEED_NOMEM, HEED_IO, and whatever stood at `path` is still there */
HEED_API HEED_CHECKED heed_status heed_npz_write(const char *path, const heed_array *arrays,
                                                 int n);

/** @}
 *  @name Tensors in safetensors files
 *  @{ */

/** A safetensors file open for reading. Opaque. */
typedef struct heed_safetensors heed_safetensors;

/** Opens a file and checks its header: sizes, offsets that overlap or leave holes, names that occur
 *  twice, a header longer than the file or than 100 MB, numbers that do not fit are refused.
 *  @return HEED_IO, HEED_FORMAT, HEED_UNSUPPORTED for a type that heed_dtype cannot tell or too many
 *  dimensions, HEED_OVERFLOW, HEED_NOMEM; the message names file and tensor */
HEED_API HEED_CHECKED heed_status heed_safetensors_open(heed_safetensors **file, const char *path);

/** Closes it; NULL is fine. */
HEED_API void heed_safetensors_close(heed_safetensors *file);

/** How many tensors there are; number `index` in the order of their data; the one of that name or
 *  NULL. They belong to the file.
 *  `dtype` is what heed_safetensors_read() finds best to give: F16 and BF16 are told as FLOAT32. */
HEED_API int heed_safetensors_count(const heed_safetensors *file);
HEED_API const heed_array *heed_safetensors_at(const heed_safetensors *file, int index);
HEED_API const heed_array *heed_safetensors_find(const heed_safetensors *file, const char *name);

/** The metadata under `key`, or NULL; belongs to the file. */
HEED_API const char *heed_safetensors_metadata(const heed_safetensors *file, const char *key);

/** Reads a tensor of any float type as floats, every number finite, into the caller's `into` [n].
 *  @return HEED_ARGUMENT if there is none of that name, HEED_SHAPE if it does not have n numbers,
 *  HEED_VALUE with the place, HEED_FORMAT for a type that is not a float's, HEED_IO */
HEED_API HEED_CHECKED heed_status heed_safetensors_read(heed_safetensors *file, const char *name,
                                                        float *into, int64_t n);

/** Writes tensors (FLOAT32, FLOAT64, INT32, INT64, UINT8) and metadata beside `path` and renames. The
 *  same content gives the same bytes; the data starts at a multiple of 8, tensors of wide numbers
 *  first, so that every one lies aligned, and is flushed to the disk before the rename.
 *  @param metadata pairs of key and value, ended by NULL; may be NULL
 *  @return HEED_ARGUMENT, HEED_OVERFLOW, HEED_NOMEM, HEED_IO, and whatever stood at `path` is still there */
HEED_API HEED_CHECKED heed_status heed_safetensors_write(const char *path, const heed_array *tensors,
                                                         int n, const char *const *metadata);

/** @}
 *  @name Data sets
 *  @{ */

/** A graph with what is known about its nodes. Opaque. */
typedef struct heed_data heed_data;

/** How to open a data set. Zeroed is the default. */
typedef struct heed_data_options {
  uint64_t seed;             /**< of a generated graph, and of the karate club's splits */
  bool directed;             /**< of an edge list, see heed_graph_read() */
  const char *format;        /**< of a graph file, see heed_graph_read(); NULL: told from the file */
  const char *features; /**< vertex attributes to use as features, separated by commas; NULL: the
                             features of an .npz or of a generated graph, none of a file */
  const char *label;    /**< vertex attribute to use as the label; NULL: the labels of an .npz,
                             "block" of a generated sbm, "label" of a generated dictionary,
                             "club" of karate, none of another graph */
} heed_data_options;

/** Opens what `source` names: an .npz in the layout of datasets/README.md (`edges` [M, 2], node
 *  count from features or labels, `node_features` [N, F] or `features_indptr`, `features_indices`,
 *  `features_data`, `features_shape`, `node_labels` [N], `train_masks`, `val_masks`, `test_masks`
 *  [S, N]), or a graph as heed_graph_open() takes it.
 *
 *  Generated graphs that are made for learning come with what it needs. "sbm:...,features=F" has F
 *  dense features. "dictionary:k=K,..." has sparse ones, one-hot: the attribute in columns 0 to K -
 * 1, the value in columns K to 2 K - 1, and column 2 K where there is none; its one split is by
 * whole graphs, a fifth of them for the test and a tenth for validation (one of each where there
 * are three graphs or more, none below), and only queries are in it. "karate" has ten splits, each
 * of four members of each faction for training, four for validation and nine for the test. These
 * need neither options->features nor options->label; where the label is another, there are no
 * splits. Other graphs get splits by heed_data_make_splits() and features by
 * heed_data_identity_features().
 *  @param options NULL for the default
 *  @return any status; the message names file, array, place and numbers */
HEED_API HEED_CHECKED heed_status heed_data_open(heed_data **data, const char *source,
                                                 const heed_data_options *options);

/** Ends it; NULL is fine. All that the accessors below gave ends with it. */
HEED_API void heed_data_free(heed_data *data);

/** How heed_data_make_splits() splits. */
typedef struct heed_split_options {
  uint64_t seed;
  int splits;                   /**< how many, 1 to 65,536 */
  double train;                 /**< share of each class that trains, 0 to 1 */
  double validation;            /**< share of each class that validates; all others test */
  int64_t train_per_class;      /**< above 0: so many nodes of each class, in place of the share */
  int64_t validation_per_class; /**< the same for validation */
} heed_split_options;

/** Makes random splits in the place of those that there are, each with the same number of nodes of
 *  a class; nodes of unknown label are in no part. The same options give the same splits, and split
 * s does not depend on how many there are.
 *  @return HEED_ARGUMENT if there are no labels, an option is out of range or a class (which the
 *  message names) is too small for the counts, HEED_NOMEM; the old splits are then still there */
HEED_API HEED_CHECKED heed_status heed_data_make_splits(heed_data *data,
                                                        const heed_split_options *options);

/** Tells the nodes apart by themselves: sparse features [N, N] with a one in column i of row i, in
 *  the place of those that there are.
 *  @return HEED_NOMEM, and the old features are still there */
HEED_API HEED_CHECKED heed_status heed_data_identity_features(heed_data *data);

/** Divides each row of the features, dense or sparse, by its sum; a row whose sum is zero stays.
 *  @return HEED_ARGUMENT without features, HEED_VALUE naming the node where a quotient is not
 * finite, HEED_NOMEM; the features are then as they were */
HEED_API HEED_CHECKED heed_status heed_data_row_normalize(heed_data *data);

/** The graph; undirected if it came from an .npz. */
HEED_API const igraph_t *heed_data_graph(const heed_data *data);

/** Number of nodes. */
HEED_API int64_t heed_data_nodes(const heed_data *data);

/** Number of features a node; 0 where there are none. */
HEED_API int64_t heed_data_features(const heed_data *data);

/** The dense features [N, F], or NULL where they are sparse or there are none. */
HEED_API const heed_matrix *heed_data_dense_features(const heed_data *data);

/** The sparse features [N, F], or NULL where they are dense or there are none. Dense features of an .npz
 *  of which at most one number in eight is not 0 are kept sparse. */
HEED_API const heed_csr *heed_data_sparse_features(const heed_data *data);

/** Labels [N], 0 to classes - 1, or -1 for unknown (any negative one of an .npz); NULL where there are none. */
HEED_API const int32_t *heed_data_labels(const heed_data *data);

/** Number of classes; 0 where there are no labels. */
HEED_API int32_t heed_data_classes(const heed_data *data);

/** Number of splits. */
HEED_API int heed_data_splits(const heed_data *data);

/** Parts of a split. */
typedef enum heed_part { HEED_PART_TRAIN, HEED_PART_VALIDATION, HEED_PART_TEST } heed_part;

/** Bytes [N], 1 where the node is in that part of that split; NULL if there is no such split. */
HEED_API const uint8_t *heed_data_split(const heed_data *data, int split, heed_part part);

/** result[N, width] = features times a matrix [F, width] with entries uniform in +-sqrt(6 / (F +
 *  width)) (Glorot and Bengio 2010, equation 16) from (seed, stream). Without features the nodes are
 *  told apart by themselves (one-hot features), so the result is the matrix [N, width] itself.
 *  @param result [N, width], the caller's */
HEED_API HEED_CHECKED heed_status heed_data_project(const heed_data *data, uint64_t seed,
                                                    uint64_t stream, int64_t width,
                                                    float *result);

/** The libraries this room runs with, such as "libzip 1.7.3". */
HEED_API const char *heed_data_library(void);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
