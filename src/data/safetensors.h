/* What reading and writing safetensors share. */
#ifndef HEED_SRC_DATA_SAFETENSORS_H
#define HEED_SRC_DATA_SAFETENSORS_H

#include <heed/data.h>

/* Bytes that tell the header's length, and the most that it may be. */
enum { HEED__SAFETENSORS_PREFIX = 8, HEED__SAFETENSORS_HEADER_MAX = 100000000 };

/* The key of the header that is no tensor. */
#define HEED__SAFETENSORS_METADATA "__metadata__"

/* The format's name of a type, such as "F32". */
const char *heed__safetensors_type(heed_dtype dtype);

#endif
