/* What the files of `heed draw` share: options, the graph that is drawn, what a model gives it. */
#ifndef HEED_SRC_CLI_DRAW_H
#define HEED_SRC_CLI_DRAW_H

#include "cli/learn.h"

/* --- The command (cmd_draw.c) --------------------------------------------------------------- */

/* A head and a layer where none is given. */
enum { DRAW_MEAN = -1, DRAW_LAST = -1 };

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

/* --- The graph (draw_graph.c) ---------------------------------------------------------------- */

/* CLI_FAILED after saying for how many nodes there was no memory. */
int draw_no_memory(const draw *run);

/* Opens what the command line names, and finds the graph in a collection. */
int draw_open_source(draw *run);

/* Nodes, edges and their places, of one graph and of a graph of a collection. */
int draw_take_graph(draw *run);
int draw_take_from_collection(draw *run);

/* --- The attention (draw_attention.c) -------------------------------------------------------- */

/* Opens the model, if there is one; what the command line left open is as it was in training. */
int draw_open_model(draw *run);

/* Checks that the model takes the graph, and runs it. */
int draw_make_pass(draw *run);

/* The weights of edges and of nodes. */
int draw_take_weights(draw *run);

#endif
