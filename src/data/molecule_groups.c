/* Which molecules of a collection are the same, and which have the same scaffold. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "data/collection.h"
#include "data/molecule.h"

/* A graph among others, for qsort(): by a number, then by a text, then as they were. */
typedef struct entry {
  uint64_t hash;
  const char *text;
  int32_t graph;
} entry;

static int compare_entries(const void *a, const void *b) {
  const entry *x = a, *y = b;
  if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
  int order = strcmp(x->text, y->text);
  return order != 0 ? order : x->graph < y->graph ? -1 : x->graph > y->graph;
}

/* Numbers what is equal; sorts the entries. */
static void number_entries(entry *entries, int64_t n, int32_t *numbers) {
  int32_t number = -1;
  qsort(entries, (size_t)n, sizeof *entries, compare_entries);
  for (int64_t i = 0; i < n; i++) {
    if (i == 0 || entries[i].hash != entries[i - 1].hash ||
        strcmp(entries[i].text, entries[i - 1].text) != 0) {
      number++;
    }
    numbers[entries[i].graph] = number;
  }
}

/* Canonical SMILES strings where they are needed: of entries [first, end), which have the same
 * number and not all the same text. One that cannot be written, as that of a ring whose hydrogens
 * are not known, stays as it is. */
static heed_status canonize(heed__molecule *m, entry *entries, int64_t first, int64_t end,
                            heed__strings *texts, int64_t *places) {
  for (int64_t i = first; i < end; i++) {
    const char *text = NULL;
    heed_status status = heed__molecule_read(m, entries[i].text, false);
    if (status == HEED_NOMEM) return status;
    if (status == HEED_OK) text = heed__molecule_smiles(m, true);
    if (text == NULL) text = entries[i].text;
    places[i] = texts->n;
    HEED__TRY(heed__strings_add(texts, text, strlen(text)));
  }
  return HEED_OK;
}

static heed_status group_molecules(heed_collection *c, heed__molecule *m, entry *entries,
                                   int64_t *places, heed__strings *texts, int32_t *numbers) {
  int64_t n = c->graphs;
  for (int64_t g = 0; g < n; g++) {
    entries[g] = (entry){c->hashes[g], heed__strings_get(&c->names, g), (int32_t)g};
    places[g] = -1;
  }
  qsort(entries, (size_t)n, sizeof *entries, compare_entries);
  for (int64_t first = 0, end; first < n; first = end) {
    bool differ = false;
    for (end = first + 1; end < n && entries[end].hash == entries[first].hash; end++) {
      differ = differ || strcmp(entries[end].text, entries[first].text) != 0;
    }
    if (differ) HEED__TRY(canonize(m, entries, first, end, texts, places));
  }
  for (int64_t i = 0; i < n; i++) {
    if (places[i] >= 0) entries[i].text = heed__strings_get(texts, places[i]);
  }
  number_entries(entries, n, numbers);
  return HEED_OK;
}

static heed_status group_scaffolds(heed_collection *c, heed__molecule *m, entry *entries,
                                   heed__strings *texts, int32_t *numbers) {
  char text[4096];
  for (int64_t g = 0; g < c->graphs; g++) {
    heed_status status = heed__molecule_read(m, heed__strings_get(&c->names, g), false);
    if (status != HEED_OK) {
      return status == HEED_NOMEM ? status
                                  : heed__fail(status, "graph %lld, %s: %s", (long long)g,
                                               heed__strings_get(&c->names, g), heed_message());
    }
    HEED__TRY(heed__molecule_scaffold(m, text, sizeof text));
    HEED__TRY(heed__strings_add(texts, text, strlen(text)));
  }
  for (int64_t g = 0; g < c->graphs; g++) {
    entries[g] = (entry){0, heed__strings_get(texts, g), (int32_t)g};
  }
  number_entries(entries, c->graphs, numbers);
  return HEED_OK;
}

heed_status heed__molecules_group(heed_collection *c, bool scaffolds) {
  int32_t **kept = scaffolds ? &c->scaffold : &c->molecule;
  if (!c->of_molecules || *kept != NULL) return HEED_OK;
  size_t n = (size_t)c->graphs;
  heed__strings texts = {NULL, 0, 0, NULL, 0, 0};
  heed__molecule m;
  HEED__TRY(heed__molecules_begin(&m));
  entry *entries = heed__alloc(n, sizeof *entries);
  int64_t *places = heed__alloc(n, sizeof *places);
  int32_t *numbers = heed__alloc(n, sizeof *numbers);
  heed_status status = entries == NULL || places == NULL || numbers == NULL ? HEED_NOMEM
                       : scaffolds ? group_scaffolds(c, &m, entries, &texts, numbers)
                                   : group_molecules(c, &m, entries, places, &texts, numbers);
  heed__molecules_end(&m);
  heed__strings_free(&texts);
  heed__free(entries);
  heed__free(places);
  if (status == HEED_OK) {
    *kept = numbers;
  } else {
    heed__free(numbers);
  }
  return status;
}
