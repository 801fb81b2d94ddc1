/*
 * usb_revoke.h - the end of every open descriptor of a device, and the way back: in a worker, for both may wait for the
 * kernel.
 */
#ifndef VHOTPLUG_USB_REVOKE_H
#define VHOTPLUG_USB_REVOKE_H

#include "bus/device_order.h"

#include <stdbool.h>
#include <stddef.h>

/* Ends transfers at once, then every descriptor of the device, for good, and leaves it without a driver of the kernel.
 * One that has none is bound first if o->bind, or if somebody has configured it since: drivers of the host may see it
 * then. False with `why` filled: then it is not certain. */
bool usb_revoke(const struct device_order *o, char *why, size_t cap);
/* The kernel's driver takes the device again, which configures it unless its port is held. False with `why` filled. */
bool usb_revoke_undo(const struct device_order *o, char *why, size_t cap);

#endif
