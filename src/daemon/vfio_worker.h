/*
 * vfio_worker.h - the process that gives PCI devices to vfio-pci and back to the host's drivers (bus/vfio_order.h has
 * its orders).
 */
#ifndef VHOTPLUG_VFIO_WORKER_H
#define VHOTPLUG_VFIO_WORKER_H

#include "bus/vfio_order.h"

#include <stdbool.h>

/* Before anything is opened that the process should not hold. False after logging why. */
bool vfio_worker_start(struct worker *w);
/* Gives the idle worker an order, which has VH_T_VFIO. False: it has ended (logged). */
bool vfio_worker_order(struct worker *w, struct vfio_order *o, int64_t now);
/* After worker_read() has read n bytes and these descriptors: the answer to o, or NULL if that has not its form. Then
 * the descriptors are closed, and the worker is not to be trusted any more: it has ended (logged). */
const struct vfio_answer *vfio_worker_answer(struct worker *w, const struct vfio_order *o, size_t n,
                                             int fds[WORKER_FDS]);

#endif
