/* Splits that no file has. */
#include <heed/data.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/random.h"
#include "base/status.h"
#include "data/data.h"

/* Puts splits in the place of those that there are, which is all or nothing. */
static void put_parts(heed_data *data, int splits, uint8_t *const parts[HEED__PARTS]) {
  for (int part = 0; part < HEED__PARTS; part++) {
    heed__free(data->parts[part]);
    data->parts[part] = parts[part];
  }
  data->splits = splits;
}

static heed_status alloc_parts(const heed_data *data, int splits, uint8_t *parts[HEED__PARTS]) {
  size_t bytes = (size_t)splits * (size_t)data->nodes; /* 2^16 times 2^31 at most */
  for (int part = 0; part < HEED__PARTS; part++) {
    parts[part] = heed__alloc_zero(bytes, 1);
    if (parts[part] != NULL) continue;
    while (part > 0) heed__free(parts[--part]);
    return HEED_NOMEM;
  }
  return HEED_OK;
}

/* How many nodes of a class train, and how many train or validate. */
typedef struct class_cuts {
  int64_t nodes;
  int64_t train, validation_end;
  int64_t seen; /* while a split is dealt */
} class_cuts;

static heed_status check_options(const heed_data *data, const heed_split_options *options) {
  if (data->labels == NULL) {
    return heed__fail(HEED_ARGUMENT, "splits by class of a graph without labels");
  }
  if (options->splits < 1 || options->splits > HEED__MOST_SPLITS) {
    return heed__fail(HEED_ARGUMENT, "%d splits: not between 1 and %d", options->splits,
                      HEED__MOST_SPLITS);
  }
  double train = options->train, validation = options->validation;
  if (!(train >= 0 && validation >= 0 && train + validation <= 1)) {
    return heed__fail(HEED_ARGUMENT,
                      "shares %g for training and %g for validation: not from 0 to 1 together",
                      train, validation);
  }
  if (options->train_per_class < 0 || options->validation_per_class < 0) {
    return heed__fail(HEED_ARGUMENT, "%lld nodes of a class for training, %lld for validation",
                      (long long)options->train_per_class,
                      (long long)options->validation_per_class);
  }
  return HEED_OK;
}

static heed_status cut_classes(const heed_data *data, const heed_split_options *options,
                               class_cuts *cuts) {
  for (int64_t i = 0; i < data->nodes; i++) {
    if (data->labels[i] >= 0) cuts[data->labels[i]].nodes++;
  }
  for (int32_t c = 0; c < data->classes; c++) {
    int64_t n = cuts[c].nodes, train = options->train_per_class;
    int64_t validation = options->validation_per_class;
    if (train == 0) train = llround(options->train * (double)n);
    /* Shares are cut at their sum, so that both together never round above the class. */
    if (validation == 0 && options->train_per_class > 0) {
      validation = llround(options->validation * (double)n);
    } else if (validation == 0) {
      validation = llround((options->train + options->validation) * (double)n) - train;
    }
    if (train > n || validation > n - train) {
      return heed__fail(HEED_ARGUMENT,
                        "class %d has %lld nodes, but %lld for training and %lld for validation "
                        "were asked for",
                        (int)c, (long long)n, (long long)train, (long long)validation);
    }
    cuts[c].train = train;
    cuts[c].validation_end = train + validation;
  }
  return HEED_OK;
}

static void deal(const heed_data *data, const heed_split_options *options, int split,
                 int32_t *order, class_cuts *cuts, uint8_t *const parts[HEED__PARTS]) {
  for (int64_t i = 0; i < data->nodes; i++) order[i] = (int32_t)i;
  heed__shuffle(options->seed, HEED__SPLIT_STREAM + (uint64_t)split, 0, order, data->nodes);
  for (int32_t c = 0; c < data->classes; c++) cuts[c].seen = 0;
  for (int64_t i = 0; i < data->nodes; i++) {
    int32_t label = data->labels[order[i]];
    if (label < 0) continue;
    class_cuts *cut = &cuts[label];
    heed_part part = cut->seen < cut->train            ? HEED_PART_TRAIN
                     : cut->seen < cut->validation_end ? HEED_PART_VALIDATION
                                                       : HEED_PART_TEST;
    cut->seen++;
    parts[part][(int64_t)split * data->nodes + order[i]] = 1;
  }
}

heed_status heed_data_make_splits(heed_data *data, const heed_split_options *options) {
  HEED__TRY(check_options(data, options));
  uint8_t *parts[HEED__PARTS];
  class_cuts *cuts = heed__alloc_zero((size_t)data->classes, sizeof *cuts);
  int32_t *order = cuts == NULL ? NULL : heed__alloc((size_t)data->nodes, sizeof *order);
  heed_status status = order == NULL ? HEED_NOMEM : cut_classes(data, options, cuts);
  if (status == HEED_OK) status = alloc_parts(data, options->splits, parts);
  if (status == HEED_OK) {
    for (int s = 0; s < options->splits; s++) deal(data, options, s, order, cuts, parts);
    put_parts(data, options->splits, parts);
  }
  heed__free(order);
  heed__free(cuts);
  return status;
}

heed_status heed__data_karate_splits(heed_data *data, uint64_t seed) {
  const heed_split_options options = {
      .seed = seed, .splits = 10, .train_per_class = 4, .validation_per_class = 4};
  return heed_data_make_splits(data, &options);
}

heed_status heed__data_dictionary_splits(heed_data *data, int64_t k) {
  uint8_t *parts[HEED__PARTS];
  HEED__TRY(alloc_parts(data, 1, parts));
  int64_t graphs = data->nodes / (2 * k);
  int64_t test = graphs < 3 ? 0 : graphs < 5 ? 1 : graphs / 5;
  int64_t validation = graphs < 3 ? 0 : graphs < 10 ? 1 : graphs / 10;
  for (int64_t i = 0; i < data->nodes; i++) {
    int64_t g = i / (2 * k);
    heed_part part = g >= graphs - test                ? HEED_PART_TEST
                     : g >= graphs - test - validation ? HEED_PART_VALIDATION
                                                       : HEED_PART_TRAIN;
    if (data->labels[i] >= 0) parts[part][i] = 1;
  }
  put_parts(data, 1, parts);
  return HEED_OK;
}
