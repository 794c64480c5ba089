#include <check.h>
#include <heed/report.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

#define TARGET "out.json"
#include "expect.h"
#include "folder.h"

static heed_report *new_report(void) {
  heed_report *report;
  ck_assert_int_eq(heed_report_new(&report), HEED_OK);
  return report;
}

/* The text of a report; ends the report. */
static const char *text_of(heed_report *report) {
  static char text[8192];
  memset(text, 0, sizeof text);
  FILE *stream = fmemopen(text, sizeof text - 1, "w");
  ck_assert_ptr_nonnull(stream);
  ck_assert_int_eq(heed_report_write_text(report, stream), HEED_OK);
  fclose(stream);
  heed_report_free(report);
  return text;
}

/* The JSON of a report as Jansson reads it back; ends the report. */
static json_t *json_of(heed_report *report) {
  ck_assert_int_eq(heed_report_write_json(report, target), HEED_OK);
  heed_report_free(report);
  json_error_t error;
  json_t *root = json_load_file(target, JSON_REJECT_DUPLICATES, &error);
  ck_assert_msg(root != NULL, "line %d: %s", error.line, error.text);
  return root;
}

static void fill(heed_report *report) {
  heed_report_text(report, "graph", "graph", "cora.npz");
  heed_report_integer(report, "nodes", "nodes", 2708);
  heed_report_number(report, "mean_degree", "mean degree", 3.89808, 3);
  heed_report_flag(report, "directed", "directed", false);
  heed_report_integer(report, "hidden", NULL, 7);
  heed_report *degrees = heed_report_record(report, "degrees", "degrees");
  heed_report_integer(degrees, "min", "least", 0);
  heed_report_integer(degrees, "max", "most", 168);
  for (int i = 0; i < 2; i++) {
    heed_report *row = heed_report_row(report, "kernels", "kernels");
    heed_report_text(row, "kernel", "kernel", i == 0 ? "sparse" : "reference");
    heed_report_seconds(row, "seconds", "time", i == 0 ? 0.0012345 : 1.5);
    heed_report_bytes(row, "bytes", "memory", i == 0 ? 100 : 3 << 20);
    if (i == 1) heed_report_integer(row, "pairs", "pairs", 13264);
  }
  heed_report_integer(report, "threads", "threads", 2);
}

START_TEST(text_is_aligned) {
  heed_report *report = new_report();
  fill(report);
  ck_assert_str_eq(text_of(report),
                   "graph        cora.npz\n"
                   "nodes        2708\n"
                   "mean degree  3.90\n"
                   "directed     no\n"
                   "\n"
                   "degrees\n"
                   "  least      0\n"
                   "  most       168\n"
                   "\n"
                   "kernels\n"
                   "  kernel        time    memory  pairs\n"
                   "  sparse     1.23 ms     100 B\n"
                   "  reference   1.50 s  3.00 MiB  13264\n"
                   "\n"
                   "threads      2\n");
}
END_TEST

START_TEST(text_has_no_trailing_blanks) {
  heed_report *report = new_report();
  heed_report_text(report, "a", "a", "ends in blanks  ");
  heed_report_text(report, "b", "b", "");
  heed_report *row = heed_report_row(report, "t", "t");
  heed_report_text(row, "x", "x", "long words");
  row = heed_report_row(report, "t", "t");
  heed_report_text(row, "x", "x", "w");
  (void)heed_report_row(report, "t", "t");
  const char *text = text_of(report);
  ck_assert_ptr_null(strstr(text, " \n"));
  ck_assert_str_eq(text, "a  ends in blanks\nb\n\nt\n  x\n  long words\n  w\n\n");
}
END_TEST

START_TEST(text_counts_characters_and_keeps_the_terminal_safe) {
  heed_report *report = new_report();
  heed_report_text(report, "a", "\xce\xb1\xce\xb2", "two letters");
  heed_report_text(report, "b", "abcd", "x\033[2J\ny");
  ck_assert_str_eq(text_of(report), "\xce\xb1\xce\xb2    two letters\nabcd  x?[2J?y\n");
}
END_TEST

START_TEST(records_without_a_label_are_for_the_json) {
  heed_report *report = new_report();
  heed_report *hidden = heed_report_record(report, "hidden", NULL);
  heed_report_integer(hidden, "a_much_longer_key", "a much longer label", 1);
  heed_report *empty = heed_report_record(report, "empty", "heading of nothing");
  heed_report_integer(empty, "x", NULL, 1);
  heed_report *row = heed_report_row(report, "rows", "heading of no columns");
  heed_report_integer(row, "x", NULL, 1);
  heed_report_integer(report, "n", "n", 1);
  ck_assert_str_eq(text_of(report), "n  1\n");
  report = new_report();
  ck_assert_str_eq(text_of(report), "");
}
END_TEST

static const struct {
  double value;
  int digits;
  const char *text;
} numbers[] = {
    {0, 3, "0"},          {1, 3, "1.00"},      {3.14159, 3, "3.14"},
    {1234.5, 3, "1234"},  {999.99, 3, "1000"}, {0.00012345, 3, "0.000123"},
    {1e-9, 2, "1.0e-09"}, {-2.5, 2, "-2.5"},   {1e20, 3, "1.00e+20"},
    {NAN, 3, "-"},        {INFINITY, 3, "-"},  {-INFINITY, 3, "-"},
    {5, 1, "5"},          {0.5, -7, "0.5"},
};

START_TEST(numbers_are_readable) {
  heed_report *report = new_report();
  heed_report_number(report, "x", "x", numbers[_i].value, numbers[_i].digits);
  char expected[64];
  snprintf(expected, sizeof expected, "x  %s\n", numbers[_i].text);
  ck_assert_str_eq(text_of(report), expected);
}
END_TEST

static const struct {
  double seconds;
  int64_t bytes;
  const char *text;
} units[] = {
    {2, 0, "t  2.00 s\nb  0 B\n"},
    {90, 1023, "t  90.0 s\nb  1023 B\n"},
    {0.5, 1024, "t  500 ms\nb  1.00 KiB\n"},
    {2.5e-5, 1536, "t  25.0 us\nb  1.50 KiB\n"},
    {3e-8, 5 << 20, "t  30.0 ns\nb  5.00 MiB\n"},
    {4e-10, (int64_t)7 << 30, "t  0.400 ns\nb  7.00 GiB\n"},
    {0, (int64_t)1 << 42, "t  0 s\nb  4096 GiB\n"},
    {NAN, -2048, "t  -\nb  -2.00 KiB\n"},
};

START_TEST(units_fit_the_size) {
  heed_report *report = new_report();
  heed_report_seconds(report, "t", "t", units[_i].seconds);
  heed_report_bytes(report, "b", "b", units[_i].bytes);
  ck_assert_str_eq(text_of(report), units[_i].text);
}
END_TEST

START_TEST(json_comes_back) {
  make_folder();
  heed_report *report = new_report();
  fill(report);
  heed_report_number(report, "tenth", "tenth", 0.1, 1);
  heed_report_number(report, "third", "third", 1.0 / 3, 1);
  heed_report_number(report, "huge", "huge", 1e300, 1);
  heed_report_integer(report, "least", "least", INT64_MIN);
  heed_report_text(report, "quote", "quote", "a \"b\"\n\xc3\xa9");
  heed_report_text(report, "none", "none", NULL);
  heed_report_number(report, "nan", "nan", NAN, 3);
  heed_report_seconds(report, "inf", "inf", INFINITY);
  json_t *root = json_of(report);
  ck_assert_str_eq(json_string_value(json_object_get(root, "graph")), "cora.npz");
  ck_assert_int_eq(json_integer_value(json_object_get(root, "nodes")), 2708);
  ck_assert_double_eq(json_real_value(json_object_get(root, "mean_degree")), 3.89808);
  ck_assert(json_is_false(json_object_get(root, "directed")));
  ck_assert_int_eq(json_integer_value(json_object_get(root, "hidden")), 7);
  json_t *degrees = json_object_get(root, "degrees");
  ck_assert_int_eq(json_integer_value(json_object_get(degrees, "max")), 168);
  json_t *kernels = json_object_get(root, "kernels");
  ck_assert_uint_eq(json_array_size(kernels), 2);
  json_t *second = json_array_get(kernels, 1);
  ck_assert_int_eq(json_integer_value(json_object_get(second, "bytes")), 3 << 20);
  ck_assert_double_eq(json_real_value(json_object_get(second, "seconds")), 1.5);
  ck_assert_double_eq(json_real_value(json_object_get(root, "tenth")), 0.1);
  ck_assert_double_eq(json_real_value(json_object_get(root, "third")), 1.0 / 3);
  ck_assert_double_eq(json_real_value(json_object_get(root, "huge")), 1e300);
  ck_assert(json_integer_value(json_object_get(root, "least")) == INT64_MIN);
  ck_assert_str_eq(json_string_value(json_object_get(root, "quote")), "a \"b\"\n\xc3\xa9");
  ck_assert(json_is_null(json_object_get(root, "none")));
  ck_assert(json_is_null(json_object_get(root, "nan")));
  ck_assert(json_is_null(json_object_get(root, "inf")));
  /* In the order they were added. */
  static const char *const order[] = {"graph",  "nodes",   "mean_degree", "directed",
                                      "hidden", "degrees", "kernels",     "threads"};
  void *place = json_object_iter(root);
  for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
    ck_assert_str_eq(json_object_iter_key(place), order[i]);
    place = json_object_iter_next(root, place);
  }
  json_decref(root);
  remove_folder();
}
END_TEST

START_TEST(json_is_laid_out) {
  make_folder();
  heed_report *report = new_report();
  heed_report_number(report, "x", NULL, 0.1, 3);
  heed_report_integer(heed_report_record(report, "r", NULL), "a", NULL, 1);
  for (int i = 0; i < 2; i++) {
    heed_report *row = heed_report_row(report, "t", NULL);
    heed_report_integer(row, "i", NULL, i);
    heed_report_flag(row, "f", NULL, true);
  }
  ck_assert_int_eq(heed_report_write_json(report, target), HEED_OK);
  heed_report_free(report);
  char text[512] = "";
  FILE *file = fopen(target, "r");
  ck_assert_ptr_nonnull(file);
  ck_assert_uint_gt(fread(text, 1, sizeof text - 1, file), 0);
  fclose(file);
  ck_assert_str_eq(text,
                   "{\n  \"x\": 0.1,\n  \"r\": {\n    \"a\": 1\n  },\n  \"t\": [\n"
                   "    {\"i\": 0, \"f\": true},\n    {\"i\": 1, \"f\": true}\n  ]\n}\n");
  remove_folder();
}
END_TEST

START_TEST(bytes_that_are_not_utf8_still_give_json) {
  make_folder();
  heed_report *report = new_report();
  heed_report_text(report, "a", NULL, "x\xff\xc0\xaf\xed\xa0\x80y\xe2\x82");
  heed_report_text(report, "b", NULL, "\xf0\x9f\x98\x80\xe2\x82\xac");
  json_t *root = json_of(report);
#define U "\xef\xbf\xbd"
  ck_assert_str_eq(json_string_value(json_object_get(root, "a")), "x" U U U U U U "y" U U);
#undef U
  ck_assert_str_eq(json_string_value(json_object_get(root, "b")), "\xf0\x9f\x98\x80\xe2\x82\xac");
  json_decref(root);
  remove_folder();
}
END_TEST

START_TEST(a_key_twice_is_remembered) {
  make_folder();
  heed_report *report = new_report();
  heed_report *inner = heed_report_record(report, "inner", "inner");
  heed_report_integer(inner, "same", "same", 1);
  heed_report_flag(inner, "same", "same", true);
  heed_report_integer(report, "inner", "inner", 3); /* a second failure: the first stays */
  ck_assert_ptr_null(heed_report_row(report, "inner", "inner"));
  ck_assert_int_eq(heed_report_write_json(report, target), HEED_ARGUMENT);
  ck_assert_str_eq(heed_message(), "report: the key 'same' is there twice");
  ck_assert_int_eq(heed_report_write_text(report, stdout), HEED_ARGUMENT);
  ck_assert_int_eq(files_in_folder(), 0);
  heed_report_free(report);
  remove_folder();
}
END_TEST

START_TEST(adders_take_null) {
  heed_report_text(NULL, "k", "k", "v");
  heed_report_integer(NULL, "k", "k", 1);
  heed_report_number(NULL, "k", "k", 1, 1);
  heed_report_bytes(NULL, "k", "k", 1);
  heed_report_seconds(NULL, "k", "k", 1);
  heed_report_flag(NULL, "k", "k", true);
  ck_assert_ptr_null(heed_report_record(NULL, "k", "k"));
  ck_assert_ptr_null(heed_report_row(NULL, "k", "k"));
  heed_report_free(NULL);
}
END_TEST

START_TEST(every_allocation_may_fail) {
  make_folder();
  char text[8192];
  int passed = 0;
  for (int n = 0; !passed; n++) {
    size_t held = heed_memory_held();
    heed__alloc_fail_after(n);
    heed_report *report = NULL;
    heed_status status = heed_report_new(&report);
    if (status == HEED_OK) {
      fill(report);
      FILE *stream = fmemopen(text, sizeof text, "w");
      status = heed_report_write_text(report, stream);
      fclose(stream);
      if (status == HEED_OK) status = heed_report_write_json(report, target);
    }
    heed__alloc_fail_after(-1);
    ck_assert(status == HEED_OK || status == HEED_NOMEM);
    passed = status == HEED_OK;
    if (!passed) ck_assert_int_eq(files_in_folder(), 0);
    if (report != NULL) heed_report_free(report);
    ck_assert_uint_eq(heed_memory_held(), held);
    ck_assert_int_lt(n, 1000);
  }
  remove_folder();
}
END_TEST

START_TEST(a_file_is_whole_or_as_it_was) {
  make_folder();
  FILE *file = fopen(target, "w");
  fputs("old", file);
  fclose(file);
  heed_report *report = new_report();
  heed_report_integer(report, "a", "a", 1);
  ck_assert_int_eq(heed_report_write_json(report, folder), HEED_IO); /* a folder */
  ck_assert_int_eq(heed_report_write_json(report, "/no/such/folder/x.json"), HEED_IO);
  ck_assert_ptr_nonnull(strstr(heed_message(), "/no/such/folder/x.json"));
  ck_assert_int_eq(files_in_folder(), 1);
  json_decref(json_of(report));
  ck_assert_int_eq(files_in_folder(), 1);
  remove_folder();
}
END_TEST

START_TEST(a_full_disk_is_told) {
  FILE *full = fopen("/dev/full", "w");
  if (full == NULL) return; /* only where there is one */
  heed_report *report = new_report();
  heed_report_integer(report, "a", "a", 1);
  ck_assert_int_eq(heed_report_write_text(report, full), HEED_IO);
  fclose(full);
  heed_report_free(report);
}
END_TEST

START_TEST(a_dash_is_standard_output) {
  make_folder();
  ck_assert_ptr_nonnull(freopen(target, "w", stdout)); /* the child of this test only */
  heed_report *report = new_report();
  heed_report_integer(report, "a", "a", 1);
  ck_assert_int_eq(heed_report_write_json(report, "-"), HEED_OK);
  heed_report_free(report);
  json_t *root = json_load_file(target, 0, NULL);
  ck_assert_int_eq(json_integer_value(json_object_get(root, "a")), 1);
  json_decref(root);
  remove_folder();
}
END_TEST

START_TEST(library_has_a_version) {
  ck_assert_int_eq(strncmp(heed_report_library(), "Jansson 2.", 10), 0);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("report");
  TCase *text = tcase_create("text");
  tcase_add_test(text, text_is_aligned);
  tcase_add_test(text, text_has_no_trailing_blanks);
  tcase_add_test(text, text_counts_characters_and_keeps_the_terminal_safe);
  tcase_add_test(text, records_without_a_label_are_for_the_json);
  tcase_add_loop_test(text, numbers_are_readable, 0, sizeof numbers / sizeof *numbers);
  tcase_add_loop_test(text, units_fit_the_size, 0, sizeof units / sizeof *units);
  suite_add_tcase(suite, text);
  TCase *json = tcase_create("json");
  tcase_add_test(json, json_comes_back);
  tcase_add_test(json, json_is_laid_out);
  tcase_add_test(json, bytes_that_are_not_utf8_still_give_json);
  tcase_add_test(json, a_dash_is_standard_output);
  tcase_add_test(json, library_has_a_version);
  suite_add_tcase(suite, json);
  TCase *failures = tcase_create("failures");
  tcase_add_test(failures, a_key_twice_is_remembered);
  tcase_add_test(failures, adders_take_null);
  tcase_add_test(failures, every_allocation_may_fail);
  tcase_add_test(failures, a_file_is_whole_or_as_it_was);
  tcase_add_test(failures, a_full_disk_is_told);
  suite_add_tcase(suite, failures);
  return run_suite(suite);
}
