/* heed draw: a molecule or a small graph, with the attention of a model on it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/learn.h"

enum { MOST_NODES = 2000, MEAN = -1, LAST = -1 };

typedef struct draw_input {
  cli_global *global;
  cli_graph graph;
  cli_mask mask;
  bool mask_given;
  const char *model;
  const char *output;
  int64_t row;      /* 0: not given */
  const char *name; /* the same, NULL */
  const char *title;
  int layer, head;
} draw_input;

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
  if (input->model == NULL && (input->layer != LAST || input->head != MEAN || input->mask_given)) {
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

/* Everything a drawing holds. */
typedef struct draw {
  draw_input *options;
  heed_safetensors *file; /* for its metadata; NULL without a model */
  heed_model *model;
  const heed_model_spec *spec;
  cli_task task;        /* one graph, or */
  int64_t graph;        /* this one of its collection */
  int64_t first;        /* its first node there */
  const char *molecule; /* its SMILES, or NULL */
  char smiles[400];     /* of a built-in one */
  heed_mask mask;
  heed_batch *batch;
  heed_pass *pass;
  int64_t n_nodes, n_edges;
  int64_t *edges; /* [n_edges, 2] */
  double *xy;
  char (*symbols)[8]; /* of a molecule */
  const char **labels;
  int *lines;
  double *edge_weight, *node_weight;
  int layer, heads;
  char edge_legend[120], node_legend[120];
} draw;

static int no_memory(const draw *run) {
  return cli_fail("out of memory for a drawing of %lld nodes", (long long)run->n_nodes);
}

/* --- What to draw --------------------------------------------------------------------------- */

static int find_graph(draw *run) {
  const draw_input *options = run->options;
  const heed_collection *collection = run->task.collection;
  char smiles[sizeof run->smiles];
  const char *name = options->name;
  if (name != NULL && heed_molecule_find(name, smiles, sizeof smiles) != HEED_OK) smiles[0] = '\0';
  for (int64_t g = 0; g < heed_collection_graphs(collection); g++) {
    const char *this = heed_collection_name(collection, g);
    if (name != NULL ? strcmp(this, name) == 0 || strcmp(this, smiles) == 0
                     : heed_collection_row(collection, g) == options->row) {
      run->graph = g;
      return CLI_OK;
    }
  }
  if (name != NULL) return cli_fail("%s: no graph is called '%s'", options->graph.source, name);
  return cli_fail("%s: no graph in row %lld", options->graph.source, (long long)options->row);
}

/* A source that is no file may be a molecule; what is neither is told of both. */
static int open_source(draw *run) {
  cli_graph *graph = &run->options->graph;
  const char *source = graph->source, *normalize = graph->normalize, *smiles = source;
  char why[256] = "";
  if (cli_graph_many(graph)) {
    if (cli_task_open(&run->task, graph, false)) return CLI_FAILED;
    return find_graph(run);
  }
  if (access(source, F_OK) != 0) {
    bool known = heed_molecule_find(source, run->smiles, sizeof run->smiles) == HEED_OK;
    if (known) smiles = run->smiles;
    heed_status status = heed_molecule_read(&run->task.collection, smiles);
    if (status == HEED_OK) return CLI_OK;
    if (known || (status != HEED_FORMAT && status != HEED_UNSUPPORTED)) {
      return cli_check(status, source);
    }
    if (status == HEED_FORMAT) snprintf(why, sizeof why, "%.250s", heed_message());
  }
  bool divide = normalize != NULL && strcmp(normalize, "row-normalize") == 0;
  if (cli_task_open(&run->task, graph, divide) == CLI_OK) return CLI_OK;
  return why[0] == '\0' ? CLI_FAILED : cli_fail("nor is it a molecule: %s", why);
}

static int check_size(const draw *run) {
  if (run->n_nodes <= MOST_NODES) return CLI_OK;
  return cli_fail("%s: %lld nodes, but a drawing takes at most %d", run->options->graph.source,
                  (long long)run->n_nodes, MOST_NODES);
}

static int reserve(draw *run) {
  size_t n = (size_t)run->n_nodes + 1, m = (size_t)run->n_edges + 1;
  run->edges = malloc(2 * m * sizeof *run->edges);
  run->xy = malloc(2 * n * sizeof *run->xy);
  return run->edges == NULL || run->xy == NULL ? no_memory(run) : CLI_OK;
}

/* --- One graph ------------------------------------------------------------------------------- */

static int take_graph(draw *run) {
  const igraph_t *graph = heed_data_graph(run->task.data);
  run->n_nodes = igraph_vcount(graph);
  run->n_edges = igraph_ecount(graph);
  if (check_size(run) || reserve(run)) return CLI_FAILED;
  for (int64_t e = 0; e < run->n_edges; e++) {
    run->edges[2 * e] = IGRAPH_FROM(graph, e);
    run->edges[2 * e + 1] = IGRAPH_TO(graph, e);
  }
  return cli_check(heed_graph_layout(graph, run->options->global->seed, run->xy),
                   run->options->graph.source);
}

/* --- A graph of a collection ----------------------------------------------------------------- */

static int64_t column(const heed_collection *collection, bool of_edges, const char *name) {
  int64_t n =
      of_edges ? heed_collection_edge_features(collection) : heed_collection_features(collection);
  for (int64_t c = 0; c < n; c++) {
    const char *this = heed_collection_feature_name(collection, of_edges, c);
    if (this != NULL && strcmp(this, name) == 0) return c;
  }
  return -1;
}

static bool is_one(const heed_matrix *x, int64_t row, int64_t col) {
  return x != NULL && col >= 0 && x->data[row * x->stride + col] == 1;
}

/* The edges of the graph, and of a molecule the orders of its bonds. */
static int take_edges(draw *run, bool bonds) {
  static const char *const orders[] = {"bond=double", "bond=triple", "bond=aromatic"};
  const heed_collection *collection = run->task.collection;
  const heed_matrix *features = heed_collection_edge_matrix(collection);
  const int64_t *edges = heed_collection_edges(collection);
  int64_t columns[3], all = heed_collection_edge_count(collection), n = 0;
  for (int i = 0; i < 3; i++) columns[i] = column(collection, true, orders[i]);
  for (int64_t e = 0; e < all; e++) {
    int64_t from = edges[2 * e] - run->first;
    run->n_edges += from >= 0 && from < run->n_nodes;
  }
  run->lines = malloc(((size_t)run->n_edges + 1) * sizeof *run->lines);
  if (reserve(run) || run->lines == NULL) return no_memory(run);
  for (int64_t e = 0; e < all; e++) {
    int64_t from = edges[2 * e] - run->first;
    if (from < 0 || from >= run->n_nodes) continue;
    run->edges[2 * n] = from;
    run->edges[2 * n + 1] = edges[2 * e + 1] - run->first;
    run->lines[n] = 1;
    for (int i = 0; i < 3; i++) {
      if (is_one(features, e, columns[i])) run->lines[n] = i + 2;
    }
    n++;
  }
  if (!bonds) {
    free(run->lines);
    run->lines = NULL;
  }
  return CLI_OK;
}

static int lay_out(draw *run) {
  igraph_t graph;
  const char *source = run->options->graph.source;
  if (cli_check(heed_graph_from_edges(&graph, run->n_nodes, run->edges, run->n_edges, false),
                source)) {
    return CLI_FAILED;
  }
  heed_status status = heed_graph_layout(&graph, run->options->global->seed, run->xy);
  heed_graph_destroy(&graph);
  return cli_check(status, source);
}

/* What an atom is called where Indigo does not tell: the element among its features. Carbon, which
 * most are, has no name. */
static void name_atoms(draw *run) {
  const heed_collection *collection = run->task.collection;
  const heed_matrix *features = heed_collection_node_matrix(collection);
  static const char prefix[] = "element=";
  for (int64_t i = 0; i < run->n_nodes; i++) {
    for (int64_t c = 0; run->molecule == NULL && c < features->cols; c++) {
      const char *name = heed_collection_feature_name(collection, false, c);
      if (strncmp(name, prefix, sizeof prefix - 1) != 0) continue;
      if (!is_one(features, run->first + i, c)) continue;
      snprintf(run->symbols[i], sizeof run->symbols[i], "%s", name + sizeof prefix - 1);
    }
    run->labels[i] = strcmp(run->symbols[i], "C") == 0 ? "" : run->symbols[i];
  }
}

static bool has_edge(const draw *run, int64_t i, int64_t j) {
  for (int64_t e = 0; e < run->n_edges; e++) {
    const int64_t *ends = run->edges + 2 * e;
    if ((ends[0] == i && ends[1] == j) || (ends[0] == j && ends[1] == i)) return true;
  }
  return false;
}

/* Whether a SMILES has these very atoms in this order: that of an SDF may have another. */
static bool in_order(const draw *run, const char *smiles) {
  heed_collection *molecule;
  if (heed_molecule_read(&molecule, smiles) != HEED_OK) return false;
  const heed_matrix *there = heed_collection_node_matrix(molecule);
  const heed_matrix *here = heed_collection_node_matrix(run->task.collection);
  const int64_t *edges = heed_collection_edges(molecule);
  bool same = heed_collection_nodes(molecule) == run->n_nodes && there->cols == here->cols &&
              heed_collection_edge_count(molecule) == run->n_edges;
  for (int64_t i = 0; same && i < run->n_nodes; i++) {
    same = memcmp(there->data + i * there->stride, here->data + (run->first + i) * here->stride,
                  (size_t)there->cols * sizeof *there->data) == 0;
  }
  for (int64_t e = 0; same && e < run->n_edges; e++) {
    same = has_edge(run, edges[2 * e], edges[2 * e + 1]);
  }
  heed_collection_free(molecule);
  return same;
}

static int take_from_collection(draw *run) {
  const heed_collection *collection = run->task.collection;
  const int64_t *ptr = heed_collection_graph_ptr(collection);
  bool bonds = column(collection, true, "bond=double") >= 0;
  run->first = ptr[run->graph];
  run->n_nodes = ptr[run->graph + 1] - run->first;
  if (check_size(run) || take_edges(run, bonds)) return CLI_FAILED;
  if (!bonds) return lay_out(run);
  run->symbols = calloc((size_t)run->n_nodes + 1, sizeof *run->symbols);
  run->labels = calloc((size_t)run->n_nodes + 1, sizeof *run->labels);
  if (run->symbols == NULL || run->labels == NULL) return no_memory(run);
  const char *smiles = heed_collection_name(collection, run->graph);
  if (in_order(run, smiles) &&
      heed_molecule_layout(smiles, run->n_nodes, run->xy, run->symbols) == HEED_OK) {
    run->molecule = smiles;
  } else {
    memset(run->symbols, 0, (size_t)run->n_nodes * sizeof *run->symbols);
  }
  name_atoms(run);
  return run->molecule != NULL ? CLI_OK : lay_out(run);
}

/* --- The model ------------------------------------------------------------------------------ */

/* What the command line left open is as it was in training. */
static int take_over(draw *run) {
  draw_input *options = run->options;
  cli_graph *graph = &options->graph;
  if (cli_as_trained(run->file, options->model, graph, &options->mask, options->mask_given)) {
    return CLI_FAILED;
  }
  cli_seed_as_trained(run->file, options->global, graph);
  if (!graph->collection.edge_set) return CLI_OK;
  return cli_fail("%s: its nodes are the edges, which no drawing shows", options->model);
}

static int open_model(draw *run) {
  const char *path = run->options->model;
  if (path == NULL) return CLI_OK;
  if (cli_check(heed_safetensors_open(&run->file, path), NULL) ||
      cli_check(heed_model_load(&run->model, path), NULL)) {
    return CLI_FAILED;
  }
  run->spec = heed_model_get_spec(run->model);
  if (run->spec == NULL) return cli_fail("%s: does not say what model it is", path);
  return take_over(run);
}

/* The layer asked for, or the last masked one, or the last; before pooling. -1: none. */
static int choose_layer(const draw *run) {
  const heed_model_spec *spec = run->spec;
  int n = cli_layers(run->pass), chosen = run->options->layer;
  if (spec->kind == HEED_MODEL_TRANSFORMER) {
    const char *pooled = strchr(spec->blocks, 'P');
    int before = pooled != NULL ? (int)(pooled - spec->blocks) : (int)strlen(spec->blocks);
    n = before < n ? before : n;
    for (int i = 0; run->options->layer == LAST && i < n; i++) {
      if (spec->blocks[i] == 'M') chosen = i;
    }
  }
  if (chosen == LAST) return n - 1;
  return chosen < n ? chosen : -1;
}

/* Checks that the model takes the graph, and runs it. */
static int make_pass(draw *run) {
  const draw_input *options = run->options;
  const heed_collection *collection = run->task.collection;
  cli_recipe recipe = {.model = *run->spec, .mask = options->mask, .edges = (int)run->spec->edges};
  if (cli_encode_as_trained(&run->task, &recipe, run->file, options->model)) return CLI_FAILED;
  int64_t there = collection != NULL ? heed_collection_features(collection) : recipe.model.features;
  recipe.model = *run->spec;
  if (there != run->spec->features) {
    return cli_fail("%s: %lld features a node, but %s takes %lld", options->graph.source,
                    (long long)there, options->model, (long long)run->spec->features);
  }
  bool quadratic = heed_encodings_pair_features(&recipe.encodings) > 0;
  there = quadratic ? heed_encodings_pair_features(&recipe.encodings)
                    : collection != NULL ? heed_collection_edge_features(collection) : 0;
  if (run->spec->edges != HEED_EDGES_NONE && there != run->spec->edge_features) {
    return cli_fail("%s: %lld features an edge, but %s takes %lld", options->graph.source,
                    (long long)there, options->model, (long long)run->spec->edge_features);
  }
  if (quadratic) recipe.edges = HEED_EDGES_NONE; /* those of the edges */
  if (cli_recipe_mask(&run->mask, &recipe, &options->graph, &run->task) ||
      cli_encode_pairs(&run->task, &recipe, &run->mask)) {
    return CLI_FAILED;
  }
  bool by_edges = run->spec->edges != HEED_EDGES_NONE && !quadratic;
  if (by_edges && cli_task_know_edges(&run->task, &run->mask)) return CLI_FAILED;
  heed_model_inputs whole = cli_task_inputs(&run->task, &run->mask), *inputs = &whole;
  if (collection != NULL) {
    if (cli_check(heed_batch_new(&run->batch, collection, &whole, 1), NULL) ||
        cli_check(heed_batch_take(run->batch, &run->graph, 1), NULL)) {
      return CLI_FAILED;
    }
    whole = *heed_batch_inputs(run->batch);
  }
  return cli_check(heed_pass_new(&run->pass, run->model, inputs, false), options->model);
}

/* --- Weights --------------------------------------------------------------------------------- */

/* The attention of one layer by pair: of one head, or the mean. For free(); `pairs` for
 * heed_mask_free(). */
static int weights_of(const draw *run, int number, int head, heed_mask *pairs, double **result,
                      int32_t *n_heads) {
  cli_layer layer;
  int failed = cli_layer_take(&layer, run->pass, number);
  int32_t heads = *n_heads = layer.spec.heads;
  if (!failed && head >= heads) {
    failed = cli_fail("%s: head %d of layer %d, which has %d", run->options->model, head, number,
                      (int)heads);
  }
  *result = failed ? NULL : calloc((size_t)layer.mask->n_pairs + 1, sizeof **result);
  if (!failed && *result == NULL) failed = no_memory(run);
  if (!failed) failed = cli_check(heed_mask_explicit(pairs, layer.mask), NULL);
  for (int64_t p = 0; !failed && p < layer.mask->n_pairs; p++) {
    for (int32_t h = 0; h < heads; h++) {
      if (head == MEAN || head == h) (*result)[p] += layer.weights[p * heads + h];
    }
    if (head == MEAN) (*result)[p] /= heads;
  }
  cli_layer_free(&layer);
  return failed;
}

/* Adds the weight of pair (i, j), where there is one, to a mean. */
static void add_weight(const heed_mask *pairs, const double *weights, int64_t i, int64_t j,
                       double *sum, int *n) {
  for (int64_t p = pairs->indptr[i]; p < pairs->indptr[i + 1]; p++) {
    if (pairs->indices[p] != j) continue;
    *sum += weights[p];
    (*n)++;
  }
}

/* To 0 at `low` and 1 at the largest, which it tells. */
static double stretch(double *x, int64_t n, double low) {
  double high = low;
  for (int64_t i = 0; i < n; i++) high = x[i] > high ? x[i] : high;
  for (int64_t i = 0; i < n; i++) x[i] = high > low ? (x[i] - low) / (high - low) : 0;
  return high;
}

/* An edge's weight is the mean of the pairs that it makes: two, or one. */
static void show_edges(draw *run, const heed_mask *pairs, const double *weights) {
  for (int64_t e = 0; e < run->n_edges; e++) {
    int64_t i = run->edges[2 * e], j = run->edges[2 * e + 1];
    double sum = 0;
    int n = 0;
    add_weight(pairs, weights, i, j, &sum, &n);
    if (i != j) add_weight(pairs, weights, j, i, &sum, &n);
    run->edge_weight[e] = n > 0 ? sum / n : 0;
  }
  double high = stretch(run->edge_weight, run->n_edges, 0);
  char heads[40];
  if (run->options->head != MEAN) {
    snprintf(heads, sizeof heads, "head %d", run->options->head);
  } else {
    snprintf(heads, sizeof heads, "mean of %d head%s", run->heads, run->heads == 1 ? "" : "s");
  }
  snprintf(run->edge_legend, sizeof run->edge_legend, "attention of layer %d, %s: 0 to %.2g",
           run->layer, heads, high);
}

/* What each node weighs: the sum over the queries, divided by `queries`. */
static void show_nodes(draw *run, const heed_mask *pairs, const double *weights, double queries,
                       const char *what) {
  for (int64_t p = 0; p < pairs->n_pairs; p++) {
    run->node_weight[pairs->indices[p]] += weights[p] / queries;
  }
  double low = run->n_nodes > 0 ? run->node_weight[0] : 0;
  for (int64_t i = 0; i < run->n_nodes; i++) low = fmin(low, run->node_weight[i]);
  double high = stretch(run->node_weight, run->n_nodes, low);
  snprintf(run->node_legend, sizeof run->node_legend, "%s: %.2g to %.2g", what, low, high);
}

/* The colours are the pooling's, or else those of the layer. */
static int take_weights(draw *run) {
  const heed_model_spec *spec = run->spec;
  const char *pooled = spec->kind == HEED_MODEL_TRANSFORMER ? strchr(spec->blocks, 'P') : NULL;
  heed_mask pairs = {0};
  double *weights = NULL;
  run->edge_weight = calloc((size_t)run->n_edges + 1, sizeof *run->edge_weight);
  run->node_weight = calloc((size_t)run->n_nodes + 1, sizeof *run->node_weight);
  if (run->edge_weight == NULL || run->node_weight == NULL) return no_memory(run);
  run->layer = choose_layer(run);
  if (run->layer < 0 && (pooled == NULL || run->options->layer != LAST)) {
    return cli_fail(run->options->layer == LAST ? "%s: has no attention to show"
                                                : "%s: has no layer %d to show",
                    run->options->model, run->options->layer);
  }
  int failed = CLI_OK;
  if (run->layer >= 0) {
    failed = weights_of(run, run->layer, run->options->head, &pairs, &weights, &run->heads);
    if (!failed) show_edges(run, &pairs, weights);
    if (!failed && pooled == NULL) show_nodes(run, &pairs, weights, 1, "attention received");
  }
  if (!failed && pooled != NULL) {
    heed_mask_free(&pairs);
    free(weights);
    weights = NULL;
    int32_t heads;
    failed = weights_of(run, (int)(pooled - spec->blocks), MEAN, &pairs, &weights, &heads);
    if (!failed) {
      show_nodes(run, &pairs, weights, (double)pairs.n_queries, "weight in the pooling");
    }
  }
  heed_mask_free(&pairs);
  free(weights);
  return failed;
}

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
                        .layer = LAST,
                        .head = MEAN};
  options.graph.training = true;
  if (cli_parse(&argp, argc, argv, &options)) return CLI_FAILED;
  options.graph.options.seed = global->seed;
  draw run = {.options = &options};
  heed_report *report = NULL;
  int failed = open_model(&run);
  if (!failed) failed = open_source(&run);
  if (!failed) failed = run.task.collection != NULL ? take_from_collection(&run) : take_graph(&run);
  if (!failed && run.model != NULL) failed = make_pass(&run) || take_weights(&run);
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
