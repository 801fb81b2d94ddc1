/*
 * bus_usb.h - the USB bus (see bus.h for the contract).
 */
#ifndef VHOTPLUG_BUS_USB_H
#define VHOTPLUG_BUS_USB_H

#include "bus/bus.h"

extern const struct bus bus_usb;

#endif
