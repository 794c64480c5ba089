/* Running a program that draws. Its input is a file, so that a child that dies cannot raise
 * SIGPIPE, and its output is the picture, so that no path is in the script. */
#include "report/child.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/status.h"

extern char **environ;

static heed_status make_script(FILE *script, heed__write_script *write, const void *context) {
  locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  if (plain == (locale_t)0) return heed__fail(HEED_NOMEM, "out of memory for a locale");
  locale_t before = uselocale(plain);
  write(script, context);
  (void)uselocale(before);
  freelocale(plain);
  if (fflush(script) != 0 || ferror(script) || fseek(script, 0, SEEK_SET) != 0) {
    return heed__fail(HEED_IO, "a temporary file cannot be written: %s", strerror(errno));
  }
  return HEED_OK;
}

static heed_status cannot_run(const heed__program *program, const char *name, const char *why) {
  return heed__fail(
      HEED_UNSUPPORTED, "%s need %s, and '%s' cannot be run: %s; install %s or name it in %s",
      program->what, program->arguments[0], name, why, program->install, program->variable);
}

/* The standard streams of the child, from descriptors that are none of them here. */
static int add_streams(posix_spawn_file_actions_t *actions, FILE *const streams[3],
                       int descriptors[3]) {
  for (int i = 0; i < 3; i++) {
    descriptors[i] = fcntl(fileno(streams[i]), F_DUPFD_CLOEXEC, 3);
    if (descriptors[i] < 0) return errno;
  }
  int error = 0;
  for (int i = 0; i < 3 && error == 0; i++) {
    error = posix_spawn_file_actions_adddup2(actions, descriptors[i], i);
  }
  return error;
}

static int spawn(pid_t *child, const heed__program *program, const char *name,
                 FILE *const streams[3]) {
  int descriptors[3] = {-1, -1, -1};
  posix_spawn_file_actions_t actions;
  int error = posix_spawn_file_actions_init(&actions);
  if (error != 0) return error;
  error = add_streams(&actions, streams, descriptors);
  /* The arguments are not changed: posix_spawn's type is older than const. */
  char *const *arguments = (char *const *)program->arguments;
  if (error == 0) error = posix_spawnp(child, name, &actions, NULL, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  for (int i = 0; i < 3; i++) {
    if (descriptors[i] >= 0) close(descriptors[i]);
  }
  return error;
}

/* The lines of `stream` that say something, as one, as far as they fit. */
static void gather(FILE *stream, char *text, size_t size) {
  size_t n = 0;
  bool blank = true;
  rewind(stream);
  for (int c; (c = fgetc(stream)) != EOF && n + 1 < size;) {
    bool space = c <= ' ' || c == 0x7f;
    if (space && blank) continue;
    text[n++] = space ? ' ' : (char)c;
    blank = space;
  }
  if (n > 0 && blank) n--;
  text[n] = '\0';
}

/* Runs the program from `script` into `image`. */
static heed_status run(const heed__program *program, FILE *script, FILE *image, FILE *errors) {
  if (program->left_out != NULL) return heed__fail(HEED_UNSUPPORTED, "%s", program->left_out);
  const char *name = getenv(program->variable), *known = program->arguments[0];
  if (name == NULL || name[0] == '\0') name = known;
  FILE *const streams[3] = {script, image, errors};
  pid_t child;
  int status = 0;
  int error = spawn(&child, program, name, streams);
  if (error != 0) return cannot_run(program, name, strerror(error));
  while (waitpid(child, &status, 0) < 0) {
    if (errno == EINTR) continue;
    return heed__fail(HEED_LIBRARY, "%s: what it came to cannot be told: %s", known,
                      strerror(errno));
  }
  char said[300];
  gather(errors, said, sizeof said);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 127 && said[0] == '\0') {
    return cannot_run(program, name, "not found"); /* where posix_spawn tells by the child's end */
  }
  if (WIFSIGNALED(status)) {
    return heed__fail(HEED_LIBRARY, "%s was ended by signal %d: %s", known, WTERMSIG(status), said);
  }
  if (WEXITSTATUS(status) != 0) {
    return heed__fail(HEED_LIBRARY, "%s failed with status %d: %s", known, WEXITSTATUS(status),
                      said);
  }
  if (lseek(fileno(image), 0, SEEK_END) <= 0) {
    return heed__fail(HEED_LIBRARY, "%s drew nothing: %s", known, said);
  }
  return HEED_OK;
}

heed_status heed__draw(const heed__program *program, heed__write_script *write, const void *context,
                       const char *path) {
  heed__file file;
  HEED__TRY(heed__file_begin(&file, path));
  FILE *script = tmpfile(), *errors = tmpfile();
  heed_status status = HEED_OK;
  if (script == NULL || errors == NULL) {
    status = heed__fail(HEED_IO, "a temporary file cannot be made: %s", strerror(errno));
  }
  if (status == HEED_OK) status = make_script(script, write, context);
  if (status == HEED_OK) status = run(program, script, file.stream, errors);
  if (script != NULL) fclose(script);
  if (errors != NULL) fclose(errors);
  if (status == HEED_OK) return heed__file_commit(&file);
  heed__file_abandon(&file);
  return status;
}
