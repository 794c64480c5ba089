/* The loops as the compiler writes them for any processor of the kind. */
#define LANES 4
#define LOOPS heed__loops_portable
#include "matrix/loops_body.h"
