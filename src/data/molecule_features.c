/* Molecules as nodes and edges with features. */
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "data/collection.h"
#include "data/molecule.h"

/* The columns, in order; datasets/README.md says what they mean. */
static const char *const atom_names[HEED__ATOM_FEATURES] = {"element=B",
                                                            "element=C",
                                                            "element=N",
                                                            "element=O",
                                                            "element=F",
                                                            "element=Si",
                                                            "element=P",
                                                            "element=S",
                                                            "element=Cl",
                                                            "element=As",
                                                            "element=Se",
                                                            "element=Br",
                                                            "element=Te",
                                                            "element=I",
                                                            "element=metal",
                                                            "element=other",
                                                            "degree=0",
                                                            "degree=1",
                                                            "degree=2",
                                                            "degree=3",
                                                            "degree=4",
                                                            "degree=5",
                                                            "degree>=6",
                                                            "charge<=-2",
                                                            "charge=-1",
                                                            "charge=0",
                                                            "charge=1",
                                                            "charge>=2",
                                                            "hybridisation=sp",
                                                            "hybridisation=sp2",
                                                            "hybridisation=sp3",
                                                            "hybridisation=sp3d",
                                                            "hybridisation=sp3d2",
                                                            "hybridisation=other",
                                                            "aromatic",
                                                            "hydrogens=0",
                                                            "hydrogens=1",
                                                            "hydrogens=2",
                                                            "hydrogens=3",
                                                            "hydrogens>=4",
                                                            "ring",
                                                            "ring=3",
                                                            "ring=4",
                                                            "ring=5",
                                                            "ring=6",
                                                            "ring>=7",
                                                            "chirality",
                                                            "radical"};
static const char *const bond_names[HEED__BOND_FEATURES] = {
    "bond=single", "bond=double", "bond=triple", "bond=aromatic", "conjugated",
    "ring",        "stereo=Z",    "stereo=E",    "stereo=either"};
enum {
  ELEMENT = 0,
  DEGREE = 16,
  CHARGE = 23,
  HYBRID = 28,
  AROMATIC = 34,
  HYDROGENS = 35,
  RING = 40,
  CHIRAL = 46,
  RADICAL
};
enum { METAL = 14, OTHER = 15 };

static int element_column(int element) {
  static const signed char known[] = {5, 6, 7, 8, 9, 14, 15, 16, 17, 33, 34, 35, 52, 53};
  for (int i = 0; i < (int)sizeof known; i++) {
    if (known[i] == element) return i;
  }
  switch (element) {
    case 0:
    case 1:
    case 2:
    case 10:
    case 18:
    case 36:
    case 54:
    case 85:
    case 86:
      return OTHER;
    default:
      return METAL;
  }
}

/* Electrons that an atom of the groups 13 to 17 brings; 0 for others. */
static int outer_electrons(int element) {
  static const int first[] = {5, 13, 31, 49, 81};
  for (int row = 0; row < 5; row++) {
    if (element >= first[row] && element <= first[row] + 4) return 3 + element - first[row];
  }
  return 0;
}

static int between(int x, int low, int high) { return x < low ? low : x > high ? high : x; }

/* Whether an atom is part of a double, triple or aromatic bond. */
static bool has_pi(const heed__molecule *m, int32_t atom) {
  for (int64_t e = m->first[atom]; e < m->first[atom + 1]; e++) {
    if (m->bonds[m->next[e]].order > 1) return true;
  }
  return false;
}

/* Of columns 0 sp, 1 sp2, 2 sp3, 3 sp3d, 4 sp3d2, 5 other: by how many neighbours and lone pairs
 * there are around the atom; nitrogen and oxygen with a lone pair beside a double, triple or
 * aromatic bond are sp2. */
static int hybrid_column(const heed__molecule *m, int32_t atom) {
  const heed__atom *a = &m->atoms[atom];
  if (a->aromatic) return 1;
  int electrons = outer_electrons(a->element), bonding = a->hydrogens;
  if (electrons == 0) return 5;
  bool beside = false;
  for (int64_t e = m->first[atom]; e < m->first[atom + 1]; e++) {
    const heed__bond *bond = &m->bonds[m->next[e]];
    bonding += bond->order;
    beside = beside || has_pi(m, bond->from == atom ? bond->to : bond->from);
  }
  int free_ones = electrons - a->charge - a->radicals - bonding;
  int pairs = free_ones > 0 ? free_ones / 2 : 0, around = a->degree + a->hydrogens + pairs;
  if ((a->element == 7 || a->element == 8) && pairs > 0 && around == 4 && beside &&
      a->degree + a->hydrogens < 4) {
    around = 3;
  }
  return around >= 2 && around <= 6 ? around - 2 : 5;
}

static void put_atom(const heed__molecule *m, int32_t atom, float *x) {
  const heed__atom *a = &m->atoms[atom];
  x[ELEMENT + element_column(a->element)] = 1;
  x[DEGREE + between(a->degree, 0, 6)] = 1;
  x[CHARGE + 2 + between(a->charge, -2, 2)] = 1;
  x[HYBRID + hybrid_column(m, atom)] = 1;
  x[AROMATIC] = a->aromatic;
  x[HYDROGENS + between(a->hydrogens, 0, 4)] = 1;
  if (a->ring > 0) x[RING] = x[RING + 1 + between(a->ring, 3, 7) - 3] = 1;
  x[CHIRAL] = a->centre;
  x[RADICAL] = a->radicals > 0;
}

/* Whether a single bond lies between two of the others, or another beside one more. */
static bool is_conjugated(const heed__molecule *m, int32_t b) {
  const heed__bond *bond = &m->bonds[b];
  if (bond->order == 4) return true;
  if (bond->order == 1) return has_pi(m, bond->from) && has_pi(m, bond->to);
  for (int i = 0; i < 2; i++) {
    int32_t end = i == 0 ? bond->from : bond->to;
    for (int64_t e = m->first[end]; e < m->first[end + 1]; e++) {
      const heed__bond *beside = &m->bonds[m->next[e]];
      if ((beside->order == 1 || beside->order == 4) &&
          has_pi(m, beside->from == end ? beside->to : beside->from)) {
        return true;
      }
    }
  }
  return false;
}

static void put_bond(const heed__molecule *m, int32_t b, float *x) {
  const heed__bond *bond = &m->bonds[b];
  x[bond->order - 1] = 1;
  x[4] = is_conjugated(m, b);
  x[5] = bond->ring;
  if (bond->stereo > 0) x[5 + bond->stereo] = 1;
}

heed_status heed__molecules_new(heed_collection **collection) {
  HEED__TRY(heed__collection_empty(collection, HEED__ATOM_FEATURES, HEED__BOND_FEATURES));
  heed_collection *c = *collection;
  heed_status status = HEED_OK;
  for (int i = 0; i < HEED__ATOM_FEATURES && status == HEED_OK; i++) {
    status = heed__strings_add(&c->x_names, atom_names[i], strlen(atom_names[i]));
  }
  for (int i = 0; i < HEED__BOND_FEATURES && status == HEED_OK; i++) {
    status = heed__strings_add(&c->edge_x_names, bond_names[i], strlen(bond_names[i]));
  }
  c->of_molecules = true;
  if (status == HEED_OK) return HEED_OK;
  heed_collection_free(c);
  *collection = NULL;
  return status;
}

heed_status heed__molecules_add(heed_collection *c, heed__molecule *m, const char *name,
                                int64_t row) {
  uint64_t *hashes = heed__grown(c->hashes, &c->room_hashes, (size_t)c->graphs + 1, sizeof *hashes);
  if (hashes == NULL) return HEED_NOMEM;
  c->hashes = hashes;
  int64_t node = c->nodes, edge = c->edges, graph = c->graphs;
  HEED__TRY(heed__collection_add(c, m->n_atoms, m->n_bonds, name, row));
  hashes[graph] = heed__molecule_hash(m);
  for (int32_t i = 0; i < m->n_atoms; i++) put_atom(m, i, c->x.data + (node + i) * c->x.cols);
  for (int32_t b = 0; b < m->n_bonds; b++) {
    c->ends[2 * (edge + b)] = node + m->bonds[b].from;
    c->ends[2 * (edge + b) + 1] = node + m->bonds[b].to;
    put_bond(m, b, c->edge_x.data + (edge + b) * c->edge_x.cols);
  }
  return HEED_OK;
}
