/* heed info on a collection: its graphs, features and targets. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/learn.h"

/* --- Sizes of graphs ----------------------------------------------------------------------- */

static void report_sizes(heed_report *report, const char *what, double *sizes, int64_t n) {
  double median = NAN, sum = 0;
  if (n > 0) cli_sort_times(sizes, (int)n, &median);
  for (int64_t i = 0; i < n; i++) sum += sizes[i];
  heed_report *row = heed_report_row(report, "sizes", "in a graph");
  heed_report_text(row, "what", "of", what);
  heed_report_integer(row, "min", "least", n > 0 ? (int64_t)sizes[0] : 0);
  heed_report_number(row, "median", "median", median, 4);
  heed_report_number(row, "mean", "mean", n > 0 ? sum / (double)n : NAN, 4);
  heed_report_integer(row, "max", "most", n > 0 ? (int64_t)sizes[n - 1] : 0);
}

static int report_graphs(heed_report *report, const heed_collection *collection) {
  int64_t n = heed_collection_graphs(collection);
  const int64_t *ptr = heed_collection_graph_ptr(collection);
  const int64_t *edges = heed_collection_edges(collection);
  double *sizes = calloc((size_t)n + 1, sizeof *sizes);
  if (sizes == NULL) return cli_fail("out of memory for %lld graphs", (long long)n);
  for (int64_t g = 0; g < n; g++) sizes[g] = (double)(ptr[g + 1] - ptr[g]);
  report_sizes(report, "nodes", sizes, n);
  memset(sizes, 0, (size_t)n * sizeof *sizes);
  for (int64_t e = 0, g = 0; e < heed_collection_edge_count(collection); e++) {
    while (edges[2 * e] >= ptr[g + 1]) g++; /* edges lie graph after graph */
    sizes[g]++;
  }
  report_sizes(report, "edges", sizes, n);
  free(sizes);
  return CLI_OK;
}

/* --- Features ------------------------------------------------------------------------------ */

/* Names such as "element=C" and "element=N" share a row; the JSON has every name. */
static void report_features(heed_report *report, const heed_collection *collection, bool of_edges) {
  int64_t n =
      of_edges ? heed_collection_edge_features(collection) : heed_collection_features(collection);
  const char *key = of_edges ? "edge_feature_groups" : "feature_groups";
  const char *label = of_edges ? "features of edges" : "features of nodes";
  for (int64_t c = 0; c < n;) {
    const char *name = heed_collection_feature_name(collection, of_edges, c);
    size_t group = strcspn(name, "=");
    char values[1024] = "", text[128];
    int64_t first = c;
    for (; c < n; c++) {
      const char *other = heed_collection_feature_name(collection, of_edges, c);
      size_t used = strlen(values);
      if (strncmp(other, name, group) != 0 || strcspn(other, "=") != group) break;
      if (name[group] == '\0' && c > first) break;
      if (other[group] == '=') {
        snprintf(values + used, sizeof values - used, "%s%s", used > 0 ? " " : "",
                 other + group + 1);
      }
    }
    snprintf(text, sizeof text, "%.*s", (int)group, name);
    heed_report *row = heed_report_row(report, key, label);
    heed_report_text(row, "name", "feature", text);
    heed_report_integer(row, "columns", "columns", c - first);
    heed_report_text(row, "values", "values", values);
  }
}

/* --- Targets ------------------------------------------------------------------------------- */

static void report_classes(heed_report *report, const heed_collection *collection) {
  const int32_t *labels = heed_collection_labels(collection);
  int64_t n = heed_collection_graphs(collection), unknown = 0;
  for (int64_t c = 0; c < heed_collection_outputs(collection); c++) {
    int64_t graphs = 0;
    for (int64_t g = 0; g < n; g++) graphs += labels[g] == c;
    heed_report *row = heed_report_row(report, "class_counts", "classes");
    heed_report_text(row, "class", "class", heed_collection_target_name(collection, c));
    heed_report_integer(row, "graphs", "graphs", graphs);
  }
  for (int64_t g = 0; g < n; g++) unknown += labels[g] < 0;
  heed_report_integer(report, "unlabelled", unknown > 0 ? "of unknown class" : NULL, unknown);
}

static void report_column(heed_report *report, const heed_collection *collection, int64_t column) {
  const heed_matrix *values = heed_collection_values(collection);
  int64_t known = 0, yes = 0;
  double sum = 0, squares = 0, least = INFINITY, most = -INFINITY;
  for (int64_t g = 0; g < values->rows; g++) {
    double x = (double)values->data[g * values->stride + column];
    if (isnan(x)) continue;
    known++;
    yes += x >= 0.5;
    sum += x;
    least = fmin(least, x);
    most = fmax(most, x);
  }
  double mean = known > 0 ? sum / (double)known : NAN;
  for (int64_t g = 0; g < values->rows; g++) {
    double x = (double)values->data[g * values->stride + column];
    if (!isnan(x)) squares += (x - mean) * (x - mean);
  }
  heed_report *row = heed_report_row(report, "columns", "targets");
  heed_report_text(row, "name", "target", heed_collection_target_name(collection, column));
  heed_report_integer(row, "known", "known", known);
  heed_report_integer(row, "missing", "missing", values->rows - known);
  if (heed_collection_kind(collection) == HEED_TARGET_BINARY) {
    heed_report_integer(row, "yes", "yes", yes);
    heed_report_integer(row, "no", "no", known - yes);
    return;
  }
  heed_report_number(row, "mean", "mean", mean, 4);
  heed_report_number(row, "deviation", "deviation",
                     known > 1 ? sqrt(squares / (double)(known - 1)) : NAN, 4);
  heed_report_number(row, "min", "least", least, 4);
  heed_report_number(row, "max", "most", most, 4);
}

static void report_targets(heed_report *report, const heed_collection *collection) {
  heed_target_kind kind = heed_collection_kind(collection);
  if (kind == HEED_TARGET_CLASS) report_classes(report, collection);
  if (kind != HEED_TARGET_BINARY && kind != HEED_TARGET_NUMBER) return;
  for (int64_t c = 0; c < heed_collection_outputs(collection); c++) {
    report_column(report, collection, c);
  }
}

/* --- All of it ----------------------------------------------------------------------------- */

static int report_mask(heed_report *report, const char *name, const heed_mask *mask) {
  heed_mask_stats stats;
  if (cli_check(heed_mask_statistics(mask, &stats), name)) return CLI_FAILED;
  heed_report *row = heed_report_row(report, "masks", "masks");
  heed_report_text(row, "mask", "mask", name);
  heed_report_integer(row, "pairs", "pairs", stats.pairs);
  heed_report_integer(row, "min_degree", "min degree", stats.min_degree);
  heed_report_number(row, "median_degree", "median degree", stats.median_degree, 4);
  heed_report_number(row, "mean_degree", "mean degree", stats.mean_degree, 4);
  heed_report_integer(row, "max_degree", "max degree", stats.max_degree);
  return CLI_OK;
}

/* Those of groups of heads one after the other; how many heads there are is the model's to say. */
static int report_masks(heed_report *report, const cli_mask *which, const cli_graph *graph,
                        const heed_collection *collection) {
  const cli_mask_source of = {.collection = collection};
  int32_t heads = which->n_groups == 0;
  cli_masks masks;
  for (int g = 0; g < which->n_groups; g++) heads += which->heads[g];
  int failed = cli_masks_make(&masks, which, heads, "attention", graph, &of);
  for (int g = 0; !failed && g < masks.n; g++) {
    char name[sizeof which->name];
    cli_mask_group_name(name, which, g);
    failed = report_mask(report, name, &masks.at[g]);
  }
  cli_masks_free(&masks);
  return failed;
}

static int fill(heed_report *report, const cli_graph *graph, const cli_mask_list *masks,
                heed_collection *collection) {
  int64_t repeats;
  heed_report_text(report, "collection", "collection", graph->source);
  cli_collection_report(report, collection);
  if (cli_check(heed_collection_repeats(collection, &repeats), graph->source)) return CLI_FAILED;
  heed_report_integer(report, "repeated", repeats > 0 ? "molecules seen before" : NULL, repeats);
  if (report_graphs(report, collection)) return CLI_FAILED;
  report_targets(report, collection);
  report_features(report, collection, false);
  report_features(report, collection, true);
  for (int m = 0; m < masks->n; m++) {
    if (report_masks(report, &masks->at[m], graph, collection)) return CLI_FAILED;
  }
  cli_report_machine(report);
  return CLI_OK;
}

int cli_info_collection(const cli_global *global, const cli_graph *graph,
                        const cli_mask_list *masks) {
  heed_collection *collection = NULL;
  heed_report *report = NULL;
  int failed = cli_check(cli_collection_try(&collection, graph), NULL);
  if (!failed) failed = cli_check(heed_report_new(&report), NULL);
  if (!failed) failed = fill(report, graph, masks, collection);
  if (!failed) failed = cli_report(report, global, NULL);
  heed_report_free(report);
  heed_collection_free(collection);
  return failed;
}
