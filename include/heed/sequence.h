/** @file
 *  Room sequence: token ids as features, decoding step by step, pretrained encoders. */
#ifndef HEED_SEQUENCE_H
#define HEED_SEQUENCE_H

#include <heed/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/** @name Token ids as features
 *  A row of sparse features with ones in the columns of a token, of its position and of its segment, times a weight
 *  (a linear layer), is the sum of their embeddings; it costs these columns alone, forward and backward.
 *  @{ */

/** Which columns stand for what: tokens first, then positions, then segments. */
typedef struct heed_embedding {
  int64_t tokens;    /**< ids from 0 to tokens - 1 */
  int64_t positions; /**< in a sequence, from 0 on; 0: they are not told */
  int64_t segments;  /**< ids from 0 on; 0: they are not told */
} heed_embedding;

/** The features of a model over it: tokens + positions + segments. */
HEED_API int64_t heed_embedding_columns(const heed_embedding *embedding);

/** The non-zeros of n rows: 1 to 3 each. */
HEED_API int64_t heed_embedding_values(const heed_embedding *embedding, int64_t n);

/** The features of a batch of sequences, over arrays of the caller's, in which `features` then lies. Allocates
 *  nothing.
 *  @param ptr      [sequences + 1]: sequence s has the places ptr[s] .. ptr[s + 1]), from 0 on
 *  @param tokens   [n = ptr[sequences]]
 *  @param segments [n]; NULL: all 0
 *  @param indptr   [n + 1]
 *  @param indices  [heed_embedding_values(embedding, n)]
 *  @return HEED_RANGE naming the sequence and the place of a token, position or segment that has no column,
 *          HEED_ARGUMENT */
HEED_API HEED_CHECKED heed_status heed_embedding_features(const heed_embedding *embedding,
                                                          int64_t sequences, const int64_t *ptr,
                                                          const int32_t *tokens,
                                                          const int32_t *segments, int64_t *indptr,
                                                          int32_t *indices, heed_csr *features);

/** @}
 *  @name Decoding
 *  A model whose masked self-attention is causal gives at each place what it would give if the sequence ended there.
 *  A decoder computes it place by place, and keeps the keys and values of what came before: a step costs the layers
 *  over one row a sequence and attention over what is decoded. What does not depend on the nodes (an encoder over
 *  the context) is computed once a batch.
 *
 *  The numbers are those of the whole causal pass (heed_mask_causal_blocks()): the same bits as a reserved
 *  pass over the same sequences gives with kernels AUTO, SPARSE and REFERENCE.
 *  @{ */

/** A decoder of a model. Opaque. */
typedef struct heed_decoder heed_decoder;

/** The most there will be. */
typedef struct heed_decoder_capacity {
  int64_t sequences; /**< at once */
  int64_t length;    /**< tokens that one sequence takes */
  int64_t window;    /**< each place sees itself and so many before it; 0: all before it */
  int64_t n_context; /**< nodes of the context of all sequences */
  int64_t n_context_values; /**< non-zeros of a sparse context; 0: it is dense */
} heed_decoder_capacity;

/** What a batch of sequences sees. */
typedef struct heed_decoder_context {
  int64_t sequences;
  const int64_t *ptr;       /**< [sequences + 1]: sequence s sees the nodes ptr[s] .. ptr[s + 1]) */
  const heed_matrix *dense; /**< [ptr[sequences], features of the context], or */
  const heed_csr *sparse;
} heed_decoder_context;

/** A decoder of a finished model over the features of `embedding` (segment 0), which must outlive it. Its layers over
 *  nodes are linear layers, norms, activations, positions, rotary and the like, masked attention among nodes, and
 *  attention to the context or to what was pooled from it, full within each sequence.
 *  @return HEED_ARGUMENT naming a layer that cannot be decoded, HEED_SHAPE, HEED_RANGE, HEED_OVERFLOW, HEED_NOMEM */
HEED_API HEED_CHECKED heed_status heed_decoder_new(heed_decoder **decoder, heed_model *model,
                                                   const heed_embedding *embedding,
                                                   const heed_decoder_capacity *capacity);

/** Ends it; NULL is fine. */
HEED_API void heed_decoder_free(heed_decoder *decoder);

/** Begins a batch: every sequence is empty. Runs what depends on the context alone. Allocates nothing. Of the
 *  context of a model without one only `sequences` is read.
 *  @return as heed_pass_bind(); HEED_LIBRARY */
HEED_API HEED_CHECKED heed_status heed_decoder_begin(heed_decoder *decoder,
                                                     const heed_decoder_context *context);

/** One more token a sequence, tokens[sequences]; below 0: none, of a sequence that has ended, which then costs nothing.
 *  `logits` [sequences, outputs] is the model's output at these tokens, zeros where there is none; the
 *  decoder's, until the next call. Allocates nothing.
 *  @return HEED_RANGE for a token that has no column or a sequence that is full, before anything is changed;
 *          HEED_ARGUMENT before heed_decoder_begin(); HEED_LIBRARY */
HEED_API HEED_CHECKED heed_status heed_decoder_step(heed_decoder *decoder, const int32_t *tokens,
                                                    heed_matrix *logits);

/** Decodes the batch that has begun to its end, each token being the one of largest logit after the one before (the
 *  first of equals), the first being `start`: until a sequence gives `end` or is full. The outputs must be
 *  logits of the tokens.
 *  @param tokens  [sequences, length of the capacity], without `start` and `end`; the rest is -1
 *  @param lengths [sequences]
 *  @return HEED_VALUE if a logit is not a number; as heed_decoder_step() */
HEED_API HEED_CHECKED heed_status heed_decoder_greedy(heed_decoder *decoder, int32_t start,
                                                      int32_t end, int32_t *tokens,
                                                      int64_t *lengths);

/** Bytes the decoder holds: most are keys and values. */
HEED_API size_t heed_decoder_bytes(const heed_decoder *decoder);

/** @}
 *  @name Pretrained encoders
 *  @{ */

/** A BERT encoder (Devlin et al. 2019): embeddings of tokens, positions and segments, norm, post-norm blocks with GELU,
 *  and a pooler. Opaque. */
typedef struct heed_bert heed_bert;

/** What it is: sizes from the shapes of its tensors, the rest from its config.json. */
typedef struct heed_bert_sizes {
  heed_embedding embedding;
  int64_t hidden;
  int64_t feed_forward;
  int32_t layers;
  int32_t heads;
  bool pooler; /**< whether the file had one */
  float epsilon; /**< of the norms */
  heed_activation activation;
} heed_bert_sizes;

/** What heed_bert_encode() gives. */
typedef enum heed_bert_output {
  HEED_BERT_TOKENS = 0, /**< [n, hidden]: a vector a token, the last layer's */
  HEED_BERT_POOLED = 1, /**< [sequences, hidden]: tanh(W x + b) of the first token's */
  HEED_BERT_MEAN = 2,   /**< [sequences, hidden]: the mean of the tokens' */
  HEED_BERT_UNIT = 3    /**< the mean divided by its length: a sentence embedding (Reimers and Gurevych 2019) */
} heed_bert_output;

/** Reads one as it is published: a folder with model.safetensors and config.json, or a safetensors file alone. Tensors
 *  have the public names: embeddings.word_embeddings.weight, .position_embeddings.weight,
 *  .token_type_embeddings.weight, .LayerNorm.weight, .bias; encoder.layer.N.attention.self.query.weight, .bias,
 *  .key, .value, .attention.output.dense, .attention.output.LayerNorm, .intermediate.dense, .output.dense,
 *  .output.LayerNorm; pooler.dense, which may be missing; all of them with or without a prefix ("bert."),
 *  .LayerNorm.gamma and .beta for weight and bias too. Other tensors are left alone. F32, F64, F16, BF16.
 *
 *  Of config.json is read what tensors do not tell: num_attention_heads, layer_norm_eps (1e-12 where it is missing)
 *  and hidden_act (gelu where it is missing; relu, leaky_relu, tanh). Where it tells sizes (vocab_size,
 *  max_position_embeddings, type_vocab_size, hidden_size, intermediate_size, num_hidden_layers), they must be the
 *  tensors'. Dropout is 0. A folder without config.json is its model.safetensors.
 *  @param heads of attention, where there is no config.json to tell them; 0: it does
 *  @return HEED_IO; HEED_FORMAT naming a tensor that is missing or has another shape, or a setting of another type;
 *          HEED_SHAPE where two numbers contradict each other, with both, or heads do not divide hidden; HEED_RANGE
 *          for a setting that cannot be; HEED_UNSUPPORTED naming an activation, or another kind of model or of
 *          positions; HEED_ARGUMENT if nothing tells the heads; HEED_VALUE for a number that is not finite;
 *          HEED_OVERFLOW, HEED_NOMEM */
HEED_API HEED_CHECKED heed_status heed_bert_read(heed_bert **bert, const char *path, int32_t heads);

/** Ends it; NULL is fine. */
HEED_API void heed_bert_free(heed_bert *bert);

HEED_API heed_bert_sizes heed_bert_get_sizes(const heed_bert *bert);

/** The model without the pooler: features as heed_embedding_features(), output a vector a token; attention is of
 *  full scope, within each graph. The encoder's, for passes of one's own, such as training. Parameters are called
 *  embeddings (weight [hidden, columns]), embeddings.norm and blocks.0, blocks.1, ... as heed_model_block()
 *  names them. */
HEED_API heed_model *heed_bert_model(heed_bert *bert);

/** Encodes a batch of sequences of any lengths: each attends to itself alone, without padding. Sequences without tokens
 *  give zeros.
 *  @param ptr, tokens, segments as heed_embedding_features()
 *  @param into  the caller's, see ::heed_bert_output
 *  @return HEED_RANGE for ids without an embedding and sequences longer than there are positions,
 *          HEED_ARGUMENT, also for POOLED without a pooler; HEED_NOMEM, HEED_LIBRARY */
HEED_API HEED_CHECKED heed_status heed_bert_encode(heed_bert *bert, int64_t sequences,
                                                   const int64_t *ptr, const int32_t *tokens,
                                                   const int32_t *segments, heed_bert_output output,
                                                   float *into);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
