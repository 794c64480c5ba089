/* Columns of the features that change their signs in training. Sparse features have numbers of their own then,
 * and so has their transpose; both are multiplied by -1 where a sign is another than it was. */
#include <string.h>

#include "base/alloc.h"
#include "base/random.h"
#include "base/status.h"
#include "model/pass.h"

/* The signs of a step: the features are layer 0, which drops nothing out. */
static void draw(const heed_pass *pass, int64_t column, uint32_t bits[4]) {
  uint64_t key, stream;
  heed__dropout_key(pass->seed, pass->step, 0, &key, &stream);
  heed__random4(key, stream, (uint64_t)column / 128, bits);
}

static float sign_of(const heed_pass *pass, int64_t column) {
  uint32_t bits[4];
  draw(pass, column, bits);
  return bits[column / 32 % 4] >> column % 32 & 1 ? -1.0F : 1.0F;
}

heed_status heed__flip_reserve(heed_pass *pass) {
  const heed_model *model = pass->model;
  if (!pass->training || model->flip_columns == 0) return HEED_OK;
  pass->signs = heed__alloc((size_t)model->flip_columns, 2 * sizeof *pass->signs);
  if (pass->signs == NULL) return HEED_NOMEM;
  if (pass->most_values[0] < 0) return HEED_OK; /* dense */
  pass->flip_values = heed__alloc((size_t)pass->most_values[0], sizeof *pass->flip_values);
  return pass->flip_values == NULL ? HEED_NOMEM : HEED_OK;
}

void heed__flip_take(heed_pass *pass) {
  const heed_csr *a = pass->sparse;
  if (pass->signs == NULL) return;
  for (int64_t c = 0; c < pass->model->flip_columns; c++) pass->signs[c] = 1;
  if (a == NULL) return;
  for (int64_t i = 0; i < a->indptr[a->rows]; i++) {
    pass->flip_values[i] = a->values == NULL ? 1 : a->values[i];
  }
  pass->flipped = *a;
  pass->flipped.values = pass->flip_values;
  pass->sparse = &pass->flipped;
}

void heed__flip_sparse(heed_pass *pass, bool train) {
  const heed_model *model = pass->model;
  int64_t first = model->flip_first, count = model->flip_columns;
  if (pass->signs == NULL) return;
  float *change = pass->signs + count;
  bool any = false;
  for (int64_t c = 0; c < count; c++) {
    float now = train ? sign_of(pass, c) : 1;
    change[c] = now * pass->signs[c];
    any = any || change[c] < 0;
    pass->signs[c] = now;
  }
  if (!any) return;
  const heed_csr *a = &pass->flipped;
  float *values = pass->flip_values;
#pragma omp parallel for num_threads(heed_threads()) schedule(static)
  for (int64_t i = 0; i < a->rows; i++) {
    for (int64_t p = a->indptr[i + 1] - 1; p >= a->indptr[i] && a->indices[p] >= first; p--) {
      if (a->indices[p] < first + count) values[p] *= change[a->indices[p] - first];
    }
  }
  const heed_csr *t = &pass->turned[0].features;
  float *back = t->indptr == NULL ? NULL : pass->turned[0].arrays[3];
  for (int64_t c = 0; back != NULL && c < count; c++) {
    if (change[c] > 0) continue;
    for (int64_t p = t->indptr[first + c]; p < t->indptr[first + c + 1]; p++) back[p] = -back[p];
  }
}

void heed__flip_dense(const heed_pass *pass, float *x) {
  const heed_model *model = pass->model;
  int64_t width = pass->dense->cols, count = model->flip_columns;
  float *signs = pass->signs;
  for (int64_t c = 0; c < count; c++) signs[c] = sign_of(pass, c);
#pragma omp parallel for num_threads(heed_threads()) schedule(static)
  for (int64_t i = 0; i < pass->dense->rows; i++) {
    for (int64_t c = 0; c < count; c++) x[i * width + model->flip_first + c] *= signs[c];
  }
}
