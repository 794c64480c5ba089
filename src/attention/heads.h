/* Groups of heads for callers within the library: one group, of all heads, is plain attention, computed in place. */
#ifndef HEED_SRC_ATTENTION_HEADS_H
#define HEED_SRC_ATTENTION_HEADS_H

#include <heed/attention.h>
#include <stdbool.h>

/* As heed_heads_new(); group g has the kernel kernels[g], or that of the spec where `kernels` is NULL. */
heed_status heed__heads_new(heed_heads **plan, const heed_attention_spec *spec, int groups,
                            const heed_mask *const *masks, const int32_t *heads,
                            const heed_kernel *kernels);

/* As heed__plan_reserve(), of whose masks there is one a group. heed__heads_rebind() then comes for every group, in
 * their order, each time that the masks were filled again; it allocates nothing. */
heed_status heed__heads_reserve(heed_heads **plan, const heed_attention_spec *spec, int groups,
                                const heed_mask *const *masks, const int32_t *heads,
                                bool whole_rows);
heed_status heed__heads_rebind(heed_heads *plan, int group, const heed_mask *mask,
                               const heed_mask *transposed, const int64_t *pairs);

/* Says that the features of a group's pairs begin at pair `first` of heed_attention_inputs.edges; else they follow
 * those of the groups before, as their pairs do. Until its pairs are counted anew. */
void heed__heads_edges_from(heed_heads *plan, int group, int64_t first);

/* As heed_heads_forward(), with the weights [n_pairs, heads] of one group alone. */
heed_status heed__heads_forward(heed_heads *plan, const heed_attention_inputs *inputs,
                                const heed_attention_outputs *outputs, int group);

/* As heed_attention_prepare_backward(), for one group after the other. */
heed_status heed__heads_prepare(heed_heads *plan, int group, const heed_mask *transposed,
                                const int64_t *pairs);

#endif
