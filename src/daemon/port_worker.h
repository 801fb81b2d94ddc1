/*
 * port_worker.h - starts the processes that hold the hubs' ports (bus/usb/port_pool.h has their orders).
 */
#ifndef VHOTPLUG_PORT_WORKER_H
#define VHOTPLUG_PORT_WORKER_H

#include <stdbool.h>

/* After bus->start(), before anything is opened that the processes should not hold. False after logging why. */
bool port_workers_start(void);

#endif
