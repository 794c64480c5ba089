/* The settings of a training: one table makes the parser, the help, the presets and what
 * results.json says of them. */
#ifndef HEED_SRC_CLI_SETTINGS_H
#define HEED_SRC_CLI_SETTINGS_H

#include <stddef.h>

#include "cli/learn.h"

typedef enum cli_setting_kind {
  CLI_INT,
  CLI_INT32,
  CLI_INT64,
  CLI_FLOAT,
  CLI_FLAG,   /* a bool: yes or no, yes without a value */
  CLI_NAME,   /* an enum */
  CLI_CHOICE, /* an int: a name, or -1 for "auto" */
  CLI_BLOCKS,
  CLI_MASK,
  CLI_FANOUTS, /* numbers separated by commas, -1 or all for all */
  CLI_ENCODING,
  CLI_FEATURES /* a bool by names; its option is one of the graph */
} cli_setting_kind;

/* What has a setting. */
typedef enum cli_setting_of { CLI_OF_ALL, CLI_OF_COLLECTIONS, CLI_OF_NODES } cli_setting_of;

typedef struct cli_setting {
  const char *name;
  const char *argument;
  const char *help;
  cli_setting_kind kind;
  size_t place;                  /* in cli_recipe */
  double least, most;            /* of numbers */
  const char *(*name_of)(int i); /* the name of value i, NULL after the last */
  bool of_train; /* `heed compare` has an option of that name, with a meaning of its own */
  cli_setting_of of;
} cli_setting;

/* Setting number `i`; NULL after the last. */
const cli_setting *cli_setting_at(int i);

/* The number of the setting whose name are n characters of `name`; -1 if there is none. */
int cli_setting_find(const char *name, size_t n);

/* Puts a setting into a recipe; false if the text is none of what it takes. */
bool cli_setting_apply(const cli_setting *setting, const char *text, cli_recipe *recipe);

/* What a setting takes, for a message. */
void cli_setting_allowed(const cli_setting *setting, char *text, size_t size);

/* Whether a setting means something for the model and the data of the recipe. */
bool cli_setting_matters(const cli_setting *setting, const cli_recipe *recipe);

/* The value of a setting as its option takes it. */
void cli_setting_write(const cli_setting *setting, const cli_recipe *recipe, char *text,
                       size_t size);

#endif
