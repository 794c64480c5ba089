/* To come. */
#include <heed/mask.h>
