/* Features that no file has, and features made over. */
#include <heed/data.h>
#include <math.h>

#include "base/alloc.h"
#include "base/status.h"
#include "data/data.h"

/* Puts sparse features, without values, in the place of those that there are. */
static void put_sparse(heed_data *data, int64_t cols, int64_t *indptr, int32_t *indices) {
  heed__free(data->dense.data);
  heed__free(data->indptr);
  heed__free(data->indices);
  heed__free(data->values);
  data->dense = heed_matrix_view(NULL, 0, 0);
  data->n_features = cols;
  data->indptr = indptr;
  data->indices = indices;
  data->values = NULL;
  data->sparse =
      (heed_csr){.rows = data->nodes, .cols = cols, .indptr = indptr, .indices = indices};
}

/* Arrays of rows that all have `width` columns; the columns are left to the caller. */
static heed_status alloc_rows(int64_t rows, int64_t width, int64_t **indptr, int32_t **indices) {
  *indptr = heed__alloc((size_t)rows + 1, sizeof **indptr);
  *indices = *indptr == NULL ? NULL : heed__alloc((size_t)(rows * width), sizeof **indices);
  if (*indices == NULL) {
    heed__free(*indptr);
    return HEED_NOMEM;
  }
  for (int64_t i = 0; i <= rows; i++) (*indptr)[i] = i * width;
  return HEED_OK;
}

/* Below this many numbers, or above one non-zero in so many, dense features stay dense. */
enum { SPARSE_NUMBERS = 1024, SPARSE_SHARE = 8 };

heed_status heed__data_sparsify(heed_data *data) {
  const heed_matrix *x = &data->dense;
  int64_t numbers = x->rows * x->cols, found = 0;
  if (x->data == NULL || numbers < SPARSE_NUMBERS) return HEED_OK;
  for (int64_t i = 0; i < numbers; i++) found += x->data[i] != 0;
  if (found > numbers / SPARSE_SHARE) return HEED_OK;
  int64_t *indptr = heed__alloc((size_t)x->rows + 1, sizeof *indptr);
  int32_t *indices = heed__alloc((size_t)found, sizeof *indices);
  float *values = heed__alloc((size_t)found, sizeof *values);
  if (indptr == NULL || indices == NULL || values == NULL) {
    heed__free(indptr);
    heed__free(indices);
    heed__free(values);
    return HEED_NOMEM;
  }
  bool ones = true;
  int64_t at = 0;
  indptr[0] = 0;
  for (int64_t i = 0; i < x->rows; i++) {
    const float *row = x->data + i * x->stride;
    for (int64_t j = 0; j < x->cols; j++) {
      if (row[j] == 0) continue;
      indices[at] = (int32_t)j;
      values[at++] = row[j];
      ones = ones && row[j] == 1;
    }
    indptr[i + 1] = at;
  }
  put_sparse(data, x->cols, indptr, indices);
  if (ones) {
    heed__free(values);
  } else {
    data->values = values;
    data->sparse.values = values;
  }
  return HEED_OK;
}

heed_status heed_data_identity_features(heed_data *data) {
  int64_t *indptr;
  int32_t *indices;
  HEED__TRY(alloc_rows(data->nodes, 1, &indptr, &indices));
  for (int64_t i = 0; i < data->nodes; i++) indices[i] = (int32_t)i;
  put_sparse(data, data->nodes, indptr, indices);
  return HEED_OK;
}

heed_status heed__data_dictionary_features(heed_data *data, int64_t k) {
  int64_t *indptr;
  int32_t *indices;
  float *numbers = heed__alloc((size_t)data->nodes, 2 * sizeof *numbers);
  if (numbers == NULL) return HEED_NOMEM;
  heed_status status = heed_graph_feature(&data->graph, "attribute", numbers, 2);
  if (status == HEED_OK) status = heed_graph_feature(&data->graph, "value", numbers + 1, 2);
  if (status == HEED_OK) status = alloc_rows(data->nodes, 2, &indptr, &indices);
  if (status == HEED_OK) {
    for (int64_t i = 0; i < data->nodes; i++) {
      float value = numbers[2 * i + 1];
      indices[2 * i] = (int32_t)numbers[2 * i];
      indices[2 * i + 1] = (int32_t)(value < 0 ? 2 * k : k + (int64_t)value);
    }
    put_sparse(data, 2 * k + 1, indptr, indices);
  }
  heed__free(numbers);
  return status;
}

/* The numbers of row i, stored one after the other. */
static float *row_of(heed_data *data, float *values, int64_t i, int64_t *n) {
  if (data->indptr == NULL) {
    *n = data->dense.cols;
    return values + i * data->dense.stride;
  }
  *n = data->indptr[i + 1] - data->indptr[i];
  return values + data->indptr[i];
}

static heed_status normalise(heed_data *data, float *values) {
  /* All is looked at before anything changes. */
  for (int change = 0; change < 2; change++) {
    for (int64_t i = 0; i < data->nodes; i++) {
      int64_t n;
      float *row = row_of(data, values, i, &n);
      double sum = 0;
      for (int64_t j = 0; j < n; j++) sum += (double)row[j];
      if (sum == 0) continue;
      for (int64_t j = 0; j < n; j++) {
        float quotient = (float)((double)row[j] / sum);
        if (change) {
          row[j] = quotient;
        } else if (!isfinite(quotient)) {
          return heed__fail(HEED_VALUE, "the features of node %lld: %g divided by their sum %g",
                            (long long)i, (double)row[j], sum);
        }
      }
    }
  }
  return HEED_OK;
}

heed_status heed_data_row_normalize(heed_data *data) {
  if (data->n_features == 0) {
    return heed__fail(HEED_ARGUMENT, "no features that could be divided by their sum");
  }
  if (data->indptr == NULL) return normalise(data, data->dense.data);
  if (data->values != NULL) return normalise(data, data->values);
  int64_t n = data->indptr[data->nodes];
  float *values = heed__alloc((size_t)n, sizeof *values);
  if (values == NULL) return HEED_NOMEM;
  for (int64_t i = 0; i < n; i++) values[i] = 1;
  data->values = values;
  data->sparse.values = values;
  return normalise(data, values); /* ones cannot fail */
}
