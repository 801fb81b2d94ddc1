/*
 * modules.h - which kernel module would drive a device, by the lists below /lib/modules. Runs no program.
 */
#ifndef VHOTPLUG_MODULES_H
#define VHOTPLUG_MODULES_H

#include "base/model.h"

#include <stdbool.h>

void modules_open(void); /* finds the running kernel's lists, once, after sysfs_root() */
/* Path n of the files that are read, for the sandbox; "" if there is none. */
enum { MODULES_PATHS = 5 };
const char *modules_path(int n);
/* Does the kernel have lists? If not, no driver is known, and *dir is where they should be. */
bool modules_there(const char **dir);
/* Fills d->driver_path, by the active configuration, with paths that live until the next call. False, with *why static,
 * if it cannot be told. Reads files, so it may wait. */
bool modules_of(struct device *d, const char **why);
/* The one copy of a path, which lives as long as the program; NULL if VH_MODULE_PATHS are full. */
const char *modules_intern(const char *path);

#endif
