/* The built-in molecules: formulas against SMILES, each molecule once, boiling points that rise
 * where they must. */
#include <check.h>
#include <heed/data.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "data/molecules.h"
#include "expect.h"
#ifdef HEED_HAVE_INDIGO
#include <indigo.h>
#endif

enum { NAME, SMILES, BOILING, FORMULA, COLUMNS };
enum { MOST = 1000, ROOM = 400 };

typedef struct molecule {
  char field[COLUMNS][ROOM];
  bool boils;
  double celsius;
} molecule;

static molecule *molecules;
static int n_molecules;

/* A field that may be quoted, without quotes in it; past it and its comma or the end of the line.
 */
static const char *read_field(const char *at, char *field, char end) {
  bool quoted = *at == '"';
  at += quoted;
  size_t n = strcspn(at, quoted ? "\"\n" : ",\n\"");
  ck_assert_uint_lt(n, ROOM);
  memcpy(field, at, n);
  field[n] = '\0';
  at += n;
  if (quoted) ck_assert_int_eq(*at++, '"');
  ck_assert_msg(*at == end, "'%s' and then '%c'", field, *at);
  return at + 1;
}

static void read_all(void) {
  size_t bytes;
  const char *at = heed__molecules_csv(&bytes), *end = at + bytes;
  static const char header[] = "name,smiles,boiling_point_celsius,formula\n";
  ck_assert_uint_eq(strlen(at), bytes);
  ck_assert_int_eq(strncmp(at, header, sizeof header - 1), 0);
  molecules = calloc(MOST, sizeof *molecules);
  ck_assert_ptr_nonnull(molecules);
  n_molecules = 0;
  for (at += sizeof header - 1; at < end; n_molecules++) {
    ck_assert_int_lt(n_molecules, MOST);
    molecule *m = &molecules[n_molecules];
    for (int c = 0; c < COLUMNS; c++) {
      at = read_field(at, m->field[c], c < FORMULA ? ',' : '\n');
    }
    m->boils = m->field[BOILING][0] != '\0';
    if (!m->boils) continue;
    char *rest;
    m->celsius = strtod(m->field[BOILING], &rest);
    ck_assert_msg(*rest == '\0', "%s: '%s'", m->field[NAME], m->field[BOILING]);
  }
}

static void free_all(void) { free(molecules); }

START_TEST(all_is_plausible) {
  int boiling = 0;
  ck_assert_int_ge(n_molecules, 250);
  for (int i = 0; i < n_molecules; i++) {
    const molecule *m = &molecules[i];
    const char *name = m->field[NAME];
    ck_assert_msg(name[0] != '\0' && m->field[SMILES][0] != '\0', "row %d", i + 1);
    ck_assert_msg(!m->boils || (m->celsius > -170 && m->celsius < 450), "%s", name);
    ck_assert_msg(!m->boils || m->celsius == (int)m->celsius, "%s", name);
    boiling += m->boils;
    for (int j = 0; j < i; j++) ck_assert_str_ne(name, molecules[j].field[NAME]);
  }
  ck_assert_int_ge(boiling, 250);
}
END_TEST

/* Chains that grow by a carbon: an end, so many carbons, another end. */
static const struct {
  const char *what, *before, *after;
  int from, to;
} series[] = {
    {"alkanes", "", "", 1, 20},          {"1-alkenes", "", "C=C", 0, 8},
    {"1-alkynes", "", "C#C", 1, 6},      {"alcohols", "", "O", 1, 10},
    {"amines", "", "N", 1, 6},           {"thiols", "", "S", 1, 5},
    {"acids", "", "C(O)=O", 1, 9},       {"aldehydes", "", "C=O", 1, 7},
    {"nitriles", "", "C#N", 1, 5},       {"2-ketones", "", "C(C)=O", 1, 6},
    {"chlorides", "", "Cl", 1, 6},       {"bromides", "", "Br", 1, 6},
    {"iodides", "", "I", 1, 4},          {"acetates", "", "OC(C)=O", 1, 6},
    {"formates", "", "OC=O", 1, 4},      {"benzenes", "", "c1ccccc1", 0, 4},
    {"nitro", "", "[N+](=O)[O-]", 1, 3}, {"esters", "", "C(=O)OC", 1, 5},
};

static const molecule *find(const char *smiles) {
  for (int i = 0; i < n_molecules; i++) {
    if (strcmp(molecules[i].field[SMILES], smiles) == 0) return &molecules[i];
  }
  return NULL;
}

/* Each by no more than some degrees beyond the step before it, once there are three. */
START_TEST(boiling_points_rise_along_series) {
  double last = -1000, step = 1000;
  int seen = 0;
  for (int n = series[_i].from; n <= series[_i].to; n++) {
    char smiles[100], carbons[] = "CCCCCCCCCCCCCCCCCCCCCCCC";
    snprintf(smiles, sizeof smiles, "%s%.*s%s", series[_i].before, n, carbons, series[_i].after);
    const molecule *m = find(smiles);
    if (m == NULL) continue;
    ck_assert_msg(m->boils && m->celsius > last, "%s: %s", series[_i].what, smiles);
    if (seen > 2) {
      ck_assert_msg(m->celsius - last < step + 5, "%s: %s: %g after %g", series[_i].what, smiles,
                    m->celsius, last);
    }
    step = m->celsius - last;
    last = m->celsius;
    seen++;
  }
  ck_assert_msg(seen >= 3, "%s: %d of them", series[_i].what, seen);
}
END_TEST

START_TEST(molecules_are_found_by_name) {
  char smiles[400];
  ck_assert_int_eq(heed_molecule_find("caffeine", smiles, sizeof smiles), HEED_OK);
  ck_assert_str_eq(smiles, "CN1C=NC2=C1C(=O)N(C)C(=O)N2C");
  ck_assert_int_eq(heed_molecule_find("Methane", smiles, 2), HEED_OK);
  ck_assert_str_eq(smiles, "C");
  ck_assert_int_eq(heed_molecule_find("methane", smiles, 1), HEED_RANGE);
  ck_assert_int_eq(heed_molecule_find("2,2-dimethylbutane", smiles, sizeof smiles), HEED_OK);
  ck_assert_str_eq(smiles, "CCC(C)(C)C");
  static const char *const none[] = {"", "name", "caffein", "caffeinee", "C", "2", "\""};
  for (int i = 0; i < 7; i++) {
    ck_assert_int_eq(heed_molecule_find(none[i], smiles, sizeof smiles), HEED_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(heed_message(), none[i]));
  }
  for (int i = 0; i < n_molecules; i++) {
    const molecule *m = &molecules[i];
    ck_assert_int_eq(heed_molecule_find(m->field[NAME], smiles, sizeof smiles), HEED_OK);
    ck_assert_str_eq(smiles, m->field[SMILES]);
  }
}
END_TEST

#ifdef HEED_HAVE_INDIGO
static int by_text(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

START_TEST(formulas_are_those_of_the_smiles) {
  char **canonical = calloc(MOST, sizeof *canonical);
  ck_assert_ptr_nonnull(canonical);
  for (int i = 0; i < n_molecules; i++) {
    const char *smiles = molecules[i].field[SMILES];
    int m = indigoLoadMoleculeFromString(smiles);
    ck_assert_msg(m > 0, "%s: %s", smiles, indigoGetLastError());
    int gross = indigoGrossFormula(m);
    char formula[ROOM];
    size_t n = 0;
    for (const char *at = indigoToString(gross); *at != '\0'; at++) {
      if (*at != ' ') formula[n++] = *at;
    }
    formula[n] = '\0';
    ck_assert_msg(strcmp(formula, molecules[i].field[FORMULA]) == 0, "%s: %s",
                  molecules[i].field[NAME], formula);
    canonical[i] = strdup(indigoCanonicalSmiles(m));
    indigoFree(gross);
    indigoFree(m);
  }
  qsort(canonical, (size_t)n_molecules, sizeof *canonical, by_text);
  for (int i = 1; i < n_molecules; i++) ck_assert_str_ne(canonical[i - 1], canonical[i]);
  for (int i = 0; i < n_molecules; i++) free(canonical[i]);
  free(canonical);
}
END_TEST
#endif

int main(void) {
  Suite *suite = suite_create("built-in");
  TCase *rows = tcase_create("rows");
  tcase_add_checked_fixture(rows, read_all, free_all);
  tcase_add_test(rows, all_is_plausible);
  tcase_add_loop_test(rows, boiling_points_rise_along_series, 0, sizeof series / sizeof *series);
  tcase_add_test(rows, molecules_are_found_by_name);
#ifdef HEED_HAVE_INDIGO
  tcase_add_test(rows, formulas_are_those_of_the_smiles);
#else
  puts("no Indigo: formulas are not computed again");
#endif
  suite_add_tcase(suite, rows);
  return run_suite(suite);
}
