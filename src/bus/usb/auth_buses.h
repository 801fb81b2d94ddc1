/*
 * auth_buses.h - with usbAuthorization: has each bus closed, so that the kernel authorises nothing there by itself.
 */
#ifndef VHOTPLUG_AUTH_BUSES_H
#define VHOTPLUG_AUTH_BUSES_H

#include "bus/bus.h"
#include "bus/device_order.h"

void auth_buses_seen(const struct device *dev); /* a device is there, perhaps a root hub */
void auth_buses_gone(const char *sys_name);
/* The end of a DEVICE_CLOSE_BUS; d: NULL if none came in time. False: the device is to be reported once more. */
bool auth_bus_closed(const struct device_order *o, const struct device_done *d);
void auth_buses_status(struct bus_authorization *s);

#endif
