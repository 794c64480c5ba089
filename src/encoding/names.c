/* Encodings by name: words read and written, and what they name filled in. */
#include <heed/encoding.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"

enum { ROTARY_BASE = 10000, MOST_SIDE = 1 << 15, WORD_BYTES = 64 };

/* Whether a word has a size and a grid, and what the size is between. */
static const struct {
  const char *name;
  bool needs_size, may_size, may_grid;
  int32_t least, most;
  const char *form; /* for people */
} words[HEED_ENCODING_KINDS] = {
    [HEED_ENCODING_LAPLACIAN] = {"laplacian", true, true, false, 1, 1024, "laplacian:K"},
    [HEED_ENCODING_RANDOM_WALK] = {"random-walk", true, true, false, 1, 1024, "random-walk:K"},
    [HEED_ENCODING_DEGREE] = {"degree", false, true, false, 1, 4096, "degree or degree:K"},
    [HEED_ENCODING_SINUSOIDAL] = {"sinusoidal", true, true, true, 1, 65536,
                                  "sinusoidal:D or sinusoidal:D:HxW, there with an even D"},
    [HEED_ENCODING_LEARNED] = {"learned", false, false, false, 0, 0, "learned"},
    [HEED_ENCODING_ROTARY] = {"rotary", false, true, false, 2, INT32_MAX, "rotary or rotary:BASE"},
    [HEED_ENCODING_RELATIVE] = {"relative", true, true, true, 0, 1000, "relative:R or relative:R:HxW"},
    [HEED_ENCODING_DISTANCE] = {"distance", true, true, false, 1, 1000, "distance:K"},
    [HEED_ENCODING_QUADRATIC] = {"quadratic", false, false, true, 0, 0, "quadratic or quadratic:HxW"},
};

const char *heed_encoding_name(heed_encoding_kind kind) {
  return (unsigned)kind < HEED_ENCODING_KINDS ? words[kind].name : "?";
}

/* --- Reading ------------------------------------------------------------------------------- */

static bool read_number(const char **at, int64_t least, int64_t most, int32_t *number) {
  char *end;
  if (**at < '0' || **at > '9') return false;
  long value = strtol(*at, &end, 10); /* of too many digits LONG_MAX */
  if (value < least || value > most) return false;
  *number = (int32_t)value;
  *at = end;
  return true;
}

static bool read_grid(const char **at, int32_t grid[2]) {
  if (!read_number(at, 1, MOST_SIDE, &grid[0]) || **at != 'x') return false;
  ++*at;
  return read_number(at, 1, MOST_SIDE, &grid[1]);
}

/* What stands behind the name of a word. */
static bool read_parts(heed_encoding *e, const char *at) {
  if (*at == '\0') return !words[e->kind].needs_size;
  if (words[e->kind].may_size) {
    at++;
    if (!read_number(&at, words[e->kind].least, words[e->kind].most, &e->size)) return false;
  }
  if (*at == '\0') return true;
  if (!words[e->kind].may_grid || *at != ':') return false;
  at++;
  if (!read_grid(&at, e->grid) || *at != '\0') return false;
  return e->kind != HEED_ENCODING_SINUSOIDAL || e->size % 2 == 0;
}

static heed_status read_word(heed_encoding *e, const char *text, size_t n) {
  char word[WORD_BYTES];
  size_t name = strcspn(text, ":+");
  if (n >= sizeof word) {
    return heed__fail(HEED_ARGUMENT, "encoding '%.40s...': a word of %zu bytes", text, n);
  }
  memcpy(word, text, n);
  word[n] = '\0';
  *e = (heed_encoding){.kind = (heed_encoding_kind)HEED_ENCODING_KINDS};
  for (int k = 0; k < HEED_ENCODING_KINDS; k++) {
    if (strlen(words[k].name) == name && memcmp(words[k].name, word, name) == 0) {
      e->kind = (heed_encoding_kind)k;
    }
  }
  if ((int)e->kind == HEED_ENCODING_KINDS) {
    return heed__fail(HEED_ARGUMENT,
                      "no encoding '%s': laplacian:K, random-walk:K, degree, sinusoidal:D, learned, "
                      "rotary, relative:R, distance:K and quadratic, with + between them, or none",
                      word);
  }
  if (read_parts(e, word + name)) return HEED_OK;
  if (!words[e->kind].may_size || words[e->kind].most == INT32_MAX) {
    return heed__fail(HEED_ARGUMENT, "encoding '%s': %s", word, words[e->kind].form);
  }
  return heed__fail(HEED_ARGUMENT, "encoding '%s': %s, the number between %d and %d", word,
                    words[e->kind].form, (int)words[e->kind].least, (int)words[e->kind].most);
}

heed_status heed_encodings_read(heed_encodings *encodings, const char *text) {
  heed_encodings read = {0};
  if (strcmp(text, "none") != 0) {
    for (const char *at = text;; at++) {
      heed_encoding e;
      size_t n = strcspn(at, "+");
      HEED__TRY(read_word(&e, at, n));
      if (heed_encodings_find(&read, e.kind) != NULL) {
        return heed__fail(HEED_ARGUMENT, "encoding '%.*s': %s is there twice", (int)n, at,
                          words[e.kind].name);
      }
      read.at[read.n++] = e;
      at += n;
      if (*at == '\0') break;
    }
  }
  *encodings = read;
  return HEED_OK;
}

heed_status heed_encodings_write(const heed_encodings *encodings, char *text, size_t size) {
  size_t used = 0;
  for (int i = 0; i < encodings->n; i++) {
    const heed_encoding *e = &encodings->at[i];
    char word[WORD_BYTES];
    int n = snprintf(word, sizeof word, "%s%s", i > 0 ? "+" : "", words[e->kind].name);
    if (e->size > 0 || words[e->kind].needs_size) {
      n += snprintf(word + n, sizeof word - (size_t)n, ":%d", (int)e->size);
    }
    if (e->grid[0] > 0) {
      snprintf(word + n, sizeof word - (size_t)n, ":%dx%d", (int)e->grid[0], (int)e->grid[1]);
    }
    used += (size_t)snprintf(used < size ? text + used : NULL, used < size ? size - used : 0, "%s",
                             word);
  }
  if (encodings->n == 0) used = (size_t)snprintf(text, size, "none");
  if (used < size) return HEED_OK;
  if (size > 0) text[0] = '\0';
  return heed__fail(HEED_RANGE, "encodings: their text has %zu bytes, there is room for %zu", used + 1,
                    size);
}

const heed_encoding *heed_encodings_find(const heed_encodings *encodings, heed_encoding_kind kind) {
  for (int i = 0; i < encodings->n; i++) {
    if (encodings->at[i].kind == kind) return &encodings->at[i];
  }
  return NULL;
}

/* --- Sizes --------------------------------------------------------------------------------- */

static int64_t columns_of(const heed_encoding *e) {
  switch (e->kind) {
    case HEED_ENCODING_LAPLACIAN:
    case HEED_ENCODING_RANDOM_WALK:
    case HEED_ENCODING_SINUSOIDAL:
      return e->size;
    case HEED_ENCODING_DEGREE:
      return e->size > 0 ? (int64_t)e->size + 1 : 1;
    default:
      return 0;
  }
}

int64_t heed_encodings_columns(const heed_encodings *encodings, int64_t *laplacian) {
  int64_t columns = 0;
  if (laplacian != NULL) *laplacian = -1;
  for (int i = 0; i < encodings->n; i++) {
    const heed_encoding *e = &encodings->at[i];
    if (e->kind == HEED_ENCODING_LAPLACIAN && laplacian != NULL) *laplacian = columns;
    columns += columns_of(e);
  }
  return columns;
}

static int axes_of(const heed_encoding *e) { return e->grid[0] > 0 ? 2 : 1; }

int64_t heed_encodings_classes(const heed_encodings *encodings) {
  const heed_encoding *relative = heed_encodings_find(encodings, HEED_ENCODING_RELATIVE);
  const heed_encoding *distance = heed_encodings_find(encodings, HEED_ENCODING_DISTANCE);
  if (relative == NULL && distance == NULL) return 0;
  int64_t classes = relative == NULL ? 1 : heed_offset_classes(axes_of(relative), relative->size);
  return distance == NULL ? classes : classes * (distance->size + 2);
}

int64_t heed_encodings_pair_features(const heed_encodings *encodings) {
  const heed_encoding *e = heed_encodings_find(encodings, HEED_ENCODING_QUADRATIC);
  return e == NULL ? 0 : 1 + axes_of(e);
}

/* --- Filling ------------------------------------------------------------------------------- */

/* The places of the nodes of a word with a grid, which every graph has as many nodes as, for heed__free(); NULL of a
 * line. */
static heed_status places(const heed_encoding *e, int64_t n, int64_t n_graphs,
                          const int64_t *graph_ptr, int32_t **coordinates) {
  int64_t whole[2] = {0, n}, sizes[2] = {e->grid[0], e->grid[1]};
  const int64_t *ptr = n_graphs > 0 ? graph_ptr : whole;
  *coordinates = NULL;
  if (e->grid[0] == 0) return HEED_OK;
  for (int64_t g = 0; g < (n_graphs > 0 ? n_graphs : 1); g++) {
    char which[40] = "";
    if (sizes[0] * sizes[1] == ptr[g + 1] - ptr[g]) continue;
    if (n_graphs > 0) snprintf(which, sizeof which, ", as graph %lld has", (long long)g);
    return heed__fail(HEED_SHAPE, "encoding %s: a grid %lldx%lld has %lld places, not %lld nodes%s",
                      words[e->kind].name, (long long)sizes[0], (long long)sizes[1],
                      (long long)(sizes[0] * sizes[1]), (long long)(ptr[g + 1] - ptr[g]), which);
  }
  *coordinates = heed__alloc((size_t)n, 2 * sizeof **coordinates);
  if (*coordinates == NULL) return HEED_NOMEM;
  for (int64_t g = 0; g < (n_graphs > 0 ? n_graphs : 1); g++) {
    HEED__TRY(heed_grid_coordinates(2, sizes, *coordinates + 2 * ptr[g]));
  }
  return HEED_OK;
}

static heed_status sinusoidal(const heed_encoding *e, int64_t n_graphs, const int64_t *graph_ptr,
                              const heed_matrix *to) {
  int64_t whole[2] = {0, to->rows};
  const int64_t *ptr = n_graphs > 0 ? graph_ptr : whole;
  int32_t *coordinates;
  heed_status status = places(e, to->rows, n_graphs, graph_ptr, &coordinates);
  for (int64_t g = 0; status == HEED_OK && g < (n_graphs > 0 ? n_graphs : 1); g++) {
    heed_matrix rows = *to;
    rows.rows = ptr[g + 1] - ptr[g];
    rows.data = to->data + ptr[g] * to->stride;
    status = coordinates == NULL
                 ? heed_encode_sinusoidal(&rows, NULL, ROTARY_BASE)
                 : heed_encode_sinusoidal_grid(&rows, coordinates + 2 * ptr[g], 2, ROTARY_BASE);
  }
  heed__free(coordinates);
  return status;
}

heed_status heed_encode_nodes(const heed_encodings *encodings, const heed_mask *graph,
                              int64_t n_graphs, const int64_t *graph_ptr, const heed_matrix *to) {
  int64_t columns = heed_encodings_columns(encodings, NULL), at = 0;
  if (to->cols != columns || to->rows != graph->n_queries) {
    return heed__fail(HEED_SHAPE, "encodings: a matrix [%lld, %lld] for %lld nodes of %lld columns",
                      (long long)to->rows, (long long)to->cols, (long long)graph->n_queries,
                      (long long)columns);
  }
  for (int i = 0; i < encodings->n; i++) {
    const heed_encoding *e = &encodings->at[i];
    heed_matrix part = {to->data + at, to->rows, columns_of(e), to->stride};
    if (part.cols == 0) continue;
    if (e->kind == HEED_ENCODING_LAPLACIAN) HEED__TRY(heed_encode_laplacian(graph, &part));
    if (e->kind == HEED_ENCODING_RANDOM_WALK) HEED__TRY(heed_encode_random_walk(graph, &part));
    if (e->kind == HEED_ENCODING_DEGREE) HEED__TRY(heed_encode_degree(graph, &part));
    if (e->kind == HEED_ENCODING_SINUSOIDAL) HEED__TRY(sinusoidal(e, n_graphs, graph_ptr, &part));
    at += part.cols;
  }
  return HEED_OK;
}

heed_status heed_encode_classes(const heed_encodings *encodings, const heed_mask *mask,
                                const heed_mask *graph, int64_t n_graphs, const int64_t *graph_ptr,
                                int32_t *classes) {
  const heed_encoding *relative = heed_encodings_find(encodings, HEED_ENCODING_RELATIVE);
  const heed_encoding *distance = heed_encodings_find(encodings, HEED_ENCODING_DISTANCE);
  if (heed_encodings_classes(encodings) > INT32_MAX) {
    return heed__fail(HEED_RANGE, "encodings: %lld classes of pairs, above %d",
                      (long long)heed_encodings_classes(encodings), INT32_MAX);
  }
  int32_t *coordinates = NULL, *second = NULL;
  heed_status status = HEED_OK;
  if (relative != NULL) {
    status = places(relative, mask->n_queries, n_graphs, graph_ptr, &coordinates);
    if (status == HEED_OK) {
      status = heed_pairs_offset(mask, coordinates, axes_of(relative), relative->size, classes);
    }
    heed__free(coordinates);
  }
  if (status != HEED_OK || distance == NULL) return status;
  if (relative == NULL) return heed_pairs_distance(mask, graph, distance->size, classes);
  second = heed__alloc((size_t)mask->n_pairs, sizeof *second);
  if (second == NULL) return HEED_NOMEM;
  status = heed_pairs_distance(mask, graph, distance->size, second);
  for (int64_t p = 0; status == HEED_OK && p < mask->n_pairs; p++) {
    classes[p] = classes[p] * (distance->size + 2) + second[p];
  }
  heed__free(second);
  return status;
}

heed_status heed_encode_features(const heed_encodings *encodings, const heed_mask *mask,
                                 int64_t n_graphs, const int64_t *graph_ptr, float *features) {
  const heed_encoding *e = heed_encodings_find(encodings, HEED_ENCODING_QUADRATIC);
  int32_t *coordinates;
  if (e == NULL) return HEED_OK;
  HEED__TRY(places(e, mask->n_queries, n_graphs, graph_ptr, &coordinates));
  heed_status status = heed_pairs_quadratic(mask, coordinates, axes_of(e), features);
  heed__free(coordinates);
  return status;
}
