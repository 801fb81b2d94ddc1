/*
 * small.h - limits.h with small tables, given to the compiler before everything else (tests/tests.mk: SMALL_CC). For
 * the targets that drive a core or the bus: every step looks through the tables, and an input of a few bytes fills
 * these, so that what happens at their ends is tried as well. Sizes of texts are the real ones.
 */
#ifndef VHOTPLUG_SMALL_H
#define VHOTPLUG_SMALL_H

#include "../../src/base/limits.h"

#define VH_MAX_DEVICES 6 /* corehost.h has 8 ports */
#define VH_MAX_LEAVING 2
#define VH_MAX_PORTS 6
#define VH_MAX_VMS 4
#define VH_MAX_ACCESS 8
#define VH_MAX_RULES 8
#define VH_MAX_ENTRIES 16
#define VH_MAX_PCI_RULES 4
#define VH_MAX_PCI_ENTRIES 8
#define VH_MAX_EVDEV_RULES 4
#define VH_MAX_EVDEV_ENTRIES 8
#define VH_MAX_ACPI_RULES 4
#define VH_MAX_ACPI_TABLES 4
#define VH_MAX_REMEMBERED 8
#define VH_MAX_TAG_DECISIONS 2
#define VH_MAX_CLIENTS 4
#define VH_ADMIN_CLIENTS 1
#define VH_PEER_CLIENTS 2
#define VH_MAX_FOUND 4
#define VH_MAX_FILTERS VH_MAX_VMS
#undef VH_VM_FILTERS
#define VH_VM_FILTERS 1
#define VH_MAX_IFACES 4
#define VH_STATE_EXTRA 512
#define VH_CONF_STRINGS 4096
#define VH_REGEX_POOL 2048
#define VH_REGEX_SETS 32

#endif
