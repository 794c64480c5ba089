/* Failing: a status for the program, a sentence for people. */
#ifndef HEED_SRC_BASE_STATUS_H
#define HEED_SRC_BASE_STATUS_H

#include <heed/base.h>

/* Keeps the sentence for heed_message() and returns `status`. The sentence may quote the present
 * message: it is written before the old one goes. */
heed_status heed__fail(heed_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Returns from the calling function if `call` fails; only where there is nothing to clean up. */
#define HEED__TRY(call)                             \
  do {                                              \
    heed_status try_status = (call);                \
    if (try_status != HEED_OK) return try_status;   \
  } while (0)

#endif
