/* Walking over the lines of a text and their words. */
#ifndef HEED_SRC_GRAPH_LINES_H
#define HEED_SRC_GRAPH_LINES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "graph/text.h"

typedef struct heed__lines {
  const char *next, *end; /* what is left of the text */
  const char *at, *stop;  /* what is left of the line */
  int64_t number;         /* of the line, from 1 */
} heed__lines;

typedef struct heed__word {
  const char *start;
  size_t length;
} heed__word;

static inline heed__lines heed__lines_of(const heed__text *text) {
  heed__lines lines = {text->bytes, text->bytes + text->size, NULL, NULL, 0};
  if (text->size >= 3 && memcmp(text->bytes, "\xEF\xBB\xBF", 3) == 0) lines.next += 3;
  return lines;
}

/* Goes to the next line, also to an empty one; lines end in LF, CR LF or CR. */
static inline bool heed__next_line(heed__lines *lines) {
  if (lines->next >= lines->end) return false;
  lines->at = lines->next;
  const char *stop = lines->at;
  while (stop < lines->end && *stop != '\n' && *stop != '\r') stop++;
  lines->stop = stop;
  if (stop < lines->end) stop += stop + 1 < lines->end && stop[0] == '\r' && stop[1] == '\n' ? 2 : 1;
  lines->next = stop;
  lines->number++;
  return true;
}

static inline bool heed__is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\f' || c == '\v' || c == '\0';
}

/* The next word of the line; separated by blanks, and by `comma` if that is not 0. */
static inline bool heed__next_word(heed__lines *lines, char comma, heed__word *word) {
  while (lines->at < lines->stop && (heed__is_blank(*lines->at) || *lines->at == comma)) {
    lines->at++;
  }
  word->start = lines->at;
  while (lines->at < lines->stop && !heed__is_blank(*lines->at) && *lines->at != comma) {
    lines->at++;
  }
  word->length = (size_t)(lines->at - word->start);
  return word->length > 0;
}

static inline bool heed__word_is(const heed__word *word, const char *text) {
  return strlen(text) == word->length && strncasecmp(word->start, text, word->length) == 0;
}

/* Whether a word is a whole number; one that does not fit becomes the largest there is. */
static inline bool heed__word_integer(const heed__word *word, int64_t *value) {
  size_t i = word->length > 1 && (word->start[0] == '-' || word->start[0] == '+');
  bool negative = word->start[0] == '-';
  if (i == word->length) return false;
  *value = 0;
  for (; i < word->length; i++) {
    char c = word->start[i];
    if (c < '0' || c > '9') return false;
    *value = *value > (INT64_MAX - 9) / 10 ? INT64_MAX / 100 * 10 : 10 * *value + (c - '0');
  }
  if (negative) *value = -*value;
  return true;
}

#endif
