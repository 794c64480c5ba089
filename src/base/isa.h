/* Which instruction set runs: the best the processor has, or what HEED_ISA names. What is
 * written for several is compiled once for each, from one body, into libheed-avx2.la and
 * libheed-avx512.la. */
#ifndef HEED_SRC_BASE_ISA_H
#define HEED_SRC_BASE_ISA_H

#include <stdbool.h>

typedef enum heed__isa { HEED__PORTABLE, HEED__AVX2, HEED__AVX512, HEED__ISAS } heed__isa;

/* "portable", "avx2", "avx512". */
const char *heed__isa_name(heed__isa isa);

/* Whether both the compiler and the processor have it. */
bool heed__isa_there(heed__isa isa);

/* The one in use. */
heed__isa heed__isa_chosen(void);

/* For tests: from now on this one, which must be there; HEED__ISAS: again what was chosen. */
void heed__isa_override(heed__isa isa);

#endif
