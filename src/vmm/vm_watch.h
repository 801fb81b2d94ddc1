/*
 * vm_watch.h - start and end of VMs, as the kernel reports them: inotify on the directories of the VMs' sockets (also
 * directories that do not exist yet), and a pidfd for each process behind a monitor. A connector (connector.h) looks at
 * the sockets. No timer runs while both work.
 */
#ifndef VHOTPLUG_VM_WATCH_H
#define VHOTPLUG_VM_WATCH_H

#include "config/conf.h"

#include <stdbool.h>
#include <stdint.h>

struct connector_answer;
struct pollset;

struct vm_watch_calls {
    void (*socket_there)(int vm); /* appeared, or was replaced (another inode) */
    void (*socket_gone)(int vm);
    void (*socket_absent)(int vm); /* the first look found none */
    void (*process_gone)(int vm);  /* that of vm_watch_process() has ended */
};

/* The first vm_watch_scan() has every socket reported that is present. False after logging why. */
bool vm_watch_start(const struct conf *c, const struct vm_watch_calls *calls);
int vm_watch_inotify(void);   /* for the connectors, who add the watches */
void vm_watch_scan(void);     /* has every socket looked at; what changed since the last report is reported then */
bool vm_watch_scanning(void); /* a look at a VM is under way; each ends with VH_T_CONNECT at the latest */
void vm_watch_looked(int vm, const struct connector_answer *a); /* of struct connector_calls */
void vm_watch_process(int vm, int pidfd);                       /* takes it over; -1: none */
int vm_watch_pidfd(int vm); /* of that process, owned by vm_watch; -1 if it is not known, or has ended */
/* Another configuration, aligned with the last one (conf_align). `changed`: rows that are another VM now. */
void vm_watch_reload(const struct conf *c, vm_set changed);
void vm_watch_stop(void);

void vm_watch_fill(struct pollset *ps);
void vm_watch_ready(const struct pollset *ps);
int64_t vm_watch_deadline(void);
void vm_watch_tick(int64_t now);

#endif
