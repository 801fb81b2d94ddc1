/*
 * boot.h - which boot of the kernel this is.
 */
#ifndef VHOTPLUG_BOOT_H
#define VHOTPLUG_BOOT_H

#include "base/limits.h"

/* The kernel's boot id, below the root of sysfs.h. "" if it has none: then all boots count as one. */
void boot_id(char id[VH_BOOT_ID_MAX]);

#endif
