/* The public face of the room: specs, the choice of a kernel, everything in one call. */
#include <heed/attention.h>
#include <string.h>

#include "attention/cost.h"
#include "attention/plan.h"
#include "base/status.h"

heed_attention_spec heed_attention_spec_default(int32_t heads, int32_t dim) {
  return (heed_attention_spec){.score = HEED_SCORE_DOT,
                               .heads = heads,
                               .key_dim = dim,
                               .value_dim = dim,
                               .slope = 0.2f,
                               .kernel = HEED_KERNEL_AUTO};
}

heed_status heed_attention_new(heed_attention **plan, const heed_attention_spec *spec,
                               const heed_mask *mask) {
  *plan = NULL;
  HEED__TRY(heed__plan_check(spec, mask));
  heed_attention_spec chosen = *spec;
  if (spec->kernel == HEED_KERNEL_AUTO) HEED__TRY(heed__choose(spec, mask, &chosen.kernel));
  return heed__plan_new(plan, &chosen, mask, heed_threads());
}

heed_attention_cost heed_attention_plan_cost(const heed_attention *plan) { return plan->cost; }

heed_status heed_attention_predict(const heed_attention_spec *spec, const heed_mask *mask,
                                   heed_attention_cost *cost) {
  memset(cost, 0, sizeof *cost);
  HEED__TRY(heed__plan_check(spec, mask));
  int threads = heed_threads();
  HEED__TRY(heed__plan_bytes(spec, mask, HEED_KERNEL_SPARSE, threads, &cost->sparse_bytes));
  HEED__TRY(heed__plan_bytes(spec, mask, HEED_KERNEL_DENSE, threads, &cost->dense_bytes));
  HEED__TRY(heed__predict(spec, mask, &cost->sparse_seconds, &cost->dense_seconds));
  cost->kernel = spec->kernel;
  if (spec->kernel == HEED_KERNEL_AUTO) HEED__TRY(heed__choose(spec, mask, &cost->kernel));
  return heed__plan_bytes(spec, mask, cost->kernel, threads, &cost->bytes);
}

heed_status heed_attend(const heed_attention_spec *spec, const heed_mask *mask,
                        const heed_attention_inputs *inputs,
                        const heed_attention_outputs *outputs) {
  heed_attention *plan;
  HEED__TRY(heed_attention_new(&plan, spec, mask));
  heed_status status = heed_attention_forward(plan, inputs, outputs);
  heed_attention_free(plan);
  return status;
}
