/* heed demo: learning on built-in graphs, where the mask matters. It is made of other subcommands,
 * each shown as it would be typed. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/learn.h"

typedef struct demo_input {
  cli_global *global;
  const char *output;
} demo_input;

static const struct argp_option option_table[] = {
    {"output", 'o', "DIR", 0,
     "Folder for what is learnt (default: heed-demo, or a fresh one beside it)", 0},
    {0}};

static error_t parse(int key, char *text, struct argp_state *state) {
  demo_input *input = state->input;
  switch (key) {
    case ARGP_KEY_INIT:
      state->child_inputs[0] = input->global;
      return 0;
    case 'o':
      if (text[0] == '\0') argp_error(state, "the name of a folder is empty");
      input->output = text;
      return 0;
    case ARGP_KEY_ARG:
      argp_error(state, "the demo takes no arguments, and not '%s'", text);
      return 0;
    case ARGP_KEY_END:
      if (input->global->json != NULL) {
        argp_error(state, "--json has no place here: every folder gets a results.json");
      }
      return 0;
    default:
      return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp_child children[] = {{&cli_global_argp, 0, "Global options:", 2}, {0}};

static const struct argp argp = {
    .options = option_table,
    .parser = parse,
    .doc =
        "Trains models on built-in graphs, in seconds: on the karate club, and on communities "
        "whose members only their acquaintances tell apart.",
    .children = children};

/* --- The folder ---------------------------------------------------------------------------- */

static bool has_files(const char *path) {
  bool found = false;
  DIR *folder = opendir(path);
  if (folder == NULL) return false;
  for (struct dirent *entry; !found && (entry = readdir(folder)) != NULL;) {
    found = strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
  }
  closedir(folder);
  return found;
}

/* A folder that was not there: heed-demo, heed-demo-2, ... here, else one for temporary files. */
static int fresh_folder(char *path, size_t size) {
  snprintf(path, size, "heed-demo");
  for (int i = 2; i < 1000; i++) {
    if (mkdir(path, 0777) == 0) return CLI_OK;
    if (errno != EEXIST) break;
    snprintf(path, size, "heed-demo-%d", i);
  }
  const char *temporary = getenv("TMPDIR");
  if (temporary == NULL || temporary[0] == '\0') temporary = "/tmp";
  int n = snprintf(path, size, "%s/heed-demo-XXXXXX", temporary);
  if (n > 0 && (size_t)n < size && mkdtemp(path) != NULL) return CLI_OK;
  return cli_fail("no folder for the demo can be made here or in %s; --output names one",
                  temporary);
}

/* --- The steps ----------------------------------------------------------------------------- */

typedef struct step {
  const char *text;
  int (*run)(cli_global *global, int argc, char **argv);
  const char *words; /* %s stands for the folder */
} step;

static const step steps[] = {
    {"A karate club fell in two. A graph attention network is told the side of eight members,\n"
     "sees who is friends with whom, and names the side of the others:",
     cmd_train,
     "train karate --model gat --layers 2 --hidden 16 --heads 2 --output-heads 1 --dropout 0.3 "
     "--attn-dropout 0.3 --lr 0.01 --epochs 200 --patience 50 --watch loss --seeds 0-4 "
     "--output %s/karate"},
    {"Its best run says for every member which side, and who it looked at in which layer:",
     cmd_predict,
     "predict karate --model %s/karate/model.safetensors --output %s/karate/predictions.npz "
     "--weights"},
    {"240 people in four communities. What is known of a single one is mostly noise: alone (none)\n"
     "they are hard to place, and a crowd (full) drowns what acquaintances (graph) know:",
     cmd_compare,
     "compare sbm:n=240,blocks=4,in=0.15,out=0.015,features=8,noise=3 --train --model transformer "
     "--layers 2 --hidden 32 --heads 4 --dropout 0.2 --lr 0.003 --optimizer adamw --epochs 60 "
     "--patience 15 --seeds 0-2 --output %s/communities"},
};

/* The words of a step with the folder in its place, as argv; `text` holds them. */
static int split_words(const char *words, const char *folder, char *text, size_t size, char **argv,
                       int most) {
  size_t n = 0;
  int argc = 0;
  for (const char *at = words; *at != '\0'; at += strspn(at, " ")) {
    if (argc + 1 == most) break;
    argv[argc++] = text + n;
    for (; *at != '\0' && *at != ' '; at++) {
      bool place = at[0] == '%' && at[1] == 's';
      n += (size_t)snprintf(text + n, size - n, place ? "%s" : "%.1s", place ? folder : at);
      at += place;
    }
    n++;
  }
  argv[argc] = NULL;
  return argc;
}

static int run_step(const step *now, const char *folder, const cli_global *global) {
  enum { MOST = 64 };
  size_t size = strlen(now->words) + 2 * strlen(folder) + 64;
  char *text = malloc(size), *argv[MOST], name[32];
  if (text == NULL) return cli_fail("out of memory for a step of the demo");
  int argc = split_words(now->words, folder, text, size, argv, MOST);
  printf("\n%s\n\n$ heed", now->text);
  for (int i = 0; i < argc; i++) printf(" %s", argv[i]);
  printf("\n");
  fflush(stdout);
  snprintf(name, sizeof name, "heed %s", argv[0]);
  argv[0] = name;
  cli_global own = *global;
  int failed = now->run(&own, argc, argv);
  free(text);
  return failed;
}

int cmd_demo(cli_global *global, int argc, char **argv) {
  demo_input input = {.global = global};
  char fresh[4096];
  if (cli_parse(&argp, argc, argv, &input)) return CLI_FAILED;
  const char *folder = input.output;
  if (folder == NULL) {
    if (fresh_folder(fresh, sizeof fresh)) return CLI_FAILED;
    folder = fresh;
  } else if (cli_folder_make(folder)) {
    return CLI_FAILED;
  } else if (has_files(folder)) {
    printf("%s is not empty: files of the demo that are there are replaced.\n", folder);
  }
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
    int failed = run_step(&steps[i], folder, global);
    if (failed) return failed;
  }
  printf(
      "\nFigures, models and results are in %s: karate/curves.svg, communities/comparison.svg,\n"
      "communities/time.svg, and a results.json in each.\n",
      folder);
  return CLI_OK;
}
