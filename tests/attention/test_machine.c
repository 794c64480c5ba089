/* What an attention has to do at least, against counts made by hand, and the machine's rates. */
#include <check.h>
#include <heed/attention.h>
#include <math.h>
#include <string.h>

#include "attention/problem.h"
#include "base/alloc.h"
#include "expect.h"

static void reset(void) {
  heed__kernels_override(NULL);
  heed__alloc_fail_after(-1);
  ck_assert_int_eq(heed_set_threads(0), HEED_OK);
}

/* Three queries, of which the last sees nothing, and two or three keys; three pairs. */
static const int64_t indptr[] = {0, 2, 3, 3};
static const int32_t indices[] = {0, 1, 1};
static const float array[1], other[1];

static heed_mask mask_of(int64_t keys) {
  heed_mask mask;
  ck_assert_int_eq(heed_mask_view(&mask, 3, keys, indptr, indices), HEED_OK);
  return mask;
}

/* Two heads of four numbers. */
static heed_attention_spec spec_of(heed_score score, heed_kernel kernel) {
  heed_attention_spec spec = heed_attention_spec_default(2, 4);
  spec.score = score;
  spec.kernel = kernel;
  return spec;
}

static heed_work count(const heed_attention_spec *spec, const heed_mask *mask,
                       const heed_attention_inputs *in, heed_call call) {
  heed_work work;
  ck_assert_int_eq(heed_attention_work(spec, mask, in, call, &work), HEED_OK);
  return work;
}

static void check(const heed_work *work, double gathered, double transposed, double streamed,
                  double operations, double exponentials) {
  ck_assert_double_eq(work->gathered_bytes[0], gathered);
  ck_assert_double_eq(work->gathered_bytes[1], transposed);
  ck_assert_double_eq(work->streamed_bytes, streamed);
  ck_assert_double_eq(work->operations, operations);
  ck_assert_double_eq(work->exponentials, exponentials);
}

START_TEST(work_of_the_dot_product) {
  heed_mask mask = mask_of(2);
  heed_attention_spec spec = spec_of(HEED_SCORE_DOT, HEED_KERNEL_SPARSE);
  spec.value_dim = 6;
  const heed_attention_inputs in = {.query = array, .key = other, .value = other};
  heed_work work = count(&spec, &mask, &in, HEED_CALL_FORWARD);
  /* A key of 32 bytes and a value of 48 a pair; queries in, outputs out, 4 row ends, 3 indices. */
  ck_assert_int_eq(work.row_bytes[0], 80);
  ck_assert_int_eq(work.row_bytes[1], 0);
  /* A head: 3 pairs of 8 for the logit, 3 for the softmax, 12 for the value; 3 rows of 6 divisions. */
  check(&work, 3 * 80, 0, 3 * (32 + 48) + 4 * 8 + 3 * 4, 2 * (3 * (8 + 3 + 12) + 3 * 6), 2 * 3);

  work = count(&spec, &mask, &in, HEED_CALL_BACKWARD);
  ck_assert_int_eq(work.row_bytes[0], 80);
  ck_assert_int_eq(work.row_bytes[1], 32 + 48 + 2 * 2 * 4);
  double streamed = 3 * (32 + 48 + 48 + 8 + 32) /* query, out, d_out, log_sum_exp; its gradient */
                    + 2 * (32 + 48 + 32 + 48)   /* key, value and their gradients */
                    + 7 * 8 + 2 * 3 * 4         /* row ends, indices of both passes */
                    + 3 * 16;                   /* statistics */
  /* Logit, 3 and d_out . value in both passes; three gradients; d_out . out. */
  check(&work, 3 * 80, 3 * 96, streamed, 2 * (3 * (2 * (8 + 3 + 12) + 8 + 8 + 12) + 3 * 12), 12);

  heed_mask full;
  ck_assert_int_eq(heed_mask_full(&full, 3, 2), HEED_OK);
  spec.kernel = HEED_KERNEL_DENSE;
  work = count(&spec, &full, &in, HEED_CALL_FORWARD);
  check(&work, 0, 0, 3 * 80 + 2 * 80, 2 * (6 * 23 + 18), 12);
  work = count(&spec, &full, &in, HEED_CALL_BACKWARD);
  check(&work, 0, 0, 3 * 168 + 2 * 160, 2 * (6 * (23 + 28) + 36), 12);
}
END_TEST

START_TEST(work_of_the_other_normalizers) {
  heed_mask mask = mask_of(2), full;
  heed_attention_spec spec = spec_of(HEED_SCORE_DOT, HEED_KERNEL_SPARSE);
  spec.value_dim = 6;
  spec.normalizer = HEED_NORMALIZER_RELU;
  heed_attention_inputs in = {.query = array, .key = other, .value = other};
  heed_work work = count(&spec, &mask, &in, HEED_CALL_FORWARD);
  check(&work, 3 * 80, 0, 3 * (32 + 48) + 4 * 8 + 3 * 4, 2 * (3 * (8 + 1 + 12) + 3 * 6), 0);
  work = count(&spec, &mask, &in, HEED_CALL_BACKWARD);
  /* Neither out nor statistics; compare twice. */
  double streamed = 3 * (32 + 48 + 32) + 2 * (32 + 48 + 32 + 48) + 7 * 8 + 2 * 3 * 4;
  check(&work, 3 * 80, 3 * 80, streamed, 2 * 3 * (2 * (8 + 2 + 12) + 8 + 8 + 12), 0);
  spec.normalizer = HEED_NORMALIZER_SIGMOID;
  work = count(&spec, &mask, &in, HEED_CALL_FORWARD);
  check(&work, 3 * 80, 0, 3 * (32 + 48) + 4 * 8 + 3 * 4, 2 * (3 * (8 + 3 + 12) + 3 * 6), 6);

  /* Linear: 24 products for each of 70 queries and keys, instead of 10 for each of 1200 pairs. */
  ck_assert_int_eq(heed_mask_full(&full, 40, 30), HEED_OK);
  spec.normalizer = HEED_NORMALIZER_LINEAR;
  spec.kernel = HEED_KERNEL_DENSE;
  work = count(&spec, &full, &in, HEED_CALL_FORWARD);
  check(&work, 0, 0, 40 * 80 + 30 * 80, 2 * 2 * 24 * 70, 0);
  work = count(&spec, &full, &in, HEED_CALL_BACKWARD);
  ck_assert_double_eq(work.operations, 2.5 * 2 * 2 * 24 * 70);
  in.bias = array;
  in.bias_heads = 1;
  work = count(&spec, &full, &in, HEED_CALL_FORWARD);
  ck_assert_double_eq(work.operations, 2 * (1200 * (8 + 12 + 1) + 40 * 6));

  /* Causal: 24 products twice for each of 200 rows, and 48 pairs of 10; fewer rows, and rows that are not all, go by
   * pairs. */
  static const int64_t blocks[] = {0, 200, 210};
  heed_mask causal, window;
  in.bias = NULL;
  ck_assert_int_eq(heed_mask_causal_blocks(&causal, 2, blocks), HEED_OK);
  work = count(&spec, &causal, &in, HEED_CALL_FORWARD);
  ck_assert_double_eq_tol(work.operations, 2 * 2 * (200 * (48 * 10 + 2 * 24) + 10 * 55), 1e-6);
  ck_assert_int_eq(heed_mask_window(&window, 200, 150, 0), HEED_OK);
  work = count(&spec, &window, &in, HEED_CALL_FORWARD);
  ck_assert_double_ge(work.operations, 2 * 2 * 10 * 150.0 * 50);
  heed_mask_free(&causal);
  heed_mask_free(&window);
}
END_TEST

START_TEST(work_of_the_other_scores) {
  heed_mask mask = mask_of(3);
  heed_attention_spec spec = spec_of(HEED_SCORE_GAT, HEED_KERNEL_SPARSE);
  heed_attention_inputs in = {.query = array, .key = array, .a_query = array, .a_key = array};
  heed_work work = count(&spec, &mask, &in, HEED_CALL_FORWARD);
  ck_assert_int_eq(work.row_bytes[0], 8 + 32); /* a score a head, and the value */
  double scores = 3 * 32 + 6 * 8;              /* one array in, scores of queries and keys out */
  double by_hand = 2 * (3 * (3 + 3 + 8) + 3 * 4) + 6 * 2 * 8;
  check(&work, 3 * 40, 0, 3 * (8 + 32) + 32 + 12 + scores, by_hand, 6);
  in.key = other; /* two arrays of nodes are twice the bytes */
  work = count(&spec, &mask, &in, HEED_CALL_FORWARD);
  check(&work, 3 * 40, 0, 3 * (8 + 32) + 32 + 12 + scores + 3 * 32, by_hand, 6);
  work = count(&spec, &mask, &in, HEED_CALL_BACKWARD);
  ck_assert_int_eq(work.row_bytes[0], 0); /* the forward call spares that pass */
  ck_assert_int_eq(work.row_bytes[1], 8 + 32 + 16);
  ck_assert_double_eq(work.operations, 2 * (3 * (3 + 3 + 8 + 2 + 2 + 8) + 3 * 8) + 6 * 2 * 16);
  /* Rows of the queries and of the keys, read and written, and of values both; in one array one of each. */
  double streamed = work.streamed_bytes;
  in.key = array;
  work = count(&spec, &mask, &in, HEED_CALL_BACKWARD);
  ck_assert_double_eq(streamed - work.streamed_bytes, 3 * 32 * (2 + 2 + 2) - 3 * 32 * 2);

  /* The keys are the values: one row a pair. */
  spec.score = HEED_SCORE_GATV2;
  in = (heed_attention_inputs){.query = array, .key = other, .a = array};
  work = count(&spec, &mask, &in, HEED_CALL_FORWARD);
  check(&work, 3 * 32, 0, 3 * 64 + 32 + 12, 2 * (3 * (20 + 3 + 8) + 3 * 4), 6);
  work = count(&spec, &mask, &in, HEED_CALL_BACKWARD);
  ck_assert_double_eq(work.operations, 2 * (3 * (2 * (20 + 3 + 8) + 12 + 12 + 8 + 8) + 3 * 8));

  /* A tanh a number, which is an exponential. */
  spec.score = HEED_SCORE_ADDITIVE;
  in.value = other;
  work = count(&spec, &mask, &in, HEED_CALL_FORWARD);
  check(&work, 3 * 64, 0, 3 * 64 + 32 + 12, 2 * (3 * (12 + 3 + 8) + 3 * 4), 2 * 3 * 5);

  /* A bias is read once a pass and added once. */
  heed_work with;
  in.bias = array;
  in.bias_heads = 2;
  with = count(&spec, &mask, &in, HEED_CALL_FORWARD);
  ck_assert_double_eq(with.streamed_bytes, work.streamed_bytes + 3 * 8);
  ck_assert_double_eq(with.operations, work.operations + 2 * 3);

  /* Backwards, any score but the dot product goes the sparse way. */
  spec.kernel = HEED_KERNEL_DENSE;
  work = count(&spec, &mask, &in, HEED_CALL_BACKWARD);
  ck_assert_double_gt(work.gathered_bytes[1], 0);

  /* With features of pairs the weights may be kept from one pass to the other. */
  spec = spec_of(HEED_SCORE_DOT, HEED_KERNEL_SPARSE);
  spec.edge_dim = 3;
  in = (heed_attention_inputs){
      .query = array, .key = other, .value = other, .edges = array, .edge_bias = array};
  work = count(&spec, &mask, &in, HEED_CALL_BACKWARD);
  ck_assert_double_eq(work.operations, 2 * (3 * ((8 + 3 + 8) + 24) + 3 * 8) + 2 * 2 * 3 * 2 * 3);
  ck_assert_double_eq(work.exponentials, 6);
}
END_TEST

START_TEST(work_refuses_what_is_wrong) {
  heed_mask mask = mask_of(2);
  heed_attention_spec spec = spec_of(HEED_SCORE_DOT, HEED_KERNEL_AUTO);
  const heed_attention_inputs in = {.query = array, .key = other, .value = other};
  heed_work work;
  ck_assert_int_eq(heed_attention_work(&spec, &mask, &in, HEED_CALL_FORWARD, &work),
                   HEED_ARGUMENT);
  ck_assert_ptr_nonnull(strstr(heed_message(), "auto"));
  spec.kernel = HEED_KERNEL_SPARSE;
  ck_assert_int_eq(heed_attention_work(&spec, &mask, &in, (heed_call)7, &work), HEED_ARGUMENT);
  ck_assert_ptr_nonnull(strstr(heed_message(), "7"));
  spec.heads = 0;
  ck_assert_int_eq(heed_attention_work(&spec, &mask, &in, HEED_CALL_FORWARD, &work), HEED_RANGE);
}
END_TEST

START_TEST(the_floor_is_the_greater_part) {
  heed_work work = {.gathered_bytes = {4e9, 2e9}, .streamed_bytes = 1e9, .operations = 10e9};
  heed_work_rates rates = {.gather_gbytes = {2, 4}, .stream_gbytes = 10, .gflops = 5,
                           .exponentials = 3};
  heed_floor floor = heed_work_floor(&work, &rates);
  ck_assert_double_eq_tol(floor.memory, 2 + 0.5 + 0.1, 1e-12);
  ck_assert_double_eq_tol(floor.arithmetic, 2, 1e-12);
  ck_assert_double_eq(floor.seconds, floor.memory);
  work.exponentials = 3e9;
  floor = heed_work_floor(&work, &rates);
  ck_assert_double_eq_tol(floor.arithmetic, 3, 1e-12);
  ck_assert_double_eq(floor.seconds, floor.arithmetic);
  work.gathered_bytes[0] = work.gathered_bytes[1] = 0; /* the rates are then not read */
  rates.gather_gbytes[0] = rates.gather_gbytes[1] = 0;
  ck_assert_double_eq_tol(heed_work_floor(&work, &rates).memory, 0.1, 1e-12);
}
END_TEST

/* Rates of memory are there for every kind of mask; how high they are depends on the day. */
START_TEST(reading_has_a_rate) {
  double gbytes = 0;
  heed_mask masks[3] = {mask_of(2)};
  static const int64_t none[] = {0, 0};
  ck_assert_int_eq(heed_mask_full(masks + 1, 3, 5), HEED_OK);
  ck_assert_int_eq(heed_mask_view(masks + 2, 1, 0, none, NULL), HEED_OK);
  static const int64_t sizes[] = {4, 12, 32, 100, 256, 512, 516};
  for (int m = 0; m < 3; m++) {
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
      ck_assert_int_eq(heed_measure_gather(masks + m, sizes[i], 0, &gbytes), HEED_OK);
      ck_assert(gbytes > 0 && isfinite(gbytes));
    }
  }
  ck_assert_int_eq(heed_measure_gather(masks, 6, 0, &gbytes), HEED_ARGUMENT);
  ck_assert_ptr_nonnull(strstr(heed_message(), "6 bytes"));
  ck_assert_int_eq(heed_measure_gather(masks, 0, 0, &gbytes), HEED_ARGUMENT);
  ck_assert_int_eq(heed_measure_gather(masks, 8, -1, &gbytes), HEED_ARGUMENT);
  ck_assert_int_eq(heed_measure_stream(1000, 0, &gbytes), HEED_OK);
  ck_assert(gbytes > 0 && isfinite(gbytes));
  ck_assert_int_eq(heed_measure_stream(-1, 0, &gbytes), HEED_ARGUMENT);
  ck_assert_int_eq(heed_measure_stream(8, (double)NAN, &gbytes), HEED_ARGUMENT);
}
END_TEST

/* The loop that reads rows adds up the rows that are named, whole, whatever their width. */
START_TEST(gathered_rows_are_summed) {
  static const char *const isas[] = {"portable", "avx2", "avx512"};
  enum { ROWS = 11, MOST = 140, STRIDE = 160 };
  static float table[ROWS * STRIDE];
  static const int32_t rows[] = {3, 0, 10, 3, 7, 1, 1, 9, 2};
  for (int i = 0; i < ROWS * STRIDE; i++) table[i] = (float)(i % 7);
  for (size_t k = 0; k < sizeof isas / sizeof *isas; k++) {
    const heed__kernels *kernels = heed__kernels_named(isas[k]);
    if (kernels == NULL) continue;
    for (int width = 1; width <= MOST; width++) {
      for (int n = 0; n <= 7; n++) {
        double named = 0, first = 0;
        int64_t stride = width == 8 || width == 64 || width == 128 ? width : STRIDE;
        for (int r = 0; r < n; r++) {
          for (int c = 0; c < width; c++) {
            named += table[rows[r] * stride + c];
            first += table[r * stride + c];
          }
        }
        for (int ahead = 0; ahead <= 2; ahead += 2) {
          float sum = kernels->gather_rows(table, stride, width, rows, n, ahead);
          ck_assert_msg(sum == (float)named, "%s, %d rows of %d: %g, not %g", isas[k], n, width,
                        (double)sum, named);
        }
        ck_assert(kernels->gather_rows(table, stride, width, NULL, n, 0) == (float)first);
      }
    }
    float sink = 0;
    ck_assert_double_gt(kernels->exponentials(3, &sink), 0);
    ck_assert(sink > 0 && sink <= 8);
  }
}
END_TEST

static void check_arithmetic(const heed_machine *machine) {
  ck_assert_int_eq(machine->threads, heed_threads());
  ck_assert_double_gt(machine->vector_gflops, 0);
  ck_assert_double_gt(machine->product_gflops, 0);
  ck_assert_double_gt(machine->exponentials, 0);
}

START_TEST(machine_has_rates) {
  heed_machine machine;
  ck_assert_int_eq(heed_set_threads(2), HEED_OK);
  ck_assert_int_eq(heed_measure_arithmetic(&machine, 0), HEED_OK);
  check_arithmetic(&machine);
  size_t held = heed_memory_held();
  ck_assert_int_eq(heed_machine_measure(&machine, 0), HEED_OK);
  ck_assert_uint_eq(heed_memory_held(), held);
  check_arithmetic(&machine);
  for (int level = 0; level < HEED_LEVELS; level++) {
    const heed_bandwidth *bandwidth = machine.levels + level;
    ck_assert_double_gt(bandwidth->stream_gbytes, 0);
    for (int i = 0; i < HEED_MACHINE_ROWS; i++) ck_assert_double_gt(bandwidth->gather_gbytes[i], 0);
    ck_assert(level == 0 || bandwidth->bytes > bandwidth[-1].bytes);
  }
  ck_assert_int_eq(heed_machine_measure(&machine, -1), HEED_ARGUMENT);
  ck_assert_str_eq(heed_level_name(HEED_LEVEL_MEMORY), "memory");
  ck_assert_str_eq(heed_level_name((heed_level)9), "?");
  ck_assert_int_eq(heed_machine_row_bytes(0), 32);
  ck_assert_int_eq(heed_machine_row_bytes(HEED_MACHINE_ROWS), 0);
}
END_TEST

START_TEST(every_allocation_may_fail) {
  heed_mask mask = mask_of(2);
  heed_machine machine;
  double gbytes;
  size_t held = heed_memory_held();
  for (int what = 0; what < 3; what++) {
    heed_status status = HEED_NOMEM;
    for (long n = 0; status != HEED_OK; n++) {
      ck_assert_int_lt(n, 20);
      heed__alloc_fail_after(n);
      status = what == 0   ? heed_measure_gather(&mask, 64, 0, &gbytes)
               : what == 1 ? heed_measure_stream(4096, 0, &gbytes)
                           : heed_measure_arithmetic(&machine, 0);
      heed__alloc_fail_after(-1);
      ck_assert(status == HEED_OK || status == HEED_NOMEM);
      ck_assert(n > 0 || status == HEED_NOMEM);
      ck_assert_uint_eq(heed_memory_held(), held);
    }
  }
  for (long n = 0; n < 5; n++) { /* up to the tables that fit the third-level cache */
    heed__alloc_fail_after(n);
    ck_assert_int_eq(heed_machine_measure(&machine, 0), HEED_NOMEM);
    heed__alloc_fail_after(-1);
    ck_assert_uint_eq(heed_memory_held(), held);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("machine");
  TCase *work = tcase_create("work");
  tcase_add_test(work, work_of_the_dot_product);
  tcase_add_test(work, work_of_the_other_normalizers);
  tcase_add_test(work, work_of_the_other_scores);
  tcase_add_test(work, work_refuses_what_is_wrong);
  tcase_add_test(work, the_floor_is_the_greater_part);
  suite_add_tcase(suite, work);
  TCase *rates = tcase_create("rates");
  tcase_set_timeout(rates, 300);
  tcase_add_checked_fixture(rates, NULL, reset);
  tcase_add_test(rates, reading_has_a_rate);
  tcase_add_test(rates, gathered_rows_are_summed);
  tcase_add_test(rates, machine_has_rates);
  tcase_add_test(rates, every_allocation_may_fail);
  suite_add_tcase(suite, rates);
  return run_suite(suite);
}
