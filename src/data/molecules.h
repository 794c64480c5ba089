/* The molecules that come with Heed: datasets/molecules.csv, compiled in. */
#ifndef HEED_SRC_DATA_MOLECULES_H
#define HEED_SRC_DATA_MOLECULES_H

#include <stddef.h>

/* The whole file, a header and a row a molecule, with '\0' behind its `bytes`. Always there. */
const char *heed__molecules_csv(size_t *bytes);

#endif
