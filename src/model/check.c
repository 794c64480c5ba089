/* What a pass is given, checked: inputs, a capacity, and inputs against a capacity. */
#include "base/status.h"
#include "model/plan.h"

/* Of the nodes (`of` "") or of the context (" of the context"). */
static heed_status check_features(const char *of, const heed_matrix *dense, const heed_csr *sparse,
                                  int64_t n_nodes, int64_t width) {
  if ((dense != NULL) == (sparse != NULL)) {
    return heed__fail(HEED_ARGUMENT, "pass: features%s must be dense or sparse, one of them", of);
  }
  int64_t rows = dense != NULL ? dense->rows : sparse->rows;
  int64_t cols = dense != NULL ? dense->cols : sparse->cols;
  if (n_nodes < 0 || n_nodes > INT32_MAX) {
    return heed__fail(HEED_RANGE, "pass: %lld nodes%s, not between 0 and %d", (long long)n_nodes, of,
                      INT32_MAX);
  }
  if (rows != n_nodes || cols != width) {
    return heed__fail(HEED_SHAPE,
                      "pass: features%s [%lld, %lld], but %lld nodes and a model of %lld features",
                      of, (long long)rows, (long long)cols, (long long)n_nodes, (long long)width);
  }
  if (sparse != NULL) return heed_csr_check(sparse);
  if (dense->stride < cols || (dense->data == NULL && rows > 0)) {
    return heed__fail(HEED_SHAPE, "pass: features%s of %lld columns with stride %lld", of,
                      (long long)cols, (long long)dense->stride);
  }
  return HEED_OK;
}

static heed_status check_graphs(const char *of, const char *name, int64_t n_graphs,
                                const int64_t *graph_ptr, int64_t n_nodes) {
  if (n_graphs == 0) return HEED_OK;
  if (n_graphs < 0 || n_graphs > INT32_MAX || graph_ptr == NULL) {
    return heed__fail(HEED_ARGUMENT, "pass: %lld graphs%s%s", (long long)n_graphs,
                      graph_ptr == NULL ? " without " : "", graph_ptr == NULL ? name : "");
  }
  for (int64_t g = 0; g < n_graphs; g++) {
    if (graph_ptr[g + 1] < graph_ptr[g]) {
      return heed__fail(HEED_RANGE, "pass: graph %lld%s ends at node %lld, before its start %lld",
                        (long long)g, of, (long long)graph_ptr[g + 1], (long long)graph_ptr[g]);
    }
  }
  if (graph_ptr[0] != 0 || graph_ptr[n_graphs] != n_nodes) {
    return heed__fail(HEED_SHAPE, "pass: the graphs%s have the nodes %lld to %lld, not 0 to %lld", of,
                      (long long)graph_ptr[0], (long long)graph_ptr[n_graphs], (long long)n_nodes);
  }
  return HEED_OK;
}

static heed_status check_mask(const char *which, const heed_mask *mask, int64_t n_queries,
                              int64_t n_keys) {
  if (mask == NULL || (mask->n_queries == n_queries && mask->n_keys == n_keys)) return HEED_OK;
  return heed__fail(HEED_SHAPE, "pass: %s of %lld queries and %lld keys for %lld and %lld nodes",
                    which, (long long)mask->n_queries, (long long)mask->n_keys,
                    (long long)n_queries, (long long)n_keys);
}

static heed_status check_context(const heed_model *model, const heed_model_inputs *in) {
  static const char *const of = " of the context";
  if (model->context < 0) {
    bool none = in->n_context == 0 && in->context == NULL && in->context_sparse == NULL &&
                in->cross_mask == NULL && in->context_mask == NULL;
    if (none) return HEED_OK;
    return heed__fail(HEED_ARGUMENT, "pass: a context of %lld nodes for a model without one",
                      (long long)in->n_context);
  }
  HEED__TRY(check_features(of, in->context, in->context_sparse, in->n_context,
                           model->values[model->context].width));
  HEED__TRY(check_graphs(of, "context_ptr", in->n_graphs, in->context_ptr, in->n_context));
  HEED__TRY(check_mask("a cross mask", in->cross_mask, in->n_nodes, in->n_context));
  return check_mask("a context mask", in->context_mask, in->n_context, in->n_context);
}

static heed_status check_head_masks(const heed_model_inputs *in) {
  if (in->n_head_masks == 0) return HEED_OK;
  if (in->n_head_masks < 0 || in->head_masks == NULL || in->mask_heads == NULL) {
    return heed__fail(HEED_ARGUMENT, "pass: %d masks of heads without the masks or the heads",
                      in->n_head_masks);
  }
  if (in->n_head_masks > HEED_MAX_HEAD_MASKS) {
    return heed__fail(HEED_RANGE, "pass: %d masks of heads, above %d", in->n_head_masks,
                      HEED_MAX_HEAD_MASKS);
  }
  if (in->mask != NULL) return heed__fail(HEED_ARGUMENT, "pass: masks of heads beside a mask of all heads");
  int64_t pairs = 0;
  for (int g = 0; g < in->n_head_masks; g++) {
    if (in->head_masks[g] == NULL) {
      return heed__fail(HEED_ARGUMENT, "pass: group %d of heads has no mask", g);
    }
    HEED__TRY(check_mask("a mask of heads", in->head_masks[g], in->n_nodes, in->n_nodes));
    if (__builtin_add_overflow(pairs, in->head_masks[g]->n_pairs, &pairs)) {
      return heed__fail(HEED_OVERFLOW, "pass: the masks of heads have more than 2^63 - 1 pairs");
    }
  }
  return HEED_OK;
}

heed_status heed__pass_check(const heed_model *model, const heed_model_inputs *in) {
  if (!model->finished) return heed__fail(HEED_ARGUMENT, "pass: the model is not finished");
  HEED__TRY(check_features("", in->dense, in->sparse, in->n_nodes, heed_model_feature_count(model)));
  HEED__TRY(check_graphs("", "graph_ptr", in->n_graphs, in->graph_ptr, in->n_nodes));
  HEED__TRY(check_context(model, in));
  if (in->mask != NULL && (in->mask->n_queries != in->n_nodes || in->mask->n_keys != in->n_nodes)) {
    return heed__fail(HEED_SHAPE, "pass: a mask of %lld queries and %lld keys for %lld nodes",
                      (long long)in->mask->n_queries, (long long)in->mask->n_keys,
                      (long long)in->n_nodes);
  }
  if (in->n_wanted < 0 || in->n_wanted > in->n_nodes || (in->n_wanted > 0 && in->wanted != NULL)) {
    return heed__fail(in->wanted != NULL ? HEED_ARGUMENT : HEED_RANGE,
                      "pass: the first %lld of %lld nodes are wanted%s", (long long)in->n_wanted,
                      (long long)in->n_nodes, in->wanted != NULL ? ", and marked ones too" : "");
  }
  return check_head_masks(in);
}

heed_status heed__capacity_check(const heed_model *model, const heed_model_capacity *capacity) {
  if (!model->finished) return heed__fail(HEED_ARGUMENT, "pass: the model is not finished");
  if (capacity->n_nodes < 0 || capacity->n_nodes > INT32_MAX || capacity->n_graphs < 0 ||
      capacity->n_graphs > INT32_MAX || capacity->n_pairs < 0 || capacity->n_values < 0 ||
      capacity->n_context < 0 || capacity->n_context > INT32_MAX ||
      capacity->n_context_values < 0 || capacity->n_cross_pairs < 0 ||
      capacity->n_context_pairs < 0) {
    return heed__fail(HEED_RANGE,
                      "pass: a capacity of %lld nodes, %lld pairs, %lld graphs, %lld nodes of context, "
                      "not between 0 and %d",
                      (long long)capacity->n_nodes, (long long)capacity->n_pairs,
                      (long long)capacity->n_graphs, (long long)capacity->n_context, INT32_MAX);
  }
  if (capacity->hops < 0 || capacity->hops > HEED_MAX_HOPS) {
    return heed__fail(HEED_RANGE, "pass: a capacity of %d hops, not 0 to %d", capacity->hops,
                      HEED_MAX_HOPS);
  }
  if (capacity->n_head_masks < 0 || capacity->n_head_masks > HEED_MAX_HEAD_MASKS) {
    return heed__fail(HEED_RANGE, "pass: a capacity of %d masks of heads, not 0 to %d",
                      capacity->n_head_masks, HEED_MAX_HEAD_MASKS);
  }
  for (int g = 0; g < capacity->n_head_masks; g++) {
    if (capacity->head_pairs[g] >= 0 && capacity->mask_heads[g] >= 1) continue;
    return heed__fail(HEED_RANGE, "pass: a capacity of %lld pairs for group %d of %d heads",
                      (long long)capacity->head_pairs[g], g, (int)capacity->mask_heads[g]);
  }
  for (int h = 0; capacity->hops > 0 && h <= capacity->hops; h++) {
    int64_t least = h == 0 ? 0 : capacity->ends[h - 1];
    if (capacity->ends[h] >= least && capacity->ends[h] <= capacity->n_nodes) continue;
    return heed__fail(HEED_RANGE, "pass: a capacity of %lld nodes within %d steps, not %lld to %lld",
                      (long long)capacity->ends[h], h, (long long)least,
                      (long long)capacity->n_nodes);
  }
  return HEED_OK;
}

static heed_status check_form(const char *of, const heed_csr *sparse, int64_t most) {
  if ((sparse == NULL) != (most < 0)) {
    return heed__fail(HEED_ARGUMENT, "pass: features%s are %s, but it is reserved for %s", of,
                      sparse == NULL ? "dense" : "sparse", most < 0 ? "dense" : "sparse");
  }
  if (sparse == NULL || sparse->indptr[sparse->rows] <= most) return HEED_OK;
  return heed__fail(HEED_SHAPE, "pass: features%s of %lld numbers, but it is reserved for %lld", of,
                    (long long)sparse->indptr[sparse->rows], (long long)most);
}

static heed_status check_pairs(const char *which, const heed_mask *mask, int64_t most) {
  if (mask == NULL || (mask->n_pairs <= most && most > 0)) return HEED_OK;
  return heed__fail(HEED_SHAPE, "pass: a %s mask of %lld pairs, but it is reserved for %lld", which,
                    (long long)mask->n_pairs, (long long)most);
}

heed_status heed__pass_check_room(const heed_pass *pass, const heed_model_inputs *in) {
  const heed_model_capacity *most = &pass->capacity;
  HEED__TRY(check_form("", in->sparse, pass->most_values[0]));
  if (pass->model->context >= 0) {
    HEED__TRY(check_form(" of the context", in->context_sparse, pass->most_values[1]));
  }
  if (in->wanted != NULL || (in->n_wanted > 0 && most->hops == 0)) {
    return heed__fail(HEED_ARGUMENT, "pass: in a reserved pass all nodes are wanted, or first ones where "
                      "it is reserved for hops");
  }
  HEED__TRY(check_pairs("cross", in->cross_mask, most->n_cross_pairs));
  HEED__TRY(check_pairs("context", in->context_mask, most->n_context_pairs));
  if (in->n_context > most->n_context) {
    return heed__fail(HEED_SHAPE, "pass: %lld nodes of context, but it is reserved for %lld",
                      (long long)in->n_context, (long long)most->n_context);
  }
  if (in->n_nodes > most->n_nodes) {
    return heed__fail(HEED_SHAPE, "pass: %lld nodes, but it is reserved for %lld",
                      (long long)in->n_nodes, (long long)most->n_nodes);
  }
  if (in->n_graphs > most->n_graphs && in->n_graphs > 1) {
    return heed__fail(HEED_SHAPE, "pass: %lld graphs, but it is reserved for %lld",
                      (long long)in->n_graphs, (long long)most->n_graphs);
  }
  if (in->n_head_masks != most->n_head_masks) {
    return heed__fail(HEED_ARGUMENT, "pass: %d masks of heads, but it is reserved for %d",
                      in->n_head_masks, most->n_head_masks);
  }
  for (int g = 0; g < in->n_head_masks; g++) {
    if (in->mask_heads[g] != most->mask_heads[g]) {
      return heed__fail(HEED_ARGUMENT, "pass: group %d of %d heads, but it is reserved for %d", g,
                        (int)in->mask_heads[g], (int)most->mask_heads[g]);
    }
    if (in->head_masks[g]->n_pairs > most->head_pairs[g]) {
      return heed__fail(HEED_SHAPE, "pass: a mask of %lld pairs for group %d, but it is reserved for %lld",
                        (long long)in->head_masks[g]->n_pairs, g, (long long)most->head_pairs[g]);
    }
  }
  if (in->mask != NULL && in->mask->n_pairs > most->n_pairs) {
    return heed__fail(HEED_SHAPE, "pass: a mask of %lld pairs, but it is reserved for %lld",
                      (long long)in->mask->n_pairs, (long long)most->n_pairs);
  }
  return HEED_OK;
}
