#include "base/status.h"

#include <heed/version.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A path may be long: the message keeps its whole beginning. */
enum { MESSAGE_BYTES = 2048 };

static _Thread_local char message[MESSAGE_BYTES];

heed_status heed__fail(heed_status status, const char *format, ...) {
  char text[MESSAGE_BYTES];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  memcpy(message, text, sizeof message);
  return status;
}

const char *heed_message(void) { return message; }

static const struct {
  const char *name;
  const char *sentence;
} statuses[HEED_STATUS_COUNT] = {
#define STATUS_ROW(name, sentence) {"HEED_" #name, sentence},
    HEED_STATUS_MAP(STATUS_ROW)
#undef STATUS_ROW
};

static int is_status(heed_status status) {
  return (int)status >= 0 && (int)status < HEED_STATUS_COUNT;
}

const char *heed_status_name(heed_status status) {
  return is_status(status) ? statuses[status].name : "HEED_?";
}

const char *heed_status_sentence(heed_status status) {
  return is_status(status) ? statuses[status].sentence : "no such status";
}

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

const char *heed_version(void) {
  return TEXT(HEED_VERSION_MAJOR) "." TEXT(HEED_VERSION_MINOR) "." TEXT(HEED_VERSION_PATCH);
}
