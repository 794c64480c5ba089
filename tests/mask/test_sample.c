/* Batches of a sampler: counts, chances, threads, all neighbours, induced pairs, failures. */
#include <check.h>
#include <heed/mask.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "chance.h"
#include "expect.h"

enum { N = 600, MOST_PAIRS = N * 60 };

static int64_t indptr[N + 1];
static int32_t indices[MOST_PAIRS];
static heed_mask mask;

/* Degrees from 0 to about 50, two of three nodes see themselves. */
static void set_up(void) {
  state = 3;
  int64_t pairs = 0;
  for (int i = 0; i < N; i++) {
    indptr[i] = pairs;
    int64_t percent = i % 10;
    for (int j = 0; j < N; j++) {
      if (i == j ? i % 3 > 0 : chance(120) < percent) indices[pairs++] = j;
    }
    ck_assert_int_lt(pairs, MOST_PAIRS - N);
  }
  indptr[N] = pairs;
  ok(heed_mask_view(&mask, N, N, indptr, indices));
}

static bool sees_itself(const heed_mask *of, int64_t i) {
  for (int64_t p = of->indptr[i]; p < of->indptr[i + 1]; p++) {
    if (of->indices[p] == i) return true;
  }
  return false;
}

/* What the comment of heed_sample promises: the mask is one, pairs are those of the whole mask, rows have as many as
 * they should, hops are what is reached. */
static void check_sample(const heed_sample *s, const heed_mask *of, const int32_t *fanouts, int hops,
                         const int64_t *targets, int64_t n) {
  heed_mask listed;
  ok(heed_mask_check(&s->mask));
  ok(heed_mask_explicit(&listed, of));
  ck_assert_int_eq(s->n_targets, n);
  ck_assert_int_eq(s->hops, hops);
  ck_assert_int_eq(s->ends[0], n);
  ck_assert_int_eq(s->ends[hops], s->n_nodes);
  ck_assert_int_eq(s->mask.n_queries, s->n_nodes);
  ck_assert_int_eq(s->mask.n_keys, s->n_nodes);
  bool *met = calloc((size_t)of->n_queries, sizeof *met);
  ck_assert_ptr_nonnull(met);
  for (int64_t r = 0; r < s->n_nodes; r++) {
    ck_assert(!met[s->nodes[r]]);
    met[s->nodes[r]] = true;
    if (r < n) ck_assert_int_eq(s->nodes[r], targets[r]);
  }
  int64_t row = 0;
  for (int h = 0; h <= hops; h++) {
    bool ascending = true;
    for (int64_t r = h == 0 ? 1 : s->ends[h - 1] + 1; h > 0 && r < s->ends[h]; r++) {
      ascending = ascending && s->nodes[r - 1] < s->nodes[r];
    }
    ck_assert(ascending);
    for (; row < s->ends[h]; row++) {
      int64_t node = s->nodes[row];
      int64_t degree = listed.indptr[node + 1] - listed.indptr[node];
      int64_t own = sees_itself(&listed, node), fanout = h == hops ? 0 : fanouts[h];
      int64_t wanted = fanout < 0 || degree - own < fanout ? degree - own : fanout;
      ck_assert_int_eq(s->mask.indptr[row + 1] - s->mask.indptr[row], wanted + own);
      ck_assert_int_eq(sees_itself(&s->mask, row), own);
      for (int64_t p = s->mask.indptr[row]; p < s->mask.indptr[row + 1]; p++) {
        int64_t pair = s->pairs[p], key = s->mask.indices[p];
        ck_assert_int_ge(pair, listed.indptr[node]);
        ck_assert_int_lt(pair, listed.indptr[node + 1]);
        ck_assert_int_eq(listed.indices[pair], s->nodes[key]);
        if (h < hops) ck_assert_int_lt(key, s->ends[h + 1]); /* no further than a step */
      }
    }
  }
  free(met);
  heed_mask_free(&listed);
}

START_TEST(samples_are_what_they_should_be) {
  static const int32_t fanouts[][4] = {{3, 2, 4, 1}, {0, 5, 5, 5}, {-1, 3, -1, 2}, {1000, 1, 60, 0},
                                       {-1, -1, -1, -1}};
  heed_mask kinds[3] = {mask};
  ok(heed_mask_full(&kinds[1], 70, 70));
  ok(heed_mask_window(&kinds[2], 300, 6, 2));
  for (int kind = 0; kind < 3; kind++) {
    for (int f = 0; f < 5; f++) {
      for (int hops = 1; hops <= 4; hops++) {
        heed_sampler *sampler;
        heed_sample sample;
        ok(heed_sampler_new(&sampler, &kinds[kind], fanouts[f], hops, 77));
        for (uint64_t b = 0; b < 3; b++) {
          int64_t targets[9], n = b == 1 ? 0 : 9;
          for (int i = 0; i < 9; i++) targets[i] = (50 - 5 * i + 7 * (int)b) % 70;
          ok(heed_sampler_take(sampler, targets, n, 1, b, &sample));
          check_sample(&sample, &kinds[kind], fanouts[f], hops, targets, n);
        }
        heed_sampler_free(sampler);
      }
    }
    heed_mask_free(&kinds[kind]);
  }
}
END_TEST

/* Every pair of a row is as likely as any other, and every two: frequencies over many seeds within 4.9 deviations
 * of the binomial (a false alarm in 10^6), row lengths above and below half. */
START_TEST(no_pair_is_likelier_than_another) {
  enum { ROUNDS = 4000, DEGREE = 23 };
  static int32_t many[DEGREE + 1];
  static int64_t ptr[DEGREE + 2];
  for (int i = 0; i <= DEGREE; i++) many[i] = i;
  for (int i = 1; i <= DEGREE + 1; i++) ptr[i] = DEGREE + 1; /* row 0 sees all, itself too */
  heed_mask star;
  ok(heed_mask_view(&star, DEGREE + 1, DEGREE + 1, ptr, many));
  static const int32_t fanouts[] = {1, 2, 5, 11, 22};
  for (int f = 0; f < 5; f++) {
    int32_t fanout = fanouts[f];
    int count[DEGREE + 1] = {0}, both[DEGREE + 1][DEGREE + 1] = {{0}};
    for (uint64_t round = 0; round < ROUNDS; round++) {
      heed_sampler *sampler;
      heed_sample sample;
      const int64_t target = 0;
      /* Other seeds, epochs and batches in turn. */
      ok(heed_sampler_new(&sampler, &star, &fanout, 1, round / 16));
      ok(heed_sampler_take(sampler, &target, 1, round % 4, round / 4 % 4, &sample));
      ck_assert_int_eq(sample.mask.indptr[1], fanout + 1);
      for (int64_t p = 0; p <= fanout; p++) {
        count[sample.pairs[p]]++;
        for (int64_t q = 0; q < p; q++) both[sample.pairs[q]][sample.pairs[p]]++;
      }
      heed_sampler_free(sampler);
    }
    double p = (double)fanout / DEGREE, pp = p * (fanout - 1) / (DEGREE - 1);
    double bound = 4.9 * sqrt(ROUNDS * p * (1 - p)), bound_2 = 4.9 * sqrt(ROUNDS * pp * (1 - pp));
    ck_assert_int_eq(count[0], ROUNDS);
    for (int i = 1; i <= DEGREE; i++) {
      ck_assert_double_le(fabs(count[i] - ROUNDS * p), bound);
      for (int j = i + 1; j <= DEGREE; j++) {
        ck_assert_double_le(fabs(both[i][j] - ROUNDS * pp), bound_2 + 1e-9);
      }
    }
  }
}
END_TEST

static void same_sample(const heed_sample *a, const heed_sample *b) {
  ck_assert_int_eq(a->n_nodes, b->n_nodes);
  ck_assert_int_eq(a->mask.n_pairs, b->mask.n_pairs);
  ck_assert(memcmp(a->nodes, b->nodes, (size_t)a->n_nodes * sizeof *a->nodes) == 0);
  ck_assert(memcmp(a->pairs, b->pairs, (size_t)a->mask.n_pairs * sizeof *a->pairs) == 0);
  ck_assert(memcmp(a->mask.indices, b->mask.indices,
                   (size_t)a->mask.n_pairs * sizeof *a->mask.indices) == 0);
  ck_assert(memcmp(a->mask.indptr, b->mask.indptr,
                   (size_t)(a->n_nodes + 1) * sizeof *a->mask.indptr) == 0);
}

/* (seed, epoch, batch) say what a batch is: not the threads, not what was drawn before; any other gives another. */
START_TEST(the_same_batch_again) {
  static const int32_t fanouts[] = {4, 3};
  static int64_t targets[N];
  for (int i = 0; i < N; i++) targets[i] = (i * 7) % N;
  heed_sampler *one, *two;
  heed_sample a, b;
  ok(heed_set_threads(1));
  ok(heed_sampler_new(&one, &mask, fanouts, 2, 5));
  ok(heed_sampler_take(one, targets, N, 3, 4, &a));
  static const int threads[] = {1, 2, 5};
  for (int t = 0; t < 3; t++) {
    ok(heed_set_threads(threads[t]));
    ok(heed_sampler_new(&two, &mask, fanouts, 2, 5));
    ok(heed_sampler_take(two, targets, 20, 0, 0, &b));
    ok(heed_sampler_take(two, targets, N, 3, 4, &b));
    same_sample(&a, &b);
    heed_sampler_free(two);
  }
  ok(heed_set_threads(0));
  for (int other = 0; other < 3; other++) {
    ok(heed_sampler_new(&two, &mask, fanouts, 2, other == 0 ? 6 : 5));
    ok(heed_sampler_take(two, targets, N, other == 1 ? 2 : 3, other == 2 ? 5 : 4, &b));
    ck_assert(memcmp(a.pairs, b.pairs, (size_t)a.mask.n_pairs / 2 * sizeof *a.pairs) != 0);
    heed_sampler_free(two);
  }
  heed_sampler_free(one);
}
END_TEST

/* No memory beyond the largest batch's. */
START_TEST(memory_does_not_grow) {
  static const int32_t fanouts[] = {4, 3};
  int64_t targets[40];
  heed_sampler *sampler;
  heed_sample sample;
  ok(heed_sampler_new(&sampler, &mask, fanouts, 2, 5));
  for (int i = 0; i < 40; i++) targets[i] = 10 * i + 9;
  for (uint64_t b = 0; b < 20; b++) ok(heed_sampler_take(sampler, targets, 40, 0, b, &sample));
  size_t held = heed_memory_held(), bytes = heed_sampler_bytes(sampler);
  ck_assert_uint_le(bytes, held);
  for (uint64_t b = 0; b < 20; b++) ok(heed_sampler_take(sampler, targets, 40, 0, b, &sample));
  ck_assert_uint_eq(heed_memory_held(), held);
  ck_assert_uint_eq(heed_sampler_bytes(sampler), bytes);
  heed_sampler_free(sampler);
}
END_TEST

START_TEST(induced_pairs_are_those_among_the_nodes) {
  heed_mask kinds[3] = {mask}, listed;
  ok(heed_mask_full(&kinds[1], N, N));
  ok(heed_mask_window(&kinds[2], N, 80, 50));
  for (int kind = 0; kind < 3; kind++) {
    heed_sampler *sampler;
    heed_sample s;
    ok(heed_mask_explicit(&listed, &kinds[kind]));
    ok(heed_sampler_new(&sampler, &kinds[kind], NULL, 0, 0));
    for (int round = 0; round < 3; round++) {
      static const int64_t sizes[] = {0, 31, N};
      int64_t nodes[N], n = sizes[round];
      int place[N];
      for (int i = 0; i < N; i++) place[i] = -1;
      for (int64_t i = 0; i < n; i++) place[nodes[i] = (i * 77 + 5) % N] = (int)i;
      ok(heed_sampler_induce(sampler, nodes, n, &s));
      ok(heed_mask_check(&s.mask));
      ck_assert_int_eq(s.n_nodes, n);
      ck_assert_int_eq(s.hops, 0);
      ck_assert_int_eq(s.ends[0], n);
      for (int64_t r = 0; r < n; r++) {
        ck_assert_int_eq(s.nodes[r], nodes[r]);
        int64_t wanted = 0;
        for (int64_t p = listed.indptr[nodes[r]]; p < listed.indptr[nodes[r] + 1]; p++) {
          wanted += place[listed.indices[p]] >= 0;
        }
        ck_assert_int_eq(s.mask.indptr[r + 1] - s.mask.indptr[r], wanted);
        for (int64_t p = s.mask.indptr[r]; p < s.mask.indptr[r + 1]; p++) {
          ck_assert_int_eq(place[listed.indices[s.pairs[p]]], s.mask.indices[p]);
          ck_assert_int_ge(s.pairs[p], listed.indptr[nodes[r]]);
          ck_assert_int_lt(s.pairs[p], listed.indptr[nodes[r] + 1]);
        }
      }
    }
    heed_sampler_free(sampler);
    heed_mask_free(&listed);
    heed_mask_free(&kinds[kind]);
  }
}
END_TEST

START_TEST(hostile_arguments) {
  heed_sampler *sampler;
  heed_sample s;
  heed_mask uneven = mask;
  uneven.n_keys = N + 1;
  const int32_t bad[] = {3, -2}, good[] = {3, 2};
  fails(heed_sampler_new(&sampler, &uneven, good, 2, 0), HEED_SHAPE, "601 keys");
  ck_assert_ptr_null(sampler);
  fails(heed_sampler_new(&sampler, &mask, bad, 2, 0), HEED_RANGE, "fan-out -2 of hop 2");
  fails(heed_sampler_new(&sampler, &mask, good, -1, 0), HEED_RANGE, "-1 fan-outs");
  fails(heed_sampler_new(&sampler, &mask, good, HEED_MAX_HOPS + 1, 0), HEED_RANGE, "17 fan-outs");
  fails(heed_sampler_new(&sampler, &mask, NULL, 2, 0), HEED_RANGE, "not there");
  ok(heed_sampler_new(&sampler, &mask, NULL, 0, 0));
  const int64_t twice[] = {4, 8, 4}, far[] = {1, N}, less[] = {-1};
  fails(heed_sampler_take(sampler, twice, 1, 0, 0, &s), HEED_ARGUMENT, "no fan-outs");
  fails(heed_sampler_induce(sampler, twice, 3, &s), HEED_ARGUMENT, "node 4 is number 0 and number 2");
  heed_sampler_free(sampler);
  ok(heed_sampler_new(&sampler, &mask, good, 2, 0));
  fails(heed_sampler_take(sampler, twice, 3, 0, 0, &s), HEED_ARGUMENT, "number 2");
  fails(heed_sampler_take(sampler, far, 2, 0, 0, &s), HEED_RANGE, "node 600 of 600");
  fails(heed_sampler_take(sampler, less, 1, 0, 0, &s), HEED_RANGE, "node -1");
  fails(heed_sampler_take(sampler, far, -1, 0, 0, &s), HEED_RANGE, "-1 nodes");
  ck_assert_int_eq(s.n_nodes, 0);
  const int64_t fine[] = {4, 8}; /* nothing of the failures is left */
  ok(heed_sampler_take(sampler, fine, 2, 0, 0, &s));
  check_sample(&s, &mask, good, 2, fine, 2);
  heed_sampler_free(sampler);
  heed_sampler_free(NULL);
}
END_TEST

START_TEST(memory_may_run_out) {
  static const int32_t fanouts[] = {4, -1, 3};
  int64_t targets[60];
  for (int i = 0; i < 60; i++) targets[i] = 10 * i + 9;
  heed_sampler *sampler;
  heed_sample s;
  heed_status status = HEED_NOMEM;
  size_t held = heed_memory_held();
  for (int n = 0; status != HEED_OK; n++) {
    heed__alloc_fail_after(n);
    status = heed_sampler_new(&sampler, &mask, fanouts, 3, 5);
    heed__alloc_fail_after(-1);
    if (status == HEED_OK) break;
    ck_assert_int_eq(status, HEED_NOMEM);
    ck_assert_uint_eq(heed_memory_held(), held);
  }
  status = HEED_NOMEM;
  for (int n = 0; status != HEED_OK; n++) { /* what failed half-way goes on */
    heed__alloc_fail_after(n % 11);
    status = heed_sampler_take(sampler, targets, 60, 0, 0, &s);
    heed__alloc_fail_after(-1);
    ck_assert(status == HEED_OK || status == HEED_NOMEM);
  }
  check_sample(&s, &mask, fanouts, 3, targets, 60);
  heed_sampler_free(sampler);
  ck_assert_uint_eq(heed_memory_held(), held);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("sample");
  TCase *tests = tcase_create("sample");
  tcase_set_timeout(tests, 60);
  tcase_add_checked_fixture(tests, set_up, NULL);
  tcase_add_test(tests, samples_are_what_they_should_be);
  tcase_add_test(tests, no_pair_is_likelier_than_another);
  tcase_add_test(tests, the_same_batch_again);
  tcase_add_test(tests, memory_does_not_grow);
  tcase_add_test(tests, induced_pairs_are_those_among_the_nodes);
  tcase_add_test(tests, hostile_arguments);
  tcase_add_test(tests, memory_may_run_out);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
