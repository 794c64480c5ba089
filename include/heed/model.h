/** @file
 *  Room model: layers, whole models, their parameters, and passes that run them forward and backward.
 *
 *  A model is a list of layers over values; a value is a matrix [N, width] of which only the width is
 *  known until a pass binds the model to N nodes. The parameters of a model are one flat array, its
 *  gradients another. Layers are added one after another; each takes values and gives one:
 *
 *      heed_model *m;
 *      heed_model_new(&m, n_features);
 *      heed_value x = heed_model_features(m);
 *      x = heed_model_linear(m, "hidden", x, 64, true);
 *      x = heed_model_activate(m, x, HEED_ACTIVATION_RELU);
 *      x = heed_model_linear(m, "out", x, n_classes, true);
 *      heed_model_finish(m, x, seed);
 *
 *  or a whole model is built from a heed_model_spec. */
#ifndef HEED_MODEL_H
#define HEED_MODEL_H

#include <heed/attention.h>
#include <heed/base.h>
#include <heed/mask.h>
#include <heed/matrix.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Layers and parameters. Opaque. */
typedef struct heed_model heed_model;

/** A value in a model, by number; negative once a layer failed. */
typedef int32_t heed_value;

/** Normalisations of a matrix, each with a gain and a shift per column. */
typedef enum heed_norm {
  HEED_NORM_NONE = 0,
  HEED_NORM_LAYER = 1, /**< of each row, epsilon 1e-5 or heed_model_epsilon()'s (Ba et al. 2016) */
  HEED_NORM_BATCH = 2  /**< of each column over the nodes, epsilon alike; evaluation uses the running mean
                            and variance, momentum 0.1 (Ioffe and Szegedy 2015) */
} heed_norm;

/** What masked attention makes of the features of pairs (heed_model_edges()); heed/attention.h has the
 *  formulas. Layers of full scope have no pairs and leave them out. */
typedef enum heed_edge_use {
  HEED_EDGES_NONE = 0,
  HEED_EDGES_BIAS = 1, /**< a learned bias a head: `name`.edge_bias.weight [H, Fe] */
  HEED_EDGES_ADD = 2,  /**< added to key and value (Shi et al. 2021): `name`.lin_edge.weight [H * D, Fe], without
                            bias, serves both, as in PyTorch Geometric's TransformerConv; gatv2, as GATv2Conv has
                            it, adds it in the score alone; gat's is LeakyReLU(... + a_edge . W e), GATConv's,
                            with `name`.att_edge [1, H, D] */
  HEED_EDGES_QUADRATIC = 3 /**< as BIAS, over the features of heed_pairs_quadratic(), and it starts as such: alpha 1
                            and centres drawn from a normal distribution of deviation 2 (Cordonnier et al. 2020) */
} heed_edge_use;

/** What becomes of the heads of an attention layer. */
typedef enum heed_merge {
  HEED_MERGE_CONCAT = 0, /**< [N, H * D] */
  HEED_MERGE_MEAN = 1    /**< [N, D] */
} heed_merge;

/** Which mask an attention layer looks at. */
typedef enum heed_scope {
  HEED_SCOPE_MASKED = 0, /**< the mask of the pass, M */
  HEED_SCOPE_FULL = 1    /**< every node of the same graph, S */
} heed_scope;

/** Pooling over the nodes of a graph. */
typedef enum heed_pooling {
  HEED_POOLING_NONE = -1, /**< of a heed_model_spec: the output is one row a node */
  HEED_POOLING_MEAN = 0,
  HEED_POOLING_SUM = 1,
  HEED_POOLING_MAX = 2
} heed_pooling;

/** @name Building, layer by layer
 *  A layer function returns the new value. A failure (a bad width, a name used twice, no memory) is
 *  remembered, gives -1 and is returned by heed_model_finish(), so calls need no check of their own.
 *  Parameter names are `name` followed by ".weight" and the like, each function says which; shapes
 *  and names are those of PyTorch and PyTorch Geometric, so weights travel both ways.
 *  @{ */

/** An empty model over nodes with `features` numbers each. @return HEED_RANGE, HEED_NOMEM */
HEED_API HEED_CHECKED heed_status heed_model_new(heed_model **model, int64_t features);

/** Ends it; NULL is fine. No pass over it may be used any more. */
HEED_API void heed_model_free(heed_model *model);

/** Says that pairs of the mask have `features` numbers each, heed_model_inputs.edges; before the first layer
 *  that uses them. 0 to say that there are none.
 *  @return HEED_RANGE, HEED_ARGUMENT after heed_model_finish() */
HEED_API HEED_CHECKED heed_status heed_model_edges(heed_model *model, int64_t features);

/** Says that every pair of the mask is of one of so many classes, heed_model_inputs.pair_classes; before the first
 *  layer that learns of them. 0 to say that there are none.
 *  @return HEED_RANGE above 2^24, HEED_ARGUMENT after heed_model_finish() */
HEED_API HEED_CHECKED heed_status heed_model_pair_classes(heed_model *model, int64_t classes);

/** In training each of the features' columns first to first + count - 1 keeps or changes its sign, with probability 1/2
 *  each, anew in every step, for all nodes alike: what Laplacian eigenvectors ask for, whose sign says
 *  nothing (Dwivedi and Bresson 2020, section 2.1). Drawn by (seed, step). Count 0: none.
 *  @return HEED_RANGE where there are no such columns, HEED_ARGUMENT after heed_model_finish() */
HEED_API HEED_CHECKED heed_status heed_model_flip_columns(heed_model *model, int64_t first,
                                                          int64_t count);
/** What is added to the variances of the norms that are added after this call; 1e-5 before it.
 *  @return HEED_RANGE, HEED_ARGUMENT after heed_model_finish() */
HEED_API HEED_CHECKED heed_status heed_model_epsilon(heed_model *model, float epsilon);

/** The features of the pass, dense or sparse. */
HEED_API heed_value heed_model_features(heed_model *model);

/** A second node set, the context, with `features` numbers a node: heed_model_inputs.context. Its values have
 *  one row a node of the context; linear layers, norms, blocks and pooling work on them as on those of nodes.
 *  Attention may have queries of one set and keys and values of the other (cross-attention): of full scope
 *  within each graph; masked from nodes to the context under heed_model_inputs.cross_mask, among the context
 *  under .context_mask. At most one a model. */
HEED_API heed_value heed_model_context(heed_model *model, int64_t features);

/** x W^T + b. Over sparse features it costs their non-zeros. `name`.weight [width, width of x], `name`.bias
 *  [width]; Glorot uniform, zeros. */
HEED_API heed_value heed_model_linear(heed_model *model, const char *name, heed_value x,
                                      int64_t width, bool bias);

/** x + b. `name` itself is the parameter [width of x]; zeros. */
HEED_API heed_value heed_model_bias(heed_model *model, const char *name, heed_value x);

/** In training each number becomes 0 with probability p, the others are divided by 1 - p (Srivastava
 *  et al. 2014); drawn from a counter. Over sparse features it costs their non-zeros. */
HEED_API heed_value heed_model_dropout(heed_model *model, heed_value x, float p);

HEED_API heed_value heed_model_activate(heed_model *model, heed_value x, heed_activation function);

/** Normalises. `name`.weight, `name`.bias [width of x]; ones, zeros. Batch normalisation also keeps
 *  `name`.running_mean and `name`.running_var, which are state, not parameters. */
HEED_API heed_value heed_model_normalize(heed_model *model, const char *name, heed_value x,
                                         heed_norm norm);

/** x + y, of one width: a residual connection. */
HEED_API heed_value heed_model_add(heed_model *model, heed_value x, heed_value y);

/** x plus a learned vector for the position of each node (Gehring et al. 2017): `name`.weight [most, width of x], Glorot
 *  uniform. Positions are heed_model_inputs.positions, of the context .context_positions, below `most`. x is over nodes or the
 *  context. */
HEED_API heed_value heed_model_positions(heed_model *model, const char *name, heed_value x,
                                         int64_t most);

/** Queries or keys, their heads turned by the position of each node (Su et al. 2021): heed_encode_rotary(). No
 *  parameters. x is over nodes or the context; heads must divide its width into even parts. */
HEED_API heed_value heed_model_rotary(heed_model *model, heed_value x, int32_t heads, float base,
                                      bool halves);

/** Makes the attention layer that gave the value `attention` add a learned bias a head by the class of a pair to its
 *  logits (Shaw et al. 2018; Raffel et al. 2020; Ying et al. 2021): `name`.relative_bias [classes, H], zeros.
 *  Of masked scope, a full mask included.
 *  @return `attention` */
HEED_API heed_value heed_model_relative_bias(heed_model *model, heed_value attention);

/** The attention operator. The spec's sizes must be those of the values (width H * D or H * Dv); its
 *  dropout is that of training, its seed is not used. GAT has the parameters `name`.att_dst and
 *  `name`.att_src [1, H, D] (of query and key), GATv2 and additive `name`.att; Glorot uniform. */
HEED_API heed_value heed_model_attention(heed_model *model, const char *name,
                                         const heed_attention_spec *spec, heed_scope scope,
                                         heed_value query, heed_value key, heed_value value);

/** The mean over heads: [N, H * D] to [N, D]. */
HEED_API heed_value heed_model_head_mean(heed_model *model, heed_value x, int32_t heads);

/** Options of a graph attention layer. */
typedef struct heed_gat_options {
  heed_score score;        /**< GAT (Velickovic et al. 2018) or GATv2 (Brody et al. 2022) */
  int32_t heads;
  int32_t dim;             /**< of a head */
  heed_merge merge;
  heed_scope scope;
  float slope;             /**< of LeakyReLU */
  float attention_dropout;
  float value_dropout;     /**< of the projected features as values alone, as the GAT authors' code has it */
  bool share_weights;      /**< GATv2: one projection for queries and keys */
  bool bias;               /**< after merging; GATv2: of the projections too */
  heed_edge_use edges;
  bool relative;           /**< masked: heed_model_relative_bias() */
  heed_kernel kernel;      /**< AUTO: dense where the mask is full, else sparse; never measured */
  heed_normalizer normalizer; /**< SOFTMAX as published */
} heed_gat_options;

/** One layer of GAT or GATv2. Names as in PyTorch Geometric 2.8: GATConv `name`.lin.weight, .att_src,
 *  .att_dst, .bias; GATv2Conv `name`.lin_l.weight, .lin_l.bias (keys), .lin_r.weight, .lin_r.bias
 *  (queries), .att, .bias. */
HEED_API heed_value heed_model_gat(heed_model *model, const char *name, heed_value x,
                                   const heed_gat_options *options);

/** Options of the transformer layers. */
typedef struct heed_block_options {
  int32_t heads;           /**< must divide the width */
  heed_scope scope;
  heed_score score;        /**< DOT as published */
  heed_norm norm;
  bool pre_norm;           /**< norm before attention and feed-forward (Xiong et al. 2020), not after the sum */
  heed_activation activation;
  float expansion;         /**< hidden width of the feed-forward part over the width; 0: no such part */
  float dropout;
  float attention_dropout;
  heed_kernel kernel;      /**< as in heed_gat_options */
  heed_edge_use edges;
  bool relative;           /**< masked: heed_model_relative_bias() */
  float rotary;            /**< above 0: queries and keys through heed_model_rotary() with this base, not by halves */
  heed_normalizer normalizer; /**< SOFTMAX as published; RELU, SIGMOID and LINEAR need no other parameters */
} heed_block_options;

/** linear, activation, dropout, linear, dropout (Vaswani et al. 2017, equation 2); `name`.linear1 and
 *  `name`.linear2. */
HEED_API heed_value heed_model_feed_forward(heed_model *model, const char *name, heed_value x,
                                            int64_t hidden, heed_activation activation,
                                            float dropout);

/** A transformer block: attention and feed-forward, each with norm and residual, over the width of x
 *  (Vaswani et al. 2017; masked: Buterez et al. 2025). `name`.query, .key, .value, .out (linear),
 *  .norm1, .norm2, .linear1, .linear2. */
HEED_API heed_value heed_model_block(heed_model *model, const char *name, heed_value x,
                                     const heed_block_options *options);

/** A decoder block (Vaswani et al. 2017, figure 1, right): self-attention of x, which options->scope says (MASKED
 *  under a causal mask, see heed_mask_causal_blocks()), cross-attention from x to `context` (a value of any width, rows
 *  of the context or of nodes), feed-forward, each with norm and residual, over the width of x. Cross-attention
 *  is under heed_model_inputs.cross_mask, full within each graph where there is none; options->edges are
 *  those of self-attention. `name`.query, .key, .value, .out; .cross_query, .cross_key, .cross_value,
 *  .cross_out; .linear1, .linear2; .norm1, .norm2, .norm3, in PyTorch's order (TransformerDecoderLayer). The
 *  attentions are called `name` and `name`.cross. */
HEED_API heed_value heed_model_decoder_block(heed_model *model, const char *name, heed_value x,
                                             heed_value context, const heed_block_options *options);

/** PyTorch Geometric's TransformerConv (Shi et al. 2021, equation 3, without beta): attention plus a linear
 *  skip. `name`.lin_query, .lin_key, .lin_value, .lin_skip, each .weight, .bias, and .lin_edge.weight. */
HEED_API heed_value heed_model_transformer_conv(heed_model *model, const char *name, heed_value x,
                                                int32_t heads, int32_t dim, heed_merge merge,
                                                heed_scope scope, float attention_dropout,
                                                heed_edge_use edges);

/** One row a graph: [G, width of x]. Values after it have G rows. A graph without nodes gives zeros. */
HEED_API heed_value heed_model_pool(heed_model *model, heed_value x, heed_pooling pooling);

/** Pooling by multi-head attention (Lee et al. 2019, equation 11): `seeds` learned queries, `name`.seeds [seeds,
 *  width of x], each attend to all nodes of a graph, as a transformer block whose residual starts from the
 *  seeds (the names of heed_model_block()). [G * seeds, width of x], the seeds of a graph one after the other;
 *  later layers of full scope see the seeds of their own graph (the decoder of Lee et al., S after P). With
 *  pre_norm .norm1 is of x; the seeds, being learned, need none.
 *  options->scope and ->edges are not read. */
HEED_API heed_value heed_model_pool_attention(heed_model *model, const char *name, heed_value x,
                                              int32_t seeds, const heed_block_options *options);

/** The rows of a graph side by side: [G * seeds, width] to [G, seeds * width]. */
HEED_API heed_value heed_model_join_seeds(heed_model *model, heed_value x);

/** Ends building: `output` is the model's output, parameters are allocated and initialised from
 *  `seed`. @return the first failure of a layer, HEED_OVERFLOW, HEED_NOMEM */
HEED_API HEED_CHECKED heed_status heed_model_finish(heed_model *model, heed_value output,
                                                    uint64_t seed);

/** @}
 *  @name Whole models
 *  @{ */

typedef enum heed_model_kind {
  HEED_MODEL_MLP = 0,
  HEED_MODEL_GAT = 1,
  HEED_MODEL_GATV2 = 2,
  HEED_MODEL_TRANSFORMER = 3
} heed_model_kind;

enum { HEED_MAX_BLOCKS = 64 };

/** A whole model in a few numbers. Start from heed_model_spec_default().
 *
 *  gat, gatv2 without residual: the GAT paper's: dropout, layer, norm (none in the paper), activation,
 *  ...; the last layer gives `outputs`, the mean of `output_heads` heads. gat drops out its projected
 *  features too, as the authors' code does.
 *
 *  With residual: linear, dropout, activation, then per layer x + module(norm(x)), module being linear,
 *  attention and feed-forward, then norm, linear (Platonov et al. 2023, appendix). There gat's
 *  scores are LeakyReLU(u_j + v_i) a head, u (with bias) and v linear in the whole projected row,
 *  as in that paper and not from each head's own part as in heed_model_gat(); the feed-forward part drops
 *  out after its activation, where that paper's code does so before. Without pre_norm a layer is
 *  norm(x + module(x)) and the last norm is left out.
 *
 *  A model of whole graphs has a `pooling`, or a transformer a P among its blocks: "MSMSP" pools by
 *  attention with `seeds` seeds, blocks after P are S (Lee et al. 2019); the seeds are joined before the last
 *  linear layer. Without P the pooling stands before the last linear layer of the frames with residual
 *  and transformers, and without residual after the last layer, which then is like those before it, gives
 *  `hidden`, and is followed by linear "output".
 *
 *  mlp: the same two frames with the attention left out (and its linear, where there is a feed-forward
 *  part). transformer: linear, dropout, activation, blocks, norm if pre_norm, linear.
 *
 *  Parameters are called conv1., conv2., ... (linear1, norm1, ...), with residual input, layers.0., ...,
 *  norm, output, and of a transformer input, blocks.0., ..., norm, output. */
typedef struct heed_model_spec {
  heed_model_kind kind;
  int64_t features;
  int64_t outputs;
  int32_t layers;          /**< for transformer not read: the length of blocks */
  char blocks[HEED_MAX_BLOCKS + 1]; /**< transformer: M (masked), S (full) and at most one P (pooling by
                                         attention), such as "MMSM" or "MSMSP" */
  int64_t hidden;          /**< width between layers, heads * head size */
  int32_t heads;
  int32_t output_heads;    /**< gat, gatv2 without residual */
  bool residual;
  bool pre_norm;
  heed_norm norm;
  heed_activation activation;
  float expansion;         /**< of feed-forward parts */
  float dropout;
  float attention_dropout;
  float slope;
  heed_kernel kernel;
  heed_pooling pooling;    /**< NONE for models of nodes, and of P among the blocks */
  int32_t seeds;           /**< of P */
  int64_t edge_features;   /**< of a pair; 0: none */
  heed_edge_use edges;     /**< of M blocks, gat and gatv2 */
  int64_t pair_classes;    /**< of a pair, with a learned bias in M blocks, gat and gatv2; 0: none */
  int64_t positions;       /**< of a transformer or with residual: a learned vector is added to what the first linear
                                layer gives, "positions", for so many positions; 0: none */
  float rotary;            /**< transformer: base of the rotary encoding in M and S blocks; 0: none */
  int64_t flip_first;      /**< heed_model_flip_columns() */
  int64_t flip_columns;
  heed_normalizer normalizer; /**< of every attention */
} heed_model_spec;

/** A sensible model of that kind, without features and outputs. */
HEED_API heed_model_spec heed_model_spec_default(heed_model_kind kind);

/** Builds it. @return HEED_ARGUMENT, HEED_RANGE, naming the field; as heed_model_finish() */
HEED_API HEED_CHECKED heed_status heed_model_build(heed_model **model, const heed_model_spec *spec,
                                                   uint64_t seed);

/** The spec as text, "kind=gat features=1433 ...", every field, numbers exact; null-terminated in
 *  text[size]. @return HEED_RANGE if size is too small (1024 is enough) */
HEED_API HEED_CHECKED heed_status heed_model_spec_write(const heed_model_spec *spec, char *text,
                                                        size_t size);

/** The spec that such a text describes; fields it leaves out are the kind's default.
 *  @return HEED_FORMAT, naming the word */
HEED_API HEED_CHECKED heed_status heed_model_spec_read(heed_model_spec *spec, const char *text);

HEED_API const char *heed_model_kind_name(heed_model_kind kind);
HEED_API HEED_CHECKED heed_status heed_model_kind_from_name(const char *name, heed_model_kind *kind);
HEED_API const char *heed_norm_name(heed_norm norm);
HEED_API HEED_CHECKED heed_status heed_norm_from_name(const char *name, heed_norm *norm);
HEED_API const char *heed_pooling_name(heed_pooling pooling); /**< "none", "mean", "sum", "max" */
HEED_API HEED_CHECKED heed_status heed_pooling_from_name(const char *name, heed_pooling *pooling);
HEED_API const char *heed_edge_use_name(heed_edge_use use); /**< "none", "bias", "add", "quadratic" */
HEED_API HEED_CHECKED heed_status heed_edge_use_from_name(const char *name, heed_edge_use *use);

/** @}
 *  @name Parameters
 *  @{ */

/** One parameter, or one piece of state that training moves without a gradient (batch norm). */
typedef struct heed_parameter {
  const char *name;
  int n_dims;
  int64_t shape[3]; /**< as PyTorch has it; a weight is [out, in] */
  float *data;      /**< in the model; a weight lies as [in, out] there if `transposed` */
  int64_t size;     /**< numbers */
  int64_t offset;   /**< in heed_model_parameters(), or in heed_model_state() */
  bool transposed;
  bool decays;      /**< a weight that weight decay is for: not a bias, not a norm's */
  bool trained;     /**< false for state */
} heed_parameter;

/** Numbers the model has to learn, and the flat array of them, the caller's to change. */
HEED_API int64_t heed_model_parameter_count(const heed_model *model);
HEED_API float *heed_model_parameters(heed_model *model);
/** Numbers of state and the flat array of them; NULL where there are none. */
HEED_API int64_t heed_model_state_count(const heed_model *model);
HEED_API float *heed_model_state(heed_model *model);
/** How many named parameters and pieces of state there are, and number `index` of them. */
HEED_API int heed_model_tensors(const heed_model *model);
HEED_API heed_parameter heed_model_tensor(const heed_model *model, int index);
/** Copies a parameter out of or into [shape] order, transposing where it must. */
HEED_API void heed_parameter_export(const heed_parameter *parameter, float *into);
HEED_API void heed_parameter_import(const heed_parameter *parameter, const float *from);
/** What a finished model takes and gives. */
HEED_API int64_t heed_model_feature_count(const heed_model *model);
HEED_API int64_t heed_model_output_count(const heed_model *model);
/** The spec that heed_model_build() was given; NULL for a model built by hand. */
HEED_API const heed_model_spec *heed_model_get_spec(const heed_model *model);

/** @}
 *  @name Passes
 *  @{ */

/** What a model runs on; the caller's, to outlive the pass. */
typedef struct heed_model_inputs {
  int64_t n_nodes;
  const heed_matrix *dense;  /**< [N, F] features, or */
  const heed_csr *sparse;    /**< [N, F] features */
  const heed_mask *mask;     /**< N x N; may be NULL where no layer is masked */
  const uint8_t *wanted;     /**< NULL: all; else [N], 1 for nodes whose output is looked at: the pass then
                                  computes what these need alone, and its output has their rows alone, see
                                  heed_pass_nodes(); without meaning to a model that pools or has a context */
  int64_t n_wanted;          /**< in place of `wanted`: the first so many nodes are wanted and nodes stay in their
                                  order, which costs no copy and goes with `edges`: for the batches of a
                                  heed_sampler. 0: all. Only the first nodes, up to the last that the wanted ones
                                  depend on, are computed; not with a model that pools or has a context, or several graphs */
  int64_t n_graphs;          /**< 0: one graph of all nodes */
  const int64_t *graph_ptr;  /**< [n_graphs + 1]: graph g has the nodes graph_ptr[g] .. graph_ptr[g + 1]) */
  const heed_matrix *edges;  /**< [pairs, Fe] features of the mask's pairs, in its order; NULL where the model
                                  has no use for them; not under a full mask */
  const int32_t *positions;  /**< [N], at least 0; NULL: each node's number in its graph. Read where a layer asks for
                                  positions */
  const int32_t *context_positions; /**< [n_context], as positions, of the context */
  const int32_t *pair_classes; /**< [pairs] of the mask's pairs, in its order, below heed_model_pair_classes(); of a
                                  full mask pair i * N + j; NULL where the model has no use for them */
  int64_t n_context;         /**< nodes of the context, this and what follows of a model that has one */
  const heed_matrix *context;     /**< [n_context, Fc] their features, or */
  const heed_csr *context_sparse; /**< [n_context, Fc] */
  const int64_t *context_ptr;     /**< [n_graphs + 1], as graph_ptr, where n_graphs is above 0 */
  const heed_mask *cross_mask;    /**< N x n_context; NULL: a node sees all of its graph's context */
  const heed_mask *context_mask;  /**< n_context x n_context; NULL: full within each graph */
  int n_head_masks;  /**< 0, or in place of `mask` one for each group of heads, see heed_heads_new(): mask_heads[0]
                          heads of every masked layer among the nodes attend over head_masks[0], and so on. `edges`
                          and `pair_classes` are those of the pairs of one mask after the other; `wanted` is then
                          without meaning, `n_wanted` is not */
  const heed_mask *const *head_masks; /**< [n_head_masks], N x N each */
  const int32_t *mask_heads;          /**< [n_head_masks], together the heads of each such layer */
} heed_model_inputs;

/** Groups of heads with masks of their own, at most. */
enum { HEED_MAX_HEAD_MASKS = 64 };

/** The most that a pass is to be bound to; all at least 0. */
typedef struct heed_model_capacity {
  int64_t n_nodes;
  int64_t n_pairs;  /**< of the mask */
  int64_t n_graphs;
  int64_t n_values; /**< non-zeros of features that are sparse; 0: they are dense */
  int64_t n_context;
  int64_t n_context_values; /**< as n_values */
  int64_t n_cross_pairs;    /**< of a cross_mask; 0: there is never one */
  int64_t n_context_pairs;  /**< of a context_mask; 0: there is never one */
  int hops;          /**< 0: all nodes are wanted; else some may be, heed_model_inputs.n_wanted, of which */
  int64_t ends[HEED_MAX_HOPS + 1]; /**< so many nodes are within 0, 1, ..., hops steps of attention, as
                                        heed_sample.ends; n_nodes beyond */
  int n_head_masks;  /**< 0, or inputs have so many masks of heads, in place of a mask. Then: */
  int32_t mask_heads[HEED_MAX_HEAD_MASKS]; /**< the heads of each, as those of the inputs will be */
  int64_t head_pairs[HEED_MAX_HEAD_MASKS]; /**< and its pairs */
} heed_model_capacity;

/** Modes of a forward call. */
typedef enum heed_mode { HEED_MODE_EVALUATE = 0, HEED_MODE_TRAIN = 1 } heed_mode;

/** A model bound to inputs, activations planned. Opaque. */
typedef struct heed_pass heed_pass;

/** Binds a finished model to inputs and reserves all memory: activations, and, if `training`, gradients
 *  and what attention needs to go backward. The model and the inputs must outlive the pass.
 *  @return HEED_SHAPE, HEED_ARGUMENT, HEED_OVERFLOW, HEED_NOMEM */
HEED_API HEED_CHECKED heed_status heed_pass_new(heed_pass **pass, heed_model *model,
                                                const heed_model_inputs *inputs, bool training);

/** A pass that is not bound yet, with memory for any inputs within `capacity`: for batches of small graphs.
 *  `wanted` is NULL; with `hops` it serves batches of a sampler.
 *  @return as heed_pass_new() */
HEED_API HEED_CHECKED heed_status heed_pass_reserve(heed_pass **pass, heed_model *model,
                                                    const heed_model_capacity *capacity,
                                                    bool training);

/** Binds a reserved pass to other inputs, which must outlive its calls until it is bound again. Allocates
 *  nothing. In mode EVALUATE every graph gives the bits it gives in a batch of its own, with kernels AUTO,
 *  SPARSE and REFERENCE. Where pairs are edges with features the rows of
 *  `edges` must lie without gaps. After a failure the pass is bound to nothing.
 *  @return HEED_SHAPE if they are beyond the capacity, HEED_ARGUMENT for a pass that heed_pass_new() made;
 *          else as heed_pass_new() */
HEED_API HEED_CHECKED heed_status heed_pass_bind(heed_pass *pass, const heed_model_inputs *inputs);

/** Ends it; NULL is fine. */
HEED_API void heed_pass_free(heed_pass *pass);

/** Runs the model. Allocates nothing. TRAIN drops out by (seed, step) and moves the state of batch
 *  norm. The result, [rows, outputs], is the pass's, until the next call.
 *  @return HEED_LIBRARY */
HEED_API HEED_CHECKED heed_status heed_pass_forward(heed_pass *pass, heed_mode mode, uint64_t seed,
                                                    uint64_t step, heed_matrix *output);

/** Gradients of the loss with respect to the parameters, after a forward call in mode TRAIN, from its
 *  gradient `d_output` [rows, outputs] with respect to the output, which is not changed. Gradients take
 *  the places of activations, so each forward call serves one backward call. Allocates nothing; the bits
 *  do not depend on the number of threads.
 *  @return HEED_ARGUMENT for a pass not for training or without that forward call, HEED_LIBRARY */
HEED_API HEED_CHECKED heed_status heed_pass_backward(heed_pass *pass, const float *d_output);

/** The gradients, beside heed_model_parameters(); the pass's. */
HEED_API float *heed_pass_gradients(heed_pass *pass);

/** Rows of the output: nodes, or graphs after pooling. */
HEED_API int64_t heed_pass_rows(const heed_pass *pass);

/** The nodes that the rows of the output belong to, [rows], the wanted ones first; NULL: the first ones, in order. */
HEED_API const int32_t *heed_pass_nodes(const heed_pass *pass);

/** Bytes the pass holds. */
HEED_API size_t heed_pass_bytes(const heed_pass *pass);

/** The output of a model for every node in mode EVALUATE, in bounded memory: attention by attention, blocks of rows
 *  one after the other. Beside the inputs and `output` it holds, of all nodes, only keys, values and the narrowest
 *  set of values between two attentions (of a transformer three rows of the model's width a node), and
 *  everything else, such as the hidden width of a feed-forward part, for a block of rows. The bits are
 *  those of a pass over all nodes, with kernels AUTO under a mask, SPARSE and REFERENCE.
 *  @param inputs `wanted` and `n_wanted` are not read; of several graphs, or with a model that pools, it is a
 *         plain pass
 *  @param rows of a block; 0: a sixteenth of the nodes, and 4096 at least
 *  @param output [n_nodes, outputs] (or what the pass's rows are), the caller's
 *  @return as heed_pass_new() and heed_pass_forward(); HEED_RANGE if `rows` is negative */
HEED_API HEED_CHECKED heed_status heed_model_infer(heed_model *model, const heed_model_inputs *inputs,
                                                   int64_t rows, float *output);

/** How many attention layers there are; of number `index` its name, spec and mask. Where heads have masks of their own
 *  each group of a layer's heads is one, one after the other, of the layer's name: the spec's heads are those of the
 *  group, the mask is the one they see. NULL where there is no such layer. */
HEED_API int heed_pass_attentions(const heed_pass *pass);
HEED_API const char *heed_pass_attention(const heed_pass *pass, int index, heed_attention_spec *spec,
                                         const heed_mask **mask);
/** Weights [pairs, H] of that layer, or of that group of its heads, in mode EVALUATE, in the order of its mask. Runs the model for it, with
 *  the parameters of now: an output from before is overwritten by that of mode EVALUATE.
 *  @param weights the caller's
 *  @return HEED_RANGE if there is no such layer, HEED_LIBRARY */
HEED_API HEED_CHECKED heed_status heed_pass_attention_weights(heed_pass *pass, int index,
                                                              float *weights);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
