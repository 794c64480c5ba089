/* Reports, to people and to programs. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/learn.h"

void cli_report_machine(heed_report *report) {
  heed_report_integer(report, "threads", "threads", heed_threads());
  heed_report_text(report, "isa", "instruction set", heed_isa());
  heed_report_text(report, "matrix_library", NULL, heed_matrix_library());
  heed_report_text(report, "graph_library", NULL, heed_graph_library());
  heed_report_text(report, "version", NULL, heed_version());
}

int cli_report(const heed_report *report, const cli_global *global, const char *written) {
  int failed = CLI_OK;
  bool to_stdout = global->json != NULL && strcmp(global->json, "-") == 0;
  if (global->json != NULL) {
    failed = cli_check(heed_report_write_json(report, global->json), NULL);
  }
  if (!failed && !to_stdout) {
    failed = cli_check(heed_report_write_text(report, stdout), NULL);
    if (!failed && fflush(stdout) != 0) failed = cli_fail("standard output: not written");
  }
  if (failed && written != NULL && written[0] != '\0') {
    cli_fail("written before that, and left in place: %s", written);
  }
  return failed;
}

void cli_report_runs(heed_report *report, const heed_experiment_result *result) {
  for (int r = 0; r < result->n_runs; r++) {
    const heed_run *run = &result->runs[r];
    heed_report *row = heed_report_row(report, "runs", "runs");
    heed_report_integer(row, "seed", "seed", (int64_t)run->seed);
    heed_report_integer(row, "split", "split", run->split);
    heed_report_integer(row, "best_epoch", "best epoch", run->best_epoch);
    heed_report_integer(row, "epochs", "epochs", run->epochs);
    heed_report_number(row, "val_loss", NULL, run->val_loss, 4);
    heed_report_number(row, "val", "validation", run->val, 4);
    heed_report_number(row, "test", "test", run->test, 4);
    heed_report_seconds(row, "seconds", "time", run->seconds);
    if (run->stopped) heed_report_flag(row, "stopped", NULL, true);
  }
}

/* --- Files --------------------------------------------------------------------------------- */

int cli_folder_make(const char *path) {
  char *part = strdup(path);
  struct stat about;
  if (part == NULL) return cli_fail("out of memory for the name of a folder");
  int failed = CLI_OK;
  for (char *at = part + 1; !failed && at[-1] != '\0'; at++) {
    char end = *at;
    if (end != '/' && end != '\0') continue;
    *at = '\0';
    if (mkdir(part, 0777) != 0 && errno != EEXIST) {
      failed = cli_fail("%s: cannot be made: %s", part, strerror(errno));
    }
    *at = end;
  }
  free(part);
  if (failed) return failed;
  if (stat(path, &about) != 0) return cli_fail("%s: %s", path, strerror(errno));
  if (!S_ISDIR(about.st_mode)) return cli_fail("%s: not a folder", path);
  if (access(path, W_OK | X_OK) != 0) {
    return cli_fail("%s: cannot be written to: %s", path, strerror(errno));
  }
  return CLI_OK;
}

char *cli_join(const char *folder, const char *name) {
  size_t n = strlen(folder), size = n + strlen(name) + 2;
  char *path = malloc(size);
  if (path == NULL) {
    cli_fail("out of memory for the name of a file");
    return NULL;
  }
  snprintf(path, size, "%s%s%s", folder, n > 0 && folder[n - 1] == '/' ? "" : "/", name);
  return path;
}

FILE *cli_file_begin(const char *path, char **temporary) {
  size_t size = strlen(path) + 32;
  *temporary = malloc(size);
  if (*temporary == NULL) {
    cli_fail("out of memory for the name of a file");
    return NULL;
  }
  snprintf(*temporary, size, "%s.%ld.part", path, (long)getpid());
  FILE *file = fopen(*temporary, "w");
  if (file == NULL) {
    cli_fail("%s: cannot be written: %s", path, strerror(errno));
    free(*temporary);
  }
  return file;
}

int cli_file_end(FILE *file, const char *path, char *temporary) {
  bool good = fflush(file) == 0 && !ferror(file) && fsync(fileno(file)) == 0;
  good = fclose(file) == 0 && good;
  good = good && rename(temporary, path) == 0;
  int error = errno;
  if (!good) unlink(temporary);
  free(temporary);
  return good ? CLI_OK : cli_fail("%s: cannot be written: %s", path, strerror(error));
}

int cli_draw(const heed_figure *figure, const char *path) {
  static bool said;
  heed_status status = heed_figure_write(figure, path);
  if (status != HEED_UNSUPPORTED && status != HEED_LIBRARY) return cli_check(status, NULL);
  if (!said) cli_fail("no figure %s: %s", path, heed_message());
  said = true;
  return CLI_OK;
}
