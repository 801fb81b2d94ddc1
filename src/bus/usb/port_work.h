/*
 * port_work.h - what a port worker does: the orders of port_order.h, carried out. Each of them may wait for as long as
 * the kernel is busy with that hub.
 */
#ifndef VHOTPLUG_PORT_WORK_H
#define VHOTPLUG_PORT_WORK_H

#include "bus/usb/port_order.h"

/* The loop has ended: releases all ports. Of the processes that do so, each second one begins with the last hub: then a
 * hub that the kernel is busy with keeps the ports of no other one held. */
void port_work_leave(void);
size_t port_work(const void *order, int fd, void *answer, int out[WORKER_FDS]); /* the contract of worker_job.handle */

#endif
