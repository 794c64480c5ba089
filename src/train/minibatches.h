/* Learning from one large graph: a step for a few target nodes with drawn neighbours, or for some parts of it. */
#ifndef HEED_SRC_TRAIN_MINIBATCHES_H
#define HEED_SRC_TRAIN_MINIBATCHES_H

#include <heed/train.h>

typedef struct heed__minibatches {
  heed_model *model;
  heed_task task;
  heed_fit_spec spec;
  int64_t outputs;
  int hops;          /* masked layers of the model, at least 1 */
  int64_t *train;    /* [n_train] nodes with a known target, ascending */
  uint8_t *trains;   /* [nodes] 1 for those */
  int64_t n_train;
  int64_t steps;     /* of an epoch; of clusters at most, for parts may have nothing to learn */
  int64_t *order;    /* [n_train, or parts] as this epoch takes them */
  int64_t *taken;    /* [nodes of a batch] */
  int64_t *part_ptr, *part_nodes; /* nodes by part */
  const heed_mask *mask; /* that batches are made of: the task's, or the pairs that any head sees: */
  heed_mask together;
  heed_mask nothing; /* where the task has no mask */
  int64_t *nothing_rows;
  heed_sampler *sampler;
  heed_sample sample; /* at hand, gathered into: */
  int64_t room_nodes, room_numbers, room_pairs;
  float *x;          /* [room_nodes, F] */
  int64_t *indptr;   /* or, of sparse features, [room_nodes + 1], */
  int32_t *indices;  /* [room_numbers] */
  float *values;
  float *edges;      /* [room_pairs, Fe], of every mask, as are classes */
  int32_t *classes;  /* [room_pairs] of pairs */
  int64_t *head_rows;  /* of masks of heads: [masks, room_nodes + 1], */
  int32_t *head_keys;  /* [masks, room_pairs] */
  heed_mask head_masks[HEED_MAX_HEAD_MASKS];
  const heed_mask *of_heads[HEED_MAX_HEAD_MASKS];
  int32_t *positions; /* [room_nodes] */
  int64_t room_targets;
  int32_t *labels;   /* [room_targets] */
  float *numbers;    /* [room_targets, outputs] */
  float *d_output;
  heed_matrix dense, edge_matrix;
  heed_csr sparse;
  heed_model_inputs inputs;
  heed_model_capacity room; /* of the pass */
  heed_pass *pass;
  float *output;     /* [nodes, outputs] of the whole graph */
  void *metric_room;
  size_t inference;  /* bytes at most, of the last one */
} heed__minibatches;

/* Whether the fit takes mini-batches of one graph. */
bool heed__minibatches_wanted(const heed_fit_spec *spec, const heed_task *task);

/* For the graph of the task. @return any status of heed_sampler_new(), heed_mask_partition() and passes;
 * HEED_ARGUMENT for fan-outs that are not the model's, for parts without any node to learn from */
heed_status heed__minibatches_new(heed__minibatches **batches, heed_model *model,
                                  const heed_task *task, const heed_fit_spec *spec, uint64_t seed);
/* Bytes of batches and pass, and of inference where there was one. */
int64_t heed__minibatches_bytes(const heed__minibatches *batches);
void heed__minibatches_free(heed__minibatches *batches);

/* The steps of an epoch from 0 on, in an order, with neighbours and with dropout that (seed, epoch) give alone. */
heed_status heed__minibatches_train(heed__minibatches *batches, heed_optimizer *optimizer,
                                    uint64_t seed, int epoch, float rate, double *loss);

/* Of the whole graph: its output, then loss (NULL: not wanted) and metric over rows. */
heed_status heed__minibatches_measure(heed__minibatches *batches, const uint8_t *rows,
                                      double *loss, double *value);

#endif
