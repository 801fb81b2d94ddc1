/*
 * evdev_sysfs.h - the input devices of the host that have an event node, as sysfs shows them, with what udev would say
 * of them. Reads only: no node is opened.
 */
#ifndef VHOTPLUG_EVDEV_SYSFS_H
#define VHOTPLUG_EVDEV_SYSFS_H

#include "bus/device_order.h"

/* In a device worker: fills the answer to DEVICE_EVDEV. A host without input devices has an empty list. */
void evdev_sysfs_list(struct device_evdev *l);

#endif
