/* Random problems and the operator in double precision, written independently of src/attention. */
#ifndef HEED_TESTS_ATTENTION_ORACLE_H
#define HEED_TESTS_ATTENTION_ORACLE_H

#include <heed/attention.h>

/* A problem with all its arrays; `mask` is a view of indptr and indices, or full. */
typedef struct trial {
  heed_attention_spec spec;
  heed_mask mask;
  int64_t *indptr;
  int32_t *indices;
  float *query, *key, *value, *a_query, *a_key, *a, *bias;
  float *out, *weights, *log_sum_exp;
  heed_attention_inputs in;
  heed_attention_outputs to;
} trial;

/* What to draw. */
typedef struct recipe {
  heed_score score;
  int32_t heads, key_dim, value_dim;
  int64_t n_queries, n_keys;
  double density;  /* of the mask; 2 makes it a full mask without pairs */
  int64_t hub;     /* a row that sees every key, or -1 */
  int32_t bias_heads; /* 0: no bias */
  float shut;      /* share of biases that are minus infinity */
  float dropout;
  uint64_t seed;
} recipe;

void trial_make(trial *t, const recipe *r);
void trial_free(trial *t);

/* Computes out and weights in double precision into out [n_queries, H, Dv], weights [n_pairs, H] and
 * log_sum_exp [n_queries, H]. Dropout is left out. */
void trial_oracle(const trial *t, double *out, double *weights, double *log_sum_exp);

/* Runs a kernel into the trial's outputs, with `threads` threads; fails the test if it fails. */
void trial_run(trial *t, heed_kernel kernel, int threads);

/* Largest difference over the largest number of `expected`. */
double relative_error(const float *x, const double *expected, int64_t n);

#endif
