/* Real collections of graphs, in the folder that HEED_DATASETS names. */
#include <check.h>
#include <heed/data.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
  for (int64_t g = 0; g < heed_collection_graphs(c); g++) n += heed_collection_labels(c)[g] == label;
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
  suite_add_tcase(suite, sets);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
