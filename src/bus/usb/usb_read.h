/*
 * usb_read.h - reads one device from sysfs, as far as it must be read again.
 */
#ifndef VHOTPLUG_USB_READ_H
#define VHOTPLUG_USB_READ_H

#include "bus/bus.h"
#include "bus/usb/usb_plugs.h"

enum usb_read_result {
    USB_READ_OK,
    USB_READ_GONE, /* there is no such device */
    USB_READ_FLUX, /* a reset or a removal is under way, or the kernel lacks memory or descriptors: nothing is known */
};

void usb_read_start(reported_fn *reported); /* NULL: nobody keeps reported devices, so all is read again */
/* USB_READ_OK: dev is filled, and *dir is its opened directory, which is the caller's. Else *dir is -1. */
enum usb_read_result usb_read(const char *sys_name, enum plug_phase phase, struct device *dev, int *dir);

#endif
