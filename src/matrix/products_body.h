/* Dense products by one thread, compiled once an instruction set. Whoever includes this says LANES,
 * the floats of a vector.
 *
 * A number of c is a sum over k in an order that k alone decides: stretches of DEEP, each one chain
 * of multiply-adds from 0, are added to c in turn. Which tile it is in, and what lies beside it, does
 * not change its bits: so c may be cut, and b copied, as it suits. All tiles are one inlined loop. */
#include <string.h>

#include "matrix/loops_table.h"

/* A vector anywhere in an array, and as bits. */
typedef float vec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t vec_bits __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef float four __attribute__((vector_size(16), aligned(4), may_alias));

/* The sums of a tile stay in registers, beside the vectors of b and a number of a: of PAIR rows by
 * two vectors, or SINGLE rows by one. Up to FEW rows alone take more vectors, to have sums enough to
 * add to while others are not done. */
enum { PAIR = LANES == 16 ? 12 : 6, SINGLE = 12, FEW = 3, MOST_VECTORS = 8 };

/* Numbers of k in a stretch: two vectors of columns of b then fit into the nearest cache. */
enum { DEEP = 256 };

/* What the tiles of the same columns share, for one stretch. */
typedef struct strip {
  int64_t k;
  int64_t a_row, a_step; /* to the next row of op(a), and to the next number of a row */
  const float *b;
  int64_t b_step; /* to the next row of op(b) */
  int64_t b_last; /* where the last vector of columns starts in a row of b, */
  int64_t c_last; /* and in one of c: it may reach back over others */
  int64_t c_row;
  float beta;
  vec_bits fresh; /* the numbers of a lone vector that are not done yet */
} strip;

/* c = op(a) op(b) + beta c for `rows` rows and `vectors` vectors of columns. */
static inline __attribute__((always_inline)) void tile(const int rows, const int vectors,
                                                       const strip *s, const float *a, float *c) {
  vec sums[SINGLE][MOST_VECTORS]; /* of which only rows x vectors are touched */
  const float *third[SINGLE / 3]; /* every third row, from which the next two are a step away */
  const float *b = s->b;
  const int64_t a_row = s->a_row, a_step = s->a_step, b_step = s->b_step;
  const int64_t b_last = s->b_last, c_last = s->c_last;
  for (int r = 0; r < rows; r++) {
    for (int v = 0; v < vectors; v++) sums[r][v] = (vec){0};
  }
  for (int r = 0; r < rows; r += 3) third[r / 3] = a + r * a_row;
  for (int64_t l = 0; l < s->k; l++) {
    if (rows < vectors) { /* fewer numbers of a than vectors of b: those stay */
      float x[SINGLE];
      for (int r = 0; r < rows; r++) x[r] = third[r / 3][r % 3 * a_row];
      for (int v = 0; v < vectors; v++) {
        vec y = *(const vec *)(b + (v + 1 == vectors ? b_last : v * LANES));
        for (int r = 0; r < rows; r++) sums[r][v] += x[r] * y;
      }
    } else {
      vec y[MOST_VECTORS];
      for (int v = 0; v < vectors; v++) {
        y[v] = *(const vec *)(b + (v + 1 == vectors ? b_last : v * LANES));
      }
      for (int r = 0; r < rows; r++) {
        float x = third[r / 3][r % 3 * a_row];
        for (int v = 0; v < vectors; v++) sums[r][v] += x * y[v];
      }
    }
    b += b_step;
    for (int r = 0; r < rows; r += 3) third[r / 3] += a_step;
  }
  if (s->beta == 0) {
    for (int r = 0; r < rows; r++, c += s->c_row) {
      for (int v = 0; v < vectors; v++) {
        *(vec *)(c + (v + 1 == vectors ? c_last : v * LANES)) = sums[r][v];
      }
    }
    return;
  }
  for (int r = 0; r < rows; r++, c += s->c_row) {
    vec old[MOST_VECTORS]; /* read before any is written, for the last vector may reach back */
    for (int v = 0; v < vectors; v++) {
      old[v] = *(const vec *)(c + (v + 1 == vectors ? c_last : v * LANES));
    }
    for (int v = 0; v < vectors; v++) {
      vec now = s->beta * old[v] + sums[r][v];
      if (vectors == 1) now = (vec)(((vec_bits)now & s->fresh) | ((vec_bits)old[v] & ~s->fresh));
      *(vec *)(c + (v + 1 == vectors ? c_last : v * LANES)) = now;
    }
  }
}

/* Rows of the next tile, of `left`: the last two are about as high, as a low one waits for its sums. */
static inline int64_t tile_rows(int64_t left, int64_t most) {
  return left >= 2 * most ? most : left > most ? (left + 1) / 2 : left;
}

static inline __attribute__((always_inline)) void any_tile(int64_t rows, const int vectors,
                                                           const strip *s, const float *a,
                                                           float *c) {
  const int most = vectors == 1 ? SINGLE : vectors == 2 ? PAIR : FEW;
#define TILE(rows)                                  \
  case rows:                                        \
    if (rows <= most) tile(rows, vectors, s, a, c); \
    break
  switch (rows) {
    TILE(1);
    TILE(2);
    TILE(3);
    TILE(4);
    TILE(5);
    TILE(6);
    TILE(7);
    TILE(8);
    TILE(9);
    TILE(10);
    TILE(11);
    TILE(12);
    default: break;
  }
#undef TILE
}

/* c of one or two vectors of columns. */
static void tiles(int64_t m, int64_t vectors, const strip *s, const float *a, float *c) {
  for (int64_t i = 0, rows; i < m; i += rows) {
    rows = tile_rows(m - i, vectors == 1 ? SINGLE : PAIR);
    const float *from = a + i * s->a_row;
    float *to = c + i * s->c_row;
    if (vectors == 1) {
      any_tile(rows, 1, s, from, to);
    } else {
      any_tile(rows, 2, s, from, to);
    }
  }
}

/* c of n columns, fewer than a vector has. */
static void tiles_of_less(int64_t m, int64_t n, const strip *s, const float *a, float *c) {
  strip part = *s;
  for (int64_t i = 0, rows; i < m; i += rows) {
    rows = tile_rows(m - i, SINGLE);
    const float *from = a + i * s->a_row;
    float *to = c + i * s->c_row;
    /* Whole vectors, of which the next rows overwrite what is too much. */
    if (s->beta == 0 && s->c_row == n && (i + rows - 1) * n + LANES <= m * n) {
      any_tile(rows, 1, s, from, to);
      continue;
    }
    float some[SINGLE * LANES];
    part.c_row = LANES;
    part.beta = 0;
    any_tile(rows, 1, &part, from, some);
    for (int64_t r = 0; r < rows; r++, to += s->c_row) {
      const float *sum = some + r * LANES;
      for (int64_t j = 0; j < n; j++) to[j] = s->beta == 0 ? sum[j] : s->beta * to[j] + sum[j];
    }
  }
}

/* Up to FEW rows, which do not pay for a copy of b. Gives the columns that are done. */
static inline __attribute__((always_inline)) int64_t wide_tiles(const int rows, strip *s,
                                                                int64_t n, const float *a,
                                                                float *c) {
  const float *b = s->b;
  int64_t j = 0;
  s->b_last = s->c_last = 7 * LANES;
  for (; rows == 1 && j + 8 * LANES <= n; j += 8 * LANES) {
    s->b = b + j;
    tile(rows, 8, s, a, c + j);
  }
  s->b_last = s->c_last = 3 * LANES;
  for (; j + 4 * LANES <= n; j += 4 * LANES) {
    s->b = b + j;
    tile(rows, 4, s, a, c + j);
  }
  return j;
}

/* to[k, LANES] of every `step` numbers = LANES columns of b. */
static void copy_columns(int64_t k, const float *b, int64_t ldb, float *to, int64_t step) {
  for (int64_t l = 0; l < k; l++) *(vec *)(to + l * step) = *(const vec *)(b + l * ldb);
}

/* The same of b's transpose: LANES rows of b. */
static void turn_rows(int64_t k, const float *b, int64_t ldb, float *to, int64_t step) {
  int64_t l = 0;
  for (; l + 4 <= k; l += 4) {
    for (int64_t j = 0; j < LANES; j += 4) {
      const float *from = b + j * ldb + l;
      four w = *(const four *)from, x = *(const four *)(from + ldb);
      four y = *(const four *)(from + 2 * ldb), z = *(const four *)(from + 3 * ldb);
      four wx = __builtin_shufflevector(w, x, 0, 4, 1, 5);
      four yz = __builtin_shufflevector(y, z, 0, 4, 1, 5);
      four later_wx = __builtin_shufflevector(w, x, 2, 6, 3, 7);
      four later_yz = __builtin_shufflevector(y, z, 2, 6, 3, 7);
      float *into = to + l * step + j;
      *(four *)into = __builtin_shufflevector(wx, yz, 0, 1, 4, 5);
      *(four *)(into + step) = __builtin_shufflevector(wx, yz, 2, 3, 6, 7);
      *(four *)(into + 2 * step) = __builtin_shufflevector(later_wx, later_yz, 0, 1, 4, 5);
      *(four *)(into + 3 * step) = __builtin_shufflevector(later_wx, later_yz, 2, 3, 6, 7);
    }
  }
  for (; l < k; l++) {
    for (int64_t j = 0; j < LANES; j++) to[l * step + j] = b[j * ldb + l];
  }
}

/* A strip's vectors of columns, one beside the other. */
static void pack(bool transpose_b, int64_t vectors, int64_t k, const float *b, int64_t ldb,
                 int64_t last, float *to) {
  for (int64_t v = 0; v < vectors; v++) {
    int64_t column = v + 1 == vectors ? last : 0;
    if (transpose_b) {
      turn_rows(k, b + column * ldb, ldb, to + v * LANES, vectors * LANES);
    } else {
      copy_columns(k, b + column, ldb, to + v * LANES, vectors * LANES);
    }
  }
}

/* Rows that pay for a copy of b where its rows lie apart. */
enum { COPY_ROWS = 80 };

static void product(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k,
                    const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c,
                    int64_t ldc) {
  float packed[DEEP * 2 * LANES] __attribute__((aligned(64)));
  if (k == 0) {
    for (int64_t i = 0; i < m; i++) {
      for (int64_t j = 0; j < n; j++) c[i * ldc + j] = beta == 0 ? 0 : beta * c[i * ldc + j];
    }
    return;
  }
  strip s = {.a_row = transpose_a ? 1 : lda, .a_step = transpose_a ? lda : 1, .c_row = ldc};
  for (int64_t first = 0; first < k; first += DEEP) {
    const float *left = a + first * (transpose_a ? lda : 1), *right = b + (transpose_b ? first : first * ldb);
    int64_t j = 0;
    s.k = k - first < DEEP ? k - first : DEEP;
    s.beta = first == 0 ? beta : 1;
    if (n < LANES) {
      memset(packed, 0, (size_t)s.k * LANES * sizeof *packed);
      for (int64_t l = 0; l < s.k; l++) {
        for (int64_t i = 0; i < n; i++) {
          packed[l * LANES + i] = right[transpose_b ? i * ldb + l : l * ldb + i];
        }
      }
      s.b = packed;
      s.b_step = LANES;
      s.b_last = s.c_last = 0;
      tiles_of_less(m, n, &s, left, c);
      continue;
    }
    if (!transpose_b && !transpose_a) {
      s.b = right;
      s.b_step = ldb;
      switch (m) {
        case 1: j = wide_tiles(1, &s, n, left, c); break;
        case 2: j = wide_tiles(2, &s, n, left, c); break;
        case 3: j = wide_tiles(3, &s, n, left, c); break;
        default: break;
      }
    }
    for (; j < n; j += 2 * LANES) {
      int64_t rest = n - j < 2 * LANES ? n - j : 2 * LANES;
      int64_t vectors = rest > LANES ? 2 : 1;
      int64_t start = vectors == 1 ? n - LANES : j;
      s.b_last = s.c_last = vectors == 1 ? 0 : rest - LANES;
      for (int64_t i = 0; i < LANES; i++) s.fresh[i] = start + i >= j ? -1 : 0;
      if (transpose_b || (m >= COPY_ROWS && n > 2 * LANES)) {
        pack(transpose_b, vectors, s.k, right + start * (transpose_b ? ldb : 1), ldb, s.c_last, packed);
        s.b = packed;
        s.b_step = vectors * LANES;
        s.b_last = (vectors - 1) * LANES;
      } else {
        s.b = right + start;
        s.b_step = ldb;
      }
      tiles(m, vectors, &s, left, c + start);
    }
  }
}
