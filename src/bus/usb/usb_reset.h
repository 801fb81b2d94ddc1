/*
 * usb_reset.h - a USB reset of an opened node: the daemon's only use of libusb.
 */
#ifndef VHOTPLUG_USB_RESET_H
#define VHOTPLUG_USB_RESET_H

#include <stdbool.h>
#include <stddef.h>

/* Resets the device behind fd (opened read-write). False with `why` filled. The descriptor stays the caller's. */
bool usb_reset(int fd, char *why, size_t cap);

#endif
