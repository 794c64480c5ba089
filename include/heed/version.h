/** @file
 *  The version of Heed, written here and nowhere else: configure reads it from this file. */
#ifndef HEED_VERSION_H
#define HEED_VERSION_H

#define HEED_VERSION_MAJOR 0
#define HEED_VERSION_MINOR 1
#define HEED_VERSION_PATCH 0

#endif
