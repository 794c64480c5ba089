/* Chance for tests: numbers that are the same in every run, from `state` on. */
#ifndef HEED_TESTS_CHANCE_H
#define HEED_TESTS_CHANCE_H

#include <stdint.h>

static uint64_t state;

/* A number from 0 to below - 1. */
static inline int64_t chance(int64_t below) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (int64_t)((state >> 33) % (uint64_t)below);
}

#endif
