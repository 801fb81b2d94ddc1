/*
 * small.h - included before all else where a proof says so: smaller tables, so that cbmc can unwind the loops over
 * them. What is proved is proved for these sizes.
 */
#ifndef PROVE_SMALL_H
#define PROVE_SMALL_H

#include "base/limits.h"

#define VH_MAX_IFACES 4

#endif
