/* Data sets: a graph with what is known about its nodes. */
#include <heed/data.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/status.h"
#include "data/data.h"
#include "graph/recipe.h"

enum { MOST_CLASSES = 1 << 20, PARTS = HEED__PARTS };

static const char *const part_names[PARTS] = {"train_masks", "val_masks", "test_masks"};

/* While an .npz is read: who told the number of nodes. */
typedef struct node_count {
  const char *source;
  const char *teller; /* NULL: nobody yet */
  int64_t nodes;
} node_count;

static heed_status agree(node_count *count, const char *teller, int64_t nodes) {
  if (count->teller == NULL) {
    if (nodes > INT32_MAX) {
      return heed__fail(HEED_RANGE, "%s: array '%s' has %lld nodes; %d is the most", count->source,
                        teller, (long long)nodes, INT32_MAX);
    }
    count->teller = teller;
    count->nodes = nodes;
  }
  if (nodes != count->nodes) {
    return heed__fail(HEED_SHAPE, "%s: array '%s' has %lld nodes, array '%s' has %lld",
                      count->source, teller, (long long)nodes, count->teller,
                      (long long)count->nodes);
  }
  return HEED_OK;
}

static heed_status read_dense(heed_data *data, heed_npz *npz, node_count *count) {
  int64_t shape[2] = {-1, -1};
  void *features;
  HEED__TRY(heed_npz_read(npz, "node_features", HEED_DTYPE_FLOAT32, false, 2, shape, &features));
  data->dense = heed_matrix_view(features, shape[0], shape[1]);
  if (shape[1] > INT32_MAX) {
    return heed__fail(HEED_RANGE, "%s: %lld features a node", count->source, (long long)shape[1]);
  }
  data->n_features = shape[1];
  return agree(count, "node_features", shape[0]);
}

static heed_status read_sparse(heed_data *data, heed_npz *npz, node_count *count) {
  static const char *const names[] = {"features_indptr", "features_indices", "features_data",
                                      "features_shape"};
  for (int i = 0; i < 4; i++) {
    if (heed_npz_find(npz, names[i]) == NULL) {
      return heed__fail(HEED_FORMAT, "%s: sparse features without array '%s'", count->source,
                        names[i]);
    }
  }
  int64_t pointers = -1, n = -1, two = 2;
  void *array;
  HEED__TRY(heed_npz_read(npz, names[0], HEED_DTYPE_INT64, false, 1, &pointers, &array));
  data->indptr = array;
  HEED__TRY(heed_npz_read(npz, names[1], HEED_DTYPE_INT32, false, 1, &n, &array));
  data->indices = array;
  HEED__TRY(heed_npz_read(npz, names[2], HEED_DTYPE_FLOAT32, false, 1, &n, &array));
  data->values = array;
  HEED__TRY(heed_npz_read(npz, names[3], HEED_DTYPE_INT64, false, 1, &two, &array));
  int64_t rows = ((int64_t *)array)[0], cols = ((int64_t *)array)[1];
  heed_npz_free(array);
  if (rows < 0 || cols < 0 || cols > INT32_MAX) {
    return heed__fail(HEED_RANGE, "%s: array 'features_shape' is %lld, %lld", count->source,
                      (long long)rows, (long long)cols);
  }
  if (pointers < 1 || pointers - 1 != rows) {
    return heed__fail(HEED_SHAPE, "%s: array 'features_indptr' has %lld numbers for %lld rows",
                      count->source, (long long)pointers, (long long)rows);
  }
  if (data->indptr[rows] != n) {
    return heed__fail(HEED_SHAPE,
                      "%s: array 'features_indptr' ends with %lld, array 'features_indices' has "
                      "%lld numbers",
                      count->source, (long long)data->indptr[rows], (long long)n);
  }
  bool ones = true;
  for (int64_t i = 0; i < n && ones; i++) ones = data->values[i] == 1;
  if (ones) {
    heed_npz_free(data->values);
    data->values = NULL;
  }
  data->sparse = (heed_csr){.rows = rows,
                            .cols = cols,
                            .indptr = data->indptr,
                            .indices = data->indices,
                            .values = data->values};
  heed_status status = heed_csr_check(&data->sparse);
  if (status != HEED_OK)
    return heed__fail(status, "%s: features: %s", count->source, heed_message());
  data->n_features = cols;
  return agree(count, "features_shape", rows);
}

static heed_status read_labels(heed_data *data, heed_npz *npz, node_count *count) {
  int64_t n = -1;
  void *labels;
  HEED__TRY(heed_npz_read(npz, "node_labels", HEED_DTYPE_INT32, false, 1, &n, &labels));
  data->labels = labels;
  for (int64_t i = 0; i < n; i++) {
    int32_t label = data->labels[i];
    if (label >= MOST_CLASSES) {
      return heed__fail(HEED_RANGE, "%s: array 'node_labels': %d at [%lld]; %d is the most",
                        count->source, label, (long long)i, MOST_CLASSES - 1);
    }
    if (label < 0) data->labels[i] = -1;
    if (label >= data->classes) data->classes = label + 1;
  }
  return agree(count, "node_labels", n);
}

static heed_status read_splits(heed_data *data, heed_npz *npz, node_count *count) {
  int64_t splits = -1;
  for (int part = 0; part < PARTS; part++) {
    const char *name = part_names[part];
    if (heed_npz_find(npz, name) == NULL) {
      if (part == 0 && heed_npz_find(npz, part_names[1]) == NULL &&
          heed_npz_find(npz, part_names[2]) == NULL) {
        return HEED_OK;
      }
      return heed__fail(HEED_FORMAT, "%s: splits without array '%s'", count->source, name);
    }
    int64_t shape[2] = {-1, -1};
    void *bytes;
    HEED__TRY(heed_npz_read(npz, name, HEED_DTYPE_BOOL, false, 2, shape, &bytes));
    data->parts[part] = bytes;
    if (part > 0 && shape[0] != splits) {
      return heed__fail(HEED_SHAPE, "%s: array '%s' has %lld splits, array '%s' has %lld",
                        count->source, name, (long long)shape[0], part_names[0], (long long)splits);
    }
    splits = shape[0];
    if (splits > INT32_MAX) {
      return heed__fail(HEED_RANGE, "%s: %lld splits", count->source, (long long)splits);
    }
    /* Without a split no byte stands behind the number of nodes. */
    if (splits > 0) HEED__TRY(agree(count, name, shape[1]));
  }
  data->splits = (int)splits;
  return HEED_OK;
}

static heed_status read_edges(heed_data *data, heed_npz *npz, const node_count *count) {
  int64_t shape[2] = {-1, 2};
  void *array;
  HEED__TRY(heed_npz_read(npz, "edges", HEED_DTYPE_INT64, false, 2, shape, &array));
  const int64_t *edges = array;
  heed_status status = HEED_OK;
  for (int64_t i = 0; i < 2 * shape[0] && status == HEED_OK; i++) {
    if (edges[i] < 0 || edges[i] >= count->nodes) {
      status = heed__fail(HEED_RANGE, "%s: array 'edges': row %lld names node %lld of %lld",
                          count->source, (long long)(i / 2), (long long)edges[i],
                          (long long)count->nodes);
    }
  }
  if (status == HEED_OK) {
    status = heed_graph_from_edges(&data->graph, count->nodes, edges, shape[0], false);
    data->has_graph = status == HEED_OK;
  }
  heed_npz_free(array);
  return status;
}

static heed_status read_arrays(heed_data *data, heed_npz *npz, const char *source) {
  node_count count = {.source = source};
  if (heed_npz_find(npz, "edges") == NULL) {
    return heed__fail(HEED_FORMAT, "%s: no array 'edges', so no graph", source);
  }
  bool dense = heed_npz_find(npz, "node_features") != NULL;
  bool sparse = heed_npz_find(npz, "features_indptr") != NULL;
  if (dense && sparse) {
    return heed__fail(HEED_FORMAT, "%s: both 'node_features' and 'features_indptr'", source);
  }
  if (heed_npz_find(npz, "node_labels") != NULL) HEED__TRY(read_labels(data, npz, &count));
  if (dense) HEED__TRY(read_dense(data, npz, &count));
  if (sparse) HEED__TRY(read_sparse(data, npz, &count));
  HEED__TRY(read_splits(data, npz, &count));
  if (count.teller == NULL) {
    return heed__fail(HEED_FORMAT, "%s: no features, labels or splits that tell how many nodes",
                      source);
  }
  data->nodes = count.nodes;
  /* Rows without columns take no bytes: so many nodes must be told by something that does. */
  if (data->n_features == 0 && dense && data->labels == NULL && data->splits == 0 &&
      count.nodes > 0) {
    return heed__fail(HEED_FORMAT, "%s: array 'node_features' has %lld rows and no column", source,
                      (long long)count.nodes);
  }
  return read_edges(data, npz, &count);
}

static heed_status open_npz(heed_data *data, const char *source, const heed_data_options *options) {
  if (options->features != NULL || options->label != NULL) {
    return heed__fail(HEED_ARGUMENT, "%s: an .npz has no vertex attribute '%s'", source,
                      options->features != NULL ? options->features : options->label);
  }
  heed_npz *npz;
  HEED__TRY(heed_npz_open(&npz, source));
  heed_status status = read_arrays(data, npz, source);
  heed_npz_close(npz);
  return status == HEED_OK ? heed__data_sparsify(data) : status;
}

static heed_status take_features(heed_data *data, const char *source, const char *list) {
  int64_t n = 1;
  for (const char *c = list; *c != '\0'; c++) n += *c == ',';
  size_t numbers;
  float *x = NULL;
  if (heed__multiply((size_t)data->nodes, (size_t)n, &numbers)) {
    x = heed__alloc(numbers, sizeof *x);
  }
  char *names = x == NULL ? NULL : heed__strdup(list);
  heed_status status = names == NULL ? HEED_NOMEM : HEED_OK;
  char *name = names;
  for (int64_t column = 0; column < n && status == HEED_OK; column++) {
    char *end = name + strcspn(name, ",");
    *end = '\0';
    status = name == end ? heed__fail(HEED_ARGUMENT, "an empty name in the features '%s'", list)
                         : heed_graph_feature(&data->graph, name, x + column, n);
    if (status != HEED_OK) status = heed__fail(status, "%s: %s", source, heed_message());
    name = end + 1;
  }
  heed__free(names);
  data->dense = heed_matrix_view(x, data->nodes, n);
  data->n_features = n;
  return status;
}

/* The attributes x0, x1, ... that a stochastic block model has where its recipe asks for them. */
static heed_status take_sbm_features(heed_data *data, const char *source, int64_t n) {
  enum { NAME_BYTES = 8 };
  if (n == 0) return HEED_OK;
  char *names = heed__alloc((size_t)n, NAME_BYTES);
  if (names == NULL) return HEED_NOMEM;
  size_t at = 0, bytes = (size_t)n * NAME_BYTES;
  for (int64_t i = 0; i < n; i++) {
    at += (size_t)snprintf(names + at, bytes - at, "%sx%d", i > 0 ? "," : "", (int)i);
  }
  heed_status status = take_features(data, source, names);
  heed__free(names);
  return status;
}

/* The attribute that a graph made here has as its label, or NULL. */
static const char *own_label(const char *source) {
  return heed__recipe_is(source, "sbm")          ? "block"
         : heed__recipe_is(source, "dictionary") ? "label"
         : heed__is_karate(source)               ? "club"
                                                 : NULL;
}

static heed_status open_graph(heed_data *data, const char *source, bool is_file,
                              const heed_data_options *options) {
  if (is_file || options->format != NULL) {
    HEED__TRY(heed_graph_read(&data->graph, source, options->format, options->directed));
  } else {
    HEED__TRY(heed_graph_open(&data->graph, source, options->seed));
  }
  data->has_graph = true;
  data->nodes = igraph_vcount(&data->graph);
  bool made = !is_file && options->format == NULL;
  bool dictionary = made && heed__recipe_is(source, "dictionary");
  if (options->features != NULL) {
    HEED__TRY(take_features(data, source, options->features));
  } else if (dictionary) {
    HEED__TRY(heed__data_dictionary_features(data, heed__recipe_number(source, "k")));
  } else if (made && heed__recipe_is(source, "sbm")) {
    HEED__TRY(take_sbm_features(data, source, heed__recipe_number(source, "features")));
  }
  const char *label = options->label;
  if (label == NULL && made) label = own_label(source);
  if (label == NULL) return HEED_OK;
  data->labels = heed__alloc((size_t)data->nodes, sizeof *data->labels);
  if (data->labels == NULL) return HEED_NOMEM;
  heed_status status = heed_graph_labels(&data->graph, label, data->labels, &data->classes);
  if (status != HEED_OK) return heed__fail(status, "%s: %s", source, heed_message());
  if (options->label != NULL) return HEED_OK;
  if (dictionary) return heed__data_dictionary_splits(data, heed__recipe_number(source, "k"));
  return made && heed__is_karate(source) ? heed__data_karate_splits(data, options->seed) : HEED_OK;
}

/* By the name, or by how every archive begins. */
static bool is_npz(const char *source, bool is_file) {
  size_t length = strlen(source);
  if (length > 4 && strcmp(source + length - 4, ".npz") == 0) return true;
  FILE *file = is_file ? fopen(source, "rb") : NULL;
  if (file == NULL) return false;
  char start[4] = "";
  size_t n = fread(start, 1, sizeof start, file);
  fclose(file);
  return n == sizeof start && memcmp(start, "PK\x03\x04", 4) == 0;
}

heed_status heed_data_open(heed_data **data, const char *source, const heed_data_options *options) {
  static const heed_data_options defaults;
  if (options == NULL) options = &defaults;
  *data = heed__alloc_zero(1, sizeof **data);
  if (*data == NULL) return HEED_NOMEM;
  struct stat file;
  bool is_file = stat(source, &file) == 0;
  bool npz = options->format == NULL && is_npz(source, is_file && S_ISREG(file.st_mode));
  heed_status status =
      npz ? open_npz(*data, source, options) : open_graph(*data, source, is_file, options);
  if (status != HEED_OK) {
    heed_data_free(*data);
    *data = NULL;
  }
  return status;
}

void heed_data_free(heed_data *data) {
  if (data == NULL) return;
  if (data->has_graph) heed_graph_destroy(&data->graph);
  heed__free(data->dense.data);
  heed__free(data->indptr);
  heed__free(data->indices);
  heed__free(data->values);
  heed__free(data->labels);
  for (int part = 0; part < PARTS; part++) heed__free(data->parts[part]);
  heed__free(data);
}

const igraph_t *heed_data_graph(const heed_data *data) { return &data->graph; }

int64_t heed_data_nodes(const heed_data *data) { return data->nodes; }

int64_t heed_data_features(const heed_data *data) { return data->n_features; }

const heed_matrix *heed_data_dense_features(const heed_data *data) {
  return data->dense.data != NULL && data->n_features > 0 ? &data->dense : NULL;
}

const heed_csr *heed_data_sparse_features(const heed_data *data) {
  return data->sparse.indptr != NULL && data->n_features > 0 ? &data->sparse : NULL;
}

const int32_t *heed_data_labels(const heed_data *data) { return data->labels; }

int32_t heed_data_classes(const heed_data *data) { return data->classes; }

int heed_data_splits(const heed_data *data) { return data->splits; }

const uint8_t *heed_data_split(const heed_data *data, int split, heed_part part) {
  if (split < 0 || split >= data->splits || (int)part < 0 || (int)part >= PARTS) return NULL;
  return data->parts[part] + (int64_t)split * data->nodes;
}

heed_status heed_data_project(const heed_data *data, uint64_t seed, uint64_t stream, int64_t width,
                              float *result) {
  if (width < 1 || width > INT32_MAX) {
    return heed__fail(HEED_ARGUMENT, "a projection to width %lld: not between 1 and %d",
                      (long long)width, INT32_MAX);
  }
  int64_t rows = data->n_features > 0 ? data->n_features : data->nodes;
  int64_t n = rows * width; /* both are below 2^31 */
  float bound = (float)sqrt(6.0 / ((double)rows + (double)width));
  if (data->n_features == 0) {
    heed_random_uniform(seed, stream, result, n, -bound, bound);
    return HEED_OK;
  }
  float *weights = heed__alloc((size_t)n, sizeof *weights);
  if (weights == NULL) return HEED_NOMEM;
  heed_random_uniform(seed, stream, weights, n, -bound, bound);
  heed_matrix w = heed_matrix_view(weights, rows, width);
  heed_matrix out = heed_matrix_view(result, data->nodes, width);
  heed_status status = data->sparse.indptr != NULL
                           ? heed_csr_matmul(&data->sparse, &w, &out)
                           : heed_matmul(false, false, 1, &data->dense, &w, 0, &out);
  heed__free(weights);
  return status;
}
