/* heed compare: masks and kernels on one graph, from the same projected inputs. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/learn.h"

enum { MOST_KERNELS = 3, SMALL_WORK = 20000000 };

typedef struct compare_input {
  cli_global *global;
  cli_graph graph;
  cli_shape shape;
  cli_mask_list masks;
  heed_kernel kernels[MOST_KERNELS];
  int n_kernels;
  bool kernels_given;
  int repeat;
  double budget;
  heed_order reorder;
  bool masks_given;
  const char *timing; /* an option that is of no use in training, if one was given */
  bool train;
  cli_trained_comparison trained;
} compare_input;

enum {
  KEY_MASKS = 0x300,
  KEY_KERNELS,
  KEY_REPEAT,
  KEY_BUDGET,
  KEY_TRAIN,
  KEY_BLOCKS,
  KEY_ENCODINGS,
  KEY_REORDER
};

static const struct argp_option option_table[] = {
    {"masks", KEY_MASKS, "LIST", 0,
     "Masks, separated by commas: graph, khop:K, full, window:W|global:G and others (default graph,khop:2,full; with "
     "--train none too)", 0},
    {"kernels", KEY_KERNELS, "LIST", 0,
     "Kernels, separated by commas: sparse, dense, reference (default sparse,dense, and reference "
     "where that is little work)", 0},
    {"repeat", KEY_REPEAT, "R", 0, "Run each R times by the clock (default 5)", 0},
    {"reorder", KEY_REORDER, "ORDER", 0,
     "Compute with the nodes in another order, and put the results back into theirs: none, degree, "
     "rcm, metis, community or auto (default), where it should pay", 0},
    {"budget", KEY_BUDGET, "SECONDS", 0,
     "Time for one mask and kernel: fewer repeats, or none, where it would take longer (default "
     "10)", 0},
    {"train", KEY_TRAIN, NULL, 0,
     "Train the same model under each mask and compare what it learns, with the options of 'heed "
     "train'", 0},
    {"blocks", KEY_BLOCKS, "LIST", 0,
     "With --train: blocks of a transformer to compare under the graph, such as MMS,MSM (default: "
     "some)", 0},
    {"encodings", KEY_ENCODINGS, "LIST", 0,
     "With --train: encodings to compare, separated by commas, such as none,laplacian:8,degree+rotary, "
     "each under each mask (default: the graph); see --encoding", 0},
    {"output", 'o', "DIR", 0, "With --train: folder for results.json and figures", 0},
    {0}};

static void parse_kernels(struct argp_state *state, const char *text, compare_input *input) {
  static const heed_kernel all[] = {HEED_KERNEL_SPARSE, HEED_KERNEL_DENSE, HEED_KERNEL_REFERENCE};
  input->n_kernels = 0;
  input->kernels_given = true;
  for (const char *part = text;; part++) {
    size_t n = strcspn(part, ",");
    int found = -1;
    for (int i = 0; i < MOST_KERNELS; i++) {
      const char *name = heed_kernel_name(all[i]);
      if (strlen(name) == n && strncmp(name, part, n) == 0) found = i;
    }
    if (found < 0) {
      argp_error(state, "--kernels takes sparse, dense and reference, separated by commas, not "
                        "'%.*s'", (int)n, part);
    }
    for (int i = 0; i < input->n_kernels; i++) {
      if (found >= 0 && input->kernels[i] == all[found]) {
        argp_error(state, "--kernels has '%.*s' twice", (int)n, part);
      }
    }
    input->kernels[input->n_kernels++] = all[found];
    part += n;
    if (*part == '\0') return;
  }
}

static void check_usage(struct argp_state *state, compare_input *input) {
  cli_trained_comparison *trained = &input->trained;
  if (!input->train) {
    cli_graph_check(state, &input->graph);
    if (cli_graph_many(&input->graph)) {
      argp_error(state, "%s is a collection: what is compared on it is learning, with --train",
                 input->graph.source);
    }
    if (trained->training.any || trained->blocks != NULL || trained->encodings != NULL ||
        trained->output != NULL ||
        input->graph.normalize != NULL) {
      argp_error(state, "options of training, --blocks, --encodings and --output need --train");
    }
    return;
  }
  const cli_shape *shape = &input->shape;
  const char *surplus = input->timing       ? input->timing
                        : shape->score_given ? "--score"
                        : shape->dim_given   ? "--dim"
                        : shape->scale_given ? "--scale"
                                             : NULL;
  if (surplus != NULL) argp_error(state, "%s has no place beside --train", surplus);
  if (shape->heads_text != NULL) cli_training_give(&trained->training, "heads", shape->heads_text);
  if (shape->slope_text != NULL) cli_training_give(&trained->training, "slope", shape->slope_text);
  if (shape->normalizer_text != NULL) {
    cli_training_give(&trained->training, "normalizer", shape->normalizer_text);
  }
  if (input->masks_given) trained->masks = input->masks;
  trained->graph = &input->graph;
  trained->reorder = input->reorder;
  cli_compare_options(state, trained);
}

static error_t parse(int key, char *text, struct argp_state *state) {
  compare_input *input = state->input;
  switch (key) {
    case ARGP_KEY_INIT:
      cli_hand_down(state, &input->graph, &input->shape, input->global);
      state->child_inputs[3] = &input->trained.training;
      state->child_inputs[4] = &input->graph.collection;
      return 0;
    case KEY_MASKS:
      cli_parse_masks(state, "--masks", text, &input->masks);
      input->masks_given = true;
      return 0;
    case KEY_KERNELS:
      parse_kernels(state, text, input);
      input->timing = "--kernels";
      return 0;
    case KEY_REPEAT:
      input->repeat = (int)cli_integer(state, "--repeat", text, 1, 1000000);
      input->timing = "--repeat";
      return 0;
    case KEY_REORDER:
      input->reorder = cli_parse_order(state, text);
      input->trained.reorder_given = true;
      return 0;
    case KEY_BUDGET:
      input->budget = cli_number(state, "--budget", text);
      if (input->budget < 0) argp_error(state, "--budget takes seconds, 0 or more, not '%s'", text);
      input->timing = "--budget";
      return 0;
    case KEY_TRAIN:
      input->train = true;
      return 0;
    case KEY_ENCODINGS:
      input->trained.encodings = text;
      return 0;
    case KEY_BLOCKS:
      input->trained.blocks = text;
      return 0;
    case 'o':
      input->trained.output = text;
      return 0;
    case ARGP_KEY_END:
      check_usage(state, input);
      return 0;
    default:
      return ARGP_ERR_UNKNOWN;
  }
}

/* Everything a comparison holds. */
typedef struct compare {
  const compare_input *options;
  heed_data *data;
  heed_attention_spec spec;
  cli_inputs inputs;
  int64_t n_nodes;
  cli_masks masks[CLI_MOST_MASKS];
  heed_mask edges;          /* the graph's own pairs, without added self-loops */
  heed_attention_cost full; /* of full attention */
  float *first;             /* the output under the first mask... */
  bool first_there;         /* ...once some kernel has computed it */
  float *out;               /* under the mask of now, by the first kernel that ran */
  float *other;             /* by another kernel */
} compare;

static int64_t out_size(const compare *run) {
  return run->n_nodes * run->spec.heads * run->spec.value_dim;
}

/* --- Time, memory and differences of kernels ------------------------------------------------ */

/* What a kernel should take a run; NAN where nothing is predicted. */
static double predicted(const heed_attention_cost *cost, heed_kernel kernel) {
  if (kernel == HEED_KERNEL_SPARSE) return cost->sparse_seconds;
  return kernel == HEED_KERNEL_DENSE ? cost->dense_seconds : NAN;
}

/* How many repeats the budget allows beside the warm-up; 0 for none. Where not even two runs fit,
 * `why` says so. */
static int allowed_repeats(const compare *run, double seconds, char *why, size_t size) {
  double budget = run->options->budget;
  why[0] = '\0';
  if (!(seconds * (1.0 + run->options->repeat) > budget)) return run->options->repeat;
  if (seconds * 2 <= budget) return (int)(budget / seconds) - 1;
  snprintf(why, size, "skipped: two runs would take %.3g s, the budget is %.3g s", 2 * seconds,
           budget);
  return 0;
}

static double largest(const float *x, int64_t n) {
  double most = 0;
  for (int64_t i = 0; i < n; i++) most = fmax(most, fabs((double)x[i]));
  return most;
}

static double largest_difference(const float *x, const float *y, int64_t n) {
  double most = 0;
  for (int64_t i = 0; i < n; i++) most = fmax(most, fabs((double)x[i] - (double)y[i]));
  return most;
}

static bool wanted(const compare *run, heed_kernel kernel, const cli_masks *masks) {
  if (kernel != HEED_KERNEL_REFERENCE || run->options->kernels_given) return true;
  double work = (double)cli_masks_weights(masks);
  return work * (run->spec.key_dim + run->spec.value_dim) <= SMALL_WORK;
}

/* Runs the kernels on one mask, a row of the report each. *ran says whether run->out holds the
 * output of one of them. */
static int compare_kernels(compare *run, heed_report *report, const char *name,
                           const cli_masks *masks, const heed_attention_cost *cost, bool *ran) {
  const compare_input *options = run->options;
  heed_kernel baseline = HEED_KERNEL_AUTO;
  const cli_reorder as_it_is = {.order = HEED_ORDER_NONE};
  cli_reorder reorder;
  heed_order asked = masks->n > 1 ? HEED_ORDER_NONE : options->reorder; /* of one mask alone */
  *ran = false;
  if (cli_reorder_make(&reorder, asked, &masks->at[0], cli_row_bytes(&run->spec),
                       1.0 + options->repeat)) {
    return CLI_FAILED;
  }
  for (int k = 0; k < options->n_kernels; k++) {
    heed_attention_spec spec = run->spec;
    heed_attention_outputs outputs = {.out = *ran ? run->other : run->out};
    cli_times times = {.median = NAN, .least = NAN};
    double difference = NAN, relative = NAN;
    char note[96];
    spec.kernel = options->kernels[k];
    if (!wanted(run, spec.kernel, masks)) continue;
    int repeats = allowed_repeats(run, predicted(cost, spec.kernel), note, sizeof note);
    if (repeats > 0) {
      if (cli_run_reordered(&times, spec.kernel == HEED_KERNEL_SPARSE ? &reorder : &as_it_is, &spec,
                            masks, &run->inputs.in, &outputs, repeats)) {
        cli_reorder_free(&reorder);
        return CLI_FAILED;
      }
      if (*ran) {
        double scale = largest(run->out, out_size(run));
        difference = largest_difference(run->out, run->other, out_size(run));
        relative = difference == 0 ? 0 : difference / scale;
      } else {
        baseline = spec.kernel;
        *ran = true;
      }
    }
    heed_report *row = heed_report_row(report, "runs", "kernels");
    heed_report_text(row, "mask", "mask", name);
    heed_report_text(row, "kernel", "kernel", heed_kernel_name(spec.kernel));
    heed_report_integer(row, "pairs", "pairs", cli_masks_pairs(masks));
    heed_report_integer(row, "repeats", "repeats", repeats);
    heed_report_seconds(row, "seconds_median", "time, median", times.median);
    heed_report_seconds(row, "seconds_min", "time, least", times.least);
    if (repeats > 0) {
      heed_report_bytes(row, "peak_extra_bytes", "extra memory", times.peak_extra);
    } else {
      heed_report_number(row, "peak_extra_bytes", "extra memory", NAN, 1);
    }
    heed_report_number(row, "largest_difference", "difference", difference, 2);
    heed_report_number(row, "largest_relative", "relative", relative, 2);
    heed_report_text(row, "difference_from", NULL,
                     *ran && spec.kernel != baseline ? heed_kernel_name(baseline) : "");
    heed_report_text(row, "order", NULL,
                     heed_order_name(spec.kernel == HEED_KERNEL_SPARSE ? reorder.order
                                                                       : HEED_ORDER_NONE));
    heed_report_text(row, "note", "note", note);
  }
  cli_reorder_free(&reorder);
  return CLI_OK;
}

/* --- Weights ------------------------------------------------------------------------------- */

/* Sums over the rows of masks, in the order of the rows, and over the heads that see each. */
typedef struct weight_sums {
  int64_t heads;       /* of the mask at hand */
  double *row_entropy; /* [n_queries] scratch: mean over the heads */
  double rows;         /* with two keys or more: the others have no entropy */
  double entropy;
  double log_degree;
  double ratio;        /* of entropy to log(degree) */
  const compare *run;  /* for a full mask: whose masks share its weight */
  double share_edges;
  double share[CLI_MOST_MASKS];
} weight_sums;

static int64_t block_degree(const heed_mask *block, int64_t i) {
  return block->indptr == NULL ? block->n_keys : block->indptr[i + 1] - block->indptr[i];
}

static int64_t block_start(const heed_mask *block, int64_t i) {
  return block->indptr == NULL ? i * block->n_keys : block->indptr[i];
}

static double row_entropy(const float *weights, int64_t degree, int64_t heads) {
  double sum = 0;
  for (int64_t p = 0; p < degree * heads; p++) {
    if (weights[p] > 0) sum -= (double)weights[p] * logf(weights[p]);
  }
  return sum / (double)heads;
}

/* The weight that `count` heads of query i, from `first` on, give to the keys of `mask`, as a part of what all heads
 * have to give; `weights` is its row under the full mask. */
static double row_share(const heed_mask *mask, int64_t i, const float *weights, int64_t heads,
                        int64_t first, int64_t count) {
  if (mask->indptr == NULL) return (double)count / (double)heads;
  double sum = 0;
  for (int64_t p = mask->indptr[i]; p < mask->indptr[i + 1]; p++) {
    int64_t j = mask->starts != NULL ? mask->starts[i] + p - mask->indptr[i] : mask->indices[p];
    const float *w = weights + j * heads;
    for (int64_t h = first; h < first + count; h++) sum += w[h];
  }
  return sum / (double)heads;
}

/* That of heads which see different masks. */
static double row_shares(const cli_masks *masks, int64_t i, const float *weights, int64_t heads) {
  double sum = 0;
  for (int64_t g = 0, first = 0; g < masks->n; first += masks->heads[g++]) {
    sum += row_share(&masks->at[g], i, weights, heads, first, masks->heads[g]);
  }
  return sum;
}

static void visit_rows(void *context, int64_t first, const heed_mask *block,
                       const float *weights) {
  weight_sums *sums = context;
#ifdef _OPENMP
#pragma omp parallel for schedule(dynamic, 16) num_threads(heed_threads())
#endif
  for (int64_t i = 0; i < block->n_queries; i++) {
    const float *w = weights + block_start(block, i) * sums->heads;
    sums->row_entropy[i] = row_entropy(w, block_degree(block, i), sums->heads);
  }
  for (int64_t i = 0; i < block->n_queries; i++) {
    int64_t degree = block_degree(block, i);
    if (degree > 1) {
      double heads = (double)sums->heads;
      sums->rows += heads;
      sums->entropy += heads * sums->row_entropy[i];
      sums->log_degree += heads * log((double)degree);
      sums->ratio += heads * sums->row_entropy[i] / log((double)degree);
    }
    if (sums->run == NULL) continue;
    const float *w = weights + i * block->n_keys * sums->heads;
    sums->share_edges += row_share(&sums->run->edges, first + i, w, sums->heads, 0, sums->heads);
    for (int m = 0; m < sums->run->options->masks.n; m++) {
      sums->share[m] += row_shares(&sums->run->masks[m], first + i, w, sums->heads);
    }
  }
}

/* Whether the budget allows weights to be computed once, and by which kernel. */
static bool affordable(const compare *run, const heed_attention_cost *cost, heed_kernel *kernel) {
  *kernel = HEED_KERNEL_SPARSE;
  if (cost->sparse_seconds <= run->options->budget) return true;
  *kernel = HEED_KERNEL_DENSE;
  return cost->dense_seconds <= run->options->budget;
}

/* Walks the weights of each group of heads under its mask. Leaves NAN where there is nothing to tell. */
static int sum_weights(const compare *run, const cli_masks *masks, heed_kernel kernel, bool full,
                       weight_sums *sums) {
  int64_t n = run->n_nodes;
  int failed = CLI_OK;
  *sums = (weight_sums){.run = full ? run : NULL};
  sums->row_entropy = malloc(((size_t)n + 1) * sizeof(double));
  if (sums->row_entropy == NULL) return cli_fail("out of memory for %lld rows", (long long)n);
  for (int32_t g = 0, first = 0; g < masks->n && !failed; first += masks->heads[g++]) {
    heed_attention_spec spec = run->spec;
    cli_inputs own;
    failed = cli_inputs_of_heads(&own, &run->inputs.in, &run->spec, n, n, first, masks->heads[g]);
    spec.kernel = kernel;
    sums->heads = spec.heads = masks->heads[g];
    if (!failed) failed = cli_walk_weights(&spec, &masks->at[g], &own.in, visit_rows, sums);
    cli_inputs_free(&own);
  }
  free(sums->row_entropy);
  sums->entropy = sums->rows > 0 ? sums->entropy / sums->rows : NAN;
  sums->log_degree = sums->rows > 0 ? sums->log_degree / sums->rows : NAN;
  sums->ratio = sums->rows > 0 ? sums->ratio / sums->rows : NAN;
  sums->share_edges = full && n > 0 ? sums->share_edges / (double)n : NAN;
  for (int m = 0; m < CLI_MOST_MASKS; m++) {
    sums->share[m] = full && n > 0 ? sums->share[m] / (double)n : NAN;
  }
  return failed;
}

/* Mean cosine of the angle between the outputs of a node; nodes whose output is zero in either
 * do not count. */
static double mean_cosine(const float *x, const float *y, int64_t n, int64_t width) {
  double sum = 0;
  int64_t count = 0;
  for (int64_t i = 0; i < n; i++, x += width, y += width) {
    double xy = 0, xx = 0, yy = 0;
    for (int64_t c = 0; c < width; c++) {
      xy += (double)x[c] * y[c];
      xx += (double)x[c] * x[c];
      yy += (double)y[c] * y[c];
    }
    if (xx == 0 || yy == 0) continue;
    sum += xy / sqrt(xx * yy);
    count++;
  }
  return count ? sum / (double)count : NAN;
}

/* --- The comparison ------------------------------------------------------------------------ */

static int open_all(compare *run) {
  const compare_input *options = run->options;
  const cli_graph *graph = &options->graph;
  heed_mask full;
  if (cli_check(heed_data_open(&run->data, graph->source, &graph->options), NULL)) {
    return CLI_FAILED;
  }
  run->n_nodes = heed_data_nodes(run->data);
  if (cli_inputs_project(&run->inputs, run->data, &run->spec)) return CLI_FAILED;
  run->first = cli_floats(run->n_nodes, run->spec.heads, run->spec.value_dim);
  run->out = cli_floats(run->n_nodes, run->spec.heads, run->spec.value_dim);
  run->other = cli_floats(run->n_nodes, run->spec.heads, run->spec.value_dim);
  if (run->first == NULL || run->out == NULL || run->other == NULL) return CLI_FAILED;
  for (int m = 0; m < options->masks.n; m++) {
    const cli_mask_source of = {.data = run->data};
    if (cli_masks_make(&run->masks[m], &options->masks.at[m], run->spec.heads, "attention", graph, &of)) {
      return CLI_FAILED;
    }
  }
  heed_status status = heed_mask_from_graph(&run->edges, heed_data_graph(run->data),
                                            graph->direction, HEED_LOOPS_KEEP);
  if (cli_check(status, graph->source)) return CLI_FAILED;
  if (cli_check(heed_mask_full(&full, run->n_nodes, run->n_nodes), NULL)) return CLI_FAILED;
  int failed = cli_check(heed_attention_predict(&run->spec, &full, &run->full), NULL);
  heed_mask_free(&full);
  return failed;
}

/* Full attention once more, a few rows at a time, for what it gives to the pairs of each mask. */
static int walk_full(const compare *run, weight_sums *sums, bool *walked) {
  heed_mask full;
  heed_kernel kernel;
  *walked = affordable(run, &run->full, &kernel);
  *sums = (weight_sums){.entropy = NAN, .log_degree = NAN, .ratio = NAN, .share_edges = NAN};
  for (int m = 0; m < CLI_MOST_MASKS; m++) sums->share[m] = NAN;
  if (!*walked) return CLI_OK;
  if (cli_check(heed_mask_full(&full, run->n_nodes, run->n_nodes), NULL)) return CLI_FAILED;
  cli_masks masks;
  cli_masks_take(&masks, &full, run->spec.heads);
  int failed = sum_weights(run, &masks, kernel, true, sums);
  cli_masks_free(&masks);
  return failed;
}

static int compare_mask(compare *run, heed_report *report, int m, const weight_sums *full) {
  const char *name = run->options->masks.at[m].name;
  const cli_masks *masks = &run->masks[m];
  heed_attention_cost cost;
  heed_kernel kernels[CLI_MOST_GROUPS];
  char names[CLI_KERNEL_NAMES];
  weight_sums sums = {.entropy = NAN, .log_degree = NAN, .ratio = NAN};
  double agreement = NAN, n = (double)run->n_nodes;
  heed_kernel kernel;
  bool ran;
  if (cli_masks_predict(masks, &run->spec, &cost, kernels)) return CLI_FAILED;
  if (compare_kernels(run, report, name, masks, &cost, &ran)) return CLI_FAILED;
  if (ran && m == 0) {
    memcpy(run->first, run->out, (size_t)out_size(run) * sizeof(float));
    run->first_there = true;
  }
  if (ran && run->first_there) {
    agreement = mean_cosine(run->first, run->out, run->n_nodes,
                            (int64_t)run->spec.heads * run->spec.value_dim);
  }
  if (masks->n == 1 && heed_mask_is_full(&masks->at[0])) {
    sums = *full;
  } else if (affordable(run, &cost, &kernel)) {
    if (sum_weights(run, masks, kernel, false, &sums)) return CLI_FAILED;
  }
  heed_report *row = heed_report_row(report, "masks", "weights and outputs");
  heed_report_text(row, "mask", "mask", name);
  double pairs = cli_masks_mean_pairs(masks);
  heed_report_integer(row, "pairs", "pairs", cli_masks_pairs(masks));
  heed_report_number(row, "mean_degree", "mean degree", n > 0 ? pairs / n : NAN, 4);
  heed_report_number(row, "entropy", "entropy", sums.entropy, 4);
  heed_report_number(row, "log_degree", "log(degree)", sums.log_degree, 4);
  heed_report_number(row, "entropy_ratio", "ratio", sums.ratio, 4);
  heed_report_number(row, "full_share", "share of full", full->share[m], 4);
  heed_report_number(row, "uniform_share", "if uniform",
                     n > 0 ? pairs / (n * n) : NAN, 4);
  heed_report_number(row, "agreement", "agreement", agreement, 4);
  heed_report_text(row, "auto", "auto", cli_kernel_names(names, sizeof names, kernels, masks->n));
  return CLI_OK;
}

static void report_head(heed_report *report, const compare *run) {
  const compare_input *options = run->options;
  heed_report_text(report, "graph", "graph", options->graph.source);
  heed_report_integer(report, "nodes", "nodes", run->n_nodes);
  heed_report_integer(report, "edges", "edges", igraph_ecount(heed_data_graph(run->data)));
  heed_report_integer(report, "features", "features", heed_data_features(run->data));
  heed_report_text(report, "score", "score", heed_score_name(run->spec.score));
  cli_report_normalizer(report, run->spec.normalizer);
  heed_report_integer(report, "heads", "heads", run->spec.heads);
  heed_report_integer(report, "dim", "size of a head", run->spec.key_dim);
  heed_report_text(report, "direction", "direction", cli_direction_name(options->graph.direction));
  heed_report_text(report, "loops", "loops", cli_loops_name(options->graph.loops));
  heed_report_number(report, "budget", NULL, options->budget, 4);
  cli_report_machine(report);
}

static void report_full(heed_report *report, const compare *run, const weight_sums *full,
                        bool walked) {
  double n = (double)run->n_nodes;
  heed_report_number(report, "full_share_on_edges", "full attention's weight on edges",
                     full->share_edges, 4);
  heed_report_number(report, "uniform_share_on_edges", "the same if it were uniform",
                     n > 0 ? (double)run->edges.n_pairs / (n * n) : NAN, 4);
  if (!walked) {
    char note[96];
    snprintf(note, sizeof note, "full attention would take %.3g s, the budget is %.3g s",
             fmin(run->full.sparse_seconds, run->full.dense_seconds), run->options->budget);
    heed_report_text(report, "full_note", "not computed", note);
  }
}

static int compare_all(compare *run, heed_report *report) {
  weight_sums full;
  bool walked;
  if (open_all(run)) return CLI_FAILED;
  report_head(report, run);
  if (walk_full(run, &full, &walked)) return CLI_FAILED;
  report_full(report, run, &full, walked);
  for (int m = 0; m < run->options->masks.n; m++) {
    if (compare_mask(run, report, m, &full)) return CLI_FAILED;
  }
  return CLI_OK;
}

int cmd_compare(cli_global *global, int argc, char **argv) {
  compare_input options = {
      .global = global,
      .graph = cli_graph_default(),
      .shape = cli_shape_default(),
      .masks = {3, {cli_mask_named("graph"), cli_mask_named("khop:2"),
                    cli_mask_named("full")}},
      .kernels = {HEED_KERNEL_SPARSE, HEED_KERNEL_DENSE, HEED_KERNEL_REFERENCE},
      .n_kernels = 3,
      .reorder = HEED_ORDER_AUTO,
      .repeat = 5,
      .budget = 10,
  };
  options.graph.training = true;
  options.trained.global = global;
  const struct argp_child children[] = {cli_children[0], cli_children[1], cli_children[2],
                                        {cli_training_argp(false), 0, "With --train:", 3},
                                        {&cli_collection_argp, 0, "A collection of graphs:", 4},
                                        {0}};
  const struct argp argp = {
      .options = option_table,
      .parser = parse,
      .args_doc = "GRAPH",
      .doc = "Computes attention from the same projected inputs under several masks by several "
             "kernels, and compares time, memory and results. With --train: trains the same model "
             "under several masks, and compares what it learns and what that costs.",
      .children = children};
  if (cli_parse(&argp, argc, argv, &options)) return CLI_FAILED;
  options.graph.options.seed = global->seed;
  if (options.train) return cli_compare_trained(&options.trained);

  compare run = {.options = &options, .spec = cli_spec(&options.shape, global->seed)};
  heed_report *report = NULL;
  int failed = cli_check(heed_report_new(&report), NULL);
  if (!failed) failed = compare_all(&run, report);
  if (!failed) failed = cli_report(report, global, NULL);
  for (int m = 0; m < options.masks.n; m++) cli_masks_free(&run.masks[m]);
  heed_mask_free(&run.edges);
  cli_inputs_free(&run.inputs);
  free(run.first);
  free(run.out);
  free(run.other);
  heed_report_free(report);
  heed_data_free(run.data);
  return failed;
}
