/*
 * usb_driver.h - which drivers the interfaces of a USB device have, and how the host's drivers get them back.
 */
#ifndef VHOTPLUG_USB_DRIVER_H
#define VHOTPLUG_USB_DRIVER_H

#include "base/limits.h"

#include <stdbool.h>

/*
 * True, with the interface's name, if a program has claimed an interface through the device's node. A VM does so that
 * another program gave the device to. The kernel shows it as the driver "usbfs".
 * dir: the device's directory, just opened; it stays the caller's.
 */
bool usb_driver_claimed(int dir, const char *sys_name, char interface[VH_IFNAME_MAX]);
/* The same, and the driver of the host that has an interface of the device, "" if none has. `dir` as above. */
bool usb_driver_look(int dir, const char *sys_name, char driver[VH_IFNAME_MAX]);
/* Offers interfaces without a driver to the host's drivers. Blocks for as long as their probing takes. */
void usb_driver_offer(const char *sys_name);

#endif
