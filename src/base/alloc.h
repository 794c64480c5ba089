/* Memory: aligned, counted, checked for overflow. */
#ifndef HEED_SRC_BASE_ALLOC_H
#define HEED_SRC_BASE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Every block starts on a cache line. */
#define HEED__ALIGNMENT 64

/* count * size bytes, not initialised; at least one, so that NULL always means failure. On failure
 * heed_message() says how much was asked for. Blocks of some megabytes ask for huge pages. */
void *heed__alloc(size_t count, size_t size);

/* The same, all zero. */
void *heed__alloc_zero(size_t count, size_t size);

/* A block of count * size bytes that begins with what `block` (NULL or from here) holds; `block`
 * is freed on success and untouched on failure. */
void *heed__realloc(void *block, size_t count, size_t size);

/* A copy of a string, or NULL. */
char *heed__strdup(const char *text);

/* Frees what the functions above gave; NULL is fine. */
void heed__free(void *block);

/* Bytes that the calling thread has allocated less those it has freed; only differences mean
 * anything: what a call took, whatever other threads do meanwhile. */
int64_t heed__alloc_held_here(void);

/* a * b; false if it does not fit. */
bool heed__multiply(size_t a, size_t b, size_t *product);

/* For tests: the allocation after `n` more ones fails, and all after it; negative: none does. */
void heed__alloc_fail_after(long n);

#endif
