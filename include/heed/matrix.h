/** @file
 *  Room matrix: row-major dense views, sparse feature matrices and their products. */
#ifndef HEED_MATRIX_H
#define HEED_MATRIX_H

#include <heed/base.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A row-major matrix of floats that somebody else owns: element (i, j) is data[i * stride + j].
 *  An array [N, H, D] is the matrix of N rows and H * D columns. */
typedef struct heed_matrix {
  float *data;
  int64_t rows;
  int64_t cols;
  int64_t stride; /**< numbers from one row to the next, at least `cols` */
} heed_matrix;

/** A sparse matrix in compressed rows that somebody else owns: the columns of row i are
 *  indices[indptr[i] .. indptr[i + 1]), ascending and distinct. */
typedef struct heed_csr {
  int64_t rows;
  int64_t cols;
  const int64_t *indptr;  /**< [rows + 1] */
  const int32_t *indices; /**< [indptr[rows]] */
  const float *values;    /**< [indptr[rows]]; NULL stands for all ones */
} heed_csr;

/** A view of contiguous rows: stride is cols. */
HEED_API heed_matrix heed_matrix_view(float *data, int64_t rows, int64_t cols);

/** Checks that a sparse matrix is what its comment says.
 *  @return HEED_RANGE or HEED_ARGUMENT with the row and the numbers */
HEED_API HEED_CHECKED heed_status heed_csr_check(const heed_csr *a);

/** Checks that every number is finite; `name` is what the message calls the array.
 *  @return HEED_VALUE with the first place and the number */
HEED_API HEED_CHECKED heed_status heed_check_finite(const float *x, int64_t n, const char *name);

/** c = alpha op(a) op(b) + beta c, op transposing where asked. With beta 0, c need not be
 *  initialised. The rows of c are cut into fixed blocks, each computed by one thread, so the bits
 *  do not depend on the number of threads.
 *  @return HEED_SHAPE if the sizes disagree; HEED_NOMEM, HEED_LIBRARY from the matrix library, HEED_OVERFLOW if
 *          sizes are beyond its integers */
HEED_API HEED_CHECKED heed_status heed_matmul(bool transpose_a, bool transpose_b, float alpha,
                                              const heed_matrix *a, const heed_matrix *b,
                                              float beta, heed_matrix *c);

/** c = a b for sparse a [rows, cols] and dense b [cols, n]; costs the non-zeros of a times n.
 *  @return HEED_SHAPE if the sizes disagree */
HEED_API HEED_CHECKED heed_status heed_csr_matmul(const heed_csr *a, const heed_matrix *b,
                                                  heed_matrix *c);

/** t = the transpose of a: row j of t lists the rows of a that have column j, ascending. The arrays are
 *  the caller's: indptr [a->cols + 1], indices and places [non-zeros of a]; number p of t is number
 *  places[p] of a. `values` of a are read through `places`.
 *  @return HEED_OVERFLOW if a has more rows than 32-bit indices can name */
HEED_API HEED_CHECKED heed_status heed_csr_transpose(const heed_csr *a, int64_t *indptr,
                                                     int32_t *indices, int64_t *places);

/** Rows in another order: row i of `to` is row order[i] of `from`, rows of `size` bytes. The arrays
 *  must not overlap. heed_rows_scatter() undoes it. */
HEED_API void heed_rows_gather(void *to, const void *from, const int64_t *order, int64_t n,
                               size_t size);

/** Rows back in the old order: row order[i] of `to` is row i of `from`. Every row of `to` is written
 *  where `order` has each once. */
HEED_API void heed_rows_scatter(void *to, const void *from, const int64_t *order, int64_t n,
                                size_t size);

/** The rows of a sparse matrix in another order, order[a->rows], into arrays of the caller's: indptr
 *  [rows + 1], indices and values [non-zeros]; `values` is not touched where a has none. */
HEED_API void heed_csr_gather(const heed_csr *a, const int64_t *order, int64_t *indptr,
                              int32_t *indices, float *values);

/** Elementwise functions. */
typedef enum heed_activation {
  HEED_ACTIVATION_NONE = 0,
  HEED_ACTIVATION_RELU = 1,
  HEED_ACTIVATION_LEAKY_RELU = 2, /**< slope 0.01 below zero */
  HEED_ACTIVATION_ELU = 3,        /**< exp(x) - 1 below zero (Clevert et al. 2016) */
  HEED_ACTIVATION_GELU = 4,       /**< x Phi(x), the exact one (Hendrycks and Gimpel 2016) */
  HEED_ACTIVATION_TANH = 5
} heed_activation;

/** Names as the command line has them: "none", "relu", "leaky-relu", "elu", "gelu", "tanh". */
HEED_API const char *heed_activation_name(heed_activation activation);
/** The function of that name. @return HEED_ARGUMENT, with the names there are */
HEED_API HEED_CHECKED heed_status heed_activation_from_name(const char *name,
                                                            heed_activation *activation);
/** The matrix library this build uses and its version, such as "oneDNN 2.6.3". */
HEED_API const char *heed_matrix_library(void);

#ifdef __cplusplus
}
#endif

#endif
