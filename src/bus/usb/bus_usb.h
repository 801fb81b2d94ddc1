/*
 * bus_usb.h - the USB bus (see bus.h for the contract).
 */
#ifndef VHOTPLUG_BUS_USB_H
#define VHOTPLUG_BUS_USB_H

#include "bus/bus.h"
#include "bus/device_order.h"
#include "bus/usb/port_pool.h"

extern const struct bus bus_usb;

extern const struct port_pool_calls bus_usb_port_calls; /* for port_pool_start() */

/* The end of an order that the bus gave to the device workers (device_done_fn). */
void bus_usb_done(const struct device_order *o, uint64_t token, const union device_answer *a, int fd);

#endif
