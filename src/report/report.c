/* To come. */
#include <heed/report.h>
