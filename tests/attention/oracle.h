/* Random problems and the operator in double precision, written independently of src/attention. */
#ifndef HEED_TESTS_ATTENTION_ORACLE_H
#define HEED_TESTS_ATTENTION_ORACLE_H

#include <heed/attention.h>

#include "attention/problem.h"

/* The kernels and the instruction sets of which there may be kernels. */
enum { KERNELS = 3, ISAS = 3 };
extern const heed_kernel kernels[KERNELS];
extern const char *const isas[ISAS];

/* Every shape of the specialised bodies and some that none fits; one list for all tests. */
enum { SHAPES = 33, PATTERNS = 12, WITH_EDGES = 9 /* pairs have features from this pattern on */ };

/* The comparisons of numbers run on one thread: ThreadSanitizer has little to see there. */
#if defined __has_feature
#if __has_feature(thread_sanitizer)
#define SHAPES_HERE 2
#endif
#endif
#ifndef SHAPES_HERE
#define SHAPES_HERE SHAPES
#endif

/* A problem with all its arrays; `mask` is a view of indptr and indices, or full. */
typedef struct trial {
  heed_attention_spec spec;
  heed_mask mask;
  int64_t *indptr;
  int32_t *indices;
  float *query, *key, *value, *a_query, *a_key, *a, *bias, *edges, *edge_bias, *edge_key, *edge_value;
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
  int32_t edge_dim; /* 0: no features of pairs */
  int edge_use;     /* of EDGE_*, those the score takes; 0: all */
  heed_normalizer normalizer;
  float stretch;    /* what biases are multiplied by; 0: 1 */
} recipe;

enum { EDGE_BIAS = 1, EDGE_KEY = 2, EDGE_VALUE = 4 };

/* A shape under a pattern: a mask just large enough for two tiles, for rows of no, one and several
 * blocks, and so on. */
recipe recipe_of(heed_score score, int shape, int pattern);

/* The kernels of an instruction set, put to use, or NULL if there are none or `kernel` has one for
 * all, which the first stands for. */
const heed__kernels *kernels_for(heed_kernel kernel, int isa);

/* Undoes what tests override; the fixture's end of every test. */
void reset(void);

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
