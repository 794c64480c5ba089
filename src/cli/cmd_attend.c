/* heed attend: attention over one mask, written to an archive. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

typedef struct attend_input {
  cli_global *global;
  cli_graph graph;
  cli_shape shape;
  cli_mask mask;
  bool mask_given;
  heed_kernel kernel;
  heed_storage storage;
  float dropout;
  heed_order reorder;
  int repeat;
  bool weights;
  const char *input;
  const char *output;
  const char *graphml;
  char *edge_weight;
  heed_bias_kind edge_weight_kind;
} attend_input;

enum {
  KEY_MASK = 0x300,
  KEY_KERNEL,
  KEY_DROPOUT,
  KEY_REPEAT,
  KEY_WEIGHTS,
  KEY_INPUT,
  KEY_GRAPHML,
  KEY_EDGE_WEIGHT,
  KEY_REORDER,
  KEY_STORAGE
};

static const struct argp_option option_table[] = {
    {"mask", KEY_MASK, "MASK", 0,
     "Who attends to whom: graph (default), khop:K, full, none, window:W, causal and others, joined by | & - ! "
     "(see MASKS in the manual)", 0},
    {"edge-weight", KEY_EDGE_WEIGHT, "ATTR[:log]", 0,
     "Add this edge attribute, or its logarithm, to the logits", 0},
    {"kernel", KEY_KERNEL, "NAME", 0, "auto (default), sparse, dense or reference", 0},
    {"storage", KEY_STORAGE, "NAME", 0,
     "float (default), or bfloat16: keys and values rounded to 16 bits each for the pairs to gather, "
     "sparse kernel", 0},
    {"dropout", KEY_DROPOUT, "P", 0, "Drop weights with this probability (default 0)", 0},
    {"input", KEY_INPUT, "FILE.npz", 0,
     "Read the projected arrays from here, see heed(1) (default: project the features by seeded "
     "weights)", 0},
    {"output", 'o', "FILE.npz", 0, "Write the result here", 0},
    {"weights", KEY_WEIGHTS, NULL, 0,
     "Write the weights, the mask and the edge of each pair too", 0},
    {"graphml", KEY_GRAPHML, "FILE", 0,
     "Write the graph with its mean attention as edge attributes", 0},
    {"reorder", KEY_REORDER, "ORDER", 0,
     "Compute with the nodes in another order, and put the results back into theirs: none, degree, "
     "rcm, metis, community or auto (default), where it should pay", 0},
    {"repeat", KEY_REPEAT, "R", 0, "Run R times by the clock (default 1)", 0},
    {0}};

static void parse_edge_weight(struct argp_state *state, char *text, attend_input *input) {
  size_t n = strlen(text);
  input->edge_weight = text;
  input->edge_weight_kind = HEED_BIAS_WEIGHT;
  if (n >= 4 && strcmp(text + n - 4, ":log") == 0) {
    input->edge_weight_kind = HEED_BIAS_LOG_WEIGHT;
    text[n - 4] = '\0';
  }
  if (text[0] == '\0') argp_error(state, "--edge-weight takes the name of an edge attribute");
}

static void check_usage(struct argp_state *state, const attend_input *input) {
  const char *paths[] = {input->output, input->graphml, input->global->json};
  for (int i = 0; i < 3; i++) {
    if (paths[i] != NULL && paths[i][0] == '\0') argp_error(state, "the name of a file is empty");
    for (int j = 0; j < i; j++) {
      if (paths[i] != NULL && paths[j] != NULL && strcmp(paths[i], paths[j]) == 0) {
        argp_error(state, "two outputs would go to '%s'", paths[i]);
      }
    }
  }
  if (input->storage != HEED_STORAGE_FLOAT && input->kernel != HEED_KERNEL_AUTO &&
      input->kernel != HEED_KERNEL_SPARSE) {
    argp_error(state, "--storage %s has no place beside --kernel %s",
               heed_storage_name(input->storage), heed_kernel_name(input->kernel));
  }
  if (input->storage != HEED_STORAGE_FLOAT && input->shape.normalizer != HEED_NORMALIZER_SOFTMAX) {
    argp_error(state, "--storage %s has no place beside --normalizer %s",
               heed_storage_name(input->storage), heed_normalizer_name(input->shape.normalizer));
  }
  if (input->graph.source == NULL || strcmp(input->graph.source, "-") != 0) return;
  if (input->input == NULL) argp_error(state, "GRAPH '-' needs --input");
  if (input->graphml != NULL) argp_error(state, "--graphml needs a GRAPH other than '-'");
  if (input->edge_weight != NULL) argp_error(state, "--edge-weight needs a GRAPH other than '-'");
}

static error_t parse(int key, char *text, struct argp_state *state) {
  attend_input *input = state->input;
  switch (key) {
    case ARGP_KEY_INIT:
      cli_hand_down(state, &input->graph, &input->shape, input->global);
      return 0;
    case KEY_MASK:
      cli_parse_mask(state, "--mask", text, &input->mask);
      input->mask_given = true;
      return 0;
    case KEY_EDGE_WEIGHT:
      parse_edge_weight(state, text, input);
      return 0;
    case KEY_KERNEL:
      input->kernel = cli_parse_kernel(state, "--kernel", text);
      return 0;
    case KEY_STORAGE:
      input->storage = cli_parse_storage(state, text);
      return 0;
    case KEY_DROPOUT:
      input->dropout = (float)cli_number(state, "--dropout", text);
      if (input->dropout < 0 || input->dropout >= 1) {
        argp_error(state, "--dropout takes a number from 0 to below 1, not '%s'", text);
      }
      return 0;
    case KEY_REORDER:
      input->reorder = cli_parse_order(state, text);
      return 0;
    case KEY_REPEAT:
      input->repeat = (int)cli_integer(state, "--repeat", text, 1, 1000000);
      return 0;
    case KEY_INPUT:
      input->input = text;
      return 0;
    case 'o':
      input->output = text;
      return 0;
    case KEY_WEIGHTS:
      input->weights = true;
      return 0;
    case KEY_GRAPHML:
      input->graphml = text;
      return 0;
    case ARGP_KEY_END:
      if (cli_graph_many(&input->graph)) {
        argp_error(state, "attend takes one graph, and %s is a collection", input->graph.source);
      }
      check_usage(state, input);
      return 0;
    default:
      return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp argp = {
    .options = option_table,
    .parser = parse,
    .args_doc = "GRAPH",
    .doc = "Computes attention over a graph. GRAPH may be '-' where the input brings the mask.",
    .children = cli_children};

/* Everything a run holds. */
typedef struct attend {
  const attend_input *options;
  heed_data *data; /* NULL for GRAPH '-' */
  heed_npz *npz;   /* NULL without --input */
  heed_attention_spec spec;
  cli_masks masks;
  heed_mask together;    /* the pairs that any head sees, where there are several masks */
  const heed_mask *mask; /* these, or the only mask */
  bool mask_from_input;
  cli_inputs inputs;
  cli_reorder reorder;
  float *out;
  float *weights;
  cli_times times;
} attend;

/* --- Inputs -------------------------------------------------------------------------------- */

static bool brings_mask(const attend *run) {
  return run->npz != NULL && (heed_npz_find(run->npz, "indptr") != NULL ||
                              heed_npz_find(run->npz, "indices") != NULL);
}

static int check_mask_options(const attend *run) {
  const attend_input *options = run->options;
  if (run->mask_from_input) {
    const char *surplus = options->mask_given          ? "--mask"
                          : options->graph.loops_given ? "--loops"
                          : options->edge_weight       ? "--edge-weight"
                                                       : NULL;
    if (surplus == NULL) return CLI_OK;
    return cli_fail("%s brings its own mask, indptr and indices: %s has no place beside it",
                    options->input, surplus);
  }
  if (run->data == NULL && (options->mask.needs.graph || options->mask.needs.features)) {
    return cli_fail("%s has no arrays indptr and indices, so GRAPH cannot be '-' (with --mask full "
                    "it could)",
                    options->input);
  }
  return CLI_OK;
}

static int make_masks(attend *run, int64_t n_queries, int64_t n_keys) {
  const attend_input *options = run->options;
  run->mask = &run->masks.at[0];
  if (run->mask_from_input) {
    heed_mask mask;
    if (cli_mask_read(&mask, &run->inputs, run->npz, options->input, n_queries, n_keys)) return CLI_FAILED;
    cli_masks_take(&run->masks, &mask, run->spec.heads);
    return CLI_OK;
  }
  const cli_mask_source of = {.data = run->data, .n_queries = n_queries, .n_keys = n_keys};
  if (cli_masks_make(&run->masks, &options->mask, run->spec.heads, "attention", &options->graph, &of)) {
    return CLI_FAILED;
  }
  if (run->masks.n == 1) return CLI_OK;
  run->mask = &run->together;
  return cli_masks_union(&run->together, &run->masks);
}

static int open_inputs(attend *run) {
  const attend_input *options = run->options;
  int64_t n_queries = -1, n_keys = -1;
  if (options->input != NULL && cli_check(heed_npz_open(&run->npz, options->input), NULL)) {
    return CLI_FAILED;
  }
  if (strcmp(options->graph.source, "-") != 0) {
    heed_status status =
        heed_data_open(&run->data, options->graph.source, &options->graph.options);
    if (cli_check(status, NULL)) return CLI_FAILED;
    n_queries = n_keys = heed_data_nodes(run->data);
  }
  run->mask_from_input = brings_mask(run);
  if (check_mask_options(run)) return CLI_FAILED;

  if (run->npz == NULL) {
    if (cli_inputs_project(&run->inputs, run->data, &run->spec)) return CLI_FAILED;
  } else {
    if (!options->shape.heads_given) run->spec.heads = -1;
    if (!options->shape.dim_given) run->spec.key_dim = -1;
    if (cli_inputs_read(&run->inputs, run->npz, options->input, &run->spec, &n_queries, &n_keys)) {
      return CLI_FAILED;
    }
  }
  return make_masks(run, n_queries, n_keys);
}

static int make_bias(attend *run) {
  const attend_input *options = run->options;
  cli_inputs *inputs = &run->inputs;
  if (run->npz != NULL && run->masks.n > 1 && heed_npz_find(run->npz, "bias") != NULL) {
    return cli_fail("%s: a bias of pairs, but the mask %s has pairs of its own for %d groups of heads",
                    options->input, options->mask.name, run->masks.n);
  }
  if (run->npz != NULL &&
      cli_inputs_read_bias(inputs, run->npz, run->spec.heads, run->mask->n_pairs)) {
    return CLI_FAILED;
  }
  if (options->edge_weight == NULL) return CLI_OK;
  if (inputs->in.bias != NULL) {
    return cli_fail("%s has a bias, and --edge-weight asks for another", options->input);
  }
  float *bias = cli_floats(cli_masks_pairs(&run->masks), 1, 1);
  if (bias == NULL) return CLI_FAILED;
  inputs->made[inputs->n_made++] = bias;
  inputs->in.bias = bias;
  inputs->in.bias_heads = 1;
  for (int g = 0; g < run->masks.n; bias += run->masks.at[g++].n_pairs) {
    heed_status status = heed_graph_bias(heed_data_graph(run->data), &run->masks.at[g],
                                         options->edge_weight, options->edge_weight_kind, bias);
    if (cli_check(status, options->graph.source)) return CLI_FAILED;
  }
  return CLI_OK;
}

/* Dense tiles read all keys in turn; and what dropout drops goes by the numbers of pairs, which only
 * those who ask for it get otherwise. */
static int make_order(attend *run) {
  const attend_input *options = run->options;
  heed_order asked = options->reorder;
  bool fixed = run->spec.kernel == HEED_KERNEL_DENSE || run->spec.dropout > 0 || run->masks.n > 1;
  if (asked == HEED_ORDER_AUTO && fixed) asked = HEED_ORDER_NONE;
  if (asked != HEED_ORDER_NONE && run->masks.n > 1) {
    return cli_fail("--reorder %s: of one mask, not of %d masks of heads", heed_order_name(asked),
                    run->masks.n);
  }
  return cli_reorder_make(&run->reorder, asked, run->mask, cli_row_bytes(&run->spec),
                          1.0 + options->repeat);
}

static int compute(attend *run) {
  const heed_attention_spec *spec = &run->spec;
  run->out = cli_floats(run->mask->n_queries, spec->heads, spec->value_dim);
  if (run->out == NULL) return CLI_FAILED;
  if (run->options->weights || run->options->graphml != NULL) {
    run->weights = cli_floats(cli_masks_weights(&run->masks), 1, 1);
    if (run->weights == NULL) return CLI_FAILED;
  }
  heed_attention_outputs outputs = {.out = run->out, .weights = run->weights};
  if (cli_run_reordered(&run->times, &run->reorder, spec, &run->masks, &run->inputs.in, &outputs,
                        run->options->repeat)) {
    return CLI_FAILED;
  }
  if (run->weights == NULL || run->masks.n == 1) return CLI_OK;
  float *all = cli_masks_spread(&run->masks, run->mask, spec->heads, run->weights);
  free(run->weights);
  run->weights = all;
  return all != NULL ? CLI_OK : CLI_FAILED;
}

/* --- The archive --------------------------------------------------------------------------- */

static heed_array array(const char *name, heed_dtype dtype, int n_dims, int64_t a, int64_t b,
                        int64_t c, const void *data) {
  return (heed_array){name, dtype, n_dims, {a, b, c}, data};
}

/* The first edge behind each pair. */
static int64_t *first_edges(const heed_mask *mask) {
  int64_t *edge_id = malloc(((size_t)mask->n_pairs + 1) * sizeof *edge_id);
  if (edge_id == NULL) {
    cli_fail("out of memory for the edges of %lld pairs", (long long)mask->n_pairs);
    return NULL;
  }
  for (int64_t p = 0; p < mask->n_pairs; p++) {
    const int64_t *ids;
    const uint8_t *origins;
    int64_t count;
    heed_mask_pair_edges(mask, p, &ids, &origins, &count);
    edge_id[p] = ids[0];
  }
  return edge_id;
}

static int write_output(const attend *run) {
  const heed_attention_spec *spec = &run->spec;
  const heed_mask *mask = run->mask;
  heed_array arrays[7];
  int n = 0;
  arrays[n++] = array("out", HEED_DTYPE_FLOAT32, 3, mask->n_queries, spec->heads, spec->value_dim,
                      run->out);
  if (!run->options->weights) {
    return cli_check(heed_npz_write(run->options->output, arrays, n), NULL);
  }
  heed_mask pairs; /* a full mask writes its pairs out */
  if (cli_check(heed_mask_explicit(&pairs, mask), NULL)) return CLI_FAILED;
  int64_t *edge_id = first_edges(&pairs);
  int failed = edge_id == NULL;
  int64_t e = pairs.n_pairs;
  arrays[n++] = array("weights", HEED_DTYPE_FLOAT32, 2, e, spec->heads, 0, run->weights);
  arrays[n++] = array("indptr", HEED_DTYPE_INT64, 1, pairs.n_queries + 1, 0, 0, pairs.indptr);
  arrays[n++] = array("indices", HEED_DTYPE_INT32, 1, e, 0, 0, pairs.indices);
  arrays[n++] = array("edge_id", HEED_DTYPE_INT64, 1, e, 0, 0, edge_id);
  if (pairs.edge_ptr != NULL) { /* merged edges: all of them */
    arrays[n++] = array("edge_ptr", HEED_DTYPE_INT64, 1, e + 1, 0, 0, pairs.edge_ptr);
    arrays[n++] = array("edge_ids", HEED_DTYPE_INT64, 1, pairs.edge_ptr[e], 0, 0, pairs.edge_ids);
  }
  if (!failed) failed = cli_check(heed_npz_write(run->options->output, arrays, n), NULL);
  free(edge_id);
  heed_mask_free(&pairs);
  return failed;
}

/* --- The graph with its attention ---------------------------------------------------------- */

/* The number of pair (i, j) in a mask, or -1. */
static int64_t find_pair(const heed_mask *mask, int64_t i, int32_t j) {
  if (mask->indptr == NULL) return i * mask->n_keys + j;
  int64_t low = mask->indptr[i], high = mask->indptr[i + 1];
  if (mask->starts != NULL) {
    int64_t at = j - (int64_t)mask->starts[i];
    return at >= 0 && at < high - low ? low + at : -1;
  }
  while (low < high) {
    int64_t middle = low + (high - low) / 2;
    if (mask->indices[middle] < j) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low < mask->indptr[i + 1] && mask->indices[low] == j ? low : -1;
}

static double mean_weight(const attend *run, int64_t pair) {
  double sum = 0;
  if (pair < 0) return 0;
  for (int32_t h = 0; h < run->spec.heads; h++) sum += run->weights[pair * run->spec.heads + h];
  return sum / run->spec.heads;
}

/* What an edge gets: the mean weight over the heads of the pair that takes it from its first end to
 * its second, of the pair that takes it backward, and the mean of those there are. */
enum { MEAN, FORWARD, BACKWARD, N_COLUMNS };

/* The edges give pairs as --direction says, whatever the mask; those that the mask lacks count
 * nothing. A self-loop is forward. */
static int fill_columns(const attend *run, double *const columns[N_COLUMNS], int64_t n_edges) {
  heed_mask edges;
  heed_status status = heed_mask_from_graph(&edges, heed_data_graph(run->data),
                                            run->options->graph.direction, HEED_LOOPS_KEEP);
  if (cli_check(status, NULL)) return CLI_FAILED;
  for (int c = 0; c < N_COLUMNS; c++) {
    for (int64_t e = 0; e < n_edges; e++) columns[c][e] = 0;
  }
  /* MEAN holds the number of pairs behind an edge until the end. */
  for (int64_t i = 0; i < edges.n_queries; i++) {
    for (int64_t p = edges.indptr[i]; p < edges.indptr[i + 1]; p++) {
      int64_t pair = find_pair(run->mask, i, edges.indices[p]);
      const int64_t *ids;
      const uint8_t *origins;
      int64_t count;
      heed_mask_pair_edges(&edges, p, &ids, &origins, &count);
      for (int64_t k = 0; k < count && pair >= 0; k++) {
        int column = origins[k] == HEED_ORIGIN_BACKWARD ? BACKWARD : FORWARD;
        columns[column][ids[k]] = mean_weight(run, pair);
        columns[MEAN][ids[k]]++;
      }
    }
  }
  for (int64_t e = 0; e < n_edges; e++) {
    double sum = columns[FORWARD][e] + columns[BACKWARD][e];
    columns[MEAN][e] = columns[MEAN][e] > 0 ? sum / columns[MEAN][e] : 0;
  }
  heed_mask_free(&edges);
  return CLI_OK;
}

/* The columns are made before the first file is written. */
static int make_columns(const attend *run, double **values, double *columns[N_COLUMNS]) {
  int64_t n_edges = igraph_ecount(heed_data_graph(run->data));
  *values = malloc(((size_t)n_edges + 1) * N_COLUMNS * sizeof **values);
  if (*values == NULL) return cli_fail("out of memory for %lld edges", (long long)n_edges);
  for (int c = 0; c < N_COLUMNS; c++) columns[c] = *values + c * n_edges;
  return fill_columns(run, columns, n_edges);
}

static int write_graphml(const attend *run, double *const columns[N_COLUMNS]) {
  static const char *const names[] = {"attention", "attention_forward", "attention_backward"};
  const double *values[N_COLUMNS] = {columns[MEAN], columns[FORWARD], columns[BACKWARD]};
  return cli_check(heed_graph_write_graphml(heed_data_graph(run->data), run->options->graphml,
                                            N_COLUMNS, names, values),
                   NULL);
}

/* --- The report ---------------------------------------------------------------------------- */

static int fill_report(heed_report *report, const attend *run) {
  const attend_input *options = run->options;
  const heed_attention_spec *spec = &run->spec;
  const cli_times *times = &run->times;
  bool automatic = options->kernel == HEED_KERNEL_AUTO;
  heed_mask_stats stats;
  char kernels[CLI_KERNEL_NAMES];
  if (cli_check(heed_mask_statistics(run->mask, &stats), NULL)) return CLI_FAILED;
  heed_report_text(report, "graph", "graph", options->graph.source);
  heed_report_text(report, "input", options->input ? "input" : NULL,
                   options->input ? options->input : "projected");
  heed_report_text(report, "mask", "mask",
                   run->mask_from_input ? "of the input" : options->mask.name);
  if (!run->mask_from_input) {
    heed_report_text(report, "direction", NULL, cli_direction_name(options->graph.direction));
    heed_report_text(report, "loops", NULL, cli_loops_name(options->graph.loops));
  }
  heed_report_integer(report, "queries", "queries", run->mask->n_queries);
  heed_report_integer(report, "keys", "keys", run->mask->n_keys);
  heed_report_integer(report, "pairs", "pairs", cli_masks_pairs(&run->masks));
  heed_report_integer(report, "empty_rows", "empty rows", stats.empty_rows);
  heed_report_text(report, "score", "score", heed_score_name(spec->score));
  cli_report_normalizer(report, spec->normalizer);
  heed_report_integer(report, "heads", "heads", spec->heads);
  heed_report_integer(report, "key_dim", "key size", spec->key_dim);
  heed_report_integer(report, "value_dim", "value size", spec->value_dim);
  heed_report_number(report, "dropout", NULL, spec->dropout, 4);
  heed_report_text(report, "kernel", "kernel",
                   cli_kernel_names(kernels, sizeof kernels, times->kernels, run->masks.n));
  heed_report_text(report, "kernel_asked", automatic ? "chosen by" : NULL,
                   heed_kernel_name(options->kernel));
  if (automatic && spec->storage == HEED_STORAGE_FLOAT) { /* else there is no choice */
    heed_report_seconds(report, "sparse_seconds_predicted", "sparse would take",
                        times->cost.sparse_seconds);
    heed_report_seconds(report, "dense_seconds_predicted", "dense would take",
                        times->cost.dense_seconds);
  }
  heed_report_text(report, "storage", spec->storage == HEED_STORAGE_FLOAT ? NULL : "keys and values as",
                   heed_storage_name(spec->storage));
  for (int g = 0; run->masks.n > 1 && g < run->masks.n; g++) {
    cli_mask group = cli_mask_of_group(&options->mask, g);
    heed_report *row = heed_report_row(report, "groups", "groups of heads");
    heed_report_text(row, "mask", "mask", group.name);
    heed_report_integer(row, "heads", "heads", run->masks.heads[g]);
    heed_report_integer(row, "pairs", "pairs", run->masks.at[g].n_pairs);
    heed_report_text(row, "kernel", "kernel", heed_kernel_name(times->kernels[g]));
  }
  cli_reorder_report(report, &run->reorder);
  heed_report_integer(report, "repeat", "repeats", options->repeat);
  heed_report_seconds(report, "seconds_median", "time, median", times->median);
  heed_report_seconds(report, "seconds_min", "time, least", times->least);
  heed_report_bytes(report, "peak_extra_bytes", "extra memory, peak", times->peak_extra);
  cli_report_machine(report);
  if (options->output) heed_report_text(report, "output", "written", options->output);
  if (options->graphml) {
    heed_report_text(report, "graphml", options->output ? "and" : "written", options->graphml);
  }
  return CLI_OK;
}

/* Writes the files, the archive first; then shows the report. */
static int write_all(const attend *run, const heed_report *report,
                     double *const columns[N_COLUMNS]) {
  const attend_input *options = run->options;
  const char *written = NULL;
  if (options->output != NULL) {
    if (write_output(run)) return CLI_FAILED;
    written = options->output;
  }
  if (options->graphml != NULL) {
    if (write_graphml(run, columns)) {
      if (written != NULL) cli_fail("written before that, and left in place: %s", written);
      return CLI_FAILED;
    }
    written = written == NULL ? options->graphml : "both the archive and the graph";
  }
  return cli_report(report, options->global, written);
}

int cmd_attend(cli_global *global, int argc, char **argv) {
  attend_input options = {
      .global = global,
      .graph = cli_graph_default(),
      .shape = cli_shape_default(),
      .mask = cli_mask_named("graph"),
      .reorder = HEED_ORDER_AUTO,
      .repeat = 1,
  };
  if (cli_parse(&argp, argc, argv, &options)) return CLI_FAILED;
  options.graph.options.seed = global->seed;

  attend run = {.options = &options, .spec = cli_spec(&options.shape, global->seed)};
  run.spec.kernel = options.kernel;
  run.spec.dropout = options.dropout;
  run.spec.storage = options.storage;
  heed_report *report = NULL;
  double *values = NULL, *columns[N_COLUMNS] = {NULL};
  int failed = open_inputs(&run);
  if (!failed) failed = make_bias(&run);
  if (!failed) failed = make_order(&run);
  if (!failed) failed = compute(&run);
  if (!failed && options.graphml != NULL) failed = make_columns(&run, &values, columns);
  if (!failed) failed = cli_check(heed_report_new(&report), NULL);
  if (!failed) failed = fill_report(report, &run);
  if (!failed) failed = write_all(&run, report, columns);
  free(values);
  free(run.out);
  free(run.weights);
  heed_report_free(report);
  cli_reorder_free(&run.reorder);
  cli_masks_free(&run.masks);
  heed_mask_free(&run.together);
  cli_inputs_free(&run.inputs);
  heed_npz_close(run.npz);
  heed_data_free(run.data);
  return failed;
}
