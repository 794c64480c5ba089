/* What the suites of pictures share: reading one back, a reader of XML as far as well-formedness
 * asks for it, looking for the program that draws. Comes after "folder.h". */
#ifndef HEED_TESTS_REPORT_SVG_H
#define HEED_TESTS_REPORT_SVG_H

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char text[1 << 20]; /* of the figure */

static inline void write_file(const char *path, const char *content) {
  FILE *file = fopen(path, "w");
  ck_assert_ptr_nonnull(file);
  ck_assert_int_ge(fputs(content, file), 0);
  ck_assert_int_eq(fclose(file), 0);
}

static inline void read_target(void) { text[slurp(target, text, sizeof text - 1)] = '\0'; }

static inline int count(const char *what) {
  int n = 0;
  for (const char *at = text; (at = strstr(at, what)) != NULL; at++) n++;
  return n;
}

/* --- A reader of XML, as much as well-formedness asks for ----------------------------------- */

/* Past "name"; NULL if there is none. */
static inline const char *name_end(const char *at) {
  size_t n = strcspn(at, " \t\r\n/>=<\"'");
  return n == 0 ? NULL : at + n;
}

static inline void check_reference(const char *at) {
  static const char *const known[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&apos;", "&#"};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (strncmp(at, known[i], strlen(known[i])) == 0) return;
  }
  ck_abort_msg("a bare '&': %.40s", at);
}

/* Past the attributes of a tag and its '>'; tells whether it ends in "/>". */
static inline const char *check_attributes(const char *at, bool *empty) {
  for (*empty = false;;) {
    at += strspn(at, " \t\r\n");
    if (*at == '>') return at + 1;
    if (strncmp(at, "/>", 2) == 0) {
      *empty = true;
      return at + 2;
    }
    const char *start = at;
    at = name_end(at);
    ck_assert_ptr_nonnull(at);
    at += strspn(at, " \t\r\n");
    at += *at == '=';
    at += strspn(at, " \t\r\n");
    ck_assert_msg(*at == '"' || *at == '\'', "no attribute: %.40s", start);
    char quote = *at;
    for (at++; *at != quote; at++) {
      ck_assert(*at != '\0' && *at != '<');
      if (*at == '&') check_reference(at);
    }
    at++;
  }
}

/* Fails unless `text` is one element, whose tags match. */
static inline void check_well_formed(void) {
  const char *open[64];
  int depth = 0, roots = 0;
  for (const char *at = text; *at != '\0';) {
    ck_assert_msg((unsigned char)*at >= 0x20 || strchr("\t\r\n", *at) != NULL, "byte %d", *at);
    if (*at == '&') check_reference(at);
    if (*at != '<') {
      at++;
    } else if (strncmp(at, "<?", 2) == 0 || strncmp(at, "<!", 2) == 0) {
      bool comment = strncmp(at, "<!--", 4) == 0, data = strncmp(at, "<![CDATA[", 9) == 0;
      const char *end = strstr(at, comment ? "-->" : data ? "]]>" : ">");
      ck_assert_ptr_nonnull(end);
      at = strchr(end, '>') + 1;
    } else if (at[1] == '/') {
      const char *end = name_end(at + 2);
      ck_assert(depth > 0 && end != NULL);
      size_t n = (size_t)(end - at - 2);
      depth--;
      ck_assert_msg(strncmp(open[depth], at + 2, n) == 0 && strcspn(open[depth], " \t\r\n/>") == n,
                    "'%.20s' closed by '%.20s'", open[depth], at);
      at = strchr(end, '>') + 1;
    } else {
      bool empty;
      const char *end = name_end(at + 1);
      ck_assert(end != NULL && depth < 64);
      roots += depth == 0;
      open[depth++] = at + 1;
      at = check_attributes(end, &empty);
      depth -= empty;
    }
  }
  ck_assert_int_eq(depth, 0);
  ck_assert_int_eq(roots, 1);
}

/* Whether a program can be run: the one that the variable names, or else one on the path. */
static inline bool have_program(const char *variable, const char *name) {
  const char *program = getenv(variable);
  if (program != NULL && program[0] != '\0') return access(program, X_OK) == 0;
  char path[4096];
  const char *folders = getenv("PATH");
  while (folders != NULL && *folders != '\0') {
    size_t n = strcspn(folders, ":");
    snprintf(path, sizeof path, "%.*s/%s", (int)n, folders, name);
    if (access(path, X_OK) == 0) return true;
    folders += n + (folders[n] == ':');
  }
  return false;
}

#endif
