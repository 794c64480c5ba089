#include <check.h>
#include <heed/data.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

#define TARGET "x.npz"
#include "expect.h"
#include "folder.h"

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
  ck_assert_msg(heed_data_open(&data, bad[_i].path, NULL) == bad[_i].status, "%s: %s", bad[_i].path,
                heed_message());
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

static const uint8_t bools[4] = {1, 0, 0, 1};
static const int8_t int8s[4] = {INT8_MIN, -1, 0, INT8_MAX};
static const uint8_t uint8s[4] = {0, 1, 2, UINT8_MAX};
static const int16_t int16s[4] = {INT16_MIN, -1, 0, INT16_MAX};
static const uint16_t uint16s[4] = {0, 1, 2, UINT16_MAX};
static const int32_t int32s[4] = {INT32_MIN, -1, 0, INT32_MAX};
static const uint32_t uint32s[4] = {0, 1, 2, UINT32_MAX};
static const int64_t int64s[4] = {INT64_MIN, -1, 0, INT64_MAX};
static const uint64_t uint64s[4] = {0, 1, 2, INT64_MAX};
static const float floats[4] = {-3, 0, 1, 16777216};
static const double doubles[4] = {-3, 0, 1, 65536};

static const heed_array typed[] = {
    {"bool", HEED_DTYPE_BOOL, 1, {4}, bools},
    {"int8", HEED_DTYPE_INT8, 2, {2, 2}, int8s},
    {"uint8", HEED_DTYPE_UINT8, 2, {4, 1}, uint8s},
    {"int16", HEED_DTYPE_INT16, 1, {4}, int16s},
    {"uint16", HEED_DTYPE_UINT16, 3, {1, 4, 1}, uint16s},
    {"int32", HEED_DTYPE_INT32, 1, {4}, int32s},
    {"uint32", HEED_DTYPE_UINT32, 1, {4}, uint32s},
    {"int64", HEED_DTYPE_INT64, 8, {1, 1, 1, 2, 1, 1, 2, 1}, int64s},
    {"uint64", HEED_DTYPE_UINT64, 1, {4}, uint64s},
    {"float32", HEED_DTYPE_FLOAT32, 2, {2, 2}, floats},
    {"float64", HEED_DTYPE_FLOAT64, 1, {4}, doubles},
    {"scalar", HEED_DTYPE_INT32, 0, {0}, int32s + 3},
    {"empty", HEED_DTYPE_FLOAT32, 2, {0, 5}, NULL},
};
enum { N_TYPED = sizeof typed / sizeof *typed };

/* Element i of an array of that type, as a double. */
static double element(const heed_array *array, int i) {
  switch (array->dtype) {
    case HEED_DTYPE_INT8:
      return ((const int8_t *)array->data)[i];
    case HEED_DTYPE_INT16:
      return ((const int16_t *)array->data)[i];
    case HEED_DTYPE_UINT16:
      return ((const uint16_t *)array->data)[i];
    case HEED_DTYPE_INT32:
      return ((const int32_t *)array->data)[i];
    case HEED_DTYPE_UINT32:
      return ((const uint32_t *)array->data)[i];
    case HEED_DTYPE_INT64:
      return (double)((const int64_t *)array->data)[i];
    case HEED_DTYPE_UINT64:
      return (double)((const uint64_t *)array->data)[i];
    case HEED_DTYPE_FLOAT32:
      return ((const float *)array->data)[i];
    case HEED_DTYPE_FLOAT64:
      return ((const double *)array->data)[i];
    default:
      return ((const uint8_t *)array->data)[i];
  }
}

START_TEST(every_type_comes_back) {
  make_folder();
  ck_assert_int_eq(heed_npz_write(target, typed, N_TYPED), HEED_OK);
  heed_npz *npz;
  ck_assert_int_eq(heed_npz_open(&npz, target), HEED_OK);
  ck_assert_int_eq(heed_npz_count(npz), N_TYPED);
  for (int i = 0; i < N_TYPED; i++) {
    const heed_array *array = heed_npz_at(npz, i), *was = &typed[i];
    ck_assert_str_eq(array->name, was->name);
    ck_assert_ptr_eq(heed_npz_find(npz, was->name), array);
    ck_assert_int_eq(array->dtype, was->dtype);
    ck_assert_int_eq(array->n_dims, was->n_dims);
    int64_t shape[HEED_NPZ_MAX_DIMS], n = 1;
    for (int k = 0; k < was->n_dims; k++) {
      ck_assert_int_eq(array->shape[k], was->shape[k]);
      shape[k] = k % 2 == 0 ? -1 : was->shape[k];
      n *= was->shape[k];
    }
    void *data;
    ck_assert_msg(heed_npz_read(npz, was->name, HEED_DTYPE_FLOAT32, false, was->n_dims, shape,
                                &data) == HEED_OK,
                  "%s", heed_message());
    for (int k = 0; k < was->n_dims; k++) ck_assert_int_eq(shape[k], was->shape[k]);
    for (int k = 0; k < n; k++) ck_assert(((float *)data)[k] == (float)element(was, k));
    heed_npz_free(data);
    ck_assert_msg(heed_npz_read(npz, was->name, HEED_DTYPE_INT64, false, was->n_dims, shape,
                                &data) == HEED_OK,
                  "%s", heed_message());
    /* The largest would round as a double. */
    if (was->dtype == HEED_DTYPE_INT64 || was->dtype == HEED_DTYPE_UINT64) {
      ck_assert_mem_eq(data, was->data, 4 * sizeof(int64_t));
    }
    for (int k = 0; k < n; k++) ck_assert((double)((int64_t *)data)[k] == element(was, k));
    heed_npz_free(data);
  }
  heed_npz_close(npz);
  remove_folder();
}
END_TEST

START_TEST(what_does_not_fit_is_refused) {
  static const struct {
    const char *name;
    heed_dtype dtype;
  } narrow[] = {{"int64", HEED_DTYPE_INT32}, {"uint32", HEED_DTYPE_INT32},
                {"int32", HEED_DTYPE_UINT8}, {"int8", HEED_DTYPE_UINT8},
                {"uint8", HEED_DTYPE_BOOL},  {"float32", HEED_DTYPE_UINT8},
                {"uint16", HEED_DTYPE_UINT8}};
  make_folder();
  ck_assert_int_eq(heed_npz_write(target, typed, N_TYPED), HEED_OK);
  heed_npz *npz;
  ck_assert_int_eq(heed_npz_open(&npz, target), HEED_OK);
  size_t held = heed_memory_held();
  void *data;
  for (size_t i = 0; i < sizeof narrow / sizeof *narrow; i++) {
    const heed_array *array = heed_npz_find(npz, narrow[i].name);
    int64_t shape[HEED_NPZ_MAX_DIMS] = {-1, -1, -1, -1, -1, -1, -1, -1};
    ck_assert_msg(heed_npz_read(npz, narrow[i].name, narrow[i].dtype, false, array->n_dims, shape,
                                &data) == HEED_RANGE,
                  "%s: %s", narrow[i].name, heed_message());
    ck_assert_ptr_nonnull(strstr(heed_message(), narrow[i].name));
  }
  int64_t four = 4, five = 5, two[2] = {2, 2};
  ck_assert_int_eq(heed_npz_read(npz, "int32", HEED_DTYPE_INT32, false, 1, &five, &data),
                   HEED_SHAPE);
  ck_assert_int_eq(heed_npz_read(npz, "int32", HEED_DTYPE_INT32, false, 2, two, &data), HEED_SHAPE);
  ck_assert_int_eq(heed_npz_read(npz, "none", HEED_DTYPE_INT32, false, 1, &four, &data),
                   HEED_ARGUMENT);
  ck_assert_ptr_null(heed_npz_find(npz, "none"));
  ck_assert_uint_eq(heed_memory_held(), held);
  heed_npz_close(npz);
  remove_folder();
}
END_TEST

START_TEST(minus_infinity_where_it_may_be) {
  static const float bias[3] = {0, -INFINITY, 1}, other[3] = {0, INFINITY, 1};
  const heed_array arrays[2] = {{"bias", HEED_DTYPE_FLOAT32, 1, {3}, bias},
                                {"other", HEED_DTYPE_FLOAT32, 1, {3}, other}};
  make_folder();
  ck_assert_int_eq(heed_npz_write(target, arrays, 2), HEED_OK);
  heed_npz *npz;
  ck_assert_int_eq(heed_npz_open(&npz, target), HEED_OK);
  int64_t n = -1;
  void *data;
  ck_assert_int_eq(heed_npz_read(npz, "bias", HEED_DTYPE_FLOAT32, true, 1, &n, &data), HEED_OK);
  ck_assert_mem_eq(data, bias, sizeof bias);
  heed_npz_free(data);
  ck_assert_int_eq(heed_npz_read(npz, "bias", HEED_DTYPE_FLOAT32, false, 1, &n, &data), HEED_VALUE);
  ck_assert_int_eq(heed_npz_read(npz, "other", HEED_DTYPE_FLOAT32, true, 1, &n, &data), HEED_VALUE);
  heed_npz_close(npz);
  remove_folder();
}
END_TEST

START_TEST(same_arrays_same_bytes) {
  static char first[65536], second[65536];
  make_folder();
  ck_assert_int_eq(heed_npz_write(target, typed, N_TYPED), HEED_OK);
  size_t n = slurp(target, first, sizeof first);
  ck_assert(n > 1000 && n < sizeof first);
  sleep(2); /* an archive's times count by two seconds */
  ck_assert_int_eq(heed_npz_write(target, typed, N_TYPED), HEED_OK);
  ck_assert_uint_eq(slurp(target, second, sizeof second), n);
  ck_assert_mem_eq(first, second, n);
  ck_assert_int_eq(files_in_folder(), 1);
  remove_folder();
}
END_TEST

START_TEST(a_failed_write_changes_nothing) {
  char bytes[16];
  make_folder();
  FILE *old = fopen(target, "wb");
  ck_assert_ptr_nonnull(old);
  fputs("what stood", old);
  fclose(old);
  size_t held = heed_memory_held();
  const heed_array twice[2] = {typed[0], typed[0]};
  const heed_array missing = {"x", HEED_DTYPE_INT32, 1, {4}, NULL};
  const heed_array huge = {"x", HEED_DTYPE_INT64, 2, {INT64_MAX, INT64_MAX}, int64s};
  const heed_array negative = {"x", HEED_DTYPE_INT64, 1, {-1}, int64s};
  const heed_array nameless = {"", HEED_DTYPE_INT64, 1, {4}, int64s};
  ck_assert_int_eq(heed_npz_write(target, twice, 2), HEED_ARGUMENT);
  ck_assert_int_eq(heed_npz_write(target, typed, 0), HEED_ARGUMENT);
  ck_assert_int_eq(heed_npz_write(target, &missing, 1), HEED_ARGUMENT);
  ck_assert_int_eq(heed_npz_write(target, &nameless, 1), HEED_ARGUMENT);
  ck_assert_int_eq(heed_npz_write(target, &huge, 1), HEED_OVERFLOW);
  ck_assert_int_eq(heed_npz_write(target, &negative, 1), HEED_OVERFLOW);
  /* The disk is full: here, a limit on the size of files. */
  static const int64_t zeros[1 << 14];
  static float noise[1 << 15];
  heed_random_uniform(1, 1, noise, 1 << 15, 0, 1);
  const heed_array big[2] = {{"zeros", HEED_DTYPE_INT64, 1, {1 << 14}, zeros},
                             {"noise", HEED_DTYPE_FLOAT32, 1, {1 << 15}, noise}};
  struct rlimit before, small;
  getrlimit(RLIMIT_FSIZE, &before);
  small = before;
  small.rlim_cur = 1 << 13;
  signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &small);
  heed_status status = heed_npz_write(target, big, 2);
  setrlimit(RLIMIT_FSIZE, &before);
  ck_assert_msg(status == HEED_IO, "%d: %s", (int)status, heed_message());
  if (geteuid() != 0) {
    chmod(folder, 0500);
    ck_assert_int_eq(heed_npz_write(target, typed, N_TYPED), HEED_IO);
    chmod(folder, 0700);
  }
  ck_assert_int_eq(files_in_folder(), 1);
  ck_assert_uint_eq(slurp(target, bytes, sizeof bytes), 10);
  ck_assert_mem_eq(bytes, "what stood", 10);
  /* A folder where the file should go. */
  unlink(target);
  ck_assert_int_eq(mkdir(target, 0700), 0);
  ck_assert_int_eq(heed_npz_write(target, typed, N_TYPED), HEED_IO);
  ck_assert_int_eq(files_in_folder(), 1);
  ck_assert_int_eq(rmdir(target), 0);
  ck_assert_int_eq(heed_npz_write("/no/such/folder/x.npz", typed, N_TYPED), HEED_IO);
  ck_assert_uint_eq(heed_memory_held(), held);
  remove_folder();
}
END_TEST

START_TEST(a_write_may_run_out_of_memory) {
  make_folder();
  size_t held = heed_memory_held();
  heed_status status = HEED_NOMEM;
  int n = 0;
  for (; status != HEED_OK; n++) {
    heed__alloc_fail_after(n);
    status = heed_npz_write(target, typed, N_TYPED);
    heed__alloc_fail_after(-1);
    ck_assert(status == HEED_OK || status == HEED_NOMEM);
    ck_assert_int_eq(files_in_folder(), status == HEED_OK);
    ck_assert_uint_eq(heed_memory_held(), held);
  }
  ck_assert_int_gt(n, 1);
  remove_folder();
}
END_TEST

START_TEST(reading_may_run_out_of_memory) {
  static const char *const paths[] = {FILE_OF("good-dense"), FILE_OF("good-fortran")};
  static const char *const names[] = {"node_features", "x"};
  size_t held = heed_memory_held();
  heed_npz *npz = NULL;
  heed_status status = HEED_NOMEM;
  int n = 0;
  for (; status != HEED_OK; n++) {
    heed__alloc_fail_after(n);
    status = heed_npz_open(&npz, paths[_i]);
    heed__alloc_fail_after(-1);
    ck_assert(status == HEED_OK || status == HEED_NOMEM);
    if (status != HEED_OK) ck_assert_uint_eq(heed_memory_held(), held);
  }
  ck_assert_int_gt(n, 1);
  size_t opened = heed_memory_held();
  status = HEED_NOMEM;
  for (n = 0; status != HEED_OK; n++) {
    int64_t shape[2] = {-1, -1};
    void *data = NULL;
    heed__alloc_fail_after(n);
    status = heed_npz_read(npz, names[_i], HEED_DTYPE_FLOAT32, false, 2, shape, &data);
    heed__alloc_fail_after(-1);
    ck_assert(status == HEED_OK || status == HEED_NOMEM);
    if (status == HEED_OK) {
      for (int i = 0; i < 12; i++) ck_assert_float_eq(((float *)data)[i], (float)i);
      heed_npz_free(data);
    }
    ck_assert_uint_eq(heed_memory_held(), opened);
  }
  ck_assert_int_gt(n, 1);
  heed_npz_close(npz);
  ck_assert_uint_eq(heed_memory_held(), held);
}
END_TEST

/* The comment of an archive stands at its end, its length in the two bytes before. */
START_TEST(a_comment_does_no_harm) {
  static char bytes[65536];
  static const char comment[] = "made by hand";
  make_folder();
  size_t n = slurp(FILE_OF("good-dense"), bytes, sizeof bytes - sizeof comment);
  ck_assert_mem_eq(bytes + n - 22, "PK\x05\x06", 4);
  ck_assert_mem_eq(bytes + n - 2, "\0\0", 2);
  bytes[n - 2] = sizeof comment;
  memcpy(bytes + n, comment, sizeof comment);
  FILE *file = fopen(target, "wb");
  ck_assert_uint_eq(fwrite(bytes, 1, n + sizeof comment, file), n + sizeof comment);
  fclose(file);
  heed_data *data;
  ck_assert_msg(heed_data_open(&data, target, NULL) == HEED_OK, "%s", heed_message());
  ck_assert_int_eq(heed_data_nodes(data), 4);
  heed_data_free(data);
  remove_folder();
}
END_TEST

enum { WIDTH = 5 };

/* The sum, plainly; x of nodes rows, or NULL for the unit matrix. */
static void check_projection(const heed_data *data, const double *x, int64_t features) {
  int64_t nodes = heed_data_nodes(data), rows = x == NULL ? nodes : features;
  float w[64 * WIDTH], out[64 * WIDTH];
  ck_assert(rows <= 64 && nodes <= 64);
  float bound = (float)sqrt(6.0 / (double)(rows + WIDTH));
  heed_random_uniform(7, 3, w, rows * WIDTH, -bound, bound);
  ck_assert_int_eq(heed_data_project(data, 7, 3, WIDTH, out), HEED_OK);
  double size = 0;
  for (int64_t i = 0; i < nodes; i++) {
    for (int64_t j = 0; j < WIDTH; j++) {
      double sum = 0, most = 0;
      for (int64_t k = 0; k < rows; k++) {
        double factor = x == NULL ? i == k : x[i * rows + k];
        sum += factor * w[k * WIDTH + j];
        most += fabs(factor * w[k * WIDTH + j]);
      }
      ck_assert_double_le(fabs(out[i * WIDTH + j] - sum), 1e-6 * most);
      size += most;
    }
  }
  ck_assert_double_gt(size, 0);
  ck_assert_int_eq(heed_data_project(data, 7, 3, 0, out), HEED_ARGUMENT);
  ck_assert_int_eq(heed_data_project(data, 7, 3, (int64_t)INT32_MAX + 1, out), HEED_ARGUMENT);
}

START_TEST(dense_features_are_projected) {
  double x[12];
  for (int i = 0; i < 12; i++) x[i] = i;
  heed_data *data;
  ck_assert_int_eq(heed_data_open(&data, FILE_OF("good-dense"), NULL), HEED_OK);
  ck_assert_ptr_nonnull(heed_data_dense_features(data));
  ck_assert_ptr_null(heed_data_sparse_features(data));
  check_projection(data, x, 3);
  ck_assert_uint_eq(heed_data_split(data, 0, HEED_PART_TRAIN)[0], 1);
  ck_assert_uint_eq(heed_data_split(data, 0, HEED_PART_VALIDATION)[1], 1);
  ck_assert_uint_eq(heed_data_split(data, 0, HEED_PART_TEST)[2], 1);
  ck_assert_uint_eq(heed_data_split(data, 0, HEED_PART_TEST)[0], 0);
  ck_assert_ptr_null(heed_data_split(data, 1, HEED_PART_TRAIN));
  ck_assert_ptr_null(heed_data_split(data, -1, HEED_PART_TRAIN));
  heed_data_free(data);
}
END_TEST

/* Once with ones, once with the values 2 and 3 in the same places. */
START_TEST(sparse_features_are_projected) {
  static const int64_t pointers[5] = {0, 1, 1, 2, 2}, shape[2] = {4, 3}, edges[2] = {0, 3};
  static const int32_t indices[2] = {2, 0};
  static const float values[2][2] = {{1, 1}, {2, -3}};
  const heed_array arrays[] = {
      {"features_indptr", HEED_DTYPE_INT64, 1, {5}, pointers},
      {"features_indices", HEED_DTYPE_INT32, 1, {2}, indices},
      {"features_data", HEED_DTYPE_FLOAT32, 1, {2}, values[_i]},
      {"features_shape", HEED_DTYPE_INT64, 1, {2}, shape},
      {"edges", HEED_DTYPE_INT64, 2, {1, 2}, edges},
  };
  make_folder();
  ck_assert_int_eq(heed_npz_write(target, arrays, 5), HEED_OK);
  double x[12] = {0};
  x[2] = values[_i][0];
  x[6] = values[_i][1];
  heed_data *data;
  ck_assert_msg(heed_data_open(&data, target, NULL) == HEED_OK, "%s", heed_message());
  ck_assert_ptr_null(heed_data_dense_features(data));
  ck_assert_ptr_nonnull(heed_data_sparse_features(data));
  ck_assert_ptr_null(heed_data_labels(data));
  ck_assert_int_eq(heed_data_classes(data), 0);
  check_projection(data, x, 3);
  heed_data_free(data);
  remove_folder();
}
END_TEST

/* Another of igraph's graphs. */
START_TEST(famous_graphs_have_a_graph_alone) {
  heed_data *data;
  ck_assert_int_eq(heed_data_open(&data, "Meredith", NULL), HEED_OK);
  ck_assert_int_eq(igraph_ecount(heed_data_graph(data)), 140);
  ck_assert_ptr_null(heed_data_labels(data));
  ck_assert_int_eq(heed_data_splits(data), 0);
  ck_assert_int_eq(heed_data_row_normalize(data), HEED_ARGUMENT);
  heed_data_free(data);
}
END_TEST

static int count_part(const heed_data *data, int split, heed_part part, int32_t label) {
  int n = 0;
  for (int64_t i = 0; i < heed_data_nodes(data); i++) {
    n += heed_data_split(data, split, part)[i] != 0 && heed_data_labels(data)[i] == label;
  }
  return n;
}

/* Every node of known label is in one part, the others in none. */
static void check_parts(const heed_data *data) {
  for (int s = 0; s < heed_data_splits(data); s++) {
    for (int64_t i = 0; i < heed_data_nodes(data); i++) {
      int parts = 0;
      for (int p = 0; p < 3; p++) parts += heed_data_split(data, s, (heed_part)p)[i];
      ck_assert_int_eq(parts, heed_data_labels(data)[i] >= 0);
    }
  }
}

START_TEST(karate_has_two_factions) {
  heed_data *data, *other;
  const heed_data_options seeded = {.seed = 9};
  ck_assert_int_eq(heed_data_open(&data, "karate", NULL), HEED_OK);
  ck_assert_int_eq(heed_data_open(&other, "Zachary", &seeded), HEED_OK);
  ck_assert_int_eq(heed_data_nodes(data), 34);
  ck_assert_int_eq(igraph_ecount(heed_data_graph(data)), 78);
  ck_assert_int_eq(heed_data_classes(data), 2);
  const int32_t *labels = heed_data_labels(data);
  ck_assert(labels[0] == 0 && labels[33] == 1 && labels[8] == 0 && labels[9] == 1);
  int64_t officers = 0;
  for (int i = 0; i < 34; i++) officers += labels[i];
  ck_assert_int_eq(officers, 17);
  ck_assert_int_eq(heed_data_splits(data), 10);
  check_parts(data);
  for (int s = 0; s < 10; s++) {
    for (int32_t c = 0; c < 2; c++) {
      ck_assert_int_eq(count_part(data, s, HEED_PART_TRAIN, c), 4);
      ck_assert_int_eq(count_part(data, s, HEED_PART_VALIDATION, c), 4);
      ck_assert_int_eq(count_part(data, s, HEED_PART_TEST, c), 9);
    }
    const uint8_t *train = heed_data_split(data, s, HEED_PART_TRAIN);
    ck_assert(memcmp(train, heed_data_split(other, s, HEED_PART_TRAIN), 34) != 0);
    if (s > 0) ck_assert(memcmp(train, heed_data_split(data, s - 1, HEED_PART_TRAIN), 34) != 0);
  }
  heed_data_free(other);
  ck_assert_int_eq(heed_data_features(data), 0);
  ck_assert_ptr_null(heed_data_dense_features(data));
  ck_assert_ptr_null(heed_data_sparse_features(data));
  check_projection(data, NULL, 0);
  heed_data_free(data);
}
END_TEST

START_TEST(nodes_are_their_own_features) {
  heed_data *data;
  ck_assert_int_eq(heed_data_open(&data, "karate", NULL), HEED_OK);
  for (int round = 0; round < 2; round++) { /* once more in the place of the first */
    ck_assert_int_eq(heed_data_identity_features(data), HEED_OK);
    ck_assert_int_eq(heed_data_features(data), 34);
    const heed_csr *x = heed_data_sparse_features(data);
    ck_assert(x->rows == 34 && x->cols == 34 && x->values == NULL && x->indptr[34] == 34);
    ck_assert_int_eq(heed_csr_check(x), HEED_OK);
    for (int i = 0; i < 34; i++) ck_assert_int_eq(x->indices[i], i);
    check_projection(data, NULL, 0);
  }
  ck_assert_int_eq(heed_data_row_normalize(data), HEED_OK); /* changes nothing */
  check_projection(data, NULL, 0);
  heed_data_free(data);
  ck_assert_int_eq(heed_data_open(&data, FILE_OF("good-dense"), NULL), HEED_OK);
  ck_assert_int_eq(heed_data_identity_features(data), HEED_OK);
  ck_assert_ptr_null(heed_data_dense_features(data));
  ck_assert_int_eq(heed_data_features(data), 4);
  heed_data_free(data);
}
END_TEST

START_TEST(rows_are_normalised) {
  static const float dense[5][3] = {{1, 1, 2}, {0, 0, 0}, {-1, 1, 0}, {3, 0, 0}, {-1, -1, 0}};
  static const float quotients[5][3] = {
      {0.25F, 0.25F, 0.5F}, {0, 0, 0}, {-1, 1, 0}, {1, 0, 0}, {0.5F, 0.5F, -0.0F}};
  static const int64_t edges[2] = {0, 0}, pointers[4] = {0, 2, 2, 5}, shape[2] = {3, 6};
  static const int32_t indices[5] = {0, 3, 1, 2, 5};
  static const uint8_t ones[5] = {1, 1, 1, 1, 1};
  static const float values[5] = {2, 6, 1, 1, 2},
                     quotient_values[5] = {0.25F, 0.75F, 0.25F, 0.25F, 0.5F};
  heed_array arrays[] = {{"edges", HEED_DTYPE_INT64, 2, {1, 2}, edges},
                         {"node_features", HEED_DTYPE_FLOAT32, 2, {5, 3}, dense}};
  heed_array sparse[] = {arrays[0],
                         {"features_indptr", HEED_DTYPE_INT64, 1, {4}, pointers},
                         {"features_indices", HEED_DTYPE_INT32, 1, {5}, indices},
                         {"features_data", HEED_DTYPE_UINT8, 1, {5}, ones},
                         {"features_shape", HEED_DTYPE_INT64, 1, {2}, shape}};
  heed_data *data;
  make_folder();
  ck_assert_int_eq(heed_npz_write(target, arrays, 2), HEED_OK);
  ck_assert_int_eq(heed_data_open(&data, target, NULL), HEED_OK);
  ck_assert_int_eq(heed_data_row_normalize(data), HEED_OK);
  ck_assert_mem_eq(heed_data_dense_features(data)->data, quotients, sizeof quotients);
  heed_data_free(data);
  ck_assert_int_eq(heed_npz_write(target, sparse, 5), HEED_OK);
  ck_assert_int_eq(heed_data_open(&data, target, NULL), HEED_OK);
  ck_assert_ptr_null(heed_data_sparse_features(data)->values);
  size_t held = heed_memory_held();
  heed__alloc_fail_after(0);
  ck_assert_int_eq(heed_data_row_normalize(data), HEED_NOMEM);
  heed__alloc_fail_after(-1);
  ck_assert_uint_eq(heed_memory_held(), held);
  ck_assert_int_eq(heed_data_row_normalize(data), HEED_OK);
  const float *x = heed_data_sparse_features(data)->values;
  ck_assert(x[0] == 0.5F && x[1] == 0.5F && x[2] == 1 / 3.0F && x[4] == x[2]);
  heed_data_free(data);
  sparse[3] = (heed_array){"features_data", HEED_DTYPE_FLOAT32, 1, {5}, values};
  ck_assert_int_eq(heed_npz_write(target, sparse, 5), HEED_OK);
  ck_assert_int_eq(heed_data_open(&data, target, NULL), HEED_OK);
  ck_assert_int_eq(heed_data_row_normalize(data), HEED_OK);
  ck_assert_mem_eq(heed_data_sparse_features(data)->values, quotient_values,
                   sizeof quotient_values);
  heed_data_free(data);
  /* A quotient beyond all floats; the first row is left alone too. */
  static const float huge[2][3] = {{1, 2, 1}, {1e38F, -1e38F, 1e-38F}};
  arrays[1] = (heed_array){"node_features", HEED_DTYPE_FLOAT32, 2, {2, 3}, huge};
  ck_assert_int_eq(heed_npz_write(target, arrays, 2), HEED_OK);
  ck_assert_int_eq(heed_data_open(&data, target, NULL), HEED_OK);
  ck_assert_int_eq(heed_data_row_normalize(data), HEED_VALUE);
  ck_assert_ptr_nonnull(strstr(heed_message(), "node 1"));
  ck_assert_mem_eq(heed_data_dense_features(data)->data, huge, sizeof huge);
  heed_data_free(data);
  remove_folder();
}
END_TEST

START_TEST(splits_are_made) {
  enum { N = 103, CLASSES = 3, SPLITS = 4 };
  static const int64_t edges[2] = {0, 1};
  int32_t labels[N];
  int sizes[CLASSES] = {0};
  for (int i = 0; i < N; i++) {
    labels[i] = i % 5 == 0 ? -1 : i % 5 == 1 ? 1 : i % 5 == 2 ? 2 : 0;
    if (labels[i] >= 0) sizes[labels[i]]++;
  }
  const heed_array arrays[] = {{"edges", HEED_DTYPE_INT64, 2, {1, 2}, edges},
                               {"node_labels", HEED_DTYPE_INT32, 1, {N}, labels}};
  heed_data *data, *other;
  make_folder();
  ck_assert_int_eq(heed_npz_write(target, arrays, 2), HEED_OK);
  ck_assert_int_eq(heed_data_open(&data, target, NULL), HEED_OK);
  ck_assert_int_eq(heed_data_open(&other, target, NULL), HEED_OK);
  heed_split_options options = {.seed = 4, .splits = SPLITS, .train = 0.5, .validation = 0.25};
  ck_assert_int_eq(heed_data_make_splits(data, &options), HEED_OK);
  ck_assert_int_eq(heed_data_splits(data), SPLITS);
  check_parts(data);
  for (int s = 0; s < SPLITS; s++) {
    for (int c = 0; c < CLASSES; c++) {
      ck_assert_int_eq(count_part(data, s, HEED_PART_TRAIN, c), lround(0.5 * sizes[c]));
      int most =
          count_part(data, s, HEED_PART_TRAIN, c) + count_part(data, s, HEED_PART_VALIDATION, c);
      ck_assert_int_eq(most, lround(0.75 * sizes[c]));
    }
  }
  /* Another number of splits leaves those that are in both alone. */
  options.splits = 2;
  ck_assert_int_eq(heed_data_make_splits(other, &options), HEED_OK);
  for (int p = 0; p < 3; p++) {
    ck_assert_mem_eq(heed_data_split(other, 1, (heed_part)p),
                     heed_data_split(data, 1, (heed_part)p), N);
  }
  options.seed = 5;
  ck_assert_int_eq(heed_data_make_splits(other, &options), HEED_OK);
  ck_assert(memcmp(heed_data_split(other, 1, HEED_PART_TRAIN),
                   heed_data_split(data, 1, HEED_PART_TRAIN), N) != 0);
  /* Every node of a class is drawn now and then: in 200 splits, each 100 times on average. */
  options = (heed_split_options){.splits = 200, .train_per_class = 10, .validation_per_class = 3};
  ck_assert_int_eq(heed_data_make_splits(other, &options), HEED_OK);
  check_parts(other);
  for (int i = 0; i < N; i++) {
    int drawn = 0;
    for (int s = 0; s < 200; s++) drawn += heed_data_split(other, s, HEED_PART_TRAIN)[i];
    double mean = labels[i] < 0 ? 0 : 200.0 * 10 / sizes[labels[i]];
    ck_assert_msg(fabs(drawn - mean) < 42, "%d: %d", i, drawn); /* six deviations */
  }
  ck_assert_int_eq(count_part(other, 7, HEED_PART_TRAIN, 2), 10);
  ck_assert_int_eq(count_part(other, 7, HEED_PART_VALIDATION, 2), 3);
  const struct {
    heed_split_options options;
    const char *says;
  } wrong[] = {
      {{.splits = 0}, "0 splits"},
      {{.splits = -1}, "-1 splits"},
      {{.splits = 65537}, "65537 splits"},
      {{.splits = 1, .train = 0.6, .validation = 0.5}, "0.6 for training"},
      {{.splits = 1, .train = -0.1}, "-0.1"},
      {{.splits = 1, .validation = (double)NAN}, "nan"},
      {{.splits = 1, .train_per_class = -1}, "-1 nodes"},
      {{.splits = 1, .train_per_class = 15, .validation_per_class = 7}, "class 1 has 21 nodes"},
      {{.splits = 1, .train_per_class = INT64_MAX, .validation_per_class = INT64_MAX}, "class 0"},
  };
  size_t held = heed_memory_held();
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    ck_assert_int_eq(heed_data_make_splits(data, &wrong[i].options), HEED_ARGUMENT);
    ck_assert_msg(strstr(heed_message(), wrong[i].says) != NULL, "%s", heed_message());
    ck_assert_int_eq(heed_data_splits(data), SPLITS);
  }
  heed_status status = HEED_NOMEM;
  int n = 0;
  options = (heed_split_options){.splits = SPLITS, .train = 0.5};
  for (; status != HEED_OK; n++) {
    heed__alloc_fail_after(n);
    status = heed_data_make_splits(data, &options);
    heed__alloc_fail_after(-1);
    ck_assert_uint_eq(heed_memory_held(), held);
  }
  ck_assert_int_eq(n, 6);
  heed_data_free(data);
  heed_data_free(other);
  ck_assert_int_eq(heed_data_open(&data, "Petersen", NULL), HEED_OK);
  ck_assert_int_eq(heed_data_make_splits(data, &options), HEED_ARGUMENT);
  heed_data_free(data);
  remove_folder();
}
END_TEST

START_TEST(dictionaries_are_whole_data_sets) {
  enum { K = 4, GRAPHS = 20 };
  heed_data *data;
  size_t held = heed_memory_held();
  heed_status status = HEED_NOMEM;
  for (int n = 0; status != HEED_OK; n++) {
    ck_assert_uint_eq(heed_memory_held(), held);
    heed__alloc_fail_after(n);
    status = heed_data_open(&data, "dictionary:k=4,graphs=20", NULL);
    heed__alloc_fail_after(-1);
    ck_assert(status == HEED_OK || status == HEED_NOMEM);
  }
  ck_assert(igraph_is_directed(heed_data_graph(data)));
  ck_assert_int_eq(heed_data_nodes(data), 2 * K * GRAPHS);
  ck_assert_int_eq(heed_data_features(data), 2 * K + 1);
  ck_assert_int_eq(heed_data_classes(data), K);
  ck_assert_int_eq(heed_data_splits(data), 1);
  check_parts(data);
  const heed_csr *x = heed_data_sparse_features(data);
  ck_assert_int_eq(heed_csr_check(x), HEED_OK);
  ck_assert_ptr_null(x->values);
  for (int i = 0; i < 2 * K * GRAPHS; i++) {
    int g = i / (2 * K), at = i % (2 * K);
    ck_assert_int_eq(x->indptr[i + 1] - x->indptr[i], 2);
    ck_assert_int_eq(x->indices[2 * i], at % K);
    int32_t label = heed_data_labels(data)[i];
    if (at < K) {
      ck_assert_int_eq(label, -1);
      ck_assert(x->indices[2 * i + 1] >= K && x->indices[2 * i + 1] < 2 * K);
    } else {
      ck_assert_int_eq(x->indices[2 * i + 1], 2 * K);
      ck_assert_int_eq(x->indices[2 * (i - K) + 1], K + label);
      heed_part part = g < 14 ? HEED_PART_TRAIN : g < 16 ? HEED_PART_VALIDATION : HEED_PART_TEST;
      ck_assert_int_eq(heed_data_split(data, 0, part)[i], 1);
    }
  }
  heed_data_free(data);
  const heed_data_options options = {.features = "value", .label = "graph"};
  ck_assert_int_eq(heed_data_open(&data, "dictionary:k=1,graphs=1", &options), HEED_OK);
  ck_assert_int_eq(heed_data_features(data), 1);
  ck_assert_int_eq(heed_data_splits(data), 0);
  heed_data_free(data);
  ck_assert_uint_eq(heed_memory_held(), held);
}
END_TEST

START_TEST(blocks_have_features_on_request) {
  heed_data *data;
  const char *recipe = "sbm:n=30,blocks=3,in=0.5,out=0.1,features=12,noise=0";
  ck_assert_int_eq(heed_data_open(&data, recipe, NULL), HEED_OK);
  ck_assert_int_eq(heed_data_features(data), 12);
  ck_assert_int_eq(heed_data_splits(data), 0);
  const heed_matrix *x = heed_data_dense_features(data);
  for (int i = 0; i < 30; i++) {
    const float *mean = x->data + i / 10 * 10 * x->stride; /* of the block's first */
    ck_assert_mem_eq(x->data + i * x->stride, mean, 12 * sizeof(float));
    ck_assert(igraph_cattribute_VAN(heed_data_graph(data), "x11", i) == (double)mean[11]);
  }
  ck_assert(memcmp(x->data, x->data + 10 * x->stride, 12 * sizeof(float)) != 0);
  heed_data_free(data);
}
END_TEST

/* As the collection of heterophilous graphs has it: floats, labels, ten splits. */
START_TEST(ten_splits_and_floats_load) {
  enum { N = 12, F = 5, S = 10 };
  static double wide[N * F];
  static float narrow[N * F];
  static int64_t labels[N], whole[S * N];
  static uint8_t masks[3][S * N];
  static const int64_t edges[3][2] = {{0, 1}, {1, 2}, {5, 11}};
  for (int i = 0; i < N * F; i++) wide[i] = narrow[i] = (float)i / 7 - 3;
  for (int i = 0; i < N; i++) labels[i] = i == 3 ? -1 : i % 3;
  for (int i = 0; i < S * N; i++) {
    int part = (i * 7 + i / N) % 3;
    for (int p = 0; p < 3; p++) masks[p][i] = p == part;
    whole[i] = part == 0;
  }
  heed_array arrays[] = {{"node_features", HEED_DTYPE_FLOAT32, 2, {N, F}, narrow},
                         {"node_labels", HEED_DTYPE_INT64, 1, {N}, labels},
                         {"edges", HEED_DTYPE_INT64, 2, {3, 2}, edges},
                         {"train_masks", HEED_DTYPE_BOOL, 2, {S, N}, masks[0]},
                         {"val_masks", HEED_DTYPE_BOOL, 2, {S, N}, masks[1]},
                         {"test_masks", HEED_DTYPE_BOOL, 2, {S, N}, masks[2]}};
  make_folder();
  heed_data *data;
  for (int round = 0; round < 4; round++) {
    if (round == 1) arrays[0] = (heed_array){"node_features", HEED_DTYPE_FLOAT64, 2, {N, F}, wide};
    if (round == 2) arrays[3].dtype = arrays[4].dtype = arrays[5].dtype = HEED_DTYPE_UINT8;
    if (round == 3) arrays[3] = (heed_array){"train_masks", HEED_DTYPE_INT64, 2, {S, N}, whole};
    ck_assert_int_eq(heed_npz_write(target, arrays, 6), HEED_OK);
    ck_assert_msg(heed_data_open(&data, target, NULL) == HEED_OK, "%s", heed_message());
    ck_assert_int_eq(heed_data_splits(data), S);
    ck_assert_int_eq(heed_data_classes(data), 3);
    ck_assert_int_eq(heed_data_labels(data)[3], -1);
    ck_assert_mem_eq(heed_data_dense_features(data)->data, narrow, sizeof narrow);
    for (int s = 0; s < S; s++) {
      for (int p = 0; p < 3; p++) {
        ck_assert_mem_eq(heed_data_split(data, s, (heed_part)p), masks[p] + s * N, N);
      }
    }
    heed_data_free(data);
  }
  whole[N + 2] = 2;
  ck_assert_int_eq(heed_npz_write(target, arrays, 6), HEED_OK);
  ck_assert_int_eq(heed_data_open(&data, target, NULL), HEED_RANGE);
  ck_assert_msg(strstr(heed_message(), "'train_masks': 2 at [1, 2] does not fit") != NULL, "%s",
                heed_message());
  whole[N + 2] = 0;
  wide[7] = 1e300;
  ck_assert_int_eq(heed_npz_write(target, arrays, 6), HEED_OK);
  ck_assert_int_eq(heed_data_open(&data, target, NULL), HEED_RANGE);
  ck_assert_ptr_nonnull(
      strstr(heed_message(), "'node_features': 1.0000000000000001e+300 at [1, 2]"));
  remove_folder();
}
END_TEST

START_TEST(blocks_are_labels) {
  heed_data *data, *other;
  heed_data_options seeded = {.seed = 2};
  const char *recipe = "sbm:n=40,blocks=4,in=0.5,out=0.1";
  ck_assert_int_eq(heed_data_open(&data, recipe, NULL), HEED_OK);
  ck_assert_int_eq(heed_data_classes(data), 4);
  for (int i = 0; i < 40; i++) ck_assert_int_eq(heed_data_labels(data)[i], i / 10);
  ck_assert_int_eq(heed_data_features(data), 0);
  ck_assert_int_eq(heed_data_open(&other, recipe, &seeded), HEED_OK);
  ck_assert_int_ne(igraph_ecount(heed_data_graph(data)), igraph_ecount(heed_data_graph(other)));
  heed_data_free(other);
  heed_data_free(data);
}
END_TEST

START_TEST(attributes_are_features_and_labels) {
  static const double x[8] = {1.5, 1.5, -2, -2, 0.25, 0.25, 7, 7};
  static const int32_t labels[4] = {1, 0, 1, -1}; /* red, blue, red and none */
  const heed_data_options options = {.features = "x,x", .label = "kind"};
  size_t held = heed_memory_held();
  heed_data *data;
  ck_assert_msg(heed_data_open(&data, TEST_FILES "good-square.graphml", &options) == HEED_OK, "%s",
                heed_message());
  ck_assert_int_eq(heed_data_nodes(data), 4);
  ck_assert_int_eq(heed_data_features(data), 2);
  ck_assert_int_eq(heed_data_classes(data), 2);
  ck_assert_mem_eq(heed_data_labels(data), labels, sizeof labels);
  for (int i = 0; i < 8; i++) ck_assert(heed_data_dense_features(data)->data[i] == x[i]);
  check_projection(data, x, 2);
  heed_data_free(data);
  ck_assert_uint_eq(heed_memory_held(), held);
}
END_TEST

START_TEST(wrong_options_are_refused) {
  const char *square = TEST_FILES "good-square.graphml";
  const struct {
    const char *source;
    heed_data_options options;
    heed_status status;
    const char *says;
  } wrong[] = {
      {square, {.features = "y"}, HEED_ARGUMENT, "\"y\"; there are: x"},
      {square, {.features = "kind"}, HEED_ARGUMENT, "not numeric"},
      {square, {.features = "x,"}, HEED_ARGUMENT, "empty name"},
      {square, {.features = ""}, HEED_ARGUMENT, "empty name"},
      {square, {.label = "y"}, HEED_ARGUMENT, "\"y\""},
      {square, {.format = "leda"}, HEED_UNSUPPORTED, "LEDA"},
      {square, {.format = "gml"}, HEED_FORMAT, "good-square.graphml"},
      {FILE_OF("good-dense"), {.features = "x"}, HEED_ARGUMENT, "no vertex attribute 'x'"},
      {FILE_OF("good-dense"), {.label = "kind"}, HEED_ARGUMENT, "no vertex attribute 'kind'"},
      {"karate", {.label = "colour"}, HEED_ARGUMENT, "\"colour\"; there are: club"},
      {"karate", {.format = "gml"}, HEED_IO, "karate"},
      {"nobody-knows-it", {.seed = 0}, HEED_ARGUMENT, "nobody-knows-it"},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    size_t held = heed_memory_held();
    heed_data *data;
    heed_status status = heed_data_open(&data, wrong[i].source, &wrong[i].options);
    ck_assert_msg(status == wrong[i].status, "%zu: %s", i, heed_message());
    ck_assert_msg(strstr(heed_message(), wrong[i].says) != NULL, "%zu: %s", i, heed_message());
    ck_assert_ptr_null(data);
    ck_assert_uint_eq(heed_memory_held(), held);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("data");
  TCase *tests = tcase_create("archives");
  tcase_add_loop_test(tests, bad_archives_are_refused, 0, sizeof bad / sizeof *bad);
  tcase_add_loop_test(tests, every_allocation_may_fail, 0, 2);
  tcase_add_test(tests, arrays_come_back);
  tcase_add_test(tests, every_type_comes_back);
  tcase_add_test(tests, what_does_not_fit_is_refused);
  tcase_add_test(tests, minus_infinity_where_it_may_be);
  tcase_add_test(tests, same_arrays_same_bytes);
  tcase_add_test(tests, a_failed_write_changes_nothing);
  tcase_add_test(tests, a_write_may_run_out_of_memory);
  tcase_add_loop_test(tests, reading_may_run_out_of_memory, 0, 2);
  tcase_add_test(tests, a_comment_does_no_harm);
  suite_add_tcase(suite, tests);
  TCase *sets = tcase_create("data sets");
  tcase_add_test(sets, dense_features_are_projected);
  tcase_add_loop_test(sets, sparse_features_are_projected, 0, 2);
  tcase_add_test(sets, famous_graphs_have_a_graph_alone);
  tcase_add_test(sets, karate_has_two_factions);
  tcase_add_test(sets, nodes_are_their_own_features);
  tcase_add_test(sets, rows_are_normalised);
  tcase_add_test(sets, splits_are_made);
  tcase_add_test(sets, dictionaries_are_whole_data_sets);
  tcase_add_test(sets, blocks_have_features_on_request);
  tcase_add_test(sets, ten_splits_and_floats_load);
  tcase_add_test(sets, blocks_are_labels);
  tcase_add_test(sets, attributes_are_features_and_labels);
  tcase_add_test(sets, wrong_options_are_refused);
  suite_add_tcase(suite, sets);
  return run_suite(suite);
}
