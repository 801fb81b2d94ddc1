/*
 * host_use.h - which USB devices the host itself uses: mounted storage, swap, storage below another block device, and
 * the network adapter of the default route. A snapshot, taken on demand.
 */
#ifndef VHOTPLUG_HOST_USE_H
#define VHOTPLUG_HOST_USE_H

#include <stdbool.h>
#include <stddef.h>

void host_use_read(void); /* takes the snapshot */
/* Why the host keeps the device with this sysfs name, by the last snapshot. False if it does not. */
bool host_use_reason(const char *sys_name, char *why, size_t cap);

#endif
