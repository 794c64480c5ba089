/* To come. */
#include <heed/graph.h>
