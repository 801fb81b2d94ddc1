/*
 * vfio_work.h - what a VFIO worker does: the orders of vfio_order.h, carried out. Each of them may wait for the drivers
 * of the devices.
 */
#ifndef VHOTPLUG_VFIO_WORK_H
#define VHOTPLUG_VFIO_WORK_H

#include "bus/vfio_order.h"

size_t vfio_work(const void *order, int fd, void *answer, int out[WORKER_FDS]); /* the contract of worker_job.handle */

void vfio_work_leave(void); /* after the end of the loop: back to the host what it had bound and no VM has */

#endif
