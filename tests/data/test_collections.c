/* Real collections of graphs, in the folder that HEED_DATASETS names. */
#include <check.h>
#include <heed/data.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "expect.h"

static heed_collection *open_set(const char *name, const heed_collection_options *options) {
  char path[1000];
  heed_collection *c;
  snprintf(path, sizeof path, "%s/%s", getenv("HEED_DATASETS"), name);
  double start = heed_seconds();
  ck_assert_msg(heed_collection_open(&c, path, options) == HEED_OK, "%s", heed_message());
  printf("%s: %lld graphs, %lld nodes, %lld edges in %.2f s\n", name,
         (long long)heed_collection_graphs(c), (long long)heed_collection_nodes(c),
         (long long)heed_collection_edge_count(c), heed_seconds() - start);
  return c;
}

static int64_t labelled(const heed_collection *c, int32_t label) {
  int64_t n = 0;
  for (int64_t g = 0; g < heed_collection_graphs(c); g++)
    n += heed_collection_labels(c)[g] == label;
  return n;
}

START_TEST(mutag) {
  heed_collection *c = open_set("MUTAG", NULL);
  ck_assert_int_eq(heed_collection_graphs(c), 188);
  ck_assert_int_eq(heed_collection_nodes(c), 3371);
  ck_assert_int_eq(heed_collection_edge_count(c), 3721);
  ck_assert_int_eq(heed_collection_features(c), 7);
  ck_assert_int_eq(heed_collection_edge_features(c), 4);
  ck_assert_int_eq(heed_collection_outputs(c), 2);
  ck_assert_int_eq(labelled(c, 0), 63);
  ck_assert_int_eq(labelled(c, 1), 125);
  ck_assert_str_eq(heed_collection_target_name(c, 0), "-1");
  heed_collection_free(c);
}
END_TEST

START_TEST(proteins) {
  heed_collection *c = open_set("PROTEINS_full", NULL);
  ck_assert_int_eq(heed_collection_graphs(c), 1113);
  ck_assert_int_eq(heed_collection_nodes(c), 43471);
  ck_assert_int_eq(heed_collection_edge_count(c), 81044);
  ck_assert_int_eq(heed_collection_features(c), 3);
  ck_assert_int_eq(heed_collection_edge_features(c), 0);
  ck_assert_int_eq(labelled(c, 0), 663);
  ck_assert_int_eq(labelled(c, 1), 450);
  heed_mask mask;
  ck_assert_int_eq(heed_collection_mask(c, &mask), HEED_OK);
  ck_assert_int_eq(mask.n_pairs, 162088);
  heed_mask_stats stats;
  ck_assert_int_eq(heed_mask_statistics(&mask, &stats), HEED_OK);
  ck_assert_int_eq(stats.empty_rows, 5);
  heed_mask_free(&mask);
  heed_collection_free(c);
}
END_TEST

/* Splits of molecules: disjoint, covering, each of one molecule or of one scaffold on one side. */
static void check_split(heed_collection *c, heed_collection_split_kind kind) {
  const heed_collection_split_options options = {kind, 0, heed_collection_split_folds(kind) ? 5 : 2, 0.8,
                                                 0.1};
  double start = heed_seconds();
  ck_assert_msg(heed_collection_split(c, &options) == HEED_OK, "%s", heed_message());
  printf("%s in %.2f s:", heed_collection_split_name(kind), heed_seconds() - start);
  int64_t graphs = heed_collection_graphs(c);
  for (int s = 0; s < heed_collection_splits(c); s++) {
    int64_t count[3] = {0, 0, 0};
    for (int64_t g = 0; g < graphs; g++) {
      int in = 0;
      for (int part = 0; part < 3; part++) {
        int here = heed_collection_split_part(c, s, (heed_part)part)[g];
        in += here;
        count[part] += here;
      }
      ck_assert_int_eq(in, 1);
    }
    printf(" %lld/%lld/%lld", (long long)count[0], (long long)count[1], (long long)count[2]);
    if (heed_collection_split_folds(kind)) continue;
    ck_assert_double_le(fabs((double)count[0] / (double)graphs - 0.8), 0.01);
    ck_assert_double_le(fabs((double)count[1] / (double)graphs - 0.1), 0.01);
  }
  printf("\n");
  for (int64_t g = 0; g < graphs; g++) {
    for (int64_t h = g + 1; h < graphs; h++) {
      if (strcmp(heed_collection_name(c, g), heed_collection_name(c, h)) != 0) continue;
      for (int part = 0; part < 3; part++) {
        const uint8_t *is = heed_collection_split_part(c, 0, (heed_part)part);
        ck_assert_int_eq(is[g], is[h]);
      }
    }
  }
}

START_TEST(esol) {
  heed_collection *c;
  const heed_collection_options options = {.targets = "measured log solubility in mols per litre"};
  c = open_set("esol.csv", &options);
  ck_assert_int_eq(heed_collection_graphs(c), 1128);
  ck_assert_int_eq(heed_collection_outputs(c), 1);
  ck_assert_int_eq(heed_collection_kind(c), HEED_TARGET_NUMBER);
  ck_assert_float_eq(heed_collection_values(c)->data[0], -0.77f);
  ck_assert_int_eq(heed_collection_skipped(c), 0);
  int64_t alone = 0;
  for (int64_t g = 0; g < 1128; g++) {
    const int64_t *ptr = heed_collection_graph_ptr(c);
    alone += ptr[g + 1] - ptr[g] == 1;
    ck_assert_int_ge(ptr[g + 1] - ptr[g], 1);
  }
  ck_assert_int_eq(alone, 1);
  check_split(c, HEED_SPLIT_RANDOM);
  check_split(c, HEED_SPLIT_SCAFFOLD);
  check_split(c, HEED_SPLIT_FOLDS);
  check_split(c, HEED_SPLIT_SCAFFOLD_FOLDS);
  heed_collection_free(c);
}
END_TEST

START_TEST(tox21) {
  heed_collection *c = open_set("tox21.csv.gz", NULL);
  ck_assert_int_eq(heed_collection_graphs(c), 8014);
  ck_assert_int_eq(heed_collection_kind(c), HEED_TARGET_BINARY);
  ck_assert_int_eq(heed_collection_outputs(c), 12);
  ck_assert_str_eq(heed_collection_target_name(c, 11), "SR-p53");
  ck_assert_int_eq(heed_collection_skipped(c), 0);
  check_split(c, HEED_SPLIT_RANDOM);
  check_split(c, HEED_SPLIT_SCAFFOLD);
  heed_collection_free(c);
}
END_TEST

int main(void) {
  if (getenv("HEED_DATASETS") == NULL) {
    printf("HEED_DATASETS is not set: it names the folder of the data sets\n");
    return 77;
  }
  Suite *suite = suite_create("collections");
  TCase *sets = tcase_create("sets");
  tcase_set_timeout(sets, 60);
  tcase_add_test(sets, mutag);
  tcase_add_test(sets, proteins);
  if (strstr(heed_data_library(), "no Indigo") == NULL) {
    tcase_add_test(sets, esol);
    tcase_add_test(sets, tox21);
  } else {
    printf("without Indigo there are no molecules\n");
  }
  suite_add_tcase(suite, sets);
  return run_suite(suite);
}
