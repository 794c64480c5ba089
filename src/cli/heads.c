/* Masks of one attention: one for all heads, or one for each group of them; and what is told of them together. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/learn.h"

void cli_masks_free(cli_masks *masks) {
  for (int g = 0; g < masks->n; g++) heed_mask_free(&masks->at[g]);
  masks->n = 0;
}

void cli_masks_take(cli_masks *masks, const heed_mask *mask, int32_t heads) {
  *masks = (cli_masks){.n = 1, .at = {*mask}, .heads = {heads}};
}

static int make_one(heed_mask *mask, const cli_mask *which, const cli_graph *graph,
                    const cli_mask_source *of) {
  if (of->collection != NULL) return cli_collection_mask_make(mask, which, graph, of->collection);
  if (of->data != NULL) return cli_mask_make(mask, which, graph, of->data);
  return cli_mask_alone(mask, which, graph, of->n_queries, of->n_keys);
}

int cli_masks_make(cli_masks *masks, const cli_mask *which, int32_t heads, const char *whose,
                   const cli_graph *graph, const cli_mask_source *of) {
  int64_t sum = 0;
  *masks = (cli_masks){0};
  for (int g = 0; g < which->n_groups; g++) sum += which->heads[g];
  if (which->n_groups > 0 && sum != heads) {
    return cli_fail("%s: mask %s is for %lld heads, but the %s has %d", graph->source, which->name,
                    (long long)sum, whose, (int)heads);
  }
  for (int g = 0; g < which->n_groups || g < 1; g++) {
    cli_mask one = which->n_groups > 0 ? cli_mask_of_group(which, g) : *which;
    if (make_one(&masks->at[g], &one, graph, of)) return CLI_FAILED;
    masks->heads[g] = which->n_groups > 0 ? which->heads[g] : heads;
    masks->n = g + 1;
  }
  return CLI_OK;
}

int64_t cli_masks_pairs(const cli_masks *masks) {
  int64_t pairs = 0;
  for (int g = 0; g < masks->n; g++) pairs += masks->at[g].n_pairs;
  return pairs;
}

int64_t cli_masks_weights(const cli_masks *masks) {
  int64_t numbers = 0;
  for (int g = 0; g < masks->n; g++) numbers += masks->at[g].n_pairs * masks->heads[g];
  return numbers;
}

double cli_masks_mean_pairs(const cli_masks *masks) {
  double heads = 0;
  for (int g = 0; g < masks->n; g++) heads += masks->heads[g];
  return (double)cli_masks_weights(masks) / heads;
}

int cli_masks_union(heed_mask *pairs, const cli_masks *masks) {
  *pairs = (heed_mask){0};
  for (int g = 1; g < masks->n; g++) {
    heed_mask before = *pairs;
    heed_status status = heed_mask_union(pairs, g == 1 ? &masks->at[0] : &before, &masks->at[g]);
    if (g > 1) heed_mask_free(&before);
    if (cli_check(status, NULL)) {
      *pairs = (heed_mask){0};
      return CLI_FAILED;
    }
  }
  return CLI_OK;
}

/* Pair `a` of row i: its number, and its key. */
static int64_t pair_at(const heed_mask *mask, int64_t i, int64_t a, int64_t *key) {
  int64_t p = (mask->indptr != NULL ? mask->indptr[i] : i * mask->n_keys) + a;
  *key = mask->indices != NULL ? mask->indices[p] : mask->starts != NULL ? mask->starts[i] + a : a;
  return p;
}

static int64_t degree_of(const heed_mask *mask, int64_t i) {
  return mask->indptr != NULL ? mask->indptr[i + 1] - mask->indptr[i] : mask->n_keys;
}

float *cli_masks_spread(const cli_masks *masks, const heed_mask *pairs, int32_t heads,
                        const float *weights) {
  float *all = cli_floats(pairs->n_pairs, heads, 1);
  if (all == NULL) return NULL;
  memset(all, 0, (size_t)(pairs->n_pairs * heads) * sizeof *all);
  for (int g = 0, first = 0; g < masks->n; first += masks->heads[g++]) {
    const heed_mask *own = &masks->at[g];
    for (int64_t i = 0; i < own->n_queries; i++) {
      for (int64_t a = 0, b = 0; a < degree_of(own, i); a++) {
        int64_t key, there, from = pair_at(own, i, a, &key), to = pair_at(pairs, i, b, &there);
        while (there < key) to = pair_at(pairs, i, ++b, &there); /* it has every pair of each */
        memcpy(all + to * heads + first, weights + from * masks->heads[g],
               (size_t)masks->heads[g] * sizeof *all);
      }
    }
    weights += own->n_pairs * masks->heads[g];
  }
  return all;
}

/* The columns of some heads; x itself where they are all. */
static int take_columns(cli_inputs *own, const float **x, int64_t n, int64_t stride, int64_t first,
                        int64_t count) {
  if (*x == NULL || count == stride) return CLI_OK;
  float *copy = cli_floats(n, count, 1);
  if (copy == NULL) return CLI_FAILED;
  own->made[own->n_made++] = copy;
  for (int64_t i = 0; i < n; i++) {
    memcpy(copy + i * count, *x + i * stride + first, (size_t)count * sizeof *copy);
  }
  *x = copy;
  return CLI_OK;
}

int cli_inputs_of_heads(cli_inputs *own, const heed_attention_inputs *in,
                        const heed_attention_spec *spec, int64_t n_queries, int64_t n_keys,
                        int32_t first, int32_t heads) {
  int64_t d = spec->key_dim, v = spec->value_dim;
  *own = (cli_inputs){.in = *in};
  heed_attention_inputs *to = &own->in;
  bool shared = in->key == in->query;
  if (take_columns(own, &to->query, n_queries, spec->heads * d, first * d, heads * d)) return CLI_FAILED;
  to->key = shared ? to->query : in->key;
  if ((!shared && take_columns(own, &to->key, n_keys, spec->heads * d, first * d, heads * d)) ||
      take_columns(own, &to->value, n_keys, spec->heads * v, first * v, heads * v)) {
    return CLI_FAILED;
  }
  if (to->a != NULL) to->a += first * d;
  if (to->a_query != NULL) to->a_query += first * d;
  if (to->a_key != NULL) to->a_key += first * d;
  return CLI_OK;
}

int cli_masks_predict(const cli_masks *masks, const heed_attention_spec *spec,
                      heed_attention_cost *cost, heed_kernel kernels[CLI_MOST_GROUPS]) {
  *cost = (heed_attention_cost){0};
  for (int g = 0; g < masks->n; g++) {
    heed_attention_spec own = *spec;
    heed_attention_cost one;
    own.heads = masks->heads[g];
    if (cli_check(heed_attention_predict(&own, &masks->at[g], &one), NULL)) return CLI_FAILED;
    kernels[g] = cost->kernel = one.kernel;
    cost->sparse_seconds += one.sparse_seconds;
    cost->dense_seconds += one.dense_seconds;
  }
  return CLI_OK;
}

const char *cli_kernel_names(char *text, size_t size, const heed_kernel *kernels, int n) {
  bool alike = true;
  size_t used = 0;
  for (int g = 1; g < n; g++) alike = alike && kernels[g] == kernels[0];
  for (int g = 0; g < (alike ? 1 : n) && used < size; g++) {
    used += (size_t)snprintf(text + used, size - used, "%s%s", g > 0 ? "/" : "",
                             heed_kernel_name(kernels[g]));
  }
  return text;
}

/* --- Of a model's layers ------------------------------------------------------------------- */

/* The layers of a pass, the first attention of each: several of one name follow each other where heads have masks of
 * their own. */
static int next_layer(const heed_pass *pass, int first) {
  const char *name = heed_pass_attention(pass, first, NULL, NULL), *other;
  do {
    other = heed_pass_attention(pass, ++first, NULL, NULL);
  } while (other != NULL && strcmp(name, other) == 0);
  return first;
}

int cli_layers(const heed_pass *pass) {
  int n = 0;
  for (int i = 0; i < heed_pass_attentions(pass); i = next_layer(pass, i)) n++;
  return n;
}

void cli_layer_free(cli_layer *layer) {
  heed_mask_free(&layer->own);
  free(layer->weights);
  *layer = (cli_layer){0};
}

int cli_layer_take(cli_layer *layer, heed_pass *pass, int number) {
  cli_masks masks = {0};
  int first = 0;
  *layer = (cli_layer){0};
  for (int i = 0; i < number; i++) first = next_layer(pass, first);
  int n = next_layer(pass, first) - first;
  for (int g = 0; g < n; g++) {
    int32_t before = layer->spec.heads;
    layer->name = heed_pass_attention(pass, first + g, &layer->spec, &layer->mask);
    masks.at[g] = *layer->mask;
    masks.heads[g] = layer->spec.heads;
    masks.n = g + 1;
    layer->spec.heads += before;
    if (g + 1 == CLI_MOST_GROUPS && g + 1 < n) return cli_fail("%s: %d masks of heads", layer->name, n);
  }
  layer->weights = cli_floats(cli_masks_weights(&masks), 1, 1);
  if (layer->weights == NULL) return CLI_FAILED;
  float *to = layer->weights;
  for (int g = 0; g < n; to += masks.at[g].n_pairs * masks.heads[g], g++) {
    if (cli_check(heed_pass_attention_weights(pass, first + g, to), NULL)) return CLI_FAILED;
  }
  if (n == 1) return CLI_OK;
  if (cli_masks_union(&layer->own, &masks)) return CLI_FAILED;
  layer->mask = &layer->own;
  float *all = cli_masks_spread(&masks, layer->mask, layer->spec.heads, layer->weights);
  free(layer->weights);
  layer->weights = all;
  return all != NULL ? CLI_OK : CLI_FAILED;
}
