/* heed info: what a graph is, and what attention on it would cost. */
#include "cli/learn.h"

typedef struct info_input {
  cli_global *global;
  cli_graph graph;
  cli_shape shape;
  cli_mask_list masks;
  bool machine;
} info_input;

enum { KEY_MASKS = 0x300, KEY_MACHINE };

static const struct argp_option option_table[] = {
    {"masks", KEY_MASKS, "LIST", 0,
     "Masks to describe, separated by commas: graph, khop:K, full, window:W|global:G and others (see MASKS in "
     "the manual; default graph,full)", 0},
    {"machine", KEY_MACHINE, NULL, 0, "Measure this machine too", 0},
    {0}};

static error_t parse(int key, char *text, struct argp_state *state) {
  info_input *input = state->input;
  switch (key) {
    case ARGP_KEY_INIT:
      cli_hand_down(state, &input->graph, &input->shape, input->global);
      state->child_inputs[3] = &input->graph.collection;
      return 0;
    case ARGP_KEY_END:
      cli_graph_check(state, &input->graph);
      if (cli_graph_many(&input->graph) && input->machine) {
        argp_error(state, "--machine is for one graph, and %s is a collection",
                   input->graph.source);
      }
      return 0;
    case KEY_MASKS:
      cli_parse_masks(state, "--masks", text, &input->masks);
      return 0;
    case KEY_MACHINE:
      input->machine = true;
      return 0;
    default:
      return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp_child children[] = {{&cli_graph_argp, 0, "The graph:", 2},
                                             {&cli_shape_argp, 0, "The attention:", 3},
                                             {&cli_global_argp, 0, "Global options:", 5},
                                             {&cli_collection_argp, 0, "A collection of graphs:", 4},
                                             {0}};

static const struct argp argp = {
    .options = option_table,
    .parser = parse,
    .args_doc = "GRAPH",
    .doc = "Describes a graph, the masks it gives and what attention over them costs; or a "
           "collection of graphs, their features and what is known of them.",
    .children = children};

static int64_t count_split(const heed_data *data, heed_part part) {
  const uint8_t *in = heed_data_split(data, 0, part);
  int64_t count = 0;
  for (int64_t i = 0; in != NULL && i < heed_data_nodes(data); i++) count += in[i];
  return count;
}

static int report_graph(heed_report *report, const info_input *input, const heed_data *data) {
  heed_graph_summary summary;
  heed_status status = heed_graph_summarise(heed_data_graph(data), &summary);
  if (cli_check(status, input->graph.source)) return CLI_FAILED;
  heed_report_text(report, "graph", "graph", input->graph.source);
  heed_report_integer(report, "nodes", "nodes", summary.nodes);
  heed_report_integer(report, "edges", "edges", summary.edges);
  heed_report_flag(report, "directed", "directed", summary.directed);
  heed_report_integer(report, "loops", "self-loops", summary.loops);
  heed_report_integer(report, "multi_edges", "multi-edges", summary.multi_edges);
  heed_report_integer(report, "components", "components", summary.components);
  heed_report_integer(report, "min_degree", "smallest degree", summary.min_degree);
  heed_report_number(report, "median_degree", "median degree", summary.median_degree, 4);
  heed_report_number(report, "mean_degree", "mean degree", summary.mean_degree, 4);
  heed_report_integer(report, "max_degree", "largest degree", summary.max_degree);
  heed_report_integer(report, "isolated", "isolated nodes", summary.isolated);
  heed_report_number(report, "density", "density", summary.density, 4);
  heed_report_integer(report, "features", "features", heed_data_features(data));
  heed_report_integer(report, "classes", "classes", heed_data_classes(data));
  if (heed_data_labels(data) != NULL) {
    double homophily;
    status = heed_graph_homophily(heed_data_graph(data), heed_data_labels(data), &homophily);
    if (cli_check(status, input->graph.source)) return CLI_FAILED;
    heed_report_number(report, "homophily", "edge homophily", homophily, 4);
  }
  heed_report_integer(report, "splits", "splits", heed_data_splits(data));
  if (heed_data_splits(data) > 0) {
    heed_report *split = heed_report_record(report, "split", "first split");
    heed_report_integer(split, "train", "training", count_split(data, HEED_PART_TRAIN));
    heed_report_integer(split, "validation", "validation",
                        count_split(data, HEED_PART_VALIDATION));
    heed_report_integer(split, "test", "test", count_split(data, HEED_PART_TEST));
  }
  return CLI_OK;
}

static void report_attention(heed_report *report, const info_input *input) {
  heed_report *attention = heed_report_record(report, "attention", "attention");
  heed_report_text(attention, "score", "score", heed_score_name(input->shape.score));
  cli_report_normalizer(attention, input->shape.normalizer);
  heed_report_integer(attention, "heads", "heads", input->shape.heads);
  heed_report_integer(attention, "dim", "size of a head", input->shape.dim);
  heed_report_text(attention, "direction", "direction",
                   cli_direction_name(input->graph.direction));
  heed_report_text(attention, "loops", "loops", cli_loops_name(input->graph.loops));
}

/* A mask, or that of a group of heads. */
static int report_mask(heed_report *report, const info_input *input, const char *name,
                       const heed_mask *mask, int32_t heads) {
  heed_attention_spec spec = cli_spec(&input->shape, input->global->seed);
  heed_attention_cost cost;
  heed_mask_stats stats;
  spec.heads = heads;
  if (cli_check(heed_mask_statistics(mask, &stats), name) ||
      cli_check(heed_attention_predict(&spec, mask, &cost), name)) {
    return CLI_FAILED;
  }
  heed_report *row = heed_report_row(report, "masks", "masks");
  heed_report_text(row, "mask", "mask", name);
  heed_report_integer(row, "pairs", "pairs", stats.pairs);
  heed_report_number(row, "density", "density", stats.density, 3);
  heed_report_integer(row, "self_pairs", NULL, stats.self_pairs);
  heed_report_integer(row, "empty_rows", "empty rows", stats.empty_rows);
  heed_report_integer(row, "min_degree", "min degree", stats.min_degree);
  heed_report_number(row, "median_degree", "median degree", stats.median_degree, 4);
  heed_report_number(row, "mean_degree", "mean degree", stats.mean_degree, 4);
  heed_report_integer(row, "max_degree", "max degree", stats.max_degree);
  heed_report_seconds(row, "sparse_seconds", "sparse time", cost.sparse_seconds);
  heed_report_bytes(row, "sparse_bytes", "sparse memory", (int64_t)cost.sparse_bytes);
  heed_report_seconds(row, "dense_seconds", "dense time", cost.dense_seconds);
  heed_report_bytes(row, "dense_bytes", "dense memory", (int64_t)cost.dense_bytes);
  heed_report_text(row, "auto", "auto", heed_kernel_name(cost.kernel));
  return CLI_OK;
}

static int report_masks(heed_report *report, const info_input *input, const heed_data *data,
                        const cli_mask *which) {
  const cli_mask_source of = {.data = data};
  cli_masks masks;
  int failed = cli_masks_make(&masks, which, input->shape.heads, "attention", &input->graph, &of);
  for (int g = 0; !failed && g < masks.n; g++) {
    char name[sizeof which->name];
    cli_mask_group_name(name, which, g);
    failed = report_mask(report, input, name, &masks.at[g], masks.heads[g]);
  }
  cli_masks_free(&masks);
  return failed;
}

static int report_machine(heed_report *report) {
  const double seconds = 0.5;
  heed_machine machine;
  if (cli_check(heed_machine_measure(&machine, seconds), "measuring the machine")) {
    return CLI_FAILED;
  }
  heed_report *record = heed_report_record(report, "machine", "machine");
  heed_report_number(record, "vector_gflops", "vector units (GFLOP/s)", machine.vector_gflops, 3);
  heed_report_number(record, "product_gflops", "matrix products (GFLOP/s)",
                     machine.product_gflops, 3);
  heed_report_number(record, "gather_gbytes", "row gathers (GB/s)",
                     machine.levels[HEED_LEVEL_MEMORY].gather_gbytes[1], 3);
  if (machine.product_gflops < machine.vector_gflops / 3) {
    heed_report_text(record, "warning", "warning",
                     "matrix products run at less than a third of the vector units' rate: the "
                     "matrix library may not know this processor, or the machine is busy");
  }
  return CLI_OK;
}

int cmd_info(cli_global *global, int argc, char **argv) {
  info_input input = {
      .global = global,
      .graph = cli_graph_default(),
      .shape = cli_shape_default(),
      .masks = {2, {cli_mask_named("graph"), cli_mask_named("full")}},
  };
  if (cli_parse(&argp, argc, argv, &input)) return CLI_FAILED;
  input.graph.options.seed = global->seed;
  if (cli_graph_many(&input.graph)) {
    return cli_info_collection(global, &input.graph, &input.masks);
  }

  heed_data *data = NULL;
  heed_report *report = NULL;
  int failed = cli_check(heed_data_open(&data, input.graph.source, &input.graph.options), NULL);
  if (!failed) failed = cli_check(heed_report_new(&report), NULL);
  if (!failed) failed = report_graph(report, &input, data);
  if (!failed) report_attention(report, &input);
  for (int i = 0; i < input.masks.n && !failed; i++) {
    failed = report_masks(report, &input, data, &input.masks.at[i]);
  }
  if (!failed && input.machine) failed = report_machine(report);
  if (!failed) {
    cli_report_machine(report);
    failed = cli_report(report, global, NULL);
  }
  heed_report_free(report);
  heed_data_free(data);
  return failed;
}
