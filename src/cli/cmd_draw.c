/* heed draw: a molecule or a small graph, with the attention of a model on it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/draw.h"

enum { KEY_MODEL = 0x300, KEY_MASK, KEY_ROW, KEY_NAME, KEY_LAYER, KEY_HEAD, KEY_TITLE };

static const struct argp_option option_table[] = {
    {"model", KEY_MODEL, "FILE.safetensors", 0,
     "Show the attention of this model, as 'heed train' wrote it (default: draw without any)", 0},
    {"output", 'o', "FILE.svg", 0, "Write the drawing here", 0},
    {"row", KEY_ROW, "N", 0, "Of a collection: the graph of this row, from 1", 0},
    {"name", KEY_NAME, "NAME", 0, "Of a collection: the graph of this name or SMILES", 0},
    {"layer", KEY_LAYER, "L", 0,
     "Whose attention is shown, from 0 (default: the last that is masked)", 0},
    {"head", KEY_HEAD, "H", 0, "Show this head alone, from 0 (default: the mean of all)", 0},
    {"title", KEY_TITLE, "TEXT", 0, "What stands over the drawing (default: what is drawn)", 0},
    {"mask", KEY_MASK, "MASK", 0, "Another mask (default: that of the training)", 0},
    {0}};

static void check_usage(struct argp_state *state, const draw_input *input) {
  bool many = cli_graph_many(&input->graph);
  cli_graph_check(state, &input->graph);
  if (input->output == NULL) argp_error(state, "--output FILE.svg is missing");
  if (input->output[0] == '\0') argp_error(state, "the name of a file is empty");
  if (input->global->json != NULL && strcmp(input->output, input->global->json) == 0) {
    argp_error(state, "two outputs would go to '%s'", input->output);
  }
  if (input->model == NULL &&
      (input->layer != DRAW_LAST || input->head != DRAW_MEAN || input->mask_given)) {
    argp_error(state, "--layer, --head and --mask need --model");
  }
  if (many != (input->row > 0 || input->name != NULL)) {
    argp_error(state,
               many ? "%s is a collection: --row or --name says what to draw"
                    : "--row and --name are for a collection, and %s is none",
               input->graph.source);
  }
  if (input->row > 0 && input->name != NULL) argp_error(state, "--row or --name, not both");
}

static error_t parse(int key, char *text, struct argp_state *state) {
  draw_input *input = state->input;
  switch (key) {
    case ARGP_KEY_INIT:
      state->child_inputs[0] = &input->graph;
      state->child_inputs[1] = &input->graph.collection;
      state->child_inputs[2] = input->global;
      return 0;
    case KEY_MODEL:
      input->model = text;
      return 0;
    case 'o':
      input->output = text;
      return 0;
    case KEY_ROW:
      input->row = cli_integer(state, "--row", text, 1, INT64_MAX);
      return 0;
    case KEY_NAME:
      input->name = text;
      return 0;
    case KEY_LAYER:
      input->layer = (int)cli_integer(state, "--layer", text, 0, 1000);
      return 0;
    case KEY_HEAD:
      input->head = (int)cli_integer(state, "--head", text, 0, 1000);
      return 0;
    case KEY_TITLE:
      input->title = text;
      return 0;
    case KEY_MASK:
      cli_parse_mask(state, "--mask", text, &input->mask);
      input->mask_given = true;
      return 0;
    case ARGP_KEY_END:
      check_usage(state, input);
      return 0;
    default:
      return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp_child children[] = {
    {&cli_graph_argp, 0, "The graph:", 2},
    {&cli_collection_argp, 0, "A collection of graphs:", 3},
    {&cli_global_argp, 0, "Global options:", 4},
    {0}};

static const struct argp argp = {
    .options = option_table,
    .parser = parse,
    .args_doc = "MOLECULE|GRAPH",
    .doc =
        "Draws a molecule (its SMILES, the name of a built-in one, or one of a collection) or a "
        "small graph, with a model's attention as the width of the edges and what a node is worth "
        "to it as the colour of the nodes.",
    .children = children};

/* --- Output ---------------------------------------------------------------------------------- */

static const char *title_of(const draw *run) {
  const draw_input *options = run->options;
  if (options->title != NULL) return options->title;
  if (options->name != NULL) return options->name;
  if (!cli_graph_many(&options->graph)) return options->graph.source;
  return heed_collection_name(run->task.collection, run->graph);
}

static int write_drawing(const draw *run) {
  heed_drawing drawing = {.title = title_of(run),
                          .n_nodes = run->n_nodes,
                          .xy = run->xy,
                          .labels = run->labels,
                          .node_weight = run->node_weight,
                          .n_edges = run->n_edges,
                          .edges = run->edges,
                          .edge_weight = run->edge_weight,
                          .edge_lines = run->lines};
  if (run->edge_legend[0] != '\0') drawing.edge_legend = run->edge_legend;
  if (run->node_legend[0] != '\0') drawing.node_legend = run->node_legend;
  return cli_check(heed_drawing_write(&drawing, run->options->output), NULL);
}

static void fill_report(heed_report *report, const draw *run) {
  const draw_input *options = run->options;
  heed_report_text(report, "dataset", "data", options->graph.source);
  heed_report_text(report, "title", "drawn", title_of(run));
  if (run->molecule != NULL) heed_report_text(report, "smiles", "SMILES", run->molecule);
  heed_report_integer(report, "nodes", "nodes", run->n_nodes);
  heed_report_integer(report, "edges", "edges", run->n_edges);
  if (options->model != NULL) {
    heed_report_text(report, "model_file", "model", options->model);
    if (run->edge_legend[0] != '\0') {
      heed_report_text(report, "edge_width", "width of edges", run->edge_legend);
    }
    heed_report_text(report, "node_colour", "colour of nodes", run->node_legend);
  }
  heed_report_text(report, "output", "written", options->output);
}

int cmd_draw(cli_global *global, int argc, char **argv) {
  draw_input options = {.global = global,
                        .graph = cli_graph_default(),
                        .mask = cli_mask_named("graph"),
                        .layer = DRAW_LAST,
                        .head = DRAW_MEAN};
  options.graph.training = true;
  if (cli_parse(&argp, argc, argv, &options)) return CLI_FAILED;
  options.graph.options.seed = global->seed;
  draw run = {.options = &options};
  heed_report *report = NULL;
  int failed = draw_open_model(&run);
  if (!failed) failed = draw_open_source(&run);
  if (!failed) {
    failed = run.task.collection != NULL ? draw_take_from_collection(&run) : draw_take_graph(&run);
  }
  if (!failed && run.model != NULL) failed = draw_make_pass(&run) || draw_take_weights(&run);
  if (!failed) failed = write_drawing(&run);
  if (!failed) failed = cli_check(heed_report_new(&report), NULL);
  if (!failed) {
    fill_report(report, &run);
    failed = cli_report(report, global, options.output);
  }
  heed_report_free(report);
  free(run.edge_weight);
  free(run.node_weight);
  free(run.labels);
  free(run.symbols);
  free(run.lines);
  free(run.xy);
  free(run.edges);
  heed_pass_free(run.pass);
  heed_batch_free(run.batch);
  heed_mask_free(&run.mask);
  cli_task_close(&run.task);
  heed_model_free(run.model);
  heed_safetensors_close(run.file); /* its metadata was in use until here */
  return failed;
}
