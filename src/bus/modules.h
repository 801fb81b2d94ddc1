/*
 * modules.h - which kernel module would drive a device, by the lists below /lib/modules; no program is run for it.
 */
#ifndef VHOTPLUG_MODULES_H
#define VHOTPLUG_MODULES_H

#include "base/model.h"

#include <stdbool.h>

void modules_open(void); /* finds the running kernel's lists, once, after sysfs_root() */
/* What is read of them, for the sandbox: n from 0 to MODULES_PATHS - 1; "" is none. */
enum { MODULES_PATHS = 5 };
const char *modules_path(int n);
/* Are there any? If not, no driver is known; *dir tells where they should be. */
bool modules_there(const char **dir);
/* Fills d->driver_path, with paths that live as long as the program. False, with *why static, if it cannot be told. */
bool modules_of(struct device *d, const char **why);

#endif
