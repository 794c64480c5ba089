/** @file
 *  Room attention: what this machine can do at most, what an attention has to do at least, and so how
 *  long it must take: the floor that `heed bench` holds every measured time against.
 *
 *  Everything is measured with heed_threads() threads and the instruction set in use, and is the best
 *  of several runs, at least three, for about `seconds` (0: three runs). */
#ifndef HEED_MACHINE_H
#define HEED_MACHINE_H

#include <heed/attention.h>
#include <heed/base.h>
#include <heed/mask.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Where a table lies that is read again and again. */
typedef enum heed_level {
  HEED_LEVEL_L2 = 0,    /**< half of a core's second-level cache */
  HEED_LEVEL_L3 = 1,    /**< a quarter of the third-level cache */
  HEED_LEVEL_MEMORY = 2 /**< seven times the third-level cache, 256 MiB to 1 GiB */
} heed_level;

#define HEED_LEVELS 3

/** Sizes of the rows that are gathered. */
#define HEED_MACHINE_ROWS 4

/** How fast a table of one level is read; GB are 10^9 bytes. */
typedef struct heed_bandwidth {
  int64_t bytes;                           /**< of the table, which all threads share */
  double stream_gbytes;                    /**< one row after the other */
  double gather_gbytes[HEED_MACHINE_ROWS]; /**< rows of heed_machine_row_bytes() at random, asked for
                                                ahead of time where that is faster */
} heed_bandwidth;

/** Rates of this machine. */
typedef struct heed_machine {
  int threads;
  double vector_gflops;  /**< fused multiply-adds in registers, two operations each */
  double product_gflops; /**< the matrix library, square product */
  double exponentials;   /**< the kernels' own exponential, 10^9 a second */
  heed_bandwidth levels[HEED_LEVELS];
} heed_machine;

/** 32, 256, 512 and 2048; `index` from 0 to HEED_MACHINE_ROWS - 1. */
HEED_API int heed_machine_row_bytes(int index);

/** "L2", "L3" and "memory". */
HEED_API const char *heed_level_name(heed_level level);

/** Measures arithmetic alone: the fields before `levels`.
 *  @return as heed_machine_measure() */
HEED_API HEED_CHECKED heed_status heed_measure_arithmetic(heed_machine *machine, double seconds);

/** Measures everything; `seconds` in all, to which filling the tables comes on top.
 *  @return HEED_ARGUMENT if `seconds` is negative, HEED_NOMEM, HEED_LIBRARY */
HEED_API HEED_CHECKED heed_status heed_machine_measure(heed_machine *machine, double seconds);

/** How fast rows of `row_bytes`, one a key, are read in the order in which the pairs of `mask` name
 *  them: the memory's limit for that graph in that order. The rows of a full mask, or of one without
 *  pairs, are read one after the other.
 *  @param row_bytes a multiple of 4; rows start on lines of the cache, short ones on powers of two
 *  @return HEED_ARGUMENT, HEED_OVERFLOW, HEED_NOMEM */
HEED_API HEED_CHECKED heed_status heed_measure_gather(const heed_mask *mask, int64_t row_bytes,
                                                      double seconds, double *gbytes);

/** How fast a table of `bytes` is read from one end to the other, again and again.
 *  @return HEED_ARGUMENT, HEED_NOMEM */
HEED_API HEED_CHECKED heed_status heed_measure_stream(int64_t bytes, double seconds,
                                                      double *gbytes);

/** The calls of an attention. */
typedef enum heed_call { HEED_CALL_FORWARD = 0, HEED_CALL_BACKWARD = 1 } heed_call;

/** What one call has to do at least, whoever writes it, as long as nothing a pair and dimension is
 *  stored:
 *
 *  - Sparse forward: each pair gathers the row of its key and of its value (one row where the keys are
 *    the values; with GAT one number a head in place of the key), reads its index and computes its
 *    score, one exponential a head and the sum of the values.
 *  - Sparse backward: the same gathers for the gradients of the queries; then, in the order of the
 *    transposed mask, each pair gathers the row of its query, its row of d_out and two statistics a
 *    head, for the gradients of keys and values. Either way the weights are computed again.
 *  - Dense: queries, keys, values, outputs and gradients pass by once and every pair is computed once,
 *    backward too (which is the sparse kernel's for any score but the dot product).
 *
 *  An operation is an addition, a multiplication or a comparison of two numbers; a tanh counts as an
 *  exponential. Dropout, weights and log_sum_exp that are written out are not counted. */
typedef struct heed_work {
  int64_t row_bytes[2];   /**< what a pair gathers: in the order of the mask, a row a key; in the order
                               of its transpose, a row a query */
  double gathered_bytes[2];
  double streamed_bytes;  /**< read or written one after the other, each once */
  double operations;
  double exponentials;
} heed_work;

/** Counts the work of one call. Of `inputs` only which arrays are there, and which are one, matters.
 *  @param spec its kernel is not AUTO: see heed_attention_plan_cost(); the reference counts as sparse
 *  @return HEED_ARGUMENT and what heed_attention_new() returns for a spec or mask that is wrong */
HEED_API HEED_CHECKED heed_status heed_attention_work(const heed_attention_spec *spec,
                                                      const heed_mask *mask,
                                                      const heed_attention_inputs *inputs,
                                                      heed_call call, heed_work *work);

/** Rates that belong to one piece of work. */
typedef struct heed_work_rates {
  double gather_gbytes[2]; /**< heed_measure_gather() of the mask and of its transpose; not read where
                                nothing is gathered */
  double stream_gbytes;    /**< heed_measure_stream() of all arrays of the call together */
  double gflops;           /**< of the vector units, or of matrix products for dense dot products */
  double exponentials;     /**< 10^9 a second */
} heed_work_rates;

/** The least time. Memory works while the vector units do, which are either at operations or at
 *  exponentials: seconds = max(memory, arithmetic). */
typedef struct heed_floor {
  double seconds;
  double memory;     /**< gathered and streamed bytes over their bandwidths */
  double arithmetic; /**< operations and exponentials over their rates */
} heed_floor;

/** The floor of `work` at `rates`. */
HEED_API heed_floor heed_work_floor(const heed_work *work, const heed_work_rates *rates);

#ifdef __cplusplus
}
#endif

#endif
