/*
 * usb_node.h - the nodes of USB devices below /dev/bus/usb: opened for a VM, reset for the host.
 */
#ifndef VHOTPLUG_USB_NODE_H
#define VHOTPLUG_USB_NODE_H

#include "bus/device_order.h"

#include <stdbool.h>
#include <stddef.h>

void usb_node_start(void); /* before the sandbox */
/* In a worker. Opens the node, read-write, after checking that the order's device still is that plug and that nobody
 * uses it. A driver of the kernel has it after the node was opened: the loss of that ends the descriptor
 * (usb_revoke.h). The descriptor, or -1 with `why` filled for an error reply. */
int usb_node_open(const struct device_order *o, char *why, size_t cap);
/* Resets the device and binds it again, as the order says, if it still is that plug, and offers its interfaces to host
 * drivers. False with `why` filled if it is not bound; logs why a reset failed. */
bool usb_node_release(const struct device_order *o, char *why, size_t cap);
/* Opens the node of a hub that the kernel drives; *ports: how many it has. -1 as above. */
int usb_node_hub(const struct device_order *o, uint8_t *ports, char *why, size_t cap);
/* Has the kernel choose a configuration, by o->sys_name alone; in a held port it chooses none. False with `why` filled.
 */
bool usb_node_bind(const struct device_order *o, char *why, size_t cap);
/* Configures the device if it is not, and offers its interfaces to host drivers: this takes as long as their probing.
 * False with `why` filled. */
bool usb_node_offer(const struct device_order *o, char *why, size_t cap);

#endif
