/*
 * usb_node.h - the nodes of USB devices below /dev/bus/usb: opened for a VM, reset for the host.
 */
#ifndef VHOTPLUG_USB_NODE_H
#define VHOTPLUG_USB_NODE_H

#include "base/model.h"

#include <stdbool.h>
#include <stddef.h>

void usb_node_start(void); /* before the sandbox */
/* The directory of a device that has just been read: usb_node_open() uses it, once, instead of finding the device
 * again. usb_node takes over the descriptor; only one is kept. */
void usb_node_keep_dir(const struct device *dev, int dir);
void usb_node_drop_dir(void); /* at the end of a pass: what was read before no longer counts */

/* The contract of bus.h for open_node and release. */
int usb_node_open(const struct device *dev, char *why, size_t cap);
void usb_node_release(const struct device *dev);

#endif
