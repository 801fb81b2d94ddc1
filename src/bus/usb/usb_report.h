/*
 * usb_report.h - the facts about USB devices that follow from what the workers have read of them.
 */
#ifndef VHOTPLUG_USB_REPORT_H
#define VHOTPLUG_USB_REPORT_H

#include "bus/bus.h"
#include "bus/device_order.h"

void usb_report_start(const struct bus_calls *table);
const struct bus_calls *usb_calls(void); /* that table */

/* The device as it was reported before; it has not been read. What protects it is filled in, by the last snapshot of
 * what the host uses. */
void usb_report(struct device *dev, bool coldplug);
/* It is there, but what it is cannot be read now: it stays as it was reported. */
void usb_report_seen(const char *sys_name);
/* The answer to a READ. fd: the device's opened node or -1; it becomes this file's. False if the device has to be read
 * again later, because part of it could not be read now. */
bool usb_report_read(const struct device_order *o, const struct device_read *r, int fd, bool coldplug);
/* There was no answer in time. there: a list has just named the device, so one that was not reported is, too. */
void usb_report_silent(const char *sys_name, bool there);

/* The node of the device if it was opened when it was read, in the same pass: the caller's now. Else -1. */
int usb_report_node(const struct device *dev);
void usb_report_end(void); /* the pass ends: a node that nobody has taken is closed */

#endif
