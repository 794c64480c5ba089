#include <string.h>
#include <strings.h>

#include "base/status.h"
#include "graph/format.h"
#include "graph/lines.h"

static const struct {
  const char *name;
  heed__format format;
} names[] = {{"graphml", HEED__FORMAT_GRAPHML}, {"gml", HEED__FORMAT_GML},
             {"pajek", HEED__FORMAT_PAJEK},     {"dl", HEED__FORMAT_DL},
             {"dimacs", HEED__FORMAT_DIMACS},   {"lgl", HEED__FORMAT_LGL},
             {"ncol", HEED__FORMAT_NCOL},       {"edgelist", HEED__FORMAT_EDGELIST},
             {"graphdb", HEED__FORMAT_GRAPHDB}};

static const struct {
  const char *extension;
  heed__format format;
} extensions[] = {{"graphml", HEED__FORMAT_GRAPHML},   {"xml", HEED__FORMAT_GRAPHML},
                  {"gml", HEED__FORMAT_GML},           {"net", HEED__FORMAT_PAJEK},
                  {"paj", HEED__FORMAT_PAJEK},         {"dl", HEED__FORMAT_DL},
                  {"dimacs", HEED__FORMAT_DIMACS},     {"lgl", HEED__FORMAT_LGL},
                  {"ncol", HEED__FORMAT_NCOL},         {"edges", HEED__FORMAT_EDGELIST},
                  {"edgelist", HEED__FORMAT_EDGELIST}, {"txt", HEED__FORMAT_EDGELIST},
                  {"el", HEED__FORMAT_EDGELIST},       {"graphdb", HEED__FORMAT_GRAPHDB}};

static heed__format by_extension(const char *path) {
  size_t length = strlen(path);
  if (length > 3 && strcasecmp(path + length - 3, ".gz") == 0) length -= 3;
  for (size_t i = 0; i < sizeof extensions / sizeof *extensions; i++) {
    size_t size = strlen(extensions[i].extension);
    if (length > size && path[length - size - 1] == '.' &&
        strncasecmp(path + length - size, extensions[i].extension, size) == 0) {
      return extensions[i].format;
    }
  }
  return HEED__FORMAT_UNKNOWN;
}

/* GraphDB: a number of nodes, and for each a number of neighbours and these; 16 bits each. */
static bool is_graphdb(const heed__text *text) {
  const unsigned char *bytes = (const unsigned char *)text->bytes;
  size_t words = text->size / 2, at = 1;
  if (text->size % 2 != 0 || words == 0) return false;
  size_t n = bytes[0] | (size_t)bytes[1] << 8;
  for (size_t node = 0; node < n; node++) {
    if (at >= words) return false;
    at += 1 + (bytes[2 * at] | (size_t)bytes[2 * at + 1] << 8);
  }
  return at == words;
}

/* The next line that says something; `comment` starts one that does not. */
static bool next_said(heed__lines *lines, const char *comment, heed__word *word) {
  while (heed__next_line(lines)) {
    if (heed__next_word(lines, 0, word) && strchr(comment, word->start[0]) == NULL) return true;
  }
  return false;
}

/* The rest of the text after a word, spaces skipped. */
static const char *after(const heed__text *text, const char *at) {
  const char *end = text->bytes + text->size;
  while (at < end && (heed__is_blank(*at) || *at == '\n' || *at == '\r')) at++;
  return at;
}

/* "graph [", after comments and after keys such as Creator and Version. */
static bool is_gml(const heed__text *text) {
  heed__lines lines = heed__lines_of(text);
  heed__word word;
  while (next_said(&lines, "#", &word)) {
    if (word.length >= 5 && strncasecmp(word.start, "graph", 5) == 0 &&
        *after(text, word.start + 5) == '[') {
      return true;
    }
    if (!heed__word_is(&word, "Creator") && !heed__word_is(&word, "Version") &&
        !heed__word_is(&word, "comment")) {
      return false;
    }
  }
  return false;
}

static bool is_pajek(const heed__text *text) {
  heed__lines lines = heed__lines_of(text);
  heed__word word;
  return next_said(&lines, "%", &word) &&
         (heed__word_is(&word, "*vertices") || heed__word_is(&word, "*network"));
}

static bool is_dl(const heed__text *text) {
  heed__lines lines = heed__lines_of(text);
  heed__word word;
  if (!next_said(&lines, "", &word) || !heed__word_is(&word, "dl")) return false;
  const char *n = after(text, word.start + 2);
  return (*n == 'n' || *n == 'N') && *after(text, n + 1) == '=';
}

/* Comments "c …" and then "p edge" or the like. */
static bool is_dimacs(const heed__text *text) {
  heed__lines lines = heed__lines_of(text);
  heed__word word;
  while (next_said(&lines, "", &word)) {
    if (heed__word_is(&word, "c")) continue;
    if (!heed__word_is(&word, "p") || !heed__next_word(&lines, 0, &word)) return false;
    return heed__word_is(&word, "edge") || heed__word_is(&word, "col") ||
           heed__word_is(&word, "max") || heed__word_is(&word, "min") ||
           heed__word_is(&word, "sp");
  }
  return false;
}

/* "# name" first, every such line with one name, the others with one and perhaps a weight. */
static bool is_lgl(const heed__text *text) {
  heed__lines lines = heed__lines_of(text);
  heed__word word;
  bool first = true;
  while (next_said(&lines, "", &word)) {
    bool head = heed__word_is(&word, "#");
    if (first && !head) return false;
    first = false;
    int words = 1;
    while (heed__next_word(&lines, 0, &word)) words++;
    if (head ? words != 2 : words > 2) return false;
  }
  return !first;
}

/* Lines of two words, or three of which the last is a number: whole numbers, or names? */
static heed__format by_words(const heed__text *text) {
  heed__lines lines = heed__lines_of(text);
  heed__word word;
  bool integers = true, pairs = true, names_fit = true, any = false;
  while (next_said(&lines, "#%", &word)) {
    int words = 0;
    any = true;
    do {
      int64_t value;
      words++;
      integers = integers && heed__word_integer(&word, &value);
      if (words == 3) names_fit = names_fit && strspn(word.start, "0123456789.eE+-") >= word.length;
    } while (heed__next_word(&lines, 0, &word));
    pairs = pairs && words == 2;
    names_fit = names_fit && (words == 2 || words == 3);
    if (!integers && !names_fit) return HEED__FORMAT_UNKNOWN;
  }
  if (!any) return HEED__FORMAT_UNKNOWN;
  if (integers && (pairs || !names_fit)) return HEED__FORMAT_EDGELIST;
  return names_fit ? HEED__FORMAT_NCOL : HEED__FORMAT_UNKNOWN;
}

static bool starts_with(const heed__text *text, const char *what) {
  const char *start = heed__lines_of(text).next;
  start = after(text, start);
  size_t size = strlen(what), left = text->size - (size_t)(start - text->bytes);
  return left >= size && strncasecmp(start, what, size) == 0;
}

static heed_status unsupported(const char *path, const char *format) {
  return heed__fail(HEED_UNSUPPORTED, "%s: igraph writes %s files but does not read them", path,
                    format);
}

static heed__format by_content(const heed__text *text, const char *path) {
  bool has_zero = memchr(text->bytes, '\0', text->size) != NULL;
  if (has_zero && is_graphdb(text)) return HEED__FORMAT_GRAPHDB;
  if (starts_with(text, "<") || starts_with(text, "\xFF\xFE<") ||
      (text->size > 3 && memcmp(text->bytes, "\xFE\xFF\0<", 4) == 0)) {
    return HEED__FORMAT_GRAPHML;
  }
  if (has_zero) return HEED__FORMAT_UNKNOWN;
  if (is_gml(text)) return HEED__FORMAT_GML;
  if (is_pajek(text)) return HEED__FORMAT_PAJEK;
  if (is_dl(text)) return HEED__FORMAT_DL;
  if (is_dimacs(text)) return HEED__FORMAT_DIMACS;
  heed__format named = by_extension(path);
  heed__format words = by_words(text);
  if (is_lgl(text) && (named != HEED__FORMAT_EDGELIST || words != named)) return HEED__FORMAT_LGL;
  /* An edge list is also a list of names. */
  if (words == HEED__FORMAT_EDGELIST && named == HEED__FORMAT_NCOL) return named;
  return words;
}

heed_status heed__format_find(const heed__text *text, const char *path, const char *name,
                              heed__format *format) {
  if (name != NULL) {
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
      if (strcasecmp(names[i].name, name) == 0) {
        *format = names[i].format;
        return HEED_OK;
      }
    }
    if (strcasecmp(name, "leda") == 0) return unsupported(path, "LEDA");
    if (strcasecmp(name, "dot") == 0) return unsupported(path, "DOT");
    return heed__fail(HEED_UNSUPPORTED,
                      "%s: no format \"%s\"; there are graphml, gml, pajek, dl, dimacs, lgl, "
                      "ncol, edgelist, graphdb",
                      path, name);
  }
  *format = by_content(text, path);
  if (*format != HEED__FORMAT_UNKNOWN) return HEED_OK;
  if (starts_with(text, "LEDA.GRAPH")) return unsupported(path, "LEDA");
  if (starts_with(text, "digraph") || starts_with(text, "graph") || starts_with(text, "strict")) {
    return unsupported(path, "DOT");
  }
  *format = by_extension(path);
  if (*format == HEED__FORMAT_UNKNOWN) {
    return heed__fail(HEED_FORMAT, "%s: in no format that igraph reads", path);
  }
  return HEED_OK;
}
