/*
 * port_work.h - what a port worker does: the orders of port_order.h, carried out. Each of them may wait for as long as
 * the kernel is busy with that hub.
 */
#ifndef VHOTPLUG_PORT_WORK_H
#define VHOTPLUG_PORT_WORK_H

#include "bus/usb/port_order.h"

size_t port_work(const void *order, int fd, void *answer, int out[WORKER_FDS]); /* the contract of worker_job.handle */

#endif
