/* Figures: a script for gnuplot. What a label says can be no command: see put_text(). */
#include <heed/report.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "config.h"
#include "report/child.h"
#include "report/report.h"

enum { WIDTH = 860, HEIGHT = 520, MANY_POINTS = 40, NAMES_FIT = 90 };

/* --- The script ---------------------------------------------------------------------------- */

/* Colours that people with any kind of colour vision can tell apart (Okabe and Ito 2008). */
static const char *const colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                      "#e69f00", "#56b4e9", "#000000"};
enum { N_COLOURS = sizeof colours / sizeof colours[0] };

/* A string of gnuplot's in double quotes, in which every ASCII character but letters and blanks is
 * its octal number: nothing is left that could end the string or be substituted in it. Characters
 * that XML does not allow become blanks, bytes that are not UTF-8 U+FFFD. Of tic labels alone
 * gnuplot makes formats: there a percent sign is doubled. */
static void put_text(FILE *script, const char *text, bool tic) {
  fputc('"', script);
  char copy[5];
  while (text != NULL && *text != '\0') {
    size_t n = heed__xml_character(&text, copy);
    unsigned char c = (unsigned char)copy[0];
    if (c == ' ') {
      fputc(' ', script);
    } else if (n > 1 || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')) {
      fputs(copy, script);
    } else {
      if (tic && c == '%') fprintf(script, "\\%03o", (unsigned)c);
      fprintf(script, "\\%03o", (unsigned)c);
    }
  }
  fputc('"', script);
}

static double x_of(const heed_series *series, int i) {
  return series->x == NULL ? i + 1.0 : series->x[i];
}

/* Whether a point is there, and can be where logarithms are drawn. */
static bool drawable(const heed_figure *figure, const heed_series *series, int i) {
  double x = figure->categories != NULL ? 1 : x_of(series, i), y = series->y[i];
  return isfinite(x) && isfinite(y) && (!figure->log_x || figure->categories != NULL || x > 0) &&
         (!figure->log_y || y > 0);
}

static int points_of(const heed_figure *figure, const heed_series *series) {
  int points = 0;
  for (int i = 0; i < series->n; i++) points += drawable(figure, series, i);
  return points;
}

/* The points as a data block: x, y, the ends of the error bar. */
static void put_points(FILE *script, const heed_figure *figure, int s, double shift) {
  const heed_series *series = &figure->series[s];
  fprintf(script, "$s%d << EOD\n", s);
  for (int i = 0; i < series->n; i++) {
    if (!drawable(figure, series, i)) continue;
    double x = figure->categories != NULL ? i + shift : x_of(series, i), y = series->y[i];
    double spread = series->spread == NULL ? 0 : fabs(series->spread[i]);
    if (!isfinite(spread)) spread = 0;
    double low = figure->log_y && y - spread <= 0 ? y : y - spread;
    fprintf(script, "%.17g %.17g %.17g %.17g\n", x, y, low, y + spread);
  }
  fputs("EOD\n", script);
}

static void put_head(FILE *script, const heed_figure *figure) {
  fprintf(script,
          "set encoding utf8\n"
          "set terminal svg noenhanced size %d,%d font 'sans-serif,14' background rgb 'white'\n"
          "set border 3 lc rgb '#444444'\n"
          "set tics nomirror\n"
          "set grid lc rgb '#dddddd' lt 1 lw 1\n"
          "set style fill solid 0.85 border\n"
          "set autoscale x noextend\n"
          "set offsets 0, 0, graph 0.04, 0\n",
          WIDTH, HEIGHT);
  fputs("set title ", script);
  put_text(script, figure->title, false);
  fputs(" font ',16'\nset xlabel ", script);
  put_text(script, figure->x_label, false);
  fputs("\nset ylabel ", script);
  put_text(script, figure->y_label, false);
  fputc('\n', script);
  if (figure->log_x && figure->categories == NULL) fputs("set logscale x\n", script);
  if (figure->log_y) fputs("set logscale y\n", script);
  fputs(
      figure->n_series > 1 ? "set key outside right top Left reverse samplen 2\n" : "set key off\n",
      script);
}

/* Names under the bars, and room at both ends. */
static void put_categories(FILE *script, const heed_figure *figure, int n) {
  size_t longest = 0;
  fputs("set xtics scale 0 (", script);
  for (int i = 0; i < n; i++) {
    if (i > 0) fputs(", ", script);
    put_text(script, figure->categories[i], true);
    fprintf(script, " %d", i);
    size_t length = figure->categories[i] == NULL ? 0 : strlen(figure->categories[i]);
    if (length > longest) longest = length;
  }
  fputs(")\nset grid noxtics\n", script);
  if ((longest + 1) * (size_t)n > NAMES_FIT) fputs("set xtics rotate by -35 left\n", script);
  fprintf(script, "set xrange [-0.6:%d.6]\n", n - 1);
}

/* One entry of the plot command. */
static void put_series(FILE *script, const heed_figure *figure, int s, double width, bool first) {
  const heed_series *series = &figure->series[s];
  const char *colour = colours[s % N_COLOURS];
  int dash = s / N_COLOURS + 1;
  fputs(first ? "plot " : ", ", script);
  if (figure->categories != NULL) {
    fprintf(script, "$s%d using 1:2:(%.17g) with boxes lc rgb '%s'", s, width, colour);
  } else if (series->points) {
    fprintf(script, "$s%d using 1:2 with points pt %d ps 1 lc rgb '%s'", s, s % 7 + 4, colour);
  } else if (points_of(figure, series) <= MANY_POINTS) {
    fprintf(script, "$s%d using 1:2 with linespoints lw 2 dt %d pt %d ps 0.7 lc rgb '%s'", s, dash,
            s % 7 + 4, colour);
  } else {
    fprintf(script, "$s%d using 1:2 with lines lw 2 dt %d lc rgb '%s'", s, dash, colour);
  }
  if (series->label == NULL || series->label[0] == '\0') {
    fputs(" notitle", script);
  } else {
    fputs(" title ", script);
    put_text(script, series->label, false);
  }
  if (series->spread != NULL) { /* gnuplot's own error bars paint a white disc over their middle */
    fprintf(script,
            ", $s%d using 1:3:(0):($4-$3) with vectors heads size graph 0.006,90 nofilled lw 1.5 "
            "lc rgb '%s' notitle",
            s, figure->categories != NULL ? "#222222" : colour);
  }
}

static void put_script(FILE *script, const void *context) {
  const heed_figure *figure = context;
  int longest = 0, points = 0;
  bool negative = false;
  double width = figure->n_series > 0 ? 0.8 / figure->n_series : 0.8;
  put_head(script, figure);
  for (int s = 0; s < figure->n_series; s++) {
    const heed_series *series = &figure->series[s];
    if (series->n > longest) longest = series->n;
    points += points_of(figure, series);
    for (int i = 0; i < series->n; i++) negative |= series->y[i] < 0;
    put_points(script, figure, s, (s - 0.5 * (figure->n_series - 1)) * width);
  }
  if (figure->categories != NULL) {
    put_categories(script, figure, longest);
    if (!negative && !figure->log_y) fputs("set yrange [0:*]\n", script);
  }
  if (points == 0) { /* axes alone: gnuplot has to be told how long they are */
    fputs("unset logscale\nset xrange [0:1]\nset yrange [0:1]\nplot NaN notitle\n", script);
    return;
  }
  bool first = true;
  for (int s = 0; s < figure->n_series; s++) {
    if (points_of(figure, &figure->series[s]) == 0) continue;
    put_series(script, figure, s, width, first);
    first = false;
  }
  fputc('\n', script);
}

static heed_status check_figure(const heed_figure *figure) {
  for (int s = 0; s < figure->n_series; s++) {
    const heed_series *series = &figure->series[s];
    if (series->n < 0 || (series->n > 0 && series->y == NULL)) {
      return heed__fail(HEED_ARGUMENT, "figure: series %d has %d numbers and no array of them", s,
                        series->n);
    }
  }
  return HEED_OK;
}

#ifdef HEED_WITHOUT_GNUPLOT
#define LEFT_OUT "this build draws no figures: it is one --without-gnuplot"
#else
#define LEFT_OUT NULL
#endif

heed_status heed_figure_write(const heed_figure *figure, const char *path) {
  static const char *const arguments[] = {"gnuplot", "-d", NULL}; /* -d: no ~/.gnuplot */
  static const heed__program gnuplot = {.arguments = arguments,
                                        .variable = "HEED_GNUPLOT",
                                        .what = "figures",
                                        .install = "gnuplot (Debian: gnuplot-nox)",
                                        .left_out = LEFT_OUT};
  HEED__TRY(check_figure(figure));
  return heed__draw(&gnuplot, put_script, figure, path);
}
