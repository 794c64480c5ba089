/* BERT encoders at work (Devlin et al. 2019). */
#include "sequence/bert.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "matrix/loops.h"
#include "model/model.h"

void heed_bert_free(heed_bert *bert) {
  if (bert == NULL) return;
  heed_model_free(bert->model);
  heed__free(bert->pooler);
  heed__free(bert);
}

heed_bert_sizes heed_bert_get_sizes(const heed_bert *bert) { return bert->sizes; }

heed_model *heed_bert_model(heed_bert *bert) { return bert->model; }

/* The first token of each sequence, linear, tanh. */
static heed_status pool_first(const heed_bert *bert, int64_t sequences, const int64_t *ptr,
                              const float *x, float *into) {
  int64_t n = bert->sizes.hidden;
  float *first = heed__alloc_zero((size_t)(sequences * n), sizeof *first);
  heed_status status = first == NULL ? HEED_NOMEM : HEED_OK;
  for (int64_t s = 0; status == HEED_OK && s < sequences; s++) {
    if (ptr[s] < ptr[s + 1]) memcpy(first + s * n, x + ptr[s] * n, (size_t)n * sizeof *x);
  }
  if (status == HEED_OK) {
    status = heed__dense_product(false, false, sequences, n, n, first, bert->pooler, 0, into, NULL);
  }
  if (status == HEED_OK) {
    heed__add_bias(sequences, n, into, bert->pooler + n * n, into);
    heed__activate(HEED_ACTIVATION_TANH, sequences * n, into, into);
    for (int64_t s = 0; s < sequences; s++) {
      if (ptr[s] == ptr[s + 1]) memset(into + s * n, 0, (size_t)n * sizeof *into);
    }
  }
  heed__free(first);
  return status;
}

static void make_units(int64_t rows, int64_t n, float *x) {
  for (int64_t i = 0; i < rows; i++) {
    double sum = 0;
    for (int64_t j = 0; j < n; j++) sum += (double)x[i * n + j] * (double)x[i * n + j];
    double scale = sum > 0 ? 1 / sqrt(sum) : 0;
    for (int64_t j = 0; j < n; j++) x[i * n + j] = (float)((double)x[i * n + j] * scale);
  }
}

static heed_status run(heed_bert *bert, int64_t sequences, const int64_t *ptr,
                       const heed_csr *features, heed_bert_output output, float *into) {
  int64_t n = bert->sizes.hidden;
  heed_pass *pass;
  heed_matrix x;
  heed_model_inputs in = {.n_nodes = ptr[sequences],
                          .sparse = features,
                          .n_graphs = sequences > 1 ? sequences : 0,
                          .graph_ptr = sequences > 1 ? ptr : NULL};
  HEED__TRY(heed_pass_new(&pass, bert->model, &in, false));
  heed_status status = heed_pass_forward(pass, HEED_MODE_EVALUATE, 0, 0, &x);
  if (status == HEED_OK && output == HEED_BERT_TOKENS) {
    memcpy(into, x.data, (size_t)(x.rows * n) * sizeof *into);
  } else if (status == HEED_OK && output == HEED_BERT_POOLED) {
    status = pool_first(bert, sequences, ptr, x.data, into);
  } else if (status == HEED_OK) {
    heed__pool_rows(HEED__POOL_MEAN, sequences, ptr, n, x.data, into, NULL);
    if (output == HEED_BERT_UNIT) make_units(sequences, n, into);
  }
  heed_pass_free(pass);
  return status;
}

heed_status heed_bert_encode(heed_bert *bert, int64_t sequences, const int64_t *ptr,
                             const int32_t *tokens, const int32_t *segments,
                             heed_bert_output output, float *into) {
  if ((unsigned)output > HEED_BERT_UNIT) {
    return heed__fail(HEED_ARGUMENT, "bert: output %d: there is none", (int)output);
  }
  if (output == HEED_BERT_POOLED && !bert->sizes.pooler) {
    return heed__fail(HEED_ARGUMENT, "bert: its file had no pooler");
  }
  if (sequences < 0 || ptr == NULL || ptr[sequences] < 0 || ptr[sequences] > INT32_MAX) {
    return heed__fail(HEED_ARGUMENT, "bert: %lld sequences%s", (long long)sequences,
                      ptr == NULL ? " without ptr" : "");
  }
  int64_t n = ptr[sequences];
  if (n == 0) {
    if (output != HEED_BERT_TOKENS) {
      memset(into, 0, (size_t)(sequences * bert->sizes.hidden) * sizeof *into);
    }
    return HEED_OK;
  }
  const heed_embedding *e = &bert->sizes.embedding;
  int64_t *indptr = heed__alloc((size_t)n + 1, sizeof *indptr);
  int32_t *indices = heed__alloc((size_t)heed_embedding_values(e, n), sizeof *indices);
  heed_csr features;
  heed_status status = indptr == NULL || indices == NULL
                           ? HEED_NOMEM
                           : heed_embedding_features(e, sequences, ptr, tokens, segments, indptr,
                                                     indices, &features);
  if (status == HEED_OK) status = run(bert, sequences, ptr, &features, output, into);
  heed__free(indptr);
  heed__free(indices);
  return status;
}
