/* --reorder: another order of nodes within, the caller's without. */
#include <stdlib.h>
#include <string.h>

#include "cli/learn.h"

heed_order cli_parse_order(const struct argp_state *state, const char *text) {
  heed_order order = HEED_ORDER_NONE;
  if (heed_order_from_name(text, &order) != HEED_OK) {
    argp_error(state, "--reorder takes none, degree, rcm, metis, community or auto, not '%s'", text);
  }
  return order;
}

void cli_reorder_check(const struct argp_state *state, heed_order asked, const cli_recipe *recipe,
                       const char *source) {
  if (recipe->of_graphs) {
    argp_error(state, "--reorder is for one graph, and %s is a collection", source);
  }
  bool as_it_is = asked == HEED_ORDER_NONE || asked == HEED_ORDER_AUTO;
  if (as_it_is || !cli_encoding_of_order(recipe)) return;
  argp_error(state, "--reorder %s: the --encoding is of the nodes in their own order",
             heed_order_name(asked));
}

/* --- The order and the mask in it ---------------------------------------------------------- */

void cli_reorder_free(cli_reorder *reorder) {
  heed_mask_free(&reorder->mask);
  free(reorder->nodes);
  free(reorder->pairs);
  *reorder = (cli_reorder){0};
}

static int64_t *integers(int64_t n) {
  int64_t *x = malloc(((size_t)n + 1) * sizeof *x);
  if (x == NULL) cli_fail("out of memory for the order of %lld things", (long long)n);
  return x;
}

static int find_order(cli_reorder *reorder, heed_order asked, const heed_mask *mask,
                      int64_t row_bytes, double passes) {
  reorder->order = asked;
  heed_status status = asked == HEED_ORDER_AUTO
                           ? heed_mask_order_auto(mask, (size_t)row_bytes, passes, reorder->nodes,
                                                  &reorder->order)
                           : heed_mask_order(mask, asked, reorder->nodes);
  if (cli_check(status, "--reorder")) return CLI_FAILED;
  if (heed_mask_is_full(mask) || mask->starts != NULL) reorder->order = HEED_ORDER_NONE;
  if (reorder->order == HEED_ORDER_NONE) return CLI_OK;
  reorder->pairs = integers(mask->n_pairs);
  if (reorder->pairs == NULL) return CLI_FAILED;
  status = heed_mask_permute(&reorder->mask, mask, reorder->nodes, reorder->nodes, reorder->pairs);
  return cli_check(status, "--reorder");
}

int cli_reorder_make(cli_reorder *reorder, heed_order asked, const heed_mask *mask,
                     int64_t row_bytes, double passes) {
  *reorder = (cli_reorder){.order = HEED_ORDER_NONE};
  if (asked == HEED_ORDER_NONE) return CLI_OK;
  double start = heed_seconds();
  reorder->nodes = integers(mask->n_queries);
  int failed = reorder->nodes == NULL ||
               find_order(reorder, asked, mask, row_bytes, passes);
  double seconds = heed_seconds() - start;
  if (failed || reorder->order == HEED_ORDER_NONE) cli_reorder_free(reorder);
  reorder->seconds = seconds;
  return failed ? CLI_FAILED : CLI_OK;
}

int64_t cli_row_bytes(const heed_attention_spec *spec) {
  bool values = spec->score == HEED_SCORE_DOT || spec->score == HEED_SCORE_ADDITIVE;
  int64_t width = values ? (int64_t)spec->key_dim + spec->value_dim : spec->key_dim;
  size_t bytes = spec->storage == HEED_STORAGE_BFLOAT16 ? sizeof(uint16_t) : sizeof(float);
  return width * spec->heads * (int64_t)bytes;
}

/* --- Attention ----------------------------------------------------------------------------- */

/* x[n, width] in another order, among what `inputs` frees; NULL stays NULL. */
static int gather(cli_inputs *inputs, const float **x, const int64_t *order, int64_t n,
                  int64_t width) {
  if (*x == NULL) return CLI_OK;
  float *copy = cli_floats(n, width, 1);
  if (copy == NULL) return CLI_FAILED;
  inputs->made[inputs->n_made++] = copy;
  heed_rows_gather(copy, *x, order, n, (size_t)width * sizeof *copy);
  *x = copy;
  return CLI_OK;
}

static int gather_inputs(cli_inputs *inputs, const cli_reorder *reorder,
                         const heed_attention_spec *spec) {
  heed_attention_inputs *in = &inputs->in;
  int64_t n = reorder->mask.n_queries, keys = (int64_t)spec->heads * spec->key_dim;
  bool shared = in->key == in->query;
  if (gather(inputs, &in->query, reorder->nodes, n, keys)) return CLI_FAILED;
  if (shared) {
    in->key = in->query;
  } else if (gather(inputs, &in->key, reorder->nodes, n, keys)) {
    return CLI_FAILED;
  }
  if (gather(inputs, &in->value, reorder->nodes, n, (int64_t)spec->heads * spec->value_dim)) {
    return CLI_FAILED;
  }
  return gather(inputs, &in->bias, reorder->pairs, reorder->mask.n_pairs, in->bias_heads);
}

int cli_run_reordered(cli_times *times, const cli_reorder *reorder, const heed_attention_spec *spec,
                      const cli_masks *masks, const heed_attention_inputs *in,
                      const heed_attention_outputs *out, int repeat) {
  if (reorder->order == HEED_ORDER_NONE) return cli_run(times, spec, masks, in, out, repeat);
  const heed_mask *mask = &masks->at[0];
  cli_masks ordered;
  cli_masks_take(&ordered, &reorder->mask, spec->heads);
  cli_inputs inputs = {.in = *in};
  int64_t width = (int64_t)spec->heads * spec->value_dim;
  int failed = gather_inputs(&inputs, reorder, spec);
  float *rows = failed ? NULL : cli_floats(mask->n_queries, width, 1);
  float *weights = rows == NULL || out->weights == NULL
                       ? NULL
                       : cli_floats(mask->n_pairs, spec->heads, 1);
  failed = failed || rows == NULL || (out->weights != NULL && weights == NULL);
  heed_attention_outputs outputs = {.out = rows, .weights = weights};
  if (!failed) failed = cli_run(times, spec, &ordered, &inputs.in, &outputs, repeat);
  if (!failed) {
    size_t size = sizeof(float);
    heed_rows_scatter(out->out, rows, reorder->nodes, mask->n_queries, (size_t)width * size);
    if (weights != NULL) {
      heed_rows_scatter(out->weights, weights, reorder->pairs, mask->n_pairs,
                        (size_t)spec->heads * size);
    }
  }
  free(weights);
  free(rows);
  cli_inputs_free(&inputs);
  return failed ? CLI_FAILED : CLI_OK;
}

void cli_reorder_report(heed_report *report, const cli_reorder *reorder) {
  bool there = reorder->order != HEED_ORDER_NONE;
  heed_report_text(report, "order", there ? "order of nodes" : NULL,
                   heed_order_name(reorder->order));
  heed_report_seconds(report, "order_seconds", there ? "time to make it" : NULL,
                      reorder->seconds);
}

/* --- Training ------------------------------------------------------------------------------ */

/* What a pass reads of a key: of a transformer, keys and values. */
static int64_t model_row_bytes(const heed_model_spec *model) {
  int64_t width = model->hidden > 0 ? model->hidden : 1;
  return width * (model->kind == HEED_MODEL_TRANSFORMER ? 2 : 1) * (int64_t)sizeof(float);
}

/* A lower bound: in an epoch every layer runs forward for training, backward (which counts as two)
 * and forward for validation. */
static double training_passes(const cli_recipe *recipe, double runs) {
  int epochs = recipe->fit.epochs, patience = recipe->fit.patience;
  if (patience > 0 && patience < epochs) epochs = patience;
  int layers = recipe->model.layers > 0 ? recipe->model.layers : 1;
  return runs * epochs * layers * 4;
}

int cli_reorder_training(cli_reorder *reorder, heed_order asked, const heed_mask *mask,
                         const cli_recipe *recipe, int runs) {
  *reorder = (cli_reorder){.order = HEED_ORDER_NONE};
  if (mask->n_queries == 0) return CLI_OK; /* the model looks at none */
  return cli_reorder_make(reorder, asked, mask, model_row_bytes(&recipe->model),
                          training_passes(recipe, runs));
}

/* An array among what the task frees, in another order; NULL stays NULL. */
static int gather_rows(cli_task *task, const void *from, const int64_t *order, size_t size,
                       const void **to) {
  *to = NULL;
  if (from == NULL) return CLI_OK;
  void **made = realloc(task->made, ((size_t)task->n_made + 1) * sizeof *made);
  if (made != NULL) task->made = made;
  void *copy = made != NULL ? malloc((size_t)task->n_nodes * size + 1) : NULL;
  if (copy == NULL) {
    return cli_fail("out of memory for %lld rows in another order", (long long)task->n_nodes);
  }
  task->made[task->n_made++] = copy;
  heed_rows_gather(copy, from, order, task->n_nodes, size);
  *to = copy;
  return CLI_OK;
}

static int gather_dense(cli_task *task, const heed_matrix *x, const int64_t *order) {
  size_t row = (size_t)x->cols * sizeof(float);
  float *data = cli_floats(x->rows, x->cols, 1);
  if (data == NULL) return CLI_FAILED;
  task->own_dense = heed_matrix_view(data, x->rows, x->cols);
  task->dense = &task->own_dense;
  if (x->stride == x->cols) {
    heed_rows_gather(data, x->data, order, x->rows, row);
    return CLI_OK;
  }
  for (int64_t i = 0; i < x->rows; i++) {
    memcpy(data + i * x->cols, x->data + order[i] * x->stride, row);
  }
  return CLI_OK;
}

static int gather_sparse(cli_task *task, const heed_csr *x, const int64_t *order) {
  size_t n = (size_t)x->indptr[x->rows] + 1;
  int64_t *indptr = integers(x->rows + 1);
  int32_t *indices = malloc(n * sizeof *indices);
  float *values = x->values != NULL ? malloc(n * sizeof *values) : NULL;
  task->own_sparse = (heed_csr){x->rows, x->cols, indptr, indices, values};
  task->sparse = &task->own_sparse;
  if (indptr == NULL || indices == NULL || (x->values != NULL && values == NULL)) {
    return cli_fail("out of memory for features in another order");
  }
  heed_csr_gather(x, order, indptr, indices, values);
  return CLI_OK;
}

static int gather_task(cli_task *result, const cli_task *task, const int64_t *order) {
  size_t columns = (size_t)task->classes * sizeof(float), splits = (size_t)task->n_splits;
  const void *copy;
  if (task->dense != NULL && gather_dense(result, task->dense, order)) return CLI_FAILED;
  if (task->sparse != NULL && gather_sparse(result, task->sparse, order)) return CLI_FAILED;
  if (gather_rows(result, task->targets.labels, order, sizeof(int32_t), &copy)) return CLI_FAILED;
  result->targets.labels = copy;
  if (gather_rows(result, task->targets.values, order, columns, &copy)) return CLI_FAILED;
  result->targets.values = copy;
  result->splits = malloc((splits + 1) * sizeof *result->splits);
  if (result->splits == NULL) return cli_fail("out of memory for %d splits", task->n_splits);
  memcpy(result->splits, task->splits, splits * sizeof *result->splits);
  for (int part = 0; part < 3; part++) {
    result->parts[part] = calloc(splits + 1, sizeof *result->parts[part]);
    if (result->parts[part] == NULL) return cli_fail("out of memory for %d splits", task->n_splits);
    for (int s = 0; s < task->n_splits; s++) {
      if (gather_rows(result, task->parts[part][s], order, 1, &copy)) return CLI_FAILED;
      result->parts[part][s] = copy;
    }
  }
  return CLI_OK;
}

/* A copy of the rows of a task, once prepared, in another order; without its data. `result` is for
 * cli_task_close() after failure too. */
static int reorder_task(cli_task *result, const cli_task *task, const cli_reorder *reorder) {
  *result = (cli_task){.n_nodes = task->n_nodes,
                       .n_rows = task->n_rows,
                       .classes = task->classes,
                       .targets = task->targets,
                       .n_splits = task->n_splits,
                       .drawn = task->drawn};
  return gather_task(result, task, reorder->nodes);
}

int cli_experiment_reordered(cli_outcome *outcome, const cli_task *task, const cli_recipe *recipe,
                             const heed_mask *mask, const cli_reorder *reorder,
                             const uint64_t *seeds, int n_seeds, const char *title,
                             cli_history *history, const cli_checkpoint *checkpoint) {
  cli_task ordered;
  *outcome = (cli_outcome){0};
  if (reorder->order == HEED_ORDER_NONE) {
    return cli_experiment(outcome, task, recipe, mask->n_queries > 0 ? mask : NULL, seeds, n_seeds,
                          title, history, checkpoint);
  }
  int failed = reorder_task(&ordered, task, reorder);
  if (!failed) {
    failed = cli_experiment(outcome, &ordered, recipe, &reorder->mask, seeds, n_seeds, title,
                            history, checkpoint);
  }
  cli_task_close(&ordered);
  return failed;
}
