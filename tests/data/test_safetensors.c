#include <check.h>
#include <heed/data.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"

#define TARGET "x.safetensors"
#include "expect.h"
#include "folder.h"

/* A file of this header, which says it is `length` bytes long, and of n bytes after it. */
static void put_file(uint64_t length, const char *header, size_t header_bytes, const void *data,
                     size_t n) {
  FILE *file = fopen(target, "wb");
  ck_assert_ptr_nonnull(file);
  for (int i = 0; i < 8; i++) fputc((int)(length >> 8 * i & 0xff), file);
  ck_assert_uint_eq(fwrite(header, 1, header_bytes, file), header_bytes);
  ck_assert_uint_eq(fwrite(data, 1, n, file), n);
  fclose(file);
}

static void put_text(const char *header, const void *data, size_t n) {
  put_file(strlen(header), header, strlen(header), data, n);
}

static const float floats[6] = {1, -2, 3.5F, 0, 1e-40F, -3e38F};
static const double doubles[2] = {0.1, -1e300};
static const int64_t wholes[2] = {INT64_MIN, 7};
static const int32_t numbers[3] = {1, -1, 2};
static const uint8_t bytes3[3] = {0, 1, 255};
static const heed_array tensors[] = {
    {"bytes", HEED_DTYPE_UINT8, 1, {3}, bytes3},
    {"weight \"\\\n\xc3\xa4", HEED_DTYPE_FLOAT32, 2, {2, 3}, floats},
    {"", HEED_DTYPE_FLOAT32, 0, {0}, floats + 2},
    {"none", HEED_DTYPE_FLOAT32, 2, {0, 5}, NULL},
    {"double", HEED_DTYPE_FLOAT64, 1, {2}, doubles},
    {"whole", HEED_DTYPE_INT64, 2, {1, 2}, wholes},
    {"number", HEED_DTYPE_INT32, 3, {3, 1, 1}, numbers},
};
enum { N_TENSORS = sizeof tensors / sizeof *tensors };
static const char *const metadata[] = {"config",       "{\"a\": 1}", "",  "",
                                       "\xe2\x82\xac", "x\ny",       NULL};

START_TEST(what_was_written_comes_back) {
  /* Wide numbers first, otherwise the order of the caller. */
  static const int order[N_TENSORS] = {4, 5, 1, 2, 3, 6, 0};
  make_folder();
  ck_assert_msg(heed_safetensors_write(target, tensors, N_TENSORS, metadata) == HEED_OK, "%s",
                heed_message());
  ck_assert_int_eq(files_in_folder(), 1);
  heed_safetensors *file;
  ck_assert_msg(heed_safetensors_open(&file, target) == HEED_OK, "%s", heed_message());
  ck_assert_int_eq(heed_safetensors_count(file), N_TENSORS);
  for (int i = 0; i < N_TENSORS; i++) {
    ck_assert_str_eq(heed_safetensors_at(file, i)->name, tensors[order[i]].name);
  }
  for (int i = 0; i < N_TENSORS; i++) {
    const heed_array *array = heed_safetensors_find(file, tensors[i].name);
    ck_assert_ptr_nonnull(array);
    ck_assert_int_eq(array->dtype, tensors[i].dtype);
    ck_assert_int_eq(array->n_dims, tensors[i].n_dims);
    ck_assert_ptr_null(array->data);
    for (int k = 0; k < array->n_dims; k++) ck_assert_int_eq(array->shape[k], tensors[i].shape[k]);
  }
  ck_assert_ptr_null(heed_safetensors_at(file, -1));
  ck_assert_ptr_null(heed_safetensors_at(file, N_TENSORS));
  ck_assert_ptr_null(heed_safetensors_find(file, "__metadata__"));
  for (int i = 0; metadata[i] != NULL; i += 2) {
    ck_assert_str_eq(heed_safetensors_metadata(file, metadata[i]), metadata[i + 1]);
  }
  ck_assert_ptr_null(heed_safetensors_metadata(file, "Config"));
  float out[6] = {9, 9, 9, 9, 9, 9};
  ck_assert_int_eq(heed_safetensors_read(file, tensors[1].name, out, 6), HEED_OK);
  ck_assert_mem_eq(out, floats, sizeof floats);
  ck_assert_int_eq(heed_safetensors_read(file, "", out, 1), HEED_OK);
  ck_assert_float_eq(out[0], 3.5F);
  ck_assert_int_eq(heed_safetensors_read(file, "none", out, 0), HEED_OK);
  /* 0.1 fits, -1e300 does not. */
  ck_assert_int_eq(heed_safetensors_read(file, "double", out, 2), HEED_VALUE);
  ck_assert_ptr_nonnull(strstr(heed_message(), "'double': -1.0000000000000001e+300 at [1]"));
  ck_assert_float_eq(out[0], 0.1F);
  ck_assert_int_eq(heed_safetensors_read(file, "whole", out, 2), HEED_FORMAT);
  ck_assert_int_eq(heed_safetensors_read(file, "no", out, 2), HEED_ARGUMENT);
  ck_assert_int_eq(heed_safetensors_read(file, tensors[1].name, out, 5), HEED_SHAPE);
  ck_assert_ptr_nonnull(strstr(heed_message(), "[2, 3], 6 numbers, not 5"));
  heed_safetensors_close(file);
  heed_safetensors_close(NULL);
  remove_folder();
}
END_TEST

START_TEST(same_content_same_bytes) {
  static char first[4096], second[4096];
  make_folder();
  ck_assert_int_eq(heed_safetensors_write(target, tensors, N_TENSORS, metadata), HEED_OK);
  size_t n = slurp(target, first, sizeof first);
  ck_assert(n > 300 && n < sizeof first);
  ck_assert_int_eq(first[0] % 8, 0); /* the data starts at a multiple of 8 */
  ck_assert_int_eq(heed_safetensors_write(target, tensors, N_TENSORS, metadata), HEED_OK);
  ck_assert_uint_eq(slurp(target, second, sizeof second), n);
  ck_assert_mem_eq(first, second, n);
  /* Nothing at all is a file too. */
  ck_assert_int_eq(heed_safetensors_write(target, NULL, 0, NULL), HEED_OK);
  ck_assert_uint_eq(slurp(target, second, sizeof second), 16);
  ck_assert_mem_eq(second, "\x08\0\0\0\0\0\0\0{}      ", 16);
  heed_safetensors *file;
  ck_assert_int_eq(heed_safetensors_open(&file, target), HEED_OK);
  ck_assert_int_eq(heed_safetensors_count(file), 0);
  ck_assert_ptr_null(heed_safetensors_metadata(file, "x"));
  heed_safetensors_close(file);
  remove_folder();
}
END_TEST

/* Written by the Python package, see README-npz.md. */
START_TEST(a_file_of_python_is_read) {
  static const float half[6] = {0.5F, -2, 65504, 0x1p-24F, 0, 1}, single[3] = {1.5F, -0.25F, 3e38F};
  heed_safetensors *file;
  float out[6];
  ck_assert_msg(heed_safetensors_open(&file, TEST_FILES "good-python.safetensors") == HEED_OK, "%s",
                heed_message());
  ck_assert_int_eq(heed_safetensors_count(file), 7);
  ck_assert_str_eq(heed_safetensors_metadata(file, "format"), "np");
  ck_assert_int_eq(heed_safetensors_find(file, "half")->dtype, HEED_DTYPE_FLOAT32);
  ck_assert_int_eq(heed_safetensors_read(file, "half", out, 6), HEED_OK);
  ck_assert_mem_eq(out, half, sizeof half);
  ck_assert_int_eq(heed_safetensors_read(file, "single", out, 3), HEED_OK);
  ck_assert_mem_eq(out, single, sizeof single);
  ck_assert_int_eq(heed_safetensors_read(file, "double", out, 2), HEED_OK);
  ck_assert_float_eq(out[1], 0.1F);
  ck_assert_int_eq(heed_safetensors_read(file, "scalar", out, 1), HEED_OK);
  ck_assert_float_eq(out[0], 7);
  ck_assert_int_eq(heed_safetensors_find(file, "empty")->shape[1], 3);
  ck_assert_int_eq(heed_safetensors_find(file, "steps")->dtype, HEED_DTYPE_INT64);
  ck_assert_int_eq(heed_safetensors_find(file, "bytes")->dtype, HEED_DTYPE_UINT8);
  heed_safetensors_close(file);
}
END_TEST

START_TEST(halves_are_numbers) {
  static const uint16_t bf16[4] = {0x3f80, 0xc000, 0x7f7f, 0x0001};
  static const float expected[4] = {1, -2, 0x1.fep127F, 0x1p-133F};
  static const uint16_t f16[4] = {0x0001, 0x83ff, 0x0400, 0xfbff};
  static const float other[4] = {0x1p-24F, -0x1.ff8p-15F, 0x1p-14F, -65504};
  static const uint16_t wrong[4] = {0, 0x7e00, 0, 0};
  float out[4];
  heed_safetensors *file;
  make_folder();
  put_text("{\"x\":{\"dtype\":\"BF16\",\"shape\":[4],\"data_offsets\":[0,8]}}  ", bf16, 8);
  ck_assert_msg(heed_safetensors_open(&file, target) == HEED_OK, "%s", heed_message());
  ck_assert_int_eq(heed_safetensors_read(file, "x", out, 4), HEED_OK);
  ck_assert_mem_eq(out, expected, sizeof expected);
  heed_safetensors_close(file);
  const char *header = "{\"x\":{\"shape\":[2,2],\"data_offsets\":[0,8],\"dtype\":\"F16\"}}";
  put_text(header, f16, 8);
  ck_assert_int_eq(heed_safetensors_open(&file, target), HEED_OK);
  ck_assert_int_eq(heed_safetensors_read(file, "x", out, 4), HEED_OK);
  ck_assert_mem_eq(out, other, sizeof other);
  heed_safetensors_close(file);
  put_text(header, wrong, 8);
  ck_assert_int_eq(heed_safetensors_open(&file, target), HEED_OK);
  ck_assert_int_eq(heed_safetensors_read(file, "x", out, 4), HEED_VALUE);
  ck_assert_ptr_nonnull(strstr(heed_message(), "tensor 'x': nan at [0, 1]"));
  heed_safetensors_close(file);
  remove_folder();
}
END_TEST

START_TEST(numbers_that_are_none_are_refused) {
  static const float wrong[3][2] = {{1, NAN}, {1, INFINITY}, {1, -INFINITY}};
  make_folder();
  put_text("{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", wrong[_i], 8);
  heed_safetensors *file;
  float out[2];
  ck_assert_int_eq(heed_safetensors_open(&file, target), HEED_OK);
  ck_assert_int_eq(heed_safetensors_read(file, "x", out, 2), HEED_VALUE);
  ck_assert_ptr_nonnull(strstr(heed_message(), " at [1]"));
  heed_safetensors_close(file);
  remove_folder();
}
END_TEST

#define X(from, to) "{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[" #from "," #to "]}"
#define OF(type, shape) \
  "{\"a\":{\"dtype\":\"" type "\",\"shape\":[" shape "],\"data_offsets\":[0,8]}}"

/* Each in front of eight bytes. */
static const struct {
  const char *header;
  heed_status status;
  const char *says;
} bad[] = {
    {"", HEED_FORMAT, "does not begin with {"},
    {" {}", HEED_FORMAT, "does not begin with {"},
    {"[]", HEED_FORMAT, "does not begin with {"},
    {"{}", HEED_FORMAT, "8 bytes of data, the tensors take 0"},
    {"{\"a\":" X(0, 4) "}", HEED_FORMAT, "8 bytes of data, the tensors take 4"},
    {"{\"a\":" X(0, 4), HEED_FORMAT, "byte "},
    {"{\"a\":" X(0, 4) "}x", HEED_FORMAT, "byte "},
    {"{\"a\":" X(0, 4) ",\"b\":" X(4, 8) ",}", HEED_FORMAT, "byte "},
    {"{\"a\":" X(0, 4) ",\"b\":" X(0, 4) "}", HEED_FORMAT, "'b': begins at byte 0, where"},
    {"{\"a\":" X(0, 4) ",\"b\":" X(3, 7) "}", HEED_FORMAT, "'b': begins at byte 3, where"},
    {"{\"b\":" X(5, 9) ",\"a\":" X(0, 4) "}", HEED_FORMAT, "'b': begins at byte 5, where"},
    {"{\"a\":" X(4, 8) "}", HEED_FORMAT, "'a': begins at byte 4, where"},
    {"{\"a\":" X(0, 4) ",\"b\":" X(4, 8) ",\"c\":" X(8, 12) "}", HEED_FORMAT,
     "'c': ends at byte 12 of 8"},
    {"{\"a\":" X(0, 4) ",\"a\":" X(4, 8) "}", HEED_FORMAT, "duplicate"},
    {"{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]}}",
     HEED_FORMAT, "duplicate"},
    {"{\"__metadata__\":{\"a\":\"b\",\"a\":\"c\"}}", HEED_FORMAT, "duplicate"},
    {"{\"__metadata__\":{\"a\":1}}", HEED_FORMAT, "the metadata 'a' is no string"},
    {"{\"__metadata__\":\"a\"}", HEED_FORMAT, "the metadata is no object"},
    {"{\"a\":3}", HEED_FORMAT, "'a': is not made of dtype, shape and data_offsets"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[8]}}", HEED_FORMAT, "is not made of"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8],\"x\":1}}", HEED_FORMAT,
     "is not made of"},
    {"{\"a\":{\"dtype\":8,\"shape\":[8],\"data_offsets\":[0,8]}}", HEED_FORMAT,
     "dtype is no string"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":8,\"data_offsets\":[0,8]}}", HEED_FORMAT,
     "shape is no array"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0]}}", HEED_FORMAT,
     "data_offsets are not two rising numbers"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[8,0]}}", HEED_FORMAT,
     "data_offsets are not two rising numbers"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[-8,0]}}", HEED_FORMAT,
     "data_offsets are not two rising numbers"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8.0]}}", HEED_FORMAT,
     "data_offsets are not two rising numbers"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":{}}}", HEED_FORMAT,
     "data_offsets are not two rising numbers"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,18446744073709551616]}}",
     HEED_FORMAT, "too big integer"},
    {OF("F32", "-2"), HEED_FORMAT, "size 0 of the shape is no number"},
    {OF("F32", "1,2.5"), HEED_FORMAT, "size 1 of the shape is no number"},
    {OF("F32", "NaN"), HEED_FORMAT, "byte "},
    {OF("F32", "3"), HEED_FORMAT, "[3] of 'F32' takes 12 bytes, the offsets give it 8"},
    {OF("F16", "2"), HEED_FORMAT, "[2] of 'F16' takes 4 bytes, the offsets give it 8"},
    {OF("F32", "0"), HEED_FORMAT, "takes 0 bytes"},
    {OF("F32", "4294967296,4294967296"), HEED_OVERFLOW, "does not fit"},
    {OF("F32", "4611686018427387905,1"), HEED_OVERFLOW, "does not fit"},
    {OF("F32", "0,9223372036854775807,2"), HEED_OVERFLOW, "does not fit"},
    {OF("F8_E4M3", "8"), HEED_UNSUPPORTED, "'a': numbers of type 'F8_E4M3'"},
    {OF("f32", "2"), HEED_UNSUPPORTED, "'a': numbers of type 'f32'"},
    {OF("U8", "1,1,1,1,1,1,1,1,8"), HEED_UNSUPPORTED, "9 dimensions"},
    {OF("U8", "[8]"), HEED_FORMAT, "nested deeper than 3"},
    {"{\"a\\u0000b\":" X(0, 4) "}", HEED_FORMAT, "byte "},
    {"{\"a\":\"\xff\"}", HEED_FORMAT, "byte "},
};

START_TEST(bad_headers_are_refused) {
  make_folder();
  put_text(bad[_i].header, "eight by", 8);
  size_t held = heed_memory_held();
  heed_safetensors *file = (heed_safetensors *)target;
  ck_assert_msg(heed_safetensors_open(&file, target) == bad[_i].status, "%s: %s", bad[_i].header,
                heed_message());
  ck_assert_ptr_null(file);
  ck_assert_msg(strstr(heed_message(), bad[_i].says) != NULL, "%s: %s", bad[_i].header,
                heed_message());
  ck_assert_ptr_nonnull(strstr(heed_message(), target));
  ck_assert_uint_eq(heed_memory_held(), held);
  remove_folder();
}
END_TEST

/* One good file, every beginning of it, and lengths that no file has. */
START_TEST(cut_files_are_refused) {
  static const char header[] = "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}";
  static const uint64_t lengths[] = {(uint64_t)1 << 63, UINT64_MAX, UINT64_MAX - 7, 1000,
                                     sizeof header + 8};
  static char whole[256];
  make_folder();
  put_text(header, "12345678", 8);
  size_t n = slurp(target, whole, sizeof whole), held = heed_memory_held();
  heed_safetensors *file;
  ck_assert_int_eq(heed_safetensors_open(&file, target), HEED_OK);
  heed_safetensors_close(file);
  heed_memory_peak_reset();
  for (size_t i = 0; i < n; i++) {
    ck_assert_int_eq(truncate(target, (off_t)(n - 1 - i)), 0);
    ck_assert_int_eq(heed_safetensors_open(&file, target), HEED_FORMAT);
  }
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    put_file(lengths[i], header, sizeof header - 1, "12345678", 8);
    ck_assert_int_eq(heed_safetensors_open(&file, target), HEED_FORMAT);
    ck_assert_ptr_nonnull(strstr(heed_message(), "are left in the file"));
  }
  ck_assert_uint_eq(heed_memory_held(), held);
  ck_assert_uint_lt(heed_memory_peak() - held, 1 << 16);
  /* A header of 100 MB and a byte, all blanks, in a file with a hole. */
  put_file(100000001, header, sizeof header - 1, "", 0);
  ck_assert_int_eq(truncate(target, 200000000), 0);
  ck_assert_int_eq(heed_safetensors_open(&file, target), HEED_FORMAT);
  ck_assert_ptr_nonnull(strstr(heed_message(), "100000000 is the most"));
  ck_assert_int_eq(heed_safetensors_open(&file, folder), HEED_IO);
  unlink(target);
  ck_assert_int_eq(heed_safetensors_open(&file, target), HEED_IO);
  remove_folder();
}
END_TEST

/* Deep ones would fill the stack of a parser that descends, wide ones the memory. */
START_TEST(bombs_are_refused) {
  enum { BYTES = 8 << 20 };
  static char header[BYTES];
  make_folder();
  memset(header, '[', BYTES);
  memcpy(header, "{\"a\":", 5);
  put_file(BYTES, header, BYTES, "", 0);
  heed_safetensors *file;
  ck_assert_int_eq(heed_safetensors_open(&file, target), HEED_FORMAT);
  ck_assert_ptr_nonnull(strstr(heed_message(), "nested deeper"));
  for (int i = 5; i < BYTES; i++) header[i] = "[],"[(i - 5) % 3];
  memcpy(header, "{\"a\":[", 6);
  put_file(BYTES, header, BYTES, "", 0);
  ck_assert_int_eq(heed_safetensors_open(&file, target), HEED_FORMAT);
  ck_assert_ptr_nonnull(strstr(heed_message(), "more than 1048576 values"));
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
  static float many[1 << 14];
  static const char *const odd[] = {"key", NULL}, *const twice_key[] = {"a", "b", "a", "c", NULL},
                           *const latin[] = {"a", "\xe4", NULL};
  const heed_array twice[2] = {tensors[4], tensors[4]};
  const heed_array broken[] = {{"x", HEED_DTYPE_INT32, 1, {4}, NULL},
                               {NULL, HEED_DTYPE_FLOAT32, 1, {1}, many},
                               {"__metadata__", HEED_DTYPE_FLOAT32, 1, {1}, many},
                               {"\xe4", HEED_DTYPE_FLOAT32, 1, {1}, many},
                               {"x", HEED_DTYPE_BOOL, 1, {1}, many},
                               {"x", (heed_dtype)99, 1, {1}, many},
                               {"x", HEED_DTYPE_FLOAT32, HEED_NPZ_MAX_DIMS + 1, {1}, many}};
  const heed_array huge[2] = {{"x", HEED_DTYPE_INT64, 1, {INT64_MAX / 8}, many},
                              {"y", HEED_DTYPE_INT64, 1, {INT64_MAX / 8}, many}};
  const heed_array negative = {"x", HEED_DTYPE_INT64, 1, {-1}, many};
  ck_assert_int_eq(heed_safetensors_write(target, twice, 2, NULL), HEED_ARGUMENT);
  ck_assert_int_eq(heed_safetensors_write(target, tensors, -1, NULL), HEED_ARGUMENT);
  ck_assert_int_eq(heed_safetensors_write(target, tensors, 1, odd), HEED_ARGUMENT);
  ck_assert_int_eq(heed_safetensors_write(target, tensors, 1, twice_key), HEED_ARGUMENT);
  ck_assert_int_eq(heed_safetensors_write(target, tensors, 1, latin), HEED_ARGUMENT);
  for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
    ck_assert_int_eq(heed_safetensors_write(target, &broken[i], 1, NULL), HEED_ARGUMENT);
  }
  ck_assert_int_eq(heed_safetensors_write(target, huge, 2, NULL), HEED_OVERFLOW);
  ck_assert_int_eq(heed_safetensors_write(target, &negative, 1, NULL), HEED_OVERFLOW);
  /* The disk is full: here, a limit on the size of files. */
  const heed_array big = {"x", HEED_DTYPE_FLOAT32, 1, {1 << 14}, many};
  struct rlimit before, small;
  getrlimit(RLIMIT_FSIZE, &before);
  small = before;
  small.rlim_cur = 1 << 13;
  signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &small);
  heed_status status = heed_safetensors_write(target, &big, 1, NULL);
  setrlimit(RLIMIT_FSIZE, &before);
  ck_assert_msg(status == HEED_IO, "%d: %s", (int)status, heed_message());
  ck_assert_int_eq(files_in_folder(), 1);
  ck_assert_uint_eq(slurp(target, bytes, sizeof bytes), 10);
  ck_assert_mem_eq(bytes, "what stood", 10);
  ck_assert_int_eq(heed_safetensors_write("/no/such/folder/x", tensors, N_TENSORS, NULL), HEED_IO);
  ck_assert_uint_eq(heed_memory_held(), held);
  remove_folder();
}
END_TEST

/* Killed at any moment, a writer leaves one of the two files that it writes in turn, and whole. */
START_TEST(a_killed_writer_leaves_a_whole_file) {
  enum { N = 1 << 15, ROUNDS = 25 };
  static float numbers_of[2][N], out[N];
  for (int i = 0; i < N; i++) numbers_of[1][i] = 1;
  const heed_array turns[2] = {{"x", HEED_DTYPE_FLOAT32, 1, {N}, numbers_of[0]},
                               {"x", HEED_DTYPE_FLOAT32, 1, {N}, numbers_of[1]}};
  make_folder();
  ck_assert_int_eq(heed_safetensors_write(target, turns, 1, NULL), HEED_OK);
  for (int round = 0; round < ROUNDS; round++) {
    pid_t writer = fork();
    if (writer == 0) {
      for (int turn = 0;; turn = !turn) {
        if (heed_safetensors_write(target, &turns[turn], 1, NULL) != HEED_OK) _exit(1);
      }
    }
    usleep((useconds_t)(500 + 700 * round));
    int status;
    ck_assert_int_eq(kill(writer, SIGKILL), 0);
    ck_assert_int_eq(waitpid(writer, &status, 0), writer);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    heed_safetensors *file;
    ck_assert_msg(heed_safetensors_open(&file, target) == HEED_OK, "%s", heed_message());
    ck_assert_int_eq(heed_safetensors_read(file, "x", out, N), HEED_OK);
    ck_assert(out[0] == 0 || out[0] == 1);
    ck_assert_mem_eq(out, numbers_of[(int)out[0]], sizeof out);
    heed_safetensors_close(file);
  }
  char command[128];
  snprintf(command, sizeof command, "rm -f %s/*.part", folder);
  ck_assert_int_eq(system(command), 0);
  remove_folder();
}
END_TEST

START_TEST(every_allocation_may_fail) {
  make_folder();
  size_t held = heed_memory_held();
  heed_status status = HEED_NOMEM;
  int n = 0;
  for (; status != HEED_OK; n++) {
    heed__alloc_fail_after(n);
    status = heed_safetensors_write(target, tensors, N_TENSORS, metadata);
    heed__alloc_fail_after(-1);
    ck_assert(status == HEED_OK || status == HEED_NOMEM);
    ck_assert_int_eq(files_in_folder(), status == HEED_OK);
    ck_assert_uint_eq(heed_memory_held(), held);
  }
  ck_assert_int_gt(n, 2);
  status = HEED_NOMEM;
  for (n = 0; status != HEED_OK; n++) {
    heed_safetensors *file = NULL;
    heed__alloc_fail_after(n);
    status = heed_safetensors_open(&file, target);
    heed__alloc_fail_after(-1);
    ck_assert(status == HEED_OK || status == HEED_NOMEM);
    if (status == HEED_OK) {
      ck_assert_int_eq(heed_safetensors_count(file), N_TENSORS);
      heed_safetensors_close(file);
    }
    ck_assert_uint_eq(heed_memory_held(), held);
  }
  ck_assert_int_gt(n, 3);
  remove_folder();
}
END_TEST

int main(void) {
  Suite *suite = suite_create("safetensors");
  TCase *tests = tcase_create("safetensors");
  tcase_add_test(tests, what_was_written_comes_back);
  tcase_add_test(tests, same_content_same_bytes);
  tcase_add_test(tests, a_file_of_python_is_read);
  tcase_add_test(tests, halves_are_numbers);
  tcase_add_loop_test(tests, numbers_that_are_none_are_refused, 0, 3);
  tcase_add_loop_test(tests, bad_headers_are_refused, 0, sizeof bad / sizeof *bad);
  tcase_add_test(tests, cut_files_are_refused);
  tcase_add_test(tests, bombs_are_refused);
  tcase_add_test(tests, a_failed_write_changes_nothing);
  tcase_add_test(tests, a_killed_writer_leaves_a_whole_file);
  tcase_add_test(tests, every_allocation_may_fail);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
