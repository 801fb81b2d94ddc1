/*
 * input_device.h - an input device with an event node, and the properties that udev would give it. Pure.
 */
#ifndef VHOTPLUG_INPUT_DEVICE_H
#define VHOTPLUG_INPUT_DEVICE_H

#include "base/limits.h"
#include "codec/input_id.h"
#include "codec/input_place.h"

#include <stdbool.h>
#include <stdint.h>

struct input_device {
    uint16_t number;          /* 4: its node is /dev/input/event4 */
    uint16_t classes;         /* of input_id_classes() */
    uint8_t bus;              /* enum input_bus */
    char name[VH_INPUT_NAME]; /* "AT Translated Set 2 keyboard" */
    char phys[VH_INPUT_PHYS]; /* "isa0060/serio0/input0", "" none; for people, a long one is cut */
    char path[VH_INPUT_PATH]; /* ID_PATH, "" none */
};

/* ID_INPUT and the classes in the order of enum input_class, then ID_BUS, ID_PATH and ID_PATH_TAG. */
enum { INPUT_PROPERTIES = INPUT_CLASSES + 3 };

const char *input_property_name(int property);
int input_property_find(const char *name); /* -1: none of those; case counts */
/* Of a class "1"; "" if the device has no such property. In `room`, or static. */
const char *input_property_value(const struct input_device *d, int property, char room[VH_INPUT_PATH]);
/* Has it a form that sysfs can give a device: texts that end and are UTF-8, known classes and bus? */
bool input_device_valid(const struct input_device *d);

#endif
