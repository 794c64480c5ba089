/* The config.json that public checkpoints of BERT carry beside their tensors. */
#include <math.h>
#include <string.h>

#include "base/status.h"
#include "data/json.h"
#include "sequence/bert.h"

/* Whole numbers that are told; the first of them are told by tensors too. */
enum { WHOLES = 7, OF_TENSORS = 6 };

heed_bert_sizes heed__bert_untold(void) {
  return (heed_bert_sizes){.epsilon = 1e-12F, .activation = HEED_ACTIVATION_GELU};
}

static const char *const wholes[WHOLES] = {
    "vocab_size",        "max_position_embeddings", "type_vocab_size",    "hidden_size",
    "intermediate_size", "num_hidden_layers",       "num_attention_heads"};

static void list_wholes(const heed_bert_sizes *sizes, int64_t numbers[WHOLES]) {
  int64_t list[WHOLES] = {sizes->embedding.tokens,
                          sizes->embedding.positions,
                          sizes->embedding.segments,
                          sizes->hidden,
                          sizes->feed_forward,
                          sizes->layers,
                          sizes->heads};
  memcpy(numbers, list, sizeof list);
}

heed_status heed__bert_agree(const char *config, const heed_bert_sizes *told, const char *path,
                             const heed_bert_sizes *sizes) {
  int64_t there[WHOLES], here[WHOLES];
  list_wholes(told, there);
  list_wholes(sizes, here);
  for (int i = 0; i < OF_TENSORS; i++) {
    if (there[i] == 0 || there[i] == here[i]) continue;
    return heed__fail(HEED_SHAPE, "%s: %s is %lld, but %s has %lld", config, wholes[i],
                      (long long)there[i], path, (long long)here[i]);
  }
  return HEED_OK;
}

static heed_status read_activation(const heed__json *file, heed_activation *activation) {
  static const struct {
    const char *name;
    heed_activation is;
  } known[] = {
      {"gelu", HEED_ACTIVATION_GELU}, /* the exact one; "gelu_new" and others come near it */
      {"gelu_python", HEED_ACTIVATION_GELU},
      {"relu", HEED_ACTIVATION_RELU},
      {"leaky_relu", HEED_ACTIVATION_LEAKY_RELU},
      {"tanh", HEED_ACTIVATION_TANH}};
  const char *name = NULL;
  HEED__TRY(heed__json_text(file, "hidden_act", &name));
  if (name == NULL) return HEED_OK;
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (strcmp(name, known[i].name) != 0) continue;
    *activation = known[i].is;
    return HEED_OK;
  }
  return heed__fail(HEED_UNSUPPORTED,
                    "%s: hidden_act is '%.64s', none of gelu, relu, leaky_relu, tanh", file->path,
                    name);
}

/* A text that must be `only`, where there is one: other encoders have the same tensors, and compute
 * another thing. */
static heed_status read_only(const heed__json *file, const char *name, const char *only) {
  const char *text = only;
  HEED__TRY(heed__json_text(file, name, &text));
  if (strcmp(text, only) == 0) return HEED_OK;
  return heed__fail(HEED_UNSUPPORTED, "%s: %s is '%.64s', not '%s'", file->path, name, text, only);
}

static heed_status read_settings(const heed__json *file, heed_bert_sizes *told) {
  int64_t n[WHOLES] = {0};
  double epsilon = (double)told->epsilon;
  bool decoder = false;
  HEED__TRY(read_only(file, "model_type", "bert"));
  HEED__TRY(read_only(file, "position_embedding_type", "absolute"));
  HEED__TRY(heed__json_flag(file, "is_decoder", &decoder));
  if (decoder) return heed__fail(HEED_UNSUPPORTED, "%s: is_decoder is true", file->path);
  for (int i = 0; i < WHOLES; i++) {
    HEED__TRY(heed__json_whole(file, wholes[i], 1, INT32_MAX, &n[i]));
  }
  HEED__TRY(heed__json_number(file, "layer_norm_eps", &epsilon));
  if (!((float)epsilon > 0) || !isfinite((float)epsilon)) {
    return heed__fail(HEED_RANGE, "%s: layer_norm_eps is %g, not above 0 and finite", file->path,
                      epsilon);
  }
  told->embedding = (heed_embedding){.tokens = n[0], .positions = n[1], .segments = n[2]};
  told->hidden = n[3];
  told->feed_forward = n[4];
  told->layers = (int32_t)n[5];
  told->heads = (int32_t)n[6];
  told->epsilon = (float)epsilon;
  return read_activation(file, &told->activation);
}

heed_status heed__bert_config(const char *path, heed_bert_sizes *told) {
  heed__json file;
  *told = heed__bert_untold();
  HEED__TRY(heed__json_open(&file, path));
  heed_status status = read_settings(&file, told);
  heed__json_close(&file);
  return status;
}
