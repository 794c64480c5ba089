/* The header of one array as NumPy writes it (NEP 1, versions 1 to 3). */
#ifndef HEED_SRC_DATA_NPY_H
#define HEED_SRC_DATA_NPY_H

#include <heed/data.h>

enum {
  HEED__NPY_PREFIX = 12,        /* at most: magic, version, length of the text */
  HEED__NPY_TEXT_MAX = 1 << 16, /* longer texts describe nothing we take */
  HEED__SHAPE_TEXT = 24 * HEED_NPZ_MAX_DIMS
};

/* Bytes of an element. */
size_t heed__dtype_size(heed_dtype dtype);

/* Such as "<f4". */
const char *heed__dtype_text(heed_dtype dtype);

/* Length of the prefix and of the text after it, out of the first bytes of an array.
 * `where` is what messages begin with. */
heed_status heed__npy_prefix(const unsigned char *bytes, size_t n, const char *where,
                             size_t *prefix, size_t *text);

/* Reads the text: a Python dict of exactly descr, fortran_order and shape. */
heed_status heed__npy_parse(const char *text, size_t n, const char *where, heed_array *array,
                            bool *fortran_order);

/* The product of the sizes times the bytes of an element; false if it does not fit in 63 bits. */
bool heed__array_bytes(const heed_array *array, uint64_t *bytes);

/* "[2, 3]"; -1 is "any". */
void heed__shape_text(char text[HEED__SHAPE_TEXT], int n_dims, const int64_t *shape);

/* Writes prefix and text into out[bytes]; returns their length, or 0 if they do not fit. */
size_t heed__npy_format(const heed_array *array, char *out, size_t bytes);

#endif
