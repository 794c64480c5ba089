/* Random numbers in bulk, as the compiler writes them for any processor of the kind. */
#define MANY heed__random_many_portable
#include "base/random_body.h"
