/* Drawings of graphs: a page for Graphviz's neato, on which every place is said, so that neato lays
 * out nothing. Lines run between nodes without extent; what a label says can be nothing else: see
 * put_text(). */
#include <heed/report.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "config.h"
#include "report/child.h"
#include "report/report.h"

/* In points, 72 an inch. */
static const double WIDTH = 760, HEIGHT = 560, LONGEST_EDGE = 58, LARGEST_NODE = 13,
                    SMALLEST_NODE = 2.5, SMALLEST_TEXT = 6.5, LINE_GAP = 5, SAMPLE = 96, ROW = 24,
                    CHARACTER = 0.56; /* of the size of a text */

static const char *const INK = "#1f2328", *const BAND = "#eda247", *const PLAIN = "#eef1f5";

/* Where things are on the page. */
typedef struct page {
  const heed_drawing *drawing;
  double *inside; /* [n_nodes, 2] the sum of the steps to the neighbours over dashed edges */
  double x0, y0, scale;
  double width, height; /* of the graph */
  double radius;
  long long points; /* nodes without extent so far */
} page;

typedef struct point {
  double x, y;
} point;

/* --- What the script is made of -------------------------------------------------------------- */

/* A string of DOT's in which nothing is left that it would read as an escape or an entity. */
static void put_text(FILE *script, const char *text, const char *end) {
  char copy[5];
  fputc('"', script);
  while (text != NULL && *text != '\0') {
    heed__xml_character(&text, copy);
    if (copy[0] == '&') {
      fputs("&amp;", script);
    } else {
      if (copy[0] == '"' || copy[0] == '\\') fputc('\\', script);
      fputs(copy, script);
    }
  }
  fprintf(script, "%s\"", end);
}

static int characters(const char *text) {
  int n = 0;
  for (; text != NULL && *text != '\0'; text++) n += ((unsigned char)*text & 0xc0) != 0x80;
  return n;
}

static void put_line(FILE *script, page *at, point a, point b, double width, const char *colour,
                     const char *style) {
  long long k = at->points;
  fprintf(script,
          "p%lld [pos=\"%.2f,%.2f\"]; p%lld [pos=\"%.2f,%.2f\"]; p%lld -- p%lld "
          "[penwidth=%.2f color=\"%s\" style=%s];\n",
          k, a.x, a.y, k + 1, b.x, b.y, k, k + 1, width, colour, style);
  at->points += 2;
}

static void put_words(FILE *script, page *at, point where, double size, const char *text) {
  fprintf(script,
          "p%lld [shape=plaintext style=solid fontsize=%.1f pos=\"%.2f,%.2f\" label=", at->points++,
          size, where.x, where.y);
  put_text(script, text, "");
  fputs("];\n", script);
}

/* Words that begin at `where`. */
static void put_words_from(FILE *script, page *at, point where, double size, const char *text) {
  double width = CHARACTER * size * characters(text) + size;
  fprintf(script,
          "p%lld [shape=plaintext style=solid margin=0 fixedsize=true width=%.3f height=%.3f "
          "fontsize=%.1f pos=\"%.2f,%.2f\" label=",
          at->points++, width / 72, 1.4 * size / 72, size, where.x + width / 2, where.y);
  put_text(script, text, "\\l");
  fputs("];\n", script);
}

/* --- Colours --------------------------------------------------------------------------------- */

static double srgb(double linear) {
  if (linear <= 0) return 0;
  if (linear >= 1) return 1;
  return linear <= 0.0031308 ? 12.92 * linear : 1.055 * pow(linear, 1 / 2.4) - 0.055;
}

/* One hue from nearly white to deep blue, in even steps of what the eye sees (Oklab: Ottosson
 * 2020); tells whether words on it must be white. */
static bool colour_of(double weight, char text[8]) {
  double light = 0.97 - 0.55 * weight, chroma = 0.012 + 0.128 * weight;
  double a = chroma * cos(4.45), b = chroma * sin(4.45);
  double l = light + 0.3963377774 * a + 0.2158037573 * b;
  double m = light - 0.1055613458 * a - 0.0638541728 * b;
  double s = light - 0.0894841775 * a - 1.2914855480 * b;
  l = l * l * l;
  m = m * m * m;
  s = s * s * s;
  const double rgb[3] = {4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
                         -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
                         -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s};
  int bytes[3];
  for (int i = 0; i < 3; i++) bytes[i] = (int)lround(255 * srgb(rgb[i]));
  snprintf(text, 8, "#%02x%02x%02x", bytes[0] & 255, bytes[1] & 255, bytes[2] & 255);
  return light < 0.66;
}

/* --- Edges ----------------------------------------------------------------------------------- */

static point place(const page *at, int64_t node) {
  const double *xy = at->drawing->xy + 2 * node;
  return (point){(xy[0] - at->x0) * at->scale, (xy[1] - at->y0) * at->scale};
}

/* Widths of an edge: a band under its lines where there are lines, else the edge itself. */
static double band_width(const page *at, double weight) { return 1.35 * at->radius * weight; }
static double edge_width(const page *at, double weight) {
  double most = fmin(7, 0.6 * at->radius + 1);
  return 0.5 + (most - 0.5) * weight;
}

/* Lines side by side; of a solid and a dashed one the dashed one is inside the ring. */
static void put_lines(FILE *script, page *at, int64_t edge, int lines) {
  int64_t from = at->drawing->edges[2 * edge], to = at->drawing->edges[2 * edge + 1];
  point a = place(at, from), b = place(at, to);
  double dx = b.x - a.x, dy = b.y - a.y, length = hypot(dx, dy);
  if (length == 0) return;
  double gap = LINE_GAP * fmin(1, at->radius / LARGEST_NODE), nx = -dy / length, ny = dx / length;
  double side = 1;
  if (lines == 4) {
    const double *s = at->inside + 2 * from, *t = at->inside + 2 * to;
    side = (s[0] + t[0]) * nx + (s[1] + t[1]) * ny < 0 ? -1 : 1;
  }
  int n = lines == 4 ? 2 : lines;
  for (int i = 0; i < n; i++) {
    double shift = side * gap * (i - 0.5 * (n - 1));
    point c = {a.x + shift * nx, a.y + shift * ny}, d = {b.x + shift * nx, b.y + shift * ny};
    put_line(script, at, c, d, 1.3, INK, lines == 4 && i == 1 ? "dashed" : "solid");
  }
}

static void put_edges(FILE *script, page *at) {
  const heed_drawing *drawing = at->drawing;
  const double *weight = drawing->edge_weight;
  for (int64_t e = 0; e < drawing->n_edges; e++) {
    int64_t from = drawing->edges[2 * e], to = drawing->edges[2 * e + 1];
    double w = weight == NULL ? 0 : weight[e];
    if (from == to) {
      fprintf(script, "n%lld -- n%lld [penwidth=%.2f color=\"#4a5568b0\"];\n", (long long)from,
              (long long)to, edge_width(at, w));
    } else if (drawing->edge_lines == NULL) {
      put_line(script, at, place(at, from), place(at, to), edge_width(at, w), "#4a5568b0", "solid");
    } else if (band_width(at, w) > 0.5) {
      put_line(script, at, place(at, from), place(at, to), band_width(at, w), BAND, "solid");
    }
  }
  if (drawing->edge_lines == NULL) return;
  for (int64_t e = 0; e < drawing->n_edges; e++) put_lines(script, at, e, drawing->edge_lines[e]);
}

/* --- Nodes ----------------------------------------------------------------------------------- */

/* The size at which n characters fit into a node. */
static double fitting(const page *at, int n) {
  return fmin(1.05 * at->radius, 1.8 * at->radius / (CHARACTER * (n > 0 ? n : 1)));
}

static const char *label_of(const heed_drawing *drawing, int64_t node, char number[24]) {
  if (drawing->labels != NULL) return drawing->labels[node];
  snprintf(number, 24, "%lld", (long long)node);
  return number;
}

/* Whether all labels can be read in their nodes. */
static bool labels_fit(const page *at) {
  char number[24];
  int longest = 0;
  for (int64_t i = 0; i < at->drawing->n_nodes; i++) {
    int n = characters(label_of(at->drawing, i, number));
    if (n > longest) longest = n;
  }
  return fitting(at, longest) >= SMALLEST_TEXT;
}

static void put_nodes(FILE *script, const page *at, bool labels) {
  const heed_drawing *drawing = at->drawing;
  for (int64_t i = 0; i < drawing->n_nodes; i++) {
    char number[24], colour[8];
    const char *label = labels ? label_of(drawing, i, number) : "";
    bool white = false;
    if (drawing->node_weight == NULL) {
      snprintf(colour, sizeof colour, "%s", PLAIN);
    } else {
      white = colour_of(drawing->node_weight[i], colour);
    }
    point where = place(at, i);
    fprintf(script,
            "n%lld [shape=circle style=filled fixedsize=true width=%.4f height=%.4f "
            "penwidth=%.2f color=\"#5b6675\" fillcolor=\"%s\" fontcolor=\"%s\" fontsize=%.2f "
            "pos=\"%.2f,%.2f\" label=",
            (long long)i, 2 * at->radius / 72, 2 * at->radius / 72, at->radius < 6 ? 0.5 : 0.9,
            colour, white ? "#ffffff" : INK, fitting(at, characters(label)), where.x, where.y);
    put_text(script, label, "");
    fputs("];\n", script);
  }
}

/* Names that do not fit into their nodes stand under them, where there is room. */
static void put_names(FILE *script, page *at) {
  char number[24];
  if (at->radius < 5) return;
  for (int64_t i = 0; i < at->drawing->n_nodes; i++) {
    point where = place(at, i);
    where.y -= at->radius + 6;
    put_words(script, at, where, 8.5, label_of(at->drawing, i, number));
  }
}

/* --- Title and legend ------------------------------------------------------------------------ */

static void put_node_legend(FILE *script, page *at, double y) {
  enum { STEPS = 24 };
  for (int i = 0; i < STEPS; i++) {
    char colour[8];
    colour_of((double)i / (STEPS - 1), colour);
    double x = SAMPLE * (i + 0.5) / STEPS;
    fprintf(script,
            "p%lld [shape=box style=filled penwidth=0 width=%.4f height=%.4f fillcolor=\"%s\" "
            "pos=\"%.2f,%.2f\"];\n",
            at->points++, (SAMPLE / STEPS + 1) / 72, 12 / 72.0, colour, x, y);
  }
  put_words_from(script, at, (point){SAMPLE + 12, y}, 12, at->drawing->node_legend);
}

static void put_edge_legend(FILE *script, page *at, double y) {
  for (int i = 0; i < 3; i++) {
    double weight = i / 2.0, step = SAMPLE / 3;
    point a = {step * i, y}, b = {step * (i + 1) - 8, y};
    if (at->drawing->edge_lines == NULL) {
      put_line(script, at, a, b, edge_width(at, weight), "#4a5568b0", "solid");
    } else {
      if (i > 0) put_line(script, at, a, b, band_width(at, weight), BAND, "solid");
      put_line(script, at, a, b, 1.3, INK, "solid");
    }
  }
  put_words_from(script, at, (point){SAMPLE + 12, y}, 12, at->drawing->edge_legend);
}

static double legend_width(const char *text) {
  return text == NULL ? 0 : SAMPLE + 12 + 12 * CHARACTER * characters(text);
}

static void put_page(FILE *script, const void *context) {
  page at = *(const page *)context;
  const heed_drawing *drawing = at.drawing;
  bool bars = drawing->node_legend != NULL && drawing->node_weight != NULL;
  bool widths = drawing->edge_legend != NULL && drawing->edge_weight != NULL;
  double edge = at.radius + 4, bottom = -edge, top = at.height + edge;
  fputs(
      "graph drawing {\n"
      "graph [bgcolor=white pad=0.25 outputorder=edgesfirst "
      "fontname=\"Helvetica,Arial,sans-serif\"];\n"
      "node [shape=point style=invis width=0 height=0 label=\"\" margin=0 "
      "fontname=\"Helvetica,Arial,sans-serif\" fontcolor=\"#1f2328\"];\n"
      "edge [headclip=false tailclip=false];\n",
      script);
  /* The graph in the middle of what the words need. */
  double wide = fmax(at.width, 1.05 * 16 * CHARACTER * characters(drawing->title));
  if (bars) wide = fmax(wide, legend_width(drawing->node_legend));
  if (widths) wide = fmax(wide, legend_width(drawing->edge_legend));
  double shift = (wide - at.width) / 2;
  at.x0 -= shift / at.scale;
  if (drawing->title != NULL) {
    put_words(script, &at, (point){wide / 2, top + 20}, 16, drawing->title);
  }
  put_edges(script, &at);
  bool fit = labels_fit(&at);
  put_nodes(script, &at, fit);
  if (!fit) put_names(script, &at);
  if (bars) put_node_legend(script, &at, bottom -= ROW);
  if (widths) put_edge_legend(script, &at, bottom -= ROW);
  fprintf(script, "p%lld [pos=\"%.2f,%.2f\"]; p%lld [pos=\"%.2f,%.2f\"];\n}\n", at.points,
          fmin(0, shift - edge), bottom, at.points + 1, fmax(wide, shift + at.width + edge), top);
}

/* --- Sizes ----------------------------------------------------------------------------------- */

static heed_status check_weights(const double *weights, int64_t n, const char *what) {
  for (int64_t i = 0; weights != NULL && i < n; i++) {
    if (!(weights[i] >= 0 && weights[i] <= 1)) {
      return heed__fail(HEED_RANGE,
                        "drawing: the weight of %s %lld is %g, which is not from 0 to 1", what,
                        (long long)i, weights[i]);
    }
  }
  return HEED_OK;
}

static heed_status check_drawing(const heed_drawing *drawing) {
  int64_t n = drawing->n_nodes, m = drawing->n_edges;
  if (n < 0 || m < 0 || (n > 0 && drawing->xy == NULL) || (m > 0 && drawing->edges == NULL)) {
    return heed__fail(HEED_ARGUMENT, "drawing: %lld nodes and %lld edges, and an array is missing",
                      (long long)n, (long long)m);
  }
  for (int64_t i = 0; i < 2 * n; i++) {
    if (!isfinite(drawing->xy[i])) {
      return heed__fail(HEED_VALUE, "drawing: the place of node %lld is %g", (long long)(i / 2),
                        drawing->xy[i]);
    }
  }
  for (int64_t i = 0; i < 2 * m; i++) {
    if (drawing->edges[i] < 0 || drawing->edges[i] >= n) {
      return heed__fail(HEED_RANGE,
                        "drawing: edge %lld ends at node %lld, and there are %lld nodes",
                        (long long)(i / 2), (long long)drawing->edges[i], (long long)n);
    }
  }
  for (int64_t e = 0; drawing->edge_lines != NULL && e < m; e++) {
    if (drawing->edge_lines[e] < 1 || drawing->edge_lines[e] > 4) {
      return heed__fail(HEED_RANGE, "drawing: edge %lld has %d lines, which is not from 1 to 4",
                        (long long)e, drawing->edge_lines[e]);
    }
  }
  HEED__TRY(check_weights(drawing->node_weight, n, "node"));
  return check_weights(drawing->edge_weight, m, "edge");
}

/* The scale at which the graph fits the page and its edges are not longer than they need be. */
static void measure(page *at) {
  const heed_drawing *drawing = at->drawing;
  double low[2] = {0, 0}, high[2] = {0, 0}, sum = 0;
  int64_t counted = 0;
  for (int64_t i = 0; i < drawing->n_nodes; i++) {
    for (int c = 0; c < 2; c++) {
      double x = drawing->xy[2 * i + c];
      if (i == 0 || x < low[c]) low[c] = x;
      if (i == 0 || x > high[c]) high[c] = x;
    }
  }
  for (int64_t e = 0; e < drawing->n_edges; e++) {
    const double *a = drawing->xy + 2 * drawing->edges[2 * e];
    const double *b = drawing->xy + 2 * drawing->edges[2 * e + 1];
    double length = hypot(a[0] - b[0], a[1] - b[1]);
    sum += length;
    counted += length > 0;
  }
  double w = high[0] - low[0], h = high[1] - low[1];
  double scale = fmin(w > 0 ? WIDTH / w : INFINITY, h > 0 ? HEIGHT / h : INFINITY);
  if (drawing->edge_lines != NULL && counted > 0) scale = fmin(scale, LONGEST_EDGE * counted / sum);
  if (!isfinite(scale)) scale = 1;
  at->x0 = low[0];
  at->y0 = low[1];
  at->scale = scale;
  at->width = w * scale;
  at->height = h * scale;
  double room = sqrt((at->width + 20) * (at->height + 20) / (double)(drawing->n_nodes + 1));
  double radius = fmin(0.26 * room, LARGEST_NODE);
  if (drawing->edge_lines != NULL && counted > 0) {
    radius = fmin(LARGEST_NODE, 0.225 * sum / counted * scale);
  }
  at->radius = fmax(radius, SMALLEST_NODE);
}

static void find_insides(page *at) {
  const heed_drawing *drawing = at->drawing;
  for (int64_t e = 0; drawing->edge_lines != NULL && e < drawing->n_edges; e++) {
    if (drawing->edge_lines[e] != 4) continue;
    int64_t from = drawing->edges[2 * e], to = drawing->edges[2 * e + 1];
    for (int c = 0; c < 2; c++) {
      double step = drawing->xy[2 * to + c] - drawing->xy[2 * from + c];
      at->inside[2 * from + c] += step;
      at->inside[2 * to + c] -= step;
    }
  }
}

#ifdef HEED_WITHOUT_GRAPHVIZ
#define LEFT_OUT "this build draws no graphs: it is one --without-graphviz"
#else
#define LEFT_OUT NULL
#endif

heed_status heed_drawing_write(const heed_drawing *drawing, const char *path) {
  static const char *const arguments[] = {"neato", "-n2", "-Tsvg", NULL};
  static const heed__program neato = {.arguments = arguments,
                                      .variable = "HEED_NEATO",
                                      .what = "drawings",
                                      .install = "Graphviz (Debian: graphviz)",
                                      .left_out = LEFT_OUT};
  HEED__TRY(check_drawing(drawing));
  page at = {.drawing = drawing};
  at.inside = heed__alloc_zero((size_t)drawing->n_nodes, 2 * sizeof *at.inside);
  if (at.inside == NULL) return HEED_NOMEM;
  measure(&at);
  find_insides(&at);
  heed_status status = heed__draw(&neato, put_page, &at, path);
  heed__free(at.inside);
  return status;
}
