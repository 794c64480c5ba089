/* What a recipe says, for those who use what it made. */
#ifndef HEED_SRC_GRAPH_RECIPE_H
#define HEED_SRC_GRAPH_RECIPE_H

#include <stdbool.h>
#include <stdint.h>

/* Whether it is of that kind, such as "sbm". */
bool heed__recipe_is(const char *recipe, const char *name);

/* The whole number under `name`, 0 if it is not given. The recipe was generated before, so that all
 * of it is right. */
int64_t heed__recipe_number(const char *recipe, const char *name);

/* Whether this names the karate club, which has the vertex attribute "club". */
bool heed__is_karate(const char *name);

#endif
