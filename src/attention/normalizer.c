/* Normalisers other than softmax: what they need of a row's length. */
#include <math.h>

#include "attention/plan.h"

int64_t heed__length(const heed__problem *problem, int64_t i) {
  const heed_mask *mask = problem->mask;
  return mask->indptr == NULL ? mask->n_keys : mask->indptr[i + 1] - mask->indptr[i];
}

float heed__length_number(heed_normalizer normalizer, int64_t n) {
  if (n == 0) return 0;
  return normalizer == HEED_NORMALIZER_SIGMOID ? logf((float)n) : 1 / (float)n;
}

void heed__keep_length(const heed__problem *problem, int64_t i, int64_t n) {
  int64_t heads = problem->spec.heads;
  for (int64_t h = 0; h < heads; h++) problem->to.log_sum_exp[i * heads + h] = logf((float)n);
}

void heed__length_statistics(const heed__problem *problem, const heed__backward *back) {
  int64_t heads = problem->spec.heads, padded = problem->padded;
  for (int64_t i = 0; i < problem->mask->n_queries; i++) {
    float number = heed__length_number(problem->spec.normalizer, heed__length(problem, i));
    for (int64_t h = 0; h < heads; h++) back->statistics[i * 2 * padded + h] = number;
  }
}
