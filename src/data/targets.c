/* What graphs should give: from cells of a file to labels or values. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "data/collection.h"

bool heed__data_number(const char *text, size_t length, double *value) {
  /* The digits as one whole number as far as 64 bits hold them, and a power of ten. Good to the
   * last bit or two of a double, in any locale. */
  const char *at = text, *end = text + length;
  bool negative = at < end && *at == '-', point = false, digits = false;
  uint64_t number = 0;
  int power = 0;
  if (at < end && (*at == '-' || *at == '+')) at++;
  for (; at < end; at++) {
    if (*at == '.' && !point) {
      point = true;
      continue;
    }
    if (*at < '0' || *at > '9') break;
    digits = true;
    if (number < UINT64_MAX / 10 - 1) {
      number = 10 * number + (uint64_t)(*at - '0');
      power -= point;
    } else {
      power += !point;
    }
  }
  if (!digits) return false;
  if (at < end && (*at == 'e' || *at == 'E')) {
    at++;
    bool down = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+')) at++;
    if (at == end) return false;
    int exponent = 0;
    for (; at < end && *at >= '0' && *at <= '9'; at++) {
      if (exponent < 100000) exponent = 10 * exponent + (*at - '0');
    }
    power += down ? -exponent : exponent;
  }
  if (at != end) return false;
  double x = (double)number;
  if (number != 0 && power < -300)
    x = x / 1e300 / pow(10, -power - 300);
  else if (number != 0 && power < 0)
    x /= pow(10, -power);
  else if (number != 0 && power > 0)
    x *= pow(10, power);
  *value = negative ? -x : x;
  return true;
}

static int compare_numbers(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

/* Classes are the distinct numbers, ascending. */
static heed_status number_classes(heed_collection *c, const char *source, const double *cells) {
  double *sorted = heed__alloc((size_t)c->graphs, sizeof *sorted);
  c->labels = heed__alloc((size_t)c->graphs, sizeof *c->labels);
  heed_status status = sorted == NULL || c->labels == NULL ? HEED_NOMEM : HEED_OK;
  size_t n = 0, distinct = 0;
  if (status == HEED_OK) {
    for (int64_t g = 0; g < c->graphs; g++) {
      double cell = cells[c->rows[g] - 1];
      if (!isnan(cell)) sorted[n++] = cell;
    }
    qsort(sorted, n, sizeof *sorted, compare_numbers);
    for (size_t i = 0; i < n; i++) {
      if (distinct == 0 || sorted[i] != sorted[distinct - 1]) sorted[distinct++] = sorted[i];
    }
    if (distinct > HEED__MOST_CLASSES) {
      status = heed__fail(HEED_RANGE, "%s: %zu different labels; %d is the most", source, distinct,
                          HEED__MOST_CLASSES);
    }
  }
  for (int64_t g = 0; g < c->graphs && status == HEED_OK; g++) {
    double cell = cells[c->rows[g] - 1];
    const double *at =
        isnan(cell) ? NULL : bsearch(&cell, sorted, distinct, sizeof *sorted, compare_numbers);
    c->labels[g] = at == NULL ? -1 : (int32_t)(at - sorted);
  }
  heed__strings_free(&c->target_names);
  for (size_t i = 0; i < distinct && status == HEED_OK; i++) {
    status = heed__strings_print(&c->target_names, "%.15g", sorted[i]);
  }
  heed__free(sorted);
  c->kind = HEED_TARGET_CLASS;
  c->outputs = (int64_t)distinct;
  return status;
}

heed_status heed__collection_numbers(heed_collection *c, const char *source, heed_target_kind kind,
                                     int64_t columns, const double *cells) {
  if (kind == HEED_TARGET_CLASS) {
    if (columns == 1) return number_classes(c, source, cells);
    return heed__fail(HEED_ARGUMENT, "%s: classes come from one column, not from %lld", source,
                      (long long)columns);
  }
  if (columns == 0) return HEED_OK;
  bool binary = true;
  int64_t bad = -1;
  size_t n;
  if (!heed__multiply((size_t)c->graphs, (size_t)columns, &n)) n = SIZE_MAX;
  float *values = heed__alloc(n, sizeof *values);
  if (values == NULL) return HEED_NOMEM;
  c->values = heed_matrix_view(values, c->graphs, columns);
  c->outputs = columns;
  for (int64_t g = 0; g < c->graphs; g++) {
    for (int64_t t = 0; t < columns; t++) {
      double cell = cells[(c->rows[g] - 1) * columns + t];
      float value = values[g * columns + t] = (float)cell;
      if (isinf(value)) {
        return heed__fail(HEED_RANGE, "%s: row %lld: %g in column '%s' is beyond any float", source,
                          (long long)c->rows[g], cell, heed__strings_get(&c->target_names, t));
      }
      if (binary && !isnan(value) && value != 0 && value != 1) {
        binary = false;
        bad = g * columns + t;
      }
    }
  }
  if (kind == HEED_TARGET_BINARY && !binary) {
    return heed__fail(HEED_FORMAT, "%s: row %lld: %g in column '%s', which should be 0 or 1",
                      source, (long long)c->rows[bad / columns], (double)values[bad],
                      heed__strings_get(&c->target_names, bad % columns));
  }
  c->kind = kind == HEED_TARGET_NUMBER || !binary ? HEED_TARGET_NUMBER : HEED_TARGET_BINARY;
  return HEED_OK;
}

static int compare_texts(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

heed_status heed__collection_classes(heed_collection *c, const char *source,
                                     const char *const *cells) {
  int64_t rows = 0, distinct = 0;
  for (int64_t g = 0; g < c->graphs; g++) {
    if (c->rows[g] > rows) rows = c->rows[g];
  }
  double *numbers = heed__alloc((size_t)rows, sizeof *numbers);
  if (numbers == NULL) return HEED_NOMEM;
  bool all = true;
  for (int64_t g = 0; g < c->graphs && all; g++) {
    const char *cell = cells[c->rows[g] - 1];
    double *number = &numbers[c->rows[g] - 1];
    *number = NAN;
    all = cell[0] == '\0' || heed__data_number(cell, strlen(cell), number);
  }
  heed_status status = all ? number_classes(c, source, numbers) : HEED_OK;
  heed__free(numbers);
  if (all) return status;
  const char **sorted = heed__alloc((size_t)c->graphs, sizeof *sorted);
  c->labels = heed__alloc((size_t)c->graphs, sizeof *c->labels);
  if (sorted == NULL || c->labels == NULL) {
    heed__free(sorted);
    return HEED_NOMEM;
  }
  size_t n = 0;
  for (int64_t g = 0; g < c->graphs; g++) {
    if (cells[c->rows[g] - 1][0] != '\0') sorted[n++] = cells[c->rows[g] - 1];
  }
  qsort(sorted, n, sizeof *sorted, compare_texts);
  for (size_t i = 0; i < n; i++) {
    if (distinct == 0 || strcmp(sorted[i], sorted[distinct - 1]) != 0)
      sorted[distinct++] = sorted[i];
  }
  if (distinct > HEED__MOST_CLASSES) {
    status = heed__fail(HEED_RANGE, "%s: %lld different labels; %d is the most", source,
                        (long long)distinct, HEED__MOST_CLASSES);
  }
  for (int64_t g = 0; g < c->graphs && status == HEED_OK; g++) {
    const char *cell = cells[c->rows[g] - 1];
    const char *const *at =
        cell[0] == '\0' ? NULL
                        : bsearch(&cell, sorted, (size_t)distinct, sizeof *sorted, compare_texts);
    c->labels[g] = at == NULL ? -1 : (int32_t)(at - sorted);
  }
  heed__strings_free(&c->target_names);
  for (int64_t i = 0; i < distinct && status == HEED_OK; i++) {
    status = heed__strings_add(&c->target_names, sorted[i], strlen(sorted[i]));
  }
  heed__free(sorted);
  c->kind = HEED_TARGET_CLASS;
  c->outputs = distinct;
  return status;
}
