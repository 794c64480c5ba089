/* A folder of a test's own with one file that it writes, where leftovers would show. A suite defines
 * TARGET, the name of that file, before it includes this. */
#ifndef HEED_TESTS_FOLDER_H
#define HEED_TESTS_FOLDER_H

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];
static char target[128];

static inline void make_folder(void) {
  strcpy(folder, "/tmp/heed-test-XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
  snprintf(target, sizeof target, "%s/%s", folder, TARGET);
}

static inline int files_in_folder(void) {
  int n = 0;
  DIR *listing = opendir(folder);
  ck_assert_ptr_nonnull(listing);
  for (struct dirent *entry; (entry = readdir(listing)) != NULL;) {
    n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
  }
  closedir(listing);
  return n;
}

static inline void remove_folder(void) {
  chmod(folder, 0700);
  unlink(target);
  ck_assert_int_eq(files_in_folder(), 0);
  ck_assert_int_eq(rmdir(folder), 0);
}

/* Reads a file into `bytes`; returns how many there were, at most `most`. */
static inline size_t slurp(const char *path, void *bytes, size_t most) {
  FILE *file = fopen(path, "rb");
  ck_assert_ptr_nonnull(file);
  size_t n = fread(bytes, 1, most, file);
  fclose(file);
  return n;
}

#endif
