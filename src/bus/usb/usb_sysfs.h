/*
 * usb_sysfs.h - the attributes of one USB device, read below its directory in sysfs. `dir` is a descriptor of that
 * directory.
 */
#ifndef VHOTPLUG_USB_SYSFS_H
#define VHOTPLUG_USB_SYSFS_H

#include "base/model.h"

#include <stdbool.h>
#include <stdint.h>

/* Its number on the bus as it is now; 0 if there is none: a reset or a removal is under way. A reset may give another.
 */
uint8_t usb_sysfs_number(int dir);
/* What stays as it is for as long as a plug lasts: numbers, port, speed, descriptors and what follows from them. dev is
 * zero but for its sys_name. False if it has no place on a bus, or none any more. */
bool usb_sysfs_plug(int dir, struct device *dev);
/* Its names; its own strings only if it is settled, for until then reading them may block. Last as long as the plug. */
void usb_sysfs_names(int dir, struct device *dev);

#endif
