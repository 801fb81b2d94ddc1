/*
 * device_worker.h - starts the processes that read, open and reset devices (bus/device_pool.h has their orders).
 */
#ifndef VHOTPLUG_DEVICE_WORKER_H
#define VHOTPLUG_DEVICE_WORKER_H

#include <stdbool.h>

/* After bus->start(), before anything is opened that the processes should not hold. configures: with
 * general.quarantine, they configure devices. False after logging why. */
bool device_workers_start(bool configures);
/* Without processes, for a program that may wait: device_pool_tick() carries orders out. */
void device_workers_none(void);

#endif
