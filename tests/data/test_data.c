#include <check.h>
#include <heed/data.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

#define FILE_OF(name) TEST_FILES name ".npz"

static const struct {
  const char *path;
  heed_status status;
  const char *says;
} bad[] = {
    {FILE_OF("bad-nan"), HEED_VALUE, "nan at [2, 1]"},
    {FILE_OF("bad-minus-infinity"), HEED_VALUE, "-inf at [1, 0]"},
    {FILE_OF("bad-edge"), HEED_RANGE, "row 1 names node 4 of 4"},
    {FILE_OF("bad-lengths"), HEED_SHAPE, "has 4 nodes, array 'node_labels' has 5"},
    {FILE_OF("bad-split-length"), HEED_SHAPE, "'val_masks' has 3 nodes"},
    {FILE_OF("bad-split-count"), HEED_SHAPE, "'val_masks' has 2 splits"},
    {FILE_OF("bad-column"), HEED_RANGE, "row 0 has column 3 of 3"},
    {FILE_OF("bad-indptr"), HEED_SHAPE, "ends with 3"},
    {FILE_OF("bad-pickled"), HEED_UNSUPPORTED, "pickled"},
    {FILE_OF("bad-big-endian"), HEED_UNSUPPORTED, "big-endian"},
    {FILE_OF("bad-four-gigabytes"), HEED_FORMAT, "takes 4294967296 bytes"},
    {FILE_OF("bad-size"), HEED_FORMAT, "takes 12 bytes, the archive has 8"},
    {FILE_OF("bad-overflow"), HEED_OVERFLOW, "does not fit"},
    {FILE_OF("bad-dict"), HEED_FORMAT, "lacks one of"},
    {FILE_OF("bad-bomb"), HEED_FORMAT, "no real data"},
    {FILE_OF("bad-twice"), HEED_FORMAT, "twice"},
    {FILE_OF("bad-truncated"), HEED_FORMAT, "bad-truncated.npz"},
    {FILE_OF("bad-directory"), HEED_FORMAT, "bad-directory.npz"},
    {FILE_OF("bad-checksum"), HEED_FORMAT, "CRC"},
    {FILE_OF("no-such"), HEED_IO, "no-such.npz"},
};

START_TEST(bad_archives_are_refused) {
  heed_data *data;
  size_t held = heed_memory_held();
  heed_memory_peak_reset();
  ck_assert_msg(heed_data_open(&data, bad[_i].path, NULL) == bad[_i].status, "%s: %s",
                bad[_i].path, heed_message());
  ck_assert_msg(strstr(heed_message(), bad[_i].says) != NULL, "%s", heed_message());
  ck_assert_uint_eq(heed_memory_held(), held);
  ck_assert_uint_lt(heed_memory_peak() - held, 1 << 20);
}
END_TEST

START_TEST(every_allocation_may_fail) {
  static const char *const paths[] = {FILE_OF("good-dense"), FILE_OF("good-sparse")};
  bool passed = false;
  for (int n = 0; !passed; n++) {
    size_t held = heed_memory_held();
    heed_data *data = NULL;
    heed__alloc_fail_after(n);
    heed_status status = heed_data_open(&data, paths[_i], NULL);
    heed__alloc_fail_after(-1);
    ck_assert(status == HEED_OK || status == HEED_NOMEM);
    passed = status == HEED_OK;
    if (passed) {
      ck_assert_int_eq(heed_data_nodes(data), 4);
      ck_assert_int_eq(heed_data_features(data), 3);
      ck_assert_int_eq(heed_data_classes(data), 2);
      ck_assert_int_eq(heed_data_labels(data)[2], -1);
      ck_assert_int_eq(igraph_ecount(heed_data_graph(data)), 2);
      ck_assert_int_eq(heed_data_splits(data), _i == 0);
      float out[8];
      ck_assert_int_eq(heed_data_project(data, 1, 2, 2, out), HEED_OK);
      heed_data_free(data);
    }
    ck_assert_uint_eq(heed_memory_held(), held);
  }
}
END_TEST

START_TEST(arrays_come_back) {
  static const int64_t numbers[6] = {0, 1, 1, 0, 1, 1};
  char path[] = "/tmp/heed-data-XXXXXX";
  close(mkstemp(path));
  heed_array array = {"x", HEED_DTYPE_INT64, 2, {2, 3}, numbers};
  ck_assert_int_eq(heed_npz_write(path, &array, 1), HEED_OK);
  heed_npz *npz;
  ck_assert_int_eq(heed_npz_open(&npz, path), HEED_OK);
  int64_t shape[2] = {-1, 3};
  void *data;
  ck_assert_int_eq(heed_npz_read(npz, "x", HEED_DTYPE_INT64, false, 2, shape, &data), HEED_OK);
  ck_assert_mem_eq(data, numbers, sizeof numbers);
  heed_npz_free(data);
  heed_npz_close(npz);
  unlink(path);
  ck_assert_int_eq(heed_npz_open(&npz, FILE_OF("good-fortran")), HEED_OK);
  int64_t all[2] = {-1, -1};
  ck_assert_int_eq(heed_npz_read(npz, "x", HEED_DTYPE_FLOAT32, false, 2, all, &data), HEED_OK);
  for (int i = 0; i < 12; i++) ck_assert_float_eq(((float *)data)[i], (float)i);
  heed_npz_free(data);
  heed_npz_close(npz);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("data");
  TCase *tests = tcase_create("archives");
  tcase_add_loop_test(tests, bad_archives_are_refused, 0, sizeof bad / sizeof *bad);
  tcase_add_loop_test(tests, every_allocation_may_fail, 0, 2);
  tcase_add_test(tests, arrays_come_back);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed == 0 ? 0 : 1;
}
