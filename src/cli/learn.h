/* What the subcommands that train share: options and presets, the task, experiments. */
#ifndef HEED_SRC_CLI_LEARN_H
#define HEED_SRC_CLI_LEARN_H

#include "cli/cli.h"

/* --- How to train (training.c, presets.c) -------------------------------------------------- */

/* What is trained and how, once preset and options are put together. */
typedef struct cli_recipe {
  heed_model_spec model; /* features and outputs are the task's */
  heed_fit_spec fit;
  int metric; /* a heed_metric, or -1: ROC AUC where there are two classes, else accuracy */
  int loss;   /* a heed_loss, or -1: what the metric asks for */
  cli_mask mask;
  heed_encodings encodings;
  bool normalize; /* divide the features of a node by their sum */
  bool of_graphs; /* of a collection; what follows is for those alone, each -1 for what the data asks for */
  heed_target_kind kind;
  int pooling;    /* a heed_pooling or CLI_POOLING_NONE */
  int edges;      /* a heed_edge_use */
  int split;      /* a heed_collection_split_kind */
  int folds;      /* where it is that of folds */
} cli_recipe;

enum { CLI_POOLING_NONE = HEED_POOLING_MAX + 1, CLI_MOST_SETTINGS = 64 };

/* The options as they were given. */
typedef struct cli_training {
  const char *given[CLI_MOST_SETTINGS]; /* by number of the setting; NULL: not given */
  const char *preset;
  const char *seeds;  /* "0-9", "0,3,7"; NULL: the global seed */
  const char *splits; /* the same, or "all"; NULL: the first */
  bool any;           /* whether any was given */
} cli_training;

/* The options of training, for a parser's children; its input is a cli_training. Without those that
 * have a meaning of their own in `heed compare`: --heads, --slope, --blocks and --mask, if not
 * `whole`. */
const struct argp *cli_training_argp(bool whole);

/* As if --name=text had been given. */
void cli_training_give(cli_training *training, const char *name, const char *text);

/* Puts together defaults, preset and options, those of reading a collection too; leaves through
 * argp_error() where they disagree. */
void cli_training_resolve(const struct argp_state *state, const cli_training *training,
                          cli_graph *graph, cli_recipe *recipe);

/* Gives a transformer its blocks and its layers, their number. */
void cli_recipe_set_blocks(cli_recipe *recipe, const char *blocks);

/* Whether text is blocks: M and S, a P with S after it, not too many. */
bool cli_blocks_valid(const char *text);
#define CLI_BLOCKS_RULE "1 to %d letters M and S, one P at most and only S after it"

/* Adds every setting to a record, under the names of their options. */
void cli_recipe_report(heed_report *record, const cli_recipe *recipe);

/* Writes them as options. */
void cli_recipe_options(FILE *stream, const cli_recipe *recipe);

typedef struct cli_preset_entry {
  const char *name;
  const char *settings; /* "name=value ..." */
  bool of_graphs;       /* for collections, whose columns follow; NULL, NONE: what the source asks for */
  const char *targets;
  heed_target_kind kind;
} cli_preset_entry;

/* A preset; NULL if there is none of that name. */
const cli_preset_entry *cli_preset(const char *name);
/* The settings that every training on a collection starts from. */
extern const char *const cli_graphs_settings;
/* The name of preset number `index`; NULL after the last. */
const char *cli_preset_name(int index);

/* How the graph was read, as keys of a record and as options after its name. */
void cli_graph_report(heed_report *record, const cli_graph *graph);
void cli_graph_options(FILE *stream, const cli_graph *graph);

/* What --seeds and --splits list, such as "0-9" or "0,3,7"; none where they are not given, or "all". */
typedef struct cli_lists {
  int64_t *seeds, *splits;
  int n_seeds, n_splits;
} cli_lists;

/* Leaves through argp_error(), or argp_failure() for want of memory. */
void cli_lists_read(const struct argp_state *state, const cli_training *training, cli_lists *lists);
void cli_lists_free(cli_lists *lists);

/* --- The task (task.c) --------------------------------------------------------------------- */

/* A data set made ready: features, labels, splits. Of nodes of one graph, or of the graphs of a
 * collection. */
typedef struct cli_task {
  heed_data *data;
  heed_collection *collection; /* in its place; then there are neither features below nor orders */
  int64_t n_nodes;
  int64_t n_rows; /* nodes or graphs: what has labels and is in splits */
  int32_t classes;
  heed_targets targets;
  float *one_hot; /* of the labels, where a loss goes by columns */
  int n_splits;
  int *splits;
  const uint8_t **parts[3]; /* by heed_part: [n_splits] */
  bool drawn;               /* the splits are ours, not the data's */
  bool paired;              /* split i is for seed i alone, which drew it */
  const heed_matrix *dense; /* features: one of the two */
  const heed_csr *sparse;
  heed_matrix own_dense; /* of a task in another order: what it owns */
  heed_csr own_sparse;
  bool bare;                /* nodes without features of their own: `dense` and `sparse` say who they are */
  int32_t *pair_classes;    /* of --encoding, as are the features of pairs; NULL where there are none */
  heed_matrix edges;
  void **made; /* [n_made] */
  int n_made;
  cli_masks heads; /* of the last cli_recipe_mask(), where heads have masks of their own; else none */
  const heed_mask *of_heads[CLI_MOST_GROUPS];
} cli_task;

/* Opens the data with features to learn from: its own, divided if asked for, or the nodes
 * themselves; or a collection. */
int cli_task_open(cli_task *task, const cli_graph *graph, bool normalize);

/* Which seeds and splits, as the command line says it. */
typedef struct cli_runs {
  uint64_t seed;          /* of all random numbers but those of training */
  const uint64_t *seeds;  /* [n_seeds] */
  int n_seeds;
  const char *splits;     /* --splits, or NULL */
  const int64_t *numbers; /* [n_numbers] that it lists; 0 where it does not */
  int n_numbers;
} cli_runs;

/* Makes labels and splits ready, and settles what the recipe left to the data: metric, loss, sizes.
 * The splits drawn, where the data has none, are those of the seed. */
int cli_task_prepare(cli_task *task, cli_recipe *recipe, const char *source, const cli_runs *runs);

/* Opens the data and makes it ready, for the seeds and splits of the command line; the seeds for free(). */
int cli_task_begin(cli_task *task, cli_recipe *recipe, const cli_graph *graph, uint64_t seed,
                   const cli_training *training, const cli_lists *lists, uint64_t **seeds, int *n_seeds);

/* The rest of it, for labels or targets of any rows: n_splits and room for their numbers and parts. */
int cli_task_room(cli_task *task, int n_splits);
int cli_task_one_hot(cli_task *task);

/* How many runs that makes. */
int cli_task_runs(const cli_task *task, int n_seeds);

/* What the task is made of, for a report. */
void cli_task_report(heed_report *report, const cli_task *task, const cli_recipe *recipe);

enum { CLI_MOST_SPLITS = 65536 };

/* Draws random splits 0 to `last` for data without any: the same for the same seed and number. */
int cli_task_draw(cli_task *task, const char *source, uint64_t seed, int64_t last);

void cli_task_close(cli_task *task);

/* The same task, for a recipe with a mask and encodings of its own: what those add belongs to it alone, the rest
 * is shared and must outlive it. */
cli_task cli_task_variant(const cli_task *task);
void cli_task_variant_close(cli_task *variant);

/* The inputs, of a collection what is of its pairs; `mask` is that of cli_recipe_mask(). */
heed_model_inputs cli_task_inputs(const cli_task *task, const heed_mask *mask);

/* --- Encodings (encoding.c) ----------------------------------------------------------------- */

/* Whether they fit the model and the data; leaves through argp_error(). */
void cli_encoding_check(const struct argp_state *state, const cli_recipe *recipe);

/* Whether they are of pairs or places, so that the nodes stay in their own order. */
bool cli_encoding_of_order(const cli_recipe *recipe);

/* Puts their columns beside the features of the task, or in place of none, and tells the model. */
int cli_encode_nodes(cli_task *task, cli_recipe *recipe);

/* Makes classes and features of the pairs of the mask ready, in place of those of another, and tells the model. */
int cli_encode_pairs(cli_task *task, cli_recipe *recipe, const heed_mask *mask);

/* --- Collections (collection.c) ------------------------------------------------------------- */

/* The graphs that the command line names, or the graphs over their edges; says nothing. */
heed_status cli_collection_try(heed_collection **collection, const cli_graph *graph);

/* The same as a task; and what is left to do where it was opened with that status. */
int cli_collection_open(cli_task *task, const cli_graph *graph);
int cli_collection_take(cli_task *task, heed_status status);

/* As cli_task_prepare(), for a task that has a collection. */
int cli_collection_prepare(cli_task *task, cli_recipe *recipe, const char *source,
                           const cli_runs *runs);

/* Makes the model of a recipe match the pairs: edge features where there are pairs that have them. */
int cli_collection_edges(cli_recipe *recipe, const cli_graph *graph, const heed_collection *collection);

/* A mask of all graphs by itself. */
int cli_collection_mask_make(heed_mask *mask, const cli_mask *which, const cli_graph *graph,
                             const heed_collection *collection);

/* Draws the splits of a training again, up to `number`. */
int cli_collection_redraw(cli_task *task, const char *source, const char *kind, int folds,
                          uint64_t seed, int number);

/* Sizes and what was skipped; and the splits. */
void cli_collection_report(heed_report *report, const heed_collection *collection);
void cli_collection_report_splits(heed_report *report, const cli_task *task,
                                  const cli_recipe *recipe);

enum { CLI_MOST_METADATA = 40 };

/* What a model file says of the collection it was trained on. */
typedef struct cli_collection_metadata {
  const char *pairs[CLI_MOST_METADATA / 2]; /* key, value, ..., NULL */
  char graphs[24], folds[16];
  char *names, *columns;
} cli_collection_metadata;

int cli_collection_describe(cli_collection_metadata *data, const cli_task *task,
                            const cli_recipe *recipe, const cli_graph *graph);
void cli_collection_metadata_free(cli_collection_metadata *data);

/* The name of a kind of targets, as --task takes it: "auto" for NONE. */
const char *cli_kind_name(heed_target_kind kind);

/* Commands on a collection, where others of theirs are on a graph. */
int cli_info_collection(const cli_global *global, const cli_graph *graph,
                        const cli_mask_list *masks);

typedef struct cli_prediction {
  cli_global *global;
  cli_graph *graph;
  const char *model;  /* file */
  const char *output; /* file, or NULL */
  cli_mask *mask;
  bool mask_given;
} cli_prediction;

int cli_predict_collection(cli_prediction *options);

/* --- Experiments (experiment.c) ------------------------------------------------------------ */

/* Every epoch that was run. */
typedef struct cli_history {
  heed_epoch *epochs;
  size_t n;
  size_t room;
} cli_history;

void cli_history_free(cli_history *history);

/* Where a single run is saved on its way; all NULL, 0 and false for none. */
typedef struct cli_checkpoint {
  const char *path;
  const char *history; /* the history so far is kept here */
  int every;
  bool resume;
} cli_checkpoint;

typedef struct cli_outcome {
  heed_experiment_result result; /* runs are for free(), best for heed_model_free() */
  double seconds;
  bool stopped;
} cli_outcome;

void cli_outcome_free(cli_outcome *outcome);

/* Runs a recipe on a task for every seed and split. `title` is what the progress bar calls it; NULL
 * for none. `history` and `checkpoint` may be NULL. */
int cli_experiment(cli_outcome *outcome, const cli_task *task, const cli_recipe *recipe,
                   const heed_mask *mask, const uint64_t *seeds, int n_seeds, const char *title,
                   cli_history *history, const cli_checkpoint *checkpoint);

/* The mask a recipe asks for; none, all zero, where its model looks at none. A full mask of one graph without a
 * kernel of its own gets the dense one. Where heads have masks of their own they are the task's, and
 * cli_task_inputs() has them; `mask` is none then. */
int cli_recipe_mask(heed_mask *mask, cli_recipe *recipe, const cli_graph *graph, cli_task *task);

/* The pairs of the mask, or of those of heads; and whether there is either. */
int64_t cli_task_pairs(const cli_task *task, const heed_mask *mask);
bool cli_task_masked(const cli_task *task, const heed_mask *mask);

/* cli_mask_know_edges() for all of them. */
int cli_task_know_edges(cli_task *task, heed_mask *mask);

/* Whether its splits are folds. */
bool cli_folds(const cli_recipe *recipe);

/* From here on SIGINT and SIGTERM stop the experiments cleanly; a second one ends the process. */
void cli_catch_signals(void);
bool cli_stopped(void);
/* The exit status after that. */
enum { CLI_STOPPED = 130 };

/* Whether the order that was given goes with the recipe; leaves through argp_error(). */
void cli_reorder_check(const struct argp_state *state, heed_order asked, const cli_recipe *recipe,
                       const char *source);

/* The order asked for, for training on `mask`; NONE where the model looks at none. */
int cli_reorder_training(cli_reorder *reorder, heed_order asked, const heed_mask *mask,
                         const cli_recipe *recipe, int runs);

/* As cli_experiment(), in the other order; `mask` is the caller's, all zero for none. */
int cli_experiment_reordered(cli_outcome *outcome, const cli_task *task, const cli_recipe *recipe,
                             const heed_mask *mask, const cli_reorder *reorder,
                             const uint64_t *seeds, int n_seeds, const char *title,
                             cli_history *history, const cli_checkpoint *checkpoint);

/* Writes all epochs as CSV. */
int cli_history_write(const cli_history *history, const char *path);

/* --- heed compare --train (compare_train.c) -------------------------------------------------- */

typedef struct cli_trained_comparison {
  cli_global *global;
  cli_graph *graph;
  cli_training training;
  cli_recipe recipe;
  cli_mask_list masks;
  const char *encodings; /* to compare, separated by commas; NULL: none but the recipe's */
  heed_encodings encoded[CLI_MOST_MASKS];
  int n_encoded;
  const char *blocks; /* interleavings, separated by commas; NULL: some */
  char first[HEED_MAX_BLOCKS + 1];
  cli_lists lists;
  heed_order reorder;
  bool reorder_given;
  const char *output; /* a folder, or NULL */
} cli_trained_comparison;

/* Checks and completes the options; leaves through argp_error(). */
void cli_compare_options(struct argp_state *state, cli_trained_comparison *options);

int cli_compare_trained(cli_trained_comparison *options);

/* --- Models that were trained (as_trained.c) ----------------------------------------------- */

/* What the file says under `key`; NULL where that is nothing. */
const char *cli_metadata(const heed_safetensors *file, const char *key);

/* What the command line left open of how a graph or collection is read, and the mask, become what the
 * file of `model` says they were in training. Texts stay the file's. */
int cli_as_trained(const heed_safetensors *file, const char *model, cli_graph *graph,
                   cli_mask *mask, bool mask_given);

/* The seed of the graph that a recipe makes: the one given, else that of the training, if that was on one graph. */
void cli_seed_as_trained(const heed_safetensors *file, const cli_global *global, cli_graph *graph);

/* The columns that the model was trained with beside the features of the task, which are counted in
 * recipe->model.features then. */
int cli_encode_as_trained(cli_task *task, cli_recipe *recipe, const heed_safetensors *file,
                          const char *model);

/* Probabilities [rows, columns], the softmax of a row or the sigmoid of each column if it is an answer of its own
 * or the only one; and the likeliest class of each row, if `labels` is not NULL. */
void cli_decide(const heed_matrix *logits, bool answers, float *probabilities, int32_t *labels);

/* --- Files (output.c) ---------------------------------------------------------------------- */

/* Makes sure that `path` is a folder that can be written to, made with its parents if need be. */
int cli_folder_make(const char *path);

/* "folder/name" for free(); NULL after saying why. */
char *cli_join(const char *folder, const char *name);

/* Opens a file beside `path` for text, and puts it into its place; NULL and CLI_FAILED after saying why
 * not. `temporary` is the name on the way, which the second call frees. */
FILE *cli_file_begin(const char *path, char **temporary);
int cli_file_end(FILE *file, const char *path, char *temporary);

/* Draws a figure. Where there is no gnuplot it says so, once, and goes on. */
int cli_draw(const heed_figure *figure, const char *path);

/* Adds a row for each run. */
void cli_report_runs(heed_report *report, const heed_experiment_result *result);

#endif
