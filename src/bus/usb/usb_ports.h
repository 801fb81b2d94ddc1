/*
 * usb_ports.h - the USB ports of the host, with or without devices. For people who write a configuration, not for the
 * daemon: the calls may wait.
 */
#ifndef VHOTPLUG_USB_PORTS_H
#define VHOTPLUG_USB_PORTS_H

#include "base/limits.h"

#include <stdbool.h>
#include <stdint.h>

struct usb_port {
    char path[VH_STABLE_PATH_MAX]; /* never "" */
    char other[VH_PORTPATH_MAX];   /* the port of the other half that the kernel takes for the same socket; "" none */
    char device[VH_SYSNAME_MAX];   /* what is plugged in: "1-2"; "" nothing */
    char type[12];                 /* the firmware's connect_type: hotplug, hardwired, not used, unknown */
    uint32_t location;             /* of the firmware; 0: it tells of none, and `other` is a guess */
};

/* Fills up to `max` rows in the order of their paths, ports with stable paths only. Their number; *more: there are
 * further ones. After sysfs_root(). */
int usb_ports_read(struct usb_port *rows, int max, bool *more);
int usb_controllers(void); /* how many USB controllers the host has; 0 if it has no USB */

#endif
