/* Masks and the arrays that attention is computed from. */
#include <limits.h>
#include <math.h>
#include <stdlib.h>

#include "cli/cli.h"

float *cli_floats(int64_t n, int64_t a, int64_t b) {
  size_t most = (SIZE_MAX / 2 - 64) / sizeof(float);
  size_t count = (size_t)n;
  bool fits = (a == 0 || count <= most / (size_t)a);
  if (fits) count *= (size_t)a;
  fits = fits && (b == 0 || count <= most / (size_t)b);
  if (fits) count *= (size_t)b;
  float *x = fits && count <= most ? heed_memory_new(count, sizeof *x) : NULL;
  if (x == NULL) {
    cli_fail("out of memory for an array of %lld x %lld x %lld floats", (long long)n, (long long)a,
             (long long)b);
  }
  return x;
}

void cli_inputs_free(cli_inputs *inputs) {
  for (int i = 0; i < inputs->n_read; i++) heed_npz_free(inputs->read[i]);
  for (int i = 0; i < inputs->n_made; i++) free(inputs->made[i]);
  *inputs = (cli_inputs){0};
}

/* --- Seeded projections -------------------------------------------------------------------- */

enum { STREAM_QUERY = 1, STREAM_KEY = 2, STREAM_VALUE = 3, STREAM_A = 4, STREAM_A_KEY = 5 };

static int project(cli_inputs *inputs, const heed_data *data, uint64_t seed, uint64_t stream,
                   int32_t heads, int32_t dim, const float **result) {
  float *x = cli_floats(heed_data_nodes(data), heads, dim);
  if (x == NULL) return CLI_FAILED;
  inputs->made[inputs->n_made++] = x;
  *result = x;
  return cli_check(heed_data_project(data, seed, stream, (int64_t)heads * dim, x), NULL);
}

/* A vector [H, D] as a layer of D inputs and one output a head would start with: uniform in
 * +-sqrt(6 / (D + 1)) (Glorot and Bengio 2010, equation 16). */
static int draw_vector(cli_inputs *inputs, const heed_attention_spec *spec, uint64_t stream,
                       const float **result) {
  float *x = cli_floats(1, spec->heads, spec->key_dim);
  if (x == NULL) return CLI_FAILED;
  inputs->made[inputs->n_made++] = x;
  *result = x;
  float bound = (float)sqrt(6.0 / (spec->key_dim + 1.0));
  heed_random_uniform(spec->seed, stream, x, (int64_t)spec->heads * spec->key_dim, -bound, bound);
  return CLI_OK;
}

int cli_inputs_project(cli_inputs *inputs, const heed_data *data,
                       const heed_attention_spec *spec) {
  heed_attention_inputs *in = &inputs->in;
  uint64_t seed = spec->seed;
  int32_t heads = spec->heads, dim = spec->key_dim;
  if (project(inputs, data, seed, STREAM_QUERY, heads, dim, &in->query)) return CLI_FAILED;
  if (spec->score == HEED_SCORE_GAT) {
    in->key = in->query;
    if (draw_vector(inputs, spec, STREAM_A, &in->a_query)) return CLI_FAILED;
    return draw_vector(inputs, spec, STREAM_A_KEY, &in->a_key);
  }
  if (project(inputs, data, seed, STREAM_KEY, heads, dim, &in->key)) return CLI_FAILED;
  if (spec->score != HEED_SCORE_DOT) {
    if (draw_vector(inputs, spec, STREAM_A, &in->a)) return CLI_FAILED;
  }
  if (spec->score == HEED_SCORE_GATV2) return CLI_OK;
  return project(inputs, data, seed, STREAM_VALUE, heads, spec->value_dim, &in->value);
}

/* --- Arrays from an archive ---------------------------------------------------------------- */

/* Reads [*n, H, *dim]; -1 in any of them takes what is there. */
static int read_nodes(cli_inputs *inputs, heed_npz *npz, const char *path, const char *name,
                      int64_t *n, int32_t *heads, int32_t *dim, const float **result) {
  int64_t shape[3] = {*n, *heads, *dim};
  void *x;
  heed_status status = heed_npz_read(npz, name, HEED_DTYPE_FLOAT32, false, 3, shape, &x);
  if (cli_check(status, NULL)) return CLI_FAILED;
  inputs->read[inputs->n_read++] = x;
  if (shape[1] < 1 || shape[2] < 1 || shape[1] > INT32_MAX || shape[2] > INT32_MAX) {
    return cli_fail("%s: %s: %lld heads of size %lld, but both are at least 1", path, name,
                    (long long)shape[1], (long long)shape[2]);
  }
  *n = shape[0];
  *heads = (int32_t)shape[1];
  *dim = (int32_t)shape[2];
  *result = x;
  return CLI_OK;
}

static int read_vector(cli_inputs *inputs, heed_npz *npz, const char *name,
                       const heed_attention_spec *spec, const float **result) {
  int64_t shape[2] = {spec->heads, spec->key_dim};
  void *x;
  heed_status status = heed_npz_read(npz, name, HEED_DTYPE_FLOAT32, false, 2, shape, &x);
  if (cli_check(status, NULL)) return CLI_FAILED;
  inputs->read[inputs->n_read++] = x;
  *result = x;
  return CLI_OK;
}

int cli_inputs_read(cli_inputs *inputs, heed_npz *npz, const char *path, heed_attention_spec *spec,
                    int64_t *n_queries, int64_t *n_keys) {
  heed_attention_inputs *in = &inputs->in;
  int32_t *heads = &spec->heads, *dim = &spec->key_dim;
  if (spec->score == HEED_SCORE_GAT) {
    if (read_nodes(inputs, npz, path, "h", n_queries, heads, dim, &in->query)) return CLI_FAILED;
    if (*n_keys >= 0 && *n_keys != *n_queries) {
      return cli_fail("%s: h: %lld nodes, but %lld keys", path, (long long)*n_queries,
                      (long long)*n_keys);
    }
    in->key = in->query;
    *n_keys = *n_queries;
    spec->value_dim = spec->key_dim;
    if (read_vector(inputs, npz, "a_l", spec, &in->a_query)) return CLI_FAILED;
    return read_vector(inputs, npz, "a_r", spec, &in->a_key);
  }
  bool gatv2 = spec->score == HEED_SCORE_GATV2;
  if (read_nodes(inputs, npz, path, gatv2 ? "r" : "q", n_queries, heads, dim, &in->query) ||
      read_nodes(inputs, npz, path, gatv2 ? "l" : "k", n_keys, heads, dim, &in->key)) {
    return CLI_FAILED;
  }
  spec->value_dim = gatv2 ? spec->key_dim : -1;
  if (!gatv2 &&
      read_nodes(inputs, npz, path, "v", n_keys, heads, &spec->value_dim, &in->value)) {
    return CLI_FAILED;
  }
  if (spec->score == HEED_SCORE_DOT) return CLI_OK;
  return read_vector(inputs, npz, "a", spec, &in->a);
}

int cli_inputs_read_bias(cli_inputs *inputs, heed_npz *npz, int32_t heads, int64_t n_pairs) {
  const heed_array *bias = heed_npz_find(npz, "bias");
  if (bias == NULL) return CLI_OK;
  bool shared = bias->n_dims == 1 || (bias->n_dims == 2 && bias->shape[1] == 1);
  int64_t shape[2] = {n_pairs, shared ? 1 : heads};
  void *x;
  heed_status status = heed_npz_read(npz, "bias", HEED_DTYPE_FLOAT32, true,
                                     bias->n_dims == 1 ? 1 : 2, shape, &x);
  if (cli_check(status, NULL)) return CLI_FAILED;
  inputs->read[inputs->n_read++] = x;
  inputs->in.bias = x;
  inputs->in.bias_heads = shared ? 1 : heads;
  return CLI_OK;
}

/* --- Masks --------------------------------------------------------------------------------- */

int cli_mask_read(heed_mask *mask, cli_inputs *inputs, heed_npz *npz, const char *path,
                  int64_t n_queries, int64_t n_keys) {
  int64_t n = n_queries + 1, n_pairs = -1;
  void *indptr, *indices;
  *mask = (heed_mask){0};
  heed_status status = heed_npz_read(npz, "indptr", HEED_DTYPE_INT64, false, 1, &n, &indptr);
  if (cli_check(status, NULL)) return CLI_FAILED;
  inputs->read[inputs->n_read++] = indptr;
  status = heed_npz_read(npz, "indices", HEED_DTYPE_INT32, false, 1, &n_pairs, &indices);
  if (cli_check(status, NULL)) return CLI_FAILED;
  inputs->read[inputs->n_read++] = indices;
  int64_t last = ((const int64_t *)indptr)[n_queries];
  if (last != n_pairs) {
    return cli_fail("%s: indptr ends at %lld, but indices has %lld numbers", path,
                    (long long)last, (long long)n_pairs);
  }
  return cli_check(heed_mask_view(mask, n_queries, n_keys, indptr, indices), path);
}
