/*
 * host_lock.h - one daemon a host. Two of them would both give devices away, and a decision that a client makes at one
 * would not hold at the other.
 */
#ifndef VHOTPLUG_HOST_LOCK_H
#define VHOTPLUG_HOST_LOCK_H

#include <stdbool.h>

#define HOST_LOCK_PATH "/dev/vhotplug.lock" /* below the root of sysfs_root() */

enum host_lock {
    HOST_LOCK_FREE,
    HOST_LOCK_HELD,
    HOST_LOCK_UNKNOWN, /* errno says why */
};

/* After sysfs_root(): takes the lock for as long as this process lives. False after logging who has it. Where no lock
 * can be had, a warning says why, and the daemon starts: without it no device would reach any VM. */
bool host_lock_take(void);
/* Changes nothing. HOST_LOCK_HELD: by process *pid, or 0 if that process is in another PID namespace. */
enum host_lock host_lock_look(int *pid);
/* 0, or an errno: why no daemon could take the lock. */
int host_lock_obstacle(void);

#endif
