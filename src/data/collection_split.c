/* Splits of collections. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/names.h"
#include "base/random.h"
#include "base/status.h"
#include "data/collection.h"
#include "data/molecule.h"

static const char *const names[] = {"random", "stratified", "folds", "scaffold",
                                    "scaffold-folds"};
enum { KINDS = sizeof names / sizeof *names };

/* Graphs that stay together: those of one molecule, or of one scaffold. */
typedef struct unit {
  int32_t first; /* the first graph of it */
  int32_t size;  /* graphs of it that are in a part */
  int32_t group; /* class */
} unit;

typedef struct splitter {
  const heed_collection *collection;
  const heed_collection_split_options *options;
  int32_t *unit_of; /* [graphs]; -1: in no part */
  unit *units;
  int32_t *order; /* [n_units] */
  int32_t *part;  /* [n_units]: a part, or a fold */
  int64_t n_units;
  int64_t known;  /* graphs that are in a part */
  int32_t groups; /* classes; 1 where they do not count */
} splitter;

static bool by_scaffold(heed_collection_split_kind kind) {
  return kind == HEED_SPLIT_SCAFFOLD || kind == HEED_SPLIT_SCAFFOLD_FOLDS;
}

static bool is_known(const heed_collection *c, int64_t g) {
  if (c->kind == HEED_TARGET_NONE) return true;
  if (c->kind == HEED_TARGET_CLASS) return c->labels[g] >= 0;
  for (int64_t t = 0; t < c->outputs; t++) {
    if (!isnan(c->values.data[g * c->values.stride + t])) return true;
  }
  return false;
}

static heed_status check(const heed_collection *c, const heed_collection_split_options *o) {
  if ((int)o->kind < 0 || (int)o->kind >= KINDS) {
    return heed__fail(HEED_ARGUMENT, "splits of kind %d: there is none such", (int)o->kind);
  }
  if (o->splits < 1 || o->splits > HEED__MOST_SPLITS) {
    return heed__fail(HEED_ARGUMENT, "%d splits: not between 1 and %d", o->splits,
                      HEED__MOST_SPLITS);
  }
  bool folds = heed_collection_split_folds(o->kind);
  if (folds && o->splits < 3) {
    return heed__fail(HEED_ARGUMENT,
                      "%d folds: one tests, one validates, so there must be 3 or more", o->splits);
  }
  if (!folds &&
      !(o->train >= 0 && o->validation >= 0 && o->train + o->validation <= 1 + 1e-9)) {
    return heed__fail(HEED_ARGUMENT,
                      "shares %g for training and %g for validation: not from 0 to 1 together",
                      o->train, o->validation);
  }
  if (o->kind == HEED_SPLIT_STRATIFIED && !heed__collection_has_classes(c)) {
    return heed__fail(
        HEED_ARGUMENT, "stratified splits want classes, or one binary target; these have %lld %s",
        (long long)c->outputs, c->kind == HEED_TARGET_BINARY ? "binary targets" : "numbers");
  }
  return HEED_OK;
}

/* Numbers the units in the order of their first graphs. */
static heed_status find_units(splitter *s, const int32_t *together, bool stratified) {
  const heed_collection *c = s->collection;
  size_t n = (size_t)c->graphs;
  int32_t *seen = heed__alloc(n, sizeof *seen); /* the unit of a group of `together`, or -1 */
  s->unit_of = heed__alloc(n, sizeof *s->unit_of);
  s->units = heed__alloc_zero(n, sizeof *s->units);
  s->order = heed__alloc(n, sizeof *s->order);
  s->part = heed__alloc_zero(n, sizeof *s->part);
  if (seen == NULL || s->unit_of == NULL || s->units == NULL || s->order == NULL ||
      s->part == NULL) {
    heed__free(seen);
    return HEED_NOMEM;
  }
  memset(seen, -1, n * sizeof *seen);
  s->groups = 1;
  for (int64_t g = 0; g < c->graphs; g++) {
    s->unit_of[g] = -1;
    if (!is_known(c, g)) continue;
    int32_t *known = &seen[together != NULL ? together[g] : g];
    if (*known < 0) {
      *known = (int32_t)s->n_units;
      unit *made = &s->units[s->n_units++];
      made->first = (int32_t)g;
      made->group = stratified ? heed__collection_class(c, g) : 0;
      if (made->group >= s->groups) s->groups = made->group + 1;
    }
    s->unit_of[g] = *known;
    s->units[*known].size++;
    s->known++;
  }
  heed__free(seen);
  return HEED_OK;
}

/* Shares of each group of units, in the order that they were shuffled to. */
static heed_status deal_shares(const splitter *s) {
  int64_t *total = heed__alloc_zero(2 * (size_t)s->groups, sizeof *total);
  if (total == NULL) return HEED_NOMEM;
  int64_t *dealt = total + s->groups;
  for (int64_t u = 0; u < s->n_units; u++) total[s->units[u].group] += s->units[u].size;
  for (int64_t i = 0; i < s->n_units; i++) {
    const unit *u = &s->units[s->order[i]];
    double n = (double)total[u->group];
    int64_t *at = &dealt[u->group];
    s->part[s->order[i]] = *at < llround(s->options->train * n) ? HEED_PART_TRAIN
                           : *at < llround((s->options->train + s->options->validation) * n)
                               ? HEED_PART_VALIDATION
                               : HEED_PART_TEST;
    *at += u->size;
  }
  heed__free(total);
  return HEED_OK;
}

/* Each unit to the fold that has the fewest graphs of its group, then of all. */
static heed_status deal_folds(const splitter *s) {
  size_t folds = (size_t)s->options->splits, cells;
  if (!heed__multiply(folds, (size_t)s->groups + 1, &cells)) return HEED_NOMEM;
  int64_t *all = heed__alloc_zero(cells, sizeof *all);
  if (all == NULL) return HEED_NOMEM;
  int64_t *held = all + folds; /* [groups, folds] */
  for (int64_t i = 0; i < s->n_units; i++) {
    const unit *u = &s->units[s->order[i]];
    int64_t *of_group = held + (size_t)u->group * folds;
    size_t best = 0;
    for (size_t f = 1; f < folds; f++) {
      if (of_group[f] < of_group[best] || (of_group[f] == of_group[best] && all[f] < all[best])) {
        best = f;
      }
    }
    s->part[s->order[i]] = (int32_t)best;
    of_group[best] += u->size;
    all[best] += u->size;
  }
  heed__free(all);
  return HEED_OK;
}

/* For qsort(): the largest first, of equal ones that whose first graph is later. */
static int compare_units(const void *a, const void *b) {
  const unit *x = a, *y = b;
  if (x->size != y->size) return x->size > y->size ? -1 : 1;
  return x->first > y->first ? -1 : x->first < y->first;
}

/* Large units before the small ones: in the order of their sizes, or, shuffled, those above half
 * a test share before the others. */
static heed_status order_scaffolds(const splitter *s, bool by_size) {
  if (by_size) {
    unit *sorted = heed__alloc((size_t)s->n_units, sizeof *sorted);
    if (sorted == NULL) return HEED_NOMEM;
    memcpy(sorted, s->units, (size_t)s->n_units * sizeof *sorted);
    qsort(sorted, (size_t)s->n_units, sizeof *sorted, compare_units);
    for (int64_t i = 0; i < s->n_units; i++) s->order[i] = s->unit_of[sorted[i].first];
    heed__free(sorted);
    return HEED_OK;
  }
  int32_t *sorted = heed__alloc((size_t)s->n_units, sizeof *sorted);
  if (sorted == NULL) return HEED_NOMEM;
  const heed_collection_split_options *o = s->options;
  double share = heed_collection_split_folds(o->kind) ? 1.0 / o->splits
                                                      : 1 - o->train - o->validation;
  double half = share * (double)s->known / 2;
  int64_t n = 0;
  for (int large = 1; large >= 0; large--) {
    for (int64_t i = 0; i < s->n_units; i++) {
      if ((s->units[s->order[i]].size > half) == large) sorted[n++] = s->order[i];
    }
  }
  memcpy(s->order, sorted, (size_t)n * sizeof *sorted);
  heed__free(sorted);
  return HEED_OK;
}

/* Each unit to the first part that still has room for all of it; the test has for any. */
static void deal_scaffolds(const splitter *s) {
  int64_t train = 0, validation = 0;
  double n = (double)s->known;
  int64_t train_end = llround(s->options->train * n);
  int64_t validation_end = llround((s->options->train + s->options->validation) * n);
  for (int64_t i = 0; i < s->n_units; i++) {
    int64_t size = s->units[s->order[i]].size;
    if (train + size <= train_end) {
      s->part[s->order[i]] = HEED_PART_TRAIN;
      train += size;
    } else if (train + validation + size <= validation_end) {
      s->part[s->order[i]] = HEED_PART_VALIDATION;
      validation += size;
    } else {
      s->part[s->order[i]] = HEED_PART_TEST;
    }
  }
}

static heed_status deal(const splitter *s, int split) {
  const heed_collection_split_options *o = s->options;
  for (int64_t u = 0; u < s->n_units; u++) s->order[u] = (int32_t)u;
  heed__shuffle(o->seed, HEED__SPLIT_STREAM + (uint64_t)split, 0, s->order, s->n_units);
  if (o->kind == HEED_SPLIT_FOLDS) return deal_folds(s);
  if (!by_scaffold(o->kind)) return deal_shares(s);
  bool by_size = o->kind == HEED_SPLIT_SCAFFOLD && split == 0 && o->seed == 0;
  HEED__TRY(order_scaffolds(s, by_size));
  if (o->kind == HEED_SPLIT_SCAFFOLD_FOLDS) return deal_folds(s);
  deal_scaffolds(s);
  return HEED_OK;
}

static void write_split(const splitter *s, int split, uint8_t *const parts[HEED__PARTS]) {
  int64_t graphs = s->collection->graphs;
  int folds = heed_collection_split_folds(s->options->kind) ? s->options->splits : 0;
  for (int64_t g = 0; g < graphs; g++) {
    if (s->unit_of[g] < 0) continue;
    int part = s->part[s->unit_of[g]];
    if (folds > 0) {
      part = part == split                 ? HEED_PART_TEST
             : part == (split + 1) % folds ? HEED_PART_VALIDATION
                                           : HEED_PART_TRAIN;
    }
    parts[part][(int64_t)split * graphs + g] = 1;
  }
}

static heed_status split_all(splitter *s, uint8_t *parts[HEED__PARTS]) {
  const heed_collection *c = s->collection;
  const heed_collection_split_options *o = s->options;
  bool folds = heed_collection_split_folds(o->kind);
  bool stratified = o->kind == HEED_SPLIT_STRATIFIED ||
                    (folds && heed__collection_has_classes(c));
  HEED__TRY(find_units(s, by_scaffold(o->kind) ? c->scaffold : c->molecule, stratified));
  if (folds && s->n_units < o->splits) {
    return heed__fail(HEED_ARGUMENT, "%d folds of %lld different %s with a known target", o->splits,
                      (long long)s->n_units, by_scaffold(o->kind) ? "scaffolds" : "graphs");
  }
  for (int part = 0; part < HEED__PARTS; part++) {
    parts[part] = heed__alloc_zero((size_t)o->splits * (size_t)c->graphs, 1);
    if (parts[part] == NULL) return HEED_NOMEM;
  }
  for (int i = 0; i < o->splits; i++) {
    if (i == 0 || !folds) HEED__TRY(deal(s, i));
    write_split(s, i, parts);
  }
  return HEED_OK;
}

heed_status heed_collection_split(heed_collection *c,
                                  const heed_collection_split_options *options) {
  HEED__TRY(check(c, options));
  if (by_scaffold(options->kind) && !c->of_molecules) {
    return heed__fail(HEED_ARGUMENT,
                      "scaffold splits are for molecules; these graphs were not read as such");
  }
  HEED__TRY(heed__molecules_group(c, false));
  if (by_scaffold(options->kind)) HEED__TRY(heed__molecules_group(c, true));
  splitter s = {.collection = c, .options = options};
  uint8_t *parts[HEED__PARTS] = {NULL};
  heed_status status = split_all(&s, parts);
  for (int part = 0; part < HEED__PARTS; part++) {
    uint8_t *old = parts[part];
    if (status == HEED_OK) {
      old = c->parts[part];
      c->parts[part] = parts[part];
    }
    heed__free(old);
  }
  if (status == HEED_OK) c->splits = options->splits;
  heed__free(s.unit_of);
  heed__free(s.units);
  heed__free(s.order);
  heed__free(s.part);
  return status;
}

heed_status heed_collection_repeats(heed_collection *c, int64_t *repeats) {
  int32_t most = -1;
  *repeats = 0;
  HEED__TRY(heed__molecules_group(c, false));
  if (c->molecule == NULL) return HEED_OK;
  for (int64_t g = 0; g < c->graphs; g++) most = c->molecule[g] > most ? c->molecule[g] : most;
  *repeats = c->graphs - most - 1; /* numbered from 0 without gaps */
  return HEED_OK;
}

bool heed_collection_split_folds(heed_collection_split_kind kind) {
  return kind == HEED_SPLIT_FOLDS || kind == HEED_SPLIT_SCAFFOLD_FOLDS;
}

const char *heed_collection_split_name(heed_collection_split_kind kind) {
  return (int)kind >= 0 && (int)kind < KINDS ? names[kind] : "?";
}

heed_status heed_collection_split_from_name(const char *name, heed_collection_split_kind *kind) {
  int index = heed__name_index(names, KINDS, name);
  if (index < 0) {
    return heed__fail(HEED_ARGUMENT,
                      "no way to split is called '%s'; there are random, stratified, folds, "
                      "scaffold, scaffold-folds",
                      name);
  }
  *kind = (heed_collection_split_kind)index;
  return HEED_OK;
}
