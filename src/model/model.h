/* What a model is made of: a list of layers over values, and tensors. */
#ifndef HEED_SRC_MODEL_MODEL_H
#define HEED_SRC_MODEL_MODEL_H

#include <heed/model.h>

/* Features of a pair, seeds, and classes of pairs at most. */
enum { HEED__MOST_EDGES = 1 << 20, HEED__MOST_SEEDS = 1 << 16, HEED__MOST_CLASSES = 1 << 24 };

typedef enum heed__kind {
  HEED__FEATURES,
  HEED__LINEAR,
  HEED__BIAS,
  HEED__DROPOUT,
  HEED__ACTIVATE,
  HEED__NORMALIZE,
  HEED__ADD,
  HEED__ATTENTION,
  HEED__HEAD_MEAN,
  HEED__POOL,
  HEED__SEEDS, /* the same rows for every graph; no input */
  HEED__JOIN,  /* the rows of a graph side by side */
  HEED__POSITIONS,
  HEED__ROTARY
} heed__kind;

typedef struct heed__layer {
  heed__kind kind;
  int n_inputs;
  heed_value inputs[3]; /* attention: query, key, value */
  heed_value output;
  int tensors[2]; /* weight and bias, gain and shift, a_query and a_key, a; -1: none */
  heed_edge_use edges;
  int edge_tensors[2]; /* edge_bias or lin_edge, and GAT's att_edge; -1: none */
  int relative;   /* the bias by class of a pair, of attention; -1: none */
  int state;      /* the running mean, before the running variance; -1: none */
  heed_activation activation;
  heed_norm norm;
  float epsilon; /* of the norm */
  heed_pooling pooling;
  heed_scope scope;
  heed_attention_spec spec;
  int32_t heads;
  float p;
  float base;  /* of rotary, */
  bool halves; /* and which numbers go together */
  char *name; /* of attention, else NULL */
} heed__layer;

typedef struct heed__value {
  int64_t width;
  int layer;   /* that makes it */
  int32_t per_graph; /* rows a graph has; 0: one row a node; HEED__CONTEXT: one row a node of the context */
} heed__value;

enum { HEED__CONTEXT = -1 };

/* What a tensor holds before training. */
typedef enum heed__start {
  HEED__ZEROS,
  HEED__ONES,
  HEED__GLOROT,
  HEED__FAN_IN,
  HEED__QUADRATIC /* parabolas around centres, of HEED_EDGES_QUADRATIC */
} heed__start;

typedef struct heed__tensor {
  heed_parameter is;
  heed__start start;
  int64_t fan_in; /* of HEED__FAN_IN */
  char *name;
} heed__tensor;

struct heed_model {
  heed__layer *layers;
  heed__value *values;
  heed__tensor *tensors;
  int n_layers, n_values, n_tensors;
  int room_layers, room_values, room_tensors;
  int64_t edge_features; /* of a pair; 0: none */
  int64_t pair_classes;
  int64_t flip_first, flip_columns; /* of the features, in training */
  heed_value context;    /* the features of the context; -1: none */
  float epsilon;         /* of the norms to come */
  int64_t n_parameters, n_state;
  float *parameters;
  float *state;
  heed_value output;
  bool finished;
  bool has_spec;
  bool by_fan_in; /* linear layers start as PyTorch's do */
  heed_model_spec spec;
  heed_status status; /* of the first layer that failed, and its sentence */
  char message[512];
};

/* Keeps the failure that heed_message() tells of, unless there was one before. Gives -1. */
heed_value heed__model_failed(heed_model *model, heed_status status);

/* Whether layers can still be added and `x` is a value; else a failure is kept. */
bool heed__model_takes(heed_model *model, const char *name, heed_value x);

/* `name` followed by `suffix`, in `text`; false and a failure kept if it does not fit. */
enum { HEED__NAME_BYTES = 256 };
bool heed__model_name(heed_model *model, char text[HEED__NAME_BYTES], const char *name,
                      const char *suffix);

/* heed_model_attention(), with or without trained vectors in the scores: without, they are all
 * ones; and with features of pairs, which scope FULL leaves out. Of GAT, ADD comes to one number a
 * head: lin_edge [H * D, Fe] times att_edge [1, H, D], as GATConv has it. */
heed_value heed__model_attention(heed_model *model, const char *name,
                                 const heed_attention_spec *spec, heed_scope scope,
                                 heed_value query, heed_value key, heed_value value, bool vectors,
                                 heed_edge_use edges);

/* The parameter `name`.seeds [seeds, width], those rows once for every graph. */
heed_value heed__model_seeds(heed_model *model, const char *name, int32_t seeds, int64_t width);

/* Whether every number of a spec is one that a model can be made from; errors as heed_model_build(). */
heed_status heed__model_spec_check(const heed_model_spec *spec);

/* heed_model_build() up to heed_model_finish(), which takes the output: nothing of the parameters'
 * size is allocated yet, and heed_model_parameter_count() and heed_model_state_count() say what it
 * will be. */
heed_status heed__model_draft(heed_model **model, const heed_model_spec *spec, heed_value *output);

/* Makes column c of the output scale[c] times what it was, plus shift[c], in the weights of the linear layer
 * that gives it. Without `scale` nothing changes but the status.
 * @return HEED_ARGUMENT where the last layer is not linear with a bias */
heed_status heed__model_rescale(heed_model *model, const double *scale, const double *shift);

/* Masked layers on the longest way from the features to the output. */
heed_status heed__model_hops(const heed_model *model, int *hops);

/* Whether inputs are what a pass of that model takes. */
heed_status heed__pass_check(const heed_model *model, const heed_model_inputs *in);

/* heed_model_infer(), which tells how many bytes it held at most. */
heed_status heed__model_infer(heed_model *model, const heed_model_inputs *inputs, int64_t rows,
                              float *output, size_t *bytes);

/* The numbers of a tensor in heed_model_parameters(), or in heed_model_state(). */
static inline float *heed__tensor_data(const heed_model *model, int tensor) {
  const heed_parameter *is = &model->tensors[tensor].is;
  return (is->trained ? model->parameters : model->state) + is->offset;
}

#endif
