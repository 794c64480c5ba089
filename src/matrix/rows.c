/* Rows in another order, there and back. */
#include <heed/matrix.h>
#include <string.h>


/* Bytes below which threads cost more than they save. */
enum { FEW = 1 << 16 };

/* The usual sizes are copied by the compiler's own instructions. */
static inline void copy_row(char *to, const char *from, size_t size) {
  switch (size) {
    case 1:
      *to = *from;
      return;
    case 4:
      memcpy(to, from, 4);
      return;
    case 8:
      memcpy(to, from, 8);
      return;
    case 32:
      memcpy(to, from, 32);
      return;
    default:
      memcpy(to, from, size);
  }
}

void heed_rows_gather(void *to, const void *from, const int64_t *order, int64_t n, size_t size) {
#pragma omp parallel for schedule(static) num_threads(heed_threads()) if ((double)n * size > FEW)
  for (int64_t i = 0; i < n; i++) {
    copy_row((char *)to + (size_t)i * size, (const char *)from + (size_t)order[i] * size, size);
  }
}

void heed_rows_scatter(void *to, const void *from, const int64_t *order, int64_t n, size_t size) {
#pragma omp parallel for schedule(static) num_threads(heed_threads()) if ((double)n * size > FEW)
  for (int64_t i = 0; i < n; i++) {
    copy_row((char *)to + (size_t)order[i] * size, (const char *)from + (size_t)i * size, size);
  }
}

void heed_csr_gather(const heed_csr *a, const int64_t *order, int64_t *indptr, int32_t *indices,
                     float *values) {
  indptr[0] = 0;
  for (int64_t i = 0; i < a->rows; i++) {
    indptr[i + 1] = indptr[i] + a->indptr[order[i] + 1] - a->indptr[order[i]];
  }
#pragma omp parallel for schedule(static) num_threads(heed_threads()) if (indptr[a->rows] > FEW)
  for (int64_t i = 0; i < a->rows; i++) {
    size_t n = (size_t)(indptr[i + 1] - indptr[i]);
    int64_t from = a->indptr[order[i]];
    if (n == 0) continue;
    memcpy(indices + indptr[i], a->indices + from, n * sizeof *indices);
    if (a->values != NULL) memcpy(values + indptr[i], a->values + from, n * sizeof *values);
  }
}
