/* Reports, to people and to programs. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

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
