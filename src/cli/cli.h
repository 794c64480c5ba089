/* The command `heed`: what its subcommands share. Public headers of the library only. */
#ifndef HEED_SRC_CLI_CLI_H
#define HEED_SRC_CLI_CLI_H

#include <argp.h>
#include <heed.h>

/* Exit statuses. Functions of the command that can fail return the first two, and have said why on
 * standard error when they return CLI_FAILED; usage errors leave through argp. */
enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

/* Says "heed: ..." on standard error. Returns CLI_FAILED. */
int cli_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* CLI_OK for HEED_OK; else says heed_message(), after "context: " if that is not NULL. */
int cli_check(heed_status status, const char *context);

/* --- Subcommands: what main() knows of each ------------------------------------------------ */

typedef struct cli_global {
  uint64_t seed;
  bool seed_given;
  const char *json; /* NULL, a file, or "-" for standard output */
} cli_global;

typedef struct cli_command {
  const char *name;
  const char *summary;
  int (*run)(cli_global *global, int argc, char **argv); /* argv[0] is "heed NAME" */
} cli_command;

int cmd_info(cli_global *global, int argc, char **argv);
int cmd_attend(cli_global *global, int argc, char **argv);
int cmd_compare(cli_global *global, int argc, char **argv);
int cmd_train(cli_global *global, int argc, char **argv);
int cmd_predict(cli_global *global, int argc, char **argv);
int cmd_draw(cli_global *global, int argc, char **argv);
int cmd_demo(cli_global *global, int argc, char **argv);
int cmd_bench(cli_global *global, int argc, char **argv);

/* --- Options (options.c) ------------------------------------------------------------------- */

/* Which pairs attend, as the command line says it. */
enum { CLI_MOST_GROUPS = 8 };

typedef struct cli_mask {
  char name[256];        /* an expression: "graph", "window:8|global:4"; or one for each group of heads: "graph*4/full*4" */
  heed_mask_needs needs; /* what it is made of, all groups together */
  int n_groups;          /* of heads; 0: one mask for all */
  int32_t heads[CLI_MOST_GROUPS];
  int at[CLI_MOST_GROUPS], length[CLI_MOST_GROUPS]; /* where in the name their expressions are */
  char why[1024];        /* why the name is none, where it is not */
} cli_mask;

enum { CLI_MOST_MASKS = 16 };

typedef struct cli_mask_list {
  int n;
  cli_mask at[CLI_MOST_MASKS];
} cli_mask_list;

/* How a collection of graphs is read. */
typedef struct cli_collection {
  const char *smiles;
  const char *targets; /* columns, separated by commas */
  heed_target_kind kind;
  bool skip_bad;
  bool edge_set;       /* the nodes are the edges */
  const char *given;   /* one of these options, if any was given */
} cli_collection;

/* The graph, or the collection, and how to read it. */
typedef struct cli_graph {
  const char *source; /* GRAPH */
  heed_data_options options;
  cli_collection collection;
  heed_direction direction;
  heed_loops loops;
  bool direction_given;
  bool loops_given;
  uint64_t mask_seed;    /* of random masks, where it is not that of the options */
  bool mask_seed_given;
  bool training;         /* --features may also say what to do with them... */
  const char *normalize; /* ..."row-normalize", "none"; NULL: not said */
} cli_graph;

/* The size and the score of an attention. */
typedef struct cli_shape {
  heed_score score;
  int32_t heads;
  int32_t dim;
  bool score_given;
  bool heads_given;
  bool dim_given;
  bool scale_given;
  const char *heads_text; /* as given, or NULL */
  const char *slope_text;
  const char *normalizer_text;
  heed_normalizer normalizer;
  float scale;
  float slope;
} cli_shape;

/* Children of every subcommand's argp: the options of the graph, with the argument GRAPH, of the
 * attention and of all subcommands. */
extern const struct argp_child cli_children[];

/* They alone; the last are also for what stands before the subcommand. */
extern const struct argp cli_graph_argp;
extern const struct argp cli_collection_argp; /* its input is a cli_collection */
extern const struct argp cli_shape_argp;
extern const struct argp cli_global_argp;

/* Reads the options of a subcommand; what is wrong with them leaves through argp. */
int cli_parse(const struct argp *argp, int argc, char **argv, void *input);

/* Gives the children what they fill in; for ARGP_KEY_INIT. */
void cli_hand_down(struct argp_state *state, cli_graph *graph, cli_shape *shape,
                   cli_global *global);

cli_graph cli_graph_default(void);

/* Whether it is a collection: by the format that was given, else by its name. */
bool cli_graph_many(const cli_graph *graph);

/* Leaves through argp_error() where options of one graph were given with a collection or the other way
 * round. Once the source is known. */
void cli_graph_check(const struct argp_state *state, const cli_graph *graph);
cli_shape cli_shape_default(void);

/* The spec of a shape; kernel AUTO. */
heed_attention_spec cli_spec(const cli_shape *shape, uint64_t seed);

/* Says which normaliser there is, where it is not softmax. */
void cli_report_normalizer(heed_report *record, heed_normalizer normalizer);

/* Values of options; they leave through argp_error(), with what is allowed, if the text is wrong. */
int64_t cli_integer(const struct argp_state *state, const char *option, const char *text,
                    int64_t least, int64_t most);
double cli_number(const struct argp_state *state, const char *option, const char *text);
heed_score cli_parse_score(const struct argp_state *state, const char *text);
heed_kernel cli_parse_kernel(const struct argp_state *state, const char *option, const char *text);
heed_storage cli_parse_storage(const struct argp_state *state, const char *text);

/* Writes a word as a shell reads it. */
void cli_put_word(FILE *stream, const char *word);

const char *cli_direction_name(heed_direction direction);
const char *cli_loops_name(heed_loops loops);

/* --- Arrays and inputs (inputs.c) ---------------------------------------------------------- */

/* n * a * b floats, aligned to 64 bytes, for free(); NULL after saying what was too much. */
float *cli_floats(int64_t n, int64_t a, int64_t b);

/* What an attention is computed from, and what of it is to be freed. */
typedef struct cli_inputs {
  heed_attention_inputs in;
  void *read[8]; /* from heed_npz_read() */
  int n_read;
  void *made[8]; /* from cli_floats() */
  int n_made;
} cli_inputs;

void cli_inputs_free(cli_inputs *inputs);

/* Projects the features of `data` by seeded weights: the arrays that the score takes, values as
 * long as keys. Every array has a stream of its own: q, h and r take 1, k and l 2, v 3, a and a_l 4,
 * a_r 5. `inputs` may be freed after failure too. */
int cli_inputs_project(cli_inputs *inputs, const heed_data *data, const heed_attention_spec *spec);

/* Reads the arrays that the score takes out of an archive. On the way in, spec->heads and key_dim
 * are what the arrays must have, or -1; on the way out what they have, value_dim too. n_queries and
 * n_keys likewise. */
int cli_inputs_read(cli_inputs *inputs, heed_npz *npz, const char *path, heed_attention_spec *spec,
                    int64_t *n_queries, int64_t *n_keys);

/* Reads `bias`, if it is there, [n_pairs, heads], [n_pairs, 1] or [n_pairs]. */
int cli_inputs_read_bias(cli_inputs *inputs, heed_npz *npz, int32_t heads, int64_t n_pairs);

/* --- Masks (mask.c) ------------------------------------------------------------------------ */

/* From n characters of text; false if they are none, and `why` says it. */
bool cli_read_mask(const char *text, size_t n, cli_mask *mask);

/* The mask of a group of heads. */
cli_mask cli_mask_of_group(const cli_mask *mask, int g);

/* "graph*4", as it stands in the name; the whole name of a mask without groups. */
void cli_mask_group_name(char name[256], const cli_mask *mask, int g);

/* The mask of a name that is one. */
cli_mask cli_mask_named(const char *name);

/* As values of options. Lists are separated by commas; one before a digit or a minus belongs to a mask. */
void cli_parse_mask(const struct argp_state *state, const char *option, const char *text,
                    cli_mask *mask);
void cli_parse_masks(const struct argp_state *state, const char *option, const char *text,
                     cli_mask_list *masks);

/* The mask of the graph that `which` names. */
int cli_mask_make(heed_mask *mask, const cli_mask *which, const cli_graph *graph,
                  const heed_data *data);

/* The same without a graph and features. */
int cli_mask_alone(heed_mask *mask, const cli_mask *which, const cli_graph *graph,
                   int64_t n_queries, int64_t n_keys);

/* --- Masks of heads (heads.c) --------------------------------------------------------------- */

/* The masks of one attention: of each group of its heads, or one for all. */
typedef struct cli_masks {
  int n;
  heed_mask at[CLI_MOST_GROUPS];
  int32_t heads[CLI_MOST_GROUPS];
} cli_masks;

/* What masks are about: a graph, or a collection, or else so many queries and keys. */
typedef struct cli_mask_source {
  const heed_data *data;
  const heed_collection *collection;
  int64_t n_queries, n_keys;
} cli_mask_source;

/* Those that `which` names, for the heads of `whose` ("model", "attention"): a group each, or one. What is there is for
 * cli_masks_free() after failure too. */
int cli_masks_make(cli_masks *masks, const cli_mask *which, int32_t heads, const char *whose,
                   const cli_graph *graph, const cli_mask_source *of);
void cli_masks_free(cli_masks *masks);
/* One mask as such; it then belongs to them. */
void cli_masks_take(cli_masks *masks, const heed_mask *mask, int32_t heads);

/* Pairs of all masks; weights, one a pair and head; pairs of the mean head. */
int64_t cli_masks_pairs(const cli_masks *masks);
int64_t cli_masks_weights(const cli_masks *masks);
double cli_masks_mean_pairs(const cli_masks *masks);

/* The pairs that any head sees, of two masks or more; and weights, group after group as the library has them, on those
 * pairs: [pairs, heads] for free(), 0 where a head does not see a pair. */
int cli_masks_union(heed_mask *pairs, const cli_masks *masks);
float *cli_masks_spread(const cli_masks *masks, const heed_mask *pairs, int32_t heads,
                        const float *weights);

/* What heads `first` and following are computed from, without a bias; for cli_inputs_free(). */
int cli_inputs_of_heads(cli_inputs *own, const heed_attention_inputs *in,
                        const heed_attention_spec *spec, int64_t n_queries, int64_t n_keys,
                        int32_t first, int32_t heads);

/* What they should cost together, and the kernel that AUTO would choose for each. */
int cli_masks_predict(const cli_masks *masks, const heed_attention_spec *spec,
                      heed_attention_cost *cost, heed_kernel kernels[CLI_MOST_GROUPS]);

/* "sparse", or "sparse/dense" where groups have others. */
const char *cli_kernel_names(char *text, size_t size, const heed_kernel *kernels, int n);
enum { CLI_KERNEL_NAMES = 16 * CLI_MOST_GROUPS };

/* One layer of a pass and its weights [pairs of mask, heads]; where its heads have masks of their own the mask has the
 * pairs that any of them sees. */
typedef struct cli_layer {
  const char *name;
  heed_attention_spec spec; /* of all its heads */
  const heed_mask *mask;
  float *weights;
  heed_mask own; /* what `mask` is then */
} cli_layer;

int cli_layers(const heed_pass *pass);
int cli_layer_take(cli_layer *layer, heed_pass *pass, int number);
void cli_layer_free(cli_layer *layer);

/* Lets a mask say of every pair which edges stand behind it, if only that there is none: for models that take
 * features of edges. One of none, all zero, stays so. */
int cli_mask_know_edges(heed_mask *mask);

/* Reads the mask `indptr`, `indices` of an archive, for n_keys keys. The arrays join `inputs`. */
int cli_mask_read(heed_mask *mask, cli_inputs *inputs, heed_npz *npz, const char *path,
                  int64_t n_queries, int64_t n_keys);

/* --- Runs (measure.c) ---------------------------------------------------------------------- */

typedef struct cli_times {
  heed_attention_cost cost; /* where AUTO chose the kernel, what was predicted */
  heed_kernel kernels[CLI_MOST_GROUPS]; /* of each mask */
  double median;
  double least;
  int64_t peak_extra; /* bytes the library held beyond what it held before: not inputs, outputs */
} cli_times;

/* Sorts the times of n repeats, n at least 1. */
void cli_sort_times(double *seconds, int n, double *median);

/* Prepares the attention, computes it once to warm up and `repeat` times by the clock. */
int cli_run(cli_times *times, const heed_attention_spec *spec, const cli_masks *masks,
            const heed_attention_inputs *in, const heed_attention_outputs *out, int repeat);

/* Gets the weights of rows [first, first + block->n_queries) of a mask: pair p of the block has
 * weights[p * heads] and following. */
typedef void cli_visit_rows(void *context, int64_t first, const heed_mask *block,
                            const float *weights);

/* Computes the weights of a mask some rows at a time, in memory of at most some 16 MiB or one row,
 * and shows them to `visit` in order. */
int cli_walk_weights(const heed_attention_spec *spec, const heed_mask *mask,
                     const heed_attention_inputs *in, cli_visit_rows *visit, void *context);

/* --- Other orders of nodes (reorder.c) ------------------------------------------------------ */

/* An order of nodes and what is in it. */
typedef struct cli_reorder {
  heed_order order; /* never AUTO; NONE: everything stays as it is, and nothing else is there */
  int64_t *nodes;   /* by place */
  int64_t *pairs;   /* of the caller's mask, by pair of this one */
  heed_mask mask;
  double seconds;   /* that it took to find, even if it came to NONE */
} cli_reorder;

heed_order cli_parse_order(const struct argp_state *state, const char *text);

/* The order asked for, for `passes` that read `row_bytes` of a key, and the mask in it. */
int cli_reorder_make(cli_reorder *reorder, heed_order asked, const heed_mask *mask,
                     int64_t row_bytes, double passes);
void cli_reorder_free(cli_reorder *reorder);

/* What a forward pass reads of a key. */
int64_t cli_row_bytes(const heed_attention_spec *spec);

/* As cli_run() on `masks`, of which one alone may have another order; inputs and outputs have the caller's. */
int cli_run_reordered(cli_times *times, const cli_reorder *reorder, const heed_attention_spec *spec,
                      const cli_masks *masks, const heed_attention_inputs *in,
                      const heed_attention_outputs *out, int repeat);

/* Adds which order it was and how long it took. */
void cli_reorder_report(heed_report *report, const cli_reorder *reorder);

/* --- Output (output.c) --------------------------------------------------------------------- */

/* Writes a finished report: the JSON if asked for, and the text to standard output unless the JSON
 * went there. `status` is what building it came to. `written` names files that are in place
 * already, NULL or "" for none, so that a failure can say so. */
int cli_report(const heed_report *report, const cli_global *global, const char *written);

/* Adds the threads, the instruction set and the libraries to a report. */
void cli_report_machine(heed_report *report);

#endif
