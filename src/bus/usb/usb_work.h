/*
 * usb_work.h - what a device worker does: the orders of device_order.h, carried out. Any of them may wait for as long
 * as a device likes.
 */
#ifndef VHOTPLUG_USB_WORK_H
#define VHOTPLUG_USB_WORK_H

#include "bus/device_order.h"

/* The contract of worker_job.handle. */
void usb_work_idle(void); /* of worker_job.idle: what only orders need goes back to the kernel */
size_t usb_work(const void *order, int fd, void *answer, int out[WORKER_FDS]);

#endif
