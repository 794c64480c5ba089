/** @file
 *  Room data: data sets (a graph with features, labels and splits), collections of graphs (molecules
 *  among them) and batches of them, NumPy's .npz archives and safetensors files. */
#ifndef HEED_DATA_H
#define HEED_DATA_H

#include <heed/base.h>
#include <heed/graph.h>
#include <heed/matrix.h>
#include <heed/model.h>
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

/** @}
 *  @name Collections: many graphs, each with targets of its own
 *  The nodes of all graphs are numbered through, graph after graph, as are their edges.
 *  @{ */

/** Many graphs. Opaque. */
typedef struct heed_collection heed_collection;

/** What a graph should give. */
typedef enum heed_target_kind {
  HEED_TARGET_NONE = 0,
  HEED_TARGET_CLASS = 1,  /**< one of several classes: a label */
  HEED_TARGET_BINARY = 2, /**< yes (1) or no (0) a column, NaN where unknown */
  HEED_TARGET_NUMBER = 3  /**< a number a column, NaN where unknown */
} heed_target_kind;

/** How to open a collection. Zeroed is the default. */
typedef struct heed_collection_options {
  const char *format;    /**< "csv", "sdf", "tudataset" or "list"; NULL: told from the source */
  const char *smiles;    /**< csv: the column of SMILES; NULL: the one called "smiles" in any case */
  const char *targets;   /**< csv, sdf: columns or properties, separated by commas; "": none; NULL: csv: every column whose
                              cells are all numbers or blank; sdf: none */
  heed_target_kind kind; /**< of the targets; NONE: BINARY where all are 0, 1 or blank, CLASS for tudataset with
                              graph labels and for a list, else NUMBER */
  const char *features;  /**< list: vertex attributes, separated by commas; NULL: the degree, one-hot up to 15 */
  bool skip_bad;         /**< leave out what cannot be read, and count it */
} heed_collection_options;

/** Opens what `source` names:
 *
 *  - csv: a table with a header (RFC 4180; .csv or .csv.gz) with a column of SMILES, a molecule a row;
 *  - sdf: molecules of an .sdf or .sdf.gz with their properties;
 *  - tudataset: a folder DS with DS/DS_A.txt, DS_graph_indicator.txt, DS_graph_labels.txt or
 *    DS_graph_attributes.txt, and DS_node_labels, DS_node_attributes, DS_edge_labels, DS_edge_attributes where
 *    there are any (Morris et al. 2020); labels become one-hot features, nodes without any get their degree,
 *    one-hot up to 15;
 *  - list: a text file "graphs.tsv" (or any .tsv), a line "FILE<tab>LABEL" a graph, files as heed_graph_read()
 *    takes them, relative to the list; a folder is taken for its graphs.tsv;
 *  - "molecules": the molecules that come with Heed.
 *
 *  Molecules are nodes (atoms but hydrogens) and edges (bonds) with the features that
 *  datasets/README.md describes; they need Indigo.
 *  @return any status; the message names file, row and reason */
HEED_API HEED_CHECKED heed_status heed_collection_open(heed_collection **collection,
                                                       const char *source,
                                                       const heed_collection_options *options);

/** Whether `source` looks like a collection, not like one graph: a folder, .csv, .csv.gz, .sdf, .sdf.gz,
 *  .tsv, or "molecules". */
HEED_API bool heed_collection_is(const char *source);

/** What a collection is made of; arrays of the caller, copied. */
typedef struct heed_collection_arrays {
  int64_t n_graphs;
  const int64_t *graph_ptr;     /**< [n_graphs + 1] nodes of graph g: graph_ptr[g] .. graph_ptr[g + 1]) */
  heed_matrix features;         /**< [nodes, F] */
  int64_t n_edges;
  const int64_t *edges;         /**< [n_edges, 2] nodes, each undirected edge once, graph after graph */
  heed_matrix edge_features;    /**< [n_edges, Fe]; cols 0: none */
  heed_target_kind kind;
  const int32_t *labels;        /**< CLASS: [n_graphs], -1 unknown */
  heed_matrix values;           /**< BINARY, NUMBER: [n_graphs, T] */
  const char *const *names;     /**< [n_graphs], of a molecule its SMILES; or NULL */
  const char *const *targets;   /**< [T] names of the columns; or NULL */
} heed_collection_arrays;

/** @return HEED_SHAPE, HEED_RANGE with the graph and the numbers, HEED_NOMEM */
HEED_API HEED_CHECKED heed_status heed_collection_new(heed_collection **collection,
                                                      const heed_collection_arrays *arrays);

/** Ends it; NULL is fine. All that the accessors gave ends with it. */
HEED_API void heed_collection_free(heed_collection *collection);

/** The collection whose node sets are the edges of this one (edge-set attention, Buterez et al. 2025): a
 *  node for every edge, with the sum and the absolute difference of the features of its ends and the
 *  features of the edge; two of them are joined where the edges share an end (the line graph, by igraph),
 *  with the features of the node they share. A graph without edges keeps one node of zeros. Targets,
 *  names and splits come along.
 *  @return HEED_NOMEM, HEED_LIBRARY */
HEED_API HEED_CHECKED heed_status heed_collection_line_graphs(heed_collection **result,
                                                              const heed_collection *collection);

/** Puts columns beside the features of the nodes, named "encoding0", ...: those of heed_encode_nodes(), say.
 *  Features and names of them that the collection gave before are no longer there afterwards.
 *  @param columns [nodes, C], C at least 1, copied
 *  @return HEED_SHAPE, HEED_OVERFLOW, HEED_NOMEM; the collection is then as it was */
HEED_API HEED_CHECKED heed_status heed_collection_widen(heed_collection *collection,
                                                        const heed_matrix *columns);

/** Sizes: graphs, nodes and edges of all, features of a node, of an edge, columns of the output that the targets
 *  ask for (classes, or columns). */
HEED_API int64_t heed_collection_graphs(const heed_collection *collection);
HEED_API int64_t heed_collection_nodes(const heed_collection *collection);
HEED_API int64_t heed_collection_edge_count(const heed_collection *collection);
HEED_API int64_t heed_collection_features(const heed_collection *collection);
HEED_API int64_t heed_collection_edge_features(const heed_collection *collection);
HEED_API int64_t heed_collection_outputs(const heed_collection *collection);
HEED_API heed_target_kind heed_collection_kind(const heed_collection *collection);
/** [graphs + 1] */
HEED_API const int64_t *heed_collection_graph_ptr(const heed_collection *collection);
/** [nodes, F] */
HEED_API const heed_matrix *heed_collection_node_matrix(const heed_collection *collection);
/** [edges, 2]: the nodes an edge joins, numbered through */
HEED_API const int64_t *heed_collection_edges(const heed_collection *collection);
/** [edges, Fe]; NULL where there are none */
HEED_API const heed_matrix *heed_collection_edge_matrix(const heed_collection *collection);
/** [graphs]; NULL unless CLASS */
HEED_API const int32_t *heed_collection_labels(const heed_collection *collection);
/** [graphs, columns]; NULL unless BINARY or NUMBER */
HEED_API const heed_matrix *heed_collection_values(const heed_collection *collection);
/** Name of a graph: its SMILES, its file or its number in the source; of a column or class of the targets; of a
 *  feature of nodes ("element=C") or of edges ("bond=double"). */
HEED_API const char *heed_collection_name(const heed_collection *collection, int64_t graph);
HEED_API const char *heed_collection_target_name(const heed_collection *collection, int64_t column);
HEED_API const char *heed_collection_feature_name(const heed_collection *collection, bool of_edges,
                                                  int64_t column);
/** The row of the source (from 1, a header not counted) a graph came from. */
HEED_API int64_t heed_collection_row(const heed_collection *collection, int64_t graph);
/** How many molecules are there before already, written in whatever way; 0 for graphs that are none.
 *  @return HEED_NOMEM, HEED_LIBRARY */
HEED_API HEED_CHECKED heed_status heed_collection_repeats(heed_collection *collection,
                                                          int64_t *repeats);
/** What was left out: how many, and of number `index` (at least the first 100 are kept) what and why. */
HEED_API int64_t heed_collection_skipped(const heed_collection *collection);
HEED_API const char *heed_collection_skip(const heed_collection *collection, int64_t index);

/** The mask of all graphs: both pairs of every edge, with its id, block after block. End it with
 *  heed_mask_free(). The mask algebra keeps the blocks apart (khop, self-loops). */
HEED_API HEED_CHECKED heed_status heed_collection_mask(const heed_collection *collection,
                                                       heed_mask *mask);

/** Ways to split a collection. */
typedef enum heed_collection_split_kind {
  HEED_SPLIT_RANDOM = 0,
  HEED_SPLIT_STRATIFIED = 1, /**< the same share of each class; only CLASS, and BINARY of one column */
  HEED_SPLIT_FOLDS = 2,      /**< `splits` folds, each the test once, stratified where there are classes; the fold
                                  after it validates */
  HEED_SPLIT_SCAFFOLD = 3,   /**< by Bemis-Murcko scaffold (Bemis and Murcko 1996): groups of molecules of one
                                  scaffold stay together; large groups train (the usual deterministic order)
                                  in split 0 with seed 0, else groups are shuffled, those larger than half the test
                                  share train first; only molecules */
  HEED_SPLIT_SCAFFOLD_FOLDS = 4 /**< folds as above, of whole scaffolds; those larger than half a fold are dealt first */
} heed_collection_split_kind;

/** How to split. */
typedef struct heed_collection_split_options {
  heed_collection_split_kind kind;
  uint64_t seed;
  int splits;        /**< how many, or folds */
  double train;      /**< share of the graphs; 0.8 is usual. Not read for folds */
  double validation; /**< 0.1 is usual; the rest tests */
} heed_collection_split_options;

/** Splits in the place of those that there are. Graphs of the same molecule (the same canonical SMILES) stay in one part,
 *  whatever the kind; graphs without a single known target are in no part.
 *  @return HEED_ARGUMENT, HEED_UNSUPPORTED without Indigo, HEED_NOMEM; the old splits are then still there */
HEED_API HEED_CHECKED heed_status heed_collection_split(heed_collection *collection,
                                                        const heed_collection_split_options *options);
HEED_API int heed_collection_splits(const heed_collection *collection);
/** Bytes [graphs]; NULL if there is no such split. */
HEED_API const uint8_t *heed_collection_split_part(const heed_collection *collection, int split,
                                                   heed_part part);

/** Whether `splits` are folds of one another. */
HEED_API bool heed_collection_split_folds(heed_collection_split_kind kind);
HEED_API const char *heed_collection_split_name(heed_collection_split_kind kind); /**< "random", "stratified",
                                                                                       "folds", "scaffold", "scaffold-folds" */
HEED_API HEED_CHECKED heed_status heed_collection_split_from_name(const char *name,
                                                                  heed_collection_split_kind *kind);

/** Coordinates in the plane of the atoms of a molecule (Indigo's layout) [atoms, 2] and their element symbols, and
 *  the features and edges of it as a collection of one graph, for drawings.
 *  @param smiles a SMILES string
 *  @return HEED_FORMAT, HEED_UNSUPPORTED without Indigo */
HEED_API HEED_CHECKED heed_status heed_molecule_read(heed_collection **molecule, const char *smiles);
HEED_API HEED_CHECKED heed_status heed_molecule_layout(const char *smiles, int64_t atoms, double *xy,
                                                       char (*symbols)[8]);

/** The SMILES of the built-in molecule of that name, such as "caffeine", in any case.
 *  @param smiles [size], the caller's
 *  @return HEED_ARGUMENT if there is none, HEED_RANGE if size is too small (400 is enough) */
HEED_API HEED_CHECKED heed_status heed_molecule_find(const char *name, char *smiles, size_t size);

/** @}
 *  @name Batches of a collection
 *  @{ */

/** Room for some graphs side by side, as a model takes them. Opaque. */
typedef struct heed_batch heed_batch;

/** Room for any `most` graphs of the collection at once.
 *  @param collection must outlive the batch, as must the arrays of `pairs`
 *  @param pairs what is known of the pairs of the whole collection; NULL: there are none. Read are `mask`,
 *         heed_collection_mask() or made from it by the algebra, or in its place masks of heads (`head_masks` and
 *         the next); and of their pairs `pair_classes` and `edges`. Without `edges` the features of a pair are those of
 *         its first edge; pairs without an edge have zeros; with a mask that knows of no edges at all (runs, full)
 *         there are none
 *  @return HEED_SHAPE if a pair leads from one graph to another, or there are features of other pairs; HEED_RANGE
 *          for an edge that is not there; HEED_RANGE, HEED_ARGUMENT for masks of heads that are none; HEED_NOMEM */
HEED_API HEED_CHECKED heed_status heed_batch_new(heed_batch **batch, const heed_collection *collection,
                                                 const heed_model_inputs *pairs, int64_t most);
HEED_API void heed_batch_free(heed_batch *batch);
/** What a pass for any such batch has to hold. */
HEED_API heed_model_capacity heed_batch_capacity(const heed_batch *batch);
/** Puts the graphs `graphs` [n] side by side in that order. Allocates nothing.
 *  @return HEED_RANGE for a graph there is none of, more than `most`, or the same one so often that there is no room */
HEED_API HEED_CHECKED heed_status heed_batch_take(heed_batch *batch, const int64_t *graphs, int64_t n);
/** The inputs of a model; the batch's, until the next take. */
HEED_API const heed_model_inputs *heed_batch_inputs(const heed_batch *batch);

/** The libraries this room runs with, such as "libzip 1.7.3, Indigo 1.2.3" or "libzip 1.7.3, no Indigo". */
HEED_API const char *heed_data_library(void);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
