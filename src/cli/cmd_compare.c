/* heed compare: masks and kernels on one graph, from the same projected inputs. */
#include <stdlib.h>
#include <string.h>

#include "cli/compare.h"

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
    for (int i = 0; i < COMPARE_MOST_KERNELS; i++) {
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

static int compare_all(compare *run, heed_report *report) {
  compare_sums full;
  bool walked;
  if (open_all(run)) return CLI_FAILED;
  report_head(report, run);
  if (compare_walk_full(run, &full, &walked)) return CLI_FAILED;
  compare_report_full(report, run, &full, walked);
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
