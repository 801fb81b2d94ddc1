/*
 * disk_worker.h - the process that writes the state file, and the one save that it has in hand. No save waits here: one
 * that cannot be given to the worker fails at once.
 */
#ifndef VHOTPLUG_DISK_WORKER_H
#define VHOTPLUG_DISK_WORKER_H

#include "codec/state_format.h"
#include "os/pollset.h"
#include "os/worker.h"

#include <stdbool.h>
#include <stdint.h>

struct disk_worker_calls {
    void (*saved)(bool ok,
                  const char *why); /* the save under way has ended, once; may come within disk_worker_save() */
    void (*answers)(void);          /* the worker was late and is idle again */
};

/* After state_file_load(), before the sandbox. False after logging why. */
bool disk_worker_start(const struct disk_worker_calls *calls);
/* What is remembered now goes to disk, unless that takes longer than VH_T_DISK. */
void disk_worker_save(const struct remembered_set *ms, int64_t now);
void disk_worker_stop(void); /* waits for VH_T_DISK_STOP at most for the save under way */

void disk_worker_count(struct worker_counts *n);
void disk_worker_fill(struct pollset *ps);
void disk_worker_ready(const struct pollset *ps);
int64_t disk_worker_deadline(void);
void disk_worker_tick(int64_t now);

#endif
