/* Names of the values of an enum, in their order. */
#ifndef HEED_SRC_BASE_NAMES_H
#define HEED_SRC_BASE_NAMES_H

/* The place of `name` among `n` names, or -1. */
int heed__name_index(const char *const *names, int n, const char *name);

#endif
