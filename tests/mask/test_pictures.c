/* The pictures of doc/masks.md against the masks that the library makes; with --update they are drawn anew. A line
 * "<!-- picture: A   B -->" is followed by a block of text with A and B beside each other. */
#include <heed/mask.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NODES = 12, MOST = 8, LINE = 400 };

static heed_mask graph;
static float x[NODES] = {0, 1, 3, 7, 8, 2, 9, 4, 4, 1, 6, 9};
static const int64_t sets[] = {0, 5, 8, NODES};

static bool has(const heed_mask *mask, int64_t i, int64_t j) {
  if (mask->indptr == NULL) return true;
  int64_t first = mask->indptr[i], end = mask->indptr[i + 1];
  if (mask->starts != NULL) return j >= mask->starts[i] && j < mask->starts[i] + end - first;
  for (int64_t p = first; p < end; p++) {
    if (mask->indices[p] == j) return true;
  }
  return false;
}

/* Draws the masks that are named from `text` to " -->", separated by three spaces. */
static bool draw(FILE *out, char *text, bool in_sets) {
  heed_mask masks[MOST];
  char *names[MOST];
  int n = 0;
  heed_matrix features = heed_matrix_view(x, NODES, 1);
  heed_mask_context context = {.n_queries = NODES, .n_keys = NODES, .graph = &graph,
                               .features = &features, .n_sets = in_sets ? 3 : 0, .set_ptr = sets};
  char *end = strstr(text, " -->");
  if (end == NULL) return false;
  *end = '\0';
  for (char *at = text; at != NULL && n < MOST; n++) {
    char *next = strstr(at, "   ");
    names[n] = at;
    if (next != NULL) {
      *next = '\0';
      next += 3;
    }
    if (heed_mask_from_expression(&masks[n], at, &context) != HEED_OK) {
      fprintf(stderr, "%s: %s\n", at, heed_message());
      while (n > 0) heed_mask_free(&masks[--n]);
      return false;
    }
    at = next;
  }
  fputs("\n```text\n", out);
  for (int m = 0; m < n; m++) {
    fprintf(out, m + 1 < n ? "%-28s" : "%s\n", names[m]);
  }
  for (int64_t i = 0; i < NODES; i++) {
    for (int m = 0; m < n; m++) {
      for (int64_t j = 0; j < NODES; j++) {
        fprintf(out, "%s%c", j > 0 ? " " : "", has(&masks[m], i, j) ? '#' : '.');
      }
      fputs(m + 1 < n ? "     " : "\n", out);
    }
  }
  fputs("```\n", out);
  while (n > 0) heed_mask_free(&masks[--n]);
  return true;
}

/* The whole page with its pictures drawn anew. */
static bool redraw(FILE *in, FILE *out) {
  char line[LINE];
  bool good = true;
  int pictures = 0;
  while (good && fgets(line, sizeof line, in) != NULL) {
    fputs(line, out);
    bool in_sets = strncmp(line, "<!-- picture in sets: ", 22) == 0;
    if (!in_sets && strncmp(line, "<!-- picture: ", 14) != 0) continue;
    pictures++;
    good = draw(out, line + (in_sets ? 22 : 14), in_sets);
    /* The old picture, if there is one: an empty line and a block. */
    long here = ftell(in);
    char next[LINE], fence[LINE];
    if (fgets(next, sizeof next, in) != NULL && strcmp(next, "\n") == 0 &&
        fgets(fence, sizeof fence, in) != NULL && strcmp(fence, "```text\n") == 0) {
      while (fgets(fence, sizeof fence, in) != NULL && strcmp(fence, "```\n") != 0) continue;
    } else {
      fseek(in, here, SEEK_SET);
    }
  }
  return good && pictures >= 5;
}

static char *read_all(FILE *file) {
  size_t size = 0, got;
  char *text = malloc(1 << 17);
  while (text != NULL && size < (1 << 17) - 1 &&
         (got = fread(text + size, 1, (1 << 17) - 1 - size, file)) > 0) {
    size += got;
  }
  if (text != NULL) text[size] = '\0';
  return text;
}

int main(int argc, char **argv) {
  const char *folder = getenv("srcdir");
  char path[1024], *new_text = NULL;
  size_t size;
  bool update = argc > 1 && strcmp(argv[1], "--update") == 0;
  snprintf(path, sizeof path, "%s/doc/masks.md", folder != NULL ? folder : ".");
  FILE *in = fopen(path, "r"), *out = in == NULL ? NULL : open_memstream(&new_text, &size);
  int64_t queries[3 * NODES], keys[3 * NODES];
  if (in == NULL || out == NULL) {
    fprintf(stderr, "%s cannot be read\n", path);
    if (in != NULL) fclose(in);
    return 1;
  }
  for (int64_t p = 0; p < 3 * NODES; p++) {
    queries[p] = p / 3;
    keys[p] = (p / 3 + p % 3 + NODES - 1) % NODES;
  }
  if (heed_mask_pairs(&graph, NODES, NODES, 3 * NODES, queries, keys) != HEED_OK) return 1;
  bool good = redraw(in, out);
  fclose(out);
  rewind(in);
  char *old_text = read_all(in);
  fclose(in);
  heed_mask_free(&graph);
  bool same = good && old_text != NULL && strcmp(old_text, new_text) == 0;
  if (good && update) {
    FILE *file = fopen(path, "w");
    good = file != NULL && fputs(new_text, file) >= 0 && fclose(file) == 0;
    same = good;
  } else if (good && !same) {
    fprintf(stderr, "%s is not what the library draws: run test_pictures --update\n", path);
  }
  free(old_text);
  free(new_text);
  return same ? 0 : 1;
}
