/* Figures, with a gnuplot to draw them and without. */
#include <check.h>
#include <heed/report.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

#define TARGET "out.svg"
#include "expect.h"
#include "folder.h"
#include "report/svg.h"

/* --- Figures ------------------------------------------------------------------------------- */

static const double losses[] = {1.9, 1.2, NAN, 0.8, 0.7};
static const double scores[] = {0.3, 0.5, 0.55, INFINITY, 0.6};
static const double spreads[] = {0.05, 0.04, 0.02, 0.01, NAN};

static heed_figure figure_of(const heed_series *series, int n) {
  return (heed_figure){
      .title = "title", .x_label = "epoch", .y_label = "loss", .series = series, .n_series = n};
}

static void draw(const heed_figure *figure) {
  ck_assert_msg(heed_figure_write(figure, target) == HEED_OK, "%s", heed_message());
  read_target();
  check_well_formed();
}

static bool have_gnuplot(void) {
#ifdef HEED_TEST_GNUPLOT
  return have_program("HEED_GNUPLOT", "gnuplot");
#else
  return false;
#endif
}

START_TEST(curves_leave_out_what_is_no_number) {
  make_folder();
  heed_series series[] = {{.label = "training", .y = losses, .n = 5},
                          {.label = "validation", .y = scores, .spread = spreads, .n = 5}};
  heed_figure figure = figure_of(series, 2);
  draw(&figure);
  ck_assert_int_eq(count(">title<") + count(">epoch<") + count(">loss<"), 3);
  ck_assert_int_eq(count(">training<") + count(">validation<"), 2);
  ck_assert_int_eq(count("nan") + count("inf"), 0);
  /* Four points each, and one in the key. */
  ck_assert_int_eq(count("scale(3.67)"), 10);
  remove_folder();
}
END_TEST

/* On logarithmic axes too: what is not above zero is not there, and no line joins the rest. */
START_TEST(points_are_not_joined) {
  make_folder();
  static const double x[] = {0.1, 1, 10, 100, 0}, y[] = {2, 0, 30, 4000, 5};
  heed_series series[] = {{.label = "roof", .x = x, .y = losses, .n = 3},
                          {.label = "case", .x = x, .y = y, .n = 5}};
  heed_figure figure = figure_of(series, 2);
  figure.log_x = figure.log_y = true;
  draw(&figure);
  int joined = count("<path stroke"), symbols = count("<use ");
  series[1].points = true;
  draw(&figure);
  ck_assert_int_lt(count("<path stroke"), joined); /* its line, and the one in the key */
  ck_assert_int_eq(count("<use "), symbols);
  ck_assert_int_eq(count(">case<"), 1);
  remove_folder();
}
END_TEST

START_TEST(bars_have_names_and_error_bars) {
  make_folder();
  static const char *const names[] = {"none", "graph", "khop:2", "100%d", "it's"};
  heed_series series[] = {{.label = "a", .y = losses, .spread = spreads, .n = 5},
                          {.label = "b", .y = scores, .n = 5}};
  heed_figure figure = figure_of(series, 2);
  figure.categories = names;
  draw(&figure);
  for (int i = 0; i < 5; i++) {
    char wanted[32];
    snprintf(wanted, sizeof wanted, ">%s<", names[i]);
    ck_assert_msg(count(wanted) == 1, "%s", names[i]);
  }
  remove_folder();
}
END_TEST

/* A label is one in the picture and nothing else, whatever it says. */
static const struct {
  const char *label, *shown;
} labels[] = {
    {"plain", ">plain<"},
    {"it's", ">it's<"},
    {"'; system('touch OWNED'); '", ">'; system('touch OWNED'); '<"},
    {"''; '' \"", ">''; '' \"<"},
    {"\" . system(\"touch OWNED\") . \"", ">\" . system(\"touch OWNED\") . \"<"},
    {"0'1\"2\\34%56", ">0'1\"2\\34%56<"},
    {"`touch OWNED`", ">`touch OWNED`<"},
    {"\"`touch OWNED`\"", ">\"`touch OWNED`\"<"},
    {"back\\slash \\n \\", ">back\\slash \\n \\<"},
    {"50% of %s %d %%", ">50% of %s %d %%<"},
    {"@GPVAL_VERSION $x", ">@GPVAL_VERSION $x<"},
    {"a < b & c > d", ">a &lt; b &amp; c "},
    {"a_b^c {/:Bold x}", ">a_b^c {/:Bold x}<"},
    {"line\nplot 'x'\r\n!touch OWNED", ">line plot 'x'  !touch OWNED<"},
    {"tab\tbell\a", ">tab bell <"},
    {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", ">\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80<"},
    {"no utf-8 \xff\xc0", ">no utf-8 \xef\xbf\xbd\xef\xbf\xbd<"},
    {"none \xef\xbf\xbf", ">none  <"},
    {"# no comment", "># no comment<"},
    {"EOD", ">EOD<"},
};

START_TEST(labels_are_text_alone) {
  make_folder();
  ck_assert_int_eq(chdir(folder), 0);
  const char *label = labels[_i].label;
  heed_series series[] = {{.label = label, .y = losses, .n = 5},
                          {.label = "b", .y = losses, .n = 5}};
  heed_figure figure = figure_of(series, 2);
  figure.title = figure.x_label = figure.y_label = label;
  draw(&figure);
  ck_assert_msg(count(labels[_i].shown) == 4, "%d times %s", count(labels[_i].shown),
                labels[_i].shown);
  const char *const names[] = {label, label};
  figure.categories = names;
  series[0].n = series[1].n = 2;
  draw(&figure);
  ck_assert_msg(count(labels[_i].shown) == 6, "%d times %s", count(labels[_i].shown),
                labels[_i].shown);
  remove_folder(); /* no OWNED in it */
}
END_TEST

START_TEST(odd_figures_are_drawn) {
  make_folder();
  static const double nothing[] = {NAN, INFINITY}, zero[] = {0, 0}, one[] = {0.5};
  static const double wide[] = {-1, 0, 1e-300, 1e6};
  double *many = malloc(5000 * sizeof *many);
  ck_assert_ptr_nonnull(many);
  for (int i = 0; i < 5000; i++) many[i] = sin(i * 0.01);
  const heed_series all[] = {
      {.label = "nothing", .y = nothing, .n = 2},
      {.label = "empty"},
      {.label = "zero", .y = zero, .n = 2},
      {.label = "one", .y = one, .n = 1},
      {.label = "wide", .y = wide, .n = 4},
      {.label = "many", .y = many, .n = 5000},
      {.label = "x", .x = nothing, .y = zero, .n = 2},
      {.y = one, .spread = one, .n = 1},
  };
  for (int i = 0; i < 8; i++) {
    for (int logs = 0; logs < 4; logs++) {
      heed_figure figure = figure_of(&all[i], 1);
      figure.log_x = logs & 1;
      figure.log_y = (logs & 2) != 0;
      draw(&figure);
    }
  }
  heed_figure figure = figure_of(all, 8);
  figure.title = figure.x_label = figure.y_label = NULL;
  draw(&figure);
  figure = figure_of(NULL, 0);
  draw(&figure);
  free(many);
  remove_folder();
}
END_TEST

START_TEST(numbers_do_not_follow_the_locale) {
  make_folder();
  heed_series series = {.label = "a", .y = losses, .n = 5};
  heed_figure figure = figure_of(&series, 1);
  draw(&figure);
  static char plain[sizeof text];
  strcpy(plain, text);
  static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8"};
  for (int i = 0; i < 3; i++) {
    if (setlocale(LC_ALL, names[i]) == NULL) continue;
    draw(&figure);
    ck_assert_str_eq(text, plain);
  }
  setlocale(LC_ALL, "C");
  remove_folder();
}
END_TEST

/* --- Without one --------------------------------------------------------------------------- */

/* Expects `status` and that what stood at the target is there still. */
static void expect_failure(heed_status status, const char *message) {
  heed_series series = {.label = "a", .y = losses, .n = 5};
  heed_figure figure = figure_of(&series, 1);
  size_t held = heed_memory_held();
  write_file(target, "old");
  ck_assert_int_eq(heed_figure_write(&figure, target), status);
  ck_assert_msg(strstr(heed_message(), message) != NULL, "%s", heed_message());
  read_target();
  ck_assert_str_eq(text, "old");
  ck_assert_int_eq(files_in_folder(), 1);
  ck_assert_uint_eq(heed_memory_held(), held);
  unlink(target);
}

#ifdef HEED_TEST_GNUPLOT
static const char *fake(const char *script) {
  static char path[128];
  snprintf(path, sizeof path, "%s/fake", folder);
  write_file(path, script);
  ck_assert_int_eq(chmod(path, 0700), 0);
  return path;
}

START_TEST(no_gnuplot_is_told) {
  make_folder();
  setenv("HEED_GNUPLOT", "/nonexistent", 1);
  expect_failure(HEED_UNSUPPORTED, "'/nonexistent' cannot be run: ");
  ck_assert_ptr_nonnull(strstr(heed_message(), "install gnuplot"));
  unsetenv("HEED_GNUPLOT");
  setenv("PATH", folder, 1);
  expect_failure(HEED_UNSUPPORTED, "'gnuplot' cannot be run: ");
  remove_folder();
}
END_TEST

/* Gnuplots that fail, each in its way. */
static const struct {
  const char *script, *message;
} fakes[] = {
    {"#!/bin/sh\necho ' line 3: what?' >&2\necho >&2\necho no >&2\nexit 3\n",
     "gnuplot failed with status 3: line 3: what? no"},
    {"#!/bin/sh\necho half a figure\nkill -9 $$\n", "gnuplot was ended by signal 9"},
    {"#!/bin/sh\nexec <&-\nexit 1\n", "gnuplot failed with status 1: "},
    {"#!/bin/sh\necho nothing to see >&2\n", "gnuplot drew nothing: nothing to see"},
};

START_TEST(what_gnuplot_says_is_told) {
  make_folder();
  char outside[64];
  strcpy(outside, folder);
  const char *program = fake(fakes[_i].script);
  setenv("HEED_GNUPLOT", program, 1);
  make_folder();
  expect_failure(HEED_LIBRARY, fakes[_i].message);
  remove_folder();
  unlink(program);
  rmdir(outside);
}
END_TEST
#else
START_TEST(a_build_without_gnuplot_says_so) {
  make_folder();
  expect_failure(HEED_UNSUPPORTED, "--without-gnuplot");
  remove_folder();
}
END_TEST
#endif

START_TEST(a_bad_target_is_told) {
  make_folder();
  heed_series series = {.label = "a", .y = losses, .n = 5};
  heed_figure figure = figure_of(&series, 1);
  ck_assert_int_eq(heed_figure_write(&figure, folder), HEED_IO);
  ck_assert_int_eq(heed_figure_write(&figure, "/nonexistent/x.svg"), HEED_IO);
  series.y = NULL;
  ck_assert_int_eq(heed_figure_write(&figure, target), HEED_ARGUMENT);
  series.n = -1;
  ck_assert_int_eq(heed_figure_write(&figure, target), HEED_ARGUMENT);
  remove_folder();
}
END_TEST

START_TEST(every_allocation_may_fail) {
  make_folder();
  setenv("HEED_GNUPLOT", "/nonexistent", 1);
  heed_series series = {.label = "a", .y = losses, .n = 5};
  heed_figure figure = figure_of(&series, 1);
  size_t held = heed_memory_held();
  heed_status status = HEED_NOMEM;
  for (int n = 0; status == HEED_NOMEM; n++) {
    heed__alloc_fail_after(n);
    status = heed_figure_write(&figure, target);
    heed__alloc_fail_after(-1);
    ck_assert_uint_eq(heed_memory_held(), held);
    ck_assert_int_lt(n, 100);
  }
  ck_assert_int_eq(status, HEED_UNSUPPORTED);
  remove_folder();
}
END_TEST

/* Tests change these; without a process of their own they must leave them as they were. */
static const char *const variables[] = {"HEED_GNUPLOT", "PATH"};
static char *values[2];

static void keep_variables(void) {
  for (int i = 0; i < 2; i++) {
    const char *value = getenv(variables[i]);
    values[i] = value == NULL ? NULL : strdup(value);
  }
}

static void restore_variables(void) {
  for (int i = 0; i < 2; i++) {
    if (values[i] == NULL) {
      unsetenv(variables[i]);
    } else {
      setenv(variables[i], values[i], 1);
    }
    free(values[i]);
  }
}

int main(void) {
  Suite *suite = suite_create("figure");
  TCase *failing = tcase_create("without");
  tcase_add_checked_fixture(failing, keep_variables, restore_variables);
#ifdef HEED_TEST_GNUPLOT
  tcase_add_test(failing, no_gnuplot_is_told);
  tcase_add_loop_test(failing, what_gnuplot_says_is_told, 0, sizeof fakes / sizeof *fakes);
#else
  tcase_add_test(failing, a_build_without_gnuplot_says_so);
#endif
  tcase_add_test(failing, a_bad_target_is_told);
  tcase_add_test(failing, every_allocation_may_fail);
  suite_add_tcase(suite, failing);
  bool whole = have_gnuplot();
  if (whole) {
    TCase *drawing = tcase_create("with");
    tcase_set_timeout(drawing, 120);
    tcase_add_test(drawing, curves_leave_out_what_is_no_number);
    tcase_add_test(drawing, points_are_not_joined);
    tcase_add_test(drawing, bars_have_names_and_error_bars);
    tcase_add_loop_test(drawing, labels_are_text_alone, 0, sizeof labels / sizeof *labels);
    tcase_add_test(drawing, odd_figures_are_drawn);
    tcase_add_test(drawing, numbers_do_not_follow_the_locale);
    suite_add_tcase(suite, drawing);
  } else {
    printf("no gnuplot: figures that are drawn are not tested\n");
  }
  int result = run_suite(suite);
  if (result != EXIT_SUCCESS) return result;
  return whole ? EXIT_SUCCESS : 77;
}
