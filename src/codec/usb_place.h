/*
 * usb_place.h - how the place of a USB device is written: the path of its node, and its port behind hubs. Pure.
 *
 * Each is read in two ways: loosely, as people may write it (leading zeros may be missing or added), and exactly, as
 * the kernel writes it.
 */
#ifndef VHOTPLUG_USB_PLACE_H
#define VHOTPLUG_USB_PLACE_H

#include "base/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define USB_DEVNUM_MAX 127 /* the highest address on a bus */
#define USB_PLACE_BITS 55  /* of usb_place_order() */

/* "/dev/bus/usb/003/078" */
void usb_node_print(char node[VH_NODE_MAX], uint8_t bus, uint8_t devnum);
/* False, with *bus and *devnum as they were, if it is no such path. Loosely, both numbers may go up to 255. */
bool usb_node_parse(const char *node, uint8_t *bus, uint8_t *devnum);
bool usb_node_parse_exact(const char *node, uint8_t *bus, uint8_t *devnum);

/* Are these n bytes a port path: "2" or "2.3.1", numbers from 1 to 255, shorter than VH_PORTPATH_MAX? */
bool usb_port_path(const char *s, size_t n);
bool usb_port_path_exact(const char *s, size_t n);
/* "1-2.3": the bus, from 1 to 255, and the port path, read loosely; *port points into the name. False if it is no such
 * name. */
bool usb_name_parse(const char *name, uint8_t *bus, const char **port);
/* The name of a device at the port that this link of sysfs leads to: ".../usb2/2-0:1.0/usb2-port3" is the port of
 * "2-3",
 * ".../2-1:1.0/2-1-port4" that of "2-1.4". False, with name "", if it is no such link. */
bool usb_port_device(const char *link, char name[VH_SYSNAME_MAX]);
/* The first number of a port path: the port at the root hub. 0 if there is none, or it is above 255. */
uint8_t usb_root_port(const char *path);
/* A number that grows with the bus, then with the ports: "2" before "2.1" before "10". Paths differ in it if the kernel
 * can make them: six ports at most, the first below 128. */
uint64_t usb_place_order(uint8_t bus, const char *port_path);

#endif
