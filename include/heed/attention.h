/** @file
 *  Room attention: the one operator, attention over the pairs of a mask.
 *
 *  For every query i and head h
 *
 *      out[i, h, :] = sum over j in row i of softmax_j(logit[i, j, h]) value[j, h, :]
 *      logit        = score(query[i, h, :], key[j, h, :]) + bias[i, j, h]
 *
 *  A row without pairs gives zeros. In place of softmax other functions may make weights of logits: see
 *  heed_normalizer. N is the number of queries or keys, E the pairs of the mask,
 *  H the heads, D the key size, Dv the value size. All arrays are row-major floats of the caller
 *  and one row holds all heads of a node.
 *
 *  Pairs may have features of their own, e [E, Fe] (of a chemical bond, say). They come in as
 *
 *      logit += e[i, j, :] . edge_bias[:, h]            a learned bias a head; with GAT within its LeakyReLU
 *      key[j, h, :] + e[i, j, :] edge_key[:, h, :]      in place of the key in the score, and
 *      value[j, h, :] + e[i, j, :] edge_value[:, h, :]  in place of the value (Shi et al. 2021, equation 3)
 *
 *  each where its array is given; nothing of size E x H x D is made for it, E x H at most. */
#ifndef HEED_ATTENTION_H
#define HEED_ATTENTION_H

#include <heed/base.h>
#include <heed/mask.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Score functions. */
typedef enum heed_score {
  /** scale * query . key (Vaswani et al. 2017, equation 1) */
  HEED_SCORE_DOT = 0,
  /** LeakyReLU(a_query . query + a_key . key + e . edge_bias) (Velickovic et al. 2018, equation 3) */
  HEED_SCORE_GAT = 1,
  /** a . LeakyReLU(query + key) (Brody et al. 2022, equation 7) */
  HEED_SCORE_GATV2 = 2,
  /** a . tanh(query + key) (Bahdanau et al. 2015, appendix A.1.2) */
  HEED_SCORE_ADDITIVE = 3
} heed_score;

/** What makes weights of a row's logits. But for softmax a weight depends on its own logit and on n alone, the
 *  row's length: how many pairs the mask gives it, those among them that a bias of minus infinity shuts out.
 *  Such a pair has weight 0 whatever the normaliser. */
typedef enum heed_normalizer {
  /** exp(logit) / the sum of exp(logit) over the row: the weights of a row sum to one */
  HEED_NORMALIZER_SOFTMAX = 0,
  /** max(0, logit) / n (Wortsman et al. 2023, the length to the power of -1) */
  HEED_NORMALIZER_RELU = 1,
  /** 1 / (1 + exp(log(n) - logit)): the sigmoid of the logit with the bias -log(n), so that a row of logits
   *  that are zero sums to about one, as with softmax (Ramapuram et al. 2024) */
  HEED_NORMALIZER_SIGMOID = 2,
  /** logit / n. With the dot product over a full or causal mask or blocks of either (heed_mask_blocks(),
   *  heed_mask_causal_blocks()), and without a bias, features of pairs, dropout or weights that are asked for, the
   *  dense kernel needs O(N D Dv) in place of O(N N (D + Dv)): query . (the sum of key value')
   *  (Katharopoulos et al. 2020, without a feature map) */
  HEED_NORMALIZER_LINEAR = 3
} heed_normalizer;

/** Ways to compute the operator; they agree up to rounding. */
typedef enum heed_kernel {
  HEED_KERNEL_AUTO = 0,     /**< whichever of sparse and dense should be faster here */
  HEED_KERNEL_SPARSE = 1,   /**< one pass over the pairs of a row with an online softmax */
  HEED_KERNEL_DENSE = 2,    /**< tiles of queries and keys, their products in registers */
  HEED_KERNEL_REFERENCE = 3 /**< the formula, plainly, in double precision */
} heed_kernel;

/** How keys and values are kept while pairs gather them. */
typedef enum heed_storage {
  HEED_STORAGE_FLOAT = 0,
  /** bfloat16, 8 bits of significand, rounded to nearest, ties to even: half the bytes a pair. Keys and values
   *  that are two arrays lie side by side, one row a node; each forward call rounds them into a table of the
   *  plan's. Every product and sum stays float. A number is off by at most u = 2^-8 of itself (below 2^-126 by
   *  at most 2^-134; from 255.5 * 2^120 on it is infinite; what is not a number stays so). Where M is the
   *  largest magnitude of a head's values in a row, and L the largest sum over the dimensions of |scale query
   *  key| (dot) or |a key| (gatv2 with a slope within [-1, 1], additive) in it, out is off by at most
   *  u M (1 + L), times 1 / (1 - dropout), beside what the rounding of floats does, and log_sum_exp by at most
   *  u L. GAT's scores come from the floats: its L is 0.
   *  Sparse kernel, softmax, forward calls alone; else heed_attention_new() and heed_attention_prepare_backward()
   *  refuse. */
  HEED_STORAGE_BFLOAT16 = 1
} heed_storage;

/** What to compute. Start from heed_attention_spec_default(). */
typedef struct heed_attention_spec {
  heed_score score;
  int32_t heads;      /**< H, at least 1 */
  int32_t key_dim;    /**< D, at least 1 */
  int32_t value_dim;  /**< Dv, at least 1 */
  float scale;        /**< of the dot product; 0 stands for 1 / sqrt(D) */
  float slope;        /**< of LeakyReLU below zero */
  float dropout;      /**< probability in [0, 1) that a weight becomes 0; the others are divided by
                           1 - dropout (Srivastava et al. 2014) */
  uint64_t seed;      /**< of the dropout: the fate of (pair, head) depends on this alone */
  heed_kernel kernel;
  heed_storage storage;
  int32_t edge_dim;   /**< Fe, features of a pair; 0: none, and only then the mask may be full */
  heed_normalizer normalizer;
} heed_attention_spec;

/** What to compute it from; nothing here is changed or kept. */
typedef struct heed_attention_inputs {
  const float *query;   /**< [n_queries, H, D] */
  const float *key;     /**< [n_keys, H, D] */
  const float *value;   /**< [n_keys, H, Dv]; NULL: the keys are the values, and Dv must be D */
  const float *a_query; /**< [H, D], only GAT */
  const float *a_key;   /**< [H, D], only GAT */
  const float *a;       /**< [H, D], only GATv2 and additive */
  const float *bias;    /**< NULL, or [n_pairs, bias_heads] in mask order, added to the logits; minus
                             infinity shuts a pair out */
  int32_t bias_heads;   /**< H, or 1: the same for all heads; read only with a bias */
  const float *edges;      /**< [n_pairs, Fe] in mask order, only with edge_dim above 0; at least one of: */
  const float *edge_bias;  /**< [Fe, H], or NULL */
  const float *edge_key;   /**< [Fe, H, D], or NULL; not with GAT: there edge_bias = a_edge . W makes
                                LeakyReLU(a_query . query + a_key . key + a_edge . W e) */
  const float *edge_value; /**< [Fe, H, Dv], or NULL */
} heed_attention_inputs;

/** Where to put it. */
typedef struct heed_attention_outputs {
  float *out;            /**< [n_queries, H, Dv] */
  float *weights;        /**< NULL, or [n_pairs, H] in mask order: the weights as applied to the
                              values, after dropout */
  float *log_sum_exp;    /**< NULL, or [n_queries, H]: log of the sum of exp(logit), minus infinity
                              for an empty row; with another normaliser than softmax log(n) */
  float *steep;          /**< NULL, or [n_queries, H, Dv + 1], with GAT and a plan prepared for backward
                              calls: sums that spare the backward call of these inputs one of its two
                              passes over the pairs. What lies where is the plan's own business.
                              heed_heads of several groups leave it alone, and do not read it */
} heed_attention_outputs;

/** What a plan came to, and what it should cost. */
typedef struct heed_attention_cost {
  heed_kernel kernel;    /**< the kernel, never AUTO */
  double sparse_seconds; /**< of the forward pass, predicted for the threads of now; like the three
                              below only from heed_attention_predict(), 0 from a plan */
  double dense_seconds;
  size_t sparse_bytes;   /**< memory beyond inputs and outputs */
  size_t dense_bytes;
  size_t bytes;          /**< of the kernel chosen */
} heed_attention_cost;

/** A prepared attention: the kernel chosen, the work divided, the memory reserved. Opaque. */
typedef struct heed_attention heed_attention;

/** Dot product, the given sizes, slope 0.2, no dropout, kernel AUTO. */
HEED_API heed_attention_spec heed_attention_spec_default(int32_t heads, int32_t dim);

/** Prepares attention with `spec` over `mask`; the mask must outlive the plan. `heed_threads()` is
 *  read at each forward call, up to the number it had here.
 *  The first AUTO plan of some sizes whose choice is not plain measures the machine for some tens of
 *  milliseconds; the choice does not depend on the number of threads.
 *  @return HEED_ARGUMENT, HEED_RANGE, HEED_VALUE for a scale or slope that is not finite, HEED_SHAPE for a mask
 *          whose pairs disagree with its rows, HEED_OVERFLOW or HEED_NOMEM */
HEED_API HEED_CHECKED heed_status heed_attention_new(heed_attention **plan,
                                                     const heed_attention_spec *spec,
                                                     const heed_mask *mask);

/** Ends a plan; NULL is fine. */
HEED_API void heed_attention_free(heed_attention *plan);

/** Computes. Allocates nothing. A plan serves one call at a time; different plans may run at once
 *  in different threads of the caller. The bits of the result depend on the inputs, the spec, the
 *  kernel and the instruction set, never on the number of threads.
 *  @return HEED_ARGUMENT if an array is missing or superfluous, HEED_SHAPE if keys cannot be the values or the heads
 *          of the bias are neither one nor H */
HEED_API HEED_CHECKED heed_status heed_attention_forward(heed_attention *plan,
                                                         const heed_attention_inputs *inputs,
                                                         const heed_attention_outputs *outputs);

/** What a backward call is given beside the inputs of the forward call it belongs to, and where the
 *  gradients go. A gradient is NULL where it is not wanted, else it is overwritten. The gradients of
 *  inputs that are one array may be one array too, which gets their sum, if their rows are of one size. */
typedef struct heed_attention_gradients {
  const float *out;         /**< [n_queries, H, Dv] as the forward call left it; not read, and may be NULL,
                                 with another normaliser than softmax, */
  const float *log_sum_exp; /**< [n_queries, H], likewise */
  const float *d_out;       /**< [n_queries, H, Dv] gradient of the loss with respect to out */
  float *query;             /**< [n_queries, H, D] */
  float *key;               /**< [n_keys, H, D]; where the keys are the values (value NULL), both parts */
  float *value;             /**< [n_keys, H, Dv]; NULL where the inputs have no value */
  float *a_query;           /**< [H, D], only GAT */
  float *a_key;             /**< [H, D], only GAT */
  float *a;                 /**< [H, D], only GATv2 and additive */
  float *bias;              /**< [n_pairs, bias_heads] in mask order, only with a bias; 0 at pairs shut out */
  float *edge_bias;         /**< [Fe, H], only where the inputs have it, as the next two */
  float *edge_key;          /**< [Fe, H, D] */
  float *edge_value;        /**< [Fe, H, Dv] */
  const float *steep;       /**< NULL, or as the forward call of this plan left it, with the same dropout */
} heed_attention_gradients;

/** Reserves what the backward pass needs: the transposed mask and two numbers a query and head, with features
 *  of pairs also two a pair and head, never one a pair and dimension. Call it once after heed_attention_new(); the forward call is not
 *  changed by it.
 *  @param transposed the mask's transpose with the pair numbers `pairs` that heed_mask_transpose()
 *         gave, both to outlive the plan, so that plans over one mask share them; NULL and NULL: the
 *         plan makes its own where it needs one. A full mask or one of runs needs no `pairs`
 *  @return HEED_ARGUMENT with a storage other than float or with only one of `transposed` and `pairs`, HEED_SHAPE,
 *          HEED_RANGE if the transpose would have more than 2^31 - 1 keys, HEED_OVERFLOW or HEED_NOMEM; the plan
 *          then serves forward calls as before */
HEED_API HEED_CHECKED heed_status heed_attention_prepare_backward(heed_attention *plan,
                                                                  const heed_mask *transposed,
                                                                  const int64_t *pairs);

/** Computes gradients. The weights are computed again, softmax's from `log_sum_exp` (Dao et al. 2022,
 *  algorithm 4), with the dropout of the plan's spec as it is now. Allocates nothing; a row without pairs has
 *  gradient zero. The bits do not depend on the number of threads.
 *  @return HEED_ARGUMENT if an array is missing or superfluous, or the plan was not prepared; HEED_SHAPE as the
 *          forward call, or if gradients of rows of different sizes are one array */
HEED_API HEED_CHECKED heed_status heed_attention_backward(heed_attention *plan,
                                                          const heed_attention_inputs *inputs,
                                                          const heed_attention_gradients *gradients);

/** Another dropout for the calls to come: another probability and seed, 0 to compute without. For a
 *  plan that serves training and evaluation in turn; allocates nothing.
 *  @return HEED_ARGUMENT if the probability is not in [0, 1) */
HEED_API HEED_CHECKED heed_status heed_attention_set_dropout(heed_attention *plan, float dropout,
                                                             uint64_t seed);

/** What the plan chose and what it should cost. */
HEED_API heed_attention_cost heed_attention_plan_cost(const heed_attention *plan);

/** What sparse and dense attention would cost, without preparing anything: what AUTO would choose,
 *  with predicted times from a cost model fitted to this machine on first use. */
HEED_API HEED_CHECKED heed_status heed_attention_predict(const heed_attention_spec *spec,
                                                         const heed_mask *mask,
                                                         heed_attention_cost *cost);

/** Prepares, computes and ends in one call. */
HEED_API HEED_CHECKED heed_status heed_attend(const heed_attention_spec *spec,
                                              const heed_mask *mask,
                                              const heed_attention_inputs *inputs,
                                              const heed_attention_outputs *outputs);

/** @name Heads that see different pairs
 *  Groups of heads, one after the other, each over a mask of its own: some heads over the edges of a graph, some over
 *  all nodes (as Child et al. 2019, section 4.3, and Beltagy et al. 2020, section 3.1, split their heads). A
 *  group has a kernel of its own: one over a full mask or a window runs in tiles, one over a graph by pairs. Arrays
 *  are those of heed_attention with all H heads; what belongs to pairs is group after group: weights, and a bias a
 *  head, are [n_pairs of its mask, its heads] each, a shared bias [n_pairs] and features of pairs [n_pairs, Fe].
 *  The heads of a group are brought together in buffers of the plan, as large as the arrays of its largest
 *  group. Results are those of a plan for each group alone, bit by bit; group g drops out by the seed plus
 *  g * 0x9e3779b97f4a7c15.
 *  @{ */

/** A prepared attention of groups of heads. Opaque. */
typedef struct heed_heads heed_heads;

/** Prepares. Heads heads[0] + ... + heads[g - 1] and following, heads[g] of them, attend over masks[g].
 *  @param masks [groups], of one shape; they must outlive the plan
 *  @param heads [groups], at least 1 each, together spec->heads
 *  @return as heed_attention_new(); HEED_SHAPE if the masks or the heads disagree, HEED_RANGE */
HEED_API HEED_CHECKED heed_status heed_heads_new(heed_heads **plan, const heed_attention_spec *spec,
                                                 int groups, const heed_mask *const *masks,
                                                 const int32_t *heads);

/** Ends a plan; NULL is fine. */
HEED_API void heed_heads_free(heed_heads *plan);

/** As heed_attention_forward(). */
HEED_API HEED_CHECKED heed_status heed_heads_forward(heed_heads *plan,
                                                     const heed_attention_inputs *inputs,
                                                     const heed_attention_outputs *outputs);

/** As heed_attention_prepare_backward(); each group makes the transpose it needs. */
HEED_API HEED_CHECKED heed_status heed_heads_prepare_backward(heed_heads *plan);

/** As heed_attention_backward(). */
HEED_API HEED_CHECKED heed_status heed_heads_backward(heed_heads *plan,
                                                      const heed_attention_inputs *inputs,
                                                      const heed_attention_gradients *gradients);

/** As heed_attention_set_dropout(). */
HEED_API HEED_CHECKED heed_status heed_heads_set_dropout(heed_heads *plan, float dropout,
                                                         uint64_t seed);

/** What the plan of a group chose and what it should cost. */
HEED_API heed_attention_cost heed_heads_plan_cost(const heed_heads *plan, int group);

/** @} */

/** Names as the command line has them: "dot", "gat", "gatv2", "additive". */
HEED_API const char *heed_score_name(heed_score score);

/** The score of that name.
 *  @return HEED_ARGUMENT, with the names there are */
HEED_API HEED_CHECKED heed_status heed_score_from_name(const char *name, heed_score *score);

/** Names as the command line has them: "auto", "sparse", "dense", "reference". */
HEED_API const char *heed_kernel_name(heed_kernel kernel);

/** The kernel of that name.
 *  @return HEED_ARGUMENT, with the names there are */
HEED_API HEED_CHECKED heed_status heed_kernel_from_name(const char *name, heed_kernel *kernel);

/** Names as the command line has them: "softmax", "relu", "sigmoid", "linear". */
HEED_API const char *heed_normalizer_name(heed_normalizer normalizer);

/** The normaliser of that name.
 *  @return HEED_ARGUMENT, with the names there are */
HEED_API HEED_CHECKED heed_status heed_normalizer_from_name(const char *name,
                                                            heed_normalizer *normalizer);

HEED_API const char *heed_storage_name(heed_storage storage); /**< "float", "bfloat16" */
HEED_API HEED_CHECKED heed_status heed_storage_from_name(const char *name, heed_storage *storage);

/** The instruction set the kernels use: "avx512", "avx2" or "portable". Chosen once: the best the
 *  processor has, or the one HEED_ISA names if the processor has it. */
HEED_API const char *heed_isa(void);

/** @name What this machine can do, and what an attention has to do
 *  So how long it must take at least: the floor that `heed bench` holds every measured time against.
 *  Everything is measured with heed_threads() threads and the instruction set in use, and is the best
 *  of several runs, at least three, for about `seconds` (0: three runs).
 *  @{ */

/** Where a table lies that is read again and again. */
typedef enum heed_level {
  HEED_LEVEL_L2 = 0,    /**< half of a core's second-level cache */
  HEED_LEVEL_L3 = 1,    /**< a quarter of the third-level cache */
  HEED_LEVEL_MEMORY = 2 /**< seven times the third-level cache, 256 MiB to 1 GiB */
} heed_level;

#define HEED_LEVELS 3

/** Sizes of the rows that are gathered. */
#define HEED_MACHINE_ROWS 4

/** How fast a table of one level is read; GB are 10^9 bytes. */
typedef struct heed_bandwidth {
  int64_t bytes;                           /**< of the table, which all threads share */
  double stream_gbytes;                    /**< one row after the other */
  double gather_gbytes[HEED_MACHINE_ROWS]; /**< rows of heed_machine_row_bytes() at random, asked for
                                                ahead of time where that is faster */
} heed_bandwidth;

/** Rates of this machine. */
typedef struct heed_machine {
  int threads;
  double vector_gflops;  /**< fused multiply-adds in registers, two operations each */
  double product_gflops; /**< the matrix library, square product */
  double exponentials;   /**< the kernels' own exponential, 10^9 a second */
  heed_bandwidth levels[HEED_LEVELS];
} heed_machine;

/** 32, 256, 512 and 2048; `index` from 0 to HEED_MACHINE_ROWS - 1. */
HEED_API int heed_machine_row_bytes(int index);

/** "L2", "L3" and "memory". */
HEED_API const char *heed_level_name(heed_level level);

/** Measures arithmetic alone: the fields before `levels`.
 *  @return as heed_machine_measure() */
HEED_API HEED_CHECKED heed_status heed_measure_arithmetic(heed_machine *machine, double seconds);

/** Measures everything; `seconds` in all, to which filling the tables comes on top.
 *  @return HEED_ARGUMENT if `seconds` is negative, HEED_NOMEM, HEED_LIBRARY */
HEED_API HEED_CHECKED heed_status heed_machine_measure(heed_machine *machine, double seconds);

/** How fast rows of `row_bytes`, one a key, are read in the order in which the pairs of `mask` name
 *  them: the memory's limit for that graph in that order. The rows of a mask that is full or of runs, or
 *  has no pairs, are read one after the other.
 *  @param row_bytes a multiple of 4; rows start on lines of the cache, short ones on powers of two
 *  @return HEED_ARGUMENT, HEED_NOMEM */
HEED_API HEED_CHECKED heed_status heed_measure_gather(const heed_mask *mask, int64_t row_bytes,
                                                      double seconds, double *gbytes);

/** How fast a table of `bytes` is read from one end to the other, again and again.
 *  @return HEED_ARGUMENT, HEED_NOMEM */
HEED_API HEED_CHECKED heed_status heed_measure_stream(int64_t bytes, double seconds,
                                                      double *gbytes);

/** The calls of an attention. */
typedef enum heed_call { HEED_CALL_FORWARD = 0, HEED_CALL_BACKWARD = 1 } heed_call;

/** What one call has to do at least, whoever writes it, as long as nothing a pair and dimension is
 *  stored:
 *
 *  - Sparse forward: each pair gathers the row of its key and of its value (one row where the keys are
 *    the values; with GAT one number a head in place of the key), reads its index and computes its
 *    score, one exponential a head and the sum of the values.
 *  - Sparse backward: the same gathers for the gradients of the queries; then, in the order of the
 *    transposed mask, each pair gathers the row of its query, its row of d_out and two statistics a
 *    head, for the gradients of keys and values. Either way the weights are computed again, but with features
 *    of pairs under softmax with dot or GAT only once: two numbers a pair and head, which are not counted, may
 *    keep them for the second time.
 *    With GAT and softmax, without features, only the second is counted: the forward call may leave what spares the first.
 *    Where GAT's queries, keys and values are one array, it is read once and its gradient written once.
 *  - bfloat16: the rows that are gathered have half the bytes, but for GAT's number a head; keys and values
 *    are read and the rows written one after the other before.
 *  - Dense: queries, keys, values, outputs and gradients pass by once and every pair is computed once,
 *    backward too (which is the sparse kernel's for any score but the dot product).
 *  - Normalisers other than softmax: their own few operations a pair; only the sigmoid has an exponential.
 *    Backward neither `out` nor statistics of rows are read, but their lengths. What linear attention may
 *    compute without pairs (see HEED_NORMALIZER_LINEAR) is counted so.
 *
 *  An operation is an addition, a multiplication or a comparison of two numbers; a tanh counts as an
 *  exponential. Dropout, weights and log_sum_exp that are written out are not counted. */
typedef struct heed_work {
  int64_t row_bytes[2];   /**< what a pair gathers: in the order of the mask, a row a key; in the order
                               of its transpose, a row a query */
  double gathered_bytes[2];
  double streamed_bytes;  /**< read or written one after the other, each once */
  double operations;
  double exponentials;
} heed_work;

/** Counts the work of one call. Of `inputs` only which arrays are there, and which are one, matters.
 *  @param spec its kernel is not AUTO: see heed_attention_plan_cost(); the reference counts as sparse
 *  @return HEED_ARGUMENT and what heed_attention_new() returns for a spec or mask that is wrong */
HEED_API HEED_CHECKED heed_status heed_attention_work(const heed_attention_spec *spec,
                                                      const heed_mask *mask,
                                                      const heed_attention_inputs *inputs,
                                                      heed_call call, heed_work *work);

/** Rates that belong to one piece of work. */
typedef struct heed_work_rates {
  double gather_gbytes[2]; /**< heed_measure_gather() of the mask and of its transpose; not read where
                                nothing is gathered */
  double stream_gbytes;    /**< heed_measure_stream() of all arrays of the call together */
  double gflops;           /**< of the vector units, or of matrix products for dense dot products */
  double exponentials;     /**< 10^9 a second */
} heed_work_rates;

/** The least time. Memory works while the vector units do, which are either at operations or at
 *  exponentials: seconds = max(memory, arithmetic). */
typedef struct heed_floor {
  double seconds;
  double memory;     /**< gathered and streamed bytes over their bandwidths */
  double arithmetic; /**< operations and exponentials over their rates */
} heed_floor;

/** The floor of `work` at `rates`. */
HEED_API heed_floor heed_work_floor(const heed_work *work, const heed_work_rates *rates);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
