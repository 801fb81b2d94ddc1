/*
 * usb_scan.h - readings of USB devices: of one, and of all that there are.
 */
#ifndef VHOTPLUG_USB_SCAN_H
#define VHOTPLUG_USB_SCAN_H

#include "bus/device_order.h"
#include "bus/usb/usb_plugs.h"

/* Tokens of reads and of what the host uses. */
enum { OF_UEVENT = 0, OF_SCAN = 1 };

/* Orders a reading of the device; what lasts as long as the plug is read once. If no order can wait, a scan follows and
 * the answer is false. */
bool usb_order_read(const char *sys_name, enum plug_phase phase, uint64_t token);
/* False for audio, HID, printers, smart cards and video: they provide no block device and no network interface. */
bool usb_may_back_the_host(const struct device *dev);

void usb_scan(bool coldplug); /* see bus.h; it begins by asking what the host uses */
bool usb_scanning(void);
void usb_scan_later(void); /* something could not be read, and no event follows when it can */
int64_t usb_scan_at(void); /* when that scan is due; VH_NEVER if none is */

/* The answers to the scan's orders, in their order. NULL: there was none in time. */
void usb_scan_uses(bool known); /* is it known by now what the host uses? */
void usb_scan_listed(const struct device_list *l);
void usb_scan_read(const struct device_order *o, uint64_t token, const struct device_read *r, int fd);
/* After any answer: ends the scan if it was the last, and begins the one that was asked for meanwhile. */
void usb_scan_end(void);

#endif
