/* What `heed draw` draws: the nodes and edges of a graph or a molecule, and where they go. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/draw.h"

enum { MOST_NODES = 2000 };

int draw_no_memory(const draw *run) {
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
int draw_open_source(draw *run) {
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
  return run->edges == NULL || run->xy == NULL ? draw_no_memory(run) : CLI_OK;
}

/* --- One graph ------------------------------------------------------------------------------- */

int draw_take_graph(draw *run) {
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
  if (reserve(run) || run->lines == NULL) return draw_no_memory(run);
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

int draw_take_from_collection(draw *run) {
  const heed_collection *collection = run->task.collection;
  const int64_t *ptr = heed_collection_graph_ptr(collection);
  bool bonds = column(collection, true, "bond=double") >= 0;
  run->first = ptr[run->graph];
  run->n_nodes = ptr[run->graph + 1] - run->first;
  if (check_size(run) || take_edges(run, bonds)) return CLI_FAILED;
  if (!bonds) return lay_out(run);
  run->symbols = calloc((size_t)run->n_nodes + 1, sizeof *run->symbols);
  run->labels = calloc((size_t)run->n_nodes + 1, sizeof *run->labels);
  if (run->symbols == NULL || run->labels == NULL) return draw_no_memory(run);
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
