/*
 * host_use.h - which USB devices the host itself uses: mounted storage, swap, storage below another block device, and
 * the network adapter of the default route, and those below it. A snapshot, taken on demand.
 */
#ifndef VHOTPLUG_HOST_USE_H
#define VHOTPLUG_HOST_USE_H

#include <stdbool.h>
#include <stddef.h>

void host_use_read(void); /* takes the snapshot; may wait for a file system */
/* Row i of the snapshot, from 0 on; false after the last. The texts live until the next snapshot. untold: no event
 * tells when this use ends, as the poll of the mount table does (mount_watch.h). */
bool host_use_at(int i, const char **sys_name, const char **why, bool *untold);
/* Takes a snapshot over from whoever read it, row by row. A row is left out if there is one of that device, or if there
 * are VH_MAX_DEVICES. */
void host_use_drop(void); /* the snapshot and the memory of reading it go: for a worker between two orders */
void host_use_clear(void);
void host_use_put(const char *sys_name, const char *why);
/* Why the host keeps the device with this sysfs name, by the last snapshot. False if it does not. */
bool host_use_reason(const char *sys_name, char *why, size_t cap);
/* Asks the kernel whether a block device of the USB device is in use, by whatever it is. For a moment nobody else can
 * begin to use it, so this is the last question before a VM gets the device. */
bool host_use_busy(const char *sys_name, char *why, size_t cap);

#endif
