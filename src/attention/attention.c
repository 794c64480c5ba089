/* To come. */
#include <heed/attention.h>
