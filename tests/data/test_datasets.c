/* Real graphs, where HEED_DATASETS names their folder. */
#include <heed/data.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The club that Heed has built in is the one in the folder: graph, factions and all. */
static int check_karate(const char *folder) {
  char path[4096];
  snprintf(path, sizeof path, "%s/karate.graphml", folder);
  const heed_data_options options = {.label = "club"};
  heed_data *own, *other = NULL;
  if (heed_data_open(&own, "karate", NULL) != HEED_OK ||
      heed_data_open(&other, path, &options) != HEED_OK) {
    printf("%s\n", heed_message());
    heed_data_free(own);
    return 1;
  }
  igraph_bool_t same = false;
  igraph_is_same_graph(heed_data_graph(own), heed_data_graph(other), &same);
  if (memcmp(heed_data_labels(own), heed_data_labels(other), 34 * sizeof(int32_t)) != 0) {
    same = false;
  }
  printf("karate: %s\n", same ? "as built in" : "not as built in");
  heed_data_free(own);
  heed_data_free(other);
  return !same;
}

int main(void) {
  static const struct {
    const char *name;
    int64_t nodes, edges, features;
    int classes, splits;
  } sets[] = {{"cora", 2708, 5278, 1433, 7, 1},
              {"citeseer", 3327, 4552, 3703, 6, 1},
              {"facebook", 22470, 170823, 4714, 4, 10},
              {"twitch_engb", 7126, 35324, 3170, 2, 10}};
  const char *folder = getenv("HEED_DATASETS");
  if (folder == NULL) {
    puts("skipped: HEED_DATASETS does not name a folder of data sets");
    return 77;
  }
  int failed = check_karate(folder);
  for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.npz", folder, sets[i].name);
    heed_data *data;
    if (heed_data_open(&data, path, NULL) != HEED_OK) {
      printf("%s\n", heed_message());
      failed = 1;
      continue;
    }
    int same = heed_data_nodes(data) == sets[i].nodes &&
               igraph_ecount(heed_data_graph(data)) == sets[i].edges &&
               heed_data_features(data) == sets[i].features &&
               heed_data_classes(data) == sets[i].classes &&
               heed_data_splits(data) == sets[i].splits;
    printf("%s: %s\n", sets[i].name, same ? "as described" : "not as described");
    if (!same) failed = 1;
    heed_data_free(data);
  }
  return failed;
}
