/* Room base: statuses, memory, random numbers, files, threads. */
#include <check.h>
#include <dirent.h>
#include <heed/base.h>
#include <heed/version.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/random.h"
#include "base/status.h"
#include "expect.h"

START_TEST(statuses_have_names_and_sentences) {
  ck_assert_str_eq(heed_status_name(HEED_OK), "HEED_OK");
  ck_assert_str_eq(heed_status_name(HEED_SHAPE), "HEED_SHAPE");
  ck_assert_str_eq(heed_status_name(HEED_LIBRARY), "HEED_LIBRARY");
  ck_assert_str_eq(heed_status_sentence(HEED_NOMEM), "out of memory");
  for (int s = 0; s < HEED_STATUS_COUNT; s++) {
    ck_assert_int_gt(strlen(heed_status_sentence((heed_status)s)), 0);
    for (int t = 0; t < s; t++) {
      ck_assert_str_ne(heed_status_name((heed_status)s), heed_status_name((heed_status)t));
    }
  }
  ck_assert_str_eq(heed_status_name(HEED_STATUS_COUNT), "HEED_?");
  ck_assert_str_eq(heed_status_name((heed_status)-1), "HEED_?");
  ck_assert_str_eq(heed_status_sentence((heed_status)1000), "no such status");
  char version[32];
  snprintf(version, sizeof version, "%d.%d.%d", HEED_VERSION_MAJOR, HEED_VERSION_MINOR,
           HEED_VERSION_PATCH);
  ck_assert_str_eq(heed_version(), version);
}
END_TEST

START_TEST(message_keeps_the_last_failure) {
  ck_assert_str_eq(heed_message(), "");
  ck_assert_int_eq(heed__fail(HEED_RANGE, "row %d of %d", 7, 5), HEED_RANGE);
  ck_assert_str_eq(heed_message(), "row 7 of 5");
  ck_assert_int_eq(heed__fail(HEED_IO, "file: %s", heed_message()), HEED_IO);
  ck_assert_str_eq(heed_message(), "file: row 7 of 5");
  char *text = malloc(10001);
  memset(text, 'x', 10000);
  text[10000] = '\0';
  (void)heed__fail(HEED_IO, "%s", text);
  ck_assert_int_gt(strlen(heed_message()), 1000);
  ck_assert_int_eq(strncmp(heed_message(), text, strlen(heed_message())), 0);
  free(text);
}
END_TEST

START_TEST(blocks_are_aligned_and_counted) {
  static const size_t sizes[] = {0, 1, 63, 64, 65, 100000, 4 << 20, (5 << 20) + 1};
  size_t held = heed_memory_held();
  heed_memory_peak_reset();
  ck_assert_uint_eq(heed_memory_peak(), held);
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    char *block = heed__alloc(sizes[i], 1);
    ck_assert_ptr_nonnull(block);
    ck_assert_uint_eq((uintptr_t)block % HEED__ALIGNMENT, 0);
    memset(block, 1, sizes[i]);
    ck_assert_uint_eq(heed_memory_held(), held + sizes[i]);
    ck_assert_uint_eq(heed_memory_peak(), held + sizes[i]);
    heed__free(block);
    block = heed__alloc_zero(sizes[i], 1);
    size_t zeros = 0; /* one assertion: Check writes down each of them */
    for (size_t j = 0; j < sizes[i]; j++) zeros += block[j] == 0;
    ck_assert_uint_eq(zeros, sizes[i]);
    heed__free(block);
    ck_assert_uint_eq(heed_memory_held(), held);
    block = heed_memory_new(sizes[i], 1); /* the caller's: on lines too, not counted, for free() */
    ck_assert_ptr_nonnull(block);
    ck_assert_uint_eq((uintptr_t)block % HEED__ALIGNMENT, 0);
    memset(block, 1, sizes[i]);
    ck_assert_uint_eq(heed_memory_held(), held);
    free(block);
  }
  heed_memory_peak_reset();
  ck_assert_uint_eq(heed_memory_peak(), held);
  heed__free(NULL);
}
END_TEST

START_TEST(impossible_sizes_are_refused) {
  size_t product, held = heed_memory_held();
  ck_assert(heed__multiply(3, 5, &product));
  ck_assert_uint_eq(product, 15);
  ck_assert(!heed__multiply(SIZE_MAX / 2, 3, &product));
  ck_assert_ptr_null(heed__alloc(SIZE_MAX / 2, 3));
  ck_assert_ptr_nonnull(strstr(heed_message(), "items of 3 bytes"));
  ck_assert_ptr_null(heed__alloc(SIZE_MAX, 1));
  ck_assert_ptr_null(heed__alloc(PTRDIFF_MAX, 1));
  ck_assert_ptr_null(heed__alloc_zero(SIZE_MAX / 4, 8));
  ck_assert_ptr_null(heed_memory_new(SIZE_MAX / 4, 8));
  ck_assert_ptr_null(heed_memory_new(PTRDIFF_MAX, 1));
  char *block = heed__alloc(4, 1);
  memcpy(block, "abc", 4);
  ck_assert_ptr_null(heed__realloc(block, SIZE_MAX / 4, 8));
  ck_assert_str_eq(block, "abc");
  block = heed__realloc(block, 1000, 1);
  ck_assert_str_eq(block, "abc");
  ck_assert_uint_eq(heed_memory_held(), held + 1000);
  block = heed__realloc(block, 2, 1);
  ck_assert_int_eq(memcmp(block, "ab", 2), 0);
  heed__free(block);
  block = heed__realloc(NULL, 8, 1);
  ck_assert_ptr_nonnull(block);
  heed__free(block);
  block = heed__strdup("words");
  ck_assert_str_eq(block, "words");
  heed__free(block);
  ck_assert_uint_eq(heed_memory_held(), held);
}
END_TEST

START_TEST(allocations_fail_where_asked) {
  heed__alloc_fail_after(2);
  void *a = heed__alloc(1, 1), *b = heed__alloc(1, 1);
  ck_assert_ptr_nonnull(a);
  ck_assert_ptr_nonnull(b);
  ck_assert_ptr_null(heed__alloc(77, 1));
  ck_assert_ptr_nonnull(strstr(heed_message(), "77 bytes"));
  ck_assert_ptr_null(heed_memory_new(88, 1));
  ck_assert_ptr_nonnull(strstr(heed_message(), "88 bytes"));
  ck_assert_ptr_null(heed__strdup("x"));
  ck_assert_ptr_null(heed__realloc(a, 2, 1));
  heed__alloc_fail_after(-1);
  a = heed__realloc(a, 2, 1);
  ck_assert_ptr_nonnull(a);
  heed__free(a);
  heed__free(b);
}
END_TEST

/* The vectors that Salmon et al. publish with Random123 for ten rounds. */
START_TEST(random4_is_philox) {
  static const struct {
    uint64_t seed, stream, counter;
    uint32_t out[4];
  } known[] = {
      {0, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {UINT64_MAX, UINT64_MAX, UINT64_MAX, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {0x299f31d0a4093822, 0x0370734413198a2e, 0x85a308d3243f6a88,
       {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}};
  for (int i = 0; i < 3; i++) {
    uint32_t out[4];
    heed__random4(known[i].seed, known[i].stream, known[i].counter, out);
    for (int j = 0; j < 4; j++) ck_assert_uint_eq(out[j], known[i].out[j]);
  }
  float x[4];
  heed_random_uniform(0, 0, x, 4, 0, 1);
  for (int j = 0; j < 4; j++) {
    ck_assert(x[j] == (float)(known[0].out[j] >> 8) / 16777216);
  }
  ck_assert(heed__unit(0) == 0);
  ck_assert(heed__unit(UINT32_MAX) < 1);
}
END_TEST

enum { MANY = 200001 };

static void fill(int kind, uint64_t seed, uint64_t stream, float *x, int64_t n) {
  if (kind == 0) {
    heed_random_uniform(seed, stream, x, n, -3, 5);
  } else {
    heed_random_normal(seed, stream, x, n, 2, 3);
  }
}

START_TEST(random_numbers_have_their_moments) {
  float *x = malloc(MANY * sizeof *x);
  for (int kind = 0; kind < 2; kind++) {
    double sum = 0, squares = 0, follows = 0, mean = kind == 0 ? 1 : 2;
    double variance = kind == 0 ? 64 / 12.0 : 9;
    int good = 0;
    fill(kind, 5, 6, x, MANY);
    for (int i = 0; i < MANY; i++) {
      good += isfinite(x[i]) && (kind == 1 || (x[i] >= -3 && x[i] < 5));
      sum += x[i];
      squares += (x[i] - mean) * (x[i] - mean);
      if (i > 0) follows += (x[i] - mean) * (x[i - 1] - mean);
    }
    ck_assert_int_eq(good, MANY);
    /* Five standard deviations of each estimate. */
    ck_assert_double_eq_tol(sum / MANY, mean, 5 * sqrt(variance / MANY));
    ck_assert_double_eq_tol(squares / MANY, variance, 5 * variance * sqrt(2.0 / MANY));
    ck_assert_double_eq_tol(follows / MANY, 0, 5 * variance / sqrt(MANY));
  }
  free(x);
}
END_TEST

START_TEST(random_numbers_depend_on_seed_and_place_alone) {
  float *x = malloc(MANY * sizeof *x), *y = malloc(MANY * sizeof *y);
  for (int kind = 0; kind < 2; kind++) {
    ok(heed_set_threads(1));
    fill(kind, 1, 2, x, MANY);
    ok(heed_set_threads(7));
    fill(kind, 1, 2, y, MANY);
    ck_assert_int_eq(memcmp(x, y, MANY * sizeof *x), 0);
    for (int64_t n = 0; n < 10; n++) { /* a prefix, and nothing behind it is touched */
      memset(y, 0x55, 16 * sizeof *y);
      float before = y[n];
      fill(kind, 1, 2, y, n);
      ck_assert_int_eq(memcmp(x, y, (size_t)n * sizeof *x), 0);
      ck_assert(y[n] == before);
    }
    for (int other = 0; other < 2; other++) {
      int equal = 0;
      fill(kind, other == 0 ? 3 : 1, other == 0 ? 2 : 3, y, MANY);
      for (int i = 0; i < MANY; i++) equal += x[i] == y[i];
      ck_assert_int_lt(equal, 100);
    }
    fill(kind, 1, 2, NULL, 0);
  }
  heed_random_uniform(1, 1, x, 1000, 1, nextafterf(1, 2)); /* rounding must not reach the end */
  for (int i = 0; i < 1000; i++) ck_assert(x[i] == 1);
  ok(heed_set_threads(0));
  free(x);
  free(y);
}
END_TEST

START_TEST(threads_are_set) {
  int before = heed_threads();
  ck_assert_int_ge(before, 1);
  ok(heed_set_threads(3));
#ifdef _OPENMP
  ck_assert_int_eq(heed_threads(), 3);
#else
  ck_assert_int_eq(heed_threads(), 1);
#endif
  ck_assert_int_eq(heed_set_threads(-1), HEED_ARGUMENT);
  ck_assert_ptr_nonnull(strstr(heed_message(), "-1 threads"));
  ck_assert_int_eq(heed_set_threads(65537), HEED_ARGUMENT);
#ifdef _OPENMP
  ck_assert_int_eq(heed_threads(), 3);
#endif
  ok(heed_set_threads(65536));
  ok(heed_set_threads(0));
  ck_assert_int_eq(heed_threads(), before);
  double then = heed_seconds();
  ck_assert(heed_seconds() >= then);
}
END_TEST

/* Files: each test in a folder of its own. */

static char folder[256], target[300];

static void new_folder(void) {
  const char *base = getenv("TMPDIR");
  snprintf(folder, sizeof folder, "%s/heed-base-XXXXXX", base != NULL ? base : "/tmp");
  ck_assert_ptr_nonnull(mkdtemp(folder));
  snprintf(target, sizeof target, "%s/out", folder);
}

static void drop_folder(void) {
  (void)unlink(target);
  (void)rmdir(folder);
}

static int files_in_folder(void) {
  DIR *all = opendir(folder);
  int count = 0;
  ck_assert_ptr_nonnull(all);
  for (struct dirent *one; (one = readdir(all)) != NULL;) count += one->d_name[0] != '.';
  closedir(all);
  return count;
}

static void write_file(const char *text) {
  FILE *file = fopen(target, "wb");
  ck_assert_ptr_nonnull(file);
  fputs(text, file);
  fclose(file);
}

static void holds(const char *text) {
  char found[64] = "";
  FILE *file = fopen(target, "rb");
  ck_assert_ptr_nonnull(file);
  size_t n = fread(found, 1, sizeof found - 1, file);
  found[n] = '\0';
  fclose(file);
  ck_assert_str_eq(found, text);
}

START_TEST(commit_replaces_the_file) {
  heed__file file;
  struct stat info;
  size_t held = heed_memory_held();
  umask(027);
  write_file("old");
  ok(heed__file_begin(&file, target));
  fputs("new", file.stream);
  fflush(file.stream);
  holds("old");
  ok(heed__file_commit(&file));
  holds("new");
  ck_assert_int_eq(stat(target, &info), 0);
  ck_assert_int_eq(info.st_mode & 0777, 0640);
  ck_assert_int_eq(files_in_folder(), 1);
  heed__file_abandon(&file);
  holds("new");
  ck_assert_uint_eq(heed_memory_held(), held);
}
END_TEST

START_TEST(abandon_leaves_the_old_file) {
  heed__file file, other;
  write_file("old");
  ok(heed__file_begin(&file, target));
  ok(heed__file_begin(&other, target)); /* two at once do not meet */
  fputs("new", file.stream);
  fputs("other", other.stream);
  heed__file_abandon(&file);
  holds("old");
  ok(heed__file_commit(&other));
  holds("other");
  ck_assert_int_eq(files_in_folder(), 1);
}
END_TEST

static void refused(const char *path, const char *word) {
  heed__file file;
  size_t held = heed_memory_held();
  ck_assert_int_eq(heed__file_begin(&file, path), HEED_IO);
  ck_assert_ptr_nonnull(strstr(heed_message(), path));
  ck_assert_msg(strstr(heed_message(), word) != NULL, "'%s' not in '%s'", word, heed_message());
  heed__file_abandon(&file);
  ck_assert_uint_eq(heed_memory_held(), held);
}

START_TEST(begin_refuses_what_cannot_be_written) {
  char path[400];
  snprintf(path, sizeof path, "%s/none/out", folder);
  refused(path, "No such file");
  refused(folder, "directory");
  refused("/dev/null", "exists");
  if (geteuid() != 0) { /* root may write anywhere */
    ck_assert_int_eq(chmod(folder, 0500), 0);
    refused(target, "denied");
    ck_assert_int_eq(chmod(folder, 0700), 0);
  }
  ck_assert_int_eq(files_in_folder(), 0);
}
END_TEST

START_TEST(commit_that_fails_leaves_nothing) {
  heed__file file;
  size_t held = heed_memory_held();
  ok(heed__file_begin(&file, target));
  fputs("new", file.stream);
  ck_assert_int_eq(mkdir(target, 0700), 0); /* came in between: a file cannot replace it */
  ck_assert_int_eq(heed__file_commit(&file), HEED_IO);
  ck_assert_ptr_nonnull(strstr(heed_message(), "cannot be replaced"));
  ck_assert_int_eq(files_in_folder(), 1);
  ck_assert_int_eq(rmdir(target), 0);
  ck_assert_uint_eq(heed_memory_held(), held);
}
END_TEST

START_TEST(begin_without_memory_leaves_nothing) {
  heed__file file;
  size_t held = heed_memory_held();
  heed_status status = HEED_NOMEM;
  long n = 0;
  for (;; n++) {
    heed__alloc_fail_after(n);
    status = heed__file_begin(&file, target);
    heed__alloc_fail_after(-1);
    if (status == HEED_OK) break;
    ck_assert_int_eq(status, HEED_NOMEM);
    ck_assert_uint_eq(heed_memory_held(), held);
    ck_assert_int_eq(files_in_folder(), 0);
  }
  ck_assert_int_gt(n, 0);
  heed__file_abandon(&file);
  ck_assert_int_eq(files_in_folder(), 0);
  ck_assert_uint_eq(heed_memory_held(), held);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("base");
  TCase *tests = tcase_create("base");
  tcase_set_timeout(tests, 60);
  tcase_add_test(tests, statuses_have_names_and_sentences);
  tcase_add_test(tests, message_keeps_the_last_failure);
  tcase_add_test(tests, blocks_are_aligned_and_counted);
  tcase_add_test(tests, impossible_sizes_are_refused);
  tcase_add_test(tests, allocations_fail_where_asked);
  tcase_add_test(tests, random4_is_philox);
  tcase_add_test(tests, random_numbers_have_their_moments);
  tcase_add_test(tests, random_numbers_depend_on_seed_and_place_alone);
  tcase_add_test(tests, threads_are_set);
  suite_add_tcase(suite, tests);
  TCase *files = tcase_create("files");
  tcase_add_checked_fixture(files, new_folder, drop_folder);
  tcase_add_test(files, commit_replaces_the_file);
  tcase_add_test(files, abandon_leaves_the_old_file);
  tcase_add_test(files, begin_refuses_what_cannot_be_written);
  tcase_add_test(files, commit_that_fails_leaves_nothing);
  tcase_add_test(files, begin_without_memory_leaves_nothing);
  suite_add_tcase(suite, files);
  return run_suite(suite);
}
