/*
 * usb_leave.h - leaves the host as it would be without a daemon. In a device worker whose loop has ended.
 */
#ifndef VHOTPLUG_USB_LEAVE_H
#define VHOTPLUG_USB_LEAVE_H

#include <stdbool.h>

/* all: with quarantine; else only devices that no driver has, because they were revoked. Returns when each device that
 * this process has taken on is the host's, or cannot be: after VH_T_LEAVE at the latest, but for a device that keeps
 * the kernel waiting. */
void usb_leave(bool all);

#endif
