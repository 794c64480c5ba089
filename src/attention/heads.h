/* Groups of heads whose kernels are chosen by the caller. */
#ifndef HEED_SRC_ATTENTION_HEADS_H
#define HEED_SRC_ATTENTION_HEADS_H

#include <heed/attention.h>

/* As heed_heads_new(); group g has the kernel kernels[g], or that of the spec where `kernels` is NULL. */
heed_status heed__heads_new(heed_heads **plan, const heed_attention_spec *spec, int groups,
                            const heed_mask *const *masks, const int32_t *heads,
                            const heed_kernel *kernels);

#endif
