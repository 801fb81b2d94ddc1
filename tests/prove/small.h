/*
 * small.h - included before all else where a proof says so: smaller tables, so that cbmc can unwind the loops over
 * them. What is proved is proved for these sizes.
 */
#ifndef PROVE_SMALL_H
#define PROVE_SMALL_H

#include "base/limits.h"

#define VH_JSON_DEPTH 2
#define VH_MAX_IFACES 4
#define VH_MAX_DEVICES 2
#define VH_MAX_PCI 3
#define VH_MAX_DRIVERS 2
#define VH_DRIVERS_TEXT 8

#endif
