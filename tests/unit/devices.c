/*
 * devices.c - fills in what every device of the tests has. Owns nothing; never makes a device that stays with the host.
 */
#include "devices.h"

#include <stdio.h>
#include <string.h>

void device_make(struct device *d, const char *sys_name, unsigned busnum, unsigned devnum, uint8_t cls) {
    device_clear(d);
    (void)snprintf(d->sys_name, sizeof d->sys_name, "%s", sys_name);
    (void)snprintf(d->usb.port_path, sizeof d->usb.port_path, "%s", strchr(sys_name, '-') + 1);
    (void)snprintf(d->node, sizeof d->node, "/dev/bus/usb/%03u/%03u", busnum, devnum);
    d->vendor_name = "V";
    d->product_name = "P";
    d->vid = 0x1234;
    d->pid = cls;
    d->usb.busnum = (uint8_t)busnum;
    d->usb.devnum = (uint8_t)devnum;
    d->settled = true;
    d->usb.nifaces = 1;
    d->usb.ifaces[0].cls = cls;
}
