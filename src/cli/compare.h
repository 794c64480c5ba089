/* What the files of `heed compare` without --train share: options, masks, inputs and outputs. */
#ifndef HEED_SRC_CLI_COMPARE_H
#define HEED_SRC_CLI_COMPARE_H

#include "cli/learn.h"

/* --- The command (cmd_compare.c) ------------------------------------------------------------- */

enum { COMPARE_MOST_KERNELS = 3 };

typedef struct compare_input {
  cli_global *global;
  cli_graph graph;
  cli_shape shape;
  cli_mask_list masks;
  heed_kernel kernels[COMPARE_MOST_KERNELS];
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

/* --- Kernels (compare_kernels.c) ------------------------------------------------------------- */

/* Numbers of an output. */
int64_t compare_out_size(const compare *run);

/* Runs the kernels on one mask, a row of the report each. *ran says whether run->out holds the
 * output of one of them. */
int compare_kernels(compare *run, heed_report *report, const char *name, const cli_masks *masks,
                    const heed_attention_cost *cost, bool *ran);

/* --- Masks (compare_masks.c) ----------------------------------------------------------------- */

/* Sums over the rows of masks, in the order of the rows, and over the heads that see each. */
typedef struct compare_sums {
  int64_t heads;       /* of the mask at hand */
  double *row_entropy; /* [n_queries] scratch: mean over the heads */
  double rows;         /* with two keys or more: the others have no entropy */
  double entropy;
  double log_degree;
  double ratio;        /* of entropy to log(degree) */
  const compare *run;  /* for a full mask: whose masks share its weight */
  double share_edges;
  double share[CLI_MOST_MASKS];
} compare_sums;

/* Full attention once more, a few rows at a time, for what it gives to the pairs of each mask;
 * *walked says whether the budget allows it. */
int compare_walk_full(const compare *run, compare_sums *sums, bool *walked);

/* What full attention gives to the graph's edges. */
void compare_report_full(heed_report *report, const compare *run, const compare_sums *full,
                         bool walked);

/* Mask number m: a row for each kernel, and one for its weights and outputs. */
int compare_mask(compare *run, heed_report *report, int m, const compare_sums *full);

#endif
