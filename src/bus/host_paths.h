/*
 * host_paths.h - the block devices and network interfaces that the host uses, as paths in sysfs: mounted storage, swap,
 * storage below another block device, and the interfaces of the default route, with those below them. From /proc and
 * the links of /sys; for host_use.c (USB) and pci_use.c.
 */
#ifndef VHOTPLUG_HOST_PATHS_H
#define VHOTPLUG_HOST_PATHS_H

#include <stdbool.h>

enum host_path {
    HOST_MOUNT, /* an event tells the end of this use: the poll of the mount table does (mount_watch.h) */
    HOST_STORAGE,
    HOST_ROUTE,
};

/* path: where the link of a block device or an interface leads, .../0000:00:14.0/usb1/1-2/1-2:1.0/host3/...; what and
 * which say what for: "holds the mounted file system", "/mnt". A path may come several times. */
typedef void host_path_fn(const char *path, enum host_path kind, const char *what, const char *which);

/* Calls for each path; may wait for a file system. Returns the number of interfaces that found no room. Not reentrant.
 */
unsigned host_paths_walk(host_path_fn *each);
bool host_paths_may_warn(void); /* each mount and each new disk leads to a walk, so the log has a limit */
/* Does the kernel refuse the block device ("nvme0n1p1") to a second user? For a moment nobody else can begin to use it.
 */
bool host_paths_busy(const char *name);
void host_paths_drop(void); /* gives back the memory of reading */

#endif
