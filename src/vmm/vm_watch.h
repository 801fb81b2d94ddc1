/*
 * vm_watch.h - life and death of VMs, and of mounts, as the kernel tells them: inotify on the directories of the VMs'
 * sockets (also those that do not exist yet), a pidfd for each process behind a monitor, and the mount table. No
 * timers.
 */
#ifndef VHOTPLUG_VM_WATCH_H
#define VHOTPLUG_VM_WATCH_H

#include "config/conf.h"

#include <stdbool.h>
#include <stdint.h>

struct pollset;

struct vm_watch_calls {
    void (*socket_there)(int vm); /* appeared, or was made anew (another inode) */
    void (*socket_gone)(int vm);
    void (*process_gone)(int vm); /* the process last given to vm_watch_process has ended */
    void (*mounts_changed)(void);
};

bool vm_watch_start(
    const struct conf *c,
    const struct vm_watch_calls *calls); /* tells socket_there for each present socket in vm_watch_look */
void vm_watch_look(void);                /* compares every socket with what was last told, and tells the differences */
void vm_watch_process(int vm, int32_t pid); /* pid <= 0: none */
int vm_watch_pidfd(int vm);                 /* of that process; stays ours; -1 if it is not known, or has ended */
/* Another configuration, aligned with the last one (conf_align). `changed`: rows that are another VM now. */
void vm_watch_reload(const struct conf *c, vm_set changed);
void vm_watch_stop(void);

void vm_watch_fill(struct pollset *ps);
void vm_watch_ready(const struct pollset *ps);
int64_t vm_watch_deadline(void);
void vm_watch_tick(int64_t now);

#endif
