#include "graph/guard.h"

#include <locale.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "base/status.h"

enum { REASON_BYTES = 1024 };

typedef struct guard {
  jmp_buf jump;
  int fatals;
  char reason[REASON_BYTES]; /* igraph's, of the first error; the others only say where it went */
  struct guard *outer;
} guard;

/* Handlers get no context. */
static _Thread_local guard *current;

static void on_error(const char *reason, const char *file, int line, igraph_error_t error) {
  (void)file, (void)line, (void)error;
  if (current != NULL && current->reason[0] == '\0') {
    snprintf(current->reason, sizeof current->reason, "%s", reason);
  }
  IGRAPH_FINALLY_FREE();
}

static void on_warning(const char *reason, const char *file, int line) {
  (void)reason, (void)file, (void)line;
}

static void on_fatal(const char *reason, const char *file, int line) {
  (void)file, (void)line;
  if (current == NULL) return;
  if (current->fatals == 0) snprintf(current->reason, sizeof current->reason, "%s", reason);
  current->fatals++;
  longjmp(current->jump, 1);
}

/* The fatal handler makes this the end of `work`, and of freeing what igraph left behind too. */
static heed_status run(guard *self, heed__igraph_work *work, void *context) {
  if (setjmp(self->jump) == 0) return work(context);
  if (self->fatals == 1) IGRAPH_FINALLY_FREE();
  return heed__fail(HEED_LIBRARY, "igraph gave up: %s", self->reason);
}

heed_status heed__igraph_call(heed__igraph_work *work, void *context, uint64_t seed) {
  guard self;
  memset(&self, 0, sizeof self);
  self.outer = current;
  current = &self;
  igraph_error_handler_t *error_handler = igraph_set_error_handler(on_error);
  igraph_warning_handler_t *warning_handler = igraph_set_warning_handler(on_warning);
  igraph_fatal_handler_t *fatal_handler = igraph_set_fatal_handler(on_fatal);
  if (!igraph_has_attribute_table()) (void)igraph_set_attribute_table(&igraph_cattribute_table);
  locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  locale_t locale = plain != (locale_t)0 ? uselocale(plain) : (locale_t)0;

  heed_status status;
  igraph_rng_t rng;
  IGRAPH_FINALLY_ENTER(); /* what a caller has on igraph's stack stays there */
  if (igraph_rng_init(&rng, &igraph_rngtype_pcg32) != IGRAPH_SUCCESS) {
    status = heed__fail(HEED_NOMEM, "out of memory for igraph's random numbers");
  } else {
    /* Mixed, because generators take some seeds for the same. */
    uint32_t mixed[4];
    heed__random4(seed, 0, 0, mixed);
    (void)igraph_rng_seed(&rng, (igraph_uint_t)((uint64_t)mixed[0] << 32 | mixed[1]));
    heed__saved_rng saved = heed__igraph_use_rng(&rng);
    status = run(&self, work, context);
    heed__igraph_restore_rng(&saved);
    igraph_rng_destroy(&rng);
  }
  IGRAPH_FINALLY_EXIT();

  if (plain != (locale_t)0) {
    (void)uselocale(locale);
    freelocale(plain);
  }
  (void)igraph_set_fatal_handler(fatal_handler);
  (void)igraph_set_warning_handler(warning_handler);
  (void)igraph_set_error_handler(error_handler);
  current = self.outer;
  return status;
}

heed_status heed__igraph_status(igraph_error_t error, heed_status otherwise, const char *what) {
  if (error == IGRAPH_SUCCESS) return HEED_OK;
  const char *reason = current->reason[0] != '\0' ? current->reason : igraph_strerror(error);
  heed_status status = error == IGRAPH_ENOMEM ? HEED_NOMEM : otherwise;
  (void)heed__fail(status, "%s: %s", what, reason);
  current->reason[0] = '\0';
  return status;
}

heed_status heed__igraph_attributes(const igraph_t *graph) {
  igraph_attribute_table_t *table = igraph_set_attribute_table(&igraph_cattribute_table);
  bool plain = table == NULL || table == &igraph_cattribute_table;
  if (!plain) (void)igraph_set_attribute_table(table);
  if (!plain) {
    return heed__fail(HEED_UNSUPPORTED, "igraph's attribute table is not the one for C");
  }
  if (graph->attr == NULL) {
    return heed__fail(HEED_ARGUMENT, "the graph has no attributes: it was made before igraph's "
                                     "attribute table was set");
  }
  return HEED_OK;
}
