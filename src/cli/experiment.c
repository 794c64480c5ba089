/* Runs of a recipe: progress, history, stopping. */
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/learn.h"

/* --- Signals ------------------------------------------------------------------------------- */

static volatile sig_atomic_t stop_asked;

static void ask_to_stop(int number) {
  (void)number;
  stop_asked = 1;
}

void cli_catch_signals(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = ask_to_stop;
  action.sa_flags = (int)SA_RESETHAND; /* the second time it ends the process */
  sigemptyset(&action.sa_mask);
  static const int numbers[] = {SIGINT, SIGTERM};
  for (int i = 0; i < 2; i++) {
    struct sigaction before; /* what the caller wants ignored stays so */
    if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler == SIG_IGN) continue;
    sigaction(numbers[i], &action, NULL);
  }
}

bool cli_stopped(void) { return stop_asked != 0; }

/* --- History ------------------------------------------------------------------------------- */

void cli_history_free(cli_history *history) {
  free(history->epochs);
  *history = (cli_history){0};
}

/* Memory that runs out costs history, not results. */
static void remember(cli_history *history, const heed_epoch *epoch) {
  if (history->n == history->room) {
    size_t room = history->room == 0 ? 1024 : 2 * history->room;
    heed_epoch *epochs = realloc(history->epochs, room * sizeof *epochs);
    if (epochs == NULL) return;
    history->epochs = epochs;
    history->room = room;
  }
  history->epochs[history->n++] = *epoch;
}

static int in_order(const void *a, const void *b) {
  const heed_epoch *x = a, *y = b;
  if (x->run != y->run) return x->run < y->run ? -1 : 1;
  return (x->epoch > y->epoch) - (x->epoch < y->epoch);
}

static void put_number(FILE *file, double number, const char *end) {
  if (isfinite(number)) fprintf(file, "%.9g", number);
  fputs(end, file);
}

int cli_history_write(const cli_history *history, const char *path) {
  char *temporary;
  FILE *file = cli_file_begin(path, &temporary);
  if (file == NULL) return CLI_FAILED;
  /* Runs that ran at once lie mixed. */
  if (history->n > 0) qsort(history->epochs, history->n, sizeof *history->epochs, in_order);
  fputs("run,seed,split,epoch,train_loss,val_loss,val_metric,rate\n", file);
  for (size_t i = 0; i < history->n; i++) {
    const heed_epoch *e = &history->epochs[i];
    fprintf(file, "%d,%llu,%d,%d,", e->run, (unsigned long long)e->seed, e->split, e->epoch);
    put_number(file, e->train_loss, ",");
    put_number(file, e->val_loss, ",");
    put_number(file, e->val, ",");
    put_number(file, e->rate, "\n");
  }
  return cli_file_end(file, path, temporary);
}

/* Reads the epochs of an only run that come before `epoch` back; what cannot be read is left out. */
static void read_history(cli_history *history, const char *path, int epoch) {
  char line[256];
  cli_history before = {0};
  FILE *file = fopen(path, "r");
  if (file == NULL) return;
  while (fgets(line, sizeof line, file) != NULL) {
    heed_epoch e = {.train_loss = NAN, .val_loss = NAN, .val = NAN, .rate = NAN, .runs = 1};
    unsigned long long seed;
    int read = 0;
    if (sscanf(line, "%d,%llu,%d,%d,%n", &e.run, &seed, &e.split, &e.epoch, &read) < 4) continue;
    if (e.run != 0 || e.epoch >= epoch || read == 0) continue;
    e.seed = seed;
    double *const numbers[] = {&e.train_loss, &e.val_loss, &e.val, &e.rate};
    char *at = line + read;
    for (int i = 0; i < 4 && *at != '\0'; i++) {
      char *end;
      double number = strtod(at, &end);
      if (end != at) *numbers[i] = number;
      at = end + (*end != '\0');
    }
    remember(&before, &e);
  }
  fclose(file);
  for (size_t i = 0; i < history->n; i++) remember(&before, &history->epochs[i]);
  cli_history_free(history);
  *history = before;
}

/* --- Progress ------------------------------------------------------------------------------ */

typedef struct progress {
  const char *title; /* NULL: nobody looks */
  const char *metric;
  double started;
  double shown; /* when the line was last drawn */
  int finished; /* runs */
  int last_run;
  cli_history *history;
  const cli_checkpoint *checkpoint;
  bool first;
} progress;

static int columns(void) {
  struct winsize size;
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

static void write_left(char *text, size_t size, double seconds) {
  long left = seconds < 360000 ? (long)(seconds + 0.5) : 359999;
  if (left >= 3600) {
    snprintf(text, size, "%ld:%02ld:%02ld", left / 3600, left / 60 % 60, left % 60);
  } else {
    snprintf(text, size, "%ld:%02ld", left / 60, left % 60);
  }
}

/* How much of the work is done. Runs that stop early finish sooner than this says. */
static double share_done(const progress *p, const heed_epoch *e) {
  double of_run = (double)e->epoch / e->epochs;
  double done = (p->finished + of_run) / (e->runs > 0 ? e->runs : 1);
  return done < 1 ? done : 1;
}

static void draw_line(progress *p, const heed_epoch *e) {
  enum { BAR = 20 };
  char bar[BAR + 1], left[32], line[512];
  double done = share_done(p, e), spent = heed_seconds() - p->started;
  for (int i = 0; i < BAR; i++) bar[i] = i < (int)(done * BAR + 0.5) ? '#' : '-';
  bar[BAR] = '\0';
  write_left(left, sizeof left, done > 0 ? spent * (1 - done) / done : 0);
  int n = snprintf(line, sizeof line,
                   "%s: run %d of %d [%s] epoch %d of %d, loss %.4f, validation %.4f, %s %.4f, "
                   "at most %s left",
                   p->title, e->run + 1, e->runs, bar, e->epoch, e->epochs, e->train_loss,
                   e->val_loss, p->metric, e->val, left);
  int most = columns() - 1;
  fprintf(stderr, "\r%.*s\033[K", n < most ? n : most, line);
  fflush(stderr);
}

static bool watch(void *context, const heed_epoch *epoch) {
  progress *p = context;
  const cli_checkpoint *checkpoint = p->checkpoint;
  if (p->first && checkpoint != NULL && checkpoint->resume && p->history != NULL) {
    read_history(p->history, checkpoint->history, epoch->epoch);
  }
  p->first = false;
  if (p->history != NULL) remember(p->history, epoch);
  if (checkpoint != NULL && checkpoint->every > 0 && epoch->epoch % checkpoint->every == 0 &&
      p->history != NULL) {
    (void)cli_history_write(p->history, checkpoint->history);
  }
  if (p->title != NULL) {
    double now = heed_seconds();
    if (epoch->run != p->last_run) {
      if (p->last_run >= 0 && p->finished < epoch->run) p->finished = epoch->run;
      p->last_run = epoch->run;
    }
    if (now - p->shown > 0.1) {
      draw_line(p, epoch);
      p->shown = now;
    }
  }
  return !cli_stopped();
}

/* --- Runs ---------------------------------------------------------------------------------- */

void cli_outcome_free(cli_outcome *outcome) {
  free(outcome->result.runs);
  heed_model_free(outcome->result.best);
  *outcome = (cli_outcome){0};
}

int cli_experiment(cli_outcome *outcome, const cli_task *task, const cli_recipe *recipe,
                   const heed_mask *mask, const uint64_t *seeds, int n_seeds, const char *title,
                   cli_history *history, const cli_checkpoint *checkpoint) {
  *outcome = (cli_outcome){0};
  size_t runs = (size_t)cli_task_runs(task, n_seeds);
  outcome->result.runs = calloc(runs + 1, sizeof *outcome->result.runs);
  if (outcome->result.runs == NULL) return cli_fail("out of memory for %zu runs", runs);
  heed_experiment experiment = {
      .model = &recipe->model,
      .fit = &recipe->fit,
      .collection = task->collection,
      .inputs = cli_task_inputs(task, mask),
      .paired = task->paired,
      .targets = task->targets,
      .seeds = seeds,
      .n_seeds = n_seeds,
      .splits = task->splits,
      .train = task->parts[HEED_PART_TRAIN],
      .validation = task->parts[HEED_PART_VALIDATION],
      .test = task->parts[HEED_PART_TEST],
      .n_splits = task->n_splits,
  };
  if (checkpoint != NULL) {
    experiment.checkpoint = checkpoint->path;
    experiment.checkpoint_every = checkpoint->every;
    experiment.resume = checkpoint->resume;
  }
  progress p = {.title = isatty(STDERR_FILENO) ? title : NULL,
                .metric = heed_metric_name(recipe->fit.metric),
                .started = heed_seconds(),
                .last_run = -1,
                .history = history,
                .checkpoint = checkpoint,
                .first = true};
  heed_status status = heed_experiment_run(&experiment, watch, &p, &outcome->result);
  if (p.shown > 0) fputs("\r\033[K", stderr);
  if (p.first && history != NULL && checkpoint != NULL && checkpoint->resume) {
    read_history(history, checkpoint->history, INT_MAX); /* there was nothing left to do */
  }
  outcome->seconds = heed_seconds() - p.started;
  for (int r = 0; r < outcome->result.n_runs; r++) {
    outcome->stopped = outcome->stopped || outcome->result.runs[r].stopped;
  }
  outcome->stopped = outcome->stopped || (cli_stopped() && outcome->result.n_runs < (int)runs);
  return cli_check(status, NULL);
}
