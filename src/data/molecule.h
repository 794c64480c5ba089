/* Molecules: Indigo reads them, here they become nodes and edges with features. Nothing else calls
 * Indigo.
 *
 * Indigo keeps objects and options in sessions, one current for each thread: whoever reads
 * molecules does so between heed__molecules_begin() and heed__molecules_end(), on one thread, in a
 * session of its own. */
#ifndef HEED_SRC_DATA_MOLECULE_H
#define HEED_SRC_DATA_MOLECULE_H

#include <heed/data.h>

enum { HEED__ATOM_FEATURES = 48, HEED__BOND_FEATURES = 9 };

typedef struct heed__atom {
  int element; /* atomic number; 0: none that the periodic table has */
  int charge, hydrogens, radicals;
  int degree; /* bonds but those to hydrogens */
  int ring;   /* atoms of the smallest ring it is in; 0: none */
  bool aromatic, centre;
  int source; /* Indigo's number of it */
} heed__atom;

typedef struct heed__bond {
  int32_t from, to;
  int order; /* 1, 2, 3, or 4: aromatic */
  bool ring;
  int stereo; /* 0: none; 1: cis (Z), 2: trans (E), 3: either */
} heed__bond;

/* A molecule without its hydrogens. */
typedef struct heed__molecule {
  heed__atom *atoms;
  heed__bond *bonds;
  int32_t n_atoms, n_bonds;
  int64_t *first;   /* [n_atoms + 1]: neighbours of atom i are next[first[i] .. first[i + 1]) */
  int32_t *next;    /* [2 * n_bonds] bonds */
  int32_t *scratch; /* [2 * n_atoms] */
  size_t room_atoms, room_bonds, room_first, room_next, room_scratch, room_index;
  int32_t *index; /* of Indigo's numbers */
  int handle;     /* Indigo's, until another is read */
  unsigned long long session;
} heed__molecule;

/* Begins a session. On success heed__molecules_end() ends it. @return HEED_UNSUPPORTED without
 * Indigo */
heed_status heed__molecules_begin(heed__molecule *molecule);
void heed__molecules_end(heed__molecule *molecule);

/* Reads a SMILES string, or, if `is_block`, an MDL molfile. @return HEED_FORMAT with the reason,
 * HEED_NOMEM */
heed_status heed__molecule_read(heed__molecule *molecule, const char *text, bool is_block);

/* A number that is the same for the same molecule however it is written, and for few others. */
uint64_t heed__molecule_hash(heed__molecule *molecule);

/* The SMILES string of it that Indigo writes, canonical or not; or NULL. Valid until the next call.
 */
const char *heed__molecule_smiles(const heed__molecule *molecule, bool canonical);

/* The canonical SMILES string of its Bemis-Murcko scaffold, rings and what joins them, without
 * stereochemistry: "" where there is no ring. Where Indigo cannot write one, a number that stands
 * for it. Changes the molecule.
 * @param text [size] */
heed_status heed__molecule_scaffold(heed__molecule *molecule, char *text, size_t size);

/* Adds it to a collection of molecules, which begins by heed__molecules_new(). */
heed_status heed__molecules_new(heed_collection **collection);
heed_status heed__molecules_add(heed_collection *collection, heed__molecule *molecule,
                                const char *name, int64_t row);

/* Finds out which graphs of a collection of molecules are the same molecule, and, if asked for,
 * which have the same scaffold; keeps it. Nothing to do for other collections. */
heed_status heed__molecules_group(heed_collection *collection, bool scaffolds);

/* Its version, such as "1.2.3", or NULL in a build without it. */
const char *heed__molecules_library(void);

#endif
