/*
 * usb_sysfs.h - the attributes of one USB device, read below its directory in sysfs. `dir` is a descriptor of that
 * directory.
 */
#ifndef VHOTPLUG_USB_SYSFS_H
#define VHOTPLUG_USB_SYSFS_H

#include "base/model.h"

#include <stdbool.h>
#include <stdint.h>

#define USB_DEVICES "/sys/bus/usb/devices"

int usb_sysfs_open(const char *sys_name);                            /* opens its directory; -1 with errno */
int usb_sysfs_open_plug(const char *sys_name, uint64_t incarnation); /* -1 if the device is another plug, or gone */
/* Its number on the bus as it is now; 0 if there is none: a reset or a removal is under way. A reset may change
 * the number. */
uint8_t usb_sysfs_number(int dir);
/* Does its attribute `authorized` read 0? A device without that attribute is authorised. */
bool usb_sysfs_unauthorised(int dir);
/* bConfigurationValue of its active configuration; 0 if none is active. To be read of a settled device only, like its
 * strings: the kernel holds the device's lock before. */
uint8_t usb_sysfs_config(int dir);
/* Likewise. */
enum binding usb_sysfs_binding(int dir);
/* Fills what lasts as long as a plug: numbers, port, speed, descriptors and what follows from them; if it is settled,
 * its active configuration, too. dev and texts must be zero except for sys_name and settled. False if it has no place
 * on a bus, or none any more. */
bool usb_sysfs_plug(int dir, struct device *dev, struct device_texts *texts);
/* Fills its names, which last as long as the plug. Reads the device's own strings only if it is settled: until then the
 * read may block. */
void usb_sysfs_names(int dir, const struct device *dev, struct device_texts *texts);
void usb_sysfs_drop(void); /* gives back the memory that reading has left touched */

#endif
