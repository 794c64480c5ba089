/** @file
 *  Heed: graph attention over node sets. This umbrella includes the header of every public room;
 *  each of them may also be included alone. */
#ifndef HEED_H
#define HEED_H

#include <heed/attention.h>
#include <heed/base.h>
#include <heed/data.h>
#include <heed/encoding.h>
#include <heed/graph.h>
#include <heed/mask.h>
#include <heed/matrix.h>
#include <heed/model.h>
#include <heed/report.h>
#include <heed/sequence.h>
#include <heed/train.h>
#include <heed/version.h>

#endif
