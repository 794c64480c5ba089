/* Drawings of graphs, with a Graphviz to draw them and without. */
#include <check.h>
#include <heed/report.h>
#include <locale.h>
#include <math.h>
#include <sys/stat.h>

#include "base/alloc.h"

#define TARGET "out.svg"
#include "expect.h"
#include "folder.h"
#include "report/svg.h"

/* Benzene's ring with something at two of its corners. */
enum { NODES = 8, EDGES = 8 };
static const double places[2 * NODES] = {0,     1,    0.87,  0.5, 0.87, -0.5, 0,    -1,
                                         -0.87, -0.5, -0.87, 0.5, 0,    2,    1.73, 1};
static const int64_t bonds[2 * EDGES] = {0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 0, 0, 6, 1, 7};
static const int orders[EDGES] = {4, 4, 4, 4, 4, 4, 2, 3};
static const char *const names[NODES] = {"", "", "N", "", "", "Cl", "O", "S"};
static const double node_weights[NODES] = {0, 0.1, 0.3, 0.5, 0.7, 0.9, 1, 0.2};
static const double edge_weights[EDGES] = {1, 0.5, 0.25, 0, 0.1, 0.75, 0.3, 0.6};

static heed_drawing molecule(void) {
  return (heed_drawing){.title = "a title",
                        .n_nodes = NODES,
                        .xy = places,
                        .labels = names,
                        .node_weight = node_weights,
                        .n_edges = EDGES,
                        .edges = bonds,
                        .edge_weight = edge_weights,
                        .edge_lines = orders,
                        .node_legend = "of nodes",
                        .edge_legend = "of edges"};
}

static void draw(const heed_drawing *drawing) {
  ck_assert_msg(heed_drawing_write(drawing, target) == HEED_OK, "%s", heed_message());
  read_target();
  check_well_formed();
}

static int circles(void) { return count("<ellipse "); }

START_TEST(a_molecule_has_bonds_bands_and_words) {
  make_folder();
  heed_drawing drawing = molecule();
  draw(&drawing);
  ck_assert_int_eq(circles(), NODES);
  ck_assert_int_eq(count(">a title<") + count(">of nodes<") + count(">of edges<"), 3);
  ck_assert_int_eq(count(">N<") + count(">Cl<") + count(">O<") + count(">S<"), 4);
  /* Two lines of each aromatic bond, the second dashed; two, three; three samples of the legend. */
  ck_assert_int_eq(count("stroke-width=\"1.3\""), 12 + 2 + 3 + 3);
  ck_assert_int_eq(count("stroke-dasharray"), 6);
  /* A band of each edge whose weight is not 0, and two samples. */
  ck_assert_int_eq(count("stroke=\"#eda247\""), 7 + 2);
  /* White words on dark nodes: the chlorine (0.9) and the oxygen (1). */
  ck_assert_int_eq(count("fill=\"#ffffff\">Cl<") + count("fill=\"#ffffff\">O<"), 2);
  ck_assert_int_eq(count("fill=\"#ffffff\">N<") + count("fill=\"#ffffff\">S<"), 0);
  drawing.node_weight = drawing.edge_weight = NULL;
  draw(&drawing);
  ck_assert_int_eq(count("#eda247") + count(">of nodes<") + count(">of edges<"), 0);
  ck_assert_int_eq(count("fill=\"#eef1f5\""), NODES);
  remove_folder();
}
END_TEST

/* Widths and colours follow the weights. */
START_TEST(a_graph_has_widths_and_numbers) {
  make_folder();
  heed_drawing drawing = molecule();
  drawing.edge_lines = NULL;
  drawing.labels = NULL;
  drawing.title = drawing.node_legend = drawing.edge_legend = NULL;
  draw(&drawing);
  for (int i = 0; i < NODES; i++) {
    char wanted[16];
    snprintf(wanted, sizeof wanted, ">%d<", i);
    ck_assert_msg(count(wanted) == 1, "%d", i);
  }
  const char *at = text;
  double width[EDGES];
  for (int e = 0; e < EDGES; e++) {
    at = strstr(at, "stroke=\"#4a5568\"");
    ck_assert_ptr_nonnull(at);
    at = strstr(at, "stroke-width=\"");
    ck_assert_ptr_nonnull(at);
    at += strlen("stroke-width=\"");
    width[e] = strtod(at, NULL);
    for (int f = 0; f < e; f++) {
      ck_assert_int_eq(width[e] > width[f], edge_weights[e] > edge_weights[f]);
    }
  }
  remove_folder();
}
END_TEST

/* A label is text and nothing else, whatever it says. */
static const struct {
  const char *label, *shown;
} labels[] = {
    {"plain", ">plain<"},
    {"\\N \\G \\L \\n \\", ">\\N \\G \\L \\n \\<"},
    {"&lt;&#65;&amp; & co", ">&amp;lt;&amp;#65;&amp;amp; &amp; co<"},
    {"<b>bold</b>", ">&lt;b&gt;bold&lt;/b&gt;<"},
    {"<<B>x</B>>", ">&lt;&lt;B&gt;x&lt;/B&gt;&gt;<"},
    {"\"]; n0 [image=\"/etc/passwd\"", ">&quot;]; n0 [image=&quot;/etc/passwd&quot;<"},
    {"\\\"]; }", ">\\&quot;]; }<"},
    {"</text><script>alert(1)</script>", ">&lt;/text&gt;&lt;script&gt;alert(1)&lt;/script&gt;<"},
    {"line\nline\r\ttab\a", ">line line  tab <"},
    {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", ">\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80<"},
    {"no utf-8 \xff\xc0.", ">no utf-8 \xef\xbf\xbd\xef\xbf\xbd.<"},
    {"none \xef\xbf\xbf.", ">none  .<"},
    {"// no comment /* at all", ">// no comment /* at all<"},
    {"a]b]]>c", ">a]b]]&gt;c<"},
};

/* What Graphviz may write in more than one way: a dash, a blank that another follows. */
static void simplify(void) {
  static const char *const ways[][2] = {
      {"&#45;", "-"}, {"&#160;", " "}, {"\xc2\xa0", " "}, {"&#39;", "'"}};
  for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
    for (char *at = text; (at = strstr(at, ways[w][0])) != NULL;) {
      size_t n = strlen(ways[w][0]);
      *at++ = ways[w][1][0];
      memmove(at, at + n - 1, strlen(at + n - 1) + 1);
    }
  }
}

START_TEST(labels_are_text_alone) {
  make_folder();
  const char *all[NODES];
  for (int i = 0; i < NODES; i++) all[i] = labels[_i].label;
  heed_drawing drawing = molecule();
  drawing.labels = all;
  drawing.title = drawing.node_legend = drawing.edge_legend = labels[_i].label;
  draw(&drawing);
  simplify();
  ck_assert_msg(count(labels[_i].shown) == NODES + 3, "%d times %s", count(labels[_i].shown),
                labels[_i].shown);
  ck_assert_int_eq(circles(), NODES);
  ck_assert_int_eq(count("<image") + count("<script") + count("<a "), 0);
  remove_folder();
}
END_TEST

START_TEST(odd_drawings_are_drawn) {
  make_folder();
  heed_drawing drawing = {0};
  draw(&drawing); /* nothing at all */
  ck_assert_int_eq(circles(), 0);
  static const double here[] = {5, 5, 5, 5}, wide[] = {-1e9, 0, 1e9, 1e-9};
  static const int64_t edges[] = {0, 1, 1, 1, 1, 0};
  static const int lines[] = {3, 2, 4};
  const double *all[] = {here, wide};
  for (int i = 0; i < 2; i++) {
    drawing = (heed_drawing){.n_nodes = 2, .xy = all[i], .n_edges = 3, .edges = edges};
    draw(&drawing);
    ck_assert_int_eq(circles(), 2);
    drawing.edge_lines = lines;
    draw(&drawing);
    drawing.n_edges = 0;
    draw(&drawing);
  }
  drawing.n_nodes = 1;
  draw(&drawing);
  ck_assert_int_eq(circles(), 1);
  enum { MANY = 600 };
  double *xy = malloc(2 * MANY * sizeof *xy);
  ck_assert_ptr_nonnull(xy);
  for (int i = 0; i < MANY; i++) {
    xy[2 * i] = cos(i * 2.4) * sqrt(i);
    xy[2 * i + 1] = sin(i * 2.4) * sqrt(i);
  }
  drawing = (heed_drawing){.n_nodes = MANY, .xy = xy};
  draw(&drawing);
  ck_assert_int_eq(circles(), MANY);
  free(xy);
  remove_folder();
}
END_TEST

START_TEST(numbers_do_not_follow_the_locale) {
  make_folder();
  heed_drawing drawing = molecule();
  draw(&drawing);
  static char plain[sizeof text];
  strcpy(plain, text);
  static const char *const locales[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8"};
  for (int i = 0; i < 3; i++) {
    if (setlocale(LC_ALL, locales[i]) == NULL) continue;
    draw(&drawing);
    ck_assert_str_eq(text, plain);
  }
  setlocale(LC_ALL, "C");
  remove_folder();
}
END_TEST

/* --- Without one --------------------------------------------------------------------------- */

/* Expects `status` and that what stood at the target is there still. */
static void expect_failure(const heed_drawing *drawing, heed_status status, const char *message) {
  size_t held = heed_memory_held();
  write_file(target, "old");
  ck_assert_int_eq(heed_drawing_write(drawing, target), status);
  ck_assert_msg(strstr(heed_message(), message) != NULL, "%s", heed_message());
  read_target();
  ck_assert_str_eq(text, "old");
  ck_assert_int_eq(files_in_folder(), 1);
  ck_assert_uint_eq(heed_memory_held(), held);
  unlink(target);
}

#ifdef HEED_TEST_GRAPHVIZ
START_TEST(no_graphviz_is_told) {
  make_folder();
  heed_drawing drawing = molecule();
  setenv("HEED_NEATO", "/nonexistent", 1);
  expect_failure(&drawing, HEED_UNSUPPORTED, "'/nonexistent' cannot be run: ");
  ck_assert_ptr_nonnull(strstr(heed_message(), "install Graphviz"));
  unsetenv("HEED_NEATO");
  setenv("PATH", folder, 1);
  expect_failure(&drawing, HEED_UNSUPPORTED, "'neato' cannot be run: ");
  remove_folder();
}
END_TEST

START_TEST(what_neato_says_is_told) {
  char outside[64], path[128];
  heed_drawing drawing = molecule();
  make_folder();
  strcpy(outside, folder);
  snprintf(path, sizeof path, "%s/fake", folder);
  write_file(path, "#!/bin/sh\necho half\necho 'line 3: no' >&2\nexit 3\n");
  ck_assert_int_eq(chmod(path, 0700), 0);
  setenv("HEED_NEATO", path, 1);
  make_folder();
  expect_failure(&drawing, HEED_LIBRARY, "neato failed with status 3: line 3: no");
  remove_folder();
  unlink(path);
  rmdir(outside);
}
END_TEST
#else
START_TEST(a_build_without_graphviz_says_so) {
  make_folder();
  heed_drawing drawing = molecule();
  expect_failure(&drawing, HEED_UNSUPPORTED, "--without-graphviz");
  remove_folder();
}
END_TEST
#endif

START_TEST(bad_drawings_are_told) {
  make_folder();
  heed_drawing drawing = molecule();
  ck_assert_int_eq(heed_drawing_write(&drawing, folder), HEED_IO);
  ck_assert_int_eq(heed_drawing_write(&drawing, "/nonexistent/x.svg"), HEED_IO);
  drawing.xy = NULL;
  expect_failure(&drawing, HEED_ARGUMENT, "8 nodes and 8 edges");
  double xy[2 * NODES];
  memcpy(xy, places, sizeof xy);
  xy[7] = NAN;
  drawing.xy = xy;
  expect_failure(&drawing, HEED_VALUE, "the place of node 3");
  drawing = molecule();
  drawing.n_nodes = 7;
  expect_failure(&drawing, HEED_RANGE, "edge 7 ends at node 7, and there are 7 nodes");
  drawing = molecule();
  int lines[EDGES] = {1, 1, 5, 1, 1, 1, 1, 1};
  drawing.edge_lines = lines;
  expect_failure(&drawing, HEED_RANGE, "edge 2 has 5 lines");
  drawing = molecule();
  static const double bad[][NODES] = {{0, 1.5}, {0, 0, -0.1}, {0, 0, 0, (double)NAN}};
  for (int i = 0; i < 3; i++) {
    char message[40];
    drawing.node_weight = bad[i];
    drawing.edge_weight = NULL;
    snprintf(message, sizeof message, "the weight of node %d", i + 1);
    expect_failure(&drawing, HEED_RANGE, message);
    drawing.node_weight = NULL;
    drawing.edge_weight = bad[i];
    snprintf(message, sizeof message, "the weight of edge %d", i + 1);
    expect_failure(&drawing, HEED_RANGE, message);
  }
  remove_folder();
}
END_TEST

START_TEST(every_allocation_may_fail) {
  make_folder();
  setenv("HEED_NEATO", "/nonexistent", 1);
  heed_drawing drawing = molecule();
  size_t held = heed_memory_held();
  heed_status status = HEED_NOMEM;
  for (int n = 0; status == HEED_NOMEM; n++) {
    heed__alloc_fail_after(n);
    status = heed_drawing_write(&drawing, target);
    heed__alloc_fail_after(-1);
    ck_assert_uint_eq(heed_memory_held(), held);
    ck_assert_int_lt(n, 100);
  }
  ck_assert_int_eq(status, HEED_UNSUPPORTED);
  remove_folder();
}
END_TEST

/* Tests change these; without a process of their own they must leave them as they were. */
static const char *const variables[] = {"HEED_NEATO", "PATH"};
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

static bool have_graphviz(void) {
#ifdef HEED_TEST_GRAPHVIZ
  return have_program("HEED_NEATO", "neato");
#else
  return false;
#endif
}

int main(void) {
  Suite *suite = suite_create("drawing");
  TCase *failing = tcase_create("without");
  tcase_add_checked_fixture(failing, keep_variables, restore_variables);
#ifdef HEED_TEST_GRAPHVIZ
  tcase_add_test(failing, no_graphviz_is_told);
  tcase_add_test(failing, what_neato_says_is_told);
#else
  tcase_add_test(failing, a_build_without_graphviz_says_so);
#endif
  tcase_add_test(failing, bad_drawings_are_told);
  tcase_add_test(failing, every_allocation_may_fail);
  suite_add_tcase(suite, failing);
  bool whole = have_graphviz();
  if (whole) {
    TCase *drawing = tcase_create("with");
    tcase_set_timeout(drawing, 120);
    tcase_add_test(drawing, a_molecule_has_bonds_bands_and_words);
    tcase_add_test(drawing, a_graph_has_widths_and_numbers);
    tcase_add_loop_test(drawing, labels_are_text_alone, 0, sizeof labels / sizeof *labels);
    tcase_add_test(drawing, odd_drawings_are_drawn);
    tcase_add_test(drawing, numbers_do_not_follow_the_locale);
    suite_add_tcase(suite, drawing);
  } else {
    printf("no Graphviz: drawings that are drawn are not tested\n");
  }
  int result = run_suite(suite);
  if (result != EXIT_SUCCESS) return result;
  return whole ? EXIT_SUCCESS : 77;
}
