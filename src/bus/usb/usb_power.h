/*
 * usb_power.h - which configuration a device may have where it is plugged in. The kernel leaves a device unconfigured
 * that asks for more current than the port above gives; whoever configures it in its place has to see to that.
 */
#ifndef VHOTPLUG_USB_POWER_H
#define VHOTPLUG_USB_POWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The bConfigurationValue of the device's first configuration that the port gives enough current for. dir: the device's
 * directory in sysfs. False with `why`: there is none. Asks the hub above whether it has a supply of its own, if that
 * matters. */
bool usb_power_choose(int dir, const char *sys_name, uint8_t *value, char *why, size_t cap);

#endif
