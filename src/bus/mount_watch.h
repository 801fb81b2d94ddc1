/*
 * mount_watch.h - notices changes of the host's mount table, which decide what the host itself uses.
 */
#ifndef VHOTPLUG_MOUNT_WATCH_H
#define VHOTPLUG_MOUNT_WATCH_H

#include "os/pollset.h"

#include <stdbool.h>

void mount_watch_start(void); /* after sysfs_root(); without /proc no change is noticed */
void mount_watch_stop(void);

void mount_watch_fill(struct pollset *ps);
bool mount_watch_ready(const struct pollset *ps); /* true if the table has changed since the last poll */

#endif
