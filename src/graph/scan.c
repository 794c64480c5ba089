#include <string.h>

#include "base/status.h"
#include "graph/format.h"
#include "graph/lines.h"

enum { MOST_DEPTH = 1000 };

/* A scan under way. */
typedef struct scanner {
  const char *path;
  heed__lines lines;
  int64_t size;
  int64_t most;  /* nodes that a file of this size may have */
  int64_t nodes; /* declared; -1: not yet */
} scanner;

static heed_status out_of_range(const scanner *scan, const char *what, int64_t value, int64_t low,
                                int64_t high) {
  return heed__fail(HEED_RANGE, "%s:%lld: %s %lld is not between %lld and %lld", scan->path,
                    (long long)scan->lines.number, what, (long long)value, (long long)low,
                    (long long)high);
}

/* The next word as a number of nodes or edges. */
static heed_status scan_count(scanner *scan, const char *what, int64_t most, int64_t *count) {
  heed__word word;
  if (!heed__next_word(&scan->lines, ',', &word) || !heed__word_integer(&word, count)) {
    return heed__fail(HEED_FORMAT, "%s:%lld: no %s", scan->path, (long long)scan->lines.number,
                      what);
  }
  if (*count < 0 || *count > most) return out_of_range(scan, what, *count, 0, most);
  return HEED_OK;
}

/* A word that must be one of the vertices 1 to n. */
static heed_status scan_vertex(const scanner *scan, const heed__word *word) {
  int64_t vertex;
  if (!heed__word_integer(word, &vertex)) {
    return heed__fail(HEED_FORMAT, "%s:%lld: \"%.*s\" is not the number of a vertex", scan->path,
                      (long long)scan->lines.number, (int)(word->length < 40 ? word->length : 40),
                      word->start);
  }
  if (vertex >= 1 && vertex <= scan->nodes) return HEED_OK;
  return out_of_range(scan, "vertex", vertex, 1, scan->nodes);
}

/* The next `most` words of the line (fewer may be there) as vertices. */
static heed_status scan_vertices(scanner *scan, int64_t most) {
  heed__word word;
  for (int64_t i = 0; i < most && heed__next_word(&scan->lines, 0, &word); i++) {
    HEED__TRY(scan_vertex(scan, &word));
  }
  return HEED_OK;
}

static void blank_line(heed__text *text, const heed__lines *lines, const char *start) {
  memset(text->bytes + (start - text->bytes), ' ', (size_t)(lines->stop - start));
}

static heed_status scan_edgelist(scanner *scan, heed__text *text) {
  int64_t words = 0;
  if (scan->lines.next > text->bytes) memset(text->bytes, ' ', 3); /* the byte order mark */
  while (heed__next_line(&scan->lines)) {
    const char *start = scan->lines.at;
    heed__word word;
    bool first = true;
    while (heed__next_word(&scan->lines, 0, &word)) {
      if (first && (word.start[0] == '#' || word.start[0] == '%')) {
        blank_line(text, &scan->lines, start);
        break;
      }
      first = false;
      int64_t vertex;
      if (!heed__word_integer(&word, &vertex)) {
        return heed__fail(HEED_FORMAT, "%s:%lld: \"%.*s\" is not the number of a vertex",
                          scan->path, (long long)scan->lines.number,
                          (int)(word.length < 40 ? word.length : 40), word.start);
      }
      if (vertex < 0 || vertex > scan->most) {
        return out_of_range(scan, "vertex", vertex, 0, scan->most);
      }
      words++;
    }
  }
  if (words == 0) return heed__fail(HEED_FORMAT, "%s: no edges", scan->path);
  if (words % 2 != 0) {
    return heed__fail(HEED_FORMAT, "%s:%lld: %lld numbers of vertices, an odd number", scan->path,
                      (long long)scan->lines.number, (long long)words);
  }
  return HEED_OK;
}

/* "*Vertices n [m]" and the sections behind it. */
static heed_status scan_pajek(scanner *scan) {
  enum { OTHER, VERTICES, EDGES, LISTS } section = OTHER;
  heed__word word;
  while (heed__next_line(&scan->lines)) {
    if (!heed__next_word(&scan->lines, 0, &word) || word.start[0] == '%') continue;
    if (word.start[0] == '*') {
      section = OTHER;
      if (heed__word_is(&word, "*vertices")) {
        HEED__TRY(scan_count(scan, "number of vertices", scan->most, &scan->nodes));
        section = VERTICES;
      } else if (heed__word_is(&word, "*arcs") || heed__word_is(&word, "*edges")) {
        section = EDGES;
      } else if (heed__word_is(&word, "*arcslist") || heed__word_is(&word, "*edgeslist")) {
        section = LISTS;
      }
      continue;
    }
    if (section == OTHER) continue;
    if (scan->nodes < 0) {
      return heed__fail(HEED_FORMAT, "%s:%lld: no *Vertices before this", scan->path,
                        (long long)scan->lines.number);
    }
    HEED__TRY(scan_vertex(scan, &word));
    if (section == EDGES) HEED__TRY(scan_vertices(scan, 1));
    if (section == LISTS) HEED__TRY(scan_vertices(scan, INT64_MAX));
  }
  if (scan->nodes >= 0) return HEED_OK;
  return heed__fail(HEED_FORMAT, "%s: no *Vertices", scan->path);
}

/* The word behind "key =" anywhere in the text. */
static bool find_dl(const heed__text *text, const char *key, heed__word *value) {
  size_t size = strlen(key);
  const char *end = text->bytes + text->size;
  for (const char *at = text->bytes; at + size < end; at++) {
    if (strncasecmp(at, key, size) != 0) continue;
    if (at > text->bytes && strchr(" \t\r\n,;", at[-1]) == NULL) continue;
    const char *next = at + size;
    while (next < end && strchr(" \t", *next) != NULL) next++;
    if (next >= end || *next != '=') continue;
    do next++;
    while (next < end && strchr(" \t", *next) != NULL);
    value->start = next;
    while (next < end && strchr(" \t\r\n,;", *next) == NULL) next++;
    value->length = (size_t)(next - value->start);
    return true;
  }
  return false;
}

static bool mentions(const heed__text *text, const char *what) {
  size_t size = strlen(what);
  for (size_t i = 0; i + size <= text->size; i++) {
    if (strncasecmp(text->bytes + i, what, size) == 0) return true;
  }
  return false;
}

/* The data of "format = edgelist1" without embedded labels are numbers of vertices. */
static heed_status scan_dl(scanner *scan, const heed__text *text, bool *full_matrix) {
  heed__word value;
  scan->lines.number = 1;
  if (!find_dl(text, "n", &value) || !heed__word_integer(&value, &scan->nodes)) {
    return heed__fail(HEED_FORMAT, "%s: no \"n =\"", scan->path);
  }
  if (scan->nodes < 1 || scan->nodes > scan->most) {
    return heed__fail(HEED_RANGE, "%s: n = %lld is not between 1 and %lld", scan->path,
                      (long long)scan->nodes, (long long)scan->most);
  }
  bool given = find_dl(text, "format", &value);
  *full_matrix = !given || heed__word_is(&value, "fullmatrix");
  /* A matrix has an entry for each two vertices, a character and a blank at least. */
  if (*full_matrix && scan->nodes > scan->size / scan->nodes + 1) {
    return heed__fail(HEED_FORMAT, "%s: a matrix of %lld vertices in %lld bytes", scan->path,
                      (long long)scan->nodes, (long long)scan->size);
  }
  if (!given || !heed__word_is(&value, "edgelist1") || mentions(text, "labels embedded")) {
    return HEED_OK;
  }
  scan->lines.number = 0;
  bool data = false;
  heed__word word;
  while (heed__next_line(&scan->lines)) {
    if (!heed__next_word(&scan->lines, 0, &word)) continue;
    if (data) {
      HEED__TRY(scan_vertex(scan, &word));
      HEED__TRY(scan_vertices(scan, 1));
    } else {
      data = heed__word_is(&word, "data:");
    }
  }
  return HEED_OK;
}

static heed_status scan_dimacs(scanner *scan, bool *flow) {
  heed__word word;
  while (heed__next_line(&scan->lines)) {
    if (!heed__next_word(&scan->lines, 0, &word) || heed__word_is(&word, "c")) continue;
    if (heed__word_is(&word, "p")) {
      int64_t edges;
      if (!heed__next_word(&scan->lines, 0, &word) ||
          !(heed__word_is(&word, "max") || heed__word_is(&word, "edge"))) {
        return heed__fail(HEED_FORMAT, "%s:%lld: igraph reads only \"p max\" and \"p edge\"",
                          scan->path, (long long)scan->lines.number);
      }
      *flow = heed__word_is(&word, "max");
      HEED__TRY(scan_count(scan, "number of vertices", scan->most, &scan->nodes));
      HEED__TRY(scan_count(scan, "number of edges", scan->size, &edges));
      continue;
    }
    if (scan->nodes < 0) break;
    if (heed__word_is(&word, "n")) HEED__TRY(scan_vertices(scan, 1));
    if (heed__word_is(&word, "e") || heed__word_is(&word, "a")) HEED__TRY(scan_vertices(scan, 2));
  }
  if (scan->nodes >= 0) return HEED_OK;
  return heed__fail(HEED_FORMAT, "%s: no line \"p\" before the edges", scan->path);
}

/* Brackets within brackets; quotes hide them. */
static heed_status scan_gml(scanner *scan) {
  int64_t depth = 0;
  bool quoted = false;
  while (heed__next_line(&scan->lines)) {
    for (const char *at = scan->lines.at; at < scan->lines.stop; at++) {
      if (*at == '"') quoted = !quoted;
      if (quoted) continue;
      if (*at == '#') break;
      depth += (*at == '[') - (*at == ']');
      if (depth > MOST_DEPTH) {
        return heed__fail(HEED_FORMAT, "%s:%lld: brackets nested more than %d deep", scan->path,
                          (long long)scan->lines.number, MOST_DEPTH);
      }
    }
  }
  return HEED_OK;
}

static int read16(const heed__text *text, int64_t word) {
  const unsigned char *at = (const unsigned char *)text->bytes + 2 * word;
  return at[0] | at[1] << 8;
}

static heed_status scan_graphdb(scanner *scan, const heed__text *text) {
  int64_t words = scan->size / 2, at = 0, nodes = words > 0 ? read16(text, at++) : 0;
  for (int64_t node = 0; node < nodes; node++) {
    int64_t count = at < words ? read16(text, at) : 0;
    if (++at + count > words) {
      return heed__fail(HEED_FORMAT, "%s: cut short in node %lld of %lld", scan->path,
                        (long long)node, (long long)nodes);
    }
    for (int64_t i = 0; i < count; i++, at++) {
      if (read16(text, at) < nodes) continue;
      return heed__fail(HEED_RANGE, "%s: an edge of node %lld leads to node %d of %lld",
                        scan->path, (long long)node, read16(text, at), (long long)nodes);
    }
  }
  if (2 * at == scan->size) return HEED_OK;
  return heed__fail(HEED_FORMAT, "%s: %lld bytes, but its %lld nodes take %lld", scan->path,
                    (long long)scan->size, (long long)nodes, (long long)(2 * at));
}

/* Counts "<node" and "<prefix:node". */
static heed_status scan_graphml(scanner *scan, const heed__text *text, int64_t *declared) {
  const char *end = text->bytes + text->size;
  *declared = -1;
  if (memchr(text->bytes, '\0', text->size) != NULL) return HEED_OK; /* 16 bits a character */
  bool has_graphml = false;
  int64_t count = 0;
  for (const char *at = text->bytes; (at = memchr(at, '<', (size_t)(end - at))) != NULL;) {
    const char *name = ++at;
    while (at < end && strchr(" \t\r\n/><", *at) == NULL) {
      if (*at++ == ':') name = at;
    }
    size_t length = (size_t)(at - name);
    count += length == 4 && memcmp(name, "node", 4) == 0;
    has_graphml = has_graphml || (length == 7 && memcmp(name, "graphml", 7) == 0);
  }
  if (!has_graphml) return heed__fail(HEED_FORMAT, "%s: no element <graphml>", scan->path);
  *declared = count;
  return HEED_OK;
}

heed_status heed__format_scan(heed__text *text, const char *path, heed__format format,
                              heed__scan *found) {
  int64_t size = (int64_t)text->size, most = INT32_MAX;
  if (size < (most - 1000000) / 1000) most = 1000 * size + 1000000;
  scanner scan = {path, heed__lines_of(text), size, most, -1};
  found->flow = false;
  found->full_matrix = false;
  found->declared = -1;
  if (format != HEED__FORMAT_GRAPHDB && format != HEED__FORMAT_GRAPHML &&
      memchr(text->bytes, '\0', text->size) != NULL) {
    return heed__fail(HEED_FORMAT, "%s: not a text: it holds a zero byte at %lld", path,
                      (long long)strlen(text->bytes));
  }
  switch (format) {
    case HEED__FORMAT_EDGELIST: return scan_edgelist(&scan, text);
    case HEED__FORMAT_PAJEK: return scan_pajek(&scan);
    case HEED__FORMAT_DL: return scan_dl(&scan, text, &found->full_matrix);
    case HEED__FORMAT_DIMACS: return scan_dimacs(&scan, &found->flow);
    case HEED__FORMAT_GML: return scan_gml(&scan);
    case HEED__FORMAT_GRAPHDB: return scan_graphdb(&scan, text);
    case HEED__FORMAT_GRAPHML: return scan_graphml(&scan, text, &found->declared);
    default: return HEED_OK; /* names, which stand for themselves */
  }
}
