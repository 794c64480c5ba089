#define _POSIX_C_SOURCE 200809L
#include "matrix/product.h"

#include <heed/matrix.h>
#include <stdio.h>

#include "base/status.h"
#include "config.h"

#if defined HEED_MATRIX_ONEDNN
#include <signal.h>
#ifdef _OPENMP
#include <omp.h>
#endif
#include <oneapi/dnnl/dnnl.h>
#elif defined HEED_MATRIX_CBLAS
#ifdef HAVE_CBLAS_H
#include <cblas.h>
#else
#include <openblas/cblas.h>
#endif
#include <limits.h>
#include <pthread.h>
#endif

static void scale(int64_t m, int64_t n, float beta, float *c, int64_t ldc) {
  for (int64_t i = 0; i < m; i++) {
    for (int64_t j = 0; j < n; j++) c[i * ldc + j] = beta == 0 ? 0 : beta * c[i * ldc + j];
  }
}

heed_status heed__product_reference(bool transpose_a, bool transpose_b, int64_t m, int64_t n,
                                    int64_t k, float alpha, const float *a, int64_t lda,
                                    const float *b, int64_t ldb, float beta, float *c,
                                    int64_t ldc) {
  scale(m, n, beta, c, ldc);
  for (int64_t i = 0; i < m; i++) {
    for (int64_t l = 0; l < k; l++) {
      float factor = alpha * (transpose_a ? a[l * lda + i] : a[i * lda + l]);
      if (transpose_b) {
        for (int64_t j = 0; j < n; j++) c[i * ldc + j] += factor * b[j * ldb + l];
      } else {
        for (int64_t j = 0; j < n; j++) c[i * ldc + j] += factor * b[l * ldb + j];
      }
    }
  }
  return HEED_OK;
}

#if defined HEED_MATRIX_CBLAS
/* Kernels call the library from many threads at once: it must not start threads of its own. */
static void one_thread_each(void) {
#if defined HAVE_OPENBLAS_SET_NUM_THREADS
  openblas_set_num_threads(1);
#elif defined HAVE_BLI_THREAD_SET_NUM_THREADS
  void bli_thread_set_num_threads(long);
  bli_thread_set_num_threads(1);
#endif
}
#endif

#if defined HEED_MATRIX_ONEDNN
/* The code that oneDNN makes as it runs keeps numbers on the stack below what a signal handler leaves
 * alone: a signal that comes amid a product (seen with 2.6: Ctrl-C, a profiler's timer) makes it write
 * anywhere. Signals wait for its end, but for those that the product itself would raise. */
static void hold_signals(sigset_t *before) {
  static const int own[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP};
  sigset_t held;
  sigfillset(&held);
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) sigdelset(&held, own[i]);
  pthread_sigmask(SIG_BLOCK, &held, before);
}
#endif

heed_status heed__product(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k,
                          float alpha, const float *a, int64_t lda, const float *b, int64_t ldb,
                          float beta, float *c, int64_t ldc) {
  if (m == 0 || n == 0) return HEED_OK;
  if (k == 0) {
    scale(m, n, beta, c, ldc);
    return HEED_OK;
  }
#if defined HEED_MATRIX_ONEDNN
  /* oneDNN asks OpenMP how many threads it may use, and cuts the product accordingly. A region of
   * one thread does not count as one for it. */
#ifdef _OPENMP
  int threads = omp_get_max_threads();
  omp_set_num_threads(1);
#endif
  sigset_t before;
  hold_signals(&before);
  dnnl_status_t failed = dnnl_sgemm(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', m, n, k,
                                    alpha, a, lda, b, ldb, beta, c, ldc);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
#ifdef _OPENMP
  omp_set_num_threads(threads);
#endif
  if (failed == dnnl_out_of_memory) {
    return heed__fail(HEED_NOMEM, "out of memory in oneDNN");
  }
  if (failed != dnnl_success) {
    return heed__fail(HEED_LIBRARY, "oneDNN status %d in a product of %lld x %lld x %lld",
                      (int)failed, (long long)m, (long long)n, (long long)k);
  }
  return HEED_OK;
#elif defined HEED_MATRIX_CBLAS
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, one_thread_each);
  if (m > INT_MAX || n > INT_MAX || k > INT_MAX || lda > INT_MAX || ldb > INT_MAX ||
      ldc > INT_MAX) {
    return heed__fail(HEED_OVERFLOW, "a product of %lld x %lld x %lld is beyond CBLAS integers",
                      (long long)m, (long long)n, (long long)k);
  }
  cblas_sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans,
              transpose_b ? CblasTrans : CblasNoTrans, (int)m, (int)n, (int)k, alpha, a, (int)lda,
              b, (int)ldb, beta, c, (int)ldc);
  return HEED_OK;
#else
  return heed__product_reference(transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c,
                                 ldc);
#endif
}

const char *heed_matrix_library(void) {
#if defined HEED_MATRIX_ONEDNN
  static _Thread_local char text[48];
  const dnnl_version_t *version = dnnl_version();
  snprintf(text, sizeof text, "oneDNN %d.%d.%d", version->major, version->minor, version->patch);
  return text;
#elif defined HEED_MATRIX_CBLAS && defined HAVE_OPENBLAS_GET_CONFIG
  return openblas_get_config();
#elif defined HEED_MATRIX_CBLAS
  return "CBLAS";
#else
  return "built-in products";
#endif
}
