/* Molecules out of SMILES strings, tables and SDF. */
#include <check.h>
#include <heed/data.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "data/collection.h"
#include "data/molecule.h"
#include "expect.h"

static heed_collection *molecule(const char *smiles) {
  heed_collection *c;
  ck_assert_msg(heed_molecule_read(&c, smiles) == HEED_OK, "%s", heed_message());
  ck_assert_int_eq(heed_collection_graphs(c), 1);
  ck_assert_int_eq(heed_collection_kind(c), HEED_TARGET_NONE);
  ck_assert_str_eq(heed_collection_name(c, 0), smiles);
  return c;
}

/* The sum of a feature over the nodes or edges. */
static int total(const heed_collection *c, bool of_edges, const char *name) {
  const heed_matrix *x = of_edges ? heed_collection_edge_matrix(c) : heed_collection_node_matrix(c);
  int64_t column = 0;
  float sum = 0;
  while (column < x->cols && strcmp(heed_collection_feature_name(c, of_edges, column), name) != 0)
    column++;
  ck_assert_msg(column < x->cols, "no feature %s", name);
  for (int64_t i = 0; i < x->rows; i++) sum += x->data[i * x->stride + column];
  return (int)sum;
}

static const struct {
  const char *smiles;
  int atoms, bonds;
  struct {
    bool of_edges;
    const char *name;
    int total;
  } facts[8];
} known[] = {
    {"Cn1cnc2c1c(=O)n(C)c(=O)n2C", /* caffeine */
     14,
     15,
     {{false, "element=C", 8},
      {false, "element=N", 4},
      {false, "element=O", 2},
      {false, "aromatic", 9},
      {false, "ring=5", 5},
      {false, "ring=6", 4},
      {true, "bond=aromatic", 10},
      {true, "bond=double", 2}}},
    {"CCO",
     3,
     2,
     {{false, "hydrogens=3", 1},
      {false, "hydrogens=2", 1},
      {false, "hydrogens=1", 1},
      {false, "hybridisation=sp3", 3},
      {true, "bond=single", 2},
      {true, "conjugated", 0}}},
    {"c1ccccc1",
     6,
     6,
     {{false, "aromatic", 6},
      {false, "hydrogens=1", 6},
      {false, "hybridisation=sp2", 6},
      {true, "ring", 6},
      {true, "conjugated", 6}}},
    {"C1=CC=CC=C1",
     6,
     6,
     {{false, "aromatic", 6}, {true, "bond=aromatic", 6}, {true, "bond=double", 0}}},
    {"[NH3+]CC(=O)[O-]", /* glycine */
     5,
     4,
     {{false, "charge=1", 1},
      {false, "charge=-1", 1},
      {false, "charge=0", 3},
      {false, "hydrogens=3", 1},
      {true, "bond=double", 1}}},
    {"C[C@H](N)C(=O)O", /* alanine */
     6,
     5,
     {{false, "chirality", 1}, {false, "hybridisation=sp2", 3}, {false, "degree=3", 2}}},
    {"CC(N)C(=O)O", 6, 5, {{false, "chirality", 0}}},
    {"C/C=C/C", 4, 3, {{true, "stereo=E", 1}, {true, "stereo=Z", 0}, {true, "bond=double", 1}}},
    {"C/C=C\\C", 4, 3, {{true, "stereo=E", 0}, {true, "stereo=Z", 1}}},
    {"CC=CC", 4, 3, {{true, "stereo=E", 0}, {true, "stereo=Z", 0}, {true, "stereo=either", 0}}},
    {"[Na+].[Cl-]",
     2,
     0,
     {{false, "element=metal", 1}, {false, "element=Cl", 1}, {false, "degree=0", 2}}},
    {"C=C=C", 3, 2, {{false, "hybridisation=sp", 1}, {false, "hybridisation=sp2", 2}}},
    {"CC#N",
     3,
     2,
     {{true, "bond=triple", 1}, {false, "hybridisation=sp", 2}, {false, "element=N", 1}}},
    {"C1CC1",
     3,
     3,
     {{false, "ring=3", 3}, {false, "ring", 3}, {true, "ring", 3}, {false, "aromatic", 0}}},
    {"C1CCCCCCC1C", 9, 9, {{false, "ring>=7", 8}, {false, "ring", 8}, {true, "ring", 8}}},
    {"[2H]C([2H])([2H])[2H]", 1, 0, {{false, "hydrogens>=4", 1}}},
    {"FS(F)(F)(F)(F)F", 7, 6, {{false, "degree>=6", 1}, {false, "hybridisation=sp3d2", 1}}},
    {"[CH3]", 1, 0, {{false, "radical", 1}}},
    {"C=CC=C", 4, 3, {{true, "conjugated", 3}}},
    {"C=CCC=C", 5, 4, {{true, "conjugated", 0}}},
    {"[Fe+2]",
     1,
     0,
     {{false, "charge>=2", 1}, {false, "element=metal", 1}, {false, "hybridisation=other", 1}}},
};

START_TEST(known_molecules) {
  heed_collection *c = molecule(known[_i].smiles);
  ck_assert_int_eq(heed_collection_nodes(c), known[_i].atoms);
  ck_assert_int_eq(heed_collection_edge_count(c), known[_i].bonds);
  for (int f = 0; f < 8 && known[_i].facts[f].name != NULL; f++) {
    int found = total(c, known[_i].facts[f].of_edges, known[_i].facts[f].name);
    ck_assert_msg(found == known[_i].facts[f].total, "%s: %s: %d, not %d", known[_i].smiles,
                  known[_i].facts[f].name, found, known[_i].facts[f].total);
  }
  /* One of each group of columns that says the same thing. */
  static const struct {
    bool of_edges;
    int first, end;
  } groups[] = {{false, 0, 16},  {false, 16, 23}, {false, 23, 28},
                {false, 28, 34}, {false, 35, 40}, {true, 0, 4}};
  for (size_t g = 0; g < sizeof groups / sizeof *groups; g++) {
    const heed_matrix *x =
        groups[g].of_edges ? heed_collection_edge_matrix(c) : heed_collection_node_matrix(c);
    for (int64_t i = 0; i < x->rows; i++) {
      float sum = 0;
      for (int k = groups[g].first; k < groups[g].end; k++) sum += x->data[i * x->stride + k];
      ck_assert_float_eq(sum, 1);
    }
  }
  heed_collection_free(c);
}
END_TEST

static const struct {
  const char *smiles, *says;
} bad_smiles[] = {
    {"", "no SMILES string"},
    {"C(", "not closed"},
    {"CC)", "closes nothing"},
    {"C()C", "nothing within"},
    {"(C)C", "nothing before"},
    {"C1CC", "cycle 1 not closed"},
    {"CX", "'X'"},
    {"C C", "a blank at character 2"},
    {"[H][H]", "without atoms but hydrogen"},
    {"CC(C)(C)(C)C", "bad valence"},
    {"C[", "C["},
    {"C]", "C]"},
    {"CC>>CC", "'>'"},
    {"C%", "C%"},
    {"C==C", "the bond '=' at character 2"},
    {"CC=", "the bond '=' at character 3"},
    {"C(=)C", "leads nowhere"},
    {"\xff\xfe", "'\xff"},
    {"C |$foo$|", "a blank"},
};

START_TEST(bad_molecules_are_refused) {
  heed_collection *c;
  size_t held = heed_memory_held();
  ck_assert_msg(heed_molecule_read(&c, bad_smiles[_i].smiles) == HEED_FORMAT, "%s",
                bad_smiles[_i].smiles);
  ck_assert_msg(strstr(heed_message(), bad_smiles[_i].says) != NULL, "%s", heed_message());
  ck_assert_ptr_null(c);
  ck_assert_uint_eq(heed_memory_held(), held);
  double xy[2];
  char symbols[1][8];
  ck_assert_int_eq(heed_molecule_layout(bad_smiles[_i].smiles, 1, xy, symbols), HEED_FORMAT);
  heed_collection_free(molecule("C")); /* and all goes on */
}
END_TEST

START_TEST(layouts) {
  static const char smiles[] = "Cn1cnc2c1c(=O)n(C)c(=O)n2C", elements[] = "CNCNCCCONCCONC";
  double xy[28];
  char symbols[14][8];
  heed_collection *c = molecule(smiles);
  ck_assert_msg(heed_molecule_layout(smiles, 14, xy, symbols) == HEED_OK, "%s", heed_message());
  for (int i = 0; i < 14; i++) {
    ck_assert_int_eq(symbols[i][0], elements[i]);
    ck_assert_int_eq(symbols[i][1], '\0');
  }
  /* Bonds are of one length, and no two atoms are in one place. */
  const int64_t *ends = heed_collection_edges(c);
  double first =
      hypot(xy[2 * ends[0]] - xy[2 * ends[1]], xy[2 * ends[0] + 1] - xy[2 * ends[1] + 1]);
  for (int e = 0; e < 15; e++) {
    double dx = xy[2 * ends[2 * e]] - xy[2 * ends[2 * e + 1]];
    double dy = xy[2 * ends[2 * e] + 1] - xy[2 * ends[2 * e + 1] + 1];
    ck_assert_double_le(fabs(hypot(dx, dy) / first - 1), 0.25);
  }
  for (int i = 0; i < 14; i++) {
    for (int j = 0; j < i; j++) {
      ck_assert_double_ge(hypot(xy[2 * i] - xy[2 * j], xy[2 * i + 1] - xy[2 * j + 1]), 0.5 * first);
    }
  }
  ck_assert_int_eq(heed_molecule_layout(smiles, 13, xy, symbols), HEED_SHAPE);
  heed_collection_free(c);
}
END_TEST

static char *copy_of(const char *text) { return text == NULL ? NULL : strdup(text); }

static char *canonical(const char *smiles) {
  heed__molecule m;
  ck_assert_int_eq(heed__molecules_begin(&m), HEED_OK);
  ck_assert_msg(heed__molecule_read(&m, smiles, false) == HEED_OK, "%s", heed_message());
  char *text = copy_of(heed__molecule_smiles(&m, true));
  heed__molecules_end(&m);
  return text;
}

START_TEST(scaffolds) {
  static const struct {
    const char *smiles, *scaffold;
  } pairs[] = {{"CCO", ""},
               {"CC(C)CC(C)C(C)C", ""},
               {"Cc1ccccc1", "c1ccccc1"},
               {"O=C(O)c1ccccc1OC(C)=O", "c1ccccc1"},
               {"CC(N)C1CC1", "C1CC1"},
               {"Clc1ccc(CC(C)Cc2ccccn2)cc1", "C(Cc1ccccn1)Cc1ccccc1"},
               {"OC1CCC2CC(N)CCC2C1", "C1CCC2CCCCC2C1"},
               {"c1ccc(cc1)C=Cc1ccccc1", "C(=Cc1ccccc1)c1ccccc1"},
               {"C[C@H]1CC[C@@H](O)CC1", "C1CCCCC1"},
               {"Cc1ccccc1.Cl", "c1ccccc1"},
               {"Cn1cccc1", "c1cc[nH]c1"}};
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    heed__molecule m;
    char text[200];
    ck_assert_int_eq(heed__molecules_begin(&m), HEED_OK);
    ck_assert_int_eq(heed__molecule_read(&m, pairs[i].smiles, false), HEED_OK);
    ck_assert_int_eq(heed__molecule_scaffold(&m, text, sizeof text), HEED_OK);
    heed__molecules_end(&m);
    char *wanted = pairs[i].scaffold[0] == '\0' ? strdup("") : canonical(pairs[i].scaffold);
    ck_assert_str_eq(text, wanted);
    free(wanted);
  }
}
END_TEST

START_TEST(hashes_know_molecules) {
  static const struct {
    const char *a, *b;
    bool same;
  } pairs[] = {{"OCC", "CCO", true},
               {"C1=CC=CC=C1C", "Cc1ccccc1", true},
               {"[H]C([H])([H])O", "CO", true},
               {"CCO", "COC", false},
               {"CC(C)C", "CCCC", false},
               {"C1CCCCC1", "C1CC1.C1CC1", false},
               {"CC=O", "CCO", false},
               {"C[NH3+]", "CN", false}};
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    uint64_t hash[2];
    for (int k = 0; k < 2; k++) {
      heed__molecule m;
      ck_assert_int_eq(heed__molecules_begin(&m), HEED_OK);
      ck_assert_int_eq(heed__molecule_read(&m, k == 0 ? pairs[i].a : pairs[i].b, false), HEED_OK);
      hash[k] = heed__molecule_hash(&m);
      heed__molecules_end(&m);
    }
    ck_assert_int_eq(hash[0] == hash[1], pairs[i].same);
  }
}
END_TEST

static void check_table(const heed_collection *c) {
  static const char *const names[] = {"CCO", "c1ccccc1", "C", "[Na+].[Cl-]"};
  static const float wanted[] = {-0.77f, NAN, 0.1f, 3.5f};
  ck_assert_int_eq(heed_collection_graphs(c), 4);
  ck_assert_int_eq(heed_collection_kind(c), HEED_TARGET_NUMBER);
  ck_assert_int_eq(heed_collection_outputs(c), 1);
  ck_assert_str_eq(heed_collection_target_name(c, 0), "log S, at 25 C");
  for (int g = 0; g < 4; g++) {
    ck_assert_str_eq(heed_collection_name(c, g), names[g]);
    ck_assert_int_eq(heed_collection_row(c, g), g + 1);
    float value = heed_collection_values(c)->data[g];
    ck_assert(isnan(wanted[g]) ? isnan(value) : value == wanted[g]);
  }
}

START_TEST(tables) {
  static const char *const paths[] = {TEST_FILES "good-table.csv", TEST_FILES "good-table.csv.gz"};
  static const heed_collection_options options[] = {
      {.kind = HEED_TARGET_NONE},
      {.targets = "log S, at 25 C", .smiles = "SMILES"},
      {.targets = "kind", .kind = HEED_TARGET_CLASS},
      {.targets = "kind"},
      {.targets = "log S"},
      {.smiles = "smiles"},
      {.targets = "log S, at 25 C,kind"},
      {.targets = "log S, at 25 C", .kind = HEED_TARGET_BINARY},
      {.targets = "log S, at 25 C , log S, at 25 C"},
  };
  static const struct {
    heed_status status;
    const char *says;
  } ends[] = {{HEED_OK, NULL},
              {HEED_OK, NULL},
              {HEED_OK, NULL},
              {HEED_FORMAT, "row 1: 'a' in column 'kind'"},
              {HEED_ARGUMENT, "no column 'log S'; there are name, SMILES, log S, at 25 C, kind"},
              {HEED_ARGUMENT, "no column 'smiles'"},
              {HEED_FORMAT, "row 1: 'a' in column 'kind'"},
              {HEED_FORMAT, "row 1: -0.77 in column 'log S, at 25 C', which should be 0 or 1"},
              {HEED_ARGUMENT, "twice"}};
  heed_collection *c;
  heed_status status = heed_collection_open(&c, paths[_i % 2], &options[_i / 2]);
  ck_assert_msg(status == ends[_i / 2].status, "%s", heed_message());
  if (status != HEED_OK) {
    ck_assert_msg(strstr(heed_message(), ends[_i / 2].says) != NULL, "%s", heed_message());
    return;
  }
  if (_i / 2 == 2) {
    static const int32_t labels[] = {0, 1, 0, -1};
    ck_assert_int_eq(heed_collection_kind(c), HEED_TARGET_CLASS);
    ck_assert_mem_eq(heed_collection_labels(c), labels, sizeof labels);
    ck_assert_str_eq(heed_collection_target_name(c, 1), "b");
  } else {
    check_table(c);
  }
  heed_collection_free(c);
}
END_TEST

START_TEST(sdf) {
  heed_collection *c;
  const heed_collection_options numbers = {.targets = "log S"};
  const heed_collection_options classes = {.targets = "kind", .kind = HEED_TARGET_CLASS};
  const heed_collection_options none = {.targets = "nothing"};
  ck_assert_msg(heed_collection_open(&c, TEST_FILES "good-two.sdf", &numbers) == HEED_OK, "%s",
                heed_message());
  ck_assert_int_eq(heed_collection_graphs(c), 2);
  ck_assert_str_eq(heed_collection_name(c, 0), "CCO");
  ck_assert_float_eq(heed_collection_values(c)->data[0], 1.1f);
  ck_assert_float_eq(heed_collection_values(c)->data[1], -1.64f);
  ck_assert_int_eq(total(c, false, "aromatic"), 6);
  heed_collection_free(c);
  ck_assert_msg(heed_collection_open(&c, TEST_FILES "good-two.sdf", &classes) == HEED_OK, "%s",
                heed_message());
  ck_assert_str_eq(heed_collection_target_name(c, 0), "alcohol");
  ck_assert_str_eq(heed_collection_target_name(c, 1), "arene");
  ck_assert_int_eq(heed_collection_labels(c)[1], 1);
  heed_collection_free(c);
  ck_assert_int_eq(heed_collection_open(&c, TEST_FILES "good-two.sdf", &none), HEED_ARGUMENT);
  ck_assert_ptr_nonnull(strstr(heed_message(), "'nothing'"));
}
END_TEST

static const struct {
  const char *name, *targets;
  heed_status status;
  const char *says;
  bool can_skip; /* the other rows are read where bad ones may be left out */
} bad_files[] = {
    {"bad-quote.csv", NULL, HEED_FORMAT, "row 3: a quotation mark is not closed", false},
    {"bad-behind.csv", NULL, HEED_FORMAT, "row 1: 'x' behind", false},
    {"bad-cells.csv", NULL, HEED_FORMAT, "row 2: 2 cells, the header has 3", true},
    {"bad-ring.csv", NULL, HEED_FORMAT, "row 2: SMILES loader: cycle 1 not closed: 'C1CC'", true},
    {"bad-parenthesis.csv", NULL, HEED_FORMAT, "row 2: a '('", true},
    {"bad-valence.csv", NULL, HEED_FORMAT, "row 2: element: bad valence on C", true},
    {"bad-blank.csv", NULL, HEED_FORMAT, "row 2: no SMILES string", true},
    {"bad-hydrogen.csv", NULL, HEED_FORMAT, "row 2: a molecule without atoms", true},
    {"bad-words.csv", NULL, HEED_FORMAT, "row 2: a blank at character 4", true},
    {"bad-number.csv", "x", HEED_FORMAT, "row 2: 'high' in column 'x'", true},
    {"bad-column.csv", NULL, HEED_ARGUMENT, "no column 'smiles'; there are name, formula, x",
     false},
    {"bad-columns.csv", NULL, HEED_FORMAT, "columns 1 and 2 are both called 'SMILES'", false},
    {"bad-header.csv", NULL, HEED_FORMAT, "a header and no row", false},
    {"bad-zero.csv", NULL, HEED_FORMAT, "row 1: a byte 0", false},
    {"bad-large.csv", NULL, HEED_RANGE, "row 1: 1e+99 in column 'x'", false},
    {"bad-cut.csv.gz", NULL, HEED_FORMAT, "cut short", false},
    {"bad-end.sdf", NULL, HEED_FORMAT,
     "row 2: the record that begins at line 15 has no line 'M  END'", true},
    {"bad-counts.sdf", NULL, HEED_FORMAT, "row 2: ", true},
    {"bad-bond.sdf", NULL, HEED_FORMAT, "row 2: ", true},
    {"bad-valence.sdf", NULL, HEED_FORMAT, "row 2: element: bad valence on C", true},
    {"bad-number.sdf", "x", HEED_FORMAT, "row 2: 'high' as property 'x'", true},
    {"bad-nothing.sdf", NULL, HEED_FORMAT, "no molecule", false},
};

START_TEST(bad_files_are_refused) {
  char path[1000];
  heed_collection *c;
  heed_collection_options options = {.targets = bad_files[_i].targets};
  size_t held = heed_memory_held();
  snprintf(path, sizeof path, TEST_FILES "%s", bad_files[_i].name);
  ck_assert_msg(heed_collection_open(&c, path, &options) == bad_files[_i].status, "%s",
                heed_message());
  ck_assert_ptr_nonnull(strstr(heed_message(), bad_files[_i].name));
  ck_assert_msg(strstr(heed_message(), bad_files[_i].says) != NULL, "%s", heed_message());
  ck_assert_ptr_null(c);
  options.skip_bad = true;
  heed_status status = heed_collection_open(&c, path, &options);
  ck_assert_int_eq(status == HEED_OK, bad_files[_i].can_skip);
  if (bad_files[_i].can_skip) {
    ck_assert_int_eq(heed_collection_graphs(c), 1);
    ck_assert_int_eq(heed_collection_row(c, 0), 1);
    ck_assert_int_eq(heed_collection_skipped(c), 1);
    ck_assert_ptr_nonnull(strstr(heed_collection_skip(c, 0), bad_files[_i].says));
    ck_assert_ptr_null(heed_collection_skip(c, 1));
  }
  heed_collection_free(c);
  ck_assert_uint_eq(heed_memory_held(), held);
}
END_TEST

START_TEST(every_allocation_may_fail) {
  static const char *const paths[] = {TEST_FILES "good-table.csv",
                                      TEST_FILES "good-two.sdf",
                                      TEST_FILES "bad-ring.csv",
                                      "molecule",
                                      "lines",
                                      "split"};
  const heed_collection_options options = {.skip_bad = true};
  const heed_collection_split_options folds = {HEED_SPLIT_SCAFFOLD, 1, 1, 0.5, 0.2};
  heed_collection *table = NULL;
  size_t start = heed_memory_held();
  bool passed = false;
  for (int n = 0; !passed; n++) {
    heed_collection *c = NULL;
    if (_i == 4 || _i == 5) ck_assert_int_eq(heed_collection_open(&table, paths[0], NULL), HEED_OK);
    size_t held = heed_memory_held();
    heed__alloc_fail_after(n);
    heed_status status = _i == 3   ? heed_molecule_read(&c, "CC(=O)Oc1ccccc1")
                         : _i == 4 ? heed_collection_line_graphs(&c, table)
                         : _i == 5 ? heed_collection_split(table, &folds)
                                   : heed_collection_open(&c, paths[_i], &options);
    heed__alloc_fail_after(-1);
    ck_assert_msg(status == HEED_OK || status == HEED_NOMEM, "%s", heed_message());
    passed = status == HEED_OK;
    ck_assert_int_eq(c != NULL, passed && _i != 5);
    heed_collection_free(c);
    if (_i != 5) ck_assert_uint_eq(heed_memory_held(), held);
    heed_collection_free(table);
    table = NULL;
    ck_assert_uint_eq(heed_memory_held(), start);
  }
}
END_TEST

START_TEST(built_in_molecules) {
  heed_collection *c;
  ck_assert_msg(heed_collection_open(&c, "molecules", NULL) == HEED_OK, "%s", heed_message());
  ck_assert_int_ge(heed_collection_graphs(c), 300);
  ck_assert_int_eq(heed_collection_skipped(c), 0);
  ck_assert_int_eq(heed_collection_kind(c), HEED_TARGET_NUMBER);
  ck_assert_int_ge(heed_collection_outputs(c), 1);
  const heed_collection_split_options options = {HEED_SPLIT_SCAFFOLD, 0, 1, 0.8, 0.1};
  ck_assert_msg(heed_collection_split(c, &options) == HEED_OK, "%s", heed_message());
  heed_collection_free(c);
}
END_TEST

/* A table of these SMILES strings, each with the number of its line as its target. */
static heed_collection *table_of(const char *const *smiles, int n) {
  char path[] = "/tmp/heed-test-XXXXXX";
  int file = mkstemp(path);
  ck_assert_int_ge(file, 0);
  FILE *stream = fdopen(file, "w");
  fputs("smiles,y\n", stream);
  for (int i = 0; i < n; i++) fprintf(stream, "%s,%d\n", smiles[i], i);
  fclose(stream);
  const heed_collection_options csv = {.format = "csv", .targets = "y", .kind = HEED_TARGET_NUMBER};
  heed_collection *c;
  ck_assert_msg(heed_collection_open(&c, path, &csv) == HEED_OK, "%s", heed_message());
  unlink(path);
  return c;
}

static int part_of(const heed_collection *c, int split, int64_t g) {
  for (int part = 0; part < 3; part++) {
    if (heed_collection_split_part(c, split, (heed_part)part)[g]) return part;
  }
  return -1;
}

START_TEST(the_same_molecule_is_on_one_side) {
  /* Ten molecules, each written three ways, among others. */
  static const char *const ways[][3] = {
      {"CCO", "OCC", "C(C)O"},           {"c1ccccc1C", "Cc1ccccc1", "C1=CC=CC=C1C"},
      {"CC(=O)O", "OC(C)=O", "O=C(C)O"}, {"C#N", "N#C", "[H]C#N"},
      {"CCN", "NCC", "C(N)C"},           {"C1CC1", "C1CC1", "C2CC2"},
      {"CCCl", "ClCC", "C(Cl)C"},        {"C=O", "O=C", "[H]C([H])=O"},
      {"CSC", "S(C)C", "CSC"},           {"C[C@H](F)O", "O[C@@H](F)C", "C[C@H](F)O"}};
  const char *smiles[90];
  char long_ones[60][80];
  for (int i = 0; i < 30; i++) smiles[i] = ways[i % 10][i / 10];
  for (size_t i = 0; i < 60; i++) { /* alcohols of 4 carbons and more */
    memset(long_ones[i], 'C', i + 4);
    memcpy(long_ones[i] + i + 4, "O", 2);
    smiles[30 + i] = long_ones[i];
  }
  heed_collection *c = table_of(smiles, 90);
  for (int kind = 0; kind < 2; kind++) {
    const heed_collection_split_options options = {kind == 0 ? HEED_SPLIT_RANDOM : HEED_SPLIT_FOLDS,
                                                   3, 5, 0.6, 0.2};
    ck_assert_msg(heed_collection_split(c, &options) == HEED_OK, "%s", heed_message());
    for (int s = 0; s < 5; s++) {
      int parts[3] = {0, 0, 0};
      for (int g = 0; g < 90; g++) {
        ck_assert_int_ge(part_of(c, s, g), 0);
        parts[part_of(c, s, g)]++;
        if (g < 10) {
          ck_assert_int_eq(part_of(c, s, g), part_of(c, s, g + 10));
          ck_assert_int_eq(part_of(c, s, g), part_of(c, s, g + 20));
        }
      }
      ck_assert_int_le(abs(parts[0] - 54), 3);
      ck_assert_int_le(abs(parts[1] - 18), 3);
    }
  }
  heed_collection_free(c);
}
END_TEST

START_TEST(scaffolds_stay_together) {
  /* 40 of benzene, 20 without a ring, 12 of cyclohexane, 8 of pyridine, 10 of one each. */
  static const char *const tails[] = {"c1ccccc1", "", "C1CCCCC1", "c1ccccn1"};
  static const int counts[] = {40, 20, 12, 8};
  static const char *const others[] = {"C1CC1",      "C1CCC1",    "C1CCCC1",  "C1CCCCCC1",
                                       "c1ccoc1",    "c1ccsc1",   "C1CCNCC1", "C1CCOCC1",
                                       "c1cc[nH]c1", "C1CCCCCCC1"};
  char text[90][64];
  const char *smiles[90];
  int group[90], n = 0;
  for (int k = 0; k < 4; k++) {
    for (int i = 0; i < counts[k]; i++, n++) {
      memset(text[n], 'C', (size_t)i + 1);
      strcpy(text[n] + (i + 1), tails[k]);
      group[n] = k;
    }
  }
  for (int i = 0; i < 10; i++, n++) {
    strcpy(text[n], others[i]);
    group[n] = 4 + i;
  }
  for (int i = 0; i < 90; i++) smiles[i] = text[i];
  heed_collection *c = table_of(smiles, 90);
  for (int seed = 0; seed < 3; seed++) {
    const heed_collection_split_options options = {HEED_SPLIT_SCAFFOLD, (uint64_t)seed, 4, 0.8,
                                                   0.1};
    ck_assert_msg(heed_collection_split(c, &options) == HEED_OK, "%s", heed_message());
    for (int s = 0; s < 4; s++) {
      int of_group[14], parts[3] = {0, 0, 0};
      memset(of_group, -1, sizeof of_group);
      for (int g = 0; g < 90; g++) {
        int part = part_of(c, s, g);
        ck_assert_int_ge(part, 0);
        if (of_group[group[g]] < 0) of_group[group[g]] = part;
        ck_assert_int_eq(of_group[group[g]], part);
        parts[part]++;
      }
      ck_assert_int_le(parts[0], 72);
      ck_assert_int_ge(parts[0], 50);
      if (seed == 0 && s == 0) {
        /* By size: 40 + 20 + 12 fill the 72 of training, the 8 and one more validate. */
        for (int k = 0; k < 3; k++) ck_assert_int_eq(of_group[k], HEED_PART_TRAIN);
        ck_assert_int_eq(of_group[3], HEED_PART_VALIDATION);
        ck_assert_int_eq(parts[0], 72);
        ck_assert_int_eq(parts[1], 9);
      }
    }
  }
  /* Folds of scaffolds: each molecule tested once, each scaffold in one fold, the largest apart. */
  const heed_collection_split_options folds = {HEED_SPLIT_SCAFFOLD_FOLDS, 5, 3, 0, 0};
  ck_assert_msg(heed_collection_split(c, &folds) == HEED_OK, "%s", heed_message());
  int fold[14], tested = 0;
  memset(fold, -1, sizeof fold);
  for (int s = 0; s < 3; s++) {
    for (int g = 0; g < 90; g++) {
      if (part_of(c, s, g) != HEED_PART_TEST) continue;
      if (fold[group[g]] < 0) fold[group[g]] = s;
      ck_assert_int_eq(fold[group[g]], s);
      tested++;
    }
  }
  ck_assert_int_eq(tested, 90);
  ck_assert_int_ne(fold[0], fold[1]);
  const heed_collection_split_options many = {HEED_SPLIT_SCAFFOLD_FOLDS, 5, 15, 0, 0};
  ck_assert_int_eq(heed_collection_split(c, &many), HEED_ARGUMENT); /* of 14 scaffolds */
  heed_collection_free(c);
}
END_TEST

START_TEST(line_graphs_of_molecules) {
  heed_collection *c = molecule("CCO"), *lines, *salt;
  ck_assert_int_eq(heed_collection_line_graphs(&lines, c), HEED_OK);
  ck_assert_int_eq(heed_collection_nodes(lines), 2);
  ck_assert_int_eq(heed_collection_edge_count(lines), 1);
  ck_assert_str_eq(heed_collection_name(lines, 0), "CCO");
  ck_assert_int_eq(total(lines, false, "sum of element=C"), 3);
  ck_assert_int_eq(total(lines, false, "difference of element=C"), 1);
  ck_assert_int_eq(total(lines, false, "edge bond=single"), 2);
  ck_assert_int_eq(total(lines, true, "shared element=C"), 1);
  ck_assert_int_eq(total(lines, true, "shared hydrogens=2"), 1);
  heed_collection_free(lines);
  heed_collection_free(c);
  salt = molecule("[Na+].[Cl-]");
  ck_assert_int_eq(heed_collection_line_graphs(&lines, salt), HEED_OK);
  ck_assert_int_eq(heed_collection_nodes(lines), 1);
  ck_assert_int_eq(heed_collection_edge_count(lines), 0);
  const heed_matrix *x = heed_collection_node_matrix(lines);
  for (int64_t k = 0; k < x->cols; k++) ck_assert_float_eq(x->data[k], 0);
  heed_collection_free(lines);
  heed_collection_free(salt);
}
END_TEST

int main(void) {
  if (strstr(heed_data_library(), "no Indigo") != NULL) {
    heed_collection *c;
    int wrong = heed_molecule_read(&c, "C") != HEED_UNSUPPORTED ||
                heed_collection_open(&c, TEST_FILES "good-table.csv", NULL) != HEED_UNSUPPORTED ||
                heed_collection_open(&c, TEST_FILES "good-two.sdf", NULL) != HEED_UNSUPPORTED ||
                heed_molecule_layout("C", 1, NULL, NULL) != HEED_UNSUPPORTED;
    puts("skipped: this build has no Indigo, so no molecules");
    return wrong ? EXIT_FAILURE : 77;
  }
  Suite *suite = suite_create("molecules");
  TCase *one = tcase_create("one");
  tcase_add_loop_test(one, known_molecules, 0, sizeof known / sizeof *known);
  tcase_add_loop_test(one, bad_molecules_are_refused, 0, sizeof bad_smiles / sizeof *bad_smiles);
  tcase_add_test(one, layouts);
  tcase_add_test(one, scaffolds);
  tcase_add_test(one, hashes_know_molecules);
  suite_add_tcase(suite, one);
  TCase *many = tcase_create("many");
  tcase_set_timeout(many, 60);
  tcase_add_loop_test(many, tables, 0, 18);
  tcase_add_test(many, sdf);
  tcase_add_loop_test(many, bad_files_are_refused, 0, sizeof bad_files / sizeof *bad_files);
  tcase_add_loop_test(many, every_allocation_may_fail, 0, 6);
  tcase_add_test(many, built_in_molecules);
  tcase_add_test(many, the_same_molecule_is_on_one_side);
  tcase_add_test(many, scaffolds_stay_together);
  tcase_add_test(many, line_graphs_of_molecules);
  suite_add_tcase(suite, many);
  return run_suite(suite);
}
