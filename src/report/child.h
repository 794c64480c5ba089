/* Programs that draw, run as children without a shell. */
#ifndef HEED_SRC_REPORT_CHILD_H
#define HEED_SRC_REPORT_CHILD_H

#include <heed/base.h>
#include <stdio.h>

/* A program that reads a script and writes a picture. */
typedef struct heed__program {
  const char *const *arguments; /* its name first, NULL last */
  const char *variable;         /* of the environment, that names another program in its place */
  const char *what;             /* it is needed for: "figures" */
  const char *install;          /* what brings it: "gnuplot (Debian: gnuplot-nox)" */
  const char *left_out;         /* why this build does not run it, or NULL */
} heed__program;

/* Writes a script. Numbers come out as in C, whatever the caller's locale. */
typedef void heed__write_script(FILE *script, const void *context);

/* Draws what `write(script, context)` says, beside `path`, and renames it. As heed_figure_write().
 */
heed_status heed__draw(const heed__program *program, heed__write_script *write, const void *context,
                       const char *path);

#endif
