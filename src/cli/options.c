/* Options that subcommands share, as argp children. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/learn.h"

/* --- Values -------------------------------------------------------------------------------- */

int64_t cli_integer(const struct argp_state *state, const char *option, const char *text,
                    int64_t least, int64_t most) {
  char *end;
  errno = 0;
  long long value = strtoll(text, &end, 10);
  if (errno != 0 || end == text || *end != '\0' || value < least || value > most) {
    argp_error(state, "%s takes an integer from %lld to %lld, not '%s'", option, (long long)least,
               (long long)most, text);
  }
  return value;
}

double cli_number(const struct argp_state *state, const char *option, const char *text) {
  char *end;
  double value = strtod(text, &end);
  if (end == text || *end != '\0' || !isfinite(value)) {
    argp_error(state, "%s takes a number, not '%s'", option, text);
  }
  return value;
}

heed_score cli_parse_score(const struct argp_state *state, const char *text) {
  heed_score score = HEED_SCORE_DOT;
  if (heed_score_from_name(text, &score) != HEED_OK) {
    argp_error(state, "--score takes dot, gat, gatv2 or additive, not '%s'", text);
  }
  return score;
}

void cli_report_normalizer(heed_report *record, heed_normalizer normalizer) {
  if (normalizer == HEED_NORMALIZER_SOFTMAX) return;
  heed_report_text(record, "normalizer", "normalizer", heed_normalizer_name(normalizer));
}

heed_kernel cli_parse_kernel(const struct argp_state *state, const char *option,
                             const char *text) {
  heed_kernel kernel = HEED_KERNEL_AUTO;
  if (heed_kernel_from_name(text, &kernel) != HEED_OK) {
    argp_error(state, "%s takes auto, sparse, dense or reference, not '%s'", option, text);
  }
  return kernel;
}

heed_storage cli_parse_storage(const struct argp_state *state, const char *text) {
  heed_storage storage = HEED_STORAGE_FLOAT;
  if (heed_storage_from_name(text, &storage) != HEED_OK) {
    argp_error(state, "--storage takes float or bfloat16, not '%s'", text);
  }
  return storage;
}

const char *cli_direction_name(heed_direction direction) {
  static const char *const names[] = {"in", "out", "all"};
  return names[direction];
}

const char *cli_loops_name(heed_loops loops) {
  static const char *const names[] = {"keep", "add", "drop"};
  return names[loops];
}

/* --- Global options ------------------------------------------------------------------------ */

enum { KEY_THREADS = 't', KEY_SEED = 's', KEY_JSON = 'j' };

static const struct argp_option global_options[] = {
    {"threads", KEY_THREADS, "N", 0, "Threads; 0, the default: OMP_NUM_THREADS, else all cores", 0},
    {"seed", KEY_SEED, "N", 0, "Seed of all random numbers (default 0)", 0},
    {"json", KEY_JSON, "FILE", 0,
     "Write the results as JSON; '-' is standard output, in place of the text", 0},
    {0}};

static error_t parse_global(int key, char *text, struct argp_state *state) {
  cli_global *global = state->input;
  switch (key) {
    case KEY_THREADS:
      if (heed_set_threads((int)cli_integer(state, "--threads", text, 0, 65536)) != HEED_OK) {
        argp_error(state, "%s", heed_message());
      }
      return 0;
    case KEY_SEED:
      global->seed = (uint64_t)cli_integer(state, "--seed", text, 0, INT64_MAX);
      global->seed_given = true;
      return 0;
    case KEY_JSON:
      if (text[0] == '\0') argp_error(state, "--json takes the name of a file, or '-'");
      global->json = text;
      return 0;
    default:
      return ARGP_ERR_UNKNOWN;
  }
}

const struct argp cli_global_argp = {.options = global_options, .parser = parse_global};

/* --- The graph ----------------------------------------------------------------------------- */

enum { KEY_FORMAT = 0x100, KEY_DIRECTED, KEY_FEATURES, KEY_LABEL, KEY_DIRECTION, KEY_LOOPS };

static const struct argp_option graph_options[] = {
    {"format", KEY_FORMAT, "NAME", 0,
     "Format of the file: graphml, gml, pajek, dl, dimacs, lgl, ncol, edgelist or graphdb; of a "
     "collection: csv, sdf, tudataset or list (default: told from the file)", 0},
    {"directed", KEY_DIRECTED, NULL, 0, "Edge lists, NCOL and GraphDB hold directed edges", 0},
    {"features", KEY_FEATURES, "ATTR,...", 0,
     "Vertex attributes to use as features. In training also: row-normalize, to divide each node's "
     "features by their sum, or none, to leave them", 0},
    {"label", KEY_LABEL, "ATTR", 0, "Vertex attribute to use as the label", 0},
    {"direction", KEY_DIRECTION, "in|out|all", 0,
     "A node attends to its in-neighbours (default), out-neighbours or both", 0},
    {"loops", KEY_LOOPS, "add|keep|drop", 0,
     "Every node also attends to itself (default), only where the graph has a self-loop, or "
     "nowhere", 0},
    {0}};

static error_t parse_graph(int key, char *text, struct argp_state *state) {
  cli_graph *graph = state->input;
  switch (key) {
    case KEY_FORMAT:
      graph->options.format = text;
      return 0;
    case KEY_DIRECTED:
      graph->options.directed = true;
      return 0;
    case KEY_FEATURES:
      if (graph->training &&
          (strcmp(text, "row-normalize") == 0 || strcmp(text, "none") == 0)) {
        graph->normalize = text;
      } else {
        graph->options.features = text;
      }
      return 0;
    case KEY_LABEL:
      graph->options.label = text;
      return 0;
    case KEY_DIRECTION:
      graph->direction_given = true;
      for (int i = HEED_DIRECTION_IN; i <= HEED_DIRECTION_ALL; i++) {
        graph->direction = i;
        if (strcmp(text, cli_direction_name(i)) == 0) return 0;
      }
      argp_error(state, "--direction takes in, out or all, not '%s'", text);
      return 0;
    case KEY_LOOPS:
      graph->loops_given = true;
      for (int i = HEED_LOOPS_KEEP; i <= HEED_LOOPS_DROP; i++) {
        graph->loops = i;
        if (strcmp(text, cli_loops_name(i)) == 0) return 0;
      }
      argp_error(state, "--loops takes add, keep or drop, not '%s'", text);
      return 0;
    case ARGP_KEY_ARG:
      if (graph->source != NULL) argp_error(state, "one GRAPH is enough: '%s' is too much", text);
      graph->source = text;
      return 0;
    case ARGP_KEY_END:
      if (graph->source == NULL) {
        argp_error(state, "GRAPH is missing: a file, a recipe such as sbm:n=400,blocks=4, or a "
                          "name such as karate");
      }
      return 0;
    default:
      return ARGP_ERR_UNKNOWN;
  }
}

const struct argp cli_graph_argp = {.options = graph_options, .parser = parse_graph};

/* --- Collections --------------------------------------------------------------------------- */

enum { KEY_SMILES = 0x180, KEY_TARGET, KEY_TASK, KEY_SKIP_BAD, KEY_EDGE_SET };

static const struct argp_option collection_options[] = {
    {"smiles", KEY_SMILES, "COLUMN", 0,
     "The column of SMILES of a CSV (default: the one called smiles)", 0},
    {"target", KEY_TARGET, "COLUMN,...", 0,
     "Columns or properties to learn; may be given again (default: of a CSV every column of "
     "numbers)", 0},
    {"targets", 0, NULL, OPTION_ALIAS, NULL, 0},
    {"task", KEY_TASK, "NAME", 0,
     "What the targets are: regression (numbers), classes, binary (yes or no in every column), or "
     "auto (default): told from them", 0},
    {"skip-bad", KEY_SKIP_BAD, NULL, 0, "Leave out what cannot be read, and count it", 0},
    {"edge-set", KEY_EDGE_SET, NULL, 0,
     "Learn on the edges: the nodes of a graph are its edges, joined where they share an end", 0},
    {0}};

/* More than one --target is a list. */
static const char *add_targets(const struct argp_state *state, const char *before,
                               const char *text) {
  static char *joined; /* until the end: there is one source */
  if (before == NULL) return text;
  size_t size = strlen(before) + strlen(text) + 2;
  char *longer = malloc(size);
  if (longer == NULL) argp_failure(state, CLI_FAILED, 0, "out of memory for --target");
  snprintf(longer, size, "%s,%s", before, text);
  free(joined);
  joined = longer;
  return joined;
}

const char *cli_kind_name(heed_target_kind kind) {
  static const char *const names[] = {"auto", "classes", "binary", "regression"};
  return names[kind];
}

static error_t parse_collection(int key, char *text, struct argp_state *state) {
  cli_collection *collection = state->input;
  switch (key) {
    case KEY_SMILES:
      collection->given = "--smiles";
      collection->smiles = text;
      return 0;
    case KEY_TARGET:
      collection->given = "--target";
      if (text[0] == '\0') argp_error(state, "--target takes names of columns, not ''");
      collection->targets = add_targets(state, collection->targets, text);
      return 0;
    case KEY_TASK:
      collection->given = "--task";
      for (int i = HEED_TARGET_NONE; i <= HEED_TARGET_NUMBER; i++) {
        collection->kind = (heed_target_kind)i;
        if (strcmp(text, cli_kind_name(collection->kind)) == 0) return 0;
      }
      argp_error(state, "--task takes auto, classes, binary or regression, not '%s'", text);
      return 0;
    case KEY_SKIP_BAD:
      collection->given = "--skip-bad";
      collection->skip_bad = true;
      return 0;
    case KEY_EDGE_SET:
      collection->given = "--edge-set";
      collection->edge_set = true;
      return 0;
    default:
      return ARGP_ERR_UNKNOWN;
  }
}

const struct argp cli_collection_argp = {.options = collection_options,
                                         .parser = parse_collection};

bool cli_graph_many(const cli_graph *graph) {
  static const char *const formats[] = {"csv", "sdf", "tudataset", "list"};
  const char *format = graph->options.format;
  if (graph->source == NULL) return false;
  if (format == NULL) return heed_collection_is(graph->source);
  for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
    if (strcmp(format, formats[i]) == 0) return true;
  }
  return false;
}

void cli_graph_check(const struct argp_state *state, const cli_graph *graph) {
  const char *of_collections = graph->collection.given;
  const char *of_graph = graph->options.directed        ? "--directed"
                         : graph->options.label != NULL ? "--label"
                         : graph->direction_given       ? "--direction"
                         : graph->normalize != NULL     ? "--features row-normalize or none"
                                                        : NULL;
  if (cli_graph_many(graph) && of_graph != NULL) {
    argp_error(state, "%s is for one graph, and %s is a collection", of_graph, graph->source);
  } else if (!cli_graph_many(graph) && of_collections != NULL) {
    argp_error(state, "%s is for a collection, and %s is one graph", of_collections,
               graph->source);
  }
}

/* --- Both ---------------------------------------------------------------------------------- */

cli_graph cli_graph_default(void) {
  return (cli_graph){.direction = HEED_DIRECTION_IN, .loops = HEED_LOOPS_ADD};
}

/* --- The attention ------------------------------------------------------------------------- */

enum { KEY_SCORE = 0x200, KEY_HEADS, KEY_DIM, KEY_SCALE, KEY_SLOPE, KEY_NORMALIZER };

static const struct argp_option shape_options[] = {
    {"score", KEY_SCORE, "NAME", 0, "Score: dot (default), gat, gatv2 or additive", 0},
    {"heads", KEY_HEADS, "H", 0, "Heads (default 8)", 0},
    {"dim", KEY_DIM, "D", 0, "Size of a head (default 8)", 0},
    {"scale", KEY_SCALE, "X", 0, "Factor of the dot product (default 1 / sqrt(D))", 0},
    {"slope", KEY_SLOPE, "X", 0, "LeakyReLU below zero, in gat and gatv2 (default 0.2)", 0},
    {"normalizer", KEY_NORMALIZER, "NAME", 0,
     "What makes weights of scores: softmax (default), relu, sigmoid or linear", 0},
    {0}};

static error_t parse_shape(int key, char *text, struct argp_state *state) {
  cli_shape *shape = state->input;
  switch (key) {
    case KEY_SCORE:
      shape->score_given = true;
      shape->score = cli_parse_score(state, text);
      return 0;
    case KEY_NORMALIZER:
      shape->normalizer_text = text;
      if (heed_normalizer_from_name(text, &shape->normalizer) != HEED_OK) {
        argp_error(state, "--normalizer takes softmax, relu, sigmoid or linear, not '%s'", text);
      }
      return 0;
    case KEY_HEADS:
      shape->heads_text = text;
      shape->heads = (int32_t)cli_integer(state, "--heads", text, 1, 65536);
      shape->heads_given = true;
      return 0;
    case KEY_DIM:
      shape->dim = (int32_t)cli_integer(state, "--dim", text, 1, 65536);
      shape->dim_given = true;
      return 0;
    case KEY_SCALE:
      shape->scale_given = true;
      shape->scale = (float)cli_number(state, "--scale", text);
      if (shape->scale == 0 || !isfinite(shape->scale)) {
        argp_error(state, "--scale takes a finite number other than 0, not '%s'", text);
      }
      return 0;
    case KEY_SLOPE:
      shape->slope_text = text;
      shape->slope = (float)cli_number(state, "--slope", text);
      if (!isfinite(shape->slope)) {
        argp_error(state, "--slope takes a number that fits in a float, not '%s'", text);
      }
      return 0;
    default:
      return ARGP_ERR_UNKNOWN;
  }
}

const struct argp cli_shape_argp = {.options = shape_options, .parser = parse_shape};

cli_shape cli_shape_default(void) {
  return (cli_shape){.score = HEED_SCORE_DOT, .heads = 8, .dim = 8, .slope = 0.2f};
}

heed_attention_spec cli_spec(const cli_shape *shape, uint64_t seed) {
  heed_attention_spec spec = heed_attention_spec_default(shape->heads, shape->dim);
  spec.score = shape->score;
  spec.normalizer = shape->normalizer;
  spec.scale = shape->scale;
  spec.slope = shape->slope;
  spec.seed = seed;
  return spec;
}

/* --- What every subcommand takes ------------------------------------------------------------ */

const struct argp_child cli_children[] = {{&cli_graph_argp, 0, "The graph:", 2},
                                          {&cli_shape_argp, 0, "The attention:", 3},
                                          {&cli_global_argp, 0, "Global options:", 4},
                                          {0}};

int cli_parse(const struct argp *argp, int argc, char **argv, void *input) {
  error_t error = argp_parse(argp, argc, argv, 0, NULL, input);
  return error ? cli_fail("the options could not be read: %s", strerror(error)) : CLI_OK;
}

void cli_hand_down(struct argp_state *state, cli_graph *graph, cli_shape *shape,
                   cli_global *global) {
  state->child_inputs[0] = graph;
  state->child_inputs[1] = shape;
  state->child_inputs[2] = global;
}

/* --- How the graph was read ----------------------------------------------------------------- */

void cli_graph_report(heed_report *record, const cli_graph *graph) {
  const heed_data_options *options = &graph->options;
  const cli_collection *collection = &graph->collection;
  bool many = cli_graph_many(graph);
  if (!many) {
    heed_report_text(record, "direction", NULL, cli_direction_name(graph->direction));
  }
  heed_report_text(record, "loops", NULL, cli_loops_name(graph->loops));
  if (options->format != NULL) heed_report_text(record, "format", NULL, options->format);
  if (options->directed) heed_report_flag(record, "directed", NULL, true);
  if (options->features != NULL) heed_report_text(record, "attributes", NULL, options->features);
  if (options->label != NULL) heed_report_text(record, "label", NULL, options->label);
  if (!many) return;
  heed_report_text(record, "task", NULL, cli_kind_name(collection->kind));
  if (collection->smiles != NULL) heed_report_text(record, "smiles", NULL, collection->smiles);
  if (collection->targets != NULL) heed_report_text(record, "target", NULL, collection->targets);
  heed_report_flag(record, "skip_bad", NULL, collection->skip_bad);
  heed_report_flag(record, "edge_set", NULL, collection->edge_set);
}

void cli_put_word(FILE *stream, const char *word) {
  static const char plain[] =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=:,./@%";
  if (word[0] != '\0' && word[strspn(word, plain)] == '\0') {
    fputs(word, stream);
    return;
  }
  fputc('\'', stream);
  for (; *word != '\0'; word++) {
    if (*word == '\'') {
      fputs("'\\''", stream);
    } else {
      fputc(*word, stream);
    }
  }
  fputc('\'', stream);
}

static void put_option(FILE *stream, const char *name, const char *value) {
  if (value == NULL) return;
  fprintf(stream, " --%s ", name);
  cli_put_word(stream, value);
}

void cli_graph_options(FILE *stream, const cli_graph *graph) {
  fputc(' ', stream);
  cli_put_word(stream, graph->source);
  put_option(stream, "format", graph->options.format);
  if (graph->options.directed) fputs(" --directed", stream);
  put_option(stream, "features", graph->options.features);
  put_option(stream, "label", graph->options.label);
  bool many = cli_graph_many(graph);
  if (!many) put_option(stream, "direction", cli_direction_name(graph->direction));
  put_option(stream, "loops", cli_loops_name(graph->loops));
  if (!many) return;
  put_option(stream, "task", cli_kind_name(graph->collection.kind));
  put_option(stream, "smiles", graph->collection.smiles);
  put_option(stream, "target", graph->collection.targets);
  if (graph->collection.skip_bad) fputs(" --skip-bad", stream);
  if (graph->collection.edge_set) fputs(" --edge-set", stream);
}
