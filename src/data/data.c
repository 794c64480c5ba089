/* To come. */
#include <heed/data.h>
