/*
 * usb_driver.h - which of the host's drivers have the interfaces of a USB device, and how they get them back.
 */
#ifndef VHOTPLUG_USB_DRIVER_H
#define VHOTPLUG_USB_DRIVER_H

#include "base/limits.h"

#include <stdbool.h>

/*
 * Has a program claimed an interface of the device through its own descriptor of it, as a VM that somebody else gave
 * the device to does? The kernel shows that as the driver "usbfs". True with the interface's name.
 * dir: the device's directory, just opened; it stays the caller's.
 */
bool usb_driver_claimed(int dir, const char *sys_name, char interface[VH_IFNAME_MAX]);
/* Offers interfaces that nobody has to the host's drivers. Blocks for as long as their probing takes. */
void usb_driver_offer(const char *sys_name);

#endif
