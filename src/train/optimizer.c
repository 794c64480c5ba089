/* Adam and AdamW: one loop over the flat parameters. */
#include "train/optimizer.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/isa.h"
#include "base/status.h"
#include "matrix/loops.h"

/* Numbers of a piece; fixed, for the norm's bits must not depend on the threads. */
enum { PIECE = 1 << 14 };

/* What a number costs in the currency of heed__threads_for(). */
enum { STEP_WORK = 4 };

heed_optimizer_spec heed_optimizer_spec_default(void) {
  return (heed_optimizer_spec){.kind = HEED_OPTIMIZER_ADAM,
                               .rate = 1e-3F,
                               .beta1 = 0.9F,
                               .beta2 = 0.999F,
                               .epsilon = 1e-8F,
                               .schedule = HEED_SCHEDULE_CONSTANT,
                               .factor = 0.5F,
                               .schedule_patience = 10};
}

static heed_status out_of_range(const char *field, float x, const char *range) {
  return heed__fail(HEED_ARGUMENT, "optimiser: %s %g: not %s", field, (double)x, range);
}

/* NaN is in no range. */
static heed_status check(const heed_optimizer_spec *spec) {
  if ((unsigned)spec->kind > HEED_OPTIMIZER_ADAMW) {
    return heed__fail(HEED_ARGUMENT, "optimiser %d: there is none", (int)spec->kind);
  }
  if ((unsigned)spec->schedule > HEED_SCHEDULE_PLATEAU) {
    return heed__fail(HEED_ARGUMENT, "schedule %d: there is none", (int)spec->schedule);
  }
  const char *finite = "at least 0 and finite";
  if (!(spec->rate >= 0 && isfinite(spec->rate))) return out_of_range("rate", spec->rate, finite);
  if (!(spec->beta1 >= 0 && spec->beta1 < 1)) {
    return out_of_range("beta1", spec->beta1, "at least 0 and below 1");
  }
  if (!(spec->beta2 >= 0 && spec->beta2 < 1)) {
    return out_of_range("beta2", spec->beta2, "at least 0 and below 1");
  }
  if (!(spec->epsilon > 0 && isfinite(spec->epsilon))) {
    return out_of_range("epsilon", spec->epsilon, "above 0 and finite");
  }
  if (!(spec->weight_decay >= 0 && isfinite(spec->weight_decay))) {
    return out_of_range("weight decay", spec->weight_decay, finite);
  }
  if (!(spec->clip >= 0 && isfinite(spec->clip))) return out_of_range("clip", spec->clip, finite);
  if (spec->schedule == HEED_SCHEDULE_COSINE && spec->warmup < 0) {
    return out_of_range("warm-up", (float)spec->warmup, "at least 0");
  }
  if (spec->schedule == HEED_SCHEDULE_PLATEAU) {
    if (!(spec->factor > 0 && spec->factor < 1)) {
      return out_of_range("factor", spec->factor, "above 0 and below 1");
    }
    if (spec->schedule_patience < 1) {
      return out_of_range("schedule patience", (float)spec->schedule_patience, "at least 1");
    }
  }
  return HEED_OK;
}

/* Appends [begin, end), joined to the piece before where the two are alike; only counts without
 * `pieces`, for which `last` then stands. */
static void add_pieces(heed__piece *pieces, int64_t *n, heed__piece *last, int64_t begin,
                       int64_t end, bool decays) {
  while (begin < end) {
    bool joins =
        *n > 0 && last->end == begin && last->decays == decays && last->end - last->begin < PIECE;
    if (!joins) {
      *last = (heed__piece){begin, begin, decays};
      ++*n;
    }
    int64_t room = PIECE - (last->end - last->begin);
    int64_t step = end - begin < room ? end - begin : room;
    last->end += step;
    begin += step;
    if (pieces != NULL) pieces[*n - 1] = *last;
  }
}

static int64_t cut(const heed_optimizer_spec *spec, const heed_model *model, heed__piece *pieces) {
  int64_t n = 0;
  heed__piece last = {0, 0, false};
  for (int i = 0; i < heed_model_tensors(model); i++) {
    heed_parameter p = heed_model_tensor(model, i);
    if (!p.trained) continue;
    bool decays = spec->weight_decay > 0 && (spec->decay_all || p.decays);
    add_pieces(pieces, &n, &last, p.offset, p.offset + p.size, decays);
  }
  return n;
}

heed_status heed_optimizer_new(heed_optimizer **optimizer, const heed_optimizer_spec *spec,
                               heed_model *model) {
  HEED__TRY(check(spec));
  heed_optimizer *o = heed__alloc_zero(1, sizeof *o);
  if (o == NULL) return HEED_NOMEM;
  o->spec = *spec;
  o->model = model;
  o->count = heed_model_parameter_count(model);
  o->n_pieces = cut(spec, model, NULL);
  o->m = heed__alloc_zero((size_t)o->count, sizeof *o->m);
  o->v = heed__alloc_zero((size_t)o->count, sizeof *o->v);
  o->pieces = heed__alloc((size_t)o->n_pieces, sizeof *o->pieces);
  o->squares = heed__alloc((size_t)o->n_pieces, sizeof *o->squares);
  if (o->m == NULL || o->v == NULL || o->pieces == NULL || o->squares == NULL) {
    heed_optimizer_free(o);
    return HEED_NOMEM;
  }
  (void)cut(spec, model, o->pieces);
  *optimizer = o;
  return HEED_OK;
}

void heed_optimizer_free(heed_optimizer *optimizer) {
  if (optimizer == NULL) return;
  heed__free(optimizer->m);
  heed__free(optimizer->v);
  heed__free(optimizer->pieces);
  heed__free(optimizer->squares);
  heed__free(optimizer);
}

/* Sum of squares in eight sums, so that the compiler has no order to keep. */
static double sum_of_squares(const float *x, int64_t n) {
  enum { SUMS = 8 };
  double sums[SUMS] = {0};
  int64_t i = 0;
  for (; i + SUMS <= n; i += SUMS) {
    for (int k = 0; k < SUMS; k++) sums[k] += (double)x[i + k] * (double)x[i + k];
  }
  for (; i < n; i++) sums[0] += (double)x[i] * (double)x[i];
  double sum = 0;
  for (int k = 0; k < SUMS; k++) sum += sums[k];
  return sum;
}

/* 0, or not finite as soon as a number is; squares of floats do not overflow a double. Cheaper than
 * the norm: 0 times what is not finite is not a number. */
static double finite_or_nan(const float *x, int64_t n) {
  enum { SUMS = 64 };
  float sums[SUMS] = {0};
  int64_t i = 0;
  for (; i + SUMS <= n; i += SUMS) {
    for (int k = 0; k < SUMS; k++) sums[k] += 0 * x[i + k];
  }
  for (; i < n; i++) sums[0] += 0 * x[i];
  for (int k = 1; k < SUMS; k++) sums[0] += sums[k];
  return (double)sums[0];
}

/* The scalars of one step. */
typedef struct step {
  float scale; /* of the gradient: clipping */
  float l2;    /* times the parameter, added to the gradient */
  float keep;  /* what decay apart from the gradient leaves of the parameter */
  float beta1, beta2, rest1, rest2;
  float size; /* rate over the bias correction of m */
  float root; /* 1 over the root of the bias correction of v */
  float epsilon;
} step;

/* The formulas in PyTorch's form: the bias corrections are scalars of the step. */
static inline __attribute__((always_inline)) void adam_body(const step *s, int64_t n,
                                                            const float *restrict gradient,
                                                            float *restrict p, float *restrict m,
                                                            float *restrict v) {
  step c = *s;
  for (int64_t i = 0; i < n; i++) {
    float g = gradient[i] * c.scale + p[i] * c.l2;
    m[i] = c.beta1 * m[i] + c.rest1 * g;
    v[i] = c.beta2 * v[i] + c.rest2 * (g * g);
    p[i] = p[i] * c.keep - c.size * m[i] / (sqrtf(v[i]) * c.root + c.epsilon);
  }
}

typedef void adam_function(const step *s, int64_t n, const float *gradient, float *p, float *m,
                           float *v);

static void adam_portable(const step *s, int64_t n, const float *gradient, float *p, float *m,
                          float *v) {
  adam_body(s, n, gradient, p, m, v);
}

/* Twice as wide, and no wider, for square roots and divisions are what it waits for; without fused
 * multiply-adds, so that the bits are the same for every instruction set of x86-64. */
#ifdef __x86_64__
__attribute__((target("avx2"))) static void adam_avx2(const step *s, int64_t n,
                                                      const float *gradient, float *p, float *m,
                                                      float *v) {
  adam_body(s, n, gradient, p, m, v);
}

static adam_function *adam_chosen(void) {
  return heed__isa_chosen() == HEED__PORTABLE ? adam_portable : adam_avx2;
}
#else
static adam_function *adam_chosen(void) { return adam_portable; }
#endif

/* The factor that clipping puts before the gradient, as torch.nn.utils.clip_grad_norm_ has it. */
static heed_status clip(heed_optimizer *o, const float *gradients, int threads, float *scale) {
  bool norm_wanted = o->spec.clip > 0;
  (void)threads; /* without OpenMP */
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
  for (int64_t b = 0; b < o->n_pieces; b++) {
    const float *g = gradients + o->pieces[b].begin;
    int64_t n = o->pieces[b].end - o->pieces[b].begin;
    o->squares[b] = norm_wanted ? sum_of_squares(g, n) : finite_or_nan(g, n);
  }
  double sum = 0;
  for (int64_t b = 0; b < o->n_pieces; b++) sum += o->squares[b];
  if (!isfinite(sum)) return heed__fail(HEED_VALUE, "the gradient is not finite");
  double factor = norm_wanted ? (double)o->spec.clip / (sqrt(sum) + 1e-6) : 1;
  *scale = factor < 1 ? (float)factor : 1;
  return HEED_OK;
}

heed_status heed_optimizer_step(heed_optimizer *optimizer, float *gradients, float rate) {
  heed_optimizer *o = optimizer;
  const heed_optimizer_spec *spec = &o->spec;
  int threads = heed__threads_for((double)o->count * STEP_WORK);
  float scale = 1;
  HEED__TRY(clip(o, gradients, threads, &scale));
  o->steps++;
  double correction1 = 1 - pow((double)spec->beta1, (double)o->steps);
  double correction2 = 1 - pow((double)spec->beta2, (double)o->steps);
  bool apart = spec->kind == HEED_OPTIMIZER_ADAMW;
  step plain = {.scale = scale,
                .keep = 1,
                .beta1 = spec->beta1,
                .beta2 = spec->beta2,
                .rest1 = (float)(1 - (double)spec->beta1),
                .rest2 = (float)(1 - (double)spec->beta2),
                .size = (float)((double)rate / correction1),
                .root = (float)(1 / sqrt(correction2)),
                .epsilon = spec->epsilon};
  step decaying = plain;
  if (apart) {
    decaying.keep = (float)(1 - (double)rate * (double)spec->weight_decay);
  } else {
    decaying.l2 = spec->weight_decay;
  }
  adam_function *adam = adam_chosen();
  float *parameters = heed_model_parameters(o->model);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
  for (int64_t b = 0; b < o->n_pieces; b++) {
    int64_t at = o->pieces[b].begin;
    adam(o->pieces[b].decays ? &decaying : &plain, o->pieces[b].end - at, gradients + at,
         parameters + at, o->m + at, o->v + at);
  }
  return HEED_OK;
}

float heed_schedule_rate(const heed_optimizer_spec *spec, int epoch, int epochs) {
  if (spec->schedule != HEED_SCHEDULE_COSINE) return spec->rate;
  if (epoch < spec->warmup) return (float)((double)spec->rate * (epoch + 1) / spec->warmup);
  int last = epochs - 1;
  if (last <= spec->warmup) return spec->rate; /* no room for a cosine */
  if (epoch >= last) return 0;
  double way = (double)(epoch - spec->warmup) / (double)(last - spec->warmup);
  return (float)((double)spec->rate * 0.5 * (1 + cos(way * 3.14159265358979323846)));
}
