/* heed: dispatch, global options, help and version. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static char program[] = "heed"; /* as messages call it, wherever it was started from */

static const cli_command commands[] = {
    {"info", "describe a graph and what attention on it costs, or a collection", cmd_info},
    {"attend", "compute attention over a graph", cmd_attend},
    {"compare", "compare masks and kernels, or what is learnt under masks", cmd_compare},
    {"train", "train a model to tell the labels of nodes or of graphs", cmd_train},
    {"predict", "predict labels by a trained model", cmd_predict},
    {"draw", "draw a molecule or a small graph and the attention on it", cmd_draw},
    {"demo", "train on built-in graphs and compare masks, in seconds", cmd_demo},
    {"bench", "measure attention against what this machine can do", cmd_bench},
};
enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

int cli_fail(const char *format, ...) {
  va_list arguments;
  fputs("heed: ", stderr);
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  return CLI_FAILED;
}

int cli_check(heed_status status, const char *context) {
  if (status == HEED_OK) return CLI_OK;
  const char *message = heed_message();
  if (message[0] == '\0') message = heed_status_sentence(status);
  if (context == NULL) return cli_fail("%s", message);
  return cli_fail("%s: %s", context, message);
}

static const cli_command *find_command(const char *name) {
  for (int i = 0; i < N_COMMANDS; i++) {
    if (strcmp(commands[i].name, name) == 0) return &commands[i];
  }
  return NULL;
}

/* The names there are, for messages. */
static const char *names(void) {
  static char list[128];
  size_t n = 0;
  for (int i = 0; i < N_COMMANDS; i++) {
    n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", i == 0 ? "" : ", ", commands[i].name);
  }
  snprintf(list + n, sizeof list - n, " and help");
  return list;
}

static void print_version(FILE *stream, struct argp_state *state) {
  (void)state;
  fprintf(stream, "heed %s\n", heed_version());
  fprintf(stream, "graphs:           igraph %s\n", heed_graph_library());
  fprintf(stream, "orders of nodes:  %s\n",
          heed_order_has_metis() ? "with METIS" : "without METIS");
  fprintf(stream, "matrix products:  %s\n", heed_matrix_library());
  fprintf(stream, "archives:         %s\n", heed_data_library());
  fprintf(stream, "reports:          %s\n", heed_report_library());
#ifdef _OPENMP
  fprintf(stream, "threads:          OpenMP\n");
#else
  fprintf(stream, "threads:          one, built without OpenMP\n");
#endif
  fprintf(stream, "instruction set:  %s\n", heed_isa());
}

/* What parsing the words before the subcommand finds. */
typedef struct main_input {
  cli_global global;
  const cli_command *command; /* NULL for help */
  bool help;
  int first;                  /* index of the subcommand in argv */
} main_input;

static error_t parse_main(int key, char *text, struct argp_state *state) {
  main_input *input = state->input;
  switch (key) {
    case ARGP_KEY_INIT:
      state->child_inputs[0] = &input->global;
      return 0;
    case ARGP_KEY_ARG:
      input->help = strcmp(text, "help") == 0;
      input->command = find_command(text);
      if (input->command == NULL && !input->help) {
        argp_error(state, "no subcommand '%s'; there are %s", text, names());
      }
      input->first = state->next - 1;
      state->next = state->argc; /* the rest is the subcommand's */
      return 0;
    case ARGP_KEY_NO_ARGS:
      argp_error(state, "a subcommand is missing; there are %s", names());
      return 0;
    default:
      return ARGP_ERR_UNKNOWN;
  }
}

static char *help_text(int key, const char *text, void *input) {
  (void)input;
  if (key != ARGP_KEY_HELP_POST_DOC) return (char *)text;
  char *list = NULL;
  size_t size = 0;
  FILE *stream = open_memstream(&list, &size);
  if (stream == NULL) return (char *)text;
  fputs("Subcommands:\n", stream);
  for (int i = 0; i < N_COMMANDS; i++) {
    fprintf(stream, "  %-8s %s\n", commands[i].name, commands[i].summary);
  }
  fputs("  help     show this, or the options of a subcommand\n\n"
        "'heed SUBCOMMAND --help' lists the options of a subcommand; 'man heed' tells the whole "
        "story.", stream);
  return fclose(stream) == 0 ? list : (char *)text;
}

static const struct argp_child main_children[] = {{&cli_global_argp, 0, "Global options:", 1}, {0}};

static const struct argp main_argp = {
    .parser = parse_main,
    .args_doc = "SUBCOMMAND [ARGUMENT...]",
    .doc = "Graph attention over node sets.\v-",
    .children = main_children,
    .help_filter = help_text,
};

static int run(const cli_command *command, cli_global *global, int argc, char **argv) {
  char name[32];
  snprintf(name, sizeof name, "heed %s", command->name);
  argv[0] = name;
  return command->run(global, argc, argv);
}

/* `heed help [SUBCOMMAND]`: what --help says, which argp completes and leaves by. */
static int help(main_input *input, int argc, char **argv) {
  char ask[] = "--help";
  char *arguments[] = {program, ask, NULL};
  if (argc < 2) return argp_parse(&main_argp, 2, arguments, 0, NULL, input) != 0;
  const cli_command *command = find_command(argv[1]);
  if (command == NULL || argc > 2) {
    fprintf(stderr, "heed: no subcommand '%s'; there are %s\n", argv[argc > 2 ? 2 : 1], names());
    return CLI_USAGE;
  }
  return run(command, &input->global, 2, arguments);
}

int main(int argc, char **argv) {
  main_input input = {0};
  argp_err_exit_status = CLI_USAGE;
  argp_program_version_hook = print_version;
  if (argc > 0) argv[0] = program;
  error_t failed = argp_parse(&main_argp, argc, argv, ARGP_IN_ORDER, NULL, &input);
  if (failed) return cli_fail("%s", strerror(failed));
  int status;
  if (input.help) {
    status = help(&input, argc - input.first, argv + input.first);
  } else {
    status = run(input.command, &input.global, argc - input.first, argv + input.first);
  }
  if (fflush(stdout) != 0 && status == CLI_OK) status = cli_fail("standard output: not written");
  return status;
}
