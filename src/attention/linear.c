#include "attention/linear.h"

#include <math.h>

#include "base/alloc.h"
#include "base/status.h"
#include "base/threads.h"

/* Rows of a matrix that one thread sums up, where there are more threads than heads; a multiple
 * of 12. */
enum { SLICE = 24 };

bool heed__linear_spec(const heed_attention_spec *spec, heed_kernel kernel) {
  return spec->normalizer == HEED_NORMALIZER_LINEAR && spec->score == HEED_SCORE_DOT &&
         kernel == HEED_KERNEL_DENSE;
}

static int64_t widest(const heed_attention_spec *spec) {
  return spec->key_dim > spec->value_dim ? spec->key_dim : spec->value_dim;
}

/* A matrix and its transpose for every head, or for every thread where those are more. */
static struct heed__linear sizes_of(const heed_attention_spec *spec, int threads) {
  int64_t row = heed__padded_row(widest(spec));
  return (struct heed__linear){.state = (row + 12) * row,
                               .row = row,
                               .room = 4 * CAUSAL_ROWS * row + CAUSAL_ROWS * CAUSAL_ROWS +
                                       row * TILE_KEYS + 2 * WIDEST,
                               .states = 2 * (spec->heads > threads ? spec->heads : threads)};
}

static bool floats_of(const struct heed__linear *linear, int threads, size_t *floats) {
  size_t states;
  if (!heed__multiply((size_t)linear->states, (size_t)linear->state, &states)) return false;
  *floats = states + (size_t)threads * (size_t)linear->room;
  return *floats >= states;
}

size_t heed__linear_bytes(const heed_attention_spec *spec, heed_kernel kernel, int threads) {
  struct heed__linear linear = sizes_of(spec, threads);
  size_t floats;
  if (!heed__linear_spec(spec, kernel) || !floats_of(&linear, threads, &floats)) return 0;
  return sizeof linear + floats * sizeof(float);
}

heed_status heed__linear_new(heed_attention *plan) {
  const heed_attention_spec *spec = &plan->problem.spec;
  if (!heed__linear_spec(spec, spec->kernel)) return HEED_OK;
  plan->linear = heed__alloc_zero(1, sizeof *plan->linear);
  if (plan->linear == NULL) return HEED_NOMEM;
  *plan->linear = sizes_of(spec, plan->threads);
  size_t floats;
  if (!floats_of(plan->linear, plan->threads, &floats)) {
    return heed__fail(HEED_OVERFLOW, "%d heads of %lld x %lld numbers do not fit", spec->heads,
                      (long long)plan->linear->row, (long long)plan->linear->row);
  }
  plan->linear->memory =
      heed__alloc_zero(floats, sizeof(float)); /* vectors reach beyond what counts */
  return plan->linear->memory == NULL ? HEED_NOMEM : HEED_OK;
}

void heed__linear_free(heed_attention *plan) {
  if (plan->linear == NULL) return;
  heed__free(plan->linear->memory);
  heed__free(plan->linear);
  plan->linear = NULL;
}

bool heed__linear_call(const heed_attention *plan, const heed__backward *back) {
  const heed__problem *problem = &plan->problem;
  if (plan->linear == NULL || problem->spec.score != HEED_SCORE_DOT) return false;
  if (problem->in.bias != NULL || problem->drop_below > 0) return false;
  if (back == NULL) return problem->to.weights == NULL;
  return back->products == NULL && back->weights == NULL && back->to.bias == NULL;
}

double heed__linear_cells(const heed_attention_spec *spec, double rows, double keys) {
  double dim = spec->key_dim, value_dim = spec->value_dim;
  return fmin(rows * keys, (rows + keys) * dim * value_dim / (dim + value_dim));
}

/* The same for n queries of a causal mask. */
static double causal_cells(const heed_attention_spec *spec, double n) {
  double dim = spec->key_dim, value_dim = spec->value_dim;
  return fmin(n * (n + 1) / 2, n * (CAUSAL_ROWS + 2 * dim * value_dim / (dim + value_dim)));
}

static int64_t length_of(const heed_mask *mask, int64_t i) {
  return mask->indptr[i + 1] - mask->indptr[i];
}

/* Rows from `first` on that see one key more each than the row before, from the first one's only
 * key on, and share these keys with no row behind them. At least 1. */
static int64_t causal_rows(const heed_mask *mask, int64_t first) {
  int64_t n = 1, left = mask->n_queries - first;
  if (length_of(mask, first) != 1) return 1;
  while (n < left && mask->starts[first + n] == mask->starts[first] &&
         length_of(mask, first + n) == n + 1) {
    n++;
  }
  return n == left || mask->starts[first + n] >= mask->starts[first] + n ? n : 1;
}

double heed__linear_mask_cells(const heed_attention_spec *spec, const heed_mask *mask) {
  if (mask->indptr == NULL) {
    return heed__linear_cells(spec, (double)mask->n_queries, (double)mask->n_keys);
  }
  if (mask->starts == NULL) return (double)mask->n_queries * (double)mask->n_keys;
  double cells = 0;
  int64_t rows;
  for (int64_t i = 0; i < mask->n_queries; i += rows) {
    int64_t count = length_of(mask, i);
    rows = causal_rows(mask, i);
    if (rows > 1) {
      cells += causal_cells(spec, (double)rows);
      continue;
    }
    for (; i + rows < mask->n_queries; rows++) {
      if (mask->starts[i + rows] != mask->starts[i]) break;
      if (length_of(mask, i + rows) != count) break;
    }
    cells += heed__linear_cells(spec, (double)rows, (double)count);
  }
  return cells;
}

/* Whether row i of a diagonal sees its keys up to number i; they are its own and all there are. */
static bool is_causal(const heed_mask *mask, const heed__diagonal *diagonal) {
  int64_t rows = diagonal[1].first_row - diagonal->first_row, first = diagonal->first_key;
  if (mask->indptr == NULL || rows != diagonal->end_key - first) return false;
  for (int64_t r = 0; r < rows; r++) {
    int64_t i = diagonal->first_row + r;
    if (length_of(mask, i) != r + 1) return false;
    if (mask->starts != NULL ? mask->starts[i] != first
                             : mask->indices[mask->indptr[i]] != first ||
                                   mask->indices[mask->indptr[i + 1] - 1] != first + r) {
      return false;
    }
  }
  return true;
}

bool heed__linear_diagonal(const heed__problem *problem, const heed__diagonal *diagonal) {
  const heed_mask *mask = problem->mask;
  int64_t rows = diagonal[1].first_row - diagonal->first_row;
  int64_t keys = diagonal->end_key - diagonal->first_key;
  double n = (double)rows, cells = n * (double)keys;
  if (mask->indptr != NULL && length_of(mask, diagonal->first_row) != keys) {
    return causal_cells(&problem->spec, n) < n * (n + 1) / 2 && is_causal(mask, diagonal);
  }
  if (heed__linear_cells(&problem->spec, n, (double)keys) >= cells) return false;
  for (int64_t i = diagonal->first_row; mask->indptr != NULL && i < diagonal[1].first_row; i++) {
    if (length_of(mask, i) != keys) return false;
  }
  return true;
}

/* One head of an array, from row `first` on. */
static heed__stretch of_head(heed__stretch x, int64_t first, int64_t head) {
  return (heed__stretch){x.from + first * x.stride + head * x.dim, x.stride, x.dim};
}

static float *room_of(const heed_attention *plan) {
  const struct heed__linear *linear = plan->linear;
  return linear->memory + linear->states * linear->state + heed__thread() * linear->room;
}

/* One of two matrices; alone, the thread has its own. */
static float *state_of(const heed_attention *plan, int64_t head, int which, bool alone) {
  const struct heed__linear *linear = plan->linear;
  int64_t slot = alone ? heed__thread() : head;
  return linear->memory + (2 * slot + which) * linear->state;
}

static void transpose(const float *from, int64_t rows, int64_t columns, int64_t row, float *to) {
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t c = 0; c < columns; c++) to[c * row + r] = from[r * row + c];
  }
}

/* The first matrix of every head = scale times the sum over `rows` rows of x y'. */
static void sum_heads(heed_attention *plan, heed__stretch x, heed__stretch y, int64_t rows,
                      float scale) {
  const struct heed__linear *linear = plan->linear;
  int64_t heads = plan->problem.spec.heads, slices = (x.dim + SLICE - 1) / SLICE;
  int threads = heed__threads_for_tasks(plan, heads * slices);
  int64_t slice = threads > heads ? SLICE : x.dim;
  slices = (x.dim + slice - 1) / slice;
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
  for (int64_t t = 0; t < heads * slices; t++) {
    int64_t head = t / slices, first = t % slices * slice;
    heed__stretch a = of_head(x, 0, head);
    heed__stretch b = of_head(y, 0, head);
    plan->kernels->linear_sum(&a, &b, rows, first, x.dim - first < slice ? x.dim : first + slice,
                              scale, state_of(plan, head, 0, false), linear->row, room_of(plan));
  }
}

static void transpose_heads(heed_attention *plan, int64_t rows, int64_t columns) {
  int64_t heads = plan->problem.spec.heads;
  for (int64_t head = 0; head < heads; head++) {
    transpose(state_of(plan, head, 0, false), rows, columns, plan->linear->row,
              state_of(plan, head, 1, false));
  }
}

/* to = scale times x state, or += it, for `rows` rows and every head. */
static void apply_heads(heed_attention *plan, heed__stretch x, int64_t rows, int which, float scale,
                        bool adds, float *to, int64_t to_stride, int32_t to_dim) {
  const struct heed__linear *linear = plan->linear;
  enum { ROWS = 4 * LINEAR_ROWS };
  int64_t heads = plan->problem.spec.heads, blocks = (rows + ROWS - 1) / ROWS;
#pragma omp parallel for schedule(dynamic, 1) \
    num_threads(heed__threads_for_tasks(plan, heads *blocks))
  for (int64_t t = 0; t < heads * blocks; t++) {
    int64_t head = t / blocks, first = t % blocks * ROWS;
    heed__stretch a = of_head(x, first, head);
    plan->kernels->linear_apply(&a, rows - first < ROWS ? rows - first : ROWS,
                                state_of(plan, head, which, false), linear->row, to_dim, scale,
                                adds, to + first * to_stride + head * to_dim, to_stride,
                                room_of(plan));
  }
}

/* The same two for one head by the calling thread. */
static void sum_alone(const heed_attention *plan, heed__stretch x, heed__stretch y, int64_t rows,
                      int64_t head, float scale) {
  heed__stretch a = of_head(x, 0, head);
  heed__stretch b = of_head(y, 0, head);
  plan->kernels->linear_sum(&a, &b, rows, 0, x.dim, scale, state_of(plan, head, 0, true),
                            plan->linear->row, room_of(plan));
}

static void apply_alone(const heed_attention *plan, heed__stretch x, int64_t rows, int64_t head,
                        int which, float scale, bool adds, float *to, int64_t to_stride,
                        int32_t to_dim) {
  heed__stretch a = of_head(x, 0, head);
  plan->kernels->linear_apply(&a, rows, state_of(plan, head, which, true), plan->linear->row,
                              to_dim, scale, adds, to + head * to_dim, to_stride, room_of(plan));
}

/* linear_causal() of one head of three arrays, by the calling thread. */
static void causal_head(const heed_attention *plan, const heed__stretch arrays[3], int64_t head,
                        int64_t rows, float scale, bool from_end, bool adds, float *to,
                        bool alone) {
  heed__stretch x = of_head(arrays[0], 0, head);
  heed__stretch y = of_head(arrays[1], 0, head);
  heed__stretch z = of_head(arrays[2], 0, head);
  plan->kernels->linear_causal(&x, &y, &z, rows, scale, from_end, adds,
                               state_of(plan, head, 0, alone), plan->linear->row,
                               to + head * z.dim, z.stride, room_of(plan));
}

/* The same of every head. What comes before a row is one sum from end to end, so a head has one
 * thread. */
static void causal_heads(const heed_attention *plan, const heed__stretch arrays[3], int64_t rows,
                         float scale, bool from_end, bool adds, float *to, bool alone) {
  int64_t heads = plan->problem.spec.heads;
  if (alone) {
    for (int64_t head = 0; head < heads; head++) {
      causal_head(plan, arrays, head, rows, scale, from_end, adds, to, true);
    }
    return;
  }
#pragma omp parallel for schedule(dynamic, 1) num_threads(heed__threads_for_tasks(plan, heads))
  for (int64_t head = 0; head < heads; head++) {
    causal_head(plan, arrays, head, rows, scale, from_end, adds, to, false);
  }
}

/* The arrays of a diagonal. */
typedef struct piece {
  heed__stretch query, key, value;
  int64_t rows, keys, first_row, first_key;
  bool causal; /* or every row sees all keys */
  float scale; /* over the length of a row, where they are all as long */
} piece;

static piece piece_of(const heed__problem *problem, const heed__diagonal *diagonal) {
  const heed_attention_spec *spec = &problem->spec;
  int64_t i = diagonal->first_row, j = diagonal->first_key, n = diagonal->end_key - j;
  bool causal = heed__length(problem, i) < n;
  return (piece){
      .query = {problem->in.query + i * problem->key_stride, problem->key_stride, spec->key_dim},
      .key = {problem->in.key + j * problem->key_stride, problem->key_stride, spec->key_dim},
      .value = {problem->in.value + j * problem->value_stride, problem->value_stride,
                spec->value_dim},
      .rows = diagonal[1].first_row - i,
      .keys = n,
      .first_row = i,
      .first_key = j,
      .causal = causal,
      .scale = causal ? spec->scale : spec->scale / (float)n};
}

void heed__linear_forward(heed_attention *plan, const heed__diagonal *diagonal, bool alone) {
  const heed__problem *problem = &plan->problem;
  piece p = piece_of(problem, diagonal);
  float *out = problem->to.out + p.first_row * problem->value_stride;
  for (int64_t i = 0; i < p.rows && problem->to.log_sum_exp != NULL; i++) {
    heed__keep_length(problem, p.first_row + i, p.causal ? i + 1 : p.keys);
  }
  if (p.causal) {
    const heed__stretch arrays[3] = {p.query, p.key, p.value};
    causal_heads(plan, arrays, p.rows, p.scale, false, false, out, alone);
    return;
  }
  if (!alone) {
    sum_heads(plan, p.key, p.value, p.keys, 1);
    apply_heads(plan, p.query, p.rows, 0, p.scale, false, out, p.value.stride, p.value.dim);
    return;
  }
  for (int64_t head = 0; head < problem->spec.heads; head++) {
    sum_alone(plan, p.key, p.value, p.keys, head, 1);
    apply_alone(plan, p.query, p.rows, head, 0, p.scale, false, out, p.value.stride, p.value.dim);
  }
}

/* With w_i = scale over the length of row i: d_query_i = w_i times the sum over j <= i of
 * (d_out_i . v_j) k_j, d_value_j = the sum over i >= j of w_i (k_j . q_i) d_out_i, and d_key_j that
 * of w_i (v_j . d_out_i) q_i. */
static void causal_backward(heed_attention *plan, const piece *p, heed__stretch d_out, float *query,
                            float *value, float *key, bool alone) {
  const heed__stretch to_query[3] = {d_out, p->value, p->key};
  const heed__stretch to_value[3] = {p->key, p->query, d_out};
  const heed__stretch to_key[3] = {p->value, d_out, p->query};
  if (query != NULL) causal_heads(plan, to_query, p->rows, p->scale, false, true, query, alone);
  if (value != NULL) causal_heads(plan, to_value, p->rows, p->scale, true, true, value, alone);
  if (key != NULL) causal_heads(plan, to_key, p->rows, p->scale, true, true, key, alone);
}

/* With S = the sum of k v' and T = that of q d_out', both times scale / n where they meet the
 * other: d_query = S d_out, d_value = T' k, d_key = T v. */
void heed__linear_backward(heed_attention *plan, const heed__backward *back,
                           const heed__diagonal *diagonal, bool by_queries, bool by_keys,
                           bool alone) {
  const heed__problem *problem = &plan->problem;
  piece p = piece_of(problem, diagonal);
  int64_t key_stride = p.key.stride, value_stride = p.value.stride;
  int32_t dim = p.key.dim, value_dim = p.value.dim;
  const heed__stretch d_out = {back->to.d_out + p.first_row * value_stride, value_stride,
                               value_dim};
  float *query = by_queries ? back->to.query : NULL, *key = by_keys ? back->to.key : NULL;
  float *value = by_keys ? back->to.value : NULL;
  if (query != NULL) query += p.first_row * key_stride;
  if (key != NULL) key += p.first_key * key_stride;
  if (value != NULL) value += p.first_key * value_stride;
  if (p.causal) {
    causal_backward(plan, &p, d_out, query, value, key, alone);
    return;
  }
  if (!alone) {
    if (query != NULL) {
      sum_heads(plan, p.value, p.key, p.keys, 1);
      apply_heads(plan, d_out, p.rows, 0, p.scale, true, query, key_stride, dim);
    }
    if (value == NULL && key == NULL) return;
    sum_heads(plan, p.query, d_out, p.rows, p.scale);
    if (value != NULL) apply_heads(plan, p.key, p.keys, 0, 1, true, value, value_stride, value_dim);
    if (key == NULL) return;
    transpose_heads(plan, dim, value_dim);
    apply_heads(plan, p.value, p.keys, 1, 1, true, key, key_stride, dim);
    return;
  }
  for (int64_t head = 0; head < problem->spec.heads; head++) {
    if (query != NULL) {
      sum_alone(plan, p.value, p.key, p.keys, head, 1);
      apply_alone(plan, d_out, p.rows, head, 0, p.scale, true, query, key_stride, dim);
    }
    if (value == NULL && key == NULL) continue;
    sum_alone(plan, p.query, d_out, p.rows, head, p.scale);
    if (value != NULL) {
      apply_alone(plan, p.key, p.keys, head, 0, 1, true, value, value_stride, value_dim);
    }
    if (key == NULL) continue;
    transpose(state_of(plan, head, 0, true), dim, value_dim, plan->linear->row,
              state_of(plan, head, 1, true));
    apply_alone(plan, p.value, p.keys, head, 1, 1, true, key, key_stride, dim);
  }
}
