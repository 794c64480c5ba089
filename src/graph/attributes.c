#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "graph/guard.h"

enum { NAMES_BYTES = 512 };

/* The values of one attribute, all of them. */
typedef struct column {
  const igraph_t *graph;
  const char *attribute;
  igraph_attribute_elemtype_t of; /* vertices or edges */
  bool strings_too;
  igraph_attribute_type_t type;
  igraph_strvector_t names;
  igraph_vector_int_t types;
  igraph_vector_t numbers; /* booleans come as 0 and 1 */
  igraph_vector_bool_t flags;
  igraph_strvector_t strings;
  bool has_names, has_types, has_numbers, has_flags, has_strings;
} column;

static void free_column(column *what) {
  if (what->has_names) igraph_strvector_destroy(&what->names);
  if (what->has_types) igraph_vector_int_destroy(&what->types);
  if (what->has_numbers) igraph_vector_destroy(&what->numbers);
  if (what->has_flags) igraph_vector_bool_destroy(&what->flags);
  if (what->has_strings) igraph_strvector_destroy(&what->strings);
}

static bool is_numeric(int64_t type) {
  return type == IGRAPH_ATTRIBUTE_NUMERIC || type == IGRAPH_ATTRIBUTE_BOOLEAN;
}

/* The names there are, in words: "a, b" or "none". */
static void list_names(const column *what, char *text, size_t bytes) {
  size_t used = 0;
  snprintf(text, bytes, "none");
  for (int64_t i = 0; i < igraph_strvector_size(&what->names) && used < bytes; i++) {
    if (!what->strings_too && !is_numeric(VECTOR(what->types)[i])) continue;
    used += (size_t)snprintf(text + used, bytes - used, "%s%s", used > 0 ? ", " : "",
                             igraph_strvector_get(&what->names, (heed__int)i));
  }
}

static heed_status find_type(column *what) {
  bool vertex = what->of == IGRAPH_ATTRIBUTE_VERTEX;
  const char *place = vertex ? "vertex" : "edge";
  HEED__TRY(heed__igraph_status(igraph_strvector_init(&what->names, 0), HEED_LIBRARY, place));
  what->has_names = true;
  HEED__TRY(heed__igraph_status(igraph_vector_int_init(&what->types, 0), HEED_LIBRARY, place));
  what->has_types = true;
  igraph_error_t error =
      igraph_cattribute_list(what->graph, NULL, NULL, vertex ? &what->names : NULL,
                             vertex ? &what->types : NULL, vertex ? NULL : &what->names,
                             vertex ? NULL : &what->types);
  HEED__TRY(heed__igraph_status(error, HEED_LIBRARY, place));
  for (int64_t i = 0; i < igraph_strvector_size(&what->names); i++) {
    if (strcmp(igraph_strvector_get(&what->names, (heed__int)i), what->attribute) != 0) continue;
    what->type = (igraph_attribute_type_t)VECTOR(what->types)[i];
    if (is_numeric(what->type)) return HEED_OK;
    if (what->strings_too && what->type == IGRAPH_ATTRIBUTE_STRING) return HEED_OK;
    return heed__fail(HEED_ARGUMENT, "the %s attribute \"%s\" is not %s", place, what->attribute,
                      what->strings_too ? "of numbers or strings" : "numeric");
  }
  char names[NAMES_BYTES];
  list_names(what, names, sizeof names);
  return heed__fail(HEED_ARGUMENT, "there is no %s%s attribute \"%s\"; there are: %s",
                    what->strings_too ? "" : "numeric ", place, what->attribute, names);
}

static heed_status fetch_flags(column *what) {
  bool vertex = what->of == IGRAPH_ATTRIBUTE_VERTEX;
  HEED__TRY(heed__igraph_status(igraph_vector_bool_init(&what->flags, 0), HEED_LIBRARY,
                                what->attribute));
  what->has_flags = true;
  igraph_error_t error =
      vertex ? igraph_cattribute_VABV(what->graph, what->attribute, igraph_vss_all(), &what->flags)
             : igraph_cattribute_EABV(what->graph, what->attribute,
                                      igraph_ess_all(IGRAPH_EDGEORDER_ID), &what->flags);
  HEED__TRY(heed__igraph_status(error, HEED_LIBRARY, what->attribute));
  int64_t n = igraph_vector_bool_size(&what->flags);
  HEED__TRY(heed__igraph_status(igraph_vector_resize(&what->numbers, (heed__int)n), HEED_LIBRARY,
                                what->attribute));
  for (int64_t i = 0; i < n; i++) VECTOR(what->numbers)[i] = VECTOR(what->flags)[i] ? 1 : 0;
  return HEED_OK;
}

static heed_status fetch_strings(column *what) {
  HEED__TRY(heed__igraph_status(igraph_strvector_init(&what->strings, 0), HEED_LIBRARY,
                                what->attribute));
  what->has_strings = true;
  return heed__igraph_status(igraph_cattribute_VASV(what->graph, what->attribute,
                                                    igraph_vss_all(), &what->strings),
                             HEED_LIBRARY, what->attribute);
}

static heed_status fetch(void *context) {
  column *what = context;
  HEED__TRY(heed__igraph_attributes(what->graph));
  HEED__TRY(find_type(what));
  if (what->type == IGRAPH_ATTRIBUTE_STRING) return fetch_strings(what);
  HEED__TRY(heed__igraph_status(igraph_vector_init(&what->numbers, 0), HEED_LIBRARY,
                                what->attribute));
  what->has_numbers = true;
  if (what->type == IGRAPH_ATTRIBUTE_BOOLEAN) return fetch_flags(what);
  igraph_error_t error =
      what->of == IGRAPH_ATTRIBUTE_VERTEX
          ? igraph_cattribute_VANV(what->graph, what->attribute, igraph_vss_all(), &what->numbers)
          : igraph_cattribute_EANV(what->graph, what->attribute,
                                   igraph_ess_all(IGRAPH_EDGEORDER_ID), &what->numbers);
  return heed__igraph_status(error, HEED_LIBRARY, what->attribute);
}

/* Fetches the attribute; the column is to be freed whatever comes back. */
static heed_status fetch_column(column *what, const igraph_t *graph, const char *attribute,
                                igraph_attribute_elemtype_t of, bool strings_too) {
  memset(what, 0, sizeof *what);
  what->graph = graph;
  what->attribute = attribute;
  what->of = of;
  what->strings_too = strings_too;
  return heed__igraph_call(fetch, what, 0);
}

static heed_status check_weight(const column *weights, int64_t edge, heed_bias_kind kind) {
  int64_t n = igraph_vector_size(&weights->numbers);
  if (edge >= n) {
    return heed__fail(HEED_RANGE, "the mask names edge %lld, the graph has %lld",
                      (long long)edge, (long long)n);
  }
  double weight = VECTOR(weights->numbers)[edge];
  if (!isfinite(weight)) {
    return heed__fail(HEED_VALUE, "edge %lld: \"%s\" is %g", (long long)edge, weights->attribute,
                      weight);
  }
  if (kind == HEED_BIAS_LOG_WEIGHT && weight < 0) {
    return heed__fail(HEED_RANGE, "edge %lld: \"%s\" is %g, and below 0 there is no logarithm",
                      (long long)edge, weights->attribute, weight);
  }
  return HEED_OK;
}

static heed_status fill_bias(const column *weights, const heed_mask *mask, heed_bias_kind kind,
                             float *bias) {
  for (int64_t p = 0; p < mask->n_pairs; p++) {
    const int64_t *ids;
    const uint8_t *origins;
    int64_t count, known = 0, last = 0;
    double sum = 0;
    heed_mask_pair_edges(mask, p, &ids, &origins, &count);
    for (int64_t i = 0; i < count; i++) {
      if (ids[i] < 0) continue;
      last = ids[i];
      HEED__TRY(check_weight(weights, last, kind));
      sum += VECTOR(weights->numbers)[last];
      known++;
    }
    if (known > 0 && !(fabs(sum) <= (double)HUGE_VALF && isfinite((float)sum))) {
      return heed__fail(HEED_VALUE, "edge %lld: \"%s\" adds up to %g, too large for a float",
                        (long long)last, weights->attribute, sum);
    }
    if (kind == HEED_BIAS_LOG_WEIGHT) sum = known > 0 ? log(sum) : 0;
    bias[p] = (float)sum;
  }
  return HEED_OK;
}

heed_status heed_graph_bias(const igraph_t *graph, const heed_mask *mask, const char *attribute,
                            heed_bias_kind kind, float *bias) {
  if (kind != HEED_BIAS_WEIGHT && kind != HEED_BIAS_LOG_WEIGHT) {
    return heed__fail(HEED_ARGUMENT, "bias kind %d: there is none such", (int)kind);
  }
  if (mask->edge_ids == NULL) {
    return heed__fail(HEED_ARGUMENT, "a bias from \"%s\" needs a mask that knows its edges",
                      attribute);
  }
  column weights;
  heed_status status = fetch_column(&weights, graph, attribute, IGRAPH_ATTRIBUTE_EDGE, false);
  if (status == HEED_OK) status = fill_bias(&weights, mask, kind, bias);
  free_column(&weights);
  return status;
}

heed_status heed_graph_feature(const igraph_t *graph, const char *attribute, float *x,
                               int64_t stride) {
  column values;
  heed_status status = fetch_column(&values, graph, attribute, IGRAPH_ATTRIBUTE_VERTEX, false);
  int64_t n = status == HEED_OK ? igraph_vector_size(&values.numbers) : 0;
  for (int64_t i = 0; i < n && status == HEED_OK; i++) {
    x[i * stride] = (float)VECTOR(values.numbers)[i];
    if (!isfinite(x[i * stride])) {
      status = heed__fail(HEED_VALUE, "vertex %lld: \"%s\" is %g", (long long)i, attribute,
                          VECTOR(values.numbers)[i]);
    }
  }
  free_column(&values);
  return status;
}

/* A value and whose it is, for sorting. */
typedef struct labelled {
  double number;
  const char *string; /* NULL: the number counts */
  int64_t node;
} labelled;

static int compare_values(const void *a, const void *b) {
  const labelled *x = a, *y = b;
  if (x->string != NULL) return strcmp(x->string, y->string);
  return (x->number > y->number) - (x->number < y->number);
}

static heed_status number_values(const column *values, int64_t n, int32_t *labels,
                                 int32_t *n_classes) {
  if (n > INT32_MAX) {
    return heed__fail(HEED_RANGE, "%lld nodes, labels for at most %d", (long long)n, INT32_MAX);
  }
  labelled *sorted = heed__alloc((size_t)n, sizeof *sorted);
  if (sorted == NULL) return HEED_NOMEM;
  int64_t n_sorted = 0;
  bool strings = values->type == IGRAPH_ATTRIBUTE_STRING;
  for (int64_t i = 0; i < n; i++) {
    labelled value = {0, NULL, i};
    if (strings) {
      value.string = igraph_strvector_get(&values->strings, (heed__int)i);
    } else {
      value.number = VECTOR(values->numbers)[i];
    }
    labels[i] = -1;
    if (strings ? value.string[0] != '\0' : !isnan(value.number)) sorted[n_sorted++] = value;
  }
  qsort(sorted, (size_t)n_sorted, sizeof *sorted, compare_values);
  *n_classes = 0;
  for (int64_t i = 0; i < n_sorted; i++) {
    if (i == 0 || compare_values(&sorted[i - 1], &sorted[i]) != 0) ++*n_classes;
    labels[sorted[i].node] = *n_classes - 1;
  }
  heed__free(sorted);
  return HEED_OK;
}

heed_status heed_graph_labels(const igraph_t *graph, const char *attribute, int32_t *labels,
                              int32_t *n_classes) {
  column values;
  heed_status status = fetch_column(&values, graph, attribute, IGRAPH_ATTRIBUTE_VERTEX, true);
  if (status == HEED_OK) {
    status = number_values(&values, igraph_vcount(graph), labels, n_classes);
  }
  free_column(&values);
  return status;
}
