/* A model run plainly in double precision: what test_model.c holds passes against. */
#ifndef HEED_TESTS_MODEL_ORACLE_H
#define HEED_TESTS_MODEL_ORACLE_H

#include <heed/model.h>

/* The output [rows, outputs] of a finished model with the parameters given; the caller frees it.
 * Dropout and batch norm as in `mode`; nothing of the model is changed. */
double *oracle_forward(const heed_model *model, const heed_model_inputs *inputs,
                       const double *parameters, heed_mode mode, uint64_t seed, uint64_t step);

#endif
