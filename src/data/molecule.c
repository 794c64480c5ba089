#include "data/molecule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "config.h"
#include "data/collection.h"

#ifdef HEED_HAVE_INDIGO
#include <indigo.h>

/* Longer ones are refused: no molecule that is drawn is so large, and time grows faster than size.
 */
enum { MOST_BYTES = 1 << 20, MOST_ATOMS = 10000 };

static const char *reason(void) {
  const char *text = indigoGetLastError();
  return text == NULL || text[0] == '\0' ? "Indigo does not say why" : text;
}

heed_status heed__molecules_begin(heed__molecule *m) {
  memset(m, 0, sizeof *m);
  m->session = indigoAllocSessionId();
  indigoSetSessionId(m->session);
  /* As most programs do: rings with an oxygen on them may be aromatic; what is wrong with the
   * stereochemistry of a molecule is left out rather than the molecule. */
  if (indigoSetOption("aromaticity-model", "generic") >= 0 &&
      indigoSetOptionBool("ignore-stereochemistry-errors", 1) >= 0) {
    return HEED_OK;
  }
  heed_status status = heed__fail(HEED_LIBRARY, "Indigo: %s", reason());
  heed__molecules_end(m);
  return status;
}

void heed__molecules_end(heed__molecule *m) {
  indigoFreeAllObjects();
  indigoReleaseSessionId(m->session);
  indigoSetSessionId(0);
  heed__free(m->atoms);
  heed__free(m->bonds);
  heed__free(m->first);
  heed__free(m->next);
  heed__free(m->scratch);
  heed__free(m->index);
  memset(m, 0, sizeof *m);
}

/* What Indigo lets pass: parentheses that do not match, bonds without an atom behind, words. */
static heed_status check_smiles(const char *text) {
  long depth = 0;
  bool bracket = false;
  for (const char *at = text; *at != '\0'; at++) {
    long place = (long)(at - text) + 1;
    if (*at == '[') bracket = true;
    if (*at == ']') bracket = false;
    if (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r') {
      return heed__fail(HEED_FORMAT, "a blank at character %ld of the SMILES string", place);
    }
    if (*at == '|')
      return heed__fail(HEED_FORMAT, "a '|' at character %ld of the SMILES string", place);
    if (bracket) continue;
    if (*at == '(' && (at == text || at[1] == ')')) {
      return heed__fail(HEED_FORMAT, "nothing %s '(' at character %ld of the SMILES string",
                        at == text ? "before the" : "within the", place);
    }
    if (strchr("-=#:/\\", *at) != NULL && (at[1] == '\0' || strchr("-=#:/\\).", at[1]) != NULL)) {
      return heed__fail(HEED_FORMAT,
                        "the bond '%c' at character %ld of the SMILES string leads nowhere", *at,
                        place);
    }
    depth += (*at == '(') - (*at == ')');
    if (depth < 0) {
      return heed__fail(HEED_FORMAT, "the ')' at character %ld of the SMILES string closes nothing",
                        place);
    }
  }
  if (depth > 0) return heed__fail(HEED_FORMAT, "a '(' of the SMILES string is not closed");
  return HEED_OK;
}

static heed_status reserve(heed__molecule *m, int atoms, int bonds) {
  void *block = heed__grown(m->atoms, &m->room_atoms, (size_t)atoms, sizeof *m->atoms);
  if (block == NULL) return HEED_NOMEM;
  m->atoms = block;
  block = heed__grown(m->bonds, &m->room_bonds, (size_t)bonds, sizeof *m->bonds);
  if (block == NULL) return HEED_NOMEM;
  m->bonds = block;
  block = heed__grown(m->first, &m->room_first, (size_t)atoms + 1, sizeof *m->first);
  if (block == NULL) return HEED_NOMEM;
  m->first = block;
  block = heed__grown(m->next, &m->room_next, 2 * (size_t)bonds, sizeof *m->next);
  if (block == NULL) return HEED_NOMEM;
  m->next = block;
  block = heed__grown(m->scratch, &m->room_scratch, 2 * (size_t)atoms, sizeof *m->scratch);
  if (block == NULL) return HEED_NOMEM;
  m->scratch = block;
  return HEED_OK;
}

/* Remembers which node an atom became; -1: a hydrogen. */
static heed_status put_index(heed__molecule *m, int source, int32_t node) {
  if (source < 0 || source > MOST_BYTES) {
    return heed__fail(HEED_LIBRARY, "Indigo: %s", reason());
  }
  int32_t *index = heed__grown(m->index, &m->room_index, (size_t)source + 1, sizeof *index);
  if (index == NULL) return HEED_NOMEM;
  m->index = index;
  index[source] = node;
  return HEED_OK;
}

static heed_status read_atoms(heed__molecule *m) {
  int all = indigoIterateAtoms(m->handle);
  if (all < 0) return heed__fail(HEED_FORMAT, "%s", reason());
  m->n_atoms = 0;
  for (int atom; (atom = indigoNext(all)) > 0; indigoFree(atom)) {
    bool known = indigoIsPseudoatom(atom) == 0 && indigoIsRSite(atom) == 0;
    int element = known ? indigoAtomicNumber(atom) : 0, source = indigoIndex(atom);
    HEED__TRY(put_index(m, source, element == 1 ? -1 : m->n_atoms));
    if (element == 1) continue;
    heed__atom *a = &m->atoms[m->n_atoms++];
    *a = (heed__atom){.element = element > 0 ? element : 0, .source = source};
    int number;
    if (indigoGetCharge(atom, &number) > 0) a->charge = number;
    if (known && indigoCountHydrogens(atom, &number) > 0 && number > 0) a->hydrogens = number;
    if (known && indigoGetRadicalElectrons(atom, &number) > 0 && number > 0) a->radicals = number;
    a->centre = indigoStereocenterType(atom) > 0;
  }
  return HEED_OK;
}

static heed_status read_bonds(heed__molecule *m) {
  int all = indigoIterateBonds(m->handle);
  if (all < 0) return heed__fail(HEED_FORMAT, "%s", reason());
  m->n_bonds = 0;
  for (int bond; (bond = indigoNext(all)) > 0; indigoFree(bond)) {
    int from = indigoSource(bond), to = indigoDestination(bond);
    int32_t a = m->index[indigoIndex(from)], b = m->index[indigoIndex(to)];
    indigoFree(from);
    indigoFree(to);
    if (a < 0 || b < 0) continue;
    int order = indigoBondOrder(bond), stereo = indigoBondStereo(bond);
    m->bonds[m->n_bonds++] = (heed__bond){.from = a,
                                          .to = b,
                                          .order = order >= 1 && order <= 4 ? order : 1,
                                          .ring = indigoTopology(bond) == INDIGO_RING,
                                          .stereo = stereo == INDIGO_CIS                    ? 1
                                                    : stereo == INDIGO_TRANS                ? 2
                                                    : stereo == INDIGO_EITHER && order == 2 ? 3
                                                                                            : 0};
    m->atoms[a].degree++;
    m->atoms[b].degree++;
    if (order == 4) m->atoms[a].aromatic = m->atoms[b].aromatic = true;
  }
  return HEED_OK;
}

static inline int32_t other_end(const heed__bond *bond, int32_t atom) {
  return bond->from == atom ? bond->to : bond->from;
}

/* Which bonds each atom has. */
static void list_bonds(heed__molecule *m) {
  m->first[0] = 0;
  for (int32_t i = 0; i < m->n_atoms; i++) m->first[i + 1] = m->first[i] + m->atoms[i].degree;
  for (int32_t b = 0; b < m->n_bonds; b++) {
    m->next[m->first[m->bonds[b].from]++] = b;
    m->next[m->first[m->bonds[b].to]++] = b;
  }
  for (int32_t i = m->n_atoms; i > 0; i--) m->first[i] = m->first[i - 1];
  m->first[0] = 0;
}

/* The smallest ring through a bond, 7 for all larger ones: the shortest way from one end to the
 * other without it. */
static int ring_size(const heed__molecule *m, int32_t bond) {
  int32_t *queue = m->scratch, *depth = m->scratch + m->n_atoms;
  int32_t n = 0, goal = m->bonds[bond].to;
  for (int32_t i = 0; i < m->n_atoms; i++) depth[i] = -1;
  queue[n++] = m->bonds[bond].from;
  depth[queue[0]] = 1;
  for (int32_t at = 0; at < n; at++) {
    if (depth[queue[at]] >= 6) break;
    for (int64_t e = m->first[queue[at]]; e < m->first[queue[at] + 1]; e++) {
      int32_t b = m->next[e], to = other_end(&m->bonds[b], queue[at]);
      if (b == bond || !m->bonds[b].ring || depth[to] >= 0) continue;
      depth[to] = depth[queue[at]] + 1;
      if (to == goal) return depth[to];
      queue[n++] = to;
    }
  }
  return 7;
}

static void find_rings(heed__molecule *m) {
  for (int32_t b = 0; b < m->n_bonds; b++) {
    if (!m->bonds[b].ring) continue;
    int size = ring_size(m, b);
    heed__atom *ends[] = {&m->atoms[m->bonds[b].from], &m->atoms[m->bonds[b].to]};
    for (int i = 0; i < 2; i++) {
      if (ends[i]->ring == 0 || size < ends[i]->ring) ends[i]->ring = size;
    }
  }
}

heed_status heed__molecule_read(heed__molecule *m, const char *text, bool is_block) {
  if (strlen(text) > MOST_BYTES) {
    return heed__fail(HEED_FORMAT, "%zu bytes for one molecule; %d is the most", strlen(text),
                      MOST_BYTES);
  }
  if (!is_block) {
    if (text[0] == '\0') return heed__fail(HEED_FORMAT, "no SMILES string");
    HEED__TRY(check_smiles(text));
  }
  indigoFreeAllObjects();
  m->handle = indigoLoadMoleculeFromString(text);
  if (m->handle < 0) return heed__fail(HEED_FORMAT, "%s", reason());
  /* Aromatic nitrogen may or may not have a hydrogen, and Indigo cannot tell in some rings: such a
   * molecule is taken without. Anything else that is wrong with its valences is wrong. */
  const char *wrong = indigoCheckBadValence(m->handle);
  if (wrong == NULL) return heed__fail(HEED_FORMAT, "%s", reason());
  if (wrong[0] != '\0' && strstr(wrong, "implicit hydrogens on aromatic") == NULL) {
    return heed__fail(HEED_FORMAT, "%s", wrong);
  }
  if (indigoFoldHydrogens(m->handle) < 0 || indigoAromatize(m->handle) < 0) {
    return heed__fail(HEED_FORMAT, "%s", reason());
  }
  int atoms = indigoCountAtoms(m->handle), bonds = indigoCountBonds(m->handle);
  if (atoms < 0 || bonds < 0) return heed__fail(HEED_FORMAT, "%s", reason());
  if (atoms > MOST_ATOMS || bonds > 4 * MOST_ATOMS) {
    return heed__fail(HEED_FORMAT, "a molecule of %d atoms; %d is the most", atoms, MOST_ATOMS);
  }
  HEED__TRY(reserve(m, atoms, bonds));
  HEED__TRY(read_atoms(m));
  if (m->n_atoms == 0) return heed__fail(HEED_FORMAT, "a molecule without atoms but hydrogen");
  HEED__TRY(read_bonds(m));
  list_bonds(m);
  find_rings(m);
  return HEED_OK;
}

const char *heed__molecule_smiles(const heed__molecule *m, bool canonical) {
  const char *text = canonical ? indigoCanonicalSmiles(m->handle) : indigoSmiles(m->handle);
  return text == NULL || text[0] == '\0' ? NULL : text;
}

/* Marks the atoms of ring systems and of what joins them: what is left when atoms with one bond are
 * taken away for as long as there are any. Returns how many. */
static int32_t mark_scaffold(const heed__molecule *m, int32_t *queue, int32_t *degree) {
  int32_t n = 0, left = m->n_atoms;
  for (int32_t i = 0; i < m->n_atoms; i++) {
    degree[i] = m->atoms[i].degree;
    if (degree[i] <= 1) queue[n++] = i;
  }
  for (int32_t at = 0; at < n; at++) {
    int32_t atom = queue[at];
    left--;
    degree[atom] = -1;
    for (int64_t e = m->first[atom]; e < m->first[atom + 1]; e++) {
      int32_t to = other_end(&m->bonds[m->next[e]], atom);
      if (degree[to] > 1 && --degree[to] == 1)
        queue[n++] = to;
      else if (degree[to] == 1)
        degree[to] = 0;
    }
  }
  return left;
}

heed_status heed__molecule_scaffold(heed__molecule *m, char *text, size_t size) {
  int32_t *kept = m->scratch + m->n_atoms;
  int32_t n = mark_scaffold(m, m->scratch, kept);
  text[0] = '\0';
  if (n == 0) return HEED_OK;
  int *sources = heed__alloc((size_t)n, sizeof *sources);
  if (sources == NULL) return HEED_NOMEM;
  n = 0;
  for (int32_t i = 0; i < m->n_atoms; i++) {
    if (kept[i] >= 0) sources[n++] = m->atoms[i].source;
  }
  int scaffold = indigoCreateSubmolecule(m->handle, n, sources);
  heed__free(sources);
  const char *smiles = NULL;
  if (scaffold >= 0) {
    (void)indigoClearStereocenters(scaffold);
    (void)indigoClearCisTrans(scaffold);
    (void)indigoClearAlleneCenters(scaffold);
    smiles = indigoCanonicalSmiles(scaffold);
  }
  if (smiles != NULL && strlen(smiles) < size) {
    strcpy(text, smiles);
  } else {
    for (int32_t i = 0; i < m->n_atoms; i++) {
      if (kept[i] < 0) m->atoms[i].element = -1;
    }
    snprintf(text, size, "#%016llx", (unsigned long long)heed__molecule_hash(m));
  }
  return HEED_OK;
}

const char *heed__molecules_library(void) { return indigoVersion(); }

static heed_status place_atoms(heed__molecule *m, const char *smiles, int64_t atoms, double *xy,
                               char (*symbols)[8]) {
  HEED__TRY(heed__molecule_read(m, smiles, false));
  if (m->n_atoms != atoms) {
    return heed__fail(HEED_SHAPE, "room for %lld atoms, the molecule has %d", (long long)atoms,
                      (int)m->n_atoms);
  }
  /* Layout wants to know which bonds are double; a ring that does not say goes as it is. */
  (void)indigoDearomatize(m->handle);
  if (indigoLayout(m->handle) < 0) return heed__fail(HEED_LIBRARY, "Indigo: %s", reason());
  int all = indigoIterateAtoms(m->handle);
  for (int atom; (atom = indigoNext(all)) > 0; indigoFree(atom)) {
    int32_t node = m->index[indigoIndex(atom)];
    if (node < 0) continue;
    const float *place = indigoXYZ(atom);
    const char *symbol = indigoSymbol(atom);
    if (place == NULL) return heed__fail(HEED_LIBRARY, "Indigo: %s", reason());
    xy[2 * node] = (double)place[0];
    xy[2 * node + 1] = (double)place[1];
    snprintf(symbols[node], sizeof symbols[node], "%s", symbol == NULL ? "?" : symbol);
  }
  return HEED_OK;
}

#else

static heed_status missing(void) {
  return heed__fail(HEED_UNSUPPORTED,
                    "this build cannot read molecules: it was made without Indigo");
}

heed_status heed__molecules_begin(heed__molecule *m) {
  memset(m, 0, sizeof *m);
  return missing();
}

void heed__molecules_end(heed__molecule *m) { (void)m; }

heed_status heed__molecule_read(heed__molecule *m, const char *text, bool is_block) {
  (void)m, (void)text, (void)is_block;
  return missing();
}

const char *heed__molecule_smiles(const heed__molecule *m, bool canonical) {
  (void)m, (void)canonical;
  return NULL;
}

heed_status heed__molecule_scaffold(heed__molecule *m, char *text, size_t size) {
  (void)m, (void)text, (void)size;
  return missing();
}

const char *heed__molecules_library(void) { return NULL; }

static heed_status place_atoms(heed__molecule *m, const char *smiles, int64_t atoms, double *xy,
                               char (*symbols)[8]) {
  (void)m, (void)smiles, (void)atoms, (void)xy, (void)symbols;
  return missing();
}

#endif

/* Scrambles (a round of SplitMix64; Steele et al. 2014). */
static uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

/* Weisfeiler and Leman: every atom's number is made anew of its own and of the set of its
 * neighbours'. Atoms of element -1 do not count. */
uint64_t heed__molecule_hash(heed__molecule *m) {
  enum { ROUNDS = 6 };
  uint64_t sum = 0, few[2][128], *colours = few[0], *next = few[1], *many = NULL;
  if (m->n_atoms > 128) {
    many = heed__alloc(2 * (size_t)m->n_atoms, sizeof *many);
    if (many == NULL) return 0;
    colours = many;
    next = many + m->n_atoms;
  }
  for (int32_t i = 0; i < m->n_atoms; i++) {
    const heed__atom *a = &m->atoms[i];
    colours[i] = mix((uint64_t)a->element << 24 ^ (uint64_t)(a->charge + 64) << 16 ^
                     (uint64_t)a->hydrogens << 8 ^ (uint64_t)a->ring);
  }
  for (int round = 0; round < ROUNDS; round++) {
    for (int32_t i = 0; i < m->n_atoms; i++) {
      uint64_t all = 0;
      for (int64_t e = m->first[i]; e < m->first[i + 1]; e++) {
        const heed__bond *bond = &m->bonds[m->next[e]];
        int32_t to = bond->from == i ? bond->to : bond->from;
        if (m->atoms[to].element >= 0) all += mix(colours[to] ^ (uint64_t)bond->order << 60);
      }
      next[i] = mix(colours[i] ^ all);
    }
    uint64_t *swap = colours;
    colours = next;
    next = swap;
  }
  for (int32_t i = 0; i < m->n_atoms; i++) {
    if (m->atoms[i].element >= 0) sum += mix(colours[i]);
  }
  heed__free(many);
  return mix(sum);
}

heed_status heed_molecule_read(heed_collection **molecule, const char *smiles) {
  heed__molecule m;
  *molecule = NULL;
  HEED__TRY(heed__molecules_begin(&m));
  heed_status status = heed__molecule_read(&m, smiles, false);
  if (status == HEED_OK) status = heed__molecules_new(molecule);
  if (status == HEED_OK) status = heed__molecules_add(*molecule, &m, smiles, 1);
  heed__molecules_end(&m);
  if (status != HEED_OK) {
    heed_collection_free(*molecule);
    *molecule = NULL;
  }
  return status == HEED_FORMAT ? heed__fail(status, "'%.200s': %s", smiles, heed_message())
                               : status;
}

heed_status heed_molecule_layout(const char *smiles, int64_t atoms, double *xy,
                                 char (*symbols)[8]) {
  heed__molecule m;
  HEED__TRY(heed__molecules_begin(&m));
  heed_status status = place_atoms(&m, smiles, atoms, xy, symbols);
  heed__molecules_end(&m);
  return status == HEED_FORMAT ? heed__fail(status, "'%.200s': %s", smiles, heed_message())
                               : status;
}
