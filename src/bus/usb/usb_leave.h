/*
 * usb_leave.h - leaves the host as it would be without a daemon. In a device worker whose loop has ended.
 */
#ifndef VHOTPLUG_USB_LEAVE_H
#define VHOTPLUG_USB_LEAVE_H

/* Returns when each device that this process has taken on is the host's, or cannot be: after VH_T_LEAVE at the latest,
 * but for a device that keeps the kernel waiting. */
void usb_leave(void);

#endif
