/*
 * input_place.h - the place of an input device, and the bus that it is on, as udev says it: ID_PATH
 * ("pci-0000:00:14.0-usb-0:2:1.0"), ID_PATH_TAG ("pci-0000_00_14_0-usb-0_2_1_0") and ID_BUS. Pure: the caller reads the
 * parents.
 */
#ifndef VHOTPLUG_INPUT_PLACE_H
#define VHOTPLUG_INPUT_PLACE_H

#include "base/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ID_BUS. INPUT_NO_BUS: udev says none, as of a device that a program made. */
enum input_bus {
    INPUT_NO_BUS,
    INPUT_BLUETOOTH,
    INPUT_I8042,
    INPUT_RMI,
    INPUT_USB,
    INPUT_I2C,
    INPUT_PLATFORM,
    INPUT_ACPI,
    INPUT_PCI,
    INPUT_BUSES,
};

/* A walk from a device up to the root of all devices. */
struct input_place {
    char text[VH_INPUT_PATH]; /* filled from its end */
    size_t at;                /* where it begins */
    uint16_t met;             /* bit 1 << bus for each one met */
    uint8_t last; /* the kind of the parent before, if it named a place: its own parent of the kind does not */
    bool full;    /* a part did not fit */
};

void input_place_begin(struct input_place *p);
/* The next parent: its subsystem ("pci"; "" if it has none) and its name ("0000:00:14.0"). */
void input_place_add(struct input_place *p, const char *subsystem, const char *name);
/* ID_PATH; "" if no parent has a place that udev relies on, or it is too long. */
void input_place_path(const struct input_place *p, char path[VH_INPUT_PATH]);
/* bustype: the device's own. A device below both is on the first in this order: Bluetooth, i8042, RMI, USB, I2C,
 * platform, ACPI, PCI. Older versions of udev know none of the last four. */
enum input_bus input_place_bus(const struct input_place *p, uint16_t bustype);

/* "usb"; "" for INPUT_NO_BUS */
const char *input_bus_name(enum input_bus b);
void input_path_tag(const char path[VH_INPUT_PATH], char tag[VH_INPUT_PATH]);

#endif
