/* What a BERT encoder is made of. */
#ifndef HEED_SRC_SEQUENCE_BERT_H
#define HEED_SRC_SEQUENCE_BERT_H

#include <heed/sequence.h>

struct heed_bert {
  heed_bert_sizes sizes;
  heed_model *model;
  float *pooler; /* [hidden, hidden] transposed, then [hidden] */
};

/* What a config.json tells: sizes that are 0 where it does not tell them, `pooler` false; epsilon
 * and activation are BERT's where it does not tell them. HEED_UNSUPPORTED naming what is not BERT,
 * an activation or another value that there is no way to compute; HEED_RANGE, HEED_FORMAT, HEED_IO,
 * HEED_NOMEM. */
heed_status heed__bert_config(const char *path, heed_bert_sizes *told);

/* The sizes of BERT before anything is told. */
heed_bert_sizes heed__bert_untold(void);

/* Whether the tensors of the file `path` have the sizes that `config` tells; HEED_SHAPE naming both
 * numbers. */
heed_status heed__bert_agree(const char *config, const heed_bert_sizes *told, const char *path,
                             const heed_bert_sizes *sizes);

#endif
